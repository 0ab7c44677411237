"""Posting alerts over HTTP: who may, what is answered when, and that an answer of 200 is a promise."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opswatch.core.model import Health, Priority
from opswatch.core.sayings import runbook_of
from opswatch.core.state import Alert
from opswatch.errors import StoreUnavailable
from opswatch.loops.inbox import InboxLoop
from opswatch.render.messages import _links
from tests.doors.web_office import INGEST_TOKEN, READ_TOKEN, WebOffice, web_office

PATH = "/api/v2/alerts"
ONE = [{"labels": {"alertname": "DiskFull", "instance": "shop"}, "annotations": {"summary": "/ is full"}}]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WebOffice]:
    with web_office(tmp_path) as opened:
        yield opened


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_200_means_that_it_is_stored(site):
    answer = site.ask("POST", PATH, json=ONE)
    assert (answer.status_code, answer.text) == (200, "")
    assert site.office.store.waiting().alerts == 1


def test_a_token_may_post_from_anywhere_and_is_the_source(site):
    answer = site.stranger("POST", PATH, json=ONE, headers=bearer(INGEST_TOKEN))
    assert answer.status_code == 200
    (batch,) = site.office.inbox.next(256)
    assert batch.batch.source == "prometheus"  # The id of that token.


@pytest.mark.parametrize(("headers", "status"), [({}, 401), (bearer("wrong"), 401), (bearer(READ_TOKEN), 403)])
def test_strangers_and_other_tokens_may_not(site, headers, status):
    answer = site.stranger("POST", PATH, json=ONE, headers=headers)
    assert answer.status_code == status
    assert "token" in answer.json()
    assert site.office.store.waiting().alerts == 0


def test_guessing_tokens_ends(site):
    codes = [site.stranger("POST", PATH, json=ONE, headers=bearer(f"guess-{n}")).status_code for n in range(25)]
    assert codes[0] == 401 and codes[-1] == 503


def test_a_page_in_a_browser_on_this_machine_may_not(site):
    text = json.dumps(ONE)
    assert site.ask("POST", PATH, data=text, headers={"Content-Type": "text/plain"}).status_code == 415
    wrong_host = {"Content-Type": "application/json", "Host": "evil.example.com"}
    assert site.ask("POST", PATH, data=text, headers=wrong_host).status_code == 403


def test_the_valid_ones_are_kept_and_the_others_named(site):
    answer = site.ask("POST", PATH, json=[*ONE, {"labels": {}}, {"labels": {"alertname": "B"}, "endsAt": "soon"}])
    assert answer.status_code == 400
    assert answer.json().splitlines() == [
        "alert 2 of 3: it has no labels: at least one that is not empty is expected",
        "alert 3 of 3 (B): endsAt = 'soon': an instant with its zone is expected, such as 2026-09-24T01:02:03Z",
    ]
    assert site.office.store.waiting().alerts == 1


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff\xfe", gzip.compress(b"{}"), b"\x1f\x8bno gzip"])
def test_no_list_of_alerts_is_refused(site, body):
    answer = site.ask("POST", PATH, data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400 and isinstance(answer.json(), str)


def test_a_packed_body_is_unpacked_and_bounded(site):
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    packed = gzip.compress(json.dumps(ONE).encode())
    assert site.ask("POST", PATH, data=packed, headers=headers).status_code == 200
    assert site.office.store.waiting().alerts == 1
    bomb = gzip.compress(b" " * 20_000_000)
    assert site.ask("POST", PATH, data=bomb, headers=headers).status_code == 400


def test_nothing_to_say_is_fine(site):
    assert site.ask("POST", PATH, json=[]).status_code == 200


def test_a_store_that_is_away_is_503_and_never_429(site, monkeypatch):
    def unavailable(batches, *claim):
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(site.office.store, "accept", unavailable)
        answer = site.ask("POST", PATH, json=ONE)
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1
    assert "disk is full" in answer.json()
    assert site.ask("POST", PATH, json=ONE).status_code == 200


def test_too_much_waiting_is_503(site, monkeypatch):
    monkeypatch.setattr("opswatch.inbox.ALERTS_MAX", 1)
    assert site.ask("POST", PATH, json=ONE).status_code == 200
    assert site.ask("POST", PATH, json=ONE).status_code == 503


def test_many_posts_in_a_row_are_not_limited_like_people_are(site):
    assert {site.ask("POST", PATH, json=ONE).status_code for _ in range(100)} == {200}


def test_a_body_that_is_too_long_is_refused_before_it_is_read(site):
    with socket.create_connection(("127.0.0.1", site.server.port), timeout=20) as wire:
        head = ("Host: 127.0.0.1", "Content-Type: application/json", "Content-Length: 99999999", "", "")
        wire.sendall("\r\n".join((f"POST {PATH} HTTP/1.1", *head)).encode())
        assert b" 413 " in wire.makefile("rb").readline()


def test_other_methods_and_paths_are_not_its_business(site):
    assert site.ask("POST", "/api/v2/other", json=ONE).status_code in (404, 405)
    assert site.ask("GET", "/healthz").status_code == 200


def test_what_others_say_is_shown(site):
    one = ONE[0] | {
        "annotations": {"summary": "/ is full", "runbook_url": "https://wiki/disk", "description": "93 % of 20 GB"},
        "generatorURL": "http://prometheus/graph",
    }
    site.ask("POST", PATH, json=[one])
    InboxLoop(site.office.desk, site.office.store, site.office.inbox).turn()
    (row,) = site.ask("GET", "/api/v1/incidents").json()
    (failing,) = site.ask("GET", f"/api/v1/incidents/{row['id']}").json()["failing"]
    assert failing["labels"] == one["labels"]
    assert (failing["source"], failing["generator_url"]) == ("prometheus", "http://prometheus/graph")
    page = site.ask("GET", f"/incidents/{row['id']}").text
    assert "alertname=DiskFull" in page and "description: 93 % of 20 GB" in page
    view = site.office.views.incident(row["id"])
    assert runbook_of(view.alerts) == "https://wiki/disk"
    links = _links(lambda kind, **what: kind, view.incident, site.office.plan, None, view.alerts)
    assert links["playbook"] == "https://wiki/disk"


def test_an_address_that_is_none_is_no_link():
    now = datetime(2026, 11, 16, tzinfo=UTC)
    said = {"runbook_url": "javascript:alert(1)"}
    alert = Alert("A", "", "", 1, Health.CRIT, now, now, "x", Priority.P1, "", source="prometheus", annotations=said)
    assert runbook_of([alert]) is None
