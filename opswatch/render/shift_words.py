"""Hours on call in words: whose shift, when (on the reader's clocks and the roster's), who instead of whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opswatch.render.words import Reader

LINES_MAX = 12

Row = Sequence[Any]


def said(reader: Reader, name: str, value: object) -> str:
    """The words of a fact that `NAMES` has: rows as `core.roster_changes` and `core.absences` give them."""
    rows: list[Any] = list(value) if isinstance(value, (list, tuple)) else []
    if rows and not isinstance(rows[0], (list, tuple)):
        rows = [rows]
    say = NAMES[name]
    if say is hours:
        return reader.word("shift.and").join(hours(reader, row) for row in rows[:LINES_MAX])
    lines = [f"- {say(reader, row)}" for row in rows[:LINES_MAX]]
    left = len(rows) - len(lines)
    return "\n".join([*lines, *([reader.word("word.and_more", count=left)] if left else [])])


def hours(reader: Reader, row: Row) -> str:
    """[roster, start, end, …]: in the zone of who reads, and in the roster's where that is another."""
    roster = reader.plan.rosters.get(str(row[0])) if reader.plan else None
    zones = dict.fromkeys((reader.zone, roster.timezone if roster is not None else reader.zone))
    start, end = _instant(row[1]), _instant(row[2])
    return reader.word("shift.in_zones").join(reader.hours(start, end, zone) for zone in zones)


def change(reader: Reader, row: Row) -> str:
    """[roster, start, end, before, after]: who instead of whom."""
    before, after = [str(one) for one in row[3]], [str(one) for one in row[4]]
    lost = [one for one in before if one not in after]
    gained = [one for one in after if one not in before]
    if gained:
        key = "instead" if lost else "as_well" if before else "somebody"
    else:
        key = "without" if after else "nobody"
    who = reader.word(f"shift.{key}", gained=_names(reader, gained), lost=_names(reader, lost))
    return reader.word("shift.change", roster=row[0], hours=hours(reader, row), who=who)


def conflict(reader: Reader, row: Row) -> str:
    """[roster, start, end, person, others]: who is on call and away."""
    facts = {"person": reader.person(row[3]), "others": _names(reader, row[4])}
    return reader.word("shift.conflict", roster=row[0], hours=hours(reader, row), **facts)


def _names(reader: Reader, people: Sequence[Any]) -> str:
    return reader.join(reader.person(one) for one in people)


def _instant(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


NAMES: Mapping[str, Callable[[Reader, Row], str]] = {
    "changes": change,
    "conflicts": conflict,
    "hours": hours,
    "left": hours,
    "wanted": hours,
}
"""Facts that are rows of hours on call, and what says one row."""
