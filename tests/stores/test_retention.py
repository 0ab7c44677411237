"""What is old is forgotten a little at a time, and what is so can still be told from what is left."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opswatch.core.changes import Changes, State
from opswatch.core.effects import Entry, Record
from opswatch.core.engine import Engine
from opswatch.core.events import Acknowledge, AddSilence, Observed, Resolve, Tick
from opswatch.core.model import Failure, Verdict
from opswatch.core.timeline import Book, Line, checkpoint, replay
from opswatch.desk import Desk
from opswatch.sim import laws
from opswatch.stores import Store, open_store, retention, sqlite
from tests.story import two_levels

START = datetime(2026, 1, 5, 2, tzinfo=UTC)
DAY = timedelta(days=1)


class Years:
    """A desk whose clock the test moves by days."""

    def __init__(self, store: Store) -> None:
        self.store, self.now = store, START
        self.desk = Desk(store, Engine(two_levels()), lambda: self.now)

    def outage(self, *, ends: bool = True) -> None:
        """db-1 fails; somebody takes it, and it recovers."""
        self._looks((Failure("no answer"),))
        with self.desk.looking() as (state, _):
            number = state.standing.incident_last
        self.desk.answer(Acknowledge(number, by="ana"))
        if ends:
            self._looks(())
        self.now += DAY
        self.desk.apply(Tick())

    def _looks(self, failures: tuple[Failure, ...]) -> None:
        self.now += timedelta(seconds=1)
        self.desk.apply(Observed("db", "db-1", Verdict(self.now, "as seen", failures=failures)))

    def told(self) -> list[Entry]:
        return [one.entry for one in self.store.timeline()]

    def state(self) -> State:
        state = State()
        self.store.load(state)
        return state


@pytest.fixture
def years(store: Store) -> Years:
    return Years(store)


def test_what_is_left_of_the_timeline_still_tells_what_is_so(years: Years, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retention, "BATCH", 7)  # many folds, at awkward places
    years.desk.answer(AddSilence((("target", "=", "db-9"),), START + 900 * DAY, "moved", by="ana", starts=START))
    years.outage()
    years.outage(ends=False)
    years.now += 20 * DAY
    years.desk.answer(Resolve(2, by="ana"))
    before = len(years.told())
    for days in (5, 10, 30):
        years.store.prune(years.now, timeline=timedelta(days=days))
        assert laws.the_log_is_the_truth(years.state(), years.told()) == []
    entries = years.told()
    assert entries[0].kind == "checkpoint"
    assert 1 < len(entries) < before / 2
    assert years.store.check_integrity() == []
    years.outage()
    assert laws.the_log_is_the_truth(years.state(), years.told()) == []
    assert years.store.prune(years.now, timeline=timedelta(days=5)) >= 0
    assert laws.the_log_is_the_truth(years.state(), years.told()) == []


def test_incidents_go_when_their_timeline_has_gone(years: Years):
    years.outage()
    years.now += 10 * DAY
    years.outage()
    years.now += 2 * DAY
    years.desk.apply(Tick())
    assert years.store.incident(1) is not None
    years.store.prune(years.now, timeline=timedelta(days=5))
    assert years.store.incident(1) is None
    assert years.store.incident(2) is not None
    other = State()
    years.store.load(other)
    assert laws.the_log_is_the_truth(other, years.told()) == []


def test_a_book_survives_its_checkpoint_whatever_is_in_it():
    book = Book(
        incidents={3: Line("triggered", "P1", "ana", "orders", {"db/db-1"}), 4: Line("resolved", "P2", ended_at=START)},
        announced={"db/db-1": "crit", "db/db-2": None},
        silences={1, 2},
        overrides={7},
        absences={8},
        covers={9},
        is_paused=True,
        risks={5: "open"},
        papers={3: "draft"},
    )
    for field in dataclasses.fields(Book):
        assert getattr(book, field.name), f"{field.name} is not tried: give it a value, and a place in `checkpoint`"
    entry = Entry(START, "checkpoint", facts=checkpoint(book, START + DAY))
    assert replay([entry]) == book
    later = Entry(START, "checkpoint", facts=checkpoint(book, START + 30 * DAY))
    assert set(replay([later]).incidents) == {3}


def test_old_entries_lose_their_evidence_and_nothing_else(store: Store):
    store.load(State())
    for age in range(4):
        facts = {"text": f"day {age}", "evidence": ["a customer's name"]} | ({"nested": {"evidence": 1}} if age else {})
        store.commit(Changes(), [Record(Entry(START + age * DAY, "seen", facts=facts))], START)
    assert store.prune(START + 10 * DAY, evidence=8 * DAY) == 2
    kept = [(one.entry.facts["text"], "evidence" in one.entry.facts) for one in store.timeline()]
    assert kept == [("day 0", False), ("day 1", False), ("day 2", True), ("day 3", True)]
    assert store.prune(START + 10 * DAY, evidence=8 * DAY) == 0
    assert store.prune(START + 11 * DAY, evidence=8 * DAY) == 1


def test_no_batch_is_large_and_none_is_endless(years: Years, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retention, "BATCH", 10)
    monkeypatch.setattr(retention, "BATCHES_MAX", 3)
    years.store.load(State())
    years.store.commit(Changes(), [Record(Entry(START, "seen", facts={"n": n})) for n in range(100)], START)
    first = len(years.told())
    years.store.prune(START + 5 * DAY, timeline=DAY)
    assert first - 3 * 10 <= len(years.told()) < first


def test_a_file_gives_back_what_was_freed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sqlite, "FREE_PAGES_KEPT", 8)
    monkeypatch.setattr(sqlite, "LOG_BYTES_KEPT", 100_000)
    store = open_store(f"sqlite:{tmp_path / 'opswatch.db'}")
    store.migrate()
    store.load(State())
    entries = [Record(Entry(START, "seen", facts={"text": "x" * 4_000})) for _ in range(500)]
    store.commit(Changes(), entries, START)
    large = store.sizes()
    assert large["log"] > 1_000_000
    for _ in range(10):
        store.prune(START + 5 * DAY, timeline=DAY)
    small = store.sizes()
    assert small["state"] < large["state"] / 2
    assert small["log"] < 500_000
    assert store.check_integrity() == []
    store.close()


@pytest.fixture
def commits(store: Store) -> Callable[[int], None]:
    def commit(count: int) -> None:
        for number in range(count):
            store.commit(Changes(), [Record(Entry(START, "seen", facts={"n": number}))], START)

    store.load(State())
    return commit


def test_sizes_are_of_what_is_on_disk(store: Store, commits: Callable[[int], None]):
    commits(3)
    sizes = store.sizes()
    assert {"state", "samples", "log", "free"} <= set(sizes)
    assert sizes["state"] > 8_192
    assert sizes["samples"] > 8_192
