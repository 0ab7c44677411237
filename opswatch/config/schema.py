"""The tables of the configuration and their keys, exactly as SPEC 1 names them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from opswatch.config.fields import (
    Cron,
    HealthNames,
    Ints,
    Keeping,
    Labels,
    LocalTime,
    Name,
    Names,
    PriorityName,
    PriorityNames,
    RangeText,
    SecretText,
    Span,
    SpanOrNothing,
    Step,
    Table,
    Turn,
    Zone,
)

Language = Literal["en", "zh"]


def _minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


# ---------------------------------------------------------------------------------------------------------------------
# The installation


class Opswatch(Table):
    name: str = "opswatch"
    node: Name | None = None
    mode: Literal["page", "observe"] = "page"
    timezone: Zone = "UTC"
    language: Language = "en"
    data_dir: str = "var"
    store: SecretText | None = None
    checks: str | None = None
    playbooks: str | None = None
    public_url: str | None = None


class Web(Table):
    listen: str = "127.0.0.1:8470"
    loopback: bool = True
    tls_cert: str | None = None
    tls_key: str | None = None
    trusted_proxies: list[str] = Field(default=[])


class Token(Table):
    id: Name
    secret: SecretText = Field(examples=["env:INGEST_TOKEN"])
    may: list[Literal["read", "act", "ingest"]] = Field(min_length=1, examples=[["ingest"]])


class Deadman(Table):
    url: SecretText = Field(examples=["env:DEADMAN_URL"])
    every: Span = _minutes(1)


class Retention(Table):
    samples: Keeping = timedelta(days=14)
    rollups: Keeping = timedelta(days=400)
    evidence: Keeping = timedelta(days=90)
    timeline: Keeping = timedelta(days=3 * 365)


# ---------------------------------------------------------------------------------------------------------------------
# What


class Service(Table):
    id: Name = Field(examples=["orders"])
    name: str = ""
    tier: int = Field(default=3, ge=1, le=4)
    team: Name | None = None
    depends_on: list[str] = Field(default=[])
    labels: Labels = Field(default={})


class Target(Table):
    id: Name = Field(examples=["db-main"])
    kind: Name = Field(examples=["host"])
    access: str = "local"
    url: SecretText | None = None
    service: str | None = None
    node: str | None = None
    parents: list[str] = Field(default=[])
    labels: Labels = Field(default={})


class CheckMatch(Table):
    kind: Names | None = None
    service: Names | None = None
    team: Names | None = None
    target: Names | None = None
    node: Names | None = None
    labels: Labels = Field(default={})


class Limit(Table):
    warn: RangeText | None = None
    crit: RangeText | None = None
    clear: float = Field(default=0.0, ge=0)


class CheckPriority(Table):
    crit: PriorityName | None = None
    warn: PriorityName | None = None


class Check(Table):
    id: Name = Field(examples=["disk-space"])
    probe: Name = Field(examples=["disk"])
    match: CheckMatch | None = None
    targets: list[str] | None = None
    every: Span | None = None
    cron: Cron | None = None
    timezone: Zone | None = None
    timeout: Span | None = None
    confirm: int | None = Field(default=None, ge=1, le=1000)
    retry: Span | None = None
    recover: int | None = Field(default=None, ge=1, le=1000)
    limits: dict[str, Limit] = Field(default={})
    priority: CheckPriority = CheckPriority()
    on_unknown: PriorityName | None = None
    playbook: str | None = None
    labels: Labels = Field(default={})
    args: dict[str, Any] = Field(default={})
    why: str = ""


# ---------------------------------------------------------------------------------------------------------------------
# Who


class Hours(Table):
    start: str = Field(alias="from", examples=["08:00"])
    end: str = Field(alias="to", examples=["22:00"])


class WindowTable(Table):
    days: Names | None = None
    start: str | None = Field(default=None, alias="from", examples=["09:00"])
    end: str | None = Field(default=None, alias="to", examples=["17:00"])


Covers = Annotated[list[WindowTable] | None, BeforeValidator(lambda value: None if value == "always" else value)]


class Person(Table):
    id: Name = Field(examples=["chen"])
    name: str = ""
    login: str | None = None
    timezone: Zone | None = None
    language: Language | None = None
    team: Name | None = None
    role: Literal["viewer", "responder", "lead", "admin"] = "responder"
    day: Hours | None = None
    contact: dict[str, SecretText] = Field(default={})
    notify: dict[PriorityName, list[Step]] = Field(default={})


class RosterLayer(Table):
    id: Name = Field(examples=["apac"])
    timezone: Zone | None = None
    priority: int = 0
    participants: list[list[str]] = Field(examples=[[["chen"], ["li"]]])
    turn: Turn = Field(examples=["1 week"])
    every: Turn | None = None
    starts: LocalTime = Field(examples=["2026-01-05T09:00:00"])
    effective: LocalTime | None = None
    until: LocalTime | None = None
    calendar: str | None = None
    windows: list[WindowTable] = Field(default=[])
    advance: Literal["calendar", "worked"] = "calendar"


class Roster(Table):
    id: Name = Field(examples=["primary"])
    timezone: Zone | None = None
    fallback: Names = Field(default=[])
    covers: Covers = None
    layer: list[RosterLayer] = Field(min_length=1, examples=["[[roster.layer]]"])


class Pool(Table):
    id: Name = Field(examples=["emergency"])
    people: list[str] = Field(min_length=1, examples=[["zhang", "sun"]])
    need: int = Field(default=1, ge=1)
    wait: Span = _minutes(3)


# ---------------------------------------------------------------------------------------------------------------------
# How bad, and who is told


class When(Table):
    days: Names | None = None
    start: str | None = Field(default=None, alias="from")
    end: str | None = Field(default=None, alias="to")
    calendar: str | None = None
    timezone: Zone | None = None
    priority: PriorityNames | None = None


class Level(Table):
    page: Names = Field(min_length=1, examples=[["roster:primary"]])
    wait: Span = _minutes(5)
    when: When | None = None


class Policy(Table):
    id: Name = Field(examples=["standard"])
    repeat: int = Field(default=0, ge=0, le=100)
    fallback: Names = Field(default=[])
    ack_timeout: dict[PriorityName, Span] = Field(default={})
    level: list[Level] = Field(min_length=1, examples=["[[policy.level]]"])


class RouteMatch(Table):
    service: Names | None = None
    team: Names | None = None
    check: Names | None = None
    target: Names | None = None
    priority: PriorityNames | None = None
    labels: Labels = Field(default={})


class Route(Table):
    match: RouteMatch = RouteMatch()
    when: When | None = None
    policy: str = Field(examples=["standard"])


class ClassifyWhen(Table):
    state: HealthNames | None = None
    tier: Ints | None = None
    service: Names | None = None
    team: Names | None = None
    check: Names | None = None
    target: Names | None = None
    labels: Labels = Field(default={})
    source: Names | None = None
    failing_share: RangeText | None = None
    lasting: SpanOrNothing | None = None
    calendar: str | None = None
    timezone: Zone | None = None
    external: Names | None = None


class Classify(Table):
    when: ClassifyWhen
    priority: PriorityName = Field(examples=["P1"])


class PriorityRule(Table):
    ack_within: Span | None = None
    update_every: Span | None = None
    resolve_within: Span | None = None
    postmortem_within: Span | None = None
    interrupt: Literal["always", "day", "never"] | None = None


class Channel(Table):
    """What every channel has; the rest of the table is its kind's own business."""

    id: Name = Field(examples=["ops"])
    kind: Name = Field(examples=["slack"])
    to: str = ""


