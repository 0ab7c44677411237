"""TLS handshakes and the certificates they show."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from cryptography import x509

from opswatch.clock import monotonic_s
from opswatch.core.model import UnknownReason
from opswatch.hosts import CannotSee
from opswatch.hosts.sockets import Address, connect

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What matters of one certificate. Instants in UTC."""

    names: tuple[str, ...]
    subject: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    is_self_signed: bool

    def days_left(self, now: datetime) -> float:
        """Days until it expires, negative afterwards."""
        return (self.not_after - now).total_seconds() / 86400

    def lifetime_left_pct(self, now: datetime) -> float:
        """Of its whole lifetime; negative after the end, above 100 before the beginning."""
        whole = (self.not_after - self.not_before).total_seconds()
        return 100 * (self.not_after - now).total_seconds() / max(1.0, whole)


@dataclass(frozen=True, slots=True)
class Handshake:
    """One completed handshake. `chain` begins with the server's own certificate: it is the chain that was trusted, or
    without verification what the server sent."""

    chain: tuple[Certificate, ...]
    protocol: str
    cipher: str
    took_s: float


def shake_hands(
    address: Address, server_name: str, *, timeout_s: float, verify: bool = True, ca_file: str | None = None
) -> Handshake:
    """Connect and shake hands. Raises ssl.SSLCertVerificationError when the certificate does not hold for
    `server_name`, OSError (ssl.SSLError among them) for everything else."""
    context = _context(ca_file, verify, _changed_at(ca_file))
    deadline = monotonic_s() + timeout_s
    plain, _ = connect(address, timeout_s)
    with plain:
        plain.settimeout(max(0.001, deadline - monotonic_s()))
        began = monotonic_s()
        with context.wrap_socket(plain, server_hostname=server_name, do_handshake_on_connect=False) as sock:
            sock.do_handshake()
            took_s = monotonic_s() - began
            leaf = sock.getpeercert(binary_form=True)
            assert leaf is not None
            # Once trusted, an expired extra among what was sent hurts nobody.
            chain = _chain(sock, "get_verified_chain" if verify else "get_unverified_chain")
            cipher = sock.cipher()
            return Handshake(
                chain=tuple(read_der(der) for der in (chain or (leaf,))),
                protocol=sock.version() or "",
                cipher=cipher[0] if cipher else "",
                took_s=took_s,
            )


def read_der(der: bytes) -> Certificate:
    """Raises ValueError when it is no certificate."""
    return _read(x509.load_der_x509_certificate(der))


def read_pem(pem: str) -> Certificate:
    """Raises ValueError when it is no certificate."""
    return _read(x509.load_pem_x509_certificate(pem.encode()))


def authorities(ca_file: str | None = None) -> str:
    """The file of trusted authorities: `ca_file`, or the system's, for libraries that bring their own OpenSSL."""
    if ca_file is not None:
        return ca_file
    named = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    candidates = [named] if named else []
    for path in (*candidates, *_BUNDLES):
        if os.path.isfile(path):  # noqa: PTH113
            return path
    import certifi

    return certifi.where()


def _read(certificate: x509.Certificate) -> Certificate:
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [str(name.value) for name in alternative]
    except (x509.ExtensionNotFound, ValueError):
        names = [certificate.subject.rfc4514_string()]
    return Certificate(
        names=tuple(names),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        is_self_signed=certificate.issuer == certificate.subject,
    )


def _chain(sock: ssl.SSLSocket, which: str) -> Sequence[bytes]:
    """The certificates in DER. Public only since Python 3.13; before, the methods stand on the inner object."""
    ask = getattr(sock, which, None)
    if ask is not None:
        return list(ask())
    inner: Any = getattr(sock, "_sslobj", None)
    if not hasattr(inner, which):
        return ()
    return [ssl.PEM_cert_to_DER_cert(entry.public_bytes()) for entry in getattr(inner, which)() or ()]


def _changed_at(ca_file: str | None) -> int:
    try:
        return os.stat(ca_file).st_mtime_ns if ca_file is not None else 0  # noqa: PTH116
    except OSError:
        return 0


@lru_cache(maxsize=64)
def _context(ca_file: str | None, verify: bool, _changed: int) -> ssl.SSLContext:
    """Shared by all handshakes: making one costs 20 ms, using it is safe from several threads."""
    if verify:
        try:
            return ssl.create_default_context(cafile=ca_file)
        except OSError as trouble:  # ssl.SSLError is one: no PEM in it
            words = f"the authorities in {ca_file} cannot be read: {trouble.strerror or trouble}"
            raise CannotSee(UnknownReason.ERROR, words) from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Only to read the certificate of a server that a careful client refuses.
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context
