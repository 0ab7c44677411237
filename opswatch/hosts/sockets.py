"""Reaching a port: names to addresses and connections, each within a time limit, each trouble in words."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import cast
from urllib.parse import urlsplit

from opswatch.clock import monotonic_s
from opswatch.core.model import UnknownReason
from opswatch.hosts import CannotSee

ADDRESSES_MAX = 8
_RESOLVING_MAX = 32  # threads that a dead resolver may hold at once; glibc waits up to half a minute

# The last one: the name has addresses, but none of the family asked for.
_NO_SUCH_NAME = (socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY)

_resolving = threading.Semaphore(_RESOLVING_MAX)

FAMILIES = {"any": socket.AF_UNSPEC, "ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}


_SockAddr = tuple[str | int, ...]


class NoSuchName(Exception):
    """The name has no address, says a resolver that works: that is the target's trouble, not ours."""


@dataclass(frozen=True, slots=True)
class Address:
    """One place to connect to."""

    family: socket.AddressFamily
    sockaddr: _SockAddr

    @property
    def ip(self) -> str:
        return str(self.sockaddr[0])


@dataclass(frozen=True, slots=True)
class Place:
    """Host and port of a target's URL."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def place_of(url: str | None, schemes: Sequence[str], port: int | None = None) -> Place:
    """Host and port of `url`, `port` being the scheme's own. Raises CannotSee, without repeating what is written."""
    wanted = f"the target needs a url such as '{schemes[0]}://host{'' if port else ':port'}'"
    try:
        parts = urlsplit(url or "")
        found = parts.port or port
    except ValueError:
        raise CannotSee(UnknownReason.ERROR, wanted) from None
    if parts.scheme not in schemes or not parts.hostname or found is None:
        raise CannotSee(UnknownReason.ERROR, wanted)
    return Place(parts.hostname, found)


def resolve(place: Place, timeout_s: float, family: str = "any") -> list[Address]:
    """The addresses of `place`, at most 8, in the system's order. Raises NoSuchName, or CannotSee when it is our own
    resolver that does not answer."""
    answer: SimpleQueue[list[Address] | OSError] = SimpleQueue()
    if not _resolving.acquire(timeout=max(0.0, timeout_s)):
        raise CannotSee(UnknownReason.ERROR, "our own resolver does not answer: too many questions are waiting")
    # A thread, because getaddrinfo knows no time limit; a daemon, because it may outlive us.
    threading.Thread(target=_ask, args=(place, FAMILIES[family], answer), daemon=True, name="resolve").start()
    try:
        result = answer.get(timeout=max(0.0, timeout_s))
    except Empty:
        words = f"our own resolver did not answer for {place.host} within {timeout_s:.1f} s"
        raise CannotSee(UnknownReason.ERROR, words) from None
    if isinstance(result, list):
        return result
    if isinstance(result, socket.gaierror) and result.errno in _NO_SUCH_NAME:
        kind = {"ipv4": "IPv4 ", "ipv6": "IPv6 "}.get(family, "")
        raise NoSuchName(f"the name {place.host} has no {kind}address")
    raise CannotSee(UnknownReason.ERROR, f"our own resolver failed for {place.host}: {result.strerror}")


def _ask(place: Place, family: socket.AddressFamily, answer: SimpleQueue[list[Address] | OSError]) -> None:
    try:
        found = socket.getaddrinfo(place.host, place.port, family, socket.SOCK_STREAM)
        unique = {sockaddr: Address(kind, cast(_SockAddr, sockaddr)) for kind, _, _, _, sockaddr in found}
        answer.put(list(unique.values())[:ADDRESSES_MAX])
    except OSError as trouble:
        answer.put(trouble)
    except UnicodeError:  # A label of more than 63 letters, or none: no such name can exist.
        answer.put(socket.gaierror(socket.EAI_NONAME, "not a host name"))
    finally:
        _resolving.release()


def connect(address: Address, timeout_s: float) -> tuple[socket.socket, float]:
    """A connected socket whose time limit is `timeout_s`, and how long it took. Raises OSError."""
    began = monotonic_s()
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.settimeout(max(0.001, timeout_s))
        sock.connect(address.sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock, monotonic_s() - began


def dial(place: Place, timeout_s: float) -> socket.socket:
    """A connection to the first address of `place` that takes one. Raises OSError, and what `resolve` does."""
    deadline = monotonic_s() + timeout_s
    last: OSError = OSError(errno.EHOSTUNREACH, "no address")
    for address in resolve(place, timeout_s):
        try:
            return connect(address, deadline - monotonic_s())[0]
        except OSError as trouble:
            last = trouble
    raise last


@contextmanager
def hang_up_after(connected: int, timeout_s: float) -> Iterator[Callable[[], bool]]:
    """Cut the connection of a socket's descriptor under whoever uses it when time is up: for libraries whose own limits
    begin anew with each read. Gives a question: was it cut?"""
    held = socket.socket(fileno=os.dup(connected))  # TLS takes the socket itself away
    was_cut = threading.Event()

    def cut() -> None:
        was_cut.set()
        with suppress(OSError):
            held.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.001, timeout_s), cut)
    timer.daemon = True
    timer.start()
    try:
        yield was_cut.is_set
    finally:
        timer.cancel()
        timer.join()
        held.close()


def is_our_trouble(trouble: OSError) -> bool:
    """Whether this node has no way to that address at all, as without IPv6: it says nothing of the target."""
    return trouble.errno in (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def say_trouble(trouble: OSError, timeout_s: float) -> str:
    """Why a connection failed: "connection refused", "no answer within 5.0 s"."""
    if isinstance(trouble, TimeoutError):
        return f"no answer within {timeout_s:.1f} s"
    if isinstance(trouble, ConnectionRefusedError):
        return "connection refused"
    if isinstance(trouble, ConnectionResetError):
        return "the connection was reset"
    return (trouble.strerror or str(trouble) or type(trouble).__name__).lower()
