"""Certificates for tests: an authority of our own, and servers that show what it signed."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Shown:
    """Files of one server certificate: `pem` holds the chain and the key."""

    pem: Path
    serial: str


class Authority:
    """A root that signs, with or without an intermediate."""

    def __init__(self, folder: Path, now: datetime) -> None:
        self._folder = folder
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("opswatch test root")
        self._root = _sign(
            self._name, self._key, self._name, self._key, (now - timedelta(days=10), now + timedelta(days=3650))
        )
        self.file = folder / "root.pem"
        self.file.write_bytes(self._root.public_bytes(serialization.Encoding.PEM))

    def certificate(
        self,
        name: str = "localhost",
        *,
        days: tuple[float, float] = (-30, 60),
        intermediate_days: float | None = None,
    ) -> Shown:
        """One for `name` (and 127.0.0.1 where that is localhost), valid between `days` from now. With
        `intermediate_days` it is signed by an intermediate that ends then."""
        issuer, issuer_key, chain = self._name, self._key, b""
        if intermediate_days is not None:
            issuer, issuer_key = _name("opswatch test intermediate"), ec.generate_private_key(ec.SECP256R1())
            span = (self._now - timedelta(days=90), self._now + timedelta(days=intermediate_days))
            middle = _sign(issuer, issuer_key, self._name, self._key, span)
            chain = middle.public_bytes(serialization.Encoding.PEM)
        key = ec.generate_private_key(ec.SECP256R1())
        span = (self._now + timedelta(days=days[0]), self._now + timedelta(days=days[1]))
        leaf = _sign(_name(name), key, issuer, issuer_key, span, for_host=name)
        pem = self._folder / f"{leaf.serial_number:x}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pem.write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + chain + private)
        return Shown(pem, f"{leaf.serial_number:x}")


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _sign(
    subject: x509.Name,
    key: Key,
    issuer: x509.Name,
    issuer_key: Key,
    span: tuple[datetime, datetime],
    for_host: str | None = None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(span[0].astimezone(UTC))
        .not_valid_after(span[1].astimezone(UTC))
        .add_extension(x509.BasicConstraints(ca=for_host is None, path_length=None), critical=True)
    )
    if for_host is not None:
        names: list[x509.GeneralName] = [x509.DNSName(for_host)]
        if for_host == "localhost":
            names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def server_context(shown: Shown) -> ssl.SSLContext:
    """What a server needs to show it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.pem)
    return context


@contextlib.contextmanager
def tls_server(shown: Shown, address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A server that shakes hands and hangs up; its port."""
    context = server_context(shown)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family) as listener:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                with plain, contextlib.suppress(OSError):
                    plain.settimeout(2)
                    context.wrap_socket(plain, server_side=True).close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
