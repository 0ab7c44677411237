"""Webhooks: where what is posted, and what a body would become before anybody posts it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from opswatch.cli.door import door
from opswatch.cli.groups import DONE, REFUSED, Group, is_json
from opswatch.cli.shown import print_json, print_table, say
from opswatch.cli.values import HOOK

if TYPE_CHECKING:
    from opswatch.config import HookSettings
    from opswatch.core.explain_posted import Outlook
    from opswatch.hooks import Found


@click.group("hook", cls=Group)
def hook() -> None:
    """Webhooks: where what is posted, and what a body would become."""


@hook.command("list")
@is_json
def list_hooks(as_json: bool) -> int:
    """Each hook: where it is posted, how it may be signed, how often it says again what still fires."""
    office = door().office()
    from opswatch.core.spans import say_span

    rows = [
        {
            "id": one.id,
            "url": f"{office.settings.public_url}{one.path}",
            "signature": one.signature if one.secret is not None else None,
            "repeat": say_span(one.repeat) if one.repeat is not None else None,
        }
        for one in office.settings.hooks.values()
    ]
    if as_json:
        print_json(rows)
        return DONE
    shown = [
        [str(row["id"]), str(row["url"]), str(row["repeat"] or "speaks once"), str(row["signature"] or "")]
        for row in rows
    ]
    print_table(["HOOK", "POST TO", "SAYS AGAIN", "SIGNED IN"], shown)
    return DONE


@hook.command("try")
@click.argument("name", metavar="HOOK", type=HOOK)
@click.argument("file", metavar="FILE|-")
@is_json
def try_hook(name: str, file: str, as_json: bool) -> int:
    """What the JSON in FILE would become if it were posted at HOOK now: each alert with its labels, what it is to
    opswatch, its priority and why, and who would be paged. Nothing is stored and nobody is paged. Exit 1 when something
    of it cannot be used.

    \b
    opswatch hook try billing alert.json
    curl -s https://example.com/last-alert | opswatch hook try billing -
    """
    from opswatch import hooks
    from opswatch.posts import BadPost

    office = door().office()
    known = office.settings.hooks
    if name not in known:
        from opswatch.config.suggest import listed, nearest

        near = nearest(name, known)
        hint = f"did you mean {near!r}?" if near else f"there are {listed(known)}"
        click.echo(f"There is no hook {name!r}: {hint}", err=True)
        return REFUSED
    if name == "nagios":
        click.echo("Lines of Nagios are tried by: opswatch checks submit --dry-run", err=True)
        return REFUSED
    now = office.now()
    try:
        found = hooks.read(known[name], _bytes(file, hooks.BODY_MAX + 1), now)
    except BadPost as bad:
        click.echo(str(bad), err=True)
        if as_json:
            print_json({"hook": name, "alerts": [], "ignored": 0, "problems": [str(bad)], "notes": []})
        return REFUSED
    outlooks = _outlooks(known[name], found, now)
    if as_json:
        print_json(_as_json(name, found, outlooks))
    else:
        _say(found, outlooks)
    return REFUSED if found.read.problems else DONE


def _bytes(file: str, most: int) -> bytes:
    """What the file, or standard input, holds; no more than is looked at."""
    try:
        with click.open_file(file, "rb") as body:
            return bytes(body.read(most))
    except OSError as trouble:
        raise click.BadParameter(f"{file}: {trouble.strerror}", param_hint="FILE") from None


def _outlooks(hook: HookSettings, found: Found, now: datetime) -> list[tuple[dict[str, Any], Outlook]]:
    """Each alert as the core is handed it, and what it would bring."""
    from opswatch.assemble import linear_fullmatch
    from opswatch.core.events import Posted
    from opswatch.core.explain_posted import of_posted
    from opswatch.posts import alert_of

    office = door().office()
    office.desk.refresh()
    shown = []
    with office.desk.looking() as (state, engine):
        for one in found.read.alerts[:SHOWN_MAX]:
            posted = alert_of(one)
            event = Posted(hook.id, (posted,), now, family=hook.family)
            outlook = of_posted(engine.plan, state, event, now, linear_fullmatch())
            shown.append((_facts(one, posted), outlook))
    return shown


SHOWN_MAX = 20


def _facts(one: Any, posted: Any) -> dict[str, Any]:
    from opswatch.views import utc

    return {
        "status": one.get("status"),
        "labels": dict(posted.labels),
        "annotations": dict(posted.annotations),
        "key": posted.key or None,
        "starts_at": utc(posted.starts_at) if posted.starts_at is not None else None,
        "ends_at": utc(posted.ends_at) if posted.ends_at is not None else None,
        "url": posted.generator_url or None,
    }


def _state(outlook: Outlook) -> str:
    after = outlook.after
    if after is None:
        return "resolved" if outlook.before is not None else "resolved; it does not fail here"
    reason = f" ({after.reason})" if after.reason is not None else ""
    return f"{after.health}{reason}"


def _say(found: Found, outlooks: list[tuple[dict[str, Any], Outlook]]) -> None:
    from opswatch.render import explain as render

    plan = door().office().plan
    zone, language = door().reader()
    for number, (facts, outlook) in enumerate(outlooks, start=1):
        say(f"{number}. {facts['annotations'].get('summary') or facts['labels'].get('alertname', '')}")
        rows = [("state", _state(outlook)), ("alert", outlook.key), ("key", facts["key"] or "its labels")]
        rows.append(("labels", ", ".join(f"{name}={value}" for name, value in sorted(facts["labels"].items()))))
        shown = outlook.after or outlook.before
        if shown is not None:
            rows += [("service", shown.service or "none"), ("target", shown.seen_as or "none of the configuration")]
        rows += [(name, facts[name]) for name in ("starts_at", "ends_at", "url") if facts[name]]
        if outlook.before is not None and outlook.before.incident is not None:
            rows.append(("incident", f"{outlook.before.incident}: it fails already"))
        for name, value in rows:
            say(f"   {name:<9} {value}")
        if outlook.follows is not None:
            for line in render.text(outlook.follows, plan, language=language, zone=zone, state=_state(outlook)):
                say(f"   {line}")
        say()
    if len(found.read.alerts) > len(outlooks):
        say(f"and {len(found.read.alerts) - len(outlooks)} more")
    if found.ignored:
        say(f"ignored: {found.ignored}")
    for note in found.notes:
        say(f"note: {note}")
    for problem in found.read.problems:
        click.echo(f"problem: {problem}", err=True)


def _as_json(name: str, found: Found, outlooks: list[tuple[dict[str, Any], Outlook]]) -> dict[str, object]:
    from opswatch.render import explain as render

    plan = door().office().plan
    zone, language = door().reader()
    alerts = []
    for facts, outlook in outlooks:
        shown = outlook.after or outlook.before
        alerts.append(
            facts
            | {
                "alert": outlook.key,
                "state": str(outlook.after.health) if outlook.after is not None else "ok",
                "reason": str(outlook.after.reason) if outlook.after is not None and outlook.after.reason else None,
                "service": shown.service if shown is not None else None,
                "target": shown.seen_as if shown is not None else None,
                "fails_already": outlook.before is not None,
                "follows": render.as_json(outlook.follows, plan, language=language, zone=zone)
                if outlook.follows is not None
                else None,
            }
        )
    more = len(found.read.alerts) - len(outlooks)
    return {
        "hook": name,
        "alerts": alerts,
        "more": more,
        "ignored": found.ignored,
        "problems": list(found.read.problems),
        "notes": list(found.notes),
    }
