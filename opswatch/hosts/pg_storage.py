"""What a PostgreSQL server stores: sizes against their real ceiling, transaction ids left, vacuum that is overdue."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from opswatch.hosts import Usage
from opswatch.hosts.evidence import say_bytes, say_count, say_seconds
from opswatch.hosts.findings import ITEMS_MAX, Counters, Findings
from opswatch.hosts.libpq import Row, Session

FreeSpace = Callable[[str], Usage | None]
"""What the filesystem of a path on the server says; None where the server is elsewhere."""

_XIDS = 2**31
_DEAD_MIN = 10_000  # rows: below, a percentage of dead ones says nothing
_SHOWN = 5

_DATABASES = f"""
SELECT datname, pg_database_size(oid) FROM pg_database WHERE NOT datistemplate ORDER BY 2 DESC, 1 LIMIT {ITEMS_MAX}"""

_TABLESPACES = """
SELECT spcname, coalesce(nullif(pg_tablespace_location(oid), ''),
                         (SELECT setting FROM pg_settings WHERE name = 'data_directory')), pg_tablespace_size(oid)
FROM pg_tablespace WHERE spcname <> 'pg_global' ORDER BY spcname"""

_WAL = "SELECT sum(size) FROM pg_ls_waldir()"

# Measuring a table waits for its lock: one that somebody locks, or waits to lock, is estimated from the catalogue.
_TABLES = """
WITH candidate AS (
    SELECT c.oid, n.nspname || '.' || c.relname AS name,
           c.relpages::bigint + coalesce(t.relpages, 0) AS pages
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
         LEFT JOIN pg_class AS t ON t.oid = c.reltoastrelid
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
    ORDER BY pages DESC, c.oid LIMIT {candidates}),
locked AS (SELECT relation FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation IS NOT NULL)
SELECT name, CASE WHEN oid IN (SELECT relation FROM locked)
                  THEN pages * current_setting('block_size')::bigint ELSE pg_total_relation_size(oid) END
FROM candidate ORDER BY 2 DESC NULLS LAST, name LIMIT {count}"""

_AGES = """
SELECT datname, age(datfrozenxid), mxid_age(datminmxid) FROM pg_database
ORDER BY greatest(age(datfrozenxid), mxid_age(datminmxid)) DESC, datname"""

_HOLDERS = """
SELECT * FROM (
    SELECT 'session ' || pid || ' (' || coalesce(usename, '?') || ', ' || coalesce(backend_type, '?') || ')' AS holder,
           greatest(age(backend_xmin), age(backend_xid)) AS held
    FROM pg_stat_activity WHERE pid <> pg_backend_pid()
    UNION ALL SELECT 'slot ' || slot_name, greatest(age(xmin), age(catalog_xmin)) FROM pg_replication_slots
    UNION ALL SELECT 'prepared transaction ' || gid, age(transaction) FROM pg_prepared_xacts) AS holders
WHERE held IS NOT NULL ORDER BY held DESC LIMIT 1"""

# Tables may have settings of their own, which win.
_OVERDUE = """
WITH setting AS (
    SELECT relation.oid,
           coalesce((SELECT option_value::float FROM pg_options_to_table(reloptions)
                     WHERE option_name = 'autovacuum_vacuum_threshold'),
                    current_setting('autovacuum_vacuum_threshold')::float)
             + greatest(reltuples, 0) * coalesce((SELECT option_value::float FROM pg_options_to_table(reloptions)
                     WHERE option_name = 'autovacuum_vacuum_scale_factor'),
                    current_setting('autovacuum_vacuum_scale_factor')::float) AS vacuum_at,
           coalesce((SELECT option_value::float FROM pg_options_to_table(reloptions)
                     WHERE option_name = 'autovacuum_analyze_threshold'),
                    current_setting('autovacuum_analyze_threshold')::float)
             + greatest(reltuples, 0) * coalesce((SELECT option_value::float FROM pg_options_to_table(reloptions)
                     WHERE option_name = 'autovacuum_analyze_scale_factor'),
                    current_setting('autovacuum_analyze_scale_factor')::float) AS analyze_at
    FROM pg_class AS relation WHERE relkind IN ('r', 'm'))
SELECT schemaname || '.' || relname, n_live_tup, n_dead_tup, n_mod_since_analyze,
       n_dead_tup > vacuum_at,
       extract(epoch FROM clock_timestamp() - greatest(last_vacuum, last_autovacuum)),
       n_mod_since_analyze > analyze_at,
       extract(epoch FROM clock_timestamp() - greatest(last_analyze, last_autoanalyze))
