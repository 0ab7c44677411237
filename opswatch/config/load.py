"""From a path to a Loaded configuration, or to the list of everything that is wrong with it."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from opswatch import playbooks
from opswatch.config import files, hooks, reaching, rules, schema, shell, what, who, windows
from opswatch.config.names import Names
from opswatch.config.problems import KeyPath, Problems, Source
from opswatch.config.references import resolve_all
from opswatch.config.settings import Kinds, Loaded, Settings
from opswatch.config.tables import Tables, read_tables
from opswatch.core.plan import Check, Plan, Service, Target
from opswatch.errors import ConfigError


def load(
    path: Path,
    kinds: Kinds,
    *,
    now: datetime | None = None,
    environ: Mapping[str, str] | None = None,
    needs_secrets: bool = True,
    needs_store: bool = True,
    held: Mapping[Path, bytes] | None = None,
) -> Loaded:
    """The configuration at `path` with its check files, validated as a whole; nothing is half loaded.

    `now` (aware) only chooses which shifts are listed when somebody unknown stands in a roster, and which years of
    calendars are looked at for missing work days. `environ` is what `env:NAME` is read from, by default this
    process's. `needs_secrets=False` is for who neither looks nor sends: a secret that leads nowhere then stays as
    written, for a person's own shell has no token of a channel; the store, and whatever decides, must be there still.
    `needs_store=False` is for who only imagines: then the store may lead nowhere too.
    `held` are the bytes of the files, the main one first, where they are not to be read from disk.
    Raises ConfigError with every problem at once, each with file, line, table and key.
    """
    problems, warnings = Problems(), Problems()
    sources, data = files.read(path, problems, held)
    surroundings = environ if environ is not None else os.environ
    resolved = [(source, _resolved(source, surroundings, problems, needs_secrets, needs_store)) for source in sources]
    tables = read_tables(resolved, problems)
    if held is None:
        _check_folders(sources[0], path, problems)
    folder = files.folder(sources[0].document, path, "playbooks")
    known_playbooks = _playbooks(folder, problems if held is None else Problems())
    plan, settings = _build(tables, path, kinds, problems, warnings, now)
    if problems:
        raise ConfigError(problems.listed())
    return Loaded(
        plan=plan,
        settings=settings,
        warnings=warnings.listed(),
        files=list(data),
        fingerprint=files.digest(data.items()),
        playbooks=known_playbooks,
        sources=tuple(sources),
    )


def _resolved(
    source: Source, environ: Mapping[str, str], problems: Problems, needs_secrets: bool, needs_store: bool
) -> Mapping[str, Any]:
    exempt = shell.reference_exempt(source.document)

    def report(path: KeyPath, words: str) -> None:
        is_needed = needs_store if path == ("opswatch", "store") else needs_secrets or not shell.is_for_the_daemon(path)
        if is_needed:
            problems.cannot_resolve(source.place(*path), words)
        else:
            problems.leave_unresolved(source.place(*path))

    found = resolve_all(dict(source.document), environ, report, lambda path: path in exempt)
    return cast("Mapping[str, Any]", found)


def _playbooks(folder: Path, problems: Problems) -> playbooks.Playbooks:
    try:
        return playbooks.load(folder)
    except ConfigError as wrong:
        problems.without_place += wrong.problems
        return playbooks.Playbooks(())


def _check_folders(main: Source, path: Path, problems: Problems) -> None:
    """A folder that is named must be there; those that are not named may be missing."""
    for key in ("checks", "playbooks"):
        place = main.place("opswatch", key)
        if isinstance(place.value, str) and not files.folder(main.document, path, key).is_dir():
            problems.add(place, f"a folder that exists (relative paths start at {path.parent.resolve()})")


def _build(
    tables: Tables, path: Path, kinds: Kinds, problems: Problems, warnings: Problems, now: datetime | None
) -> tuple[Plan, Settings]:
    names = Names.of(tables, problems)
    top = tables.one("opswatch", schema.Opswatch)
    node = top.node or socket.gethostname() or "node"
    settings = _settings(tables, names, path, node, kinds, problems)
    calendars = windows.Calendars(problems)
    carriers = who.Carriers(kinds, dict(settings.channels))
    zone = top.timezone
    people = who.people(tables, names, carriers, timezone=zone, language=top.language, warnings=warnings)
    rosters = who.rosters(tables, names, calendars, people, timezone=zone, now=now)
    pools = who.pools(tables, names, people)
    services = what.services(tables, names)
    targets = what.targets(tables, names, kinds, warnings)
    alerts = tables.one("alerts", schema.Alerts)
    grouping = tables.one("grouping", schema.Grouping)
    around = what.Surroundings(
        names,
        kinds,
        targets,
        services,
        alerts,
        zone,
        settings.playbooks_dir,
        warnings,
        calendars,
        settings.retention.rollups,
        tuple(glob for inspection in settings.inspections for glob in inspection.checks),
    )
    checks = what.checks(tables, around)
    labels = _labels(services, targets, checks)
    policies = rules.policies(tables, names, calendars, people, timezone=zone)
    plan = Plan(
        name=top.name,
        node=node,
        mode=top.mode,
        timezone=zone,
        language=top.language,
        services=services,
        targets=targets,
        people=people,
        rosters=rosters,
        policies=policies,
        pools=pools,
        routes=rules.routes(tables, names, calendars, policies, timezone=zone, warnings=warnings),
        classify=rules.classify(tables, names, calendars, timezone=zone, warnings=warnings),
        priorities=rules.priorities(tables),
        checks=checks,
        channels=frozenset(settings.channels),
        maintenance=rules.maintenance(tables, names, timezone=zone, labels=labels),
        calendars=calendars.named,
        heartbeats=rules.heartbeats(tables, names, timezone=zone),
        digest=rules.digest(tables, names, timezone=zone),
        reopen_after=alerts.reopen_after,
        resolve_timeout=alerts.resolve_timeout,
        silent_close=alerts.silent_close,
        group_by=rules.group_by(tables, names, labels),
        group_window=grouping.window,
        wordings=rules.wordings(tables, problems),
        storm_incidents=grouping.storm.incidents,
        storm_within=grouping.storm.within,
        vantage=reaching.vantage(tables, checks.values(), problems, warnings),
        pages_per_hour_max=tables.one("mercy", schema.Mercy).pages_per_hour_max,
    )
    reaching.warn_of_idle_parents(tables, targets, checks.values(), warnings)
    shell.warn_of_idle_rounds(tables, checks, warnings)
    if now is not None:
        calendars.warn_of_guesses(now, warnings)
    return plan, replace(settings, channels={**settings.channels, **carriers.implied})


def _settings(tables: Tables, names: Names, path: Path, node: str, kinds: Kinds, problems: Problems) -> Settings:
    top = tables.one("opswatch", schema.Opswatch)
    base_dir = path.parent.resolve()
    data_dir = base_dir / top.data_dir
    web = shell.web(tables, names, base_dir, problems)
    return Settings(
        path=path.resolve(),
        base_dir=base_dir,
        data_dir=data_dir,
        store=shell.store(tables, base_dir, data_dir, problems),
        public_url=shell.public_url(tables, web, node, problems),
        checks_dir=base_dir / (top.checks or files.CHECKS_DEFAULT),
        playbooks_dir=base_dir / (top.playbooks or files.PLAYBOOKS_DEFAULT),
        web=web,
        channels=shell.channels(tables, kinds, problems),
        tokens=shell.tokens(tables, problems),
        deadman=shell.deadman(tables, problems),
        retention=shell.retention(tables),
        inspections=shell.inspections(tables, names, timezone=top.timezone),
        hooks=hooks.hooks(tables, problems),
    )


def _labels(
    services: Mapping[str, Service], targets: Mapping[str, Target], checks: Mapping[str, Check]
) -> frozenset[str]:
    """Every label that anything carries."""
    owners: list[Service | Target | Check] = [*services.values(), *targets.values(), *checks.values()]
    return frozenset(key for owner in owners for key in owner.labels)
