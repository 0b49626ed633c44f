"""Publishing over REST: what is answered, in which form, and with which code."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from gateway.core.publication import Publication
from gateway.errors import PublishUnconfirmed
from gateway.schema import Schema
from tests.api.ground import MSGPACK, Ground, basic, bearer, code_of, token

URL = "/channels/account%3A1/messages"


def stored(publication: Publication) -> list[str | None]:
    """As if Kafka had put it there."""
    return [f"{publication.channel}-{index}" for index in range(len(publication.records))]


async def post(ground: Ground, body: Any, url: str = URL, **request: Any) -> httpx.Response:
    ground.publisher.answer = ground.publisher.answer or stored
    request.setdefault("headers", bearer(token(client_id="ada")))
    return await ground.ask("POST", url, json=body, **request)


async def test_one_message_is_answered_with_its_position(ground: Ground) -> None:
    response = await post(ground, {"name": "payment", "data": "x"})

    told = response.json()
    assert response.status_code == 201
    assert (told["channel"], told["serials"]) == ("account:1", ["account:1-0"])
    assert ground.publisher.publications[0].records[0].id == f"{told['messageId']}:0"


async def test_several_are_published_together(ground: Ground) -> None:
    response = await post(ground, [{"data": "a"}, {"data": "b"}])

    assert response.json()["serials"] == ["account:1-0", "account:1-1"]
    assert len(ground.publisher.publications) == 1


async def test_an_id_of_ones_own_is_told_back(ground: Ground) -> None:
    """RSL1k2."""
    one = await post(ground, {"id": "order-9", "data": "a"})
    two = await post(ground, [{"id": "base:0"}, {"id": "base:1"}])

    assert [one.json()["messageId"], two.json()["messageId"]] == ["order-9", "base"]


async def test_messagepack_is_taken_and_answered(ground: Ground) -> None:
    ground.publisher.answer = stored
    headers = bearer(token()) | {"Content-Type": MSGPACK, "Accept": MSGPACK}

    response = await ground.ask("POST", URL, content=msgspec.msgpack.encode([{"data": b"\xff"}]), headers=headers)

    assert msgspec.msgpack.decode(response.content)["serials"] == ["account:1-0"]
    assert ground.publisher.publications[0].records[0].value == b"\xff"


async def test_a_key_publishes_as_whom_it_names(ground: Ground) -> None:
    """RSA7e2."""
    await post(ground, {"data": "a", "clientId": "eve"}, headers=basic())

    assert ("clientId", b"eve") in ground.publisher.publications[0].records[0].headers


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (40000, []),
        (40000, 5),
        (40009, {"data": "x" * 70000}),
        (40012, {"clientId": "eve"}),
        (40013, {"data": 5}),
        (40031, [{"id": "a"}, {"id": "b"}]),
    ],
)
async def test_what_cannot_be_published_is_refused_with_its_code(ground: Ground, code: int, body: Any) -> None:
    assert code_of(await post(ground, body)) == code
    assert ground.publisher.publications == []


async def test_what_does_not_fit_the_schema_of_its_namespace_is_refused_channel_by_channel(ground: Ground) -> None:
    """The answer says where and what; a batch goes on with its other channels."""
    ground.publisher.schemas = {"account": Schema(b'{"properties": {"amount": {"type": "integer"}}}')}
    batch = {"channels": ["account:1"], "messages": [{"data": {"amount": 1}}, {"data": {"amount": "secret"}}]}

    one = await post(ground, {"data": {"amount": "secret"}})
    told = (await post(ground, batch, "/messages", headers=bearer(token()) | {"X-Ably-Version": "3"})).json()

    assert code_of(one) == told["results"][0]["error"]["code"] == 40013
    assert 'at /amount: this value is not of type "integer"' in one.json()["error"]["message"]
    assert ground.publisher.publications == []
    assert (await post(ground, {"data": {"amount": 1}})).status_code == 201


async def test_who_may_not_publish_is_refused(ground: Ground) -> None:
    reader = bearer(token({"account:1": ["subscribe"]}))

    assert code_of(await post(ground, {"data": "x"}, headers=reader)) == 40160
    assert code_of(await post(ground, {"data": "x"}, headers={})) == 40101


async def test_what_kafka_did_not_take_is_not_claimed(ground: Ground) -> None:
    ground.publisher.answer = lambda _publication: PublishUnconfirmed("later")

    assert code_of(await post(ground, {"data": "x"})) == 50003


async def test_a_batch_has_a_result_for_each_channel(ground: Ground) -> None:
    """BPR, BPF."""
    headers = bearer(token({"account:1": ["publish"], "account:2": ["publish"]})) | {"X-Ably-Version": "3"}
    batch = {"channels": ["account:1", "account:3"], "messages": {"data": "x"}}

    one = (await post(ground, batch, "/messages", headers=headers)).json()
    several = (
        await post(ground, [batch, {"channels": "account:2", "messages": []}], "/messages", headers=headers)
    ).json()

    assert (one["successCount"], one["failureCount"]) == (1, 1)
    assert one["results"][0]["serials"] == ["account:1-0"]
    assert one["results"][1]["error"]["code"] == 40160
    assert [result["failureCount"] for result in several] == [1, 1]


async def test_older_clients_get_batches_in_their_form(ground: Ground) -> None:
    headers = bearer(token({"account:1": ["publish"]})) | {"X-Ably-Version": "2"}

    good = await post(ground, {"channels": ["account:1"], "messages": [{"data": "x"}]}, "/messages", headers=headers)
    bad = await post(ground, {"channels": ["account:1", "account:2"], "messages": [{}]}, "/messages", headers=headers)

    assert [result["channel"] for result in good.json()] == ["account:1"]
    assert bad.status_code == 400
    assert bad.json()["error"]["code"] == 40020
    assert [("error" in result) for result in bad.json()["batchResponse"]] == [False, True]


@pytest.mark.parametrize("channels", [[], [f"account:{n}" for n in range(101)]])
async def test_a_batch_of_none_or_too_many_channels_is_refused(ground: Ground, channels: list[str]) -> None:
    assert code_of(await post(ground, {"channels": channels, "messages": [{}]}, "/messages")) == 40000
