"""One layer of a roster: where its slots lie, what its windows leave of them, and whose turn that is."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from opswatch.core.calendars import Occurrence, instant, occurrences, reading, zone
from opswatch.core.plan import DayCalendar, Layer

UNITS = ("hour", "day", "week", "month")

_SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
_COUNTS_MAX = {"hour": 876_000, "day": 36_500, "week": 5_200, "month": 1_200}  # A hundred years.
_YEARS = range(1970, 2200)
_LONG_AGO = datetime(1900, 1, 1, tzinfo=UTC)  # Outside these layers are empty, so that no question costs an eternity.
_NEVER = datetime(2300, 1, 1, tzinfo=UTC)
_PIECE_MAX = timedelta(days=9)  # No window is longer, whatever clocks do.
_SHEET = timedelta(days=16)  # Windows are laid out for so long at a time, and remembered.
_SHEETS_MAX = 32
_OPENS_MAX = 1_024  # hand-offs remembered for one layer
_LOOK_AHEAD = 32  # Slots counted in one go where turns advance by worked slots.


class Turn(NamedTuple):
    """One participant's go as it stands on the timeline, [start, end), UTC, never empty; nobody is named twice.

    `slot` is its place in the pattern: the same people's next turn has another.
    """

    start: datetime
    end: datetime
    people: tuple[str, ...]
    slot: int


class Turns:
    """Whose turn a layer says it is, at any instant. At most one at a time (SPEC 3)."""

    def __init__(self, layer: Layer, calendar: DayCalendar | None) -> None:
        """`calendar` is the one the layer names. ValueError for an unknown time zone."""
        self.layer = layer
        self._calendar = calendar
        self._slots = Slots(layer)
        self._effective = instant(layer.effective, layer.timezone) if layer.effective else _LONG_AGO
        self._until = instant(layer.until, layer.timezone) if layer.until else _NEVER
        self._participants = tuple(tuple(dict.fromkeys(people)) for people in layer.participants)
        self._counted = _Counted(0, 0, ())
        self._sheets: dict[int, tuple[Occurrence, ...]] = {}

    def between(self, start: datetime, end: datetime) -> list[Turn]:
        """The turns of [start, end), cut to it, in order; holes are left out.

        One slot may come in several pieces, and pieces of one slot may touch.
        """
        low, high = max(start, self._effective, _LONG_AGO), min(end, self._until, _NEVER)
        if low >= high or not self.layer.participants:
            return []
        return list(self._windowed(low, high) if self.layer.windows else self._unbroken(low, high))

    def _unbroken(self, start: datetime, end: datetime) -> Iterator[Turn]:
        """Slots as they are, cut to [start, end)."""
        slot = self._slots.at(start)
        opens = start
        while opens < end:
            closes = min(self._slots.closes(slot), end)
            if opens < closes:  # Not where clocks jump over the whole of an hourly slot, nor in a hole of `every`.
                yield Turn(opens, closes, self._people(slot), slot)
            slot += 1
            opens = self._slots.opens(slot)

    def _windowed(self, start: datetime, end: datetime) -> Iterator[Turn]:
        """What the windows leave. Where they overlap the piece that began first holds, then the one written first."""
        free_from = start
        for piece in self._pieces(start, end):
            opens, closes = max(piece.opens, free_from), min(piece.closes, end)
            if opens >= closes:
                continue
            free_from = closes
            if not piece.overnight:  # A hand-off cuts it where it falls.
                yield from self._unbroken(opens, closes)
                continue
            slot = self._slots.at(piece.opens)  # Those on call at its start keep it to its end.
            if piece.opens < self._slots.closes(slot):
                yield Turn(opens, closes, self._people(slot), slot)

    def _pieces(self, start: datetime, end: datetime) -> Iterator[Occurrence]:
        """Occurrences of the windows that overlap [start, end), the first to open first."""
        for number in range((start - _PIECE_MAX - _LONG_AGO) // _SHEET, (end - _LONG_AGO) // _SHEET + 1):
            for piece in self._sheet(number):
                if piece.opens >= end:
                    return
                if piece.closes > start:
                    yield piece

    def _sheet(self, number: int) -> tuple[Occurrence, ...]:
        """Those that open in one stretch of days: asked for again and again, to count and to lay out."""
        known = self._sheets.get(number)
        if known is None:
            if len(self._sheets) >= _SHEETS_MAX:
                self._sheets.clear()
            start = _LONG_AGO + _SHEET * number
            found = [
                piece
                for window in self.layer.windows
                for piece in occurrences(window, self.layer.timezone, self._calendar, start, start + _SHEET)
                if piece.opens >= start
            ]
            found.sort(key=_opens)  # Stable: as written where they open together.
            known = self._sheets[number] = tuple(found)
        return known

    def _people(self, slot: int) -> tuple[str, ...]:
        count = self._worked_before(slot) if self.layer.worked and self.layer.windows else slot
        return self._participants[count % len(self._participants)]

    def _worked_before(self, slot: int) -> int:
        """How many slots from slot 0 to this one are worked, negative when it lies before 0.

        For a slot that is not worked this is the place of the next worked one, whose people take it. The cost of the
        first question grows with the distance from `starts`: some 10 µs a day.
        """
        counted = self._counted
        if not counted.low <= slot <= counted.high:
            low = min(counted.low, slot - _LOOK_AHEAD if slot < counted.low else 0)
            high = max(counted.high, slot + _LOOK_AHEAD if slot > counted.high else 0)
            before, after = self._worked(low, counted.low), self._worked(counted.high, high)
            # One assignment: two threads may count the same slots, but neither sees half a count.
            counted = self._counted = _Counted(low, high, (*before, *counted.worked, *after))
        return bisect_left(counted.worked, slot) - bisect_left(counted.worked, 0)

    def _worked(self, low: int, high: int) -> list[int]:
        """Slots of [low, high) in which an occurrence of a window starts."""
        found: set[int] = set()
        if low < high:
            start, end = self._slots.opens(low), self._slots.opens(high)
            for opens in (piece.opens for piece in self._pieces(start, end) if start <= piece.opens < end):
                slot = self._slots.at(opens)
                if opens < self._slots.closes(slot):
                    found.add(slot)
        return sorted(found)


def _opens(piece: Occurrence) -> datetime:
    return piece.opens


@dataclass(frozen=True, slots=True)
class _Counted:
    """The worked slots of [low, high), rising."""

    low: int
    high: int
    worked: tuple[int, ...]


class Slots:
    """Where slot k lies, k any integer: `[starts + k · every, + turn)` on the clocks of the layer's zone."""

    def __init__(self, layer: Layer) -> None:
        self._starts = layer.starts
        self._timezone = layer.timezone
        self._every, self._every_unit = layer.every
        self._turn, self._turn_unit = layer.turn
        self._is_whole = layer.every == layer.turn
        self._opens: dict[int, datetime] = {}
        self._found = 0, self.opens(0), self.opens(1)

    def opens(self, slot: int) -> datetime:
        """The instant (UTC) of the hand-off that begins it."""
        known = self._opens.get(slot)
        if known is None:
            if len(self._opens) >= _OPENS_MAX:
                self._opens.clear()
            known = self._opens[slot] = instant(self._local(slot), self._timezone)
        return known

    def closes(self, slot: int) -> datetime:
        """The instant its turn ends: where the next begins, or before that when `every` leaves a hole."""
        if self._is_whole:
            return self.opens(slot + 1)
        if self._turn_unit == self._every_unit == "month":  # Clamped from the anchor's day, as every hand-off is.
            local = _plus(self._starts, slot * self._every + self._turn, "month")
        else:
            local = _plus(self._local(slot), self._turn, self._turn_unit)
        return min(instant(local, self._timezone), self.opens(slot + 1))

    def at(self, at: datetime) -> int:
        """The last slot that has begun by that instant; its turn may have ended."""
        slot, opens, following = self._found  # Questions mostly come in order of time.
        if opens <= at < following:
            return slot
        if not opens <= at < self.opens(slot + 2):
            slot = self._about(at)
            opens, following = self.opens(slot), self.opens(slot + 1)
        # The clock's reading is only near: hands may have jumped over a hand-off, or passed it twice.
        while opens > at:
            slot, opens, following = slot - 1, self.opens(slot - 1), opens
        while following <= at:
            slot, opens, following = slot + 1, following, self.opens(slot + 2)
        self._found = slot, opens, following
        return slot

    def _about(self, at: datetime) -> int:
        local = reading(at, self._timezone)
        if self._every_unit == "month":
            months = (local.year - self._starts.year) * 12 + local.month - self._starts.month
            return months // self._every
        return (local - self._starts) // (_SPANS[self._every_unit] * self._every)

    def _local(self, slot: int) -> datetime:
        return _plus(self._starts, slot * self._every, self._every_unit)


