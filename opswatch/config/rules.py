"""How bad it is and who is told: policies, routes, classification, priorities, maintenance, from tables to the plan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from opswatch.config import schema, windows
from opswatch.config.names import Names, each
from opswatch.config.problems import Place, Problems
from opswatch.config.suggest import listed
from opswatch.config.tables import Entry, Tables
from opswatch.core.calendars import instant
from opswatch.core.model import Priority, Role
from opswatch.core.plan import (
    BUILT_IN_PRIORITIES,
    ClassifyRule,
    Digest,
    Heartbeat,
    Level,
    Maintenance,
    Person,
    Policy,
    PriorityRule,
    Route,
    Wording,
)

DEFAULT_POLICY = "default"
GROUP_LABELS = ("service", "team", "tier", "check", "target", "item", "kind", "probe", "state")
MATCHABLE = frozenset({*GROUP_LABELS, "labels"})


def policies(
    tables: Tables, names: Names, calendars: windows.Calendars, people: Mapping[str, Person], *, timezone: str
) -> dict[str, Policy]:
    """The ladders. Where none is written, one that pages the admins, or without admins everybody who may act."""
    found = {}
    for entry in tables.all("policy", schema.Policy):
        table, place = entry.value, entry.place
        names.check_targets(table.fallback, place.at("fallback"))
        levels = tuple(
            _level(level, place.at("level", index), names, calendars, timezone)
            for index, level in enumerate(table.level)
        )
        found[table.id] = Policy(
            table.id, levels, table.repeat, tuple(table.fallback), dict(table.ack_timeout), dict(table.acks)
        )
    if not tables.known("policy"):
        found[DEFAULT_POLICY] = _default_policy(people)
    return found


def _level(table: schema.Level, place: Place, names: Names, calendars: windows.Calendars, timezone: str) -> Level:
    names.check_targets(table.page, place.at("page"))
    when = windows.when(table.when, place.at("when"), calendars, timezone=timezone, problems=names.problems)
    names.check_targets(table.announce, place.at("announce"), allow=("channel",))
    if table.round_robin and (pools := [target for target in table.page if target.startswith("pool:")]):
        words = f"nothing beside {pools[0]}: a pool is asked in its own order, until enough of it have accepted"
        names.problems.add(place.at("round_robin"), words)
    return Level(
        tuple(dict.fromkeys(table.page)),
        table.wait,
        when,
        tuple(dict.fromkeys(table.announce)),
        table.round_robin,
    )


def _default_policy(people: Mapping[str, Person]) -> Policy:
    admins = [person.id for person in people.values() if person.role is Role.ADMIN]
    able = admins or [person.id for person in people.values() if person.role is not Role.VIEWER]
    return Policy(DEFAULT_POLICY, (Level(tuple(f"person:{person}" for person in able)),))


def routes(
    tables: Tables,
    names: Names,
    calendars: windows.Calendars,
    policies: Mapping[str, Policy],
    *,
    timezone: str,
    warnings: Problems,
) -> tuple[Route, ...]:
    """First match wins, and the last one matches everything. Where none is written, the only policy gets it all."""
    entries = tables.all("route", schema.Route)
    if not entries:
        _refuse_choice(tables, names)
        return tuple(Route(policy) for policy in list(policies)[:1])
    found = []
    for entry in entries:
        if "policy" not in entry.value.spoilt:
            names.check("policy", entry.value.policy, entry.place.at("policy"))
        _check_match(entry.value.match, entry.place.at("match"), names, warnings)
        if entry.value.when is not None and entry.value.when.alerts is not None:
            words = "only in the `when` of a [[policy.level]]: an incident is routed by its first alert"
            names.problems.add(entry.place.at("when", "alerts"), words)
        found.append(_route(entry, calendars, timezone, names.problems))
    written = entries[-1].place.source.document["route"]
    is_last = entries[-1].place.path[-1] == len(written) - 1  # Else the last one has mistakes of its own.
    if is_last and not found[-1].is_catch_all:
        words = "the last [[route]] has no match and no when: it is for what nobody thought of"
        names.problems.add(entries[-1].place, words, seen="")
    return tuple(found)


def _refuse_choice(tables: Tables, names: Names) -> None:
    """Several policies and no route: nothing says which one is for what."""
    known = tables.known("policy")
    if len(known) > 1 and not tables.arrays.get("route"):
        place = next(iter(known.values()))
        example = f'[[route]] policy = "{next(iter(known))}"'
        names.problems.add(
            place, f"a [[route]] that says which policy is for what; the last without match: {example}", seen=""
        )


def _route(entry: Entry[schema.Route], calendars: windows.Calendars, timezone: str, problems: Problems) -> Route:
    table, match = entry.value, entry.value.match
    return Route(
        policy=table.policy,
        services=_set(match.service),
        teams=_set(match.team),
        checks=_tuple(match.check),
        targets=_tuple(match.target),
        priorities=frozenset(match.priority) if match.priority is not None else None,
        labels=match.labels,
        when=windows.when(table.when, entry.place.at("when"), calendars, timezone=timezone, problems=problems),
    )


def _check_match(
    match: schema.RouteMatch | schema.ClassifyWhen, place: Place, names: Names, warnings: Problems
) -> None:
    names.check_all("service", match.service, place.at("service"))
    names.check_teams(match.team, place.at("team"))
    for table, values in (("check", match.check), ("target", match.target)):
        known = list(names.tables.known(table))
        for name, there in each(values, place.at(table)):
            if "*" not in name and "?" not in name and name not in known:
                # Alerts from outside bring names of their own: it may be right.
                warnings.unknown(there, name, known, f"no {table} here has this name; known are {listed(known)}")


# ---------------------------------------------------------------------------------------------------------------------
# How bad


def classify(
    tables: Tables, names: Names, calendars: windows.Calendars, *, timezone: str, warnings: Problems
) -> tuple[ClassifyRule, ...]:
    found = []
    for number, entry in enumerate(tables.all("classify", schema.Classify), start=1):
        when, place = entry.value.when, entry.place.at("when")
        _check_match(when, place, names, warnings)
        found.append(
            ClassifyRule(
                priority=entry.value.priority,
                index=number,
                states=frozenset(when.state) if when.state is not None else None,
                tiers=frozenset(when.tier) if when.tier is not None else None,
                services=_set(when.service),
                teams=_set(when.team),
                checks=_tuple(when.check),
                targets=_tuple(when.target),
                labels=when.labels,
                sources=_set(when.source),
                failing_share=when.failing_share,
                lasting=when.lasting,
                due_within=when.due_within,
                calendar=_day_kind(when.calendar, place.at("calendar"), calendars, names.problems),
                timezone=when.timezone or timezone,
                external=_set(when.external),
            )
        )
    return tuple(found)


def _day_kind(
    text: str | None, place: Place, calendars: windows.Calendars, problems: Problems
) -> tuple[str, bool] | None:
    """`"cn restdays"`, `"cn workdays"`; a calendar alone means its workdays."""
    if text is None:
        return None
    name, _, days = text.strip().partition(" ")
    if days.strip() not in ("", "workdays", "restdays"):
        problems.unknown(place, days, ("workdays", "restdays"), 'a calendar and its days, such as "cn restdays"')
        return None
    known = calendars.name(name, place)
    return (known, days.strip() != "restdays") if known is not None else None


def priorities(tables: Tables) -> dict[Priority, PriorityRule]:
    """The clocks that are written, over the built-in ones."""
    found = {}
    for priority, entry in tables.priorities.items():
        table, built_in = entry.value, BUILT_IN_PRIORITIES[priority]
        found[priority] = PriorityRule(
            interrupt=table.interrupt or built_in.interrupt,
            ack_within=table.ack_within or built_in.ack_within,
            update_every=table.update_every or built_in.update_every,
            resolve_within=table.resolve_within or built_in.resolve_within,
            postmortem_within=_or(table.postmortem_within, built_in.postmortem_within),
        )
    return found


def _or(written: timedelta | None, built_in: timedelta | None) -> timedelta | None:
    """What is written, `0s` too: it says that none is owed."""
    return built_in if written is None else written


# ---------------------------------------------------------------------------------------------------------------------
# Quiet, and the digest


def maintenance(tables: Tables, names: Names, *, timezone: str, labels: frozenset[str]) -> tuple[Maintenance, ...]:
    """Planned windows. `labels` are those that anything here carries."""
    return tuple(
        _maintenance(entry, names, timezone, labels) for entry in tables.all("maintenance", schema.Maintenance)
    )


def _maintenance(entry: Entry[schema.Maintenance], names: Names, timezone: str, labels: frozenset[str]) -> Maintenance:
    table, place, problems = entry.value, entry.place, names.problems
    zone = table.timezone or timezone
    recurring, once = (table.cron, table.lasts), (table.start, table.end)
    is_clear = (all(recurring) and not any(once)) or (all(once) and not any(recurring))
    if not is_clear and not table.spoilt:
        problems.add(place, "either `cron` and `lasts` (recurring) or `from` and `to` (once)", seen="")
    start = instant(table.start, zone) if table.start is not None else None
    end = instant(table.end, zone, last=True) if table.end is not None else None
    if start is not None and end is not None and end <= start:
        problems.add(place.at("to"), "later than `from`")
    if table.lasts is not None and table.lasts > timedelta(days=31):
        problems.add(place.at("lasts"), "at most 31 days: longer quiet is a change of the checks")
    if "owner" not in table.spoilt:
        names.check("person", table.owner, place.at("owner"))
    match = _label_match(table.match, place.at("match"), names, labels)
    return Maintenance(table.id, match, table.reason, table.owner, zone, table.cron, table.lasts, start, end)


def heartbeats(tables: Tables, names: Names, *, timezone: str) -> dict[str, Heartbeat]:
    """Scheduled jobs that report, in the order of the file."""
    return {entry.value.id: _heartbeat(entry, names, timezone) for entry in tables.all("heartbeat", schema.Heartbeat)}


def _heartbeat(entry: Entry[schema.Heartbeat], names: Names, timezone: str) -> Heartbeat:
    table, place, problems = entry.value, entry.place, names.problems
    if (table.cron is None) is (table.every is None) and not table.spoilt:
        problems.add(place, 'either `cron = "0 2 * * *"` or `every = "15m"`: when the job runs', seen="")
    if table.service is not None:
        names.check("service", table.service, place.at("service"))
    if table.every is not None and table.early >= table.every:
        problems.add(place.at("early"), "shorter than `every`: else each sign would count for the next run too")
    return Heartbeat(
        id=table.id,
        every=table.every,
        cron=table.cron,
        timezone=table.timezone or timezone,
        grace=table.grace,
        early=table.early,
        lasts_max=table.lasts_max,
        service=table.service,
        labels=table.labels,
        playbook=table.playbook,
    )


def _label_match(match: Mapping[str, Any], place: Place, names: Names, labels: frozenset[str]) -> dict[str, str]:
    """Label → value or glob. `labels = { … }` may stand apart or not."""
    if not match and place.is_written:
        names.problems.add(place, 'something to match, such as { target = "db-main" }')
    flat = {**{key: (value, place.at(key)) for key, value in match.items() if key != "labels"}}
    extra = match.get("labels", {})
    if isinstance(extra, Mapping):
        flat.update({key: (value, place.at("labels", key)) for key, value in extra.items()})
    found = {}
    for key, (value, there) in flat.items():
        if not isinstance(value, str):
            names.problems.add(there, 'text in quotes, a name or a pattern such as "db-*"')
            continue
        if key not in MATCHABLE and key not in labels:
            names.problems.add(
                there,
                f"a label something here carries: {listed({*GROUP_LABELS, *labels})}",
                suggestion=_near(key, labels),
            )
        elif key in ("service", "target", "check") and "*" not in value and "?" not in value:
            names.check(key, value, there)
        found[key] = value
    return found


def _near(key: str, labels: Iterable[str]) -> str:
    from opswatch.config.suggest import nearest

    return nearest(key, {*GROUP_LABELS, *labels})


def group_by(tables: Tables, names: Names, labels: frozenset[str]) -> tuple[str, ...]:
    """The labels alerts are grouped by."""
    entry = tables.singles.get("grouping")
    if entry is None:
        return ("service",)
    by = tuple(entry.value.by)
    for name, there in each(by, entry.place.at("by")):
        names.among({*GROUP_LABELS, *labels}, name, there, what="label")
    return by


WORDING_FACTS = ("title", "service", "priority", "status", "owner")


def wordings(tables: Tables, problems: Problems) -> dict[str, Wording]:
    """Prepared updates. What stands in braces must be a fact that an incident has."""
    found = {}
    for entry in tables.all("wording", schema.Wording):
        table = entry.value
        for language, text in table.text.items():
            is_split = isinstance(entry.place.value, Mapping) and isinstance(entry.place.value.get("text"), Mapping)
            place = entry.place.at("text", language) if is_split else entry.place.at("text")
            for name in re.findall(r"\{(\w*)\}", text):
                if name not in WORDING_FACTS:
                    problems.unknown(place, name, WORDING_FACTS, f"in braces one of {listed(WORDING_FACTS)}")
        priorities = frozenset(table.priority) if table.priority is not None else None
        found[table.id] = Wording(table.id, dict(table.text), priorities)
    return found


def digest(tables: Tables, names: Names, *, timezone: str) -> Digest:
    entry = tables.singles.get("digest")
    if entry is None:
        return Digest(timezone=timezone)
    table: schema.Digest = entry.value
    names.check_targets(table.to, entry.place.at("to"))
    return Digest(table.cron, table.timezone or timezone, tuple(table.to))


def _set(values: tuple[str, ...] | None) -> frozenset[str] | None:
    return frozenset(values) if values is not None else None


def _tuple(values: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return tuple(values) if values is not None else None
