"""
The end of a token, on a live connection: asked to renew before it, disconnected at it.

Source: PROTOCOL.md section 3; RTN22, RTN15h2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from auth.errors import TokenExpired
from auth.principal import Principal

if TYPE_CHECKING:
    from gateway.transport.device import Device
    from gateway.transport.house import House

RENEWAL_NOTICE_SECONDS = 30.0


def watch_expiry(house: House, device: Device, principal: Principal) -> None:
    """
    See to the expiry of *principal*'s token if it comes before the next beat; later ones are that beat's affair.

    So a token that lives for a day does not keep a closed connection in memory for a day.
    """
    if principal.expires_at is None:
        return
    left_seconds = principal.expires_at - house.now()
    ask_in_seconds = left_seconds - min(RENEWAL_NOTICE_SECONDS, left_seconds / 2)
    horizon_seconds = house.beat_seconds + 0.5
    now = house.loop.time()

    def ask(_now: float) -> None:
        session = device.session
        if session is not None and session.principal is principal:
            session.ask_renewal()

    def expire(_now: float) -> None:
        session = device.session
        if session is not None and session.principal is principal:
            session.disconnect(TokenExpired())

    if ask_in_seconds <= horizon_seconds and device.renewal_of is not principal:
        device.renewal_of = principal
        house.wheel.at(now + max(ask_in_seconds, 0.0), ask)
    if left_seconds <= horizon_seconds:
        house.wheel.at(now + max(left_seconds, 0.0), expire)
