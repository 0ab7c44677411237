"""Verdicts to fired, changed and cleared: confirm, recover, hysteresis, episodes, the announcing invariant.

`observe` moves what a check remembers (its watches); `reconcile` compares what is confirmed with what was announced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from opswatch.core import escalation, grouping, held, incidents, limits, quiet, storms
from opswatch.core.classify import Case, classify, next_change
from opswatch.core.effects import Recheck
from opswatch.core.matching import labels_of_alert
from opswatch.core.model import Health, Sample, Status, UnknownReason, Verdict
from opswatch.core.moment import Moment
from opswatch.core.norms import Norm
from opswatch.core.plan import Check
from opswatch.core.state import Alert, Watch, alert_key

COUNT_MAX = 1_000_000
CLOCKS_APART_MAX = timedelta(seconds=5)
"""How far another node's clock may be ahead. A last result from further ahead means that our clock was set back: were
newer ones refused until it has caught up, every check would be blind so long."""
GONE = "no longer reported"
Norms = Mapping[tuple[str, str], Norm]  # (item, sample)
NO_NORMS: Norms = {}


# ---------------------------------------------------------------------------------------------------------------------
# One look


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look says of one item, judged by the check's limits."""

    health: Health
    sentence: str
    reason: UnknownReason | None = None
    levels: Mapping[str, Health] = field(default_factory=dict)
    broken: tuple[str, ...] = ()  # limits that are broken, in words: "used_pct 93.1 %: crit at > 90"
    notes: tuple[str, ...] = ()  # baselines that judge nothing yet: "orders: learning, 9 of 28 days"


GONE_SEEN = Seen(Health.OK, GONE)


def observe(m: Moment, check: Check, target: str, verdict: Verdict, norms: Norms = NO_NORMS) -> None:
    """Take one verdict in. A result that is not newer than the last one changes nothing (SPEC 2.1)."""
    whole = m.draft.watch(alert_key(check.id, target)) or Watch(check.id, target)
    if whole.seen_at is not None and verdict.at <= whole.seen_at <= m.now + CLOCKS_APART_MAX:
        return
    keys = sorted(m.draft.item_keys(check.id, target))  # In one order, so that the same looks decide the same.
    before = {watch.item: watch for key in keys if (watch := m.draft.watch(key))}
    before[""] = whole
    confirming = False
    for item, seen in judge(check, verdict, before, norms).items():
        watch = before.get(item) or Watch(check.id, target, item)
        after = count(check, watch, seen, verdict)
        _keep_watch(m, after, memory=verdict.memory if verdict.memory is not None else whole.memory)
        confirming = confirming or (after.confirmed is Health.OK) is (after.health is not Health.OK)
        reconcile(m, after)
    if confirming and check.retry is not None:
        m.effects.append(Recheck(check.id, target, verdict.at + check.retry))


def judge(check: Check, verdict: Verdict, before: Mapping[str, Watch], norms: Norms = NO_NORMS) -> dict[str, Seen]:
    """Each item's health by the check's limits and the probe's own failures. An item that a complete verdict no
    longer mentions is good; a verdict that cannot tell says nothing about the items. `norms` is how each (item, sample)
    usually is at this hour, for limits with a baseline."""
    if verdict.unknown is not None:
        return {"": Seen(Health.UNKNOWN, verdict.sentence, verdict.unknown)}
    named = [sample.item for sample in verdict.samples] + [failure.item for failure in verdict.failures]
    if any(failure.item == "" for failure in verdict.failures) and not any(named):
        # The whole is down and none of its parts was seen: they are as they were, neither good nor bad.
        return {"": _judge_item(check, verdict, "", before.get(""), norms)}
    return {
        item: _judge_item(check, verdict, item, before.get(item), norms) if item == "" or item in named else GONE_SEEN
        for item in dict.fromkeys(["", *before, *named])
    }


def _judge_item(check: Check, verdict: Verdict, item: str, watch: Watch | None, norms: Norms) -> Seen:
    levels: dict[str, Health] = {}
    words: list[tuple[Health, str]] = []
    broken: list[str] = []
    notes: list[str] = []
    for sample in verdict.samples:
        limit = check.limits.get(sample.name)
        if sample.item == item and limit is not None:
            before = watch.levels.get(sample.name, Health.OK) if watch else Health.OK
            norm = norms.get((item, sample.name))
            level = limits.judge(limit, sample.value, before, norm)
            levels[sample.name] = level
            words.append((level, ""))
            # For the page: a number without its limit says nothing at 3 a.m.
            broken += [f"{_say(sample)}: {which}" for which in limits.broken(limit, sample.value, before, norm)]
            if learning := limits.learning(limit, norm):
                notes.append(f"{sample.name}: {learning}")
    words += [(failure.health, failure.sentence) for failure in verdict.failures if failure.item == item]
    health, said = max(words, key=lambda word: word[0].rank, default=(Health.OK, ""))
    sentence = said or verdict.sentences.get(item) or verdict.sentence
    reason = UnknownReason.ERROR if health is Health.UNKNOWN else None
    return Seen(health, sentence, reason, levels, tuple(broken), tuple(notes))


