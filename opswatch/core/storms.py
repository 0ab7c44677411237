"""Storms: so many incidents open at once that they are paged as one.

Each failure still has its incident, its line and its number; while it is folded, the storm climbs for it. The storm is
as bad as its worst member, follows that one's policy, and pages the first level of the others' too: each person once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from opswatch.core import escalation, incidents
from opswatch.core.model import PageReason, Status
from opswatch.core.moment import Moment
from opswatch.core.spans import say_span
from opswatch.core.state import Alert, Incident

GREW_AT = frozenset(10**power for power in range(1, 8))
"""Its cards are brought up to date when so many have been folded, and when it has passed."""


def tallies(alerts: Sequence[Alert]) -> dict[str, list[tuple[str, int]]]:
    """How many of these fail by service, by check and by target, the most first."""
    counts = {
        "service": Counter(alert.service for alert in alerts if alert.service is not None),
        "check": Counter(alert.check for alert in alerts),
        "target": Counter(alert.target for alert in alerts),
    }
    return {
        name: sorted(count.items(), key=lambda pair: (-pair[1], pair[0])) for name, count in counts.items() if count
    }


# ---------------------------------------------------------------------------------------------------------------------
# Folding


def open_for(m: Moment, alert: Alert, group: str, service: str | None, title: str) -> Incident:
    """The incident that this alert opens: on its own, or folded when it is one of very many."""
    if not _is_storming(m):
        return incidents.open_for(m, alert, group, service, title)
    storm = _taking(m)
    into = storm.number if storm is not None else m.draft.standing.incident_last + 2
    member = incidents.opened(
        m,
        title=title,
        service=service,
        priority=alert.priority,
        why=alert.why,
        group=group,
        alert=alert,
        summary=alert.sentence,
        storm=into,
    )
    member = escalation.keep(m, member)
    if storm is None:
        _begin(m, into, member)
    else:
        _fold(m, storm, member)
    return member


def _is_storming(m: Moment) -> bool:
    """Whether as many incidents as `grouping.storm` says opened within its span: numbers are given in order."""
    many = m.plan.storm_incidents
    if many <= 0:
        return False
    first = m.draft.incident(m.draft.standing.incident_last - many + 1)
    return first is not None and m.now - first.opened_at < m.plan.storm_within


def _taking(m: Moment) -> Incident | None:
    """The storm that began last, while it is open."""
    storm = m.draft.incident(m.draft.standing.storm or 0)
    return storm if storm is not None and storm.status is not Status.RESOLVED else None


def _begin(m: Moment, number: int, newest: Incident) -> None:
    """Those that opened just now and that nobody has taken are folded too: pages of theirs that have not left stay."""
    members = [*_just_opened(m, newest.number), newest]
    worst = min(members, key=lambda one: (one.priority, one.number))
    services = {one.service for one in members}
    storm = incidents.opened(
        m,
        title=_title(m),
        service=worst.service if len(services) == 1 else None,
        priority=worst.priority,
        why=worst.why,
        group=f"storm={number}",
        is_storm=True,
    )
    assert storm.number == number
    m.draft.standing = replace(m.draft.standing, storm=number)
    storm = replace(
        storm, policy=worst.policy, folded=len(members), storm_until=m.now + m.plan.storm_within, check=worst.check
    )
    escalation.keep(m, storm)
    for member in members[:-1]:
        m.record("folded", incident=member.number, storm=number)
        escalation.keep(m, replace(escalation.stop(m, member), storm=number, level=0))
        incidents.noted(m, member, "folded")
    storm = escalation.start(m, storm, PageReason.FIRST)
    for policy in dict.fromkeys(one.policy for one in members):
        loudest = min((one for one in members if one.policy == policy), key=lambda one: one.priority)
        storm = _page_others(m, storm, loudest)
    escalation.keep(m, storm)


def _just_opened(m: Moment, before: int) -> list[Incident]:
    """Open incidents of the last `storm_within` that nobody took, snoozed or holds back, oldest first."""
    found = []
    for number in range(max(1, before - m.plan.storm_incidents), before):
        one = m.draft.incident(number)
        if one is None or one.status is not Status.TRIGGERED or one.storm is not None or one.is_storm or one.by_hand:
            continue
        is_new = m.now - one.opened_at < m.plan.storm_within
        if is_new and one.owner is None and one.snoozed_until is None and one.held_until is None:
            found.append(one)
    return found


def _title(m: Moment) -> str:
    within = say_span(m.plan.storm_within)
    if m.plan.language == "zh":
        return f"告警风暴：{within} 内超过 {m.plan.storm_incidents} 起故障"
    return f"storm: more than {m.plan.storm_incidents} incidents within {within}"


def _fold(m: Moment, storm: Incident, member: Incident) -> None:
    folded = storm.folded + 1
    if storm.service is not None and storm.service != member.service:
        m.record("storm_widened", incident=storm.number, before=storm.service)
    storm = replace(
        storm,
        folded=folded,
        joined_at=m.now,
        storm_until=m.now + m.plan.storm_within,
        service=storm.service if storm.service == member.service else None,
    )
    storm = _worse(m, storm, member)
    storm = _page_others(m, storm, member)
    if folded in GREW_AT:
        incidents.noted(m, storm, "storm_grew")
    escalation.keep(m, storm)


def _worse(m: Moment, storm: Incident, member: Incident) -> Incident:
    """A member that is worse than the storm raises it, and the storm goes that one's way."""
    if member.priority >= storm.priority:
        return storm
    return incidents.raise_priority(m, storm, member.priority, member.why, policy=member.policy)


