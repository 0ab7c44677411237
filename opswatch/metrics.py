"""Every number that opswatch publishes about itself, declared here and nowhere else; `docs/metrics.md` explains them.

    metrics.commits_total.inc()
    metrics.delivery_seconds.labels(channel="slack").observe(1.8)
    with metrics.commit_seconds.time(): ...

A metric is called here what it is called there, without `opswatch_`; what is declared is used like prometheus_client's.
Labels are bounded by the configuration or by the code, never by what happens: no incident numbers, no targets. The
registry is our own, so that tests and embedders share nothing by accident; prometheus_client is imported with the first
number counted. Counting is safe from every thread.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from opswatch import __version__, logs

if TYPE_CHECKING:
    import prometheus_client
    from prometheus_client import CollectorRegistry

log = logs.get("metrics")

_DECLARED: dict[str, Metric] = {}
_BEFORE_SCRAPE: list[Callable[[], None]] = []
_LOCK = threading.Lock()

# Seconds. A page may take 1 ms to a file and a minute behind a vendor's Retry-After.
_QUICK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_SLOW = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """A declaration. What counts is made by prometheus_client when it is first used."""

    name: str
    help: str
    label_names: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        assert self.name not in _DECLARED, f"{self.name} is declared twice"
        _DECLARED[self.name] = self

    @property
    def kind(self) -> str:
        """counter, gauge or histogram."""
        return type(self).__name__.lower()


class Counter(Metric):
    """Only grows; a restart begins at zero."""

    __slots__ = ()

    def labels(self, **labels: str) -> prometheus_client.Counter:
        """The series with these labels. All must be given, or ValueError."""
        child: prometheus_client.Counter = _made(self).labels(**labels)
        return child

    def inc(self, amount: float = 1.0) -> None:
        """Count `amount` more, where there are no labels."""
        _made(self).inc(amount)


class Gauge(Metric):
    """How it is now."""

    __slots__ = ()

    def labels(self, **labels: str) -> prometheus_client.Gauge:
        """The series with these labels. All must be given, or ValueError."""
        child: prometheus_client.Gauge = _made(self).labels(**labels)
        return child

    def set(self, value: float) -> None:
        """It is `value` now, where there are no labels."""
        _made(self).set(value)

    def set_to_current_time(self) -> None:
        """It happened now (Unix time), where there are no labels."""
        _made(self).set_to_current_time()

    def inc(self, amount: float = 1.0) -> None:
        """It is `amount` more than before, where there are no labels."""
        _made(self).inc(amount)

    def dec(self, amount: float = 1.0) -> None:
        """It is `amount` less than before, where there are no labels."""
        _made(self).dec(amount)

    def replace(self, values: Mapping[str, float]) -> None:
        """Exactly these series, by the value of this gauge's one label. A roster that left the file leaves here too."""
        (label,) = self.label_names
        made = _made(self)
        had = {sample.labels[label] for family in made.collect() for sample in family.samples}
        for gone in had - set(values):
            made.remove(gone)
        for key, value in values.items():
            made.labels(**{label: key}).set(value)


class Histogram(Metric):
    """How long things take: count, sum and buckets, in seconds."""

    __slots__ = ()

    def labels(self, **labels: str) -> prometheus_client.Histogram:
        """The series with these labels. All must be given, or ValueError."""
        child: prometheus_client.Histogram = _made(self).labels(**labels)
        return child

    def observe(self, seconds: float) -> None:
        """One more took this long, where there are no labels."""
        _made(self).observe(seconds)

    def time(self) -> AbstractContextManager[Any]:
        """Observe how long the body of a `with` took, where there are no labels."""
        timer: AbstractContextManager[Any] = _made(self).time()
        return timer


# ---------------------------------------------------------------------------------------------------------------------
# Looking

