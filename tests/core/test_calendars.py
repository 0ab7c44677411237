"""Local time into instants: clock changes, windows, workdays, conditions."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from opswatch.core.calendars import (
    covers,
    first_covered,
    instant,
    is_workday,
    parse_window,
    pieces,
    reading,
    say_window,
    when_holds,
    when_next,
    zone,
)
from opswatch.core.model import Priority
from opswatch.core.plan import DayCalendar, When
from tests.core.duty import local, utc, windows

# In 2026 the Chinese New Year holiday took 16-23 February; Saturdays 14 and 28 February were worked for it (调休).
CHINA = DayCalendar(
    "cn",
    holidays=frozenset(date(2026, 2, day) for day in range(16, 24)),
    worked=frozenset({date(2026, 2, 14), date(2026, 2, 28)}),
    years=frozenset({2026}),
)


@pytest.mark.parametrize(
    ("name", "clock", "first", "last"),
    [
        ("Europe/Berlin", "2026-03-29T01:59", "2026-03-29T00:59:00Z", None),
        ("Europe/Berlin", "2026-03-29T02:00", "2026-03-29T01:00:00Z", None),
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00:00Z", None),
        ("Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00:00Z", None),
        ("Europe/Berlin", "2026-10-25T01:59", "2026-10-24T23:59:00Z", None),
        ("Europe/Berlin", "2026-10-25T02:00", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"),
        ("Europe/Berlin", "2026-10-25T02:59:59.500", "2026-10-25T00:59:59.500Z", "2026-10-25T01:59:59.500Z"),
        ("Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00:00Z", None),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30:00Z", None),
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"),
        ("Africa/Cairo", "2026-04-24T00:20", "2026-04-23T22:00:00Z", None),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00:00Z", None),  # A whole day was jumped over.
        ("Asia/Shanghai", "2026-03-29T02:30", "2026-03-28T18:30:00Z", None),
    ],
)
def test_a_reading_means_one_instant_or_two(name, clock, first, last):
    assert instant(local(clock), name) == utc(first)
    assert instant(local(clock), name, last=True) == utc(last or first)


def test_an_unknown_zone_is_refused_in_words():
    for name in ("Mars/Olympus", "", "../etc/passwd", "Europe"):
        with pytest.raises(ValueError, match="write an IANA name such as 'Asia/Shanghai'"):
            zone(name)


# ---------------------------------------------------------------------------------------------------------------------
# Windows as people write them


@pytest.mark.parametrize(
    ("days", "start", "end", "said"),
    [
        ("mon-fri", "09:00", "17:00", "mon-fri 09:00-17:00"),
        ("Mon - Fri", "9:00", "17:00", "mon-fri 09:00-17:00"),
        ("sat,sun", "00:00", "00:00", "sat,sun 00:00-24:00"),
        ("saturday, Sunday", "00:00", "24:00", "sat,sun 00:00-24:00"),
        ("fri-mon", "22:00", "06:00", "mon,fri-sun 22:00-06:00"),
        (["mon", "wed"], "08:00:30", "09:00", "mon,wed 08:00:30-09:00"),
        ("workdays", "09:00", "18:00", "workdays 09:00-18:00"),
        ("restdays", "08:00", "08:00", "restdays 08:00-08:00"),
        ("all", "22:00", "06:00", "every day 22:00-06:00"),
        (None, "22:00", "06:00", "every day 22:00-06:00"),
        ("1,15", "09:00", "10:00", "days 1,15 of the month 09:00-10:00"),
        ([1, 15], "09:00", "10:00", "days 1,15 of the month 09:00-10:00"),
        ("1..4", "10:30", "11:00", "days 1..4 of the month 10:30-11:00"),
        ("-3..-1", "00:00", "00:00", "days -3..-1 of the month 00:00-24:00"),
        (None, "fri 20:00", "mon 08:00", "fri 20:00 to mon 08:00"),
        (None, "Friday 20:00", "mon 00:00", "fri 20:00 to mon 00:00"),
    ],
)
def test_windows_are_read_and_said(days, start, end, said):
    assert say_window(parse_window(days, start, end)) == said


@pytest.mark.parametrize(
    ("days", "start", "end", "words"),
    [
        ("mon-fry", "09:00", "17:00", "'mon-fry' names no day; write 'mon-fri'"),
        ("", "09:00", "17:00", "'' names no day"),
        ([], "09:00", "17:00", "names no day"),
        ("0", "09:00", "17:00", "'0' is no day of a month"),
        ("1..32", "09:00", "17:00", "'1..32' is no day of a month"),
        ("4..1", "09:00", "17:00", "nor a rising range"),
        ("-3..1", "09:00", "17:00", "nor a rising range"),
        ("1,mon", "09:00", "17:00", "cannot be mixed"),
        ("workdays,sat", "09:00", "17:00", "cannot be mixed"),
        ("mon-", "09:00", "17:00", "'mon-' names no day"),
        ("mon", "9", "17:00", "from = '9': write a local time such as '09:00'"),
        ("mon", "09:00", "25:00", "to = '25:00': no clock reads that"),
        ("mon", "24:00", "08:00", "from = '24:00': no clock reads that"),
        ("mon", "09:00", "17:60", "no clock reads that"),
        (None, "fri 20:00", "08:00", "only one of them names a weekday"),
        (None, "fry 20:00", "mon 08:00", "from = 'fry 20:00': write"),
        ("fri", "fri 20:00", "mon 08:00", "names the day already; leave `days` out"),
    ],
)
def test_a_window_that_cannot_be_read_is_refused_in_words(days, start, end, words):
    with pytest.raises(ValueError) as refusal:
        parse_window(days, start, end)
    assert words in str(refusal.value)


# ---------------------------------------------------------------------------------------------------------------------
# What a window covers


def said(day, name, start, end, calendar=None):
    """Pieces as readings of the zone's clocks with their length in hours."""
    return [
        f"{reading(opens, name):%a %d %H:%M} {(closes - opens) / timedelta(hours=1):g} h"
        for opens, closes in pieces(parse_window(*day), name, calendar, utc(start), utc(end))
    ]


