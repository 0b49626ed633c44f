"""
Scripts that run inside Redis: one atomic step a file of `scripts/`.

Several calls go out as one pipeline. A script is given to Redis before its first use. Redis forgets scripts when it restarts;
who finds that out gives it again, and repeats what was not run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence, Set
from importlib.resources import files
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError

from gateway.errors import StoreUnavailable
from gateway.store.redis import Client, Line, Script

_FOLDER = files("gateway.store") / "scripts"


class Call(NamedTuple):
    """One run of a script. All keys lie in one slot."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[str | bytes | int]


def load_script(*names: str) -> Script:
    """The script in the file of this name, without its ending; of several, one that goes on where the other ends."""
    text = "".join((_FOLDER / f"{name}.lua").read_text("utf-8") for name in names)
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


async def run_scripts(line: Line, calls: Sequence[Call]) -> list[Any]:
    """
    Run scripts in one round trip.

    Returns:
        For each call its answer, or the exception of Redis that came instead.

    Raises:
        StoreUnavailable: If Redis does not answer at all.
    """
    await _give(line, {call.script for call in calls} - line.scripts)
    answers: list[Any] = await line.ask(_send(line.redis, calls))
    again = [at for at, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
    if again:
        await _give(line, {calls[at].script for at in again})
        repeated = await line.ask(_send(line.redis, [calls[at] for at in again]))
        for at, answer in zip(again, repeated, strict=True):
            answers[at] = answer
    return answers


async def run_script(line: Line, script: Script, keys: Sequence[str], *arguments: str | bytes | int) -> Any:
    """
    Run one script.

    Raises:
        StoreUnavailable: If Redis does not answer, or refuses; its cause says why.
    """
    (answer,) = await run_scripts(line, [Call(script, keys, arguments)])
    if isinstance(answer, Exception):
        raise StoreUnavailable("Redis refused a step") from answer
    return answer


async def _give(line: Line, scripts: Set[Script]) -> None:
    for script in scripts:
        await line.ask(line.redis.script_load(script.text))
        line.scripts.add(script)


async def _send(redis: Client, calls: Sequence[Call]) -> list[Any]:
    pipeline = redis.pipeline(transaction=False)
    for script, keys, arguments in calls:
        pipeline.execute_command("EVALSHA", script.digest, len(keys), *keys, *arguments)
    return await pipeline.execute(raise_on_error=False)
