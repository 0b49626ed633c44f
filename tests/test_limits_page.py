"""docs/limits.md in step with the code: settings, defaults, codes and names of each limit."""

from __future__ import annotations

import re

from gateway import errors
from gateway.metrics.reasons import LIMITS
from gateway.settings import LimitSettings, settings_table
from tests.testbed.process import ROOT

ROW = re.compile(r"^\| [^|]+ \| `limits\.(\w+)` \| (\d+) \| (\d*) \| [^|]+ \| `(\w+)` \|$", re.MULTILINE)
PAGE = (ROOT / "docs" / "limits.md").read_text()
CODES = {
    "connects": "",
    "connects_of_address": "",
    "connections_of_address": errors.TooManyConnections.code,
    "connections_of_client": errors.TooManyConnections.code,
    "connections_of_app": errors.TooManyConnections.code,
    "inbound_messages": errors.FrameFlood.code,
    "inbound_bytes": errors.ByteFlood.code,
    "attach": errors.AttachRateExceeded.code,
    "publish_connection": errors.ConnectionRateExceeded.code,
    "publish_client": errors.ClientRateExceeded.code,
    "publish_channel": errors.ChannelRateExceeded.code,
    "publish_app": errors.AppRateExceeded.code,
}


def test_every_limit_has_its_row() -> None:
    """With the setting's default, the code of its error and the name under which it is counted."""
    rows = ROW.findall(PAGE)
    defaults = LimitSettings()
    rates = {name for name in LimitSettings.model_fields if "_per_second" in name or name.startswith("connections_per")}

    assert {setting for setting, *_ in rows} == rates
    assert [(int(default), int(code) if code else "", name) for _, default, code, name in rows] == [
        (getattr(defaults, setting), CODES[name], name) for setting, _, _, name in rows
    ]
    assert tuple(name for *_, name in rows) == LIMITS


def test_every_setting_that_is_named_exists() -> None:
    """By its full name."""
    named = set(re.findall(r"`((?:limits|namespaces\.NAME)\.[a-z_]+)`", PAGE))

    assert named - set(re.findall(r"^\| `([^`]+)` \|", settings_table(), re.MULTILINE)) == set()
