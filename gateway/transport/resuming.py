"""
Which connection an arrival goes on with.

    resume     the same instance of an SDK on another transport: what it publishes again has the ids that it had
    recover    another instance, by the key that the first one left behind. It publishes nothing again, but counts its
               publications from where the key was made; so their ids begin with a word of their own, and are never taken
               for copies of what the first one published after that

Source: PROTOCOL.md section 3; RTN15c, RTN15e, RTN16.
"""

from __future__ import annotations

import re

from auth.principal import Principal
from gateway.errors import (
    ClientIdIncompatible,
    ConnectionClosed,
    ConnectionExpired,
    StoreUnavailable,
    UnknownConnection,
)
from gateway.store.connections import ConnectionRecord, ConnectionStore

_KEY = re.compile(r"[A-Za-z0-9_-]{12}![A-Za-z0-9_-]{16}", re.ASCII)
ID_LETTERS, KEY_LETTERS, WORD_LETTERS = 12, 16, 8


async def find_connection(connections: ConnectionStore, key: str, principal: Principal) -> ConnectionRecord:
    """
    Find the connection that a key resumes.

    Raises:
        UnknownConnection: If there is none, with the code that says why; a new one begins (RTN15c7).
        ClientIdIncompatible: If it is another client's (RTN15e).
    """
    if not _KEY.fullmatch(key):
        raise UnknownConnection("this is no connection key; a new connection begins")
    try:
        found = await connections.find(key)
    except StoreUnavailable:
        raise ConnectionExpired("the connection cannot be looked up now; a new one begins") from None
    if found is None:
        raise ConnectionExpired("there is no such connection any more; a new one begins")
    if found.app_id != principal.app_id:
        raise UnknownConnection("this connection key is not one of these credentials; a new connection begins")
    if found.client_id != principal.client_id:
        raise ClientIdIncompatible("the credentials are of another clientId than the connection to resume")
    if found.is_closed:
        raise ConnectionClosed("the connection was closed; a new one begins")
    return found
