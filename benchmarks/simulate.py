"""Simulation: core steps per second with people, post, mishaps and laws around them. `python -m benchmarks.simulate`"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opswatch import config, plugins
from opswatch.core.plan import Plan
from opswatch.sim.life import CALM, ROUGH, Life
from opswatch.sim.run import simulate

EXAMPLE = Path(__file__).parents[1] / "config.example.toml"
START = datetime(2027, 1, 1, tzinfo=UTC)
STEPS_PER_S_MIN = 50_000
HOSTS = 20


def example() -> Plan:
    """config.example.toml."""
    return config.load(EXAMPLE, plugins.Lookup(with_models=False), now=START, needs_secrets=False).plan


def example_of_many_hosts() -> Plan:
    """The example, looking at twenty hosts instead of one."""
    plan = example()
    host = plan.targets["this-host"]
    targets = {f"host-{number}": replace(host, id=f"host-{number}") for number in range(HOSTS)}
    checks = {name: replace(check, targets=tuple(targets)) for name, check in plan.checks.items()}
    return replace(plan, targets=targets, checks=checks)


def row(name: str, plan: Plan, days: int, life: Life, *, every_look: bool = False, seeds: int = 1) -> tuple[str, float]:
    """One line of the table, and its steps per second of one core's time: neighbours on the machine do not count."""
    began, began_core, steps, incidents = time.perf_counter(), time.process_time(), 0, 0
    for seed in range(1, seeds + 1):
        run = simulate(plan, seed, START, START + timedelta(days=days), life=life, every_look=every_look)
        steps += run.steps
        incidents += run.report.incidents.total()
    took_s, core_s = time.perf_counter() - began, time.process_time() - began_core
    return (
        f"| {name} | {seeds * days} | {steps:,} | {incidents:,} | {steps / core_s:,.0f} | {took_s:.2f} |",
        steps / core_s,
    )


def main() -> list[str]:
    """The rows, as Markdown. Every law is looked at after every step."""
    lines = ["| simulation | days | core steps | incidents | steps/s | s |", "| --- | --- | --- | --- | --- | --- |"]
    looked, per_s = row("the example, every look made", example(), 14, CALM, every_look=True)
    lines.append(looked)
    lines.append(row("the example, a year", example(), 365, CALM)[0])
    lines.append(row("twenty hosts, a year", example_of_many_hosts(), 365, CALM)[0])
    lines.append(row("the example, everything goes wrong", example(), 30, ROUGH, seeds=10)[0])
    verdict = "holds" if per_s >= STEPS_PER_S_MIN else "is MISSED"
    lines.append(f"\n{per_s:,.0f} core steps/s with every look made: the limit of {STEPS_PER_S_MIN:,} {verdict}.")
    return lines


if __name__ == "__main__":
    print("\n".join(main()))
