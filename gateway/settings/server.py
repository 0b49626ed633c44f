"""What faces the clients: ports, deadlines, how much of what, and what is logged."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from gateway.settings.section import Bounds, ReadableFile, Section, Several


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if text != "*" and (not parts.scheme or not parts.netloc or text != f"{parts.scheme}://{parts.netloc}"):
        raise ValueError(
            f"{text!r} is no origin; write it as browsers send it: https://app.bank.example, without a path"
        )
    return text


def _range(text: object) -> Network:
    try:
        return ip_network(str(text))
    except ValueError:
        raise ValueError(f"{text!r} is no address and no network; write 10.0.0.7 or 10.0.0.0/8") from None


Network = IPv4Network | IPv6Network
AddressRange = Annotated[Network, BeforeValidator(_range)]
Origin = Annotated[str, AfterValidator(_origin)]


class ServerSettings(Section):
    """The sockets, and how long anything about them may take."""

    host: str = Field(
        default="0.0.0.0",  # noqa: S104  # its clients are elsewhere
        min_length=1,
        max_length=253,
        description="Address that the public port listens on.",
    )
    port: int = Field(default=8080, ge=1, le=65535, description="The public port: WebSocket and REST.")
    ops_host: str = Field(
        default="127.0.0.1", min_length=1, max_length=253, description="Address that the ops port listens on."
    )
    ops_port: int = Field(
        default=8081, ge=1, le=65535, description="The ops port: health and metrics. Not for the internet."
    )
    allowed_origins: Annotated[
        tuple[Origin, ...], Several, Bounds("a list of origins such as https://app.bank.example; `*` is any")
    ] = Field(
        default=(),
        max_length=1000,
        description="Origins whose pages may connect, besides pages of the same host and clients that send no Origin.",
    )
    tls_certificate_file: ReadableFile | None = Field(
        default=None, description="Certificate chain, PEM; with it the public port speaks TLS."
    )
    tls_key_file: ReadableFile | None = Field(default=None, description="Private key of the certificate, PEM.")
    tls_client_ca_file: ReadableFile | None = Field(
        default=None,
        description="Authorities, PEM, of which every client must show a certificate (mTLS). For an edge that only servers reach: phones have none.",
    )
    trusted_proxies: Annotated[
        tuple[AddressRange, ...], Several, Bounds("a list of addresses or networks such as 10.0.0.0/8")
    ] = Field(
        default=(),
        max_length=1000,
        description="Load balancers, as addresses or networks: what they say of the client behind them is believed, and they are not counted themselves.",
    )
    proxy_protocol: bool = Field(
        default=False,
        description="Whether each connection begins with a PROXY header (version 1 or 2); only `trusted_proxies` may connect then. Without it they are believed by X-Forwarded-For and X-Forwarded-Proto.",
    )
    handshake_timeout_seconds: float = Field(
        default=4.5,
        ge=0.1,
        le=60,
        description="A request that is not whole after this frees its socket, within five seconds by default.",
    )
    request_head_max_bytes: int = Field(
        default=16384, ge=1024, le=1048576, description="Request line and headers together."
    )
    request_body_max_bytes: int = Field(default=262144, ge=1024, le=16777216, description="The body of a REST request.")
    authentication_timeout_seconds: float = Field(
        default=8.0, ge=0.1, le=60, description="From the handshake to CONNECTED; SDKs give up after 10 s."
    )
    drain_seconds: float = Field(
        default=10.0, ge=0, le=600, description="How long clients are moved elsewhere after SIGTERM."
    )
    max_frame_bytes: int = Field(
        default=262144, ge=1024, le=16777216, description="Longest message that a client may send over its WebSocket."
    )
    max_message_bytes: int = Field(
        default=65536, ge=1024, le=16777216, description="What clients are told as the bound of one message."
    )
    idle_interval_seconds: float = Field(
        default=15.0,
        ge=1,
        le=600,
        description="Something reaches every client at least this often; SDKs give up 10 s later.",
    )
    silence_timeout_seconds: float = Field(
        default=30.0, ge=1, le=3600, description="A client that answers nothing for so long is gone."
    )
    stall_timeout_seconds: float = Field(
        default=120.0, ge=1, le=3600, description="The same for a client that does not read what it was sent."
    )
    confirm_after_seconds: float = Field(
        default=1.0,
        ge=0.2,
        le=60,
        description="After its last message a client is asked by a PING whether it has come.",
    )
    confirm_every_seconds: float = Field(
        default=5.0, ge=0.5, le=300, description="The same where messages do not end, at most so often."
    )
    confirm_timeout_seconds: float = Field(
        default=2.0,
        ge=0.5,
        le=300,
        description="A way on which this PING is not answered counts as lost; more is allowed for each 8 KB under way.",
    )
    connection_state_seconds: float = Field(
        default=120.0, ge=1, le=604800, description="How long a dropped connection can be resumed by its key."
    )
    write_high_water_bytes: int = Field(
        default=65536,
        ge=1024,
        le=16777216,
        description="Unsent bytes in the process from which a client counts as slow.",
    )
    send_buffer_bytes: int = Field(
        default=65536, ge=4096, le=16777216, description="SO_SNDBUF of a client's socket; the kernel doubles it."
    )
    tcp_keepalive_seconds: float = Field(
        default=60.0, ge=1, le=7200, description="Silence after which the kernel probes a socket."
    )
    backlog: int = Field(default=2048, ge=1, le=65535, description="Connections that wait to be accepted.")

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """TLS takes two files, and what clients may send must fit into a frame."""
        if self.tls_certificate_file is not None and self.tls_key_file is None:
            yield "tls_key_file", "is missing, though there is a tls_certificate_file; give both or neither"
        if self.tls_key_file is not None and self.tls_certificate_file is None:
            yield "tls_certificate_file", "is missing, though there is a tls_key_file; give both or neither"
        if self.tls_client_ca_file is not None and self.tls_certificate_file is None:
            yield "tls_client_ca_file", "needs a tls_certificate_file: clients show certificates over TLS only"
        if self.proxy_protocol and not self.trusted_proxies:
            yield "trusted_proxies", "is empty, though proxy_protocol is on; name the load balancers that speak it"
        if self.proxy_protocol and self.tls_certificate_file is not None:
            yield (
                "proxy_protocol",
                "cannot be used with tls_certificate_file: its header comes before TLS; end TLS at the load balancer",
            )
        if self.max_message_bytes > self.max_frame_bytes:
            yield "max_message_bytes", f"is over max_frame_bytes; it must be at most {self.max_frame_bytes}"
        if self.port == self.ops_port and self.host == self.ops_host:
            yield "ops_port", "is the public port too; it must be another one"


class LimitSettings(Section):
    """How many."""

    channels_per_connection: int = Field(
        default=200, ge=1, le=100000, description="Channels that one connection may be attached to."
    )
    max_connections: int = Field(
        default=20000, ge=1, le=1000000, description="Connections of one process; more are told to come back."
    )
    max_memory_bytes: int | None = Field(
        default=None,
        ge=134217728,
        le=1099511627776,
        description="What the process may have in memory before it gives something up (docs/limits.md); absent: 0.8 of what the container may have, or the machine has.",
    )
    connections_per_address: int = Field(
        default=2000, ge=0, le=1000000, description="Connections of one network address to one process. 0: any number."
    )
    connections_per_client: int = Field(
        default=100,
        ge=0,
        le=1000000,
        description="Connections of one clientId of an app to one process. 0: any number.",
    )
    connections_per_app: int = Field(
        default=0, ge=0, le=1000000, description="Connections of one app to one process. 0: any number."
    )
    connects_per_second_per_address: float = Field(
        default=200.0, ge=0, le=1000000, description="New connections of one network address. 0: any number."
    )
    connects_per_second: float = Field(
        default=5000.0, ge=0, le=1000000, description="New connections of all clients to one process. 0: any number."
    )
    max_token_bytes: int = Field(
        default=16384,
        ge=1024,
        le=131072,
        description="Longer tokens are not read. In the address of a connection there is room for 16 KiB of head in all.",
    )
    inbound_messages_per_second: int = Field(
        default=2000,
        ge=0,
        le=1000000,
        description="Frames that one connection may send, whatever is in them. 0: any number.",
    )
    inbound_bytes_per_second: int = Field(
        default=4194304, ge=0, le=1073741824, description="Bytes that one connection may send. 0: any number."
    )
    attaches_per_second: float = Field(
        default=50.0,
        ge=0,
        le=1000000,
        description="ATTACHes of one connection, beyond `channels_per_connection` at once. 0: any number.",
    )
    publishes_per_second_per_connection: float = Field(
        default=1000.0, ge=0, le=1000000, description="Messages that one connection may publish. 0: any number."
    )
    publishes_per_second_per_client: float = Field(
        default=2000.0,
        ge=0,
        le=1000000,
        description="Messages that one clientId of an app may publish, on all edges together. 0: any number.",
    )
    publishes_per_second_per_channel: float = Field(
        default=2000.0,
        ge=0,
        le=1000000,
        description="Messages that may be published to one channel, by everybody on all edges; namespaces may say otherwise. 0: any number.",
    )
    publishes_per_second_per_app: float = Field(
        default=20000.0,
        ge=0,
        le=10000000,
        description="Messages that an app may publish, on all edges together. 0: any number.",
    )
    burst_seconds: float = Field(
        default=2.0, ge=0.1, le=60, description="What any of these rates gives in so long may come at once."
    )
    flood_seconds: float = Field(
        default=10.0,
        ge=0.1,
        le=30,
        description="A connection that is held back for so long, because it sends too much, is disconnected.",
    )


class PublishSettings(Section):
    """What clients publish, on its way to Kafka."""

    timeout_seconds: float = Field(
        default=10.0, ge=0.5, le=300, description="After this a publication that Kafka has not acknowledged is refused."
    )
    max_pending_bytes: int = Field(
        default=67108864, ge=65536, le=17179869184, description="What may wait for Kafka, of all clients together."
    )
    pending_per_connection: int = Field(
        default=200, ge=2, le=100000, description="Publications of one connection that may wait to be acknowledged."
    )
    pending_bytes_per_connection: int = Field(
        default=1048576, ge=65536, le=1073741824, description="The bytes of these."
    )
    remembered_ids: int = Field(
        default=500000,
        ge=1000,
        le=100000000,
        description="Ids kept for two minutes, so that a publication that is repeated is delivered once.",
    )


class WindowSettings(Section):
    """What the edge remembers of all channels together, to serve who comes back."""

    max_bytes: int = Field(
        default=268435456,
        ge=1048576,
        le=1099511627776,
        description="Memory for recent messages, of all channels together.",
    )
    max_seconds: float = Field(
        default=120.0, ge=1, le=86400, description="Age from which a message is dropped; the tail starts so far back."
    )
    remembered_channels: int = Field(
        default=200000,
        ge=1000,
        le=100000000,
        description="Channels whose last position is kept after their messages are gone.",
    )


class LogSettings(Section):
    """What the process says about itself, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe lines that are written."
    )
    format: Literal["json", "text"] = Field(
        default="json", description="One JSON object a line for machines, or text for people."
    )
