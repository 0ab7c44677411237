"""The life of a risk: written down by a person, found by an inspection, an action of a post-mortem; reminded, closed.

A reminder comes in the morning of the day it is due, then daily for a week. After that nobody is written to any more:
the lists of what is overdue, the hand-over and the weekly review still name it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta

from opswatch.core import calendars, notices
from opswatch.core.events import AcceptRisk, AddRisk, AssignRisk, CloseRisk, Command, RiskFound, RiskGone
from opswatch.core.model import RiskStatus, Severity
from opswatch.core.moment import SPAN_MAX, TEXT_MAX, Moment
from opswatch.core.plan import Plan
from opswatch.core.state import Risk

OVERDUE_DAYS_MAX = 7  # reminders after the day it was due
KEEP_CLOSED = timedelta(hours=24)
TITLE_MAX = 200
EVIDENCE_MAX = 20
DUE_WITHIN = {Severity.HIGH: timedelta(days=7), Severity.MEDIUM: timedelta(days=30), Severity.LOW: timedelta(days=90)}
"""When a finding is due that says no date itself."""

_DAY = timedelta(days=1)


def from_finding(
    plan: Plan,
    now: datetime,
    *,
    key: str,
    title: str,
    severity: Severity = Severity.MEDIUM,
    source: str = "inspection",
    owner: str | None = None,
    service: str | None = None,
    target: str | None = None,
    check: str | None = None,
    evidence: Iterable[str] = (),
) -> RiskFound:
    """The event that brings something an inspection found into the ledger; hand it to `Desk.apply`.

    `key` must be the same when the same thing is found again (`inspection/disk-space/db-1//var`). The owner is the
    team of its service where none is given, and it is due after `DUE_WITHIN`, counted from `now`, on the plan's
    calendar. When it is gone, apply `RiskGone(key)`.
    """
    known = plan.services.get(service or "")
    if owner is None and known is not None and known.team and notices.is_known(plan, f"team:{known.team}"):
        owner = f"team:{known.team}"
    due = (calendars.reading(now, notices.zone_of(plan, owner)) + DUE_WITHIN[severity]).date()
    return RiskFound(key, title, severity, source, owner, due, service, target, check, tuple(evidence))


def overdue_at(plan: Plan, risk: Risk) -> datetime | None:
    """When an open risk is overdue: its date is over where its owner lives. None without a date, or not open."""
    if risk.status is not RiskStatus.OPEN or risk.due is None:
        return None
    return notices.midnight_after(plan, risk.owner, risk.due)


def is_overdue(plan: Plan, risk: Risk, now: datetime) -> bool:
    """Whether it is open and its date is over."""
    at = overdue_at(plan, risk)
    return at is not None and at <= now


def ranked(risks: Iterable[Risk]) -> list[Risk]:
    """Worst first, then the first due, those without a date last."""
    return sorted(risks, key=lambda risk: (risk.severity.rank, risk.due or date.max, risk.id))


# ---------------------------------------------------------------------------------------------------------------------
# What people say


def run(m: Moment, command: Command) -> None:
    """Carry out one command about the ledger. The role was looked at before."""
    COMMANDS[type(command)](m, command)


def _add(m: Moment, command: AddRisk) -> None:
    title = " ".join(command.title.split())[:TITLE_MAX]
    if not title:
        m.refuse("empty_risk")
        return
    owner = _owner(m, command.owner) if command.owner else command.by
    if owner is None:
        return
    if command.service is not None and command.service not in m.plan.services:
        m.refuse("unknown_service", service=command.service, known=", ".join(m.plan.services))
        return
    if command.target is not None and command.target not in m.plan.targets:
        m.refuse("unknown_target", target=command.target)
        return
    if _is_bad_date(m, owner, command.due):
        m.refuse("bad_due", due=str(command.due))
        return
    evidence = (command.text[:TEXT_MAX],) if command.text.strip() else ()
    risk = Risk(
        id=_next_id(m),
        title=title,
        severity=command.severity,
        opened_at=m.now,
        owner=owner,
        due=command.due,
        service=command.service,
        target=command.target,
        evidence=evidence,
        by=command.by,
    )
    _record_added(m, keep(m, risk), door=command.door)
    m.done("risk_added", id=risk.id, title=title, severity=str(risk.severity), owner=owner, due=str(risk.due or ""))


def _assign(m: Moment, command: AssignRisk) -> None:
    risk = _known(m, command.id)
    if risk is None:
        return
    if risk.status is RiskStatus.CLOSED:
        m.refuse("risk_closed_already", id=risk.id)
        return
    owner = _owner(m, command.owner) if command.owner else risk.owner
    if command.owner and owner is None:
        return
    if _is_bad_date(m, owner, command.due):
        m.refuse("bad_due", due=str(command.due))
        return
    changed = replace(risk, owner=owner, due=command.due or risk.due)
    if changed != risk:
        due = str(changed.due or "") or None
        m.record("risk_assigned", by=command.by, door=command.door, id=risk.id, owner=owner, due=due)
        keep(m, replace(changed, reminded_at=m.now))
    m.done("risk_assigned", id=risk.id, owner=owner, due=str(changed.due or ""))


def _close(m: Moment, command: CloseRisk) -> None:
    risk = _known(m, command.id)
    if risk is None:
        return
    if risk.status is RiskStatus.CLOSED:
        m.done("risk_closed_already", id=risk.id)
        return
    close(m, risk, by=command.by, reason=command.text[:TEXT_MAX], door=command.door)
    m.done("risk_closed", id=risk.id, title=risk.title)


def _accept(m: Moment, command: AcceptRisk) -> None:
    risk = _known(m, command.id)
    if risk is None:
        return
    if risk.status is RiskStatus.CLOSED:
        m.refuse("risk_closed_already", id=risk.id)
        return
    if not command.reason.strip():
        m.refuse("needs_risk_reason", id=risk.id)
        return
    if not m.now < command.until <= m.now + SPAN_MAX:
        m.refuse("bad_span", until=command.until)
        return
    reason = command.reason[:TEXT_MAX]
    m.record(
        "risk_accepted",
        by=command.by,
        door=command.door,
        id=risk.id,
        title=risk.title,
        until=command.until,
        text=reason,
    )
    accepted = replace(
        risk,
        status=RiskStatus.ACCEPTED,
        accepted_until=command.until,
        ended_at=m.now,
        ended_by=command.by,
        reason=reason,
    )
    keep(m, accepted)
    m.done("risk_accepted", id=risk.id, until=command.until)


# ---------------------------------------------------------------------------------------------------------------------
# What was found


def found(m: Moment, event: RiskFound) -> None:
    """A finding: a new risk, or the one it already is. What a person decided about it stays; closed a moment ago, it
    is open again."""
    risk = next((one for one in m.draft.risks() if one.key == event.key), None) if event.key else None
    evidence = tuple(line[:TEXT_MAX] for line in event.evidence[:EVIDENCE_MAX])
    title = " ".join(event.title.split())[:TITLE_MAX]
    if risk is None:
        new = Risk(
            id=_next_id(m),
            title=title,
            severity=event.severity,
            opened_at=m.now,
            owner=event.owner if event.owner and notices.is_known(m.plan, event.owner) else None,
            due=event.due,
            source=event.source,
            key=event.key,
            service=event.service,
            target=event.target,
            check=event.check,
            evidence=evidence,
            seen_at=m.now,
        )
        _record_added(m, keep(m, new))
        return
    risk = replace(risk, title=title, severity=event.severity, evidence=evidence, seen_at=m.now)
    if risk.status is RiskStatus.CLOSED:
        risk = _reopened(m, risk, "found again")
    keep(m, risk)


def gone(m: Moment, event: RiskGone) -> None:
    """What was found is there no more: nobody needs to be asked to close it."""
    for risk in list(m.draft.risks()):
        if risk.key == event.key and event.key and risk.status is not RiskStatus.CLOSED:
            close(m, risk, by=None, reason=event.why)


def add_action(m: Moment, incident: int, key: str, title: str, owner: str | None, due: date | None) -> Risk:
    """An action of a post-mortem, as a risk that is kept."""
    known = m.draft.incident(incident)
    risk = Risk(
        id=_next_id(m),
        title=title[:TITLE_MAX],
        severity=Severity.MEDIUM,
        opened_at=m.now,
        owner=owner if owner and notices.is_known(m.plan, owner) else None,
        due=due,
        source=f"postmortem:{incident}",
        key=key,
        service=known.service if known else None,
        incident=incident,
        seen_at=m.now,
    )
    _record_added(m, keep(m, risk))
    return risk


def close(m: Moment, risk: Risk, *, by: str | None, reason: str, door: str | None = None) -> None:
    """It is dealt with. It stays in the state for a day, and in the store for good."""
    m.record("risk_closed", by=by, door=door, id=risk.id, title=risk.title, text=reason or None)
    keep(m, replace(risk, status=RiskStatus.CLOSED, ended_at=m.now, ended_by=by, reason=reason, accepted_until=None))


# ---------------------------------------------------------------------------------------------------------------------
# What is due


def due(m: Moment, risk: Risk) -> None:
    """Its instant has come: a reminder, the end of an acceptance, or the end of its time in the state."""
    match risk.status:
        case RiskStatus.CLOSED:
            m.draft.changes.risks[risk.id] = None
        case RiskStatus.ACCEPTED:
            risk = _reopened(m, risk, "the acceptance has ended")
            _tell(m, risk, "risk_reopened")
            keep(m, replace(risk, reminded_at=m.now))
        case RiskStatus.OPEN:
            event = "risk_overdue" if is_overdue(m.plan, risk, m.now) else "risk_due"
            m.record("risk_reminded", id=risk.id, title=risk.title, owner=risk.owner, due=str(risk.due))
            _tell(m, risk, event)
            keep(m, replace(risk, reminded_at=m.now))


def follow_plan(m: Moment) -> None:
    """After a reload: owners live elsewhere, or are gone. No reminder is repeated."""
    for risk in list(m.draft.risks()):
        keep(m, risk)


def keep(m: Moment, risk: Risk) -> Risk:
    """Put the risk into the draft, with its next deadline."""
    risk = replace(risk, wake_at=_wake_at(m, risk))
    if m.draft.risk(risk.id) != risk:
        m.draft.changes.risks[risk.id] = risk
    return risk


def _wake_at(m: Moment, risk: Risk) -> datetime | None:
    match risk.status:
        case RiskStatus.CLOSED:
            return (risk.ended_at or m.now) + KEEP_CLOSED
        case RiskStatus.ACCEPTED:
            return risk.accepted_until
        case RiskStatus.OPEN:
            return _next_reminder(m, risk)


def _next_reminder(m: Moment, risk: Risk) -> datetime | None:
    """The first of its mornings after the last reminder; None when it has no date, or all of them have gone."""
    if risk.due is None:
        return None
    since = risk.reminded_at or risk.opened_at
    mornings = (notices.morning(m.plan, risk.owner, risk.due + _DAY * n) for n in range(OVERDUE_DAYS_MAX + 1))
    return next((at for at in mornings if at > since), None)


def _reopened(m: Moment, risk: Risk, why: str) -> Risk:
    m.record("risk_reopened", id=risk.id, title=risk.title, why=why)
    return replace(risk, status=RiskStatus.OPEN, accepted_until=None, ended_at=None, ended_by=None, reason="")


def _tell(m: Moment, risk: Risk, event: str) -> None:
    notices.tell(
        m,
        notices.readers(m.plan, risk.owner),
        event,
        id=risk.id,
        title=risk.title,
        severity=str(risk.severity),
        owner=risk.owner,
        due=str(risk.due) if risk.due else None,
        service=risk.service,
        evidence=list(risk.evidence[:3]),
    )


def _record_added(m: Moment, risk: Risk, *, door: str | None = None) -> None:
    m.record(
        "risk_added",
        by=risk.by,
        door=door,
        id=risk.id,
        title=risk.title,
        severity=str(risk.severity),
        owner=risk.owner,
        due=str(risk.due) if risk.due else None,
        source=risk.source,
        about=risk.incident,
    )


def _next_id(m: Moment) -> int:
    number = m.draft.standing.risk_last + 1
    m.draft.standing = replace(m.draft.standing, risk_last=number)
    return number


def _known(m: Moment, number: int) -> Risk | None:
    risk = m.draft.risk(number)
    if risk is None:
        m.refuse("unknown_risk", id=number)
    return risk


def _owner(m: Moment, given: str) -> str | None:
    """The owner as it is kept; None, and refused, for one that the plan does not know."""
    owner = given.removeprefix("person:").removeprefix("@")
    if notices.is_known(m.plan, owner):
        return owner
    if owner.startswith("team:"):
        m.refuse("unknown_team", to=owner)
    else:
        m.refuse("unknown_person", person=owner, known=", ".join(m.plan.people))
    return None


def _is_bad_date(m: Moment, owner: str | None, day: date | None) -> bool:
    """A date that is over, or further away than anybody plans."""
    if day is None:
        return False
    today = calendars.reading(m.now, notices.zone_of(m.plan, owner)).date()
    return not today <= day <= today + 5 * SPAN_MAX


COMMANDS: Mapping[type[Command], Callable[..., None]] = {
    AddRisk: _add,
    AssignRisk: _assign,
    CloseRisk: _close,
    AcceptRisk: _accept,
}
