"""Who is on call at a minute, worked out the slow way, straight from the sentences of SPEC 3.

It shares nothing with `opswatch/core` but the values of the plan. Instants are whole minutes since 1970; what a local
clock reads is looked up for every minute, so that a hand-off is found by walking until the clock shows it. Whatever is
asked of it must be written in whole minutes, and so are all clock changes of today's zones: nothing can happen between.
"""

from __future__ import annotations

import calendar
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from opswatch.core.plan import DayCalendar, Layer, Roster, Window
from opswatch.core.state import Override

HOUR, DAY = 60, 1440
WEEK = 7 * DAY
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAR = 15 * HOUR  # No clock is further from UTC.


def minute(at: datetime) -> int:
    """The minute that `at`, which is aware, lies in."""
    return (at - EPOCH) // timedelta(minutes=1)


def at(number: int) -> datetime:
    return EPOCH + timedelta(minutes=number)


def _count(local: datetime) -> int:
    """A reading as the number of minutes a clock counts from 1970 to it."""
    return (local.replace(tzinfo=UTC) - EPOCH) // timedelta(minutes=1)


def _local(number: int) -> datetime:
    return at(number).replace(tzinfo=None)


# ---------------------------------------------------------------------------------------------------------------------
# The clock on the wall


class Clock:
    """What the clocks of one zone read at every minute."""

    def __init__(self, zone_name: str) -> None:
        self._zone = ZoneInfo(zone_name)
        self._days: dict[int, int | tuple[int, ...]] = {}
        self._firsts: dict[int, int] = {}

    def reading(self, number: int) -> int:
        day = number // DAY
        ahead = self._days[day] if day in self._days else self._day(day)
        return number + (ahead if isinstance(ahead, int) else ahead[number % DAY])

    def first(self, local: int) -> int:
        """The first minute at which the clock reads it, or has jumped over it."""
        found = self._firsts.get(local)
        if found is None:
            found = local - _FAR
            while self.reading(found) < local:
                found += HOUR if self.reading(found + HOUR) < local - 3 * HOUR else 1
            self._firsts[local] = found
        return found

    def last(self, local: int) -> int:
        """The last minute at which the clock reads it; where it is jumped over, the first after the jump."""
        first = self.first(local)
        again = (number for number in range(first + 3 * HOUR, first, -1) if self.reading(number) == local)
        return next(again, first)  # No clock is set back by more than three hours.

    def _day(self, day: int) -> int | tuple[int, ...]:
        """How far it is ahead of UTC at every minute of a UTC day; one number where every hour says the same."""
        hours = [self._ahead(day * DAY + hour * HOUR) for hour in range(25)]
        found: int | tuple[int, ...] = hours[0]
        if len(set(hours)) > 1:
            found = tuple(self._ahead(day * DAY + number) for number in range(DAY))
        self._days[day] = found
        return found

    def _ahead(self, number: int) -> int:
        ahead = at(number).astimezone(self._zone).utcoffset()
        assert ahead is not None and ahead % timedelta(minutes=1) == timedelta(0), "clocks of whole minutes only"
        return ahead // timedelta(minutes=1)


@cache
def clock(zone_name: str) -> Clock:
    return Clock(zone_name)


# ---------------------------------------------------------------------------------------------------------------------
# Slots and windows


@dataclass(frozen=True)
class Slot:
    k: int
    opens: int
    closes: int


@dataclass(frozen=True)
class Piece:
    opens: int
    closes: int
    window: int
    is_overnight: bool


@dataclass(frozen=True)
class Go:
    """Whose turn it is: slot `k` of layer number `layer`."""

    layer: int
    k: int
    people: tuple[str, ...]


def plus(local: datetime, times: int, span: tuple[int, str]) -> datetime:
    """A reading moved by `times` spans; a day that the month does not have is its last."""
    count, unit = span
    if unit != "month":
        return local + times * count * {"hour": timedelta(hours=1), "day": timedelta(1), "week": timedelta(7)}[unit]
    months = local.year * 12 + (local.month - 1) + times * count
    year, month = months // 12, months % 12 + 1
    return local.replace(year=year, month=month, day=min(local.day, calendar.monthrange(year, month)[1]))


def is_named(window: Window, day: date, holidays: DayCalendar | None) -> bool:
    """Whether the window says that it starts on that day."""
    if window.weekdays is not None:
        return day.weekday() in window.weekdays
    if window.month_days is not None:
        length = calendar.monthrange(day.year, day.month)[1]
        return any(day.day == (named if named > 0 else length + 1 + named) for named in window.month_days)
    if window.work is not None:
        off = holidays.holidays if holidays else ()
        worked = holidays.worked if holidays else ()
        return ((day.weekday() < 5 and day not in off) or day in worked) == window.work
    return True


