"""Updates for stakeholders in words: a prepared wording in the reader's language, and what somebody added to it."""

from __future__ import annotations

from collections.abc import Mapping

from opswatch.core.state import Incident
from opswatch.render.words import Reader, fill, lookup


def update_text(reader: Reader, incident: Incident, facts: Mapping[str, object]) -> str:
    """What an update says: the facts' `template`, if one was used, and then their `text`."""
    name, text = facts.get("template"), str(facts.get("text") or "")
    if not name:
        return text
    return f"{_wording(reader, incident, str(name))} {text}".strip()


def _wording(reader: Reader, incident: Incident, name: str) -> str:
    own = reader.plan.wordings.get(name) if reader.plan is not None else None
    if own is not None:
        template = own.text.get(reader.language) or next(iter(own.text.values()))
    else:
        template = lookup(reader.language, f"wording.{name}") or name
    owner = incident.owner or ""
    known = {
        "title": incident.title,
        "service": reader.service(incident.service) or reader.word("wording.something"),
        "priority": str(incident.priority),
        "status": reader.code(incident.status),
        "owner": reader.target(owner) if ":" in owner else reader.person(owner),
    }
    said = fill(template, known)
    return said[:1].upper() + said[1:]
