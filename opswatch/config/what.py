"""Services, targets and checks, from their tables to the plan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from opswatch.config import limits, reaching, schema
from opswatch.config.names import Names, cycles, each
from opswatch.config.problems import Place, Problems
from opswatch.config.settings import Kinds, Measures
from opswatch.config.suggest import listed
from opswatch.config.tables import Entry, Tables
from opswatch.config.windows import Calendars
from opswatch.core.matching import labels_hold, matches_glob
from opswatch.core.model import Health, Priority
from opswatch.core.plan import Check, Service, Target
from opswatch.errors import PluginNotFound

# Kinds that are known without any check asking for them → how their url begins; empty: none is needed.
URLS: Mapping[str, tuple[str, ...]] = {
    "host": (),
    "postgres": ("postgresql://", "postgres://"),
    "mysql": ("mysql://",),
    "redis": ("redis://", "rediss://", "unix://"),
    "sqlite": ("sqlite:",),
    "http": ("http://", "https://"),
    "tcp": ("tcp://",),
    "tls": ("tls://", "https://"),
    "dns": ("dns://",),
    "ping": ("ping://",),
    "ntp": ("ntp://",),
    "log": ("file:",),
    "backup": ("file:",),
    "sql": (),
}
ACCESS = re.compile(r"local|ssh:\S+@\S+|node_exporter:https?://\S+|agent:\S+")
TIMEOUT_DEFAULT = timedelta(seconds=30)


def services(tables: Tables, names: Names) -> dict[str, Service]:
    entries = tables.all("service", schema.Service)
    named = [*tables.known("service"), *tables.known("target")]
    for entry in entries:
        for name, there in each(entry.value.depends_on, entry.place.at("depends_on")):
            names.among(named, name, there, what="service or target")
    _refuse_cycles({e.value.id: (e.value.depends_on, e.place.at("depends_on")) for e in entries}, names.problems)
    found = {}
    for entry in entries:
        table = entry.value
        depends_on, labels = tuple(table.depends_on), table.labels
        names.check_targets(table.stakeholders, entry.place.at("stakeholders"), allow=("channel", "person", "team"))
        found[table.id] = Service(
            table.id, table.name or table.id, table.tier, table.team, depends_on, labels, tuple(table.stakeholders)
        )
    return found


def targets(tables: Tables, names: Names, kinds: Kinds, warnings: Problems) -> dict[str, Target]:
    entries = tables.all("target", schema.Target)
    asked_for = {
        kind
        for entry in tables.all("check", schema.Check)
        for kind in (entry.value.match.kind if entry.value.match else None) or ()
    }
    found = {}
    for entry in entries:
        table, place = entry.value, entry.place
        _check_kind(table, place, asked_for, kinds, names.problems)
        _check_access(table, place, names.problems, warnings)
        if table.service is not None:
            names.check("service", table.service, place.at("service"))
        names.check_all("target", table.parents, place.at("parents"))
        found[table.id] = Target(
            id=table.id,
            kind=table.kind,
            access=table.access,
            url=table.url,
            service=table.service,
            node=table.node,
            parents=tuple(table.parents),
            labels=table.labels,
            is_remote=reaching.is_remote(table),
        )
    _refuse_cycles({e.value.id: (e.value.parents, e.place.at("parents")) for e in entries}, names.problems)
    return found


def _check_kind(table: schema.Target, place: Place, asked_for: set[str], kinds: Kinds, problems: Problems) -> None:
    beginnings = URLS.get(table.kind)
    if beginnings is None:
        known = {*URLS, *asked_for}
        if table.kind not in asked_for and table.kind not in kinds.known_probes():
            problems.unknown(place.at("kind"), table.kind, known, f"a kind some check asks for, or {listed(URLS)}")
    elif table.url is None:
        if beginnings and "url" not in table.spoilt:
            problems.add(place.at("url"), f"is required for kind = {table.kind!r}: it begins with {beginnings[0]}")
    elif beginnings and not table.url.reveal().lower().startswith(beginnings):
        problems.add(place.at("url"), f"for kind = {table.kind!r} a url that begins with {' or '.join(beginnings)}")


def _check_access(table: schema.Target, place: Place, problems: Problems, warnings: Problems) -> None:
    if not ACCESS.fullmatch(table.access):
        words = "local, ssh:user@host, node_exporter:http://host:9100 or agent:NAME"
        problems.add(place.at("access"), words, suggestion="local" if table.access.startswith("lo") else "")
    elif table.access != "local":
        warnings.add(place.at("access"), "accepted, but this release reaches local hosts only: no check looks at it")


def _refuse_cycles(edges: Mapping[str, tuple[Iterable[str], Place]], problems: Problems) -> None:
    for circle in cycles({name: towards for name, (towards, _) in edges.items()}):
        path = " → ".join([*circle, circle[0]])
        problems.add(edges[circle[0]][1], f"no circle: {path}")


# ---------------------------------------------------------------------------------------------------------------------
# Checks


@dataclass
class Surroundings:
    """What a check's table is read against."""

    names: Names
    kinds: Kinds
    targets: Mapping[str, Target]
    services: Mapping[str, Service]
    defaults: schema.Alerts
    timezone: str
    playbooks: Path
    warnings: Problems
    calendars: Calendars
    rollups_kept: timedelta
    rounds: tuple[str, ...] = ()  # globs: the checks that inspections look at

    @property
    def problems(self) -> Problems:
        return self.names.problems


