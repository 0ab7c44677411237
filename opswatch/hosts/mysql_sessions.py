"""MySQL and MariaDB sessions: connections left, open transactions, who waits for whose lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase

from opswatch.hosts.evidence import cut, printable, redacted, say_count, say_seconds
from opswatch.hosts.findings import Counters, Findings
from opswatch.hosts.mysql import QueryFailed, Row, Session

_SHOWN = 5

# Replication, the event scheduler and binary-log dumps are sessions that are meant to stay.
_PROCESSES = """
SELECT id, user, coalesce(db, '') AS db, command, time, coalesce(state, '') AS state,
       left(coalesce(info, ''), 1000) AS query
FROM information_schema.processlist
WHERE id <> connection_id() AND command NOT IN ('Daemon', 'Binlog Dump', 'Binlog Dump GTID', 'Slave_IO', 'Slave_SQL')
  AND user NOT IN ('system user', 'event_scheduler') LIMIT 5000"""

_TRANSACTIONS = """
SELECT trx_id, trx_mysql_thread_id AS id, timestampdiff(MICROSECOND, trx_started, sysdate(6)) / 1e6 AS age_s,
       timestampdiff(MICROSECOND, trx_wait_started, sysdate(6)) / 1e6 AS waits_s
FROM information_schema.innodb_trx ORDER BY trx_started LIMIT 1000"""

_WAITS_OLD = "SELECT requesting_trx_id AS waiter, blocking_trx_id AS holder FROM information_schema.innodb_lock_waits"
_WAITS_NEW = """
SELECT requesting_engine_transaction_id AS waiter, blocking_engine_transaction_id AS holder
FROM performance_schema.data_lock_waits"""

_METRICS = """
SELECT name, count FROM information_schema.innodb_metrics WHERE name IN ('lock_deadlocks', 'trx_rseg_history_len')"""

_WAITS_FOR_METADATA = ("waiting for table metadata lock", "waiting for global read lock", "waiting for backup lock")


def look_at_sessions(db: Session, seen: Findings, counters: Counters) -> None:
    """Connections and running threads. Raises what `Session.rows` does."""
    status = _named(db.rows("SHOW GLOBAL STATUS"))
    (limits,) = db.rows("SELECT @@global.max_connections AS max_connections")
    used, usable = float(status["threads_connected"]) - 1, float(limits["max_connections"])
    used_pct = 100 * (used + 1) / max(1.0, usable)  # ours counts here: one less is free
    running = max(0.0, float(status["threads_running"]) - 1)
    uptime_s = float(status["uptime"])
    seen.add("connections", max(0.0, used))
    seen.add("connections_used_pct", used_pct, "%")
    seen.add("threads_running", running)
    seen.add("uptime_s", uptime_s, "s")
    seen.words.append(f"{used:.0f} of {usable:.0f} connections used ({used_pct:.0f} %), {running:.0f} running")
    for name in ("aborted_connects", "aborted_clients"):
        rate = counters.per_minute(name, float(status.get(name, 0)))
        if rate is not None:
            seen.add(f"{name}_per_min", rate)
    _look_at_galera(status, seen)


def _look_at_galera(status: Mapping[str, str], seen: Findings) -> None:
    if not float(status.get("wsrep_cluster_size") or 0):
        return
    seen.add("cluster_nodes", float(status["wsrep_cluster_size"]))
    if status.get("wsrep_cluster_status") != "Primary" or status.get("wsrep_ready") != "ON":
        where = f"{status.get('wsrep_cluster_status')}, {status.get('wsrep_local_state_comment')}"
        seen.fail(f"this Galera node serves nobody: it is {where}, ready {status.get('wsrep_ready')}")


def look_at_transactions(
    db: Session,
    seen: Findings,
    counters: Counters,
    *,
    query_length: int,
    ignored: Sequence[str],
    secrets: Sequence[str],
) -> None:
    """Open transactions, and sessions that wait for a lock with those that hold it; `ignored` are globs of users. Needs
    PROCESS. Raises what `Session.rows` does."""
    processes = {int(row["id"]): row for row in db.rows(_PROCESSES)}
    transactions = db.rows(_TRANSACTIONS)  # refused without PROCESS, before a short list passes for the whole
    mine = [row for row in transactions if _counts(processes.get(int(row["id"])), ignored)]
    idle = [row for row in mine if processes[int(row["id"])]["command"] == "Sleep"]
    seen.add("transaction_longest_s", _age(mine), "s")
    seen.add("idle_in_transaction", len(idle))
    seen.add("idle_in_transaction_longest_s", _age(idle), "s")
    if idle:
        words = f"{say_count(len(idle), 'session')} idle in transaction (the longest for {say_seconds(_age(idle))})"
        seen.words.append(words)

    def say(number: int) -> str:
        found = processes.get(number)
        age = next((float(row["age_s"] or 0) for row in transactions if int(row["id"]) == number), 0.0)
        if found is None:
            return f"thread {number}"
        query = cut(printable(redacted(str(found["query"])[:query_length], secrets)), 220)
        who = f"thread {number} ({found['user']}@{found['db'] or '-'}, {str(found['command']).lower()}"
        return f"{who}, transaction open for {say_seconds(age)})" + (f": {query}" if query else "")

    _look_at_locks(db, seen, transactions, processes, say)
    seen.evidence += [say(int(row["id"])) for row in mine[:_SHOWN] if float(row["age_s"] or 0) >= 1]
    inside = {str(row["name"]): float(row["count"] or 0) for row in db.rows(_METRICS)}
    if "trx_rseg_history_len" in inside:
        seen.add("history_length", inside["trx_rseg_history_len"])
    deadlocks = counters.grown("deadlocks", inside.get("lock_deadlocks", 0.0))
    if deadlocks is not None:
        seen.add("deadlocks", deadlocks)


def _counts(process: Row | None, ignored: Sequence[str]) -> bool:
    return process is not None and not any(fnmatchcase(str(process["user"]), glob) for glob in ignored)


def _age(rows: Sequence[Row]) -> float:
    return max((max(0.0, float(row["age_s"] or 0)) for row in rows), default=0.0)


def _look_at_locks(
    db: Session, seen: Findings, transactions: Sequence[Row], processes: Mapping[int, Row], say: Callable[[int], str]
) -> None:
    thread_of = {str(row["trx_id"]): int(row["id"]) for row in transactions}
    waits_of = {int(row["id"]): float(row["waits_s"] or 0) for row in transactions}
    held: dict[int, set[int]] = {}  # thread → the threads that it keeps waiting
    for row in db.rows(_WAITS_OLD if db.is_mariadb or db.version < (8, 0, 0) else _WAITS_NEW):
        waiter, holder = thread_of.get(str(row["waiter"])), thread_of.get(str(row["holder"]))
        if waiter is not None and holder is not None:
            held.setdefault(holder, set()).add(waiter)
    metadata = {number: float(row["time"] or 0) for number, row in processes.items() if _waits_for_metadata(row)}
    waiting = {waiter: waits_of.get(waiter, 0.0) for waiters in held.values() for waiter in waiters} | metadata
    seen.add("blocked_sessions", len(waiting))
    seen.add("blocked_longest_s", max([0.0, *waiting.values()]), "s")
    # Those that wait themselves are links of a chain; what is left holds everybody up.
    roots = [holder for holder in held if holder not in waiting] or list(held)
    chains = [
        f"{say(holder)} blocks {say_count(len(_behind(holder, held)), 'session')}"
        for holder in sorted(roots, key=lambda holder: (-len(_behind(holder, held)), holder))[:_SHOWN]
    ]
    if metadata:
        longest = say_seconds(max(metadata.values()))
        chains.append(f"{say_count(len(metadata), 'session')} wait for a table to be let go, the longest for {longest}")
        chains += [_metadata_holders(db)] if not db.is_mariadb else []
    seen.words.append(chains[0] if chains else "nobody waits for a lock")
    seen.evidence += [chain for chain in chains if chain]


def _waits_for_metadata(process: Row) -> bool:
    return str(process["state"]).lower().startswith(_WAITS_FOR_METADATA)


def _behind(holder: int, held: Mapping[int, set[int]]) -> set[int]:
    found: set[int] = set()
    ahead = [*held.get(holder, ())]
    while ahead:
        one = ahead.pop()
        if one not in found:
            found.add(one)
            ahead += held.get(one, ())
    return found


_HOLDS_METADATA = """
SELECT object_schema, object_name, blocking_pid, blocking_account FROM sys.schema_table_lock_waits
WHERE blocking_pid <> waiting_pid ORDER BY waiting_query_secs DESC LIMIT 1"""


def _metadata_holders(db: Session) -> str:
    try:
        rows = db.rows(_HOLDS_METADATA)
    except QueryFailed:  # the sys schema is not ours to read: who waits is still told
        return ""
    if not rows:
        return ""
    table = f"{rows[0]['object_schema']}.{rows[0]['object_name']}"
    return f"table {table} is held by thread {rows[0]['blocking_pid']} ({rows[0]['blocking_account']})"


def _named(rows: Sequence[Row]) -> dict[str, str]:
    """Name → value of SHOW STATUS and SHOW VARIABLES, names in lower case."""
    return {str(row["variable_name"]).lower(): str(row["value"]) for row in rows}
