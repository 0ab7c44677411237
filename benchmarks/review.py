"""The weekly review from a store of 1,000,000 entries, 50,000 of them in the week: `python -m benchmarks.review`.

The timeline is written through the store, with the entries that the engine writes for an incident, in its order.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from itertools import islice
from pathlib import Path

from opswatch.core.changes import Changes, State
from opswatch.core.effects import Entry, Record
from opswatch.core.model import Secret
from opswatch.core.plan import Check, Layer, Person, Plan, Roster, Window
from opswatch.reviewing import Child, Task
from opswatch.stores import Store, open_store

ENTRIES = 1_000_000
IN_THE_WEEK = 50_000
END = datetime(2026, 11, 23, tzinfo=UTC)
WEEK = timedelta(days=7)
BATCH = 20_000
RUNS = 5
PEOPLE = tuple(f"p{number:02d}" for number in range(24))
CHECKS = tuple(f"check-{number:02d}" for number in range(40))


def story(number: int, at: datetime, chance: random.Random) -> Iterator[Entry]:
    """Ten entries, as the engine writes them for an incident that somebody answers."""
    first, second = chance.sample(PEOPLE, 2)
    key = f"{chance.choice(CHECKS)}/host-{chance.randrange(200)}"
    priority = chance.choices(("P0", "P1", "P2"), (1, 6, 12))[0]
    text = f"{key} is out of its limits: 93.4 %"

    def entry(after_s: float, kind: str, by: str | None = None, **facts: object) -> Entry:
        is_alert = kind.startswith("alert_fired")
        return Entry(at + timedelta(seconds=after_s), kind, None if is_alert else number, by, facts)

    def page(after_s: float, person: str, step: int) -> Iterator[Entry]:
        page_id = f"{number}/1/1/1/{person}/{step}"
        reason = "first" if person == first else "unanswered"
        facts = {"page": page_id, "person": person, "contact": "slack", "level": 1, "reason": reason}
        yield entry(after_s, "page_promised", **facts, priority=priority, roster="primary")
        facts = {"page": page_id, "person": person, "channel": "slack", "took_s": chance.expovariate(0.7), "attempt": 1}
        yield entry(after_s + 1, "page_delivered", **facts)

    why = f"{priority} because: crit, tier 2 service orders"
    yield entry(0, "alert_fired", alert=key, episode=1, state="crit", priority=priority, why=why, text=text)
    facts = {"title": text, "service": "orders", "priority": priority, "why": why, "policy": "standard", "alert": key}
    yield entry(0, "triggered", **facts, state="crit", text=text)
    facts = {"level": 1, "cycle": 1, "climb": 1, "reason": "first", "people": [first], "channels": []}
    yield entry(0, "level_entered", **facts, until=(at + timedelta(minutes=5)).isoformat())
    yield from page(0, first, 1)
    yield from page(300, second, 1)
    answered = 300 + chance.expovariate(1 / 300)
    yield entry(answered, "acknowledged", by=second, door="slack")
    ended = answered + chance.expovariate(1 / 2400)
    yield entry(ended, "alert_cleared", alert=key, episode=1, text="it looks as it should", lasted_s=int(ended))
    yield entry(ended, "resolved")


def timeline(entries: int, a_week: int) -> Iterator[Entry]:
    """So many entries, evenly over the weeks that end at END."""
    chance = random.Random(20261123)
    incidents = entries // 10
    apart = WEEK * 10 / a_week
    for number in range(1, incidents + 1):
        at = END - apart * (incidents - number + 1)
        yield from story(number, at + apart * chance.random(), chance)


def filled(place: str, *, entries: int = ENTRIES, a_week: int = IN_THE_WEEK) -> Store:
    """A store with that timeline."""
    store = open_store(place)
    store.migrate()
    state = State()
    store.load(state)
    source = timeline(entries, a_week)
    while batch := list(islice(source, BATCH)):
        store.commit(Changes(), [Record(entry) for entry in batch], batch[-1].at)
    return store


def team() -> Plan:
    """Two dozen people in three zones, one roster for each, with hours of duty."""
    waking = Window(clock(8), clock(22))
    zones = ("Asia/Shanghai", "Europe/Berlin", "America/New_York")
    people = {name: Person(name, name, zones[number % 3], day=waking) for number, name in enumerate(PEOPLE)}
    begins = datetime(2026, 1, 5, 9)  # noqa: DTZ001 - a local wall time
    rosters = {}
    for number, zone in enumerate(zones):
        names, week = PEOPLE[number::3], (1, "week")
        shift = Window(clock(8), clock(20))
        layer = Layer("days", tuple((name,) for name in names), begins, week, week, zone, windows=(shift,))
        rosters[f"roster-{number}"] = Roster(f"roster-{number}", (layer,), zone)
    checks = {name: Check(name, "command", (), every=timedelta(minutes=1)) for name in CHECKS}
    return Plan(timezone="Asia/Shanghai", people=people, rosters=rosters, checks=checks)


def main() -> list[str]:
    """The rows, as Markdown: the whole of it in its process, from the start of the interpreter to the words."""
    lines = ["| weekly review | n | median s | max s | of the processor s |", "| --- | --- | --- | --- | --- |"]
    with tempfile.TemporaryDirectory() as folder:
        address = f"sqlite:{Path(folder) / 'opswatch.db'}"
        filled(address).close()
        task = Task(team(), Secret(address), "week", END - timedelta(days=2), END + timedelta(hours=6))
        took = []
        before = os.times()
        for _ in range(RUNS):
            began = time.perf_counter()
            made = Child().make(task)
            took.append(time.perf_counter() - began)
        after = os.times()
        assert made.html.startswith("<!doctype html>")
    # The child is nice to pages: on a busy machine it waits longer than it works.
    used = (after.children_user + after.children_system - before.children_user - before.children_system) / RUNS
    what = f"{ENTRIES:,} entries, {IN_THE_WEEK:,} of them in the week: Markdown and HTML"
    return [*lines, f"| {what} | {RUNS} | {statistics.median(took):.2f} | {max(took):.2f} | {used:.2f} |"]


if __name__ == "__main__":
    print("\n".join(main()))
