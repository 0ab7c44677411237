"""An explanation becomes words of English and Chinese, or JSON: nothing is decided here."""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from importlib.resources import files

from opswatch.core import calendars
from opswatch.core.effects import Entry
from opswatch.core.escalation import policy_of
from opswatch.core.explain import Explanation
from opswatch.core.model import Status
from opswatch.core.plan import Plan
from opswatch.core.quiet import Quiet
from opswatch.core.sources import Source
from opswatch.core.state import Incident
from opswatch.render.answers import entry as say_entry
from opswatch.render.words import LANGUAGES, Reader, fill

LABEL_WIDTH, AFTER_WIDTH = 11, 9
RINGS = {"phone": "phone", "voice": "phone", "call": "phone", "sms": "sms"}


def text(found: Explanation, plan: Plan, *, language: str, zone: str, state: str = "crit") -> list[str]:
    """The whole of it as lines for a terminal. `zone` is the reader's; `state` what a supposed failure is."""
    return list(_Writer(found, plan, language, zone).lines(state))


def as_json(found: Explanation, plan: Plan, *, language: str, zone: str) -> dict[str, object]:
    """The same for programs: instants in UTC, and each page's on the clocks of its person and its roster."""
    writer = _Writer(found, plan, language, zone)
    held = found.quiet
    return {
        "subject": found.subject,
        "at": utc(found.at),
        "supposed": found.is_supposed,
        "priority": str(found.priority),
        "why": found.why,
        "interrupt": found.interrupt,
        "policy": found.policy,
        "route": found.route,
        "quiet": _quiet_as_json(held) if held else None,
        "quiets": [_quiet_as_json(one) for one in found.quiets],
        "incident": None if found.is_supposed and not found.joins else found.incident,
        "stands": _stands(found.stands) if found.stands is not None else None,
        "pages": [writer.page_as_json(entry) for entry in found.course if entry.kind == "page_promised"],
        "levels": [_source_as_json(one) for one in found.sources],
        "if_nobody_answers": [
            {"at": utc(entry.at), "kind": entry.kind, "facts": dict(entry.facts), "text": writer.course_line(entry)}
            for entry in found.course
        ],
        "goes_on": found.is_cut,
    }


def say(language: str, key: str, **facts: object) -> str:
    """The words of `section.key`. A key that no catalogue has is our mistake."""
    section, _, name = key.partition(".")
    catalogue = _catalogue(language if language in LANGUAGES else "en")
    return fill(catalogue[section][name], {fact: str(value) for fact, value in facts.items() if value is not None})


