"""Thousands of alerts of others at once: those that only join an open incident are gathered, and join together.

What this decides is what `alerts.fired` decides, one alert at a time; a test compares the two.
"""

from __future__ import annotations

from opswatch.core import alerts, grouping, incidents, quiet
from opswatch.core.classify import Case, Classified, classify, external_health, next_change
from opswatch.core.events import PostedAlert
from opswatch.core.matching import labels_of_posted
from opswatch.core.model import Health, Priority, Status
from opswatch.core.moment import Moment
from opswatch.core.state import Alert, Incident, Posting


class Crowd:
    """The new alerts of one post. `join` before anything else looks at an incident, and at the end."""

    __slots__ = ("_classified", "_into", "_joining", "_m", "_may_be_quiet")

    def __init__(self, m: Moment) -> None:
        self._m = m
        self._may_be_quiet = bool(m.plan.maintenance or quiet.paused(m.draft, m.now) or any(m.draft.silences()))
        self._classified: dict[tuple[object, ...], Classified] = {}
        self._into: dict[str, Incident] = {}  # group → the open incident that takes it, before anything joins
        self._joining: dict[int, list[Alert]] = {}

    def fires(self, names: tuple[str, str, str], posting: Posting, one: PostedAlert, source: str) -> None:
        """A new alert: it joins with the others, or opens, raises or waits by itself."""
        m, (check, target, item) = self._m, names
        place, severity = m.places.of(one.labels), one.labels.get("severity", "")
        health = external_health(severity) if one.unknown is None else Health.UNKNOWN
        labels = labels_of_posted(
            m.plan, one.labels, check=check, place=place, target=target, health=health.value, source=source
        )
        case = Case(
            health=health,
            check=check,
            target=place.target or target,
            service=place.service,
            source=source,
            labels=labels,
            # This one included, which is not put yet.
            failing=m.draft.failing_with(place.service, place.target, health) if place.service else 0,
            targets=len(m.targets_of(place.service)),
            external=severity or None,
        )
        found = self._classify(case)
        incident = self._open_incident(labels) if not self._is_quiet(labels) else None
        joins = incident is not None and found.priority >= incident.priority
        alert = Alert(
            check=check,
            target=target,
            item=item,
            service=place.service,
            episode=posting.episode,
            health=health,
            reason=one.unknown,
            fired_at=m.now,
            changed_at=m.now,
            sentence=posting.sentence,
            priority=found.priority if joins else Priority.P3,
            why=found.why if joins else "",
            announced=health if joins else None,
            incident=incident.number if joins and incident is not None else None,
            wake_at=next_change(m.plan, case, m.now, m.now),
            source=source,
            labels=one.labels,
            annotations=one.annotations,
            generator_url=one.generator_url,
            starts_at=posting.starts_at,
            seen_as=place.target,
        )
        if not joins or incident is None:
            self.join()
            alerts.fired(m, alert)
            return
        m.draft.put_alert(posting.key, alert)
        m.note("alert_fired", None, alerts.fired_facts(alert))
        self._joining.setdefault(incident.number, []).append(alert)

    def join(self) -> None:
        """Those gathered so far join."""
        for number, joining in self._joining.items():
            incident = self._m.draft.incident(number)
            assert incident is not None, "nothing may look at an incident while others wait to join it"
            incidents.join_many(self._m, incident, joining)
        self._joining.clear()
        self._into.clear()

    def _classify(self, case: Case) -> Classified:
        """Without rules, only few things matter, and they are the same for very many."""
        if self._m.plan.classify:
            return classify(self._m.plan, case, self._m.now)
        key = (case.health, case.service, case.external, case.failing)
        if key not in self._classified:
            self._classified[key] = classify(self._m.plan, case, self._m.now)
        return self._classified[key]

    def _is_quiet(self, labels: dict[str, str]) -> bool:
        m = self._m
        return self._may_be_quiet and bool(quiet.every_reason(m.plan, m.draft, labels, m.now, m.regex))

    def _open_incident(self, labels: dict[str, str]) -> Incident | None:
        m = self._m
        group = grouping.group_key(m.plan, labels)
        known = self._into.get(group)
        if known is None:
            known = grouping.joinable(m.plan, m.draft, group, m.now)
            if known is not None:
                assert known.status is not Status.RESOLVED
                self._into[group] = known
        return known
