"""Roll-ups: one row per series and hour, the same as anybody would compute from the values, on both databases."""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from opswatch.core.model import Sample, Verdict
from opswatch.core.norms import HOUR, Hour
from opswatch.stores import Store, open_store, rollups

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
Look = tuple[str, str, Verdict]


def look(at: datetime, check: str = "disk", target: str = "host", **samples: float) -> Look:
    """One look; `used__var=3` is the sample `used` of the item `/var`."""
    parts = ((name.partition("__"), value) for name, value in samples.items())
    seen = tuple(Sample(name, value, "%", f"/{item}" if item else "") for (name, _, item), value in parts)
    return check, target, Verdict(at, "fine", samples=seen, took_s=0.5)


def rolls_up(store: Store, now: datetime, **more: timedelta) -> int:
    """Until it is done; in how many calls."""
    for calls in range(1, 10_000):
        if store.roll_up(now, **more):
            return calls
    raise AssertionError("it never ends")


def recomputed(looks: Iterable[Look]) -> dict[tuple[str, str, str, str, datetime], tuple[float, ...]]:
    """By hand: what each hour of each series comes to."""
    values: dict[tuple[str, str, str, str, datetime], dict[datetime, float]] = defaultdict(dict)
    for check, target, verdict in looks:
        for sample in (*verdict.samples, Sample("took_s", verdict.took_s, "s")):
            hour = verdict.at.replace(minute=0, second=0, microsecond=0)
            values[check, target, sample.item, sample.name, hour].setdefault(verdict.at, sample.value)
    return {
        key: (min(v), max(v), statistics.fmean(v), statistics.pstdev(v), len(v))
        for key, v in ((key, list(seen.values())) for key, seen in values.items())
    }


def stored(store: Store, check: str, target: str) -> dict[tuple[str, str, str, str, datetime], tuple[float, ...]]:
    hours = store.hours(check, target, START - DAY, START + 900 * DAY)
    return {(check, target, h.item, h.name, h.at): (h.least, h.most, h.mean, h.deviation, h.looks) for h in hours}


def test_roll_ups_are_what_anybody_would_compute_from_the_values(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rollups, "PAGE", 3)  # Several pages per hour, and several calls.
    chance = random.Random(7)
    looks = [
        look(
            START + timedelta(seconds=chance.randrange(9 * 3600)), check, target, used=chance.gauss(50, 9), used__var=n
        )
        for check, target in (("disk", "a"), ("disk", "b"), ("load", "a"))
        for n in range(70)
    ]
    store.record_samples(looks)
    assert rolls_up(store, START + 9 * HOUR + timedelta(minutes=6)) > 1
    expected = recomputed(looks)
    found = {**stored(store, "disk", "a"), **stored(store, "disk", "b"), **stored(store, "load", "a")}
    assert found.keys() == expected.keys()
    for key, numbers in expected.items():
        assert found[key] == pytest.approx(numbers, rel=1e-12, abs=1e-9), key


def test_an_hour_is_rolled_up_when_it_is_over_and_again_for_what_came_late(store: Store):
    store.record_samples([look(START + timedelta(minutes=30), used=10)])
    rolls_up(store, START + HOUR + timedelta(minutes=4))
    assert store.hours("disk", "host", START, START + DAY) == []
    rolls_up(store, START + HOUR + timedelta(minutes=5))
    store.record_samples([look(START + timedelta(minutes=59), used=30)])
    rolls_up(store, START + 2 * HOUR + timedelta(minutes=5))
    assert store.hours("disk", "host", START, START + DAY, "used") == [Hour(START, "used", 10, 30, 20, 10, 2, "%")]


