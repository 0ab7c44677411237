"""The laws of on-call (HOUSE 9), each a function that says what is broken; empty when nothing is.

They look at a state, the timeline's entries and the promised pages, whoever made them: a story, a Hypothesis machine,
a simulated year, or a real daemon that was killed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from opswatch.core import mercy, pools, quiet
from opswatch.core.changes import Draft, State
from opswatch.core.effects import Entry, Page
from opswatch.core.matching import labels_of_alert, matchers_hold
from opswatch.core.model import Health, PageReason, Priority, Status
from opswatch.core.plan import Plan
from opswatch.core.roster import Rosters
from opswatch.core.state import Incident, Override
from opswatch.core.timeline import Book, book_of, replay

ASKED_ALL_THE_SAME = frozenset({PageReason.REMINDER, PageReason.QUIET_ENDED, PageReason.DELIVERY_FAILED})
"""Why the owner of an acknowledged incident may be paged: "still on it?", a snooze ended, or that page failed."""


def nobody_is_forgotten(state: State, now: datetime) -> list[str]:
    """Law 1: every open incident has a deadline ahead (asked after everything due at `now` was done); and no reminder
    of a paper or a risk is behind."""
    return [
        f"incident {incident.number} was to be looked at {incident.wake_at}, it is {now}"
        for incident in state.incidents.values()
        if incident.wake_at <= now
    ] + [
        f"{type(owed).__name__.lower()} {number} was to be reminded of {owed.wake_at}, it is {now}"
        for kept in (state.papers, state.risks)
        for number, owed in kept.items()
        if owed.wake_at is not None and owed.wake_at <= now
    ]


def what_was_due_is_done(deadline: datetime | None, now: datetime) -> list[str]:
    """Law 1, from the desk's side: after a Tick the next deadline lies ahead."""
    return [f"something was due {deadline}, it is {now}"] if deadline is not None and deadline <= now else []


def somebody_is_being_asked(plan: Plan, incidents: Iterable[Incident]) -> list[str]:
    """Law 1: what nobody has taken and nothing quiets climbs, unless its priority interrupts nobody."""
    return [
        f"incident {incident.number} ({incident.priority}) is nobody's, and does not climb"
        for incident in incidents
        if incident.status is Status.TRIGGERED
        and incident.level_until is None
        and incident.held_until is None
        and incident.snoozed_until is None
        and incident.storm is None
        and plan.rule(incident.priority).interrupt != "never"
    ]


def nobody_is_surprised(plan: Plan, pages: Iterable[Page]) -> list[str]:
    """Law 2, as far as the plan alone can tell: pages go to people of the plan, by ways that they gave."""
    return [
        f"page {page.id} goes to {page.person} by {page.contact}"
        for page in pages
        if page.person not in plan.people or page.contact not in plan.people[page.person].contacts
    ]


def pages_follow_the_roster(
    rosters: Rosters, overrides: Iterable[Override], entries: Iterable[Entry], pages: Iterable[Page], now: datetime
) -> list[str]:
    """Law 2 on the pages of one step at `now`: who is paged as a level is entered stands in the roster it names."""
    entered = {(entry.incident, entry.facts["climb"]) for entry in entries if entry.kind == "level_entered"}
    ours = tuple(overrides)
    broken = []
    for page in pages:
        if page.roster is None or page.step != "1" or (page.incident, page.climb) not in entered:
            continue
        if not _stands_in(rosters, page.roster, ours, page.person, now):
            broken.append(f"page {page.id} says roster {page.roster}, which does not name {page.person} at {now}")
    return broken


def _stands_in(rosters: Rosters, roster: str, overrides: tuple[Override, ...], person: str, now: datetime) -> bool:
    """Whether the roster names that person now, next or before."""
    return (
        person in rosters.on_call(roster, overrides, now).people
        or person in rosters.next_people(roster, overrides, now)
        or person in rosters.previous_people(roster, overrides, now)
    )


def acknowledgements_are_honoured(state: State, incidents: Iterable[Incident] | None = None) -> list[str]:
    """Law 3: an acknowledged incident (of `incidents`, or any) climbs no ladder."""
    return [
        f"incident {incident.number} is acknowledged by {incident.owner}, and still climbs"
        for incident in (state.incidents.values() if incidents is None else incidents)
        if incident.status is Status.ACKNOWLEDGED and incident.level_until is not None
    ]


