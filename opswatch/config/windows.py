"""Local windows and conditions as they stand in the file, as the core's values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from opswatch.config import holidays, schema
from opswatch.config.problems import Place, Problems
from opswatch.core.calendars import parse_window
from opswatch.core.plan import DayCalendar, When, Window


@dataclass
class Calendars:
    """The holiday calendars that are named anywhere, each built once."""

    problems: Problems
    named: dict[str, DayCalendar] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)  # where each was named first

    def name(self, calendar: str | None, place: Place) -> str | None:
        """The id of that calendar, known to the plan from now on; a problem when there is no such calendar."""
        if calendar is None:
            return None
        known = calendar.lower()
        if known not in self.named:
            made = holidays.calendar(known)
            if made is None:
                words = "a country such as 'cn' or 'de', or a part of one such as 'de-by' or 'us-ca'"
                self.problems.unknown(place, calendar, holidays.known_names(known), words)
                return None
            self.named[known] = made
            self.places[known] = place
        return known

    def warn_of_guesses(self, now: datetime, warnings: Problems) -> None:
        """Where governments decree work days, say which of this year's and the next's are not published yet."""
        for name, place in self.places.items():
            missing = [str(year) for year in (now.year, now.year + 1) if not holidays.is_settled(name, year)]
            if missing:
                words = f"the shifted work days of {' and '.join(missing)} are not published in this release's holidays"
                warnings.add(place, f"{words}: until an upgrade knows them, weekends there count as rest days")


def window(table: schema.WindowTable, place: Place, problems: Problems) -> Window | None:
    """One window; days alone mean whole days. None where it is wrong, with a problem."""
    if table.spoilt:
        return None
    if (table.start is None) != (table.end is None):
        problems.add(place, 'both `from` and `to`, such as { from = "09:00", to = "17:00" }')
        return None
    return _parsed(table.days, table.start or "00:00", table.end or "24:00", place, problems)


def windows(tables: Iterable[schema.WindowTable], place: Place, problems: Problems) -> tuple[Window, ...]:
    found = (window(table, place.at(index), problems) for index, table in enumerate(tables))
    return tuple(one for one in found if one is not None)


def hours(table: schema.Hours | None, place: Place, problems: Problems) -> Window | None:
    """A person's `day`."""
    return None if table is None else _parsed(None, table.start, table.end, place, problems)


def when(
    table: schema.When | None, place: Place, calendars: Calendars, *, timezone: str, problems: Problems
) -> When | None:
    """The condition of a level or a route; one that names nothing is none."""
    if table is None:
        return None
    has_window = table.days is not None or table.start is not None or table.end is not None
    inner = schema.WindowTable(
        days=table.days, start=table.start, end=table.end, spoilt=table.spoilt & {"days", "start", "end"}
    )
    found = window(inner, place, problems) if has_window else None
    calendar = calendars.name(table.calendar, place.at("calendar"))
    if has_window and found is not None and found.work is not None and table.calendar is None:
        problems.add(place, 'a `calendar` too, such as "cn": which days are workdays differs by country')
    return When(
        (found,) if found else (),
        table.timezone or timezone,
        calendar,
        frozenset(table.priority) if table.priority is not None else None,
        table.alerts,
    )


def _parsed(days: tuple[Any, ...] | None, start: str, end: str, place: Place, problems: Problems) -> Window | None:
    try:
        return parse_window(",".join(map(str, days)) if days is not None else None, start, end)
    except ValueError as wrong:
        problems.add(place, str(wrong))
        return None