def last_day(window: Window, day: date) -> date:
    """Of the days from this one on, the first on which the window may end."""
    ends = day if window.end > window.start else day + timedelta(1)
    while window.end_weekday is not None and ends.weekday() != window.end_weekday:
        ends += timedelta(1)
    return ends


def pieces_of(
    window: Window, number: int, hands: Clock, days: Iterable[date], holidays: DayCalendar | None
) -> list[Piece]:
    """The window on each of those local days that it names."""
    found = []
    for day in days:
        if is_named(window, day, holidays):
            ends = datetime.combine(last_day(window, day), window.end)
            opens = hands.first(_count(datetime.combine(day, window.start)))
            closes = hands.last(_count(ends))
            if opens < closes:
                found.append(Piece(opens, closes, number, (ends - timedelta(microseconds=1)).date() > day))
    return found


def days_of(hands: Clock, start: int, end: int) -> list[date]:
    """The local dates on which something may begin that the minutes from `start` to `end` see."""
    first, last = _local(hands.reading(start)).date(), _local(hands.reading(end)).date()
    return [first + timedelta(number) for number in range(-9, (last - first).days + 3)]


class LayerOracle:
    """One layer, for the minutes from `start` to `end`."""

    def __init__(self, number: int, layer: Layer, calendars: Mapping[str, DayCalendar], start: int, end: int) -> None:
        self.number, self.layer, self.clock = number, layer, clock(layer.timezone)
        self._holidays = calendars.get(layer.calendar or "")
        self._start, self._end = start - 10 * DAY, end + 2 * DAY  # A piece that began earlier may reach into it.
        self._worked: dict[int, bool] = {}
        self._counts: dict[int, int] = {}
        self._slot_at: list[Slot | None] = [None] * (self._end - self._start)
        for slot in self._slots():
            self._lay(self._slot_at, slot.opens, slot.closes, slot)
        self._piece_at: list[Piece | None] = [None] * (self._end - self._start)
        days = days_of(self.clock, self._start, self._end)
        pieces = [
            piece
            for place, window in enumerate(layer.windows)
            for piece in pieces_of(window, place, self.clock, days, self._holidays)
        ]
        for piece in sorted(pieces, key=lambda piece: (piece.opens, piece.window), reverse=True):
            self._lay(self._piece_at, piece.opens, piece.closes, piece)  # The one that began first is laid last.
        self.effective = self.clock.first(_count(layer.effective)) if layer.effective else None
        self.until = self.clock.first(_count(layer.until)) if layer.until else None

    def _lay(self, row: list[Any], opens: int, closes: int, what: Slot | Piece) -> None:
        low, high = max(opens - self._start, 0), min(closes, self._end) - self._start
        if low < high:
            row[low:high] = [what] * (high - low)

    def go(self, number: int) -> Go | None:
        """Whose turn it is at that minute; None in a hole."""
        if self.effective is not None and number < self.effective:
            return None
        if self.until is not None and number >= self.until:
            return None
        slot = self._slot_at[number - self._start]
        if self.layer.windows:
            piece = self._piece_at[number - self._start]
            if piece is None:
                return None
            if piece.is_overnight:
                slot = self.slot_of(piece.opens)
        return None if slot is None else Go(self.number, slot.k, self.people(slot.k))

    def slot(self, k: int) -> Slot:
        local, following = (plus(self.layer.starts, one, self.layer.every) for one in (k, k + 1))
        opens, ends = self.clock.first(_count(local)), self.clock.first(_count(self._turn_ends(k, local)))
        return Slot(k, opens, min(ends, self.clock.first(_count(following))))

    def slot_of(self, number: int) -> Slot | None:
        """The slot that covers a minute, also one before those that were laid out."""
        if number >= self._start:
            return self._slot_at[number - self._start]
        k = self._about(number)
        near = (self.slot(one) for one in range(k - 3, k + 4))
        return next((slot for slot in near if slot.opens <= number < slot.closes), None)

    def people(self, k: int) -> tuple[str, ...]:
        place = self._count_of(k) if self.layer.worked and self.layer.windows else k
        return self.layer.participants[place % len(self.layer.participants)]

    def _slots(self) -> list[Slot]:
        k, found = self._about(self._start) - 3, []
        while (slot := self.slot(k)).opens < self._end:
            found.append(slot)
            k += 1
        return found

    def _about(self, number: int) -> int:
        """A slot that has begun by that minute, or one of its neighbours."""
        count, unit = self.layer.every
        if unit in ("week", "day", "hour"):
            span = {"week": WEEK, "day": DAY, "hour": HOUR}[unit] * count
            return (self.clock.reading(number) - _count(self.layer.starts)) // span
        low, high = -2400, 2400
        while low < high:
            middle = (low + high) // 2
            if _count(plus(self.layer.starts, middle, self.layer.every)) <= self.clock.reading(number):
                low = middle + 1
            else:
                high = middle
        return low - 1

    def _turn_ends(self, k: int, local: datetime) -> datetime:
        if self.layer.turn[1] == self.layer.every[1] == "month":  # From the anchor's day, each month.
            return plus(self.layer.starts, 1, (k * self.layer.every[0] + self.layer.turn[0], "month"))
        return plus(local, 1, self.layer.turn)

    def _count_of(self, k: int) -> int:
        """How many worked slots lie from slot 0 to this one, negative when it is before 0."""
        if k not in self._counts:
            between = range(k) if k >= 0 else range(k, 0)
            self._counts[k] = sum(self._is_worked(one) for one in between) * (1 if k >= 0 else -1)
        return self._counts[k]

    def _is_worked(self, k: int) -> bool:
        """Whether an occurrence of a window starts in slot k."""
        if k not in self._worked:
            slot = self.slot(k)
            first, last = (_local(self.clock.reading(one)).date() for one in (slot.opens, slot.closes))
            days = [first + timedelta(number) for number in range(-2, (last - first).days + 3)]
            self._worked[k] = any(
                slot.opens <= piece.opens < slot.closes
                for window in self.layer.windows
                for piece in pieces_of(window, 0, self.clock, days, self._holidays)
            )
        return self._worked[k]


