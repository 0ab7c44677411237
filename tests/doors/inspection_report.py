"""A report of the kind a customer gets: one of everything, with thirty days behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from opswatch.core.inspection import Change, Course, Line, Reading, Report, Signature
from opswatch.core.model import Health, Priority, UnknownReason
from opswatch.core.plan import Plan, Service
from tests.story import person, plan

BEGAN = datetime(2026, 11, 16, 23, 30, tzinfo=UTC)
DAY = timedelta(days=1)
RUN = "2026-11-17-daily"


def team() -> Plan:
    """Who reads it."""
    services = {
        "orders": Service("orders", "Order pipeline", tier=1, team="commerce"),
        "platform": Service("platform", "Platform", tier=2, team="platform"),
    }
    people = (person("chen", timezone="Asia/Shanghai"), person("bo"))
    return plan(levels=(), people=people, services=services, name="acme", timezone="Asia/Shanghai")


def course(
    last: float, *, rise: float = 0.0, wave: float = 0.0, left: timedelta | None = None, limit: float | None = None
) -> Course:
    days = [last - rise * back + wave * ((back * 7) % 5 - 2) for back in range(29, -1, -1)]
    seen: list[float | None] = [*days]
    seen[11] = None
    return Course(tuple(seen), rise or None, left, limit)


def used(value: float, *, health: Health = Health.OK, was: float | None = None, **more: object) -> Reading:
    return Reading("used_pct", value, "%", health, "> 80", "> 90", was, course(value, **more))  # type: ignore[arg-type]


def line(
    check: str,
    target: str,
    item: str = "",
    *,
    health: Health = Health.OK,
    sentence: str = "as it should be",
    **more: object,
) -> Line:
    given = {"change": Change.SAME, "service": "orders", "owner": "team:commerce", "was": health, **more}
    return Line(check, target, item, health, sentence, **given)  # type: ignore[arg-type]


def everything() -> tuple[Line, ...]:
    crit = line(
        "disk-space",
        "db-main",
        "/var/lib/postgresql",
        health=Health.CRIT,
        sentence="/var/lib/postgresql is 96 % full: 11.8 GiB of 294 GiB left",
        change=Change.WORSE,
        was=Health.WARN,
        priority=Priority.P1,
        bad_since=BEGAN - 2 * DAY,
        readings=(
            used(96.0, health=Health.CRIT, was=93.1, rise=1.4),
            Reading("avail_bytes", 11.8 * 2**30, "B", was=20.1 * 2**30),
        ),
        broken=("used_pct 96 %: crit at > 90, clears 3 past it",),
        evidence=("/dev/nvme1n1 294G 282G 11.8G 96% /var/lib/postgresql", "largest: base/16384 211G, pg_wal 38G"),
        playbook="disk-space",
        why="A full disk stops the database: no order can be placed.",
    )
    backup = line(
        "backup-age",
        "db-main",
        health=Health.CRIT,
        sentence="the newest backup is 51 h old",
        change=Change.NEW,
        was=None,
        priority=Priority.P1,
        bad_since=BEGAN,
        readings=(Reading("age_s", 183_600, "s", Health.CRIT, None, "> 93600"),),
        evidence=("/backup/db-main/2026-11-14T2030.dump 81.3 GiB",),
        playbook="backup-stale",
        looks=3,
        bad_looks=3,
    )
    certificate = line(
        "tls-certificate",
        "shop-eu",
        health=Health.WARN,
        sentence="shop.example.com: valid for 19 more days, until Sun 6 Dec",
        priority=Priority.P3,
        bad_since=BEGAN - 3 * DAY,
        readings=(Reading("days_left", 19, "d", Health.WARN, "< 21", "< 7", 20, course(19, rise=-1)),),
        owner="team:platform",
        service="platform",
    )
    blind = line(
        "pg-health",
        "db-replica-2",
        health=Health.UNKNOWN,
        sentence="no answer within 10 s",
        reason=UnknownReason.TIMEOUT,
        priority=Priority.P3,
        change=Change.WORSE,
        was=Health.OK,
        bad_since=BEGAN,
    )
    better = line(
        "memory-available", "app-3", sentence="38 % of memory is available", change=Change.BETTER, was=Health.WARN
    )
    fills = line(
        "disk-space",
        "logs-1",
        "/var/log",
        sentence="/var/log is 74 % full",
        readings=(used(74, was=72.5, rise=1.5, left=10.6 * DAY, limit=90),),
        owner="team:platform",
        service="platform",
    )
    flickered = line(
        "web-answers",
        "shop-eu",
        sentence="200 in 180 ms",
        looks=2,
        bad_looks=1,
        notes=("connection reset by peer",),
        readings=(Reading("total_s", 0.18, "s", Health.OK, "> 1", "> 3", 0.21, course(0.18, wave=0.02)),),
    )
    fine = [
        line(
            "disk-space",
            f"app-{number}",
            "/",
            sentence="/ is fine",
            readings=(used(31 + 7 * number, was=30.0 + 7 * number, wave=1.5),),
        )
        for number in range(1, 5)
    ]
    more = [
        line(
            "systemd-units",
            f"app-{number}",
            sentence="42 units, none failed",
            service="platform",
            owner="team:platform",
        )
        for number in range(1, 4)
    ]
    return (crit, backup, certificate, blind, better, fills, flickered, *fine, *more)


def report(**more: object) -> Report:
    """The report of one morning."""
    given: dict[str, object] = {
        "lines": everything(),
        "due_at": BEGAN,
        "last_run": "2026-11-16-daily",
        "last_at": BEGAN - DAY,
        "gone": (line("disk-space", "app-9", "/", health=Health.OK, sentence="/ is 12 % full"),),
        "checklist": (
            "Restore one file of last night's backup and open it",
            "Server room: temperature, lamps on the storage shelf, water under the floor",
            "Read the newest ten complaints of the branch offices",
        ),
        "signatures": (Signature(2, "chen", BEGAN + timedelta(minutes=42), "22 °C, all lamps green"),),
        **more,
    }
    return Report(RUN, "daily", "Asia/Shanghai", BEGAN, BEGAN + timedelta(seconds=74), "ops-1", **given)  # type: ignore[arg-type]


def well() -> Report:
    """A morning without a finding."""
    lines = tuple(one for one in everything() if one.health is Health.OK and one.change is Change.SAME)
    return report(lines=lines, gone=(), checklist=(), signatures=())
