"""The dead-man ping says that pages get out: it is withheld while anything says they do not."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opswatch.config.settings import Deadman
from opswatch.core.engine import Engine
from opswatch.core.model import Secret
from opswatch.desk import Desk
from opswatch.loops import Loop, beat
from opswatch.stores import open_store
from tests.story import two_levels

NOW = datetime(2026, 11, 16, 2, tzinfo=UTC)
DEADMAN = Deadman(Secret("http://127.0.0.1:9/"), timedelta(seconds=60))


class Stumbling(Loop):
    """It takes its turns in time, and every one of them fails."""

    name = "stumbling"
    is_turning = True  # type: ignore[assignment]


@pytest.mark.parametrize(("trouble", "pings"), [(None, 1), ("a mistake of ours", 0)])
def test_no_ping_while_a_loop_fails_at_every_turn(tmp_path: Path, monkeypatch, trouble, pings):
    store = open_store(f"sqlite:{tmp_path}/opswatch.db")
    store.migrate()
    loop, pinged = Stumbling(), threading.Semaphore(0)
    loop.trouble = trouble
    monkeypatch.setattr(beat, "_ping", lambda deadman: pinged.release())
    desk = Desk(store, Engine(two_levels()), lambda: NOW)
    one = beat.Beat(
        desk, store, [loop], lambda: NOW, facts=dict, deadman=lambda: DEADMAN, samples_kept=timedelta(days=14)
    )
    one.stopping.set()
    one.turn()
    assert pinged.acquire(timeout=20 if pings else 0.2) is bool(pings)
    store.close()
