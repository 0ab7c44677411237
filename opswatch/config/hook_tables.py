"""The keys of `[[hook]]`: how the JSON of others becomes alerts. Expressions are compiled as they are read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from opswatch.config import fields as f
from opswatch.config.reading import NOTHING, Spot, Table, key, map_of, reads, some_of
from opswatch.core.model import Secret

if TYPE_CHECKING:
    from opswatch.mapping import Expression


def expression(value: Any, spot: Spot) -> Expression:
    """A JMESPath expression, compiled."""
    from opswatch.mapping import Expression, NotAnExpression  # Late: most configurations have no hooks.

    if not isinstance(value, str):
        spot.bad('a JMESPath expression in quotes, such as "monitor.name"; a fixed text is "\'text\'"')
    try:
        return Expression(value)
    except NotAnExpression as wrong:
        spot.bad(str(wrong), suggestion=wrong.near)


def _word(value: Any) -> str:
    """A value of the body as text: 0 and true may be written as they are."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)) or value == "":
        raise ValueError("a word, a number, true or false")
    return str(value).casefold()


word = reads(_word)
WORDS = some_of(word)


class HookStatus(Table):
    """`status = "state"` is short for `{ value = "state" }`."""

    value: Expression = key(expression, example='value = "status"', spare=None)
    resolved: tuple[str, ...] = key(WORDS, ())
    firing: tuple[str, ...] = key(WORDS, ())
    unknown: tuple[str, ...] = key(WORDS, ())
    ignored: tuple[str, ...] = key(WORDS, ())

    @classmethod
    def read_short(cls, value: Any, spot: Spot) -> HookStatus:
        return cls.read(value, spot) if isinstance(value, dict) else cls(value=expression(value, spot))


class HookSeverity(Table):
    """`severity = "level"` is short for `{ value = "level" }`."""

    value: Expression = key(expression, example='value = "level"', spare=None)
    words: Mapping[str, str] = key(map_of(word, f.words), NOTHING)

    @classmethod
    def read_short(cls, value: Any, spot: Spot) -> HookSeverity:
        return cls.read(value, spot) if isinstance(value, dict) else cls(value=expression(value, spot))


class HookMapping(Table):
    title: Expression = key(expression, example='title = "message"', spare=None)
    when: Expression | None = key(expression, None)
    alerts: Expression | None = key(expression, None)
    summary: Expression | None = key(expression, None)
    labels: Mapping[str, Expression] = key(map_of(f.name, expression), NOTHING)
    annotations: Mapping[str, Expression] = key(map_of(f.name, expression), NOTHING)
    service: Expression | None = key(expression, None)
    severity: HookSeverity | None = key(HookSeverity.read_short, None)
    status: HookStatus | None = key(HookStatus.read_short, None)
    dedup_key: Expression | None = key(expression, None)
    starts_at: Expression | None = key(expression, None)
    ends_at: Expression | None = key(expression, None)
    url: Expression | None = key(expression, None)
    timezone: str | None = key(f.zone, None)


class Hook(Table):
    id: str = key(f.name, example='id = "billing"')
    mapping: HookMapping | None = key(HookMapping.read, None)
    repeat: timedelta | None = key(f.span, None)
    secret: Secret | None = key(f.secret, None)
    signature: str | None = key(f.words, None)
    others: str | None = key(f.one_of("refuse", "alert"), None)
