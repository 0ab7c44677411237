"""Several real processes on one database: one order, every promise claimed once, no command lost, deaths survived."""

from __future__ import annotations

import multiprocessing
import signal
from collections import Counter

from opswatch.core.changes import State
from opswatch.stores import Store
from tests.stores import nodes
from tests.stores.nodes import LEASE, NOW

SPAWN = multiprocessing.get_context("spawn")
COMMANDS = 100
NODES = ("a", "b", "c")


def test_three_nodes_share_one_order_and_deliver_each_page_once(store_url: str, store: Store):
    start, claims = SPAWN.Barrier(len(NODES)), SPAWN.SimpleQueue()
    running = [SPAWN.Process(target=nodes.hammer, args=(store_url, node, COMMANDS, start, claims)) for node in NODES]
    for process in running:
        process.start()
    claimed = Counter(name for _ in running for name in claims.get())
    for process in running:
        process.join(60)
        assert process.exitcode == 0

    timeline = store.timeline()
    total = COMMANDS * len(NODES)
    assert [stored.position for stored in timeline] == list(range(1, total + 1)), "no hole, no place taken twice"
    assert [stored.entry.facts["number"] for stored in timeline] == list(range(1, total + 1)), "decided one by one"
    given = {f"{node}-{n}" for node in NODES for n in range(COMMANDS)}
    assert {stored.entry.facts["text"] for stored in timeline} == given, "no command lost"
    assert claimed == Counter({f"{n}/1/1/1/ana/1": 1 for n in range(1, total + 1)}), "each page claimed exactly once"
    state = State()
    store.load(state)
    assert state.standing.incident_last == total
    assert store.check_integrity() == []


def test_a_node_killed_between_claim_and_receipt_is_followed_by_another_with_the_same_id(store_url: str, store: Store):
    nodes.command(store, State(), "a", "x")
    assert died_of(nodes.die_before_the_receipt, store_url, "b") == signal.SIGKILL
    assert store.claim("a", NOW, LEASE, 10) == [], "it may still be ringing"
    (again,) = store.claim("a", NOW + LEASE, LEASE, 10)
    assert again.id == "1/1/1/1/ana/1"
    assert again.attempt == 2
    assert again.possible_duplicate
    nodes.receive(store, again.id)
    assert store.next_due() is None


def test_a_node_killed_inside_a_commit_leaves_nothing_of_it(store_url: str, store: Store):
    nodes.command(store, State(), "a", "x")
    assert died_of(nodes.die_in_the_commit, store_url, "b") == signal.SIGKILL
    nodes.command(store, State(), "a", "y")
    assert [stored.entry.kind for stored in store.timeline()] == ["opened", "opened"]
    assert store.check_integrity() == []


def died_of(work: object, url: str, node: str) -> int:
    """Run it in a process of its own; the signal that ended it."""
    process = SPAWN.Process(target=work, args=(url, node))  # type: ignore[arg-type]  # any function
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return -process.exitcode
