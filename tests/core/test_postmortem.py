"""What a post-mortem knows by itself, and what a hand-over says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opswatch.core import handover, postmortem
from opswatch.core.events import (
    Acknowledge,
    AddOverride,
    AddRisk,
    AddSilence,
    MessageSent,
    Note,
    Open,
    Reassign,
    Resolve,
    SendFailed,
    Snooze,
)
from opswatch.core.model import Health, Priority
from opswatch.core.plan import Limit, Maintenance
from opswatch.core.postmortem import PostMortem, Value
from tests.story import MONDAY_NOON_BERLIN, Story, roster, two_levels

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def arrives(story: Story) -> None:
    page = story.last_page()
    story.apply(MessageSent(page.id, page.incident, "page", page.person, page.contact, 1.5))


def written(story: Story, values: tuple[Value, ...] = ()) -> PostMortem:
    own = [entry for entry in story.entries if entry.incident == 1]
    fired = [entry for entry in story.entries if entry.kind == "alert_fired"]
    incident, paper = story.incident(), story.state.papers.get(1)
    return postmortem.post_mortem(incident, paper, own, story.engine.plan, fired=fired, values=values)


def a_night(**check: object) -> Story:
    """Ana sleeps, Bo takes it after six minutes; one of Ana's ways is closed."""
    base = two_levels()
    checks = {**base.checks, "db": replace(base.checks["db"], priority={Health.CRIT: Priority.P1}, **check)}  # type: ignore[arg-type]
    story = Story(replace(base, checks=checks))
    story.fails("db")
    page = story.last_page()
    story.apply(SendFailed(page.id, 1, "page", "ana", "webhook", "user_not_found", True, page=page))
    arrives(story)
    story.passes(minutes=6)
    story.acks("bo")
    story.says(Note(1, "restarted the pool", by="bo"))
    story.fails("web", "db-2")
    story.passes(minutes=3)
    story.recovers("db")
    story.recovers("web", "db-2")
    return story


def test_it_tells_who_did_what_and_how_fast():
    ana, bo = written(a_night()).responders
    assert (ana.person, ana.did, ana.pages, ana.answered_after) == ("ana", (), 1, None)
    assert (bo.did, bo.pages) == (("acknowledged", "noted"), 1)
    assert bo.answered_after is not None
    assert bo.answered_after < 7 * MINUTE


def test_it_tells_what_became_of_each_page():
    first, second = written(a_night()).pages
    assert (first.person, first.outcome, first.detail, first.is_answered) == (
        "ana",
        "failed",
        "user_not_found",
        False,
    )
    assert (second.person, second.outcome, second.after, second.is_answered) == (
        "bo",
        "delivered",
        timedelta(seconds=1.5),
        True,
    )


def test_a_page_of_which_nothing_is_known_when_it_was_taken_was_overtaken():
    story = Story(two_levels())
    story.says(Open("checkout fails", "orders", Priority.P1, by="bo"))
    story.says(Acknowledge(1, by="bo"))
    story.says(Resolve(1, by="bo"))
    found = written(story)
    assert [page.outcome for page in found.pages] == ["overtaken"]
    assert (found.detection.check, found.detection.reported_by, found.detection.after) == (None, "bo", None)
    assert found.responders[0].did == ("opened", "acknowledged", "resolved")


def test_it_lists_every_failure_that_was_part_of_it():
    assert written(a_night()).alerts == ("db/db-1", "web/db-2")


def at(story: Story, minutes: float, value: float, item: str = "") -> Value:
    opened = next(entry.at for entry in story.entries if entry.kind == "triggered")
    return Value(opened + minutes * MINUTE, "used_pct", value, "%", item)


def test_it_began_with_the_first_bad_value_of_the_run_that_led_to_it():
    story = a_night(limits={"used_pct": Limit("> 80", "> 90")})
    numbers = ((-9, 95), (-8, 60), (-3, 85), (-2, 92), (0, 93), (2, 50))
    values = tuple(at(story, minutes, value) for minutes, value in numbers)
    seen = written(story, values).detection
    assert (seen.check, seen.target, seen.after, seen.is_estimate) == ("db", "db-1", 3 * MINUTE, False)


def test_without_values_that_explain_it_the_beginning_is_counted_back_from_the_confirmation():
    story = a_night(retry=MINUTE)
    assert (written(story).detection.after, written(story).detection.is_estimate) == (timedelta(0), False)
    checks = {**story.engine.plan.checks, "db": replace(story.engine.plan.checks["db"], confirm=3)}
    story.engine.plan = replace(story.engine.plan, checks=checks)
    assert (written(story).detection.after, written(story).detection.is_estimate) == (2 * MINUTE, True)


