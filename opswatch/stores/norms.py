"""What is usual at this hour, asked of the roll-ups at most once an hour per check and target."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta

from opswatch.core.norms import HOUR, WEEKS, Hour, Norm, hour_of, hours_like, norm, slot
from opswatch.core.plan import Check, DayCalendar
from opswatch.stores import Store

KNOWN_MAX = 10_000

Known = tuple[datetime, str, str | None, dict[tuple[str, str], Norm]]


class Norms:
    """For every thread that looks. Checks without a baseline cost nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], Known] = {}

    def of(
        self, check: Check, target: str, calendar: DayCalendar | None, at: datetime
    ) -> Mapping[tuple[str, str], Norm]:
        """(item, sample) → how it usually is in the hour of `at` (aware, UTC), of the samples with a baseline that have
        any history. `calendar` is the check's. Raises StoreUnavailable."""
        if not check.has_baseline:
            return {}
        spec = (hour_of(at), check.timezone, check.calendar)
        with self._lock:
            known = self._known.get((check.id, target))
        if known is not None and known[:3] == spec:
            return known[3]
        found = self._learn(check, target, calendar, at)
        with self._lock:
            if len(self._known) >= KNOWN_MAX:  # Checks come and go with reloads.
                self._known.clear()
            self._known[check.id, target] = (*spec, found)
        return found

    def _learn(
        self, check: Check, target: str, calendar: DayCalendar | None, at: datetime
    ) -> dict[tuple[str, str], Norm]:
        names = {name for name, limit in check.limits.items() if limit.baseline is not None}
        alone = next(iter(names)) if len(names) == 1 else None
        taught: dict[tuple[str, str], list[Hour]] = {}
        for begins in hours_like(at, check.timezone, calendar):
            for hour in self._store.hours(check.id, target, begins, begins + HOUR, alone):
                taught.setdefault((hour.item, hour.name), []).append(hour)
        days = self._store.days_with_values(check.id, target, at - timedelta(weeks=WEEKS), hour_of(at))
        words = slot(at, check.timezone, calendar)
        return {key: norm(taught.get(key, []), seen, words) for key, seen in days.items() if key[1] in names}
