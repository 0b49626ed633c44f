"""Whatever is asked over HTTP gets an answer that says what is wrong; nothing is ever our fault (50000)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.ground import MSGPACK, Ground, basic, bearer, token
from tests.core.test_hostile_messages import VALUES

GROUND_TOKEN = token()
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.sampled_from(["account:1", "account:", "[?x=1]account:1", "market:1"]) | TEXTS
QUERY = st.dictionaries(
    st.sampled_from(["limit", "direction", "start", "end", "fromSerial", "page", "prefix", "by", "format", "key"])
    | TEXTS,
    TEXTS | st.integers().map(str) | st.sampled_from(["forwards", "id", "msgpack", "aaaaaaaa-00000-0000000000000001"]),
    max_size=4,
)
BODIES = st.one_of(
    VALUES,
    st.fixed_dictionaries({}, optional={"channels": VALUES | st.lists(NAMES, max_size=3), "messages": VALUES}),
    st.fixed_dictionaries({}, optional=dict.fromkeys(["keyName", "ttl", "capability", "nonce", "mac"], VALUES)),
    st.fixed_dictionaries({}, optional=dict.fromkeys(["targets", "issuedBefore", "allowReauthMargin"], VALUES)),
)
AUTHORIZATIONS = st.sampled_from([bearer(GROUND_TOKEN), basic()]) | TEXTS.map(
    lambda text: {"Authorization": text.encode("ascii", "ignore").decode()}
)
PATHS = ["/messages", "/keys/bank.server/requestToken", "/keys/bank.server/revokeTokens"]


def is_an_answer(response: httpx.Response) -> None:
    if response.status_code >= 400:
        assert response.status_code != 500
        shown = response.content
        is_binary = response.headers["Content-Type"] == MSGPACK
        error: dict[str, Any] = (msgspec.msgpack.decode if is_binary else json.loads)(shown)["error"]
        assert error["code"] != 50000
        assert error["message"]


@settings(max_examples=80)
@given(name=NAMES, query=QUERY, headers=AUTHORIZATIONS)
async def test_any_query(name: str, query: dict[str, str], headers: dict[str, str]) -> None:
    ground = Ground()
    ground.say("account:1", "x", "y")
    segment = quote(name, safe="")

    for path in (f"/channels/{segment}/messages", f"/channels/{segment}", "/channels"):
        is_an_answer(await ground.get(path, params=query, headers=headers))


@settings(max_examples=80)
@given(
    path=st.sampled_from(PATHS) | NAMES.map(lambda name: f"/channels/{quote(name, safe='')}/messages"),
    body=BODIES,
    raw=st.none() | st.binary(max_size=40),
    kind=st.sampled_from(["application/json", MSGPACK, "text/plain"]),
    headers=AUTHORIZATIONS,
)
async def test_any_body(path: str, body: Any, raw: bytes | None, kind: str, headers: dict[str, str]) -> None:
    ground = Ground()
    ground.publisher.answer = lambda publication: [None] * len(publication.records)
    encode = msgspec.msgpack.encode if kind == MSGPACK else msgspec.json.encode
    content = encode(body) if raw is None else raw

    is_an_answer(await ground.ask("POST", path, content=content, headers=headers | {"Content-Type": kind}))