def test_pieces_are_whole_and_in_order():
    found = said(("mon-fri", "22:00", "06:00"), "Europe/Berlin", "2026-01-09T03:00:00Z", "2026-01-12T21:00:01Z")
    assert found == ["Thu 08 22:00 8 h", "Fri 09 22:00 8 h", "Mon 12 22:00 8 h"]
    assert said(("all", "09:00", "17:00"), "UTC", "2026-01-09T17:00:00Z", "2026-01-10T09:00:00Z") == []


def test_a_window_of_several_days_is_one_piece():
    berlin = ("Europe/Berlin", "2026-03-27T00:00:00Z", "2026-04-01T00:00:00Z")
    assert said((None, "fri 20:00", "mon 08:00"), *berlin) == ["Fri 27 20:00 59 h"]  # The clocks went forward.
    assert said((None, "fri 09:00", "fri 17:00"), *berlin) == ["Fri 27 09:00 8 h"]
    assert said((None, "mon 09:00", "mon 09:00"), *berlin) == ["Mon 23 09:00 167 h", "Mon 30 09:00 168 h"]


def test_a_window_is_never_shorter_than_written_where_clocks_are_set_back():
    night = ("Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z")
    assert said(("sun", "02:15", "02:45"), *night) == ["Sun 25 02:15 1.5 h"]
    assert said(("sat", "22:00", "02:30"), *night) == ["Sat 24 22:00 5.5 h"]


def test_a_window_that_clocks_jump_over_does_not_occur():
    night = ("Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z")
    assert said(("sun", "02:15", "02:45"), *night) == []
    assert said(("sun", "02:15", "03:15"), *night) == ["Sun 29 03:00 0.25 h"]


