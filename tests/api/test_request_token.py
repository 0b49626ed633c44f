"""`POST /keys/{keyName}/requestToken`: who gets a token, of what kind, and how often."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from auth.token_request import DEFAULT_TTL_SECONDS, WINDOW_SECONDS, TokenRequest
from auth.verifier import Credentials
from gateway.store.redis import connect
from tests.api.ground import (
    ELSEWHERE,
    KEY,
    KEY_TEXT,
    MSGPACK,
    NARROW_SECRET,
    SECRET,
    Ground,
    base64_of,
    basic,
    bearer,
    code_of,
    token,
)

PATH = "/keys/bank.server/requestToken"


def signed(secret: str = SECRET, **changes: Any) -> dict[str, Any]:
    """A token request as an SDK makes it; a change to None leaves a field out."""
    fields = {
        "keyName": KEY.name,
        "timestamp": int(time.time() * 1000),
        "nonce": secrets.token_hex(8),
        "clientId": "alice",
        "capability": '{"account:1":["history","subscribe"]}',
        "ttl": 60000,
    } | changes
    fields = {name: value for name, value in fields.items() if value is not None}
    return fields | {"mac": TokenRequest(fields).sign(secret.encode())}


async def ask(ground: Ground, body: Any, path: str = PATH, **request: Any) -> httpx.Response:
    return await ground.ask("POST", path, json=body, **request)


async def test_a_signed_request_is_exchanged_for_a_token(ground: Ground) -> None:
    """RSA8e, TD1 to TD7: by somebody who has no key, over whatever line."""
    before_ms = int(time.time() * 1000)

    response = await ask(ground, signed(), client=ELSEWHERE)

    details = response.json()
    principal = ground.verifier.verify(Credentials(None, details["token"], None, is_secure=False), time.time())
    assert response.status_code == 201
    assert (details["keyName"], details["clientId"]) == ("bank.server", "alice")
    assert details["capability"] == '{"account:1":["history","subscribe"]}'
    assert before_ms <= details["issued"] <= time.time() * 1000
    assert details["expires"] - details["issued"] == 60000
    assert (principal.client_id, principal.capability.to_text()) == ("alice", details["capability"])
    assert principal.expires_at == details["expires"] / 1000


async def test_the_token_opens_what_it_says(ground: Ground) -> None:
    details = (await ask(ground, signed())).json()

    mine = await ground.get("/channels/account:1/messages", headers=bearer(details["token"]))
    other = await ground.get("/channels/account:2/messages", headers=bearer(details["token"]))

    assert mine.status_code == 200
    assert code_of(other) == 40160


async def test_what_is_not_asked_for_is_as_the_key_says(ground: Ground) -> None:
    """RSA9e, RSA9f: an hour, and all that the key may do; anonymous."""
    details = (await ask(ground, signed(ttl=None, capability=None, clientId=None))).json()

    assert details["expires"] - details["issued"] == DEFAULT_TTL_SECONDS * 1000
    assert details["capability"] == '{"*":["*"]}'
    assert "clientId" not in details


async def test_a_request_is_exchanged_once(ground: Ground) -> None:
    """TE5: a copy of it is worth nothing."""
    request = signed()

    first, second = await ask(ground, request), await ask(ground, request)

    assert first.status_code == 201
    assert code_of(second) == 40105


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"mac": "bm90IHRoZSBtYWM="}, 40101),
        ({"clientId": "mallory"}, 40101),
        ({"capability": '{"*":["*"]}'}, 40101),
        ({"keyName": "bank.narrow"}, 40101),
        ({"nonce": "short"}, 40000),
        ({"timestamp": None}, 40000),
        ({"ttl": []}, 40000),
    ],
    ids=str,
)
async def test_a_request_that_was_tampered_with_is_refused(ground: Ground, changes: dict[str, Any], code: int) -> None:
    """RSA9g: the signature covers every field."""
    assert code_of(await ask(ground, signed() | changes)) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ttl": 0}, 40003),
        ({"ttl": 86400001}, 40003),
        ({"capability": "nonsense"}, 40000),
        ({"clientId": "\x00"}, 40012),
    ],
    ids=str,
)
async def test_a_signed_wish_that_cannot_be_is_refused(ground: Ground, changes: dict[str, Any], code: int) -> None:
    assert code_of(await ask(ground, signed(**changes))) == code


@pytest.mark.parametrize("seconds", [-WINDOW_SECONDS - 60, WINDOW_SECONDS + 60])
async def test_a_wish_of_another_hour_is_refused(ground: Ground, seconds: float) -> None:
    """RSA9d: so nonces need not be kept for ever."""
    assert code_of(await ask(ground, signed(timestamp=int((time.time() + seconds) * 1000)))) == 40104


async def test_no_token_may_more_than_its_key(ground: Ground) -> None:
    """RSA6a: what is asked for and the key's, taken together; nothing in common is a refusal."""
    path = "/keys/bank.narrow/requestToken"
    narrow = {"keyName": "bank.narrow", "secret": NARROW_SECRET}

    some = await ask(ground, signed(**narrow), path)
    none = await ask(ground, signed(**narrow, capability='{"support:1":["*"]}'), path)

    assert some.json()["capability"] == '{"account:1":["history"]}'
    assert code_of(none) == 40160


