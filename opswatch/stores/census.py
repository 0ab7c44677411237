"""How large a store is, how far back it goes, and how fast it grows. Counts every row: for people, not for a loop."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

from opswatch.core.model import Secret
from opswatch.stores.backup import Shape, shape_of
from opswatch.stores.codec import from_us, to_us
from opswatch.stores.opening import databases
from opswatch.stores.sizes import sizes_of

LATELY = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Census:
    """`parts` are bytes on disk, by what they are for; `free` bytes of them wait to be used again. What is `per_day` is
    the mean of the last seven days (of all days, in a younger store); `bytes_per_day` is an estimate from it and the
    size of what is there."""

    place: str
    shape: Shape
    parts: Mapping[str, int]
    free: int
    samples_first_at: datetime | None
    entries_per_day: float
    samples_per_day: float
    bytes_per_day: int

    def as_json(self) -> dict[str, object]:
        return {
            "store": self.place,
            "schema": list(self.shape.schema),
            "position": self.shape.position,
            "open_incidents": self.shape.open_incidents,
            "timeline_from": _iso(self.shape.first_at),
            "timeline_until": _iso(self.shape.last_at),
            "samples_from": _iso(self.samples_first_at),
            "bytes": dict(self.parts),
            "bytes_free": self.free,
            "rows": dict(self.shape.counts),
            "per_day": {
                "entries": round(self.entries_per_day, 1),
                "samples": round(self.samples_per_day, 1),
                "bytes": self.bytes_per_day,
            },
        }


def census(url: Secret | str, now: datetime) -> Census:
    """Of the store at `url`. Raises StoreUnavailable."""
    shape = shape_of(url)
    with closing(databases(url, read_only=True)) as found:
        parts = sizes_of(found.main, found.samples)
        free = parts.pop("free")
        parts.pop("room", None)
        with found.main.asking() as session:
            lately = session.rows("timeline_ends", since=to_us(now - LATELY))[0]["lately"] or 0
        with found.samples.asking() as session:
            first = session.rows("samples_first")[0]["first_at"]
            values = session.rows("samples_lately", since=to_us(now - LATELY))[0]["lately"]
    first_at = None if first is None else from_us(first)
    entries, samples = int(lately) / _days(shape.first_at, now), int(values) / _days(first_at, now)
    growth = _growth(parts, shape, entries, "timeline", "state") + _growth(parts, shape, samples, "samples", "samples")
    return Census(found.main.place, shape, parts, free, first_at, entries, samples, int(growth))


def _growth(parts: Mapping[str, int], shape: Shape, per_day: float, table: str, part: str) -> float:
    rows = shape.counts.get(table, 0)
    return per_day * parts.get(part, 0) / rows if rows else 0.0


def _days(first_at: datetime | None, now: datetime) -> float:
    """Over how many days the last seven count: fewer in a store that is younger, never less than an hour."""
    age = LATELY if first_at is None else min(LATELY, now - first_at)
    return max(age, timedelta(hours=1)) / timedelta(days=1)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")
