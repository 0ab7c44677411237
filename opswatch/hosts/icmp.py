"""Echo requests (ping) of our own: without privileges where the kernel lets us, with a raw socket as root."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path

from opswatch.clock import monotonic_s
from opswatch.core.model import UnknownReason
from opswatch.hosts import CannotSee
from opswatch.hosts.sockets import Address

_ECHO = struct.Struct("!BBHHH")
_REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}
_REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}
_PROTOCOL = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}
_NONCE_BYTES = 8
_RANGE = Path("/proc/sys/net/ipv4/ping_group_range")


@dataclass
class Echoes:
    """What came back. `times_s`: number of the packet → seconds there and back."""

    sent: int = 0
    times_s: dict[int, float] = field(default_factory=dict)
    duplicates: int = 0
    trouble: str = ""  # why a packet could not be sent, or what a router said
    is_ours: bool = False  # this node has no way there at all


def ping(address: Address, *, count: int, interval_s: float, wait_s: float, size: int) -> Echoes:
    """Send `count` packets of `size` bytes, `interval_s` apart, and wait `wait_s` for the last. Raises CannotSee when
    this process may not ping."""
    echoes = Echoes()
    nonce = os.urandom(_NONCE_BYTES)
    sent_at: dict[int, float] = {}
    with _open(address.family) as sock:
        began = monotonic_s()
        while len(sent_at) < count:
            number = len(sent_at)
            sent_at[number] = monotonic_s()
            _send(sock, address, number, nonce, size, echoes)
            if echoes.is_ours:
                return echoes
            until = began + (number + 1) * interval_s if len(sent_at) < count else monotonic_s() + wait_s
            _receive(sock, address, nonce, sent_at, until, echoes, count)
    return echoes


def _open(family: int) -> socket.socket:
    """A socket for echo requests only, which needs no privilege but the group's leave; else a raw one, which does."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            sock = socket.socket(family, kind, _PROTOCOL[socket.AddressFamily(family)])
        except PermissionError:
            continue
        except OSError as trouble:
            if trouble.errno == errno.EAFNOSUPPORT:
                raise CannotSee(UnknownReason.ERROR, "this node speaks no IPv6") from None
            continue  # EPROTONOSUPPORT: a kernel that has no sockets of the first kind.
        sock.setblocking(False)
        return sock
    raise CannotSee(
        UnknownReason.REFUSED,
        f"this node may not ping: allow it with sysctl net.ipv4.ping_group_range='0 2147483647' (now {_range()}), "
        "or give the service the capability CAP_NET_RAW",
    )


def _range() -> str:
    try:
        return f"'{' '.join(_RANGE.read_text().split())}'"
    except OSError:
        return "unknown"


def _send(sock: socket.socket, address: Address, number: int, nonce: bytes, size: int, echoes: Echoes) -> None:
    payload = (nonce + bytes(max(0, size - _NONCE_BYTES)))[: max(_NONCE_BYTES, size)]
    kind = _REQUEST[socket.AddressFamily(sock.family)]
    # The identifier matters for raw sockets only: the kernel sets it on the others. Replies are known by the nonce.
    packet = _ECHO.pack(kind, 0, 0, os.getpid() & 0xFFFF, number) + payload
    if sock.family == socket.AF_INET:  # For IPv6 the kernel does that too.
        packet = _ECHO.pack(kind, 0, _checksum(packet), os.getpid() & 0xFFFF, number) + payload
    echoes.sent += 1
    try:
        sock.sendto(packet, (address.ip, 0, *address.sockaddr[2:]))
    except OSError as trouble:
        # Such as "operation not permitted" of a firewall. A packet that does not leave is a packet lost.
        echoes.trouble = (trouble.strerror or str(trouble)).lower()
        echoes.is_ours = trouble.errno in (errno.ENETUNREACH, errno.EADDRNOTAVAIL)


def _receive(
    sock: socket.socket,
    address: Address,
    nonce: bytes,
    sent_at: dict[int, float],
    until: float,
    echoes: Echoes,
    count: int,
) -> None:
    """Until the time is up, or everything is back."""
    poll = select.poll()  # Not `select`: it knows no file numbers above 1023.
    poll.register(sock, select.POLLIN)
    while (left_s := until - monotonic_s()) > 0 and len(echoes.times_s) < count:
        if not poll.poll(left_s * 1000):
            return
        now_s = monotonic_s()
        try:
            data, source = sock.recvfrom(65536)
        except OSError as trouble:
            echoes.trouble = (trouble.strerror or str(trouble)).lower()
            continue
        number = _number(_icmp(sock, data), _REPLY[socket.AddressFamily(sock.family)], nonce)
        if number not in sent_at or source[0].partition("%")[0] != address.ip.partition("%")[0]:
            continue
        if number in echoes.times_s:
            echoes.duplicates += 1
        else:
            echoes.times_s[number] = now_s - sent_at[number]


def _icmp(sock: socket.socket, data: bytes) -> bytes:
    """Without the IP header, which raw IPv4 sockets hand over too."""
    if sock.type == socket.SOCK_RAW and sock.family == socket.AF_INET and data:
        return data[(data[0] & 15) * 4 :]
    return data


def _number(packet: bytes, reply: int, nonce: bytes) -> int | None:
    """Which of ours it answers; None for everything else."""
    if len(packet) < _ECHO.size + _NONCE_BYTES or packet[0] != reply:
        return None
    if packet[_ECHO.size : _ECHO.size + _NONCE_BYTES] != nonce:
        return None
    number: int = _ECHO.unpack_from(packet)[4]
    return number


def _checksum(packet: bytes) -> int:
    """RFC 1071."""
    padded = packet + bytes(len(packet) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
