"""Was it worth waking somebody: how each paged incident turned out, and which checks make noise, with a proposal.

People say it in a note: `note 142 noise: the batch does this every night`. Where nobody did, it is derived, and the
review says that it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from opswatch.core.dutycase import Case
from opswatch.core.effects import Entry
from opswatch.core.model import Priority, Status
from opswatch.core.plan import Check, Plan
from opswatch.core.speed import middle

BRIEF = timedelta(minutes=5)
"""Gone by itself this fast, and nobody acknowledged: probably noise."""
FEW = 3  # incidents of a check: below that nothing is proposed
MOSTLY = 2 / 3
SHORT = timedelta(minutes=10)
CONFIRM_MAX = 10
OFTEN = 5  # of one thing: it goes up and down
NOISY_MAX = 10

_ACTS = frozenset({"noted", "reassigned", "escalated", "snoozed", "priority_set"})
_WORD = re.compile(r"#(\w+)|\A\s*(\w+)\s*[:：]")


class Tag(StrEnum):
    """How an incident turned out. The first five people may say; `recovered` and `open` are derived only."""

    ACTION = "action"  # somebody did something about it
    NOISE = "noise"  # nothing had to be done
    THRESHOLD = "threshold"  # noise: the limit is wrong
    PLANNED = "planned"  # noise: planned work without a maintenance window
    FAULTY = "faulty"  # noise: the check is wrong
    RECOVERED = "recovered"  # acknowledged or long; it ended by itself, and nobody wrote what was done
    OPEN = "open"

    @property
    def is_noise(self) -> bool:
        return self in (Tag.NOISE, Tag.THRESHOLD, Tag.PLANNED, Tag.FAULTY)


SAID: Mapping[str, Tag] = {
    **{str(tag): tag for tag in (Tag.ACTION, Tag.NOISE, Tag.THRESHOLD, Tag.PLANNED, Tag.FAULTY)},
    "处理": Tag.ACTION,
    "误报": Tag.NOISE,
    "阈值": Tag.THRESHOLD,
    "计划": Tag.PLANNED,
    "检查有误": Tag.FAULTY,
}
"""Words of a tag in a note, in both languages."""


@dataclass(frozen=True, slots=True)
class Told:
    """An incident that paged somebody in the span. `said_by` is None where the tag is derived; `why` are the words of
    the note it was said in."""

    number: int
    title: str
    service: str | None
    priority: str
    check: str | None
    opened_at: datetime | None
    acked_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    people: tuple[str, ...]
    pages: int
    tag: Tag
    said_by: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What would make a check quieter. `kind`: `planned`, `confirm`, `flapping`, `limit`, `lower`, `cause`, or `say`
    (nobody wrote what was done); `of` is out of how many, `value` and `before` its new and its present setting."""

    kind: str
    count: int
    of: int
    value: int | None = None
    before: int | None = None
    span: timedelta | None = None
    what: str = ""


@dataclass(frozen=True, slots=True)
class NoisyCheck:
    """One check. `alerts` are its confirmed failures, `incidents` those it opened, `pages` what those cost, `acted` and
    `noise` how many of the incidents turned out so; `lasted` is the median of its failures that ended."""

    check: str
    alerts: int
    things: int
    incidents: int
    pages: int
    sleep: int
    acted: int
    noise: int
    lasted: timedelta | None
    proposal: Proposal | None


# ---------------------------------------------------------------------------------------------------------------------
# Tags


def told(cases: Iterable[Case], entries: Iterable[Entry]) -> tuple[Told, ...]:
    """The incidents that paged somebody in the span, worst first, each with its tag. `entries`: all that is known of
    them, in order."""
    said = _said(entries)
    found = []
    for case in cases:
        people = tuple(person for person, tally in case.tallies.items() if tally.pages)
        if people:
            tag, said_by, why = _tag(case, said.get(case.number))
            found.append(
                Told(
                    number=case.number,
                    title=case.title,
                    service=case.service,
                    priority=case.priority,
                    check=check_of(case.alert),
                    opened_at=case.opened_at,
                    acked_at=case.acked_at,
                    resolved_at=case.resolved_at,
                    resolved_by=case.resolved_by,
                    people=people,
                    pages=sum(case.tallies[person].pages for person in people),
                    tag=tag,
                    said_by=said_by,
                    why=why,
                )
            )
    return tuple(sorted(found, key=lambda one: (one.priority, one.number)))


def check_of(alert: str | None) -> str | None:
    """The check of an alert's key."""
    return alert.partition("/")[0] if alert else None


@dataclass(slots=True)
class _Said:
    """What people did about one incident: whether anything, and the last tag in a note of theirs."""

    tag: Tag | None = None
    by: str | None = None
    why: str = ""


def _said(entries: Iterable[Entry]) -> dict[int, _Said]:
    found: dict[int, _Said] = {}
    for entry in entries:
        if entry.kind in _ACTS and entry.incident and entry.by:
            said = found.setdefault(entry.incident, _Said())
            text = str(entry.facts.get("text") or "")
            if entry.kind == "noted" and (tag := tag_in(text)) is not None:
                said.tag, said.by, said.why = tag, entry.by, text
    return found


def tag_in(text: str) -> Tag | None:
    """The tag that a note says: `#noise` anywhere, or `noise:` at its beginning."""
    for word in _WORD.finditer(text):
        if (tag := SAID.get((word[1] or word[2]).lower())) is not None:
            return tag
    return None


