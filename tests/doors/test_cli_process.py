"""The command line as its users start it: a process of its own, its exit code, its imports, two at the same instant."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from opswatch import assemble
from opswatch.core.model import Status
from tests.doors.terminal import CHECKS, CONFIG, Terminal

ME = pwd.getpwuid(os.geteuid()).pw_name
NOBODY = 65534
HEAVY = (
    "pydantic",
    "rich",
    "structlog",
    "fastapi",
    "uvicorn",
    "apscheduler",
    "slack_sdk",
    "requests",
    "jinja2",
    "psutil",
)


class Process:
    """An installation in which whoever runs the tests is ana."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config.toml"
        self.config.write_text(CONFIG.replace('login = "ana"', f'login = "{ME}"'), encoding="utf-8")
        (folder / "checks").mkdir()
        (folder / "checks" / "all.toml").write_text(CHECKS, encoding="utf-8")

    def start(self, *line: str, **environ: str) -> subprocess.Popen[str]:
        surroundings = {name: value for name, value in os.environ.items() if not name.startswith("OPSWATCH")}
        return subprocess.Popen(
            [sys.executable, "-m", "opswatch", *line],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.config.parent,
            env={**surroundings, **environ},
        )

    def says(self, *line: str, **environ: str) -> tuple[int, str, str]:
        process = self.start(*line, **environ)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process(tmp_path)


def test_every_code_has_its_meaning(process: Process, tmp_path: Path):
    assert process.says("open", "it", "smokes")[0] == 0
    assert process.says("ack", "9")[0] == 1
    assert process.says("ack", "nine")[0] == 2
    assert process.says("-c", str(tmp_path / "not-there.toml"), "who")[0] == 2
    shutil.rmtree(tmp_path / "var")
    (tmp_path / "var").write_text("a file stands where the folder should be")
    code, out, err = process.says("who")
    assert (code, out) == (3, "")
    assert "Traceback" not in err
    assert "var" in err


def test_the_configuration_may_be_named_anywhere(process: Process, tmp_path: Path):
    config, elsewhere = str(process.config), tmp_path / "elsewhere"
    elsewhere.mkdir()
    for line in (
        ("-c", config, "roster", "show", "primary"),
        ("roster", "-c", config, "show", "primary"),
        ("roster", "show", "-c", config, "primary"),
        ("roster", "show", "primary", "-c", config),
        ("roster", "show", "primary", f"--config={config}"),
    ):
        started = subprocess.run(
            [sys.executable, "-m", "opswatch", *line], cwd=elsewhere, capture_output=True, text=True, check=False
        )
        assert started.returncode == 0, (line, started.stderr)
        assert "ON CALL" in started.stdout
    assert process.says("who", OPSWATCH_CONFIG=config)[0] == 0
    assert process.says("who", OPSWATCH_CONFIG=str(tmp_path / "no.toml"))[0] == 2
    assert process.says("who", "-c", config, OPSWATCH_CONFIG=str(tmp_path / "no.toml"))[0] == 0, "the line wins"


def test_of_two_at_the_same_instant_exactly_one_gets_it(process: Process):
    """Ana and Bo acknowledge from two processes: one has it, the other is told who."""
    process.says("open", "it", "smokes")
    others = process.config.with_name("bo.toml")
    mine = process.config.read_text(encoding="utf-8")
    others.write_text(mine.replace(f'login = "{ME}"', 'login = "ana"').replace('login = "bo"', f'login = "{ME}"'))
    both = [process.start("ack", "1"), process.start("-c", str(others), "ack", "1")]
    said = [one.communicate(timeout=60) for one in both]
    assert sorted(one.returncode for one in both) == [0, 1], said
    office = assemble.open_office(process.config)
    [row] = office.views.incidents()
    entries = office.views.timeline(kinds=["acknowledged"])
    office.close()
    assert row.status is Status.ACKNOWLEDGED
    assert [entry.entry.by for entry in entries] == [row.owner], "one acknowledgement, by its owner"
    winner = next(place for place, one in enumerate(both) if one.returncode == 0)
    assert row.owner == ("ana", "bo")[winner]


def test_a_pipe_gets_plain_text_and_so_does_who_wants_no_colour(process: Process):
    process.says("open", "--priority", "P0", "it", "smokes")
    for environ in ({}, {"NO_COLOR": "1"}, {"TERM": "dumb"}):
        _, out, _ = process.says("list", **environ)
        assert "\x1b" not in out
        assert out.splitlines()[1] == out.splitlines()[1].rstrip()


def on_a_terminal(process: Process, *line: str, **environ: str) -> str:
    """What a person at a terminal would get, colours included."""
    import pty

    leader, follower = pty.openpty()
    try:
        surroundings = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        subprocess.run(
            [sys.executable, "-m", "opswatch", *line],
            cwd=process.config.parent,
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env={**surroundings, "TERM": "xterm-256color", "COLUMNS": "200", **environ},
            timeout=60,
            check=True,
        )
        return os.read(leader, 65536).decode()
    finally:
        os.close(leader)
        os.close(follower)


