"""What an incident owes on paper: by whom, until when, who is reminded, and what its table of actions becomes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from opswatch.core import papers
from opswatch.core.calendars import parse_window
from opswatch.core.effects import Done, Refuse
from opswatch.core.engine import Engine
from opswatch.core.events import (
    Acknowledge,
    Action,
    ActionsFound,
    MovePaper,
    Open,
    Reopen,
    Resolve,
    ShiftEnded,
    StartPaper,
)
from opswatch.core.model import PaperKind, Priority, RiskStatus, Role, Stage
from opswatch.core.plan import PriorityRule
from tests.story import MONDAY_3AM_BERLIN, Story, person, roster, two_levels

HOUR = timedelta(hours=1)


def a_fault(priority: Priority = Priority.P1, story: Story | None = None) -> Story:
    story = story or Story(two_levels())
    story.says(Open("checkout fails", "orders", priority, by="ana"))
    return story


def ended(priority: Priority = Priority.P1, story: Story | None = None, by: str = "ana") -> Story:
    """Taken and resolved, half an hour later."""
    story = a_fault(priority, story)
    story.says(Acknowledge(1, by=by))
    story.passes(minutes=30)
    story.says(Resolve(1, by=by))
    return story


def told(story: Story) -> list[tuple[str, str]]:
    """(event, person) of the notices since the last time."""
    new = [(notice.event, notice.person) for notice in story.notices]
    story.notices.clear()
    return new


@pytest.mark.parametrize("priority", [Priority.P0, Priority.P1])
def test_an_urgent_incident_owes_a_post_mortem_from_the_instant_it_ends(priority):
    story = ended(priority)
    paper = story.state.papers[1]
    assert (paper.kind, paper.stage, paper.owner) == (PaperKind.POSTMORTEM, Stage.DRAFT, "ana")
    assert paper.due_at == story.now + 24 * HOUR
    assert story.kinds(1)[-1] == "paper_owed"


def test_one_that_is_not_urgent_owes_nothing():
    assert ended(Priority.P2).state.papers == {}


def test_which_priorities_owe_one_and_how_soon_is_configured():
    rules = {Priority.P1: PriorityRule(postmortem_within=timedelta(0)), Priority.P2: PriorityRule("day", None, HOUR)}
    rules[Priority.P2] = replace(rules[Priority.P2], postmortem_within=72 * HOUR)
    assert ended(Priority.P1, Story(two_levels(priorities=rules))).state.papers == {}
    story = ended(Priority.P2, Story(two_levels(priorities=rules)))
    assert story.state.papers[1].due_at == story.now + 72 * HOUR


def test_its_owner_is_who_had_it_else_who_ended_it_else_who_was_paged_first():
    story = a_fault()
    story.says(Resolve(1, by="bo"))
    assert story.state.papers[1].owner == "bo"
    recovered = Story(two_levels(priorities={Priority.P2: PriorityRule(postmortem_within=HOUR)}))
    recovered.fails()
    recovered.recovers()
    assert recovered.state.papers[1].owner == "ana"


def with_days() -> Story:
    """Ana's day is from eight to ten in the evening in Berlin; it is three in the morning."""
    day = parse_window(None, "08:00", "22:00")
    people = (
        replace(person("ana"), day=day, timezone="Europe/Berlin"),
        person("bo"),
        person("lead", role=Role.LEAD),
    )
    return Story(two_levels(people=people))


def test_what_is_handled_outside_somebodys_day_owes_a_short_review():
    story = ended(Priority.P2, with_days())
    paper = story.state.papers[1]
    assert (paper.kind, paper.owner, paper.due_at) == (PaperKind.REVIEW, "ana", story.now + 24 * HOUR)
    assert story.facts("paper_owed")["why"] == "outside_day"


def test_within_their_day_or_by_somebody_without_one_it_owes_none():
    assert ended(Priority.P2, with_days(), by="bo").state.papers == {}
    story = with_days()
    story.passes(hours=7)
    assert ended(Priority.P2, story).state.papers == {}


def test_what_interrupts_nobody_was_done_by_choice():
    assert ended(Priority.P3, with_days()).state.papers == {}


