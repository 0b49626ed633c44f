"""
The gateway that one would write without Lastmile: FastAPI, aiokafka, PyJWT and a dict of sockets.

    python -m bench.plain_gateway PORT KAFKA TOPIC SECRET

It does the least of the same work: checks a token, checks the channel against it, sends each record as JSON to the
sockets of its channel. It resumes nothing, survives no slow reader and keeps no window.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import jwt
import uvicorn
from aiokafka import AIOKafkaConsumer
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

channels: dict[str, set[WebSocket]] = defaultdict(set)


async def deliver(kafka: str, topic: str) -> None:
    """Send what Kafka has to who wants it."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, group_id=None, auto_offset_reset="latest")
    await consumer.start()
    try:
        async for record in consumer:
            channel = f"account:{record.key.decode()}"
            sockets = channels.get(channel)
            if not sockets:
                continue
            text = json.dumps(
                {
                    "channel": channel,
                    "id": f"{record.topic}:{record.partition}:{record.offset}",
                    "timestamp": record.timestamp,
                    "data": record.value.decode(),
                }
            )
            for socket in list(sockets):
                try:
                    await socket.send_text(text)
                except (WebSocketDisconnect, RuntimeError):
                    sockets.discard(socket)
    finally:
        await consumer.stop()


async def serve(socket: WebSocket, claims: dict[str, Any], mine: set[str]) -> None:
    """Let a client subscribe to what its token names, until it goes."""
    while True:
        channel = json.loads(await socket.receive_text())["subscribe"]
        if channel not in claims["channels"]:
            await socket.send_text(json.dumps({"type": "refused", "channel": channel}))
            continue
        mine.add(channel)
        channels[channel].add(socket)
        await socket.send_text(json.dumps({"type": "subscribed", "channel": channel}))


def create_app(kafka: str, topic: str, secret: str) -> FastAPI:
    """The application, with its consumer running for as long as it does."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(deliver(kafka, topic))
        yield
        task.cancel()

    app = FastAPI(lifespan=lifespan)

    @app.get("/health")
    async def health() -> dict[str, bool]:
        return {"ok": True}

    @app.websocket("/")
    async def connect(socket: WebSocket, token: str) -> None:
        try:
            claims = jwt.decode(token, secret, algorithms=["HS256"])
        except jwt.PyJWTError:
            await socket.close(1008)
            return
        await socket.accept()
        await socket.send_text(json.dumps({"type": "connected", "clientId": claims["sub"]}))
        mine: set[str] = set()
        try:
            await serve(socket, claims, mine)
        except WebSocketDisconnect:
            pass
        finally:
            for channel in mine:
                channels[channel].discard(socket)

    return app


if __name__ == "__main__":
    port, *arguments = sys.argv[1:]
    uvicorn.run(create_app(*arguments), port=int(port), log_level="warning")
