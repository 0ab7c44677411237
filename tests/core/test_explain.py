"""What an explanation says: who, why just they, and what of today does not hold at another time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from opswatch.core import explain
from opswatch.core.calendars import parse_window
from opswatch.core.events import AddOverride, AddSilence, Open, Pause, SetPriority, Snooze
from opswatch.core.explain import Supposed
from opswatch.core.model import Priority, QuietReason, Role, Status
from opswatch.core.plan import Level, Maintenance, NotifyStep, Policy, Pool, Roster
from tests.story import MONDAY_3AM_BERLIN, Story, person, plan, roster, rules, two_levels

NOW = MONDAY_3AM_BERLIN
HOUR = timedelta(hours=1)
THEN = Supposed(is_then=True)


def on_duty():
    """Ana and Bo in weekly turns, then a reserve; the lead at the end. Ana's phone rings after two minutes."""
    ana = person("ana", "slack", "phone", notify=rules(P1=(NotifyStep("slack"), NotifyStep("phone", 2 * HOUR / 60))))
    return plan(
        levels=(Level(("roster:primary",), 5 * HOUR / 60), Level(("roster:primary/next", "pool:reserves"), HOUR / 6)),
        people=(ana, person("bo"), person("cy"), person("lead", role=Role.ADMIN)),
        rosters={"primary": roster("ana", "bo")},
        pools={"reserves": Pool("reserves", ("cy",))},
        policies={
            "standard": Policy(
                "standard",
                (Level(("roster:primary",), HOUR / 12), Level(("roster:primary/next", "pool:reserves"), HOUR / 6)),
                fallback=("person:lead",),
                ack_timeout={Priority.P1: HOUR},
            )
        },
    )


def pages(found) -> list[tuple[timedelta, str, str]]:
    return [
        (entry.at - found.at, entry.facts["person"], entry.facts["contact"])
        for entry in found.course
        if entry.kind == "page_promised"
    ]


def of_service(story: Story, at=NOW, supposed: Supposed = Supposed()):  # noqa: B008 - frozen
    return explain.of_service(story.engine.plan, story.state, "orders", at, supposed=supposed)


def test_every_step_has_its_person_contact_and_instant():
    found = of_service(Story(on_duty()))
    minutes = [(span / HOUR * 60, who, way) for span, who, way in pages(found)]
    assert minutes == [
        (0, "bo", "webhook"),
        (5, "ana", "slack"),
        (5, "cy", "webhook"),
        (7, "ana", "phone"),
        (15, "lead", "webhook"),
    ]


def test_it_says_which_layer_or_override_names_each_person():
    story = Story(on_duty())
    story.says(AddOverride("primary", NOW, NOW + 2 * HOUR, remove="bo", add="cy", reason="ill", by="lead"))
    first, coming, pool, last = of_service(story, NOW).sources
    assert (first.target, first.people, first.layer, first.override, first.override_by) == (
        "roster:primary",
        ("cy",),
        "weekly",
        1,
        "lead",
    )
    assert first.until == NOW + 2 * HOUR
    assert (coming.target, coming.people) == ("roster:primary/next", ("bo",))
    assert (pool.target, pool.people, last.target) == ("pool:reserves", ("cy",), "person:lead")


def test_a_gap_and_who_stands_in_are_named():
    empty = Roster("primary", (), "Europe/Berlin", fallback=("person:lead",))
    story = Story(replace(on_duty(), rosters={"primary": empty}))
    source = of_service(story).sources[0]
    assert (source.people, source.fallback, source.is_gap) == (("lead",), True, True)
    story = Story(replace(on_duty(), rosters={"primary": replace(empty, fallback=())}))
    source = of_service(story).sources[0]
    assert (source.people, source.fallback, source.is_gap) == ((), False, True)


def test_todays_acknowledgement_does_not_hold_at_another_time():
    story = Story(on_duty())
    story.fails("db")
    story.acks("ana")
    story.says(SetPriority(1, Priority.P0, by="lead"))
    now = explain.of_check(story.engine.plan, story.state, "db", "db-1", story.now)
    assert (now.is_supposed, now.incident, now.stands.pinned) == (False, 1, Priority.P0)
    later = explain.of_check(story.engine.plan, story.state, "db", "db-1", story.now + 24 * HOUR, supposed=THEN)
    assert (later.is_supposed, later.joins, later.stands) == (True, False, None)
    assert later.priority is Priority.P1
    assert "1 of 2 targets failing" in later.why
    assert pages(later)[0][1] == "ana", "the next week has begun: bo's turn is over"


