"""The laws through the real desk and SQLite: the daemon crashes, its store is reopened, promises are claimed twice."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta

import pytest

from opswatch.core.changes import State
from opswatch.sim import laws
from opswatch.sim.life import HOUR, ROUGH
from opswatch.stores import open_store
from tests.sim.desk_world import DeskStory
from tests.sim.team_plan import START, team

SEEDS = range(500) if "OPSWATCH_NIGHTLY" in os.environ else range(2)
SPAN = timedelta(days=4)
CRASHING = replace(ROUGH, mishaps=replace(ROUGH.mishaps, crash_every=timedelta(hours=3), dies_in_step=0.03))
STEADY = replace(
    ROUGH, mishaps=replace(ROUGH.mishaps, crash_every=timedelta(0), dies_in_step=0.0, reload_every=timedelta(0))
)


def lived(url: str, seed: int, life, *, nodes: int = 1, span: timedelta = SPAN) -> DeskStory:
    story = DeskStory(team(), seed, START, START + span, url, nodes=nodes, life=life)
    story.world.run(START + span)
    story.look_around()
    story.ends()
    return story


@pytest.mark.parametrize("seed", SEEDS)
def test_laws_hold_and_no_page_is_lost_however_often_the_daemon_dies(tmp_path, seed):
    story = lived(f"sqlite:{tmp_path / 'opswatch.db'}", seed, CRASHING)
    world = story.world
    assert world.crashed > 10, "this life was meant to be rough"
    store = world.store
    rows = {row.id: row for row in store.messages(limit=100_000)}
    assert [page for page in world.promised if page not in rows] == [], "promised, and not in the store"
    overdue = world.now - timedelta(minutes=1)  # What was promised at the very end may still be on its way.
    assert [row.id for row in rows.values() if row.settled_at is None and row.due_at <= overdue] == []
    entries = [one.entry for one in store.timeline(limit=1_000_000)]
    again, held = open_store(world.url, checkpoints=False), State()
    again.load(held)
    again.close()
    assert laws.the_log_is_the_truth(held, entries) == []
    for part in ("alerts", "incidents", "silences", "overrides", "standing"):
        assert getattr(held, part) == getattr(world.state, part), f"{part}: the desk believes otherwise than the store"
    delivered = {str(entry.facts["page"]) for entry in entries if entry.kind == "page_delivered"}
    assert delivered == {row.id for row in rows.values() if row.kind == "page" and row.outcome == "delivered"}


def test_pages_that_a_dead_daemon_had_in_hand_ring_again_and_say_so(tmp_path):
    dying = replace(CRASHING, mishaps=replace(CRASHING.mishaps, crash_every=HOUR, dies_in_step=0.15))
    story = lived(f"sqlite:{tmp_path / 'opswatch.db'}", 5, dying, span=timedelta(days=2))
    entries = [one.entry for one in story.world.store.timeline(kinds=["page_delivered"], limit=1_000_000)]
    assert story.post.twice > 0
    assert any(entry.facts.get("possible_duplicate") for entry in entries)


def test_it_does_not_matter_which_of_two_nodes_decides(tmp_path):
    """Law 9: the same life over one desk, and over two that take turns on one store, writes the same timeline."""
    books = []
    for nodes in (1, 2):
        story = lived(f"sqlite:{tmp_path / f'{nodes}.db'}", 4, STEADY, nodes=nodes)
        books.append([one.entry for one in story.world.store.timeline(limit=1_000_000)])
        for _, store in story.world.desks:
            store.close()
    assert len(books[0]) > 200
    assert books[0] == books[1]
