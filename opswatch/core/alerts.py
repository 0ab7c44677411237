"""Verdicts to fired, changed and cleared: episodes, the announcing invariant.

`observe` moves what a check remembers (its watches); `reconcile` compares what is confirmed with what was announced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

from opswatch.core import asking, escalation, flapping, grouping, held, incidents, quiet, storms, vantage
from opswatch.core.classify import Case, classify, next_change
from opswatch.core.effects import Recheck
from opswatch.core.judging import GONE, NO_NORMS, Norms, count, judge
from opswatch.core.matching import labels_of_alert
from opswatch.core.model import Health, Priority, QuietReason, Status, UnknownReason, Verdict
from opswatch.core.moment import Moment
from opswatch.core.plan import Check
from opswatch.core.quiet import Quiet
from opswatch.core.state import Alert, Watch, alert_key

CLOCKS_APART_MAX = timedelta(seconds=5)
"""How far another node's clock may be ahead. A last result from further ahead means that our clock was set back: were
newer ones refused until it has caught up, every check would be blind so long."""


# ---------------------------------------------------------------------------------------------------------------------
# One look


def observe(m: Moment, check: Check, target: str, verdict: Verdict, norms: Norms = NO_NORMS) -> None:
    """Take one verdict in. A result that is not newer than the last one changes nothing (SPEC 2.1)."""
    key = alert_key(check.id, target)
    whole = m.draft.watch(key) or Watch(check.id, target)
    if whole.seen_at is not None and verdict.at <= whole.seen_at <= m.now + CLOCKS_APART_MAX:
        return
    before = {"": whole}
    if items := m.draft.item_keys(check.id, target) - {key}:  # In one order, so that the same looks decide the same.
        before |= {watch.item: watch for item in sorted(items) if (watch := m.draft.watch(item))}
    confirming = False
    for item, seen in judge(check, verdict, before, norms).items():
        watch = before.get(item) or Watch(check.id, target, item)
        is_well = seen.health is Health.OK
        cut_off = None if is_well else quiet.cut_off(m.plan, m.draft, target, m.now)
        after = count(check, watch, seen, verdict, cut_off)
        _keep_watch(m, after, memory=verdict.memory if verdict.memory is not None else whole.memory)
        confirming = confirming or (after.confirmed is Health.OK) is not is_well or after.reason in quiet.EXPLAINED
        if not is_well and watch.health is Health.OK:
            vantage.consider(m, target)
        if after.flapping is not watch.flapping:
            _flapping_changed(m, after)
        reconcile(m, after)
    if confirming and check.retry is not None:
        m.effects.append(Recheck(check.id, target, verdict.at + check.retry))


def become_unknown(m: Moment, watch: Watch, reason: UnknownReason, why: str) -> None:
    """What is confirmed of it says nothing of itself: it cannot be told, for this reason."""
    watch = replace(watch, confirmed=Health.UNKNOWN, reason=reason, sentence=f"{why}: {watch.sentence}")
    m.draft.changes.watches[watch.key] = watch
    reconcile(m, watch)


def _keep_watch(m: Moment, watch: Watch, memory: bytes | None) -> None:
    if watch.item == "":
        watch = watch if watch.memory == memory else replace(watch, memory=memory)
    elif watch.sentence == GONE and watch.confirmed is Health.OK and watch.episode == 0:
        m.draft.changes.watches[watch.key] = None  # Never failed and gone: nothing to remember.
        return
    m.draft.changes.watches[watch.key] = watch


# ---------------------------------------------------------------------------------------------------------------------
# The announcing invariant


def reconcile(m: Moment, watch: Watch) -> None:
    """Compare what is confirmed with what was announced; tell the difference unless something quiets it. What flaps
    keeps its alert, and its incident, while it happens to be well."""
    alert = m.draft.alert(watch.key)
    if watch.confirmed is Health.OK and (alert is None or not watch.flapping):
        if alert is not None:
            clear(m, alert, watch.sentence)
        return
    if alert is None:
        alert = _fired(m, watch)
    elif alert.health is not watch.confirmed or (
        watch.confirmed is Health.UNKNOWN and alert.reason is not watch.reason
    ):
        alert = _changed(m, alert, watch)
    elif alert.quiet in WAITS_FOR_A_LOOK or (alert.quiet is QuietReason.FLAPPING and not watch.flapping):
        due(m, replace(alert, sentence=watch.sentence, evidence=watch.evidence))
        return
    else:
        return
    announce(m, alert)


WAITS_FOR_A_LOOK = frozenset({QuietReason.VANTAGE, QuietReason.UNREACHABLE, QuietReason.UPSTREAM})


def fired(m: Moment, alert: Alert) -> None:
    """Somebody else saw it fail: it is confirmed already, and is told like our own."""
    announce(m, _put_fired(m, alert))


def changed(m: Moment, alert: Alert, *, before: Health) -> None:
    """Likewise: it is another way than it was."""
    announce(m, _put_changed(m, alert, before))


def _fired(m: Moment, watch: Watch) -> Alert:
    watch = replace(watch, episode=watch.episode + 1)
    m.draft.changes.watches[watch.key] = watch
    alert = Alert(
        check=watch.check,
        target=watch.target,
        item=watch.item,
        service=m.plan.targets[watch.target].service,
        episode=watch.episode,
        health=watch.confirmed,
        reason=watch.reason if watch.confirmed is Health.UNKNOWN else None,
        fired_at=m.now,
        changed_at=m.now,
        sentence=watch.sentence,
        evidence=watch.evidence,
        due_at=watch.due_at,
        priority=m.plan.checks[watch.check].on_unknown,
        why="",
    )
    return _put_fired(m, alert)


def _put_fired(m: Moment, alert: Alert) -> Alert:
    m.draft.put_alert(alert.key, alert)
    alert = classified(m, alert)
    m.note("alert_fired", None, fired_facts(alert))
    return alert


def fired_facts(alert: Alert) -> dict[str, object]:
    """What the timeline says of an alert that is new."""
    facts: dict[str, object] = {
        "alert": alert.key,
        "episode": alert.episode,
        "state": alert.health.value,
        "priority": alert.priority.name,
        "why": alert.why,
        "text": alert.sentence,
    }
    if alert.reason is not None:
        facts["reason"] = alert.reason.value
    return facts


def _changed(m: Moment, alert: Alert, watch: Watch) -> Alert:
    m.draft.changes.watches.setdefault(watch.key, watch)
    before = alert.health
    alert = replace(
        alert,
        health=watch.confirmed,
        reason=watch.reason if watch.confirmed is Health.UNKNOWN else None,
        changed_at=m.now,
        sentence=watch.sentence,
        evidence=watch.evidence,
        due_at=watch.due_at,
        # The looks that were asked for when it could be seen again are those that said this.
        asked_at=alert.asked_at if alert.reason in quiet.EXPLAINED and watch.reason not in quiet.EXPLAINED else None,
    )
    return _put_changed(m, alert, before)


def _put_changed(m: Moment, alert: Alert, before: Health) -> Alert:
    m.draft.put_alert(alert.key, alert)
    alert = classified(m, alert) if alert.health is not Health.OK else alert
    m.record(
        "alert_changed",
        incident=alert.incident,
        alert=alert.key,
        before=str(before),
        state=str(alert.health),
        reason=alert.reason,
        priority=str(alert.priority),
        why=alert.why,
        text=alert.sentence,
    )
    return alert


def classified(m: Moment, alert: Alert) -> Alert:
    """The alert with its priority as it is now. While it lives it only rises; a fall keeps the old one and its
    reason."""
    case = case_of(m, alert)
    found = classify(m.plan, case, m.now)
    change_at = next_change(m.plan, case, alert.fired_at, m.now)
    if found.priority < alert.priority or not alert.why:
        alert = replace(alert, priority=found.priority, why=found.why)
    return replace(alert, wake_at=change_at)


def case_of(m: Moment, alert: Alert) -> Case:
    """Everything the rules may ask about this alert."""
    target = m.plan.targets.get(alert.fails_on or "")
    service = alert.service if alert.is_external else target.service if target else None
    return Case(
        health=alert.health,
        check=alert.check,
        target=alert.place,
        service=service,
        source=alert.source,
        labels=labels_of_alert(m.plan, alert),
        failing=m.draft.failing(service) if service else 0,
        targets=len(m.targets_of(service)),
        lasting=m.now - alert.fired_at,
        external=alert.labels.get("severity"),
        due_at=alert.due_at,
    )


def announce(m: Moment, alert: Alert) -> None:
    """Tell people, unless something quiets it; what quiets it only delays it."""
    alert = asking.before_telling(m, alert)
    reason = quiet.why_untold(m.plan, m.draft, alert, m.now, m.regex)
    if reason is not None:
        _hold(m, alert, reason)
        return
    was_flapping, waited = alert.quiet is QuietReason.FLAPPING and alert.flaps > 0, alert.quiet in WAITS_FOR_A_LOOK
    alert = replace(alert, quiet=None, announced=alert.health, asked_at=None, flaps=0, flapping_at=None)
    _tell(m, alert)
    if was_flapping:
        _tell_flapping(m, alert, "flapping_ended")
    if waited:
        _look_at_ladder(m, alert)


def _hold(m: Moment, alert: Alert, reason: Quiet) -> None:
    if reason.reason is QuietReason.FLAPPING and (alert.flapping_at is None or alert.flapping_at <= m.now):
        alert = _say_that_it_flaps(m, alert)
        reason = quiet.why_untold(m.plan, m.draft, alert, m.now, m.regex) or reason
    is_new = alert.quiet is not reason.reason
    if is_new:
        # What was asked before it had a cause is no answer once that is over.
        alert = replace(alert, asked_at=None) if reason.reason is QuietReason.UPSTREAM else alert
        held.note(m, reason, alert)
        m.record(
            "held", incident=alert.incident, alert=alert.key, reason=reason.reason, why=reason.why, until=reason.until
        )
    wake_at = min(at for at in (reason.until, alert.wake_at) if at is not None)
    m.draft.put_alert(alert.key, replace(alert, quiet=reason.reason, wake_at=wake_at))
    if is_new and reason.reason in WAITS_FOR_A_LOOK:
        _look_at_ladder(m, alert)


def _look_at_ladder(m: Moment, alert: Alert) -> None:
    """What explains a failure holds the ladder of its incident, and lets it go on when it is over."""
    incident = m.draft.incident(alert.incident or 0)
    if incident is not None and incident.storm is not None:
        incident = m.draft.incident(incident.storm)
    if incident is not None and incident.status is Status.TRIGGERED:
        escalation.keep(m, incidents.look_at_hold(m, incident))


def _tell(m: Moment, alert: Alert) -> None:
    incident = m.draft.incident(alert.incident) if alert.incident is not None else None
    is_open = incident is not None and incident.status is not Status.RESOLVED
    if incident is not None and (is_open or alert.priority >= incident.priority):
        # Resolved by hand and no worse since: `reopen_after` decides.
        m.draft.put_alert(alert.key, alert)
        m.record("alert_announced", incident=incident.number, alert=alert.key, state=str(alert.health))
        if is_open:
            _worsened(m, alert)
        return
    _open_or_join(m, alert, labels_of_alert(m.plan, alert))


# ---------------------------------------------------------------------------------------------------------------------
# Flapping: one message, then again after longer and longer; the final state is told when it ends


def _flapping_changed(m: Moment, watch: Watch) -> None:
    alert = m.draft.alert(watch.key)
    m.record(
        "flapping_started" if watch.flapping else "flapping_ended",
        incident=alert.incident if alert else None,
        alert=watch.key,
        state=str(watch.confirmed),
        count=flapping.changes(watch.changes) if watch.flapping else None,
    )


def _say_that_it_flaps(m: Moment, alert: Alert) -> Alert:
    """To everybody who was paged for it; where nobody was yet, by an incident of its own. While it happens to be well,
    and nobody heard of it, there is nothing to say."""
    incident = m.draft.incident(alert.incident or 0)
    watch = m.draft.watch(alert.key)
    if watch is None or (incident is None and alert.health is Health.OK):
        return alert
    flaps = alert.flaps + 1
    again_at = flapping.told_again_at(m.now, flaps)
    alert = replace(alert, flaps=flaps, flapping_at=again_at, flapped=flapping.changes(watch.changes))
    m.record("flapping_told", incident=alert.incident, alert=alert.key, count=alert.flapped, until=again_at)
    if incident is None:
        _tell(m, replace(alert, announced=alert.health))
        return m.draft.alert(alert.key) or alert
    m.draft.put_alert(alert.key, alert)
    _tell_flapping(m, alert, "flapping")
    return alert


def _tell_flapping(m: Moment, alert: Alert, event: str) -> None:
    incident = m.draft.incident(alert.incident or 0)
    if incident is not None and incident.status is not Status.RESOLVED:
        incidents.tell(m, incident, event)


def _worsened(m: Moment, alert: Alert) -> None:
    incident = m.draft.incident(alert.incident or 0)
    if incident is not None and alert.priority < incident.priority:
        escalation.keep(m, incidents.raise_priority(m, incident, alert.priority, alert.why))
        storms.look(m, incident.storm, incident.number)


def _open_or_join(m: Moment, alert: Alert, labels: Mapping[str, str]) -> None:
    group = grouping.group_key(m.plan, labels)
    incident = grouping.joinable(m.plan, m.draft, group, m.now)
    number = incident.number if incident else m.draft.standing.incident_last + 1
    if alert.incident is not None and (old := m.draft.incident(alert.incident)) is not None:
        m.record("alert_left", incident=old.number, alert=alert.key)
        incidents.leave(m, old, alert.key)
        storms.look(m, old.storm, old.number)
    alert = replace(alert, incident=number)
    m.draft.put_alert(alert.key, alert)
    if incident is not None:
        incidents.join(m, incident, alert)
        storms.look(m, incident.storm, incident.number)
        return
    name = alert.target if alert.target not in alert.sentence else ""
    title = f"{alert.sentence} on {name}" if name else alert.sentence
    storms.open_for(m, alert, group, labels.get("service"), title)


def clear(m: Moment, alert: Alert, sentence: str, kind: str = "alert_cleared") -> None:
    """It recovered. A problem that ended inside a quiet closes its incident and its card and pages nobody."""
    ended_unannounced = alert.announced is None
    m.ended.append(alert)
    m.draft.put_alert(alert.key, None)
    m.record(
        "announced_ended" if ended_unannounced and kind == "alert_cleared" else kind,
        incident=alert.incident,
        alert=alert.key,
        episode=alert.episode,
        text=sentence,
        lasted_s=int((m.now - alert.fired_at).total_seconds()),
    )
    incident = m.draft.incident(alert.incident) if alert.incident is not None else None
    if incident is not None:
        incidents.leave(m, incident, alert.key)
        storms.look(m, incident.storm, incident.number)


# ---------------------------------------------------------------------------------------------------------------------
# Wake-ups


def due(m: Moment, alert: Alert) -> None:
    """A quiet may have ended, or a `lasting` rule may hold by now."""
    watch = m.draft.watch(alert.key)
    if alert.health is Health.OK and (watch is None or not watch.flapping):
        clear(m, alert, watch.sentence if watch else alert.sentence)
        return
    _rises(m, alert, classified(m, alert))


def classify_again(m: Moment, alert: Alert) -> None:
    """More of its service fails, say: it may be more urgent than it was."""
    raised = classified(m, alert)
    if raised.priority < alert.priority:
        _rises(m, alert, raised)


def rise(m: Moment, alert: Alert, priority: Priority, why: str) -> None:
    """It is more urgent than its own case says: others hang on it."""
    if priority < alert.priority:
        _rises(m, alert, replace(alert, priority=priority, why=f"{priority} because: {why}"))


def _rises(m: Moment, alert: Alert, raised: Alert) -> None:
    m.draft.put_alert(alert.key, raised)
    if _is_to_be_told(raised):
        announce(m, raised)
    elif raised.priority < alert.priority:
        m.record(
            "alert_changed",
            incident=alert.incident,
            alert=alert.key,
            before=str(alert.health),
            state=str(alert.health),
            priority=str(raised.priority),
            why=raised.why,
            text=alert.sentence,
        )
        _worsened(m, raised)


def wake(m: Moment, alert: Alert) -> None:
    """What held it back may be over, before its time."""
    now = m.draft.alert(alert.key)
    if now is not None and _is_to_be_told(now):
        due(m, now)


def look_again(m: Moment, which: Iterable[Alert]) -> None:
    """What was quiet may no longer be: after a silence was ended or changed, a pause lifted, a plan reloaded."""
    for alert in list(which):
        if _is_to_be_told(alert):
            due(m, alert)


def _is_to_be_told(alert: Alert) -> bool:
    """Also what is as announced, when a quiet held it back: it may have become worse, and better again, meanwhile, and
    the priority that rose is still to be told."""
    return alert.announced is not alert.health or alert.quiet is not None
