"""Cases of windows (T), layers and overrides over one another (O), and coverage (C)."""

from __future__ import annotations

from datetime import datetime, timedelta

from opswatch.core.calendars import covers, pieces
from opswatch.core.coverage import look
from opswatch.core.model import Secret
from opswatch.core.plan import Layer, Person, Plan, Roster
from opswatch.core.roster import Rosters, conflicting
from tests.core.duty import Duty, layer, override, utc, windows
from tests.core.roster_cases import Case, answers, holds, segments

# ---------------------------------------------------------------------------------------------------------------------
# T: windows


@holds("T01")
def _(case: Case) -> None:
    answers(Duty(layer("A", "2017-01-02T00:00", "1 week", ("mon", "08:00", "20:00"))), case)


@holds("T03")
def _(case: Case) -> None:
    duty = Duty(layer("A", "2017-01-02T00:00", "1 week", ("mon-fri", "08:00", "08:00")))
    answers(duty, case)
    assert duty.said("2017-07-23T00:00:00Z", "2017-07-30T00:00:00Z") == ["07-24 08:00-07-29 08:00 A"]


@holds("T05")
def _(case: Case) -> None:
    def window(days: str, opens: str, closes: str, at: str) -> tuple[datetime, datetime]:
        duty = Duty(layer("A", "2017-01-01T00:00", "12 months", (days, opens, closes)))
        shift = duty.rosters.next_shifts_of("A", "r", (), utc(f"2017-07-{at}:00Z"), 1)[0]
        return shift.start, shift.end

    assert window("mon", "08:00", "20:00", "24T08:01")[0] == utc("2017-07-24T08:00:00Z")
    assert window("mon", "08:00", "20:00", "24T20:00")[0] == utc("2017-07-31T08:00:00Z")
    both = (utc("2017-07-24T08:00:00Z"), utc("2017-07-26T08:00:00Z"))
    assert window("mon,tue", "08:00", "08:00", "25T20:00") == both
    assert window("mon,tue", "08:00", "08:00", "26T20:00")[0] == utc("2017-07-31T08:00:00Z")
    assert window("fri,sat,mon", "08:00", "20:00", "22T20:00")[0] == utc("2017-07-24T08:00:00Z")
    assert window("fri,sat,mon", "08:00", "20:00", "24T20:00")[0] == utc("2017-07-28T08:00:00Z")
    assert window("mon", "20:00", "08:00", "25T07:00")[0] == utc("2017-07-24T20:00:00Z")
    overnight = (utc("2017-07-31T20:00:00Z"), utc("2017-08-01T08:00:00Z"))
    assert window("mon", "20:00", "08:00", "25T08:00") == overnight


@holds("T07")
def _(case: Case) -> None:
    duty = Duty(layer("A B C", "2026-02-16T00:00", "1 day", ("all", "22:00", "06:00")))
    assert case["queries"] == [["2026-02-17T03:00:00Z", "B"]]
    assert duty.who("2026-02-17T03:00:00Z") == "A"


@holds("T09", "T11")
def _(case: Case) -> None:
    days = {"T09": ("mon-fri", "09:00", "17:00"), "T11": ("-3..-1", "00:00", "00:00")}[case["id"]]
    for at, expected in case["queries"]:
        is_active = covers(windows(days), case["timezone"], None, utc(at))
        assert is_active is (expected == "active"), at
        assert (
            any(pieces(windows(days)[0], case["timezone"], None, utc(at), utc(at) + timedelta(seconds=1))) is is_active
        )


# ---------------------------------------------------------------------------------------------------------------------
# O: layers over layers, and overrides


def daily(people: str, *hours: str, priority: int = 0) -> list[Layer]:
    """One layer for each "10-15", so that each is on call in its own right."""
    spans = [tuple(f"{int(hour):02}:00" for hour in span.split("-")) for span in hours]
    names = [f"{people}-{hour}-{priority}" for hour in hours]
    return [
        layer(people, "2024-05-01T00:00", "1 day", ("all", *span), name=name, priority=priority)
        for name, span in zip(names, spans, strict=True)
    ]


