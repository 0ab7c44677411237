"""The first minute at the terminal: init, config check and show, doctor, the store, completion."""

from __future__ import annotations

import os
import pwd
import re
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from opswatch.cli import setup
from opswatch.core.events import AddOverride, SendFailed
from opswatch.stores import open_store
from tests.doors.terminal import CONFIG, Terminal


def test_init_writes_a_configuration_that_passes_its_own_check(terminal: Terminal, tmp_path: Path):
    terminal.is_used_by("casey")
    folder = tmp_path / "new" / "place"
    said = terminal.says("init", str(folder), config=False)
    assert said.code == 0
    assert f"opswatch -c {folder / 'config.toml'} config check" in said.out
    assert list((folder / "checks").glob("*.toml")), "the checks came along"
    written = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
    assert written["person"][0]["login"] == "casey"
    assert written["opswatch"]["timezone"] == setup.host_zone()
    assert "config.example.toml" not in (folder / "config.toml").read_text(encoding="utf-8")
    checked = terminal.says("-c", str(folder / "config.toml"), "config", "check", config=False)
    assert (checked.code, checked.err) == (0, "")
    assert "is valid" in checked.out
    assert re.search(r"looking \d+ times at \d+ targets?, 1 person in \d+ rosters?, 1 policy$", checked.out.strip())


def test_who_ran_init_acts_at_once(terminal: Terminal, tmp_path: Path):
    terminal.is_used_by("casey")
    terminal.says("init", str(tmp_path / "new"), config=False)
    line = ("-c", str(tmp_path / "new" / "config.toml"))
    assert terminal.says(*line, "open", "it", "smokes", config=False).code == 0
    assert terminal.says(*line, "ack", "1", config=False).code == 0


def test_init_by_sudo_knows_who_asked(terminal: Terminal, tmp_path: Path):
    terminal.is_used_by("root", sudoer="casey")
    terminal.says("init", str(tmp_path / "new"), config=False)
    written = tomllib.loads((tmp_path / "new" / "config.toml").read_text(encoding="utf-8"))
    assert written["person"][0]["login"] == "casey"


def test_init_overwrites_nothing(terminal: Terminal, tmp_path: Path):
    folder = tmp_path / "new"
    (folder / "checks").mkdir(parents=True)
    mine = sorted((setup.shipped() / "checks").glob("*.toml"))[0].name
    (folder / "checks" / mine).write_text("# mine\n")
    assert f"kept {folder / 'checks' / mine}" in terminal.says("init", str(folder), config=False).out
    assert (folder / "checks" / mine).read_text() == "# mine\n"
    again = terminal.says("init", str(folder), config=False)
    assert again.code == 1
    assert "exists: nothing was written" in again.err


def test_the_shipped_example_lets_its_owner_act(terminal: Terminal, tmp_path: Path):
    """One person alone needs no login: whoever owns the file is meant."""
    example = (setup.shipped() / setup.EXAMPLE).read_text(encoding="utf-8")
    terminal.writes(example)
    (tmp_path / "checks" / "all.toml").write_text("")
    owner = pwd.getpwuid(os.geteuid()).pw_name
    terminal.is_used_by(owner)
    assert terminal.says("open", "it", "smokes").code == 0
    terminal.is_used_by("root", sudoer=owner)
    assert terminal.says("ack", "1").code == 0
    terminal.is_used_by("mallory")
    assert terminal.says("resolve", "1").code == 1


@pytest.mark.parametrize(("written", "zone"), [("Asia/Shanghai", "Asia/Shanghai"), (":Europe/Berlin", "Europe/Berlin")])
def test_the_zone_of_the_host(monkeypatch: pytest.MonkeyPatch, written: str, zone: str):
    monkeypatch.setenv("TZ", written)
    assert setup.host_zone() == zone


def test_a_zone_nobody_knows_is_passed_over(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "CST-8")
    assert setup.host_zone() != "CST-8"


# ---------------------------------------------------------------------------------------------------------------------
# config


def test_config_check_lists_every_problem_with_its_place(terminal: Terminal):
    terminal.writes(CONFIG.replace('role = "admin"', 'role = "boss"').replace('wait = "5m"', 'wait = "five"'))
    said = terminal.says("config", "check")
    assert said.code == 2
    assert f"{terminal.config}:" in said.err
    assert '"boss"' in said.err
    assert '"five"' in said.err
    assert "2 problems; nothing was loaded" in said.err
    listed = terminal.says("config", "check", "--json")
    assert listed.code == 2
    assert {problem["seen"] for problem in listed.json["problems"]} == {'"boss"', '"five"'}
    assert all(problem["line"] for problem in listed.json["problems"])


