"""The ladder: which policy, who is next, when. Every deadline is a field of the incident (SPEC 4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from opswatch.core import calendars, paging, pools, reach, rings, sla
from opswatch.core.effects import Page, Withdraw
from opswatch.core.events import SendFailed
from opswatch.core.limits import parse_range
from opswatch.core.matching import labels_hold, matches_glob
from opswatch.core.model import PageReason, Priority, Status
from opswatch.core.moment import Moment
from opswatch.core.plan import Level, Plan, Policy, Route
from opswatch.core.state import DueStep, Incident

NOW = timedelta(0)
A_SECOND = timedelta(seconds=1)
RELOOK = timedelta(hours=24)
KEEP_RESOLVED = timedelta(hours=24)
ADMINS_ONLY = "admins"


# ---------------------------------------------------------------------------------------------------------------------
# Which ladder


def route(m: Moment, incident: Incident) -> str:
    """The id of the policy that the first matching route names for this incident now; without routes, the first
    policy; without policies, the built-in one that pages the admins. A storm keeps its worst member's."""
    if incident.is_storm and incident.policy in m.plan.policies:
        return incident.policy
    for rule in m.plan.routes:
        if _route_holds(m, rule, incident):
            return rule.policy
    return next(iter(m.plan.policies), ADMINS_ONLY)


def acks_needed(plan: Plan, incident: Incident) -> int:
    """How many people must acknowledge before the ladder ends."""
    return max(1, policy_of(plan, incident.policy).acks.get(incident.priority, 1))


def acks_said(plan: Plan, incident: Incident) -> str | None:
    """ "1 of 2", where the policy wants several and somebody has acknowledged."""
    need = acks_needed(plan, incident)
    is_told = need > 1 and incident.acks and incident.status is not Status.RESOLVED
    return f"{len(incident.acks)} of {need}" if is_told else None


def policy_of(plan: Plan, policy: str) -> Policy:
    """The policy of that name; for one that is gone, and where none is written, the admins."""
    return plan.policies.get(policy) or Policy(ADMINS_ONLY, (Level(plan.admins()),))


def _route_holds(m: Moment, rule: Route, incident: Incident) -> bool:
    service = m.plan.services.get(incident.service or "")
    needs_alerts = rule.checks is not None or rule.targets is not None  # Of thousands, else, for nothing.
    keys = incident.alerts if needs_alerts else ()
    alerts = [alert for key in keys if (alert := m.draft.alert(key)) is not None]
    labels = service.labels if service else {}
    return (
        (rule.services is None or incident.service in rule.services)
        and (rule.teams is None or (service is not None and service.team in rule.teams))
        and (rule.checks is None or any(matches_glob(rule.checks, alert.check) for alert in alerts))
        and (rule.targets is None or any(matches_glob(rule.targets, alert.place) for alert in alerts))
        and (rule.priorities is None or incident.priority in rule.priorities)
        and labels_hold(rule.labels, labels)
        and (rule.when is None or calendars.when_holds(rule.when, m.plan.calendars, incident.priority, m.now))
    )


# ---------------------------------------------------------------------------------------------------------------------
# Up the ladder


def start(
    m: Moment, incident: Incident, reason: PageReason, *, level: int = 1, extra: tuple[str, ...] = ()
) -> Incident:
    """Start the ladder anew at `level`: a new climb, nothing of the last one goes on. `extra` targets are paged with
    the first level. A priority that never interrupts waits for the digest instead."""
    first_ever = incident.level == 0 and incident.level_until is None and not incident.paged and incident.climb == 1
    incident = replace(
        stop(m, incident, keep_reserves=True),
        climb=incident.climb if first_ever and reason is PageReason.FIRST else incident.climb + 1,
        cycle=1,
        level=0,
        reason=reason,
        snoozed_until=None,
        skipped=(),
    )
    if m.plan.rule(incident.priority).interrupt == "never":
        return incident
    return _climb_from(m, incident, level - 1, extra)


