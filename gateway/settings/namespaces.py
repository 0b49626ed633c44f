"""Which topic feeds which channels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from gateway.schema import BadSchema, Schema
from gateway.settings.section import Bounds, ReadableFile, Section

_PLACEHOLDER = re.compile(r"\{[^}]*\}")


def _key_template(text: str) -> str:
    placeholders = _PLACEHOLDER.findall(text)
    if len(placeholders) != 1 or placeholders[0] not in {"{rest}", "{channel}"}:
        raise ValueError(
            f"{text!r} does not name a record's key; write {{rest}} or {{channel}} once, with any text around it"
        )
    return text


def _is_schema(path: Path) -> Path:
    try:
        Schema.read(path)
    except BadSchema as error:
        raise ValueError(f"{str(path)!r} {error}") from None
    return path


TopicName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$"), Bounds("a Kafka topic: 1 to 249 letters, digits, '.', '_' or '-'")
]
SchemaFile = Annotated[ReadableFile, AfterValidator(_is_schema)]
HeaderName = Annotated[str, Field(min_length=1, max_length=249)]
NAMESPACE_NAME = Bounds("1 to 64 letters, digits, '.', '_' or '-'; in a channel's name it stands before the first ':'")
NamespaceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$"), NAMESPACE_NAME]


class Namespace(Section):
    """Channels whose names begin alike, and the topic that feeds them."""

    topic: TopicName = Field(description="Where its records come from; keyed, so partitioned, by channel.")
    key: Annotated[str, AfterValidator(_key_template), Bounds("text with {rest} or {channel} in it, once")] = Field(
        default="{rest}",
        min_length=1,
        max_length=249,
        description="Record key of a channel: `{channel}` is its whole name, `{rest}` what follows the first colon.",
    )
    publish_topic: TopicName | None = Field(default=None, description="Where client publishes go; absent: `topic`.")
    publish_schema_file: SchemaFile | None = Field(
        default=None,
        description="A JSON Schema that the data of client publishes must fit; absent: any data. Encrypted and binary data fit none.",
    )
    history_seconds: float = Field(
        default=86400.0,
        ge=0,
        le=31536000,
        description="How long messages are kept in Redis for clients that come back, and for rewind and history; the topic must keep as much. 0: not at all.",
    )
    history_messages: int = Field(
        default=1000,
        ge=0,
        le=1000000,
        description="How many messages of one channel are kept in Redis, the newest. 0: none.",
    )
    rewind: bool = Field(default=True, description="Whether a client may ask for earlier messages when it attaches.")
    presence: bool = Field(default=False, description="Whether members are kept. This version has no presence.")
    publishes_per_second_per_channel: float | None = Field(
        default=None,
        ge=0,
        le=1000000,
        description="Messages that may be published to one channel; absent: as in `limits`. 0: any number.",
    )
    receipts_topic: TopicName | None = Field(
        default=None, description="Where receipts of what was delivered go (docs/receipts.md); absent: there are none."
    )
    name_header: HeaderName = Field(default="name", description="Kafka header that becomes a message's `name`.")
    client_id_header: HeaderName = Field(default="clientId", description="Kafka header that becomes its `clientId`.")
    id_header: HeaderName | None = Field(
        default=None, description="Kafka header that becomes its `id`; absent: `topic:partition:offset`."
    )
    extras_header: HeaderName | None = Field(
        default=None, description="Kafka header, a JSON object, whose members go to its `extras`."
    )
