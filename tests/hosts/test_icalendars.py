"""Calendars as people's programs export them: which instances take whom away, and from when to when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opswatch import icalendars
from opswatch.core.model import Secret
from opswatch.icalendars import BadCalendar, absences
from tests.story import person

JANUARY = datetime(2021, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=366)


def people(zone: str = "Asia/Yekaterinburg"):
    known = {name: replace(person(name), timezone=zone) for name in ("ana", "bo")}
    mail = {"email": Secret("tEST@test.TEST")}
    return {**known, "cy": replace(person("cy"), timezone=zone, contacts=mail)}


def calendar(*events: str) -> bytes:
    body = "\r\n".join(
        f"BEGIN:VEVENT\r\nDTSTAMP:20210101T000000Z\r\n{event.strip().replace(chr(10), chr(13) + chr(10))}\r\nEND:VEVENT"
        for event in events
    )
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n{body}\r\nEND:VCALENDAR\r\n".encode()


def spans(data: bytes, zone: str = "Asia/Yekaterinburg", start: datetime = JANUARY) -> list[tuple[str, str]]:
    found = absences(data, people(zone), start, start + YEAR, person="ana").absences
    return [(f"{one.start:%m-%dT%H:%M}", f"{one.end:%m-%dT%H:%M}") for one in found]


SERIES = """UID:p
DTSTART;TZID=Asia/Yekaterinburg:20210126T130000
DTEND;TZID=Asia/Yekaterinburg:20210126T220000
RRULE:FREQ=DAILY;COUNT=4
EXDATE;TZID=Asia/Yekaterinburg:20210129T130000"""
MOVED = """UID:p
RECURRENCE-ID;TZID=Asia/Yekaterinburg:20210127T130000
DTSTART;TZID=Asia/Yekaterinburg:20210127T150000
DTEND;TZID=Asia/Yekaterinburg:20210127T160000"""
CANCELLED = """UID:p
RECURRENCE-ID;TZID=Asia/Yekaterinburg:20210128T130000
DTSTART;TZID=Asia/Yekaterinburg:20210128T130000
DTEND;TZID=Asia/Yekaterinburg:20210128T220000
STATUS:CANCELLED"""


def test_a_series_has_its_instances_without_those_cut_out_moved_or_cancelled():
    """Case I01: one instance of a daily series is moved."""
    assert spans(calendar(SERIES)) == [(f"01-{day}T08:00", f"01-{day}T17:00") for day in (26, 27, 28)]
    moved = [("01-26T08:00", "01-26T17:00"), ("01-27T10:00", "01-27T11:00")]
    assert spans(calendar(SERIES, MOVED, CANCELLED)) == moved


def test_an_instance_keeps_its_name_when_it_moves():
    before = absences(calendar(SERIES), people(), JANUARY, JANUARY + YEAR, person="ana").absences
    after = absences(calendar(SERIES, MOVED), people(), JANUARY, JANUARY + YEAR, person="ana").absences
    assert [one.uid for one in before] == [one.uid for one in after]


def test_all_day_is_dates_where_the_person_lives():
    """Case I01, deliberately better: upstream reads UTC days that end at 23:59:59; these are local and half-open."""
    both = calendar(
        "UID:r\nDTSTART;VALUE=DATE:20210127", "UID:s\nDTSTART;VALUE=DATE:20210127\nDTEND;VALUE=DATE:20210129"
    )
    assert spans(both) == [("01-26T19:00", "01-27T19:00"), ("01-26T19:00", "01-28T19:00")]


def test_a_day_on_which_clocks_change_has_23_hours():
    assert spans(calendar("UID:r\nDTSTART;VALUE=DATE:20210328"), "Europe/Berlin") == [("03-27T23:00", "03-28T22:00")]


def test_times_without_a_zone_are_on_the_persons_clocks():
    assert spans(calendar("UID:f\nDTSTART:20210127T100000\nDURATION:PT2H")) == [("01-27T05:00", "01-27T07:00")]


def test_a_zone_of_the_calendars_own_making_counts():
    zone = """BEGIN:VTIMEZONE
