"""The keys of the apps."""

from __future__ import annotations

import pytest

from auth.capability import Capability
from auth.keys import Key, KeyRing

ALL = Capability.parse({"*": ["*"]})
KEY = Key("bank", "server1", b"new-secret", ALL, older_secrets=(b"old-secret",))


def test_a_key_is_called_by_app_and_id() -> None:
    assert KEY.name == "bank.server1"


def test_a_key_is_found_by_its_whole_name_only() -> None:
    ring = KeyRing([KEY, Key("bank", "server2", b"another", ALL)])

    assert ring.find("bank.server1") is KEY
    for name in ("", "bank", "bank.", "server1", "bank.server", "bank.server11", "Bank.server1", " bank.server1"):
        assert ring.find(name) is None


@pytest.mark.parametrize(
    ("secret", "is_known"),
    [
        ("new-secret", True),
        ("old-secret", True),
        ("older-secret", False),
        ("new-secre", False),
        ("new-secret ", False),
        ("", False),
        ("new-secret\x00", False),
        ("n\u00e9w-secret", False),
        ("\udcff", False),
    ],
)
def test_both_secrets_are_accepted_while_one_replaces_the_other(secret: str, is_known: bool) -> None:
    assert (KEY.mark_of(secret) is not None) is is_known


def test_a_secret_is_never_shown() -> None:
    """In a traceback, a log line or a debugger."""
    assert "secret" not in repr(KEY).replace("bank.server1", "")
