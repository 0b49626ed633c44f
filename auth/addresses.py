"""Addresses that can be trusted with keys."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def check_url(text: str) -> str:
    """
    Pass on an address that can be trusted with keys.

    Raises:
        ValueError: If somebody on the way could answer in its place.
    """
    parts = urlsplit(text)
    if (parts.scheme == "https" and parts.hostname) or (parts.scheme == "http" and _is_loopback(parts.hostname)):
        return text
    raise ValueError(f"{text!r} cannot be trusted with keys; write an https:// URL (http:// only on this machine)")


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False
