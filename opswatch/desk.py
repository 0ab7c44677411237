"""The duty desk: every change passes over it, whoever asks. The only writer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta

from opswatch import metrics
from opswatch.core.changes import Changes, State
from opswatch.core.effects import (
    Announce,
    Done,
    Effect,
    Notice,
    Page,
    Postpone,
    Recheck,
    Record,
    Refuse,
    Settle,
    Update,
    Withdraw,
)
from opswatch.core.engine import Decision, Engine
from opswatch.core.events import AbsencesImported, ClockJumped, Command, Event, Observed, StoreReturned, Tick
from opswatch.core.state import Posting, Watch
from opswatch.errors import Conflict, StoreUnavailable
from opswatch.stores import Store

ATTEMPTS_MAX = 20
RACES_MAX = 2
JUMP = timedelta(seconds=2)  # less is a clock that is being slewed, or a thread that had to wait between two readings
FLUSHED_AT_ONCE = 200  # a few milliseconds each: nobody decides meanwhile
POSTINGS_AT_ONCE = 500  # there may be ten thousand a minute, and each batch waits for the disk
TO_BE_WRITTEN = (Record, Page, Update, Notice, Announce, Withdraw, Settle, Postpone)
"""Effects that must be committed even where no state follows from them."""


class Desk:
    """Decides on fresh state and commits; a lost swap means deciding again. Safe to call from any thread.

    `now` gives this instant; with `monotonic`, seconds that no clock change moves, a clock that was set is noticed.
    Healthy looks commit nothing: what checks remember is saved by `flush`.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        self._store = store
        self._engine = engine
        self._now, self._monotonic = now, monotonic
        self._state = State()
        self._unsaved: dict[str, Watch | None] = {}
        self._unsaved_postings: dict[str, Posting | None] = {}
        self._lock = _FairLock()  # who decides
        self._still = threading.Lock()  # while it is held, the state stays as it is
        self._moved = threading.Condition()
        self.version = 0  # grows with every committed change this desk knows of
        self.on_recheck: Callable[[Recheck], None] | None = None
        self.on_unstored: Callable[[Decision, StoreUnavailable], None] | None = None  # decided, and not stored: why
        self._has_loaded = False
        self._lost_since: datetime | None = None  # the store could not be used
        self._clocks: tuple[datetime, float] | None = None  # both, at the last decision
        self._jumped = timedelta(0)  # what one moved more than the other, and is still to be decided on

    @property
    def engine(self) -> Engine:
        return self._engine

    # changing

    def apply(self, event: Event) -> tuple[Effect, ...]:
        """Decide one event and commit what follows. The effects include the answer to a command.

        Raises StoreUnavailable; Conflict only when the head moved at every one of many attempts.
        """
        return self.apply_many((event,))[0]

    def apply_many(self, events: Sequence[Event]) -> tuple[tuple[Effect, ...], ...]:
        """Decide a batch on one view of the state and commit once: all of it or nothing."""
        return self._decide(events)[0].answers

    def take(self, events: Sequence[Event]) -> bool:
        """Likewise, for who needs no answers: whether anything had to be committed."""
        return self._decide(events)[1]

    def answer(self, command: Command | AbsencesImported) -> Done | Refuse:
        """What a command is answered."""
        return next(effect for effect in self.apply(command) if isinstance(effect, (Done, Refuse)))

    def rehearse(self, command: Command | AbsencesImported) -> Done | Refuse:
        """What it would be answered, as things stand; nothing is kept, recorded or sent."""
        self.refresh()
        with self._lock.taken(first=True):
            decision = self._engine.decide(self._state, (command,), self._now())
        return next(effect for effect in decision.effects if isinstance(effect, (Done, Refuse)))

    def _decide(self, events: Sequence[Event]) -> tuple[Decision, bool]:
        with self._lock.taken(first=any(isinstance(event, Command) for event in events)):
            decision, written = self._decide_and_commit(events)
        for effect in decision.effects:
            if isinstance(effect, Recheck) and self.on_recheck is not None:
                self.on_recheck(effect)
        return decision, written

    def _decide_and_commit(self, events: Sequence[Event]) -> tuple[Decision, bool]:
        for attempt in range(ATTEMPTS_MAX):
            try:
                # Who lost the swap twice queues for the head instead of racing for it.
                with self._store.turn() if attempt >= RACES_MAX else nullcontext():
                    decision, written = self._try(events)
            except Conflict:  # Another node moved first: look again, decide again.
                metrics.conflicts_total.inc()
                continue
            self._keep(decision.changes, saved=written)
            if written:
                self._has_moved()
            return decision, written
        raise Conflict(f"the head moved at each of {ATTEMPTS_MAX} attempts")

    def _try(self, events: Sequence[Event]) -> tuple[Decision, bool]:
        """Decide once; whether anything had to be committed."""
        now = self._now()
        lost = self._look_into_store(events)
        if lost is None and self._calls_silent(events, now):
            with self._still:
                self._store.load_postings(self._state)
        returned = (*self._clock_jumped(now), *self._has_returned()) if lost is None else ()
        decision = self._engine.decide(self._state, (*returned, *events), now)
        effects = decision.effects
        if not decision.changes.behind_head and not any(isinstance(effect, TO_BE_WRITTEN) for effect in effects):
            return decision, False
        try:
            if lost is not None:
                raise lost
            began = time.perf_counter()
            self._store.commit(decision.changes, effects, now)
        except StoreUnavailable as trouble:
            self._lost_since = self._lost_since or now
            if self.on_unstored is not None:
                self.on_unstored(decision, trouble)
            raise
        self._lost_since, self._jumped = None, timedelta(0)
        metrics.commit_seconds.observe(time.perf_counter() - began)
        metrics.commits_total.inc()
        return replace(decision, answers=decision.answers[len(returned) :]), True

    def _calls_silent(self, events: Sequence[Event], now: datetime) -> bool:
        """Whether some alert of others may have expired, as far as this node heard."""
        due = self._state.posting_deadlines.first()
        return due is not None and due <= now and any(isinstance(event, Tick) for event in events)

    def _look_into_store(self, events: Sequence[Event]) -> StoreUnavailable | None:
        """Take over what others committed. When the store is away, looks are still counted on what was last known, so
        that nothing has to be confirmed anew when it is back; people are answered only from what is so."""
        try:
            self._load()
        except StoreUnavailable as lost:
            if not self._has_loaded:
                raise
            self._lost_since = self._lost_since or self._now()
            if any(not isinstance(event, Observed) for event in events):
                raise
            return lost
        self._has_loaded = True
        return None

    def _has_returned(self) -> tuple[Event, ...]:
        """The first decision after the store was away says so, before anything is judged by how old it is."""
        if self._lost_since is None:
            return ()
        return (StoreReturned(self._engine.plan.node, self._lost_since),)

    def _clock_jumped(self, now: datetime) -> tuple[Event, ...]:
        """A clock that was set, or a host that slept, is said before anything is judged by how old it is."""
        if self._monotonic is None:
            return ()
        before, self._clocks = self._clocks, (now, self._monotonic())
        if before is not None:
            jump = now - before[0] - timedelta(seconds=self._clocks[1] - before[1])
            self._jumped += jump if abs(jump) >= JUMP else timedelta(0)
        return (ClockJumped(self._engine.plan.node, self._jumped),) if self._jumped else ()

    def _load(self) -> bool:
        with self._still:
            return self._store.load(self._state)

    def _keep(self, changes: Changes, *, saved: bool = False) -> None:
        with self._still:
            self._state.apply(changes)
        for key, watch in changes.watches.items():
            if saved:
                self._unsaved.pop(key, None)
            else:
                self._unsaved[key] = watch
        self._unsaved_postings.update(changes.postings)

    def flush(self) -> int:
        """Save what checks and sources remember, beside the head, in short batches; how many were saved. Raises
        StoreUnavailable.

        Nobody decides while a batch is on its way: it would bring back what a check remembered before it failed.
        """
        with self._lock.taken():
            watches, postings = list(self._unsaved), list(self._unsaved_postings)
        saved = 0
        for start in range(0, len(watches), FLUSHED_AT_ONCE):
            saved += self._flush_watches(watches[start : start + FLUSHED_AT_ONCE])
        for start in range(0, len(postings), POSTINGS_AT_ONCE):
            saved += self._flush_postings(postings[start : start + POSTINGS_AT_ONCE])
        return saved

    def _flush_watches(self, keys: Sequence[str]) -> int:
        with self._lock.taken():
            batch = {key: self._unsaved[key] for key in keys if key in self._unsaved}
            if batch:
                self._store.save_beside(Changes(watches=batch))
            for key in batch:
                del self._unsaved[key]
        return len(batch)

    def _flush_postings(self, keys: Sequence[str]) -> int:
        with self._lock.taken():
            batch = {key: self._unsaved_postings[key] for key in keys if key in self._unsaved_postings}
            if batch:
                self._store.save_beside(Changes(postings=batch))
            for key in batch:
                del self._unsaved_postings[key]
        return len(batch)

    def reload(self, engine: Engine) -> None:
        """Decide by a new plan from now on; the state stays."""
        with self._lock.taken():
            self._engine = engine

    # looking

    def refresh(self) -> bool:
        """Take over what another process committed. Says whether there was anything."""
        if self._has_loaded and not self._store.changed():  # Then nobody need be waited for.
            return False
        with self._lock.taken(first=True):
            moved = self._load()
            self._has_loaded = True
        if moved:
            self._has_moved()
        return moved

    def next_deadline(self) -> datetime | None:
        with self._lock.taken():
            return self._engine.next_deadline(self._state)

    def due_keys(self, now: datetime) -> list[str]:
        """What a Tick at `now` will look at (`State.due_keys`)."""
        with self._lock.taken():
            return self._state.due_keys(now)

    @contextmanager
    def looking(self) -> Iterator[tuple[State, Engine]]:
        """Read the state; it stays as it is meanwhile, so be brief and change nothing. Who decides a thousand alerts is
        not waited for: what they decide is taken over once it is committed."""
        with self._still:
            yield self._state, self._engine

    def wait_for_move(self, version: int, timeout: timedelta) -> int:
        """Sleep until something was committed after `version`, at most `timeout`; the version now."""
        with self._moved:
            self._moved.wait_for(lambda: self.version != version, timeout.total_seconds())
            return self.version

    def nudge(self) -> None:
        """Wake whoever waits for a move: the plan is new, or we are stopping."""
        self._has_moved()

    def _has_moved(self) -> None:
        with self._moved:
            self.version += 1
            self._moved.notify_all()


class _FairLock:
    """A lock that people get before machines: who asks `first` is served before anybody else who waits."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._is_taken = False
        self._people_waiting = 0

    @contextmanager
    def taken(self, *, first: bool = False) -> Iterator[None]:
        with self._free:
            if first:
                self._people_waiting += 1
                self._free.wait_for(lambda: not self._is_taken)
                self._people_waiting -= 1
            else:
                self._free.wait_for(lambda: not self._is_taken and not self._people_waiting)
            self._is_taken = True
        try:
            yield
        finally:
            with self._free:
                self._is_taken = False
                self._free.notify_all()
