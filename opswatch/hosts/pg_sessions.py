"""PostgreSQL sessions: connections left, who waits for whom, transactions that stay open.

Sessions that are meant to stay long are left out: autovacuum and WAL senders by their backend type, backups by their
application name, index builds and vacuums by the server's own progress views.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from opswatch.hosts.evidence import cut, printable, redacted, say_count, say_seconds
from opswatch.hosts.findings import Findings
from opswatch.hosts.libpq import Row, Session

_CHAINS_MAX = 5
_LONG_SHOWN = 3

_IS_CLIENT = "(backend_type = 'client backend' OR backend_type IS NULL AND datid IS NOT NULL)"
_CONNECTIONS = f"""
SELECT count(*) FILTER (WHERE {_IS_CLIENT}),
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true), '0')::int,
       count(*) FILTER (WHERE query = '<insufficient privilege>'),
       count(*) FILTER (WHERE state = 'active')
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

# Since the transaction began, not the query: a thousand short queries in one transaction hold what the first locked.
_OPEN = f"""
SELECT pid, coalesce(usename, '?'), coalesce(datname, '?'), state,
       extract(epoch FROM clock_timestamp() - xact_start), left(query, {{length}}), application_name
FROM pg_stat_activity
WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND {_IS_CLIENT}
  AND pid NOT IN (SELECT pid FROM pg_stat_progress_create_index UNION ALL SELECT pid FROM pg_stat_progress_vacuum
                  UNION ALL SELECT pid FROM pg_stat_progress_cluster)
ORDER BY xact_start LIMIT 200"""

_HIDDEN = "SELECT count(*) FROM pg_stat_activity WHERE query = '<insufficient privilege>'"

_PREPARED = """
SELECT gid, owner, database, extract(epoch FROM clock_timestamp() - prepared)
FROM pg_prepared_xacts ORDER BY prepared LIMIT 1"""