def test_days_of_the_month_count_from_both_ends():
    february = ("UTC", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z")
    assert said(("-2..-1", "09:00", "10:00"), *february) == ["Wed 28 09:00 1 h", "Thu 29 09:00 1 h"]
    assert said(("30,31", "09:00", "10:00"), *february) == []


def test_workdays_leave_holidays_out_and_take_worked_weekends_in():
    assert not is_workday(date(2026, 2, 16), CHINA)  # A Monday of the holiday.
    assert is_workday(date(2026, 2, 14), CHINA)  # A Saturday that is worked.
    assert not is_workday(date(2026, 2, 15), CHINA)
    assert is_workday(date(2026, 2, 16), None)
    weeks = ("Asia/Shanghai", "2026-02-12T16:00:00Z", "2026-02-24T16:00:00Z", CHINA)
    assert said(("workdays", "09:00", "10:00"), *weeks) == ["Fri 13 09:00 1 h", "Sat 14 09:00 1 h", "Tue 24 09:00 1 h"]
    assert len(said(("restdays", "09:00", "10:00"), *weeks)) == 9
    assert len(said(("mon-fri", "09:00", "10:00"), *weeks)) == 8  # Weekday names ignore calendars.


def test_a_window_covers_its_start_but_not_its_end():
    office = windows(("mon-fri", "09:00", "17:00"))
    assert not covers(office, "Asia/Shanghai", None, utc("2026-01-05T00:59:59Z"))
    assert covers(office, "Asia/Shanghai", None, utc("2026-01-05T01:00:00Z"))
    assert covers(office, "Asia/Shanghai", None, utc("2026-01-05T08:59:59Z"))
    assert not covers(office, "Asia/Shanghai", None, utc("2026-01-05T09:00:00Z"))
    assert not covers((), "UTC", None, utc("2026-01-05T09:00:00Z"))


def test_the_first_covered_instant_is_found_within_the_horizon():
    day = windows(("workdays", "08:00", "22:00"))
    friday_night = utc("2026-02-13T15:00:00Z")
    assert first_covered(day, "Asia/Shanghai", CHINA, friday_night) == utc("2026-02-14T00:00:00Z")
    assert first_covered(day, "Asia/Shanghai", CHINA, utc("2026-02-14T15:00:00Z")) == utc("2026-02-24T00:00:00Z")
    inside = utc("2026-02-13T05:00:00Z")
    assert first_covered(day, "Asia/Shanghai", CHINA, inside) == inside
    assert first_covered((), "UTC", None, inside) is None
    leap_day_ends = windows(("31", "08:00", "09:00"))
    assert first_covered(leap_day_ends, "UTC", None, inside, horizon=timedelta(days=30)) is None


# ---------------------------------------------------------------------------------------------------------------------
# Conditions


def test_a_condition_holds_on_local_time_and_priority():
    when = When(windows(("workdays", "08:00", "20:00")), "Asia/Shanghai", "cn", frozenset({Priority.P0, Priority.P1}))
    calendars = {"cn": CHINA}
    worked_saturday, holiday = utc("2026-02-14T03:00:00Z"), utc("2026-02-16T03:00:00Z")
    assert when_holds(when, calendars, Priority.P1, worked_saturday)
    assert not when_holds(when, calendars, Priority.P2, worked_saturday)
    assert not when_holds(when, calendars, Priority.P1, holiday)
    assert when_next(when, calendars, Priority.P1, worked_saturday) == worked_saturday
    assert when_next(when, calendars, Priority.P1, holiday) == utc("2026-02-24T00:00:00Z")
    assert when_next(when, calendars, Priority.P2, holiday) is None


def test_no_condition_always_holds():
    at = utc("2026-02-14T03:00:00Z")
    for when in (None, When()):
        assert when_holds(when, {}, Priority.P3, at)
        assert when_next(when, {}, Priority.P3, at) == at
    only_p0 = When(priorities=frozenset({Priority.P0}))
    assert when_next(only_p0, {}, Priority.P0, at) == at
    assert when_next(only_p0, {}, Priority.P1, at) is None
