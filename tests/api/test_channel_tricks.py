"""Names that look like another channel's, at every door: attach, publish, history, status, lists and batches."""

from __future__ import annotations

from urllib.parse import quote

import httpx
import msgspec
import pytest

from gateway.core.wire import Action
from tests.api.ground import Ground, bearer, token
from tests.auth.test_channel_tricks import OWN, tricks
from tests.core.bench import Bench

OWN_ONLY = {OWN: ["*"]}
each_trick = pytest.mark.parametrize("text", dict.fromkeys(tricks()), ids=ascii)


def segments(text: str) -> set[str]:
    """A name as the segment of a path, encoded whole, and as little as a careless client does."""
    return {quote(text, safe="", errors="surrogatepass"), quote(text, safe="/:.%*[]", errors="surrogatepass")}


@each_trick
def test_over_websockets(text: str) -> None:
    """Neither attached nor published: ERROR and NACK, and nothing reaches the hub or Kafka."""
    bench = Bench(OWN_ONLY)

    if "\udc80" not in text:  # no frame can hold it
        answers = bench.send(Action.ATTACH, channel=text)
        raw = msgspec.Raw(msgspec.json.encode([{"data": "x"}]))
        answers += bench.send(Action.MESSAGE, channel=text, msg_serial=0, messages=raw)
        ended = [Action.ERROR] if text == "" else [Action.ERROR, Action.NACK]  # without a channel the connection ends
        assert [answer["action"] for answer in answers] == ended, answers
        assert {answer["error"]["code"] for answer in answers} <= {40000, 40010, 40160, 40400}

    assert len(bench.hub.attachments) == 0
    assert bench.submitted.publications == []


@each_trick
async def test_over_rest(text: str) -> None:
    """No past, no status and no publication, unless what the path says *is* the name."""
    ground = Ground()
    ground.say("account:other", "not yours")
    headers = bearer(token(OWN_ONLY))

    for segment in segments(text):
        if httpx.URL(f"http://edge/channels/{segment}").path == f"/channels/{OWN}":
            continue  # clients resolve `./` by themselves, so this is the name
        for path in (f"/channels/{segment}/messages", f"/channels/{segment}"):
            refused = await ground.get(path, headers=headers)
            is_the_list = segment == "" and refused.json() == []
            assert is_the_list or refused.status_code in (307, 400, 401, 404, 405), (path, refused.text)
            assert "not yours" not in refused.text
        published = await ground.ask("POST", f"/channels/{segment}/messages", json={"data": "x"}, headers=headers)
        assert published.status_code in (307, 400, 401, 404, 405), published.text
    if "\udc80" not in text:  # no JSON can hold it
        batch = {"channels": [text], "messages": {"data": "x"}}
        answered = await ground.ask("POST", "/messages", json=batch, headers=headers | {"X-Ably-Version": "4"})
        assert answered.status_code in (201, 400, 401, 404)
        if answered.status_code == 201:
            (batched,) = answered.json() if isinstance(answered.json(), list) else [answered.json()]
            assert (batched["successCount"], batched["failureCount"]) == (0, 1)

    assert ground.publisher.publications == []


async def test_a_list_shows_what_the_token_names_and_nothing_that_looks_like_it() -> None:
    """`GET /channels`, whatever prefix is asked for."""
    ground = Ground()
    headers = bearer(token(OWN_ONLY))

    for prefix in ("", "account:", OWN.upper(), "*", "account:other"):
        listed = await ground.get("/channels", params={"prefix": prefix, "by": "id"}, headers=headers)
        assert listed.json() == []


def test_the_name_itself_opens() -> None:
    """So that what is refused above is refused for what it is."""
    bench = Bench(OWN_ONLY)

    assert bench.attach(OWN)["action"] == Action.ATTACHED
