"""kill -9 at random moments between failure, promise, send and receipt: no page is lost, repeats are marked."""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from opswatch.core.changes import State
from opswatch.sim import laws
from opswatch.stores import open_store
from tests.daemon.harness import Installation, Receiver

TRIALS = 10_000 if "OPSWATCH_NIGHTLY" in os.environ else 50
SIDE_BY_SIDE = 2
CHECKS_IN_TURN = 12  # One that fails in every trial would be flapping, and quiet.
MERCILESS = "[mercy]\npages_per_hour_max = 10000\n[grouping]\nstorm = { incidents = 1000000 }\n"
SEED = int(os.environ.get("OPSWATCH_SEED", "20261121"))


def test_no_page_is_lost_however_it_is_killed(installed):
    """Each trial: it fails, the process is killed at a random moment, started again, and the page must have come.

    Half of the receiver's answers are slow, so that many kills fall between sending and recording."""
    receivers = [Receiver() for _ in range(SIDE_BY_SIDE)]
    boxes = [installed(receiver=receiver, more=MERCILESS) for receiver in receivers]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as together:
        runs = [
            together.submit(trials, box, random.Random(SEED + place), TRIALS // SIDE_BY_SIDE)
            for place, box in enumerate(boxes)
        ]
        for run in runs:
            run.result()
    for box in boxes:
        look_at_the_books(box)


def trials(box: Installation, chance: random.Random, count: int) -> None:
    flags = [box.folder / f"flag-{number}" for number in range(CHECKS_IN_TURN)]
    checks = (box.folder / "checks" / "all.toml").read_text()
    for flag in flags:
        named = checks.replace('id = "flag"', f'id = "{flag.name}"').replace(str(box.flag), str(flag))
        (box.folder / "checks" / f"{flag.name}.toml").write_text(named)
    box.start()
    for trial in range(1, count + 1):
        box.flag = flags[trial % CHECKS_IN_TURN]
        box.receiver.delay_s = chance.choice([0.0, 0.5])
        box.fails()
        time.sleep(chance.uniform(0.0, 1.5))  # The moment of the kill is the trial, not something waited for.
        box.kill()
        box.start()
        box.receiver.wait(lambda body, n=trial: body["kind"] == "page" and body["incident"] == n)
        box.recovers()
        box.receiver.wait(lambda body, n=trial: body["kind"] == "update" and body["incident"] == n)
    assert box.stop() == 0


def look_at_the_books(box: Installation) -> None:
    """What was promised, what arrived, and whether the timeline tells the same."""
    store = open_store(f"sqlite:{box.folder}/var/opswatch.db")
    entries = [stored.entry for stored in store.timeline(limit=1_000_000)]
    state = State()
    store.load(state)
    promised = {str(entry.facts["page"]) for entry in entries if entry.kind == "page_promised"}
    rows = {page: store.message(page) for page in promised}
    arrived = defaultdict(list)
    for body in box.receiver.pages():
        arrived[body["page_id"]].append(body)
    lost = [page for page in promised if page not in arrived and rows[page].outcome != "overtaken"]
    assert lost == [], f"seed {SEED}: promised and never sent"
    assert set(arrived) <= promised, "every page that rang was promised first"
    repeats = [body for bodies in arrived.values() for body in bodies[1:]]
    assert [body["page_id"] for body in repeats if not body["possible_duplicate"]] == [], "a repeat that is not marked"
    assert all(body["_key"] == body["page_id"] for bodies in arrived.values() for body in bodies)
    assert laws.the_log_is_the_truth(state, entries) == []
    print(f"{len(promised)} pages promised, {len(repeats)} rang twice, each marked, 0 lost")
    store.close()
