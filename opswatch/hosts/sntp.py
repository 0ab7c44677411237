"""Asking a time server what time it is (SNTP, RFC 4330 and 5905)."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from opswatch.clock import monotonic_s
from opswatch.hosts.sockets import Address

PORT = 123

_PACKET = struct.Struct("!BBbbII4sQQQQ")
_CLIENT = 4 << 3 | 3  # version 4, mode client
_SERVER_MODE = 4
_ALARM = 3  # leap indicator: the server's own clock is not set
_EPOCH_S = (datetime(1970, 1, 1, tzinfo=UTC) - datetime(1900, 1, 1, tzinfo=UTC)).total_seconds()
_ERA_S = 2**32  # NTP's seconds begin anew in 2036
_KISSES = {"RATE": "we ask too often", "DENY": "it refuses us", "RSTR": "it refuses us", "INIT": "it is not ready yet"}

Wall = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Answer:
    """`offset_s`: what must be added to our clock to agree with the server's. `delay_s`: there and back."""

    offset_s: float
    delay_s: float
    stratum: int
    reference: str
    error_s: float  # how far the server itself may be off: half the way to its source, and its dispersion


class NotUsable(OSError):
    """It answered, but has no time for us; the text says why."""


def ask(address: Address, timeout_s: float, wall: Wall, times: int = 4) -> Answer:
    """The best of up to `times` answers within `timeout_s`: the one that was on its way for the shortest time. `wall`
    is the clock to compare. Raises NotUsable, TimeoutError, OSError."""
    deadline = monotonic_s() + timeout_s
    best: Answer | None = None
    with socket.socket(address.family, socket.SOCK_DGRAM) as sock:
        sock.connect(address.sockaddr)  # So that an ICMP refusal reaches us, and nobody else's answer does.
        for left in range(times, 0, -1):
            try:
                answer = _once(sock, (deadline - monotonic_s()) / left, wall)
            except TimeoutError:
                continue
            if best is None or answer.delay_s < best.delay_s:
                best = answer
    if best is None:
        raise TimeoutError
    return best


def _once(sock: socket.socket, timeout_s: float, wall: Wall) -> Answer:
    deadline = monotonic_s() + timeout_s
    # A number nobody can guess instead of our time: an answer must repeat it.
    nonce = int.from_bytes(os.urandom(8), "big")
    request = _PACKET.pack(_CLIENT, 0, 0, 0, 0, 0, b"\0\0\0\0", 0, 0, 0, nonce)
    sent_at, sent_s = wall(), monotonic_s()
    sock.send(request)
    while True:
        sock.settimeout(max(0.001, deadline - monotonic_s()))
        data = sock.recv(1024)
        # Not the wall clock again: it may be set while we wait.
        took_s = monotonic_s() - sent_s
        if len(data) >= _PACKET.size:
            fields = _PACKET.unpack_from(data)
            if fields[8] == nonce and fields[0] & 7 == _SERVER_MODE:
                return _read(fields, sent_at, took_s)
        if monotonic_s() >= deadline:
            raise TimeoutError


def _read(fields: tuple[int, ...], sent_at: datetime, took_s: float) -> Answer:
    flags, stratum, _, _, root_delay, root_dispersion, reference, _, _, received, transmitted = fields
    label = _say_reference(reference, stratum)  # type: ignore[arg-type]  # "4s" of the Struct gives bytes
    if stratum == 0:
        raise NotUsable(f"it sends {label}: {_KISSES.get(label, 'it has no time for us')}")
    if stratum > 15 or flags >> 6 == _ALARM:
        raise NotUsable("it says that its own clock is not synchronised")
    if transmitted == 0:
        raise NotUsable("it sends no time")
    ours = sent_at.timestamp()
    arrived, left = _seconds(received, ours), _seconds(transmitted, ours)
    return Answer(
        offset_s=((arrived - ours) + (left - (ours + took_s))) / 2,
        delay_s=max(0.0, took_s - (left - arrived)),
        stratum=stratum,
        reference=label,
        error_s=root_delay / 65536 / 2 + root_dispersion / 65536,
    )


def _seconds(stamp: int, near: float) -> float:
    """Since 1970, of the era of NTP's clock that is nearest to `near`."""
    seconds = stamp / 2**32 - _EPOCH_S
    return seconds + round((near - seconds) / _ERA_S) * _ERA_S


def _say_reference(reference: bytes, stratum: int) -> str:
    if stratum < 2:
        return reference.rstrip(b"\0").decode("ascii", errors="replace")
    return ".".join(map(str, reference))
