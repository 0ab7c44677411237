"""Why this priority, who is paged when and how, what is quiet, and what follows if nobody answers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from opswatch.cli.door import door
from opswatch.cli.groups import DONE, REFUSED, Command, is_json
from opswatch.cli.shown import print_json, say, styled
from opswatch.cli.values import CHECK, PRIORITY, SERVICE, TARGET
from opswatch.core.counts import say_count

if TYPE_CHECKING:
    from opswatch.core.changes import State
    from opswatch.core.explain import Explanation, Supposed
    from opswatch.core.matching import Fullmatch
    from opswatch.core.model import Priority
    from opswatch.core.plan import Plan

AS_GOOD_AS_NOW = timedelta(minutes=1)


class _Unknown(Exception):
    """Something that was named is not there; the text says what, and what was probably meant."""


@click.command("explain", cls=Command)
@click.argument("what", required=False, metavar="[INCIDENT|CHECK[/TARGET]]")
@click.option("--service", type=SERVICE, metavar="S", help="Instead: something of this service, were it to fail.")
@click.option("--check", type=CHECK, metavar="C", help="Instead: this check, as CHECK.")
@click.option(
    "--target", type=TARGET, metavar="T", help="Of CHECK or the service; alone: something of it, were it to fail."
)
@click.option(
    "--state",
    type=click.Choice(["crit", "warn", "unknown"]),
    default="crit",
    show_default=True,
    help="How what does not fail would.",
)
@click.option("--priority", type=PRIORITY, metavar="P", help="Were it this priority, whatever the rules say.")
@click.option("--labels", metavar="K=V,…", help="Did it carry these labels too.")
@click.option("--at", metavar="T", help="Were it to fail then; of an incident: how it stands then if nobody answers.")
@is_json
def explain(
    what: str | None,
    service: str | None,
    check: str | None,
    target: str | None,
    state: str,
    priority: Priority | None,
    labels: str | None,
    at: str | None,
    as_json: bool,
) -> int:
    """Which priority and why, which route and policy, who is paged when, how and why just they, if nobody answers, and
    what is quiet and why. For what does not fail, and with --at: as if it did then. Nothing is changed and nobody is
    paged.

    \b
    opswatch explain 142
    opswatch explain disk-space --target this-host --at 'sat 03:00'
    opswatch explain --service orders --state crit --at '2026-12-25 03:00 Asia/Shanghai'
    """
    what, target = _subject(what, check, target)
    if (what is not None and service is not None) or (what, target, service) == (None, None, None):
        raise click.UsageError(f"Say an INCIDENT or CHECK/TARGET, or --service S.{_such_as()}")
    office = door().office()
    now = office.now()
    when = door().instant(at, "--at") if at is not None else now
    is_then = abs(when - now) > AS_GOOD_AS_NOW
    supposed = _supposed(state, priority, _labels(labels), is_then=is_then)
    try:
        found = _explained(what, target, service, supposed, now, when)
    except _Unknown as unknown:
        click.echo(str(unknown), err=True)
        return REFUSED
    from opswatch.render import explain as render

    zone, language = door().reader()
    if as_json:
        print_json(render.as_json(found, office.plan, language=language, zone=zone))
        return DONE
    for line in render.text(found, office.plan, language=language, zone=zone, state=state):
        say(styled(str(found.priority), line) if line.endswith(found.why) else line)
    return DONE


def _such_as() -> str:
    """What there is to ask about, or what to write first where there is nothing."""
    plan = door().office().plan
    if plan.services:
        return f" Such as: opswatch explain --service {next(iter(plan.services))}"
    if plan.targets:
        return f" Such as: opswatch explain --target {next(iter(plan.targets))}"
    return ' Nothing can fail yet: write a [[service]], such as id = "orders".'


def _subject(what: str | None, check: str | None, target: str | None) -> tuple[str | None, str | None]:
    """What is asked about, however it was said: an incident's number or a check; and a target."""
    if what is not None and check is not None:
        raise click.UsageError("Say CHECK or --check, not both.")
    what = what if what is not None else check
    name, slash, of = (what or "").partition("/")
    if slash and target is not None:
        raise click.UsageError("Say CHECK/TARGET or --target, not both.")
    return (name, of) if slash else (what, target)


def _labels(text: str | None) -> dict[str, str]:
    pairs = [part.partition("=") for part in (text or "").split(",") if part.strip()]
    if any(not name.strip() or not equals for name, equals, _ in pairs):
        raise click.BadParameter(f"{text!r}: write labels as area=capacity,region=apac", param_hint="--labels")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _supposed(state: str, priority: Priority | None, labels: dict[str, str], *, is_then: bool) -> Supposed:
    from opswatch.core.explain import Supposed
    from opswatch.core.model import Health

    return Supposed(Health(state), is_then, priority, labels)


def _explained(
    what: str | None, target: str | None, service: str | None, supposed: Supposed, now: datetime, when: datetime
) -> Explanation:
    """Raises _Unknown, in words."""
    from opswatch.assemble import linear_fullmatch
    from opswatch.core import explain

    office = door().office()
    office.desk.refresh()
    with office.desk.looking() as (so, engine):
        plan = engine.plan
        given: dict[str, Any] = {"supposed": supposed, "regex": linear_fullmatch()}
        if service is not None:
            _known("service", service, plan.services)
            if target is not None:
                _known(
                    f"target of {service}", target, [one.id for one in plan.targets.values() if one.service == service]
                )
                return explain.of_target(plan, so, target, when, **given)
            return explain.of_service(plan, so, service, when, **given)
        if what is None:
            assert target is not None
            _known("target", target, plan.targets)
            return explain.of_target(plan, so, target, when, **given)
        number = what.removeprefix("#")
        if number.isdecimal() and target is None:
            return _incident(plan, so, int(number), now, when if supposed.is_then else None, given["regex"])
        return explain.of_check(plan, so, what, _target_of(plan, what, target), when, **given)


def _incident(plan: Plan, so: State, number: int, now: datetime, at: datetime | None, regex: Fullmatch) -> Explanation:
    from opswatch.core import explain

    if at is not None and at < now:
        raise click.BadParameter(f"what was so is told by: opswatch show {number}", param_hint="--at")
    try:
        return explain.of_incident(plan, so, number, now, regex, at=at)
    except KeyError:
        raise _Unknown(f"There is no incident {str(number)!r} that can be explained.") from None


def _target_of(plan: Plan, check: str, target: str | None) -> str:
    """The target that is meant: the only one where none is named."""
    if check not in plan.checks and check in plan.services:
        raise _Unknown(f"There is no check {check!r}; the service of that name: opswatch explain --service {check}")
    _known("check", check, plan.checks)
    targets = plan.checks[check].targets
    if target is None:
        if len(targets) != 1:
            listed = ", ".join(targets) or "none"
            raise click.UsageError(
                f"{check} looks at {say_count(len(targets), 'target')}: say --target T, one of {listed}"
            )
        return targets[0]
    _known(f"target of {check}", target, targets)
    return target


def _known(kind: str, name: str, known: Iterable[str]) -> None:
    names = list(known)
    if name in names:
        return
    from opswatch.config.suggest import listed, nearest

    near = nearest(name, names)
    hint = f"did you mean {near!r}?" if near else f"known are {listed(names)}"
    if not names and " " not in kind:
        hint = f"write a [[{kind}]] first"
    raise _Unknown(f"There is no {kind} {name!r}: {hint}")
