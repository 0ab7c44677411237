"""Who is on call, worked out the slow way: step after step, straight from the sentences of SPEC 3.

It shares nothing with `opswatch/core` but the values of the plan. A local reading becomes an instant by looking at what
a clock on the wall reads at every step; everything asked of it lies on quarter hours, and so do all clock changes, so
that nothing can happen between two steps.
"""

from __future__ import annotations

import calendar
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import accumulate
from zoneinfo import ZoneInfo

from opswatch.core.plan import DayCalendar, Layer, Roster, Window
from opswatch.core.state import Override

STEP = timedelta(minutes=15)
REACH = timedelta(days=75)  # What the clock is looked at on either side.
DAY = timedelta(days=1)


class Clock:
    """What the clocks of a zone read at every step around an instant. Instants are numbers of steps."""

    def __init__(self, zone_name: str, around: datetime) -> None:
        self.origin = around - REACH
        days = (self.origin + DAY * number for number in range(2 * REACH // DAY))
        self.readings = [reading for day in days for reading in _read(day, ZoneInfo(zone_name))]
        self._latest = list(accumulate(self.readings, max))
        self._last = {reading: step for step, reading in enumerate(self.readings)}

    def first(self, local: datetime) -> int:
        """The first step at which the clock reads it, or has jumped over it."""
        return bisect_left(self._latest, local)

    def last(self, local: datetime) -> int:
        """The last step at which the clock reads it; where it is jumped over, the first after the jump."""
        return self._last.get(local, self.first(local))

    def step(self, at: datetime) -> int:
        return (at - self.origin) // STEP


def _read(start: datetime, zone: ZoneInfo) -> list[datetime]:
    """What the clock reads at every step of the twenty-four hours from `start`."""
    first, last = (at.astimezone(zone).replace(tzinfo=None, fold=0) for at in (start, start + DAY))
    if last - first == DAY:  # It was not touched: much quicker than to look every time.
        return [first + STEP * number for number in range(DAY // STEP)]
    steps = (start + STEP * number for number in range(DAY // STEP))
    return [step.astimezone(zone).replace(tzinfo=None, fold=0) for step in steps]


@cache
def clock(zone_name: str, around: datetime) -> Clock:
    return Clock(zone_name, around)


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


class LayerOracle:
    """One layer, around an instant near which its pattern starts."""

    def __init__(self, layer: Layer, around: datetime, holidays: DayCalendar) -> None:
        self.layer = layer
        self.clock = clock(layer.timezone, around)
        near = timedelta(days=12) if layer.every[1] in ("hour", "day") else timedelta(days=70)
        middle = around.astimezone(UTC).replace(tzinfo=None)
        self.slots = self._slots(middle - near, middle + near)
        self.pieces = self._pieces(middle - near - 2 * DAY, middle + near + 2 * DAY, holidays)
        self.slot_at: list[Slot | None] = [None] * len(self.clock.readings)
        for slot in self.slots:
            assert not any(self.slot_at[slot.opens : slot.closes]), "a layer gives at most one turn"
            self.slot_at[slot.opens : slot.closes] = [slot] * (slot.closes - slot.opens)
        self.piece_at: list[Piece | None] = [None] * len(self.clock.readings)
        for piece in sorted(self.pieces, key=lambda piece: (piece.opens, piece.window), reverse=True):
            self.piece_at[piece.opens : piece.closes] = [piece] * (piece.closes - piece.opens)  # The first holds.
        worked = {self.slot_at[piece.opens] for piece in self.pieces}
        self.worked = {slot.k: slot in worked for slot in self.slots}
        self.effective = self.clock.first(layer.effective) if layer.effective else 0
        self.until = self.clock.first(layer.until) if layer.until else len(self.clock.readings)

    def turn(self, step: int) -> tuple[int, tuple[str, ...]] | None:
        """The slot whose people are on call at that step, and those people."""
        if not self.effective <= step < self.until:
            return None
        slot = self.slot_at[step]
        if self.layer.windows:
            piece = self.piece_at[step]
            if piece is None:
                return None
            if piece.is_overnight:
                slot = self.slot_at[piece.opens]
        return None if slot is None else (slot.k, self._people(slot.k))

    def _slots(self, low: datetime, high: datetime) -> list[Slot]:
        found = []
        most = (high - low) // timedelta(hours=1) // (1 if self.layer.every[1] == "hour" else 24)
        for k in range(-most, most):
            if low <= (local := plus(self.layer.starts, k, self.layer.every)) < high:
                ends = self._turn_ends(k, local)
                following = plus(self.layer.starts, k + 1, self.layer.every)
                found.append(Slot(k, self.clock.first(local), self.clock.first(min(ends, following))))
        return found

    def _turn_ends(self, k: int, local: datetime) -> datetime:
        if self.layer.turn[1] == self.layer.every[1] == "month":
            return plus(self.layer.starts, 1, (k * self.layer.every[0] + self.layer.turn[0], "month"))
        return plus(local, 1, self.layer.turn)

    def _pieces(self, low: datetime, high: datetime, holidays: DayCalendar) -> list[Piece]:
        found = []
        for number, window in enumerate(self.layer.windows):
            day = low.date()
            while day < high.date():
                if is_named(window, day, holidays):
                    ends = datetime.combine(last_day(window, day), window.end)
                    opens = self.clock.first(datetime.combine(day, window.start))
                    is_overnight = (ends - timedelta(microseconds=1)).date() > day
                    if opens < (closes := self.clock.last(ends)):
                        found.append(Piece(opens, closes, number, is_overnight))
                day += DAY
        return found

    def _people(self, k: int) -> tuple[str, ...]:
        if self.layer.worked and self.layer.windows:
            between = range(k) if k >= 0 else range(k, 0)
            count = sum(self.worked[one] for one in between) * (1 if k >= 0 else -1)
        else:
            count = k
        return self.layer.participants[count % len(self.layer.participants)]


class RosterOracle:
    """A roster and its overrides, around an instant near which everything about them happens."""

    def __init__(self, roster: Roster, overrides: Iterable[Override], around: datetime, holidays: DayCalendar) -> None:
        self.layers = [LayerOracle(layer, around, holidays) for layer in roster.layers]
        self.overrides = sorted(overrides, key=lambda override: override.id)

    def turns(self, at: datetime) -> dict[int, tuple[int, tuple[str, ...]]]:
        """The turns on call before any override, by the number of their layer."""
        present = {}
        for number, layer in enumerate(self.layers):
            turn = layer.turn(layer.clock.step(at))
            if turn is not None:
                present[number] = turn
        highest = max((self.layers[number].layer.priority for number in present), default=0)
        return {number: turn for number, turn in present.items() if self.layers[number].layer.priority == highest}

    def people(self, at: datetime) -> set[str]:
        on_call = {person for _, people in self.turns(at).values() for person in people}
        active = [override for override in self.overrides if override.start <= at < override.end]
        for override in active:  # The newest temporary schedule comes last.
            if override.shifts is not None:
                on_call = {who for start, end, people in override.shifts if start <= at < end for who in people}
        base = set(on_call)
        for override in active:
            if override.remove in base:
                on_call.discard(override.remove)
        on_call |= {override.add for override in active if override.remove in base and override.add is not None}
        return on_call | {override.add for override in active if override.remove is None and override.add is not None}


def plus(local: datetime, times: int, span: tuple[int, str]) -> datetime:
    """A reading moved by `times` spans; a day that the month does not have is its last."""
    count, unit = span
    if unit != "month":
        return local + times * count * {"hour": timedelta(hours=1), "day": DAY, "week": 7 * DAY}[unit]
    months = local.year * 12 + (local.month - 1) + times * count
    year, month = months // 12, months % 12 + 1
    return local.replace(year=year, month=month, day=min(local.day, calendar.monthrange(year, month)[1]))


def is_named(window: Window, day: date, holidays: DayCalendar) -> bool:
    if window.weekdays is not None:
        return day.weekday() in window.weekdays
    if window.month_days is not None:
        length = calendar.monthrange(day.year, day.month)[1]
        return any(day.day == (named if named > 0 else length + 1 + named) for named in window.month_days)
    if window.work is not None:
        is_workday = (day.weekday() < 5 and day not in holidays.holidays) or day in holidays.worked
        return is_workday == window.work
    return True


def last_day(window: Window, day: date) -> date:
    """Of the days from this one on, the first on which the window may end."""
    ends = day if window.end > window.start else day + DAY
    while window.end_weekday is not None and ends.weekday() != window.end_weekday:
        ends += DAY
    return ends


def midnight(day: date) -> datetime:
    return datetime.combine(day, time())
