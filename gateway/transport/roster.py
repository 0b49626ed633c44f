"""Who is connected, by what a revocation or an entitlement can name of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from auth.revocation import CHANNEL, CLIENT_ID, Address

if TYPE_CHECKING:
    from auth.principal import Principal
    from gateway.transport.device import Device

_Found = dict[str, "Device | set[Device]"]


class Roster:
    """
    Devices by clientId and by revocation key; who has neither costs nothing here.

    Args:
        devices: All of them. Channels are in capabilities, of which there is no index: for these everybody is looked at.
    """

    def __init__(self, devices: Collection[Device]) -> None:
        self._devices = devices
        self._by_client: _Found = {}
        self._by_key: _Found = {}

    def enter(self, device: Device, principal: Principal) -> None:
        """Note who *device* is."""
        _add(self._by_client, principal.client_id, device)
        _add(self._by_key, principal.revocation_key, device)

    def leave(self, device: Device, principal: Principal) -> None:
        """Forget it; idempotent."""
        _remove(self._by_client, principal.client_id, device)
        _remove(self._by_key, principal.revocation_key, device)

    def concerned(self, address: Address) -> Iterator[Device]:
        """Whom a ruling may concern; the scope is still to be looked at."""
        kind, value = address.target
        if kind == CHANNEL:
            yield from list(self._devices)
            return
        found = (self._by_client if kind == CLIENT_ID else self._by_key).get(value)
        if isinstance(found, set):
            yield from list(found)
        elif found is not None:
            yield found

    def everybody(self) -> list[Device]:
        """All of them."""
        return list(self._devices)


def _add(index: _Found, name: str | None, device: Device) -> None:
    if name is None:
        return
    found = index.get(name)
    if found is None:
        index[name] = device
    elif isinstance(found, set):
        found.add(device)
    elif found is not device:
        index[name] = {found, device}


def _remove(index: _Found, name: str | None, device: Device) -> None:
    if name is None:
        return
    found = index.get(name)
    if isinstance(found, set):
        found.discard(device)
        if not found:
            del index[name]
    elif found is device:
        del index[name]
