"""`GET /channels/{name}/messages`: what is shown of the past, to whom, and how one goes on."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import urljoin

import httpx
import msgspec
import pytest

from gateway.api import channels
from gateway.core.serial import Front, Serial
from gateway.errors import KafkaUnavailable
from gateway.metrics.reasons import REFUSALS
from tests.api.ground import LIFE, MSGPACK, TOPIC, Ground, bearer, code_of, token

MESSAGES = "/channels/account:1/messages"


def data(response: httpx.Response) -> list[object]:
    return [message["data"] for message in response.json()]


def link(response: httpx.Response, rel: str) -> str | None:
    """Where a relation leads, as ably-js reads it: one regular expression for each part."""
    for part in response.headers["Link"].split(","):
        match = re.fullmatch(r'\s*<(\./\w+\?.+)>;\s*rel="(\w+)"', part)
        assert match is not None
        if match[2] == rel:
            return urljoin(MESSAGES, match[1])
    return None


async def test_messages_have_what_live_ones_have(ground: Ground) -> None:
    """RSL2: the same fields, serial included, and bytes as base64 in JSON."""
    ground.say("account:1", b"\xff", name="payment", client_id="bank", extras={"headers": {"trace": "t"}})

    response = await ground.get(MESSAGES)

    assert response.json() == [
        {
            "id": f"{TOPIC}:0:0",
            "timestamp": 1000,
            "name": "payment",
            "data": "/w==",
            "encoding": "base64",
            "clientId": "bank",
            "extras": {"headers": {"trace": "t"}},
            "serial": str(Serial(LIFE, 0, 0)),
        }
    ]


async def test_messagepack_carries_bytes_as_they_are(ground: Ground) -> None:
    ground.say("account:1", b"\xff")

    response = await ground.get(MESSAGES, headers={**bearer(token()), "Accept": MSGPACK})

    (message,) = msgspec.msgpack.decode(response.content)
    assert response.headers["Content-Type"] == MSGPACK
    assert (message["data"], "encoding" in message) == (b"\xff", False)


async def test_the_type_of_an_answer_has_no_parameters(ground: Ground) -> None:
    """ably from PyPI compares it to the letter."""
    assert (await ground.get(MESSAGES)).headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("direction", ["backwards", "forwards"])
async def test_links_lead_through_all_pages(ground: Ground, direction: str) -> None:
    """TG6: what is asked for stays asked for, page after page."""
    ground.say("account:1", *"abcdefg")
    ground.say("account:2", "not this one's")
    seen: list[object] = []
    url: str | None = f"{MESSAGES}?limit=2&direction={direction}&start=1001&end=1005"

    while url is not None:
        response = await ground.get(url)
        seen += data(response)
        url = link(response, "next")

    assert seen == (list("bcdef") if direction == "forwards" else list("fedcb"))


async def test_first_and_current_lead_back(ground: Ground) -> None:
    """TG5, TG4."""
    ground.say("account:1", *"abcde")
    first = await ground.get(f"{MESSAGES}?limit=2")
    second = await ground.get(link(first, "next") or "")

    assert data(await ground.get(link(second, "first") or "")) == data(first) == ["e", "d"]
    assert data(await ground.get(link(second, "current") or "")) == data(second) == ["c", "b"]


async def test_links_never_hold_credentials(ground: Ground) -> None:
    """They end up in logs and screens; who follows them shows credentials anew."""
    ground.say("account:1", *"abc")
    shown = token()

    response = await ground.get(f"{MESSAGES}?limit=1&accessToken={shown}&key=a.b:c&unknown=x", headers={})

    assert response.status_code == 200
    assert set(re.findall(r"[?&](\w+)=", response.headers["Link"])) == {"limit", "direction", "page"}


@pytest.mark.parametrize("name", ["fromSerial", "from_serial"])
async def test_until_attach_ends_with_the_attachment(ground: Ground, name: str) -> None:
    """RTL10b; ably-js writes it with an underscore. Its bound stays through the pages."""
    ground.say("account:1", *"abcd")

    response = await ground.get(f"{MESSAGES}?{name}={Serial(LIFE, 0, 2)}&limit=2")
    rest = await ground.get(link(response, "next") or "")

    assert data(response) == ["c", "b"]
    assert data(rest) == ["a"]
    assert data(await ground.get(link(rest, "first") or "")) == ["c", "b"]


async def test_a_client_that_attached_to_a_silent_channel_has_no_past(ground: Ground) -> None:
    front = ground.hub.window.position(TOPIC, "account:1")
    ground.say("account:1", "later")

    response = await ground.get(f"{MESSAGES}?fromSerial={front}")

    assert isinstance(front, Front)
    assert data(response) == []


@pytest.mark.parametrize(
    ("path", "channel"),
    [
        ("account%3A1", "account:1"),
        ("account:a%2Fb", "account:a/b"),
        ("account:a%2Fmessages", "account:a/messages"),
        ("account:%C3%BC%20%3F%23", "account:ü ?#"),
        ("account:100%25", "account:100%"),
        ("account:a+b", "account:a+b"),
        ("%5B%3Frewind%3D1%5Daccount:1", "account:1"),
    ],
)
async def test_names_are_taken_as_they_were_encoded(ground: Ground, path: str, channel: str) -> None:
    """Colons, slashes, letters of any script, and a qualifier that is none of history's affair."""
    ground.say(channel, "this one")

    response = await ground.get(f"/channels/{path}/messages")

    assert data(response) == ["this one"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("account:a/b/messages", 40400),
        ("account:%FF/messages", 40010),
        ("%3Aaccount/messages", 40010),
        ("account:%00/messages", 40010),
        ("%5Bmeta%5Dlog/messages", 40010),
        ("unknown:1/messages", 40400),
        ("account:1/nonsense", 40400),
        ("/messages", 40400),
    ],
)
async def test_what_names_no_channel_is_refused(ground: Ground, path: str, code: int) -> None:
    assert code_of(await ground.get(f"/channels/{path}")) == code


