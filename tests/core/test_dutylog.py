"""A duty log says of one shift what happened, who was asked, how fast they answered, and what is left to the next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from opswatch.core.duties import Duty, duties, duty_at, log_spans
from opswatch.core.dutylog import DutyLog, duty_log
from opswatch.core.events import (
    AddOverride,
    AddSilence,
    DutyNote,
    MessageSent,
    NodeStarted,
    Note,
    Open,
    PageTest,
    Pause,
    Reassign,
    Resolve,
    SendFailed,
    SetPriority,
)
from opswatch.core.model import Priority, Role, Status
from opswatch.core.plan import Layer, Level, Plan, Policy, Roster, Route
from opswatch.core.roster import Rosters, Shift
from tests.story import MONDAY_3AM_BERLIN, Story, person, plan, roster

MINUTE = timedelta(minutes=1)
SUNDAY_9PM_BERLIN = datetime(2026, 11, 15, 20, 0, tzinfo=UTC)
LAST_MONDAY = datetime(2026, 11, 9, 9)  # noqa: DTZ001 - a local wall time


def two_on_a_ladder(**more: object) -> Plan:
    """Ana has the week until Monday nine in Berlin; who is next is asked after five minutes."""
    levels = (Level(("roster:primary",), 5 * MINUTE), Level(("roster:primary/next",), 10 * MINUTE))
    people = (person("ana"), person("bo"), person("lead", role=Role.ADMIN))
    rosters = {"primary": roster("ana", "bo", starts=LAST_MONDAY)}
    return plan(**{"levels": levels, "people": people, "rosters": rosters, **more})  # type: ignore[arg-type]


def duty_of(story: Story, at: datetime | None = None, name: str | None = None) -> Duty:
    overrides = tuple(story.state.overrides.values())
    return duty_at(Rosters(story.engine.plan), story.engine.plan, overrides, at or story.now, name)[0]


def log_of(story: Story, duty: Duty | None = None) -> DutyLog:
    """The log of the duty that runs now, from the story's whole timeline."""
    duty = duty or duty_of(story)
    before = [entry for entry in story.entries if entry.at < duty.start]
    after = [entry for entry in story.entries if entry.at >= duty.end and entry.kind == "node_started"]
    return duty_log(story.entries, duty, story.engine.plan, before=before, after=after)


def arrives(story: Story) -> None:
    """The last page that was promised is delivered."""
    page = story.last_page()
    story.apply(MessageSent(page.id, page.incident, "page", page.person, page.contact, 1.2))


# ---------------------------------------------------------------------------------------------------------------------
# Which logs there are


BERLIN = "Europe/Berlin"


def shift(start: str, end: str) -> Shift:
    return Shift(datetime.fromisoformat(start), datetime.fromisoformat(end), ("ana",), None, None)


def said(spans: list[tuple[datetime, datetime]]) -> list[str]:
    return [f"{start:%m-%dT%H:%M} {end:%m-%dT%H:%M}" for start, end in spans]


@pytest.mark.parametrize(
    ("start", "end", "spans"),
    [
        ("2026-11-16T08:00Z", "2026-11-16T16:00Z", ["11-16T08:00 11-16T16:00"]),
        ("2026-11-16T08:00Z", "2026-11-17T08:00Z", ["11-16T08:00 11-17T08:00"]),  # 24 h over midnight is one
        ("2026-10-24T07:00Z", "2026-10-25T08:00Z", ["10-24T07:00 10-25T08:00"]),  # nine to nine, 25 h long
        ("2026-03-28T08:00Z", "2026-03-29T07:00Z", ["03-28T08:00 03-29T07:00"]),  # nine to nine, 23 h long
        ("2026-03-28T08:00Z", "2026-03-29T08:00Z", ["03-28T08:00 03-29T08:00"]),  # 24 h that end at ten
        (  # a day and a half
            "2026-11-16T08:00Z",
            "2026-11-17T20:00Z",
            ["11-16T08:00 11-16T23:00", "11-16T23:00 11-17T20:00"],
        ),
        (  # the local Sunday is 25 h long
            "2026-10-24T07:00Z",
            "2026-10-26T08:00Z",
            ["10-24T07:00 10-24T22:00", "10-24T22:00 10-25T23:00", "10-25T23:00 10-26T08:00"],
        ),
        (  # and in March 23 h
            "2026-03-28T08:00Z",
            "2026-03-30T07:00Z",
            ["03-28T08:00 03-28T23:00", "03-28T23:00 03-29T22:00", "03-29T22:00 03-30T07:00"],
        ),
    ],
)
def test_a_long_shift_has_a_log_per_local_day_also_where_clocks_change(start: str, end: str, spans: list[str]):
    assert said(log_spans(shift(start, end), BERLIN)) == spans


