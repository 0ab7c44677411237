"""What the terminal says of the store: a backup, its check, what would be lost, how large it is; and what happened."""

from __future__ import annotations

from tests.doors.terminal import Terminal


def test_a_backup_is_made_checked_and_put_back_elsewhere(terminal: Terminal, tmp_path):
    terminal.fails()
    kept, drill = str(tmp_path / "kept.tar.gz"), str(tmp_path / "drill")
    made = terminal.says("db", "backup", kept, "--json")
    assert made.code == 0
    assert made.json["open_incidents"] == 1
    assert made.json["name"] == "acme"
    assert "sound; acme of" in terminal.says("db", "restore", kept, "--check").out
    assert terminal.says("db", "restore", kept, "--into", drill).code == 0
    assert (tmp_path / "drill" / "opswatch.db").exists()
    assert terminal.says("db", "inspect", kept, "--json").json["position"] == made.json["position"]


def test_what_would_be_lost_is_refused_and_said(terminal: Terminal, tmp_path):
    kept = str(tmp_path / "kept.tar.gz")
    terminal.fails()
    terminal.says("db", "backup", kept)
    refused = terminal.says("db", "restore", kept)
    assert refused.code == 1
    assert "1 open incidents" in refused.err
    assert "--force" in refused.err
    (tmp_path / "letter").write_text("dear colleague")
    wrong = terminal.says("db", "restore", str(tmp_path / "letter"), "--check")
    assert (wrong.code, "no backup of opswatch" in wrong.err) == (1, True)


def test_how_large_it_is_and_how_far_back_it_goes(terminal: Terminal):
    terminal.fails()
    found = terminal.says("db", "inspect", "--json").json
    assert found["rows"]["incidents"] == 1
    assert found["bytes"]["state"] > 0
    assert set(found["per_day"]) == {"entries", "samples", "bytes"}
    assert "growing by about" in terminal.says("db", "inspect").out


def test_keep_is_for_folders(terminal: Terminal, tmp_path):
    terminal.fails()
    assert terminal.says("db", "backup", str(tmp_path / "kept.tar.gz"), "--keep", "3").code == 2
    assert terminal.says("db", "backup", str(tmp_path), "--keep", "3").code == 0


def test_what_happened_is_handed_out_once(terminal: Terminal, tmp_path):
    terminal.fails()
    out = str(tmp_path / "week.db")
    assert "1 incidents" in terminal.says("export", out).out
    again = terminal.says("export", out)
    assert (again.code, "exists" in again.err) == (1, True)
