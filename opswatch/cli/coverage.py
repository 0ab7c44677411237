"""`opswatch roster coverage`: what is wrong with the weeks ahead, and a calendar of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opswatch.cli.door import door
from opswatch.cli.groups import DONE, REFUSED, Command, is_json
from opswatch.cli.shown import is_coloured, lines_of, print_json, say, styled, width
from opswatch.cli.values import ROSTER

if TYPE_CHECKING:
    from opswatch.core.coverage import Coverage
    from opswatch.render.roster_calendar import Day, RosterCalendar
    from opswatch.render.words import Reader

DAYS_MAX = 400
FINDINGS_SHOWN = 12  # of one roster; --json has them all
WORDS_AT = 44  # where a day's words begin, behind its date and its 24 letters
STYLES = {"gap": "crit", "unreachable": "crit", "twice": "unknown"}
# Backgrounds that black letters can be read on; with more groups of people they repeat, and the letters tell.
COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "white", "bright_cyan", "bright_green")


@click.command("coverage", cls=Command)
@click.option("--roster", type=ROSTER, metavar="R", help="Only this one.")
@click.option("--days", type=click.IntRange(1, DAYS_MAX), default=30, show_default=True, help="So many days ahead.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a page of it.")
@click.option("--check", is_flag=True, help="Exit code 1 when there are gaps: for a pipeline.")
@is_json
def coverage(roster: str | None, days: int, html: Path | None, check: bool, as_json: bool) -> int:
    """What is wrong with the days ahead: gaps, people out of reach, away or overloaded; and a calendar.

    A row is a day of the roster's zone, a letter an hour: who is on call as it begins, `!` where anybody is missing in
    it, `·` where nobody needs to be.

    \b
    opswatch roster coverage --roster primary --days 14
    opswatch roster coverage --html coverage.html
    opswatch roster coverage --check
    """
    office = door().office()
    try:
        found = office.views.ahead.coverage(days, roster)
    except KeyError:
        return _unknown(str(roster), as_json)
    if html is not None:
        _write(html, found)
    if as_json:
        from opswatch.coverages import coverage_json

        print_json([coverage_json(one) for one in found])
    else:
        _show(found, days)
        if html is not None:
            say(f"Written: {html}")
    return REFUSED if check and any(one.gaps for one in found) else DONE


def _write(path: Path, found: tuple[Coverage, ...]) -> None:
    from opswatch.render.roster_page import page

    office = door().office()
    _, language = door().reader()
    text = page(found, office.plan, language=language, at=office.now())
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as trouble:
        raise click.BadParameter(f"{path} cannot be written: {trouble.strerror}", param_hint="--html") from None


def _show(found: tuple[Coverage, ...], days: int) -> None:
    from opswatch.render.coverage import sentence
    from opswatch.render.roster_calendar import roster_calendar
    from opswatch.render.words import Reader

    plan, (_, language) = door().office().plan, door().reader()
    if not found:
        say(Reader(language).word("coverage.no_rosters"))
    for number, one in enumerate(found):
        zone = plan.rosters[one.roster].timezone
        reader = Reader(language, plan=plan, zone=zone)
        if number:
            say()
        say(reader.word("coverage.roster", roster=one.roster, zone=zone))
        for finding in one.findings[:FINDINGS_SHOWN]:
            style = STYLES.get(finding.kind, "warn")
            kind = styled(style, reader.word(f"coverage.kind_{finding.kind}"))
            say(f"  {kind}: {sentence(reader, finding.facts())}")
        if len(one.findings) > FINDINGS_SHOWN:
            say(f"  {reader.word('coverage.more', count=len(one.findings) - FINDINGS_SHOWN)}")
        if not one.findings:
            say(f"  {styled('ok', reader.word('coverage.none', days=days))}")
        say()
        _draw(roster_calendar(one, zone), reader)


def _draw(calendar: RosterCalendar, reader: Reader) -> None:
    """Days as rows, hours as letters, and in words what the letters cannot say."""
    from opswatch.render.roster_calendar import GAP, OFF, names

    scale = "".join(f"{hour:<6d}" for hour in (0, 6, 12, 18))
    say(f"  {'':14}  {scale.rstrip()}")
    for day in calendar.days:
        first, *more = _words(calendar, day, reader)
        say(f"  {day.day:%a %Y-%m-%d}  {_hours(calendar, day)}  {first}".rstrip())
        for line in more:
            say(f"{'':{WORDS_AT}}{line}")
    for number, people in enumerate(calendar.groups):
        say(f"  {_tinted(calendar.letter(number), number)} {names(reader, people)}")
    if calendar.coverage.gaps:
        say(f"  {styled('crit', GAP)} {reader.word('coverage.gap_word')}")
    if any(not one.is_gap and one.group is None for day in calendar.days for one in day.pieces):
        say(f"  {OFF} {reader.word('coverage.off')}")


def _words(calendar: RosterCalendar, day: Day, reader: Reader) -> list[str]:
    """What stands behind a day's letters. Where that takes more than a line, only what letters cannot say: gaps, and
    what begins or ends within an hour."""
    from opswatch.render.roster_calendar import day_words

    room, said = width() - WORDS_AT, day_words(calendar, day, reader)
    lines = lines_of([words for words, _ in said] or [reader.word("coverage.off")], room)
    if len(lines) == 1:
        return lines
    return lines_of([words for words, piece in said if piece.is_gap or not calendar.is_hourly(piece)], room)


def _hours(calendar: RosterCalendar, day: Day) -> str:
    row = []
    for letter, piece in calendar.hours(day):
        if piece is not None and piece.is_gap:
            row.append(styled("crit", letter))
        else:
            row.append(letter if piece is None or piece.group is None else _tinted(letter, piece.group))
    return "".join(row)


def _tinted(letter: str, group: int) -> str:
    return click.style(letter, fg="black", bg=COLOURS[group % len(COLOURS)]) if is_coloured() else letter


def _unknown(roster: str, as_json: bool) -> int:
    from opswatch.core.effects import Refuse

    known = ", ".join(door().office().plan.rosters)
    door().show_answer(Refuse("unknown_roster", {"roster": roster, "known": known}), as_json=as_json)
    return REFUSED
