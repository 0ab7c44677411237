"""Heartbeats: scheduled jobs say that they began, succeeded or failed; one that says nothing in time is a failure.

A job is late when its time and its grace have passed without a success; it overruns when it began and is not over
within its grace. Its first sign is waited for from the moment it stands in the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opswatch.core import alerts, calendars
from opswatch.core.changes import State
from opswatch.core.events import Pinged
from opswatch.core.model import Health, Priority
from opswatch.core.moment import Moment
from opswatch.core.plan import Heartbeat, Plan
from opswatch.core.spans import say_roughly
from opswatch.core.state import Alert, Beat, alert_key

CHECK = "heartbeat"
"""What their alerts are called: `check = "heartbeat"` in rules, routes and silences; the target is the heartbeat."""
RUNS_MAX = 10
TAIL_LINES_MAX = 20
TAIL_LINE_MAX = 300


def key_of(heartbeat: str) -> str:
    """The key of its alert."""
    return alert_key(CHECK, heartbeat)


# ---------------------------------------------------------------------------------------------------------------------
# What it says


def pinged(m: Moment, event: Pinged) -> None:
    """One sign of life. `at` is when it was received. One of a heartbeat that nobody wrote changes nothing."""
    known = m.plan.heartbeats.get(event.heartbeat)
    if known is None:
        return
    beat = m.draft.beat(known.id) or _new(m, known)
    if event.kind == "start":
        _keep(m, known, _started(beat, event))
        return
    if event.kind == "log":
        _keep(m, known, replace(beat, pinged_at=event.at, tail=tail_of(event.text)))
        return
    after = _over(m, known, beat, event)
    _keep(m, known, after)
    if event.kind == "success":
        _is_well(m, known, after)
    else:
        _fails(m, known, after, _failure_words(known, event))


def _started(beat: Beat, event: Pinged) -> Beat:
    runs = {**beat.runs, event.run: event.at}
    while len(runs) > RUNS_MAX:  # Runs that never said they were over: the oldest are forgotten.
        del runs[min(runs, key=lambda run: runs[run])]
    return replace(beat, pinged_at=event.at, started_at=event.at, runs=runs)


def _over(m: Moment, known: Heartbeat, beat: Beat, event: Pinged) -> Beat:
    """A run is over, well or not: how long it took, and when the next is due."""
    began = beat.runs.get(event.run)
    is_well = event.kind == "success"
    return replace(
        beat,
        pinged_at=event.at,
        success_at=event.at if is_well else beat.success_at,
        failed_at=beat.failed_at if is_well else event.at,
        exit_code=event.exit_code if event.exit_code is not None else 0 if is_well else None,
        took_s=(event.at - began).total_seconds() if began is not None else None,
        runs={run: at for run, at in beat.runs.items() if run != event.run},
        due_at=due_after(known, event.at) if is_well else beat.due_at,
        tail=tail_of(event.text),
    )


def tail_of(text: str) -> tuple[str, ...]:
    """The last lines of a job's output, bounded."""
    lines = [line.rstrip()[:TAIL_LINE_MAX] for line in text.splitlines() if line.strip()]
    return tuple(lines[-TAIL_LINES_MAX:])


def _failure_words(known: Heartbeat, event: Pinged) -> str:
    how = f"exit code {event.exit_code}" if event.exit_code is not None else "it said so"
    return f"{known.id} failed: {how}"


# ---------------------------------------------------------------------------------------------------------------------
# When it is late


def expected_after(known: Heartbeat, at: datetime) -> datetime:
    """When the next sign is expected, after one at `at`. Up to `early` before its time a sign counts for that time:
    a job whose clock is ahead is not late; an earlier one does not."""
    if known.every is not None:
        return at + known.every
    assert known.cron is not None
    following = calendars.next_cron(known.cron, known.timezone, at)
    return calendars.next_cron(known.cron, known.timezone, following) if following - at <= known.early else following


def due_after(known: Heartbeat, at: datetime) -> datetime:
    """When it is late, after a sign at `at`. The schedule is local; the grace is elapsed time."""
    return expected_after(known, at) + known.grace


def overruns_at(known: Heartbeat, beat: Beat) -> datetime | None:
    """When the oldest run that is not over takes too long; None while nothing runs."""
    began = min(beat.runs.values(), default=None)
    return began + (known.lasts_max or known.grace) if began is not None else None


def due(m: Moment, beat: Beat) -> None:
    """Its instant has come: it is late, or a run takes too long."""
    known = m.plan.heartbeats.get(beat.id)
    if known is None:
        return
    overruns = overruns_at(known, beat)
    late_at = _late_at(m, known, beat)
    if overruns is not None and overruns <= m.now:
        began = min(beat.runs.values())
        words = f"{known.id} has been running for {say_roughly(m.now - began)}: longer than it may"
        _fails(m, known, beat, words)
    elif late_at <= m.now:
        _fails(m, known, beat, _late_words(known, beat))
    _keep(m, known, beat)


