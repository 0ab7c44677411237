"""Parents: asked before a child is told, unreachable while all are down, the children first when one is back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from opswatch.core.effects import Recheck
from opswatch.core.events import Tick
from opswatch.core.explain import of_check
from opswatch.core.model import Failure, Health, Priority, QuietReason, Status, UnknownReason
from opswatch.core.plan import Check, Service, Target
from tests.story import Story, two_levels

MINUTE = timedelta(minutes=1)


def behind_switches(parents=("switch-a", "switch-b"), **changes):
    """db-1 and db-2 behind two switches, which a ping reaches; the router is behind nothing."""
    base = two_levels(group_by=("target",))
    checks = {
        "ping": Check(
            "ping", "ping", ("switch-a", "switch-b", "router"), every=MINUTE, confirm=2, recover=1, reach=True
        ),
        "disk": Check("disk", "disk", ("switch-a",), every=MINUTE, confirm=1, recover=1),
        "db": Check("db", "command", ("db-1", "db-2"), every=MINUTE, confirm=1, recover=1),
    }
    targets = {
        "router": Target("router", "ping", service="net"),
        "switch-a": Target("switch-a", "ping", service="net"),
        "switch-b": Target("switch-b", "ping", service="net"),
        "db-1": Target("db-1", "host", service="orders", parents=parents),
        "db-2": Target("db-2", "host", service="orders", parents=parents),
    }
    services = {**base.services, "net": Service("net", tier=2)}
    return replace(base, checks=checks, targets=targets, services=services, **changes)


def story(**changes) -> Story:
    told = Story(behind_switches(**changes))
    for name in ("switch-a", "switch-b", "router"):
        told.recovers("ping", name)
    for name in ("db-1", "db-2"):
        told.recovers("db", name)
    told.now += timedelta(seconds=30)
    return told


def rechecks(effects):
    return [(effect.check, effect.target) for effect in effects if isinstance(effect, Recheck)]


def fails(told: Story, check: str, target: str):
    return told.looks(check, target, failures=(Failure(f"{target} does not answer"),))


def test_the_parents_are_looked_at_before_a_child_is_told():
    told = story()
    assert rechecks(fails(told, "db", "db-1")) == [("ping", "switch-a"), ("ping", "switch-b")]
    alert = told.state.alerts["db/db-1"]
    assert (told.pages, alert.quiet) == ([], QuietReason.UNREACHABLE)
    told.recovers("ping", "switch-b")
    assert told.paged() == ["ana"], "one parent answers: the failure is its own"


def test_a_parent_that_was_just_seen_need_not_be_asked_again():
    base = behind_switches()
    told = Story(replace(base, checks={**base.checks, "db": replace(base.checks["db"], confirm=2)}))
    fails(told, "db", "db-1")
    told.recovers("ping", "switch-b")
    assert rechecks(fails(told, "db", "db-1")) == [("ping", "switch-a")]
    assert told.paged() == ["ana"]


def test_a_parent_that_is_not_heard_of_delays_the_page_and_does_not_swallow_it():
    told = story()
    fails(told, "db", "db-1")
    told.passes(seconds=34)
    assert told.paged() == []
    told.passes(seconds=2)
    assert told.paged() == ["ana"]


def test_while_all_parents_are_down_the_child_is_unreachable_and_nobody_is_paged_for_it():
    told = story()
    fails(told, "db", "db-1")
    fails(told, "ping", "switch-a")
    effects = fails(told, "ping", "switch-b")
    assert rechecks(effects) == [("ping", "switch-b")], "others wait: it is confirmed quickly"
    assert told.paged() == []
    fails(told, "ping", "switch-a")
    fails(told, "ping", "switch-b")
    alert = told.state.alerts["db/db-1"]
    assert (alert.health, alert.reason) == (Health.UNKNOWN, UnknownReason.UNREACHABLE)
    assert alert.sentence == "unreachable because of switch-a, switch-b: db-1 does not answer"
    fails(told, "db", "db-2")
    assert told.state.alerts["db/db-2"].reason is UnknownReason.UNREACHABLE
    told.passes(hours=2)
    assert {page.incident for page in told.pages} == {1, 2}, "the switches, and nothing else"
    assert [one.title for one in told.state.incidents.values()] == [
        "switch-a does not answer",
        "switch-b does not answer",
    ]


def cut_off() -> Story:
    told = story()
    for name in ("switch-a", "switch-b"):
        fails(told, "ping", name)
        fails(told, "ping", name)
    fails(told, "db", "db-1")
    fails(told, "db", "db-2")
    told.paged()
    return told


def test_when_a_parent_is_back_the_children_are_looked_at_first_and_only_what_is_still_bad_is_told():
    told = cut_off()
    told.acks("ana", 1)
    told.acks("ana", 2)
    told.passes(minutes=3)
    told.now += timedelta(seconds=1)
    assert {("db", "db-1"), ("db", "db-2")} < set(rechecks(told.looks("ping", "switch-a")))
    assert told.paged() == []
    told.recovers("db", "db-1")
    fails(told, "db", "db-2")
    assert told.paged() == ["ana"]
    assert set(told.state.alerts) == {"ping/switch-b", "db/db-2"}
    assert told.state.alerts["db/db-2"].announced is Health.CRIT


def test_a_child_that_nobody_can_look_at_again_is_told_at_the_end_of_its_time():
    told = cut_off()
    told.recovers("ping", "switch-a")
    told.passes(minutes=2)
    assert told.state.alerts["db/db-1"].announced is Health.UNKNOWN


def test_the_ladder_of_a_child_waits_while_it_is_unreachable_and_starts_anew_when_it_is_not():
    told = story(parents=("switch-a",))
    fails(told, "db", "db-1")
    told.recovers("ping", "switch-a")
    assert told.paged() == ["ana"]
    fails(told, "ping", "switch-a")
    fails(told, "ping", "switch-a")
    fails(told, "db", "db-1")
    assert told.incident(1).held_why is QuietReason.UNREACHABLE
    told.acks("ana", 2)
    told.paged()
    told.passes(hours=1)
    assert told.paged() == []
    told.recovers("ping", "switch-a")
    fails(told, "db", "db-1")
    assert told.paged() == ["ana"]
    assert told.last_page().reason == "quiet_ended"


def test_a_full_disk_on_a_parent_cuts_nobody_off():
    told = story(parents=("switch-a",))
    fails(told, "disk", "switch-a")
    fails(told, "db", "db-1")
    told.recovers("ping", "switch-a")
    assert told.state.alerts["db/db-1"].announced is Health.CRIT


def test_a_parent_that_nothing_looks_at_is_never_down():
    plan = behind_switches(parents=("switch-a",))
    told = Story(replace(plan, checks={"db": plan.checks["db"]}))
    told.fails("db", "db-1")
    assert told.paged() == ["ana"]


def test_a_target_no_check_was_made_to_reach_is_down_when_all_its_checks_say_so():
    base = behind_switches(parents=("db-2",))
    targets = {**base.targets, "db-2": replace(base.targets["db-2"], parents=())}
    checks = {**base.checks, "load": Check("load", "load", ("db-2",), every=MINUTE, confirm=1, recover=1)}
    told = Story(replace(base, targets=targets, checks=checks))
    told.recovers("load", "db-2")
    told.recovers("db", "db-2")
    fails(told, "db", "db-1")
    fails(told, "load", "db-2")
    told.recovers("db", "db-2")
    assert told.state.alerts["db/db-1"].quiet is None
    told.recovers("db", "db-1")
    fails(told, "db", "db-2")
    fails(told, "db", "db-1")
    assert told.state.alerts["db/db-1"].reason is UnknownReason.UNREACHABLE


def chain():
    base = behind_switches(parents=("switch-a",))
    targets = {**base.targets, "switch-a": replace(base.targets["switch-a"], parents=("router",))}
    return replace(base, targets=targets)


def test_a_chain_of_parents_names_the_one_that_is_down():
    told = Story(chain())
    for name in ("router", "switch-a"):
        told.recovers("ping", name)
    told.now += timedelta(seconds=30)
    fails(told, "db", "db-1")
    fails(told, "ping", "switch-a")
    fails(told, "ping", "switch-a")
    assert told.paged() == [], "the switch waits for the router, and the database for the switch"
    fails(told, "ping", "router")
    fails(told, "ping", "router")
    assert told.state.alerts["ping/switch-a"].sentence.startswith("unreachable because of router: ")
    fails(told, "db", "db-1")
    assert told.state.alerts["db/db-1"].sentence == "unreachable because of router: db-1 does not answer"
    assert told.paged() == ["ana"]
    assert told.incident().title == "router does not answer"
    told.recovers("ping", "router")
    told.recovers("ping", "switch-a")
    fails(told, "db", "db-1")
    assert told.incident().status is Status.RESOLVED
    assert told.paged() == ["ana"]
    assert set(told.state.alerts) == {"db/db-1"}


def test_an_unreachable_child_counts_for_no_share_of_failing_targets():
    told = cut_off()
    assert told.state.crit.get("orders", {}) == {}


def test_what_cuts_others_off_is_as_urgent_as_they_would_be():
    plan = behind_switches(parents=("switch-a",))
    quiet = replace(plan.checks["ping"], priority={Health.CRIT: Priority.P3})
    told = Story(replace(plan, checks={**plan.checks, "ping": quiet}))
    told.recovers("ping", "switch-a")
    fails(told, "ping", "switch-a")
    fails(told, "ping", "switch-a")
    assert told.incident().priority is Priority.P3
    fails(told, "db", "db-1")
    assert (told.incident().priority, told.incident().why) == (
        Priority.P1,
        "P1 because: db-1 is unreachable because of it",
    )
    assert told.paged() == ["ana"]


def test_explain_says_what_cuts_it_off():
    told = cut_off()
    found = of_check(told.engine.plan, told.state, "db", "db-1", told.now)
    assert found.quiet is not None
    assert found.quiet.why == "unreachable because of switch-a, switch-b"


def test_a_reload_that_takes_the_parents_away_tells_what_is_so():
    told = cut_off()
    bare = {name: replace(one, parents=()) for name, one in told.engine.plan.targets.items()}
    told.reloads(replace(told.engine.plan, targets=bare))
    fails(told, "db", "db-1")
    assert told.state.alerts["db/db-1"].announced is Health.CRIT


def test_what_is_unreachable_survives_a_restart():
    told = cut_off()
    told.starts()
    told.apply(Tick())
    assert told.state.alerts["db/db-1"].quiet is QuietReason.UNREACHABLE
    told.recovers("ping", "switch-b")
    told.recovers("db", "db-1")
    assert "db/db-1" not in told.state.alerts
