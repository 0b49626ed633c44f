"""
What all settings have in common: frozen, nothing unknown, every field bounded and described.

Bounds are written where the field is, once, and read three times: by pydantic, by the sentence that a wrong value is
answered with, and by the table of `lastmile settings`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr, model_validator
from pydantic_core import PydanticCustomError


class Bounds(NamedTuple):
    """What a value must be, in words that go after "it must be"; for fields whose type does not say it."""

    text: str


class Section(BaseModel):
    """One concern of the settings; refuses unknown names and values that contradict each other."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Name each field that cannot be what it is, given the others, and say what would be right."""
        yield from ()

    @model_validator(mode="after")
    def _agree(self) -> Self:
        found = list(self.contradictions())
        if found:
            raise PydanticCustomError("contradiction", "settings contradict each other", {"found": found})
        return self


def _as_list(value: Any) -> Any:
    """The environment has no lists: `a,b` is one, and so is a mapping of positions (``APPS__0__ID``)."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, Mapping) and value and all(str(key).isdecimal() for key in value):
        return [value[key] for key in sorted(value, key=int)]
    return value


def _is_readable(path: Path) -> Path:
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise ValueError(
            f"{str(path)!r} cannot be read ({error.strerror}); name a file that this user can read"
        ) from None
    return path


Several = BeforeValidator(_as_list)
ReadableFile = Annotated[Path, AfterValidator(_is_readable), Bounds("the path of a file that can be read")]


def secret_text(secret: SecretStr | None, file: Path | None) -> str | None:
    """The secret itself, from the settings or from its file, which may end in a newline."""
    if secret is not None:
        return secret.get_secret_value()
    return None if file is None else file.read_text("utf-8").strip()