def test_rolling_up_again_or_by_two_nodes_changes_nothing(store_url: str):
    first, second = open_store(store_url), open_store(store_url, checkpoints=False)
    first.migrate()
    looks = [look(START + timedelta(minutes=n), used=n) for n in range(0, 600, 7)]
    first.record_samples(looks)
    now = START + 10 * HOUR + timedelta(minutes=5)
    done = [False, False]
    while not all(done):
        done = [first.roll_up(now), second.roll_up(now)]
    assert stored(first, "disk", "host").keys() == recomputed(looks).keys()
    before = stored(second, "disk", "host")
    rolls_up(second, now)
    rolls_up(first, now + HOUR)
    assert stored(first, "disk", "host") == before
    first.close()
    second.close()


def test_a_restart_goes_on_where_it_was_and_spans_without_values_are_jumped_over(
    store_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rollups, "PAGES_MAX", 3)
    store = open_store(store_url)
    store.migrate()
    looks = [look(START + n * HOUR, used=n) for n in range(5)] + [look(START + 300 * DAY, used=9)]
    store.record_samples(looks)
    assert not store.roll_up(START + 301 * DAY)
    store.close()
    again = open_store(store_url)
    assert rolls_up(again, START + 301 * DAY) <= 6  # Not seven thousand empty hours.
    assert stored(again, "disk", "host").keys() == recomputed(looks).keys()
    again.close()


def test_values_go_only_once_their_hour_is_rolled_up(store: Store):
    store.record_samples([look(START, used=1)])
    rolls_up(store, START + 3 * HOUR)
    late = [look(START + 5 * HOUR + timedelta(minutes=n), used=n) for n in range(50)]
    store.record_samples(late)
    assert store.prune(START + 40 * DAY) == 2  # The daemon was down for long: the late ones wait for their turn.
    assert len(store.samples("disk", "host", START, START + DAY)) == 100
    rolls_up(store, START + 40 * DAY)
    assert store.prune(START + 40 * DAY) == 100
    assert [hour.looks for hour in store.hours("disk", "host", START, START + DAY, "used")] == [1, 50]


def test_hours_go_after_their_own_time_and_a_series_with_nothing_left_goes_too(store: Store):
    store.record_samples([look(START + n * HOUR, used=n) for n in range(30)])
    store.record_samples([look(START + 9 * DAY, "load", "host", load1=1)])
    rolls_up(store, START + 2 * DAY)
    assert len(store.hours("disk", "host", START, START + 9 * DAY, "used")) == 30
    rolls_up(store, START + 9 * DAY + 2 * HOUR, kept=7 * DAY)
    assert len(store.hours("disk", "host", START, START + 9 * DAY, "used")) == 30 - rollups.FORGET_BATCH
    store.record_samples([look(START + 9 * DAY + 3 * HOUR, "load", "host", load1=1)])
    rolls_up(store, START + 9 * DAY + 5 * HOUR, kept=7 * DAY)
    assert store.hours("disk", "host", START, START + 9 * DAY, "used") == []
    assert store.days_with_values("load", "host", START, START + 20 * DAY) == {("", "load1"): 1, ("", "took_s"): 1}
    store.prune(START + 9 * DAY + 5 * HOUR, samples=DAY)
    assert store.days_with_values("disk", "host", START, START + 20 * DAY) == {}


def test_days_are_counted_once_and_what_is_no_measurement_is_left_out(store: Store):
    store.record_samples([look(START + n * timedelta(hours=9), used=float("inf"), used__a=1e300) for n in range(8)])
    store.record_samples([look(START + n * timedelta(hours=9), used__b=4) for n in range(8)])
    rolls_up(store, START + 5 * DAY)
    days = store.days_with_values("disk", "host", START, START + 5 * DAY)
    assert days == {("/b", "used"): 3, ("", "took_s"): 3}


def test_names_that_no_column_could_hold_come_back(store: Store):
    odd = Verdict(START, "fine", samples=(Sample("used", 4, "%", "/mnt/\udcff\x00"),))
    store.record_samples([("disk", "host", odd)])
    rolls_up(store, START + 2 * HOUR)
    assert {hour.item for hour in store.hours("disk", "host", START, START + DAY)} == {"", "/mnt/\udcff\x00"}
