"""The keys of the apps."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from auth.capability import Capability


@dataclass(frozen=True, slots=True)
class Key:
    """
    A key of an app.

    Args:
        app_id: Before the dot of its name.
        key_id: After it.
        secret: What signs tokens; never shown.
        capability: The most that its bearers, and tokens signed with it, may do.
        older_secrets: What is still accepted while the secret is being changed everywhere.
        name: ``app.key``; follows from the first two.
        marks: Of each secret what it can be told by without knowing it; so it is known when one is taken away.
    """

    app_id: str
    key_id: str
    secret: bytes = field(repr=False)
    capability: Capability
    older_secrets: tuple[bytes, ...] = field(default=(), repr=False)
    name: str = field(init=False)
    secrets: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    marks: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{self.app_id}.{self.key_id}")
        object.__setattr__(self, "secrets", (self.secret, *self.older_secrets))
        object.__setattr__(self, "marks", tuple(hashlib.sha256(known).digest()[:8] for known in self.secrets))

    def mark_of(self, secret: str) -> bytes | None:
        """The mark of *secret*, None if it is not this key's, in a time that does not tell how much of it is right."""
        given = secret.encode("utf-8", "surrogatepass")
        found = [hmac.compare_digest(known, given) for known in self.secrets]  # all of them, always
        return self.marks[found.index(True)] if any(found) else None


class KeyRing:
    """All keys, by name."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = {key.name: key for key in keys}

    def find(self, name: str) -> Key | None:
        """The key called ``app.key``."""
        return self._keys.get(name)
