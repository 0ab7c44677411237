"""Scheduled jobs that report: in time, late, too early, failed, too long; through restarts and clock changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from opswatch.core.events import Acknowledge, NodeStarted, Pinged
from opswatch.core.heartbeats import rows, tail_of
from opswatch.core.plan import Heartbeat
from tests.story import Story, two_levels

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MONDAY = datetime(2026, 1, 5, 12, tzinfo=UTC)
SYNC = Heartbeat("sync", every=15 * MINUTE, grace=5 * MINUTE, service="orders")
BACKUP = Heartbeat("backup", cron="0 2 * * *", timezone="Europe/Berlin", grace=30 * MINUTE, service="orders")


def story(*beats: Heartbeat, starts: datetime = MONDAY) -> Story:
    told = Story(two_levels(heartbeats={one.id: one for one in beats}), starts=starts)
    told.starts()
    return told


def ping(told: Story, name: str = "sync", kind: str = "success", **more: object) -> None:
    told.apply(Pinged(name, kind, told.now, **more))  # type: ignore[arg-type]


def standing(told: Story) -> str:
    return rows(told.engine.plan, told.state, told.now)[0].state


def test_a_job_that_reports_in_time_pages_nobody():
    told = story(SYNC)
    for _ in range(20):
        told.passes(minutes=15)
        ping(told)
    assert told.paged() == []
    assert standing(told) == "ok"


def test_one_that_says_nothing_in_time_is_late_and_paged_for():
    told = story(SYNC)
    ping(told)
    told.passes(minutes=19, seconds=59)
    assert told.paged() == []
    told.passes(seconds=1)
    assert told.paged() == ["ana"]
    assert (
        told.incident().title
        == "sync is late: expected by 2026-01-05 12:15 UTC, the last success was 2026-01-05 12:00 UTC"
    )
    assert standing(told) == "late"
    told.acks("ana")
    ping(told)
    assert told.incident().status == "resolved"


def test_one_that_was_never_seen_is_waited_for_from_the_configuration():
    told = story(SYNC)
    assert standing(told) == "waiting"
    told.passes(minutes=20)
    assert told.paged() == ["ana"]
    assert told.incident().title.endswith("none was ever seen")


def test_a_failure_is_told_at_once_with_the_end_of_its_output():
    told = story(SYNC)
    ping(told, kind="fail", exit_code=3, text="copying\nno space left on device\n")
    assert told.paged() == ["ana"]
    alert = told.state.alerts["heartbeat/sync"]
    assert (alert.sentence, alert.evidence) == ("sync failed: exit code 3", ("copying", "no space left on device"))
    assert (alert.service, told.incident().service) == ("orders", "orders")
    ping(told, kind="fail", exit_code=4)
    assert told.state.alerts["heartbeat/sync"].sentence == "sync failed: exit code 4"
    ping(told)
    assert told.incident().status == "resolved"


def test_a_second_outage_is_a_new_episode():
    told = story(SYNC)
    ping(told, kind="fail")
    ping(told)
    ping(told, kind="fail")
    assert told.state.alerts["heartbeat/sync"].episode == 2


def test_a_run_that_is_not_over_in_time_is_told_of():
    told = story(replace(SYNC, every=DAY, lasts_max=10 * MINUTE))
    ping(told, kind="start", run="a")
    assert standing(told) == "running"
    told.passes(minutes=10)
    assert told.paged() == ["ana"]
    assert "longer than it may" in told.incident().title
    ping(told, run="a")
    assert (told.incident().status, standing(told)) == ("resolved", "ok")
    assert told.state.beats["sync"].took_s == 600


def test_runs_that_overlap_are_told_apart():
    told = story(replace(SYNC, every=DAY, lasts_max=HOUR))
    ping(told, kind="start", run="a")
    told.passes(minutes=30)
    ping(told, kind="start", run="b")
    ping(told, run="b")
    told.passes(minutes=30)
    assert told.paged() == ["ana"], "run a is still going"


def test_a_cron_job_counts_by_its_own_clock_and_over_a_change_of_it():
    told = story(BACKUP, starts=datetime(2026, 3, 28, 0, 50, tzinfo=UTC))  # 01:50 in Berlin
    told.passes(minutes=20)
    ping(told, "backup")
    (row,) = rows(told.engine.plan, told.state, told.now)
    assert row.expected_at == datetime(2026, 3, 29, 1, tzinfo=UTC), "02:00 does not exist that night: 03:00 does"
    told.passes(days=1, minutes=-5)
    ping(told, "backup")
    assert told.paged() == []
    assert rows(told.engine.plan, told.state, told.now)[0].expected_at == datetime(2026, 3, 30, 0, tzinfo=UTC)


def test_a_sign_a_little_early_counts_and_one_much_too_early_does_not():
    told = story(BACKUP, starts=datetime(2026, 1, 5, 0, 57, tzinfo=UTC))  # 01:57 in Berlin: three minutes early
    ping(told, "backup")
    told.passes(hours=2)
    assert told.paged() == []
    early = story(BACKUP, starts=datetime(2026, 1, 5, 0, 30, tzinfo=UTC))  # Half an hour: somebody tried it by hand.
    ping(early, "backup")
    early.passes(hours=2)
    assert early.paged()[:1] == ["ana"]


def test_our_own_downtime_gives_the_grace_once_more():
    told = story(SYNC)
    ping(told)
    told.now += 2 * HOUR  # Nobody ran meanwhile.
    told.apply(NodeStarted("here", down_since=MONDAY))
    told.passes(minutes=4)
    assert told.paged() == []
    told.passes(minutes=1)
    assert told.paged() == ["ana"]


def test_a_reload_resets_nothing_and_follows_another_schedule():
    told = story(SYNC)
    ping(told)
    told.passes(minutes=10)
    told.reloads(told.engine.plan)
    told.passes(minutes=10)
    assert told.paged() == ["ana"]
    slower = story(SYNC)
    ping(slower)
    slower.reloads(replace(slower.engine.plan, heartbeats={"sync": replace(SYNC, every=DAY)}))
    slower.passes(hours=12)
    assert slower.paged() == []


def test_one_that_is_taken_out_of_the_configuration_is_over():
    told = story(SYNC)
    ping(told, kind="fail")
    told.reloads(replace(told.engine.plan, heartbeats={}))
    assert (told.incident().status, told.state.beats) == ("resolved", {})


def test_a_sign_of_a_stranger_changes_nothing():
    told = story(SYNC)
    ping(told, "other", kind="fail")
    assert told.paged() == []


def test_a_log_line_is_kept_and_changes_no_state():
    told = story(SYNC)
    ping(told, kind="log", text="half way")
    assert told.state.beats["sync"].tail == ("half way",)
    assert standing(told) == "waiting"


def test_resolved_by_hand_while_late_it_opens_again():
    from opswatch.core.events import Resolve

    told = story(SYNC)
    told.passes(minutes=20)
    told.says(Resolve(1, by="ana"))
    told.paged()
    told.passes(minutes=11)
    assert told.incident().status == "triggered"
    assert told.says(Acknowledge(1, by="ana")).key == "acknowledged"


def test_output_is_bounded():
    tail = tail_of("\n".join(f"{number} {'x' * 1000}" for number in range(100)))
    assert (len(tail), tail[-1][:3], len(tail[-1])) == (20, "99 ", 300)
