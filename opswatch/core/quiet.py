"""Why not to page: pause, maintenance and silences. Each only delays; none consumes (SPEC 2, the announcing
invariant)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from opswatch.core import calendars
from opswatch.core.changes import Draft
from opswatch.core.matching import Fullmatch, fullmatch, labels_hold, matchers_hold
from opswatch.core.model import QuietReason
from opswatch.core.plan import Maintenance, Plan
from opswatch.core.state import Silence


@dataclass(frozen=True, slots=True)
class Quiet:
    """Why somebody is not told, until when, and by whom or what, in words: `silence 3 by chen: index rebuild`.

    `source` is its name where it has an owner: `silence 3`, `maintenance weekly-batch`."""

    reason: QuietReason
    until: datetime
    why: str
    source: str = ""
    owner: str = ""


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
