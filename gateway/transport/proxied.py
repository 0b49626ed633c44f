"""
What a load balancer says of the client behind it, and whether it may be believed.

    PROXY protocol     the first bytes of the TCP connection, text (1) or binary (2)
    X-Forwarded-For    a header of each request, with X-Forwarded-Proto

Anybody can send either, so both are believed only of peers on ``server.trusted_proxies``.

Source: HAProxy's "The PROXY protocol", versions 1 and 2; RFC 7239 for what proxies add in general.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

Network = IPv4Network | IPv6Network
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
MAX_TEXT_BYTES = 107
MAX_BINARY_BYTES = 16 + 2048  # addresses and the few extensions that proxies send
_SSL_EXTENSION, _CLIENT_USED_SSL = 0x20, 0x01
_LOCAL, _PROXIED = 0x20, 0x21
_FAMILIES = {0x11: (4, IPv4Address), 0x21: (16, IPv6Address)}


class BadProxyHeader(Exception):
    """What begins the connection is no PROXY header, though one must."""


class Visitor(NamedTuple):
    """
    Who is at the other end, as far as it is known.

    Args:
        address: Of the client, without port; empty if it is none of IP's.
        is_secure: Whether nobody between can read along.
    """

    address: str
    is_secure: bool


class ProxyHeader(NamedTuple):
    """
    What a PROXY header says.

    Args:
        length: Its bytes; what comes after them is the client's.
        visitor: None if the proxy speaks for itself, as for its health checks.
    """

    length: int
    visitor: Visitor | None


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """
    Read the PROXY header that a connection begins with.

    Returns:
        None while it is not whole.

    Raises:
        BadProxyHeader: If there is none, or one that cannot be read.
    """
    if data.startswith(SIGNATURE):
        return _read_binary(data)
    if SIGNATURE.startswith(data) or b"PROXY ".startswith(data):
        return None
    if not data.startswith(b"PROXY "):
        raise BadProxyHeader
    return _read_text(data)


def is_trusted(address: str, networks: Sequence[Network]) -> bool:
    """Whether a peer is one of the load balancers."""
    found = _address(address) if networks else None
    return found is not None and any(found in network for network in networks)


def forwarded(headers: Sequence[tuple[bytes, bytes]], networks: Sequence[Network]) -> Visitor | None:
    """
    Who asks, by the headers of a trusted proxy.

    Each proxy adds the address that it was called from at the right end, and a client may have written anything to the left
    of that: the first one from the right that is no trusted proxy is the client.

    Returns:
        None if no header says so, or it names nobody.
    """
    chain = [part.strip() for value in _values(headers, b"x-forwarded-for") for part in value.split(",")]
    for part in reversed(chain):
        if _address(part) is None:
            return None
        if not is_trusted(part, networks):
            return Visitor(part, _values(headers, b"x-forwarded-proto")[-1:] == ["https"])
    return None


def _read_text(data: bytes) -> ProxyHeader | None:
    line, end, _ = data.partition(b"\r\n")
    length = len(line) + 2
    if not end:
        if len(data) >= MAX_TEXT_BYTES:
            raise BadProxyHeader
        return None
    match line.decode("latin-1").split(" "):
        case ["PROXY", "UNKNOWN", *_] if length <= MAX_TEXT_BYTES:
            return ProxyHeader(length, None)
        case ["PROXY", "TCP4" | "TCP6", source, _, _, _] if length <= MAX_TEXT_BYTES and _address(source) is not None:
            return ProxyHeader(length, Visitor(source, is_secure=False))
    raise BadProxyHeader


def _read_binary(data: bytes) -> ProxyHeader | None:
    if len(data) < 16:
        return None
    command, family, length = struct.unpack_from("!BBH", data, 12)
    whole = 16 + length
    if command not in {_LOCAL, _PROXIED} or whole > MAX_BINARY_BYTES:
        raise BadProxyHeader
    if len(data) < whole:
        return None
    if command == _LOCAL:
        return ProxyHeader(whole, None)
    if family not in _FAMILIES:
        return ProxyHeader(whole, Visitor("", is_secure=False))
    size, kind = _FAMILIES[family]
    ends_at = 16 + 2 * size + 4
    if ends_at > whole:
        raise BadProxyHeader
    return ProxyHeader(whole, Visitor(str(kind(data[16 : 16 + size])), _used_ssl(data[ends_at:whole])))


def _used_ssl(extensions: bytes) -> bool:
    at = 0
    while at + 3 <= len(extensions):
        kind, length = struct.unpack_from("!BH", extensions, at)
        if kind == _SSL_EXTENSION and length >= 5 and at + 3 < len(extensions):
            return bool(extensions[at + 3] & _CLIENT_USED_SSL)
        at += 3 + length
    return False


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def _values(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]
