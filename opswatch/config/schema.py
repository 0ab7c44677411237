"""The tables of the configuration and their keys, exactly as SPEC 1 names them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from opswatch.config import fields as f
from opswatch.config.hook_tables import Hook
from opswatch.config.reading import NOTHING, Spot, Table, key, list_of, map_of, some_of
from opswatch.core.model import Health, Priority, Secret
from opswatch.core.plan import NotifyStep

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
SOME_MONDAY = datetime(2026, 1, 5, 9)  # noqa: DTZ001  (a local reading)
LANGUAGE = f.one_of("en", "zh")
LABELS = map_of(f.text, f.text)

# ---------------------------------------------------------------------------------------------------------------------
# The installation


class Opswatch(Table):
    name: str = key(f.text, "opswatch")
    node: str | None = key(f.name, None)
    mode: str = key(f.one_of("page", "observe"), "page")
    timezone: str = key(f.zone, "UTC")
    language: str = key(LANGUAGE, "en")
    data_dir: str = key(f.words, "var")
    store: Secret | None = key(f.secret, None)
    checks: str | None = key(f.words, None)
    playbooks: str | None = key(f.words, None)
    public_url: str | None = key(f.text, None)


class Web(Table):
    listen: str = key(f.text, "127.0.0.1:8470")
    loopback: bool = key(f.flag, True)
    tls_cert: str | None = key(f.words, None)
    tls_key: str | None = key(f.words, None)
    trusted_proxies: tuple[str, ...] = key(list_of(f.text), ())
    ical: Mapping[str, int] = key(map_of(f.text, f.whole(0, 1_000_000)), NOTHING)


class Token(Table):
    id: str = key(f.name, example='id = "prometheus"')
    secret: Secret = key(f.secret, example='secret = "env:INGEST_TOKEN"')
    may: tuple[str, ...] = key(some_of(f.one_of("read", "act", "ingest"), at_least=1), example='may = ["ingest"]')


class Deadman(Table):
    url: Secret = key(f.secret, example='url = "env:DEADMAN_URL"')
    every: timedelta = key(f.span, MINUTE)


class Retention(Table):
    samples: timedelta = key(f.keeping, 14 * DAY)
    rollups: timedelta = key(f.keeping, 400 * DAY)
    evidence: timedelta = key(f.keeping, 90 * DAY)
    timeline: timedelta = key(f.keeping, 3 * 365 * DAY)


# ---------------------------------------------------------------------------------------------------------------------
# What


class Service(Table):
    id: str = key(f.name, example='id = "orders"')
    name: str = key(f.text, "")
    tier: int = key(f.whole(1, 4), 3)
    team: str | None = key(f.name, None)
    depends_on: tuple[str, ...] = key(some_of(f.text), ())
    labels: Mapping[str, str] = key(LABELS, NOTHING)
    stakeholders: tuple[str, ...] = key(some_of(f.text), ())


class Target(Table):
    id: str = key(f.name, example='id = "db-main"')
    kind: str = key(f.name, example='kind = "host"', spare="host")
    access: str = key(f.text, "local")
    url: Secret | None = key(f.secret, None)
    service: str | None = key(f.text, None)
    node: str | None = key(f.text, None)
    parents: tuple[str, ...] = key(some_of(f.text), ())
    labels: Mapping[str, str] = key(LABELS, NOTHING)


class CheckMatch(Table):
    kind: tuple[str, ...] | None = key(some_of(f.text), None)
    service: tuple[str, ...] | None = key(some_of(f.text), None)
    team: tuple[str, ...] | None = key(some_of(f.text), None)
    target: tuple[str, ...] | None = key(some_of(f.text), None)
    node: tuple[str, ...] | None = key(some_of(f.text), None)
    labels: Mapping[str, str] = key(LABELS, NOTHING)


class Baseline(Table):
    """`baseline = "4 mad"` is short for `{ warn = "4 mad" }`."""

    warn: float | None = key(f.mads, None)
    crit: float | None = key(f.mads, None)

    @classmethod
    def read_short(cls, value: Any, spot: Spot) -> Baseline:
        return cls.read(value, spot) if isinstance(value, dict) else cls(warn=f.mads(value, spot))


class Limit(Table):
    warn: str | None = key(f.range_text, None)
    crit: str | None = key(f.range_text, None)
    clear: float = key(f.number, 0.0)
    baseline: Baseline | None = key(Baseline.read_short, None)
    min_change: float | None = key(f.number, None)
    side: str | None = key(f.one_of("both", "above", "below"), None)


class CheckPriority(Table):
    crit: Priority | None = key(f.priority, None)
    warn: Priority | None = key(f.priority, None)


def _passive(value: Any, spot: Spot) -> tuple[str, ...] | bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str | list):
        spot.bad('true, or the name that others report it by, such as "Current Load"')
    return some_of(f.words, at_least=1)(value, spot)


class Check(Table):
    id: str = key(f.name, example='id = "disk-space"')
    probe: str = key(f.name, "")
    passive: tuple[str, ...] | bool = key(_passive, False)
    match: CheckMatch | None = key(CheckMatch.read, None)
    targets: tuple[str, ...] | None = key(some_of(f.text), None)
    every: timedelta | None = key(f.span, None)
    cron: str | None = key(f.cron, None)
    timezone: str | None = key(f.zone, None)
    timeout: timedelta | None = key(f.span, None)
    confirm: int | None = key(f.whole(1, 1000), None)
    retry: timedelta | None = key(f.span, None)
    recover: int | None = key(f.whole(1, 1000), None)
    limits: Mapping[str, Limit] = key(map_of(f.text, Limit.read), NOTHING)
    priority: CheckPriority = key(CheckPriority.read, CheckPriority())
    on_unknown: Priority | None = key(f.priority, None)
    playbook: str | None = key(f.words, None)
    labels: Mapping[str, str] = key(LABELS, NOTHING)
    args: Mapping[str, Any] = key(f.table, NOTHING)
    why: str = key(f.text, "")
    calendar: str | None = key(f.text, None)
    reach: bool | None = key(f.flag, None)
    flapping: bool = key(f.flag, True)


# ---------------------------------------------------------------------------------------------------------------------
# Who


class Hours(Table):
    start: str = key(f.text, alias="from", example='from = "08:00"')
    end: str = key(f.text, alias="to", example='to = "22:00"')


class WindowTable(Table):
    days: tuple[Any, ...] | None = key(some_of(f.anything), None)
    start: str | None = key(f.text, None, alias="from")
    end: str | None = key(f.text, None, alias="to")


class Person(Table):
    id: str = key(f.name, example='id = "chen"')
    name: str = key(f.text, "")
    login: str | None = key(f.words, None)
    timezone: str | None = key(f.zone, None)
    language: str | None = key(LANGUAGE, None)
    team: str | None = key(f.name, None)
    role: str = key(f.one_of("viewer", "responder", "lead", "admin"), "responder")
    day: Hours | None = key(Hours.read, None)
    contact: Mapping[str, Secret] = key(map_of(f.text, f.secret), NOTHING)
    notify: Mapping[Priority, tuple[NotifyStep, ...]] = key(map_of(f.priority, some_of(f.step)), NOTHING)


# What other tools have beside the name.
Person.ELSEWHERE = {
    kind: f'a way to reach somebody: write contact = {{ {kind} = "…" }}'
    for kind in ("email", "phone", "sms", "slack", "feishu", "dingtalk", "wecom", "webhook", "console")
}


def _participants(value: Any, spot: Spot) -> tuple[tuple[str, ...], ...]:
    """A list of turns; a flat list of people is what most try first, and it has two meanings."""
    flat = isinstance(value, list) and value and all(isinstance(person, str) for person in value)
    if flat or isinstance(value, str):
        people = [word.strip() for word in value.split(",")] if isinstance(value, str) else value
        first, more = people[:3], ", …" if len(people) > 3 else ""
        turns = ", ".join(f'["{person}"]' for person in first)
        together = ", ".join(f'"{person}"' for person in first)
        both = f"; all on call at once: [[{together}{more}]]" if len(people) > 1 else ""
        spot.bad(f"a list of turns, each a list of people: [{turns}{more}]{both}")
    return list_of(list_of(f.text))(value, spot)


class RosterLayer(Table):
    id: str = key(f.name, example='id = "apac"')
    timezone: str | None = key(f.zone, None)
    priority: int = key(f.whole(-1000, 1000), 0)
    participants: tuple[tuple[str, ...], ...] = key(
        _participants, example='participants = [["chen"], ["li"]]', spare=()
    )
    turn: tuple[int, str] = key(f.turn, example='turn = "1 week"', spare=(1, "week"))
    every: tuple[int, str] | None = key(f.turn, None)
    starts: datetime = key(f.local_time, example="starts = 2026-01-05T09:00:00", spare=SOME_MONDAY)
    effective: datetime | None = key(f.local_time, None)
    until: datetime | None = key(f.local_time, None)
    calendar: str | None = key(f.text, None)
    windows: tuple[WindowTable, ...] = key(list_of(WindowTable.read), ())
    advance: str = key(f.one_of("calendar", "worked"), "calendar")


def _covers(value: Any, spot: Spot) -> tuple[WindowTable, ...] | None:
    if value == "always":
        return None
    if isinstance(value, str):
        spot.bad('"always", or windows such as [{ days = "mon-fri", from = "09:00", to = "17:00" }]')
    return list_of(WindowTable.read, at_least=1)(value, spot)


class Roster(Table):
    id: str = key(f.name, example='id = "primary"')
    timezone: str | None = key(f.zone, None)
    fallback: tuple[str, ...] = key(some_of(f.text), ())
    covers: tuple[WindowTable, ...] | None = key(_covers, None)
    announce: tuple[str, ...] = key(some_of(f.text), ())
    shadows: str | None = key(f.text, None)
    remind: tuple[timedelta, ...] = key(some_of(f.span), (DAY,))
    layer: tuple[RosterLayer, ...] = key(
        list_of(RosterLayer.read, at_least=1), example="one [[roster.layer]]", spare=()
    )


def _only_in(table: type[Table], other: type[Table], words: str) -> dict[str, str]:
    """The keys that `table` has and `other` has not, each with where it belongs."""
    return dict.fromkeys(table.KEYS.keys() - other.KEYS.keys(), words)


_OF_LAYER = "a key of a layer: write it below a line [[roster.layer]]"
_OF_ROSTER = "a key of [[roster]]: write it above the first [[roster.layer]]"
Roster.ELSEWHERE = _only_in(RosterLayer, Roster, _OF_LAYER)
RosterLayer.ELSEWHERE = _only_in(Roster, RosterLayer, _OF_ROSTER)


class Pool(Table):
    id: str = key(f.name, example='id = "emergency"')
    people: tuple[str, ...] = key(list_of(f.text, at_least=1), example='people = ["zhang", "sun"]', spare=())
    need: int = key(f.whole(1, 1000), 1)
    wait: timedelta = key(f.span, 3 * MINUTE)


# ---------------------------------------------------------------------------------------------------------------------
# How bad, and who is told


class When(Table):
    days: tuple[Any, ...] | None = key(some_of(f.anything), None)
    start: str | None = key(f.text, None, alias="from")
    end: str | None = key(f.text, None, alias="to")
    calendar: str | None = key(f.text, None)
    timezone: str | None = key(f.zone, None)
    priority: tuple[Priority, ...] | None = key(some_of(f.priority, at_least=1), None)
    alerts: str | None = key(f.range_text, None)


class Level(Table):
    page: tuple[str, ...] = key(some_of(f.text, at_least=1), example='page = ["roster:primary"]', spare=())
    wait: timedelta = key(f.span, 5 * MINUTE)
    when: When | None = key(When.read, None)
    announce: tuple[str, ...] = key(some_of(f.text), ())
    round_robin: bool = key(f.flag, False)


class Policy(Table):
    id: str = key(f.name, example='id = "standard"')
    repeat: int = key(f.whole(0, 100), 0)
    fallback: tuple[str, ...] = key(some_of(f.text), ())
    ack_timeout: Mapping[Priority, timedelta] = key(map_of(f.priority, f.span), NOTHING)
    acks: Mapping[Priority, int] = key(map_of(f.priority, f.whole(1, 20)), NOTHING)
    level: tuple[Level, ...] = key(list_of(Level.read, at_least=1), example="one [[policy.level]]", spare=())


_OF_LEVEL = "a key of a level: write it below a line [[policy.level]]"
_OF_POLICY = "a key of [[policy]]: write it above the first [[policy.level]]"
Policy.ELSEWHERE = _only_in(Level, Policy, _OF_LEVEL)
Level.ELSEWHERE = _only_in(Policy, Level, _OF_POLICY)


class RouteMatch(Table):
    service: tuple[str, ...] | None = key(some_of(f.text), None)
    team: tuple[str, ...] | None = key(some_of(f.text), None)
    check: tuple[str, ...] | None = key(some_of(f.text), None)
    target: tuple[str, ...] | None = key(some_of(f.text), None)
    priority: tuple[Priority, ...] | None = key(some_of(f.priority), None)
    labels: Mapping[str, str] = key(LABELS, NOTHING)


class Route(Table):
    match: RouteMatch = key(RouteMatch.read, RouteMatch())
    when: When | None = key(When.read, None)
    policy: str = key(f.text, example='policy = "standard"', spare="")


class ClassifyWhen(Table):
    state: tuple[Health, ...] | None = key(some_of(f.health), None)
    tier: tuple[int, ...] | None = key(some_of(f.whole(1, 4)), None)
    service: tuple[str, ...] | None = key(some_of(f.text), None)
    team: tuple[str, ...] | None = key(some_of(f.text), None)
    check: tuple[str, ...] | None = key(some_of(f.text), None)
    target: tuple[str, ...] | None = key(some_of(f.text), None)
    labels: Mapping[str, str] = key(LABELS, NOTHING)
    source: tuple[str, ...] | None = key(some_of(f.text), None)
    failing_share: str | None = key(f.range_text, None)
    lasting: timedelta | None = key(f.span_or_nothing, None)
    due_within: timedelta | None = key(f.span, None)
    calendar: str | None = key(f.text, None)
    timezone: str | None = key(f.zone, None)
    external: tuple[str, ...] | None = key(some_of(f.text), None)


class Classify(Table):
    when: ClassifyWhen = key(ClassifyWhen.read, example='when = { state = "crit", tier = 1 }', spare=ClassifyWhen())
    priority: Priority = key(f.priority, example='priority = "P1"', spare=Priority.P3)


class PriorityRule(Table):
    ack_within: timedelta | None = key(f.span, None)
    update_every: timedelta | None = key(f.span, None)
    resolve_within: timedelta | None = key(f.span, None)
    postmortem_within: timedelta | None = key(f.span, None)
    interrupt: str | None = key(f.one_of("always", "day", "never"), None)


class Channel(Table):
    """What every channel has; the rest of the table is its kind's own business."""

    id: str = key(f.name, example='id = "ops"')
    kind: str = key(f.name, example='kind = "slack"')
    to: str = key(f.text, "")


