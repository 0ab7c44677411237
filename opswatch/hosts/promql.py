"""One instant query against a server that speaks Prometheus' HTTP API: Prometheus, Thanos, VictoriaMetrics, Mimir."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, unquote, urlencode, urlsplit, urlunsplit

from opswatch.core.model import UnknownReason
from opswatch.hosts import CannotSee
from opswatch.hosts.evidence import printable
from opswatch.hosts.fetch import TIMED_OUT, Answer, Request, fetch

_BODY_MAX = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer. A scalar has no labels."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Answered:
    """What the server said; `warnings` tell what it left out."""

    series: tuple[Series, ...]
    warnings: tuple[str, ...]
    took_s: float


def ask(
    url: str, query: str, *, now: datetime, timeout_s: float, headers: Mapping[str, str], ca_file: str | None = None
) -> Answered:
    """The answer of `query` as of `now`. Raises CannotSee: nothing is known of what was asked for."""
    answer = fetch(_request(url, query, now, timeout_s, headers, ca_file), timeout_s)
    if answer.trouble:
        reason = UnknownReason.TIMEOUT if answer.code == TIMED_OUT else UnknownReason.ERROR
        raise CannotSee(reason, f"{answer.place} cannot be asked: {answer.trouble}")
    told = _json(answer)
    if answer.status in (401, 403):
        raise CannotSee(UnknownReason.REFUSED, f"{answer.place} does not let us ask: status {answer.status}")
    if told.get("status") != "success":
        words = printable(str(told.get("error") or f"status {answer.status}"), 200)
        timed_out = told.get("errorType") in ("timeout", "canceled")
        reason = UnknownReason.TIMEOUT if timed_out else UnknownReason.ERROR
        raise CannotSee(reason, f"{answer.place} does not answer the query: {words}")
    warnings = told.get("warnings")
    shown = tuple(printable(str(one)) for one in warnings[:5]) if isinstance(warnings, list) else ()
    return Answered(_series(answer, told.get("data")), shown, answer.phases.total_s)


def _request(
    url: str, query: str, now: datetime, timeout_s: float, headers: Mapping[str, str], ca_file: str | None
) -> Request:
    wanted = "the target needs a url such as 'http://prometheus.example.com:9090'"
    try:
        parts = urlsplit(url)
    except ValueError:
        raise CannotSee(UnknownReason.ERROR, wanted) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CannotSee(UnknownReason.ERROR, wanted)
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    asked = urlencode(
        {"query": query, "time": f"{now.timestamp():.3f}", "timeout": f"{timeout_s:.3f}s"}, quote_via=quote
    )
    place = parts.netloc.rpartition("@")[2]
    whole = urlunsplit((parts.scheme, place, parts.path.rstrip("/") + "/api/v1/query", asked, ""))
    # A login page instead of an answer: a redirect to it is followed nowhere.
    return Request(whole, headers=headers, login=login, redirects_max=0, body_max=_BODY_MAX, ca_file=ca_file)


def _json(answer: Answer) -> Mapping[str, object]:
    if answer.is_cut:
        raise CannotSee(UnknownReason.ERROR, f"{answer.place} answers with more than {_BODY_MAX // 1024**2} MiB")
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, dict):
        return told
    if answer.status in (401, 403):
        return {}
    words = f"{answer.place} does not speak Prometheus' API: status {answer.status}"
    raise CannotSee(UnknownReason.ERROR, words)


def _series(answer: Answer, data: object) -> tuple[Series, ...]:
    try:
        match data:
            case {"resultType": "vector", "result": list() as rows}:
                return tuple(Series(dict(row["metric"]), float(row["value"][1])) for row in rows)
            case {"resultType": "scalar", "result": [_, value]}:
                return (Series({}, float(value)),)
    except (TypeError, KeyError, IndexError, ValueError):
        pass
    kind = data.get("resultType") if isinstance(data, dict) else None
    words = f"{answer.place} answers with a {printable(str(kind), 40)}, not with values of one instant"
    raise CannotSee(UnknownReason.ERROR, words)
