"""A clock that is set changes nothing that is so, and nobody waits an hour longer for it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opswatch.core.events import ClockJumped, Resolve
from opswatch.core.model import Status
from opswatch.core.plan import Check
from tests.story import Story, two_levels

HOUR = timedelta(hours=1)


def is_set(story: Story, by: timedelta) -> None:
    story.now += by
    story.apply(ClockJumped("here", by))


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_checks_that_reported_before_are_not_silent_after_it(by):
    check = Check("db", "command", ("db-1",), every=timedelta(minutes=1))
    story = Story(two_levels(checks={"db": check}))
    story.starts()
    story.recovers("db")
    is_set(story, by)
    story.passes(minutes=2, seconds=50)
    assert story.state.alerts == {}
    story.passes(seconds=20)
    assert story.state.alerts, "and a check that is silent is found out as soon as ever"


def test_after_a_step_back_the_ladder_climbs_when_it_would_have():
    story = Story(two_levels())
    story.fails("db")
    story.passes(minutes=2)
    is_set(story, -HOUR)
    story.paged()
    story.passes(minutes=2, seconds=59)
    assert story.paged() == []
    story.passes(seconds=2)
    assert story.paged() == ["bo"]


def test_after_a_step_back_what_was_resolved_by_hand_opens_when_it_would_have():
    story = Story(two_levels())
    story.fails("db")
    story.says(Resolve(1, by="ana"))
    is_set(story, -HOUR)
    story.passes(minutes=10, seconds=1)
    assert story.incident().status is Status.TRIGGERED


def test_a_host_that_slept_pages_at_once_what_is_due():
    story = Story(two_levels())
    story.fails("db")
    story.paged()
    is_set(story, HOUR)
    story.passes(seconds=0)
    assert story.paged() == ["bo"]


def test_a_look_after_the_clock_was_set_back_is_taken_in():
    story = Story(two_levels())
    story.fails("db")
    is_set(story, -HOUR)
    story.recovers("db")
    assert story.state.alerts == {}