class Maintenance(Table):
    id: str = key(f.name, example='id = "weekly-batch"')
    match: Mapping[str, Any] = key(f.table, example='match = { target = "db-main" }', spare=NOTHING)
    cron: str | None = key(f.cron, None)
    lasts: timedelta | None = key(f.span, None)
    start: datetime | None = key(f.local_time, None, alias="from")
    end: datetime | None = key(f.local_time, None, alias="to")
    timezone: str | None = key(f.zone, None)
    reason: str = key(f.words, example='reason = "index rebuild"', spare="")
    owner: str = key(f.text, example='owner = "chen"', spare="")


def _by_language(value: Any, spot: Spot) -> Mapping[str, str]:
    """`text = "…"` for every language, or `{ en = "…", zh = "…" }`."""
    return map_of(LANGUAGE, f.words)(value, spot) if isinstance(value, dict) else {"en": f.words(value, spot)}


class Wording(Table):
    id: str = key(f.name, example='id = "investigating"')
    text: Mapping[str, str] = key(_by_language, example='text = "We are looking into {title}."', spare=NOTHING)
    priority: tuple[Priority, ...] | None = key(some_of(f.priority), None)


class Storm(Table):
    """`incidents = 0`: nothing is ever folded."""

    incidents: int = key(f.whole(0, 1_000_000), 10)
    within: timedelta = key(f.span, MINUTE)


