"""The head under contention: three processes commit as fast as they can, on each database. `python -m benchmarks.head`

Each commit is what one failure costs: compare-and-swap, an incident, two entries, one promised page, the single facts;
durable before it returns. Latency is from the first load to the commit that succeeded, lost swaps included. A second
table asks what polling costs. Figures of one run, side by side; docs/benchmarks.md keeps those we publish.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from opswatch.core.changes import Changes, State
from opswatch.core.effects import Entry, Page, Record
from opswatch.core.model import PageReason, Priority, Status
from opswatch.core.state import Incident
from opswatch.errors import Conflict
from opswatch.stores import Store, open_store
from tests import servers

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TURN_AFTER = 2
SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Run:
    """What one process saw: seconds per commit, swaps lost, seconds in all."""

    commits_s: list[float]
    lost: int
    took_s: float


def commit_one(store: Store, state: State, node: str) -> int:
    """One failure becomes one page; how many swaps were lost on the way."""
    lost = 0
    while True:
        try:
            if lost < TURN_AFTER:
                changes = _decide(store, state, node)
            else:
                with store.turn():
                    changes = _decide(store, state, node)
        except Conflict:
            lost += 1
        else:
            state.apply(changes)
            return lost


def _decide(store: Store, state: State, node: str) -> Changes:
    store.load(state)
    number = state.standing.incident_last + 1
    wake_at = NOW + timedelta(minutes=5)
    incident = Incident(number, "Orders are slow", Status.TRIGGERED, Priority.P1, "why", NOW, "standard", wake_at)
    leaving = {number - 50: None} if number > 50 else {}
    changes = Changes(incidents={number: incident, **leaving}, standing=replace(state.standing, incident_last=number))
    opened = Record(Entry(NOW, "opened", number, facts={"node": node, "title": "Orders are slow"}))
    page = Page(number, 1, 1, 1, "ana", "1", "slack", Priority.P1, PageReason.FIRST)
    promised = Record(Entry(NOW, "page_promised", number, facts={"page": page.id}))
    store.commit(changes, [opened, promised, page], NOW)
    return changes


def work(url: str, node: int, commits: int, pause_s: float, start: Barrier, done: SimpleQueue[Run]) -> None:
    """One node: `commits` commits, `pause_s` apart (0: as fast as it can)."""
    store = open_store(url, checkpoints=node == 0)
    state = State()
    store.load(state)
    start.wait()
    begun = time.perf_counter()
    took, lost = [], 0
    for _ in range(commits):
        one = time.perf_counter()
        lost += commit_one(store, state, f"node-{node}")
        took.append(time.perf_counter() - one)
        if pause_s:
            time.sleep(pause_s)
    done.put(Run(took, lost, time.perf_counter() - begun))
    store.close()


def contend(url: str, processes: int, commits: int, pause_s: float = 0.0) -> list[Run]:
    """Let `processes` nodes commit at the same time; checks that nothing was lost before it tells how fast it was."""
    store = open_store(url)
    store.migrate()
    before = len(store.timeline(limit=10**7))
    start, done = SPAWN.Barrier(processes), SPAWN.SimpleQueue()
    nodes = [SPAWN.Process(target=work, args=(url, n, commits, pause_s, start, done)) for n in range(processes)]
    for node in nodes:
        node.start()
    runs = [done.get() for _ in nodes]
    for node in nodes:
        node.join()
    positions = [stored.position for stored in store.timeline(limit=10**7)]
    assert positions == list(range(1, before + 2 * processes * commits + 1)), "the timeline has holes"
    assert not store.check_integrity()
    store.close()
    return runs


def say(name: str, processes: int, runs: list[Run]) -> None:
    """One row of the table."""
    took = sorted(one for run in runs for one in run.commits_s)
    cuts = statistics.quantiles(took, n=100)
    rate = len(took) / max(run.took_s for run in runs)
    lost = sum(run.lost for run in runs)
    times = " | ".join(f"{one * 1e3:.2f}" for one in (cuts[49], cuts[98], took[-1]))
    print(f"| {name} | {processes} | {len(took)} | {rate:,.0f} | {times} | {lost} |")


def say_polling(name: str, url: str) -> None:
    """What one `changed` costs while nobody commits."""
    store = open_store(url)
    store.load(State())
    begun = time.perf_counter()
    for _ in range(2_000):
        store.changed()
    each_us = (time.perf_counter() - begun) / 2_000 * 1e6
    print(f"| {name} | {each_us:.1f} | {each_us * 20 / 1e4:.3f} |")
    store.close()


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Fresh ones, on a real disk, as durable as in production."""
    with tempfile.TemporaryDirectory(prefix="opswatch-bench-", dir=Path.cwd()) as folder:
        found = {"SQLite (FULL, WAL)": f"sqlite:{folder}/opswatch.db"}
        try:
            with servers.postgres(durable=True) as server:
                yield found | {"PostgreSQL (fsync on)": server.create("bench")}
        except servers.Absent as absent:
            print(f"without PostgreSQL: {absent}", file=sys.stderr)
            yield found


def main(commits: int = 400) -> None:
    """Both tables."""
    with databases() as urls:
        print(
            "| database                     | processes | commits | commits/s | p50 ms | p99 ms | max ms | swaps lost |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for name, url in urls.items():
            say(f"{name}, alone", 1, contend(url, 1, commits))
            say(f"{name}, flat out", 3, contend(url, 3, commits))
            say(f"{name}, 60/s", 3, contend(url, 3, commits // 4, pause_s=0.05))
        print("\n| database | one poll, us | % of a core at 20/s |")
        print("|---|---|---|")
        for name, url in urls.items():
            say_polling(name, url)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