def test_the_owner_is_reminded_in_their_day_and_the_reminders_end():
    story = ended(Priority.P1, with_days())
    assert told(story) == []
    story.passes(hours=4)
    assert story.now < datetime(2026, 11, 16, 7, tzinfo=UTC)
    assert told(story) == [], "it is half past seven in Berlin"
    story.passes(hours=1)
    assert told(story) == [("paper_owed", "ana")]
    story.passes(hours=20)
    assert told(story) == [], "nearly due, and overdue, fall into the night"
    story.passes(hours=5)
    assert told(story) == [("paper_overdue", "ana")]
    story.passes(days=30)
    assert told(story) == [("paper_overdue", "ana")] * papers.OVERDUE_DAYS_MAX
    assert story.engine.next_deadline(story.state) is None
    assert papers.is_overdue(story.state.papers[1], story.now)


def test_who_has_no_day_is_told_at_once_before_it_is_due_and_when_it_is_late():
    story = ended()
    story.passes(hours=25)
    assert told(story) == [("paper_owed", "ana"), ("paper_due", "ana"), ("paper_overdue", "ana")]


def test_a_restart_forgets_no_reminder():
    story = ended()
    story.passes(minutes=1)
    told(story)
    story.starts()
    story.passes(hours=24)
    assert told(story) == [("paper_due", "ana"), ("paper_overdue", "ana")]


def test_a_post_mortem_goes_from_draft_to_review_to_published():
    story = ended()
    told_at_once = told(story)
    assert story.says(MovePaper(1, Stage.IN_REVIEW, by="ana")) == Done("paper_in_review", {"incident": 1})
    story.passes(minutes=1)
    assert told(story) == [*told_at_once, ("paper_review", "lead")]
    assert story.says(MovePaper(1, Stage.PUBLISHED, by="ana")).key == "not_allowed"
    assert story.says(MovePaper(1, Stage.DRAFT, by="ana")).key == "paper_draft"
    assert story.says(MovePaper(1, Stage.PUBLISHED, by="lead")).key == "paper_published"
    assert story.says(MovePaper(1, Stage.PUBLISHED, by="lead")) == Done("paper_is_published", {"incident": 1})
    assert story.says(MovePaper(1, Stage.DRAFT, by="ana")).key == "not_allowed", "only leads take it back"
    story.passes(days=3)
    assert story.state.papers == {}
    assert told(story) == []


def test_nothing_can_be_moved_that_is_not_owed():
    assert a_fault().says(MovePaper(1, Stage.PUBLISHED, by="lead")) == Refuse("unknown_paper", {"incident": 1})


def test_one_may_be_started_for_any_incident_and_given_to_somebody():
    story = ended(Priority.P2)
    assert story.says(StartPaper(9, by="ana")).key == "unknown_incident"
    assert story.says(StartPaper(1, "nobody", by="ana")).key == "unknown_person"
    assert story.says(StartPaper(1, "bo", by="ana")).key == "paper_started"
    assert story.state.papers[1].owner == "bo"
    assert story.says(StartPaper(1, by="ana")).key == "paper_exists"
    assert story.says(StartPaper(1, "person:lead", by="ana")).key == "paper_assigned"
    assert story.state.papers[1].owner == "lead"


def test_an_incident_that_was_reopened_owes_its_paper_anew():
    story = ended()
    story.passes(hours=2)
    story.says(MovePaper(1, Stage.PUBLISHED, by="lead"))
    story.says(Reopen(1, by="ana"))
    assert story.state.papers[1].is_published, "what is said is said, until there is more to say"
    story.passes(minutes=5)
    story.says(Resolve(1, by="bo"))
    paper = story.state.papers[1]
    assert (paper.stage, paper.owner, paper.due_at) == (Stage.DRAFT, "ana", story.now + 24 * HOUR)


def test_an_owner_who_left_is_replaced_by_the_leads_when_it_comes_to_reminders():
    story = ended()
    story.passes(minutes=1)
    told(story)
    left = {name: one for name, one in story.engine.plan.people.items() if name != "ana"}
    story.reloads(replace(story.engine.plan, people=left))
    story.passes(hours=24)
    assert {who for _, who in told(story)} == {"lead"}


