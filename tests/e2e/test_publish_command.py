"""`lastmile publish` as a process, into a real edge and Kafka, and out again."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess

from tests.e2e.conftest import StartSdk, reader_of
from tests.testbed.edge import KEY, LASTMILE, EdgeProcess
from tests.testbed.sdk import KINDS

DEADLINE_SECONDS = 60.0


async def lastmile_publish(
    edge: EdgeProcess, channel: str, *arguments: str, lines: str = ""
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LASTMILE_")}
    return await asyncio.to_thread(
        subprocess.run,
        [LASTMILE, "publish", channel, *arguments, "--url", f"http://127.0.0.1:{edge.port}"],
        input=lines, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False,
        env=environment | {"LASTMILE_KEY": KEY},
    )  # fmt: skip


async def test_what_is_published_in_a_terminal_reaches_apps_once(
    shared_edge: EdgeProcess, account: str, sdk: StartSdk
) -> None:
    """Text, JSON and bytes; with the serials that listeners get; an id that is given again is delivered once."""
    channel = f"account:{account}"
    listener = await sdk(KINDS[0], shared_edge, token=reader_of(channel))
    await listener.attach(channel)

    one = await lastmile_publish(shared_edge, channel, "hello ü", "--name", "greeting", "--client-id", "ada")
    raw = await lastmile_publish(shared_edge, channel, "/w==", "--encoding", "base64", "--ephemeral")
    first, again = [
        await lastmile_publish(shared_edge, channel, "-", "--id", f"run-{account}", lines='{"n": 1}\nplain\n')
        for _ in range(2)
    ]
    await lastmile_publish(shared_edge, channel, "end")
    await listener.until(lambda: "end" in listener.data(channel), "the end")

    got = listener.messages[channel]
    assert listener.data(channel) == ["hello ü", {"bytes": "/w=="}, {"n": 1}, "plain", "end"]
    assert (got[0]["name"], got[0]["clientId"], got[1]["extras"]["ephemeral"]) == ("greeting", "ada", True)
    printed = [json.loads(line) for run in (one, raw, first) for line in run.stdout.splitlines()]
    assert [line["serial"] for line in printed] == [message["serial"] for message in got[:-1]]
    assert [line["id"] for line in printed] == [message["id"] for message in got[:-1]]
    assert again.stdout == first.stdout
    assert {run.returncode for run in (one, raw, first, again)} == {0}


async def test_a_refusal_ends_the_command_with_a_sentence(shared_edge: EdgeProcess) -> None:
    refused = await lastmile_publish(shared_edge, "market:1", "x")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(
        "Error: the server says: no namespace of this server has channels of this name (code 40400)"
    )
