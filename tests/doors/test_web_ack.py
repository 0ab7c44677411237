"""Signed links: looking at one changes nothing, its button says one sentence of one person, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opswatch.core.events import Acknowledge, Resolve
from opswatch.core.model import Status
from tests.doors.web_office import WebOffice, web_office


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WebOffice]:
    with web_office(tmp_path) as opened:
        opened.fails("shop-answers", "shop", "the shop answers 503")
        yield opened


def entries(site: WebOffice) -> int:
    return len(site.office.views.incident(1).entries)


def status(site: WebOffice) -> Status:
    return site.office.views.incident(1).incident.status


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_link_preview_acknowledges_nothing(site: WebOffice, method: str):
    before = entries(site)
    for agent in ("Slackbot-LinkExpanding 1.0", "facebookexternalhit/1.1", "Mozilla/5.0"):
        headers = {"User-Agent": agent, "Purpose": "prefetch", "Sec-Purpose": "prefetch"}
        assert site.stranger(method, site.ack_link(1, "ana"), headers=headers).status_code == 200
    assert (status(site), entries(site)) == (Status.TRIGGERED, before)


def test_other_methods_do_nothing_either(site: WebOffice):
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
        assert site.stranger(method, site.ack_link(1, "ana")).status_code == 405
    assert status(site) is Status.TRIGGERED


def test_the_page_asks_and_its_button_acknowledges(site: WebOffice):
    link = site.ack_link(1, "ana")
    asked = site.stranger("GET", link)
    assert "Take #1?" in asked.text
    assert "the shop answers 503" in asked.text
    assert 'method="post"' in asked.text
    done = site.stranger("POST", link)
    assert done.status_code == 200
    assert "You have #1 now" in done.text
    assert (status(site), site.office.views.incident(1).incident.owner) == (Status.ACKNOWLEDGED, "ana")
    told = [stored.entry for stored in site.office.views.incident(1).entries if stored.entry.kind == "acknowledged"]
    assert [(entry.by, entry.facts["door"]) for entry in told] == [("ana", "link")]


def test_pressing_twice_is_pressing_once(site: WebOffice):
    link = site.ack_link(1, "ana")
    site.stranger("POST", link)
    before = entries(site)
    again = site.stranger("POST", link)
    assert again.status_code == 200
    assert "Ana Müller has #1 already" in again.text
    assert entries(site) == before


def test_who_comes_second_learns_who_was_first(site: WebOffice):
    site.says(Acknowledge(1, by="lead", door="cli"))
    asked = site.stranger("GET", site.ack_link(1, "ana"))
    assert asked.status_code == 200
    assert "Lena Lead has it already" in asked.text
    assert "<form" not in asked.text
    late = site.stranger("POST", site.ack_link(1, "ana"))
    assert late.status_code == 409
    assert "Lena Lead has #1 already" in late.text
    assert site.office.views.incident(1).incident.owner == "lead"


def test_a_person_reads_their_own_language(site: WebOffice):
    link = site.ack_link(1, "chen")
    assert "认领 #1？" in site.stranger("GET", link).text
    assert "Take #1?" in site.stranger("GET", link + "?lang=en").text
    assert "你" in site.stranger("POST", link).text


def test_a_link_can_resolve(site: WebOffice):
    link = site.ack_link(1, "ana", "resolve")
    assert "Close #1?" in site.stranger("GET", link).text
    assert status(site) is Status.TRIGGERED
    assert site.stranger("POST", link).status_code == 200
    assert status(site) is Status.RESOLVED
    assert "It is resolved already" in site.stranger("GET", link).text


def test_acknowledging_what_is_over_is_a_conflict(site: WebOffice):
    site.says(Resolve(1, by="lead", door="cli"))
    late = site.stranger("POST", site.ack_link(1, "ana"))
    assert late.status_code == 409
    assert "#1 is resolved" in late.text


def test_a_link_is_over_after_two_days(site: WebOffice):
    link = site.ack_link(1, "ana")
    site.clock.passes(hours=48)
    for method in ("GET", "POST"):
        answer = site.stranger(method, link)
        assert answer.status_code == 410
        assert "This link is over" in answer.text
        assert "shop" not in answer.text
    assert status(site) is Status.TRIGGERED


@pytest.mark.parametrize(
    "spoil", [lambda t: t[:-1], lambda t: t[:-4] + "AAAA", lambda t: "x" + t, lambda t: "a" * 5000]
)
def test_a_forged_link_is_none(site: WebOffice, spoil):
    link = "/ack/" + spoil(site.ack_link(1, "ana").removeprefix("/ack/"))
    for method in ("GET", "POST"):
        answer = site.stranger(method, link)
        assert answer.status_code == 404
        assert "shop" not in answer.text
    assert status(site) is Status.TRIGGERED


def test_a_session_is_not_a_link_and_a_link_is_no_session(site: WebOffice):
    token = site.ack_link(1, "ana").removeprefix("/ack/")
    assert site.stranger("GET", "/", cookies={"opswatch_session": token}).status_code == 401
    sealed = site.server._door.gate.seal("acknowledge 1", 1)
    assert site.stranger("POST", f"/ack/{sealed}").status_code == 404


def test_an_incident_that_never_was(site: WebOffice):
    for method in ("GET", "POST"):
        answer = site.stranger(method, site.ack_link(99, "ana"))
        assert answer.status_code == 404
        assert "#99" in answer.text


def test_a_person_who_left_neither_acts_nor_learns_who_is_here(site: WebOffice):
    for method in ("GET", "POST"):
        answer = site.stranger(method, site.ack_link(1, "gone"))
        assert answer.status_code == 410
        assert not [name for name in ("ana", "Ana", "lead", "shop") if name in answer.text]
    assert status(site) is Status.TRIGGERED


def test_a_viewer_may_not_act(site: WebOffice):
    answer = site.stranger("POST", site.ack_link(1, "guest"))
    assert answer.status_code == 409
    assert "that needs the role responder" in answer.text


def test_the_link_does_not_travel_on(site: WebOffice):
    headers = site.stranger("GET", site.ack_link(1, "ana")).headers
    assert headers["referrer-policy"] == "no-referrer"
    assert "noindex" in headers["x-robots-tag"]
    assert headers["cache-control"] == "no-store"


def test_hammering_a_link_is_slowed_down(site: WebOffice):
    seen = [site.stranger("POST", "/ack/nonsense").status_code for _ in range(40)]
    assert seen[:20] == [404] * 20
    assert seen[-1] == 429
    site.clock.monotonic += 60
    assert site.stranger("POST", site.ack_link(1, "ana")).status_code == 200
