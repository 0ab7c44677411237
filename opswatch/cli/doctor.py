"""What would keep a page from arriving: the daemon's own audit, and what only the command line can see."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from opswatch.cli import times
from opswatch.cli.door import Door, NotKnown, door, in_words, login, may
from opswatch.cli.groups import DONE, NO_STORE, REFUSED, Command, is_json
from opswatch.cli.shown import print_json, say, styled
from opswatch.core.counts import say_count
from opswatch.errors import ConfigError, StoreUnavailable

if TYPE_CHECKING:
    from opswatch.assemble import Examined, Office
    from opswatch.core.plan import Person

AHEAD = timedelta(days=14)
FREE_WARN = 1_000_000_000
FREE_FAIL = 100_000_000
GB = 1e9
MESSAGES_ASKED = 1_000


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at: `ok`, `warn` or `fail`, what is so, and what to do about it."""

    state: str
    name: str
    says: str
    advice: str = ""


@click.command("doctor", cls=Command)
@is_json
def doctor(as_json: bool) -> int:
    """Look at everything a page needs, and say what to do where something is missing. Exit 1 when a line says fail."""
    from opswatch import assemble

    path = door().path()
    examined, lines = None, []
    try:
        with in_words():
            examined = assemble.examine(path)
        lines.append(_configuration(examined))
    except ConfigError as wrong:
        if assemble.plan_in_force(path) is None:
            raise
        says = f"{path} has mistakes: {len(wrong.problems)}; what a daemon has loaded is looked at instead"
        lines.append(Line("fail", "configuration", says, "opswatch config check"))
    try:
        office = door().office()
        lines += _installation(office, examined)
        code = REFUSED if any(line.state == "fail" for line in lines) else DONE
    except StoreUnavailable as trouble:
        lines.append(Line("fail", "store", str(trouble)))
        code = NO_STORE
    if as_json:
        print_json([{"state": one.state, "name": one.name, "says": one.says, "advice": one.advice} for one in lines])
        return code
    for line in lines:
        say(f"{styled(line.state, f'{line.state:<4}')}  {line.name}: {line.says}")
        if line.advice and line.state != "ok":
            say(f"      → {line.advice}")
    return code


def _installation(office: Office, examined: Examined | None) -> Iterator[Line]:
    from opswatch.audit import audit

    office.desk.refresh()
    yield from _store(office)
    yield _daemon(office)
    if examined is not None:
        yield _loaded(office, examined)
    for finding in audit(office.desk, office.store, office.now()):
        state = "fail" if not finding.is_ok else "warn" if finding.advice else "ok"
        if finding.name != "store" or state != "ok":  # That it answers was said.
            yield Line(state, finding.name, finding.says, finding.advice)
    yield _people(office)
    yield _deliveries(office)
    yield _quiet(office)
    yield _disk(office)
    yield _you(door())


def _configuration(examined: Examined) -> Line:
    warnings = [*examined.loaded.warnings, *examined.lints, *examined.stored]
    says = f"{examined.loaded.settings.path} is valid"
    if warnings:
        return Line("warn", "configuration", f"{says}, {say_count(len(warnings), 'warning')}", "opswatch config check")
    return Line("ok", "configuration", says)


def _store(office: Office) -> Iterator[Line]:
    office.store.lease("doctor", office.plan.node, office.now(), timedelta(seconds=1))
    yield Line("ok", "store", f"{office.settings.store} can be read and written")
    damaged = office.store.check_integrity()
    if damaged:
        advice = "stop opswatch, keep a copy, restore the last backup"
        yield Line("fail", "integrity", "; ".join(damaged[:3]), advice)
    else:
        yield Line("ok", "integrity", "nothing is damaged")
    missing = office.store.missing_migrations()
    if missing:
        yield Line("fail", "schema", f"lacks {', '.join(missing)}", "opswatch db migrate")
    else:
        yield Line("ok", "schema", "up to date")


def _daemon(office: Office) -> Line:
    view = office.views.status()
    if not view.nodes:
        return Line("fail", "daemon", "none has ever run", "opswatch run, or systemctl start opswatch")
    seen = ", ".join(f"{node} {times.away(at, view.at)}" for node, at in sorted(view.nodes.items()))
    if not view.is_alive:
        return Line(
            "fail", "daemon", f"none lives; last seen: {seen}", "systemctl status opswatch; journalctl -u opswatch"
        )
    still = {
        node: loops
        for node, (_, facts) in office.store.nodes().items()
        if (loops := facts.get("standing_still")) and node in view.nodes
    }
    if still:
        said = "; ".join(f"{node}: {loops}" for node, loops in still.items())
        return Line("fail", "daemon", f"loops stand still: {said}", "systemctl restart opswatch; keep its log")
    return Line("ok", "daemon", f"alive: {seen}")


