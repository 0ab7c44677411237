"""Storms: very many incidents at once are one page that says so, and none of them is lost."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta

from opswatch.core.engine import Engine
from opswatch.core.events import Acknowledge, Merge, Note, Observed, Open, Reopen, Resolve, SetPriority, Tick
from opswatch.core.model import Failure, Priority, Status, Verdict
from opswatch.core.plan import Check, Level, Plan, Policy, Route, Service, Target
from opswatch.core.state import Incident
from opswatch.sim import laws
from tests.story import Story, two_levels


def many(count: int, **more: object) -> Plan:
    """So many services of one host each, one check: every failure is an incident of its own."""
    names = [f"s{number:05}" for number in range(count)]
    base = two_levels(
        services={name: Service(name, tier=2) for name in names},
        targets={name: Target(name, "host", service=name) for name in names},
        checks={"up": Check("up", "command", tuple(names), confirm=1, recover=1)},
    )
    return replace(base, **more)  # type: ignore[arg-type]


def burst(story: Story, first: int, last: int, *, ok: bool = False) -> None:
    """Services `first` to `last` fail (or recover) one by one, a millisecond apart."""
    for number in range(first, last):
        (story.recovers if ok else story.fails)("up", f"s{number:05}")


def storm_of(story: Story) -> Incident:
    return next(one for one in story.state.incidents.values() if one.is_storm)


def at_once(story: Story, count: int) -> None:
    """All of them in one decision, as a batch that is taken in."""
    story.now += timedelta(milliseconds=1)
    verdict = Verdict(story.now, "down", failures=(Failure("down"),))
    events = [Observed("up", f"s{number:05}", verdict) for number in range(count)]
    story.decides(events)


def test_the_first_ones_page_alone_then_one_page_says_storm():
    story = Story(many(40))
    burst(story, 0, 10)
    assert story.paged() == ["ana"] * 10
    burst(story, 10, 40)
    assert story.paged() == ["ana"]
    storm = storm_of(story)
    assert storm.folded == 40
    assert story.state.folded[storm.number] == {n for n in story.state.incidents if n != storm.number}
    assert len(story.state.incidents) == 41


def test_a_batch_that_opens_many_folds_from_the_start():
    story = Story(many(300))
    at_once(story, 300)
    assert [page.incident for page in story.pending.values()] == [storm_of(story).number]
    assert storm_of(story).folded == 300


def test_a_storm_pages_each_policy_once_as_loud_as_its_worst():
    policies = {
        "standard": Policy("standard", (Level(("person:ana",)),)),
        "web": Policy("web", (Level(("person:bo", "person:ana")),)),
    }
    routes = (Route("web", services=frozenset({f"s{n:05}" for n in range(20, 40)})), Route("standard"))
    story = Story(many(40, policies=policies, routes=routes))
    at_once(story, 40)
    assert sorted(page.person for page in story.pending.values()) == ["ana", "bo"]


def test_a_member_reopened_by_hand_climbs_on_its_own():
    story = Story(many(40))
    at_once(story, 40)
    burst(story, 0, 1, ok=True)
    member = min(number for number, one in story.state.incidents.items() if one.status is Status.RESOLVED)
    story.paged()
    story.says(Reopen(member, by="bo"))
    assert story.paged() == ["ana"]
    assert story.incident(member).storm is None and story.incident(member).level_until is not None
    assert laws.the_folded_are_somebodys(story.state) == laws.the_log_is_the_truth(story.state, story.entries) == []


def test_indices_keep_nothing_of_what_is_over():
    story = Story(many(40))
    at_once(story, 40)
    burst(story, 0, 40, ok=True)
    story.passes(days=2)
    state = story.state
    assert state.incidents == state.folded == state.groups == state.on_target == {}


def test_a_member_that_takes_over_something_worse_raises_its_storm():
    services = {f"s{n:05}": Service(f"s{n:05}", tier=3) for n in range(40)}
    story = Story(many(40, services=services))
    at_once(story, 40)
    before = storm_of(story).priority
    story.says(Open("nobody can order", priority=Priority.P0, by="bo"))
    urgent = max(story.state.incidents)
    story.says(Merge(urgent, min(story.state.folded[storm_of(story).number]), by="bo"))
    assert before > Priority.P0 and storm_of(story).priority is Priority.P0
    assert laws.the_folded_are_somebodys(story.state) == []


def test_a_storm_that_passes_owes_its_paper_in_the_same_tick():
    story = Story(many(40, services={f"s{n:05}": Service(f"s{n:05}", tier=1) for n in range(40)}))
    at_once(story, 40)
    burst(story, 0, 40, ok=True)
    assert story.state.papers == {}
    story.passes(minutes=2)  # Each tick leaves nothing due: `Story.ticks`.
    paper = story.state.papers[storm_of(story).number]
    assert paper.told == 1 and paper.wake_at is not None and paper.wake_at > story.now


def test_a_worse_member_pages_once_more():
    services = {f"s{n:05}": Service(f"s{n:05}", tier=3) for n in range(39)} | {"s00039": Service("s00039", tier=1)}
    story = Story(many(40, services=services))
    burst(story, 0, 39)
    story.paged()
    assert storm_of(story).priority is Priority.P2
    burst(story, 39, 40)
    assert story.paged() == ["ana"]
    assert (storm_of(story).priority, story.last_page().reason) == (Priority.P1, "raised")


def test_acknowledging_the_storm_takes_all_of_it():
    story = Story(many(40))
    burst(story, 0, 40)
    story.paged()
    story.acks("bo", storm_of(story).number)
    story.passes(minutes=30)
    assert story.paged() == []


def test_an_unanswered_storm_climbs_like_anything():
    story = Story(many(40))
    burst(story, 0, 40)
    story.paged()
    story.passes(minutes=5)
    assert story.paged() == ["bo"]


def test_a_storm_is_over_when_all_its_members_are_and_owes_one_paper():
    story = Story(many(40))
    burst(story, 0, 40)
    number = storm_of(story).number
    burst(story, 0, 40, ok=True)
    assert story.incident(number).status is Status.TRIGGERED, "it may go on: the minute is not over"
    story.passes(minutes=2)
    assert story.incident(number).status is Status.RESOLVED
    assert list(story.state.papers) == [number]


def test_what_remains_when_the_storm_has_passed_is_told_and_stays_on_the_ladder():
    story = Story(many(40))
    burst(story, 0, 40)
    number = storm_of(story).number
    burst(story, 0, 37, ok=True)
    story.passes(minutes=2)
    assert story.facts("storm_passed") == {"folded": 40, "left": 3}
    assert ("ana", "storm_passed") in [(update.person, update.event) for update in story.updates]
    assert story.incident(number).level_until is not None
    burst(story, 37, 40, ok=True)
    assert story.incident(number).status is Status.RESOLVED


def test_when_the_storm_has_passed_a_new_failure_pages_alone_again():
    story = Story(many(41))
    burst(story, 0, 40)
    story.passes(minutes=2)
    story.paged()
    burst(story, 40, 41)
    assert story.paged() == ["ana"]
    assert story.last_page().incident == max(story.state.incidents)


def test_a_storm_resolved_by_hand_opens_again_while_members_fail():
    story = Story(many(40))
    burst(story, 0, 40)
    number = storm_of(story).number
    story.says(Resolve(number, by="ana"))
    story.paged()
    story.passes(minutes=10)
    assert story.paged() == ["ana"]
    assert story.incident(number).status is Status.TRIGGERED


def test_a_member_somebody_takes_is_dealt_with_alone():
    story = Story(many(40))
    burst(story, 0, 40)
    story.says(Acknowledge(7, by="bo"))
    assert (story.incident(7).owner, story.incident(7).storm) == ("bo", None)
    story.says(Note(8, "a word alone keeps it where it is", by="bo"))
    assert story.incident(8).storm == storm_of(story).number
    story.says(SetPriority(8, Priority.P0, by="bo"))
    assert storm_of(story).priority is Priority.P0


def test_the_storm_survives_a_restart_and_a_reload():
    story = Story(many(40))
    burst(story, 0, 20)
    story.starts()
    story.reloads(many(40))
    story.paged()
    burst(story, 20, 40)
    assert story.paged() == []
    assert storm_of(story).folded == 40


def test_folding_can_be_turned_off():
    story = Story(many(40, storm_incidents=0, pages_per_hour_max=100))
    burst(story, 0, 40)
    assert len(story.paged()) == 40


def test_very_many_at_once_are_one_page_and_none_is_unreported():
    plan = many(count := 10_000 if "OPSWATCH_NIGHTLY" in os.environ else 1_500)
    story, engine = Story(plan), Engine(plan)
    story.engine = engine
    names = list(plan.targets)
    verdict = Verdict(story.now, "down", failures=(Failure("down"),))
    for start in range(0, count, 256):
        story.now += timedelta(milliseconds=20)
        story.decides([Observed("up", name, verdict) for name in names[start : start + 256]], check=False)
    assert len(story.pending) == 1
    assert storm_of(story).folded == count
    assert laws.every_alert_is_somebodys(story.state) == []
    assert laws.the_folded_are_somebodys(story.state) == []
    assert laws.storms_page_as_one(story.state, story.pending.values()) == []
    story.apply(Tick())