def climb(m: Moment, incident: Incident) -> Incident:
    """Nobody answered: the next level whose `when` holds, the next cycle, and at last the policy's fallback. A level
    that was skipped for too few alerts comes first, once there are enough."""
    rungs = policy_of(m.plan, incident.policy).levels
    late = next((n for n in sorted(incident.skipped) if n <= len(rungs) and _holds(m, incident, rungs[n - 1])), None)
    if late is not None and late <= incident.level:  # Rungs above it are passed once more: under new page ids.
        incident = replace(incident, climb=incident.climb + 1)
        return _climb_from(m, incident, late - 1, ())
    return _climb_from(m, incident, incident.level, ())


def joined(m: Moment, incident: Incident) -> Incident:
    """An alert joined: where no level could be entered, one that wanted more alerts may be now."""
    if incident.status is not Status.TRIGGERED or not incident.waits_for_level or incident.level_until is None:
        return incident
    if any(_holds(m, incident, rung) for rung in policy_of(m.plan, incident.policy).levels):
        return _climb_from(m, incident, incident.level, ())
    return incident


def _climb_from(m: Moment, incident: Incident, level: int, extra: tuple[str, ...]) -> Incident:
    policy = policy_of(m.plan, incident.policy)
    if level > len(policy.levels):  # The ladder has ended: its fallback is told again, whatever a `when` says.
        return _fall_back(m, incident, policy, incident.cycle)
    if not any(_holds(m, incident, rung) for rung in policy.levels):
        return _wait_for_a_level(m, incident, policy)
    cycle = incident.cycle
    while True:
        level += 1
        if level > len(policy.levels):
            if cycle > policy.repeat:
                return _fall_back(m, incident, policy, cycle)
            level, cycle = 1, cycle + 1
        rung = policy.levels[level - 1]
        if not _holds(m, incident, rung):
            incident = _skip(m, incident, rung, level, cycle)
            continue
        entered = _enter(m, incident, level, cycle, (*rung.page, *extra), rung.wait, rung)
        if entered is not None:
            return entered


def _holds(m: Moment, incident: Incident, rung: Level) -> bool:
    when = rung.when
    if when is None:
        return True
    has_enough = _has_enough(incident, rung)
    return has_enough and calendars.when_holds(when, m.plan.calendars, incident.priority, m.now)


def _has_enough(incident: Incident, rung: Level) -> bool:
    """Whether as many of its alerts fail as the level wants."""
    wanted = rung.when.alerts if rung.when is not None else None
    return wanted is None or parse_range(wanted).is_bad(_failing(incident))


def _failing(incident: Incident) -> int:
    """How many alerts it stands for: its own, or a storm's."""
    return incident.folded if incident.is_storm else len(incident.alerts)


def _counted(incident: Incident, rung: Level | None) -> dict[str, object]:
    """What a condition on alerts was judged by, for the timeline."""
    wanted = rung.when.alerts if rung is not None and rung.when is not None else None
    return {} if wanted is None else {"alerts": _failing(incident), "wanted": wanted}


def _skip(m: Moment, incident: Incident, rung: Level, level: int, cycle: int) -> Incident:
    m.record(
        "level_skipped",
        incident=incident.number,
        by=None,
        level=level,
        cycle=cycle,
        climb=incident.climb,
        **_counted(incident, rung),
    )
    waits_for_alerts = not _has_enough(incident, rung) and level not in incident.skipped
    return replace(incident, skipped=(*incident.skipped, level)) if waits_for_alerts else incident


