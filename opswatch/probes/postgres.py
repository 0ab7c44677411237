"""A PostgreSQL server: does it answer, are connections left, who waits for whom?

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
    [check.limits]
    connections_used_pct = { warn = "> 80", crit = "> 90" }
    blocked_sessions = { warn = "> 0", crit = ">= 5" }
    blocked_longest_s = { warn = "> 30" }
    idle_in_transaction_longest_s = { warn = "> 300" }

Use a role of its own with pg_monitor (`GRANT pg_monitor TO opswatch`): without it the sessions of others are hidden,
which is told as `unknown`. The password belongs into the reference the URL comes from, or a .pgpass file. A server
that refuses or does not answer is critical; one that does not let us in with this role is `unknown (refused)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from opswatch.clock import monotonic_s
from opswatch.core.model import Failure, Health, Sample, UnknownReason, Verdict
from opswatch.hosts import CannotSee
from opswatch.hosts.evidence import bounded, cut, printable, redacted, say_count, say_seconds
from opswatch.hosts.libpq import NotConnected, QueryFailed, Row, Session, TimeIsUp, session
from opswatch.hosts.sockets import NoSuchName
from opswatch.probes import Measure, Task, careful, secrets_of

_CHAINS_MAX = 5

_IS_CLIENT = "(backend_type = 'client backend' OR backend_type IS NULL AND datid IS NOT NULL)"
_CONNECTIONS = f"""
SELECT count(*) FILTER (WHERE {_IS_CLIENT}),
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true), '0')::int,
       count(*) FILTER (WHERE query = '<insufficient privilege>'),
       count(*) FILTER (WHERE state LIKE 'idle in transaction%'),
       coalesce(extract(epoch FROM clock_timestamp()
           - min(xact_start) FILTER (WHERE state LIKE 'idle in transaction%')), 0)
FROM pg_stat_activity WHERE pid <> pg_backend_pid()"""

# pg_blocking_pids stops the lock manager for a moment: it is asked of those that wait only.
_WAITING = """
SELECT pid, array_to_string(pg_blocking_pids(pid), ','),
       extract(epoch FROM clock_timestamp() - {since})
FROM (SELECT DISTINCT ON (pid) pid{columns} FROM pg_locks WHERE NOT granted AND pid IS NOT NULL) AS waiting
     LEFT JOIN pg_stat_activity AS activity USING (pid)"""

_SESSIONS = """
SELECT pid, coalesce(usename, '?'), coalesce(datname, '?'), coalesce(state, 'hidden'),
       coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0), left(query, {length})
FROM pg_stat_activity WHERE pid IN ({pids})"""


class Args(BaseModel):
    """How much to show."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query_length: int = Field(200, ge=0, le=1000, description="Letters of a blocking query shown as evidence; 0: none")


