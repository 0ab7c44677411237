"""What a priority promises: taken, told of and over in time; and news for those who wait."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from opswatch.core import sla
from opswatch.core.effects import Refuse
from opswatch.core.events import Merge, Open, PostUpdate, Reassign, Reopen, Resolve, SetPriority
from opswatch.core.model import Priority
from opswatch.core.plan import PriorityRule, Service, Wording
from tests.story import Story, two_levels

HOUR = timedelta(hours=1)


def promising(**more: object) -> Story:
    """P1: taken in 15 minutes, an update every hour, over in 4."""
    rule = PriorityRule("always", 15 * HOUR / 60, HOUR, 4 * HOUR)
    return Story(two_levels(**{"priorities": {Priority.P1: rule}, **more}))


def broken(story: Story) -> list[object]:
    return [entry.facts["what"] for entry in story.entries if entry.kind == "sla_breached"]


def told(story: Story) -> list[tuple[str, str]]:
    return [(notice.person, notice.event) for notice in story.notices]


def test_what_nobody_took_in_time_is_on_the_timeline_once():
    story = promising()
    story.fails()
    story.passes(minutes=14)
    assert broken(story) == []
    story.passes(minutes=20)
    assert broken(story) == ["ack"]
    story.acks("bo")
    assert sla.due(story.engine.plan, story.incident()).ack is None


def test_the_owner_is_reminded_before_an_update_is_due_and_an_update_starts_the_clock_anew():
    story = promising()
    story.fails()
    story.acks("bo")
    story.passes(minutes=47)
    assert told(story) == []
    story.passes(minutes=2)
    assert told(story) == [("bo", "update_due")]
    assert story.paged() == ["ana"], "a reminder pages nobody"
    story.says(PostUpdate(1, "rebuilding the replica", by="bo"))
    story.passes(minutes=30)
    assert broken(story) == []
    story.passes(minutes=31)
    assert broken(story) == ["update"]
    assert told(story).count(("bo", "update_due")) == 2


def test_the_owner_is_reminded_before_the_end_is_due_and_told_when_it_was_not_kept():
    story = promising()
    story.fails()
    story.acks("bo")
    story.passes(hours=5)
    assert broken(story) == ["update", "resolve"]
    assert ("bo", "resolve_due") in told(story) and ("bo", "resolve_overdue") in told(story)
    story.passes(hours=20)
    assert broken(story) == ["update", "resolve"], "once each"


def test_an_update_that_stays_away_is_asked_for_once_in_every_period_and_not_for_ever():
    story = promising()
    story.fails()
    story.acks("bo")
    asked = []
    for _ in range(14):
        story.passes(hours=1)
        asked.append(told(story).count(("bo", "update_overdue")))
    assert asked == [1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8, 8, 8]
    assert broken(story).count("update") == 1


def test_an_update_starts_the_reminders_anew_and_the_next_one_may_be_missed_too():
    story = promising()
    story.fails()
    story.acks("bo")
    story.passes(hours=3)
    story.says(PostUpdate(1, "still rebuilding", by="bo"))
    before = told(story).count(("bo", "update_overdue"))
    story.passes(minutes=59)
    assert told(story).count(("bo", "update_overdue")) == before
    story.passes(minutes=2)
    assert told(story).count(("bo", "update_overdue")) == before + 1
    assert broken(story) == ["update", "update", "resolve"]


def test_reminders_that_nobody_could_send_are_not_made_up_for():
    story = promising()
    story.fails()
    story.acks("bo")
    story.now += 5 * HOUR + HOUR / 2  # opswatch was down.
    story.starts()
    assert told(story).count(("bo", "update_overdue")) <= 1
    story.passes(minutes=10)
    assert told(story).count(("bo", "update_overdue")) == 1
    story.passes(minutes=30)
    assert told(story).count(("bo", "update_overdue")) == 2


def test_nobody_is_reminded_while_nobody_has_it():
    story = promising()
    story.fails()
    story.passes(hours=5)
    assert told(story) == []


def test_clocks_stand_still_while_it_is_resolved_and_go_on_when_it_reopens():
    story = promising()
    story.fails()
    story.acks("bo")
    story.passes(minutes=30)
    story.recovers()
    story.passes(hours=3)
    assert broken(story) == []
    story.says(Reopen(1, by="bo"))
    due = sla.due(story.engine.plan, story.incident())
    assert due.resolve == story.incident().opened_at + 4 * HOUR + 3 * HOUR
    assert due.update is not None and due.update >= story.now + HOUR / 2 - timedelta(seconds=1)


def test_p3_owes_no_updates():
    story = promising()
    story.fails()
    story.says(SetPriority(1, Priority.P3, by="bo"))
    assert sla.due(story.engine.plan, story.incident()).update is None
    story.passes(days=3)
    assert "update" not in broken(story)


def test_the_clocks_survive_a_restart_and_follow_a_new_plan():
    story = promising()
    story.fails()
    story.starts()
    faster = replace(story.engine.plan, priorities={Priority.P1: PriorityRule("always", HOUR / 12, HOUR, 4 * HOUR)})
    story.reloads(faster)
    story.passes(minutes=6)
    assert broken(story) == ["ack"]


def test_an_update_goes_to_the_policys_channels_and_the_services_stakeholders():
    services = {"orders": Service("orders", tier=2, stakeholders=("channel:status", "person:cy", "team:shop"))}
    story = promising(services=services, channels=frozenset({"ops", "status"}))
    people = dict(story.engine.plan.people)
    people["cy"] = replace(people["bo"], id="cy", name="Cy")
    people["bo"] = replace(people["bo"], team="shop")
    story = Story(replace(story.engine.plan, people=people))
    story.fails()
    story.says(PostUpdate(1, "we are on it", "investigating", by="ana"))
    (sent,) = [one for one in story.announcements if one.event == "stakeholder_update"]
    assert (sent.channel, sent.facts["template"]) == ("status", "investigating")
    assert told(story) == [("cy", "stakeholder_update"), ("bo", "stakeholder_update")]
    assert story.facts("update_posted")["template"] == "investigating"


def test_an_update_needs_words_that_are_known():
    own = {"ours": Wording("ours", {"en": "{title}"}, frozenset({Priority.P0}))}
    story = promising(wordings=own)
    story.fails()
    for command, key in (
        (PostUpdate(1, " ", by="bo"), "empty_update"),
        (PostUpdate(1, "", "investigatin", by="bo"), "unknown_wording"),
        (PostUpdate(1, "", "ours", by="bo"), "wording_not_for"),
    ):
        answer = story.says(command)
        assert isinstance(answer, Refuse) and answer.key == key


def test_whoever_reported_a_fault_hears_who_has_it_when_it_is_promised_and_how_it_ended():
    story = promising()
    story.says(Open("the printer smokes", "orders", by="lead"))
    story.passes(minutes=16)
    assert told(story) == [("lead", "report_waiting")]
    story.acks("bo")
    story.says(Reassign(1, "person:bo", story.now + HOUR, by="bo"))
    story.says(PostUpdate(1, "a technician is on the way", by="bo"))
    story.says(Resolve(1, "new printer", by="bo"))
    mine = [event for person, event in told(story) if person == "lead"]
    assert mine == ["report_waiting", "report_taken", "report_promised", "stakeholder_update", "report_closed"]


def test_who_reports_and_deals_with_it_is_not_written_to():
    story = promising()
    story.says(Open("the printer smokes", "orders", by="bo"))
    story.acks("bo")
    story.says(Resolve(1, by="bo"))
    assert told(story) == []


def test_what_was_merged_keeps_no_clock():
    story = promising(group_by=("target",))
    story.fails("db", "db-1")
    story.fails("db", "db-2")
    story.says(Merge(2, 1, by="bo"))
    assert story.incident(2).clock_at is None
