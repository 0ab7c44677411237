"""A seeded world above the core: time jumps from event to event, and each step is decided by the engine of the daemon.

There is no store: the world owns the state and takes over what is decided. All chance comes from the seed, so that a
seed tells the whole story again; each thing and each person has a stream of its own, so that two configurations meet
the same failures and the same people.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from opswatch.core.changes import Changes, State
from opswatch.core.effects import Effect
from opswatch.core.engine import Engine
from opswatch.core.events import Command, Event, NodeStarted, PlanReloaded, Tick
from opswatch.core.plan import Plan
from opswatch.core.state import Watch
from opswatch.sim.witness import Witness

FLUSHED_AFTER = timedelta(seconds=5)  # What checks remember is saved at most so late; a crash forgets it.
TRIES_AGAIN_AFTER = timedelta(seconds=10)

Kind = TypeVar("Kind")


class World:
    """`now` is the true time, UTC; the desk's own clock may be wrong by `skew`.

    With `every_look` each look of each check is made, and freshness counts; without, only looks that can change
    something, and a check that nothing happens to is taken for healthy: a year in seconds.
    """

    def __init__(self, plan: Plan, seed: int, start: datetime, *, every_look: bool = False) -> None:
        self.chance = random.Random(seed)
        self.seed = seed
        self.now = start
        self.skew = timedelta(0)
        self.every_look = every_look
        self.engine = Engine(plan)
        self.state = State()
        self.witness = Witness()
        self.is_up = True
        self.life = 1  # of the daemon: grows with each crash, and what it had in hand is gone
        self.steps = 0
        self.dies_in_step: Callable[[Event], bool] | None = None
        self.lateness: Callable[[], timedelta] | None = None
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._serial = 0
        self._ears: dict[type[Any], list[Callable[[Any], None]]] = {}
        self._unsaved: dict[str, tuple[datetime, Watch | None]] = {}
        self._tick_at: datetime | None = None
        self.starts()

    @property
    def plan(self) -> Plan:
        return self.engine.plan

    @property
    def desk_now(self) -> datetime:
        """What the desk believes the time is."""
        return self.now + self.skew

    # time

    def at(self, when: datetime, action: Callable[[], None]) -> None:
        """Do something at that true instant (now, if it is past)."""
        self._serial += 1
        heapq.heappush(self._agenda, (when if when > self.now else self.now, self._serial, action))

    def after(self, span: timedelta, action: Callable[[], None]) -> None:
        self.at(self.now + span, action)

    def every(self, mean: timedelta, action: Callable[[], None], chance: random.Random | None = None) -> None:
        """Again and again, at random: `mean` apart on average; never when it is zero."""
        if mean > timedelta(0):

            def happens() -> None:
                action()
                self.after(self.soon(mean, chance), happens)

            self.after(self.soon(mean, chance), happens)

    def run(self, until: datetime) -> None:
        """Live on until that true instant. Raises LawBroken."""
        agenda = self._agenda
        while True:
            tick_at = self._tick_at
            if agenda and (tick_at is None or agenda[0][0] <= tick_at):
                if agenda[0][0] > until:
                    break
                self.now, _, action = heapq.heappop(agenda)
                action()
            elif tick_at is not None and tick_at <= until:
                self.now = tick_at
                self.take(Tick())
            else:
                break
        self.now = until

    # chance

    def stream(self, *names: object) -> random.Random:
        """The chance of one thing: the same in every world of this seed, whatever else happens there."""
        return random.Random("/".join(map(str, (self.seed, *names))))

    def soon(self, mean: timedelta, chance: random.Random | None = None) -> timedelta:
        """A span until something that happens at random, `mean` apart."""
        return mean * (chance or self.chance).expovariate(1.0)

    def about(self, median: timedelta, spread: float = 0.8, chance: random.Random | None = None) -> timedelta:
        """A duration that half of the time is shorter than `median`, and sometimes much longer."""
        return median * math.exp((chance or self.chance).gauss(0.0, spread))

    def may(self, share: float, chance: random.Random | None = None) -> bool:
        return (chance or self.chance).random() < share

    # the desk

    def hears(self, kind: type[Kind], ear: Callable[[Kind], None]) -> None:
        """Tell `ear` of every effect of that kind. It may put something on the agenda, and decides nothing itself."""
        self._ears.setdefault(kind, []).append(ear)

    def take(self, event: Event) -> list[Effect] | None:
        """One step: decide, commit, look at the laws. None when the daemon died before it had committed."""
        now = self.now + self.skew
        changes, effects = self.engine.step(self.state, event, now)
        self.steps += 1
        if self.dies_in_step is not None and self.dies_in_step(event):
            if isinstance(event, Command):
                self.after(TRIES_AGAIN_AFTER, lambda: self._says_again(event))
            return None
        self._remember(changes, is_commit=bool(effects) or changes.behind_head)
        self.state.apply(changes)
        if changes.watches and not effects and not changes.behind_head:  # A look that found nothing new.
            return effects
        if not self.every_look:
            self.state.started_at = self.state.fresh_until = None
        self.witness.saw(self, event, changes, effects, now)
        for effect in effects:
            for ear in self._ears.get(type(effect), ()):
                ear(effect)
        self.plan_tick()
        return effects

    def plan_tick(self) -> None:
        """When the desk is woken next: at its deadline, by its own clock, or somewhat late."""
        due = self.engine.next_deadline(self.state)
        if due is None or not self.is_up:
            self._tick_at = None
            return
        at = max(due - self.skew, self.now)
        self._tick_at = at + self.lateness() if self.lateness is not None else at

    def starts(self) -> None:
        """The daemon comes up."""
        self.is_up = True
        self.take(NodeStarted(self.plan.node))

    def crashes(self) -> None:
        """It is gone, with what it had in hand and what its checks remembered of the last seconds."""
        self.is_up = False
        self.life += 1
        for key, (at, before) in self._unsaved.items():
            if self.now - at < FLUSHED_AFTER:
                self.state.apply(Changes(watches={key: before}))
        self._unsaved.clear()
        self.plan_tick()

    def reloads(self, plan: Plan) -> None:
        """The configuration was changed and is in force."""
        self.engine = type(self.engine)(plan)
        self.take(PlanReloaded())

    def _says_again(self, event: Event) -> None:
        self.take(event)

    def _remember(self, changes: Changes, *, is_commit: bool) -> None:
        """What would be forgotten in a crash: watches that went into no commit."""
        if self.dies_in_step is None:
            return
        for key in changes.watches:
            if is_commit:
                self._unsaved.pop(key, None)
            elif key not in self._unsaved or self.now - self._unsaved[key][0] >= FLUSHED_AFTER:
                self._unsaved[key] = (self.now, self.state.watches.get(key))
