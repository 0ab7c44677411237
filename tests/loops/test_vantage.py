"""Own sight, on real sockets: anchors that answer, refuse, or say nothing at all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opswatch.clock import now
from opswatch.core.engine import Engine
from opswatch.core.events import NodeStarted, Observed
from opswatch.core.model import Failure, Health, Sample, UnknownReason, Verdict
from opswatch.core.plan import Plan, Vantage
from opswatch.desk import Desk
from opswatch.loops import vantage
from opswatch.stores import Store
from tests.story import two_levels

START = datetime(2026, 11, 16, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_no_need_of_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vantage, "NAP", timedelta(0))


@pytest.fixture
def gateway() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def anchor(listening: socket.socket) -> str:
    return f"tcp://127.0.0.1:{listening.getsockname()[1]}"


def seen_from_here(*anchors: str) -> Plan:
    base = two_levels()
    targets = {name: replace(one, is_remote=True) for name, one in base.targets.items()}
    return replace(base, targets=targets, vantage=Vantage(anchors, failing=2))


class Node:
    """A desk, and the loop that asks."""

    def __init__(self, store: Store, *anchors: str) -> None:
        self.now = START
        self.store = store
        self.desk = Desk(store, Engine(seen_from_here(*anchors)), lambda: self.now)
        self.desk.apply(NodeStarted("here"))
        self.loop = vantage.Vantage(self.desk, lambda: self.now)
        self.loop.stopping.set()  # It naps for nobody.

    def all_fail(self) -> None:
        for name in ("db-1", "db-2"):
            self.now += timedelta(milliseconds=1)
            failed = Verdict(self.now, f"{name} is down", failures=(Failure(f"{name} is down"),))
            self.desk.apply(Observed("db", name, failed))

    def pages(self) -> int:
        return sum(row.kind == "page" for row in self.store.messages())

    def healths(self) -> set[tuple[Health, UnknownReason | None]]:
        with self.desk.looking() as (state, _):
            return {(alert.health, alert.reason) for alert in state.alerts.values()}


def test_one_anchor_that_answers_is_enough(store: Store, gateway: socket.socket):
    node = Node(store, "tcp://127.0.0.1:1", anchor(gateway))
    node.all_fail()
    node.all_fail()
    told = node.pages()
    node.loop.turn()
    assert node.pages() == 1 >= told
    assert node.healths() == {(Health.CRIT, None)}


def test_when_none_answers_one_page_says_so_until_one_does(store: Store):
    with socket.socket() as closed:  # Bound and not listening: nothing answers, and nobody else gets its port.
        closed.bind(("127.0.0.1", 0))
        node = Node(store, anchor(closed))
        node.all_fail()
        node.all_fail()
        node.loop.turn()
        node.all_fail()
        assert node.healths() == {(Health.UNKNOWN, UnknownReason.VANTAGE)}
        with node.desk.looking() as (state, _):
            titles = [one.title for one in state.incidents.values() if one.alerts == ()]
        assert "opswatch on here cannot see: none of its anchors answers" in titles
        node.loop.turn()
        assert node.loop.blind_since == START + timedelta(milliseconds=4)
        closed.listen()
        node.loop.turn()
    node.all_fail()
    node.loop.turn()
    assert node.loop.blind_since is None
    assert node.healths() == {(Health.CRIT, None)}


def test_an_anchor_that_says_nothing_is_waited_for_no_longer_than_it_takes(store: Store, monkeypatch):
    monkeypatch.setattr(vantage, "ANSWER_WITHIN_S", 0.05)
    let_go, asked = threading.Event(), []

    def hangs(which: str, now: datetime) -> Verdict:
        asked.append(which)
        let_go.wait(20)
        return Verdict(now, "at last")

    node = Node(store, "ping://192.0.2.1")
    loop = vantage.Vantage(node.desk, lambda: node.now, hangs)
    with node.desk.looking() as (_, engine):
        plan = engine.plan
    assert loop.asked(plan).silent == ("ping://192.0.2.1",)
    assert loop.asked(plan).silent == ("ping://192.0.2.1",)
    let_go.set()
    assert asked == ["ping://192.0.2.1"], "it hangs still: it is not asked a second time"


def test_nothing_is_asked_while_nothing_is_wanted(store: Store, gateway: socket.socket):
    node = Node(store, anchor(gateway))
    node.loop.turn()
    gateway.settimeout(0.0)
    with pytest.raises(BlockingIOError):
        gateway.accept()


@pytest.mark.parametrize("name", ["tcp://127.0.0.1:1", "nonsense://x", "https://127.0.0.1:1/"])
def test_what_cannot_be_asked_is_silent(name: str):
    assert not vantage.answers(vantage.look_at(name, now()))


def test_any_answer_is_an_answer():
    page = Verdict(START, "503", samples=(Sample("first_byte_s", 0.1),), failures=(Failure("503"),))
    assert vantage.answers(page)
    assert not vantage.answers(Verdict(START, "no route", failures=(Failure("no route"),)))