def acknowledged_is_left_alone(plan: Plan, state: State, pages: Iterable[Page]) -> list[str]:
    """Law 3 on the pages of one step: once somebody has it, only they are asked (and reserves of a pool that was
    called, until enough of them have come)."""
    broken = []
    for page in pages:
        incident = state.incidents.get(page.incident)
        if incident is None or incident.status is not Status.ACKNOWLEDGED:
            continue
        if any(page.pool == call.pool and page.person in call.called for call in incident.pools):
            continue
        if page.person != incident.owner or page.reason not in ASKED_ALL_THE_SAME:
            broken.append(f"page {page.id} ({page.reason}), but {incident.owner} has incident {incident.number}")
    return broken


def quiet_is_honoured(state: State, pages: Iterable[Page]) -> list[str]:
    """On the pages of one step: what is snoozed, held back or over interrupts nobody."""
    broken = []
    for page in pages:
        incident = state.incidents.get(page.incident)
        if incident is None or page.test:
            continue
        quiet_until = incident.snoozed_until or incident.held_until
        if quiet_until is not None or incident.status is Status.RESOLVED:
            why = f"quiet until {quiet_until}" if quiet_until is not None else "resolved"
            broken.append(f"page {page.id} ({page.reason}), but incident {incident.number} is {why}")
    return broken


def quiet_has_a_reason(plan: Plan, state: State, now: datetime) -> list[str]:
    """Law 4: an alert that is held back is held back by something that still holds (or will again: a silence that began
    before the clock was set back)."""
    broken = []
    for alert in state.alerts.values():
        if alert.quiet is None:
            continue
        labels = labels_of_alert(plan, alert)
        set_back = any(one.starts_at > now and matchers_hold(one.matchers, labels) for one in state.silences.values())
        if not quiet.reasons(plan, Draft(state), alert, now) and not set_back:
            broken.append(f"{alert.key} is held back ({alert.quiet}), and nothing quiets it at {now}")
    return broken


def told_is_true(state: State, now: datetime) -> list[str]:
    """Laws 4 and 7b: what nothing quiets has been announced as it is."""
    return [
        f"{alert.key} is {alert.health}, people were told {alert.announced}, quiet: {alert.quiet}"
        for alert in state.alerts.values()
        if alert.announced is not alert.health
        and (alert.quiet is None or alert.wake_at is None or alert.wake_at <= now)
    ]


def every_alert_is_somebodys(state: State) -> list[str]:
    """An announced alert belongs to an incident that knows it, and an incident knows no alert that is gone."""
    broken = [
        f"{alert.key} was announced, but incident {alert.incident} does not have it"
        for alert in state.alerts.values()
        if alert.announced is not None
        and (alert.incident not in state.incidents or alert.key not in state.incidents[alert.incident].alerts)
    ]
    for incident in state.incidents.values():
        gone = [key for key in incident.alerts if key not in state.alerts]
        broken += [f"incident {incident.number} still has {key}, which is gone" for key in gone]
    return broken


def the_folded_are_somebodys(state: State) -> list[str]:
    """Law 8: what is folded is in a storm that is kept, and that will be looked at again while anything of it fails."""
    broken = []
    for incident in state.incidents.values():
        if incident.storm is None or incident.status is Status.RESOLVED:
            continue
        storm = state.incidents.get(incident.storm)
        if storm is None or not storm.is_storm or incident.number not in state.folded.get(storm.number, ()):
            broken.append(f"incident {incident.number} is folded into {incident.storm}, which does not know it")
        elif incident.level_until is not None or incident.steps:
            broken.append(f"incident {incident.number} is folded into {storm.number}, and climbs all the same")
        elif incident.pinned is None and storm.pinned is None and incident.priority < storm.priority:
            broken.append(f"incident {incident.number} is {incident.priority}, its storm only {storm.priority}")
    return broken


def storms_page_as_one(state: State, pages: Iterable[Page]) -> list[str]:
    """Law 8: of pages that still go out, none is for what a storm has folded."""
    return [
        f"page {page.id}, but incident {page.incident} is folded into {one.storm}"
        for page in pages
        if (one := state.incidents.get(page.incident)) is not None
        and one.storm is not None
        and one.status is not Status.RESOLVED
    ]


def the_worst_counts(state: State) -> list[str]:
    """Law 4: an open incident is as bad as the worst of its alerts that nothing quiets, unless a person said
    otherwise."""
    broken = []
    for incident in state.incidents.values():
        if incident.status is Status.RESOLVED or incident.pinned is not None:
            continue
        for alert in (state.alerts[key] for key in incident.alerts if key in state.alerts):
            if alert.quiet is None and alert.priority < incident.priority:
                broken.append(f"incident {incident.number} is {incident.priority}, its {alert.key} {alert.priority}")
    return broken


