"""The messages that leave: pages, updates, announcements, digests. One builder each; the words are in `locale/`.

A page is read at 3 a.m. on a lock screen: its title alone says how bad, which service, what, where. Then come why this
priority, what was seen, since when, what happens if nobody answers, the first step, the links.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from opswatch.core import events, grammar, sayings
from opswatch.core.effects import Announce, Page, Update
from opswatch.core.likely import ALONE, Around
from opswatch.core.model import PageReason, Status
from opswatch.core.plan import Plan
from opswatch.core.state import Alert, Incident
from opswatch.render.card import Card
from opswatch.render.message import Action, Message
from opswatch.render.text import fill_template, reader_of, stamp
from opswatch.render.words import Reader

Link = Callable[..., str | None]
"""`link("incident", incident=142)`, `link("acknowledge" | "resolve", incident=142, person="bo")`,
`link("playbook", playbook="disk-full")`: an absolute URL, or None where there is nothing to open."""

LOUD_EVENTS = frozenset({"triggered", "unanswered", "raised", "reopened"})


def page(
    plan: Plan,
    incident: Incident,
    page: Page,
    alerts: Sequence[Alert],
    *,
    link: Link,
    at: datetime,
    attempt: int = 1,
    possible_duplicate: bool = False,
    ref: str | None = None,
    first_step: str = "",
    next_people: Sequence[str] = (),
    around: Around = ALONE,
) -> Message:
    """The words of one page, in the language and zone of the person paged.

    `alerts` are those that fail still. `at` is now, UTC. `first_step` is the playbook's. `next_people` are the ids of
    whom the next level would page; without them its targets are named as the policy writes them.
    """
    reader = reader_of(plan, page.person)
    card = Card(plan, incident, alerts, reader, at, around)
    links = _links(link, incident, plan, page.person, alerts)
    opening = [reader.word("page.duplicate")] if possible_duplicate else []
    reason = _why_you(reader, incident, page)
    asked = [reader.word("page.reserve", pool=page.pool, number=incident.number)] if page.pool else []
    lines = [*card.facts(), *card.next(next_people)]
    if first_step:
        lines.append((reader.word("page.first_step"), first_step))
    lines += card.similar()
    payload = _payload(card, links, at, page_id=page.id, attempt=attempt, possible_duplicate=possible_duplicate) | {
        "kind": "page",
        "reason": str(page.reason),
        "person": page.person,
        "level": page.level,
        "cycle": page.cycle,
        "roster": page.roster,
        "priority": str(page.priority),
    }
    return _message(
        card,
        id=page.id,
        kind="page",
        title=card.title(page.priority),
        opening=[*opening, reason, *asked],
        lines=lines,
        links=links,
        at=at,
        ref=ref,
        thread_line=reason,
        attempt=attempt,
        possible_duplicate=possible_duplicate,
        payload=payload,
    )


def update(
    plan: Plan,
    incident: Incident,
    update: Update,
    alerts: Sequence[Alert] = (),
    *,
    id: str,
    link: Link,
    at: datetime,
    attempt: int = 1,
    possible_duplicate: bool = False,
    ref: str | None = None,
    first_step: str = "",
    around: Around = ALONE,
) -> Message:
    """What became of an incident, for somebody who was paged. It edits their card; nobody is woken by it."""
    reader = reader_of(plan, update.person)
    card = Card(plan, incident, alerts, reader, at, around)
    links = _links(link, incident, plan, update.person, alerts)
    event = card.event(update.event)
    lines = [*card.facts(), *_step(reader, incident, first_step)]
    payload = _payload(card, links, at, page_id=id, attempt=attempt, possible_duplicate=possible_duplicate) | {
        "kind": "update",
        "event": update.event,
        "person": update.person,
        "merged_into": incident.merged_into,
    }
    return _message(
        card,
        id=id,
        kind="update",
        title=reader.word("page.update_title", event=_capital(event), title=card.title()),
        opening=[],
        lines=lines,
        links=links,
        at=at,
        ref=ref,
        thread_line=event,
        loud=False,
        attempt=attempt,
        possible_duplicate=possible_duplicate,
        payload=payload,
    )


def announce(
    plan: Plan,
    incident: Incident,
    announce: Announce,
    alerts: Sequence[Alert] = (),
    *,
    id: str,
    link: Link,
    at: datetime,
    attempt: int = 1,
    possible_duplicate: bool = False,
    ref: str | None = None,
    first_step: str = "",
    next_people: Sequence[str] = (),
    around: Around = ALONE,
) -> Message:
    """The incident's card for a channel, in the plan's language and zone. With `ref` it is edited, and the event is a
    line in its thread. For `event="digest"` there is `digest`."""
    reader = Reader(plan.language, plan=plan, zone=plan.timezone)
    card = Card(plan, incident, alerts, reader, at, around)
    links = _links(link, incident, plan, None, alerts)
    event = card.event(announce.event, announce.facts)
    lines = [*card.facts(), *card.next(next_people), *_step(reader, incident, first_step), *card.similar()]
    payload = _payload(card, links, at, page_id=id, attempt=attempt, possible_duplicate=possible_duplicate) | {
        "kind": "announce",
        "channel": announce.channel,
        "event": announce.event,
        "text": event,
    }
    first = announce.event == "triggered" and ref is None
    return _message(
        card,
        id=id,
        kind="announce",
        title=card.title() if first else reader.word("page.update_title", event=_capital(event), title=card.title()),
        opening=[],
        lines=lines,
        links=links,
        at=at,
        ref=ref,
        thread_line="" if first else event,
        loud=announce.event in LOUD_EVENTS,
        attempt=attempt,
        possible_duplicate=possible_duplicate,
        payload=payload,
    )


def _why_you(reader: Reader, incident: Incident, page: Page) -> str:
    if page.reason is PageReason.REMINDER:
        until = reader.when(incident.ack_until) if incident.ack_until else None
        return reader.word("page.reminder", until=until)
    policy = reader.plan.policies.get(incident.policy) if reader.plan else None
    is_last_resort = policy is not None and page.level > len(policy.levels)
    level = None if is_last_resort else page.level
    if page.reason is PageReason.ACK_EXPIRED and incident.given_back_by is not None:
        by = reader.person(incident.given_back_by)
        return reader.word("page.given_back", by=by, level=level, roster=page.roster)
    return reader.word("page.you_first", reason=reader.code(page.reason), level=level, roster=page.roster)


def _links(
    link: Link, incident: Incident, plan: Plan, person: str | None, alerts: Sequence[Alert]
) -> dict[str, str | None]:
    check = plan.checks.get(incident.check) if incident.check else None
    playbook = check.playbook if check else None
    is_open = incident.status is not Status.RESOLVED
    mine = {"incident": incident.number, "person": person}
    return {
        "incident": link("incident", incident=incident.number),
        "acknowledge": link("acknowledge", **mine) if person and incident.status is Status.TRIGGERED else None,
        "resolve": link("resolve", **mine) if person and is_open else None,
        "playbook": link("playbook", playbook=playbook) if playbook else sayings.runbook_of(alerts),
    }


def _step(reader: Reader, incident: Incident, first_step: str) -> list[tuple[str, str]]:
    if not first_step or incident.status is Status.RESOLVED:
        return []
    return [(reader.word("page.first_step"), first_step)]


def _payload(
    card: Card, links: Mapping[str, str | None], at: datetime, *, page_id: str, attempt: int, possible_duplicate: bool
) -> dict[str, object]:
    """SPEC 4's body; the builders add what is theirs."""
    incident = card.incident
    return {
        "kind": "",
        "page_id": page_id,
        "attempt": attempt,
        "possible_duplicate": possible_duplicate,
        "test": False,
        "incident": incident.number,
        "priority": str(incident.priority),
        "reason": None,
        "status": str(incident.status),
        "title": card.title(),
        "summary": card.summary(),
        "why": incident.why,
        "service": incident.service,
        "person": None,
        "level": incident.level,
        "cycle": incident.cycle,
        "roster": None,
        "links": dict(links),
        "at": stamp(at),
    }


