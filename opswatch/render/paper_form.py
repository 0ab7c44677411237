"""What people wrote into a post-mortem: its sections, its table of actions, and what is still missing.

Headings are known in every language: a file that was begun in one is read in any.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from opswatch.core.events import Action
from opswatch.core.model import PaperKind
from opswatch.core.plan import Plan
from opswatch.records import parts_of
from opswatch.render.documents import Writer, catalogue
from opswatch.render.postmortem import ASKED, FIVE
from opswatch.render.words import LANGUAGES

ROWS_MAX = 50
_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)  # no time is said here
NONE = frozenset({"none", "no action", "no actions", "nothing", "n/a", "无", "没有", "无措施"})
NOT_DONE = frozenset({"", "-", "–", "no", "open", "否", "未完成"})

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_ROW = re.compile(r"^[ \t]*\|(.*)\|[ \t]*$")
_RULE = re.compile(r"[\s|:-]*")
_TASK = re.compile(r"^[ \t]*[-*][ \t]+\[([ xX✓✔])\][ \t]+(.+?)[ \t]*$")
_AT = re.compile(r"@([\w.-]+(?::[\w.-]+)?)|(?<!\w)(team:[\w.-]+)")
_DATE = re.compile(r"\b(\d{4}-\d\d-\d\d)\b")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table of actions, as it is written."""

    title: str
    owner: str = ""
    due: str = ""
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """`sections` are those found, name → what people wrote in it; `five` the answers of a short review."""

    sections: Mapping[str, str] = field(default_factory=dict)
    five: Mapping[str, str] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()


def read(text: str) -> Form:
    """What people wrote into the file. Never raises: what cannot be read is not there."""
    ours = _without_parts(text)
    sections = _sections(ours)
    return Form(sections, _five(ours), tuple(_rows(sections.get("actions", "")))[:ROWS_MAX])


def actions(form: Form, plan: Plan) -> tuple[Action, ...]:
    """The rows for the ledger. An owner that nobody is, or a date that is none, is left out there."""
    return tuple(Action(row.title, owner_of(row.owner, plan), day_of(row.due), row.is_done) for row in form.rows)


def missing(form: Form, kind: PaperKind, plan: Plan, language: str) -> list[str]:
    """What is still to be written, in words; empty when nothing is."""
    writer = Writer(language, plan=plan, zone=plan.timezone, day=_ANY_DAY)
    if kind is PaperKind.REVIEW:
        empty = [name for name in FIVE if not form.five.get(name)]
        return [_say(writer, "line_empty", section=writer.say(f"postmortem.{name}")) for name in empty]
    found = []
    for name in ASKED:
        section = writer.say(f"postmortem.{name}")
        if name not in form.sections:
            found.append(_say(writer, "absent", section=section))
        elif name == "actions":
            found += _missing_actions(writer, form, plan)
        elif not form.sections[name]:
            found.append(_say(writer, "empty", section=section))
    return found


def summary(incident: int, kind: str, count: int, language: str) -> str:
    """How many things are missing, or that nothing is."""
    writer = Writer(language, zone="UTC", day=_ANY_DAY)
    facts = {"number": incident, "what": writer.code(kind)}
    return writer.counted("postmortem_check.missing", count, **facts) if count else _say(writer, "complete", **facts)


def no_file(incident: int, language: str) -> str:
    """That there is nothing to look at yet."""
    return _say(Writer(language, zone="UTC", day=_ANY_DAY), "no_file", number=incident)


def owner_of(text: str, plan: Plan) -> str | None:
    """The id of a person, or `team:ID`, behind an id, a name or `@id`; None when nobody is called so."""
    wanted = text.strip().lstrip("@").removeprefix("person:").strip()
    if wanted.startswith("team:"):
        return wanted if any(f"team:{person.team}" == wanted for person in plan.people.values()) else None
    if wanted in plan.people:
        return wanted
    named = [person.id for person in plan.people.values() if wanted and wanted.lower() == person.name.lower()]
    return named[0] if len(named) == 1 else None


