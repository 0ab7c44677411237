"""What the people of the next shift take over, as a value: what is open and what happens to it next, what ends, what is
due, what is planned. No words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from opswatch.core import calendars, quiet
from opswatch.core.dutylog import rosters_of
from opswatch.core.effects import Entry
from opswatch.core.model import RiskStatus, Status
from opswatch.core.plan import Maintenance, Plan
from opswatch.core.risks import overdue_at, ranked
from opswatch.core.roster import Rosters
from opswatch.core.state import Incident, Override, Paper, Risk, Silence

AHEAD = timedelta(hours=24)
RISKS_AHEAD = timedelta(days=7)
PAPERS_AHEAD = timedelta(hours=48)
SHIFT_MAX = timedelta(days=7)  # of the coming shift, as far as overrides are looked at
OCCURRENCES_MAX = 10  # of one maintenance window


@dataclass(frozen=True, slots=True)
class Handing:
    """The instant at which other people are on call for a roster. In a gap they are the fallback's, or nobody."""

    roster: str
    zone: str
    at: datetime
    people: tuple[str, ...]  # whose shift ends
    to: tuple[str, ...]  # whose begins
    until: datetime | None  # its end; None when that is more than four years away
    is_gap: bool = False

    @property
    def name(self) -> str:
        """Its file, without `.md`: `2026-11-16-primary-0900`, local to the roster."""
        local = calendars.reading(self.at, self.zone)
        return f"{local:%Y-%m-%d}-{self.roster}-{local:%H%M}"


@dataclass(frozen=True, slots=True)
class Item:
    """An open incident, and what happens to it next unless somebody acts. `step`: climbs | nobody | ack_ends | owned |
    promised | snoozed | held | digest; `at` is when."""

    incident: Incident
    step: str
    at: datetime | None
    last_note: Entry | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """An occurrence of a maintenance window, [start, end), UTC."""

    window: Maintenance
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class HandOver:
    """What one hand-over says, as things stood at `now`."""

    handing: Handing
    now: datetime
    items: tuple[Item, ...]
    silences: tuple[Silence, ...]
    paused_until: datetime | None
    risks: tuple[Risk, ...]
    papers: tuple[Paper, ...]
    planned: tuple[Planned, ...]
    overrides: tuple[Override, ...]
    notes: tuple[Entry, ...]

    @property
    def is_calm(self) -> bool:
        """Nothing at all to take over."""
        lists = (self.items, self.silences, self.risks, self.papers, self.planned, self.overrides, self.notes)
        return self.paused_until is None and not any(lists)


def handings(
    rosters: Rosters, plan: Plan, overrides: Iterable[Override], start: datetime, end: datetime
) -> list[Handing]:
    """Every instant in (start, end] at which other people come on call, roster by roster, in order."""
    ours = tuple(overrides)
    found = []
    for roster in plan.rosters.values():
        shifts = rosters.shifts(roster.id, ours, start, end + timedelta.resolution)
        for before, after in pairwise(shifts):
            if set(before.people) != set(after.people):
                found.append(_handing(rosters, roster.id, roster.timezone, ours, after.start))
    return found


def handing_now(rosters: Rosters, plan: Plan, overrides: Iterable[Override], roster: str, now: datetime) -> Handing:
    """As if the shift that runs were handed over now, to whoever is next. KeyError for an unknown roster."""
    ours = tuple(overrides)
    known = plan.rosters[roster]
    running = rosters.on_call(roster, ours, now)
    coming = rosters.on_call(roster, ours, running.until) if running.until is not None else running
    return Handing(roster, known.timezone, now, running.people, coming.people, coming.until, coming.fallback)


