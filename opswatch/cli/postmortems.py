"""Post-mortems and short reviews at the terminal: who owes which, what is missing, and on to the next stage."""

from __future__ import annotations

import click

from opswatch.cli import times
from opswatch.cli.door import door, in_words
from opswatch.cli.groups import DONE, REFUSED, Group, is_json
from opswatch.cli.shown import print_json, print_markdown, print_table, say
from opswatch.cli.values import INCIDENT, PERSON

_incident = click.argument("incident", type=INCIDENT)


@click.group("postmortem", cls=Group)
def postmortem() -> None:
    """Post-mortems and short reviews: owed, written, published."""


@postmortem.command("new")
@_incident
@click.option("--owner", type=PERSON, metavar="PERSON", help="Who writes it; default: you, or who owes it already.")
@is_json
def new(incident: int, owner: str | None, as_json: bool) -> int:
    """A post-mortem is owed for INCIDENT; --owner gives one that is owed already to somebody else. The daemon writes
    the draft to data_dir/records/postmortem/INCIDENT.md.

    \b
    opswatch postmortem new 142 --owner bo
    """
    from opswatch.core.events import StartPaper

    speaker = door().speaker()
    command = StartPaper(incident, owner, by=speaker.person.id, door=speaker.door)
    return DONE if door().say(command, as_json=as_json) else REFUSED


@postmortem.command("list")
@click.option("--all", "include_published", is_flag=True, help="Published ones too, newest first.")
@is_json
def list_papers(include_published: bool, as_json: bool) -> int:
    """What is owed, the first due first."""
    office = door().office()
    rows = office.views.papers(include_published=include_published)
    if as_json:
        print_json([row.as_json() for row in rows])
        return DONE
    if not rows:
        say("No post-mortem is owed.")
        return DONE
    zone, _ = door().reader()
    cells = [
        [
            str(row.incident),
            row.priority,
            row.kind,
            "overdue" if row.is_overdue else row.stage,
            times.local(row.due_at, zone),
            row.owner or "nobody",
            row.title,
        ]
        for row in rows
    ]
    print_table(["INCIDENT", "PRIORITY", "KIND", "STAGE", f"DUE ({zone})", "OWNER", "TITLE"], cells)
    return DONE


@postmortem.command("show")
@_incident
@is_json
def show(incident: int, as_json: bool) -> int:
    """The post-mortem of INCIDENT as it stands: what people wrote, and what the machine saw. Of any incident."""
    office = door().office()
    _, language = door().reader()
    with in_words():
        text = office.views.post_mortem(incident, language, data_dir=office.settings.data_dir)
    if text is None:
        return _unknown(incident, as_json)
    if as_json:
        row = office.views.paper(incident)
        print_json({"incident": incident, "paper": row.as_json() if row else None, "markdown": text})
    else:
        print_markdown(text)
    return DONE


@postmortem.command("check")
@_incident
@is_json
def check(incident: int, as_json: bool) -> int:
    """What is missing from the post-mortem of INCIDENT: empty sections, actions without owner or date. Exit 1 when
    something is."""
    office = door().office()
    if office.views.incident(incident) is None:
        return _unknown(incident, as_json)
    missing = _missing(incident)
    if as_json:
        print_json({"incident": incident, "missing": missing})
    else:
        _show_missing(incident, missing)
    return REFUSED if missing else DONE


@postmortem.command("submit")
@_incident
@is_json
def submit(incident: int, as_json: bool) -> int:
    """It is written: the leads are asked to review it."""
    return _move(incident, "in_review", as_json)


@postmortem.command("publish")
@_incident
@is_json
def publish(incident: int, as_json: bool) -> int:
    """It is reviewed: everybody may learn from it. Leads only."""
    return _move(incident, "published", as_json)


@postmortem.command("return")
@_incident
@is_json
def give_back(incident: int, as_json: bool) -> int:
    """It is a draft again."""
    return _move(incident, "draft", as_json)


def _move(incident: int, to: str, as_json: bool) -> int:
    from opswatch.core.events import MovePaper
    from opswatch.core.model import Stage

    speaker = door().speaker()
    is_done = door().say(MovePaper(incident, Stage(to), by=speaker.person.id, door=speaker.door), as_json=as_json)
    if is_done and not as_json and to != Stage.DRAFT and (missing := _missing(incident)):
        _show_missing(incident, missing)
    return DONE if is_done else REFUSED


def _missing(incident: int) -> list[str]:
    """In the reader's words; that there is no file, where there is none."""
    from opswatch.render.paper_form import no_file

    office = door().office()
    _, language = door().reader()
    with in_words():
        found = office.views.post_mortem_missing(incident, language, data_dir=office.settings.data_dir)
    return [no_file(incident, language)] if found is None else found


def _show_missing(incident: int, missing: list[str]) -> None:
    from opswatch.render.paper_form import summary

    _, language = door().reader()
    row = door().office().views.paper(incident)
    say(summary(incident, row.kind if row else "postmortem", len(missing), language))
    for line in missing:
        say(f"- {line}")


def _unknown(incident: int, as_json: bool) -> int:
    from opswatch.core.effects import Refuse

    door().show_answer(Refuse("unknown_incident", {"incident": incident}), as_json=as_json)
    return REFUSED
