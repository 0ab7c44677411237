"""A configuration with mistakes is refused with all of them, each with its place and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from opswatch.errors import Problem
from tests.config.site import Site

TWELVE_MISTAKES = """\
[opswatch]
timezone = "Asia/Shangai"
nmae = "acme"

[[service]]
id = "orders"
tier = 7
depends_on = ["db-mian"]

[[target]]
id = "db-main"
kind = "host"

[[person]]
id = "chen"
role = "boss"
contact = { webhook = "http://127.0.0.1/chen" }
[person.notify]
P0 = ["webhook", "five minutes pager"]

[[roster]]
id = "primary"
[[roster.layer]]
id = "apac"
participants = [["chen"], ["nobody"]]
turn = "1 week"
starts = 2026-01-05T09:00:00

[[policy]]
id = "standard"
[[policy.level]]
page = ["roster:primry"]
wait = 5

[[route]]
match = { service = "orders" }
policy = "standard"

[[channel]]
id = "ops"
kind = "slak"
"""
A_CHECK_WITH_THREE = """\
[[check]]
id = "disk-space"
probe = "disk"
match = { kind = "host" }
every = "60s"
limits = { used_pct = { warn = "80" , crit = "much" } }
args = { exclud = [] }
playbook = "no-such-file"
"""


def test_a_configuration_with_twelve_mistakes_reports_each_with_its_place(tmp_path: Path):
    problems = Site(tmp_path).writes(TWELVE_MISTAKES, server=A_CHECK_WITH_THREE).problems()
    places = [(Path(problem.file).name, problem.line, problem.where) for problem in problems]
    assert places == [
        ("config.toml", 2, "[opswatch] timezone"),
        ("config.toml", 3, "[opswatch] nmae"),
        ("config.toml", 7, "[[service]] orders: tier"),
        ("config.toml", 8, "[[service]] orders: depends_on #1"),
        ("config.toml", 16, "[[person]] chen: role"),
        ("config.toml", 19, "[[person]] chen: notify.P0 #2"),
        ("config.toml", 25, "[[roster]] primary: layer apac.participants #2 #1"),
        ("config.toml", 32, "[[policy]] standard: level #1.page #1"),
        ("config.toml", 33, "[[policy]] standard: level #1.wait"),
        ("config.toml", 35, "[[route]] #1"),
        ("config.toml", 41, "[[channel]] ops: kind"),
        ("server.toml", 6, "[[check]] disk-space: limits.used_pct.crit"),
        ("server.toml", 7, "[[check]] disk-space: args.exclud"),
        ("server.toml", 8, "[[check]] disk-space: playbook"),
    ]


def test_every_problem_says_what_was_seen_what_is_expected_and_the_nearest_spelling(tmp_path: Path):
    found = {p.where: p for p in Site(tmp_path).writes(TWELVE_MISTAKES, server=A_CHECK_WITH_THREE).problems()}
    zone = found["[opswatch] timezone"]
    assert (zone.seen, zone.suggestion) == ('"Asia/Shangai"', "Asia/Shanghai")
    assert found["[opswatch] nmae"].suggestion == "name"
    assert found["[[channel]] ops: kind"].suggestion == "slack"
    assert "'5m'" in found["[[policy]] standard: level #1.wait"].expected
    assert all(problem.line and problem.column and problem.expected for problem in found.values())


def _one(tmp_path: Path, main: str, **checks: str) -> Problem:
    return Site(tmp_path).writes(main, **checks).problem()


CHEN = '[[person]]\nid = "chen"\ncontact = { webhook = "http://127.0.0.1/chen" }\n'

MISTAKES = {
    "a table that does not exist": ("[opswach]\n", "[opswach]", 1, "unknown table", "opswatch"),
    "a table where a list of them belongs": ("[service]\nid = 'a'\n", "[service]", 1, "write [[service]]", ""),
    "a name twice": (
        CHEN + '[[service]]\nid = "a"\n[[service]]\nid = "a"\n',
        "[[service]] a: id",
        7,
        ":4 has it already",
        "",
    ),
    "a missing key": ('[[target]]\nid = "a"\n', "[[target]] a: kind", 1, 'such as kind = "host"', ""),
    "a number where a span belongs": ("[alerts]\nreopen_after = 600\n", "[alerts] reopen_after", 2, "'5m'", ""),
    "a quoted number": ('[alerts]\nconfirm = "3"\n', "[alerts] confirm", 2, "without quotes", ""),
    "a cron that is none": ('[digest]\ncron = "61 * * * *"\n', "[digest] cron", 2, "five fields", ""),
    "a url of another kind": (
        '[[target]]\nid = "a"\nkind = "http"\nurl = "tcp://x:1"\n',
        "[[target]] a: url",
        4,
        "http://",
        "",
    ),
    "a kind nothing looks at": ('[[target]]\nid = "a"\nkind = "hst"\n', "[[target]] a: kind", 3, "a kind", "host"),
    "parents in a circle": (
        '[[target]]\nid = "a"\nkind = "host"\nparents = ["b"]\n[[target]]\nid = "b"\nkind = "host"\nparents = ["a"]\n',
        "[[target]] a: parents",
        4,
        "a → b → a",
        "",
    ),
    "services in a circle": (
        '[[service]]\nid = "a"\ndepends_on = ["a"]\n',
        "[[service]] a: depends_on",
        3,
        "a → a",
        "",
    ),
    "a contact nobody carries": (
        '[[person]]\nid = "a"\ncontact = { pigeon = "x" }\n',
        "[[person]] a: contact.pigeon",
        3,
        "a kind of channel",
        "",
    ),
    "a contact without its channel": (
        '[[person]]\nid = "a"\ncontact = { slack = "U1" }\n',
        "[[person]] a: contact.slack",
        3,
        "[[channel]] of kind",
        "",
    ),
    "a rule for a contact that is not there": (
        CHEN + '[person.notify]\nP1 = ["5m phone"]\n',
        "[[person]] chen: notify.P1 #1",
        5,
        "webhook",
        "",
    ),
    "a priority that is none": (CHEN + "[person.notify]\nP9 = []\n", "[[person]] chen: notify.P9", 5, "P0", ""),
    "a login twice": (
        CHEN + 'login = "x"\n[[person]]\nid = "bo"\nlogin = "x"\n',
        "[[person]] bo: login",
        7,
        "chen's already",
        "",
    ),
    "an empty window of days": (
        CHEN + 'day = { from = "8", to = "22:00" }\n',
        "[[person]] chen: day",
        4,
        "09:00",
        "",
    ),
    "a policy without levels": ('[[policy]]\nid = "a"\n', "[[policy]] a: level", 1, "[[policy.level]]", ""),
    "a target of no known form": (
        CHEN + '[[policy]]\nid = "a"\n[[policy.level]]\npage = ["chen"]\n',
        "[[policy]] a: level #1.page #1",
        7,
        "person:ID",
        "person:chen",
    ),
    "a roster variant that does not exist": (
        CHEN + '[[roster]]\nid = "r"\n[[roster.layer]]\nid = "l"\nparticipants = [["chen"]]\nturn = "1 week"\n'
        'starts = 2026-01-05\n[[policy]]\nid = "a"\n[[policy.level]]\npage = ["roster:r/nxt"]\n',
        "[[policy]] a: level #1.page #1",
        14,
        "next or previous",
        "next",
    ),
    "a turn longer than its spacing": (
        CHEN + '[[roster]]\nid = "r"\n[[roster.layer]]\nid = "l"\nparticipants = [["chen"]]\nturn = "1 week"\n'
        'every = "1 day"\nstarts = 2026-01-05\n',
        "[[roster]] r: layer l.every",
        10,
        "overlap",
        "",
    ),
    "workdays of no country": (
        CHEN + '[[roster]]\nid = "r"\n[[roster.layer]]\nid = "l"\nparticipants = [["chen"]]\nturn = "1 week"\n'
        'starts = 2026-01-05\nwindows = [{ days = "workdays" }]\n',
        "[[roster]] r: layer l",
        6,
        "a `calendar` too",
        "",
    ),
    "a calendar of no country": (
        CHEN + '[[roster]]\nid = "r"\n[[roster.layer]]\nid = "l"\nparticipants = [["chen"]]\nturn = "1 week"\n'
        'starts = 2026-01-05\ncalendar = "china"\n',
        "[[roster]] r: layer l.calendar",
        11,
        "'cn'",
        "",
    ),
    "an offset in a local time": (
        CHEN + '[[roster]]\nid = "r"\n[[roster.layer]]\nid = "l"\nparticipants = [["chen"]]\nturn = "1 week"\n'
        "starts = 2026-01-05T09:00:00+08:00\n",
        "[[roster]] r: layer l.starts",
        10,
        "without offset",
        "",
    ),
    "more reserves needed than there are": (
        CHEN + '[[pool]]\nid = "p"\npeople = ["chen"]\nneed = 2\n',
        "[[pool]] p: need",
        7,
        "at most 1",
        "",
    ),
    "several policies and no route": (
        CHEN
        + '[[policy]]\nid = "a"\n[[policy.level]]\npage = ["person:chen"]\n'
        + '[[policy]]\nid = "b"\n[[policy.level]]\npage = ["person:chen"]\n',
        "[[policy]] a",
        4,
        "[[route]]",
        "",
    ),
    "a share that is no comparison": (
        '[[classify]]\nwhen = { failing_share = "half" }\npriority = "P1"\n',
        "[[classify]] #1: when.failing_share",
        2,
        "'> 80'",
        "",
    ),
    "maintenance both once and again": (
        CHEN
        + '[[maintenance]]\nid = "m"\nmatch = { target = "*" }\ncron = "0 2 * * *"\nreason = "x"\nowner = "chen"\n',
        "[[maintenance]] m",
        4,
        "`cron` and `lasts`",
        "",
    ),
    "maintenance of a label nobody has": (
        CHEN + '[[maintenance]]\nid = "m"\nmatch = { targt = "x" }\ncron = "0 2 * * *"\nlasts = "1h"\nreason = "x"\n'
        'owner = "chen"\n',
        "[[maintenance]] m: match.targt",
        6,
        "a label",
        "target",
    ),
    "a door open to everybody": (
        '[web]\nlisten = "0.0.0.0:8470"\n',
        "[web] listen",
        2,
        "without a [[token]] only loopback",
        "",
    ),
    "an address without a port": ('[web]\nlisten = "127.0.0.1"\n', "[web] listen", 2, "an address and a port", ""),
    "a certificate without its key": ('[web]\ntls_cert = "c.pem"\n', "[web] tls_cert", 2, "a PEM file", ""),
    "a store of no kind": ('[opswatch]\nstore = "mysql://x"\n', "[opswatch] store", 2, "sqlite:PATH", ""),
    "a folder that is not there": ('[opswatch]\nchecks = "chekcs"\n', "[opswatch] checks", 2, "a folder", ""),
    "a guessable token": (
        '[[token]]\nid = "a"\nsecret = "short"\nmay = ["read"]\n',
        "[[token]] a: secret",
        3,
        "16 characters",
        "",
    ),
    "grouping by nothing known": ('[grouping]\nby = ["servcie"]\n', "[grouping] by #1", 2, "label", "service"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_mistake_is_one_problem(tmp_path: Path, mistake: str):
    main, where, line, expected, suggestion = MISTAKES[mistake]
    problems = Site(tmp_path).writes(main).problems()
    if mistake == "a certificate without its key":
        assert [problem.where for problem in problems] == ["[web]", "[web] tls_cert"]
        return
    assert len(problems) == 1, [str(problem) for problem in problems]
    problem = problems[0]
    assert (problem.where, problem.line, problem.suggestion) == (where, line, suggestion), str(problem)
    assert expected in problem.expected


HOST = '[[target]]\nid = "this-host"\nkind = "host"\n'
WEB = '[[target]]\nid = "web"\nkind = "http"\nurl = "http://127.0.0.1/"\n'
CHECK_MISTAKES = {
    "neither match nor targets": ("", "[[check]] c: match", "is required"),
    "a target that is not there": ('targets = ["this-hots"]\n', "[[check]] c: targets #1", "this-host"),
    "every and cron": ('targets = ["this-host"]\nevery = "60s"\ncron = "* * * * *"\n', "[[check]] c: cron", "not both"),
    "a timeout longer than every": (
        'targets = ["this-host"]\nevery = "10s"\ntimeout = "11s"\n',
        "[[check]] c: timeout",
        "never more than `every`",
    ),
    "a limit without sides": (
        'targets = ["this-host"]\nlimits = { used_pct = {} }\n',
        "[[check]] c: limits.used_pct",
        "`crit`",
    ),
    "a bare number as a limit": (
        'targets = ["this-host"]\nlimits = { used_pct = { warn = 80 } }\n',
        "[[check]] c: limits.used_pct.warn",
        "'> 80'",
    ),
    "a playbook that is not there": ('targets = ["this-host"]\nplaybook = "x"\n', "[[check]] c: playbook", "x.md"),
    "an argument of the wrong kind": (
        'targets = ["this-host"]\nargs = { floor_gb = "2" }\n',
        "[[check]] c: args.floor_gb",
        "a number",
    ),
    "an argument out of range": (
        'targets = ["this-host"]\nargs = { floor_gb = -1 }\n',
        "[[check]] c: args.floor_gb",
        "at least 0",
    ),
    "a limit for what the probe does not measure": (
        'targets = ["this-host"]\nlimits = { used_pc = { warn = "> 80" } }\n',
        "[[check]] c: limits.used_pc",
        "measures inodes_used_pct, used_pct",
    ),
    "a target the probe cannot look at": (
        'targets = ["web"]\n',
        "[[check]] c: targets #1",
        "a target of kind host",
    ),
    "an empty match": ("match = {}\n", "[[check]] c: match", "something to match"),
}


@pytest.mark.parametrize("mistake", CHECK_MISTAKES)
def test_a_mistake_in_a_check_file_names_that_file(tmp_path: Path, mistake: str):
    keys, where, expected = CHECK_MISTAKES[mistake]
    problem = _one(tmp_path, HOST + WEB, mine=f'[[check]]\nid = "c"\nprobe = "disk"\n{keys}')
    assert problem.file.endswith("checks/mine.toml")
    assert problem.where == where
    assert expected in problem.expected
    assert problem.line is not None and problem.line >= 1


def test_a_probe_that_does_not_exist_is_told_with_its_nearest_spelling(tmp_path: Path):
    problem = _one(tmp_path, HOST, mine='[[check]]\nid = "c"\nprobe = "dsk"\nmatch = { kind = "host" }\n')
    assert (problem.where, problem.line, problem.suggestion) == ("[[check]] c: probe", 3, "disk")


def test_the_same_check_in_two_files_names_both(tmp_path: Path):
    text = '[[check]]\nid = "c"\nprobe = "disk"\nmatch = { kind = "host" }\n'
    problem = _one(tmp_path, HOST, a=text, b=text)
    assert problem.file.endswith("b.toml") and "a.toml:1 has it already" in problem.expected


def test_check_files_hold_checks_only(tmp_path: Path):
    problem = _one(tmp_path, "", mine='[[service]]\nid = "a"\n')
    assert (problem.where, problem.suggestion) == ("service", "check") or "[[check]] tables only" in problem.expected


def test_an_unknown_person_in_a_roster_is_told_with_the_shifts_that_would_be_nobodys(tmp_path: Path):
    problem = _one(
        tmp_path,
        CHEN + '[[roster]]\nid = "r"\n[[roster.layer]]\nid = "l"\nparticipants = [["chen"], ["chne"]]\n'
        'turn = "1 week"\nstarts = 2026-11-16T09:00:00\n',
    )
    assert problem.suggestion == "chen"
    assert "2026-11-23 09:00 to 2026-11-30 09:00 UTC" in problem.expected
    assert problem.expected.count(" to ") == 5


def test_a_viewer_or_somebody_out_of_reach_cannot_be_on_call(tmp_path: Path):
    layer = '[[roster]]\nid = "r"\n[[roster.layer]]\nid = "l"\nparticipants = [["bo"]]\n'
    layer += 'turn = "1 week"\nstarts = 2026-01-05\n'
    bo = '[[person]]\nid = "bo"\n'
    assert "no working contact for P0" in _one(tmp_path, bo + layer).expected
    viewer = bo + 'role = "viewer"\ncontact = { webhook = "http://127.0.0.1/" }\n'
    assert "a viewer" in _one(tmp_path, viewer + layer).expected


def test_broken_toml_is_one_problem_with_its_line(tmp_path: Path):
    problem = _one(tmp_path, '[opswatch]\nname = "acme\n')
    assert (problem.line, problem.where) == (2, "syntax")


def test_bytes_that_are_no_utf8_are_one_problem_with_its_line(tmp_path: Path):
    (tmp_path / "config.toml").write_bytes(b'[opswatch]\nname = "\xff"\n')
    problem = Site(tmp_path).problem()
    assert problem.line == 2 and "UTF-8" in problem.expected


def test_broken_check_files_do_not_hide_the_mistakes_of_the_others(tmp_path: Path):
    problems = Site(tmp_path).writes("[opswatch]\nnmae = 1\n", bad="[[check]\n").problems()
    assert [Path(problem.file).name for problem in problems] == ["bad.toml", "config.toml"]


def test_a_file_that_is_not_there_says_how_to_get_one(tmp_path: Path):
    assert "`opswatch init`" in Site(tmp_path).problem().expected


def test_what_is_wrong_inside_a_channel_is_found_by_the_channel(tmp_path: Path):
    problems = Site(tmp_path).writes('[[channel]]\nid = "ops"\nkind = "slack"\ntoekn = "x"\n').problems()
    assert [(p.where, p.line, p.suggestion) for p in problems] == [
        ("[[channel]] ops: toekn", 4, "token"),
    ]


def test_a_route_cannot_ask_how_many_alerts_fail(tmp_path: Path):
    site = Site(tmp_path).writes(
        '[[policy]]\nid = "a"\n[[policy.level]]\npage = ["person:chen"]\n[[person]]\nid = "chen"\n'
        '[[route]]\nwhen = { alerts = ">= 5" }\npolicy = "a"\n[[route]]\npolicy = "a"\n'
    )
    assert "only in the `when` of a [[policy.level]]" in str(site.problem())


def test_a_count_of_alerts_is_a_comparison(tmp_path: Path):
    site = Site(tmp_path).writes(
        '[[policy]]\nid = "a"\n[[policy.level]]\npage = ["person:chen"]\nwhen = { alerts = 5 }\n'
        '[[person]]\nid = "chen"\n'
    )
    assert "'> 5'" in str(site.problem())


def test_a_pool_takes_no_turns_and_announcements_go_to_channels(tmp_path: Path):
    site = Site(tmp_path).writes(
        '[[policy]]\nid = "a"\nacks = { P0 = 0 }\n[[policy.level]]\npage = ["pool:em"]\nround_robin = true\n'
        'announce = ["person:chen"]\nanounce = []\n'
        '[[pool]]\nid = "em"\npeople = ["chen"]\n'
        '[[person]]\nid = "chen"\ncontact = { console = "c" }\n'
    )
    said = "\n".join(map(str, site.problems()))
    assert "nothing beside pool:em" in said
    assert "write channel:ID" in said
    assert "a whole number from 1 to 20" in said
    assert "announce" in said and "anounce" in said
