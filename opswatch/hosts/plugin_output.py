"""What a Nagios plugin printed: one line, more lines, performance data. Pure: text in, values out.

The Nagios rule: line 1 is split at its first `|`; later lines are text up to the first that holds a `|`, and everything
after that is performance data. A tail without any `=` is ordinary text with a bar in it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

PERFDATA_MAX = 1000  # values of one plugin; more is a mistake

_LABEL = re.compile(r"(?:'((?:[^']|'')+)'|([^\s=']+))=")
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_VALUE = re.compile(rf"({_NUMBER})([^\d\s;.,+-][^\s;,]*)?")


@dataclass(frozen=True, slots=True)
class PerfValue:
    """One item of performance data. `value` is None where the plugin could not determine it (`U`). `warn` and `crit`
    are ranges as printed: the status comes from the exit code, never from them."""

    label: str
    value: float | None
    unit: str = ""
    warn: str = ""
    crit: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class PluginOutput:
    """`line` is the first line, `long` the others, `problems` what looked like performance data and was none."""

    line: str
    long: tuple[str, ...] = ()
    perfdata: tuple[PerfValue, ...] = ()
    problems: tuple[str, ...] = ()


def parse_plugin_output(text: str) -> PluginOutput:
    """Read what a plugin wrote to stdout. Never raises."""
    first, *rest = text.replace("\r\n", "\n").split("\n")
    line, perf = _split_bar(first)
    pieces = [perf]
    long: list[str] = []
    for index, later in enumerate(rest):
        shown, perf = _split_bar(later)
        if shown:
            long.append(shown)
        if "|" in later and shown != later.rstrip():
            pieces += [perf, *rest[index + 1 :]]
            break
    values, problems = parse_perfdata(" ".join(piece.strip() for piece in pieces))
    return PluginOutput(line, tuple(long), values, problems)


def _split_bar(line: str) -> tuple[str, str]:
    """(text, performance data)."""
    text, bar, tail = line.partition("|")
    if bar and ("=" in tail or not tail.strip()):
        return text.rstrip(), tail
    return line.rstrip(), ""


def parse_perfdata(text: str) -> tuple[tuple[PerfValue, ...], tuple[str, ...]]:
    """`'label'=value[UOM];[warn];[crit];[min];[max]` items. What cannot be read is named in the second part, and what
    follows it is read still."""
    values: list[PerfValue] = []
    problems: list[str] = []
    position = 0
    while len(values) < PERFDATA_MAX:
        start = _skip(text, position, blank=True)
        if start >= len(text):
            break
        label = _LABEL.match(text, start)
        position = _skip(text, label.end() if label else start, blank=False)
        read = _read_value(_label(label), text[label.end() : position]) if label else None
        if read is None:
            problems.append(text[start:position])
        else:
            values.append(read)
    return tuple(values), tuple(problems)


def _skip(text: str, position: int, *, blank: bool) -> int:
    while position < len(text) and text[position].isspace() is blank:
        position += 1
    return position


def _label(match: re.Match[str]) -> str:
    quoted, plain = match.groups()
    return str(quoted).replace("''", "'") if quoted is not None else str(plain)


def _read_value(label: str, token: str) -> PerfValue | None:
    parts = [*token.split(";"), "", "", "", ""]
    match = _VALUE.fullmatch(parts[0])
    if match is None and parts[0] != "U":
        return None  # `inf`, `nan`, a decimal comma, nothing at all
    value = float(match.group(1)) if match else None
    if value is not None and not math.isfinite(value):
        return None
    unit = (match.group(2) or "") if match else ""
    return PerfValue(label, value, unit, parts[1], parts[2], _number(parts[3]), _number(parts[4]))


def _number(text: str) -> float | None:
    match = _VALUE.fullmatch(text)
    return float(match.group(1)) if match else None
