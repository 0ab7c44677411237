"""A storm over real stores: two nodes fold into one, a restart changes nothing, one page leaves."""

from __future__ import annotations

from datetime import timedelta

from opswatch.core.engine import Engine
from opswatch.core.events import Acknowledge, Observed, Tick
from opswatch.core.model import Failure, Verdict
from opswatch.core.state import Incident
from opswatch.desk import Desk
from opswatch.stores import Store, open_store
from tests.core.test_storms import many
from tests.desk.test_desk import START, Clock


def a_desk(store: Store, clock: Clock) -> Desk:
    return Desk(store, Engine(many(120)), clock)


def burst(desk: Desk, clock: Clock, first: int, last: int) -> None:
    clock.now += timedelta(milliseconds=5)
    verdict = Verdict(clock.now, "down", failures=(Failure("down"),))
    desk.apply_many([Observed("up", f"s{number:05}", verdict) for number in range(first, last)])


def storms(desk: Desk) -> list[Incident]:
    desk.refresh()
    with desk.looking() as (state, _):
        return [one for one in state.incidents.values() if one.is_storm]


def pages(store: Store) -> list[tuple[int | None, str | None]]:
    """(incident, person) of pages that still leave."""
    return [(row.incident, row.person) for row in store.messages() if row.kind == "page" and row.outcome is None]


def test_two_nodes_fold_into_one_storm_and_one_page_leaves(store_url):
    clock = Clock()
    mine, theirs = open_store(store_url), open_store(store_url, checkpoints=False)
    mine.migrate()
    here, there = a_desk(mine, clock), a_desk(theirs, clock)
    burst(here, clock, 0, 40)
    burst(there, clock, 40, 80)
    burst(here, clock, 80, 120)
    (storm,) = storms(there)
    assert storm.folded == 120
    assert pages(mine) == [(storm.number, "ana")]
    mine.close()
    theirs.close()


def test_a_storm_goes_on_after_a_restart_and_an_acknowledgement_stops_it_all(store_url):
    clock = Clock()
    first = open_store(store_url)
    first.migrate()
    burst(a_desk(first, clock), clock, 0, 60)
    first.close()
    second = open_store(store_url)
    desk = a_desk(second, clock)
    burst(desk, clock, 60, 120)
    (storm,) = storms(desk)
    assert storm.folded == 120
    desk.answer(Acknowledge(storm.number, by="bo"))
    assert pages(second) == []
    clock.now = START + timedelta(minutes=20)
    desk.apply(Tick())
    assert pages(second) == []
    second.close()
