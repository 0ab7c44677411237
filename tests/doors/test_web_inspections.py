"""Inspections on the web: the list, a report that only its own style sheet may style, and signing by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opswatch.core.events import Inspected
from tests.doors.browser import PHONE, Tab, chromium
from tests.doors.inspection_report import RUN, report
from tests.doors.test_web_browser import FAINT, SMALL
from tests.doors.web_office import ACT_TOKEN, WebOffice, web_office

PAGE = f"/inspections/{RUN}"


def ran(site: WebOffice) -> None:
    """A round has been, yesterday morning."""
    found = report(signatures=())
    site.office.store.keep_inspection(found, found.ended_at)
    event = Inspected(RUN, "daily", "ops-1", found.counts(), found.changes(), checklist=len(found.checklist))
    site.office.desk.apply(event)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WebOffice]:
    with web_office(tmp_path) as opened:
        yield opened


def test_before_the_first_round_the_list_says_so(site: WebOffice):
    assert "No inspection has run yet" in site.get("/inspections").text


def test_the_list_says_how_each_round_ended(site: WebOffice):
    ran(site)
    page = site.get("/inspections?lang=en").text
    assert f"/inspections/{RUN}?lang=en" in page
    for words in ("Daily inspection", "2 critical, 1 warning, 1 unknown", "2 worse, 1 new", "3 items to sign"):
        assert words in page
    assert "3 项待签字" in site.get("/inspections?lang=zh").text


def test_a_report_is_for_those_who_may_read(site: WebOffice):
    ran(site)
    assert site.stranger("GET", PAGE).status_code == 401
    assert site.stranger("GET", "/inspections").status_code == 401
    answer = site.get(PAGE)
    assert answer.status_code == 200 and "96 %" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "style-src 'sha256-" in policy and "script-src" not in policy and "unsafe" not in policy
    assert "<form" not in answer.text, "who looks without a name signs nothing"


@pytest.mark.parametrize("run", ["2026-11-18-daily", "..%2f..%2fsecret.key", "x" * 300])
def test_what_never_ran_is_not_found(site: WebOffice, run: str):
    assert site.get(f"/inspections/{run}").status_code == 404


@pytest.mark.parametrize(("kind", "begins"), [("html", "<!doctype html>"), ("md", "# Daily"), ("json", "{")])
def test_a_report_can_be_kept(site: WebOffice, kind: str, begins: str):
    ran(site)
    answer = site.get(f"{PAGE}/report.{kind}?lang=en")
    assert answer.text.startswith(begins)
    assert answer.headers["content-disposition"] == f'attachment; filename="{RUN}.{kind}"'
    assert site.get(f"{PAGE}/report.exe").status_code == 404


def test_a_program_signs_as_the_person_its_token_names_or_is_told_why_not(site: WebOffice):
    ran(site)
    answer = site.post(f"{PAGE}/sign", token=ACT_TOKEN, data={"item": "1"}, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["key"]) == (409, "no_person")


@pytest.mark.needs("chromium")
def test_a_person_signs_on_a_phone(site: WebOffice):
    ran(site)
    with chromium() as browser, browser.tab() as tab:
        _sign_in(tab, site)
        tab.opens(f"{site.server.url}{PAGE}?lang=en", size=PHONE)
        assert tab.runs("document.documentElement.scrollWidth") == PHONE[0]
        assert (tab.runs(FAINT), tab.runs(SMALL)) == ([], [])
        tab.types("#checklist input[name=note]", "opened it, all there")
        tab.clicks("#checklist button")
        assert "Item 1 of 2026-11-17-daily is signed by you. 2 left to sign." in tab.text(".said")
        assert "opened it, all there" in tab.text("#checklist")
        assert tab.trouble == []
        tab.opens(f"{site.server.url}{PAGE}?lang=zh", size=PHONE, dark=True)
        assert tab.runs(FAINT) == []
        tab.opens(f"{site.server.url}/inspections?lang=zh", size=PHONE, dark=True)
        assert tab.runs("document.documentElement.scrollWidth") == PHONE[0]
        assert "2 项待签字" in tab.text() and tab.trouble == []
    (entry,) = site.office.views.timeline(kinds=["inspection_signed"])
    assert (entry.entry.by, entry.entry.facts["door"]) == ("ana", "web")


def _sign_in(tab: Tab, site: WebOffice) -> None:
    tab.opens(f"{site.server.url}/sign-in?lang=en", size=PHONE)
    tab.types("[name=token]", ACT_TOKEN)
    tab.types("[name=person]", "ana")
    tab.clicks("main form button")
