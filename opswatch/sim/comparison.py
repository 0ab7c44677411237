"""Two designs of on-call under the same failures and the same people: what differs, and whether that is only chance.

Both live each seed. A difference is taken life by life, so that a bad year is bad for both; it counts when the span
that holds its mean in 95 of 100 such comparisons does not include zero.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opswatch.core.model import Health, Priority
from opswatch.core.plan import Plan
from opswatch.core.roster import Rosters
from opswatch.sim.faults import Rates, rates_of
from opswatch.sim.people import Part
from opswatch.sim.report import Report, median_and_p90

PAIRS_MIN = 3  # With fewer lives nothing is said about chance.
PAGED = (Priority.P0, Priority.P1, Priority.P2)
# Student's t, two-sided 95 %, by degrees of freedom from 1; beyond them the normal distribution's is near enough.
_T95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
_T95_BEYOND = 1.96


@dataclass(frozen=True, slots=True)
class Metric:
    """One row. `unit`: s, h, count or share. Less is better in all of them."""

    key: str
    unit: str
    of: Callable[[Report], float | None]
    priority: Priority | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of both designs, life by life (None: nothing to measure in that life).

    `difference` is the mean of second − first over the lives that have both, and `low` to `high` the span of 95 %;
    None with fewer than three. `better`: first, second, even (it may be chance), same (no life differs), unknown.
    """

    metric: Metric
    first: tuple[float | None, ...]
    second: tuple[float | None, ...]
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    better: str = "unknown"

    @property
    def means(self) -> tuple[float | None, float | None]:
        return _mean(self.first), _mean(self.second)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`reports` are both designs' lives added up; `uncovered` how much of the span nobody at all was on call."""

    plans: tuple[Plan, Plan]
    reports: tuple[Report, Report]
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    uncovered: tuple[timedelta, timedelta]
    steps: int = 0


def common_rates(plans: Sequence[Plan], now: datetime) -> Rates:
    """How often things fail, for both: by the first plan; what only the other looks at, by that."""
    found: dict[tuple[str, Health], Priority] = {}
    first = rates_of(plans[0], now)
    looked_at = {key for key, _ in first}
    found.update(first)
    for (key, health), priority in rates_of(plans[1], now).items():
        if key not in looked_at:
            found[key, health] = priority
    return found


def compare(
    plans: tuple[Plan, Plan], lives: Sequence[tuple[Report, Report]], seeds: Sequence[int], steps: int = 0
) -> Comparison:
    """What the lives of both say, seed by seed. At least one pair."""
    rows = tuple(_row(metric, lives) for metric in METRICS)
    uncovered = (
        uncovered_time(plans[0], lives[0][0].start, lives[0][0].until),
        uncovered_time(plans[1], lives[0][1].start, lives[0][1].until),
    )
    totals = tuple(_added([pair[which] for pair in lives]) for which in (0, 1))
    return Comparison(plans, (totals[0], totals[1]), rows, tuple(seeds), uncovered, steps)


def uncovered_time(plan: Plan, start: datetime, until: datetime) -> timedelta:
    """How much of the span no roster at all names anybody, fallbacks aside; all of it without rosters."""
    rosters = Rosters(plan)
    covered = sorted(
        (shift.start, shift.end)
        for roster in plan.rosters
        for shift in rosters.shifts(roster, (), start, until)
        if shift.people
    )
    left, reached = timedelta(0), start
    for begins, ends in covered:
        left += max(timedelta(0), begins - reached)
        reached = max(reached, ends)
    return left + max(timedelta(0), until - reached)


# ---------------------------------------------------------------------------------------------------------------------
# The figures


def _answered(priority: Priority, which: int) -> Callable[[Report], float | None]:
    def of(report: Report) -> float | None:
        found = median_and_p90(report.answered_s.get(priority, []))
        return found[which] if found is not None else None

    return of


def _unattended(priority: Priority) -> Callable[[Report], float]:
    def of(report: Report) -> float:
        return report.unattended_s[priority] / 3600

    return of


def _busiest(report: Report) -> float | None:
    """The share of all pages that the person with most of them got."""
    return max(line.total for line in report.people.values()) / report.pages if report.pages else None


METRICS: tuple[Metric, ...] = (
    *(Metric("ack_median", "s", _answered(one, 0), one) for one in PAGED),
    *(Metric("ack_p90", "s", _answered(one, 1), one) for one in PAGED),
    *(Metric("unattended", "h", _unattended(one), one) for one in PAGED),
    Metric("unanswered", "count", lambda report: report.unanswered_count.total()),
    Metric("pages", "count", lambda report: report.pages),
    Metric("wakeups", "count", lambda report: sum(line.parts[Part.NIGHT] for line in report.people.values())),
    Metric("nights", "count", lambda report: sum(line.nights for line in report.people.values())),
    Metric("nights_worst", "count", lambda report: max((line.nights for line in report.people.values()), default=0)),
    Metric("busiest", "share", _busiest),
)


def _row(metric: Metric, lives: Sequence[tuple[Report, Report]]) -> Row:
    first = tuple(metric.of(one) for one, _ in lives)
    second = tuple(metric.of(other) for _, other in lives)
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if len(pairs) < PAIRS_MIN:
        return Row(metric, first, second)
    differences = [b - a for a, b in pairs]
    mean = statistics.fmean(differences)
    half = t95(len(pairs) - 1) * statistics.stdev(differences) / math.sqrt(len(pairs))
    return Row(metric, first, second, mean, mean - half, mean + half, _better(differences, mean - half, mean + half))


def _better(differences: Sequence[float], low: float, high: float) -> str:
    if not any(differences):
        return "same"
    if low <= 0 <= high:
        return "even"
    return "second" if high < 0 else "first"


def t95(freedom: int) -> float:
    """How many standard errors to either side hold 95 %, for a mean of `freedom` + 1 values."""
    return _T95[freedom - 1] if freedom <= len(_T95) else _T95_BEYOND


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _added(reports: Sequence[Report]) -> Report:
    whole, *others = reports
    for other in others:
        whole.add(other)
    return whole