def _page_others(m: Moment, storm: Incident, member: Incident) -> Incident:
    """The people of another policy hear of it as loud as their own worst member is, once. Nobody has to any more when
    somebody has taken the storm, or it is quiet."""
    if member.policy == storm.policy or storm.status is not Status.TRIGGERED:
        return storm
    if storm.held_until is not None or storm.snoozed_until is not None:
        return storm
    told = dict(storm.also).get(member.policy)
    if (told is not None and told <= member.priority) or m.plan.rule(member.priority).interrupt == "never":
        return storm
    names = escalation.first_level(m, member.policy, member)
    also = tuple(pair for pair in storm.also if pair[0] != member.policy)
    storm = replace(storm, also=(*also, (member.policy, member.priority)))
    return escalation.page_also(m, storm, names, member.priority)


# ---------------------------------------------------------------------------------------------------------------------
# A member changes


def look(m: Moment, storm: int | None, member: int) -> None:
    """A member has changed: its storm is as bad as the worst of them, and over when all of them are."""
    one, whole = m.draft.incident(member), m.draft.incident(storm or 0)
    if one is None or whole is None:
        return
    if one.storm == whole.number and one.status is not Status.RESOLVED:
        if one.priority < whole.priority:
            escalation.keep(m, _worse(m, whole, one))
    elif not incidents.still_fails(m, whole):
        _all_over(m, whole)


def _all_over(m: Moment, storm: Incident) -> None:
    if storm.status is Status.RESOLVED:
        escalation.keep(m, replace(storm, reopen_at=None))
    elif storm.storm_until is None or storm.storm_until <= m.now:
        escalation.keep(m, incidents.resolve(m, storm, by=None))


# ---------------------------------------------------------------------------------------------------------------------
# What is due


def due(m: Moment, number: int) -> None:
    """After an incident was looked at: a storm may have passed; a member may have lost its storm."""
    one = m.draft.incident(number)
    if one is None or one.status is Status.RESOLVED:
        return
    if one.storm is not None:
        _look_for_storm(m, one)
    elif one.is_storm and one.storm_until is not None and one.storm_until <= m.now:
        _passed(m, one)


def _passed(m: Moment, storm: Incident) -> None:
    """Nothing new for a while: everybody who was paged hears what is left, and it stays on the ladder until it is
    over. It is over at once when nothing is left."""
    left = m.draft.members(storm.number)
    m.record("storm_passed", incident=storm.number, folded=storm.folded, left=left)
    storm = replace(storm, storm_until=None)
    if not incidents.still_fails(m, storm):
        escalation.keep(m, incidents.resolve(m, storm, by=None))
        return
    incidents.tell(m, storm, "storm_passed")
    escalation.keep(m, storm)


def _look_for_storm(m: Moment, member: Incident) -> None:
    """A member whose storm is gone, or was resolved and will not open again, climbs on its own: nobody is forgotten."""
    storm = m.draft.incident(member.storm or 0)
    if storm is not None and (storm.status is not Status.RESOLVED or storm.reopen_at is not None):
        escalation.keep(m, member)
        return
    m.record("unfolded", incident=member.number, storm=member.storm)
    member = incidents.look_at_hold(m, replace(member, storm=None))
    if member.held_until is None:
        member = escalation.start(m, member, PageReason.FIRST)
    escalation.keep(m, member)
