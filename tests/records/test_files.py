"""Files that a machine and people write together: nothing a person wrote is ever lost, no fact is ever dropped."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opswatch import records
from opswatch.records import Document, Folder, NotOurs, for_reading, key, merged, parts_of, people_wrote, tells

NOW = datetime(2026, 11, 16, 2, tzinfo=UTC)


def document(*incidents: str, notes: str = "## Notes") -> Document:
    """A small log: one part with a line per incident, and one for notes."""
    lines = [f"- {incident}" for incident in incidents]
    text = "\n".join(
        [
            "<!-- opswatch:incidents -->",
            "## Incidents",
            "",
            *lines,
            "<!-- /opswatch:incidents -->",
            "",
            "<!-- opswatch:notes -->",
            notes,
            "<!-- /opswatch:notes -->",
            "",
        ]
    )
    return Document(text, {"incidents": {key(one): line for one, line in zip(incidents, lines, strict=True)}})


FIRST = merged("", document("one"))


# ---------------------------------------------------------------------------------------------------------------------
# Texts


def test_an_untouched_part_is_rewritten():
    text = merged(FIRST, document("one, resolved", "two"))
    assert for_reading(text) == "## Incidents\n\n- one, resolved\n- two\n\n## Notes\n"


def test_writing_the_same_again_changes_nothing():
    assert merged(FIRST, document("one")) == FIRST


def test_what_people_write_outside_the_parts_stays_where_it_is():
    text = "Read this first!\n\n" + FIRST.replace(
        "<!-- opswatch:notes -->", "Bo: call the bank\n\n<!-- opswatch:notes -->"
    )
    text += "\n* the bouncer again, see <!-- opswatch:this -->\n"
    new = merged(text, document("one", "two"))
    assert new.replace(new[new.index("<!-- opswatch:incidents") : new.index("<!-- /opswatch:incidents")], "@") == (
        text.replace(text[text.index("<!-- opswatch:incidents") : text.index("<!-- /opswatch:incidents")], "@")
    )
    assert "- two" in new


def test_a_part_that_people_changed_is_kept_and_new_facts_stand_below_it():
    touched = FIRST.replace("- one", "- one (it was the cable, Ana)")
    text = merged(touched, document("one", "two"))
    assert for_reading(text) == "## Incidents\n\n- one (it was the cable, Ana)\n\n- two\n\n## Notes\n"
    text = merged(text, document("one", "two", "three"))
    assert for_reading(text).count("- two") == 1
    assert "- two\n- three" in for_reading(text)


def test_what_stands_below_may_be_changed_by_people_too():
    text = merged(FIRST.replace("- one", "- one!"), document("one", "two"))
    text = merged(text.replace("- two", "- two!"), document("one", "two", "three"))
    assert [name for name in parts_of(text) if name.startswith("incidents")] == [
        "incidents",
        "incidents.2",
        "incidents.3",
    ]
    assert for_reading(text) == "## Incidents\n\n- one!\n\n- two!\n\n- three\n\n## Notes\n"


def test_a_change_that_is_taken_back_gives_the_part_back():
    touched = FIRST.replace("- one", "- one!")
    text = merged(touched, document("one", "two"))
    text = merged(text.replace("- one!", "- one"), document("one", "two", "three"))
    assert for_reading(text) == "## Incidents\n\n- one\n- two\n- three\n\n## Notes\n"


def test_without_a_seal_a_part_is_peoples_and_its_own_lines_are_not_told_twice():
    lines = [line for line in FIRST.splitlines() if "seal" not in line]
    text = merged("\n".join(lines), document("one", "two"))
    assert for_reading(text) == "## Incidents\n\n- one\n\n- two\n\n## Notes\n"


def test_a_part_that_people_emptied_does_not_come_back_but_for_what_is_new():
    body = FIRST[FIRST.index("## Incidents") : FIRST.index("<!-- seal")]
    text = merged(FIRST.replace(body, ""), document("one", "two"))
    assert for_reading(text) == "- two\n\n## Notes\n"


def test_a_part_that_is_gone_is_put_back_where_it_belongs():
    parts = parts_of(FIRST)
    without = FIRST[: parts["notes"].start] + "mine\n" + FIRST[parts["notes"].end :]
    text = merged(without, document("one"))
    assert list(parts_of(text)) == ["incidents", "notes"]
    assert "mine" in text


def test_a_broken_marker_swallows_nothing():
    broken = FIRST.replace("<!-- /opswatch:incidents -->", "<!-- /opswatch:incidents") + "\nmine\n"
    text = merged(broken, document("one", "two"))
    assert "mine" in text and "- one" in text and "- two" in text
    again = merged(text, document("one", "two", "three"))
    assert "mine" in again and "- three" in again


def test_a_copy_of_a_part_among_peoples_words_is_theirs():
    copied = FIRST + "\nFrom the log:\n" + FIRST[: FIRST.index("<!-- opswatch:notes")]
    text = merged(copied, document("one", "two"))
    assert text.count("- two") == 1
    assert text.endswith(copied[len(FIRST) :])


def test_windows_line_ends_and_trailing_blanks_are_no_touch():
    saved = FIRST.replace("- one", "- one  ").replace("\n", "\r\n")
    assert not people_wrote(saved)
    text = merged(saved, document("one", "two"))
    assert "- two\r\n" in text
    assert "\n" not in text.replace("\r\n", "")


def test_a_marker_in_somebodys_words_is_recognised_only_on_a_line_of_its_own():
    assert list(parts_of("see <!-- opswatch:x -->\nno part\n<!-- /opswatch:x -->\n")) == []


@pytest.mark.parametrize("old", ["", "Our own page\n", FIRST, FIRST.replace("- one", "- 1"), "\n\n" + FIRST + "more\n"])
def test_merging_twice_is_merging_once(old: str):
    once = merged(old, document("one", "two"))
    assert merged(once, document("one", "two")) == once


def test_whether_people_wrote_anything():
    assert not people_wrote("") and not people_wrote(FIRST) and not people_wrote(FIRST + "\n\n")
    assert people_wrote(FIRST + "hello\n") and people_wrote(FIRST.replace("- one", "- 1"))


def test_which_facts_a_text_tells():
    assert tells(FIRST, key("one")) and not tells(FIRST, key("two"))


def test_the_language_changes_the_words_and_not_the_facts():
    chinese = Document(FIRST.replace("- one", "- 一"), {"incidents": {key("one"): "- 一", key("two"): "- 二"}})
    touched = FIRST.replace("- one", "- one (the cable)")
    text = merged(touched, chinese)
    assert "- one (the cable)" in text and "- 二" in text
    assert "- 一" not in text, "it was told already, in English"


# ---------------------------------------------------------------------------------------------------------------------
# Files


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path, "dutylog")


def test_a_file_is_made_for_the_group_and_nobody_else(folder: Folder):
    before = os.umask(0o027)
    try:
        folder.write("a", document("one"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.file("a").stat().st_mode) == 0o660
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o770
    assert stat.S_IMODE(folder.path.parent.stat().st_mode) == 0o770


def test_the_group_of_the_folder_is_inherited(folder: Folder, tmp_path: Path):
    tmp_path.chmod(0o2770)
    folder.write("a", document("one"))
    assert folder.path.stat().st_mode & stat.S_ISGID


def test_a_mode_that_people_gave_it_stays(folder: Folder):
    folder.write("a", document("one"))
    folder.file("a").chmod(0o664)
    folder.write("a", document("two"))
    assert stat.S_IMODE(folder.file("a").stat().st_mode) == 0o664


def test_nothing_new_writes_nothing(folder: Folder):
    assert folder.write("a", document("one"))
    seen = folder.file("a").stat()
    assert not folder.write("a", document("one"))
    assert folder.file("a").stat().st_ino == seen.st_ino


def test_an_editor_that_saves_an_old_copy_over_ours_loses_nothing(folder: Folder):
    folder.write("a", document("one"))
    opened = folder.read("a") or ""
    folder.write("a", document("one", "two"))
    folder.file("a").write_text(opened + "\nAna: look at the cable\n")
    folder.write("a", document("one", "two"))
    assert for_reading(folder.read("a") or "") == (
        "## Incidents\n\n- one\n- two\n\n## Notes\n\nAna: look at the cable\n"
    )


def test_a_save_while_we_write_is_taken_in(folder: Folder, monkeypatch: pytest.MonkeyPatch):
    folder.write("a", document("one"))
    synced = os.fsync
    saves = iter(["\nAna: look at the cable\n"])

    def save_meanwhile(fd: int) -> None:
        synced(fd)
        if (words := next(saves, None)) is not None:
            with folder.file("a").open("a") as file:
                file.write(words)

    monkeypatch.setattr(os, "fsync", save_meanwhile)
    folder.write("a", document("one", "two"))
    text = folder.read("a") or ""
    assert "- two" in text and "look at the cable" in text


def test_a_file_that_never_rests_is_left_for_later(folder: Folder, monkeypatch: pytest.MonkeyPatch):
    folder.write("a", document("one"))
    synced = os.fsync

    def save_meanwhile(fd: int) -> None:
        synced(fd)
        with folder.file("a").open("a") as file:
            file.write("x")

    monkeypatch.setattr(os, "fsync", save_meanwhile)
    with pytest.raises(NotOurs, match="all the time"):
        folder.write("a", document("one", "two"))
    assert list(folder.path.glob(".*")) == [], "nothing half written is left"


def test_bytes_that_are_not_utf8_come_out_as_they_were(folder: Folder):
    folder.write("a", document("one"))
    file = folder.file("a")
    file.write_bytes(file.read_bytes() + "磁盘满了\n".encode("gb18030"))
    folder.write("a", document("one", "two"))
    assert file.read_bytes().endswith("磁盘满了\n".encode("gb18030"))
    assert "- two" in (folder.read("a") or "")


@pytest.mark.parametrize("words", ["mine".encode("utf-16"), b"x" * (records.FILE_BYTES_MAX + 1)])
def test_what_cannot_be_merged_is_left_alone(folder: Folder, words: bytes):
    folder.write("a", document("one"))
    folder.file("a").write_bytes(words)
    with pytest.raises(NotOurs, match="left as it is"):
        folder.write("a", document("one", "two"))
    assert folder.file("a").read_bytes() == words


def test_a_link_is_neither_followed_nor_replaced(folder: Folder, tmp_path: Path):
    folder.write("b", document("one"))
    (tmp_path / "secret").write_text("secret")
    folder.file("a").symlink_to(tmp_path / "secret")
    with pytest.raises(NotOurs, match="symbolic link"):
        folder.write("a", document("one"))
    assert folder.file("a").is_symlink() and (tmp_path / "secret").read_text() == "secret"


def test_a_pipe_does_not_stop_us(folder: Folder):
    folder.write("b", document("one"))
    os.mkfifo(folder.file("a"))
    with pytest.raises(NotOurs, match="not a plain file"):
        folder.write("a", document("one"))


# ---------------------------------------------------------------------------------------------------------------------
# Crashes

DIES = """
import os, pathlib, sys
from opswatch import records
sys.path.insert(0, {root!r})
from tests.records.test_files import document

