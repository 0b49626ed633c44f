"""Who asks: the ways of showing a key or a token, and a clientId."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.api.ground import ELSEWHERE, KEY_TEXT, Ground, base64_of, basic, bearer, code_of, token

MESSAGES = "/channels/account:1/messages"


@pytest.mark.parametrize(
    "shown",
    [
        lambda token: {"headers": {"Authorization": f"Bearer {base64_of(token)}"}},
        lambda token: {"headers": {"Authorization": f"Bearer {base64_of(token).rstrip('=')}"}},
        lambda token: {"headers": {"Authorization": f"Bearer {token}"}},
        lambda token: {"headers": {"Authorization": f"bearer  {token} "}},
        lambda token: {"params": {"accessToken": token}, "headers": {}},
        lambda token: {"params": {"access_token": token}, "headers": {}},
        lambda token: {"params": {"key": "a.b:c"}, "headers": bearer(token)},
    ],
)
async def test_a_token_may_be_shown_in_each_of_these_ways(ground: Ground, shown: Any) -> None:
    """RSA3b, and what clients without headers do; the header counts before the query. Any line will do."""
    response = await ground.get(MESSAGES, client=ELSEWHERE, **shown(token()))

    assert response.status_code == 200


@pytest.mark.parametrize(
    "shown", [{"headers": basic()}, {"params": {"key": KEY_TEXT}, "headers": {}}], ids=["header", "query"]
)
async def test_a_key_is_good_over_tls_and_on_this_machine_only(ground: Ground, shown: Any) -> None:
    """RSA1: it is worth more than any token, so it is not taken from a line that others can read."""
    here = await ground.get(MESSAGES, **shown)
    over_ipv6 = await ground.get(MESSAGES, client="::1", **shown)
    over_tls = await ground.get(MESSAGES, client=ELSEWHERE, scheme="https", **shown)
    in_the_open = await ground.get(MESSAGES, client=ELSEWHERE, **shown)

    assert [here.status_code, over_ipv6.status_code, over_tls.status_code] == [200, 200, 200]
    assert code_of(in_the_open) == 40103


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", 40101),
        ("Basic", 40101),
        ("Basic !!!", 40101),
        (f"Basic {base64_of('bank.server')}", 40101),
        (f"Basic {base64_of('bank.server:wrong')}", 40101),
        ("Basic /zr/", 40101),
        ("Digest username=x", 40101),
        ("Bearer", 40144),
        ("Bearer !!!", 40144),
        ("Bearer bm90IGEgdG9rZW4=", 40144),
        ("Bearer a.b.c", 40144),
    ],
)
async def test_what_is_neither_is_refused(ground: Ground, authorization: str, code: int) -> None:
    """40144 makes an SDK renew its token; a key it has no other of."""
    assert code_of(await ground.get(MESSAGES, headers={"Authorization": authorization})) == code


async def test_nothing_shown_is_nobody(ground: Ground) -> None:
    response = await ground.get(MESSAGES, headers={})

    assert code_of(response) == 40101
    assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_an_expired_token_is_named_so(ground: Ground) -> None:
    """RSA4b: the SDK asks for another one and tries again."""
    assert code_of(await ground.get(MESSAGES, headers=bearer(token(ttl_seconds=-60)))) == 40142


@pytest.mark.parametrize(
    ("shown", "client_id", "code"),
    [
        (basic(), "alice", None),
        (bearer(token(client_id="alice")), "alice", None),
        (bearer(token(client_id="*")), "alice", None),
        (bearer(token(client_id="alice")), "bob", 40102),
        (bearer(token()), "bob", 40102),
        (basic(), "\x00", 40012),
    ],
)
async def test_a_client_id_is_one_that_the_credentials_may_have(
    ground: Ground, shown: dict[str, str], client_id: str, code: int | None
) -> None:
    """RSA7e2: it comes as base64."""
    response = await ground.get(MESSAGES, headers={**shown, "X-Ably-ClientId": base64_of(client_id)})

    assert response.status_code == 200 if code is None else code_of(response) == code


async def test_a_client_id_that_is_not_base64_is_refused(ground: Ground) -> None:
    for header in ("alice!", base64.b64encode(b"\xff").decode()):
        assert code_of(await ground.get(MESSAGES, headers={**basic(), "X-Ably-ClientId": header})) == 40012


async def test_a_version_is_a_number(ground: Ground) -> None:
    """RSC7a: what is answered is the same in all of them."""
    for version in ("6", "2", "1.2", "99"):
        assert (await ground.get("/time", headers={"X-Ably-Version": version})).status_code == 200
    assert code_of(await ground.get("/time", headers={"X-Ably-Version": "newest"})) == 40003
