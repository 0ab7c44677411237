"""One look at one target: by the check loop, and by a round of an inspection. Whoever asks, it is the same look."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime

from opswatch import logs, plugins
from opswatch.core.model import Failure, Health, UnknownReason, Verdict
from opswatch.core.plan import Check
from opswatch.core.state import Watch, alert_key
from opswatch.desk import Desk
from opswatch.errors import PluginNotFound
from opswatch.probes import Probe, Task, cannot_tell

log = logs.get("loops.looks")


class Probes:
    """Every probe by its name, found when it is first used. Safe for many threads."""

    def __init__(self, known: Mapping[str, Probe] | None = None) -> None:
        self._known: dict[str, Probe] = dict(known or {})
        self._lock = threading.Lock()

    def __call__(self, name: str) -> Probe:
        """Raises PluginNotFound with words."""
        with self._lock:
            known = self._known.get(name)
        if known is None:
            known = plugins.find("probes", name).Look()
            with self._lock:
                self._known[name] = known
        return known


def look(desk: Desk, probe: Callable[[str], Probe], check: Check, target: str, now: datetime) -> Verdict:
    """What the check's probe sees now, with what it remembers of its last look. Never raises: what goes wrong is
    `unknown`. It keeps to its time limit as well as the probe does; the caller watches over those that hang."""
    known = desk.engine.plan.targets.get(target)
    if known is None:
        return Verdict(now, f"{target} is no longer in the plan", unknown=UnknownReason.NO_DATA)
    with desk.looking() as (state, _):
        watch = state.watches.get(alert_key(check.id, target))
    if check.passive:
        return _as_reported(watch, now)
    task = Task(
        target=known,
        args=check.args,
        now=now,
        timeout_s=check.timeout.total_seconds(),
        memory=watch.memory if watch else None,
        check=check.id,
        limits=check.limits,
    )
    try:
        return probe(check.probe).look(task)
    except PluginNotFound as missing:
        return cannot_tell(task, UnknownReason.ERROR, str(missing))
    except Exception as trouble:  # A probe must not raise; when it does, that is what we cannot tell.
        log.exception("probe broke", check=check.id, target=target)
        return cannot_tell(task, UnknownReason.ERROR, f"probe {check.probe} broke: {type(trouble).__name__}")


def _as_reported(watch: Watch | None, now: datetime) -> Verdict:
    """What was reported last, as of then: a look that is no newer changes nothing."""
    if watch is None or watch.seen_at is None:
        return Verdict(now, "nothing was reported yet", unknown=UnknownReason.NO_DATA)
    bad = watch.health in (Health.WARN, Health.CRIT)
    return Verdict(
        watch.seen_at,
        watch.sentence,
        failures=(Failure(watch.sentence, watch.health),) if bad else (),
        unknown=(watch.reason or UnknownReason.NO_DATA) if watch.health is Health.UNKNOWN else None,
    )
