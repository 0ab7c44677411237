"""The ladder: who is paged, when, why, and when it stops."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from opswatch.core.calendars import parse_window
from opswatch.core.effects import Done, Refuse
from opswatch.core.events import Escalate, Reassign, Resolve, SetPriority, Snooze, Tick, Unack
from opswatch.core.model import Health, PageReason, Priority, Role, Secret, Status
from opswatch.core.plan import Level, NotifyStep, Policy, Pool, PriorityRule, Roster, Route, When
from tests.story import MONDAY_3AM_BERLIN, MONDAY_NOON_BERLIN, Story, person, plan, roster, rules, two_levels

MINUTE = timedelta(minutes=1)


def test_an_unanswered_page_climbs_the_policy():
    story = Story(two_levels())
    story.fails("db")
    assert story.paged() == ["ana"]
    assert story.last_page().reason is PageReason.FIRST
    story.passes(minutes=5)
    assert story.paged() == ["bo"]
    assert story.last_page().reason is PageReason.UNANSWERED
    story.passes(minutes=10)
    assert story.paged() == ["lead"]


def test_a_page_id_names_its_rung():
    story = Story(two_levels(repeat=1))
    story.fails("db")
    story.passes(minutes=5)
    story.passes(minutes=10)
    assert [page.id for page in story.pages] == ["1/1/1/1/ana/1", "1/1/1/2/bo/1", "1/1/2/1/ana/1"]


def test_repeat_two_means_three_climbs_and_then_the_fallback_again_and_again():
    story = Story(two_levels(repeat=2, priorities={Priority.P1: PriorityRule(update_every=timedelta(minutes=30))}))
    story.fails("db")
    story.passes(minutes=45)
    assert story.paged() == ["ana", "bo", "ana", "bo", "ana", "bo", "lead"]
    assert story.last_page().reason is PageReason.UNANSWERED
    story.passes(hours=1)
    assert story.paged() == ["lead", "lead"]
    assert len({page.id for page in story.pages}) == len(story.pages)


def test_an_acknowledgement_stops_every_pending_page():
    story = Story(two_levels())
    story.fails("db")
    assert story.pending
    story.acks("ana")
    assert not story.pending
    story.passes(hours=20)
    assert story.paged() == ["ana"]


def test_personal_steps_go_on_after_the_next_level_starts():
    ana = replace(
        person("ana", "slack", "phone"), notify=rules(P1=(NotifyStep("slack"), NotifyStep("phone", 7 * MINUTE)))
    )
    story = Story(two_levels(people=(ana, person("bo"), person("lead", role=Role.ADMIN))))
    story.fails("db")
    story.passes(minutes=6)
    assert story.paged() == ["ana", "bo"]
    story.passes(minutes=1)
    assert story.paged() == ["ana"]
    assert story.last_page().contact == "phone"
    assert story.last_page().id == "1/1/1/1/ana/2"


def test_personal_steps_end_when_that_person_is_paged_anew():
    ana = replace(
        person("ana", "slack", "phone"), notify=rules(P1=(NotifyStep("slack"), NotifyStep("phone", 7 * MINUTE)))
    )
    levels = (Level(("person:ana",), 5 * MINUTE), Level(("person:ana",), 60 * MINUTE))
    story = Story(two_levels(levels=levels, people=(ana,)))
    story.fails("db")
    story.passes(minutes=11)
    assert [(page.contact, page.level) for page in story.pages] == [("slack", 1), ("slack", 2)]
    story.passes(minutes=1)
    assert [(page.contact, page.level) for page in story.pages][-1] == ("phone", 2)


def test_nobody_is_paged_twice_by_one_level():
    levels = (Level(("person:ana", "team:dba", "person:ana"), 5 * MINUTE),)
    people = (replace(person("ana"), team="dba"), replace(person("bo"), team="dba"))
    story = Story(two_levels(levels=levels, people=people))
    story.fails("db")
    assert story.paged() == ["ana", "bo"]


def test_a_level_whose_condition_fails_is_skipped():
    daytime = When((parse_window("mon-fri", "08:00", "20:00"),), "Europe/Berlin")
    levels = (Level(("person:ana",), 5 * MINUTE, daytime), Level(("person:bo",), 5 * MINUTE))
    night, noon = Story(two_levels(levels=levels)), Story(two_levels(levels=levels), MONDAY_NOON_BERLIN)
    night.fails("db")
    noon.fails("db")
    assert (night.paged(), noon.paged()) == (["bo"], ["ana"])
    assert "level_skipped" in night.kinds()


def test_when_no_level_may_be_entered_the_deadline_is_the_first_instant_one_may():
    daytime = When((parse_window("mon-fri", "08:00", "20:00"),), "Europe/Berlin")
    story = Story(two_levels(levels=(Level(("person:ana",), 5 * MINUTE, daytime),)))
    story.fails("db")
    assert story.paged() == []
    assert story.incident().wake_at == datetime.fromisoformat("2026-11-16T08:00:00+01:00")
    story.passes(hours=5)
    assert story.paged()[0] == "ana"
    assert story.pages[0].at == datetime.fromisoformat("2026-11-16T08:00:00+01:00")


def test_an_empty_level_is_passed_at_once():
    gap = Roster("primary", (), fallback=())
    levels = (Level(("roster:primary",), 5 * MINUTE), Level(("person:bo",), 5 * MINUTE))
    story = Story(two_levels(levels=levels, rosters={"primary": gap}))
    story.fails("db")
    assert story.paged() == ["bo"]
    assert "level_empty" in story.kinds()


def test_a_roster_in_a_gap_pages_its_fallback_in_its_place():
    gap = Roster("primary", (), fallback=("person:lead",))
    story = Story(two_levels(levels=(Level(("roster:primary",), 5 * MINUTE),), rosters={"primary": gap}))
    story.fails("db")
    assert story.paged() == ["lead"]


def test_the_roster_decides_at_the_instant_of_the_page():
    levels = (Level(("roster:primary",), 5 * MINUTE), Level(("roster:primary/next",), 5 * MINUTE))
    story = Story(two_levels(levels=levels, rosters={"primary": roster("ana", "bo")}), MONDAY_NOON_BERLIN)
    story.fails("db")
    story.passes(minutes=5)
    assert story.paged() == ["ana", "bo"]
    assert story.pages[0].roster == "primary"


def test_a_pool_is_paged_in_order_with_its_wait_between():
    pool = Pool("emergency", ("ana", "bo"), wait=3 * MINUTE)
    story = Story(two_levels(levels=(Level(("pool:emergency",), 15 * MINUTE),), pools={"emergency": pool}))
    story.fails("db")
    assert story.paged() == ["ana"]
    story.passes(minutes=3)
    assert story.paged() == ["bo"]


def test_p2_at_night_waits_for_the_persons_day_and_so_does_the_level():
    day = parse_window(None, "08:00", "22:00")
    people = tuple(replace(one, day=day, timezone="Europe/Berlin") for one in (person("ana"), person("bo")))
    story = Story(two_levels(people=people))
    story.cannot_tell("db")  # on_unknown is P2
    assert story.incident().priority is Priority.P2
    assert story.paged() == []
    story.passes(hours=4, minutes=59)
    assert story.paged() == []
    story.passes(minutes=1)
    assert story.paged() == ["ana"]
    story.passes(minutes=4)
    assert story.paged() == []
    story.passes(minutes=1)
    assert story.paged() == ["bo"]


def test_p2_reaches_somebody_whose_shift_has_windows_outside_their_day():
    night = replace(roster("ana").layers[0], windows=(parse_window(None, "22:00", "06:00"),), timezone="Europe/Berlin")
    ana = replace(person("ana"), day=parse_window(None, "10:00", "20:00"), timezone="Europe/Berlin")
    shifts = {"primary": Roster("primary", (night,), "Europe/Berlin")}
    story = Story(two_levels(people=(ana, person("bo")), rosters=shifts), MONDAY_3AM_BERLIN + timedelta(days=1))
    story.cannot_tell("db")
    assert story.paged() == ["ana"]


def test_p3_pages_nobody_and_is_in_the_next_digest():
    the_plan = two_levels()
    warn_only = {name: replace(check, priority={Health.WARN: Priority.P3}) for name, check in the_plan.checks.items()}
    digest = replace(the_plan.digest, cron="0 9 * * *", timezone="Europe/Berlin", to=("channel:ops",))
    story = Story(replace(the_plan, checks=warn_only, digest=digest))
    story.fails("db", health=Health.WARN)
    assert story.incident().wake_at == datetime.fromisoformat("2026-11-16T09:00:00+01:00")
    story.passes(hours=6)
    assert story.paged() == []
    assert [(one.event, one.facts) for one in story.announcements] == [("digest", {"incidents": [1]})]
    assert story.incident().wake_at == datetime.fromisoformat("2026-11-17T09:00:00+01:00")


def test_a_closed_way_falls_to_the_next_contact_at_once():
    people = (person("ana", "slack", "phone", "email"), person("bo"))
    story = Story(two_levels(people=people))
    story.fails("db")
    story.way_closes(story.last_page())
    assert (story.last_page().contact, story.last_page().reason) == ("phone", PageReason.DELIVERY_FAILED)
    assert story.last_page().id == "1/1/1/1/ana/1.1"
    story.way_closes(story.last_page())
    assert story.last_page().contact == "email"
    story.way_closes(story.last_page())
    assert story.paged()[-1] == "bo", "nobody of the level can be reached: the next level, at once"


def test_a_failed_way_of_an_answered_incident_pages_nobody():
    story = Story(two_levels(people=(person("ana", "slack", "phone"), person("bo"))))
    story.fails("db")
    page = story.last_page()
    story.acks("ana")
    story.paged()
    story.way_closes(page)
    assert story.incident().status is Status.ACKNOWLEDGED


def test_an_acknowledgement_is_asked_about_once_and_then_lapses():
    policy = Policy("standard", two_levels().policies["standard"].levels, ack_timeout={Priority.P1: timedelta(hours=2)})
    story = Story(two_levels(policies={"standard": policy}))
    story.fails("db")
    story.acks("ana")
    story.paged()
    story.passes(hours=2)
    assert (story.paged(), story.last_page().reason) == (["ana"], PageReason.REMINDER)
    story.passes(minutes=5)
    assert (story.paged(), story.last_page().reason) == (["ana"], PageReason.ACK_EXPIRED)
    assert story.incident().status is Status.TRIGGERED


def test_any_word_from_the_owner_means_still_on_it():
    from opswatch.core.events import Note

    policy = Policy("standard", two_levels().policies["standard"].levels, ack_timeout={Priority.P1: timedelta(hours=2)})
    story = Story(two_levels(policies={"standard": policy}))
    story.fails("db")
    story.acks("ana")
    story.passes(hours=1, minutes=59)
    story.says(Note(1, "restoring from the replica", by="ana"))
    story.passes(hours=1, minutes=59)
    assert story.paged() == ["ana"]


def test_escalating_by_hand_pages_the_next_level_now():
    story = Story(two_levels())
    story.fails("db")
    story.acks("ana")
    story.paged()
    story.says(Escalate(1, by="ana"))
    assert (story.paged(), story.last_page().reason) == (["bo"], PageReason.ESCALATED)
    assert story.incident().status is Status.TRIGGERED
    assert story.last_page().id == "1/2/1/2/bo/1"


def test_reassigning_pages_that_person_and_climbs_if_they_do_not_answer():
    story = Story(two_levels())
    story.fails("db")
    story.paged()
    story.says(Reassign(1, "person:bo", by="ana"))
    assert (story.paged(), story.last_page().reason) == (["bo"], PageReason.REASSIGNED)
    story.passes(minutes=5)
    assert story.paged() == ["ana"]


def test_escalating_what_interrupts_nobody_is_refused_instead_of_promising_pages_that_never_come():
    story = Story(two_levels())
    story.fails("db")
    story.says(SetPriority(1, Priority.P3, by="ana"))
    story.paged()
    answer = story.says(Escalate(1, by="ana"))
    assert (type(answer), answer.key) == (Refuse, "never_interrupts")
    assert (story.paged(), story.incident().priority) == ([], Priority.P3)


def test_reassigning_what_interrupts_nobody_starts_no_ladder():
    story = Story(two_levels())
    story.fails("db")
    story.says(SetPriority(1, Priority.P3, by="ana"))
    story.paged()
    story.says(Reassign(1, "person:bo", by="ana"))
    story.passes(hours=6)
    assert story.incident().owner == "bo"
    assert story.paged() == []
    assert not {"level_empty", "ladder_ended"} & set(story.kinds(1))


def test_reassigning_twice_pages_once():
    story = Story(two_levels())
    story.fails("db")
    story.paged()
    story.says(Reassign(1, "person:bo", by="ana"))
    assert isinstance(story.says(Reassign(1, "person:bo", by="ana")), Done)
    assert story.paged() == ["bo"]
    story.passes(minutes=5)
    story.paged()
    story.says(Reassign(1, "person:bo", by="ana"))  # They did not answer and the ladder goes on: now it is said anew.
    assert story.paged() == ["bo"]


def test_snoozing_stops_pages_until_it_ends():
    story = Story(two_levels())
    story.fails("db")
    story.says(Snooze(1, timedelta(hours=2), by="ana"))
    assert story.incident().status is Status.TRIGGERED
    story.paged()
    story.passes(hours=1, minutes=59)
    assert story.paged() == []
    story.passes(minutes=1)
    assert (story.paged(), story.last_page().reason) == (["ana"], PageReason.QUIET_ENDED)


def test_taking_an_acknowledgement_back_starts_the_ladder_anew():
    story = Story(two_levels())
    story.fails("db")
    story.acks("ana")
    story.paged()
    story.says(Unack(1, by="ana"))
    assert story.paged() == ["ana"]


def test_resolved_by_hand_while_it_fails_reopens_and_pages():
    story = Story(two_levels())
    story.fails("db")
    story.says(Resolve(1, by="ana"))
    story.paged()
    story.passes(minutes=9)
    assert story.incident().status is Status.RESOLVED
    story.passes(minutes=1)
    assert story.incident().status is Status.TRIGGERED
    assert (story.paged(), story.last_page().reason) == (["ana"], PageReason.QUIET_ENDED)


def test_resolved_by_hand_and_then_recovered_stays_resolved():
    story = Story(two_levels())
    story.fails("db")
    story.says(Resolve(1, by="ana"))
    story.recovers("db")
    story.passes(hours=2)
    assert story.incident().status is Status.RESOLVED
    assert story.paged() == ["ana"]
    story.passes(hours=23)
    assert story.state.incidents == {}


def test_a_rise_pages_those_already_paged_with_the_new_prioritys_steps():
    ana = replace(
        person("ana", "slack", "phone"),
        notify=rules(P1=(NotifyStep("slack"),), P0=(NotifyStep("phone"),)),
    )
    story = Story(two_levels(people=(ana, person("bo"))))
    story.fails("db")
    assert story.last_page().contact == "slack"
    story.says(SetPriority(1, Priority.P0, by="bo"))
    assert (story.last_page().contact, story.last_page().reason) == ("phone", PageReason.RAISED)


def test_a_rise_lets_go_whom_the_lower_priority_held_until_morning():
    bo = replace(person("bo"), day=parse_window(None, "08:00", "22:00"), timezone="Europe/Berlin")
    story = Story(two_levels(people=(person("ana"), bo, person("lead", role=Role.ADMIN))))
    story.cannot_tell("db")  # P2
    story.passes(minutes=5)
    assert story.paged() == ["ana"]  # Level 2 has begun, and waits for Bo's day.
    story.says(SetPriority(1, Priority.P0, by="ana"))
    assert story.paged() == ["ana", "bo"]


def test_a_rise_breaks_an_acknowledgement_and_pages_owner_and_level_one():
    story = Story(two_levels())
    story.fails("db")
    story.passes(minutes=5)
    story.acks("bo")
    story.paged()
    story.says(SetPriority(1, Priority.P0, by="ana"))
    assert story.incident().status is Status.TRIGGERED
    assert story.paged() == ["ana", "bo"]


def test_a_rise_ends_a_snooze_that_was_given_to_something_less_bad():
    story = Story(two_levels())
    story.fails("db")
    story.says(Snooze(1, timedelta(hours=2), by="ana"))
    story.paged()
    story.says(SetPriority(1, Priority.P0, by="bo"))
    assert story.paged() == ["ana"]
    assert story.incident().snoozed_until is None


def test_the_owners_own_change_never_breaks_their_acknowledgement():
    story = Story(two_levels())
    story.fails("db")
    story.acks("ana")
    story.says(SetPriority(1, Priority.P0, by="ana"))
    assert (story.incident().status, story.incident().priority) == (Status.ACKNOWLEDGED, Priority.P0)


def test_a_rise_under_another_route_starts_at_that_policys_first_level():
    policies = dict(two_levels().policies)
    policies["loud"] = Policy("loud", (Level(("person:lead",), 5 * MINUTE),))
    routes = (Route("loud", priorities=frozenset({Priority.P0})), Route("standard"))
    story = Story(two_levels(policies=policies, routes=routes))
    story.fails("db")
    story.paged()
    story.says(SetPriority(1, Priority.P0, by="bo"))
    assert story.paged() == ["lead"]


def test_lowering_by_hand_cancels_pages_the_new_priority_would_not_send():
    ana = replace(
        person("ana", "slack", "phone"), notify=rules(P1=(NotifyStep("slack"), NotifyStep("phone", 2 * MINUTE)))
    )
    story = Story(two_levels(people=(ana, person("bo"))))
    story.fails("db")
    story.says(SetPriority(1, Priority.P3, by="bo"))
    story.paged()
    story.passes(hours=3)
    assert story.paged() == []
    assert not story.pending


def test_lowering_by_hand_keeps_a_page_on_its_way_that_the_new_priority_sends_too():
    story = Story(two_levels())
    story.fails("db")
    story.says(SetPriority(1, Priority.P2, by="bo"))
    assert list(story.pending) == ["1/1/1/1/ana/1"]
    story.says(SetPriority(1, Priority.P3, by="bo"))
    assert not story.pending


def test_every_incident_keeps_a_deadline_for_ever():
    story = Story(two_levels(people=(person("ana", role=Role.ADMIN),), policies={}, routes=()))
    story.fails("db")
    story.acks("ana")
    for _ in range(5):
        story.passes(days=1)
        assert story.incident().wake_at > story.now


@pytest.mark.parametrize("minutes", [1, 4])
def test_a_reload_in_the_middle_of_a_wait_resets_nothing(minutes):
    story = Story(two_levels())
    story.fails("db")
    story.passes(minutes=minutes)
    story.reloads(two_levels())
    story.paged()
    story.passes(minutes=5 - minutes)
    assert story.paged() == ["bo"]


def test_a_removed_persons_turn_passes_to_the_next_target_at_once():
    story = Story(two_levels())
    story.fails("db")
    story.paged()
    story.reloads(two_levels(people=(person("bo"), person("lead", role=Role.ADMIN))))
    assert story.paged() == ["bo"]


def test_a_removed_policy_is_routed_again_at_level_one():
    story = Story(two_levels())
    story.fails("db")
    story.passes(minutes=5)
    story.paged()
    other = {"other": Policy("other", (Level(("person:lead",), 5 * MINUTE),))}
    story.reloads(two_levels(policies=other, routes=(Route("other"),)))
    assert story.paged() == ["lead"]


def test_a_late_wake_up_climbs_one_level_not_two():
    story = Story(two_levels())
    story.fails("db")
    story.paged()
    story.now += timedelta(hours=3)
    story.apply(Tick())
    assert story.paged() == ["bo"]


def test_somebody_without_a_contact_is_passed_over_and_named():
    nobody = replace(person("ana"), contacts={})
    story = Story(two_levels(people=(nobody, person("bo"))))
    story.fails("db")
    assert story.paged() == ["bo"]
    assert story.facts("unreachable_person")["person"] == "ana"


def test_a_secret_address_is_never_in_the_timeline():
    ana = replace(person("ana"), contacts={"webhook": Secret("https://hooks.example/s3cr3t")})
    story = Story(two_levels(people=(ana, person("bo"))))
    story.fails("db")
    assert "s3cr3t" not in repr(story.entries)


def test_the_channel_of_a_level_gets_one_card_that_changes():
    story = Story(two_levels(levels=(Level(("person:ana", "channel:ops"), 5 * MINUTE),)))
    story.fails("db")
    story.acks("ana")
    story.recovers("db")
    assert [one.event for one in story.announcements] == ["triggered", "acknowledged", "resolved"]
    assert [(one.person, one.event) for one in story.updates] == [("ana", "acknowledged"), ("ana", "resolved")]


def test_plan_helper_is_complete():
    assert plan(levels=(), people=()).services["orders"].tier == 2


def test_in_observe_mode_everything_is_decided_and_recorded_and_nothing_is_sent():
    story = Story(two_levels(mode="observe"))
    story.fails("db")
    story.passes(minutes=5)
    assert story.pages == []
    assert [entry.facts["person"] for entry in story.entries if entry.kind == "page_promised"] == ["ana", "bo"]
