"""A PostgreSQL server: does it answer and take writes, who waits for whom, do replicas, archive and space hold?

    [[target]]
    id = "db-main"
    kind = "postgres"
    url = "postgresql://opswatch@db.example.com/orders"

    [[check]]
    id = "pg-health"
    probe = "postgres"
    targets = ["db-main"]
    every = "60s"
    timeout = "10s"
    args = { write_table = "opswatch.probe", quota_gib = 500 }
    [check.limits]
    connections_used_pct = { warn = "> 80", crit = "> 90" }
    blocked_sessions = { warn = "> 0", crit = ">= 5" }
    blocked_longest_s = { warn = "> 30" }
    idle_in_transaction_longest_s = { warn = "> 300" }
    replication_lag_s = { warn = "> 30", crit = "> 300" }
    replicas = { crit = "< 1" }
    slot_retained_bytes = { warn = "> 20e9" }
    xid_used_pct = { warn = "> 50", crit = "> 80" }
    write_s = { warn = "> 1" }

Use a role of its own with pg_monitor (`GRANT pg_monitor TO opswatch`): without it the sessions of others are hidden,
which is told as `unknown`. The password belongs into the reference the URL comes from, or a .pgpass file. A server
that refuses or does not answer is critical; one that does not let us in with this role is `unknown (refused)`.

What a look asks is `parts`, and whatever the check has limits for. Tables, vacuum and analyze are those of the database
in the URL; the rest is the whole server's. Free space is seen where the server runs on this host. These fail whatever
the limits: a replica cut from its primary, a lost slot, an archive that refuses WAL, a wrong checksum, a write that
fails. A replica is 0 s behind when it has replayed all it received *and* its receiver streams.

With `write_table` each look also writes one row, the same one again, and waits until it is durable; a replica is left
alone. The table is yours to make, and our role may do nothing else with it:
`CREATE SCHEMA opswatch; CREATE TABLE opswatch.probe (name text PRIMARY KEY, at timestamptz NOT NULL);`
`GRANT USAGE ON SCHEMA opswatch TO opswatch; GRANT SELECT, INSERT, UPDATE ON opswatch.probe TO opswatch;`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from opswatch.clock import monotonic_s
from opswatch.core.model import Failure, UnknownReason, Verdict
from opswatch.hosts import CannotSee, Reach, Usage, pg_replication, pg_sessions, pg_storage, reach
from opswatch.hosts.evidence import bounded, cut, printable, redacted, say_seconds
from opswatch.hosts.findings import Counters, Findings
from opswatch.hosts.libpq import NotConnected, QueryFailed, Session, TimeIsUp, session
from opswatch.hosts.sockets import NoSuchName
from opswatch.probes import Measure, Task, careful, secrets_of

Part = Literal[
    "sessions", "transactions", "replication", "slots", "archive", "deadlocks", "wraparound", "sizes", "vacuum"
]

_BACKUPS = ("pg_dump*", "pg_basebackup", "pg_receivewal", "pgbackrest*", "barman*", "wal-g*", "opswatch")

_OF_PART: Mapping[Part, frozenset[str]] = {
    "sessions": frozenset({"connections", "connections_used_pct", "active", "blocked_sessions", "blocked_longest_s"}),
    "transactions": frozenset(
        {"transaction_longest_s", "idle_in_transaction", "idle_in_transaction_longest_s", "prepared_longest_s"}
    ),
    "replication": frozenset(
        {
            *("replication_lag_s", "replication_lag_bytes", "receiver_silent_s"),
            *("replicas", "replica_lag_s", "replica_lag_bytes"),
        }
    ),
    "slots": frozenset({"slots_inactive", "slot_retained_bytes", "slot_inactive_s"}),
    "archive": frozenset({"archive_failing_s", "archive_failures", "archive_waiting"}),
    "deadlocks": frozenset({"deadlocks", "conflicts"}),
    "wraparound": frozenset({"xid_used_pct", "multixact_used_pct", "xmin_held_xids"}),
    "sizes": frozenset(
        {
            *("database_bytes", "databases_bytes", "quota_used_pct", "wal_bytes", "table_bytes"),
            *("tablespace_bytes", "tablespace_free_bytes", "tablespace_used_pct"),
        }
    ),
    "vacuum": frozenset({"vacuum_overdue_s", "analyze_overdue_s", "tables_to_vacuum", "dead_rows_pct"}),
}


class Args(BaseModel):
    """What to ask, and how much to show."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: tuple[Part, ...] = Field(
        ("sessions", "transactions", "replication", "slots", "archive", "deadlocks", "wraparound"),
        description="What to ask; a limit on a sample of another part adds that part",
    )
    query_length: int = Field(200, ge=0, le=1000, description="Letters of a query shown as evidence; 0: none")
    ignore_applications: tuple[str, ...] = Field(
        _BACKUPS, description="Application names whose transactions may stay open, and that are no replicas: globs"
    )
    write_table: str | None = Field(
        None, pattern=r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$", description="Table of the write probe; none: no write"
    )
    quota_gib: float | None = Field(
        None, gt=0, description="What all databases together may have: gives `quota_used_pct`"
    )
    tables: int = Field(5, ge=0, le=50, description="How many of the biggest tables to measure")


