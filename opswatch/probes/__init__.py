"""Probes look at one target and say what they saw. File name = probe name.

A probe file is: a docstring with the TOML that configures it, a frozen pydantic `Args` (extra keys forbidden), one
class with `look`, nothing else public. Adding a probe is adding a file.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, NamedTuple, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, GetPydanticSchema, PlainSerializer, WithJsonSchema
from pydantic_core import core_schema

from opswatch.clock import monotonic_s
from opswatch.core.model import Secret, UnknownReason, Verdict
from opswatch.core.plan import Target
from opswatch.core.spans import parse_span, say_span
from opswatch.hosts import CannotSee
from opswatch.hosts.evidence import LINE_MAX as EVIDENCE_LINE_MAX
from opswatch.hosts.evidence import LINES_MAX as EVIDENCE_LINES_MAX
from opswatch.hosts.evidence import cut, printable, redacted

__all__ = [
    "EVIDENCE_LINES_MAX",
    "EVIDENCE_LINE_MAX",
    "Clock",
    "Measure",
    "Pattern",
    "Probe",
    "SecretText",
    "Span",
    "Task",
    "cannot_tell",
    "careful",
    "secrets_of",
]


@dataclass(frozen=True, slots=True)
class Task:
    """One look that is wanted: where, with what, and how long it may take.

    `args` is the probe's own validated `Args`. `memory` is what this probe returned as `Verdict.memory` last time.
    `timeout_s` counts from `now`; a probe that may block for ever must not. `limits` are the names of samples the
    check has limits for, for probes that measure only what is asked.
    """

    target: Target
    args: Any
    now: datetime
    timeout_s: float
    memory: bytes | None = None
    check: str = ""
    limits: Mapping[str, object] = field(default_factory=dict)


class Measure(NamedTuple):
    """One sample a probe gives: its unit, and what it means. Each `Look.samples` maps names to these; the name `*`
    stands for names that only a look can tell (performance data)."""

    unit: str
    words: str


class Probe(Protocol):
    """Never raises: trouble looking is `unknown` with a reason. Must be safe to call from several threads at once."""

    def look(self, task: Task) -> Verdict: ...


def cannot_tell(task: Task, reason: UnknownReason, sentence: str, *evidence: str) -> Verdict:
    """The verdict of a look that did not work."""
    return Verdict(at=task.now, sentence=sentence, unknown=reason, evidence=evidence[:20], memory=task.memory)


Clock = Callable[[], float]

Self = TypeVar("Self")


def careful(look: Callable[[Self, Task], Verdict]) -> Callable[[Self, Task], Verdict]:
    """For `Look.look`: measures how long it took, gives every failing item its sentence, and turns what is raised into
    `unknown` without showing a secret."""

    @functools.wraps(look)
    def guarded(self: Self, task: Task) -> Verdict:
        began = monotonic_s()
        try:
            verdict = look(self, task if task.memory else replace(task, memory=None))
        except CannotSee as blind:
            verdict = _unseen(task, blind.reason, str(blind), blind.evidence)
        except Exception as mistake:  # Ours: one probe's mistake must not cost the others their look.
            words = f"the look itself failed: {type(mistake).__name__}: {mistake}"
            verdict = _unseen(task, UnknownReason.ERROR, words, traceback.format_tb(mistake.__traceback__)[-3:])
            # Should another version have written what we remember, the next look must not stumble over it again. None
            # would leave it as it is.
            verdict = replace(verdict, memory=b"")
        return replace(verdict, took_s=monotonic_s() - began, sentences=_sentences(verdict))

    return guarded


def _sentences(verdict: Verdict) -> Mapping[str, str]:
    """Each item's sentence, what is wrong with it first."""
    said = dict(verdict.sentences)
    for failure in reversed(verdict.failures):
        if failure.item:
            also = said.get(failure.item)
            said[failure.item] = f"{failure.sentence}; {also}" if also else failure.sentence
    return said


def _unseen(task: Task, reason: UnknownReason, sentence: str, evidence: Iterable[str]) -> Verdict:
    secrets = secrets_of(task)
    shown = (printable(redacted(line, secrets)) for line in evidence)
    return cannot_tell(task, reason, cut(printable(redacted(sentence, secrets)), 300), *shown)


def secrets_of(task: Task) -> list[str]:
    """What must not be shown of this task: the passwords of its URL, the URL where it came from elsewhere, and every
    Secret among the arguments. For `evidence.redacted`."""
    found = [*_secrets_in(task.args)]
    if task.target.url is not None:
        url = task.target.url.reveal()
        found += [url] if task.target.url.source else []
        found += _password_of(url)
    return [secret for secret in found if len(secret) >= 3]


def _password_of(url: str) -> list[str]:
    try:
        password = urlsplit(url).password
    except ValueError:  # It is no URL; then the whole of it may be a secret.
        return [url]
    return [password, unquote(password)] if password else []


def _secrets_in(value: object) -> Iterable[str]:
    if isinstance(value, Secret):
        yield value.reveal()
        scheme, _, rest = value.reveal().partition(" ")
        if scheme.lower() in ("bearer", "basic", "token", "digest"):
            yield rest
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _secrets_in(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _secrets_in(part)
    elif isinstance(value, BaseModel):
        yield from _secrets_in(vars(value))


# ---------------------------------------------------------------------------------------------------------------------
# Types for `Args`


def _read_span(value: object) -> object:
    return parse_span(value) if isinstance(value, str) else value


def _keep_secret(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise ValueError("a text, or a reference such as 'env:NAME'")
    # `config` leaves the reference on the value it resolved; elsewhere there is none.
    return Secret(str(value), getattr(value, "source", ""))


def _compiles(pattern: str) -> str:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as trouble:
        words = trouble.args[0].decode() if trouble.args and isinstance(trouble.args[0], bytes) else str(trouble)
        raise ValueError(f"an RE2 pattern (no look-around, no back-references): {words}") from None
    return pattern


Span = Annotated[
    timedelta,
    BeforeValidator(_read_span),
    PlainSerializer(say_span, return_type=str),
    WithJsonSchema({"type": "string", "format": "span"}),
]
"""A span of time, written `"5m"`."""

SecretText = Annotated[
    Secret,
    GetPydanticSchema(lambda _source, _handler: core_schema.no_info_plain_validator_function(_keep_secret)),
    PlainSerializer(repr, return_type=str),
    WithJsonSchema({"type": "string", "format": "secret"}),
]
"""A text that is never shown: a `core.model.Secret`."""

Pattern = Annotated[str, AfterValidator(_compiles), WithJsonSchema({"type": "string", "format": "RE2 pattern"})]
"""A regular expression in RE2 syntax: linear time, whatever it is shown."""
