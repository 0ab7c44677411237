"""A month of the scenario's team, made up: three rosters by time zone, P0 to P3, people who sleep, messages that fail.

Everything goes over a real desk and store; chance comes from a seed. The month has the nights in which Europe and
America set their clocks back.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from itertools import count
from pathlib import Path

from opswatch.core import calendars
from opswatch.core.effects import Page
from opswatch.core.engine import Engine
from opswatch.core.events import (
    Acknowledge,
    AddOverride,
    AddSilence,
    DutyNote,
    Escalate,
    Event,
    MessageSent,
    NodeStarted,
    Note,
    Observed,
    Reassign,
    Resolve,
    SendFailed,
    SetPriority,
    Snooze,
    Tick,
    Unack,
)
from opswatch.core.model import Failure, Health, Priority, Role, Secret, Status, Verdict
from opswatch.core.plan import (
    Check,
    ClassifyRule,
    DayCalendar,
    Layer,
    Level,
    Limit,
    Person,
    Plan,
    Policy,
    Roster,
    Route,
    Service,
    Target,
    Window,
)
from opswatch.desk import Desk
from opswatch.stores import open_store
from opswatch.views import Views

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STARTS = datetime(2026, 10, 18, 16, tzinfo=UTC)  # Monday 19 October, midnight in Shanghai
ENDS = STARTS + 28 * DAY
ZONE = "Asia/Shanghai"
REGIONS = {"sea": "Asia/Shanghai", "mena": "Asia/Dubai", "west": "America/New_York"}
SPECIALISTS = {"sea": ("chen", "li", "wang"), "mena": ("omar", "sara"), "west": ("ana", "bo", "cy")}
HOLIDAY = datetime(2026, 11, 11, tzinfo=UTC).date()


def a_person(name: str, zone: str, day: Window | None, role: Role = Role.RESPONDER) -> Person:
    contacts = {"slack": Secret(f"slack-{name}"), "phone": Secret(f"phone-{name}")}
    return Person(name, name.title(), zone, role=role, day=day, contacts=contacts)


def team() -> Plan:
    """Shanghai takes turns by the week; Dubai works by windows, with gaps that the lead fills; New York by the day, and
    its last person has no `day` of their own."""
    waking = Window(time(8), time(22))
    people = {
        name: a_person(name, REGIONS[region], None if name == "cy" else waking)
        for region, names in SPECIALISTS.items()
        for name in names
    }
    people["lead"] = a_person("lead", "Europe/Berlin", waking, Role.ADMIN)
    begins = datetime(2026, 10, 5, 9)  # noqa: DTZ001 - a local wall time
    week, day, shift = (1, "week"), (1, "day"), Window(time(7), time(23))
    layers = {
        "sea": Layer("turns", tuple((one,) for one in SPECIALISTS["sea"]), begins, week, week, REGIONS["sea"]),
        "mena": Layer("hours", (("omar", "sara"),), begins, week, week, REGIONS["mena"], windows=(shift,)),
        "west": Layer("days", tuple((one,) for one in SPECIALISTS["west"]), begins, day, day, REGIONS["west"]),
    }
    rosters = {
        name: Roster(name, (layer,), layer.timezone, ("person:lead",) if name == "mena" else ())
        for name, layer in layers.items()
    }
    limits = {"used_pct": Limit(crit="> 90")}
    checks = {
        f"{check}-{region}": Check(
            f"{check}-{region}",
            "command",
            (f"{region}-1", f"{region}-2", f"{region}-3"),
            retry=MINUTE,
            confirm=1,
            recover=1,
            limits=limits if check == "disk" else {},
            priority={Health.WARN: Priority.P3},
        )
        for region in REGIONS
        for check in ("disk", "db", "orders")
    }
    return Plan(
        name="acme",
        node="ops-1",
        timezone=ZONE,
        people=people,
        rosters=rosters,
        services={name: Service(name, f"Orders {name}", tier=tier) for tier, name in enumerate(REGIONS, start=1)},
        targets={
            f"{name}-{number}": Target(f"{name}-{number}", "host", service=name)
            for name in REGIONS
            for number in (1, 2, 3)
        },
        checks=checks,
        classify=(
            ClassifyRule(Priority.P0, 1, checks=("orders-sea",), states=frozenset({Health.CRIT})),
            ClassifyRule(Priority.P2, 2, checks=("disk-*",), states=frozenset({Health.CRIT})),
        ),
        policies={name: a_policy(name) for name in REGIONS},
        routes=(*(Route(name, services=frozenset({name})) for name in REGIONS), Route("sea")),
        calendars={"cn": DayCalendar("cn", frozenset({HOLIDAY}))},
        channels=frozenset({"ops"}),
        group_by=("service", "check"),
    )


def a_policy(roster: str) -> Policy:
    levels = (
        Level((f"roster:{roster}",), 5 * MINUTE),
        Level((f"roster:{roster}/next",), 10 * MINUTE),
        Level(("person:lead", "channel:ops"), 15 * MINUTE),
    )
    timeouts = {Priority.P0: 30 * MINUTE, Priority.P1: 2 * HOUR}
    return Policy(roster, levels, repeat=1, fallback=("person:lead",), ack_timeout=timeouts)


class Month:
    """What happens, from STARTS. `now` is what everybody is told."""

    def __init__(self, folder: Path, seed: int, *, on_hour: Callable[[datetime], None] | None = None) -> None:
        self.now, self.plan = STARTS, team()
        self.address = f"sqlite:{folder / 'opswatch.db'}"
        self.store = open_store(self.address)
        self.store.migrate()
        self.desk = Desk(self.store, Engine(self.plan), lambda: self.now)
        self.views = Views(self.desk, self.store, lambda: self.now)
        self.on_hour = on_hour
        self._chance = random.Random(seed)
        self._ahead: list[tuple[datetime, int, Callable[[], None]]] = []
        self._serial = count()
        self._failing: set[tuple[str, str]] = set()

    def passes(self) -> None:
        """The whole month, and the hours after it in which the last review is due."""
        self.apply(NodeStarted("ops-1", None))
        self.after(self._pause(3 * HOUR), self.something_fails)
        self.after(9 * DAY, self.the_team_changes)
        self.after(17 * DAY, lambda: self.apply(NodeStarted("ops-1", self.now - 40 * MINUTE)))
        self.until(ENDS + 7 * HOUR)

    def until(self, end: datetime) -> None:
        hour = self.now + HOUR
        while True:
            due = self.desk.next_deadline()
            at, _, happens = self._ahead[0] if self._ahead else (end, 0, None)
            first = min(at, hour, end, due or end)
            self.now = max(self.now, first)
            if first >= end:
                return
            if first == hour:
                hour += HOUR
                if self.on_hour is not None:
                    self.on_hour(self.now)
            elif happens is not None and first == at:
                heapq.heappop(self._ahead)
                happens()
            else:
                self.apply(Tick())

    def after(self, span: timedelta, happens: Callable[[], None]) -> None:
        heapq.heappush(self._ahead, (self.now + span, next(self._serial), happens))

    def apply(self, event: Event) -> None:
        for effect in self.desk.apply(event):
            if isinstance(effect, Page):
                self.sent(effect)

    # checks

    def something_fails(self) -> None:
        """Every few hours; a third of it is gone in minutes, some of it spreads to another host."""
        if self.now < ENDS - 12 * HOUR:
            self.after(self._pause(2.5 * HOUR), self.something_fails)
        check = self._chance.choice(sorted(self.plan.checks))
        first, second, _ = self._chance.sample(self.plan.checks[check].targets, 3)
        self.begins(check, first)
        if self._chance.random() < 0.15:
            self.after(self._pause(8 * MINUTE), lambda: self.begins(check, second))

    def begins(self, check: str, target: str) -> None:
        if (check, target) in self._failing:
            return
        self._failing.add((check, target))
        health = Health.WARN if self._chance.random() < 0.2 else Health.CRIT
        self.looks(check, target, health)
        brief = self._chance.random() < 0.35
        lasts = self._pause(2 * MINUTE) + MINUTE if brief else self._pause(70 * MINUTE) + 6 * MINUTE
        self.after(lasts, lambda: self.is_over(check, target))

    def is_over(self, check: str, target: str) -> None:
        self._failing.discard((check, target))
        self.looks(check, target)

    def looks(self, check: str, target: str, health: Health = Health.OK) -> None:
        said = f"{check} is {health} on {target}"
        failures = () if health is Health.OK else (Failure(said, health),)
        self.apply(Observed(check, target, Verdict(self.now, said, failures=failures)))

    # messages

    def sent(self, page: Page) -> None:
        """It arrives after a second or so; some fail once, a few ways are closed for good."""
        luck = self._chance.random()
        took = self._chance.expovariate(0.8)
        if luck < 0.02:
            self.after(timedelta(seconds=took), lambda: self.fails(page, is_final=True))
            return
        if luck < 0.06:
            self.after(timedelta(seconds=took), lambda: self.fails(page, is_final=False))
            took += 3
        receipt = MessageSent(page.id, page.incident, "page", page.person, page.contact, took)
        self.after(timedelta(seconds=took), lambda: self.apply(receipt))
        self.after(self._reaction(page.person), lambda: self.reads(page))

    def fails(self, page: Page, *, is_final: bool) -> None:
        retry_at = None if is_final else self.now + timedelta(seconds=2)
        reason = "user_not_found" if is_final else "timeout"
        given = (page.id, page.incident, "page", page.person, page.contact, reason, is_final)
        self.apply(SendFailed(*given, page=page, retry_at=retry_at))

    # people

    def _reaction(self, person: str) -> timedelta:
        """Minutes; longer for who sleeps."""
        hour = calendars.reading(self.now, self.plan.people[person].timezone).hour
        return timedelta(minutes=self._chance.lognormvariate(1.7 if hour < 7 else 0.8, 0.9))

    def reads(self, page: Page) -> None:
        """Most answer; some do not hear it."""
        incident = self.views.incident(page.incident)
        if incident is None or incident.incident.status is not Status.TRIGGERED or self._chance.random() < 0.25:
            return
        number, who = page.incident, page.person
        self.apply(Acknowledge(number, by=who))
        luck = self._chance.random()
        acts: dict[float, Event] = {
            0.08: Reassign(number, f"person:{self._chance.choice(sorted(self.plan.people))}", by=who),
            0.14: Snooze(number, 45 * MINUTE, by=who),
            0.18: Escalate(number, by=who),
            0.24: SetPriority(number, self._chance.choice(list(Priority)), by=who),
            0.27: Unack(number, by=who),
            0.45: Note(number, "noise: the batch does this every night", by=who),
            0.60: Note(number, "cleared the temporary files", by=who),
            0.85: Resolve(number, by=who),
        }
        act = next((act for below, act in acts.items() if luck < below), None)
        if act is not None:
            self.after(self._pause(20 * MINUTE), lambda: self.apply(act))

    def the_team_changes(self) -> None:
        """Somebody takes a day of a colleague's, a silence stays longer than anybody meant, a note is written."""
        self.apply(AddOverride("west", self.now, self.now + DAY, remove="ana", add="cy", by="lead"))
        self.apply(AddSilence((("target", "=", "sea-3"),), self.now + 25 * DAY, "rebuilding it", by="lead"))
        self.apply(DutyNote("the rebuild takes longer", by="chen"))

    def _pause(self, mean: timedelta) -> timedelta:
        return mean * self._chance.expovariate(1.0)