def _wait_for_a_level(m: Moment, incident: Incident, policy: Policy) -> Incident:
    """No level may be entered now: the deadline is the first instant at which one may; then it goes on from the level
    it has reached. What has no instant (a priority it does not name, more alerts) leaves the daily re-look, and the
    next alert that joins."""
    instants = [
        at
        for rung in policy.levels
        if rung.when is not None
        and _has_enough(incident, rung)
        and (at := calendars.when_next(rung.when, m.plan.calendars, incident.priority, m.now)) is not None
    ]
    until = min(instants, default=m.now + RELOOK)
    counted = _failing(incident) if any(not _has_enough(incident, rung) for rung in policy.levels) else None
    m.record("level_skipped", incident=incident.number, climb=incident.climb, until=until, alerts=counted)
    return replace(incident, level_until=until, waits_for_level=True)


def _enter(
    m: Moment,
    incident: Incident,
    level: int,
    cycle: int,
    names: Iterable[str],
    wait: timedelta,
    rung: Level | None = None,
) -> Incident | None:
    """Page the level's targets at once, each person once. None when there is nobody: the next level, at once. `rung` is
    None for the policy's fallback."""
    targets = reach.resolve(m, names, incident.priority, incident.pools)
    for person in targets.out_of_reach:
        m.record("unreachable_person", incident=incident.number, person=person, level=level)
    people = tuple(called for called in targets.people if called.person not in incident.acks)
    if rung is not None and rung.round_robin:
        people = rings.one_of(m, f"{incident.policy}/{level}", people)
    if not people and not targets.channels:
        m.record("level_empty", incident=incident.number, level=level, cycle=cycle, climb=incident.climb)
        return None
    is_first = cycle == 1 and incident.level == 0
    reason = incident.reason if is_first else PageReason.UNANSWERED
    incident = replace(
        incident,
        level=level,
        cycle=cycle,
        level_until=max(m.now, min((called.release for called in people), default=m.now)) + wait,
        reachable=tuple(called.person for called in people),
        skipped=tuple(one for one in incident.skipped if one != level),
        waits_for_level=False,
    )
    m.record(
        "level_entered",
        incident=incident.number,
        by=None,
        level=level,
        cycle=cycle,
        climb=incident.climb,
        reason=reason,
        people=[called.person for called in people],
        channels=list(targets.channels),
        until=incident.level_until,
        **_counted(incident, rung),
    )
    incident = pools.begin(m, incident, people)
    for called in people:
        incident = paging.page_person(m, incident, called, reason)
    incident = _tell_channels(m, incident, targets.channels, "triggered" if is_first else "unanswered")
    return _announce_level(m, incident, rung, [called.person for called in people])


def _announce_level(m: Moment, incident: Incident, rung: Level | None, people: list[str]) -> Incident:
    """`announce` of a level: that it is entered, whom it pages, how long nobody has answered, or how many
    have and are not enough. Not a page; a channel
    that the level pages has its card already."""
    if rung is None:
        return incident
    levels = policy_of(m.plan, incident.policy).levels
    waited_s = int((m.now - incident.opened_at).total_seconds())
    acks = {"count": len(incident.acks), "need": acks_needed(m.plan, incident)} if incident.acks else {}
    for target in rung.announce:
        channel = target.removeprefix("channel:")
        if target in rung.page or channel not in m.plan.channels:
            continue
        m.announce(
            channel,
            "level",
            incident.number,
            level=incident.level,
            levels=len(levels),
            people=people,
            waited_s=None if acks else waited_s or None,
            **acks,
        )
        incident = replace(incident, told=tuple(dict.fromkeys((*incident.told, channel))))
    return incident


def _fall_back(m: Moment, incident: Incident, policy: Policy, cycle: int) -> Incident:
    """Everybody was asked. The fallback is told now, and again every `update_every`, marked unanswered."""
    level = len(policy.levels) + 1
    wait = m.plan.rule(incident.priority).update_every
    cycle = cycle + 1 if incident.level == level else cycle
    if incident.level != level:
        m.record("ladder_ended", incident=incident.number, climb=incident.climb, cycle=cycle)
    entered = _enter(m, incident, level, cycle, policy.fallback or m.plan.admins(), wait)
    return entered or replace(incident, level=level, cycle=cycle, level_until=m.now + wait, reachable=())


