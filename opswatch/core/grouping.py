"""Alerts to incidents: which key they share, and which open incident they join."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from opswatch.core.changes import Draft
from opswatch.core.model import Status
from opswatch.core.plan import Plan
from opswatch.core.state import Incident


def group_key(plan: Plan, labels: Mapping[str, str]) -> str:
    """The value of `grouping.by` for these labels. What lacks every one of them is grouped by target: in other tools
    missing labels count as equal, and unrelated failures hide in one incident."""
    values = [labels.get(name, "") for name in plan.group_by]
    if not any(values):
        return f"target={labels.get('target', '')}"
    return ",".join(f"{name}={value}" for name, value in zip(plan.group_by, values, strict=True))


def joinable(plan: Plan, draft: Draft, group: str, now: datetime) -> Incident | None:
    """The open incident of this group whose last join is younger than `grouping.window`, if there is one."""
    for incident in reversed(draft.in_group(group)):
        joined_at = incident.joined_at or incident.opened_at
        if incident.status is not Status.RESOLVED and now - joined_at < plan.group_window:
            return incident
    return None
