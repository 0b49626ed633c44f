"""
`lastmile publish`: messages over REST, one after the other, each answered before the next one is sent.

    POST ──201──▶ its serial is printed
         ──no answer, 429, 5xx──▶ the same again, with the same id, until PATIENCE_SECONDS are over
         ──anything else──▶ PostingEnded: a retry cannot heal it

Every message has an id, so what is sent again is delivered once.

Source: PROTOCOL.md section 8; RSL1k.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
import msgspec

from auth.keys import Key
from gateway.errors import GatewayError
from gateway.terminal.calling import Credentials, pause_seconds, reason_of, token_of

PATIENCE_SECONDS = 30.0  # well below the two minutes within which a copy is told from a new message
ANSWER_SECONDS = 20.0  # an edge answers within `publish.timeout_seconds`, 10 by default


class PostingEnded(GatewayError):
    """The server refused, or nobody answered for long; what to do is in the message."""


class _Failed(Exception):
    """An attempt came to nothing, for a reason that another one may heal."""

    def __init__(self, reason: str, *, may_be_stored: bool) -> None:
        super().__init__(reason)
        self.may_be_stored = may_be_stored


@dataclass(frozen=True, slots=True)
class Destination:
    """
    Where to publish, and as whom.

    Args:
        url: Of the edge, ws:// or wss://, with a slash at its end.
        channel: The channel's name.
        credentials: Who calls.
        client_id: Who to be; needs credentials that allow it.
    """

    url: str
    channel: str
    credentials: Credentials
    client_id: str | None = None

    @property
    def base(self) -> str:
        """The edge's address for REST."""
        return "http" + self.url.removeprefix("ws").rstrip("/")

    def headers(self) -> dict[str, str]:
        """With a token that is fresh if there is a key."""
        headers = {"Content-Type": "application/json", "X-Ably-Version": "6"}
        token = token_of(self.credentials, self.client_id)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if self.client_id is not None and not isinstance(self.credentials, Key):
            headers["X-Ably-ClientId"] = base64.b64encode(self.client_id.encode()).decode()
        return headers


@dataclass(frozen=True, slots=True)
class Form:
    """
    What all messages of one call have in common.

    Args:
        name: Of the messages.
        encoding: Of the data as it is given; None: JSON objects and arrays are told from text by looking.
        is_ephemeral: Whether it is for those who listen now.
    """

    name: str | None = None
    encoding: str | None = None
    is_ephemeral: bool = False

    def message(self, text: str, message_id: str) -> dict[str, Any]:
        """A message as REST takes it."""
        message: dict[str, Any] = {"id": message_id, "data": text}
        encoding = ("json" if _is_json(text) else None) if self.encoding is None else self.encoding
        if encoding:
            message["encoding"] = encoding
        if self.name is not None:
            message["name"] = self.name
        if self.is_ephemeral:
            message["extras"] = {"ephemeral": True}
        return message


class Posting:
    """
    Publishes to one channel, over one connection where it lasts.

    Args:
        destination: Where.
        form: What the messages have in common.
        tell: Takes a sentence about an attempt that failed.
        pause: Waits; `time.sleep` unless a test counts.
        clock: Seconds.
    """

    def __init__(
        self,
        destination: Destination,
        form: Form,
        tell: Callable[[str], None],
        *,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._destination = destination
        self._form = form
        self._tell = tell
        self._pause = pause
        self._clock = clock
        self._client = httpx.Client(timeout=ANSWER_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def post(self, text: str, message_id: str) -> dict[str, Any]:
        """
        Publish one message.

        Returns:
            What is to be printed: channel, id, and its serial, which is null where subscribers see only what services write back.

        Raises:
            PostingEnded: If it was refused, or not acknowledged in time.
        """
        body = msgspec.json.encode(self._form.message(text, message_id))
        deadline = self._clock() + PATIENCE_SECONDS
        failures, may_be_stored = 0, False
        while True:
            try:
                told = self._attempt(body)
            except _Failed as failed:
                may_be_stored |= failed.may_be_stored
                seconds = pause_seconds(failures)
                failures += 1
                if self._clock() + seconds > deadline:
                    raise PostingEnded(_given_up(failed, message_id, may_be_stored=may_be_stored)) from None
                self._tell(f"{failed}; trying again" + (f" in {seconds:.1f} s" if seconds else ""))
                self._pause(seconds)
            else:
                return {"channel": told.get("channel"), "id": message_id, "serial": (told.get("serials") or [None])[0]}

    def _attempt(self, body: bytes) -> Mapping[str, Any]:
        to = self._destination
        url = f"{to.base}/channels/{quote(to.channel, safe='')}/messages"
        try:
            answer = self._client.post(url, content=body, headers=to.headers())
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            reason = reason_of(error.__cause__ if isinstance(error.__cause__, OSError) else error)
            raise _Failed(f"{to.base} cannot be reached ({reason})", may_be_stored=False) from None
        except httpx.TransportError as error:
            raise _Failed(f"{to.base} did not answer ({reason_of(error)})", may_be_stored=True) from None
        said = _read(answer)
        if answer.status_code == HTTPStatus.CREATED:
            return said
        raise self._refusal(answer.status_code, said.get("error"))

    def _refusal(self, status: int, error: Any) -> _Failed | PostingEnded:
        if not isinstance(error, dict):
            reason = f"{self._destination.base} answers {status}"
            is_broken = status >= HTTPStatus.INTERNAL_SERVER_ERROR  # a load balancer without an edge behind it
            return _Failed(reason, may_be_stored=True) if is_broken else PostingEnded(f"{reason}; is this an edge?")
        reason = f"the server says: {error.get('message')} (code {error.get('code')})"
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return _Failed(reason, may_be_stored=False)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return _Failed(reason, may_be_stored=True)
        if status == HTTPStatus.UNAUTHORIZED:
            reason += "; give other credentials with --token or --key"
        return PostingEnded(reason)


def _given_up(failed: _Failed, message_id: str, *, may_be_stored: bool) -> str:
    advice = (
        f"It may be stored all the same: publish it again within two minutes with --id {message_id}, and it is delivered once"
        if may_be_stored
        else "Nothing was stored; see that an edge runs there, and publish it again"
    )
    return f"{failed}; given up after {PATIENCE_SECONDS:.0f} s. {advice}"


def _is_json(text: str) -> bool:
    """Whether it is an object or an array; a number or a word in quotes is as likely meant as text."""
    try:
        return isinstance(msgspec.json.decode(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _read(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
