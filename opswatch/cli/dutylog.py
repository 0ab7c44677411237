"""The duty log: what a shift saw and did, and lines that people add."""

from __future__ import annotations

import click

from opswatch.cli.acting import TEXT
from opswatch.cli.door import door, in_words
from opswatch.cli.groups import DONE, REFUSED, Group, is_json
from opswatch.cli.shown import print_json, print_markdown
from opswatch.cli.values import ROSTER


@click.group("dutylog", cls=Group)
def dutylog() -> None:
    """The duty log of a shift; write a line into it."""


@dutylog.command("show")
@click.option("--roster", type=ROSTER, metavar="R", help="Of this roster; default: each.")
@click.option("--at", metavar="T", help="Of the shift that covers this time; default: the running one.")
@is_json
def show(roster: str | None, at: str | None, as_json: bool) -> int:
    """The duty log of a shift, as Markdown.

    \b
    opswatch dutylog show --roster primary --at '12h ago'
    """
    from opswatch.core.effects import Refuse
    from opswatch.views import utc

    office = door().office()
    known = list(office.plan.rosters)
    if roster is not None and roster not in known:
        door().show_answer(Refuse("unknown_roster", {"roster": roster, "known": ", ".join(known)}), as_json=as_json)
        return REFUSED
    when = door().instant(at, "--at") if at is not None else office.now()
    _, language = door().reader()
    with in_words():
        text = office.views.duty_log(roster, when, language, data_dir=office.settings.data_dir)
    if as_json:
        print_json({"roster": roster, "at": utc(when), "markdown": text})
    else:
        print_markdown(text)
    return DONE


@dutylog.command("note", context_settings=TEXT)
@click.argument("text", nargs=-1, required=True, type=click.UNPROCESSED)
@is_json
def note(text: tuple[str, ...], as_json: bool) -> int:
    """Write TEXT into the duty log; it belongs to no incident.

    \b
    opswatch dutylog note batch ran 20 minutes late, told finance
    """
    from opswatch.core.events import DutyNote

    speaker = door().speaker()
    command = DutyNote(" ".join(text), by=speaker.person.id, door=speaker.door)
    return DONE if door().say(command, as_json=as_json) else REFUSED
