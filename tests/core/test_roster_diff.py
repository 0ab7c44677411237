"""What a change to the rosters does: which shifts change hands, the running one first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from opswatch.core.plan import Plan, Roster
from opswatch.core.roster_diff import RosterDiff, diff
from tests.core.duty import layer, override, utc

NOW = utc("2026-01-21T12:00:00Z")  # A Wednesday; turns begin on Mondays.
WEEKS = timedelta(days=28)


def weekly(people: str, id: str = "r", **more: object) -> Roster:
    return Roster(id, (layer(people, "2026-01-05T09:00", zone="Europe/Berlin"),), "Europe/Berlin", **more)  # type: ignore[arg-type]


def plan(*rosters: Roster) -> Plan:
    return Plan(rosters={roster.id: roster for roster in rosters})


def said(one: RosterDiff) -> list[str]:
    return [
        f"{change.start:%m-%d %H:%M}-{change.end:%m-%d %H:%M} {','.join(change.before)} > {','.join(change.after)}"
        for change in one.shifts
    ]


def test_a_changed_list_of_participants_is_dealt_anew_and_the_running_shift_comes_first():
    [found] = diff(plan(weekly("A B C D")), plan(weekly("A B D")), (), NOW, WEEKS)
    assert said(found) == [
        "01-19 08:00-01-26 08:00 C > D",  # Running: whole, since Monday.
        "01-26 08:00-02-02 08:00 D > A",
        "02-02 08:00-02-09 08:00 A > B",
        "02-09 08:00-02-16 08:00 B > D",
        "02-16 08:00-02-23 08:00 C > A",
    ]


def test_each_shift_is_named_also_where_the_same_two_change_every_week():
    [found] = diff(plan(weekly("A")), plan(weekly("B")), (), NOW, timedelta(days=10))
    assert said(found) == ["01-19 08:00-01-26 08:00 A > B", "01-26 08:00-02-02 08:00 A > B"]


def test_nothing_changes_hands_where_the_same_people_are_written_otherwise():
    other = replace(weekly("A B A B"), covers=())
    [found] = diff(plan(weekly("A B")), plan(other), (), NOW, WEEKS)
    assert found.is_same and found.shifts == ()


def test_overrides_lie_over_both():
    cover = override("2026-01-26T08:00:00Z", "2026-02-02T08:00:00Z", replace="B", by="E")
    [found] = diff(plan(weekly("A B")), plan(weekly("B A")), (cover,), NOW, timedelta(days=8))
    assert said(found)[1] == "01-26 08:00-02-02 08:00 E > A"


def test_rosters_come_go_and_are_renamed():
    old = plan(weekly("A"), weekly("C", "nights"), weekly("D", "gone"))
    new = plan(weekly("A"), weekly("C", "late"), weekly("E", "new"))
    same, renamed, added, gone = diff(old, new, (), NOW, WEEKS)
    assert same.is_same
    assert renamed.is_renamed and not renamed.shifts and not renamed.is_same
    assert (added.before, added.roster.id) == (None, "new")
    assert (gone.after, gone.roster.id) == (None, "gone")


def test_overrides_follow_a_roster_that_is_renamed():
    cover = override("2026-01-26T08:00:00Z", "2026-02-02T08:00:00Z", replace="A", by="E")
    [renamed] = diff(plan(weekly("A")), plan(weekly("A", "late")), (cover,), NOW, WEEKS)
    assert renamed.is_renamed and renamed.shifts == ()


def test_another_fallback_is_told_though_no_shift_changes():
    [found] = diff(plan(weekly("A")), plan(weekly("A", fallback=("person:lead",))), (), NOW, WEEKS)
    assert found.fallback == ((), ("person:lead",)) and not found.shifts and not found.is_same
