"""The rotation review at the terminal, and its HTML as a browser shows it."""

from __future__ import annotations

from pathlib import Path

from tests.doors.browser import DESKTOP, PHONE, chromium
from tests.doors.terminal import Terminal


def test_a_week_that_runs_is_reviewed_when_asked_for(terminal: Terminal):
    terminal.fails()
    terminal.says("ack", "1")
    said = terminal.says("review", "week", "--at", "now")
    assert said.code == 0
    assert said.out.startswith("# Rotation review: week ")
    assert "- It runs still: " in said.out
    assert "1 incident (1 P1)" in said.out


def test_the_last_week_is_the_default_and_says_that_nothing_is_known_of_it(terminal: Terminal):
    terminal.fails()
    assert "opswatch did not run yet" in terminal.says("review").out


def test_json_is_for_programs(terminal: Terminal):
    terminal.fails()
    values = terminal.says("review", "month", "--at", "now", "--json").json
    assert (values["kind"], values["figures"][1]["opened"]) == ("month", 1)


def test_another_span_is_usage(terminal: Terminal):
    assert terminal.says("review", "day").code == 2


def test_the_page_fits_a_phone_and_a_desktop(terminal: Terminal, tmp_path: Path):
    terminal.fails()
    file = tmp_path / "review.html"
    said = terminal.says("review", "--at", "now", "--html", str(file))
    assert (said.code, said.out) == (0, f"{file}\n")
    with chromium() as browser, browser.tab() as tab:
        for size in (PHONE, DESKTOP):
            tab.opens(file.as_uri(), size=size, scripts=size == DESKTOP)
            assert tab.runs("document.documentElement.scrollWidth") <= size[0]
        assert "Incidents opened on each day" in tab.text()
        bars = "[...document.querySelectorAll('svg.bars rect.p1')].map(one => one.getBoundingClientRect().height)"
        assert [height > 20 for height in tab.runs(bars)] == [True]
        assert tab.trouble == []
