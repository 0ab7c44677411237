"""Cron expressions in local time: when they run, also where clocks change.

cronsim reads the expression; which instant a local time means is decided here, with the rules of `core/instants.py`,
because cronsim's own zone arithmetic has holes (2.8: where clocks change by half an hour `0 */2 * * *` loses a run;
asked from inside a repeated hour it answers with an instant that has passed). Debian cron's distinction stays:

- minute and hour both fixed (`30 2 * * *`): once per local date that matches. Where 02:30 is jumped over it runs at the
  first instant after the jump; where it happens twice, at the first.
- minute or hour begins with `*` (`*/10 * * * *`): with the clock: what is jumped over does not run, what happens twice
  runs twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, takewhile

from cronsim import CronSim, CronSimError

from opswatch.core.instants import clock_change, instant, offset, reading

_FIELDS = "write five fields `minute hour day-of-month month day-of-week`, such as '30 7 * * mon-fri'"
_ANY_DAY = datetime.combine(date(2000, 1, 1), time())  # A local reading.
_SECOND = timedelta(seconds=1)
_FAR = timedelta(days=2)  # Longer than any clock change moves a reading.
_SET_BACK_MAX = timedelta(hours=3)
_CANDIDATES_MAX = 1000


def check_cron(expr: str) -> None:
    """ValueError, saying which field is wrong and what to write, unless `expr` is a cron expression that ever runs."""
    if len(expr.split()) != 5:
        raise ValueError(f"{len(expr.split())} fields; {_FIELDS}")
    try:
        first = next(CronSim(expr, _ANY_DAY), None)
    except CronSimError as error:
        raise ValueError(f"{str(error).lower()}; {_FIELDS}") from None
    if first is None:
        raise ValueError(f"no such date ever comes; {_FIELDS}")


def next_cron(expr: str, zone_name: str, after: datetime) -> datetime:
    """The first run strictly after `after`, UTC. ValueError when there is none in fifty years."""
    run = next(_runs(expr, zone_name, after), None)
    if run is None:
        raise ValueError(f"{expr!r} does not run within fifty years")
    return run


def cron_between(expr: str, zone_name: str, start: datetime, end: datetime) -> list[datetime]:
    """The runs in [start, end), UTC, in order: at most one for each minute of it."""
    just_before = start - timedelta(microseconds=1)
    return list(takewhile(lambda run: run < end, _runs(expr, zone_name, just_before)))


def previous_cron(expr: str, zone_name: str, at: datetime) -> datetime | None:
    """The last run at or before `at`, UTC; None when there is none in the fifty years before."""
    # Clocks set back within the last day: readings later than the present one have already been.
    latest = at + max(offset(at, zone_name), offset(at - timedelta(days=1), zone_name))
    from_here = latest.replace(microsecond=0, tzinfo=None) + _SECOND
    for local in islice(CronSim(expr, from_here, reverse=True), _CANDIDATES_MAX):
        since = instant(local, zone_name) - _SET_BACK_MAX
        runs = cron_between(expr, zone_name, since, at + timedelta(microseconds=1))
        if runs:
            return runs[-1]
    return None


def _runs(expr: str, zone_name: str, after: datetime) -> Iterator[datetime]:
    """Runs strictly after `after`, rising, none twice."""
    minute, hour, *_ = expr.split()
    if minute.startswith("*") or hour.startswith("*"):
        return _runs_by_clock(expr, zone_name, after)
    return _runs_by_date(expr, zone_name, after)


def _runs_by_date(expr: str, zone_name: str, after: datetime) -> Iterator[datetime]:
    last = after
    for local in CronSim(expr, reading(after, zone_name)):
        at = instant(local, zone_name)
        if at > last:  # 02:00 and 02:30 may both mean 03:00; and a repeated hour has been once already.
            yield at
            last = at


def _runs_by_clock(expr: str, zone_name: str, after: datetime) -> Iterator[datetime]:
    """Walks local readings under one offset until a clock change, then goes on from there under the next."""
    here, local, ahead = after, reading(after, zone_name), offset(after, zone_name)
    while True:
        for candidate in CronSim(expr, local):
            at = (candidate - ahead).replace(tzinfo=UTC)
            soon = min(at, here + _FAR)  # Clocks set back soon after `here` bring back readings that were candidates.
            if at > soon or offset(soon, zone_name) != ahead:
                break
            yield at
            here, local = at, candidate
        else:
            return
        if offset(soon, zone_name) != ahead:
            here = clock_change(zone_name, here, soon) - _SECOND  # A run on the very change counts.
            ahead = offset(here + _SECOND, zone_name)
            local = (here + ahead).replace(tzinfo=None)
        else:  # Nothing runs for days: come closer, so that one clock change at most lies ahead.
            here = at - _FAR
            local, ahead = reading(here, zone_name), offset(here, zone_name)
