"""What is looked at: how it stands, one look now (as a Nagios plugin), and what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from opswatch.cli import times
from opswatch.cli.door import door
from opswatch.cli.groups import DONE, REFUSED, Group, is_json
from opswatch.cli.shown import print_json, print_table, say
from opswatch.cli.values import CHECK, TARGET

if TYPE_CHECKING:
    from opswatch.core.judging import Seen
    from opswatch.core.model import Verdict
    from opswatch.core.plan import Check
    from opswatch.core.trends import Summary
    from opswatch.render.documents import Writer
    from opswatch.views import CheckRow, History, Point, Views

BACK = "24h ago"
HISTORY_KINDS = ("alert_fired", "alert_changed", "alert_cleared", "announced_ended", "check_removed")


@click.group("checks", cls=Group)
def checks() -> None:
    """What is looked at, how it stands; look once now."""


@checks.command("list")
@click.argument("check", required=False, type=CHECK)
@click.option("--failing", is_flag=True, help="Only what is not ok.")
@is_json
def list_checks(check: str | None, failing: bool, as_json: bool) -> int:
    """Every check on every target, worst first."""
    rows = [row for row in door().office().views.checks() if check in (None, row.check)]
    if failing:
        rows = [row for row in rows if row.health is not None and row.health != "ok"]
    if as_json:
        print_json([row.as_json() for row in rows])
        return DONE
    if not rows:
        say("Nothing fails." if failing else "There are no checks.")
        return DONE
    now = door().office().now()
    print_table(["STATE", "CHECK", "TARGET", "SEEN", "SCHEDULE", "SAYS"], [_row(row, now) for row in rows])
    return DONE


def _row(row: CheckRow, now: datetime) -> list[str]:
    target = f"{row.target} {row.item}" if row.item else row.target
    quiet = f" ({row.quiet})" if row.quiet else ""
    quiet += "".join(f" ({note})" for note in row.notes)
    state = str(row.health) if row.health else "waiting"
    if row.seen is not None and row.seen is not row.health:
        quiet += f" ({row.seen} at the last look)"
    seen = times.away(row.seen_at, now) if row.seen_at else "never"
    return [state, row.check, target, seen, row.schedule, row.sentence + quiet]


# ---------------------------------------------------------------------------------------------------------------------
# One look


@checks.command("run")
@click.argument("check", type=CHECK)
@click.option("--target", type=TARGET, metavar="T", help="Needed where the check has several.")
@is_json
def run(check: str, target: str | None, as_json: bool) -> int:
    """Look once, now, without the daemon, and judge by the limits of CHECK. A Nagios plugin: one line
    `STATE: sentence | performance data`, exit 0 ok, 1 warning, 2 critical, 3 unknown and usage errors. Nothing is kept
    and nobody is paged.

    \b
    opswatch checks run disk-space --target this-host
    """
    from opswatch import assemble
    from opswatch.core import judging
    from opswatch.errors import OpswatchError

    office = door().office(for_looking=True)
    known = office.plan.checks.get(check)
    if known is None:
        raise OpswatchError(f"there is no check {check}; there are {', '.join(office.plan.checks)}")
    if known.passive:
        raise OpswatchError(f"nobody looks at {check}: others report it, as {', '.join(known.passive)}")
    target = _target(known, target)
    verdict = assemble.look_once(office, known, target)
    seen = judging.judge(known, verdict, {}, office.views.norms(check, target, verdict.at))
    if as_json:
        print_json(_verdict_json(known, target, verdict, seen))
        from opswatch.cli.plugin import STATES, worst

        return STATES[worst([one.health for one in seen.values()])][1]
    return _speak(known, verdict, seen)


@checks.command("submit")
@click.argument("lines", nargs=-1, metavar="[LINE]...")
@click.option("--dry-run", is_flag=True, help="Say what each line means, and keep nothing.")
@is_json
def submit(lines: tuple[str, ...], dry_run: bool, as_json: bool) -> int:
    """Report results of passive checks, as Nagios' command file takes them; without LINE from standard input. The
    daemon takes them in within seconds, or when it starts. Exit 1 when a line cannot be used; the others are kept.

    \b
    opswatch checks submit 'PROCESS_SERVICE_CHECK_RESULT;this-host;raid;2;RAID CRITICAL - disk 3 failed | spares=0'
    """
    from opswatch import passive
    from opswatch.config import HookSettings
    from opswatch.errors import Overloaded, StoreUnavailable
    from opswatch.posts import RESULTS

    office = door().office()
    text = "\n".join(lines) or bytes(click.open_file("-", "rb").read(SUBMITTED_MAX)).decode("utf-8", "replace")
    hook = office.settings.hooks.get("nagios") or HookSettings("nagios")
    told = passive.read(text, office.plan, hook, office.now())
    if not dry_run:
        try:
            office.inbox.accept(told.results, "nagios", RESULTS)
            office.inbox.accept(told.others, "nagios", hook.family)
        except Overloaded as busy:
            raise StoreUnavailable(str(busy)) from None
    problems = (*told.problems, *told.others.problems)
    if as_json:
        print_json(
            {
                "results": [{key: one[key] for key in RESULT_KEYS} for one in told.results.alerts],
                "others": [dict(one["labels"]) for one in told.others.alerts],
                "problems": list(problems),
                "dry_run": dry_run,
            }
        )
    else:
        for one in told.results.alerts:
            say(f"{one['check']} on {one['target']}: {one['health']}: {one['output'].partition(chr(10))[0]}")
        for one in told.others.alerts:
            say(f"{one['labels']['alertname']} on {one['labels']['host']}: {one['annotations']['summary']}")
    for problem in problems:
        click.echo(problem, err=True)
    return REFUSED if problems else DONE


SUBMITTED_MAX = 1024 * 1024
RESULT_KEYS = ("check", "target", "health", "code", "output", "at")


def _target(check: Check, target: str | None) -> str:
    from opswatch.errors import OpswatchError

    if target is None and len(check.targets) == 1:
        return check.targets[0]
    if target is None or target not in check.targets:
        said = "say which with --target" if target is None else f"not {target}"
        raise OpswatchError(f"check {check.id} looks at {', '.join(check.targets) or 'nothing'}: {said}")
    return target


def _speak(check: Check, verdict: Verdict, seen: Mapping[str, Seen]) -> int:
    from opswatch.cli.plugin import performance, speak, worst

    health = worst([one.health for one in seen.values()])
    bad = [one for one in seen.values() if one.health is not seen[""].health or one.health is health]
    bad = [one for one in bad if one.health is health and health != "ok"]
    sentence = bad[0].sentence if bad else verdict.sentence
    others = [
        f"{one.health}: {one.sentence}" for one in seen.values() if one.health != "ok" and one.sentence != sentence
    ]
    data = [performance(sample, check.limits.get(sample.name)) for sample in verdict.samples]
    limits = [words for one in seen.values() for words in (*one.broken, *one.notes)]
    return speak(health, sentence, data, [*others, *limits, *verdict.evidence])


def _verdict_json(check: Check, target: str, verdict: Verdict, seen: Mapping[str, Seen]) -> dict[str, object]:
    from opswatch.cli.plugin import worst
    from opswatch.views import utc

    return {
        "check": check.id,
        "target": target,
        "at": utc(verdict.at),
        "took_s": round(verdict.took_s, 3),
        "state": str(worst([one.health for one in seen.values()])),
        "reason": str(verdict.unknown) if verdict.unknown else None,
        "sentence": verdict.sentence,
        "items": [
            {"item": item or None, "state": str(one.health), "sentence": one.sentence} for item, one in seen.items()
        ],
        "samples": [
            {"name": sample.name, "item": sample.item or None, "value": sample.value, "unit": sample.unit}
            for sample in verdict.samples
        ],
        "evidence": list(verdict.evidence),
    }


# ---------------------------------------------------------------------------------------------------------------------
# What was measured


@checks.command("history")
@click.argument("check", type=CHECK)
@click.option("--target", type=TARGET, metavar="T", help="Only this one.")
@click.option("--from", "start", metavar="T", default=BACK, show_default=True, help="From when.")
@click.option("--to", "end", metavar="T", default="now", show_default=True, help="To when.")
@is_json
def history(check: str, target: str | None, start: str, end: str, as_json: bool) -> int:
    """Values that CHECK saw, where they are heading, and when it failed and recovered.

    \b
    opswatch checks history disk-space --from '7d ago'
    """
    office = door().office()
    known = office.plan.checks.get(check)
    if known is None or (target is not None and target not in known.targets):
        what = f"target {target} of check {check}" if known is not None else f"check {check}"
        click.echo(f"There is no {what}. Known: {', '.join(known.targets if known else office.plan.checks)}.", err=True)
        return REFUSED
    begins, ends = door().instant(start, "--from"), door().instant(end, "--to")
    targets = [target] if target is not None else list(known.targets)
    span = (begins, ends + timedelta(microseconds=1))
    entries = [
        stored
        for stored in office.views.timeline(begins, ends, kinds=HISTORY_KINDS)
        if any(f"{stored.entry.facts.get('alert')}/".startswith(f"{check}/{one}/") for one in targets)
    ]
    if as_json:
        from opswatch.views import entry_json

        samples = [_point_json(one, point) for one in targets for point in office.views.samples(check, one, *span)]
        print_json(
            {
                "check": check,
                "samples": samples,
                "series": [_series_json(*found) for found in _series(office.views, check, targets, span)],
                "alerts": [entry_json(stored) for stored in entries],
            }
        )
        return DONE
    zone, language = door().reader()
    from opswatch import render
    from opswatch.render.documents import Writer

    series = _series(office.views, check, targets, span)
    _print_series(series, Writer(language, plan=office.plan, zone=zone, day=ends))
    for stored in entries:
        words = render.entry(language, stored.entry, plan=office.plan, zone=zone)
        say(f"{times.local(stored.entry.at, zone)}  {words}")
    if not entries:
        say(f"It did not fail between {times.named(begins, zone)} and {times.named(ends, zone)}.")
    return DONE


def _series(
    views: Views, check: str, targets: Iterable[str], span: tuple[datetime, datetime]
) -> Iterator[tuple[History, Summary]]:
    """Everything that was measured in the span."""
    for target in targets:
        for item, name, _ in views.measured(check, target):
            found = views.history(check, target, name, item, *span)
            if found.summary is not None:
                yield found, found.summary


def _print_series(series: Iterable[tuple[History, Summary]], to: Writer) -> None:
    if rows := [_series_row(found, seen, to) for found, seen in series]:
        print_table(["TARGET", "VALUE", "LOOKS", "LEAST", "MEAN", "MOST", "LAST", "COURSE", "AHEAD"], rows)
    else:
        say("Nothing was measured.")


def _series_row(found: History, seen: Summary, to: Writer) -> list[str]:
    from opswatch.render import sparkline

    return [
        f"{found.target} {found.item}".rstrip(),
        f"{found.sample} {found.unit}".rstrip(),
        f"{seen.looks}",
        *(sparkline.figure(value) for value in (seen.least, seen.mean, seen.most, seen.last)),
        sparkline.letters(found),
        sparkline.ahead(to, found.ahead, found.unit) if found.ahead else "",
    ]


def _series_json(found: History, seen: Summary) -> dict[str, object]:
    ahead = found.ahead
    return {
        "target": found.target,
        "name": found.sample,
        "item": found.item or None,
        "unit": found.unit,
        "looks": seen.looks,
        "least": seen.least,
        "mean": seen.mean,
        "p95": seen.p95,
        "most": seen.most,
        "last": seen.last,
        "limit": found.limits[0] if found.limits else None,
        "slope_per_day": ahead.slope_per_day if ahead else None,
        "limit_in_s": int(ahead.left.total_seconds()) if ahead else None,
    }


def _point_json(target: str, point: Point) -> dict[str, object]:
    from opswatch.views import utc

    return {
        "target": target,
        "at": utc(point.at),
        "name": point.name,
        "item": point.item or None,
        "value": point.value,
        "unit": point.unit,
    }
