"""Flapping: Nagios' arithmetic, one message and then less and less, and the final state always told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from opswatch.core import flapping
from opswatch.core.events import AddSilence, Observed
from opswatch.core.model import Failure, Health, QuietReason, Status, Verdict
from tests.story import Story, two_levels


def ring(*steps: bool) -> int:
    """A ring of these steps, the oldest first."""
    kept = 0
    for step in steps:
        kept = flapping.shifted(kept, step)
    return kept


@pytest.mark.parametrize(
    ("steps", "percent"),
    [
        ([True] * 20, 100.0),  # 21 results that alternate
        ([False] * 19 + [True], 6.25),  # a single change, the newest
        ([True] + [False] * 19, 3.75),  # a single change, the oldest
        ([True] + [False] * 20, 0.0),  # that left the ring
        ([False] * 20, 0.0),
        ([False] * 15 + [True] * 5, 29.9342),
        ([False] * 14 + [True] * 6, 35.5263),
    ],
)
def test_the_weights_are_those_of_nagios(steps, percent):
    assert flapping.percent(ring(*steps)) == pytest.approx(percent, abs=1e-4)


def test_it_starts_at_thirty_percent_stops_at_twenty_and_stays_as_it_was_between():
    below, above = ring(*[False] * 15, *[True] * 5), ring(*[False] * 14, *[True] * 6)
    assert (flapping.flaps(below, False), flapping.flaps(below, True)) == (False, True)
    assert (flapping.flaps(above, False), flapping.flaps(above, True)) == (True, True)
    low = ring(*[True] * 5, *[False] * 15)  # 20.0658 %
    assert flapping.flaps(low, True)
    assert not flapping.flaps(ring(*[True] * 5, *[False] * 16), True)


def test_what_is_never_confirmed_does_not_flap():
    base = two_levels()
    story = Story(replace(base, checks={"db": replace(base.checks["db"], confirm=2)}))
    for _ in range(30):
        story.fails("db")
        story.recovers("db")
    assert story.state.watches["db/db-1"].changes == 0
    assert story.pages == []


def flaps(story: Story, *, bad_last: bool) -> None:
    """Up and down until it flaps."""
    for _ in range(3):
        story.fails("db")
        story.recovers("db")
    if bad_last:
        story.fails("db")


def test_a_flapping_alert_keeps_its_incident_and_is_told_once():
    story = Story(two_levels())
    flaps(story, bad_last=False)
    assert story.paged() == ["ana", "ana", "ana"]
    alert = story.state.alerts["db/db-1"]
    assert (alert.health, alert.quiet, alert.flaps) == (Health.OK, QuietReason.FLAPPING, 1)
    assert story.incident(3).status is Status.TRIGGERED, "it happens to be well, and that says nothing"
    assert [update.event for update in story.updates if update.incident == 3] == ["flapping"]
    assert story.facts("flapping_told")["count"] == 6
    story.fails("db")
    story.recovers("db")
    story.fails("db")
    assert story.paged() == []
    assert [update.event for update in story.updates if update.incident == 3] == ["flapping"]


def test_while_it_flaps_it_is_said_again_after_a_quarter_half_and_a_whole_hour():
    story = Story(two_levels())
    flaps(story, bad_last=True)
    story.acks("ana", 3)
    began = story.now
    for _ in range(8):
        story.passes(minutes=15)
        story.fails("db")
        story.recovers("db")
    told = [entry.at - began for entry in story.entries if entry.kind == "flapping_told"]
    assert [round(at / timedelta(minutes=15)) for at in told] == [0, 1, 3, 7]


def test_a_flap_that_ends_well_resolves_the_incident_and_says_so():
    story = Story(two_levels())
    flaps(story, bad_last=True)
    story.updates.clear()
    for _ in range(20):
        story.recovers("db")
    assert story.state.alerts == {}
    assert story.incident(3).status is Status.RESOLVED
    assert [update.event for update in story.updates] == ["resolved"]


def test_a_flap_that_ends_badly_tells_the_final_state_though_it_was_announced_before():
    story = Story(two_levels())
    flaps(story, bad_last=False)
    story.updates.clear()
    for _ in range(20):
        story.fails("db")
    alert = story.state.alerts["db/db-1"]
    assert (alert.announced, alert.quiet) == (Health.CRIT, None)
    assert [update.event for update in story.updates] == ["flapping_ended"]
    assert story.facts("alert_announced")["state"] == "crit"


def test_the_final_state_is_told_through_a_restart_and_a_reload():
    story = Story(two_levels())
    flaps(story, bad_last=False)
    story.starts()
    story.reloads(two_levels())
    assert story.state.alerts["db/db-1"].quiet is QuietReason.FLAPPING
    for _ in range(20):
        story.recovers("db")
    assert story.incident(3).status is Status.RESOLVED


def test_what_flaps_in_a_silence_is_told_when_the_silence_ends():
    story = Story(two_levels())
    story.says(AddSilence((("target", "=", "db-1"),), story.now + timedelta(hours=1), "noisy", by="ana"))
    flaps(story, bad_last=True)
    assert story.pages == []
    story.passes(hours=1)
    assert story.paged() == ["ana"]
    assert [entry.kind for entry in story.entries if entry.kind == "flapping_told"] == ["flapping_told"]


def test_what_starts_to_flap_as_it_fails_anew_pages_once_and_then_no_more():
    story = Story(two_levels())
    story.fails("db", health=Health.WARN)
    for _ in range(2):
        story.fails("db")
        story.recovers("db")
    story.paged()
    story.fails("db")
    assert story.state.watches["db/db-1"].flapping
    assert story.paged() == ["ana"]
    story.recovers("db")
    story.fails("db")
    assert story.paged() == []


def test_a_check_that_fell_silent_flaps_no_more_and_is_told():
    base = two_levels()
    check = replace(base.checks["db"], every=timedelta(minutes=1), targets=("db-1",))
    story = Story(replace(base, checks={"db": check}))
    story.starts()
    flaps(story, bad_last=False)
    story.passes(minutes=4)
    alert = story.state.alerts["db/db-1"]
    assert (alert.announced, alert.quiet) == (Health.UNKNOWN, None)


def test_items_flap_each_for_itself():
    story = Story(two_levels())
    for number in range(8):
        bad = (Failure("full", Health.CRIT, "root"),) if number % 2 == 0 else ()
        story.now += timedelta(seconds=1)
        also = (*bad, Failure("slow", Health.CRIT, "home"))
        story.apply(Observed("db", "db-1", Verdict(story.now, "disks", failures=also)))
    assert story.state.watches["db/db-1/root"].flapping
    assert not story.state.watches["db/db-1/home"].flapping


def test_what_is_looked_at_once_a_day_does_not_flap():
    story = Story(two_levels())
    for _ in range(10):
        story.fails("db")
        story.passes(minutes=10)
        story.recovers("db")
        story.passes(days=1)
    assert not story.state.watches["db/db-1"].flapping
    assert story.kinds().count("triggered") == 10


def test_a_check_may_be_told_at_each_change():
    base = two_levels()
    story = Story(replace(base, checks={"db": replace(base.checks["db"], may_flap=False)}))
    for _ in range(10):
        story.fails("db")
        story.recovers("db")
    assert len(story.paged()) == 10


def test_a_reload_that_forbids_flapping_tells_what_is_so_at_the_next_look():
    story = Story(two_levels())
    flaps(story, bad_last=False)
    checks = {name: replace(check, may_flap=False) for name, check in two_levels().checks.items()}
    story.reloads(two_levels(checks=checks))
    story.recovers("db")
    assert story.incident(3).status is Status.RESOLVED
