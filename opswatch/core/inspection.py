"""An inspection: what one round over many checks saw, and what changed since the last one. Values in, a report out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from opswatch.core import judging, trends
from opswatch.core.calendars import previous_cron, reading
from opswatch.core.classify import Case, classify
from opswatch.core.matching import labels_of
from opswatch.core.model import Health, Priority, Sample, UnknownReason, Verdict
from opswatch.core.norms import Hour, Norm
from opswatch.core.plan import Check, Limit, Plan
from opswatch.core.state import Watch, alert_key

LINES_MAX = 2_000
READINGS_MAX = 8  # of one line
EVIDENCE_MAX = 8
TEXT_MAX = 400  # letters of one sentence or line of evidence
COURSE_DAYS = 30
WORST_MAX = 5


class Change(StrEnum):
    """What became of a line since the last run."""

    FIRST = "first"  # there is no last run
    NEW = "new"
    WORSE = "worse"
    BETTER = "better"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Course:
    """How one value went: the worst of each of the last thirty local days, oldest first, None where nothing was seen.
    `left` is the time until it breaks its limit if it goes on like this; None: nothing is to be said."""

    days: tuple[float | None, ...] = ()
    per_day: float | None = None
    left: timedelta | None = None
    limit: float | None = None

    @property
    def is_drawn(self) -> bool:
        """Whether there is enough for a sparkline."""
        return sum(day is not None for day in self.days) >= 2


@dataclass(frozen=True, slots=True)
class Reading:
    """One value with its limits as they are written; `was` is what the last run read."""

    name: str
    value: float
    unit: str = ""
    health: Health = Health.OK
    warn: str | None = None
    crit: str | None = None
    was: float | None = None
    course: Course = Course()

    @property
    def has_limit(self) -> bool:
        return self.warn is not None or self.crit is not None


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at: a check on a target, or one item of it (a mount, a unit)."""

    check: str
    target: str
    item: str
    health: Health
    sentence: str
    change: Change = Change.FIRST
    was: Health | None = None  # in the last run
    reason: UnknownReason | None = None
    priority: Priority | None = None  # of what is not ok
    bad_since: datetime | None = None  # the first run in a row that found it so
    readings: tuple[Reading, ...] = ()
    broken: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    service: str | None = None
    owner: str = ""  # `team:commerce`, or what the check's label `owner` says
    playbook: str | None = None
    why: str = ""  # why the check matters
    looks: int = 1
    bad_looks: int = 0  # of these

    @property
    def key(self) -> str:
        return alert_key(self.check, self.target, self.item)

    @property
    def soonest(self) -> Reading | None:
        """The reading that breaks its limit first, of those that are on their way there."""
        heading = [one for one in self.readings if one.course.left is not None and one.health is Health.OK]
        return min(heading, key=lambda one: one.course.left or timedelta(), default=None)


@dataclass(frozen=True, slots=True)
class Signature:
    """A person has looked at one item of the checklist. `item` counts from 1."""

    item: int
    by: str
    at: datetime
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """One run. Instants are UTC, `zone` is the inspection's own. `signatures` come later, from the timeline."""

    run: str  # its name: `2026-11-17-daily`
    inspection: str
    zone: str
    began_at: datetime
    ended_at: datetime
    node: str
    lines: tuple[Line, ...] = ()
    due_at: datetime | None = None  # None: somebody asked for it
    by: str | None = None  # who asked for it
    last_run: str | None = None
    last_at: datetime | None = None
    gone: tuple[Line, ...] = ()  # of the last run, as they were; not there any more
    checklist: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()  # `check/target`: another node sees them
    left_out: int = 0  # lines beyond what a report holds
    signatures: tuple[Signature, ...] = ()

    @property
    def bad(self) -> tuple[Line, ...]:
        """What is not ok, worst first."""
        return tuple(sorted((line for line in self.lines if line.health is not Health.OK), key=_badness))

    @property
    def worst(self) -> tuple[Line, ...]:
        return self.bad[:WORST_MAX]

    @property
    def heading(self) -> tuple[Line, ...]:
        """What is ok and on its way to a limit, soonest first."""
        found = [line for line in self.lines if line.health is Health.OK and line.soonest is not None]
        return tuple(sorted(found, key=lambda line: (_left(line), line.key)))

    def changed(self, change: Change) -> tuple[Line, ...]:
        """Lines of one kind of change, worst first."""
        return tuple(sorted((line for line in self.lines if line.change is change), key=_badness))

    @property
    def health(self) -> Health:
        """The worst of it all."""
        return max((line.health for line in self.lines), key=lambda health: health.rank, default=Health.OK)

    @property
    def unsigned(self) -> tuple[tuple[int, str], ...]:
        """Items of the checklist that nobody signed yet."""
        signed = {one.item for one in self.signatures}
        return tuple((number, text) for number, text in enumerate(self.checklist, start=1) if number not in signed)

    def counts(self) -> dict[str, int]:
        """`{"ok": 12, "warn": 1, "crit": 0, "unknown": 0}`."""
        return {str(health): sum(line.health is health for line in self.lines) for health in Health}

    def changes(self) -> dict[str, int]:
        """`{"new": 1, "worse": 0, "better": 2, "gone": 0}`; all 0 where there is no last run."""
        found = {
            str(change): sum(line.change is change for line in self.lines)
            for change in (Change.NEW, Change.WORSE, Change.BETTER)
        }
        return {**found, "gone": len(self.gone)}

    def signed(self, signatures: Iterable[Signature]) -> Report:
        """The same report with what people signed since."""
        return replace(self, signatures=tuple(signatures))


