"""The limits of a check: fixed sides, and how far from the usual is bad."""

from __future__ import annotations

from datetime import timedelta

from opswatch.config import schema
from opswatch.config.problems import Place, Problems
from opswatch.config.settings import Measures
from opswatch.config.suggest import listed
from opswatch.core.norms import DAYS_NEEDED, WEEKS
from opswatch.core.plan import Baseline, Limit

_EXAMPLE = '{ warn = "> 80", crit = "> 90" } or { baseline = "4 mad", min_change = 10 }'


def limits(
    table: schema.Check, place: Place, measures: Measures | None, problems: Problems, warnings: Problems
) -> dict[str, Limit]:
    """Each sample's limit, as the core's value. `place` is that of the table of limits."""
    for sample in table.limits:
        if measures is not None and "*" not in measures.samples and sample not in measures.samples:
            words = f"probe {table.probe} measures {listed(measures.samples)}"  # It would never be broken.
            problems.unknown(place.at(sample), sample, measures.samples, words, seen="")
    return {name: _limit(limit, place.at(name), problems, warnings) for name, limit in table.limits.items()}


def warn_of_short_memory(table: schema.Check, place: Place, kept: timedelta, warnings: Problems) -> None:
    """A baseline that forgets before it has learnt is none."""
    if kept < timedelta(days=DAYS_NEEDED) and any(limit.baseline is not None for limit in table.limits.values()):
        words = f"never judges anything: it learns for {DAYS_NEEDED} days, and [retention] rollups keeps {kept.days}"
        warnings.add(place, f"{words}; keep {7 * WEEKS}d", seen="")


def _limit(table: schema.Limit, place: Place, problems: Problems, warnings: Problems) -> Limit:
    if table.baseline is None and not table.spoilt:
        if table.warn is None and table.crit is None:
            problems.add(place, f"a `warn`, a `crit` or a `baseline`, such as {_EXAMPLE}")
        for key in ("min_change", "side"):
            if getattr(table, key) is not None:
                problems.add(place.at(key), f"belongs to a `baseline`, such as {_EXAMPLE}")
    return Limit(table.warn, table.crit, table.clear, _baseline(table, place, problems, warnings))


def _baseline(table: schema.Limit, place: Place, problems: Problems, warnings: Problems) -> Baseline | None:
    written = table.baseline
    if written is None:
        return None
    there = place.at("baseline")
    if written.warn is None and written.crit is None and not written.spoilt:
        problems.add(there, 'a `warn` or a `crit`, such as { warn = "4 mad", crit = "8 mad" }')
    if written.warn is not None and written.crit is not None and written.crit <= written.warn:
        problems.add(there.at("crit"), f"further from the usual than `warn`, which is {written.warn:g} mad")
    if table.min_change is None and not table.spoilt:
        words = "without `min_change` what hardly ever varies alarms over a trifle: say which difference matters"
        warnings.add(there, f"{words}, in the sample's unit")
    return Baseline(written.warn, written.crit, table.side or "both", table.min_change or 0.0)
