"""Reserves: who of a pool is asked when, who has come, and when nobody is asked any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from opswatch.core.effects import Done, Refuse
from opswatch.core.events import Accept, Acknowledge, Decline, Reopen, Resolve, SetPriority, Snooze
from opswatch.core.model import PageReason, Priority, Role, Status
from opswatch.core.plan import Level, NotifyStep, Plan, Pool
from tests.story import Story, person, rules, two_levels

MINUTE = timedelta(minutes=1)


def with_reserves(*names: str, need: int = 1, wait: timedelta = 3 * MINUTE, ana: bool = True) -> Plan:
    """Ana and a pool on the first level, for a quarter of an hour; then the lead."""
    people = (*(person(name) for name in ("ana", *names)), person("lead", role=Role.ADMIN))
    page = ("person:ana", "pool:emergency") if ana else ("pool:emergency",)
    levels = (Level((*page, "channel:ops"), 15 * MINUTE),)
    return two_levels(levels=levels, people=people, pools={"emergency": Pool("emergency", names, need, wait)})


def called(*names: str, need: int = 1, ana: bool = True) -> Story:
    story = Story(with_reserves(*names, need=need, ana=ana))
    story.fails("db")
    return story


def test_reserves_are_paged_in_order_and_wait_apart_until_enough_have_accepted():
    story = called("bo", "cy", "di", "eve", need=2)
    assert story.paged() == ["ana", "bo"]
    story.passes(minutes=3)
    assert story.paged() == ["cy"]
    assert story.says(Accept(1, by="bo")).facts | {} == {
        "incident": 1,
        "pool": "emergency",
        "count": 1,
        "need": 2,
        "nobody": True,
    }
    story.passes(minutes=3)
    assert story.paged() == ["di"]
    story.says(Accept(1, by="cy"))
    story.passes(minutes=8)
    assert story.paged() == []
    assert story.facts("accepted") == {"door": "cli", "enough": True, "pool": "emergency", "count": 2, "need": 2}


def test_an_acknowledgement_stops_everybody_but_the_reserves():
    story = called("bo", "cy", "di", need=2)
    story.acks("ana")
    assert [page.person for page in story.pending.values()] == ["bo"]
    story.paged()
    story.passes(minutes=3)
    assert story.paged() == ["cy"]
    story.passes(minutes=3)
    assert story.paged() == ["di"]
    assert story.incident().status is Status.ACKNOWLEDGED


def test_a_reserve_who_takes_the_incident_counts_as_having_accepted():
    story = called("bo", "cy")
    story.acks("bo")
    assert story.incident().pools[0].accepted == ("bo",)
    story.paged()
    story.passes(minutes=10)
    assert story.paged() == []


def test_each_who_accepts_is_told_to_the_owner_and_to_the_card():
    story = called("bo", "cy", need=2)
    story.acks("ana")
    story.says(Accept(1, by="bo"))
    story.says(Accept(1, by="cy"))
    told = [(one.person, one.event, one.facts["by"], one.facts["count"]) for one in story.notices]
    assert told == [("ana", "accepted", "bo", 1), ("ana", "accepted", "cy", 2)]
    assert [one.facts["count"] for one in story.announcements if one.event == "accepted"] == [1, 2]


def test_accepting_twice_is_accepting_once():
    story = called("bo", "cy", need=2)
    story.says(Accept(1, by="bo"))
    before = story.incident()
    again = story.says(Accept(1, by="bo"))
    assert (type(again), again.key) == (Done, "accepted_already")
    assert story.incident() == before


def test_accepting_takes_nothing_from_whoever_has_it_and_nothing_rings_for_them_any_more():
    bo = replace(person("bo", "slack", "phone"), notify=rules(P1=(NotifyStep("slack"), NotifyStep("phone", MINUTE))))
    plan = with_reserves("bo", "cy")
    story = Story(replace(plan, people={**plan.people, "bo": bo}))
    story.fails("db")
    story.says(Accept(1, by="bo"))
    assert (story.incident().status, story.incident().owner) == (Status.TRIGGERED, None)
    story.paged()
    story.passes(minutes=14)
    assert story.paged() == []
    story.passes(minutes=1)
    assert story.paged() == ["lead"], "the ladder goes on: nobody has taken it"


def test_who_declines_is_followed_by_the_next_at_once():
    story = called("bo", "cy", "di")
    story.paged()
    story.says(Decline(1, by="bo"))
    assert story.paged() == ["cy"]
    story.passes(minutes=3)
    assert story.paged() == ["di"]


def test_who_declines_before_their_turn_is_left_out_and_nobody_waits_for_them():
    story = called("bo", "cy", "di")
    story.paged()
    story.says(Decline(1, by="cy"))
    assert story.paged() == []
    story.passes(minutes=3)
    assert story.paged() == ["di"]


def test_who_takes_an_acceptance_back_has_the_others_asked_anew():
    story = called("bo", "cy", "di")
    story.acks("ana")
    story.says(Accept(1, by="bo"))
    story.paged()
    story.says(Decline(1, by="bo"))
    assert story.paged() == ["cy"]
    story.passes(minutes=3)
    assert story.paged() == ["di"]
    story.says(Accept(1, by="bo"))
    assert story.incident().pools[0].accepted == ("bo",)


def test_declining_twice_is_declining_once():
    story = called("bo", "cy")
    story.says(Decline(1, by="bo"))
    assert story.says(Decline(1, by="bo")).key == "declined_already"
    assert story.kinds(1).count("declined") == 1


def test_a_pool_of_which_nobody_is_left_to_ask_says_so_to_the_owner():
    story = called("bo", "cy", need=2)
    story.acks("ana")
    story.says(Accept(1, by="cy"))
    story.passes(minutes=5, seconds=59)
    assert "pool_exhausted" not in story.kinds(1)
    story.passes(seconds=1)
    assert story.facts("pool_exhausted") == {"pool": "emergency", "count": 1, "need": 2}
    assert story.notices[-1].event == "pool_exhausted"
    story.passes(hours=3)
    assert story.kinds(1).count("pool_exhausted") == 1


def test_when_all_have_declined_the_next_level_is_entered_at_its_time_and_nobody_is_asked_again():
    story = called("bo", "cy", ana=False)
    for name in ("bo", "cy"):
        story.says(Decline(1, by=name))
    assert "pool_exhausted" in story.kinds(1)
    story.paged()
    story.passes(minutes=15)
    assert story.paged() == ["lead"]


def test_any_reserve_may_come_before_being_asked():
    plan = with_reserves("bo", "cy")
    first = Level(("person:ana",), 5 * MINUTE)
    policies = {"standard": replace(plan.policies["standard"], levels=(first, Level(("pool:emergency",), 9 * MINUTE)))}
    story = Story(replace(plan, policies=policies))
    story.fails("db")
    story.says(Accept(1, by="cy"))
    story.paged()
    story.passes(minutes=5)
    assert story.paged() == ["cy"], "enough have come: only who came is paged, since nobody has the incident"


def test_who_is_in_no_pool_is_told_what_to_say_instead():
    story = called("bo")
    answer = story.says(Accept(1, by="ana"))
    assert (type(answer), answer.key, answer.facts["known"]) == (Refuse, "no_reserve", "bo")


def test_resolving_ends_the_call_and_reopening_begins_a_new_one():
    story = called("bo", "cy", need=2)
    story.says(Accept(1, by="bo"))
    story.says(Resolve(1, by="ana"))
    assert not story.pending
    story.paged()
    story.passes(minutes=9)
    assert story.paged() == []
    story.says(Reopen(1, by="ana"))
    assert story.paged() == ["ana", "bo"]
    assert story.incident().pools[0].accepted == ()


def test_a_snooze_stops_the_reserves_too():
    story = called("bo", "cy")
    story.says(Snooze(1, timedelta(hours=1), by="ana"))
    story.paged()
    story.passes(minutes=59)
    assert story.paged() == []
    story.passes(minutes=1)
    assert story.paged() == ["ana", "bo"]


def test_what_interrupts_nobody_any_more_asks_no_reserves():
    story = called("bo", "cy")
    story.acks("ana")
    story.says(SetPriority(1, Priority.P3, by="ana"))
    story.paged()
    story.passes(minutes=20)
    assert story.paged() == []


def test_what_becomes_more_urgent_gives_everybody_their_time_anew():
    story = called("bo", "cy", "di")
    story.passes(minutes=5)
    story.says(SetPriority(1, Priority.P0, by="lead"))
    assert story.pages[-1].reason is PageReason.RAISED
    asked_last = max(step.at for step in story.incident().steps if step.person == "di")
    story.passes(seconds=(asked_last - story.now).total_seconds())
    assert story.pages[-1].person == "di" and "pool_exhausted" not in story.kinds()
    story.passes(minutes=3)
    assert "pool_exhausted" in story.kinds()


def test_a_reload_in_the_middle_of_a_call_resets_nothing_and_follows_the_new_need():
    story = called("bo", "cy", "di")
    story.acks("ana")
    story.says(Accept(1, by="bo"))
    story.paged()
    story.reloads(with_reserves("bo", "cy", "di", need=2))
    assert story.incident().pools[0].accepted == ("bo",)
    story.says(Decline(1, by="bo"))
    assert story.paged() == ["cy"]
    story.reloads(replace(with_reserves("bo", "cy", "di"), pools={}))
    story.passes(minutes=9)
    assert story.paged() == [], "the pool is gone: nobody of it is waited for"


def test_a_reserve_whose_way_is_closed_is_reached_by_the_next_way_after_an_acknowledgement_too():
    plan = with_reserves("bo", "cy")
    story = Story(replace(plan, people={**plan.people, "bo": person("bo", "slack", "phone")}))
    story.fails("db")
    page = story.last_page()
    story.acks("ana")
    story.paged()
    story.way_closes(page)
    assert (story.paged(), story.last_page().contact) == (["bo"], "phone")


def test_the_acknowledgement_of_somebody_else_is_not_a_reserves():
    story = called("bo", "cy")
    story.says(Acknowledge(1, by="lead"))
    assert story.incident().pools[0].accepted == ()
