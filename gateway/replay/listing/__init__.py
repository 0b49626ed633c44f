"""
The past of channels, page by page, for who asks over REST.

    listing    which tier has its turn
    backwards  newest first
    forwards   oldest first
    log        what of Kafka may be shown
    excerpts   pieces of it, read for all who want them
"""

from gateway.replay.listing.listing import Listing

__all__ = ["Listing"]
