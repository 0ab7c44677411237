"""What webhooks say, in the shape that Alertmanager's API takes: Alertmanager's own, Grafana's, and mapped ones.

A webhook speaks when something changes, and hardly in between: what fires is expected again within a few times of its
`repeat`, and until then its silence means nothing. Whatever cannot be used is named; the rest is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from opswatch.config.settings import HookSettings
from opswatch.core.model import UnknownReason
from opswatch.posts import ANNOTATION_MAX, OURS, PROBLEMS_MAX, BadPost, Read, decoded, kind_of, usable

BODY_MAX = 1024 * 1024
REPEATS_MISSED = 3
FOR_EVER = timedelta(days=366)
GROUP_TEXT_MAX = 300
NO_DATA, ERROR = "DatasourceNoData", "DatasourceError"  # Grafana's names for what it could not look at
MISSING = "MissingSeries"  # Grafana calls resolved what it no longer sees
LINKS = ("silenceURL", "dashboardURL", "panelURL", "imageURL")
KEYS_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Found:
    """`read` is what can be used and what cannot; `ignored` counts alerts that are none of ours, `notes` say what is
    used and worth a word."""

    read: Read
    ignored: int = 0
    notes: tuple[str, ...] = ()


def read(hook: HookSettings, body: bytes, now: datetime) -> Found:
    """What a body says that was posted at this hook. Raises BadPost."""
    return READERS.get(hook.id, generic)(body, hook, now)


def expires(hook: HookSettings, now: datetime) -> str:
    """Until when what fires now is believed to, unless it is posted again."""
    return (now + (REPEATS_MISSED * hook.repeat if hook.repeat is not None else FOR_EVER)).isoformat()


def alertmanager(body: bytes, hook: HookSettings, now: datetime) -> Found:
    """The body of Alertmanager's webhook, version 4. Each alert has a status of its own; that of the group is
    "firing" as long as any of them is. Raises BadPost."""
    whole = _whole(body, "Alertmanager's webhook")
    alerts = _alerts(whole, "Alertmanager's webhook")
    more, notes = _of_group(whole)
    if (version := whole.get("version")) not in (None, "4"):
        notes.append(f"version = {version!r}: 4 is what is known; it is read alike")
    return _found([_alert(one, whole, more, hook, now) for one in alerts], notes)


def grafana(body: bytes, hook: HookSettings, now: datetime) -> Found:
    """The body of a Grafana contact point of type webhook; also that of its alerts before version 9. Raises BadPost.

    `DatasourceNoData` and `DatasourceError` say that Grafana cannot tell: unknown, not crit. What it calls resolved
    because its series went missing has not been seen to recover either.
    """
    whole = _whole(body, "Grafana's webhook")
    if "alerts" not in whole and "ruleName" in whole:
        return _before_unified(whole, hook, now)
    alerts = _alerts(whole, "Grafana's webhook")
    more, notes = _of_group(whole)
    found = []
    for one in alerts:
        alert = _alert(one, whole, more, hook, now)
        found.append(_as_grafana(alert, one, hook, now) if type(alert) is dict and type(one) is dict else alert)
    return _found(found, notes)


def generic(body: bytes, hook: HookSettings, now: datetime) -> Found:
    """Any JSON, by the hook's mapping. Raises BadPost."""
    assert hook.mapping is not None, "the configuration refuses a generic hook without a mapping"
    _, whole = decoded(body, BODY_MAX)
    mapped = hook.mapping.read(whole, now, expires(hook, now))
    read = usable(mapped.alerts)
    problems = (*mapped.problems, *read.problems)
    return Found(replace(read, problems=_cut(problems)), mapped.ignored, _cut(mapped.notes))


def keys_of(value: object) -> str:
    """What a body has, for a sentence: the names of its keys, never what stands under them."""
    if type(value) is dict:
        names = [str(name)[:40] for name in list(value)[:KEYS_SHOWN]]
        more = f", … ({len(value)} in all)" if len(value) > KEYS_SHOWN else ""
        return f"an object with {', '.join(names)}{more}" if names else "an empty object"
    return f"a list of {len(value)}" if type(value) is list else kind_of(value)


READERS: Mapping[str, Callable[[bytes, HookSettings, datetime], Found]] = {
    "alertmanager": alertmanager,
    "grafana": grafana,
}
"""Formats of their own, by the hook's id."""


# ---------------------------------------------------------------------------------------------------------------------


def _whole(body: bytes, what: str) -> dict[str, Any]:
    _, whole = decoded(body, BODY_MAX)
    if type(whole) is not dict:
        raise BadPost(f"the body is {keys_of(whole)}: an object is expected, as {what} posts it")
    return whole


def _alerts(whole: Mapping[str, Any], what: str) -> list[Any]:
    alerts = whole.get("alerts")
    if type(alerts) is not list:
        raise BadPost(f"alerts is {kind_of(alerts)}: {what} has a list there; the body is {keys_of(whole)}")
    return alerts


