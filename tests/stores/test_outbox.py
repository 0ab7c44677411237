"""Promised messages: claimed by one node at a time, on a lease, until a receipt. They may ring twice, not never."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from opswatch.core.changes import Changes, State
from opswatch.core.effects import Effect, Notice, Postpone, Settle, Withdraw
from opswatch.core.model import Priority
from opswatch.stores import MessageRow, Store, open_store
from tests.stores.things import HOUR, LEASE, NOW, announce, page, update

SOON = NOW + timedelta(seconds=10)
RUN_OUT = NOW + LEASE


@pytest.fixture
def other(store_url: str, store: Store) -> Iterator[Store]:
    opened = open_store(store_url)
    yield opened
    opened.close()


def tell(store: Store, *effects: Effect) -> None:
    """Commit effects as the desk would."""
    store.load(State())
    store.commit(Changes(), effects, NOW)


def row(store: Store, name: str) -> MessageRow:
    return next(message for message in store.messages() if message.id == name)


def test_pages_come_before_updates_before_announcements_and_p0_first(store: Store):
    tell(
        store,
        announce(),
        update(),
        page(1, priority=Priority.P3),
        page(2, priority=Priority.P0),
        page(3, person="bo", test=True),
    )
    claimed = store.claim("a", NOW, LEASE, 10)
    assert [promise.body for promise in claimed] == [
        page(2, priority=Priority.P0),
        page(1, priority=Priority.P3),
        page(3, person="bo", test=True),
        update(),
        announce(),
    ]
    assert [promise.id for promise in claimed] == [
        "2/1/1/1/ana/1",
        "1/1/1/1/ana/1",
        "3/1/1/1/bo/1",
        "update/1/ana/slack/acknowledged/s1",
        "announce/ops/1/triggered/s1",
    ]
    assert {(promise.attempt, promise.possible_duplicate, promise.ref) for promise in claimed} == {(1, False, None)}


def test_promising_twice_is_promising_once(store: Store):
    tell(store, page(), page(), announce())
    tell(store, page(priority=Priority.P0), announce())
    assert len(store.messages()) == 2
    assert store.claim("a", NOW, LEASE, 10)[0].body == page()


def test_a_claimed_message_is_nobody_elses(store: Store, other: Store):
    tell(store, page(1), page(2), page(3))
    first = store.claim("a", NOW, LEASE, 2)
    second = other.claim("b", NOW, LEASE, 10)
    assert len(first) == 2
    assert len(second) == 1
    assert {p.id for p in first} | {p.id for p in second} == {page(n).id for n in (1, 2, 3)}
    assert store.claim("a", NOW, LEASE, 10) == []


def test_a_page_for_later_waits_and_says_when(store: Store):
    tell(store, page(at=NOW + HOUR))
    assert store.next_due() == NOW + HOUR
    assert store.claim("a", NOW, LEASE, 10) == []
    assert len(store.claim("a", NOW + HOUR, LEASE, 10)) == 1


def test_a_node_that_dies_before_the_receipt_lets_another_ring_with_the_same_id(store: Store, other: Store):
    tell(store, page())
    (died,) = store.claim("a", NOW, LEASE, 10)
    assert store.next_due() == RUN_OUT
    assert other.claim("b", RUN_OUT - timedelta(microseconds=1), LEASE, 10) == []
    (again,) = other.claim("b", RUN_OUT, LEASE, 10)
    assert again.id == died.id
    assert again.attempt == 2
    assert again.possible_duplicate
    assert not store.still_wanted(died.id, RUN_OUT + LEASE), "its claim has run out"
    assert other.still_wanted(again.id, RUN_OUT)


def test_a_node_that_comes_up_again_frees_its_own_claims_at_once(store: Store):
    tell(store, page(1), page(2))
    store.claim("a", NOW, LEASE, 1)
    store.claim("b", NOW, LEASE, 1)
    assert store.release("a", SOON) == 1
    (again,) = store.claim("a", SOON, LEASE, 10)
    assert again.possible_duplicate


def test_a_failed_attempt_is_tried_again_later_and_is_no_duplicate(store: Store):
    tell(store, page())
    store.claim("a", NOW, LEASE, 10)
    tell(store, Postpone(page().id, SOON, "503 Service Unavailable"))
    assert row(store, page().id).detail == "503 Service Unavailable"
    assert store.next_due() == SOON
    (again,) = store.claim("b", SOON, LEASE, 10)
    assert again.attempt == 2
    assert not again.possible_duplicate


def test_a_receipt_ends_it(store: Store):
    tell(store, page())
    store.claim("a", NOW, LEASE, 10)
    tell(store, Settle(page().id, "delivered", "ok", "C1:17.3"))
    settled = row(store, page().id)
    assert (settled.outcome, settled.detail, settled.settled_at, settled.attempts) == ("delivered", "ok", NOW, 1)
    assert store.next_due() is None
    assert store.claim("a", NOW + HOUR, LEASE, 10) == []
    tell(store, Settle(page().id, "failed", "too late"), Postpone(page().id, SOON))
    assert row(store, page().id) == settled


def test_withdrawn_pages_do_not_ring_and_one_in_flight_is_not_wanted_any_more(store: Store):
    tell(store, page(1), page(1, person="bo"), page(2), page(1, person="cy", test=True), update(1), announce(1))
    (in_flight,) = store.claim("a", NOW, LEASE, 1)
    assert store.still_wanted(in_flight.id, NOW)
    tell(store, Withdraw(1, reason="acknowledged by bo"), page(1, person="dee"))
    assert not store.still_wanted(in_flight.id, NOW)
    overtaken = {message.id for message in store.messages() if message.outcome == "overtaken"}
    assert overtaken == {page(1).id, page(1, person="bo").id}
    assert row(store, page(1).id).detail == "acknowledged by bo"
    left = {promise.id for promise in store.claim("a", NOW, LEASE, 10)}
    assert left == {page(2).id, page(1, person="dee").id, page(1, person="cy").id} | {
        "update/1/ana/slack/acknowledged/s1",
        "announce/ops/1/triggered/s1",
    }


def test_one_persons_pages_can_be_withdrawn(store: Store):
    tell(store, page(1), page(1, person="bo"), page(1, person="cy"), Withdraw(1, ("ana", "cy")))
    assert [promise.body.person for promise in store.claim("a", NOW, LEASE, 10)] == ["bo"]  # type: ignore[union-attr]


def test_what_rang_although_it_was_overtaken_is_on_record_as_delivered(store: Store):
    tell(store, page())
    store.claim("a", NOW, LEASE, 1)
    tell(store, Withdraw(1, reason="acknowledged"))
    tell(store, Settle(page().id, "failed", "hung up"))
    assert row(store, page().id).outcome == "overtaken"
    tell(store, Settle(page().id, "delivered", "after all"))
    assert (row(store, page().id).outcome, row(store, page().id).detail) == ("delivered", "after all")


def test_the_next_message_of_an_incident_to_an_address_edits_its_card(store: Store):
    tell(store, announce(1), announce(2), page(1))
    store.claim("a", NOW, LEASE, 10)
    tell(
        store,
        Settle("announce/ops/1/triggered/s1", "delivered", ref="C1:1.1"),
        Settle(page(1).id, "delivered", ref="D7:9"),
    )
    tell(store, announce(1, "acknowledged"), announce(2, "acknowledged"), update(1), announce(None, "digest"))
    refs = {promise.id: promise.ref for promise in store.claim("a", NOW, LEASE, 10)}
    assert refs == {
        "announce/ops/1/acknowledged/s1": "C1:1.1",
        "announce/ops/2/acknowledged/s1": None,
        "update/1/ana/slack/acknowledged/s1": "D7:9",
        "announce/ops/-/digest/s1": None,
    }


def test_messages_of_one_incident_are_listed_alone_and_old_ones_are_pruned(store: Store):
    tell(store, page(1), page(2), Settle(page(2).id, "failed", "no such user"))
    assert [message.id for message in store.messages(2)] == [page(2).id]
    store.prune(NOW + timedelta(days=91))
    assert [message.id for message in store.messages()] == [page(1).id], "an open promise is never pruned"


def test_nodes_and_named_leases(store: Store, other: Store):
    store.beat("ops-1", NOW, {"version": "0.1", "plan": "abc"})
    store.beat("ops-1", SOON, {"version": "0.2"})
    assert other.nodes() == {"ops-1": (SOON, {"version": "0.2"})}
    assert store.lease("records", "a", NOW, LEASE)
    assert not other.lease("records", "b", SOON, LEASE)
    assert store.lease("records", "a", SOON, LEASE), "the holder keeps it"
    assert not other.lease("records", "b", RUN_OUT, LEASE)
    assert other.lease("records", "b", SOON + LEASE, LEASE)
    assert not store.lease("records", "a", SOON + LEASE, LEASE)


def test_a_notice_comes_back_as_it_was_and_edits_no_card(store: Store):
    tell(store, page(1))
    (sent,) = store.claim("a", NOW, LEASE, 5)
    about = Notice(1, "ana", "slack", "paper_owed", "s1", {"due": "2026-12-01", "id": 7})
    none = Notice(None, "ana", "slack", "risk_due", "s2")
    tell(store, Settle(sent.id, "delivered", ref="card-of-1"), about, none, about)
    claimed = sorted(store.claim("a", NOW, LEASE, 5), key=lambda promise: promise.id)
    assert [promise.body for promise in claimed] == [none, about]
    assert [(promise.kind, promise.ref) for promise in claimed] == [("update", None), ("update", None)]
