"""
What the data of a namespace must look like, as a JSON Schema.

Whoever publishes chooses the data, and it is checked on the loop that serves everybody. So a check takes a time that is
in proportion to the data: patterns are matched in linear time (without look-around and back-references), nothing is
fetched, and a schema that refers to itself is refused at the start, since what is nested in its own alternatives could
be checked for ever.

Source: PROTOCOL.md section 5; json-schema.org, drafts 6 to 2020-12.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema_rs
import msgspec

from gateway.errors import BadData

MAX_FILE_BYTES = 1 << 20
MAX_SAID = 300  # characters of what is said about a fault; it may name members of the data
THE_VALUE = "this value"  # in place of data, which is nobody's affair
_ELSEWHERE = ("$dynamicRef", "$recursiveRef")

Pointer = tuple[str, ...]


class BadSchema(ValueError):
    """A schema cannot be used; the message goes after the name of its file."""


class Schema:
    """
    Checks data.

    Args:
        text: The schema, as JSON.

    Raises:
        BadSchema: If it is no schema, refers to itself or to other files, or has a pattern that takes more than linear time.
    """

    __slots__ = ("_validator",)

    def __init__(self, text: bytes) -> None:
        try:
            schema = msgspec.json.decode(text)
        except (ValueError, RecursionError) as error:
            raise BadSchema(f"is not JSON: {error}") from None
        try:
            _build(schema, mask=None)
        except ValueError as error:
            raise BadSchema(f"is no JSON Schema that can be used: {_fault(error)}") from None
        _refuse_recursion(schema)
        self._validator = _build(schema, mask=THE_VALUE)

    @classmethod
    def read(cls, path: Path) -> Schema:
        """
        The schema in a file.

        Raises:
            BadSchema: As the class, or if the file is too long.
        """
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            raise BadSchema(f"has more than {MAX_FILE_BYTES} bytes")
        return cls(text)

    def check(self, data: str | bytes | None, encoding: str | None) -> None:
        """
        Pass data that fits.

        Args:
            data: Raw, as `Message` has it. None counts as null.
            encoding: Its chain. What the server cannot read (ciphers, bytes) does not fit any schema.

        Raises:
            BadData: With the place in the data, and what is expected there.
        """
        value = _value(data, encoding)
        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            raise BadData(f"the data does not fit this channel's schema: {_fault(error)}") from None
        except ValueError:  # the library's own bound, 255 levels
            raise BadData("the data is nested too deeply to be checked") from None


def _build(schema: Any, mask: str | None) -> jsonschema_rs.Validator:
    """*mask*: what is said in place of values."""
    if not isinstance(schema, dict | bool):
        raise ValueError("it is neither an object nor true or false")  # noqa: TRY004  # as the library's own
    validator = jsonschema_rs.validator_for(
        schema, validate_formats=True, offline=True, mask=mask, pattern_options=jsonschema_rs.RegexOptions()
    )
    if isinstance(validator, jsonschema_rs.Draft4Validator):  # where `id` could be a reference's base, or a mere name
        raise ValueError("it is of draft 4; write it for draft 6 or a later one")  # noqa: TRY004
    return validator


def _fault(error: ValueError) -> str:
    """Place and expectation, in one line of bounded length."""
    if not isinstance(error, jsonschema_rs.ValidationError):
        return str(error)[:MAX_SAID]
    place = "".join(f"/{step}" for step in error.instance_path)[-MAX_SAID:]
    said = error.message.replace("\n", " ")[:MAX_SAID]
    return f"at {place}: {said}" if place else said


def _value(data: str | bytes | None, encoding: str | None) -> Any:
    """The data as those who get it will read it (RSL6)."""
    value: Any = data
    left = encoding.split("/") if encoding else []
    while left:
        step = left.pop()
        if step == "utf-8" and isinstance(value, bytes):
            value = _decoded(value)
        elif step == "json" and isinstance(value, str) and not left:
            return _parsed(value)
        else:
            raise BadData(f"this channel takes data that fits its schema, so none with the encoding {encoding[:80]!r}")  # type: ignore[index]
    if isinstance(value, bytes):
        raise BadData("this channel takes data that fits its schema, so JSON or text, but no bytes")
    return value


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise BadData("the encoding says utf-8, which the data is not") from None


def _parsed(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        raise BadData("the encoding says json, which the data is not") from None


# ---------------------------------------------------------------------- schemas that refer to themselves


def _refuse_recursion(schema: Any) -> None:
    """
    Follow each reference, and what lies below its target, and never meet it again.

    Raises:
        BadSchema: If one leads back to itself, or where only the library could follow it.
    """
    references: list[tuple[Pointer, Pointer]] = []
    for place, name, value in _members(schema):
        if name in _ELSEWHERE or (name == "$id" and place and isinstance(value, str)):
            raise BadSchema(f"has {name} at {_written(place)}: one that could refer to itself is not taken")
        if name == "$ref" and isinstance(value, str):
            references.append((place, _target(value, place)))
    for _, target in references:
        _refuse_way_back(target, references)


def _refuse_way_back(start: Pointer, references: list[tuple[Pointer, Pointer]]) -> None:
    seen, ahead = set[Pointer](), [start]
    while ahead:
        below = ahead.pop()
        for place, target in references:
            if place[: len(below)] != below or target in seen:
                continue
            if target == start:
                raise BadSchema(
                    f"refers to itself, at {_written(place)}: what could be nested without end is not taken"
                )
            seen.add(target)
            ahead.append(target)


def _members(schema: Any) -> Iterator[tuple[Pointer, str, Any]]:
    """Each member of each object: where the object is, its name, its value."""
    ahead: list[tuple[Pointer, Any]] = [((), schema)]
    while ahead:
        place, node = ahead.pop()
        if isinstance(node, dict):
            for name, value in node.items():
                yield place, name, value
                ahead.append(((*place, name), value))
        elif isinstance(node, list):
            ahead += [((*place, str(index)), value) for index, value in enumerate(node)]


def _target(reference: str, place: Pointer) -> Pointer:
    if reference != "#" and not reference.startswith("#/"):
        raise BadSchema(f"has a $ref at {_written(place)} that is not of the form #/…; put all of it into one file")
    steps = unquote(reference[1:]).split("/")[1:]
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in steps)


def _written(place: Pointer) -> str:
    return "#" + "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in place)