def test_a_midnight_that_clocks_jump_over_is_the_first_instant_after_it():
    spans = log_spans(shift("2026-04-23T12:00Z", "2026-04-25T12:00Z"), "Africa/Cairo")  # 00:00 → 01:00 on the 24th
    assert said(spans) == ["04-23T12:00 04-23T22:00", "04-23T22:00 04-24T21:00", "04-24T21:00 04-25T12:00"]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai"])
def test_the_logs_of_a_year_tile_it(zone: str):
    year = shift("2026-01-01T05:00Z", "2027-01-01T05:00Z")
    spans = log_spans(year, zone)
    assert (spans[0][0], spans[-1][1]) == (year.start, year.end)
    assert all(one[1] == other[0] for one, other in pairwise(spans))
    assert all(end - start <= timedelta(hours=25) for start, end in spans)


def test_a_log_is_named_after_its_date_its_roster_and_its_people():
    the_plan = two_on_a_ladder()
    found = duties(Rosters(the_plan), the_plan, (), MONDAY_3AM_BERLIN, MONDAY_3AM_BERLIN + timedelta(days=1))
    assert [duty.name for duty in found] == [
        "2026-11-16-primary-ana",
        "2026-11-16-primary-bo",
        "2026-11-17-primary-bo",
    ]
    assert found[0].shift == (datetime(2026, 11, 9, 8, tzinfo=UTC), datetime(2026, 11, 16, 8, tzinfo=UTC))


def test_who_comes_back_on_the_same_day_gets_a_second_log():
    story = Story(two_on_a_ladder(), MONDAY_3AM_BERLIN)
    start, end = datetime(2026, 11, 16, 12, tzinfo=UTC), datetime(2026, 11, 16, 13, tzinfo=UTC)
    story.says(AddOverride("primary", start, end, remove="bo", add="lead", by="lead"))
    the_plan, overrides = story.engine.plan, tuple(story.state.overrides.values())
    day = duties(Rosters(the_plan), the_plan, overrides, start - timedelta(hours=2), end + timedelta(hours=2))
    names = [duty.name for duty in day]
    assert names == ["2026-11-16-primary-bo", "2026-11-16-primary-lead", "2026-11-16-primary-bo-1400"]
    later = duty_at(Rosters(the_plan), the_plan, overrides, end)  # The name does not depend on who asks.
    assert [duty.name for duty in later] == ["2026-11-16-primary-bo-1400"]


def test_two_rosters_never_share_a_file():
    layers = [Layer("l", ((who,),), LAST_MONDAY, (1, "week"), (1, "week")) for who in ("db-ana", "ana")]
    rosters = {"web": Roster("web", (layers[0],)), "web-db": Roster("web-db", (layers[1],))}
    the_plan = two_on_a_ladder(rosters=rosters, people=(person("db-ana"), person("ana")))
    names = [duty.name for duty in duty_at(Rosters(the_plan), the_plan, (), MONDAY_3AM_BERLIN)]
    assert len(set(names)) == 2


def test_without_a_roster_there_is_a_log_per_day():
    the_plan = two_on_a_ladder(rosters={}, timezone="Asia/Shanghai")
    found = duty_at(Rosters(the_plan), the_plan, (), datetime(2026, 11, 15, 20, tzinfo=UTC))
    assert [duty.name for duty in found] == ["2026-11-16-no-roster"]
    assert said([(found[0].start, found[0].end)]) == ["11-15T16:00 11-16T16:00"]