def _tell_channels(m: Moment, incident: Incident, channels: tuple[str, ...], event: str) -> Incident:
    for channel in channels:
        m.announce(channel, event, incident.number)
    told = (*incident.told, *(channel for channel in channels if channel not in incident.told))
    return replace(incident, told=told)


def page_directly(m: Moment, incident: Incident, names: Iterable[str], reason: PageReason) -> Incident:
    """Page these targets outside the levels (level 0): a reminder to the owner, a reassignment."""
    targets = reach.resolve(m, names, incident.priority)
    outer = incident.level
    inner = replace(incident, level=0)
    for called in targets.people:
        inner = paging.page_person(m, inner, replace(called, release=m.now), reason)
    return _tell_channels(m, replace(inner, level=outer), targets.channels, str(reason))


def page_also(m: Moment, incident: Incident, names: Iterable[str], priority: Priority) -> Incident:
    """Page whom of these nobody has asked yet, beside the ladder (level 0), as loud as `priority` is: a storm reaches
    further than its own policy."""
    targets = reach.resolve(m, names, priority)
    asked = {person for person, _ in incident.paged} | {step.person for step in incident.steps}
    beside = replace(incident, level=0, priority=priority)
    for called in targets.people:
        if called.person not in asked:
            beside = paging.page_person(m, beside, called, incident.reason)
    channels = tuple(channel for channel in targets.channels if channel not in incident.told)
    beside = _tell_channels(m, beside, channels, "triggered")
    return replace(beside, level=incident.level, priority=incident.priority)


def first_level(m: Moment, policy: str, incident: Incident) -> tuple[str, ...]:
    """Whom the first level of this policy that holds now would page for the incident."""
    rungs = policy_of(m.plan, policy).levels
    return next((rung.page for rung in rungs if _holds(m, incident, rung)), ())


def again_louder(m: Moment, incident: Incident) -> Incident:
    """The priority rose while nobody had acknowledged: everybody already paged gets its steps now, on this level; so
    does whom the lower priority held until morning."""
    paged = dict.fromkeys(person for person, _ in incident.paged)
    if not paged or incident.level == 0:
        return start(m, incident, PageReason.RAISED)
    waiting = _not_yet_paged(m, incident)
    policy = policy_of(m.plan, incident.policy)
    rung = policy.levels[min(incident.level, len(policy.levels)) - 1]
    m.effects.append(Withdraw(incident.number, None, "raised"))
    incident = replace(
        incident, climb=incident.climb + 1, steps=(), level_until=m.now + rung.wait, waits_for_level=False
    )
    again = [
        reach.call(m, m.plan.people[one], incident.priority, None, NOW, pools.asking(m.plan, incident, one))
        for one in paged
        if one in m.plan.people and one not in incident.acks
    ]
    people = [called for called in (*again, *waiting) if called is not None]
    incident = pools.begin(m, incident, people)  # Reserves are asked anew: each has their time again.
    for called in people:
        incident = paging.page_person(m, incident, called, PageReason.RAISED)
    return incident


def _not_yet_paged(m: Moment, incident: Incident) -> list[reach.Called]:
    """Whose first page of this level is still to come: held people, and reserves whose turn it is not."""
    policy = policy_of(m.plan, incident.policy)
    is_in_fallback = incident.level > len(policy.levels)
    names = (policy.fallback or m.plan.admins()) if is_in_fallback else policy.levels[incident.level - 1].page
    people = {step.person for step in incident.steps} - {person for person, _ in incident.paged}
    called = reach.resolve(m, names, incident.priority, incident.pools).people
    return [one for one in called if one.person in people]


