"""The weeks ahead are looked at hourly and after each change, beside the desk's lock; what is wrong is told once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opswatch import coverages, metrics
from opswatch.core.effects import Announce, Done, Notice
from opswatch.core.engine import Engine
from opswatch.core.events import AddOverride, MessageSent, Open, SendFailed
from opswatch.core.model import Role
from opswatch.core.plan import Digest, Plan
from opswatch.desk import Desk
from opswatch.loops.coverage import SETTLED_AFTER, CoverageWatch
from opswatch.render.coverage import coverage_notice
from opswatch.stores import Store, open_store
from tests.story import person, roster, two_levels

MONDAY = datetime(2026, 11, 16, 8, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    opened = open_store(f"sqlite:{tmp_path}/opswatch.db")
    opened.migrate()
    yield opened
    opened.close()


def weekly() -> Plan:
    people = {name: person(name, role=Role.LEAD) for name in ("ana", "bo")} | {
        "li": person("li", language="zh", timezone="Asia/Shanghai")
    }
    return replace(
        two_levels(), people=people, rosters={"primary": roster("ana", "bo")}, digest=Digest(to=("channel:ops",))
    )


class Node:
    """A daemon's desk and its loop; the test moves the clock."""

    def __init__(self, store: Store, plan: Plan | None = None) -> None:
        self.now = MONDAY
        self.desk = Desk(store, Engine(plan or weekly()), lambda: self.now)
        self.store, self.loop = store, CoverageWatch(self.desk, store, lambda: self.now)

    def leaves_a_gap(self, start: datetime, span: timedelta = DAY) -> None:
        said = self.desk.answer(AddOverride("primary", start, start + span, remove="ana", by="bo"))
        assert isinstance(said, Done), said

    def told(self) -> list[str]:
        return [stored.entry.facts["roster"] for stored in self.store.timeline(kinds=["coverage_warned"])]  # type: ignore[misc]


def test_it_looks_at_start_then_hourly_and_after_a_change_that_has_settled(store):
    node = Node(store)
    assert [node.loop.keep(node.now), node.loop.keep(node.now)] == [True, False]
    node.leaves_a_gap(MONDAY + 2 * DAY)
    assert not node.loop.keep(node.now), "somebody may be in the middle of a swap"
    node.now += SETTLED_AFTER / 2
    node.desk.answer(AddOverride("primary", MONDAY + 3 * DAY, MONDAY + 4 * DAY, add="bo", by="bo"))
    assert not node.loop.keep(node.now)
    node.now += SETTLED_AFTER
    assert [node.loop.keep(node.now), node.loop.keep(node.now)] == [True, False]
    assert node.told() == ["primary"]
    node.now += timedelta(hours=1)
    assert node.loop.keep(node.now)
    assert node.told() == ["primary"]


def test_a_swap_by_hand_is_told_to_nobody(store):
    node = Node(store)
    node.loop.keep(node.now)
    node.leaves_a_gap(MONDAY + 2 * DAY)
    node.loop.keep(node.now)
    node.now += timedelta(seconds=40)
    node.desk.answer(AddOverride("primary", MONDAY + 2 * DAY, MONDAY + 3 * DAY, add="bo", by="bo"))
    for _ in range(4):
        node.loop.keep(node.now)
        node.now += timedelta(seconds=30)
    assert node.told() == []


def test_a_new_plan_is_looked_at(store):
    node = Node(store)
    node.loop.keep(node.now)
    node.desk.reload(Engine(replace(weekly(), rosters={"primary": replace(roster("ana"), layers=())})))
    node.loop.keep(node.now)
    node.now += SETTLED_AFTER
    assert node.loop.keep(node.now)
    assert node.told() == ["primary"]


def test_of_two_nodes_one_tells(store):
    nodes = Node(store), Node(store)
    nodes[0].leaves_a_gap(MONDAY + 2 * DAY)
    for node in nodes:
        node.desk.refresh()
        node.loop.keep(node.now)
    assert nodes[0].told() == ["primary"]


def test_the_numbers_say_how_long_and_how_many(store):
    node = Node(store)
    node.leaves_a_gap(MONDAY + 2 * DAY, timedelta(hours=5))
    node.loop.keep(node.now)
    page = metrics.text().decode()
    assert 'opswatch_roster_gap_seconds{roster="primary"} 18000.0' in page
    assert 'opswatch_roster_unreachable{roster="primary"} 0.0' in page


def test_a_way_that_was_closed_for_good_does_not_reach_anybody_until_it_works_again(store):
    node = Node(store)
    node.desk.apply(Open("labels come out blank", "orders", by="bo"))
    (row,) = store.messages(1)
    (promise,) = store.claim("here", node.now, timedelta(minutes=1), 10)
    failed = SendFailed(row.id, 1, "page", "ana", "webhook", "user_not_found", True, page=promise.body)  # type: ignore[arg-type]
    node.desk.apply(failed)
    assert coverages.closed_ways(store, node.now) == {("ana", "webhook")}
    node.loop.keep(node.now)
    assert 'opswatch_roster_unreachable{roster="primary"} 1.0' in metrics.text().decode()
    node.now += timedelta(minutes=1)
    node.desk.apply(MessageSent("another", 1, "page", "ana", "webhook", 0.5))
    assert coverages.closed_ways(store, node.now) == set()


def test_the_desk_is_free_while_it_looks(store, monkeypatch):
    node = Node(store)
    decided = threading.Event()
    look = coverages.look

    def look_while_somebody_acts(*given, **named):
        acting = threading.Thread(target=lambda: (node.desk.apply(Open("meanwhile", "orders", by="bo")), decided.set()))
        acting.start()
        acting.join(20)
        return look(*given, **named)

    monkeypatch.setattr(coverages, "look", look_while_somebody_acts)
    node.loop.keep(node.now)
    assert decided.is_set()


def test_what_is_told_reads_well_in_both_languages(store):
    node = Node(store)
    node.leaves_a_gap(MONDAY + 2 * DAY)
    node.loop.keep(node.now)
    bodies = [promise.body for promise in store.claim("here", node.now, timedelta(minutes=1), 10)]
    (announce,) = [body for body in bodies if isinstance(body, Announce)]

    def link(kind: str, **what: object) -> str:
        return f"http://ops/{kind}"

    said = coverage_notice(node.desk.engine.plan, announce, id="1", link=link, at=node.now)
    assert said.title == "Nobody is on call ahead: primary, from Wed 18 Nov 08:00 (UTC)"
    assert "nobody is on call from Wed 18 Nov 08:00 (UTC) to Thu 19 Nov 08:00 (UTC), by override 1" in said.text
    assert "override add --roster primary" in said.text
    assert said.payload["kind"] == "announce" and not said.loud
    notice = Notice(None, "li", "webhook", announce.event, "1", announce.facts)
    said = coverage_notice(node.desk.engine.plan, notice, id="2", link=link, at=node.now)
    assert said.title.startswith("后续无人值班：primary")
    assert "16:00（Asia/Shanghai）" in said.text
    assert said.payload["person"] == "li"