# ---------------------------------------------------------------------------------------------------------------------
# One thing that was looked at


@dataclass(frozen=True, slots=True)
class Looked:
    """What the round saw of one check on one target, after `looks` looks. `seen` is the last one; `failed` says how
    many of them found an item not ok, and `first` what the first of those said."""

    check: Check
    target: str
    verdict: Verdict
    seen: Mapping[str, judging.Seen]
    looks: int = 1
    failed: Mapping[str, int] = field(default_factory=dict)
    first: Mapping[str, judging.Seen] = field(default_factory=dict)


def looked(
    check: Check,
    target: str,
    verdict: Verdict,
    before: Mapping[str, Watch],
    earlier: Looked | None = None,
    norms: Mapping[tuple[str, str], Norm] | None = None,
) -> Looked:
    """One look, judged by the check's limits. `before` is what the check remembers of each item: hysteresis holds for
    inspections too. `earlier` are the looks of this round that came first; `norms` is how values usually are."""
    judged = judging.judge(check, verdict, before, norms or {})
    seen = {item: one for item, one in judged.items() if one is not judging.GONE_SEEN}
    failed = dict(earlier.failed) if earlier else {}
    first = dict(earlier.first) if earlier else {}
    for item, one in seen.items():
        if one.health is not Health.OK:
            failed[item] = failed.get(item, 0) + 1
            first.setdefault(item, one)
    return Looked(check, target, verdict, seen, (earlier.looks if earlier else 0) + 1, failed, first)


def wants_another(one: Looked, confirmed: Mapping[str, Health], confirm_max: int) -> bool:
    """Whether to look again before anything is said: something differs from what was confirmed before, and has not been
    seen often enough. Never more than `confirm_max` looks."""
    enough = min(confirm_max, max(one.check.confirm, one.check.recover))
    return one.looks < enough and any(
        (confirmed.get(item, Health.OK) is Health.OK) is not (seen.health is Health.OK)
        for item, seen in one.seen.items()
    )


def course(hours: Iterable[Hour], limit: Limit | None, zone: str, now: datetime) -> Course:
    """The course of one series from its hours: worst of each local day, and the time to its limit."""
    side = trends.heading_for(limit) if limit is not None else None
    finite = (hour for hour in hours if math.isfinite(hour.least) and math.isfinite(hour.most))
    daily = trends.daily(finite, zone, lowest=side is not None and not side[1])
    today = reading(now, zone).date()
    days = tuple(daily.get(today - timedelta(days=back)) for back in range(COURSE_DAYS - 1, -1, -1))
    ahead = trends.forecast(daily, side[0], rising=side[1]) if side is not None else None
    if ahead is None:
        return Course(days)
    return Course(days, ahead.slope_per_day, ahead.left, ahead.limit)


# ---------------------------------------------------------------------------------------------------------------------
# The report


Courses = Mapping[tuple[str, str, str, str], Course]  # (check, target, item, sample)


def report(
    blank: Report,
    seen: Iterable[Looked],
    plan: Plan,
    *,
    last: Report | None = None,
    courses: Courses | None = None,
) -> Report:
    """The report of a run: `blank` says which, `seen` what was looked at, `last` what the run before it said."""
    known = {line.key: line for line in last.lines} if last else {}
    lines = [line for one in seen for line in _lines(one, plan, blank, known, last is not None, courses or {})]
    blind = {(line.check, line.target) for line in lines if not line.item and line.health is Health.UNKNOWN}
    here = {line.key for line in lines}
    away = set(blank.elsewhere)
    gone = [
        line
        for key, line in known.items()
        # Where the whole look failed nothing is known of its items: they are not gone.
        if key not in here and (line.check, line.target) not in blind and f"{line.check}/{line.target}" not in away
    ]
    ordered = sorted(lines, key=lambda line: (-line.health.rank, line.check, line.target, line.item))
    return replace(
        blank,
        lines=tuple(ordered[:LINES_MAX]),
        left_out=max(0, len(ordered) - LINES_MAX),
        gone=tuple(sorted(gone, key=_badness)),
        last_run=last.run if last else None,
        last_at=last.began_at if last else None,
    )


