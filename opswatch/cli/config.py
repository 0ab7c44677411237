"""The configuration: every problem at once, or what is in force."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from opswatch.cli.door import door, in_words
from opswatch.cli.groups import DONE, USAGE, Group, is_json
from opswatch.cli.shown import print_json, say
from opswatch.core.counts import say_count
from opswatch.errors import ConfigError

if TYPE_CHECKING:
    from opswatch.assemble import Examined
    from opswatch.errors import Problem


@click.group("config", cls=Group)
def config() -> None:
    """Check the configuration, or show what is in force."""


@config.command("check")
@is_json
def check(as_json: bool) -> int:
    """Read everything as the daemon would. Mistakes: all of them, each with its place, and exit 2; so is somebody
    unknown in a stored override or absence that is not over, with their next five shifts. What is allowed and
    probably not meant (a level nobody reaches, a gap in a roster, names the store holds that nobody bears) is listed,
    and is no mistake."""
    from opswatch import assemble

    path = door().path()
    try:
        with in_words():
            examined = assemble.examine(path)
            if examined.leaving:
                raise ConfigError(examined.leaving)
    except ConfigError as refused:
        if not as_json:
            raise
        print_json({"valid": False, "problems": _json(refused.problems), "warnings": []})
        return USAGE
    warnings = [*examined.loaded.warnings, *examined.lints, *examined.stored]
    if as_json:
        print_json({"valid": True, "problems": [], "warnings": _json(warnings)})
        return DONE
    for problem in warnings:
        say(f"warning: {problem}")
    if examined.not_asked:
        say(f"not checked: what the store holds ({examined.not_asked})")
    say(_summary(examined))
    return DONE


@config.command("show")
@is_json
def show(as_json: bool) -> int:
    """What is in force, defaults filled in, secrets masked: as TOML, or as JSON."""
    from opswatch import assemble
    from opswatch.config import show as values
    from opswatch.config import show_text

    with in_words():
        loaded = assemble.examine(door().path(), for_looking=False).loaded
    if as_json:
        print_json(values(loaded))
    else:
        say(show_text(loaded).rstrip("\n"))
    return DONE


def _summary(examined: Examined) -> str:
    plan = examined.loaded.plan
    looks = sum(len(check.targets) for check in plan.checks.values())
    parts = [
        f"{say_count(len(plan.people), 'person', 'people')} in {say_count(len(plan.rosters), 'roster')}",
        say_count(len(plan.policies), "policy", "policies"),
    ]
    if plan.checks or plan.targets:
        at = say_count(len(plan.targets), "target")
        parts.insert(0, f"{say_count(len(plan.checks), 'check')} looking {say_count(looks, 'time')} at {at}")
    files = say_count(len(examined.loaded.files), "file")
    return f"{examined.loaded.settings.path} is valid ({files}): {', '.join(parts)}"


def _json(problems: Iterable[Problem]) -> list[dict[str, object]]:
    return [
        {
            "file": problem.file,
            "line": problem.line,
            "where": problem.where,
            "seen": problem.seen or None,
            "expected": problem.expected,
            "suggestion": problem.suggestion or None,
        }
        for problem in problems
    ]
