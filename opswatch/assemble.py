"""A configuration becomes a desk, views and links: what the command line and the daemon both need."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from opswatch import clock, config, plugins
from opswatch.config import Inspection, Loaded, Settings, in_force
from opswatch.core.changes import State
from opswatch.core.engine import Engine
from opswatch.core.inspection import Report
from opswatch.core.matching import Fullmatch
from opswatch.core.model import UnknownReason, Verdict
from opswatch.core.plan import Check, Person, Plan
from opswatch.core.spans import say_span
from opswatch.core.state import Override, alert_key
from opswatch.desk import Desk
from opswatch.errors import ConfigError, OpswatchError, Problem, StoreUnavailable
from opswatch.inbox import Inbox
from opswatch.links import Links, key_of
from opswatch.stores import Store, open_store
from opswatch.views import Views

if TYPE_CHECKING:
    from opswatch.backups import Census, Destination, Made, Restored
    from opswatch.hosts.discovery import Found

CONFIG_ENV = "OPSWATCH_CONFIG"
PLACES = (Path("config.toml"), Path("/etc/opswatch/config.toml"))
DATA_DIR_MODE = 0o770
LOOK_GRACE_S = 1.0  # a probe that minds its own limit is given this much longer


@dataclass(frozen=True, slots=True)
class Office:
    """One process's view of one installation: what was written, and the one desk that changes pass over."""

    loaded: Loaded
    store: Store
    desk: Desk
    views: Views
    links: Links
    now: Callable[[], datetime]
    inbox: Inbox

    @property
    def plan(self) -> Plan:
        """What is in force now; a reload changes it."""
        return self.desk.engine.plan

    @property
    def settings(self) -> Settings:
        return self.loaded.settings

    def close(self) -> None:
        """Save what checks remember, and let go of the store."""
        self.inbox.close()
        self.desk.flush()
        self.store.close()


def find_config(given: str | None) -> Path:
    """The file to use: the one given, `$OPSWATCH_CONFIG`, `./config.toml`, `/etc/opswatch/config.toml`. Raises
    OpswatchError with where it looked."""
    named = given or os.environ.get(CONFIG_ENV)
    if named:
        return Path(named)
    for place in PLACES:
        if place.exists():
            return place
    looked = " and ".join(str(place) for place in PLACES)
    raise OpswatchError(f"no configuration: looked for {looked}; name one with -c FILE, or write one: opswatch init")


def read_config(path: Path, now: datetime, *, for_looking: bool = True) -> Loaded:
    """The configuration, checked. `for_looking=False` imports no probe and no channel and needs no secret: for commands
    that only ask or act. Raises ConfigError with every problem."""
    return config.load(path, plugins.Lookup(with_models=for_looking), now=now, needs_secrets=for_looking)


def plan_alone(path: Path, now: Callable[[], datetime] = clock.now) -> tuple[Plan, datetime]:
    """What is written at `path`, and this instant: for who only imagines. No store is opened, no secret needed. Raises
    ConfigError with every problem."""
    at = now()
    return imagined(path, lambda: at).plan, at


def imagined(path: Path, now: Callable[[], datetime] = clock.now) -> Loaded:
    """The configuration, for who neither looks nor sends nor stores: no probe is imported, no secret needed, the
    store's neither. Raises ConfigError with every problem."""
    return config.load(path, plugins.Lookup(with_models=False), now=now(), needs_secrets=False, needs_store=False)


def open_office(
    path: Path, *, for_looking: bool = False, is_daemon: bool = False, now: Callable[[], datetime] = clock.now
) -> Office:
    """Everything a command needs. Raises ConfigError, StoreUnavailable.

    Only the daemon migrates a store that exists and takes its checkpoints; a command makes a new one if there is none.
    """
    return _opened(read_config(path, now(), for_looking=for_looking or is_daemon), is_daemon, now)


def open_office_in_force(path: Path, now: Callable[[], datetime] = clock.now) -> tuple[Office, datetime] | None:
    """Likewise for a command, by the configuration that the daemon decides by, and when that was loaded: where the one
    on disk has a mistake. None where no daemon lives. Raises StoreUnavailable."""
    found = plan_in_force(path, now)
    return None if found is None else (_opened(found[0], False, now), found[1])


