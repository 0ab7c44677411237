"""A round over many checks: bounded workers, time limits, and another look at what is not yet certain.

Checks that run by themselves are only looked at: their alerts follow their own looks. What a round sees of a check that
runs in rounds only goes over the desk, so that it opens and closes incidents as any other.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opswatch import logs
from opswatch.clock import monotonic_s
from opswatch.core.events import Observed
from opswatch.core.inspection import Looked, looked, wants_another
from opswatch.core.matching import matches_glob
from opswatch.core.model import UnknownReason, Verdict
from opswatch.core.norms import Norm
from opswatch.core.plan import Check, Plan
from opswatch.core.spans import say_span
from opswatch.core.state import Watch
from opswatch.desk import Desk
from opswatch.errors import OpswatchError
from opswatch.loops import looks
from opswatch.probes import Probe
from opswatch.stores import Store
from opswatch.stores.norms import Norms

log = logs.get("loops.rounds")

WORKERS = 8
STUCK_MAX = 32
GRACE_S = 1.0  # a probe that minds its own limit is given this much longer
LOOKS_MAX = 3
RETRY_S = 30.0  # between looks at the same thing
ROUND_MAX = timedelta(minutes=30)
_SLICE_S = 0.2

Pair = tuple[Check, str]
Key = tuple[str, str]
Notice = Callable[[int, int, str], None]
"""(looks done, looks wanted, what is under way): told now and then, also while nothing ends."""


class Stopped(Exception):
    """The round was given up: opswatch is stopping. Nothing of it is kept."""


def wanted(plan: Plan, globs: Sequence[str]) -> tuple[list[Pair], list[str]]:
    """The (check, target) pairs of a round that this node sees, and `check/target` of those it does not."""
    here: list[Pair] = []
    elsewhere: list[str] = []
    for check in plan.checks.values():
        if matches_glob(globs, check.id):
            for target in check.targets:
                node = plan.targets[target].node
                if node is None or node == plan.node:
                    here.append((check, target))
                else:
                    elsewhere.append(f"{check.id}/{target}")
    return here, elsewhere


def runs_alone(check: Check) -> bool:
    """Whether the check has a time of its own; the others run in rounds only."""
    return check.every is not None or check.cron is not None


@dataclass(slots=True)
class _Look:
    pair: Pair
    began_s: float


class Round:
    """Looks at many things at once. One per run; `is_real` lets alerts follow, `again` looks again at what is not
    certain. `pause(seconds)` waits between the looks."""

    def __init__(
        self,
        desk: Desk,
        store: Store,
        now: Callable[[], datetime],
        *,
        is_real: bool,
        again: bool = True,
        probe: Callable[[str], Probe] | None = None,
        notice: Notice | None = None,
        stopping: threading.Event | None = None,
        pause: Callable[[float], None] | None = None,
        monotonic: Callable[[], float] = monotonic_s,
        workers: int = WORKERS,
    ) -> None:
        self._desk, self._store, self._now, self._is_real, self._again = desk, store, now, is_real, again
        self._probe = probe or looks.Probes()
        self._notice = notice or (lambda done, total, words: None)
        self._stopping = stopping or threading.Event()
        self._pause = pause or self._wait
        self._monotonic_s, self._workers = monotonic, workers
        self._norms = Norms(store)
        self._seen: dict[Key, Looked] = {}
        self._samples: list[tuple[str, str, Verdict]] = []
        self._stuck = 0
        self._done = self._total = 0

    def go(self, pairs: Sequence[Pair]) -> list[Looked]:
        """Look at all of them; what each said at the end. Raises Stopped."""
        until_s = self._monotonic_s() + ROUND_MAX.total_seconds()
        waiting: Sequence[Pair] = pairs
        self._total = len(pairs)
        while waiting:
            self._look_at(waiting, until_s)
            if not self._again or self._monotonic_s() + RETRY_S >= until_s:
                break
            waiting = [pair for pair in waiting if self._is_uncertain(pair)]
            if waiting:
                self._total += len(waiting)
                self._notice(self._done, self._total, "")
                self._pause(RETRY_S)
        if self._samples:
            self._store.record_samples(self._samples)
        return [self._seen[check.id, target] for check, target in pairs if (check.id, target) in self._seen]

    # looking

    def _look_at(self, pairs: Iterable[Pair], until_s: float) -> None:
        """One look at each, a few at a time. Those that hang are given up in time, their threads left behind."""
        waiting, running = deque(pairs), dict[int, _Look]()
        ended: queue.Queue[tuple[int, Verdict]] = queue.Queue()
        number = 0
        while waiting or running:
            if self._stopping.is_set():
                raise Stopped
            while waiting and len(running) < self._workers:
                number += 1
                pair = waiting.popleft()
                if (why := self._why_not(until_s)) is not None:
                    self._take(pair, Verdict(self._now(), why, unknown=UnknownReason.TIMEOUT))
                    continue
                running[number] = _Look(pair, self._monotonic_s())
                threading.Thread(
                    target=self._look, args=(number, pair, ended), name=f"round-{number}", daemon=True
                ).start()
            self._await(running, ended)

    def _why_not(self, until_s: float) -> str | None:
        if self._monotonic_s() >= until_s:
            return f"not looked at: the round took {say_span(ROUND_MAX)} already"
        if self._stuck >= STUCK_MAX:
            return f"not looked at: {self._stuck} other looks hang"
        return None

    def _look(self, number: int, pair: Pair, ended: queue.Queue[tuple[int, Verdict]]) -> None:
        began_s = self._monotonic_s()
        verdict = looks.look(self._desk, self._probe, *pair, self._now())
        ended.put((number, replace(verdict, took_s=self._monotonic_s() - began_s)))

    def _await(self, running: dict[int, _Look], ended: queue.Queue[tuple[int, Verdict]]) -> None:
        """Take in what ends within a moment, and give up what is late."""
        try:
            number, verdict = ended.get(timeout=_SLICE_S)
        except queue.Empty:
            pass
        else:
            if (look := running.pop(number, None)) is not None:  # None: it was given up before.
                self._take(look.pair, verdict)
        now_s = self._monotonic_s()
        for number, look in list(running.items()):
            check, target = look.pair
            if now_s - look.began_s > check.timeout.total_seconds() + GRACE_S:
                del running[number]
                self._stuck += 1
                log.warning("look did not come back", check=check.id, target=target, stuck=self._stuck)
                words = f"no answer within {check.timeout.total_seconds():g} s"
                self._take(look.pair, Verdict(self._now(), words, unknown=UnknownReason.TIMEOUT))
        under_way = next((f"{check.id} {target}" for check, target in (one.pair for one in running.values())), "")
        self._notice(self._done, self._total, under_way)

    # what was seen

    def _take(self, pair: Pair, verdict: Verdict) -> None:
        check, target = pair
        self._done += 1
        before = self._before(pair)
        norms = self._usual(check, target, verdict)
        self._seen[check.id, target] = looked(check, target, verdict, before, self._seen.get((check.id, target)), norms)
        if self._is_real and not runs_alone(check):
            self._samples.append((check.id, target, verdict))
            self._desk.apply(Observed(check.id, target, verdict, norms))

    def _before(self, pair: Pair) -> Mapping[str, Watch]:
        """What the check remembers of each item."""
        check, target = pair
        with self._desk.looking() as (state, _):
            keys = state.items.get(f"{check.id}/{target}", ())
            return {state.watches[key].item: state.watches[key] for key in keys if key in state.watches}

    def _usual(self, check: Check, target: str, verdict: Verdict) -> Mapping[tuple[str, str], Norm]:
        calendar = self._desk.engine.plan.calendars.get(check.calendar or "")
        try:
            return self._norms.of(check, target, calendar, verdict.at)
        except OpswatchError as trouble:
            log.error("what is usual cannot be read", check=check.id, target=target, reason=str(trouble))
            return {}

    def _is_uncertain(self, pair: Pair) -> bool:
        check, target = pair
        confirmed = {item: watch.confirmed for item, watch in self._before(pair).items()}
        return wants_another(self._seen[check.id, target], confirmed, LOOKS_MAX)

    def _wait(self, seconds: float) -> None:
        until_s = self._monotonic_s() + seconds
        while (left := until_s - self._monotonic_s()) > 0:
            self._notice(self._done, self._total, "")
            if self._stopping.wait(min(left, 1.0)):
                raise Stopped
