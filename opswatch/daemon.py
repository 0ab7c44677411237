"""The process: signals, systemd, start and stop order."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType

from opswatch import __version__, assemble, chat, clock, config, logs, metrics, plugins, systemd
from opswatch.assemble import Office
from opswatch.config import Loaded, in_force
from opswatch.config.settings import Deadman
from opswatch.core.counts import say_count
from opswatch.core.engine import Engine
from opswatch.core.events import NodeStarted, PlanReloaded
from opswatch.core.roster_changes import Change
from opswatch.core.roster_diff import diff
from opswatch.emergency import Emergency
from opswatch.errors import ConfigError, OpswatchError
from opswatch.hosts import reach
from opswatch.loops import Loop
from opswatch.loops.beat import Beat
from opswatch.loops.checks import Checks, timed
from opswatch.loops.coverage import CoverageWatch
from opswatch.loops.deadlines import Deadlines, News
from opswatch.loops.inbox import InboxLoop
from opswatch.loops.inspections import Inspections
from opswatch.loops.pages import Pages
from opswatch.loops.reports import Records
from opswatch.loops.reviews import ReviewFiles
from opswatch.loops.vantage import Vantage
from opswatch.only_one import OnlyOne
from opswatch.outgoing import Composer
from opswatch.web.health import Health
from opswatch.web.server import WebServer

log = logs.get("daemon")

DRAIN_S = 10.0
SWITCH_S = 0.001  # who answers a post or a person waits a fifth as long, each time, for who decides a thousand alerts
GARBAGE_LOOKED_FOR_AFTER = 20_000  # objects: every 700 costs a fifth of a storm's time, with 20,000 alerts in memory
DISK_LOOK_S = 10.0
SHIFTS_AHEAD = timedelta(days=30)  # whose shifts a reload moves within this time hears of it


class Daemon:
    """One running node. `start` returns when it looks and pages; `stop` drains."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.office = assemble.open_office(path, is_daemon=True)
        office = self.office
        self._only_one = OnlyOne(office.settings.data_dir)
        self._loaded = office.loaded
        self._refused: list[str] = []  # problems of a configuration on disk that was not taken
        self._is_stale = False
        self._lock = threading.Lock()
        self.checks = Checks(office.desk, office.store, office.now)
        self.composer = Composer(office.desk, office.store, office.settings, office.loaded.playbooks, office.links)
        self.pages = Pages(office.desk, office.store, self.composer.compose, office.plan.node, office.now)
        self.vantage = Vantage(office.desk, office.now)
        self._loops: list[Loop] = [
            Deadlines(office.desk, office.now),
            News(office.desk, office.store),
            InboxLoop(office.desk, office.store, office.inbox),
            self.pages,
            self.pages.reports,
            self.checks.overseer,
            self.vantage,
        ]
        self.records = Records(office.desk, office.store, office.settings.data_dir, office.now, office.plan.node)
        self.reviews = ReviewFiles(
            office.desk,
            office.store,
            office.settings.store,
            office.settings.data_dir,
            office.now,
            office.plan.node,
        )
        self.coverage = CoverageWatch(office.desk, office.store, office.now)
        self.emergency = Emergency(office.desk, self.composer, office.links, office.plan.node)
        office.desk.on_unstored = lambda decision, trouble: self.emergency.unstored(decision, trouble, office.now())
        self.beat = Beat(
            office.desk,
            office.store,
            self._loops,
            office.now,
            facts=self._facts,
            deadman=self._deadman,
            samples_kept=office.settings.retention.samples,
            rollups_kept=office.settings.retention.rollups,
            retention=lambda: self._loaded.settings.retention,
            emergency=self.emergency,
        )
        self.inspections = Inspections(
            office.desk,
            office.store,
            office.settings.data_dir,
            office.now,
            office.plan.node,
            office.settings.inspections,
        )
        self.web = WebServer(office, self.health)
        self.doors = chat.doors(office)

    # start and stop

    def start(self) -> None:
        """In this order: what is stored is taken in; pages promised before leave; then looking begins."""
        office = self.office
        reach("local")  # Its helper process is forked now, not by the first look of a threaded daemon.
        office.desk.refresh()
        office.desk.apply(NodeStarted(office.plan.node, self._down_since()))
        self._say_what_is_stored()
        metrics.config_loaded_timestamp_seconds.set_to_current_time()
        self._keep_in_force()
        self.web.start()
        self.pages.start()
        for loop in self._loops:
            if loop not in (self.pages, self.pages.reports, self.checks.overseer):
                loop.start()
        self.checks.start(office.plan)
        self.records.start()
        self.reviews.start()
        self.coverage.start()
        self.inspections.start()
        self.beat.start()
        for door in self.doors:
            door.start()
        systemd.notify("READY=1", f"STATUS={self._status()}")

    def stop(self) -> None:
        """SIGTERM: no new looks, messages in hand go out, receipts are written. What is promised stays promised."""
        systemd.notify("STOPPING=1", "STATUS=draining")
        for door in self.doors:
            door.stop()
        self.checks.stop()
        self.web.stop()
        for loop in (self.beat, self.records, self.reviews, self.coverage, self.inspections, *self._loops):
            if loop is not self.pages.reports:
                loop.stop()
        self.office.desk.nudge()
        self.checks.join(DRAIN_S / 2)
        self.pages.join(DRAIN_S)
        for loop in (self.beat, self.records, self.reviews, self.coverage, self.inspections, *self._loops[:3]):
            loop.join(2.0)
        in_force.forget(self.office.settings.data_dir)
        self.beat.say_stopped()
        self.office.close()
        self._only_one.release()

    # reload

    def reload(self) -> None:
        """SIGHUP: a bad file is refused with every problem, and what runs stays; both doors and metrics say so."""
        with self._lock:
            systemd.notify("RELOADING=1", f"MONOTONIC_USEC={int(clock.monotonic_s() * 1_000_000)}")
            try:
                loaded = config.load(self._path, plugins.Lookup(), now=self.office.now())
                if leaving := assemble.check_leaving(self.office, loaded):
                    raise ConfigError(leaving)
                self._take(loaded)
            except ConfigError as refused:
                self._refused = [str(problem) for problem in refused.problems]
                self._is_stale = True
                metrics.config_stale.set(1)
                for problem in self._refused:
                    print(problem, file=sys.stderr)  # noqa: T201 - the list a person waits for, after `reload`
                log.error("configuration refused, the old one stays", problems=len(self._refused))
            systemd.notify("READY=1", f"STATUS={self._status()}")

    def _take(self, loaded: Loaded) -> None:
        office = self.office
        changes = self._shifts_that_change_hands(loaded)
        office.desk.reload(Engine(loaded.plan, assemble.linear_fullmatch()))
        office.desk.apply(PlanReloaded(changes=changes, plan=loaded.fingerprint))
        self._loaded, self._refused, self._is_stale = loaded, [], False
        self.office = replace(office, loaded=loaded)
        self.web.use(self.office)
        self.composer.reload(loaded.settings, loaded.playbooks)
        self.checks.schedule(loaded.plan)
        self.inspections.reload(loaded.settings.inspections)
        office.desk.nudge()
        self._keep_in_force()
        metrics.config_stale.set(0)
        metrics.config_loaded_timestamp_seconds.set_to_current_time()
        self._say_what_is_stored()
        log.info("configuration reloaded", checks=len(loaded.plan.checks), people=len(loaded.plan.people))

    def _shifts_that_change_hands(self, loaded: Loaded) -> tuple[Change, ...]:
        """By this configuration, within the time that people plan for."""
        with self.office.desk.looking() as (state, _):
            overrides = tuple(state.overrides.values())
        found = diff(self.office.plan, loaded.plan, overrides, self.office.now(), SHIFTS_AHEAD)
        return tuple(change for one in found for change in one.shifts)

    def _keep_in_force(self) -> None:
        """For the command line: what this daemon decides by, while the file on disk is being edited."""
        try:
            in_force.keep(self._loaded, self.office.now())
        except OSError as trouble:
            log.warning("cannot keep what is in force", reason=str(trouble))

    def look_at_disk(self) -> None:
        """Notice that what is loaded is not what is on disk, reloaded or not."""
        try:
            differs = config.fingerprint(self._path) != self._loaded.fingerprint
        except (OSError, OpswatchError):
            differs = True
        self._is_stale = differs
        metrics.config_stale.set(float(differs))

    # how we are

    def health(self) -> Health:
        """Alive: the loops turn. Ready: a page would get out."""
        problems = [*self.beat.problems, *self.beat.remarks]
        problems += [f"chat: {door.trouble}" for door in self.doors if door.trouble]
        if (blind_since := self.vantage.blind_since) is not None:
            problems.append(f"opswatch cannot see since {blind_since:%H:%M} UTC: none of its anchors answers")
        if self._refused:
            problems.append(f"the configuration on disk was refused: {say_count(len(self._refused), 'problem')}")
        elif self._is_stale:
            problems.append("the configuration on disk is not the one that runs: reload")
        alive = all(loop.is_turning for loop in self._loops)
        return Health(alive=alive, ready=alive and not self.beat.problems, problems=tuple(problems))

    def _status(self) -> str:
        count = sum(1 for _ in timed(self.office.plan))
        return f"{count} checks, dashboard {self.web.url}" + (
            ", configuration on disk refused" if self._refused else ""
        )

    def _facts(self) -> Mapping[str, object]:
        return {
            "version": __version__,
            "pid": os.getpid(),
            "config": self._loaded.fingerprint[:12],
            "url": self.web.url,
        }

    def _deadman(self) -> Deadman | None:
        """No ping while what runs is not what was written: somebody outside should notice."""
        return None if self._is_stale else self._loaded.settings.deadman

    def _down_since(self) -> datetime | None:
        seen = self.office.store.nodes().get(self.office.plan.node)
        return seen[0] if seen else None

    def _say_what_is_stored(self) -> None:
        # At the start too nobody's shifts are only told: a pager that does not start pages nobody at all.
        for problem in [*assemble.check_leaving(self.office, self._loaded), *assemble.check_stored(self.office)]:
            log.warning("stored before, unknown now", problem=str(problem))


