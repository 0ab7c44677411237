"""Failure known → first page handed to its channel, committed first; and acknowledging with 10,000 alerts open.

A real SQLite store on this disk, the real desk, pages loop and senders; the channel writes down the instant it is
handed the words. `python -m benchmarks.page`
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from benchmarks.steps import a_large_plan
from opswatch import clock
from opswatch.channels import Message, Receipt
from opswatch.core.engine import Engine
from opswatch.core.events import Acknowledge, NodeStarted, Observed
from opswatch.core.model import Failure, Verdict
from opswatch.desk import Desk
from opswatch.loops.pages import Pages
from opswatch.outgoing import Outgoing
from opswatch.stores import Promise, Store, open_store

PAGES = 500
PER_SECOND = 100


class Handed:
    """The channel: notes when it was handed each incident's first page."""

    def __init__(self) -> None:
        self.at_s: dict[int, float] = {}
        self.all_in = threading.Event()
        self.wanted = 0

    def compose(self, promise: Promise, now: datetime) -> Outgoing:
        number = promise.body.incident or 0

        def carry(message: Message) -> Receipt:
            self.at_s.setdefault(number, time.perf_counter())
            if len(self.at_s) >= self.wanted:
                self.all_in.set()
            return Receipt()

        return Outgoing(Message(promise.id, promise.kind, "", "", now), carry)


@contextmanager
def a_running_desk(*, folds: bool = True) -> Iterator[tuple[Desk, Store, Handed]]:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:{Path(folder) / 'bench.db'}")
        store.migrate()
        # One incident per failure: grouped by target, so that each one pages.
        plan = replace(a_large_plan(), group_by=("target",))
        desk = Desk(
            store, Engine(plan if folds else replace(plan, storm_incidents=0, pages_per_hour_max=10**6)), clock.now
        )
        desk.apply(NodeStarted("here"))
        handed = Handed()
        pages = Pages(desk, store, handed.compose, "here", clock.now)
        pages.start()
        try:
            yield desk, store, handed
        finally:
            pages.stop()
            pages.join(10)
            store.close()


def fails(target: str) -> Observed:
    return Observed("up", target, Verdict(clock.now(), "no answer", failures=(Failure("no answer"),)))


def row(name: str, took_s: list[float]) -> str:
    cuts = statistics.quantiles(took_s, n=100)
    return f"| {name} | {len(took_s):,} | {cuts[49] * 1e3:.1f} | {cuts[98] * 1e3:.1f} | {max(took_s) * 1e3:.1f} |"


def failure_to_page() -> str:
    """100 failures a second, each an incident of its own."""
    with a_running_desk(folds=False) as (desk, _, handed):
        names = list(desk.engine.plan.targets)[:PAGES]
        handed.wanted = len(names)
        known_s = {}
        begin = time.perf_counter()
        for place, name in enumerate(names):
            time.sleep(max(0.0, begin + place / PER_SECOND - time.perf_counter()))
            known_s[place + 1] = time.perf_counter()
            desk.apply(fails(name))
        handed.all_in.wait(60)
        took = [handed.at_s[number] - known_s[number] for number in known_s]
    return row(f"failure → page handed over, {PER_SECOND}/s, committed first", took)


def storm_to_page() -> str:
    """10,000 failures at once, in batches: until the first page of the first one is handed over."""
    with a_running_desk() as (desk, _, handed):
        names = list(desk.engine.plan.targets)
        handed.wanted = 1
        began = time.perf_counter()
        feeder = threading.Thread(target=_feed, args=(desk, names))
        feeder.start()
        handed.all_in.wait(60)
        first_s = min(handed.at_s.values()) - began
        feeder.join()
    return f"| first page out of a storm of 10,000 | 1 | {first_s * 1e3:.1f} | | {first_s * 1e3:.1f} |"


def _feed(desk: Desk, names: list[str]) -> None:
    for start in range(0, len(names), 256):
        desk.apply_many([fails(name) for name in names[start : start + 256]])


def acknowledge_with_many_open() -> str:
    """10,000 alerts open in 100 incidents (by service), each acknowledged through the desk."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:{Path(folder) / 'bench.db'}")
        store.migrate()
        desk = Desk(store, Engine(a_large_plan()), clock.now)
        _feed(desk, list(desk.engine.plan.targets))
        with desk.looking() as (state, _):
            numbers, alerts = list(state.incidents), len(state.alerts)
        assert alerts == 10_000
        took = []
        for number in numbers:
            began = time.perf_counter()
            desk.apply(Acknowledge(number, by="ana"))
            took.append(time.perf_counter() - began)
        store.close()
    return row("acknowledge with 10,000 alerts open, committed", took)


def main() -> list[str]:
    """The rows, as Markdown."""
    head = ["| what | n | p50 ms | p99 ms | max ms |", "| --- | --- | --- | --- | --- |"]
    return [*head, failure_to_page(), storm_to_page(), acknowledge_with_many_open()]


if __name__ == "__main__":
    print("\n".join(main()))
