"""Where an attachment begins that asks for the past."""

from __future__ import annotations

import pytest

from gateway.core.wire import Action, Flag, ProtocolMessage
from tests.core.bench import LIFE, Bench, serial_at
from tests.core.outlet import Collected


@pytest.mark.parametrize(
    ("rewind", "expected"),
    [("2", ["3", "4"]), ("100", ["0", "1", "2", "3", "4"]), ("10s", ["4"]), ("2m", ["1", "2", "3", "4"])],
)
def test_rewind_begins_earlier_and_is_echoed(rewind: str, expected: list[str]) -> None:
    """RTL4k: params."""
    bench = Bench()
    for offset, age in enumerate((500, 110, 100, 50, 5)):
        bench.say("account:1", offset, timestamp_ms=(1000 - age) * 1000)

    attached = bench.attach(now=1000.0, params={"rewind": rewind})

    assert attached["params"] == {"rewind": rewind}
    assert attached["flags"] & Flag.HAS_BACKLOG
    assert bench.backlog == expected


def test_a_client_that_drops_within_its_backlog_lost_nothing() -> None:
    """The serial of ATTACHED is the position before the backlog, so it never covers what did not arrive."""
    bench = Bench()
    for offset in range(5):
        bench.say("account:1", offset)
    attached = bench.attach(params={"rewind": "3"})

    outlet = Collected()
    again = bench.new_session(outlet, {"*": ["*"]})
    again.receive(
        ProtocolMessage(action=Action.ATTACH, channel="account:1", channel_serial=attached["channelSerial"]), 0.0
    )
    outlet.have_turns(bench.hub)

    assert [m["messages"][0]["id"][-1] for m in outlet.messages()[1:]] == ["2", "3", "4"]


def test_rewind_of_all_there_is_from_the_first_record_on_can_be_resumed() -> None:
    bench = Bench()
    bench.say("account:1", 0)

    attached = bench.attach(params={"rewind": "10"})

    assert attached["channelSerial"].startswith(f"{LIFE}-v-")
    assert bench.backlog == ["0"]


@pytest.mark.parametrize(
    "params",
    [
        *({"rewind": rewind} for rewind in ("yesterday", "", "-1", "1.5", "1e3", "0x10", " 5", "5 m", "1d", "s", "٣")),
        *({"rewind": rewind} for rewind in ("10001", "1234567", "9" * 400, "31536001s", "525601m", "99999999m")),
        *({"rewind": "5m", "rewindLimit": limit} for limit in ("few", "", "0", "-1", "10s", "10001", "9" * 400)),
    ],
    ids=str,
)
def test_a_bad_rewind_is_refused(params: dict[str, str]) -> None:
    error = Bench().attach(params=params)

    assert (error["action"], error["error"]["code"]) == (Action.ERROR, 40003)


@pytest.mark.parametrize(
    "params",
    [
        {"rewind": "0"},
        {"rewind": "10000"},
        {"rewind": "31536000s"},
        {"rewind": "525600m", "rewindLimit": "1"},
        {"rewind": "5", "rewindLimit": "10000"},
    ],
    ids=str,
)
def test_the_longest_rewind_is_granted(params: dict[str, str]) -> None:
    attached = Bench().attach(now=2e9, params=params)

    assert (attached["action"], attached["params"]) == (Action.ATTACHED, params)


@pytest.mark.parametrize("rewind", ["100", "60m"])
def test_rewind_limit_bounds_a_rewind_and_is_echoed(rewind: str) -> None:
    bench = Bench()
    for offset in range(5):
        bench.say("account:1", offset, timestamp_ms=1)

    attached = bench.attach(now=1.0, params={"rewind": rewind, "rewindLimit": "2"})

    assert attached["params"] == {"rewind": rewind, "rewindLimit": "2"}
    assert bench.backlog == ["3", "4"]


def test_rewind_gives_way_to_a_serial() -> None:
    bench = Bench()
    for offset in range(5):
        bench.say("account:1", offset)

    bench.attach(channel_serial=serial_at(3), params={"rewind": "5"})

    assert bench.backlog == ["4"]
