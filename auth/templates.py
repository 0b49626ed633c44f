"""
What claims mean here: text with places for them, such as ``account:{accounts[*]}``.

    {sub}             the claim itself: text or a whole number
    {realm.roles}     a claim within a claim, unless one is called ``realm.roles``
    {accounts[*]}     one result for each element of a list

A claim is somebody else's text. It fills its place and never widens what the template says: a value that could be read
as more than one segment, as a wildcard or as a qualifier gives no result, and neither does one that could be taken for
the text between two places (``{tenant}-{account}`` of ``a-b`` and ``c``, or of ``a`` and ``b-c``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

MAX_RESULTS = 1000
_PLACE = re.compile(r"\{([^{}\[\]]+)(\[\*\])?\}")
_SEGMENT = re.compile(r"[^\x00-\x1f\x7f*\[\]{}:]+")


class TooManyResults(Exception):
    """A template gives more results than anybody can need."""


class _Place(NamedTuple):
    claim: str
    is_list: bool
    forbidden: frozenset[str]


class Template:
    """
    One template.

    Args:
        text: For example ``account:{accounts[*]}``.
        is_segmented: Whether values must fit into one segment of a channel's name; a clientId that is nothing but a
            claim may have any form.

    Raises:
        ValueError: If braces do not match, or two places touch.
    """

    def __init__(self, text: str, *, is_segmented: bool = True) -> None:
        parts = _PLACE.split(text)
        self._literals = parts[::3]
        if any(brace in literal for literal in self._literals for brace in "{}"):
            raise ValueError(f"the template {text!r} has a brace without its counterpart")
        if any(not literal for literal in self._literals[1:-1]):
            raise ValueError(f"the template {text!r} has two claims side by side; put text between them")
        between = [*self._literals[1:-1], ""]
        self._places = [
            _Place(claim, bool(mark), frozenset(separator))
            for claim, mark, separator in zip(parts[1::3], parts[2::3], between, strict=False)
        ]
        self._is_free = not is_segmented and len(self._places) == 1

    def fill(self, claims: Mapping[str, Any]) -> Iterator[str]:
        """
        All that the claims make of it; nothing if one of its claims is missing or has no value that fits.

        Raises:
            TooManyResults: If that is more than anybody can need.
        """
        results = [self._literals[0]]
        for place, literal in zip(self._places, self._literals[1:], strict=True):
            values = list(self._values(place, claims))
            if len(values) * len(results) > MAX_RESULTS:
                raise TooManyResults
            results = [f"{result}{value}{literal}" for result in results for value in values]
        yield from results

    def _values(self, place: _Place, claims: Mapping[str, Any]) -> Iterator[str]:
        found = claim_at(claims, place.claim)
        for value in found if place.is_list and isinstance(found, list) else [found]:
            if isinstance(value, bool) or not isinstance(value, (str, int)):
                continue
            text = str(value)
            if text.isprintable() and self._fits(text, place):
                yield text

    def _fits(self, text: str, place: _Place) -> bool:
        if self._is_free:
            return bool(text)
        return _SEGMENT.fullmatch(text) is not None and place.forbidden.isdisjoint(text)


def claim_at(claims: Mapping[str, Any], path: str) -> Any:
    """
    The claim that *path* names; None if there is none.

    Args:
        path: A claim's name, or the way to a claim within a claim: ``realm_access.roles``.
    """
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
