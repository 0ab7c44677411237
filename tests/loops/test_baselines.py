"""A check with a baseline, end to end on a real store: it learns from roll-ups, says so, and finds the drop."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opswatch.core.engine import Engine
from opswatch.core.model import Health, Sample, UnknownReason, Verdict
from opswatch.core.norms import HOUR
from opswatch.core.plan import Baseline, Check, Limit
from opswatch.desk import Desk
from opswatch.errors import StoreUnavailable
from opswatch.loops.beat import Beat
from opswatch.loops.checks import Checks, Look
from opswatch.stores import open_store
from opswatch.stores.sql import SqlStore
from opswatch.views import Views
from tests.story import two_levels

NOW = datetime(2026, 11, 16, 13, 10, tzinfo=UTC)  # Monday, ten past two in Berlin
DAY = timedelta(days=1)
ORDERS = Check(
    "orders",
    "sql",
    ("db-1",),
    every=timedelta(minutes=1),
    timezone="Europe/Berlin",
    confirm=1,
    recover=1,
    limits={"orders_per_min": Limit(crit="< 1", baseline=Baseline(crit=4, side="below", min_change=10))},
)


class Bench:
    """Checks and the beat over a store of its own; looks are handed in."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        store = open_store(f"sqlite:{folder / 'opswatch.db'}")
        assert isinstance(store, SqlStore)
        self.store = store
        store.migrate()
        plan = replace(two_levels(), checks={"orders": ORDERS})
        self.desk = Desk(store, Engine(plan), lambda: self.now)
        self.checks = Checks(self.desk, store, lambda: self.now)
        self.views = Views(self.desk, store, lambda: self.now)
        self.beat = Beat(
            self.desk,
            store,
            [],
            lambda: self.now,
            facts=dict,
            deadman=lambda: None,
            samples_kept=timedelta(days=14),
            rollups_kept=timedelta(days=400),
        )

    def has_history(self, days: int) -> None:
        """About 48 orders a minute, looked at twice an hour."""
        chance = random.Random(3)
        begins = self.now.replace(minute=0) - days * DAY
        seen = [(begins + n * HOUR / 2, chance.gauss(48, 5)) for n in range(days * 48)]
        self.store.record_samples([("orders", "db-1", counted(at, orders)) for at, orders in seen])
        for _ in range(1_000):
            self.beat._roll_up(self.now)
            if self.beat._rolled_up is not None:
                return
        raise AssertionError("rolling up never ends")

    def sees(self, orders: float, unknown: UnknownReason | None = None) -> None:
        self.now += timedelta(seconds=60)
        verdict = counted(self.now, orders)
        self.checks._finish(Look(ORDERS, "db-1", 0.0), replace(verdict, unknown=unknown))

    def health(self) -> Health | None:
        return self.views.checks()[0].health


def counted(at: datetime, orders: float) -> Verdict:
    return Verdict(at, f"{orders:.0f} orders a minute", (Sample("orders_per_min", orders, "/min"),))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.store.close()


def test_five_weeks_teach_it_and_a_drop_is_found(bench: Bench):
    bench.has_history(days=35)
    bench.sees(45)
    assert bench.health() is Health.OK
    assert bench.views.checks()[0].notes == ()
    bench.sees(12)
    assert bench.health() is Health.CRIT
    with bench.desk.looking() as (state, _):
        (evidence, *_) = state.alerts["orders/db-1"].evidence
    assert evidence.startswith("orders_per_min 12 /min: ")
    assert "MAD below the usual 4" in evidence and evidence.endswith("for Mon 14:00")
    bench.sees(47)
    assert bench.health() is Health.OK


def test_nine_days_teach_it_too_little_and_it_says_so(bench: Bench):
    bench.has_history(days=9)
    bench.sees(12)
    assert bench.health() is Health.OK
    assert bench.views.checks()[0].as_json()["notes"] == ["orders_per_min: learning, 10 of 28 days"]
    bench.sees(0)
    assert bench.health() is Health.CRIT, "its fixed limit holds all the while"


def test_history_that_cannot_be_read_is_no_recovery(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    bench.has_history(days=35)
    bench.sees(12)
    bench.now += HOUR

    def away(*_: object) -> None:
        raise StoreUnavailable("the samples' file is damaged")

    monkeypatch.setattr(bench.store, "hours", away)
    bench.sees(45)
    row = bench.views.checks()[0]
    assert (row.health, row.seen) == (Health.UNKNOWN, Health.UNKNOWN)
    assert "cannot be read: the samples' file is damaged" in row.sentence
    bench.sees(0)
    assert bench.health() is Health.CRIT, "its fixed limit holds all the while"


def test_a_look_that_cannot_tell_asks_for_no_history(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bench.store, "hours", None)
    bench.sees(0, unknown=UnknownReason.TIMEOUT)
    assert bench.health() is Health.UNKNOWN


def test_the_beat_rolls_up_once_an_hour_is_over(bench: Bench):
    bench.has_history(days=1)
    first = bench.store.rolled_up()
    bench.now = NOW.replace(minute=59)
    bench.beat._roll_up(bench.now)
    assert bench.store.rolled_up() == first
    bench.now = NOW.replace(minute=0) + HOUR + timedelta(minutes=5)
    bench.beat._roll_up(bench.now)
    assert first is not None and bench.store.rolled_up() == first + HOUR


def test_history_that_cannot_be_rolled_up_does_not_stop_the_beat(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    def away(*_: object) -> None:
        raise StoreUnavailable("the samples' file is damaged")

    monkeypatch.setattr(bench.store, "roll_up", away)
    bench.beat._roll_up(NOW)
    monkeypatch.undo()
    bench.beat._roll_up(NOW + HOUR)
    assert bench.store.rolled_up() is not None


def test_what_is_too_much_for_one_turn_goes_on_in_the_next(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    left = [80_000, 80_000, 10]
    monkeypatch.setattr(bench.store, "prune", lambda *_, **__: left.pop(0))
    for _ in range(5):
        bench.beat._prune(NOW)
    assert left == []


def test_another_node_that_rolls_up_is_left_alone(bench: Bench):
    bench.store.record_samples([("orders", "db-1", counted(NOW - 3 * HOUR, 48))])
    assert bench.store.lease("rollups", "elsewhere", NOW, timedelta(minutes=10))
    bench.beat._roll_up(NOW)
    assert bench.store.rolled_up() is None
    bench.beat._roll_up(NOW + HOUR)
    assert bench.store.rolled_up() is not None
