"""Inspections: run one now, read what the last ones said, sign what only people can look at."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opswatch.cli import times
from opswatch.cli.door import NotKnown, door, in_words
from opswatch.cli.groups import DONE, REFUSED, Command, Group, is_json
from opswatch.cli.shown import print_json, print_markdown, print_table, say
from opswatch.cli.values import INSPECTION, RUN

if TYPE_CHECKING:
    from opswatch.assemble import Office
    from opswatch.config import Inspection
    from opswatch.core.inspection import Report

STANDARD = ("daily", "weekly", "monthly")
LIST_MAX = 20
BAR = 24


class Rounds(Group):
    """`opswatch inspect daily` is `opswatch inspect run daily`: what is no command is an inspection."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["run", *args]
        return super().resolve_command(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "daily|weekly|monthly|ID [OPTIONS]")
        formatter.write_usage(ctx.command_path, "COMMAND [ARGS]...")


@click.group("inspect", cls=Rounds)
def inspect() -> None:
    """A round over many checks, with a report, also when all is well: value, limit, what changed since the last run,
    how long until a limit, and who owns it.

    \b
    opswatch inspect daily
    opswatch inspect sign 2026-11-17-daily 2 --note 'counted by hand'
    """


@inspect.command("run", cls=Command)
@click.argument("inspection", type=INSPECTION)
@click.option("--deliver", is_flag=True, help="As the schedule would: alerts follow, and its channels are told.")
@click.option("--again", is_flag=True, help="Look again, 30 s apart, at what is not certain; --deliver does.")
@click.option("--all", "show_all", is_flag=True, help="Print every line, not only what matters.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the page there.")
@is_json
def run(inspection: str, deliver: bool, again: bool, show_all: bool, html: Path | None, as_json: bool) -> int:
    """Run INSPECTION now and print its report. It is kept, with the rights of who runs it; without --deliver it is your
    own look: nobody is told and no alert changes.

    \b
    opswatch inspect run daily --all
    """
    from opswatch import assemble

    office = door().office(for_looking=True)
    known = _known(office, inspection)
    if known is None:
        names = ", ".join(dict.fromkeys([*(one.id for one in office.settings.inspections), *STANDARD]))
        click.echo(f"There is no inspection {inspection}. There are {names}.", err=True)
        return REFUSED
    if deliver and not _may_deliver(as_json=as_json):
        return REFUSED
    with in_words(), _progress() as notice:
        report = assemble.inspect_once(office, known, by=_who(), is_told=deliver, again=again or deliver, notice=notice)
    return _show(report, as_json=as_json, show_all=show_all, html=html)


@inspect.command("list", cls=Command)
@click.argument("inspection", required=False, type=INSPECTION)
@is_json
def list_runs(inspection: str | None, as_json: bool) -> int:
    """The last runs, newest first."""
    from opswatch.inspections import Reports
    from opswatch.views import utc

    office = door().office()
    reports = Reports(office.desk, office.store)
    rows, unsigned = reports.rows(inspection, LIST_MAX), reports.unsigned()
    if as_json:
        print_json(
            [
                {
                    "run": row.run,
                    "inspection": row.inspection,
                    "began_at": utc(row.began_at),
                    "due_at": utc(row.due_at),
                    "by": row.by,
                    "counts": dict(row.counts),
                    "changes": dict(row.changes),
                    "unsigned": unsigned.get(row.run, 0),
                }
                for row in rows
            ]
        )
        return DONE
    if not rows:
        say("No inspection has run yet; `opswatch inspect daily` runs one now.")
        return DONE
    zone, _ = door().reader()
    print_table(
        ["RUN", "WHEN", "CRIT", "WARN", "UNKNOWN", "OK", "CHANGED", "TO SIGN", "BY"],
        [
            [
                row.run,
                times.local(row.began_at, zone),
                *(str(row.counts.get(state, 0)) for state in ("crit", "warn", "unknown", "ok")),
                ", ".join(f"{count} {kind}" for kind, count in row.changes.items() if count),
                str(unsigned.get(row.run, "")),
                row.by or "schedule",
            ]
            for row in rows
        ],
    )
    return DONE


