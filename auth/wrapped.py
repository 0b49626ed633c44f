"""
Ably tokens within a token of somebody else, as systems have that hand out one token for everything.

    header   x-ably-token      of a signed or an encrypted token
    claims   x-ably-token      of a signed one

The wrapper's signature is not checked: its key is unknown here. So it proves nothing and allows nothing; what counts is
the Ably token, which anybody could as well have taken out. Its end counts, so that the SDK renews both in time.

Source: PROTOCOL.md section 7; Ably's public documentation of embedded tokens; TN3.
"""

from __future__ import annotations

from auth.ably_token import LEEWAY_SECONDS
from auth.compact import Compact, parse_compact
from auth.errors import TokenMalformed
from auth.lifetime import check_lifetime

EMBEDDED = "x-ably-token"


def is_wrapper(token: Compact) -> bool:
    """Whether there is an Ably token in it."""
    return token.header.embedded is not None or token.claims.get(EMBEDDED) is not None


def unwrap(wrapper: Compact, now: float) -> tuple[Compact, float | None]:
    """
    Take the Ably token out.

    Returns:
        The token, still to be verified, and when its wrapper ends; None if that cannot be read.

    Raises:
        TokenMalformed: If what is in it is no token, or another wrapper, or the wrapper's times are none.
        TokenExpired: If the wrapper has ended.
        TokenRefused: If it has not begun.
    """
    text = wrapper.header.embedded if wrapper.header.embedded is not None else wrapper.claims[EMBEDDED]
    token = parse_compact(text) if isinstance(text, str) else None
    if token is None or is_wrapper(token):
        raise TokenMalformed("embedded")
    if not wrapper.signature:  # encrypted
        return token, None
    lifetime = check_lifetime(wrapper.claims, now, leeway_seconds=LEEWAY_SECONDS, expiry_leeway_seconds=0.0)
    return token, lifetime.expires_at
