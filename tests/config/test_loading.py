"""What a configuration that is right becomes."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest

from opswatch import config
from opswatch.core.model import Health, Priority
from opswatch.core.plan import Limit, NotifyStep
from tests.config.site import Site

HOST = '[[target]]\nid = "this-host"\nkind = "host"\n'
CHEN = '[[person]]\nid = "chen"\nrole = "admin"\ncontact = { webhook = "http://127.0.0.1/chen" }\n'
DISK = '[[check]]\nid = "disk-space"\nprobe = "disk"\nmatch = { kind = "host" }\n'


def _spec_example() -> tuple[str, str]:
    """SPEC 1's own example, with the people it only mentions."""
    main = Path(__file__).with_name("spec-example.toml").read_text(encoding="utf-8")
    check = Path(__file__).with_name("spec-check.toml").read_text(encoding="utf-8")
    return main, check


@pytest.fixture
def acme(tmp_path: Path) -> config.Loaded:
    main, check = _spec_example()
    site = Site(tmp_path).writes(main, server=check).adds("playbooks/disk-full.md", "# Disk full\n")
    site.environ.update(
        DB_MAIN_URL="postgresql://watch:x@db/orders",
        SLACK_BOT_TOKEN="xoxb-1",
        SLACK_APP_TOKEN="xapp-1",
        DEADMAN_URL="https://deadman.example.com/1",
        INGEST_TOKEN="0123456789abcdef0123",
    )
    return site.loads()


def test_the_example_of_the_contract_loads(acme: config.Loaded):
    plan = acme.plan
    assert (plan.name, plan.node, plan.timezone) == ("acme", "ops-1", "Asia/Shanghai")
    chen = plan.people["chen"]
    assert chen.notify[Priority.P0] == (NotifyStep("slack"),)  # phone is for a later release
    assert chen.day is not None and chen.day.start == time(8)
    layer = plan.rosters["primary"].layers[0]
    assert layer.participants == (("chen",), ("li",), ("wang", "zhao"))
    assert (layer.turn, layer.every, layer.starts) == ((1, "week"), (1, "week"), datetime(2026, 1, 5, 9))  # noqa: DTZ001
    policy = plan.policies["standard"]
    assert [level.wait for level in policy.levels] == [timedelta(minutes=m) for m in (5, 10, 15)]
    assert policy.levels[1].when is not None and policy.levels[1].when.calendar == "cn"
    assert plan.routes[0].services == {"orders"} and plan.routes[-1].is_catch_all
    check = plan.checks["disk-space"]
    assert check.limits == {"used_pct": Limit("> 80", "> 90", 3)}
    assert check.priority == {Health.CRIT: Priority.P1, Health.WARN: Priority.P3}
    assert (check.targets, check.playbook) == (("this-host",), "disk-full")


def test_what_no_code_acts_on_yet_is_accepted_with_a_loud_warning(acme: config.Loaded):
    wheres = {warning.where for warning in acme.warnings}
    assert "[vantage] anchors" in wheres and not any("hook" in where or "heartbeat" in where for where in wheres)
    assert "[[person]] chen: contact.phone" in wheres
    assert all(warning.line for warning in acme.warnings)


def test_work_days_that_are_not_published_yet_are_told(acme: config.Loaded):
    (warning,) = (warning for warning in acme.warnings if "work days" in warning.expected)
    assert "2027" in warning.expected and "2026" not in warning.expected


def test_the_calendar_knows_holidays_and_worked_weekends(acme: config.Loaded):
    cn = acme.plan.calendars["cn"]
    assert date(2026, 10, 1) in cn.holidays and date(2026, 10, 10) in cn.worked
    assert 2026 in cn.years and 2027 not in cn.years


def test_an_empty_file_is_enough(tmp_path: Path):
    loaded = Site(tmp_path).writes("").loads()
    assert loaded.plan.node and loaded.plan.timezone == "UTC"
    assert loaded.settings.store.reveal() == f"sqlite:{tmp_path.resolve()}/var/opswatch.db"
    assert loaded.settings.public_url == "http://127.0.0.1:8470"
    assert loaded.warnings == []


