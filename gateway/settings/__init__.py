"""
Everything that an operator decides: one class per concern, frozen, bounded and described.

    section      what all of them share
    server, backends, continuity, apps, namespaces, audit, revocation    the concerns
    tree         all of them as one value
    documented   each setting with default, bounds and meaning
    faults       what is wrong, in sentences with full names
    sources      file and environment; nothing else reads the environment
    table        the page of `lastmile settings`
"""

from gateway.settings.apps import App, AppIssuer, AppKey
from gateway.settings.audit import AuditSettings
from gateway.settings.backends import KafkaSettings, RedisSettings
from gateway.settings.continuity import CursorSettings, HistorySettings, ReceiptSettings, ReplaySettings
from gateway.settings.faults import Fault, SettingsFault
from gateway.settings.namespaces import Namespace
from gateway.settings.revocation import RevocationSettings
from gateway.settings.server import LimitSettings, LogSettings, PublishSettings, ServerSettings, WindowSettings
from gateway.settings.sources import load
from gateway.settings.table import settings_table
from gateway.settings.tree import Settings

__all__ = [
    "App",
    "AppIssuer",
    "AppKey",
    "AuditSettings",
    "CursorSettings",
    "Fault",
    "HistorySettings",
    "KafkaSettings",
    "LimitSettings",
    "LogSettings",
    "Namespace",
    "PublishSettings",
    "ReceiptSettings",
    "RedisSettings",
    "ReplaySettings",
    "RevocationSettings",
    "ServerSettings",
    "Settings",
    "SettingsFault",
    "WindowSettings",
    "load",
    "settings_table",
]
