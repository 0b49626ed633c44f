"""Compares what a client saw with what is so, event by event."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from tests.checker.journal import Contract, Event, Journal, What
from tests.checker.messages import Message, messages_in
from tests.checker.positions import Position, read_position
from tests.checker.truth import ChannelLog, Truth, UnknownLife, namespace_of
from tests.checker.verdicts import Finding, Judgement, Verdict


@dataclass
class Standing:
    """
    Where one client stands on one channel.

    Args:
        life: Of the topic; None where the client has no position: it never had one, or has forgotten it.
        index: The next message that it must see.
        is_attached: Whether it was told so on its present transport.
        is_waiting: Whether it asked to be.
        asked: The serial that it asked with.
        skipped: Messages that did not come while later ones did, and when that was noticed.
        early: Messages that were of a newer life of the topic.
        best: The next message that it never saw; beyond *index* where messages may come again.
    """

    life: int | None = None
    index: int = 0
    is_attached: bool = False
    is_waiting: bool = False
    asked: str | None = None
    skipped: dict[int, int] = field(default_factory=dict)
    early: int = 0
    best: int = 0


class Judge:
    """
    Judges journals; those of one client as they go on, round after round.

    Args:
        truth: What is so. It may grow between journals.
        may_tell: The codes of losses that something justifies, by namespace: retention, a topic that was recreated.
        may_come_early: Namespaces whose topics are recreated. Until an edge notices, what the new life has beyond the
            client's position may come (PROTOCOL.md section 4); the loss must then be told.
        may_forget: The codes of losses that something justifies to clients whose position is kept for them, wherever.
    """

    def __init__(
        self,
        truth: Truth,
        may_tell: Mapping[str, Collection[int]],
        *,
        may_come_early: Collection[str] = (),
        may_forget: Collection[int | None] = (),
    ) -> None:
        self.judgement = Judgement()
        self._truth = truth
        self._may_tell = may_tell
        self._may_come_early = may_come_early
        self._may_forget = may_forget
        self._standings: dict[str, dict[str, Standing]] = {}

    def hear(self, journal: Journal) -> None:
        """Take what a client has seen since the last time; what is under way stays open."""
        standings = self._standings.setdefault(journal.client, {})
        for at, event in enumerate(journal.events):
            if event.what is What.DROPPED:
                for standing in standings.values():
                    standing.is_attached = standing.is_waiting = False
            elif event.channel is not None:
                standing = standings.get(event.channel)
                if standing is None:
                    standing = standings[event.channel] = Standing()
                _Case(self, journal, at, event, standing).decide()

    def conclude(self, journal: Journal) -> None:
        """All clients were waited for: what a client lacks now, it has lost."""
        end = len(journal.events)
        for channel, standing in self._standings.get(journal.client, {}).items():
            _Case(self, journal, end, Event(0, What.NOTE, channel), standing).conclude()

    def is_complete(self, client: str, channel: str) -> bool:
        """Whether a client, as far as it was heard, lacks nothing of a channel."""
        standing = self._standings.get(client, {}).get(channel)
        if standing is None or standing.life is None or not standing.is_attached:
            return False
        log = self._truth.log(channel, standing.life)
        return standing.life == self._truth.newest_life(channel) and standing.index >= len(log.offsets)


class _Case:
    """One event of one client on one channel."""

    def __init__(self, judge: Judge, journal: Journal, at: int, event: Event, standing: Standing) -> None:
        assert event.channel is not None
        self.judge = judge
        self.truth = judge._truth
        self.journal = journal
        self.at = at
        self.event = event
        self.channel = event.channel
        self.standing = standing

    def decide(self) -> None:
        standing = self.standing
        match self.event.what:
            case What.ATTACH:
                standing.is_waiting, standing.asked = True, self.event.serial
            case What.ATTACHED:
                self._attached()
            case What.MESSAGE:
                self._frame()
            case What.DETACH:
                self._close_gaps()
                standing.life, standing.is_attached, standing.is_waiting = None, False, False
            case What.DETACHED:
                standing.is_attached = standing.is_waiting = False
            case _:
                pass

    def conclude(self) -> None:
        standing = self.standing
        self._close_gaps()
        if standing.life is None:
            if standing.is_waiting:
                self._find(Verdict.LOST, "it asked to attach and was never answered")
            return
        left = len(self._log().offsets) - standing.index
        for life in range(standing.life + 1, self.truth.newest_life(self.channel) + 1):
            left += len(self.truth.log(self.channel, life).offsets)
        if left:
            where = "attached" if standing.is_attached else "not attached"
            self._find(Verdict.LOST, f"{left} messages from index {standing.index} on never came; it is {where}", left)
            standing.index = len(self._log().offsets)

    # ------------------------------------------------------------------ attached

    def _attached(self) -> None:
        standing, event = self.standing, self.event
        try:
            position = read_position(event.serial or "")
            life = self.truth.life_of(self.channel, position.generation)
        except (ValueError, UnknownLife) as error:
            self._find(Verdict.FOREIGN, f"attached at a position that cannot be: {error}")
            return
        index = self._index_at(position, life)
        if event.is_resumed:
            self._resumed(life, index)
        else:
            self._begin_anew(life, index)
        standing.is_attached, standing.is_waiting = True, False

    def _resumed(self, life: int, index: int) -> None:
        standing = self.standing
        self.judge.judgement.resumed += 1
        self.judge.judgement.kept += self._promises_only_at_least_once and not standing.is_attached
        if standing.life is None:
            if self._promises_only_at_least_once and not standing.is_attached:
                self._stand(life, index)
                return
            self._find(Verdict.UNTOLD, "resumed, although it had no position")
        elif life != standing.life:
            self._find(Verdict.UNTOLD, f"resumed in life {life} of the topic, its position was of life {standing.life}")
        elif index > self._next:
            count = index - self._next
            self._find(Verdict.UNTOLD, f"resumed, but behind {count} messages that it has not got", count)
        elif not self._promises_only_at_least_once:
            return  # what it has already must not come again, wherever the edge says that it begins
        self._stand(life, index)

    def _begin_anew(self, life: int, index: int) -> None:
        standing, judgement = self.standing, self.judge.judgement
        has_asked = standing.asked is not None or self._promises_only_at_least_once
        if standing.life is not None and (standing.is_attached or has_asked):
            judgement.told[namespace_of(self.channel), self.event.code] += 1
            judgement.told_messages += self._missed(life, index)
            standing.early = 0
            if not self._may_be_told:
                self._find(Verdict.GROUNDLESS, f"a loss was told with code {self.event.code}")
        self._close_gaps()
        standing.best = 0
        self._stand(life, index)

    def _stand(self, life: int, index: int) -> None:
        """Its next message is this one."""
        standing = self.standing
        standing.best = max(standing.best, index) if life == standing.life else index
        standing.life, standing.index = life, index

    def _missed(self, life: int, index: int) -> int:
        """How many messages lie between where it was and where it begins anew."""
        standing = self.standing
        if life == standing.life:
            return max(0, index - standing.index)
        return len(self._log().offsets) - standing.index + index

    # ------------------------------------------------------------------ messages

    def _frame(self) -> None:
        standing, event = self.standing, self.event
        if not standing.is_attached:
            if not (standing.life is None and not standing.is_waiting):  # it detached: what is under way is nobody's
                self._find(Verdict.FOREIGN, "a message came before ATTACHED")
            return
        try:
            position = read_position(event.serial or "")
            life = self.truth.life_of(self.channel, position.generation)
        except (ValueError, UnknownLife) as error:
            self._find(Verdict.FOREIGN, f"a message at a position that cannot be: {error}")
            return
        if life != standing.life:
            self._find(
                Verdict.UNTOLD, f"a message of life {life} of the topic, it was attached in life {standing.life}"
            )
            self._stand(life, 0)
        (message,) = messages_in(event.frame or b"", self.journal.wire)
        self._message(message, position)

    def _message(self, message: Message, position: Position) -> None:
        standing, log = self.standing, self._log()
        self.judge.judgement.deliveries += 1
        offset = position.next_offsets[0] - 1
        index = log.index_of(offset)
        if index is None or position.partition != log.partition or message.serial != self.event.serial:
            self._unknown(message, position)
            return
        message.serial = None
        if message != log.messages[index]:
            self._find(Verdict.FOREIGN, f"altered: {message}, in Kafka it is {log.messages[index]}")
        if index == standing.index:
            self.judge.judgement.repeated += index < standing.best
            standing.index += 1
            standing.best = max(standing.best, standing.index)
        elif index > standing.index:
            standing.skipped.update((skipped, self.at) for skipped in range(standing.index, index))
            standing.index = index + 1
        else:
            self._again(index, message)

    def _again(self, index: int, message: Message) -> None:
        """One that should have come before, or did."""
        if self.standing.skipped.pop(index, None) is not None:
            self._find(Verdict.REORDERED, f"{message.id} came after later ones")
        else:
            self._find(Verdict.DOUBLED, f"{message.id} came again")

    def _unknown(self, message: Message, position: Position) -> None:
        """No record of this channel in this life is there."""
        if namespace_of(self.channel) in self.judge._may_come_early and self._is_of_newer_life(message, position):
            self.standing.early += 1
            self.judge.judgement.early += 1
            return
        self._find(Verdict.FOREIGN, f"no such record in {self.channel}: {message}")

    def _is_of_newer_life(self, message: Message, position: Position) -> bool:
        assert self.standing.life is not None
        message.serial = None
        for life in range(self.standing.life + 1, self.truth.newest_life(self.channel) + 1):
            log = self.truth.log(self.channel, life)
            index = log.index_of(position.next_offsets[0] - 1)
            if index is not None and log.messages[index] == message:
                return True
        return False

    # ------------------------------------------------------------------ inside

    @property
    def _may_be_told(self) -> bool:
        """Whether something justifies the loss that was told."""
        code = self.event.code
        if self._promises_only_at_least_once and code in self.judge._may_forget:
            return True
        return code in self.judge._may_tell.get(namespace_of(self.channel), ())

    @property
    def _promises_only_at_least_once(self) -> bool:
        return self.journal.contract is Contract.AT_LEAST_ONCE

    @property
    def _next(self) -> int:
        """The next message that it never saw; one that comes again may be before that."""
        return self.standing.best if self._promises_only_at_least_once else self.standing.index

    def _log(self) -> ChannelLog:
        assert self.standing.life is not None
        return self.truth.log(self.channel, self.standing.life)

    def _index_at(self, position: Position, life: int) -> int:
        index = self.truth.log(self.channel, life).index_at(position)
        if index is None:
            self._find(Verdict.FOREIGN, "attached at a position of another partition")
            return 0
        return index

    def _close_gaps(self) -> None:
        """What was skipped will not come any more."""
        standing = self.standing
        if standing.skipped:
            at = next(iter(standing.skipped.values()))
            count = len(standing.skipped)
            self._find(Verdict.UNTOLD, f"{count} messages never came, later ones did", count, at=at)
            standing.skipped.clear()
        if standing.early:
            self._find(Verdict.UNTOLD, f"{standing.early} messages of a new life of the topic, and no word of it")
            standing.early = 0

    def _find(self, verdict: Verdict, what: str, count: int = 1, *, at: int | None = None) -> None:
        excerpt = "\n".join(self.journal.excerpt(self.channel, self.at if at is None else at))
        self.judge.judgement.find(Finding(verdict, self.journal.client, self.channel, what, excerpt), count)
