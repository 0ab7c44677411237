"""What is ahead and what was written, as pages: rosters for two weeks, documents on record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doors.web_office import WebOffice, web_office


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WebOffice]:
    with web_office(tmp_path) as opened:
        yield opened


def on_record(site: WebOffice, kind: str, name: str, text: str) -> Path:
    folder = site.office.settings.data_dir / "records" / kind
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def test_every_roster_is_shown_with_its_people_in_the_readers_zone(site):
    page = site.get("/rosters").text
    for roster in site.office.plan.rosters:
        assert roster in page
    assert "Europe/Berlin" in page
    assert page.count("<li") >= len(site.office.plan.rosters)


def test_the_dashboard_leads_to_both(site):
    page = site.get("/").text
    assert 'href="/rosters"' in page
    assert 'href="/documents"' in page


def test_documents_are_listed_newest_first_and_read_without_their_marks(site):
    text = "# Duty log: primary\n\n<!-- opswatch:facts -->\nquiet night\n<!-- seal 0 -->\n<!-- /opswatch:facts -->\n"
    on_record(site, "dutylog", "2026-11-20-primary-chen.md", text)
    listing = site.get("/documents").text
    assert "Duty log: primary" in listing
    page = site.get("/documents/dutylog/2026-11-20-primary-chen.md").text
    assert "quiet night" in page
    assert "opswatch:facts" not in page


def test_without_documents_the_page_says_so_kindly(site):
    assert "Nothing has been written yet" in site.get("/documents").text


@pytest.mark.parametrize(
    "path",
    [
        "/documents/dutylog/none.md",
        "/documents/dutylog/..%2f..%2fsecret.key",
        "/documents/..%2f/opswatch.db",
        "/documents/dutylog/secret.key",
    ],
)
def test_nothing_but_documents_can_be_read(site, path):
    on_record(site, "dutylog", "real.md", "# Real\n")
    answer = site.get(path)
    assert answer.status_code == 404
    assert "SQLite" not in answer.text


def test_a_link_that_leads_away_is_not_followed(site, tmp_path):
    secret = tmp_path / "elsewhere.md"
    secret.write_text("# not yours\n")
    link = on_record(site, "dutylog", "real.md", "# Real\n").with_name("link.md")
    link.symlink_to(secret)
    assert site.get("/documents/dutylog/link.md").status_code == 404


def test_hostile_markdown_stays_text(site):
    on_record(site, "dutylog", "hostile.md", "# x\n\n<script>alert(1)</script>\n\n[y](javascript:alert(1))\n")
    page = site.get("/documents/dutylog/hostile.md").text
    assert "<script>alert" not in page
    assert 'href="javascript:' not in page


def test_strangers_are_asked_who_they_are(site):
    answer = site.get("/rosters", headers={"X-Forwarded-For": "203.0.113.9"})
    assert answer.status_code in (401, 403)
