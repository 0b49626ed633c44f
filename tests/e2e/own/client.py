"""lastmile.js in Node, driven as the SDKs are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from tests.testbed.process import ROOT
from tests.testbed.sdk import Kind, Sdk


class OwnKind(Kind):
    """Our client, which speaks JSON only."""

    @property
    def command(self) -> list[str]:
        """Node 20 hides its WebSocket behind a flag, which later ones still take."""
        return ["node", "--experimental-websocket", "--no-warnings", str(ROOT / "tests/e2e/own/driver.mjs")]

    def __str__(self) -> str:
        return "lastmile.js"


class OwnClient(Sdk):
    """
    One lastmile.js.

    Args:
        port: Where its edge, or the proxy before it, is.
        mint: Makes the tokens that it asks for; it raises to refuse one.
    """

    def __init__(self, port: int, *, mint: Callable[[], str] | None = None) -> None:
        super().__init__(OwnKind("js", is_binary=False), port, health_url="", mint=mint)
        self.gaps: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    async def reopen(self) -> None:
        """Connect again, or now instead of after the pause."""
        await self._command("reopen")

    @property
    def states(self) -> list[str]:
        """Of the connection, one after the other."""
        return [change["state"] for change in self.connection]

    def attached(self, channel: str) -> list[dict[str, Any]]:
        """Each time that a channel was attached: resumed, serial and reason."""
        return [change for change in self.channels[channel] if change["state"] == "attached"]

    def _note(self, line: dict[str, Any]) -> None:
        if line.get("event") == "gap":
            self.gaps[line["channel"]].append(line)
        else:
            super()._note(line)
