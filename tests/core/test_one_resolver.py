"""The roster that is shown is the roster that pages: one resolver answers, at any instant (SPEC 3)."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from opswatch.core import reach
from opswatch.core.changes import Draft, State
from opswatch.core.model import Priority
from opswatch.core.moment import Moment
from opswatch.core.plan import Plan
from opswatch.core.roster import Rosters
from opswatch.core.state import Override
from opswatch.sim import laws
from tests.core.roster_worlds import PEOPLE, World, world
from tests.story import person

INSTANTS = 1_000_000 if "OPSWATCH_NIGHTLY" in os.environ else 2_000
EACH = 400  # instants asked of one roster
NEIGHBOURS = 40  # of so many instants one is asked for /next and /previous too, which look a year ahead and back
AROUND = timedelta(days=40)


def everybody(one: World) -> Plan:
    """The world's roster, and people who can be paged."""
    names = (*PEOPLE, "E", "lead")
    people = {name: person(name) for name in names} | {name: person(name, team="ops") for name in ("ann", "bo")}
    return replace(one.plan(), people=people)


def paged(plan: Plan, overrides: tuple[Override, ...], rosters: Rosters, at: datetime, target: str) -> list[str]:
    """Whom a level that names `target` pages at that instant."""
    state = State()
    state.overrides.update({one.id: one for one in overrides})
    m = Moment(plan, rosters, Draft(state), at)
    return [called.person for called in reach.resolve(m, [target], Priority.P0).people]


def test_what_is_shown_is_what_pages_at_any_instant():
    asked = number = 0
    while asked < INSTANTS:
        one, rng = world(f"view:{number}"), random.Random(number)
        plan, number = everybody(one), number + 1
        pager, viewer = Rosters(plan), Rosters(plan)  # Neither remembers what the other was asked.
        for place in range(EACH):
            at = one.start + rng.random() * (one.end - one.start) + rng.uniform(-1, 1) * AROUND
            now = viewer.on_call("r", one.overrides, at)
            soon = at + timedelta.resolution
            [shift] = viewer.shifts("r", one.overrides, at, soon)
            assert paged(plan, one.overrides, pager, at, "roster:r") == list(shift.people or one.fallback)
            assert (now.people, now.fallback) == (shift.people or one.fallback, not shift.people and bool(one.fallback))
            assert (now.layer, now.override) == (shift.layer, shift.override)
            is_gap = bool(viewer.gaps("r", one.overrides, at, soon))
            assert not (is_gap and shift.people)
            if place % NEIGHBOURS == 0:
                following = list(viewer.next_people("r", one.overrides, at))
                assert paged(plan, one.overrides, pager, at, "roster:r/next") == following
                preceding = list(viewer.previous_people("r", one.overrides, at))
                assert paged(plan, one.overrides, pager, at, "roster:r/previous") == preceding
        assert laws.rosters_tile(pager, "r", one.overrides, one.start, one.end) == []
        asked += EACH


def test_answers_do_not_depend_on_what_was_asked_before():
    one = world("view:order")
    rng, far = random.Random(3), datetime(2027, 1, 1, tzinfo=UTC)
    instants = [far + rng.uniform(-1, 1) * timedelta(days=4000) for _ in range(300)]
    busy = one.rosters()
    seen = {at: busy.on_call("r", one.overrides, at) for at in instants}
    for at in instants[:40]:
        assert one.rosters().on_call("r", one.overrides, at) == seen[at] == busy.on_call("r", one.overrides, at)
