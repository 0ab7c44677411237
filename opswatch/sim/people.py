"""People: asleep, out of reach, quick or slow to answer; they acknowledge, mend, forget, and arrange things.

Each page that rings is noticed, or not, by itself. Who notices and finds that somebody has it leaves it alone.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from opswatch.core import calendars
from opswatch.core.events import (
    Accept,
    Acknowledge,
    AddOverride,
    AddSilence,
    Command,
    Decline,
    DutyNote,
    Escalate,
    ExpireSilence,
    Note,
    Open,
    PageTest,
    Pause,
    Reassign,
    RemoveOverride,
    Reopen,
    Resolve,
    SetPriority,
    Snooze,
    Unack,
    Unpause,
)
from opswatch.core.model import PageReason, Priority, Role, Status
from opswatch.core.plan import Person, Window
from opswatch.core.roster import Rosters
from opswatch.core.state import Incident, Override
from opswatch.sim.faults import Things
from opswatch.sim.life import Answers, Arrangements, Habit
from opswatch.sim.post import Rung
from opswatch.sim.world import World

DAY_OF_MOST = calendars.parse_window(None, "08:00", "22:00")  # of who wrote no `day`
WORK = calendars.parse_window("mon-fri", "09:00", "18:00")
LOOKS_AGAIN = timedelta(minutes=2)


class Part(StrEnum):
    """What a page interrupts."""

    WORK = "work"
    EVENING = "evening"
    NIGHT = "night"


def part_of(person: Person, rosters: Rosters, overrides: tuple[Override, ...], at: datetime) -> Part:
    """Night outside the person's `day` (8 to 22 unless written); work on weekdays from 9 to 18 of it and in shifts that
    have windows; evening otherwise, weekends included. All on the person's own clock."""
    if rosters.is_working(person.id, overrides, at):
        return Part.WORK
    if not _covers(person.day or DAY_OF_MOST, person, at):
        return Part.NIGHT
    return Part.WORK if _covers(WORK, person, at) else Part.EVENING


def _covers(window: Window, person: Person, at: datetime) -> bool:
    return calendars.covers((window,), person.timezone, None, at)


def _waits_for_a_word(incident: Incident) -> bool:
    """No check will say that it is over: a person reported it, or reopened it after its last alert had cleared."""
    return incident.by_hand or not incident.alerts