def checks(tables: Tables, around: Surroundings) -> dict[str, Check]:
    """Every check whose table is right, with the targets it looks at."""
    return {entry.value.id: _check(entry, around) for entry in tables.all("check", schema.Check)}


def _check(entry: Entry[schema.Check], around: Surroundings) -> Check:
    table, place = entry.value, entry.place
    measures = _measures(table, around)
    every = table.every
    timeout = table.timeout or min(TIMEOUT_DEFAULT, every or TIMEOUT_DEFAULT)
    _check_times(table, place, timeout, around.problems)
    _check_probe(table, place, around.problems)
    limits.warn_of_short_memory(table, place.at("limits"), around.rollups_kept, around.warnings)
    targets = _targets_of(table, place, around, measures)
    is_timed = every is not None or table.cron is not None or bool(table.spoilt & {"every", "cron"})
    if targets and not is_timed and not table.passive and not matches_glob(around.rounds, table.id):
        words = "neither `every` nor `cron`, and no [[inspection]] names it: it never runs"
        around.warnings.add(place, words, seen="")
    return Check(
        id=table.id,
        probe=table.probe,
        targets=targets,
        every=every,
        cron=table.cron,
        timezone=table.timezone or around.timezone,
        timeout=timeout,
        # Who reports has made sure already, unless it is written otherwise.
        confirm=table.confirm or (1 if table.passive else around.defaults.confirm),
        retry=table.retry,
        recover=table.recover or (1 if table.passive else around.defaults.recover),
        limits=limits.limits(table, place.at("limits"), measures, around.problems, around.warnings),
        priority=_priorities(table.priority),
        on_unknown=table.on_unknown if table.on_unknown is not None else Priority.P3,
        playbook=_playbook(table, place.at("playbook"), around),
        labels=table.labels,
        args=_args(table, place.at("args"), around),
        why=table.why,
        calendar=around.calendars.name(table.calendar, place.at("calendar")),
        may_flap=table.flapping,
        reach=table.reach if table.reach is not None else table.probe in reaching.REACHING,
        passive=(table.id,) if table.passive is True else table.passive or (),
    )


def _check_times(table: schema.Check, place: Place, timeout: timedelta, problems: Problems) -> None:
    if table.every is not None and table.cron is not None:
        problems.add(place.at("cron"), "either `every` or `cron`, not both")
    if table.every is not None and timeout > table.every:
        problems.add(place.at("timeout"), "never more than `every`: a look must end before the next begins")
    if table.every is not None and table.every < timedelta(seconds=1):
        problems.add(place.at("every"), "at least one second, such as '60s'")
    if table.retry is not None and table.every is not None and table.retry > table.every:
        problems.add(place.at("retry"), "at most `every`: it is the shorter spacing while a failure is being confirmed")


def _check_probe(table: schema.Check, place: Place, problems: Problems) -> None:
    if not table.passive and not table.probe and not table.spoilt & {"probe", "passive"}:
        problems.add(place.at("probe"), 'is required, such as probe = "disk"; or passive = true where others report it')
    if table.passive:
        for key in ("probe", "args", "retry"):
            if getattr(table, key):
                problems.add(place.at(key), "not here: nobody looks at a passive check, others report it")


