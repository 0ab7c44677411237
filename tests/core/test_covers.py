"""Shifts that others take: who is asked, who has it, what becomes of the roster, and who hears of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opswatch.core.changes import ARRANGED_KEPT
from opswatch.core.effects import Done, Refuse
from opswatch.core.events import (
    AbsencesImported,
    AcceptCover,
    AddAbsence,
    AddOverride,
    AskCover,
    AskSwap,
    Away,
    OfferCover,
    RemoveAbsence,
    RemoveOverride,
    WithdrawCover,
)
from opswatch.core.model import CoverStatus, Role
from opswatch.core.plan import Plan, Pool
from opswatch.render.answers import answer
from tests.story import Story, person, roster, two_levels

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MONDAY = datetime(2026, 11, 16, 8, tzinfo=UTC)  # nine o'clock in Berlin: ana's week begins
BO = MONDAY + 7 * DAY  # bo's
CY = MONDAY + 14 * DAY


def team() -> Plan:
    people = [person(name, team="dba") for name in ("ana", "bo", "cy", "dee")]
    people += [person("vi", role=Role.VIEWER, team="dba"), person("lea", role=Role.LEAD), person("pat")]
    pools = {"emergency": Pool("emergency", ("pat",))}
    rosters = {"primary": roster("ana", "bo", "cy")}
    return replace(two_levels(), people={one.id: one for one in people}, rosters=rosters, pools=pools)


@pytest.fixture
def story() -> Story:
    return Story(team(), starts=MONDAY - 2 * DAY)


def on_call(story: Story, at: datetime) -> list[str]:
    return list(story.engine.rosters.on_call("primary", story.state.overrides.values(), at).people)


def told(story: Story) -> list[tuple[str, str]]:
    """Who heard what, since it was last asked; reminders of shifts are another story."""
    new = [(one.person, one.event) for one in story.notices if one.event != "shift_soon"]
    story.notices.clear()
    return new


def test_a_cover_is_asked_of_the_roster_and_the_team_and_whoever_accepts_is_on_call(story):
    answer = story.says(AskCover("primary", BO, BO + DAY, by="bo"))
    assert (answer.key, answer.facts["people"]) == ("cover_asked", ["ana", "cy", "dee"])
    assert told(story) == [(who, "cover_asked") for who in ("ana", "cy", "dee")]
    assert on_call(story, BO) == ["bo"]  # Asking takes nobody off.

    accepted = story.says(AcceptCover(1, by="cy"))
    assert accepted.facts["changes"] == [["primary", BO.isoformat(), (BO + DAY).isoformat(), ["bo"], ["cy"]]]
    assert [on_call(story, at) for at in (BO - HOUR, BO, BO + DAY)] == [["ana"], ["cy"], ["bo"]]
    assert told(story) == [("bo", "shifts_changed"), ("ana", "cover_taken"), ("dee", "cover_taken")]


def test_the_first_who_accepts_has_it_and_the_second_is_told_politely(story):
    story.says(AskCover("primary", BO, BO + DAY, by="bo"))
    story.says(AcceptCover(1, by="cy"))
    assert story.says(AcceptCover(1, by="ana")) == Refuse("cover_taken_already", {"id": 1, "people": ["cy"]})
    assert story.says(AcceptCover(1, by="cy")) == Done("cover_yours_already", {"id": 1, "people": ["cy"]})
    assert len(story.state.overrides) == 1


def test_a_swap_becomes_two_overrides_in_one_step(story):
    answer = story.says(AskSwap("primary", BO, BO + 7 * DAY, by="bo"))
    assert answer.facts["people"] == ["ana", "cy"]  # Dee has no shift to give.
    asked = {who: start for who, start, _ in story.state.covers[1].asked}
    assert asked == {"ana": MONDAY, "cy": CY}
    story.says(AcceptCover(1, by="cy"))
    assert [on_call(story, at) for at in (BO, CY)] == [["cy"], ["bo"]]
    assert len(story.state.overrides) == 2


def test_a_swap_may_name_the_shift_it_wants(story):
    back = {"return_start": CY, "return_end": CY + DAY}
    assert story.says(AskSwap("primary", BO, BO + DAY, **back, by="bo")).facts["people"] == ["cy"]
    assert story.says(AcceptCover(1, by="ana")).key == "cover_no_return"
    story.says(AcceptCover(1, by="cy"))
    assert [on_call(story, at) for at in (BO, CY, CY + DAY)] == [["cy"], ["bo"], ["cy"]]


def test_hours_may_be_taken_in_parts_and_given_back_hour_for_hour(story):
    story.says(AskSwap("primary", BO, BO + 2 * DAY, by="bo"))
    story.says(AcceptCover(1, BO, BO + DAY, by="cy"))
    assert [on_call(story, at) for at in (BO, BO + DAY, CY, CY + DAY)] == [["cy"], ["bo"], ["bo"], ["cy"]]
    assert story.state.covers[1].left == ((BO + DAY, BO + 2 * DAY),)
    assert story.says(AcceptCover(1, BO, BO + DAY, by="ana")).key == "cover_not_left"
    story.says(AcceptCover(1, by="ana"))
    assert story.state.covers[1].status is CoverStatus.TAKEN
    assert on_call(story, BO + DAY) == ["ana"]


def test_an_offer_waits_for_the_one_who_asked(story):
    story.says(AskCover("primary", BO, BO + DAY, by="bo"))
    told(story)
    story.says(OfferCover(1, BO, BO + 12 * HOUR, by="cy"))
    story.says(OfferCover(1, return_start=MONDAY, return_end=MONDAY + DAY, by="ana"))
    assert told(story) == [("bo", "cover_offered"), ("bo", "cover_offered")]
    assert on_call(story, BO) == ["bo"]
    assert story.says(AcceptCover(1, by="bo")).key == "cover_which_offer"
    assert story.says(AcceptCover(1, of="ana", by="dee")).key == "not_allowed"
    story.says(AcceptCover(1, of="ana", by="bo"))
    assert [on_call(story, at) for at in (BO, MONDAY, MONDAY + DAY)] == [["ana"], ["bo"], ["ana"]]
    assert ("cy", "cover_taken") in told(story)


@pytest.mark.parametrize(
    ("who", "key"),
    [("bo", "cover_own"), ("vi", "viewer_refused"), ("cy", "cover_absent"), ("ana", "cover_on_call")],
)
def test_who_may_not_take_it_hears_why(story, who, key):
    story.says(AddAbsence(BO + HOUR, BO + 2 * HOUR, by="cy"))
    story.says(AddOverride("primary", BO, BO + HOUR, add="ana", by="lea"))
    assert story.says(AskCover("primary", BO, BO + DAY, by="bo")).facts["people"] == ["dee"]
    assert story.says(AcceptCover(1, by=who)).key == key


def test_one_person_alone_may_be_asked(story):
    story.says(AskCover("primary", BO, BO + DAY, only="cy", by="bo"))
    assert told(story) == [("cy", "cover_asked")]
    assert story.says(AcceptCover(1, by="ana")).key == "cover_asked_of_another"


def test_own_shifts_need_a_responder_and_others_a_lead(story):
    assert story.says(AskCover("primary", BO, BO + DAY, person="bo", by="ana")).key == "not_allowed"
    assert story.says(AskCover("primary", BO, BO + DAY, person="bo", by="lea")).key == "cover_asked"
    assert story.says(WithdrawCover(1, by="ana")).key == "not_allowed"
    assert story.says(WithdrawCover(1, by="bo")).key == "cover_withdrawn"
    assert story.says(AcceptCover(1, by="cy")).key == "cover_is_withdrawn"


def test_an_override_that_changes_nothing_says_who_is_on_call_then_and_which_override_has_it(story):
    story.says(AddOverride("primary", BO, BO + DAY, remove="bo", add="cy", by="lea"))
    twice = story.says(AddOverride("primary", BO, BO + DAY, remove="cy", add="dee", by="lea"))
    assert answer("en", twice, plan=story.engine.plan) == (
        "Override 2 of primary is in place. It changes nothing as things stand; "
        "on call then: Cy, by override 1: end that first to change it."
    )
    idle = story.says(AddOverride("primary", CY, CY + DAY, remove="ana", add="dee", by="lea"))
    assert answer("en", idle, plan=story.engine.plan) == (
        "Override 3 of primary is in place. It changes nothing as things stand; on call then: Cy."
    )


def test_a_span_that_cannot_be_says_why_in_the_zone_of_who_asks(story):
    command = AddAbsence(BO + HOUR, BO, by="bo")
    wrong = story.says(command)
    assert answer("en", wrong, zone="Asia/Shanghai") == (
        "It must end after it begins: Mon 23 Nov 17:00 (Asia/Shanghai) to Mon 23 Nov 16:00 (Asia/Shanghai)."
    )
    assert answer("zh", wrong, zone="Asia/Shanghai").startswith("结束要晚于开始：11月23日 周一 17:00")
    assert story.says(AddOverride("primary", BO, BO, add="bo", by="lea")).key == "span_backwards"
    assert story.says(AddOverride("primary", BO, BO + 400 * DAY, add="bo", by="lea")).key == "span_too_long"
    assert story.says(AddOverride("primary", BO, BO + DAY, add="cy", by="lea")).key == "override_added"
    missed = story.says(RemoveOverride(1, BO + 2 * DAY, BO + 3 * DAY, by="lea"))
    assert answer("en", missed, zone="UTC") == (
        "Nothing of override 1 lies in that span: "
        "it is in primary from Mon 23 Nov 08:00 (UTC) to Tue 24 Nov 08:00 (UTC)."
    )


def test_who_is_not_on_call_then_has_nothing_to_give_away(story):
    assert story.says(AskCover("primary", BO, BO + DAY, by="ana")).key == "cover_not_on_call"
    assert story.says(AskCover("primary", MONDAY - 9 * DAY, MONDAY - 8 * DAY, by="ana")).key == "span_over"
    story.says(AskCover("primary", BO, BO + DAY, by="bo"))
    assert story.says(AskCover("primary", BO + HOUR, BO + 2 * HOUR, by="bo")).key == "cover_asked_already"


def test_without_times_it_is_the_next_shift(story):
    story.says(AskCover("primary", by="bo"))
    assert (story.state.covers[1].start, story.state.covers[1].end) == (BO, BO + 7 * DAY)


def test_a_day_before_the_leads_are_told_and_when_the_hours_come_the_asker(story):
    story.says(AskCover("primary", BO, BO + DAY, by="bo"))
    told(story)
    story.passes(days=8)
    assert told(story) == [("lea", "cover_open")]
    story.passes(days=1)
    assert told(story) == [("bo", "cover_expired")]
    assert story.says(AcceptCover(1, by="cy")).key == "cover_is_expired"
    assert on_call(story, story.now) == ["bo"]
    story.passes(days=40)
    assert story.state.covers == {}


def test_hours_that_came_by_an_override_are_handed_on_and_go_back(story):
    story.says(AddOverride("primary", BO, BO + DAY, remove="bo", add="ana", by="lea"))
    story.says(AskCover("primary", BO, BO + 6 * HOUR, by="ana"))
    story.says(AcceptCover(1, by="cy"))
    assert [on_call(story, at) for at in (BO, BO + 6 * HOUR)] == [["cy"], ["ana"]]
    story.says(AskCover("primary", BO + 6 * HOUR, BO + 12 * HOUR, by="ana"))
    story.says(AcceptCover(2, by="bo"))
    assert [on_call(story, at) for at in (BO, BO + 6 * HOUR, BO + 12 * HOUR)] == [["cy"], ["bo"], ["ana"]]


def test_a_plan_without_the_person_ends_the_request(story):
    story.says(AskCover("primary", BO, BO + DAY, by="bo"))
    people = {name: one for name, one in team().people.items() if name != "bo"}
    story.reloads(replace(team(), people=people))
    assert story.state.covers[1].status is CoverStatus.WITHDRAWN


# ---------------------------------------------------------------------------------------------------------------------
# Changes, in words before and after


def test_an_override_shows_what_it_changes_and_tells_those_it_touches(story):
    answer = story.says(AddOverride("primary", BO, BO + DAY, remove="bo", add="cy", by="lea"))
    assert answer.facts["changes"] == [["primary", BO.isoformat(), (BO + DAY).isoformat(), ["bo"], ["cy"]]]
    assert told(story) == [("bo", "shifts_changed"), ("cy", "shifts_changed")]
    gone = story.says(RemoveOverride(1, BO, BO + HOUR, by="lea"))
    assert gone.facts["changes"] == [["primary", BO.isoformat(), (BO + HOUR).isoformat(), ["cy"], ["bo"]]]


def test_who_did_it_is_not_told_what_they_know(story):
    story.says(AddOverride("primary", BO, BO + DAY, remove="bo", add="cy", by="bo"))
    assert told(story) == [("cy", "shifts_changed")]


def test_an_override_of_the_past_is_a_correction(story):
    story.passes(days=12)
    story.says(AddOverride("primary", BO, BO + DAY, remove="bo", add="cy", by="lea"))
    assert told(story) == [("bo", "shifts_corrected"), ("cy", "shifts_corrected")]


def test_an_override_that_changes_nothing_says_so_and_tells_nobody(story):
    assert story.says(AddOverride("primary", BO, BO + DAY, remove="ana", by="lea")).key == "override_added_no_change"
    assert told(story) == []


def test_putting_somebody_on_call_who_is_away_says_so(story):
    story.says(AddAbsence(BO, BO + DAY, by="cy"))
    answer = story.says(AddOverride("primary", BO, BO + DAY, remove="bo", add="cy", by="lea"))
    assert answer.facts["conflicts"] == [["primary", BO.isoformat(), (BO + DAY).isoformat(), "cy", []]]


# ---------------------------------------------------------------------------------------------------------------------
# Absences


def test_an_absence_takes_nobody_off_lists_the_shifts_and_asks_for_covers(story):
    answer = story.says(AddAbsence(BO + DAY, CY + 3 * DAY, reason="honeymoon", by="bo"))
    shift = ["primary", (BO + DAY).isoformat(), CY.isoformat(), "bo", []]
    assert (answer.facts["conflicts"], answer.facts["covers"]) == ([shift], [1])
    assert on_call(story, BO + DAY) == ["bo"]
    assert told(story) == [(who, "cover_asked") for who in ("ana", "cy", "dee")]
    story.says(AcceptCover(1, by="dee"))
    assert on_call(story, BO + DAY) == ["dee"]


def test_where_nobody_may_take_it_the_leads_hear_and_the_pool_is_named(story):
    for who in ("ana", "cy", "dee"):
        story.says(AddAbsence(BO, CY, cover=False, by=who))
    told(story)
    answer = story.says(AddAbsence(BO, CY, by="bo"))
    assert (answer.facts["nobody"], answer.facts["pools"]) == ([1], ["pat"])
    assert told(story) == [("lea", "cover_open")]


def test_the_absence_of_another_needs_a_lead_and_saying_it_twice_is_once(story):
    assert story.says(AddAbsence(BO, CY, "bo", by="ana")).key == "not_allowed"
    assert story.says(AddAbsence(BO, CY, "bo", by="lea")).key == "absence_added"
    assert story.says(AddAbsence(BO, CY, by="bo")).key == "absence_known"
    assert story.says(RemoveAbsence(1, by="ana")).key == "not_allowed"


def test_taking_an_absence_back_withdraws_the_requests_and_names_what_stays(story):
    story.says(AddAbsence(BO, CY, by="bo"))
    story.says(AcceptCover(1, BO, BO + DAY, by="cy"))
    answer = story.says(RemoveAbsence(1, by="bo"))
    assert (answer.facts["covers"], answer.facts["overrides"]) == ([1], [1])
    assert (story.state.absences, story.state.covers[1].status) == ({}, CoverStatus.WITHDRAWN)


def test_a_calendar_imported_again_changes_only_what_it_changed(story):
    def reads(*some: Away) -> dict[str, object]:
        event = AbsencesImported("bo.ics", ("bo",), story.now, story.now + 90 * DAY, some, "bo")
        return dict(next(one for one in story.apply(event) if isinstance(one, Done)).facts)

    def counts(facts: dict[str, object]) -> list[object]:
        return [facts[name] for name in ("added", "moved", "removed", "same")]

    wedding, course = Away("bo", BO, BO + DAY, "w"), Away("bo", BO + 9 * DAY, BO + 10 * DAY, "c")
    assert counts(reads(wedding, course)) == ["2", "0", "0", "0"]
    assert counts(reads(wedding, course)) == ["0", "0", "0", "2"]
    later = replace(wedding, start=BO + DAY, end=BO + 2 * DAY)
    assert counts(reads(later)) == ["0", "1", "1", "0"]
    assert [(one.uid, one.start) for one in story.state.absences.values()] == [("w", BO + DAY)]
    [asked] = [one for one in story.state.covers.values() if one.is_open]
    assert asked.start == BO + DAY
    strangers = AbsencesImported("x.ics", ("cy",), story.now, story.now + DAY, (), "bo")
    assert [one.key for one in story.apply(strangers) if isinstance(one, Refuse)] == ["not_allowed"]


def test_what_is_long_past_leaves_the_state_and_not_the_timeline(story):
    story.says(AddAbsence(BO, CY, cover=False, by="bo"))
    story.says(AddOverride("primary", BO, BO + DAY, add="cy", by="lea"))
    story.passes(seconds=(CY + ARRANGED_KEPT - story.now).total_seconds() + 1)
    assert (story.state.absences, story.state.overrides) == ({}, {})
    assert {"absence_added", "override_added", "long_past_forgotten"} <= set(story.kinds())