FROM pg_stat_user_tables JOIN setting ON setting.oid = relid
WHERE n_dead_tup > vacuum_at OR n_mod_since_analyze > analyze_at
ORDER BY n_dead_tup DESC, relid LIMIT 200"""

_TROUBLES = """
SELECT sum(deadlocks), sum(conflicts), {checksums}, max(stats_reset)::text FROM pg_stat_database"""


def look_at_sizes(db: Session, seen: Findings, space: FreeSpace, quota_bytes: float | None, tables: int) -> None:
    """Bytes of databases, tablespaces, WAL and the biggest tables of this database. What the server may grow into is
    the free space of each filesystem where `space` sees it, and the quota. Raises what `Session.rows` does."""
    databases = [(name or "?", float(size or 0)) for name, size in db.rows(_DATABASES)]
    total = sum(size for _, size in databases)
    for name, size in databases:
        seen.add("database_bytes", size, "B", f"database {name}")
        seen.sentences[f"database {name}"] = f"database {name} has {say_bytes(size)}"
    seen.add("databases_bytes", total, "B")
    words = f"{say_count(len(databases), 'database')} of {say_bytes(total)}"
    if quota_bytes:
        seen.add("quota_used_pct", 100 * total / quota_bytes, "%")
        words += f", {100 * total / quota_bytes:.0f} % of the quota"
    seen.words.append(words)
    wal = float(db.rows(_WAL)[0][0] or 0)
    seen.add("wal_bytes", wal, "B")
    for named, path, cell in db.rows(_TABLESPACES)[:ITEMS_MAX]:
        _look_at_tablespace(seen, f"tablespace {named}", float(cell or 0), space(path) if path else None)
    _look_at_tables(db, seen, tables)


def _look_at_tablespace(seen: Findings, item: str, size: float, usage: Usage | None) -> None:
    seen.add("tablespace_bytes", size, "B", item)
    seen.sentences[item] = f"{item} has {say_bytes(size)}"
    if usage is None:
        return
    used_pct = 100 * size / max(1.0, size + usage.avail_bytes)
    seen.add("tablespace_free_bytes", usage.avail_bytes, "B", item)
    seen.add("tablespace_used_pct", used_pct, "%", item)
    seen.sentences[item] += f", its filesystem has room for {say_bytes(usage.avail_bytes)} more"
    seen.evidence.append(seen.sentences[item])


def _look_at_tables(db: Session, seen: Findings, count: int) -> None:
    if not count:
        return
    for name, size in db.rows(_TABLES.format(candidates=20 * count, count=count)):
        if size is None:
            continue  # dropped while we asked
        item = f"table {name}"
        seen.add("table_bytes", float(size), "B", item)
        seen.sentences[item] = f"table {name} has {say_bytes(float(size))} with its indexes"


def look_at_wraparound(db: Session, seen: Findings) -> None:
    """How much of the 2^31 transaction ids is used before the server must stop; reaching autovacuum_freeze_max_age is
    the normal state of a busy server and no alarm. Raises what `Session.rows` does."""
    rows = db.rows(_AGES)
    xids = max(float(row[1] or 0) for row in rows)
    multis = max(float(row[2] or 0) for row in rows)
    seen.add("xid_used_pct", 100 * xids / _XIDS, "%")
    seen.add("multixact_used_pct", 100 * multis / _XIDS, "%")
    held = db.rows(_HOLDERS)
    seen.add("xmin_held_xids", float(held[0][1] or 0) if held else 0.0)
    used_pct = 100 * max(xids, multis) / _XIDS
    if used_pct >= 25:
        seen.words.append(f"{used_pct:.0f} % of the transaction ids used, most by database {rows[0][0]}")
    if held and float(held[0][1] or 0) > 1_000_000:
        seen.evidence.append(
            f"{held[0][0]} keeps vacuum from removing the last {float(held[0][1] or 0):,.0f} transactions"
        )


def look_at_vacuum(db: Session, seen: Findings, counters: Counters, now: datetime) -> None:
    """Tables of this database with more changed rows than autovacuum should leave, and for how long nobody came: since
    the first look that found them so. The age of the last vacuum says nothing of a table that nobody changed until a
    minute ago. Raises what `Session.rows` does."""
    rows = db.rows(_OVERDUE)
    dead = [row for row in rows if row[4] == "t"]
    stale = [row for row in rows if row[6] == "t"]
    waits = [_overdue(f"vacuum {row[0]}", row[5], counters, now) for row in dead]
    seen.add("vacuum_overdue_s", max(waits, default=0.0), "s")
    overdue = [_overdue(f"analyze {row[0]}", row[7], counters, now) for row in stale]
    seen.add("analyze_overdue_s", max(overdue, default=0.0), "s")
    seen.add("tables_to_vacuum", len(dead))
    many = [row for row in dead if float(row[2] or 0) >= _DEAD_MIN]
    seen.add("dead_rows_pct", max((_dead_pct(row) for row in many), default=0.0), "%")
    if dead:
        seen.words.append(f"{say_count(len(dead), 'table')} to vacuum")
    seen.evidence += [
        f"table {row[0]}: {float(row[2] or 0):,.0f} dead rows ({_dead_pct(row):.0f} %), "
        + (f"last vacuumed {say_seconds(float(row[5]))} ago" if row[5] else "never vacuumed")
        for row in dead[:_SHOWN]
    ]


def _overdue(name: str, last: str | None, counters: Counters, now: datetime) -> float:
    since = counters.since(name, now)
    return max(0.0, since if last is None else min(since, float(last)))


def _dead_pct(row: Row) -> float:
    live, dead = float(row[1] or 0), float(row[2] or 0)
    return 100 * dead / max(1.0, live + dead)


def look_at_troubles(db: Session, seen: Findings, counters: Counters) -> None:
    """Deadlocks since the last look, and pages whose checksum was wrong. Raises what `Session.rows` does."""
    deadlocks, conflicts, checksums, epoch = db.rows(
        _TROUBLES.format(checksums="sum(checksum_failures)" if db.version >= 120000 else "0")
    )[0]
    for name, cell in (("deadlocks", deadlocks), ("conflicts", conflicts)):
        grown = counters.grown(name, float(cell or 0), epoch or "")
        if grown is not None:
            seen.add(name, grown)
            if grown:
                seen.words.append(f"{say_count(int(grown), name.removesuffix('s'))} since the last look")
    if float(checksums or 0):
        seen.fail(f"{float(checksums or 0):.0f} pages were read with a wrong checksum: storage is corrupting data")