@holds("O01")
def _(case: Case) -> None:
    def at(clock: str) -> str:
        return f"2024-05-06T{clock}:00Z"

    first = [*daily("A", "10-15", "16-19", "21-22", priority=1), *daily("B", "11-13", "22-24", priority=1)]
    second = [*daily("C", "12-14", priority=2), *daily("D", "14-15", "17-18", "20-23", priority=2)]
    duty = Duty(
        *first,
        *second,
        overrides=[
            override(at("22:00"), at("23:00"), schedule=[(at("22:00"), at("23:00"), "E")], number=1),
            override(at("22:00"), at("22:30"), schedule=[(at("22:00"), at("22:30"), "A")], number=2),
        ],
    )
    answers(duty, case)
    segments(duty, case, at("00:00"), "2024-05-07T00:00:00Z")


@holds("O03")
def _(case: Case) -> None:
    low = [*daily("A", "10-20", priority=1), *daily("B", "10-20", priority=1)]
    answers(Duty(*low, *daily("C", "10-13", priority=2)), case)


@holds("O05")
def _(case: Case) -> None:
    start, end = "2024-05-06T10:00:00Z", "2024-05-06T15:00:00Z"
    for change in (override(start, end, replace="A", by="B"), override(start, end, schedule=[(start, end, "B")])):
        duty = Duty(*daily("A", "10-15"), overrides=[change])
        answers(duty, case)
        segments(duty, case, start, end)


@holds("O07")
def _(case: Case) -> None:
    answers(Duty(overrides=[override("2024-05-06T12:00:00Z", "2024-05-06T13:00:00Z", add="A")]), case)


@holds("O09")
def _(case: Case) -> None:
    added = [
        override(f"2018-01-01T{start}:00Z", f"2018-01-01T{end}:00Z", add="B", number=number)
        for number, (start, end) in enumerate([("08:30", "08:45"), ("08:00", "08:15")], 1)
    ]
    assert conflicting(added[:1], added[1]) is None
    answers(Duty(layer("A", "2017-12-01T00:00", "1 day", ("all", "08:00", "10:00")), overrides=added), case)


@holds("O11")
def _(case: Case) -> None:
    span = ("2000-01-02T03:05:00Z", "2000-01-02T03:06:00Z")
    changes = [override(*span, add="N"), override(*span, replace="X", by="M", number=2)]
    changes.append(override(*span, remove="Y", number=3))
    answers(Duty(layer("X,Y,Z", "2000-01-01T00:00"), overrides=changes), case)


@holds("O13")
def _(case: Case) -> None:
    entry = ("2018-01-01T08:25:00Z", "2018-01-01T08:35:00Z", "B")
    blank = override("2018-01-01T08:15:00Z", "2018-01-01T08:45:00Z", schedule=[entry])
    duty = Duty(layer("A", "2017-12-01T00:00", "1 day", ("all", "08:00", "10:00")), overrides=[blank])
    answers(duty, case)
    segments(duty, case, "2018-01-01T08:00:00Z", "2018-01-01T09:00:00Z", gaps=False)


@holds("O15")
def _(case: Case) -> None:
    first, second = (
        override("2024-05-06T11:00:00Z", "2024-05-06T19:00:00Z", add="A", number=number) for number in (1, 2)
    )
    assert conflicting([], first) is None
    assert conflicting([first], second) == first


@holds("O17")
def _(case: Case) -> None:
    for start in ("2026-01-01T12:00:00Z", "2026-01-01T12:00:00.500Z"):
        duty = Duty(
            layer("A", "2025-12-01T00:00", "1 day", ("all", "08:00", "12:00")),
            overrides=[override(start, "2026-01-01T13:00:00Z", replace="A", by="B")],
        )
        answers(duty, case)
        assert duty.said("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z") == ["01-01 08:00-12:00 A"]


@holds("O19")
def _(case: Case) -> None:
    span = ("2026-01-01T09:00:00Z", "2026-01-01T13:00:00Z")
    first, second = override(*span, replace="A", by="B"), override(*span, replace="A", by="C", number=2)
    assert conflicting([first], second) == first
    duty = Duty(layer("A", "2025-12-01T00:00", "1 day", ("all", "08:00", "14:00")), overrides=[second])
    answers(duty, case)


@holds("O21")
def _(case: Case) -> None:
    duty = Duty(
        layer("A", "2026-02-16T00:00", "1 week", (None, "mon 00:00", "wed 00:00"), priority=1),
        layer("B", "2026-02-16T00:00", "1 day", name="always"),
    )
    answers(duty, case)
    at = utc("2026-02-16T00:00:00Z")
    assert duty.on_call(at).until == utc("2026-02-18T00:00:00Z")
    assert duty.rosters.next_people("r", (), at) == ("B",)
    assert duty.rosters.next_shifts_of("B", "r", (), at, 1)[0].start == utc("2026-02-18T00:00:00Z")


