"""Who is on call, and a year of a hundred rosters: plain ones, and with everything. `python -m benchmarks.rosters`"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from opswatch.core.calendars import parse_window
from opswatch.core.plan import DayCalendar, Layer, Plan, Roster
from opswatch.core.roster import Rosters
from opswatch.core.state import Override

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
YEAR = timedelta(days=365)
ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca")
ROSTERS = 100
ASKED = 20_000
LIMIT_US, LIMIT_S = 20.0, 1.0  # SPEC 8

local = datetime.fromisoformat  # a reading of a local clock

HOLIDAYS = DayCalendar(
    "cn",
    frozenset(date(2026, month, day) for month in range(1, 13) for day in (1, 2, 3)),
    frozenset(date(2026, month, 4) for month in range(1, 13)),
    frozenset({2026, 2027}),
)


def plain(number: int) -> Roster:
    """Three turns by the week, as the example has them."""
    layer = Layer("all", _people(number, 3), local("2026-01-05T09:00"), (1, "week"), (1, "week"), ZONES[number % 5])
    return Roster(f"r{number}", (layer,), ZONES[number % 5])


def windowed(number: int) -> Roster:
    """Follow the sun: days, nights over midnight and weekends in three layers of three zones."""
    windows = (("mon-fri", "08:00", "20:00"), ("mon-thu", "20:00", "08:00"), (None, "fri 20:00", "mon 08:00"))
    layers = tuple(
        Layer(
            f"layer-{place}",
            _people(number + place, 4),
            local("2026-01-05T09:00"),
            (1, "day"),
            (1, "day"),
            ZONES[(number + place) % 5],
            priority=place,
            windows=(parse_window(*window),),
        )
        for place, window in enumerate(windows)
    )
    return Roster(f"r{number}", layers, ZONES[number % 5])


def worked(number: int) -> Roster:
    """Turns that advance by worked slots, since two years, by a calendar of holidays."""
    layer = Layer(
        "office",
        _people(number, 5),
        local("2024-06-03T09:00"),
        (1, "day"),
        (1, "day"),
        ZONES[number % 5],
        calendar="cn",
        windows=(parse_window("workdays", "09:00", "18:00"),),
        worked=True,
    )
    return Roster(f"r{number}", (layer,), ZONES[number % 5])


def hourly(number: int) -> Roster:
    """A hand-off every hour: 8,760 shifts a year."""
    layer = Layer("hours", _people(number, 6), local("2026-01-05T00:00"), (1, "hour"), (1, "hour"), ZONES[number % 5])
    return Roster(f"r{number}", (layer,), ZONES[number % 5])


KINDS = {"weekly": plain, "windows, three layers": windowed, "worked advance": worked, "hourly": hourly}


def overrides_of(rosters: Iterable[Roster], each: int = 50) -> tuple[Override, ...]:
    """Fifty a year in each roster: somebody stands in for a day and a half."""
    rng, found = random.Random(8), []
    for roster in rosters:
        for number in range(each):
            start = NOW + timedelta(days=7 * number, hours=rng.randrange(100))
            gone = roster.layers[0].participants[number % len(roster.layers[0].participants)][0]
            new = Override(len(found) + 1, roster.id, start, start + timedelta(hours=36), gone, "stand-in")
            found.append(new)
    return tuple(found)


def main() -> list[str]:
    """The rows, as Markdown."""
    lines = ["| who is on call | n | p50 µs | p99 µs | mean µs |", "| --- | --- | --- | --- | --- |"]
    means = [_ask(lines, name, kind(0)) for name, kind in KINDS.items()]
    lines += [
        "",
        "| a year of 100 rosters, nothing known before | shifts | s of the processor | gaps, s |",
        "| --- | --- | --- | --- | --- |",
    ]
    yearly = {name: kind for name, kind in KINDS.items() if kind is not hourly}  # 876,000 shifts are no year of 100.
    years = [_year(lines, name, [kind(number) for number in range(ROSTERS)]) for name, kind in yearly.items()]
    over = [name for name, mean in zip(KINDS, means, strict=True) if mean > LIMIT_US]
    over += [f"a year of {name}" for name, took in zip(yearly, years, strict=True) if took > LIMIT_S]
    verdict = f"not for {', '.join(over)}" if over else "for all of them"
    limits = f"{LIMIT_US:.0f} µs and {LIMIT_S:.0f} s"
    return [*lines, "", f"The limits of {limits} hold {verdict}; all with 50 overrides in each roster."]


def _ask(lines: list[str], name: str, roster: Roster) -> float:
    """The pager's question now, and at random instants of a year; the worse mean of both, in µs."""
    rosters, overrides = Rosters(_plan([roster])), overrides_of([roster])
    rng = random.Random(4)
    anywhere = [NOW + timedelta(seconds=rng.randrange(365 * 86_400)) for _ in range(ASKED)]
    now = [NOW + timedelta(milliseconds=number) for number in range(ASKED)]
    means = []
    for what, instants in (("now, again and again", now), ("at any instant of a year", anywhere)):
        rosters.on_call(roster.id, overrides, instants[0])
        took = []
        for at in instants:
            began = time.perf_counter()
            rosters.on_call(roster.id, overrides, at)
            took.append((time.perf_counter() - began) * 1e6)
        p50, p99, mean = statistics.median(took), statistics.quantiles(took, n=100)[98], statistics.mean(took)
        lines.append(f"| {name}, {what} | {len(took):,} | {p50:.1f} | {p99:.1f} | {mean:.1f} |")
        means.append(mean)
    return max(means)


def _year(lines: list[str], name: str, all_: list[Roster]) -> float:
    """Shifts of a year, and its gaps, each by a resolver that remembers nothing; the longer of both, in s."""
    overrides = overrides_of(all_)
    by_roster = {roster.id: [one for one in overrides if one.roster == roster.id] for roster in all_}
    took, count = [], 0
    for question in ("shifts", "gaps"):
        rosters = Rosters(_plan(all_))
        began = time.process_time()  # Nothing but thinking: what else runs on the machine does not count.
        found = sum(len(getattr(rosters, question)(one.id, by_roster[one.id], NOW, NOW + YEAR)) for one in all_)
        took.append(time.process_time() - began)
        count = count or found
    lines.append(f"| {name} | {count:,} | {took[0]:.2f} | {took[1]:.2f} |")
    return max(took)


def _plan(rosters: list[Roster]) -> Plan:
    return Plan(rosters={one.id: one for one in rosters}, calendars={"cn": HOLIDAYS})


def _people(number: int, count: int) -> tuple[tuple[str, ...], ...]:
    return tuple((f"p{number}-{place}",) for place in range(count))


if __name__ == "__main__":
    print("\n".join(main()))
