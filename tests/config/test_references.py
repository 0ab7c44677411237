"""Values that stand elsewhere are found, and are never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from opswatch import config
from opswatch.core.model import Secret
from opswatch.errors import ConfigError
from tests.config.site import Site

SLACK = '[[channel]]\nid = "ops"\nkind = "slack"\ntoken = "{}"\nto = "#ops"\n'
HIDDEN = "xoxb-never-to-be-seen"


def _token(loaded: config.Loaded) -> Secret:
    found = loaded.settings.channels["ops"].config.token  # type: ignore[union-attr]
    assert isinstance(found, Secret)
    return found


def test_a_value_comes_from_the_environment(tmp_path: Path):
    site = Site(tmp_path).writes(SLACK.format("env:SLACK"))
    site.environ["SLACK"] = HIDDEN
    token = _token(site.loads())
    assert (token.reveal(), str(token)) == (HIDDEN, "env:SLACK")


def test_a_value_comes_from_a_file_without_its_line_end(tmp_path: Path):
    secret = tmp_path / "token"
    secret.write_text(HIDDEN + "\n")
    assert _token(Site(tmp_path).writes(SLACK.format(f"file:{secret}")).loads()).reveal() == HIDDEN


def test_a_value_comes_from_a_systemd_credential(tmp_path: Path):
    site = Site(tmp_path).adds("credentials/slack", HIDDEN).writes(SLACK.format("credential:slack"))
    site.environ["CREDENTIALS_DIRECTORY"] = str(tmp_path / "credentials")
    assert _token(site.loads()).reveal() == HIDDEN


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("env:NO_SUCH", "no NO_SUCH"),
        ("env:", "a name after"),
        ("file:token", "unknown"),
        ("file:/no/such/file", "no such file"),
        ("credential:slack", "LoadCredential"),
    ],
)
def test_a_reference_that_leads_nowhere_is_a_problem_with_its_place(tmp_path: Path, reference: str, expected: str):
    if reference == "file:token":
        expected = "absolute path"
    problem = Site(tmp_path).writes(SLACK.format(reference)).problem()
    assert (problem.line, problem.where) == (4, "[[channel]] ops: token")
    assert expected.lower() in problem.expected.lower()


def test_a_credential_cannot_reach_out_of_its_folder(tmp_path: Path):
    site = Site(tmp_path).adds("credentials/x", "y").writes(SLACK.format("credential:../config.toml"))
    site.environ["CREDENTIALS_DIRECTORY"] = str(tmp_path / "credentials")
    assert "without a slash" in site.problem().expected


def test_any_text_may_be_a_reference(tmp_path: Path):
    site = Site(tmp_path).writes('[opswatch]\nname = "env:NAME"\ntimezone = "env:ZONE"\n')
    site.environ.update(NAME="acme", ZONE="Asia/Shanghai")
    plan = site.loads().plan
    assert (plan.name, plan.timezone) == ("acme", "Asia/Shanghai")


def test_a_wrong_value_from_elsewhere_is_told_without_being_shown(tmp_path: Path):
    site = Site(tmp_path).writes(
        '[opswatch]\ntimezone = "env:A"\nstore = "env:A"\n[alerts]\nreopen_after = "env:A"\n'
        '[digest]\ncron = "env:A"\n[deadman]\nurl = "env:A"\n[[target]]\nid = "t"\nkind = "http"\nurl = "env:A"\n'
        '[[person]]\nid = "p"\nday = { from = "env:A", to = "22:00" }\ncontact = { slack = "env:A" }\n'
        + SLACK.format("env:A")
        + '[[check]]\nid = "c"\nprobe = "disk"\ntargets = ["t"]\nargs = { floor_gb = "env:A" }\n'
        'limits = { x = { warn = "env:A" } }\n'
    )
    site.environ["A"] = HIDDEN
    problems = site.problems()
    assert len(problems) >= 9
    assert HIDDEN not in "\n".join(map(str, problems))
    assert HIDDEN not in repr(problems)


def test_what_stands_in_the_file_itself_is_masked_in_problems(tmp_path: Path):
    site = Site(tmp_path).writes(
        '[opswatch]\nstore = "mysql://root:hunter2@db/x"\n[[token]]\nid = "t"\nsecret = "hunter2"\nmay = ["read"]\n'
        '[[target]]\nid = "a"\nkind = "postgres"\nurl = "postgre://u:hunter2@db"\n'
    )
    problems = site.problems()
    assert len(problems) == 3
    assert "hunter2" not in "\n".join(map(str, problems))


def test_show_masks_secrets_and_shows_where_they_come_from(tmp_path: Path):
    site = Site(tmp_path).writes(
        '[opswatch]\nname = "env:NAME"\n'
        + SLACK.format("env:SLACK")
        + '[[channel]]\nid = "raw"\nkind = "webhook"\nsecret = "hunter2"\n'
        + '[[person]]\nid = "chen"\ncontact = { slack = "U024BE7LH" }\n'
        + '[[target]]\nid = "db"\nkind = "postgres"\nurl = "postgresql://watch:hunter2@db.example.com/orders?x=hunter2"\n'
        + '[[token]]\nid = "t"\nsecret = "hunter2hunter2hunter2"\nmay = ["read"]\n'
    )
    site.environ.update(SLACK=HIDDEN, NAME="from-elsewhere")
    loaded = site.loads()
    assert 'name = "env:NAME"' in config.show_text(loaded) and "from-elsewhere" not in config.show_text(loaded)
    for shown in (config.show_text(loaded), str(config.show(loaded)), repr(loaded)):
        assert "hunter2" not in shown and HIDDEN not in shown and "U024BE7LH" not in shown
    assert 'token = "env:SLACK"' in config.show_text(loaded)
    assert "postgresql://watch:***@db.example.com/orders?***" in config.show_text(loaded)


def test_the_url_of_a_log_is_a_path_not_a_reference(tmp_path: Path):
    target = '[[target]]\nid = "app"\nkind = "log"\nurl = "file:/var/log/app/app.log"\n'
    url = Site(tmp_path).writes(target).loads().plan.targets["app"].url
    assert url is not None and url.reveal() == "file:/var/log/app/app.log"


def test_a_command_that_neither_looks_nor_sends_needs_no_secret_of_the_daemon(tmp_path: Path):
    site = Site(tmp_path).writes(
        SLACK.format("credential:slack")
        + '[deadman]\nurl = "env:DEADMAN"\n[[token]]\nid = "t"\nsecret = "env:TOKEN"\nmay = ["read"]\n'
        + '[[target]]\nid = "db"\nkind = "postgres"\nurl = "env:DB"\n'
        + '[[person]]\nid = "p"\ncontact = { slack = "env:ME" }\n'
    )
    assert site.loads(needs_secrets=False).plan.targets["db"].url == Secret("env:DB")
    assert len(site.problems()) == 5


def test_what_decides_is_needed_by_every_command(tmp_path: Path):
    site = Site(tmp_path).writes('[opswatch]\nstore = "env:STORE"\n[digest]\ncron = "env:CRON"\n')
    with pytest.raises(ConfigError) as refused:
        site.loads(needs_secrets=False)
    assert [problem.where for problem in refused.value.problems] == ["[opswatch] store", "[digest] cron"]
