"""The open alerts as Alertmanager shows them: ours and those of others, each with what keeps it quiet, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from opswatch.core import parents, quiet, silences
from opswatch.core.changes import Draft, State
from opswatch.core.external import fingerprint
from opswatch.core.matchers import Matcher
from opswatch.core.matching import Fullmatch, labels_of, labels_of_alert, matchers_hold
from opswatch.core.model import Health, QuietReason
from opswatch.core.moment import Moment
from opswatch.core.quiet import is_running
from opswatch.core.state import Alert, Incident
from opswatch.web.am_routes import Receivers
from opswatch.web.door import Door

AT_ONCE = 100  # alerts that are looked at while nobody may decide: some ten milliseconds
ACTIVE, SUPPRESSED = "active", "suppressed"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts are asked for. `receiver` says whether a receiver's name is."""

    matchers: tuple[Matcher, ...] = ()
    active: bool = True
    silenced: bool = True
    inhibited: bool = True
    muted: bool = True
    receiver: Callable[[str], bool] = lambda name: True

    def takes(self, shown: Shown) -> bool:
        """Whether this one is asked for, as far as what keeps it quiet goes."""
        return (
            (self.active or shown.is_quiet)
            and (self.silenced or not shown.silenced_by)
            and (self.inhibited or not shown.inhibited_by)
            and (self.muted or not shown.muted_by)
            and self.receiver(shown.receiver)
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """One alert as it is shown. `starts_at`, `updated_at`, `ends_at` are UTC."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    updated_at: datetime
    ends_at: datetime
    generator_url: str
    receiver: str
    group: Mapping[str, str]
    incident: int | None
    silenced_by: tuple[str, ...]
    inhibited_by: tuple[str, ...]
    muted_by: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.labels)

    @property
    def is_quiet(self) -> bool:
        return bool(self.silenced_by or self.inhibited_by or self.muted_by)

    def as_json(self) -> Json:
        return {
            "annotations": dict(self.annotations),
            "endsAt": said_at(self.ends_at),
            "fingerprint": self.fingerprint,
            "receivers": [{"name": self.receiver}],
            "startsAt": said_at(self.starts_at),
            "status": {
                "inhibitedBy": [*self.inhibited_by],
                "mutedBy": [*self.muted_by],
                "silencedBy": [*self.silenced_by],
                "state": SUPPRESSED if self.is_quiet else ACTIVE,
            },
            "updatedAt": said_at(self.updated_at),
            "generatorURL": self.generator_url,
            "labels": dict(self.labels),
        }


def shown(door: Door, wanted: Wanted) -> list[Shown]:
    """Those that are asked for, in the order of their fingerprints. Raises StoreUnavailable."""
    found = [one for one in _each(door, wanted) if wanted.takes(one)]
    return sorted(found, key=lambda one: (one.fingerprint, one.starts_at))


def grouped(found: Sequence[Shown]) -> list[Json]:
    """As they share incidents: what waits for its incident stands by the labels that would group it."""
    groups: dict[tuple[tuple[tuple[str, str], ...], str], list[Shown]] = {}
    for one in found:
        groups.setdefault((tuple(sorted(one.group.items())), one.receiver), []).append(one)
    return [
        {
            "alerts": [one.as_json() for one in members],
            "labels": dict(labels),
            "receiver": {"name": receiver},
            "routeLabels": {},
        }
        for (labels, receiver), members in sorted(groups.items(), key=lambda item: item[0])
    ]


def said_at(at: datetime) -> str:
    """RFC 3339 with milliseconds: `2026-11-22T02:21:23.083Z`."""
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def fingerprint_of(labels: Mapping[str, str]) -> str:
    """`core.external.fingerprint`, kept for those that are asked for again and again."""
    return _fingerprint(tuple(sorted(labels.items())))


@lru_cache(maxsize=16_384)
def _fingerprint(labels: tuple[tuple[str, str], ...]) -> str:
    return fingerprint(dict(labels))


# ---------------------------------------------------------------------------------------------------------------------


def _each(door: Door, wanted: Wanted) -> Iterator[Shown]:
    """A few at a time, so that whoever decides meanwhile need not wait for all of them."""
    desk = door.office.desk
    desk.refresh()
    with desk.looking() as (state, _):
        keys = list(state.alerts)
    receivers = Receivers(door.plan)
    for start in range(0, len(keys), AT_ONCE):
        found = []
        with desk.looking() as (state, engine):
            m = engine.moment(Draft(state), door.now())
            for key in keys[start : start + AT_ONCE]:
                alert = state.alerts.get(key)
                if alert is not None and alert.health is not Health.OK:
                    labels = labels_of_alert(m.plan, alert)
                    if _holds(wanted.matchers, labels, m.regex):
                        found.append(_shown(m, state, alert, labels, receivers, door.office.settings.public_url))
        yield from found


def _holds(matchers: Sequence[Matcher], labels: Mapping[str, str], regex: Fullmatch) -> bool:
    return not matchers or matchers_hold(matchers, labels, regex)


def _shown(
    m: Moment, state: State, alert: Alert, labels: Mapping[str, str], receivers: Receivers, public_url: str
) -> Shown:
    posting = state.postings.get(alert.key)
    incident = state.incidents.get(alert.incident or 0)
    link = f"{public_url}/incidents/{incident.number}" if incident is not None else ""
    silenced = tuple(
        silences.uuid_of(one)
        for one in state.silences.values()
        if is_running(one, m.now) and matchers_hold(one.matchers, labels, m.regex)
    )
    inhibited, muted = _other_reasons(m, alert, incident)
    watch = state.watches.get(alert.key)
    updated = posting.posted_at if posting is not None else watch.seen_at if watch is not None else None
    expires = posting.expires_at if posting is not None else None
    return Shown(
        labels_shown(m, alert),
        _annotations(alert, posting.annotations if posting is not None and posting.annotations else None),
        alert.starts_at or alert.fired_at,
        updated or alert.changed_at,
        max(expires or m.now + m.plan.resolve_timeout, m.now),
        (posting.generator_url if posting is not None else "") or alert.generator_url or link,
        receivers.of_alert(m, alert, incident),
        _group(m, incident, labels),
        alert.incident,
        silenced,
        inhibited,
        muted,
    )


def labels_shown(m: Moment, alert: Alert) -> dict[str, str]:
    """The labels that are its identity: those that were posted; of ours, what does not change while it lasts."""
    if not alert.is_external:
        return labels_of(m.plan, check=alert.check, target=alert.target, item=alert.item)
    return dict(alert.labels) or {"alertname": alert.check, "source": alert.source}


def _annotations(alert: Alert, posted: Mapping[str, str] | None) -> Mapping[str, str]:
    if alert.is_external and (posted or alert.annotations):
        return posted or alert.annotations
    found = {"summary": alert.sentence, "priority": str(alert.priority), "state": str(alert.health), "why": alert.why}
    if alert.incident is not None:
        found["incident"] = str(alert.incident)
    return {name: value for name, value in found.items() if value}


def _group(m: Moment, incident: Incident | None, labels: Mapping[str, str]) -> dict[str, str]:
    if incident is not None:
        return {"incident": str(incident.number)} | ({"service": incident.service} if incident.service else {})
    return {name: labels[name] for name in m.plan.group_by if labels.get(name)}


def _other_reasons(m: Moment, alert: Alert, incident: Incident | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(fingerprints of the alerts that explain it, everything else that keeps it quiet, in words)."""
    inhibited: list[str] = []
    muted: list[str] = []
    for reason in quiet.reasons(m.plan, m.draft, alert, m.now, m.regex):
        if reason.reason is QuietReason.SILENCED:
            continue
        causes = [fingerprint_of(labels_shown(m, one)) for one in _causes(m, alert, reason.reason)]
        if causes:
            inhibited += causes
        else:
            muted.append(reason.source or reason.why)
    if incident is not None and incident.snoozed_until is not None and incident.snoozed_until > m.now:
        muted.append(f"incident {incident.number} is snoozed")
    return tuple(dict.fromkeys(inhibited)), tuple(dict.fromkeys(muted))


def _causes(m: Moment, alert: Alert, reason: QuietReason) -> list[Alert]:
    """The alerts that explain this one, where they are known."""
    if reason is QuietReason.UPSTREAM:
        cause = quiet.cause_of(m.plan, m.draft, alert)
        found = [m.draft.alert(key) for key in cause.alerts] if cause is not None else []
        return [one for one in found if one is not None]
    if reason is QuietReason.UNREACHABLE and parents.is_cut_off(m.plan, m.draft, alert.target):
        return [one for name in parents.roots(m.plan, m.draft, alert.target) for one in m.draft.alerts_on(name)]
    return []
