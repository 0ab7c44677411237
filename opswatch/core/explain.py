"""The same decisions, as values for sentences: which priority and why, who is paged when, what is quiet, what if nobody
answers.

Nothing is decided here a second time: the engine itself steps a throw-away copy of the state, and what it records is
the explanation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from opswatch.core import escalation, quiet, sources, upstream
from opswatch.core.changes import Changes, Draft, State
from opswatch.core.effects import Entry
from opswatch.core.engine import Engine
from opswatch.core.grouping import group_key
from opswatch.core.matching import Fullmatch, fullmatch, labels_of
from opswatch.core.model import Health, Priority, Status
from opswatch.core.moment import Moment
from opswatch.core.plan import Check, ClassifyRule, Plan
from opswatch.core.quiet import Quiet
from opswatch.core.rehearsal import STEPS_MAX, SUPPOSED, Rehearsal, arranged, at_once, supposing, with_check
from opswatch.core.sources import Source
from opswatch.core.state import Alert, Incident, alert_key

HORIZON = timedelta(days=8)  # a P2 raised on Friday night is told on Monday; a digest comes within a day
ENTRIES_MAX = 200
_UNTOLD = frozenset(["alert_fired", "alert_changed", "noted", "announced", "page_delivered", "page_sent"])
"""What explains nothing: everything else that the engine records of the incident is told, kinds of tomorrow too."""


@dataclass(frozen=True, slots=True)
class Supposed:
    """What is only assumed. `is_then`: at another time than now; what is so today (an acknowledgement, a pinned
    priority, what else fails) is not so then. `priority` and `labels` are as asked, where they were."""

    health: Health = Health.CRIT
    is_then: bool = False
    priority: Priority | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


AS_IT_STANDS = Supposed()


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is so, or would be, for one failure at `at`; and what follows if nobody says a word.

    `route` counts from 1, None where none is written. `quiets` is why nobody is told at `at`, what ends last first.
    `incident` is the open one, or the one it would open or join; None while a quiet holds it back. `stands` is the
    incident as it is at `at`, for one that exists. `course` is in order of time; `is_cut` says that it goes on like
    this. `sources` says for each level of the course who stands behind its targets, and why they do.
    """

    subject: str
    at: datetime
    is_supposed: bool
    priority: Priority
    why: str
    interrupt: str
    policy: str
    route: int | None
    quiets: tuple[Quiet, ...]
    incident: int | None
    joins: bool
    course: tuple[Entry, ...]
    is_cut: bool
    sources: tuple[Source, ...] = ()
    stands: Incident | None = None
    is_then: bool = False

    @property
    def quiet(self) -> Quiet | None:
        """What holds it back longest."""
        return self.quiets[0] if self.quiets else None


def of_incident(
    plan: Plan, state: State, number: int, now: datetime, regex: Fullmatch = fullmatch, *, at: datetime | None = None
) -> Explanation:
    """An incident as it stands; at a later `at`, as it would stand by then if nobody said a word. KeyError when it is
    not in the state, or gone by then."""
    keys = state.incidents[number].alerts
    stage = Rehearsal(Engine(plan, regex), copied(plan, state, keep=(number,), alerts=keys), now)
    if at is not None and at > now:
        stage.passes(at)
        stage.entries.clear()
    incident = stage.state.incidents[number]
    alerts = [stage.state.alerts[key] for key in incident.alerts if key in stage.state.alerts]
    held = [_why_quiet(stage, alert) for alert in alerts]
    began, route = stage.now, _route(stage, incident)
    course, behind, is_cut = _course(stage, number, incident.alerts)
    return Explanation(
        subject=f"incident {number}",
        at=began,
        is_supposed=False,
        priority=incident.priority,
        why=incident.why,
        interrupt=plan.rule(incident.priority).interrupt,
        policy=incident.policy,
        route=route,
        quiets=_shortest(held),
        incident=number,
        joins=False,
        course=course,
        is_cut=is_cut,
        sources=behind,
        stands=incident,
        is_then=at is not None and at > now,
    )


def of_check(
    plan: Plan,
    state: State,
    check: str,
    target: str,
    now: datetime,
    *,
    supposed: Supposed = AS_IT_STANDS,
    regex: Fullmatch = fullmatch,
) -> Explanation:
    """A check on a target: the incident it is in; else, or when it is about another time, were it confirmed bad at
    `now`. KeyError for a check or target that is not in the plan."""
    known = plan.checks[check]
    if target not in known.targets:
        raise KeyError(target)
    if not supposed.is_then and supposed.priority is None and not supposed.labels:
        for alert in state.alerts.values():
            incident = state.incidents.get(alert.incident or 0)
            is_it = alert.check == check and alert.target == target
            if is_it and incident is not None and incident.status is not Status.RESOLVED:
                return replace(of_incident(plan, state, incident.number, now, regex), subject=f"{check}/{target}")
    return _supposed(plan, state, known, target, supposed, now, regex)