class Maintenance(Table):
    id: Name = Field(examples=["weekly-batch"])
    match: dict[str, Any] = Field(examples=['{ target = "db-main" }'])
    cron: Cron | None = None
    lasts: Span | None = None
    start: LocalTime | None = Field(default=None, alias="from")
    end: LocalTime | None = Field(default=None, alias="to")
    timezone: Zone | None = None
    reason: str = Field(min_length=1, examples=["index rebuild"])
    owner: str = Field(examples=["chen"])


class Storm(Table):
    incidents: int = Field(default=10, ge=2)
    within: Span = _minutes(1)


class Grouping(Table):
    by: Names = Field(default=["service"])
    window: Span = _minutes(30)
    storm: Storm | None = None


class Alerts(Table):
    confirm: int = Field(default=3, ge=1, le=1000)
    recover: int = Field(default=2, ge=1, le=1000)
    reopen_after: Span = _minutes(10)
    resolve_timeout: Span = _minutes(5)
    silent_close: Span = _minutes(60)


class Mercy(Table):
    pages_per_hour_max: int = Field(default=12, ge=1)


class Digest(Table):
    cron: Cron = "0 9 * * *"
    timezone: Zone | None = None
    to: Names = Field(default=[])


# ---------------------------------------------------------------------------------------------------------------------
# Accepted, and told that nothing acts on it yet


class Inspection(Table):
    id: Name = Field(examples=["daily"])
    cron: Cron = Field(examples=["30 7 * * *"])
    timezone: Zone | None = None
    checks: Names = Field(min_length=1, examples=[["disk-*"]])
    deliver: Names = Field(default=[])


class Vantage(Table):
    anchors: list[str] = Field(default=[])
    failing: int = Field(default=5, ge=1)


class Hook(Table):
    id: Name = Field(examples=["billing"])
    mapping: dict[str, Any] = Field(examples=["{ … }"])


class Heartbeat(Table):
    id: Name = Field(examples=["nightly-backup"])
    cron: Cron | None = None
    every: Span | None = None
    timezone: Zone | None = None
    grace: Span = _minutes(30)
    service: str | None = None


ARRAYS: dict[str, type[Table]] = {
    "service": Service,
    "target": Target,
    "person": Person,
    "roster": Roster,
    "policy": Policy,
    "pool": Pool,
    "route": Route,
    "classify": Classify,
    "channel": Channel,
    "check": Check,
    "inspection": Inspection,
    "maintenance": Maintenance,
    "token": Token,
    "hook": Hook,
    "heartbeat": Heartbeat,
}
TABLES: dict[str, type[Table]] = {
    "opswatch": Opswatch,
    "web": Web,
    "alerts": Alerts,
    "grouping": Grouping,
    "mercy": Mercy,
    "vantage": Vantage,
    "deadman": Deadman,
    "digest": Digest,
    "retention": Retention,
}
"""`[priority.P0]` … stand apart: a table of tables."""
NAMED = frozenset(name for name, model in ARRAYS.items() if "id" in model.model_fields)
NOT_YET_ACTED_ON = ("inspection", "vantage", "hook", "heartbeat")
