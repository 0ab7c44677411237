"""The ladder: which policy, who is next, when. Every deadline is a field of the incident (SPEC 4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from opswatch.core import calendars, reach, shadows
from opswatch.core.effects import Page, Withdraw
from opswatch.core.events import SendFailed
from opswatch.core.matching import labels_hold, matches_glob
from opswatch.core.model import PageReason, Priority, Status
from opswatch.core.moment import Moment
from opswatch.core.plan import Level, Plan, Policy, Route
from opswatch.core.state import DueStep, Incident

NOW = timedelta(0)
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
        stop(m, incident),
        climb=incident.climb if first_ever and reason is PageReason.FIRST else incident.climb + 1,
        cycle=1,
        level=0,
        reason=reason,
        snoozed_until=None,
    )
    if m.plan.rule(incident.priority).interrupt == "never":
        return incident
    return _climb_from(m, incident, level - 1, extra)


def climb(m: Moment, incident: Incident) -> Incident:
    """Nobody answered: the next level whose `when` holds, the next cycle, and at last the policy's fallback."""
    return _climb_from(m, incident, incident.level, ())


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
            m.record("level_skipped", incident=incident.number, level=level, cycle=cycle, climb=incident.climb)
            continue
        entered = _enter(m, incident, level, cycle, (*rung.page, *extra), rung.wait)
        if entered is not None:
            return entered


def _holds(m: Moment, incident: Incident, rung: Level) -> bool:
    return rung.when is None or calendars.when_holds(rung.when, m.plan.calendars, incident.priority, m.now)


def _wait_for_a_level(m: Moment, incident: Incident, policy: Policy) -> Incident:
    """No level may be entered now: the deadline is the first instant at which one may; then it goes on from the level
    it has reached. A window that never comes (a priority it does not name) leaves the daily re-look."""
    instants = [
        at
        for rung in policy.levels
        if rung.when is not None
        and (at := calendars.when_next(rung.when, m.plan.calendars, incident.priority, m.now)) is not None
    ]
    until = min(instants, default=m.now + RELOOK)
    m.record("level_skipped", incident=incident.number, climb=incident.climb, until=until)
    return replace(incident, level_until=until)


def _enter(
    m: Moment, incident: Incident, level: int, cycle: int, names: Iterable[str], wait: timedelta
) -> Incident | None:
    """Page the level's targets at once, each person once. None when there is nobody: the next level, at once."""
    targets = reach.resolve(m, names, incident.priority)
    for person in targets.out_of_reach:
        m.record("unreachable_person", incident=incident.number, person=person, level=level)
    if not targets.people and not targets.channels:
        m.record("level_empty", incident=incident.number, level=level, cycle=cycle, climb=incident.climb)
        return None
    is_first = cycle == 1 and incident.level == 0
    reason = incident.reason if is_first else PageReason.UNANSWERED
    incident = replace(
        incident,
        level=level,
        cycle=cycle,
        level_until=max(m.now, min((called.release for called in targets.people), default=m.now)) + wait,
        reachable=tuple(called.person for called in targets.people),
    )
    m.record(
        "level_entered",
        incident=incident.number,
        level=level,
        cycle=cycle,
        climb=incident.climb,
        reason=reason,
        people=[called.person for called in targets.people],
        channels=list(targets.channels),
        until=incident.level_until,
    )
    for called in targets.people:
        incident = _page_person(m, incident, called, reason)
    return _tell_channels(m, incident, targets.channels, "triggered" if is_first else "unanswered")


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


# ---------------------------------------------------------------------------------------------------------------------
# One person


def _page_person(m: Moment, incident: Incident, called: reach.Called, reason: PageReason) -> Incident:
    """Their steps: those due are promised now, the others wait in the incident. Steps of an earlier level of theirs
    end here: they are paged anew."""
    steps = [
        DueStep(
            at=called.release + step.after,
            person=called.person,
            contact=step.contact,
            level=incident.level,
            cycle=incident.cycle,
            climb=incident.climb,
            step=str(place),
            reason=reason,
            roster=called.roster,
        )
        for place, step in enumerate(called.steps, start=1)
    ]
    if called.release > m.now:
        m.record("held", incident=incident.number, person=called.person, until=called.release, why="held")
    others = tuple(step for step in incident.steps if step.person != called.person)
    incident = replace(incident, steps=(*others, *(step for step in steps if step.at > m.now)))
    for step in steps:
        if step.at <= m.now:
            incident = promise(m, incident, step)
    return incident


def promise(m: Moment, incident: Incident, step: DueStep) -> Incident:
    """Promise one page: a row in the same transaction as the state that follows from it."""
    page = Page(
        incident=incident.number,
        climb=step.climb,
        cycle=step.cycle,
        level=step.level,
        person=step.person,
        step=step.step,
        contact=step.contact,
        priority=incident.priority,
        reason=step.reason,
        roster=step.roster,
        at=m.now,
    )
    m.send(page)
    m.record(
        "page_promised",
        incident=incident.number,
        page=page.id,
        person=step.person,
        contact=step.contact,
        level=step.level,
        reason=step.reason,
        priority=str(incident.priority),
        roster=step.roster,
        observed=True if m.plan.mode == "observe" else None,
    )
    pair = (step.person, step.contact)
    paged = incident.paged if pair in incident.paged else (*incident.paged, pair)
    return shadows.follow(m, replace(incident, paged=paged, page_last_at=m.now), step)


