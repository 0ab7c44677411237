"""A door's three duties, once for all commands: who is it, what do they say, how is the answer shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opswatch.errors import ConfigError, OpswatchError, StoreUnavailable

if TYPE_CHECKING:
    from opswatch.assemble import Office
    from opswatch.core.effects import Done, Refuse
    from opswatch.core.events import AbsencesImported, Command
    from opswatch.core.plan import Person

DOOR = "cli"
BY_ROOT = "cli:root"  # root said it for somebody: the timeline tells the difference


class NotKnown(OpswatchError):
    """Nobody in the configuration is who runs this command: refused, with what to do."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """The person the command line acts as, and how it is recorded."""

    person: Person
    door: str = DOOR


class Door:
    """One command line at work. `config` and `as_person` may stand anywhere on it."""

    def __init__(self) -> None:
        self.config: str | None = None
        self.as_person: str | None = None
        self._office: Office | None = None
        self._is_by_daemon = False  # what is decided is decided by the daemon's plan

    # the installation

    def path(self) -> Path:
        """The configuration file. Raises OpswatchError where there is none, StoreUnavailable where it is not ours."""
        from opswatch import assemble

        with in_words():
            path = assemble.find_config(self.config)
            if path.exists() and not may(path, os.R_OK):
                raise StoreUnavailable(f"{path} may not be read by {login()}: {who_may()}")
            return path

    def office(self, *, for_looking: bool = False) -> Office:
        """The installation, open until the command ends. Raises ConfigError, StoreUnavailable."""
        if self._office is None:
            with in_words():
                self._office = self._open(self.path(), for_looking)
            click.get_current_context().find_root().call_on_close(self.close)
        return self._office

    def _open(self, path: Path, for_looking: bool) -> Office:
        """By what is on disk; where that has a mistake, by what the daemon that lives has loaded, with a warning:
        whoever is woken must not have to mend a configuration first."""
        from opswatch import assemble

        try:
            return assemble.open_office(path, for_looking=for_looking)
        except ConfigError as wrong:
            found = None if for_looking else assemble.open_office_in_force(path)
            if found is None:
                raise
            office, at = found
            count = "1 mistake" if len(wrong.problems) == 1 else f"{len(wrong.problems)} mistakes"
            says = f"{path} has {count} (opswatch config check): this goes by what the daemon loaded"
            click.echo(f"warning: {says} {_since(at, office)}", err=True)
            self._is_by_daemon = True
            return office

    def _decide_as_daemon(self) -> None:
        """A command is decided by the plan that pages: where the one on disk is another, by the daemon's."""
        from opswatch import assemble
        from opswatch.core.engine import Engine

        office = self.office()
        if self._is_by_daemon:
            return
        self._is_by_daemon = True
        found = assemble.plan_in_force(self.path(), other_than=office.loaded.fingerprint)
        if found is not None:
            office.desk.reload(Engine(found[0].plan, assemble.linear_fullmatch()))
            says = f"the daemon runs the configuration it loaded {_since(found[1], office)}, and decides by that"
            click.echo(f"warning: {says}: systemctl reload opswatch takes the one on disk", err=True)

    def close(self) -> None:
        if self._office is not None:
            office, self._office = self._office, None
            office.close()

    # who is it

    def speaker(self) -> Speaker:
        """Who acts. Raises NotKnown with how to become known."""
        people = self.office().plan.people
        if self.as_person is not None:
            return self._spoken_for(people)
        person = self._known()
        if person is not None:
            return Speaker(person)
        sudoer = next((one for one in people.values() if one.login == os.environ.get("SUDO_USER")), None)
        if sudoer is not None and sudoer.login and is_root():
            return Speaker(sudoer, BY_ROOT)
        raise NotKnown(_introduction(self.path(), people))

    def reader(self) -> tuple[str, str]:
        """Zone and language of who reads: the person's, where they are known, else the plan's."""
        plan = self.office().plan
        try:
            person = self.speaker().person
        except NotKnown:
            return plan.timezone, plan.language
        return person.timezone, person.language

    def _spoken_for(self, people: Any) -> Speaker:
        person = people.get(self.as_person)
        if person is None:
            raise NotKnown(f"--as {self.as_person}: nobody is called so; known are {', '.join(people)}")
        if is_root():
            return Speaker(person, BY_ROOT)
        if person == self._known():
            return Speaker(person)
        raise NotKnown(f"--as {person.id}: only root may act as somebody else (you are {login()}): use sudo")

    def _known(self) -> Person | None:
        """The person with this login. Somebody alone who wrote none is who owns the configuration, and root."""
        from opswatch.assemble import person_of_login

        plan = self.office().plan
        person = person_of_login(plan, login())
        if person is not None or len(plan.people) != 1:
            return person
        alone = next(iter(plan.people.values()))
        owns = is_root() or self.path().stat().st_uid == os.geteuid()
        return alone if alone.login is None and owns else None

    # what do they say, and what are they told

    def say(self, command: Command | AbsencesImported, *, as_json: bool = False, dry_run: bool = False) -> bool:
        """Give a command to the desk and show its answer: whether it was done. With `dry_run` nothing is done, and what
        would be answered is shown: who would be on call instead of whom."""
        self._decide_as_daemon()
        desk = self.office().desk
        is_done = self.show_answer(
            desk.rehearse(command) if dry_run else desk.answer(command), as_json=as_json, dry_run=dry_run
        )
        if is_done and not as_json:
            self._warn_if_nobody_pages(command)
        return is_done

    def _warn_if_nobody_pages(self, command: Command | AbsencesImported) -> None:
        """Whoever wants somebody paged must not believe it is done where no daemon lives to do it."""
        from opswatch.core.events import Decline, Escalate, Open, Reassign, Reopen, Unack

        wants_pages = isinstance(command, Decline | Escalate | Open | Reassign | Reopen | Unack)
        if wants_pages and not self.office().views.status().is_alive:
            click.echo("warning: no opswatch daemon lives: nobody is paged until one runs (opswatch run)", err=True)

    def show_answer(self, answer: Done | Refuse, *, as_json: bool = False, dry_run: bool = False) -> bool:
        """In the speaker's language, on standard output when it was done, else on standard error."""
        from opswatch import render
        from opswatch.core.effects import Done

        zone, language = self.reader()
        is_done = isinstance(answer, Done)
        words = render.answer(language, answer, plan=self.office().plan, zone=zone)
        if as_json:
            from opswatch.cli.shown import print_json

            said = {"answer": answer.key, "facts": _plain(answer.facts), "text": words}
            print_json({"done": is_done and not dry_run, **({"dry_run": True} if dry_run else {}), **said})
        else:
            if dry_run and is_done:
                click.echo(render.word(language, "answer.rehearsed"))
            click.echo(words, err=not is_done)
        return is_done

    def instant(self, text: str, option: str, *, zone: str | None = None) -> datetime:
        """A time as people type it, local to `zone` (default: the reader's). Raises click.BadParameter with words."""
        from opswatch.cli import times

        try:
            return times.read(text, self.office().now(), zone or self.reader()[0])
        except ValueError as wrong:
            raise click.BadParameter(str(wrong), param_hint=option) from None


