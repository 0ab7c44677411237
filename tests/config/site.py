"""A configuration in a folder, and a lookup that knows a few probes and channels without importing any."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from opswatch import config
from opswatch.config import Measures
from opswatch.core.model import Secret
from opswatch.errors import ConfigError, PluginNotFound, Problem

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class DiskArgs(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    exclude: list[str] = []
    floor_gb: float = Field(default=0, ge=0)


class SlackConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)
    token: Secret
    app_token: Secret | None = None
    to: str = ""


class WebhookConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    secret: str = ""


class Lookup:
    """Stands where `plugins.kinds()` stands."""

    probes: dict[str, type[BaseModel] | None] = {"disk": DiskArgs, "memory": None, "http": None}  # noqa: RUF012
    channels: dict[str, type[BaseModel] | None] = {  # noqa: RUF012
        "slack": SlackConfig,
        "webhook": WebhookConfig,
        "console": None,
    }

    def args_model(self, probe: str) -> type[BaseModel] | None:
        if probe not in self.probes:
            raise PluginNotFound(f"no probe is called {probe}")
        return self.probes[probe]

    def measures(self, probe: str) -> Measures | None:
        self.args_model(probe)
        samples = {"disk": {"used_pct", "inodes_used_pct"}, "http": {"total_s", "*"}}
        return Measures(
            frozenset({"disk": {"host"}, "http": {"http"}}.get(probe, set())), frozenset(samples.get(probe, {"*"}))
        )

    def channel_model(self, kind: str) -> type[BaseModel] | None:
        if kind not in self.channels:
            raise PluginNotFound(f"no channel is called {kind}")
        return self.channels[kind]

    def known_probes(self) -> list[str]:
        return sorted(self.probes)

    def known_channels(self) -> list[str]:
        return sorted(self.channels)


class Site:
    """`Site(tmp_path).writes(main, checks={…})`, then `loads()` or `problems()`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "config.toml"
        self.environ: dict[str, str] = {}

    def writes(self, main: str, **checks: str) -> Site:
        self.path.write_text(main, encoding="utf-8")
        for name, text in checks.items():
            self.adds(f"checks/{name}.toml", text)
        return self

    def adds(self, name: str, text: str) -> Site:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return self

    def loads(self, *, needs_secrets: bool = True) -> config.Loaded:
        return config.load(self.path, Lookup(), now=NOW, environ=self.environ, needs_secrets=needs_secrets)

    def problems(self) -> list[Problem]:
        """Everything wrong with it; fails when nothing is."""
        try:
            self.loads()
        except ConfigError as refused:
            return refused.problems
        raise AssertionError("this configuration was accepted")

    def problem(self) -> Problem:
        """The only thing wrong with it."""
        problems = self.problems()
        assert len(problems) == 1, [str(problem) for problem in problems]
        return problems[0]

    def lints(self) -> list[str]:
        return [str(problem) for problem in config.lint(self.loads(), NOW)]
