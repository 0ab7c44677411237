"""What people have arranged about shifts: overrides, who is away, who asks for a cover, what that leaves open."""

from __future__ import annotations

from datetime import datetime

from opswatch.core.absences import Conflict, conflicts
from opswatch.core.state import Absence, Cover, Override
from opswatch.desk import Desk


class Arranged:
    """The part of `Views` that answers these."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def overrides(self) -> tuple[Override, ...]:
        self._desk.refresh()
        with self._desk.looking() as (state, _):
            return tuple(state.overrides.values())

    def absences(self) -> list[Absence]:
        """All that are kept, the first to begin first."""
        self._desk.refresh()
        with self._desk.looking() as (state, _):
            return sorted(state.absences.values(), key=lambda one: (one.start, one.id))

    def covers(self) -> list[Cover]:
        """Requests that somebody take a shift, those of the last weeks that are over too."""
        self._desk.refresh()
        with self._desk.looking() as (state, _):
            return sorted(state.covers.values(), key=lambda one: (one.start, one.id))

    def conflicts(self, start: datetime, end: datetime) -> list[Conflict]:
        """Shifts in [start, end) of people who are away then."""
        self._desk.refresh()
        with self._desk.looking() as (state, engine):
            overrides, absences = tuple(state.overrides.values()), tuple(state.absences.values())
        return conflicts(engine.plan, engine.rosters, overrides, absences, start, end)
