"""
What was taken back: tokens before their end, and rights that tokens still name.

    revocation    of a target, tokens issued before a time are refused, from a time on
    entitlement   of a client, whatever its tokens say, no more than this

    target        clientId:42             tokens of this client, and of whoever acts for it
                  revocationKey:branch-7  tokens with this ``x-ably-revocation-key``
                  channel:account:8731    tokens whose capability has exactly this resource
    scope         bank.server             tokens that this key has signed
                  bank                    all tokens of the app, its issuers' among them

Two revocations of one target make one: the later ``issued_before``, the earlier ``applies_at``. So their order does not
matter, and nothing that was refused becomes good again. It leaves when no token from before it can be alive, for which a
token's age is bounded here. A token that does not say when it was issued is not accepted at all.

Keys are no tokens: who shows one is not concerned.

Source: PROTOCOL.md section 7; RSA17, TRT2, TRS2; docs/revocation.md.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from auth.capability import Capability
from auth.errors import TokenExpired, TokenMalformed, TokenRevoked
from auth.principal import Principal

CLIENT_ID, REVOCATION_KEY, CHANNEL = KINDS = ("clientId", "revocationKey", "channel")
MAX_VALUE_LENGTH = 2048
SWEPT_AT_ONCE = 1000


class BadTarget(ValueError):
    """What is to be revoked is not said so that anybody could know."""


class NoRoom(Exception):
    """There are as many rulings as can be kept; this one was not taken in."""


class Target(NamedTuple):
    """Which tokens; written ``kind:value``."""

    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


class Address(NamedTuple):
    """Whose tokens (an app, or a key ``app.key``), and which of them."""

    scope: str
    target: Target


class Cut(NamedTuple):
    """A revocation: tokens issued before a time are refused from a time on, 0 being at once; seconds since the epoch."""

    issued_before: float
    applies_at: float


def parse_target(text: str) -> Target:
    """
    Read ``kind:value``.

    Raises:
        BadTarget: If there is no such kind, or the value is empty, too long, or cannot be shown.
    """
    kind, _, value = text.partition(":")
    if kind not in KINDS:
        raise BadTarget(f"a target begins with one of {', '.join(f'{known}:' for known in KINDS)}")
    if not 0 < len(value) <= MAX_VALUE_LENGTH or not value.isprintable():
        raise BadTarget(f"a target names 1 to {MAX_VALUE_LENGTH} characters that can be shown behind {kind}:")
    return Target(kind, value)


class Rulings:
    """
    All that was taken back, as far as it can still concern anybody.

    Args:
        max_token_age_seconds: How long after it was issued a token is good at most.
        max_count: How many are kept.
    """

    def __init__(self, *, max_token_age_seconds: float, max_count: int) -> None:
        self._max_token_age_seconds = max_token_age_seconds
        self._max_count = max_count
        self._cuts: dict[Address, Cut] = {}
        self._channels: dict[str, int] = {}  # scope → how many of its channels have a cut
        self._entitlements: dict[Address, Capability] = {}
        self._pending: list[tuple[float, Address]] = []
        self._waiting: set[Address] = set()  # those of them
        self._to_sweep: deque[Address] = deque()

    def __len__(self) -> int:
        return len(self._cuts) + len(self._entitlements)

    @property
    def has_room(self) -> bool:
        """Whether one more can be taken in."""
        return len(self) < self._max_count

    # ------------------------------------------------------------------ what was decided

    def revoke(self, address: Address, cut: Cut, now: float) -> Cut | None:
        """
        Take a revocation in.

        Returns:
            What holds for that address from now on; None if no token that it means can be alive.

        Raises:
            NoRoom: If there are too many already.
        """
        if self._is_over(cut, now):
            return None
        known = self._cuts.get(address)
        if known is not None and not self._is_over(known, now):
            cut = joined(known, cut)
        elif known is None:
            self._check_room()
            self._count_channel(address, 1)
        self._cuts[address] = cut
        if cut.applies_at > now:
            self._await(address, cut, None if known is None else known.applies_at)
        return cut

    def pardon(self, address: Address) -> None:
        """Forget a revocation: its tokens are good again."""
        if self._cuts.pop(address, None) is not None:
            self._count_channel(address, -1)

    def entitle(self, app_id: str, client_id: str, capability: Capability | None) -> None:
        """
        Let a client have no more than *capability*, whatever its tokens say; None: as much as they say.

        Raises:
            NoRoom: If there are too many already.
        """
        address = Address(app_id, Target(CLIENT_ID, client_id))
        if capability is None:
            self._entitlements.pop(address, None)
            return
        if address not in self._entitlements:
            self._check_room()
        self._entitlements[address] = capability

    def cut_of(self, address: Address) -> Cut | None:
        """The revocation of this very address."""
        return self._cuts.get(address)

    def due(self, now: float) -> list[Address]:
        """Those of revocations that were to wait and need not wait any more; each is told once."""
        addresses: list[Address] = []
        while self._pending and self._pending[0][0] <= now:
            _, address = heapq.heappop(self._pending)
            self._waiting.discard(address)
            cut = self._cuts.get(address)
            if cut is None:
                continue
            if cut.applies_at > now:  # it was pardoned and revoked anew
                self._await(address, cut, None)
            else:
                addresses.append(address)
        return addresses

    def sweep(self, now: float) -> None:
        """Drop what can concern no token any more, looking at some each time."""
        if not self._to_sweep:
            self._to_sweep.extend(self._cuts)
        for _ in range(min(SWEPT_AT_ONCE, len(self._to_sweep))):
            address = self._to_sweep.popleft()
            cut = self._cuts.get(address)
            if cut is not None and self._is_over(cut, now):
                self.pardon(address)

    # ------------------------------------------------------------------ whom it concerns

    def admit(self, principal: Principal, now: float) -> Principal:
        """
        See whether somebody who was verified may come in, and with which rights.

        Raises:
            TokenRevoked: If the token was taken back.
            TokenExpired: If it is older than a token may be.
            TokenMalformed: If it does not say when it was issued.
        """
        if principal.method == "basic":
            return principal
        if principal.issued_at is None or principal.expires_at is None:
            raise TokenMalformed("times")
        ends_at = principal.issued_at + self._max_token_age_seconds
        if ends_at <= now:
            raise TokenExpired("expired")
        if ends_at < principal.expires_at:
            principal = replace(principal, expires_at=ends_at)
        return self.review(principal, now)

    def review(self, principal: Principal, now: float) -> Principal:
        """
        See how somebody who was let in stands now.

        Returns:
            The very same, or with other rights.

        Raises:
            TokenRevoked: If the token was taken back meanwhile.
            CapabilityDenied: If what remains of its rights takes too many patterns.
        """
        if principal.method == "basic":
            return principal
        if self._cuts:
            applies_at = self._refused_at(principal)
            if applies_at is not None and applies_at <= now:
                raise TokenRevoked("revoked")
        return self._entitled(principal)

    def is_doomed(self, principal: Principal) -> bool:
        """Whether the token was taken back, now or for a moment that is to come."""
        return principal.method != "basic" and self._refused_at(principal) is not None

    # ------------------------------------------------------------------ inside

    def _refused_at(self, principal: Principal) -> float | None:
        issued_at = principal.issued_at or 0.0
        found = [
            cut.applies_at
            for address in self._addresses_of(principal)
            if (cut := self._cuts.get(address)) is not None and issued_at < cut.issued_before
        ]
        return min(found, default=None)

    def _addresses_of(self, principal: Principal) -> Iterator[Address]:
        """Every address that means this token."""
        for scope in (principal.app_id, principal.key_name):
            if scope is None:
                continue
            if principal.client_id is not None:
                yield Address(scope, Target(CLIENT_ID, principal.client_id))
            if principal.revocation_key is not None:
                yield Address(scope, Target(REVOCATION_KEY, principal.revocation_key))
            if self._channels.get(scope):
                for resource in principal.granted.resources:
                    yield Address(scope, Target(CHANNEL, resource))

    def _entitled(self, principal: Principal) -> Principal:
        limit = None
        if principal.client_id is not None:
            limit = self._entitlements.get(Address(principal.app_id, Target(CLIENT_ID, principal.client_id)))
        if limit is None:
            if principal.whole is None:
                return principal
            return replace(principal, capability=principal.whole, whole=None)
        return replace(principal, capability=principal.granted.intersect(limit), whole=principal.granted)

    def _await(self, address: Address, cut: Cut, known_applies_at: float | None) -> None:
        """Have `due` tell of it, unless it will anyway."""
        if address not in self._waiting or (known_applies_at is not None and cut.applies_at < known_applies_at):
            self._waiting.add(address)
            heapq.heappush(self._pending, (cut.applies_at, address))

    def _is_over(self, cut: Cut, now: float) -> bool:
        return cut.issued_before + self._max_token_age_seconds <= now

    def _check_room(self) -> None:
        if not self.has_room:
            raise NoRoom

    def _count_channel(self, address: Address, step: int) -> None:
        if address.target.kind == CHANNEL:
            self._channels[address.scope] = self._channels.get(address.scope, 0) + step
            if not self._channels[address.scope]:
                del self._channels[address.scope]


def joined(one: Cut, other: Cut) -> Cut:
    """What two revocations of one target come to."""
    return Cut(max(one.issued_before, other.issued_before), min(one.applies_at, other.applies_at))
