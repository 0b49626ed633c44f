"""Who may come in by address, behind load balancers and without, and what is said to who may not; real sockets."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from pydantic import ValidationError

from gateway.core.shedding import Level
from gateway.memory import Guard
from gateway.settings import LimitSettings, ServerSettings
from tests.transport.ground import KEY, Ground, standing
from tests.transport.raw import HANDSHAKE, Raw

TEXT, CLOSE = 1, 8
CONNECTED, DISCONNECTED, ERROR = 4, 6, 9
HERE, THERE = "192.0.2.7", "198.51.100.9"  # RFC 5737
BEHIND: dict[str, Any] = {"trusted_proxies": ["127.0.0.1"], "proxy_protocol": True}
KEY_TEXT = f"{KEY.name}:{KEY.secrets[0].decode()}"


class Cycle:
    """Holds itself."""

    def __init__(self) -> None:
        self.itself = self


def limited(**limits: Any) -> LimitSettings:
    return LimitSettings.model_validate(limits)


def header(address: str) -> bytes:
    return f"PROXY TCP4 {address} 10.1.2.3 4711 443\r\n".encode()


_opened: list[asyncio.StreamWriter] = []


@pytest.fixture(autouse=True)
async def nobody_is_left() -> AsyncIterator[None]:
    """Each test closes what it has opened."""
    yield
    for writer in _opened:
        writer.transport.abort()
    _opened.clear()
    await asyncio.sleep(0)


async def connect(ground: Ground) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", ground.port)
    _opened.append(writer)
    return reader, writer


class Asked:
    """A socket that says who it is for, asks for a WebSocket, and hears the first protocol message."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.raw = Raw(reader, writer)
        self.first: dict[str, Any] | None = None

    @property
    def code(self) -> int | None:
        return None if self.first is None else self.first.get("error", {}).get("code")


async def ask(ground: Ground, before: bytes = b"", *, query: str | None = None, headers: str = "") -> Asked:
    """Returns: what was heard; nothing if the connection was reset."""
    reader, writer = await connect(ground)
    request = HANDSHAKE.format(query=query or f"accessToken={ground.token()}")
    asked = Asked(reader, writer)
    try:
        writer.write(before + request.replace("\r\n\r\n", f"\r\n{headers}\r\n", 1).encode())
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
    except (ConnectionError, asyncio.IncompleteReadError):
        return asked
    assert head.startswith(b"HTTP/1.1 101 ")
    got = await asked.raw.read_opcode(TEXT)
    asked.first = None if got is None else json.loads(got.payload)
    return asked


async def gone(ground: Ground, count: int) -> None:
    """Wait until so many devices are left."""
    async with asyncio.timeout(10):
        while len(ground.house.devices) > count:
            await asyncio.sleep(0.01)


async def test_an_address_behind_a_load_balancer_has_room_for_so_many() -> None:
    async with standing(limits=limited(connections_per_address=2), **BEHIND) as ground:
        first, second, third = [await ask(ground, header(HERE)) for _ in range(3)]
        other = await ask(ground, header(THERE))
        first.raw.close()
        await gone(ground, 3)
        again = await ask(ground, header(HERE))

        assert [asked.first and asked.first["action"] for asked in (first, second, other, again)] == [CONNECTED] * 4
        assert third.first is not None
        assert (third.first["action"], third.code) == (DISCONNECTED, 42910)
        assert ground.house.counts.limited["connections_of_address"] == 1


async def test_who_was_refused_takes_nobodys_place() -> None:
    async with standing(limits=limited(connections_per_address=1), **BEHIND) as ground:
        first = await ask(ground, header(HERE))
        for _ in range(3):
            refused = await ask(ground, header(HERE))
            refused.raw.close()
        first.raw.close()
        await gone(ground, 0)

        assert (await ask(ground, header(HERE))).first is not None


async def test_the_header_may_come_in_pieces_and_together_with_the_request() -> None:
    async with standing(**BEHIND) as ground:
        reader, writer = await connect(ground)
        for piece in (header(HERE)[:3], header(HERE)[3:20], header(HERE)[20:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        writer.write(HANDSHAKE.format(query=f"accessToken={ground.token()}").encode())
        head = await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    assert head.startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize("before", [b"", b"PROXY TCP4 nonsense\r\n", b"\x16\x03\x01"])
async def test_a_connection_without_a_good_header_is_reset(before: bytes) -> None:
    async with standing(**BEHIND) as ground:
        assert (await ask(ground, before)).first is None


async def test_a_header_of_somebody_else_is_not_believed() -> None:
    async with standing(trusted_proxies=["10.0.0.0/8"], proxy_protocol=True) as ground:
        assert (await ask(ground, header(HERE))).first is None
    async with standing() as ground:
        assert (await ask(ground)).first is not None


async def test_x_forwarded_for_of_a_load_balancer_is_believed_and_of_nobody_else() -> None:
    headers = f"X-Forwarded-For: 203.0.113.1, {HERE}\r\n"
    bounds = limited(connections_per_address=1)
    async with standing(limits=bounds, trusted_proxies=["127.0.0.1"]) as ground:
        trusted = [(await ask(ground, headers=headers)).code for _ in range(2)]
        without = [(await ask(ground)).code for _ in range(2)]
    async with standing(limits=bounds) as ground:
        unknown = [(await ask(ground, headers=headers)).code for _ in range(2)]

    assert trusted == [None, 42910]
    assert without == unknown == [None, None]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ("", None),
        (f"X-Forwarded-For: {HERE}\r\n", 40103),
        (f"X-Forwarded-For: {HERE}\r\nX-Forwarded-Proto: http\r\n", 40103),
        (f"X-Forwarded-For: {HERE}\r\nX-Forwarded-Proto: https\r\n", None),
    ],
)
async def test_a_key_is_taken_where_the_load_balancer_ends_tls(headers: str, code: int | None) -> None:
    """40103: over a line that others can read, even if the last piece of it is this machine's."""
    async with standing(trusted_proxies=["127.0.0.1"]) as ground:
        assert (await ask(ground, query=f"key={KEY_TEXT}", headers=headers)).code == code


