"""`/heartbeat/{key}`: a job reports with curl; nobody without its key does, and 200 means that it is stored."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from opswatch.web.guard import ALLOWANCES
from tests.doors.terminal import CONFIG, Terminal
from tests.doors.web_office import WebOffice, web_office

BEATS = """
[[heartbeat]]
id = "sync"
every = "15m"
grace = "5m"
service = "orders"
[[heartbeat]]
id = "nightly"
cron = "0 2 * * *"
timezone = "Asia/Shanghai"
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WebOffice]:
    with web_office(tmp_path, more=BEATS) as opened:
        yield opened


def key(site: WebOffice, name: str = "sync") -> str:
    what = f"heartbeat:{name}"
    return "/heartbeat/" + site.office.links.feed(what, site.office.settings.web.feed_number(what))


def state(site: WebOffice) -> str:
    return site.office.views.heartbeats()[0].state


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_job_elsewhere_reports_by_its_key_alone(site: WebOffice, method: str):
    assert site.stranger(method, key(site)).status_code == 200
    assert state(site) == "ok"


def test_an_exit_code_says_how_it_went_and_the_body_is_its_output(site: WebOffice):
    answer = site.stranger("POST", f"{key(site)}/3", data=b"copying\nno space left \xff on device\n")
    assert answer.status_code == 200
    (incident,) = site.office.views.open_incidents()
    assert incident.title == "sync failed: exit code 3"
    with site.office.desk.looking() as (held, _):
        assert held.alerts["heartbeat/sync"].evidence == ("copying", "no space left � on device")
    assert site.stranger("GET", f"{key(site)}/0").status_code == 200
    assert site.office.views.open_incidents() == []


def test_start_and_run_ids_time_a_run(site: WebOffice):
    site.stranger("GET", f"{key(site)}/start?rid=a")
    assert state(site) == "running"
    site.clock.passes(seconds=90)
    site.stranger("GET", f"{key(site)}?rid=a")
    assert site.office.views.heartbeats()[0].took_s == 90


@pytest.mark.parametrize(
    "path", ["/heartbeat/guess", "/heartbeat/" + "x" * 600, "{key}/maybe", "{key}/256", "{key}/-1"]
)
def test_what_is_not_a_key_or_a_word_is_not_there(site: WebOffice, path: str):
    assert site.stranger("POST", path.format(key=key(site))).status_code == 404
    assert state(site) == "waiting"


def test_a_calendars_key_reports_nothing_and_a_heartbeats_key_shows_no_calendar(site: WebOffice):
    calendar = site.office.links.feed("person:ana", 0)
    assert site.stranger("GET", f"/heartbeat/{calendar}").status_code == 404
    assert site.stranger("GET", key(site).replace("/heartbeat/", "/ical/") + ".ics").status_code == 404


def test_a_number_that_was_raised_takes_the_key_back(tmp_path: Path):
    with web_office(tmp_path, more=BEATS, web='ical = { "heartbeat:sync" = 1 }') as opened:
        old = "/heartbeat/" + opened.office.links.feed("heartbeat:sync", 0)
        assert opened.stranger("GET", old).status_code == 404
        assert opened.stranger("GET", key(opened)).status_code == 200


def test_a_store_that_is_away_is_said_with_503_and_when_to_come_again(site: WebOffice):
    site.office.store.close()
    (site.office.settings.data_dir / "opswatch.db").rename(site.office.settings.data_dir / "gone.db")
    answer = site.stranger("POST", key(site))
    if answer.status_code != 200:  # An open file outlives its name: then it was stored.
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


def test_too_many_are_told_503_never_429(site: WebOffice):
    codes = [site.stranger("GET", key(site)).status_code for _ in range(ALLOWANCES["report"].burst + 5)]
    assert set(codes) == {200, 503}


def test_curl_reports_as_the_help_says(site: WebOffice):
    url = site.server.url + key(site)
    subprocess.run(["curl", "-fsS", "-m", "10", f"{url}/start"], check=True, capture_output=True)
    subprocess.run(["curl", "-fsS", "-m", "10", f"{url}/1"], check=True, capture_output=True)
    assert site.office.views.open_incidents()[0].title == "sync failed: exit code 1"


# ---------------------------------------------------------------------------------------------------------------------
# The command line


def test_heartbeats_are_listed_with_where_they_report(terminal: Terminal):
    terminal.writes(CONFIG + BEATS)
    said = terminal.says("heartbeat", "list", "--url")
    assert (said.code, "waiting" in said.out, "never" in said.out) == (0, True, True)
    assert len(re.findall(r"/heartbeat/\S+", said.out)) == 2
    sync, nightly = terminal.says("heartbeat", "list", "--json").json
    assert (sync["id"], sync["state"], sync["url"], nightly["id"]) == ("sync", "waiting", None, "nightly")


def test_without_any_it_says_how_to_write_one(terminal: Terminal):
    assert "write a [[heartbeat]]" in terminal.says("heartbeat", "list").out


def test_mistakes_are_said_with_their_place(terminal: Terminal):
    terminal.writes(CONFIG + '[[heartbeat]]\nid = "both"\nevery = "5m"\ncron = "0 2 * * *"\nservice = "ordrs"\n')
    said = terminal.says("heartbeat", "list")
    assert said.code == 2
    assert "either `cron" in said.err and "ordrs" in said.err and "orders" in said.err
