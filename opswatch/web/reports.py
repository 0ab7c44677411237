"""Inspections in a browser: the last runs, each report as its page, and the form that signs an item."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from opswatch import logs, render
from opswatch.core.effects import Done
from opswatch.core.events import SignInspection
from opswatch.core.inspection import Report
from opswatch.inspections import Reports, RunRow
from opswatch.render import inspection_page, inspection_text
from opswatch.render.inspection import Inspector, changed, counted, title_of
from opswatch.web.auth import ACT, READ
from opswatch.web.door import Door, Form
from opswatch.web.pages import GET, SAID_MAX, NotFound
from opswatch.web.words import Words

log = logs.get("web")

LIST_MAX = 100
NOTE_MAX = 500
_RUN = re.compile(r"\d{4}-\d\d-\d\d-\w[\w.-]{0,99}")
_WORST = ("crit", "warn", "unknown")


@dataclass(frozen=True, slots=True)
class RunLine:
    """One line of the list."""

    run: str
    title: str
    when: str
    state: str
    result: str
    changes: str
    by: str
    to_sign: str


def add_reports(app: FastAPI, door: Door) -> None:
    """`/inspections`, each run, its files, and signing."""

    @app.api_route("/inspections", methods=GET, include_in_schema=False)
    def inspections(request: Request) -> HTMLResponse:
        caller = door.admit(request, READ)
        words = door.words(request, caller.person)
        lines = [_line(door, words, row, left) for row, left in _runs(door)]
        return door.page(request, "inspections", words, caller, runs=lines, told=_writer(door, words).say)

    @app.api_route("/inspections/{run}", methods=GET, include_in_schema=False)
    def inspection(request: Request, run: str) -> HTMLResponse:
        door.admit(request, READ)
        said = door.gate.unseal(request.query_params.get("said", ""), _mark(run)) or ""
        return _page(door, request, run, said=said)

    @app.post("/inspections/{run}/sign", include_in_schema=False)
    def sign(request: Request, run: str, form: Form) -> Response:
        return _sign(door, request, run, form.get("item", ""), form.get("note", ""))

    @app.api_route("/inspections/{run}/report.{kind}", methods=GET, include_in_schema=False)
    def file(request: Request, run: str, kind: str) -> Response:
        caller = door.admit(request, READ)
        language = door.words(request, caller.person).language
        return _file(_found(door, run), door, kind, language)


def _page(door: Door, request: Request, run: str, *, said: str = "", status: int = 200) -> HTMLResponse:
    """The report's own page, with what only a browser can do. Its one style sheet is named to the browser by its hash:
    nothing else in it may style or run."""
    caller = door.caller(request)
    words = door.words(request, caller.person)
    found = _found(door, run)
    asked = f"?lang={words.language}" if "lang" in request.query_params else ""
    told = _writer(door, words).say
    nav = [(f"← {told('list.back')}", f"/inspections{asked}")]
    kinds = ("html", "md", "json")
    nav += [(told(f"list.download_{kind}"), f"/inspections/{found.run}/report.{kind}{asked}") for kind in kinds]
    html = inspection_page.page(
        found,
        door.plan,
        language=words.language,
        nav=nav,
        said=said,
        sign_url=f"/inspections/{found.run}/sign{asked}" if caller.may_act and caller.person else None,
        playbook_url=lambda name: f"/playbooks/{name}{asked}" if door.playbooks().get(name) else None,
    )
    return HTMLResponse(html, status, headers={"content-security-policy": _policy()})


def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(str(inspection_page.css()).encode()).digest()).decode()
    own = f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'"
    return f"{own}; base-uri 'none'; frame-ancestors 'none'"


def _sign(door: Door, request: Request, run: str, item: str, note: str) -> Response:
    """Somebody signs an item. Browsers see the report again, programs get JSON."""
    caller = door.admit(request, ACT)
    words = door.words(request, caller.person)
    if caller.person is None:
        key, text, is_done = "no_person", words.say("incident.no_person"), False
    else:
        number = int(item) if item.isascii() and item.isdigit() and len(item) < 4 else 0
        command = SignInspection(run[:120], number, note.strip()[:NOTE_MAX], by=caller.person, door="web")
        answer = door.office.desk.answer(command)
        key, is_done = answer.key, isinstance(answer, Done)
        text = render.answer(words.language, answer, plan=door.plan, zone=words.zone)
    log.info("signed on the web", run=run[:120], item=item[:4], person=caller.person, answer=key)
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"done": is_done, "key": key, "answer": text}, 200 if is_done else 409)
    if not is_done:
        return _page(door, request, run, said=text, status=409)
    language = f"&lang={words.language}" if "lang" in request.query_params else ""
    return RedirectResponse(f"/inspections/{run}?said={door.gate.seal(text[:SAID_MAX], _mark(run))}{language}", 303)


def _mark(run: str) -> int:
    """What an answer is sealed for: it is shown with this run and no other."""
    return int(hashlib.sha256(run.encode()).hexdigest()[:12], 16)


def _file(found: Report, door: Door, kind: str, language: str) -> Response:
    """The report to keep: as it is now, in the reader's language."""
    match kind:
        case "html":
            text, media = inspection_page.page(found, door.plan, language=language), "text/html"
        case "md":
            text = inspection_text.for_terminal(found, door.plan, language=language, show_all=True)
            media = "text/markdown"
        case "json":
            text, media = json.dumps(inspection_text.as_json(found), ensure_ascii=False, indent=1), "application/json"
        case _:
            raise NotFound
    name = found.run.encode("ascii", "replace").decode().replace("?", "_")
    headers = {"content-disposition": f'attachment; filename="{name}.{kind}"'}
    return Response(text, media_type=f"{media}; charset=utf-8", headers=headers)


# ---------------------------------------------------------------------------------------------------------------------


def _reports(door: Door) -> Reports:
    return Reports(door.office.desk, door.office.store)


def _found(door: Door, run: str) -> Report:
    """Raises NotFound."""
    found = _reports(door).report(run) if _RUN.fullmatch(run) else None
    if found is None:
        raise NotFound("inspections.not_found", "inspections.not_found_text", name=run[:80])
    return found


def _runs(door: Door) -> Sequence[tuple[RunRow, int]]:
    reports = _reports(door)
    unsigned = reports.unsigned()
    return [(row, unsigned.get(row.run, 0)) for row in reports.rows(limit=LIST_MAX)]


def _writer(door: Door, words: Words) -> Inspector:
    return Inspector(words.language, plan=door.plan, zone=words.zone, day=door.now())


def _line(door: Door, words: Words, row: RunRow, left: int) -> RunLine:
    writer = _writer(door, words)
    by = words.person(row.by) if row.by else ""
    told = writer.say
    own = told("list.own_look") if row.told_at is None else ""
    return RunLine(
        run=row.run,
        title=title_of(writer, row.inspection),
        when=words.when(row.began_at),
        state=next((state for state in _WORST if row.counts.get(state)), "ok"),
        result=counted(writer, row.counts),
        changes=changed(writer, row.changes),
        by=words.join(part for part in (by, own) if part),
        to_sign=writer.counted("inspection.to_sign", left) if left else "",
    )
