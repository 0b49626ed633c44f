"""
The topic of what was taken back: read from its beginning by every edge, written by services and by `revokeTokens`.

    record       what its records say
    follower     from its beginning, then on and on
    writer       what is revoked over REST
    revocations  all of it, for one edge

The topic is the state. No edge asks another one or Redis; an edge that starts has read it before it lets anybody in, and
one that Kafka left goes by what it knows, and says how old that is.
"""

from gateway.revocation.revocations import Revocations

__all__ = ["Revocations"]
