"""
Publishing over REST: answered when Kafka has it.

    POST /channels/{name}/messages    a message or an array of them      201 {channel, messageId, serials}
    POST /messages                    one batch or several of them       per channel: its serials, or why not

Messages of one request to one channel are written together or not at all. Whoever gives them ids of their own may repeat
the request: what was written before is not written again, and the answer names the first one's serials.

Source: PROTOCOL.md section 8; RSL1, RSC22, BSP1, BPR1, BPF1.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from auth.principal import Principal
from gateway.api.admission import admit
from gateway.api.formats import answer, read_body
from gateway.api.paths import decoded
from gateway.api.served import Served
from gateway.core.acknowledging import Outcome
from gateway.core.publication import PublishedMessage, Publishing, publication_of, read_published
from gateway.core.publish_limits import By
from gateway.core.wire import Format
from gateway.errors import BadRequest, GatewayError

MAX_CHANNELS = 100
NEW_BATCH_VERSION = 3.0
PARTLY_FAILED = 40020


class Batch(msgspec.Struct):
    """The same messages for several channels (BSP1)."""

    channels: list[str] | str
    messages: list[PublishedMessage] | PublishedMessage


_BATCHES = {
    True: msgspec.json.Decoder(list[Batch] | Batch).decode,
    False: msgspec.msgpack.Decoder(list[Batch] | Batch).decode,
}


def publishing_router(edge: Served) -> APIRouter:
    """The routes of publishing."""
    router = APIRouter()
    publishing = RestPublishing(edge)

    @router.post("/channels/{name}/messages")
    async def publish(name: str, request: Request) -> Response:
        principal = await publishing.admit(request)
        wire, body = await read_body(request, edge.settings.server.request_body_max_bytes)
        published = await publishing.publish(principal, decoded(name), read_published(wire, body))
        return answer(request, published, status=201)

    @router.post("/messages")
    async def publish_batches(request: Request) -> Response:
        principal = await publishing.admit(request)
        batches = _read_batches(*await read_body(request, edge.settings.server.request_body_max_bytes))
        is_one = isinstance(batches, Batch)
        results = [await publishing.publish_batch(principal, batch) for batch in _as_list(batches)]
        if _wants_new_form(request):
            return answer(request, results[0] if is_one else results, status=201)
        return _old_form(request, [result for batch in results for result in batch["results"]])

    return router


class RestPublishing:
    """
    Publishes for requests and waits for the answer.

    Args:
        edge: Where.
    """

    def __init__(self, edge: Served) -> None:
        self._edge = edge

    async def admit(self, request: Request) -> Principal:
        """Who asks. Raises: AuthError."""
        return await admit(request, self._edge.verifier, self._edge.settings.server.authentication_timeout_seconds)

    async def publish(self, principal: Principal, channel: str, messages: Sequence[PublishedMessage]) -> dict[str, Any]:
        """
        Have messages written to one channel.

        Returns:
            The answer: channel, messageId (what the ids begin with), serials.

        Raises:
            GatewayError: If they are refused, or Kafka did not take them.
            AuthError: If the credentials were revoked meanwhile.
        """
        edge = self._edge
        principal = edge.verifier.review(principal, time.time())  # the body may have taken long to come
        by = Publishing(
            principal=principal,
            connection_id=None,
            base_id=secrets.token_urlsafe(9),
            is_resumed=False,
            max_bytes=edge.settings.server.max_message_bytes,
            schemas=edge.publisher.schemas,
        )
        publication = publication_of(edge.router, by, channel, messages)
        now = time.time()
        if not edge.publisher.is_stored(publication):
            edge.limits.publishing.charge(None, By(principal.app_id, principal.client_id), publication, now)
        settled: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def settle(outcome: Outcome) -> None:
            if not settled.done():  # who asked may have left
                settled.set_result(outcome)

        edge.publisher.submit(publication, settle, now)
        outcome = await settled  # it comes: `publish.timeout_seconds` bounds it
        if isinstance(outcome, GatewayError):
            raise outcome
        first_id = publication.records[0].id
        message_id = first_id if len(messages) == 1 and messages[0].id else first_id.rpartition(":")[0]
        return {"channel": publication.channel, "messageId": message_id, "serials": list(outcome)}

    async def publish_batch(self, principal: Principal, batch: Batch) -> dict[str, Any]:
        """Have a batch written to each of its channels, whatever becomes of the others (BPR, BPF)."""
        channels = [batch.channels] if isinstance(batch.channels, str) else batch.channels
        messages = [batch.messages] if isinstance(batch.messages, PublishedMessage) else batch.messages
        results = await asyncio.gather(*(self._result_of(principal, channel, messages) for channel in channels))
        failures = sum("error" in result for result in results)
        return {"successCount": len(results) - failures, "failureCount": failures, "results": results}

    async def _result_of(
        self, principal: Principal, channel: str, messages: Sequence[PublishedMessage]
    ) -> dict[str, Any]:
        try:
            if not messages:
                raise BadRequest("there is no message to publish")
            return await self.publish(principal, channel, messages)
        except GatewayError as error:
            self._edge.counts.refused(error.code)
            said = {"code": error.code, "statusCode": error.status, "message": error.message}
            return {"channel": channel, "error": said}


def _read_batches(wire: Format, body: bytes) -> Batch | list[Batch]:
    try:
        batches: Batch | list[Batch] = _BATCHES[wire.is_text](body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"this is neither a batch nor an array of batches: {error}") from None
    channels = sum(1 if isinstance(batch.channels, str) else len(batch.channels) for batch in _as_list(batches))
    if not 0 < channels <= MAX_CHANNELS:
        raise BadRequest(f"a request publishes to between 1 and {MAX_CHANNELS} channels")
    return batches


def _as_list(batches: Batch | list[Batch]) -> list[Batch]:
    return [batches] if isinstance(batches, Batch) else batches


def _wants_new_form(request: Request) -> bool:
    is_new_version = float(request.headers.get("x-ably-version", "0")) >= NEW_BATCH_VERSION
    return is_new_version or request.query_params.get("newBatchResponse") == "true"


def _old_form(request: Request, results: Sequence[dict[str, Any]]) -> Response:
    """As SDKs before version 3 of the protocol read it: a plain list, or all of it beside an error."""
    if not any("error" in result for result in results):
        return answer(request, results, status=201)
    error = {"code": PARTLY_FAILED, "statusCode": 400, "message": "some of the channels were not published to"}
    return answer(request, {"error": error, "batchResponse": results}, status=400)
