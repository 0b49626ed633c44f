"""Where Kafka and Redis are, and how long they may take to answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from gateway.settings.section import Bounds, ReadableFile, Section, secret_text

_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")

_SERVICE = re.compile(r"/([A-Za-z0-9._-]+)(?:/([0-9]{1,4})?)?")


def _servers(text: str) -> str:
    servers = [server.strip() for server in text.split(",")]
    wrong = [server for server in servers if not _SERVER.fullmatch(server)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is not host:port; write kafka-1:9092,kafka-2:9092")
    return ",".join(servers)


def _redis_url(text: str) -> str:
    parts = urlsplit(text)
    scheme, _, kind = parts.scheme.partition("+")
    hosts = parts.netloc.rpartition("@")[2].split(",")
    is_fit = scheme in {"redis", "rediss"} and kind in {"", "cluster", "sentinel"} and all(hosts)
    if kind == "sentinel":
        is_fit = is_fit and _SERVICE.fullmatch(parts.path) is not None
    if not is_fit or (hosts[1:] and not kind):
        raise ValueError(
            "is not a Redis URL; write redis://host:6379/0, rediss://host:6379/0 for TLS, "
            "redis+cluster://host-1:6379,host-2:6379 for a cluster, "
            "or redis+sentinel://host-1:26379,host-2:26379/SERVICE/0 for what sentinels watch"
        )
    return text


class KafkaSettings(Section):
    """The cluster that holds the records."""

    bootstrap_servers: Annotated[str, AfterValidator(_servers), Bounds("host:port, several with commas between")] = (
        Field(max_length=10000, description="Brokers to start from.")
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How brokers are spoken to."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="PLAIN", description="How the user is proven, with SASL."
    )
    sasl_username: str | None = Field(default=None, min_length=1, max_length=1000, description="User, with SASL.")
    sasl_password: SecretStr | None = Field(
        default=None, min_length=1, max_length=10000, description="Password, with SASL. Better kept in a file."
    )
    sasl_password_file: ReadableFile | None = Field(default=None, description="File that holds the password.")
    ssl_ca_file: ReadableFile | None = Field(
        default=None, description="Authorities that sign the brokers' certificates, PEM. Absent: the system's."
    )
    ssl_certificate_file: ReadableFile | None = Field(default=None, description="Certificate of this client, PEM.")
    ssl_key_file: ReadableFile | None = Field(default=None, description="Private key of this client, PEM.")
    client_id: str = Field(
        default="lastmile", min_length=1, max_length=249, description="Name under which brokers log this client."
    )
    request_timeout_seconds: float = Field(
        default=10.0, ge=0.5, le=300, description="Deadline of one request to a broker."
    )
    metadata_interval_seconds: float = Field(
        default=5.0,
        ge=0.5,
        le=10,
        description="How often it is looked whether partitions were added or topics recreated.",
    )
    max_record_bytes: int = Field(
        default=1048576, ge=1024, le=67108864, description="A longer record is skipped and counted as poison."
    )
    fetch_max_bytes: int = Field(
        default=4194304, ge=65536, le=1073741824, description="What one answer of a broker may bring at most."
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """SASL takes a user and a password; certificates take their key, and a protocol that shows them."""
        if self.security_protocol.startswith("SASL"):
            yield from self._sasl_gaps()
        elif self.sasl_username is not None:
            yield (
                "security_protocol",
                f"is {self.security_protocol}, though there is a sasl_username; it must be SASL_SSL or SASL_PLAINTEXT",
            )
        if (self.ssl_certificate_file is None) != (self.ssl_key_file is None):
            missing = "ssl_key_file" if self.ssl_key_file is None else "ssl_certificate_file"
            yield missing, "is missing; give ssl_certificate_file and ssl_key_file, or neither"
        if self.ssl_ca_file is not None and not self.security_protocol.endswith("SSL"):
            yield (
                "security_protocol",
                f"is {self.security_protocol}, though there is an ssl_ca_file; it must be SSL or SASL_SSL",
            )

    def _sasl_gaps(self) -> Iterator[tuple[str, str]]:
        if self.sasl_username is None:
            yield "sasl_username", f"is missing; {self.security_protocol} needs it"
        if (self.sasl_password is None) == (self.sasl_password_file is None):
            yield (
                "sasl_password_file",
                f"is missing or not alone; {self.security_protocol} needs it or sasl_password, and not both",
            )

    def read_password(self) -> str | None:
        """The SASL password; None where there is none."""
        return secret_text(self.sasl_password, self.sasl_password_file)


class RedisSettings(Section):
    """The store of what may be lost: connections that can be resumed, and the history of channels."""

    url: Annotated[
        str,
        AfterValidator(_redis_url),
        Bounds("a URL with redis, rediss, redis+cluster, rediss+cluster, redis+sentinel or rediss+sentinel"),
    ] = Field(
        max_length=10000,
        repr=False,
        description="Where Redis is; rediss:// for TLS. Of a cluster some nodes: redis+cluster://host-1:6379,host-2:6379. Behind sentinels: redis+sentinel://host-1:26379,host-2:26379/SERVICE/0. May carry user and password.",
    )
    password_file: ReadableFile | None = Field(
        default=None, description="File that holds the password, where the URL has none."
    )
    sentinel_password_file: ReadableFile | None = Field(
        default=None, description="File that holds the password of the sentinels themselves, where they have one."
    )
    timeout_seconds: float = Field(default=2.0, ge=0.05, le=60, description="Deadline of one command.")

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """One password is enough, and only sentinels have theirs."""
        if self.sentinel_password_file is not None and self.service is None:
            yield "sentinel_password_file", "is given, though redis.url names no sentinels; write redis+sentinel://…"
        if self.password_file is not None and urlsplit(self.node_urls()[0]).password:
            yield "password_file", "is given, though redis.url carries a password; give one of them"

    @property
    def is_cluster(self) -> bool:
        """Whether the URL names nodes of a cluster."""
        return urlsplit(self.url).scheme.endswith("+cluster")

    @property
    def service(self) -> str | None:
        """What sentinels call the primary that they watch; None where the URL names none."""
        parts = urlsplit(self.url)
        named = _SERVICE.fullmatch(parts.path) if parts.scheme.endswith("+sentinel") else None
        return None if named is None else named[1]

    def node_urls(self) -> list[str]:
        """One plain URL for each host of `url`; the path is the database, of what sentinels watch too."""
        parts = urlsplit(self.url)
        who, at, hosts = parts.netloc.rpartition("@")
        if self.service is not None:
            parts = parts._replace(path=parts.path.removeprefix(f"/{self.service}"))
        scheme = parts.scheme.partition("+")[0]
        return [parts._replace(scheme=scheme, netloc=f"{who}{at}{host}").geturl() for host in hosts.split(",")]

    def read_password(self) -> str | None:
        """The password of `password_file`; None where there is none or the URL carries it."""
        return secret_text(None, self.password_file)

    def read_sentinel_password(self) -> str | None:
        """The password of `sentinel_password_file`; None where there is none."""
        return secret_text(None, self.sentinel_password_file)