def day_of(text: str) -> date | None:
    """The date that `text` is; None when it is none."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


# ---------------------------------------------------------------------------------------------------------------------


def _missing_actions(writer: Writer, form: Form, plan: Plan) -> list[str]:
    if not form.rows:
        lines = [line.strip(" \t.。*_-").lower() for line in form.sections.get("actions", "").splitlines()]
        return [] if any(line in NONE for line in lines) else [_say(writer, "no_actions")]
    found = []
    for row in form.rows:
        if row.is_done:
            continue
        if not row.owner:
            found.append(_say(writer, "no_owner", action=row.title))
        elif owner_of(row.owner, plan) is None:
            found.append(_say(writer, "unknown_owner", action=row.title, owner=row.owner))
        if not row.due:
            found.append(_say(writer, "no_due", action=row.title))
        elif day_of(row.due) is None:
            found.append(_say(writer, "bad_due", action=row.title, due=row.due))
    return found


def _without_parts(text: str) -> str:
    """The text without what opswatch wrote into it, and without comments."""
    for part in sorted(parts_of(text).values(), key=lambda part: -part.start):
        text = text[: part.start] + text[part.end :]
    return _COMMENT.sub("", text)


def _sections(text: str) -> dict[str, str]:
    """Name → what stands under its heading, up to the next heading."""
    known = _headings()
    found: dict[str, str] = {}
    marks = list(_HEADING.finditer(text))
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        name = known.get(_plain(mark[1]))
        if name is not None and name not in found:
            found[name] = text[mark.end() : after.start() if after else len(text)].strip()
    return found


def _five(text: str) -> dict[str, str]:
    """The answers behind the bold questions, to the end of the item."""
    found: dict[str, str] = {}
    labels = {_plain(words["postmortem"][name]): name for words in _catalogues() for name in FIVE}
    current: str | None = None
    for line in text.splitlines():
        start = re.match(r"^[ \t]*(?:[-*]|\d+[.)])?[ \t]*\*\*(.+?)\*\*[ \t]*[:：]?[ \t]*(.*)$", line)
        if start and (name := labels.get(_plain(start[1].rstrip(":：")))) is not None:
            current = name
            found[name] = start[2].strip()
        elif line.lstrip().startswith("#"):
            current = None
        elif current is not None and line.strip():
            found[current] = f"{found[current]} {line.strip()}".strip()
    return found


def _rows(text: str) -> list[Row]:
    rows = []
    for line in text.splitlines():
        if (task := _TASK.match(line)) is not None:
            rows.append(_task(task))
        elif (row := _ROW.match(line)) is not None and not _RULE.fullmatch(row[1]):
            cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row[1])]
            cells += [""] * (4 - len(cells))
            if cells[0] and _plain(cells[0]) not in _table_heads():
                rows.append(Row(cells[0], cells[1], cells[2], cells[3].lower() not in NOT_DONE))
    return rows


def _task(task: re.Match[str]) -> Row:
    """`- [ ] order a spare disk @bo 2026-12-01`."""
    words = task[2]
    owner, day = _AT.search(words), _DATE.search(words)
    title = _DATE.sub("", _AT.sub("", words)).strip(" ,;.()，；。（）")
    return Row(" ".join(title.split()), (owner[1] or owner[2]) if owner else "", day[1] if day else "", task[1] != " ")


def _headings() -> dict[str, str]:
    return {_plain(words["postmortem"][name]): name for words in _catalogues() for name in ASKED}


def _table_heads() -> set[str]:
    return {_plain(words["postmortem"]["action"]) for words in _catalogues()}


def _catalogues() -> list[dict[str, dict[str, str]]]:
    return [catalogue(language) for language in LANGUAGES]


def _plain(heading: str) -> str:
    return " ".join(heading.strip("*_: ：").lower().split())


def _say(writer: Writer, name: str, **facts: object) -> str:
    return writer.say(f"postmortem_check.{name}", **facts)
