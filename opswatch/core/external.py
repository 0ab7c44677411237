"""Alerts of others: what a source posts becomes an alert like our own (SPEC 2).

A posted alert is confirmed already. It clears when its source says that it has resolved. When it is not posted again in
time, nobody can tell how it is: `unknown (no_data)`, never recovered. Silence closes it only while its source goes on
posting; a source that says nothing at all closes nothing, and is an alert of its own.

What is posted again every minute touches no alert: only its posting, which is kept beside the head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b

from opswatch.core import alerts
from opswatch.core.classify import SILENT_SOURCE, external_health
from opswatch.core.crowd import Crowd
from opswatch.core.effects import Taken
from opswatch.core.events import Posted, PostedAlert
from opswatch.core.judging import GONE
from opswatch.core.model import Health, Priority, UnknownReason
from opswatch.core.moment import Moment
from opswatch.core.places import thing_of
from opswatch.core.sayings import not_posted_since, sentence_of, source_is_silent, source_posts_again
from opswatch.core.state import Alert, Posting, alert_key

SKEW_MAX = timedelta(seconds=30)
"""A source whose clock is further from ours is told of."""
EXPIRY_GRACE = timedelta(seconds=10)
"""Added to every expiry: another node may know of a later post that is not saved yet (postings are, within 5 s)."""
ADOPTED_AFTER = timedelta(minutes=1)
"""Another node's postings are saved within seconds: older alerts without one have lost theirs."""
LAGGING = timedelta(minutes=2)
"""The second Prometheus of a pair may say for this long that what the first one saw resolve still fires."""
IN_STEP = timedelta(seconds=5)
SPAN_MIN = timedelta(minutes=1)
SPAN_MAX = timedelta(days=366)
ENDED_KEPT = timedelta(hours=24)
NAME_MAX = 120


# ---------------------------------------------------------------------------------------------------------------------
# Who is who


