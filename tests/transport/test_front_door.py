"""HTTP before the upgrade: bounds, deadlines, and what is no handshake."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from tests.transport.ground import Ground, standing
from tests.transport.raw import HANDSHAKE, WAIT_SECONDS, Raw, frame

GOOD = HANDSHAKE.format(query="")


async def ask(ground: Ground, request: str | bytes) -> bytes:
    """What a request is answered with, up to the end of the stream or of patience."""
    reader, writer = await asyncio.open_connection("127.0.0.1", ground.port)
    writer.write(request.encode() if isinstance(request, str) else request)
    async with asyncio.timeout(WAIT_SECONDS):
        answer = await reader.readuntil(b"\r\n")
    writer.transport.abort()
    return answer


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        pytest.param(GOOD.replace("GET", "POST"), 405, id="not a GET"),
        pytest.param(GOOD.replace("Version: 13", "Version: 8"), 426, id="an old version"),
        pytest.param(GOOD.replace("Sec-WebSocket-Version: 13\r\n", ""), 426, id="no version"),
        pytest.param(GOOD.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), 400, id="a bad key"),
        pytest.param(GOOD.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), 400, id="no key"),
        pytest.param(GOOD.replace("Upgrade: websocket", "Upgrade: h2c"), 400, id="another upgrade"),
        pytest.param("nonsense\r\n\r\n", 400, id="no HTTP"),
        pytest.param(GOOD, 101, id="a good one"),
    ],
)
async def test_a_handshake_is_taken_or_refused_by_its_fault(request_text: str, status: int) -> None:
    """RFC 6455 section 4.2; RFC 9110 for the statuses."""
    async with standing() as ground:
        answer = await ask(ground, request_text)

    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


async def test_a_head_without_end_is_refused() -> None:
    async with standing(request_head_max_bytes=4096) as ground:
        answer = await ask(ground, "GET / HTTP/1.1\r\nX: " + "x" * 8192)

    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("start", ["", "GET / HT", "GET / HTTP/1.1\r\nHost: x\r\nX: "])
async def test_a_handshake_that_does_not_come_to_an_end_frees_its_socket(start: str) -> None:
    """Slowloris: one byte now and then keeps nothing open."""
    async with standing(handshake_timeout_seconds=0.5) as ground:
        reader, writer = await asyncio.open_connection("127.0.0.1", ground.port)
        writer.write(start.encode())

        async with asyncio.timeout(WAIT_SECONDS):
            while not reader.at_eof():
                if start:
                    writer.write(b"y")
                try:
                    async with asyncio.timeout(0.1):
                        await reader.read(1024)
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
        writer.transport.abort()


async def test_good_clients_come_in_while_hundreds_of_handshakes_hang() -> None:
    async with standing(handshake_timeout_seconds=1.0) as ground:
        hanging = [await asyncio.open_connection("127.0.0.1", ground.port) for _ in range(300)]
        for _, writer in hanging:
            writer.write(b"GET / HTTP/1.1\r\nHost:")
        raw = await Raw.open(ground.port, f"accessToken={ground.token()}")
        connected = await raw.read()
        raw.close()
        async with asyncio.timeout(WAIT_SECONDS):
            ends = [await _end(reader) for reader, _ in hanging]
        for _, writer in hanging:
            writer.transport.abort()

    assert connected is not None
    assert all(ends)


async def _end(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read(1024) == b""
    except ConnectionError:
        return True


async def test_frames_in_the_same_segment_as_the_handshake_are_not_lost() -> None:
    async with standing() as ground:
        reader, writer = await asyncio.open_connection("127.0.0.1", ground.port)
        handshake = HANDSHAKE.format(query=f"accessToken={ground.token()}").encode()
        writer.write(handshake + frame(1, b'{"action":0,"id":"early"}'))
        collected = b""
        async with asyncio.timeout(WAIT_SECONDS):
            while b"early" not in collected:
                collected += await reader.read(65536)
        writer.transport.abort()


class LongAnswer:
    """An app whose answer no kernel buffers whole."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(32 << 20), "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone.set()


async def test_an_answer_that_nobody_reads_frees_its_socket() -> None:
    """It would be kept as long as the client's kernel says that the client is there."""
    app = LongAnswer()
    async with standing(app, stall_timeout_seconds=1) as ground:
        _, writer = await asyncio.open_connection("127.0.0.1", ground.port)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")

        async with asyncio.timeout(2 * WAIT_SECONDS):
            await app.gone.wait()
        writer.transport.abort()


async def test_an_answer_that_is_read_slowly_is_not_cut_off() -> None:
    """As long as something is read within that time."""
    app = LongAnswer()
    async with standing(app, stall_timeout_seconds=1) as ground:
        reader, writer = await asyncio.open_connection("127.0.0.1", ground.port, limit=1 << 16)
        writer.write(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
        loop = asyncio.get_running_loop()
        until = loop.time() + 3.0

        read_bytes = 0
        async with asyncio.timeout(2 * WAIT_SECONDS):
            while loop.time() < until:
                read_bytes += len(await reader.read(1 << 16))
                await asyncio.sleep(0.02)
        was_gone = app.gone.is_set()
        writer.transport.abort()

    assert not was_gone
    assert read_bytes < 32 << 20
