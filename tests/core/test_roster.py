"""Who is on call: layers, turns, windows, gaps and overrides, as SPEC 3 says."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from opswatch.core.plan import DayCalendar, Person
from opswatch.core.roster import Shift, layer_problems
from tests.core.duty import Duty, count, layer, override, utc, windows

NIGHT = ("all", "22:00", "06:00")
OFFICE = ("mon-fri", "09:00", "17:00")
SPAN = ("2026-01-06T00:00:00Z", "2026-01-07T00:00:00Z")
INSIDE = "2026-01-06T12:00:00Z"


def week(duty: Duty, monday: str = "2026-01-05") -> list[str]:
    """The shifts that name somebody in the week of that Monday, UTC."""
    start = utc(f"{monday}T00:00:00Z")
    return duty.said(start.isoformat(), (start + timedelta(days=7)).isoformat())


# ---------------------------------------------------------------------------------------------------------------------
# Turns


def test_a_shift_ends_where_the_next_begins():
    duty = Duty(layer("A B", "2026-01-05T09:00", zone="Europe/Berlin"))
    shifts = duty.shifts("2026-03-16T08:00:00Z", "2026-04-06T07:00:00Z")
    assert [(shift.people, (shift.end - shift.start) / timedelta(hours=1)) for shift in shifts] == [
        (("A",), 168),
        (("B",), 167),  # The clocks go forward on 29 March, and 09:00 stays 09:00.
        (("A",), 168),
    ]


def test_the_pattern_extends_before_its_start():
    duty = Duty(layer("A B C", "2026-01-05T09:00"))
    assert [duty.who(f"2025-12-{day}T09:00:00Z") for day in ("15", "22", "29")] == ["A", "B", "C"]
    assert duty.who("2026-01-05T08:59:59Z") == "C"
    assert duty.who("1999-01-05T08:59:59Z") != "nobody"


def test_twenty_four_hours_are_one_day():
    days, hours = (
        Duty(layer("A B C", "2026-03-20T02:30", turn, zone="Europe/Berlin")) for turn in ("1 day", "24 hours")
    )
    span = ("2026-03-25T00:00:00Z", "2026-11-01T00:00:00Z")
    assert days.shifts(*span) == hours.shifts(*span)
    assert layer_problems(layer("A", "2026-03-20T02:30", "1 day", every="24 hours")) == []


def test_monthly_turns_are_clamped_from_the_anchors_day():
    duty = Duty(layer("A B", "2026-01-31T09:00", "1 month"))
    starts = [shift.start for shift in duty.shifts("2026-01-31T09:00:00Z", "2026-07-01T00:00:00Z")]
    assert [f"{start:%m-%d}" for start in starts] == ["01-31", "02-28", "03-31", "04-30", "05-31", "06-30"]
    turns = Duty(layer("A", "2026-01-31T09:00", "1 month", every="2 months")).shifts(
        "2026-01-31T09:00:00Z", "2026-05-31T09:00:00Z"
    )
    assert [f"{shift.start:%m-%d} {shift.people}" for shift in turns] == [
        "01-31 ('A',)",
        "02-28 ()",
        "03-31 ('A',)",
        "04-30 ()",
    ]


def test_a_months_turn_ends_on_the_anchors_day_too_where_every_is_longer():
    duty = Duty(layer("A B", "2025-12-31T00:00", "1 month", every="2 months"))
    assert duty.said("2026-01-01T00:00:00Z", "2026-07-01T00:00:00Z") == [
        "01-01 00:00-01-31 00:00 A",
        "02-28 00:00-03-31 00:00 B",
        "04-30 00:00-05-31 00:00 A",
        "06-30 00:00-07-01 00:00 B",
    ]


def test_a_longer_every_leaves_holes():
    duty = Duty(layer("A B", "2026-01-05T09:00", "2 days", every="1 week"))
    assert week(duty) == ["01-05 09:00-01-07 09:00 A"]
    assert week(duty, "2026-01-12") == ["01-12 09:00-01-14 09:00 B"]


def test_a_person_may_stand_in_several_turns_and_a_turn_may_hold_several_people():
    duty = Duty(layer("A A B,C", "2026-01-05T00:00", "1 day"))
    assert week(duty)[:4] == [
        "01-05 00:00-01-06 00:00 A",
        "01-06 00:00-01-07 00:00 A",  # A new turn of the same person is a new shift.
        "01-07 00:00-01-08 00:00 B,C",
        "01-08 00:00-01-09 00:00 A",
    ]


def test_effective_and_until_cut_but_do_not_change_the_count():
    duty = Duty(layer("A B C", "2026-01-05T00:00", "1 day", effective="2026-01-06T12:00", until="2026-01-08T06:00"))
    assert week(duty) == ["01-06 12:00-00:00 B", "01-07 00:00-01-08 00:00 C", "01-08 00:00-06:00 A"]


def test_until_and_effective_fall_on_the_first_of_two_readings():
    duty = Duty(
        layer("A", "2026-10-01T00:00", zone="Europe/Berlin", until="2026-10-25T02:30", name="old"),
        layer("B", "2026-10-01T00:00", zone="Europe/Berlin", effective="2026-10-25T02:30", name="new"),
    )
    assert duty.who("2026-10-25T00:29:59Z") == "A"
    assert duty.who("2026-10-25T00:30:00Z") == "B"


def test_a_changed_list_of_participants_is_dealt_anew():
    four = Duty(layer("A B C D", "2026-01-05T09:00"))
    three = Duty(layer("A B D", "2026-01-05T09:00"))
    assert (four.who("2026-02-02T09:00:00Z"), three.who("2026-02-02T09:00:00Z")) == ("A", "B")


def test_advance_worked_counts_only_slots_in_which_a_window_starts():
    duty = Duty(layer("A B C", "2026-01-05T00:00", "1 day", OFFICE, worked=True))
    people = [line.split()[-1] for line in week(duty) + week(duty, "2026-01-12")]
    assert people == ["A", "B", "C", "A", "B", "C", "A", "B", "C", "A"]
    by_calendar = Duty(layer("A B C", "2026-01-05T00:00", "1 day", OFFICE))
    people = [line.split()[-1] for line in week(by_calendar) + week(by_calendar, "2026-01-12")]
    assert people == ["A", "B", "C", "A", "B", "B", "C", "A", "B", "C"]


def test_worked_slots_count_backwards_before_the_start():
    duty = Duty(layer("A B C", "2026-01-05T00:00", "1 day", OFFICE, worked=True))
    assert [line.split()[-1] for line in week(duty, "2025-12-29")] == ["B", "C", "A", "B", "C"]


def test_a_slot_that_is_not_worked_is_the_next_worked_ones_peoples():
    duty = Duty(layer("A B C", "2026-01-05T12:00", "1 day", OFFICE, worked=True))
    friday, monday = "2026-01-09T14:00:00Z", "2026-01-12T10:00:00Z"
    assert duty.who("2026-01-09T10:00:00Z") == "A"  # Since Thursday noon.
    assert duty.who(friday) == duty.who(monday) == "B"


def test_workdays_follow_the_layers_calendar():
    china = DayCalendar("cn", frozenset({date(2026, 1, 7)}), frozenset({date(2026, 1, 10)}), frozenset({2026}))
    one = layer("A B", "2026-01-05T00:00", "1 day", ("workdays", "09:00", "17:00"), worked=True, calendar="cn")
    assert [line[:5] + line[-2:] for line in week(Duty(one, calendars=[china]))] == [
        "01-05 A",
        "01-06 B",
        "01-08 A",
        "01-09 B",
        "01-10 A",
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Windows


def test_a_window_over_midnight_stays_with_those_on_call_at_its_start():
    assert week(Duty(layer("A B C", "2026-01-05T00:00", "1 day", NIGHT)))[:3] == [
        "01-05 00:00-06:00 C",
        "01-05 22:00-06:00 A",
        "01-06 22:00-06:00 B",
    ]
    before_midnight = Duty(layer("A B", "2026-01-05T23:00", "1 day", NIGHT))
    assert before_midnight.who("2026-01-05T23:30:00Z") == "B"  # On call at 22:00, before the hand-off at 23:00.
    weekend = Duty(layer("A B", "2026-01-05T00:00", "1 day", (None, "fri 20:00", "mon 08:00")))
    assert week(weekend)[1:] == ["01-09 20:00-01-12 00:00 A"]
    assert weekend.who("2026-01-12T07:59:59Z") == "A"


def test_any_other_hand_off_cuts_a_window_where_it_falls():
    duty = Duty(layer("A B", "2026-01-05T12:00", "1 day", OFFICE))
    assert week(duty)[:3] == ["01-05 09:00-12:00 B", "01-05 12:00-17:00 A", "01-06 09:00-12:00 A"]


def test_a_window_that_ends_at_midnight_does_not_run_over_it():
    duty = Duty(layer("A B", "2026-01-05T23:00", "1 day", ("all", "18:00", "00:00")))
    assert week(duty)[:2] == ["01-05 18:00-23:00 B", "01-05 23:00-00:00 A"]


def test_of_overlapping_windows_the_piece_that_began_first_holds():
    duty = Duty(layer("A B", "2026-01-05T00:00", "1 day", ("all", "05:00", "09:00"), NIGHT))
    assert week(duty)[1:4] == [
        "01-05 06:00-09:00 A",  # From 05:00, but the night that began before holds until 06:00.
        "01-05 22:00-06:00 A",
        "01-06 06:00-09:00 B",
    ]


def test_of_windows_that_begin_together_the_one_written_first_holds():
    long, short = ("mon", "22:00", "06:00"), ("mon", "22:00", "24:00")
    at_eleven = ("2026-01-05T23:00", "1 day")
    first_long = Duty(layer("A B", *at_eleven, long, short))
    first_short = Duty(layer("A B", *at_eleven, short, long))
    assert first_long.who("2026-01-05T23:30:00Z") == "B"  # One piece, since 22:00.
    assert first_short.who("2026-01-05T23:30:00Z") == "A"  # Cut by the hand-off at 23:00.
    assert first_short.who("2026-01-06T00:30:00Z") == "B"  # The rest of the long one is still its people's.


def test_a_night_that_begins_in_a_hole_of_every_is_a_gap_to_its_end():
    duty = Duty(layer("A B", "2026-01-05T00:00", "1 day", NIGHT, every="2 days"))
    assert week(duty)[:3] == ["01-05 22:00-06:00 A", "01-07 22:00-06:00 B", "01-09 22:00-06:00 A"]


def test_effective_inside_a_night_leaves_the_rest_of_it_to_its_people():
    duty = Duty(layer("A B", "2026-01-05T00:00", "1 day", NIGHT, effective="2026-01-07T03:00"))
    assert week(duty)[0] == "01-07 03:00-06:00 B"


def test_adjacent_windows_of_one_turn_are_one_shift():
    duty = Duty(layer("A B", "2026-01-05T00:00", "1 week", ("mon-fri", "08:00", "08:00")))
    assert week(duty) == ["01-05 08:00-01-10 08:00 A"]


# ---------------------------------------------------------------------------------------------------------------------
# Layers over layers


def test_the_highest_priority_present_wins():
    duty = Duty(
        layer("A", "2026-01-05T00:00", name="base"),
        layer("B", "2026-01-05T00:00", "1 week", OFFICE, name="day", priority=1),
    )
    assert week(duty)[:3] == ["01-05 00:00-09:00 A", "01-05 09:00-17:00 B", "01-05 17:00-09:00 A"]
    assert duty.on_call("2026-01-05T10:00:00Z").layer == "day"


def test_equal_priorities_are_all_on_call():
    duty = Duty(layer("A", "2026-01-05T00:00", name="east"), layer("B,A", "2026-01-07T00:00", name="west"))
    now = duty.on_call("2026-01-08T00:00:00Z")
    assert (now.people, now.layer, now.layers) == (("A", "B"), "east+west", ("east", "west"))


def test_on_call_tells_the_whole_shift():
    duty = Duty(layer("A B", "2026-01-05T09:00", "12 weeks"))
    now = duty.on_call("2026-02-20T00:00:00Z")
    assert (now.start, now.until) == (utc("2026-01-05T09:00:00Z"), utc("2026-03-30T09:00:00Z"))
    cut = duty.shifts("2026-02-20T00:00:00Z", "2026-02-21T00:00:00Z")
    assert cut == [Shift(utc("2026-02-20T00:00:00Z"), utc("2026-02-21T00:00:00Z"), ("A",), "layer", None)]


# ---------------------------------------------------------------------------------------------------------------------
# Gaps


TEAM = [Person("lead", "Lead"), Person("ann", "Ann", team="ops"), Person("bo", "Bo", team="ops")]


def test_in_a_gap_the_fallback_is_on_call():
    one = layer("A", "2026-01-05T00:00", "1 week", OFFICE)
    duty = Duty(one, fallback=("person:lead", "team:ops"), people=TEAM)
    in_gap, on_duty = duty.on_call("2026-01-05T20:00:00Z"), duty.on_call("2026-01-05T10:00:00Z")
    assert (in_gap.people, in_gap.fallback, in_gap.layer) == (("lead", "ann", "bo"), True, None)
    assert (in_gap.start, in_gap.until) == (utc("2026-01-05T17:00:00Z"), utc("2026-01-06T09:00:00Z"))
    assert (on_duty.people, on_duty.fallback) == (("A",), False)


@pytest.mark.parametrize("fallback", [(), ("team:nobody",)])
def test_without_a_fallback_nobody_is_on_call_in_a_gap(fallback):
    in_gap = Duty(layer("A", "2026-01-05T00:00", "1 week", OFFICE), fallback=fallback).on_call("2026-01-05T20:00:00Z")
    assert (in_gap.people, in_gap.fallback) == ((), False)


def test_a_roster_without_layers_is_one_full_gap():
    duty = Duty()
    now = duty.on_call("2026-01-05T20:00:00Z")
    assert (now.people, now.start, now.until) == ((), None, None)
    span = (utc("2026-01-05T00:00:00Z"), utc("2027-01-05T00:00:00Z"))
    assert duty.shifts(*span) == [Shift(*span, (), None, None)]
    assert duty.rosters.next_people("r", (), span[0]) == duty.rosters.previous_people("r", (), span[0]) == ()


def test_emptiness_outside_covers_is_not_a_gap():
    one = layer("A", "2026-01-05T00:00", "1 week", ("mon-thu", "09:00", "16:00"), zone="Europe/Berlin")
    duty = Duty(one, covers=windows(OFFICE), zone="Europe/Berlin")
    gaps = duty.gaps("2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z")
    assert [f"{start:%a %H:%M}-{end:%H:%M}" for start, end in gaps] == [
        "Mon 15:00-16:00",
        "Tue 15:00-16:00",
        "Wed 15:00-16:00",
        "Thu 15:00-16:00",
        "Fri 08:00-16:00",
    ]


def test_covered_workdays_follow_the_calendar_a_layer_names():
    china = DayCalendar("cn", frozenset({date(2026, 1, 7)}))
    one = layer("A", "2026-01-05T00:00", "1 week", ("workdays", "09:00", "17:00"), calendar="cn")
    duty = Duty(one, covers=windows(("workdays", "09:00", "17:00")), calendars=[china])
    assert duty.gaps("2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z") == []


def test_a_gap_is_one_gap_across_the_hand_offs_it_hides():
    off = override("2026-01-05T00:00:00Z", "2026-01-08T00:00:00Z", schedule=[])
    duty = Duty(layer("A B", "2026-01-05T00:00", "1 day"), overrides=[off])
    assert duty.gaps("2026-01-04T00:00:00Z", "2026-01-10T00:00:00Z") == [(off.start, off.end)]
    now = duty.on_call("2026-01-06T00:00:00Z")
    assert (now.start, now.until, now.override) == (off.start, off.end, 1)


# ---------------------------------------------------------------------------------------------------------------------
# Next, previous, and people's own shifts


def test_next_and_previous_name_somebody_who_is_not_on_call_now():
    duty = Duty(layer("A A B,A C", "2026-01-05T00:00", "1 day"))
    monday = utc("2026-01-05T12:00:00Z")
    assert duty.rosters.next_people("r", (), monday) == ("B", "A")
    assert duty.rosters.previous_people("r", (), monday) == ("C",)
    swap = override("2026-01-07T00:00:00Z", "2026-01-08T00:00:00Z", replace="B", by="D")
    assert duty.rosters.next_people("r", (swap,), monday) == ("D", "A")


def test_next_in_a_gap_is_not_the_fallback_again():
    one = layer("lead B", "2026-01-05T00:00", "1 week", ("mon", "09:00", "17:00"))
    duty = Duty(one, fallback=("person:lead",), people=TEAM)
    assert duty.rosters.next_people("r", (), utc("2026-01-02T00:00:00Z")) == ("B",)


def test_next_with_one_person_is_nobody():
    assert Duty(layer("A", "2026-01-05T00:00")).rosters.next_people("r", (), utc(INSIDE)) == ()


def test_a_persons_next_shifts_are_whole_and_the_running_one_comes_first():
    duty = Duty(layer("A B", "2026-01-05T09:00"))
    shifts = duty.rosters.next_shifts_of("A", "r", (), utc("2026-01-08T00:00:00Z"), 3)
    assert [f"{shift.start:%m-%d %H:%M}" for shift in shifts] == ["01-05 09:00", "01-19 09:00", "02-02 09:00"]
    assert duty.rosters.next_shifts_of("C", "r", (), utc(INSIDE), 3) == []


def test_a_person_is_working_in_a_shift_that_has_windows():
    duty = Duty(
        layer("A", "2026-01-05T00:00", "1 week", OFFICE, name="day", priority=1),
        layer("B", "2026-01-05T00:00", name="night"),
        overrides=[override(*SPAN, replace="A", by="C")],
    )
    monday, tuesday = utc("2026-01-05T10:00:00Z"), utc("2026-01-06T10:00:00Z")
    working = duty.rosters.is_working
    assert working("A", (), monday) and not working("A", (), monday + timedelta(hours=10))
    assert not working("B", (), monday + timedelta(hours=10))
    assert working("C", duty.overrides, tuesday) and not working("A", duty.overrides, tuesday)


def test_answers_do_not_outlive_the_overrides_they_were_given_for():
    duty = Duty(layer("A", "2026-01-05T00:00"))
    change = override(*SPAN, replace="A", by="B")
    assert [duty.rosters.on_call("r", given, utc(INSIDE)).people for given in ((), (change,), iter([change]), ())] == [
        ("A",),
        ("B",),
        ("B",),
        ("A",),
    ]


# ---------------------------------------------------------------------------------------------------------------------
# What is refused


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"participants": ()}, "write at least one turn"),
        ({"participants": (("A",), ())}, "turn 2 is empty"),
        ({"turn": (0, "week")}, "turn = '0 weeks': the count must be 1 or more"),
        ({"every": (-1, "day")}, "every = '-1 days': the count must be 1 or more"),
        ({"turn": (1, "year")}, "the unit must be hour, day, week or month"),
        ({"turn": (2, "week"), "every": (13, "day")}, "can be) shorter than turn = '2 weeks'"),
        ({"turn": (1, "month"), "every": (30, "day")}, "can be) shorter than turn = '1 month'"),
        ({"turn": (29, "day"), "every": (1, "month")}, "can be) shorter"),
        ({"turn": (2_000_000, "hour")}, "longer than a hundred years"),
        ({"timezone": "Asia/Shanghia"}, "write an IANA name"),
    ],
)
def test_a_layer_that_makes_no_sense_is_refused_in_words(changes, words):
    problems = layer_problems(replace(layer("A B", "2026-01-05T00:00", "1 week", every="2 weeks"), **changes))
    assert len(problems) == 1 and words in problems[0]


def test_until_at_effective_is_refused_and_a_mistyped_year_too():
    one = layer("A", "0206-01-05T00:00", effective="2026-01-05T00:00", until="2026-01-05T00:00")
    year, until = layer_problems(one)
    assert "starts = 0206-01-05T00:00:00: write a year from 1970 to 2199" in year
    assert "until = 2026-01-05T00:00:00 is not after effective" in until


@pytest.mark.parametrize(
    ("turn", "every"),
    [
        ("1 month", "1 month"),
        ("4 weeks", "1 month"),
        ("1 month", "31 days"),
        ("12 months", "366 days"),
        ("24 hours", "1 day"),
    ],
)
def test_a_layer_that_fits_is_taken(turn, every):
    assert layer_problems(layer("A B", "2026-01-05T00:00", turn, every=every)) == []
    assert count(turn)[0] > 0