def the_log_is_the_truth(state: State, entries: Iterable[Entry], book: Book | None = None) -> list[str]:
    """Law 7: replaying the timeline gives incidents, acknowledgements, and what was announced. With `book`, replaying
    `entries` since that checkpoint (the book is carried on)."""
    told, so = replay(entries, book), book_of(state)
    broken = []
    if told.open_incidents() != so.incidents:
        broken.append(f"incidents: the timeline says {told.open_incidents()}, the state {so.incidents}")
    if told.announced != so.announced:
        broken.append(f"announced: the timeline says {told.announced}, the state {so.announced}")
    if told.arranged() != so.arranged():
        broken.append(f"arranged: the timeline says {told.arranged()}, the state {so.arranged()}")
    return broken


def nothing_is_promised_twice(pages: Sequence[Page]) -> list[str]:
    """A page id names one rung: the same one is never promised again."""
    seen: set[str] = set()
    return [page.id for page in pages if page.id in seen or seen.add(page.id)]  # type: ignore[func-returns-value]


def reserves_are_asked_in_vain(plan: Plan, state: State, pages: Iterable[Page]) -> list[str]:
    """On the pages of one step: who has accepted or declined, and whoever enough others have come for, is not asked
    as a reserve."""
    broken = []
    for page in pages:
        incident = state.incidents.get(page.incident)
        for call in incident.pools if incident is not None else ():
            if call.pool == page.pool and page.person in (*call.accepted, *call.declined):
                broken.append(f"page {page.id} asks {page.person} for pool {call.pool}, who has answered")
    return broken


def calls_end(plan: Plan, state: State) -> list[str]:
    """A pool that asks somebody has an end. Of one that asks nobody any more nobody is still to be asked for the first
    time, and where enough have come nobody at all: who was asked in vain keeps the rest of their own steps."""
    broken = []
    for incident in state.incidents.values():
        asking = {call.pool for call in pools.going(plan, incident)}
        steps = [step for step in incident.steps if step.pool is not None and step.pool not in asking]
        enough = {call.pool for call in incident.pools if pools.is_complete(plan, call)}
        stray = {step.person for step in steps if pools.is_first(step) or step.pool in enough}
        if stray:
            broken.append(f"incident {incident.number} is to ask {sorted(stray)}, whose pool asks nobody any more")
    return broken


def mercy_is_bounded(limit: int, pages: Iterable[Page]) -> list[str]:
    """Law 8: with this page nobody had more than `limit` pages within its hour, unless it is a new P0 (which counts
    all the same), or takes the place of one that failed. A clock that was set back makes what lies ahead of it now."""
    rang: dict[str, list[datetime]] = {}
    broken = []
    for page in pages:
        if page.test or page.reason is PageReason.DELIVERY_FAILED or page.at is None:
            continue
        theirs = rang[page.person] = [*(min(at, page.at) for at in rang.get(page.person, ())), page.at]
        hour = sum(at > page.at - mercy.HOUR for at in theirs)
        if hour > limit and not mercy.is_new_p0(page):
            broken.append(f"page {page.id} is number {hour} of {page.person}'s hour, {limit} are allowed")
    return broken


def promises_are_kept(waiting: Iterable[tuple[Page, datetime]], now: datetime, within: timedelta) -> list[str]:
    """Law 5: a promised page that was neither delivered, given up nor overtaken is tried again `within` its time."""
    return [f"page {page.id} was due {due}, it is {now}" for page, due in waiting if now - due > within]


def rosters_tile(
    rosters: Rosters, roster: str, overrides: Iterable[Override], start: datetime, end: datetime
) -> list[str]:
    """Law 6: shifts and gaps of [start, end) cover every instant of it once, and say what `on_call` says."""
    ours = tuple(overrides)
    broken, at = [], start
    for shift in rosters.shifts(roster, ours, start, end):
        if shift.start != at or shift.end <= shift.start:
            broken.append(f"roster {roster}: a shift from {shift.start} to {shift.end} follows one until {at}")
        at = shift.end
        found = rosters.on_call(roster, ours, shift.start)
        if found.people != shift.people and not (found.fallback or not shift.people):
            broken.append(f"roster {roster}: {shift.people} from {shift.start}, but on call then are {found.people}")
    return broken if at == end else [*broken, f"roster {roster}: nothing is said of {at} to {end}"]


def calm_returned(state: State, within: timedelta) -> list[str]:
    """Law 10: the faults stopped and people answered; nothing is open any more."""
    return [
        f"incident {incident.number} is still {incident.status} after {within}"
        for incident in state.incidents.values()
        if incident.status is not Status.RESOLVED
    ] + [f"{alert.key} is still {alert.health}" for alert in state.alerts.values() if alert.health is not Health.OK]


def loudness_is_honoured(pages: Iterable[Page]) -> list[str]:
    """P3 interrupts nobody."""
    return [f"page {page.id} for P3" for page in pages if page.priority is Priority.P3 and not page.test]
