"""What INFO of a Redis server tells: memory, clients, persistence, replication."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from opswatch.core.model import Health
from opswatch.hosts.evidence import printable, say_bytes, say_count, say_seconds
from opswatch.hosts.findings import ITEMS_MAX, Counters, Findings

Info = Mapping[str, str]

_FRAGMENTS_FROM = 100 * 1024**2  # bytes: below, the ratio is noise


def look_at_memory(info: Info, seen: Findings, counters: Counters) -> None:
    """Memory in use, of maxmemory where one is set, and keys evicted for want of it since the last look."""
    used, most = _number(info, "used_memory"), _number(info, "maxmemory")
    seen.add("memory_bytes", used, "B")
    seen.add("rss_bytes", _number(info, "used_memory_rss"), "B")
    words = f"{say_bytes(used)} used"
    if most:
        seen.add("memory_used_pct", 100 * used / most, "%")
        words += f", {100 * used / most:.0f} % of maxmemory ({info.get('maxmemory_policy', '?')})"
    if used >= _FRAGMENTS_FROM and "mem_fragmentation_ratio" in info:
        seen.add("fragmentation_ratio", _number(info, "mem_fragmentation_ratio"))
    seen.words.append(words)
    _grown(info, seen, counters, "evicted_keys", "evictions")


def look_at_clients(info: Info, seen: Findings, counters: Counters) -> None:
    """Clients, ours not counted, and those turned away since the last look."""
    clients = max(0.0, _number(info, "connected_clients") - 1)
    seen.add("clients", clients)
    if most := _number(info, "maxclients"):
        seen.add("clients_used_pct", 100 * (clients + 1) / most, "%")
    seen.add("clients_blocked", _number(info, "blocked_clients"))
    seen.words.append(say_count(int(clients), "client"))
    _grown(info, seen, counters, "rejected_connections", "rejected")


def _grown(info: Info, seen: Findings, counters: Counters, key: str, name: str) -> None:
    grown = counters.grown(name, _number(info, key), info.get("run_id", ""))
    if grown is not None:
        seen.add(name, grown)
        if grown:
            seen.words.append(f"{grown:.0f} {name} since the last look")


def look_at_persistence(info: Info, seen: Findings, saves: bool, now: datetime) -> None:
    """Whether the last snapshot and the append-only file were written. `saves`: the server takes snapshots by itself;
    where it does not, or where nothing changed since, the age of the last one says nothing."""
    changes = _number(info, "rdb_changes_since_last_save")
    age_s = max(0.0, now.timestamp() - _number(info, "rdb_last_save_time"))
    if saves:
        seen.add("rdb_age_s", age_s if changes else 0.0, "s")
        seen.add("rdb_changes", changes)
        if info.get("rdb_last_bgsave_status") == "err":
            seen.fail(f"the last snapshot failed: {changes:.0f} changes since the one {say_seconds(age_s)} ago")
    if info.get("rdb_bgsave_in_progress") == "1":
        seen.add("rdb_running_s", _number(info, "rdb_current_bgsave_time_sec"), "s")
    if info.get("aof_enabled") != "1":
        return
    if info.get("aof_last_write_status") == "err":
        seen.fail("the append-only file cannot be written: what is acknowledged now is lost in a crash")
    if info.get("aof_last_bgrewrite_status") == "err":
        seen.fail("the append-only file could not be rewritten: it grows", health=Health.WARN)


def look_at_replication(info: Info, seen: Findings) -> None:
    """The link to the master, or the replicas and how far each is behind."""
    if info.get("role") == "slave":
        _look_at_link(info, seen)
    else:
        seen.words.append("master" if _number(info, "connected_slaves") else "no replicas")
    here = _number(info, "master_repl_offset")
    online = 0
    for number in range(min(ITEMS_MAX, int(_number(info, "connected_slaves")))):
        parts = dict(part.partition("=")[::2] for part in info.get(f"slave{number}", "").split(","))
        if not parts.get("ip"):
            continue
        online += parts.get("state") == "online"
        item = f"replica {printable(parts['ip'], 60)}:{parts.get('port', '?')}"
        behind = max(0.0, here - float(parts.get("offset") or 0))
        seen.add("replica_lag_bytes", behind, "B", item)
        seen.add("replica_lag_s", max(0.0, float(parts.get("lag") or 0)), "s", item)
        seen.sentences[item] = f"{item} is {parts.get('state')}, {say_bytes(behind)} behind"
        seen.evidence.append(seen.sentences[item])
    seen.add("replicas", online)


def _look_at_link(info: Info, seen: Findings) -> None:
    master = f"{info.get('master_host')}:{info.get('master_port')}"
    if info.get("master_link_status") == "up":
        silent_s = max(0.0, _number(info, "master_last_io_seconds_ago"))
        seen.add("master_silent_s", silent_s, "s")
        seen.words.append(f"a replica of {master}, heard {say_seconds(silent_s)} ago")
        return
    down_s = max(0.0, _number(info, "master_link_down_since_seconds"))
    seen.add("master_link_down_s", down_s, "s")
    if info.get("master_sync_in_progress") == "1":
        left = _number(info, "master_sync_left_bytes")
        seen.words.append(f"a replica of {master}, copying it anew")
        seen.fail(
            f"the replica is not in step: it copies {master} anew, {say_bytes(max(0.0, left))} left", health=Health.WARN
        )
        return
    seen.words.append(f"a replica, cut from {master}")
    seen.fail(f"the replica is cut from its master {master} for {say_seconds(down_s)}")


def _number(info: Info, key: str) -> float:
    try:
        return float(info.get(key, "0"))
    except ValueError:
        return 0.0
