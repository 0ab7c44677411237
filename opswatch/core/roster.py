"""Who is on call: the layers of a roster, and the overrides on top of them, at any instant.

One resolver answers the pager, the command line, the calendar and the API. It tiles time: shifts and gaps together
cover every instant, without overlap.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice, pairwise

from opswatch.core.calendars import HORIZON, pieces
from opswatch.core.overrides import Overlay, Stretch, conflicting
from opswatch.core.plan import Plan, Roster
from opswatch.core.shifts import Turn, Turns, layer_problems
from opswatch.core.state import Override

__all__ = ["OnCall", "Rosters", "Shift", "conflicting", "layer_problems"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BLOCK = timedelta(days=32)  # Layers are worked out in blocks of this length, and remembered.
_BLOCKS_MAX = 128  # remembered for one roster: eleven years
_ANSWERS_MAX = 256  # remembered for one roster
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
        self._overlays: dict[str, tuple[tuple[Override, ...], Overlay]] = {}
        self._answers: dict[str, _Answers] = {}

    def on_call(self, roster_id: str, overrides: Iterable[Override], at: datetime) -> OnCall:
        """Who is on call at `at`, and since and until when."""
        ours = tuple(override for override in overrides if override.roster == roster_id)
        known = self._answers.get(roster_id)
        if known is None or known.overrides != ours:
            known = _Answers(ours, ())
        place = bisect_right(known.given, at, key=_begins)
        if place and at < known.given[place - 1].end:
            return known.given[place - 1].on_call
        answer = self._answer(roster_id, ours, at)
        given = (*known.given[:place], answer, *known.given[place:]) if len(known.given) < _ANSWERS_MAX else (answer,)
        self._answers[roster_id] = _Answers(ours, given)
        return answer.on_call

    def shifts(self, roster_id: str, overrides: Iterable[Override], start: datetime, end: datetime) -> list[Shift]:
        """Shifts and gaps that tile [start, end), cut to it; a new turn of the same people is a new shift."""
        if start >= end:
            return []
        overlay = self._overlay(roster_id, overrides)
        return [
            _shift(replace(stretch, start=max(stretch.start, start), end=min(stretch.end, end)))
            for stretch in _joined(self._onwards(roster_id, overlay, start, end))
        ]

    def gaps(
        self, roster_id: str, overrides: Iterable[Override], start: datetime, end: datetime
    ) -> list[tuple[datetime, datetime]]:
        """When nobody is on call in [start, end) and the roster `covers` that time; a fallback does not fill a gap."""
        empty = [
            (shift.start, shift.end) for shift in self.shifts(roster_id, overrides, start, end) if not shift.people
        ]
        return list(_overlaps(_united(empty), self._covered(roster_id, start, end)))

    def next_people(self, roster_id: str, overrides: Iterable[Override], at: datetime) -> tuple[str, ...]:
        """The people of the next shift that names someone not now on call; () when none does within 400 days."""
        ours = tuple(overrides)
        ahead = self._onwards(roster_id, self._overlay(roster_id, ours), at, at + HORIZON)
        return _first_new(_joined(ahead), self.on_call(roster_id, ours, at).people)

    def previous_people(self, roster_id: str, overrides: Iterable[Override], at: datetime) -> tuple[str, ...]:
        """The people of the last shift before that named someone not now on call; () when none did in 400 days."""
        ours = tuple(overrides)
        behind = self._backwards(roster_id, self._overlay(roster_id, ours), at, at - HORIZON)
        return _first_new(_joined(behind), self.on_call(roster_id, ours, at).people)

    def next_shifts_of(
        self, person: str, roster_id: str, overrides: Iterable[Override], at: datetime, count: int
    ) -> list[Shift]:
        """At most `count` whole shifts of one person that end after `at`, a running one first; within 400 days."""
        ours = tuple(overrides)
        overlay = self._overlay(roster_id, ours)
        ahead = _joined(self._onwards(roster_id, overlay, at, at + HORIZON))
        theirs = list(islice((stretch for stretch in ahead if person in stretch.people), count))
        return [_shift(self._whole(roster_id, overlay, stretch)) for stretch in theirs]

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

    def _overlay(self, roster_id: str, overrides: Iterable[Override]) -> Overlay:
        ours = tuple(override for override in overrides if override.roster == roster_id)
        known = self._overlays.get(roster_id)
        if known is None or known[0] != ours:
            known = self._overlays[roster_id] = (ours, Overlay(ours))
        return known[1]

    def _answer(self, roster_id: str, ours: tuple[Override, ...], at: datetime) -> _Answer:
        overlay = self._overlay(roster_id, ours)
        now = next(self._onwards(roster_id, overlay, at, at + timedelta.resolution))
        whole = self._whole(roster_id, overlay, now)
        first, last = _extent(now.start)[0], _extent(now.end)[1]
        shift = _shift(whole)
        fallback = () if shift.people else self._fallbacks[roster_id]
        on_call = OnCall(
            people=shift.people or fallback,
            fallback=bool(fallback),
            layer=shift.layer,
            start=shift.start if shift.start > first else None,
            until=shift.end if shift.end < last else None,
            override=shift.override,
            layers=whole.layers,
        )
        return _Answer(whole.start, whole.end, on_call)

    def _whole(self, roster_id: str, overlay: Overlay, part: Stretch) -> Stretch:
        """The whole shift that `part` belongs to, four years to either side at most."""
        start, end = part.start, part.end
        first, last = _extent(start)[0], _extent(end)[1]
        before = next(_joined(self._backwards(roster_id, overlay, start, first)))
        after = next(_joined(self._onwards(roster_id, overlay, start, last)))
        return replace(part, start=before.start, end=after.end)

    def _onwards(self, roster_id: str, overlay: Overlay, start: datetime, end: datetime) -> Iterator[Stretch]:
        """Stretches from the one that covers `start` to the one before `end`, uncut."""
        for base in self._layers[roster_id].onwards(start, end):
            for stretch in overlay.laid_over(base):
                if stretch.end > start and stretch.start < end:
                    yield stretch

    def _backwards(self, roster_id: str, overlay: Overlay, start: datetime, end: datetime) -> Iterator[Stretch]:
        """Stretches from the one that covers `start` back to the one that covers `end`."""
        for base in self._layers[roster_id].backwards(start, end):
            for stretch in reversed(list(overlay.laid_over(base))):
                if stretch.start <= start and stretch.end > end:
                    yield stretch

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
class _Answer:
    """Who is on call in [start, end)."""

    start: datetime
    end: datetime
    on_call: OnCall


@dataclass(frozen=True, slots=True)
class _Answers:
    """What was answered about one roster, in order of time: true while its overrides are these."""

    overrides: tuple[Override, ...]
    given: tuple[_Answer, ...]


class _Layers:
    """What the layers of one roster say together, before any override; remembered in blocks."""

    def __init__(self, roster: Roster, plan: Plan) -> None:
        self._turns = [
            Turns(layer, None if layer.calendar is None else plan.calendars.get(layer.calendar))
            for layer in roster.layers
        ]
        self._blocks: dict[int, tuple[Stretch, ...]] = {}
        self.windowed = {layer.id for layer in roster.layers if layer.windows}

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
            start = _EPOCH + _BLOCK * number
            block = self._blocks[number] = tuple(self._tile(start, start + _BLOCK))
        return block

    def _tile(self, start: datetime, end: datetime) -> Iterator[Stretch]:
        """At each instant the turns of the highest priority present; equal ones are all on call."""
        turns = [turns.between(start, end) for turns in self._turns]
        edges = {start, end, *(edge for some in turns for turn in some for edge in (turn.start, turn.end))}
        places = [0] * len(turns)
        for begins, ends in pairwise(sorted(edges)):
            present: list[tuple[int, Turn]] = []
            for number, some in enumerate(turns):
                while places[number] < len(some) and some[places[number]].end <= begins:
                    places[number] += 1
                if places[number] < len(some) and some[places[number]].start <= begins:
                    present.append((number, some[places[number]]))
            yield self._highest(begins, ends, present)

    def _highest(self, start: datetime, end: datetime, present: list[tuple[int, Turn]]) -> Stretch:
        layers = [self._turns[number].layer for number, _ in present]
        highest = max((layer.priority for layer in layers), default=0)
        on_call = [(number, turn) for number, turn in present if self._turns[number].layer.priority == highest]
        return Stretch(
            start,
            end,
            people=tuple(dict.fromkeys(person for _, turn in on_call for person in turn.people)),
            layers=tuple(self._turns[number].layer.id for number, _ in on_call),
            source=tuple((number, turn.slot) for number, turn in on_call),
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
    for _, group in groupby(stretches, key=lambda stretch: stretch.identity):
        same = list(group)
        one, other = same[0], same[-1]
        yield one if one is other else replace(one, start=min(one.start, other.start), end=max(one.end, other.end))


def _shift(stretch: Stretch) -> Shift:
    layer = "+".join(stretch.layers) or None
    override = stretch.overrides[-1] if stretch.overrides else None
    return Shift(stretch.start, stretch.end, stretch.people, layer, override)


def _first_new(stretches: Iterable[Stretch], known: tuple[str, ...]) -> tuple[str, ...]:
    return next((stretch.people for stretch in stretches if not set(stretch.people) <= set(known)), ())


def _begins(span: Stretch | _Answer) -> datetime:
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
