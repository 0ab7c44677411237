"""Cron expressions in local time, on ordinary days and where clocks change."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from opswatch.core.calendars import check_cron, cron_between, next_cron, previous_cron, reading, zone
from tests.core.clock_changes import ZONES, changes
from tests.core.duty import utc

DAILY = ["0 0 * * *", "5 0 * * *", "30 0 * * *", "30 1 * * *", "0 2 * * *", "30 2 * * *", "0 3 * * *", "59 23 * * *"]
DAY = timedelta(days=1)
AROUND = 2 * DAY if "OPSWATCH_NIGHTLY" in os.environ else DAY


def said(runs, zone_name):
    return [f"{reading(run, zone_name):%d %H:%M}/{run:%H:%MZ}" for run in runs]


@pytest.mark.parametrize("zone_name", ZONES)
@pytest.mark.parametrize("expr", DAILY)
def test_a_daily_job_runs_once_per_local_date_around_every_change(zone_name, expr):
    for change in changes(zone_name):
        first = reading(change, zone_name).date() - 3 * DAY
        runs = cron_between(expr, zone_name, change - 6 * DAY, change + 6 * DAY)
        dates = [reading(run, zone_name).date() for run in runs]
        assert [day for day in dates if first <= day < first + 7 * DAY] == [first + DAY * n for n in range(7)], change


def test_a_daily_job_runs_once_on_each_of_sixteen_years_days():
    runs = cron_between("30 2 * * *", "Europe/Berlin", utc("2019-12-31T23:00:00Z"), utc("2035-12-31T23:00:00Z"))
    days = [reading(run, "Europe/Berlin").date() for run in runs]
    assert days == [date(2020, 1, 1) + DAY * n for n in range(len(days))]
    assert days[-1] == date(2035, 12, 31)


@pytest.mark.parametrize("zone_name", ZONES)
def test_a_job_by_the_clock_runs_when_the_clock_reads_it(zone_name):
    """Against every minute around each change of five years."""
    for change in changes(zone_name, until=2025):
        minutes = [change - AROUND + timedelta(minutes=n) for n in range(2 * AROUND // timedelta(minutes=1))]
        clock = [(at, at.astimezone(zone(zone_name))) for at in minutes]
        for expr, steps in (("0 */2 * * *", (0, 2)), ("*/30 1 * * *", None), ("45 * * * *", (45, 1))):
            found = cron_between(expr, zone_name, minutes[0], minutes[-1] + timedelta(minutes=1))
            if steps is None:
                expected = [at for at, read in clock if read.hour == 1 and read.minute % 30 == 0]
            else:
                expected = [at for at, read in clock if read.minute == steps[0] and read.hour % steps[1] == 0]
            assert found == expected, (change, expr)


def test_what_is_jumped_over_runs_at_the_jump_and_what_comes_twice_runs_first():
    berlin = "Europe/Berlin"
    march = cron_between("30 2 * * *", berlin, utc("2026-03-28T00:00:00Z"), utc("2026-03-31T00:00:00Z"))
    assert said(march, berlin) == ["28 02:30/01:30Z", "29 03:00/01:00Z", "30 02:30/00:30Z"]
    october = cron_between("30 2 * * *", berlin, utc("2026-10-24T00:00:00Z"), utc("2026-10-27T00:00:00Z"))
    assert said(october, berlin) == ["24 02:30/00:30Z", "25 02:30/00:30Z", "26 02:30/01:30Z"]
    both = cron_between("0,30 2 * * *", berlin, utc("2026-03-29T00:00:00Z"), utc("2026-03-30T00:00:00Z"))
    assert said(both, berlin) == ["29 03:00/01:00Z"]


def test_a_job_by_the_clock_keeps_the_half_hour_zone():
    runs = cron_between("0 */2 * * *", "Australia/Lord_Howe", utc("2021-04-03T13:00:00Z"), utc("2021-04-03T20:00:00Z"))
    assert said(runs, "Australia/Lord_Howe") == [
        "04 00:00/13:00Z",
        "04 02:00/15:30Z",
        "04 04:00/17:30Z",
        "04 06:00/19:30Z",
    ]


def test_both_passes_of_a_rare_repeated_hour_run():
    runs = cron_between("*/30 1 1 11 *", "America/Chicago", utc("2020-01-24T00:00:00Z"), utc("2021-12-01T00:00:00Z"))
    assert [f"{run:%Y %H:%M}" for run in runs] == [
        "2020 06:00",
        "2020 06:30",
        "2020 07:00",
        "2020 07:30",
        "2021 06:00",
        "2021 06:30",
    ]


def test_the_next_run_is_always_in_the_future():
    inside_the_second_pass = utc("2020-11-01T07:45:00Z")  # 01:45 for the second time.
    assert next_cron("50 1 * * *", "America/Chicago", inside_the_second_pass) == utc("2020-11-02T07:50:00Z")
    assert (
        next(CronSim("50 1 * * *", inside_the_second_pass.astimezone(zone("America/Chicago")))) < inside_the_second_pass
    )


def test_the_edges_of_a_span_are_start_and_not_end():
    noon = utc("2026-01-05T12:00:00Z")
    assert cron_between("0 12 * * *", "UTC", noon, noon + DAY) == [noon]
    assert cron_between("0 12 * * *", "UTC", noon + timedelta(microseconds=1), noon + DAY) == []
    assert next_cron("0 12 * * *", "UTC", noon) == noon + DAY
    assert next_cron("0 12 * * *", "UTC", noon - timedelta(microseconds=1)) == noon
    assert previous_cron("0 12 * * *", "UTC", noon) == noon
    assert previous_cron("0 12 * * *", "UTC", noon - timedelta(microseconds=1)) == noon - DAY


def test_the_previous_run_is_found_behind_a_change():
    chicago = "America/Chicago"
    assert previous_cron("50 1 * * *", chicago, utc("2020-11-01T07:15:00Z")) == utc("2020-11-01T06:50:00Z")
    assert previous_cron("30 2 * * *", chicago, utc("2020-03-08T08:00:00Z")) == utc("2020-03-08T08:00:00Z")
    assert previous_cron("30 2 * * *", chicago, utc("2020-03-08T07:59:00Z")) == utc("2020-03-07T08:30:00Z")
    assert previous_cron("0 0 29 2 *", chicago, utc("2023-03-08T08:00:00Z")) == utc("2020-02-29T06:00:00Z")


def test_day_of_month_or_weekday():
    runs = cron_between("0 9 13 * fri", "UTC", utc("2026-02-01T00:00:00Z"), utc("2026-02-21T00:00:00Z"))
    assert [run.day for run in runs] == [6, 13, 20]


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        ("", "0 fields; write five fields"),
        ("30 7 * *", "4 fields; write five fields"),
        ("0 30 7 * * *", "6 fields; write five fields"),
        ("0 25 * * *", "bad hour; write five fields"),
        ("0 0 * * fry", "bad day-of-week"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("*/0 * * * *", "bad minute"),
    ],
)
def test_an_expression_that_cannot_run_is_refused_in_words(expr, words):
    with pytest.raises(ValueError) as refusal:
        check_cron(expr)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    "expr", ["30 7 * * mon-fri", "*/5 * * * *", "0 2 * * SUN", "0 0 29 2 *", "0 0 L * *", "0 0 * 2 mon#5"]
)
def test_an_expression_that_runs_is_taken(expr):
    check_cron(expr)


RARE = {"0 0 1 * *": 40, "10 1 * * sun": 9}  # How many days around hold a run on either side.


@given(
    zone_name=st.sampled_from(ZONES),
    expr=st.sampled_from(["30 2 * * *", "*/20 * * * *", "15 */3 * * *", "0,30 0-3 * * *", *RARE]),
    which=st.integers(0, 99),
    minutes=st.integers(-1500, 1500),
)
def test_next_previous_and_between_agree(zone_name, expr, which, minutes):
    near = changes(zone_name) or [datetime(2026, 3, 29, 1, tzinfo=UTC)]
    at = near[which % len(near)] + timedelta(minutes=minutes, seconds=minutes % 60)
    around = RARE.get(expr, 2) * DAY
    runs = cron_between(expr, zone_name, at - around, at + around)
    assert all(one < other for one, other in pairwise(runs))
    assert next_cron(expr, zone_name, at) == min(run for run in runs if run > at)
    assert previous_cron(expr, zone_name, at) == max(run for run in runs if run <= at)
