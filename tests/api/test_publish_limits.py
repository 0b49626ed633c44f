"""The table of limits on publishing over REST: 429 with its code and when to come again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest

from gateway.core.publication import Publication
from tests.api.ground import MSGPACK, Ground, basic, bearer, code_of, token

EACH = {"client": 42910, "channel": 42913, "app": 42917}
each_limit = pytest.mark.parametrize("limit", EACH)
each_type = pytest.mark.parametrize("content_type", ["application/json", MSGPACK])


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time at which publications come."""
    clock = SimpleNamespace(now=1_800_000_000.0)
    monkeypatch.setattr("gateway.api.publishing.time", SimpleNamespace(time=lambda: clock.now))
    return clock


def stored(publication: Publication) -> list[str | None]:
    return ["s"] * len(publication.records)


def limited(limit: str, **limits: Any) -> Ground:
    """Five messages a second, ten at once."""
    ground = Ground(limits={f"publishes_per_second_per_{limit}": 5, **limits})
    ground.publisher.answer = stored
    return ground


async def post(
    ground: Ground,
    messages: Any,
    content_type: str = "application/json",
    *,
    url: str = "/channels/account%3A1/messages",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    encode = msgspec.json.encode if content_type == "application/json" else msgspec.msgpack.encode
    sent = (headers or bearer(token(client_id="ada"))) | {"Content-Type": content_type}
    return await ground.ask("POST", url, content=encode(messages), headers=sent)


@each_type
@each_limit
async def test_at_the_limit_it_passes_over_it_it_is_refused_and_in_time_it_passes_again(
    limit: str, content_type: str, clock: SimpleNamespace
) -> None:
    ground = limited(limit)

    at_once = [await post(ground, {"data": "x"}, content_type) for _ in range(11)]
    clock.now += 1
    later = [await post(ground, {"data": "x"}, content_type) for _ in range(6)]

    assert [response.status_code for response in at_once] == [201] * 10 + [429]
    assert [response.status_code for response in later] == [201] * 5 + [429]
    assert code_of(at_once[-1]) == EACH[limit]
    assert ground.counts.limited[f"publish_{limit}"] == 2


@each_limit
async def test_a_refusal_says_when_to_come_again(limit: str) -> None:
    ground = limited(limit)
    await post(ground, [{"data": "x"}] * 9)

    refused = await post(ground, [{"data": "x"}] * 10)

    told = {name: refused.headers[name] for name in ("Retry-After", "X-RateLimit-Limit", "X-RateLimit-Reset")}
    assert told == {"Retry-After": "2", "X-RateLimit-Limit": "5", "X-RateLimit-Reset": "2"}
    assert refused.headers["X-RateLimit-Remaining"] == "0"


@each_limit
async def test_a_batch_costs_what_is_in_it_and_one_that_can_never_pass_is_told_so(limit: str) -> None:
    ground = limited(limit)

    answers = [await post(ground, [{"data": "x"}] * count) for count in (11, 7, 4, 3)]

    assert [response.status_code for response in answers] == [400, 201, 429, 201]
    assert code_of(answers[0]) == 40030
    assert "Retry-After" not in answers[0].headers


async def test_of_several_channels_those_that_have_room_are_published_to() -> None:
    ground = limited("channel")
    await post(ground, [{"data": "x"}] * 10)

    response = await post(
        ground,
        {"channels": ["account:1", "account:2"], "messages": {"data": "x"}},
        url="/messages?newBatchResponse=true",
    )

    refused, stored_one = response.json()["results"]
    assert refused["error"]["code"] == 42913
    assert "try again in 0.2 s" in refused["error"]["message"]
    assert stored_one["serials"] == ["s"]


async def test_a_key_that_speaks_for_nobody_has_no_limit_of_a_client() -> None:
    """A server publishes for all its clients; channel and app bound it."""
    ground = limited("client")

    answers = [await post(ground, [{"data": "x"}] * 10, headers=basic()) for _ in range(3)]

    assert [response.status_code for response in answers] == [201] * 3


async def test_a_namespace_has_a_limit_of_its_own() -> None:
    ground = Ground(
        limits={"publishes_per_second_per_channel": 5},
        namespaces={"account": {"topic": "edge.accounts", "publishes_per_second_per_channel": 1}},
    )
    ground.publisher.answer = stored

    answers = [await post(ground, {"data": "x"}) for _ in range(3)]

    assert [response.status_code for response in answers] == [201, 201, 429]