checks_total = Counter("opswatch_checks_total", "Looks made, by what they said.", ("check", "health"))
check_duration_seconds = Histogram("opswatch_check_duration_seconds", "How long a look took.", ("probe",), _SLOW)
check_lateness_seconds = Histogram(
    "opswatch_check_lateness_seconds", "How long after it was due a look began.", buckets=_SLOW
)
inspections_total = Counter(
    "opswatch_inspections_total", "Runs of inspections, by the worst they found.", ("inspection", "health")
)
inspection_duration_seconds = Gauge(
    "opswatch_inspection_duration_seconds", "How long the last run took.", ("inspection",)
)
checks_skipped_total = Counter(
    "opswatch_checks_skipped_total",
    "Looks that were due and not made: busy (the last one still runs), full.",
    ("reason",),
)
probe_workers_busy = Gauge("opswatch_probe_workers_busy", "Probe workers that are looking at something now.")
probe_stuck = Gauge("opswatch_probe_stuck", "Looks that ran past their time limit and cannot be stopped.")

# ---------------------------------------------------------------------------------------------------------------------
# Deciding

alerts_open = Gauge("opswatch_alerts_open", "Confirmed alerts that have not recovered.", ("health",))
incidents_open = Gauge("opswatch_incidents_open", "Incidents that are triggered or acknowledged.", ("priority",))
commits_total = Counter("opswatch_commits_total", "Decisions committed to the store.")
conflicts_total = Counter("opswatch_conflicts_total", "Decisions made again because another node committed first.")
commit_seconds = Histogram(
    "opswatch_commit_seconds", "How long a commit took, waiting for its turn included.", buckets=_QUICK
)
store_lost_timestamp_seconds = Gauge(
    "opswatch_store_lost_timestamp_seconds",
    "Since when nothing can be stored, and so no page be promised (Unix time); 0 while all is well.",
)
store_bytes = Gauge(
    "opswatch_store_bytes",
    "What the store takes on disk: state, samples, log; free is what waits within them to be used again.",
    ("part",),
)
store_errors_total = Counter(
    "opswatch_store_errors_total", "Times the store could not be reached, was full or stayed locked."
)

# ---------------------------------------------------------------------------------------------------------------------
# Telling

messages_total = Counter(
    "opswatch_messages_total",
    "Attempts to deliver a message: delivered, retried (it failed and is tried again), failed (for good).",
    ("channel", "outcome"),
)
delivery_seconds = Histogram(
    "opswatch_delivery_seconds", "From the promise of a message until its channel had it.", ("channel",), _SLOW
)
pages_pending = Gauge("opswatch_pages_pending", "Promised messages that are neither delivered nor given up.")
pages_paused = Gauge("opswatch_pages_paused", "1 while somebody has paused all pages.")
roster_gap_seconds = Gauge(
    "opswatch_roster_gap_seconds", "How long nobody is on call in the next 30 days, in all.", ("roster",)
)
roster_unreachable = Gauge(
    "opswatch_roster_unreachable",
    "People on call in the next 14 days who have no working contact for P0.",
    ("roster",),
)
oncall_gap = Gauge("opswatch_oncall_gap", "1 while nobody but a fallback is on call for a roster.", ("roster",))

# ---------------------------------------------------------------------------------------------------------------------
# Looking after itself

