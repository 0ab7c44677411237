"""PostgreSQL replication as both ends see it, slots, and the archive of WAL.

A primary at rest writes nothing, so the age of the last replayed transaction grows on a replica that misses nothing. So
a replica is 0 s behind when it has replayed all it received, but only while its receiver streams: over a cut link
nothing is received, and that would look just as good. A cut link is a failure of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatchcase

from opswatch.core.model import Health
from opswatch.hosts.evidence import printable, say_bytes, say_count, say_seconds
from opswatch.hosts.findings import ITEMS_MAX, Counters, Findings
from opswatch.hosts.libpq import Row, Session

_STANDBY = """
SELECT coalesce(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), 0),
       extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()),
       pg_is_wal_replay_paused(),
       (SELECT setting <> '' FROM pg_settings WHERE name = 'primary_conninfo'),
       (SELECT setting::float / 1000 FROM pg_settings WHERE name = 'recovery_min_apply_delay')"""

_RECEIVER = """
SELECT status, extract(epoch FROM clock_timestamp() - last_msg_receipt_time),
       pg_wal_lsn_diff(latest_end_lsn, pg_last_wal_replay_lsn()), greatest(latest_end_lsn, pg_last_wal_receive_lsn())
FROM pg_stat_wal_receiver WHERE pid IS NOT NULL"""

_HAS_REPLAYED = "SELECT pg_last_wal_replay_lsn() >= '{place}'::pg_lsn"
_GLANCE_S = 0.1

_HERE = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END"

_REPLICAS = f"""
SELECT application_name, coalesce(host(client_addr), 'socket'), state, coalesce(sync_state, ''),
       pg_wal_lsn_diff({_HERE}, replay_lsn), extract(epoch FROM replay_lag)
FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup' ORDER BY application_name, pid"""

_SLOTS = f"""
SELECT slot_name, slot_type, active, {{status}}, pg_wal_lsn_diff({_HERE}, restart_lsn)
FROM pg_replication_slots WHERE NOT temporary ORDER BY slot_name"""

_ARCHIVER = """
SELECT current_setting('archive_mode'), failed_count, coalesce(last_failed_wal, ''),
       coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false),
       extract(epoch FROM clock_timestamp() - coalesce(last_archived_time, stats_reset)), stats_reset::text
FROM pg_stat_archiver"""

_WAITING_FOR_ARCHIVE = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"


def look_at_replication(db: Session, seen: Findings, ignored: Sequence[str]) -> None:
    """How far this server is behind its primary, and its replicas behind it; `ignored` are globs of application names
    such as backups. Raises what `Session.rows` does."""
    if db.rows("SELECT pg_is_in_recovery()")[0][0] == "t":
        _look_at_standby(db, seen)
    _look_at_replicas(db, seen, ignored)


def _look_at_standby(db: Session, seen: Findings) -> None:
    received, age, paused, has_primary, delay = db.rows(_STANDBY)[0]
    receiver = db.rows(_RECEIVER)
    if receiver and receiver[0][0] is None:
        seen.hidden("replication", "the state of the WAL receiver is hidden: GRANT pg_monitor to our role")
        return
    streams = bool(receiver) and receiver[0][0] == "streaming"
    behind_bytes = max(0.0, float(received or 0), float(receiver[0][2] or 0) if streams else 0.0)
    lag_s = max(0.0, float(age or 0) - float(delay or 0))
    if streams and (behind_bytes == 0 or (lag_s > _GLANCE_S and _is_passing(db, receiver[0][3]))):
        lag_s = 0.0
    if age is not None or streams:
        seen.add("replication_lag_s", lag_s, "s")
    seen.add("replication_lag_bytes", behind_bytes, "B")
    if receiver and receiver[0][1] is not None:
        seen.add("receiver_silent_s", max(0.0, float(receiver[0][1])), "s")
    last = (
        f"the last transaction it replayed is {say_seconds(float(age))} old" if age else "it has replayed nothing yet"
    )
    if streams:
        seen.words.append(f"a replica, {say_seconds(lag_s)} and {say_bytes(behind_bytes)} behind its primary")
    elif has_primary == "f":
        seen.words.append(f"a replica fed from an archive: {last}")
    else:
        state = f"its WAL receiver is {receiver[0][0]}" if receiver else "no WAL receiver is running"
        seen.fail(f"the replica is cut from its primary: {state}; {last}")
        seen.words.append("a replica, cut from its primary")
    if paused == "t":
        seen.fail(f"replay is paused on this replica: {last}; SELECT pg_wal_replay_resume()", health=Health.WARN)


