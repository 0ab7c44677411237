"""Small words for roster tests: a layer, a roster of layers, and who that puts on call."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from opswatch.core.calendars import parse_window
from opswatch.core.plan import DayCalendar, Layer, Person, Plan, Roster, Window
from opswatch.core.roster import OnCall, Rosters, Shift
from opswatch.core.state import Override

Day = tuple[str | None, str, str]


def utc(text: str) -> datetime:
    """An instant written with its offset, such as "2026-03-29T01:00:00Z"."""
    at = datetime.fromisoformat(text)
    assert at.tzinfo is not None, f"{text} names no offset"
    return at


def local(text: str | None) -> datetime | None:
    """A local reading, such as "2026-01-05T09:00"."""
    if text is None:
        return None
    reading = datetime.fromisoformat(text)
    assert reading.tzinfo is None, f"{text} is not a local reading"
    return reading


def count(text: str) -> tuple[int, str]:
    """ "2 weeks" as the plan keeps it."""
    number, unit = text.split()
    return int(number), unit.rstrip("s")


def windows(*days: Day) -> tuple[Window, ...]:
    return tuple(parse_window(*day) for day in days)


def layer(
    people: str,
    starts: str,
    turn: str = "1 week",
    *days: Day,
    name: str = "layer",
    every: str | None = None,
    zone: str = "UTC",
    priority: int = 0,
    effective: str | None = None,
    until: str | None = None,
    worked: bool = False,
    calendar: str | None = None,
) -> Layer:
    """`people`: turns by spaces, those on call together by commas: "A B,C"."""
    anchor = local(starts)
    assert anchor is not None
    return Layer(
        id=name,
        participants=tuple(tuple(turn.split(",")) for turn in people.split()),
        starts=anchor,
        turn=count(turn),
        every=count(every or turn),
        timezone=zone,
        priority=priority,
        effective=local(effective),
        until=local(until),
        windows=windows(*days),
        worked=worked,
        calendar=calendar,
    )


def override(
    start: str,
    end: str,
    *,
    replace: str | None = None,
    by: str | None = None,
    add: str | None = None,
    remove: str | None = None,
    schedule: Iterable[tuple[str, str, str]] | None = None,
    number: int = 1,
) -> Override:
    """One form each: `replace` and `by`; `add`; `remove`; `schedule` of (start, end, "A,B")."""
    entries = None
    if schedule is not None:
        entries = tuple((utc(begins), utc(ends), tuple(people.split(","))) for begins, ends, people in schedule)
    return Override(number, "r", utc(start), utc(end), remove or replace, add or by, entries)


class Duty:
    """A roster "r" of these layers, and its overrides."""

    def __init__(
        self,
        *layers: Layer,
        overrides: Iterable[Override] = (),
        fallback: tuple[str, ...] = (),
        covers: tuple[Window, ...] | None = None,
        zone: str = "UTC",
        calendars: Iterable[DayCalendar] = (),
        people: Iterable[Person] = (),
    ) -> None:
        roster = Roster("r", layers, zone, fallback, covers)
        self.rosters = Rosters(
            Plan(
                rosters={"r": roster},
                calendars={calendar.id: calendar for calendar in calendars},
                people={person.id: person for person in people},
            )
        )
        self.overrides = tuple(overrides)

    def on_call(self, at: str | datetime) -> OnCall:
        return self.rosters.on_call("r", self.overrides, utc(at) if isinstance(at, str) else at)

    def who(self, at: str | datetime) -> str:
        """ "A,B" in the order of the alphabet, or "nobody"."""
        return ",".join(sorted(self.on_call(at).people)) or "nobody"

    def shifts(self, start: str | datetime, end: str | datetime) -> list[Shift]:
        span = [utc(at) if isinstance(at, str) else at for at in (start, end)]
        return self.rosters.shifts("r", self.overrides, *span)

    def said(self, start: str, end: str) -> list[str]:
        """Shifts that name somebody, as "05-06 10:00-12:00 A" in UTC; an end on another day is written in full."""
        return [say(shift) for shift in self.shifts(start, end) if shift.people]

    def gaps(self, start: str, end: str) -> list[tuple[datetime, datetime]]:
        return self.rosters.gaps("r", self.overrides, utc(start), utc(end))

    def segments(self, start: str, end: str) -> list[tuple[datetime, datetime, str]]:
        """Per person and for gaps, how long they last without a break: what other products list."""
        found: list[tuple[datetime, datetime, str]] = []
        for shift in self.shifts(start, end):
            for person in shift.people or ("gap",):
                before = next((one for one in found if one[1:] == (shift.start, person)), None)
                if before is not None:
                    found.remove(before)
                found.append((before[0] if before else shift.start, shift.end, person))
        return sorted(found)


def say(shift: Shift) -> str:
    ends = f"{shift.end:%H:%M}" if shift.end - shift.start < timedelta(hours=24) else f"{shift.end:%m-%d %H:%M}"
    return f"{shift.start:%m-%d %H:%M}-{ends} {','.join(shift.people)}"
