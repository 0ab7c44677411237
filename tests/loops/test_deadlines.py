"""Waking at stored instants; one thing that cannot be decided holds up nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from opswatch.core import incidents, shift_life
from opswatch.core.engine import Engine
from opswatch.core.events import Observed, Open
from opswatch.core.model import Failure, Verdict
from opswatch.desk import Desk
from opswatch.loops.deadlines import Deadlines
from opswatch.stores import Store, open_store
from tests.story import two_levels

START = datetime(2026, 11, 16, 2, tzinfo=UTC)


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    opened = open_store(f"sqlite:{tmp_path}/opswatch.db")
    opened.migrate()
    yield opened
    opened.close()


def test_an_incident_that_cannot_be_decided_stops_no_other_ladder(store, monkeypatch):
    now = START
    desk = Desk(store, Engine(two_levels()), lambda: now)
    desk.apply(Observed("db", "db-1", Verdict(now, "down", failures=(Failure("down"),))))
    desk.apply(Open("labels come out blank", "orders", by="bo"))
    loop = Deadlines(desk, lambda: now)
    due = incidents.due

    def broken_for_the_first(m, incident):
        assert incident.number != 1, "a broken invariant"
        due(m, incident)

    monkeypatch.setattr(incidents, "due", broken_for_the_first)
    now += timedelta(minutes=5)
    loop.turn()
    assert [row.person for row in store.messages(2)] == ["bo", "ana"], "the second incident climbs"
    assert [row.person for row in store.messages(1)] == ["ana"]
    with desk.looking() as (state, _):
        assert state.incidents[1].wake_at <= now, "overdue, for the audit to see"


def test_rosters_that_cannot_be_looked_at_stop_neither_ladders_nor_bundles(store, monkeypatch):
    now = START
    desk = Desk(store, Engine(two_levels(pages_per_hour_max=1)), lambda: now)
    desk.apply(Open("labels come out blank", "orders", by="bo"))
    desk.apply(Open("the belt stands still", "orders", by="bo"))
    loop = Deadlines(desk, lambda: now)

    def broken(m):
        raise ValueError("a broken invariant")

    monkeypatch.setattr(shift_life, "look", broken)
    now += timedelta(minutes=5)
    loop.turn()
    assert [row.person for row in store.messages(1)] == ["bo", "ana"], "it climbs"
    now += timedelta(minutes=56)
    loop.turn()
    assert "ana" in [row.person for row in store.messages(0)], "what was too much for her hour is told in one page"


def test_everything_due_is_decided_in_one_tick(store):
    now = START
    desk = Desk(store, Engine(two_levels()), lambda: now)
    for number in range(3):
        desk.apply(Open(f"fault {number}", "orders", by="bo"))
    loop = Deadlines(desk, lambda: now)
    now += timedelta(minutes=5)
    version = desk.version
    loop.turn()
    assert desk.version == version + 1
    assert all(row.person == "bo" for row in store.messages(2)[:1])
