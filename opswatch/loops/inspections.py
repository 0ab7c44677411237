"""Inspections run on schedule: each due instant once, by whichever node is first; what was missed is caught up once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from opswatch import logs, metrics
from opswatch.config import Inspection
from opswatch.core import calendars, risks
from opswatch.core.events import Event, Inspected, RiskGone
from opswatch.core.inspection import Course, Line, Looked, Report, course, report, run_name
from opswatch.core.model import Health, Priority, Severity
from opswatch.core.norms import Hour
from opswatch.core.plan import Plan
from opswatch.desk import Desk
from opswatch.errors import OpswatchError
from opswatch.inspections import SIGNED, Files, Reports
from opswatch.loops import Loop
from opswatch.loops.rounds import Notice, Round, Stopped, wanted
from opswatch.stores import Store

log = logs.get("loops.inspections")

HISTORY = timedelta(days=30)
LEASE = timedelta(minutes=5)  # kept while the round runs
LEASE_KEPT_EVERY = timedelta(minutes=1)
AGAIN = timedelta(minutes=1)  # another node has the lease: has it finished?
UNTOLD_MAX = timedelta(days=1)
FAR = timedelta(days=365)
NAP_S = 1.0
SIGNED_MAX = 1_000
SIGNED_BACK = timedelta(days=1)
LATE = timedelta(seconds=10)  # another node's commit may be decided before and seen after


class Inspector:
    """Runs an inspection: looks, compares, keeps the report, and says so. Used by the loop and by the command line."""

    def __init__(self, desk: Desk, store: Store, data_dir: Path, now: Callable[[], datetime]) -> None:
        self._desk, self._store, self._now = desk, store, now
        self.files, self.reports = Files(desk, data_dir), Reports(desk, store)

    def run(
        self,
        inspection: Inspection,
        a_round: Round,
        *,
        due_at: datetime | None = None,
        by: str | None = None,
        is_told: bool = True,
    ) -> Report:
        """One run, from the first look to its files. `is_told`: a round for everybody; else somebody's own look, which
        is kept and changes no alert. When another node was first, its report is given. Raises Stopped,
        StoreUnavailable.
        """
        self._desk.refresh()
        plan = self._desk.engine.plan
        pairs, elsewhere = wanted(plan, inspection.checks)
        began = self._now()
        cron = inspection.cron if due_at is not None else None
        name = run_name(inspection.id, due_at or began, inspection.timezone, cron=cron)
        seen = a_round.go(pairs)
        blank = Report(
            run=name,
            inspection=inspection.id,
            zone=inspection.timezone,
            began_at=began,
            ended_at=self._now(),
            node=plan.node,
            due_at=due_at,
            by=by,
            checklist=inspection.checklist,
            elsewhere=tuple(elsewhere),
        )
        last = self._store.last_inspection(inspection.id, began, told=is_told)
        found = report(blank, seen, plan, last=last, courses=self._courses(seen, inspection.timezone))
        kept = self._keep(found, self._now() if is_told else None)
        if kept is None:
            return self.reports.report(name) or found
        found = kept
        metrics.inspections_total.labels(inspection=inspection.id, health=str(found.health)).inc()
        metrics.inspection_duration_seconds.labels(inspection=inspection.id).set(
            (found.ended_at - found.began_at).total_seconds()
        )
        self._tell(found, inspection.deliver if is_told else ())
        if is_told:
            self._feed_ledger(found, last)
        self.write(found)
        return found

    def _keep(self, found: Report, told_at: datetime | None) -> Report | None:
        """The report as it was kept; None when another node ran it first. Two people may ask in the same second."""
        names = [found.run] if found.due_at is not None else [found.run, *(f"{found.run}-{n}" for n in range(2, 10))]
        for name in names:
            named = replace(found, run=name)
            if self._store.keep_inspection(named, told_at):
                return named
        return None

    def finish(self, inspections: Sequence[Inspection], now: datetime) -> None:
        """Runs that were kept and never told, because their node died in between."""
        deliver = {inspection.id: inspection.deliver for inspection in inspections}
        with self._desk.looking() as (state, _):
            known = set(state.standing.runs)
        for row in self._store.inspections(limit=20):
            if row.told_at is None or row.run in known or now - row.began_at > UNTOLD_MAX:
                continue
            if (found := self._store.inspection(row.run)) is not None:
                self._tell(found, deliver.get(row.inspection, ()))
                self.write(found)

    def write(self, found: Report) -> bool:
        """The files of a report. Without a disk to write to the report is in the store all the same."""
        try:
            self.files.write(found)
        except (OSError, OpswatchError) as trouble:
            log.error("report not written", run=found.run, reason=str(trouble))
            return False
        return True

    def _tell(self, found: Report, deliver: tuple[str, ...]) -> None:
        """Over the desk: the timeline, the channels, the checklist to sign."""
        event = Inspected(
            run=found.run,
            inspection=found.inspection,
            node=found.node,
            counts=found.counts(),
            changes=found.changes(),
            took_s=round((found.ended_at - found.began_at).total_seconds(), 1),
            due_at=found.due_at,
            by=found.by,
            checklist=len(found.checklist),
            deliver=deliver,
        )
        self._desk.apply(event)
        log.info("inspected", run=found.run, **found.counts())

    def _feed_ledger(self, found: Report, last: Report | None) -> None:
        """What interrupts nobody goes to the ledger of risks: findings of P3, and what is on its way to a limit. What
        is there no more is closed in it."""
        now, plan = self._now(), self._desk.engine.plan
        events = [finding(plan, line, now, found.inspection) for line in _for_ledger(found)]
        there = {risk_key(line) for line in _for_ledger(found)}
        unseen = {(line.check, line.target) for line in found.lines if line.health is Health.UNKNOWN}
        gone = [
            RiskGone(risk_key(line), f"{found.run}")
            for line in (_for_ledger(last) if last else ())
            if risk_key(line) not in there and (line.check, line.target) not in unseen
        ]
        if events or gone:
            self._desk.apply_many([*events, *gone])

    def _courses(self, seen: Sequence[Looked], zone: str) -> dict[tuple[str, str, str, str], Course]:
        """Thirty days of every value that has a limit. History that cannot be read is no reason for no report."""
        now = self._now()
        found: dict[tuple[str, str, str, str], Course] = {}
        for one in seen:
            for name in {sample.name for sample in one.verdict.samples if sample.name in one.check.limits}:
                try:
                    hours = self._store.hours(one.check.id, one.target, now - HISTORY, now, name)
                except OpswatchError as trouble:
                    log.warning("history not read", check=one.check.id, target=one.target, reason=str(trouble))
                    continue
                for sample in one.verdict.samples:
                    if sample.name == name:
                        ours = [hour for hour in hours if hour.item == sample.item]
                        ours.append(Hour(now, name, sample.value, sample.value, sample.value, 0.0, 1))
                        key = (one.check.id, one.target, sample.item, name)
                        found[key] = course(ours, one.check.limits[name], zone, now)
        return found


class Inspections(Loop):
    """Rings for every `[[inspection]]`, in its own zone. One at a time: a round looks at many things at once."""

    name = "inspections"

    def __init__(
        self,
        desk: Desk,
        store: Store,
        data_dir: Path,
        now: Callable[[], datetime],
        node: str,
        inspections: Sequence[Inspection],
        *,
        make_round: Callable[[Notice, threading.Event], Round] | None = None,
    ) -> None:
        super().__init__()
        self._desk, self._store, self._now, self._node = desk, store, now, node
        self._inspector = Inspector(desk, store, data_dir, now)
        self._make_round = make_round or self._round
        self._inspections = tuple(inspections)
        self._since: dict[str, datetime] = {}  # since when an inspection is known: nothing before it was missed
        self._wake: dict[str, datetime] = {}
        self._version: int | None = None
        self._signed_since: datetime | None = None
        self._signed_until = 0
        self._is_new = True

    def reload(self, inspections: Sequence[Inspection]) -> None:
        """Other rounds from now on. One that is new was not missed before it was written."""
        now = self._now()
        for inspection in inspections:
            if all(inspection.id != known.id for known in self._inspections):
                self._since[inspection.id] = now
        self._inspections = tuple(inspections)
        self._wake = {}

    def turn(self) -> None:
        self.keep()
        self.stopping.wait(NAP_S)

    def keep(self) -> None:
        """One look at the clock: run what is due, and bring signatures into the files."""
        now = self._now()
        if self._is_new:
            self._inspector.finish(self._inspections, now)
            self._is_new = False
        for inspection in self._inspections:
            if now >= self._wake.get(inspection.id, now):
                self._wake[inspection.id] = self._look_at(inspection, now)
        self._keep_signatures()

    def _look_at(self, inspection: Inspection, now: datetime) -> datetime:
        """Run it if it is due; when to look again."""
        due = self._due(inspection, now)
        if due is not None and not self._ran(inspection, due):
            return now + AGAIN
        return self._next(inspection)

    def _due(self, inspection: Inspection, now: datetime) -> datetime | None:
        """The newest instant it should have run for and did not. However many were missed, it is one."""
        due = calendars.previous_cron(inspection.cron, inspection.timezone, now)
        if due is None:
            return None
        last = self._store.last_due(inspection.id)
        if last is not None:
            return due if due > last else None
        return due if due >= self._known_since(inspection.id, now) else None

    def _known_since(self, inspection: str, now: datetime) -> datetime:
        """For one that never ran: since this installation writes anything down, or since it was added."""
        if inspection not in self._since:
            first = self._store.timeline(limit=1)
            self._since[inspection] = first[0].entry.at if first else now
        return self._since[inspection]

    def _next(self, inspection: Inspection) -> datetime:
        now = self._now()
        try:
            return calendars.next_cron(inspection.cron, inspection.timezone, now)
        except ValueError:  # Not within fifty years.
            return now + FAR

    def _ran(self, inspection: Inspection, due: datetime) -> bool:
        """Run it for `due`, if no other node is at it. False: look again later whether it did."""
        lease = f"inspection/{inspection.id}/{due:%Y%m%dT%H%M%SZ}"
        if not self._store.lease(lease, self._node, self._now(), LEASE):
            return False
        kept_at = self._now()

        def notice(done: int, total: int, words: str) -> None:
            nonlocal kept_at
            if self._now() - kept_at > LEASE_KEPT_EVERY:
                kept_at = self._now()
                self._store.lease(lease, self._node, kept_at, LEASE)

        try:
            self._inspector.run(inspection, self._make_round(notice, self.stopping), due_at=due)
        except Stopped:
            return False
        return True

    def _round(self, notice: Notice, stopping: threading.Event) -> Round:
        return Round(self._desk, self._store, self._now, is_real=True, notice=notice, stopping=stopping)

    # signatures

    def _keep_signatures(self) -> None:
        """What people signed since comes into the files."""
        version, now = self._desk.version, self._now()
        if version == self._version:
            return
        stored = self._store.timeline(start=self._signed_since or now - SIGNED_BACK, kinds=(SIGNED,), limit=SIGNED_MAX)
        new = [one for one in stored if one.position > self._signed_until]
        self._version, self._signed_since = version, now - LATE
        self._signed_until = stored[-1].position if stored else self._signed_until
        for run in dict.fromkeys(str(one.entry.facts.get("run")) for one in new):
            found = self._inspector.reports.report(run)
            if found is not None and self._inspector.files.of(run).markdown.exists():
                self._inspector.write(found)


# ---------------------------------------------------------------------------------------------------------------------
# The ledger


def risk_key(line: Line) -> str:
    """Under which the ledger knows a finding: the same at every run."""
    return f"inspection/{line.key}"


def finding(plan: Plan, line: Line, now: datetime, inspection: str) -> Event:
    """What the ledger is told of one line."""
    soonest = line.soonest
    evidence: tuple[str, ...]
    if line.health is Health.OK and soonest is not None and soonest.course.left is not None:
        days = soonest.course.left / timedelta(days=1)
        title = f"{line.key}: {soonest.name} reaches its limit in {days:.0f} days"
        severity = Severity.MEDIUM if days <= 14 else Severity.LOW
        evidence = (f"{soonest.name} {soonest.value:g} {soonest.unit}, {soonest.course.per_day or 0:+.3g} a day",)
    else:
        title, severity, evidence = f"{line.key}: {line.sentence}", Severity.LOW, (*line.broken, *line.evidence)
    return risks.from_finding(
        plan,
        now,
        key=risk_key(line),
        title=title,
        severity=severity,
        source=f"inspection:{inspection}",
        service=line.service,
        target=line.target,
        check=line.check,
        evidence=evidence,
    )


def _for_ledger(found: Report) -> list[Line]:
    quiet = [line for line in found.lines if line.health.is_bad and line.priority is Priority.P3]
    return [*quiet, *found.heading]
