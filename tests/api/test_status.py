"""`GET /channels/{name}` and `GET /channels`: who is attached, as far as this edge knows."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import urljoin

import msgspec
import pytest

from gateway.api import occupancy
from gateway.core.attachment import Attachment
from gateway.core.wire import JSON, Flag
from tests.api.ground import MSGPACK, TOPIC, Ground, bearer, code_of, token
from tests.core.outlet import Collected

NOBODY = {
    "connections": 0,
    "publishers": 0,
    "subscribers": 0,
    "presenceConnections": 0,
    "presenceMembers": 0,
    "presenceSubscribers": 0,
    "objectPublishers": 0,
    "objectSubscribers": 0,
}


def attach(ground: Ground, channel: str, outlet: Collected, modes: Flag, wire_name: str | None = None) -> None:
    attachment = Attachment(outlet, JSON, channel, wire_name or channel, TOPIC)
    attachment.flags = modes
    ground.hub.join(attachment, ground.hub.window.sequence)


async def test_a_channel_says_how_many_are_attached_and_in_which_modes(ground: Ground) -> None:
    """CHM2a, CHM2e, CHM2f: a connection counts once, under however many names it is attached."""
    both, listener = Collected(), Collected()
    attach(ground, "account:1", both, Flag.SUBSCRIBE)
    attach(ground, "account:1", both, Flag.PUBLISH, "[?rewind=1]account:1")
    attach(ground, "account:1", listener, Flag.SUBSCRIBE)
    attach(ground, "account:2", listener, Flag.SUBSCRIBE)

    told = (await ground.get("/channels/account:1")).json()

    assert told["channelId"] == told["name"] == "account:1"
    assert told["status"]["isActive"] is True
    assert told["status"]["occupancy"]["metrics"] == NOBODY | {"connections": 2, "publishers": 1, "subscribers": 2}


async def test_a_channel_that_nobody_is_attached_to_is_not_active(ground: Ground) -> None:
    """In both formats."""
    response = await ground.get("/channels/account:%C3%BC", headers={**bearer(token()), "Accept": MSGPACK})

    told = msgspec.msgpack.decode(response.content)
    assert told["channelId"] == "account:ü"
    assert told["status"] == {"isActive": False, "occupancy": {"metrics": NOBODY}}


async def test_those_who_may_not_know_are_told_nothing(ground: Ground) -> None:
    """To subscribe is not to see who else does; and the list holds only what the credentials name."""
    attach(ground, "account:1", Collected(), Flag.SUBSCRIBE)
    attach(ground, "account:2", Collected(), Flag.SUBSCRIBE)
    subscriber = bearer(token({"account:1": ["subscribe", "history"]}))
    knower = bearer(token({"account:1": ["channel-metadata"]}))

    assert code_of(await ground.get("/channels/account:1", headers=subscriber)) == 40160
    assert code_of(await ground.get("/channels/account:2", headers=knower)) == 40160
    assert (await ground.get("/channels/account:1", headers=knower)).status_code == 200
    assert (await ground.get("/channels?by=id", headers=subscriber)).json() == []
    assert (await ground.get("/channels?by=id", headers=knower)).json() == ["account:1"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/channels/unknown:1", 40400),
        ("/channels/%3Abad", 40010),
        ("/channels?limit=0", 40003),
        ("/channels?limit=1001", 40003),
        ("/channels?by=size", 40003),
    ],
)
async def test_what_cannot_be_asked_is_refused(path: str, code: int, ground: Ground) -> None:
    assert code_of(await ground.get(path)) == code


async def test_the_channels_come_page_by_page(ground: Ground) -> None:
    """By name, so pages adjoin whatever comes and goes meanwhile."""
    for number in range(5):
        attach(ground, f"account:{number}", Collected(), Flag.SUBSCRIBE)
    names: list[str] = []
    url: str | None = "/channels?by=id&limit=2&prefix=account:"

    while url is not None:
        response = await ground.get(url)
        names += response.json()
        following = re.search(r'<(\./channels\?[^>]+)>; rel="next"', response.headers["Link"])
        url = None if following is None else urljoin("/channels", following[1])

    assert names == [f"account:{number}" for number in range(5)]
    (first,) = (await ground.get("/channels?limit=1")).json()
    assert (first["channelId"], first["status"]["occupancy"]["metrics"]["subscribers"]) == ("account:0", 1)
    assert (await ground.get("/channels?by=id&prefix=account:3")).json() == ["account:3"]


async def test_however_many_ask_it_is_counted_once(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the others have their turns meanwhile."""
    monkeypatch.setattr(occupancy, "SLICE", 1)
    for number in range(100):
        attach(ground, f"account:{number}", Collected(), Flag.SUBSCRIBE)
    counting = occupancy.Occupancy(ground.hub)

    first, *others = await asyncio.gather(*(counting.look() for _ in range(50)))

    assert len(first) == 100
    assert all(other is first for other in others)
    assert await counting.look() is first
