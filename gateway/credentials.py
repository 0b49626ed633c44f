"""The settings' apps as what `auth` works with."""

from __future__ import annotations

from collections.abc import Sequence

from auth.capability import Capability
from auth.issuers import Issuer
from auth.keys import Key, KeyRing
from gateway.settings import AppIssuer, Settings


def keyring_of(settings: Settings) -> KeyRing:
    """All keys of all apps."""
    return KeyRing(
        Key(app.id, key.id, key.read_secret(), Capability.parse(key.capability), key.read_older_secrets())
        for app in settings.apps
        for key in app.keys
    )


def issuers_of(settings: Settings, before: Settings | None = None, known: Sequence[Issuer] = ()) -> list[Issuer]:
    """
    All identity providers of all apps.

    Args:
        before: Other settings, of which *known* was made; who is the same in both keeps the keys that it has fetched.
    """
    old = [] if before is None else list(zip(_named(before), known, strict=True))
    return [_kept(named, old) or _issuer(*named) for named in _named(settings)]


def _kept(named: tuple[str, AppIssuer], old: Sequence[tuple[tuple[str, AppIssuer], Issuer]]) -> Issuer | None:
    if named[1].public_key_file is not None:
        return None  # what is in the file may be another key
    return next((issuer for was, issuer in old if was == named), None)


def _named(settings: Settings) -> list[tuple[str, AppIssuer]]:
    return [(app.id, issuer) for app in settings.apps for issuer in app.issuers]


def _issuer(app_id: str, of: AppIssuer) -> Issuer:
    return Issuer(
        app_id=app_id,
        issuer=of.issuer,
        audience=of.audience,
        algorithms=of.algorithms,
        client_id=of.client_id,
        capability=of.capability,
        jwks_url=of.jwks_url,
        openid_configuration_url=of.configuration_url(),
        public_key=None if of.public_key_file is None else of.public_key_file.read_bytes(),
        leeway_seconds=of.leeway_seconds,
        max_age_seconds=of.max_age_seconds,
        authorized_parties=of.authorized_parties,
        required_claims=of.required_claims,
    )
