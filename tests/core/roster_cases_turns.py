"""Cases of turns: clock changes (D), rotations (R), weekdays and days of the month (W)."""

from __future__ import annotations

import json
import re
from datetime import timedelta

from opswatch.core.calendars import instant, zone
from opswatch.core.roster import layer_problems
from tests.core.duty import Duty, layer, local, utc
from tests.core.roster_cases import Case, answers, holds, segments

# ---------------------------------------------------------------------------------------------------------------------
# D: clock changes


@holds("D01", "D03", "D05", "D07", "D09", "D11", "D13")
def _(case: Case) -> None:
    unit, every, starts = re.match(r"unit=(\w+), every (\d+)(?: .*)?, anchor (.*) local", case["rotation"]).groups()
    turns = [f"{every} {unit}", *(["24 hour"] if "hour x 24" in case["rotation"] else [])]
    handoffs = [utc(at) for at in case["handoffs_utc"]]
    for turn in turns:
        duty = Duty(layer("A B C", starts, turn, zone=case["timezone"]))
        shifts = duty.shifts(handoffs[0], handoffs[-1])
        assert [shift.start for shift in shifts] == handoffs[:-1]
        assert [shift.end for shift in shifts] == handoffs[1:]
        for at, answer in case["queries"]:
            number = int(answer.removeprefix("shift "))
            now = duty.on_call(at)
            assert (now.start, now.until) == (handoffs[number], handoffs[number + 1]), (at, turn)


@holds("D15")
def _(case: Case) -> None:
    for line in case["expected"]:
        pattern = r"unit=(\w+) every (\d): shift starting (\S+) ends (\S+) \((\d+) elapsed hours\)"
        unit, every, starts, ends, hours = re.fullmatch(pattern, line).groups()
        anchor = utc(starts).astimezone(zone(case["timezone"])).replace(tzinfo=None)
        now = Duty(layer("A B", anchor.isoformat(), f"{every} {unit}", zone=case["timezone"])).on_call(starts)
        assert (now.start, now.until) == (utc(starts), utc(ends))
        assert now.until - now.start == timedelta(hours=int(hours))


@holds("D17")
def _(case: Case) -> None:
    duty = Duty(layer("A B", "2020-06-01T03:00", "10 hours"))
    for line in case["expected"]:
        at, end = re.fullmatch(r"at (\S+) .* ends (\S+)", line).groups()
        assert duty.on_call(at).until == utc(end)


@holds("D19")
def _(case: Case) -> None:
    spring = {"01:30": "07:30", "02:00": "08:00", "02:30": "08:00", "03:00": "08:00", "03:30": "08:30"}
    first = {"01:00": "06:00", "01:30": "06:30", "02:00": "08:00"}
    last = {"01:00": "07:00", "01:30": "07:30", "02:00": "08:00"}
    for day, is_last, table in (
        ("2018-03-11", False, spring),
        ("2018-11-04", False, first),
        ("2018-11-04", True, last),
    ):
        for clock, expected in table.items():
            assert f"{clock}" in " ".join(case["expected"]) and f"{day}T{expected}:00Z" in " ".join(case["expected"])
            reading = local(f"{day}T{clock}")
            assert instant(reading, case["timezone"], last=is_last) == utc(f"{day}T{expected}:00Z"), (day, clock)


@holds("D21")
def _(case: Case) -> None:
    duty = Duty(layer("A B C", "2016-10-16T01:30", zone=case["timezone"]))
    now = instant(local("2016-10-29T10:00"), case["timezone"])
    shifts = duty.shifts(now, now + timedelta(days=14))
    assert len(shifts) == 3
    assert shifts[1].end == shifts[2].start == utc("2016-11-06T06:30:00Z")


@holds("D23")
def _(case: Case) -> None:
    answers(
        Duty(layer("W", "2026-03-01T00:00", "1 month", (None, "fri 20:00", "mon 08:00"), zone=case["timezone"])), case
    )


@holds("D25")
def _(case: Case) -> None:
    duty = Duty(layer("A", "2026-03-07T00:00", "1 day", ("all", "09:00", "17:00"), zone=case["timezone"]))
    answers(duty, case)
    assert duty.said("2026-03-07T05:00:00Z", "2026-03-10T04:00:00Z") == [
        "03-07 14:00-22:00 A",
        "03-08 13:00-21:00 A",
        "03-09 13:00-21:00 A",
    ]


@holds("D27")
def _(case: Case) -> None:
    answers(Duty(layer("A", "2026-02-16T00:00", "1 day", ("all", "09:30", "18:30"), zone=case["timezone"])), case)


# ---------------------------------------------------------------------------------------------------------------------
# R: rotations


@holds("R01")
def _(case: Case) -> None:
    duty = Duty(layer("A B C", "2017-01-02T10:30", zone=case["timezone"]))
    now = utc("2017-02-07T00:00:00-08:00")
    starts = [duty.on_call(now).start, *(shift.start for shift in duty.shifts(now, now + timedelta(days=21))[1:])]
    assert starts == [utc(f"2017-02-{day}T18:30:00Z") for day in ("06", "13", "20", "27")]
    assert all(duty.on_call(start).until - start == timedelta(days=7) for start in starts)


@holds("R03")
def _(case: Case) -> None:
    duty = Duty(layer("A B", "2016-09-07T12:00", "2 weeks", ("all", "12:00", "24:00"), zone=case["timezone"]))
    shifts = [shift for shift in duty.shifts("2016-09-09T05:00:00Z", "2016-10-05T17:00:00Z") if shift.people]
    second = [shift for shift in shifts if shift.people == ("B",)]
    assert {shift.people for shift in shifts} == {("A",), ("B",)}
    assert len(second) == 14
    assert [shift.start for shift in second] == [utc("2016-09-21T17:00:00Z") + timedelta(days=day) for day in range(14)]
    assert second[-1].start == utc("2016-10-04T17:00:00Z")


