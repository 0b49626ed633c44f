"""
Why something was refused, limited or skipped: closed sets, so that a label never has a value that somebody made up.

Source: docs/operations.md, whose tables a test compares with these.
"""

from __future__ import annotations

from collections.abc import Mapping

OTHER = "other"

# Wire code → why somebody was refused (PROTOCOL.md section 9).
REFUSALS: Mapping[int, str] = {
    40000: "bad_request",
    40003: "bad_parameter",
    40009: "too_large",
    40010: "channel_name",
    40012: "client_id",
    40013: "data",
    40020: "not_offered",
    40030: "batch_over_burst",
    40031: "message_id",
    40101: "credentials",
    40102: "client_id_incompatible",
    40103: "tls_needed",
    40104: "timestamp",
    40105: "nonce",
    40121: "revocation_not_enabled",
    40140: "token",
    40141: "token_revoked",
    40142: "token_expired",
    40143: "token_unknown",
    40144: "token_malformed",
    40160: "capability",
    40162: "key_needed",
    40300: "origin",
    40400: "not_found",
    42910: "rate",
    42911: "publish_rate",
    42913: "channel_rate",
    42917: "app_rate",
    42920: "byte_flood",
    42924: "frame_flood",
    50003: "timeout",
    50004: "overloaded",
    80003: "draining",
    80006: "position_expired",
    80007: "too_many_missed",
    80008: "connection_expired",
    80012: "bad_serial",
    80017: "connection_closed",
    80018: "connection_unknown",
    90003: "continuity_lost",
    90010: "too_many_channels",
}

# What a limit is on (PROTOCOL.md section 10).
LIMITS = (
    "connects",
    "connects_of_address",
    "connections_of_address",
    "connections_of_client",
    "connections_of_app",
    "inbound_messages",
    "inbound_bytes",
    "attach",
    "publish_connection",
    "publish_client",
    "publish_channel",
    "publish_app",
)

POISONS = frozenset(
    {
        "extras_no_object",
        "header_undecodable",
        "key_missing",
        "key_of_no_channel",
        "key_undecodable",
        "publication_unreadable",
        "too_large",
        "undecodable",
    }
)