def _message(
    card: Card,
    *,
    id: str,
    kind: str,
    title: str,
    opening: list[str],
    lines: list[tuple[str, str]],
    links: Mapping[str, str | None],
    at: datetime,
    ref: str | None,
    thread_line: str,
    attempt: int,
    possible_duplicate: bool,
    payload: Mapping[str, object],
    loud: bool = True,
) -> Message:
    reader, incident = card.reader, card.incident
    labelled = {reader.word(f"page.{name}"): url for name, url in links.items() if url}
    return Message(
        id=id,
        kind=kind,
        title=title,
        text=fill_template("message.txt.j2", title=title, opening=opening, lines=lines, links=labelled),
        at=at,
        lines=tuple(lines),
        links=labelled,
        actions=_actions(reader, incident),
        priority=str(incident.priority),
        status=str(incident.status),
        card=f"incident/{incident.number}",
        ref=ref,
        thread_line=thread_line,
        loud=loud,
        attempt=attempt,
        possible_duplicate=possible_duplicate,
        payload=payload,
    )


def _actions(reader: Reader, incident: Incident) -> tuple[Action, ...]:
    """What may be done now, as sentences of the grammar."""

    def action(name: str, make: Callable[..., events.Command], style: str = "") -> Action:
        return Action(reader.word(f"page.{name}"), grammar.say(make(incident.number, by="")), style)

    if incident.status is Status.TRIGGERED:
        return action("acknowledge", events.Acknowledge, "primary"), action("resolve", events.Resolve)
    if incident.merged_into is not None:
        return ()
    if incident.status is Status.ACKNOWLEDGED:
        return (action("resolve", events.Resolve, "primary"),)
    return (action("reopen", events.Reopen),)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
