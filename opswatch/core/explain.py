"""The same decisions, as sentences: which priority and why, who is paged when, what is quiet, what if nobody answers.

Nothing is decided here a second time: the engine itself steps a throw-away copy of the state, and what it records is
the explanation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opswatch.core import escalation, quiet
from opswatch.core.changes import Changes, Draft, State
from opswatch.core.effects import Effect, Entry, Record
from opswatch.core.engine import Engine
from opswatch.core.events import Event, Observed, Tick
from opswatch.core.grouping import group_key
from opswatch.core.matching import Fullmatch, fullmatch, labels_of, labels_of_alert
from opswatch.core.model import Failure, Health, Priority, Status, UnknownReason, Verdict
from opswatch.core.moment import Moment
from opswatch.core.plan import Check, Plan, Target
from opswatch.core.quiet import Quiet
from opswatch.core.state import Alert, Incident, alert_key

HORIZON = timedelta(days=8)  # a P2 raised on Friday night is told on Monday; a digest comes within a day
STEPS_MAX = 2_000
ENTRIES_MAX = 200
SUPPOSED = "supposed"  # a check or target that exists only in the question
_TOLD = frozenset(
    [
        "triggered",
        "alert_joined",
        "alert_announced",
        "held",
        "level_entered",
        "level_skipped",
        "level_empty",
        "page_promised",
        "unreachable_person",
        "ladder_ended",
        "digest_sent",
        "ack_reminded",
        "ack_expired",
        "snooze_ended",
        "reopened",
        "raised",
    ]
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is so, or would be, for one failure at `at`; and what follows if nobody says a word.

    `route` counts from 1, None where none is written. `quiet` is why nobody is told at `at`. `incident` is the open
    one, or the one it would open or join; None while a quiet holds it back. `course` is in order of time; `is_cut`
    says that it goes on like this.
    """

    subject: str
    at: datetime
    is_supposed: bool
    priority: Priority
    why: str
    interrupt: str
    policy: str
    route: int | None
    quiet: Quiet | None
    incident: int | None
    joins: bool
    course: tuple[Entry, ...]
    is_cut: bool


def of_incident(plan: Plan, state: State, number: int, now: datetime, regex: Fullmatch = fullmatch) -> Explanation:
    """An incident as it stands. KeyError when it is not in the state."""
    incident = state.incidents[number]
    copy = _copy(state, keep=(number,), alerts=incident.alerts)
    engine = Engine(plan, regex)
    alerts = [copy.alerts[key] for key in incident.alerts if key in copy.alerts]
    held = [_why_quiet(plan, copy, alert, now, regex) for alert in alerts]
    course, is_cut = _course(engine, copy, number, incident.alerts, now)
    return Explanation(
        subject=f"incident {number}",
        at=now,
        is_supposed=False,
        priority=incident.priority,
        why=incident.why,
        interrupt=plan.rule(incident.priority).interrupt,
        policy=incident.policy,
        route=_route(engine, copy, incident, now, regex),
        quiet=held[0] if held and all(held) else None,
        incident=number,
        joins=False,
        course=course,
        is_cut=is_cut,
    )


def of_check(
    plan: Plan,
    state: State,
    check: str,
    target: str,
    now: datetime,
    *,
    health: Health = Health.CRIT,
    regex: Fullmatch = fullmatch,
) -> Explanation:
    """A check on a target: the incident it is in; else, were it confirmed as `health` at `now`. KeyError for a check
    or target that is not in the plan."""
    known = plan.checks[check]
    if target not in known.targets:
        raise KeyError(target)
    alert = state.alerts.get(alert_key(check, target))
    incident = state.incidents.get(alert.incident or 0) if alert is not None else None
    if incident is not None and incident.status is not Status.RESOLVED:
        return replace(of_incident(plan, state, incident.number, now, regex), subject=f"{check}/{target}")
    return _supposed(plan, state, known, target, health, now, regex)


def of_service(
    plan: Plan, state: State, service: str, now: datetime, *, health: Health = Health.CRIT, regex: Fullmatch = fullmatch
) -> Explanation:
    """Were something of this service to fail as `health` at `now`: a check nobody wrote, on its first target. KeyError
    for a service that is not in the plan."""
    plan.services[service]
    target = next((one.id for one in plan.targets.values() if one.service == service), SUPPOSED)
    targets = {**plan.targets, target: plan.targets.get(target) or Target(target, "host", service=service)}
    check = Check(SUPPOSED, "command", (target,), every=timedelta(minutes=1))
    supposed = replace(plan, targets=targets, checks={**plan.checks, SUPPOSED: check})
    found = _supposed(supposed, state, check, target, health, now, regex)
    return replace(found, subject=f"service {service}")


# ---------------------------------------------------------------------------------------------------------------------
# A failure that is not there


