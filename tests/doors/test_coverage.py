"""What is wrong with the weeks ahead, at the terminal, as a page and as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doors.browser import DESKTOP, PHONE, Browser, chromium
from tests.doors.terminal import Terminal
from tests.doors.web_office import WebOffice, web_office


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WebOffice]:
    with web_office(tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def test_the_terminal_says_what_is_wrong_and_draws_the_days(terminal: Terminal):
    said = terminal.says("roster", "coverage", "--roster", "nights", "--days", "3")
    assert said.code == 0
    assert "Gap: nobody is on call from" in said.out
    assert "paged instead: Lena" in said.out
    rows = re.findall(r"^  (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d{4}-\d\d-\d\d  ([ A!·]{24})  ", said.out, re.MULTILINE)
    assert len(rows) in (3, 4)
    assert "!!!" in "".join(rows) and "! nobody: a gap" in said.out


def test_it_speaks_the_language_of_who_reads(terminal: Terminal):
    terminal.is_used_by("bo")
    assert "缺口：" in terminal.says("roster", "coverage").out.replace(": ", "：")


def test_check_fails_where_there_are_gaps_and_only_there(terminal: Terminal):
    assert terminal.says("roster", "coverage", "--roster", "nights", "--check").code == 1
    assert terminal.says("roster", "coverage", "--roster", "primary", "--check").code == 0


def test_json_has_findings_gaps_and_shifts_in_utc(terminal: Terminal):
    (one,) = terminal.says("roster", "coverage", "--roster", "nights", "--days", "2", "--json").json
    assert one["gap_s"] > 0 and one["gaps"][0]["start"].endswith("Z")
    gap = next(finding for finding in one["findings"] if finding["kind"] == "gap")
    assert (gap["people"], gap["why"], gap["override"]) == (["lead"], "hole", None)
    assert {"start", "end", "people", "layer", "override"} == set(one["shifts"][0])


def test_an_unknown_roster_is_refused_with_the_known_ones(terminal: Terminal):
    said = terminal.says("roster", "coverage", "--roster", "nigths")
    assert said.code == 1 and "primary, nights" in said.err
    assert terminal.says("roster", "coverage", "--days", "0").code == 2


def test_the_page_is_written_and_stands_by_itself(terminal: Terminal, tmp_path: Path):
    file = tmp_path / "coverage.html"
    assert terminal.says("roster", "coverage", "--html", str(file)).code == 0
    page = file.read_text(encoding="utf-8")
    assert "<svg" in page and "Gap" in page
    assert not re.search(r"(?:src|href)=\"(?!#)", page), "it fetches nothing"
    assert terminal.says("roster", "coverage", "--html", str(tmp_path / "no" / "x.html")).code == 2


def test_the_rosters_page_warns_and_leads_to_the_calendar(site):
    page = site.get("/rosters").text
    assert "nobody is on call from" in page and 'href="/rosters/weekend"' in page
    calendar = site.get("/rosters/weekend")
    assert calendar.status_code == 200 and 'class="day"' in calendar.text
    assert "sha256-" in calendar.headers["content-security-policy"]
    assert site.get("/rosters/weekdn").status_code == 404
    assert site.stranger("GET", "/rosters/weekend").status_code in (401, 403)


@pytest.mark.needs("chromium")
@pytest.mark.parametrize(("size", "language"), [(DESKTOP, "en"), (PHONE, "en"), (PHONE, "zh")])
def test_the_calendar_fits_the_screen_and_the_browser_has_no_complaint(site, browser, size, language):
    with browser.tab() as tab:
        tab.opens(f"{site.server.url}/rosters/weekend?lang={language}", size=size)
        assert tab.runs("document.documentElement.scrollWidth <= window.innerWidth")
        assert tab.runs("document.querySelectorAll('svg.day').length") >= 30
        assert tab.runs("getComputedStyle(document.querySelector('svg .gap')).fill") != "rgb(0, 0, 0)"
        assert ("缺口" if language == "zh" else "Gap") in tab.text()
        assert tab.trouble == []


def test_the_api_answers_as_the_terminal_does(site):
    (one,) = site.get("/api/v1/coverage?roster=weekend&days=7").json()
    assert one["roster"] == "weekend" and one["gap_s"] > 0
    assert {finding["kind"] for finding in one["findings"]} >= {"gap"}
    shares = site.get("/api/v1/fairness?from=2026-11-16T00:00:00Z&to=2026-11-30T00:00:00Z").json()
    assert {row["person"] for row in shares} == {"chen", "ana"}
    assert sum(row["hours"] for row in shares) > 24 * 13
    assert site.get("/api/v1/coverage?roster=nope").status_code == 404
    assert site.get("/api/v1/coverage?days=0").status_code == 422
    assert site.get("/api/v1/fairness?from=2026-12-01T00:00:00Z&to=2026-11-01T00:00:00Z").status_code == 422
    assert site.stranger("GET", "/api/v1/fairness").status_code == 401
    assert {"/api/v1/coverage", "/api/v1/fairness"} <= set(site.get("/api/v1/openapi.json").json()["paths"])