def plan_in_force(
    path: Path, now: Callable[[], datetime] = clock.now, other_than: str = ""
) -> tuple[Loaded, datetime] | None:
    """What a living daemon has loaded from `path`, and when; None where there is none, or where its fingerprint is
    `other_than`."""
    found = in_force.find(path)
    if found is None or found.fingerprint == other_than:
        return None
    lookup = plugins.Lookup(with_models=False)
    try:
        loaded = config.load(path, lookup, now=now(), needs_secrets=False, held=found.data)
    except ConfigError:  # Of another release, or of an environment that is not ours.
        return None
    return replace(loaded, fingerprint=found.fingerprint), found.at


def _opened(loaded: Loaded, is_daemon: bool, now: Callable[[], datetime]) -> Office:
    settings = loaded.settings
    settings.data_dir.mkdir(mode=DATA_DIR_MODE, parents=True, exist_ok=True)
    store = open_store(settings.store, checkpoints=is_daemon)
    missing = [] if is_daemon else store.missing_migrations()
    if is_daemon or any(name.startswith("0001") for name in missing):
        store.migrate()
    elif missing:
        store.close()
        raise StoreUnavailable(
            f"the store is older than this opswatch (it lacks {', '.join(missing)}): restart the daemon, "
            "or run opswatch db migrate"
        )
    monotonic = clock.monotonic_s if now is clock.now else None
    desk = Desk(store, Engine(loaded.plan, linear_fullmatch()), now, monotonic)
    links = Links(settings.public_url, key_of(settings.data_dir))
    return Office(loaded, store, desk, Views(desk, store, now), links, now, Inbox(store, loaded.plan.node, now))


@dataclass(frozen=True, slots=True)
class Examined:
    """A configuration without a mistake, and what is to be said about it. `not_asked`: why the store was not."""

    loaded: Loaded
    lints: list[Problem]
    stored: list[Problem]
    not_asked: str = ""
    leaving: list[Problem] = field(default_factory=list)  # whom the store puts on call, and the file does not know


def examine(path: Path, now: Callable[[], datetime] = clock.now, *, for_looking: bool = True) -> Examined:
    """Everything `config check` tells. Makes no store and changes none. Raises ConfigError with every problem."""
    loaded = read_config(path, now(), for_looking=for_looking)
    state, not_asked = State(), ""
    kind, _, place = loaded.settings.store.reveal().partition(":")
    if kind != "sqlite" or Path(place).exists():  # Before the first start there is nothing to ask.
        try:
            store = open_store(loaded.settings.store, read_only=True)
            try:
                store.load(state)
            finally:
                store.close()
        except OpswatchError as trouble:
            not_asked = str(trouble)
    overrides, silences = list(state.overrides.values()), list(state.silences.values())
    risks, papers, covers = state.risks.values(), state.papers.values(), state.covers.values()
    stored = config.check_stored(loaded, overrides, silences, risks, papers, covers)
    leaving = config.check_leaving(loaded, overrides, state.absences.values(), now())
    return Examined(loaded, config.lint(loaded, now(), overrides), stored, not_asked, leaving)


def stored_overrides(path: Path, now: datetime) -> tuple[Override, ...]:
    """The overrides in the store of the configuration at `path`; nothing is written. Raises ConfigError,
    StoreUnavailable."""
    state, store = State(), open_store(read_config(path, now, for_looking=False).settings.store, read_only=True)
    try:
        store.load(state)
    finally:
        store.close()
    return tuple(state.overrides.values())


def migrate(path: Path, now: Callable[[], datetime] = clock.now) -> list[str]:
    """Bring the schema up to date; the names of the migrations applied. Raises ConfigError, StoreUnavailable."""
    settings = read_config(path, now(), for_looking=False).settings
    settings.data_dir.mkdir(mode=DATA_DIR_MODE, parents=True, exist_ok=True)
    store = open_store(settings.store, checkpoints=False)
    try:
        return store.migrate()
    finally:
        store.close()


def check_store(path: Path, now: Callable[[], datetime] = clock.now) -> tuple[list[str], list[str]]:
    """Migrations that the store lacks, and what is damaged in it; reads all of it and writes nothing. Raises
    ConfigError, StoreUnavailable."""
    store = open_store(read_config(path, now(), for_looking=False).settings.store, read_only=True)
    try:
        return store.missing_migrations(), store.check_integrity()
    finally:
        store.close()


def back_up(path: Path, target: Path, *, keep: int | None = None, now: Callable[[], datetime] = clock.now) -> Made:
    """A backup of the installation, see `backups.back_up`. Raises ConfigError too."""
    from opswatch import backups

    loaded = read_config(path, now(), for_looking=False)
    return backups.back_up(
        loaded.settings.store,
        loaded.settings.data_dir,
        target,
        now(),
        name=loaded.plan.name,
        node=loaded.plan.node,
        configuration=loaded.fingerprint,
        keep=keep,
    )