def door() -> Door:
    """The one of the command that runs."""
    return click.get_current_context().find_root().ensure_object(Door)


def login() -> str:
    """The operating-system user, by number where it has no name."""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def is_root() -> bool:
    return os.geteuid() == 0


def may(path: Path, what: int) -> bool:
    """Whether this user may read (`os.R_OK`) or write (`os.W_OK`) it, by the rights that are in force."""
    return os.access(path, what, effective_ids=os.access in os.supports_effective_ids)


def who_may() -> str:
    """The command that lets this user in."""
    return f"the service's group may use it: `sudo usermod -aG opswatch {login()}`, then log in again"


@contextmanager
def in_words() -> Iterator[None]:
    """What the file system refuses is the store that cannot be reached, with the command that fixes it."""
    try:
        yield
    except OSError as trouble:
        if trouble.filename is None:  # No file: a port that is taken, for one.
            raise OpswatchError(f"the system refused: {trouble.strerror or trouble}") from trouble
        if isinstance(trouble, PermissionError):
            raise StoreUnavailable(f"{trouble.filename} may not be used by {login()}: {who_may()}") from trouble
        raise StoreUnavailable(f"{trouble.filename}: {trouble.strerror}") from trouble


def _since(at: datetime, office: Office) -> str:
    from opswatch.cli import times

    return f"at {times.named(at, office.plan.timezone)}"


def _introduction(path: Path, people: Any) -> str:
    known = ", ".join(f"{person.id} ({person.login})" if person.login else person.id for person in people.values())
    ways = [f'write login = "{login()}" under your [[person]] in {path}']
    ways += ["as root, say who acts: --as PERSON"]
    return f"no [[person]] has login = {login()!r}, so nobody knows who acts; {', or '.join(ways)}. People: {known}"


def _plain(facts: Any) -> dict[str, object]:
    """Facts as JSON values."""
    return {name: _text(value) for name, value in facts.items()}


def _text(value: object) -> object:
    from opswatch.views import utc

    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, list | tuple):
        return [_text(part) for part in value]
    return str(value)
