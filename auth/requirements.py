"""
What a token of an issuer must say besides who it is for, such as how its bearer logged in.

Source: OpenID Connect Core 1.0 section 2 (azp, acr); RFC 9068 sections 2.2 and 2.2.3 (client_id, scope).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from auth.errors import CapabilityDenied, TokenRefused
from auth.templates import claim_at

WORD_LISTS = frozenset({"scope", "scp"})  # claims that are one text of several words (RFC 6749 section 3.3)


class Requirements:
    """
    What is asked of every token of an issuer.

    Args:
        authorized_parties: The apps that a token may have been issued to (``azp``, else ``client_id``); none: any.
        required_claims: Claim → values of which one at least must be there. In ``scope`` and ``scp`` a value of several
            words asks for all of them.
    """

    def __init__(self, authorized_parties: Iterable[str], required_claims: Mapping[str, Iterable[str]]) -> None:
        self._authorized_parties = frozenset(authorized_parties)
        self._required_claims = [
            (path, [frozenset(_words(path, value)) for value in values]) for path, values in required_claims.items()
        ]

    def check(self, claims: Mapping[str, Any]) -> None:
        """
        See whether *claims* say all that.

        Raises:
            TokenRefused: If the token was issued to somebody else.
            CapabilityDenied: If a claim is missing or has none of its values. Not a matter of renewing: an SDK that
                heard so would ask for the same token again and again.
        """
        if self._authorized_parties:
            party = claims.get("azp", claims.get("client_id"))
            if not isinstance(party, str) or party not in self._authorized_parties:
                raise TokenRefused("authorized_party")
        for path, wanted in self._required_claims:
            found = set(_values(path, claim_at(claims, path)))
            if not any(words <= found for words in wanted):
                raise CapabilityDenied("required_claim")


def _words(path: str, text: str) -> list[str]:
    return text.split() if path in WORD_LISTS else [text]


def _values(path: str, found: Any) -> Iterator[str]:
    """What a claim says: text, whole numbers, true and false, or a list of these."""
    for value in found if isinstance(found, list) else [found]:
        if isinstance(value, str):
            yield from _words(path, value)
        elif isinstance(value, bool):
            yield "true" if value else "false"
        elif isinstance(value, int):
            yield str(value)
