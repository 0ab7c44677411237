"""The schema moves forward, once, whoever starts first; and the texts follow the rules that make one enough."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from opswatch.errors import StoreUnavailable
from opswatch.stores import Store, migrate, named, open_store, opening
from opswatch.stores.sqlite import SqliteDatabase

STORES = Path(migrate.__file__).parent
EVERY = sorted(path.stem for path in migrate.FOLDER.glob("*.sql"))


def test_a_second_migration_has_nothing_to_do(store: Store):
    assert store.migrate() == []
    assert store.missing_migrations() == []


def test_an_empty_database_says_what_is_missing_and_what_to_do(store_url: str):
    store = open_store(store_url)
    assert store.missing_migrations() == EVERY
    with pytest.raises(StoreUnavailable, match="opswatch db migrate"):
        store.incidents()
    store.close()


def test_of_several_nodes_that_start_at_once_each_migration_is_applied_by_one(store_url: str):
    starters = [open_store(store_url) for _ in range(6)]
    together = threading.Barrier(len(starters))
    applied: list[str] = []
    failed: list[BaseException] = []

    def start(store: Store) -> None:
        together.wait()
        try:
            applied.extend(store.migrate())
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=start, args=(store,)) for store in starters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert sorted(applied) == EVERY
    assert starters[0].check_integrity() == []
    for store in starters:
        store.close()


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path):
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_good.sql").write_text("CREATE TABLE good (id BIGINT PRIMARY KEY);\n")
    (folder / "0002_bad.sql").write_text("CREATE TABLE half (id BIGINT);\nCREATE TABLE good (id BIGINT);\n")
    database = SqliteDatabase(str(tmp_path / "x.db"))
    for _ in range(2):
        with pytest.raises(Exception, match="already exists"):
            migrate.migrate(database, "sqlite", folder=folder)
    with database.asking() as session:
        assert [row["name"] for row in session.rows("migrations_applied")] == ["0001_good"]
    with pytest.raises(StoreUnavailable), database.writing() as session:
        session.raw("INSERT INTO half VALUES (1)")
    database.close()


def test_a_dialect_may_have_a_text_of_its_own(tmp_path: Path):
    (tmp_path / "0001_x.sql").write_text("-- both\n")
    (tmp_path / "0002_y.postgres.sql").write_text("-- one\n")
    (tmp_path / "samples_0001_z.sql").write_text("-- beside\n")
    assert list(migrate.migrations("sqlite", samples=False, folder=tmp_path)) == ["0001_x"]
    assert list(migrate.migrations("postgres", samples=False, folder=tmp_path)) == ["0001_x", "0002_y.postgres"]
    assert list(migrate.migrations("sqlite", samples=True, folder=tmp_path)) == ["samples_0001_z"]


def test_a_newer_schema_is_no_reason_to_stop(store: opening.SqlStore):
    with store._database.writing() as session:
        session.run("migration_claim", name="0099_from_tomorrow", digest="x")
    assert store.migrate() == []
    assert store.check_integrity() == []


def test_every_query_is_asked_somewhere_and_every_question_has_a_query():
    files = ("queries", "upkeep", "tables", "sqlite", "postgres")
    known = {name for file in files for name in named.queries(f"{file}.sql")}
    text = "\n".join(path.read_text(encoding="utf-8") for path in STORES.glob("*.py"))
    kinds = {
        "alert",
        "incident",
        "silence",
        "override",
        "absence",
        "cover",
        "beat",
        "risk",
        "paper",
        "watch",
        "posting",
    }
    made = {f"{kind}_{verb}" for kind in kinds for verb in ("save", "leave")}
    made |= {
        f"{kind}_{verb}"
        for kind in (f"{k}es" if k == "watch" else f"{k}s" for k in kinds)
        for verb in ("kept", "changed")
    }
    asked = {name for name in known if f'"{name}"' in text}
    assert known == asked | made
    spoken = set(re.findall(r'session\.(?:rows|run|many)\(\s*"(\w+)"', text))
    assert spoken <= known


def test_every_order_ends_in_a_unique_column_and_every_list_has_one():
    for name, text in named.queries("queries.sql").items():
        lists = text.startswith("SELECT") and "WHERE id = " not in text and not re.search(r"COUNT|MIN\(", text)
        if lists:
            assert re.search(r"ORDER BY .*\b(id|position|name)\b( DESC)?( LIMIT :limit| LIMIT 1)?$", text), name


def test_parameters_are_rewritten_and_nothing_else_is():
    assert named.as_pyformat("a = :a_b AND c LIKE '%x' AND d::text = :d") == (
        "a = %(a_b)s AND c LIKE '%%x' AND d::text = %(d)s"
    )
