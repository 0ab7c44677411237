"""Stores keep the state, the timeline and the promised messages. One text of SQL, two adapters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from opswatch.core.changes import Changes, State
from opswatch.core.effects import Announce, Effect, Entry, Notice, Page, Update
from opswatch.core.model import Secret, Verdict
from opswatch.core.state import Incident, Paper, Risk, Silence

if TYPE_CHECKING:
    from opswatch.core.inspection import Report
    from opswatch.core.norms import Hour
    from opswatch.stores.inbox import Batch, Waiting
    from opswatch.stores.inspections import RunRow
    from opswatch.stores.samples import Point


@dataclass(frozen=True, slots=True)
class Stored:
    """A timeline entry with its place: positions are dense and total."""

    position: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Promise:
    """A promised message that this node has claimed until `lease_until`."""

    id: str
    body: Page | Update | Notice | Announce
    promised_at: datetime
    attempt: int  # 1 for the first
    possible_duplicate: bool  # an earlier claim ran out without a receipt
    lease_until: datetime
    ref: str | None = None  # the card this message edits, when one was posted to this address before

    @property
    def kind(self) -> str:
        return {Page: "page", Update: "update", Notice: "update", Announce: "announce"}[type(self.body)]


@dataclass(frozen=True, slots=True)
class MessageRow:
    """How a promised message stands, for people."""

    id: str
    kind: str
    incident: int | None
    person: str | None
    channel: str
    promised_at: datetime
    due_at: datetime | None
    attempts: int
    settled_at: datetime | None
    outcome: str | None  # delivered | failed | overtaken
    detail: str


class Store(Protocol):
    """Raises StoreUnavailable when it cannot be reached, is full or stays locked; Conflict when the head moved."""

    def migrate(self) -> list[str]:
        """Bring the schema up to date; the names of the migrations applied. Safe when several nodes start at once."""
        ...

    def load(self, state: State) -> bool:
        """Bring `state` up to the head, reading only what changed since it was last loaded. False: it was current."""
        ...

    def load_postings(self, state: State) -> None:
        """Likewise, what sources said to other nodes: it is saved beside the head, which need not have moved."""
        ...

    def commit(self, changes: Changes, effects: Sequence[Effect], now: datetime) -> None:
        """One transaction: advance the head (compare-and-swap against what was loaded), save what changed, append the
        entries, queue the promised messages, settle what is settled. Raises Conflict when another node was first."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """`load`, decide and `commit` inside it while others queue for the head: for who lost the swap twice in a row.
        What was committed is so when the block ends without an exception; take the changes over only then. Decide
        quickly, send nothing: on PostgreSQL the head is taken away from who dawdles for 5 s (Conflict)."""
        ...

    def save_beside(self, changes: Changes) -> None:
        """What checks and sources remember (the watches and postings of `changes`), beside the head, in short batches;
        None for what is gone."""
        ...

    def accept(self, batches: Sequence[Batch], node: str | None = None, lease_until: datetime | None = None) -> None:
        """Alerts of others into the inbox, in one transaction: once it returns, they will be decided. With a `node`
        they are claimed at once: it has them in memory."""
        ...

    def next_batches(self, node: str, now: datetime, lease: timedelta, limit: int) -> list[Batch]:
        """Take the oldest batches of the inbox that no node decides, in the order they came. `commit` removes a batch
        that its effects call `Taken`, or raises AlreadyTaken when another node was quicker."""
        ...

    def forget_batches(self, batches: Sequence[str]) -> None:
        """Batches that were decided, and nothing followed from them."""
        ...

    def release_batches(self, node: str, now: datetime) -> int:
        """For a node that comes up: the batches it had taken before it died are to be decided at once. How many."""
        ...

    def waiting(self) -> Waiting:
        """What is accepted and not decided yet."""
        ...

    def claim(self, node: str, now: datetime, lease: timedelta, limit: int) -> list[Promise]:
        """Take messages that are due: each by exactly one node. Pages before updates before announcements."""
        ...

    def release(self, node: str, now: datetime) -> int:
        """For a node that comes up: what it had claimed before it died is due again at once, as a possible duplicate.
        How many."""
        ...

    def still_wanted(self, message: str, now: datetime, attempt: int = 0) -> bool:
        """Whether a claimed message was not overtaken meanwhile and the claim (its `attempt`) holds: asked just before
        it is sent."""
        ...

    def next_due(self) -> datetime | None:
        """When the next message may be claimed."""
        ...

    def messages(self, incident: int | None = None, limit: int = 200) -> list[MessageRow]: ...

    def pending(self) -> int:
        """How many promised messages are neither delivered nor given up."""
        ...

    def message(self, message: str) -> MessageRow | None:
        """One promise, by its id."""
        ...

    def incident_of_card(self, ref: str) -> int | None:
        """The incident whose card a channel posted as `ref`."""
        ...

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
        """Entries in order of position."""
        ...

    def incident(self, number: int) -> Incident | None:
        """Any incident, resolved and forgotten ones too."""
        ...

    def incidents(self, *, include_resolved: bool = False, limit: int = 500) -> list[Incident]: ...

    def each_incident(self, end: datetime) -> Iterator[Incident]:
        """Every one that was opened before `end`, oldest first, read a page at a time."""
        ...

    def each_message(self, start: datetime, end: datetime) -> Iterator[MessageRow]:
        """Every message promised in `[start, end)`, oldest first, read a page at a time; without its words."""
        ...

    def risks(self, limit: int = 500) -> list[Risk]:
        """The newest entries of the ledger, closed ones too."""
        ...

    def ended_silences(self, since: datetime, limit: int = 2_000) -> list[tuple[Silence, datetime]]:
        """Silences that have ended since, as they were, and when; for some days."""
        ...

    def papers(self, limit: int = 500) -> list[Paper]:
        """The newest post-mortems and short reviews, published ones too."""
        ...

    def keep_inspection(self, report: Report, told_at: datetime | None) -> bool:
        """Write a run's report down. False: one of this name is kept already, whoever wrote it. `told_at` is None for
        somebody's own look."""
        ...

    def inspection(self, run: str) -> Report | None:
        """A report by the name of its run."""
        ...

    def last_inspection(self, inspection: str, before: datetime, *, told: bool = False) -> Report | None:
        """The newest report that began before; `told`: of rounds for everybody only."""
        ...

    def last_due(self, inspection: str) -> datetime | None:
        """The instant that the newest scheduled run was for."""
        ...

    def inspections(self, inspection: str | None = None, limit: int = 50) -> list[RunRow]:
        """The newest runs first."""
        ...

    def changed(self) -> bool:
        """Whether somebody else committed since the last load: cheap, for polling every 50 ms."""
        ...

    def wait_for_change(self, timeout_s: float) -> bool:
        """Blocks until `changed` (True) or the time is up: on PostgreSQL a commit wakes it. For a thread of its own."""
        ...

    def beat(self, node: str, now: datetime, facts: Mapping[str, object]) -> None:
        """Say that this node lives."""
        ...

    def nodes(self) -> dict[str, tuple[datetime, Mapping[str, object]]]:
        """Last sign of life of each node."""
        ...

    def lease(self, name: str, node: str, now: datetime, span: timedelta) -> bool:
        """Take or keep a named lease (the records lease, one run of a scheduled job). False: another node has it."""
        ...

    def record_samples(self, rows: Sequence[tuple[str, str, Verdict]]) -> None:
        """(check, target, verdict): history of values, beside the head."""
        ...

    def samples(self, check: str, target: str, start: datetime, end: datetime, limit: int = 10_000) -> list[Point]:
        """Values seen in `[start, end)`, oldest first."""
        ...

    def roll_up(self, now: datetime, kept: timedelta = ...) -> bool:
        """Roll up the hours of values that are over, a bounded number of series at a time (call it until True, then
        hourly); hours older than `kept` are forgotten on the way."""
        ...

    def rolled_up(self) -> datetime | None:
        """Every hour before it is rolled up for good; None: none is."""
        ...

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
        ...

    def values(
        self, check: str, target: str, name: str, item: str, start: datetime, end: datetime, limit: int = 20_000
    ) -> list[Point]:
        """Values of one sample of one item in `[start, end)`, oldest first; the newest where there are too many."""
        ...

    def measured(self, check: str, target: str) -> list[tuple[str, str, str]]:
        """(item, sample, unit) of everything the check has measured there that is still kept."""
        ...

    def days_with_values(self, check: str, target: str, start: datetime, end: datetime) -> dict[tuple[str, str], int]:
        """(item, sample) → on how many days (of UTC) in `[start, end)` it has rolled-up values."""
        ...

    def prune(
        self, now: datetime, *, samples: timedelta = ..., evidence: timedelta = ..., timeline: timedelta = ...
    ) -> int:
        """Forget what has been over for long, a bounded number at a time (call it hourly). How many rows went."""
        ...

    def sizes(self) -> dict[str, int]:
        """Bytes on disk by what they are for: `state`, `samples`, `log`; `free` of them wait to be used again; `room`
        is left on the disk, where that is known."""
        ...

    def missing_migrations(self) -> list[str]:
        """Those this release has and the database has not."""
        ...

    def check_integrity(self) -> list[str]:
        """Problems found, empty when sound."""
        ...

    def close(self) -> None: ...


def open_store(url: Secret | str, *, read_only: bool = False, checkpoints: bool = True) -> Store:
    """The store at `sqlite:PATH`, `sqlite::memory:` or `postgresql://user@host/database`; nothing is connected yet.

    `checkpoints=False` for every process but the daemon: on SQLite only one may fold the log back into the file.
    Raises PluginNotFound for another kind of address, or when the library for it is not installed.
    """
    from opswatch.stores.opening import opened  # Late: the contract is read by many who never open a store.

    return opened(url, read_only=read_only, checkpoints=checkpoints)
