"""REST on a real socket, behind the real front door: what only shows there."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.ground import Ground, basic, bearer, code_of, token
from tests.auth.certificates import self_signed_pem
from tests.transport.ground import standing

WAIT_SECONDS = 10.0
MESSAGES = "/channels/account:a%2Fb/messages"
REQUEST_TOKEN = "/keys/bank.server/requestToken"


@pytest.fixture
async def url(ground: Ground) -> AsyncIterator[str]:
    """Where the port is."""
    async with standing(ground.app, handshake_timeout_seconds=0.5) as port:
        yield f"http://127.0.0.1:{port.port}"


async def test_names_come_through_as_they_were_encoded(ground: Ground, url: str) -> None:
    ground.say("account:a/b", "this one")

    async with httpx.AsyncClient(base_url=url) as client:
        response = await client.get(MESSAGES, headers=bearer(token()))

    assert [message["data"] for message in response.json()] == ["this one"]


async def test_headers_do_not_say_where_a_client_is(url: str) -> None:
    """Whoever can be believed about it is none of the edge's knowledge; a key's line is the socket's."""
    forwarded = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "http"}

    async with httpx.AsyncClient(base_url=url) as client:
        response = await client.get(MESSAGES, headers={**basic(), **forwarded})

    assert response.status_code == 200


async def test_a_body_that_is_too_long_costs_its_connection(url: str) -> None:
    """The refusal comes at once, and what follows is not read."""
    port = httpx.URL(url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {REQUEST_TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n".encode())

    async with asyncio.timeout(WAIT_SECONDS):
        answer = await reader.read()
    writer.transport.abort()

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"40009" in answer


@pytest.mark.parametrize("head", ["Content-Length: 100", "Transfer-Encoding: chunked"])
async def test_a_body_that_does_not_come_frees_its_socket(url: str, head: str) -> None:
    """It has as long as any request has to be whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
    writer.write(f"POST {REQUEST_TOKEN} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())

    async with asyncio.timeout(WAIT_SECONDS):
        try:
            answer = await reader.read()
        except ConnectionError:
            answer = b""
    writer.transport.abort()

    assert answer == b""


async def test_tls_carries_keys_and_long_answers(ground: Ground, tmp_path: Path) -> None:
    """Pages of the largest size, one after the other on one connection."""
    pem = tmp_path / "edge.pem"
    pem.write_bytes(self_signed_pem())
    ground.say("account:1", *["x" * 100_000] * 30)
    trusted = ssl.create_default_context(cafile=str(pem))
    asked: dict[str, Any] = {"headers": basic(), "timeout": WAIT_SECONDS}
    lengths = []

    async with (
        standing(ground.app, tls_certificate_file=pem, tls_key_file=pem) as port,
        httpx.AsyncClient(base_url=f"https://127.0.0.1:{port.port}/channels/account:1/", verify=trusted) as client,
    ):
        response = await client.get("messages", **asked)
        while "next" in response.links:
            lengths.append(len(response.json()))
            response = await client.get(response.links["next"]["url"], **asked)

    assert sum(lengths) + len(response.json()) == 30
    assert len(lengths) == 2


async def test_one_connection_serves_many_requests(url: str) -> None:
    """Errors included: an SDK that asks page after page does not shake hands for each."""
    ports = set()
    async with httpx.AsyncClient(base_url=url, limits=httpx.Limits(max_connections=1)) as client:
        for path in ("/time", "/nowhere", MESSAGES, "/time"):
            response = await client.get(path)
            ports.add(response.extensions["network_stream"].get_extra_info("client_addr"))

    assert len(ports) == 1
    assert response.status_code == 200


async def test_a_path_that_is_no_ascii_is_no_request(url: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
    writer.write("GET /channels/ü/messages HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    async with asyncio.timeout(WAIT_SECONDS):
        answer = await reader.read(4096)
    writer.transport.abort()

    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_a_refusal_of_the_whole_port_is_one_of_ours(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        assert code_of(await client.put("/time")) == 40500