def follow_plan(m: Moment, incident: Incident) -> Incident:
    """After a reload: the level number is kept and clamped; a removed policy is routed again at level 1; a removed
    person's turn passes to the next target at once."""
    if incident.policy not in m.plan.policies and (m.plan.policies or incident.policy != ADMINS_ONLY):
        incident = replace(incident, policy=route(m, incident))
        return start(m, incident, PageReason.FIRST) if _is_climbing(incident) else incident
    rungs = len(policy_of(m.plan, incident.policy).levels)
    asked = {None, *(call.pool for call in pools.going(m.plan, incident))}
    steps = tuple(step for step in incident.steps if step.person in m.plan.people and step.pool in asked)
    left = tuple(person for person in incident.reachable if person in m.plan.people)
    gone = incident.reachable and not left
    level = min(incident.level, rungs + 1)
    # A ladder that became shorter, and may become longer again, passes the same rungs anew: under new page ids.
    number = incident.climb + (level != incident.level)
    incident = replace(incident, level=level, climb=number, steps=steps, reachable=left)
    return climb(m, incident) if gone and _is_climbing(incident) else incident


def _is_climbing(incident: Incident) -> bool:
    return incident.status is Status.TRIGGERED and incident.level_until is not None


def lowered(m: Moment, incident: Incident) -> Incident:
    """A person lowered the priority: pages that the new one would not send are cancelled; the ladder goes on where it
    stands, unless the new priority never interrupts."""
    if m.plan.rule(incident.priority).interrupt == "never":
        m.effects.append(Withdraw(incident.number, None, "lowered"))
        return pools.stopped(replace(incident, steps=(), level=0, level_until=None, reachable=()))
    unwanted = tuple(dict.fromkeys(who for who, way in incident.paged if not _is_sent(m, incident, who, way, m.now)))
    if unwanted:
        m.effects.append(Withdraw(incident.number, unwanted, "lowered"))
    kept = tuple(step for step in incident.steps if _is_sent(m, incident, step.person, step.contact, step.at))
    rungs = len(policy_of(m.plan, incident.policy).levels)
    return replace(incident, steps=kept, level=min(incident.level, rungs + 1))


def _is_sent(m: Moment, incident: Incident, name: str, contact: str, at: datetime) -> bool:
    """Whether the incident's priority, as it is now, would interrupt this person this way at `at`."""
    person = m.plan.people.get(name)
    if person is None or all(rule.contact != contact for rule in reach.rules_of(person, incident.priority)):
        return False
    release = reach.released(m, person, incident.priority, at)
    return release is not None and release <= at


def stop(m: Moment, incident: Incident, *, keep_reserves: bool = False) -> Incident:
    """No page of this incident goes out any more: pending steps are dropped, promised ones are overtaken. With
    `keep_reserves` the reserves of a pool are asked on, until enough of them have accepted."""
    reserves = pools.asked(m.plan, incident) if keep_reserves else frozenset()
    if not reserves and (incident.paged or incident.steps):
        m.effects.append(Withdraw(incident.number))
    elif others := tuple(dict.fromkeys(who for who, _ in incident.paged if who not in reserves)):
        m.effects.append(Withdraw(incident.number, others))
    steps = tuple(step for step in incident.steps if step.pool is not None and step.person in reserves)
    incident = replace(incident, steps=steps, level_until=None, reachable=(), waits_for_level=False)
    return incident if reserves else pools.stopped(incident)