def test_without_policies_the_admins_are_paged(tmp_path: Path):
    plan = Site(tmp_path).writes(CHEN + '[[person]]\nid = "bo"\n').loads().plan
    assert plan.policies["default"].levels[0].page == ("person:chen",)
    assert plan.routes[0].is_catch_all and plan.routes[0].policy == "default"


def test_the_only_policy_needs_no_route(tmp_path: Path):
    plan = Site(tmp_path).writes(CHEN + '[[policy]]\nid = "a"\n[[policy.level]]\npage = ["person:chen"]\n').loads().plan
    assert [(route.policy, route.is_catch_all) for route in plan.routes] == [("a", True)]


def test_where_one_person_is_the_team_whoever_owns_the_file_acts_as_them(tmp_path: Path):
    me = tmp_path.owner()
    assert Site(tmp_path).writes(CHEN).loads().plan.people["chen"].login == me
    two = CHEN + '[[person]]\nid = "bo"\n'
    assert Site(tmp_path).writes(two).loads().plan.people["chen"].login is None


def test_a_persons_zone_and_language_default_to_the_installations(tmp_path: Path):
    top = '[opswatch]\ntimezone = "Europe/Berlin"\nlanguage = "zh"\n'
    chen = Site(tmp_path).writes(top + CHEN).loads().plan.people["chen"]
    assert (chen.timezone, chen.language) == ("Europe/Berlin", "zh")


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    site = Site(tmp_path).writes('[opswatch]\ndata_dir = "data"\nstore = "sqlite:data/x.db"\n')
    monkeypatch.chdir("/")
    settings = site.loads().settings
    assert settings.data_dir == tmp_path.resolve() / "data"
    assert settings.store.reveal() == f"sqlite:{tmp_path.resolve()}/data/x.db"


def test_the_timeout_is_never_more_than_every(tmp_path: Path):
    checks = Site(tmp_path).writes(HOST, a=DISK + 'every = "10s"\n').loads().plan.checks
    assert checks["disk-space"].timeout == timedelta(seconds=10)
    checks = Site(tmp_path).writes(HOST, a=DISK + 'every = "10m"\n').loads().plan.checks
    assert checks["disk-space"].timeout == timedelta(seconds=30)


def test_defaults_of_alerts_reach_checks(tmp_path: Path):
    plan = Site(tmp_path).writes("[alerts]\nconfirm = 5\nrecover = 4\n" + HOST, a=DISK).loads().plan
    assert (plan.checks["disk-space"].confirm, plan.checks["disk-space"].recover) == (5, 4)


def test_targets_are_matched_by_kind_service_and_labels(tmp_path: Path):
    main = (
        '[[service]]\nid = "shop"\nteam = "web"\nlabels = { region = "apac" }\n'
        '[[target]]\nid = "a"\nkind = "host"\nservice = "shop"\n'
        '[[target]]\nid = "b"\nkind = "host"\nlabels = { region = "emea" }\n'
        '[[target]]\nid = "c"\nkind = "http"\nurl = "http://c/"\nservice = "shop"\n'
    )
    for match, expected in {
        'kind = "host"': ("a", "b"),
        'service = "shop"': ("a", "c"),
        'kind = ["host", "http"], labels = { region = "apac" }': ("a", "c"),
        'target = "b*"': ("b",),
        'team = "web", kind = "http"': ("c",),
    }.items():
        check = f'[[check]]\nid = "x"\nprobe = "memory"\nmatch = {{ {match} }}\n'
        assert Site(tmp_path).writes(main, a=check).loads().plan.checks["x"].targets == expected


def test_a_check_that_narrows_down_to_nothing_is_warned_of(tmp_path: Path):
    check = '[[check]]\nid = "x"\nprobe = "disk"\nmatch = { kind = "host", labels = { a = "b" } }\n'
    (warning,) = Site(tmp_path).writes(HOST, a=check).loads().warnings
    assert "matches no target" in warning.expected


def test_a_shipped_check_may_wait_for_its_first_target(tmp_path: Path):
    check = '[[check]]\nid = "x"\nprobe = "http"\nmatch = { kind = "http" }\n'
    loaded = Site(tmp_path).writes(HOST, a=check).loads()
    assert loaded.warnings == [] and loaded.plan.checks["x"].targets == ()


