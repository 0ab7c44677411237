"""Core steps per second, and what 10,000 open alerts do to one. `python -m benchmarks.steps`"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from datetime import datetime, timedelta

from opswatch.core.changes import State
from opswatch.core.engine import Engine
from opswatch.core.events import Acknowledge, Event, NodeStarted, Observed, Tick
from opswatch.core.model import Failure, Verdict
from opswatch.core.plan import Check, Plan, Service, Target
from tests.story import MONDAY_3AM_BERLIN, roster, two_levels

SERVICES = 100
TARGETS_EACH = 100


def a_large_plan() -> Plan:
    """100 services of 100 targets each, one check on all: 10,000 alerts when everything fails."""
    targets = {
        f"t{service}-{number}": Target(f"t{service}-{number}", "host", service=f"s{service}")
        for service in range(SERVICES)
        for number in range(TARGETS_EACH)
    }
    services = {f"s{number}": Service(f"s{number}", tier=2) for number in range(SERVICES)}
    check = Check("up", "command", tuple(targets), every=timedelta(minutes=1), confirm=1, recover=1)
    return replace(
        two_levels(rosters={"primary": roster("ana", "bo")}), services=services, targets=targets, checks={"up": check}
    )


class World:
    """The core alone: what it decides is taken over, nothing is stored."""

    def __init__(self, plan: Plan) -> None:
        self.engine, self.state, self.now = Engine(plan), State(), MONDAY_3AM_BERLIN
        self.take(NodeStarted("here"))

    def take(self, event: Event) -> None:
        changes, _ = self.engine.step(self.state, event, self.now)
        self.state.apply(changes)

    def looks(self, target: str, *, is_bad: bool = False) -> None:
        self.now += timedelta(microseconds=100)
        failures = (Failure(f"{target} does not answer"),) if is_bad else ()
        self.take(Observed("up", target, Verdict(self.now, "up", failures=failures)))


def timed_us(world: World, events: list[tuple[str, bool]]) -> list[float]:
    took = []
    for target, is_bad in events:
        began = time.perf_counter()
        world.looks(target, is_bad=is_bad)
        took.append((time.perf_counter() - began) * 1e6)
    return took


def row(name: str, took: list[float]) -> str:
    p50, p99 = statistics.median(took), statistics.quantiles(took, n=100)[98]
    return f"| {name} | {len(took):,} | {1e6 / statistics.mean(took):,.0f} | {p50:.1f} | {p99:.1f} |"


def main() -> list[str]:
    """The rows, as Markdown."""
    plan = a_large_plan()
    names = list(plan.targets)
    lines = ["| core step | n | steps/s | p50 µs | p99 µs |", "| --- | --- | --- | --- | --- |"]
    world = World(plan)
    lines.append(row("good look, nothing open", timed_us(world, [(name, False) for name in names])))
    lines.append(row("first failure of each of 10,000", timed_us(world, [(name, True) for name in names])))
    assert len(world.state.alerts) == len(names)
    lines.append(row("bad look, 10,000 alerts open", timed_us(world, [(name, True) for name in names])))
    took = []
    for number in list(world.state.incidents)[:50]:
        began = time.perf_counter()
        world.take(Acknowledge(number, by="ana"))
        took.append((time.perf_counter() - began) * 1e6)
    lines.append(row("acknowledge, 10,000 alerts open", took))
    lines.append(row("recovery of each of 10,000", timed_us(world, [(name, False) for name in names])))
    lines.append(row("a year of one failing check", _a_year(plan)))
    return lines


def _a_year(plan: Plan) -> list[float]:
    """A failure every six hours, the ladder climbing unanswered for half an hour, recovery: 365 days."""
    world, took = World(replace(plan, checks={"up": replace(plan.checks["up"], every=None)})), []
    end: datetime = world.now + timedelta(days=365)
    while world.now < end:
        for is_bad in (True, False):
            began = time.perf_counter()
            world.looks("t0-0", is_bad=is_bad)
            took.append((time.perf_counter() - began) * 1e6)
            until = world.now + timedelta(minutes=30 if is_bad else 330)
            while (due := world.engine.next_deadline(world.state)) is not None and due <= until:
                world.now = max(world.now, due)
                began = time.perf_counter()
                world.take(Tick())
                took.append((time.perf_counter() - began) * 1e6)
            world.now = until
    return took


if __name__ == "__main__":
    print("\n".join(main()))
