"""A backup is taken while the store is used, says what it holds, and comes back whole, into either kind of database."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opswatch import backups
from opswatch.archive import BadBackup
from opswatch.backups import Destination, WouldLose
from opswatch.core.engine import Engine
from opswatch.core.events import Acknowledge, Note, Observed
from opswatch.core.model import Failure, Sample, Secret, Verdict
from opswatch.desk import Desk
from opswatch.errors import OpswatchError
from opswatch.links import key_of
from opswatch.only_one import OnlyOne
from opswatch.stores import Store, backup, open_store, sqlite
from opswatch.stores.opening import databases
from tests.story import two_levels

START = datetime(2026, 11, 16, 2, tzinfo=UTC)


class House:
    """A store with a desk over it, records and a key beside it."""

    def __init__(self, url: str, data_dir: Path) -> None:
        self.url, self.data_dir, self.now = Secret(url), data_dir, START
        data_dir.mkdir(parents=True, exist_ok=True)
        self.store: Store = open_store(url)
        self.store.migrate()
        self.desk = Desk(self.store, Engine(two_levels()), lambda: self.now)
        key_of(data_dir)
        (data_dir / "records" / "dutylog").mkdir(parents=True, exist_ok=True)
        (data_dir / "records" / "dutylog" / "monday.md").write_text("a quiet night")

    def fails(self, target: str = "db-1") -> None:
        self._looks(target, "no answer", (Failure("no answer"),))

    def recovers(self, target: str = "db-1") -> None:
        self._looks(target, "answers", ())

    def _looks(self, target: str, words: str, failures: tuple[Failure, ...]) -> None:
        self.now += timedelta(seconds=1)
        verdict = Verdict(self.now, words, failures=failures, samples=(Sample("lag_s", 1.5, "s"),))
        self.desk.apply(Observed("db", target, verdict))
        self.store.record_samples([("db", target, verdict)])

    def backs_up(self, to: Path, **how: object) -> backups.Made:
        return backups.back_up(self.url, self.data_dir, to, self.now, name="trial", **how)  # type: ignore[arg-type]


@pytest.fixture
def house(store_url: str, tmp_path: Path):
    made = House(store_url, tmp_path / "var")
    made.fails()
    made.desk.answer(Acknowledge(1, by="ana"))
    made.fails("db-2")
    made.recovers("db-2")
    yield made
    made.store.close()


def told(url: Secret | str) -> list[tuple[int, str, object]]:
    with closing(open_store(url)) as store:
        return [(one.position, one.entry.kind, one.entry.facts) for one in store.timeline()]


def empty_house(tmp_path: Path) -> Destination:
    return Destination(Secret(f"sqlite:{tmp_path / 'new' / 'opswatch.db'}"), tmp_path / "new")


def test_it_comes_back_whole_with_records_and_key(house: House, tmp_path: Path):
    made = house.backs_up(tmp_path / "kept.tar.gz")
    assert made.manifest.open_incidents == 1
    assert made.manifest.position == len(told(house.url))
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o660
    into = empty_house(tmp_path)
    backups.restore(made.file, into, house.now)
    assert told(into.store)[:-1] == told(house.url)
    assert told(into.store)[-1][1] == "restored"
    with closing(open_store(into.store)) as again:
        desk = Desk(again, Engine(two_levels()), lambda: house.now)
        desk.refresh()
        with desk.looking() as (state, _):
            assert state.incidents[1].owner == "ana"
        assert [row.id for row in again.messages(1)] == [row.id for row in house.store.messages(1)]
        points = again.samples("db", "db-2", START, house.now + timedelta(seconds=1))
        assert [point.value for point in points if point.name == "lag_s"] == [1.5, 1.5]
    assert (tmp_path / "new" / "records" / "dutylog" / "monday.md").read_text() == "a quiet night"
    assert key_of(tmp_path / "new").reveal() == key_of(house.data_dir).reveal()
    assert stat.S_IMODE((tmp_path / "new" / "secret.key").stat().st_mode) == 0o640


@pytest.mark.needs("postgres")
def test_it_comes_back_into_the_other_kind_of_database_and_home_again(tmp_path: Path, postgres_url: str):
    small = House(f"sqlite:{tmp_path / 'var' / 'opswatch.db'}", tmp_path / "var")
    small.fails()
    first = small.backs_up(tmp_path / "small.tar.gz")
    large = Destination(Secret(postgres_url), None)
    backups.restore(first.file, large, small.now)
    assert told(postgres_url)[:-1] == told(small.url)
    grown = House(postgres_url, tmp_path / "grown")
    grown.fails("db-2")
    second = grown.backs_up(tmp_path / "large.tar.gz")
    home = empty_house(tmp_path)
    backups.restore(second.file, home, small.now)
    assert told(home.store)[:-1] == told(postgres_url)
    for one in (small, grown):
        one.store.close()


def test_nobody_waits_for_it_and_it_is_of_one_instant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    house = House(f"sqlite:{tmp_path / 'var' / 'opswatch.db'}", tmp_path / "var")
    house.fails()
    before = len(told(house.url))
    breaths: list[int] = []

    def breathe() -> None:
        breaths.append(house.store.pending())
        house.desk.answer(Note(1, "written while it was copied", by="ana"))

    monkeypatch.setattr(sqlite, "_breathe", breathe)
    monkeypatch.setattr(sqlite, "STEP_PAGES", 5)
    made = house.backs_up(tmp_path / "kept.tar.gz")
    assert len(breaths) > 5
    assert made.manifest.position == before, "the copy is of the instant at which it began"
    assert len(told(house.url)) == before + len(breaths)
    assert backups.check(made.file).position == before
    house.store.close()


def test_in_a_folder_the_newest_few_stay(house: House, tmp_path: Path):
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "opswatch-notes.txt").write_text("not a backup")
    for _ in range(4):
        house.now += timedelta(days=1)
        last = house.backs_up(folder, keep=2)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["opswatch-20261119T020003Z.tar.gz", "opswatch-20261120T020003Z.tar.gz", "opswatch-notes.txt"]
    assert last.file.name == names[1]
    assert [path.name for path in last.removed] == ["opswatch-20261118T020003Z.tar.gz"]


def test_it_takes_the_place_of_no_other_file(house: House, tmp_path: Path):
    (tmp_path / "config.toml").write_text("[opswatch]")
    with pytest.raises(OpswatchError, match="is no backup"):
        house.backs_up(tmp_path / "config.toml")
    with pytest.raises(OpswatchError, match="is no folder"):
        house.backs_up(tmp_path / "nowhere" / "kept.tar.gz")
    house.backs_up(tmp_path / "kept.tar.gz")
    house.backs_up(tmp_path / "kept.tar.gz")
    assert not list(tmp_path.glob(".opswatch-backup-*"))


def repacked(file: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    """The same archive with some of its files changed, or left out (None)."""
    out = io.BytesIO()
    with tarfile.open(file) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old.getmembers():
            content = change(member.name, old.extractfile(member).read())  # type: ignore[union-attr]
            if content is not None:
                member.size = len(content)
                new.addfile(member, io.BytesIO(content))
    file.write_bytes(gzip.compress(out.getvalue(), 1))


def test_a_backup_that_is_not_what_was_written_is_refused(house: House, tmp_path: Path):
    file = house.backs_up(tmp_path / "kept.tar.gz").file
    whole = file.read_bytes()
    into = empty_house(tmp_path)

    def refused(words: str) -> None:
        with pytest.raises(BadBackup, match=words):
            backups.check(file)
        with pytest.raises(BadBackup):
            backups.restore(file, into, house.now, force=True)
        assert into.file is not None
        assert not into.file.exists()
        file.write_bytes(whole)

    file.write_bytes(whole[: len(whole) * 2 // 3])
    refused("cut off|damaged")
    repacked(file, lambda name, content: None if name.endswith("monday.md") else content)
    refused("lacks records/dutylog/monday.md")
    repacked(file, lambda name, content: content.replace(b"quiet", b"loud!"))
    refused("monday.md is not what was written")
    repacked(file, lambda name, content: content.replace(b'"position": ', b'"position": 1'))
    refused("its manifest says")
    file.write_bytes(b"a letter")
    refused("no backup of opswatch")


def test_a_state_that_its_timeline_does_not_tell_is_refused(house: House, tmp_path: Path):
    with pytest.MonkeyPatch.context() as lie:
        lie.setattr(backup, "untrue", lambda store: [])
        with closing(databases(house.url)) as found, found.main.writing() as session:
            session.run("incident_leave", id=1, now=0, version=0)
        file = house.backs_up(tmp_path / "kept.tar.gz").file
    with pytest.raises(BadBackup, match="the timeline says"):
        backups.check(file)
    with pytest.raises(BadBackup, match="nothing was written"):
        house.backs_up(tmp_path / "other.tar.gz")
    assert not (tmp_path / "other.tar.gz").exists()


def test_of_a_newer_release_nothing_is_lost_on_the_way(house: House, tmp_path: Path):
    with closing(databases(house.url)) as found, found.main.writing() as session:
        session.run("migration_claim", name="0099_from_tomorrow", digest="x")
    if found.dialect == "postgres":
        with pytest.raises(OpswatchError, match="newer than this opswatch"):
            house.backs_up(tmp_path / "kept.tar.gz")
        return
    file = house.backs_up(tmp_path / "kept.tar.gz").file
    with pytest.raises(BadBackup, match="newer release"):
        backups.restore(file, Destination(Secret("postgresql://nobody@127.0.0.1:1/none"), None), house.now)
    backups.restore(file, empty_house(tmp_path), house.now)


def test_what_would_be_lost_is_named_first(house: House, tmp_path: Path):
    file = house.backs_up(tmp_path / "kept.tar.gz").file
    before = len(told(house.url))
    house.fails("db-2")
    newer = len(told(house.url))
    into = Destination(house.url, house.data_dir)
    with pytest.raises(
        WouldLose, match=rf"{newer} timeline entries .*; {newer - before} of them, about 1 incidents, are newer"
    ):
        backups.restore(file, into, house.now)
    assert len(told(house.url)) == newer
    house.store.close()
    restored = backups.restore(file, into, house.now, force=True)
    assert told(house.url)[-1][1] == "restored"
    assert len(told(house.url)) == before + 1
    aside = {path.name.split(".before-")[0] for path in restored.aside}
    assert aside == {"records", "secret.key"} | ({"opswatch.db", "opswatch.db-samples"} if into.file else set())


def test_a_running_daemon_is_left_alone(house: House, tmp_path: Path):
    file = house.backs_up(tmp_path / "kept.tar.gz").file
    running = OnlyOne(house.data_dir)
    with pytest.raises(OpswatchError, match="another opswatch runs"):
        backups.restore(file, Destination(house.url, house.data_dir), house.now, force=True)
    running.release()


@pytest.mark.needs("postgres")
def test_a_node_of_another_host_that_lives_is_left_alone(postgres_url: str, tmp_path: Path):
    house = House(postgres_url, tmp_path / "var")
    file = house.backs_up(tmp_path / "kept.tar.gz").file
    house.store.beat("ops-2", house.now, {})
    into = Destination(house.url, None)
    with pytest.raises(OpswatchError, match="ops-2 runs on this store"):
        backups.restore(file, into, house.now, force=True)
    backups.restore(file, into, house.now + timedelta(minutes=1), force=True)
    house.store.close()
