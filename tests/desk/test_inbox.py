"""The inbox on real stores: accepted is durable, decided once, and a person never waits for strangers' alerts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opswatch.core.engine import Engine
from opswatch.core.events import NodeStarted, Posted, Tick
from opswatch.desk import Desk
from opswatch.errors import Overloaded, StoreUnavailable
from opswatch.inbox import ALERTS_MAX, Inbox
from opswatch.loops.inbox import InboxLoop
from opswatch.posts import read, usable
from opswatch.stores import Store, open_store
from tests.story import two_levels

START = datetime(2026, 11, 16, 2, tzinfo=UTC)


def bodies(count: int, per: int = 4) -> list[bytes]:
    """Posts of `per` alerts each, every alert another one."""
    return [
        json.dumps(
            [
                {"labels": {"alertname": "Down", "instance": f"host-{post * per + place}", "service": "orders"}}
                for place in range(per)
            ]
        ).encode()
        for post in range(count)
    ]


class Node:
    """One process's desk and inbox."""

    def __init__(self, store: Store, name: str = "a") -> None:
        self.store, self.now = store, START
        self.desk = Desk(store, Engine(two_levels()), lambda: self.now)
        self.inbox = Inbox(store, name, lambda: self.now)
        self.loop = InboxLoop(self.desk, store, self.inbox)

    def decides_all(self) -> None:
        self.loop.turn()
        while self.store.waiting().rows:
            self.loop.turn()

    def episodes(self) -> list[str]:
        return [str(one.entry.facts["alert"]) for one in self.store.timeline(kinds=["alert_fired"])]


@pytest.fixture
def node(store):
    made = Node(store)
    yield made
    made.inbox.close()


def test_what_is_accepted_is_durable_before_it_is_decided_and_gone_after(node):
    node.inbox.accept(read(bodies(1)[0]), "prometheus")
    assert (node.store.waiting().rows, node.store.waiting().alerts) == (1, 4)
    assert node.episodes() == []
    node.decides_all()
    assert len(node.episodes()) == 4
    assert node.store.waiting().rows == 0
    assert node.inbox.waiting == 0
    assert node.store.check_integrity() == []


def test_what_another_process_had_accepted_before_it_died_is_decided_in_order(store):
    died = Node(store)
    labels = {"alertname": "Down", "instance": "x"}
    died.inbox.accept(usable([{"labels": labels, "status": "firing"}]), "prometheus")
    died.inbox.accept(usable([{"labels": labels, "status": "resolved"}]), "prometheus")
    again = Node(store)
    again.decides_all()
    kinds = [one.entry.kind for one in store.timeline()]
    assert kinds.index("alert_fired") < kinds.index("alert_cleared")
    died.inbox.close()


