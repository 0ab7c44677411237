"""A query against a Prometheus server: one value, or one for each series, against the check's limits.

    [[target]]
    id = "metrics"
    kind = "prometheus"
    url = "https://prometheus.example.com"

    [[check]]
    id = "queue-depth"
    probe = "prometheus"
    targets = ["metrics"]
    every = "60s"
    timeout = "10s"
    limits = { value = { warn = "> 1000", crit = "> 10000" } }
    args = { query = "max by (queue) (queue_depth)", item = ["queue"], headers = { Authorization = "Bearer t0k3n" } }

Each series is an item, named by its labels in `item`, else by all of them; a single series without `item` is the target
as a whole. A query that gives nothing is `unknown (no_data)`: the exporter is gone, or the name is wrong. Where nothing
is the good answer (`up == 0`), write `empty = "zero"`. NaN and infinity are unknown too, by themselves.

A server repeats what it last scraped for five minutes. With `max_age` the time of each value is asked for as well, and
an older one is unknown; that needs a query that is a plain selector, since what is computed is always of now.

A server that does not answer is `unknown`, for nothing is known of what was asked: look at it itself with `http`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from opswatch.core.model import UnknownReason, Verdict
from opswatch.hosts import CannotSee, promql
from opswatch.hosts.evidence import cut, printable, say_count, say_seconds
from opswatch.hosts.findings import Findings
from opswatch.probes import Measure, SecretText, Span, Task, careful

_NAME = "__name__"


class Args(BaseModel):
    """What to ask."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: str = Field(min_length=1, max_length=10_000, description="PromQL, evaluated at the instant of the look")
    item: tuple[str, ...] = Field((), description="Labels that name a series")
    items_max: int = Field(50, ge=1, le=500, description="How many series may answer; more is unknown")
    empty: Literal["unknown", "zero"] = Field("unknown", description="What an answer without a series means")
    max_age: Span | None = Field(None, description="Values older than this are unknown")
    headers: dict[str, SecretText] = Field({}, description="Request headers, such as Authorization")
    ca_file: str | None = Field(None, description="PEM file of the authorities to trust; default: the system's")


class Look:
    """Asks /api/v1/query."""

    kinds: ClassVar[tuple[str, ...]] = ("prometheus",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "value": Measure("", "what the query gives, of each series"),
        "age_s": Measure("s", "since it was scraped; with `max_age`"),
        "series": Measure("", "how many series answered"),
        "query_s": Measure("s", "time the query took"),
    }

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        answered = _ask(task, args.query, task.timeout_s)
        seen = Findings()
        seen.add("series", len(answered.series))
        seen.add("query_s", answered.took_s, "s")
        seen.evidence += answered.warnings
        if not answered.series:
            if args.empty == "unknown":
                raise CannotSee(UnknownReason.NO_DATA, f"the query gives nothing: {cut(args.query, 120)}")
            seen.add("value", 0.0)
            seen.words.append("the query gives nothing, which is good")
            return seen.verdict(task.now)
        items = _items(answered.series[: args.items_max], args.item)
        ages = _ages(task, answered.took_s) if args.max_age else {}
        _look_at_values(seen, items, ages, args)
        if len(answered.series) > args.items_max:
            words = f"{len(answered.series)} series answer, {args.items_max} are looked at: see items_max"
            seen.hidden("more series", words)
        return seen.verdict(task.now)


def _ask(task: Task, query: str, timeout_s: float) -> promql.Answered:
    args: Args = task.args
    url = task.target.url.reveal() if task.target.url else ""
    headers = {name: secret.reveal() for name, secret in args.headers.items()}
    return promql.ask(url, query, now=task.now, timeout_s=timeout_s, headers=headers, ca_file=args.ca_file)


def _ages(task: Task, spent_s: float) -> dict[str, float]:
    """Item → seconds since its value was scraped."""
    args: Args = task.args
    answered = _ask(task, f"timestamp({args.query})", max(0.1, task.timeout_s - spent_s))
    items = _items(answered.series[: args.items_max], args.item)
    return {item: task.now.timestamp() - series.value for item, series in items.items()}


def _items(found: tuple[promql.Series, ...], labels: tuple[str, ...]) -> dict[str, promql.Series]:
    """Each series under its name. Two of one name would hide each other."""
    if len(found) == 1 and not labels:
        return {"": found[0]}
    items: dict[str, promql.Series] = {}
    for series in found:
        name = cut(printable(_name(series, labels)), 200)
        if name in items:
            words = f"two series have the same {', '.join(labels) or 'labels'}, {name!r}: write more labels in `item`"
            raise CannotSee(UnknownReason.ERROR, words)
        items[name] = series
    return dict(sorted(items.items()))


def _name(series: promql.Series, labels: tuple[str, ...]) -> str:
    if labels:
        return " ".join(series.labels.get(label, "–") for label in labels)
    told = ", ".join(f"{name}={value}" for name, value in sorted(series.labels.items()) if name != _NAME)
    return told or series.labels.get(_NAME) or "value"


def _look_at_values(seen: Findings, items: Mapping[str, promql.Series], ages: Mapping[str, float], args: Args) -> None:
    for item, series in items.items():
        age_s = ages.get(item)
        words = f"{item or 'the value'} is {series.value:g}"
        if age_s is not None:
            seen.add("age_s", age_s, "s", item)
            words += f", {say_seconds(max(0.0, age_s))} old"
        if not math.isfinite(series.value):
            seen.hidden(item, f"{words}: nothing can be said of that")
        elif args.max_age and (age_s is None or age_s > args.max_age.total_seconds()):
            seen.hidden(item, f"{words}: too old" if age_s is not None else f"{words}, of unknown age")
        else:
            seen.add("value", series.value, "", item)
        seen.sentences[item] = words
        seen.evidence.append(words)
    only = next(iter(items)) if len(items) == 1 else None
    seen.words.append(
        seen.sentences[only] if only is not None else f"{say_count(len(items), 'series', 'series')} answer"
    )
