"""What one client publishes, with what an SDK keeps of it: sent again after a resume, in order, until it is answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.chaos.frames import Action, Frame
from tests.chaos.plan import CLIENT_ID
from tests.checker.claims import Claim

MAY_BE_STORED = (None, 50003)  # what such a refusal says of it
Send = Callable[[dict[str, Any]], None]


@dataclass
class _Said:
    """A message that is not answered."""

    number: int
    channel: str
    times: int = 0
    is_in_order: bool = True


class Talk:
    """
    The publications of one client.

    Args:
        name: Of the client.
        channels: Where it publishes.
        has_ids: Whether its messages have ids of its own: then it publishes again what may not be stored.
    """

    def __init__(self, name: str, channels: Sequence[str], *, has_ids: bool) -> None:
        self.claims: list[Claim] = []
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self._name = name
        self._channels = channels
        self._has_ids = has_ids
        self._pending: dict[int, _Said] = {}  # by msgSerial, in its order
        self._next_serial = 0
        self._number = 0
        self._connection_id = ""
        self._send: Send | None = None

    def __len__(self) -> int:
        return len(self._pending)

    def say(self, seed: Random) -> None:
        """Publish; what is said without a connection waits for one."""
        self._number += 1
        self._publish(_Said(self._number, seed.choice(self._channels)))
        self.counts["published"] += 1

    def connected(self, connection_id: str, send: Send) -> None:
        """There is a connection: what was not answered is sent again, under the same numbers if it is the same one (RTN19a)."""
        if connection_id != self._connection_id:
            self._connection_id = connection_id
            waiting, self._pending, self._next_serial = list(self._pending.values()), {}, 0
            for said in waiting:
                self._number_serially(said)
        self._send = send
        for msg_serial, said in self._pending.items():
            self._transmit(msg_serial, said)

    def dropped(self) -> None:
        """The transport is gone."""
        self._send = None

    def forget(self) -> None:
        """The app was killed: it will never know."""
        self.counts["never known"] += len(self._pending)
        self._pending.clear()

    def answer(self, frame: Frame) -> None:
        """Take an ACK or a NACK."""
        first = frame.msg_serial or 0
        serials = [each.serials for each in frame.res]
        for index in range(frame.count or 0):
            said = self._pending.pop(first + index, None)
            if said is None:
                self.failures.append(f"{self._name}: answered what it did not ask, {first + index}")
            elif frame.action == Action.ACK:
                self._note(said, first + index, is_stored=True, serial=serials[index][0])
            else:
                self._refused(said, first + index, frame.code)

    def _refused(self, said: _Said, msg_serial: int, code: int | None) -> None:
        self.counts[f"refused with {code}"] += 1
        if code not in MAY_BE_STORED:
            if said.times == 1:
                self._note(said, msg_serial, is_stored=False)
        elif self._has_ids:
            said.is_in_order = False
            self._publish(said)

    def _note(self, said: _Said, msg_serial: int, *, is_stored: bool, serial: str | None = None) -> None:
        self.counts["acknowledged"] += is_stored
        copy = (CLIENT_ID, self._id(said)) if self._has_ids else (None, f"{self._connection_id}:{msg_serial}:0")
        self.claims.append(Claim(said.number, said.channel, copy, is_stored, serial, said.is_in_order))

    def _publish(self, said: _Said) -> None:
        msg_serial = self._number_serially(said)
        if self._send is not None:
            self._transmit(msg_serial, said)

    def _number_serially(self, said: _Said) -> int:
        msg_serial, self._next_serial = self._next_serial, self._next_serial + 1
        self._pending[msg_serial] = said
        return msg_serial

    def _transmit(self, msg_serial: int, said: _Said) -> None:
        assert self._send is not None
        self.counts["sent again"] += said.times > 0
        said.times += 1
        message: dict[str, Any] = {
            "data": f"{self._name} says {said.number}",
            "extras": {"headers": {"number": str(said.number)}, "by": self._name},
        }
        if self._has_ids:
            message["id"] = self._id(said)
        frame = {"action": Action.MESSAGE, "channel": said.channel, "msgSerial": msg_serial, "messages": [message]}
        self._send(frame)

    def _id(self, said: _Said) -> str:
        return f"{self._name}/{said.number}"
