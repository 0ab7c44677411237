"""Finding one promise, and the incident behind a card."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from opswatch.core.changes import Changes, State
from opswatch.core.effects import Page, Settle
from opswatch.core.model import PageReason, Priority

NOW = datetime(2026, 11, 16, 2, tzinfo=UTC)
PAGE = Page(7, 1, 1, 1, "ana", "1", "slack", Priority.P1, PageReason.FIRST, at=NOW)


def test_a_promise_is_found_by_its_id_and_its_card_by_what_the_vendor_called_it(store):
    store.load(State())
    store.commit(Changes(), [PAGE], NOW)
    assert store.message(PAGE.id).person == "ana"
    assert store.message("7/1/1/1/bo/1") is None
    assert store.incident_of_card("D1:17.5") is None
    assert store.pending() == 1
    store.claim("here", NOW, timedelta(minutes=1), 10)
    store.commit(Changes(), [Settle(PAGE.id, "delivered", ref="D1:17.5")], NOW)
    assert store.incident_of_card("D1:17.5") == 7
    assert store.message(PAGE.id).outcome == "delivered"
    assert store.pending() == 0