def test_two_nodes_share_one_inbox_and_decide_each_batch_once(store, store_url):
    second = open_store(store_url)
    nodes = Node(store, "a"), Node(second, "b")
    for place, body in enumerate(bodies(12)):
        nodes[place % 2].inbox.accept(read(body), "prometheus")
    threads = [threading.Thread(target=node.decides_all) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    fired = nodes[0].episodes()
    assert len(fired) == len(set(fired)) == 48
    for node in nodes:
        node.inbox.close()
    second.close()


def test_a_batch_that_another_node_took_is_left_to_it(node, store_url):
    node.inbox.accept(read(bodies(1)[0]), "prometheus")
    held = node.inbox.next(256)
    other = Node(open_store(store_url), "b")
    other.now += timedelta(minutes=5)  # The lease of the first has run out.
    other.inbox.release()
    other.decides_all()
    node.loop.decide(held)
    assert len(node.episodes()) == 4
    other.store.close()


def test_what_another_node_heard_keeps_an_alert_from_being_called_silent(node, store_url):
    other = Node(open_store(store_url), "b")
    for one in (node, other):
        one.desk.apply(NodeStarted("here"))
    node.inbox.accept(read(bodies(1)[0]), "prometheus")
    node.decides_all()
    other.desk.refresh()
    node.desk.flush()
    for minute in range(1, 5):
        node.now = other.now = START + timedelta(minutes=minute)
        other.inbox.accept(read(bodies(1)[0]), "prometheus")
        other.decides_all()
        other.desk.flush()
    node.now = START + timedelta(minutes=6)
    node.desk.apply(Tick())
    assert not node.store.timeline(kinds=["alert_changed"])
    node.now = START + timedelta(minutes=12)
    node.desk.apply(Tick())
    assert len(node.store.timeline(kinds=["alert_changed"])) == 4
    other.inbox.close()
    other.store.close()


def test_posts_that_arrive_together_share_one_commit(node, monkeypatch):
    begun, may_go, sizes = threading.Event(), threading.Event(), []
    accept = node.store.accept

    def slowly(batches, *claim):
        sizes.append(len(batches))
        begun.set()
        may_go.wait(30)
        accept(batches, *claim)

    monkeypatch.setattr(node.store, "accept", slowly)
    first, *others = (read(body) for body in bodies(9))
    futures = [node.inbox.submit(first, "prometheus")]
    assert begun.wait(30)
    futures += [node.inbox.submit(post, "prometheus") for post in others]
    assert not any(future.done() for future in futures)
    may_go.set()
    for future in futures:
        future.result(30)
    assert sizes == [1, 8]


def test_large_posts_are_decided_in_pieces(node):
    node.inbox.accept(read(bodies(1, per=600)[0]), "prometheus")
    assert node.store.waiting().rows == 3
    node.loop.turn()
    assert len(node.episodes()) == 256
    node.decides_all()
    assert len(node.episodes()) == 600


def test_more_than_the_bound_is_refused_and_what_was_accepted_stays(node, monkeypatch):
    monkeypatch.setattr("opswatch.inbox.ALERTS_MAX", 10)
    one, two, three = (read(body) for body in bodies(3))
    node.inbox.accept(one, "prometheus")
    node.inbox.accept(two, "prometheus")
    with pytest.raises(Overloaded, match="wait to be decided") as refused:
        node.inbox.accept(three, "prometheus")
    assert refused.value.retry_after_s > 0
    node.decides_all()
    node.inbox.accept(three, "prometheus")
    node.decides_all()
    assert len(node.episodes()) == 12
    assert ALERTS_MAX > 10_000


def test_while_nothing_can_be_stored_nothing_is_accepted(node, monkeypatch):
    def unavailable(batches, *claim):
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(node.store, "accept", unavailable)
        with pytest.raises(Overloaded, match="disk is full"):
            node.inbox.accept(read(bodies(1)[0]), "prometheus")
    assert node.inbox.waiting == 0
    node.inbox.accept(read(bodies(1)[0]), "prometheus")
    node.decides_all()
    assert len(node.episodes()) == 4


def test_a_decision_that_cannot_be_stored_leaves_the_batch_where_it_is(node, monkeypatch):
    node.inbox.accept(read(bodies(1)[0]), "prometheus")
    with monkeypatch.context() as broken:
        broken.setattr(node.store, "commit", lambda *decision: (_ for _ in ()).throw(StoreUnavailable("away")))
        with pytest.raises(StoreUnavailable):
            node.loop.turn()
    assert node.store.waiting().rows == 1
    node.decides_all()
    assert len(node.episodes()) == 4


def test_one_alert_that_cannot_be_decided_costs_no_other_its_page(node, monkeypatch):
    take = node.desk.take

    def stumbles(events):
        if any("host-2" in alert.labels["instance"] for event in events for alert in event.alerts):
            raise ZeroDivisionError("a mistake of ours")
        return take(events)

    monkeypatch.setattr(node.desk, "take", stumbles)
    node.inbox.accept(read(bodies(1)[0]), "prometheus")
    node.decides_all()
    assert len(node.episodes()) == 3
    assert node.store.waiting().rows == 0


def test_what_is_posted_again_moves_no_head(node):
    body = bodies(1)[0]
    node.inbox.accept(read(body), "prometheus")
    node.decides_all()
    version = node.desk.version
    for minute in range(1, 4):
        node.now = START + timedelta(minutes=minute)
        node.inbox.accept(read(body), "prometheus")
        node.decides_all()
    assert node.desk.version == version
    assert node.desk.flush() == 5  # Four alerts, and that the source lives.
    again = Node(node.store)
    again.desk.refresh()
    with again.desk.looking() as (state, _):
        assert {one.posted_at for one in state.postings.values()} == {node.now}


# ---------------------------------------------------------------------------------------------------------------------
# Killed


CHILD = """
import os, signal, sys
from opswatch.core.events import Posted
from tests.desk.test_inbox import Node, bodies
from opswatch.posts import read
from opswatch.stores import open_store

node = Node(open_store(sys.argv[1]))
node.loop.turn()
for body in bodies(4):
    node.inbox.accept(read(body), "prometheus")
def dies(*given):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "after":
    node.inbox.decided = node.store.forget_batches = dies   # Committed, and nobody was told.
elif sys.argv[2] == "inside":
    from opswatch.stores import inbox
    inbox.take = dies                                        # The decision is written, the commit is not.
else:
    node.desk.take = dies
print("accepted", flush=True)
while True:
    node.loop.turn()
"""


@pytest.mark.parametrize("moment", ["before", "inside", "after"])
def test_killed_around_a_decision_every_alert_is_decided_once(store, store_url, moment):
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), store_url, moment],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert child.stdout == "accepted\n"
    again = Node(store)
    again.decides_all()
    fired = again.episodes()
    assert len(fired) == len(set(fired)) == 16
    assert store.waiting().rows == 0
    assert len([row for row in store.messages() if row.kind == "page"]) == 1


