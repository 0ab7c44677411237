"""What the dashboard shows, in words: what is wrong with us, who is on call, what is open, how every check stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from opswatch.assemble import Office
from opswatch.core import escalation, sla
from opswatch.core.incidents import quiet_reason
from opswatch.core.model import Health as CheckHealth
from opswatch.core.model import QuietReason, Status
from opswatch.core.plan import Person, Plan
from opswatch.core.state import Incident
from opswatch.views import CheckRow, OnCallRow, StatusView
from opswatch.web.health import Health
from opswatch.web.words import Words

LINES_MAX = 200  # checks that are not ok, and incidents, listed one by one
GROUP_MAX = 50  # targets listed under a check that is ok
NIGHT = (22, 7)  # local hours in which a person may be asleep
STATES = ("crit", "warn", "unknown", "confirming", "waiting", "ok")
ALWAYS_COUNTED = frozenset({"crit", "warn", "unknown", "ok"})


@dataclass(frozen=True, slots=True)
class Banner:
    """Something to know before anything else is believed. `tone`: bad | warn | note."""

    tone: str
    title: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OnDuty:
    """One person on call; `clock` is the time where they are."""

    name: str
    clock: str
    zone: str
    is_night: bool


@dataclass(frozen=True, slots=True)
class Duty:
    """One roster now. `tone`: ok | warn (the fallback stands in) | bad (nobody)."""

    roster: str
    tone: str
    people: tuple[OnDuty, ...]
    note: str
    layer: str
    until: str
    next: str


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """One open incident. `then` is what happens next and when, by itself."""

    number: int
    priority: str
    status: str
    status_words: str
    title: str
    service: str
    opened_at: datetime
    age: str
    who: str
    failing: str
    quiet: str
    then: str
    late: str = ""  # the promises that are broken


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One check on one target. `state` is one of STATES, or `confirming`."""

    state: str
    state_words: str
    check: str
    where: str
    sentence: str
    when: str
    quiet: str = ""
    path: str = ""  # of its own page


@dataclass(frozen=True, slots=True)
class CheckGroup:
    """A check that is ok, or was not looked at, wherever it is listed here."""

    check: str
    count: int
    summary: str
    lines: tuple[CheckLine, ...]
    more: str


@dataclass(frozen=True, slots=True)
class Board:
    """The whole page. `tone` of the headline: calm | note | busy | bad. `waiting` are checks that nobody looked at."""

    tone: str
    headline: str
    subline: str
    banners: tuple[Banner, ...]
    duties: tuple[Duty, ...]
    incidents: tuple[IncidentLine, ...]
    incidents_more: str
    counts: tuple[tuple[str, str, int], ...]  # state, its words, how many
    not_ok: tuple[CheckLine, ...]
    not_ok_more: str
    waiting: tuple[CheckGroup, ...]
    ok: tuple[CheckGroup, ...]


def board(office: Office, words: Words, health: Health, now: datetime) -> Board:
    """Everything at `now`. Raises StoreUnavailable."""
    views, plan = office.views, office.plan
    status, rows, open_now = views.status(), views.checks(), views.open_incidents(limit=10_000)
    stands = _by_state(rows)
    counts = {state: len(stands[state]) for state in STATES}
    troubled = [row for state in ("crit", "warn", "unknown", "confirming") for row in stands[state]]
    shown = [one for one in open_now if one.storm is None]  # What is folded stands on its storm's page.
    lines = tuple(incident_line(words, plan, one, now) for one in shown[:LINES_MAX])
    tone, headline = _headline(words, plan, open_now, health, status, counts)
    return Board(
        tone=tone,
        headline=headline,
        subline=_subline(words, rows, open_now, now),
        banners=tuple(banners(words, health, status)),
        duties=tuple(duty(words, plan, row, now) for row in views.on_call(at=now)),
        incidents=lines,
        incidents_more=_folded_words(words, open_now, shown) or _more(words, len(shown), LINES_MAX),
        counts=tuple(
            (state, words.say(f"count.{state}"), count)
            for state, count in counts.items()
            if count or state in ALWAYS_COUNTED
        ),
        not_ok=tuple(check_line(words, row, now) for row in troubled[:LINES_MAX]),
        not_ok_more=_more(words, len(troubled), LINES_MAX),
        waiting=tuple(_groups(words, stands["waiting"], now)),
        ok=tuple(_groups(words, stands["ok"], now)),
    )


def _folded_words(words: Words, open_now: Sequence[Incident], shown: Sequence[Incident]) -> str:
    """How many stand on the pages of their storms instead."""
    count = len(open_now) - len(shown)
    return words.say("board.folded", count=count, more=_more(words, len(shown), LINES_MAX)) if count else ""


def _more(words: Words, count: int, shown_max: int) -> str:
    return words.word("word.and_more", count=count - shown_max) if count > shown_max else ""


# ---------------------------------------------------------------------------------------------------------------------
# The headline, and what stands above it


