"""Verdicts to alerts: confirm, recover, hysteresis, unknown, freshness, items, episodes, grouping."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from opswatch.core.effects import Recheck
from opswatch.core.events import Observed
from opswatch.core.model import Failure, Health, Priority, Role, Sample, Status, UnknownReason, Verdict
from opswatch.core.plan import Check, ClassifyRule, Limit, Plan
from tests.story import MONDAY_3AM_BERLIN, Story, person, two_levels


def with_check(the_plan: Plan, **changes: object) -> Plan:
    check = replace(the_plan.checks["db"], **changes)  # type: ignore[arg-type]
    return replace(the_plan, checks={**the_plan.checks, "db": check})


def careful(**changes: object) -> Story:
    return Story(with_check(two_levels(), **{"confirm": 3, "recover": 2, **changes}))


def test_three_bad_results_in_a_row_confirm():
    story = careful()
    story.fails("db")
    story.fails("db")
    assert story.paged() == []
    story.fails("db")
    assert story.paged() == ["ana"]


def test_one_good_result_ends_a_run_of_bad_ones():
    story = careful()
    story.fails("db")
    story.fails("db")
    story.recovers("db")
    story.fails("db")
    story.fails("db")
    assert story.paged() == []


def test_warn_and_crit_count_together_and_the_latest_wins():
    story = careful()
    story.fails("db", health=Health.WARN)
    story.fails("db", health=Health.WARN)
    story.fails("db", health=Health.CRIT)
    assert story.state.alerts["db/db-1"].health is Health.CRIT


def test_unknown_counts_apart_and_does_not_hide_what_was_bad():
    story = careful()
    story.fails("db")
    story.fails("db")
    story.cannot_tell("db")
    assert story.paged() == []
    story.fails("db")
    assert story.paged() == ["ana"]


def test_unknown_never_means_recovered():
    story = careful()
    for _ in range(3):
        story.fails("db")
    for _ in range(10):
        story.cannot_tell("db")
    alert = story.state.alerts["db/db-1"]
    assert (alert.health, alert.reason) == (Health.UNKNOWN, UnknownReason.TIMEOUT)
    assert story.incident().status is Status.TRIGGERED
    assert story.incident().priority is Priority.P1, "while it lives the priority only rises"


def test_two_good_results_recover_and_the_incident_resolves():
    story = careful()
    for _ in range(3):
        story.fails("db")
    story.recovers("db")
    assert story.incident().status is Status.TRIGGERED
    story.recovers("db")
    assert story.incident().status is Status.RESOLVED
    assert [update.event for update in story.updates] == ["resolved"]


def test_a_late_result_never_moves_the_state_backwards():
    story = Story(two_levels())
    story.fails("db")
    story.looks("db", at=MONDAY_3AM_BERLIN - timedelta(minutes=1))
    assert story.incident().status is Status.TRIGGERED


def test_a_second_outage_is_a_new_episode_and_a_new_incident():
    story = Story(two_levels())
    story.fails("db")
    story.recovers("db")
    story.fails("db")
    assert story.state.alerts["db/db-1"].episode == 2
    assert story.paged() == ["ana", "ana"]
    assert story.incident(2).status is Status.TRIGGERED


def test_limits_turn_samples_into_health_with_a_gap():
    story = Story(with_check(two_levels(), limits={"used_pct": Limit("> 80", "> 90", 3)}))
    story.looks("db", used_pct=91)
    assert story.state.alerts["db/db-1"].health is Health.CRIT
    story.looks("db", used_pct=88)
    assert story.state.alerts["db/db-1"].health is Health.CRIT
    story.looks("db", used_pct=86)
    assert story.state.alerts["db/db-1"].health is Health.WARN
    story.looks("db", used_pct=78)
    assert story.state.alerts["db/db-1"].health is Health.WARN
    story.looks("db", used_pct=77)
    assert story.state.alerts == {}


def mounts(at, **used: float) -> Observed:
    samples = tuple(Sample("used_pct", value, "%", item) for item, value in used.items())
    return Observed("db", "db-1", Verdict(at=at, sentence="mounts", samples=samples))


def test_each_item_has_its_own_alert():
    story = Story(with_check(two_levels(), limits={"used_pct": Limit(crit="> 90")}))
    story.apply(mounts(story.now, root=95, home=10))
    assert set(story.state.alerts) == {"db/db-1/root"}
    story.apply(mounts(story.now + timedelta(seconds=1), root=95, home=99))
    assert set(story.state.alerts) == {"db/db-1/root", "db/db-1/home"}
    assert story.incident().alerts == ("db/db-1/root", "db/db-1/home")


def test_an_item_that_is_gone_counts_as_good_and_one_that_cannot_be_seen_does_not():
    story = Story(with_check(two_levels(), limits={"used_pct": Limit(crit="> 90")}))
    story.apply(mounts(story.now, root=95, home=99))
    hung = (Failure("/home does not answer", Health.UNKNOWN, "home"),)
    story.apply(Observed("db", "db-1", Verdict(story.now + timedelta(seconds=1), "mounts", failures=hung)))
    assert {key: alert.health for key, alert in story.state.alerts.items()} == {"db/db-1/home": Health.UNKNOWN}


def test_a_verdict_that_cannot_tell_says_nothing_about_items():
    story = Story(with_check(two_levels(), limits={"used_pct": Limit(crit="> 90")}))
    story.apply(mounts(story.now, root=95))
    story.cannot_tell("db")
    assert story.state.alerts["db/db-1/root"].health is Health.CRIT
    assert story.state.alerts["db/db-1"].health is Health.UNKNOWN


def test_a_server_that_is_down_does_not_make_its_items_good():
    story = Story(with_check(two_levels(), limits={"used_pct": Limit(crit="> 90")}))
    story.apply(mounts(story.now, root=95))
    story.fails("db")
    assert set(story.state.alerts) == {"db/db-1", "db/db-1/root"}
    story.apply(mounts(story.now + timedelta(seconds=1), root=10))
    assert story.state.alerts == {}


def test_while_confirming_it_looks_again_after_retry():
    story = careful(retry=timedelta(seconds=20))
    story.now += timedelta(seconds=1)
    effects = story.looks("db", failures=(Failure("down"),))
    assert [effect.at - story.now for effect in effects if isinstance(effect, Recheck)] == [timedelta(seconds=20)]


# ---------------------------------------------------------------------------------------------------------------------
# Freshness


def silent(**changes: object) -> Story:
    check = {"every": timedelta(minutes=1), "targets": ("db-1",), **changes}
    the_plan = with_check(two_levels(), **check)
    return Story(replace(the_plan, checks={"db": the_plan.checks["db"]}))


def test_a_check_that_does_not_report_for_three_intervals_is_unknown():
    story = silent()
    story.starts()
    story.recovers("db")
    story.passes(minutes=2, seconds=59)
    assert story.state.alerts == {}
    story.passes(seconds=2)
    alert = story.state.alerts["db/db-1"]
    assert (alert.health, alert.reason) == (Health.UNKNOWN, UnknownReason.NO_DATA)
    assert story.incident().priority is Priority.P2


def test_freshness_counts_from_the_start_of_the_node_not_from_before_our_own_downtime():
    story = silent()
    story.starts()
    story.recovers("db")
    story.now += timedelta(hours=5)
    story.starts()
    story.passes(minutes=2, seconds=50)
    assert story.state.alerts == {}


def test_a_cron_check_is_silent_ten_minutes_after_its_due_time_and_limit():
    story = silent(every=None, cron="0 4 * * *", timezone="Europe/Berlin", timeout=timedelta(minutes=1))
    story.starts()
    story.passes(hours=1, minutes=10, seconds=59)
    assert story.state.alerts == {}
    story.passes(minutes=10)
    assert story.state.alerts["db/db-1"].reason is UnknownReason.NO_DATA


def test_a_silent_check_that_reports_again_recovers():
    story = silent(recover=1)
    story.starts()
    story.passes(minutes=4)
    assert story.state.alerts
    story.recovers("db")
    assert story.state.alerts == {}
    story.passes(minutes=2)
    assert story.state.alerts == {}


# ---------------------------------------------------------------------------------------------------------------------
# Priority and grouping


def test_half_of_a_critical_services_targets_make_it_p0():
    the_plan = two_levels()
    story = Story(replace(the_plan, services={"orders": replace(the_plan.services["orders"], tier=1)}))
    story.fails("db", "db-1")
    assert story.incident().priority is Priority.P0
    assert story.incident().why == "P0 because: crit, tier 1 service orders, 1 of 2 targets failing"


def test_a_rule_wins_over_the_checks_own_word():
    rule = ClassifyRule(Priority.P0, 1, states=frozenset({Health.CRIT}), checks=("d*",))
    story = Story(replace(with_check(two_levels(), priority={Health.CRIT: Priority.P2}), classify=(rule,)))
    story.fails("db")
    assert (story.incident().priority, story.incident().why[:17]) == (Priority.P0, "P0 because: rule ")


def test_an_alert_that_lasts_rises_by_itself():
    rule = ClassifyRule(Priority.P0, 1, lasting=timedelta(minutes=30))
    story = Story(replace(two_levels(), classify=(rule,)))
    story.fails("db")
    story.acks("ana")
    story.paged()
    story.passes(minutes=29)
    assert story.paged() == []
    story.passes(minutes=1)
    assert story.incident().priority is Priority.P0
    assert story.paged() == ["ana"], "the rise broke the acknowledgement: owner and level 1"


def test_alerts_of_one_service_share_an_incident_and_joining_pages_nobody():
    story = Story(two_levels())
    story.fails("db", "db-1")
    story.fails("db", "db-2")
    story.fails("web", "db-1")
    assert story.paged() == ["ana"]
    assert story.incident().alerts == ("db/db-1", "db/db-2", "web/db-1")


def test_a_join_on_an_acknowledged_incident_sends_its_owner_one_message():
    story = Story(two_levels())
    story.fails("db", "db-1")
    story.acks("ana")
    story.updates.clear()
    story.fails("db", "db-2")
    assert [(update.person, update.event) for update in story.updates] == [("ana", "joined")]
    assert story.paged() == ["ana"]


def test_an_alert_after_the_window_opens_its_own_incident():
    story = Story(two_levels())
    story.fails("db", "db-1")
    story.acks("ana")
    story.passes(minutes=31)
    story.fails("db", "db-2")
    assert story.incident(2).alerts == ("db/db-2",)


def test_what_belongs_to_no_service_is_not_lumped_together():
    the_plan = two_levels()
    bare = {name: replace(target, service=None) for name, target in the_plan.targets.items()}
    story = Story(replace(the_plan, targets=bare))
    story.fails("db", "db-1")
    story.fails("db", "db-2")
    assert len(story.state.incidents) == 2


def test_an_incident_resolves_when_its_last_alert_recovers():
    story = Story(two_levels())
    story.fails("db", "db-1")
    story.fails("db", "db-2")
    story.recovers("db", "db-1")
    assert story.incident().status is Status.TRIGGERED
    story.recovers("db", "db-2")
    assert story.incident().status is Status.RESOLVED


def test_a_check_that_left_the_plan_closes_its_incident_and_says_so():
    story = Story(two_levels())
    story.fails("db")
    story.reloads(replace(two_levels(), checks={"web": two_levels().checks["web"]}))
    assert story.incident().status is Status.RESOLVED
    assert "check_removed" in story.kinds()


def test_somebody_unknown_to_the_plan_cannot_act():
    story = Story(two_levels(people=(person("ana"), person("vi", role=Role.VIEWER))))
    story.fails("db")
    assert story.acks("mallory").key == "unknown_person"
    assert story.acks("vi").key == "viewer_refused"
    assert Check("x", "disk", ()).confirm == 3


def test_the_broken_limit_is_the_first_line_of_evidence():
    story = Story(with_check(two_levels(), limits={"used_pct": Limit("> 80", "> 90", 3)}))
    story.looks("db", used_pct=93.14)
    assert story.state.alerts["db/db-1"].evidence == ("used_pct 93.14: crit at > 90, clears 3 past it",)
