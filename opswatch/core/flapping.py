"""Does it flap: Nagios' weighting of the last 21 results, 30 % to start and 20 % to stop; and how often that is said.

What counts as a result is what would be told: the confirmed health after each look. Looks that are still confirming a
problem are left out, as Nagios leaves soft problems out: what never gets confirmed disturbs nobody, and does not flap.
"""

from __future__ import annotations

from datetime import datetime, timedelta

RESULTS = 21
TRANSITIONS = RESULTS - 1
RING = (1 << TRANSITIONS) - 1
"""A ring of changes is a number: bit 0 is the newest step between two results, 1 where they differ."""

# Nagios weighs the steps 0.75 (oldest) to 1.25 (newest), evenly: 57/76, 59/76 … 95/76. In whole numbers nothing rounds.
WEIGHTS = tuple(95 - 2 * place for place in range(TRANSITIONS))  # by bit, the newest first
WHOLE = sum(WEIGHTS)
START_PCT, STOP_PCT = 30, 20
APART_MAX = timedelta(hours=1)
"""Results further apart than this are no flapping: what is looked at once a day may page each time it fails."""

TOLD_AGAIN = timedelta(minutes=15)  # after the first message, then twice as long each time
TOLD_AGAIN_MAX = timedelta(hours=24)


def shifted(ring: int, changed: bool) -> int:
    """The ring after one more result."""
    return (ring << 1 | changed) & RING


def percent(ring: int) -> float:
    """How much it changes, 0 to 100: 100 when each of 21 results differs from the one before."""
    return _weight(ring) * 100 / WHOLE


def flaps(ring: int, before: bool) -> bool:
    """Whether it flaps after this ring; between the two limits it goes on as it was `before`."""
    if not ring:
        return False
    weight = _weight(ring) * 100
    return weight >= START_PCT * WHOLE if not before else weight > STOP_PCT * WHOLE


def changes(ring: int) -> int:
    """How many of the last 21 results differ from the one before."""
    return ring.bit_count()


def told_again_at(now: datetime, told: int) -> datetime:
    """When it is to be said again that it still flaps, having been said `told` times, the last one `now`."""
    doubled = 1 << min(max(told - 1, 0), 20)
    return now + min(TOLD_AGAIN * doubled, TOLD_AGAIN_MAX)


def _weight(ring: int) -> int:
    weight, place = 0, 0
    while ring:
        if ring & 1:
            weight += WEIGHTS[place]
        ring >>= 1
        place += 1
    return weight
