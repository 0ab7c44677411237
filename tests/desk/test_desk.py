"""The desk on real stores: what is decided is committed with what was promised, whoever else is writing."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from opswatch.core.effects import Done, Refuse
from opswatch.core.engine import Engine
from opswatch.core.events import Acknowledge, NodeStarted, Note, Observed, Tick
from opswatch.core.model import Failure, Health, Status, Verdict
from opswatch.desk import Desk
from opswatch.errors import StoreUnavailable
from opswatch.sim import laws
from opswatch.stores import Store, open_store
from tests.story import two_levels

START = datetime(2026, 11, 16, 2, tzinfo=UTC)
LEASE = timedelta(seconds=60)


class Clock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def a_desk(store: Store, clock: Clock) -> Desk:
    return Desk(store, Engine(two_levels()), clock)


def fails(desk: Desk, clock: Clock, target: str = "db-1") -> None:
    clock.passes(milliseconds=1)
    desk.apply(Observed("db", target, Verdict(clock.now, "no answer", failures=(Failure("no answer"),))))


def recovers(desk: Desk, clock: Clock, target: str = "db-1") -> None:
    clock.passes(milliseconds=1)
    desk.apply(Observed("db", target, Verdict(clock.now, "answers")))


def test_a_failure_its_timeline_and_its_page_are_one_commit(store, clock):
    desk = a_desk(store, clock)
    fails(desk, clock)
    assert [row.id for row in store.messages()] == ["1/1/1/1/ana/1"]
    assert [one.entry.kind for one in store.timeline()] == [
        "alert_fired",
        "triggered",
        "level_entered",
        "page_promised",
    ]


def test_a_healthy_look_commits_nothing(store, clock):
    desk = a_desk(store, clock)
    version = desk.version
    recovers(desk, clock)
    assert desk.version == version
    assert store.timeline() == []
    assert desk.flush() == 1
    assert desk.flush() == 0


def test_what_checks_remember_survives_a_restart(store_url, clock):
    first = open_store(store_url)
    first.migrate()
    desk = a_desk(first, clock)
    recovers(desk, clock)
    desk.flush()
    first.close()
    second = open_store(store_url)
    again = a_desk(second, clock)
    again.refresh()
    with again.looking() as (state, _):
        assert state.watches["db/db-1"].seen_at == clock.now
    second.close()


def test_a_slow_save_never_brings_back_what_a_check_remembered_before_it_failed(store_url, clock, monkeypatch):
    """Else a restart would find an alert whose check remembers no failure, and call it recovered."""
    store = open_store(store_url)
    store.migrate()
    desk = a_desk(store, clock)
    recovers(desk, clock)
    save, failing = store.save_beside, threading.Thread(target=fails, args=(desk, clock))

    def slowly(batch):
        failing.start()
        failing.join(0.2)  # It may get in between, or wait until the batch is saved.
        save(batch)

    monkeypatch.setattr(store, "save_beside", slowly)
    desk.flush()
    failing.join()
    store.close()
    again = a_desk(second := open_store(store_url), clock)
    again.refresh()
    with again.looking() as (state, _):
        assert state.watches["db/db-1"].confirmed is Health.CRIT
    second.close()


def test_a_save_that_failed_is_tried_again_with_what_is_true_by_then(store, clock, monkeypatch):
    desk = a_desk(store, clock)
    recovers(desk, clock)
    with monkeypatch.context() as broken:
        broken.setattr(store, "save_beside", unavailable)
        with pytest.raises(StoreUnavailable):
            desk.flush()
    fails(desk, clock)  # Committed with what the check remembers now.
    assert desk.flush() == 0


def unavailable(batch):
    raise StoreUnavailable("away")


def test_the_ladder_climbs_at_the_stored_instant_across_a_restart(store_url, clock):
    first = open_store(store_url)
    first.migrate()
    desk = a_desk(first, clock)
    fails(desk, clock)
    first.close()
    clock.passes(minutes=2)
    second = open_store(store_url)
    again = a_desk(second, clock)
    again.apply(NodeStarted("here"))
    again.apply(Tick())
    assert again.next_deadline() == START + timedelta(minutes=5, milliseconds=1)
    clock.now = again.next_deadline()
    again.apply(Tick())
    assert [row.person for row in second.messages()] == ["bo", "ana"]
    second.close()


def test_another_process_acknowledges_and_the_pending_page_is_never_sent(store_url, clock):
    mine, theirs = open_store(store_url), open_store(store_url, checkpoints=False)
    mine.migrate()
    desk = a_desk(mine, clock)
    fails(desk, clock)
    (promise,) = mine.claim("here", clock.now, LEASE, 10)
    answer = a_desk(theirs, clock).answer(Acknowledge(1, by="bo"))
    assert isinstance(answer, Done)
    assert not mine.still_wanted(promise.id, clock.now)
    assert desk.refresh()
    with desk.looking() as (state, _):
        assert state.incidents[1].status is Status.ACKNOWLEDGED
    clock.passes(minutes=40)
    desk.apply(Tick())
    assert [row.kind for row in mine.messages() if row.outcome is None] == ["update"]
    mine.close()
    theirs.close()


def test_of_two_people_at_once_one_has_it_and_the_other_learns_who(store_url, clock):
    setup = open_store(store_url)
    setup.migrate()
    fails(a_desk(setup, clock), clock)
    answers: dict[str, Done | Refuse] = {}
    together = threading.Barrier(2)

    def acknowledge(who: str) -> None:
        store = open_store(store_url, checkpoints=False)
        desk = a_desk(store, clock)
        together.wait()
        answers[who] = desk.answer(Acknowledge(1, by=who))
        store.close()

    people = [threading.Thread(target=acknowledge, args=(who,)) for who in ("ana", "bo")]
    for one in people:
        one.start()
    for one in people:
        one.join()
    winners = [who for who, answer in answers.items() if isinstance(answer, Done)]
    losers = [answer for answer in answers.values() if isinstance(answer, Refuse)]
    assert len(winners) == 1
    assert losers[0].facts["by"] == winners[0]
    setup.close()


def test_many_threads_and_desks_lose_no_command_and_the_log_is_the_truth(store_url, clock):
    setup = open_store(store_url)
    setup.migrate()
    fails(a_desk(setup, clock), clock)
    stores = [open_store(store_url, checkpoints=False) for _ in range(3)]

    def writes(store: Store, name: int) -> None:
        desk = a_desk(store, clock)
        for number in range(20):
            desk.answer(Note(1, f"{name}-{number}", by="ana"))

    writers = [threading.Thread(target=writes, args=(store, name)) for name, store in enumerate(stores)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    entries = setup.timeline()
    noted = [one.entry.facts["text"] for one in entries if one.entry.kind == "noted"]
    assert sorted(noted) == sorted(f"{name}-{number}" for name in range(3) for number in range(20))
    assert [one.position for one in entries] == list(range(1, len(entries) + 1))
    desk = a_desk(setup, clock)
    desk.refresh()
    with desk.looking() as (state, _):
        assert laws.the_log_is_the_truth(state, [one.entry for one in entries]) == []
    for store in (*stores, setup):
        store.close()


def test_a_batch_is_decided_on_one_view_and_committed_once(store, clock):
    desk = a_desk(store, clock)
    clock.passes(seconds=1)
    bad = tuple(
        Observed("db", target, Verdict(clock.now, "no answer", failures=(Failure("no answer"),)))
        for target in ("db-1", "db-2")
    )
    version = desk.version
    desk.apply_many(bad)
    assert desk.version == version + 1
    with desk.looking() as (state, _):
        assert state.incidents[1].alerts == ("db/db-1", "db/db-2")


def test_the_bells_ring_for_whoever_waits_for_a_move(store, clock):
    desk = a_desk(store, clock)
    before = desk.version
    woken = threading.Event()

    def waits() -> None:
        if desk.wait_for_move(before, timedelta(seconds=30)) != before:
            woken.set()

    waiter = threading.Thread(target=waits)
    waiter.start()
    fails(desk, clock)
    waiter.join(30)
    assert woken.is_set()


# ---------------------------------------------------------------------------------------------------------------------
# A clock that is set


def on_two_clocks(store: Store, clock: Clock) -> tuple[Desk, list[float]]:
    ticks = [0.0]
    desk = Desk(store, Engine(two_levels()), clock, lambda: ticks[0])
    desk.apply(NodeStarted("here"))
    return desk, ticks


def jumps(store: Store) -> list[tuple[object, object]]:
    return [
        (one.entry.facts["by_s"], one.entry.facts.get("back"))
        for one in store.timeline()
        if one.entry.kind == "clock_jumped"
    ]


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_set_is_on_the_timeline_before_anything_is_judged_by_it(store, clock, hours):
    desk, ticks = on_two_clocks(store, clock)
    clock.passes(seconds=30)
    ticks[0] += 30
    desk.apply(Tick())
    assert jumps(store) == []
    clock.passes(hours=hours, seconds=1)
    ticks[0] += 1
    desk.apply(Tick())
    desk.apply(Tick())
    assert jumps(store) == [(3600, True if hours < 0 else None)]


def test_a_jump_that_could_not_be_stored_is_said_later(store, clock, monkeypatch):
    desk, _ = on_two_clocks(store, clock)
    clock.passes(hours=1)
    with monkeypatch.context() as away:
        away.setattr(store, "commit", lambda *_: (_ for _ in ()).throw(StoreUnavailable("away")))
        with pytest.raises(StoreUnavailable):
            desk.apply(Tick())
    desk.apply(Tick())
    assert jumps(store) == [(3600, None)]
