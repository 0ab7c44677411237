"""Asking one name server one question (dnspython), each trouble in words."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import dns.exception
import dns.flags
import dns.inet
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import dns.rrset

from opswatch.clock import monotonic_s
from opswatch.core.model import UnknownReason
from opswatch.hosts import CannotSee
from opswatch.hosts.sockets import is_our_trouble, say_trouble

PORT = 53
RECORDS_MAX = 200
_TRIES = 2  # a packet may get lost
_SAID = {
    "NXDOMAIN": "the name does not exist",
    "SERVFAIL": "the server failed (SERVFAIL)",
    "REFUSED": "the server refuses to answer us (REFUSED)",
}


@dataclass(frozen=True, slots=True)
class Server:
    """One place to ask. `name` is what people know it by."""

    ip: str
    port: int = PORT
    name: str = ""

    def __str__(self) -> str:
        at = f"[{self.ip}]" if ":" in self.ip else self.ip
        place = self.ip if self.port == PORT else f"{at}:{self.port}"
        return f"{self.name} ({place})" if self.name and self.name != self.ip else place


@dataclass(frozen=True, slots=True)
class Reply:
    """What one server said. `records` are in text, sorted; empty with NOERROR: the name has none of this type."""

    server: Server
    rcode: str
    records: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    ttl_s: int | None = None
    is_authoritative: bool = False
    serial: int | None = None  # of the zone, where the reply shows it
    signed_until: datetime | None = None  # the earliest end of the signatures
    took_s: float = 0.0

    @property
    def is_definite(self) -> bool:
        """Whether it says something of the name: what there is, or that there is nothing."""
        return self.rcode in ("NOERROR", "NXDOMAIN")

    @property
    def trouble(self) -> str:
        """Why it gives no records; empty when it does."""
        if self.rcode == "NOERROR":
            return "" if self.records else "the name has no such record"
        return _SAID.get(self.rcode, f"the server says {self.rcode}")


@dataclass(frozen=True, slots=True)
class Silence:
    """Why a server said nothing. `is_ours`: this node has no way to it at all."""

    server: Server
    trouble: str
    is_ours: bool = False


def is_name(text: str) -> bool:
    """Whether it could be asked for."""
    try:
        dns.name.from_text(text)
    except (dns.exception.DNSException, UnicodeError, ValueError):
        return False
    return True


def is_type(text: str) -> bool:
    """Whether there are such records: A, AAAA, MX, …"""
    try:
        return not dns.rdatatype.is_metatype(dns.rdatatype.from_text(text))
    except (dns.exception.DNSException, ValueError):
        return False


def parents(name: str) -> list[str]:
    """The name itself and those above it, without the root."""
    labels = dns.name.from_text(name).labels[:-1]
    return [dns.name.Name((*labels[index:], b"")).to_text(omit_final_dot=True) for index in range(len(labels))]


def normal(record: str, kind: str) -> str:
    """A record as `Reply.records` writes it, so that both can be compared. Raises ValueError."""
    if kind == "TXT":
        return record.strip('"')
    try:
        type_ = dns.rdatatype.from_text(kind)
        # Names are whole also where the last dot was forgotten.
        data = dns.rdata.from_text(dns.rdataclass.IN, type_, record, origin=dns.name.root, relativize=False)
    except (dns.exception.DNSException, ValueError) as trouble:
        raise ValueError(f"no record of type {kind}: {trouble}") from None
    return _say(data)


def system_servers() -> list[Server]:
    """The resolvers of /etc/resolv.conf. Raises CannotSee when there are none."""
    try:
        resolver = dns.resolver.Resolver()
    except (dns.exception.DNSException, OSError):
        raise CannotSee(UnknownReason.ERROR, "this node has no resolver: /etc/resolv.conf names none") from None
    return [Server(str(ip), resolver.port) for ip in resolver.nameservers if isinstance(ip, str)]


def ask(
    server: Server,
    name: str,
    kind: str,
    timeout_s: float,
    *,
    recurse: bool = True,
    signatures: bool = False,
    validate: bool = True,
) -> Reply | Silence:
    """Ask by UDP, twice if need be, and by TCP where the answer does not fit. `validate = False` asks a resolver for
    data whose signatures it believes to be wrong. Never raises for what a server or a network can do."""
    question = dns.message.make_query(name, kind, want_dnssec=signatures)
    if not recurse:
        question.flags &= ~dns.flags.RD
    if not validate:
        question.flags |= dns.flags.CD
    began = monotonic_s()
    silence = Silence(server, f"no answer within {timeout_s:.1f} s")
    for left in range(_TRIES, 0, -1):
        try:
            message = _converse(server, question, max(0.01, (began + timeout_s - monotonic_s()) / left))
        except dns.exception.Timeout:
            continue
        except OSError as trouble:
            return Silence(server, say_trouble(trouble, timeout_s), is_our_trouble(trouble))
        except (dns.exception.DNSException, ValueError, EOFError) as trouble:
            return Silence(server, f"no answer that can be understood: {type(trouble).__name__}")
        return replace(_read(server, message, question), took_s=monotonic_s() - began)
    return silence


def _converse(server: Server, question: dns.message.Message, timeout_s: float) -> dns.message.Message:
    family = socket.AF_INET6 if dns.inet.is_address(server.ip) and ":" in server.ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect((server.ip, server.port))  # So that "connection refused" reaches us.
        message, _ = dns.query.udp_with_fallback(
            question, server.ip, timeout_s, server.port, udp_sock=sock, ignore_unexpected=True, ignore_errors=True
        )
    return message


def _read(server: Server, message: dns.message.Message, question: dns.message.Message) -> Reply:
    kind = question.question[0].rdtype
    found = [rrset for rrset in message.answer if rrset.rdtype == kind]
    aliases = [rrset for rrset in message.answer if rrset.rdtype == dns.rdatatype.CNAME and kind != rrset.rdtype]
    texts = sorted({_say(data) for rrset in found for data in rrset})
    serials = [data.serial for rrset in (*message.answer, *message.authority) for data in rrset if _is_soa(rrset)]
    return Reply(
        server,
        dns.rcode.to_text(message.rcode()),
        records=tuple(texts[:RECORDS_MAX]),
        aliases=tuple(_say(data) for rrset in aliases for data in rrset),
        ttl_s=min((rrset.ttl for rrset in (*found, *aliases)), default=None),
        is_authoritative=bool(message.flags & dns.flags.AA),
        serial=serials[0] if serials else None,
        signed_until=_signed_until(message.answer),
    )


def _is_soa(rrset: dns.rrset.RRset) -> bool:
    return rrset.rdtype == dns.rdatatype.SOA


def _signed_until(answer: Iterable[dns.rrset.RRset]) -> datetime | None:
    ends = [data.expiration for rrset in answer if rrset.rdtype == dns.rdatatype.RRSIG for data in rrset]
    return datetime.fromtimestamp(min(ends), UTC) if ends else None


def _say(data: dns.rdata.Rdata) -> str:
    if data.rdtype == dns.rdatatype.TXT:
        return b"".join(data.strings).decode(errors="replace")  # type: ignore[attr-defined]  # TXT has them
    # Names are compared without regard to case; base64 of keys is not.
    text = data.to_text()
    return text.lower() if data.rdtype in _NAMED else text


_NAMED = frozenset(
    {
        dns.rdatatype.CNAME,
        dns.rdatatype.NS,
        dns.rdatatype.MX,
        dns.rdatatype.PTR,
        dns.rdatatype.SRV,
        dns.rdatatype.SOA,
        dns.rdatatype.DNAME,
        dns.rdatatype.AAAA,
    }
)
