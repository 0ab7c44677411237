"""What a silence or a maintenance window holds back: counted while it lasts, told to its owner when it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from opswatch.core import notices
from opswatch.core.moment import Moment
from opswatch.core.quiet import Quiet
from opswatch.core.state import Alert, Held

NAMED_MAX = 20
COUNTED_MAX = 200
"""Kept by their keys, so that each counts once; a report of so many says enough."""


def note(m: Moment, quiet: Quiet, alert: Alert) -> None:
    """An alert is held back: it will stand in the report. A pause of everything has none."""
    if not quiet.source:
        return
    so_far = m.draft.standing.held.get(quiet.source) or Held(quiet.until, quiet.owner)
    if alert.key in so_far.alerts or so_far.count >= COUNTED_MAX:
        after = replace(so_far, until=quiet.until)
    else:
        worst = alert.priority if so_far.worst is None else min(so_far.worst, alert.priority)
        counted = (*so_far.alerts, alert.key)
        after = replace(so_far, until=quiet.until, count=len(counted), alerts=counted, worst=worst)
    if after != so_far:
        m.draft.standing = replace(m.draft.standing, held={**m.draft.standing.held, quiet.source: after})


def moved(m: Moment, source: str, until: datetime, owner: str) -> None:
    """`source` ends at another instant, and may be somebody else's: the report waits for that."""
    if (held := m.draft.standing.held.get(source)) is not None:
        after = replace(held, until=until, owner=owner)
        m.draft.standing = replace(m.draft.standing, held={**m.draft.standing.held, source: after})


def report_ended(m: Moment) -> None:
    """Whatever is over: its owner learns what would have paged."""
    for source, held in list(m.draft.standing.held.items()):
        if held.until <= m.now:
            report(m, source)


def report(m: Moment, source: str) -> None:
    """`source` (`silence 3`, `maintenance weekly-batch`) is over. Nothing is said where it held nothing back."""
    held = m.draft.standing.held.get(source)
    if held is None:
        return
    rest = {name: one for name, one in m.draft.standing.held.items() if name != source}
    m.draft.standing = replace(m.draft.standing, held=rest)
    failing = sum(1 for key in held.alerts if m.draft.alert(key) is not None)
    what, _, name = source.partition(" ")
    m.record(
        "quiet_report",
        person=held.owner,
        what=what,
        id=name,
        count=held.count,
        failing=str(failing),
        priority=str(held.worst),
        evidence=held.alerts[:NAMED_MAX],
    )
    if failing >= held.count:
        return  # All of it is told by its own pages now.
    notices.tell(
        m,
        notices.readers(m.plan, held.owner),
        "quiet_report",
        what=what,
        id=name,
        count=held.count,
        failing=str(failing),
        priority=str(held.worst),
        evidence=held.alerts[:NAMED_MAX],
    )
