"""Sees every step of a world and says which law it broke.

Looking at everything after every step would be slow: after each step it looks at what that step touched (the incidents,
alerts and pages it changed, the entries it wrote), and at the whole state, by the laws as `sim/laws.py` writes them,
each `WHOLE_EVERY` steps and at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from opswatch.core import mercy
from opswatch.core.changes import Changes, State
from opswatch.core.effects import Effect, Entry, Page, Record
from opswatch.core.events import Event, Tick
from opswatch.core.model import Status
from opswatch.core.timeline import Book, line_of, replay
from opswatch.errors import OpswatchError
from opswatch.sim import laws

if TYPE_CHECKING:
    from opswatch.sim.world import World

WHOLE_EVERY = 2_000
POST_PATIENCE = timedelta(minutes=10)


class LawBroken(OpswatchError):
    """A simulated step broke a law of on-call. `at` is the true instant, UTC."""

    def __init__(self, seed: int, at: datetime, event: Event | None, broken: Sequence[str]) -> None:
        self.seed, self.at, self.event, self.broken = seed, at, event, tuple(broken)
        said = "".join(f"\n  {one}" for one in broken)
        after = f" after {event}" if event is not None else ""
        super().__init__(f"seed {seed}, {at.isoformat()}: a law is broken{after}{said}")


class Witness:
    """Keeps the book of the timeline, and the page ids of what is open."""

    def __init__(self) -> None:
        self.book = Book()
        self.steps = 0
        self.looks_whole = 0
        self._page_ids: dict[int, set[str]] = {}
        self._rang: list[Page] = []  # of the last hour

    def saw(self, world: World, event: Event, changes: Changes, effects: Sequence[Effect], now: datetime) -> None:
        """Look at one step. Raises LawBroken."""
        self.steps += 1
        entries = [effect.entry for effect in effects if isinstance(effect, Record)]
        pages = [effect for effect in effects if isinstance(effect, Page)]
        replay(entries, self.book)
        broken = self._touched(world, changes, entries)
        if pages:
            broken += self._promised(world, entries, pages, now)
        if isinstance(event, Tick):
            broken += laws.what_was_due_is_done(world.engine.next_deadline(world.state), now)
        if self.steps % WHOLE_EVERY == 0:
            broken += self.whole(world, now)
        if broken:
            raise LawBroken(world.seed, world.now, event, broken)

    def whole(self, world: World, now: datetime) -> list[str]:
        """Everything at once, by the laws as they are written."""
        self.looks_whole += 1
        state = world.state
        broken = laws.the_log_is_the_truth(state, (), self.book)
        broken += laws.acknowledgements_are_honoured(state)
        broken += laws.every_alert_is_somebodys(state)
        broken += laws.the_worst_counts(state)
        broken += laws.somebody_is_being_asked(world.plan, state.incidents.values())
        due = world.engine.next_deadline(state)
        if due is None or due > now:  # A late tick is still to come otherwise.
            broken += laws.told_is_true(state, now) + laws.nobody_is_forgotten(state, now)
            broken += laws.quiet_has_a_reason(world.plan, state, now)
        return broken

    def _touched(self, world: World, changes: Changes, entries: Iterable[Entry]) -> list[str]:
        """Laws 1, 3 and 7 on what this step changed."""
        state, broken = world.state, []
        numbers = {entry.incident for entry in entries if entry.incident is not None} | set(changes.incidents)
        for number in sorted(numbers):
            broken += self._same_line(state, number)
        for key in changes.alerts:
            alert = state.alerts.get(key)
            said = self.book.announced.get(key, "never fired")
            so = "never fired" if alert is None else str(alert.announced) if alert.announced else None
            if said != so:
                broken.append(f"announced: of {key} the timeline says {said}, the state {so}")
        for number, incident in changes.incidents.items():
            if incident is None:
                self.book.incidents.pop(number, None)
                self._page_ids.pop(number, None)
        changed = [incident for incident in changes.incidents.values() if incident is not None]
        broken += laws.acknowledgements_are_honoured(state, changed)
        broken += laws.somebody_is_being_asked(world.plan, changed)
        if changes.silences or changes.overrides or changes.absences or changes.covers or changes.standing:
            broken += self._same_arrangements(state)
        return broken

    def _same_line(self, state: State, number: int) -> list[str]:
        incident, line = state.incidents.get(number), self.book.incidents.get(number)
        told = line if line is not None and line.status != Status.RESOLVED else None
        so = line_of(incident) if incident is not None and incident.status is not Status.RESOLVED else None
        return [] if told == so else [f"incident {number}: the timeline says {told}, the state {so}"]

    def _same_arrangements(self, state: State) -> list[str]:
        book, is_paused = self.book, state.standing.paused_until is not None
        asked = {number for number, one in state.covers.items() if one.is_open}
        told = (book.silences, book.overrides, book.absences, book.covers, book.is_paused)
        so = (set(state.silences), set(state.overrides), set(state.absences), asked, is_paused)
        return [] if told == so else [f"arranged: the timeline says {told}, the state {so}"]

    def _promised(self, world: World, entries: Sequence[Entry], pages: Sequence[Page], now: datetime) -> list[str]:
        """Laws 2 and 3 on new pages; and no rung is promised twice."""
        broken = laws.nobody_is_surprised(world.plan, pages) + laws.loudness_is_honoured(pages)
        broken += laws.pages_follow_the_roster(
            world.engine.rosters, world.state.overrides.values(), entries, pages, now
        )
        broken += laws.acknowledged_is_left_alone(world.plan, world.state, pages)
        broken += laws.quiet_is_honoured(world.state, pages)
        broken += laws.reserves_are_asked_in_vain(world.plan, world.state, pages)
        broken += self._mercy(world, pages, now)
        for page in pages:
            known = self._page_ids.setdefault(page.incident, set())
            if page.id in known:
                broken.append(f"page {page.id} is promised twice")
            known.add(page.id)
        return broken

    def _mercy(self, world: World, pages: Sequence[Page], now: datetime) -> list[str]:
        """Law 8 on new pages, with those of the hour before."""
        self._rang = [page for page in self._rang if page.at is not None and now - mercy.HOUR < page.at <= now]
        self._rang += pages
        new = {page.id for page in pages}
        broken = laws.mercy_is_bounded(world.plan.pages_per_hour_max, self._rang)
        return [one for one in broken if one.split()[1] in new]