def die(*args):
    os._exit(9)

{where} = die
records.Folder(pathlib.Path({data_dir!r}), "dutylog").write("a", document("one", "two"))
"""
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("where", ["os.fsync", "pathlib.Path.replace", "records._sync_folder"])
def test_a_crash_leaves_the_old_file_or_the_new_one_and_peoples_words(folder: Folder, tmp_path: Path, where: str):
    folder.write("a", document("one"))
    file = folder.file("a")
    file.write_text(file.read_text().replace("- one", "- one (the cable)") + "\nAna: call the bank\n")
    before = file.read_bytes()
    died = subprocess.run(
        [sys.executable, "-c", DIES.format(root=str(ROOT), data_dir=str(tmp_path), where=where)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert died.returncode == 9, died.stderr.decode()
    assert file.read_bytes() == before or b"- two" in file.read_bytes()
    folder.write("a", document("one", "two", "three"))
    text = for_reading(folder.read("a") or "")
    assert "one (the cable)" in text and "Ana: call the bank" in text
    assert text.count("- two") == text.count("- three") == 1


def test_what_a_crash_left_half_written_is_swept_once_it_is_old(folder: Folder):
    folder.write("a", document("one"))
    old, fresh = folder.path / ".a.1.new", folder.path / ".a.2.new"
    for left, at in ((old, NOW - timedelta(hours=2)), (fresh, NOW)):
        left.write_text("half")
        os.utime(left, (at.timestamp(), at.timestamp()))
    folder.sweep(NOW)
    assert not old.exists() and fresh.exists() and folder.file("a").exists()
