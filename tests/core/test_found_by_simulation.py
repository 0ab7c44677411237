"""What simulated years found in the core, shrunk to stories; each names the seed that told it first."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta

from opswatch.core import judging
from opswatch.core.calendars import parse_window
from opswatch.core.events import AddSilence, Note, Resolve, SetPriority, Snooze
from opswatch.core.model import Health, PageReason, Priority, Status, Verdict
from opswatch.core.plan import ClassifyRule, Level, Policy, When
from opswatch.core.state import Watch
from tests.story import MONDAY_3AM_BERLIN, Story, person, two_levels


def team_with_two_ways():
    ana, bo = person("ana", "slack", "phone"), person("bo", "slack", "phone")
    plan = two_levels()
    return replace(plan, people={**plan.people, "ana": ana, "bo": bo})


def test_a_page_in_flight_that_fails_after_somebody_took_it_pages_nobody():
    """Seed 7: the vendor refuses ana's page a second after bo had acknowledged; her phone must stay silent."""
    story = Story(team_with_two_ways())
    story.fails()
    page = story.last_page()
    story.acks("bo")
    story.paged()
    story.way_closes(page)
    assert story.paged() == []


def test_a_page_in_flight_that_fails_after_a_snooze_pages_nobody_until_it_ends():
    """Seed 15: the next contact was tried although the incident was snoozed."""
    story = Story(team_with_two_ways())
    story.fails()
    page = story.last_page()
    story.says(Snooze(1, timedelta(minutes=30), by="ana"))
    story.paged()
    story.way_closes(page)
    assert story.paged() == []
    story.passes(minutes=31)
    assert story.paged() == ["ana"]


def test_a_reminder_that_fails_still_reaches_the_owner_another_way():
    plan = team_with_two_ways()
    policy = replace(plan.policies["standard"], ack_timeout={Priority.P1: timedelta(minutes=30)})
    story = Story(replace(plan, policies={"standard": policy}))
    story.fails()
    story.acks("ana")
    story.passes(minutes=31)
    assert story.last_page().reason is PageReason.REMINDER
    story.way_closes(story.last_page())
    assert (story.last_page().person, story.last_page().contact) == ("ana", "phone")


def test_a_rise_of_what_was_resolved_by_hand_waits_for_the_reopening():
    """Seed 1: a `lasting` rule held while the incident was resolved by hand; people were paged for it as it stood
    resolved. Now the rise is kept, and the reopening pages with it."""
    rule = ClassifyRule(Priority.P0, 1, states=frozenset({Health.CRIT}), lasting=timedelta(minutes=90))
    story = Story(two_levels(classify=(rule,)))
    story.fails()
    story.passes(minutes=85)
    story.says(Resolve(1, by="ana"))
    story.paged()
    story.passes(minutes=6)
    assert story.paged() == []
    assert (story.incident().status, story.incident().priority) == (Status.RESOLVED, Priority.P0)
    story.passes(minutes=5)
    assert story.paged() == ["ana"]
    assert (story.last_page().priority, story.last_page().reason) == (Priority.P0, PageReason.QUIET_ENDED)


def by_night_only(*names: str, repeat: int = 0) -> Story:
    """A ladder of these people that may be climbed at night only, Berlin time; the lead is its fallback."""
    nights = When((parse_window(None, "20:00", "06:00"),), "Europe/Berlin")
    levels = tuple(Level((f"person:{name}",), timedelta(minutes=10), nights) for name in names)
    story = Story(two_levels(policies={"standard": Policy("standard", levels, repeat, ("person:lead",))}))
    story.passes(hours=2, minutes=40)  # 05:40 in Berlin
    return story


def test_a_ladder_that_ended_keeps_telling_its_fallback_though_no_level_holds_any_more():
    """Seed 9: it waited for the night, climbed again from the bottom with page ids it had used before, and the store
    keeps a promise once: the lead would not have been told."""
    story = by_night_only("ana")
    story.fails()
    story.passes(minutes=12)
    assert story.paged() == ["ana", "lead"]
    story.passes(hours=3)
    assert story.paged() == ["lead", "lead", "lead"]


