"""Where an issuer's keys are, by its own word."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from auth.addresses import check_url
from auth.discovery import configuration_url, read_configuration
from auth.errors import IssuerUnavailable
from auth.key_sources import REFRESH_SECONDS, RETRY_SECONDS, PublishedKeys
from tests.auth.key_server import KeyServer, body, key_server, status
from tests.auth.minting import ED_KEY, ISSUER, NOW, RSA_KEY, jwk

JWKS = "https://keys.bank.example/jwks.json"
WELL_KNOWN = "/.well-known/openid-configuration"


def described(**changes: Any) -> bytes:
    return json.dumps({"issuer": ISSUER, "jwks_uri": JWKS} | changes).encode()


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        ("https://login.bank.example", "https://login.bank.example/.well-known/openid-configuration"),
        ("https://login.bank.example/", "https://login.bank.example/.well-known/openid-configuration"),
        (
            "https://login.bank.example/realms/retail",
            "https://login.bank.example/realms/retail/.well-known/openid-configuration",
        ),
        ("http://127.0.0.1:8090", "http://127.0.0.1:8090/.well-known/openid-configuration"),
    ],
)
def test_an_issuer_s_name_says_where_it_describes_itself(issuer: str, url: str) -> None:
    """OpenID Connect Discovery section 4.1."""
    assert configuration_url(issuer) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://login.bank.example/",
        "http://127.0.0.1.bank.example/",
        "http://10.0.0.1/",
        "http://[::ffff:8.8.8.8]/",
        "https://",
        "https:///jwks.json",
        "ftp://login.bank.example/",
        "file:///etc/passwd",
        "login.bank.example",
        "",
        "http://",
        "http://localhost.bank.example/",
    ],
)
def test_an_address_on_which_others_could_answer_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="cannot be trusted with keys"):
        check_url(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]:9/x", "https://a/x"])
def test_an_address_that_is_safe_is_taken(url: str) -> None:
    assert check_url(url) == url


def test_the_keys_are_where_the_issuer_says() -> None:
    assert read_configuration(described(), ISSUER, is_local=False) == JWKS


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"not json",
        b"[]",
        b"\xff",
        b'{"issuer":"a","issuer":"https://login.bank.example/"}',
        described(issuer="https://evil.example/"),
        described(issuer=ISSUER.removesuffix("/")),
        described(issuer=ISSUER.upper()),
        described(issuer=[ISSUER]),
        described(issuer=None),
        described(jwks_uri=None),
        described(jwks_uri=[JWKS]),
        described(jwks_uri="http://keys.bank.example/jwks.json"),
        described(jwks_uri="http://127.0.0.1/jwks.json"),
        described(jwks_uri="file:///etc/passwd"),
        described(jwks_uri="https://"),
        described(jwks_uri=""),
    ],
)
def test_a_description_that_cannot_be_believed_is_refused(text: bytes) -> None:
    """Section 4.3: its issuer is the one that was asked, to the letter."""
    with pytest.raises(ValueError, match=r"configuration|trusted"):
        read_configuration(text, ISSUER, is_local=False)


@pytest.fixture
async def server() -> AsyncIterator[KeyServer]:
    async with key_server() as server:
        server.publish(jwk(ED_KEY, kid="one"))
        server.answers[WELL_KNOWN] = body(described(issuer=server.url(""), jwks_uri=server.url()))
        yield server


def keys_of(server: KeyServer) -> PublishedKeys:
    issuer = server.url("")
    return PublishedKeys(configuration_url(issuer), ["EdDSA", "RS256"], issuer, is_configuration=True)


async def test_keys_are_found_by_discovery(server: KeyServer) -> None:
    keys = keys_of(server)

    await keys.refresh(NOW)

    assert keys.find("one", NOW, may_wait=False)
    assert server.asked == [WELL_KNOWN, "/jwks.json"]


async def test_an_issuer_may_move_its_keys(server: KeyServer) -> None:
    keys = keys_of(server)
    await keys.refresh(NOW)
    server.publish(jwk(RSA_KEY, kid="two"), path="/moved.json")
    server.answers[WELL_KNOWN] = body(described(issuer=server.url(""), jwks_uri=server.url("/moved.json")))

    await keys.refresh(NOW + REFRESH_SECONDS)

    assert keys.find("two", NOW + REFRESH_SECONDS, may_wait=False)


async def test_keys_that_another_issuer_describes_are_not_fetched(server: KeyServer) -> None:
    server.answers[WELL_KNOWN] = body(described(issuer="https://evil.example", jwks_uri=server.url()))
    keys = keys_of(server)

    await keys.refresh(NOW)

    assert server.asked == [WELL_KNOWN]
    with pytest.raises(IssuerUnavailable):
        keys.find("one", NOW, may_wait=False)


async def test_known_keys_stay_while_the_description_is_away(server: KeyServer) -> None:
    keys = keys_of(server)
    await keys.refresh(NOW)
    server.answers[WELL_KNOWN] = status("502 Bad Gateway")

    await keys.refresh(NOW + REFRESH_SECONDS)

    assert keys.find("one", NOW + REFRESH_SECONDS, may_wait=False)


async def test_a_flood_of_made_up_names_costs_one_description_in_ten_seconds(server: KeyServer) -> None:
    keys = keys_of(server)
    await keys.refresh(NOW)

    for n in range(100):
        now = NOW + RETRY_SECONDS + n / 20
        if n == 0:
            assert keys.find("made-up", now, may_wait=True) is None
        await keys.refresh(now)

    assert server.asked == [WELL_KNOWN, "/jwks.json"] * 2
