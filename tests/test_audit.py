"""The journal on its way to file and topic, over crashes, full disks and floods."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.audit import MAX_LINES, MAX_PENDING, Journal
from gateway.cli import main
from gateway.errors import AuditUnwritable
from gateway.metrics.counts import Counts
from gateway.settings import AuditSettings, KafkaSettings
from gateway.stream.producer import Producer

NO_KAFKA = KafkaSettings.model_validate({"bootstrap_servers": "127.0.0.1:1"})


def journal(file: Path | None, **settings: Any) -> Journal:
    wanted = AuditSettings.model_validate({"file": file, **settings})
    opened = Journal(wanted, Producer(NO_KAFKA), Counts())
    opened.open()
    return opened


async def written(file: Path, *events: str) -> None:
    """What one process writes, from its start to its end."""
    process = journal(file)
    for event in events:
        process.note(event)
    await process.close()


def verify(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["audit", "verify", *map(str, arguments)])
    return result.exit_code, result.output


def events(file: Path) -> list[str]:
    return [json.loads(line)["event"] for line in file.read_text().splitlines()]


async def test_a_restart_goes_on_where_the_file_ends(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"

    await written(file, "start", "connect")
    await written(file, "start", "connect", "refuse")

    assert events(file) == ["start", "connect", "start", "connect", "refuse"]
    code, said = verify(file)
    assert (code, said.splitlines()[0]) == (0, "whole: lines 0 to 4 in 1 files")


async def test_none_of_the_details_is_lost_and_none_is_null(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    process = journal(file)

    process.note("attach", connection="c1", client=None, modes=["subscribe"])
    await process.close()

    (line,) = map(json.loads, file.read_text().splitlines())
    assert line.keys() == {"seq", "at", "edge", "event", "connection", "modes", "prev", "hash"}
    assert (line["connection"], line["modes"], line["edge"]) == ("c1", ["subscribe"], process.edge)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["at"])


async def test_half_a_line_of_a_crash_is_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    await written(file, "start", "connect")
    file.write_bytes(file.read_bytes() + b'{"seq":2,"at":"20')

    await written(file, "start")

    assert events(file) == ["start", "connect", "start"]
    assert verify(file)[0] == 0


async def test_edges_that_share_a_setting_have_a_chain_each(tmp_path: Path) -> None:
    """Workers of one machine."""
    first, second = journal(tmp_path / "audit.jsonl"), journal(tmp_path / "audit.jsonl")
    first.note("connect")
    second.note("refuse")

    await first.close()
    await second.close()

    assert events(tmp_path / "audit.jsonl") == ["connect"]
    assert events(tmp_path / "audit.2.jsonl") == ["refuse"]


async def test_full_files_are_put_aside_and_verified_together(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    for _ in range(3):
        process = journal(file, max_file_bytes=1 << 20)
        for _ in range(3):
            process.note("connect", padding="x" * 400_000)
        await process.close()
    aside = sorted(path.name for path in tmp_path.iterdir())

    code, said = verify(file)

    assert aside == ["audit.jsonl", "audit.jsonl.000000000000", "audit.jsonl.000000000003", "audit.jsonl.000000000006"]
    assert (code, said.splitlines()[0]) == (0, "whole: lines 0 to 8 in 4 files")
    (tmp_path / "audit.jsonl.000000000003").unlink()
    assert "lines are missing" in verify(file)[1]


async def test_a_flood_is_bounded_counted_and_chained(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    process = journal(file)
    for _ in range(MAX_PENDING + 5):
        process.note("refuse")

    await process.close()

    *_, last = map(json.loads, file.read_text().splitlines())
    assert (last["event"], last["count"], last["seq"]) == ("lost", 5, MAX_PENDING)


async def test_a_full_disk_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written is written later, and no half line remains."""
    file = tmp_path / "audit.jsonl"
    process = journal(file)
    process.note("start")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        await process.flush()
    before = file.read_bytes()
    process.note("connect")
    await process.close()

    assert before == b""
    assert events(file) == ["start", "connect"]
    assert verify(file)[0] == 0


async def test_without_kafka_the_topics_lines_are_bounded() -> None:
    process = journal(None, topic="edge.audit")
    for _ in range(2):
        for _ in range(MAX_PENDING):
            process.note("refuse")
        await process.flush()

    assert process.unsent == MAX_LINES


def test_a_file_that_cannot_be_written_or_is_something_else_is_told_at_the_start(tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text("a shopping list")

    with pytest.raises(AuditUnwritable, match="cannot be written"):
        journal(tmp_path / "missing" / "audit.jsonl")
    with pytest.raises(AuditUnwritable, match="move the file away"):
        journal(other)
    assert other.read_text() == "a shopping list"


async def test_verify_names_file_and_line_and_knows_a_noted_hash(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    await written(file, "start", "connect", "stop")
    noted = json.loads(file.read_text().splitlines()[-1])["hash"]
    whole = verify(file, "--expect", noted)

    file.write_text("".join(file.read_text().splitlines(keepends=True)[:2]))
    cut = verify(file, "--expect", noted)
    file.write_text(file.read_text().replace("connect", "c0nnect"))
    changed = verify(file)

    assert whole[0] == 0
    assert cut[0] == 1
    assert "its end was cut off" in cut[1]
    assert changed[0] == 1
    assert f"{file}, line 2: was changed" in changed[1]


def test_verify_of_nothing_is_no_success(tmp_path: Path) -> None:
    code, said = verify(tmp_path / "audit.jsonl")

    assert code == 1
    assert "no such file" in said