class Look:
    """Asks in one read-only transaction; the write probe, where wanted, comes last."""

    kinds: ClassVar[tuple[str, ...]] = ("postgres",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "connect_s": Measure("s", "time to connect and log in"),
        "select_s": Measure("s", "time for `SELECT 1`"),
        "write_s": Measure("s", "time for one row to be durable; with `write_table`, on a primary"),
        "connections": Measure("", "client connections, ours not counted"),
        "connections_used_pct": Measure(
            "%", "of those ordinary roles may have: max_connections less the reserved ones"
        ),
        "active": Measure("", "sessions that run a query"),
        "blocked_sessions": Measure("", "sessions that wait for a lock"),
        "blocked_longest_s": Measure("s", "longest such wait; before PostgreSQL 14 the age of the waiting query"),
        "transaction_longest_s": Measure("s", "age of the oldest open transaction of a client"),
        "idle_in_transaction": Measure("", "sessions that hold a transaction open and do nothing"),
        "idle_in_transaction_longest_s": Measure("s", "age of the oldest such transaction"),
        "prepared_longest_s": Measure("s", "age of the oldest prepared transaction"),
        "replication_lag_s": Measure("s", "on a replica: age of what it shows, less the delay it is meant to have"),
        "replication_lag_bytes": Measure("B", "on a replica: WAL it knows of and has not replayed"),
        "receiver_silent_s": Measure("s", "on a replica: since the primary last sent anything; up to 30 at rest"),
        "replicas": Measure("", "replicas that stream from here"),
        "replica_lag_s": Measure("s", "per replica, seen from here: time until it has replayed"),
        "replica_lag_bytes": Measure("B", "per replica, seen from here: WAL it has not replayed"),
        "slots_inactive": Measure("", "replication slots nobody uses"),
        "slot_retained_bytes": Measure("B", "per slot: WAL kept for it"),
        "slot_inactive_s": Measure("s", "per slot: for how long our looks have found it unused"),
        "archive_failing_s": Measure("s", "since WAL was last archived, while archiving fails; else 0"),
        "archive_failures": Measure("", "failed attempts since the last look; absent at the first"),
        "archive_waiting": Measure("", "finished WAL files that wait to be archived"),
        "deadlocks": Measure("", "deadlocks since the last look, in all databases; absent at the first"),
        "conflicts": Measure("", "queries that replay cancelled since the last look; absent at the first"),
        "xid_used_pct": Measure("%", "of the 2^31 transaction ids, by the oldest database"),
        "multixact_used_pct": Measure("%", "of the 2^31 multixact ids, by the oldest database"),
        "xmin_held_xids": Measure("", "transactions whose rows vacuum must keep, for whoever holds most"),
        "databases_bytes": Measure("B", "all databases together"),
        "database_bytes": Measure("B", "per database"),
        "quota_used_pct": Measure("%", "all databases together, of `quota_gib`"),
        "wal_bytes": Measure("B", "pg_wal"),
        "tablespace_bytes": Measure("B", "per tablespace"),
        "tablespace_free_bytes": Measure(
            "B", "per tablespace: what its filesystem still takes; where the server is here"
        ),
        "tablespace_used_pct": Measure("%", "per tablespace: of itself and that free space"),
        "table_bytes": Measure("B", "per table: the biggest, with indexes and TOAST"),
        "vacuum_overdue_s": Measure("s", "for how long our looks have found a table autovacuum should have vacuumed"),
        "analyze_overdue_s": Measure("s", "likewise for analyze"),
        "tables_to_vacuum": Measure("", "tables with more dead rows than autovacuum should leave"),
        "dead_rows_pct": Measure("%", "of the rows of the worst table with 10,000 dead ones"),
    }

    def __init__(self, reach: Reach = reach) -> None:
        self._reach = reach

    @careful
    def look(self, task: Task) -> Verdict:
        if task.target.url is None:
            words = "the target needs a url such as 'postgresql://user@host/database'"
            raise CannotSee(UnknownReason.ERROR, words)
        try:
            return _look(task, task.target.url.reveal(), self._reach)
        except NoSuchName as missing:
            return _down(task, str(missing))
        except NotConnected as trouble:
            return _not_connected(task, printable(redacted(str(trouble), secrets_of(task)), 300))
        except TimeIsUp as late:
            return _down(task, f"PostgreSQL did not answer within {task.timeout_s:.1f} s ({late})")