def run(path: Path) -> int:
    """`opswatch run`: until SIGTERM or SIGINT; SIGHUP reloads. 0 after a clean stop; raises what kept it from
    starting."""
    occupy_standard_streams()
    logs.setup()
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(GARBAGE_LOOKED_FOR_AFTER, 10, 10)
    metrics.build_info.labels(version=__version__, python=sys.version.split()[0]).set(1)
    daemon = Daemon(path)
    wanted: list[str] = []
    awake = threading.Event()

    def note(signum: int, frame: FrameType | None) -> None:
        wanted.append("reload" if signum == signal.SIGHUP else "stop")
        awake.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, note)
    daemon.start()
    greeting(daemon.office, daemon)
    looked_s = clock.monotonic_s()
    while True:
        awake.wait(1.0)
        awake.clear()
        while wanted:
            if wanted.pop(0) == "stop":
                daemon.stop()
                return 0
            daemon.reload()
        if clock.monotonic_s() - looked_s > DISK_LOOK_S:
            daemon.look_at_disk()
            looked_s = clock.monotonic_s()


def occupy_standard_streams() -> None:
    """Started with standard streams closed, the next file opened would be number 1 or 2, and a library that writes to
    its standard error would write into the database."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def say(line: str) -> None:
    """A line for whoever started it, if anybody still reads."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def greeting(office: Office, daemon: Daemon) -> None:
    """What somebody who just started it wants to know: what is looked at, who is on call, where to look."""
    plan = office.plan
    say(f"opswatch {__version__}: {plan.name} on {plan.node}, mode {plan.mode}")
    say(f"dashboard  {daemon.web.url}")
    for row in office.views.on_call():
        say(f"on call    {row.roster}: {', '.join(row.on_call) or 'nobody'}{' (fallback)' if row.fallback else ''}")
    for problem in daemon.office.loaded.warnings:
        say(f"warning    {problem}")
    threading.Thread(target=_first_looks, args=(daemon,), name="greeting", daemon=True).start()


def _first_looks(daemon: Daemon) -> None:
    """Say what each check saw at its first look, for at most a minute."""
    told: set[str] = set()
    wanted = {f"{check.id}/{target}" for check, target in timed(daemon.office.plan)}
    until = clock.monotonic_s() + 60
    while wanted - told and clock.monotonic_s() < until:
        for row in daemon.office.views.checks():
            if row.key in wanted and row.key not in told and row.seen is not None:
                told.add(row.key)
                say(f"looked at  {row.key}: {row.seen}: {row.sentence}")
        threading.Event().wait(0.25)
    late = ", ".join(sorted(wanted - told))
    say(f"{len(told)} of {say_count(len(wanted), 'check')} looked" + (f"; still waiting for {late}" if late else ""))
