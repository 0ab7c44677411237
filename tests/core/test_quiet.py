"""Whatever quiets a page only delays it: silences, maintenance, pause, and what happens when they end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from opswatch.core.effects import Done, Refuse
from opswatch.core.events import AddSilence, ExpireSilence, Open, Pause, Resolve, Unpause
from opswatch.core.model import PageReason, QuietReason, Role, Status
from opswatch.core.plan import Maintenance
from tests.story import MONDAY_3AM_BERLIN, Story, person, two_levels

HOUR = timedelta(hours=1)
ORDERS = (("service", "=", "orders"),)


def silenced(story: Story, span: timedelta = HOUR, who: str = "ana") -> Done | Refuse:
    return story.says(AddSilence(ORDERS, story.now + span, "index rebuild", by=who))


def test_a_problem_that_outlives_a_silence_is_announced_when_it_ends():
    story = Story(two_levels())
    silenced(story)
    story.fails("db")
    assert story.paged() == []
    assert story.state.alerts["db/db-1"].quiet is QuietReason.SILENCED
    story.passes(hours=1)
    assert story.paged() == ["ana"]


def test_a_problem_that_ends_inside_a_silence_pages_nobody():
    story = Story(two_levels())
    silenced(story)
    story.fails("db")
    story.recovers("db")
    story.passes(hours=2)
    assert story.paged() == []
    assert story.state.incidents == {}
    assert "announced_ended" in story.kinds()


def test_a_silence_over_an_open_incident_holds_its_ladder():
    story = Story(two_levels())
    story.fails("db")
    silenced(story)
    story.paged()
    assert not story.pending
    story.passes(minutes=59)
    assert story.paged() == []
    story.passes(minutes=1)
    assert (story.paged(), story.last_page().reason) == (["ana"], PageReason.QUIET_ENDED)


def test_an_incident_that_recovers_inside_a_silence_closes_its_card():
    story = Story(two_levels())
    story.fails("db")
    silenced(story)
    story.recovers("db")
    assert story.incident().status is Status.RESOLVED
    assert [update.event for update in story.updates] == ["resolved"]


def test_ending_a_silence_early_tells_at_once():
    story = Story(two_levels())
    silenced(story)
    story.fails("db")
    story.says(ExpireSilence(1, by="ana"))
    assert story.paged() == ["ana"]


def test_two_silences_hold_until_the_later_one_ends():
    story = Story(two_levels())
    silenced(story, HOUR)
    silenced(story, 2 * HOUR)
    story.fails("db")
    story.passes(minutes=90)
    assert story.paged() == []
    story.passes(minutes=30)
    assert story.paged() == ["ana"]


def test_a_silence_that_matches_nothing_of_it_holds_nothing():
    story = Story(two_levels())
    story.says(AddSilence((("service", "=~", "pay.*"),), story.now + HOUR, "x", by="ana"))
    story.fails("db")
    assert story.paged() == ["ana"]


def test_a_bad_pattern_is_refused_with_words():
    story = Story(two_levels())
    answer = story.says(AddSilence((("service", "=~", "("),), story.now + HOUR, "x", by="ana"))
    assert isinstance(answer, Refuse) and answer.key == "bad_matcher"
    assert story.state.silences == {}


def test_a_responder_may_silence_for_a_day_and_a_lead_for_longer():
    story = Story(two_levels(people=(person("ana"), person("lea", role=Role.LEAD))))
    assert silenced(story, timedelta(hours=25)).key == "not_allowed"
    assert silenced(story, timedelta(hours=25), who="lea").key == "silence_added"


def test_a_pause_holds_everything_and_its_end_tells_everything():
    story = Story(two_levels(people=(person("ana"), person("bo"), person("lead", role=Role.ADMIN))))
    story.fails("db")
    story.says(Pause(story.now + HOUR, "moving house", by="lead"))
    story.paged()
    story.fails("db", "db-2")
    story.passes(minutes=59)
    assert story.paged() == []
    story.passes(minutes=1)
    assert story.paged() == ["ana", "ana"], "the held ladder, and the failure that came meanwhile"
    assert all(alert.announced is alert.health for alert in story.state.alerts.values())


def test_lifting_a_pause_early_tells_at_once():
    story = Story(two_levels())
    story.says(Pause(story.now + HOUR, by="lead"))
    story.fails("db")
    assert story.paged() == []
    story.says(Unpause(by="lead"))
    assert story.paged() == ["ana"]


def test_a_fault_that_a_person_reports_during_a_pause_is_paged_at_its_end():
    story = Story(two_levels())
    story.says(Pause(story.now + HOUR, by="lead"))
    assert story.says(Open("the label printer prints nothing", "orders", by="bo")).key == "opened"
    assert story.paged() == []
    story.passes(hours=1)
    assert story.paged() == ["ana"]


def test_maintenance_by_cron_delays_and_then_tells():
    window = Maintenance(
        "batch", {"target": "db-1"}, "rebuild", "ana", "Europe/Berlin", cron="0 3 * * mon", lasts=2 * HOUR
    )
    story = Story(two_levels(maintenance=(window,)), MONDAY_3AM_BERLIN + timedelta(minutes=10))
    story.fails("db", "db-1")
    assert story.paged() == []
    assert story.state.alerts["db/db-1"].quiet is QuietReason.MAINTENANCE
    story.passes(hours=1, minutes=49)
    assert story.paged() == []
    story.passes(minutes=1)
    assert story.paged() == ["ana"]


def test_maintenance_over_a_fixed_span():
    window = Maintenance(
        "move", {"service": "orders"}, "moving", "ana", start=MONDAY_3AM_BERLIN, end=MONDAY_3AM_BERLIN + HOUR
    )
    story = Story(two_levels(maintenance=(window,)))
    story.fails("db")
    story.passes(hours=1)
    assert story.paged() == ["ana"]


def test_a_restart_in_the_middle_of_a_silence_forgets_nothing():
    story = Story(two_levels())
    silenced(story)
    story.fails("db")
    story.starts()
    story.passes(hours=1)
    assert story.paged() == ["ana"]


def test_a_reload_that_drops_a_maintenance_window_tells_at_once():
    window = Maintenance("move", {}, "moving", "ana", start=MONDAY_3AM_BERLIN, end=MONDAY_3AM_BERLIN + HOUR)
    story = Story(two_levels(maintenance=(window,)))
    story.fails("db")
    story.reloads(two_levels())
    assert story.paged() == ["ana"]


def test_resolving_a_silenced_incident_by_hand_does_not_page_when_it_reopens_inside_the_silence():
    story = Story(two_levels())
    story.fails("db")
    silenced(story)
    story.says(Resolve(1, by="ana"))
    story.paged()
    story.passes(minutes=30)
    assert story.paged() == []
    story.passes(minutes=31)
    assert story.paged() == ["ana"]


def test_the_same_words_are_kept_as_the_reason():
    story = Story(replace(two_levels(), name="acme"))
    silenced(story)
    story.fails("db")
    assert story.facts("held")["why"] == "silence 1 by ana: index rebuild"
