"""Log lines: events with facts, for a person at 3 a.m. `key=value` on a terminal, JSON lines everywhere else.

    log = logs.get("loops.pages")
    log.info("page delivered", incident=142, person="ana", via="phone", took_s=1.8)

A JSON line's own keys are `ts` (UTC), `loglevel`, `msg` and `logger`; every other key is a fact. Secrets never arrive:
values of `Secret`, keys that name one, and what looks like one inside a text are masked. A line that cannot be written
is lost and counted (`take_lost()`): logging never stops a page. structlog is imported when the first line is written,
not before: most commands of the command line write none, and must start in a quarter of a second.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping
from datetime import date, timedelta
from enum import Enum
from typing import Any, TextIO

from opswatch.core.model import Secret

MASK = "***"
TEXT_MAX = 2_000  # of one value; an exception keeps its end, where the reason stands
TRACE_MAX = 8_000
ITEMS_MAX = 50  # of one list or table
DEPTH_MAX = 4
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def setup(level: str = "info", json: bool | None = None, stream: TextIO | None = None) -> None:
    """Send every log line of this process, libraries' included, to `stream` (default: standard error).

    `level` is the least that is written: debug, info, warning or error; anything else raises ValueError. `json=None`
    asks the stream: `key=value` when it is a terminal, JSON lines when it is not. Libraries below `level` are quiet,
    and never speak below `info`: their debug lines hold request bodies. May be called again; the last call holds.
    """
    if level not in LEVELS:
        raise ValueError(f"log level {level!r}: write one of {', '.join(LEVELS)}")
    out = sys.stderr if stream is None else stream
    as_json = not _is_terminal(out) if json is None else json
    _output.configure(out, LEVELS[level], as_json=as_json, colour=not as_json and _wants_colour(out))
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, _FromLibraries)]
    root.addHandler(_FromLibraries())
    root.setLevel(max(LEVELS[level], logging.INFO))


def get(name: str) -> Log:
    """A logger whose lines carry `logger=name`. Cheap: it may stand at the top of every module."""
    return Log({"logger": name})


def take_lost() -> int:
    """How many lines could not be written since this was last asked (a closed pipe, a full disk)."""
    return _output.take_lost()


class Log:
    """Says events. `facts` take their keys from the glossary; they must not hold bodies."""

    __slots__ = ("_facts",)

    def __init__(self, facts: Mapping[str, object]) -> None:
        self._facts = facts

    def bind(self, **facts: object) -> Log:
        """The same logger with facts that every line of it carries."""
        return Log({**self._facts, **facts})

    def debug(self, event: str, /, **facts: object) -> None:
        """For whoever is reading the code at the same time."""
        self._say("debug", event, facts)

    def info(self, event: str, /, **facts: object) -> None:
        """Something happened as it should."""
        self._say("info", event, facts)

    def warning(self, event: str, /, **facts: object) -> None:
        """Something happened that may explain a later failure."""
        self._say("warning", event, facts)

    def error(self, event: str, /, **facts: object) -> None:
        """Someone should look."""
        self._say("error", event, facts)

    def exception(self, event: str, /, **facts: object) -> None:
        """Someone should look, and here is the trace of the exception being handled."""
        self._say("error", event, {"exc_info": True, **facts})

    def _say(self, level: str, event: str, facts: Mapping[str, object]) -> None:
        if LEVELS[level] >= _output.level:
            _output.write(level, event, {**self._facts, **facts})


# ---------------------------------------------------------------------------------------------------------------------
# What must not be read


_NAMES_A_SECRET = re.compile(
    r"(?:^|[_\-.])(?:token|password|passwd|secret|credentials?|authorization|cookie|signature|dsn|"
    r"api_?key|app_?token|private_?key|signing_?key)s?(?:$|[_\-.])",
    re.IGNORECASE,
)
# In this order. Each keeps what tells the reader which secret it was, and masks the rest.
_LOOKS_SECRET: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), MASK),
    (re.compile(r"(?<=://)([^\s/:@]*):[^\s/@]+@"), rf"\1:{MASK}@"),
    (re.compile(r"\b(xox[a-z]|xapp)-[\w-]{6,}"), rf"\1-{MASK}"),
    (re.compile(r"(hooks\.slack\.com/(?:services|triggers|workflows))/\S+"), rf"\1/{MASK}"),
    (re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"\beyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*"), MASK),
    (re.compile(r"\bAKIA[0-9A-Z]{16}\b"), MASK),
    (
        re.compile(
            r"\b((?:[a-z]+_)?(?:password|passwd|secret|token|api_?key|access_?key|sign(?:ature)?))"
            r"([\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;)}]+",
            re.IGNORECASE,
        ),
        rf"\1\2{MASK}",
    ),
)


def redact(text: str) -> str:
    """The text with whatever looks like a secret masked: passwords in URLs, Slack and bearer tokens, `token=…`."""
    for pattern, instead in _LOOKS_SECRET:
        text = pattern.sub(instead, text)
    return text


def _safe(key: str, value: object, depth: int = 0) -> object:
    """A value that may be written: masked, bounded, and made of JSON's types."""
    if value is None or isinstance(value, bool):
        return value
    if _NAMES_A_SECRET.search(key):
        return MASK
    if isinstance(value, Secret):
        return repr(value)
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, int | float):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, Mapping) and depth < DEPTH_MAX:
        items = list(value.items())[:ITEMS_MAX]
        return {str(inner): _safe(str(inner), held, depth + 1) for inner, held in items}
    if isinstance(value, list | tuple | set | frozenset) and depth < DEPTH_MAX:
        return [_safe("", held, depth + 1) for held in list(value)[:ITEMS_MAX]]
    return _bounded(redact(str(value)), TEXT_MAX)