TZID:Ours
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:+0330
TZOFFSETTO:+0330
END:STANDARD
END:VTIMEZONE
""".replace("\n", "\r\n").encode()
    data = calendar("UID:o\nDTSTART;TZID=Ours:20210127T103000\nDTEND;TZID=Ours:20210127T113000")
    assert spans(data.replace(b"BEGIN:VEVENT", zone + b"BEGIN:VEVENT", 1)) == [("01-27T07:00", "01-27T08:00")]


@pytest.mark.parametrize("free", ["TRANSP:TRANSPARENT", "STATUS:CANCELLED", "X-MICROSOFT-CDO-BUSYSTATUS:FREE"])
def test_what_takes_no_time_is_no_absence(free):
    assert spans(calendar(f"UID:x\nDTSTART;VALUE=DATE:20210127\n{free}")) == []


def test_events_are_of_who_attends_in_any_case_unless_they_declined():
    """Case I03."""
    times = "DTSTART:20210206T110000Z\nDTEND:20210206T120000Z"
    data = calendar(
        f"UID:a\n{times}\nATTENDEE:MAILTO:Test@TEST.test\nATTENDEE:mailto:stranger@x.org",
        f"UID:d\n{times}\nATTENDEE;PARTSTAT=DECLINED:mailto:test@test.test",
        f"UID:s\n{times}\nATTENDEE:mailto:stranger@x.org",
    )
    found = absences(data, people(), JANUARY, JANUARY + YEAR)
    assert [(one.person, one.uid) for one in found.absences] == [("cy", "a")]
    assert found.strangers == 2


def test_only_what_overlaps_the_span_is_taken():
    series = calendar("UID:w\nDTSTART;VALUE=DATE:20210104\nRRULE:FREQ=WEEKLY")
    found = absences(series, people("UTC"), JANUARY, JANUARY + timedelta(days=14), person="ana").absences
    assert [one.start.day for one in found] == [4, 11]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "line 1: it is empty"),
        (b"hello", "line 1: 'hello' is no line"),
        (b"NAME:x", "line 1: expected BEGIN:VCALENDAR"),
        (b"BEGIN:VCALENDAR\nX:\xff", "line 2: not UTF-8"),
        (b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:x\n", "line 2: BEGIN:VEVENT is never ended"),
        (b"BEGIN:VCALENDAR\nEND:VEVENT", "line 2: END:VEVENT, but VCALENDAR is open since line 1"),
        (calendar("UID:x\nDTSTART:garbage"), "line 4: in the event that begins here, DTSTART"),
        (calendar("UID:x"), "line 4: the event that begins here has no DTSTART"),
        (calendar("UID:x\nDTSTART:20210101T000000Z\nRRULE:FREQ=SECONDLY"), "line 8: SECONDLY"),
        (b"BEGIN:VCALENDAR\n" + b"X:y\n" * 1_400_000, "more than 5 MiB"),
        (calendar("UID:x\nDTSTART:20210101T000000Z\nDURATION:PT1H\nRRULE:FREQ=HOURLY"), "--days"),
    ],
)
def test_a_calendar_that_cannot_be_read_says_where_and_why(data, words):
    with pytest.raises(BadCalendar) as refused:
        absences(data, people(), JANUARY, JANUARY + YEAR, person="ana")
    assert words in str(refused.value)


def test_without_the_libraries_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "icalendar", None)
    with pytest.raises(BadCalendar, match=r"opswatch\[calendar\]"):
        absences(calendar(SERIES), people(), JANUARY, JANUARY + YEAR, person="ana")


def test_an_address_is_a_secret_and_its_source_says_only_the_host():
    source = icalendars.source_of("https://calendar.example.com/private-abc123/basic.ics")
    assert source.startswith("calendar.example.com#")
    assert "abc123" not in source
