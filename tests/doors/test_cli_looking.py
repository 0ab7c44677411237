"""What the terminal shows: the list, one incident, the whole, checks and one look, why and what next; as JSON too."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opswatch.cli.incidents import _row as listed
from opswatch.cli.plugin import performance
from opswatch.core.events import Pause
from opswatch.core.model import Health, Sample, Status
from opswatch.core.plan import Limit
from opswatch.core.sla import Due
from opswatch.shown_incident import IncidentRow
from tests.doors.terminal import CONFIG, Terminal


def test_the_list_in_the_format_of_the_contract(terminal: Terminal):
    assert terminal.says("list").out == "Nothing is open.\n"
    assert terminal.says("list", "--json").json == []
    terminal.fails()
    [row] = terminal.says("list", "--json").json
    assert set(row) == {
        *("id", "status", "priority", "service", "title", "owner", "opened_at", "alerts", "next_deadline"),
    }
    assert (row["id"], row["status"], row["priority"], row["service"]) == (1, "triggered", "P1", "orders")
    assert (row["title"], row["owner"], row["alerts"]) == ("db is broken on db-1", None, 1)
    assert row["opened_at"].endswith("Z")
    assert row["next_deadline"] > row["opened_at"]
    shown = terminal.says("list").out
    assert "SINCE (Europe/Berlin)" in shown
    assert "db is broken on db-1" in shown


def test_the_list_says_which_promise_is_broken():
    opened = datetime(2026, 11, 16, 2, tzinfo=UTC)
    hour = timedelta(hours=1)
    waits = IncidentRow(1, Status.TRIGGERED, "P1", None, "db is broken", None, opened, 1, None)
    promised = Due(ack=opened + hour / 4, update=opened + hour, resolve=opened + 4 * hour)
    for status, now, said in (
        (Status.TRIGGERED, opened, ""),
        (Status.TRIGGERED, opened + 2 * hour, "ack late"),
        (Status.ACKNOWLEDGED, opened, "update in 1h"),
        (Status.ACKNOWLEDGED, opened + 5 * hour, "update late; resolve late"),
    ):
        due = promised if status is Status.TRIGGERED else replace(promised, ack=None)
        assert listed(replace(waits, status=status, due=due), "UTC", now)[-1] == said


def test_resolved_ones_are_asked_for(terminal: Terminal):
    terminal.fails()
    terminal.recovers()
    assert terminal.says("list", "--json").json == []
    [row] = terminal.says("list", "--all", "--json").json
    assert row["status"] == "resolved"


def test_everything_about_one_incident(terminal: Terminal):
    terminal.fails()
    shown = terminal.says("show", "1").out
    for words in (
        "#1 P1 triggered: db is broken on db-1",
        "P1 because: crit, tier 2 service orders",
        "fails: db/db-1 crit since",
        "a line",
        "page to ",
        "timeline (Europe/Berlin):",
        "you may: ack, escalate, merge, note, priority, reassign, resolve, snooze, split, update",
    ):
        assert words in shown
    view = terminal.says("show", "1", "--json").json
    assert view["failing"][0]["sentence"] == "db is broken"
    assert {entry["kind"] for entry in view["timeline"]} >= {"triggered", "page_promised"}
    others = ["merge", "note", "priority", "reassign", "resolve", "snooze", "split", "update"]
    assert view["allowed"] == ["ack", "escalate", *others]


def test_messages_and_timeline_go_one_way_and_tell_steps_of_seconds_apart(terminal: Terminal):
    terminal.fails()
    terminal.says("escalate", "1")
    shown = terminal.says("show", "1").out
    messages, timeline = shown.split("messages:\n")[1].split("timeline (Europe/Berlin):\n")
    stamps = [
        re.findall(r"^  (\w{3} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d)  ", part, re.MULTILINE) for part in (messages, timeline)
    ]
    for found in stamps:
        assert len(found) >= 2 and found == sorted(found, key=lambda stamp: stamp[4:])


def test_an_incident_that_never_was(terminal: Terminal):
    said = terminal.says("show", "9")
    assert (said.code, said.err) == (1, "There is no incident #9.\n")
    assert terminal.says("show", "9", "--json").json["answer"] == "unknown_incident"


def test_the_whole_at_a_glance(terminal: Terminal):
    terminal.fails()
    shown = terminal.says("status").out
    assert "none has run yet" in shown
    assert "1 open (P1 1), 1 not acknowledged" in shown
    assert "nights: lead (fallback)" in shown
    assert terminal.says("status", "--json").json["incidents"] == {"P0": 0, "P1": 1, "P2": 0, "P3": 0}


# ---------------------------------------------------------------------------------------------------------------------
# As a Nagios plugin


def lives(terminal: Terminal) -> None:
    with terminal.office() as office:
        office.store.beat("here", office.now(), {})


def test_status_is_critical_without_a_daemon(terminal: Terminal):
    said = terminal.says("status", "--nagios")
    assert said.code == 2
    assert said.out.startswith("CRITICAL: no opswatch daemon lives")


def test_status_is_ok_then_critical_then_a_warning(terminal: Terminal):
    lives(terminal)
    said = terminal.says("status", "--nagios")
    assert said.code == 0
    assert said.out.startswith("OK: nothing is open")
    assert "| checks_ok=" in said.out
    terminal.fails()
    said = terminal.says("status", "--nagios")
    assert said.code == 2
    assert said.out.startswith("CRITICAL: 1 urgent and not acknowledged: #1 db is broken on db-1 |")
    assert "#1 P1 triggered: db is broken on db-1" in said.out.splitlines()[1]
    terminal.says("ack", "1")
    assert terminal.says("status", "--nagios").code == 1


def test_status_warns_of_a_pause(terminal: Terminal):
    lives(terminal)
    with terminal.office() as office:
        office.desk.apply(Pause(office.now() + timedelta(hours=1), by="lead"))
    said = terminal.says("status", "--nagios")
    assert (said.code, said.out.partition("|")[0]) == (1, "WARNING: pages are paused by lead; 0 open ")


def test_one_look_runs_any_check_for_nagios(terminal: Terminal):
    said = terminal.says("checks", "run", "db", "--target", "db-2")
    assert said.code == 1
    first = said.out.splitlines()[0]
    assert first.startswith("WARNING: ")
    assert "91 connections" in first.partition("|")[0]
    assert "connections=91" in first.partition("|")[2]
    assert terminal.says("list").out == "Nothing is open.\n", "nothing is kept, nobody is paged"


def test_one_look_at_this_host(terminal: Terminal):
    said = terminal.says("checks", "run", "load")
    assert said.code == 0
    assert said.out.startswith("OK: ")
    assert "load15_per_cpu=" in said.out
    assert ";~:100000" in said.out
    seen = terminal.says("checks", "run", "load", "--json").json
    assert (seen["check"], seen["target"], seen["state"]) == ("load", "db-1", "ok")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("checks", "run", "nope"), "there is no check nope; there are db, load"),
        (("checks", "run", "db"), "check db looks at db-1, db-2: say which with --target"),
        (("checks", "run", "db", "--target", "moon"), "check db looks at db-1, db-2: not moon"),
        (("checks", "run"), "Missing argument 'CHECK'"),
        (("checks", "run", "db", "--warp"), "No such option"),
        (("status", "--nagios", "extra"), "Got unexpected extra argument"),
    ],
)
def test_what_keeps_a_plugin_from_looking_is_unknown(terminal: Terminal, line: tuple[str, ...], words: str):
    said = terminal.says(*line)
    assert said.code == 3
    assert said.out.startswith("UNKNOWN: ")
    assert words in said.out
    assert said.err == ""


def test_a_broken_configuration_is_unknown_for_a_plugin(terminal: Terminal):
    terminal.writes("[opswatch\n")
    said = terminal.says("checks", "run", "db")
    assert said.code == 3
    assert said.out.startswith("UNKNOWN: ")


def test_a_probe_that_hangs_is_given_up_in_time(terminal: Terminal):
    slow = '[[check]]\nid = "slow"\nprobe = "command"\ntargets = ["db-1"]\ntimeout = "200ms"\n'
    (terminal.folder / "checks" / "slow.toml").write_text(
        slow.replace("200ms", "0.2s") + 'args = { command = ["/bin/sleep", "30"] }\n'
    )
    said = terminal.says("checks", "run", "slow")
    assert said.code == 3
    assert said.out.startswith("UNKNOWN: ")


@pytest.mark.parametrize(
    ("sample", "limit", "words"),
    [
        (Sample("used_pct", 93.25, "%", "/var"), Limit("> 80", "> 90"), "'used_pct /var'=93.25%;~:80;~:90"),
        (Sample("free", 5, "bytes"), Limit("< 10", "<= 2"), "free=5B;10:;2:"),
        (Sample("lag_s", 1e-05, "s"), Limit(None, "@10:20"), "lag_s=0.00001s;;@10:20"),
        (Sample("free", 8.463545139e10, "B"), None, "free=84635451390B"),
        (Sample("it's", 1, "jobs"), None, "'it''s'=1"),
        (Sample("a=b", 1, ""), Limit("== 3"), "a_b=1"),
    ],
)
def test_performance_data_as_nagios_reads_it(sample: Sample, limit: Limit | None, words: str):
    assert performance(sample, limit) == words


# ---------------------------------------------------------------------------------------------------------------------
# Checks


def test_how_every_check_stands(terminal: Terminal):
    rows = terminal.says("checks", "list", "--json").json
    assert {(row["check"], row["target"], row["state"]) for row in rows} == {
        ("db", "db-1", None),
        ("db", "db-2", None),
        ("load", "db-1", None),
    }
    terminal.fails("db", "db-2", Health.WARN)
    assert "warn" in terminal.says("checks", "list", "--failing").out
    assert len(terminal.says("checks", "list", "--failing", "--json").json) == 1
    assert len(terminal.says("checks", "list", "load", "--json").json) == 1


def test_what_was_measured_and_when_it_failed(terminal: Terminal):
    from opswatch.core.model import Verdict

    terminal.fails()
    terminal.recovers()
    with terminal.office() as office:
        at = office.now() - timedelta(hours=1)
        verdicts = [
            Verdict(at + timedelta(minutes=n), "so", samples=(Sample("connections", 10.0 * n, "", ""),))
            for n in range(3)
        ]
        office.store.record_samples([("db", "db-1", verdict) for verdict in verdicts])
    found = terminal.says("checks", "history", "db", "--target", "db-1", "--json").json
    assert [point["value"] for point in found["samples"] if point["name"] == "connections"] == [0.0, 10.0, 20.0]
    assert [entry["kind"] for entry in found["alerts"]] == ["alert_fired", "alert_cleared"]
    series = {one["name"]: one for one in found["series"]}
    assert [series["connections"][key] for key in ("looks", "least", "mean", "most", "last")] == [3, 0, 10, 20, 20]
    assert series["connections"]["limit_in_s"] is None
    shown = terminal.says("checks", "history", "db").out
    assert "connections" in shown
    assert "▁" in shown
    assert "recovered" in shown
    assert terminal.says("checks", "history", "nope").code == 1
    assert terminal.says("checks", "history", "db", "--target", "moon").code == 1


# ---------------------------------------------------------------------------------------------------------------------
# Why, and what next


def kinds(found: dict[str, object]) -> list[str]:
    course = found["if_nobody_answers"]
    assert isinstance(course, list)
    return [entry["kind"] for entry in course]


def paged(found: dict[str, object]) -> list[str]:
    course = found["if_nobody_answers"]
    assert isinstance(course, list)
    return [entry["facts"]["person"] for entry in course if entry["kind"] == "page_promised"]


def test_why_it_is_how_it_is_and_what_follows(terminal: Terminal):
    terminal.fails()
    found = terminal.says("explain", "1", "--json").json
    assert found["why"] == "P1 because: crit, tier 2 service orders, 1 of 2 targets failing"
    assert (found["policy"], found["quiet"], found["supposed"]) == ("standard", None, False)
    assert kinds(found)[-2:] == ["level_entered", "page_promised"]
    assert "ladder_ended" in kinds(found)
    assert paged(found)[-1] == "lead", "the policy's fallback"
    shown = terminal.says("explain", "1").out
    assert "If nobody answers:" in shown
    assert "+4m 5" in shown or "+5m" in shown


def test_explaining_changes_nothing(terminal: Terminal):
    terminal.fails()
    before = terminal.incident()
    for line in (("1",), ("db/db-1",), ("db/db-2",), ("--service", "orders", "--state", "warn")):
        assert terminal.says("explain", *line).code == 0
    assert terminal.incident() == before
    with terminal.office() as office:
        assert len(office.views.incidents(include_resolved=True)) == 1


def test_what_would_happen_to_what_does_not_fail(terminal: Terminal):
    found = terminal.says("explain", "db/db-1", "--at", "2026-01-06T12:00:00Z", "--json").json
    assert found["supposed"] is True
    assert found["priority"] == "P1"
    assert found["incident"] is None
    assert paged(found)[:2] == ["ana", "ana"], "Ana is on call then: at once, and her second way five minutes later"
    assert "lead" in paged(found)
    later = terminal.says("explain", "db/db-1", "--at", "2026-01-13T12:00:00Z", "--json").json
    assert paged(later)[0] == "bo"


def test_a_failing_check_is_explained_by_its_incident(terminal: Terminal):
    terminal.fails()
    found = terminal.says("explain", "db/db-1", "--json").json
    assert (found["supposed"], found["incident"]) == (False, 1)


def test_joining_pages_nobody(terminal: Terminal):
    terminal.fails(health=Health.WARN)
    terminal.says("ack", "1")
    found = terminal.says("explain", "db/db-2", "--state", "warn", "--json").json
    assert found["incident"] == 1
    assert "alert_joined" in kinds(found)
    assert "joins      incident 1" in terminal.says("explain", "db/db-2", "--state", "warn").out


def test_a_silence_is_the_answer_to_why_not(terminal: Terminal):
    terminal.says("silence", "add", "service=orders", "--for", "2h", "--reason", "index rebuild")
    found = terminal.says("explain", "db/db-1", "--json").json
    assert found["quiet"]["reason"] == "silenced"
    assert found["quiet"]["why"] == "silence 1 by ana: index rebuild"
    assert kinds(found)[0] == "held"
    assert "triggered" in kinds(found), "it is told when the silence ends"
    assert "silenced, until" in terminal.says("explain", "db/db-1").out


def test_what_interrupts_nobody_comes_in_the_digest(terminal: Terminal):
    found = terminal.says("explain", "--service", "orders", "--state", "unknown", "--json").json
    assert (found["priority"], found["interrupt"]) == ("P3", "never")
    assert paged(found) == []
    assert kinds(found)[-1] == "digest_sent"


def test_each_page_is_told_on_the_clocks_of_its_person_and_its_roster(terminal: Terminal):
    found = terminal.says("explain", "db/db-1", "--at", "2026-01-13T12:00:00Z", "--json").json
    first = found["pages"][0]
    assert (first["person"], first["contact"], first["loud"], first["after_s"]) == ("bo", "console", "message", 0)
    assert (first["at_theirs"], first["at_rosters"]) == ("2026-01-13T20:00:00+08:00", "2026-01-13T13:00:00+01:00")
    assert (first["roster"], first["layer"], first["fallback"]) == ("primary", "weekly", False)
    shown = terminal.says("explain", "db/db-1", "--at", "2026-01-13T12:00:00Z").out
    assert "→ Bo by console, message; theirs Tue 2026-01-13 20:00 (Asia/Shanghai)" in shown
    assert "on call in primary: Bo, layer weekly, until Mon 2026-01-19 09:00" in shown


def test_it_is_explained_in_the_readers_language(terminal: Terminal):
    terminal.is_used_by("bo")
    shown = terminal.says("explain", "--service", "orders", "--at", "2026-01-13 20:00").out
    assert "服务 orders，周二 2026-01-13 20:00 (Asia/Shanghai)" in shown
    assert "→ Bo，console，消息" in shown
    assert "若无人应答：" in shown


def test_who_has_it_and_until_when_is_said(terminal: Terminal):
    terminal.writes(CONFIG.replace('id = "standard"\n', 'id = "standard"\nack_timeout = { P1 = "2h" }\n'))
    terminal.fails()
    terminal.says("ack", "1")
    shown = terminal.says("explain", "1").out
    assert "acknowledged by Ana Ruiz since" in shown
    assert "and then it lapses without a word" in shown
    found = terminal.says("explain", "1", "--at", "5h", "--json").json
    assert (found["stands"]["status"], found["stands"]["owner"]) == ("triggered", None)
    assert terminal.says("explain", "1", "--at", "2h ago").code == 2


def test_a_priority_may_be_asked_for(terminal: Terminal):
    found = terminal.says("explain", "--target", "db-1", "--priority", "P3", "--json").json
    assert (found["priority"], found["why"]) == ("P3", "P3 because: asked so")
    assert found["pages"] == []


def test_the_route_that_takes_it_is_named(terminal: Terminal):
    routes = '[[route]]\nmatch = { priority = ["P0"] }\npolicy = "standard"\n[[route]]\npolicy = "standard"\n'
    terminal.writes(CONFIG + routes)
    assert terminal.says("explain", "db/db-1", "--state", "warn", "--json").json["route"] == 2


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (("9",), 1, "There is no incident '9' that can be explained"),
        (("db/moon",), 1, "There is no target of db 'moon'"),
        (("--service", "moon"), 1, "There is no service 'moon'"),
        (("orders",), 1, "There is no check 'orders'; the service of that name: opswatch explain --service orders"),
        (("--service", "ordrs"), 1, "There is no service 'ordrs': did you mean 'orders'?"),
        (("--target", "db1"), 1, "There is no target 'db1': did you mean 'db-1'?"),
        (("db",), 2, "db looks at 2 targets: say --target T, one of db-1, db-2"),
        (("--service", "orders", "--labels", "area"), 2, "write labels as area=capacity,region=apac"),
        (("--service", "orders", "--at", "noonish"), 2, "'noonish' is no time"),
        ((), 2, "Say an INCIDENT or CHECK/TARGET, or --service S."),
        (("1", "--service", "orders"), 2, "Say an INCIDENT or CHECK/TARGET, or --service S."),
    ],
)
def test_what_cannot_be_explained(terminal: Terminal, line: tuple[str, ...], code: int, words: str):
    said = terminal.says("explain", *line)
    assert said.code == code
    assert words in said.err


def test_an_explanation_says_how_many_must_acknowledge_and_whose_turn_it_is(terminal: Terminal):
    policy = CONFIG.replace('id = "standard"\n', 'id = "standard"\nacks = { P1 = 2 }\n').replace(
        'page = ["roster:primary"]\n', 'page = ["person:ana", "person:bo"]\nround_robin = true\n'
    )
    terminal.writes(policy)
    said = terminal.says("explain", "--service", "orders", "--state", "crit").out
    assert "2 must acknowledge" in said
    assert "one of them in turn: Ana Ruiz" in said
