"""What is reached over a network and through what: parents, anchors, and which checks say that nothing answers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from opswatch.config import schema
from opswatch.config.names import each
from opswatch.config.problems import Place, Problems
from opswatch.config.references import is_reference
from opswatch.config.suggest import listed
from opswatch.config.tables import Tables
from opswatch.core.plan import Check, Target, Vantage

REACHING = frozenset({"ping", "tcp"})
"""Probes whose critical verdict means that nothing answers; `reach` of a check says otherwise."""

ANCHORS: Mapping[str, bool] = {"tcp": True, "tls": True, "ping": False, "http": False, "https": False, "dns": False}
"""How an anchor begins → whether it needs a port."""

ANCHORS_MAX = 20
WINDOW_MAX = timedelta(minutes=5)
_ON_THIS_HOST = frozenset({"host", "log", "sqlite", "backup"})


def is_remote(table: schema.Target) -> bool:
    """Whether the target is looked at over a network: what a monitor that is cut off cannot see."""
    if table.access != "local":
        return True
    if table.kind in _ON_THIS_HOST or table.url is None:
        return False
    url = table.url.reveal()
    if is_reference(url):
        return True  # Not read by this process; a daemon of the same file knows better, and asks the anchors itself.
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return True
    return bool(host) and not _is_loopback(host or "")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def vantage(tables: Tables, checks: Iterable[Check], problems: Problems, warnings: Problems) -> Vantage:
    """`[vantage]`: anchors that can be asked. The window in which failures count as one is the longest interval of a
    check, between one minute and five."""
    table = tables.one("vantage", schema.Vantage)
    entry = tables.singles.get("vantage")
    place = entry.place if entry is not None else None
    if place is not None:
        for anchor, there in each(table.anchors, place.at("anchors")):
            _check_anchor(anchor, there, problems, warnings)
        if len(table.anchors) > ANCHORS_MAX:
            problems.add(
                place.at("anchors"), f"at most {ANCHORS_MAX}: a few that fail for different reasons are enough"
            )
        if not table.anchors and "anchors" not in table.spoilt:
            words = "no anchor: when many targets fail at once, nothing is asked and each of them is told"
            warnings.add(place.at("anchors"), words, seen="")
    longest = max((check.every for check in checks if check.every is not None), default=timedelta(0))
    return Vantage(tuple(table.anchors), table.failing, min(max(longest, timedelta(minutes=1)), WINDOW_MAX))


def _check_anchor(anchor: str, place: Place, problems: Problems, warnings: Problems) -> None:
    scheme, _, _ = anchor.partition("://")
    if scheme not in ANCHORS:
        problems.unknown(
            place, scheme, list(ANCHORS), f"an anchor that begins with {listed([f'{s}://' for s in ANCHORS])}"
        )
        return
    try:
        parts = urlsplit(anchor)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or (ANCHORS[scheme] and port is None):
        problems.add(place, f"'{scheme}://host{':port' if ANCHORS[scheme] else ''}', such as 'tcp://gateway:443'")
    elif _is_loopback(host):
        warnings.add(place, "an anchor on this host answers when the network does not: it says nothing of our sight")


def warn_of_idle_parents(
    tables: Tables, targets: Mapping[str, Target], checks: Iterable[Check], warnings: Problems
) -> None:
    """Parents that nothing looks at: they never count as down."""
    looked_at = {name for check in checks if check.every or check.cron for name in check.targets}
    for entry in tables.all("target", schema.Target):
        for parent, place in each(entry.value.parents, entry.place.at("parents")):
            if parent in targets and parent not in looked_at:
                words = "no check with `every` or `cron` looks at it: it never counts as down"
                warnings.add(place, words)
