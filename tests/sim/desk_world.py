"""The same story through the real desk and a real store: crashes close it, restarts open it, promises are claimed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from random import Random
from zlib import crc32

from opswatch.core.changes import State
from opswatch.core.effects import Announce, Effect, Page, Postpone
from opswatch.core.engine import Decision, Engine
from opswatch.core.events import Command, Event, MessageSent, Observed, PlanReloaded
from opswatch.core.plan import Plan
from opswatch.desk import Desk
from opswatch.sim.life import Delivery
from opswatch.sim.post import HANDED_AFTER, Parcel, Post, Rung
from opswatch.sim.run import Story
from opswatch.sim.world import FLUSHED_AFTER, TRIES_AGAIN_AFTER, World
from opswatch.stores import Promise, Store, open_store

LEASE = timedelta(seconds=60)
CLAIM_MAX = 16


class Heard(Engine):
    """The engine, and what it decided last: the desk does not say what changed."""

    last = Decision(changes=None, answers=())  # type: ignore[arg-type]

    def decide(self, state: State, events: Sequence[Event], now: datetime) -> Decision:
        self.last = super().decide(state, events, now)
        return self.last


class DeskWorld(World):
    """A world whose steps pass over a desk. With several `nodes` each step is taken by any of them, drawn apart from
    the story's own chance, and each check is looked at by one of them: the same seed lives the same life whoever
    decides."""

    def __init__(self, plan: Plan, seed: int, start: datetime, url: str, *, nodes: int = 1) -> None:
        self.url, self.nodes, self._who = url, nodes, Random(seed)
        self.desks: list[tuple[Desk, Store]] = []
        self.promised: list[str] = []
        self.crashed = 0
        self.on_step: Callable[[], None] = lambda: None
        self._flushed_at = start
        super().__init__(plan, seed, start)

    @property
    def store(self) -> Store:
        return self.desks[0][1]

    def starts(self) -> None:
        self.engine = Heard(self.engine.plan)
        for _ in range(self.nodes):
            store = open_store(self.url)
            store.migrate()
            self.desks.append((Desk(store, self.engine, lambda: self.desk_now), store))
        self.store.release("here", self.desk_now)
        super().starts()

    def take(self, event: Event) -> list[Effect] | None:
        if not self.desks:
            return self._by_command_line(event)
        desk = self._taken_by(event)
        if self.now - self._flushed_at >= FLUSHED_AFTER:
            self.flush()
        if self.dies_in_step is not None and self.dies_in_step(event):
            if isinstance(event, Command):
                self.after(TRIES_AGAIN_AFTER, lambda: self._says_again(event))
            return None
        return self._applied(desk, event)

    def reloads(self, plan: Plan) -> None:
        self.engine = Heard(plan)
        for desk, _ in self.desks:
            desk.reload(self.engine)
        self.take(PlanReloaded())

    def crashes(self) -> None:
        """What was not committed is gone: no goodbye, no flush."""
        for _, store in self.desks:
            store.close()
        self.desks.clear()
        self.crashed += 1
        super().crashes()

    def flush(self) -> None:
        for desk, _ in self.desks:
            desk.flush()
        self._flushed_at = self.now

    def _taken_by(self, event: Event) -> Desk:
        if isinstance(event, Observed):
            place = crc32(f"{event.check}/{event.target}".encode()) % len(self.desks)
            return self.desks[place][0]
        return self._who.choice(self.desks)[0]

    def _by_command_line(self, event: Event) -> list[Effect] | None:
        """While the daemon is down people still have the command line: a process of its own, on the same store."""
        store = open_store(self.url, checkpoints=False)
        try:
            return self._applied(Desk(store, self.engine, lambda: self.desk_now), event)
        finally:
            store.close()

    def _applied(self, desk: Desk, event: Event) -> list[Effect]:
        effects = list(desk.apply(event))
        self.steps += 1
        with desk.looking() as (state, _):
            self.state = state
        self.state.started_at = self.state.fresh_until = None
        assert isinstance(self.engine, Heard)
        self.witness.saw(self, event, self.engine.last.changes, effects, self.desk_now)
        for effect in effects:
            if isinstance(effect, Page):
                self.promised.append(effect.id)
            for ear in self._ears.get(type(effect), ()):
                ear(effect)
        self.on_step()
        self.plan_tick()
        return effects


class StorePost(Post):
    """Claims what the store says is due, and sends it as the post does; leases of a crashed daemon run out."""

    def __init__(self, world: DeskWorld, numbers: Delivery, rings: Callable[[Rung], None]) -> None:
        super().__init__(world, numbers, rings)
        self._at_desk = world
        self._next_at: datetime | None = None
        world.on_step = self._look_ahead

    def resume(self) -> None:
        self.waiting.clear()
        self._look_ahead()

    def _promised(self, page: Page) -> None:
        pass  # The store keeps it.

    def _postponed(self, postpone: Postpone) -> None:
        self.waiting.pop(postpone.message, None)

    def _look_ahead(self) -> None:
        """Claim again when the next message is due, a little after it was promised."""
        due = self._at_desk.store.next_due() if self._at_desk.desks else None
        if due is None:
            return
        at = max(due - self._world.skew, self._world.now) + HANDED_AFTER
        if self._next_at is None or at < self._next_at or self._next_at <= self._world.now:
            self._next_at = at
            self._world.at(at, self._collect)

    def _collect(self) -> None:
        world = self._at_desk
        if world.desks:
            for promise in world.store.claim("here", world.desk_now, LEASE, CLAIM_MAX):
                self._carry(promise)
            self._look_ahead()

    def _carry(self, promise: Promise) -> None:
        world = self._at_desk
        if not world.desks or not world.store.still_wanted(promise.id, world.desk_now):
            return  # The daemon died over an earlier one of this batch, or it was overtaken.
        if isinstance(promise.body, Page):
            parcel = Parcel(promise.body, world.now, world.now, promise.attempt - 1)
            parcel.in_hand_of = 0 if promise.possible_duplicate else None
            self.waiting[promise.id] = parcel
            self._send(parcel)
            return
        body = promise.body
        channel = body.channel if isinstance(body, Announce) else body.contact
        world.take(MessageSent(promise.id, body.incident, promise.kind, None, channel, 0.1, promise.attempt))


class DeskStory(Story):
    """A life over a store at `url`."""

    def __init__(self, plan: Plan, seed: int, start: datetime, until: datetime, url: str, *, nodes: int = 1, **more):
        self._url, self._nodes = url, nodes
        super().__init__(plan, seed, start, until, **more)

    def makes_world(self, plan: Plan, seed: int, start: datetime, every_look: bool) -> DeskWorld:
        return DeskWorld(plan, seed, start, self._url, nodes=self._nodes)

    def makes_post(self, numbers: Delivery) -> StorePost:
        return StorePost(self.world, numbers, self._rings)