async def test_history_takes_the_capability_of_that_name(ground: Ground) -> None:
    """To subscribe is not to read the past."""
    for capability in ({"account:1": ["subscribe"]}, {"account:2": ["history"]}):
        assert code_of(await ground.get(MESSAGES, headers=bearer(token(capability)))) == 40160

    allowed = await ground.get(MESSAGES, headers=bearer(token({"account:*": ["history"]})))
    assert allowed.status_code == 200


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=1001", 40003),
        ("limit=0", 40003),
        ("direction=up", 40003),
        ("start=x", 40003),
        ("start=2&end=1", 40003),
        ("fromSerial=nonsense", 80012),
        ("page=nonsense", 80012),
        (f"page={Serial('bbbbbbbb', 0, 1)}", 90003),
    ],
)
async def test_a_param_that_cannot_be_is_refused(ground: Ground, query: str, code: int) -> None:
    ground.say("account:1", *"abc")

    assert code_of(await ground.get(f"{MESSAGES}?{query}")) == code


# ---------------------------------------------------------------------- what is not there


async def test_a_page_says_since_when_nothing_is_missing(ground: Ground) -> None:
    """Nothing of this topic ever left memory, so the past is whole; of one that was read from its middle it is not."""
    ground.say("account:1", "a")
    whole = await ground.get(MESSAGES)

    ground.hub.begin(TOPIC, LIFE, {0: 500}, now=1234.5)
    torn = await ground.get(MESSAGES)

    assert whole.headers["X-Lastmile-Whole-Since"] == "0"
    assert torn.headers["X-Lastmile-Whole-Since"] == "1234501"


async def test_an_edge_that_has_not_read_up_to_the_present_does_not_answer(ground: Ground) -> None:
    """What is not read yet would look like what never was."""
    ground.tail.is_ready = False

    assert code_of(await ground.get(MESSAGES)) == KafkaUnavailable.code == 50003


async def test_a_page_of_another_edge_that_was_quicker_is_waited_for(ground: Ground) -> None:
    """Behind a load balancer the next page is asked of whoever is next."""
    ground.say("account:1", *"abc")

    asking = asyncio.create_task(ground.get(f"{MESSAGES}?page={Serial(LIFE, 0, 4)}"))
    done, _ = await asyncio.wait({asking}, timeout=0.2)
    ground.say("account:1", "d", "e")

    assert not done
    assert data(await asking) == ["d", "c", "b", "a"]


async def test_a_position_that_stays_in_the_future_is_refused(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is waited for without end."""
    monkeypatch.setattr(channels, "PATIENCE_SECONDS", 0.1)

    assert code_of(await ground.get(f"{MESSAGES}?fromSerial={Serial(LIFE, 0, 99)}")) == 80012


async def test_refusals_are_counted(ground: Ground) -> None:
    await ground.get(MESSAGES, headers=bearer(token({"account:2": ["history"]})))

    assert ground.counts.refusals[REFUSALS[40160]] == 1
