"""A small world for tests of the checker: records, and a client that sees all of them as it should."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from tests.checker.journal import Contract, Event, Journal, What
from tests.checker.judge import Judge
from tests.checker.messages import Message, Record, message_of
from tests.checker.truth import Truth
from tests.checker.verdicts import Judgement, Verdict

TOPIC, NAMESPACE = "t", "account"
HERE, OTHER = "account:here", "account:other"
LIFE, NEXT_LIFE = "aaaaaaaa", "bbbbbbbb"


def record(offset: int, channel: str = HERE, text: str | None = None) -> Record:
    key = channel.partition(":")[2]
    return Record(TOPIC, 0, offset, 1000 + offset, key, (text or f"value {offset}").encode())


def truth_of(count: int) -> Truth:
    """Records of two channels in turn: those of `HERE` have even offsets."""
    truth = Truth({NAMESPACE: TOPIC})
    for offset in range(2 * count):
        truth.add(record(offset, OTHER if offset % 2 else HERE))
    return truth


def serial(offset: int, life: str = LIFE) -> str:
    return f"{life}-00000-{offset:016}"


def attach(asked: str | None = None) -> Event:
    return Event(0, What.ATTACH, HERE, asked)


def attached(at: str, *, is_resumed: bool = False, code: int | None = None) -> Event:
    return Event(0, What.ATTACHED, HERE, at, is_resumed, code)


def dropped() -> Event:
    return Event(0, What.DROPPED)


def message(of: Record, life: str = LIFE, channel: str = HERE) -> Event:
    seen: Message = message_of(of)
    seen.serial = serial(of.offset, life)
    if isinstance(seen.data, bytes):
        seen.data, seen.encoding = base64.b64encode(seen.data).decode(), "base64"
    built = {name: value for name, value in msgspec.to_builtins(seen).items() if value is not None}
    frame = json.dumps({"action": 15, "channel": channel, "channelSerial": seen.serial, "messages": [built]})
    return Event(0, What.MESSAGE, channel, seen.serial, frame=frame.encode())


def messages(first: int, end: int) -> list[Event]:
    """Those of `HERE` by number; their offsets are even."""
    return [message(record(2 * number)) for number in range(first, end)]


@dataclass
class Seen:
    """Events of one client, judged."""

    events: Sequence[Event]
    count: int
    contract: Contract = Contract.EXACTLY_ONCE
    may_tell: Sequence[int] = ()
    judgement: Judgement = field(init=False)

    def __post_init__(self) -> None:
        judge = Judge(truth_of(self.count), {NAMESPACE: self.may_tell})
        journal = Journal("phone", contract=self.contract, events=list(self.events))
        judge.hear(journal)
        judge.conclude(journal)
        self.judgement = judge.judgement

    @property
    def verdicts(self) -> dict[Verdict, int]:
        return dict(self.judgement.counts)