def _loaded(office: Office, examined: Examined) -> Line:
    """What each living node runs is what is on disk here."""
    view = office.views.status()
    on_disk = examined.loaded.fingerprint
    living = {
        node: str(facts.get("config", ""))
        for node, (seen, facts) in office.store.nodes().items()
        if view.at - seen < timedelta(seconds=30)
    }
    other = [node for node, loaded in living.items() if loaded and not on_disk.startswith(loaded)]
    if other:
        says = f"{', '.join(other)} runs another configuration than the one on disk"
        return Line("fail", "loaded", says, "opswatch config check, then systemctl reload opswatch")
    if not living:
        return Line("warn", "loaded", "no daemon lives that could have loaded it", "opswatch run")
    return Line("ok", "loaded", "what runs is what is on disk")


def _people(office: Office) -> Line:
    """Everybody on call within 14 days has a contact that a channel carries to, for P0."""
    out_of_reach = {}
    for roster in office.plan.rosters.values():
        now = office.now()
        shifts = office.views.shifts(roster.id, now, now + AHEAD)
        names = {name for shift in shifts for name in shift.people}
        names |= {person for row in office.views.on_call(roster.id) for person in row.on_call}
        for name in sorted(names):
            person = office.plan.people.get(name)
            why = "is not in the configuration" if person is None else _out_of_reach(office, person)
            if why:
                out_of_reach[name] = f"{name} {why}"
    if out_of_reach:
        advice = "give each a contact and its [[channel]]; try it: opswatch page-test PERSON"
        return Line("fail", "people", "; ".join(out_of_reach.values()), advice)
    return Line("ok", "people", "everybody on call within 14 days can be reached for P0")


def _out_of_reach(office: Office, person: Person) -> str:
    """Why a P0 would not arrive, empty when it would."""
    from opswatch.core.model import Priority
    from opswatch.core.reach import rules_of

    steps = rules_of(person, Priority.P0)
    if not steps:
        return "has no contact for P0"
    if not any(office.settings.carrier(step.contact) for step in steps):
        return f"has only {', '.join(step.contact for step in steps)}, which no [[channel]] carries"
    return ""


def _deliveries(office: Office) -> Line:
    """The last message to each way of each person on call."""
    last: dict[tuple[str, str], str] = {}
    rows = sorted(office.store.messages(limit=MESSAGES_ASKED), key=lambda row: row.promised_at)
    for row in rows:
        if row.person in office.plan.people and row.outcome in ("delivered", "failed"):
            last[str(row.person), row.channel] = row.detail if row.outcome == "failed" else ""
    failed = [f"{person} by {way} ({why or 'no reason given'})" for (person, way), why in last.items() if why]
    if failed:
        return Line("warn", "deliveries", f"the last page failed: {'; '.join(failed[:5])}", "opswatch page-test PERSON")
    return Line("ok", "deliveries", f"the last page by {say_count(len(last), 'way')} arrived" if last else "none yet")


def _quiet(office: Office) -> Line:
    view = office.views.status()
    if view.mode == "observe":
        return Line("warn", "quiet", "mode is observe: nothing is sent", 'mode = "page" in [opswatch]')
    if view.paused_until is not None:
        zone, _ = door().reader()
        says = f"pages are paused until {times.named(view.paused_until, zone)} by {view.paused_by}"
        return Line("warn", "quiet", says, "opswatch pause off")
    return Line("ok", "quiet", "pages go out")


def _disk(office: Office) -> Line:
    folder = office.settings.data_dir
    usage = shutil.disk_usage(folder)
    says = f"{usage.free / GB:.1f} GB free in {folder}"
    if not may(folder, os.W_OK):
        return Line("fail", "disk", f"{folder} may not be written by {login()}", f"sudo usermod -aG opswatch {login()}")
    if usage.free < FREE_FAIL:
        return Line("fail", "disk", says, "make room: nothing can be recorded without it")
    if usage.free < FREE_WARN:
        return Line("warn", "disk", says, "make room soon")
    return Line("ok", "disk", says)


def _you(line: Door) -> Line:
    try:
        speaker = line.speaker()
    except NotKnown as unknown:
        return Line("warn", "you", str(unknown))
    return Line("ok", "you", f"{login()} acts as {speaker.person.name} ({speaker.person.id})")
