"""
Where settings come from: the environment beats the file, the file beats the defaults.

    LASTMILE_SERVER__PORT=9000           server.port
    LASTMILE_APPS__0__KEYS__0__SECRET=…  apps[0].keys[0].secret
    LASTMILE_NAMESPACES__CHAT__TOPIC=…   namespaces.chat.topic: names are lower case here
    LASTMILE_APPS='[{"id": "bank", …}]'  JSON works wherever a table or a list is wanted

Only names with ``__`` or of a whole section are settings; others that begin with LASTMILE_ are left to whoever reads them.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from gateway.settings.faults import Fault, SettingsFault, faults_of, full_name
from gateway.settings.tree import Settings

PREFIX = "LASTMILE_"
SEPARATOR = "__"
DEFAULT_FILE = Path("lastmile.toml")
Tree = dict[str, Any]


def load(
    path: Path | None = None, *, overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """
    Read the settings and check all of them.

    Args:
        path: The settings file; None: ``lastmile.toml`` of the working directory if there is one.
        overrides: What beats the environment, as a tree: ``{"server": {"port": 9000}}``.
        environ: The environment; None: this process's.

    Raises:
        SettingsFault: With everything that is wrong, not only the first thing.
    """
    given = _from_environment(os.environ if environ is None else environ)
    file = path or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    trees = (
        _positions_named(dict(overrides or {})),
        given,
        _positions_named(_from_file(file)) if file else {},
        _required_sections(),
    )

    class Loaded(Settings):
        """Settings with these sources; pydantic-settings merges them, the first one strongest."""

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: PydanticBaseSettingsSource, **__: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(_TreeSource(settings_cls, tree) for tree in trees)

    try:
        return Settings(**dict(Loaded()))
    except ValidationError as error:
        raise SettingsFault(faults_of(error, Settings, set(_names(given)))) from None


class _TreeSource(PydanticBaseSettingsSource):
    """Settings that were read already."""

    def __init__(self, settings_cls: type[BaseSettings], tree: Tree) -> None:
        super().__init__(settings_cls)
        self._tree = tree

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._tree.get(field_name), field_name, False

    def __call__(self) -> Tree:
        return self._tree


def _from_file(path: Path) -> Tree:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsFault(
            [Fault(str(path), f"cannot be read ({error.strerror}); name another file with --config")]
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsFault([Fault(str(path), f"is not TOML: {error}")]) from None


def _from_environment(environ: Mapping[str, str]) -> Tree:
    tree: Tree = {}
    for variable in sorted(environ):  # a whole section comes before its parts, which so add to it
        if not variable.upper().startswith(PREFIX):
            continue
        *before, last = variable[len(PREFIX) :].lower().split(SEPARATOR)
        if before or last in Settings.model_fields:
            place = tree
            for step in before:
                below = place.setdefault(step, {})
                place = below if isinstance(below, dict) else place.update({step: {}}) or place[step]
            place[last] = _positions_named(_decoded(environ[variable]))
    return tree


def _decoded(text: str) -> Any:
    """JSON where a list or a table is meant; a key template such as ``{rest}`` is none and stays text."""
    if text[:1] in {"[", "{"}:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _positions_named(tree: Any) -> Any:
    """Lists of tables as tables by position, so that sources can be merged within them."""
    if isinstance(tree, dict):
        return {key: _positions_named(value) for key, value in tree.items()}
    if isinstance(tree, list) and tree and all(isinstance(item, dict) for item in tree):
        return {str(at): _positions_named(item) for at, item in enumerate(tree)}
    return tree


def _required_sections() -> Tree:
    """Empty sections for what was left out, so that each missing setting is named by itself."""
    return {"kafka": {}, "redis": {}}


def _names(tree: Tree, before: tuple[int | str, ...] = ()) -> Iterator[str]:
    for key, value in tree.items():
        here = (*before, int(key) if key.isdecimal() else key)
        if isinstance(value, dict):
            yield from _names(value, here)
        else:
            yield full_name(here)
