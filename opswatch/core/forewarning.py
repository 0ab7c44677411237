"""Who is told what is wrong with the weeks ahead: each thing once, 30, 7 and 1 days before it begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from opswatch.core import notices
from opswatch.core.coverage import Finding, Kind
from opswatch.core.events import CoverageSeen
from opswatch.core.moment import Moment
from opswatch.core.overload import FORTNIGHT
from opswatch.core.plan import Plan

AHEAD_DAYS = (1, 7, 30)
"""So many days before it begins a finding is told; what is first seen later is told then, once."""

EVENT = "coverage"
SHOWN_MAX = 20  # findings of one message; the rest are counted
KEPT = timedelta(days=400)  # how long it is remembered that somebody was told of what has no end in sight
MARKS_OURS_MAX = 1_000  # half of all marks
_OURS = "coverage "
_IN_SIGHT = timedelta(days=20)
_TOLD_ONCE = frozenset({Kind.OVERLOADED})  # of a fortnight: it hurts nobody more because it is nearer
_ONLY_NOTED = frozenset({Kind.TWICE})


def seen(m: Moment, event: CoverageSeen) -> None:
    """Tell what is new of it. A finding is known by its key: one that moves is another one; one that goes and comes
    back is not told again."""
    due: dict[str, tuple[datetime, Finding]] = {}
    for finding in event.findings:
        is_ours = finding.roster in m.plan.rosters and finding.kind not in _ONLY_NOTED
        if is_ours and finding.end > m.now and (known := _mark(m.now, finding)) is not None:
            due[known[0]] = (known[1], finding)
    new: dict[str, list[Finding]] = {}
    marks = m.new_of({mark: due[mark][0] for mark in _nearest(m, due)})
    for mark, (_, finding) in due.items():
        if mark in marks:
            new.setdefault(finding.roster, []).append(finding)
    readers: dict[str, list[Finding]] = {}
    for roster, findings in new.items():
        told = readers_of(m.plan, roster)
        _record(m, roster, findings, told)
        for reader in told:
            readers.setdefault(reader, []).extend(findings)
    for reader, findings in readers.items():
        _tell(m, reader, findings)


def readers_of(plan: Plan, roster: str) -> tuple[str, ...]:
    """Who hears of a roster's troubles: `channel:ID` and `person:ID`. What its `announce` says; else the channels of
    the digest; else the leads and admins."""
    named = plan.rosters[roster].announce
    if named:
        return tuple(dict.fromkeys(reader for target in named for reader in _behind(plan, target)))
    channels = [target for target in plan.digest.to if target.removeprefix("channel:") in plan.channels]
    return tuple(channels) or tuple(f"person:{person}" for person in notices.leads(plan))


def _behind(plan: Plan, target: str) -> Iterable[str]:
    kind, _, what = target.partition(":")
    if kind == "team":
        return [f"person:{person}" for person in notices.readers(plan, target)]
    return [target] if what in (plan.channels if kind == "channel" else plan.people) else []


def _mark(now: datetime, finding: Finding) -> tuple[str, datetime] | None:
    """What it is known by while it is this near, and until when; None while it is too far. The mark of 30 days holds
    until that of 7 takes over, and so on: there is one of each."""
    if finding.kind in _TOLD_ONCE:
        return f"{_OURS}{finding.key}", finding.end + 3 * FORTNIGHT
    ahead = finding.start - now
    days = next((days for days in AHEAD_DAYS if ahead <= timedelta(days=days)), None)
    if days is None:
        return None
    sooner = max((fewer for fewer in AHEAD_DAYS if fewer < days), default=None)
    until = _forgotten_at(now, finding) if sooner is None else finding.start - timedelta(days=sooner)
    return f"{_OURS}{finding.key} {days}d", until


def _nearest(m: Moment, due: Mapping[str, tuple[datetime, Finding]]) -> list[str]:
    """As many as there is room for, the nearest first: what is wrong everywhere must not push out the marks of others,
    and then be told again."""
    known = m.draft.standing.marks
    room = MARKS_OURS_MAX - sum(1 for mark, end in known.items() if mark.startswith(_OURS) and end > m.now)
    unknown = [mark for mark in due if known.get(mark, m.now) <= m.now]
    return sorted(unknown, key=lambda mark: due[mark][1].start)[: max(room, 0)]


def _forgotten_at(now: datetime, finding: Finding) -> datetime:
    """After it is over, and the other shifts that it is about. What has no end in sight is told once all the same."""
    return finding.end + FORTNIGHT if finding.end - now < _IN_SIGHT else now + KEPT


def _record(m: Moment, roster: str, findings: list[Finding], told: tuple[str, ...]) -> None:
    count: dict[str, Any] = {str(kind): sum(one.kind is kind for one in findings) or None for kind in Kind}
    first = min(findings, key=lambda one: one.start)
    people = dict.fromkeys(person for one in findings if one.kind is not Kind.GAP for person in one.people)
    m.record(
        "coverage_warned",
        roster=roster,
        start=first.start,
        end=first.end,
        people=tuple(people) or None,
        told=told,
        **count,
    )


def _tell(m: Moment, reader: str, findings: list[Finding]) -> None:
    shown = [one.facts() for one in sorted(findings, key=lambda one: one.start)[:SHOWN_MAX]]
    kind, _, what = reader.partition(":")
    more = max(len(findings) - SHOWN_MAX, 0) or None
    if kind == "channel":
        m.announce(what, EVENT, findings=shown, more=more)
    else:
        notices.tell(m, (what,), EVENT, findings=shown, more=more)
