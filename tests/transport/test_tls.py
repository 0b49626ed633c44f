"""TLS of the public port: what it offers, who must show a certificate, and that a renewed one is taken without a restart."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from pathlib import Path

import pytest

from gateway.errors import CertificateUnusable
from tests.transport.certificates import Authority, files_of
from tests.transport.ground import Ground, standing

HELLO = b"GET /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def trusting(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.pem)
    context.check_hostname = False
    return context


async def shake(ground: Ground, context: ssl.SSLContext) -> tuple[str, bytes]:
    """Returns: the version that was agreed on, and the certificate that was shown, DER."""
    reader, writer = await asyncio.open_connection("127.0.0.1", ground.port, ssl=context)
    try:
        writer.write(HELLO)
        async with asyncio.timeout(10):
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 404 ")
        session = writer.get_extra_info("ssl_object")
        return session.version(), session.getpeercert(binary_form=True)
    finally:
        writer.transport.abort()


async def test_offers_tls_1_2_and_1_3_and_nothing_older(tmp_path: Path) -> None:
    authority = Authority()
    chain, key = files_of(authority.issue("localhost"), tmp_path)
    agreed = []
    async with standing(tls_certificate_file=chain, tls_key_file=key) as ground:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = trusting(authority)
            context.minimum_version = context.maximum_version = version
            agreed.append((await shake(ground, context))[0])
        old = trusting(authority)
        with pytest.deprecated_call():
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await shake(ground, old)

    assert agreed == ["TLSv1.2", "TLSv1.3"]


@pytest.mark.parametrize("ciphers", ["AES256-GCM-SHA384", "ECDHE+AES256+SHA384:!AESGCM:!AESCCM"])
async def test_ciphers_without_forward_secrecy_or_authentication_are_not_offered(tmp_path: Path, ciphers: str) -> None:
    authority = Authority()
    chain, key = files_of(authority.issue("localhost"), tmp_path)
    context = trusting(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    async with standing(tls_certificate_file=chain, tls_key_file=key) as ground:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await shake(ground, context)


async def test_with_an_authority_for_clients_only_its_own_come_in(tmp_path: Path) -> None:
    """mTLS: for an edge that servers alone reach."""
    authority, clients, strangers = Authority(), Authority(), Authority()
    chain, key = files_of(authority.issue("localhost"), tmp_path)
    wanted = tmp_path / "clients.pem"
    wanted.write_text(clients.pem)
    known, unknown, nobody = trusting(authority), trusting(authority), trusting(authority)
    known.load_cert_chain(*files_of(clients.issue("payments"), tmp_path, "payments"))
    unknown.load_cert_chain(*files_of(strangers.issue("payments"), tmp_path, "stranger"))
    async with standing(tls_certificate_file=chain, tls_key_file=key, tls_client_ca_file=wanted) as ground:
        await shake(ground, known)
        for context in (unknown, nobody):
            with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
                await shake(ground, context)


async def test_a_renewed_certificate_is_taken_and_one_that_cannot_be_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is dropped, and half-written files change nothing."""
    authority = Authority()
    chain, key = files_of(authority.issue("localhost"), tmp_path)
    async with standing(tls_certificate_file=chain, tls_key_file=key) as ground:
        certificate = ground.certificate
        assert certificate is not None
        first = await shake(ground, trusting(authority))
        open_before = await asyncio.open_connection("127.0.0.1", ground.port, ssl=trusting(authority))

        chain.write_text("half a certif")
        with caplog.at_level(logging.ERROR):
            certificate.look()
        with pytest.raises(CertificateUnusable, match="tls_certificate_file"):
            certificate.prepare()
        kept = await shake(ground, trusting(authority))
        files_of(authority.issue("localhost"), tmp_path)
        os.utime(chain, (1, 1))
        certificate.look()
        renewed = await shake(ground, trusting(authority))
        open_before[1].write(HELLO)
        answer = await open_before[0].read()
        open_before[1].transport.abort()

    errors = [record.message for record in caplog.records if record.levelno >= logging.ERROR]
    assert errors == ["the new certificate cannot be used, the old one stays"]
    assert kept[1] == first[1]
    assert renewed[1] != first[1]
    assert answer.startswith(b"HTTP/1.1 404 ")
