"""What fails upstream, and is named as the likely cause."""

from __future__ import annotations

from dataclasses import replace

from opswatch.core.changes import Draft
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
