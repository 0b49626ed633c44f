"""
Who may come in at all: decided by address, before a handshake is read and long before a signature is checked.

    accepted ─▶ too fast, from one address or from all: reset, without a word
             ├─▶ from a load balancer that speaks the PROXY protocol: its header first, then as above
             └─▶ too many of its address: counted out, and told so in the socket once it has asked

A load balancer is not counted, but who is behind it: by the PROXY header, or by X-Forwarded-For once a request is read.
This machine's own addresses are not counted either; only all connections together are.

Source: docs/limits.md; PROTOCOL.md section 10.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from gateway.core.limits import rate_of
from gateway.core.visitors import Bounds, Visitors
from gateway.errors import TooManyConnections
from gateway.settings import LimitSettings, ServerSettings
from gateway.transport.proxied import Network, Visitor, forwarded, is_trusted


class Admission(NamedTuple):
    """
    How somebody came in.

    Args:
        visitor: Who it is.
        origin: What is counted for it, until it leaves; empty if nothing is.
        refusal: Why it is to hear that it may not stay; None if it may.
        is_proxy: Whether it is a load balancer, behind which others come.
    """

    visitor: Visitor
    origin: str = ""
    refusal: TooManyConnections | None = None
    is_proxy: bool = False


class Gate:
    """
    The gate of one edge.

    Args:
        server: Whom to trust.
        limits: How many, and how fast.
        count: Told the name of each limit that was reached.
        clock: Seconds that only go forward.
    """

    def __init__(
        self,
        server: ServerSettings,
        limits: LimitSettings,
        count: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._trusted: Sequence[Network] = server.trusted_proxies
        self.speaks_proxy = server.proxy_protocol
        self._count = count
        self._clock = clock
        self.visitors = Visitors(
            Bounds(
                limits.connections_per_address,
                limits.connections_per_client,
                limits.connections_per_app,
                rate_of(limits.connects_per_second_per_address, limits.burst_seconds),
                rate_of(limits.connects_per_second, limits.burst_seconds),
            ),
            clock(),
        )

    def admission_of(self, transport: asyncio.Transport) -> Admission | None:
        """Who has come over a socket. Returns: None if it is one too many in this moment."""
        return self.admit(peer_of(transport))

    def admit(self, visitor: Visitor) -> Admission | None:
        """The same, of somebody that is known otherwise."""
        is_proxy = is_trusted(visitor.address, self._trusted)
        address = "" if is_proxy or is_loopback(visitor.address) else visitor.address
        now = self._clock()
        exceeded = self.visitors.knock(address, now)
        if exceeded is not None:
            self._count(exceeded)
            return None
        try:
            return Admission(visitor, self.visitors.enter(address, now), None, is_proxy)
        except TooManyConnections as refusal:
            self._count(refusal.limit)
            return Admission(visitor, "", refusal, is_proxy)

    def may_speak_proxy(self, visitor: Visitor) -> bool:
        """Whether a PROXY header of this peer is believed."""
        return is_trusted(visitor.address, self._trusted)

    def behind(self, admission: Admission, headers: Sequence[tuple[bytes, bytes]]) -> Admission | None:
        """
        Who a load balancer has come for, by the headers of a request.

        Returns:
            The same admission if it is no load balancer, or does not say. None if who is behind it is one too many now.
        """
        visitor = self.forwarded(admission, headers)
        return admission if visitor is None else self.admit(visitor)

    def forwarded(self, admission: Admission, headers: Sequence[tuple[bytes, bytes]]) -> Visitor | None:
        """Who a load balancer has come for; None if it is none, or does not say."""
        return forwarded(headers, self._trusted) if admission.is_proxy else None

    def leave(self, admission: Admission | None) -> None:
        """It is gone; idempotent for one that counts nothing."""
        if admission is not None and admission.origin:
            self.visitors.leave(admission.origin)

    def welcome(self, app_id: str, client_id: str | None) -> None:
        """
        Somebody has shown who it is.

        Raises:
            TooManyConnections: If there are as many of them as may be.
        """
        try:
            self.visitors.admit(app_id, client_id)
        except TooManyConnections as refusal:
            self._count(refusal.limit)
            raise


def peer_of(transport: asyncio.Transport) -> Visitor:
    """The other end of a socket: nobody can read along over TLS, or on this machine."""
    peer = transport.get_extra_info("peername")
    address = str(peer[0]) if peer else ""
    return Visitor(address, transport.get_extra_info("sslcontext") is not None or is_loopback(address))


@lru_cache(maxsize=256)  # of one connection it is asked several times
def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own; a name, or the path of a socket, is not."""
    if not address.startswith(("127.", ":", "::ffff:127.")):
        return False
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
