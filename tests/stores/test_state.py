"""State behind the head: what one node commits is what every node loads, and only one of two can be first."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from opswatch.core.changes import Changes, State
from opswatch.core.model import Priority, Status
from opswatch.core.state import Standing
from opswatch.errors import Conflict
from opswatch.stores import Store, open_store, postgres
from tests.stores.things import HOUR, NOW, alert, announce, everything, incident, note, page, watch, whole


@pytest.fixture
def other(store_url: str, store: Store) -> Iterator[Store]:
    """A second node on the same database."""
    opened = open_store(store_url)
    yield opened
    opened.close()


def loaded(store: Store) -> State:
    state = State()
    store.load(state)
    return state


def commit(store: Store, state: State, changes: Changes, *effects: object) -> None:
    store.commit(changes, effects, NOW)  # type: ignore[arg-type]  # effects of all kinds
    state.apply(changes)


def test_what_was_committed_is_what_another_node_loads(store: Store, other: Store):
    state = loaded(store)
    commit(store, state, everything())
    assert whole(loaded(other)) == whole(state)


def test_an_empty_store_loads_as_an_empty_state(store: Store):
    state = State()
    assert store.load(state)
    assert whole(state) == whole(State())
    assert not store.load(state)


def test_nothing_to_write_moves_nothing(store: Store, other: Store):
    loaded(other)
    commit(store, loaded(store), Changes())
    assert not other.changed()


def test_the_second_of_two_is_told_and_succeeds_when_it_looks_again(store: Store, other: Store):
    first, second = loaded(store), loaded(other)
    commit(store, first, Changes(incidents={1: incident(1)}), note("first"), page(1))
    with pytest.raises(Conflict):
        other.commit(Changes(incidents={1: incident(1, title="stolen")}), [note("second"), page(9)], NOW)
    assert [row.id for row in other.messages()] == [page(1).id], "a lost swap leaves nothing behind"
    assert other.load(second)
    commit(other, second, Changes(incidents={2: incident(2)}), note("second"))
    assert [stored.entry.facts["text"] for stored in store.timeline()] == ["first", "second"]
    assert store.load(first)
    assert whole(first) == whole(second)


def test_a_load_reads_only_what_changed(store: Store, other: Store):
    state = loaded(store)
    many = {f"disk-space/host-{n}": alert(f"host-{n}") for n in range(50)}
    commit(store, state, Changes(alerts=dict(many)))
    follower = Spying()
    other.load(follower)
    assert len(follower.applied[-1].alerts) == 50
    commit(store, state, Changes(alerts={"disk-space/host-7": alert("host-7", sentence="worse")}))
    assert other.changed()
    assert other.load(follower)
    assert list(follower.applied[-1].alerts) == ["disk-space/host-7"]
    assert not follower.applied[-1].watches
    assert not other.load(follower)
    assert len(follower.applied) == 2, "a current state is left alone"


class Spying(State):
    """Remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.applied: list[Changes] = []

    def apply(self, changes: Changes) -> None:
        self.applied.append(changes)
        super().apply(changes)


def test_what_leaves_the_state_leaves_it_everywhere_and_incidents_stay_on_record(store: Store, other: Store):
    state = loaded(store)
    commit(store, state, everything())
    follower = loaded(other)
    over = incident(1, status=Status.RESOLVED, resolved_at=NOW)
    commit(store, state, Changes(incidents={1: over}))
    leaving = Changes(
        alerts=dict.fromkeys(state.alerts),
        incidents={1: None},
        silences={1: None},
        overrides={1: None},
        absences={1: None},
        covers={1: None},
        beats={"nightly backup": None},
        risks={1: None},
        papers={1: None},
        watches=dict.fromkeys(state.watches),
    )
    commit(store, state, leaving)
    other.load(follower)
    assert whole(follower) == whole(state) == (*[{}] * 10, everything().standing)
    assert whole(loaded(open_again := store)) == whole(state)
    assert open_again.incident(1) == over
    assert open_again.incidents() == []
    assert open_again.incidents(include_resolved=True) == [over]


def test_what_left_may_come_back(store: Store):
    state = loaded(store)
    commit(store, state, Changes(alerts={alert().key: alert()}))
    commit(store, state, Changes(alerts={alert().key: None}))
    commit(store, state, Changes(alerts={alert().key: alert(episode=3)}))
    assert loaded(store).alerts[alert().key].episode == 3


def test_a_node_that_slept_through_the_pruning_reads_everything_again(store: Store, other: Store):
    state = loaded(store)
    commit(store, state, everything())
    sleeper = loaded(other)
    commit(store, state, Changes(alerts=dict.fromkeys(state.alerts), silences={1: None}))
    assert store.prune(NOW + timedelta(days=6)) >= 3
    assert other.load(sleeper)
    assert whole(sleeper) == whole(state)


def test_open_incidents_come_newest_first_and_limited(store: Store):
    state = loaded(store)
    commit(store, state, Changes(incidents={n: incident(n) for n in (1, 2, 3)}))
    commit(store, state, Changes(incidents={2: incident(2, status=Status.RESOLVED)}))
    assert [found.number for found in store.incidents()] == [3, 1]
    assert [found.number for found in store.incidents(include_resolved=True, limit=2)] == [3, 2]
    assert store.incident(99) is None