def test_a_roster_that_nobody_stands_in_has_a_log_per_day_too():
    the_plan = two_on_a_ladder(rosters={"empty": Roster("empty", (), BERLIN, ("person:lead",))})
    found = duty_at(Rosters(the_plan), the_plan, (), MONDAY_3AM_BERLIN)
    assert [(duty.name, duty.people, duty.is_gap) for duty in found] == [("2026-11-16-empty-fallback", ("lead",), True)]


def test_an_unknown_roster_is_a_key_error():
    with pytest.raises(KeyError):
        duty_at(Rosters(two_on_a_ladder()), two_on_a_ladder(), (), MONDAY_3AM_BERLIN, "nobody-has-this")


# ---------------------------------------------------------------------------------------------------------------------
# What a log says


def test_a_night_with_a_page_a_climb_and_a_recovery():
    story = Story(two_on_a_ladder())
    story.fails()
    arrives(story)
    story.passes(minutes=5)
    arrives(story)
    story.passes(minutes=2)
    story.acks("bo")
    story.says(Note(1, "restarted the pool", by="bo"))
    story.passes(minutes=20)
    story.recovers()
    log = log_of(story)
    (line,) = log.incidents
    assert (line.number, line.priority, line.service, line.status) == (1, "P1", "orders", Status.RESOLVED)
    assert line.paged == ("ana", "bo")
    assert (line.acked_by, line.resolved_by) == ("bo", None)
    assert line.acked_at is not None and line.opened_at is not None and line.resolved_at is not None
    assert line.acked_at - line.opened_at == 7 * MINUTE
    assert round((line.resolved_at - line.opened_at) / MINUTE) == 27
    assert [(deed.kind, deed.by) for deed in line.deeds] == [("noted", "bo")]
    ana, bo = log.people
    assert (ana.person, ana.pages, ana.delivered, ana.answers, ana.passed) == ("ana", 1, 1, (), 1)
    assert (bo.person, bo.pages, bo.delivered, bo.answers, bo.passed) == ("bo", 1, 1, (2 * MINUTE,), 0)
    assert log.open_items == ()


def test_an_incident_that_outlives_the_shift_is_open_in_both_logs():
    story = Story(two_on_a_ladder(), SUNDAY_9PM_BERLIN)
    story.fails()
    story.passes(minutes=3)
    story.acks("ana")
    sunday = duty_of(story)
    story.passes(hours=8)
    monday = log_of(story)
    assert [(line.number, line.owner) for line in log_of(story, sunday).open_items] == [(1, "ana")]
    assert [(line.number, line.owner, line.acked_by) for line in monday.open_items] == [(1, "ana", "ana")]
    assert monday.incidents == (), "nothing was done to it on Monday"
    assert monday.people[0].pages == 0, "Sunday's page is Sunday's"


def test_what_is_done_on_the_next_day_is_told_with_the_story_before():
    story = Story(two_on_a_ladder(), SUNDAY_9PM_BERLIN)
    story.fails()
    story.passes(minutes=3)
    story.acks("ana")
    story.passes(hours=8)
    story.says(Resolve(1, "rebuilt the index", by="bo"))
    (line,) = log_of(story).incidents
    assert (line.title, line.acked_by, line.resolved_by) == ("db is crit on db-1", "ana", "bo")
    assert line.opened_at is not None and line.opened_at < duty_of(story).start
    assert [deed.facts["text"] for deed in line.deeds] == ["rebuilt the index"]


def test_an_incident_that_reopened_after_the_shift_was_closed_in_it():
    story = Story(two_on_a_ladder(), SUNDAY_9PM_BERLIN)
    story.fails()
    story.passes(minutes=3)
    story.acks("ana")
    sunday = duty_of(story)
    story.passes(hours=2, minutes=55)
    story.says(Resolve(1, by="ana"))
    story.passes(minutes=30)  # It still fails, and comes back after midnight.
    assert story.incident().status is Status.TRIGGERED
    assert log_of(story, sunday).open_items == ()
    assert [line.number for line in log_of(story).open_items] == [1]


