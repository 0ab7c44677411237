"""How long something took, so many times: median, nine of ten, mean, and how often within its target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Speed:
    """`within` of `target`; None where there is no target. `p90` is the nearest rank: nine of ten took at most this.
    Without a sample the spans are None."""

    count: int = 0
    median: timedelta | None = None
    p90: timedelta | None = None
    mean: timedelta | None = None
    target: timedelta | None = None
    within: int | None = None


def speed(spans: Iterable[timedelta], target: timedelta | None = None) -> Speed:
    """Of these spans, in any order."""
    ranked = sorted(spans)
    within = None if target is None else sum(span <= target for span in ranked)
    if not ranked:
        return Speed(target=target, within=within)
    mean = sum(ranked, timedelta()) / len(ranked)
    return Speed(len(ranked), middle(ranked), rank(ranked, 90), mean, target, within)


def middle(ranked: Sequence[timedelta]) -> timedelta:
    """The median of a rising list that is not empty."""
    return (ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2]) / 2


def rank(ranked: Sequence[timedelta], percent: int) -> timedelta:
    """The nearest rank of a rising list that is not empty: `percent` of it are at most this."""
    return ranked[max(0, -(-len(ranked) * percent // 100) - 1)]
