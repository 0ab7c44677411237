"""Alertmanager's matchers as people write them: `service="orders"`, `{instance=~"db-.*", "日志"!=满}`.

Two grammars are tried, as Alertmanager does since 0.27: the new one, in which names are any text, and the old one, in
which names are plain and values run to the end. Where they disagree the old one wins; it also reads what the new one
cannot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from opswatch.core.matching import Fullmatch

T = TypeVar("T")
Matcher = tuple[str, str, str]
"""(label, one of = != =~ !~, value)"""

TEXT_MAX = 16_384
MATCHERS_MAX = 64

_OLD = re.compile(r"[ \t\n\r\f\v]*([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t\n\r\f\v]*(=~|=|!=|!~)[ \t\n\r\f\v]*(.*)", re.DOTALL)
_SPACE = " \t\n\r\f\v"
_RESERVED = frozenset(" \t\n\r\f\v{}!=~,\\\"'`")
_PLAIN_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
_NUMBERED = {"x": 2, "u": 4, "U": 8}  # hexadecimal digits
_CODE_MAX = 0x10FFFF


def read_matcher(text: str) -> Matcher:
    """One matcher, such as a `filter=` holds. Raises ValueError, in words."""
    _bounded(text)
    if text.startswith("{") or text.endswith("}"):
        raise ValueError(f"unexpected open or close brace: {text}")
    return _agreed(lambda: _new_one(text), lambda: _old_one(text))


def read_matchers(text: str) -> tuple[Matcher, ...]:
    """A list with commas between, `{…}` around it or not. Raises ValueError, in words."""
    _bounded(text)
    found = _agreed(lambda: tuple(_new_list(text)), lambda: tuple(_old_list(text)))
    if len(found) > MATCHERS_MAX:
        raise ValueError(f"{len(found)} matchers: at most {MATCHERS_MAX} are taken")
    return found


def say_matcher(matcher: Matcher) -> str:
    """As it is read again: `service="orders"`."""
    name, how, value = matcher
    plain = _OLD.fullmatch(f"{name}=") is not None or not (set(name) & _RESERVED)
    return f"{name if name and plain else _quoted(name)}{how}{_quoted(value)}"


def check_matcher(matcher: Matcher, regex: Fullmatch) -> None:
    """Raises ValueError for a label without a name, and for a pattern that is none."""
    name, how, value = matcher
    if not name:
        raise ValueError("a matcher has no label name")
    if how in ("=~", "!~"):
        regex(value, "")


def matches_nothing_at_all(matcher: Matcher, regex: Fullmatch) -> bool:
    """Whether it holds for a thing that lacks its label: a silence of such alone would silence everything."""
    _, how, value = matcher
    found = regex(value, "") if how in ("=~", "!~") else value == ""
    return found is (how in ("=", "=~"))


# ---------------------------------------------------------------------------------------------------------------------
# Which grammar


def _agreed(by_new: Callable[[], T], by_old: Callable[[], T]) -> T:
    try:
        new = by_new()
    except ValueError:
        return by_old()
    try:
        old = by_old()
    except ValueError:
        return new
    return new if new == old else old


def _bounded(text: str) -> None:
    if len(text) > TEXT_MAX:
        raise ValueError(f"{len(text)} characters of matchers: at most {TEXT_MAX} are taken")


# ---------------------------------------------------------------------------------------------------------------------
# The old one


def _old_one(text: str) -> Matcher:
    found = _OLD.fullmatch(text)
    if found is None:
        raise ValueError(f"bad matcher format: {text}")
    raw = found[3].rstrip(_SPACE)
    return found[1], found[2], _old_value(raw)


def _old_value(raw: str) -> str:
    """Unescaped; an escape that is none keeps its backslash. Quotes stand at both ends or nowhere."""
    is_quoted = raw.startswith('"')
    text = raw[1:] if is_quoted else raw
    parts: list[str] = []
    is_closed = False
    place = 0
    while place < len(text):
        char = text[place]
        is_last = place == len(text) - 1
        if char == "\\" and not is_last:
            place += 1
            after = text[place]
            parts.append("\n" if after == "n" else after if after in '"\\' else f"\\{after}")
        elif char == '"':
            if not is_quoted or not is_last:
                raise ValueError(f"matcher value contains unescaped double quote: {raw}")
            is_closed = True
        else:
            parts.append(char)
        place += 1
    if is_quoted and not is_closed:
        raise ValueError(f"matcher value contains unescaped double quote: {raw}")
    return "".join(parts)


def _old_list(text: str) -> Iterator[Matcher]:
    for part in _split(text.removeprefix("{").removesuffix("}")):
        yield _old_one(part)


def _split(text: str) -> Iterator[str]:
    """At the commas outside quotes. What is left after the last one may be empty."""
    part: list[str] = []
    is_quoted = is_escaped = False
    for char in text:
        if char == "," and not is_quoted:
            yield "".join(part)
            part = []
            continue
        if char == '"' and not is_escaped:
            is_quoted = not is_quoted
        is_escaped = char == "\\" and not is_escaped
        part.append(char)
    if last := "".join(part).strip(_SPACE):
        yield last


# ---------------------------------------------------------------------------------------------------------------------
# The new one


def _new_one(text: str) -> Matcher:
    tokens = _tokens(text)
    matcher, after = _new_matcher(tokens, text)
    if after is not None:
        raise ValueError(f"{text}: unexpected {after[1]}: the matcher should end there")
    return matcher


def _new_list(text: str) -> Iterator[Matcher]:
    tokens = list(_tokens(text))
    is_open = bool(tokens) and tokens[0] == ("{", "{")
    is_shut = bool(tokens) and tokens[-1] == ("}", "}")
    if is_open is not is_shut:
        raise ValueError(f"{text}: braces must pair")
    inner = iter(tokens[1:-1] if is_open else tokens)
    token = next(inner, None)
    while token is not None:
        matcher, after = _new_matcher(_chained(token, inner), text)
        yield matcher
        if after is not None and after[0] != ",":
            raise ValueError(f"{text}: unexpected {after[1]}: a comma is expected")
        token = next(inner, None)


Token = tuple[str, str]
"""(kind, text): `text` is a name or a value, read; else the kind is the sign itself, `how` for an operator."""


def _chained(first: Token, rest: Iterator[Token]) -> Iterator[Token]:
    yield first
    yield from rest


def _new_matcher(tokens: Iterator[Token], text: str) -> tuple[Matcher, Token | None]:
    name, how, value = (next(tokens, None) for _ in range(3))
    if name is None or name[0] != "text":
        raise ValueError(f"{text}: a label name is expected")
    if how is None or how[0] != "how":
        raise ValueError(f"{text}: one of = != =~ !~ is expected after {name[1]}")
    if value is None or value[0] != "text":
        raise ValueError(f"{text}: a value is expected after {name[1]}{how[1]}")
    return (name[1], how[1], value[1]), next(tokens, None)


def _tokens(text: str) -> Iterator[Token]:
    place = 0
    while place < len(text):
        char = text[place]
        if char in _SPACE:
            place += 1
        elif char in "{},":
            yield char, char
            place += 1
        elif char in "=!":
            how = text[place : place + 2] if text[place : place + 2] in ("=~", "!=", "!~") else char
            if how == "!":
                raise ValueError(f"{text}: != or !~ is expected after !")
            yield "how", how
            place += len(how)
        elif char == '"':
            end = _end_of_quoted(text, place)
            yield "text", _unquoted(text[place + 1 : end])
            place = end + 1
        elif char in _RESERVED:
            raise ValueError(f"{text}: unexpected {char}: quote what holds it")
        else:
            end = place
            while end < len(text) and text[end] not in _RESERVED:
                end += 1
            yield "text", text[place:end]
            place = end


def _end_of_quoted(text: str, start: int) -> int:
    place = start + 1
    while place < len(text):
        if text[place] == "\\":
            place += 1
        elif text[place] == '"':
            return place
        place += 1
    raise ValueError(f"{text}: a quote is not closed")


def _unquoted(text: str) -> str:
    """As Go reads it. Raises ValueError for an escape that is none."""
    if "\n" in text:
        raise ValueError("a quoted text runs over the end of its line")
    octets = bytearray()
    place = 0
    while place < len(text):
        char, place = text[place], place + 1
        if char != "\\":
            octets += char.encode()
            continue
        kind, place = text[place : place + 1], place + 1
        if kind in _PLAIN_ESCAPES:
            octets += _PLAIN_ESCAPES[kind].encode()
        elif kind in _NUMBERED:
            digits = text[place : place + _NUMBERED[kind]]
            place += len(digits)
            octets += _numbered(kind, digits)
        elif kind and kind in "01234567" and re.fullmatch(r"[0-7]{2}", text[place : place + 2]):
            octets += bytes([_octet(int(kind + text[place : place + 2], 8))])
            place += 2
        else:
            raise ValueError(f"\\{kind} is no escape")
    return octets.decode()  # What is no UTF-8 raises UnicodeDecodeError, a ValueError.


def _numbered(kind: str, digits: str) -> bytes:
    if re.fullmatch(rf"[0-9A-Fa-f]{{{_NUMBERED[kind]}}}", digits) is None:
        raise ValueError(f"\\{kind} wants {_NUMBERED[kind]} hexadecimal digits")
    code = int(digits, 16)
    if kind == "x":
        return bytes([code])
    if code > _CODE_MAX:
        raise ValueError(f"\\{kind}{digits} is no character")
    return chr(code).encode()  # Half of a pair raises UnicodeEncodeError, a ValueError.


def _octet(code: int) -> int:
    if code > 0xFF:
        raise ValueError(f"\\{code:o} is no octet")
    return code


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
