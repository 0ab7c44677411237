"""The shape of the command line: commands imported when named, `-c` and `--as` anywhere, one exit code per outcome.

0 done, 1 refused, 2 usage or configuration, 3 the store cannot be reached. Commands that serve as a Nagios plugin say
everything that goes wrong in one line and exit 3.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import click

from opswatch import __version__
from opswatch.cli.door import Door, NotKnown
from opswatch.errors import ConfigError, Conflict, OpswatchError, StoreUnavailable

DONE, REFUSED, USAGE, NO_STORE = 0, 1, 2, 3
INTERRUPTED = 130
UMASK = 0o007  # what the command line makes is the service's group's too, and nobody else's
WHOLE_HELP = """On-call monitoring and incident response: looks, pages, climbs, and writes the log.

-c FILE and --as PERSON may stand anywhere on the line. Exit codes: 0 done, 1 refused, 2 usage or configuration,
3 the store cannot be reached."""

Made = TypeVar("Made", bound=click.Command)


@dataclass(frozen=True, slots=True)
class Entry:
    """A command before it is imported: its name, `module:attribute` under opswatch/cli, and its line in the help. An
    empty `place`: somebody else adds it (`run` belongs to the floor above)."""

    name: str
    place: str
    help: str


def _everywhere(*, hidden: bool) -> list[click.Parameter]:
    """The options that may stand anywhere; described once, at the top."""

    def keep(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None:
            setattr(ctx.find_root().ensure_object(Door), str(param.name), value)

    return [
        click.Option(
            ["-c", "--config", "config"],
            metavar="FILE",
            help="The configuration; else $OPSWATCH_CONFIG, ./config.toml, /etc/opswatch/config.toml.",
            expose_value=False,
            callback=keep,
            hidden=hidden,
        ),
        click.Option(
            ["--as", "as_person"],
            metavar="PERSON",
            help="For root: act as this person.",
            expose_value=False,
            callback=keep,
            hidden=hidden,
        ),
    ]


class Command(click.Command):
    """A command that takes `-c` and `--as`."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.params += _everywhere(hidden=True)


class Group(click.Group):
    """A noun: its commands stand in the same file."""

    command_class = Command

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.params += _everywhere(hidden=True)


Group.group_class = Group


class Root(click.Group):
    """`opswatch`: finds the file of a command when it is named, and turns what went wrong into words and a code."""

    command_class = Command
    group_class = Group

    def __init__(self, sections: Mapping[str, Sequence[Entry]]) -> None:
        super().__init__(
            "opswatch", help=WHOLE_HELP, params=_everywhere(hidden=False), context_settings={"max_content_width": 110}
        )
        self.sections = sections
        self._entries = {entry.name: entry for section in sections.values() for entry in section}
        self.params.append(
            click.Option(
                ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version, help="The version."
            )
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._entries)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        entry = self._entries.get(name)
        if name in self.commands or entry is None or not entry.place:
            return super().get_command(ctx, name)
        module, _, attribute = entry.place.partition(":")
        found: click.Command = getattr(importlib.import_module(f"opswatch.cli.{module}"), attribute)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A name that is none of ours is answered with the nearest one."""
        if args and not args[0].startswith("-") and args[0] not in self._entries:
            import difflib

            near = difflib.get_close_matches(args[0], self._entries, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else " `opswatch --help` lists them."
            raise click.UsageError(f"There is no command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table: help must not import every command."""
        for heading, entries in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([(entry.name, entry.help) for entry in entries], col_max=14)

    def main(self, args: Sequence[str] | None = None, *more: Any, **named: Any) -> NoReturn:
        """Run the line, and exit with the code of its outcome."""
        given = list(sys.argv[1:] if args is None else args)
        os.umask(UMASK)
        named = {**named, "prog_name": "opswatch", "standalone_mode": False}
        sys.exit(_outcome(lambda: super(Root, self).main(given, *more, **named), is_plugin=_is_plugin(given)))


def is_json(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option of every command that prints what programs may want."""
    return click.option("--json", "as_json", is_flag=True, help="For programs: JSON.")(function)


# ---------------------------------------------------------------------------------------------------------------------
# What went wrong


def _outcome(run: Callable[[], Any], *, is_plugin: bool) -> int:
    try:
        code = run()
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.ClickException as wrong:
        if is_plugin:
            return _plugin_says(wrong.format_message())
        wrong.show()
        return USAGE
    except OpswatchError as trouble:
        return _plugin_says(str(trouble)) if is_plugin else _trouble(trouble)
    return code if isinstance(code, int) else DONE


def _trouble(trouble: OpswatchError) -> int:
    match trouble:
        case ConfigError(problems=problems):
            for problem in problems:
                click.echo(str(problem), err=True)
            count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
            click.echo(f"opswatch: {count}; nothing was loaded", err=True)
            return USAGE
        case StoreUnavailable() | Conflict():
            click.echo(f"opswatch: {trouble}", err=True)
            return NO_STORE
    click.echo(f"opswatch: {trouble}", err=True)
    return REFUSED if isinstance(trouble, NotKnown) else USAGE


def _is_plugin(args: Sequence[str]) -> bool:
    """Whether the line is one that a monitoring system runs as a plugin."""
    words: list[str] = []
    takes_value = False
    for arg in args:
        if takes_value:
            takes_value = False
        elif arg in ("-c", "--config", "--as"):
            takes_value = True
        elif not arg.startswith("-"):
            words.append(arg)
    return words[:2] == ["checks", "run"] or (words[:1] == ["status"] and "--nagios" in args)


def _plugin_says(words: str) -> int:
    """The plugin contract: one line on standard output, and 3 for everything that kept it from looking."""
    first, *others = words.replace("|", "¦").splitlines() or [""]
    click.echo("\n".join([f"UNKNOWN: {first}", *others]))
    return 3


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"opswatch {__version__}")
        ctx.exit()