def restore(file: Path, into: Destination, *, force: bool = False, now: Callable[[], datetime] = clock.now) -> Restored:
    """Put a backup back, see `backups.restore`."""
    from opswatch import backups

    return backups.restore(file, into, now(), force=force)


def destination(path: Path, now: Callable[[], datetime] = clock.now) -> Destination:
    """Where a backup of this installation goes back to. Raises ConfigError."""
    from opswatch import backups

    settings = read_config(path, now(), for_looking=False).settings
    return backups.Destination(settings.store, settings.data_dir)


def census(path: Path, now: Callable[[], datetime] = clock.now) -> Census:
    """How large the store is, how far back it goes, how fast it grows. Raises ConfigError, StoreUnavailable."""
    from opswatch import backups

    return backups.census(read_config(path, now(), for_looking=False).settings.store, now())


def look_once(office: Office, check: Check, target: str) -> Verdict:
    """What the check's probe sees on the target now. Nothing is kept, nobody is told; one that does not come back
    within the check's time is `unknown`. The office must be open `for_looking`."""
    from opswatch.probes import Task, cannot_tell

    office.desk.refresh()

    with office.desk.looking() as (state, _):
        watch = state.watches.get(alert_key(check.id, target))
    task = Task(
        target=office.plan.targets[target],
        args=check.args,
        now=office.now(),
        timeout_s=check.timeout.total_seconds(),
        memory=watch.memory if watch else None,
        check=check.id,
        limits=check.limits,
    )
    seen: list[Verdict] = []
    look = plugins.find("probes", check.probe).Look().look
    looking = threading.Thread(target=lambda: seen.append(look(task)), daemon=True)
    looking.start()
    looking.join(task.timeout_s + LOOK_GRACE_S)
    return seen[0] if seen else cannot_tell(task, UnknownReason.TIMEOUT, f"no answer within {say_span(check.timeout)}")


def inspect_once(
    office: Office,
    inspection: Inspection,
    *,
    by: str,
    is_told: bool = False,
    again: bool = False,
    notice: Callable[[int, int, str], None] | None = None,
) -> Report:
    """Run an inspection now, for the person `by`; its report is kept. `is_told`: as the schedule would, alerts follow
    and its channels are told; else it is their own look. `again` looks again at what is not certain. `notice` hears
    (looks done, looks wanted, what is under way). The office must be open `for_looking`. Raises StoreUnavailable."""
    from opswatch.loops.inspections import Inspector
    from opswatch.loops.rounds import Round

    a_round = Round(office.desk, office.store, office.now, is_real=is_told, again=again, notice=notice)
    inspector = Inspector(office.desk, office.store, office.settings.data_dir, office.now)
    return inspector.run(inspection, a_round, by=by, is_told=is_told)


def check_stored(office: Office) -> list[Problem]:
    """What the store holds that the configuration no longer knows."""
    with office.desk.looking() as (state, _):
        overrides, silences = list(state.overrides.values()), list(state.silences.values())
        risks, papers, covers = list(state.risks.values()), list(state.papers.values()), list(state.covers.values())
    return config.check_stored(office.loaded, overrides, silences, risks, papers, covers)


def check_leaving(office: Office, loaded: Loaded) -> list[Problem]:
    """Whom overrides and absences name, and `loaded` does not know: it would leave their shifts to nobody."""
    with office.desk.looking() as (state, _):
        overrides, absences = list(state.overrides.values()), list(state.absences.values())
    return config.check_leaving(loaded, overrides, absences, office.now())


def linear_fullmatch() -> Fullmatch:
    """RE2 behind the core's matchers: a pattern of a stranger cannot stop the desk."""

    def fullmatch(pattern: str, text: str) -> bool:
        import re2

        options = re2.Options()
        options.log_errors = False
        try:
            return re2.fullmatch(pattern, text, options) is not None
        except re2.error as problem:
            raise ValueError(f"not a regular expression: {problem}") from None

    return fullmatch


def discovered() -> list[Found]:
    """What runs on this host and can be looked at by a probe of ours: targets for a first configuration."""
    from opswatch.hosts.discovery import discover

    known = set(plugins.names("probes"))
    return [found for found in discover() if found.kind in known]


def person_of_login(plan: Plan, login: str) -> Person | None:
    """The person this operating-system user acts as."""
    return next((person for person in plan.people.values() if person.login == login), None)
