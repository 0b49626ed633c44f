"""Secrets in settings: read from files, and never shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.settings import SettingsFault
from tests.settings.reading import SECRET, WHOLE, Write, faults, read


def test_a_secret_is_read_from_its_file(write: Write, tmp_path: Path) -> None:
    """Without the newline that editors leave at the end."""
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")

    settings = read(write(WHOLE.replace(f'secret = "{SECRET}"', f"secret_file = '{file}'")))

    assert settings.apps[0].keys[0].read_secret() == SECRET.encode()


def test_a_short_secret_is_refused_from_a_file_too(write: Write, tmp_path: Path) -> None:
    """RFC 7518 section 3.2 asks for 32 bytes, wherever they are kept."""
    file = tmp_path / "secret"
    file.write_text("short-secret\n")

    found = faults(write(WHOLE.replace(f'secret = "{SECRET}"', f"secret_file = '{file}'")))

    assert found == {"apps[0].keys[0].secret_file": "holds too short a secret; it must have at least 32 bytes"}


def test_no_secret_is_ever_shown(write: Write, tmp_path: Path) -> None:
    """Neither in what settings look like, nor when something is wrong with them."""
    password = tmp_path / "password"
    password.write_text("kafka-password-7\n")
    whole = WHOLE.replace("redis://redis", "redis://:redis-password-7@redis")
    login = f"security_protocol = 'SASL_SSL'\nsasl_username = 'u'\nsasl_password_file = '{password}'\n[redis]"

    settings = read(write(whole.replace("[redis]", login)))

    assert settings.kafka.read_password() == "kafka-password-7"
    for shown in (repr(settings), str(settings), repr(settings.apps[0].keys[0])):
        assert SECRET not in shown
        assert "password-7" not in shown


def test_a_wrong_secret_is_not_repeated(write: Write) -> None:
    """Faults go to logs and terminals."""
    path = write(WHOLE.replace(SECRET, "short-secret").replace("redis://redis", "amqp://:redis-password-7@redis"))

    with pytest.raises(SettingsFault) as caught:
        read(path, {"LASTMILE_KAFKA__SASL_PASSWORD": ""})

    assert "apps[0].keys[0].secret: cannot be this; it must be text of at least 32 characters" in str(caught.value)
    assert not re.search("short-secret|password-7", str(caught.value))
