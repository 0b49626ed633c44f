"""The documented table of all settings, as `lastmile settings` prints it and docs/settings.md keeps it."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.settings.documented import Documented, documented, nested
from gateway.settings.faults import environment_name
from gateway.settings.tree import Settings

INTRODUCTION = """\
# Settings

Written by `lastmile settings`; a test fails when this page and the code differ.

Settings come from a file (`--config FILE`, else `lastmile.toml` in the working directory, else none) and from the
environment, which beats the file. In the environment a name is upper case, begins with `LASTMILE_` and has `__` between
its parts: `LASTMILE_SERVER__PORT`. Lists are written `a,b`, or by position: `LASTMILE_APPS__0__ID`; JSON works for any
list or table. Below, `[]` stands for a position and `NAME` for a namespace's name, which the environment spells in lower case.

Every fault is reported at once, by the setting's full name. `lastmile check` also looks whether Kafka and Redis are as
the settings say.
"""


def settings_table() -> str:
    """The page, in Markdown: for each section what it is for, and name, default, bounds, meaning, environment name."""
    return "\n".join([INTRODUCTION, *_sections()])


def _sections() -> Iterator[str]:
    rows = list(documented(Settings))
    for name, field in Settings.model_fields.items():
        below = nested(field)
        title = f"{name}{below[0] if below else ''}"
        yield f"## {title}\n\n{field.description}\n"
        yield "| setting | default | must be | meaning | environment |\n|---|---|---|---|---|"
        yield from (_row(row) for row in rows if row.name.startswith(f"{title}."))
        yield ""


def _row(row: Documented) -> str:
    default = "**required**" if row.default is None else f"`{row.default}`" if row.default else ""
    secret = " Never shown." if row.is_secret else ""
    cells = (f"`{row.name}`", default, row.bounds, row.meaning + secret, f"`{environment_name(row.name)}`")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
