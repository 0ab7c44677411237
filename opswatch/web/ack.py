"""Signed links: one sentence of one person. Opening one shows what it would do; only its button does it.

Chat programs and mail scanners open every link they see. So a GET changes nothing, whoever sends it.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from opswatch import logs, render
from opswatch.core import grammar
from opswatch.core.effects import Done, Refuse
from opswatch.core.events import Acknowledge, Command, Resolve
from opswatch.core.model import Status
from opswatch.core.state import Incident
from opswatch.links import BadLink, LinkOver, Sentence
from opswatch.render.card import Card
from opswatch.web.door import Door
from opswatch.web.pages import GET, said_by
from opswatch.web.words import Words

log = logs.get("web")

TOKEN_MAX = 1024


def add_links(app: FastAPI, door: Door) -> None:
    """`/ack/{token}`."""

    @app.api_route("/ack/{token}", methods=GET, include_in_schema=False)
    def confirm(request: Request, token: str) -> HTMLResponse:
        """What the link would do, and the button that does it."""
        try:
            sentence = _read(door, token)
        except BadLink as bad:
            return _useless(door, request, bad)
        words = door.words(request, sentence.person)
        incident = _incident(door, sentence)
        if incident is None:
            return _gone(door, request, words, sentence)
        return _page(door, request, words, sentence, incident)

    @app.post("/ack/{token}", include_in_schema=False)
    def do(request: Request, token: str) -> HTMLResponse:
        """Say the sentence. Twice is once: what is so already is answered, not done again."""
        try:
            sentence = _read(door, token)
        except BadLink as bad:
            return _useless(door, request, bad)
        words = door.words(request, sentence.person)
        answer = said_by(door, sentence.text, sentence.person, "link")
        if answer is None:
            return _useless(door, request, BadLink("a question"))
        log.info("said by link", sentence=sentence.text, person=sentence.person, answer=answer.key)
        incident = _incident(door, sentence)
        if incident is None or answer.key == "unknown_incident":
            return _gone(door, request, words, sentence)
        status = 200 if isinstance(answer, Done) else 409
        return _page(door, request, words, sentence, incident, answer=answer, status=status)


def _read(door: Door, token: str) -> Sentence:
    if len(token) > TOKEN_MAX:
        raise BadLink("too long")
    sentence = door.office.links.read(token, door.now())
    if sentence.person not in door.plan.people:
        raise LinkOver("its person is not here any more")  # and whoever holds it is told nothing of those who are
    return sentence


def _command(door: Door, sentence: Sentence) -> Command | None:
    meant = grammar.parse(sentence.text, by=sentence.person, door="link", now=door.now())
    return meant if isinstance(meant, Command) else None


def _incident(door: Door, sentence: Sentence) -> Incident | None:
    number = getattr(_command(door, sentence), "incident", None)
    view = door.office.views.incident(number) if isinstance(number, int) else None
    return view.incident if view else None


def _page(
    door: Door,
    request: Request,
    words: Words,
    sentence: Sentence,
    incident: Incident,
    *,
    answer: Done | Refuse | None = None,
    status: int = 200,
) -> HTMLResponse:
    command = _command(door, sentence)
    kind = {Acknowledge: "acknowledge", Resolve: "resolve"}.get(type(command))
    view = door.office.views.incident(incident.number)
    card = Card(door.plan, incident, view.alerts if view else (), words, door.now())
    facts = {"incident": incident.number, "sentence": sentence.text}
    said = render.answer(words.language, answer, plan=door.plan, zone=words.zone) if answer else ""
    return door.page(
        request,
        "ack",
        words,
        status=status,
        is_known=True,
        incident=incident,
        title=card.title(),
        facts=card.facts(),
        question=words.say(f"ack.question_{kind}" if kind else "ack.question", **facts),
        label=words.say(f"ack.do_{kind}" if kind else "ack.do", **facts),
        person=words.person(sentence.person),
        already=_already(words, incident, command),
        said=said,
        is_done=isinstance(answer, Done),
    )


def _already(words: Words, incident: Incident, command: Command | None) -> str:
    """Why the button would change nothing; "" when it would."""
    if incident.status is Status.RESOLVED:
        return words.say("ack.is_over")
    if isinstance(command, Acknowledge) and incident.status is Status.ACKNOWLEDGED and incident.owner:
        return words.say("ack.has_it", person=words.person(incident.owner))
    return ""


def _gone(door: Door, request: Request, words: Words, sentence: Sentence) -> HTMLResponse:
    number = getattr(_command(door, sentence), "incident", "")
    text = words.say("ack.gone_text", incident=f"#{number}")
    return door.page(request, "message", words, status=404, title=words.say("ack.gone_title"), text=text)


def _useless(door: Door, request: Request, bad: BadLink) -> HTMLResponse:
    """410 for a link that was good once, 404 for one that never was."""
    words = door.words(request, None)
    name, status = ("over", 410) if isinstance(bad, LinkOver) else ("bad", 404)
    title, text = words.say(f"ack.{name}_title"), words.say(f"ack.{name}_text")
    return door.page(request, "message", words, status=status, title=title, text=text)
