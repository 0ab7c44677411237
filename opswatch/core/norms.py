"""How a value usually is at this hour of this weekday: the hours that teach it, and what they say.

Pure: hours of past values come in, a `Norm` goes out. It is computed outside the engine and travels with the verdict it
applies to, so that a decision can be made again from what it was made of. See docs/decisions for the reasons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median

from opswatch.core.calendars import instant, reading
from opswatch.core.plan import DayCalendar

WEEKS = 8  # how far back a norm looks
DAYS_NEEDED = 28  # days with values before it judges anything
HOURS_NEEDED = 3  # weeks of the very hour: holidays and outages may have taken some
SIGMA_PER_MAD = 1.4826  # of a normal distribution: what turns a standard deviation into a MAD
SPREAD_MIN = 0.01  # of the usual value: what never varied in eight weeks may still vary by this
HOUR = timedelta(hours=1)

_DAY = timedelta(days=1)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SATURDAY, _SUNDAY = 5, 6


@dataclass(frozen=True, slots=True)
class Hour:
    """What one series did in one hour: `[at, at + 1 h)`, a whole hour of UTC."""

    at: datetime
    name: str
    least: float
    most: float
    mean: float
    deviation: float  # standard deviation of its values around their mean
    looks: int
    unit: str = ""
    item: str = ""


@dataclass(frozen=True, slots=True)
class Norm:
    """How a value usually is at the hour it was seen in. `mad` is the median absolute deviation of single looks."""

    usual: float
    mad: float
    hours: int  # so many hours like this one taught it
    days: int  # so many days of the last weeks have values at all
    slot: str  # "Mon 14:00", local to the check

    @property
    def is_learnt(self) -> bool:
        """Whether there is enough history to judge by."""
        return self.days >= DAYS_NEEDED and self.hours >= HOURS_NEEDED

    @property
    def progress(self) -> str:
        """Why it does not judge yet: "learning, 9 of 28 days"."""
        if self.days < DAYS_NEEDED:
            return f"learning, {self.days} of {DAYS_NEEDED} days"
        return f"learning, {self.hours} of {HOURS_NEEDED} hours like {self.slot}"


UNKNOWN = Norm(0.0, 0.0, 0, 0, "")  # nothing was ever seen


def hour_of(at: datetime) -> datetime:
    """The beginning of the UTC hour that `at` (aware, UTC) falls in."""
    return at.replace(minute=0, second=0, microsecond=0)


def hours_like(at: datetime, zone: str, calendar: DayCalendar | None = None, weeks: int = WEEKS) -> list[datetime]:
    """The past hours that teach what is usual at `at`, newest first, as the instants (UTC) they begin at.

    Those of the same weekday and hour by the clocks of `zone` in the `weeks` before its date. A public holiday is
    judged like a Sunday, a worked Saturday like a Friday, a worked Sunday like a Monday; neither kind of day teaches.
    ValueError for an unknown zone.
    """
    local = reading(hour_of(at), zone)
    weekday = _weekday(local.date(), calendar)
    found: set[datetime] = set()
    for back in range(1, 7 * weeks + 1):
        day = local.date() - _DAY * back
        if day.weekday() == weekday and not _is_special(day, calendar):
            clock = datetime.combine(day, local.time())
            both = [instant(clock, zone, last=last) for last in (False, True)]
            # A reading that clocks jumped over means another hour: that day teaches nothing about this one.
            found |= {hour_of(moment) for moment in both if reading(moment, zone) == clock}
    return sorted(found, reverse=True)


def slot(at: datetime, zone: str, calendar: DayCalendar | None = None) -> str:
    """The hour `at` falls in, for people: "Mon 14:00"; on special days the weekday that it is judged like."""
    local = reading(hour_of(at), zone)
    like = f"{_DAYS[_weekday(local.date(), calendar)]} {local:%H:%M}"
    if not _is_special(local.date(), calendar):
        return like
    kind = "worked weekend day" if calendar is not None and local.date() in calendar.worked else "holiday"
    return f"{like}, as on a {kind}"


def norm(hours: Sequence[Hour], days: int, slot: str) -> Norm:
    """What these hours of one series say is usual. `days` is how many days of the span have any values of it.

    The spread is that of single looks: between the weeks (MAD of the hourly means) and within the hour (the median of
    their deviations). Medians throughout: an outage in one of the weeks neither moves nor widens it.
    """
    if not hours:
        return Norm(0.0, 0.0, 0, days, slot)
    means = [hour.mean for hour in hours]
    usual = median(means)
    between = median(abs(mean - usual) for mean in means)
    within = median(hour.deviation for hour in hours) / SIGMA_PER_MAD
    return Norm(usual, max(math.hypot(between, within), abs(usual) * SPREAD_MIN), len(hours), days, slot)


def _weekday(day: date, calendar: DayCalendar | None) -> int:
    """The weekday whose hours this day is judged by."""
    if calendar is not None and day in calendar.worked and day.weekday() >= _SATURDAY:
        return (day.weekday() + (1 if day.weekday() == _SUNDAY else -1)) % 7
    if calendar is not None and day in calendar.holidays and day not in calendar.worked:
        return _SUNDAY
    return day.weekday()


def _is_special(day: date, calendar: DayCalendar | None) -> bool:
    return calendar is not None and (day in calendar.holidays or day in calendar.worked)