def _of_group(whole: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """What the group says of each of its alerts, as annotations; and what is worth a word."""
    more = {
        name: whole[name][:GROUP_TEXT_MAX]
        for name in ("groupKey", "externalURL")
        if type(whole.get(name)) is str and whole[name]
    }
    cut = whole.get("truncatedAlerts")
    if type(cut) is not int or cut <= 0:
        return more, []
    words = f"{cut} more alerts of this group were left out by their source (max_alerts): they are not known here"
    return more | {"truncatedAlerts": words}, [words]


def _alert(one: Any, whole: Mapping[str, Any], more: Mapping[str, str], hook: HookSettings, now: datetime) -> Any:
    """One alert in our shape. What is no alert is handed on as it is: it is refused by name."""
    if type(one) is not dict:
        return one
    annotations = one.get("annotations")
    status = one.get("status", whole.get("status"))
    found = {
        "labels": one.get("labels"),
        "annotations": {**annotations, **more} if type(annotations) is dict else annotations or dict(more),
        "startsAt": one.get("startsAt"),
        "endsAt": one.get("endsAt"),
        "generatorURL": one.get("generatorURL"),
        "status": status,
    }
    return found | {"endsAt": expires(hook, now)} if status == "firing" else found


def _as_grafana(alert: dict[str, Any], one: Mapping[str, Any], hook: HookSettings, now: datetime) -> dict[str, Any]:
    labels, annotations = alert["labels"], alert["annotations"]
    if type(labels) is not dict or type(annotations) is not dict:
        return alert
    more = {name: one[name][:ANNOTATION_MAX] for name in LINKS if type(one.get(name)) is str and one[name]}
    if values := one.get("values"):
        more["values"] = _values(values)
    elif type(one.get("valueString")) is str and one["valueString"]:
        more["values"] = one["valueString"][:ANNOTATION_MAX]
    alert = alert | {"annotations": {**annotations, **more}}
    reason = {NO_DATA: UnknownReason.NO_DATA, ERROR: UnknownReason.ERROR}.get(str(labels.get("alertname")))
    if reason is not None and alert["status"] == "firing":
        rule = str(labels.get("rulename") or "a rule")[:GROUP_TEXT_MAX]
        said = "it has no data" if reason is UnknownReason.NO_DATA else "its query failed"
        alert["annotations"] = {"summary": f"{rule}: Grafana cannot tell, {said}", **alert["annotations"]}
        return alert | {OURS: {"unknown": reason.value}}
    if alert["status"] == "resolved" and annotations.get("grafana_state_reason") == MISSING:
        return alert | {"endsAt": expires(hook, now), OURS: {"unknown": UnknownReason.NO_DATA.value}}
    return alert


def _values(values: object) -> str:
    if type(values) is dict:
        return ", ".join(f"{name} = {value}" for name, value in values.items())[:ANNOTATION_MAX]
    return json.dumps(values)[:ANNOTATION_MAX]


def _before_unified(whole: Mapping[str, Any], hook: HookSettings, now: datetime) -> Found:
    """What Grafana posted before version 9: one rule, and its state."""
    state = whole.get("state")
    if state in ("paused", "pending"):
        return Found(Read(()), 1, (f"state = {state!r}: nothing to tell",))
    statuses = {"ok": "resolved", "alerting": "firing", "no_data": "firing"}
    if state not in statuses:
        raise BadPost(f"state = {str(state)[:50]!r}: one of {', '.join(statuses)}, paused, pending is expected")
    tags = whole.get("tags")
    labels = {**(tags if type(tags) is dict else {}), "alertname": whole.get("ruleName")}
    said = {"summary": whole.get("title"), "description": whole.get("message"), "imageURL": whole.get("imageUrl")}
    ours = {"key": f"rule {whole.get('orgId')}/{whole.get('ruleId')}"}
    alert = {
        "labels": labels,
        "annotations": {name: value for name, value in said.items() if type(value) is str and value},
        "generatorURL": whole.get("ruleUrl"),
        "endsAt": expires(hook, now) if state != "ok" else None,
        "status": statuses[state],
        OURS: ours | {"unknown": UnknownReason.NO_DATA.value} if state == "no_data" else ours,
    }
    return _found([alert], [])


def _found(alerts: list[Any], notes: Iterable[str]) -> Found:
    """Of a webhook each alert must say whether it fires: what others mean by silence is not to be guessed."""
    return Found(usable(alerts, also=_odd_status), 0, _cut(notes))


def _odd_status(one: Mapping[str, Any]) -> str | None:
    status = one["status"]
    return (
        None if status in ("firing", "resolved") else f"status is {str(status)[:50]!r}: firing or resolved is expected"
    )


def _cut(lines: Iterable[str]) -> tuple[str, ...]:
    several = tuple(lines)
    rest = len(several) - PROBLEMS_MAX
    return (*several[:PROBLEMS_MAX], f"and {rest} more") if rest > 1 else several