async def test_a_key_that_does_not_exist_is_named_so(ground: Ground) -> None:
    for name in ("bank.other", "other", "%FF"):
        response = await ask(ground, signed(), f"/keys/{name}/requestToken")
        assert code_of(response) == (40010 if name == "%FF" else 40400)


async def test_both_formats_are_read(ground: Ground) -> None:
    """ably from PyPI asks in MessagePack, nulls included."""
    body = {**signed(ttl=None, capability=None), "ttl": None, "capability": None}
    headers = {"Content-Type": MSGPACK, "Accept": MSGPACK}

    response = await ground.ask("POST", PATH, content=msgspec.msgpack.encode(body), headers=headers)

    assert response.status_code == 201
    assert msgspec.msgpack.decode(response.content)["clientId"] == "alice"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b"\xff", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"\xc1", MSGPACK),
        (b"{}", MSGPACK),
        (b"keyName=bank.server", "application/x-www-form-urlencoded"),
    ],
)
async def test_a_body_that_is_no_object_is_refused(ground: Ground, content: bytes, content_type: str) -> None:
    response = await ground.ask("POST", PATH, content=content, headers={"Content-Type": content_type})

    assert code_of(response) == 40000


# ---------------------------------------------------------------------- not signed: the holder of the key


async def test_the_holder_of_the_key_needs_no_signature(ground: Ground) -> None:
    response = await ask(ground, {"clientId": "*", "ttl": 1000}, headers=basic(), client=ELSEWHERE, scheme="https")

    assert response.status_code == 201
    assert response.json()["clientId"] == "*"


async def test_nobody_else_gets_one(ground: Ground) -> None:
    """Neither nobody, nor a wrong key, nor another key, nor a token: that would live for ever by begetting others."""
    for headers in ({}, basic("bank.server:wrong"), basic(f"bank.narrow:{NARROW_SECRET}"), bearer(token())):
        assert code_of(await ask(ground, {"keyName": KEY.name}, headers=headers)) == 40101


async def test_the_key_of_the_body_must_be_that_of_the_path(ground: Ground) -> None:
    assert code_of(await ask(ground, {"keyName": "bank.narrow"}, headers=basic())) == 40101


async def test_a_key_over_a_line_that_others_can_read_is_refused(ground: Ground) -> None:
    """RSC18: it is burnt when it arrives, but it must not work."""
    for shown in ({"headers": basic()}, {"params": {"key": KEY_TEXT}}):
        assert code_of(await ask(ground, {}, client=ELSEWHERE, **shown)) == 40103


# ---------------------------------------------------------------------- Redis


async def test_without_redis_nothing_signed_is_exchanged(ground: Ground) -> None:
    """Whether it is a replay cannot be told, so it counts as one: 50003, and the holder of a key is not concerned."""
    away: Redis = connect(ground.settings.redis)
    ground = Ground(away)

    response = await ask(ground, signed())
    by_holder = await ask(ground, {}, headers=basic())

    assert code_of(response) == 50003
    assert by_holder.status_code == 201
    await away.aclose()


async def test_two_edges_exchange_it_once(redis_url: str) -> None:
    """Nonces are the cluster's, on a real Redis."""
    first_redis, second_redis = Redis.from_url(redis_url), Redis.from_url(redis_url)
    request = signed()

    first = await ask(Ground(first_redis), request)
    second = await ask(Ground(second_redis), request)

    assert first.status_code == 201
    assert code_of(second) == 40105
    await first_redis.aclose()
    await second_redis.aclose()


async def test_refusals_do_not_say_which_check_failed(ground: Ground) -> None:
    """A wrong secret, a wrong signature and no credentials read alike."""
    bodies = [
        await ask(ground, {}, headers=basic("bank.server:wrong")),
        await ask(ground, signed() | {"mac": base64_of("x")}),
        await ask(ground, {}),
    ]

    assert len({json.dumps(response.json()) for response in bodies}) == 1


async def test_a_token_that_was_given_out_is_in_the_audit_journal_without_itself(ground: Ground) -> None:
    details = (await ask(ground, signed())).json()
    await ask(ground, signed(nonce="another-nonce-of-this-test", capability="nonsense"))

    (told,) = [event for event in ground.noted if event["event"] == "token"]
    assert told == {"event": "token", "app": "bank", "key": "bank.server", "client": "alice", "ttl_seconds": 60.0}
    assert details["token"] not in str(ground.noted)
