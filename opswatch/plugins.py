"""The file name is the registration: `kind = "slack"` means `opswatch/channels/slack.py`, or else an entry point.

A probe module has a pydantic `Args` and a class `Look` with `look(task)`; a channel module has a pydantic `Config` and
a class `Channel(config, *, to="")` with `send(message, address)`. Modules are imported when first asked for, so a
missing optional library hurts only who needs it.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from opswatch.config.settings import Measures
from opswatch.errors import PluginNotFound

if TYPE_CHECKING:
    from pydantic import BaseModel

# What `pip install` must be told when a module of ours lacks its library.
EXTRAS = {"psycopg": "postgres", "asyncssh": "ssh", "apprise": "apprise", "matplotlib": "plots"}
_PACKAGE = "opswatch"
_HERE = Path(__file__).parent


def find(folder: str, name: str) -> ModuleType:
    """The module `name` of `folder` (probes, channels, stores), imported now: the one that ships, else an entry point
    of the group `opswatch.<folder>`. Raises PluginNotFound with what exists, the nearest spelling, or the extra that
    is missing."""
    if _ships(folder, name):
        return _imported(f"{_PACKAGE}.{folder}.{name}", folder, name)
    point = _entry_points(folder).get(name)
    if point is None:
        raise PluginNotFound(_no_such(folder, name))
    module, _, _ = point.partition(":")
    return _imported(module, folder, name)


def names(folder: str) -> list[str]:
    """Every name `find` knows in `folder`, whether its libraries are installed or not."""
    ours = {file.stem for file in (_HERE / folder).glob("*.py") if not file.stem.startswith("_")}
    return sorted(ours | set(_entry_points(folder)))


@dataclass(frozen=True, slots=True)
class Lookup:
    """What `config.load` is handed: which probes and channels exist, and the models of their own keys.

    Without `with_models` names are checked and the keys of plug-ins are taken as they are, so that nothing is imported:
    for commands that neither look nor send.
    """

    with_models: bool = True

    def args_model(self, probe: str) -> type[BaseModel] | None:
        """The probe's `Args`. Raises PluginNotFound."""
        return self._model("probes", probe, "Args")

    def measures(self, probe: str) -> Measures | None:
        """What the probe's `Look` says it looks at and measures. Raises PluginNotFound."""
        look = getattr(find("probes", probe), "Look", None) if self.with_models else None
        if look is None or not hasattr(look, "samples"):
            return None
        return Measures(frozenset(getattr(look, "kinds", ())), frozenset(look.samples))

    def channel_model(self, kind: str) -> type[BaseModel] | None:
        """The channel's `Config`. Raises PluginNotFound."""
        return self._model("channels", kind, "Config")

    def known_probes(self) -> list[str]:
        return names("probes")

    def known_channels(self) -> list[str]:
        return names("channels")

    def _model(self, folder: str, name: str, model: str) -> type[BaseModel] | None:
        if self.with_models:
            found: type[BaseModel] | None = getattr(find(folder, name), model, None)
            return found
        if not _ships(folder, name) and name not in _entry_points(folder):
            raise PluginNotFound(_no_such(folder, name))
        return None


def kinds() -> Lookup:
    """The lookup for `config.load`: everything is validated."""
    return Lookup()


def names_only() -> Lookup:
    """The lookup for commands that must start fast and touch no probe or channel: `who`, `roster show`, `list` …"""
    return Lookup(with_models=False)


def _ships(folder: str, name: str) -> bool:
    # The file, not `find_spec`: that would import the folder's package, and pydantic with it.
    return name.isidentifier() and not name.startswith("_") and (_HERE / folder / f"{name}.py").is_file()


@lru_cache(maxsize=8)
def _entry_points(folder: str) -> dict[str, str]:
    """Name → `module:attribute` of third parties' plug-ins. Takes 20 ms: only asked when ours lacks the name."""
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=f"{_PACKAGE}.{folder}")}


def _imported(module: str, folder: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as trouble:
        raise PluginNotFound(_missing(folder, name, trouble)) from trouble


def _missing(folder: str, name: str, trouble: ImportError) -> str:
    library = (trouble.name or "").partition(".")[0]
    extra = EXTRAS.get(library)
    if extra is not None:
        return f"{folder[:-1]} {name} needs {library}, which is not installed: pip install 'opswatch[{extra}]'"
    return f"{folder[:-1]} {name} cannot be loaded: {trouble}"


def _no_such(folder: str, name: Any) -> str:
    import difflib

    known = names(folder)
    near = difflib.get_close_matches(str(name).lower(), known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"no {folder[:-1]} is called {name!r}; there are {', '.join(known) or 'none'}{hint}"
