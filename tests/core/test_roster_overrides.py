"""Overrides: temporary schedules, removes and replaces, adds, and what may not stand side by side (SPEC 3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from opswatch.core.roster import conflicting
from tests.core.duty import Duty, layer, override, utc

SPAN = ("2026-01-06T00:00:00Z", "2026-01-07T00:00:00Z")
INSIDE = "2026-01-06T12:00:00Z"


def test_replaces_are_not_transitive():
    first, second = override(*SPAN, replace="A", by="B"), override(*SPAN, replace="B", by="C", number=2)
    assert Duty(layer("A", "2026-01-05T00:00"), overrides=[first, second]).who(INSIDE) == "B"
    assert Duty(layer("A,B", "2026-01-05T00:00"), overrides=[first, second]).who(INSIDE) == "B,C"


def test_adds_come_last():
    gone, back = override(*SPAN, remove="A"), override(*SPAN, add="A", number=2)
    assert Duty(layer("A", "2026-01-05T00:00"), overrides=[back, gone]).who(INSIDE) == "A"
    assert Duty(overrides=[back]).who(INSIDE) == "A"


def test_where_an_override_removed_somebody_lower_priorities_stay_hidden():
    duty = Duty(
        layer("A", "2026-01-05T00:00", priority=1),
        layer("B", "2026-01-05T00:00", name="below"),
        overrides=[override(*SPAN, remove="A")],
    )
    assert duty.who(INSIDE) == "nobody"
    assert duty.gaps("2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z") == [(utc(SPAN[0]), utc(SPAN[1]))]


def test_the_newest_temporary_schedule_counts_and_changes_lie_on_it():
    older = override(*SPAN, schedule=[(*SPAN, "X")], number=1)
    newer = override(*SPAN, schedule=[(SPAN[0], INSIDE, "Y,Z")], number=2)
    swap = override(*SPAN, replace="Y", by="B", number=3)
    duty = Duty(layer("A", "2026-01-05T00:00"), overrides=[newer, swap, older])
    assert duty.said("2026-01-05T12:00:00Z", "2026-01-07T12:00:00Z") == [
        "01-05 12:00-00:00 A",
        "01-06 00:00-12:00 B,Z",
        "01-07 00:00-12:00 A",
    ]
    assert duty.on_call("2026-01-06T06:00:00Z").override == 3


def test_the_remainder_of_a_cut_override_keeps_its_place_in_the_order():
    made = utc("2026-01-01T00:00:00Z")
    older = replace(override(*SPAN, schedule=[(*SPAN, "X")], number=9), made_at=made)
    newer = replace(override(*SPAN, schedule=[(*SPAN, "Y")], number=2), made_at=made + timedelta(hours=1))
    assert Duty(overrides=[older, newer]).who(INSIDE) == "Y"


def test_an_override_that_changes_nothing_leaves_the_shifts_as_they_are():
    plain = Duty(layer("A B", "2026-01-05T00:00", "1 day"))
    idle = Duty(layer("A B", "2026-01-05T00:00", "1 day"), overrides=[override(*SPAN, replace="C", by="D")])
    week_long = ("2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z")
    assert idle.shifts(*week_long) == plain.shifts(*week_long)
    assert idle.on_call(INSIDE) == plain.on_call(INSIDE)
    assert idle.on_call("2026-01-05T23:00:00Z").override is None


def test_overrides_of_other_rosters_are_ignored():
    other = replace(override(*SPAN, remove="A"), roster="other")
    assert Duty(layer("A", "2026-01-05T00:00"), overrides=[other]).who(INSIDE) == "A"
    assert conflicting([other], override(*SPAN, remove="A", number=2)) is None


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ({"remove": "A"}, {"remove": "A"}, True),
        ({"remove": "A"}, {"replace": "A", "by": "B"}, True),
        ({"replace": "A", "by": "B"}, {"replace": "A", "by": "C"}, True),
        ({"add": "A"}, {"add": "A"}, True),
        ({"add": "A"}, {"add": "B"}, False),
        ({"add": "A"}, {"remove": "A"}, False),
        ({"replace": "A", "by": "B"}, {"replace": "B", "by": "A"}, False),
        ({"replace": "A", "by": "B"}, {"add": "B"}, False),
        ({"schedule": []}, {"schedule": []}, False),
    ],
)
def test_two_changes_of_one_person_may_not_overlap(first, second, clash):
    made, new = override(*SPAN, **first), override(INSIDE, "2026-01-08T00:00:00Z", **second, number=2)
    assert conflicting([made], new) == (made if clash else None)
    touching = override(SPAN[1], "2026-01-08T00:00:00Z", **second, number=2)
    assert conflicting([made], touching) is None
    assert conflicting([made], replace(new, id=made.id)) is None  # The same one, changed.
