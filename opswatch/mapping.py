"""How any JSON becomes alerts: JMESPath expressions, checked when the configuration is loaded, and counted as they run.

JMESPath has no loops, no variables and no way out of the body it is given; every visit to a node and every element that
it makes costs a step, and a body has so many (docs/decisions/0015-expressions-over-bodies.md). What an expression gives
becomes text; what it does not give is named, with what stood there instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import jmespath
import re2
from jmespath import exceptions, functions, visitor

from opswatch.errors import OpswatchError
from opswatch.posts import ALERTS_MAX, ANNOTATION_MAX, KEY_MAX, LABEL_MAX, OURS, BadPost, kind_of

EXPRESSION_MAX = 1_000  # characters
STEPS_MAX = 200_000  # of one body: half a second
CAPTURED_MAX = 64 * 1024
MAPPED_MAX = 1_000  # alerts of one body
EPOCH_MIN, EPOCH_MAX = 100_000_000, 10_000_000_000  # seconds; more are milliseconds
RESOLVED_WORDS = (
    "resolved", "ok", "up", "success", "successful", "passed", "closed", "normal", "recovered", "recovery", "inactive",
    "healthy", "fixed",
)  # fmt: skip
KEYS_SHOWN = 12


class _TooMuch(OpswatchError):
    """An expression did more over this body than a body is worth."""


class NotAnExpression(ValueError):
    """Why the text is no expression; `near` is what it may have meant."""

    def __init__(self, words: str, near: str = "") -> None:
        super().__init__(words)
        self.near = near


class Functions(functions.Functions):
    """JMESPath's own, and four that bodies of others need."""

    def __init__(self, body: Any = None, steps: _Steps | None = None) -> None:
        super().__init__()
        self._body, self._steps = body, steps

    @functions.signature()
    def _func_body(self) -> Any:
        """The whole body, wherever an expression stands."""
        return self._body

    @functions.signature({"types": ["string"]})
    def _func_lower(self, text: str) -> str:
        return text.lower()

    @functions.signature({"types": ["string"]}, {"types": ["string"]})
    def _func_split(self, text: str, by: str) -> list[str]:
        return text.split(by) if by else [text]

    @functions.signature({"types": ["string", "null"]}, {"types": ["string"]})
    def _func_capture(self, text: str | None, pattern: str) -> str | None:
        """The first group of the pattern in the text, or all of what it matched; null where it does not match."""
        found = re2.search(pattern, (text or "")[:CAPTURED_MAX])
        if found is None:
            return None
        return str(found[1] if found.re.groups and found[1] is not None else found[0])

    @functions.signature({"types": []})
    def _func_to_string(self, value: Any) -> str:
        if self._steps is not None and not isinstance(value, str):
            self._steps.weigh(value)
        return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), default=str)


@dataclass(slots=True)
class _Steps:
    """How much may be done over one body yet."""

    left: int = STEPS_MAX

    def take(self, count: int = 1) -> None:
        self.left -= count
        if self.left < 0:
            raise _TooMuch(f"takes more than {STEPS_MAX} steps over this body")

    def weigh(self, value: Any) -> None:
        """Everything in it, before all of it is written out."""
        waiting = [value]
        while waiting:
            self.take()
            one = waiting.pop()
            if isinstance(one, Mapping):
                waiting += one.values()
            elif isinstance(one, list):
                waiting += one


class _Counting(visitor.TreeInterpreter):
    """JMESPath's interpreter, with a limit."""

    def __init__(self, body: Any, steps: _Steps) -> None:
        super().__init__(visitor.Options(custom_functions=Functions(body, steps)))
        self.steps = steps

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self.steps.take()
        found = super().visit(node, *args, **kwargs)
        if type(found) is list:
            self.steps.take(len(found))
        elif type(found) is str:
            self.steps.take(len(found) >> 8)
        return found


