"""The duty log: what the timeline says of one shift, or of one day of a long one, as a value. No words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from opswatch.core.duties import Duty, duties, duty_at, log_spans
from opswatch.core.dutycase import DEEDS, PAGES, Case, Tally
from opswatch.core.effects import Entry
from opswatch.core.model import Status
from opswatch.core.plan import Plan

__all__ = [
    "AHEAD",
    "CLOSED",
    "KINDS",
    "RUNNING",
    "Duty",
    "DutyLog",
    "Failure",
    "Line",
    "NotMonitored",
    "OfPerson",
    "duties",
    "duty_at",
    "duty_log",
    "log_spans",
    "not_monitored",
]

CHANGES = frozenset(
    {
        "silence_added",
        "silence_expired",
        "override_added",
        "override_removed",
        "paused",
        "unpaused",
        "reloaded",
        "page_test",
    }
)
INSPECTIONS = frozenset({"inspected", "inspection_signed"})
OTHERS = frozenset({"triggered", "acknowledged", "message_failed", "duty_note", "node_started"})
KINDS = DEEDS | PAGES | CHANGES | INSPECTIONS | OTHERS
"""Kinds of entries that a duty log reads; the others may be left in the store."""

AHEAD, RUNNING, CLOSED = "ahead", "running", "closed"
NOT_MONITORED_MIN = timedelta(seconds=30)  # A restart takes less.


@dataclass(frozen=True, slots=True)
class Line:
    """One incident, as it stood when the log ends. Instants are UTC. `deeds` are entries of this shift, in order."""

    number: int
    title: str
    service: str | None
    priority: str
    status: Status
    owner: str | None
    opened_at: datetime | None
    opened_by: str | None  # the person who reported it; None: a check saw it
    acked_at: datetime | None  # the first time
    acked_by: str | None
    resolved_at: datetime | None
    resolved_by: str | None  # None: it recovered
    paged: tuple[str, ...]  # in order, those of earlier shifts too
    deeds: tuple[Entry, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.status is not Status.RESOLVED


@dataclass(frozen=True, slots=True)
class OfPerson:
    """The pages of one person. `answers` are spans from the first page about an incident to their acknowledgement;
    `passed`: how often the ladder climbed on because they had not answered in time."""

    person: str
    pages: int = 0
    delivered: int = 0
    answers: tuple[timedelta, ...] = ()
    passed: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """One way to one person or channel that failed, for one reason, `times` times. `outcome`: `given_up`, `delivered`
    (a later try arrived), or `waiting`."""

    person: str | None
    channel: str
    reason: str
    times: int
    first_at: datetime
    outcome: str


@dataclass(frozen=True, slots=True)
class NotMonitored:
    """A node was down for [start, end), cut to the log."""

    node: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class DutyLog:
    """What one duty log says. `incidents` are those in which something happened, `open_items` all that were open at the
    end (or are, while it runs); both worst first."""

    duty: Duty
    stage: str  # ahead | running | closed
    incidents: tuple[Line, ...]
    open_items: tuple[Line, ...]
    people: tuple[OfPerson, ...]
    failures: tuple[Failure, ...]
    changes: tuple[Entry, ...]
    notes: tuple[Entry, ...]
    not_monitored: tuple[NotMonitored, ...]
    inspections: tuple[Entry, ...] = ()
    is_observing: bool = False  # mode observe: pages were decided and not sent
    is_cut: bool = False  # more happened than was read

    @property
    def is_over(self) -> bool:
        return self.stage == CLOSED

    @property
    def has_notes(self) -> bool:
        """Whether a person wrote anything, on the shift or on an incident."""
        return bool(self.notes) or any(deed.kind == "noted" for line in self.incidents for deed in line.deeds)

    @property
    def is_blank(self) -> bool:
        """Nothing to tell: no log is kept of a gap like that. A round that ran by itself is in its own report."""
        return not (self.incidents or self.failures or self.changes or self.notes or self.not_monitored)


def duty_log(
    entries: Iterable[Entry],
    duty: Duty,
    plan: Plan,
    *,
    before: Iterable[Entry] = (),
    after: Iterable[Entry] = (),
    stage: str = CLOSED,
    is_cut: bool = False,
) -> DutyLog:
    """The log of `duty` from the timeline's `entries`; those outside [start, end) are passed over.

    `before` are older entries of incidents that were open when it began, or that were touched in it: they give title,
    priority and who was paged. `after` are `node_started` entries that follow it: a node that was down over its end.
    With several rosters an incident stands in the logs of those it concerned: by its policy, its pages or its people.
    """
    inside = [entry for entry in entries if duty.start <= entry.at < duty.end and entry.kind in KINDS]
    cases = _cases(before, inside)
    ours = [case for case in cases.values() if _concerns(case, duty, plan)]
    numbers = {case.number for case in ours}
    ranked = sorted(ours, key=lambda case: (case.priority, case.number))
    return DutyLog(
        duty=duty,
        stage=stage,
        incidents=tuple(_line(case) for case in ranked if case.is_touched),
        open_items=tuple(_line(case) for case in ranked if case.status is not Status.RESOLVED),
        people=_people(ours, duty),
        failures=_failures(entry for entry in inside if entry.incident is None or entry.incident in numbers),
        changes=tuple(entry for entry in inside if entry.kind in CHANGES and _is_about(entry, duty)),
        notes=tuple(entry for entry in inside if entry.kind == "duty_note"),
        not_monitored=not_monitored([*inside, *after], duty.start, duty.end),
        inspections=tuple(entry for entry in inside if entry.kind in INSPECTIONS),
        is_observing=plan.mode == "observe",
        is_cut=is_cut,
    )


# ---------------------------------------------------------------------------------------------------------------------
# Incidents


def _cases(before: Iterable[Entry], inside: Iterable[Entry]) -> dict[int, Case]:
    cases: dict[int, Case] = {}
    for entries, is_inside in ((before, False), (inside, True)):
        for entry in entries:
            if entry.incident:
                cases.setdefault(entry.incident, Case(entry.incident)).take(entry, is_inside=is_inside)
    return cases


def _concerns(case: Case, duty: Duty, plan: Plan) -> bool:
    if duty.roster is None or len(plan.rosters) == 1 or duty.roster in case.rosters:
        return True
    if not case.who.isdisjoint(duty.people):
        return True
    named = rosters_of(plan, case.policy)
    # What nobody's roster is named for is everybody's: it must not be missing from all logs.
    return duty.roster in named if named else not case.rosters


def rosters_of(plan: Plan, policy: str) -> set[str]:
    """The rosters that a policy pages: `roster:primary/next` is `primary`."""
    known = plan.policies.get(policy)
    if known is None:
        return set()
    targets = [*(target for level in known.levels for target in level.page), *known.fallback]
    split = (target.partition(":") for target in targets)
    return {what.partition("/")[0] for kind, _, what in split if kind == "roster"}


def _line(case: Case) -> Line:
    return Line(
        number=case.number,
        title=case.title,
        service=case.service,
        priority=case.priority,
        status=case.status,
        owner=case.owner,
        opened_at=case.opened_at,
        opened_by=case.opened_by,
        acked_at=case.acked_at,
        acked_by=case.acked_by,
        resolved_at=case.resolved_at,
        resolved_by=case.resolved_by,
        paged=tuple(case.paged),
        deeds=tuple(case.deeds),
    )


def _people(cases: Iterable[Case], duty: Duty) -> tuple[OfPerson, ...]:
    """Those on duty first, paged or not; then whoever else was paged, the most paged first."""
    tallies: dict[str, Tally] = {}
    for case in cases:
        for person, tally in case.tallies.items():
            tallies.setdefault(person, Tally()).add(tally)
    others = [person for person in sorted(tallies) if person not in duty.people and tallies[person].is_worth_a_line]
    others.sort(key=lambda person: -tallies[person].pages)
    return tuple(_of_person(person, tallies.get(person, Tally())) for person in (*duty.people, *others))


def _of_person(person: str, tally: Tally) -> OfPerson:
    return OfPerson(person, tally.pages, tally.delivered, tuple(tally.answers), tally.passed)


# ---------------------------------------------------------------------------------------------------------------------
# Deliveries, changes, nodes


def _failures(entries: Iterable[Entry]) -> tuple[Failure, ...]:
    """Failed attempts, those of one way and one reason together; what came of the last of them."""
    inside = list(entries)
    arrived = {_text(entry.facts, "page") for entry in inside if entry.kind == "page_delivered"}
    groups: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in inside:
        if entry.kind in ("page_failed", "message_failed"):
            key = (_text(entry.facts, "person"), _text(entry.facts, "channel"), _text(entry.facts, "reason"))
            groups.setdefault(key, []).append(entry)
    return tuple(
        Failure(person or None, channel, reason, len(failed), failed[0].at, _outcome(failed, arrived))
        for (person, channel, reason), failed in groups.items()
    )


def _outcome(failed: list[Entry], arrived: set[str]) -> str:
    if any(entry.facts.get("permanent") for entry in failed):
        return "given_up"
    return "delivered" if all(_text(entry.facts, "page") in arrived for entry in failed) else "waiting"


def _is_about(entry: Entry, duty: Duty) -> bool:
    """Overrides belong to their roster; the other changes to everybody on duty."""
    roster = entry.facts.get("roster")
    return roster is None or duty.roster is None or roster == duty.roster


def not_monitored(entries: Iterable[Entry], start: datetime, end: datetime) -> tuple[NotMonitored, ...]:
    """When nodes were down in [start, end), told by the `node_started` entries in it and after it."""
    found = []
    for entry in entries:
        if entry.kind == "node_started" and (since := _instant(entry.facts, "down_since")) is not None:
            begins, ends = max(since, start), min(entry.at, end)
            if ends - begins >= NOT_MONITORED_MIN:
                found.append(NotMonitored(_text(entry.facts, "node"), begins, ends))
    return tuple(found)


def _text(facts: Mapping[str, object], name: str) -> str:
    value = facts.get(name)
    return "" if value is None else str(value)


def _instant(facts: Mapping[str, object], name: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(_text(facts, name))
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
