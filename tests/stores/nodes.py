"""What one of several nodes does, as a process of its own: decide on the head, deliver what is promised, or die."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

from opswatch.core.changes import Changes, State
from opswatch.core.effects import Entry, Page, Record, Settle
from opswatch.core.model import PageReason, Priority
from opswatch.core.state import Standing
from opswatch.errors import Conflict
from opswatch.stores import Store, open_store

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LEASE = timedelta(minutes=5)
TURN_AFTER = 2  # swaps lost in a row


def command(store: Store, state: State, node: str, text: str) -> int:
    """Number a new incident, note it and promise its page, as the desk decides a command; how many swaps were lost."""
    lost = 0
    while True:
        try:
            if lost >= TURN_AFTER:
                with store.turn():
                    changes = _decide(store, state, node, text)
            else:
                changes = _decide(store, state, node, text)
        except Conflict:
            lost += 1
            assert lost <= TURN_AFTER, f"{node} lost the swap in its own turn"
        else:
            state.apply(changes)
            return lost


def _decide(store: Store, state: State, node: str, text: str) -> Changes:
    store.load(state)
    number = state.standing.incident_last + 1
    page = Page(number, 1, 1, 1, "ana", "1", "slack", Priority.P1, PageReason.FIRST)
    facts = {"text": text, "number": number}
    changes = Changes(standing=replace(state.standing, incident_last=number))
    store.commit(changes, [Record(Entry(NOW, "opened", number, by=node, facts=facts)), page], NOW)
    return changes


def hammer(url: str, node: str, commands: int, start: Barrier, claims: SimpleQueue[list[str]]) -> None:
    """Together with the others: give `commands` commands and deliver whatever is due between them and after. Puts the
    ids it claimed into `claims`, also when it failed: nobody waits for ever."""
    store = open_store(url, checkpoints=node == "a")
    state = State()
    claimed: list[str] = []
    try:
        start.wait(60)
        for n in range(commands):
            command(store, state, node, f"{node}-{n}")
            claimed += [promise.id for promise in store.claim(node, NOW, LEASE, 3)]
        while promises := store.claim(node, NOW, LEASE, 50):
            claimed += [promise.id for promise in promises]
    finally:
        claims.put(claimed)
        store.close()


def die_before_the_receipt(url: str, node: str) -> None:
    """Claim what is due, and be killed as a power cut would."""
    store = open_store(url)
    assert store.claim(node, NOW, LEASE, 10)
    os.kill(os.getpid(), 9)


def die_in_the_commit(url: str, node: str) -> None:
    """Be killed between the writes of one commit."""
    store = open_store(url)
    state = State()
    with store.turn():
        store.load(state)
        store.commit(Changes(standing=Standing(incident_last=99)), [Record(Entry(NOW, "half"))], NOW)
        os.kill(os.getpid(), 9)


def receive(store: Store, message: str) -> None:
    """The receipt, as the desk would commit it."""
    store.load(State())
    store.commit(Changes(), [Settle(message, "delivered")], NOW)
