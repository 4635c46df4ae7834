"""Certificates for tests, as texts."""

import base64
import functools
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from openmcp_adapters.rest.access import load_certificate


class Pair(NamedTuple):
    """A certificate and its key, in PEM."""

    certificate: str
    key: str


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


def _pem(key: ec.EllipticCurvePrivateKey, encryption: serialization.KeySerializationEncryption) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, encryption).decode()


@functools.cache
def authority(name: str = "authority") -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return a certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _signed(name, key, name, key, x509.BasicConstraints(ca=True, path_length=None)), key


def authority_pem(name: str = "authority") -> str:
    """Return the certificate of an authority."""
    return authority(name)[0].public_bytes(serialization.Encoding.PEM).decode()


@functools.cache
def issued(name: str, by: str = "authority", password: bytes = b"") -> Pair:
    """Return a certificate for a host, an address or a user."""
    key = ec.generate_private_key(ec.SECP256R1())
    _, signer = authority(by)
    try:
        general: x509.GeneralName = x509.IPAddress(ip_address(name))
    except ValueError:
        general = x509.DNSName(name)
    made = _signed(name, key, by, signer, x509.SubjectAlternativeName([general]))
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return Pair(made.public_bytes(serialization.Encoding.PEM).decode(), _pem(key, encryption))


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    by: str,
    signer: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(by))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(extension, critical=False)
        .sign(signer, hashes.SHA256())
    )


def server_context(name: str = "127.0.0.1", *, ask: bool = False) -> ssl.SSLContext:
    """Return the TLS of a server; with `ask`, of one that wants certificates of its clients."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    load_certificate(context, *issued(name))
    if ask:
        context.load_verify_locations(cadata=authority_pem())
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def encoded(text: str) -> str:
    """Return a text as a kubeconfig has it."""
    return base64.b64encode(text.encode()).decode()