def test_single_facts_stay_when_a_commit_does_not_name_them(store: Store):
    state = loaded(store)
    commit(store, state, Changes(standing=Standing(incident_last=7, paused_by="ana")))
    commit(store, state, Changes(incidents={8: incident(8, priority=Priority.P3)}))
    assert loaded(store).standing == Standing(incident_last=7, paused_by="ana")


def test_watches_are_saved_beside_the_head_and_found_after_a_restart(store: Store, other: Store):
    state = loaded(store)
    many = {f"disk-space/host-{n}": watch(f"host-{n}", bad=n) for n in range(450)}
    store.save_beside(Changes(watches=many))
    assert not store.changed(), "the head did not move: nobody needs to wake"
    assert loaded(other).watches == many
    store.save_beside(Changes(watches={"disk-space/host-3": None}))
    assert "disk-space/host-3" not in loaded(other).watches
    assert not store.load(state)


def test_a_node_keeps_its_own_watches_and_learns_those_of_others(store: Store, other: Store):
    mine, theirs = loaded(store), loaded(other)
    store.save_beside(Changes(watches={"disk-space/a": watch("a", bad=1)}))
    mine.apply(Changes(watches={"disk-space/a": watch("a", bad=2)}))  # fresher, not saved yet
    other.save_beside(Changes(watches={"disk-space/b": watch("b", bad=7)}))
    commit(other, theirs, Changes(incidents={1: incident()}))
    assert store.load(mine)
    assert mine.watches["disk-space/a"].bad == 2
    assert mine.watches["disk-space/b"].bad == 7


def test_a_turn_is_one_transaction_that_makes_others_lose(store: Store, other: Store):
    state, rival = loaded(store), loaded(other)
    commit(other, rival, Changes(incidents={1: incident()}), note("rival"))
    with store.turn():
        assert store.load(state)
        store.commit(Changes(incidents={2: incident(2)}), [note("in turn"), page(2)], NOW)
        assert other.timeline(after=1) == [], "nothing is so before the turn ends"
    assert [stored.entry.facts["text"] for stored in other.timeline()] == ["rival", "in turn"]
    with pytest.raises(Conflict):
        other.commit(Changes(), [note("late")], NOW)


def test_a_turn_that_fails_leaves_nothing_and_the_next_load_looks_again(store: Store):
    state = loaded(store)
    with pytest.raises(ZeroDivisionError), store.turn():
        store.load(state)
        store.commit(Changes(incidents={2: incident(2)}), [note("never")], NOW)
        raise ZeroDivisionError
    assert store.timeline() == []
    assert not store.load(state)
    commit(store, state, Changes(), note("after"))
    assert store.timeline()[0].position == 1


@pytest.mark.needs("postgres")
def test_other_threads_claim_while_one_has_its_turn(postgres_url: str):
    store = open_store(postgres_url)
    store.migrate()
    state = loaded(store)
    commit(store, state, Changes(), page(1))
    claimed: list[object] = []
    with store.turn():
        thread = threading.Thread(target=lambda: claimed.extend(store.claim("a", NOW, HOUR, 5)))
        thread.start()
        thread.join(10)
        assert len(claimed) == 1
    store.close()


@pytest.mark.needs("postgres")
def test_a_node_that_freezes_in_its_turn_loses_it(postgres_url: str, monkeypatch: pytest.MonkeyPatch):
    soon = postgres._OWN["limits"].replace(
        "'idle_in_transaction_session_timeout', '5s'", "'idle_in_transaction_session_timeout', '50ms'"
    )
    assert "50ms" in soon
    monkeypatch.setitem(postgres._OWN, "limits", soon)
    frozen, store = open_store(postgres_url), open_store(postgres_url)
    store.migrate()
    theirs, ours = loaded(frozen), loaded(store)
    with pytest.raises(Conflict), frozen.turn():
        frozen.load(theirs)
        commit(store, ours, Changes(), note("somebody else"))  # waits until the server has cut the frozen one
        frozen.commit(Changes(), [note("thawed")], NOW)
    frozen.load(theirs)
    commit(frozen, theirs, Changes(), note("looked again"))
    assert [stored.entry.facts["text"] for stored in store.timeline()] == ["somebody else", "looked again"]
    frozen.close()
    store.close()


def test_a_waiting_thread_wakes_at_the_commit_of_another_node(store: Store, other: Store):
    state = loaded(store)
    loaded(other)
    assert not other.wait_for_change(0.01)
    woken: list[bool] = []
    waiter = threading.Thread(target=lambda: woken.append(other.wait_for_change(30)))
    waiter.start()
    commit(store, state, Changes(), announce())
    waiter.join(30)
    assert woken == [True]


def test_a_store_in_memory_is_a_store():
    store = open_store("sqlite::memory:")
    store.migrate()
    state = loaded(store)
    commit(store, state, everything(), note("x"), page())
    assert whole(loaded(store)) == whole(state)
    assert len(store.claim("a", NOW, HOUR, 5)) == 1
    store.close()
