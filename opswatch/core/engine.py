"""`Engine(plan).step(state, event, now)`: all branching on the kind of event is here, the leaves compute."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from opswatch.core import (
    alerts,
    away,
    calendars,
    clocks,
    commands,
    covers,
    escalation,
    external,
    forewarning,
    freshness,
    heartbeats,
    held,
    incidents,
    jumps,
    mercy,
    papers,
    risks,
    roster_changes,
    rounds,
    shift_life,
    silences,
    spread,
    storms,
    vantage,
    waking,
)
from opswatch.core.changes import Changes, Draft, State
from opswatch.core.effects import Effect, Postpone, Settle, Taken
from opswatch.core.events import (
    AbsencesImported,
    ActionsFound,
    AnchorsAsked,
    ClockJumped,
    Command,
    CoverageSeen,
    Event,
    Inspected,
    MessageSent,
    NodeStarted,
    Observed,
    Pinged,
    PlanReloaded,
    Posted,
    ReceiptLost,
    Reported,
    RiskFound,
    RiskGone,
    SendFailed,
    ShiftEnded,
    StoreReturned,
    Tick,
)
from opswatch.core.matching import Fullmatch, fullmatch
from opswatch.core.model import Status
from opswatch.core.moment import Moment
from opswatch.core.places import Places
from opswatch.core.plan import Plan
from opswatch.core.roster import Rosters
from opswatch.core.state import Incident

EXPIRED_AT_ONCE = 256
"""Alerts of others whose source fell silent, per tick: a whole source's are thousands, and people wait meanwhile."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a step (or a batch) changes and wants done. `answers[i]` are the effects of the i-th event alone."""

    changes: Changes
    answers: tuple[tuple[Effect, ...], ...]

    @property
    def effects(self) -> list[Effect]:
        return [effect for answer in self.answers for effect in answer]