def fingerprint(labels: Mapping[str, str]) -> str:
    """Prometheus' name for a label set: FNV-1a, 64 bits, over the names in order, as 16 hexadecimal digits."""
    text = b"".join(
        name.encode("utf-8", "surrogatepass") + b"\xff" + labels[name].encode("utf-8", "surrogatepass") + b"\xff"
        for name in sorted(labels)
    )
    found = 0xCBF29CE484222325
    for byte in text:
        found = ((found ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{found:016x}"


def key_of(labels: Mapping[str, str], family: str) -> str:
    """The key of the alert with these labels: alertname, what fails, and a digest of all of them. Both halves of a pair
    post the same labels, which is the same alert; two families (Prometheus, a hook) never mean the same one."""
    return alert_key(*_names(labels, family))


def names_of(one: PostedAlert, family: str) -> tuple[str, str, str]:
    """Check, target and item of this alert. One with a key of its own is called like its family: nothing that may
    change is part of it."""
    if not one.key:
        return _names(one.labels, family)
    digest = blake2b(f"{family}\xff{one.key}".encode("utf-8", "replace"), digest_size=8)
    return family.rpartition(":")[2][:NAME_MAX], "", digest.hexdigest()


def _names(labels: Mapping[str, str], family: str) -> tuple[str, str, str]:
    # Not `fingerprint`: its loop over bytes takes ten times as long, and this is done for each alert every minute.
    digest = blake2b(digest_size=8)
    digest.update(
        "\xff".join([family, *[f"{name}\xfe{labels[name]}" for name in sorted(labels)]]).encode("utf-8", "replace")
    )
    return labels.get("alertname", "")[:NAME_MAX] or family, thing_of(labels)[:NAME_MAX], digest.hexdigest()


def source_key(source: str) -> str:
    """The key of a source's own posting, and of the alert that says that it is silent."""
    return alert_key(SILENT_SOURCE, source)


# ---------------------------------------------------------------------------------------------------------------------
# What is posted


def posted(m: Moment, event: Posted) -> None:
    """Take one batch in. What is not newer than what its source said last changes nothing (SPEC 2.1)."""
    if event.batch:
        m.effects.append(Taken(event.batch))
    _heard(m, event)
    known: dict[str, datetime | None] = {}
    crowd = Crowd(m)
    for one in event.alerts:
        if one.labels:
            _take(m, event, one, known, crowd)
    crowd.join()


def _take(m: Moment, event: Posted, one: PostedAlert, known: dict[str, datetime | None], crowd: Crowd) -> None:
    names = names_of(one, event.family)
    key = alert_key(*names)
    before = m.draft.posting(key)
    last = known.setdefault(key, before.posted_at if before is not None else None)
    if last is not None and event.at <= last <= m.now + alerts.CLOCKS_APART_MAX:
        return
    alert = m.draft.alert(key)
    if one.resolved and one.unknown is not None:
        if alert is not None:
            _fires(m, event, names, one, before, alert, crowd)
    elif is_resolved(one, before, event.at):
        crowd.join()
        _ended(m, event, key, one, before, alert)
    elif alert is None and before is not None and _is_late(one, before, event.at):
        return
    else:
        _fires(m, event, names, one, before, alert, crowd)


def is_resolved(one: PostedAlert, before: Posting | None, at: datetime) -> bool:
    """Whether this says that it is over: its source says so, or the end it names is behind us.

    An end that is behind us and moves on in step with our clock is that of a source whose clock is slow: what resolved
    keeps its end, what fires gets a new one each time.
    """
    if one.resolved is not None:
        return one.resolved
    if one.ends_at is None or one.ends_at > at:
        return False
    if before is None or before.ends_at is None or before.starts_at != one.starts_at:
        return True
    moved, passed = one.ends_at - before.ends_at, at - before.posted_at
    return not (moved > IN_STEP and abs(moved - passed) <= IN_STEP)


def _is_late(one: PostedAlert, before: Posting, at: datetime) -> bool:
    """Whether the other half of a pair goes on about what has been seen to resolve."""
    if before.ended_at is None or one.starts_at is None or one.starts_at > before.ended_at:
        return False
    return at - before.posted_at < LAGGING


def _ended(m: Moment, event: Posted, key: str, one: PostedAlert, before: Posting | None, alert: Alert | None) -> None:
    posting = Posting(
        key=key,
        source=event.source,
        posted_at=event.at,
        wake_at=event.at + ENDED_KEPT,
        episode=before.episode if before is not None else 0,
        starts_at=one.starts_at,
        ends_at=one.ends_at,
        ended_at=one.ends_at or event.at,
    )
    m.draft.changes.postings[key] = posting
    if alert is not None:
        alerts.clear(m, alert, sentence_of(one))


def _fires(
    m: Moment,
    event: Posted,
    names: tuple[str, str, str],
    one: PostedAlert,
    before: Posting | None,
    alert: Alert | None,
    crowd: Crowd,
) -> None:
    episode = 1 if before is None else before.episode if alert is not None else before.episode + 1
    posting = _refreshed(m, event, alert_key(*names), one, before if alert is not None else None, episode)
    if abs(posting.skew_s) > SKEW_MAX.total_seconds():
        _say_skew(m, posting)
    if alert is not None:
        m.draft.changes.postings[posting.key] = posting
        if health_of(one) != (alert.health, alert.reason) or (one.key and dict(alert.labels) != dict(one.labels)):
            crowd.join()
            _speaks_again(m, alert, posting, one)
        return
    m.draft.changes.postings[posting.key] = posting
    crowd.fires(names, posting, one, event.source)


def _refreshed(m: Moment, event: Posted, key: str, one: PostedAlert, before: Posting | None, episode: int) -> Posting:
    """What is remembered of a post that fires: the younger one's words, the earliest start, the later end."""
    skew = _skew(one, event.at)
    starts = min(one.starts_at or event.at, event.at)
    is_timeout = one.ends_at is None
    span = m.plan.resolve_timeout if one.ends_at is None else one.ends_at - event.at - max(skew, timedelta(0))
    if span < SPAN_MIN:  # A slow clock's end, or one that is nearly over: it gets the time of one without an end.
        span = m.plan.resolve_timeout
    expires = event.at + min(span, SPAN_MAX)
    if before is not None:
        starts = min(starts, before.starts_at or starts)
        if before.expires_at is not None and not before.is_timeout:
            expires = max(expires, before.expires_at)
    return Posting(
        key=key,
        source=event.source,
        posted_at=event.at,
        wake_at=expires + EXPIRY_GRACE,
        episode=episode,
        expires_at=expires,
        is_timeout=is_timeout,
        starts_at=one.starts_at if before is None and one.starts_at is not None else starts,
        ends_at=one.ends_at,
        sentence=sentence_of(one),
        annotations=one.annotations,
        generator_url=one.generator_url,
        skew_s=skew.total_seconds(),
    )


def _skew(one: PostedAlert, at: datetime) -> timedelta:
    """How far the source's clock is ahead (or, negative, behind), as far as these instants betray it."""
    if one.starts_at is not None and one.starts_at > at:
        return one.starts_at - at
    if one.resolved is not True and one.ends_at is not None and one.ends_at <= at:
        return one.ends_at - at
    return timedelta(0)


def _say_skew(m: Moment, posting: Posting) -> None:
    """Once a day: whoever runs the source should set its clock."""
    if m.once(f"skew {posting.source}", m.now + timedelta(days=1)):
        m.record("clock_skewed", source=posting.source, by_s=round(posting.skew_s), alert=posting.key)


def health_of(one: PostedAlert) -> tuple[Health, UnknownReason | None]:
    """How bad its source says that it is: by its severity, unless the source cannot tell."""
    if one.unknown is not None:
        return Health.UNKNOWN, one.unknown
    return external_health(one.labels.get("severity", "")), None


def _speaks_again(m: Moment, alert: Alert, posting: Posting, one: PostedAlert) -> None:
    """It was silent, or is otherwise than it was: as bad as its labels say now."""
    health, reason = health_of(one)
    place = m.places.of(one.labels)
    after = replace(
        alert,
        health=health,
        reason=reason,
        changed_at=m.now,
        sentence=posting.sentence,
        annotations=posting.annotations,
        generator_url=posting.generator_url,
        labels=one.labels,
        service=place.service,
        seen_as=place.target,
    )
    if (health, reason) == (alert.health, alert.reason):
        alerts.due(m, after)
    else:
        alerts.changed(m, after, before=alert.health)


# ---------------------------------------------------------------------------------------------------------------------
# Silence


def _heard(m: Moment, event: Posted) -> None:
    """The source lives. If it was thought silent, that is over; what it does not post again closes after a while."""
    key = source_key(event.source)
    before = m.draft.posting(key)
    if before is not None and event.at <= before.posted_at <= m.now + alerts.CLOCKS_APART_MAX:
        return
    silent = m.draft.alert(key)
    back_at = event.at if silent is not None else (before.silent_since if before is not None else None)
    m.draft.changes.postings[key] = Posting(key, event.source, event.at, silent_since=back_at)
    if silent is not None:
        alerts.clear(m, silent, source_posts_again(m.plan.language, event.source))


def adopt(m: Moment) -> None:
    """Alerts whose posting was lost with the node that had it in memory: their sources get as long as ever to post
    them again."""
    for key, alert in m.draft.state.alerts.items():
        if not alert.is_external or alert.check == SILENT_SOURCE or m.draft.posting(key) is not None:
            continue
        if m.now - alert.changed_at < ADOPTED_AFTER:
            continue
        expires = m.now + m.plan.resolve_timeout
        m.draft.changes.postings[key] = Posting(
            key=key,
            source=alert.source,
            posted_at=alert.changed_at,
            wake_at=expires + EXPIRY_GRACE,
            episode=alert.episode,
            expires_at=expires,
            is_timeout=True,
            starts_at=alert.starts_at,
            sentence=alert.sentence,
            annotations=alert.annotations,
            generator_url=alert.generator_url,
        )


def due(m: Moment, posting: Posting) -> None:
    """Its instant has come: it expires, closes, or is forgotten."""
    alert = m.draft.alert(posting.key)
    if alert is None:
        forget_at = posting.posted_at + ENDED_KEPT
        kept = replace(posting, expires_at=None, wake_at=forget_at) if forget_at > m.now else None
        m.draft.changes.postings[posting.key] = kept
    elif posting.silent_since is None:
        _expires(m, alert, posting)
    else:
        _closes(m, alert, posting)


def _expires(m: Moment, alert: Alert, posting: Posting) -> None:
    """Nobody can tell how it is any more. Priority and ladder stay."""
    until = expires_at(m, posting)
    if until > m.now:
        m.draft.changes.postings[posting.key] = replace(posting, wake_at=until)
        return
    m.draft.changes.postings[posting.key] = replace(posting, silent_since=m.now, wake_at=m.now + m.plan.silent_close)
    if alert.health is not Health.UNKNOWN:
        sentence = not_posted_since(m.plan.language, posting, alert.sentence)
        unknown = replace(
            alert, health=Health.UNKNOWN, reason=UnknownReason.NO_DATA, changed_at=m.now, sentence=sentence
        )
        alerts.changed(m, unknown, before=alert.health)
    if _is_source_silent(m, posting):
        _source_is_silent(m, posting.source)


def expires_at(m: Moment, posting: Posting) -> datetime:
    """When its silence counts: our own downtime does not, its source gets as long as ever to post it again."""
    given = posting.expires_at or posting.posted_at
    started = m.draft.started_at
    if started is not None and started > posting.posted_at:
        given = max(given, started + (given - posting.posted_at))
    return given + EXPIRY_GRACE


def _is_source_silent(m: Moment, posting: Posting) -> bool:
    """Whether the source has posted nothing at all since it should have posted this again. Large sets come in many
    batches, some seconds apart: what counts is a post later than half of the time this one was good for."""
    heard = m.draft.posting(source_key(posting.source))
    again = posting.posted_at + ((posting.expires_at or posting.posted_at) - posting.posted_at) / 2
    return heard is None or heard.posted_at < again


def _source_is_silent(m: Moment, source: str) -> None:
    key = source_key(source)
    if m.draft.alert(key) is not None:
        return
    heard = m.draft.posting(key)
    alerts.fired(
        m,
        Alert(
            check=SILENT_SOURCE,
            target=source,
            item="",
            episode=1,
            health=Health.UNKNOWN,
            reason=UnknownReason.NO_DATA,
            fired_at=m.now,
            changed_at=m.now,
            sentence=source_is_silent(m.plan.language, source, heard.posted_at if heard is not None else None),
            priority=Priority.P3,
            why="",
            source=source,
        ),
    )


def _closes(m: Moment, alert: Alert, posting: Posting) -> None:
    """Its source went on without it: it is no longer reported. A silent source closes nothing."""
    heard = m.draft.posting(source_key(posting.source))
    instants = (posting.silent_since, heard.silent_since if heard is not None else None, m.draft.started_at)
    close_at = max(at for at in instants if at is not None) + m.plan.silent_close
    if _is_source_silent(m, posting):
        m.draft.changes.postings[posting.key] = replace(posting, wake_at=m.now + m.plan.silent_close)
    elif close_at > m.now:
        m.draft.changes.postings[posting.key] = replace(posting, wake_at=close_at)
    else:
        m.draft.changes.postings[posting.key] = Posting(
            key=posting.key,
            source=posting.source,
            posted_at=posting.posted_at,
            wake_at=m.now + ENDED_KEPT,
            episode=posting.episode,
        )
        alerts.clear(m, alert, GONE)
