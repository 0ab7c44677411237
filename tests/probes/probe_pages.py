"""Draws the generated half of docs/probes.md from the probes themselves: `python -m tests.probes.probe_pages`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from opswatch.core.spans import say_span
from tests.probes.looks import NAMES, module

PAGE = Path(__file__).parents[2] / "docs" / "probes.md"
MARK = "<!-- From here on: drawn from opswatch/probes by `python -m tests.probes.probe_pages`. -->\n"


def drawn() -> str:
    """Everything below the mark."""
    return "\n".join(_section(name) for name in NAMES)


def main() -> None:
    """Rewrite what stands below the mark."""
    above = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    PAGE.write_text(above + MARK + "\n" + drawn(), encoding="utf-8")


def _section(name: str) -> str:
    probe = module(name)
    first, example, words = _docstring(probe.__doc__)
    parts = [f"## {name}\n", f"{first}\n", f"```toml\n{example}\n```\n", f"{words}\n"]
    parts.append(f"Targets of kind: {', '.join(f'`{kind}`' for kind in probe.Look.kinds) or 'any'}.\n")
    schema = probe.Args.model_json_schema()
    if schema.get("properties"):
        parts.append(_arguments("argument of `args`", schema, probe.Args))
    for title, part in schema.get("$defs", {}).items():
        model = getattr(probe, title, object)
        if issubclass(model, BaseModel):
            parts.append(_arguments(f"argument of each `{title}`", part, model))
    rows = [f"| `{key}` | {measure.unit} | {measure.words} |" for key, measure in probe.Look.samples.items()]
    parts.append("\n".join(["| sample | unit | meaning |", "| --- | --- | --- |", *rows]) + "\n")
    return "\n".join(parts)


def _docstring(text: str) -> tuple[str, str, str]:
    """(first line, TOML, the words after it)."""
    first, _, rest = text.strip().partition("\n\n")
    lines = rest.split("\n")
    toml = [line for line in lines if line.startswith("    ")]
    last = max(index for index, line in enumerate(lines) if line.startswith("    "))
    inside = [line[4:] for line in lines[: last + 1] if line in toml or not line]
    return first, "\n".join(inside).strip("\n"), "\n".join(lines[last + 1 :]).strip()


def _arguments(title: str, schema: Mapping[str, Any], model: type[BaseModel]) -> str:
    required = set(schema.get("required", ()))
    rows = []
    for key, part in schema["properties"].items():
        default = "required" if key in required else _say_default(model.model_fields[key].default)
        rows.append(f"| `{key}` | {_say_type(part)} | {default} | {part['description']} |")
    return "\n".join([f"| {title} | type | default | meaning |", "| --- | --- | --- | --- |", *rows]) + "\n"


def _say_default(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, timedelta):
        return f"`{say_span(value)}`"
    if isinstance(value, tuple):
        return ", ".join(f"`{part}`" for part in value) or "–"
    return f"`{value}`" if value not in (None, {}, "") else "–"


def _say_type(part: Mapping[str, Any]) -> str:
    if "$ref" in part:
        return re.sub(r".*/", "", part["$ref"])
    if "enum" in part:
        return " or ".join(f"`{word}`" for word in part["enum"])
    if "anyOf" in part:
        kinds = list(dict.fromkeys(_say_type(one) for one in part["anyOf"] if one.get("type") != "null"))
        return " or ".join(kinds) if len(kinds) < 3 else "plain value"
    match part.get("type"):
        case "array":
            return f"list of {_say_type(part['items'])}"
        case "object":
            return f"table of {_say_type(part['additionalProperties'])}"
        case "string":
            return str(part.get("format", "text"))
        case "integer":
            return "number, whole"
        case "boolean":
            return "true or false"
    return str(part.get("type", "text"))


if __name__ == "__main__":
    main()
