"""Limits: comparisons, the Nagios range vectors, hysteresis."""

from __future__ import annotations

import pytest

from opswatch.core.limits import judge, parse_range
from opswatch.core.model import Health
from opswatch.core.plan import Limit

OK, WARN, CRIT = Health.OK, Health.WARN, Health.CRIT
DISK = Limit(warn="> 80", crit="> 90", clear=3)


@pytest.mark.parametrize(
    ("text", "bad", "good"),
    [
        ("> 80", [80.1, 100], [80, 0]),
        (">= 80", [80], [79.9]),
        ("< 5", [4.9], [5]),
        ("<= 5", [5], [5.1]),
        ("== 0", [0], [1]),
        ("!= 0", [1], [0]),
        ("10", [-1, 10.1], [0, 10]),
        ("10:", [9], [10, 1e9]),
        ("~:10", [11], [10, -1e9]),
        ("10:20", [9, 21], [10, 20]),
        ("@10:20", [10, 20], [9, 21]),
        ("-7:23", [-8, 24], [-7, 23]),
        (":5.75", [-0.1, 5.76], [0, 5.75]),
        ("~:-95.99", [-95], [-95.99, -100]),
        ("12345678901234567890:", [1], [2e19]),
        ("~:0", [0.1], [0, -4]),
        ("-4.33:-4.33", [-4.32], [-4.33]),
        ("@1:1", [1], [0, 2]),
        ("1:1", [0, 2], [1]),
    ],
)
def test_a_range_says_which_values_are_bad(text, bad, good):
    assert [parse_range(text).is_bad(value) for value in bad] == [True] * len(bad)
    assert [parse_range(text).is_bad(value) for value in good] == [False] * len(good)


@pytest.mark.parametrize("text", ["2:1", "", ":", "> ", "80 >", "10%", "a", "@", "> 80 %", "1:2:3"])
def test_what_is_no_range_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="such as"):
        parse_range(text)


@pytest.mark.parametrize(
    ("value", "before", "after"),
    [
        (80, OK, OK),
        (81, OK, WARN),
        (91, OK, CRIT),
        (88, CRIT, CRIT),
        (87, CRIT, WARN),
        (78, WARN, WARN),
        (77, WARN, OK),
        (77, CRIT, OK),
        (79, CRIT, WARN),
        (float("nan"), OK, OK),
    ],
)
def test_a_level_clears_only_past_its_gap(value, before, after):
    assert judge(DISK, value, before) is after


def test_a_gap_below_works_upwards_too():
    low = Limit(crit="< 10", clear=5)
    assert judge(low, 12, CRIT) is CRIT
    assert judge(low, 15, CRIT) is OK
