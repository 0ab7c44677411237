"""Pages for people: the dashboard, one incident and what may be said to it, playbooks, signing in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from opswatch import logs, render
from opswatch.core import events, grammar
from opswatch.core.effects import Done, Entry, Refuse
from opswatch.core.events import Command
from opswatch.core.incidents import quiet_reason
from opswatch.core.model import Status
from opswatch.core.state import Alert, Incident
from opswatch.render.card import Card
from opswatch.web.auth import ACT, COOKIE, READ, SESSION_LASTS, Caller, Refused, person_called
from opswatch.web.board import board, incident_line
from opswatch.web.clients import is_same_origin
from opswatch.web.door import Door, Form
from opswatch.web.words import Words

log = logs.get("web")

GET = ["GET", "HEAD"]
NUMBER_MAX = 2**53  # larger ones were never given, and no database takes them
ENTRIES_SHOWN = 200
SAID_MAX = 500  # letters of an answer that is carried to the next page


@dataclass(frozen=True, slots=True)
class Button:
    """A sentence that somebody else typed for you."""

    label: str
    sentence: str
    style: str = ""  # primary, quiet


class NotFound(Exception):
    """There is no such thing. `title` and `text` are keys of the catalogue."""

    def __init__(self, title: str = "error.not_found", text: str = "error.not_found_text", **facts: object) -> None:
        super().__init__(title)
        self.title, self.text, self.facts = title, text, facts


def add_pages(app: FastAPI, door: Door) -> None:
    """The addresses that people open."""

    @app.api_route("/", methods=GET, include_in_schema=False)
    def dashboard(request: Request) -> HTMLResponse:
        caller = door.admit(request, READ)
        words = door.words(request, caller.person)
        now = door.now()
        shown = board(door.office, words, door.health(), now)
        return door.page(request, "dashboard", words, caller, board=shown)

    @app.api_route("/incidents/{number:int}", methods=GET, include_in_schema=False)
    def incident(request: Request, number: int) -> HTMLResponse:
        caller = door.admit(request, READ)
        words = door.words(request, caller.person)
        said = door.gate.unseal(request.query_params.get("said", ""), number)
        return _incident_page(door, request, words, caller, number, said=said)

    @app.post("/incidents/{number:int}/say", include_in_schema=False)
    def say(request: Request, number: int, form: Form) -> Response:
        sentence = f"{form.get('say', '')} {form.get('text', '')}".strip()
        return _say(door, request, number, sentence, form.get("as", ""))

    @app.api_route("/playbooks/{name}", methods=GET, include_in_schema=False)
    def playbook(request: Request, name: str) -> HTMLResponse:
        caller = door.admit(request, READ)
        words = door.words(request, caller.person)
        found = door.playbooks().get(name)
        if found is None or not found.may_be_read_by(caller.role(door.plan)):
            raise NotFound("playbook.not_found", "playbook.not_found_text", id=name[:80])
        return door.page(request, "playbook", words, caller, playbook=found)

    @app.api_route("/sign-in", methods=GET, include_in_schema=False)
    def sign_in_form(request: Request) -> HTMLResponse:
        return sign_in_page(door, request)

    @app.post("/sign-in", include_in_schema=False)
    def sign_in(request: Request, form: Form) -> Response:
        return _sign_in(door, request, form.get("token", ""), form.get("person", ""))

    @app.post("/sign-out", include_in_schema=False)
    def sign_out(request: Request) -> Response:
        _must_be_ours(door, request)
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(COOKIE)
        return answer


# ---------------------------------------------------------------------------------------------------------------------
# One incident


def _incident_page(
    door: Door,
    request: Request,
    words: Words,
    caller: Caller,
    number: int,
    *,
    said: str | None = None,
    refused: str | None = None,
    status: int = 200,
) -> HTMLResponse:
    view = door.office.views.incident(number) if 0 < number <= NUMBER_MAX else None
    if view is None:
        raise NotFound("incident.gone_title", "incident.gone_text", number=number)
    now = door.now()
    card = Card(door.plan, view.incident, view.alerts, words, now, view.around)
    shown = view.entries if "all" in request.query_params else view.entries[-ENTRIES_SHOWN:]
    return door.page(
        request,
        "incident",
        words,
        caller,
        status=status,
        view=view,
        incident=view.incident,
        line=incident_line(words, door.plan, view.incident, now),
        facts=_facts(words, card, view.alerts),
        days=_days(words, [stored.entry for stored in shown]),
        earlier=len(view.entries) - len(shown),
        buttons=buttons(words, view.incident) if caller.may_act and caller.person else [],
        playbook=_playbook_of(door, view.incident),
        is_quiet=quiet_reason(view.incident) is not None,
        said=said,
        refused=refused,
    )


def _facts(words: Words, card: Card, alerts: Sequence[Alert]) -> list[tuple[str, str]]:
    """The card's, but for what the page shows of each alert anyway."""
    shown = {words.word("page.seen"), words.word("page.evidence")} if alerts else set()
    return [(name, value) for name, value in (*card.facts(), *card.next(), *card.similar()) if name not in shown]


def _days(words: Words, entries: Sequence[Entry]) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """The timeline, newest first, as days of (time, kind, line)."""
    days: dict[str, list[tuple[str, str, str]]] = {}
    for entry in reversed(entries):
        line = render.entry(words.language, entry, plan=words.plan, zone=words.zone)
        days.setdefault(words.day(entry.at), []).append((words.time(entry.at), entry.kind, line))
    return list(days.items())


