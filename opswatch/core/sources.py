"""Why this person and no other: which layer, override or fallback of which roster stands behind a target of a level."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from opswatch.core import escalation, reach
from opswatch.core.effects import Entry
from opswatch.core.moment import Moment


@dataclass(frozen=True, slots=True)
class Source:
    """Who stands behind one target of a level that is entered at `at`.

    `layer` is the roster's layer that names them ("a+b" for several together), `override` the newest one that changed
    something, of `override_by`; `fallback`: the roster has a gap, and these stand in; nobody and no fallback: nobody is
    on call. `until` is the end of the shift, UTC.
    """

    at: datetime
    level: int
    cycle: int
    target: str
    people: tuple[str, ...]
    roster: str | None = None
    layer: str | None = None
    override: int | None = None
    override_by: str | None = None
    fallback: bool = False
    until: datetime | None = None

    @property
    def is_gap(self) -> bool:
        """Whether the roster names nobody of its own then."""
        return self.roster is not None and (self.fallback or not self.people)


def of_level(m: Moment, entry: Entry) -> Iterator[Source]:
    """The targets of the level that this entry says is entered (or has nobody), as they are at `m.now`."""
    if entry.kind not in ("level_entered", "level_empty") or entry.incident is None:
        return
    incident = m.draft.incident(entry.incident)
    level, cycle = entry.facts.get("level"), entry.facts.get("cycle")
    if incident is None or not isinstance(level, int) or not isinstance(cycle, int):
        return
    policy = escalation.policy_of(m.plan, incident.policy)
    names = policy.levels[level - 1].page if 0 < level <= len(policy.levels) else policy.fallback or m.plan.admins()
    for name in names:
        yield _source(m, name, level, cycle)


def _source(m: Moment, name: str, level: int, cycle: int) -> Source:
    kind, _, what = name.partition(":")
    roster, _, which = what.partition("/")
    if kind != "roster" or roster not in m.plan.rosters:
        return Source(m.now, level, cycle, name, reach.people_behind(m, name))
    overrides = tuple(m.draft.overrides())
    layer, override, fallback, until = None, None, False, None
    people = reach.people_behind(m, name)
    if not which:
        found = m.rosters.on_call(roster, overrides, m.now)
        layer, override, fallback, until = found.layer, found.override, found.fallback, found.until
    elif which == "next" and people:
        # A shift of theirs that runs already is not the next one.
        coming = m.rosters.next_shifts_of(people[0], roster, overrides, m.now, 2)
        shift = next((one for one in coming if one.start > m.now), None)
        if shift is not None:
            layer, override, until = shift.layer, shift.override, shift.end
    by = next((one.by for one in overrides if one.id == override), None)
    return Source(m.now, level, cycle, name, people, roster, layer, override, by, fallback, until)
