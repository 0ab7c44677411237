"""`opswatch hook`: what a body would become, before anybody posts it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.doors.terminal import CONFIG, Terminal

HOOKS = """
[[hook]]
id = "billing"
[hook.mapping]
alerts = "items"
title = "message"
dedup_key = "id"
status = { value = "state", resolved = "done" }
service = "'orders'"
labels = { host = "host" }
"""
ONE = {"items": [{"id": 7, "message": "the ledger does not balance", "state": "open", "host": "db-1"}]}


@pytest.fixture
def at(terminal: Terminal) -> Terminal:
    terminal.writes(CONFIG + HOOKS)
    return terminal


def body(at: Terminal, what: object) -> str:
    path: Path = at.folder / "body.json"
    path.write_text(json.dumps(what), encoding="utf-8")
    return str(path)


def test_it_says_what_a_body_becomes_and_who_is_paged(at):
    said = at.says("hook", "try", "billing", body(at, ONE))
    assert said.code == 0, said.err
    assert "1. the ledger does not balance" in said.out
    for line in ("state     crit", "service   orders", "target    db-1", "key       7"):
        assert line in said.out
    assert "P1 because: crit, tier 2 service orders" in said.out
    assert "Ana Ruiz" in said.out or "Bo" in said.out
    assert "Lena" in said.out  # If nobody answers.


def test_nothing_is_stored_and_nobody_is_paged(at):
    at.says("hook", "try", "billing", body(at, ONE))
    with at.office() as office:
        assert office.store.waiting().alerts == 0
        with office.desk.looking() as (state, _):
            assert not state.incidents and not state.alerts


def test_for_programs(at):
    found = at.says("hook", "try", "billing", body(at, ONE), "--json").json
    (alert,) = found["alerts"]
    assert (alert["state"], alert["service"], alert["target"], alert["key"]) == ("crit", "orders", "db-1", "7")
    assert alert["labels"] == {"alertname": "billing", "host": "db-1", "service": "orders"}
    assert alert["follows"]["priority"] == "P1" and alert["follows"]["pages"]
    assert found["problems"] == found["notes"] == []


def test_what_fails_already_is_said_so_and_its_end_too(at):
    from opswatch import hooks
    from opswatch.core.events import Posted
    from opswatch.posts import alert_of

    with at.office() as office:
        billing = office.settings.hooks["billing"]
        read = hooks.read(billing, json.dumps(ONE).encode(), office.now()).read
        event = Posted("billing", tuple(alert_of(one) for one in read.alerts), office.now(), family=billing.family)
        office.desk.apply(event)
    said = at.says("hook", "try", "billing", body(at, ONE))
    assert "1: it fails already" in said.out
    over = {"items": [{"id": 7, "state": "done"}]}
    said = at.says("hook", "try", "billing", body(at, over))
    assert "state     resolved" in said.out and said.code == 0


def test_what_cannot_be_used_is_named_with_its_place(at):
    bad = {"items": [*ONE["items"], {"id": 8, "mesage": "x", "state": "open"}]}
    said = at.says("hook", "try", "billing", body(at, bad))
    assert said.code == 1
    assert "alert 2 of 2: title = 'message' gives nothing" in said.err and "did you mean 'mesage'?" in said.err
    assert at.says("hook", "try", "billing", body(at, {"thing": 1})).code == 1
    said = at.says("hook", "try", "biling", body(at, ONE))
    assert (said.code, "did you mean 'billing'?" in said.err) == (1, True)
    assert at.says("hook", "try", "billing", str(at.folder / "none.json")).code == 2


def test_hooks_are_listed_with_where_they_are_posted(at):
    rows = {row["id"]: row for row in at.says("hook", "list", "--json").json}
    assert set(rows) == {"alertmanager", "grafana", "nagios", "billing"}
    assert rows["billing"]["url"].endswith("/hooks/generic/billing") and rows["billing"]["repeat"] is None
    assert "speaks once" in at.says("hook", "list").out


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ("title = \"jion('x', y)\"", "did you mean join()?"),
        ('title = "a."', "JMESPath"),
        ('title = "a"\nstatus = "lower(a, b)"', "lower() takes 1 argument, not 2"),
        ('titel = "a"', "title"),
        ('title = "a"\nlabels = { x = 5 }', "a JMESPath expression in quotes"),
        ('title = "a"\nstatus = { value = "s", resolved = ["1"], firing = [1] }', "stands in two lists"),
        ('summary = "a"', 'title = "message"'),
        ('title = "a"\ntimezone = "Europe/Berln"', "Europe/Berlin"),
    ],
)
def test_a_mapping_is_checked_at_load_with_its_place(terminal, mapping, words):
    terminal.writes(f'{CONFIG}\n[[hook]]\nid = "x"\n[hook.mapping]\n{mapping}\n')
    said = terminal.says("config", "check")
    assert said.code == 2
    assert words in said.err, said.err
    assert "config.toml:" in said.err and "[[hook]] x" in said.err


@pytest.mark.parametrize(
    ("hook", "words"),
    [
        ('id = "grafana"\nmapping = { title = "a" }', "reads a format of its own"),
        ('id = "mine"', "mapping"),
        ('id = "mine"\nmapping = { title = "a" }\nsecret = "short"', "at least 16"),
        ('id = "mine"\nmapping = { title = "a" }\nsignature = "X-Sig"', "is required beside"),
    ],
)
def test_a_hook_is_checked_at_load(terminal, hook, words):
    terminal.writes(f"{CONFIG}\n[[hook]]\n{hook}\n")
    said = terminal.says("config", "check")
    assert (said.code, words in said.err) == (2, True), said.err
