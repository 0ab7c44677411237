"""Scenario files: TOML beside the configuration, read into `sim.scenario.Scenario`, or every problem at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from opswatch.config import fields, files, lines
from opswatch.config.problems import Place, Problems, Source
from opswatch.config.reading import Bad, Reader, Spot, Table, key, list_of, reads, some_of
from opswatch.config.suggest import listed, nearest
from opswatch.core import grammar
from opswatch.core.effects import Refuse
from opswatch.core.events import Command
from opswatch.core.instants import instant, written
from opswatch.core.model import Health, PageReason, QuietReason, Role, Status
from opswatch.core.plan import Plan
from opswatch.core.rehearsal import SUPPOSED
from opswatch.core.spans import parse_span
from opswatch.errors import ConfigError
from opswatch.sim.scenario import NONE, Expected, Happening, Scenario, Thing

SCENARIOS_MAX, PARTS_MAX = 1_000, 500
AHEAD_MAX = timedelta(days=31)
NOW = timedelta(0)
DOOR = "scenario"


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """A file that was read. `config` is the configuration it names, if it does: relative to the file."""

    file: Path
    source: Source
    config: Path | None


def open_file(path: Path) -> ScenarioFile:
    """The file as TOML. Raises ConfigError."""
    problems = Problems()
    source = files.read_one(path, problems)
    if source is None:
        raise ConfigError(problems.listed())
    named = source.document.get("config")
    if named is not None and not isinstance(named, str):
        problems.add(source.place("config"), "the path of a configuration, in quotes")
        raise ConfigError(problems.listed())
    return ScenarioFile(path, source, path.parent / named if named is not None else None)


def read(opened: ScenarioFile, plan: Plan) -> list[Scenario]:
    """Every scenario of the file, all names checked against the plan. Raises ConfigError with every problem."""
    problems = Problems()
    source = opened.source
    for name in source.document:
        if name not in ("config", "scenario"):
            words = "unknown; known are config and [[scenario]]"
            problems.add(source.place(name), words, suggestion=nearest(name, ("config", "scenario")), seen="")
    tables = source.document.get("scenario", [])
    place = source.place("scenario")
    found: list[Scenario] = []
    if not isinstance(tables, list) or not tables or not all(isinstance(one, dict) for one in tables):
        words = 'at least one [[scenario]], such as: [[scenario]] at = "2026-12-25 03:00" fails = "orders"'
        problems.add(place if "scenario" in source.document else source.place(), words, seen="")
    elif len(tables) > SCENARIOS_MAX:
        problems.add(place, f"at most {SCENARIOS_MAX} scenarios in one file", seen=str(len(tables)))
    else:
        positions = lines.positions(source.data)
        for index, table in enumerate(tables):
            spot = Spot(source.place("scenario", index), problems)
            try:
                found.append(_Reading(plan, spot, positions, index).scenario(table))
            except Bad:
                continue
    if problems:
        raise ConfigError(problems.listed())
    return found


# ---------------------------------------------------------------------------------------------------------------------
# The tables as they are written


def _offset(value: Any) -> Any:
    """`+5m`, `5m`, or a date and time; what that is from the beginning is worked out once the beginning is known."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError("a span such as '+5m', or a date and time such as '2026-12-25 08:00 Asia/Shanghai'")
    text = value.strip()
    try:
        return parse_span(text.removeprefix("+"))
    except ValueError:
        if not text[:4].isdigit():
            raise ValueError(
                "a span such as '+5m', or a date and time such as '2026-12-25 08:00 Asia/Shanghai'"
            ) from None
    return text


def _text_or_table(value: Any) -> Any:
    if not isinstance(value, str | dict):
        raise ValueError('text in quotes, or a table such as { service = "orders", state = "warn" }')
    return value


offset: Reader[Any] = reads(_offset)
loose: Reader[Any] = reads(_text_or_table)
reason = fields.one_of(*(str(one) for one in PageReason))
quiet = fields.one_of(*(str(one) for one in QuietReason), NONE)
status = fields.one_of(*(str(one) for one in Status))
priority = fields.one_of("P0", "P1", "P2", "P3", NONE)
state = fields.one_of("crit", "warn", "unknown")


class ThingTable(Table):
    check = key(fields.name, None)
    target = key(fields.name, None)
    service = key(fields.name, None)
    state = key(state, None)


class SaidTable(Table):
    says = key(fields.words, example='"silence service=orders for 2h because rebuild"')
    by = key(fields.name, None)
    before = key(fields.span, None)


class EventTable(Table):
    after = key(offset, NOW)
    fails = key(some_of(loose), ())
    recovers = key(some_of(loose), ())
    says = key(fields.words, None)
    by = key(fields.name, None)
    state = key(state, None)
    refused = key(fields.flag, False)


