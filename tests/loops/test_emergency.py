"""When nothing can be stored: who is told, how often, when it is over; and a clock that was set is noticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opswatch.channels import Message, Receipt
from opswatch.core.changes import Changes, State
from opswatch.core.effects import Effect
from opswatch.core.engine import Engine
from opswatch.core.events import Acknowledge, Observed, Pause
from opswatch.core.model import Failure, Secret, Verdict
from opswatch.desk import Desk
from opswatch.emergency import AGAIN, Emergency
from opswatch.errors import DeliveryError, StoreUnavailable
from opswatch.links import Links
from opswatch.loops.jumps import Jumps
from opswatch.stores import Store, open_store
from tests.story import two_levels

START = datetime(2026, 11, 16, 2, tzinfo=UTC)


class Failing:
    """A real store that somebody can take away: `away` fails everything, `full` only what must be written."""

    def __init__(self, store: Store) -> None:
        self._store, self.state = store, ""

    def load(self, state: State) -> bool:
        self._fail("lost")
        return self._store.load(state)

    def commit(self, changes: Changes, effects: Sequence[Effect], now: datetime) -> None:
        self._fail("lost", "full")
        self._store.commit(changes, effects, now)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _fail(self, *states: str) -> None:
        if self.state in states:
            raise StoreUnavailable(f"the test took it away: {self.state}", state=self.state)


class Ways:
    """Where messages go straight to."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Message]] = []
        self.broken: set[str] = set()

    def send_to_person(self, person: str, contact: str, message: Message) -> Receipt:
        if contact in self.broken:
            raise DeliveryError("no such number", permanent=True)
        self.sent.append((person, contact, message))
        return Receipt()

    def send_to_channel(self, name: str, message: Message) -> Receipt:
        self.sent.append((name, "channel", message))
        return Receipt()

    def told(self) -> list[str]:
        return [person for person, _, _ in self.sent]


class Night:
    def __init__(self, store: Store) -> None:
        self.now = START
        self.store = Failing(store)
        self.desk = Desk(self.store, Engine(two_levels()), lambda: self.now)  # type: ignore[arg-type]
        self.ways = Ways()
        links = Links("https://ops.example.org", Secret("k"))
        self.emergency = Emergency(self.desk, self.ways, links, "ops-1")  # type: ignore[arg-type]
        self.desk.on_unstored = lambda decision, why: self.emergency.unstored(decision, why, self.now)
        self.desk.refresh()

    def fails(self, target: str = "db-1") -> None:
        verdict = Verdict(self.now, "no answer", failures=(Failure("no answer"),))
        self.desk.apply(Observed("db", target, verdict))

    def passes(self, **span: float) -> None:
        """With the daemon's pulse: a small write, and a look at whether somebody is to be told."""
        self.now += timedelta(**span)
        if self.store.state == "lost":
            self.emergency.lost(StoreUnavailable("gone", state="lost"), self.now)
        else:
            self.emergency.works(self.now)
        self.emergency.look(self.now)
        if self.emergency._sending is not None:
            self.emergency._sending.join(10)


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    store = open_store(f"sqlite:{tmp_path / 'opswatch.db'}")
    store.migrate()
    yield Night(store)
    store.close()


def try_in_vain(work: Callable[[], object]) -> None:
    with pytest.raises(StoreUnavailable):
        work()


def test_a_short_absence_wakes_nobody(night: Night):
    night.store.state = "lost"
    night.passes(seconds=1)
    assert night.emergency.problem is not None
    night.passes(seconds=10)
    night.store.state = ""
    night.passes(seconds=3)
    assert night.emergency.problem is None
    assert night.ways.sent == []


