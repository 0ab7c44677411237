"""Why not to be paged, arranged by hand: silences by matcher, and the pause of everything."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from opswatch.cli import times
from opswatch.cli.door import door
from opswatch.cli.groups import DONE, REFUSED, Command, Group, is_json
from opswatch.cli.shown import print_json, print_table, say
from opswatch.cli.values import SPAN

if TYPE_CHECKING:
    from opswatch.core.state import Silence

_span = click.option("--for", "span", type=SPAN, metavar="SPAN", help="For how long, such as 2h.")
_until = click.option("--until", metavar="T", help="Until when, instead of --for.")


@click.group("silence", cls=Group)
def silence() -> None:
    """Page nobody for what matches; it is still looked at and kept."""


@silence.command("add")
@click.argument("matchers", nargs=-1, required=True, metavar="LABEL=VALUE…")
@_span
@_until
@click.option("--from", "start", metavar="T", default=None, help="From when; default: now.")
@click.option("--reason", required=True, metavar="TEXT", help="Why. Others will read it at night.")
@is_json
def add(
    matchers: tuple[str, ...],
    span: timedelta | None,
    until: str | None,
    start: str | None,
    reason: str,
    as_json: bool,
) -> int:
    """Silence what matches every LABEL=VALUE (also !=, =~ and !~ with a regular expression). Labels: service, target,
    check, kind, item, team, state and whatever the configuration gives.

    \b
    opswatch silence add service=orders --for 2h --reason 'index rebuild'
    opswatch silence add 'target=~db-.*' check=disk-space --until 'sun 06:00' --reason 'new disks'
    """
    from opswatch.core.events import AddSilence

    wanted = tuple(_matcher(text) for text in matchers)
    if (span is None) == (until is None):
        raise click.UsageError("Say either --for SPAN or --until T.")
    speaker = door().speaker()
    starts = door().instant(start, "--from") if start is not None else None
    if until is not None:
        ends = door().instant(until, "--until")
    else:
        assert span is not None
        ends = (starts or door().office().now()) + span
    command = AddSilence(wanted, ends, reason, starts, by=speaker.person.id, door=speaker.door)
    return DONE if door().say(command, as_json=as_json) else REFUSED


@silence.command("list")
@is_json
def list_silences(as_json: bool) -> int:
    """Silences that hold or will, the first to end first."""
    office = door().office()
    found = [one for one in office.views.silences() if one.ends_at > office.now()]
    if as_json:
        print_json([_json(one) for one in found])
        return DONE
    if not found:
        say("There are no silences.")
        return DONE
    zone, _ = door().reader()
    rows = [
        [
            str(one.id),
            " ".join(f"{name}{how}{value}" for name, how, value in one.matchers),
            times.local(one.starts_at, zone),
            times.local(one.ends_at, zone),
            one.owner,
            one.reason,
        ]
        for one in found
    ]
    print_table(["ID", "MATCHES", f"FROM ({zone})", "TO", "OWNER", "REASON"], rows)
    return DONE


@silence.command("expire")
@click.argument("id", type=int)
@is_json
def expire(id: int, as_json: bool) -> int:
    """End silence ID now: what it held back is told."""
    from opswatch.core.events import ExpireSilence

    speaker = door().speaker()
    command = ExpireSilence(id, by=speaker.person.id, door=speaker.door)
    return DONE if door().say(command, as_json=as_json) else REFUSED


@click.command("pause", cls=Command)
@click.argument("span", required=False, metavar="[SPAN|off]")
@_until
@click.option("--reason", default="", metavar="TEXT", help="Why.")
@is_json
def pause(span: str | None, until: str | None, reason: str, as_json: bool) -> int:
    """No pages at all for SPAN; `off` ends it; without either: whether pages are paused. Incidents are still kept.

    \b
    opswatch pause 1h --reason 'data centre move'
    opswatch pause off
    """
    from opswatch.core.events import Pause, Unpause

    if span is None and until is None:
        return _say_whether_paused(as_json)
    if span is not None and until is not None:
        raise click.UsageError("Say either SPAN or --until T.")
    speaker = door().speaker()
    if span is not None and span.lower() == "off":
        done = door().say(Unpause(by=speaker.person.id, door=speaker.door), as_json=as_json)
        return DONE if done else REFUSED
    if until is not None:
        ends = door().instant(until, "--until")
    else:
        ends = door().office().now() + SPAN.convert(span, None, click.get_current_context())
    command = Pause(ends, reason, by=speaker.person.id, door=speaker.door)
    return DONE if door().say(command, as_json=as_json) else REFUSED


def _say_whether_paused(as_json: bool) -> int:
    from opswatch.views import utc

    found = door().office().views.status()
    if as_json:
        print_json({"paused_until": utc(found.paused_until), "paused_by": found.paused_by})
    elif found.paused_until is None:
        say("Pages are not paused.")
    else:
        zone, _ = door().reader()
        say(f"No pages until {times.named(found.paused_until, zone)}, by {found.paused_by}.")
    return DONE


def _matcher(text: str) -> tuple[str, str, str]:
    from opswatch.core.matchers import read_matcher

    try:
        return read_matcher(text)
    except ValueError as problem:
        words = f"{problem}: write a label and its value, such as service=orders"
        raise click.BadParameter(words, param_hint="MATCHERS") from None


def _json(one: Silence) -> dict[str, object]:
    from opswatch.views import utc

    return {
        "id": one.id,
        "matchers": [{"label": name, "how": how, "value": value} for name, how, value in one.matchers],
        "from": utc(one.starts_at),
        "to": utc(one.ends_at),
        "owner": one.owner,
        "reason": one.reason,
    }
