"""The weeks ahead of one roster as a calendar: a row for each local day, in it who is on call and when nobody is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from string import ascii_lowercase, ascii_uppercase, digits

from opswatch.core import calendars
from opswatch.core.coverage import Coverage
from opswatch.core.duties import Span
from opswatch.core.roster import Shift
from opswatch.render.words import Reader

LETTERS = ascii_uppercase + ascii_lowercase + digits
GAP, OFF, OUTSIDE, OTHERS = "!", "·", " ", "+"
HOURS = 24
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of one day, [start, end), UTC. `group` is the place of its people in the calendar's groups; None in a gap
    and in hours that need not be covered (`is_gap` tells which)."""

    start: datetime
    end: datetime
    group: int | None
    is_gap: bool = False
    is_override: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    """One local day, [start, end), UTC: 23 or 25 hours when clocks change. `pieces` tile what of it was looked at."""

    day: date
    start: datetime
    end: datetime
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class RosterCalendar:
    """Days of `zone`. `groups` are people on call together, in order of appearance, each with a letter."""

    coverage: Coverage
    zone: str
    groups: tuple[tuple[str, ...], ...]
    days: tuple[Day, ...]

    def letter(self, group: int) -> str:
        """What stands for them in a row of letters; `+` for those beyond the alphabet."""
        return LETTERS[group] if group < len(LETTERS) else OTHERS

    def hours(self, day: Day) -> list[tuple[str, Piece | None]]:
        """A letter for each hour that clocks read: who is on call as it begins; `!` when anybody is missing in it."""
        marks = []
        for hour in range(HOURS):
            start = calendars.instant(datetime.combine(day.day, time(hour)), self.zone)
            after = (
                day.end
                if hour == HOURS - 1
                else calendars.instant(datetime.combine(day.day, time(hour + 1)), self.zone)
            )
            end = max(after, start + timedelta(minutes=1))
            inside = [piece for piece in day.pieces if piece.start < end and piece.end > start]
            marks.append(self._mark(inside))
        return marks

    def is_hourly(self, piece: Piece) -> bool:
        """Whether clocks read a full hour where it begins and where it ends."""
        return all(calendars.reading(at, self.zone).minute == 0 for at in (piece.start, piece.end))

    def _mark(self, inside: Sequence[Piece]) -> tuple[str, Piece | None]:
        for piece in inside:
            if piece.is_gap:
                return GAP, piece
        for piece in inside:
            if piece.group is not None:
                return self.letter(piece.group), piece
        return (OFF, inside[0]) if inside else (OUTSIDE, None)


def roster_calendar(coverage: Coverage, zone: str) -> RosterCalendar:
    """The calendar of what was looked at, by days of `zone`."""
    groups: dict[tuple[str, ...], int] = {}
    whole = list(_pieces(coverage, groups))
    first = calendars.reading(coverage.start, zone).date()
    last = calendars.reading(coverage.end - timedelta.resolution, zone).date()
    days = [_day(first + _DAY * number, zone, whole) for number in range((last - first).days + 1)]
    return RosterCalendar(coverage, zone, tuple(groups), tuple(days))


def names(reader: Reader, people: Sequence[str]) -> str:
    """Who they are, in one line."""
    return reader.join(reader.person(person) for person in people)


def day_words(calendar: RosterCalendar, day: Day, reader: Reader) -> list[tuple[str, Piece]]:
    """What a day's row says: each change of people with its local time, hours off left out."""
    said = []
    for piece in day.pieces:
        if piece.group is None and not piece.is_gap:
            continue
        who = names(reader, calendar.groups[piece.group]) if piece.group is not None else reader.word("coverage.nobody")
        begins, ends = (clock(at, calendar.zone) for at in (piece.start, piece.end))
        is_whole = piece.start <= day.start and piece.end >= day.end
        until = "24:00" if piece.end == day.end else ends
        said.append((who if is_whole else f"{begins}–{until} {who}", piece))
    return said


def clock(at: datetime, zone: str) -> str:
    """`09:00`, local to `zone`."""
    return f"{calendars.reading(at, zone):%H:%M}"


def _pieces(coverage: Coverage, groups: dict[tuple[str, ...], int]) -> Iterator[Piece]:
    """Shifts, the empty ones cut into gaps and hours off; gaps are in order and apart from each other."""
    for shift in coverage.shifts:
        if shift.people:
            group = groups.setdefault(shift.people, len(groups))
            yield Piece(shift.start, shift.end, group, is_override=shift.override is not None)
        else:
            yield from _empty(shift, coverage.gaps)


def _empty(shift: Shift, gaps: Sequence[Span]) -> Iterator[Piece]:
    at, changed = shift.start, shift.override is not None
    for start, end in gaps:
        start, end = max(start, shift.start), min(end, shift.end)
        if start < end:
            if at < start:
                yield Piece(at, start, None, is_override=changed)
            yield Piece(start, end, None, is_gap=True, is_override=changed)
            at = end
    if at < shift.end:
        yield Piece(at, shift.end, None, is_override=changed)


def _day(day: date, zone: str, whole: Sequence[Piece]) -> Day:
    start, end = (calendars.instant(datetime.combine(one, time()), zone) for one in (day, day + _DAY))
    inside = [
        Piece(max(one.start, start), min(one.end, end), one.group, one.is_gap, one.is_override)
        for one in whole
        if one.start < end and one.end > start
    ]
    return Day(day, start, end, tuple(_joined(inside)))


def _joined(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Pieces that touch and show alike, as one."""
    held: Piece | None = None
    for piece in pieces:
        if held is not None and held.end == piece.start and _looks(held) == _looks(piece):
            held = Piece(held.start, piece.end, *_looks(held))
            continue
        if held is not None:
            yield held
        held = piece
    if held is not None:
        yield held


def _looks(piece: Piece) -> tuple[int | None, bool, bool]:
    return piece.group, piece.is_gap, piece.is_override
