"""The numbers of a simulated life: how things fail, how messages travel, how people answer. All may be changed.

    [answers]
    night = { probability = 0.3, after = "10m" }
    [failures]
    between = { P1 = "30d" }

What is left out keeps its value here; `docs/simulate.md` explains each.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any, TypeVar

from opswatch.core.model import Priority
from opswatch.core.spans import parse_span, say_span

P0, P1, P2, P3 = Priority
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NEVER = timedelta(0)  # As a mean time between things: they do not happen.

Numbers = TypeVar("Numbers")


@dataclass(frozen=True, slots=True)
class Habit:
    """Of those paged, `probability` answer; half of these within `after` of the ringing."""

    probability: float
    after: timedelta


@dataclass(frozen=True, slots=True)
class Answers:
    """How people answer a page, by their own local hour: `work` (Monday to Friday 9 to 18, and shifts with windows),
    `evening` (the rest of their `day`), `night`. Each page is noticed, or not, on its own."""

    work: Habit = Habit(0.95, 2 * MINUTE)
    evening: Habit = Habit(0.90, 4 * MINUTE)
    night: Habit = Habit(0.45, 6 * MINUTE)
    night_loud: Habit = Habit(0.85, 4 * MINUTE)  # by a way that rings: `loud`
    loud: tuple[str, ...] = ("phone", "sms")
    spread: float = 0.8  # sigma of the logarithm of every duration here
    forgets: float = 0.03  # acknowledges, and falls asleep
    out_of_reach_every: timedelta = 30 * DAY  # mean, per person: a flight, a cellar
    out_of_reach_for: timedelta = 3 * HOUR
    repairs_after: Mapping[Priority, timedelta] = field(
        default_factory=lambda: {P0: 25 * MINUTE, P1: 30 * MINUTE, P2: HOUR, P3: 2 * HOUR}
    )
    resolves_by_hand: float = 0.05  # instead of acknowledging
    snoozes: float = 0.02
    escalates: float = 0.03
    reassigns: float = 0.01
    notes: float = 0.2  # while at it


@dataclass(frozen=True, slots=True)
class Failures:
    """How often one check fails on one target, and for how long when nobody mends it."""

    between: Mapping[Priority, timedelta] = field(
        default_factory=lambda: {P0: 360 * DAY, P1: 120 * DAY, P2: 60 * DAY, P3: 30 * DAY}
    )
    heals_itself: float = 0.4
    heals_after: timedelta = 12 * MINUTE
    lasts_max: timedelta = 2 * DAY  # then somebody notices without a page
    flaps: float = 0.03
    cannot_tell: float = 0.05  # the check times out instead
    outage_every: timedelta = 90 * DAY  # per service: most of its checks at once
    outage_share: float = 0.7


@dataclass(frozen=True, slots=True)
class Delivery:
    """What happens to a page between its channel and its person; shares of all attempts."""

    lost: float = 0.01  # the vendor says delivered, and nothing rings
    slow: float = 0.02
    slow_by: timedelta = 3 * MINUTE
    temporary: float = 0.02
    permanent: float = 0.002


@dataclass(frozen=True, slots=True)
class Mishaps:
    """What happens to opswatch itself: mean times between, `0s` for never."""

    crash_every: timedelta = 60 * DAY
    down_for: timedelta = MINUTE
    dies_in_step: float = 0.0  # share of steps that are decided and never committed
    clock_every: timedelta = NEVER
    clock_off_by: timedelta = HOUR  # at most, either way
    clock_wrong_for: timedelta = 2 * HOUR
    late_ticks: float = 0.0
    late_by: timedelta = 2 * MINUTE
    reload_every: timedelta = NEVER


@dataclass(frozen=True, slots=True)
class Arrangements:
    """What people do on their own account: mean times between, for the whole team; `0s` for never."""

    silence_every: timedelta = NEVER
    override_every: timedelta = NEVER
    pause_every: timedelta = NEVER
    report_every: timedelta = NEVER  # a fault no check saw
    test_every: timedelta = NEVER
    meddle_every: timedelta = NEVER  # somebody says something to some incident


@dataclass(frozen=True, slots=True)
class Life:
    """All of it."""

    answers: Answers = Answers()
    failures: Failures = Failures()
    delivery: Delivery = Delivery()
    mishaps: Mishaps = Mishaps()
    arrangements: Arrangements = Arrangements()


CALM = Life()
"""An ordinary year: what `opswatch simulate` shows unless told otherwise."""

ROUGH = Life(
    Answers(
        forgets=0.15,
        out_of_reach_every=4 * DAY,
        resolves_by_hand=0.15,
        snoozes=0.1,
        escalates=0.08,
        reassigns=0.08,
        notes=0.4,
    ),
    Failures(
        between={P0: 12 * DAY, P1: 6 * DAY, P2: 4 * DAY, P3: 3 * DAY}, flaps=0.2, cannot_tell=0.2, outage_every=6 * DAY
    ),
    Delivery(lost=0.1, slow=0.15, temporary=0.15, permanent=0.08),
    Mishaps(
        crash_every=DAY,
        dies_in_step=0.01,
        clock_every=4 * DAY,
        late_ticks=0.1,
        reload_every=2 * DAY,
    ),
    Arrangements(
        silence_every=2 * DAY,
        override_every=DAY,
        pause_every=6 * DAY,
        report_every=3 * DAY,
        test_every=3 * DAY,
        meddle_every=4 * HOUR,
    ),
)
"""A life that breaks laws if they can be broken: for finding mistakes of ours."""


def read(table: Mapping[str, object], base: Life = CALM) -> Life:
    """`base` with what a TOML document says otherwise. Raises ValueError: which key, and what belongs there."""
    return _changed(base, table, "")


def as_table(life: Life) -> dict[str, Any]:
    """The same numbers as JSON values, readable by `read`."""
    return {part.name: _written(getattr(life, part.name)) for part in fields(life)}


def _changed(base: Numbers, table: object, place: str) -> Numbers:
    if not isinstance(table, Mapping):
        raise ValueError(f"{place} = {table!r}: write a table")
    known = {part.name: getattr(base, part.name) for part in fields(base)}  # type: ignore[arg-type]
    values = {}
    for key, value in table.items():
        where = f"{place}.{key}" if place else str(key)
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise ValueError(f"{where}: no such key; {hint}")
        values[str(key)] = _value(known[key], value, where)
    return replace(base, **values)  # type: ignore[type-var]


def _value(before: object, value: object, where: str) -> object:
    """`value` as something of the kind of `before`."""
    if isinstance(before, timedelta):
        try:
            return parse_span(str(value))
        except ValueError as wrong:
            raise ValueError(f"{where} = {value!r}: {wrong}") from None
    if isinstance(before, float):
        share_max = 5.0 if where.endswith("spread") else 1.0
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= share_max:
            raise ValueError(f"{where} = {value!r}: write a number from 0 to {share_max:g}, such as 0.25")
        return float(value)
    if isinstance(before, tuple):
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ValueError(f'{where} = {value!r}: write a list of contacts, such as ["phone"]')
        return tuple(value)
    if isinstance(before, Mapping):
        return _by_priority(before, value, where)
    return _changed(before, value, where)


def _by_priority(before: Mapping[Priority, timedelta], value: object, where: str) -> dict[Priority, timedelta]:
    if not isinstance(value, Mapping) or not set(value) <= set(Priority.__members__):
        raise ValueError(f'{where} = {value!r}: write spans by priority, such as {{ P1 = "30d" }}')
    said = {Priority[name]: _value(NEVER, span, f"{where}.{name}") for name, span in value.items()}
    return {**before, **said}  # type: ignore[dict-item]


def _written(value: object) -> object:
    if isinstance(value, timedelta):
        return say_span(value)
    if isinstance(value, Mapping):
        return {str(priority): say_span(span) for priority, span in value.items()}
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, int | float | str):
        return value
    return {part.name: _written(getattr(value, part.name)) for part in fields(value)}  # type: ignore[arg-type]
