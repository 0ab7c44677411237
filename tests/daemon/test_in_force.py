"""While a daemon runs, people act by what it has loaded, whatever somebody is writing into the file just now."""

from __future__ import annotations

import subprocess

from tests.daemon.harness import ROOT, Installation


def run(box: Installation, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*box.command, *words], capture_output=True, text=True, cwd=ROOT)


def test_a_typo_on_disk_keeps_nobody_from_acknowledging(installed, receiver):
    box = installed()
    box.start()
    box.fails()
    receiver.wait(lambda body: body["kind"] == "page")
    box.config.write_text(box.config.read_text() + "\n[[person]\nid = nobody\n")
    said = run(box, "ack", "1")
    assert said.returncode == 0, said.stderr
    assert "1 mistake (opswatch config check): this goes by what the daemon loaded at" in said.stderr
    assert box.json("list")[0]["status"] == "acknowledged"
    assert run(box, "config", "check").returncode == 2
    assert box.stop() == 0
    assert run(box, "list").returncode == 2  # Nothing is in force any more.


def test_doctor_says_what_is_wrong_with_the_file_and_goes_on(installed):
    box = installed()
    box.start()
    box.config.write_text(box.config.read_text().replace('wait = "10m"', 'wiat = "10m"'))
    said = run(box, "doctor")
    assert said.returncode == 1
    assert "fail  configuration" in said.stdout
    assert "ok    daemon" in said.stdout


def test_a_command_is_decided_by_the_plan_that_pages(installed, receiver):
    box = installed()
    box.start()
    box.fails()
    receiver.wait(lambda body: body["kind"] == "page")
    box.config.write_text(box.config.read_text().replace('page = ["person:bo"]', 'page = ["person:ana"]'))
    said = run(box, "escalate", "1")
    assert said.returncode == 0, said.stderr
    assert "decides by that: systemctl reload opswatch" in said.stderr
    receiver.wait(lambda body: body["kind"] == "page" and body["person"] == "bo")
    box.reload()
    box.wait_for_log("configuration reloaded")
    assert "systemctl reload" not in run(box, "note", "1", "looked").stderr


def test_a_clean_stop_says_so_at_once(installed):
    box = installed()
    box.start()
    box.wait_for_log("checks? looked")
    assert box.json("status")["running"]
    assert box.stop() == 0
    assert not box.json("status")["running"]
    box.start()
    assert box.json("status")["running"]


def test_what_is_in_force_is_as_private_as_the_file(installed):
    box = installed()
    box.config.chmod(0o640)
    box.start()
    kept = box.folder / "var" / "in-force.json"
    assert kept.stat().st_mode & 0o777 == 0o640
    assert box.stop() == 0
    assert not kept.exists()


ROSTER = """
[[roster]]
id = "primary"
remind = []
[[roster.layer]]
id = "weekly"
participants = [["ana"], ["bo"]]
turn = "1 week"
starts = 2026-01-05T09:00:00
"""


def test_a_reload_that_moves_shifts_tells_whose_they_are(installed, receiver):
    box = installed(more=ROSTER)
    box.start()
    box.config.write_text(box.config.read_text().replace('[["ana"], ["bo"]]', '[["bo"], ["ana"]]'))
    box.reload()
    heard = {
        receiver.wait(lambda body, one=one: body.get("event") == "shifts_changed" and body["person"] == one)["person"]
        for one in ("ana", "bo")
    }
    assert heard == {"ana", "bo"}