def page_directly(m: Moment, incident: Incident, names: Iterable[str], reason: PageReason) -> Incident:
    """Page these targets outside the levels (level 0): a reminder to the owner, a reassignment."""
    targets = reach.resolve(m, names, incident.priority)
    outer = incident.level
    inner = replace(incident, level=0)
    for called in targets.people:
        inner = _page_person(m, inner, replace(called, release=m.now), reason)
    return _tell_channels(m, replace(inner, level=outer), targets.channels, str(reason))


def page_also(m: Moment, incident: Incident, names: Iterable[str], priority: Priority) -> Incident:
    """Page whom of these nobody has asked yet, beside the ladder (level 0), as loud as `priority` is: a storm reaches
    further than its own policy."""
    targets = reach.resolve(m, names, priority)
    asked = {person for person, _ in incident.paged} | {step.person for step in incident.steps}
    beside = replace(incident, level=0, priority=priority)
    for called in targets.people:
        if called.person not in asked:
            beside = _page_person(m, beside, called, incident.reason)
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
    incident = replace(incident, climb=incident.climb + 1, steps=(), level_until=m.now + rung.wait)
    again = [reach.call(m, m.plan.people[one], incident.priority, None, NOW) for one in paged if one in m.plan.people]
    for called in (*again, *waiting):
        if called is not None:
            incident = _page_person(m, incident, called, PageReason.RAISED)
    return incident


def _not_yet_paged(m: Moment, incident: Incident) -> list[reach.Called]:
    """Whose first page of this level is still to come: held people, and reserves whose turn it is not."""
    policy = policy_of(m.plan, incident.policy)
    is_in_fallback = incident.level > len(policy.levels)
    names = (policy.fallback or m.plan.admins()) if is_in_fallback else policy.levels[incident.level - 1].page
    people = {step.person for step in incident.steps} - {person for person, _ in incident.paged}
    return [called for called in reach.resolve(m, names, incident.priority).people if called.person in people]


def follow_plan(m: Moment, incident: Incident) -> Incident:
    """After a reload: the level number is kept and clamped; a removed policy is routed again at level 1; a removed
    person's turn passes to the next target at once."""
    if incident.policy not in m.plan.policies and (m.plan.policies or incident.policy != ADMINS_ONLY):
        incident = replace(incident, policy=route(m, incident))
        return start(m, incident, PageReason.FIRST) if _is_climbing(incident) else incident
    rungs = len(policy_of(m.plan, incident.policy).levels)
    steps = tuple(step for step in incident.steps if step.person in m.plan.people)
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
        return replace(incident, steps=(), level=0, level_until=None, reachable=())
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


def stop(m: Moment, incident: Incident) -> Incident:
    """No page of this incident goes out any more: pending steps are dropped, promised ones are overtaken."""
    if incident.paged or incident.steps:
        m.effects.append(Withdraw(incident.number))
    return replace(incident, steps=(), level_until=None, reachable=())


def way_failed(m: Moment, incident: Incident, failed: SendFailed) -> Incident:
    """A way to a person is closed for good: their next contact, at once; when none is left and nobody else of this
    level can be reached, the next level, at once."""
    page = failed.page
    if page is None or incident.status is Status.RESOLVED or page.climb != incident.climb:
        return incident
    if m.plan.rule(incident.priority).interrupt == "never" or _is_taken_or_quiet(incident, page):
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
        )
        return promise(m, incident, step)
    m.record("unreachable_person", incident=incident.number, person=page.person, level=page.level)
    left = tuple(person_id for person_id in incident.reachable if person_id != page.person)
    incident = replace(incident, reachable=left, steps=tuple(s for s in incident.steps if s.person != page.person))
    is_waiting = incident.status is Status.TRIGGERED and page.level == incident.level and not left
    return climb(m, incident) if is_waiting and incident.level_until is not None else incident


def _is_taken_or_quiet(incident: Incident, page: Page) -> bool:
    """A page was in flight when somebody took the incident, snoozed it, or a silence began: nobody waits for it."""
    if incident.status is Status.ACKNOWLEDGED:
        return page.person != incident.owner
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
        instants = [incident.ack_until, *(step.at for step in incident.steps)]
    else:
        instants = [incident.level_until, *(step.at for step in incident.steps)]
    known = [at for at in instants if at is not None]
    if known:
        return min(known)
    if incident.priority is Priority.P3 or m.plan.rule(incident.priority).interrupt == "never":
        return calendars.next_cron(m.plan.digest.cron, m.plan.digest.timezone, m.now)
    return m.now + RELOOK


def keep(m: Moment, incident: Incident) -> Incident:
    """Put the incident into the draft, with its next deadline."""
    at = wake_at(m, incident)
    if at != incident.wake_at:
        incident = replace(incident, wake_at=at)
    if m.draft.incident(incident.number) != incident:
        m.draft.put_incident(incident.number, incident)
    return incident
