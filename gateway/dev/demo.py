"""
The whole of `lastmile dev`: one process, one address, one key that everybody knows.

Because everybody knows the key, the address is loopback and cannot be set, and no settings file and no environment is
read: what an operator has prepared for a real edge must not find its way in here, nor this key out.
"""

from __future__ import annotations

import asyncio
import errno
import json
import shutil
import socket
import sys
import time
from random import Random

import click
import uvloop

from auth.ably_token import mint
from auth.capability import Capability
from auth.keys import Key
from gateway import logs
from gateway.dev import bank, site
from gateway.dev.embedded import embedded_kafka, embedded_redis
from gateway.dev.invitation import Invitation
from gateway.server import Edge
from gateway.settings import Settings

HOST = "127.0.0.1"
APP, KEY_ID, SECRET = "dev", "demo", "lastmile-demo-secret-not-for-production"
ACCOUNTS_TOPIC, CHANNELS_TOPIC = "edge.accounts", "edge.channels"
FIRST_OPS_PORT, OPS_PORTS = 8081, 100
TOKEN_SECONDS = 12 * 3600.0
READY_LOOK_SECONDS = 0.05


def serve(port: int) -> None:
    """
    Run everything until SIGTERM or SIGINT.

    Raises:
        click.ClickException: If *port* is taken, or no port is free for ops.
    """
    if not is_free(port):
        raise click.ClickException(f"port {port} of {HOST} is in use; choose another one with --port")
    ops_port = free_ops_port(port)
    with embedded_redis() as redis_url, embedded_kafka((ACCOUNTS_TOPIC, CHANNELS_TOPIC)) as kafka:
        settings = settings_of(port, ops_port, kafka, redis_url)
        logs.configure(settings.log)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings))


def settings_of(port: int, ops_port: int, kafka: str, redis_url: str) -> Settings:
    """What an operator would have written for this edge."""
    return Settings.model_validate(
        {
            "server": {"host": HOST, "port": port, "ops_host": HOST, "ops_port": ops_port, "drain_seconds": 0},
            "kafka": {"bootstrap_servers": kafka},
            "redis": {"url": redis_url},
            "apps": [{"id": APP, "keys": [{"id": KEY_ID, "secret": SECRET, "capability": {"*": ["*"]}}]}],
            "namespaces": {
                "account": {"topic": ACCOUNTS_TOPIC},
                "default": {"topic": CHANNELS_TOPIC, "key": "{channel}"},
            },
            "log": {"format": "text"},
        }
    )


def free_ops_port(port: int) -> int:
    """
    The first port from 8081 on that is free and not *port*.

    Raises:
        click.ClickException: If there is none.
    """
    for candidate in range(FIRST_OPS_PORT, FIRST_OPS_PORT + OPS_PORTS):
        if candidate != port and is_free(candidate):
            return candidate
    last = FIRST_OPS_PORT + OPS_PORTS - 1
    raise click.ClickException(f"every port of {HOST} from {FIRST_OPS_PORT} to {last} is in use; health needs one")


def is_free(port: int) -> bool:
    """
    Whether nobody listens on a port of loopback.

    Raises:
        click.ClickException: If it may not be listened on at all, as those below 1024.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise click.ClickException(f"port {port} of {HOST} cannot be used: {error.strerror}") from None
    return True


async def _serve(settings: Settings) -> None:
    key = Key(APP, KEY_ID, SECRET.encode(), Capability.parse({"*": ["*"]}))
    edge = Edge(settings, extend=lambda app: site.mount(app, key))
    async with asyncio.TaskGroup() as tasks:
        around = [
            tasks.create_task(bank.operate(settings.kafka, ACCOUNTS_TOPIC, Random()), name="demo bank"),
            tasks.create_task(_invite(edge, key), name="invitation"),
        ]
        await edge.serve()
        for task in around:
            task.cancel()


async def _invite(edge: Edge, key: Key) -> None:
    while edge.condition.unready_because() is not None:  # noqa: ASYNC110  # once in a process
        await asyncio.sleep(READY_LOOK_SECONDS)
    capability = Capability.parse(json.dumps({"account:*": ["subscribe", "history"]}))
    server = edge.settings.server
    invitation = Invitation(
        command="lastmile" if shutil.which("lastmile") else sys.argv[0],
        host=HOST,
        port=server.port,
        ops_port=server.ops_port,
        kafka=edge.settings.kafka.bootstrap_servers,
        topics=(ACCOUNTS_TOPIC, CHANNELS_TOPIC),
        key=f"{key.name}:{SECRET}",
        token=mint(key, now=time.time(), ttl_seconds=TOKEN_SECONDS, client_id="reader", capability=capability),
        token_seconds=TOKEN_SECONDS,
    )
    click.echo(str(invitation))