class Crowd:
    """Everybody of the plan."""

    def __init__(self, world: World, things: Things, answers: Answers, arrangements: Arrangements) -> None:
        self._world, self._things, self._answers, self._arrangements = world, things, answers, arrangements
        self._away_until: dict[str, datetime] = {}
        self._rung: Counter[tuple[str, int]] = Counter()  # how often each incident rang with each person
        self.is_calm = False

    def begin(self) -> None:
        """Put on the agenda what people do on their own account."""
        world, own = self._world, self._arrangements
        for person in world.plan.people.values():
            self._comes_and_goes(person.id)
        world.every(own.silence_every, self._silences)
        world.every(own.override_every, self._overrides)
        world.every(own.pause_every, self._pauses)
        world.every(own.report_every, self._reports)
        world.every(own.test_every, self._tests)
        world.every(own.meddle_every, self._meddles)

    def _comes_and_goes(self, who: str) -> None:
        chance = self._world.stream("away", who)
        self._world.every(self._answers.out_of_reach_every, lambda: self._leaves(who, chance), chance)

    def everybody_looks(self) -> None:
        """The calm after the storm: whoever is here ends every quiet, and sees to what is open until nothing is."""
        world = self._world
        self.is_calm = True
        chief = self._anybody(Role.LEAD)
        if chief is None:
            return
        world.take(Unpause(by=chief))
        for number in sorted(world.state.silences):
            world.take(ExpireSilence(number, by=chief))
        for number, incident in sorted(world.state.incidents.items()):
            if _waits_for_a_word(incident) and incident.status is not Status.RESOLVED:
                world.take(Resolve(number, by=chief))

    # answering

    def rings(self, rung: Rung) -> None:
        """A page reached somebody's device."""
        world, page = self._world, rung.page
        person = world.plan.people.get(page.person)
        if person is None or page.test or self._away_until.get(person.id, rung.at) > rung.at:
            return
        habit = self.habit(person, page.contact, rung.at)
        chance = self._chance(person.id, page.incident)
        if world.may(habit.probability, chance) or self.is_calm:
            after = world.about(habit.after, self._answers.spread, chance)
            world.after(after, lambda: self._answers_page(rung, chance))

    def _chance(self, who: str, number: int) -> random.Random:
        """How this person takes this ring: the same for the same fault, whatever roster calls them."""
        incident = self._world.state.incidents.get(number)
        cause = self._things.cause_of(incident) if incident is not None else number
        self._rung[who, number] += 1
        return self._world.stream("answer", who, cause, self._rung[who, number])

    def habit(self, person: Person, contact: str, at: datetime) -> Habit:
        """How this person answers by this way at that hour."""
        world, answers = self._world, self._answers
        part = part_of(person, world.engine.rosters, tuple(world.state.overrides.values()), at)
        if part is Part.NIGHT:
            return answers.night_loud if contact in answers.loud else answers.night
        return answers.work if part is Part.WORK else answers.evening

    def _answers_page(self, rung: Rung, luck: random.Random) -> None:
        page, world, answers = rung.page, self._world, self._answers
        for number in page.bundle:  # Several pages that came as one: each is looked at.
            self._answers_page(replace(rung, page=replace(page, incident=number, bundle=())), luck)
        incident = world.state.incidents.get(page.incident)
        if incident is None or incident.status is Status.RESOLVED or page.person not in world.plan.people:
            return
        who, number = page.person, page.incident
        if page.pool is not None:
            self._comes(number, who, luck)
            if incident.status is Status.ACKNOWLEDGED:
                return
        if page.reason is PageReason.REMINDER and incident.owner == who:
            world.take(Note(number, "still on it", by=who))
            self._mends_soon(incident, who)
            return
        if incident.status is Status.ACKNOWLEDGED:
            return
        deeds: list[tuple[float, Command]] = [
            (answers.resolves_by_hand, Resolve(number, by=who)),
            (answers.snoozes, Snooze(number, world.about(timedelta(minutes=30), chance=luck), by=who)),
            (answers.escalates, Escalate(number, by=who)),
            (answers.reassigns, Reassign(number, f"person:{self._anybody() or who}", by=who)),
        ]
        chance = 1.0 if self.is_calm else luck.random()
        for share, command in deeds:
            if (chance := chance - share) < 0:
                world.take(command)
                return
        self._takes(incident, who, luck)

    def _comes(self, number: int, who: str, luck: random.Random) -> None:
        """A reserve says whether they come: as likely not as somebody hands an incident on."""
        stays_away = not self.is_calm and luck.random() < self._answers.reassigns
        self._world.take(Decline(number, by=who) if stays_away else Accept(number, by=who))

    def _takes(self, incident: Incident, who: str, luck: random.Random) -> None:
        world, answers = self._world, self._answers
        if world.take(Acknowledge(incident.number, by=who)) is None:
            return
        if world.may(answers.notes, luck):
            world.take(Note(incident.number, "looking into it", by=who))
        if not world.may(answers.forgets, luck) or self.is_calm:
            self._mends_soon(incident, who)

    def _mends_soon(self, incident: Incident, who: str) -> None:
        world = self._world
        median = self._answers.repairs_after[incident.priority]
        chance = world.stream("repair", self._things.cause_of(incident))
        world.after(world.about(median, self._answers.spread, chance), lambda: self._mends(incident.number, who))

    def _mends(self, number: int, who: str) -> None:
        """It is repaired; checks will see it. What no check watches is resolved by word."""
        world = self._world
        incident = world.state.incidents.get(number)
        if incident is None or incident.status is Status.RESOLVED:
            return
        self._things.mend(incident.alerts)
        if _waits_for_a_word(incident):
            world.after(LOOKS_AGAIN, lambda: self._says_resolved(number, who))

    def _says_resolved(self, number: int, who: str) -> None:
        if number in self._world.state.incidents and who in self._world.plan.people:
            self._world.take(Resolve(number, "done", by=who))

    # on their own account

    def _leaves(self, who: str, chance: random.Random) -> None:
        world = self._world
        away_for = world.about(self._answers.out_of_reach_for, chance=chance)
        if not self.is_calm:
            self._away_until[who] = world.now + away_for

    def _anybody(self, role: Role = Role.RESPONDER) -> str | None:
        able = [person.id for person in self._world.plan.people.values() if person.role >= role]
        return self._world.chance.choice(able) if able else None

    def _says(self, command: Command) -> None:
        if not self.is_calm:
            self._world.take(command)

    def _silences(self) -> None:
        world = self._world
        who, services, targets = self._anybody(Role.LEAD), list(world.plan.services), list(world.plan.targets)
        if who is None or not targets:
            return
        if world.state.silences and world.may(0.4):
            self._says(ExpireSilence(world.chance.choice(sorted(world.state.silences)), by=who))
            return
        named = [("target", "=", world.chance.choice(targets))]
        if services and world.may(0.5):
            named = [("service", "=", world.chance.choice(services))]
        until = world.desk_now + world.about(timedelta(hours=2))
        self._says(AddSilence(tuple(named), until, "work on it", by=who))

    def _overrides(self) -> None:
        world = self._world
        who, rosters = self._anybody(Role.LEAD), list(world.plan.rosters)
        if who is None or not rosters:
            return
        if world.state.overrides and world.may(0.3):
            self._says(RemoveOverride(world.chance.choice(sorted(world.state.overrides)), by=who))
            return
        roster = world.chance.choice(rosters)
        start = world.desk_now + timedelta(hours=world.chance.randint(-2, 40))
        end = start + timedelta(hours=world.chance.randint(1, 60))
        now_on = world.engine.rosters.on_call(roster, world.state.overrides.values(), start).people
        form = world.chance.randrange(4)
        gone = world.chance.choice(now_on) if now_on and form < 2 else None
        comes = self._anybody() if form in (0, 2) or gone is None else None
        if form == 3 and comes is not None:
            shifts = ((start, start + (end - start) / 2, (comes,)),)
            self._says(AddOverride(roster, start, end, shifts=shifts, reason="a quiet weekend", by=who))
            return
        self._says(AddOverride(roster, start, end, remove=gone, add=comes, reason="swapped", by=who))

    def _pauses(self) -> None:
        world, who = self._world, self._anybody(Role.LEAD)
        if who is None:
            return
        if world.state.standing.paused_until is not None:
            self._says(Unpause(by=who))
        else:
            self._says(Pause(world.desk_now + world.about(timedelta(minutes=40)), "moving", by=who))

    def _reports(self) -> None:
        world, who = self._world, self._anybody()
        services = list(world.plan.services)
        if who is not None:
            service = world.chance.choice(services) if services else None
            self._says(Open("a customer cannot pay", service, by=who))

    def _tests(self) -> None:
        who = self._anybody()
        if who is not None:
            self._says(PageTest(who, by=who))
            self._says(DutyNote("all quiet", by=who))

    def _meddles(self) -> None:
        """Somebody says something to some incident, whether it makes sense or not: most of it is refused."""
        world, who = self._world, self._anybody()
        known = sorted(world.state.incidents)
        if who is None or not known:
            return
        number, chance = world.chance.choice(known), world.chance
        self._says(
            chance.choice(
                (
                    Acknowledge(number, by=who),
                    Unack(number, by=who),
                    Resolve(number, by=who),
                    Reopen(number, by=who),
                    Snooze(number, world.about(timedelta(hours=1)), by=who),
                    Escalate(number, by=who),
                    Reassign(number, f"person:{self._anybody() or who}", by=who),
                    Note(number, "hm", by=who),
                    SetPriority(number, chance.choice(list(Priority)), by=who),
                    Accept(number, by=who),
                    Decline(number, by=who),
                )
            )
        )
