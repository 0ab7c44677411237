"""What one look says of each item, by the check's limits; and what is confirmed by it: confirm, recover, hysteresis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opswatch.core import flapping, limits, quiet
from opswatch.core.model import Health, Sample, UnknownReason, Verdict
from opswatch.core.norms import Norm
from opswatch.core.plan import Check
from opswatch.core.state import Watch

COUNT_MAX = 1_000_000
GONE = "no longer reported"
Norms = Mapping[tuple[str, str], Norm]  # (item, sample)
NO_NORMS: Norms = {}


DEADLINES = ("_left", "time_to_")
UNITS_S = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "days": 86400.0, "hours": 3600.0}
FAR_S = 100 * 365 * 86400.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look says of one item, judged by the check's limits."""

    health: Health
    sentence: str
    reason: UnknownReason | None = None
    levels: Mapping[str, Health] = field(default_factory=dict)
    broken: tuple[str, ...] = ()  # limits that are broken, in words: "used_pct 93.1 %: crit at > 90"
    notes: tuple[str, ...] = ()  # baselines that judge nothing yet: "orders: learning, 9 of 28 days"
    due_at: datetime | None = None  # when what it warns of comes true


GONE_SEEN = Seen(Health.OK, GONE)


def judge(check: Check, verdict: Verdict, before: Mapping[str, Watch], norms: Norms = NO_NORMS) -> dict[str, Seen]:
    """Each item's health by the check's limits and the probe's own failures. An item that a complete verdict no
    longer mentions is good; a verdict that cannot tell says nothing about the items. `norms` is how each (item, sample)
    usually is at this hour, for limits with a baseline."""
    if verdict.unknown is not None:
        return {"": Seen(Health.UNKNOWN, verdict.sentence, verdict.unknown)}
    named = [sample.item for sample in verdict.samples] + [failure.item for failure in verdict.failures]
    if not any(named) and (not any(before) or any(failure.item == "" for failure in verdict.failures)):
        # It has no parts; or the whole is down and none of them was seen: they are as they were, neither good nor bad.
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
    due_at = None if health is Health.OK else _due_at(verdict, item)
    return Seen(health, sentence, reason, levels, tuple(broken), tuple(notes), due_at)


def _due_at(verdict: Verdict, item: str) -> datetime | None:
    """The first deadline that its samples name: what is left (`days_left`), or how long until (`time_to_full`), in a
    unit of time. None where no sample does."""
    spans = [
        sample.value * UNITS_S[sample.unit]
        for sample in verdict.samples
        if sample.item == item and sample.unit in UNITS_S and any(mark in sample.name for mark in DEADLINES)
    ]
    near = [span for span in spans if abs(span) < FAR_S]
    return verdict.at + timedelta(seconds=min(near)) if near else None


def _say(sample: Sample) -> str:
    return f"{sample.name} {sample.value:.6g} {sample.unit}".rstrip()


def count(
    check: Check, watch: Watch, seen: Seen, verdict: Verdict, cut_off: tuple[UnknownReason, str] | None = None
) -> Watch:
    """Confirm and recover: warn and crit count together and the latest wins; unknown counts apart and never means
    recovered; a good result ends a run of bad ones, an unknown one does not. What fails while the target is cut off
    counts as ever, and is `unknown` for that reason once it is confirmed."""
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
    reason, sentence = seen.reason, seen.sentence
    if confirmed is Health.UNKNOWN and reason is None:
        reason = watch.reason  # It was not a good result (or the first of several) that made it known again.
    if cut_off is not None and confirmed is not Health.OK:
        confirmed, reason, sentence = Health.UNKNOWN, cut_off[0], f"{cut_off[1]}: {seen.sentence}"
    ring, flaps = watch.changes, watch.flapping
    if not check.may_flap:
        ring, flaps = 0, False
    elif ring or confirmed is not watch.confirmed:  # Most looks change nothing, and nothing did lately.
        ring, flaps = _remembered(
            watch, verdict, confirmed, is_confirming=confirmed is Health.OK and bad > 0, reason=reason
        )
    is_as_before = (seen.health is Health.OK) is (watch.health is Health.OK) and watch.since is not None
    # Not `replace`, which takes three times as long: this is what most looks cost. A test names the fields.
    return Watch(
        check=watch.check,
        target=watch.target,
        item=watch.item,
        episode=watch.episode,
        memory=watch.memory,
        seen_at=verdict.at,
        health=seen.health,
        reason=reason,
        confirmed=confirmed,
        bad=bad,
        good=good,
        unknown=unknown,
        levels=seen.levels if seen.reason is None else watch.levels,
        sentence=sentence,
        evidence=(*seen.broken, *verdict.evidence) if seen.health is not Health.OK else (),
        notes=seen.notes if seen.reason is None else watch.notes,
        due_at=seen.due_at,
        since=watch.since if is_as_before else verdict.at,
        changes=ring,
        flapping=flaps,
    )


def _remembered(
    watch: Watch, verdict: Verdict, confirmed: Health, *, is_confirming: bool, reason: UnknownReason | None
) -> tuple[int, bool]:
    """The ring of changes after this look, and whether it flaps. While confirming, and while something else explains
    it, there is no result of its own to remember."""
    ring, flaps = watch.changes, watch.flapping
    if watch.seen_at is not None and verdict.at - watch.seen_at > flapping.APART_MAX:
        ring, flaps = 0, False
    if is_confirming or reason in quiet.EXPLAINED or watch.reason in quiet.EXPLAINED:
        return ring, flaps
    ring = flapping.shifted(ring, confirmed is not watch.confirmed)
    return ring, flapping.flaps(ring, flaps)