@holds("O23")
def _(case: Case) -> None:
    def swapped(start: str, end: str) -> list[str]:
        taken = override(f"2024-05-{start}:00Z", f"2024-05-{end}:00Z", replace="A", by="B")
        return Duty(*daily("A", "12-15"), overrides=[taken]).said("2024-05-07T00:00:00Z", "2024-05-09T00:00:00Z")

    tomorrow = "05-08 12:00-15:00"
    inside = ["05-07 12:00-13:00 A", "05-07 13:00-14:00 B", "05-07 14:00-15:00 A", f"{tomorrow} A"]
    assert swapped("07T13:00", "07T14:00") == inside
    assert swapped("07T10:00", "07T13:00") == ["05-07 12:00-13:00 B", "05-07 13:00-15:00 A", f"{tomorrow} A"]
    assert swapped("07T15:00", "09T12:00") == ["05-07 12:00-15:00 A", f"{tomorrow} B"]


@holds("O25")
def _(case: Case) -> None:
    stranger = override("2024-05-06T00:00:00Z", "2024-05-08T00:00:00Z", replace="X", by="B")
    span = ("2024-05-06T00:00:00Z", "2024-05-08T00:00:00Z")
    assert Duty(*daily("A", "12-15"), overrides=[stranger]).shifts(*span) == Duty(*daily("A", "12-15")).shifts(*span)


# ---------------------------------------------------------------------------------------------------------------------
# C: coverage


@holds("C01")
def _(case: Case) -> None:
    duty = Duty(*daily("A", "10-18"))
    segments(duty, case, "2024-05-06T00:00:00Z", "2024-05-07T00:00:00Z")
    gaps = [shift for shift in duty.shifts("2024-05-06T00:00:00Z", "2024-05-07T00:00:00Z") if not shift.people]
    assert all((gap.layer, gap.override) == (None, None) for gap in gaps)


@holds("C03")
def _(case: Case) -> None:
    month = ("2024-05-06T12:00:00Z", "2024-06-05T12:00:00Z")
    assert Duty(layer("A", "2024-01-01T12:00", "24 hours")).gaps(*month) == []
    assert len(Duty(layer("A", "2024-01-02T12:00", "24 hours", every="2 days")).gaps(*month)) == 15
    past = layer("A", "2024-01-01T12:00", "1 day", effective="2024-05-01T00:00")
    later = layer("A", "2024-01-01T12:00", "1 day", until="2024-06-06T00:00")
    assert Duty(past).gaps(*month) == Duty(later).gaps(*month) == []

    def kinds(every: str, contact: str) -> set[str]:
        """What coverage says of the month: a gap, and a person who cannot be paged."""
        one = layer("A", "2024-01-02T12:00", "24 hours", every=every)
        who = Person("A", "A", contacts={contact: Secret("x")} if contact else {})
        plan = Plan(rosters={"r": Roster("r", (one,))}, people={"A": who})
        [found] = look(plan, Rosters(plan), (), utc(month[0]))
        return {str(finding.kind) for finding in found.findings} & {"gap", "unreachable"}

    assert kinds("1 day", "slack") == set()
    assert kinds("2 days", "slack") == {"gap"}
    assert kinds("1 day", "") == {"unreachable"}
    assert kinds("2 days", "") == {"gap", "unreachable"}


@holds("C07")
def _(case: Case) -> None:
    duty = Duty(
        layer("A", "2024-05-01T00:00", "1 day", ("all", "08:00", "12:00")),
        layer("B", "2024-05-01T00:00", "1 day", ("all", "12:01", "08:00"), name="rest"),
    )
    assert duty.who("2024-05-06T08:00:00Z") == "A"
    assert duty.who("2024-05-06T12:00:00Z") == "nobody"
    minute = (utc("2024-05-06T12:00:00Z"), utc("2024-05-06T12:01:00Z"))
    assert duty.gaps("2024-05-06T08:00:00Z", "2024-05-07T08:00:00Z") == [minute]
    assert duty.gaps("2024-05-06T12:00:00Z", "2024-05-06T12:00:00Z") == []
    nobody = (utc("2024-05-06T00:00:00Z"), utc("2024-05-07T00:00:00Z"))
    assert Duty().gaps("2024-05-06T00:00:00Z", "2024-05-07T00:00:00Z") == [nobody]
