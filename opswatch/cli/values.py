"""What people type after a command: incident numbers, spans, priorities, and the names a shell may complete."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from opswatch.assemble import Office
    from opswatch.core.model import Priority

    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # Generic for type checkers; at run time only since click 8.3.

_INCIDENT = re.compile(r"#?(\d{1,9})")


class _Incident(ParamType):
    """`142` or `#142`."""

    name = "incident"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = _INCIDENT.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no incident: write its number, such as 142", param, ctx)
        return int(found[1])

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        rows = _asked(ctx, lambda office: office.views.incidents(limit=50))
        return [CompletionItem(str(row.id), help=row.title) for row in rows if str(row.id).startswith(incomplete)]


class _Span(ParamType):
    """`2h`, `1h30m`, `2 days`."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        from opswatch.core.spans import parse_span

        if isinstance(value, timedelta):
            return value
        try:
            span = parse_span(str(value))
        except (ValueError, OverflowError) as wrong:
            self.fail(f"{value!r}: {wrong}", param, ctx)
        if span <= timedelta(0):
            self.fail(f"{value!r} is no time at all", param, ctx)
        return span


class _Priority(ParamType):
    """P0 to P3."""

    name = "priority"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Priority:
        from opswatch.core.model import Priority

        known = Priority.__members__.get(str(value).upper())
        if known is None:
            self.fail(f"{value!r} is no priority: write P0, P1, P2 or P3", param, ctx)
        return known

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in ("P0", "P1", "P2", "P3") if name.startswith(incomplete.upper())]


class _Named(ParamType):
    """A name of the configuration. Whether it is known is answered by whoever acts on it."""

    def __init__(self, name: str, known: Callable[[Office], Iterable[str]]) -> None:
        self.name, self._known = name, known

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in _asked(ctx, self._known) if name.startswith(incomplete)]


class _Numbered(ParamType):
    """`3` or `#3`."""

    def __init__(self, name: str, known: Callable[[Office], Iterable[int]]) -> None:
        self.name, self._known = name, known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = _INCIDENT.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no {self.name}: write its number, such as 3", param, ctx)
        return int(found[1])

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        numbers = (str(number) for number in _asked(ctx, self._known))
        return [CompletionItem(number) for number in numbers if number.startswith(incomplete)]


def _asked(ctx: click.Context, ask: Callable[[Office], Iterable[Any]]) -> list[Any]:
    """What the installation knows; nothing where it cannot be asked: completion stays silent."""
    from opswatch.cli.door import Door
    from opswatch.errors import OpswatchError

    door = ctx.find_root().ensure_object(Door)
    try:
        with ctx.find_root():
            return list(ask(door.office()))
    except (OpswatchError, OSError):
        return []


INCIDENT = _Incident()
SPAN = _Span()
PRIORITY = _Priority()
ROSTER = _Named("roster", lambda office: office.plan.rosters)
PERSON = _Named("person", lambda office: office.plan.people)
SERVICE = _Named("service", lambda office: office.plan.services)
CHECK = _Named("check", lambda office: office.plan.checks)
TARGET = _Named("target", lambda office: office.plan.targets)
INSPECTION = _Named("inspection", lambda office: [one.id for one in office.settings.inspections])
HOOK = _Named("hook", lambda office: office.settings.hooks)
COVER = _Numbered("request", lambda office: [one.id for one in office.views.covers() if one.is_open])
ABSENCE = _Numbered("absence", lambda office: [one.id for one in office.views.absences()])
RUN = _Named("run", lambda office: [row.run for row in office.store.inspections(limit=20)])
