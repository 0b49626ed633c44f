"""What is believed of a load balancer, and what of somebody who says it is one."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transport.proxied import (
    MAX_TEXT_BYTES,
    SIGNATURE,
    BadProxyHeader,
    Visitor,
    forwarded,
    is_trusted,
    read_proxy_header,
)

REQUEST = b"GET / HTTP/1.1\r\n\r\n"
NETWORKS = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
CLIENT, OTHER_CLIENT, PROXY = "192.0.2.7", "198.51.100.9", "10.1.2.3"  # RFC 5737


def binary(command: int = 0x21, family: int = 0x11, body: bytes | None = None) -> bytes:
    addresses = socket.inet_aton(CLIENT) + socket.inet_aton(PROXY) + struct.pack("!HH", 4711, 443)
    content = addresses if body is None else body
    return SIGNATURE + struct.pack("!BBH", command, family, len(content)) + content


def ssl_extension(flags: int) -> bytes:
    return b"\x03\x00\x04\x00\x00\x00\x00" + b"\x20\x00\x05" + bytes([flags]) + b"\x00\x00\x00\x00"


ADDRESSES = binary()[16:]
SIX = socket.inet_pton(socket.AF_INET6, "2001:db8::7") * 2 + struct.pack("!HH", 4711, 443)


@pytest.mark.parametrize(
    ("header", "visitor"),
    [
        (b"PROXY TCP4 192.0.2.7 10.1.2.3 4711 443\r\n", Visitor(CLIENT, is_secure=False)),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", Visitor("2001:db8::7", is_secure=False)),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN whatever it likes\r\n", None),
        (binary(), Visitor(CLIENT, is_secure=False)),
        (binary(family=0x21, body=SIX), Visitor("2001:db8::7", is_secure=False)),
        (binary(command=0x20, family=0, body=b""), None),
        (binary(family=0x31, body=b"\x00" * 216), Visitor("", is_secure=False)),
        (binary(body=ADDRESSES + ssl_extension(1)), Visitor(CLIENT, is_secure=True)),
        (binary(body=ADDRESSES + ssl_extension(0)), Visitor(CLIENT, is_secure=False)),
    ],
)
def test_reads_both_versions_and_leaves_what_comes_behind(header: bytes, visitor: Visitor | None) -> None:
    found = read_proxy_header(header + REQUEST)

    assert found is not None
    assert found.visitor == visitor
    assert (header + REQUEST)[found.length :] == REQUEST


@pytest.mark.parametrize("header", [b"PROXY TCP4 192.0.2.7 10.1.2.3 4711 443\r\n", binary(), binary(0x20, 0, b"")])
def test_waits_until_it_is_whole(header: bytes) -> None:
    assert all(read_proxy_header(header[:length]) is None for length in range(len(header)))


@pytest.mark.parametrize(
    "data",
    [
        REQUEST,
        b"\r\n\r\n\x00\r\nQUIZ",
        b"PROXY TCP4 192.0.2.7 10.1.2.3 4711\r\n",
        b"PROXY TCP4 bank.example 10.1.2.3 4711 443\r\n",
        b"PROXY TCP4  192.0.2.7 10.1.2.3 4711 443\r\n",
        b"PROXY UDP4 192.0.2.7 10.1.2.3 4711 443\r\n",
        b"PROXY " + b"x" * MAX_TEXT_BYTES,
        b"PROXY UNKNOWN " + b"x" * MAX_TEXT_BYTES + b"\r\n",
        binary(command=0x22),
        binary(command=0x31),
        binary(body=b"\x00" * 11),
        SIGNATURE + b"\x21\x11\xff\xff",
    ],
)
def test_anything_else_is_no_header(data: bytes) -> None:
    with pytest.raises(BadProxyHeader):
        read_proxy_header(data)


@given(st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", SIGNATURE, SIGNATURE + b"\x21\x11"]))
def test_bytes_of_anybody_are_a_header_none_yet_or_none(data: bytes, beginning: bytes) -> None:
    try:
        found = read_proxy_header(beginning + data)
    except BadProxyHeader:
        return
    assert found is None or 0 < found.length <= len(beginning + data)


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ([CLIENT], CLIENT),
        ([f"{CLIENT}, {PROXY}"], CLIENT),
        ([CLIENT, PROXY], CLIENT),
        ([f"127.0.0.1, {OTHER_CLIENT}, {CLIENT}"], CLIENT),
        ([f"{PROXY}, {CLIENT}, 10.9.9.9"], CLIENT),
        (["2001:db8::7"], "2001:db8::7"),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_no_proxy(chain: list[str], client: str) -> None:
    """What stands to the left of it the client may have written itself."""
    headers = [(b"x-forwarded-for", value.encode()) for value in chain]

    assert forwarded(headers, NETWORKS) == Visitor(client, is_secure=False)


@pytest.mark.parametrize(
    "chain", [[], [""], [PROXY], [f"{CLIENT}, unknown"], [f"{CLIENT}, _hidden, {PROXY}"], ["x" * 90]]
)
def test_a_chain_that_names_nobody_is_believed_for_nobody(chain: list[str]) -> None:
    assert forwarded([(b"x-forwarded-for", value.encode()) for value in chain], NETWORKS) is None


@pytest.mark.parametrize(("protocols", "is_secure"), [(["https"], True), (["http"], False), (["https", "http"], False)])
def test_tls_is_what_the_last_proxy_says(protocols: list[str], is_secure: bool) -> None:  # a case
    headers = [(b"x-forwarded-for", CLIENT.encode()), *((b"x-forwarded-proto", value.encode()) for value in protocols)]

    assert forwarded(headers, NETWORKS) == Visitor(CLIENT, is_secure)


@pytest.mark.parametrize(
    ("address", "expected"),
    [(PROXY, True), ("::ffff:10.1.2.3", True), ("fd00::1", True), (CLIENT, False), ("", False), ("/run/socket", False)],
)
def test_trust_goes_by_network(address: str, expected: bool) -> None:  # a case
    assert is_trusted(address, NETWORKS) is expected
