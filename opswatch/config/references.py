"""Values that stand elsewhere: `env:NAME`, `file:/path`, `credential:NAME`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from opswatch.config.lines import Path as KeyPath

PREFIXES = ("env:", "file:", "credential:")
SIZE_MAX = 64 * 1024


class Resolved(str):
    """A value that came from elsewhere: it knows from where, and shows only that."""

    source: str

    def __new__(cls, value: str, source: str) -> Resolved:
        made = super().__new__(cls, value)
        made.source = source
        return made

    def __repr__(self) -> str:
        return self.source


class Unresolved(Exception):
    """A reference leads nowhere; the text says what is missing, never what was found."""


def is_reference(text: str) -> bool:
    """Whether `text` names a value that stands elsewhere."""
    return text.startswith(PREFIXES)


def resolve(text: str, environ: Mapping[str, str]) -> Resolved:
    """The value `text` refers to, one trailing line end taken off. Raises Unresolved with words."""
    kind, _, name = text.partition(":")
    if not name:
        raise Unresolved(f"a name after `{kind}:`, such as 'env:SLACK_BOT_TOKEN'")
    if kind == "env":
        if name not in environ:
            raise Unresolved(f"the environment has no {name}: export it before opswatch starts")
        return Resolved(environ[name], text)
    return Resolved(_read(_file_of(kind, name, environ)), text)


def _file_of(kind: str, name: str, environ: Mapping[str, str]) -> Path:
    if kind == "file":
        if not name.startswith("/"):
            raise Unresolved("an absolute path, such as 'file:/etc/opswatch/token'")
        return Path(name)
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if folder is None:
        raise Unresolved("systemd handed over no credentials ($CREDENTIALS_DIRECTORY is unset): see LoadCredential=")
    if "/" in name or name in (".", ".."):
        raise Unresolved("the name of a credential as LoadCredential= gives it, without a slash")
    return Path(folder, name)


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(SIZE_MAX + 1)
        if len(data) > SIZE_MAX:
            raise Unresolved(f"{file} holds more than {SIZE_MAX} bytes: is it the right file?")
        text = data.decode("utf-8")
    except OSError as trouble:
        raise Unresolved(f"{file} cannot be read: {trouble.strerror}") from None
    except UnicodeDecodeError:
        raise Unresolved(f"{file} is not UTF-8 text") from None
    return text.removesuffix("\n").removesuffix("\r")


def resolve_all(
    value: object,
    environ: Mapping[str, str],
    report: Callable[[KeyPath, str], None],
    exempt: Callable[[KeyPath], bool],
    path: KeyPath = (),
) -> object:
    """A copy of a TOML document with its references replaced. `report(path, words)` hears of each that leads nowhere
    (its place keeps the reference); what is `exempt` stays as written."""
    if isinstance(value, dict):
        return {key: resolve_all(part, environ, report, exempt, (*path, key)) for key, part in value.items()}
    if isinstance(value, list):
        return [resolve_all(part, environ, report, exempt, (*path, index)) for index, part in enumerate(value)]
    if not isinstance(value, str) or not is_reference(value) or exempt(path):
        return value
    try:
        return resolve(value, environ)
    except Unresolved as missing:
        report(path, str(missing))
        return Resolved(value, value)
