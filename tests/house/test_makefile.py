"""`make run`, `make test` and their friends exist, need nothing first, and CI runs exactly what a developer runs."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests import run_all
from tests.house.project import ROOT, files, named

MAKEFILE = ROOT / "Makefile"
CI = ROOT / ".ci" / "run"


def dry_run(target: str) -> str:
    """What `make target` would do."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "--dry-run", "--always-make", target], cwd=ROOT, capture_output=True, text=True, check=True, env=clean
    ).stdout


@pytest.mark.parametrize(
    ("target", "does"),
    [
        ("run", "opswatch --config config.example.toml run"),
        ("test", "-m tests.run_all"),
        ("fast", "tests/core tests/sim tests/house"),
        ("lint", "-m tests.run_all --lint"),
        ("bench", "-m benchmarks"),
        ("nightly", "OPSWATCH_NIGHTLY=1"),
        ("fmt", "ruff format"),
        ("clean", "rm -rf .venv"),
    ],
)
def test_the_target_does_what_it_says(target: str, does: str):
    assert does in dry_run(target)


@pytest.mark.parametrize("target", ["run", "test", "fast", "lint", "bench", "nightly"])
def test_the_target_makes_its_environment_first(target: str):
    assert "-e '.[calendar,mysql,postgres,redis,sql,dev]'" in dry_run(target)


def test_folders_do_not_shadow_targets():
    """`tests`, `benchmarks` and the like exist as folders; without .PHONY make would call them up to date."""
    text = MAKEFILE.read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split())  # type: ignore[index]  # it is there
    assert phony == set(re.findall(r"^([a-z]+):", text, re.MULTILINE))


def test_lint_asks_all_four():
    assert list(run_all.LINTS) == ["ruff check", "ruff format", "mypy --strict", "import contracts"]


def test_ci_runs_exactly_make_test():
    commands = [line.strip() for line in CI.read_text(encoding="utf-8").splitlines() if line.strip() and line[0] != "#"]
    assert commands[-1] == "make test"
    assert "set -euo pipefail" in commands[0]
    assert "postgresql" in CI.read_text(encoding="utf-8")


def test_the_marks_that_need_servers_are_in_the_list_of_packages():
    """A test that wants a server names it; CI must install it."""
    wanted = {
        server
        for path in files()
        if path.suffix == ".py" and named(path).startswith("tests/")
        for server in re.findall(r"mark\.needs\(\s*[\"'](\w+)", path.read_text(encoding="utf-8"))
    }
    packages = re.search(r'^PACKAGES="(.*)"$', CI.read_text(encoding="utf-8"), re.MULTILINE)[1]  # type: ignore[index]
    named_like = {"mariadb": "mariadb-server", "postgres": "postgresql", "redis": "redis-server"}
    assert {named_like.get(server, server) for server in wanted} <= set(packages.split())
