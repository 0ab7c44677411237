"""Silences from beginning to end: what they match now, and their owner told before they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b

from opswatch.core import alerts, calendars, escalation, held, incidents, notices
from opswatch.core.events import AddSilence, Command, ExpireSilence
from opswatch.core.matching import labels_of_alert, matchers_hold
from opswatch.core.model import Status
from opswatch.core.moment import SPAN_MAX, TEXT_MAX, Moment
from opswatch.core.plan import Plan
from opswatch.core.quiet import source_of
from opswatch.core.sentence import distance
from opswatch.core.state import Alert, Silence

LEAD = timedelta(hours=1)
LEAD_SHARE = 4  # of a short one, the last quarter
SHORT = timedelta(minutes=20)  # who made one this short has it before their eyes
NAMED_MAX = 20
TYPING_MISTAKES_MAX = 2
_OWN_LABELS = frozenset({"alertname", "check", "target", "item", "state", "service", "team", "tier", "kind", "probe"})


# ---------------------------------------------------------------------------------------------------------------------
# Beginning and end


def add(m: Moment, command: AddSilence) -> None:
    """A new silence, or a change of one. It is answered how much it matches now, and which of its labels nothing here
    has."""
    replaced = m.draft.silence(command.replaces) if command.replaces is not None else None
    starts = command.starts or m.now
    if not m.now < command.until <= m.now + SPAN_MAX:
        m.refuse("bad_span", until=command.until)
        return
    if starts >= command.until:
        m.refuse("span_backwards", start=starts, end=command.until)
        return
    problem = _matcher_problem(m, command.matchers)
    if problem:
        m.refuse("bad_matcher", text=problem)
        return
    if replaced is not None and may_change(replaced, command, m.now):
        _change(m, replaced, command)
        return
    number = m.draft.standing.silence_last + 1
    m.draft.standing = replace(m.draft.standing, silence_last=number)
    silence = _written(m, _blank(number, command, max(starts, m.now)), command)
    _noted(m, "silence_added", silence, command)
    if replaced is not None:
        _end(m, replaced, command)
        quiet_ended(m)
    look_at_holds(m)


def may_change(silence: Silence, wanted: AddSilence, now: datetime) -> bool:
    """Whether it may be changed where it stands, as Alertmanager has it: not in what it matches; not in its start, once
    that has come. Else another one takes its place."""
    if sorted(silence.matchers) != sorted(wanted.matchers):
        return False
    starts = wanted.starts or now
    if silence.starts_at > now:
        return starts >= now
    return int(starts.timestamp()) == int(silence.starts_at.timestamp())


def _change(m: Moment, silence: Silence, command: AddSilence) -> None:
    has_begun = silence.starts_at <= m.now
    starts = silence.starts_at if has_begun else command.starts or m.now
    changed = _written(m, replace(silence, starts_at=starts, uuid=uuid_of(silence)), command)
    held.moved(m, source_of(silence), changed.ends_at, changed.owner)
    _noted(m, "silence_changed", changed, command)
    quiet_ended(m)  # What waits for its old end now waits for the new one.


def _blank(number: int, command: AddSilence, starts: datetime) -> Silence:
    return Silence(number, command.matchers, starts, command.until, command.by, command.reason, uuid=command.uuid)


def _written(m: Moment, silence: Silence, command: AddSilence) -> Silence:
    """The silence with what the command says of it, in the draft."""
    written = replace(
        silence,
        ends_at=command.until,
        owner=command.by,
        reason=command.reason[:TEXT_MAX],
        updated_at=m.now,
        is_outsiders=command.by not in m.plan.people,
        annotations=command.annotations,
    )
    written = replace(written, tell_at=ending_told_at(m.plan, written))
    m.draft.changes.silences[silence.id] = written
    return written


def _noted(m: Moment, what: str, silence: Silence, command: AddSilence) -> None:
    m.record(
        what,
        by=command.by,
        door=command.door,
        id=silence.id,
        matchers=words_of(silence),
        starts=silence.starts_at,
        until=silence.ends_at,
        text=command.reason,
    )
    unknown = unknown_in(m, command.matchers)
    m.done(
        what,
        id=silence.id,
        until=command.until,
        matches=str(sum(1 for _ in matched(m, silence))),
        unknown=unknown[0] if unknown else None,
        nearest=unknown[1] if unknown else None,
    )


def expire(m: Moment, command: ExpireSilence) -> None:
    """Ended by hand: what it held back is told now."""
    silence = m.draft.silence(command.id)
    if silence is None:
        m.refuse("unknown_silence", id=command.id)
        return
    _end(m, silence, command)
    m.done("silence_expired", id=silence.id)
    quiet_ended(m)


def _end(m: Moment, silence: Silence, command: Command) -> None:
    m.draft.changes.silences[silence.id] = None
    m.record("silence_expired", by=command.by, door=command.door, id=silence.id)
    held.report(m, source_of(silence))


def forget_expired(m: Moment) -> None:
    """Silences whose end has come leave the state."""
    for silence in list(m.draft.silences()):
        if silence.ends_at <= m.now:
            m.draft.changes.silences[silence.id] = None
            m.record("silence_expired", id=silence.id)
            held.report(m, source_of(silence))


def uuid_of(silence: Silence) -> str:
    """Its name for Alertmanager's API. One that was made elsewhere gets one of its number and its beginning, so that
    two installations hardly share one."""
    if silence.uuid:
        return silence.uuid
    name = f"opswatch silence {silence.id} {silence.starts_at.isoformat()}"
    text = blake2b(name.encode(), digest_size=16).hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-8{text[17:20]}-{text[20:]}"  # 5: of a name (RFC 9562)


def words_of(silence: Silence) -> list[str]:
    """`["service=orders", "target=~db-.*"]`."""
    return [f"{name}{how}{value}" for name, how, value in silence.matchers]


def _matcher_problem(m: Moment, matchers: tuple[tuple[str, str, str], ...]) -> str:
    """What is wrong with these matchers, in words; empty when nothing is. Matching everything is `pause`."""
    if not matchers:
        return "name at least one label, such as service=orders"
    for name, how, value in matchers:
        try:
            if how in ("=~", "!~"):
                m.regex(value, "")
        except ValueError as problem:
            return f"{name}{how}{value}: {problem}"
    return ""


# ---------------------------------------------------------------------------------------------------------------------
# What it matches


def matched(m: Moment, silence: Silence) -> Iterator[Alert]:
    """The alerts that a silence would hold back now."""
    for alert in m.draft.alerts():
        if matchers_hold(silence.matchers, labels_of_alert(m.plan, alert), m.regex):
            yield alert


def unknown_in(m: Moment, matchers: tuple[tuple[str, str, str], ...]) -> tuple[str, str | None] | None:
    """The first label, or name, that nothing here has, and the nearest that something has: a silence with a typing
    mistake holds back nothing, and nobody would know until the phone rings."""
    labels = known_labels(m)
    for name, how, value in matchers:
        if name not in labels:
            return name, _nearest(name, labels)
        if how == "=" and name in _NAMES and value and value not in (known := _NAMES[name](m.plan)):
            return f"{name}={value}", next((f"{name}={one}" for one in [_nearest(value, known)] if one), None)
    return None


def known_labels(m: Moment) -> set[str]:
    """Every label that something of the plan has, or an alert that is open."""
    known = set(_OWN_LABELS)
    for things in (m.plan.services, m.plan.targets, m.plan.checks):
        known.update(name for thing in things.values() for name in thing.labels)
    for alert in m.draft.alerts():
        known.update(labels_of_alert(m.plan, alert))
    return known


_NAMES: Mapping[str, Callable[[Plan], Mapping[str, object]]] = {
    "service": lambda plan: plan.services,
    "target": lambda plan: plan.targets,
    "check": lambda plan: plan.checks,
}


def _nearest(text: str, known: Mapping[str, object] | set[str]) -> str | None:
    near = sorted((distance(text, one), one) for one in known if abs(len(one) - len(text)) <= TYPING_MISTAKES_MAX)
    return near[0][1] if near and near[0][0] <= TYPING_MISTAKES_MAX else None


# ---------------------------------------------------------------------------------------------------------------------
# Its owner is told before it ends


def ending_told_at(plan: Plan, silence: Silence) -> datetime | None:
    """When its owner is told that it will end: an hour before, within the last quarter of a short one; where that is
    outside their day, while it still is day, so that nobody is surprised at night. None for a very short one."""
    span = silence.ends_at - silence.starts_at
    if span < SHORT:
        return None
    at = silence.ends_at - min(LEAD, span / LEAD_SHARE)
    person = plan.people.get(silence.owner)
    if person is None or person.day is None:
        return at
    day = calendars.last_covered((person.day,), person.timezone, None, at, since=silence.starts_at)
    return day if day is not None else at


def tell_endings(m: Moment) -> None:
    """Tell the owners of silences that end soon how much fails that will page then."""
    for silence in list(m.draft.silences()):
        if silence.tell_at is None or silence.tell_at > m.now:
            continue
        m.draft.changes.silences[silence.id] = replace(silence, tell_at=None)
        waiting = [alert for alert in matched(m, silence) if alert.announced is not alert.health]
        m.record("silence_ending", id=silence.id, person=silence.owner, until=silence.ends_at, failing=len(waiting))
        notices.tell(
            m,
            notices.readers(m.plan, silence.owner),
            "silence_ending",
            id=silence.id,
            until=silence.ends_at,
            matchers=words_of(silence),
            failing=str(len(waiting)),
            evidence=[alert.sentence for alert in waiting[:NAMED_MAX]],
            text=silence.reason,
        )


# ---------------------------------------------------------------------------------------------------------------------
# When a quiet begins or ends


def look_at_holds(m: Moment) -> None:
    """A quiet began: ladders whose alerts are all quiet now wait for its end."""
    for incident in list(m.draft.incidents()):
        if incident.status is Status.TRIGGERED:
            escalation.keep(m, incidents.look_at_hold(m, incident))


def quiet_ended(m: Moment) -> None:
    """A quiet ended: what it delayed is told now."""
    alerts.look_again(m, list(m.draft.alerts()))
    look_at_holds(m)


COMMANDS: Mapping[type[Command], Callable[..., None]] = {AddSilence: add, ExpireSilence: expire}