@holds("R05")
def _(case: Case) -> None:
    duty = Duty(layer("A B C", "2017-02-06T10:30", zone="US/Pacific"))
    starts = [shift.start for shift in duty.shifts("2017-02-07T00:00:00Z", "2017-02-28T00:00:00Z")[1:]]
    assert starts == [utc(f"2017-02-{day}T18:30:00Z") for day in ("13", "20", "27")]


@holds("R07")
def _(case: Case) -> None:
    answers(Duty(layer("A B", "2024-05-06T07:00", zone=case["timezone"])), case)


@holds("R09")
def _(case: Case) -> None:
    people, starts = " ".join(f"person-{n}" for n in range(24)), "2018-08-25T14:08:09"
    duty = Duty(layer(people, starts, "6 weeks", ("sun,mon,tue,wed", "19:40", "22:53")))
    named = json.loads(json.dumps(case).replace("person ", "person-"))
    active, *queries = named["queries"]
    assert Duty(layer(people, starts, "6 weeks")).who(active[0]) == active[1].split(" (")[0]
    answers(duty, {"queries": queries})
    segments(duty, named, "2018-09-10T00:00:00Z", "2018-09-17T00:00:00Z", gaps=False)


@holds("R11")
def _(case: Case) -> None:
    two, three = (Duty(layer("A B", "2026-01-01T00:00", f"{days} days")) for days in (2, 3))
    answers(two, case, "(every 2)")
    answers(three, case, "(every 3)")
    assert two.on_call("2026-01-03T12:00:00Z").until == utc("2026-01-05T00:00:00Z")
    assert three.on_call("2026-01-05T06:00:00Z").until == utc("2026-01-07T00:00:00Z")
    sequence = [shift.people for shift in two.shifts("2026-01-03T12:00:00Z", "2026-01-10T00:00:00Z")]
    assert sequence == [("B",), ("A",), ("B",), ("A",)]


@holds("R13")
def _(case: Case) -> None:
    assert layer_problems(layer("A B", "2026-01-01T00:00", "0 days")) == [
        "turn = '0 days': the count must be 1 or more, such as '1 week'",
        "every = '0 days': the count must be 1 or more, such as '1 week'",
    ]


@holds("R15")
def _(case: Case) -> None:
    duty = Duty(layer("A B", "2024-02-29T00:00", "12 months"))
    assert duty.on_call("2024-02-29T00:00:00Z").until == utc("2025-02-28T00:00:00Z")
    later = duty.on_call("2027-06-01T00:00:00Z")
    assert (later.people, later.start, later.until) == (
        ("B",),
        utc("2027-02-28T00:00:00Z"),
        utc("2028-02-29T00:00:00Z"),
    )


# ---------------------------------------------------------------------------------------------------------------------
# W: weekdays and days of the month


NOON = ("00:00", "12:00")
WEEKDAY_LAYERS = {
    "W01": layer("A B C", "2024-08-01T00:00", "1 day", ("fri", *NOON), worked=True, until="2024-08-22T00:00"),
    "W03": layer("A B C D E", "2024-08-08T00:00", "1 day", ("mon-fri", *NOON), worked=True, until="2024-08-22T00:00"),
    "W05": layer("A B C D E", "2024-08-01T00:00", "1 month", ("mon-fri", *NOON), effective="2024-08-29T00:00"),
    "W07": layer("A B C", "2024-08-01T00:00", "1 day", ("sat,sun", *NOON), worked=True, until="2024-08-18T00:00"),
    "W09": layer("A B C", "2024-07-29T00:00", "1 week", ("sat,sun", *NOON), every="2 weeks"),
    "W11": layer("A B C D E F G H I J", "2024-09-30T00:00", "7 days", ("all", *NOON)),
    "W13": layer("A B", "2024-05-06T12:00", "3 hours", every="2 days"),
    "W15": layer("A A B B", "2024-05-06T00:00", "1 day", ("mon,wed,fri", "00:00", "03:00"), worked=True),
    "W17": layer("A B", "2022-10-01T10:30", "3 hours", every="2 months", effective="2022-10-01T11:30"),
    "W19": layer(
        "A B C",
        "2024-05-06T00:00",
        "1 week",
        ("sat,sun", "00:00", "00:30"),
        effective="2024-05-13T00:00",
        until="2024-06-12T00:01",
    ),
    "W21": layer(
        "A B C",
        "2022-12-01T10:30",
        "1 month",
        ("1..4", "10:30", "11:00"),
        effective="2022-12-31T11:30",
        until="2023-02-11T10:31",
    ),
    "W23": layer("A B", "2024-05-06T12:00", "1 day", effective="2024-05-09T12:00", until="2024-05-06T20:00"),
}


@holds(*WEEKDAY_LAYERS)
def _(case: Case) -> None:
    duty = Duty(WEEKDAY_LAYERS[case["id"]])
    answers(duty, case)
    for at, who in case["queries"]:
        if "12 h shift" in case.get("note", "") and who != "nobody":  # "or after 12:00Z -> nobody"
            assert duty.who(utc(at) + timedelta(hours=6)) == "nobody"
    if case["id"] == "W23":
        assert "until = 2024-05-06T20:00:00 is not after effective" in layer_problems(WEEKDAY_LAYERS["W23"])[0]
