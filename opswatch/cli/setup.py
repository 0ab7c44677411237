"""The first minute: a configuration that fits this host, and completion for the shell."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

import opswatch
from opswatch.cli.door import in_words, login
from opswatch.cli.groups import DONE, REFUSED, Command
from opswatch.cli.shown import say
from opswatch.core.counts import say_count

if TYPE_CHECKING:
    from opswatch.hosts.discovery import Found

EXAMPLE = "config.example.toml"
BEHIND_TARGETS = "# --- Who ---"
FOLDERS = (("checks", "*.toml"), ("playbooks", "*.md"))
ETC = Path("/etc/opswatch")
WHERE = {
    "bash": 'eval it in ~/.bashrc:  eval "$(opswatch completion bash)"\n'
    "# or for everybody:  opswatch completion bash | sudo tee /etc/bash_completion.d/opswatch",
    "zsh": 'eval it in ~/.zshrc, after compinit:  eval "$(opswatch completion zsh)"',
    "fish": "opswatch completion fish > ~/.config/fish/completions/opswatch.fish",
}


@click.command("init", cls=Command)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".", metavar="[DIR]")
def init(folder: Path) -> int:
    """Write a configuration that runs as it is into DIR (default: here): config.toml for this host, checks/ and
    playbooks/. Nothing that exists is overwritten.

    \b
    opswatch init
    sudo opswatch init /etc/opswatch
    """
    from opswatch import assemble

    config = folder / "config.toml"
    with in_words():
        if config.exists():
            click.echo(f"{config} exists: nothing was written. Look at it: opswatch -c {config} config check", err=True)
            return REFUSED
        folder.mkdir(parents=True, exist_ok=True)
        source = shipped()
        kept = [path for folder_of, pattern in FOLDERS for path in _copied(source, folder, folder_of, pattern)]
        text = fitted((source / EXAMPLE).read_text(encoding="utf-8"))
        found = assemble.discovered()
        config.write_text(with_targets(text, found), encoding="utf-8")
        assemble.examine(config)
    for path in kept:
        say(f"kept {path}, which was there")
    counts = ", ".join(
        f"{say_count(len(list((folder / name).glob(pattern))), 'file')} in {folder / name}" for name, pattern in FOLDERS
    )
    say(f"Wrote {config}, {counts}.")
    where = "" if folder == ETC or folder.resolve() == Path.cwd() else f"-c {config} "
    for target in found:
        say(f"found {target.id}: {target.url}")
        if target.remark:
            say(f"  first: {target.remark}")
    say("Next:")
    say(f"  opswatch {where}config check     # after every change")
    say(f"  opswatch {where}run              # looks at this host at once")
    say(f"  opswatch {where}page-test me     # in another terminal: does a page arrive?")
    return DONE


def shipped() -> Path:
    """Where the example, the checks and the playbooks are: in the wheel, or at the top of a checkout. Raises
    OpswatchError where neither is."""
    from opswatch.errors import OpswatchError

    package = Path(opswatch.__file__).resolve().parent
    for place in (package / "shipped", package.parent):
        if (place / EXAMPLE).is_file():
            return place
    raise OpswatchError(f"{EXAMPLE} is neither in {package / 'shipped'} nor beside the package: install it again")


def fitted(example: str) -> str:
    """The example with this host's zone, and who runs this as its first person."""
    user = os.environ.get("SUDO_USER") or login()
    zone = host_zone()
    text = example.replace(EXAMPLE, "config.toml")
    text = re.sub(r'^#?timezone = "[^"]*"', f'timezone = "{zone}"', text, count=1, flags=re.MULTILINE)
    text = re.sub(r'^#?login = "[^"]*"', f'login = "{user}"', text, count=1, flags=re.MULTILINE)
    return re.sub(r'^name = "Whoever started this"', f'name = "{user}"', text, count=1, flags=re.MULTILINE)


def with_targets(text: str, found: Iterable[Found]) -> str:
    """The configuration with a target for everything found here, behind the targets it has."""
    tables = []
    for target in found:
        remark = f"# First: {target.remark}\n" if target.remark else ""
        lines = [
            f"{remark}[[target]]",
            f'id = "{target.id}"',
            f'kind = "{target.kind}"',
            f'url = "{target.url}"',
            'service = "platform"',
        ]
        tables.append("\n".join(lines) + "\n")
    before, heading, after = text.partition(BEHIND_TARGETS)
    if not tables or not heading:
        return text
    return before + "# What was found on this host.\n\n" + "\n".join(tables) + "\n" + heading + after


def host_zone() -> str:
    """The IANA name of this host's time zone; UTC where it says none."""
    from opswatch.core.instants import zone

    candidates = [os.environ.get("TZ", "").removeprefix(":")]
    try:
        candidates.append(str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2])
        candidates.append(Path("/etc/timezone").read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        candidates.append("")  # A host that does not say.
    for name in candidates:
        try:
            if name:
                return "UTC" if name in ("Etc/UTC", "UCT", "Etc/UCT", "Zulu") else zone(name).key
        except ValueError:
            continue
    return "UTC"


def _copied(source: Path, folder: Path, name: str, pattern: str) -> list[Path]:
    """Copy one folder; the files that were there already, and stay."""
    kept = []
    (folder / name).mkdir(exist_ok=True)
    for file in sorted((source / name).glob(pattern)):
        copy = folder / name / file.name
        if copy.exists():
            kept.append(copy)
        else:
            copy.write_bytes(file.read_bytes())
    return kept


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(sorted(WHERE)))
def completion(shell: str) -> int:
    """Print the completion script for SHELL; its first lines say where to put it.

    \b
    eval "$(opswatch completion bash)"
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None, shell
    root = click.get_current_context().find_root().command
    script = found(root, {}, "opswatch", "_OPSWATCH_COMPLETE").source()
    say(f"# {WHERE[shell]}\n{script}")
    return DONE
