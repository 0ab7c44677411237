"""What others say of their alerts, and what is said when they say nothing more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from opswatch.core.events import PostedAlert
from opswatch.core.state import Alert, Posting

SAYING = ("summary", "message", "title", "description")
"""Annotations that say in words what is wrong, the shortest first."""
SENTENCE_MAX = 300
RUNBOOKS = ("runbook_url", "runbook", "playbook", "runbookUrl")
ADDRESS_MAX = 2_000
LINE_MAX = 500


def sentence_of(one: PostedAlert) -> str:
    """What is wrong, in the source's words."""
    for name in SAYING:
        if said := one.annotations.get(name, "").strip():
            line = " ".join(said.split())
            return line if len(line) <= SENTENCE_MAX else f"{line[: SENTENCE_MAX - 1]}…"
    return one.labels.get("alertname", "") or "an alert without a name"


def lines_of(alert: Alert) -> tuple[str, ...]:
    """What its source says of an alert of others, line by line: labels, annotations, where it was seen. Empty for one
    of ours."""
    if not alert.labels:
        return ()
    labels = ", ".join(f"{name}={value}" for name, value in sorted(alert.labels.items()))
    said = [
        f"{name}: {line}"
        for name, value in sorted(alert.annotations.items())
        if (line := " ".join(value.split())) and line != alert.sentence
    ]
    seen_at = [f"seen at {alert.generator_url}"] if alert.generator_url else []
    lines = [f"from {alert.source}: {labels}", *said, *seen_at]
    return tuple(line if len(line) <= LINE_MAX else f"{line[: LINE_MAX - 1]}…" for line in lines)


def runbook_of(alerts: Iterable[Alert]) -> str | None:
    """Where the sources say what to do: an address among the annotations; of several alerts the first that has one."""
    for alert in alerts:
        for name in RUNBOOKS:
            address = alert.annotations.get(name, "")
            if address.startswith(("http://", "https://")) and " " not in address and len(address) <= ADDRESS_MAX:
                return address
    return None


def not_posted_since(language: str, posting: Posting, sentence: str) -> str:
    """Of an alert that ran out: nobody can tell how it is."""
    at = f"{posting.posted_at:%Y-%m-%d %H:%M} UTC"
    if language == "zh":
        return f"自 {at} 起 {posting.source} 未再上报：{sentence}"
    return f"{posting.source} has not posted it since {at}: {sentence}"


def source_is_silent(language: str, source: str, at: datetime | None) -> str:
    """Of a source that was last heard `at`."""
    since = "" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"
    if language == "zh":
        return f"来源 {source} 沉默：{f'自 {since} 起' if since else ''}未上报任何告警"
    return f"source {source} is silent: it has posted nothing{f' since {since}' if since else ''}"


def source_posts_again(language: str, source: str) -> str:
    return f"来源 {source} 恢复上报" if language == "zh" else f"source {source} posts again"