class _Writer(Reader):
    __slots__ = ("found", "the_plan")

    def __init__(self, found: Explanation, plan: Plan, language: str, zone: str) -> None:
        super().__init__(language, plan=plan, zone=zone)
        self.found, self.the_plan = found, plan

    def lines(self, state: str) -> Iterator[str]:
        found = self.found
        head = "supposed" if found.is_supposed else "by_then" if found.is_then else "as_it_is"
        at = f"{self._local(found.at)} ({self.zone})"
        yield self._say(f"head.{head}", subject=self._subject(), at=at, state=self.code(state))
        yield from self._facts()
        if not found.course:
            yield self._say("note.nothing")
            return
        yield self._say("note.follows")
        for entry in found.course:
            yield from self._course(entry)
        if found.is_cut:
            yield f"  {self._say('note.goes_on')}"

    # what is so

    def _facts(self) -> Iterator[str]:
        found = self.found
        yield self._labelled("priority", found.why)
        yield self._labelled("interrupts", self._say(f"interrupts.{found.interrupt}"))
        for line in self._quiets():
            yield self._labelled("quiet", line)
        yield self._labelled("policy", self._policy())
        if found.stands is not None and not found.joins:
            for line in self._status(found.stands):
                yield self._labelled("status", line)
        if found.is_supposed and found.is_then:
            yield self._labelled("then", self._say("note.then"))
        if found.is_supposed and (confirming := self._confirming()):
            yield self._labelled("first", confirming)
        if found.joins:
            owner = found.stands.owner if found.stands is not None else None
            key = "joins_owned" if owner else "joins"
            said = self._say(f"note.{key}", incident=found.incident, owner=self._owner(owner) if owner else None)
            yield self._labelled("joins", said)
        if self.the_plan.mode == "observe":
            yield self._labelled("mode", self._say("note.observe"))

    def _quiets(self) -> Iterator[str]:
        if not self.found.quiets:
            yield self._say("quiet.no")
        for one in self.found.quiets:
            yield self._say("quiet.one", reason=self.code(one.reason), until=self._named(one.until), why=one.why)

    def _policy(self) -> str:
        found, policy = self.found, self.the_plan.policies.get(self.found.policy)
        if policy is None:
            return self._say("policy.built_in", route=found.route, policy=found.policy)
        count = len(policy.levels)
        levels = self._say("policy.level_one" if count == 1 else "policy.level_many", count=count)
        facts = {"route": found.route, "policy": policy.id, "levels": levels, "climbs": policy.repeat + 1}
        wanted = policy.acks.get(self.found.priority, 1)
        facts["acks"] = wanted if wanted > 1 else None
        return self._say("policy.climbs" if policy.repeat else "policy.known", **facts)

    def _status(self, incident: Incident) -> Iterator[str]:
        owner = self._owner(incident.owner) if incident.owner else None
        until = self._named(incident.ack_until) if incident.ack_until else None
        match incident.status:
            case Status.ACKNOWLEDGED:
                key = "reminded" if incident.reminded else "acknowledged" if until else "acknowledged_for_good"
                since = self._named(incident.acked_at or incident.opened_at)
                yield self._say(f"status.{key}", owner=owner, since=since, until=until, priority=incident.priority)
            case Status.TRIGGERED:
                since = self._named(incident.opened_at)
                yield self._say("status.triggered", since=since, level=incident.level or None)
            case Status.RESOLVED:
                by = self.person(incident.resolved_by) if incident.resolved_by else None
                again = self._named(incident.reopen_at) if incident.reopen_at else None
                since = self._named(incident.resolved_at or incident.opened_at)
                yield self._say("status.resolved", owner=by, since=since, until=again)
        if incident.snoozed_until is not None:
            yield self._say("status.snoozed", until=self._named(incident.snoozed_until))
        if incident.held_until is not None:
            yield self._say("status.held", until=self._named(incident.held_until), why=self.code(incident.held_why))
        if incident.pinned is not None:
            yield self._say("status.pinned", priority=incident.pinned)

    def _confirming(self) -> str:
        """How long it takes until a failure is believed."""
        check = self.the_plan.checks.get(self.found.subject.partition("/")[0])
        if check is None or check.confirm <= 1:
            return ""
        spacing = check.retry or check.every
        apart = self.span(spacing) if spacing is not None else None
        return self._say("note.confirm", count=check.confirm, apart=apart)

    # what follows

    def _course(self, entry: Entry) -> Iterator[str]:
        after = f"+{self.span(entry.at - self.found.at)}" if entry.at > self.found.at else self._say("note.now")
        yield f"  {self._local(entry.at)}  {_padded(after, AFTER_WIDTH)} {self.course_line(entry)}"
        if entry.kind in ("level_entered", "level_empty"):
            place = (entry.at, entry.facts.get("level"), entry.facts.get("cycle"))
            for one in self.found.sources:
                if (one.at, one.level, one.cycle) == place:
                    yield f"  {' ' * 20}  {' ' * AFTER_WIDTH}   {self._source(one)}"

    def course_line(self, entry: Entry) -> str:
        """One entry of the course in words."""
        facts = entry.facts
        if entry.kind == "page_promised":
            return self._page(entry)
        if entry.kind == "level_entered":
            return self._level(entry)
        if entry.kind == "held" and "person" in facts:
            person = str(facts["person"])
            until = datetime.fromisoformat(str(facts["until"]))
            is_reserve = self.the_plan.rule(self.found.priority).interrupt == "always"
            return self._say(
                "step.stands_by" if is_reserve else "step.held",
                person=self.person(person),
                until=self._named(until),
                theirs=self._elsewhere(until, self._zone_of(person)),
                priority=self.found.priority,
            )
        return say_entry(self.language, entry, plan=self.the_plan, zone=self.zone)

    def _level(self, entry: Entry) -> str:
        level, cycle = entry.facts.get("level"), entry.facts.get("cycle")
        until = self._local(datetime.fromisoformat(str(entry.facts["until"])))
        rungs = policy_of(self.the_plan, self.found.policy).levels
        if not isinstance(level, int) or level > len(rungs):
            return self._say("step.last_resort", until=until)
        people, turn = entry.facts.get("people"), None
        if 0 < level <= len(rungs) and rungs[level - 1].round_robin and isinstance(people, (list, tuple)):
            turn = self.join(self.person(person) for person in people)
        return self._say("step.level", level=level, cycle=cycle if cycle != 1 else None, until=until, turn=turn)

    def _page(self, entry: Entry) -> str:
        facts, person = entry.facts, str(entry.facts["person"])
        contact = str(facts["contact"])
        roster = self.the_plan.rosters.get(str(facts.get("roster")))
        reason = str(facts.get("reason", ""))
        return self._say(
            "step.page",
            person=self.person(person),
            contact=contact,
            loud=self._say(f"loud.{loudness(contact)}"),
            theirs=self._elsewhere(entry.at, self._zone_of(person)),
            rosters=self._elsewhere(entry.at, roster.timezone) if roster is not None else None,
            reason=self.code(reason) if reason not in ("first", "unanswered") else None,
        )

    def page_as_json(self, entry: Entry) -> dict[str, object]:
        facts, person = entry.facts, str(entry.facts["person"])
        roster = self.the_plan.rosters.get(str(facts.get("roster")))
        source = self._source_of(entry, person)
        return {
            "at": utc(entry.at),
            "after_s": round((entry.at - self.found.at).total_seconds()),
            "person": person,
            "name": self.person(person),
            "contact": facts["contact"],
            "loud": loudness(str(facts["contact"])),
            "level": facts.get("level"),
            "reason": facts.get("reason"),
            "at_theirs": _on_clocks(entry.at, self._zone_of(person)),
            "at_rosters": _on_clocks(entry.at, roster.timezone) if roster is not None else None,
            "roster": roster.id if roster is not None else None,
            "layer": source.layer if source is not None else None,
            "override": source.override if source is not None else None,
            "fallback": source.fallback if source is not None else False,
        }

    def _source_of(self, page: Entry, person: str) -> Source | None:
        """What put this person on the level that pages them: the last one entered."""
        known = [one for one in self.found.sources if one.at <= page.at and one.level == page.facts.get("level")]
        return next((one for one in reversed(known) if person in one.people), None)

    def _source(self, one: Source) -> str:
        facts = {
            "target": self.target(one.target),
            "people": self.join(map(self.person, one.people)),
            "layer": one.layer,
            "override": one.override,
            "by": self.person(one.override_by) if one.override_by else None,
            "until": self._named(one.until) if one.until is not None else None,
        }
        if one.target.startswith(("channel:", "person:")):
            return str(facts["target"])
        key = "source" if one.people and not one.fallback else "fallback" if one.people else "gap"
        return self._say(f"step.{key if one.roster is not None or one.people else 'nobody'}", **facts)

    # words

    def _say(self, key: str, **facts: object) -> str:
        return say(self.language, key, **facts)

    def _labelled(self, label: str, line: str) -> str:
        return f"  {_padded(self._say(f'label.{label}'), LABEL_WIDTH)}{line}"

    def _subject(self) -> str:
        kind, _, name = self.found.subject.partition(" ")
        return self._say(f"subject.{kind}", name=name) if name else self._say("subject.check", name=kind)

    def _owner(self, owner: str) -> str:
        return self.target(owner) if owner.startswith("team:") else self.person(owner)

    def _zone_of(self, person: str) -> str:
        known = self.the_plan.people.get(person)
        return known.timezone if known is not None else self.zone

    def _elsewhere(self, at: datetime, zone: str) -> str | None:
        """`at` on other clocks than the reader's, with their zone; None where they read the same."""
        local, ours = calendars.reading(at, zone), calendars.reading(at, self.zone)
        return None if local == ours else f"{self._clock(local)} ({zone})"

    def _local(self, at: datetime) -> str:
        return self._clock(calendars.reading(at, self.zone))

    def _named(self, at: datetime) -> str:
        return self._local(at)

    def _clock(self, local: datetime) -> str:
        return f"{self.word('time.weekdays').split()[local.weekday()]} {local:%Y-%m-%d %H:%M}"


