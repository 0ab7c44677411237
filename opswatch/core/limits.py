"""Is this value ok, warn or crit: "> 80", Nagios ranges, hysteresis."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from opswatch.core.model import Health
from opswatch.core.plan import Limit

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_COMPARISON = re.compile(r"(>=|<=|==|!=|>|<)\s*([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)")
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)"
_NAGIOS = re.compile(rf"(@)?(?:(?:(~|{_NUMBER})?:)({_NUMBER})?|({_NUMBER}))")
_EXPECTED = "a comparison such as '> 80' or '<= 5', or a Nagios range such as '10:20' or '@5:6'"


@dataclass(frozen=True, slots=True)
class Range:
    """When a value is bad. Either a comparison, or outside (`inside`: within) the closed span [low, high]."""

    text: str
    compare: str | None = None
    low: float = -math.inf
    high: float = math.inf
    inside: bool = False

    def is_bad(self, value: float) -> bool:
        """Whether `value` breaks the limit. NaN never does: a value that is no number is the probe's to report."""
        if math.isnan(value):
            return False
        if self.compare is not None:
            return _COMPARE[self.compare](value, self.low)
        return (self.low <= value <= self.high) is self.inside

    def is_bad_with_gap(self, value: float, gap: float) -> bool:
        """Whether `value`, moved by `gap` towards the bad side, still breaks the limit: what hysteresis asks."""
        if gap <= 0 or self.compare in ("==", "!="):
            return self.is_bad(value)
        if self.compare is not None:
            # Clear 3 on "> 90" clears at <= 87, not only below it (SPEC 1).
            return self.is_bad(value + gap if self.compare in (">", ">=") else value - gap)
        return any(self.is_bad(moved) for moved in (value, value + gap, value - gap))


@lru_cache(maxsize=4096)
def parse_range(text: str) -> Range:
    """Read `"> 80"`, `"<= 5"`, or the Nagios grammar `[@]start:end` . Raises ValueError with words."""
    written = text.strip()
    if comparison := _COMPARISON.fullmatch(written):
        return Range(written, compare=comparison.group(1), low=float(comparison.group(2)))
    found = _NAGIOS.fullmatch(written)
    if not found or written in ("", ":", "@", "@:"):
        raise ValueError(_EXPECTED)
    low, high = _ends(found)
    if low > high:
        raise ValueError(f"the range's start {low:g} is above its end {high:g}; {_EXPECTED}")
    return Range(written, low=low, high=high, inside=bool(found.group(1)))


def _ends(found: re.Match[str]) -> tuple[float, float]:
    _, start, end, alone = found.groups()
    if alone is not None:
        return 0.0, float(alone)
    low = -math.inf if start == "~" else float(start) if start else 0.0
    return low, float(end) if end else math.inf


def judge(limit: Limit, value: float, before: Health = Health.OK) -> Health:
    """Ok, warn or crit. `before` is this sample's last level: `limit.clear` keeps a level until the value is that far
    on the good side, so crit falls to warn and warn clears only past the gap. Crit is tested first."""
    if limit.crit is not None and _holds(limit.crit, value, limit.clear if before is Health.CRIT else 0.0):
        return Health.CRIT
    if limit.warn is not None and _holds(limit.warn, value, limit.clear if before.is_bad else 0.0):
        return Health.WARN
    return Health.OK


def _holds(text: str, value: float, gap: float) -> bool:
    return parse_range(text).is_bad_with_gap(value, gap)