def test_values_around_it_are_summed_up_with_the_worst_by_the_side_of_the_limit():
    story = a_night(limits={"used_pct": Limit("< 20", "< 10")})
    numbers = ((-9, 60), (-1, 8), (0, 5), (3, 70))
    took = tuple(Value(story.now, "took_s", 1.0, "s") for _ in range(3))
    (series,) = written(story, (*(at(story, minutes, value) for minutes, value in numbers), *took)).series
    assert (series.before, series.at_detection, series.worst, series.last, series.limit) == (60, 5, 5, 70, "< 10")
    assert series.values == (60, 8, 5, 70)


@pytest.mark.parametrize("count", [1, 40, 41, 1000])
def test_a_thinned_series_keeps_its_peak(count):
    numbers = [0.0] * count
    numbers[count // 2] = 9.0
    thin = postmortem.thinned(numbers, 40)
    assert len(thin) == min(count, 40)
    assert max(thin) == 9.0


# ---------------------------------------------------------------------------------------------------------------------
# Handing over


def a_team(**more: object) -> Story:
    """Ana has the week from Monday nine in Berlin, Bo the next one."""
    return Story(two_levels(rosters={"primary": roster("ana", "bo")}, **more), MONDAY_NOON_BERLIN)


def handed(story: Story) -> handover.HandOver:
    engine, state = story.engine, story.state
    handing = handover.handing_now(engine.rosters, engine.plan, state.overrides.values(), "primary", story.now)
    return handover.hand_over(
        handing,
        engine.plan,
        story.now,
        incidents=state.incidents.values(),
        silences=state.silences.values(),
        overrides=state.overrides.values(),
        risks=state.risks.values(),
        papers=state.papers.values(),
        paused_until=state.standing.paused_until,
    )


def test_a_calm_shift_hands_over_nothing():
    found = handed(a_team())
    assert found.is_calm
    assert (found.handing.people, found.handing.to) == (("ana",), ("bo",))


def test_each_open_incident_says_what_happens_to_it_next():
    story = a_team()
    for title in ("climbs", "taken", "snoozed", "promised", "low"):
        story.says(Open(title, priority=Priority.P3 if title == "low" else Priority.P1, by="ana"))
    story.says(Acknowledge(2, by="ana"))
    story.says(Snooze(3, HOUR, by="ana"))
    story.says(Reassign(4, "person:bo", story.now + 48 * HOUR, by="ana"))
    steps = {item.incident.title: (item.step, item.at) for item in handed(story).items}
    assert steps["climbs"] == ("climbs", story.now + 5 * MINUTE)
    assert steps["taken"] == ("owned", None)
    assert steps["snoozed"] == ("snoozed", story.now + HOUR)
    assert steps["promised"] == ("promised", story.now + 48 * HOUR)
    assert steps["low"][0] == "digest"


def test_only_what_ends_or_is_due_soon_is_handed_over():
    story = a_team()
    for hours in (2, 30):
        story.says(AddSilence((("service", "=", "orders"),), story.now + hours * HOUR, "so", by="lead"))
    for days in (3, 30):
        story.says(AddRisk(f"in {days}", due=(story.now + timedelta(days=days)).date(), by="ana"))
    story.says(Open("x", "orders", Priority.P1, by="ana"))
    story.says(Resolve(1, by="ana"))
    found = handed(story)
    assert [silence.id for silence in found.silences] == [1]
    assert [risk.title for risk in found.risks] == ["in 3"]
    assert [paper.incident for paper in found.papers] == [1]


def test_maintenance_of_the_next_day_and_overrides_of_the_coming_shift_are_named():
    once = Maintenance("move", {}, "data centre", "ana", start=MONDAY_NOON_BERLIN - HOUR, end=MONDAY_NOON_BERLIN + HOUR)
    nightly = Maintenance("batch", {}, "batch", "bo", "UTC", cron="0 2 * * *", lasts=HOUR)
    later = replace(once, id="later", start=MONDAY_NOON_BERLIN + 30 * HOUR, end=MONDAY_NOON_BERLIN + 31 * HOUR)
    story = a_team(maintenance=(once, nightly, later))
    assert [(planned.window.id, planned.start.hour) for planned in handed(story).planned] == [
        ("move", 10),
        ("batch", 2),
    ]
    story.says(AddOverride("primary", story.now + HOUR, story.now + 2 * HOUR, add="bo", by="bo"))
    assert [override.id for override in handed(story).overrides] == [1]


def test_a_shift_is_handed_over_where_other_people_come_on_call():
    story = a_team()
    story.says(AddOverride("primary", story.now + HOUR, story.now + 2 * HOUR, remove="ana", add="bo", by="bo"))
    engine = story.engine
    found = handover.handings(
        engine.rosters, engine.plan, story.state.overrides.values(), story.now, story.now + timedelta(days=8)
    )
    assert [(one.people, one.to) for one in found] == [(("ana",), ("bo",)), (("bo",), ("ana",)), (("ana",), ("bo",))]
    assert found[-1].at == datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert found[-1].name == "2026-11-23-primary-0900"
