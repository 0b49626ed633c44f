"""
`lastmile subscribe`: one channel in the terminal, over drops.

    connecting ──CONNECTED──▶ ATTACH (last serial) ──ATTACHED──▶ messages ──▶ …
        ▲                                                             │
        └── pause: none, then 0.5 s doubling to 15 s ◀── dropped, DISCONNECTED, silence
    ERROR, refused credentials ──▶ SubscriptionEnded: a retry cannot heal it

Messages go to one place and what happens to the connection to another, so a pipe gets messages only. A key never leaves
this machine: tokens are made from it here, and made anew before they expire.

Source: PROTOCOL.md sections 3 to 5; RTN14, RTN15, RTN22, RTL4, RTL12, RTL13.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from auth.keys import Key
from gateway.core.wire import Action, Flag
from gateway.errors import GatewayError
from gateway.terminal.calling import Credentials, pause_seconds, reason_of, token_of

CONNECT_TIMEOUT_SECONDS = 10.0
SILENCE_GRACE_SECONDS = 10.0  # RTN23a: on top of what the server promises
MAX_FRAME_BYTES = 16 * 1024 * 1024
_RENEWABLE = range(40140, 40150)


class SubscriptionEnded(GatewayError):
    """The server refused for good; what it said is the message."""


class _Dropped(Exception):
    """The transport is over, for a reason that coming back may heal."""


@dataclass(frozen=True, slots=True)
class Request:
    """
    What to subscribe to, and as whom.

    Args:
        url: Of the edge, ws:// or wss://.
        channel: The channel's name.
        credentials: Who calls.
        client_id: Who to be; needs credentials that allow it.
        rewind: How far back to begin, as ATTACH's param.
        serial: The last position known, to go on after it.
    """

    url: str
    channel: str
    credentials: Credentials
    client_id: str | None = None
    rewind: str | None = None
    serial: str | None = None


class Subscription:
    """
    A subscription that lives until it is cancelled or refused.

    Args:
        request: What to subscribe to.
        deliver: Takes each message as the mapping to be printed.
        tell: Takes a sentence about the connection.
        pause: Waits; `asyncio.sleep` unless a test counts.
    """

    def __init__(
        self,
        request: Request,
        deliver: Callable[[Mapping[str, Any]], None],
        tell: Callable[[str], None],
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._request = request
        self._deliver = deliver
        self._tell = tell
        self._pause = pause
        self._serial = request.serial
        self._was_attached = False
        self._failures = 0
        self._is_connected = False
        self._silence_seconds = CONNECT_TIMEOUT_SECONDS

    async def run(self) -> None:
        """
        Connect, and again, and deliver.

        Raises:
            SubscriptionEnded: If the server refused for good.
        """
        while True:
            try:
                await self._connect()
            except _Dropped as dropped:
                await self._wait_after(str(dropped))

    async def _wait_after(self, reason: str) -> None:
        """The first attempt comes at once, later ones further and further apart."""
        seconds = pause_seconds(self._failures)
        self._failures += 1
        self._tell(f"{reason}; connecting again" + (f" in {seconds:.1f} s" if seconds else ""))
        await self._pause(seconds)

    async def _connect(self) -> None:
        url = f"{self._request.url}?{urlencode(self._query())}"
        self._silence_seconds = CONNECT_TIMEOUT_SECONDS
        self._is_connected = False
        try:
            async with connect(
                url,
                open_timeout=CONNECT_TIMEOUT_SECONDS,
                close_timeout=1.0,
                max_size=MAX_FRAME_BYTES,
                ping_interval=None,
                compression=None,
            ) as socket:
                await self._converse(socket)
        except InvalidStatus as error:
            status = error.response.status_code
            if status < 500:
                raise SubscriptionEnded(
                    f"{self._request.url} answers {status}; is this the address of an edge?"
                ) from None
            raise _Dropped(f"{self._request.url} answers {status}") from None
        except (InvalidURI, msgspec.DecodeError):
            raise SubscriptionEnded(f"{self._request.url} is not the address of an edge") from None
        except ConnectionClosed:
            raise _Dropped("the connection was lost") from None
        except TimeoutError:
            raise _Dropped(f"{self._request.url} does not answer") from None
        except (OSError, InvalidHandshake) as error:
            raise _Dropped(f"{self._request.url} cannot be reached ({reason_of(error)})") from None

    def _query(self) -> dict[str, str]:
        query = {"v": "6", "format": "json", "heartbeats": "true", "agent": "lastmile-terminal"}
        token = token_of(self._request.credentials, self._request.client_id)
        if token is not None:
            query["accessToken"] = token
        if self._request.client_id is not None and not isinstance(self._request.credentials, Key):
            query["clientId"] = self._request.client_id
        return query

    async def _converse(self, socket: ClientConnection) -> None:
        while True:
            async with asyncio.timeout(self._silence_seconds):
                frame = await socket.recv()
            await self._take(socket, msgspec.json.decode(frame))

    async def _take(self, socket: ClientConnection, message: Mapping[str, Any]) -> None:
        action = message.get("action")
        if action == Action.MESSAGE:
            self._take_messages(message)
        elif action == Action.CONNECTED:
            await self._take_connected(socket, message)
        elif action == Action.ATTACHED:
            self._take_attached(message)
        elif action == Action.DETACHED:
            self._tell(f"the server detached the channel{_because(message)}; attaching again")
            await self._attach(socket)
        elif action == Action.AUTH:
            await self._renew(socket)
        elif action in (Action.ERROR, Action.DISCONNECTED, Action.CLOSED):
            self._end(message)

    async def _take_connected(self, socket: ClientConnection, message: Mapping[str, Any]) -> None:
        idle_ms = message.get("connectionDetails", {}).get("maxIdleInterval") or 15000
        self._silence_seconds = idle_ms / 1000 + SILENCE_GRACE_SECONDS
        if not self._is_connected:  # else it only says that a new token was taken
            self._is_connected = True
            await self._attach(socket)

    async def _attach(self, socket: ClientConnection) -> None:
        attach: dict[str, Any] = {
            "action": int(Action.ATTACH),
            "channel": self._request.channel,
            "flags": int(Flag.SUBSCRIBE),
        }
        if self._serial is not None:
            attach["channelSerial"] = self._serial
        elif self._request.rewind is not None:
            attach["params"] = {"rewind": self._request.rewind}
        await socket.send(msgspec.json.encode(attach).decode())

    def _take_attached(self, message: Mapping[str, Any]) -> None:
        self._failures = 0
        serial = message.get("channelSerial") or self._serial
        if message.get("flags", 0) & Flag.RESUMED:
            self._tell(f"attached to {self._request.channel}, resumed after {self._serial}: nothing was missed")
        elif self._was_attached or self._request.serial is not None:
            self._tell(
                f"attached to {self._request.channel}, NOT resumed{_because(message)}: messages may be missing before {serial}"
            )
        else:
            self._tell(f"attached to {self._request.channel} at {serial}")
        self._was_attached = True
        self._serial = serial

    def _take_messages(self, frame: Mapping[str, Any]) -> None:
        for index, message in enumerate(frame.get("messages") or ()):
            self._deliver(_printed(message, frame, index))
        self._serial = frame.get("channelSerial") or self._serial

    async def _renew(self, socket: ClientConnection) -> None:
        if isinstance(self._request.credentials, Key):
            token = token_of(self._request.credentials, self._request.client_id)
            renewal = {"action": int(Action.AUTH), "auth": {"accessToken": token}}
            await socket.send(msgspec.json.encode(renewal).decode())
        else:
            self._tell("the token expires soon, and there is no key to make another one from")

    def _end(self, message: Mapping[str, Any]) -> None:
        error = message.get("error") or {}
        code = error.get("code")
        may_return = message["action"] != Action.ERROR
        if code in _RENEWABLE:
            may_return = isinstance(self._request.credentials, Key) and self._was_attached
        said = f"the server says: {error.get('message') or 'connection over'}" + (f" (code {code})" if code else "")
        raise _Dropped(said) if may_return else SubscriptionEnded(said)


def _printed(message: Mapping[str, Any], frame: Mapping[str, Any], index: int) -> dict[str, Any]:
    """A message with what it inherits from its frame (TM2a, c, f), and JSON data as the JSON it is."""
    inherited = {name: frame[name] for name in ("connectionId", "timestamp") if name in frame}
    if "id" in frame:
        inherited["id"] = f"{frame['id']}:{index}"
    whole = {"channel": frame.get("channel"), "serial": frame.get("channelSerial"), **inherited, **message}
    if whole.get("encoding") == "json" and isinstance(whole.get("data"), str):
        whole["data"] = msgspec.Raw(whole["data"].encode())
        del whole["encoding"]
    return whole


def _because(message: Mapping[str, Any]) -> str:
    error = message.get("error") or {}
    return f" ({error.get('message')}, code {error.get('code')})" if error else ""
