"""How Kafka's two client libraries are told to reach it: one set of settings, two spellings."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from typing import Any

from aiokafka.helpers import create_ssl_context

from gateway.errors import KafkaUnavailable
from gateway.settings import KafkaSettings

STOP_SECONDS = 2.0


def aiokafka_arguments(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments of aiokafka's clients."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers.split(","),
        "client_id": settings.client_id,
        "request_timeout_ms": int(settings.request_timeout_seconds * 1000),
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.endswith("SSL"):
        arguments["ssl_context"] = _ssl_context(settings)
    if settings.security_protocol.startswith("SASL"):
        arguments["sasl_mechanism"] = settings.sasl_mechanism
        arguments["sasl_plain_username"] = settings.sasl_username
        arguments["sasl_plain_password"] = settings.read_password()
    return arguments


async def let_go(stopping: Coroutine[Any, Any, None]) -> None:
    """
    Await the `stop` of one of aiokafka's clients, within a bound; never raises.

    With its broker just killed, a client may wait in there for a task of its own that never ends (seen with 0.14: a fetch
    that is cancelled while its connection breaks). Whoever waits for that reads nothing any more, and says nothing.
    """
    task = asyncio.ensure_future(stopping)
    await asyncio.wait([task], timeout=STOP_SECONDS)
    if not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=STOP_SECONDS)
    if task.done() and not task.cancelled():
        task.exception()  # seen: there is nobody who could do anything about it


def librdkafka_arguments(settings: KafkaSettings) -> dict[str, Any]:
    """Configuration of confluent-kafka's clients."""
    arguments: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": settings.client_id,
        "security.protocol": settings.security_protocol,
        "socket.timeout.ms": int(settings.request_timeout_seconds * 1000),
        "log_level": 0,
    }
    if settings.security_protocol.endswith("SSL"):
        files = {
            "ssl.ca.location": settings.ssl_ca_file,
            "ssl.certificate.location": settings.ssl_certificate_file,
            "ssl.key.location": settings.ssl_key_file,
        }
        arguments.update({name: str(path) for name, path in files.items() if path is not None})
    if settings.security_protocol.startswith("SASL"):
        arguments["sasl.mechanism"] = settings.sasl_mechanism
        arguments["sasl.username"] = settings.sasl_username
        arguments["sasl.password"] = settings.read_password()
    return arguments


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    def path(of: Any) -> str | None:
        return None if of is None else str(of)

    try:
        context: ssl.SSLContext = create_ssl_context(
            cafile=path(settings.ssl_ca_file),
            certfile=path(settings.ssl_certificate_file),
            keyfile=path(settings.ssl_key_file),
        )
    except (OSError, ssl.SSLError) as error:
        raise KafkaUnavailable(f"the kafka.ssl files cannot be used: {error}") from None
    return context