def test_a_page_that_nobody_answers_is_counted_as_too_late_for_each():
    story = Story(two_on_a_ladder())
    story.fails()
    story.passes(minutes=16)
    people = {one.person: one for one in log_of(story).people}
    assert (people["ana"].passed, people["bo"].passed) == (1, 1)
    assert all(not one.answers for one in people.values())


def test_who_is_asked_anew_because_it_got_worse_was_not_too_late():
    ladder = (Level(("roster:primary",), 5 * MINUTE),)
    policies = {"standard": Policy("standard", ladder), "urgent": Policy("urgent", ladder)}
    routes = (Route("urgent", priorities=frozenset({Priority.P0})), Route("standard"))
    story = Story(two_on_a_ladder(policies=policies, routes=routes))
    story.fails()
    story.passes(minutes=2)
    story.says(SetPriority(1, Priority.P0, by="lead"))
    story.passes(minutes=1)
    story.acks("ana")
    log = log_of(story)
    ana = log.people[0]
    assert (ana.pages, ana.answers, ana.passed) == (2, (3 * MINUTE,), 0)
    assert (log.incidents[0].priority, [deed.kind for deed in log.incidents[0].deeds]) == ("P0", ["raised"])


def test_a_reminder_is_a_page_that_asks_for_no_answer():
    policies = {
        "standard": Policy(
            "standard", (Level(("roster:primary",), 5 * MINUTE),), ack_timeout={Priority.P1: 30 * MINUTE}
        )
    }
    story = Story(two_on_a_ladder(policies=policies))
    story.fails()
    story.passes(minutes=2)
    story.acks("ana")
    story.passes(minutes=31)
    ana = log_of(story).people[0]
    assert (ana.pages, ana.answers, ana.passed) == (2, (2 * MINUTE,), 0)


def test_deliveries_that_failed_say_what_came_of_them():
    people = (person("ana", "email", "webhook"), person("bo"), person("lead", role=Role.ADMIN))
    story = Story(two_on_a_ladder(people=people))
    story.fails()
    page = story.last_page()
    for attempt in (1, 2):
        later = story.now + MINUTE
        failed = SendFailed(page.id, 1, "page", "ana", "email", "timed out", False, attempt, page, retry_at=later)
        story.apply(failed)
    story.way_closes(page, "mailbox gone")
    arrives(story)
    timed_out, gone = log_of(story).failures
    assert (timed_out.person, timed_out.channel, timed_out.times, timed_out.outcome) == ("ana", "email", 2, "waiting")
    assert (gone.reason, gone.outcome) == ("mailbox gone", "given_up")


def test_a_later_try_that_arrived_is_said():
    story = Story(two_on_a_ladder())
    story.fails()
    page = story.last_page()
    story.apply(SendFailed(page.id, 1, "page", "ana", "webhook", "HTTP 503", False, 1, page, story.now + MINUTE))
    arrives(story)
    assert [failure.outcome for failure in log_of(story).failures] == ["delivered"]


def test_silences_overrides_pauses_and_tests_are_changes_and_notes_are_notes():
    story = Story(two_on_a_ladder())
    hour = story.now + timedelta(hours=1)
    story.says(AddSilence((("service", "=", "orders"),), hour, "index rebuild", by="ana"))
    story.says(AddOverride("primary", hour, hour + 5 * MINUTE, add="lead", by="lead"))
    story.says(Pause(hour, by="lead"))
    story.says(PageTest("bo", by="ana"))
    story.says(DutyNote("the batch ran late", by="ana"))
    log = log_of(story)
    assert [entry.kind for entry in log.changes] == ["silence_added", "override_added", "paused", "page_test"]
    assert [(entry.by, entry.facts["text"]) for entry in log.notes] == [("ana", "the batch ran late")]
    assert log.has_notes and not log.is_blank
    assert sum(one.pages for one in log.people) == 0, "a test is not a page"


def test_our_own_downtime_is_not_monitored_and_a_restart_is_not_worth_a_line():
    story = Story(two_on_a_ladder())
    story.apply(NodeStarted("ops-1", story.now - 14 * MINUTE))
    story.passes(minutes=1)
    story.apply(NodeStarted("ops-2", story.now - timedelta(seconds=4)))
    (gap,) = log_of(story).not_monitored
    assert (gap.node, gap.end - gap.start) == ("ops-1", 14 * MINUTE)