def test_every_command_refuses_a_broken_configuration(terminal: Terminal):
    terminal.writes("[opswatch\n")
    for line in (("who",), ("ack", "1"), ("doctor",), ("config", "show"), ("db", "migrate")):
        said = terminal.says(*line)
        assert said.code == 2, line
        assert f"{terminal.config}:1" in said.err


def test_no_configuration_at_all_says_where_it_was_looked_for(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path / "checks")
    monkeypatch.setattr("opswatch.assemble.PLACES", (Path("config.toml"),))
    said = terminal.says("who", config=False)
    assert said.code == 2
    assert "no configuration: looked for config.toml; name one with -c FILE, or write one: opswatch init" in said.err


def test_config_check_tells_what_is_allowed_and_not_meant(terminal: Terminal):
    terminal.writes(CONFIG.replace("until = 2020-02-01T00:00:00", "until = 2020-02-01T00:00:00\npriority = 1"))
    assert "warning" in terminal.says("config", "check").out
    warnings = terminal.says("config", "check", "--json").json["warnings"]
    assert warnings
    assert terminal.says("config", "check").code == 0


def test_config_check_asks_the_store_about_people_who_left(terminal: Terminal):
    with terminal.office() as office:
        start = office.now()
        office.desk.apply(AddOverride("primary", start, start + timedelta(days=1), add="bo", by="lead"))
    terminal.writes(CONFIG.replace('"bo"', '"bea"'))
    said = terminal.says("config", "check")
    assert said.code == 2
    assert "opswatch override remove 1" in said.err
    assert "shifts that would be nobody's" in said.err
    [problem] = terminal.says("config", "check", "--json").json["problems"]
    assert (problem["where"], problem["seen"]) == ("override 1", '"bo"')


def test_config_check_makes_no_store(terminal: Terminal):
    assert terminal.says("config", "check").code == 0
    assert not (terminal.folder / "var").exists()


