"""Where values are heading: the robust slope against brute force, clean-ups that must not alarm, time to a limit."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opswatch.core.norms import HOUR, Hour
from opswatch.core.plan import Limit
from opswatch.core.trends import daily, forecast, heading_for, percentile, stretches, summary, theil_sen

DAY = timedelta(days=1)
FIRST = date(2026, 3, 1)
START = datetime(2026, 3, 1, tzinfo=UTC)

ys = st.lists(st.integers(-10_000, 10_000), min_size=2, max_size=12)


def days(values: list[float]) -> dict[date, float]:
    return {FIRST + number * DAY: value for number, value in enumerate(values)}


# ---------------------------------------------------------------------------------------------------------------------
# Slope


@given(ys)
def test_the_slope_is_the_median_of_all_pairs(values: list[int]):
    points = [(float(x), float(y)) for x, y in enumerate(values)]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.combinations(points, 2)]
    line = theil_sen(points)
    assert line is not None
    assert line.slope == statistics.median(slopes)
    above = sum(y > line.at(x) + 1e-6 for x, y in points)
    below = sum(y < line.at(x) - 1e-6 for x, y in points)
    assert max(above, below) <= len(points) / 2, "half of the points lie on either side"


@given(ys, st.integers(-1000, 1000), st.integers(1, 50))
def test_moving_and_stretching_move_and_stretch_the_line(values: list[int], by: int, times: int):
    points = [(float(x), float(y)) for x, y in enumerate(values)]
    line, moved = theil_sen(points), theil_sen([(x + 7, y * times + by) for x, y in points])
    assert line is not None and moved is not None
    assert math.isclose(moved.slope, line.slope * times, abs_tol=1e-9)
    assert math.isclose(moved.at(10), line.at(3) * times + by, abs_tol=1e-6, rel_tol=1e-9)
    turned = theil_sen([(x, -y) for x, y in points])
    assert turned is not None and turned.slope == -line.slope and turned.agree == line.agree
    assert theil_sen(random.Random(1).sample(points, len(points))) is not None


@given(st.integers(-50, 50), st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3))
def test_a_few_wild_points_do_not_bend_it(slope: int, wild: list[float]):
    points = [(float(x), float(slope * x)) for x in range(12)] + [(3.5 * n, y) for n, y in enumerate(wild)]
    line = theil_sen(points)
    assert line is not None
    assert abs(line.slope - slope) <= max(slopes_near(points, slope))


def slopes_near(points: list[tuple[float, float]], slope: float) -> list[float]:
    """How far the middle half of all slopes lies from the true one: what 25 % of outliers may do."""
    found = sorted((b[1] - a[1]) / (b[0] - a[0]) - slope for a, b in itertools.combinations(points, 2) if a[0] != b[0])
    return [abs(one) for one in found[len(found) // 4 : 3 * len(found) // 4 + 1]]


def test_points_above_each_other_have_no_slope():
    assert theil_sen([]) is None and theil_sen([(1, 2)]) is None and theil_sen([(1, 2), (1, 9)]) is None


# ---------------------------------------------------------------------------------------------------------------------
# Time to a limit


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("start", "per_day"), [(50.0, 1.0), (60.0, 0.5), (70.0, 2.5), (46.0, 0.6)])
def test_a_disk_that_grows_steadily_gives_its_day_within_a_day(seed: int, start: float, per_day: float):
    chance = random.Random(seed)
    count = min(28, int((85 - start) / per_day))
    seen = days([start + per_day * n + chance.gauss(0, 0.05) for n in range(count)])
    found = forecast(seen, 90.0, rising=True)
    assert found is not None
    true_days = (90 - (start + per_day * (count - 1))) / per_day
    assert abs(found.left / DAY - true_days) < 1
    assert found.slope_per_day == pytest.approx(per_day, rel=0.05)


@pytest.mark.parametrize("phase", range(7))
@pytest.mark.parametrize("period", [3, 4, 5, 7])
def test_a_sawtooth_of_clean_ups_never_alarms(period: int, phase: int):
    """Grows by three points a day, and a job cleans up once in a while: 60 to 81 %, for months."""
    for length in range(14, 29):
        seen = days([60.0 + 3 * ((n + phase) % period) for n in range(length)])
        assert forecast(seen, 90.0, rising=True) is None, length


def test_one_clean_up_on_the_way_does_not_hide_that_it_grows():
    seen = days([60 + n - (8 if n > 14 else 0) for n in range(28)])
    found = forecast(seen, 90.0, rising=True)
    assert found is not None and abs(found.left / DAY - 11) < 0.01


def test_single_spikes_are_left_out():
    values = [60.0 + 0.5 * n for n in range(20)]
    values[11] = 89.9
    found = forecast(days(values), 90.0, rising=True)
    assert found is not None and abs(found.left / DAY - (90 - values[-1]) / 0.5) < 1


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([70.0, 75.0], "two days are no trend"),
        ([80.0, 70.0, 60.0, 50.0], "it moves away"),
        ([70.0] * 10, "it stands still"),
        ([1.0, 2.0, 3.0, 4.0, 5.0], "not half of the way is gone"),
        ([60.0 + 0.01 * n for n in range(20)], "in years"),
    ],
)
def test_nothing_is_said_when_there_is_nothing_to_say(values: list[float], why: str):
    assert forecast(days(values), 90.0, rising=True) is None, why


def test_what_falls_towards_its_limit_is_told_too():
    found = forecast(days([30.0 - n for n in range(12)]), 10.0, rising=False)
    assert found is not None and abs(found.left / DAY - 9) < 0.01
    assert forecast(days([300.0 - n for n in range(12)]), 10.0, rising=False) is None, "far above twice the limit"


def test_what_is_past_its_limit_has_no_time_left():
    found = forecast(days([88.0, 90.0, 92.0, 95.0]), 90.0, rising=True)
    assert found is not None and found.left == timedelta(0)


@pytest.mark.parametrize(
    ("limit", "heading"),
    [
        (Limit("> 80", "> 90"), (90, True)),
        (Limit("> 80"), (80, True)),
        (Limit(crit="<= 5"), (5, False)),
        (Limit(crit="90"), (90, True)),
        (Limit(crit="10:"), (10, False)),
        (Limit(crit="~:10"), (10, True)),
        (Limit("> 80", "== 0"), (80, True)),
        (Limit(crit="10:20"), None),
        (Limit(crit="@10:20"), None),
        (Limit(), None),
    ],
)
def test_a_limit_has_a_side_that_a_trend_may_reach(limit: Limit, heading: tuple[float, bool] | None):
    assert heading_for(limit) == heading


# ---------------------------------------------------------------------------------------------------------------------
# Days, figures, sparklines


def an_hour(at: datetime, low: float, high: float) -> Hour:
    return Hour(at, "used_pct", low, high, (low + high) / 2, 1, 60)


def test_days_are_local_dates_also_where_they_have_25_hours():
    begins = datetime(2026, 10, 24, 22, tzinfo=UTC)  # Sunday 25 October in Berlin: 25 hours
    hours = [an_hour(begins + n * HOUR, n, n + 0.5) for n in range(26)]
    assert daily(hours, "Europe/Berlin") == {date(2026, 10, 25): 24.5, date(2026, 10, 26): 25.5}
    assert daily(hours, "Europe/Berlin", lowest=True) == {date(2026, 10, 25): 0, date(2026, 10, 26): 25}


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50), st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float], share: float):
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values)


def test_a_series_in_six_numbers():
    found = summary([float(n) for n in range(1, 101)])
    assert found is not None
    assert (found.least, found.mean, found.p95, found.most, found.last, found.looks) == (1, 50.5, 95, 100, 100, 100)
    assert summary([]) is None
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@given(st.lists(st.tuples(st.integers(-5, 105), st.integers(0, 100)), max_size=60), st.integers(1, 40))
def test_thinning_loses_no_peak(seen: list[tuple[int, int]], count: int):
    given_ = [(START + at * HOUR, float(v), float(v) + 1) for at, v in seen]
    inside = [(low, high) for at, low, high in given_ if START <= at < START + 100 * HOUR]
    found = stretches(given_, START, START + 100 * HOUR, count)
    assert len(found) == count and found[0].at == START and found[-1].until == START + 100 * HOUR
    assert all(one.until == other.at for one, other in itertools.pairwise(found))
    lows, highs = [s.least for s in found if s.least is not None], [s.most for s in found if s.most is not None]
    assert min(lows, default=None) == min((low for low, _ in inside), default=None)
    assert max(highs, default=None) == max((high for _, high in inside), default=None)
