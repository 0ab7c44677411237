"""One simulated life from beginning to end, and the proof afterwards that calm returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from opswatch.core.plan import Plan
from opswatch.sim import laws
from opswatch.sim.faults import Rates, Things
from opswatch.sim.life import CALM, Delivery, Life
from opswatch.sim.mishaps import Fate
from opswatch.sim.people import Crowd
from opswatch.sim.post import Post, Rung
from opswatch.sim.report import Ledger, Report
from opswatch.sim.witness import POST_PATIENCE, LawBroken
from opswatch.sim.world import World

CHAPTER = timedelta(days=7)  # Between chapters the rosters and the post are looked at, and progress is told.
CALM_WITHIN = timedelta(days=4)
ROSTERS_BEHIND, ROSTERS_AHEAD = timedelta(days=3), timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Run:
    """What one life gave. `steps` were decided by the core; all of it was looked at `looks_whole` times."""

    report: Report
    steps: int
    looks_whole: int


def simulate(
    plan: Plan,
    seed: int,
    start: datetime,
    until: datetime,
    *,
    life: Life = CALM,
    every_look: bool = False,
    rates: Rates | None = None,
    on_progress: Callable[[datetime], None] | None = None,
) -> Run:
    """Live from `start` to `until` (UTC) by `plan`, everything decided by chance coming from `seed`; then stop the
    faults and wait for calm. `rates` are how often things fail, where they are not this plan's own. Raises LawBroken
    with what was broken, and when."""
    story = Story(plan, seed, start, until, life=life, every_look=every_look, rates=rates)
    at = start
    while at < until:
        at = min(at + CHAPTER, until)
        story.world.run(at)
        story.look_around()
        if on_progress is not None:
            on_progress(at)
    story.ends()
    return Run(story.ledger.report, story.world.steps, story.world.witness.looks_whole)


class Story:
    """A world with everything in it, wired together."""

    def __init__(
        self,
        plan: Plan,
        seed: int,
        start: datetime,
        until: datetime,
        *,
        life: Life = CALM,
        every_look: bool = False,
        rates: Rates | None = None,
    ) -> None:
        self.world = world = self.makes_world(plan, seed, start, every_look)
        self.ledger = Ledger(world, until)
        self.things = Things(world, life.failures, rates)
        self.crowd = Crowd(world, self.things, life.answers, life.arrangements)
        self.post = self.makes_post(life.delivery)
        self.fate = Fate(world, life.mishaps, self._restarted)
        for part in (self.things, self.crowd, self.fate):
            part.begin()

    def makes_world(self, plan: Plan, seed: int, start: datetime, every_look: bool) -> World:
        """The core alone; tests put a desk and a store under the same story."""
        return World(plan, seed, start, every_look=every_look)

    def makes_post(self, numbers: Delivery) -> Post:
        """Carries what the world promises; to whom it rings is `_rings`."""
        return Post(self.world, numbers, self._rings)

    def look_around(self) -> None:
        """The laws that no single step can break alone. Raises LawBroken."""
        world = self.world
        broken = world.witness.whole(world, world.desk_now)
        if world.is_up:
            broken += laws.promises_are_kept(self.post.pending(), world.now, POST_PATIENCE)
        span = (world.desk_now - ROSTERS_BEHIND, world.desk_now + ROSTERS_AHEAD)
        for roster in world.plan.rosters:
            broken += laws.rosters_tile(world.engine.rosters, roster, world.state.overrides.values(), *span)
        if broken:
            raise LawBroken(world.seed, world.now, None, broken)

    def ends(self) -> None:
        """The faults stop, people answer: all must be resolved within `CALM_WITHIN` (law 10). Raises LawBroken."""
        world = self.world
        self.ledger.close()
        self.post.is_calm = True
        self.fate.stops()
        self.things.all_heals()
        self.crowd.everybody_looks()
        world.run(world.now + CALM_WITHIN)
        self.look_around()
        broken = laws.calm_returned(world.state, CALM_WITHIN)
        broken += [f"page {page.id} never left" for page, _ in self.post.pending()]
        if broken:
            raise LawBroken(world.seed, world.now, None, broken)

    def _rings(self, rung: Rung) -> None:
        self.ledger.rang(rung)
        self.crowd.rings(rung)

    def _restarted(self) -> None:
        self.post.resume()
        self.things.resume()
