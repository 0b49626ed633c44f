"""
The demo's page: `/`, what it loads, and a token for the account that was picked.

The token is what a bank's own server would hand out after login: for one account, to read, for ten minutes.
"""

from __future__ import annotations

import json
import time
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Request, Response

from auth.ably_token import mint
from auth.capability import Capability
from auth.keys import Key
from gateway.api.asset import Asset
from gateway.dev.customers import CUSTOMERS

TOKEN_SECONDS = 600.0
_PAGE = files("gateway.dev") / "page"
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_ACCOUNTS = "|".join(customer.account for customer in CUSTOMERS)


def mount(app: FastAPI, key: Key) -> None:
    """
    Add the page to the edge's public app.

    Args:
        app: The edge's.
        key: Signs the tokens.
    """
    assets = {file.name: Asset(file, _HEADERS) for file in _PAGE.iterdir() if file.is_file()}
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=["GET", "HEAD"])
    async def index(request: Request) -> Response:
        return assets["index.html"].answer(request)

    @router.api_route("/page/{name}", methods=["GET", "HEAD"])
    async def asset(name: str, request: Request) -> Response:
        found = assets.get(name)
        return Response(status_code=404) if found is None else found.answer(request)

    @router.get("/demo/customers")
    async def customers() -> list[dict[str, str]]:
        return [
            {
                "account": customer.account,
                "name": customer.name,
                "city": customer.city,
                "currency": customer.currency.code,
            }
            for customer in CUSTOMERS
        ]

    @router.get("/demo/token")
    async def token(account: Annotated[str, Query(pattern=f"^({_ACCOUNTS})$")]) -> Response:
        return Response(
            account_token(key, account, time.time()), media_type="text/plain", headers={"Cache-Control": "no-store"}
        )

    app.include_router(router)


def account_token(key: Key, account: str, now: float) -> str:
    """A token to read one account, as a bank's server would mint it for who has logged in."""
    capability = Capability.parse(json.dumps({f"account:{account}": ["subscribe", "history"]}))
    return mint(key, now=now, ttl_seconds=TOKEN_SECONDS, client_id=f"customer-{account}", capability=capability)
