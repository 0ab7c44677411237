"""How the history of values grows, and what rolling it up costs. `python -m benchmarks.samples`

A hundred checks look once a minute for two days, two values each (a measured one and how long it took). Sizes are those
of the second day, so that what an empty database takes is left out. "Held" is what one series takes once retention is
in balance: raw values for 14 days and hours for 400; beside it raw values for as long as hours are kept. A transaction
of the roll-up holds the write lock of this database only: with SQLite it is a file of its own.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.head import databases
from opswatch.core.model import Sample, Verdict
from opswatch.stores import open_store
from opswatch.stores.sql import SqlStore

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
CHECKS = 100
SERIES = 2 * CHECKS
LOOKS = 1440
RAW_DAYS, HOURS_DAYS = 14, 400


class Timed:
    """A database whose writing transactions are timed."""

    def __init__(self, database: Any) -> None:
        self._database, self.took_s = database, [0.0]

    @contextmanager
    def writing(self, **given: Any) -> Iterator[Any]:
        with self._database.writing(**given) as session:
            begun = time.perf_counter()
            yield session
            self.took_s.append(time.perf_counter() - begun)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


def a_day(store: SqlStore, day: int) -> None:
    """Every look of one day, as the daemon saves them: a few hundred at a time."""
    chance = random.Random(day)
    for minute in range(0, LOOKS, 5):
        looks = [
            (
                f"check-{check}",
                "host",
                verdict(START + day * DAY + timedelta(minutes=minute + n, seconds=check / 2), chance),
            )
            for n in range(5)
            for check in range(CHECKS)
        ]
        store.record_samples(looks)


def verdict(at: datetime, chance: random.Random) -> Verdict:
    value = Sample("used_pct", chance.gauss(50, 10), "%", "/var")
    return Verdict(at, "fine", (value,), took_s=chance.expovariate(20))


def size(url: str, table: str) -> int:
    """Bytes on disk, of the whole samples' file or of one table with its indexes."""
    if url.startswith("sqlite:"):
        return Path(url.removeprefix("sqlite:") + "-samples").stat().st_size
    import psycopg

    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_total_relation_size(%s::regclass)", (table,)).fetchone()
        return int(row[0]) if row else 0


def measure(name: str, url: str) -> str:
    """One row."""
    store = open_store(url)
    assert isinstance(store, SqlStore)
    store.migrate()
    a_day(store, 0)
    store.close()
    before = size(url, "samples")
    store = open_store(url)  # type: ignore[assignment]
    a_day(store, 1)
    store.close()
    raw = (size(url, "samples") - before) / SERIES
    before = size(url, "rollups")
    store = open_store(url)  # type: ignore[assignment]
    timed = store._rollups._database = Timed(store._samples_database)  # type: ignore[assignment]
    begun = time.perf_counter()
    while not store.roll_up(START + 2 * DAY + timedelta(minutes=5)):
        pass
    took_s = time.perf_counter() - begun
    store.close()
    rolled = (size(url, "rollups") - before) / SERIES / 2
    pruning = forget(url)
    held, without = raw * RAW_DAYS + rolled * HOURS_DAYS, raw * HOURS_DAYS
    sizes = f"{raw / LOOKS:.0f} | {raw / 1e3:.0f} | {rolled / 1e3:.1f} | {held / 1e6:.1f} | {without / 1e6:.1f}"
    costs = f"{took_s / 48 * 1e3:.0f} | {max(timed.took_s) * 1e3:.1f} | {pruning * 1e3:.1f}"
    return f"| {name} | {sizes} | {without / held:.0f} × | {costs} |"


def forget(url: str) -> float:
    """The longest transaction, in seconds, while everything goes: hours because they are kept for less, then values."""
    store = open_store(url)
    assert isinstance(store, SqlStore)
    hours = store._rollups._database = Timed(store._samples_database)  # type: ignore[assignment]
    values = store._samples._database = Timed(store._samples_database)  # type: ignore[assignment]
    late = START + 2 * DAY + timedelta(hours=2)
    store.record_samples([("check-0", "host", verdict(late - timedelta(minutes=50), random.Random(1)))])
    while not store.roll_up(late, kept=timedelta(hours=1)):
        pass
    for _ in range(10):
        store.prune(late, samples=timedelta(hours=1))
    store.close()
    return max(*hours.took_s, *values.took_s)


def main() -> list[str]:
    """The table."""
    lines = [
        "| samples | bytes a value | raw kB a series and day | hours kB a series and day | held MB a series | "
        f"raw for 400 days MB | smaller | an hour of {SERIES} series rolled up in ms | its longest transaction ms | "
        "that of forgetting ms |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    with databases() as urls:
        for name, url in urls.items():
            print(f"  {name}", file=sys.stderr)
            lines.append(measure(name, url))
    return lines


if __name__ == "__main__":
    print("\n".join(main()))
