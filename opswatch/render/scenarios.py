"""How scenarios went: lines for people, JSON, and JUnit XML for whatever runs them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from importlib.resources import files

from opswatch.core import calendars
from opswatch.core.plan import Plan
from opswatch.core.spans import say_span
from opswatch.render.answers import answer
from opswatch.render.words import LANGUAGES, Reader, fill
from opswatch.sim.scenario import SAME, Expected, Miss, Outcome, Paged

COLUMNS = (10, 14, 10)


@dataclass(frozen=True, slots=True)
class Played:
    """The scenarios of one file, as they went by one configuration."""

    file: str
    plan: Plan
    outcomes: Sequence[Outcome]


def text(played: Sequence[Played], *, language: str) -> list[str]:
    """A line for each scenario; for one that failed, what was expected beside what came; and the sum."""
    lines = [line for one in played for outcome in one.outcomes for line in _scenario(one, outcome, language)]
    count = sum(len(one.outcomes) for one in played)
    failed = sum(not outcome.is_ok for one in played for outcome in one.outcomes)
    key = "some_failed" if failed else "one_ok" if count == 1 else "all_ok"
    return [*lines, say(language, f"line.{key}", count=count, failed=failed)]


def as_json(played: Sequence[Played], *, language: str = "en") -> dict[str, object]:
    """The same for programs: spans in seconds from the beginning of the scenario."""
    outcomes = [outcome for one in played for outcome in one.outcomes]
    return {
        "ok": all(outcome.is_ok for outcome in outcomes),
        "failed": sum(not outcome.is_ok for outcome in outcomes),
        "scenarios": [
            {
                "file": one.file,
                "line": outcome.scenario.line,
                "name": outcome.scenario.name,
                "at": outcome.scenario.at.isoformat().replace("+00:00", "Z"),
                "ok": outcome.is_ok,
                "priority": outcome.priority or None,
                "why": outcome.why or None,
                "policy": outcome.policy or None,
                "pages": [_page_as_json(page) for page in outcome.pages],
                "unexpected": [_page_as_json(page) for page in outcome.unexpected],
                "misses": [
                    {
                        "kind": miss.kind,
                        "line": _line_of(miss),
                        "text": _Words(one, outcome, language).miss(miss),
                    }
                    for miss in outcome.misses
                ],
            }
            for one in played
            for outcome in one.outcomes
        ],
    }


def junit(played: Sequence[Played], *, language: str = "en") -> str:
    """One test suite per file, one case per scenario: what continuous integration shows."""
    from xml.etree import ElementTree as ET

    root = ET.Element("testsuites", name="opswatch test")
    for one in played:
        failed = sum(not outcome.is_ok for outcome in one.outcomes)
        suite = ET.SubElement(
            root, "testsuite", name=one.file, tests=str(len(one.outcomes)), failures=str(failed), errors="0"
        )
        for outcome in one.outcomes:
            scenario = outcome.scenario
            case = ET.SubElement(
                suite, "testcase", classname=one.file, name=scenario.name, file=one.file, line=str(scenario.line)
            )
            if not outcome.is_ok:
                lines = list(_scenario(one, outcome, language))
                failure = ET.SubElement(case, "failure", message=_first_trouble(one, outcome, language))
                failure.text = "\n".join(_plain(line) for line in lines)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def say(language: str, key: str, **facts: object) -> str:
    """The words of `section.key`. A key that no catalogue has is our mistake."""
    section, _, name = key.partition(".")
    catalogue = _catalogue(language if language in LANGUAGES else "en")
    return fill(catalogue[section][name], {fact: str(value) for fact, value in facts.items() if value is not None})


def _scenario(one: Played, outcome: Outcome, language: str) -> Iterator[str]:
    if outcome.is_ok:
        yield say(language, "line.ok", name=outcome.scenario.name)
        return
    yield from _Words(one, outcome, language).failed()


def _first_trouble(one: Played, outcome: Outcome, language: str) -> str:
    words = _Words(one, outcome, language)
    return next((words.miss(miss) for miss in outcome.misses), None) or " ".join(
        words.row("+", outcome.unexpected[0].after, outcome.unexpected[0]).split()
    )


class _Words(Reader):
    __slots__ = ("one", "outcome", "scenario")

    def __init__(self, one: Played, outcome: Outcome, language: str) -> None:
        super().__init__(language, plan=one.plan, zone=outcome.scenario.zone)
        self.one, self.outcome, self.scenario = one, outcome, outcome.scenario

    def failed(self) -> Iterator[str]:
        scenario, outcome = self.scenario, self.outcome
        yield self._say("line.failed", name=scenario.name, file=self.one.file, line=scenario.line)
        local = calendars.reading(scenario.at, scenario.zone)
        at = f"{self.word('time.weekdays').split()[local.weekday()]} {local:%Y-%m-%d %H:%M} ({scenario.zone})"
        yield f"    {self._say('line.begins', at=at, why=outcome.why or None, policy=outcome.policy or None)}"
        listed = scenario.pages is not None and any(miss.expected in scenario.pages for miss in outcome.misses)
        for miss in outcome.misses:
            if not (scenario.pages is not None and miss.expected in scenario.pages):
                yield f"    {self.miss(miss)}"
        if listed or outcome.unexpected:
            yield f"    {self._say('line.course')}"
            yield from self._diff()
        else:
            yield f"    {self._say('line.pages')}"
            rows = [self.row(" ", page.after, page) for page in outcome.pages]
            yield from rows or [f"      {self._say('line.no_pages')}"]

    def _diff(self) -> Iterator[str]:
        outcome = self.outcome
        asked = self.scenario.pages or ()
        missing = [miss.expected for miss in outcome.misses if miss.expected is not None and miss.expected in asked]
        rows: list[tuple[timedelta, int, str]] = []
        for page in outcome.pages:
            is_new = any(page is one for one in outcome.unexpected)
            if is_new or page.after < self.scenario.listed_until + SAME:
                mark = "+" if is_new else "="
                rows.append((page.after, 1 if is_new else 0, self.row(mark, page.after, page)))
        for one in missing:
            rows.append((one.ends, 2, self._missing(one)))
        yield from (row for _, _, row in sorted(rows, key=lambda row: row[:2]))

    def row(self, mark: str, after: timedelta, page: Paged) -> str:
        """One page that came."""
        said = self._say("page.came", level=page.level, reason=self.code(page.reason), roster=page.roster)
        return self._columns(mark, after, page.person, page.contact, said)

    def _missing(self, one: Expected) -> str:
        way = one.contact or self._say("page.any_way")
        return self._columns("-", one.ends, one.person or "", way, self._say("page.expected", line=one.line))

    def _columns(self, mark: str, after: timedelta, person: str, contact: str, words: str) -> str:
        cells = zip((_plus(after), person, contact), COLUMNS, strict=True)
        return f"    {mark} {''.join(cell.ljust(width) for cell, width in cells)} {words}".rstrip()

    def miss(self, miss: Miss) -> str:
        """What was expected and is not so, in a sentence."""
        one, page = miss.expected, miss.page
        line = _line_of(miss)
        match miss.kind:
            case "endless":
                return self._say("miss.endless")
            case "answer":
                assert miss.happening is not None
                if miss.answer is None:
                    return self._say("miss.not_refused", line=line, text=miss.happening.text)
                words = answer(self.language, miss.answer, plan=self.plan, zone=self.zone).splitlines()[0]
                return self._say("miss.refused", line=line, text=miss.happening.text, answer=words)
        assert one is not None
        if miss.kind == "stands":
            what = self._say(f"key.{miss.key}")
            so = {"what": what, "wanted": miss.wanted, "seen": miss.seen}
            return self._say("miss.stands", line=line, at=_plus(one.ends), **so)
        facts = {"line": line, "person": one.person, "contact": one.contact}
        when = "within" if one.within is not None else "before" if one.before is not None else "at"
        if miss.kind == "came":
            assert page is not None
            facts |= {"who": page.person, "way": page.contact, "at": _plus(page.after), "when": _plus(one.ends)}
            return self._say(f"miss.came_{when}", **facts, within=say_span(one.ends), before=_plus(one.ends))
        facts |= {"reason": one.reason, "level": one.level, "roster": one.roster}
        said = self._say(f"miss.page_{when}", **facts, at=_plus(one.ends), within=say_span(one.ends))
        if page is None:
            return said
        return said + self._say("miss.page_near", at=_plus(page.after), person=page.person, contact=page.contact)

    def _say(self, key: str, **facts: object) -> str:
        return say(self.language, key, **facts)


def _line_of(miss: Miss) -> int | None:
    return miss.expected.line if miss.expected else miss.happening.line if miss.happening else None


def _page_as_json(page: Paged) -> dict[str, object]:
    return {
        "after_s": round(page.after.total_seconds(), 3),
        "incident": page.incident,
        "person": page.person,
        "contact": page.contact,
        "reason": page.reason,
        "level": page.level,
        "priority": page.priority,
        "roster": page.roster,
    }


def _plus(after: timedelta) -> str:
    return "+" + say_span(timedelta(seconds=round(after.total_seconds())))


def _plain(line: str) -> str:
    """Without what XML cannot carry."""
    return "".join(letter for letter in line if letter == "\t" or letter >= " ")


@lru_cache(maxsize=len(LANGUAGES))
def _catalogue(language: str) -> dict[str, dict[str, str]]:
    text = files("opswatch").joinpath("locale", f"test.{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
