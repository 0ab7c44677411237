"""Scenarios that stand beside the configuration: this fails at that hour, and these people must be paged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opswatch.cli import door as entrance
from opswatch.cli.door import door, in_words
from opswatch.cli.groups import DONE, REFUSED, Command, is_json
from opswatch.cli.shown import print_json, say, styled

if TYPE_CHECKING:
    from opswatch.config.scenarios import ScenarioFile
    from opswatch.config.settings import Loaded
    from opswatch.core.plan import Plan
    from opswatch.errors import Problem
    from opswatch.render.scenarios import Played
    from opswatch.sim.scenario import Scenario


@click.command("test", cls=Command)
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML there too.")
@is_json
def test(files: tuple[Path, ...], junit: Path | None, as_json: bool) -> int:
    """Play the scenarios of these files by the configuration, in imagined time: who is paged, when, how. Nothing is
    stored or sent, no secret is needed, no daemon either. The configuration is -c FILE, else the one that a file names
    (config = "…"), else the one that every command takes. Exit 1 when one is not as expected. docs/test.md says how
    they are written.

    \b
    opswatch test scenarios/*.toml
    opswatch test scenarios/orders.toml --junit report.xml
    """
    from opswatch.render import scenarios as render

    played = _played(files)
    first = played[0].plan
    language = _language(first)
    if junit is not None:
        with in_words():
            junit.write_text(render.junit(played, language=language), encoding="utf-8")
    is_ok = all(outcome.is_ok for one in played for outcome in one.outcomes)
    if as_json:
        print_json(render.as_json(played, language=language))
    else:
        for line in render.text(played, language=language):
            say(styled("ok" if line[:1] in ("o", "通") else "fail", line) if line[:1] in "oF通失" else line)
    return DONE if is_ok else REFUSED


# Pytest would take a function of this name, imported into a test, for a test.
test.__test__ = False  # type: ignore[attr-defined]


def _played(files: tuple[Path, ...]) -> list[Played]:
    """Every file, played. Raises ConfigError with every problem of every file."""
    from opswatch import assemble
    from opswatch.assemble import linear_fullmatch
    from opswatch.config import scenarios
    from opswatch.errors import ConfigError
    from opswatch.render.scenarios import Played
    from opswatch.sim.scenario import play

    problems: list[Problem] = []
    read: list[tuple[ScenarioFile, Loaded, list[Scenario]]] = []
    known: dict[Path, Loaded] = {}
    for file in files:
        try:
            opened = scenarios.open_file(file)
            path = _config(opened)
            if path not in known:
                with in_words():
                    known[path] = assemble.imagined(path)
            read.append((opened, known[path], scenarios.read(opened, known[path].plan)))
        except ConfigError as wrong:
            problems += [one for one in wrong.problems if one not in problems]
    if problems:
        raise ConfigError(problems)
    regex = linear_fullmatch()
    return [
        Played(str(opened.file), loaded.plan, [play(loaded.plan, one, regex) for one in found])
        for opened, loaded, found in read
    ]


def _config(opened: ScenarioFile) -> Path:
    """What was named on the line wins; then what the file names; then where every command looks."""
    return opened.config if opened.config is not None and door().config is None else door().path()


def _language(plan: Plan) -> str:
    """That of who sits here, where the plan knows them; the store is not asked."""
    from opswatch.assemble import person_of_login

    person = person_of_login(plan, entrance.login())
    return person.language if person is not None else plan.language
