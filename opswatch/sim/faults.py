"""What fails, and how: checks alone and together, flapping, healing. `sim/mishaps.py` is what befalls opswatch."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opswatch.core.classify import Case, classify
from opswatch.core.effects import Recheck
from opswatch.core.events import Observed
from opswatch.core.model import Failure, Health, Priority, UnknownReason, Verdict
from opswatch.core.plan import Check, Plan
from opswatch.core.state import Incident, alert_key
from opswatch.sim.life import Failures
from opswatch.sim.world import World

RETRY = timedelta(seconds=60)  # for checks that run by cron, while the outcome is not confirmed
OUTAGE_SPREAD = timedelta(seconds=90)
FLAPS_MAX = 6
SLOWLY = timedelta(hours=8)  # how long until somebody sees to what pages nobody

Rates = Mapping[tuple[str, Health], Priority]
"""check/target and how it fails → the priority whose mean time between failures holds."""


@dataclass(slots=True)
class Thing:
    """One check on one target, as it truly is."""

    check: Check
    target: str
    faults: list[Fault] = field(default_factory=list)
    is_watched: bool = False  # a look is on the agenda

    @property
    def key(self) -> str:
        return alert_key(self.check.id, self.target)

    @property
    def ails(self) -> Health:
        if not self.faults:
            return Health.OK
        return max((fault.health for fault in self.faults), key=lambda health: health.rank)


@dataclass(slots=True, eq=False)
class Fault:
    """Something that is wrong with one thing or, in an outage, with many, until it heals or somebody mends it."""

    name: str
    things: list[Thing]
    health: Health
    chance: random.Random  # its own: the same fault goes the same way whoever is on call
    flaps_left: int = 0
    is_over: bool = False


class Things:
    """Everything that is looked at: breaks by chance, is seen by looks, heals or is mended."""

    def __init__(self, world: World, numbers: Failures, rates: Rates | None = None) -> None:
        self._world, self._numbers = world, numbers
        self._rates = rates if rates is not None else rates_of(world.plan, world.now)
        self._serials: dict[str, int] = {}
        self._causes: dict[int, str] = {}
        self.things = {alert_key(check.id, target): Thing(check, target) for check, target in _looked_at(world.plan)}
        self.is_calm = False
        world.hears(Recheck, self._is_asked)

    def begin(self) -> None:
        """Put the first failure of everything on the agenda."""
        plan, world = self._world.plan, self._world
        for (key, health), priority in self._rates.items():
            if (thing := self.things.get(key)) is not None:
                chance = world.stream("fails", key, health)
                world.every(self._numbers.between[priority], _breaking(self, thing, health), chance)
        if world.every_look:
            for thing in self.things.values():
                self._look_after(thing, (thing.check.every or RETRY) * world.chance.random())
        for service in plan.services:
            hit = [one for one in self.things.values() if plan.targets[one.target].service == service]
            if hit:
                chance = world.stream("outages", service)
                world.every(self._numbers.outage_every, _outage(self, service, hit), chance)

    def breaks(self, thing: Thing, health: Health) -> None:
        """It fails by itself."""
        world, numbers = self._world, self._numbers
        name, chance = self._next(f"{thing.key}/{health}")
        if world.may(numbers.cannot_tell, chance):
            health = Health.UNKNOWN
        flaps = chance.randint(1, FLAPS_MAX) if world.may(numbers.flaps, chance) else 0
        if not self.is_calm and not thing.faults:
            self._start(Fault(name, [thing], health, chance, flaps))

    def outage(self, service: str, things: list[Thing]) -> None:
        """Most of a service fails within a minute and a half, for one reason."""
        name, chance = self._next(f"outage/{service}")
        hit = [thing for thing in things if self._world.may(self._numbers.outage_share, chance)]
        if hit and not self.is_calm:
            self._start(Fault(name, hit, Health.CRIT, chance))

    def _next(self, kind: str) -> tuple[str, random.Random]:
        """The name and the chance of the next fault of this kind; counted also when it falls together with another."""
        serial = self._serials[kind] = self._serials.get(kind, 0) + 1
        return f"{kind}#{serial}", self._world.stream("fault", kind, serial)

    def cause_of(self, incident: Incident) -> str:
        """What is behind an incident: a name that it has in every world of this seed."""
        known = self._causes.get(incident.number)
        if known is None:
            thing = self.things.get(incident.alerts[0]) if incident.alerts else None
            known = thing.faults[0].name if thing is not None and thing.faults else f"incident {incident.number}"
            self._causes[incident.number] = known
        return known

    def mend(self, keys: Iterable[str]) -> None:
        """Somebody sees to whatever is behind these alerts."""
        for key in keys:
            thing = self.things.get(key)
            for fault in list(thing.faults) if thing is not None else []:
                fault.flaps_left = 0
                self._end(fault)

    def resume(self) -> None:
        """The daemon is back: looks that were under way are made again."""
        for thing in self.things.values():
            if not self._is_settled(thing) and not thing.is_watched:
                self._look_after(thing, self._world.chance.random() * (thing.check.every or RETRY))

    def all_heals(self) -> None:
        """The faults stop, for good."""
        self.is_calm = True
        for thing in self.things.values():
            self.mend([thing.key])

    # faults

    def _start(self, fault: Fault) -> None:
        world = self._world
        fault.is_over = False
        for thing in fault.things:
            thing.faults.append(fault)
            delay = fault.chance.random() * (thing.check.every or RETRY)
            if len(fault.things) > 1:
                delay += OUTAGE_SPREAD * fault.chance.random()
            self._look_after(thing, delay)
        world.after(self._lasts(fault), lambda: self._end(fault))

    def _lasts(self, fault: Fault) -> timedelta:
        """How long, when nobody is paged for it or comes."""
        world, numbers = self._world, self._numbers
        chance = fault.chance
        if world.may(numbers.heals_itself, chance) or fault.flaps_left:
            return world.about(numbers.heals_after, chance=chance)
        plan, thing = world.plan, fault.things[0]
        case = Case(fault.health, thing.check.id, thing.target)
        pages_nobody = plan.rule(classify(plan, case, world.now).priority).interrupt == "never"
        return min(world.about(SLOWLY, chance=chance), numbers.lasts_max) if pages_nobody else numbers.lasts_max

    def _end(self, fault: Fault) -> None:
        if fault.is_over:
            return
        fault.is_over = True
        for thing in fault.things:
            thing.faults.remove(fault)
            self._look_after(thing, fault.chance.random() * (thing.check.every or RETRY))
        if fault.flaps_left and not self.is_calm:
            fault.flaps_left -= 1
            pause = self._world.about(timedelta(minutes=3), chance=fault.chance)
            self._world.after(pause, lambda: None if self.is_calm else self._start(fault))

    # looks

    def _is_asked(self, recheck: Recheck) -> None:
        """The desk wants to know sooner: a parent before its child is announced, a child once the parent is well."""
        thing = self.things.get(alert_key(recheck.check, recheck.target))
        if thing is not None:
            self._look_after(thing, max(timedelta(0), recheck.at - self._world.desk_now))

    def _look_after(self, thing: Thing, span: timedelta) -> None:
        if thing.is_watched:
            return
        thing.is_watched = True
        self._world.after(span, lambda: self._look(thing))

    def _look(self, thing: Thing) -> None:
        thing.is_watched = False
        check, world = thing.check, self._world
        if not world.is_up:
            if world.every_look:
                self._look_after(thing, check.every or RETRY)
            return  # `resume` looks again otherwise.
        world.take(Observed(check.id, thing.target, verdict_of(thing, world)))
        is_settled = self._is_settled(thing)
        if world.every_look or not is_settled:
            spacing = check.every if is_settled or check.retry is None else check.retry
            self._look_after(thing, spacing or RETRY)

    def _is_settled(self, thing: Thing) -> bool:
        """Whether another look would find nothing new."""
        if thing.check.id not in self._world.plan.checks:
            return True  # A reload took the check away; another may bring it back.
        watch, truth = self._world.state.watches.get(thing.key), thing.ails
        if watch is None:
            return truth is Health.OK
        return watch.health is truth and watch.confirmed is truth and not watch.flapping


def verdict_of(thing: Thing, world: World) -> Verdict:
    """What a probe would say of it now, by the desk's clock."""
    truth = thing.ails
    if truth is Health.OK:
        return Verdict(world.desk_now, "as it should be")
    if truth is Health.UNKNOWN:
        return Verdict(world.desk_now, "no answer in time", unknown=UnknownReason.TIMEOUT)
    sentence = f"{thing.check.id} fails on {thing.target}"
    return Verdict(world.desk_now, sentence, failures=(Failure(sentence, truth),))


