"""Somebody leaves: what a configuration without them must say, and whose shadows a roster may name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from opswatch import config
from opswatch.core.state import Absence, Cover, Override, Silence
from tests.config.site import NOW, Site

CHEN = '[[person]]\nid = "chen"\ncontact = { webhook = "http://127.0.0.1/chen" }\n'
ROSTER = """[[roster]]
id = "{id}"
{more}
[[roster.layer]]
id = "l"
participants = {people}
turn = "1 week"
starts = 2026-01-05T09:00:00
"""
LATER = NOW + timedelta(days=1)


def roster(people: str = '[["chen"]]', id: str = "r", more: str = "") -> str:
    return ROSTER.format(id=id, people=people, more=more)


def test_somebody_unknown_in_a_roster_is_listed_with_their_next_five_shifts(tmp_path: Path):
    problem = Site(tmp_path).writes(CHEN + roster('[["chen"], ["cheng"]]')).problem()
    assert (problem.where, problem.suggestion) == ("[[roster]] r: layer l.participants #2 #1", "chen")
    listed = problem.expected.partition("shifts that would be nobody's: ")[2].split(", ")
    assert listed == [  # The one that runs comes first; every second week.
        "2026-11-16 09:00 to 2026-11-23 09:00 UTC",
        "2026-11-30 09:00 to 2026-12-07 09:00 UTC",
        "2026-12-14 09:00 to 2026-12-21 09:00 UTC",
        "2026-12-28 09:00 to 2027-01-04 09:00 UTC",
        "2027-01-11 09:00 to 2027-01-18 09:00 UTC",
    ]


def test_overrides_and_absences_of_people_who_left_refuse_the_configuration(tmp_path: Path):
    loaded = Site(tmp_path).writes(CHEN + roster()).loads()
    overrides = [
        Override(1, "r", NOW, LATER, remove="chen", add="cheng"),
        Override(2, "r", NOW + timedelta(days=3), NOW + timedelta(days=4), shifts=((NOW, LATER, ("chen", "ana")),)),
        Override(3, "r", NOW, LATER, add="chen"),
        Override(4, "r", NOW - timedelta(days=9), NOW, add="bo"),  # It is over: history may name anybody.
    ]
    absences = [Absence(5, "dora", NOW, LATER), Absence(6, "bo", NOW - timedelta(days=9), NOW)]
    problems = config.check_leaving(loaded, overrides, absences, NOW)
    assert [(p.where, p.seen) for p in problems] == [
        ("override 1", '"cheng"'),
        ("override 2", '"ana"'),
        ("absence 5", '"dora"'),
    ]
    assert problems[0].suggestion == "chen"
    assert "`opswatch override remove 1` ends it" in problems[0].expected
    assert "shifts that would be nobody's: 2026-11-21 12:00 to 2026-11-22 12:00 UTC" in problems[0].expected
    assert "`opswatch absence remove 5` ends it" in problems[2].expected


def test_owners_who_left_and_rosters_that_are_gone_are_told(tmp_path: Path):
    loaded = Site(tmp_path).writes(CHEN + roster()).loads()
    overrides = [Override(2, "gone", NOW, LATER, add="chen"), Override(4, "r", NOW, LATER, add="chen")]
    silences = [Silence(7, (("check", "=", "x"),), NOW, LATER, "bo", "why")]
    left = ((NOW, LATER),)
    covers = [Cover(8, "r", "dora", NOW, LATER, left), Cover(9, "r", "chen", NOW, LATER, left)]
    problems = config.check_stored(loaded, overrides, silences, covers=covers)
    assert [(p.where, p.seen) for p in problems] == [
        ("override 2", '"gone"'),
        ("request 8", '"dora"'),
        ("silence 7", '"bo"'),
    ]


def test_a_roster_shadows_another_that_exists(tmp_path: Path):
    learning = roster(id="learning", more='shadows = "r"')
    assert Site(tmp_path).writes(CHEN + roster() + learning).loads().plan.rosters["learning"].shadows == "r"
    unknown = Site(tmp_path).writes(CHEN + roster(id="primary") + roster(id="x", more='shadows = "primry"')).problem()
    assert (unknown.where, unknown.seen, unknown.suggestion) == ("[[roster]] x: shadows", '"primry"', "primary")
    itself = Site(tmp_path).writes(CHEN + roster(more='shadows = "r"')).problem()
    assert itself.where == "[[roster]] r: shadows" and "another roster" in itself.expected