# ---------------------------------------------------------------------------------------------------------------------
# Layers over layers, and overrides over them


class RosterOracle:
    """A roster and its overrides, for the minutes from `start` to `end`."""

    def __init__(
        self,
        roster: Roster,
        overrides: Iterable[Override],
        calendars: Mapping[str, DayCalendar],
        start: int,
        end: int,
        fallback: tuple[str, ...] = (),
    ) -> None:
        self.roster, self.fallback = roster, fallback
        self.layers = [LayerOracle(number, layer, calendars, start, end) for number, layer in enumerate(roster.layers)]
        self.overrides = sorted(overrides, key=lambda one: (one.made_at or EPOCH, one.id))
        self._edges = sorted({minute(edge) for one in self.overrides for edge in (one.start, one.end)})
        self._active: dict[int, list[Override]] = {}
        self._people: dict[int, frozenset[str]] = {}
        self._covered: set[int] | None = None
        if roster.covers is not None:
            named = next((layer.calendar for layer in roster.layers if layer.calendar is not None), None)
            hands = clock(roster.timezone)
            self._covered = {
                number
                for window in roster.covers
                for piece in pieces_of(window, 0, hands, days_of(hands, start, end), calendars.get(named or ""))
                for number in range(max(piece.opens, start), min(piece.closes, end))
            }

    def goes(self, number: int) -> tuple[Go, ...]:
        """The turns on call before any override: of the highest priority present, all."""
        present = [go for layer in self.layers if (go := layer.go(number)) is not None]
        if len(present) < 2:
            return tuple(present)
        highest = max(self.roster.layers[go.layer].priority for go in present)
        return tuple(go for go in present if self.roster.layers[go.layer].priority == highest)

    def people(self, number: int) -> frozenset[str]:
        """Who is on call; nobody in a gap."""
        found = self._people.get(number)
        if found is None:
            found = self._people[number] = self._work_out(number)
        return found

    def _work_out(self, number: int) -> frozenset[str]:
        on_call = {person for go in self.goes(number) for person in go.people}
        active = self._in_force(number)
        if not active:
            return frozenset(on_call)
        for override in active:  # The newest temporary schedule comes last.
            if override.shifts is not None:
                entries = ((minute(start), minute(end), people) for start, end, people in override.shifts)
                on_call = {who for start, end, people in entries if start <= number < end for who in people}
        base = frozenset(on_call)
        changes = [override for override in active if override.shifts is None]
        on_call -= {override.remove for override in changes if override.remove in base}
        on_call |= {override.add for override in changes if override.remove in base and override.add is not None}
        return frozenset(
            on_call | {override.add for override in changes if override.remove is None and override.add is not None}
        )

    def paged(self, number: int) -> frozenset[str]:
        """Who is on call, or the fallback in a gap."""
        return self.people(number) or frozenset(self.fallback)

    def is_gap(self, number: int) -> bool:
        return not self.people(number) and (self._covered is None or number in self._covered)

    def following(self, number: int, end: int) -> frozenset[str]:
        """`/next`: who is on call at the first minute that names somebody who is not now; nobody when none is seen."""
        return self._first_new(number, range(number, end))

    def preceding(self, number: int, start: int) -> frozenset[str]:
        """`/previous`: the same, backwards."""
        return self._first_new(number, range(number, start - 1, -1))

    def _first_new(self, number: int, minutes: Iterable[int]) -> frozenset[str]:
        now = self.paged(number)
        return next((people for one in minutes if not (people := self.people(one)) <= now), frozenset())

    def _in_force(self, number: int) -> list[Override]:
        place = bisect_right(self._edges, number)
        if place not in self._active:
            self._active[place] = [one for one in self.overrides if minute(one.start) <= number < minute(one.end)]
        return self._active[place]
