"""Hours of values: rolled up a few at a time, kept for a year, asked by reports and by what is usual.

Values are read without a lock and written in short transactions, so nothing here is in the way of a page. An hour is
rolled up once it is over, and once more an hour later for values that came late; rolling up again gives the same rows,
so a node that dies halfway, or two that work at once, harm nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from opswatch.core.norms import HOUR, Hour, hour_of
from opswatch.stores.codec import from_column, from_us, to_column, to_us
from opswatch.stores.database import Database, Row

KEPT = timedelta(days=400)
LATE = timedelta(minutes=5)  # an hour is over when nobody is still writing its last values
AGAIN = HOUR  # how far back is rolled up once more
PAGE = 100  # series per transaction: a few milliseconds
PAGES_MAX = 20  # per call: a tenth of a second of work
FORGET_BATCH = 25  # hours of one series per transaction
SUMMABLE = 1e100  # what is larger is no measurement, and its squares would not fit

_HOUR_US = 3_600_000_000
_AGAIN_US = AGAIN // timedelta(microseconds=1)
_DAY_US = 24 * _HOUR_US
_BEFORE_ALL = -(2**63)


class Rollups:
    """Rolls up on behalf of the node that has the lease; answers everybody."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._place: tuple[int, int] | None = None  # the hour under way, and the last series done in it

    def roll_up(self, now: datetime, kept: timedelta = KEPT) -> bool:
        """Roll up hours that are over, a bounded number of pages of series; whether all is done (call again if not).

        Hours older than `kept` are forgotten as new ones come. Raises StoreUnavailable, Conflict; then call again.
        """
        over = to_us(hour_of(now - LATE))
        for _ in range(PAGES_MAX):
            place = self._place or self._next(over)
            if place is None or place[0] >= over:
                return self._end(over)
            hour, after = place
            last = self._page(hour, after, to_us(now - kept))
            self._place = (hour, last) if last is not None else self._hour_done(hour, over)
        return False

    def until(self) -> datetime | None:
        """Every hour before it is rolled up, and values before it are no longer needed for that; None: none is."""
        found = self._until()
        return None if found is None else from_us(found) - AGAIN

    def hours(
        self,
        check: str,
        target: str,
        start: datetime,
        end: datetime,
        name: str | None = None,
        item: str | None = None,
        limit: int = 100_000,
    ) -> list[Hour]:
        """The hours that begin in `[start, end)`, oldest first: of every sample and item, or of those called so."""
        with self._database.asking() as session:
            rows = session.rows(
                "rollups_of_check",
                check_id=to_column(check),
                target=to_column(target),
                start=to_us(start),
                end=to_us(end),
                name=None if name is None else to_column(name),
                item=None if item is None else to_column(item),
                limit=limit,
            )
        return [_hour(row) for row in rows]

    def days(self, check: str, target: str, start: datetime, end: datetime) -> dict[tuple[str, str], int]:
        """(item, sample) → on how many days (of UTC) in `[start, end)` it has values."""
        with self._database.asking() as session:
            rows = session.rows(
                "rollup_days",
                check_id=to_column(check),
                target=to_column(target),
                start=to_us(start),
                end=to_us(end),
                day=_DAY_US,
            )
        return {(from_column(row["item"]), from_column(row["name"])): int(row["days"]) for row in rows}

    # -----------------------------------------------------------------------------------------------------------------

    def _until(self) -> int | None:
        with self._database.asking() as session:
            found = session.rows("rolled_up")
        return int(found[0]["until"]) if found else None

    def _next(self, over: int) -> tuple[int, int] | None:
        """The first hour to look at; None when everything that is over has been rolled up."""
        until = self._until()
        if until is not None and until >= over:
            return None
        hour = self._hour_of_next_value(_BEFORE_ALL if until is None else until - _AGAIN_US)
        return (over if hour is None else min(hour, over)), _BEFORE_ALL

    def _hour_of_next_value(self, start: int) -> int | None:
        with self._database.asking() as session:
            at = session.rows("sample_next", start=start)[0]["at"]
        return None if at is None else int(at) // _HOUR_US * _HOUR_US

    def _page(self, hour: int, after: int, before: int) -> int | None:
        """One page of series in one hour; the last series of the page, None when there was none."""
        with self._database.asking() as session:
            page = [int(row["id"]) for row in session.rows("series_page", after=after, limit=PAGE)]
        if not page:
            return None
        with self._database.asking() as session:
            rows = session.rows("values_of_page", after=after, last=page[-1], start=hour, end=hour + _HOUR_US)
        rolled = list(_rolled(rows, hour))
        with self._database.writing() as session:
            session.many("rollup_save", rolled)
            session.many("rollup_forget", [{"series": s, "before": before, "limit": FORGET_BATCH} for s in page])
        return page[-1]

    def _hour_done(self, hour: int, over: int) -> tuple[int, int]:
        """It is said at once, so that a restart does not begin anew; hours without values are jumped over."""
        following = self._hour_of_next_value(hour + _HOUR_US)
        self._move(hour + _HOUR_US)
        return (over if following is None else min(following, over)), _BEFORE_ALL

    def _end(self, over: int) -> bool:
        if self._until() != over:
            self._move(over)
        self._place = None
        return True

    def _move(self, until: int) -> None:
        with self._database.writing() as session:
            session.run("rolled_up_move", until=until)


def _rolled(rows: Iterable[Row], hour: int) -> Iterable[Mapping[str, object]]:
    for series, found in groupby(rows, key=lambda row: int(row["id"])):
        values = [row["value"] for row in found if abs(row["value"]) < SUMMABLE]
        if values:
            yield {"series": series, "at": hour, **in_short(values)}


def in_short(values: Sequence[float]) -> dict[str, float]:
    """Least, most, mean, standard deviation and number of values: summed exactly, so the same on every machine."""
    mean = math.fsum(values) / len(values)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
    return {"least": min(values), "most": max(values), "mean": mean, "deviation": deviation, "looks": len(values)}


def _hour(row: Row) -> Hour:
    return Hour(
        from_us(row["at"]),
        from_column(row["name"]),
        row["least"],
        row["most"],
        row["mean"],
        row["deviation"],
        int(row["looks"]),
        from_column(row["unit"]),
        from_column(row["item"]),
    )
