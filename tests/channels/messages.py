"""Messages to carry, for the tests of channels."""

from __future__ import annotations

from datetime import UTC, datetime

from opswatch.channels import Action, Message

NOW = datetime(2026, 1, 5, 3, 10, tzinfo=UTC)


def page(id="142/1/1/1/bo/1", **given):
    facts = {
        "kind": "page",
        "title": "P1 Order pipeline: / is 93 % full on db-1",
        "text": "P1 Order pipeline: / is 93 % full on db-1\n\nWhy P1: crit, tier 1 service orders\n",
        "at": NOW,
        "lines": (("Why P1", "crit, tier 1 service orders"), ("Since", "Mon 5 Jan 11:04 (Asia/Shanghai), 6m ago")),
        "links": {"Incident": "https://ops.example.com/incidents/142", "Acknowledge": "https://ops.example.com/ack/x"},
        "actions": (Action("Acknowledge", "acknowledge 142", "primary"), Action("Resolve", "resolve 142")),
        "priority": "P1",
        "status": "triggered",
        "card": "incident/142",
        "payload": {"kind": "page", "page_id": id, "title": "磁盘满了", "test": False},
    } | given
    return Message(id=id, **facts)


def update(id="u1", **given):
    return page(
        id, **({"kind": "update", "loud": False, "status": "acknowledged", "thread_line": "acknowledged by Bo"} | given)
    )
