"""Looking: bounded workers, a hung probe that stops nobody, missed runs, and what a reload leaves alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opswatch.core.effects import Recheck
from opswatch.core.engine import Engine
from opswatch.core.model import Health, UnknownReason, Verdict
from opswatch.core.plan import Check, Plan
from opswatch.desk import Desk
from opswatch.loops import looks
from opswatch.loops.checks import Checks, timed
from opswatch.probes import Task
from opswatch.stores import Store, open_store
from tests.story import two_levels

START = datetime(2026, 11, 16, 2, tzinfo=UTC)
PATIENCE_S = 20
MINUTE = timedelta(minutes=1)


class Fine:
    """A probe that looks at once."""

    def __init__(self) -> None:
        self.looked: list[str] = []
        self.again = threading.Condition()

    def look(self, task: Task) -> Verdict:
        with self.again:
            self.looked.append(task.target.id)
            self.again.notify_all()
        return Verdict(task.now, "fine")

    def wait_for(self, count: int) -> None:
        with self.again:
            assert self.again.wait_for(lambda: len(self.looked) >= count, PATIENCE_S)


class Hangs:
    """A probe that does not come back until it is let go."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.let_go = threading.Event()

    def look(self, task: Task) -> Verdict:
        self.began.release()
        self.let_go.wait(PATIENCE_S)
        return Verdict(task.now, "at last")


class Breaks:
    """A probe with a mistake in it."""

    def look(self, task: Task) -> Verdict:
        raise ZeroDivisionError


class Bench:
    """Checks over a real store and desk, with clocks that the test moves."""

    def __init__(self, store: Store, **probes: object) -> None:
        self.now, self.monotonic = START, 0.0
        self.plan = a_plan()
        self.desk = Desk(store, Engine(self.plan), lambda: self.now)
        self.checks = Checks(
            self.desk,
            store,
            lambda: self.now,
            workers=1,
            monotonic=lambda: self.monotonic,
            probes=probes,  # type: ignore[arg-type]
        )
        self.checks._add_worker(0)

    def watch(self, key: str) -> tuple[Health, str] | None:
        with self.desk.looking() as (state, _):
            watch = state.watches.get(key)
            return (watch.health, watch.sentence) if watch else None

    def until(self, is_so: Callable[[], bool]) -> None:
        done = threading.Event()
        for _ in range(PATIENCE_S * 100):
            if is_so():
                return
            done.wait(0.01)
        raise AssertionError("it never came true")


def a_plan() -> Plan:
    checks = {
        name: Check(name, name, ("db-1",), every=MINUTE, timeout=timedelta(seconds=10))
        for name in ("fine", "hangs", "breaks")
    }
    checks["nightly"] = Check("nightly", "fine", ("db-1",), cron="30 2 * * *", timezone="Europe/Berlin")
    return replace(two_levels(), checks=checks)


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    opened = open_store(f"sqlite:{tmp_path}/opswatch.db")
    opened.migrate()
    yield opened
    opened.close()


def test_a_hung_look_is_unknown_in_time_and_stops_nobody(store):
    hangs, fine = Hangs(), Fine()
    bench = Bench(store, hangs=hangs, fine=fine)
    bench.checks.ring("hangs", "db-1")
    assert hangs.began.acquire(timeout=PATIENCE_S)
    bench.checks.ring("fine", "db-1")
    bench.monotonic += 10.5
    bench.checks.give_up_on_late_looks()
    assert bench.watch("hangs/db-1") is None, "its own limit, and a second more"
    bench.monotonic += 1
    bench.checks.give_up_on_late_looks()
    assert bench.watch("hangs/db-1") == (Health.UNKNOWN, "no answer within 10 s")
    fine.wait_for(1)
    hangs.let_go.set()


def test_what_a_hung_look_says_much_later_is_not_believed(store):
    hangs = Hangs()
    bench = Bench(store, hangs=hangs)
    bench.checks.ring("hangs", "db-1")
    assert hangs.began.acquire(timeout=PATIENCE_S)
    bench.monotonic += 12
    bench.checks.give_up_on_late_looks()
    hangs.let_go.set()
    bench.until(lambda: bench.checks._stuck == 0)
    assert bench.watch("hangs/db-1") == (Health.UNKNOWN, "no answer within 10 s")


