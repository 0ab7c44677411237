"""Telling those who wait for news of an incident: `update 142 text`, and answers to whoever reported it."""

from __future__ import annotations

from dataclasses import replace

from opswatch.core import escalation, notices, sla
from opswatch.core.events import PostUpdate
from opswatch.core.moment import TEXT_MAX, Moment
from opswatch.core.state import Incident

PREPARED = ("investigating", "identified", "monitoring", "delayed", "recovered")
"""Wordings that are there without a `[[wording]]`; their words are in the catalogues."""


def post(m: Moment, incident: Incident, command: PostUpdate) -> Incident | None:
    """An update for stakeholders: the policy's channels, the service's `stakeholders`, who reported it. The update
    clock starts anew."""
    text = command.text.strip()[:TEXT_MAX]
    if command.template is None and not text:
        m.refuse("empty_update", incident=incident.number, known=", ".join(known_wordings(m)))
        return None
    problem = None if command.template is None else _wrong_wording(m, incident, command.template)
    if problem is not None:
        m.refuse(problem[0], incident=incident.number, **problem[1])
        return None
    facts: dict[str, object] = {"text": text, "template": command.template, "by": command.by}
    m.record(
        "update_posted",
        incident=incident.number,
        by=command.by,
        door=command.door,
        text=text or None,
        template=command.template,
    )
    channels, people = readers(m, incident)
    for channel in channels:
        m.announce(channel, "stakeholder_update", incident.number, **facts)
    told = tuple(person for person in people if person != command.by)
    notices.tell(m, told, "stakeholder_update", incident.number, **facts)
    m.done("update_posted", incident=incident.number, count=len(channels) + len(told) or "0")
    return replace(incident, updated_at=m.now, clocks=sla.afresh(incident))


def known_wordings(m: Moment) -> tuple[str, ...]:
    """The names of what is prepared, the house's own first."""
    return tuple(dict.fromkeys((*m.plan.wordings, *PREPARED)))


def readers(m: Moment, incident: Incident) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(channels, people) that an update goes to, each once."""
    policy = escalation.policy_of(m.plan, incident.policy)
    service = m.plan.services.get(incident.service or "")
    named = [name for level in policy.levels for name in level.page if name.startswith("channel:")]
    named += [f"channel:{channel}" for channel in incident.told]
    named += service.stakeholders if service is not None else ()
    named += [f"person:{incident.reporter}"] if incident.reporter is not None else []
    parts = [name.partition(":") for name in dict.fromkeys(named)]
    channels = tuple(what for kind, _, what in parts if kind == "channel" and what in m.plan.channels)
    people = [what for kind, _, what in parts if kind == "person"]
    people += [
        one.id for kind, _, what in parts if kind == "team" for one in m.plan.people.values() if one.team == what
    ]
    return channels, tuple(person for person in dict.fromkeys(people) if person in m.plan.people)


def answer(m: Moment, incident: Incident, event: str, by: str | None, **facts: object) -> None:
    """Whoever reported it hears how it goes on, unless they did it themselves."""
    if incident.reporter is not None and incident.reporter != by:
        notices.tell(m, (incident.reporter,), event, incident.number, by=by, **facts)


def _wrong_wording(m: Moment, incident: Incident, name: str) -> tuple[str, dict[str, object]] | None:
    own = m.plan.wordings.get(name)
    if own is None:
        known = ", ".join(known_wordings(m))
        return None if name in PREPARED else ("unknown_wording", {"what": name, "known": known})
    if own.priorities is not None and incident.priority not in own.priorities:
        wanted = ", ".join(str(priority) for priority in sorted(own.priorities))
        return "wording_not_for", {"what": name, "priority": str(incident.priority), "known": wanted}
    return None
