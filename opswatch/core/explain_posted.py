"""What an alert that somebody else would post brings: which priority and why, and who is paged, before it is posted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from opswatch.core import external
from opswatch.core.changes import Changes, State
from opswatch.core.engine import Engine
from opswatch.core.events import Posted
from opswatch.core.explain import Explanation, copied, of_incident, supposition
from opswatch.core.grouping import group_key
from opswatch.core.matching import Fullmatch, fullmatch, labels_of_alert
from opswatch.core.model import Status
from opswatch.core.plan import Plan
from opswatch.core.rehearsal import Rehearsal, arranged
from opswatch.core.state import Alert, alert_key


@dataclass(frozen=True, slots=True)
class Outlook:
    """`before` is the alert as it fails now, `after` as it would once this was posted; None where it does not fail.
    `follows` is what people would notice of it, from now on."""

    key: str
    before: Alert | None
    after: Alert | None
    follows: Explanation | None


def of_posted(plan: Plan, state: State, event: Posted, now: datetime, regex: Fullmatch = fullmatch) -> Outlook:
    """The outlook on a post of one alert. Nothing is kept."""
    (one,) = event.alerts
    key = alert_key(*external.names_of(one, event.family))
    before = state.alerts.get(key)
    if before is not None:
        return _of_known(plan, state, event, now, regex, key, before)
    engine = Engine(plan, regex)
    after = _played(engine, arranged(state), event, now, key).state.alerts.get(key)
    if after is None:
        return Outlook(key, None, None, None)
    group = group_key(plan, labels_of_alert(plan, after))
    same = [number for number, open_one in state.incidents.items() if open_one.group == group]
    stage = _played(engine, copied(plan, state, keep=same, alerts=(), without=key), event, now, key)
    after = stage.state.alerts[key]
    name = f"{event.source}/{one.labels.get('alertname', '')}"
    return Outlook(key, None, after, supposition(stage, state, key, subject=f"post {name}", service=after.service))


def _of_known(
    plan: Plan, state: State, event: Posted, now: datetime, regex: Fullmatch, key: str, before: Alert
) -> Outlook:
    """It fails already: its incident goes on, raised perhaps, or ends."""
    number = before.incident
    known = state.incidents.get(number or 0)
    keep = (known.number,) if known is not None else ()
    stage = Rehearsal(Engine(plan, regex), copied(plan, state, keep=keep, alerts=(key,)), now)
    stage.take(event)
    after = stage.state.alerts.get(key)
    incident = stage.state.incidents.get(number or 0)
    goes_on = after is not None and incident is not None and incident.status is not Status.RESOLVED
    follows = of_incident(plan, stage.state, incident.number, now, regex) if goes_on and incident is not None else None
    return Outlook(key, before, after, follows)


def _played(engine: Engine, state: State, event: Posted, now: datetime, key: str) -> Rehearsal:
    """As if its source had never spoken of it: what came late a minute ago is not late in an example."""
    state.apply(Changes(postings={key: None}))
    stage = Rehearsal(engine, state, now)
    stage.take(event)
    return stage
