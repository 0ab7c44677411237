"""A Redis or Valkey server: does it answer, does memory hold, are snapshots written, is the link to its master up?

    [[target]]
    id = "cache"
    kind = "redis"
    url = "rediss://opswatch@cache.example.com:6380/0"

    [[check]]
    id = "redis-health"
    probe = "redis"
    targets = ["cache"]
    every = "30s"
    timeout = "5s"
    args = { write_key = "opswatch:probe" }
    [check.limits]
    ping_s = { warn = "> 0.5" }
    memory_used_pct = { warn = "> 85", crit = "> 95" }
    clients_used_pct = { warn = "> 80" }
    rejected = { warn = "> 0" }
    evictions = { warn = "> 1000" }
    rdb_age_s = { warn = "> 172800" }

Needs `pip install 'opswatch[redis]'`, and where there are access lists a user of its own, which may
`~opswatch:* +ping +info +config|get +slowlog|len +slowlog|get +cluster|info +set +get`; what it may not ask is left
out. Options of the URL are redis-py's (`ssl_ca_certs=/path`, `ssl_cert_reqs=none`).

These fail whatever the limits: no answer, still loading, a cut link to the master, a snapshot or append-only file that
cannot be written, a cluster that is not whole, a write that fails. Without maxmemory there is no `memory_used_pct`; a
server that takes no snapshots has no `rdb_age_s`. With `write_key` each look sets that key for a minute and reads it
back; a replica is left alone, and so is a node of a cluster that does not hold the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from opswatch.clock import monotonic_s
from opswatch.core.model import Failure, UnknownReason, Verdict
from opswatch.hosts import CannotSee, redis_info
from opswatch.hosts.evidence import bounded, printable, redacted, say_seconds
from opswatch.hosts.findings import Counters, Findings
from opswatch.hosts.redis_link import Link, NotConnected, Refused, TimeIsUp, link
from opswatch.hosts.sockets import NoSuchName
from opswatch.probes import Measure, Task, careful, secrets_of

_KEY_TTL_S = 60
_NOT_LET_IN = ("NOAUTH", "WRONGPASS", "NOPERM", "Authentication", "invalid", "DENIED")
_ELSEWHERE = ("MOVED", "ASK", "CROSSSLOT", "TRYAGAIN")


class Args(BaseModel):
    """Whether to write."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    write_key: str | None = Field(
        None, min_length=1, max_length=200, description="Key of the write probe; none: no write"
    )


class Look:
    """Asks PING and INFO, and few small things more; never walks keys."""

    kinds: ClassVar[tuple[str, ...]] = ("redis",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "connect_s": Measure("s", "time to connect and log in"),
        "ping_s": Measure("s", "time for PING"),
        "write_s": Measure("s", "time to set a key and read it back; with `write_key`, not on a replica"),
        "uptime_s": Measure("s", "since the server started"),
        "memory_bytes": Measure("B", "memory in use"),
        "memory_used_pct": Measure("%", "of maxmemory; absent without one"),
        "rss_bytes": Measure("B", "memory as the kernel counts it"),
        "fragmentation_ratio": Measure("", "of the two; absent below 100 MiB"),
        "evictions": Measure("", "keys evicted since the last look; absent at the first"),
        "clients": Measure("", "clients, ours not counted"),
        "clients_used_pct": Measure("%", "of maxclients, ours counted"),
        "clients_blocked": Measure("", "clients that wait in a blocking command"),
        "rejected": Measure("", "connections turned away since the last look; absent at the first"),
        "rdb_age_s": Measure("s", "since the last snapshot, 0 when nothing changed since; absent without snapshots"),
        "rdb_changes": Measure("", "changes since the last snapshot; absent without snapshots"),
        "rdb_running_s": Measure("s", "for how long a snapshot is being written; absent when none is"),
        "replicas": Measure("", "replicas that are in step"),
        "replica_lag_bytes": Measure("B", "per replica: what it has not acknowledged"),
        "replica_lag_s": Measure("s", "per replica: since it last acknowledged"),
        "master_silent_s": Measure("s", "on a replica: since its master last said anything; absent while cut"),
        "master_link_down_s": Measure("s", "on a replica: for how long it is cut; absent while it is not"),
        "slowlog_length": Measure("", "entries of the slow log"),
        "slow_commands": Measure("", "commands that entered it since the last look; absent at the first"),
    }

    @careful
    def look(self, task: Task) -> Verdict:
        if task.target.url is None:
            raise CannotSee(UnknownReason.ERROR, "the target needs a url such as 'redis://host:6379/0'")
        try:
            return _look(task, task.target.url.reveal())
        except NoSuchName as missing:
            return _down(task, str(missing))
        except NotConnected as trouble:
            return _down(task, f"Redis cannot be reached: {trouble}")
        except TimeIsUp:
            return _down(task, f"Redis did not answer within {task.timeout_s:.1f} s")
        except Refused as refused:
            return _refused(task, refused)