def _headline(
    words: Words,
    plan: Plan,
    open_now: Sequence[Incident],
    health: Health,
    status: StatusView,
    counts: Mapping[str, int],
) -> tuple[str, str]:
    """Tone and words, the most urgent thing first."""
    waiting = [one for one in open_now if one.status is Status.TRIGGERED and not _can_wait(plan, one)]
    if waiting:
        return "bad", words.count("board.waiting", len(waiting))
    if not (health.alive and health.ready and status.is_alive):
        return "bad", words.say("board.impaired")
    if open_now:
        in_hand = all(one.status is Status.ACKNOWLEDGED for one in open_now)
        return "busy", words.count("board.in_hand" if in_hand else "board.can_wait", len(open_now))
    if counts["crit"] or counts["warn"] or counts["unknown"]:
        return "busy", words.say("board.unquiet")
    if not counts["ok"]:
        return "note", words.say("board.first_look" if counts["waiting"] else "board.unwatched")
    return "calm", words.say("board.calm")


def _can_wait(plan: Plan, incident: Incident) -> bool:
    """Whether nobody is being paged for it: it is quiet, or of a priority that wakes nobody."""
    return quiet_reason(incident) is not None or plan.rule(incident.priority).interrupt == "never"


def _subline(words: Words, rows: Iterable[CheckRow], open_now: Sequence[Incident], now: datetime) -> str:
    a_minute_ago = now - timedelta(minutes=1)
    looked = sum(not row.item and row.seen_at is not None and row.seen_at >= a_minute_ago for row in rows)
    said = words.count("board.looked", looked) if looked else words.say("board.looked_none")
    return said if open_now else f"{words.say('board.nothing_open')} {said}"


def banners(words: Words, health: Health, status: StatusView) -> Iterable[Banner]:
    """What is wrong with opswatch itself, or was asked of it."""
    if not health.alive or not health.ready:
        yield Banner("bad", words.say("banner.not_ready" if health.alive else "banner.not_alive"), health.problems)
    elif health.problems:
        yield Banner("warn", words.say("banner.problems"), health.problems)
    if not status.is_alive:
        seen = max(status.nodes.values(), default=None)
        since = (words.say("banner.last_beat", at=words.when(seen)),) if seen else ()
        yield Banner("bad", words.say("banner.no_beat"), since)
    if status.paused_until is not None and status.paused_until > status.at:
        by = words.person(status.paused_by) if status.paused_by else ""
        yield Banner("warn", words.say("banner.paused", until=words.when(status.paused_until), by=by))
    if status.mode == "observe":
        yield Banner("note", words.say("banner.observe"))


# ---------------------------------------------------------------------------------------------------------------------
# On call


def duty(words: Words, plan: Plan, row: OnCallRow, now: datetime) -> Duty:
    """One roster at `now`, each person with the time where they are."""
    people = [plan.people[name] for name in row.on_call if name in plan.people]
    tone = "bad" if not people else "warn" if row.fallback else "ok"
    note = "" if tone == "ok" else words.say("duty.fallback" if people else "duty.nobody")
    roster = plan.rosters[row.roster]
    zones = {person.timezone for person in people}
    zone = zones.pop() if len(zones) == 1 else roster.timezone
    return Duty(
        roster=row.roster,
        tone=tone,
        people=tuple(_on_duty(words, person, now) for person in people),
        note=note,
        layer=row.layer or "",
        until=_until(words, row.until, zone, now),
        next=words.join(words.person(name) for name in row.next),
    )


def _on_duty(words: Words, person: Person, now: datetime) -> OnDuty:
    clock = words.clock(now, person.timezone)
    hour = int(clock.rsplit(" ", 1)[-1].split(":")[0])
    return OnDuty(person.name, clock, person.timezone, hour >= NIGHT[0] or hour < NIGHT[1])


def _until(words: Words, until: datetime | None, zone: str, now: datetime) -> str:
    if until is None:
        return ""
    there = Words(words.language, plan=words.plan, zone=zone)
    return words.say("duty.until", at=there.when(until), within=words.within(until, now))


# ---------------------------------------------------------------------------------------------------------------------
# Incidents


def incident_line(words: Words, plan: Plan, incident: Incident, now: datetime) -> IncidentLine:
    """One open incident at `now`."""
    return IncidentLine(
        number=incident.number,
        priority=str(incident.priority),
        status=str(incident.status),
        status_words=words.code(incident.status),
        title=incident.title,
        service=words.service(incident.service),
        opened_at=incident.opened_at,
        age=words.span(now - incident.opened_at),
        who=_who(words, plan, incident),
        failing=words.count("incident.failing", len(incident.alerts)) if len(incident.alerts) > 1 else "",
        quiet=_quiet(words, incident, now),
        then=what_next(words, plan, incident, now),
        late=words.join(words.code(what) for what in sla.late(sla.due(plan, incident), incident.status, now)),
    )


