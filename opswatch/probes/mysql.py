"""A MySQL or MariaDB server: does it answer and take writes, who waits for whom, do replicas and space hold?

    [[target]]
    id = "shop-db"
    kind = "mysql"
    url = "mysql://opswatch@db.example.com/shop?ssl-mode=required"

    [[check]]
    id = "mysql-health"
    probe = "mysql"
    targets = ["shop-db"]
    every = "60s"
    timeout = "10s"
    args = { write_table = "opswatch.probe" }
    [check.limits]
    connections_used_pct = { warn = "> 80", crit = "> 90" }
    threads_running = { warn = "> 50" }
    blocked_sessions = { warn = "> 0", crit = ">= 5" }
    transaction_longest_s = { warn = "> 600" }
    replication_lag_s = { warn = "> 30", crit = "> 300" }
    auto_increment_used_pct = { warn = "> 75", crit = "> 90" }

Needs `pip install 'opswatch[mysql]'`, and a user that sees and cannot read data:
`CREATE USER opswatch IDENTIFIED BY '…'; GRANT PROCESS, SHOW VIEW, REPLICATION CLIENT ON *.* TO opswatch;` on MariaDB
`GRANT PROCESS, SHOW VIEW, SLAVE MONITOR, BINLOG MONITOR ON *.* TO opswatch;`. A server that refuses or does not answer
is critical; one that does not let us in is `unknown (refused)`; so is a part we may not look at, by itself.

What a look asks is `parts`, and whatever the check has limits for. These fail whatever the limits: a replica whose IO
or SQL thread does not run or whose lag is NULL, a Galera node outside the primary component, a write that fails.
`Seconds_Behind_Source` is 0 as well while the link is dead and nobody noticed (`slave_net_timeout`): keep that short.
`ssl-mode` in the URL is `disabled`, `required` or `verify_identity` (with `ssl-ca=/path`); without it TLS is taken
where the server has it. With `write_table` each look writes one row, the same one again; a replica is left alone:
`CREATE DATABASE opswatch; CREATE TABLE opswatch.probe (name varchar(200) PRIMARY KEY, at datetime(6) NOT NULL);`
`GRANT SELECT, INSERT, UPDATE ON opswatch.probe TO opswatch;`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from opswatch.clock import monotonic_s
from opswatch.core.model import Failure, UnknownReason, Verdict
from opswatch.hosts import CannotSee, Reach, Usage, mysql_replication, mysql_sessions, mysql_storage, reach
from opswatch.hosts.evidence import bounded, printable, redacted, say_seconds
from opswatch.hosts.findings import Counters, Findings
from opswatch.hosts.mysql import NotConnected, QueryFailed, Session, TimeIsUp, session
from opswatch.hosts.sockets import NoSuchName
from opswatch.probes import Measure, Task, careful, secrets_of

Part = Literal["sessions", "transactions", "replication", "sizes", "auto_increment"]

_OF_PART: Mapping[Part, frozenset[str]] = {
    "sessions": frozenset(
        {
            *("connections", "connections_used_pct", "threads_running", "uptime_s"),
            *("aborted_connects_per_min", "aborted_clients_per_min", "cluster_nodes"),
        }
    ),
    "transactions": frozenset(
        {
            *("transaction_longest_s", "idle_in_transaction", "idle_in_transaction_longest_s"),
            *("blocked_sessions", "blocked_longest_s", "history_length", "deadlocks"),
        }
    ),
    "replication": frozenset({"replication_lag_s", "replicas", "writable"}),
    "sizes": frozenset(
        {
            *("database_bytes", "databases_bytes", "quota_used_pct", "table_bytes"),
            *("binlog_bytes", "free_bytes", "used_pct"),
        }
    ),
    "auto_increment": frozenset({"auto_increment_used_pct"}),
}
# Access denied: for the user, for the database, for want of the plugin, from this host; no such database.
_NOT_LET_IN = (1044, 1045, 1049, 1130, 1129, 1251, 1698, 1862, 1820, 3118, 4151)
_FULL = (1040, 1203, 1226)
_MAY_NOT = (1044, 1045, 1142, 1143, 1227, 1146, 1049, 1054)


class Args(BaseModel):
    """What to ask, and how much to show."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: tuple[Part, ...] = Field(
        ("sessions", "transactions", "replication"),
        description="What to ask; a limit on a sample of another part adds that part",
    )
    query_length: int = Field(200, ge=0, le=1000, description="Letters of a query shown as evidence; 0: none")
    ignore_users: tuple[str, ...] = Field(
        ("backup*", "mariabackup", "xtrabackup"), description="Users whose transactions may stay open: globs"
    )
    write_table: str | None = Field(
        None, pattern=r"^\w+(\.\w+)?$", description="Table of the write probe; none: no write"
    )
    quota_gib: float | None = Field(
        None, gt=0, description="What all databases together may have: gives `quota_used_pct`"
    )
    tables: int = Field(5, ge=0, le=50, description="How many of the biggest tables to tell")


