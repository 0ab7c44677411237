"""What is wrong with the weeks ahead is found, and each thing is told once, in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from opswatch.core.calendars import parse_window
from opswatch.core.coverage import AHEAD, Coverage, Finding, Kind, look
from opswatch.core.events import AddOverride, CoverageSeen, RemoveOverride
from opswatch.core.model import Priority, Role
from opswatch.core.plan import Digest, Layer, Plan, Roster
from opswatch.core.roster import Rosters
from opswatch.core.state import Absence, Override
from tests.story import Story, person, two_levels

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MONDAY = datetime(2026, 11, 16, 8, tzinfo=UTC)  # nine o'clock in Berlin
OFFICE = parse_window("mon-fri", "09:00", "17:00")


def layer(*turns: str, **more: object) -> Layer:
    """Turns of a week each from Monday, nine o'clock in Berlin: `layer("ana", "bo")`."""
    given: dict[str, object] = {
        "id": "week",
        "participants": tuple((turn,) for turn in turns),
        "starts": datetime(2026, 11, 16, 9),  # noqa: DTZ001  (a local reading)
        "turn": (1, "week"),
        "every": (1, "week"),
        "timezone": "Europe/Berlin",
    }
    return Layer(**{**given, **more})  # type: ignore[arg-type]


def plan(*rosters: Roster, **people: object) -> Plan:
    known = {name: person(name) for name in ("ana", "bo", "cy")} | {"lead": person("lead", role=Role.ADMIN)}
    return replace(
        two_levels(), people={**known, **people}, rosters={one.id: one for one in rosters}, timezone="Europe/Berlin"
    )


def roster(*layers: Layer, name: str = "primary", **more: object) -> Roster:
    return Roster(name, layers, "Europe/Berlin", **more)  # type: ignore[arg-type]


def seen(the_plan: Plan, at: datetime = MONDAY, *overrides: Override, **more: object) -> list[Coverage]:
    return list(look(the_plan, Rosters(the_plan), overrides, at, **more))  # type: ignore[arg-type]


def found(the_plan: Plan, kind: Kind, at: datetime = MONDAY, *overrides: Override, **more: object) -> list[Finding]:
    return [one for each in seen(the_plan, at, *overrides, **more) for one in each.findings if one.kind is kind]


# ---------------------------------------------------------------------------------------------------------------------
# Gaps


def test_a_full_rotation_has_nothing_wrong():
    (one,) = seen(plan(roster(layer("ana", "bo"))))
    assert (one.findings, one.gap, one.unreachable) == ((), timedelta(), ())


def test_holes_of_every_are_gaps_and_planned_off_hours_are_not():
    holes = layer("ana", "bo", turn=(5, "day"))
    assert [(gap.start, gap.end) for gap in found(plan(roster(holes)), Kind.GAP)][:2] == [
        (MONDAY + 5 * DAY, MONDAY + 7 * DAY),
        (MONDAY + 12 * DAY, MONDAY + 14 * DAY),
    ]
    office = layer("ana", "bo", windows=(OFFICE,))
    assert found(plan(roster(office, covers=(OFFICE,))), Kind.GAP) == []
    assert seen(plan(roster(office)))[0].gap == AHEAD - 22 * 8 * HOUR  # 22 working days in the next 30


def test_a_roster_that_nobody_stands_in_yet_is_one_gap_without_a_beginning():
    later = layer("ana", effective=datetime(2027, 11, 16, 9))  # noqa: DTZ001
    (gap,) = found(plan(roster(later)), Kind.GAP)
    assert (gap.start, gap.end, gap.key) == (MONDAY, MONDAY + AHEAD, "gap primary always")
    (again,) = found(plan(roster(later)), Kind.GAP, MONDAY + HOUR)
    assert again.key == gap.key


