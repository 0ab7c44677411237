"""Beside being on call: reminders, who is on call now, the week ahead, and a hand-over that is accepted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from opswatch.core.calendars import parse_window
from opswatch.core.events import AddOverride, ShiftEnded, TakeOver
from opswatch.core.plan import Roster
from tests.core.duty import layer
from tests.story import Story, two_levels

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MONDAY_9 = datetime(2026, 1, 5, 9, tzinfo=UTC)


def weekly(*, announce: tuple[str, ...] = ("channel:ops",), **more: object) -> Roster:
    """Ana and Bo, a week each, from Monday nine o'clock UTC."""
    return Roster("primary", (layer("ana bo", "2026-01-05T09:00"),), announce=announce, **more)  # type: ignore[arg-type]


def story(roster: Roster | None = None, starts: datetime = MONDAY_9 + HOUR) -> Story:
    told = Story(two_levels(rosters={"primary": roster or weekly()}), starts=starts)
    told.starts()
    return told


def reminded(told: Story, event: str = "shift_soon") -> list[tuple[str, str]]:
    return [(one.person, str(one.facts.get("at", ""))[:16]) for one in told.notices if one.event == event]


def reminders(told: Story) -> list[str]:
    return [entry.at.isoformat()[:16] for entry in told.entries if entry.kind == "shift_reminded"]


def test_who_comes_next_is_reminded_a_day_ahead_and_once():
    told = story()
    told.passes(days=5, hours=22)
    assert reminded(told) == []
    told.passes(hours=2)
    assert reminded(told) == [("bo", "2026-01-12T09:00")]
    told.passes(hours=20)
    assert reminded(told) == [("bo", "2026-01-12T09:00")]


def test_a_roster_may_ask_for_several_reminders_or_none():
    told = story(weekly(remind=(7 * DAY, HOUR)))
    told.passes(days=7)
    # The last one is of Ana's next week, seven days ahead.
    assert reminders(told) == ["2026-01-05T10:00", "2026-01-12T08:00", "2026-01-12T09:00"]
    quiet = story(weekly(remind=()))
    quiet.passes(days=14)
    assert reminded(quiet) == []


def test_a_reminder_falls_into_the_day_of_who_is_reminded():
    plan = two_levels(rosters={"primary": Roster("primary", (layer("ana bo", "2026-01-05T03:00"),))})
    bo = replace(plan.people["bo"], day=parse_window(None, "08:00", "20:00"), timezone="UTC")
    told = Story(replace(plan, people={**plan.people, "bo": bo}), starts=MONDAY_9)
    told.starts()
    told.passes(days=7)
    assert reminders(told) == ["2026-01-11T08:00"]


def test_the_next_night_of_the_same_week_is_no_news():
    nights = layer("ana bo", "2026-01-05T09:00", "1 week", (None, "20:00", "08:00"))
    told = story(Roster("primary", (nights,)), starts=MONDAY_9)
    told.passes(days=14)
    assert reminded(told) == [("ana", "2026-01-05T20:00"), ("bo", "2026-01-12T20:00"), ("ana", "2026-01-19T20:00")]


def test_a_change_of_who_is_on_call_is_told_to_the_rosters_channel():
    told = story()
    told.passes(days=7)
    (change,) = [one for one in told.announcements if one.event == "on_call"]
    assert (change.channel, change.facts["people"], change.facts["whose"]) == ("ops", ["bo"], ["ana"])
    assert change.facts["following"] == ["ana"]
    assert [entry.kind for entry in told.entries].count("on_call_changed") == 1


def test_an_override_that_begins_now_is_a_change_too():
    told = story()
    told.says(AddOverride("primary", told.now, told.now + HOUR, remove="ana", add="lead", by="lead"))
    told.passes(hours=2)
    assert [one.facts["people"] for one in told.announcements if one.event == "on_call"] == [["lead"], ["ana"]]


def test_who_is_put_there_by_an_override_is_reminded_though_lately_on_call():
    told = story()
    told.says(AddOverride("primary", MONDAY_9 + 8 * DAY, MONDAY_9 + 9 * DAY, remove="bo", add="ana", by="lead"))
    told.passes(days=8)
    assert ("ana", "2026-01-13T09:00") in reminded(told)


def test_who_has_just_heard_that_a_shift_is_theirs_is_not_reminded_of_it_at_once():
    told = story(weekly(remind=(DAY, HOUR)))
    starts = told.now + 8 * HOUR
    told.says(AddOverride("primary", starts, starts + HOUR, remove="ana", add="bo", by="lead"))
    told.passes(minutes=5)
    assert reminded(told, "shifts_changed") == [("ana", ""), ("bo", "")]
    assert reminded(told) == [], "a day ahead is past, and the change said it"
    told.passes(hours=7)
    assert reminded(told) == [("bo", starts.isoformat()[:16])], "an hour ahead is still to come"


def test_the_week_ahead_is_told_on_monday_at_nine():
    told = story(starts=MONDAY_9 - HOUR)
    told.passes(days=14, hours=2)
    weeks = [one for one in told.announcements if one.event == "week_ahead"]
    assert [str(one.facts["at"])[:16] for one in weeks] == ["2026-01-05T09:00", "2026-01-12T09:00", "2026-01-19T09:00"]


def test_a_roster_without_a_channel_tells_none():
    told = story(weekly(announce=()))
    told.passes(days=8)
    assert told.announcements == []


def ended(told: Story) -> None:
    told.apply(ShiftEnded("primary", told.now, ("ana",), ("bo",), "2026-01-12-primary"))


def test_a_hand_over_is_accepted_and_whose_shift_it_was_hears_of_it():
    told = story()
    ended(told)
    told.passes(minutes=10)
    assert told.says(TakeOver("primary", by="bo")).key == "took_over"
    assert reminded(told, "handover_accepted") == [("ana", "")]
    told.passes(days=1)
    assert reminded(told, "handover_reminder") == []
    assert told.says(TakeOver(by="bo")).key == "nothing_to_take_over"


def test_one_that_nobody_accepts_is_asked_for_once_and_then_told():
    told = story()
    ended(told)
    told.passes(minutes=31)
    assert [one.person for one in told.notices if one.event == "handover_reminder"] == ["bo"]
    told.passes(hours=3)
    assert {one.person for one in told.notices if one.event == "handover_waits"} == {"ana", "lead"}
    told.passes(days=2)
    assert [entry.kind for entry in told.entries].count("handover_not_accepted") == 1


def test_somebody_elses_hand_over_is_not_theirs_to_accept():
    told = story()
    ended(told)
    assert told.says(TakeOver("primary", by="ana")).key == "nothing_to_take_over"
    assert told.says(TakeOver("secondary", by="bo")).key == "unknown_roster"


def test_a_restart_tells_nothing_twice():
    told = story()
    told.passes(days=6, hours=12)
    before = len(told.notices), len(told.announcements)
    told.starts()
    told.reloads(told.engine.plan)
    assert (len(told.notices), len(told.announcements)) == before