class Look:
    """Asks in a session that may only read; the write probe, where wanted, comes last."""

    kinds: ClassVar[tuple[str, ...]] = ("mysql",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "connect_s": Measure("s", "time to connect and log in"),
        "select_s": Measure("s", "time for `SELECT 1`"),
        "write_s": Measure("s", "time for one row to be committed; with `write_table`, not on a replica"),
        "connections": Measure("", "connections, ours not counted"),
        "connections_used_pct": Measure("%", "of max_connections, ours counted"),
        "threads_running": Measure("", "threads that do something, ours not counted"),
        "uptime_s": Measure("s", "since the server started"),
        "aborted_connects_per_min": Measure("/min", "log-ins that failed, since the last look; absent at the first"),
        "aborted_clients_per_min": Measure("/min", "clients that went away without a word; absent at the first"),
        "cluster_nodes": Measure("", "nodes of the Galera cluster; absent without one"),
        "transaction_longest_s": Measure("s", "age of the oldest open transaction"),
        "idle_in_transaction": Measure("", "sessions that hold a transaction open and do nothing"),
        "idle_in_transaction_longest_s": Measure("s", "age of the oldest such transaction"),
        "blocked_sessions": Measure("", "sessions that wait for a row, a table or the whole server to be let go"),
        "blocked_longest_s": Measure("s", "longest such wait"),
        "history_length": Measure("", "undo records that purge must keep, for whoever reads longest"),
        "deadlocks": Measure("", "deadlocks since the last look; absent at the first"),
        "replication_lag_s": Measure(
            "s", "on a replica, per channel: how far behind, less the delay it is meant to have"
        ),
        "replicas": Measure("", "replicas that read from here"),
        "writable": Measure("", "on a replica: 1 where read_only is off, 0 where it is on"),
        "databases_bytes": Measure("B", "all databases together, data and indexes"),
        "database_bytes": Measure("B", "per database"),
        "quota_used_pct": Measure("%", "all databases together, of `quota_gib`"),
        "table_bytes": Measure("B", "per table: the biggest, with indexes"),
        "binlog_bytes": Measure("B", "binary logs; absent where none are kept"),
        "free_bytes": Measure("B", "what the filesystem of the data still takes; where the server is here"),
        "used_pct": Measure("%", "all databases together, of themselves and that free space"),
        "auto_increment_used_pct": Measure("%", "of the numbers of the column that is nearest to its end"),
    }

    def __init__(self, reach: Reach = reach) -> None:
        self._reach = reach

    @careful
    def look(self, task: Task) -> Verdict:
        if task.target.url is None:
            raise CannotSee(UnknownReason.ERROR, "the target needs a url such as 'mysql://user@host/database'")
        seen = Findings()
        try:
            return _look(task, task.target.url.reveal(), seen, self._reach)
        except NoSuchName as missing:
            return _down(task, str(missing))
        except NotConnected as trouble:
            return _not_connected(task, trouble)
        except TimeIsUp as late:
            if seen.words:  # It answered `SELECT 1`: items that were not looked at must not pass for good ones.
                words = f"the server {seen.words[0]}, but did not tell the rest within {task.timeout_s:.1f} s"
                raise CannotSee(UnknownReason.TIMEOUT, words) from None
            return _down(task, f"the server did not answer within {task.timeout_s:.1f} s ({late})")