def _plus(local: datetime, count: int, unit: str) -> datetime:
    """A local reading moved by calendar units; a day the month does not have is its last."""
    if unit != "month":
        return local + _SPANS[unit] * count
    months = local.year * 12 + local.month - 1 + count
    first, following = (date(number // 12, number % 12 + 1, 1) for number in (months, months + 1))
    return local.replace(year=first.year, month=first.month, day=min(local.day, (following - first).days))


# ---------------------------------------------------------------------------------------------------------------------
# What is refused


def layer_problems(layer: Layer) -> list[str]:
    """What is wrong with a layer, each in words that say what to write; empty when it can be used."""
    spans = [*_span_problems("turn", layer.turn), *_span_problems("every", layer.every)]
    problems = [*_participant_problems(layer), *spans]
    if not spans and _can_overlap(layer.turn, layer.every):
        problems.append(
            f"every = '{say_count(layer.every)}' is (or can be) shorter than turn = '{say_count(layer.turn)}': "
            "two turns would overlap; leave `every` out, or make it longer"
        )
    for key, local in (("starts", layer.starts), ("effective", layer.effective), ("until", layer.until)):
        if local is not None and local.year not in _YEARS:
            problems.append(f"{key} = {local.isoformat()}: write a year from {_YEARS[0]} to {_YEARS[-1]}")
    if layer.effective is not None and layer.until is not None and layer.until <= layer.effective:
        problems.append(
            f"until = {layer.until.isoformat()} is not after effective = {layer.effective.isoformat()}: "
            "the layer would never be on call; write a later `until`"
        )
    return [*problems, *_zone_problems(layer)]


def say_count(span: tuple[int, str]) -> str:
    """(2, "week") as it is written: "2 weeks"."""
    count, unit = span
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _participant_problems(layer: Layer) -> Iterator[str]:
    if not layer.participants:
        yield "participants = []: write at least one turn, such as [['chen'], ['li']]"
    for number, people in enumerate(layer.participants, 1):
        if not people:
            yield f"participants: turn {number} is empty; name its people, or leave the turn out"


def _span_problems(key: str, span: tuple[int, str]) -> Iterator[str]:
    count, unit = span
    if unit not in UNITS:
        yield f"{key} = '{count} {unit}': the unit must be hour, day, week or month, such as '1 week'"
    elif count < 1:
        yield f"{key} = '{say_count(span)}': the count must be 1 or more, such as '1 week'"
    elif count > _COUNTS_MAX[unit]:
        yield f"{key} = '{say_count(span)}' is longer than a hundred years; write a span such as '1 week'"


def _zone_problems(layer: Layer) -> Iterator[str]:
    try:
        zone(layer.timezone)
    except ValueError as error:
        yield f"timezone: {error}"


def _can_overlap(turn: tuple[int, str], every: tuple[int, str]) -> bool:
    """Whether some turn would last into the next. Months are compared as months, otherwise the worst case counts."""
    if turn[1] == every[1]:
        return turn[0] > every[0]
    return max(_lengths(turn)) > min(_lengths(every))


def _lengths(span: tuple[int, str]) -> list[timedelta]:
    """Every length a span can have on the calendar; all but months have one."""
    count, unit = span
    if unit != "month":
        return [_SPANS[unit] * count]
    anchors = [datetime(2023 + month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in range(48)]
    return [_plus(anchor, count, unit) - anchor for anchor in anchors]
