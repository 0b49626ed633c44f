"""
What is wrong with the settings, in sentences with full names.

Pydantic says what failed and where; here it becomes what an operator needs: the setting's name, what is wrong with it,
what would be right, and the environment variable if the value came from one. A secret's value is never repeated.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from gateway.errors import GatewayError
from gateway.settings.documented import bounds_of, documented, is_secret, nested
from gateway.settings.namespaces import NAMESPACE_NAME
from gateway.settings.section import Section

Location = Sequence[int | str]


class Fault(NamedTuple):
    """One thing to put right: the setting's full name and what is to be done about it."""

    name: str
    problem: str

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}"


class SettingsFault(GatewayError):
    """
    The process cannot start with these settings.

    Args:
        faults: All of them, in the order of the settings.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


def faults_of(error: ValidationError, model: type[Section], from_environment: Collection[str]) -> list[Fault]:
    """
    Translate pydantic's errors.

    Args:
        model: The class that was validated; tells bounds and near names.
        from_environment: Full names of the settings that the environment gave.
    """
    errors = error.errors(include_url=False)
    found = [fault for one in errors if not _is_consequence(one, errors) for fault in _translate(one, model)]
    return [Fault(name, problem + _origin(name, from_environment)) for name, problem in found]


def _is_consequence(error: Mapping[str, Any], errors: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a list counts as too short only because what is in it was refused."""
    depth = len(error["loc"])
    return error["type"] == "too_short" and any(
        len(one["loc"]) > depth and one["loc"][:depth] == error["loc"] for one in errors
    )


def _origin(name: str, from_environment: Collection[str]) -> str:
    is_from_environment = any(given == name or given.startswith(f"{name}.") for given in from_environment)
    return f" (given by {environment_name(name)})" if is_from_environment else ""


def full_name(location: Location) -> str:
    """``("apps", 0, "keys", 1, "id")`` → ``apps[0].keys[1].id``."""
    name = ""
    for step in location:
        name += f"[{step}]" if isinstance(step, int) else f".{step}" if name else step
    return name


def environment_name(name: str) -> str:
    """``server.port`` → ``LASTMILE_SERVER__PORT``; ``apps[0].id`` → ``LASTMILE_APPS__0__ID``."""
    return "LASTMILE_" + name.replace("[]", "[0]").replace("[", ".").replace("]", "").replace(".", "__").upper()


def _translate(error: Mapping[str, Any], model: type[Section]) -> Iterator[Fault]:
    location, kind = error["loc"], error["type"]
    context = error.get("ctx", {})
    if kind == "contradiction":
        for name, problem in context["found"]:
            yield Fault(full_name([*location, name]), problem)
    elif kind == "extra_forbidden":
        yield Fault(full_name(location), f"there is no such setting{_suggestion(location, model)}")
    elif location and location[-1] == "[key]":
        yield Fault(full_name(location[:-1]), f"is not a name that can stand here; it must be {NAMESPACE_NAME.text}")
    else:
        yield Fault(full_name(location), _problem(error, model))


def _problem(error: Mapping[str, Any], model: type[Section]) -> str:
    kind, value = error["type"], error.get("input")
    bounds, must_hide = _rules(error["loc"], model)
    if kind == "missing":
        return f"is missing; it must be {bounds}"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind == "literal_error":
        bounds = f"one of {error['ctx']['expected']}"
    if must_hide or isinstance(value, (Mapping, list, tuple)):
        return f"cannot be this; it must be {bounds}"
    return f"is {_shown(value)}; it must be {bounds}"


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _field_at(location: Location, model: type[BaseModel]) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """The section that *location* leads to, None if it is a plain setting; and the field that it passed last."""
    section: type[BaseModel] | None = model
    field: FieldInfo | None = None
    steps = iter(location)
    for step in steps:
        if section is None or step not in section.model_fields:
            break
        field = section.model_fields[str(step)]
        below = nested(field)
        section = below and below[1]
        if below and below[0]:
            next(steps, None)  # the position or name of one of several
    return section, field


def _rules(location: Location, model: type[BaseModel]) -> tuple[str, bool]:
    """What the setting at *location* must be, and whether its value must not be shown."""
    _, field = _field_at(location, model)
    if field is None:
        return "a table of settings", False
    below = nested(field)
    if below is None:
        return bounds_of(field), is_secret(field)
    return ("at least one" if below[0] else "a section with settings of its own"), False


def _suggestion(location: Location, model: type[BaseModel]) -> str:
    """The nearest setting: beside it, else of the same last part anywhere."""
    *before, last = location
    section, _ = _field_at(before, model)
    near = difflib.get_close_matches(str(last), section.model_fields if section else (), n=1)
    if near:
        return f"; did you mean {full_name([*before, near[0]])}?"
    elsewhere = [item.name for item in documented(model) if item.name.rpartition(".")[2] == last]
    return f"; did you mean {elsewhere[0]}?" if elsewhere else ""
