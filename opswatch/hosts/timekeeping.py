"""What the kernel says of its own clock: adjtimex(2), which only reads here."""

from __future__ import annotations

import ctypes
import os
import time
from datetime import UTC, datetime

from opswatch.core.model import UnknownReason
from opswatch.hosts import CannotSee, Timekeeping

_NANOSECONDS = 0x2000  # STA_NANO: `offset` is in these, else in microseconds

_libc = ctypes.CDLL(None, use_errno=True)


class _Timex(ctypes.Structure):
    """The beginning of `struct timex`; the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def read() -> Timekeeping:
    """Raises CannotSee where a sandbox forbids the call (ProtectClock= of systemd does)."""
    timex = _Timex()
    if _libc.adjtimex(ctypes.byref(timex)) < 0:
        raise CannotSee(UnknownReason.REFUSED, f"adjtimex: {os.strerror(ctypes.get_errno())}")
    unit = 1e9 if timex.status & _NANOSECONDS else 1e6
    return Timekeeping(max_error_s=timex.maxerror / 1e6, offset_s=timex.offset / unit)


def wall() -> datetime:
    """What the clock says that is looked at here. Everybody else is handed `now`, and takes it for granted."""
    return datetime.fromtimestamp(time.clock_gettime(time.CLOCK_REALTIME), UTC)


def boottime_s() -> float:
    """Seconds since boot, also those asleep. Setting the clock does not move it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