def _measures(table: schema.Check, around: Surroundings) -> Measures | None:
    try:
        return around.kinds.measures(table.probe)
    except PluginNotFound:
        return None  # Reported where its arguments are looked at.


def _priorities(table: schema.CheckPriority) -> dict[Health, Priority]:
    words = {Health.CRIT: table.crit, Health.WARN: table.warn}
    return {health: priority for health, priority in words.items() if priority is not None}


def _playbook(table: schema.Check, place: Place, around: Surroundings) -> str | None:
    """The playbook it names, or the one that is named like it."""
    if table.playbook is None:
        return table.id if (around.playbooks / f"{table.id}.md").is_file() else None
    if not (around.playbooks / f"{table.playbook}.md").is_file():
        known = [file.stem for file in around.playbooks.glob("*.md")]
        words = f"a file {table.playbook}.md in {around.playbooks}; there are {listed(known)}"
        around.problems.unknown(place, table.playbook, known, words)
    return table.playbook


def _args(table: schema.Check, place: Place, around: Surroundings) -> object:
    """The probe's own arguments, validated by the probe's own model."""
    if "probe" in table.spoilt or not table.probe:
        return None
    try:
        model = around.kinds.args_model(table.probe)
    except PluginNotFound as trouble:
        known = around.kinds.known_probes()
        words = str(trouble) if table.probe in known else f"no probe has this name; known are {listed(known)}"
        around.problems.unknown(Place(place.source, (*place.path[:-1], "probe")), table.probe, known, words)
        return None
    if model is None:
        return table.args
    from opswatch.config.plugged import validated  # pydantic, which only some commands need

    return validated(model, table.args, place, around.problems)


def _targets_of(table: schema.Check, place: Place, around: Surroundings, measures: Measures | None) -> tuple[str, ...]:
    """The targets a check looks at: those it lists, and those it matches that its probe can look at."""
    kinds = measures.kinds if measures is not None else frozenset()
    if table.spoilt & {"targets", "match"}:
        return ()
    if table.targets is None and table.match is None:
        around.problems.add(place.at("match"), 'is required, such as match = { kind = "host" }, or a list of `targets`')
        return ()
    around.names.check_all("target", table.targets, place.at("targets"))
    listed_ones = [name for name in table.targets or () if name in around.targets]
    for name, there in each(table.targets, place.at("targets")):
        if name in around.targets and kinds and around.targets[name].kind not in kinds:
            words = f"a target of kind {' or '.join(sorted(kinds))}: probe {table.probe} looks at nothing else"
            around.problems.add(there, words)
    matched = _matched(table.match, place.at("match"), around) if table.match is not None else []
    matched = [name for name in matched if not kinds or around.targets[name].kind in kinds]
    return tuple(
        name
        for name in dict.fromkeys([*listed_ones, *matched])
        if around.targets[name].kind != "host" or around.targets[name].access == "local"
    )


def _matched(match: schema.CheckMatch, place: Place, around: Surroundings) -> list[str]:
    parts = (match.kind, match.service, match.team, match.target, match.node, match.labels or None)
    if all(part is None for part in parts) and not match.spoilt:
        around.problems.add(place, 'something to match, such as { kind = "host" }')
    around.names.check_all("service", match.service, place.at("service"))
    around.names.check_teams(match.team, place.at("team"))
    for name, there in each(match.target, place.at("target")):
        if not _is_glob(name):
            around.names.check("target", name, there)
    found = [target.id for target in around.targets.values() if _matches(match, target, around.services)]
    # A shipped check that waits for the first target of its kind is no mistake; one that narrows to nothing may be.
    waits = all(part is None for part in parts[1:]) and not any(
        target.kind in (match.kind or ()) for target in around.targets.values()
    )
    if not found and not waits and not match.spoilt:
        around.warnings.add(place, "matches no target: this check never runs")
    return found


def _matches(match: schema.CheckMatch, target: Target, services: Mapping[str, Service]) -> bool:
    service = services.get(target.service or "")
    labels = {**(service.labels if service else {}), **target.labels}
    return (
        (match.kind is None or target.kind in match.kind)
        and (match.service is None or target.service in match.service)
        and (match.team is None or (service is not None and service.team in match.team))
        and (match.target is None or matches_glob(match.target, target.id))
        and (match.node is None or target.node in match.node)
        and labels_hold(match.labels, labels)
    )


def _is_glob(text: str) -> bool:
    return "*" in text or "?" in text
