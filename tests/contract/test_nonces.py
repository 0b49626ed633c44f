"""What the store of nonces promises, on the embedded Redis and on the real one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from gateway.errors import StoreUnavailable
from gateway.settings import RedisSettings
from gateway.store.nonces import CLOCKS_DIFFER_SECONDS, PREFIX, NonceStore
from gateway.store.redis import Client, connect
from tests.contract.conftest import TIMEOUT_SECONDS, names_of

NOW = 1_800_000_000.0


@pytest.fixture
def nonces(redis: Client) -> NonceStore:
    """The store on it."""
    return NonceStore(redis, TIMEOUT_SECONDS)


async def test_a_nonce_is_used_once(nonces: NonceStore) -> None:
    """TE5: the second exchange of a token request is refused."""
    assert await nonces.claim("bank.server:n1", NOW, 60)
    assert not await nonces.claim("bank.server:n1", NOW, 60)
    assert await nonces.claim("bank.server:n2", NOW, 60)


async def test_edges_share_what_was_used(nonces: NonceStore, any_redis_url: str) -> None:
    """A copy that is sent to another edge is a replay all the same."""
    other = connect(RedisSettings(url=any_redis_url, timeout_seconds=TIMEOUT_SECONDS))

    assert await nonces.claim("bank.server:n1", NOW, 60)
    assert not await NonceStore(other, TIMEOUT_SECONDS).claim("bank.server:n1", NOW, 60)
    await other.aclose()


async def test_of_many_who_use_it_at_once_one_succeeds(nonces: NonceStore) -> None:
    claims = await asyncio.gather(*[nonces.claim("bank.server:n1", NOW, 60) for _ in range(50)])

    assert claims.count(True) == 1


async def test_a_nonce_is_kept_beyond_the_clocks_of_all_edges(nonces: NonceStore, redis: Client) -> None:
    """An edge whose clock is behind takes the request for good a while longer."""
    await nonces.claim("bank.server:n1", NOW, 60.5)

    (name,) = await names_of(redis)
    assert (59 + CLOCKS_DIFFER_SECONDS) * 1000 < await redis.pttl(name) <= (60.5 + CLOCKS_DIFFER_SECONDS) * 1000


async def test_a_nonce_of_any_length_takes_the_same_room(nonces: NonceStore, redis: Client) -> None:
    """It comes from outside; so Redis holds a digest, and for a bounded time."""
    for name in ("", "\x00", "\udcff", "ü" * 16384, "*"):
        assert await nonces.claim(name, NOW, 60)

    names = await names_of(redis)
    assert {len(name) for name in names} == {len(PREFIX) + 64}
    assert all([await redis.pttl(name) > 0 for name in names])


@contextlib.asynccontextmanager
async def losing_the_answer_of_the_first_set(url: str) -> AsyncIterator[str]:
    """A way to Redis on which the answer of the first SET never arrives, though Redis has obeyed."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    is_lost = False

    async def relay(client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        nonlocal is_lost
        answers, commands = await asyncio.open_connection(host, port)
        while asked := await client.read(65536):
            commands.write(asked)
            answer = await answers.read(65536)
            if b"$3\r\nSET\r\n" in asked and not is_lost:
                is_lost = True
                break
            back.write(answer)
        commands.transport.abort()
        back.transport.abort()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    assert is_lost


async def test_a_command_that_was_sent_twice_is_no_replay_of_itself(redis_url: str) -> None:
    """A connection that breaks while Redis answers is replaced and the command repeated: it was still one claim."""
    async with losing_the_answer_of_the_first_set(redis_url) as url:
        lossy = connect(RedisSettings(url=url, timeout_seconds=TIMEOUT_SECONDS))
        nonces = NonceStore(lossy, TIMEOUT_SECONDS)

        assert await nonces.claim("bank.server:sent twice", NOW, 60)
        assert not await nonces.claim("bank.server:sent twice", NOW, 60)
        await lossy.aclose()


# ---------------------------------------------------------------------- when Redis is away


async def test_a_redis_that_refuses_lets_nothing_through() -> None:
    redis = connect(RedisSettings(url="redis://127.0.0.1:1/0", timeout_seconds=TIMEOUT_SECONDS))

    with pytest.raises(StoreUnavailable):
        await NonceStore(redis, TIMEOUT_SECONDS).claim("bank.server:n1", NOW, 60)

    await redis.aclose()


async def test_a_redis_that_does_not_answer_is_given_up_at_the_deadline() -> None:
    taken: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1", 0)
    redis = connect(RedisSettings(url=f"redis://127.0.0.1:{silent.sockets[0].getsockname()[1]}/0", timeout_seconds=0.2))
    began = time.monotonic()

    with pytest.raises(StoreUnavailable):
        await NonceStore(redis, 0.2).claim("bank.server:n1", NOW, 60)

    assert time.monotonic() - began < TIMEOUT_SECONDS
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while len(asyncio.all_tasks()) > 1:  # what is still under way ends by its socket's deadline
            await asyncio.sleep(0.01)
    for writer in taken:
        writer.close()
    silent.close()
    await redis.aclose()
