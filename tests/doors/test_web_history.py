"""One check's page: how it stands, its values drawn over a month, where they are heading."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opswatch.core.model import Sample, Verdict
from tests.doors.web_office import WebOffice, web_office


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WebOffice]:
    with web_office(tmp_path) as opened:
        yield opened


def a_pair(site: WebOffice) -> tuple[str, str]:
    check = next(iter(site.office.plan.checks.values()))
    return check.id, check.targets[0]


def test_values_are_drawn_with_what_they_are_now(site):
    check, target = a_pair(site)
    for used in (40.0, 42.5, 45.0):
        site.clock.passes(hours=7)
        verdict = Verdict(site.clock(), "looked", samples=(Sample("used_pct", used, "%"),))
        site.office.store.record_samples([(check, target, verdict)])
    site.clock.passes(hours=2)
    page = site.get(f"/checks/{check}/{target}").text
    assert "used_pct" in page
    assert "<svg" in page
    assert "45 %" in page


def test_a_check_without_values_says_so(site):
    check, target = a_pair(site)
    assert "No values are kept yet" in site.get(f"/checks/{check}/{target}").text


@pytest.mark.parametrize("path", ["/checks/nothing/this-host", "/checks/%3Cscript%3E/x"])
def test_an_unknown_check_is_a_friendly_page(site, path):
    answer = site.get(path)
    assert answer.status_code == 404
    assert "<script>" not in answer.text.replace("<script src=", "")


def test_the_dashboard_leads_to_it(site):
    check, target = a_pair(site)
    site.is_fine(check, target)
    assert f'href="/checks/{check}/{target}"' in site.get("/").text