def test_a_ladder_that_waits_for_a_window_goes_on_from_the_level_it_had_reached():
    story = by_night_only("ana", "bo", "cy")
    story.passes(minutes=15)
    story.fails()
    assert story.paged() == ["ana"]
    story.passes(hours=13)
    assert story.paged() == []
    story.passes(hours=1, minutes=10)
    assert story.paged() == ["bo"]


def test_a_clock_that_was_set_back_does_not_make_checks_blind():
    """Results of the hour before were newer than every look of the next hour, and none of those counted."""
    story = Story(two_levels())
    story.recovers()
    story.now -= timedelta(hours=1)
    story.fails()
    assert story.paged() == ["ana"]


def test_a_late_result_still_moves_nothing_back():
    story = Story(two_levels())
    story.fails()
    story.looks(at=story.now - timedelta(seconds=1))
    assert story.incident().status is Status.TRIGGERED


def test_counting_a_look_forgets_nothing_that_is_not_its_own():
    """`count` writes its Watch field by field for speed; a field that is added must not be lost there."""
    before = Watch("db", "db-1", "/data", episode=7, memory=b"offset 4")
    plan, now = two_levels(), MONDAY_3AM_BERLIN
    after = judging.count(plan.checks["db"], before, judging.Seen(Health.OK, "fine"), Verdict(now, "fine"))
    changed = {"seen_at", "sentence", "good", "since"}
    assert {part.name for part in fields(Watch) if getattr(before, part.name) != getattr(after, part.name)} == changed
    assert len(fields(Watch)) == 20, "a new field: let `count` carry or set it, and change this number"


def a_reminded_owner() -> Story:
    """Ana has it, and was just asked whether she is still on it; her phone would ring five minutes later."""
    plan = team_with_two_ways()
    policy = replace(plan.policies["standard"], ack_timeout={Priority.P1: timedelta(minutes=30)})
    levels = (replace(policy.levels[0], wait=timedelta(minutes=20)), *policy.levels[1:])
    story = Story(replace(plan, policies={"standard": replace(policy, levels=levels)}))
    story.fails()
    story.acks("ana")
    story.passes(minutes=31)
    assert (story.last_page().person, story.last_page().reason) == ("ana", PageReason.REMINDER)
    story.paged()
    return story


def test_an_owner_who_answered_the_reminder_is_not_asked_by_the_next_way():
    story = a_reminded_owner()
    story.says(Note(1, "still on it", by="ana"))
    story.passes(minutes=15)
    assert story.paged() == []


def test_a_reminder_goes_no_further_once_the_priority_pages_nobody():
    """Seed 36: somebody else made it P3; the owner's phone rang all the same."""
    story = a_reminded_owner()
    story.says(SetPriority(1, Priority.P3, by="bo"))
    story.passes(minutes=15)
    assert story.paged() == []


def test_a_ladder_that_a_reload_shortened_and_another_lengthened_pages_its_rungs_again():
    """Seed 1013: back on the longer ladder the lead was promised a page id that had been used, and would not have been
    paged."""
    plan = two_levels()
    longer = plan.policies["standard"]
    story = Story(plan)
    story.fails()
    story.passes(minutes=16)
    assert story.paged() == ["ana", "bo", "lead"]
    story.reloads(replace(plan, policies={"standard": replace(longer, levels=longer.levels[:1])}))
    story.reloads(plan)
    story.passes(hours=2)
    assert story.paged()[:1] == ["lead"]


def test_a_rise_under_a_silence_is_told_at_its_end_though_the_state_is_as_it_was_announced():
    """Seed 1345: unknown was announced as P3; under a silence it was crit, and unknown again. The silence ended, and
    the P1 that it had become was never told."""
    checks = {"db": replace(two_levels().checks["db"], on_unknown=Priority.P3)}
    story = Story(two_levels(checks=checks))
    story.cannot_tell()
    assert story.incident().priority is Priority.P3
    story.says(AddSilence((("target", "=", "db-1"),), story.now + timedelta(hours=1), "work on it", by="ana"))
    story.fails()
    story.cannot_tell()
    assert story.paged() == []
    story.passes(minutes=61)
    assert story.paged()[0] == "ana"
    assert story.incident().priority is Priority.P1