def _tag(case: Case, said: _Said | None) -> tuple[Tag, str | None, str]:
    if said is not None and said.tag is not None:
        return said.tag, said.by, said.why
    if case.status is not Status.RESOLVED or case.resolved_at is None:
        return Tag.OPEN, None, ""
    if said is not None or case.resolved_by is not None:
        return Tag.ACTION, None, ""
    is_brief = case.opened_at is not None and case.resolved_at - case.opened_at <= BRIEF
    return (Tag.NOISE if is_brief and case.acked_at is None else Tag.RECOVERED), None, ""


# ---------------------------------------------------------------------------------------------------------------------
# Checks


@dataclass(slots=True)
class _Fired:
    alerts: int = 0
    things: dict[str, int] = field(default_factory=dict)
    lasted: list[timedelta] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    sleep: int = 0


def noisiest(
    entries: Iterable[Entry], told: Iterable[Told], asleep: Mapping[int, int], plan: Plan
) -> tuple[NoisyCheck, ...]:
    """The checks that cost the most pages, then those that failed most; at most ten. `asleep`: pages in somebody's
    sleep, by incident."""
    checks: dict[str, _Fired] = {}
    for entry in entries:
        if entry.kind in ("alert_fired", "alert_cleared", "announced_ended"):
            key = str(entry.facts.get("alert"))
            fired = checks.setdefault(check_of(key) or "", _Fired())
            if entry.kind == "alert_fired":
                fired.alerts += 1
                fired.things[key] = fired.things.get(key, 0) + 1
            else:
                fired.lasted.append(timedelta(seconds=float(str(entry.facts.get("lasted_s") or 0))))
    for one in told:
        if one.check is not None:
            fired = checks.setdefault(one.check, _Fired())
            fired.told.append(one)
            fired.sleep += asleep.get(one.number, 0)
    found = [_noisy(check, fired, plan) for check, fired in checks.items()]
    worth = [one for one in found if one.pages > 1 or one.alerts >= FEW]
    return tuple(sorted(worth, key=lambda one: (-one.pages, -one.alerts, one.check))[:NOISY_MAX])


def _noisy(check: str, fired: _Fired, plan: Plan) -> NoisyCheck:
    return NoisyCheck(
        check=check,
        alerts=fired.alerts,
        things=len(fired.things),
        incidents=len(fired.told),
        pages=sum(one.pages for one in fired.told),
        sleep=fired.sleep,
        acted=sum(one.tag is Tag.ACTION for one in fired.told),
        noise=sum(one.tag.is_noise for one in fired.told),
        lasted=middle(sorted(fired.lasted)) if fired.lasted else None,
        proposal=_proposal(fired, plan.checks.get(check)),
    )


def _proposal(fired: _Fired, check: Check | None) -> Proposal | None:
    """The first rule that holds: planned work, failures that are over soon, one thing that goes up and down, noise, and
    what somebody must act on again and again. None: too little is known, or said, to propose anything."""
    over = [one for one in fired.told if one.tag is not Tag.OPEN]
    planned = sum(one.tag is Tag.PLANNED for one in over)
    acted = sum(one.tag is Tag.ACTION for one in over)
    noise = sum(one.tag.is_noise for one in over)
    if planned >= 2 and planned >= len(over) / 2:
        return Proposal("planned", planned, len(over))
    if check is not None and acted <= len(over) / 2 and (found := _confirm(fired, check)) is not None:
        return found
    thing, times = max(fired.things.items(), key=lambda pair: pair[1], default=("", 0))
    if check is not None and times >= OFTEN and check.limits:
        return Proposal("flapping", times, fired.alerts, what=thing)
    if len(over) < FEW:
        return None
    if acted >= MOSTLY * len(over):
        return Proposal("cause", acted, len(over))
    if noise >= MOSTLY * len(over):
        return _quieter(over, noise, check)
    return Proposal("say", len(over) - acted - noise, len(over)) if acted + noise < len(over) / 2 else None


def _quieter(over: Sequence[Told], noise: int, check: Check | None) -> Proposal:
    """Most of it was noise: another limit where it has one, else one priority lower. What was ever P0 stays loud."""
    worst = min(Priority[one.priority] for one in over)
    if (check is not None and check.limits) or worst is Priority.P0:
        return Proposal("limit", noise, len(over))
    return Proposal("lower", noise, len(over), what=str(Priority(min(worst + 1, Priority.P3))))


def _confirm(fired: _Fired, check: Check) -> Proposal | None:
    """Most of its failures were over soon: as many results more as would have waited for two thirds of them."""
    spacing = check.retry or check.every
    ranked = sorted(fired.lasted)
    short = sum(lasted <= SHORT for lasted in ranked)
    if spacing is None or len(ranked) < FEW or short < MOSTLY * len(ranked):
        return None
    enough = ranked[-(-len(ranked) * 2 // 3) - 1]
    confirm = check.confirm + -(-enough // spacing)
    if not check.confirm < confirm <= CONFIRM_MAX:
        return None
    longer = spacing * (confirm - check.confirm)
    gone = sum(lasted <= longer for lasted in ranked)
    return Proposal("confirm", gone, len(ranked), confirm, check.confirm, longer)
