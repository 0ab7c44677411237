"""Why not to page: pause, maintenance, silences; our own sight, parents, what failed upstream, flapping. Each only
delays; none consumes (SPEC 2, the announcing invariant)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from opswatch.core import calendars, flapping, parents, sight, upstream
from opswatch.core.changes import Draft
from opswatch.core.matching import Fullmatch, fullmatch, labels_hold, labels_of_alert, matchers_hold
from opswatch.core.model import Health, QuietReason, Status, UnknownReason
from opswatch.core.plan import Check, Maintenance, Plan
from opswatch.core.state import Alert, Silence

LOOKED_AT_AGAIN = timedelta(minutes=10)  # what waits for another thing is woken by it; should that be lost, by this
LOOKED_WITHIN_MAX = timedelta(minutes=15)
A_LOOK = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Quiet:
    """Why somebody is not told, until when, and by whom or what, in words: `silence 3 by chen: index rebuild`.

    `source` is its name where it has an owner: `silence 3`, `maintenance weekly-batch`."""

    reason: QuietReason
    until: datetime
    why: str
    source: str = ""
    owner: str = ""


def why_untold(plan: Plan, draft: Draft, alert: Alert, now: datetime, regex: Fullmatch = fullmatch) -> Quiet | None:
    """What keeps this alert from being told at `now`; of several, the one that ends last."""
    return next(iter(reasons(plan, draft, alert, now, regex)), None)


def reasons(plan: Plan, draft: Draft, alert: Alert, now: datetime, regex: Fullmatch = fullmatch) -> tuple[Quiet, ...]:
    """All that keeps this alert from being told at `now`, what ends last first. That it flaps comes after anything
    else: it is what people are told instead."""
    ours = (
        ()  # Whether we can see does not matter for what others saw.
        if alert.is_external
        else (
            _cannot_see(plan, draft, alert, now),
            _unreachable(plan, draft, alert, now),
            _explained(plan, draft, alert, now),
        )
    )
    arranged = every_reason(plan, draft, labels_of_alert(plan, alert), now, regex)
    found = [*arranged, *(quiet for quiet in ours if quiet is not None)]
    found.sort(key=lambda quiet: quiet.until, reverse=True)
    flaps = _flapping(draft, alert, now)
    return (*found, flaps) if flaps is not None else tuple(found)


def why_quiet(
    plan: Plan, draft: Draft, labels: Mapping[str, str], now: datetime, regex: Fullmatch = fullmatch
) -> Quiet | None:
    """What keeps a failure with these labels from being told at `now`; of several, the one that ends last."""
    return next(iter(every_reason(plan, draft, labels, now, regex)), None)


def every_reason(
    plan: Plan, draft: Draft, labels: Mapping[str, str], now: datetime, regex: Fullmatch = fullmatch
) -> tuple[Quiet, ...]:
    """All that keeps it from being told at `now`, what ends last first."""
    found = [paused(draft, now), *_maintenance(plan, labels, now), *_silences(draft, labels, now, regex)]
    reasons = (quiet for quiet in found if quiet is not None)
    return tuple(sorted(reasons, key=lambda quiet: quiet.until, reverse=True))


def paused(draft: Draft, now: datetime) -> Quiet | None:
    """The pause that holds every page, if one does."""
    standing = draft.standing
    if standing.paused_until is None or standing.paused_until <= now:
        return None
    return Quiet(QuietReason.PAUSED, standing.paused_until, f"paused by {standing.paused_by}")


# ---------------------------------------------------------------------------------------------------------------------
# What explains it: our own sight, its parents, what it depends on


def _cannot_see(plan: Plan, draft: Draft, alert: Alert, now: datetime) -> Quiet | None:
    one = sight.outlook(plan, draft, alert.target)
    if one is not None and sight.is_blind(one, now):
        node = sight.node_of(plan, alert.target)
        return Quiet(QuietReason.VANTAGE, sight.believed_until(one), f"opswatch on {node} cannot see")
    if alert.reason is UnknownReason.VANTAGE:
        return _looked_at_first(plan, draft, alert, now, QuietReason.VANTAGE, "opswatch sees again")
    until = sight.question_until(one, now)
    if until is None or alert.announced is alert.health:
        return None
    return Quiet(QuietReason.VANTAGE, until, "many targets fail at once: the anchors are asked first")


def _unreachable(plan: Plan, draft: Draft, alert: Alert, now: datetime) -> Quiet | None:
    if parents.is_cut_off(plan, draft, alert.target):
        why = f"unreachable because of {parents.because_of(plan, draft, alert.target)}"
        return Quiet(QuietReason.UNREACHABLE, now + LOOKED_AT_AGAIN, why)
    if alert.reason is UnknownReason.UNREACHABLE:
        return _looked_at_first(plan, draft, alert, now, QuietReason.UNREACHABLE, "it can be reached again")
    if alert.asked_at is None or alert.announced is alert.health:
        return None
    until = parents.asks_until(plan, draft, alert.target, alert.asked_at)
    if until is None or not alert.asked_at - sight.CLOCKS_APART_MAX <= now < until:
        return None
    names = ", ".join(parents.parents_of(plan, alert.target))
    return Quiet(QuietReason.UNREACHABLE, until, f"its parents are looked at first: {names}")


def _explained(plan: Plan, draft: Draft, alert: Alert, now: datetime) -> Quiet | None:
    """What failed upstream, was told, and is no less urgent: the same people, or others as loudly, have it."""
    if alert.announced is not None:
        return None
    if (cause := cause_of(plan, draft, alert)) is not None:
        why = f"it depends on {cause.name}, which failed: incident {cause.incident}"
        return Quiet(QuietReason.UPSTREAM, now + LOOKED_AT_AGAIN, why)
    if alert.quiet is QuietReason.UPSTREAM:
        return _looked_at_first(plan, draft, alert, now, QuietReason.UPSTREAM, "what it depends on is well again")
    return None


def cause_of(plan: Plan, draft: Draft, alert: Alert) -> upstream.Cause | None:
    """What failed upstream of it, is in the hands of people, and is no less urgent than it."""
    name = alert.target if alert.target in plan.targets else alert.service or ""
    for cause in upstream.causes(plan, draft, name, by_parents=False) if plan.needed else ():
        incident = draft.incident(cause.incident or 0)
        if incident is not None and incident.status is not Status.RESOLVED and _covers(plan, draft, cause, alert):
            return cause
    return None


def is_explained(plan: Plan, draft: Draft, alert: Alert, now: datetime) -> bool:
    """Whether what explained it (our own sight, its parents, what it depends on) does so still."""
    if alert.reason is UnknownReason.VANTAGE:
        return sight.is_blind(sight.outlook(plan, draft, alert.target), now)
    if alert.reason is UnknownReason.UNREACHABLE:
        return parents.is_cut_off(plan, draft, alert.target)
    return alert.quiet is QuietReason.UPSTREAM and cause_of(plan, draft, alert) is not None


def cut_off(plan: Plan, draft: Draft, target: str, now: datetime) -> tuple[UnknownReason, str] | None:
    """Why what fails on `target` says nothing of itself: opswatch cannot see, or its parents are down. In words too."""
    if sight.is_blind(sight.outlook(plan, draft, target), now):
        return UnknownReason.VANTAGE, f"opswatch on {sight.node_of(plan, target)} cannot see"
    if parents.is_cut_off(plan, draft, target):
        return UnknownReason.UNREACHABLE, f"unreachable because of {parents.because_of(plan, draft, target)}"
    return None


def _covers(plan: Plan, draft: Draft, cause: upstream.Cause, alert: Alert) -> bool:
    """More urgent, or as urgent and of the same team: who would be paged has been."""
    if cause.priority != alert.priority:
        return cause.priority < alert.priority
    first = draft.alert(cause.alerts[0])
    return first is not None and _team(plan, first.service) == _team(plan, alert.service)


def _team(plan: Plan, service: str | None) -> str | None:
    known = plan.services.get(service or "")
    return known.team if known is not None else None


def _looked_at_first(
    plan: Plan, draft: Draft, alert: Alert, now: datetime, reason: QuietReason, why: str
) -> Quiet | None:
    """What explained it is over. It is told what another look, asked for at `asked_at`, says; at the end of its time
    without one, as it is."""
    if alert.asked_at is None:
        return Quiet(reason, now + A_LOOK, f"{why}: it is looked at first")
    until = alert.asked_at + looked_within(plan.checks.get(alert.check))
    if not alert.asked_at - sight.CLOCKS_APART_MAX <= now < until:
        return None
    watch = draft.watch(alert.key)
    is_fresh = watch is not None and watch.seen_at is not None and watch.seen_at >= alert.asked_at
    if is_fresh and watch is not None and watch.health is not Health.OK and alert.reason not in EXPLAINED:
        return None
    return Quiet(reason, until, f"{why}: it is looked at first")


EXPLAINED = frozenset({UnknownReason.VANTAGE, UnknownReason.UNREACHABLE})
"""Reasons of ours: something else says why it cannot be told, and is told instead."""


def looked_within(check: Check | None) -> timedelta:
    """How long fresh looks of this check may take to confirm what is so."""
    if check is None:
        return A_LOOK
    apart = check.retry or check.every or A_LOOK
    return min(max(check.confirm, check.recover) * apart + check.timeout + parents.ANSWER_WITHIN, LOOKED_WITHIN_MAX)


def _flapping(draft: Draft, alert: Alert, now: datetime) -> Quiet | None:
    watch = draft.watch(alert.key)
    if watch is None or not watch.flapping:
        return None
    is_told = alert.flapping_at is not None and alert.flapping_at > now
    until = alert.flapping_at if is_told and alert.flapping_at is not None else now + flapping.TOLD_AGAIN
    count = flapping.changes(watch.changes)
    return Quiet(QuietReason.FLAPPING, until, f"flapping: {count} changes in the last {flapping.RESULTS} looks")


# ---------------------------------------------------------------------------------------------------------------------
# What people arranged


def is_running(silence: Silence, now: datetime) -> bool:
    return silence.starts_at <= now < silence.ends_at


def source_of(silence: Silence) -> str:
    """Its name among what holds alerts back."""
    return f"silence {silence.id}"


def _silences(draft: Draft, labels: Mapping[str, str], now: datetime, regex: Fullmatch) -> list[Quiet]:
    return [
        Quiet(
            QuietReason.SILENCED,
            silence.ends_at,
            f"{source_of(silence)} by {silence.owner}: {silence.reason}",
            source_of(silence),
            silence.owner,
        )
        for silence in draft.silences()
        if is_running(silence, now) and matchers_hold(silence.matchers, labels, regex)
    ]


def _maintenance(plan: Plan, labels: Mapping[str, str], now: datetime) -> list[Quiet]:
    found = []
    for window in plan.maintenance:
        if labels_hold(window.match, labels) and (end := maintenance_end(window, now)) is not None:
            source = f"maintenance {window.id}"
            why = f"{source} by {window.owner}: {window.reason}"
            found.append(Quiet(QuietReason.MAINTENANCE, end, why, source, window.owner))
    return found


def maintenance_end(window: Maintenance, now: datetime) -> datetime | None:
    """When the occurrence that covers `now` ends; None when none does. `lasts` is elapsed time."""
    if window.start is not None and window.end is not None:
        return window.end if window.start <= now < window.end else None
    if window.cron is None or window.lasts is None:
        return None
    began = calendars.previous_cron(window.cron, window.timezone, now)
    if began is None or now >= began + window.lasts:
        return None
    return began + window.lasts


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a maintenance window holds: [start, end), UTC."""

    start: datetime
    end: datetime


def occurrences(window: Maintenance, at: datetime, count: int) -> list[Occurrence]:
    """The one that holds at `at`, if one does, and those that follow: at most `count`. `lasts` is elapsed time, so a
    window over a change of the clocks ends at another reading than usual."""
    if window.start is not None and window.end is not None:
        return [Occurrence(window.start, window.end)][: count if window.end > at else 0]
    found: list[Occurrence] = []
    if window.cron is None or window.lasts is None:
        return found
    if maintenance_end(window, at) is not None and (began := calendars.previous_cron(window.cron, window.timezone, at)):
        found.append(Occurrence(began, began + window.lasts))
    start = at
    while len(found) < count:
        start = calendars.next_cron(window.cron, window.timezone, start)
        found.append(Occurrence(start, start + window.lasts))
    return found[:count]
