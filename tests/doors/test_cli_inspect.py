"""`opswatch inspect`: a real round on this host, its report, its list, and signing at the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.doors.terminal import Terminal

DAILY = """
[[inspection]]
id = "daily"
cron = "30 7 * * *"
checks = ["load", "root"]
deliver = ["channel:record"]
checklist = ["restore one file", "look at the lamps"]
"""
ROOT = """
[[check]]
id = "root"
probe = "command"
targets = ["db-1"]
confirm = 1
args = { command = ["/bin/sh", "-c", "echo 'ROOT CRITICAL - 97 % | used=97%;80;90'; exit 2"] }
"""


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal(tmp_path, monkeypatch)
    made.writes(made.config.read_text() + DAILY)
    (tmp_path / "checks" / "rounds.toml").write_text(ROOT)
    return made


def runs(terminal: Terminal) -> list[dict[str, object]]:
    found: list[dict[str, object]] = terminal.says("inspect", "list", "--json").json
    return found


def test_a_round_looks_for_real_and_prints_what_matters(terminal: Terminal):
    said = terminal.says("inspect", "daily")
    assert said.code == 0, said.err
    assert said.out.startswith("# Daily inspection, ")
    assert "**1 critical, 1 ok**" in said.out
    assert "**critical** P1 root db-1: ROOT CRITICAL - 97 %" in said.out
    assert "opswatch inspect sign" in said.out
    assert "Everything that was looked at" not in said.out
    (html, markdown) = [Path(line) for line in said.out.splitlines() if line.startswith("/")]
    assert "<title>Daily inspection" in html.read_text() and markdown.suffix == ".md"


def test_everything_is_there_for_who_asks(terminal: Terminal):
    said = terminal.says("inspect", "daily", "--all")
    assert "## Everything that was looked at" in said.out and "load db-1" in said.out


def test_programs_get_json_and_the_second_run_is_compared_with_the_first(terminal: Terminal):
    first = terminal.says("inspect", "daily", "--json").json
    assert (first["last_run"], first["by"], first["counts"]["crit"]) == (None, "ana", 1)
    (root,) = [line for line in first["lines"] if line["check"] == "root"]
    assert (root["state"], root["looks"], root["owner"]) == ("crit", 1, None)
    weekly = terminal.says("inspect", "weekly", "--json").json
    assert {line["check"] for line in weekly["lines"]} >= {"db", "load", "root"}, "nobody wrote it: every check"
    last = runs(terminal)
    assert [row["inspection"] for row in last] == ["weekly", "daily"]
    shown = terminal.says("inspect", "show", "daily", "--json").json
    assert shown["run"] == first["run"]


def test_ones_own_look_tells_nobody_and_a_delivered_one_does(terminal: Terminal):
    terminal.says("inspect", "daily")
    with terminal.office() as office:
        assert office.store.pending() == 0
        assert office.views.incidents() == []
    said = terminal.says("inspect", "daily", "--deliver")
    assert said.code == 0, said.err
    with terminal.office() as office:
        promised = [row for row in office.store.messages() if row.kind == "announce" and row.channel == "record"]
        assert len(promised) == 1
        assert [row.title for row in office.views.incidents()] != []


def test_a_viewer_may_look_and_not_deliver(terminal: Terminal):
    terminal.is_used_by("vi")
    assert terminal.says("inspect", "daily").code == 0
    refused = terminal.says("inspect", "daily", "--deliver")
    assert refused.code == 1 and "responder" in refused.err


def test_somebody_the_configuration_does_not_know_may_look_too(terminal: Terminal):
    terminal.is_used_by("nobody-known")
    assert terminal.says("inspect", "daily", "--json").json["by"] == "nobody-known"


def test_an_inspection_that_is_not_there_names_those_that_are(terminal: Terminal):
    said = terminal.says("inspect", "hourly")
    assert said.code == 1 and "daily, weekly, monthly" in said.err
    assert terminal.says("inspect", "show", "2026-01-01-daily").code == 1


def test_items_are_signed_by_name(terminal: Terminal):
    run = str(terminal.says("inspect", "daily", "--json").json["run"])
    assert runs(terminal)[0]["unsigned"] == 2
    said = terminal.says("inspect", "sign", run, "2", "--note", "two were out")
    assert said.code == 0 and "1 left to sign" in said.out
    again = terminal.says("inspect", "sign", run, "2")
    assert again.code == 0 and "signed already, by Ana Ruiz" in again.out
    assert terminal.says("inspect", "sign", run, "3").code == 1
    shown = json.loads(terminal.says("inspect", "show", run, "--json").out)
    assert [item["signed_by"] for item in shown["checklist"]] == [None, "ana"]
    assert shown["checklist"][1]["note"] == "two were out"
    assert runs(terminal)[0]["unsigned"] == 1


def test_the_page_is_written_where_it_is_wanted(terminal: Terminal, tmp_path: Path):
    page = tmp_path / "report.html"
    terminal.says("inspect", "daily", "--html", str(page))
    assert page.read_text().startswith("<!doctype html>")


def test_the_list_says_when_there_is_nothing(terminal: Terminal):
    assert "No inspection has run yet" in terminal.says("inspect", "list").out