def way_failed(m: Moment, incident: Incident, failed: SendFailed) -> Incident:
    """A way to a person is closed for good: their next contact, at once; when none is left and nobody else of this
    level can be reached, the next level, at once."""
    page = failed.page
    if page is None or incident.status is Status.RESOLVED:
        return incident
    pool = pools.asking(m.plan, incident, page.person)
    if pool is None and (page.climb != incident.climb or _is_taken(incident, page)):
        return incident
    if m.plan.rule(incident.priority).interrupt == "never" or _is_quiet(incident):
        return incident
    person = m.plan.people.get(page.person)
    base, _, failed_before = page.step.partition(".")
    tried = int(failed_before or 0)
    contact = _next_contact(page, tuple(person.contacts) if person else (), tried)
    if contact is not None:
        step = DueStep(
            at=m.now,
            person=page.person,
            contact=contact,
            level=page.level,
            cycle=page.cycle,
            climb=page.climb,
            step=f"{base}.{tried + 1}",
            reason=PageReason.DELIVERY_FAILED,
            roster=page.roster,
            pool=pool,
        )
        return paging.promise(m, incident, step)
    m.record("unreachable_person", incident=incident.number, person=page.person, level=page.level)
    left = tuple(person_id for person_id in incident.reachable if person_id != page.person)
    incident = replace(incident, reachable=left, steps=tuple(s for s in incident.steps if s.person != page.person))
    is_waiting = incident.status is Status.TRIGGERED and page.level == incident.level and not left
    return climb(m, incident) if is_waiting and incident.level_until is not None else incident


def _is_taken(incident: Incident, page: Page) -> bool:
    """A page was in flight when somebody took the incident: nobody waits for it."""
    if page.person in incident.acks:
        return incident.status is not Status.ACKNOWLEDGED or page.person != incident.owner
    return incident.status is Status.ACKNOWLEDGED and page.person != incident.owner


def _is_quiet(incident: Incident) -> bool:
    """A page was in flight when it was snoozed, or a silence began."""
    if incident.status is Status.ACKNOWLEDGED:
        return False
    return incident.held_until is not None or incident.snoozed_until is not None


def _next_contact(page: Page, order: tuple[str, ...], tried: int) -> str | None:
    """The contact after the failed one in the person's own order, round to the beginning; None when the `tried`
    others and this one were all of them."""
    if page.contact not in order:
        return order[0] if order and tried == 0 else None
    return order[(order.index(page.contact) + 1) % len(order)] if tried + 1 < len(order) else None


# ---------------------------------------------------------------------------------------------------------------------
# Deadlines


def wake_at(m: Moment, incident: Incident) -> datetime:
    """When this incident must be looked at next. There is always an answer: nobody is forgotten (law 1)."""
    if incident.status is Status.RESOLVED:
        return incident.reopen_at or (incident.resolved_at or m.now) + KEEP_RESOLVED
    if incident.storm is not None:  # The storm climbs for it.
        return m.now + RELOOK
    at = _wake_at(m, incident)
    return at if incident.storm_until is None else min(at, incident.storm_until)


def _wake_at(m: Moment, incident: Incident) -> datetime:
    if incident.held_until is not None:
        return incident.held_until
    if incident.snoozed_until is not None:
        return incident.snoozed_until
    if incident.status is Status.ACKNOWLEDGED:
        clock = incident.ack_until
    else:
        clock = incident.level_until
    instants = [clock, *(step.at for step in incident.steps), *pools.ends(m.plan, incident)]
    known = [at for at in instants if at is not None]
    if known:
        return min(known)
    if incident.priority is Priority.P3 or m.plan.rule(incident.priority).interrupt == "never":
        return calendars.next_cron(m.plan.digest.cron, m.plan.digest.timezone, m.now)
    return m.now + RELOOK


def _clock_at(m: Moment, incident: Incident) -> datetime | None:
    """When its clocks strike next. What a rise or a new plan has made late already strikes a second from now: a tick
    does not see what it makes due itself."""
    at = sla.next_at(m.plan, incident)
    if at is None or at > m.now:
        return at
    known = incident.clock_at
    return known if known is not None and m.now < known <= m.now + A_SECOND else m.now + A_SECOND


def keep(m: Moment, incident: Incident) -> Incident:
    """Put the incident into the draft, with its next deadline."""
    at, clock_at = wake_at(m, incident), _clock_at(m, incident)
    if (at, clock_at) != (incident.wake_at, incident.clock_at):
        incident = replace(incident, wake_at=at, clock_at=clock_at)
    if m.draft.incident(incident.number) != incident:
        m.draft.put_incident(incident.number, incident)
    return incident
