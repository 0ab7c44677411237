"""Documentation that is run: the blocks of a page, the commands in them, and whether what they printed is what stands
there; `…` stands for anything."""

from __future__ import annotations

import re


def blocks(page: str, kind: str) -> list[str]:
    """What stands between ```kind and ```."""
    return re.findall(rf"^```{kind}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def transcript(page: str) -> list[tuple[str, str]]:
    """(command, expected output) in order; lines that begin with `>` go on with the command."""
    steps: list[tuple[list[str], list[str]]] = []
    for line in "".join(blocks(page, "console")).splitlines():
        if line.startswith("$ "):
            steps.append(([line[2:]], []))
        elif line.startswith("> "):
            steps[-1][0].append(line[2:])
        else:
            steps[-1][1].append(line)
    return [("\n".join(command), "\n".join(output)) for command, output in steps]


def holds(expected: str, output: str) -> bool:
    """Whether `output` has what is expected, however it is spaced."""
    return not expected or re.search(_pattern(expected), output) is not None


def _pattern(expected: str) -> str:
    parts = ("\n".join(expected.splitlines())).split("…")
    return r"[\s\S]*?".join(r"\s+".join(re.escape(word) for word in part.split()) for part in parts)