def test_a_check_that_nothing_starts_is_warned_of(tmp_path: Path):
    (warning,) = Site(tmp_path).writes(HOST, a=DISK).loads().warnings
    assert "neither `every` nor `cron`" in warning.expected


def test_a_host_that_cannot_be_reached_yet_is_not_mistaken_for_this_one(tmp_path: Path):
    main = HOST + '[[target]]\nid = "far"\nkind = "host"\naccess = "ssh:root@far"\n'
    loaded = Site(tmp_path).writes(main, a=DISK + 'every = "60s"\n').loads()
    assert loaded.plan.checks["disk-space"].targets == ("this-host",)
    assert [warning.where for warning in loaded.warnings] == ["[[target]] far: access"]


def test_a_playbook_named_like_its_check_is_found(tmp_path: Path):
    site = Site(tmp_path).writes(HOST, a=DISK).adds("playbooks/disk-space.md", "# Disk\n")
    assert site.loads().plan.checks["disk-space"].playbook == "disk-space"


def test_a_contact_that_needs_no_settings_brings_its_own_channel(tmp_path: Path):
    settings = Site(tmp_path).writes(CHEN).loads().settings
    carrier = settings.carrier("webhook")
    assert carrier is not None and carrier.is_implied and carrier.config is not None
    assert settings.carrier("slack") is None


def test_implied_channels_are_not_targets(tmp_path: Path):
    assert Site(tmp_path).writes(CHEN).loads().plan.channels == frozenset()


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [("127.0.0.1:8470", "127.0.0.1", 8470), ("[::1]:80", "::1", 80), ("localhost:0", "localhost", 0)],
)
def test_the_door_listens_where_it_is_told(tmp_path: Path, listen: str, host: str, port: int):
    web = Site(tmp_path).writes(f'[web]\nlisten = "{listen}"\n').loads().settings.web
    assert (web.host, web.port) == (host, port)


def test_a_token_opens_the_door_beyond_loopback(tmp_path: Path):
    main = '[web]\nlisten = "[::]:8470"\n[[token]]\nid = "a"\nsecret = "0123456789abcdef"\nmay = "read"\n'
    settings = Site(tmp_path).writes(main).loads().settings
    assert settings.web.host == "::" and settings.tokens[0].may == {"read"}


def test_classify_knows_the_days_of_a_calendar(tmp_path: Path):
    for written, expected in {
        "cn": ("cn", True),
        "cn restdays": ("cn", False),
        "de-by workdays": ("de-by", True),
    }.items():
        rule = f'[[classify]]\nwhen = {{ state = "crit", calendar = "{written}" }}\npriority = "P1"\n'
        assert Site(tmp_path).writes(rule).loads().plan.classify[0].calendar == expected


def test_maintenance_once_is_local_time(tmp_path: Path):
    main = CHEN + (
        '[[maintenance]]\nid = "m"\nmatch = { target = "*" }\nfrom = 2026-12-01T02:00:00\nto = 2026-12-01T04:00:00\n'
        'timezone = "Asia/Shanghai"\nreason = "x"\nowner = "chen"\n'
    )
    (window,) = Site(tmp_path).writes(main).loads().plan.maintenance
    assert window.start is not None and window.start.isoformat() == "2026-11-30T18:00:00+00:00"


def test_the_fingerprint_tells_that_what_is_on_disk_is_not_what_is_loaded(tmp_path: Path):
    site = Site(tmp_path).writes(HOST, a=DISK).adds("playbooks/disk-space.md", "# Disk\n")
    loaded = site.loads()
    assert config.fingerprint(site.path) == loaded.fingerprint
    for change in (
        lambda: site.adds("checks/a.toml", DISK + "# changed\n"),
        lambda: site.adds("checks/b.toml", ""),
        lambda: site.adds("playbooks/disk-space.md", "# Another\n"),
        lambda: site.writes(HOST + "\n"),
        lambda: site.writes("not toml ["),
        lambda: site.path.unlink(),
    ):
        before = config.fingerprint(site.path)
        change()
        assert config.fingerprint(site.path) not in (before, loaded.fingerprint)
