"""An inspection's report in words: what its Markdown, its HTML and its message are all made of."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from importlib.resources import files

from opswatch.core.inspection import Change, Line, Reading, Report
from opswatch.core.model import Health
from opswatch.core.plan import Plan
from opswatch.render.documents import Writer
from opswatch.render.words import LANGUAGES, fill

LATE = timedelta(minutes=5)
STATES = (Health.CRIT, Health.WARN, Health.UNKNOWN, Health.OK)
KNOWN_TITLES = ("daily", "weekly", "monthly")
LONG_S, SPAN_S_MAX = 120.0, 1e9
_COMPARISON = re.compile(r"\s*(>=|<=|==|!=|>|<)\s*([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*")
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


@dataclass(frozen=True, slots=True)
class Value:
    """One value in words. `course` are the worst of each day, for a sparkline."""

    name: str
    text: str
    limit: str
    was: str
    left: str
    state: str
    course: tuple[float | None, ...]
    per_day: str = ""
    to_limit: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line in words. `state` is `crit`, `warn`, `unknown` or `ok`: for colours."""

    state: str
    says: str
    check: str
    target: str
    item: str
    sentence: str
    was: str
    values: tuple[Value, ...]
    owner: str
    service: str
    priority: str
    since: str
    evidence: tuple[str, ...]
    notes: tuple[str, ...]
    playbook: str
    why: str
    by: str

    @property
    def what(self) -> str:
        """`disk-space on db-1, /var`."""
        return " ".join(part for part in (self.check, self.target, self.item) if part)


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the checklist; `signed` is empty until somebody did."""

    number: int
    text: str
    signed: str = ""
    note: str = ""


class Sheet:
    """A report for one language. Its parts are words; how they look is the business of who asks."""

    def __init__(self, report: Report, plan: Plan, language: str | None = None) -> None:
        self.report, self.plan = report, plan
        self.writer = Inspector(language or plan.language, plan=plan, zone=report.zone, day=report.began_at)

    def say(self, key: str, **facts: object) -> str:
        return self.writer.say(f"inspection.{key}", **facts)

    def count(self, key: str, count: int) -> str:
        return self.writer.counted(f"inspection.{key}", count)

    # the top

    @property
    def title(self) -> str:
        """`Daily inspection`."""
        return title_of(self.writer, self.report.inspection)

    @property
    def headline(self) -> str:
        return self.say("headline", title=self.title, day=self.writer.date(self.report.began_at))

    @property
    def short(self) -> str:
        """The run in one line: `2 critical, 1 warning, 38 ok`."""
        return counted(self.writer, self.report.counts())

    @property
    def changes_short(self) -> str:
        """`1 worse, 2 better`; empty when nothing changed, or there is no last run."""
        return changed(self.writer, self.report.changes())

    def facts(self) -> list[tuple[str, str]]:
        """(name, value) pairs for under the title."""
        report, writer = self.report, self.writer
        start, end = writer.between(report.began_at, report.ended_at)
        facts = [(self.say("fact_looked"), self.say("looked_at", start=start, end=end, zone=report.zone))]
        if report.due_at is not None and report.began_at - report.due_at > LATE:
            facts.append((self.say("fact_late"), self.say("late", at=writer.moment(report.due_at))))
        facts.append((self.say("fact_by"), self._by()))
        last = (
            self.say("last", run=report.last_run, at=writer.moment(report.last_at))
            if report.last_run and report.last_at
            else self.say("first_run")
        )
        facts.append((self.say("fact_last"), last))
        return facts

    def _by(self) -> str:
        if self.report.by is None:
            return self.say("by_machine", node=self.report.node)
        return self.say("by_person", node=self.report.node, person=self.writer.person(self.report.by))

    # what it holds

    def changes(self) -> list[tuple[str, str, list[Row]]]:
        """(kind, its words, rows): worse, new, gone, better, those that are not empty. What is new and well comes
        with the new ones."""
        report = self.report
        found = [
            ("worse", report.changed(Change.WORSE)),
            ("new", report.changed(Change.NEW)),
            ("gone", report.gone),
            ("better", report.changed(Change.BETTER)),
        ]
        return [(kind, self.say(kind), [self.row(line) for line in lines]) for kind, lines in found if lines]

    def bad(self) -> list[Row]:
        return [self.row(line) for line in self.report.bad]

    def heading(self) -> list[tuple[Row, Value]]:
        """What is on its way to a limit, with the value that gets there first."""
        found = []
        for line in self.report.heading:
            soonest = line.soonest
            if soonest is not None:
                found.append((self.row(line), self._value(soonest)))
        return found

    def everything(self) -> list[Row]:
        return [self.row(line) for line in self.report.lines]

    def checklist(self) -> list[Item]:
        signed = {one.item: one for one in self.report.signatures}
        items = []
        for number, text in enumerate(self.report.checklist, start=1):
            by = signed.get(number)
            said = self.say("signed", person=self.writer.person(by.by), at=self.writer.moment(by.at)) if by else ""
            items.append(Item(number, text, said, by.note if by else ""))
        return items

    # one line

    def row(self, line: Line) -> Row:
        report, writer = self.report, self.writer
        flickered = line.health is Health.OK and bool(line.bad_looks)
        notes = [*line.notes[: -1 if flickered else None]]
        if flickered:
            notes.append(self.say("flickered", bad=line.bad_looks, count=line.looks, text=line.notes[-1]))
        elif line.looks > 1 and line.bad_looks == line.looks:
            notes.append(self.say("seen_again", count=line.looks))
        is_old = line.bad_since is not None and line.bad_since < report.began_at
        return Row(
            state=str(line.health),
            says=writer.code(line.health),
            check=line.check,
            target=line.target,
            item=line.item,
            sentence=line.sentence,
            was=writer.code(line.was) if line.was is not None and line.was is not line.health else "",
            values=tuple(self._value(reading) for reading in line.readings),
            owner=self._owner(line),
            service=writer.service(line.service),
            priority=str(line.priority) if line.priority is not None else "",
            since=writer.moment(line.bad_since) if line.bad_since is not None and is_old else "",
            evidence=(*line.broken, *line.evidence),
            notes=tuple(notes),
            playbook=line.playbook or "",
            why=line.why,
            by=self.say("machine"),
        )

    def _owner(self, line: Line) -> str:
        if not line.owner:
            return self.writer.service(line.service)
        return self.writer.target(line.owner) if ":" in line.owner else self.writer.person(line.owner)

    def _value(self, reading: Reading) -> Value:
        course = reading.course
        left = self.writer.span(course.left) if course.left is not None and reading.health is Health.OK else ""
        limit = self.value(course.limit, reading.unit) if course.limit is not None else ""
        per_day = say_value(course.per_day, reading.unit, signed=True) if course.per_day is not None else ""
        return Value(
            name=reading.name,
            text=self.value(reading.value, reading.unit),
            limit=self.limit(reading),
            was=self.value(reading.was, reading.unit) if reading.was is not None else "",
            left=left,
            state=str(reading.health),
            course=course.days if course.is_drawn else (),
            per_day=self.say("per_day", value=per_day) if per_day and left else "",
            to_limit=self.say("to_limit", limit=limit, span=left) if left and limit else "",
        )

    def limit(self, reading: Reading) -> str:
        """`warning > 80, critical > 90`; empty where there is none."""
        if not reading.has_limit:
            return ""
        both = "yes" if reading.warn is not None and reading.crit is not None else ""
        warn, crit = (self._bound(text, reading.unit) for text in (reading.warn, reading.crit))
        return self.say("limit", warn=warn, crit=crit, both=both)

    def _bound(self, text: str | None, unit: str) -> str | None:
        """`> 93600` of seconds as `> 1d 2h`; a Nagios range as it is written."""
        found = _COMPARISON.fullmatch(text or "")
        return f"{found[1]} {self.value(float(found[2]), unit)}" if found else text

    def value(self, value: float, unit: str) -> str:
        """A value for people; long times as spans."""
        if unit == "s" and LONG_S <= value < SPAN_S_MAX:
            return self.writer.span(timedelta(seconds=value))
        return say_value(value, unit)


# ---------------------------------------------------------------------------------------------------------------------
# Words that a list of runs needs too


class Inspector(Writer):
    """A writer that has the words of inspections, too."""

    __slots__ = ()

    def say(self, key: str, **facts: object) -> str:
        section, _, name = key.partition(".")
        own = _catalogue(self.language).get(section)
        if own is None:
            return super().say(key, **facts)
        return fill(own[name], {fact: str(value) for fact, value in facts.items() if value not in (None, "")})


def title_of(writer: Writer, inspection: str) -> str:
    """`Daily inspection`, or `Inspection storage`."""
    if inspection in KNOWN_TITLES:
        return writer.say(f"inspection.title_{inspection}")
    return writer.say("inspection.title_other", name=inspection)


def counted(writer: Writer, counts: Mapping[str, int]) -> str:
    """`2 critical, 1 warning, 38 ok`, or that all is well."""
    total, fine = sum(counts.values()), counts.get("ok", 0)
    if not total:
        return writer.say("inspection.nothing")
    if total == fine:
        return writer.counted("inspection.all_well", total)
    return _joined(writer, ((str(state), counts.get(str(state), 0)) for state in STATES), "inspection.")


def changed(writer: Writer, changes: Mapping[str, int]) -> str:
    """`1 worse, 2 better`; empty when there is nothing to say."""
    kinds = ((kind, changes.get(kind, 0)) for kind in ("worse", "new", "gone", "better"))
    return _joined(writer, kinds, "inspection.change_")


def _joined(writer: Writer, counts: Iterable[tuple[str, int]], prefix: str) -> str:
    return writer.join(writer.counted(f"{prefix}{name}", count) for name, count in counts if count)


def say_value(value: float, unit: str, *, signed: bool = False) -> str:
    """A value for people: `96.4 %`, `12.3 GiB`, `180 ms`, `1,204`."""
    sign = "+" if signed and value > 0 else ""
    if unit == "B":
        size, place = abs(value), 0
        while size >= 1024 and place < len(_SIZES) - 1:
            size, place = size / 1024, place + 1
        return f"{sign}{'-' if value < 0 else ''}{_number(size)} {_SIZES[place]}"
    if unit == "s" and 0 < abs(value) < 1:
        return f"{sign}{_number(value * 1000)} ms"
    return f"{sign}{_number(value)} {unit}".rstrip()


def _number(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3g}"


@lru_cache(maxsize=len(LANGUAGES))
def _catalogue(language: str) -> dict[str, dict[str, str]]:
    text = files("opswatch").joinpath("locale", f"inspection.{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
