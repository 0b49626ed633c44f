"""Settings of apps: keys that change their secret, issuers that say where their keys are, and what both become."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from auth import ably_token
from auth.keys import Key
from auth.public_keys import ALGORITHMS
from auth.verifier import Verifier
from gateway.credentials import issuers_of, keyring_of
from gateway.settings import Settings, SettingsFault, load
from tests.auth.key_server import body, key_server
from tests.auth.minting import AUDIENCE, ED_KEY, ISSUER, NOW, RSA_KEY, by_key, by_token, issuer_token, jwk, pem

NEW, OLD, SHORT = (f"a-{age}-secret-of-at-least-thirty-two-bytes" for age in ("new", "old", "short"))
KEY = {"id": "server1", "secret": NEW}
TRUSTED = {"issuer": ISSUER, "audience": AUDIENCE, "capability": {"account:{accounts[*]}": ["subscribe"]}}


def read(
    *, keys: tuple[Mapping[str, Any], ...] = (KEY,), issuers: tuple[Mapping[str, Any], ...] = (), **sections: Any
) -> Settings:
    tree = {
        "kafka": {"bootstrap_servers": "kafka-1:9092"},
        "redis": {"url": "redis://redis:6379/0"},
        "apps": [{"id": "bank", "keys": list(keys), "issuers": list(issuers)}],
        "namespaces": {"account": {"topic": "edge.accounts"}},
    }
    return load(environ={}, overrides=tree | sections)


def faults(**changes: Any) -> dict[str, str]:
    with pytest.raises(SettingsFault) as caught:
        read(**changes)
    return {fault.name: fault.problem for fault in caught.value.faults}


def verifier_of(settings: Settings) -> Verifier:
    return Verifier(keyring_of(settings), issuers_of(settings))


# ---------------------------------------------------------------------- keys


@pytest.mark.parametrize("place", ["older_secret", "older_secret_file"])
def test_a_key_has_two_secrets_while_one_replaces_the_other(tmp_path: Path, place: str) -> None:
    file = tmp_path / "older"
    file.write_text(f"{OLD}\n")
    settings = read(keys=(KEY | {place: OLD if place == "older_secret" else file},))
    verifier = verifier_of(settings)

    for secret in (NEW, OLD):
        key = Key("bank", "server1", secret.encode(), keyring_of(settings).find("bank.server1").capability)  # type: ignore[union-attr]
        assert verifier.verify(by_token(ably_token.mint(key, now=NOW, ttl_seconds=60)), NOW).key_name == "bank.server1"
        assert verifier.verify(by_key(f"bank.server1:{secret}"), NOW).key_name == "bank.server1"


def test_new_tokens_are_signed_with_the_new_secret() -> None:
    key = keyring_of(read(keys=(KEY | {"older_secret": OLD},))).find("bank.server1")

    assert key is not None
    assert key.secret == NEW.encode()


def test_a_key_has_one_older_secret_at_most(tmp_path: Path) -> None:
    file = tmp_path / "older"
    file.write_text(OLD)

    found = faults(keys=(KEY | {"older_secret": OLD, "older_secret_file": file},))

    assert "at most one" in found["apps[0].keys[0].older_secret_file"]


def test_an_older_secret_is_long_enough_too(tmp_path: Path) -> None:
    file = tmp_path / "older"
    file.write_text("short")

    assert "at least 32 bytes" in faults(keys=(KEY | {"older_secret_file": file},))["apps[0].keys[0].older_secret_file"]
    assert "short" not in faults(keys=(KEY | {"older_secret": "short"},))["apps[0].keys[0].older_secret"]


# ---------------------------------------------------------------------- issuers


def test_every_algorithm_that_can_be_verified_can_be_chosen() -> None:
    settings = read(issuers=(TRUSTED | {"discovery": True, "algorithms": sorted(ALGORITHMS)},))

    assert set(settings.apps[0].issuers[0].algorithms) == ALGORITHMS


@pytest.mark.parametrize("algorithm", ["HS256", "none", "rs256", "ES256K"])
def test_other_algorithms_cannot(algorithm: str) -> None:
    found = faults(issuers=(TRUSTED | {"discovery": True, "algorithms": [algorithm]},))

    assert "one of" in found["apps[0].issuers[0].algorithms[0]"]


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"discovery": True}, "https://login.bank.example/.well-known/openid-configuration"),
        ({"openid_configuration_url": "https://x.example/oidc"}, "https://x.example/oidc"),
        ({"jwks_url": "https://x.example/keys"}, None),
    ],
)
def test_an_issuer_s_keys_come_from_where_the_settings_say(given: Mapping[str, Any], url: str | None) -> None:
    assert read(issuers=(TRUSTED | given,)).apps[0].issuers[0].configuration_url() == url


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"discovery": False},
        {"discovery": True, "jwks_url": "https://x.example/keys"},
        {"openid_configuration_url": "https://x.example/oidc", "jwks_url": "https://x.example/keys"},
        {"discovery": True, "openid_configuration_url": "https://x.example/oidc"},
    ],
)
def test_keys_come_from_one_place(given: Mapping[str, Any]) -> None:
    assert "exactly one of" in faults(issuers=(TRUSTED | given,))["apps[0].issuers[0].jwks_url"]


def test_discovery_needs_an_issuer_that_is_an_address() -> None:
    found = faults(issuers=(TRUSTED | {"issuer": "the-bank", "discovery": True},))

    assert "https://" in found["apps[0].issuers[0].discovery"]


@pytest.mark.parametrize("name", ["jwks_url", "openid_configuration_url"])
@pytest.mark.parametrize("url", ["http://login.bank.example/keys", "ftp://x.example/", "keys"])
def test_an_address_on_which_others_could_answer_is_refused(name: str, url: str) -> None:
    assert "https://" in faults(issuers=(TRUSTED | {name: url},))[f"apps[0].issuers[0].{name}"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"max_age_seconds": 0}, "max_age_seconds"),
        ({"max_age_seconds": 1e9}, "max_age_seconds"),
        ({"leeway_seconds": 301}, "leeway_seconds"),
        ({"authorized_parties": [""]}, "authorized_parties[0]"),
        ({"required_claims": {"acr": []}}, "required_claims.acr"),
        ({"required_claims": {"acr": [""]}}, "required_claims.acr[0]"),
    ],
)
def test_what_is_out_of_bounds_is_named(given: Mapping[str, Any], name: str) -> None:
    assert f"apps[0].issuers[0].{name}" in faults(issuers=(TRUSTED | {"discovery": True} | given,))


def test_one_issuer_may_serve_several_apps_by_audience() -> None:
    trusted = TRUSTED | {"discovery": True}

    assert len(issuers_of(read(issuers=(trusted, trusted | {"audience": "shop"})))) == 2
    assert "more than once" in faults(issuers=(trusted, trusted))["apps"]


def test_what_the_settings_ask_of_tokens_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "issuer.pem"
    file.write_bytes(pem(RSA_KEY))
    settings = read(
        issuers=(
            TRUSTED
            | {
                "public_key_file": file,
                "algorithms": ["PS256"],
                "authorized_parties": "phone-app,web-app",
                "required_claims": {"acr": ["strong"], "scope": "realtime"},
                "max_age_seconds": 600,
                "leeway_seconds": 0,
            },
        )
    )

    principal = verifier_of(settings).verify(
        by_token(issuer_token(RSA_KEY, "PS256", azp="web-app", acr="strong", scope="openid realtime")), NOW
    )

    assert principal.client_id == "alice"
    assert principal.expires_at == NOW + 600


async def test_an_issuer_s_keys_are_discovered_as_the_settings_say() -> None:
    async with key_server() as server:
        issuer = server.url("")
        description = f'{{"issuer": "{issuer}", "jwks_uri": "{server.url()}"}}'
        server.answers["/.well-known/openid-configuration"] = body(description.encode())
        server.publish(jwk(ED_KEY, kid="one"))
        (found,) = issuers_of(read(issuers=(TRUSTED | {"issuer": issuer, "discovery": True},)))

        await found.refresh(NOW)

    token = issuer_token(ED_KEY, "EdDSA", "one", iss=issuer)
    assert Verifier(keyring_of(read()), [found]).verify(by_token(token), NOW).client_id == "alice"
