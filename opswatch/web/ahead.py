"""Pages about what is ahead and what was written: rosters for the next two weeks, the documents on record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from opswatch import records
from opswatch.core.roster import Shift
from opswatch.render import roster_page
from opswatch.render.coverage import sentence
from opswatch.web.auth import READ
from opswatch.web.door import Door
from opswatch.web.pages import GET, NotFound
from opswatch.web.words import Words

AHEAD = timedelta(days=14)
FINDINGS_SHOWN = 5  # of one roster; its calendar shows more
SHIFTS_SHOWN = 60
DOCUMENTS_MAX = 200
DOCUMENT_BYTES_MAX = 1024 * 1024
_KIND = re.compile(r"[a-z][a-z0-9-]{0,40}")
_NAME = re.compile(r"[\w.@+-]{1,180}\.md")


@dataclass(frozen=True, slots=True)
class Line:
    """One shift, in the reader's words. `tone`: gap, override, now or nothing."""

    tone: str
    people: str
    when: str
    span: str
    layer: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One roster. `findings` are (tone, what, sentence); `more` says how many are left out."""

    roster: str
    findings: list[tuple[str, str, str]]
    more: str
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class DocumentLine:
    kind: str
    name: str
    title: str
    written: str
    kind_words: str


def add_ahead(app: FastAPI, door: Door) -> None:
    """`/rosters`, `/documents` and the documents themselves."""

    @app.api_route("/rosters", methods=GET, include_in_schema=False)
    def rosters(request: Request) -> HTMLResponse:
        caller = door.admit(request, READ)
        words = door.words(request, caller.person)
        return door.page(request, "rosters", words, caller, rosters=list(_rosters(door, words)))

    @app.api_route("/rosters/{roster}", methods=GET, include_in_schema=False)
    def roster_calendar(request: Request, roster: str) -> HTMLResponse:
        caller = door.admit(request, READ)
        words = door.words(request, caller.person)
        if roster not in door.plan.rosters:
            raise NotFound("rosters.not_found", "rosters.not_found_text", roster=roster[:80])
        asked = f"?lang={words.language}" if "lang" in request.query_params else ""
        nav = [(f"← {words.say('rosters.title')}", f"/rosters{asked}")]
        found = door.office.views.ahead.coverage(roster=roster)
        html = roster_page.page(found, door.plan, language=words.language, at=door.now(), nav=nav)
        return HTMLResponse(html, headers={"content-security-policy": roster_page.policy()})

    @app.api_route("/documents", methods=GET, include_in_schema=False)
    def documents(request: Request) -> HTMLResponse:
        caller = door.admit(request, READ)
        words = door.words(request, caller.person)
        lines = list(_documents(records_of(door), words))
        return door.page(request, "documents", words, caller, documents=lines, limit=DOCUMENTS_MAX)

    @app.api_route("/documents/{kind}/{name}", methods=GET, include_in_schema=False)
    def document(request: Request, kind: str, name: str) -> HTMLResponse:
        caller = door.admit(request, READ)
        words = door.words(request, caller.person)
        text = _read(records_of(door), kind, name)
        return door.page(request, "document", words, caller, name=name.removesuffix(".md"), text=text)


# ---------------------------------------------------------------------------------------------------------------------
# Rosters


def _rosters(door: Door, words: Words) -> Iterator[Sheet]:
    """Each roster with what is wrong with it, and its shifts of the next two weeks, the running one first."""
    now = door.now()
    for found in door.office.views.ahead.coverage():
        shifts = [shift for shift in found.shifts if shift.start < now + AHEAD]
        findings = [
            (roster_page.tone(one.kind), words.word(f"coverage.kind_{one.kind}"), sentence(words, one.facts()))
            for one in found.findings[:FINDINGS_SHOWN]
        ]
        left = len(found.findings) - FINDINGS_SHOWN
        more = words.word("coverage.more", count=left) if left > 0 else ""
        yield Sheet(found.roster, findings, more, [_line(words, shift, now) for shift in shifts[:SHIFTS_SHOWN]])


def _line(words: Words, shift: Shift, now: datetime) -> Line:
    is_now = shift.start <= now < shift.end
    tone = "gap" if not shift.people else "override" if shift.override else "now" if is_now else ""
    people = ", ".join(words.person(person) for person in shift.people) or words.say("rosters.nobody")
    return Line(
        tone=tone,
        people=people,
        when=words.say("rosters.from_to", start=words.when(shift.start), end=words.when(shift.end)),
        span=words.span(shift.end - shift.start),
        layer=words.say("rosters.override") if shift.override else shift.layer or "",
    )


# ---------------------------------------------------------------------------------------------------------------------
# Documents


def records_of(door: Door) -> Path:
    """Where the files are."""
    return door.office.settings.data_dir / "records"


def _documents(folder: Path, words: Words) -> Iterator[DocumentLine]:
    """The newest documents of every kind, by when they were last written."""
    found = []
    for kind in sorted(folder.iterdir()) if folder.is_dir() else ():
        if kind.is_dir() and _KIND.fullmatch(kind.name):
            found += [
                (file.stat().st_mtime, kind.name, file) for file in kind.glob("*.md") if _NAME.fullmatch(file.name)
            ]
    for written, kind_name, file in sorted(found, reverse=True)[:DOCUMENTS_MAX]:
        at = datetime.fromtimestamp(written, UTC)
        yield DocumentLine(kind_name, file.name, _title(file), words.when(at), _kind_words(words, kind_name))


def _kind_words(words: Words, kind: str) -> str:
    key = f"documents.kind_{kind}"
    said = words.say(key)
    return kind if said == key else said


def _title(file: Path) -> str:
    """Its first heading; its name where it has none."""
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("# "):
                    return line[2:].strip()[:200]
    except OSError:
        return file.stem
    return file.stem


def _read(folder: Path, kind: str, name: str) -> str:
    """One document, without the marks of its generated parts. Raises NotFound; only names of ours, no links away."""
    path = folder / kind / name
    is_ours = _KIND.fullmatch(kind) and _NAME.fullmatch(name) and path.is_file() and not path.is_symlink()
    if not is_ours:
        raise NotFound("documents.not_found", "documents.not_found_text", name=name[:80])
    return records.for_reading(path.read_bytes()[:DOCUMENT_BYTES_MAX].decode("utf-8", errors="replace"))
