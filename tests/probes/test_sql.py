"""Questions to a real PostgreSQL, MariaDB and SQLite: what they give, what they may not do, how they end."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from opswatch import clock
from opswatch.core.model import Health, Secret, UnknownReason
from opswatch.hosts.sql_statement import one_question
from tests import servers
from tests.probes.looks import all_text, failure, is_good, look, module, task, value

needs_postgres = pytest.mark.needs("postgres")
needs_mariadb = pytest.mark.needs("mariadb")

SHOP = (
    "CREATE TABLE payments (provider varchar(20), state varchar(20), amount numeric(10, 2))",
    "INSERT INTO payments VALUES ('visa', 'pending', 12.50), ('visa', 'pending', 7.50), ('bank', 'pending', 5), "
    "('bank', 'done', 99)",
)


@pytest.fixture(
    params=["sqlite", pytest.param("postgres", marks=needs_postgres), pytest.param("mariadb", marks=needs_mariadb)]
)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with payments; the test runs on three kinds of it."""
    if request.param == "sqlite":
        with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as db:
            for statement in SHOP:
                db.execute(statement)
            db.commit()
        yield f"sqlite:{tmp_path / 'shop.db'}"
    elif request.param == "postgres":
        import psycopg

        url = request.getfixturevalue("postgres_url")
        with psycopg.connect(url, autocommit=True) as db:
            for statement in SHOP:
                db.execute(statement)
        yield url
    else:
        server = request.getfixturevalue("mariadb_server")
        server.say("CREATE OR REPLACE DATABASE sqlshop")
        server.say(*SHOP, database="sqlshop")
        yield server.url_of("sqlshop")
        server.say("DROP DATABASE sqlshop")


def ask(url: str, query: str, limits: Mapping[str, object] | None = None, **more: Any) -> Any:
    args = {name: more.pop(name) for name in list(more) if name in module("sql").Args.model_fields}
    wanted = task("sql", {"query": query, **args}, url=url, **more)
    return module("sql").Look().look(replace(wanted, limits=limits or {}))


def test_one_value_is_the_targets(shop: str) -> None:
    verdict = ask(shop, "SELECT sum(amount) AS waiting FROM payments WHERE state = 'pending';")
    assert is_good(verdict)
    assert value(verdict, "value") == 25
    assert value(verdict, "waiting") == 25
    assert value(verdict, "rows") == 1
    assert "waiting = 25" in verdict.sentence


def test_each_row_is_an_item(shop: str) -> None:
    query = (
        "SELECT provider, count(*) AS n, sum(amount) AS total FROM payments WHERE state = 'pending' GROUP BY provider"
    )
    verdict = ask(shop, query, item="provider")
    assert (value(verdict, "n", "visa"), value(verdict, "total", "visa")) == (2, 20)
    assert value(verdict, "value", "bank") == 1
    assert value(verdict, "rows") == 2
    assert "provider = bank, n = 1" in verdict.sentences["bank"]


def test_what_the_text_says_is_what_the_database_gets(shop: str) -> None:
    """No `%`, no `:word` and no semicolon inside a text means anything."""
    verdict = ask(shop, "SELECT count(*) AS n FROM payments WHERE provider LIKE 'v%' AND state <> ':now; 10:30 %s'")
    assert value(verdict, "n") == 2


def test_no_row_is_no_data_unless_rows_are_what_is_counted(shop: str) -> None:
    query = "SELECT amount FROM payments WHERE state = 'lost'"
    assert ask(shop, query, {"value": ">"}).unknown is UnknownReason.NO_DATA
    counted = ask(shop, query, {"rows": ">"})
    assert is_good(counted)
    assert value(counted, "rows") == 0


def test_null_is_unknown_and_not_zero(shop: str) -> None:
    query = "SELECT max(amount) AS most FROM payments WHERE state = 'lost'"
    for limit in ("value", "most"):
        verdict = ask(shop, query, {limit: ">"})
        assert failure(verdict).health is Health.UNKNOWN
        assert "most is NULL" in failure(verdict).sentence


def test_a_limit_on_what_the_query_does_not_give_is_told(shop: str) -> None:
    verdict = ask(shop, "SELECT amount FROM payments WHERE state = 'done'", {"amuont": ">"})
    assert verdict.unknown is UnknownReason.ERROR
    assert "no number named 'amuont': its columns are amount" in verdict.sentence


def test_rows_are_capped_and_the_rest_is_not_dropped_in_silence(shop: str) -> None:
    verdict = ask(shop, "SELECT amount FROM payments", rows_max=2, show_rows=1)
    assert value(verdict, "rows") == 2
    assert "more than 2 rows" in failure(verdict, "more rows").sentence
    assert len(verdict.evidence) == 2


def test_nothing_can_be_written(shop: str) -> None:
    for query in ("DELETE FROM payments", "SELECT 1; DELETE FROM payments", "UPDATE payments SET amount = 0"):
        with pytest.raises(ValidationError):
            module("sql").Args(query=query)
    from opswatch.hosts import CannotSee, sql_query

    for query in ("DELETE FROM payments", "SELECT 1; DELETE FROM payments", "SELECT 1; COMMIT; DELETE FROM payments"):
        with pytest.raises(CannotSee):  # also when nobody read the text before
            sql_query.ask(shop, query, timeout_s=5, rows_max=10)
    assert value(ask(shop, "SELECT count(*) AS n FROM payments"), "n") == 4


