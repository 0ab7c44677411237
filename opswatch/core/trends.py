"""Where a value is heading: robust slope over daily extremes, time to a limit, and what a sparkline shows.

It informs and never pages: a forecast that woke somebody for a log rotation would not be believed twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median

from opswatch.core.calendars import reading
from opswatch.core.limits import parse_range
from opswatch.core.norms import Hour
from opswatch.core.plan import Limit

DAYS_MIN = 3  # days with values before anything is said
DAYS_MAX = 28  # older days say little about the next ones
AGREE_MIN = 0.7  # share of all pairs of days that must move towards the limit: a weekly clean-up gives about 0.55
FLOOR = 0.5  # nothing is said before half of the way to the limit is gone
HORIZON = timedelta(days=365)
_NEAR_DAYS = 7  # how fast is told by days this near to each other: a clean-up spoils few such pairs
_LEVEL_DAYS = 3  # the present level is the median of so many last days
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Line:
    """A robust line through points: `slope` per unit of x, `agree` the share of pairs that move the way it does."""

    slope: float
    intercept: float
    agree: float

    def at(self, x: float) -> float:
        """Its height at `x`."""
        return self.intercept + self.slope * x


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a value will break a limit if it goes on like this. `left` is zero for one that is broken already."""

    slope_per_day: float
    level: float  # where it stands now, single spikes left out
    limit: float
    left: timedelta
    days: int  # so many days it was learnt from


@dataclass(frozen=True, slots=True)
class Summary:
    """A series in five numbers."""

    least: float
    mean: float
    p95: float
    most: float
    last: float
    looks: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """One piece of a sparkline, `[at, until)`: None where nothing was seen."""

    at: datetime
    until: datetime
    least: float | None
    most: float | None


@dataclass(frozen=True, slots=True)
class History:
    """One sample of one item of one check on one target in `[start, end)`. Instants are aware, UTC.

    `values` are (instant, least, most), oldest first: single looks for a short span, else hours. `ahead` is where the
    last four weeks lead; None where nothing is to be said.
    """

    check: str
    target: str
    sample: str
    item: str
    unit: str
    start: datetime
    end: datetime
    values: tuple[tuple[datetime, float, float], ...]
    summary: Summary | None
    limits: tuple[float, ...]  # the sides it may break, to draw them
    ahead: Forecast | None

    def stretches(self, count: int) -> list[Stretch]:
        """The span in `count` pieces, for a sparkline; no peak is lost."""
        return stretches(self.values, self.start, self.end, count)


# ---------------------------------------------------------------------------------------------------------------------
# Slope


def theil_sen(points: Sequence[tuple[float, float]], *, within: float = math.inf) -> Line | None:
    """The median of the slopes between all pairs of points (x, y) that are at most `within` apart in x; None where
    there is no such pair.

    Up to 29 % of the points may be anything at all. Quadratic: for days, not for looks.
    """
    slopes = [
        (second[1] - first[1]) / (second[0] - first[0])
        for index, first in enumerate(points)
        for second in points[index + 1 :]
        if 0 < abs(second[0] - first[0]) <= within
    ]
    if not slopes:
        return None
    slope = median(slopes)
    agree = sum(one * slope > 0 for one in slopes) / len(slopes)
    return Line(slope, median(y - slope * x for x, y in points), agree)


def daily(hours: Iterable[Hour], zone: str, *, lowest: bool = False) -> dict[date, float]:
    """The highest value (or the `lowest`) of each local date, in order; days without values are left out."""
    found: dict[date, float] = {}
    for hour in hours:
        day, value = reading(hour.at, zone).date(), hour.least if lowest else hour.most
        before = found.get(day, value)
        found[day] = min(before, value) if lowest else max(before, value)
    return dict(sorted(found.items()))


# ---------------------------------------------------------------------------------------------------------------------
# Time to a limit


