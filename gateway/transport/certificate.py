"""
The certificate of the public port, which is renewed without a restart.

Once a minute it is looked whether the files have changed, as they do when a certificate is renewed by itself, and on SIGHUP
at once. New handshakes then get the new one; connections that are open go on. Files that cannot be used, or that are only
half written, change nothing.

Source: RFC 8446; Python's ssl documentation, load_cert_chain.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path

from gateway.errors import CertificateUnusable

_log = logging.getLogger("gateway.tls")
LOOK_EVERY_SECONDS = 60.0
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; those of 1.3 are all good


class Certificate:
    """
    What the public port shows of itself.

    Args:
        chain: Certificate and intermediates, PEM.
        key: Its private key, PEM.
        context: Of the public port; made safe, and kept up to date.
    """

    def __init__(self, chain: Path, key: Path, context: ssl.SSLContext) -> None:
        self._chain = chain
        self._key = key
        self._context = context
        harden(context)
        self._seen = self._state()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            self.look()

    def look(self) -> None:
        """Take the files if they have changed and can be used."""
        state = self._state()
        if state == self._seen:
            return
        try:
            self.prepare()()
        except CertificateUnusable as fault:
            _log.error("the new certificate cannot be used, the old one stays", extra={"error": fault.message})
        self._seen = state

    def prepare(self) -> Callable[[], None]:
        """
        See whether the files can be used now.

        Returns:
            What takes them.

        Raises:
            CertificateUnusable: If they cannot be read, or do not belong together.
        """
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._chain, self._key)
        except OSError as error:  # ssl.SSLError is one
            raise CertificateUnusable(
                f"server.tls_certificate_file and server.tls_key_file cannot be used together: {error}"
            ) from None

        def take() -> None:
            self._context.load_cert_chain(self._chain, self._key)
            self._seen = self._state()
            _log.info("a new certificate is in use")

        return take

    def _state(self) -> list[tuple[int, int, int] | None]:
        return [_state_of(path) for path in (self._chain, self._key)]


def harden(context: ssl.SSLContext) -> None:
    """Offer what is safe and nothing else: TLS 1.2 with forward secrecy and authenticated ciphers, and TLS 1.3."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE


def _state_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