def run_name(inspection: str, at: datetime, zone: str, *, cron: str | None = None) -> str:
    """What a run is called: `2026-11-17-daily`, the local date first. A second scheduled run of one date has its time
    (`…-1930`), one that somebody asked for (no `cron`) its seconds too."""
    local = reading(at, zone)
    day = f"{local:%Y-%m-%d}-{inspection}"
    if cron is None:
        return f"{day}-{local:%H%M%S}"
    before = previous_cron(cron, zone, at - timedelta(microseconds=1))
    is_first = before is None or reading(before, zone).date() != local.date()
    return day if is_first else f"{day}-{local:%H%M}"


def _lines(
    one: Looked, plan: Plan, blank: Report, known: Mapping[str, Line], has_last: bool, courses: Courses
) -> Iterable[Line]:
    for item, seen in one.seen.items():
        samples = [sample for sample in one.verdict.samples if sample.item == item]
        if not item and len(one.seen) > 1 and seen.health is Health.OK and not samples:
            continue  # Its items say it all.
        yield _line(one, item, seen, samples, plan, blank, known, has_last, courses)


def _line(
    one: Looked,
    item: str,
    seen: judging.Seen,
    samples: Sequence[Sample],
    plan: Plan,
    blank: Report,
    known: Mapping[str, Line],
    has_last: bool,
    courses: Courses,
) -> Line:
    check, is_ok = one.check, seen.health is Health.OK
    before = known.get(alert_key(check.id, one.target, item))
    target = plan.targets.get(one.target)
    service = target.service if target else None
    since = before.bad_since if before is not None and before.health is not Health.OK else None
    bad_looks = one.failed.get(item, 0)
    notes = seen.notes
    if is_ok and bad_looks:
        notes = (*notes, one.first[item].sentence[:TEXT_MAX])  # It came and went while we looked: that is worth a line.
    return Line(
        check=check.id,
        target=one.target,
        item=item,
        health=seen.health,
        sentence=seen.sentence[:TEXT_MAX],
        change=_change(seen.health, before, has_last),
        was=before.health if before else None,
        reason=seen.reason,
        priority=None if is_ok else _priority(plan, check, one.target, item, service, seen.health, blank.began_at),
        bad_since=None if is_ok else since or blank.began_at,
        readings=_readings(one, item, seen, samples, before, courses),
        broken=seen.broken,
        evidence=() if is_ok else tuple(text[:TEXT_MAX] for text in one.verdict.evidence[:EVIDENCE_MAX]),
        notes=notes,
        service=service,
        owner=_owner(plan, check, service),
        playbook=check.playbook,
        why=check.why if not is_ok else "",
        looks=one.looks,
        bad_looks=bad_looks,
    )


def _change(health: Health, before: Line | None, has_last: bool) -> Change:
    if not has_last:
        return Change.FIRST
    if before is None:
        return Change.NEW
    if health.rank == before.health.rank:
        return Change.SAME
    return Change.WORSE if health.rank > before.health.rank else Change.BETTER


def _readings(
    one: Looked,
    item: str,
    seen: judging.Seen,
    samples: Sequence[Sample],
    before: Line | None,
    courses: Courses,
) -> tuple[Reading, ...]:
    """Those with a limit first."""
    was = {reading.name: reading.value for reading in before.readings} if before else {}
    made = []
    for sample in sorted(samples, key=lambda sample: sample.name not in one.check.limits):
        limit = one.check.limits.get(sample.name)
        made.append(
            Reading(
                name=sample.name,
                value=sample.value,
                unit=sample.unit,
                health=seen.levels.get(sample.name, Health.OK),
                warn=limit.warn if limit else None,
                crit=limit.crit if limit else None,
                was=was.get(sample.name),
                course=courses.get((one.check.id, one.target, item, sample.name), Course()),
            )
        )
    return tuple(made[:READINGS_MAX])


def _priority(
    plan: Plan, check: Check, target: str, item: str, service: str | None, health: Health, now: datetime
) -> Priority:
    labels = labels_of(plan, check=check.id, target=target, item=item, health=str(health))
    case = Case(health, check=check.id, target=target, service=service, labels=labels)
    return classify(plan, case, now).priority


def _owner(plan: Plan, check: Check, service: str | None) -> str:
    if named := check.labels.get("owner"):
        return named
    known = plan.services.get(service or "")
    return f"team:{known.team}" if known is not None and known.team else ""


def _badness(line: Line) -> tuple[object, ...]:
    priority = 9 if line.priority is None else int(line.priority)
    return (-line.health.rank, priority, line.change is Change.SAME, line.key)


def _left(line: Line) -> timedelta:
    soonest = line.soonest
    return soonest.course.left if soonest is not None and soonest.course.left is not None else timedelta.max