def _bounded(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


def _mask_secrets(_logger: object, _method: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The processor that everything passes, after traces have become text and before anything is rendered."""
    trace = facts.pop("exception", None)
    safe: MutableMapping[str, Any] = {key: _safe(key, value) for key, value in facts.items()}
    if trace is not None:
        safe["exception"] = redact(str(trace))[-TRACE_MAX:]
    return safe


# ---------------------------------------------------------------------------------------------------------------------
# Where it goes


class _Output:
    """The one stream of this process. Before `setup`: warnings and worse, as `key=value`, to standard error."""

    def __init__(self) -> None:
        self.level = LEVELS["warning"]
        self._lost = 0
        self._stream: TextIO | None = None
        self._json = False
        self._colour = False
        self._lock = threading.Lock()
        self._processors: tuple[Callable[..., Any], ...] = ()

    def configure(self, stream: TextIO, level: int, *, as_json: bool, colour: bool) -> None:
        with self._lock:
            self._stream, self.level, self._json, self._colour = stream, level, as_json, colour
            self._processors = ()

    def write(self, level: str, event: str, facts: Mapping[str, object]) -> None:
        """Render and write one line. Never raises for what the stream or a fact's `__str__` does."""
        try:
            # Not `at`, `level` and `event`: those are the facts' own words (an escalation level, a shift's instant).
            line: Any = {"ts": "", "loglevel": level, "msg": event, **facts}
            for processor in self._processors or self._load():
                line = processor(None, level, line)
            with self._lock:
                stream = self._stream or sys.stderr
                stream.write(f"{line}\n")
                stream.flush()
        except Exception:
            # Nowhere is left to say it. The page that this line was about matters more.
            with self._lock:
                self._lost += 1

    def take_lost(self) -> int:
        with self._lock:
            lost, self._lost = self._lost, 0
        return lost

    def _load(self) -> tuple[Callable[..., Any], ...]:
        import structlog  # 50 ms and more, which most commands need not pay.

        render = structlog.processors.JSONRenderer(ensure_ascii=False) if self._json else _as_text(colour=self._colour)
        self._processors = (
            structlog.contextvars.merge_contextvars,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.format_exc_info,
            _mask_secrets,
            render,
        )
        return self._processors


def _as_text(*, colour: bool) -> Callable[[object, str, MutableMapping[str, Any]], str]:
    """`03:12:07 warning page failed  incident=142 via=phone`, the trace below it."""
    paint = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m"} if colour else {}

    def render(_logger: object, _method: str, facts: MutableMapping[str, Any]) -> str:
        ts, level, event = facts.pop("ts"), facts.pop("loglevel"), facts.pop("msg")
        trace = facts.pop("exception", None)
        name = facts.pop("logger", "")
        pairs = " ".join(f"{key}={_shown(value)}" for key, value in facts.items())
        start = paint.get(level, "")
        head = f"{start}{ts[11:19]}Z {level:<7} {_one_line(str(event))}{chr(27) + '[0m' if start else ''}"
        line = "  ".join(part for part in (head, pairs, f"({name})" if name else "") if part)
        return "\n".join([line, *map(_one_line, trace.splitlines())]) if trace else line

    return render


def _shown(value: object) -> str:
    text = _one_line(str(value))
    return text if text and not re.search(r"[\s\"=]", text) else '"' + text.replace('"', '\\"') + '"'


def _one_line(text: str) -> str:
    """No control characters: a log file's line must not forge another one, nor write escape codes to a terminal."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


class _FromLibraries(logging.Handler):
    """Lines of uvicorn, APScheduler, slack-sdk and the rest, through the same door and the same mask."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event = record.getMessage()
        except Exception:
            event = str(record.msg)
        level = next((name for name, least in reversed(LEVELS.items()) if record.levelno >= least), "debug")
        facts: dict[str, object] = {"logger": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            facts["exc_info"] = record.exc_info
        if record.levelno >= _output.level:
            _output.write(level, event, facts)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def _wants_colour(stream: TextIO) -> bool:
    return _is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


_output = _Output()