def _supposed(
    plan: Plan, state: State, check: Check, target: str, health: Health, now: datetime, regex: Fullmatch
) -> Explanation:
    key = alert_key(check.id, target)
    at_once = replace(check, confirm=1)
    engine = Engine(replace(plan, checks={**plan.checks, check.id: at_once}), regex)
    labels = labels_of(plan, check=check.id, target=target, health=str(health))
    group = group_key(plan, labels)
    same_group = [number for number, one in state.incidents.items() if one.group == group]
    copy = _copy(state, keep=same_group, alerts=(), without=key)
    entries = _records(_step(engine, copy, Observed(check.id, target, _verdict(health, now)), now))
    alert = copy.alerts[key]
    incident = copy.incidents.get(alert.incident or 0)
    held = _why_quiet(plan, copy, alert, now, regex)
    course, is_cut = _course(engine, copy, alert.incident, (key,), now, entries)
    if incident is None:  # Held back: the incident it opens in the end is on the copy by now.
        incident = copy.incidents.get(copy.alerts[key].incident or 0) or _would_be(alert, labels.get("service"), now)
    return Explanation(
        subject=f"{check.id}/{target}",
        at=now,
        is_supposed=True,
        priority=alert.priority,
        why=alert.why,
        interrupt=plan.rule(alert.priority).interrupt,
        policy=incident.policy or escalation.route(_moment(engine, copy, now, regex), incident),
        route=_route(engine, copy, incident, now, regex),
        quiet=held,
        incident=alert.incident,
        joins=alert.incident in state.incidents,
        course=course,
        is_cut=is_cut,
    )


def _verdict(health: Health, now: datetime) -> Verdict:
    if health is Health.UNKNOWN:
        return Verdict(now, "supposed: it cannot be told", unknown=UnknownReason.TIMEOUT)
    return Verdict(now, f"supposed: {health}", failures=(Failure(f"supposed: {health}", health),))


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


def _copy(state: State, *, keep: Iterable[int], alerts: Iterable[str], without: str = "") -> State:
    """A state of our own with these incidents and alerts. Other alerts stand still: they matter to the rules only."""
    awake = set(alerts)
    kept = {number: state.incidents[number] for number in keep}
    awake |= {key for one in kept.values() for key in one.alerts}
    copy = State()
    copy.apply(
        Changes(
            alerts={
                key: one if key in awake else replace(one, wake_at=None)
                for key, one in state.alerts.items()
                if key != without
            },
            incidents=dict(kept),
            silences=dict(state.silences),
            overrides=dict(state.overrides),
            watches={key: watch for key, watch in state.watches.items() if key in awake and key != without},
            standing=state.standing,
        )
    )
    return copy


def _course(
    engine: Engine,
    copy: State,
    number: int | None,
    alerts: Iterable[str],
    now: datetime,
    before: Iterable[Entry] = (),
) -> tuple[tuple[Entry, ...], bool]:
    """What happens from `now` on while nobody says a word, until it only repeats itself."""
    keys = set(alerts)
    course = [entry for entry in before if _concerns(entry, number, keys)]
    at = now
    for _ in range(STEPS_MAX):
        due = engine.next_deadline(copy)
        if due is None or due > now + HORIZON or len(course) >= ENTRIES_MAX:
            return tuple(course), due is not None
        at = max(at, due)
        entries = _records(_step(engine, copy, Tick(), at))
        number = number or next((copy.alerts[key].incident for key in keys if key in copy.alerts), None)
        told = [entry for entry in entries if _concerns(entry, number, keys)]
        course += told
        if _is_at_its_end(course, told):
            return tuple(course), True
    return tuple(course), True


def _is_at_its_end(course: list[Entry], told: list[Entry]) -> bool:
    """The last resort was told, or a digest: from here on the same comes again."""
    kinds = {entry.kind for entry in told}
    if "digest_sent" in kinds:
        return True
    return any(entry.kind == "ladder_ended" for entry in course) and bool(kinds & {"level_entered", "ladder_ended"})


def _concerns(entry: Entry, number: int | None, alerts: set[str]) -> bool:
    if entry.kind not in _TOLD:
        return False
    if entry.kind == "digest_sent":
        numbers = entry.facts.get("incidents")
        return isinstance(numbers, list) and number in numbers
    return (number is not None and entry.incident == number) or entry.facts.get("alert") in alerts


def _step(engine: Engine, copy: State, event: Event, now: datetime) -> list[Effect]:
    changes, effects = engine.step(copy, event, now)
    copy.apply(changes)
    return effects


def _records(effects: Iterable[Effect]) -> list[Entry]:
    return [effect.entry for effect in effects if isinstance(effect, Record)]


# ---------------------------------------------------------------------------------------------------------------------
# Which rule


def _why_quiet(plan: Plan, copy: State, alert: Alert, now: datetime, regex: Fullmatch) -> Quiet | None:
    labels = labels_of_alert(plan, alert)
    return quiet.why_quiet(plan, Draft(copy), labels, now, regex)


def _route(engine: Engine, copy: State, incident: Incident, now: datetime, regex: Fullmatch) -> int | None:
    """The place of the first route that takes it, from 1: asked one by one, of a plan that has no other."""
    for place, route in enumerate(engine.plan.routes, start=1):
        marked = replace(engine.plan, routes=(replace(route, policy="\0"),))
        m = Moment(marked, engine.rosters, Draft(copy), now, regex)
        if escalation.route(m, incident) == "\0":
            return place
    return None


def _moment(engine: Engine, copy: State, now: datetime, regex: Fullmatch) -> Moment:
    return Moment(engine.plan, engine.rosters, Draft(copy), now, regex)
