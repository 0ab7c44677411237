"""Is this value ok, warn or crit: "> 80", Nagios ranges, hysteresis, "4 mad" from the usual."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from opswatch.core.model import Health
from opswatch.core.norms import UNKNOWN, Norm
from opswatch.core.plan import Baseline, Limit

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
_MADS = re.compile(r"(\d+(?:\.\d+)?)\s*(?:mad|MAD)s?")
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


def parse_mads(text: str) -> float:
    """Read `"4 mad"`: how many median absolute deviations. Raises ValueError with words."""
    found = _MADS.fullmatch(text.strip())
    if found is None or float(found.group(1)) == 0:
        raise ValueError("how many median absolute deviations from the usual, such as '4 mad'")
    return float(found.group(1))


# ---------------------------------------------------------------------------------------------------------------------
# Judging


def judge(limit: Limit, value: float, before: Health = Health.OK, norm: Norm | None = None) -> Health:
    """Ok, warn or crit. `before` is this sample's last level: `limit.clear` keeps a level until the value is that far
    on the good side, so crit falls to warn and warn clears only past the gap. Crit is tested first. `norm` is how the
    value usually is, for a limit with a baseline: one that is not learnt yet judges nothing."""
    return max(_fixed(limit, value, before), _usual(limit, value, before, norm), key=lambda level: level.rank)


def broken(limit: Limit, value: float, before: Health = Health.OK, norm: Norm | None = None) -> tuple[str, ...]:
    """What the value breaks, in words: "crit at > 90", "5.1 MAD below the usual 48 for Mon 14:00"."""
    words = []
    fixed = _fixed(limit, value, before)
    if fixed is not Health.OK:
        text = limit.crit if fixed is Health.CRIT else limit.warn
        gap = f", clears {limit.clear:g} past it" if limit.clear else ""
        words.append(f"{fixed} at {text}{gap}")
    if norm is not None and _usual(limit, value, before, norm) is not Health.OK:
        words.append(say_distance(value, norm))
    return tuple(words)


def say_distance(value: float, norm: Norm) -> str:
    """How far from the usual, for people: "5.1 MAD below the usual 48 for Mon 14:00"."""
    away = abs(value - norm.usual)
    how_far = f"{away / norm.mad:.1f} MAD " if norm.mad > 0 else ""
    never = "" if norm.mad > 0 else ", which never varied,"
    return f"{how_far}{'below' if value < norm.usual else 'above'} the usual {norm.usual:.4g}{never} for {norm.slot}"


def learning(limit: Limit, norm: Norm | None) -> str:
    """Why the baseline of this limit judges nothing yet ("learning, 9 of 28 days"); empty when it does, or has none."""
    if limit.baseline is None or (norm is not None and norm.is_learnt):
        return ""
    return (norm or UNKNOWN).progress


def _fixed(limit: Limit, value: float, before: Health) -> Health:
    if limit.crit is not None and _holds(limit.crit, value, limit.clear if before is Health.CRIT else 0.0):
        return Health.CRIT
    if limit.warn is not None and _holds(limit.warn, value, limit.clear if before.is_bad else 0.0):
        return Health.WARN
    return Health.OK


def _holds(text: str, value: float, gap: float) -> bool:
    return parse_range(text).is_bad_with_gap(value, gap)


def _usual(limit: Limit, value: float, before: Health, norm: Norm | None) -> Health:
    baseline = limit.baseline
    if baseline is None or norm is None or not norm.is_learnt:
        return Health.OK
    if _is_unusual(baseline, baseline.crit, value, norm, limit.clear if before is Health.CRIT else 0.0):
        return Health.CRIT
    if _is_unusual(baseline, baseline.warn, value, norm, limit.clear if before.is_bad else 0.0):
        return Health.WARN
    return Health.OK


def _is_unusual(baseline: Baseline, mads: float | None, value: float, norm: Norm, gap: float) -> bool:
    """Beyond `mads` and beyond `min_change`, on the side that is bad. NaN never is, as with any limit."""
    if mads is None or math.isnan(value):
        return False
    if (baseline.side == "above" and value <= norm.usual) or (baseline.side == "below" and value >= norm.usual):
        return False
    band = max(mads * norm.mad, baseline.min_change)
    # At most half the band: a gap as wide as the band would never let go.
    return abs(value - norm.usual) > band - min(gap, band / 2)
