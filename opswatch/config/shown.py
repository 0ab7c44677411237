"""What is in force, for people: defaults filled in, secrets masked."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

from opswatch.config.holidays import ByYear
from opswatch.config.problems import MASK, masked
from opswatch.config.references import Resolved
from opswatch.config.settings import Loaded
from opswatch.core.calendars import say_window
from opswatch.core.model import Priority, Role, Secret
from opswatch.core.plan import NotifyStep, Window
from opswatch.core.spans import say_span

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_NOT_SHOWN = frozenset({"raw", "config", "calendars", "is_implied"})


def as_values(loaded: Loaded) -> dict[str, object]:
    """The settings and the plan as JSON values."""
    plan, settings = loaded.plan, loaded.settings
    shown: dict[str, object] = {
        "files": [str(file) for file in loaded.files],
        "fingerprint": loaded.fingerprint,
        "settings": _plain(settings),
        "plan": _plain(plan),
    }
    assert isinstance(shown["plan"], dict) and isinstance(shown["settings"], dict)
    shown["plan"]["priorities"] = {str(priority): _plain(plan.rule(priority)) for priority in Priority}
    shown["plan"]["calendars"] = sorted(plan.calendars)
    shown["settings"]["channels"] = {
        channel.id: masked(dict(channel.raw)) if channel.raw else {"kind": channel.kind, "implied": True}
        for channel in settings.channels.values()
    }
    for name, args in _written_args(loaded).items():
        shown["plan"]["checks"][name]["args"] = args
    for name, target in plan.targets.items():
        if target.url is not None:
            shown["plan"]["targets"][name]["url"] = _safe_url(target.url)
    return shown


def _written_args(loaded: Loaded) -> dict[str, object]:
    """The arguments of each check as they stand in the file: what they refer to is not shown."""
    checks = [check for source in loaded.sources for check in source.document.get("check", [])]
    return {str(check["id"]): masked(check.get("args", {})) for check in checks}


def as_toml(loaded: Loaded) -> str:
    """The same as TOML."""
    return "\n".join(_tables((), as_values(loaded))).strip() + "\n"


def _safe_url(url: Secret) -> str:
    """The reference, or the URL without what could open a door: user's password, query, fragment."""
    if url.source:
        return url.source
    text = url.reveal()
    if text.startswith(("sqlite:", "file:")):
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return MASK
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    netloc = f"{name}{':' + MASK if colon else ''}{at}{host}"
    return f"{parts.scheme}://{netloc}{parts.path}{'?' + MASK if parts.query else ''}"


def _plain(value: object) -> object:
    """`value` as JSON: spans and windows as they are written, secrets as where they come from."""
    match value:
        case Secret():
            return str(value)
        case Resolved():
            return value.source
        case timedelta():
            return say_span(value)
        case Window():
            return say_window(value)
        case NotifyStep():
            return f"{say_span(value.after)} {value.contact}" if value.after else value.contact
        case ByYear():
            return None
        case Enum():
            return value.name.lower() if isinstance(value, Role) else str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case Path():
            return str(value)
        case Mapping():
            return {str(key): _plain(part) for key, part in value.items()}
        case set() | frozenset():
            return sorted((_plain(part) for part in value), key=str)
        case list() | tuple():
            return [_plain(part) for part in value]
        case str() | int() | float() | None:
            return value
        case _ if dataclasses.is_dataclass(value):
            fields = (field.name for field in dataclasses.fields(value) if field.name not in _NOT_SHOWN)
            return {name: _plain(getattr(value, name)) for name in fields}
        case _ if hasattr(value, "model_dump"):
            return masked(_plain(value.model_dump()))
        case _:
            return str(value)


def _tables(path: tuple[str, ...], table: Mapping[str, object]) -> list[str]:
    """`table` and the tables in it, its own keys first. What is empty or unset is left out."""
    lines = []
    own = {key: part for key, part in table.items() if not isinstance(part, Mapping) and part not in (None, [], "")}
    if own:
        lines += ["", f"[{'.'.join(map(_key, path))}]"] if path else []
        lines += [f"{_key(key)} = {_inline(part)}" for key, part in own.items()]
    for key, part in table.items():
        if isinstance(part, Mapping) and part:
            lines += _tables((*path, key), part)
    return lines


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _inline(value: object) -> str:
    if isinstance(value, Mapping):
        pairs = (f"{_key(str(key))} = {_inline(part)}" for key, part in value.items() if part is not None)
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(part) for part in value if part is not None) + "]"
    return json.dumps(value, ensure_ascii=False)