def test_what_else_fails_today_does_not_fail_then():
    story = Story(on_duty())
    story.fails("db", "db-2")
    assert "2 of 2 targets failing" in of_service(story, story.now).why
    assert "1 of 2 targets failing" in of_service(story, story.now + 24 * HOUR, THEN).why


def test_an_acknowledged_incident_says_who_has_it_and_what_comes_when_it_lapses():
    story = Story(on_duty())
    story.fails("db")
    story.acks("bo")
    found = explain.of_incident(story.engine.plan, story.state, 1, story.now)
    assert (found.stands.owner, found.stands.ack_until) == ("bo", story.now + HOUR)
    kinds = [entry.kind for entry in found.course if not entry.kind.startswith("sla_")]
    assert kinds[:2] == ["ack_reminded", "page_promised"]
    assert kinds.index("ack_expired") < kinds.index("level_entered")
    assert pages(found)[0] == (HOUR, "bo", "webhook")


def test_an_incident_at_a_later_time_is_as_it_will_be_if_nobody_says_a_word():
    story = Story(on_duty())
    story.fails("db")
    story.acks("bo")
    later = story.now + 2 * HOUR
    found = explain.of_incident(story.engine.plan, story.state, 1, story.now, at=later)
    assert (found.at, found.is_then) == (later, True)
    assert (found.stands.status, found.stands.owner) == (Status.TRIGGERED, None), "the acknowledgement has lapsed"
    assert story.incident().status is Status.ACKNOWLEDGED, "the explanation is only imagined"


def test_silence_maintenance_and_pause_of_that_hour_are_all_named():
    batch = Maintenance("batch", {"service": "orders"}, "rebuild", "ana", start=NOW + 24 * HOUR, end=NOW + 26 * HOUR)
    story = Story(replace(on_duty(), maintenance=(batch,)))
    story.says(AddSilence((("service", "=", "orders"),), NOW + 25 * HOUR, "move", NOW + 23 * HOUR, by="lead"))
    assert of_service(story).quiets == ()
    found = of_service(story, NOW + 24 * HOUR, THEN)
    assert [one.reason for one in found.quiets] == [QuietReason.MAINTENANCE, QuietReason.SILENCED]
    assert found.quiet.until == NOW + 26 * HOUR
    assert pages(found)[0][0] == 2 * HOUR, "it is told when the last of them ends"
    story.says(Pause(NOW + 30 * HOUR, "moving house", by="lead"))
    assert of_service(story, NOW + 24 * HOUR, THEN).quiet.reason is QuietReason.PAUSED


def test_who_is_held_until_their_day_is_said_with_the_instant():
    sleeper = person("ana", day=parse_window(None, "08:00", "22:00"), timezone="Europe/Berlin")
    story = Story(replace(on_duty(), people={**on_duty().people, "ana": sleeper, "bo": replace(sleeper, id="bo")}))
    found = of_service(story, NOW, Supposed(priority=Priority.P2))
    assert (found.priority, found.why, found.interrupt) == (Priority.P2, "P2 because: asked so", "day")
    held = next(entry for entry in found.course if entry.kind == "held")
    assert (held.facts["person"], held.facts["until"]) == ("bo", "2026-11-16T07:00:00+00:00")


def test_labels_that_are_asked_for_count_for_routes_silences_and_maintenance():
    story = Story(on_duty())
    story.says(AddSilence((("area", "=", "capacity"),), NOW + HOUR, "move", by="lead"))
    assert of_service(story).quiets == ()
    assert of_service(story, NOW, Supposed(labels={"area": "capacity"})).quiet.reason is QuietReason.SILENCED


def test_a_failing_item_is_its_checks_incident():
    story = Story(two_levels())
    story.fails("db", "db-1", item="/var")
    found = explain.of_check(story.engine.plan, story.state, "db", "db-1", story.now)
    assert (found.is_supposed, found.incident) == (False, 1)


def test_a_snoozed_incident_waits():
    story = Story(two_levels())
    story.says(Open("who knows", by="bo"))
    story.says(Snooze(1, HOUR, by="bo"))
    found = explain.of_incident(story.engine.plan, story.state, 1, story.now)
    assert found.stands.snoozed_until == story.now + HOUR
    assert pages(found)[0][0] == HOUR


def test_what_is_not_there_is_a_key_error():
    story = Story(two_levels())
    with pytest.raises(KeyError):
        explain.of_target(story.engine.plan, story.state, "moon", NOW)
    with pytest.raises(KeyError):
        explain.of_incident(story.engine.plan, story.state, 9, NOW)
