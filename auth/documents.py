"""
Small public documents of an issuer, such as its key set: fetched over a line that can be trusted, and within bounds.

No redirect is followed, no proxy of the environment asked, nothing decompressed: whoever answers cannot send us
elsewhere, nor make much of little.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import lru_cache

import httpx

MAX_DOCUMENT_BYTES = 262144


async def fetch(url: str) -> bytes:
    """
    The document at *url*; how long that may take is the caller's affair.

    Raises:
        ValueError: If it is too large.
        httpx.HTTPError: If it cannot be had, or only elsewhere.
    """
    # In a thread: the first call reads the machine's authorities, which takes too long for the loop.
    tls = await asyncio.to_thread(_trusted_authorities)
    body = bytearray()
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    async with (
        httpx.AsyncClient(verify=tls, trust_env=False) as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        response.raise_for_status()
        async for part in response.aiter_raw():
            body += part
            if len(body) > MAX_DOCUMENT_BYTES:
                raise ValueError("the document is too large")
    return bytes(body)


_trusted_authorities = lru_cache(maxsize=1)(ssl.create_default_context)
