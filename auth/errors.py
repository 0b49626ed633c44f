"""
Why somebody is not let in.

    AuthError
    ├── BadRequest               40000   a token request that cannot be read
    │   └── BadParameter         40003   a value in it that cannot be
    ├── CapabilityMalformed      40000   a capability that is none
    ├── BadClientId              40012   a clientId that nobody can have
    ├── BadCredentials           40101   wrong key, wrong signature of a token request
    ├── ClientIdMismatch         40102   the token is another client's
    ├── TlsNeeded                40103   a key over a line that others can read
    ├── TimestampOff             40104   a token request of another hour
    ├── NonceReused              40105   a token request seen before
    ├── RevocationNotEnabled     40121   there is no topic for revocations
    ├── TokenRefused             40140   the SDK renews
    │   ├── TokenRevoked         40141
    │   ├── TokenExpired         40142
    │   ├── TokenUnknown         40143   nobody known has issued it
    │   └── TokenMalformed       40144
    ├── CapabilityDenied         40160
    ├── KeyNeeded                40162   a token where a key is asked for
    ├── NoSuchKey                40400
    └── IssuerUnavailable        50003   its issuer's keys cannot be had now: not its fault, so it comes back

What a client hears never says which check failed: *reason* is for logs and metrics, *message* for the wire.

Source: PROTOCOL.md section 7; RSA4, RTN14b, RTN15h.
"""

from __future__ import annotations

from typing import Literal

Reason = Literal[
    "algorithm",
    "audience",
    "authorized_party",
    "capability",
    "claims",
    "client_id",
    "client_id_form",
    "critical_header",
    "embedded",
    "expired",
    "future",
    "issuer",
    "issuer_unavailable",
    "key_id",
    "key_needed",
    "mac",
    "no_claims",
    "none_given",
    "nonce",
    "not_enabled",
    "nothing_in_common",
    "plain_line",
    "request",
    "required_claim",
    "revoked",
    "signature",
    "size",
    "timestamp",
    "times",
    "token_form",
    "token_type",
    "too_many_patterns",
    "ttl",
    "unknown_key",
    "unspecified",
    "wrong_secret",
]


class AuthError(Exception):
    """
    Somebody is not let in.

    Args:
        reason: Which check failed; for operators only.
    """

    code = 40100
    status = 401
    message = "the credentials are not valid"

    def __init__(self, reason: Reason = "unspecified") -> None:
        super().__init__(f"{self.message} ({reason})")
        self.reason: Reason = reason


class BadRequest(AuthError):
    """A token request lacks something or has it in the wrong form."""

    code, status = 40000, 400
    message = "the token request is not complete or not well-formed"


class BadParameter(BadRequest):
    """A value of a token request is out of bounds."""

    code = 40003
    message = "the ttl of the token request must be a number of milliseconds, at least 1 and at most 24 hours"


class CapabilityMalformed(AuthError):
    """A capability is not a map of patterns to lists of known operations."""

    code, status = 40000, 400
    message = "the capability is not well-formed: it maps channel patterns to lists of operations"


class BadClientId(AuthError):
    """A clientId is empty, too long, or has characters that cannot be shown."""

    code, status = 40012, 400
    message = "the clientId cannot be used: it has 1 to 512 bytes, no control characters, and is not * alone"


class BadCredentials(AuthError):
    """A key or a signature is wrong."""

    code = 40101


class ClientIdMismatch(AuthError):
    """The credentials belong to another clientId than the one asked for."""

    code = 40102
    message = "the credentials are of another clientId than the one asked for"


class TlsNeeded(AuthError):
    """A key was sent over a line that others can read."""

    code = 40103
    message = "a key is only accepted over TLS; use a token here"


class TimestampOff(AuthError):
    """A token request is from another time."""

    code = 40104
    message = "the timestamp of the token request is not the present; see GET /time"


class NonceReused(AuthError):
    """A token request was seen before."""

    code = 40105
    message = "the nonce of the token request was used before"


class RevocationNotEnabled(AuthError):
    """There is no topic to keep revocations in."""

    code = 40121
    message = "tokens cannot be revoked here: revocation.topic is not set"


class TokenRefused(AuthError):
    """A token is not accepted; the SDK asks for a new one."""

    code = 40140
    message = "the token is not valid"


class TokenRevoked(TokenRefused):
    """A token was taken back before its time."""

    code = 40141
    message = "the token was revoked"


class TokenExpired(TokenRefused):
    """A token's time is over."""

    code = 40142
    message = "the token has expired"


class TokenUnknown(TokenRefused):
    """Nobody known has issued the token."""

    code = 40143


class TokenMalformed(TokenRefused):
    """Something that is no token was given as one."""

    code = 40144
    message = "this is not a token"


class CapabilityDenied(AuthError):
    """What is asked for is not allowed, or nothing is."""

    code = 40160
    message = "the credentials do not allow this"


class KeyNeeded(AuthError):
    """What is asked for is for the holder of a key; a token was shown (RSA17d)."""

    code = 40162
    message = "this needs the key itself, by basic authentication; a token will not do"


class NoSuchKey(AuthError):
    """There is no key of this name."""

    code, status = 40400, 404
    message = "there is no key of this name"


class IssuerUnavailable(AuthError):
    """
    The issuer is known, but its keys were never had or are too old, and cannot be fetched now; a later try may succeed.

    The token may be as good as any, and another one would not help: so the client is told to come back, and not to
    renew, which would be a burden on an issuer that is in trouble.
    """

    code, status = 50003, 503
    message = "authentication is not possible now; connect again"
