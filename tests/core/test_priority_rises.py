"""A priority rises with duration, spread and the nearness of a deadline, and a rise breaks an acknowledgement."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from opswatch.core.events import Observed
from opswatch.core.model import Health, Priority, Sample, Status, Verdict
from opswatch.core.plan import Check, ClassifyRule, Limit, Service, Target
from tests.story import Story, two_levels

HOUR = timedelta(hours=1)


def spreading(**more: object) -> Story:
    """Four hosts of a tier 1 service, each an incident of its own."""
    names = ("db-1", "db-2", "db-3", "db-4")
    given: dict[str, object] = {
        "services": {"orders": Service("orders", tier=1)},
        "targets": {name: Target(name, "host", service="orders") for name in names},
        "checks": {"db": Check("db", "command", names, confirm=1, recover=1)},
        "group_by": ("target",),
    }
    return Story(two_levels(**{**given, **more}))


def test_what_failed_before_rises_when_half_of_the_service_fails():
    story = spreading()
    story.fails("db", "db-1")
    assert story.incident(1).priority is Priority.P1
    story.paged()
    story.fails("db", "db-2")
    assert (story.incident(1).priority, story.incident(2).priority) == (Priority.P0, Priority.P0)
    assert "2 of 4 targets failing" in story.incident(1).why
    assert story.paged() == ["ana", "ana"], "one for the new one, one for the old one that rose"


def test_a_share_of_ones_own_is_looked_at_again_too():
    rule = ClassifyRule(Priority.P0, 1, failing_share="> 0.7")
    story = spreading(services={"orders": Service("orders", tier=2)}, classify=(rule,))
    for name in ("db-1", "db-2"):
        story.fails("db", name)
    assert story.incident(1).priority is Priority.P1
    story.fails("db", "db-3")
    assert {one.priority for one in story.state.incidents.values()} == {Priority.P0}


def test_a_spread_breaks_an_acknowledgement_once():
    story = spreading()
    story.fails("db", "db-1")
    story.acks("bo")
    story.paged()
    story.fails("db", "db-2")
    assert story.incident(1).status is Status.TRIGGERED
    assert sorted(story.paged()) == ["ana", "ana", "bo"]
    story.acks("bo")
    story.acks("bo", 2)
    story.fails("db", "db-3")
    assert story.incident(1).status is Status.ACKNOWLEDGED, "nothing worse for it"


def test_what_a_silence_holds_back_rises_and_is_told_when_it_ends():
    from opswatch.core.events import AddSilence

    story = spreading()
    story.fails("db", "db-1")
    story.paged()
    story.says(AddSilence((("target", "=", "db-1"),), story.now + HOUR, "x", by="ana"))
    story.fails("db", "db-2")
    assert story.paged() == ["ana"]
    story.passes(hours=1, minutes=1)
    assert story.incident(1).priority is Priority.P0
    assert 1 in {page.incident for page in story.pages[2:]}


def ends(story: Story, days: float) -> None:
    """A look at a certificate that ends in so many days."""
    story.now += timedelta(milliseconds=1)
    sample = Sample("days_left", days, "d")
    story.apply(Observed("tls", "db-1", Verdict(story.now, "it ends", samples=(sample,))))


def test_a_deadline_that_comes_near_raises_the_priority_by_itself():
    rule = ClassifyRule(Priority.P1, 1, due_within=24 * HOUR)
    check = Check("tls", "tls", ("db-1",), confirm=1, recover=1, limits={"days_left": Limit("< 7")})
    story = Story(two_levels(classify=(rule,), checks={"tls": check}))
    ends(story, 3)
    assert story.incident().priority is Priority.P2
    story.passes(hours=47)
    assert story.incident().priority is Priority.P2
    story.passes(hours=2)
    assert story.incident().priority is Priority.P1
    assert "due in 1d" in story.incident().why or "due in 23h" in story.incident().why


def test_what_names_no_deadline_is_never_near_one():
    rule = ClassifyRule(Priority.P0, 1, due_within=24 * HOUR)
    story = Story(two_levels(classify=(rule,)))
    story.fails("db", health=Health.CRIT)
    assert story.incident().priority is Priority.P1
    assert replace(story.incident(), wake_at=story.now)
