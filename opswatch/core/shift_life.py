"""The life of a shift beside being on call: its people are reminded, the change is told, the hand-over is accepted.

Nothing of it decides who is paged: that is the roster's alone. A roster is looked at when its shift changes, when a
reminder is due and on Monday morning, and after everything that may have moved its shifts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, time, timedelta

from opswatch.core import calendars, notices, roster_changes
from opswatch.core.events import Command, TakeOver
from opswatch.core.moment import Moment
from opswatch.core.plan import Roster
from opswatch.core.roster import Shift
from opswatch.core.state import Takeover

KNOWN_FOR = timedelta(days=3)
"""Who was on call for this roster so lately needs no reminder: the next night of the same week is no news."""
LOOK_MAX = timedelta(days=7)
WEEK = timedelta(days=7)
WEEK_LINES_MAX = 40
MORNING = time(9)
TAKE_OVER_WITHIN = timedelta(minutes=30)
LEADS_TOLD_AFTER = timedelta(hours=2)
_MONDAY = 0
_DAY = timedelta(days=1)


def look(m: Moment) -> None:
    """Look at the rosters whose time has come."""
    due = m.draft.standing.shifts_at
    for roster in m.plan.rosters.values():
        if due.get(roster.id, m.now) <= m.now:
            _look_at(m, roster)
    if any(known not in m.plan.rosters for known in m.draft.standing.shifts_at):
        _forget_removed(m)
    _look_at_takeovers(m)


def moved(m: Moment, rosters: Iterable[str] | None = None) -> None:
    """The shifts of these rosters (None: of all) may have moved: look at them at once."""
    kept = {} if rosters is None else {k: v for k, v in m.draft.standing.shifts_at.items() if k not in set(rosters)}
    m.draft.standing = replace(m.draft.standing, shifts_at=kept)
    look(m)


def _look_at(m: Moment, roster: Roster) -> None:
    m.draft.standing = replace(m.draft.standing, shifts_at={**m.draft.standing.shifts_at, roster.id: m.now + LOOK_MAX})
    ahead = max((*roster.remind, _DAY))
    shifts = m.rosters.shifts(roster.id, m.draft.overrides(), m.now - KNOWN_FOR, m.now + ahead + LOOK_MAX)
    instants = [_tell_change(m, roster), _remind(m, roster, shifts), _tell_week(m, roster)]
    next_at = min(at for at in (*instants, m.now + LOOK_MAX) if at is not None)
    shifts_at = {**m.draft.standing.shifts_at, roster.id: max(next_at, m.now + timedelta.resolution)}
    m.draft.standing = replace(m.draft.standing, shifts_at=shifts_at)


def _forget_removed(m: Moment) -> None:
    standing, known = m.draft.standing, m.plan.rosters
    m.draft.standing = replace(
        standing,
        shifts_at={name: at for name, at in standing.shifts_at.items() if name in known},
        on_call={name: people for name, people in standing.on_call.items() if name in known},
        takeovers={name: one for name, one in standing.takeovers.items() if name in known},
    )


# ---------------------------------------------------------------------------------------------------------------------
# Who is on call now


def _tell_change(m: Moment, roster: Roster) -> datetime | None:
    """Other people are on call than were told last: recorded, and told to the roster's channels."""
    now = m.rosters.on_call(roster.id, m.draft.overrides(), m.now)
    before = m.draft.standing.on_call.get(roster.id)
    if before != now.people:
        m.draft.standing = replace(m.draft.standing, on_call={**m.draft.standing.on_call, roster.id: now.people})
    if before is not None and before != now.people:  # The first look ever is no change.
        following = m.rosters.next_people(roster.id, m.draft.overrides(), m.now)
        facts: dict[str, object] = {
            "roster": roster.id,
            "people": list(now.people),
            "whose": list(before),
            "fallback": now.fallback or None,
            "until": now.until,
        }
        m.record("on_call_changed", incident=None, by=None, **facts)
        for channel in channels_of(m, roster):
            m.announce(channel, "on_call", incident=None, **facts, following=list(following))
    return now.until


def channels_of(m: Moment, roster: Roster) -> list[str]:
    """The channels that are told about this roster's shifts."""
    named = [target.removeprefix("channel:") for target in roster.announce if target.startswith("channel:")]
    return [name for name in named if name in m.plan.channels]


# ---------------------------------------------------------------------------------------------------------------------
# Reminders


def _remind(m: Moment, roster: Roster, shifts: list[Shift]) -> datetime | None:
    """Everybody is reminded of their next shift, each span ahead once, within their day. The next reminder due."""
    coming: list[datetime | None] = []
    for place, shift in enumerate(shifts):
        if shift.start <= m.now:
            continue
        for person in shift.people:
            if _is_news(shifts[:place], shift, person):
                coming += [_reminded(m, roster, shift, person, span) for span in roster.remind]
    return min((at for at in coming if at is not None), default=None)