def _look(task: Task, url: str, seen: Findings, reach: Reach) -> Verdict:
    args: Args = task.args
    counters = Counters(task.memory, task.now)
    began = monotonic_s()
    with session(url, task.timeout_s) as db:
        seen.add("connect_s", monotonic_s() - began, "s")
        began = monotonic_s()
        db.rows("SELECT 1")
        select_s = monotonic_s() - began
        seen.add("select_s", select_s, "s")
        seen.words.append(f"answers in {say_seconds(select_s)}")
        ask = _questions(db, seen, counters, task, reach)
        for part, names in _OF_PART.items():
            if part in args.parts or not names.isdisjoint(task.limits):
                _ask(seen, part, ask[part])
        if args.write_table:
            _write(db, seen, args.write_table, task.check or "opswatch")
    return seen.verdict(task.now, counters.memory())


def _questions(
    db: Session, seen: Findings, counters: Counters, task: Task, reach: Reach
) -> dict[Part, Callable[[], None]]:
    args: Args = task.args
    quota = args.quota_gib * 1024**3 if args.quota_gib else None

    def space(path: str) -> Usage | None:
        found = reach("local").usage([path], task.timeout_s / 2)[path] if db.is_here else None
        return found if isinstance(found, Usage) else None

    return {
        "sessions": lambda: mysql_sessions.look_at_sessions(db, seen, counters),
        "transactions": lambda: mysql_sessions.look_at_transactions(
            db,
            seen,
            counters,
            query_length=args.query_length,
            ignored=args.ignore_users,
            secrets=secrets_of(task),
        ),
        "replication": lambda: mysql_replication.look_at_replication(db, seen),
        "sizes": lambda: mysql_storage.look_at_sizes(db, seen, space, quota, args.tables),
        "auto_increment": lambda: mysql_storage.look_at_auto_increment(db, seen),
    }


def _ask(seen: Findings, part: Part, question: Callable[[], None]) -> None:
    """One part; a refused question costs that part only."""
    try:
        question()
    except QueryFailed as refused:
        words = f"its {part} cannot be looked at: {printable(str(refused), 200)}"
        seen.hidden(part, f"{words}; see the grants in docs/probes.md" if refused.code in _MAY_NOT else words)


def _write(db: Session, seen: Findings, table: str, name: str) -> None:
    if mysql_replication.is_replica(db):
        return
    try:
        took_s = mysql_storage.write_probe(db, table, name)
    except QueryFailed as refused:
        words = printable(str(refused), 200)
        if refused.code in _MAY_NOT:
            seen.hidden("write", f"our user cannot write {table}: {words}; see the grants in docs/probes.md")
            return
        seen.fail(f"the server answers, but takes no writes: {words}")
        return
    seen.add("write_s", took_s, "s")
    seen.words.append(f"writes in {say_seconds(took_s)}")


def _not_connected(task: Task, trouble: NotConnected) -> Verdict:
    words = printable(redacted(str(trouble), secrets_of(task)), 200)
    if trouble.code in _NOT_LET_IN:
        raise CannotSee(UnknownReason.REFUSED, f"the server answers, but does not let us in: {words}")
    if trouble.code in _FULL:
        return _down(task, f"no connection is left: {words}")
    return _down(task, f"the server cannot be reached: {words}")


def _down(task: Task, sentence: str) -> Verdict:
    return Verdict(task.now, sentence, failures=(Failure(sentence),), evidence=bounded([sentence]))