def test_a_query_that_takes_too_long_is_ended(shop: str) -> None:
    endless = (
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) SELECT max(i) FROM n"
    )
    if shop.startswith("mysql"):
        endless = "SELECT sleep(30), count(*) FROM payments"
    verdict = ask(shop, endless, timeout_s=0.5)
    assert verdict.unknown is UnknownReason.TIMEOUT
    assert "did not answer the query within 0.5 s" in verdict.sentence
    assert verdict.took_s < 5


def test_a_mistake_in_the_query_is_told_in_the_databases_words(shop: str) -> None:
    verdict = ask(shop, "SELECT x FROM nowhere")
    assert verdict.unknown is UnknownReason.ERROR
    assert "nowhere" in verdict.sentence


@needs_postgres
def test_an_instant_is_told_as_its_age_in_its_zone(postgres_url: str) -> None:
    now = clock.now()
    then = (now - timedelta(minutes=10)).isoformat()
    aware = ask(postgres_url, f"SELECT '{then}'::timestamptz AS loaded_at", {"loaded_at_s": ">"}, now=now)
    naive = f"SELECT ('{then}'::timestamptz AT TIME ZONE 'Asia/Shanghai') AS loaded_at"
    assert value(aware, "loaded_at_s") == pytest.approx(600, abs=1)
    assert value(aware, "value") == pytest.approx(600, abs=1)
    assert "write `timezone`" in failure(ask(postgres_url, naive, now=now)).sentence
    placed = ask(postgres_url, naive, now=now, timezone="Asia/Shanghai")
    assert value(placed, "loaded_at_s") == pytest.approx(600, abs=1)


@needs_postgres
def test_truth_text_and_no_number_each_in_its_way(postgres_url: str) -> None:
    verdict = ask(postgres_url, "SELECT 'words' AS name, true AS ok, 3::int AS n, '\\xff'::bytea AS raw")
    assert (value(verdict, "ok"), value(verdict, "n"), value(verdict, "value")) == (1, 3, 1)
    assert "raw = 1 bytes" in verdict.sentence
    assert "no finite number" in failure(ask(postgres_url, "SELECT 'NaN'::float AS n")).sentence


@needs_postgres
def test_a_table_of_millions_is_not_fetched(postgres_url: str) -> None:
    verdict = ask(postgres_url, "SELECT i, repeat('x', 1000) FROM generate_series(1, 3000000) AS i", timeout_s=10)
    assert value(verdict, "rows") == 100
    assert all(len(line) <= 400 for line in verdict.evidence)


@needs_postgres
def test_a_frozen_server_costs_the_timeout_only(postgres_server: servers.Postgres, postgres_url: str) -> None:
    assert is_good(ask(postgres_url, "SELECT 1 AS one"))
    os.kill(postgres_server.process.pid, signal.SIGSTOP)  # the kernel still accepts for it
    try:
        verdict = ask(postgres_url, "SELECT 1 AS one", timeout_s=0.4)
    finally:
        os.kill(postgres_server.process.pid, signal.SIGCONT)
    assert verdict.unknown is UnknownReason.TIMEOUT
    assert verdict.took_s < 5


@needs_mariadb
def test_a_wrong_password_is_refused_and_never_shown(mariadb_server: servers.MariaDB) -> None:
    url = f"mysql://nobody:hunter2-pw@127.0.0.1:{mariadb_server.port}/mysql"
    verdict = look("sql", {"query": "SELECT 1"}, url=Secret(url, "env:DB"))
    assert verdict.unknown is UnknownReason.REFUSED
    assert "hunter2-pw" not in all_text(verdict)


def test_secrets_in_rows_are_hidden(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    sqlite3.connect(path).close()
    verdict = ask(f"sqlite:{path}", "SELECT 1 AS n, 'postgresql://app:hunter2-pw@db/x' AS url, 's3cret' AS password")
    assert "hunter2-pw" not in all_text(verdict)
    assert "s3cret" not in all_text(verdict)


def test_two_rows_of_one_name_are_a_mistake_and_not_a_choice(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    sqlite3.connect(path).close()
    verdict = ask(f"sqlite:{path}", "SELECT 'a' AS name, 1 AS n UNION ALL SELECT 'a', 2", item="name")
    assert verdict.unknown is UnknownReason.ERROR
    assert "two rows have the same name" in verdict.sentence


def test_a_driver_that_is_not_there_is_named() -> None:
    verdict = ask("oracle://x@127.0.0.1:1/x", "SELECT 1")
    assert verdict.unknown is UnknownReason.ERROR
    assert "oracledb" in verdict.sentence


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("SELECT 1", True),
        (" ( select 1 ) ; \n", True),
        ("-- why\nWITH x AS (SELECT ';') SELECT * FROM x /* ; */ ;", True),
        ("SELECT $a$ ; $a$, \"a;b\", `c;d`, 'it''s;'", True),
        ("SELECT 1; SELECT 2", False),
        ("SELECT 1;;", False),
        ("DELETE FROM t", False),
        ("EXPLAIN ANALYZE DELETE FROM t", False),
        ("SET x = 1", False),
        ("", False),
        ("/* only words */", False),
        ("SELECT 'a' -- ; \n; DROP TABLE t", False),
    ],
)
def test_one_statement_that_asks(text: str, is_one: bool) -> None:
    if is_one:
        assert one_question(text).rstrip()[-1] != ";"
    else:
        with pytest.raises(ValueError, match="statement"):
            one_question(text)
