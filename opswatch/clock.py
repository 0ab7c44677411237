"""The only place that reads the clock. Everybody else is handed `now`."""

from __future__ import annotations

import time
import zoneinfo
from datetime import UTC, datetime

# The pinned `tzdata`, not the host's: two nodes agree on when Berlin hands over to New York.
zoneinfo.reset_tzpath(to=())


def now() -> datetime:
    """This instant, aware, UTC."""
    return datetime.now(UTC)


def monotonic_s() -> float:
    """Seconds on a clock that is never set back: for measuring how long something took."""
    return time.monotonic()
