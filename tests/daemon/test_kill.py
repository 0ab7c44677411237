"""kill -9 at random moments between failure, promise, send and receipt: no page is lost, repeats are marked."""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict

from opswatch.core.changes import State
from opswatch.sim import laws
from opswatch.stores import open_store

TRIALS = 10_000 if "OPSWATCH_NIGHTLY" in os.environ else 50
SEED = int(os.environ.get("OPSWATCH_SEED", "20261121"))


def test_no_page_is_lost_however_it_is_killed(installed, receiver):
    """Each trial: it fails, the process is killed at a random moment, started again, and the page must have come.

    Half of the receiver's answers are slow, so that many kills fall between sending and recording."""
    chance = random.Random(SEED)
    box = installed()
    box.start()
    for trial in range(1, TRIALS + 1):
        receiver.delay_s = chance.choice([0.0, 0.4])
        box.fails()
        time.sleep(chance.uniform(0.0, 1.6))  # The moment of the kill is the trial, not something waited for.
        box.kill()
        box.start()
        receiver.wait(lambda body, n=trial: body["kind"] == "page" and body["incident"] == n)
        box.recovers()
        receiver.wait(lambda body, n=trial: body["kind"] == "update" and body["incident"] == n)
    assert box.stop() == 0

    store = open_store(f"sqlite:{box.folder}/var/opswatch.db")
    entries = [stored.entry for stored in store.timeline(limit=1_000_000)]
    state = State()
    store.load(state)
    promised = {str(entry.facts["page"]) for entry in entries if entry.kind == "page_promised"}
    arrived = defaultdict(list)
    for body in receiver.pages():
        arrived[body["page_id"]].append(body)
    rows = {row.id: row for row in store.messages(limit=100_000)}
    lost = [page for page in promised if page not in arrived and rows[page].outcome != "overtaken"]
    assert lost == [], f"seed {SEED}: promised and never sent"
    assert set(arrived) <= promised, "every page that rang was promised first"
    repeats = [body for bodies in arrived.values() for body in bodies[1:]]
    assert [body["page_id"] for body in repeats if not body["possible_duplicate"]] == [], "a repeat that is not marked"
    assert all(body["_key"] == body["page_id"] for bodies in arrived.values() for body in bodies)
    assert laws.the_log_is_the_truth(state, entries) == []
    store.close()
