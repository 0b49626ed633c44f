"""Which settings are refused, and how that is said: all at once, each by its full name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.reading import SECRET, WHOLE, Write, faults, read


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
