"""What a value did, from looks and from hours alike; and what is usual, asked of a real store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from opswatch.core.model import Sample, Verdict
from opswatch.core.norms import HOUR
from opswatch.core.plan import Baseline, Check, DayCalendar, Limit
from opswatch.stores import Store
from opswatch.stores.histories import history
from opswatch.stores.norms import Norms
from tests.stores.test_rollups import rolls_up

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
DAY = timedelta(days=1)
LAST = 28 * 8 + 4  # the number of the last look
DISK = Check("disk", "disk", ("host",), limits={"used_pct": Limit("> 80", "> 90", 3)})


def saw(at: datetime, value: float, item: str = "/", name: str = "used_pct") -> tuple[str, str, Verdict]:
    return "disk", "host", Verdict(at, "fine", samples=(Sample(name, value, "%", item),))


@pytest.fixture
def growing(store: Store) -> Iterator[tuple[Store, datetime]]:
    """Four weeks of a disk that grows by one point a day from 50 %, looked at every three hours; it is 12:20 now."""
    now = START + 28 * DAY + timedelta(hours=12, minutes=20)
    store.record_samples([saw(START + 3 * n * HOUR, 50 + n / 8) for n in range(LAST + 1)])
    store.record_samples([saw(START + n * DAY, 7, "/var") for n in range(29)])
    rolls_up(store, now)
    yield store, now


def test_a_month_is_told_by_hours_and_a_day_by_looks(growing: tuple[Store, datetime]):
    store, now = growing
    month = history(store, DISK, "host", "used_pct", "/", START, now, now)
    assert len(month.values) == LAST + 1, "the hours of today that are not rolled up yet too"
    assert month.values[0] == (START, 50, 50)
    assert month.summary is not None
    assert (month.summary.least, month.summary.last, month.summary.looks) == (50, 50 + LAST / 8, LAST + 1)
    assert month.unit == "%"
    day = history(store, DISK, "host", "used_pct", "/", now - DAY, now, now)
    assert len(day.values) == 8 and all(low == high for _, low, high in day.values)


def test_the_same_numbers_whether_from_looks_or_from_hours(growing: tuple[Store, datetime]):
    store, now = growing
    begins = START + 26 * DAY
    short = history(store, DISK, "host", "used_pct", "/", begins, begins + 2 * DAY, now).summary
    store.prune(now, samples=timedelta(hours=2))
    hours = history(store, DISK, "host", "used_pct", "/", begins, begins + 2 * DAY, now).summary
    assert short is not None and hours is not None
    assert (hours.least, hours.most, hours.looks) == (short.least, short.most, short.looks)
    assert hours.mean == pytest.approx(short.mean)


def test_where_it_is_heading(growing: tuple[Store, datetime]):
    store, now = growing
    ahead = history(store, DISK, "host", "used_pct", "/", now - DAY, now, now).ahead
    assert ahead is not None
    assert ahead.left / DAY == pytest.approx(90 - (50 + LAST / 8), abs=1)
    assert history(store, DISK, "host", "used_pct", "/var", START, now, now).ahead is None
    later = now + 3 * DAY
    assert history(store, DISK, "host", "used_pct", "/", START, later, later).ahead is None, "not looked at lately"


def test_no_peak_is_lost_in_a_sparkline_and_gaps_are_gaps(growing: tuple[Store, datetime]):
    store, now = growing
    store.record_samples([saw(START + 9 * DAY + timedelta(minutes=7), 99)])
    month = history(store, DISK, "host", "used_pct", "/", START - 2 * DAY, now, now)
    pieces = month.stretches(30)
    assert [piece.most for piece in pieces[:1]] == [None] and pieces[-1].most == 50 + LAST / 8
    assert month.limits == (90,)


def test_what_nobody_measured_has_no_history(store: Store):
    found = history(store, DISK, "host", "used_pct", "/", START, START + DAY, START + DAY)
    assert (found.values, found.summary, found.ahead, found.unit) == ((), None, None, "")
    assert store.measured("disk", "host") == []


def test_everything_that_was_measured_is_listed(growing: tuple[Store, datetime]):
    store, _ = growing
    assert store.measured("disk", "host") == [
        ("", "took_s", "s"),
        ("/", "used_pct", "%"),
        ("/var", "used_pct", "%"),
    ]


# ---------------------------------------------------------------------------------------------------------------------
# What is usual


ORDERS = Check(
    "disk",
    "sql",
    ("host",),
    timezone="Asia/Shanghai",
    calendar="cn",
    limits={"orders": Limit(baseline=Baseline(warn=4))},
)


def test_what_is_usual_is_asked_once_an_hour_and_knows_holidays(store: Store):
    """Forty orders on weekdays, ten on Sundays, for six weeks; one Monday was a holiday with nothing at all."""
    closed = (START + 21 * DAY).date()
    calendar = DayCalendar("cn", holidays=frozenset({closed}))

    def orders(at: datetime) -> float:
        local = at + 8 * HOUR
        return 0 if local.date() == closed else 10 if local.weekday() == 6 else 40

    begins = START - 8 * HOUR
    store.record_samples(
        [saw(begins + n * HOUR, orders(begins + n * HOUR), "", "orders") for n in range(42 * 24) if n % 24 < 3]
        + [saw(begins + n * DAY, 1, "new", "orders") for n in range(30, 42)]
    )
    now = begins + 42 * DAY + timedelta(minutes=15)  # Monday 00:15 in Shanghai
    rolls_up(store, now)
    norms = Norms(store)
    found = norms.of(ORDERS, "host", calendar, now)
    usual = found["", "orders"]
    assert (usual.usual, usual.hours, usual.slot, usual.is_learnt) == (40, 5, "Mon 00:00", True)
    assert usual.days == 42
    assert found["new", "orders"].progress == "learning, 12 of 28 days"
    assert ("", "took_s") not in found
    assert norms.of(ORDERS, "host", calendar, now + timedelta(minutes=40)) is found
    assert norms.of(ORDERS, "host", calendar, now + HOUR)["", "orders"].slot == "Mon 01:00"
    sunday_like = DayCalendar("cn", holidays=frozenset({closed, (now + 8 * HOUR).date()}))
    assert Norms(store).of(ORDERS, "host", sunday_like, now)["", "orders"].usual == 10


def test_a_check_without_a_baseline_asks_nothing(store: Store):
    store.close()
    assert Norms(store).of(DISK, "host", None, START) == {}
