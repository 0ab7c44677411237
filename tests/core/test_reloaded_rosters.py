"""A reload that moves shifts tells everybody whose they are, once for all nodes that load the same configuration."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from opswatch.core.engine import Engine
from opswatch.core.events import PlanReloaded
from opswatch.core.plan import Plan, Roster
from opswatch.core.roster_diff import diff
from tests.core.duty import layer
from tests.story import Story, two_levels

MONDAY = datetime(2026, 1, 5, 9, tzinfo=UTC)


def team(people: str) -> Plan:
    return two_levels(rosters={"primary": Roster("primary", (layer(people, "2026-01-05T09:00"),), remind=())})


def reloads(story: Story, new: Plan, fingerprint: str = "f1") -> None:
    changes = [one for found in diff(story.engine.plan, new, (), story.now, timedelta(days=30)) for one in found.shifts]
    story.engine = Engine(new)
    story.apply(PlanReloaded(changes=tuple(changes), plan=fingerprint))


def told(story: Story) -> dict[str, int]:
    return {one.person: int(str(one.facts["count"])) for one in story.notices if one.event == "shifts_changed"}


def test_who_gains_or_loses_shifts_by_a_reload_hears_which():
    story = Story(team("ana bo"), starts=MONDAY)
    reloads(story, team("bo ana"))
    assert told(story) == {"ana": 5, "bo": 5}
    (entry,) = [one for one in story.entries if one.kind == "shifts_reloaded"]
    assert entry.facts["count"] == 5


def test_another_node_that_loads_the_same_tells_nobody_again():
    story = Story(team("ana bo"), starts=MONDAY)
    reloads(story, team("bo ana"))
    story.engine = Engine(team("ana bo"))
    reloads(story, team("bo ana"))
    assert [one.event for one in story.notices].count("shifts_changed") == 2
    story.engine = Engine(team("ana bo"))
    reloads(story, team("lead bo"), "f2")
    assert [one.person for one in story.notices if one.event == "shifts_changed"][2:] == ["ana", "lead"]


def test_a_reload_that_moves_no_shift_tells_nobody():
    story = Story(team("ana bo"), starts=MONDAY)
    reloads(story, team("ana bo"))
    assert told(story) == {}
    assert "shifts_reloaded" not in [one.kind for one in story.entries]