def test_config_show_masks_secrets(terminal: Terminal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOOK_SECRET", "hunter2hunter2")
    hook = '\n[[channel]]\nid = "hook"\nkind = "webhook"\nto = "https://example.com/x"\nsecret = "env:HOOK_SECRET"\n'
    terminal.writes(CONFIG + hook)
    for line in (("config", "show"), ("config", "show", "--json")):
        shown = terminal.says(*line)
        assert shown.code == 0
        assert "hunter2" not in shown.out
        assert "env:HOOK_SECRET" in shown.out
    assert terminal.says("config", "show", "--json").json["plan"]["people"]["ana"]["name"] == "Ana Ruiz"


def test_who_only_asks_or_acts_needs_no_secret(terminal: Terminal, monkeypatch: pytest.MonkeyPatch):
    """The service has the token in its credentials; the person who acknowledges at night has it not."""
    monkeypatch.delenv("OPSWATCH_TEST_TOKEN", raising=False)
    hook = (
        '\n[[channel]]\nid = "hook"\nkind = "webhook"\nto = "https://example.com"\nsecret = "env:OPSWATCH_TEST_TOKEN"\n'
    )
    terminal.fails()
    terminal.writes(CONFIG + hook)
    assert terminal.says("who").code == 0
    assert terminal.says("ack", "1").code == 0
    assert terminal.says("config", "check").code == 2


# ---------------------------------------------------------------------------------------------------------------------
# doctor and the store


def findings(terminal: Terminal) -> dict[str, tuple[str, str]]:
    return {row["name"]: (row["state"], row["says"]) for row in terminal.says("doctor", "--json").json}


def alive(terminal: Terminal) -> None:
    """A daemon of this configuration gave a sign of life."""
    with terminal.office() as office:
        office.store.beat("here", office.now(), {"config": office.loaded.fingerprint[:12]})


def test_doctor_finds_nothing_where_all_is_well(terminal: Terminal):
    alive(terminal)
    said = terminal.says("doctor")
    states = {name: state for name, (state, _) in findings(terminal).items()}
    assert {state for name, state in states.items() if name not in ("configuration", "disk", "rosters")} == {"ok"}, said
    assert said.code == 0


def test_doctor_misses_the_daemon(terminal: Terminal):
    said = terminal.says("doctor")
    assert said.code == 1
    assert "fail  daemon: none has ever run" in said.out
    assert "→ opswatch run" in said.out
    with terminal.office() as office:
        office.store.beat("here", office.now() - timedelta(minutes=5), {})
    assert findings(terminal)["daemon"] == ("fail", "none lives; last seen: here 5m ago")


def test_doctor_sees_that_another_configuration_runs(terminal: Terminal):
    alive(terminal)
    terminal.writes(CONFIG + "\n# changed\n")
    assert findings(terminal)["loaded"][0] == "fail"


def test_doctor_sees_that_a_loop_stands_still(terminal: Terminal):
    with terminal.office() as office:
        office.store.beat("here", office.now(), {"standing_still": ["pages"]})
    assert findings(terminal)["daemon"] == ("fail", "loops stand still: here: ['pages']")


def test_doctor_finds_who_cannot_be_reached(terminal: Terminal):
    """The lead stands in for a roster that is empty, and wants to hear of nothing."""
    terminal.writes(
        CONFIG.replace('contact = { console = "lead" }', 'contact = { console = "lead" }\nnotify = { P0 = [] }')
    )
    alive(terminal)
    assert findings(terminal)["people"] == ("fail", "lead has no contact for P0")
    assert terminal.says("doctor").code == 1


def test_doctor_sees_the_last_page_that_failed(terminal: Terminal):
    alive(terminal)
    terminal.fails()
    with terminal.office() as office:
        [message] = [row for row in office.store.messages(1) if row.kind == "page"]
        failed = SendFailed(message.id, 1, "page", message.person, message.channel, "no such user", permanent=True)
        office.desk.apply(failed)
    state, says = findings(terminal)["deliveries"]
    assert state == "warn"
    assert "no such user" in says


def test_the_store_is_brought_forward_and_examined(terminal: Terminal):
    assert terminal.says("db", "check").code == 3, "there is none yet"
    applied = terminal.says("db", "migrate", "--json").json["applied"]
    assert applied
    assert terminal.says("db", "migrate").out == "The schema is up to date.\n"
    assert terminal.says("db", "check").out == "The store is sound, and its schema is up to date.\n"
    assert terminal.says("db", "check", "--json").json == {"missing_migrations": [], "problems": []}


def test_a_damaged_store_is_noticed(terminal: Terminal):
    terminal.fails()
    with terminal.office() as office:
        office.store.close()
    file = terminal.folder / "var" / "opswatch.db"
    data = bytearray(file.read_bytes())
    data[4096 * 3 : 4096 * 6] = os.urandom(4096 * 3)
    file.write_bytes(bytes(data))
    said = terminal.says("db", "check")
    assert said.code in (1, 3)
    assert "damaged" in said.out + said.err


def test_an_address_that_is_no_store_is_a_configuration_problem(terminal: Terminal):
    terminal.writes(CONFIG.replace("sqlite:var/opswatch.db", "mongodb://x"))
    said = terminal.says("who")
    assert said.code == 2
    assert "sqlite:PATH or postgresql://" in said.err


def test_a_store_that_does_not_answer_is_code_three(terminal: Terminal):
    terminal.writes(
        CONFIG.replace("sqlite:var/opswatch.db", "postgresql://nobody@127.0.0.1:1/opswatch?connect_timeout=2")
    )
    said = terminal.says("list")
    assert said.code == 3
    assert "Traceback" not in said.err
    assert terminal.says("doctor").code == 3


def test_a_newer_schema_is_no_hindrance(terminal: Terminal):
    """The next release ran here once: this one goes on with what it knows."""
    terminal.fails()
    store = open_store(f"sqlite:{terminal.folder / 'var' / 'opswatch.db'}")
    assert store.missing_migrations() == []
    store.close()
    assert terminal.says("list").code == 0


# ---------------------------------------------------------------------------------------------------------------------
# completion


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete -o"), ("zsh", "compdef"), ("fish", "complete --no-files")]
)
def test_completion_prints_a_script_and_where_it_goes(terminal: Terminal, shell: str, word: str):
    said = terminal.says("completion", shell, config=False)
    assert said.code == 0
    assert said.out.startswith("# ")
    assert "opswatch completion" in said.out.splitlines()[0]
    assert word in said.out


def test_a_shell_nobody_completes_for(terminal: Terminal):
    assert terminal.says("completion", "cmd", config=False).code == 2
