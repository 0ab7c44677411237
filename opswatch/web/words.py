"""The words of the pages, and in which language: `locale/web.*.toml` beside the catalogue that messages use."""

from __future__ import annotations

import tomllib
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from opswatch.core.plan import Plan
from opswatch.render.words import LANGUAGES, Reader, fill, lookup

HTML_LANGUAGES = {"en": "en", "zh": "zh-CN"}


class Words(Reader):
    """For whom a page is made. `zone` is theirs, else the plan's."""

    __slots__ = ()

    def say(self, key: str, **facts: object) -> str:
        """The words of `section.name` of the web catalogue, with its facts."""
        section, _, name = key.partition(".")
        template = _catalogue(self.language).get(section, {}).get(name, key)
        return fill(template, {fact: str(value) for fact, value in facts.items() if value not in (None, "")})

    def count(self, key: str, count: int, **facts: object) -> str:
        """`section.name_one` for one, `section.name_many` else; `{count}` is among the facts."""
        return self.say(f"{key}_one" if count == 1 else f"{key}_many", count=count, **facts)

    def clock(self, at: datetime, zone: str) -> str:
        """`Mon 11:04`, local to `zone`. For beside the zone's name."""
        local = at.astimezone(_zone(zone))
        weekdays = (lookup(self.language, "time.weekdays") or "").split()
        return f"{weekdays[local.weekday()]} {local:%H:%M}"

    def ago(self, at: datetime, now: datetime) -> str:
        """`6m ago`; "just now" below five seconds."""
        if now - at < timedelta(seconds=5):
            return self.word("time.just_now")
        return self.word("time.ago", span=self.span(now - at))

    def within(self, at: datetime, now: datetime) -> str:
        """`in 6m`; "any moment" when it is due."""
        return self.say("time.within", span=self.span(at - now)) if at > now else self.say("time.any_moment")

    def day(self, at: datetime) -> str:
        """The date of `at` in the reader's zone, with its weekday."""
        local = at.astimezone(_zone(self.zone))
        weekdays = (lookup(self.language, "time.weekdays") or "").split()
        months = (lookup(self.language, "time.months") or "").split()
        return self.say("time.day", weekday=weekdays[local.weekday()], day=local.day, month=months[local.month - 1])

    def time(self, at: datetime) -> str:
        """`11:04:31`, local to the reader's zone. For under a heading that names the day and the zone."""
        return f"{at.astimezone(_zone(self.zone)):%H:%M:%S}"

    @property
    def tz(self) -> tzinfo:
        """The reader's zone; UTC for one that is not known here."""
        return _zone(self.zone)

    @property
    def html_language(self) -> str:
        return HTML_LANGUAGES[self.language]


def language_for(plan: Plan, *, asked: str | None, person: str | None, accept: str) -> str:
    """What they asked for, else the person's own, else what their browser prefers of what is spoken here, else the
    plan's."""
    if asked in LANGUAGES:
        return asked
    known = plan.people.get(person or "")
    if known is not None and known.language in LANGUAGES:
        return known.language
    return _preferred(accept) or plan.language


def _preferred(accept: str) -> str | None:
    """The best of an Accept-Language header: `zh-CN,zh;q=0.9,en;q=0.8`."""
    offers: list[tuple[float, str]] = []
    for part in accept[:200].split(","):
        tag, _, quality = part.strip().partition(";q=")
        language = tag.split("-")[0].lower()
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        if language in LANGUAGES and weight > 0:
            offers.append((-weight, language))
    return min(offers, key=lambda offer: offer[0])[1] if offers else None


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


@lru_cache(maxsize=len(LANGUAGES))
def _catalogue(language: str) -> dict[str, dict[str, str]]:
    text = files("opswatch").joinpath("locale", f"web.{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