def _is_news(before: list[Shift], shift: Shift, person: str) -> bool:
    """Not for who has been on call all along or lately, unless an override put them there."""
    last = next((one for one in reversed(before) if person in one.people), None)
    if last is None:
        return True
    if last.end == shift.start:
        return False
    return shift.override is not None or shift.start - last.end > KNOWN_FOR


def _reminded(m: Moment, roster: Roster, shift: Shift, person: str, span: timedelta) -> datetime | None:
    """Remind now, if the time has come; else when it will. Of spans that have passed, one reminder is enough."""
    at = notices.polite(m.plan, person, shift.start - span)
    at = at if at < shift.start else shift.start - span
    if at > m.now:
        return at
    is_last = not any(other < span and shift.start - other <= m.now for other in roster.remind)
    if m.once(roster_changes.reminder(roster.id, person, shift.start, span), shift.end) and is_last:
        facts = {"roster": roster.id, "at": shift.start, "until": shift.end, "layer": shift.layer}
        m.record("shift_reminded", person=person, roster=roster.id, at=shift.start)
        notices.tell(m, (person,), "shift_soon", incident=None, **facts)
    return None


# ---------------------------------------------------------------------------------------------------------------------
# The week ahead


def _tell_week(m: Moment, roster: Roster) -> datetime | None:
    """On Monday at nine, by the roster's clocks, its channels hear who is on call that week. The next such instant."""
    channels = channels_of(m, roster)
    if not channels:
        return None
    today = calendars.reading(m.now, roster.timezone).date()
    monday = today - _DAY * ((today.weekday() - _MONDAY) % 7)
    at = calendars.instant(datetime.combine(monday, MORNING), roster.timezone)
    following = calendars.instant(datetime.combine(monday + WEEK, MORNING), roster.timezone)
    if not at <= m.now < at + _DAY:
        return following if at <= m.now else at
    if m.once(f"week {roster.id} {monday}", following):
        for channel in channels:
            m.announce(channel, "week_ahead", incident=None, roster=roster.id, at=at, until=following)
    return following


# ---------------------------------------------------------------------------------------------------------------------
# The hand-over is accepted


def handed_over(m: Moment, roster: str, at: datetime, whose: tuple[str, ...], to: tuple[str, ...]) -> None:
    """Somebody else has the duty: they are asked to say that they have read the hand-over."""
    incoming = tuple(person for person in to if person not in whose)
    kept = {name: one for name, one in m.draft.standing.takeovers.items() if name != roster}
    if incoming and whose:
        wake_at = notices.polite(m.plan, incoming[0], m.now + TAKE_OVER_WITHIN)
        kept[roster] = Takeover(at=at, people=incoming, whose=whose, wake_at=wake_at)
    m.draft.standing = replace(m.draft.standing, takeovers=kept)


def take_over(m: Moment, command: TakeOver) -> None:
    """ "I have read it, I have the duty": of one roster, or of all that wait for this person."""
    waiting = m.draft.standing.takeovers
    mine = [name for name, one in waiting.items() if command.by in one.people and command.roster in (None, name)]
    if command.roster is not None and command.roster not in m.plan.rosters:
        m.refuse("unknown_roster", roster=command.roster, known=", ".join(m.plan.rosters))
        return
    if not mine:
        m.done("nothing_to_take_over", roster=command.roster)
        return
    for name in mine:
        at = waiting[name].at
        after_s = int((m.now - at).total_seconds())
        m.record("handover_accepted", by=command.by, door=command.door, roster=name, at=at, after_s=after_s)
        notices.tell(m, waiting[name].whose, "handover_accepted", roster=name, by=command.by)
    rest = {name: one for name, one in waiting.items() if name not in mine}
    m.draft.standing = replace(m.draft.standing, takeovers=rest)
    m.done("took_over", roster=", ".join(mine))


def _look_at_takeovers(m: Moment) -> None:
    """Not accepted: they are asked once more, and then the leads and whose shift it was are told."""
    for name, one in list(m.draft.standing.takeovers.items()):
        if one.wake_at is None or one.wake_at > m.now:
            continue
        if one.is_reminded:
            m.record("handover_not_accepted", roster=name, people=list(one.people), at=one.at)
            told = tuple(dict.fromkeys((*one.whose, *notices.leads(m.plan))))
            notices.tell(m, told, "handover_waits", roster=name, whose=one.people, at=one.at)
            after = replace(one, wake_at=None)
        else:
            notices.tell(m, one.people, "handover_reminder", roster=name, at=one.at)
            after = replace(one, wake_at=m.now + LEADS_TOLD_AFTER, is_reminded=True)
        m.draft.standing = replace(m.draft.standing, takeovers={**m.draft.standing.takeovers, name: after})


def due_at(shifts_at: Mapping[str, datetime], takeovers: Mapping[str, Takeover]) -> datetime | None:
    """When something of all this is due next."""
    waiting = [one.wake_at for one in takeovers.values() if one.wake_at is not None]
    return min((*shifts_at.values(), *waiting), default=None)


COMMANDS: Mapping[type[Command], Callable[..., None]] = {TakeOver: take_over}
