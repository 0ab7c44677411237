"""`make test` may be believed: a skip in CI is a failure, a failed step is counted, a broken run is not green."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests import run_all
from tests.house.project import ROOT

STORY = '''
"""A file of tests as somebody might write it."""
import pytest

def test_that_passes():
    pass

@pytest.mark.skipif(True, reason="PostgreSQL is not installed")
def test_that_wants_a_server():
    pass

def test_that_gives_up_midway():
    pytest.skip("no chromium here")

@pytest.mark.skipif(True, reason="nightly: takes an hour")
def test_that_runs_at_night():
    pass

@pytest.mark.xfail(reason="known")
def test_that_is_known_to_fail():
    assert False
'''


def pytest_says(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of a folder in a pytest of their own, with the plugin and only this environment of CI's."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("CI", "OPSWATCH_REQUIRE_SERVERS")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.no_skips",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        folder,
        folder,
    ]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, env=inherited | environment
    )


@pytest.mark.parametrize("environment", [{"CI": "true"}, {"OPSWATCH_REQUIRE_SERVERS": "1"}])
def test_a_skip_fails_where_servers_are_required(tmp_path: Path, environment: dict[str, str]):
    (tmp_path / "test_story.py").write_text(STORY)
    ran = pytest_says(tmp_path, **environment)
    # What skips before it begins fails before it begins: pytest calls that an error.
    assert run_all.tally(ran.stdout) == Counter(failed=1, error=1, passed=1, skipped=1, xfailed=1)
    assert "nothing may be skipped here: Skipped: PostgreSQL is not installed" in ran.stdout
    assert ran.returncode == 1


def test_a_skip_is_a_kindness_elsewhere(tmp_path: Path):
    (tmp_path / "test_story.py").write_text(STORY)
    ran = pytest_says(tmp_path)
    assert run_all.tally(ran.stdout) == Counter(passed=1, skipped=3, xfailed=1)
    assert ran.returncode == 0


def test_a_whole_file_that_skips_itself_fails_too(tmp_path: Path):
    (tmp_path / "test_story.py").write_text('"""Gone."""\nimport pytest\npytest.importorskip("no_such_library")\n')
    assert pytest_says(tmp_path, CI="true").returncode != 0


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("812 passed in 40.12s", {"passed": 812}),
        (
            "1 failed, 811 passed, 3 skipped, 2 deselected in 61.20s (0:01:01)",
            {"failed": 1, "passed": 811, "skipped": 3},
        ),
        ("2 errors in 0.31s", {"error": 2}),
        ("1 passed, 1 warning, 1 error in 0.31s", {"passed": 1, "error": 1}),
        ("no tests ran in 0.01s", {}),
        ("", {}),
    ],
)
def test_the_last_line_of_pytest_is_understood(line: str, counts: dict[str, int]):
    assert run_all.tally(f"collected\n{line}\n") == Counter(counts)


def test_the_last_line_of_the_run_reads_like_pytest():
    counts = Counter(passed=812, skipped=3)
    assert run_all.summary(counts, 61.04) == "812 passed, 3 skipped in 61.0s"
    assert run_all.tally(run_all.summary(counts, 61.04)) == counts


def test_a_run_without_tests_is_not_green(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(run_all, "LINTS", {})
    monkeypatch.setattr(run_all, "TESTS", {"none": [sys.executable, "-c", "print('no tests ran in 0.01s'); exit(5)"]})
    assert run_all.main() == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 passed")


def test_a_failed_linter_fails_the_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(run_all, "LINTS", {"lint": [sys.executable, "-c", "print('line 7 is wrong'); exit(1)"]})
    monkeypatch.setattr(run_all, "TESTS", {"all": [sys.executable, "-c", "print('3 passed in 0.01s')"]})
    assert run_all.main() == 1
    said = capsys.readouterr().out
    assert "line 7 is wrong" in said
    assert said.splitlines()[-1].startswith("3 passed, 1 error in ")


def test_a_run_that_dies_is_not_green(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(run_all, "LINTS", {})
    dies = "import os; print('3 passed in 0.01s', flush=True); os.abort()"
    monkeypatch.setattr(run_all, "TESTS", {"all": [sys.executable, "-c", dies]})
    assert run_all.main() == 1
    assert "1 error" in capsys.readouterr().out.splitlines()[-1]


def test_all_is_well_when_all_is_well(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(run_all, "LINTS", {"lint": [sys.executable, "-c", ""]})
    monkeypatch.setattr(run_all, "TESTS", {"all": [sys.executable, "-c", "print('3 passed in 0.01s')"]})
    assert run_all.main() == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("3 passed in ")
