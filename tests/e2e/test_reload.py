"""SIGHUP: keys and issuers are others, and nobody is dropped who need not be."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.conftest import Produce
from tests.e2e.conftest import StartSdk
from tests.e2e.revoking import token_of
from tests.testbed.edge import EdgeProcess
from tests.testbed.sdk import Kind

JS = Kind("js", is_binary=True)
OLD, NEW = "the-old-secret-of-this-test-and-no-other", "the-new-secret-of-this-test-and-no-other"
STAYS = "the-secret-of-a-key-that-stays-as-it-is"
RELOADED, FAULT = "the settings were read again", "the new settings cannot be used"
WORKERS = 2


def reload(edge: EdgeProcess, says: str, times: int) -> None:
    """Send SIGHUP, and wait until every worker has said so often what becomes of it."""
    edge.process.send(signal.SIGHUP)
    edge.process.wait_until(lambda: edge.log_text().count(says) == times * WORKERS, says)


async def test_keys_change_without_a_restart(
    tmp_path: Path, kafka: str, redis_url: str, topic: str, produce: Produce, sdk: StartSdk
) -> None:
    """A new secret beside the old one; faults that change nothing; the old one gone, and with it what it let in; a key gone."""
    secret, older = tmp_path / "secret", tmp_path / "older"
    secret.write_text(OLD)
    keys = [
        {"id": "server", "secret_file": str(secret)},
        {"id": "stays", "secret": STAYS},
    ]
    edge = EdgeProcess(
        tmp_path,
        kafka=kafka,
        redis_url=redis_url,
        namespaces={"account": {"topic": topic}},
        sections={"apps": [{"id": "bank", "keys": keys}]},
        workers=WORKERS,
    )
    with edge:
        secrets = iter([OLD, NEW])
        renewing = await sdk(JS, edge, mint=lambda: token_of("ada", "account:1", secret=next(secrets)))
        stays = await sdk(JS, edge, key=f"bank.stays:{STAYS}")
        gone = await sdk(JS, edge, key=f"bank.server:{OLD}")
        for client in (renewing, stays, gone):
            await client.attach("account:1")
        first_id = renewing.connection[-1]["id"]

        written = edge.config.read_text()
        older.write_text(OLD)
        secret.write_text(NEW)
        with_older = written.replace(
            f'"secret_file" = "{secret}"', f'"secret_file" = "{secret}", "older_secret_file" = "{older}"'
        )
        assert with_older != written
        edge.config.write_text(with_older)
        reload(edge, RELOADED, 1)
        newcomer = await sdk(JS, edge, token=token_of("eve", "account:1", secret=NEW))
        assert newcomer.state == "connected"

        secret.write_text("short")
        reload(edge, FAULT, 1)
        edge.config.write_text("this is not TOML")
        reload(edge, FAULT, 2)
        for client in (renewing, stays, gone):
            assert client.connections == 1
        secret.write_text(NEW)

        edge.config.write_text(written)
        reload(edge, RELOADED, 2)
        await renewing.until(lambda: renewing.connections == 2, "connected by the new secret")
        await gone.until(lambda: gone.state == "failed", "out")
        produce(topic, [("1", "after all of it")])
        for client in (renewing, stays, newcomer):
            if client is newcomer:
                await client.attach("account:1", params={"rewind": "1"})
            await client.until_received("account:1", 1)

        assert renewing.connection[-1]["id"] == first_id
        assert renewing.losses(["account:1"]) == []
        assert renewing.tokens_asked == 2
        assert gone.connection[-1]["reason"]["code"] == 40101
        assert stays.connections == newcomer.connections == 1
        assert OLD not in edge.log_text()
        assert NEW not in edge.log_text()
        assert edge.terminate() == 0