def hand_over(
    handing: Handing,
    plan: Plan,
    now: datetime,
    *,
    incidents: Iterable[Incident],
    silences: Iterable[Silence],
    overrides: Iterable[Override],
    risks: Iterable[Risk],
    papers: Iterable[Paper],
    paused_until: datetime | None = None,
    last_notes: Mapping[int, Entry] | None = None,
    notes: Iterable[Entry] = (),
) -> HandOver:
    """What the next people take over. `last_notes` gives the newest note of an incident; `notes` are the lines that
    the last shift wrote into its duty log."""
    ours = [one for one in incidents if one.status is not Status.RESOLVED and _concerns(one, handing, plan)]
    ours.sort(key=lambda one: (one.priority, one.number))
    known = last_notes or {}
    ends = min(handing.until or now + SHIFT_MAX, now + SHIFT_MAX)
    owed = [paper for paper in papers if not paper.is_published and paper.due_at <= now + PAPERS_AHEAD]
    return HandOver(
        handing=handing,
        now=now,
        items=tuple(Item(one, *next_step(one, plan), known.get(one.number)) for one in ours),
        silences=tuple(sorted(_ending(silences, now), key=lambda one: one.ends_at)),
        paused_until=paused_until if paused_until is not None and paused_until > now else None,
        risks=tuple(ranked(risk for risk in risks if _is_due(plan, risk, now))),
        papers=tuple(sorted(owed, key=lambda paper: (paper.due_at, paper.incident))),
        planned=tuple(maintenance_ahead(plan, now, now + AHEAD)),
        overrides=tuple(
            one for one in overrides if one.roster == handing.roster and one.end > handing.at and one.start < ends
        ),
        notes=tuple(notes),
    )


def next_step(incident: Incident, plan: Plan) -> tuple[str, datetime | None]:
    """What happens to an open incident unless somebody acts, and when."""
    if incident.snoozed_until is not None:
        return "snoozed", incident.snoozed_until
    if incident.held_until is not None:
        return "held", incident.held_until
    if incident.promised_for is not None:
        return "promised", incident.promised_for
    if incident.status is Status.ACKNOWLEDGED:
        return ("ack_ends", incident.ack_until) if incident.ack_until is not None else ("owned", None)
    if plan.rule(incident.priority).interrupt == "never":
        return "digest", incident.wake_at
    return ("climbs", incident.level_until) if incident.level_until is not None else ("nobody", incident.wake_at)


def maintenance_ahead(plan: Plan, start: datetime, end: datetime) -> list[Planned]:
    """Maintenance that runs or begins in [start, end), in order; at most ten occurrences of one window."""
    found = [planned for window in plan.maintenance for planned in _occurrences(window, start, end)]
    return sorted(found, key=lambda planned: (planned.start, planned.window.id))


# ---------------------------------------------------------------------------------------------------------------------


def _handing(rosters: Rosters, roster: str, zone: str, overrides: tuple[Override, ...], at: datetime) -> Handing:
    before = rosters.on_call(roster, overrides, at - timedelta.resolution)
    after = rosters.on_call(roster, overrides, at)
    return Handing(roster, zone, at, before.people, after.people, after.until, after.fallback or not after.people)


def _concerns(incident: Incident, handing: Handing, plan: Plan) -> bool:
    """By its policy, or because people of either shift are in it. What belongs to no roster is everybody's."""
    if len(plan.rosters) == 1:
        return True
    people: Collection[str] = {*handing.people, *handing.to}
    if incident.owner in people or any(person in people for person, _ in incident.paged):
        return True
    named = rosters_of(plan, incident.policy)
    return not named or handing.roster in named


def _ending(silences: Iterable[Silence], now: datetime) -> list[Silence]:
    return [one for one in silences if now < one.ends_at <= now + AHEAD]


def _is_due(plan: Plan, risk: Risk, now: datetime) -> bool:
    """Overdue, or due within a week; an acceptance that ends within it, too."""
    if risk.status is RiskStatus.ACCEPTED:
        return risk.accepted_until is not None and risk.accepted_until <= now + RISKS_AHEAD
    at = overdue_at(plan, risk)
    return at is not None and at <= now + RISKS_AHEAD


def _occurrences(window: Maintenance, start: datetime, end: datetime) -> list[Planned]:
    if window.start is not None and window.end is not None:
        return [Planned(window, window.start, window.end)] if window.start < end and window.end > start else []
    if window.cron is None or window.lasts is None:
        return []
    found = []
    if (running := quiet.maintenance_end(window, start)) is not None:
        found.append(Planned(window, running - window.lasts, running))
    at = calendars.next_cron(window.cron, window.timezone, start)
    while at is not None and at < end and len(found) < OCCURRENCES_MAX:
        found.append(Planned(window, at, at + window.lasts))
        at = calendars.next_cron(window.cron, window.timezone, at)
    return found
