"""The duty log of each shift is kept in a file: it follows, is closed at the end, and keeps people's lines."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opswatch.core.events import Acknowledge, AddOverride, AddSilence, DutyNote, Note, Open
from opswatch.core.model import Priority
from opswatch.core.plan import Plan, Roster
from tests.records.room import Room, team

MONDAY_1AM = datetime(2026, 11, 16, 0, 0, tzinfo=UTC)  # in Berlin; Ana's shift ends at nine
MONDAY_9AM = datetime(2026, 11, 16, 8, 0, tzinfo=UTC)
NIGHT = "2026-11-16-primary-ana"
DAY = "2026-11-16-primary-bo"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Callable[..., Room]]:
    """Makes installations that share one folder, and closes them."""
    made: list[Room] = []

    def make(the_plan: Plan | None = None, now: datetime = MONDAY_1AM, **more: str) -> Room:
        made.append(Room(tmp_path, the_plan or team(), now, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def a_night(here: Room) -> None:
    """A page, a climb, an acknowledgement, a note, a recovery."""
    here.starts()
    here.passes(hours=2, minutes=7)
    here.fails()
    here.passes(minutes=7)
    here.says(Acknowledge(1, by="bo"))
    here.says(Note(1, "restarted the pool", by="bo"))
    here.passes(minutes=2)
    here.recovers()


def example_of(heading: str) -> str:
    """The page under this heading of docs/records.md."""
    page = (ROOT / "docs" / "records.md").read_text(encoding="utf-8")
    example = re.search(rf"^## {heading}$.*?^```markdown\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert example is not None
    return example[1]


# ---------------------------------------------------------------------------------------------------------------------
# One night


def test_a_night_reads_well(room: Callable[..., Room]):
    here = room()
    a_night(here)
    here.records.keep()
    assert here.files == [f"{NIGHT}.md"]
    assert here.text(NIGHT) == example_of("What a log looks like")


def test_the_same_night_in_chinese(room: Callable[..., Room]):
    here = room(team(language="zh"))
    a_night(here)
    here.records.keep()
    text = here.text(NIGHT)
    assert text.startswith("# 值班日志：primary，2026年11月16日 周一\n")
    assert "| 03:07 | Ana → Bo | 03:14 Bo，用时 7 分钟 | 03:16 恢复，历时 9 分钟 |" in text
    assert "**1 个故障（1 P1）、2 次寻呼、应答用时 2 分钟（中位数）、全部已关闭**" in text
    assert "?" not in text


def test_who_lives_in_another_zone_reads_their_own_times_too(room: Callable[..., Room]):
    here = room(now=MONDAY_9AM)
    here.starts()
    here.records.keep()
    text = here.text(DAY)
    assert "- When: Mon 16 Nov 09:00 to Tue 17 Nov 00:00 (Europe/Berlin)" in text
    assert "- for Bo: Mon 16 Nov 16:00 to Tue 17 Nov 07:00 (Asia/Shanghai)" in text


def test_a_strangers_words_are_words_and_nothing_else(room: Callable[..., Room]):
    here = room()
    here.starts()
    title = "a | b <!-- /opswatch:incidents --> <script> [x](http://evil)"
    here.says(Open(title, by="lead", priority=Priority.P1))
    here.says(Note(1, "first\n<!-- /opswatch:incidents -->\n[y]: http://evil", by="lead"))
    here.records.keep()
    text = here.text(NIGHT)
    assert "a \\| b &lt;!-- /opswatch:incidents --> &lt;script> [x]\\(http://evil)" in text
    assert "Lead: first\n  &lt;!-- /opswatch:incidents -->\n  \\[y]: http://evil" in text
    before = here.file(NIGHT).read_text()
    here.records = here.daemon()
    here.records.keep()
    assert here.file(NIGHT).read_text() == before, "and nobody seems to have touched the part"


def test_a_storm_does_not_make_a_book(room: Callable[..., Room]):
    here = room()
    here.starts()
    for number in range(150):
        here.says(Open(f"fault {number} " + "x" * 150, by="lead", priority=Priority.P1))
    here.records.keep()
    text = here.text(NIGHT)
    assert "150 incidents (150 P1)" in text and "\nand 50 more\n" in text
    assert len(text) < 100_000


def test_many_old_incidents_all_keep_their_names(room: Callable[..., Room]):
    here = room(now=MONDAY_1AM - timedelta(hours=3))
    here.starts()
    here.desk.apply_many([Open(f"fault {number}", by="lead", priority=Priority.P1) for number in range(205)])
    here.says(Acknowledge(1, by="bo"))
    here.passes(hours=3)
    here.keep()
    text = here.text(NIGHT)
    assert "205 still open" in text and "incident 1," not in text
    assert "- #1 **P1** fault 0, since Sun 15 Nov 22:00, Bo has it" in text


# ---------------------------------------------------------------------------------------------------------------------
# While it runs


def test_a_log_is_written_at_most_once_a_minute_and_only_when_something_happened(room: Callable[..., Room]):
    here = room()
    here.starts()
    here.records.stopping.set()  # A turn then naps no longer.
    here.records.turn()
    here.fails()
    here.records.turn()
    assert "What happened" not in here.text(NIGHT)
    here.passes(minutes=1)
    here.records.turn()
    assert "What happened" in here.text(NIGHT)
    seen = here.file(NIGHT).stat().st_ino
    here.passes(minutes=2)
    here.records.turn()
    assert here.file(NIGHT).stat().st_ino == seen


def test_an_override_gives_the_next_person_a_log_of_their_own(room: Callable[..., Room]):
    here = room()
    here.starts()
    here.records.keep()
    two, three = here.now + timedelta(hours=1), here.now + timedelta(hours=2)
    here.says(AddOverride("primary", two, three, remove="ana", add="lead", by="lead"))
    here.passes(minutes=61)
    here.keep()
    assert here.files == ["2026-11-16-primary-ana.md", "2026-11-16-primary-lead.md"]
    assert "00:00 to 02:00" in here.text(NIGHT) and "_Closed Mon 16 Nov 02:00 (Europe/Berlin)._" in here.text(NIGHT)
    here.passes(hours=1)
    here.keep()
    assert "03:00 to 09:00" in here.text("2026-11-16-primary-ana-0300")


def test_only_the_node_that_holds_the_lease_writes(room: Callable[..., Room], tmp_path: Path):
    here = room()
    here.starts()
    here.records.keep()
    other_folder = tmp_path / "other"
    other = here.daemon("ops-2", other_folder)
    other.keep()
    assert not other_folder.exists()
    here.passes(minutes=4)  # The first node is gone.
    other.keep()
    assert (other_folder / "records" / "dutylog" / f"{NIGHT}.md").exists()


def test_without_a_roster_a_day_has_a_log(room: Callable[..., Room]):
    here = room(team(rosters={}, timezone="Asia/Shanghai"))
    here.starts()
    here.fails()
    here.keep()
    here.passes(hours=17)
    here.keep()
    assert here.files == ["2026-11-16-no-roster.md", "2026-11-17-no-roster.md"]
    text = here.text("2026-11-16-no-roster")
    assert text.startswith("# Duty log: Mon 16 Nov 2026\n\n- There is no roster: one log per day.")
    assert "nobody has left" not in text and "ended without a note" not in text


def test_a_quiet_gap_gets_no_file_and_one_with_a_page_does(room: Callable[..., Room]):
    here = room(team(rosters={"primary": Roster("primary", (), "Europe/Berlin", ("person:lead",))}))
    here.starts()
    here.keep()
    assert here.files == []
    here.fails()
    here.passes(minutes=1)
    here.keep()
    assert here.files == ["2026-11-16-primary-fallback.md"]
    assert "nobody; the fallback was paged: **Lead**" in here.text("2026-11-16-primary-fallback")


# ---------------------------------------------------------------------------------------------------------------------
# Its end


def test_a_shift_that_ends_closes_its_log_and_asks_for_the_note_that_is_missing(room: Callable[..., Room]):
    here = room()
    here.starts()
    here.fails()
    here.keep()
    here.passes(hours=8, seconds=15)
    here.keep()
    text = here.text(NIGHT)
    assert "_Closed Mon 16 Nov 09:00 (Europe/Berlin)._" in text
    assert "## Still open at the end\n\n- #1 **P1** Order pipeline: db is crit on db-1, since 01:00" in text
    assert "**Ana: this shift ended without a note.**" in text
    assert "- #1 **P1** Order pipeline: db is crit on db-1, since 01:00, nobody has it" in here.text(DAY)


def test_it_is_closed_within_seconds_not_at_the_next_full_minute(room: Callable[..., Room]):
    here = room(now=MONDAY_9AM - timedelta(seconds=30))
    here.starts()
    here.records.stopping.set()
    here.records.turn()
    here.passes(seconds=41)
    here.records.turn()
    assert "_Closed" in here.text(NIGHT)


def test_the_question_goes_when_the_note_is_written_by_hand(room: Callable[..., Room]):
    here = room()
    here.starts()
    here.keep()
    here.passes(hours=9)
    here.keep()
    with here.file(NIGHT).open("a", encoding="utf-8") as file:
        file.write("\nThe cable of rack 4 is loose. Ana\n")
    here.passes(minutes=1)
    here.keep()
    text = here.text(NIGHT)
    assert "without a note" not in text and "_Closed" in text
    assert text.endswith("## Notes\n\nThe cable of rack 4 is loose. Ana\n")


def test_who_left_a_note_is_not_asked(room: Callable[..., Room]):
    here = room()
    here.starts()
    here.says(DutyNote("the batch ran late", by="ana"))
    here.passes(hours=9)
    here.keep()
    assert "- 01:00 Ana: the batch ran late" in here.text(NIGHT)
    assert "without a note" not in here.text(NIGHT)


def test_a_closed_log_stays_as_it_was_closed(room: Callable[..., Room]):
    here = room()
    a_night(here)
    here.passes(hours=8)
    here.keep()
    closed = here.file(NIGHT).read_bytes()
    here.says(Note(1, "much later", by="bo"))
    here.reloads(team(language="zh"))
    here.passes(minutes=2)
    here.records = here.daemon()
    here.keep()
    assert here.file(NIGHT).read_bytes() == closed
    assert "much later" in here.text(DAY)


def test_a_shift_nothing_was_written_for_while_it_ran_is_caught_up(room: Callable[..., Room]):
    here = room()
    a_night(here)
    here.passes(days=3)
    here.starts(down_since=here.now - timedelta(days=2, hours=20))
    here.keep()
    assert here.files == [
        f"{NIGHT}.md",
        f"{DAY}.md",
        "2026-11-17-primary-bo.md",
        "2026-11-18-primary-bo.md",
        "2026-11-19-primary-bo.md",
    ]
    assert "restarted the pool" in here.text(NIGHT) and "_Closed" in here.text(NIGHT)
    assert "## Not monitored\n\n- 00:00 to Wed 00:00: node ops-1 was down for 1d" in here.text("2026-11-17-primary-bo")
    assert "_This shift is running" in here.text("2026-11-19-primary-bo")


def test_it_catches_up_for_two_weeks_and_no_more(room: Callable[..., Room]):
    here = room()
    here.starts()
    here.passes(days=30)
    here.keep()
    assert here.files[0] == "2026-12-02-primary-bo.md"
    assert len(here.files) == 17  # fifteen dates, two of them with a hand-over


def test_there_are_no_logs_of_the_time_before_there_was_an_installation(room: Callable[..., Room]):
    here = room()
    here.starts()
    here.keep()
    assert here.files == [f"{NIGHT}.md"]


# ---------------------------------------------------------------------------------------------------------------------
# People's lines


def test_what_people_write_survives_writing_closing_a_crash_and_another_language(room: Callable[..., Room]):
    here = room()
    a_night(here)
    here.records.keep()
    file = here.file(NIGHT)
    edited = file.read_text(encoding="utf-8").replace("recovered, after 9m", "recovered, after 9m (it was the cable)")
    file.write_text(
        edited.replace("## Notes", "## Notes\n\n- Bo, by phone: the vendor knows") + "\nCall the bank. Ana\n"
    )
    here.says(Open("Customers cannot log in", by="lead", priority=Priority.P1))
    here.says(AddSilence((("service", "=", "orders"),), here.now + timedelta(hours=1), "rebuild", by="lead"))
    here.passes(minutes=2)
    here.keep()
    text = here.text(NIGHT)
    for words in ("(it was the cable)", "the vendor knows", "Call the bank. Ana"):
        assert words in text
    assert "- #2 **P1** Customers cannot log in: opened 03:16 by Lead" in text
    assert text.count("restarted the pool") == 1, "what stands there already is not said again"
    assert "silence 1 by Lead" in text

    (file.parent / f".{NIGHT}.half.new").write_text("a crash left this")
    here.reloads(team(language="zh"))
    here.records = here.daemon()
    here.passes(hours=6)
    here.keep()
    text = here.text(NIGHT)
    for words in ("(it was the cable)", "the vendor knows", "Call the bank. Ana", "restarted the pool"):
        assert text.count(words) == 1
    assert "# 值班日志" in text and "结束。" in text
    assert "#2 **P1** Customers cannot log in" in text


def test_a_log_whose_every_part_was_rewritten_by_hand_still_says_that_it_closed(room: Callable[..., Room]):
    here = room()
    here.starts()
    here.keep()
    file = here.file(NIGHT)
    file.write_text(file.read_text().replace("# Duty log", "# My log").replace("## Notes", "## My notes"))
    here.passes(hours=9)
    here.keep()
    text = here.text(NIGHT)
    assert text.startswith("# My log") and "## My notes" in text
    assert "- Closed Mon 16 Nov 09:00 (Europe/Berlin)." in text
    assert "without a note" not in text


# ---------------------------------------------------------------------------------------------------------------------
# Trouble


def test_a_folder_that_cannot_be_written_is_tried_again_and_nothing_is_lost(room: Callable[..., Room], tmp_path: Path):
    here = room()
    here.starts()
    (tmp_path / "records").write_text("in the way")
    here.records.keep()
    here.passes(hours=9)
    here.records.keep()
    assert here.records.is_behind
    (tmp_path / "records").unlink()
    here.passes(minutes=1)
    here.keep()
    assert here.files == [f"{NIGHT}.md", f"{DAY}.md"]
    assert "_Closed" in here.text(NIGHT)


def test_one_file_that_is_not_ours_holds_up_no_other(room: Callable[..., Room], tmp_path: Path):
    here = room()
    here.starts()
    here.keep()
    here.file(NIGHT).unlink()
    here.file(NIGHT).symlink_to(tmp_path / "elsewhere")
    here.passes(hours=9)
    here.keep()
    assert here.file(NIGHT).is_symlink()
    assert here.file(DAY).exists()


def test_a_clock_that_was_set_back_stops_nothing(room: Callable[..., Room]):
    here = room()
    here.starts()
    here.keep()
    here.now -= timedelta(hours=3)
    here.records.stopping.set()
    here.records.turn()
    here.now += timedelta(hours=3)
    here.fails()
    here.passes(minutes=2)
    here.records.turn()
    assert "db is crit" in here.text(NIGHT)


# ---------------------------------------------------------------------------------------------------------------------
# Asked


def test_the_log_can_be_asked_for_without_a_file(room: Callable[..., Room]):
    here = room()
    a_night(here)
    text = here.views.duty_log()
    assert "03:14 by Bo, after 7m" in text and "<!--" not in text
    assert here.views.duty_log("primary", at=MONDAY_9AM).startswith("# Duty log: primary, Mon 16 Nov 2026")
    ahead = here.views.duty_log("primary", at=MONDAY_9AM)
    assert "**This shift has not begun.**" in ahead and "Quiet" not in ahead and ahead.endswith("## Notes\n")
    assert here.views.duty_log(language="zh").startswith("# 值班日志")
    with pytest.raises(KeyError):
        here.views.duty_log("nobody-has-this")


def test_what_people_wrote_into_the_file_is_shown_with_it(room: Callable[..., Room]):
    here = room()
    a_night(here)
    here.keep()
    with here.file(NIGHT).open("a", encoding="utf-8") as file:
        file.write("Call the bank. Ana\n")
    here.says(Note(1, "a second one", by="bo"))
    text = here.views.duty_log(data_dir=here.folder)
    assert "Call the bank. Ana" in text and "a second one" in text
    assert "\n\nCall the bank" in text, "a paragraph of its own"
    assert "Call the bank" not in here.views.duty_log()


def test_the_logs_are_listed_newest_first(room: Callable[..., Room]):
    here = room(now=MONDAY_9AM + timedelta(hours=1))
    rows = here.views.duty_logs(MONDAY_1AM, here.now)
    assert [(row.name, row.is_over) for row in rows] == [(DAY, False), (NIGHT, True)]
    assert rows[1].as_json() == {
        "name": NIGHT,
        "roster": "primary",
        "people": ["ana"],
        "fallback": False,
        "start": "2026-11-15T23:00:00Z",
        "end": "2026-11-16T08:00:00Z",
        "closed": True,
    }
    with pytest.raises(KeyError):
        here.views.duty_logs(MONDAY_1AM, here.now, "nobody-has-this")


def test_two_rosters_are_told_one_after_the_other(room: Callable[..., Room]):
    rosters = {name: Roster(name, (), "UTC") for name in ("a", "b")}
    here = room(team(rosters=rosters))
    assert here.views.duty_log().count("# Duty log: ") == 2
    assert here.views.duty_log("b").startswith("# Duty log: b, ")


# ---------------------------------------------------------------------------------------------------------------------
# Words


def catalogue(language: str) -> dict[str, dict[str, str]]:
    text = (ROOT / "opswatch" / "locale" / f"documents.{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def test_both_languages_have_the_same_words_and_facts():
    english, chinese = catalogue("en"), catalogue("zh")
    assert {section: list(words) for section, words in english.items()} == {
        section: list(words) for section, words in chinese.items()
    }
    facts = re.compile(r"\{\w+\??\}")
    for key, template in english["dutylog"].items():
        other = chinese["dutylog"][key]
        assert set(facts.findall(other)) == set(facts.findall(template)), f"dutylog.{key}"
