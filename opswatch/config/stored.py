"""What the store holds that the configuration no longer knows."""

from __future__ import annotations

from collections.abc import Iterable

from opswatch.config.settings import Loaded
from opswatch.config.suggest import listed, nearest
from opswatch.core.state import Override, Silence
from opswatch.errors import Problem

STORE = "the store"


def check(loaded: Loaded, overrides: Iterable[Override], silences: Iterable[Silence]) -> list[Problem]:
    """A problem for each name in a stored override or silence that nobody bears any more. They have no line: the
    command that repairs them is in the words."""
    plan, found = loaded.plan, []
    for override in overrides:
        where = f"override {override.id}"
        repair = f"`opswatch override remove {override.id}` ends it"
        if override.roster not in plan.rosters:
            found.append(_problem(where, override.roster, "roster", plan.rosters, repair))
        found += [_problem(where, name, "person", plan.people, repair) for name in _unknown(override, plan.people)]
    for silence in silences:
        if silence.owner not in plan.people:
            repair = f"`opswatch silence expire {silence.id}` ends it"
            found.append(_problem(f"silence {silence.id}", silence.owner, "person", plan.people, repair))
    return found


def _unknown(override: Override, known: Iterable[str]) -> list[str]:
    named = [override.remove, override.add, *(name for _, _, people in override.shifts or () for name in people)]
    return [name for name in dict.fromkeys(named) if name is not None and name not in set(known)]


def _problem(where: str, name: str, what: str, known: Iterable[str], repair: str) -> Problem:
    names = list(known)
    return Problem(
        file=STORE,
        line=None,
        where=where,
        seen=f'"{name}"',
        expected=f"no {what} has this id any more; known are {listed(names)}; {repair}",
        suggestion=nearest(name, names),
    )
