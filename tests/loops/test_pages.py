"""Promises become deliveries: retried, rerouted, withdrawn in time, and written down whatever the vendor says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from opswatch.channels import Message, Receipt
from opswatch.core.engine import Engine
from opswatch.core.events import Acknowledge, MessageSent, Observed, Tick
from opswatch.core.model import Failure, Role, Verdict
from opswatch.desk import Desk
from opswatch.errors import DeliveryError
from opswatch.loops.pages import Pages
from opswatch.outgoing import NotWanted, Outgoing
from opswatch.stores import Promise, Store, open_store
from tests.story import person, two_levels

START = datetime(2026, 11, 16, 2, tzinfo=UTC)
PATIENCE_S = 20
Answer = Callable[[Promise], Receipt]


class Post:
    """A real store, desk and pages loop; the vendor is a function of the promise."""

    def __init__(self, store: Store, answer: Answer) -> None:
        self.now = START
        self.store, self._answer = store, answer
        people = (person("ana", "slack", "phone"), person("bo"), person("lead", role=Role.ADMIN))
        self.desk = Desk(store, Engine(two_levels(people=people)), lambda: self.now)
        self.carried: list[tuple[str, int, bool]] = []
        self.pages = Pages(self.desk, store, self._compose, "here", lambda: self.now)

    def _compose(self, promise: Promise, now: datetime) -> Outgoing:
        def carry(message: Message) -> Receipt:
            self.carried.append((promise.id, promise.attempt, promise.possible_duplicate))
            return self._answer(promise)

        return Outgoing(Message(promise.id, promise.kind, "", "", now), carry)

    def fails(self) -> None:
        self.now += timedelta(milliseconds=1)
        self.desk.apply(Observed("db", "db-1", Verdict(self.now, "no answer", failures=(Failure("no answer"),))))

    def kinds(self) -> list[str]:
        return [stored.entry.kind for stored in self.store.timeline()]

    def until(self, is_so: Callable[[], bool]) -> None:
        tick = threading.Event()
        for _ in range(PATIENCE_S * 50):
            if is_so():
                return
            tick.wait(0.02)
        raise AssertionError(f"it never came true; carried {self.carried}, timeline {self.kinds()}")


@pytest.fixture
def post(tmp_path) -> Iterator[Callable[[Answer], Post]]:
    made: list[Post] = []

    def start(answer: Answer) -> Post:
        store = open_store(f"sqlite:{tmp_path}/opswatch.db")
        store.migrate()
        made.append(Post(store, answer))
        made[-1].pages.start()
        return made[-1]

    yield start
    for one in made:
        one.pages.stop()
        assert one.pages.join(10)
        one.store.close()


def test_a_delivered_page_is_settled_and_says_how_long_it_took(post):
    office = post(lambda promise: Receipt(ref="D1:1"))
    office.fails()
    office.until(lambda: "page_delivered" in office.kinds())
    row = office.store.message("1/1/1/1/ana/1")
    assert (row.outcome, row.attempts) == ("delivered", 1)
    delivered = office.store.timeline(kinds=["page_delivered"])[0].entry
    assert delivered.facts["took_s"] >= 0
    assert office.store.incident_of_card("D1:1") == 1


def test_a_temporary_error_is_tried_again_under_the_same_id(post):
    def busy_once(promise: Promise) -> Receipt:
        if promise.attempt == 1:
            raise DeliveryError("ratelimited", retry_after_s=30)
        return Receipt()

    office = post(busy_once)
    office.fails()
    office.until(lambda: "page_failed" in office.kinds())
    assert office.store.message("1/1/1/1/ana/1").due_at == office.now + timedelta(seconds=30)
    office.now += timedelta(seconds=31)
    office.desk.nudge()
    office.until(lambda: "page_delivered" in office.kinds())
    assert office.carried == [("1/1/1/1/ana/1", 1, False), ("1/1/1/1/ana/1", 2, False)]


def test_a_way_that_is_closed_falls_to_the_next_contact_at_once_and_says_so(post):
    def no_slack(promise: Promise) -> Receipt:
        if promise.body.contact == "slack":
            raise DeliveryError("user_not_found", permanent=True)
        return Receipt()

    office = post(no_slack)
    office.fails()
    office.until(lambda: "page_delivered" in office.kinds())
    assert [sent[0] for sent in office.carried] == ["1/1/1/1/ana/1", "1/1/1/1/ana/1.1"]
    failed = office.store.timeline(kinds=["page_failed"])[0].entry
    assert (failed.facts["reason"], failed.facts["permanent"]) == ("user_not_found", True)


def test_when_every_way_fails_for_good_the_next_level_is_entered(post):
    def only_bo(promise: Promise) -> Receipt:
        if promise.body.person != "bo":
            raise DeliveryError("gone", permanent=True)
        return Receipt()

    office = post(only_bo)
    office.fails()
    office.until(lambda: "page_delivered" in office.kinds())
    assert [sent[0] for sent in office.carried][-1] == "1/1/1/2/bo/1"


def test_a_temporary_error_does_not_last_for_ever(post):
    def never(promise: Promise) -> Receipt:
        if promise.body.contact == "slack":
            raise DeliveryError("timeout")
        return Receipt()

    office = post(never)
    office.fails()

    def has_arrived() -> bool:
        office.now += timedelta(seconds=61)
        office.desk.nudge()
        return "page_delivered" in office.kinds()

    office.until(has_arrived)
    assert office.carried[-1][0] == "1/1/1/1/ana/1.1"
    assert max(attempt for _, attempt, _ in office.carried) == 6


def test_a_page_that_was_acknowledged_meanwhile_is_not_sent(post):
    entered, go_on = threading.Semaphore(0), threading.Event()

    def slow_vendor(promise: Promise) -> Receipt:
        entered.release()
        go_on.wait(PATIENCE_S)
        return Receipt()

    office = post(slow_vendor)
    office.fails()
    assert entered.acquire(timeout=PATIENCE_S)
    office.desk.apply(Acknowledge(1, by="bo"))
    go_on.set()
    office.until(lambda: office.store.next_due() is None)
    assert [sent[0] for sent in office.carried if not sent[0].startswith("update/")] == ["1/1/1/1/ana/1"]


def test_a_slow_vendor_holds_up_only_its_own_sender(post):
    go_on = threading.Event()

    def slack_hangs(promise: Promise) -> Receipt:
        if promise.body.contact == "slack":
            go_on.wait(PATIENCE_S)
        return Receipt()

    office = post(slack_hangs)
    office.fails()
    office.until(lambda: bool(office.carried))
    office.now += timedelta(minutes=5)
    office.desk.apply(Tick())
    office.until(lambda: office.store.message("1/1/1/2/bo/1") is not None)
    office.until(lambda: office.store.message("1/1/1/2/bo/1").outcome == "delivered")
    go_on.set()


def test_what_nobody_wants_any_more_is_put_aside(post):
    def lapsed(promise: Promise) -> Receipt:
        raise NotWanted("there is no incident 1")

    office = post(lapsed)
    office.fails()
    office.until(lambda: office.store.message("1/1/1/1/ana/1").outcome == "failed")


def test_a_channel_with_a_mistake_is_a_way_that_does_not_work_now(post):
    def broken(promise: Promise) -> Receipt:
        raise KeyError("ts")

    office = post(broken)
    office.fails()
    office.until(lambda: "page_failed" in office.kinds())
    failed = office.store.timeline(kinds=["page_failed"])[0].entry
    assert (failed.facts["reason"], failed.facts["permanent"]) == ("KeyError: 'ts'", False)


def test_a_receipt_that_nobody_can_take_in_holds_up_no_other(post):
    office = post(lambda promise: Receipt())
    whole = office.desk.apply_many

    def stumbles(events):
        if any(isinstance(event, MessageSent) and event.person == "ana" for event in events):
            raise ZeroDivisionError("a mistake of ours")
        return whole(events)

    office.desk.apply_many = stumbles
    office.fails()
    office.until(lambda: "1/1/1/1/ana/1" in [carried[0] for carried in office.carried])
    office.now += timedelta(minutes=5)
    office.desk.apply(Tick())
    office.until(lambda: "page_delivered" in office.kinds())
    assert office.store.timeline(kinds=["page_delivered"])[0].entry.facts["person"] == "bo"
    office.now += timedelta(minutes=2)  # The lease has run out: it rings no second time.
    assert office.store.message("1/1/1/1/ana/1").outcome == "delivered"
    assert "ZeroDivisionError" in office.store.timeline(kinds=["receipt_lost"])[0].entry.facts["reason"]
