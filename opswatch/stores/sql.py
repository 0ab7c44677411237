"""The store, once for both databases: state behind the head, the timeline, the promised messages."""

from __future__ import annotations

import threading
import uuid
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from opswatch.core.changes import Changes, State
from opswatch.core.effects import Effect, Entry, Record, Taken
from opswatch.core.inspection import Report
from opswatch.core.model import Verdict
from opswatch.core.norms import Hour
from opswatch.core.state import Incident, Paper, Risk, Silence
from opswatch.errors import Conflict, StoreUnavailable
from opswatch.stores import MessageRow, Promise, Stored, inbox, inspections, migrate, outbox, retention, rollups, rows
from opswatch.stores.codec import decode, decode_facts, encode_facts, from_column, from_us, to_column, to_us
from opswatch.stores.database import Database, Row, Session
from opswatch.stores.inbox import Batch, Waiting
from opswatch.stores.inspections import RunRow
from opswatch.stores.samples import KEPT, Point, Samples

T = TypeVar("T")

NEVER = -1  # nothing loaded yet
TRIES_MAX = 5  # for what is beside the head, when the database prefers another transaction
BESIDE_PER_BATCH = 200  # a few milliseconds each: the head is held meanwhile
POSTINGS_PER_BATCH = 500
HANDOUT_PAGE = 1_000
BEGINNING, END = -(2**63), 2**63 - 1


