"""Two simulated designs side by side: Markdown for a terminal, JSON, and one HTML file with plots."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opswatch.core import calendars
from opswatch.core.model import Priority
from opswatch.core.plan import Plan
from opswatch.core.spans import say_roughly
from opswatch.render.documents import cell, safe
from opswatch.render.review_page import HTML_LANGUAGES, templates
from opswatch.render.simulation import say, say_seconds
from opswatch.render.words import Reader
from opswatch.sim.comparison import PAGED, PAIRS_MIN, Comparison, Row
from opswatch.sim.report import PersonLine, Report, median_and_p90

BAR_WIDTH = 32
TICKS_S = (10, 60, 300, 1800, 7200, 28800, 86400, 345600)
PEOPLE_MAX = 40


def page(found: Comparison, language: str, zone: str) -> str:
    """The comparison as Markdown; times are local to `zone`."""
    return "\n\n".join(part for part in _Writer(found, language, zone).parts() if part) + "\n"


def html(found: Comparison, language: str, zone: str) -> str:
    """The same as one HTML file: styles and plots inside, nothing fetched, no script."""
    writer = _Writer(found, language, zone)
    return (
        templates()
        .get_template("compare.html.j2")
        .render(
            language=HTML_LANGUAGES[writer.language],
            title=writer.title(),
            remarks=[writer.span_line(), *writer.coverage()],
            names=writer.names,
            heads=writer.heads(),
            rows=[writer.row(row) for row in found.rows],
            verdicts=[row.better for row in found.rows],
            note=writer.note(),
            answers=writer.answers_plot(),
            ticks=[(_place(tick), say_roughly(timedelta(seconds=tick))) for tick in TICKS_S],
            nights=writer.nights_plot(),
            hours=[[report.hours[hour] / report.lives for hour in range(24)] for report in found.reports],
            people_heads=writer.people_heads(),
            people=list(writer.people_rows()),
            say=writer.say_it,
        )
    )


def as_json(found: Comparison) -> dict[str, object]:
    """The same for programs: spans in seconds, means of one life, each life's own figures beside them."""
    names = names_of(found.plans)
    return {
        "first": names[0],
        "second": names[1],
        "from": _utc(found.reports[0].start),
        "until": _utc(found.reports[0].until),
        "seeds": list(found.seeds),
        "steps": found.steps,
        "rows": [
            {
                "figure": row.metric.key,
                "priority": str(row.metric.priority) if row.metric.priority is not None else None,
                "unit": row.metric.unit,
                "first": row.means[0],
                "second": row.means[1],
                "difference": row.difference,
                "low": row.low,
                "high": row.high,
                "better": row.better,
                "first_lives": list(row.first),
                "second_lives": list(row.second),
            }
            for row in found.rows
        ],
        "uncovered_s": [span.total_seconds() for span in found.uncovered],
        "gaps": [len(report.gaps) for report in found.reports],
        "people": [
            {
                "person": person,
                **{
                    which: _person_as_json(report.people.get(person, PersonLine()), report.lives)
                    for which, report in zip(("first", "second"), found.reports, strict=True)
                },
            }
            for person in _people(found)
        ],
    }


def names_of(plans: Sequence[Plan]) -> tuple[str, str]:
    """What to call the two: their own names, told apart where these are the same."""
    first, second = plans[0].name, plans[1].name
    return (first, second) if first != second else (f"{first} A", f"{second} B")


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a plot: its share of the width, up to its whisker's; and its value in words."""

    share: float
    whisker: float
    words: str


