"""What strangers post, in Alertmanager's JSON: which alerts of it can be used, and what is wrong with the others.

One bad alert never costs the others their page: those that can be used are kept, the rest are named, each with what was
expected. Every limit is here.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from opswatch.core.events import PostedAlert
from opswatch.core.model import UnknownReason
from opswatch.errors import OpswatchError

BODY_MAX = 16 * 1024 * 1024
ALERTS_PER_BATCH = 256  # what Prometheus sends at once, and what is decided at once
ALERTS_MAX = 20_000  # in one post
LABELS_MAX = 64
LABEL_MAX = 4_096  # characters of a name or a value
ANNOTATIONS_MAX = 64
ANNOTATION_MAX = 4_000  # of one; the rest is cut off
PROBLEMS_MAX = 20  # told of
INSTANTS_MAX = 4_096  # remembered
ZERO_YEAR = "0001-01-01T"
OURS = "opswatch"  # where hooks put what Alertmanager's shape has no word for
KEY_MAX = 1_000
RESULTS = "results"
"""The family of batches that hold results of passive checks, no alerts."""
REASONS = {one.value: one for one in (UnknownReason.NO_DATA, UnknownReason.ERROR, UnknownReason.TIMEOUT)}


class BadPost(OpswatchError):
    """The body as a whole is no list of alerts: HTTP 400, nothing of it can be used."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a body holds. `alerts` can be used, as they came; `problems` is a line for each of those that cannot.
    `text` is the body itself where all of it can be used."""

    alerts: tuple[Mapping[str, Any], ...]
    problems: tuple[str, ...] = ()
    text: str | None = None


def read(body: bytes) -> Read:
    """The alerts of a body in the shape of `POST /api/v2/alerts`, gzip or not. Raises BadPost."""
    text, found = decoded(body, BODY_MAX)
    if type(found) is not list:
        raise BadPost(f"the body is {kind_of(found)}: a list of alerts is expected, [{{'labels': {{…}}}}, …]")
    return usable(found, text)


def decoded(body: bytes, most: int) -> tuple[str, Any]:
    """The text of a body, gzip or not, and the JSON it is. Raises BadPost."""
    if is_packed(body):
        body = _unpacked(body, most)
    if len(body) > most:
        raise BadPost(f"the body has {len(body)} bytes: at most {most} are taken; post fewer alerts at once")
    try:
        text = body.decode("utf-8-sig")
        return text, json.loads(text)
    except (ValueError, RecursionError) as trouble:
        raise BadPost(f"the body is not JSON: {trouble}") from None


def is_packed(body: bytes) -> bool:
    """Whether it is gzip: no JSON begins like that."""
    return body.startswith(b"\x1f\x8b")


def usable(
    found: Sequence[Any], text: str | None = None, *, also: Callable[[Mapping[str, Any]], str | None] | None = None
) -> Read:
    """Which of these alerts can be used. Likewise for what a hook has brought into this shape: `also` says what else
    may be wrong with one."""
    if len(found) > ALERTS_MAX:
        raise BadPost(f"{len(found)} alerts in one post: at most {ALERTS_MAX} are taken; post them in several")
    bad = [
        (place, why)
        for place, one in enumerate(found)
        if (why := _problem(one) or (also(one) if also is not None else None)) is not None
    ]
    if not bad:
        return Read(tuple(found), (), text)
    unusable = {place for place, _ in bad}
    problems = [f"alert {place + 1} of {len(found)}{_named(found[place])}: {why}" for place, why in bad[:PROBLEMS_MAX]]
    if len(bad) > PROBLEMS_MAX:
        problems.append(f"and {len(bad) - PROBLEMS_MAX} more")
    return Read(tuple(one for place, one in enumerate(found) if place not in unusable), tuple(problems))


def alerts_of(text: str) -> tuple[PostedAlert, ...]:
    """The alerts of a text that was found usable."""
    return tuple([alert_of(one) for one in json.loads(text)])


def alert_of(one: Mapping[str, Any]) -> PostedAlert:
    """One of them as the core takes it. What the limits allow no more is cut off; empty labels are no labels."""
    labels: dict[str, str] = one["labels"]
    if "" in labels.values():
        labels = {name: value for name, value in labels.items() if value}
    annotations: dict[str, str] = one.get("annotations") or {}
    if annotations and (len(annotations) > ANNOTATIONS_MAX or max(map(len, annotations.values())) > ANNOTATION_MAX):
        annotations = {name: value[:ANNOTATION_MAX] for name, value in list(annotations.items())[:ANNOTATIONS_MAX]}
    starts, ends, status = one.get("startsAt"), one.get("endsAt"), one.get("status")
    return PostedAlert(
        labels,
        annotations,
        instant(starts) if starts else None,
        instant(ends) if ends else None,
        (one.get("generatorURL") or "")[:ANNOTATION_MAX],
        None if status is None or type(status) is not str else status == "resolved",
        *_ours(one.get(OURS)),
    )


# ---------------------------------------------------------------------------------------------------------------------


def _unpacked(body: bytes, most: int) -> bytes:
    """At most a byte more than may be: who packs a gigabyte into a kilobyte gets no further."""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body, most + 1)
    except zlib.error as trouble:
        raise BadPost(f"the body is no whole gzip file: {trouble}") from None


def _problem(one: Any) -> str | None:
    """Why this alert cannot be used, if so."""
    if type(one) is not dict:
        return f"it is {kind_of(one)}: an object with labels is expected"
    labels = one.get("labels")
    if type(labels) is not dict:
        return f"labels is {kind_of(labels)}: an object is expected, such as {{'alertname': 'DiskFull'}}"
    if not any(labels.values()):
        return "it has no labels: at least one that is not empty is expected"
    if (why := _texts(labels, "label")) is not None:
        return why
    if len(labels) > LABELS_MAX:
        return f"it has {len(labels)} labels: at most {LABELS_MAX} are taken"
    annotations = one.get("annotations")
    if annotations:
        if type(annotations) is not dict:
            return f"annotations is {kind_of(annotations)}: an object is expected"
        if (why := _texts(annotations, "annotation", limit=BODY_MAX)) is not None:
            return why
    if (url := one.get("generatorURL")) is not None and type(url) is not str:
        return f"generatorURL is {kind_of(url)}: text is expected"
    return _instants_hold(one.get("startsAt"), one.get("endsAt"))


def _texts(texts: Mapping[str, Any], what: str, limit: int = LABEL_MAX) -> str | None:
    for name, value in texts.items():
        if type(value) is not str:
            return f"{what} {name!r} is {kind_of(value)}: text is expected"
        if not name:
            return f"a {what} has an empty name"
        if len(value) > limit or len(name) > LABEL_MAX:
            return f"{what} {name[:50]!r} is too long: at most {LABEL_MAX} characters"
    return None


def _instants_hold(starts: Any, ends: Any) -> str | None:
    read_before: list[datetime | None] = []
    for name, given in (("startsAt", starts), ("endsAt", ends)):
        if not given:
            read_before.append(None)
            continue
        try:
            read_before.append(instant(given))
        except (ValueError, TypeError, AttributeError, OverflowError):
            shown = str(given)[:50]
            return f"{name} = {shown!r}: an instant with its zone is expected, such as 2026-09-24T01:02:03Z"
    start, end = read_before
    if start is not None and end is not None and end < start:
        return f"endsAt {ends} is before startsAt {starts}"
    return None


@lru_cache(maxsize=INSTANTS_MAX)  # Alerts of one evaluation name the same few.
def instant(given: str) -> datetime | None:
    """The instant, None for Go's zero. Raises ValueError for one without a zone, and for what is none."""
    if given.startswith(ZERO_YEAR):
        return None
    at = datetime.fromisoformat(given)
    if at.tzinfo is None:
        raise ValueError(given)
    return at if at.tzinfo is UTC else at.astimezone(UTC)


def _ours(more: Any) -> tuple[str, UnknownReason | None]:
    """What our own doors have found out about it: its key, and why its source cannot tell how it is."""
    if type(more) is not dict:
        return "", None
    key, unknown = more.get("key"), more.get("unknown")
    reason = REASONS.get(unknown) if type(unknown) is str else None
    return (key[:KEY_MAX] if type(key) is str else ""), reason


def _named(one: Any) -> str:
    labels = one.get("labels") if type(one) is dict else None
    name = labels.get("alertname") if type(labels) is dict else None
    return f" ({name[:80]})" if type(name) is str and name else ""


def kind_of(value: object) -> str:
    """What it is, for a sentence."""
    kinds = {dict: "an object", list: "a list", str: "text", bool: "a boolean", type(None): "missing"}
    return kinds.get(type(value), "a number")
