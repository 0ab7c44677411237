"""A year of on-call by this configuration, imagined: who would be woken, how often, and where the roster has a hole."""

from __future__ import annotations

import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opswatch.cli import door as entrance
from opswatch.cli import times
from opswatch.cli.door import door, in_words
from opswatch.cli.groups import DONE, REFUSED, Command, is_json
from opswatch.cli.shown import print_json, print_markdown

if TYPE_CHECKING:
    from opswatch.core.plan import Plan
    from opswatch.sim.life import Life
    from opswatch.sim.report import Report
    from opswatch.sim.witness import LawBroken

DAYS_MAX = 3660
SEEDS_MAX = 100_000
PAIRS = 10  # lives of a comparison, unless told otherwise
Progress = Callable[[float], None]  # the share of this life that is over


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be lived."""

    plan: Plan
    start: datetime
    until: datetime
    seeds: range
    life: Life
    every_look: bool
    options: tuple[str, ...]  # as typed, for the command that lives it again


@click.command("simulate", cls=Command)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Of all chance: the same story again."
)
@click.option(
    "--seeds",
    type=click.IntRange(1, SEEDS_MAX),
    help=f"So many lives, from --seed on; default: 1, {PAIRS} with --compare.",
)
@click.option("--days", type=click.IntRange(1, DAYS_MAX), default=365, show_default=True, help="How long.")
@click.option("--from", "start", metavar="T", help="From when; default: today, 00:00 UTC.")
@click.option("--until", metavar="T", help="Until when, instead of --days.")
@click.option(
    "--answers",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Other numbers: how people answer, things fail, messages travel.",
)
@click.option("--rough", is_flag=True, help="Everything goes wrong all the time: to find mistakes of opswatch.")
@click.option("--every-look", is_flag=True, help="Make every look of every check, also where nothing happens: slow.")
@click.option(
    "--compare",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="A.toml B.toml",
    help="Two configurations, by the same failures and people: which is better, and is it more than chance.",
)
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="With --compare: a page with plots too.")
@is_json
def simulate(
    seed: int,
    seeds: int | None,
    days: int,
    start: str | None,
    until: str | None,
    answers: Path | None,
    rough: bool,
    every_look: bool,
    compare: tuple[Path, Path] | None,
    html: Path | None,
    as_json: bool,
) -> int:
    """Live by this configuration for a year, in seconds, and report who would be woken, how often and when, gaps in
    rosters, unanswered pages, and how long until somebody answers. Nothing is stored or sent. All laws of on-call are
    looked at after every step; one that breaks ends it with exit 1 and the command that shows it again.

    \b
    opswatch simulate
    opswatch simulate --seeds 20 --days 90
    opswatch simulate --answers night-owls.toml --json
    opswatch simulate --compare old.toml new.toml --html report.html
    """
    from opswatch import assemble

    if html is not None and compare is None:
        raise click.UsageError("--html goes with --compare.")
    with in_words():
        plan, now = assemble.plan_alone(compare[0] if compare else door().path())
    begins = _instant(start, "--from", now, plan) if start else datetime.combine(now.date(), time(), UTC)
    ends = _instant(until, "--until", now, plan) if until else begins + timedelta(days=days)
    if not begins < ends <= begins + timedelta(days=DAYS_MAX):
        raise click.BadParameter("must be after --from, and at most ten years", param_hint="--until")
    options = [*(["--answers", str(answers)] if answers else []), *(["--rough"] if rough else [])]
    options += ["--every-look"] if every_look else []
    life = _life(answers, rough=rough)
    count = seeds if seeds is not None else PAIRS if compare else 1
    asked = Asked(plan, begins, ends, range(seed, seed + count), life, every_look, tuple(options))
    if compare is None:
        return _live(asked, as_json)
    return _compare(asked, compare, html, as_json)


def _live(asked: Asked, as_json: bool) -> int:
    from opswatch.render import simulation
    from opswatch.sim import life
    from opswatch.sim.run import simulate as live
    from opswatch.sim.witness import LawBroken

    language, zone = _reader(asked.plan)
    report, steps, span = None, 0, asked.until - asked.start
    try:
        with _progress(asked, language) as (begins, goes_on, ended):
            for seed in asked.seeds:
                begins(seed)
                run = live(
                    asked.plan,
                    seed,
                    asked.start,
                    asked.until,
                    life=asked.life,
                    every_look=asked.every_look,
                    on_progress=lambda at: goes_on((at - asked.start) / span),
                )
                steps += run.steps
                ended(seed, run.steps, run.report.incidents.total(), run.report.pages)
                if report is None:
                    report = run.report
                else:
                    report.add(run.report)
    except LawBroken as broken:
        return _broken(broken, asked, language)
    assert report is not None
    lived = simulation.Lived(asked.plan, report, asked.life, asked.seeds, steps)
    if as_json:
        print_json({**simulation.as_json(lived), "parameters": life.as_table(asked.life)})
    else:
        print_markdown(simulation.page(lived, language, zone))
    return DONE


def _compare(asked: Asked, paths: tuple[Path, Path], html: Path | None, as_json: bool) -> int:
    """Each seed is lived by both, one after the other."""
    from opswatch import assemble
    from opswatch.render import comparison as render
    from opswatch.sim import comparison, life
    from opswatch.sim.run import simulate as live
    from opswatch.sim.witness import LawBroken

    with in_words():
        other = assemble.plan_alone(paths[1])[0]
    language, zone = _reader(asked.plan)
    plans, living = (asked.plan, other), paths[0]
    rates = comparison.common_rates(plans, asked.start)
    lives, steps, span = [], 0, asked.until - asked.start
    try:
        with _progress(asked, language) as (begins, goes_on, ended):
            for seed in asked.seeds:
                begins(seed)
                reports, before = [], steps
                for which, (living, plan) in enumerate(zip(paths, plans, strict=True)):  # noqa: B007
                    run = live(
                        plan,
                        seed,
                        asked.start,
                        asked.until,
                        life=asked.life,
                        every_look=asked.every_look,
                        rates=rates,
                        on_progress=lambda at, done=which: goes_on((done + (at - asked.start) / span) / 2),  # type: ignore[misc]
                    )
                    steps += run.steps
                    reports.append(run.report)
                incidents, pages = (sum(figures) for figures in zip(*map(_figures, reports), strict=True))
                ended(seed, steps - before, incidents, pages)
                lives.append((reports[0], reports[1]))
    except LawBroken as broken:
        return _broken(broken, asked, language, living)
    found = comparison.compare(plans, lives, asked.seeds, steps)
    if html is not None:
        with in_words():
            html.write_text(render.html(found, language, zone), encoding="utf-8")
    if as_json:
        print_json({**render.as_json(found), "parameters": life.as_table(asked.life)})
    else:
        print_markdown(render.page(found, language, zone))
    return DONE


def _figures(report: Report) -> tuple[int, int]:
    return report.incidents.total(), report.pages


def _broken(broken: LawBroken, asked: Asked, language: str, path: Path | None = None) -> int:
    from opswatch.render import simulation

    click.echo(str(broken), err=True)
    click.echo(simulation.say(language, "broken.law"), err=True)
    minute = broken.at.replace(second=0, microsecond=0) + timedelta(minutes=1)
    line = ["opswatch", "-c", str(path or door().path()), "simulate", "--seed", str(broken.seed)]
    line += ["--from", _utc(asked.start), "--until", _utc(min(minute, asked.until)), *asked.options]
    click.echo(f"  {shlex.join(line)}", err=True)
    return REFUSED


def _life(answers: Path | None, *, rough: bool) -> Life:
    from opswatch.sim import life

    base = life.ROUGH if rough else life.CALM
    if answers is None:
        return base
    try:
        return life.read(tomllib.loads(answers.read_text(encoding="utf-8")), base)
    except OSError as trouble:
        raise click.BadParameter(f"{answers}: {trouble.strerror}", param_hint="--answers") from None
    except ValueError as wrong:  # Of the TOML, or of what it says.
        raise click.BadParameter(f"{answers}: {wrong}", param_hint="--answers") from None


def _instant(text: str, option: str, now: datetime, plan: Plan) -> datetime:
    try:
        return times.read(text, now, plan.timezone)
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), param_hint=option) from None


def _reader(plan: Plan) -> tuple[str, str]:
    """Language and zone of who sits here, where the plan knows them; the store is not asked."""
    from opswatch.assemble import person_of_login

    person = person_of_login(plan, entrance.login())
    return (person.language, person.timezone) if person is not None else (plan.language, plan.timezone)


@contextmanager
def _progress(
    asked: Asked, language: str
) -> Iterator[tuple[Callable[[int], None], Progress, Callable[[int, int, int, int], None]]]:
    """What is told on standard error meanwhile: a bar on a terminal, else a line per life when there are several."""
    from opswatch.render import simulation

    def tells(seed: int, steps: int, incidents: int, pages: int) -> None:
        if len(asked.seeds) > 1:
            facts = {"seed": seed, "steps": f"{steps:,}", "incidents": incidents, "pages": pages}
            click.echo(simulation.say(language, "progress.lived", **facts), err=True)

    if not sys.stderr.isatty():
        yield (lambda seed: None), (lambda share: None), tells
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task, lived = bar.add_task("", total=len(asked.seeds)), 0

        def begins(seed: int) -> None:
            bar.update(task, description=simulation.say(language, "progress.living", seed=seed))

        def ended(seed: int, steps: int, incidents: int, pages: int) -> None:
            nonlocal lived
            lived += 1

        yield begins, (lambda share: bar.update(task, completed=lived + share)), ended


def _utc(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
