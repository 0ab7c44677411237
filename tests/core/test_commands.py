"""What people say, and what they are answered: idempotent, refused with a reason, recorded as said."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opswatch.core.effects import Done, Page, Refuse
from opswatch.core.events import (
    Acknowledge,
    AddOverride,
    Command,
    DutyNote,
    Escalate,
    Note,
    Open,
    PageTest,
    Reassign,
    RemoveOverride,
    Reopen,
    Resolve,
    SetPriority,
    Snooze,
    Unack,
)
from opswatch.core.incidents import TRANSITIONS
from opswatch.core.model import PageReason, Priority, Role, Status
from tests.story import MONDAY_NOON_BERLIN, Story, person, roster, two_levels

HOUR = timedelta(hours=1)


def failing() -> Story:
    story = Story(two_levels())
    story.fails("db")
    return story


def test_the_first_acknowledgement_wins_and_the_second_person_is_told_who_has_it():
    story = failing()
    assert story.acks("ana").key == "acknowledged"
    again, other = story.acks("ana"), story.acks("bo")
    assert isinstance(again, Done) and again.key == "already_acknowledged"
    assert isinstance(other, Refuse) and other.facts["by"] == "ana"


def test_saying_what_is_so_already_is_answered_and_changes_nothing():
    story = failing()
    story.says(Resolve(1, by="ana"))
    before = story.incident()
    for command in (Resolve(1, by="bo"), Resolve(1, by="ana")):
        assert isinstance(story.says(command), Done)
    assert story.incident() == before


def test_what_the_table_lacks_is_refused_with_what_is_possible():
    story = failing()
    story.says(Resolve(1, by="ana"))
    answer = story.says(Snooze(1, HOUR, by="ana"))
    assert isinstance(answer, Refuse)
    assert answer.facts == {"incident": 1, "status": "resolved", "allowed": "note, reopen, update"}


COMMANDS = [
    Acknowledge(1, by="ana"),
    Unack(1, by="ana"),
    Resolve(1, by="ana"),
    Reopen(1, by="ana"),
    Snooze(1, HOUR, by="ana"),
    Escalate(1, by="ana"),
    Reassign(1, "person:bo", by="ana"),
    Note(1, "seen", by="ana"),
    SetPriority(1, Priority.P2, by="ana"),
]


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_every_command_in_every_status_ends_where_the_table_says(status, command):
    story = failing()
    if status is Status.ACKNOWLEDGED:
        story.acks("ana")
    if status is Status.RESOLVED:
        story.says(Resolve(1, by="ana"))
    story.says(command)
    expected = TRANSITIONS[status].get(type(command), status)
    assert story.incident().status is expected


def test_an_unknown_incident_is_refused_by_its_number():
    assert failing().says(Acknowledge(99, by="ana")) == Refuse("unknown_incident", {"incident": 99})


def test_a_person_reports_a_fault_and_it_is_paged_like_any_other():
    story = Story(two_levels())
    answer = story.says(Open("labels come out blank", "orders", by="bo"))
    assert (answer.key, answer.facts["incident"]) == ("opened", 1)
    assert story.paged() == ["ana"]
    assert story.incident().priority is Priority.P1
    story.says(Resolve(1, by="ana"))
    story.passes(hours=1)
    assert story.incident().status is Status.RESOLVED, "nothing fails, so nothing reopens it"


def test_a_fault_for_an_unknown_service_is_refused_with_the_known_ones():
    answer = Story(two_levels()).says(Open("x", "ordres", by="bo"))
    assert (answer.key, answer.facts["known"]) == ("unknown_service", "orders")


def test_reopening_starts_the_ladder_anew():
    story = failing()
    story.says(Resolve(1, by="ana"))
    story.paged()
    story.says(Reopen(1, by="bo"))
    assert story.paged() == ["ana"]
    assert story.incident().climb == 2


def test_reassigning_to_a_stranger_is_refused():
    assert failing().says(Reassign(1, "person:zoe", by="ana")).key == "unknown_person"
    assert failing().says(Reassign(1, "team:dev", by="ana")).key == "unknown_team"


@pytest.mark.parametrize("span", [timedelta(0), -HOUR, timedelta(days=1000)])
def test_a_snooze_needs_a_span_that_makes_sense(span):
    assert failing().says(Snooze(1, span, by="ana")).key == "bad_span"


def test_notes_are_kept_as_said_and_bounded():
    story = failing()
    story.says(Note(1, "x" * 10_000, by="ana"))
    assert len(str(story.facts("noted")["text"])) == 4000
    assert story.says(Note(1, "  ", by="ana")).key == "empty_note"
    assert story.says(DutyNote("the fan is loud", by="ana")).key == "duty_noted"


def test_a_test_page_is_marked_and_goes_to_the_contact_asked_for():
    story = Story(two_levels(people=(person("ana", "slack", "email"),)))
    story.says(PageTest("ana", "email", by="ana"))
    page = story.last_page()
    assert (page.test, page.contact, page.reason) == (True, "email", PageReason.FIRST)
    assert story.says(PageTest("ana", "phone", by="ana")).key == "no_contact"
    assert isinstance(page, Page)


# ---------------------------------------------------------------------------------------------------------------------
# Overrides


def rostered() -> Story:
    people = (person("ana"), person("bo"), person("cy"), person("lea", role=Role.LEAD))
    return Story(two_levels(people=people, rosters={"primary": roster("ana", "bo")}), MONDAY_NOON_BERLIN)


def on_call(story: Story) -> tuple[str, ...]:
    return story.engine.rosters.on_call("primary", story.state.overrides.values(), story.now).people


def test_an_override_replaces_a_person_for_its_span():
    story = rostered()
    answer = story.says(AddOverride("primary", story.now, story.now + HOUR, remove="ana", add="cy", by="lea"))
    assert answer.key == "override_added"
    assert on_call(story) == ("cy",)
    story.passes(hours=1)
    assert on_call(story) == ("ana",)


def test_the_second_override_of_one_person_is_refused_naming_the_first():
    story = rostered()
    story.says(AddOverride("primary", story.now, story.now + HOUR, remove="ana", add="cy", by="lea"))
    answer = story.says(AddOverride("primary", story.now, story.now + HOUR, remove="ana", add="bo", by="lea"))
    assert (answer.key, answer.facts["id"]) == ("override_conflict", 1)


def test_an_override_that_changes_nothing_is_accepted_and_says_so():
    story = rostered()
    answer = story.says(AddOverride("primary", story.now, story.now + HOUR, remove="cy", add="bo", by="lea"))
    assert answer.key == "override_added_no_change"


def test_part_of_an_override_can_be_ended():
    story = rostered()
    story.says(AddOverride("primary", story.now, story.now + 4 * HOUR, remove="ana", add="cy", by="lea"))
    story.says(RemoveOverride(1, story.now + HOUR, story.now + 2 * HOUR, by="lea"))
    seen = []
    for _ in range(4):
        seen.append(on_call(story))
        story.passes(hours=1)
    assert seen == [("cy",), ("ana",), ("cy",), ("cy",)]


def test_responders_change_their_own_shifts_and_leads_those_of_others():
    story = rostered()
    others = AddOverride("primary", story.now, story.now + HOUR, remove="ana", add="bo", by="cy")
    own = AddOverride("primary", story.now, story.now + HOUR, remove="ana", add="cy", by="cy")
    assert story.says(others).key == "not_allowed"
    assert story.says(own).key == "override_added"


def test_an_override_of_a_stranger_or_an_unknown_roster_is_refused():
    story = rostered()
    assert story.says(AddOverride("secondary", story.now, story.now + HOUR, add="bo", by="lea")).key == "unknown_roster"
    assert story.says(AddOverride("primary", story.now, story.now + HOUR, add="zoe", by="lea")).key == "unknown_person"
    assert story.says(RemoveOverride(7, by="lea")).key == "unknown_override"


def test_every_command_class_is_understood():
    from opswatch.core import arrangements, commands

    known = set(commands._INCIDENT) | set(arrangements._ARRANGE)
    kinds = [kind for own in Command.__subclasses__() for kind in (own, *own.__subclasses__())]
    assert {kind.__name__ for kind in kinds} == {kind.__name__ for kind in known}