def test_a_node_that_was_down_over_the_end_of_the_shift_is_in_both_logs():
    story = Story(two_on_a_ladder(), SUNDAY_9PM_BERLIN)
    sunday = duty_of(story)
    story.passes(hours=4)
    story.apply(NodeStarted("ops-1", story.now - timedelta(hours=3)))
    (before,), (after,) = log_of(story, sunday).not_monitored, log_of(story).not_monitored
    assert (before.end, after.start) == (sunday.end, sunday.end)
    assert before.end - before.start == 2 * timedelta(hours=1)
    assert after.end - after.start == timedelta(hours=1)


def test_a_quiet_gap_is_blank_and_a_gap_with_a_page_is_not():
    night = replace(roster("ana", "bo", starts=LAST_MONDAY).layers[0], until=LAST_MONDAY + timedelta(days=1))
    rosters = {"primary": Roster("primary", (night,), BERLIN, ("person:lead",))}
    story = Story(two_on_a_ladder(rosters=rosters))
    assert log_of(story).is_blank and duty_of(story).is_gap
    story.fails()
    assert not log_of(story).is_blank
    assert log_of(story).people[0].person == "lead"


def test_observing_is_said():
    story = Story(two_on_a_ladder(mode="observe"))
    story.fails()
    assert log_of(story).is_observing


# ---------------------------------------------------------------------------------------------------------------------
# Several rosters


def two_teams() -> Plan:
    """Orders are Ana's, and a fault without a policy of its own is Zoe's."""
    layer = Layer("l", (("ana",),), LAST_MONDAY, (1, "week"), (1, "week"))
    rosters = {
        "orders": Roster("orders", (layer,)),
        "network": Roster("network", (replace(layer, participants=(("zoe",),)),)),
    }
    policies = {
        "orders": Policy("orders", (Level(("roster:orders",), 5 * MINUTE), Level(("person:lead",), 5 * MINUTE))),
        "network": Policy("network", (Level(("roster:network",), 5 * MINUTE),), fallback=("person:lead",)),
        "nobody": Policy("nobody", (Level(("person:lead",), 5 * MINUTE),)),
    }
    routes = (
        Route("orders", services=frozenset({"orders"})),
        Route("network", priorities=frozenset({Priority.P0})),
        Route("nobody"),
    )
    people = (person("ana"), person("zoe"), person("lead", role=Role.ADMIN))
    return two_on_a_ladder(rosters=rosters, policies=policies, routes=routes, people=people)


def numbers(story: Story, name: str) -> list[int]:
    return [line.number for line in log_of(story, duty_of(story, name=name)).incidents]


def test_an_incident_stands_in_the_log_of_the_roster_it_concerned():
    story = Story(two_teams())
    story.fails()
    story.says(Open("the line to Osaka is down", by="lead", priority=Priority.P0))
    assert numbers(story, "orders") == [1]
    assert numbers(story, "network") == [2]


def test_what_is_nobodys_is_in_every_log():
    story = Story(two_teams())
    story.says(Open("a smell of smoke", by="lead", priority=Priority.P1))
    assert numbers(story, "orders") == numbers(story, "network") == [1]


def test_who_was_given_an_incident_has_it_in_their_log_too():
    story = Story(two_teams())
    story.fails()
    story.says(Reassign(1, "person:zoe", by="ana"))
    assert numbers(story, "orders") == numbers(story, "network") == [1]


def test_an_override_belongs_to_its_roster_and_a_pause_to_everybody():
    story = Story(two_teams())
    later = story.now + timedelta(hours=1)
    story.says(AddOverride("network", later, later + MINUTE, add="lead", by="lead"))
    story.says(Pause(later, by="lead"))
    kinds = [
        [entry.kind for entry in log_of(story, duty_of(story, name=name)).changes] for name in ("orders", "network")
    ]
    assert kinds == [["paused"], ["override_added", "paused"]]