@inspect.command("show", cls=Command)
@click.argument("run", type=RUN)
@click.option("--all", "show_all", is_flag=True, help="Print every line, not only what matters.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the page there.")
@is_json
def show(run: str, show_all: bool, html: Path | None, as_json: bool) -> int:
    """The report of RUN, or of the last run of an inspection.

    \b
    opswatch inspect show daily --html report.html
    """
    from opswatch.inspections import Reports

    office = door().office()
    reports = Reports(office.desk, office.store)
    report = reports.report(run)
    if report is None and (rows := reports.rows(run, 1)):
        report = reports.report(rows[0].run)
    if report is None:
        click.echo(f"There is no run {run}; `opswatch inspect list` names them.", err=True)
        return REFUSED
    return _show(report, as_json=as_json, show_all=show_all, html=html)


@inspect.command("sign", cls=Command)
@click.argument("run", type=RUN)
@click.argument("item", type=click.IntRange(1, 999))
@click.option("--note", default="", metavar="TEXT", help="What you saw.")
@is_json
def sign(run: str, item: int, note: str, as_json: bool) -> int:
    """I have looked at ITEM of the checklist of RUN.

    \b
    opswatch inspect sign 2026-11-17-daily 2 --note 'counted by hand'
    """
    from opswatch.core.events import SignInspection

    speaker = door().speaker()
    command = SignInspection(run, item, note, by=speaker.person.id, door=speaker.door)
    return DONE if door().say(command, as_json=as_json) else REFUSED


# ---------------------------------------------------------------------------------------------------------------------


def _known(office: Office, name: str) -> Inspection | None:
    """The inspection of this name. The three that everybody has look at every check where nobody wrote them."""
    from opswatch.config import Inspection

    written = next((one for one in office.settings.inspections if one.id == name), None)
    if written is None and name in STANDARD:
        return Inspection(name, "30 7 * * *", office.plan.timezone, ("*",))
    return written


def _who() -> str:
    """The person who runs it, or the login where nobody knows who that is: looking is free to all who may read."""
    from opswatch.cli import door as system

    try:
        return door().speaker().person.id
    except NotKnown:
        return system.login()


def _may_deliver(*, as_json: bool) -> bool:
    """Telling channels and alerts is an act: it needs a person who may."""
    from opswatch.core.effects import Refuse
    from opswatch.core.model import Role

    person = door().speaker().person
    if person.role >= Role.RESPONDER:
        return True
    door().show_answer(Refuse("viewer_refused", {"by": person.id, "role": "responder"}), as_json=as_json)
    return False


def _show(report: Report, *, as_json: bool, show_all: bool, html: Path | None) -> int:
    from opswatch.render import inspection_page, inspection_text

    office = door().office()
    _, language = door().reader()
    if html is not None:
        with in_words():
            html.write_text(inspection_page.page(report, office.plan, language=language), encoding="utf-8")
    if as_json:
        print_json(inspection_text.as_json(report))
        return DONE
    print_markdown(inspection_text.for_terminal(report, office.plan, language=language, show_all=show_all))
    from opswatch.inspections import Files

    files = Files(office.desk, office.settings.data_dir).of(report.run)
    for file in (files.html, files.markdown) if html is None else (html,):
        if file.exists():
            say(str(file))
    return DONE


@contextmanager
def _progress() -> Iterator[Callable[[int, int, str], None] | None]:
    """A bar on the standard error of a terminal; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(BAR), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def notice(done: int, total: int, words: str) -> None:
            waiting = "looking again soon" if done < total and not words else words
            bar.update(task, completed=done, total=total, description=waiting)

        yield notice
