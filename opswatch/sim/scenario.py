"""A scenario: what fails when, what people say, and who must be paged for it; played by the engine in imagined time.

`config/scenarios.py` reads them from files; `render/scenarios.py` says how they went.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opswatch.core.changes import State
from opswatch.core.effects import Effect, Page, Refuse
from opswatch.core.engine import Engine
from opswatch.core.events import Command, SendFailed
from opswatch.core.matching import Fullmatch, fullmatch
from opswatch.core.model import Health, Status
from opswatch.core.plan import Check, Plan, Target
from opswatch.core.rehearsal import SUPPOSED, Rehearsal, at_once, with_check
from opswatch.core.state import Incident

SAME = timedelta(seconds=1)  # Two looks of one instant are a moment apart.
NEARBY = timedelta(hours=12)  # How much later than expected a page is looked for, to say when it comes instead.
NONE = "none"


@dataclass(frozen=True, slots=True)
class Thing:
    """What fails or recovers: `check` on `target`; a check that nobody wrote where only the target, or only the
    service, is named."""

    check: str = SUPPOSED
    target: str = SUPPOSED
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happens `after` the beginning (before it, when negative): these things are seen in this state, or
    a person says something. `refused`: the answer is meant to be no."""

    after: timedelta
    things: tuple[Thing, ...] = ()
    health: Health = Health.OK
    command: Command | None = None
    text: str = ""
    refused: bool = False
    line: int = 0


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be so. A page, where a person is named (or `nobody`, where none may come); and how the incident stands.

    Of `at` (exactly then), `within` (until then) and `before` (not sooner: `nobody` only) one is given, as a span from
    the beginning. What is None is not asked.
    """

    at: timedelta | None = None
    within: timedelta | None = None
    before: timedelta | None = None
    nobody: bool = False
    person: str | None = None
    contact: str | None = None
    reason: str | None = None
    level: int | None = None
    roster: str | None = None
    incident: int | None = None
    priority: str | None = None
    policy: str | None = None
    quiet: str | None = None
    status: str | None = None
    owner: str | None = None
    line: int = 0

    @property
    def ends(self) -> timedelta:
        """Until when it must be watched."""
        return next((span for span in (self.at, self.within, self.before) if span is not None), timedelta(0))

    @property
    def asks_for_a_page(self) -> bool:
        return not self.nobody and any(
            one is not None for one in (self.person, self.contact, self.reason, self.level, self.roster)
        )

    @property
    def stands(self) -> dict[str, str]:
        """What is asked of the incident."""
        asked = {name: getattr(self, name) for name in STANDS}
        return {name: str(value) for name, value in asked.items() if value is not None}


STANDS = ("priority", "policy", "quiet", "status", "owner")


@dataclass(frozen=True, slots=True)
class Scenario:
    """`pages`, where given, are all pages there may be until `until`. `closed` are ways that fail for good."""

    name: str
    at: datetime  # UTC
    zone: str
    happenings: tuple[Happening, ...]
    pages: tuple[Expected, ...] | None = None
    expected: tuple[Expected, ...] = ()
    until: timedelta = timedelta(0)
    closed: frozenset[tuple[str, str]] = frozenset()
    line: int = 0

    @property
    def listed_until(self) -> timedelta:
        """Until when `pages` are all there may be: the last of them, or what happens last, unless it says longer."""
        ends = [one.ends for one in self.pages or ()]
        return max([self.until, *ends, *(one.after for one in self.happenings)])


@dataclass(frozen=True, slots=True)
class Paged:
    """A page that came, `after` the beginning."""

    after: timedelta
    incident: int
    person: str
    contact: str
    reason: str
    level: int
    priority: str
    roster: str | None = None


@dataclass(frozen=True, slots=True)
class Miss:
    """What was expected and is not so. `kind`: page (did not come), came (nobody may), stands (`key` is `seen`, not
    `wanted`), answer (what was said was refused, or was not: `seen` is the answer's key), endless."""

    kind: str
    expected: Expected | None = None
    key: str = ""
    wanted: str = ""
    seen: str = ""
    page: Paged | None = None
    happening: Happening | None = None
    answer: Refuse | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """`unexpected` are pages that came although `scenario.pages` has not got them."""

    scenario: Scenario
    pages: tuple[Paged, ...]
    misses: tuple[Miss, ...]
    unexpected: tuple[Paged, ...]
    priority: str = ""
    why: str = ""
    policy: str = ""

    @property
    def is_ok(self) -> bool:
        return not self.misses and not self.unexpected


def play(plan: Plan, scenario: Scenario, regex: Fullmatch = fullmatch) -> Outcome:
    """Play it from a clean state. A failure is believed at once: times count from the confirmed failure."""
    return _Stage(plan, scenario, regex).play()


class _Stage:
    def __init__(self, plan: Plan, scenario: Scenario, regex: Fullmatch) -> None:
        self.scenario = scenario
        things = [thing for one in scenario.happenings for thing in one.things]
        began = scenario.at + min((one.after for one in scenario.happenings), default=timedelta(0))
        engine = Engine(believing(plan, things), regex)
        self.rehearsal = Rehearsal(engine, State(), min(began, scenario.at), ear=self._hear)
        self.misses: list[Miss] = []
        self.first: Incident | None = None

    def play(self) -> Outcome:
        scenario = self.scenario
        until = max([scenario.listed_until, *(one.ends for one in scenario.expected)])
        # At one instant first what happens, then what is due, then the questions.
        agenda: list[tuple[timedelta, int, int, Happening | Expected]] = [
            *((one.after, 0, place, one) for place, one in enumerate(scenario.happenings)),
            *((one.ends, 1, place, one) for place, one in enumerate(scenario.expected) if one.stands),
        ]
        for after, _, _, one in sorted(agenda, key=lambda item: item[:3]):
            self._on_to(after)
            if isinstance(one, Happening):
                self._happens(one)
            else:
                self.misses += self._stands(one)
        self._on_to(until)
        self._look()
        return self._outcome(until)

    def _on_to(self, after: timedelta) -> None:
        if not self.rehearsal.passes(self.scenario.at + after):
            self.misses.append(Miss("endless"))

    def _happens(self, happening: Happening) -> None:
        stage = self.rehearsal
        for thing in happening.things:
            stage.looks(thing.check, thing.target, happening.health)
        if happening.command is not None:
            answers = [effect for effect in stage.take(happening.command) if isinstance(effect, Refuse)]
            if bool(answers) is not happening.refused:
                refusal = answers[0] if answers else None
                self.misses.append(Miss("answer", happening=happening, answer=refusal))
        self._look()

    def _look(self) -> None:
        incidents = self.rehearsal.state.incidents
        if self.first is None and incidents:
            self.first = incidents[min(incidents)]

    def _hear(self, effects: list[Effect]) -> None:
        """Ways that are closed fail at once; the next one is tried."""
        for page in effects:
            if isinstance(page, Page) and (page.person, page.contact) in self.scenario.closed:
                common = (page.id, page.incident, "page", page.person, page.contact)
                self.rehearsal.take(SendFailed(*common, "supposed: this way is closed", True, page=page))

    # what was asked

    def _stands(self, one: Expected) -> list[Miss]:
        so = self._as_it_stands(one.incident)
        return [
            Miss("stands", one, key, wanted, so.get(key, NONE))
            for key, wanted in one.stands.items()
            if so.get(key, NONE) != wanted
        ]

    def _as_it_stands(self, number: int | None) -> dict[str, str]:
        """The incident (the oldest one that is open, unless its number is given), or what is held back before any."""
        state = self.rehearsal.state
        still = [one for one in state.incidents.values() if one.status is not Status.RESOLVED]
        oldest = min(still or state.incidents.values(), key=lambda one: one.number, default=None)
        incident = oldest if number is None else state.incidents.get(number)
        alerts = [one for one in state.alerts.values() if incident is None or one.incident == incident.number]
        quiet = next((str(one.quiet) for one in alerts if one.quiet is not None), NONE)
        if incident is None:
            worst = min((one.priority for one in alerts), default=None)
            return {"priority": str(worst) if worst is not None else NONE, "quiet": quiet}
        if incident.held_until is not None and incident.held_why is not None:
            quiet = str(incident.held_why)
        elif incident.snoozed_until is not None:
            quiet = "snoozed"
        elif quiet == NONE and self._is_left_in_peace(incident):
            quiet = "held"
        return {
            "priority": str(incident.priority),
            "policy": incident.policy,
            "quiet": quiet,
            "status": str(incident.status),
            "owner": incident.owner or NONE,
        }

    def _is_left_in_peace(self, incident: Incident) -> bool:
        """Everybody of its level is held until their day, and nobody was paged yet."""
        return bool(incident.steps) and not incident.paged

    def _outcome(self, until: timedelta) -> Outcome:
        scenario, pages = self.scenario, self._pages()
        alert = next(iter(self.rehearsal.state.alerts.values()), None)
        unexpected: list[Paged] = []
        if scenario.pages is not None:
            left = [page for page in pages if page.after < scenario.listed_until + SAME]
            for one in scenario.pages:
                found = next((page for page in left if _is_that(page, one)), None)
                if found is None:
                    self.misses.append(Miss("page", one))
                else:
                    left.remove(found)
            unexpected = left
        for one in scenario.expected:
            self.misses += _asked_of_pages(one, pages)
        if any(miss.kind == "page" and miss.page is None for miss in self.misses):
            self._on_to(until + NEARBY)
            later = self._pages()
            self.misses = [_with_nearest(miss, later) for miss in self.misses]
        incident = self.first
        shown = incident if incident is not None else alert
        return Outcome(
            scenario,
            tuple(pages),
            tuple(self.misses),
            tuple(unexpected),
            str(shown.priority) if shown is not None else "",
            shown.why if shown is not None else "",
            incident.policy if incident is not None else "",
        )

    def _pages(self) -> list[Paged]:
        return [
            Paged(
                after=entry.at - self.scenario.at,
                incident=entry.incident or 0,
                person=str(entry.facts["person"]),
                contact=str(entry.facts["contact"]),
                reason=str(entry.facts["reason"]),
                level=int(str(entry.facts["level"])),
                priority=str(entry.facts["priority"]),
                roster=str(entry.facts["roster"]) if "roster" in entry.facts else None,
            )
            for entry in self.rehearsal.entries
            if entry.kind == "page_promised"
        ]


def believing(plan: Plan, things: Iterable[Thing]) -> Plan:
    """The plan in which every check is believed at its first look, with the check that nobody wrote where a thing has
    only a target or a service."""
    plan = replace(plan, checks={name: at_once(check) for name, check in plan.checks.items()})
    unwritten = [thing for thing in things if thing.check == SUPPOSED]
    if not unwritten:
        return plan
    imagined = {
        thing.target: Target(thing.target, "host", service=thing.service)
        for thing in unwritten
        if thing.target not in plan.targets
    }
    targets = tuple(dict.fromkeys(thing.target for thing in unwritten))
    check = Check(SUPPOSED, "command", targets, every=timedelta(minutes=1), confirm=1, recover=1)
    return replace(with_check(plan, check), targets={**plan.targets, **imagined})


def _is_that(page: Paged, one: Expected) -> bool:
    """Whether this page is the one that is described, its time included."""
    is_then = one.at is None or abs(page.after - one.at) < SAME
    return is_then and (one.within is None or page.after < one.within + SAME) and _is_like(page, one)


def _is_like(page: Paged, one: Expected) -> bool:
    asked: Sequence[tuple[object, object]] = (
        (one.person, page.person),
        (one.contact, page.contact),
        (one.reason, page.reason),
        (one.level, page.level),
        (one.roster, page.roster),
        (one.incident, page.incident),
    )
    return all(wanted is None or wanted == seen for wanted, seen in asked)


def _asked_of_pages(one: Expected, pages: Sequence[Paged]) -> list[Miss]:
    if one.nobody:
        came = [
            page for page in pages if _is_that(page, one) and (one.before is None or page.after < one.before - SAME / 2)
        ]
        return [Miss("came", one, page=came[0])] if came else []
    is_missed = one.asks_for_a_page and not any(_is_that(page, one) for page in pages)
    return [_with_nearest(Miss("page", one), pages)] if is_missed else []


def _with_nearest(miss: Miss, pages: Sequence[Paged]) -> Miss:
    """With the page that is like the one that did not come, at the time that is nearest to it."""
    one = miss.expected
    if miss.kind != "page" or miss.page is not None or one is None:
        return miss
    near = [page for page in pages if _is_like(page, one)]
    return replace(miss, page=min(near, key=lambda page: abs(page.after - one.ends), default=None))
