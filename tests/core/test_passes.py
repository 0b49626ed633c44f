"""When a pass over a partition departs, and who is on it."""

from __future__ import annotations

from gateway.core.attachment import Attachment
from gateway.core.passes import LATECOMER_SECONDS, MAX_BOARDING_SECONDS, Boarding
from gateway.core.replay import Replay
from gateway.core.serial import Serial
from gateway.core.wire import JSON
from tests.core.outlet import Collected


def replay() -> Replay:
    return Replay(Attachment(Collected(), JSON, "account:1", "account:1", "accounts", None), Serial("life", 0, 1))


def test_who_comes_alone_departs_in_a_moment() -> None:
    boarding = Boarding(10.0)

    boarding.add(replay(), 10.0)

    assert boarding.departs_at == 10.0 + LATECOMER_SECONDS


def test_a_pass_waits_for_those_who_come_behind_the_first() -> None:
    """One pass for each handful of ten thousand read the same records fourteen times."""
    boarding = Boarding(10.0)

    for number in range(5):
        boarding.add(replay(), 10.0 + number * LATECOMER_SECONDS / 2)

    assert boarding.departs_at == 10.0 + 3 * LATECOMER_SECONDS
    assert len(boarding.riders) == 5


def test_nobody_waits_for_ever_because_others_keep_coming() -> None:
    boarding = Boarding(10.0)

    for number in range(1000):
        boarding.add(replay(), 10.0 + number * LATECOMER_SECONDS / 2)

    assert boarding.departs_at == 10.0 + MAX_BOARDING_SECONDS
