"""Who is on call: the layers of a roster, and the overrides on top of them, at any instant.

One resolver answers the pager, the command line, the calendar and the API. It tiles time: shifts and gaps together
cover every instant, without overlap.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from opswatch.core.calendars import HORIZON, pieces
from opswatch.core.overrides import Overlay, Stretch, conflicting
from opswatch.core.plan import Plan, Roster
from opswatch.core.shifts import Turn, Turns, layer_problems
from opswatch.core.state import Override

__all__ = ["OnCall", "Rosters", "Shift", "conflicting", "layer_problems"]

_NEVER = Turn(datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), (), 0)  # the turn after the last
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BLOCK = timedelta(days=32)  # Layers are worked out in blocks of this length, and remembered.
_BLOCKS_MAX = 128  # remembered for one roster: eleven years
_ANSWERS_MAX = 4_096  # remembered for one roster
_EXTENT_BLOCKS = 48  # How far the beginning and the end of a running shift are looked for: four years.


@dataclass(frozen=True, slots=True)
class Shift:
    """One stretch of duty, [start, end), UTC; `people` is empty in a gap.

    `layer` names the layer, or several on call together as "a+b"; None in a gap and where an override decides alone.
    `override` is the newest one that changed something.
    """

    start: datetime
    end: datetime
    people: tuple[str, ...]
    layer: str | None
    override: int | None


@dataclass(frozen=True, slots=True)
class OnCall:
    """Who is on call at an instant; in a gap the roster's fallback (`fallback`), or nobody.

    `start` and `until` bound the shift (or the gap), UTC; None when that is more than four years away, as it is in a
    roster without layers. `layers` are the ids behind `layer`.
    """

    people: tuple[str, ...]
    fallback: bool
    layer: str | None
    start: datetime | None
    until: datetime | None
    override: int | None
    layers: tuple[str, ...] = ()


class Rosters:
    """Answers every question about the rosters of one plan. All instants are UTC; KeyError for an unknown roster.

    Overrides are handed in with each question; those of other rosters are ignored. It never changes but for what it
    remembers, and may be asked from several threads.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._layers = {roster.id: _Layers(roster, plan) for roster in plan.rosters.values()}
        self._fallbacks = {roster.id: _fallback(roster, plan) for roster in plan.rosters.values()}
        self._known = _Grouped((), {})
        self._lines = {roster: _Line(layers, ()) for roster, layers in self._layers.items()}

    def on_call(self, roster_id: str, overrides: Iterable[Override], at: datetime) -> OnCall:
        """Who is on call at `at`, and since and until when."""
        line = self._line(roster_id, overrides)
        part = line.at(at)
        answer = line.answers.get(part.start)
        if answer is None:
            if len(line.answers) >= _ANSWERS_MAX:
                line.answers.clear()
            answer = line.answers[part.start] = _on_call(line, part, self._fallbacks[roster_id])
        return answer

    def shifts(self, roster_id: str, overrides: Iterable[Override], start: datetime, end: datetime) -> list[Shift]:
        """Shifts and gaps that tile [start, end), cut to it; a new turn of the same people is a new shift."""
        if start >= end:
            return []
        whole = _joined(self._line(roster_id, overrides).onwards(start, end))
        return [_shift(stretch, max(stretch.start, start), min(stretch.end, end)) for stretch in whole]

    def gaps(
        self, roster_id: str, overrides: Iterable[Override], start: datetime, end: datetime
    ) -> list[tuple[datetime, datetime]]:
        """When nobody is on call in [start, end) and the roster `covers` that time; a fallback does not fill a gap.
        Nobody waits for a shadow: its roster has none."""
        if start >= end or self._plan.rosters[roster_id].shadows is not None:
            return []
        empty = [
            (max(stretch.start, start), min(stretch.end, end))
            for stretch in self._line(roster_id, overrides).onwards(start, end)
            if not stretch.people
        ]
        return list(_overlaps(_united(empty), self._covered(roster_id, start, end)))

    def next_people(self, roster_id: str, overrides: Iterable[Override], at: datetime) -> tuple[str, ...]:
        """The people of the next shift that names someone not now on call; () when none does within 400 days."""
        ours = tuple(overrides)
        ahead = self._line(roster_id, ours).onwards(at, at + HORIZON)
        return _first_new(_joined(ahead), self.on_call(roster_id, ours, at).people)

    def previous_people(self, roster_id: str, overrides: Iterable[Override], at: datetime) -> tuple[str, ...]:
        """The people of the last shift before that named someone not now on call; () when none did in 400 days."""
        ours = tuple(overrides)
        behind = self._line(roster_id, ours).backwards(at, at - HORIZON)
        return _first_new(_joined(behind), self.on_call(roster_id, ours, at).people)

    def next_shifts_of(
        self, person: str, roster_id: str, overrides: Iterable[Override], at: datetime, count: int
    ) -> list[Shift]:
        """At most `count` whole shifts of one person that end after `at`, a running one first; within 400 days."""
        line = self._line(roster_id, overrides)
        ahead = _joined(line.onwards(at, at + HORIZON))
        theirs = list(islice((stretch for stretch in ahead if person in stretch.people), count))
        return [_shift(stretch, *line.whole(stretch)) for stretch in theirs]

    def is_working(self, person: str, overrides: Iterable[Override], at: datetime) -> bool:
        """Whether a shift of theirs that has windows covers `at`: then they are at work, whatever their `day` says."""
        ours = tuple(overrides)
        for roster_id, layers in self._layers.items():
            if layers.windowed:
                on_call = self.on_call(roster_id, ours, at)
                if person in on_call.people and not layers.windowed.isdisjoint(on_call.layers):
                    return True
        return False

    def conflicting(self, overrides: Iterable[Override], new: Override) -> Override | None:
        """The override, made first, that `new` may not stand beside (SPEC 3); None when it may be made."""
        return conflicting(overrides, new)

    # -----------------------------------------------------------------------------------------------------------------

    def _line(self, roster_id: str, overrides: Iterable[Override]) -> _Line:
        """The roster as these overrides make it: as it was asked about last, or worked out anew."""
        every = overrides if isinstance(overrides, tuple) else tuple(overrides)
        grouped = self._known  # Looked at once: another thread may ask about other overrides.
        if grouped.overrides != every:  # Quick where they are the same objects, as they are from one state.
            grouped = self._known = _grouped(every)
        ours = grouped.by_roster.get(roster_id, ())
        line = self._lines[roster_id]
        if line.overrides != ours:
            line = self._lines[roster_id] = _Line(self._layers[roster_id], ours)
        return line

    def _covered(self, roster_id: str, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        """The times in which emptiness is a gap."""
        roster = self._plan.rosters[roster_id]
        if roster.covers is None:
            return [(start, end)]
        named = next((layer.calendar for layer in roster.layers if layer.calendar is not None), None)
        calendar = None if named is None else self._plan.calendars.get(named)
        found = (pieces(window, roster.timezone, calendar, start, end) for window in roster.covers)
        return _united(sorted(piece for some in found for piece in some))


@dataclass(frozen=True, slots=True)
class _Grouped:
    """Overrides of all rosters, and those of each."""

    overrides: tuple[Override, ...]
    by_roster: Mapping[str, tuple[Override, ...]]


class _Line:
    """One roster under one set of overrides, remembered in blocks."""

    def __init__(self, layers: _Layers, overrides: tuple[Override, ...]) -> None:
        self.overrides = overrides
        self.answers: dict[datetime, OnCall] = {}  # by the start of the part that was asked about
        self._layers, self._overlay = layers, Overlay(overrides)
        self._blocks: dict[int, tuple[Stretch, ...]] = {}

    def at(self, at: datetime) -> Stretch:
        """The part of a shift or a gap that covers `at`, within its block."""
        block = self._block(_block_of(at))
        return block[bisect_right(block, at, key=_begins) - 1]

    def whole(self, part: Stretch) -> tuple[datetime, datetime]:
        """Where the shift that `part` belongs to begins and ends, four years to either side at most."""
        first, last = _extent(part.start)[0], _extent(part.end)[1]
        before = next(_joined(self.backwards(part.start, first)))
        after = next(_joined(self.onwards(part.start, last)))
        return before.start, after.end

    def onwards(self, start: datetime, end: datetime) -> Iterator[Stretch]:
        """Stretches that overlap [start, end), in order, cut at the edges of blocks only."""
        for number in range(_block_of(start), _block_of(end) + 1):
            block = self._block(number)
            first = bisect_right(block, start, key=_begins) - 1 if block[0].start <= start else 0
            for stretch in islice(block, first, None):
                if stretch.start >= end:
                    return
                yield stretch

    def backwards(self, start: datetime, end: datetime) -> Iterator[Stretch]:
        """Stretches from the one that covers `start` back to the one that covers `end`."""
        for number in range(_block_of(start), _block_of(end) - 1, -1):
            block = self._block(number)
            for place in range(bisect_right(block, start, key=_begins) - 1, -1, -1):
                if block[place].end <= end:
                    return
                yield block[place]

    def _block(self, number: int) -> tuple[Stretch, ...]:
        block = self._blocks.get(number)
        if block is None:
            if len(self._blocks) >= _BLOCKS_MAX:
                self._blocks.clear()
            block = self._layers.block(number)
            if self._overlay.touches(block[0].start, block[-1].end):
                block = tuple(_joined(piece for base in block for piece in self._overlay.laid_over(base)))
            self._blocks[number] = block
        return block


class _Layers:
    """What the layers of one roster say together, before any override; remembered in blocks."""

    def __init__(self, roster: Roster, plan: Plan) -> None:
        self._turns = [
            Turns(layer, None if layer.calendar is None else plan.calendars.get(layer.calendar))
            for layer in roster.layers
        ]
        self._blocks: dict[int, tuple[Stretch, ...]] = {}
        self._ids = [layer.id for layer in roster.layers]
        self._priorities = [layer.priority for layer in roster.layers]
        self._by_rank = sorted(range(len(self._ids)), key=lambda number: -self._priorities[number])  # Stable.
        self.windowed = {layer.id for layer in roster.layers if layer.windows}

    def block(self, number: int) -> tuple[Stretch, ...]:
        """The stretches that tile block `number`."""
        block = self._blocks.get(number)
        if block is None:
            if len(self._blocks) >= _BLOCKS_MAX:
                self._blocks.clear()
            start = _EPOCH + _BLOCK * number
            block = self._blocks[number] = tuple(_joined(self._tile(start, start + _BLOCK)))
        return block

    def _tile(self, start: datetime, end: datetime) -> Iterator[Stretch]:
        """At each instant the turns of the highest priority present; equal ones are all on call."""
        turns = {number: found for number, some in enumerate(self._turns) if (found := some.between(start, end))}
        if len(turns) == 1:
            yield from self._alone(*turns.popitem(), start, end)
            return
        edges = {start, end}.union(*({edge for turn in some for edge in turn[:2]} for some in turns.values()))
        rows = [
            (number, self._priorities[number], [*turns[number], _NEVER]) for number in self._by_rank if number in turns
        ]
        places = [0] * len(rows)
        for begins, ends in pairwise(sorted(edges)):
            present: list[tuple[int, Turn]] = []
            highest = None
            for row, (number, priority, some) in enumerate(rows):
                if present and priority != highest:
                    break
                place = places[row]
                while some[place].end <= begins:
                    place += 1
                places[row] = place
                if some[place].start <= begins:
                    present.append((number, some[place]))
                    highest = priority
            yield self._together(begins, ends, present)

    def _alone(self, number: int, turns: list[Turn], start: datetime, end: datetime) -> Iterator[Stretch]:
        """Nothing but this layer: its turns, and the gaps between them."""
        layers = (self._ids[number],)
        for turn in turns:
            if start < turn.start:
                yield Stretch(start, turn.start)
            yield Stretch(turn.start, turn.end, turn.people, layers, ((number, turn.slot),))
            start = turn.end
        if start < end:
            yield Stretch(start, end)

    def _together(self, start: datetime, end: datetime, present: list[tuple[int, Turn]]) -> Stretch:
        """Those on call in [start, end), in the order of their layers; nobody is a gap."""
        if not present:
            return Stretch(start, end)
        if len(present) == 1:
            number, turn = present[0]
            return Stretch(start, end, turn.people, (self._ids[number],), ((number, turn.slot),))
        return Stretch(
            start,
            end,
            people=tuple(dict.fromkeys([person for _, turn in present for person in turn.people])),
            layers=tuple([self._ids[number] for number, _ in present]),
            source=tuple([(number, turn.slot) for number, turn in present]),
        )


def _grouped(overrides: tuple[Override, ...]) -> _Grouped:
    by_roster: dict[str, list[Override]] = {}
    for override in overrides:
        by_roster.setdefault(override.roster, []).append(override)
    return _Grouped(overrides, {roster: tuple(ours) for roster, ours in by_roster.items()})


def _on_call(line: _Line, part: Stretch, fallback: tuple[str, ...]) -> OnCall:
    """Who is on call over the whole shift that `part` belongs to."""
    first, last = _extent(part.start)[0], _extent(part.end)[1]
    start, end = line.whole(part)
    shift = _shift(part, start, end)
    paged = () if shift.people else fallback
    return OnCall(
        people=shift.people or paged,
        fallback=bool(paged),
        layer=shift.layer,
        start=start if start > first else None,
        until=end if end < last else None,
        override=shift.override,
        layers=part.layers,
    )


def _fallback(roster: Roster, plan: Plan) -> tuple[str, ...]:
    """The people behind `fallback = ["person:lead", "team:ops"]`, in order, each once."""
    people: list[str] = []
    for target in roster.fallback:
        kind, _, what = target.partition(":")
        if kind == "person":
            people.append(what)
        elif kind == "team":
            people += [person.id for person in plan.people.values() if person.team == what]
    return tuple(dict.fromkeys(people))


def _joined(stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    """Stretches that touch and are the same shift, as one; they may come in either direction."""
    first: Stretch | None = None
    last: Stretch | None = None
    for stretch in stretches:
        if first is None or last is None:
            first = last = stretch
        elif first.is_one_with(stretch):
            last = stretch
        else:
            yield _span(first, last)
            first = last = stretch
    if first is not None and last is not None:
        yield _span(first, last)


def _span(one: Stretch, other: Stretch) -> Stretch:
    """From one of two parts of a shift to the other."""
    if one is other:
        return one
    start, end = min(one.start, other.start), max(one.end, other.end)
    return Stretch(start, end, one.people, one.layers, one.source, one.overrides)


def _shift(stretch: Stretch, start: datetime, end: datetime) -> Shift:
    """The shift [start, end) of which `stretch` is a part."""
    override = stretch.overrides[-1] if stretch.overrides else None
    return Shift(start, end, stretch.people, "+".join(stretch.layers) or None, override)


def _first_new(stretches: Iterable[Stretch], known: tuple[str, ...]) -> tuple[str, ...]:
    return next((stretch.people for stretch in stretches if not set(stretch.people) <= set(known)), ())


def _begins(span: Stretch) -> datetime:
    return span.start


def _block_of(at: datetime) -> int:
    return (at - _EPOCH) // _BLOCK


def _extent(at: datetime) -> tuple[datetime, datetime]:
    """How far the ends of a shift at `at` are looked for: whole blocks, so that stretches end there exactly."""
    block = _EPOCH + _BLOCK * _block_of(at)
    return block - _BLOCK * _EXTENT_BLOCKS, block + _BLOCK * _EXTENT_BLOCKS


def _united(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Spans in order of their start, with those that touch or overlap made one."""
    united: list[tuple[datetime, datetime]] = []
    for start, end in spans:
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(united[-1][1], end))
        else:
            united.append((start, end))
    return united


def _overlaps(
    some: list[tuple[datetime, datetime]], others: list[tuple[datetime, datetime]]
) -> Iterator[tuple[datetime, datetime]]:
    """What two rising lists of separate spans have in common."""
    place = 0
    for start, end in some:
        while place < len(others) and others[place][1] <= start:
            place += 1
        for other_start, other_end in others[place:]:
            if other_start >= end:
                break
            yield max(start, other_start), min(end, other_end)