def _say(sample: Sample) -> str:
    return f"{sample.name} {sample.value:.6g} {sample.unit}".rstrip()


def count(check: Check, watch: Watch, seen: Seen, verdict: Verdict) -> Watch:
    """Confirm and recover: warn and crit count together and the latest wins; unknown counts apart and never means
    recovered; a good result ends a run of bad ones, an unknown one does not."""
    bad, good, unknown, confirmed = watch.bad, watch.good, watch.unknown, watch.confirmed
    if seen.health.is_bad:
        bad, good, unknown = min(bad + 1, COUNT_MAX), 0, 0
        confirmed = seen.health if bad >= check.confirm else confirmed
    elif seen.health is Health.UNKNOWN:
        good, unknown = 0, min(unknown + 1, COUNT_MAX)
        confirmed = Health.UNKNOWN if unknown >= check.confirm else confirmed
    else:
        bad, good, unknown = 0, min(good + 1, COUNT_MAX), 0
        confirmed = Health.OK if confirmed is not Health.OK and good >= check.recover else confirmed
    # Not `replace`, which takes three times as long: this is what most looks cost. A test names the fields.
    return Watch(
        check=watch.check,
        target=watch.target,
        item=watch.item,
        episode=watch.episode,
        memory=watch.memory,
        seen_at=verdict.at,
        health=seen.health,
        reason=seen.reason,
        confirmed=confirmed,
        bad=bad,
        good=good,
        unknown=unknown,
        levels=seen.levels if seen.reason is None else watch.levels,
        sentence=seen.sentence,
        evidence=(*seen.broken, *verdict.evidence) if seen.health is not Health.OK else (),
        notes=seen.notes if seen.reason is None else watch.notes,
    )


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
    """Compare what is confirmed with what was announced; tell the difference unless something quiets it."""
    alert = m.draft.alert(watch.key)
    if watch.confirmed is Health.OK:
        if alert is not None:
            clear(m, alert, watch.sentence)
        return
    if alert is None:
        alert = _fired(m, watch)
    elif alert.health is not watch.confirmed or (
        watch.confirmed is Health.UNKNOWN and alert.reason is not watch.reason
    ):
        alert = _changed(m, alert, watch)
    else:
        return
    announce(m, alert)


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
        priority=m.plan.checks[watch.check].on_unknown,
        why="",
    )
    m.draft.put_alert(alert.key, alert)
    alert = classified(m, alert)
    m.record(
        "alert_fired",
        alert=alert.key,
        episode=alert.episode,
        state=str(alert.health),
        reason=alert.reason,
        priority=str(alert.priority),
        why=alert.why,
        text=alert.sentence,
    )
    return alert


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
    )
    m.draft.put_alert(alert.key, alert)
    alert = classified(m, alert)
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
    target = m.plan.targets.get(alert.target)
    service = target.service if target else None
    return Case(
        health=alert.health,
        check=alert.check,
        target=alert.target,
        service=service,
        labels=labels_of_alert(m.plan, alert),
        failing=m.draft.failing(service) if service else 0,
        targets=len(m.targets_of(service)),
        lasting=m.now - alert.fired_at,
    )


def announce(m: Moment, alert: Alert) -> None:
    """Tell people, unless something quiets it; what quiets it only delays it."""
    labels = labels_of_alert(m.plan, alert)
    reason = quiet.why_quiet(m.plan, m.draft, labels, m.now, m.regex)
    if reason is not None:
        wake_at = min(at for at in (reason.until, alert.wake_at) if at is not None)
        if alert.quiet is not reason.reason:
            held.note(m, reason, alert)
            m.record(
                "held",
                incident=alert.incident,
                alert=alert.key,
                reason=reason.reason,
                why=reason.why,
                until=reason.until,
            )
        m.draft.put_alert(alert.key, replace(alert, quiet=reason.reason, wake_at=wake_at))
        return
    alert = replace(alert, quiet=None, announced=alert.health)
    incident = m.draft.incident(alert.incident) if alert.incident is not None else None
    is_open = incident is not None and incident.status is not Status.RESOLVED
    if incident is not None and (is_open or alert.priority >= incident.priority):
        # Resolved by hand and no worse since: `reopen_after` decides.
        m.draft.put_alert(alert.key, alert)
        m.record("alert_announced", incident=incident.number, alert=alert.key, state=str(alert.health))
        if is_open:
            _worsened(m, alert)
        return
    _open_or_join(m, alert, labels)


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
    raised = classified(m, alert)
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


def look_again(m: Moment, which: Iterable[Alert]) -> None:
    """What was quiet may no longer be: after a silence was ended or changed, a pause lifted, a plan reloaded."""
    for alert in list(which):
        if _is_to_be_told(alert):
            due(m, alert)


def _is_to_be_told(alert: Alert) -> bool:
    """Also what is as announced, when a quiet held it back: it may have become worse, and better again, meanwhile, and
    the priority that rose is still to be told."""
    return alert.announced is not alert.health or alert.quiet is not None
