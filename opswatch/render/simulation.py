"""A simulated life becomes a page of Markdown, in English and Chinese."""

from __future__ import annotations

import statistics
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.resources import files

from opswatch.core import calendars
from opswatch.core.model import Priority
from opswatch.core.plan import Plan
from opswatch.core.spans import say_roughly
from opswatch.render.documents import cell, safe
from opswatch.render.words import LANGUAGES, Reader, fill
from opswatch.sim.life import Life
from opswatch.sim.people import Part
from opswatch.sim.report import PersonLine, Report, median_and_p90

LIST_MAX = 20
BARS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Lived:
    """What the page is about. `seeds` rising; `steps` of all lives together."""

    plan: Plan
    report: Report
    life: Life
    seeds: Sequence[int]
    steps: int


def say(language: str, key: str, **facts: object) -> str:
    """The words of `section.key`. A key that no catalogue has is our mistake."""
    section, _, name = key.partition(".")
    catalogue = _catalogue(language if language in LANGUAGES else "en")
    return fill(catalogue[section][name], {fact: str(value) for fact, value in facts.items()})


def page(lived: Lived, language: str, zone: str) -> str:
    """The whole report as Markdown; times are local to `zone`."""
    writer = _Writer(lived, language, zone)
    return "\n\n".join(part for part in writer.parts() if part) + "\n"


