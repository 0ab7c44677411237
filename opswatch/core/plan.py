"""What the operators wrote: people, targets, checks, rosters, policies, rules. Immutable, already validated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from opswatch.core.model import Health, Priority, Role, Secret

# ---------------------------------------------------------------------------------------------------------------------
# Time as people write it. What it means in instants is decided in `core/calendars.py`.


@dataclass(frozen=True, slots=True)
class DayCalendar:
    """Holiday dates, and weekend days that are worked (调休). `years` are those the dates are known for."""

    id: str
    holidays: frozenset[date] = frozenset()
    worked: frozenset[date] = frozenset()
    years: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Window:
    """A recurring local span: `{ days = "mon-fri", from = "09:00", to = "17:00" }`.

    Exactly one way of naming days is used: `weekdays` (0 = Monday), `month_days` (1..31, negative from the month's
    end), `work` (True = workdays, False = restdays of the calendar), or none of them for every day. A span of several
    days (`from = "fri 20:00", to = "mon 08:00"`) has `weekdays={4}` and `end_weekday=0`.
    """

    start: time
    end: time  # `end <= start` runs into the next day (midnight as an end is the end of the day)
    weekdays: frozenset[int] | None = None
    month_days: frozenset[int] | None = None
    work: bool | None = None
    end_weekday: int | None = None


@dataclass(frozen=True, slots=True)
class When:
    """A condition (`when` of a level or a route): local time, priority, failing alerts. An empty one always holds."""

    windows: tuple[Window, ...] = ()
    timezone: str = "UTC"
    calendar: str | None = None
    priorities: frozenset[Priority] | None = None
    alerts: str | None = None  # of a level: how many alerts of the incident fail, as written (`">= 5"`)


# ---------------------------------------------------------------------------------------------------------------------
# Who


@dataclass(frozen=True, slots=True)
class NotifyStep:
    """One line of a person's own rules: `"5m phone"`. `after` counts from the instant their level pages them."""

    contact: str
    after: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    name: str
    timezone: str = "UTC"
    language: str = "en"
    login: str | None = None
    team: str | None = None
    role: Role = Role.RESPONDER
    day: Window | None = None  # P2 waits for it; None: any time is fine
    contacts: Mapping[str, Secret] = field(default_factory=dict)  # kind → address, in the order written
    notify: Mapping[Priority, tuple[NotifyStep, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layer:
    """One pattern of a roster (SPEC 3). Times are local wall times of `timezone`."""

    id: str
    participants: tuple[tuple[str, ...], ...]
    starts: datetime  # naive: a local wall time; the first participant's turn begins here
    turn: tuple[int, str]  # (1, "week"); units hour, day, week, month
    every: tuple[int, str]
    timezone: str = "UTC"
    priority: int = 0
    effective: datetime | None = None  # naive local
    until: datetime | None = None  # naive local, exclusive
    calendar: str | None = None
    windows: tuple[Window, ...] = ()
    worked: bool = False  # advance = "worked"


@dataclass(frozen=True, slots=True)
class Roster:
    id: str
    layers: tuple[Layer, ...]
    timezone: str = "UTC"
    fallback: tuple[str, ...] = ()  # targets: `person:lead`
    covers: tuple[Window, ...] | None = None  # None: always
    announce: tuple[str, ...] = ()  # who hears of gaps, its channels of each change too: `channel:ops`, `person:lead`
    remind: tuple[timedelta, ...] = (timedelta(hours=24),)  # so long before a shift its people are reminded
    shadows: str | None = None  # a roster: whoever is on call here is told what it is paged for, and never paged by it


@dataclass(frozen=True, slots=True)
class Pool:
    id: str
    people: tuple[str, ...]
    need: int = 1
    wait: timedelta = timedelta(minutes=3)


# ---------------------------------------------------------------------------------------------------------------------
# What


@dataclass(frozen=True, slots=True)
class Service:
    id: str
    name: str = ""
    tier: int = 3
    team: str | None = None
    depends_on: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    stakeholders: tuple[str, ...] = ()  # who gets its updates: channel:ID, person:ID, team:ID


@dataclass(frozen=True, slots=True)
class Target:
    id: str
    kind: str
    access: str = "local"
    url: Secret | None = None
    service: str | None = None
    node: str | None = None
    parents: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    is_remote: bool = False  # looked at over a network: cut off when opswatch itself is


@dataclass(frozen=True, slots=True)
class Baseline:
    """`{ baseline = "4 mad", min_change = 10, side = "below" }`: how far from usual is bad, in median absolute
    deviations of the same weekday and hour (`core/norms.py`)."""

    warn: float | None = None  # in MADs
    crit: float | None = None
    side: str = "both"  # both | above | below: where it is bad
    min_change: float = 0.0  # in the sample's unit: nearer to usual than this is never bad


@dataclass(frozen=True, slots=True)
class Limit:
    """`{ warn = "> 80", crit = "> 90", clear = 3 }`, each side as written; `core/limits.py` reads them. With a baseline
    the worse of both counts."""

    warn: str | None = None
    crit: str | None = None
    clear: float = 0.0  # in the sample's unit
    baseline: Baseline | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """What to look at, where, how often, how bad. `every` xor `cron`, or neither: inspections only."""

    id: str
    probe: str
    targets: tuple[str, ...]  # already matched
    every: timedelta | None = None
    cron: str | None = None
    timezone: str = "UTC"
    timeout: timedelta = timedelta(seconds=30)
    confirm: int = 3
    retry: timedelta | None = None
    recover: int = 2
    limits: Mapping[str, Limit] = field(default_factory=dict)
    priority: Mapping[Health, Priority] = field(default_factory=dict)
    on_unknown: Priority = Priority.P3
    playbook: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    args: object = None  # the probe's own validated arguments; opaque here
    why: str = ""  # why it matters, for the page
    calendar: str | None = None  # whose holidays baselines mind
    may_flap: bool = True  # False: each change is told, however often it comes and goes
    reach: bool = False  # critical here means that the target cannot be reached at all
    passive: tuple[str, ...] = ()  # nobody looks: others report it, by these names

    @property
    def has_baseline(self) -> bool:
        """Whether anything it measures is compared with what is usual."""
        return any(limit.baseline is not None for limit in self.limits.values())


# ---------------------------------------------------------------------------------------------------------------------
# How bad, and who is told


@dataclass(frozen=True, slots=True)
class ClassifyRule:
    """`[[classify]]`: every given part must hold. Parts that take a comparison keep it as written (`">= 0.5"`)."""

    priority: Priority
    index: int  # place in the file, from 1: it is part of the reason
    states: frozenset[Health] | None = None
    tiers: frozenset[int] | None = None
    services: frozenset[str] | None = None
    teams: frozenset[str] | None = None
    checks: tuple[str, ...] | None = None  # globs
    targets: tuple[str, ...] | None = None  # globs
    labels: Mapping[str, str] = field(default_factory=dict)
    sources: frozenset[str] | None = None
    failing_share: str | None = None
    lasting: timedelta | None = None
    due_within: timedelta | None = None  # of what a certificate, a disk or a backup still has
    calendar: tuple[str, bool] | None = None  # (id, True = on its workdays)
    timezone: str = "UTC"
    external: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Route:
    policy: str
    services: frozenset[str] | None = None
    teams: frozenset[str] | None = None
    checks: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    priorities: frozenset[Priority] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    when: When | None = None

    @property
    def is_catch_all(self) -> bool:
        parts = (self.services, self.teams, self.checks, self.targets, self.priorities, self.when)
        return not self.labels and all(part is None for part in parts)


@dataclass(frozen=True, slots=True)
class Level:
    page: tuple[str, ...]  # roster:ID  roster:ID/next  roster:ID/previous  person:ID  team:ID  pool:ID  channel:ID
    wait: timedelta = timedelta(minutes=5)
    when: When | None = None
    announce: tuple[str, ...] = ()  # channel:ID: told that the level is entered, and whom it pages
    round_robin: bool = False  # one of its people each time, in turn


@dataclass(frozen=True, slots=True)
class Policy:
    id: str
    levels: tuple[Level, ...]
    repeat: int = 0  # the whole ladder again, this often
    fallback: tuple[str, ...] = ()  # empty: the admins
    ack_timeout: Mapping[Priority, timedelta] = field(default_factory=dict)
    acks: Mapping[Priority, int] = field(default_factory=dict)  # how many must acknowledge; default: one


@dataclass(frozen=True, slots=True)
class PriorityRule:
    """The clocks of one priority. `interrupt`: always | day | never."""

    interrupt: str = "always"
    ack_within: timedelta | None = None
    update_every: timedelta = timedelta(hours=1)
    resolve_within: timedelta | None = None
    postmortem_within: timedelta | None = None  # None or zero: none is owed


@dataclass(frozen=True, slots=True)
class Wording:
    """A prepared update for stakeholders. `text` by language may hold {title}, {service}, {priority}, {status} and
    {owner}; `priorities` are those it is for, None: all."""

    id: str
    text: Mapping[str, str]
    priorities: frozenset[Priority] | None = None


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A planned quiet window: `cron` + `lasts`, or `start` + `end`. Checks keep running inside."""

    id: str
    match: Mapping[str, str]
    reason: str
    owner: str
    timezone: str = "UTC"
    cron: str | None = None
    lasts: timedelta | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A scheduled job that reports: `every` xor `cron`. `grace` is how late its success may be, and, without
    `lasts_max`, how long a run may take; a sign up to `early` before its time counts for it."""

    id: str
    every: timedelta | None = None
    cron: str | None = None
    timezone: str = "UTC"
    grace: timedelta = timedelta(minutes=30)
    early: timedelta = timedelta(minutes=5)
    lasts_max: timedelta | None = None
    service: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    playbook: str | None = None


@dataclass(frozen=True, slots=True)
class Digest:
    cron: str = "0 9 * * *"
    timezone: str = "UTC"
    to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vantage:
    """`[vantage]`: what opswatch asks whether it can see at all, once `failing` targets began to fail within
    `window`."""

    anchors: tuple[str, ...] = ()
    failing: int = 5
    window: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Reach:
    """The checks that say whether a target can be reached. `needs_all`: none was made for that, so all must agree."""

    checks: tuple[str, ...]
    needs_all: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the operators wrote, in one value. Reloading is a new Plan over the same State."""

    name: str = "opswatch"
    node: str = "node"
    mode: str = "page"  # page | observe
    timezone: str = "UTC"
    language: str = "en"
    services: Mapping[str, Service] = field(default_factory=dict)
    targets: Mapping[str, Target] = field(default_factory=dict)
    people: Mapping[str, Person] = field(default_factory=dict)
    rosters: Mapping[str, Roster] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    pools: Mapping[str, Pool] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    classify: tuple[ClassifyRule, ...] = ()
    priorities: Mapping[Priority, PriorityRule] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)
    channels: frozenset[str] = frozenset()
    maintenance: tuple[Maintenance, ...] = ()
    calendars: Mapping[str, DayCalendar] = field(default_factory=dict)
    heartbeats: Mapping[str, Heartbeat] = field(default_factory=dict)
    digest: Digest = Digest()
    reopen_after: timedelta = timedelta(minutes=10)
    resolve_timeout: timedelta = timedelta(minutes=5)  # of alerts of others that name no end
    silent_close: timedelta = timedelta(hours=1)
    group_by: tuple[str, ...] = ("service",)
    group_window: timedelta = timedelta(minutes=30)
    wordings: Mapping[str, Wording] = field(default_factory=dict)
    storm_incidents: int = 10  # so many new ones within `storm_within`: further ones are folded; 0: never
    storm_within: timedelta = timedelta(seconds=60)
    pages_per_hour_max: int = 12
    vantage: Vantage = Vantage()
    # What follows from the above, for what must be quick:
    children: Mapping[str, tuple[str, ...]] = field(init=False, compare=False, repr=False)  # parent → its children
    reached_by: Mapping[str, Reach] = field(init=False, compare=False, repr=False)  # of each parent that is looked at
    needed: frozenset[str] = field(init=False, compare=False, repr=False)  # what anything depends on

    def __post_init__(self) -> None:
        children: dict[str, tuple[str, ...]] = {}
        for target in self.targets.values():
            for parent in target.parents:
                children[parent] = (*children.get(parent, ()), target.id)
        needed = frozenset(name for service in self.services.values() for name in service.depends_on)
        object.__setattr__(self, "children", children)
        object.__setattr__(self, "reached_by", _reached_by(self.checks.values(), children))
        object.__setattr__(self, "needed", needed)

    def rule(self, priority: Priority) -> PriorityRule:
        """The clocks of `priority`; the built-in ones where the file is silent."""
        return self.priorities.get(priority) or BUILT_IN_PRIORITIES[priority]

    def admins(self) -> tuple[str, ...]:
        """The people of last resort, as policy targets."""
        return tuple(f"person:{person.id}" for person in self.people.values() if person.role is Role.ADMIN)


def _reached_by(checks: Iterable[Check], parents: Mapping[str, object]) -> dict[str, Reach]:
    found: dict[str, list[Check]] = {}
    for check in checks if parents else ():
        if check.every is None and check.cron is None:
            continue  # A round of an inspection looks too rarely to say that something is down.
        for target in check.targets:
            if target in parents:
                found.setdefault(target, []).append(check)
    reached = {}
    for target, looking in found.items():
        made_for_it = tuple(check.id for check in looking if check.reach)
        reached[target] = Reach(made_for_it or tuple(check.id for check in looking), needs_all=not made_for_it)
    return reached


_A_DAY = timedelta(hours=24)
BUILT_IN_PRIORITIES: Mapping[Priority, PriorityRule] = {
    Priority.P0: PriorityRule("always", timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=4), _A_DAY),
    Priority.P1: PriorityRule("always", timedelta(minutes=15), timedelta(hours=1), timedelta(hours=8), _A_DAY),
    Priority.P2: PriorityRule("day", timedelta(hours=4), timedelta(hours=8), timedelta(days=3)),
    Priority.P3: PriorityRule("never", None, timedelta(days=1), None),
}