def of_service(
    plan: Plan,
    state: State,
    service: str,
    now: datetime,
    *,
    supposed: Supposed = AS_IT_STANDS,
    regex: Fullmatch = fullmatch,
) -> Explanation:
    """Were something of this service to fail at `now`: a check nobody wrote, on its first target. KeyError for a
    service that is not in the plan."""
    plan.services[service]
    imagined, target = supposing(plan, service)
    found = _supposed(imagined, state, imagined.checks[SUPPOSED], target, supposed, now, regex)
    return replace(found, subject=f"service {service}")


def of_target(
    plan: Plan,
    state: State,
    target: str,
    now: datetime,
    *,
    supposed: Supposed = AS_IT_STANDS,
    regex: Fullmatch = fullmatch,
) -> Explanation:
    """Were something of this target to fail at `now`: a check nobody wrote. KeyError for a target that is not in the
    plan."""
    imagined, name = supposing(plan, plan.targets[target].service, target)
    found = _supposed(imagined, state, imagined.checks[SUPPOSED], name, supposed, now, regex)
    return replace(found, subject=f"target {target}")


# ---------------------------------------------------------------------------------------------------------------------
# A failure that is not there


def _supposed(
    plan: Plan, state: State, check: Check, target: str, supposed: Supposed, now: datetime, regex: Fullmatch
) -> Explanation:
    key = alert_key(check.id, target)
    plan = _as_asked(with_check(plan, at_once(check)), check.id, target, supposed)
    stage = Rehearsal(Engine(plan, regex), _around(plan, state, check.id, target, supposed), now)
    stage.looks(check.id, target, supposed.health)
    service = plan.targets[target].service
    return supposition(stage, state, key, subject=f"{check.id}/{target}", service=service, supposed=supposed)


def supposition(
    stage: Rehearsal, state: State, key: str, *, subject: str, service: str | None, supposed: Supposed = AS_IT_STANDS
) -> Explanation:
    """What follows from the alert `key`, which has just begun to fail on the stage; `state` is what is so."""
    plan, now = stage.engine.plan, stage.now
    alert = stage.state.alerts[key]
    number, joins = alert.incident, alert.incident in state.incidents and not supposed.is_then
    held = _why_quiet(stage, alert)
    incident = stage.state.incidents.get(number or 0)
    opened = incident is not None
    # Asked now: what the course brings may be routed another way, at another hour.
    asked = incident if incident is not None else _would_be(alert, service, now)
    policy = asked.policy or escalation.route(_moment(stage), asked)
    route = _route(stage, replace(asked, priority=alert.priority))
    course, behind, is_cut = _course(stage, number, (key,))
    return Explanation(
        subject=subject,
        at=now,
        is_supposed=True,
        priority=alert.priority,
        why=alert.why if supposed.priority is None else f"{alert.priority} because: asked so",
        interrupt=plan.rule(alert.priority).interrupt,
        policy=policy,
        route=route,
        quiets=held,
        incident=number if opened else None,
        joins=joins,
        course=course,
        is_cut=is_cut,
        sources=behind,
        stands=state.incidents[number] if joins and number is not None else None,
        is_then=supposed.is_then,
    )


def _around(plan: Plan, state: State, check: str, target: str, supposed: Supposed) -> State:
    """What is so while it fails: at another time, only what people have arranged."""
    if supposed.is_then:
        return arranged(state)
    group = group_key(plan, labels_of(plan, check=check, target=target, health=str(supposed.health)))
    same_group = [number for number, one in state.incidents.items() if one.group == group]
    causes = [
        cause.incident for cause in upstream.causes(plan, Draft(state), target) if cause.incident in state.incidents
    ]
    keep = dict.fromkeys([*same_group, *(number for number in causes if number is not None)])
    return copied(plan, state, keep=keep, alerts=(), without=alert_key(check, target))


