"""Shifts in other people's calendars: RFC 5545 as another library reads it, and addresses that are keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import icalendar
import pytest

from opswatch.core.events import AddOverride, RemoveOverride
from opswatch.core.roster import Shift
from opswatch.links import BadLink
from opswatch.render.ical import Duty, Feed, calendar, fold
from opswatch.render.words import Reader
from tests.doors.terminal import Terminal
from tests.doors.web_office import WebOffice, web_office

START = datetime(2026, 11, 16, 8, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WebOffice]:
    with web_office(tmp_path, more="") as opened:
        yield opened


def read(text: str) -> tuple[icalendar.Calendar, list[icalendar.Event]]:
    found = icalendar.Calendar.from_ical(text)
    return found, list(found.walk("VEVENT"))


def feed_of(site: WebOffice, what: str) -> str:
    number = site.office.settings.web.feed_number(what)
    return f"/ical/{site.office.links.feed(what, number)}.ics"


# ---------------------------------------------------------------------------------------------------------------------
# The format


def test_lines_end_in_crlf_and_have_at_most_75_octets_without_cutting_a_letter():
    people = tuple(f"王小明{number}; a, b\\c\nd" for number in range(9))
    feed = Feed("team:值班", (Duty("主要", Shift(START, START + DAY, people, "x", None)),))
    text = calendar(feed, Reader("zh"), installation="acme", now=START)
    assert text.endswith("\r\n") and "\n" not in text.replace("\r\n", "")
    lines = text.encode().split(b"\r\n")
    assert max(map(len, lines)) <= 75
    for line in lines:
        line.decode()  # each piece is whole UTF-8
    _, (event,) = read(text)
    assert str(event["SUMMARY"]) == "主要：" + Reader("zh").join(people)


def test_a_line_of_75_octets_is_not_folded_and_of_76_is():
    assert list(fold("x" * 75)) == ["x" * 75]
    assert list(fold("x" * 76)) == ["x" * 75, " x"]
    assert list(fold("é" * 38)) == ["é" * 37, " é"]


def test_control_characters_do_not_break_out_of_a_line():
    feed = Feed("roster:a", (Duty("a", Shift(START, START + DAY, ("x\r\nEND:VEVENT\x07",), "x", None)),))
    _, events = read(calendar(feed, Reader(), installation="acme", now=START))
    assert len(events) == 1


def test_another_library_reads_every_shift_in_utc(terminal: Terminal):
    said = terminal.says("roster", "ical", "--roster", "primary", "--days", "30")
    head, events = read(said.out)
    assert said.code == 0
    assert head["METHOD"] == "PUBLISH" and str(head["X-WR-CALNAME"]) == "On call: primary"
    assert head["REFRESH-INTERVAL"].dt == timedelta(hours=1)
    with terminal.office() as office:
        now = office.now()
        shifts = office.views.shifts("primary", now, now + 30 * DAY)
    assert len(events) == len(shifts)
    starts = [event["DTSTART"].dt for event in events]
    assert [one.utcoffset() for one in starts] == [timedelta(0)] * len(starts)
    assert starts[1:] == [shift.start for shift in shifts[1:]]
    assert starts[0] <= now < events[0]["DTEND"].dt, "the running shift is whole"
    assert events[0]["DTEND"].dt - starts[0] in (7 * DAY, 7 * DAY + timedelta(hours=1), 7 * DAY - timedelta(hours=1))
    assert all(event.errors == [] for event in events)


def test_a_person_a_team_and_a_gap(terminal: Terminal):
    _, mine = read(terminal.says("roster", "ical").out)
    assert {str(event["SUMMARY"]) for event in mine} == {"On call: primary"}
    _, theirs = read(terminal.says("roster", "ical", "--person", "bo").out)
    assert {str(event["SUMMARY"]) for event in theirs} == {"值班：primary"}
    assert not {str(one["UID"]) for one in mine} & {str(one["UID"]) for one in theirs}
    _, (gap,) = read(terminal.says("roster", "ical", "--roster", "nights").out)
    assert str(gap["SUMMARY"]) == "nights: nobody is on call (paged instead: Lena)"
    assert terminal.says("roster", "ical", "--team", "nobodys").code == 1
    assert terminal.says("roster", "ical", "--person", "anna").code == 1
    assert terminal.says("roster", "ical", "--person", "ana", "--roster", "primary").code == 2


def test_a_change_of_a_later_shift_leaves_the_others_names_alone(site):
    office, now = site.office, site.clock()

    def names() -> dict[str, str]:
        _, events = read(office.views.ahead.ical("roster:primary", 60))
        return {str(event["UID"]): str(event["SUMMARY"]) for event in events}

    before = names()
    site.says(AddOverride("primary", now + 20 * DAY, now + 21 * DAY, add="lead", by="lead"))
    during = names()
    assert before.items() <= during.items() and len(during) == len(before) + 2
    site.says(RemoveOverride(1, by="lead"))
    assert names() == before
    site.clock.passes(hours=5)
    assert names() == before, "the clock alone renames nothing"


# ---------------------------------------------------------------------------------------------------------------------
# The address


def test_the_key_is_enough_and_the_calendar_is_the_same_until_something_changes(site):
    path = feed_of(site, "person:chen")
    first = site.stranger("GET", path)
    assert first.status_code == 200 and first.headers["content-type"] == "text/calendar; charset=utf-8"
    head, events = read(first.content.decode())
    assert str(head["X-WR-CALNAME"]) == "值班：Chen Wei" and events
    site.clock.passes(minutes=7)
    again = site.stranger("GET", path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    site.says(AddOverride("primary", site.clock() + DAY, site.clock() + 2 * DAY, remove="chen", by="lead"))
    site.says(AddOverride("primary", site.clock() + 9 * DAY, site.clock() + 10 * DAY, add="chen", by="lead"))
    changed = site.stranger("GET", path, headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200 and changed.headers["etag"] != first.headers["etag"]
    assert site.stranger("HEAD", path).status_code == 200


@pytest.mark.parametrize("what", ["person:nobody", "roster:gone", "team:none", "everything", "pool:x"])
def test_what_is_not_there_is_not_found_even_with_a_key(site, what):
    assert site.stranger("GET", f"/ical/{site.office.links.feed(what, 0)}.ics").status_code == 404


def test_keys_cannot_be_made_up_or_taken_from_other_links(site):
    good = feed_of(site, "roster:primary")
    ack = site.ack_link(1, "chen").removeprefix("/ack/")
    for path in (good.replace(".ics", "x.ics"), f"/ical/{ack}.ics", "/ical/person:chen.ics", f"/ical/{'a' * 5000}.ics"):
        assert site.stranger("GET", path).status_code == 404
    with pytest.raises(BadLink):
        site.office.links.read_feed("x")


def test_raising_a_number_revokes_one_or_all(tmp_path: Path):
    with web_office(tmp_path / "a") as site:
        chen, ana = feed_of(site, "person:chen"), feed_of(site, "person:ana")
    for web, answers in (('ical = { "person:chen" = 1 }', (404, 200)), ("ical = { all = 1 }", (404, 404))):
        with web_office(tmp_path / "a", web=web) as site:
            assert tuple(site.stranger("GET", path).status_code for path in (chen, ana)) == answers
            assert site.stranger("GET", feed_of(site, "person:chen")).status_code == 200


def test_the_terminal_prints_the_address(terminal: Terminal):
    said = terminal.says("roster", "ical", "--roster", "primary", "--link")
    assert said.code == 0 and "/ical/" in said.out and said.out.strip().endswith(".ics")


def test_a_feed_for_somebody_unknown_is_refused_at_load(terminal: Terminal):
    terminal.writes(terminal.config.read_text() + '\n[web]\nical = { "person:anna" = 1 }\n')
    said = terminal.says("config", "check")
    assert (said.code == 2 and "person:ana" in said.out + said.err) or "ana" in said.out + said.err


def test_asking_too_much_is_slowed_down(site):
    path = feed_of(site, "roster:primary")
    codes = {site.stranger("GET", path).status_code for _ in range(130)}
    assert codes == {200, 429}
