"""An issuer that cannot be asked is no fault of the client's: it is told to come back, and comes in when it can be."""

from __future__ import annotations

from websockets.asyncio.client import connect

from auth.key_sources import RETRY_SECONDS
from auth.keys import KeyRing
from tests.auth.key_server import key_server, status
from tests.auth.minting import ED_KEY, an_issuer, issuer_token, jwk
from tests.transport.ground import KEY, standing
from tests.transport.test_device import read, read_action, send

DISCONNECTED, ERROR, CONNECTED, AUTH = 6, 9, 4, 17


async def test_who_cannot_be_judged_now_is_told_to_come_back() -> None:
    """
    DISCONNECTED with 50003, and not a code by which SDKs give up or ask the same issuer for another token.

    A token whose key the issuer does not know, though it can be asked, is refused as ever (40143).
    """
    async with key_server() as server, standing() as ground:
        server.answers["/jwks.json"] = status("503 Service Unavailable")
        issuer = an_issuer(jwks_url=server.url())
        ground.house.verifier.trust(KeyRing([KEY]), [issuer])
        now = int(ground.house.now())
        times = {"iat": now, "exp": now + 3600}
        token = issuer_token(ED_KEY, "EdDSA", "one", **times)
        stranger = issuer_token(ED_KEY, "EdDSA", "stranger", **times)

        async with connect(f"{ground.url}?accessToken={token}") as socket:
            away = await read(socket)
        async with connect(f"{ground.url}?accessToken={ground.token()}") as socket:
            await read_action(socket, CONNECTED)
            await send(socket, action=AUTH, auth={"accessToken": token})
            in_band = await read_action(socket, DISCONNECTED)
        server.publish(jwk(ED_KEY, kid="one"))
        await issuer.refresh(now + 2 * RETRY_SECONDS)
        async with connect(f"{ground.url}?accessToken={token}") as socket:
            back = await read(socket)
        async with connect(f"{ground.url}?accessToken={stranger}") as socket:
            unknown = await read(socket)

    assert (away["action"], away["error"]["code"], away["error"]["statusCode"]) == (DISCONNECTED, 50003, 503)
    assert (in_band["error"]["code"], in_band["error"]["statusCode"]) == (50003, 400)
    assert back["action"] == CONNECTED
    assert (unknown["action"], unknown["error"]["code"]) == (ERROR, 40143)
    assert ground.house.counts.failed_checks["issuer_unavailable"] == 2
