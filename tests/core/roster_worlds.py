"""Random rosters, overrides and calendars near an instant at which clocks change; and smaller ones like them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from opswatch.core.plan import DayCalendar, Layer, Person, Plan, Roster, Window
from opswatch.core.roster import Rosters, conflicting, layer_problems
from opswatch.core.state import Override
from tests.core.clock_changes import FUZZ_ZONES, changes

PEOPLE = ("A", "B", "C", "D")
TEAM = (Person("lead", "Lead"), Person("ann", "Ann", team="ops"), Person("bo", "Bo", team="ops"))
FALLBACKS = {(): (), ("person:lead",): ("lead",), ("team:ops", "person:lead"): ("ann", "bo", "lead")}
TURNS = (
    *((count, "hour") for count in (1, 5, 8, 12, 24)),
    *((count, "day") for count in (1, 2, 3, 7, 10)),
    *((count, "week") for count in (1, 2)),
    *((count, "month") for count in (1, 2, 12)),
)
YEARS = (datetime(2020, 1, 3, tzinfo=UTC), datetime(2035, 12, 20, tzinfo=UTC))


@dataclass(frozen=True)
class World:
    """A roster with everything around it, and the instants, [start, end) and `asked`, at which it is looked at."""

    roster: Roster
    overrides: tuple[Override, ...]
    holidays: DayCalendar
    start: datetime
    end: datetime
    asked: tuple[datetime, ...]

    def rosters(self) -> Rosters:
        return Rosters(self.plan())

    def plan(self) -> Plan:
        return Plan(rosters={"r": self.roster}, calendars={"days": self.holidays}, people={one.id: one for one in TEAM})

    @property
    def fallback(self) -> tuple[str, ...]:
        return FALLBACKS[self.roster.fallback]


def world(seed: str) -> World:
    """The world of that seed: half of them around a clock change of a zone that is known for trouble."""
    rng = random.Random(seed)
    zone_name = rng.choice(FUZZ_ZONES)
    known = changes(zone_name)
    if known and rng.random() < 0.75:
        around = rng.choice(known)
    else:
        around = YEARS[0] + timedelta(minutes=rng.randrange((YEARS[1] - YEARS[0]) // timedelta(minutes=1)))
    return world_around(rng, zone_name, around)


def world_around(rng: random.Random, zone_name: str, around: datetime) -> World:
    start = around - timedelta(minutes=rng.randrange(600, 2400))
    end = around + timedelta(minutes=rng.randrange(600, 2400))
    local = around.astimezone(ZoneInfo(zone_name)).replace(tzinfo=None)
    layers = tuple(_layer(rng, number, zone_name, local) for number in range(rng.choice((1, 1, 2, 2, 3))))
    covers = tuple(_window(rng, local) for _ in range(rng.randrange(3))) if rng.random() < 0.2 else None
    asked = [around + timedelta(minutes=rng.randint(-180, 180)) for _ in range(6)]
    asked += [around + timedelta(minutes=rng.randint(-600, 599)) for _ in range(6)]
    return World(
        Roster("r", layers, zone_name, rng.choice(list(FALLBACKS)), covers),
        tuple(_overrides(rng, around)),
        _holidays(rng, local),
        start,
        end,
        tuple(sorted(asked)),
    )


def _layer(rng: random.Random, number: int, zone_name: str, around: datetime) -> Layer:
    zone = zone_name if rng.random() < 0.7 else rng.choice(FUZZ_ZONES)
    turn = rng.choice(TURNS)
    worked = rng.random() < 0.35
    windows = tuple(_window(rng, around) for _ in range(rng.choice((0, 0, 1, 1, 2, 3))))
    far = 20 if turn[1] == "hour" else rng.choice((4, 40, 100)) if worked and windows else rng.choice((4, 40, 3000))
    starts = _near(rng, around) + timedelta(days=rng.randint(-far, far))
    if turn[1] == "month" and rng.random() < 0.6:  # From the 29th to the 31st: clamped to the month's end.
        starts = starts.replace(month=rng.choice((1, 3, 5, 7, 8, 10, 12)), day=rng.randint(29, 31))
    effective, until = sorted(_near(rng, around) + timedelta(days=rng.randint(-2, 2)) for _ in range(2))
    layer = Layer(
        id=f"layer-{number}",
        participants=tuple(rng.choice((("A",), ("B",), ("C",), ("A", "D"))) for _ in range(rng.randint(1, 5))),
        starts=starts,
        turn=turn,
        every=turn,
        timezone=zone,
        priority=rng.randrange(2),
        effective=effective if rng.random() < 0.15 else None,
        until=until if rng.random() < 0.15 else None,
        calendar=rng.choice(("days", "days", None)),
        windows=windows,
        worked=worked,
    )
    holed = replace(layer, every=(rng.randint(1, 3) + turn[0] // 2, rng.choice(("day", "week", "month", turn[1]))))
    layer = holed if rng.random() < 0.4 and not layer_problems(holed) else layer
    if layer_problems(layer):  # `until` at `effective`.
        layer = replace(layer, until=None)
    assert not layer_problems(layer)
    return layer


def _near(rng: random.Random, around: datetime) -> datetime:
    """A reading close to the one that clocks change from or to, or anywhere in the day."""
    minutes = rng.choice((0, 0, 1, -1, 15, -15, 30, -30, 45, -60, 60, -90, 90, -120, 120, rng.randrange(1440)))
    return around + timedelta(minutes=minutes)


def _window(rng: random.Random, around: datetime) -> Window:
    start, end = (
        rng.choice((_near(rng, around).time(), _near(rng, around).time(), time(0), time(22), time(9))) for _ in range(2)
    )
    form = rng.choice(("all", "weekdays", "work", "month days", "several"))
    weekdays = frozenset(rng.sample(range(7), rng.randint(1, 7)))
    if form == "weekdays":
        return Window(start, end, weekdays=weekdays)
    if form == "work":
        return Window(start, end, work=rng.random() < 0.5)
    if form == "month days":
        length = frozenset({around.day, rng.randint(-5, -1), rng.randint(1, 31), rng.randint(1, 31)})
        return Window(start, end, month_days=length)
    if form == "several":
        return Window(start, end, weekdays=frozenset({rng.randrange(7)}), end_weekday=rng.randrange(7))
    return Window(start, end)


def _holidays(rng: random.Random, around: datetime) -> DayCalendar:
    days = [(around + timedelta(days=number)).date() for number in range(-60, 60)]
    return DayCalendar("days", frozenset(rng.sample(days, 25)), frozenset(rng.sample(days, 12)))


def _overrides(rng: random.Random, around: datetime) -> Iterator[Override]:
    found: list[Override] = []
    for number in range(1, 1 + rng.choice((0, 0, 1, 2, 3, 4))):
        start = around + timedelta(minutes=rng.randint(-2600, 2000))
        end = start + timedelta(minutes=rng.randint(1, 3000))
        who, other = rng.choice(PEOPLE), rng.choice((*PEOPLE, "E"))
        form = rng.choice(("replace", "replace", "remove", "add", "schedule"))
        new = Override(
            number,
            "r",
            start,
            end,
            remove=who if form in ("replace", "remove") else None,
            add=other if form in ("replace", "add") else None,
            shifts=tuple(_entries(rng, start)) if form == "schedule" else None,
            made_at=around - timedelta(days=30, minutes=rng.randrange(5)) if rng.random() < 0.7 else None,
        )
        if conflicting(found, new) is None:
            found.append(new)
            yield new


def _entries(rng: random.Random, start: datetime) -> Iterator[tuple[datetime, datetime, tuple[str, ...]]]:
    """Entries of a temporary schedule: they may overlap, leave holes, and reach beyond it."""
    for _ in range(rng.randrange(4)):
        opens = start + timedelta(minutes=rng.randint(-300, 1500))
        people = tuple(rng.sample((*PEOPLE, "E"), rng.randrange(3)))
        yield opens, opens + timedelta(minutes=rng.randint(1, 1500)), people


# ---------------------------------------------------------------------------------------------------------------------
# Smaller ones


def smaller(one: World) -> Iterator[World]:
    """Worlds with one thing less in them."""
    for place in range(len(one.overrides)):
        yield replace(one, overrides=_without(one.overrides, place))
    layers = one.roster.layers
    for place in range(len(layers)):
        if len(layers) > 1:
            yield replace(one, roster=replace(one.roster, layers=_without(layers, place)))
        for layer in _smaller_layers(layers[place]):
            roster = replace(one.roster, layers=(*layers[:place], layer, *layers[place + 1 :]))
            yield replace(one, roster=roster)
    yield replace(one, roster=replace(one.roster, covers=None, fallback=()))
    yield replace(one, holidays=DayCalendar("days"))
    if len(one.asked) > 1:
        yield from (replace(one, asked=(at,)) for at in one.asked)
    middle = one.start + (one.end - one.start) // 2 // timedelta(minutes=1) * timedelta(minutes=1)
    yield replace(one, end=middle, asked=tuple(at for at in one.asked if at < middle))
    yield replace(one, start=middle, asked=tuple(at for at in one.asked if at >= middle))


def _smaller_layers(layer: Layer) -> Iterator[Layer]:
    for place in range(len(layer.windows)):
        yield replace(layer, windows=_without(layer.windows, place))
    if len(layer.participants) > 1:
        yield replace(layer, participants=layer.participants[:-1])
    for plain in (
        replace(layer, effective=None),
        replace(layer, until=None),
        replace(layer, every=layer.turn),
        replace(layer, worked=False),
        replace(layer, priority=0),
        replace(layer, timezone="UTC"),
        replace(layer, turn=(1, "day"), every=(1, "day")),
    ):
        if plain != layer and not layer_problems(plain):
            yield plain


def _without(row: tuple[Any, ...], place: int) -> tuple[Any, ...]:
    return (*row[:place], *row[place + 1 :])
