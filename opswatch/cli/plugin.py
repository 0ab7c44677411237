"""Speaking as a Nagios plugin: one line `STATE: sentence | performance data`, more lines below, exit 0 to 3."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import click

from opswatch.core.model import Health, Sample
from opswatch.core.plan import Limit

LINE_MAX = 200  # the first line may go to a pager
OUTPUT_MAX = 7_500  # Nagios reads 8192 bytes
STATES = {
    Health.OK: ("OK", 0),
    Health.WARN: ("WARNING", 1),
    Health.CRIT: ("CRITICAL", 2),
    Health.UNKNOWN: ("UNKNOWN", 3),
}
_UNITS = {
    "%": "%",
    "s": "s",
    "ms": "ms",
    "us": "us",
    "B": "B",
    "bytes": "B",
    "KB": "KB",
    "MB": "MB",
    "TB": "TB",
    "c": "c",
}
_COMPARISON = re.compile(r"(>=|<=|>|<)\s*(\S+)")


def speak(health: Health, sentence: str, performance: Iterable[str] = (), more: Iterable[str] = ()) -> int:
    """Say it, and give the exit code."""
    word, code = STATES[health]
    first = _plain(sentence)[:LINE_MAX] or "no more is known"
    data = " ".join(performance)
    lines = [f"{word}: {first} | {data}" if data else f"{word}: {first}", *map(_plain, more)]
    click.echo("\n".join(lines).encode()[:OUTPUT_MAX].decode(errors="ignore"))
    return code


def performance(sample: Sample, limit: Limit | None) -> str:
    """`'used_pct /var'=93%;80;90`: the label in quotes where it needs them, limits as ranges where they are some."""
    label = f"{sample.name} {sample.item}" if sample.item else sample.name
    label = label.replace("=", "_").replace("'", "''")
    quoted = f"'{label}'" if re.search(r"[\s']", label) else label
    given = [_range(limit.warn), _range(limit.crit)] if limit is not None else []
    return ";".join([f"{quoted}={_digits(sample.value)}{_UNITS.get(sample.unit, '')}", *given]).rstrip(";")


def counter(name: str, value: int) -> str:
    """A bare number as performance data."""
    return f"{name}={value}"


def _digits(value: float) -> str:
    """Without an exponent, which some readers refuse."""
    return f"{value:.9f}".rstrip("0").rstrip(".")


def _range(text: str | None) -> str:
    """A limit as a Nagios range. Those that none can say (`== 3`) are left out: the state tells."""
    if text is None:
        return ""
    found = _COMPARISON.fullmatch(text.strip())
    if found is None:
        return "" if text.strip().startswith(("==", "!=")) else text.strip()
    return f"~:{found[2]}" if found[1].startswith(">") else f"{found[2]}:"


def _plain(text: str) -> str:
    """On one line, and without the bar that begins the performance data."""
    return " ".join(text.replace("|", "¦").split())


def worst(healths: Sequence[Health]) -> Health:
    """ok < unknown < warn < crit."""
    return max(healths, key=lambda health: health.rank, default=Health.OK)
