"""What a simulated life says of a configuration: who is woken, how often, when, and who answers how fast."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opswatch.core import calendars
from opswatch.core.effects import Entry, Record
from opswatch.core.model import Priority
from opswatch.core.roster import Rosters
from opswatch.sim.people import Part, part_of
from opswatch.sim.post import Rung
from opswatch.sim.world import World

WEEK = timedelta(days=7)
UNANSWERED_MAX = 1_000  # kept with their instants; all are counted
NIGHT_BELONGS_TO = timedelta(hours=12)  # 02:00 is the night of the day before


@dataclass(slots=True)
class PersonLine:
    """What one person went through."""

    pages: Counter[Priority] = field(default_factory=Counter)
    parts: Counter[Part] = field(default_factory=Counter)
    nights: int = 0  # in which they were woken at least once
    acknowledged: int = 0

    @property
    def total(self) -> int:
        return sum(self.pages.values())


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A ladder that ended: everybody was asked, and nobody had come."""

    incident: int
    priority: Priority
    at: datetime
    life: int


@dataclass(frozen=True, slots=True)
class Gap:
    """[start, end) in which nobody is on call, UTC; `fallback`: the roster names who is paged then."""

    roster: str
    start: datetime
    end: datetime
    fallback: bool


@dataclass(slots=True)
class Report:
    """One life from `start` to `until` (UTC), or several of the same span added up (`lives`)."""

    start: datetime
    until: datetime
    lives: int = 1
    incidents: Counter[Priority] = field(default_factory=Counter)
    weeks: list[int] = field(default_factory=list)  # incidents of each week of each life
    people: dict[str, PersonLine] = field(default_factory=dict)
    hours: Counter[int] = field(default_factory=Counter)  # pages by the local hour of whom they interrupted
    gaps: list[Gap] = field(default_factory=list)
    unanswered: list[Unanswered] = field(default_factory=list)
    unanswered_count: Counter[Priority] = field(default_factory=Counter)
    answered_s: dict[Priority, list[float]] = field(default_factory=dict)
    ended_first: Counter[Priority] = field(default_factory=Counter)  # over before anybody answered
    unattended_s: Counter[Priority] = field(default_factory=Counter)  # until somebody had it, or it was over
    silence: tuple[datetime, datetime] | None = None  # the longest without a page to anybody
    unreachable: int = 0  # times that no way to somebody worked
    repeated: int = 0  # pages that came twice, marked

    @property
    def pages(self) -> int:
        return sum(line.total for line in self.people.values())

    def add(self, other: Report) -> None:
        """Another life of the same configuration and span."""
        self.lives += other.lives
        self.incidents += other.incidents
        self.weeks += other.weeks
        self.hours += other.hours
        self.unanswered += other.unanswered[: UNANSWERED_MAX - len(self.unanswered)]
        self.unanswered_count += other.unanswered_count
        self.ended_first += other.ended_first
        self.unattended_s += other.unattended_s
        self.unreachable += other.unreachable
        self.repeated += other.repeated
        self.silence = max((one for one in (self.silence, other.silence) if one), key=_length, default=None)
        for priority, spans in other.answered_s.items():
            self.answered_s.setdefault(priority, []).extend(spans)
        for person, line in other.people.items():
            mine = self.people.setdefault(person, PersonLine())
            mine.pages += line.pages
            mine.parts += line.parts
            mine.nights += line.nights
            mine.acknowledged += line.acknowledged


def median_and_p90(values: Sequence[float]) -> tuple[float, float] | None:
    """The median, and the value that nine of ten do not exceed; None of nothing."""
    if not values:
        return None
    rising = sorted(values)
    return statistics.median(rising), rising[math.ceil(0.9 * len(rising)) - 1]


def gaps_of(rosters: Rosters, fallbacks: Iterable[tuple[str, bool]], start: datetime, until: datetime) -> list[Gap]:
    """When nobody is on call; `fallbacks` are the rosters, and whether each names a fallback."""
    return [
        Gap(roster, begins, ends, has_fallback)
        for roster, has_fallback in fallbacks
        for begins, ends in rosters.gaps(roster, (), start, until)
    ]


