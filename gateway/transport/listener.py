"""The public port: uvicorn around our own front door and devices."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from functools import partial
from typing import Any

import uvicorn

from gateway.errors import AddressUnavailable, CertificateUnusable
from gateway.settings import ServerSettings
from gateway.transport.certificate import Certificate
from gateway.transport.device import Device
from gateway.transport.doorstep import Doorstep
from gateway.transport.front_door import FrontDoor
from gateway.transport.house import House

REQUEST_GRACE_SECONDS = 2  # for answers that are under way when the process ends; clients were moved before


class Uvicorn(uvicorn.Server):
    """Uvicorn without its own signal handling: an edge drains first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def public_server(app: Any, house: House, server: ServerSettings) -> Uvicorn:
    """
    What serves the public port: devices on upgrade, *app* for everything else.

    Args:
        app: An ASGI application.
        house: What devices share.

    Raises:
        CertificateUnusable: If the settings name TLS files that are none, or that do not belong together.
    """
    timeout_seconds, max_head_bytes = server.handshake_timeout_seconds, server.request_head_max_bytes
    front_door = partial(
        FrontDoor, house.gate, house.wheel, timeout_seconds, server.stall_timeout_seconds, max_head_bytes
    )
    doorstep = partial(Doorstep, house, timeout_seconds, max_head_bytes, front_door)
    config = uvicorn.Config(
        app,
        http=doorstep,  # type: ignore[arg-type]  # a factory does where a class is asked for
        ws=partial(Device, house),  # type: ignore[arg-type]
        lifespan="off",
        access_log=False,  # its lines show query strings, which hold tokens
        log_config=None,
        server_header=False,
        proxy_headers=False,  # a header must not say over which line a key came
        backlog=server.backlog,
        ssl_certfile=server.tls_certificate_file,
        ssl_keyfile=server.tls_key_file,
        ssl_ca_certs=None if server.tls_client_ca_file is None else str(server.tls_client_ca_file),
        ssl_cert_reqs=ssl.CERT_NONE if server.tls_client_ca_file is None else ssl.CERT_REQUIRED,
        timeout_graceful_shutdown=REQUEST_GRACE_SECONDS,
    )
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one
        raise CertificateUnusable(
            f"server.tls_certificate_file and server.tls_key_file cannot be used together: {error}"
        ) from None
    return Uvicorn(config)


def certificate_of(public: Uvicorn, server: ServerSettings) -> Certificate | None:
    """The certificate of a public port that was made; None if it speaks no TLS."""
    if public.config.ssl is None or server.tls_certificate_file is None or server.tls_key_file is None:
        return None
    return Certificate(server.tls_certificate_file, server.tls_key_file, public.config.ssl)


def listen(server: ServerSettings, *, reuse_port: bool) -> socket.socket:
    """
    The public socket. What is set on it, accepted sockets inherit: no call per connection.

    Args:
        reuse_port: Whether several processes share the port, and the kernel its connections among them.

    Raises:
        AddressUnavailable: If the address is taken, not this machine's, or not this user's to use.
    """
    listener = bind(server.host, server.port, "server.port", reuse_port=reuse_port)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, server.send_buffer_bytes)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, int(server.tcp_keepalive_seconds)))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, int(server.tcp_keepalive_seconds / 3)))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def bind(host: str, port: int, setting: str, *, reuse_port: bool = False) -> socket.socket:
    """
    A socket on an address, before anything is started that would have to be stopped if there were none.

    Args:
        setting: Where the port comes from, for the sentence.

    Raises:
        AddressUnavailable: With that sentence.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise AddressUnavailable(
            f"{setting}: port {port} of {host} cannot be listened on ({error.strerror}); "
            "stop what uses it, or set another one"
        ) from None
    listener.setblocking(False)
    return listener
