"""The report's numbers are those of the timeline, counted again by other means."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opswatch.core.calendars import parse_window
from opswatch.core.effects import Record
from opswatch.core.model import Priority
from opswatch.core.roster import Rosters
from opswatch.sim.life import CALM, HOUR, MINUTE, NEVER, ROUGH, Answers, Failures, Habit, as_table, read
from opswatch.sim.people import Part, part_of
from opswatch.sim.report import median_and_p90
from opswatch.sim.run import Story, simulate
from tests.sim.team_plan import START, team
from tests.story import person, two_levels

SPAN = timedelta(days=60)


@pytest.fixture(scope="module")
def lived():
    """Two months, and their timeline."""
    story, book = Story(team(), 12, START, START + SPAN, life=replace(CALM, failures=ROUGH.failures)), []
    story.world.hears(Record, lambda record: book.append(record.entry) if story.world.now < START + SPAN else None)
    story.world.run(START + SPAN)
    story.ends()
    return story.ledger.report, book


def test_incidents_are_those_of_the_timeline(lived):
    report, book = lived
    opened = [str(entry.facts["priority"]) for entry in book if entry.kind == "triggered"]
    assert {str(one): report.incidents[one] for one in Priority} == {name: opened.count(name) for name in PRIORITIES}
    assert sum(report.weeks) == len(opened) > 20
    assert len(report.weeks) == 9


PRIORITIES = ("P0", "P1", "P2", "P3")


def test_an_answer_is_the_first_word_of_a_person(lived):
    """They take it, or say that it is over; what ends without a word is counted apart."""
    report, book = lived
    opened = {entry.incident: entry.at for entry in book if entry.kind == "triggered"}
    first = {}
    for entry in book:
        if entry.kind in ("acknowledged", "resolved"):
            first.setdefault(entry.incident, entry)
    spans = [(entry.at - opened[number]).total_seconds() for number, entry in first.items() if entry.by]
    assert sorted(span for found in report.answered_s.values() for span in found) == sorted(spans)
    assert report.ended_first.total() == sum(entry.by is None for entry in first.values())
    assert sum(line.acknowledged for line in report.people.values()) == sum(e.kind == "acknowledged" for e in book)


def test_ladders_that_ended_are_listed(lived):
    report, book = lived
    assert report.unanswered_count.total() == sum(entry.kind == "ladder_ended" for entry in book)
    assert len(report.unanswered) == report.unanswered_count.total()


def test_a_page_is_counted_once_in_each_split(lived):
    report, _ = lived
    for line in report.people.values():
        assert line.pages.total() == line.parts.total()
        assert line.nights <= line.parts[Part.NIGHT]
    assert report.hours.total() == report.pages > 20


def test_gaps_are_those_of_the_roster(lived):
    report, _ = lived
    found = Rosters(team()).gaps("holes", (), START, START + SPAN)
    assert [(gap.start, gap.end) for gap in report.gaps if gap.roster == "holes"] == found
    assert all(not gap.fallback for gap in report.gaps if gap.roster == "holes")


def test_lives_add_up():
    one, other = (simulate(team(), seed, START, START + timedelta(days=21)).report for seed in (1, 2))
    pages, incidents, nights = one.pages + other.pages, one.incidents + other.incidents, one.people["ana"].nights
    nights += other.people["ana"].nights
    one.add(other)
    assert (one.lives, one.pages, one.incidents, one.people["ana"].nights) == (2, pages, incidents, nights)
    assert len(one.weeks) == 6


def test_the_p90_is_a_value_that_nine_of_ten_do_not_exceed():
    assert median_and_p90([]) is None
    assert median_and_p90([3.0]) == (3.0, 3.0)
    assert median_and_p90([float(n) for n in range(10, 0, -1)]) == (5.5, 9.0)


def test_parts_of_the_day_are_the_persons_own():
    rosters = Rosters(two_levels())
    early = replace(person("ana"), timezone="Asia/Shanghai", day=parse_window(None, "06:00", "20:00"))

    def part(text: str, who=early) -> Part:
        return part_of(who, rosters, (), datetime.fromisoformat(text).replace(tzinfo=UTC))

    assert part("2026-11-16T02:00") is Part.WORK  # Monday 10:00 there
    assert part("2026-11-15T02:00") is Part.EVENING  # Sunday 10:00
    assert part("2026-11-16T11:00") is Part.EVENING  # Monday 19:00
    assert part("2026-11-16T13:00") is Part.NIGHT  # 21:00: this person's day is over
    assert part("2026-11-16T13:00", replace(early, day=None)) is Part.EVENING


def test_nobody_answers_when_nobody_does_and_ladders_end():
    deaf = Habit(0.0, MINUTE)
    life = replace(
        CALM,
        answers=Answers(work=deaf, evening=deaf, night=deaf, night_loud=deaf),
        failures=Failures(heals_itself=0.0, outage_every=NEVER),
    )
    report = simulate(team(), 1, START, START + timedelta(days=60), life=life).report
    assert report.answered_s == {}
    assert report.unanswered_count.total() > 0


def test_who_answers_at_once_is_seen_to_answer_at_once():
    prompt = Habit(1.0, timedelta(seconds=1))
    life = replace(
        CALM,
        answers=Answers(
            work=prompt,
            evening=prompt,
            night=prompt,
            night_loud=prompt,
            out_of_reach_every=NEVER,
            spread=0.1,
            resolves_by_hand=0.0,
            snoozes=0.0,
            escalates=0.0,
            reassigns=0.0,
            forgets=0.0,
        ),
        delivery=replace(CALM.delivery, lost=0.0, slow=0.0, temporary=0.0, permanent=0.0),
        mishaps=replace(CALM.mishaps, crash_every=NEVER),
    )
    report = simulate(two_levels_that_fail(), 1, START, START + timedelta(days=365), life=life).report
    found = median_and_p90(report.answered_s[Priority.P1])
    assert found is not None and found[1] <= 5
    assert {who for who, line in report.people.items() if line.total} == {"ana"}


def two_levels_that_fail():
    plan = two_levels()
    return replace(plan, checks={name: replace(check, every=5 * MINUTE) for name, check in plan.checks.items()})


# ---------------------------------------------------------------------------------------------------------------------
# The numbers


def test_numbers_are_read_over_those_that_stand():
    life = read({"answers": {"night": {"probability": 0.2, "after": "10m"}}, "failures": {"between": {"P1": "9d"}}})
    assert life.answers.night == Habit(0.2, 10 * MINUTE)
    assert life.answers.work == CALM.answers.work
    assert life.failures.between[Priority.P1] == timedelta(days=9)
    assert life.failures.between[Priority.P0] == CALM.failures.between[Priority.P0]
    assert read({"answers": {"out_of_reach_for": "1h"}}).answers.out_of_reach_for == HOUR


@pytest.mark.parametrize("life", [CALM, ROUGH])
def test_numbers_are_shown_as_they_are_read(life):
    assert read(as_table(life)) == life


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"answer": {}}, "did you mean 'answers'"),
        ({"answers": {"nite": {}}}, "answers.nite: no such key"),
        ({"answers": {"night": {"probability": 2}}}, "answers.night.probability = 2: write a number from 0 to 1"),
        ({"answers": {"night": 3}}, "answers.night = 3: write a table"),
        ({"answers": {"loud": "phone"}}, "write a list of contacts"),
        ({"failures": {"between": {"P9": "1d"}}}, "spans by priority"),
        ({"failures": {"between": {"P1": "soon"}}}, "failures.between.P1 = 'soon': write a span"),
    ],
)
def test_a_number_that_is_none_is_named(table, words):
    with pytest.raises(ValueError, match=words):
        read(table)