class Engine:
    """Decides. It holds the plan and nothing that moves; a new plan is a new engine over the same state."""

    def __init__(self, plan: Plan, regex: Fullmatch = fullmatch) -> None:
        self.plan = plan
        self.rosters = Rosters(plan)
        self._regex = regex
        self._watched = {check.id: frozenset(check.targets) for check in plan.checks.values()}
        self._places = Places(plan)
        self._by_service: dict[str, tuple[str, ...]] = {}
        for target in plan.targets.values():
            if target.service is not None:
                self._by_service[target.service] = (*self._by_service.get(target.service, ()), target.id)

    def step(self, state: State, event: Event, now: datetime) -> tuple[Changes, list[Effect]]:
        """Decide one event. Reads `state`, changes nothing; `now` is aware, UTC."""
        m = self.moment(Draft(state), now)
        self._take(m, event)
        return m.draft.changes, m.effects

    def decide(self, state: State, events: Sequence[Event], now: datetime) -> Decision:
        """Decide a batch on one view of the state: each event sees what those before it changed."""
        draft = Draft(state)
        answers = []
        for event in events:
            m = self.moment(draft, now)
            self._take(m, event)
            answers.append(tuple(m.effects))
        return Decision(draft.changes, tuple(answers))

    def next_deadline(self, state: State) -> datetime | None:
        """The earliest instant at which a Tick will find something to do. Not a scan."""
        instants = (
            state.incident_deadlines.first(),
            state.clock_deadlines.first(),
            state.alert_deadlines.first(),
            state.silence_deadlines.first(),
            state.cover_deadlines.first(),
            state.override_deadlines.first(),
            state.absence_deadlines.first(),
            state.paper_deadlines.first(),
            state.risk_deadlines.first(),
            state.posting_deadlines.first(),
            state.beat_deadlines.first(),
            state.fresh_until,
            min((held.until for held in state.standing.held.values()), default=None),
            shift_life.due_at(state.standing.shifts_at, state.standing.takeovers),
            mercy.first_due(self.plan, state.standing),
        )
        return min((at for at in instants if at is not None), default=None)

    def moment(self, draft: Draft, now: datetime) -> Moment:
        """One moment of deciding, or of asking what would be decided."""
        return Moment(self.plan, self.rosters, draft, now, self._regex, self._by_service, places_known=self._places)

    def _take(self, m: Moment, event: Event) -> None:
        self._on(m, event)
        spread.look(m)

    def _on(self, m: Moment, event: Event) -> None:
        match event:
            case Observed():
                self._observed(m, event)
            case Pinged():
                heartbeats.pinged(m, event)
            case Posted():
                external.posted(m, event)
            case Reported():
                self._reported(m, event)
            case Inspected():
                rounds.inspected(m, event)
            case Tick():
                self._tick(m, event)
            case Command():
                commands.run(m, event)
                if m.draft.changes.overrides:
                    shift_life.moved(m, _rosters_of(m, m.draft.changes.overrides))
            case MessageSent():
                _sent(m, event)
            case SendFailed():
                _send_failed(m, event)
            case ReceiptLost():
                m.effects.append(Settle(event.message, event.outcome, event.reason))
                m.record("receipt_lost", incident=event.incident, page=event.message, reason=event.reason)
            case NodeStarted():
                m.draft.changes.started_at = m.now
                m.draft.changes.fresh_until = m.now
                m.record("node_started", node=event.node, down_since=event.down_since)
                shift_life.moved(m)
                heartbeats.follow_plan(m)
            case StoreReturned():
                m.draft.changes.started_at = m.now
                m.draft.changes.fresh_until = m.now
                m.record("store_returned", node=event.node, lost_since=event.lost_since)
            case AnchorsAsked():
                waking.anchors_were_asked(m, event)
            case ClockJumped():
                jumps.jumped(m, event)
            case PlanReloaded():
                self._reloaded(m, event)
            case RiskFound():
                risks.found(m, event)
            case RiskGone():
                risks.gone(m, event)
            case ActionsFound():
                papers.actions_found(m, event)
            case AbsencesImported():
                away.imported(m, event)
            case ShiftEnded():
                papers.handed_over(m, event)
            case CoverageSeen():
                forewarning.seen(m, event)
            case _:
                assert_never(event)
        if m.ended:
            waking.causes_ended(m)

    def _observed(self, m: Moment, event: Observed) -> None:
        check = m.plan.checks.get(event.check)
        if check is not None and event.target in self._watched[check.id]:
            alerts.observe(m, check, event.target, event.verdict, event.norms)
            if event.target in m.plan.children:
                waking.parent_was_seen(m, check, event.target)
            if m.plan.targets[event.target].parents and m.draft.alerts_on(event.target):
                waking.cut_off_was_seen(m, event.target)

    def _reported(self, m: Moment, event: Reported) -> None:
        if event.batch:
            m.effects.append(Taken(event.batch))
        for one in event.results:
            check = m.plan.checks.get(one.check)
            if check is not None and check.passive:
                self._observed(m, Observed(one.check, one.target, one.verdict))

    def _tick(self, m: Moment, tick: Tick) -> None:
        """Everything whose instant has come: silences, freshness, alerts held back, incidents, the digest, papers."""
        state = m.draft.state
        if tick.looks_at("silences") and state.silence_deadlines.due(m.now, 1):
            silences.tell_endings(m)
            silences.forget_expired(m)
        covers.look(m, tick)
        away.forget_long_past(m, tick)
        if m.draft.standing.paused_until is not None and m.draft.standing.paused_until <= m.now:
            m.record("unpaused")
            m.draft.standing = replace(m.draft.standing, paused_until=None, paused_by=None)
        if tick.looks_at("freshness") and freshness.look(m):
            external.adopt(m)
        if tick.looks_at("bundles"):
            mercy.due(m)
        for key in state.posting_deadlines.due(m.now, EXPIRED_AT_ONCE):
            posting = m.draft.posting(key) if tick.looks_at(f"posting {key}") else None
            if posting is not None and posting.wake_at is not None and posting.wake_at <= m.now:
                external.due(m, posting)
        for name in state.beat_deadlines.due(m.now):
            beat = m.draft.beat(name) if tick.looks_at(f"heartbeat {name}") else None
            if beat is not None and beat.wake_at is not None and beat.wake_at <= m.now:
                heartbeats.due(m, beat)
        for key in state.alert_deadlines.due(m.now):
            alert = m.draft.alert(key) if tick.looks_at(f"alert {key}") else None
            if alert is not None and alert.wake_at is not None and alert.wake_at <= m.now:
                alerts.due(m, alert)
        due = [m.draft.incident(n) for n in state.incident_deadlines.due(m.now) if tick.looks_at(f"incident {n}")]
        waiting = [one for one in due if one is not None and one.wake_at <= m.now]
        _digest(m, [one for one in waiting if _is_for_digest(m, one)])
        for incident in waiting:
            if incident.storm is None or incident.status is Status.RESOLVED:
                incidents.due(m, incident)
            storms.due(m, incident.number)
        for number in state.clock_deadlines.due(m.now):
            one = m.draft.incident(number) if tick.looks_at(f"clock {number}") else None
            if one is not None and one.clock_at is not None and one.clock_at <= m.now:
                clocks.strike(m, one)
        # A storm that passes in this tick owes its paper in it, and who owes it is told at once.
        for number in dict.fromkeys((*state.paper_deadlines.due(m.now), *m.draft.changes.papers)):
            paper = m.draft.paper(number) if tick.looks_at(f"paper {number}") else None
            if paper is not None and paper.wake_at is not None and paper.wake_at <= m.now:
                papers.due(m, paper)
        for number in state.risk_deadlines.due(m.now):
            risk = m.draft.risk(number) if tick.looks_at(f"risk {number}") else None
            if risk is not None and risk.wake_at is not None and risk.wake_at <= m.now:
                risks.due(m, risk)
        if tick.looks_at("reports"):
            held.report_ended(m)
        if tick.looks_at("shifts"):
            shift_life.look(m)

    def _reloaded(self, m: Moment, event: PlanReloaded) -> None:
        """Open incidents follow the new plan; no timer, alert, acknowledgement or silence is reset (SPEC 1)."""
        m.record("reloaded")
        for alert in list(m.draft.alerts()):
            check = m.plan.checks.get(alert.check)
            if not alert.is_external and (check is None or alert.target not in check.targets):
                alerts.clear(m, alert, "no longer checked", kind="check_removed")
        for watch in list(m.draft.state.watches.values()):
            check = m.plan.checks.get(watch.check)
            if check is None or watch.target not in check.targets:
                m.draft.changes.watches[watch.key] = None
        for incident in list(m.draft.incidents()):
            if incident.status is not Status.RESOLVED:
                escalation.keep(m, escalation.follow_plan(m, incident))
        vantage.follow_plan(m)
        silences.quiet_ended(m)
        covers.follow_plan(m)
        roster_changes.follow_plan(m, event.changes, event.plan)
        shift_life.moved(m)
        heartbeats.follow_plan(m)
        papers.follow_plan(m)
        risks.follow_plan(m)
        if m.draft.started_at is not None:
            m.draft.changes.fresh_until = m.now


