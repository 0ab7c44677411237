"""What fails upstream, and is named as the likely cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from opswatch.core.changes import Draft
from opswatch.core.effects import Recheck
from opswatch.core.events import Resolve
from opswatch.core.explain import of_check
from opswatch.core.model import Health, QuietReason
from opswatch.core.plan import Service, Target
from opswatch.core.upstream import causes
from tests.story import Story, two_levels


def a_chain():
    """shop → orders → db-1; db-1 hangs on the switch."""
    base = two_levels(group_by=("target",))
    return replace(
        base,
        services={
            "shop": Service("shop", depends_on=("orders",)),
            "orders": Service("orders", depends_on=("db-1",)),
            "net": Service("net"),
        },
        targets={
            "db-1": Target("db-1", "host", service="orders", parents=("switch",)),
            "web-1": Target("web-1", "http", service="shop"),
            "db-2": Target("db-2", "host", service="orders"),
            "switch": Target("switch", "host", service="net"),
        },
        checks={"db": replace(base.checks["db"], targets=("db-1", "db-2", "web-1", "switch"))},
    )


def named(story, name, **how):
    return [cause.name for cause in causes(story.engine.plan, Draft(story.state), name, **how)]


def test_nothing_fails_so_nothing_is_named():
    assert named(Story(a_chain()), "shop") == []


def test_the_most_upstream_failing_thing_comes_first():
    story = Story(a_chain())
    story.fails("db", "web-1")
    story.fails("db", "db-2")
    assert named(story, "web-1") == ["orders"]
    story.fails("db", "db-1")
    assert named(story, "web-1") == named(story, "shop") == ["db-1", "orders"]
    story.fails("db", "switch")
    assert named(story, "shop") == ["switch", "db-1", "orders"]
    assert named(story, "shop", by_parents=False) == ["db-1", "orders"]


def test_a_target_is_not_its_own_cause_though_its_service_depends_on_it():
    story = Story(a_chain())
    story.fails("db", "db-1")
    assert named(story, "db-1") == []
    assert named(story, "db-2") == ["db-1"]


def test_what_recovered_or_was_told_to_nobody_is_no_cause():
    story = Story(a_chain())
    story.fails("db", "db-1")
    story.recovers("db", "db-1")
    assert named(story, "shop") == []


# ---------------------------------------------------------------------------------------------------------------------
# What it explains is not paged anew


def told(tiers=(2, 2, 2), teams=("dba", "dba", "dba")):
    """The chain, with the tier and the team of shop, orders and net."""
    plan = a_chain()
    services = {
        one.id: replace(one, tier=tier, team=team)
        for one, tier, team in zip(plan.services.values(), tiers, teams, strict=True)
    }
    return Story(replace(plan, services=services))


def test_what_fails_downstream_of_something_told_waits_for_it():
    story = told()
    story.fails("db", "db-1")
    assert story.paged() == ["ana"]
    story.fails("db", "web-1")
    alert = story.state.alerts["db/web-1"]
    assert (story.paged(), alert.quiet, alert.incident) == ([], QuietReason.UPSTREAM, None)
    assert story.facts("held")["why"] == "it depends on db-1, which failed: incident 1"


def test_when_the_cause_recovers_what_waited_is_looked_at_first_and_told_if_still_bad():
    story = told()
    story.fails("db", "db-1")
    story.fails("db", "web-1")
    story.paged()
    story.now += timedelta(minutes=5)
    effects = story.looks("db", "db-1")
    assert [(one.check, one.target) for one in effects if isinstance(one, Recheck)] == [("db", "web-1")]
    assert story.paged() == []
    story.fails("db", "web-1")
    assert story.paged() == ["ana"]
    assert story.state.alerts["db/web-1"].announced is Health.CRIT


def test_what_recovers_with_its_cause_pages_nobody():
    story = told()
    story.fails("db", "db-1")
    story.fails("db", "web-1")
    story.paged()
    story.recovers("db", "db-1")
    story.recovers("db", "web-1")
    assert (story.paged(), story.state.alerts) == ([], {})


def test_what_waited_is_told_though_nobody_looks_again():
    story = told()
    story.fails("db", "db-1")
    story.fails("db", "web-1")
    story.paged()
    story.recovers("db", "db-1")
    story.passes(minutes=3)
    assert story.paged() == ["ana"]


def test_what_is_more_urgent_than_its_cause_pages_all_the_same():
    story = told(tiers=(1, 3, 3))
    story.fails("db", "db-1", health=Health.CRIT)
    first = story.incident(1).priority
    story.paged()
    story.fails("db", "web-1")
    assert story.incident(2).priority < first
    assert "ana" in story.paged()


def test_another_team_is_told_what_is_as_urgent():
    story = told(teams=("shop", "dba", "net"))
    story.fails("db", "db-1")
    story.fails("db", "web-1")
    assert story.paged() == ["ana", "ana"]


def test_a_cause_that_was_resolved_by_hand_explains_nothing_any_more():
    story = told()
    story.fails("db", "db-1")
    story.says(Resolve(1, by="ana"))
    story.paged()
    story.fails("db", "web-1")
    assert story.paged() == ["ana"]


def test_explain_says_what_it_waits_for():
    story = told()
    story.fails("db", "db-1")
    story.fails("db", "web-1")
    found = of_check(story.engine.plan, story.state, "db", "web-1", story.now)
    assert found.quiet is not None
    assert found.quiet.why == "it depends on db-1, which failed: incident 1"


def test_what_was_told_before_its_cause_failed_goes_on():
    story = told()
    story.fails("db", "web-1")
    story.fails("db", "db-1")
    assert story.paged() == ["ana", "ana"]
    story.passes(minutes=5)
    assert story.paged() == ["bo", "bo"]
