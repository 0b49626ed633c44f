"""The addresses of Redis: one, a cluster, or what sentinels watch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.reading import WHOLE, Write, faults, read


@pytest.mark.parametrize(
    ("url", "service", "nodes"),
    [
        ("redis://:pw@a:1/3", None, ["redis://:pw@a:1/3"]),
        ("rediss+cluster://a:1,b", None, ["rediss://a:1", "rediss://b"]),
        ("redis+sentinel://u:pw@a:1,b/main.1/3", "main.1", ["redis://u:pw@a:1/3", "redis://u:pw@b/3"]),
        ("rediss+sentinel://a/main", "main", ["rediss://a"]),
    ],
)
def test_redis_is_one_a_cluster_or_what_sentinels_watch(
    write: Write, url: str, service: str | None, nodes: list[str]
) -> None:
    """Several hosts in one URL; user, password and database are the same for all."""
    settings = read(write(WHOLE.replace("redis://redis:6379/0", url))).redis

    assert (settings.service, settings.node_urls()) == (service, nodes)


@pytest.mark.parametrize(
    "url",
    [
        "redis://a:1,b:1/0",
        "redis+sentinel://a:1",
        "redis+sentinel://a:1/",
        "redis+sentinel://a:1,/main",
        "redis+sentinel://a:1/main/x",
        "redis+sentinel://a:1/main/0/1",
        "redis+both://a:1/main",
        "http+sentinel://a:1/main",
    ],
)
def test_a_redis_url_that_cannot_be_is_refused(write: Write, url: str) -> None:
    """With all the forms that there are."""
    assert "redis+sentinel://host-1:26379" in faults(write(WHOLE.replace("redis://redis:6379/0", url)))["redis.url"]


def test_a_password_of_sentinels_needs_sentinels(write: Write, tmp_path: Path) -> None:
    """Who has one Redis means `password_file`."""
    file = tmp_path / "password"
    file.write_text("sentinel-password-7\n")
    line = f"[redis]\nsentinel_password_file = '{file}'"

    assert "redis+sentinel://" in faults(write(WHOLE.replace("[redis]", line)))["redis.sentinel_password_file"]
    whole = WHOLE.replace("[redis]", line).replace("redis://redis:6379/0", "redis+sentinel://a/main")
    assert read(write(whole)).redis.read_sentinel_password() == "sentinel-password-7"