class Look:
    """Asks in one read-only transaction."""

    kinds: ClassVar[tuple[str, ...]] = ("postgres",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "connect_s": Measure("s", "time to connect and log in"),
        "select_s": Measure("s", "time for `SELECT 1`"),
        "connections": Measure("", "client connections, ours not counted"),
        "connections_used_pct": Measure(
            "%", "of those ordinary roles may have: max_connections less the reserved ones"
        ),
        "idle_in_transaction": Measure("", "sessions that hold a transaction open and do nothing"),
        "idle_in_transaction_longest_s": Measure("s", "age of the oldest such transaction"),
        "blocked_sessions": Measure("", "sessions that wait for a lock"),
        "blocked_longest_s": Measure("s", "longest such wait; before PostgreSQL 14 the age of the waiting query"),
    }

    @careful
    def look(self, task: Task) -> Verdict:
        if task.target.url is None:
            words = "the target needs a url such as 'postgresql://user@host/database'"
            raise CannotSee(UnknownReason.ERROR, words)
        try:
            return _look(task, task.target.url.reveal())
        except NoSuchName as missing:
            return _down(task, str(missing))
        except NotConnected as trouble:
            return _not_connected(task, printable(redacted(str(trouble), secrets_of(task)), 300))
        except TimeIsUp as late:
            return _down(task, f"PostgreSQL did not answer within {task.timeout_s:.1f} s ({late})")


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One session that waits for a lock, and the sessions that have it."""

    pid: int
    blockers: tuple[int, ...]
    waits_s: float


def _look(task: Task, url: str) -> Verdict:
    args: Args = task.args
    began = monotonic_s()
    with session(url, task.timeout_s) as db:
        connect_s = monotonic_s() - began
        began = monotonic_s()
        db.rows("SELECT 1")
        select_s = monotonic_s() - began
        try:
            used, usable, hidden, idle, idle_s = (float(cell or 0) for cell in db.rows(_CONNECTIONS)[0])
            waiting = _waiting(db)
            chains = _say_chains(db, waiting, args, task)
        except QueryFailed as refused:
            if refused.state == "57014":  # query_canceled: our own statement_timeout
                raise TimeIsUp("asking pg_stat_activity") from None
            words = f"PostgreSQL answers, but refuses our questions: {printable(str(refused), 200)}"
            raise CannotSee(UnknownReason.ERROR, words) from None
    used_pct = 100 * used / max(1.0, usable)
    samples = [
        Sample("connect_s", connect_s, "s"),
        Sample("select_s", select_s, "s"),
        Sample("connections", used),
        Sample("connections_used_pct", used_pct, "%"),
        Sample("blocked_sessions", len(waiting)),
        Sample("blocked_longest_s", max((one.waits_s for one in waiting), default=0.0), "s"),
    ]
    # Of hidden sessions the state is not told: a 0 here would be a lie.
    if not hidden:
        samples.append(Sample("idle_in_transaction", idle))
        samples.append(Sample("idle_in_transaction_longest_s", idle_s, "s"))
    words = f"answers in {say_seconds(select_s)}, {used:.0f} of {usable:.0f} connections used ({used_pct:.0f} %)"
    if idle and not hidden:
        words += f", {say_count(int(idle), 'session')} idle in transaction (the longest for {say_seconds(idle_s)})"
    return Verdict(
        at=task.now,
        sentence=f"{words}; {chains[0]}" if chains else f"{words}, nobody waits for a lock",
        samples=tuple(samples),
        failures=tuple(_hidden(int(hidden))),
        evidence=bounded(chains),
    )


def _hidden(count: int) -> Iterable[Failure]:
    if count:
        words = f"{say_count(count, 'session')} of other roles cannot be looked into: GRANT pg_monitor to our role"
        yield Failure(words, Health.UNKNOWN, "sessions")


def _waiting(db: Session) -> list[_Waiting]:
    has_start = db.version >= 140000
    since = "coalesce(waiting.waitstart, query_start, clock_timestamp())" if has_start else "query_start"
    query = _WAITING.format(since=since, columns=", waitstart" if has_start else "")
    rows = db.rows(query)
    return [_Waiting(int(pid or 0), _pids(blockers), max(0.0, float(waits or 0))) for pid, blockers, waits in rows]


def _pids(text: str | None) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(pid) for pid in (text or "").split(",") if pid))


def _roots(waiting: Iterable[_Waiting]) -> dict[int, list[_Waiting]]:
    """Who holds everybody up: root pid → all that wait for it, directly or through others. 0 is a prepared
    transaction. A ring of waiters (a deadlock not yet broken) is led by its lowest pid."""
    by_pid = {one.pid: one for one in waiting}
    roots: dict[int, list[_Waiting]] = {}
    for one in by_pid.values():
        for root in _walk(one, by_pid):
            roots.setdefault(root, []).append(one)
    return roots


def _walk(start: _Waiting, by_pid: Mapping[int, _Waiting]) -> set[int]:
    seen: set[int] = set()
    roots: set[int] = set()
    ahead = list(start.blockers)
    while ahead:
        pid = ahead.pop()
        if pid in seen:
            continue
        seen.add(pid)
        if pid in by_pid:
            ahead += by_pid[pid].blockers
        else:
            roots.add(pid)
    return roots or ({min(seen)} if seen else set())


def _say_chains(db: Session, waiting: list[_Waiting], args: Args, task: Task) -> list[str]:
    """One line for each root blocker, the one that holds up most first."""
    roots = sorted(_roots(waiting).items(), key=lambda root: (-len(root[1]), root[0]))[:_CHAINS_MAX]
    if not roots:
        return []
    pids = ",".join(str(pid) for pid, _ in roots)
    sessions = {int(row[0] or 0): row for row in db.rows(_SESSIONS.format(pids=pids, length=args.query_length))}
    secrets = secrets_of(task)
    return [_say_chain(pid, waiters, sessions.get(pid), secrets) for pid, waiters in roots]


def _say_chain(pid: int, waiters: list[_Waiting], row: Row | None, secrets: list[str]) -> str:
    longest = max(one.waits_s for one in waiters)
    held = f"{say_count(len(waiters), 'session')}, the longest for {say_seconds(longest)}"
    if pid == 0:
        return f"a prepared transaction blocks {held} (see pg_prepared_xacts)"
    if row is None:
        return f"pid {pid} blocks {held}; it is gone now"
    _, user, database, state, age, query = row
    shown = cut(printable(redacted(query or "", secrets)), 220)
    who = f"pid {pid} ({user}@{database}, {state}, transaction open for {say_seconds(float(age or 0))})"
    return f"{who} blocks {held}" + (f": {shown}" if shown else "")


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
