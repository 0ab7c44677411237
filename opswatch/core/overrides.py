"""Overrides: what a roster becomes for a span, whatever its layers say."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from opswatch.core.state import Override

Source = tuple[object, ...]  # What put the people there: (layer, slot) pairs, or a temporary schedule and its entries.

_FIRST = datetime(1, 1, 1, tzinfo=UTC)


class Stretch(NamedTuple):
    """A piece of time, [start, end), UTC, over which nothing about a roster changes."""

    start: datetime
    end: datetime
    people: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    source: Source = ()
    overrides: tuple[int, ...] = ()  # those that changed something, in the order they were made

    def is_one_with(self, other: Stretch) -> bool:
        """Whether two stretches that touch are one shift (or one gap)."""
        return self.people == other.people and self.source == other.source and self.overrides == other.overrides


class Overlay:
    """The overrides of one roster, ready to be laid over what its layers say."""

    def __init__(self, overrides: Iterable[Override]) -> None:
        made = sorted(overrides, key=_made)
        self._edges = sorted({edge for override in made for edge in _edges(override)})
        active: list[list[Override]] = [[] for _ in range(len(self._edges) + 1)]
        for override in made:
            first, last = (bisect_left(self._edges, edge) for edge in (override.start, override.end))
            for place in range(first + 1, last + 1):
                active[place].append(override)
        self._active = active  # those in force before each edge, and after the last

    def touches(self, start: datetime, end: datetime) -> bool:
        """Whether anything in [start, end) may become different."""
        first, last = bisect_right(self._edges, start), bisect_left(self._edges, end)
        return first != last or bool(self._active[first])

    def laid_over(self, base: Stretch) -> Iterator[Stretch]:
        """`base`, cut where an override begins or ends, with everything in force applied."""
        first, last = bisect_right(self._edges, base.start), bisect_left(self._edges, base.end)
        if first == last and not self._active[first]:
            yield base
            return
        edges = (base.start, *self._edges[first:last], base.end)
        for place, (start, end) in enumerate(pairwise(edges), first):
            piece = Stretch(start, end, base.people, base.layers, base.source, base.overrides)
            yield _applied(piece, active) if (active := self._active[place]) else piece


def conflicting(overrides: Iterable[Override], new: Override) -> Override | None:
    """The override, made first, that `new` may not stand beside: both take the same person off, or both add them."""
    rivals = (
        other
        for other in overrides
        if other.roster == new.roster
        and other.id != new.id
        and other.start < new.end
        and new.start < other.end
        and _is_same_change(other, new)
    )
    return min(rivals, key=_made, default=None)


def _is_same_change(one: Override, other: Override) -> bool:
    if one.shifts is not None or other.shifts is not None:
        return False  # Of temporary schedules the newest counts.
    if one.remove is not None or other.remove is not None:
        return one.remove == other.remove
    return one.add is not None and one.add == other.add


def _made(override: Override) -> tuple[datetime, int]:
    """Order of making. The remainder of an override that was cut keeps its instant but gets a new number."""
    return override.made_at or _FIRST, override.id


def _edges(override: Override) -> Iterator[datetime]:
    yield override.start
    yield override.end
    for start, end, _ in override.shifts or ():
        yield min(max(start, override.start), override.end)
        yield min(max(end, override.start), override.end)


def _applied(base: Stretch, active: list[Override]) -> Stretch:
    """SPEC 3: the newest temporary schedule; then removes and replaces on that, not transitive; then adds."""
    schedules = [override for override in active if override.shifts is not None]
    if schedules:
        base = _scheduled(schedules[-1], base)
    people, taken_off = _replaced(base.people, active)
    added = [
        override
        for override in active
        if override.shifts is None and override.remove is None and override.add not in (None, *people)
    ]
    people += [override.add for override in added if override.add is not None]
    used = sorted([*taken_off, *added], key=_made)
    return _named(base, tuple(dict.fromkeys(people)), (*base.overrides, *(override.id for override in used)))


def _named(base: Stretch, people: tuple[str, ...], overrides: tuple[int, ...]) -> Stretch:
    """A gap is a gap whatever turn it hides: it comes from no layer, so that it is one gap across hand-offs."""
    if not people:
        return Stretch(base.start, base.end, overrides=overrides)
    return Stretch(base.start, base.end, people, base.layers, base.source, overrides)


def _scheduled(schedule: Override, base: Stretch) -> Stretch:
    """What a temporary schedule says in place of all layers: nobody, where no entry of it covers."""
    entries = [
        (place, people)
        for place, (start, end, people) in enumerate(schedule.shifts or ())
        if start <= base.start < end and people
    ]
    people = tuple(dict.fromkeys(person for _, group in entries for person in group))
    source = (("override", schedule.id), *(place for place, _ in entries)) if people else ()
    return Stretch(base.start, base.end, people, (), source, (schedule.id,))


def _replaced(people: tuple[str, ...], active: list[Override]) -> tuple[list[str], list[Override]]:
    """Who is left once removes and replaces are applied, and the overrides that did something."""
    changes: dict[str, Override] = {}
    for override in active:
        if override.shifts is None and override.remove is not None and override.remove != override.add:
            changes.setdefault(
                override.remove, override
            )  # The first made holds; the second is refused when it is made.
    left = [person if person not in changes else changes[person].add for person in people]
    return [person for person in left if person is not None], [
        changes[person] for person in people if person in changes
    ]
