"""Settings: where they come from, what is refused, and how that is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.settings import Settings, SettingsFault, load, settings_table
from gateway.settings.documented import documented

SECRET = "a-secret-of-at-least-thirty-two-bytes"
WHOLE = f"""
[kafka]
bootstrap_servers = "kafka-1:9092"
[redis]
url = "redis://redis:6379/0"
[[apps]]
id = "bank"
[[apps.keys]]
id = "server1"
secret = "{SECRET}"
[namespaces.account]
topic = "edge.accounts"
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a settings file."""

    def write_file(text: str) -> Path:
        path = tmp_path / "lastmile.toml"
        path.write_text(text)
        return path

    return write_file


def read(path: Path, environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    return load(path, environ=environ or {}, overrides=overrides)


def faults(path: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    with pytest.raises(SettingsFault) as caught:
        read(path, environ)
    return {fault.name: fault.problem for fault in caught.value.faults}


# ---------------------------------------------------------------------- sources


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


# ---------------------------------------------------------------------- faults


def test_all_faults_are_reported_at_once_by_full_name(write: Write) -> None:
    """One restart per mistake is one too many."""
    path = write("""
        [server]
        port = 99999
        max_frame_bytes = "many"
        [redis]
        url = "http://redis"
        [[apps]]
        id = "bank"
        [[apps.keys]]
        id = "a b"
        [namespaces.account]
        key = "{account}"
        history_seconds = -1
        [namespaces."a:b"]
        topic = "x"
    """)

    found = faults(path, {"LASTMILE_LOG__LEVEL": "loud"})

    assert found["server.port"] == "is 99999; it must be a whole number from 1 to 65535"
    assert found["server.max_frame_bytes"] == "is 'many'; it must be a whole number from 1024 to 16777216"
    assert found["kafka.bootstrap_servers"].startswith("is missing; it must be host:port")
    assert "write redis://host:6379/0" in found["redis.url"]
    assert found["apps[0].keys[0].id"] == "is 'a b'; it must be 1 to 64 letters, digits, - or _"
    assert found["namespaces.account.topic"].startswith("is missing; it must be a Kafka topic")
    assert "write {rest} or {channel}" in found["namespaces.account.key"]
    assert found["namespaces.account.history_seconds"] == "is -1; it must be a number from 0 to 31536000"
    assert "is not a name that can stand here" in found["namespaces.a:b"]
    assert (
        found["log.level"]
        == "is 'loud'; it must be one of 'debug', 'info', 'warning' or 'error' (given by LASTMILE_LOG__LEVEL)"
    )


def test_what_is_missing_altogether_is_named_setting_by_setting(write: Write) -> None:
    """An empty file says what the least is that must be given."""
    assert set(faults(write(""))) == {"kafka.bootstrap_servers", "redis.url", "apps", "namespaces"}


@pytest.mark.parametrize(
    ("line", "name", "suggestion"),
    [
        ("[server]\nprot = 1", "server.prot", "did you mean server.port?"),
        ("[sever]\nport = 1", "sever", "did you mean server?"),
        ("[server]\nbootstrap_servers = 'x'", "server.bootstrap_servers", "did you mean kafka.bootstrap_servers?"),
        (
            "[namespaces.chat]\ntopic = 'x'\nhistory_secs = 1",
            "namespaces.chat.history_secs",
            "did you mean namespaces.chat.history_seconds?",
        ),
        ("[server]\nzzz = 1", "server.zzz", "there is no such setting"),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest_known_one(
    write: Write, line: str, name: str, suggestion: str
) -> None:
    """A misspelt setting must not silently be the default."""
    found = faults(write(WHOLE + line))

    assert found[name].endswith(suggestion)


def test_a_misspelt_variable_is_refused_too(write: Write) -> None:
    """The environment is held to the same rule."""
    found = faults(write(WHOLE), {"LASTMILE_SERVER__PROT": "1"})

    assert found == {
        "server.prot": "there is no such setting; did you mean server.port? (given by LASTMILE_SERVER__PROT)"
    }


@pytest.mark.parametrize(
    ("change", "name", "problem"),
    [
        ("[server]\ntls_key_file = 'pyproject.toml'", "server.tls_certificate_file", "give both or neither"),
        ("[server]\ntls_certificate_file = 'pyproject.toml'", "server.tls_key_file", "give both or neither"),
        ("[server]\nmax_message_bytes = 4096\nmax_frame_bytes = 2048", "server.max_message_bytes", "at most 2048"),
        ("[server]\nport = 9000\nops_port = 9000\nhost = '127.0.0.1'", "server.ops_port", "another one"),
        ("[server]\nallowed_origins = ['https://a.example/path']", "server.allowed_origins[0]", "without a path"),
        ("[namespaces.default]\ntopic = 'x'", "namespaces.default.key", "{channel}"),
        ("[[apps]]\nid = 'empty'", "apps[1].keys", "nobody can connect"),
        (f"[[apps]]\nid = 'bank'\n[[apps.keys]]\nid = 'k'\nsecret = '{SECRET}'", "apps", "'bank' more than once"),
        (f"[[apps.keys]]\nid = 'server1'\nsecret = '{SECRET}'", "apps[0].keys", "'server1' more than once"),
        ("[[apps.keys]]\nid = 'k'", "apps[0].keys[1].secret_file", "exactly one of secret and secret_file"),
        ("[[apps.keys]]\nid = 'k'\nsecret_file = 'no-such-file'", "apps[0].keys[1].secret_file", "cannot be read"),
        (
            "[[apps.issuers]]\nissuer = 'x'\naudience = 'y'\ncapability = {'*' = ['*']}",
            "apps[0].issuers[0].jwks_url",
            "exactly one",
        ),
        (
            "[[apps.issuers]]\nissuer = 'x'\naudience = 'y'\ncapability = {'*' = ['*']}\njwks_url = 'http://login.example/keys'",
            "apps[0].issuers[0].jwks_url",
            "https://",
        ),
        (
            "[[apps.issuers]]\nissuer = 'x'\naudience = 'y'\ncapability = {'*' = ['read']}\njwks_url = 'https://login.example/keys'",
            "apps[0].issuers[0].capability.*[0]",
            "'read' is no operation",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(write: Write, change: str, name: str, problem: str) -> None:
    """Each by the name of the setting that must change."""
    found = faults(write(WHOLE + change))

    assert problem in found[name]


@pytest.mark.parametrize("topic", ["edge.accounts", "edge.inbound", "edge.chats"])
def test_receipts_go_where_no_message_does(write: Write, topic: str) -> None:
    """They would be delivered, confirmed and receipted, for ever."""
    lines = f'publish_topic = "edge.inbound"\nreceipts_topic = "{topic}"\n[namespaces.chat]\ntopic = "edge.chats"\n'

    assert "give them their own" in faults(write(WHOLE + lines))["namespaces.account.receipts_topic"]
    assert (
        read(write(WHOLE + lines.replace(f'"{topic}"\n[', '"edge.receipts"\n['))).namespaces["account"].receipts_topic
    )


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ("security_protocol = 'SASL_SSL'", "kafka.sasl_username"),
        ("security_protocol = 'SASL_SSL'\nsasl_username = 'u'", "kafka.sasl_password_file"),
        (
            "security_protocol = 'SASL_SSL'\nsasl_username = 'u'\nsasl_password = 'p'\nsasl_password_file = 'pyproject.toml'",
            "kafka.sasl_password_file",
        ),
        ("sasl_username = 'u'", "kafka.security_protocol"),
        ("security_protocol = 'SSL'\nssl_certificate_file = 'pyproject.toml'", "kafka.ssl_key_file"),
        ("ssl_ca_file = 'pyproject.toml'", "kafka.security_protocol"),
        ("request_timeout_seconds = 0.01", "kafka.request_timeout_seconds"),
    ],
)
def test_half_a_login_to_kafka_is_refused(write: Write, lines: str, name: str) -> None:
    """SASL and TLS need all their parts, and a protocol that shows them."""
    assert name in faults(write(WHOLE.replace("[redis]", f"{lines}\n[redis]")))


@pytest.mark.parametrize("text", ["[server", "port = ", "[server]\nport = 1\nport = 2"])
def test_a_file_that_is_not_toml_is_named(write: Write, text: str) -> None:
    """With the place where reading stopped."""
    path = write(text)

    assert "is not TOML" in faults(path)[str(path)]


def test_a_schema_that_cannot_be_used_is_a_fault_of_its_setting(write: Write, tmp_path: Path) -> None:
    """With the setting's full name, the file and the reason, at the start and not at the first publication."""
    schema, absent = tmp_path / "payment.json", tmp_path / "absent.json"
    schema.write_text('{"properties": {"amount": {"type": "int"}}}')
    chat = f'[namespaces.chat]\ntopic = "edge.chat"\npublish_schema_file = "{absent}"\n'

    found = faults(write(f'{WHOLE}publish_schema_file = "{schema}"\n{chat}'))

    assert list(found) == ["namespaces.account.publish_schema_file", "namespaces.chat.publish_schema_file"]
    assert "payment.json' is no JSON Schema that can be used: at /properties/amount/type" in next(iter(found.values()))
    assert "cannot be read" in found["namespaces.chat.publish_schema_file"]
    schema.write_text('{"properties": {"amount": {"type": "integer"}}}')
    assert read(write(f'{WHOLE}publish_schema_file = "{schema}"')).namespaces["account"].publish_schema_file == schema


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A wrong --config is no reason to run with defaults."""
    path = tmp_path / "other.toml"

    assert "cannot be read" in faults(path)[str(path)]


# ---------------------------------------------------------------------- secrets


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


# ---------------------------------------------------------------------- the table


def test_the_table_in_the_docs_is_that_of_the_code() -> None:
    """`lastmile settings > docs/settings.md` after each change."""
    assert Path("docs/settings.md").read_text() == settings_table()


def test_every_setting_is_bounded_and_described() -> None:
    """Whoever adds one says what it is for and what it may be."""
    settings = list(documented(Settings))

    assert len(settings) > 60
    assert [s.name for s in settings if not s.meaning.endswith(".")] == []
    assert [s.name for s in settings if not s.bounds or "None" in s.bounds] == []


def test_every_duration_and_size_carries_its_unit() -> None:
    """A number that crosses a boundary says what it counts."""
    numbers = [s.name for s in documented(Settings) if s.bounds.startswith("a number")]

    assert [name for name in numbers if not name.endswith("_seconds") and "_per_second" not in name] == []


@given(st.integers(-10, 70000))
def test_a_port_is_taken_exactly_within_its_bounds(port: int) -> None:
    """The bounds of the table are those that are enforced."""
    environ = {
        "LASTMILE_SERVER__PORT": str(port),
        "LASTMILE_SERVER__OPS_PORT": "1",
        "LASTMILE_SERVER__OPS_HOST": "127.0.0.9",
    }

    with pytest.raises(SettingsFault) as caught:
        load(environ=environ)

    assert ("server.port" in {fault.name for fault in caught.value.faults}) == (not 1 <= port <= 65535)
