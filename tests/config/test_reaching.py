"""Parents, anchors, and what is reached over a network."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from opswatch import config, plugins
from opswatch.errors import ConfigError, Problem
from tests.config.site import NOW

CHECK = '[[check]]\nid = "ping"\nprobe = "ping"\ntargets = ["gw"]\nevery = "2m"\n'
GATEWAY = '[[target]]\nid = "gw"\nkind = "ping"\nurl = "ping://192.0.2.1"\n'


def loads(folder: Path, text: str) -> config.Loaded:
    """With the probes that ship."""
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    return config.load(file, plugins.kinds(), now=NOW, environ={})


def problem(folder: Path, text: str) -> Problem:
    with pytest.raises(ConfigError) as refused:
        loads(folder, text)
    (found,) = refused.value.problems
    return found


@pytest.mark.parametrize(
    ("target", "is_remote"),
    [
        ('kind = "host"', False),
        ('kind = "log"\nurl = "file:/var/log/x.log"', False),
        ('kind = "tcp"\nurl = "tcp://127.0.0.1:25"', False),
        ('kind = "tcp"\nurl = "tcp://[::1]:25"', False),
        ('kind = "http"\nurl = "http://localhost:8080/"', False),
        ('kind = "http"\nurl = "https://shop.example.com/"', True),
        ('kind = "redis"\nurl = "unix:///run/redis.sock"', False),
        ('kind = "postgres"\nurl = "postgresql://u@db.example.com/x"', True),
        ('kind = "postgres"\nurl = "postgresql:///x?host=/run/postgresql"', False),
        ('kind = "ping"\nurl = "ping://192.0.2.9"', True),
        ('kind = "dns"\nurl = "dns://example.com"', True),
    ],
)
def test_what_is_cut_off_with_the_network(tmp_path: Path, target: str, is_remote: bool):
    plan = loads(tmp_path, f'[[target]]\nid = "it"\n{target}\n').plan
    assert plan.targets["it"].is_remote is is_remote


def test_ping_and_tcp_reach_their_target_and_a_check_may_say_otherwise(tmp_path: Path):
    text = GATEWAY + CHECK + '[[check]]\nid = "loss"\nprobe = "ping"\ntargets = ["gw"]\nevery = "5m"\nreach = false\n'
    plan = loads(tmp_path, text).plan
    assert (plan.checks["ping"].reach, plan.checks["loss"].reach) == (True, False)


def test_the_window_is_the_longest_interval_up_to_five_minutes(tmp_path: Path):
    anchors = '["tcp://gw:443", "ping://192.0.2.1", "https://x.example", "dns://x.example"]'
    vantage = f"[vantage]\nanchors = {anchors}\nfailing = 3\n"
    found = loads(tmp_path, GATEWAY + CHECK + vantage)
    assert found.plan.vantage.window == timedelta(minutes=2)
    assert (found.plan.vantage.failing, len(found.plan.vantage.anchors)) == (3, 4)
    assert found.warnings == []


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        ("tpc://gateway:443", "an anchor that begins with"),
        ("tcp://gateway", "tcp://host:port"),
        ("tcp://gateway:none", "tcp://host:port"),
        ("ping://", "ping://host"),
        ("gateway", "an anchor that begins with"),
    ],
)
def test_an_anchor_that_cannot_be_asked_is_refused(tmp_path: Path, anchor: str, expected: str):
    found = problem(tmp_path, f'[vantage]\nanchors = ["{anchor}"]\n')
    assert found.where == "[vantage] anchors #1" and expected in found.expected


def test_anchors_that_say_nothing_are_warned_of(tmp_path: Path):
    (warning,) = loads(tmp_path, '[vantage]\nanchors = ["tcp://localhost:1"]\n').warnings
    assert "on this host" in warning.expected
    (warning,) = loads(tmp_path, "[vantage]\nfailing = 3\n").warnings
    assert "no anchor" in warning.expected


def test_a_parent_that_nothing_looks_at_is_warned_of(tmp_path: Path):
    child = '[[target]]\nid = "db"\nkind = "host"\nparents = ["gw"]\n'
    assert loads(tmp_path, GATEWAY + child + CHECK).warnings == []
    (warning,) = loads(tmp_path, GATEWAY + child).warnings
    assert "never counts as down" in warning.expected