async def test_a_client_has_room_for_so_many_on_whatever_address() -> None:
    async with standing(limits=limited(connections_per_client=1)) as ground:
        query = f"accessToken={ground.token(client_id='ada')}"
        first, second = await ask(ground, query=query), await ask(ground, query=query)
        nobody = [await ask(ground) for _ in range(2)]
        first.raw.close()
        await gone(ground, 2)
        again = await ask(ground, query=query)

    assert (first.code, second.code, again.code) == (None, 42910, None)
    assert [asked.code for asked in nobody] == [None, None]


async def test_too_many_in_a_moment_are_reset_before_anything_is_read() -> None:
    async with standing(limits=limited(connects_per_second=0.001, burst_seconds=60)) as ground:
        first, second = await ask(ground), await ask(ground)

        assert first.first is not None
        assert second.first is None
        assert ground.house.counts.limited["connects"] == 1


async def test_a_request_is_shown_with_the_client_behind_the_load_balancer() -> None:
    app = FastAPI()

    @app.get("/who")
    async def who(request: Request) -> dict[str, str | None]:
        return {"host": None if request.client is None else request.client.host, "scheme": request.url.scheme}

    async def get(ground: Ground, *headers: str, before: bytes = b"") -> dict[str, str]:
        reader, writer = await connect(ground)
        lines = "".join(f"{line}\r\n" for line in ("GET /who HTTP/1.1", "Host: x", "Connection: close", *headers))
        writer.write(before + f"{lines}\r\n".encode())
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        return json.loads(answer.partition(b"\r\n\r\n")[2])  # type: ignore[no-any-return]

    forwarded = f"X-Forwarded-For: {HERE}", "X-Forwarded-Proto: https"
    async with standing(app, trusted_proxies=["127.0.0.1"]) as ground:
        behind = await get(ground, *forwarded)
        itself = await get(ground)
    async with standing(app) as ground:
        unknown = await get(ground, *forwarded)
    async with standing(app, **BEHIND) as ground:
        proxied = await get(ground, before=header(HERE))

    assert behind == {"host": HERE, "scheme": "https"}
    assert itself == unknown == {"host": "127.0.0.1", "scheme": "http"}
    assert proxied == {"host": HERE, "scheme": "http"}


async def test_short_of_memory_nobody_new_comes_in_and_who_is_here_stays() -> None:
    async with standing() as ground:
        guard = Guard(1 << 30, ground.house)
        here = await ask(ground)
        guard.look(int(0.95 * (1 << 30)))
        refused = await ask(ground)
        refused.raw.close()
        guard.look(0)
        again = await ask(ground)
        await gone(ground, 2)

        assert (here.code, refused.code, again.code) == (None, 50004, None)
        assert guard.level is Level.CALM
        assert len(ground.house.devices) == 2


async def test_short_of_memory_the_window_shrinks_and_comes_back() -> None:
    async with standing() as ground:
        whole = ground.hub.window.max_bytes
        guard = Guard(1 << 30, ground.house)
        for _ in range(100):
            guard.look(int(0.85 * (1 << 30)))
        shrunk = ground.hub.window.max_bytes
        for _ in range(100):
            guard.look(0)

        assert shrunk == whole // 10
        assert ground.hub.window.max_bytes == whole


async def test_short_of_memory_old_cycles_are_looked_for() -> None:
    """Nothing of ours leaves any, and the collector hardly ever looks at what is old."""
    async with standing() as ground:
        guard = Guard(1 << 30, ground.house)
        cycle = Cycle()
        gone = weakref.ref(cycle)
        gc.collect()  # now it is old
        del cycle
        guard.look(0)
        was_there = gone() is not None
        guard.look(int(0.95 * (1 << 30)))

        assert was_there
        assert gone() is None


async def test_out_of_memory_who_does_not_read_is_dropped_and_others_are_not() -> None:
    async with standing(write_high_water_bytes=1024, send_buffer_bytes=4096) as ground:
        reading, stalled = await ask(ground), await ask(ground)
        stalled.raw.reader._transport.pause_reading()  # type: ignore[attr-defined]  # the test's own client
        (device,) = [d for d in ground.house.devices if _port(d) == _own_port(stalled)]
        while not device.is_full:
            device.write(b"\x81\x7e\xff\xff" + b"x" * 65535)
            await asyncio.sleep(0)
        Guard(1 << 30, ground.house).look(1 << 30)
        await gone(ground, 1)

        assert [_port(left) for left in ground.house.devices] == [_own_port(reading)]


def _port(device: Any) -> int:
    return int(device._transport.get_extra_info("peername")[1])  # there is no other way to tell them apart


def _own_port(asked: Asked) -> int:
    return int(asked.raw.writer.get_extra_info("sockname")[1])


@pytest.mark.parametrize("proxies", [["bank.example"], ["10.0.0.1/8"], ["10.0.0.0/33"], ["*"]])
def test_a_proxy_is_an_address_or_a_network(proxies: list[str]) -> None:
    with pytest.raises(ValidationError, match=r"10\.0\.0\.0/8"):
        ServerSettings.model_validate({"trusted_proxies": proxies})