def _is_passing(db: Session, place: str | None) -> bool:
    """Whether what it knew of a moment ago is replayed by now. A primary at rest notes its snapshots all the same: a
    look just then would tell the age of the last transaction, which may be hours."""
    threading.Event().wait(_GLANCE_S)
    return place is not None and db.rows(_HAS_REPLAYED.format(place=place))[0][0] == "t"


def _look_at_replicas(db: Session, seen: Findings, ignored: Sequence[str]) -> None:
    rows = [row for row in db.rows(_REPLICAS) if not any(fnmatchcase(row[0] or "", glob) for glob in ignored)]
    if any(row[2] is None for row in rows):
        seen.hidden("replication", "the state of the replicas is hidden: GRANT pg_monitor to our role")
        return
    seen.add("replicas", sum(row[2] == "streaming" for row in rows))
    worst: dict[str, Row] = {}
    for row in rows:  # Two of one name and address are one item: the one further behind.
        item = f"replica {printable(row[0] or '?', 60)}@{row[1]}"
        if item not in worst or float(row[4] or 0) > float(worst[item][4] or 0):
            worst[item] = row
    for item, (_, _, state, sync, behind, lag) in list(worst.items())[:ITEMS_MAX]:
        if behind is None:
            continue  # It stores WAL and replays none: pg_receivewal.
        behind_bytes = max(0.0, float(behind))
        lag_s = float(lag or 0) if behind_bytes else 0.0
        seen.add("replica_lag_bytes", behind_bytes, "B", item)
        seen.add("replica_lag_s", lag_s, "s", item)
        words = f"{item} ({state}, {sync}) is {say_seconds(lag_s)} and {say_bytes(behind_bytes)} behind"
        seen.sentences[item] = words
        seen.evidence.append(words)
    if rows:
        seen.words.append(say_count(len(rows), "replica"))


def look_at_slots(db: Session, seen: Findings, counters: Counters, now: datetime) -> None:
    """What replication slots keep, and whether anybody fetches it. An idle slot is counted from the first look that
    found it so. Raises what `Session.rows` does."""
    rows = db.rows(_SLOTS.format(status="wal_status" if db.version >= 130000 else "NULL"))
    idle_longest = 0.0
    kept_most = 0.0
    for name, kind, active, status, kept in rows[:ITEMS_MAX]:
        item = f"slot {name}"
        kept_bytes = max(0.0, float(kept or 0))
        kept_most = max(kept_most, kept_bytes)
        seen.add("slot_retained_bytes", kept_bytes, "B", item)
        idle_s = counters.since(item, now) if active != "t" else 0.0
        seen.add("slot_inactive_s", idle_s, "s", item)
        idle_longest = max(idle_longest, idle_s)
        use = "in use" if active == "t" else f"nobody uses it (seen so for {say_seconds(idle_s)})"
        seen.sentences[item] = f"{kind} slot {name} keeps {say_bytes(kept_bytes)} of WAL, {use}"
        if status == "lost":
            seen.fail(f"slot {name} is lost: WAL it needs is gone, its consumer must be built anew", item)
        elif status == "unreserved":
            seen.fail(f"slot {name} is about to be lost: it is past max_slot_wal_keep_size", item, Health.WARN)
        if active != "t" or status in ("lost", "unreserved"):
            seen.evidence.append(seen.sentences[item])
    seen.add("slots_inactive", sum(row[2] != "t" for row in rows))
    if rows:
        seen.words.append(f"{say_count(len(rows), 'slot')} keeping at most {say_bytes(kept_most)}")


def look_at_archive(db: Session, seen: Findings, counters: Counters) -> None:
    """Whether finished WAL reaches the archive; nothing where none is kept. Raises what `Session.rows` does."""
    mode, failed, wal, is_failing, since, epoch = db.rows(_ARCHIVER)[0]
    is_standby = db.rows("SELECT pg_is_in_recovery()")[0][0] == "t"
    if mode == "off" or (is_standby and mode != "always"):
        return
    failing_s = max(0.0, float(since or 0)) if is_failing == "t" else 0.0
    seen.add("archive_failing_s", failing_s, "s")
    grown = counters.grown("archive_failures", float(failed or 0), epoch or "")
    if grown is not None:
        seen.add("archive_failures", grown)
    waiting = float(db.rows(_WAITING_FOR_ARCHIVE)[0][0] or 0)
    seen.add("archive_waiting", waiting)
    if is_failing == "t":
        words = f"archiving WAL fails: {wal} could not be stored, {waiting:.0f} files wait"
        seen.fail(f"{words}, nothing was stored for {say_seconds(failing_s)}")