class Grouping(Table):
    by: tuple[str, ...] = key(some_of(f.text), ("service",))
    window: timedelta = key(f.span, 30 * MINUTE)
    storm: Storm = key(Storm.read, Storm())


class Alerts(Table):
    confirm: int = key(f.whole(1, 1000), 3)
    recover: int = key(f.whole(1, 1000), 2)
    reopen_after: timedelta = key(f.span, 10 * MINUTE)
    resolve_timeout: timedelta = key(f.span, 5 * MINUTE)
    silent_close: timedelta = key(f.span, 60 * MINUTE)


class Mercy(Table):
    pages_per_hour_max: int = key(f.whole(1, 10_000), 12)


class Digest(Table):
    cron: str = key(f.cron, "0 9 * * *")
    timezone: str | None = key(f.zone, None)
    to: tuple[str, ...] = key(some_of(f.text), ())


# ---------------------------------------------------------------------------------------------------------------------
# Accepted, and told that nothing acts on it yet


class Inspection(Table):
    id: str = key(f.name, example='id = "daily"')
    cron: str = key(f.cron, example='cron = "30 7 * * *"')
    timezone: str | None = key(f.zone, None)
    checks: tuple[str, ...] = key(some_of(f.text, at_least=1), example='checks = ["disk-*"]')
    deliver: tuple[str, ...] = key(some_of(f.text), ())
    checklist: tuple[str, ...] = key(list_of(f.words), ())


class Vantage(Table):
    anchors: tuple[str, ...] = key(some_of(f.text), ())
    failing: int = key(f.whole(1, 1_000_000), 5)


class Heartbeat(Table):
    id: str = key(f.name, example='id = "nightly-backup"')
    cron: str | None = key(f.cron, None)
    every: timedelta | None = key(f.span, None)
    timezone: str | None = key(f.zone, None)
    grace: timedelta = key(f.span, 30 * MINUTE)
    early: timedelta = key(f.span, 5 * MINUTE)
    lasts_max: timedelta | None = key(f.span, None)
    service: str | None = key(f.text, None)
    labels: Mapping[str, str] = key(LABELS, NOTHING)
    playbook: str | None = key(f.words, None)


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
    "wording": Wording,
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
NAMED = frozenset(name for name, table in ARRAYS.items() if "id" in table.KEYS)
