"""
What was decided, brought to those who are connected.

    its token was revoked           DISCONNECTED 40141: the SDK renews and resumes
    it will be, in a moment         AUTH, so that it renews before that
    an entitlement leaves it less   ERROR 40160 on the channels concerned, modes taken from others
    its key is gone                 DISCONNECTED 40141, ERROR 40101 for who showed the key itself

Nothing is handed to a client after it was looked at. All of it comes in shares of the loop's time, so that ten thousand
who are let go at once hold nobody up.

Source: PROTOCOL.md sections 3 and 7; RTN15h2, RTN22.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from auth.errors import AuthError, BadCredentials
from auth.revocation import Address

if TYPE_CHECKING:
    from gateway.transport.device import Device
    from gateway.transport.house import House

SHARE_SECONDS = 0.005


async def enforce(house: House, addresses: Sequence[Address]) -> None:
    """Look at everybody whom rulings for *addresses* may concern; returns when it is done."""
    await _look_at(house, dict.fromkeys(device for at in addresses for device in house.roster.concerned(at)))


async def enforce_keys(house: House) -> None:
    """Look at everybody: keys or issuers are others now."""
    await _look_at(house, house.roster.everybody())


async def _look_at(house: House, devices: Iterable[Device]) -> None:
    until = house.loop.time() + SHARE_SECONDS
    for device in devices:
        review(house, device)
        if house.loop.time() >= until:
            await asyncio.sleep(0)
            until = house.loop.time() + SHARE_SECONDS


def review(house: House, device: Device) -> None:
    """See how one client stands now, and tell it."""
    session = device.session
    if session is None or session.is_over:
        return
    rulings = house.verifier.rulings
    try:
        principal = house.verifier.review(session.principal, house.now())
    except AuthError as error:
        _let_go(house, device, error)
        return
    if principal is not session.principal:
        session.entitle(principal)
        device.watch_expiry()
    if rulings is not None and rulings.is_doomed(principal):
        session.ask_renewal()


def _let_go(house: House, device: Device, error: AuthError) -> None:
    house.counts.revoked += 1
    house.counts.failed(error.reason)
    session = device.session
    assert session is not None
    if device.is_full:
        device.abort()  # what waits to be written would go on to a client that does not read
    elif isinstance(error, BadCredentials):
        session.fail(error)
    else:
        session.disconnect(error)
