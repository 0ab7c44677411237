"""A sentence as somebody types it at 3 a.m. on a phone, read piece by piece: numbers, names, spans, instants, text.

Forgiving where nothing is lost: case, full-width letters, curly quotes, closing punctuation. Free text stays as typed.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from opswatch.core.spans import parse_span

# Full-width forms to their ASCII twins, curly quotes to straight ones: one character for one, so positions stay true.
_PLAIN = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20, 0x201C: 0x22, 0x201D: 0x22}
_SEPARATORS = " \t\r\n,;!、。"
_CLOSING = ".,;:!?、。"
_PAUSES = (",", ";", ":", ".", "!", "-", "–", "—", "、", "。")
_ESCAPED = re.compile(r'[\\"“”＂＼]')
_BARE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+-]*(?<![.:/@+-])")
_TOKEN = re.compile(r'(?:[^\s",;、。]|"(?:\\.|[^"\\])*"|")+', re.DOTALL)
_TWO_QUOTED = re.compile(r'("(?:\\.|[^"\\])*")\s*("(?:\\.|[^"\\])*")?', re.DOTALL)
_INCIDENT = re.compile(
    r"(?:incident\s*|inc-?\s*|事件\s*|故障\s*)?#?\s*(\d{1,9})号?(?::(?!\d)|,|(?=$|[\s;!?)、。]|\.(?:\s|$)))",
    re.IGNORECASE,
)
_UNIT = r"(?:weeks?|w|days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s|周|天|个?小时|分钟|分|秒)"
_SPAN = re.compile(rf"(?:half an hour|半个?小时|(?:\d+(?:\.\d+)?\s*{_UNIT}(?![A-Za-z])\s*)+)", re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,2})[:点](\d{2})?$")
_FAR = timedelta(days=3650)
_DAYS = {"today": 0, "今天": 0, "tomorrow": 1, "明天": 1, "后天": 2}
_WEEK = (
    ("mon", "monday", "周一", "星期一"),
    ("tue", "tuesday", "周二", "星期二"),
    ("wed", "wednesday", "周三", "星期三"),
    ("thu", "thursday", "周四", "星期四"),
    ("fri", "friday", "周五", "星期五"),
    ("sat", "saturday", "周六", "星期六"),
    ("sun", "sunday", "周日", "星期日", "周天"),
)
_WEEKDAYS = {name: day for day, names in enumerate(_WEEK) for name in names}


class Unclear(Exception):
    """Part of a sentence could not be read. `key` is the answer's; it never leaves the core."""

    def __init__(self, key: str, **facts: object) -> None:
        super().__init__(key)
        self.key = key
        self.facts = facts


def plain(text: str) -> str:
    """`text` with full-width letters and curly quotes as ASCII; the same length."""
    return text.translate(_PLAIN)


def quoted(text: str, *, always: bool = False) -> str:
    """`text` so that `Sentence.value` reads exactly it: bare where that is safe, otherwise in double quotes."""
    if not always and _BARE.fullmatch(text):
        return text
    escaped = _ESCAPED.sub(lambda found: "\\" + found.group(), text)
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r") + '"'


def say_instant(at: datetime) -> str:
    """ISO 8601 in UTC, `2026-01-05T09:00:00Z`: what `Sentence.instant` reads back."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def distance(one: str, other: str) -> int:
    """How many letters must be changed, added, dropped or swapped with their neighbour to get `other` from `one`."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, right in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