def _look(task: Task, url: str, reach: Reach) -> Verdict:
    args: Args = task.args
    seen, counters = Findings(), Counters(task.memory, task.now)
    began = monotonic_s()
    with session(url, task.timeout_s) as db:
        seen.add("connect_s", monotonic_s() - began, "s")
        began = monotonic_s()
        db.rows("SELECT 1")
        select_s = monotonic_s() - began
        seen.add("select_s", select_s, "s")
        seen.words.append(f"answers in {say_seconds(select_s)}")
        # A minute is short: what takes long must not make a good server look dead.
        space = _space(reach, task.timeout_s) if db.is_here else _elsewhere
        ask = _questions(db, seen, counters, task, space)
        for part in _wanted(args, task.limits):
            _ask(db, seen, part, ask[part])
        if args.write_table:
            _write(db, seen, args.write_table, task.check)
    return seen.verdict(task.now, counters.memory())


def _wanted(args: Args, limits: Mapping[str, object]) -> list[Part]:
    """The parts of `args`, and those without which a limit would never be judged."""
    return [part for part, names in _OF_PART.items() if part in args.parts or not names.isdisjoint(limits)]


def _questions(
    db: Session, seen: Findings, counters: Counters, task: Task, space: pg_storage.FreeSpace
) -> dict[Part, Callable[[], None]]:
    args: Args = task.args
    shown = pg_sessions.Shown(args.query_length, secrets_of(task))
    quota = args.quota_gib * 1024**3 if args.quota_gib else None
    return {
        "sessions": lambda: pg_sessions.look_at_sessions(db, seen, shown),
        "transactions": lambda: pg_sessions.look_at_transactions(db, seen, shown, args.ignore_applications),
        "replication": lambda: pg_replication.look_at_replication(db, seen, args.ignore_applications),
        "slots": lambda: pg_replication.look_at_slots(db, seen, counters, task.now),
        "archive": lambda: pg_replication.look_at_archive(db, seen, counters),
        "deadlocks": lambda: pg_storage.look_at_troubles(db, seen, counters),
        "wraparound": lambda: pg_storage.look_at_wraparound(db, seen),
        "sizes": lambda: pg_storage.look_at_sizes(db, seen, space, quota, args.tables),
        "vacuum": lambda: pg_storage.look_at_vacuum(db, seen, counters, task.now),
    }


