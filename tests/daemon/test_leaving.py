"""Somebody who stands in a stored override leaves the configuration: check and reload refuse, and say their shifts."""

from __future__ import annotations

import re

import requests

from tests.daemon.test_in_force import run

ROSTER = """
[[roster]]
id = "primary"
[[roster.layer]]
id = "weekly"
participants = [["ana"]]
turn = "1 week"
starts = 2026-01-05T09:00:00
"""
SPAN = ("--from", "2036-01-08T09:00:00Z", "--to", "2036-01-09T09:00:00Z")
DORA = '\n[[person]]\nid = "dora"\ncontact = {{ webhook = "{url}/dora" }}\n'


def test_a_reload_without_somebody_who_covers_is_refused_until_the_override_ends(installed, receiver):
    box = installed()
    without = box.config.read_text() + ROSTER
    box.config.write_text(without + DORA.format(url=receiver.url))
    box.start()
    made = run(box, "override", "add", "--roster", "primary", *SPAN, "--replace", "ana", "--by", "dora")
    assert made.returncode == 0, made.stderr

    box.config.write_text(without)
    checked = run(box, "config", "check")
    assert checked.returncode == 2
    assert re.search(r'override 1 = "dora": no person has this id any more; .*', checked.stderr)
    assert "shifts that would be nobody's: 2036-01-08 09:00 to 2036-01-09 09:00 UTC" in checked.stderr
    box.reload()
    box.wait_for_log("configuration refused")
    assert "2036-01-08 09:00 to 2036-01-09 09:00 UTC" in box.log.read_text()
    assert "opswatch_config_stale 1.0" in requests.get(f"{box.url}/metrics", timeout=5).text

    assert run(box, "override", "remove", "1").returncode == 0
    assert run(box, "config", "check").returncode == 0
    box.reload()
    box.wait_for_log("configuration reloaded")
