"""The self-audit: is opswatch able to page? The dead-man ping, `/readyz` and `opswatch doctor` ask the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from opswatch.core.counts import say_count
from opswatch.core.model import Status
from opswatch.desk import Desk
from opswatch.errors import StoreUnavailable
from opswatch.stores import Store

LATE_MAX = timedelta(seconds=30)  # a deadline or message this much overdue means that nobody works on it
UNDECIDED_MAX = timedelta(seconds=60)  # a storm of 100,000 takes some ten
ROSTER_AHEAD = timedelta(days=7)
MB = 1e6
ROOM_MIN = 200 * MB


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `advice` says what to do when it is not so."""

    name: str
    is_ok: bool
    says: str
    advice: str = ""


def audit(desk: Desk, store: Store, now: datetime) -> list[Finding]:
    """Every question, in the order in which an answer matters. Changes nothing."""
    try:
        return [
            _store(desk),
            _size(store),
            _deadlines(desk, now),
            _messages(store, now),
            _inbox(store, now),
            _rosters(desk, now),
            _clock(store, now),
        ]
    except StoreUnavailable as trouble:
        return [Finding("store", False, str(trouble), "see that the store runs, has room and may be written")]


def _store(desk: Desk) -> Finding:
    desk.refresh()
    return Finding("store", True, "answers")


def _size(store: Store) -> Finding:
    """How much of the disk it takes, and whether there is room for what an outage writes."""
    sizes = store.sizes()
    room = sizes.pop("room", None)
    says = ", ".join(f"{part} {size / MB:.1f} MB" for part, size in sizes.items())
    if room is not None and room < ROOM_MIN:
        says = f"only {room / MB:.0f} MB are free on its disk; {says}"
        return Finding("size", True, says, "make room now: once it is full nothing can be promised")
    return Finding("size", True, says)


def _deadlines(desk: Desk, now: datetime) -> Finding:
    """Law 1: every open incident has a deadline ahead."""
    with desk.looking() as (state, _):
        kept = [one for one in state.incidents.values() if one.status is not Status.RESOLVED]
        late = [one.number for one in kept if one.wake_at < now - LATE_MAX]
    if late:
        numbers = ", ".join(str(number) for number in late[:10])
        return Finding("deadlines", False, f"overdue: incidents {numbers}", "is the daemon running?")
    return Finding("deadlines", True, f"{len(kept)} open incidents, each with a deadline ahead")


def _messages(store: Store, now: datetime) -> Finding:
    """No promised message is older than its lease."""
    due = store.next_due()
    if due is not None and due < now - LATE_MAX:
        age = int((now - due).total_seconds())
        return Finding("messages", False, f"a promised message waits for {age} s", "is the daemon running?")
    return Finding("messages", True, "none waits")


def _inbox(store: Store, now: datetime) -> Finding:
    """What was accepted from others is decided."""
    waiting = store.waiting()
    if waiting.oldest_at is not None and waiting.oldest_at < now - UNDECIDED_MAX:
        age = int((now - waiting.oldest_at).total_seconds())
        says = f"{waiting.alerts} accepted alerts are not decided, the oldest for {age} s"
        return Finding("inbox", False, says, "is the daemon running? its log says what keeps it")
    return Finding("inbox", True, f"{say_count(waiting.alerts, 'alert')} to decide" if waiting.rows else "empty")


def _rosters(desk: Desk, now: datetime) -> Finding:
    """Rosters resolve now and for the next 7 days."""
    with desk.looking() as (state, engine):
        overrides = tuple(state.overrides.values())
        rosters = list(engine.plan.rosters)
        waited = [name for name, roster in engine.plan.rosters.items() if roster.shadows is None]
        empty = [name for name in waited if not engine.rosters.on_call(name, overrides, now).people]
        gaps = [name for name in rosters if engine.rosters.gaps(name, overrides, now, now + ROSTER_AHEAD)]
    if empty:
        return Finding(
            "rosters", False, f"nobody is on call now: {', '.join(empty)}", "opswatch roster show, override add"
        )
    if gaps:
        return Finding("rosters", True, f"gaps in the next 7 days: {', '.join(gaps)}", "opswatch roster show")
    return Finding("rosters", True, f"{say_count(len(rosters), 'roster')}, somebody on call for 7 days")


def _clock(store: Store, now: datetime) -> Finding:
    """No node has been alive in our future: its clock or ours is wrong."""
    ahead = [node for node, (seen, _) in store.nodes().items() if seen > now + timedelta(seconds=2)]
    if ahead:
        return Finding("clock", False, f"{', '.join(ahead)} was seen in the future", "is NTP running on every node?")
    jumps = [f"{node}: {facts['clock']}" for node, (_, facts) in store.nodes().items() if facts.get("clock")]
    if jumps:
        return Finding("clock", True, "; ".join(jumps), "see that NTP runs; look at what was due meanwhile")
    return Finding("clock", True, f"{now:%Y-%m-%d %H:%M:%S} UTC")
