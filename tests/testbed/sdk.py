"""
Unmodified SDKs, each in a process of its own, driven by JSON lines.

To the driver:   {"number": 1, "command": "attach", "channel": "account:1"}
From the driver: {"answer": 1, "result": {}}   or   {"answer": 1, "fault": {"code": 40160, "status": 401, "message": ...}}
                 {"event": "connection" | "channel" | "message" | "token wanted", ...} as it happens

Drivers: tests/e2e/js/driver.mjs (ably from npm) and tests/e2e/python/driver.py (ably from PyPI).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import signal
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.testbed.process import ROOT

DEADLINE_SECONDS = 30.0
LONGEST_LINE_BYTES = 16 << 20
RETRY_SECONDS = 0.2  # the SDKs' default is 15; what a test waits for is not that


@dataclass(frozen=True)
class Kind:
    """An SDK and the format that it speaks."""

    language: str
    is_binary: bool

    @property
    def command(self) -> list[str]:
        """How its driver is started."""
        if self.language == "js":
            return ["node", str(ROOT / "tests/e2e/js/driver.mjs")]
        return [str(ROOT / ".testbed/ably-venv/bin/python"), str(ROOT / "tests/e2e/python/driver.py")]

    def __str__(self) -> str:
        return f"ably-{self.language}-{'msgpack' if self.is_binary else 'json'}"


KINDS = [
    Kind("js", is_binary=False),
    Kind("js", is_binary=True),
    Kind("python", is_binary=False),
    Kind("python", is_binary=True),
]


class Fault(Exception):
    """What an SDK raised: its ErrorInfo."""

    def __init__(self, fault: dict[str, Any]) -> None:
        super().__init__(fault["message"])
        self.code: int | None = fault["code"]  # None for what is none of the SDK's own errors
        self.status: int | None = fault["status"]


class Sdk:
    """
    One client of one SDK.

    Args:
        kind: Which SDK and format.
        port: Where its edge (or the proxy before it) is, on *host*.
        health_url: What it may ask whether there is a network at all.
        mint: Makes what it asks for, a token, TokenDetails or TokenRequest; called with nothing.
    """

    def __init__(
        self,
        kind: Kind,
        port: int,
        *,
        health_url: str,
        host: str = "127.0.0.1",
        mint: Callable[[], str | dict[str, Any]] | None = None,
    ) -> None:
        self.kind = kind
        self.connection: list[dict[str, Any]] = []
        self.channels: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.messages: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.tokens_asked = 0
        self._address = {"host": host, "port": port, "healthUrl": health_url}
        self._mint = mint
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        wrapper = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        self._process = await asyncio.create_subprocess_exec(
            *wrapper,
            *self.kind.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE_BYTES,
        )
        self._reading = asyncio.create_task(self._read(), name=f"lines of {self.kind}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading

    # ------------------------------------------------------------------ commands

    async def connect(self, *, wait: bool = True, **options: Any) -> None:
        """
        Begin to connect, and wait until it is connected or failed.

        Args:
            wait: Whether to wait.
            options: ``key``, ``token``, ``authUrl``, ``clientId``, ``fallbackHosts``, ``recover``; none of the first three: it asks for tokens.
        """
        if options.keys().isdisjoint({"key", "token", "authUrl"}):
            options["asksForTokens"] = True
        await self._command("connect", **self._options(options))
        if wait:
            await self.until(lambda: self.state in {"connected", "failed"}, "connected")

    async def attach(self, channel: str, **options: Any) -> dict[str, Any]:
        """Attach and listen. Returns: the params as they were granted. Raises: Fault."""
        return await self._command("attach", channel=channel, **options)

    async def publish(self, channel: str, *messages: dict[str, Any]) -> list[str | None] | None:
        """Publish messages together. Returns: their serials, where the SDK tells them. Raises: Fault."""
        return (await self._command("publish", channel=channel, messages=messages)).get("serials")

    async def detach(self, channel: str) -> None:
        """Detach."""
        await self._command("detach", channel=channel)

    async def authorize(self) -> None:
        """Get a new token and put it into the connection."""
        await self._command("authorize")

    async def history(self, channel: str, options: dict[str, Any], **params: Any) -> dict[str, Any]:
        """Ask for a page of a channel's past over REST."""
        return await self._command("history", channel=channel, params=params, options=self._options(options))

    async def walk(self, channel: str, options: dict[str, Any], **params: Any) -> list[list[dict[str, Any]]]:
        """Ask for page after page of a channel's past over REST, as long as there is a next one."""
        return (await self._command("walk", channel=channel, params=params, options=self._options(options)))["pages"]

    async def before_attach(self, channel: str) -> list[dict[str, Any]]:
        """What came on an attached channel before it was attached (RTL10b); ably-js only."""
        return (await self._command("beforeAttach", channel=channel))["messages"]

    async def status(self, channel: str, options: dict[str, Any]) -> dict[str, Any]:
        """What REST tells of a channel: channelId and status."""
        return await self._command("status", channel=channel, options=self._options(options))

    async def recovery_key(self) -> str:
        """What another instance needs to go on with this connection (RTN16g); ably-js only."""
        return (await self._command("recoveryKey"))["key"]

    async def token_request(self, options: dict[str, Any], **params: Any) -> dict[str, Any]:
        """Sign a token request with a key; nothing is sent for that."""
        return (await self._command("tokenRequest", params=params, options=self._options(options)))["request"]

    async def exchange(self, request: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
        """Have a signed token request exchanged. Returns: token, issued, expires, clientId."""
        return await self._command("exchange", request=request, options=self._options(options))

    async def rest_publish(
        self, channel: str, options: dict[str, Any], *messages: dict[str, Any]
    ) -> list[str | None] | None:
        """Publish messages together over REST. Returns: their serials, where the SDK tells them. Raises: Fault."""
        return (
            await self._command("restPublish", channel=channel, messages=messages, options=self._options(options))
        ).get("serials")

    async def batch_publish(self, batch: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
        """Publish to several channels over REST (ably-js alone offers it)."""
        return await self._command("batchPublish", batch=batch, options=self._options(options))

    async def revoke(self, targets: list[dict[str, str]], options: dict[str, Any], **margin: Any) -> dict[str, Any]:
        """Revoke tokens over REST (ably-js alone offers it). Returns: the batch's result."""
        return await self._command("revoke", targets=targets, margin=margin, options=self._options(options))

    async def time(self, options: dict[str, Any]) -> int:
        """Ask for the server's time over REST, in milliseconds."""
        return (await self._command("time", options=self._options(options)))["milliseconds"]

    async def close(self) -> None:
        """Close the connection in order."""
        await self._command("close")

    async def kill(self) -> None:
        """kill -9, and take down what it had said; the connection ends without a goodbye."""
        self._process.kill()
        await self._process.wait()
        await self._reading

    def freeze(self) -> None:
        """SIGSTOP: its sockets fill up."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    # ------------------------------------------------------------------ what was seen

    @property
    def state(self) -> str | None:
        """Of the connection; None before anything was heard."""
        return self.connection[-1]["state"] if self.connection else None

    @property
    def connections(self) -> int:
        """How often it was connected anew."""
        return sum(change["kind"] == "connected" for change in self.connection)

    def losses(self, channels: Iterable[str]) -> list[dict[str, Any]]:
        """Where it was told that continuity is lost: attached without RESUMED, but for the first time."""
        return [
            change
            for channel in channels
            for change in [seen for seen in self.channels[channel] if seen["state"] == "attached"][1:]
            if not change["resumed"]
        ]

    def channel_state(self, channel: str) -> str | None:
        """Of a channel."""
        changes = self.channels[channel]
        return changes[-1]["state"] if changes else None

    def positions(self, channel: str) -> list[tuple[int, int]]:
        """Partition and offset of each message, in the order of their coming."""
        seen = (message["extras"]["kafka"] for message in self.messages[channel])
        return [(kafka["partition"], kafka["offset"]) for kafka in seen]

    def data(self, channel: str) -> list[Any]:
        """The data of each message, in the order of their coming."""
        return [message.get("data") for message in self.messages[channel]]

    async def until(self, is_so: Callable[[], bool], what: str, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        """Wait until it is so by what the SDK says; looks after each line."""
        try:
            async with asyncio.timeout(deadline_seconds):
                while not is_so():
                    if self._reading.done():
                        raise RuntimeError(f"{self.kind} ended before: {what}")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            counts = {channel: len(messages) for channel, messages in self.messages.items()}
            raise TimeoutError(
                f"{self.kind} waited {deadline_seconds:.0f} s in vain: {what}; messages {counts}; "
                f"connection {self.connection[-3:]}; channels { {name: seen[-3:] for name, seen in self.channels.items()} }"
            ) from None

    async def until_received(self, channel: str, count: int, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        """Wait until so many messages have come on a channel."""
        await self.until(
            lambda: len(self.messages[channel]) >= count, f"{count} messages", deadline_seconds=deadline_seconds
        )

    # ------------------------------------------------------------------ lines

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"isBinary": self.kind.is_binary, "retrySeconds": RETRY_SECONDS} | self._address | options

    async def _command(self, command: str, **arguments: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._say(number=number, command=command, **arguments)
        async with asyncio.timeout(DEADLINE_SECONDS):
            found = await answer
        if "fault" in found:
            raise Fault(found["fault"])
        return found["result"]

    def _say(self, **line: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line).encode() + b"\n")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self._note(json.loads(line))
            self._news.set()
        for answer in self._answers.values():
            answer.cancel()
        self._news.set()

    def _note(self, line: dict[str, Any]) -> None:
        match line:
            case {"answer": number}:
                if (awaited := self._answers.pop(number, None)) is not None:  # none for a token that was handed over
                    awaited.set_result(line)
            case {"event": "connection"}:
                self.connection.append(line)
            case {"event": "channel", "channel": channel}:
                self.channels[channel].append(line)
            case {"event": "message", "channel": channel, "message": message}:
                self.messages[channel].append(message)
            case {"event": "token wanted", "ask": ask}:
                assert self._mint is not None
                self.tokens_asked += 1
                self._say(number=next(self._numbers), command="token", ask=ask, token=self._mint())