def _playbook_of(door: Door, incident: Incident) -> str | None:
    check = door.plan.checks.get(incident.check or "")
    found = door.playbooks().for_check(check.id, check.playbook) if check else None
    return found.id if found else None


def buttons(words: Words, incident: Incident) -> list[Button]:
    """What may be said to it now, the likeliest first."""
    number = incident.number

    def button(name: str, sentence: str, style: str = "") -> Button:
        return Button(words.say(f"incident.{name}"), sentence, style)

    match incident.status:
        case Status.TRIGGERED:
            return [
                button("acknowledge", grammar.say(events.Acknowledge(number, by="")), "primary"),
                button("resolve", grammar.say(events.Resolve(number, by=""))),
                button("escalate", grammar.say(events.Escalate(number, by=""))),
                button("snooze_30m", f"snooze {number} 30m", "quiet"),
                button("snooze_2h", f"snooze {number} 2h", "quiet"),
            ]
        case Status.ACKNOWLEDGED:
            return [
                button("resolve", grammar.say(events.Resolve(number, by="")), "primary"),
                button("unack", grammar.say(events.Unack(number, by=""))),
                button("escalate", grammar.say(events.Escalate(number, by=""))),
                button("snooze_30m", f"snooze {number} 30m", "quiet"),
                button("snooze_2h", f"snooze {number} 2h", "quiet"),
            ]
        case Status.RESOLVED if incident.merged_into is not None:
            return []
        case Status.RESOLVED:
            return [button("reopen", grammar.say(events.Reopen(number, by="")))]


def _say(door: Door, request: Request, number: int, sentence: str, acting_as: str) -> Response:
    """Somebody says a sentence to an incident. Browsers see its page again, programs get JSON."""
    caller = door.admit(request, ACT)
    person = _acting(door, caller, acting_as)
    words = door.words(request, person)
    answer = said_by(door, sentence, person, "web", number) if person else None
    key, text = _in_words(door, words, answer) if person else ("no_person", words.say("incident.no_person"))
    is_done = isinstance(answer, Done)
    log.info("said on the web", incident=number, person=person, token=caller.token, answer=key)
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"done": is_done, "key": key, "answer": text}, 200 if is_done else 409)
    if not is_done:
        return _incident_page(door, request, words, caller, number, refused=text, status=409)
    language = f"&lang={words.language}" if "lang" in request.query_params else ""
    return RedirectResponse(f"/incidents/{number}?said={door.gate.seal(text[:SAID_MAX], number)}{language}", 303)


def _in_words(door: Door, words: Words, answer: Done | Refuse | None) -> tuple[str, str]:
    """An answer's key, and its words."""
    if answer is None:
        return "question", words.say("error.question")
    return answer.key, render.answer(words.language, answer, plan=door.plan, zone=words.zone)


def _acting(door: Door, caller: Caller, acting_as: str) -> str | None:
    """Who speaks: the person of the session; with a bare token the one it names, else the person it is named after."""
    if caller.person is not None:
        return caller.person
    if caller.by_cookie:
        return None
    person = person_called(door.plan, acting_as or caller.token or "")
    return person.id if person else None


def said_by(door: Door, sentence: str, person: str, via: str, number: int | None = None) -> Done | Refuse | None:
    """What a person's sentence is answered; None for a question."""
    known = door.plan.people.get(person)
    zone = Words("en", zone=known.timezone if known else door.plan.timezone).tz
    meant = grammar.parse(sentence, by=person, door=via, now=door.now(), default_incident=number, zone=zone)
    if isinstance(meant, Command):
        return door.office.desk.answer(meant)
    return meant if isinstance(meant, Refuse) else None


# ---------------------------------------------------------------------------------------------------------------------
# Signing in


def sign_in_page(door: Door, request: Request, *, wrong: str = "", why: str = "", status: int = 200) -> HTMLResponse:
    """Asks for a token. `why` says what it is needed for, `wrong` what was wrong with the last one."""
    words = door.words(request, None)
    port = (request.scope.get("server") or ("", 0))[1]
    is_open_here = door.office.settings.web.loopback and request.scope["scheme"] == "http"
    here = f"http://127.0.0.1:{port}/" if is_open_here else ""
    return door.page(request, "sign_in", words, status=status, wrong=wrong, why=why, here=here)


def _sign_in(door: Door, request: Request, secret: str, name: str) -> Response:
    _must_be_ours(door, request)
    words = door.words(request, None)
    token = door.gate.token_of(secret.strip())
    if token is None:
        return sign_in_page(door, request, wrong=words.say("sign_in.wrong"), status=401)
    if not token.may & {READ, ACT}:
        return sign_in_page(door, request, wrong=words.say("sign_in.no_right"), status=403)
    person = person_called(door.plan, name)
    if person is None and name.strip():
        wrong = words.say("sign_in.wrong_person", person=name.strip()[:60])
        return sign_in_page(door, request, wrong=wrong, status=401)
    client = door.client(request.scope)
    log.info("signed in", client=client.address, token=token.id, person=person.id if person else None)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(
        COOKIE,
        door.gate.session(token, person.id if person else "", door.now()),
        max_age=int(SESSION_LASTS.total_seconds()),
        httponly=True,
        samesite="lax",  # a link in a message may open a page; a stranger's form brings no cookie
        secure=client.is_https,
    )
    return answer


def _must_be_ours(door: Door, request: Request) -> None:
    if not is_same_origin(request.headers, door.office.settings.public_url):
        raise Refused("cross_site", 403)
