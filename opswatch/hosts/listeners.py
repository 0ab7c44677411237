"""Sockets that wait for others, and whose they are."""

from __future__ import annotations

import os
import pwd
import re
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from opswatch.core.model import UnknownReason
from opswatch.hosts import CannotSee, Listener

_TCP_LISTEN, _UDP_UNCONNECTED = "0A", "07"
_TABLES = (
    ("tcp", "tcp", _TCP_LISTEN),
    ("tcp6", "tcp", _TCP_LISTEN),
    ("udp", "udp", _UDP_UNCONNECTED),
    ("udp6", "udp", _UDP_UNCONNECTED),
)


def read(proc: Path) -> list[Listener]:
    """Every listener, by protocol, port and address. Raises CannotSee when the kernel shows none of its tables."""
    found: dict[str, Listener] = {}
    readable = False
    for table, protocol, state in _TABLES:
        try:
            # One network namespace each: ours. `self` would be followed to us also in a foreign /proc.
            lines = (proc / "net" / table).read_text().splitlines()
        except OSError:  # No IPv6 here.
            continue
        readable = True
        for line in lines[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == state:
                address, port = _place(fields[1])
                found[fields[9]] = Listener(protocol, address, port, _user(int(fields[7])))
    if not readable:
        raise CannotSee(UnknownReason.REFUSED, f"{proc / 'net/tcp'} cannot be read")
    owners = _owners(proc, found.keys())
    known = [_owned(listener, owners.get(inode)) for inode, listener in found.items()]
    return sorted(set(known), key=lambda one: (one.protocol, one.port, one.address, one.pid or 0))


def ephemeral_ports(text: str) -> range:
    """Of the text of /proc/sys/net/ipv4/ip_local_port_range; Linux' own where it says nothing."""
    numbers = [int(word) for word in text.split() if word.isdigit()]
    first, last = numbers if len(numbers) == 2 else (32768, 60999)
    return range(first, last + 1)


def _owned(listener: Listener, owner: tuple[int, str] | None) -> Listener:
    if owner is None:
        return listener
    pid, name = owner
    return Listener(listener.protocol, listener.address, listener.port, listener.user, pid, name)


def _place(text: str) -> tuple[str, int]:
    """`0100007F:1538`: the address in words of 32 bits, each in this machine's byte order."""
    packed, _, port = text.partition(":")
    raw = bytes.fromhex(packed)
    words = [raw[index : index + 4] for index in range(0, len(raw), 4)]
    if sys.byteorder == "little":
        words = [word[::-1] for word in words]
    family = socket.AF_INET if len(raw) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, b"".join(words)), int(port, 16)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _owners(proc: Path, inodes: Iterable[str]) -> dict[str, tuple[int, str]]:
    """inode → (pid, name), of the processes we may look into: with root's eyes all, else our own."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    owners: dict[str, tuple[int, str]] = {}
    for pid in sorted(int(name) for name in os.listdir(proc) if name.isdigit()):  # noqa: PTH208
        try:
            held = {os.readlink(entry.path) for entry in os.scandir(proc / str(pid) / "fd")}  # noqa: PTH115
            name = _name(proc, pid)
        except OSError:  # Not ours to see, or gone meanwhile.
            continue
        for link in held & wanted.keys():
            # The oldest holder: a server's workers inherit the socket.
            owners.setdefault(wanted[link], (pid, name))
    return owners


def _name(proc: Path, pid: int) -> str:
    """Whole, where the kernel's 15 letters were cut."""
    comm = (proc / str(pid) / "comm").read_text(errors="replace").strip()
    if len(comm) < 15:
        return comm
    program = (proc / str(pid) / "cmdline").read_text(errors="replace").partition("\0")[0].rpartition("/")[2]
    program = re.split(r"[\s:]", program, maxsplit=1)[0]
    return program if program.startswith(comm) else comm
