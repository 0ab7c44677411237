"""Passive checks: others look, we are told; over HTTP and at the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opswatch import config, passive, plugins
from opswatch.config import HookSettings
from opswatch.core.model import Health, UnknownReason
from opswatch.core.plan import Plan
from opswatch.inbox import Inbox
from opswatch.loops.inbox import InboxLoop
from tests.doors.terminal import Terminal
from tests.doors.web_office import INGEST_TOKEN, START, WebOffice, web_office, write_site

PASSIVE = """
[[check]]
id = "raid"
passive = ["RAID status", "raid"]
targets = ["this-host", "shop"]
every = "10m"
limits = { spares = { warn = "< 1" } }
[[check]]
id = "alive"
passive = "host"
targets = ["this-host"]
"""
RAID = (
    "PROCESS_SERVICE_CHECK_RESULT;this-host;RAID status;2;RAID CRITICAL - disk 3 failed|spares=2;1\\ndisk 3: /dev/sdc\n"
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WebOffice]:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "passive.toml").write_text(PASSIVE)
    with web_office(tmp_path) as opened:
        yield opened


def decides(site: WebOffice) -> dict[str, tuple[Health, str]]:
    office = site.office
    InboxLoop(office.desk, office.store, office.inbox).decide(office.inbox.next(1000))
    with office.desk.looking() as (state, _):
        return {one.key: (one.health, one.sentence) for one in state.alerts.values() if one.check != "source"}


def reports(site: WebOffice, lines: str, **more: object) -> dict[str, object]:
    site.clock.passes(seconds=1)
    answer = site.post("/hooks/nagios", data=lines.encode(), **more)
    return {"status": answer.status_code} | answer.json()


def test_a_result_is_a_look(site):
    assert reports(site, RAID) == {"status": 200, "accepted": 1, "ignored": 0}
    assert decides(site) == {"raid/this-host": (Health.CRIT, "RAID CRITICAL - disk 3 failed")}
    with site.office.desk.looking() as (state, _):
        assert state.alerts["raid/this-host"].evidence == ("disk 3: /dev/sdc",)
    assert [one[1] for one in site.office.views.measured("raid", "this-host")] == ["spares", "took_s"]
    assert reports(site, RAID.replace(";2;RAID CRITICAL - disk 3 failed", ";0;RAID OK"))["status"] == 200
    assert decides(site) == {}


def test_performance_data_is_judged_by_our_limits(site):
    reports(site, "PROCESS_SERVICE_CHECK_RESULT;this-host;raid;0;RAID OK|spares=0")
    assert decides(site)["raid/this-host"][0] is Health.WARN


def test_a_host_and_an_instant_and_a_longer_name(site):
    at = int(site.clock().timestamp())
    reports(site, f"[{at}] PROCESS_HOST_CHECK_RESULT;this-host.example.com;1;PING CRITICAL; 100% loss")
    assert decides(site) == {"alive/this-host": (Health.CRIT, "PING CRITICAL; 100% loss")}
    reports(site, f"[{at - 60}] PROCESS_HOST_CHECK_RESULT;this-host;0;PING OK")
    assert len(decides(site)) == 1  # Older than the last one: it changes nothing.
    reports(site, "PROCESS_HOST_CHECK_RESULT;this-host;0;PING OK")
    assert decides(site) == {}


def test_an_odd_code_is_unknown_and_keeps_its_number(site):
    reports(site, "PROCESS_SERVICE_CHECK_RESULT;shop;raid;127;not found")
    assert decides(site) == {"raid/shop": (Health.UNKNOWN, "exit code 127 is none of 0 to 3: not found")}


def test_what_is_not_reported_any_more_is_unknown(site):
    reports(site, RAID.replace(";2;", ";0;"))
    assert decides(site) == {}
    site.clock.passes(minutes=31)
    site.ticks()
    with site.office.desk.looking() as (state, _):
        assert state.alerts["raid/this-host"].reason is UnknownReason.NO_DATA


def test_what_nobody_knows_is_refused_with_the_nearest_and_the_others_are_kept(site):
    said = reports(
        site,
        RAID
        + "PROCESS_SERVICE_CHECK_RESULT;this-host;RIAD status;0;x\n"
        + "PROCESS_SERVICE_CHECK_RESULT;this-hots;raid;0;x\n"
        + "PROCESS_SERVICE_CHECK_RESULT;pay;raid;0;x\n"
        + "PROCESS_SERVICE_CHECK_RESLT;shop;raid;0;x\n"
        + "PROCESS_SERVICE_CHECK_RESULT;shop;raid;bad;x\n"
        + "PROCESS_SERVICE_CHECK_RESULT;shop;raid\n",
    )
    assert said["status"] == 400 and said["accepted"] == 1
    assert said["problems"] == [
        "line 2: no passive check is called 'RIAD status': did you mean 'raid status'?",
        "line 3: no target is called 'this-hots': did you mean 'this-host'?",
        "line 4: check raid is not about pay, but about shop, this-host",
        "line 5: 'PROCESS_SERVICE_CHECK_RESLT': did you mean PROCESS_SERVICE_CHECK_RESULT?",
        "line 6: code 'bad': 0 ok, 1 warning, 2 critical or 3 unknown is expected",
        "line 7: 2 of 4 parts: PROCESS_SERVICE_CHECK_RESULT;host;service;code;output is expected",
    ]
    assert "raid/this-host" in decides(site)


def test_what_nobody_knows_may_be_an_alert_of_others(tmp_path):
    with web_office(tmp_path, more='[[hook]]\nid = "nagios"\nothers = "alert"') as site:
        line = "PROCESS_SERVICE_CHECK_RESULT;shop;HTTP;{};HTTP says {}"
        assert reports(site, line.format(1, "slow"))["status"] == 200
        ((health, sentence),) = decides(site).values()
        assert (health, sentence) == (Health.WARN, "HTTP says slow")
        reports(site, line.format(2, "down"))
        assert [one[0] for one in decides(site).values()] == [Health.CRIT]
        reports(site, line.format(0, "fine"))
        assert decides(site) == {}


def test_strangers_and_browsers_may_not(site):
    assert site.stranger("POST", "/hooks/nagios", data=RAID).status_code == 401
    assert site.stranger("POST", "/hooks/nagios", data=RAID, auth=("nagios", INGEST_TOKEN)).status_code == 200
    assert reports(site, RAID, headers={"Origin": "https://evil.example.com"})["status"] == 403
    assert reports(site, RAID, headers={"Sec-Fetch-Site": "cross-site"})["status"] == 403


def test_what_was_accepted_survives_the_process(site):
    reports(site, RAID)
    office = site.office
    office.store.release_batches("ops-1", site.clock())
    again = Inbox(office.store, "ops-1", site.clock)
    InboxLoop(office.desk, office.store, again).decide(again.next(100))
    with office.desk.looking() as (state, _):
        assert "raid/this-host" in state.alerts


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = tmp_path_factory.mktemp("passive")
    path = write_site(folder, listen="127.0.0.1:0", web="", more="")
    (folder / "checks" / "passive.toml").write_text(PASSIVE)
    return config.load(path, plugins.kinds(), now=START).plan


PIECES = [*RAID.split(";"), ";", "\n", "[1795143600] ", "[99999999999] ", "\x00", "|", "-1"]


@given(text=st.text(max_size=200) | st.lists(st.sampled_from(PIECES)).map(";".join))
@settings(max_examples=100, deadline=None)
def test_whatever_is_reported_it_is_never_our_mistake(plan, text):
    told = passive.read(text, plan, HookSettings("nagios", others=True), START)
    for one in told.results.alerts:
        passive.result_of(one)


# ---------------------------------------------------------------------------------------------------------------------
# At the terminal, and in the configuration


@pytest.fixture
def at(terminal: Terminal) -> Terminal:
    (terminal.folder / "checks" / "passive.toml").write_text(
        '[[check]]\nid = "raid"\npassive = true\ntargets = ["db-1"]\n'
    )
    return terminal


def test_a_result_is_submitted_by_hand(at):
    said = at.says("checks", "submit", "PROCESS_SERVICE_CHECK_RESULT;db-1;raid;2;RAID CRITICAL")
    assert (said.code, said.out.strip()) == (0, "raid on db-1: crit: RAID CRITICAL")
    with at.office() as office:
        office.inbox.release()
        InboxLoop(office.desk, office.store, office.inbox).decide(office.inbox.next(10))
        with office.desk.looking() as (state, _):
            assert state.alerts["raid/db-1"].health is Health.CRIT


def test_a_wrong_name_is_refused_and_nothing_of_a_dry_run_is_kept(at):
    said = at.says("checks", "submit", "PROCESS_SERVICE_CHECK_RESULT;db-1;raidd;2;x")
    assert (said.code, said.err.strip()) == (1, "line 1: no passive check is called 'raidd': did you mean 'raid'?")
    said = at.says("checks", "submit", "--dry-run", "--json", "PROCESS_SERVICE_CHECK_RESULT;db-1;raid;1;x")
    assert said.json["results"][0]["health"] == "warn" and said.json["dry_run"]
    with at.office() as office:
        assert office.store.waiting().alerts == 0


def test_nobody_looks_at_a_passive_check(at):
    said = at.says("checks", "run", "raid")
    assert (said.code, "others report it, as raid" in said.out) == (3, True)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ('passive = true\nprobe = "disk"', "nobody looks at a passive check"),
        ("", 'probe = "disk"'),
        ("passive = 5", "Current Load"),
        ('passive = true\nretry = "5s"', "nobody looks at a passive check"),
    ],
)
def test_a_passive_check_is_checked_at_load(terminal, keys, words):
    (terminal.folder / "checks" / "p.toml").write_text(f'[[check]]\nid = "raid"\ntargets = ["db-1"]\n{keys}\n')
    said = terminal.says("config", "check")
    assert (said.code, words in said.err) == (2, True), said.err