def test_a_long_one_is_told_to_the_last_resort_every_ten_minutes_and_at_its_end(night: Night):
    night.store.state = "lost"
    for _ in range(40):
        night.passes(seconds=1)
    assert len(night.ways.sent) == len(set(night.ways.told())) > 0
    first = list(night.ways.told())
    for _ in range(20):
        night.passes(seconds=AGAIN.total_seconds() / 20)
    assert night.ways.told() == first * 2
    night.store.state = ""
    night.passes(seconds=3)
    assert night.ways.told() == first * 3
    assert night.ways.sent[-1][2].payload["status"] == "resolved"
    night.passes(minutes=30)
    assert night.ways.told() == first * 3


def test_who_would_have_been_paged_hears_of_it_at_once_and_what_it_is(night: Night):
    night.store.state = "full"
    try_in_vain(night.fails)
    night.passes(seconds=1)
    assert night.ways.sent == []
    night.passes(seconds=2)
    person, _, message = night.ways.sent[0]
    assert person == "ana"
    assert message.payload["kind"] == "emergency"
    assert "the store is full" in message.title
    assert message.payload["untold"]
    assert "no answer" in message.text or "db" in message.text


def test_what_could_not_be_stored_is_decided_once_when_it_can(night: Night):
    night.store.state = "full"
    for _ in range(3):
        try_in_vain(night.fails)
        night.passes(seconds=1)
    assert night.emergency.problem is not None, "a small write succeeds on a full disk: it is not over"
    night.store.state = ""
    night.fails()
    night.passes(seconds=3)
    assert night.emergency.problem is None
    assert [row.id for row in night.store.messages() if row.kind == "page"] == ["1/1/1/1/ana/1"]
    kinds = [one.entry.kind for one in night.store.timeline()]
    assert kinds[0] == "store_returned"
    assert kinds.count("triggered") == 1


def test_looks_are_counted_while_it_is_away_and_people_are_not_answered(night: Night):
    night.store.state = "lost"
    night.now += timedelta(seconds=1)
    night.desk.apply(Observed("db", "db-1", Verdict(night.now, "answers")))
    with night.desk.looking() as (state, _):
        assert state.watches["db/db-1"].seen_at == night.now
    try_in_vain(lambda: night.desk.answer(Acknowledge(1, by="ana")))


def test_the_next_contact_is_tried_when_one_fails(night: Night):
    people = night.desk.engine.plan.people
    night.ways.broken = {next(iter(people["ana"].contacts))}
    night.store.state = "full"
    try_in_vain(night.fails)
    night.passes(seconds=5)
    tried = [contact for person, contact, _ in night.ways.sent if person == "ana"]
    assert tried == list(people["ana"].contacts)[1:2]


def test_a_pause_is_heeded(night: Night):
    night.desk.answer(Pause(until=START + timedelta(hours=2), by="ana"))
    night.store.state = "full"
    try_in_vain(night.fails)
    night.passes(minutes=2)
    assert night.ways.sent == []


def test_a_clock_that_was_set_is_noticed_and_a_slow_turn_is_not():
    jumps = Jumps()
    assert jumps.look(START, 100.0) is None
    assert jumps.look(START + timedelta(seconds=30), 130.0) is None, "a slow turn"
    assert jumps.look(START + timedelta(seconds=3_632), 132.0) == timedelta(hours=1)
    later = START + timedelta(seconds=3_634)
    assert "jumped 1h forward" in (jumps.said(later) or "")
    assert jumps.look(START + timedelta(seconds=36), 136.0) == -timedelta(seconds=3_600)
    assert "back" in (jumps.said(START + timedelta(seconds=40)) or "")
    assert jumps.said(START + timedelta(hours=3)) is None


def test_the_words_are_there_in_both_languages():
    from opswatch.render.words import lookup

    keys = ("full", "lost", "locked", "read_only", "damaged", "title", "since", "reason", "untold", "more", "again")
    for key in (*keys, "over_title", "over", "over_next"):
        words = [lookup(language, f"emergency.{key}") for language in ("en", "zh")]
        assert all(words) and words[0] != words[1], key