class SqlStore:
    """One per process, safe for its threads. `load` and `commit` belong to one owner, which has one State (the desk);
    everything else may be called by anybody at any time."""

    def __init__(self, database: Database, samples: Samples, *, dialect: str, samples_database: Database) -> None:
        self._database, self._samples = database, samples
        self._dialect, self._samples_database = dialect, samples_database
        self._rollups = rollups.Rollups(samples_database)
        self._retention = retention.Retention(database, self._write)
        self._writer = uuid.uuid4().hex
        self._owner = threading.RLock()
        self._seen = NEVER
        self._state: Callable[[], State | None] = lambda: None
        self._held = threading.local()

    def migrate(self) -> list[str]:
        """Bring the schema up to date; the names of the migrations applied. Safe when several nodes start at once."""
        return [
            *migrate.migrate(self._database, self._dialect),
            *migrate.migrate(self._samples_database, self._dialect, samples=True),
        ]

    def missing_migrations(self) -> list[str]:
        """Those this release has and the database has not."""
        return [
            *migrate.missing(self._database, self._dialect),
            *migrate.missing(self._samples_database, self._dialect, samples=True),
        ]

    # -----------------------------------------------------------------------------------------------------------------
    # The head

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Load, decide and commit while holding the head: others queue. For who lost the swap twice in a row.

        One transaction: it is durable when the block ends, and only then may the changes be taken over.
        """
        with self._owner:
            seen = self._seen
            try:
                with self._database.writing() as session:
                    session.run("head_touch")
                    self._held.session = session
                    try:
                        yield
                    finally:
                        self._held.session = None
            except BaseException:
                self._seen = min(seen, self._seen)  # What was decided in it is not so: read it again.
                raise

    def load(self, state: State) -> bool:
        """Bring `state` up to the head, reading only what changed since it was last loaded. False: it was current."""
        with self._owner:
            if self._state() is not state:
                self._seen = NEVER
            if not self.changed():
                return False
            with self._reading() as session:
                head = session.rows("head")[0]
                changes = rows.read(session, head, self._seen, self._writer, state)
            state.apply(changes)
            self._seen, self._state = head["version"], weakref.ref(state)
            return True

    def load_postings(self, state: State) -> None:
        """Take over what sources said to other nodes since: it is saved beside the head, which need not have moved."""
        with self._owner, self._asking() as session:
            state.apply(Changes(postings=rows.postings(session, self._seen, self._writer, state)))

    def commit(self, changes: Changes, effects: Sequence[Effect], now: datetime) -> None:
        """One transaction: advance the head (compare-and-swap against what was loaded), save what changed, append the
        entries, queue the promised messages, settle what is settled. Raises Conflict when another node was first."""
        entries = [effect.entry for effect in effects if isinstance(effect, Record)]
        taken = [effect.batch for effect in effects if isinstance(effect, Taken)]
        is_empty = not (entries or changes.behind_head or changes.watches)
        if is_empty and not taken and not any(map(outbox.is_kept, effects)):
            return
        with self._owner:
            assert self._seen != NEVER, "commit without load: what was it decided on?"
            with self._writing() as session:
                position = self._swap(session, changes, len(entries))
                rows.write(session, changes, self._seen + 1, self._writer, now)
                _append(session, entries, position)
                outbox.keep(session, effects, now)
                for batch in taken:
                    inbox.take(session, batch)
                session.ring()
            self._seen += 1

    def changed(self) -> bool:
        """Whether somebody else committed since the last load: cheap, for polling every 50 ms."""
        with self._asking() as session:
            return bool(session.rows("head_version")[0]["version"] != self._seen)

    def wait_for_change(self, timeout_s: float) -> bool:
        """Until somebody else has committed (True) or the time is up. On PostgreSQL a commit wakes us; SQLite is asked
        every 50 ms. For a thread of its own."""
        return self._database.wait(timeout_s, self.changed)

    def save_beside(self, changes: Changes) -> None:
        """What checks and sources remember, beside the head, None for what is gone: in short batches."""
        for batch in _in_batches(changes):
            self._write(partial(self._save_beside, batch))

    # -----------------------------------------------------------------------------------------------------------------
    # The inbox

    def accept(self, batches: Sequence[Batch], node: str | None = None, lease_until: datetime | None = None) -> None:
        """Alerts of others: they have our word once this returns. One transaction for all of them. With a `node` they
        are claimed at once: it has them in memory."""
        self._write(lambda session: inbox.put(session, batches, node, lease_until))

    def next_batches(self, node: str, now: datetime, lease: timedelta, limit: int) -> list[Batch]:
        """The oldest batches that no node decides, in the order they came; this node's until the lease runs out."""
        with self._asking() as session:
            if not session.rows("inbox_any", now=to_us(now)):
                return []
        return self._write(lambda session: inbox.claim(session, node, now, lease, limit))

    def forget_batches(self, batches: Sequence[str]) -> None:
        """Decided, and nothing followed from it."""
        self._write(lambda session: inbox.forget(session, batches))

    def release_batches(self, node: str, now: datetime) -> int:
        """For a node that comes up: what it had claimed before it died is to be decided at once."""
        return self._write(lambda session: inbox.release(session, node, now))

    def waiting(self) -> Waiting:
        """What is accepted and not decided yet."""
        with self._asking() as session:
            return inbox.waiting(session)

    # -----------------------------------------------------------------------------------------------------------------
    # Promised messages

    def claim(self, node: str, now: datetime, lease: timedelta, limit: int) -> list[Promise]:
        """Take messages that are due: each by exactly one node. Pages before updates before announcements."""
        with self._asking() as session:
            if not session.rows("message_is_due", now=to_us(now)):
                return []
        return self._write(lambda session: outbox.claim(session, node, now, lease, limit))

    def release(self, node: str, now: datetime) -> int:
        """What `node` had claimed before it died is due again at once, marked as possibly sent; how many. For a node
        that comes up: nobody else has its name."""
        return self._write(lambda session: session.run("message_release", node=to_column(node), now=to_us(now)))

    def still_wanted(self, message: str, now: datetime, attempt: int = 0) -> bool:
        """Whether a claimed message was not overtaken meanwhile, and the claim still holds (the `attempt`-th, where it
        is named): asked just before it is sent."""
        with self._asking() as session:
            return bool(session.rows("message_wanted", id=to_column(message), now=to_us(now), attempt=attempt))

    def next_due(self) -> datetime | None:
        """When the next message may be claimed; claimed ones when their lease runs out."""
        with self._asking() as session:
            due = session.rows("messages_next")[0]["due_at"]
        return None if due is None else from_us(due)

    def messages(self, incident: int | None = None, limit: int = 200) -> list[MessageRow]:
        """The newest promises, of one incident or of all."""
        with self._asking() as session:
            if incident is None:
                found = session.rows("messages_newest", limit=limit)
            else:
                found = session.rows("messages_of_incident", incident=incident, limit=limit)
        return [outbox.message_row(row) for row in found]

    def pending(self) -> int:
        """How many promised messages are neither delivered nor given up."""
        with self._asking() as session:
            return int(session.rows("messages_pending")[0]["pending"])

    def message(self, message: str) -> MessageRow | None:
        """One promise, by its id."""
        with self._asking() as session:
            found = session.rows("message", id=to_column(message))
        return outbox.message_row(found[0]) if found else None

    def incident_of_card(self, ref: str) -> int | None:
        """The incident whose card a channel posted as `ref`."""
        with self._asking() as session:
            found = session.rows("card_of", ref=to_column(ref))
        return int(found[0]["id"]) if found else None

    # -----------------------------------------------------------------------------------------------------------------
    # Questions

    def timeline(
        self,
        *,
        incident: int | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        kinds: Iterable[str] | None = None,
        after: int = 0,
        limit: int = 10_000,
    ) -> list[Stored]:
        """Entries in order of position: of one incident, in `[start, end)`, of these kinds, behind position `after`."""
        wanted: dict[str, object] = {
            "kinds": "" if kinds is None else f"|{'|'.join(kinds)}|",
            "after": after,
            "limit": limit,
            "start": BEGINNING if start is None else to_us(start),
            "end": END if end is None else to_us(end),
        }
        query = "timeline_after" if start is None and end is None else "timeline_between"
        if incident is not None:
            query, wanted["incident"] = "timeline_of_incident", incident
        with self._asking() as session:
            return [_stored(row) for row in session.rows(query, **wanted)]

    def incident(self, number: int) -> Incident | None:
        """Any incident, resolved and forgotten ones too."""
        with self._asking() as session:
            found = session.rows("incident", id=number)
        return decode(Incident, found[0]["document"]) if found else None

    def incidents(self, *, include_resolved: bool = False, limit: int = 500) -> list[Incident]:
        """The newest first: what is not resolved, or everything there ever was."""
        with self._asking() as session:
            found = session.rows("incidents_newest" if include_resolved else "incidents_open", limit=limit)
        return [decode(Incident, row["document"]) for row in found]

    def each_incident(self, end: datetime) -> Iterator[Incident]:
        """Every one that was opened before `end`, oldest first, read a page at a time."""
        after = 0
        while True:
            with self._asking() as session:
                found = session.rows("incidents_between", after=after, end=to_us(end), limit=HANDOUT_PAGE)
            yield from (decode(Incident, row["document"]) for row in found)
            if len(found) < HANDOUT_PAGE:
                return
            after = found[-1]["id"]

    def each_message(self, start: datetime, end: datetime) -> Iterator[MessageRow]:
        """Every message promised in `[start, end)`, oldest first, read a page at a time; without its words."""
        after_at, after = to_us(start) - 1, ""
        while True:
            place = {"start": to_us(start), "end": to_us(end), "after_at": after_at, "after": after}
            with self._asking() as session:
                found = session.rows("messages_between", limit=HANDOUT_PAGE, **place)
            yield from map(outbox.message_row, found)
            if len(found) < HANDOUT_PAGE:
                return
            after_at, after = found[-1]["promised_at"], found[-1]["id"]

    def risks(self, limit: int = 500) -> list[Risk]:
        """The newest entries of the ledger, closed ones too."""
        with self._asking() as session:
            return [decode(Risk, row["document"]) for row in session.rows("risks_newest", limit=limit)]

    def ended_silences(self, since: datetime, limit: int = 2_000) -> list[tuple[Silence, datetime]]:
        """Those that have ended since, as they were, and when that was, the last one first."""
        with self._asking() as session:
            rows = session.rows("silences_ended", since=to_us(since), limit=limit)
        return [(decode(Silence, row["document"]), from_us(row["left_at"])) for row in rows]

    def papers(self, limit: int = 500) -> list[Paper]:
        """The newest post-mortems and short reviews, published ones too."""
        with self._asking() as session:
            return [decode(Paper, row["document"]) for row in session.rows("papers_newest", limit=limit)]

    # -----------------------------------------------------------------------------------------------------------------
    # Inspections

    def keep_inspection(self, report: Report, told_at: datetime | None) -> bool:
        """Write a report down, once; see `stores/inspections.py`. False: a run of this name is kept already."""
        return self._write(lambda session: inspections.keep(session, report, told_at))

    def inspection(self, run: str) -> Report | None:
        with self._asking() as session:
            return inspections.one(session, run)

    def last_inspection(self, inspection: str, before: datetime, *, told: bool = False) -> Report | None:
        with self._asking() as session:
            return inspections.last(session, inspection, before, told=told)

    def last_due(self, inspection: str) -> datetime | None:
        with self._asking() as session:
            return inspections.last_due(session, inspection)

    def inspections(self, inspection: str | None = None, limit: int = 50) -> list[RunRow]:
        with self._asking() as session:
            return inspections.newest(session, inspection, limit)

    # -----------------------------------------------------------------------------------------------------------------
    # Nodes

    def beat(self, node: str, now: datetime, facts: Mapping[str, object]) -> None:
        """Say that this node lives."""
        document = encode_facts(facts)
        self._write(lambda session: session.run("node_beat", id=to_column(node), now=to_us(now), facts=document))

    def nodes(self) -> dict[str, tuple[datetime, Mapping[str, object]]]:
        """Last sign of life of each node."""
        with self._asking() as session:
            found = session.rows("nodes")
        return {from_column(row["id"]): (from_us(row["seen_at"]), decode_facts(row["facts"])) for row in found}

    def lease(self, name: str, node: str, now: datetime, span: timedelta) -> bool:
        """Take or keep a named lease (the records lease, one run of a scheduled job). False: another node has it."""
        taken = self._write(
            lambda session: session.rows(
                "lease_take", id=to_column(name), node=to_column(node), now=to_us(now), held_until=to_us(now + span)
            )
        )
        return bool(taken)

    # -----------------------------------------------------------------------------------------------------------------
    # Samples and upkeep

    def record_samples(self, rows: Sequence[tuple[str, str, Verdict]]) -> None:
        """(check, target, verdict): history of values, beside the head."""
        self._samples.record(rows)

    def samples(self, check: str, target: str, start: datetime, end: datetime, limit: int = 10_000) -> list[Point]:
        """Values seen in `[start, end)`, oldest first; `took_s` of each look is one of them."""
        return self._samples.of_check(check, target, start, end, limit)

    def roll_up(self, now: datetime, kept: timedelta = rollups.KEPT) -> bool:
        """Roll up the hours of values that are over, a bounded number of series at a time; whether all is done."""
        return self._rollups.roll_up(now, kept)

    def rolled_up(self) -> datetime | None:
        """Every hour before it is rolled up for good; None: none is."""
        return self._rollups.until()

    def hours(
        self,
        check: str,
        target: str,
        start: datetime,
        end: datetime,
        name: str | None = None,
        item: str | None = None,
    ) -> list[Hour]:
        """Rolled-up hours that begin in `[start, end)`, oldest first: of every sample and item, or of those named."""
        return self._rollups.hours(check, target, start, end, name, item)

    def values(
        self, check: str, target: str, name: str, item: str, start: datetime, end: datetime, limit: int = 20_000
    ) -> list[Point]:
        """Values of one sample of one item in `[start, end)`, oldest first; the newest where there are too many."""
        return self._samples.of_series(check, target, name, item, start, end, limit)

    def measured(self, check: str, target: str) -> list[tuple[str, str, str]]:
        """(item, sample, unit) of everything the check has measured there that is still kept."""
        return self._samples.series(check, target)

    def days_with_values(self, check: str, target: str, start: datetime, end: datetime) -> dict[tuple[str, str], int]:
        """(item, sample) → on how many days (of UTC) in `[start, end)` it has rolled-up values."""
        return self._rollups.days(check, target, start, end)

    def prune(
        self,
        now: datetime,
        *,
        samples: timedelta = KEPT,
        evidence: timedelta = retention.EVIDENCE_KEPT,
        timeline: timedelta = retention.TIMELINE_KEPT,
    ) -> int:
        """Forget what has been over for long, a bounded number at a time, and give what was freed back to the disk; how
        many rows went. Values that are not yet rolled up stay."""
        gone = self._retention.prune(now, retention.Kept(evidence, timeline))
        gone += self._samples.prune(now, samples, self._rollups.until())
        for database in (self._database, self._samples_database):
            database.give_back()
        return gone

    def sizes(self) -> dict[str, int]:
        """Bytes on disk, by what they are for: `state`, `samples`, `log`; `free` for those of them that wait to be used
        again; `room` is left on the disk, where that is known."""
        from opswatch.stores.sizes import sizes_of  # Late: it looks into an empty store to learn what there is.

        return sizes_of(self._database, self._samples_database)

    def check_integrity(self) -> list[str]:
        """Problems found, empty when sound. Reads everything: not for every minute."""
        problems = self._database.check_integrity() + self._samples_database.check_integrity()
        if problems:
            return problems  # Pages are torn: what could be read of the rest would not mean anything.
        with self._reading() as session:
            head, shape = session.rows("head")[0], session.rows("timeline_shape")[0]
        if shape["last"] != head["position"]:
            problems.append(f"timeline: ends at {shape['last']}, but the head is at {head['position']}")
        if shape["entries"] != (shape["last"] - shape["first"] + 1 if shape["entries"] else 0):
            problems.append(f"timeline: {shape['entries']} entries from {shape['first']} to {shape['last']}: not dense")
        return problems + [f"migration {name} is missing" for name in self.missing_migrations()]

    def close(self) -> None:
        self._samples.close()
        self._database.close()

    # -----------------------------------------------------------------------------------------------------------------

    def _swap(self, session: Session, changes: Changes, entries: int) -> int:
        standing = rows.standing(changes)
        moved = session.rows("head_swap", seen=self._seen, entries=entries, standing=standing)
        if not moved:
            raise Conflict(f"{self._database.place}: the head has moved on from {self._seen}")
        return int(moved[0]["position"]) - entries

    def _save_beside(self, batch: Changes, session: Session) -> None:
        """Holding the head, so that no node can load past the version these rows carry before it can see them."""
        session.run("head_touch")
        version = session.rows("head_version")[0]["version"] + 1
        rows.write_beside(session, batch, version, self._writer)

    @contextmanager
    def _asking(self) -> Iterator[Session]:
        if (held := self._in_turn()) is not None:
            yield held
            return
        with self._database.asking() as session:
            yield session

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        if (held := self._in_turn()) is not None:
            yield held
            return
        with self._database.reading() as session:
            yield session

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        if (held := self._in_turn()) is not None:
            yield held
            return
        with self._database.writing() as session:
            yield session

    def _in_turn(self) -> Session | None:
        held: Session | None = getattr(self._held, "session", None)
        return held

    def _write(self, work: Callable[[Session], T]) -> T:
        for _ in range(TRIES_MAX):
            try:
                with self._writing() as session:
                    return work(session)
            except Conflict:
                if self._in_turn() is not None:
                    raise
        raise StoreUnavailable(f"{self._database.place}: lost against other transactions {TRIES_MAX} times; try again")


def _append(session: Session, entries: Sequence[Entry], position: int) -> None:
    session.many(
        "entry_append",
        [
            {
                "position": place,
                "at": to_us(entry.at),
                "kind": to_column(entry.kind),
                "incident": entry.incident,
                "by_whom": None if entry.by is None else to_column(entry.by),
                "facts": encode_facts(entry.facts),
            }
            for place, entry in enumerate(entries, start=position + 1)
        ],
    )


def _stored(row: Row) -> Stored:
    return Stored(row["position"], rows.entry_of(row))


def _in_batches(changes: Changes) -> Iterator[Changes]:
    watches, postings = list(changes.watches.items()), list(changes.postings.items())
    for start in range(0, len(watches), BESIDE_PER_BATCH):
        yield Changes(watches=dict(watches[start : start + BESIDE_PER_BATCH]))
    for start in range(0, len(postings), POSTINGS_PER_BATCH):
        yield Changes(postings=dict(postings[start : start + POSTINGS_PER_BATCH]))
