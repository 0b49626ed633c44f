"""Certificates of a test's own: an authority, and what it vouches for."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

LIFE = dt.timedelta(days=1)


class Issued(NamedTuple):
    """A certificate and its key, PEM."""

    chain: str
    key: str


class Authority:
    """Vouches for others; each test has its own."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("an authority of tests")
        own = _builder(self._name, self._key).issuer_name(self._name)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.pem = own.sign(self._key, SHA256()).public_bytes(Encoding.PEM).decode()

    def issue(self, name: str) -> Issued:
        """A certificate for *name*."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name), key).issuer_name(self._name)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        certificate = builder.sign(self._key, SHA256())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return Issued(certificate.public_bytes(Encoding.PEM).decode(), private.decode())


def files_of(issued: Issued, folder: Path, name: str = "server") -> tuple[Path, Path]:
    """Write a certificate and its key. Returns: their paths."""
    chain, key = folder / f"{name}.crt", folder / f"{name}.key"
    chain.write_text(issued.chain)
    key.write_text(issued.key)
    return chain, key


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LIFE)
        .not_valid_after(now + LIFE)
    )