def test_a_node_with_another_plan_wakes_too_early_and_only_sets_the_clock():
    story = ended()
    plan = story.engine.plan
    ana = replace(plan.people["ana"], day=parse_window(None, "08:00", "22:00"), timezone="Europe/Berlin")
    story.engine = Engine(replace(plan, people={**plan.people, "ana": ana}))
    story.passes(minutes=1)
    assert told(story) == []
    assert story.state.papers[1].wake_at == datetime(2026, 11, 16, 7, tzinfo=UTC)


# ---------------------------------------------------------------------------------------------------------------------
# Actions


def rows(*actions: Action) -> ActionsFound:
    return ActionsFound(1, actions)


def test_actions_go_to_the_ledger_once_with_owner_and_date():
    story = ended()
    action = Action("order a spare disk", "bo", date(2026, 12, 1))
    for _ in range(2):
        story.apply(rows(action))
    (risk,) = story.state.risks.values()
    assert (risk.title, risk.owner, risk.due, risk.source) == (action.title, "bo", action.due, "postmortem:1")
    assert risk.incident == 1


def test_an_action_that_is_ticked_is_closed_and_one_closed_by_hand_stays_closed():
    story = ended()
    story.apply(rows(Action("one"), Action("two")))
    story.apply(rows(Action("one", is_done=True), Action("two")))
    assert [risk.status for risk in story.state.risks.values()] == [RiskStatus.CLOSED, RiskStatus.OPEN]
    story.apply(rows(Action("one"), Action("two")))
    story.passes(days=2)
    story.apply(rows(Action("one"), Action("two")))
    assert list(story.state.risks) == [2], "its row is known, although the state has let the risk go"


def test_a_reworded_action_is_the_same_risk_and_owner_and_date_fill_in_later():
    story = ended()
    story.apply(rows(Action("order a"), Action("alert earlier")))
    story.apply(rows(Action("order a spare disk", "bo", date(2026, 12, 1)), Action("Alert  earlier")))
    found = list(story.state.risks.values())
    assert [(risk.id, risk.title) for risk in found] == [(1, "order a spare disk"), (2, "Alert  earlier")]
    assert (found[0].owner, found[0].due) == ("bo", date(2026, 12, 1))


def test_a_row_put_on_top_is_new_and_one_taken_out_leaves_its_risk():
    story = ended()
    story.apply(rows(Action("a"), Action("b")))
    story.apply(rows(Action("new"), Action("a"), Action("b")))
    assert [risk.title for risk in story.state.risks.values()] == ["a", "b", "new"]
    story.apply(rows(Action("new"), Action("b")))
    assert all(risk.status is RiskStatus.OPEN for risk in story.state.risks.values())
    story.apply(rows(Action("new"), Action("a"), Action("b")))
    assert len(story.state.risks) == 3


def test_actions_of_an_incident_that_owes_nothing_are_nobodys():
    story = ended(Priority.P2)
    story.apply(rows(Action("a")))
    assert story.state.risks == {}


# ---------------------------------------------------------------------------------------------------------------------
# Handing over


def test_the_next_person_is_told_once_that_the_shift_is_theirs():
    story = Story(two_levels(rosters={"primary": roster("ana", "bo")}))
    shift = ShiftEnded("primary", story.now, ("ana",), ("bo",), "2026-11-16-primary-0900")
    story.apply(shift)
    story.apply(shift)
    story.apply(replace(shift, at=shift.at - HOUR))
    assert told(story) == [("handover", "bo")]
    assert story.kinds().count("handed_over") == 1
    story.apply(replace(shift, at=shift.at + HOUR, people=("bo",), to=("ana",)))
    story.apply(replace(shift, roster="gone"))
    assert told(story) == [("handover", "ana")]


def test_a_reminder_never_rings_a_phone():
    people = (person("ana", "phone", "slack"), person("lead", "sms", role=Role.ADMIN))
    story = ended(Priority.P1, Story(two_levels(people=people)))
    story.passes(minutes=1)
    assert [notice.contact for notice in story.notices] == ["slack"]


def test_in_observe_mode_it_is_decided_and_nobody_is_written_to():
    story = ended(Priority.P1, Story(two_levels(mode="observe"), MONDAY_3AM_BERLIN))
    story.passes(days=2)
    assert "paper_reminded" in story.kinds(1)
    assert story.notices == []
