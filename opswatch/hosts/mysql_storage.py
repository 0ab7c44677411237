"""What a MySQL or MariaDB server stores: sizes against what is left, counters of keys that run out, one row written."""

from __future__ import annotations

from collections.abc import Callable

from opswatch.hosts import Usage
from opswatch.hosts.evidence import printable, say_bytes, say_count
from opswatch.hosts.findings import ITEMS_MAX, Findings
from opswatch.hosts.mysql import QueryFailed, Row, Session

_OURS = "('information_schema', 'performance_schema', 'mysql', 'sys')"
_SHOWN = 5

_DATABASES = f"""
SELECT table_schema AS name, sum(data_length + index_length) AS bytes FROM information_schema.tables
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN {_OURS}
GROUP BY table_schema ORDER BY 2 DESC, 1 LIMIT {ITEMS_MAX}"""

_TABLES = f"""
SELECT concat(table_schema, '.', table_name) AS name, data_length + index_length AS bytes
FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema NOT IN {_OURS}
ORDER BY 2 DESC, 1 LIMIT %s"""

# The end is that of the column's type: int or bigint, signed or not.
_COUNTERS = f"""
SELECT concat(t.table_schema, '.', t.table_name, '.', c.column_name) AS name, t.auto_increment AS next_value,
       c.data_type, c.column_type
FROM information_schema.tables AS t JOIN information_schema.columns AS c
     ON c.table_schema = t.table_schema AND c.table_name = t.table_name AND c.extra LIKE '%%auto_increment%%'
WHERE t.auto_increment IS NOT NULL AND t.table_schema NOT IN {_OURS} LIMIT 10000"""

_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}


def look_at_sizes(
    db: Session, seen: Findings, space: Callable[[str], Usage | None], quota_bytes: float | None, tables: int
) -> None:
    """Bytes of databases, the biggest tables and the binary logs, and what the filesystem of the data still takes where
    `space` sees it. Raises what `Session.rows` does."""
    databases = [(str(row["name"]), float(row["bytes"] or 0)) for row in db.rows(_DATABASES)]
    total = sum(size for _, size in databases)
    for name, size in databases:
        seen.add("database_bytes", size, "B", f"database {name}")
        seen.sentences[f"database {name}"] = f"database {name} has {say_bytes(size)}"
    seen.add("databases_bytes", total, "B")
    words = f"{say_count(len(databases), 'database')} of {say_bytes(total)}"
    if quota_bytes:
        seen.add("quota_used_pct", 100 * total / quota_bytes, "%")
        words += f", {100 * total / quota_bytes:.0f} % of the quota"
    (settings,) = db.rows("SELECT @@global.datadir AS datadir, @@global.log_bin AS log_bin")
    usage = space(str(settings["datadir"]))
    if usage is not None:
        seen.add("free_bytes", usage.avail_bytes, "B")
        seen.add("used_pct", 100 * total / max(1.0, total + usage.avail_bytes), "%")
        words += f", room for {say_bytes(usage.avail_bytes)} more"
    seen.words.append(words)
    for row in db.rows(_TABLES, (tables,)) if tables else ():
        item = f"table {printable(str(row['name']), 120)}"
        seen.add("table_bytes", float(row["bytes"] or 0), "B", item)
        seen.sentences[item] = f"{item} has {say_bytes(float(row['bytes'] or 0))} with its indexes"
    if str(settings["log_bin"]).upper() in ("1", "ON"):
        _look_at_binlogs(db, seen)


def _look_at_binlogs(db: Session, seen: Findings) -> None:
    try:
        rows = db.rows("SHOW BINARY LOGS")
    except QueryFailed as refused:
        seen.hidden(
            "binlog", f"the binary logs cannot be listed: {refused}; GRANT BINLOG MONITOR (or REPLICATION CLIENT)"
        )
        return
    seen.add("binlog_bytes", sum(float(row["file_size"] or 0) for row in rows), "B")


def look_at_auto_increment(db: Session, seen: Findings) -> None:
    """The counter nearest to the end of its column's type: past it every insert fails. Raises what `Session.rows`
    does."""
    used = sorted(((_used_pct(row), str(row["name"])) for row in db.rows(_COUNTERS)), reverse=True)
    seen.add("auto_increment_used_pct", used[0][0] if used else 0.0, "%")
    if used and used[0][0] >= 50:
        seen.words.append(f"{used[0][1]} has used {used[0][0]:.0f} % of its numbers")
    seen.evidence += [f"{name} has used {pct:.0f} % of its numbers" for pct, name in used[:_SHOWN] if pct >= 50]


def _used_pct(row: Row) -> float:
    bits = _BITS.get(str(row["data_type"]).lower(), 64)
    most: int = 2**bits - 1 if "unsigned" in str(row["column_type"]).lower() else 2 ** (bits - 1) - 1
    return 100.0 * (int(row["next_value"]) - 1) / most


def write_probe(db: Session, table: str, name: str) -> float:
    """Write our one row of `table`; the seconds it took. Raises what `Session.rows` does."""
    statement = (
        f"INSERT INTO {table} (name, at) VALUES (%s, utc_timestamp(6)) ON DUPLICATE KEY UPDATE at = utc_timestamp(6)"
    )
    return db.write(statement, (name,))