def _as_asked(plan: Plan, check: str, target: str, supposed: Supposed) -> Plan:
    """The plan in which the failure has the priority and the labels that were asked for."""
    if supposed.priority is not None:
        rule = ClassifyRule(supposed.priority, 0, checks=(check,), targets=(target,))
        plan = replace(plan, classify=(rule, *plan.classify))
    if supposed.labels:
        known = plan.checks[check]
        plan = with_check(plan, replace(known, labels={**known.labels, **supposed.labels}))
        service = plan.services.get(plan.targets[target].service or "")
        if service is not None:  # Routes ask the service's labels.
            labelled = replace(service, labels={**service.labels, **supposed.labels})
            plan = replace(plan, services={**plan.services, service.id: labelled})
    return plan


def _would_be(alert: Alert, service: str | None, now: datetime) -> Incident:
    """The incident that a held alert would open, for asking which route it takes."""
    return Incident(
        number=0,
        title=alert.sentence,
        status=Status.TRIGGERED,
        priority=alert.priority,
        why=alert.why,
        opened_at=now,
        policy="",
        wake_at=now,
        service=service,
        alerts=(alert.key,),
        check=alert.check,
    )


# ---------------------------------------------------------------------------------------------------------------------
# Stepping a copy


def copied(plan: Plan, state: State, *, keep: Iterable[int], alerts: Iterable[str], without: str = "") -> State:
    """A state of our own with these incidents and alerts. Other alerts stand still: they matter to the rules only."""
    kept = {number: state.incidents[number] for number in keep}
    awake = {*alerts, *(key for one in kept.values() for key in one.alerts)}
    copy = arranged(state)
    copy.apply(
        Changes(
            alerts={
                key: one if key in awake else replace(one, wake_at=None)
                for key, one in state.alerts.items()
                if key != without
            },
            incidents=dict(kept),
            watches={
                key: watch
                for key, watch in state.watches.items()
                if key != without and (key in awake or watch.target in plan.children)
            },
        )
    )
    return copy


def _course(
    stage: Rehearsal, number: int | None, alerts: Iterable[str]
) -> tuple[tuple[Entry, ...], tuple[Source, ...], bool]:
    """What happens from now on while nobody says a word, until it only repeats itself; and who stands behind each
    level as it is entered."""
    keys, until, seen = set(alerts), stage.now + HORIZON, 0
    course: list[Entry] = []
    behind: list[Source] = []
    for _ in range(STEPS_MAX):
        number = number or next((stage.state.alerts[key].incident for key in keys if key in stage.state.alerts), None)
        told = [entry for entry in stage.entries[seen:] if _concerns(entry, number, keys)]
        seen = len(stage.entries)
        course += told
        behind += [one for entry in told for one in sources.of_level(_moment(stage), entry)]
        if _is_at_its_end(course, told) or len(course) >= ENTRIES_MAX:
            return tuple(course), tuple(behind), True
        if not stage.wakes(until):
            return tuple(course), tuple(behind), stage.engine.next_deadline(stage.state) is not None
    return tuple(course), tuple(behind), True


def _is_at_its_end(course: list[Entry], told: list[Entry]) -> bool:
    """The last resort was told, or a digest: from here on the same comes again."""
    kinds = {entry.kind for entry in told}
    if "digest_sent" in kinds:
        return True
    return any(entry.kind == "ladder_ended" for entry in course) and bool(kinds & {"level_entered", "ladder_ended"})


def _concerns(entry: Entry, number: int | None, alerts: set[str]) -> bool:
    if entry.kind in _UNTOLD:
        return False
    if entry.kind == "digest_sent":
        numbers = entry.facts.get("incidents")
        return isinstance(numbers, list) and number in numbers
    return (number is not None and entry.incident == number) or entry.facts.get("alert") in alerts


# ---------------------------------------------------------------------------------------------------------------------
# Which rule


def _why_quiet(stage: Rehearsal, alert: Alert) -> tuple[Quiet, ...]:
    m = _moment(stage)
    return quiet.reasons(m.plan, m.draft, alert, m.now, m.regex)


def _shortest(held: list[tuple[Quiet, ...]]) -> tuple[Quiet, ...]:
    """Of several alerts all must be quiet for the incident to be; it is told when the first of them is not."""
    return min(held, key=lambda reasons: reasons[0].until) if held and all(held) else ()


def _route(stage: Rehearsal, incident: Incident) -> int | None:
    """The place of the first route that takes it, from 1: asked one by one, of a plan that has no other."""
    asked = _moment(stage)
    for place, route in enumerate(asked.plan.routes, start=1):
        m = replace(asked, plan=replace(asked.plan, routes=(replace(route, policy="\0"),)))
        if escalation.route(m, incident) == "\0":
            return place
    return None


def _moment(stage: Rehearsal) -> Moment:
    return stage.engine.moment(Draft(stage.state), stage.now)
