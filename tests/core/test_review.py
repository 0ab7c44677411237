"""The rotation review: whose sleep it cost, what was noise, what is proposed, what may come."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from opswatch.core.dutycase import Case
from opswatch.core.effects import Entry
from opswatch.core.events import Note, Resolve, SetPriority
from opswatch.core.load import Hours
from opswatch.core.model import Priority
from opswatch.core.noise import Proposal, Tag, noisiest, tag_in, told
from opswatch.core.plan import Check, DayCalendar, Layer, Limit, Plan, PriorityRule, Roster, Window
from opswatch.core.review import Facts, Overdue, name_of, review, span_of, spans_before
from opswatch.core.roster import Rosters
from opswatch.core.speed import speed
from opswatch.core.staffing import outlook
from opswatch.core.state import Held, Silence
from tests.story import Story, person, two_levels

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)


# ---------------------------------------------------------------------------------------------------------------------
# Spans


def test_a_week_begins_on_monday_where_the_plan_lives():
    start, end = span_of("week", datetime(2026, 11, 15, 16, 30, tzinfo=UTC), "Asia/Shanghai")
    assert (start, end) == (MONDAY - 8 * HOUR, MONDAY + 7 * DAY - 8 * HOUR)
    assert name_of("week", start, "Asia/Shanghai") == "2026-W47"


def test_the_week_in_which_clocks_change_is_an_hour_longer():
    start, end = span_of("week", datetime(2026, 10, 21, tzinfo=UTC), "Europe/Berlin")
    assert end - start == 7 * DAY + HOUR


def test_a_month_is_a_local_month_and_is_compared_with_three():
    start, end = span_of("month", datetime(2026, 2, 28, 23, 30, tzinfo=UTC), "Europe/Berlin")
    assert (start, end) == (datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC))
    names = [name_of("month", one, "Europe/Berlin") for one, _ in spans_before("month", start, "Europe/Berlin")]
    assert names == ["2025-12", "2026-01", "2026-02"]


def test_other_spans_are_refused_with_words():
    with pytest.raises(ValueError, match="'day' is no span of a review: write 'week' or 'month'"):
        span_of("day", MONDAY, "UTC")


@pytest.mark.parametrize(
    ("minutes", "median", "p90"),
    [([4], 4, 4), ([1, 3], 2, 3), ([1, 2, 9], 2, 9), (range(1, 11), 5.5, 9), (range(1, 12), 6, 10)],
)
def test_median_and_nine_of_ten(minutes: list[int], median: float, p90: int):
    found = speed([MINUTE * one for one in minutes], 3 * MINUTE)
    assert (found.median, found.p90) == (MINUTE * median, MINUTE * p90)
    assert found.within == sum(one <= 3 for one in minutes)


# ---------------------------------------------------------------------------------------------------------------------
# Work, rest, sleep


def hours(**more: object) -> Hours:
    """Ana in Berlin wakes from eight to ten at night; Bo in Shanghai says nothing; Cy has a night shift."""
    day = Window(time(8), time(22))
    people = (person("ana", timezone="Europe/Berlin", day=day), person("bo", timezone="Asia/Shanghai"), person("cy"))
    starts = datetime(2026, 11, 2)  # noqa: DTZ001 - a local wall time
    nights = Layer("nights", (("cy",),), starts, (1, "week"), (1, "week"), windows=(Window(time(22), time(6)),))
    plan = Plan(people={one.id: one for one in people}, rosters={"night": Roster("night", (nights,))}, **more)  # type: ignore[arg-type]
    return Hours(plan, Rosters(plan), (), (MONDAY, MONDAY + 7 * DAY))


@pytest.mark.parametrize(
    ("who", "local", "kind"),
    [
        ("ana", "07:59+01:00", "rest"),
        ("ana", "08:00+01:00", "work"),
        ("ana", "21:59+01:00", "work"),
        ("ana", "22:30+01:00", "rest"),
        ("ana", "23:00+01:00", "sleep"),
        ("ana", "06:59+01:00", "sleep"),
        ("ana", "07:00+01:00", "rest"),
        ("bo", "08:30+08:00", "rest"),
        ("bo", "09:00+08:00", "work"),
        ("bo", "18:00+08:00", "rest"),
        ("bo", "03:00+08:00", "sleep"),
        ("cy", "03:00+00:00", "work"),
        ("cy", "06:30+00:00", "sleep"),
        ("cy", "20:00+00:00", "rest"),
    ],
)
def test_an_hour_is_work_rest_or_sleep_on_their_own_clock(who: str, local: str, kind: str):
    assert hours().kind(who, datetime.fromisoformat(f"2026-11-18T{local}").astimezone(UTC)) == kind


def test_a_saturday_without_a_day_of_their_own_is_rest():
    assert hours().kind("bo", datetime(2026, 11, 21, 4, tzinfo=UTC)) == "rest"


# ---------------------------------------------------------------------------------------------------------------------
# Noise


def lives(story: Story) -> list[Case]:
    cases: dict[int, Case] = {}
    for entry in story.entries:
        if entry.incident:
            cases.setdefault(entry.incident, Case(entry.incident)).take(entry, is_inside=True)
    return list(cases.values())


def the_tag(story: Story) -> Tag:
    return told(lives(story), story.entries)[0].tag


def test_gone_in_five_minutes_and_nobody_took_it_is_noise():
    story = Story(two_levels())
    story.fails()
    assert the_tag(story) is Tag.OPEN
    story.passes(minutes=4)
    story.recovers()
    assert the_tag(story) is Tag.NOISE


def test_gone_in_five_minutes_but_taken_is_not():
    story = Story(two_levels())
    story.fails()
    story.acks("ana")
    story.recovers()
    assert the_tag(story) is Tag.RECOVERED


def test_a_note_says_what_it_was_and_who_said_so():
    story = Story(two_levels())
    story.fails()
    story.acks("ana")
    story.says(Resolve(1, by="ana"))
    assert the_tag(story) is Tag.ACTION
    story.says(Note(1, "noise: the batch does this", by="bo"))
    one = told(lives(story), story.entries)[0]
    assert (one.tag, one.said_by, one.why) == (Tag.NOISE, "bo", "noise: the batch does this")


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("noise: again", Tag.NOISE),
        ("误报：批处理", Tag.NOISE),
        ("restarted it #action", Tag.ACTION),
        ("#Planned work", Tag.PLANNED),
        ("the noise: is loud", None),
        ("see #142", None),
        ("", None),
    ],
)
def test_a_tag_is_a_word_with_a_hash_or_before_the_first_colon(text: str, tag: Tag | None):
    assert tag_in(text) is tag


def fired(lasted: list[float], *, check: Check, acted: int = 0, tag: str = "") -> Proposal | None:
    """What is proposed for a check whose failures lasted so many minutes, each an incident that paged Ana."""
    entries: list[Entry] = []
    for number, minutes in enumerate(lasted, start=1):
        at, key = MONDAY + number * HOUR, f"{check.id}/db-{number}"
        page = {"page": f"{number}/1/1/1/ana/1", "person": "ana", "reason": "first"}
        over = at + minutes * MINUTE
        entries += [
            Entry(at, "alert_fired", facts={"alert": key}),
            Entry(at, "triggered", number, facts={"title": key, "priority": "P1", "policy": "p", "alert": key}),
            Entry(at, "page_promised", number, facts=page),
        ]
        if number <= acted:
            entries.append(Entry(at, "noted", number, by="ana", facts={"text": "fixed it"}))
        elif tag:
            entries.append(Entry(at, "noted", number, by="ana", facts={"text": f"{tag}: so"}))
        entries.append(Entry(over, "alert_cleared", number, facts={"alert": key, "lasted_s": minutes * 60}))
        entries.append(Entry(over, "resolved", number))
    cases: dict[int, Case] = {}
    for entry in entries:
        if entry.incident:
            cases.setdefault(entry.incident, Case(entry.incident)).take(entry, is_inside=True)
    found = noisiest(entries, told(cases.values(), entries), {}, Plan(checks={check.id: check}))
    return found[0].proposal


DB = Check("db", "command", (), every=MINUTE, confirm=3)
DISK = Check("disk", "disk", (), every=5 * MINUTE, confirm=3, limits={"used_pct": Limit(crit="> 90")})


def test_failures_that_are_over_soon_ask_for_more_results():
    assert fired([1, 2, 2, 3, 40], check=DB) == Proposal("confirm", 4, 5, 6, 3, 3 * MINUTE)


def test_noise_asks_for_another_limit_or_for_less_loudness():
    assert fired([60, 70, 80], check=DISK, tag="noise") == Proposal("limit", 3, 3)
    assert fired([60, 70, 80], check=DB, tag="noise") == Proposal("lower", 3, 3, what="P2")


def test_planned_work_asks_for_a_window():
    assert fired([60, 70, 80], check=DB, tag="planned") == Proposal("planned", 3, 3)


def test_what_needs_somebody_again_and_again_has_a_cause():
    assert fired([60, 70, 80], check=DB, acted=3) == Proposal("cause", 3, 3)


def test_where_nobody_wrote_what_was_done_nothing_is_claimed():
    assert fired([60, 70, 80], check=DB) == Proposal("say", 3, 3)
    assert fired([60, 70], check=DB) is None


# ---------------------------------------------------------------------------------------------------------------------
# What comes


def begun(days: dict[date, int]) -> list[tuple[datetime, str]]:
    return [(datetime.combine(day, time(12), UTC), "P1") for day, count in days.items() for _ in range(count)]


def test_a_day_is_expected_to_be_like_the_same_weekdays_before():
    plan = Plan()
    mondays = {date(2026, 9, 21) + 7 * number * DAY: number for number in range(8)}
    ahead = outlook(begun(mondays), MONDAY - 80 * DAY, plan, Rosters(plan), (), MONDAY)
    assert (ahead[0].day, ahead[0].expected, ahead[0].most, ahead[0].seen) == (MONDAY.date(), 3.5, 7, 8)
    assert (ahead[1].expected, ahead[1].seen) == (0, 8)


def test_holidays_say_nothing_and_are_not_foretold():
    holidays = frozenset({date(2026, 11, 9), date(2026, 11, 17)})
    plan = Plan(calendars={"cn": DayCalendar("cn", holidays)})
    ahead = outlook(begun({date(2026, 11, 9): 90}), MONDAY - 80 * DAY, plan, Rosters(plan), (), MONDAY)
    assert (ahead[0].expected, ahead[0].seen) == (0, 7)
    assert (ahead[1].expected, ahead[1].holidays) == (None, ("cn",))


def test_days_before_anything_was_known_are_not_quiet_days():
    plan = Plan()
    ahead = outlook(begun({date(2026, 11, 9): 4}), MONDAY - 8 * DAY, plan, Rosters(plan), (), MONDAY)
    assert (ahead[0].expected, ahead[0].seen) == (4, 1)


# ---------------------------------------------------------------------------------------------------------------------
# The whole


def test_a_span_that_runs_says_so_and_what_stands_is_named():
    plan = two_levels()
    silence = Silence(3, (("target", "=", "db-2"),), MONDAY - 9 * DAY, MONDAY + 30 * DAY, "ana", "rebuilding")
    young = Silence(4, (("target", "=", "db-1"),), MONDAY, MONDAY + DAY, "ana", "")
    late = Overdue("risk", 7, "old kernel", "bo", MONDAY)
    facts = Facts([], silences=[silence, young], overdue=[late], known_since=MONDAY + DAY)
    found = review(facts, plan, Rosters(plan), kind="week", start=MONDAY, now=MONDAY + 2 * DAY)
    assert not found.is_over
    assert found.silences == (silence,)
    assert found.overdue == (late,)
    assert (found.known_since, found.before) == (MONDAY + DAY, ())


def test_an_incident_counts_under_the_priority_it_ended_with():
    story = Story(two_levels(), starts=MONDAY)
    story.fails()
    story.says(SetPriority(1, Priority.P0, by="ana"))
    found = review(
        Facts(story.entries), story.engine.plan, Rosters(story.engine.plan), kind="week", start=MONDAY, now=story.now
    )
    assert [one.opened for one in found.figures] == [1, 0, 0, 0]
    assert [one.priority for one in found.open] == ["P0"]


# ---------------------------------------------------------------------------------------------------------------------
# Promises, and what somebody has forgotten


def a_week(story: Story, **more: object):
    start = span_of("week", story.entries[0].at, story.engine.plan.timezone)[0]
    facts = Facts([one for one in story.entries if one.at >= start], **more)  # type: ignore[arg-type]
    return review(facts, story.engine.plan, Rosters(story.engine.plan), kind="week", start=start, now=story.now)


def test_promises_that_were_broken_are_counted_where_they_were_made():
    rule = PriorityRule("always", 15 * MINUTE, HOUR, 4 * HOUR)
    story = Story(two_levels(priorities={Priority.P1: rule}, group_by=("target",)))
    story.fails("db", "db-1")
    story.passes(minutes=16)
    story.acks("ana")
    story.fails("db", "db-2")
    story.acks("bo", 2)
    story.passes(minutes=70)
    story.says(SetPriority(1, Priority.P3, by="ana"))
    story.passes(hours=4)
    found = a_week(story)
    assert [bool(one.count) for one in found.broken] == [False, True, False, False]
    assert (found.broken[1].ack, found.broken[1].resolve) == ((1,), (2,))
    assert set(found.broken[1].update) == {1, 2}


def test_what_somebody_took_and_did_not_end_is_named_after_a_day():
    story = Story(two_levels(group_by=("target",)))
    story.fails("db", "db-1")
    story.acks("ana")
    story.fails("db", "db-2")
    story.passes(hours=23)
    assert a_week(story).forgotten == ()
    story.passes(hours=2)
    taken = {one.number: one.acked_at for one in a_week(story).open}
    (forgotten,) = a_week(story).forgotten
    assert (forgotten.number, forgotten.owner) == (1, "ana")
    assert (
        forgotten.acked_at == next(one.at for one in story.entries if one.kind == "acknowledged") and taken[2] is None
    )


def test_an_old_silence_says_what_it_has_held_back():
    made = MONDAY - 9 * DAY
    old = tuple(Silence(one, (("host", "=", "a"),), made, MONDAY + 90 * DAY, "ana", "moving") for one in (1, 2))
    plan = two_levels()
    facts = Facts([], silences=old, held={"silence 2": Held(MONDAY + 90 * DAY, "ana", 7)})
    found = review(facts, plan, Rosters(plan), kind="week", start=MONDAY, now=MONDAY + 3 * DAY)
    assert found.held == {1: 0, 2: 7}
