"""Whose tokens and keys an edge believes, until the settings are read again."""

from __future__ import annotations

from auth.revocation import Rulings
from auth.verifier import Verifier
from gateway.credentials import issuers_of, keyring_of
from gateway.reloading import Change
from gateway.settings import Settings


class Trust:
    """
    The keys and identity providers of the settings, and the verifier that goes by them.

    Args:
        settings: Of the apps.
        rulings: What was taken back; None where nothing can be.

    Attributes:
        keyring: The apps' keys.
        verifier: Who may come in; the same one for as long as the edge runs.
    """

    def __init__(self, settings: Settings, rulings: Rulings | None) -> None:
        self.keyring = keyring_of(settings)
        self._issuers, self._settings = issuers_of(settings), settings
        self.verifier = Verifier(
            self.keyring, self._issuers, max_token_length=settings.limits.max_token_bytes, rulings=rulings
        )

    def prepare(self, settings: Settings) -> Change:
        """Get ready for other keys and issuers."""
        keyring, issuers = keyring_of(settings), issuers_of(settings, self._settings, self._issuers)

        def change() -> None:
            self.verifier.trust(keyring, issuers)
            self.keyring, self._issuers, self._settings = keyring, issuers, settings

        return change
