"""MySQL and MariaDB replication, as the replica tells it, whatever its version calls things."""

from __future__ import annotations

from opswatch.hosts.evidence import cut, printable, say_count, say_seconds
from opswatch.hosts.findings import ITEMS_MAX, Findings
from opswatch.hosts.mysql import QueryFailed, Row, Session

_DUMPS = "SELECT count(*) AS dumps FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'"


def look_at_replication(db: Session, seen: Findings) -> None:
    """Each channel's two threads and its lag, and how many replicas read from here. A lag that the server does not know
    (NULL) is a failure, never 0. Raises what `Session.rows` does."""
    channels = [_old_words(row) for row in db.rows(_question(db))][:ITEMS_MAX]
    for channel in channels:
        _look_at_channel(channel, seen)
    if channels:
        (flags,) = db.rows("SELECT @@global.read_only AS is_read_only")
        seen.add("writable", 0.0 if str(flags["is_read_only"]).upper() in ("1", "ON") else 1.0)
    dumps = float(db.rows(_DUMPS)[0]["dumps"] or 0)
    seen.add("replicas", dumps)
    if dumps:
        seen.words.append(say_count(int(dumps), "replica"))


def is_replica(db: Session) -> bool:
    """Whether this server follows another; no when we may not ask. Raises what `Session.rows` does."""
    try:
        return bool(db.rows(_question(db)))
    except QueryFailed:
        return False


def _question(db: Session) -> str:
    if db.is_mariadb:
        return "SHOW ALL SLAVES STATUS"
    return "SHOW REPLICA STATUS" if db.version >= (8, 0, 22) else "SHOW SLAVE STATUS"


def _old_words(row: Row) -> Row:
    """Keys as all versions knew them first: Replica_IO_Running is slave_io_running."""
    return {key.replace("source", "master").replace("replica_", "slave_"): value for key, value in row.items()}


def _look_at_channel(row: Row, seen: Findings) -> None:
    name = printable(str(row.get("connection_name") or row.get("channel_name") or ""), 60)
    item, of = (f"channel {name}", f" of channel {name}") if name else ("", "")
    io, sql = str(row.get("slave_io_running")), str(row.get("slave_sql_running"))
    behind = row.get("seconds_behind_master")
    # The server tells the distance to its primary; what it is meant to stay behind is no lag.
    lag_s = None if behind is None else max(0.0, float(behind) - float(row.get("sql_delay") or 0))
    if io != "Yes":
        seen.fail(f"the replica{of} is cut from its primary: its IO thread is {_state(io, row, 'io')}", item)
    if sql != "Yes":
        seen.fail(f"the replica{of} applies nothing: its SQL thread is {_state(sql, row, 'sql')}", item)
    if lag_s is None:
        if io == sql == "Yes":
            seen.fail(f"the replica{of} does not know how far behind it is", item)
        seen.words.append(f"a replica{of}, which does not know how far behind it is")
        return
    seen.add("replication_lag_s", lag_s, "s", item)
    words = f"a replica{of}, {say_seconds(lag_s)} behind its primary"
    seen.words.append(words)
    if item:
        seen.sentences[item] = words


def _state(running: str, row: Row, thread: str) -> str:
    state = {"No": "stopped", "Connecting": "connecting"}.get(running, running.lower())
    error = str(row.get(f"last_{thread}_error") or "")
    return f"{state}: {cut(printable(error), 200)}" if error else state