# ---------------------------------------------------------------------------------------------------------------------
# What strangers post


@pytest.mark.parametrize(
    ("one", "why"),
    [
        ("x", "it is text: an object with labels is expected"),
        ({}, "labels is missing"),
        ({"labels": {}}, "it has no labels"),
        ({"labels": {"a": ""}}, "it has no labels"),
        ({"labels": {"a": 1}}, "label 'a' is a number: text is expected"),
        ({"labels": {"": "x"}}, "a label has an empty name"),
        ({"labels": {"a": "x" * 5000}}, "too long"),
        ({"labels": {f"l{n}": "x" for n in range(65)}}, "at most 64"),
        ({"labels": {"a": "x"}, "annotations": []}, None),
        ({"labels": {"a": "x"}, "annotations": [1]}, "annotations is a list"),
        ({"labels": {"a": "x"}, "annotations": {"b": None}}, "annotation 'b' is missing"),
        ({"labels": {"a": "x"}, "startsAt": "yesterday"}, "startsAt = 'yesterday'"),
        ({"labels": {"a": "x"}, "endsAt": "2026-09-24T01:02:03"}, "an instant with its zone"),
        ({"labels": {"a": "x"}, "endsAt": 7}, "endsAt = '7'"),
        ({"labels": {"a": "x"}, "endsAt": "9999-12-31T23:59:59-12:00"}, "endsAt = '9999"),
        ({"labels": {"a": "x"}, "endsAt": "9999-12-31T23:59:59Z"}, None),
        ({"labels": {"a": "x"}, "generatorURL": 7}, "generatorURL is a number"),
        (
            {"labels": {"a": "x"}, "startsAt": "2026-09-24T02:00:00Z", "endsAt": "2026-09-24T01:00:00Z"},
            "endsAt 2026-09-24T01:00:00Z is before",
        ),
        ({"labels": {"a": "x"}, "startsAt": "0001-01-01T00:00:00.000Z", "endsAt": None}, None),
    ],
)
def test_one_bad_alert_is_named_and_the_others_are_kept(one, why):
    good = {"labels": {"alertname": "Good"}}
    found = usable([good, one, good])
    if why is None:
        assert found.problems == () and len(found.alerts) == 3
    else:
        assert found.alerts == (good, good)
        assert len(found.problems) == 1 and found.problems[0].startswith("alert 2 of 3") and why in found.problems[0]


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b'"x"', b"[" * 100_000])
def test_what_is_no_list_of_alerts_is_refused_as_a_whole(body):
    from opswatch.posts import BadPost

    with pytest.raises(BadPost):
        read(body)


def test_the_event_is_the_same_from_memory_and_from_the_store(store):
    alerts = [
        {
            "labels": {"alertname": "磁盘满", "empty": "", "odd": "\ud800\u0000"},
            "annotations": {"summary": "x" * 5000},
            "startsAt": "2026-09-24T01:02:03.123456789+08:00",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prom/graph",
        }
    ]
    node = Node(store)
    node.loop.turn()
    node.inbox.accept(read(json.dumps(alerts).encode()), "prometheus")
    (kept,) = node.inbox.next(256)
    again = Node(store, "b")
    again.now += timedelta(hours=1)
    (stored,) = again.inbox.next(256)
    assert kept.alerts is not None and stored.alerts is None
    assert kept.event == stored.event
    assert isinstance(kept.event, Posted) and set(kept.event.alerts[0].labels) == {"alertname", "odd"}
    node.inbox.close()
