"""A rehearsal: a state of one's own, time that moves from deadline to deadline, and what people would have noticed.

Nothing is decided here a second time: the engine of the daemon steps the copy, and what it records is what happens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta

from opswatch.core.changes import Changes, State
from opswatch.core.effects import Effect, Entry, Record
from opswatch.core.engine import Engine
from opswatch.core.events import Event, Observed, Tick
from opswatch.core.model import Failure, Health, UnknownReason, Verdict
from opswatch.core.plan import Check, Plan, Target
from opswatch.core.state import alert_key

STEPS_MAX = 2_000
SUPPOSED = "supposed"  # a check or target that exists only in the question
_ONE_BY_ONE = ("alerts", "incidents", "watches", "risks", "papers", "standing", "started_at", "fresh_until")


@dataclass(slots=True)
class Rehearsal:
    """`state` is its own and changes with each step; `entries` are what was recorded since it began. `ear` hears what
    each step wants done."""

    engine: Engine
    state: State
    now: datetime  # UTC
    entries: list[Entry] = field(default_factory=list)
    steps: int = 0
    ear: Callable[[list[Effect]], None] | None = None

    def take(self, event: Event) -> list[Effect]:
        """One event, now."""
        changes, effects = self.engine.step(self.state, event, self.now)
        self.state.apply(changes)
        self.steps += 1
        self.entries += [effect.entry for effect in effects if isinstance(effect, Record)]
        if self.ear is not None:
            self.ear(effects)
        return effects

    def wakes(self, until: datetime) -> bool:
        """On to the next deadline, if it comes by `until`, and what is due then. False when nothing is."""
        due = self.engine.next_deadline(self.state)
        if due is None or due > until:
            return False
        self.now = max(self.now, due)
        self.take(Tick())
        return True

    def passes(self, until: datetime) -> bool:
        """Time goes by. False when it gave up: after so many wake-ups something goes round in a circle."""
        for _ in range(STEPS_MAX):
            if not self.wakes(until):
                self.now = max(self.now, until)
                return True
        return False

    def looks(self, check: str, target: str, health: Health) -> list[Effect]:
        """A look at this target sees it so; a moment later than the one before, if that was now: else it is no news."""
        before = self.state.watches.get(alert_key(check, target))
        if before is not None and before.seen_at is not None and before.seen_at >= self.now:
            self.now += timedelta.resolution
        return self.take(Observed(check, target, verdict(health, self.now)))


def verdict(health: Health, at: datetime) -> Verdict:
    """What a probe would say that saw this, and nothing more."""
    if health is Health.UNKNOWN:
        return Verdict(at, "supposed: it cannot be told", unknown=UnknownReason.TIMEOUT)
    if health is Health.OK:
        return Verdict(at, "supposed: it works")
    return Verdict(at, f"supposed: {health}", failures=(Failure(f"supposed: {health}", health),))


def at_once(check: Check) -> Check:
    """The same check, believed at its first look: time counts from the confirmed failure."""
    return replace(check, confirm=1, recover=1)


def with_check(plan: Plan, check: Check) -> Plan:
    return replace(plan, checks={**plan.checks, check.id: check})


def supposing(plan: Plan, service: str | None, target: str | None = None) -> tuple[Plan, str]:
    """The plan with a check that nobody wrote, on `target`, or on the first target of the service; and that target."""
    name = target or next((one.id for one in plan.targets.values() if one.service == service), SUPPOSED)
    targets = {**plan.targets, name: plan.targets.get(name) or Target(name, "host", service=service)}
    check = Check(SUPPOSED, "command", (name,), every=timedelta(minutes=1), confirm=1, recover=1)
    return replace(with_check(plan, check), targets=targets), name


def arranged(state: State) -> State:
    """What people have arranged (silences, overrides, pauses, and whatever else they may), and nothing that fails."""
    names = [part.name for part in fields(Changes) if part.name not in _ONE_BY_ONE]
    changes = Changes(standing=state.standing)
    for name in names:
        setattr(changes, name, dict(getattr(state, name)))
    kept = State()
    kept.apply(changes)
    return kept
