"""The ledger of cursors behind real sockets: what is saved when, by whom, and what becomes of it when Redis is away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis
from websockets.asyncio.client import ClientConnection, connect

from gateway.core.confirming import Advance
from gateway.core.look_ups import Found, Kept
from gateway.errors import StoreUnavailable
from gateway.store.cursors import CursorPlace
from gateway.transport import cursors
from tests.transport.ground import Ground, standing
from tests.transport.raw import Raw, frame
from tests.transport.test_device import address, read_action, send
from tests.transport.test_proof import SOON_SECONDS, TEXT

ATTACH, ATTACHED, DETACH, DETACHED, MESSAGE = 10, 11, 12, 13, 15
QUICK: dict[str, Any] = {"confirm_after_seconds": 0.2, "confirm_every_seconds": 0.5}
CHANNEL, CURSOR, ALICE = "account:1", "phone-7", "alice"
RESUMED, NEVER_SECONDS = 1 << 2, 3600.0


def serial_at(offset: int) -> str:
    return f"aaaaaaaa-00000-{offset:016d}"


@asynccontextmanager
async def phone_on(ground: Ground, channel: str = CHANNEL, **attach: Any) -> AsyncIterator[ClientConnection]:
    """A device of alice's that is attached with its cursor, and told so."""
    async with connect(address(ground, client_id=ALICE)) as socket:
        await send(socket, action=ATTACH, channel=channel, params={"cursor": CURSOR}, **attach)
        await read_action(socket, ATTACHED)
        yield socket


async def kept(ground: Ground, channel: str = CHANNEL) -> str | None:
    """What Redis has of the device."""
    entries = await ground.cursors.of_client("bank", ALICE)
    return next((entry.serial for entry in entries if entry.channel == channel), None)


async def until_kept(ground: Ground, is_so: Callable[[str | None], bool], channel: str = CHANNEL) -> None:
    async with asyncio.timeout(SOON_SECONDS):
        while not is_so(await kept(ground, channel)):
            await asyncio.sleep(0.02)


class Confirmed(list[Advance]):
    """What was confirmed, beside what the ledger makes of it."""

    def advanced(self, advance: Advance) -> None:
        self.append(advance)

    async def until(self, upto: str) -> None:
        async with asyncio.timeout(SOON_SECONDS):
            while not any(advance.upto == upto for advance in self):
                await asyncio.sleep(0.02)


def follow(ground: Ground) -> Confirmed:
    confirmed = Confirmed()
    ground.house.terms.confirmations = (ground.cursor_ledger, confirmed)
    return confirmed


async def test_a_cursor_has_its_beginning_before_its_device_is_told_and_a_position_when_it_has_heard() -> None:
    """Operators see no position before that."""
    async with standing(**QUICK, save_cursors_every_seconds=NEVER_SECONDS) as ground:
        ground.say(CHANNEL)
        async with phone_on(ground):
            place = CursorPlace("bank", ALICE, CURSOR, CHANNEL)
            found = await ground.cursors.find_many([(place, "")], "somebody else")
        assert found == [Kept(serial_at(0), is_begun=True)]

        async with phone_on(ground):
            await until_kept(ground, lambda serial: serial == serial_at(0))


async def test_what_is_confirmed_waits_for_its_time_and_is_saved_when_the_device_goes() -> None:
    """So that a device that gets message after message costs Redis little."""
    async with standing(**QUICK, save_cursors_every_seconds=NEVER_SECONDS) as ground:
        confirmed = follow(ground)
        ground.say(CHANNEL)
        async with phone_on(ground) as socket:
            await until_kept(ground, lambda serial: serial == serial_at(0))
            ground.say(CHANNEL, count=3)
            for _ in range(3):
                await read_action(socket, MESSAGE)
            await confirmed.until(serial_at(3))
            meanwhile = await kept(ground)

        await until_kept(ground, lambda serial: serial == serial_at(3))
        assert meanwhile == serial_at(0)


@pytest.mark.parametrize("how", ["detach", "drain"])
async def test_what_waits_is_saved_when_it_must_be(how: str) -> None:
    """When the channel is left; and when the edge goes down."""
    async with standing(**QUICK, save_cursors_every_seconds=NEVER_SECONDS) as ground:
        confirmed = follow(ground)
        async with phone_on(ground) as socket:
            ground.say(CHANNEL)
            await confirmed.until(serial_at(0))
            if how == "detach":
                await send(socket, action=DETACH, channel=CHANNEL)
            else:
                await ground.cursor_ledger.flush()
            await until_kept(ground, lambda serial: serial == serial_at(0))


async def test_what_has_waited_for_its_time_is_saved_while_the_device_is_there() -> None:
    async with standing(**QUICK, save_cursors_every_seconds=0.2) as ground, phone_on(ground):
        for offset in range(3):
            ground.say(CHANNEL)
            await until_kept(ground, lambda serial, offset=offset: serial == serial_at(offset))  # type: ignore[misc]


async def test_an_older_attachment_of_the_same_device_moves_nothing_any_more() -> None:
    """The app was started twice. The second one confirms nothing, so nothing of what the first one has moves its place."""
    async with standing(**QUICK, save_cursors_every_seconds=NEVER_SECONDS) as ground:
        confirmed = follow(ground)
        ground.say(CHANNEL)
        async with phone_on(ground):
            await until_kept(ground, lambda serial: serial == serial_at(0))
            second = await Raw.open(ground.port, f"v=6&accessToken={ground.token(client_id=ALICE)}")
            attach = {"action": ATTACH, "channel": CHANNEL, "params": {"cursor": CURSOR}}
            second.writer.write(frame(TEXT, json.dumps(attach).encode()))
            while (got := await second.read()) is not None and b'"action":11' not in got.payload:
                pass
            ground.say(CHANNEL)
            await confirmed.until(serial_at(1))
        async with asyncio.timeout(SOON_SECONDS):
            while len(ground.house.devices) > 1:
                await asyncio.sleep(0.01)
        await ground.cursor_ledger.flush()
        position = await kept(ground)
        second.close()

    assert position == serial_at(0)


