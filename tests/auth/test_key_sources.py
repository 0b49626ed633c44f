"""An issuer's published keys: fetched rarely, by one for all, and kept while the issuer is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from auth.errors import IssuerUnavailable, TokenUnknown
from auth.key_sources import MAX_AGE_SECONDS, REFRESH_SECONDS, RETRY_SECONDS, FixedKey, PublishedKeys
from auth.public_keys import read_pem
from tests.auth.key_server import KeyServer, found, key_server, keys_of, silent, status
from tests.auth.minting import EC_KEY, ED_KEY, NOW, RSA_KEY, jwk, pem


@pytest.fixture
async def server() -> AsyncIterator[KeyServer]:
    async with key_server() as server:
        server.publish(jwk(ED_KEY, kid="one"))
        yield server


async def asked_for(keys: PublishedKeys, key_id: str, now: float) -> bool:
    """Whether a token that names this key can be checked, after what its sender has to wait for."""
    try:
        if keys.find(key_id, now, may_wait=True) is None:
            await keys.refresh(now)
            keys.find(key_id, now, may_wait=False)
    except (TokenUnknown, IssuerUnavailable):
        return False
    return True


async def test_keys_are_fetched_when_the_first_token_asks_for_them(server: KeyServer) -> None:
    keys = keys_of(server)
    assert keys.find("one", NOW, may_wait=True) is None

    await keys.refresh(NOW)

    assert found(keys, "one", NOW) == ["one"]
    assert server.asked == ["/jwks.json"]


async def test_known_keys_ask_nobody_until_they_are_old(server: KeyServer) -> None:
    keys = keys_of(server)
    await keys.refresh(NOW)

    assert keys.find("one", NOW + REFRESH_SECONDS - 1, may_wait=True)
    assert keys.find("one", NOW + REFRESH_SECONDS, may_wait=True) is None


async def test_a_new_key_is_fetched_when_a_token_names_it(server: KeyServer) -> None:
    """Rotation needs no restart."""
    keys = keys_of(server)
    await keys.refresh(NOW)
    server.publish(jwk(ED_KEY, kid="one"), jwk(RSA_KEY, kid="two"))

    assert keys.find("two", NOW + RETRY_SECONDS, may_wait=True) is None
    await keys.refresh(NOW + RETRY_SECONDS)

    assert found(keys, "two", NOW + RETRY_SECONDS) == ["two"]
    assert found(keys, "one", NOW + RETRY_SECONDS) == ["one"]


async def test_a_withdrawn_key_is_gone_with_the_next_fetch(server: KeyServer) -> None:
    keys = keys_of(server)
    await keys.refresh(NOW)
    server.publish(jwk(RSA_KEY, kid="two"))
    await keys.refresh(NOW + REFRESH_SECONDS)

    with pytest.raises(TokenUnknown) as refused:
        keys.find("one", NOW + REFRESH_SECONDS, may_wait=False)
    assert (refused.value.code, refused.value.reason) == (40143, "key_id")


async def test_an_issuer_that_withdraws_all_keys_is_believed(server: KeyServer) -> None:
    """What else could it do after a theft?"""
    keys = keys_of(server)
    await keys.refresh(NOW)
    server.publish()
    await keys.refresh(NOW + REFRESH_SECONDS)

    with pytest.raises(TokenUnknown):
        keys.find("one", NOW + REFRESH_SECONDS, may_wait=False)


async def test_a_flood_of_made_up_names_costs_one_fetch_in_ten_seconds(server: KeyServer) -> None:
    keys = keys_of(server)
    await keys.refresh(NOW)

    for n in range(1000):
        assert not await asked_for(keys, f"made-up-{n}", NOW + RETRY_SECONDS + n * RETRY_SECONDS / 1001)

    assert len(server.asked) == 2
    assert found(keys, "one", NOW + 2 * RETRY_SECONDS) == ["one"]


async def test_an_issuer_that_is_down_is_asked_once_in_ten_seconds_too(server: KeyServer) -> None:
    server.answers["/jwks.json"] = status("503 Service Unavailable")
    keys = keys_of(server)

    for n in range(100):
        assert not await asked_for(keys, "one", NOW + n / 20)

    assert len(server.asked) == 1


async def test_all_who_wait_share_one_fetch(server: KeyServer) -> None:
    gate = asyncio.Event()
    server.answers["/jwks.json"] = silent(gate, server.answers["/jwks.json"])
    keys = keys_of(server)
    waiting = [asyncio.create_task(keys.refresh(NOW + n)) for n in range(50)]

    while not server.asked:
        await asyncio.sleep(0)
    assert keys.find("one", NOW + 20, may_wait=True) is None, "who comes now waits for the same fetch"
    gate.set()
    await asyncio.gather(*waiting)

    assert len(server.asked) == 1
    assert found(keys, "one", NOW) == ["one"]


async def test_who_hangs_up_does_not_cancel_the_fetch_for_the_others(server: KeyServer) -> None:
    gate = asyncio.Event()
    server.answers["/jwks.json"] = silent(gate, server.answers["/jwks.json"])
    keys = keys_of(server)
    first, second = (asyncio.create_task(keys.refresh(NOW)) for _ in range(2))
    while not server.asked:
        await asyncio.sleep(0)

    first.cancel()
    gate.set()
    await second

    assert found(keys, "one", NOW) == ["one"]


async def test_while_keys_are_fetched_again_known_ones_make_nobody_wait(server: KeyServer) -> None:
    keys = keys_of(server)
    await keys.refresh(NOW)
    gate = asyncio.Event()
    server.answers["/jwks.json"] = silent(gate, server.answers["/jwks.json"])
    later = NOW + REFRESH_SECONDS
    fetching = asyncio.create_task(keys.refresh(later))
    while len(server.asked) < 2:
        await asyncio.sleep(0)

    assert keys.find("one", later, may_wait=True)
    gate.set()
    await fetching


async def test_an_issuer_that_comes_back_is_believed_again(server: KeyServer) -> None:
    good = server.answers["/jwks.json"]
    server.answers["/jwks.json"] = status("503 Service Unavailable")
    keys = keys_of(server)
    await keys.refresh(NOW)
    server.answers["/jwks.json"] = good

    await keys.refresh(NOW + RETRY_SECONDS)

    assert found(keys, "one", NOW + RETRY_SECONDS) == ["one"]


async def test_a_clock_that_is_set_back_leaves_nobody_outside(server: KeyServer) -> None:
    keys = keys_of(server)
    await keys.refresh(NOW)

    assert keys.find("one", NOW - 2 * MAX_AGE_SECONDS, may_wait=True) is None
    await keys.refresh(NOW - 2 * MAX_AGE_SECONDS)

    assert found(keys, "one", NOW - 2 * MAX_AGE_SECONDS) == ["one"]


async def test_a_token_without_a_name_fits_if_there_is_one_key_only(server: KeyServer) -> None:
    keys = keys_of(server)
    await keys.refresh(NOW)
    assert found(keys, None, NOW) == ["one"]

    server.publish(jwk(ED_KEY, kid="one"), jwk(EC_KEY, kid="two"))
    await keys.refresh(NOW + RETRY_SECONDS)

    with pytest.raises(TokenUnknown):
        keys.find(None, NOW + RETRY_SECONDS, may_wait=False)


async def test_keys_of_one_name_are_all_found(server: KeyServer) -> None:
    server.publish(jwk(ED_KEY, kid="same"), jwk(EC_KEY, kid="same"))
    keys = keys_of(server)

    await keys.refresh(NOW)

    assert len(found(keys, "same", NOW)) == 2


async def test_a_key_in_a_file_is_taken_for_any_name() -> None:
    key = read_pem(pem(RSA_KEY), ["RS256"])
    fixed = FixedKey(key)

    await fixed.refresh(NOW)

    assert fixed.find("whatever", NOW, may_wait=True) == fixed.find(None, NOW, may_wait=False) == (key,)
