"""Talking to systemd: ready, status, watchdog, reloading, stopping. Nothing where there is no systemd."""

from __future__ import annotations

import os
import socket


def notify(*lines: str) -> bool:
    """Send `READY=1`, `STATUS=…`, `WATCHDOG=1` … to `$NOTIFY_SOCKET`; whether there was anybody to tell."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.settimeout(1.0)
            line.sendto("\n".join(lines).encode(), address)
    except OSError:  # A supervisor that does not listen is no reason to stop paging.
        return False
    return True


def watchdog_s() -> float | None:
    """How often systemd wants to hear of us at least, in seconds; None when it does not ask."""
    wanted, meant_for = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not wanted.isdigit() or (meant_for and meant_for != str(os.getpid())):
        return None
    return int(wanted) / 1_000_000
