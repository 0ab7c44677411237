"""What befalls opswatch itself: crashes, a clock that is set wrong, late wake-ups, a changed configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from opswatch.core.events import Event
from opswatch.core.plan import Layer, Plan, Roster
from opswatch.sim.life import Mishaps
from opswatch.sim.world import World

NONE = timedelta(0)


class Fate:
    """Brings them about; `on_restart` is called when the daemon is up again."""

    def __init__(self, world: World, numbers: Mishaps, on_restart: Callable[[], None]) -> None:
        self._world, self._numbers, self._on_restart = world, numbers, on_restart
        self._written = world.plan
        self._chance, self._step_chance = world.stream("fate"), world.stream("steps")
        self.is_calm = False

    def begin(self) -> None:
        """Put them on the agenda."""
        world, numbers = self._world, self._numbers
        world.every(numbers.crash_every, self._crash, self._chance)
        world.every(numbers.clock_every, self._clock_is_set)
        world.every(numbers.reload_every, self._reload)
        if numbers.crash_every > NONE:
            world.dies_in_step = self._dies
        if numbers.late_ticks:
            world.lateness = self._lateness

    def stops(self) -> None:
        """From now on all goes well: the clock is right, the daemon runs, the first configuration is in force."""
        world = self._world
        self.is_calm = True
        world.skew = NONE
        if not world.is_up:
            self._start_again(world.life)
        world.reloads(self._written)

    def _crash(self) -> None:
        world = self._world
        if self.is_calm or not world.is_up:
            return
        world.crashes()
        life = world.life
        world.after(world.about(self._numbers.down_for, chance=self._chance), lambda: self._start_again(life))

    def _start_again(self, life: int) -> None:
        if not self._world.is_up and life == self._world.life:
            self._world.starts()
            self._on_restart()

    def _dies(self, event: Event) -> bool:
        """Whether the daemon dies between deciding and committing."""
        world = self._world
        if self.is_calm or not world.is_up or not world.may(self._numbers.dies_in_step, self._step_chance):
            return False
        self._crash()
        return True

    def _lateness(self) -> timedelta:
        if self.is_calm or not self._world.may(self._numbers.late_ticks):
            return NONE
        return self._world.about(self._numbers.late_by)

    def _clock_is_set(self) -> None:
        world, numbers = self._world, self._numbers
        if self.is_calm or world.skew:
            return
        world.skew = numbers.clock_off_by * world.chance.uniform(-1.0, 1.0)
        world.plan_tick()
        world.after(world.about(numbers.clock_wrong_for), self._clock_is_right)

    def _clock_is_right(self) -> None:
        self._world.skew = NONE
        self._world.plan_tick()

    def _reload(self) -> None:
        world = self._world
        if self.is_calm or not world.is_up:
            return
        is_first = world.plan is self._written
        world.reloads(world.chance.choice(ALTERATIONS)(self._written, world) if is_first else self._written)


# ---------------------------------------------------------------------------------------------------------------------
# What operators change


def without_a_check(plan: Plan, world: World) -> Plan:
    """One check is no longer made."""
    if len(plan.checks) < 2:
        return plan
    gone = world.chance.choice(list(plan.checks))
    return replace(plan, checks={name: check for name, check in plan.checks.items() if name != gone})


def with_other_waits(plan: Plan, world: World) -> Plan:
    """Everybody gets twice, or half, the time to answer."""
    times = world.chance.choice((0.5, 2.0))
    policies = {
        policy.id: replace(policy, levels=tuple(replace(level, wait=level.wait * times) for level in policy.levels))
        for policy in plan.policies.values()
    }
    return replace(plan, policies=policies)


def with_shorter_ladders(plan: Plan, world: World) -> Plan:
    """Policies end after their first level."""
    policies = {policy.id: replace(policy, levels=policy.levels[:1]) for policy in plan.policies.values()}
    return replace(plan, policies=policies)


def without_a_person(plan: Plan, world: World) -> Plan:
    """Somebody left: their turns, levels and pools go on without them. Not the last of the admins."""
    leaving = [person for person in plan.people if f"person:{person}" not in plan.admins()]
    if not leaving:
        return plan
    gone = world.chance.choice(leaving)
    return replace(
        plan,
        people={name: person for name, person in plan.people.items() if name != gone},
        rosters={roster.id: _roster_without(roster, gone) for roster in plan.rosters.values()},
        pools={
            pool.id: replace(pool, people=tuple(person for person in pool.people if person != gone))
            for pool in plan.pools.values()
        },
        policies={
            policy.id: replace(
                policy,
                levels=tuple(
                    replace(level, page=tuple(target for target in level.page if target != f"person:{gone}"))
                    for level in policy.levels
                ),
                fallback=tuple(target for target in policy.fallback if target != f"person:{gone}"),
            )
            for policy in plan.policies.values()
        },
    )


ALTERATIONS = (without_a_check, with_other_waits, with_shorter_ladders, without_a_person)


def _roster_without(roster: Roster, gone: str) -> Roster:
    layers = (_layer_without(layer, gone) for layer in roster.layers)
    return replace(
        roster,
        layers=tuple(layer for layer in layers if layer.participants),
        fallback=tuple(target for target in roster.fallback if target != f"person:{gone}"),
    )


def _layer_without(layer: Layer, gone: str) -> Layer:
    turns = (tuple(person for person in turn if person != gone) for turn in layer.participants)
    return replace(layer, participants=tuple(turn for turn in turns if turn))