loop_last_turn_timestamp_seconds = Gauge(
    "opswatch_loop_last_turn_timestamp_seconds",
    "When a loop of the daemon last finished a turn (Unix time).",
    ("loop",),
)
loop_errors_total = Counter("opswatch_loop_errors_total", "Turns of a loop that failed; it went on.", ("loop",))
inbox_accepted_alerts_total = Counter(
    "opswatch_inbox_accepted_alerts_total", "Alerts of others that were accepted: stored, and answered.", ("source",)
)
inbox_decided_alerts_total = Counter(
    "opswatch_inbox_decided_alerts_total",
    "Accepted alerts that were decided; what was accepted and is not decided waits.",
    ("source",),
)
inbox_refused_alerts_total = Counter(
    "opswatch_inbox_refused_alerts_total",
    "Alerts of others that were not accepted: invalid, overload (too many wait), store (nothing can be stored).",
    ("source", "reason"),
)
inbox_alerts_pending = Gauge("opswatch_inbox_alerts_pending", "Accepted alerts that are not decided yet.")
inbox_undecidable_alerts_total = Counter(
    "opswatch_inbox_undecidable_alerts_total", "Accepted alerts that could not be decided, and were passed over."
)
hook_posts_total = Counter(
    "opswatch_hook_posts_total",
    "Bodies posted at a hook of the configuration: accepted, partly (some alerts could not be used), ignored (nothing "
    "of it is to be told), refused (not authorised), invalid, overload.",
    ("hook", "outcome"),
)
config_stale = Gauge("opswatch_config_stale", "1 while the configuration on disk was refused and an older one runs.")
config_loaded_timestamp_seconds = Gauge(
    "opswatch_config_loaded_timestamp_seconds", "When the running configuration was loaded (Unix time)."
)
deadman_pings_total = Counter(
    "opswatch_deadman_pings_total",
    "Dead-man pings: sent, failed, withheld (the self-audit found something).",
    ("outcome",),
)
deadman_last_ping_timestamp_seconds = Gauge(
    "opswatch_deadman_last_ping_timestamp_seconds", "When the last dead-man ping arrived (Unix time)."
)
emergencies_total = Counter(
    "opswatch_emergencies_total",
    "Messages sent straight through a channel because nothing could be stored: sent, failed.",
    ("outcome",),
)
clock_jumps_total = Counter("opswatch_clock_jumps_total", "Times the clock was set, or the host slept.")
anchors_unreachable = Gauge(
    "opswatch_anchors_unreachable", "1 while this node cannot see: none of its anchors answers."
)
log_lines_lost_total = Counter(
    "opswatch_log_lines_lost_total", "Log lines that could not be written: a closed pipe, a full disk."
)
build_info = Gauge("opswatch_build_info", "Always 1; what is running is in the labels.", ("version", "python"))

# ---------------------------------------------------------------------------------------------------------------------
# The page


def text() -> bytes:
    """What `/metrics` answers, in the format that `content_type()` names. Asks `before_scrape` callers first."""
    from prometheus_client import generate_latest

    for refresh in tuple(_BEFORE_SCRAPE):
        try:
            refresh()
        except Exception:  # A store that cannot be read must not take the numbers with it that would say so.
            log.exception("metrics not refreshed", by=getattr(refresh, "__qualname__", repr(refresh)))
    log_lines_lost_total.inc(logs.take_lost())
    build_info.labels(version=__version__, python=platform.python_version()).set(1)
    return generate_latest(_everything().registry)


def content_type() -> str:
    """The media type of `text()`, with its version."""
    from prometheus_client import CONTENT_TYPE_LATEST

    return CONTENT_TYPE_LATEST


def before_scrape(refresh: Callable[[], None]) -> None:
    """Call `refresh` before each `text()`: for gauges that are counted from the state, so that they are never old."""
    if refresh not in _BEFORE_SCRAPE:
        _BEFORE_SCRAPE.append(refresh)


def declared() -> tuple[Metric, ...]:
    """Every declaration (`name`, `kind`, `help`, `label_names`), in the order of this file."""
    return tuple(_DECLARED.values())


@dataclass(frozen=True, slots=True)
class _Everything:
    registry: CollectorRegistry
    made: dict[str, Any] = field(default_factory=dict)


def _everything() -> _Everything:
    with _LOCK:  # Two threads that count first must not make two registries.
        return _make()


@cache
def _make() -> _Everything:
    import prometheus_client
    from prometheus_client import CollectorRegistry, ProcessCollector

    # `_created` is a second series for each counter that nobody reads.
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations
    everything = _Everything(CollectorRegistry(auto_describe=True))
    ProcessCollector(registry=everything.registry)
    for metric in _DECLARED.values():
        more = {"buckets": metric.buckets} if metric.buckets else {}
        make = getattr(prometheus_client, type(metric).__name__)
        everything.made[metric.name] = make(
            metric.name, metric.help, metric.label_names, registry=everything.registry, **more
        )
    return everything


def _made(metric: Metric) -> Any:
    return _everything().made[metric.name]