class Sentence:
    """Reads a text from left to right. `now` and `zone` give meaning to "2h" and "18:00"."""

    __slots__ = ("_at", "_plain", "_text", "now", "zone")

    def __init__(self, text: str, *, now: datetime, zone: tzinfo) -> None:
        self._text = text
        self._plain = plain(text)
        self._at = 0
        self.now = now
        self.zone = zone

    @property
    def at_end(self) -> bool:
        return not self._plain[self._at :].strip(_SEPARATORS + _CLOSING)

    def rest(self) -> str:
        """Everything that is left, as it was typed."""
        rest = self._text[self._at :].strip()
        self._at = len(self._text)
        return rest

    def remaining(self) -> str:
        """What is left, without taking it."""
        return self._text[self._at :].strip()

    @property
    def at_pause(self) -> bool:
        """Whether a comma, colon, dash or full stop stands here: what follows is another thought."""
        return self._plain[: self._at].endswith((",", ":")) or self._plain[self._at :].lstrip().startswith(_PAUSES)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What `pattern` finds next, in plain letters; None, and nothing taken, when it is not there."""
        before = self._at
        self._skip()
        match = pattern.match(self._plain, self._at)
        self._at = match.end() if match else before
        return match

    def group(self, match: re.Match[str], index: int) -> str:
        """A group of what `take` found, as a value: one in quotes exactly as it stands between them."""
        whole = unquoted(match[index], self._text[match.start(index) : match.end(index)])
        return match[index].rstrip(_CLOSING) if whole is None else whole

    def peek(self) -> str:
        """The next word in small letters, without leading dashes and closing punctuation; "" at the end."""
        at = self._at
        word, _ = self._token()
        self._at = at
        return word.lstrip("-").rstrip(_CLOSING).lower()

    def keyword(self, *words: str) -> str | None:
        """Takes the next word if it is one of `words` (a quoted one never is)."""
        word = self.peek()
        if word not in words:
            return None
        self._token()
        return word

    def next(self) -> str:
        """The next word in plain letters, closing punctuation dropped. Raises Unclear at the end of the sentence."""
        word, _ = self._token()
        if not word:
            raise Unclear("too_short")
        return word.rstrip(_CLOSING)

    def value(self) -> str:
        """The next word; one in quotes exactly as it stands between them. Raises Unclear at the end."""
        word, typed = self._token()
        if not word:
            raise Unclear("too_short")
        whole = unquoted(word, typed)
        return word.rstrip(_CLOSING) if whole is None else whole

    def text(self) -> str:
        """All that is left, as it was typed; without its quotes where one pair encloses all of it."""
        rest = self.rest()
        whole = unquoted(plain(rest), rest)
        return rest if whole is None else whole

    def texts(self) -> tuple[str, str]:
        """All that is left, as a title and more: `"one" "two"`, or the first line and the others."""
        rest = self.rest()
        pair = _TWO_QUOTED.fullmatch(plain(rest))
        if pair is None:
            title, _, more = rest.partition("\n")
            return title.strip(), more.strip()
        parts = (unquoted(pair[i] or '""', rest[pair.start(i) : pair.end(i)] or '""') or "" for i in (1, 2))
        title, more = parts
        return title, more

    def incident(self) -> int | None:
        """`142`, `#142`, `incident 142`, `故障142`."""
        match = self.take(_INCIDENT)
        return int(match.group(1)) if match else None

    def span(self) -> timedelta | None:
        """`2h`, `1h 30m`, `2 hours`, `2小时`; None when no span stands here."""
        match = self.take(_SPAN)
        if match is None:
            return None
        words = re.sub(r"half an hour|半个?小时", "30m", match.group().lower())
        span = parse_span(re.sub(r"hrs?", "h", words.replace("个", "")))
        if span <= timedelta(0):
            raise Unclear("bad_span", said=match.group().strip())
        return span

    def instant(self) -> datetime:
        """`2026-01-05T18:00`, `2026-01-05 18:00`, `18:00` (the next one), `tomorrow 09:00`, `fri 18:00`, `2h` from now,
        `now`; without an offset, in the zone of who says it. Aware, UTC. Raises Unclear("bad_time")."""
        if self.keyword("now", "现在"):
            return self.now
        self.keyword("in")
        if (span := self.span()) is not None:
            return self.now + span
        word = self.next()
        if (day := self._day(word.lower())) is not None:
            return self._local(datetime.combine(day, self._clock() or _fail(word)))
        if (clock := _clock(word)) is not None:
            today = self.now.astimezone(self.zone).date()
            first = self._local(datetime.combine(today, clock))
            return first if first > self.now else self._local(datetime.combine(today + timedelta(days=1), clock))
        try:
            at = datetime.fromisoformat(word.upper())
        except ValueError:
            raise Unclear("bad_time", said=word) from None
        if "T" not in word.upper() and (clock := self._clock()) is not None:
            at = datetime.combine(at.date(), clock)
        return at.astimezone(UTC) if at.tzinfo else self._local(at)

    def day(self) -> date | None:
        """`2026-01-05`, `today`, `tomorrow`, `fri`, `2 weeks` from today, as a date where it is said; None, and nothing
        taken, when none stands here."""
        before = self._at
        today = self.now.astimezone(self.zone).date()
        self.keyword("in")
        if (span := self.span()) is not None:
            return today + span if span <= _FAR else None
        word = self._token()[0].rstrip(_CLOSING).lower()
        day = self._day(word)
        if day is None:
            try:
                return date.fromisoformat(word)
            except ValueError:
                self._at = before
        return day

    def _day(self, word: str) -> date | None:
        today = self.now.astimezone(self.zone).date()
        if word in _DAYS:
            return today + timedelta(days=_DAYS[word])
        if word in _WEEKDAYS:
            return today + timedelta(days=(_WEEKDAYS[word] - today.weekday()) % 7 or 7)
        return None

    def _clock(self) -> time | None:
        """Takes `09:00` if it is next."""
        clock = _clock(self.peek())
        if clock is not None:
            self.next()
        return clock

    def _local(self, wall: datetime) -> datetime:
        return wall.replace(tzinfo=self.zone).astimezone(UTC)

    def _skip(self) -> None:
        while self._at < len(self._plain) and self._plain[self._at] in _SEPARATORS:
            self._at += 1

    def _token(self) -> tuple[str, str]:
        """The next word in plain letters, and as it was typed."""
        self._skip()
        match = _TOKEN.match(self._plain, self._at)
        if match is None:
            return "", ""
        self._at = match.end()
        return match.group(), self._text[match.start() : match.end()]


def unquoted(word: str, typed: str) -> str | None:
    """What of `typed` stands in the one pair of quotes around all of `word` (its plain form); None without such."""
    if not re.fullmatch(r'"(?:\\.|[^"\\])*"', word, re.DOTALL):
        return None
    return re.sub(
        r"[\\＼](.)", lambda found: {"n": "\n", "r": "\r"}.get(found[1], found[1]), typed[1:-1], flags=re.DOTALL
    )


def _clock(word: str) -> time | None:
    match = _CLOCK.match(word)
    if match is None or int(match.group(1)) > 23 or int(match.group(2) or 0) > 59:
        return None
    return time(int(match.group(1)), int(match.group(2) or 0))


def _fail(word: str) -> time:
    raise Unclear("bad_time", said=word)
