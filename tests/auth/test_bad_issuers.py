"""An issuer that is down, slow, lying, endless or somebody else: what it answers ends nothing but its own log-ins."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator

import pytest

from auth.errors import IssuerUnavailable
from auth.key_sources import MAX_AGE_SECONDS, REFRESH_SECONDS, PublishedKeys
from tests.auth.certificates import untrusted_tls
from tests.auth.key_server import Answer, KeyServer, body, endless, found, key_server, keys_of, raw, silent, status
from tests.auth.minting import ED_KEY, ISSUER, NOW, RSA_KEY, jwk

SOON = 0.2  # seconds that a fetch may take where it is meant to fail by time


@pytest.fixture
async def server() -> AsyncIterator[KeyServer]:
    async with key_server() as server:
        server.publish(jwk(ED_KEY, kid="one"))
        yield server


BAD = {
    "down": status("500 Internal Server Error"),
    "gone": status("404 Not Found"),
    "empty": body(b""),
    "not json": body(b"<html>log in</html>"),
    "not a set": body(b'{"keys": 7}'),
    "a list": body(b"[]"),
    "a member twice": body(b'{"keys": [], "keys": []}'),
    "nested without end": body(b'{"keys":' + b"[" * 200_000),
    "bad utf-8": body(b'{"keys": ["\xff"]}'),
    "huge": body(json.dumps({"keys": [{"x": "y" * 300_000}]}).encode()),
    "endless": endless(),
    "no http": raw(b"keys, keys, keys\r\n\r\n"),
    "compressed": body(gzip.compress(b'{"keys": []}')),
    "a head without end": endless(b"HTTP/1.1 200 OK\r\nX: "),
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD.keys())
async def test_whatever_an_issuer_answers_known_keys_stay_for_a_day(
    server: KeyServer, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    """Stale while unavailable; and the log says why."""
    keys = keys_of(server)
    await keys.refresh(NOW)
    server.answers["/jwks.json"] = answer
    later = NOW + REFRESH_SECONDS

    with caplog.at_level(logging.WARNING, "auth.issuers"):
        await keys.refresh(later)

    assert [record.message for record in caplog.records] == ["the keys of an issuer cannot be fetched"]
    assert found(keys, "one", later) == ["one"]
    assert found(keys, "one", NOW + MAX_AGE_SECONDS - 1) == ["one"]
    with pytest.raises(IssuerUnavailable) as refused:
        keys.find("one", NOW + MAX_AGE_SECONDS, may_wait=False)
    assert (refused.value.code, refused.value.status) == (50003, 503)


async def test_nothing_listens(server: KeyServer) -> None:
    keys = PublishedKeys("http://127.0.0.1:1/jwks.json", ["EdDSA"], ISSUER)

    await keys.refresh(NOW)

    with pytest.raises(IssuerUnavailable):
        keys.find("one", NOW, may_wait=False)


async def drip(writer: asyncio.StreamWriter) -> None:
    """Each drop comes in time, and the last one never."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(SOON / 20)


@pytest.mark.parametrize(
    "answer",
    [silent(asyncio.Event(), status("200 OK")), drip, endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n")],
    ids=["nothing", "in drops", "hints without end"],
)
async def test_an_issuer_that_is_slow_is_given_up(server: KeyServer, answer: Answer) -> None:
    server.answers["/jwks.json"] = answer
    keys = keys_of(server, timeout_seconds=SOON)

    await keys.refresh(NOW)

    with pytest.raises(IssuerUnavailable):
        keys.find("one", NOW, may_wait=False)


@pytest.mark.parametrize("line", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"])
async def test_a_redirect_is_not_followed(server: KeyServer, line: str) -> None:
    """Whoever can make an issuer redirect must not choose the keys."""
    server.publish(jwk(RSA_KEY, kid="evil"), path="/evil.json")
    server.answers["/jwks.json"] = status(line, f"Location: {server.url('/evil.json')}")
    keys = keys_of(server)

    await keys.refresh(NOW)

    assert server.asked == ["/jwks.json"]
    with pytest.raises(IssuerUnavailable):
        keys.find("evil", NOW, may_wait=False)


async def test_a_server_that_no_authority_vouches_for_is_not_believed() -> None:
    async with key_server(untrusted_tls()) as server:
        server.publish(jwk(ED_KEY, kid="one"))
        keys = keys_of(server)

        await keys.refresh(NOW)

    assert server.asked == []
    with pytest.raises(IssuerUnavailable):
        keys.find("one", NOW, may_wait=False)