class Ledger:
    """Writes the report while the world lives."""

    def __init__(self, world: World, until: datetime) -> None:
        self._world = world
        plan, start = world.plan, world.now
        self.report = Report(start, until)
        self.report.people = {person: PersonLine() for person in plan.people}
        self.report.weeks = [0] * math.ceil((until - start) / WEEK)
        fallbacks = [(roster.id, bool(roster.fallback)) for roster in plan.rosters.values()]
        self.report.gaps = gaps_of(world.engine.rosters, fallbacks, start, until)
        self._is_open = True
        self._waiting: dict[int, tuple[Priority, datetime]] = {}  # incidents that nobody has answered yet
        self._nights: dict[str, object] = {}
        self._rang_at = start
        world.hears(Record, self._recorded)

    def close(self) -> None:
        """The span is over: what comes after is not in the report."""
        if self._is_open:
            self._silent_until(self.report.until)
            for waiting in self._waiting.values():
                self._was_unattended(waiting, self.report.until)
            self._is_open = False

    def rang(self, rung: Rung) -> None:
        """A page reached somebody."""
        page, report, world = rung.page, self.report, self._world
        person = world.plan.people.get(page.person)
        if not self._is_open or page.test or person is None:
            return
        line = report.people.setdefault(page.person, PersonLine())
        part = part_of(person, world.engine.rosters, tuple(world.state.overrides.values()), rung.at)
        local = calendars.reading(rung.at, person.timezone)
        line.pages[page.priority] += 1
        line.parts[part] += 1
        report.hours[local.hour] += 1
        report.repeated += rung.is_duplicate
        night = (local - NIGHT_BELONGS_TO).date()
        if part is Part.NIGHT and self._nights.get(page.person) != night:
            self._nights[page.person] = night
            line.nights += 1
        self._silent_until(rung.at)
        self._rang_at = max(self._rang_at, rung.at)

    def _silent_until(self, at: datetime) -> None:
        silence = (self._rang_at, at)
        if self.report.silence is None or _length(silence) > _length(self.report.silence):
            self.report.silence = silence

    def _recorded(self, record: Record) -> None:
        if self._is_open and (write := _WRITERS.get(record.entry.kind)) is not None:
            write(self, record.entry)

    def _triggered(self, entry: Entry) -> None:
        report = self.report
        priority = Priority[str(entry.facts["priority"])]
        report.incidents[priority] += 1
        week = (self._world.now - report.start) // WEEK
        report.weeks[min(week, len(report.weeks) - 1)] += 1
        self._waiting[entry.incident or 0] = (priority, entry.at)

    def _raised(self, entry: Entry) -> None:
        if (waiting := self._waiting.get(entry.incident or 0)) is not None:
            self._waiting[entry.incident or 0] = (Priority[str(entry.facts["priority"])], waiting[1])

    def _acknowledged(self, entry: Entry) -> None:
        self.report.people.setdefault(str(entry.by), PersonLine()).acknowledged += 1
        self._answered(entry)

    def _resolved(self, entry: Entry) -> None:
        if entry.by is not None:
            self._answered(entry)
        elif (waiting := self._waiting.pop(entry.incident or 0, None)) is not None:
            self.report.ended_first[waiting[0]] += 1
            self._was_unattended(waiting, entry.at)

    def _answered(self, entry: Entry) -> None:
        """The first word of a person: they take it, or say that it is over."""
        waiting = self._waiting.pop(entry.incident or 0, None)
        if waiting is not None:
            span = (entry.at - waiting[1]).total_seconds()
            self.report.answered_s.setdefault(waiting[0], []).append(max(0.0, span))
            self._was_unattended(waiting, entry.at)

    def _was_unattended(self, waiting: tuple[Priority, datetime], until: datetime) -> None:
        self.report.unattended_s[waiting[0]] += max(0, round((until - waiting[1]).total_seconds()))

    def _ladder_ended(self, entry: Entry) -> None:
        incident = self._world.state.incidents.get(entry.incident or 0)
        if incident is None:
            return
        self.report.unanswered_count[incident.priority] += 1
        if len(self.report.unanswered) < UNANSWERED_MAX:
            found = Unanswered(incident.number, incident.priority, self._world.now, self._world.seed)
            self.report.unanswered.append(found)

    def _unreachable(self, entry: Entry) -> None:
        self.report.unreachable += 1


_WRITERS = {
    "triggered": Ledger._triggered,
    "raised": Ledger._raised,
    "priority_set": Ledger._raised,
    "acknowledged": Ledger._acknowledged,
    "resolved": Ledger._resolved,
    "ladder_ended": Ledger._ladder_ended,
    "unreachable_person": Ledger._unreachable,
}


def _length(span: tuple[datetime, datetime]) -> timedelta:
    return span[1] - span[0]