@dataclass(frozen=True, slots=True)
class Shown:
    """How much of other people's queries may be shown: letters, and what must not be among them."""

    query_length: int
    secrets: Sequence[str] = ()

    def query(self, text: str | None) -> str:
        """ ": SELECT …", or nothing."""
        shown = cut(printable(redacted(text or "", self.secrets)), 220)
        return f": {shown}" if shown else ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One session that waits for a lock, and the sessions that have it."""

    pid: int
    blockers: tuple[int, ...]
    waits_s: float


def look_at_sessions(db: Session, seen: Findings, shown: Shown) -> None:
    """Connections used, and chains of sessions that wait for a lock. Raises what `Session.rows` does."""
    used, usable, hidden, active = (float(cell or 0) for cell in db.rows(_CONNECTIONS)[0])
    waiting = _waiting(db)
    chains = _say_chains(db, waiting, shown)
    used_pct = 100 * used / max(1.0, usable)
    seen.add("connections", used)
    seen.add("connections_used_pct", used_pct, "%")
    if not hidden:  # Of hidden sessions the state is not told: a 0 here would be a lie.
        seen.add("active", active)
    seen.add("blocked_sessions", len(waiting))
    seen.add("blocked_longest_s", max((one.waits_s for one in waiting), default=0.0), "s")
    seen.words.append(f"{used:.0f} of {usable:.0f} connections used ({used_pct:.0f} %)")
    seen.words.append(chains[0] if chains else "nobody waits for a lock")
    seen.evidence += chains
    if hidden:
        words = (
            f"{say_count(int(hidden), 'session')} of other roles cannot be looked into: GRANT pg_monitor to our role"
        )
        seen.hidden("sessions", words)


def look_at_transactions(db: Session, seen: Findings, shown: Shown, ignored: Sequence[str]) -> None:
    """The oldest open transactions, idle ones and prepared ones; `ignored` are globs of application names. Raises what
    `Session.rows` does."""
    rows = db.rows(_OPEN.format(length=shown.query_length))
    mine = [row for row in rows if not any(fnmatchcase(row[6] or "", glob) for glob in ignored)]
    if float(db.rows(_HIDDEN)[0][0] or 0):
        return  # Somebody's transactions cannot be seen: a 0 would be a lie, and look_at_sessions says why.
    idle = [row for row in mine if str(row[3]).startswith("idle in transaction")]
    seen.add("transaction_longest_s", _age(mine), "s")
    seen.add("idle_in_transaction", len(idle))
    seen.add("idle_in_transaction_longest_s", _age(idle), "s")
    if idle:
        words = f"{say_count(len(idle), 'session')} idle in transaction (the longest for {say_seconds(_age(idle))})"
        seen.words.append(words)
    seen.evidence += [
        f"{_who(row)}, transaction open for {say_seconds(float(row[4] or 0))}{shown.query(row[5])}"
        for row in mine[:_LONG_SHOWN]
        if float(row[4] or 0) >= 1
    ]
    _look_at_prepared(db, seen)


def _look_at_prepared(db: Session, seen: Findings) -> None:
    rows = db.rows(_PREPARED)
    seen.add("prepared_longest_s", max(0.0, float(rows[0][3] or 0)) if rows else 0.0, "s")
    for gid, owner, database, age in rows:
        words = (
            f"prepared transaction {printable(gid or '', 60)} of {owner}@{database}, {say_seconds(float(age or 0))} old"
        )
        seen.evidence.append(f"{words}: nobody will end it but COMMIT PREPARED or ROLLBACK PREPARED")


def _age(rows: Iterable[Row]) -> float:
    return max((max(0.0, float(row[4] or 0)) for row in rows), default=0.0)


def _who(row: Row) -> str:
    return f"pid {row[0]} ({row[1]}@{row[2]}, {row[3]})"


def _waiting(db: Session) -> list[Waiting]:
    has_start = db.version >= 140000
    since = "coalesce(waiting.waitstart, query_start, clock_timestamp())" if has_start else "query_start"
    query = _WAITING.format(since=since, columns=", waitstart" if has_start else "")
    rows = db.rows(query)
    return [Waiting(int(pid or 0), _pids(blockers), max(0.0, float(waits or 0))) for pid, blockers, waits in rows]


def _pids(text: str | None) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(pid) for pid in (text or "").split(",") if pid))


def roots(waiting: Iterable[Waiting]) -> dict[int, list[Waiting]]:
    """Who holds everybody up: root pid → all that wait for it, directly or through others. 0 is a prepared
    transaction. A ring of waiters (a deadlock not yet broken) is led by its lowest pid."""
    by_pid = {one.pid: one for one in waiting}
    found: dict[int, list[Waiting]] = {}
    for one in by_pid.values():
        for root in _walk(one, by_pid):
            found.setdefault(root, []).append(one)
    return found


def _walk(start: Waiting, by_pid: Mapping[int, Waiting]) -> set[int]:
    seen: set[int] = set()
    ends: set[int] = set()
    ahead = list(start.blockers)
    while ahead:
        pid = ahead.pop()
        if pid in seen:
            continue
        seen.add(pid)
        if pid in by_pid:
            ahead += by_pid[pid].blockers
        else:
            ends.add(pid)
    return ends or ({min(seen)} if seen else set())


def _say_chains(db: Session, waiting: list[Waiting], shown: Shown) -> list[str]:
    """One line for each root blocker, the one that holds up most first."""
    worst = sorted(roots(waiting).items(), key=lambda root: (-len(root[1]), root[0]))[:_CHAINS_MAX]
    if not worst:
        return []
    pids = ",".join(str(pid) for pid, _ in worst)
    sessions = {int(row[0] or 0): row for row in db.rows(_SESSIONS.format(pids=pids, length=shown.query_length))}
    return [_say_chain(pid, waiters, sessions.get(pid), shown) for pid, waiters in worst]


def _say_chain(pid: int, waiters: list[Waiting], row: Row | None, shown: Shown) -> str:
    longest = max(one.waits_s for one in waiters)
    held = f"{say_count(len(waiters), 'session')}, the longest for {say_seconds(longest)}"
    if pid == 0:
        return f"a prepared transaction blocks {held} (see pg_prepared_xacts)"
    if row is None:
        return f"pid {pid} blocks {held}; it is gone now"
    _, user, database, state, age, query = row
    who = f"pid {pid} ({user}@{database}, {state}, transaction open for {say_seconds(float(age or 0))})"
    return f"{who} blocks {held}{shown.query(query)}"