def _look(task: Task, url: str) -> Verdict:
    args: Args = task.args
    seen, counters = Findings(), Counters(task.memory, task.now)
    began = monotonic_s()
    with link(url, task.timeout_s) as server:
        seen.add("connect_s", monotonic_s() - began, "s")
        began = monotonic_s()
        refusal = _ping(server)
        ping_s = monotonic_s() - began
        seen.add("ping_s", ping_s, "s")
        seen.words.append(f"answers in {say_seconds(ping_s)}")
        info = server.info()
        seen.add("uptime_s", float(info.get("uptime_in_seconds", 0)), "s")
        if info.get("loading") == "1":  # before Redis 7 PING and INFO answer meanwhile
            raise Refused("Redis is loading its data", "LOADING")
        redis_info.look_at_memory(info, seen, counters)
        redis_info.look_at_clients(info, seen, counters)
        redis_info.look_at_persistence(info, seen, _saves(server, info), task.now)
        redis_info.look_at_replication(info, seen)
        if info.get("cluster_enabled") == "1":
            _look_at_cluster(server, seen)
        _look_at_slowlog(server, seen, counters, info.get("run_id", ""))
        if args.write_key and info.get("role") != "slave" and not refusal:
            _write(server, seen, args.write_key)
        if refusal and not seen.failures:
            seen.fail(f"Redis answers, but refuses: {refusal}")
        seen.evidence += [refusal]
    return seen.verdict(task.now, counters.memory())


def _ping(server: Link) -> str:
    """What a server says that refuses even PING and still answers INFO, which tells why: it cannot write its snapshots
    (MISCONF), it lost its master and may not serve what it has (MASTERDOWN)."""
    try:
        server.ask("PING")
    except Refused as refused:
        if refused.word not in ("MISCONF", "MASTERDOWN"):
            raise
        return str(refused)
    return ""


def _saves(server: Link, info: Mapping[str, str]) -> bool:
    """Whether snapshots are taken. Where we may not ask: when one was ever taken since the start."""
    answer = _asked(server, "CONFIG", "GET", "save")
    if isinstance(answer, list) and len(answer) == 2:
        return bool(answer[1])
    return int(info.get("rdb_saves", "0")) > 0 or info.get("rdb_last_bgsave_status") == "err"


def _look_at_cluster(server: Link, seen: Findings) -> None:
    lines = str(_asked(server, "CLUSTER", "INFO") or "").splitlines()
    told = dict(line.partition(":")[::2] for line in lines)
    if told and told.get("cluster_state") != "ok":
        slots = f"{told.get('cluster_slots_ok', '?')} of 16384 slots are served"
        seen.fail(f"the cluster is {told.get('cluster_state', 'not whole')}: {slots}")


def _look_at_slowlog(server: Link, seen: Findings, counters: Counters, run: str) -> None:
    length = _asked(server, "SLOWLOG", "LEN")
    if not isinstance(length, int):
        return
    seen.add("slowlog_length", float(length))
    newest = _asked(server, "SLOWLOG", "GET", 1)
    # Entries are numbered for as long as the server runs; the log itself keeps only the last.
    count = float(newest[0][0]) + 1 if isinstance(newest, list) and newest else 0.0
    grown = counters.grown("slow_commands", count, run)
    if grown is not None:
        seen.add("slow_commands", grown)


def _asked(server: Link, *words: str | int) -> Any:
    """The answer, or None where we may not ask, or where the server does not know the question."""
    try:
        return server.ask(*words)
    except Refused:
        return None


def _write(server: Link, seen: Findings, key: str) -> None:
    began = monotonic_s()
    value = repr(began)
    try:
        server.ask("SET", key, value, "EX", _KEY_TTL_S)
        answer = server.ask("GET", key)
    except Refused as refused:
        if refused.word in _ELSEWHERE:
            return
        if refused.word == "NOPERM":
            seen.hidden("write", f"our user may not write {printable(key, 100)}: {refused}")
            return
        seen.fail(f"Redis answers, but takes no writes: {refused}")
        return
    if answer is None:
        seen.fail(f"Redis took the key {printable(key, 100)} and does not have it")
        return
    took_s = monotonic_s() - began
    seen.add("write_s", took_s, "s")
    seen.words.append(f"writes in {say_seconds(took_s)}")


def _refused(task: Task, refused: Refused) -> Verdict:
    words = printable(redacted(str(refused), secrets_of(task)), 200)
    if refused.word in _NOT_LET_IN:
        raise CannotSee(UnknownReason.REFUSED, f"Redis answers, but does not let us in: {words}")
    if refused.word == "LOADING":
        return _down(task, "Redis is up, but still loading its data")
    return _down(task, f"Redis answers, but refuses: {words}")


def _down(task: Task, sentence: str) -> Verdict:
    sentence = printable(redacted(sentence, secrets_of(task)), 300)
    return Verdict(task.now, sentence, failures=(Failure(sentence),), evidence=bounded([sentence]))