async def test_a_second_look_up_finds_what_the_first_attachment_left_a_moment_ago() -> None:
    """A device that reconnects at once: what is to be saved goes before what is looked up."""
    async with standing(**QUICK, save_cursors_every_seconds=NEVER_SECONDS) as ground:
        confirmed = follow(ground)
        for offset in range(5):
            async with phone_on(ground) as socket:
                ground.say(CHANNEL)
                await read_action(socket, MESSAGE)
                await confirmed.until(serial_at(offset))
            async with connect(address(ground, client_id=ALICE)) as again:
                await send(again, action=ATTACH, channel=CHANNEL, params={"cursor": CURSOR})
                attached = await read_action(again, ATTACHED)

            assert attached["channelSerial"] == serial_at(offset)
            assert attached["flags"] & RESUMED


async def test_what_redis_does_not_take_is_tried_again_and_nothing_goes_back() -> None:
    async with standing(**QUICK, save_cursors_every_seconds=0.2) as ground:
        confirmed = follow(ground)
        async with phone_on(ground) as socket:
            ground.say(CHANNEL)
            await until_kept(ground, lambda serial: serial == serial_at(0))
            ground.redis.connected = False
            ground.say(CHANNEL, count=2)
            for _ in range(3):
                await read_action(socket, MESSAGE)
            await confirmed.until(serial_at(2))
            ground.say(CHANNEL, count=2)
            await confirmed.until(serial_at(4))
        with pytest.raises(StoreUnavailable):
            await kept(ground)
        ground.redis.connected = True

        await until_kept(ground, lambda serial: serial == serial_at(4))


async def test_a_quiet_device_is_written_anew_when_redis_forgot_it() -> None:
    """And so it does not end while its device is there, though nothing is confirmed that was not before."""
    quick = {"save_cursors_every_seconds": 0.1, "refresh_cursors_every_seconds": 0.2}
    async with standing(**QUICK, **quick) as ground, phone_on(ground), phone_on(ground, "account:2"):
        ground.say(CHANNEL)
        await until_kept(ground, lambda serial: serial == serial_at(0))
        await FakeAsyncRedis(server=ground.redis).flushall()

        await until_kept(ground, lambda serial: serial == serial_at(0))
        await until_kept(ground, lambda serial: serial is not None, "account:2")


async def test_a_cursor_while_redis_is_away_is_put_off() -> None:
    async with standing(**QUICK) as ground, connect(address(ground, client_id=ALICE)) as socket:
        ground.redis.connected = False
        await send(socket, action=ATTACH, channel=CHANNEL, params={"cursor": CURSOR})
        put_off = await read_action(socket, DETACHED)
        ground.redis.connected = True
        await send(socket, action=ATTACH, channel=CHANNEL, params={"cursor": CURSOR})
        taken = await read_action(socket, ATTACHED)

    assert put_off["error"]["code"] == 50003
    assert taken["params"] == {"cursor": CURSOR}


async def test_so_many_look_ups_may_wait_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond that it is said at once, and nobody who waits is forgotten."""
    monkeypatch.setattr(cursors, "MAX_WAITING", 3)
    answers: list[tuple[str, Found]] = []
    async with standing(**QUICK) as ground, phone_on(ground):
        session = next(iter(ground.house.devices)).session
        assert session is not None
        for number in range(5):
            ground.cursor_ledger.look_up(
                session, CURSOR, str(number), "", lambda found, _, channel=str(number): answers.append((channel, found))
            )
        at_once = [channel for channel, _ in answers]
        async with asyncio.timeout(SOON_SECONDS):
            while len(answers) < 5:
                await asyncio.sleep(0.01)

    assert at_once == ["3", "4"]
    assert all(isinstance(found, StoreUnavailable) for _, found in answers[:2])
    assert answers[2:] == [("0", None), ("1", None), ("2", None)]


async def test_a_redis_that_stays_away_costs_no_more_than_so_many_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of devices that went meanwhile: what is dropped is counted, and old in Redis, never too new."""
    monkeypatch.setattr(cursors, "MAX_WAITING", 2)
    channels = [f"account:{number}" for number in range(4)]
    async with standing(**QUICK, save_cursors_every_seconds=NEVER_SECONDS) as ground:
        async with AsyncExitStack() as phones:
            for channel in channels:
                await phones.enter_async_context(phone_on(ground, channel))
            for channel in channels:
                await until_kept(ground, lambda serial: serial is not None, channel)
            confirmed = follow(ground)
            for channel in channels:
                ground.say(channel)
            async with asyncio.timeout(SOON_SECONDS):
                while len({advance.channel for advance in confirmed if advance.upto == serial_at(3)}) < 4:
                    await asyncio.sleep(0.02)
            ground.redis.connected = False
        async with asyncio.timeout(SOON_SECONDS):
            while ground.house.devices:
                await asyncio.sleep(0.01)
        dropped = ground.cursor_ledger.dropped
        ground.redis.connected = True
        await ground.cursor_ledger.flush()
        positions = [await kept(ground, channel) for channel in channels]

    assert dropped == 2
    assert sorted(position == serial_at(3) for position in positions) == [False, False, True, True]
    assert None not in positions
