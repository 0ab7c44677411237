"""Own sight: many targets fail at once, the anchors are asked, and one page says that opswatch cannot see."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from opswatch.core.effects import Recheck
from opswatch.core.events import AnchorsAsked, Resolve
from opswatch.core.model import Health, QuietReason, Status, UnknownReason
from opswatch.core.plan import Check, Plan, Target, Vantage
from tests.story import Story, two_levels

FAR = ("far-1", "far-2", "far-3")
ANCHORS = ("tcp://gateway:443", "ping://192.0.2.1")


def watching_from_here(**changes) -> Plan:
    """Three targets over the network and a disk of this host; two anchors, asked when three fail at once."""
    base = two_levels(group_by=("target",))
    targets = {name: Target(name, "http", service="orders", is_remote=True) for name in FAR}
    targets["here"] = Target("here", "host", service="orders")
    checks = {
        "up": Check("up", "http", FAR, every=timedelta(minutes=1), confirm=2, recover=1),
        "disk": Check("disk", "disk", ("here",), every=timedelta(minutes=1), confirm=1, recover=1),
    }
    return replace(base, targets=targets, checks=checks, vantage=Vantage(ANCHORS, failing=3), **changes)


def a_story(**changes) -> Story:
    told = Story(watching_from_here(**changes))
    told.starts()
    for name in FAR:
        told.recovers("up", name)
    told.recovers("disk", "here")
    return told


def all_fail(told: Story, times: int = 1) -> None:
    for _ in range(times):
        for name in FAR:
            told.fails("up", name)


def silent() -> AnchorsAsked:
    return AnchorsAsked("here", (), ANCHORS)


def heard() -> AnchorsAsked:
    return AnchorsAsked("here", ANCHORS[:1], ANCHORS[1:])


def minutes_pass(told: Story, minutes: int, *, blind: bool = True) -> None:
    """Looks go on as ever."""
    for _ in range(minutes):
        told.passes(minutes=1)
        if blind:
            told.apply(silent())
        all_fail(told)
        told.recovers("disk", "here")


def test_when_many_begin_to_fail_the_anchors_are_asked_before_anybody_is_told():
    told = a_story()
    all_fail(told)
    assert told.state.standing.outlooks["here"].asked_at is not None
    all_fail(told)
    assert told.pages == []
    assert {alert.quiet for alert in told.state.alerts.values()} == {QuietReason.VANTAGE}
    told.apply(heard())
    assert told.paged() == ["ana", "ana", "ana"], "opswatch can see: they really fail"


def test_the_question_delays_for_ten_seconds_at_most():
    told = a_story()
    all_fail(told, 2)
    told.passes(seconds=9)
    assert told.pages == []
    told.passes(seconds=2)
    assert told.paged() == ["ana", "ana", "ana"]


def test_one_page_says_that_opswatch_cannot_see_and_the_targets_are_unknown():
    told = a_story()
    all_fail(told, 2)
    told.apply(silent())
    assert told.paged() == ["ana"]
    assert told.incident().title == "opswatch on here cannot see: none of its anchors answers"
    reasons = {(alert.health, alert.reason) for alert in told.state.alerts.values()}
    assert reasons == {(Health.UNKNOWN, UnknownReason.VANTAGE)}
    told.acks("ana")
    minutes_pass(told, 10)
    assert told.paged() == []
    assert len(told.state.incidents) == 1
    assert set(told.state.alerts) == {f"up/{name}" for name in FAR}, "and none of them is resolved"


def blind() -> Story:
    told = a_story()
    all_fail(told, 2)
    told.apply(silent())
    told.acks("ana")
    told.paged()
    return told


def test_when_it_sees_again_everything_is_looked_at_first_and_the_truth_is_told():
    told = blind()
    told.now += timedelta(minutes=4)
    effects = told.apply(heard())
    assert {effect.target for effect in effects if isinstance(effect, Recheck)} == set(FAR)
    assert told.incident().status is Status.RESOLVED
    assert told.paged() == []
    told.recovers("up", "far-1")
    told.recovers("up", "far-2")
    told.fails("up", "far-3")
    assert told.paged() == ["ana"]
    assert set(told.state.alerts) == {"up/far-3"}
    assert told.state.alerts["up/far-3"].announced is Health.CRIT


def test_what_is_not_looked_at_again_in_time_is_told_as_it_is():
    told = blind()
    told.apply(heard())
    told.passes(minutes=20)
    assert {alert.announced for alert in told.state.alerts.values()} == {Health.UNKNOWN}


def test_a_disk_of_this_host_needs_no_network():
    told = blind()
    told.fails("disk", "here")
    assert told.paged() == ["ana"]


def test_without_anchors_nothing_is_asked():
    told = a_story()
    told.reloads(replace(told.engine.plan, vantage=Vantage()))
    all_fail(told, 2)
    assert told.paged() == ["ana", "ana", "ana"]
    assert told.state.standing.outlooks == {}


def test_those_that_have_long_failed_are_not_counted():
    told = a_story()
    told.fails("up", "far-1")
    told.fails("up", "far-1")
    told.paged()
    told.now += timedelta(minutes=30)
    told.fails("up", "far-2")
    told.fails("up", "far-3")
    assert told.state.standing.outlooks == {}


def test_what_was_told_before_waits_too_and_its_ladder_starts_anew():
    told = a_story()
    told.fails("up", "far-1")
    told.fails("up", "far-1")
    assert told.paged() == ["ana"]
    told.now += timedelta(minutes=2)
    told.reloads(replace(told.engine.plan, vantage=Vantage(ANCHORS, failing=2)))
    told.fails("up", "far-2")
    told.fails("up", "far-3")
    told.apply(silent())
    told.fails("up", "far-1")
    assert told.incident(1).held_why is QuietReason.VANTAGE
    told.acks("ana", 2)
    told.paged()
    told.now += timedelta(minutes=3)
    told.apply(heard())
    told.fails("up", "far-1")
    assert told.paged() == ["ana"]
    assert told.last_page().reason == "quiet_ended"


def test_blindness_survives_a_restart_and_ends_with_the_anchors():
    told = blind()
    told.starts()
    told.reloads(told.engine.plan)
    all_fail(told)
    assert told.paged() == []
    told.reloads(replace(told.engine.plan, vantage=Vantage()))
    assert told.incident().status is Status.RESOLVED
    all_fail(told)
    assert len(told.paged()) == 3


def test_resolved_by_hand_while_blind_it_opens_again():
    told = blind()
    told.says(Resolve(1, by="ana"))
    minutes_pass(told, 11)
    assert told.incident().status is Status.TRIGGERED
    assert told.paged() == ["ana"]


def test_another_nodes_blindness_is_not_ours():
    told = a_story()
    told.apply(AnchorsAsked("elsewhere", (), ANCHORS))
    told.paged()
    told.fails("up", "far-1")
    told.fails("up", "far-1")
    assert told.paged() == ["ana"]


def test_a_node_that_died_blind_does_not_quiet_its_targets_for_ever():
    told = blind()
    minutes_pass(told, 6, blind=False)
    assert {alert.announced for alert in told.state.alerts.values()} == {Health.CRIT}