class _Writer(Reader):
    __slots__ = ("found", "names")

    def __init__(self, found: Comparison, language: str, zone: str) -> None:
        super().__init__(language, plan=found.plans[0], zone=zone)
        self.found, self.names = found, names_of(found.plans)

    def parts(self) -> Iterator[str]:
        yield f"# {self.title()}"
        yield self.span_line()
        yield f"## {self.say_it('figures')}"
        yield _table(self.heads(), [self.row(row) for row in self.found.rows])
        yield self.note()
        yield "\n".join(f"- {line}" for line in self.coverage())
        yield f"## {self.say_it('plot_answers')}"
        yield f"```\n{self._answer_bars()}\n```"
        yield f"## {self.say_it('people')}"
        yield _table(self.people_heads(), self.people_rows())

    def title(self) -> str:
        return self.say_it("title", first=safe(self.names[0]), second=safe(self.names[1]), days=self._days())

    def span_line(self) -> str:
        found, seeds = self.found, self.found.seeds
        key = "compare.same_lives" if len(seeds) > 1 else "report.lives_one"
        lives = say(self.language, key, count=len(seeds), first=seeds[0], last=seeds[-1])
        return self.say_it(
            "span",
            start=self._at(found.reports[0].start),
            until=self._at(found.reports[0].until),
            zone=self.zone,
            lives=lives,
            steps=f"{found.steps:,}",
        )

    def coverage(self) -> list[str]:
        """When nobody is on call, by design and by mistake."""
        names = {"first_name": self.names[0], "second_name": self.names[1], "days": self._days()}
        spans = [say_roughly(one) if one else "0" for one in self.found.uncovered]
        gaps = [len(report.gaps) for report in self.found.reports]
        return [
            self.say_it("uncovered", first=spans[0], second=spans[1], **names),
            self.say_it("gaps", first=gaps[0], second=gaps[1], **names),
        ]

    def note(self) -> str:
        few = f" {self.say_it('few_lives')}" if len(self.found.seeds) < PAIRS_MIN else ""
        return f"{self.say_it('note')} {self.say_it('answers_note')}{few}"

    # figures

    def heads(self) -> list[str]:
        return [self.say_it("figure"), *self.names, self.say_it("difference"), self.say_it("verdict")]

    def row(self, row: Row) -> list[str]:
        """Its name, both means, the difference with its span, and who is better."""
        unit = row.metric.unit
        first, second = (self._value(value, unit) for value in row.means)
        name = self.say_it(row.metric.key, priority=row.metric.priority)
        which = {"first": self.names[0], "second": self.names[1]}.get(row.better)
        verdict = which or self.say_it(row.better)
        return [name, first, second, self._difference(row), verdict]

    def _difference(self, row: Row) -> str:
        if row.difference is None or row.low is None or row.high is None:
            return self.say_it("none")
        values = [self._signed(value, row.metric.unit) for value in (row.difference, row.low, row.high)]
        return f"{values[0]} ({values[1]} … {values[2]})"

    def _value(self, value: float | None, unit: str) -> str:
        if value is None:
            return self.say_it("none")
        if unit == "s":
            return say_seconds(value)
        return f"{100 * value:.0f} %" if unit == "share" else f"{value:.1f}"

    def _signed(self, value: float, unit: str) -> str:
        sign = "−" if value < 0 else "+"
        return f"{sign}{self._value(abs(value), unit)}"

    # people

    def people_heads(self) -> list[str]:
        return [
            self.say_it("person"),
            *(self.say_it("pages_of", name=name) for name in self.names),
            *(self.say_it("nights_of", name=name) for name in self.names),
        ]

    def people_rows(self) -> Iterator[list[str]]:
        """Who is interrupted at all, by either; who most, first."""
        for person in _people(self.found):
            lines = [(report.people.get(person, PersonLine()), report.lives) for report in self.found.reports]
            yield [
                self.person(person),
                *(f"{line.total / lives:.1f}" for line, lives in lines),
                *(f"{line.nights / lives:.1f}" for line, lives in lines),
            ]

    # plots

    def answers_plot(self) -> list[tuple[str, list[Bar]]]:
        """For each priority both designs' bars: the median, with a whisker to what nine of ten do not exceed."""
        found = []
        for priority in PAGED:
            bars = [self._answer_bar(report, priority) for report in self.found.reports]
            if any(bar.share for bar in bars):
                found.append((str(priority), bars))
        return found

    def _answer_bar(self, report: Report, priority: Priority) -> Bar:
        spans = median_and_p90(report.answered_s.get(priority, []))
        if spans is None:
            return Bar(0.0, 0.0, self.say_it("none"))
        words = f"{say_seconds(spans[0])} … {say_seconds(spans[1])}"
        return Bar(_place(spans[0]), _place(spans[1]), words)

    def _answer_bars(self) -> str:
        """The same with letters: on a scale on which each step is some five times the one before."""
        width = max(len(name) for name in self.names)
        lines = []
        for priority, bars in self.answers_plot():
            for name, bar in zip(self.names, bars, strict=True):
                full, whisker = round(bar.share * BAR_WIDTH), round(bar.whisker * BAR_WIDTH)
                drawn = "█" * full + "─" * (whisker - full)
                lines.append(f"{priority}  {name.ljust(width)}  {drawn.ljust(BAR_WIDTH)}  {bar.words}".rstrip())
        return "\n".join(lines)

    def nights_plot(self) -> list[tuple[str, list[Bar]]]:
        """For each person who is woken, both designs' nights in one life."""
        nights = {
            person: [report.people.get(person, PersonLine()).nights / report.lives for report in self.found.reports]
            for person in _people(self.found)
        }
        most = max((max(pair) for pair in nights.values()), default=0.0)
        return [
            (self.person(person), [Bar(value / most, value / most, f"{value:.1f}") for value in pair])
            for person, pair in nights.items()
            if any(pair)
        ][:PEOPLE_MAX]

    # words

    def say_it(self, key: str, **facts: object) -> str:
        return say(self.language, f"compare.{key}", **{name: one for name, one in facts.items() if one is not None})

    def _days(self) -> int:
        report = self.found.reports[0]
        return round((report.until - report.start) / timedelta(days=1))

    def _at(self, at: datetime) -> str:
        return f"{calendars.reading(at, self.zone):%Y-%m-%d %H:%M}"


def _people(found: Comparison) -> list[str]:
    """Everybody who was paged by either, who was paged most first."""
    first, second = found.reports
    known = dict.fromkeys([*first.people, *second.people])
    pages = {
        who: first.people.get(who, PersonLine()).total + second.people.get(who, PersonLine()).total for who in known
    }
    return sorted((who for who in known if pages[who]), key=lambda who: (-pages[who], who))


def _person_as_json(line: PersonLine, lives: int) -> dict[str, object]:
    return {
        "pages": line.total / lives,
        "by_part": {str(part): count / lives for part, count in line.parts.items()},
        "nights_woken": line.nights / lives,
    }


def _place(seconds: float) -> float:
    """Where a span stands on the plot, 0 to 1: each tick is several times the one before."""
    low, high = math.log(TICKS_S[0]), math.log(TICKS_S[-1])
    return min(1.0, max(0.0, (math.log(max(seconds, 1.0)) - low) / (high - low)))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, [" --- ", *[" ---: "] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cell(safe(one)) for one in line)} |" for line in lines)


def _utc(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