def test_one_look_per_check_and_target_is_under_way(store):
    hangs = Hangs()
    bench = Bench(store, hangs=hangs)
    for _ in range(5):
        bench.checks.ring("hangs", "db-1")
    assert hangs.began.acquire(timeout=PATIENCE_S)
    hangs.let_go.set()
    bench.until(lambda: bench.watch("hangs/db-1") is not None)
    assert not hangs.began.acquire(blocking=False)


def test_a_probe_with_a_mistake_is_unknown_and_its_worker_goes_on(store):
    fine = Fine()
    bench = Bench(store, breaks=Breaks(), fine=fine)
    bench.checks.ring("breaks", "db-1")
    bench.checks.ring("fine", "db-1")
    fine.wait_for(1)
    health, sentence = bench.watch("breaks/db-1")
    assert (health, sentence) == (Health.UNKNOWN, "probe breaks broke: ZeroDivisionError")


def test_an_unknown_probe_says_what_exists(store):
    bench = Bench(store)
    verdict = looks.look(bench.desk, bench.checks.probe, bench.plan.checks["fine"], "db-1", bench.now)
    assert verdict.unknown is UnknownReason.ERROR
    assert "fine" in verdict.sentence


def test_a_reload_leaves_the_next_instant_of_what_did_not_change(store):
    bench = Bench(store, fine=Fine())
    bench.checks._bell.start(paused=True)
    bench.checks.schedule(bench.plan)
    before = {job.id: job.next_run_time for job in bench.checks._bell.get_jobs()}
    bench.now += timedelta(seconds=17)
    changed = replace(bench.plan.checks["hangs"], every=2 * MINUTE)
    fewer = {"fine": bench.plan.checks["fine"], "hangs": changed, "nightly": bench.plan.checks["nightly"]}
    bench.checks.schedule(replace(bench.plan, checks=fewer))
    after = {job.id: job.next_run_time for job in bench.checks._bell.get_jobs()}
    assert set(after) == {"fine/db-1", "hangs/db-1", "nightly/db-1"}
    assert after["fine/db-1"] == before["fine/db-1"]
    assert after["hangs/db-1"] > before["hangs/db-1"]
    bench.checks._bell.shutdown(wait=False)


def test_while_confirming_the_bell_rings_sooner(store):
    bench = Bench(store, fine=Fine())
    bench.checks._bell.start(paused=True)
    bench.checks.schedule(bench.plan)
    assert bench.checks._bell.get_job("nightly/db-1").next_run_time > bench.now + timedelta(minutes=1)
    bench.checks.look_again(Recheck("nightly", "db-1", bench.now + timedelta(seconds=20)))
    assert bench.checks._bell.get_job("nightly/db-1").next_run_time == bench.now + timedelta(seconds=20)
    bench.checks._bell.shutdown(wait=False)


@pytest.mark.parametrize(("seen", "is_caught_up"), [(timedelta(hours=30), True), (timedelta(minutes=10), False)])
def test_a_run_missed_while_we_were_down_is_caught_up_once(store, seen, is_caught_up):
    """It is 03:00 in Berlin; the run was due at 02:30."""
    from opswatch.core.changes import Changes
    from opswatch.core.state import Watch

    bench = Bench(store, fine=Fine())
    with bench.desk.looking() as (state, _):
        state.apply(Changes(watches={"nightly/db-1": Watch("nightly", "db-1", seen_at=START - seen)}))
    first = bench.checks._first_at(bench.plan.checks["nightly"], "db-1", START, 0)
    assert first == (START if is_caught_up else None)


def test_only_what_this_node_sees_is_looked_at_here(store):
    plan = a_plan()
    elsewhere = replace(plan, targets={"db-1": replace(plan.targets["db-1"], node="there")})
    assert list(timed(elsewhere)) == []
    assert len(list(timed(plan))) == 4
