"""Rungs with conditions, in turn, announced; several who must acknowledge; and what is said by hand."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from opswatch.core.calendars import parse_window
from opswatch.core.effects import Done, Refuse
from opswatch.core.events import Escalate, Note, Reassign, Resolve, SetPriority, Unack
from opswatch.core.model import Health, PageReason, Priority, Role, Status
from opswatch.core.plan import DayCalendar, Level, Plan, Policy, Route, Service, When, Window
from opswatch.render.answers import answer
from opswatch.sim import laws
from tests.story import MONDAY_NOON_BERLIN, Story, person, two_levels

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
NIGHTLY = "OPSWATCH_NIGHTLY" in os.environ


def many(*wanted: str | None, repeat: int = 0) -> Plan:
    """A level per wanted count of alerts (None: any), paging ana, bo, cy … in this order for five minutes each."""
    names = ("ana", "bo", "cy", "di")
    people = (*(person(name) for name in names), person("lead", role=Role.ADMIN))
    levels = tuple(
        Level((f"person:{name}",), 5 * MINUTE, When(alerts=count) if count else None)
        for name, count in zip(names, wanted, strict=False)
    )
    return two_levels(levels=levels, people=people, repeat=repeat)


# ---------------------------------------------------------------------------------------------------------------------
# How many alerts fail


def test_a_level_that_wants_more_alerts_is_skipped_with_what_it_was_judged_by():
    story = Story(many(None, ">= 2", None))
    story.fails("db")
    story.passes(minutes=5)
    assert story.paged() == ["ana", "cy"]
    said = story.facts("level_skipped")
    assert (said["level"], said["alerts"], said["wanted"]) == (2, 1, ">= 2")


def test_a_level_is_entered_when_enough_alerts_fail_then():
    story = Story(many(None, ">= 2", None))
    story.fails("db")
    story.fails("web")
    story.passes(minutes=5)
    assert story.paged() == ["ana", "bo"]
    assert story.facts("level_entered")["alerts"] == 2


def test_a_skipped_level_that_has_enough_alerts_by_now_is_entered_at_the_next_deadline():
    story = Story(many(None, ">= 2", None))
    story.fails("db")
    story.passes(minutes=6)
    story.fails("web")
    assert story.paged() == ["ana", "cy"], "joining pages nobody"
    story.passes(minutes=5)
    assert story.paged() == ["bo"]
    story.passes(minutes=5)
    assert story.paged() == ["cy"]
    story.passes(minutes=5)
    assert story.paged() == ["lead"]


def test_the_last_resort_gives_way_to_a_level_that_may_be_entered_now():
    story = Story(many(None, ">= 2"))
    story.fails("db")
    story.passes(minutes=6)
    assert story.paged() == ["ana", "lead"]
    story.fails("web")
    story.passes(hours=1)
    assert story.paged()[0] == "bo"


def test_where_no_level_may_be_entered_the_next_alert_that_joins_is_looked_at_at_once():
    story = Story(many(">= 3", ">= 2"))
    story.fails("db")
    assert story.paged() == []
    assert story.incident().wake_at == story.now + DAY
    story.fails("web")
    assert story.paged() == ["bo"]


def test_what_never_gets_enough_alerts_is_looked_at_every_day():
    story = Story(many(">= 9"))
    story.fails("db")
    for _ in range(3):
        story.passes(days=1)
        assert story.now < story.incident().wake_at <= story.now + DAY
    assert story.paged() == []


def test_fewer_alerts_than_before_do_not_take_a_page_back():
    story = Story(many(">= 2", None))
    story.fails("db")
    story.fails("web")
    story.recovers("web")
    story.passes(minutes=5)
    assert story.paged() == ["bo", "lead"]


@st.composite
def whens(draw: st.DrawFn) -> When | None:
    """Any condition: windows on the clock, work days of a calendar, priorities, counts of alerts, and none."""
    hours = st.integers(0, 23)
    windows: tuple[Window, ...] = ()
    if draw(st.booleans()):
        days = draw(st.sampled_from([None, "mon-fri", "sat,sun", "workdays", "restdays", "1..3", "-1"]))
        windows = (parse_window(days, f"{draw(hours)}:00", f"{draw(hours)}:30"),)
    zone = draw(st.sampled_from(["UTC", "Europe/Berlin", "Asia/Shanghai", "Australia/Lord_Howe"]))
    some = st.frozensets(st.sampled_from(list(Priority)), min_size=1)
    return draw(
        st.none()
        | st.builds(
            When,
            st.just(windows),
            st.just(zone),
            st.just("cn"),
            st.none() | some,
            st.none() | st.sampled_from([">= 2", "> 5", "== 1"]),
        )
    )


@settings(max_examples=3000 if NIGHTLY else 12, deadline=None, derandomize=not NIGHTLY)
@given(
    conditions=st.lists(whens(), min_size=1, max_size=4),
    starts=st.datetimes(datetime(2026, 3, 25), datetime(2026, 11, 3)),  # noqa: DTZ001 - given a zone below
    deeds=st.lists(st.integers(0, 5), max_size=6),
    repeat=st.integers(0, 2),
)
def test_every_open_incident_has_a_stored_deadline_ahead_whatever_its_levels_ask(conditions, starts, deeds, repeat):
    levels = tuple(
        Level((f"person:{name}",), 7 * MINUTE, when)
        for name, when in zip(("ana", "bo", "ana", "bo"), conditions, strict=False)
    )
    year = DayCalendar("cn", frozenset({datetime(2026, 5, 1).date()}), frozenset(), frozenset({2026}))  # noqa: DTZ001
    story = Story(
        replace(two_levels(levels=levels, repeat=repeat), calendars={"cn": year}),
        starts.replace(tzinfo=MONDAY_NOON_BERLIN.tzinfo),
    )
    story.fails("db")
    for deed in deeds:
        [
            lambda: story.passes(minutes=50),
            lambda: story.passes(days=3),
            lambda: story.fails("web"),
            lambda: story.acks("ana"),
            lambda: story.says(SetPriority(1, Priority.P0, by="bo")),
            lambda: story.says(Unack(1, by="ana")),
        ][deed]()
        assert laws.somebody_is_being_asked(story.engine.plan, story.state.incidents.values()) == []
        assert laws.nobody_is_forgotten(story.state, story.now - timedelta(microseconds=1)) == []


# ---------------------------------------------------------------------------------------------------------------------
# Held until the day


def test_the_wait_of_a_level_counts_from_the_first_of_its_people_who_may_be_interrupted():
    late, early = parse_window(None, "10:00", "22:00"), parse_window(None, "08:00", "22:00")
    ana = replace(person("ana"), day=late, timezone="Europe/Berlin")
    bo = replace(person("bo"), day=early, timezone="Europe/Berlin")
    levels = (Level(("person:ana", "person:bo"), 30 * MINUTE), Level(("person:cy",), 5 * MINUTE))
    story = Story(two_levels(levels=levels, people=(ana, bo, person("cy"))))
    story.cannot_tell("db")  # P2, at three in the morning
    story.passes(hours=5)
    assert story.paged() == ["bo"]
    story.passes(minutes=29)
    assert story.paged() == []
    story.passes(minutes=1)
    assert story.paged() == ["cy"]
    story.passes(hours=1, minutes=30)
    assert "ana" in story.paged(), "their step goes on after the next level started"


# ---------------------------------------------------------------------------------------------------------------------
# In turn


def in_turn(**more: object) -> Plan:
    people = (*(person(name, team="dev") for name in ("ana", "bo", "cy")), person("lead", role=Role.ADMIN))
    levels = (Level(("team:dev",), 5 * MINUTE, round_robin=True),)
    return two_levels(**{"levels": levels, "people": people, "group_by": ("check",), **more})


def test_each_incident_pages_the_next_of_the_ring():
    story = Story(in_turn())
    for check in ("db", "web"):
        story.fails(check)
    story.recovers("db")
    story.fails("db")
    assert story.paged() == ["ana", "bo", "cy"]
    assert story.state.standing.rings == {"standard/1": "cy"}


def test_when_they_do_not_answer_the_next_climb_pages_the_next_of_the_ring():
    story = Story(in_turn(repeat=2))
    story.fails("db")
    story.passes(minutes=15)
    assert story.paged() == ["ana", "bo", "cy", "lead"]


def test_whoever_cannot_be_reached_is_passed_over_in_the_ring():
    plan = in_turn()
    story = Story(replace(plan, people={**plan.people, "bo": replace(plan.people["bo"], contacts={})}))
    for check in ("db", "web"):
        story.fails(check)
    assert story.paged() == ["ana", "cy"]


def test_whoever_is_held_until_morning_is_passed_over_while_somebody_else_is_not():
    plan = in_turn()
    held = replace(plan.people["ana"], day=parse_window(None, "08:00", "22:00"), timezone="Europe/Berlin")
    story = Story(replace(plan, people={**plan.people, "ana": held}))
    story.cannot_tell("db")
    assert story.paged() == ["bo"]


def test_the_ring_goes_on_where_it_stopped_after_a_reload_and_without_somebody_who_left():
    story = Story(in_turn())
    story.fails("db")
    plan = in_turn()
    story.reloads(replace(plan, people={name: one for name, one in plan.people.items() if name != "bo"}))
    story.fails("web")
    assert story.paged() == ["ana", "cy"]


# ---------------------------------------------------------------------------------------------------------------------
# Announced


def test_a_level_is_announced_in_words_of_its_own_and_pages_nobody_by_it():
    levels = (Level(("person:ana",), 12 * MINUTE), Level(("person:bo",), 5 * MINUTE, announce=("channel:ops",)))
    story = Story(two_levels(levels=levels))
    story.fails("db")
    assert story.announcements == []
    story.passes(minutes=12)
    assert [(one.channel, one.event) for one in story.announcements] == [("ops", "level")]
    assert story.announcements[0].facts == {"level": 2, "levels": 2, "people": ["bo"], "waited_s": 720}
    story.acks("bo")
    assert story.announcements[-1].event == "acknowledged", "its card is kept up to date"


def test_a_channel_that_the_level_pages_is_told_once():
    levels = (Level(("person:ana", "channel:ops"), 5 * MINUTE, announce=("channel:ops",)),)
    story = Story(two_levels(levels=levels))
    story.fails("db")
    assert [one.event for one in story.announcements] == ["triggered"]


# ---------------------------------------------------------------------------------------------------------------------
# Several must acknowledge


def two_of(repeat: int = 0) -> Story:
    plan = two_levels(repeat=repeat)
    several = replace(plan.policies["standard"], acks={Priority.P1: 2, Priority.P0: 3})
    story = Story(replace(plan, policies={"standard": several}))
    story.fails("db")
    return story


def test_the_ladder_goes_on_until_as_many_have_acknowledged_and_the_first_has_it():
    story = two_of()
    assert story.acks("ana").facts == {"incident": 1, "count": 1, "need": 2}
    assert story.paged() == ["ana", "bo"], "nobody else of level 1 is left to answer"
    assert (story.incident().status, story.incident().owner) == (Status.TRIGGERED, "ana")
    story.acks("bo")
    assert (story.incident().status, story.incident().owner) == (Status.ACKNOWLEDGED, "ana")
    story.passes(hours=9)
    assert story.paged() == []
    assert story.facts("acknowledged")["count"] == 2


def test_who_completes_the_acknowledgements_is_not_told_that_the_incident_is_theirs():
    story = two_of()
    assert story.acks("ana").key == "ack_counted"
    last = story.acks("bo")
    assert (last.key, last.facts) == ("ack_enough", {"incident": 1, "owner": "ana", "count": 2, "need": 2})
    assert answer("en", last, plan=two_levels()) == (
        "You are counted on #1: 2 of 2 have acknowledged, and Ana has it. Paging has stopped."
    )


def test_a_level_that_is_entered_because_more_are_wanted_is_not_announced_as_unanswered():
    levels = (Level(("person:ana",), 12 * MINUTE), Level(("person:bo",), 5 * MINUTE, announce=("channel:ops",)))
    plan = two_levels(levels=levels)
    several = replace(plan.policies["standard"], acks={Priority.P1: 2})
    story = Story(replace(plan, policies={"standard": several}))
    story.fails("db")
    story.passes(minutes=4)
    story.acks("ana")
    told = next(one for one in story.announcements if one.event == "level")
    assert told.facts == {"level": 2, "levels": 2, "people": ["bo"], "count": 1, "need": 2}


def test_who_has_acknowledged_is_not_paged_any_more_while_others_are_wanted():
    story = two_of(repeat=1)
    story.acks("ana")
    story.paged()
    story.passes(minutes=30)
    assert story.paged() == ["bo", "lead"]


def test_acknowledging_twice_counts_once():
    story = two_of()
    story.acks("ana")
    before = story.incident()
    again = story.acks("ana")
    assert (type(again), again.key, again.facts["count"]) == (Done, "ack_counted_already", 1)
    assert story.incident() == before


def test_everybody_who_was_paged_learns_of_each_acknowledgement():
    story = two_of()
    story.acks("ana")
    story.acks("bo")
    assert [(one.person, one.event) for one in story.updates] == [
        ("ana", "ack_counted"),
        ("ana", "acknowledged"),
        ("bo", "acknowledged"),
    ]


def test_one_of_several_may_give_it_back_and_the_others_still_count():
    story = two_of()
    story.acks("ana")
    story.acks("bo")
    story.paged()
    story.says(Unack(1, by="ana"))
    assert (story.incident().status, story.incident().owner, story.incident().acks) == (
        Status.TRIGGERED,
        "bo",
        ("bo",),
    )
    assert story.paged() == ["ana"]
    story.acks("ana")
    assert story.incident().owner == "bo"


def test_only_who_has_acknowledged_can_take_it_back():
    story = two_of()
    story.acks("ana")
    answer = story.says(Unack(1, by="bo"))
    assert (type(answer), answer.key) == (Refuse, "ack_of_others")


def test_a_lower_priority_that_wants_fewer_ends_the_ladder():
    story = two_of()
    story.says(SetPriority(1, Priority.P0, by="lead"))
    for name in ("ana", "bo"):
        story.acks(name)
    assert story.incident().status is Status.TRIGGERED
    story.says(SetPriority(1, Priority.P1, by="ana"))
    assert (story.incident().status, story.incident().owner) == (Status.ACKNOWLEDGED, "ana")


def test_resolving_and_failing_again_asks_for_as_many_anew():
    story = two_of()
    story.acks("ana")
    story.says(Resolve(1, by="ana"))
    story.passes(minutes=10)
    assert story.incident().acks == ()
    assert story.acks("bo").facts["count"] == 1


def test_the_acknowledgements_of_several_lapse_together():
    policy = Policy(
        "standard",
        (Level(("person:ana", "person:bo"), 5 * MINUTE),),
        ack_timeout={Priority.P1: 60 * MINUTE},
        acks={Priority.P1: 2},
    )
    story = Story(two_levels(policies={"standard": policy}))
    story.fails("db")
    story.acks("ana")
    story.acks("bo")
    story.paged()
    story.passes(minutes=60)
    assert (story.paged(), story.last_page().reason) == (["ana"], PageReason.REMINDER)
    story.passes(minutes=5)
    assert (story.paged(), story.last_page().reason) == (["ana", "bo"], PageReason.ACK_EXPIRED)


# ---------------------------------------------------------------------------------------------------------------------
# By hand


def test_escalating_twice_within_a_moment_is_escalating_once():
    story = Story(many(None, None, None))
    story.fails("db")
    story.paged()
    story.says(Escalate(1, by="ana"))
    story.now += timedelta(seconds=9)
    answer = story.says(Escalate(1, by="ana"))
    assert (type(answer), answer.key, story.paged()) == (Done, "escalated", ["bo"])
    story.now += timedelta(seconds=2)
    story.says(Escalate(1, by="ana"))
    assert story.paged() == ["cy"]


def test_two_people_who_escalate_mean_it_twice_and_so_does_one_after_something_came_of_it():
    story = Story(many(None, None, None, None))
    story.fails("db")
    story.paged()
    story.says(Escalate(1, by="ana"))
    story.says(Escalate(1, by="bo"))
    assert story.paged() == ["bo", "cy"]
    story.acks("cy")
    story.says(Escalate(1, by="ana"))
    assert story.paged() == ["di"]


def test_giving_it_back_says_who_did():
    story = Story(two_levels())
    story.fails("db")
    story.acks("ana")
    story.says(Unack(1, by="ana"))
    assert (story.last_page().reason, story.incident().given_back_by) == (PageReason.ACK_EXPIRED, "ana")
    story.acks("bo")
    assert story.incident().given_back_by is None


def test_a_word_of_somebody_else_does_not_restart_the_owners_clock():
    policy = replace(two_levels().policies["standard"], ack_timeout={Priority.P1: 60 * MINUTE})
    story = Story(two_levels(policies={"standard": policy}))
    story.fails("db")
    story.acks("ana")
    story.passes(minutes=59)
    story.says(Note(1, "how is it going?", by="bo"))
    story.paged()
    story.passes(minutes=1)
    assert (story.paged(), story.last_page().reason) == (["ana"], PageReason.REMINDER)


def test_reassigning_asks_for_as_many_anew():
    story = two_of()
    story.acks("ana")
    story.says(Reassign(1, "person:bo", by="ana"))
    assert story.incident().acks == ()


# ---------------------------------------------------------------------------------------------------------------------
# Which ladder


def routed(*routes: Route, at: datetime = MONDAY_NOON_BERLIN, **service: object) -> str:
    """Whom a failure of the database pages: each policy pages the person of its name."""
    names = tuple(route.policy for route in routes)
    policies = {name: Policy(name, (Level((f"person:{name}",)),)) for name in names}
    people = tuple(person(name) for name in names)
    plan = two_levels(policies=policies, routes=routes, people=people, levels=())
    year = frozenset({datetime(2026, 11, 16).date()})  # noqa: DTZ001 - a Monday that is a holiday
    calendars = {"cn": DayCalendar("cn", year, frozenset(), frozenset({2026}))}
    orders = Service("orders", "Orders", **{"tier": 2, **service})  # type: ignore[arg-type]
    story = Story(replace(plan, services={"orders": orders}, calendars=calendars), at)
    story.fails("db", health=Health.CRIT)
    return story.paged()[0]


def test_a_route_by_label_takes_what_carries_the_label():
    by_label = Route("ana", labels={"region": "apac"})
    assert routed(by_label, Route("bo"), labels={"region": "apac"}) == "ana"
    assert routed(by_label, Route("bo"), labels={"region": "emea"}) == "bo"


def test_a_route_by_time_and_by_the_calendars_work_days():
    at_work = Route("ana", when=When((parse_window("workdays", "09:00", "18:00"),), "Europe/Berlin", "cn"))
    assert routed(at_work, Route("bo")) == "bo", "this Monday is a holiday"
    assert routed(at_work, Route("bo"), at=MONDAY_NOON_BERLIN + DAY) == "ana"
    assert routed(at_work, Route("bo"), at=MONDAY_NOON_BERLIN + DAY + timedelta(hours=9)) == "bo"


def test_a_route_by_service_team_check_and_target():
    fits = Route("ana", services=frozenset({"orders"}), teams=frozenset({"dba"}), checks=("d*",), targets=("db-?",))
    assert routed(fits, Route("bo"), team="dba") == "ana"
    assert routed(replace(fits, checks=("web",)), Route("bo"), team="dba") == "bo"
