"""Token requests: signed by a server, exchanged once, and now."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from typing import Any

import pytest

from auth.capability import Capability
from auth.errors import (
    AuthError,
    BadClientId,
    BadCredentials,
    BadParameter,
    BadRequest,
    CapabilityDenied,
    CapabilityMalformed,
    NonceReused,
    TimestampOff,
)
from auth.token_request import DEFAULT_TTL_SECONDS, MAX_TTL_SECONDS, WINDOW_SECONDS, TokenRequest
from tests.auth.minting import KEY, NOW, SECRET

FIELDS = ("keyName", "ttl", "capability", "clientId", "timestamp", "nonce")


class UsedNonces:
    """What was used, in memory."""

    def __init__(self) -> None:
        self.until: dict[str, float] = {}

    async def claim(self, name: str, now: float, ttl_seconds: float) -> bool:
        is_free = self.until.get(name, now) <= now
        self.until[name] = now + ttl_seconds
        return is_free


def signed(secret: bytes = SECRET, **changes: Any) -> dict[str, Any]:
    """A request as an SDK signs it, by a second reading of RSA9g; a change to None leaves a field out."""
    body: dict[str, Any] = {
        "keyName": KEY.name,
        "ttl": 60_000,
        "capability": '{"account:42":["subscribe"]}',
        "clientId": "ada",
        "timestamp": int(NOW * 1000),
        "nonce": "0123456789abcdef",
    } | changes
    body = {name: value for name, value in body.items() if value is not None}
    text = "".join(f"{body.get(name, '')}\n" for name in FIELDS)
    mac = base64.b64encode(hmac.new(secret, text.encode(), hashlib.sha256).digest()).decode()
    return body | {"mac": mac}


async def check(body: dict[str, Any], nonces: UsedNonces | None = None, now: float = NOW) -> None:
    await TokenRequest(body).check_signature(KEY, nonces or UsedNonces(), now)


async def test_what_the_key_signed_is_accepted() -> None:
    await check(signed())


@pytest.mark.parametrize("absent", ["ttl", "capability", "clientId"])
async def test_fields_that_are_absent_are_signed_as_empty(absent: str) -> None:
    """RSA9g: an absent field is an empty line."""
    await check(signed(**{absent: None}))


async def test_a_number_may_come_as_messagepack_and_json_have_it() -> None:
    body = signed()

    await check(body | {"ttl": 60_000.0})
    await check(body | {"ttl": "60000"})


@pytest.mark.parametrize("field", FIELDS)
async def test_a_field_that_was_changed_breaks_the_signature(field: str) -> None:
    body = signed()
    body[field] = body[field] + 1 if isinstance(body[field], int) else body[field] + "x"

    with pytest.raises(BadCredentials) as refused:
        await check(body)
    assert (refused.value.code, refused.value.reason) == (40101, "mac")


async def test_text_cannot_move_from_one_field_into_the_next() -> None:
    """The fields are divided by line feeds, and one within a field must not do as another."""
    body = signed(clientId="ada", nonce="0123456789abcdef")
    moved = body | {"clientId": f"ada\n{body['timestamp']}", "timestamp": None}

    with pytest.raises(AuthError):
        await check(moved)


@pytest.mark.parametrize("mac", ["", "x", "=", "é", "\udcff", base64.b64encode(b"\0" * 32).decode()])
async def test_a_wrong_mac_is_refused(mac: str) -> None:
    with pytest.raises(BadCredentials):
        await check(signed() | {"mac": mac})


async def test_the_mac_of_another_secret_is_refused() -> None:
    with pytest.raises(BadCredentials):
        await check(signed(b"another-secret-of-thirty-two-bytes-x"))


async def test_the_mac_of_the_older_secret_is_accepted_while_the_secret_is_changed() -> None:
    rotated = replace(KEY, secret=b"the-new-secret-of-thirty-two-bytes-or-so", older_secrets=(SECRET,))

    await TokenRequest(signed()).check_signature(rotated, UsedNonces(), NOW)


@pytest.mark.parametrize("off_seconds", [WINDOW_SECONDS + 0.001, -WINDOW_SECONDS - 0.001, 1e9])
async def test_a_request_of_another_time_is_refused(off_seconds: float) -> None:
    with pytest.raises(TimestampOff) as refused:
        await check(signed(), now=NOW + off_seconds)
    assert refused.value.code == 40104


async def test_a_clock_may_be_off_by_the_window() -> None:
    await check(signed(), now=NOW + WINDOW_SECONDS)
    await check(signed(), now=NOW - WINDOW_SECONDS)


async def test_a_request_is_exchanged_once() -> None:
    nonces = UsedNonces()
    await check(signed(), nonces)

    with pytest.raises(NonceReused) as refused:
        await check(signed(), nonces, NOW + 1)
    assert refused.value.code == 40105


async def test_a_nonce_is_remembered_as_long_as_its_request_is_good() -> None:
    """From the earliest moment at which it is taken to the last."""
    nonces = UsedNonces()
    await check(signed(), nonces, NOW - WINDOW_SECONDS)

    with pytest.raises(NonceReused):
        await check(signed(), nonces, NOW + WINDOW_SECONDS - 0.001)


async def test_a_nonce_of_another_key_is_another_nonce() -> None:
    nonces = UsedNonces()
    other = replace(KEY, key_id="server2")
    await check(signed(), nonces)

    await TokenRequest(signed(keyName=other.name)).check_signature(other, nonces, NOW)


async def test_who_cannot_sign_cannot_use_nonces_up() -> None:
    nonces = UsedNonces()
    with pytest.raises(BadCredentials):
        await check(signed() | {"mac": "wrong"}, nonces)

    await check(signed(), nonces)


@pytest.mark.parametrize(
    "changes",
    [
        {"keyName": None},
        {"timestamp": None},
        {"nonce": None},
        {"nonce": "too-short"},
        {"timestamp": "soon"},
        {"timestamp": "--5"},
        {"timestamp": "1" * 17},
        {"timestamp": "\u0661\u0662"},
    ],
)
async def test_what_a_signed_request_must_have_is_asked_for(changes: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as refused:
        await check(signed(**changes))
    assert (refused.value.code, refused.value.status) == (40000, 400)


@pytest.mark.parametrize("field", [*FIELDS, "mac"])
@pytest.mark.parametrize("value", [True, [], {}, 1.5, float("nan"), float("inf"), 10**15, "x" * 16385, b"bytes"])
def test_a_field_is_text_or_a_whole_number(field: str, value: Any) -> None:
    with pytest.raises(BadRequest):
        TokenRequest(signed() | {field: value})


def test_whether_a_request_is_signed_is_what_it_says() -> None:
    assert TokenRequest(signed()).is_signed
    assert not TokenRequest({"keyName": KEY.name}).is_signed
    assert not TokenRequest({"keyName": KEY.name, "mac": ""}).is_signed


def test_a_grant_is_what_was_asked_within_the_key_s_limits() -> None:
    grant = TokenRequest(signed(capability='{"account:42":["*"],"other":["*"]}')).grant(KEY)

    assert grant.ttl_seconds == 60.0
    assert grant.client_id == "ada"
    assert grant.capability == Capability.parse({"account:42": ["subscribe", "history"]})


def test_what_is_not_asked_has_its_default() -> None:
    """TK2a, TK2b: an hour, and all that the key may."""
    grant = TokenRequest({}).grant(KEY)

    assert grant.ttl_seconds == DEFAULT_TTL_SECONDS
    assert grant.client_id is None
    assert grant.capability == KEY.capability


def test_a_wildcard_client_id_may_be_asked_for() -> None:
    assert TokenRequest({"clientId": "*"}).grant(KEY).client_id == "*"


@pytest.mark.parametrize("ttl", [1, MAX_TTL_SECONDS * 1000])
def test_a_ttl_within_its_bounds_is_given(ttl: float) -> None:
    assert TokenRequest({"ttl": ttl}).grant(KEY).ttl_seconds == ttl / 1000


@pytest.mark.parametrize("ttl", [0, -1, MAX_TTL_SECONDS * 1000 + 1, "1h", "1e3", "-", "9" * 16])
def test_a_ttl_out_of_its_bounds_is_refused(ttl: Any) -> None:
    with pytest.raises(BadParameter) as refused:
        TokenRequest({"ttl": ttl}).grant(KEY)
    assert refused.value.code == 40003


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"keyName": "bank.other"}, BadCredentials),
        ({"capability": "{}"}, CapabilityDenied),
        ({"capability": '{"other":["*"]}'}, CapabilityDenied),
        ({"capability": '{"account:42":["read"]}'}, CapabilityMalformed),
        ({"clientId": "a\nb"}, BadClientId),
        ({"clientId": "x" * 513}, BadClientId),
    ],
)
def test_what_cannot_be_granted_is_refused(changes: dict[str, Any], error: type[AuthError]) -> None:
    with pytest.raises(error):
        TokenRequest({"keyName": KEY.name} | changes).grant(KEY)
