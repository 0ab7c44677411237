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
    """Why somebody is not told, until when, and by whom or what, in words: `silence 3 by chen: index rebuild`."""

    reason: QuietReason
    until: datetime
    why: str


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


def _silences(draft: Draft, labels: Mapping[str, str], now: datetime, regex: Fullmatch) -> list[Quiet]:
    return [
        Quiet(QuietReason.SILENCED, silence.ends_at, f"silence {silence.id} by {silence.owner}: {silence.reason}")
        for silence in draft.silences()
        if is_running(silence, now) and matchers_hold(silence.matchers, labels, regex)
    ]


def _maintenance(plan: Plan, labels: Mapping[str, str], now: datetime) -> list[Quiet]:
    found = []
    for window in plan.maintenance:
        if labels_hold(window.match, labels) and (end := maintenance_end(window, now)) is not None:
            why = f"maintenance {window.id} by {window.owner}: {window.reason}"
            found.append(Quiet(QuietReason.MAINTENANCE, end, why))
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
