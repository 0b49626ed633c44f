"""
Credentials in, a principal or an error out.

    key      app.key:secret        over TLS or on this machine only
    token    kid is a key's name   HS256 with that key's secret
             iss is an issuer's    with the issuer's public keys
             wraps an Ably token   as that token, until the wrapper ends

Nothing here waits. Where an issuer's keys must be fetched first, `KeysNeeded` says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from auth import ably_token
from auth.compact import MAX_TOKEN_LENGTH, Compact, parse_compact
from auth.errors import BadCredentials, ClientIdMismatch, TlsNeeded, TokenRefused, TokenRevoked, TokenUnknown
from auth.issuers import Issuer, has_audience
from auth.keys import Key, KeyRing
from auth.principal import Principal, check_client_id
from auth.revocation import Rulings
from auth.wrapped import is_wrapper, unwrap


@dataclass(frozen=True, slots=True)
class Credentials:
    """
    What somebody shows.

    Args:
        key: ``app.key:secret``.
        token: A JWT; if there is one, the key is not looked at.
        client_id: The clientId that is asked for.
        is_secure: Whether nobody else can read the line.
    """

    key: str | None = field(repr=False)
    token: str | None = field(repr=False)
    client_id: str | None
    is_secure: bool


class KeysNeeded(Exception):
    """
    Await ``issuer.refresh(now)``, then verify again with ``may_wait=False``.

    Args:
        issuer: Whose keys are not known yet.
    """

    def __init__(self, issuer: Issuer) -> None:
        super().__init__("the issuer's keys must be fetched")
        self.issuer = issuer


class Verifier:
    """
    Decides who is let in.

    Args:
        keyring: The apps' keys.
        issuers: The identity providers; one may serve several apps, each with an audience of its own.
        max_token_length: Of a token's text; longer ones are not read.
        rulings: What was taken back; None: nothing can be.

    Raises:
        ValueError: If two of them have the same issuer and the same audience.
    """

    def __init__(
        self,
        keyring: KeyRing,
        issuers: Iterable[Issuer],
        *,
        max_token_length: int = MAX_TOKEN_LENGTH,
        rulings: Rulings | None = None,
    ) -> None:
        self._keyring = keyring
        self._max_token_length = max_token_length
        self._issuers = _by_audience(issuers)
        self.rulings = rulings

    def trust(self, keyring: KeyRing, issuers: Iterable[Issuer]) -> None:
        """
        Go by other keys and issuers from now on. Who was let in by others is told by `review`.

        Raises:
            ValueError: As when it is made; nothing is changed then.
        """
        self._issuers = _by_audience(issuers)
        self._keyring = keyring

    def verify(self, credentials: Credentials, now: float, *, may_wait: bool = True) -> Principal:
        """
        Check credentials.

        Args:
            now: Seconds since the epoch.
            may_wait: Whether `KeysNeeded` is an answer; after the keys were fetched it is not.

        Raises:
            AuthError: If they are not good.
            KeysNeeded: If that cannot be told yet.
        """
        if credentials.token is not None:
            principal = self._by_token(credentials.token, now, may_wait=may_wait)
        elif credentials.key is not None:
            principal = self._by_key(credentials.key, is_secure=credentials.is_secure)
        else:
            raise BadCredentials("none_given")
        principal = _as_client(principal, credentials.client_id)
        return principal if self.rulings is None else self.rulings.admit(principal, now)

    def review(self, principal: Principal, now: float) -> Principal:
        """
        See how somebody who was let in before stands now.

        Returns:
            The very same, or with other rights.

        Raises:
            AuthError: If it would not be let in any more: its key, the secret or the issuer is gone, or its token was revoked.
        """
        if principal.key_name is not None:
            key = self._keyring.find(principal.key_name)
            if key is None or principal.key_mark not in key.marks:
                raise BadCredentials("unknown_key") if principal.method == "basic" else TokenRevoked("unknown_key")
        if principal.issuer is not None and principal.issuer not in self._issuers:
            raise TokenRevoked("issuer")
        return principal if self.rulings is None else self.rulings.review(principal, now)

    def _by_key(self, text: str, *, is_secure: bool) -> Principal:
        if not is_secure:
            raise TlsNeeded("plain_line")
        name, _, secret = text.partition(":")
        key = self._keyring.find(name)
        mark = None if key is None else key.mark_of(secret)
        if key is None or mark is None:
            raise BadCredentials("unknown_key" if key is None else "wrong_secret")
        return Principal(
            app_id=key.app_id,
            key_name=key.name,
            client_id=None,
            is_wildcard=False,
            capability=key.capability,
            expires_at=None,
            method="basic",
            key_mark=mark,
        )

    def _by_token(self, text: str, now: float, *, may_wait: bool) -> Principal:
        token = parse_compact(text, self._max_token_length)
        if is_wrapper(token):
            return self._by_wrapped(token, now)
        key = self._key_of(token)
        if key is not None:
            return ably_token.verify_compact(token, key, now)
        issuer = self._issuer_of(token)
        principal = issuer.verify(token, now, may_wait=may_wait)
        if principal is None:
            raise KeysNeeded(issuer)
        return principal

    def _by_wrapped(self, wrapper: Compact, now: float) -> Principal:
        token, ends_at = unwrap(wrapper, now)
        key = self._key_of(token)
        if key is None:
            raise TokenUnknown("embedded")
        principal = ably_token.verify_compact(token, key, now)
        if ends_at is None:
            return principal
        if principal.expires_at is None or ends_at > principal.expires_at:
            raise TokenRefused("embedded")
        return replace(principal, expires_at=ends_at)

    def _key_of(self, token: Compact) -> Key | None:
        key_id = token.header.key_id
        return None if key_id is None else self._keyring.find(key_id)

    def _issuer_of(self, token: Compact) -> Issuer:
        """Whose keys to check with; what the token says of itself is believed only after they were."""
        named = token.claims.get("iss")
        audiences = self._issuers.get(named) if isinstance(named, str) else None
        if audiences is None:
            raise TokenUnknown("issuer")
        for audience, issuer in audiences.items():
            if has_audience(token.claims, audience):
                return issuer
        raise TokenRefused("audience")


def _by_audience(issuers: Iterable[Issuer]) -> dict[str, dict[str, Issuer]]:
    found: dict[str, dict[str, Issuer]] = {}
    for issuer in issuers:
        audiences = found.setdefault(issuer.issuer, {})
        if issuer.audience in audiences:
            raise ValueError(
                f"issuer {issuer.issuer!r} with audience {issuer.audience!r} is there twice; audiences tell apps apart"
            )
        audiences[issuer.audience] = issuer
    return found


def _as_client(principal: Principal, asked: str | None) -> Principal:
    """The principal as the client it says it is, if its credentials let it (RSA7, RSA15)."""
    if asked is None or asked == principal.client_id or (asked == "*" and principal.is_wildcard):
        return principal
    check_client_id(asked)
    if principal.is_wildcard or principal.method == "basic":
        return replace(principal, client_id=asked, is_wildcard=False)
    raise ClientIdMismatch("client_id")
