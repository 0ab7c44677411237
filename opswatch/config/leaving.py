"""People who left: the shifts that would be nobody's, and what the store still holds of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from opswatch.config.stored import problem
from opswatch.config.who import SHIFTS_LISTED, nobodys
from opswatch.core.plan import Plan
from opswatch.core.roster import Rosters
from opswatch.core.state import Absence, Override
from opswatch.errors import Problem


def check(plan: Plan, overrides: Sequence[Override], absences: Iterable[Absence], now: datetime) -> list[Problem]:
    """A problem for each override and absence, not over by `now`, that puts somebody on call or away whom this plan
    does not know: a configuration that drops them is refused until somebody else is found. Their next five shifts are
    listed. What is over is history, and may name anybody."""
    rosters, found = Rosters(plan), []
    for override in overrides:
        if override.end <= now:
            continue
        repair = f"`opswatch override remove {override.id}` ends it"
        for name in _unknown(override, plan):
            shifts = ""
            if override.roster in plan.rosters:
                begins = max(now, override.start)  # It may lie further ahead than shifts are looked for.
                theirs = rosters.next_shifts_of(name, override.roster, overrides, begins, SHIFTS_LISTED)
                shifts = nobodys(theirs)
            found.append(problem(f"override {override.id}", name, "person", plan.people, repair + shifts))
    for absence in absences:
        if absence.end > now and absence.person not in plan.people:
            repair = f"`opswatch absence remove {absence.id}` ends it"
            found.append(problem(f"absence {absence.id}", absence.person, "person", plan.people, repair))
    return found


def _unknown(override: Override, plan: Plan) -> list[str]:
    named = [override.remove, override.add, *(name for _, _, people in override.shifts or () for name in people)]
    return [name for name in dict.fromkeys(named) if name is not None and name not in plan.people]