def _late_at(m: Moment, known: Heartbeat, beat: Beat) -> datetime:
    """Our own downtime counts for nobody: whoever could not reach us gets the grace once more."""
    started = m.draft.started_at
    return beat.due_at if started is None else max(beat.due_at, started + known.grace)


def _late_words(known: Heartbeat, beat: Beat) -> str:
    expected = beat.due_at - known.grace
    last = f"the last success was {beat.success_at:%Y-%m-%d %H:%M} UTC" if beat.success_at else "none was ever seen"
    return f"{known.id} is late: expected by {expected:%Y-%m-%d %H:%M} UTC, {last}"


def _keep(m: Moment, known: Heartbeat, beat: Beat) -> None:
    """With the next instant to look at it: none while its alert says already what would be said."""
    alert = m.draft.alert(key_of(known.id))
    instants = [at for at in (_late_at(m, known, beat), overruns_at(known, beat)) if at is not None]
    wake_at = min(instants) if alert is None else None
    after = replace(beat, wake_at=wake_at)
    if m.draft.beat(beat.id) != after:
        m.draft.changes.beats[beat.id] = after


# ---------------------------------------------------------------------------------------------------------------------
# Its alert


def _fails(m: Moment, known: Heartbeat, beat: Beat, words: str) -> None:
    alert = m.draft.alert(key_of(known.id))
    if alert is not None:
        if alert.sentence != words:
            evidence = beat.tail or alert.evidence
            alerts.changed(m, replace(alert, sentence=words, evidence=evidence, changed_at=m.now), before=alert.health)
        return
    episode = beat.episode + 1
    m.draft.changes.beats[beat.id] = replace(beat, episode=episode, wake_at=None)
    alerts.fired(
        m,
        Alert(
            check=CHECK,
            target=known.id,
            item="",
            episode=episode,
            health=Health.CRIT,
            fired_at=m.now,
            changed_at=m.now,
            sentence=words,
            evidence=beat.tail,
            priority=Priority.P3,
            why="",
            service=known.service,
            source=CHECK,
            labels=labels_of(known),
        ),
    )


def labels_of(known: Heartbeat) -> Mapping[str, str]:
    """What silences and rules may match on."""
    service = {"service": known.service} if known.service else {}
    return {**known.labels, "heartbeat": known.id, **service}


def _is_well(m: Moment, known: Heartbeat, beat: Beat) -> None:
    alert = m.draft.alert(key_of(known.id))
    if alert is not None:
        took = f" after {say_roughly(timedelta(seconds=beat.took_s))}" if beat.took_s else ""
        alerts.clear(m, alert, f"{known.id} succeeded{took}")
        _keep(m, known, m.draft.beat(known.id) or beat)


# ---------------------------------------------------------------------------------------------------------------------
# The plan


def follow_plan(m: Moment) -> None:
    """After a start or a reload: those that are new are waited for, those that are gone are over, and another schedule
    counts from the last success."""
    for known in m.plan.heartbeats.values():
        beat = m.draft.beat(known.id) or _new(m, known)
        since = beat.success_at or beat.since
        _keep(m, known, replace(beat, due_at=due_after(known, since)))
    for beat in list(m.draft.beats()):
        if beat.id not in m.plan.heartbeats:
            m.draft.changes.beats[beat.id] = None
            if (alert := m.draft.alert(key_of(beat.id))) is not None:
                alerts.clear(m, alert, "no longer expected", kind="check_removed")


def _new(m: Moment, known: Heartbeat) -> Beat:
    return Beat(id=known.id, since=m.now, due_at=due_after(known, m.now))


# ---------------------------------------------------------------------------------------------------------------------
# How they stand


@dataclass(frozen=True, slots=True)
class BeatRow:
    """One heartbeat for people. `state`: waiting (never seen) | ok | running | overrun | late | failed."""

    id: str
    state: str
    timezone: str
    pinged_at: datetime | None
    success_at: datetime | None
    exit_code: int | None
    took_s: float | None
    expected_at: datetime
    late_at: datetime


def rows(plan: Plan, state: State, now: datetime) -> list[BeatRow]:
    """Every heartbeat of the plan, in the order of the file, as it stands at `now`."""
    found = []
    for known in plan.heartbeats.values():
        beat = state.beats.get(known.id) or Beat(id=known.id, since=now, due_at=due_after(known, now))
        found.append(
            BeatRow(
                known.id,
                _standing(known, beat, now),
                known.timezone,
                beat.pinged_at,
                beat.success_at,
                beat.exit_code,
                beat.took_s,
                beat.due_at - known.grace,
                beat.due_at,
            )
        )
    return found


def _standing(known: Heartbeat, beat: Beat, now: datetime) -> str:
    if (overruns := overruns_at(known, beat)) is not None and overruns <= now:
        return "overrun"
    if beat.due_at <= now:
        return "late"
    if beat.failed_at is not None and (beat.success_at is None or beat.success_at < beat.failed_at):
        return "failed"
    if beat.runs:
        return "running"
    return "ok" if beat.success_at is not None else "waiting"