def heading_for(limit: Limit) -> tuple[float, bool] | None:
    """The number that a rising (True) or falling (False) value would break first that matters: `crit` before `warn`.
    None for limits that are no simple side, such as `"== 0"` or a span with two ends."""
    for text in (limit.crit, limit.warn):
        if text is not None and (found := _side(text)) is not None:
            return found
    return None


def _side(text: str) -> tuple[float, bool] | None:
    bad = parse_range(text)
    if bad.compare is not None:
        return (bad.low, bad.compare.startswith(">")) if bad.compare[0] in "<>" else None
    if bad.inside or (math.isfinite(bad.low) and math.isfinite(bad.high) and bad.low != 0.0):
        return None  # "90" is 0 to 90: what is measured in per cent or bytes leaves it at the top.
    if math.isinf(bad.low) and math.isinf(bad.high):
        return None
    return (bad.high, True) if math.isfinite(bad.high) else (bad.low, False)


def forecast(
    extremes: Mapping[date, float], limit: float, *, rising: bool, floor: float = FLOOR, days_min: int = DAYS_MIN
) -> Forecast | None:
    """When the daily extremes reach `limit`, from the last four weeks of them; None when nothing is to be said.

    Nothing is said with fewer than `days_min` days, before `floor` of the way to the limit is gone (from zero up, or
    from twice the limit down), when the days do not agree on a direction (clean-ups that undo what grew), when it moves
    away, or when it takes more than a year. The last day in `extremes` is today.
    """
    days = sorted(extremes)[-DAYS_MAX:]
    if len(days) < days_min or (days[-1] - days[0]).days < days_min - 1:
        return None
    points = [(float((day - days[0]).days), extremes[day]) for day in days]
    whole, line = theil_sen(points), theil_sen(points, within=_NEAR_DAYS)
    if whole is None or line is None:
        return None
    level = median(y + line.slope * (points[-1][0] - x) for x, y in points[-_LEVEL_DAYS:])
    distance = (limit - level) if rising else (level - limit)
    if distance <= 0:
        return Forecast(line.slope, level, limit, timedelta(0), len(days))
    speed, drift = (line.slope, whole.slope) if rising else (-line.slope, -whole.slope)
    if min(speed, drift) <= 0 or whole.agree < AGREE_MIN or not _is_past_floor(level, limit, rising, floor):
        return None
    left = distance / speed
    return Forecast(line.slope, level, limit, left * _DAY, len(days)) if left <= HORIZON / _DAY else None


def _is_past_floor(level: float, limit: float, rising: bool, floor: float) -> bool:
    if floor <= 0 or limit == 0:
        return True
    if rising:
        return level >= limit * floor if limit > 0 else level >= limit / floor
    return level <= limit / floor if limit > 0 else level <= limit * floor


# ---------------------------------------------------------------------------------------------------------------------
# What is shown


def summary(values: Sequence[float]) -> Summary | None:
    """Least, mean, 95th percentile, most and last of values in order of time; None where there are none."""
    if not values:
        return None
    mean = math.fsum(values) / len(values)
    return Summary(min(values), mean, percentile(values, 0.95), max(values), values[-1], len(values))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0..1) of them do not exceed (nearest rank). ValueError for none."""
    if not values:
        raise ValueError("a percentile of no values")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def stretches(
    extremes: Iterable[tuple[datetime, float, float]], start: datetime, end: datetime, count: int
) -> list[Stretch]:
    """`[start, end)` in `count` equal pieces, each with the least and the most of the (instant, least, most) in it:
    no peak is lost to thinning. Pieces without values say so."""
    if count < 1 or end <= start:
        return []
    width = (end - start) / count
    least: list[float | None] = [None] * count
    most: list[float | None] = [None] * count
    for at, low, high in extremes:
        if start <= at < end:
            place = min(count - 1, int((at - start) / width))
            before_low, before_high = least[place], most[place]
            least[place] = low if before_low is None else min(before_low, low)
            most[place] = high if before_high is None else max(before_high, high)
    edges = [start + width * place for place in range(count)] + [end]
    return [Stretch(edges[n], edges[n + 1], least[n], most[n]) for n in range(count)]
