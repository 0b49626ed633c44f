"""`POST /keys/{keyName}/revokeTokens`: who may ask, and for what; that it holds is shown in tests/e2e."""

from __future__ import annotations

import time
from typing import Any

import httpx
import msgspec
import pytest

from auth.revocation import Address, Cut, Target
from gateway.api.revoking import MAX_TARGETS, read_asked
from gateway.errors import BadParameter
from gateway.revocation import Revocations
from tests.api.ground import (
    ELSEWHERE,
    KEY_TEXT,
    MSGPACK,
    NARROW_SECRET,
    Ground,
    basic,
    bearer,
    code_of,
    token,
)

PATH = "/keys/bank.server/revokeTokens"
NOW = 1_800_000_000.0
DAY = 86400.0


@pytest.fixture
async def revoking(ground: Ground) -> Ground:
    """A ground with a revocation topic, on a Kafka that is away."""
    settings = ground.settings
    bounds = settings.revocation.model_copy(update={"topic": "edge.revocations", "max_records": 1})
    patient = settings.publish.model_copy(update={"timeout_seconds": 0.5})
    ground.settings = settings.model_copy(update={"revocation": bounds, "publish": patient})

    async def enforce(_addresses: object) -> None: ...

    ground.revocations = Revocations(ground.settings, "edge.revocations", ground.counts, enforce)
    ground.verifier.rulings = ground.revocations.rulings
    return ground


async def ask(ground: Ground, body: Any = None, path: str = PATH, **request: Any) -> httpx.Response:
    shown = {"headers": basic()} | request
    return await ground.ask("POST", path, json={"targets": ["clientId:1"]} if body is None else body, **shown)


async def test_only_the_holder_of_that_key_may_ask(revoking: Ground) -> None:
    """RSA17d: 40162 to whoever shows a token; and no key over a line that others can read."""
    assert code_of(await ask(revoking, headers=bearer(token()))) == 40162
    assert code_of(await ask(revoking, headers={})) == 40101
    assert code_of(await ask(revoking, headers=basic("bank.server:wrong"))) == 40101
    assert code_of(await ask(revoking, headers=basic(f"bank.narrow:{NARROW_SECRET}"))) == 40101
    assert code_of(await ask(revoking, client=ELSEWHERE)) == 40103
    assert code_of(await ask(revoking, path="/keys/bank.other/revokeTokens")) == 40400


async def test_without_a_topic_nothing_can_be_revoked(ground: Ground) -> None:
    """And nobody is told otherwise."""
    assert code_of(await ask(ground)) == 40121


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 40000),
        ({"targets": []}, 40000),
        ({"targets": "clientId:1"}, 40000),
        ({"targets": [1]}, 40000),
        ({"targets": ["clientId:1"] * (MAX_TARGETS + 1)}, 40000),
        ([], 40000),
        ({"targets": ["clientId:1"], "allowReauthMargin": "yes"}, 40003),
        ({"targets": ["clientId:1"], "issuedBefore": "yesterday"}, 40003),
        ({"targets": ["clientId:1"], "issuedBefore": True}, 40003),
        ({"targets": ["clientId:1"], "issuedBefore": 0}, 40003),
        ({"targets": ["clientId:1"], "issuedBefore": 10**400}, 40003),
        ({"targets": ["clientId:1"], "issuedBefore": int(time.time() * 1000) + 3_600_000}, 40003),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_a_request_that_cannot_be_is_refused_as_a_whole(revoking: Ground, body: Any, code: int) -> None:
    assert code_of(await ask(revoking, body)) == code


async def test_a_target_that_cannot_be_fails_alone(revoking: Ground) -> None:
    """BAR2, TRF2: in the order of the request, whatever becomes of the others; here Kafka is away."""
    targets = ["planet:mars", "clientId:", "clientId:1", "nonsense"]

    response = await ask(revoking, {"targets": targets, "issuedBefore": None, "allowReauthMargin": None})

    body = response.json()
    assert response.status_code == 201
    assert (body["successCount"], body["failureCount"]) == (0, 4)
    assert [result["target"] for result in body["results"]] == targets
    assert [result["error"]["code"] for result in body["results"]] == [40000, 40000, 50003, 40000]
    assert revoking.counts.refusals["bad_request"] == 3


async def test_there_is_a_bound_and_it_says_so(revoking: Ground) -> None:
    """`revocation.max_records`: 50004, before anything is written."""
    assert revoking.revocations is not None
    now = time.time()
    revoking.revocations.rulings.revoke(Address("bank.server", Target("clientId", "7")), Cut(now, 0.0), now)

    body = (await ask(revoking)).json()

    assert body["results"][0]["error"]["code"] == 50004


async def test_messagepack_is_read_and_answered(revoking: Ground) -> None:
    """As ably-js asks by default."""
    headers = basic() | {"Content-Type": MSGPACK, "Accept": MSGPACK}

    response = await revoking.ask(
        "POST", PATH, content=msgspec.msgpack.encode({"targets": ["planet:mars"]}), headers=headers
    )

    assert msgspec.msgpack.decode(response.content)["failureCount"] == 1


@pytest.mark.parametrize(
    ("body", "cut"),
    [
        ({}, Cut(NOW, 0.0)),
        ({"issuedBefore": int(NOW * 1000) - 1, "allowReauthMargin": False}, Cut(NOW - 0.001, 0.0)),
        ({"issuedBefore": (NOW - 60) * 1000, "allowReauthMargin": True}, Cut(NOW - 60, NOW + 30)),
    ],
)
def test_what_is_asked_for(body: dict[str, Any], cut: Cut) -> None:
    """RSA17e, RSA17f."""
    assert read_asked({"targets": ["clientId:1"], **body}, NOW, DAY).cut == cut


def test_a_time_before_the_oldest_token_is_a_mistake() -> None:
    with pytest.raises(BadParameter):
        read_asked({"targets": ["clientId:1"], "issuedBefore": int((NOW - DAY - 1) * 1000)}, NOW, DAY)


async def test_what_was_revoked_meanwhile_is_not_answered(revoking: Ground) -> None:
    """History and publishing, by header or query: 40141, whatever the token says of its end."""
    shown = token({"account:1": ["*"]}, client_id="ada")
    assert (await revoking.get("/channels/account:1/messages", headers=bearer(shown))).status_code == 200
    assert revoking.revocations is not None
    now = time.time()
    revoking.revocations.rulings.revoke(Address("bank", Target("clientId", "ada")), Cut(now + 1, 0.0), now)

    history = await revoking.get("/channels/account:1/messages", headers=bearer(shown))
    published = await revoking.ask(
        "POST", "/channels/account:1/messages", json={"data": "x"}, params={"accessToken": shown}
    )

    assert code_of(history) == code_of(published) == 40141
    assert (await revoking.get("/channels/account:1/messages", headers={}, params={"key": KEY_TEXT})).status_code == 200


async def test_who_revoked_what_is_in_the_audit_journal(revoking: Ground) -> None:
    """Also what was asked for in vain, with its code."""
    await ask(revoking, {"targets": ["planet:mars", "clientId:1"]})

    told = [event for event in revoking.noted if event["event"] == "revoke"]
    assert {(event["app"], event["key"]) for event in told} == {("bank", "bank.server")}
    assert sorted((event["target"], event["code"]) for event in told) == [("clientId:1", 50003), ("planet:mars", 40000)]
    assert all(abs(event["issued_before_ms"] / 1000 - time.time()) < 60 for event in told)
