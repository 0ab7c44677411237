"""What another configuration does to the rosters: which shifts change hands, which rosters come, go or are renamed.

A changed list of participants is dealt anew by k mod n (SPEC 3), so that one more person moves nearly every turn: who
reviews the change should see whose, before it is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opswatch.core.plan import Plan, Roster
from opswatch.core.roster import Rosters
from opswatch.core.roster_changes import Change, compared
from opswatch.core.state import Override


@dataclass(frozen=True, slots=True)
class RosterDiff:
    """One roster in both, in the old only (`after` is None) or in the new only (`before` is None). `shifts` change
    hands, the running one first and whole."""

    before: Roster | None
    after: Roster | None
    shifts: tuple[Change, ...] = ()

    @property
    def roster(self) -> Roster:
        """As it will be; as it was, where it is gone."""
        found = self.after or self.before
        assert found is not None, "one of them is there"
        return found

    @property
    def is_renamed(self) -> bool:
        return self.before is not None and self.after is not None and self.before.id != self.after.id

    @property
    def fallback(self) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        """Targets paged in a gap, before and after, where they differ; None for a roster that comes or goes."""
        if self.before is None or self.after is None or self.before.fallback == self.after.fallback:
            return None
        return self.before.fallback, self.after.fallback

    @property
    def is_same(self) -> bool:
        """Nothing to tell: nobody is on call at another time, and nobody else stands in."""
        both = self.before is not None and self.after is not None
        return both and not (self.shifts or self.fallback or self.is_renamed)


def diff(old: Plan, new: Plan, overrides: Iterable[Override], now: datetime, ahead: timedelta) -> list[RosterDiff]:
    """Each roster of either plan, in the order of the new one, those that are gone last. Shifts of [now, now + ahead)
    count; the first and the last of them are told whole. `overrides` are laid over both."""
    ours, names = tuple(overrides), _renamed(old, new)
    were, will = Rosters(old), Rosters(new)
    found = []
    for name, after in new.rosters.items():
        before = old.rosters.get(names.get(name, name))
        if before is None:
            found.append(RosterDiff(None, after))
            continue
        moved = tuple(replace(one, roster=name) for one in ours if one.roster == before.id)
        start, end = _span([(were, before.id, ours), (will, name, moved)], now, now + ahead)
        shifts = compared(name, were.shifts(before.id, ours, start, end), will.shifts(name, moved, start, end))
        found.append(RosterDiff(before, after, tuple(shifts)))
    gone = [name for name in old.rosters if name not in new.rosters and name not in names.values()]
    return [*found, *(RosterDiff(old.rosters[name], None) for name in gone)]


def _renamed(old: Plan, new: Plan) -> dict[str, str]:
    """New id -> old id of rosters that differ in nothing but the id."""
    gone = [roster for roster in old.rosters.values() if roster.id not in new.rosters]
    names: dict[str, str] = {}
    for roster in new.rosters.values():
        if roster.id not in old.rosters:
            was = next((one for one in gone if replace(one, id=roster.id) == roster), None)
            if was is not None:
                gone.remove(was)
                names[roster.id] = was.id
    return names


def _span(
    both: list[tuple[Rosters, str, tuple[Override, ...]]], start: datetime, end: datetime
) -> tuple[datetime, datetime]:
    """[start, end), made longer on either side by what both say of the shifts that run then."""
    first = [rosters.on_call(name, overrides, start).start for rosters, name, overrides in both]
    last = [rosters.on_call(name, overrides, end - timedelta.resolution).until for rosters, name, overrides in both]
    return max(at or start for at in first), min(at or end for at in last)
