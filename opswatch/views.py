"""Every question: on call now, open, one incident, checks, the timeline. Plain dataclasses out, never rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from opswatch.arranged import Arranged
from opswatch.core import heartbeats
from opswatch.core import incidents as life
from opswatch.core.heartbeats import BeatRow
from opswatch.core.likely import around
from opswatch.core.model import Health, Status
from opswatch.core.norms import Norm
from opswatch.core.plan import Plan
from opswatch.core.roster import Shift
from opswatch.core.similar import Past
from opswatch.core.spans import say_span
from opswatch.core.state import Alert, Incident, Silence, Watch, alert_key
from opswatch.desk import Desk
from opswatch.pasts import Pasts
from opswatch.shown_incident import IncidentRow as IncidentRow
from opswatch.shown_incident import IncidentView as IncidentView
from opswatch.shown_incident import entry_json as entry_json
from opswatch.shown_incident import row_of
from opswatch.shown_incident import utc as utc
from opswatch.stores import MessageRow as MessageRow  # Given out: a door names it from here, and knows no store.
from opswatch.stores import Store, Stored

if TYPE_CHECKING:
    from opswatch.core.review import Review
    from opswatch.coverages import Ahead
    from opswatch.dutylogs import DutyRow
    from opswatch.paperwork import PaperRow as PaperRow
    from opswatch.paperwork import RiskRow as RiskRow
    from opswatch.stores.histories import History as History
    from opswatch.stores.samples import Point as Point

NOT_SEEN = "not looked at yet"
MONTH = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class OnCallRow:
    """Who is on call for one roster at one instant. In a gap these are the fallback's people."""

    roster: str
    at: datetime
    on_call: tuple[str, ...]
    fallback: bool
    layer: str | None
    start: datetime | None
    until: datetime | None
    next: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The format of `opswatch who --json` (SPEC 3)."""
        return {
            "roster": self.roster,
            "at": utc(self.at),
            "on_call": list(self.on_call),
            "fallback": self.fallback,
            "layer": self.layer,
            "from": utc(self.start),
            "until": utc(self.until),
            "next": list(self.next),
        }


@dataclass(frozen=True, slots=True)
class CheckRow:
    """How one check stands on one target (or one item of it)."""

    check: str
    target: str
    item: str
    health: Health | None  # confirmed; None: not looked at yet
    seen: Health | None  # as last seen, confirmed or not
    sentence: str
    seen_at: datetime | None
    fired_at: datetime | None
    quiet: str | None
    schedule: str
    notes: tuple[str, ...] = ()  # limits that judge nothing yet: "orders: learning, 9 of 28 days"

    @property
    def key(self) -> str:
        return "/".join(part for part in (self.check, self.target, self.item) if part)

    def as_json(self) -> dict[str, object]:
        return {
            "check": self.check,
            "target": self.target,
            "item": self.item or None,
            "state": str(self.health) if self.health else None,
            "seen": str(self.seen) if self.seen else None,
            "sentence": self.sentence,
            "seen_at": utc(self.seen_at),
            "since": utc(self.fired_at),
            "quiet": self.quiet,
            "schedule": self.schedule,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class StatusView:
    """The whole at a glance."""

    name: str
    node: str
    mode: str
    at: datetime
    checks: Mapping[str, int]  # ok, warn, crit, unknown, waiting
    incidents: Mapping[str, int]  # P0 … P3, open ones
    unacknowledged: int
    paused_until: datetime | None
    paused_by: str | None
    nodes: Mapping[str, datetime]  # last sign of life
    stopped: frozenset[str] = frozenset()  # those that said good-bye

    @property
    def is_alive(self) -> bool:
        """Whether any daemon gave a sign of life in the last half minute, and has not stopped since."""
        living = (seen for node, seen in self.nodes.items() if node not in self.stopped)
        return any(self.at - seen < timedelta(seconds=30) for seen in living)

    def as_json(self) -> dict[str, object]:
        nodes = {node: utc(seen) for node, seen in self.nodes.items()}
        plain = asdict(self) | {"nodes": nodes, "stopped": sorted(self.stopped)}
        return {**plain, "at": utc(self.at), "paused_until": utc(self.paused_until), "running": self.is_alive}


class Views(Arranged):
    """Answers questions. `now` gives this instant where none is asked about."""

    def __init__(self, desk: Desk, store: Store, now: Callable[[], datetime]) -> None:
        super().__init__(desk)
        self._store, self._now = store, now
        self._pasts = Pasts(store)

    @property
    def plan(self) -> Plan:
        return self._desk.engine.plan

    # rosters

    def on_call(self, roster: str | None = None, at: datetime | None = None) -> list[OnCallRow]:
        """Per roster, in the order of the file. Raises KeyError for an unknown roster."""
        at = at or self._now()
        rosters = self._desk.engine.rosters
        overrides = self.overrides()
        names = [roster] if roster is not None else list(self.plan.rosters)
        rows = []
        for name in names:
            if name not in self.plan.rosters:
                raise KeyError(name)
            now = rosters.on_call(name, overrides, at)
            following = rosters.next_people(name, overrides, at)
            rows.append(
                OnCallRow(name, at, now.people, now.fallback, now.layer, now.start, now.until, tuple(following))
            )
        return rows

    def shifts(self, roster: str, start: datetime, end: datetime) -> list[Shift]:
        """The shifts that tile `[start, end)`, gaps included. Raises KeyError for an unknown roster."""
        if roster not in self.plan.rosters:
            raise KeyError(roster)
        return self._desk.engine.rosters.shifts(roster, self.overrides(), start, end)

    def silences(self) -> list[Silence]:
        self._desk.refresh()
        with self._desk.looking() as (state, _):
            return sorted(state.silences.values(), key=lambda silence: silence.ends_at)

    # incidents

    def incidents(self, *, include_resolved: bool = False, limit: int = 500) -> list[IncidentRow]:
        """What is open, worst and oldest first; with `include_resolved` the newest of all."""
        if include_resolved:
            found = self._store.incidents(include_resolved=True, limit=limit)
        else:
            found = self.open_incidents(limit=limit)
        with self._desk.looking() as (state, _):
            return [row_of(incident, state, self.plan) for incident in found]

    def open_incidents(self, *, limit: int = 500) -> list[Incident]:
        """What is open, worst and oldest first, whole: for who says what happens next to each. What is folded into a
        storm comes last."""
        self._desk.refresh()
        with self._desk.looking() as (state, _):
            kept = [one for one in state.incidents.values() if one.status is not Status.RESOLVED]
        return sorted(kept, key=lambda one: (one.storm is not None, one.priority, one.number))[:limit]

    def incident(self, number: int) -> IncidentView | None:
        """Everything about one incident, forgotten ones included; None for a number that was never given."""
        self._desk.refresh()
        with self._desk.looking() as (state, _):
            incident = state.incidents.get(number)
            alerts = state.alerts_of(incident) if incident else []
            folded = tuple(sorted(state.folded.get(number, ())))
            incident = incident or self._store.incident(number)
            if incident is None:
                return None
            row = row_of(incident, state, self.plan)
            known = around(self.plan, state, incident, alerts)
        known = replace(known, similar=self._like(incident))
        allowed = tuple(sorted(life.word_of(kind) for kind in life.allowed(self.plan, incident)))
        entries = tuple(self._store.timeline(incident=number, limit=2000))
        messages = tuple(self._store.messages(number))
        return IncidentView(row, incident, tuple(alerts), entries, messages, allowed, self.plan, folded, known)

    def _like(self, incident: Incident) -> tuple[Past, ...]:
        """Incidents of the past that were like it, as they were read last; read first where nothing was."""
        if incident.status is Status.RESOLVED:
            return ()
        if not self._pasts.is_read:
            self._pasts.read(self._now())
        return self._pasts.like(incident, self._now())

    # checks

    def checks(self) -> list[CheckRow]:
        """Every check on every target, worst first; items that fail have a line of their own."""
        self._desk.refresh()
        with self._desk.looking() as (state, engine):
            watches = dict(state.watches)
            alerts = dict(state.alerts)
        rows = []
        for check in engine.plan.checks.values():
            schedule = _schedule(check.every, check.cron)
            for target in check.targets:
                rows.append(_check_row(check.id, target, "", watches, alerts, schedule))
        whole = {row.key for row in rows}
        for key, watch in watches.items():
            known = engine.plan.checks.get(watch.check)
            if key not in whole and known is not None and watch.target in known.targets:
                schedule = _schedule(known.every, known.cron)
                rows.append(_check_row(watch.check, watch.target, watch.item, watches, alerts, schedule))
        return sorted(rows, key=lambda row: (-(row.health or Health.OK).rank, row.key))

    def heartbeats(self) -> list[BeatRow]:
        """Scheduled jobs that report, in the order of the file."""
        self._desk.refresh()
        with self._desk.looking() as (state, engine):
            return heartbeats.rows(engine.plan, state, self._now())

    # the whole

    def status(self) -> StatusView:
        """Counts of everything, and which nodes live."""
        at = self._now()
        rows = self.checks()
        whole = [row for row in rows if not row.item or row.health is not Health.OK]
        checks = {str(health): sum(row.health is health for row in whole) for health in Health}
        checks["waiting"] = sum(row.health is None for row in whole)
        with self._desk.looking() as (state, engine):
            kept = [one for one in state.incidents.values() if one.status is not Status.RESOLVED]
            standing, plan = state.standing, engine.plan
        counts = {f"P{number}": sum(int(one.priority) == number for one in kept) for number in range(4)}
        known = self._store.nodes()
        nodes = {node: seen for node, (seen, _) in known.items()}
        stopped = frozenset(node for node, (_, facts) in known.items() if facts.get("stopped"))
        waiting = sum(one.status is Status.TRIGGERED for one in kept)
        return StatusView(
            plan.name,
            plan.node,
            plan.mode,
            at,
            checks,
            counts,
            waiting,
            standing.paused_until,
            standing.paused_by,
            nodes,
            stopped,
        )

    def samples(self, check: str, target: str, start: datetime, end: datetime, limit: int = 10_000) -> list[Point]:
        """Values that a check saw in `[start, end)`, oldest first."""
        return self._store.samples(check, target, start, end, limit)

    def measured(self, check: str, target: str) -> list[tuple[str, str, str]]:
        """(item, sample, unit) of everything that check has measured there and that is still kept."""
        return self._store.measured(check, target)

    def history(
        self,
        check: str,
        target: str,
        sample: str,
        item: str = "",
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> History:
        """What one value did in `[start, end)`, by default the last 30 days, and where it is heading. `item` is empty
        for the target as a whole. Raises KeyError for a check that the plan has not, StoreUnavailable."""
        from opswatch.stores.histories import history  # Late: who only asks who is on call needs no trends.

        now = self._now()
        end = end or now
        return history(self._store, self.plan.checks[check], target, sample, item, start or end - MONTH, end, now)

    def norms(self, check: str, target: str, at: datetime) -> Mapping[tuple[str, str], Norm]:
        """(item, sample) → how it usually is in the hour of `at`, of what the check compares with that. Raises KeyError
        for a check that the plan has not, StoreUnavailable."""
        from opswatch.stores.norms import Norms

        known = self.plan.checks[check]
        return Norms(self._store).of(known, target, self.plan.calendars.get(known.calendar or ""), at)

    def timeline(
        self, start: datetime | None = None, end: datetime | None = None, *, kinds: Iterable[str] | None = None
    ) -> list[Stored]:
        """Entries in `[start, end)`, in order."""
        return self._store.timeline(start=start, end=end, kinds=kinds)

    @property
    def ahead(self) -> Ahead:
        """Questions about the weeks ahead, and what duty costs."""
        from opswatch.coverages import Ahead

        return Ahead(self._desk, self._store, self._now)

    # duty logs

    def duty_log(
        self,
        roster: str | None = None,
        at: datetime | None = None,
        language: str | None = None,
        *,
        data_dir: Path | None = None,
    ) -> str:
        """The duty log, in Markdown, of the shift (or the day of a long one) that covers `at`, as of now: of one
        roster, or of each, one after the other. In `language`, or the plan's.

        With `data_dir` what people wrote into its file is shown too. Raises KeyError for an unknown roster, OSError and
        NotOurs (an OpswatchError) for a file that cannot be read.
        """
        from opswatch import records  # Late, as below: `opswatch who` starts without documents.
        from opswatch.dutylogs import KIND, DutyLogs
        from opswatch.render.dutylog import duty_log

        logs, now, shown = DutyLogs(self._desk, self._store), self._now(), []
        for duty in logs.at(at or now, roster):
            text = (records.Folder(data_dir, KIND).read(duty.name) if data_dir else None) or ""
            has_words = records.people_wrote(text)
            document = duty_log(logs.log(duty, now), self.plan, language=language, has_words=has_words)
            shown.append(records.for_reading(records.merged(text, document)))
        return "\n".join(shown)

    def duty_logs(self, start: datetime, end: datetime, roster: str | None = None) -> list[DutyRow]:
        """The duty logs that overlap `[start, end)`, newest first. Raises KeyError for an unknown roster."""
        from opswatch.dutylogs import DutyLogs, row_of

        if roster is not None and roster not in self.plan.rosters:
            raise KeyError(roster)
        found = DutyLogs(self._desk, self._store).between(start, end)
        rows = [row_of(duty, self._now()) for duty in found if roster in (None, duty.roster)]
        return sorted(rows, key=lambda row: row.start, reverse=True)

    def review(self, kind: str = "week", at: datetime | None = None) -> Review:
        """How duty went over the local week or month that covers `at` (default: the last that is over). A busy one
        takes seconds of Python: not for a thread of the daemon. ValueError for another kind."""
        from opswatch.reviews import Reviews

        reviews, now = Reviews(self._desk, self._store), self._now()
        return reviews.review(kind, at or reviews.last(kind, now), now)

    # paperwork

    def risks(self, *, include_closed: bool = False) -> list[RiskRow]:
        """The risk ledger: open and accepted ones, worst and first due first; with `include_closed` the newest 500 of
        all, newest first."""
        from opswatch.paperwork import Paperwork

        work, now = Paperwork(self._desk, self._store), self._now()
        return [work.risk_row(risk, now) for risk in work.risks(include_closed=include_closed)]

    def papers(self, *, include_published: bool = False) -> list[PaperRow]:
        """Post-mortems and short reviews that are owed, the first due first; with `include_published` the newest 500
        of all, newest first."""
        from opswatch.paperwork import Paperwork

        work, now = Paperwork(self._desk, self._store), self._now()
        return [work.paper_row(paper, now) for paper in work.papers(include_published=include_published)]

    def paper(self, incident: int) -> PaperRow | None:
        """The paper of an incident, whatever its stage; None where none is owed."""
        from opswatch.paperwork import Paperwork

        work = Paperwork(self._desk, self._store)
        paper = work.paper(incident)
        return work.paper_row(paper, self._now()) if paper is not None else None

    def post_mortem(self, incident: int, language: str | None = None, *, data_dir: Path | None = None) -> str | None:
        """The post-mortem of an incident in Markdown, as of now: what people wrote into its file under `data_dir`, and
        what the machine knows. In `language` or the plan's. None for an incident that there never was.

        Raises OSError and NotOurs (an OpswatchError) for a file that cannot be read.
        """
        from opswatch import records
        from opswatch.paperwork import POSTMORTEM, Paperwork
        from opswatch.render.postmortem import post_mortem

        found = Paperwork(self._desk, self._store).post_mortem(incident)
        if found is None:
            return None
        text = (records.Folder(data_dir, POSTMORTEM).read(str(incident)) if data_dir else None) or ""
        return records.for_reading(records.merged(text, post_mortem(found, self.plan, language=language)))

    def post_mortem_missing(self, incident: int, language: str, *, data_dir: Path) -> list[str] | None:
        """What is still to be written into a post-mortem, in words, by its file under `data_dir`; None while there is
        no file. Raises as `post_mortem` does."""
        from opswatch import records
        from opswatch.core.model import PaperKind
        from opswatch.paperwork import POSTMORTEM, Paperwork
        from opswatch.render import paper_form

        text = records.Folder(data_dir, POSTMORTEM).read(str(incident))
        paper = Paperwork(self._desk, self._store).paper(incident)
        if text is None:
            return None
        kind = paper.kind if paper is not None else PaperKind.POSTMORTEM
        return paper_form.missing(paper_form.read(text), kind, self.plan, language)

    def hand_over(self, roster: str, language: str | None = None) -> str:
        """What the running shift of a roster would hand over now, in Markdown, in `language` or the plan's. Raises
        KeyError for an unknown roster."""
        from opswatch import records
        from opswatch.paperwork import Paperwork
        from opswatch.render.handover import hand_over

        work, now = Paperwork(self._desk, self._store), self._now()
        found = work.hand_over(work.handing_now(roster, now), now)
        return records.for_reading(hand_over(found, self.plan, language=language).text)

    def message(self, message: str) -> MessageRow | None:
        """How one promised message stands."""
        return self._store.message(message)


def shift_json(shift: Shift) -> dict[str, object]:
    """The format of `opswatch roster show --json` (SPEC 3)."""
    return {
        "start": utc(shift.start),
        "end": utc(shift.end),
        "people": list(shift.people),
        "layer": shift.layer,
        "override": shift.override,
    }


def _schedule(every: timedelta | None, cron: str | None) -> str:
    return f"every {say_span(every)}" if every else cron or "inspections only"


def _check_row(
    check: str, target: str, item: str, watches: Mapping[str, Watch], alerts: Mapping[str, Alert], schedule: str
) -> CheckRow:
    key = alert_key(check, target, item)
    watch, alert = watches.get(key), alerts.get(key)
    quiet = str(alert.quiet) if alert is not None and alert.quiet else None
    fired_at = alert.fired_at if alert else None
    if watch is None or (watch.seen_at is None and watch.confirmed is Health.OK):
        return CheckRow(check, target, item, None, None, NOT_SEEN, None, fired_at, quiet, schedule)
    return CheckRow(
        check,
        target,
        item,
        watch.confirmed,
        watch.health,
        watch.sentence,
        watch.seen_at,
        fired_at,
        quiet,
        schedule,
        watch.notes,
    )