def test_a_terminal_gets_colour_unless_somebody_says_no(process: Process):
    process.says("open", "--priority", "P0", "it", "smokes")
    for line in (("list",), ("status",), ("show", "1")):
        assert "\x1b[" in on_a_terminal(process, *line)
        assert "\x1b[" not in on_a_terminal(process, *line, NO_COLOR="1")


@pytest.mark.parametrize(("line", "allowed"), [(("--help",), ()), (("who",), ()), (("ack", "1"), ()), (("list",), ())])
def test_a_command_imports_only_what_it_needs(process: Process, line: tuple[str, ...], allowed: tuple[str, ...]):
    """Cold start is imports: a command that asks or acts loads no validator, no web server, no logger."""
    code = (
        "import sys\nfrom opswatch.__main__ import main\nsys.argv = ['opswatch', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', *sorted(set({HEAVY!r}) & set(sys.modules)))\n"
        "print('OURS', *sorted(name for name in sys.modules if name.startswith('opswatch.')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *line], cwd=process.config.parent, capture_output=True, text=True, check=True
    )
    loaded = next(row for row in done.stdout.splitlines() if row.startswith("LOADED")).split()[1:]
    ours = next(row for row in done.stdout.splitlines() if row.startswith("OURS")).split()[1:]
    assert set(loaded) <= set(allowed)
    assert not [name for name in ours if name.startswith(("opswatch.probes.", "opswatch.loops", "opswatch.web"))]
    if line == ("--help",):
        assert not [name for name in ours if name.startswith(("opswatch.core", "opswatch.config", "opswatch.assemble"))]


def test_who_reads_the_help_of_run_starts_nothing(process: Process):
    code, out, _ = process.says("run", "--help")
    assert code == 0
    assert "SIGHUP reads the" in out


def test_completion_knows_commands_and_open_incidents(process: Process):
    process.says("open", "it", "smokes")
    names = {"COMP_WORDS": "opswatch sn", "COMP_CWORD": "1", "_OPSWATCH_COMPLETE": "bash_complete"}
    assert process.says(**names)[1].split() == ["plain,snooze"]
    numbers = {"COMP_WORDS": "opswatch ack ", "COMP_CWORD": "2", "_OPSWATCH_COMPLETE": "bash_complete"}
    assert process.says(**numbers)[1].split() == ["plain,1"]


# ---------------------------------------------------------------------------------------------------------------------
# Somebody who is not in the service's group


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that everybody may enter, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="opswatch-cli-"))
    folder.chmod(0o755)
    yield folder
    os.seteuid(os.getuid())
    (folder / "var").chmod(0o755)
    shutil.rmtree(folder)


def becomes_nobody(folder: Path) -> None:
    """From here on this process may not enter `folder/var`."""
    (folder / "var").chmod(0o700 if os.geteuid() == 0 else 0)
    if os.geteuid() == 0:
        os.seteuid(NOBODY)


@pytest.mark.parametrize("line", [("who",), ("ack", "1"), ("list", "--json"), ("db", "check"), ("doctor",)])
def test_a_stranger_to_the_group_is_told_what_lets_them_in(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, line: tuple[str, ...]
):
    monkeypatch.delenv("OPSWATCH_CONFIG", raising=False)
    terminal = Terminal(elsewhere, monkeypatch)
    terminal.fails()
    terminal.says(*line)  # Everything it needs is imported before this process loses its rights.
    becomes_nobody(elsewhere)
    said = terminal.says(*line)
    assert said.code == 3
    assert "sudo usermod -aG opswatch" in said.err + said.out
    assert "Traceback" not in said.err


def test_a_configuration_that_may_not_be_read(elsewhere: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPSWATCH_CONFIG", raising=False)
    terminal = Terminal(elsewhere, monkeypatch)
    terminal.fails()
    terminal.says("who")
    terminal.config.chmod(0o600 if os.geteuid() == 0 else 0)
    becomes_nobody(elsewhere)
    said = terminal.says("who")
    assert said.code == 3
    assert "config.toml may not be read by ana: the service's group may use it" in said.err


def test_a_folder_of_configuration_that_may_not_be_entered(elsewhere: Path, monkeypatch: pytest.MonkeyPatch):
    """/etc/opswatch is for root and the group."""
    monkeypatch.delenv("OPSWATCH_CONFIG", raising=False)
    terminal = Terminal(elsewhere, monkeypatch)
    terminal.fails()
    monkeypatch.setattr(assemble, "PLACES", (elsewhere / "var" / "config.toml",))
    becomes_nobody(elsewhere)
    said = terminal.says("who", config=False)
    assert said.code == 3
    assert "sudo usermod -aG opswatch" in said.err


def test_what_the_command_line_makes_is_the_groups_too(process: Process, tmp_path: Path):
    process.says("who")
    assert (tmp_path / "var" / "opswatch.db").stat().st_mode & 0o777 == 0o660
    assert process.says("init", "new")[0] == 0
    assert (tmp_path / "new" / "config.toml").stat().st_mode & 0o777 == 0o660
