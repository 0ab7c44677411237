"""Random rosters near clock changes, minute by minute against the oracle, until time is up.

    python -m tests.core.roster_fuzz --minutes 60 --seed 7        (or `make fuzz`)

runs on every core. A difference is printed with its seed, shrunk: paste it into a test. The exit code is then 1.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from opswatch.core.roster import OnCall, Rosters, Shift
from opswatch.core.shifts import Turns
from tests.core.roster_oracle import RosterOracle, at, minute
from tests.core.roster_worlds import World, smaller, world

SHRINKS_MAX = 2_000
WRONG_MAX = 5  # differences a worker shows before it stops
SAID_EVERY_S = 300
MINUTE = timedelta(minutes=1)


def difference(one: World) -> str | None:
    """The first thing in which the resolver and the oracle differ, in words."""
    return next(differences(one), None)


def differences(one: World) -> Iterator[str]:
    rosters, start, end = one.rosters(), minute(one.start), minute(one.end)
    calendars = {"days": one.holidays}
    oracle = RosterOracle(one.roster, one.overrides, calendars, start, end, one.fallback)
    shifts = rosters.shifts("r", one.overrides, one.start, one.end)
    yield from _tiling(one, shifts)
    for shift in shifts:
        for number in range(minute(shift.start), minute(shift.end)):
            if oracle.people(number) != frozenset(shift.people):
                yield f"{at(number)}: {sorted(shift.people)} instead of {sorted(oracle.people(number))}, in {shift}"
                break
    yield from _gaps(one, rosters, oracle)
    if not one.overrides:
        new = [number for number in range(start + 1, end) if oracle.goes(number) != oracle.goes(number - 1)]
        if [minute(shift.start) for shift in shifts[1:]] != new:
            yield f"shifts begin at {[str(shift.start) for shift in shifts[1:]]} instead of {[str(at(n)) for n in new]}"
    starts = [shift.start for shift in shifts]
    for asked in one.asked:
        for layer in oracle.layers:
            goes = Turns(layer.layer, calendars.get(layer.layer.calendar or "")).between(asked, asked + MINUTE)
            go = layer.go(minute(asked))
            if [(turn.slot, turn.people) for turn in goes] != ([] if go is None else [(go.k, go.people)]):
                yield f"{asked}: {layer.layer.id} alone says {goes} instead of {go}"
        shift = shifts[bisect_right(starts, asked) - 1]
        yield from _at_an_instant(one, rosters, oracle, asked, shift)


def _tiling(one: World, shifts: list[Shift]) -> Iterator[str]:
    """Law 6: shifts and gaps cover every instant once."""
    if (shifts[0].start, shifts[-1].end) != (one.start, one.end):
        yield f"the shifts of {one.start} to {one.end} reach from {shifts[0].start} to {shifts[-1].end}"
    for shift, other in pairwise(shifts):
        if shift.end != other.start or shift.start >= shift.end:
            yield f"{shift} is followed by {other}"
    for shift in shifts:
        if len(set(shift.people)) != len(shift.people):
            yield f"somebody is named twice in {shift}"


def _gaps(one: World, rosters: Rosters, oracle: RosterOracle) -> Iterator[str]:
    found = rosters.gaps("r", one.overrides, one.start, one.end)
    minutes = {number for low, high in found for number in range(minute(low), minute(high))}
    asked = {number for number in range(minute(one.start), minute(one.end)) if oracle.is_gap(number)}
    if minutes != asked:
        yield f"{at(min(minutes ^ asked))}: a gap for only one of them; gaps are {found}"
    if any(low[1] >= high[0] for low, high in pairwise(found)):
        yield f"gaps touch: {found}"


def _at_an_instant(one: World, rosters: Rosters, oracle: RosterOracle, asked: datetime, shift: Shift) -> Iterator[str]:
    number = minute(asked)
    for instant in (asked, asked + timedelta(seconds=59, microseconds=999_999)):
        now = rosters.on_call("r", one.overrides, instant)
        if frozenset(now.people) != oracle.paged(number):
            yield f"{instant}: {sorted(now.people)} paged instead of {sorted(oracle.paged(number))}"
        if now.fallback != (not oracle.people(number) and bool(one.fallback)):
            yield f"{instant}: fallback is {now.fallback}"
        yield from _edges(one, now, instant, shift)
    for which, found, expected in (
        ("next", rosters.next_people("r", one.overrides, asked), oracle.following(number, minute(one.end))),
        ("previous", rosters.previous_people("r", one.overrides, asked), oracle.preceding(number, minute(one.start))),
    ):
        if expected and frozenset(found) != expected:
            yield f"{asked}: {which} is {sorted(found)} instead of {sorted(expected)}"


def _edges(one: World, now: OnCall, asked: datetime, shift: Shift) -> Iterator[str]:
    """The whole shift is told, as `shifts` cuts it."""
    if (now.start and now.start > asked) or (now.until and now.until <= asked):
        yield f"{asked}: on call from {now.start} to {now.until}"
    if now.start is not None and max(now.start, one.start) != shift.start:
        yield f"{asked}: since {now.start}, but the shift is {shift}"
    if now.until is not None and min(now.until, one.end) != shift.end:
        yield f"{asked}: until {now.until}, but the shift is {shift}"
    if (now.layer, now.override) != (shift.layer, shift.override):
        yield f"{asked}: layer {now.layer}, override {now.override}, but the shift is {shift}"


# ---------------------------------------------------------------------------------------------------------------------
# Shrinking


def shrunk(one: World) -> World:
    """The smallest world near this one that differs still."""
    left = SHRINKS_MAX
    is_smaller = True
    while is_smaller and left > 0:
        is_smaller = False
        for candidate in smaller(one):
            left -= 1
            if candidate.start < candidate.end and _differs(candidate):
                one, is_smaller = candidate, True
                break
    return one


def _differs(one: World) -> bool:
    try:
        return difference(one) is not None
    except Exception:  # A crash is as wrong as a wrong answer.
        return True


def told(seed: str) -> str | None:
    """What is wrong with the world of that seed, with the smallest one that shows it; None when nothing is."""
    try:
        found = difference(world(seed))
    except Exception as error:
        found = repr(error)
    if found is None:
        return None
    small = shrunk(world(seed))
    try:
        why = difference(small)
    except Exception as error:
        why = repr(error)
    return f"seed {seed}: {found}\nshrunk: {why}\n{small!r}"


# ---------------------------------------------------------------------------------------------------------------------
# Until time is up


def _work(seed: int, worker: int, until: float, results: multiprocessing.Queue[tuple[int, int, list[str]]]) -> None:
    number, minutes, wrong = 0, 0, []
    said = time.monotonic()
    while time.monotonic() < until and len(wrong) < WRONG_MAX:
        if time.monotonic() > said + SAID_EVERY_S:
            said = time.monotonic()
            print(f"worker {worker}: {number:,} rosters, {minutes:,} instants so far", flush=True)
        name = f"{seed}:{worker}:{number}"
        found = told(name)
        if found is not None:
            print(found, flush=True)
            wrong.append(found)
        one = world(name)
        minutes += (one.end - one.start) // MINUTE
        number += 1
    results.put((number, minutes, wrong))


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--minutes", type=float, default=10.0, help="how long; default 10")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    asked.add_argument("--one", metavar="SEED", help="only the world of this printed seed, such as 1:0:17")
    given = asked.parse_args()
    if given.one is not None:
        found = told(given.one)
        print(found or "no difference")
        return 1 if found else 0
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    until = time.monotonic() + given.minutes * 60
    workers = [
        context.Process(target=_work, args=(given.seed, number, until, results)) for number in range(given.workers)
    ]
    for worker in workers:
        worker.start()
    sums = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    rosters, minutes, wrong = (
        sum(one[0] for one in sums),
        sum(one[1] for one in sums),
        [w for s in sums for w in s[2]],
    )
    print(f"seed {given.seed}: {rosters:,} rosters, {minutes:,} instants compared, {len(wrong)} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
