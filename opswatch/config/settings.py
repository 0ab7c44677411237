"""What a configuration becomes: the Plan for the core, the Settings for the shell, and what to say about both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from opswatch.core.model import Secret
from opswatch.core.plan import Plan
from opswatch.errors import Problem
from opswatch.playbooks import Playbooks

if TYPE_CHECKING:
    from pydantic import BaseModel

    from opswatch.config.problems import Source
    from opswatch.mapping import Mapped


@dataclass(frozen=True, slots=True)
class Measures:
    """What a probe says of itself: the kinds of target it looks at (none: any), and the names of its samples
    (`*`: others too)."""

    kinds: frozenset[str]
    samples: frozenset[str]


class Kinds(Protocol):
    """The plug-in lookup that `load` is handed, so that it needs no probe and no channel. Raises PluginNotFound."""

    def args_model(self, probe: str) -> type[BaseModel] | None:
        """The model of the probe's own `args`; None: they are taken as they are."""
        ...

    def measures(self, probe: str) -> Measures | None:
        """What the probe can look at and what it measures; None: it does not say."""
        ...

    def channel_model(self, kind: str) -> type[BaseModel] | None:
        """The model of the keys that belong to this kind of channel; None: they are taken as they are."""
        ...

    def known_probes(self) -> list[str]: ...

    def known_channels(self) -> list[str]: ...


BUILT_IN = ("alertmanager", "grafana", "nagios")
"""Hooks that speak a format of their own."""
FEEDS_MAX = 1_000_001


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Where the HTTP door listens. `host` is without brackets; port 0 asks for any free one."""

    host: str = "127.0.0.1"
    port: int = 8470
    loopback: bool = True
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[str, ...] = ()  # addresses and networks, as `ipaddress` reads them
    ical: Mapping[str, int] = field(default_factory=dict)  # `all`, or `person:chen` … → how often it was revoked

    def feed_number(self, what: str) -> int:
        """The number that a calendar's key must hold. It changes when either of its numbers is raised."""
        return self.ical.get("all", 0) * FEEDS_MAX + self.ical.get(what, 0)


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """One `[[channel]]`. `config` is its kind's validated model; `to` its default address. `is_implied`: nobody wrote
    it, but a person's contact needs this kind and it works without settings."""

    id: str
    kind: str
    config: BaseModel | None = field(repr=False)  # may hold secrets as text
    to: str = ""
    raw: Mapping[str, object] = field(default_factory=dict, repr=False)  # as written, references unresolved
    is_implied: bool = False


@dataclass(frozen=True, slots=True)
class TokenSettings:
    id: str
    secret: Secret
    may: frozenset[str]  # read | act | ingest


@dataclass(frozen=True, slots=True)
class HookSettings:
    """Where a webhook may be posted. `repeat` is how often it says again what still fires; None: it speaks of each
    change once. With a `secret` its posts may be signed instead of showing a token: HMAC-SHA256 of the body, in
    hexadecimal, in the header `signature`."""

    id: str
    repeat: timedelta | None = None
    mapping: Mapped | None = field(default=None, repr=False)
    secret: Secret | None = None
    signature: str = "X-Hub-Signature-256"
    others: bool = False  # of nagios: what no check of ours is about becomes an alert

    @property
    def family(self) -> str:
        """Within which alerts are compared: no two hooks ever mean the same one."""
        return self.id if self.id in BUILT_IN else f"hook:{self.id}"

    @property
    def path(self) -> str:
        """Where it is posted."""
        return f"/hooks/{self.id}" if self.id in BUILT_IN else f"/hooks/generic/{self.id}"


@dataclass(frozen=True, slots=True)
class Deadman:
    url: Secret
    every: timedelta


@dataclass(frozen=True, slots=True)
class Retention:
    samples: timedelta = timedelta(days=14)
    rollups: timedelta = timedelta(days=400)
    evidence: timedelta = timedelta(days=90)
    timeline: timedelta = timedelta(days=1095)


@dataclass(frozen=True, slots=True)
class Inspection:
    """A scheduled round. `checks` are globs; `deliver` are `channel:ID`; people sign each item of `checklist`."""

    id: str
    cron: str
    timezone: str
    checks: tuple[str, ...]
    deliver: tuple[str, ...] = ()
    checklist: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """What the shell needs and the core does not. Paths are absolute."""

    path: Path
    base_dir: Path
    data_dir: Path
    store: Secret  # `sqlite:/absolute/path` or a postgresql URL
    public_url: str
    checks_dir: Path
    playbooks_dir: Path
    web: WebSettings = WebSettings()
    channels: Mapping[str, ChannelSettings] = field(default_factory=dict)
    tokens: tuple[TokenSettings, ...] = ()
    deadman: Deadman | None = None
    retention: Retention = Retention()
    inspections: tuple[Inspection, ...] = ()
    hooks: Mapping[str, HookSettings] = field(default_factory=dict)

    def carrier(self, kind: str) -> ChannelSettings | None:
        """The channel that carries messages to a person's contact of this kind: the first one written."""
        return next((channel for channel in self.channels.values() if channel.kind == kind), None)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration without a mistake. `warnings` are true of it all the same; `fingerprint` is of the files' bytes
    as they were read."""

    plan: Plan
    settings: Settings
    warnings: list[Problem]
    files: list[Path]
    fingerprint: str
    playbooks: Playbooks = field(default_factory=lambda: Playbooks(()), repr=False)
    sources: tuple[Source, ...] = field(default=(), repr=False)  # to name places later
