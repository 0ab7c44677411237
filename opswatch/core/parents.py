"""What something is reached through: when a target counts as down, and what is cut off by it (SPEC 2.5).

A target is down when one of the checks that reach it (`reach` of a check: those by ping and tcp, unless the file says
otherwise) is confirmed critical as a whole, or cannot tell because nothing answers (timeout, refused, its own parents
are down). A target that no such check looks at is down when every check of it that runs by itself says so. A full disk
on a parent cuts nobody off.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import Enum

from opswatch.core.changes import Draft
from opswatch.core.model import Health, UnknownReason
from opswatch.core.plan import Plan
from opswatch.core.state import Watch, alert_key

NO_ANSWER = frozenset({UnknownReason.TIMEOUT, UnknownReason.REFUSED, UnknownReason.UNREACHABLE})
ANSWER_WITHIN = timedelta(seconds=5)  # beyond the look's own time limit
ASKED_MAX = timedelta(seconds=60)
CONFIRMED_WITHIN = timedelta(minutes=5)
DEPTH_MAX = 50


class Way(Enum):
    """How one parent stands."""

    UP = "up"
    DOWN = "down"
    FAILING = "failing"  # being confirmed
    STALE = "stale"  # not looked at since it was asked for


def way(plan: Plan, draft: Draft, parent: str, asked_at: datetime | None = None) -> Way:
    """How `parent` stands, by looks that began at `asked_at` or later, if that is given."""
    reach = plan.reached_by.get(parent)
    if reach is None:
        return Way.UP  # Nothing looks at it: nothing can say that it is down.
    watches = [draft.watch(alert_key(check, parent)) for check in reach.checks]
    down = [watch is not None and is_down(watch) for watch in watches]
    if all(down) if reach.needs_all else any(down):
        return Way.DOWN
    failing = [watch is not None and _is_failing(watch) for watch in watches]
    if all(failing) if reach.needs_all else any(failing):
        return Way.FAILING
    return Way.UP if all(_is_fresh(watch, asked_at) for watch in watches) else Way.STALE


def _is_fresh(watch: Watch | None, asked_at: datetime | None) -> bool:
    """Whether a look is new enough for a question asked then."""
    if asked_at is None:
        return True
    return watch is not None and watch.seen_at is not None and watch.seen_at >= asked_at


def is_down(watch: Watch) -> bool:
    """Whether what a check that reaches a target has confirmed says that it does not answer."""
    if watch.confirmed is Health.CRIT:
        return True
    return watch.confirmed is Health.UNKNOWN and watch.reason in NO_ANSWER


def _is_failing(watch: Watch) -> bool:
    says_nothing = watch.health is Health.UNKNOWN and watch.reason in NO_ANSWER
    return says_nothing or watch.health is Health.CRIT or is_down(watch)


def is_cut_off(plan: Plan, draft: Draft, target: str) -> bool:
    """Whether all parents of `target` are down (confirmed); never for a target without parents."""
    parents = parents_of(plan, target)
    return bool(parents) and all(way(plan, draft, parent) is Way.DOWN for parent in parents)


def because_of(plan: Plan, draft: Draft, target: str) -> str:
    """Who cuts `target` off, in words: the parents that are down, or what these hang on in turn."""
    return ", ".join(roots(plan, draft, target))


def roots(plan: Plan, draft: Draft, target: str) -> tuple[str, ...]:
    """Likewise, by their ids."""
    return tuple(dict.fromkeys(_roots(plan, draft, target, 0)))


def _roots(plan: Plan, draft: Draft, target: str, depth: int) -> Iterator[str]:
    for parent in parents_of(plan, target):
        if depth < DEPTH_MAX and is_cut_off(plan, draft, parent):
            yield from _roots(plan, draft, parent, depth + 1)
        else:
            yield parent


def asks_until(plan: Plan, draft: Draft, target: str, asked_at: datetime) -> datetime | None:
    """Until when what fails on `target` waits for its parents, having asked for them at `asked_at`. None: one of them
    answers (or it has none), so the failure is its own. A parent that fails is given the time to be confirmed."""
    ways = {parent: way(plan, draft, parent, asked_at) for parent in parents_of(plan, target)}
    if not ways or Way.UP in ways.values():
        return None
    if Way.STALE not in ways.values():
        return asked_at + CONFIRMED_WITHIN
    return asked_at + max(_answers_within(plan, parent) for parent, how in ways.items() if how is Way.STALE)


def checks_to_ask(plan: Plan, draft: Draft, target: str, asked_at: datetime) -> Iterator[tuple[str, str]]:
    """The (check, parent) to look at before something on `target` is told: those not looked at since `asked_at`."""
    for parent in parents_of(plan, target):
        reach = plan.reached_by.get(parent)
        for check in reach.checks if reach is not None else ():
            if not _is_fresh(draft.watch(alert_key(check, parent)), asked_at):
                yield check, parent


def parents_of(plan: Plan, target: str) -> tuple[str, ...]:
    """The targets that `target` is reached through."""
    known = plan.targets.get(target)
    return known.parents if known is not None else ()


def _answers_within(plan: Plan, parent: str) -> timedelta:
    checks = plan.reached_by[parent].checks
    return min(max(plan.checks[check].timeout for check in checks) + ANSWER_WITHIN, ASKED_MAX)
