"""Where settings come from: defaults, file, environment, command line."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.settings import load
from tests.settings.reading import SECRET, WHOLE, Write, read


def test_a_setting_that_nobody_gives_has_its_default(write: Write) -> None:
    """The file need only say what differs."""
    settings = read(write(WHOLE))

    assert settings.server.port == 8080
    assert settings.namespaces["account"].key == "{rest}"


def test_the_environment_beats_the_file_and_an_override_beats_both(write: Write) -> None:
    """Environment beats file beats default; the command line beats them all."""
    path = write(WHOLE + "[server]\nport = 1\nops_port = 2\nbacklog = 3\n")

    settings = read(path, {"LASTMILE_SERVER__PORT": "4", "LASTMILE_SERVER__OPS_PORT": "5"}, server={"port": 6})

    assert (settings.server.port, settings.server.ops_port, settings.server.backlog) == (6, 5, 3)


def test_the_environment_alone_is_enough() -> None:
    """Lists are written by position, sections by name."""
    settings = load(
        environ={
            "LASTMILE_KAFKA__BOOTSTRAP_SERVERS": "a:1, b:2",
            "LASTMILE_REDIS__URL": "rediss://redis/0",
            "LASTMILE_APPS__0__ID": "bank",
            "LASTMILE_APPS__0__KEYS__0__ID": "one",
            "LASTMILE_APPS__0__KEYS__0__SECRET": SECRET,
            "LASTMILE_APPS__0__KEYS__0__CAPABILITY": '{"account:*": ["subscribe"]}',
            "LASTMILE_NAMESPACES__ACCOUNT__TOPIC": "edge.accounts",
            "LASTMILE_NAMESPACES__ACCOUNT__KEY": "{channel}",
            "LASTMILE_SERVER__ALLOWED_ORIGINS": "https://a.example, https://b.example",
        }
    )

    assert settings.kafka.bootstrap_servers == "a:1,b:2"
    assert settings.apps[0].keys[0].capability == {"account:*": ("subscribe",)}
    assert settings.namespaces["account"].key == "{channel}"
    assert settings.server.allowed_origins == ("https://a.example", "https://b.example")


def test_the_environment_adds_to_a_list_of_the_file(write: Write) -> None:
    """A secret can come from the environment though its key stands in the file."""
    path = write(WHOLE.replace(f'secret = "{SECRET}"', ""))

    settings = read(path, {"LASTMILE_APPS__0__KEYS__0__SECRET": SECRET})

    assert settings.apps[0].keys[0].id == "server1"
    assert settings.apps[0].keys[0].read_secret() == SECRET.encode()


def test_a_whole_section_may_be_given_as_json(write: Write) -> None:
    """And its parts on top of it."""
    environ = {
        "LASTMILE_LIMITS": '{"max_connections": 5, "channels_per_connection": 6}',
        "LASTMILE_LIMITS__MAX_CONNECTIONS": "7",
    }

    settings = read(write(WHOLE), environ)

    assert (settings.limits.max_connections, settings.limits.channels_per_connection) == (7, 6)


def test_variables_that_are_no_settings_are_left_alone(write: Write) -> None:
    """LASTMILE_TOKEN and LASTMILE_KEY are the terminal's."""
    assert read(write(WHOLE), {"LASTMILE_TOKEN": "x", "LASTMILE_KEY": "y", "OTHER__THING": "z"}) == read(write(WHOLE))


def test_the_working_directory_s_file_is_found(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --config, lastmile.toml is read if it is there."""
    monkeypatch.chdir(write(WHOLE).parent)

    assert load(environ={}).apps[0].id == "bank"


def test_settings_do_not_change(write: Write) -> None:
    """They are one value for the life of the process."""
    settings = read(write(WHOLE))

    with pytest.raises(ValidationError):
        settings.server.port = 1
