"""The timeline: every entry, in one order that has no holes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opswatch.core.changes import Changes, State
from opswatch.core.effects import Entry, Record
from opswatch.stores import Store
from tests.stores.things import HOUR, NOW


@pytest.fixture
def told(store: Store) -> Store:
    store.load(State())
    for hour in range(3):
        at = NOW + hour * HOUR
        store.commit(
            Changes(),
            [
                Record(Entry(at, "acknowledged", 1, by="ana", facts={"n": hour, "list": [1, None, "磁盘"]})),
                Record(Entry(at, "ack_expired", 2)),
                Record(Entry(at, "paused", None, by="bo")),
            ],
            NOW,
        )
    return store


def positions(store: Store, **wanted: object) -> list[int]:
    return [stored.position for stored in store.timeline(**wanted)]  # type: ignore[arg-type]


def test_entries_come_back_as_they_were_written(told: Store):
    first = told.timeline(limit=1)[0]
    assert first.position == 1
    assert first.entry == Entry(NOW, "acknowledged", 1, by="ana", facts={"n": 0, "list": [1, None, "磁盘"]})


def test_positions_are_dense_and_total(told: Store):
    assert positions(told) == list(range(1, 10))
    assert told.check_integrity() == []


def test_entries_are_found_by_incident_time_kind_and_place(told: Store):
    assert positions(told, incident=1) == [1, 4, 7]
    assert positions(told, start=NOW + HOUR) == [4, 5, 6, 7, 8, 9]
    assert positions(told, start=NOW, end=NOW + HOUR) == [1, 2, 3]
    assert positions(told, kinds=["ack_expired", "paused"]) == [2, 3, 5, 6, 8, 9]
    assert positions(told, kinds={"ack"}) == []
    assert positions(told, kinds=[]) == []
    assert positions(told, after=7) == [8, 9]
    assert positions(told, incident=2, start=NOW + HOUR, kinds=["ack_expired"], after=5, limit=5) == [8]
    assert positions(told, start=NOW, end=NOW + timedelta(days=1), after=2, limit=2) == [3, 4]


def test_a_fact_that_is_not_json_is_kept_as_text_and_stops_no_page(store: Store):
    store.load(State())
    facts = {"at": NOW, "people": {"bo", "ana"}, "odd": object, "name": "\x00\udcff"}
    store.commit(Changes(), [Record(Entry(NOW, "noted", facts=facts))], NOW)
    kept = store.timeline()[0].entry.facts
    assert kept["at"] == NOW.isoformat()
    assert kept["people"] == ["ana", "bo"]
    assert kept["name"] == "\x00\udcff"


def test_a_hole_in_the_timeline_is_found(told: Store):
    with told._database.writing() as session:  # type: ignore[attr-defined]  # damage it as no public way can
        session.raw("DELETE FROM timeline WHERE position = 5")
    assert any("not dense" in problem for problem in told.check_integrity())