class ExpectTable(Table):
    at = key(offset, None)
    within = key(offset, None)
    before = key(offset, None)
    nobody = key(fields.flag, False)
    person = key(fields.name, None)
    contact = key(fields.name, None)
    reason = key(reason, None)
    level = key(fields.whole(0, 1000), None)
    roster = key(fields.name, None)
    incident = key(fields.whole(1, 1000), None)
    priority = key(priority, None)
    policy = key(fields.name, None)
    quiet = key(quiet, None)
    status = key(status, None)
    owner = key(fields.name, None)


class ScenarioTable(Table):
    name = key(fields.words, "")
    at = key(fields.anything, example='"2026-12-25 03:00 Asia/Shanghai"')
    fails = key(some_of(loose), ())
    state = key(state, None)
    given = key(some_of(loose), ())
    unreachable = key(list_of(fields.words), ())
    event = key(list_of(EventTable.read), ())
    pages = key(list_of(fields.words), None)
    until = key(offset, NOW)
    priority = key(priority, None)
    policy = key(fields.name, None)
    quiet = key(quiet, None)
    expect = key(list_of(ExpectTable.read), ())


# ---------------------------------------------------------------------------------------------------------------------
# From tables to a scenario


class _Reading:
    """One scenario. What is wrong is reported and left out, so that the rest is looked at too."""

    def __init__(self, plan: Plan, spot: Spot, positions: dict[lines.Path, lines.Position], index: int) -> None:
        self.plan, self.place, self.problems = plan, spot.place, spot.problems
        self._spot, self._positions, self._index = spot, positions, index
        self.start = datetime.fromtimestamp(0, UTC)  # until it is read

    def scenario(self, table: Any) -> Scenario:
        """Raises Bad when too little is left of it."""
        before = len(self.problems.found)
        read = ScenarioTable.read(table, self._spot)
        self.start, zone = self._start(read)
        happenings = [
            *self._given(read.given),
            *self._things(read.fails, self.place.at("fails"), NOW, read.state),
            *(one for index, event in enumerate(read.event) for one in self._event(event, index)),
        ]
        if not any(one.things or one.command for one in happenings) and len(self.problems.found) == before:
            self.problems.add(self.place, 'something that happens: fails = "orders", or [[scenario.event]]', seen="")
        pages = self._pages(read.pages)
        expected = [self._expect(one, self.place.at("expect", index)) for index, one in enumerate(read.expect)]
        if any((read.priority, read.policy, read.quiet)):
            top = Expected(at=NOW, priority=read.priority, policy=read.policy, quiet=read.quiet)
            expected.append(self._checked(replace(top, line=self._line(self.place)), self.place))
        if pages is None and not expected and len(self.problems.found) == before:
            words = 'something to expect: pages = ["+0m chen"], or [[scenario.expect]]'
            self.problems.add(self.place, words, seen="")
        self._few(len(read.event), "event")
        self._few(len(read.expect), "expect")
        if len(self.problems.found) > before:
            raise Bad
        return Scenario(
            name=read.name or f"scenario {self._index + 1}",
            at=self.start,
            zone=zone,
            happenings=tuple(happenings),
            pages=pages,
            expected=tuple(expected),
            until=self._after(read.until, self.place.at("until")),
            closed=frozenset(self._closed(read.unreachable)),
            line=self._line(self.place),
        )

    # time

    def _start(self, read: Any) -> tuple[datetime, str]:
        """When it begins, and the zone that its times are shown in. Raises Bad."""
        if "at" in read.spoilt:
            raise Bad
        value, spot = read.at, self._spot.at("at")
        zone = self.plan.timezone
        try:
            found = self._instant(value)
        except ValueError as wrong:
            spot.bad(str(wrong))
        if found is None:
            spot.bad("a date and a time such as '2026-12-25 03:00 Asia/Shanghai'; without a zone it is the plan's")
        last = value.split()[-1] if isinstance(value, str) else ""
        return found, last if "/" in last or last == "UTC" else zone

    def _instant(self, value: Any) -> datetime | None:
        if isinstance(value, datetime):
            return instant(value, self.plan.timezone) if value.tzinfo is None else value.astimezone(UTC)
        return written(value, self.plan.timezone) if isinstance(value, str) else None

    def _after(self, value: Any, place: Place) -> timedelta:
        """How long after the beginning that is; an absolute time may be meant."""
        if isinstance(value, timedelta):
            after = value
        else:
            try:
                at = self._instant(value)
            except ValueError as wrong:
                self.problems.add(place, str(wrong))
                return NOW
            if at is None:
                self.problems.add(place, "a span such as '+5m', or a date and time such as '2026-12-25 08:00'")
                return NOW
            after = at - self.start
        if not NOW <= after <= AHEAD_MAX:
            self.problems.add(place, "not before the scenario begins, and at most 31 days after it")
        return after

    # what happens

    def _event(self, event: Any, index: int) -> list[Happening]:
        place = self.place.at("event", index)
        after = self._after(event.after, place.at("after"))
        count = sum(bool(one) for one in (event.fails, event.recovers, event.says))
        if count != 1 and not event.spoilt:
            self.problems.add(place, "exactly one of fails, recovers and says", seen="")
            return []
        if event.says:
            said = self._said(event.says, event.by, after, place, needs_by=True)
            return [replace(said, refused=event.refused)] if said is not None else []
        found = self._things(event.fails, place.at("fails"), after, event.state)
        return found + self._things(event.recovers, place.at("recovers"), after, None, recovers=True)

    def _given(self, given: Iterable[Any]) -> list[Happening]:
        """What was arranged before it begins, in words; what was said first comes first."""
        found = []
        for index, one in enumerate(given):
            place = self.place.at("given", index) if isinstance(self.place.at("given").value, list) else None
            place = place or self.place.at("given")
            if isinstance(one, str):
                said = self._said(one, None, NOW, place)
            else:
                try:
                    table = SaidTable.read(one, Spot(place, self.problems))
                except Bad:
                    continue
                said = self._said(table.says, table.by, -(table.before or NOW), place)
            found += [said] if said is not None else []
        return sorted(found, key=lambda one: one.after)

    def _said(
        self, text: str, by: str | None, after: timedelta, place: Place, *, needs_by: bool = False
    ) -> Happening | None:
        """The command that these words are; they are understood as on every door."""
        if by is not None:
            if not self._is_known("person", by, self.plan.people, place.at("by")):
                return None
        elif needs_by:
            self.problems.add(place, 'who says it: by = "chen"', seen="")
            return None
        else:
            by = next((one.id for one in self.plan.people.values() if one.role >= Role.LEAD), None)
            if by is None:
                self.problems.add(place, "nobody here is a lead or an admin: say who says it, with `by`")
                return None
        zone = ZoneInfo(self.plan.people[by].timezone)
        meant = grammar.parse(text, by=by, door=DOOR, now=self.start + after, zone=zone, default_incident=1)
        if isinstance(meant, Refuse):
            facts = meant.facts
            words = f"a command; expected: {facts.get('expected', 'help')}, such as '{facts.get('example', 'ack 1')}'"
            self.problems.add(place, words, seen=f'"{text[:80]}"', suggestion=str(facts.get("nearest", "")))
            return None
        if not isinstance(meant, Command):
            self.problems.add(place, "a command: a question changes nothing", seen=f'"{text[:80]}"')
            return None
        return Happening(after, command=meant, text=text, line=self._line(place))

    def _things(
        self,
        written_things: Iterable[Any],
        place: Place,
        after: timedelta,
        health: str | None,
        *,
        recovers: bool = False,
    ) -> list[Happening]:
        found = []
        is_list = isinstance(place.value, list)
        for index, one in enumerate(written_things):
            there = place.at(index) if is_list else place
            if isinstance(one, str):
                things, own = self._named(one, there), None
            else:
                try:
                    table = ThingTable.read(one, Spot(there, self.problems))
                except Bad:
                    continue
                things, own = self._described(table, there), table.state
            seen = Health.OK if recovers else Health(own or health or "crit")
            found.append(Happening(after, things=things, health=seen, line=self._line(there)))
        return found

    def _named(self, text: str, place: Place) -> tuple[Thing, ...]:
        """`orders` (a service, a target or a check) or `disk/db-1`."""
        check, slash, target = text.partition("/")
        plan = self.plan
        if slash:
            return self._check(check, target, place)
        if text in plan.services:
            return (self._of_service(text),)
        if text in plan.targets:
            return (Thing(target=text, service=plan.targets[text].service),)
        if text in plan.checks:
            return self._check(text, None, place)
        known = [*plan.services, *plan.targets, *plan.checks]
        words = f"a service, a target, a check, or CHECK/TARGET; services are {listed(plan.services)}"
        self.problems.unknown(place, text, known, words)
        return ()

    def _described(self, table: Any, place: Place) -> tuple[Thing, ...]:
        plan = self.plan
        if table.spoilt:
            return ()
        if table.check is not None:
            return self._check(table.check, table.target, place)
        if table.target is not None:
            if not self._is_known("target", table.target, plan.targets, place.at("target")):
                return ()
            return (Thing(target=table.target, service=plan.targets[table.target].service),)
        if table.service is None:
            self.problems.add(place, "one of service, target and check")
            return ()
        is_known = self._is_known("service", table.service, plan.services, place.at("service"))
        return (self._of_service(table.service),) if is_known else ()

    def _of_service(self, service: str) -> Thing:
        first = next((one.id for one in self.plan.targets.values() if one.service == service), None)
        return Thing(target=first or f"{SUPPOSED}-{service}", service=service)

    def _check(self, check: str, target: str | None, place: Place) -> tuple[Thing, ...]:
        """A check on one target, or on all of its targets."""
        if not self._is_known("check", check, self.plan.checks, place.at("check") if _is_table(place) else place):
            return ()
        targets = self.plan.checks[check].targets
        if target is None:
            return tuple(Thing(check, one) for one in targets)
        there = place.at("target") if _is_table(place) else place
        return (Thing(check, target),) if self._is_known(f"target of {check}", target, targets, there) else ()

    def _closed(self, ways: Iterable[str]) -> list[tuple[str, str]]:
        found = []
        for index, way in enumerate(ways):
            place = self.place.at("unreachable", index)
            person, _, contact = way.partition(" ")
            if self._is_known("person", person, self.plan.people, place):
                contacts = self.plan.people[person].contacts
                if not contact:
                    found += [(person, one) for one in contacts]
                elif self._is_known(f"contact of {person}", contact.strip(), contacts, place):
                    found.append((person, contact.strip()))
        return found

    # what is expected

    def _pages(self, written_pages: tuple[str, ...] | None) -> tuple[Expected, ...] | None:
        """`"+5m chen phone"`: when, who, and by which way if that matters."""
        if written_pages is None:
            return None
        self._few(len(written_pages), "pages")
        found = []
        for index, text in enumerate(written_pages):
            place = self.place.at("pages", index)
            span, *words = text.split()
            try:
                after = parse_span(span.removeprefix("+"))
            except ValueError:
                words = []
            if not 1 <= len(words) <= 2:
                self.problems.add(place, "when, who, and by which way if that matters, such as '+5m chen phone'")
                continue
            contact = words[1] if len(words) == 2 else None
            one = Expected(at=after, person=words[0], contact=contact, line=self._line(place))
            found.append(self._checked(one, place))
        return tuple(found)

    def _expect(self, table: Any, place: Place) -> Expected:
        spans = {name: getattr(table, name) for name in ("at", "within", "before")}
        given: dict[str, Any] = {
            name: self._after(one, place.at(name)) for name, one in spans.items() if one is not None
        }
        given |= {name: getattr(table, name) for name in ExpectTable.KEYS if name not in spans}
        one = Expected(**given, line=self._line(place))
        asked = [name for name in spans if name in given]
        if table.spoilt:
            return one
        if len(asked) > 1:
            self.problems.add(place, "one of at, within and before", seen="")
        if one.before is not None and not one.nobody:
            self.problems.add(place.at("before"), "before goes with nobody = true; a page comes `at` or `within`")
        if one.nobody and not asked:
            self.problems.add(place.at("nobody"), 'until when: before = "+8h"')
        if one.asks_for_a_page and not asked:
            self.problems.add(place, 'when the page comes: at = "+5m", or within = "10m"', seen="")
        if not one.asks_for_a_page and not one.nobody and not one.stands:
            words = "what is expected: person, contact, nobody, priority, policy, quiet, status, owner …"
            self.problems.add(place, words, seen="")
        return self._checked(one, place)

    def _checked(self, one: Expected, place: Place) -> Expected:
        """Every name it has, looked up."""
        plan = self.plan

        def there(name: str) -> Place:
            return place.at(name) if _is_table(place) else place

        for name, known in (("person", plan.people), ("roster", plan.rosters), ("policy", plan.policies)):
            value = getattr(one, name)
            if value is not None and not (name == "policy" and value == NONE):
                self._is_known(name, value, known, there(name))
        if one.owner is not None and one.owner not in plan.people and not one.owner.startswith(NONE):
            self._is_known("person", one.owner.removeprefix("team:"), [*plan.people, *self._teams()], there("owner"))
        person = plan.people.get(one.person or "")
        if one.contact is not None and person is not None:
            contacts = person.contacts
            self._is_known(f"contact of {one.person}", one.contact, contacts, there("contact"))
        return one

    def _teams(self) -> set[str]:
        return {person.team for person in self.plan.people.values() if person.team}

    # words

    def _is_known(self, kind: str, name: str, known: Iterable[str], place: Place) -> bool:
        names = list(known)
        if name in names:
            return True
        self.problems.unknown(place, name, names, f"no {kind} has this name; known are {listed(names)}")
        return False

    def _few(self, count: int, which: str) -> None:
        if count > PARTS_MAX:
            self.problems.add(self.place.at(which), f"at most {PARTS_MAX} of them", seen=str(count))

    def _line(self, place: Place) -> int:
        return lines.position(self._positions, place.path)[0]


def _is_table(place: Place) -> bool:
    return isinstance(place.value, dict)