class Expression:
    """One JMESPath expression. Raises NotAnExpression for a text that is none."""

    __slots__ = ("_parsed", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        if not text.strip():
            raise NotAnExpression("an expression such as 'monitor.name'")
        if len(text) > EXPRESSION_MAX:
            raise NotAnExpression(f"an expression of at most {EXPRESSION_MAX} characters")
        try:
            self._parsed = jmespath.compile(text)
        except exceptions.JMESPathError as trouble:
            raise NotAnExpression(f"a JMESPath expression: {_say(trouble)}") from None
        except RecursionError:
            raise NotAnExpression("an expression that is not so deep") from None
        _check_functions(self._parsed.parsed)

    def __str__(self) -> str:
        return self.text

    def find(self, value: Any, run: _Counting) -> Any:
        """What it gives. Raises ValueError, in words."""
        try:
            return run.visit(self._parsed.parsed, value)
        except _TooMuch:
            raise
        except exceptions.JMESPathError as trouble:
            raise ValueError(_say(trouble)) from None
        except Exception as trouble:  # The library meets a stranger's body: whatever it is, the others are read still.
            raise ValueError(f"cannot be worked out: {type(trouble).__name__}") from None

    def ends_at(self, value: Any) -> str:
        """Why it gives nothing, as far as it only goes from key to key: where it ends, and what stands there."""
        here = value
        walked: list[str] = []
        for name in _steps_of(self._parsed.parsed):
            if type(here) is not dict:
                return f"{'.'.join(walked) or 'it'} is {kind_of(here)}"
            if name not in here:
                return _lacks(".".join(walked), name, here)
            here = here[name]
            walked.append(name)
        return "it is null" if walked and here is None else ""


def _lacks(path: str, name: str, here: Mapping[str, Any]) -> str:
    from opswatch.config.suggest import listed, nearest

    near = nearest(name, here)
    hint = f"; did you mean {near!r}?" if near else ""
    return f"{path or 'the body'} has {listed(str(key)[:40] for key in here)}{hint}"


def _steps_of(node: Any) -> Iterator[str]:
    """The keys on the way of `a.b.c`; nothing where it is more than that."""
    if node["type"] == "field":
        yield node["value"]
    elif node["type"] == "subexpression" and all(one["type"] in ("field", "subexpression") for one in node["children"]):
        for one in node["children"]:
            yield from _steps_of(one)


def _check_functions(node: Any) -> None:
    """Functions that there are, with as many arguments as they take."""
    if node["type"] == "function_expression":
        known = Functions.FUNCTION_TABLE
        name, count = node["value"], len(node["children"])
        if name not in known:
            raise NotAnExpression(f"no function is called {name}(); there are {', '.join(sorted(known))}", _near(name))
        wanted = known[name]["signature"]
        is_open = bool(wanted) and bool(wanted[-1].get("variadic"))
        if count < len(wanted) or (count > len(wanted) and not is_open):
            raise NotAnExpression(f"{name}() takes {len(wanted)} argument{'s' * (len(wanted) != 1)}, not {count}")
    for child in node["children"]:
        if isinstance(child, dict):
            _check_functions(child)


def _near(name: str) -> str:
    from opswatch.config.suggest import nearest

    found = nearest(name, Functions.FUNCTION_TABLE)
    return f"{found}()" if found else ""


def _say(trouble: Exception) -> str:
    """The library's words on one line, without the picture it draws."""
    words = str(trouble).splitlines() or [type(trouble).__name__]
    return words[0].rstrip(": ")[:200]


# ---------------------------------------------------------------------------------------------------------------------
# A mapping


@dataclass(frozen=True, slots=True)
class Status:
    """Whether it is over: the expression gives one of the words of `resolved`, or of the others. Where `firing` is
    written, nothing but its words fires."""

    value: Expression
    resolved: frozenset[str] = frozenset(RESOLVED_WORDS)
    firing: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()

    def of(self, word: str) -> str:
        """resolved, firing, unknown or ignored. Raises ValueError."""
        said = word.casefold()
        for kind in ("resolved", "unknown", "ignored", "firing"):
            if said in getattr(self, kind):
                return kind
        if self.firing:
            known = sorted(self.firing | self.resolved | self.unknown | self.ignored)
            raise ValueError(f"gives {word[:50]!r}: one of {', '.join(known)} is expected")
        return "firing"


@dataclass(frozen=True, slots=True)
class Severity:
    """How bad its source says it is; `words` are other words for what it says."""

    value: Expression
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a body became: alerts in the shape of posts, what could not be used, what was none of ours, what is used and
    worth a word."""

    alerts: list[dict[str, Any]]
    problems: list[str]
    ignored: int
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Mapped:
    """A hook's mapping. Without `alerts` the body is one alert, or a list of them."""

    id: str
    title: Expression
    when: Expression | None = None
    alerts: Expression | None = None
    summary: Expression | None = None
    labels: Mapping[str, Expression] = field(default_factory=dict)
    annotations: Mapping[str, Expression] = field(default_factory=dict)
    service: Expression | None = None
    severity: Severity | None = None
    status: Status | None = None
    dedup_key: Expression | None = None
    starts_at: Expression | None = None
    ends_at: Expression | None = None
    url: Expression | None = None
    timezone: str | None = None  # of instants that name none

    def read(self, body: Any, now: datetime, expires: str) -> Outcome:
        """Every alert of a body. Raises BadPost where there is no finding them."""
        steps = _Steps()
        run = _Counting(body, steps)
        found = Outcome([], [], 0, [])
        ignored = 0
        try:
            elements = self._elements(body, run)
            for place, element in enumerate(elements):
                where = f"alert {place + 1} of {len(elements)}: " if self.alerts or len(elements) > 1 else ""
                one = _One(element, run, where, found.notes)
                try:
                    alert = self._alert(one, now, expires)
                except ValueError as trouble:
                    found.problems.append(f"{where}{trouble}")
                    continue
                if alert is None:
                    ignored += 1
                else:
                    found.alerts.append(alert)
        except _TooMuch as trouble:
            found.problems.append(f"the mapping {trouble}: alerts after the first {len(found.alerts)} were not read")
        return Outcome(found.alerts, found.problems, ignored, found.notes)

    def _elements(self, body: Any, run: _Counting) -> list[Any]:
        found = body
        if self.alerts is not None:
            try:
                found = self.alerts.find(body, run)
            except ValueError as trouble:
                raise BadPost(f"alerts = {self.alerts.text!r} {trouble}") from None
            if found is None:
                raise BadPost(f"alerts = {self.alerts.text!r} gives nothing: {self.alerts.ends_at(body) or 'null'}")
        elements = found if isinstance(found, list) else [found]
        if len(elements) > min(MAPPED_MAX, ALERTS_MAX):
            raise BadPost(f"{len(elements)} alerts in one post: at most {MAPPED_MAX} are taken; post them in several")
        return elements

    def _alert(self, one: _One, now: datetime, expires: str) -> dict[str, Any] | None:
        """One alert; None for what is none of ours. Raises ValueError, in words."""
        if self.when is not None and not _is_true(one.raw("when", self.when)):
            return None
        state = "firing"
        if self.status is not None:
            try:
                state = self.status.of(one.text("status", self.status.value))
            except ValueError as trouble:
                raise trouble if str(trouble).startswith("status") else ValueError(f"status {trouble}") from None
        if state == "ignored":
            return None
        is_over = state == "resolved"
        title = one.text("title", self.title) if not is_over else one.optional("title", self.title) or ""
        labels = self._labels(one)
        ours = {"key": self._key(one, labels, title)}
        labels.setdefault("alertname", self.id)
        said = {
            name: one.optional(f"annotations.{name}", value, loose=True) for name, value in self.annotations.items()
        }
        said["title"] = title[:ANNOTATION_MAX]
        said["summary"] = one.optional("summary", self.summary) or said.get("summary") or title
        return {
            "labels": labels,
            "annotations": {name: value[:ANNOTATION_MAX] for name, value in said.items() if value},
            "startsAt": self._instant(one, "starts_at", self.starts_at),
            "endsAt": self._ends_at(one, now, expires, is_over=is_over),
            "generatorURL": one.optional("url", self.url),
            "status": "resolved" if is_over else "firing",
            OURS: ours | {"unknown": "no_data"} if state == "unknown" else ours,
        }

    def _labels(self, one: _One) -> dict[str, str]:
        found = {name: one.optional(f"labels.{name}", value) for name, value in self.labels.items()}
        found["service"] = one.optional("service", self.service) or found.get("service")
        if self.severity is not None and (said := one.optional("severity", self.severity.value)) is not None:
            found["severity"] = self.severity.words.get(said.casefold(), said)
        return {name: value[:LABEL_MAX] for name, value in found.items() if value}

    def _key(self, one: _One, labels: Mapping[str, str], title: str) -> str:
        """What makes it this alert and no other: its key, else its labels, else its title."""
        if self.dedup_key is not None:
            return one.text("dedup_key", self.dedup_key)[:KEY_MAX]
        own = sorted((name, value) for name, value in labels.items() if name != "severity")
        if self.labels and not own:
            raise ValueError("none of its labels is there: nothing tells it from others; write dedup_key")
        if not own and not title:
            raise ValueError(f"title = {self.title.text!r} gives nothing, and nothing else tells it from others")
        return json.dumps(own) if self.labels else title[:KEY_MAX]

    def _ends_at(self, one: _One, now: datetime, expires: str, *, is_over: bool) -> str | None:
        given = self._instant(one, "ends_at", self.ends_at)
        if is_over:
            return given
        return given if given is not None and datetime.fromisoformat(given) > now else expires

    def _instant(self, one: _One, name: str, expression: Expression | None) -> str | None:
        """An instant that cannot be read costs no page: it is left out, and told of."""
        given = one.optional(name, expression)
        if given is None or expression is None:
            return None
        try:
            return _instant(given, self.timezone).isoformat()
        except (ValueError, OverflowError, OSError) as trouble:
            words = f"{trouble}" if isinstance(trouble, _NoZone) else "an instant such as 2026-09-24T01:02:03Z"
            one.note(f"{name} = {expression.text!r} gives {given[:50]!r}: {words} is expected; it is left out")
            return None


class _NoZone(ValueError):
    pass


@dataclass(slots=True)
class _One:
    """One alert of a body, while it is read. `where` names it in what is said of it."""

    value: Any
    run: _Counting
    where: str
    notes: list[str]

    def raw(self, name: str, expression: Expression) -> Any:
        try:
            return expression.find(self.value, self.run)
        except _TooMuch:
            raise
        except ValueError as trouble:
            raise ValueError(f"{name} = {expression.text!r}: {trouble}") from None

    def text(self, name: str, expression: Expression) -> str:
        """Text, not empty. Raises ValueError."""
        found = _text(self.raw(name, expression), name, expression)
        if found is None or not found.strip():
            raise ValueError(f"{name} = {expression.text!r} gives nothing{self._why(expression)}")
        return found

    def optional(self, name: str, expression: Expression | None, *, loose: bool = False) -> str | None:
        """Text; None where there is none. `loose`: what is no text is written out."""
        if expression is None:
            return None
        try:
            found = self.raw(name, expression)
        except ValueError as trouble:
            self.note(str(trouble))
            return None
        if loose and isinstance(found, (list, dict)):
            self.run.steps.weigh(found)
            return json.dumps(found, ensure_ascii=False, default=str)[:ANNOTATION_MAX]
        text = _text(found, name, expression)
        if text is None:
            self.note(f"{name} = {expression.text!r} gives nothing{self._why(expression)}")
        return text

    def note(self, words: str) -> None:
        self.notes.append(f"{self.where}{words}")

    def _why(self, expression: Expression) -> str:
        why = expression.ends_at(self.value)
        return f": {why}" if why else ""


def _text(found: Any, name: str, expression: Expression) -> str | None:
    match found:
        case None:
            return None
        case str():
            return found
        case bool():
            return "true" if found else "false"
        case int():
            return str(found)
        case float():
            return str(int(found)) if found.is_integer() and abs(found) < 1e15 else str(found)
    hint = ": write join(', ', …)" if isinstance(found, list) else ""
    raise ValueError(f"{name} = {expression.text!r} gives {kind_of(found)}: text is expected{hint}")


def _instant(given: str, timezone: str | None) -> datetime:
    """Raises ValueError, OverflowError, OSError for what is none."""
    try:
        number = float(given)
    except ValueError:
        at = datetime.fromisoformat(given.strip())
        if at.tzinfo is None and timezone is None:
            raise _NoZone("a zone (write mapping.timezone)") from None
        return (at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(str(timezone)))).astimezone(UTC)
    number = number if number < EPOCH_MAX else number / 1000
    if not EPOCH_MIN < number < EPOCH_MAX:
        raise ValueError(given)
    return datetime.fromtimestamp(number, UTC)


def _is_true(value: Any) -> bool:
    """As JMESPath has it: what is empty, null or false is not."""
    return not (value is None or value is False or value == "" or value == [] or value == {})