def _ask(db: Session, seen: Findings, part: Part, question: Callable[[], None]) -> None:
    """One part; a refused question costs that part only."""
    try:
        db.apart(question)
    except TimeIsUp:
        raise _too_slow(seen, part) from None
    except QueryFailed as refused:
        if refused.state == "57014":  # query_canceled: our own statement_timeout
            raise _too_slow(seen, part) from None
        words = f"its {part} cannot be looked at: {printable(str(refused), 200)}"
        seen.hidden(part, f"{words}; GRANT pg_monitor to our role" if refused.state == "42501" else words)


def _too_slow(seen: Findings, part: Part) -> CannotSee:
    """It answered `SELECT 1`, so it is not down; but items that were not looked at must not pass for good ones."""
    return CannotSee(UnknownReason.TIMEOUT, f"PostgreSQL {seen.words[0]}, but did not tell its {part} in time")


def _write(db: Session, seen: Findings, table: str, name: str) -> None:
    key = (name or "opswatch").replace("'", "''")
    write = f"INSERT INTO {table} VALUES ('{key}', clock_timestamp()) ON CONFLICT (name) DO UPDATE SET at = excluded.at"
    if db.rows("SELECT pg_is_in_recovery()")[0][0] == "t":
        return
    try:
        took_s = db.write(write)
    except QueryFailed as refused:
        words = printable(str(refused), 200)
        if refused.state in ("42501", "42P01", "3F000", "42703", "42P10"):
            seen.hidden("write", f"our role cannot write {table}: {words}; see the grants in docs/probes.md")
            return
        seen.fail(f"PostgreSQL answers, but takes no writes: {words}")
        return
    seen.add("write_s", took_s, "s")
    seen.words.append(f"writes in {say_seconds(took_s)}")


def _space(reach: Reach, timeout_s: float) -> pg_storage.FreeSpace:
    def usage(path: str) -> Usage | None:
        try:
            found = reach("local").usage([path], timeout_s / 2)[path]
        except CannotSee:
            return None
        return found if isinstance(found, Usage) else None

    return usage


def _elsewhere(path: str) -> Usage | None:
    return None


# ---------------------------------------------------------------------------------------------------------------------


_NOT_LET_IN = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "authentication failed",
    "requires a valid client certificate",
    "permission denied for database",
    "does not exist",  # the role, the database
    "is not permitted to log in",
)
_DOWN = {
    "connection refused": "connection refused: PostgreSQL does not listen there",
    "too many clients": "no connection is left (too many clients)",
    "remaining connection slots": "no connection is left but the reserved ones",
    "too many connections for": "no connection is left for this role or database",
    "starting up": "the server is starting up",
    "shutting down": "the server is shutting down",
    "recovery mode": "the server is recovering after a crash",
    "not yet accepting connections": "the server is not yet accepting connections",
    "server closed the connection": "the server closed the connection unexpectedly",
}


def _not_connected(task: Task, words: str) -> Verdict:
    """libpq gives no code for a failed connection, only its own words, which are English in our locale."""
    lower = words.lower()
    for sign, told in _DOWN.items():
        if sign in lower:
            return _down(task, f"PostgreSQL cannot be reached: {told}", words)
    if any(sign in lower for sign in _NOT_LET_IN):
        raise CannotSee(UnknownReason.REFUSED, f"PostgreSQL answers, but does not let us in: {_reason(words)}", words)
    if "fatal:" in lower:
        raise CannotSee(UnknownReason.REFUSED, f"PostgreSQL answers, but refuses: {_reason(words)}", words)
    return _down(task, f"PostgreSQL cannot be reached: {cut(_reason(words), 200)}", words)


def _reason(words: str) -> str:
    return words.rpartition("FATAL:")[2].strip() or words


def _down(task: Task, sentence: str, *evidence: str) -> Verdict:
    return Verdict(task.now, sentence, failures=(Failure(sentence),), evidence=bounded(evidence))
