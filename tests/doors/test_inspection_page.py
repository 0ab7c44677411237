"""A report as a customer opens it: complete, in both languages, at the width of a phone, on paper, fetching nothing."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from opswatch import records
from opswatch.core.model import Health
from opswatch.render import inspection_page, inspection_text
from opswatch.render.inspection import say_value
from tests.doors import browser
from tests.doors.browser import DESKTOP, PHONE, Tab
from tests.doors.inspection_report import line, report, team, well

HOSTILE = "<script>alert(1)</script> | <!-- opswatch:needs --> ](http://evil)"


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with browser.chromium() as chromium, chromium.tab() as opened:
        yield opened


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_it_fits_every_screen_and_fetches_nothing(tab: Tab, tmp_path: Path, language: str, size: tuple[int, int]):
    page = tmp_path / "report.html"
    page.write_text(inspection_page.page(report(), team(), language=language), encoding="utf-8")
    tab.opens(page.as_uri(), size=size, dark=language == "zh")
    assert tab.runs("document.documentElement.scrollWidth") == size[0]
    assert tab.runs("performance.getEntriesByType('resource').length") == 0
    assert tab.trouble == []
    assert tab.runs("document.querySelectorAll('svg.spark').length") > 5


def test_what_changed_comes_first(tab: Tab, tmp_path: Path):
    page = tmp_path / "report.html"
    page.write_text(inspection_page.page(report(), team()), encoding="utf-8")
    tab.opens(page.as_uri(), size=DESKTOP)
    headings = tab.runs("[...document.querySelectorAll('h2')].map(one => one.innerText)")
    assert headings == [
        "What changed since the last run",
        "Needs a person",
        "To be looked at by people",
        "On its way to a limit",
        "Everything that was looked at",
    ]
    needs = tab.text("#needs")
    assert "96 %" in needs and "warning > 80 %, critical > 90 %" in needs and "Last run: 93.1 %" in needs
    assert "team commerce" in needs and "Since Sun 15 Nov 07:30" in needs
    assert "2d 3h" in needs and "critical > 1d 2h" in needs
    assert "✓ Chen, Tue 17 Nov 08:12" in tab.text("#checklist") and "not signed yet" in tab.text("#checklist")
    assert "10d 14h left" in tab.text("#heading")
    assert "it failed at 1 of 2 looks: connection reset by peer" in tab.text("#everything")


def test_all_well_says_so():
    html = inspection_page.page(well(), team())
    assert "All is well: 9 things looked at, each ok" in html
    assert "Nothing that was looked at needs a person." in html and "Nothing changed since 2026-11-16-daily" in html


def test_what_strangers_write_is_shown_and_not_obeyed():
    hostile = report(lines=(line("disk", "db-1", HOSTILE, health=Health.CRIT, sentence=HOSTILE, evidence=(HOSTILE,)),))
    assert "<script>" not in inspection_page.page(hostile, team())
    document = inspection_text.markdown(hostile, team())
    assert "<script>" not in document.text
    assert list(records.parts_of(document.text)) == [
        "summary",
        "changes",
        "needs",
        "checklist",
        "heading",
        "everything",
    ]


def test_the_markdown_says_the_same_and_survives_people(tmp_path: Path):
    plan = team()
    first = records.merged("", inspection_text.markdown(report(signatures=()), plan))
    assert "[ ] 2. Server room" in first and "▁" in first
    edited = first.replace("## Notes", "## Notes\n\nThe courier took the tape.")
    second = records.merged(edited, inspection_text.markdown(report(), plan))
    assert "The courier took the tape." in second and "[x] 2. Server room" in second


def test_a_part_that_people_took_over_still_hears_of_signatures():
    plan = team()
    first = records.merged("", inspection_text.markdown(report(signatures=()), plan))
    touched = first.replace("Read the newest ten complaints", "Read ALL complaints")
    second = records.merged(touched, inspection_text.markdown(report(), plan))
    assert "Read ALL complaints" in second and "[ ] 2. Server room" in second
    assert "- [x] 2. Server room" in second.split("opswatch:checklist.2")[1]


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (96.0, "%", "96 %"),
        (93.14, "%", "93.1 %"),
        (11.8 * 2**30, "B", "11.8 GiB"),
        (-2048.0, "B", "-2 KiB"),
        (0.18, "s", "180 ms"),
        (1204.0, "", "1,204"),
        (0.0, "s", "0 s"),
        (float("inf"), "", "inf"),
    ],
)
def test_values_are_said_for_people(value: float, unit: str, said: str):
    assert say_value(value, unit) == said


def test_both_catalogues_say_the_same_things():
    catalogues = [
        tomllib.loads(files("opswatch").joinpath("locale", f"inspection.{name}.toml").read_text(encoding="utf-8"))
        for name in ("en", "zh")
    ]
    english, chinese = ({section: set(words) for section, words in one.items()} for one in catalogues)
    assert english == chinese
    for section, words in catalogues[0].items():
        for name, text in words.items():
            facts = set(re.findall(r"\{(\w+)\??\}", text))
            assert facts == set(re.findall(r"\{(\w+)\??\}", catalogues[1][section][name])), f"{section}.{name}"
