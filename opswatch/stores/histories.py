"""What one value did over a span: raw values where they are few enough, hours where not, and where it is heading."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby

from opswatch.core.norms import HOUR, Hour, hour_of
from opswatch.core.plan import Check
from opswatch.core.trends import (
    DAYS_MAX,
    Forecast,
    History,
    Summary,
    daily,
    forecast,
    heading_for,
    percentile,
    summary,
)
from opswatch.stores import Store
from opswatch.stores.rollups import SUMMABLE, in_short
from opswatch.stores.samples import Point

__all__ = ["History", "history"]

RAW_MAX = timedelta(hours=48)  # shorter spans are shown look by look
TREND_SPAN = timedelta(days=DAYS_MAX)


def history(
    store: Store, check: Check, target: str, sample: str, item: str, start: datetime, end: datetime, now: datetime
) -> History:
    """What `sample` of `item` (empty: the target as a whole) did in `[start, end)`. Raises StoreUnavailable."""
    hours = _hours(store, check.id, target, sample, item, min(start, now - TREND_SPAN), max(end, now))
    inside = [hour for hour in hours if start <= hour.at < end]
    points = _numbers(store.values(check.id, target, sample, item, start, end)) if end - start <= RAW_MAX else []
    limit = check.limits.get(sample)
    heading = heading_for(limit) if limit is not None else None
    last = points[-1:] or _numbers(store.values(check.id, target, sample, item, start, end, limit=1))
    return History(
        check=check.id,
        target=target,
        sample=sample,
        item=item,
        unit=next((point.unit for point in last), hours[-1].unit if hours else ""),
        start=start,
        end=end,
        values=tuple(
            [(point.at, point.value, point.value) for point in points]
            or [(hour.at, hour.least, hour.most) for hour in inside]
        ),
        summary=summary([point.value for point in points]) or _summary_of(inside, last),
        limits=() if heading is None else (heading[0],),
        ahead=None if heading is None else _ahead(hours, check.timezone, *heading, now),
    )


def _hours(store: Store, check: str, target: str, sample: str, item: str, start: datetime, end: datetime) -> list[Hour]:
    """Rolled-up hours, and what is not rolled up yet as hours made here."""
    rolled = store.rolled_up()
    split = max(start, min(end, rolled)) if rolled is not None else hour_of(start)
    found = store.hours(check, target, start, split, sample, item)
    return found + list(_made(_numbers(store.values(check, target, sample, item, split, end))))


def _made(points: Iterable[Point]) -> Iterable[Hour]:
    for at, some in groupby(points, key=lambda point: hour_of(point.at)):
        found = list(some)
        short = in_short([point.value for point in found])
        looks = int(short.pop("looks"))
        yield Hour(at, found[0].name, looks=looks, unit=found[-1].unit, item=found[0].item, **short)


def _numbers(points: Iterable[Point]) -> list[Point]:
    """Without what no sum could hold: infinite ones."""
    return [point for point in points if abs(point.value) < SUMMABLE]


def _summary_of(hours: list[Hour], last: list[Point]) -> Summary | None:
    """From hours: the 95th percentile is that of their peaks."""
    if not hours:
        return None
    looks = sum(hour.looks for hour in hours)
    return Summary(
        least=min(hour.least for hour in hours),
        mean=math.fsum(hour.mean * hour.looks for hour in hours) / looks,
        p95=percentile([hour.most for hour in hours], 0.95),
        most=max(hour.most for hour in hours),
        last=last[-1].value if last else hours[-1].mean,
        looks=looks,
    )


def _ahead(hours: list[Hour], zone: str, limit: float, rising: bool, now: datetime) -> Forecast | None:
    recent = [hour for hour in hours if now - TREND_SPAN <= hour.at < now + HOUR]
    if not recent or now - recent[-1].at > timedelta(days=2):
        return None  # It was not looked at lately: where it stands now is not known.
    return forecast(daily(recent, zone, lowest=not rising), limit, rising=rising)
