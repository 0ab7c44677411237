"""The only place that reads the clock. Everybody else is handed `now`."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """This instant, aware, UTC."""
    return datetime.now(UTC)


def monotonic_s() -> float:
    """Seconds on a clock that is never set back: for measuring how long something took."""
    return time.monotonic()
