"""Every attachment of an edge, by the outlet that it is of and the name by which its client calls the channel."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gateway.core.attachment import Attachment, Outlet

_NOTHING: Mapping[str, Attachment] = MappingProxyType({})


class Attachments:
    """Who is attached to what, whether live, lagging or replaying; `len` is how many there are."""

    __slots__ = ("_by_outlet",)

    def __init__(self) -> None:
        self._by_outlet: dict[Outlet, dict[str, Attachment]] = {}

    def __len__(self) -> int:
        return sum(len(attached) for attached in self._by_outlet.values())

    def add(self, attachment: Attachment) -> None:
        """Take one in; idempotent."""
        self._by_outlet.setdefault(attachment.outlet, {})[attachment.wire_name] = attachment

    def remove(self, attachment: Attachment) -> bool:
        """Let one go. Returns: whether it was there."""
        attached = self._by_outlet.get(attachment.outlet, {})
        if attached.pop(attachment.wire_name, None) is None:
            return False
        if not attached:
            del self._by_outlet[attachment.outlet]
        return True

    def of(self, outlet: Outlet) -> Mapping[str, Attachment]:
        """Those of one outlet by the names its client uses, as they are in this moment or later."""
        return self._by_outlet.get(outlet, _NOTHING)

    def by_outlet(self) -> list[Mapping[str, Attachment]]:
        """All of them, outlet by outlet, likewise."""
        return list(self._by_outlet.values())

    def of_topic(self, topic: str) -> list[Attachment]:
        """Those that *topic* feeds."""
        return [a for attached in self._by_outlet.values() for a in attached.values() if a.topic == topic]

    @property
    def lagging(self) -> int:
        """How many lag."""
        return sum(a.is_lagging for attached in self._by_outlet.values() for a in attached.values())

    @property
    def replaying(self) -> int:
        """How many are served from before the window."""
        return sum(a.replay is not None for attached in self._by_outlet.values() for a in attached.values())