def test_a_fallback_in_place_is_a_gap_and_says_who_is_paged_instead():
    standby = roster(layer("ana", "bo", turn=(6, "day")), fallback=("person:lead",))
    gap = found(plan(standby), Kind.GAP)[0]
    assert (gap.people, gap.why) == (("lead",), "hole")
    taken_off = Override(7, "primary", MONDAY + DAY, MONDAY + 2 * DAY, remove="ana")
    gap = found(plan(roster(layer("ana", "bo"))), Kind.GAP, MONDAY, taken_off)[0]
    assert (gap.people, gap.why, gap.override) == ((), "override", 7)


def test_a_gap_every_night_is_one_thing_to_be_told_and_stays_one():
    nightly = plan(roster(layer("ana", "bo", windows=(OFFICE,)), fallback=("person:lead",)))
    story = Story(replace(nightly, digest=Digest(to=("channel:ops",))), starts=MONDAY)
    (gap,) = found(nightly, Kind.GAP)
    assert (gap.amount, gap.people) == (22, ("lead",))
    assert sum(ahead(story) for story.now in (MONDAY + hour * HOUR for hour in range(0, 45 * 24, 5))) == 1


def test_a_series_that_ends_is_told_in_time_and_as_it_passes_stays_one():
    weekly = plan(roster(layer("ana", "bo")))
    story = Story(replace(weekly, digest=Digest(to=("channel:ops",))), starts=MONDAY)
    for number in range(5):
        start = MONDAY + (14 + number) * DAY
        story.says(AddOverride("primary", start, start + 10 * HOUR, remove="ana", by="lead"))
    told = [(hour // 24, some) for hour in range(0, 25 * 24, 3) if (some := ahead_at(story, MONDAY + hour * HOUR))]
    assert told == [(0, 1), (7, 1), (13, 1)]
    story.now = MONDAY + 15 * DAY
    story.says(AddOverride("primary", MONDAY + 19 * DAY, MONDAY + 20 * DAY, remove="ana", by="lead"))
    assert ahead(story) == 1, "it grew: another one"


def test_a_running_gap_keeps_its_key():
    taken_off = Override(7, "primary", MONDAY + DAY, MONDAY + 3 * DAY, remove="ana")
    weekly = plan(roster(layer("ana", "bo")))
    keys = {found(weekly, Kind.GAP, MONDAY + hours * HOUR, taken_off)[0].key for hours in (0, 20, 24, 25, 71)}
    assert keys == {f"gap primary {(MONDAY + DAY).isoformat()}"}


def test_a_shift_emptied_outside_the_hours_to_cover_is_no_gap_but_is_seen():
    spare = roster(layer("ana", "bo"), covers=(OFFICE,))
    sunday = Override(3, "primary", MONDAY + 6 * DAY, MONDAY + 6 * DAY + HOUR, remove="ana")
    assert found(plan(spare), Kind.GAP, MONDAY, sunday) == []
    (empty,) = found(plan(spare), Kind.EMPTY, MONDAY, sunday)
    assert (empty.start, empty.override) == (MONDAY + 6 * DAY, 3)


# ---------------------------------------------------------------------------------------------------------------------
# People


def test_who_has_no_working_contact_for_p0_is_found_in_the_next_14_days_only():
    mute = person("bo", "slack", notify={Priority.P0: ()})
    (one,) = seen(plan(roster(layer("ana", "bo", "cy")), bo=mute))
    assert one.unreachable == ("bo",)
    assert [(each.start, each.why) for each in one.findings] == [(MONDAY + 7 * DAY, "contact")]
    (one,) = seen(plan(roster(layer("ana", "cy", "lead", "bo")), bo=mute))
    assert one.unreachable == ()


def test_viewers_strangers_and_closed_ways_are_unreachable():
    weekly = plan(roster(layer("ana", "bo")), guest=person("guest", role=Role.VIEWER))
    whole = [Override(1, "primary", MONDAY, MONDAY + DAY, add=name) for name in ("guest", "gone")]
    for override, why in zip(whole, ("viewer", "unknown"), strict=True):
        (one,) = found(weekly, Kind.UNREACHABLE, MONDAY, override)
        assert (one.people, one.why) == ((override.add,), why)
    (closed,) = found(weekly, Kind.UNREACHABLE, closed={("ana", "webhook")})
    assert (closed.people, closed.why) == (("ana",), "contact")


def test_the_people_of_a_fallback_must_be_reachable_in_its_gap():
    standby = roster(layer("ana", "bo", turn=(6, "day")), fallback=("person:lead",))
    (one,) = found(plan(standby), Kind.UNREACHABLE, closed={("lead", "webhook")})
    assert one.people == ("lead",)


def test_an_absence_that_collides_is_found_once_until_somebody_covers():
    weekly = plan(roster(layer("ana", "bo")))
    away = (Absence(4, "bo", MONDAY + 6 * DAY, MONDAY + 22 * DAY),)
    (one,) = found(weekly, Kind.ABSENT, absences=away)
    assert (one.people, one.start, one.amount) == (("bo",), MONDAY + 7 * DAY, 2)
    cover = Override(1, "primary", MONDAY + 7 * DAY, MONDAY + 14 * DAY, remove="bo", add="cy")
    (one,) = found(weekly, Kind.ABSENT, MONDAY, cover, absences=away)
    assert one.start == MONDAY + 21 * DAY


def test_more_than_a_share_of_a_fortnight_is_too_much_unless_nobody_could_share_it():
    assert found(plan(roster(layer("ana", "bo"))), Kind.OVERLOADED) == []
    long = layer("ana", "bo", turn=(2, "week"), every=(2, "week"))
    assert {(one.people, one.why) for one in found(plan(roster(long)), Kind.OVERLOADED)} == {
        (("ana",), "share"), (("bo",), "share"),
    }  # fmt: skip
    assert found(plan(roster(layer("ana"))), Kind.OVERLOADED) == []


def test_a_little_on_thirteen_of_fourteen_days_is_too_much_as_well():
    evenings = parse_window(None, "18:00", "20:00")
    daily = layer("ana", "bo", turn=(4, "week"), every=(4, "week"), windows=(evenings,))
    one = found(plan(roster(daily, covers=(evenings,))), Kind.OVERLOADED)[0]
    assert (one.people, one.why, one.amount) == (("ana",), "days", 14)


def test_working_shifts_need_eleven_hours_between_them():
    early, late = parse_window(None, "06:00", "14:00"), parse_window(None, "14:00", "22:00")
    daily = {"turn": (1, "day"), "every": (1, "day"), "starts": datetime(2026, 11, 16)}  # noqa: DTZ001
    both = roster(
        layer("ana", "bo", id="early", windows=(early,), **daily),
        layer("cy", "ana", id="late", windows=(late,), **daily),
        covers=(early, late),
    )
    rests = [one for one in found(plan(both), Kind.OVERLOADED) if one.why == "rest"]
    assert {one.people for one in rests} == {("ana",)}
    assert rests[0].end - rests[0].start == 8 * HOUR
    # An hour each in turns is one working day with breaks.
    hourly = layer("ana", "bo", windows=(OFFICE,), turn=(1, "hour"), every=(1, "hour"))
    assert [one for one in found(plan(roster(hourly)), Kind.OVERLOADED) if one.why == "rest"] == []


def test_two_rosters_at_once_are_noted():
    pair = plan(roster(layer("ana", "bo")), roster(layer("ana", "cy"), name="second"))
    assert [(one.people, one.also) for one in found(pair, Kind.TWICE)] == [(("ana",), "second")]


# ---------------------------------------------------------------------------------------------------------------------
# Told


def ahead(story: Story) -> int:
    """The loop has looked; how many findings were told in channels since."""
    before = len(story.announcements)
    (one, *_) = looked = look(story.engine.plan, story.engine.rosters, story.state.overrides.values(), story.now)
    assert one.roster == "primary"
    story.apply(CoverageSeen(tuple(finding for each in looked for finding in each.findings)))
    told = [one.facts["findings"] for one in story.announcements[before:]]
    return sum(len(some) for some in told)  # type: ignore[arg-type]


def ahead_at(story: Story, at: datetime) -> int:
    story.now = at
    return ahead(story)


def weekly(**more: object) -> Plan:
    return replace(plan(roster(layer("ana", "bo"), **more)), digest=Digest(to=("channel:ops",)))


def test_a_gap_is_told_at_thirty_seven_and_one_days_and_never_else():
    story = Story(weekly(), starts=MONDAY)
    gap = MONDAY + 40 * DAY
    story.says(AddOverride("primary", gap, gap + DAY, remove="bo", by="lead"))
    told = {}
    for hour in range(0, 41 * 24, 6):
        story.now = MONDAY + hour * HOUR
        if count := ahead(story):
            told[(gap - story.now) / DAY] = count
    assert told == {29.75: 1, 7.0: 1, 1.0: 1}
    assert story.kinds().count("coverage_warned") == 3
    assert story.facts("coverage_warned")["gap"] == 1


def test_a_gap_seen_late_is_told_once_now():
    story = Story(weekly(), starts=MONDAY)
    story.says(AddOverride("primary", MONDAY + 5 * DAY, MONDAY + 6 * DAY, remove="ana", by="lead"))
    assert [ahead(story), ahead(story)] == [1, 0]
    story.now += 4 * DAY
    assert [ahead(story), ahead(story)] == [1, 0]
    story.now += DAY + HOUR  # It runs.
    assert ahead(story) == 0


def test_a_gap_that_moves_is_a_new_one_and_one_that_comes_back_is_not():
    story = Story(weekly(), starts=MONDAY)
    day = (MONDAY + 20 * DAY, MONDAY + 21 * DAY)
    story.says(AddOverride("primary", *day, remove="ana", by="lead"))
    assert ahead(story) == 1
    story.says(AddOverride("primary", day[0], day[0] + HOUR, add="cy", by="lead"))
    assert ahead(story) == 1, "it begins later now: another gap"
    story.says(AddOverride("primary", *day, add="lead", by="lead"))
    assert ahead(story) == 0
    story.says(RemoveOverride(3, by="lead"))
    assert ahead(story) == 0


def test_what_has_no_end_is_told_once_in_a_year():
    story = Story(replace(weekly(), rosters={"primary": roster(layer("ana", effective=datetime(2028, 1, 1)))}), MONDAY)  # noqa: DTZ001
    told = []
    for day in range(300):
        story.now = MONDAY + day * DAY
        told.append(ahead(story))
    assert told == [1] + [0] * 299


def test_overload_is_told_once_a_month_and_two_rosters_never():
    both = roster(layer("ana", "bo", turn=(8, "week"), every=(8, "week"))), roster(layer("ana"), name="second")
    story = Story(replace(plan(*both), digest=Digest(to=("channel:ops",))), starts=MONDAY)
    told = {}
    for day in range(28):
        story.now = MONDAY + day * DAY
        if count := ahead(story):
            told[day] = count
    assert sum(told.values()) == 3, told  # November, December and, once it comes into sight, January
    assert {one.facts["findings"][0]["why"] for one in story.announcements} == {"share"}  # type: ignore[index]


def test_who_hears_of_it():
    gap = AddOverride("primary", MONDAY + 5 * DAY, MONDAY + 6 * DAY, remove="ana", by="lead")
    story = Story(replace(weekly(), digest=Digest()), starts=MONDAY)
    story.says(gap)
    ahead(story)
    assert [(one.person, one.event) for one in story.notices if one.event == "coverage"] == [("lead", "coverage")]
    named = Story(weekly(announce=("person:cy", "channel:ops")), starts=MONDAY)
    named.says(gap)
    assert ahead(named) == 1
    assert [one.person for one in named.notices if one.event == "coverage"] == ["cy"]


def test_ten_rosters_of_weekend_holes_keep_one_mark_for_each_gap():
    holes = [roster(layer("ana", "bo", turn=(5, "day")), name=f"r{number}") for number in range(10)]
    story = Story(replace(plan(*holes), digest=Digest(to=("channel:ops",))), starts=MONDAY)
    for day in range(40):
        story.now = MONDAY + day * DAY
        some = look(story.engine.plan, story.engine.rosters, (), story.now)
        story.apply(CoverageSeen(tuple(finding for each in some for finding in each.findings)))
    assert len(story.state.standing.marks) <= 10 * 8
