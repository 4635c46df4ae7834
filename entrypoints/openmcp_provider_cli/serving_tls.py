"""The certificate that a server shows: from files, read again when they change, or one that nobody vouches for."""

import ipaddress
import ssl
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from openmcp_adapters.rest.access import load_certificate
from openmcp_provider.ports import Clock
from openmcp_provider_cli.logs import Log

__all__ = ["certificate_files", "self_signed"]

CHECKED_EVERY = 10.0  # seconds

_log = Log("serving")


def certificate_files(certificate: Path, key: Path, clock: Clock) -> Callable[[], ssl.SSLContext]:
    """Return what a server needs to show the certificate in two files, also after they have been replaced.

    Raises:
        ValueError: there is no certificate with its key.
    """
    return _Files(certificate, key, clock)


class _Files:
    def __init__(self, certificate: Path, key: Path, clock: Clock) -> None:
        self._paths = certificate, key
        self._clock = clock
        self._checked = clock.monotonic()
        try:
            self._seen = self._look()
            self._context = self._load()
        except OSError as error:
            raise ValueError(f"{certificate} and {key} cannot be used: {_why(error)}") from None

    def __call__(self) -> ssl.SSLContext:
        """Return the context for one more connection."""
        now = self._clock.monotonic()
        if now >= self._checked + CHECKED_EVERY:
            self._checked = now
            self._refresh()
        return self._context

    def _refresh(self) -> None:
        # A context of its own: a failed load leaves half of the new certificate behind.
        try:
            seen = self._look()
            if seen != self._seen:
                self._context = self._load()
                self._seen = seen
        except OSError as error:  # replaced one after the other: the next look finds both
            _log.warn("the new certificate cannot be used, the old one stays", why=_why(error))

    def _look(self) -> list[tuple[int, int, int]]:
        return [(found.st_mtime_ns, found.st_ino, found.st_size) for found in (path.stat() for path in self._paths)]

    def _load(self) -> ssl.SSLContext:
        context = _context()
        context.load_cert_chain(*self._paths, password="")  # or else OpenSSL asks on the terminal
        return context


def self_signed(now: datetime) -> Callable[[], ssl.SSLContext]:
    """Return what a server needs to show a new certificate that nobody vouches for: encryption without identity.

    Raises:
        ValueError: the package that makes certificates is not installed.
    """
    try:
        certificate, key = _made(now)
    except ModuleNotFoundError:
        raise ValueError(
            'TLS for metrics needs a certificate: give --metrics-cert-path, or install the package "cryptography" for '
            "one that nobody vouches for, or switch TLS off with --metrics-secure=false"
        ) from None
    context = _context()
    load_certificate(context, certificate, key)
    return lambda: context


def _made(now: datetime) -> tuple[str, str]:
    """Return a certificate and its key, for the names that controllers in Go take."""
    from cryptography import x509  # noqa: PLC0415 - only where no certificate is given
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _why(error: OSError) -> str:
    """Say why in words of the system or of OpenSSL."""
    return (error.reason if isinstance(error, ssl.SSLError) else error.strerror) or type(error).__name__
