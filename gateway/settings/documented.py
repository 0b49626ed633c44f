"""
Every setting with its default, bounds and meaning, read from the classes themselves.

Names are as in faults and in the table: ``server.port``, ``apps[].keys[].secret``, ``namespaces.NAME.topic``.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Le, MinLen
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway.settings.section import Bounds

LIST, NAMED = "[]", "NAME"  # how a name stands for any position, any key


class Documented(NamedTuple):
    """One setting. *default* is None where it must be given."""

    name: str
    default: str | None
    bounds: str
    meaning: str
    is_secret: bool


def documented(model: type[BaseModel], prefix: str = "") -> Iterator[Documented]:
    """List the settings below *model*, in the order in which they are written down."""
    for name, field in model.model_fields.items():
        below = nested(field)
        if below is None:
            yield Documented(
                prefix + name, _default(field), bounds_of(field), field.description or "", is_secret(field)
            )
        else:
            step, section = below
            yield from documented(section, f"{prefix}{name}{step}.")


def nested(field: FieldInfo) -> tuple[str, type[BaseModel]] | None:
    """The section that *field* leads to, and by which kind of step; None for a plain setting."""
    plain, _ = _unwrap(field.annotation)
    step = ""
    if get_origin(plain) is tuple:
        step, plain = LIST, _unwrap(get_args(plain)[0])[0]
    elif get_origin(plain) is dict:
        step, plain = f".{NAMED}", _unwrap(get_args(plain)[1])[0]
    if isinstance(plain, type) and issubclass(plain, BaseModel):
        return step, plain
    return None


def bounds_of(field: FieldInfo) -> str:
    """What a value of *field* must be, in words that go after "it must be"."""
    plain, metadata = _unwrap(field.annotation)
    metadata = [*field.metadata, *metadata]
    said = next((item.text for item in metadata if isinstance(item, Bounds)), None)
    return said or _bounds_by_type(plain, metadata)


def _bounds_by_type(plain: Any, metadata: list[Any]) -> str:
    origin, arguments = get_origin(plain), get_args(plain)
    if origin is Literal:
        return f"one of {', '.join(arguments)}"
    if origin is tuple:
        return f"a list, each {_bounds_by_type(*_unwrap(arguments[0]))}"
    if plain is bool:
        return "true or false"
    if plain in {int, float}:
        low, high = _limit(metadata, Ge, "ge"), _limit(metadata, Le, "le")
        return f"a {'whole ' if plain is int else ''}number from {low:.12g} to {high:.12g}"
    shortest = _limit(metadata, MinLen, "min_length")
    return f"text of at least {shortest} characters" if shortest and shortest > 1 else "text"


def _limit(metadata: list[Any], kind: type[Any], attribute: str) -> Any:
    return next((getattr(item, attribute) for item in metadata if isinstance(item, kind)), None)


def _unwrap(annotation: Any) -> tuple[Any, list[Any]]:
    """The type below `Annotated` and `| None`, and the metadata met on the way."""
    metadata: list[Any] = []
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *found = get_args(annotation)
            for item in found:
                metadata += item.metadata if isinstance(item, FieldInfo) else [item]
        elif get_origin(annotation) in {Union, types.UnionType}:
            annotation = next(argument for argument in get_args(annotation) if argument is not types.NoneType)
        else:
            return annotation, metadata


def is_secret(field: FieldInfo) -> bool:
    """Whether the value of *field* must never be shown."""
    return _unwrap(field.annotation)[0] is SecretStr or field.repr is False


def _default(field: FieldInfo) -> str | None:
    if field.is_required():
        return None
    value = field.default if field.default is not PydanticUndefined else field.get_default(call_default_factory=True)
    return _written(value)


def _written(value: Any) -> str:
    """As it would stand in the settings file; nothing for a setting that is absent by default."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f'"{key}" = {_written(item)}' for key, item in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_written(item) for item in value) + "]"
    return (
        f'"{value}"' if isinstance(value, (str, Path)) else f"{value:.12g}" if isinstance(value, float) else str(value)
    )
