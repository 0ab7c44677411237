"""History of values, beside the head: appended in short batches, kept for a while, never in the way of a page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from opswatch.core.model import Sample, Verdict
from opswatch.stores.codec import from_column, from_us, to_column, to_us
from opswatch.stores.database import Database

BATCH = 500  # values per transaction: a few milliseconds
PRUNE_BATCH = 1_500  # about 10 ms
PRUNE_BATCHES_MAX = 60
SERIES_KNOWN_MAX = 100_000
KEPT = timedelta(days=14)
NAMED_AGAIN_US = 86_400_000_000  # daily: another node may have pruned a series that had no values for long
TOOK = "took_s"  # how long each look took is a value too: a check without samples has a history


@dataclass(frozen=True, slots=True)
class Point:
    """One value of one series. `item` is empty for the target as a whole."""

    at: datetime
    name: str
    value: float
    unit: str = ""
    item: str = ""


class Samples:
    """Written by the check loop, read by reports. The same value twice is kept once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[int, int] = {}  # series → the instant it was last named in the database

    def record(self, rows: Sequence[tuple[str, str, Verdict]]) -> None:
        """Append every value of every (check, target, verdict). What is not a number is left out."""
        values = [value for row in rows for value in _values(*row)]
        for start in range(0, len(values), BATCH):
            self._append(values[start : start + BATCH])

    def of_check(self, check: str, target: str, start: datetime, end: datetime, limit: int = 10_000) -> list[Point]:
        """Values seen in `[start, end)`, oldest first."""
        with self._database.asking() as session:
            rows = session.rows(
                "samples_of_check",
                check_id=to_column(check),
                target=to_column(target),
                start=to_us(start),
                end=to_us(end),
                limit=limit,
            )
        return [
            Point(
                from_us(row["at"]),
                from_column(row["name"]),
                row["value"],
                from_column(row["unit"]),
                from_column(row["item"]),
            )
            for row in rows
        ]

    def of_series(
        self, check: str, target: str, name: str, item: str, start: datetime, end: datetime, limit: int = 20_000
    ) -> list[Point]:
        """Values of one sample of one item in `[start, end)`, oldest first; the newest where there are too many."""
        with self._database.asking() as session:
            rows = session.rows(
                "samples_of_series",
                check_id=to_column(check),
                target=to_column(target),
                item=to_column(item),
                name=to_column(name),
                start=to_us(start),
                end=to_us(end),
                limit=limit,
            )
        found = (Point(from_us(row["at"]), name, row["value"], from_column(row["unit"]), item) for row in rows)
        return list(found)[::-1]

    def series(self, check: str, target: str) -> list[tuple[str, str, str]]:
        """(item, sample, unit) of everything the check has measured there that is still kept."""
        with self._database.asking() as session:
            rows = session.rows("series_of_check", check_id=to_column(check), target=to_column(target))
        return [(from_column(row["item"]), from_column(row["name"]), from_column(row["unit"])) for row in rows]

    def prune(self, now: datetime, kept: timedelta = KEPT, rolled_up: datetime | None = None) -> int:
        """Forget what is older than `kept`, a bounded number at a time; how many values went. What is not yet rolled up
        stays: values from `rolled_up` on, when it is given."""
        gone, before = 0, min(now - kept, rolled_up or now)
        for _ in range(PRUNE_BATCHES_MAX):
            with self._database.writing() as session:
                batch = session.run("prune_samples", before=to_us(before), limit=PRUNE_BATCH)
            gone += batch
            if batch < PRUNE_BATCH:
                break
        if gone:
            with self._database.writing() as session:
                session.run("prune_series", limit=PRUNE_BATCH)
        return gone

    def close(self) -> None:
        self._database.close()

    def _append(self, values: Sequence[tuple[_Series, int, float]]) -> None:
        new = {series.id: series for series, at, _ in values if at - self._known.get(series.id, 0) > NAMED_AGAIN_US}
        with self._database.writing() as session:
            session.many("series_keep", [series.row() for series in new.values()])
            session.many("sample_append", [{"series": s.id, "at": at, "value": value} for s, at, value in values])
        if len(self._known) > SERIES_KNOWN_MAX:
            self._known.clear()
        self._known |= {series.id: at for series, at, _ in values if series.id in new}


@dataclass(frozen=True, slots=True)
class _Series:
    id: int
    check: str
    target: str
    item: str
    name: str
    unit: str

    def row(self) -> dict[str, object]:
        return {
            "id": self.id,
            "check_id": to_column(self.check),
            "target": to_column(self.target),
            "item": to_column(self.item),
            "name": to_column(self.name),
            "unit": to_column(self.unit),
        }


def _values(check: str, target: str, verdict: Verdict) -> Iterator[tuple[_Series, int, float]]:
    at = to_us(verdict.at)
    for sample in (*verdict.samples, Sample(TOOK, verdict.took_s, "s")):
        if not math.isnan(sample.value):
            yield _series(check, target, sample), at, float(sample.value)


def _series(check: str, target: str, sample: Sample) -> _Series:
    """Its number is a digest of its name: every node computes the same one."""
    name = "\0".join((check, target, sample.item, sample.name, sample.unit)).encode("utf-8", "surrogatepass")
    number = int.from_bytes(blake2b(name, digest_size=8).digest(), "big", signed=True)
    return _Series(number, check, target, sample.item, sample.name, sample.unit)