class _Writer(Reader):
    __slots__ = ("lived", "report")

    def __init__(self, lived: Lived, language: str, zone: str) -> None:
        super().__init__(language, plan=lived.plan, zone=zone)
        self.lived, self.report = lived, lived.report

    def parts(self) -> Iterable[str]:
        report = self.report
        days = round((report.until - report.start) / timedelta(days=1))
        yield f"# {self._say('title', name=safe(self.lived.plan.name), days=days)}"
        yield self._span()
        yield f"## {self._say('interrupted')}"
        yield from self._interrupted()
        yield f"## {self._say('answers')}"
        yield from self._answers()
        yield f"## {self._say('gaps')}"
        yield self._gaps()
        yield f"## {self._say('unanswered_list')}"
        yield self._unanswered()
        yield f"## {self._say('supposed')}"
        yield from self._supposed()

    def _span(self) -> str:
        seeds = self.lived.seeds
        lives = self._say(
            "lives_one" if len(seeds) == 1 else "lives_many", count=len(seeds), first=seeds[0], last=seeds[-1]
        )
        return self._say(
            "span",
            start=self._at(self.report.start),
            until=self._at(self.report.until),
            zone=self.zone,
            lives=lives,
            incidents=self._mean(self.report.incidents.total()),
            pages=self._mean(self.report.pages),
            steps=f"{self.lived.steps:,}",
        )

    def _interrupted(self) -> Iterable[str]:
        lines = sorted(self.report.people.items(), key=lambda item: (-item[1].total, item[0]))
        if not self.report.pages:
            yield self._say("nobody")
        heads = ["person", "pages", *map(str, Priority), *Part, "nights", "acknowledged"]
        yield self._table(
            [self._say(head) if head not in Priority.__members__ else head for head in heads],
            [self._person_line(person, line) for person, line in lines],
        )
        yield self._say("parts")
        if self.report.pages:
            yield f"{self._say('hours')}:\n\n```\n{self._hours()}\n```"

    def _person_line(self, person: str, line: PersonLine) -> list[str]:
        counts = [line.total, *(line.pages[one] for one in Priority), *(line.parts[one] for one in Part)]
        return [self.person(person), *map(self._mean, [*counts, line.nights, line.acknowledged])]

    def _hours(self) -> str:
        most = max(self.report.hours.values())
        bars = (BARS[-(-8 * self.report.hours[hour] // most)] for hour in range(24))
        return f"{''.join(bar * 2 for bar in bars)}\n0     3     6     9     12    15    18    21"

    def _answers(self) -> Iterable[str]:
        report = self.report
        weeks = (report.until - report.start) / timedelta(days=7) * report.lives
        rows = []
        for one in Priority:
            found = median_and_p90(report.answered_s.get(one, []))
            spans = [say_seconds(value) for value in found] if found else ["–", "–"]
            total = report.incidents[one]
            counts = [self._mean(report.ended_first[one]), self._mean(report.unanswered_count[one])]
            rows.append([str(one), self._mean(total), f"{total / weeks:.1f}", *spans, *counts])
        heads = ("priority", "incidents", "per_week", "median", "p90", "ended_first", "unanswered")
        yield self._table([self._say(head) for head in heads], rows)
        yield self._say("answers_note")
        whole = sorted(report.weeks)
        said = [self._say("weeks", least=whole[0], median=f"{statistics.median(whole):g}", most=whole[-1])]
        if report.silence is not None:
            start, until = report.silence
            said.append(
                self._say("silence", span=say_roughly(until - start), start=self._at(start), until=self._at(until))
            )
        said.append(
            self._say("unreachable", count=self._mean(report.unreachable), repeated=self._mean(report.repeated))
        )
        yield " ".join(said)

    def _gaps(self) -> str:
        if not self.lived.plan.rosters:
            return self._say("no_rosters")
        lines = [
            self._say(
                "gap",
                roster=safe(gap.roster),
                start=self._at(gap.start),
                until=self._at(gap.end),
                span=say_roughly(gap.end - gap.start),
                who=self._say("gap_fallback" if gap.fallback else "gap_nobody"),
            )
            for gap in self.report.gaps
        ]
        return self._list(lines, len(lines)) if lines else self._say("no_gaps")

    def _unanswered(self) -> str:
        lines = [
            self._say(
                "unanswered_line", at=self._at(one.at), life=one.life, incident=one.incident, priority=one.priority
            )
            for one in self.report.unanswered[:LIST_MAX]
        ]
        return self._list(lines, self.report.unanswered_count.total()) if lines else self._say("none")

    def _supposed(self) -> Iterable[str]:
        life, answers = self.lived.life, self.lived.life.answers
        habits = {
            "work": answers.work,
            "evening": answers.evening,
            "night": answers.night,
            "night_loud": answers.night_loud,
        }
        yield self._say(
            "people_answer",
            **{name: _share(habit.probability) for name, habit in habits.items()},
            **{f"{name}_after": say_roughly(habit.after) for name, habit in habits.items()},
            loud="/".join(answers.loud) or "–",
            forgets=_share(answers.forgets),
            away_every=self._every(answers.out_of_reach_every),
            away_for=say_roughly(answers.out_of_reach_for),
        )
        yield self._say(
            "things_fail",
            between=self._by_priority(life.failures.between),
            heals=_share(life.failures.heals_itself),
            repairs=self._by_priority(answers.repairs_after),
            outage=self._every(life.failures.outage_every),
        )
        post, mishaps = life.delivery, life.mishaps
        yield self._say(
            "post_loses",
            lost=_share(post.lost),
            slow=_share(post.slow),
            temporary=_share(post.temporary),
            permanent=_share(post.permanent),
            crash=self._every(mishaps.crash_every),
            down=say_roughly(mishaps.down_for),
        )
        yield self._say("change_it")

    # words

    def _say(self, key: str, **facts: object) -> str:
        return say(self.language, f"report.{key}", **facts)

    def _at(self, at: datetime) -> str:
        return f"{calendars.reading(at, self.zone):%Y-%m-%d %H:%M}"

    def _every(self, mean: timedelta) -> str:
        return say_roughly(mean) if mean else self._say("never")

    def _by_priority(self, spans: Mapping[Priority, timedelta]) -> str:
        return self.join(f"{priority} {self._every(span)}" for priority, span in sorted(spans.items()))

    def _mean(self, count: int) -> str:
        """Of one life."""
        lives = self.report.lives
        return str(count) if lives == 1 else f"{count / lives:.1f}"

    def _list(self, lines: Sequence[str], count: int) -> str:
        shown = [f"- {line}" for line in lines[:LIST_MAX]]
        more = [f"- {self._say('and_more', count=count - LIST_MAX)}"] if count > LIST_MAX else []
        return "\n".join([*shown, *more])

    def _table(self, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
        lines = [heads, [" --- ", *[" ---: "] * (len(heads) - 1)], *rows]
        return "\n".join(f"| {' | '.join(cell(safe(one)) for one in line)} |" for line in lines)


def say_seconds(seconds: float) -> str:
    """`4m 12s`."""
    return say_roughly(timedelta(seconds=seconds))


def as_json(lived: Lived) -> dict[str, object]:
    """The same for programs: counts of all lives together, spans in seconds, instants in UTC."""
    report = lived.report
    return {
        "from": _utc(report.start),
        "until": _utc(report.until),
        "seeds": list(lived.seeds),
        "lives": report.lives,
        "steps": lived.steps,
        "incidents": {str(one): report.incidents[one] for one in Priority},
        "incidents_per_week": list(report.weeks),
        "pages": report.pages,
        "people": [
            {
                "person": person,
                "pages": line.total,
                "by_priority": {str(one): line.pages[one] for one in Priority},
                "by_part": {str(part): line.parts[part] for part in Part},
                "nights_woken": line.nights,
                "acknowledged": line.acknowledged,
            }
            for person, line in report.people.items()
        ],
        "by_hour": [report.hours[hour] for hour in range(24)],
        "acknowledge": {str(one): _acknowledge(report, one) for one in Priority},
        "gaps": [
            {"roster": gap.roster, "from": _utc(gap.start), "until": _utc(gap.end), "fallback": gap.fallback}
            for gap in report.gaps
        ],
        "unanswered": [
            {"incident": one.incident, "priority": str(one.priority), "at": _utc(one.at), "seed": one.life}
            for one in report.unanswered
        ],
        "longest_silence": {"from": _utc(report.silence[0]), "until": _utc(report.silence[1])}
        if report.silence
        else None,
        "unreachable": report.unreachable,
        "repeated": report.repeated,
    }


def _acknowledge(report: Report, priority: Priority) -> dict[str, object]:
    spans = report.answered_s.get(priority, [])
    found = median_and_p90(spans)
    return {
        "answered": len(spans),
        "median_s": found[0] if found else None,
        "p90_s": found[1] if found else None,
        "ended_first": report.ended_first[priority],
        "unanswered": report.unanswered_count[priority],
    }


def _share(share: float) -> str:
    return f"{100 * share:.3g} %"


def _utc(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


@lru_cache(maxsize=len(LANGUAGES))
def _catalogue(language: str) -> dict[str, dict[str, str]]:
    text = files("opswatch").joinpath("locale", f"simulate.{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
