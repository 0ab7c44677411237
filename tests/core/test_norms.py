"""What is usual at this hour: which past hours teach it, across clock changes and holidays, and what they say."""

from __future__ import annotations

import statistics
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from opswatch.core.calendars import reading
from opswatch.core.norms import DAYS_NEEDED, HOUR, HOURS_NEEDED, Hour, Norm, hour_of, hours_like, norm, slot
from opswatch.core.plan import DayCalendar

WEEK = timedelta(weeks=1)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Shanghai")
NATIONAL_DAY = DayCalendar(
    "cn",
    holidays=frozenset(date(2026, 10, day) for day in range(1, 8)),
    worked=frozenset({date(2026, 9, 20), date(2026, 10, 10)}),
    years=frozenset({2026}),
)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def taught(mean: float, deviation: float = 0.0) -> Hour:
    return Hour(utc(2026, 1, 5), "orders", mean - deviation, mean + deviation, mean, deviation, 60)


# ---------------------------------------------------------------------------------------------------------------------
# Which hours


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), st.sampled_from(ZONES))  # noqa: DTZ001 - made aware
def test_every_hour_that_teaches_reads_the_same_on_the_local_clock(naive: datetime, zone: str):
    at = naive.replace(tzinfo=UTC)
    found = hours_like(at, zone)
    assert found == sorted(set(found), reverse=True)
    assert 7 <= len(found) <= 9, "eight weeks; clock changes take an hour or give one"
    for hour in found:
        assert hour == hour_of(hour) and timedelta(0) < at - hour <= 8 * WEEK + 2 * HOUR
        there, here = reading(hour, zone), reading(hour_of(at), zone)
        between = (here - there) % WEEK
        assert min(between, WEEK - between) <= timedelta(minutes=30), "half an hour where clocks change by that much"


def test_an_hour_keeps_its_local_name_when_clocks_change():
    """Berlin sets its clocks forward on 29 March 2026: Monday 14:00 moves from 13:00 to 12:00 UTC."""
    found = hours_like(utc(2026, 4, 13, 12, 34), "Europe/Berlin")
    assert [hour.hour for hour in found] == [12, 12, 13, 13, 13, 13, 13, 13]
    assert {hour.weekday() for hour in found} == {0}
    assert slot(utc(2026, 4, 13, 12, 34), "Europe/Berlin") == "Mon 14:00"


def test_an_hour_that_clocks_jump_over_teaches_nothing_and_one_that_comes_twice_teaches_twice():
    spring = hours_like(utc(2026, 4, 12, 0, 30), "Europe/Berlin")  # Sunday 02:30
    assert utc(2026, 3, 29, 0) not in spring and utc(2026, 3, 29, 1) not in spring and len(spring) == 7
    autumn = hours_like(utc(2026, 11, 8, 1, 30), "Europe/Berlin")  # Sunday 02:30
    assert {utc(2026, 10, 25, 0), utc(2026, 10, 25, 1)} <= set(autumn) and len(autumn) == 9


def test_half_hours_are_named_by_what_the_clock_reads_as_the_hour_begins():
    assert slot(utc(2026, 11, 16, 14, 45), "Asia/Kolkata") == "Mon 19:30"
    assert hours_like(utc(2026, 11, 16, 14, 45), "Asia/Kolkata")[0] == utc(2026, 11, 9, 14)


def test_holidays_are_judged_like_sundays_and_teach_nobody():
    thursday_off = utc(2026, 10, 1, 6)  # 14:00 in Shanghai
    assert slot(thursday_off, "Asia/Shanghai", NATIONAL_DAY) == "Sun 14:00, as on a holiday"
    found = hours_like(thursday_off, "Asia/Shanghai", NATIONAL_DAY)
    assert found[0] == utc(2026, 9, 27, 6), "the last Sunday"
    assert utc(2026, 9, 20, 6) not in found, "that Sunday was worked"
    later = hours_like(utc(2026, 10, 15, 6), "Asia/Shanghai", NATIONAL_DAY)  # an ordinary Thursday
    assert utc(2026, 10, 8, 6) in later and utc(2026, 10, 1, 6) not in later


def test_a_worked_weekend_day_is_judged_like_the_weekday_beside_it():
    saturday = utc(2026, 10, 10, 6)
    assert slot(saturday, "Asia/Shanghai", NATIONAL_DAY) == "Fri 14:00, as on a worked weekend day"
    assert hours_like(saturday, "Asia/Shanghai", NATIONAL_DAY)[0] == utc(2026, 10, 9, 6)
    assert slot(utc(2026, 9, 20, 6), "Asia/Shanghai", NATIONAL_DAY) == "Mon 14:00, as on a worked weekend day"


# ---------------------------------------------------------------------------------------------------------------------
# What they say


def test_an_outage_in_one_of_the_weeks_moves_nothing():
    quiet = norm([taught(48, 5) for _ in range(8)], 56, "Mon 14:00")
    with_outage = norm([taught(0, 0)] + [taught(48, 5) for _ in range(7)], 56, "Mon 14:00")
    assert (with_outage.usual, with_outage.mad) == (quiet.usual, quiet.mad)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9), st.floats(-1e6, 1e6), st.floats(0.001, 1000))
def test_moving_or_stretching_the_values_moves_or_stretches_what_is_usual(means: list[float], by: float, times: float):
    before = norm([taught(mean) for mean in means], 56, "")
    expected = statistics.median(means)
    spread = statistics.median(abs(mean - expected) for mean in means)
    assert before.usual == expected
    assert before.mad == max(spread, abs(expected) * 0.01)
    moved = norm([taught(mean * times + by) for mean in means], 56, "")
    assert abs(moved.usual - (before.usual * times + by)) <= 1e-6 * (1 + abs(moved.usual))


def test_noise_within_the_hour_widens_it_as_much_as_it_does_for_single_looks():
    """A hundred orders give or take ten: the MAD of single looks is 6.7, that of hourly means almost nothing."""
    assert abs(norm([taught(100, 10) for _ in range(8)], 56, "").mad - 6.745) < 0.01


def test_it_says_how_much_it_has_learnt():
    assert not Norm(48, 1, 8, 9, "Mon 14:00").is_learnt
    assert Norm(48, 1, 8, 9, "Mon 14:00").progress == "learning, 9 of 28 days"
    assert Norm(48, 1, 2, 40, "Mon 14:00").progress == "learning, 2 of 3 hours like Mon 14:00"
    assert Norm(48, 1, HOURS_NEEDED, DAYS_NEEDED, "Mon 14:00").is_learnt
    assert norm([], 40, "Mon 14:00").hours == 0
