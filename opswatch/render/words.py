"""The catalogue: a key and its facts become words of a language. Every instant names its zone."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from opswatch.core.model import Priority
from opswatch.core.plan import Plan
from opswatch.core.spans import say_roughly
from opswatch.render import shift_words

LANGUAGES = ("en", "zh")
Facts = Mapping[str, object]

_OPTIONAL = re.compile(r"\[([^\[\]{]*\{[^\[\]]*)\]")  # Brackets without a fact are brackets: [[roster]].
_FACT = re.compile(r"\{(\w+)(\?|:[^{}|]*\|[^{}|]*|)\}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
_UNIT = re.compile(r"[dhms]")
_PEOPLE = frozenset({"by", "person", "people", "owner", "add", "remove", "whose", "following", "pools", "taker"})
_CODES = frozenset({"state", "before", "status", "reason", "why", "role", "severity", "stage", "what"})
_VALUE_MAX = 1000  # letters of one fact


def word(language: str, key: str, **facts: object) -> str:
    """The words of `section.key` with `facts` in their places; the key itself when no catalogue has it."""
    template = lookup(language, key)
    if template is None:
        return key.rpartition(".")[2]
    return fill(template, {name: str(value) for name, value in facts.items() if value or _is_p0(value)})


def lookup(language: str, key: str) -> str | None:
    """The template of `section.key`, in English where `language` is not spoken here; None when there is none."""
    section, _, name = key.partition(".")
    return _catalogue(language if language in LANGUAGES else "en").get(section, {}).get(name)


def fill(template: str, facts: Mapping[str, str]) -> str:
    """`template` with its facts; parts in brackets fall out when one of theirs is missing, other gaps show as `?`.
    `{count:page|pages}` is the first word where the fact is one, else the second."""
    out: list[str] = []
    at = 0
    for part in _OPTIONAL.finditer(template):
        out.append(_put(template[at : part.start()], facts))
        if all(facts.get(name) for name, _ in _FACT.findall(part[1])):
            out.append(_put(part[1], facts))
        at = part.end()
    out.append(_put(template[at:], facts))
    return "".join(out)


def _put(text: str, facts: Mapping[str, str]) -> str:
    return _FACT.sub(lambda found: _said(facts.get(found[1]) or "?", found[2]), text)


def _said(fact: str, how: str) -> str:
    if not how:
        return fact
    one, _, many = how.removeprefix(":").partition("|")
    return "" if how == "?" else one if fact == "1" else many


class Reader:
    """For whom words are made: language, zone, and the plan that knows people's names."""

    __slots__ = ("language", "plan", "zone")

    def __init__(self, language: str = "en", *, plan: Plan | None = None, zone: str = "UTC") -> None:
        self.language = language if language in LANGUAGES else "en"
        self.plan = plan
        self.zone = zone

    def word(self, key: str, **facts: object) -> str:
        return word(self.language, key, **facts)

    def when(self, at: datetime) -> str:
        return when(at, self.zone, self.language)

    def hours(self, start: datetime, end: datetime, zone: str) -> str:
        """`Mon 24 Nov 09:00 – Tue 25 Nov 09:00 (Asia/Shanghai)`."""
        first, last = when(start, zone, self.language), when(end, zone, self.language)
        closing = self.word("shift.zone", zone=zone)
        return self.word("shift.between", start=first.removesuffix(closing), end=last)

    def span(self, span: timedelta) -> str:
        """`2h 5m`: its two largest units."""
        said = say_roughly(span)
        return _UNIT.sub(lambda found: self.word(f"time.{found[0]}"), said) if self.language != "en" else said

    def code(self, value: object) -> str:
        """A state, a reason or a role in words; itself when it is not one."""
        return lookup(self.language, f"word.{value}") or str(value)

    def join(self, parts: Iterable[str]) -> str:
        return self.word("word.list").join(parts)

    def person(self, person: object) -> str:
        """The name of a person's id."""
        known = self.plan.people.get(str(person)) if self.plan else None
        return known.name if known else str(person)

    def service(self, service: str | None) -> str:
        known = self.plan.services.get(service) if self.plan and service else None
        return (known.name or known.id) if known else service or ""

    def target(self, target: str) -> str:
        """`roster:primary/next`, `person:bo`, `team:dev`, `channel:ops` in words; `bo` alone is a person."""
        kind, colon, rest = target.partition(":")
        if not colon:
            return self.person(target)
        name, slash, which = rest.partition("/")
        key = f"target.{kind}{slash}{which}"
        if lookup(self.language, key) is None:
            return target
        return self.word(key, name=self.person(name) if kind == "person" else name)

    def facts(self, facts: Facts) -> dict[str, str]:
        """Facts as words. None, "", False and empty lists are left out."""
        return {
            name: said if name in shift_words.NAMES else said[:_VALUE_MAX]
            for name, value in facts.items()
            if (_is_p0(value) or value not in (None, "", False, [], ())) and (said := self._fact(name, value))
        }

    def _fact(self, name: str, value: object) -> str:
        if name in shift_words.NAMES and isinstance(value, (list, tuple)):
            return shift_words.said(self, name, value)
        if name.endswith("_s") and isinstance(value, (int, float)):
            return f"{value:.1f}s" if value < 10 else self.span(timedelta(seconds=value))
        if isinstance(value, datetime):
            return self.when(value)
        if isinstance(value, (list, tuple)):
            return self.join(self._fact(name, part) for part in value)
        if isinstance(value, bool):
            return self.word("word.yes")
        if name in _PEOPLE:
            return self.target(str(value)) if str(value).startswith("team:") else self.person(value)
        if name == "to":
            return self.target(str(value))
        if name in _CODES:
            return self.code(value)
        if name == "service":
            return self.service(str(value))
        if name == "incident":
            return f"#{value}"
        if isinstance(value, str) and _INSTANT.match(value):
            return self._instant(value)
        return str(value)

    def _instant(self, text: str) -> str:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            return text
        return self.when(at) if at.tzinfo else text


def _is_p0(value: object) -> bool:
    """The worst priority is the number 0: it must not be taken for nothing."""
    return isinstance(value, Priority)


def when(at: datetime, zone: str, language: str = "en") -> str:
    """`at` as local time of `zone`, which it names: "Mon 5 Jan 11:04 (Asia/Shanghai)". `at` must be aware."""
    local = at.astimezone(_zone(zone))
    time = _catalogue(language if language in LANGUAGES else "en")["time"]
    return fill(
        time["instant"],
        {
            "weekday": time["weekdays"].split()[local.weekday()],
            "month": time["months"].split()[local.month - 1],
            "day": str(local.day),
            "clock": f"{local:%H:%M}",
            "zone": zone if local.tzinfo is not UTC else "UTC",
        },
    )


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


@lru_cache(maxsize=len(LANGUAGES))
def _catalogue(language: str) -> dict[str, dict[str, str]]:
    text = files("opswatch").joinpath("locale", f"{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