def severities(check: Check) -> list[Health]:
    """How badly a check can fail: what its limits name and its priorities expect; crit when neither says anything."""
    limits = check.limits.values()
    named = {
        Health.WARN: any(limit.warn is not None for limit in limits) or Health.WARN in check.priority,
        Health.CRIT: any(limit.crit is not None for limit in limits) or Health.CRIT in check.priority,
    }
    return [health for health, is_named in named.items() if is_named] or [Health.CRIT]


def rates_of(plan: Plan, now: datetime) -> Rates:
    """How often each thing fails, by the priority that a failure of it alone would get."""
    return {
        (alert_key(check.id, target), health): classify(
            plan, Case(health, check.id, target, plan.targets[target].service), now
        ).priority
        for check, target in _looked_at(plan)
        for health in severities(check)
    }


def _looked_at(plan: Plan) -> Iterable[tuple[Check, str]]:
    """What runs by itself; checks of inspections only do not."""
    for check in plan.checks.values():
        if check.every is not None or check.cron is not None:
            for target in check.targets:
                yield check, target


def _breaking(things: Things, thing: Thing, health: Health) -> Callable[[], None]:
    return lambda: things.breaks(thing, health)


def _outage(things: Things, service: str, hit: list[Thing]) -> Callable[[], None]:
    return lambda: things.outage(service, hit)
