"""What a change to the rosters does, in sentences: for the pull request that makes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from opswatch.core.roster_changes import Change
from opswatch.core.roster_diff import RosterDiff
from opswatch.render.text import stamp
from opswatch.render.words import Reader

LINES_MAX = 200  # of one roster; JSON has them all


def roster_diff(old: Reader, new: Reader, diffs: Iterable[RosterDiff], now: datetime, days: int) -> str:
    """One paragraph a roster, those that stay as they are in one line. `old` and `new` know the people of each side."""
    told = [one for one in diffs if not one.is_same]
    same = [one.roster.id for one in diffs if one.is_same]
    parts = ["\n".join(_lines(old, new, one, now, days)) for one in told]
    if same:
        parts.append(new.word("roster_diff.same", rosters=new.join(same), days=days))
    return "\n\n".join(parts) or new.word("roster_diff.none")


def as_json(one: RosterDiff, now: datetime) -> dict[str, object]:
    """One roster, for programs: ids, instants in UTC."""
    kind = (
        "added" if one.before is None else "removed" if one.after is None else "renamed" if one.is_renamed else "kept"
    )
    return {
        "roster": one.roster.id,
        "change": kind,
        "was": one.before.id if one.before is not None else None,
        "timezone": one.roster.timezone,
        "fallback": None if one.fallback is None else {"before": one.fallback[0], "after": one.fallback[1]},
        "shifts": [
            {
                "start": stamp(change.start),
                "end": stamp(change.end),
                "before": list(change.before),
                "after": list(change.after),
                "running": change.start <= now,
            }
            for change in one.shifts
        ],
    }


def _lines(old: Reader, new: Reader, one: RosterDiff, now: datetime, days: int) -> Iterator[str]:
    name = one.roster.id
    if one.before is None:
        yield new.word("roster_diff.added", roster=name)
        return
    if one.after is None:
        yield new.word("roster_diff.removed", roster=name)
        return
    if one.is_renamed:
        yield new.word("roster_diff.renamed", roster=name, was=one.before.id)
    if one.fallback is not None:
        before, after = (_targets(reader, some) for reader, some in zip((old, new), one.fallback, strict=True))
        yield new.word("roster_diff.fallback", roster=name, old=before, new=after)
    if not one.shifts:
        yield new.word("roster_diff.no_shift", roster=name, days=days)
        return
    key = "one_shift" if len(one.shifts) == 1 else "shifts"
    yield new.word(f"roster_diff.{key}", roster=name, count=len(one.shifts), days=days)
    for change in one.shifts[:LINES_MAX]:
        yield f"- {_shift(old, new, change, one.after.timezone, now)}"
    if len(one.shifts) > LINES_MAX:
        yield new.word("word.and_more", count=len(one.shifts) - LINES_MAX)


def _shift(old: Reader, new: Reader, change: Change, zone: str, now: datetime) -> str:
    """On the roster's clocks and in UTC, who hands over to whom."""
    hours = new.word("shift.in_zones").join(
        new.hours(change.start, change.end, one) for one in dict.fromkeys((zone, "UTC"))
    )
    facts = {"hours": hours, "old": _people(old, change.before), "new": _people(new, change.after)}
    return new.word("roster_diff.running" if change.start <= now else "roster_diff.shift", **facts)


def _people(reader: Reader, people: Sequence[str]) -> str:
    return reader.join(reader.person(one) for one in people) or reader.word("roster_diff.nobody")


def _targets(reader: Reader, targets: Sequence[str]) -> str:
    return reader.join(reader.target(one) for one in targets) or reader.word("roster_diff.nobody")