def loudness(contact: str) -> str:
    """How loud a way to somebody is: phone, sms, message."""
    return RINGS.get(contact, "message")


def utc(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _on_clocks(at: datetime, zone: str) -> str:
    """RFC 3339 with the offset of that zone."""
    return at.astimezone(calendars.zone(zone)).isoformat(timespec="seconds")


def _quiet_as_json(held: Quiet) -> dict[str, object]:
    return {"reason": str(held.reason), "until": utc(held.until), "why": held.why}


def _source_as_json(one: Source) -> dict[str, object]:
    return {
        "at": utc(one.at),
        "level": one.level,
        "cycle": one.cycle,
        "target": one.target,
        "people": list(one.people),
        "roster": one.roster,
        "layer": one.layer,
        "override": one.override,
        "override_by": one.override_by,
        "fallback": one.fallback,
        "gap": one.is_gap,
        "until": utc(one.until) if one.until is not None else None,
    }


def _stands(incident: Incident) -> dict[str, object]:
    instants = {
        "acked_at": incident.acked_at,
        "ack_until": incident.ack_until,
        "snoozed_until": incident.snoozed_until,
        "held_until": incident.held_until,
    }
    return {
        "status": str(incident.status),
        "owner": incident.owner,
        "pinned": str(incident.pinned) if incident.pinned is not None else None,
        "reminded": incident.reminded,
        **{name: utc(at) if at is not None else None for name, at in instants.items()},
    }


def _padded(text: str, width: int) -> str:
    """Chinese letters take two columns."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return text + " " * max(1 if width == LABEL_WIDTH else 0, width - len(text) - wide)


@lru_cache(maxsize=len(LANGUAGES))
def _catalogue(language: str) -> dict[str, dict[str, str]]:
    text = files("opswatch").joinpath("locale", f"explain.{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