def _who(words: Words, plan: Plan, incident: Incident) -> str:
    if incident.owner is not None:
        who = words.target(incident.owner) if ":" in incident.owner else words.person(incident.owner)
        need = escalation.acks_needed(plan, incident)
        return f"{who} ({len(incident.acks)}/{need})" if need > 1 and incident.acks else who
    paged = list(dict.fromkeys(person for person, _ in incident.paged))
    if paged:
        return words.say("incident.paged", people=words.join(words.person(one) for one in paged))
    return words.say("incident.wakes_nobody") if plan.rule(incident.priority).interrupt == "never" else ""


def _quiet(words: Words, incident: Incident, now: datetime) -> str:
    reason, until = quiet_reason(incident), incident.held_until or incident.snoozed_until
    if reason is QuietReason.STORM:
        return words.say("incident.in_storm", number=incident.storm)
    if reason is None or until is None:
        return ""
    return words.say("incident.quiet", why=words.code(reason), until=words.when(until), within=words.within(until, now))


def what_next(words: Words, plan: Plan, incident: Incident, now: datetime) -> str:
    """What happens by itself if nobody does anything: "climbs to level 2 in 3m"."""
    if quiet_reason(incident) is not None:
        return ""
    if incident.status is Status.ACKNOWLEDGED:
        if incident.ack_until is None:
            return ""
        key = "then.lapses" if incident.reminded else "then.reminds"
        return words.say(key, within=words.within(incident.ack_until, now))
    if incident.status is Status.RESOLVED:
        return words.say("then.looks", within=words.within(incident.reopen_at, now)) if incident.reopen_at else ""
    policy = plan.policies.get(incident.policy)
    if incident.level_until is None or policy is None:
        wakes_nobody = plan.rule(incident.priority).interrupt == "never"
        return words.say("then.digest" if wakes_nobody else "then.looks", within=words.within(incident.wake_at, now))
    rungs, within = len(policy.levels), words.within(incident.level_until, now)
    if incident.level < rungs:
        return words.say("then.climbs", level=incident.level + 1, within=within)
    if incident.level == rungs:
        return words.say("then.begins_again" if incident.cycle <= policy.repeat else "then.fallback", within=within)
    return words.say("then.tells_again", within=within)


# ---------------------------------------------------------------------------------------------------------------------
# Checks


def _by_state(rows: Iterable[CheckRow]) -> dict[str, list[CheckRow]]:
    """The rows of each state. An item is listed while it is in trouble; what has one is not counted as ok."""
    stands: dict[str, list[CheckRow]] = {state: [] for state in STATES}
    broken = {(row.check, row.target) for row in rows if row.item and _state(row) not in ("ok", "waiting")}
    for row in rows:
        state = _state(row)
        is_listed = state not in ("ok", "waiting") or not (row.item or (row.check, row.target) in broken)
        if is_listed:
            stands[state].append(row)
    return stands


def check_line(words: Words, row: CheckRow, now: datetime) -> CheckLine:
    """One check on one target, with how long it has been so."""
    state = _state(row)
    said = _state_words(words, state)
    if state == "confirming" and row.seen is not None:
        said = words.say("check.confirming", state=words.code(row.seen))
    if row.fired_at is not None and row.health is not CheckHealth.OK:
        when = words.say("check.since", span=words.span(now - row.fired_at))
    else:
        when = words.say("check.seen", ago=words.ago(row.seen_at, now)) if row.seen_at else row.schedule
    where = f"{row.target} {row.item}".strip()
    sentence = words.say("check.not_yet") if state == "waiting" else row.sentence
    quiet = words.code(row.quiet) if row.quiet else ""
    return CheckLine(state, said, row.check, where, sentence, when, quiet, f"/checks/{row.check}/{row.target}")


def _state(row: CheckRow) -> str:
    """One of STATES."""
    if row.health is None:
        return "waiting"
    is_confirming = row.health is CheckHealth.OK and row.seen not in (CheckHealth.OK, None)
    return "confirming" if is_confirming else str(row.health)


def _state_words(words: Words, state: str) -> str:
    return words.say(f"check.{state}") if state in ("waiting", "confirming") else words.code(state)


def _groups(words: Words, rows: Iterable[CheckRow], now: datetime) -> Iterable[CheckGroup]:
    """By check, each with its targets."""
    for check, each in groupby(sorted(rows, key=lambda row: (row.check, row.target)), key=lambda row: row.check):
        group = list(each)
        seen = max((row.seen_at for row in group if row.seen_at is not None), default=None)
        looked = words.say("check.seen", ago=words.ago(seen, now)) if seen else group[0].schedule
        yield CheckGroup(
            check,
            len(group),
            f"{words.count('check.targets', len(group))} · {looked}",
            tuple(check_line(words, row, now) for row in group[:GROUP_MAX]),
            _more(words, len(group), GROUP_MAX),
        )
