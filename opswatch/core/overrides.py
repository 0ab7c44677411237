"""Overrides: what a roster becomes for a span, whatever its layers say."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

from opswatch.core.state import Override

Source = tuple[object, ...]  # What put the people there: (layer, slot) pairs, or a temporary schedule and its entries.

_FIRST = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of time, [start, end), UTC, over which nothing about a roster changes."""

    start: datetime
    end: datetime
    people: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    source: Source = ()
    overrides: tuple[int, ...] = ()  # those that changed something, in the order they were made

    @property
    def identity(self) -> tuple[object, ...]:
        """Two stretches that touch and agree in this are one shift (or one gap)."""
        return self.people, self.source, self.overrides


class Overlay:
    """The overrides of one roster, ready to be laid over what its layers say."""

    def __init__(self, overrides: Iterable[Override]) -> None:
        self._overrides = sorted(overrides, key=_made)
        self._edges = sorted({edge for override in self._overrides for edge in _edges(override)})

    def laid_over(self, base: Stretch) -> Iterator[Stretch]:
        """`base`, cut where an override begins or ends, with everything in force applied."""
        near = [override for override in self._overrides if override.start < base.end and override.end > base.start]
        if not near:
            yield base
            return
        inner = self._edges[bisect_right(self._edges, base.start) : bisect_left(self._edges, base.end)]
        for start, end in pairwise((base.start, *inner, base.end)):
            active = [override for override in near if override.start <= start < override.end]
            yield _applied(replace(base, start=start, end=end), active)


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
        return replace(base, people=(), layers=(), source=(), overrides=overrides)
    return replace(base, people=people, overrides=overrides)


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
