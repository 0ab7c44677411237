"""Mercy: an hour has room for so many pages; the rest become one, and none is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from opswatch.core.calendars import parse_window
from opswatch.core.events import Resolve, Snooze
from opswatch.core.model import Health, Priority, Role
from opswatch.core.plan import Check, Level, NotifyStep, Plan
from opswatch.sim import laws
from tests.story import MONDAY_NOON_BERLIN, Story, person, rules, two_levels

MINUTE = timedelta(minutes=1)
LIMIT = 3


def busy(checks: int = 8, **more: object) -> Plan:
    """Ana for everything, an incident per check, for hours; and at most three pages an hour."""
    once = rules(P0=(NotifyStep("slack"),), P1=(NotifyStep("slack"),), P2=(NotifyStep("slack"),))
    ana = replace(person("ana", "slack", "phone"), notify=once)
    people = (ana, person("bo"), person("lead", role=Role.ADMIN))
    plan = two_levels(levels=(Level(("person:ana",), timedelta(hours=9)),), people=people, pages_per_hour_max=LIMIT)
    named = [f"c{number}" for number in range(1, checks + 1)]
    known = {name: Check(name, "command", ("db-1",), confirm=1, recover=1, on_unknown=Priority.P2) for name in named}
    return replace(plan, checks=known, group_by=("check",), storm_incidents=0, **more)  # type: ignore[arg-type]


def in_trouble(count: int, the_plan: Plan | None = None, **story: object) -> Story:
    """So many incidents, a minute apart."""
    told = Story(the_plan or busy(), **story)  # type: ignore[arg-type]
    for number in range(1, count + 1):
        told.fails(f"c{number}")
        told.passes(minutes=1)
    return told


def test_beyond_the_limit_pages_wait_and_come_as_one_when_the_hour_has_room():
    story = in_trouble(6)
    assert len(story.paged()) == LIMIT
    assert [entry.incident for entry in story.entries if entry.kind == "bundled"] == [4, 5, 6]
    story.passes(minutes=53)
    assert story.paged() == []
    story.passes(minutes=1)
    assert story.paged() == ["ana"]
    page = story.last_page()
    assert (page.incident, page.bundle, page.count) == (0, (4, 5, 6), 3)
    assert page.at - story.pages[0].at == timedelta(hours=1)
    assert [entry.incident for entry in story.entries if entry.kind == "bundle_told"] == [4, 5, 6]
    assert laws.mercy_is_bounded(LIMIT, story.pages) == []


def test_what_is_over_or_somebodys_by_then_is_left_out_and_a_bundle_of_nothing_is_not_told():
    story = in_trouble(6)
    story.acks("bo", 4)
    story.recovers("c5")
    story.passes(hours=1)
    assert story.last_page().bundle == (6,)
    other = in_trouble(5)
    other.acks("bo", 4)
    other.says(Resolve(5, by="bo"))
    other.recovers("c5")
    other.passes(hours=2)
    assert len(other.pages) == LIMIT
    assert other.facts("bundle_ended")["incidents"] == [4, 5]


def test_a_new_p0_rings_whatever_came_before_and_its_repeats_do_not():
    the_plan = busy(checks=9)
    loud = replace(the_plan.checks["c9"], priority={Health.CRIT: Priority.P0})
    soon = replace(the_plan.policies["standard"], levels=(Level(("person:ana",), 5 * MINUTE),), repeat=3)
    story = in_trouble(5, replace(the_plan, checks={**the_plan.checks, "c9": loud}, policies={"standard": soon}))
    before = len(story.pages)
    story.fails("c9")
    new = [page for page in story.pages[before:] if page.person == "ana"]
    assert [page.priority for page in new] == [Priority.P0]
    story.passes(minutes=30)
    assert laws.mercy_is_bounded(LIMIT, story.pages) == []


def test_the_ladder_does_not_wait_for_a_page_that_waits():
    levels = (Level(("person:ana",), 5 * MINUTE), Level(("person:bo",), timedelta(hours=9)))
    the_plan = busy()
    soon = replace(the_plan.policies["standard"], levels=levels)
    story = in_trouble(4, replace(the_plan, policies={"standard": soon}))
    story.acks("lead", 1)
    story.acks("lead", 2)
    story.acks("lead", 3)
    story.paged()
    story.passes(minutes=5)
    assert story.paged() == ["bo"], "incident 4 climbed"


def test_a_page_that_takes_the_place_of_one_that_failed_is_no_further_page():
    story = in_trouble(3)
    story.paged()
    story.way_closes(story.last_page())
    assert (story.paged(), story.last_page().contact) == (["ana"], "phone")


def test_a_bundle_whose_way_is_closed_takes_the_next_contact():
    story = in_trouble(5)
    story.passes(hours=1)
    page = story.last_page()
    assert page.bundle == (4, 5)
    story.way_closes(page)
    assert (story.last_page().contact, story.last_page().bundle) == ("phone", (4, 5))
    story.way_closes(story.last_page())
    assert story.facts("unreachable_person")["person"] == "ana"


def test_acknowledging_one_of_a_bundle_does_not_take_the_page_for_the_others_back():
    story = in_trouble(5)
    story.passes(hours=1)
    page = story.last_page()
    story.acks("bo", 4)
    assert page.id in story.pending


def test_whoever_came_as_one_hears_what_becomes_of_each():
    story = in_trouble(5)
    story.passes(hours=1)
    story.recovers("c4")
    assert ("ana", "resolved", 4) in [(one.person, one.event, one.incident) for one in story.updates]


def test_a_bundle_survives_a_restart_and_a_reload_with_another_limit():
    story = in_trouble(6)
    story.starts()
    assert story.state.standing.bundles["ana"].count == 3
    story.paged()
    story.reloads(replace(busy(), pages_per_hour_max=10))
    story.passes(minutes=1)
    assert story.paged() == ["ana"]


def test_somebody_who_left_has_no_bundle():
    story = in_trouble(5)
    people = {name: one for name, one in busy().people.items() if name != "ana"}
    story.reloads(replace(busy(), people=people))
    story.passes(hours=2)
    assert "ana" not in story.state.standing.bundles


def test_what_a_person_may_not_be_woken_for_waits_in_the_bundle_for_their_day():
    the_plan = busy()
    ana = replace(the_plan.people["ana"], day=parse_window(None, "08:00", "13:30"), timezone="Europe/Berlin")
    low = {name: replace(check, priority={Health.CRIT: Priority.P2}) for name, check in the_plan.checks.items()}
    the_plan = replace(the_plan, people={**the_plan.people, "ana": ana}, checks=low)
    story = in_trouble(5, the_plan, starts=MONDAY_NOON_BERLIN + 45 * MINUTE)
    story.paged()
    story.passes(hours=5)
    assert "ana" not in story.paged(), "their day was over before their hour had room"
    story.passes(hours=16)
    assert [page.bundle for page in story.pages if page.person == "ana" and page.bundle] == [(4, 5)]


def test_what_is_snoozed_is_left_out_and_comes_back_by_itself():
    story = in_trouble(4)
    story.says(Snooze(4, timedelta(hours=3), by="bo"))
    story.paged()
    story.passes(hours=2)
    assert story.paged() == []
    story.passes(hours=1)
    assert story.paged() == ["ana"]


def test_a_clock_that_is_set_back_keeps_nobodys_hour_full_for_longer_than_an_hour():
    story = in_trouble(4)
    story.now -= timedelta(minutes=40)
    story.fails("c5")
    story.passes(hours=2)
    assert [page.bundle for page in story.pages if page.bundle] == [(4, 5)]
    assert story.pages[-1].at - story.pages[2].at <= timedelta(hours=1)
