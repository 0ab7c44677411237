"""The hand-over at any time: what the next person would take over now."""

from __future__ import annotations

import click

from opswatch.cli.door import door
from opswatch.cli.groups import DONE, REFUSED, Command, is_json
from opswatch.cli.shown import print_json, print_markdown, say
from opswatch.cli.values import ROSTER


@click.command("handoff", cls=Command)
@click.option("--roster", type=ROSTER, metavar="R", help="Of this roster; default: each.")
@click.option("--accept", is_flag=True, help="You have read it and have the duty: whose shift it was is told.")
@is_json
def handoff(roster: str | None, accept: bool, as_json: bool) -> int:
    """What the running shift would hand over now: open incidents and their next step, what ends, what is due, what is
    planned. At the end of a shift it is written and sent to the next person by itself.

    \b
    opswatch handoff --roster primary
    opswatch handoff --roster primary --accept
    """
    if accept:
        from opswatch.core.events import TakeOver

        speaker = door().speaker()
        command = TakeOver(roster, by=speaker.person.id, door=speaker.door)
        return DONE if door().say(command, as_json=as_json) else REFUSED
    from opswatch.core.effects import Refuse

    office = door().office()
    known = list(office.plan.rosters)
    if roster is not None and roster not in known:
        door().show_answer(Refuse("unknown_roster", {"roster": roster, "known": ", ".join(known)}), as_json=as_json)
        return REFUSED
    _, language = door().reader()
    texts = {name: office.views.hand_over(name, language) for name in ([roster] if roster else known)}
    if as_json:
        print_json([{"roster": name, "markdown": text} for name, text in texts.items()])
    elif texts:
        print_markdown("\n".join(texts.values()))
    else:
        say("There are no rosters.")
    return DONE