def _rosters_of(m: Moment, overrides: Iterable[int]) -> set[str]:
    """The rosters of overrides that were added, changed or taken away."""
    known = (m.draft.changes.overrides.get(number) or m.draft.state.overrides.get(number) for number in overrides)
    return {override.roster for override in known if override is not None}


# ---------------------------------------------------------------------------------------------------------------------
# Receipts


def _sent(m: Moment, event: MessageSent) -> None:
    m.effects.append(Settle(event.message, "delivered", ref=event.ref))
    if event.kind != "page":
        return
    m.record(
        "page_delivered",
        incident=event.incident or None,
        page=event.message,
        person=event.person,
        channel=event.channel,
        took_s=round(event.took_s, 2),
        attempt=event.attempt,
        possible_duplicate=event.possible_duplicate or None,
    )


def _send_failed(m: Moment, event: SendFailed) -> None:
    closed = event.permanent or event.retry_at is None
    if closed:
        m.effects.append(Settle(event.message, "failed", event.reason))
    else:
        assert event.retry_at is not None
        m.effects.append(Postpone(event.message, event.retry_at, event.reason))
    m.record(
        "page_failed" if event.kind == "page" else "message_failed",
        incident=event.incident or None,
        page=event.message,
        person=event.person,
        channel=event.channel,
        reason=event.reason,
        permanent=closed,
        attempt=event.attempt,
        until=event.retry_at if not closed else None,
    )
    if closed and event.page is not None and event.page.bundle:
        mercy.way_failed(m, event.page)
    incident = m.draft.incident(event.incident or 0)
    if closed and incident is not None and event.page is not None:
        escalation.keep(m, escalation.way_failed(m, incident, event))


# ---------------------------------------------------------------------------------------------------------------------
# The digest


def _is_for_digest(m: Moment, incident: Incident) -> bool:
    never = m.plan.rule(incident.priority).interrupt == "never"
    return never and incident.storm is None and incident.status is Status.TRIGGERED and incident.held_until is None


def _digest(m: Moment, waiting: Iterable[Incident]) -> None:
    """Incidents that interrupt nobody are told together, at the digest's hour; those of all nodes in one message."""
    numbers = [incident.number for incident in waiting]
    if not numbers:
        return
    m.draft.standing = replace(m.draft.standing, digest_at=m.now)
    for target in m.plan.digest.to:
        channel = target.removeprefix("channel:")
        if channel in m.plan.channels:
            m.announce(channel, "digest", incidents=numbers)
    m.record(
        "digest_sent", incidents=numbers, next=calendars.next_cron(m.plan.digest.cron, m.plan.digest.timezone, m.now)
    )
