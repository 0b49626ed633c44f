"""
A company's own identity provider: its keys, and what its claims mean here.

Source: RFC 7519; RFC 8725 for what to distrust.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from auth.capability import Capability
from auth.compact import Compact
from auth.errors import CapabilityDenied, TokenRefused
from auth.key_sources import FixedKey, KeySource, PublishedKeys
from auth.lifetime import check_lifetime
from auth.principal import Principal, check_client_id
from auth.public_keys import check_algorithms, read_pem
from auth.requirements import Requirements
from auth.templates import MAX_RESULTS, Template, TooManyResults


class Issuer:
    """
    An identity provider whose tokens are accepted.

    Args:
        app_id: The app its clients belong to.
        issuer: The ``iss`` claim, to the letter.
        audience: The ``aud`` claim that must be among the token's.
        algorithms: What its keys may be used with; the first that fits, for a key that does not say.
        client_id: Template over the claims, such as ``{sub}``; None: anonymous.
        capability: Templates over the claims, such as ``account:{accounts[*]}`` → operations.
        jwks_url: Where its keys are; or *openid_configuration_url*, where that is said; or *public_key*, a PEM.
        leeway_seconds: How far clocks may be apart.
        max_age_seconds: How long after ``iat`` a token is good at most; None: as long as it says.
        authorized_parties: The apps that its tokens may have been issued to; see `Requirements`.
        required_claims: What else its tokens must say; see `Requirements`.

    Raises:
        ValueError: If a template, an algorithm or the key cannot be used.
        CapabilityMalformed: If there is no such operation.
    """

    def __init__(  # noqa: PLR0913  # what settings say of an issuer, each by its name
        self,
        *,
        app_id: str,
        issuer: str,
        audience: str,
        algorithms: Sequence[str],
        client_id: str | None,
        capability: Mapping[str, Sequence[str]],
        jwks_url: str | None = None,
        openid_configuration_url: str | None = None,
        public_key: bytes | None = None,
        leeway_seconds: float = 30.0,
        max_age_seconds: float | None = None,
        authorized_parties: Sequence[str] = (),
        required_claims: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        self.app_id = app_id
        self.issuer = issuer
        self.audience = audience
        self._client_id = None if client_id is None else Template(client_id, is_segmented=False)
        self._capability = [(Template(pattern), tuple(operations)) for pattern, operations in capability.items()]
        self._leeway_seconds = leeway_seconds
        self._max_age_seconds = max_age_seconds
        self._requirements = Requirements(authorized_parties, required_claims)
        allowed = check_algorithms(algorithms)
        if public_key is not None:
            self._keys: KeySource = FixedKey(read_pem(public_key, allowed))
        else:
            self._keys = _published(jwks_url, openid_configuration_url, allowed, issuer)
        Capability.parse(capability)

    def verify(self, token: Compact, now: float, *, may_wait: bool) -> Principal | None:
        """
        Check a token that names this issuer.

        Args:
            may_wait: Whether the caller can `refresh`; otherwise the answer is final.

        Returns:
            Who it is; None if the keys must be fetched first.

        Raises:
            TokenRefused: If it is not valid.
            CapabilityDenied: If its claims give nothing, or lack what is required.
            BadClientId: If nobody can be called as its claims say.
        """
        header = token.header
        keys = self._keys.find(header.key_id, now, may_wait=may_wait)
        if keys is None:
            return None
        fitting = [key for key in keys if key.algorithm == header.algorithm]
        if not fitting:
            raise TokenRefused("algorithm")
        if not any(key.has_signed(token) for key in fitting):
            raise TokenRefused("signature")
        return self._principal(token.claims, now)

    async def refresh(self, now: float) -> None:
        """Fetch the keys, once for all who wait; never raises, and what was known stays known if it fails."""
        await self._keys.refresh(now)

    def _principal(self, claims: Mapping[str, Any], now: float) -> Principal:
        if claims.get("iss") != self.issuer:
            raise TokenRefused("issuer")
        if not has_audience(claims, self.audience):
            raise TokenRefused("audience")
        lifetime = check_lifetime(
            claims,
            now,
            leeway_seconds=self._leeway_seconds,
            expiry_leeway_seconds=self._leeway_seconds,
            max_age_seconds=self._max_age_seconds,
        )
        self._requirements.check(claims)
        return Principal(
            app_id=self.app_id,
            key_name=None,
            client_id=self._client_id_of(claims),
            is_wildcard=False,
            capability=self._capability_of(claims),
            expires_at=lifetime.expires_at,
            method="issuer",
            issued_at=lifetime.issued_at,
            issuer=self.issuer,
        )

    def _client_id_of(self, claims: Mapping[str, Any]) -> str | None:
        if self._client_id is None:
            return None
        client_id = next(self._client_id.fill(claims), None)
        if client_id is None:
            raise TokenRefused("claims")
        return check_client_id(client_id)

    def _capability_of(self, claims: Mapping[str, Any]) -> Capability:
        allowed: dict[str, set[str]] = {}
        try:
            for template, operations in self._capability:
                for pattern in template.fill(claims):
                    allowed.setdefault(pattern, set()).update(operations)
        except TooManyResults:
            raise CapabilityDenied("too_many_patterns") from None
        if not allowed:
            raise CapabilityDenied("no_claims")
        if len(allowed) > MAX_RESULTS:
            raise CapabilityDenied("too_many_patterns")
        return Capability.parse(allowed)


def has_audience(claims: Mapping[str, Any], audience: str) -> bool:
    """Whether a token is meant for *audience*, among others maybe (RFC 7519 section 4.1.3)."""
    named = claims.get("aud")
    return named == audience if isinstance(named, str) else isinstance(named, list) and audience in named


def _published(
    jwks_url: str | None, openid_configuration_url: str | None, algorithms: Sequence[str], issuer: str
) -> PublishedKeys:
    url = openid_configuration_url or jwks_url
    if url is None:
        raise ValueError("an issuer needs a jwks_url, an openid_configuration_url or a public key")
    return PublishedKeys(url, algorithms, issuer, is_configuration=openid_configuration_url is not None)
