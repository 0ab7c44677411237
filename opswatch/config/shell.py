"""Channels, the web door, tokens, paths: what the shell needs and the core does not."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from opswatch.config import schema
from opswatch.config.names import Names, each
from opswatch.config.problems import Place, Problems, is_secret
from opswatch.config.settings import (
    ChannelSettings,
    Deadman,
    Inspection,
    Kinds,
    Retention,
    TokenSettings,
    WebSettings,
)
from opswatch.config.suggest import listed
from opswatch.config.tables import Entry, Tables
from opswatch.core.matching import matches_glob
from opswatch.core.model import Secret
from opswatch.errors import PluginNotFound

TOKEN_LENGTH_MIN = 16
CHECKLIST_MAX = 50


def channels(tables: Tables, kinds: Kinds, problems: Problems) -> dict[str, ChannelSettings]:
    """Every `[[channel]]`, its own keys validated by its kind's model."""
    return {entry.value.id: _channel(entry, tables, kinds, problems) for entry in tables.all("channel", schema.Channel)}


def _channel(entry: Entry[schema.Channel], tables: Tables, kinds: Kinds, problems: Problems) -> ChannelSettings:
    table, place = entry.value, entry.place
    own = {k: v for k, v in tables.raw[place.source.shown, place.path].items() if k not in ("id", "kind")}
    raw = place.value
    config = None
    try:
        model = kinds.channel_model(table.kind)
    except PluginNotFound as trouble:
        known = kinds.known_channels()
        words = str(trouble) if table.kind in known else f"no channel is of this kind; known are {listed(known)}"
        problems.unknown(place.at("kind"), table.kind, known, words)
        model = None
    if model is not None:
        from opswatch.config.plugged import validated  # pydantic, which only some commands need

        if "to" not in model.model_fields:
            own.pop("to", None)
        config = validated(model, own, place, problems)
    return ChannelSettings(table.id, table.kind, config, table.to, raw if isinstance(raw, Mapping) else {})


# ---------------------------------------------------------------------------------------------------------------------
# The web door


def web(tables: Tables, names: Names, base_dir: Path, problems: Problems) -> WebSettings:
    table = tables.one("web", schema.Web)
    entry = tables.singles.get("web")
    host, port = _host_and_port(table.listen)
    if entry is not None:
        place = entry.place
        if port is None:
            problems.add(place.at("listen"), "an address and a port, such as '127.0.0.1:8470' or '[::]:8470'")
        elif not is_loopback(host) and not tables.known("token"):
            words = "without a [[token]] only loopback, such as '127.0.0.1:8470': anybody could read and acknowledge"
            problems.add(place.at("listen"), words)
        for index, proxy in enumerate(table.trusted_proxies):
            if not _is_network(proxy):
                problems.add(place.at("trusted_proxies", index), "an address or a network such as '10.0.0.0/8'")
        _check_tls(table, place, base_dir, problems)
        for feed in table.ical:
            if feed != "all":
                names.check_target(feed, place.at("ical", feed), allow=("person", "roster", "team", "heartbeat"))
    return WebSettings(
        host=host,
        port=port or 0,
        loopback=table.loopback,
        tls_cert=base_dir / table.tls_cert if table.tls_cert else None,
        tls_key=base_dir / table.tls_key if table.tls_key else None,
        trusted_proxies=tuple(table.trusted_proxies),
        ical=dict(table.ical),
    )


def _check_tls(table: schema.Web, place: Place, base_dir: Path, problems: Problems) -> None:
    if (table.tls_cert is None) != (table.tls_key is None) and not table.spoilt:
        problems.add(place, "tls_cert and tls_key come together", seen="")
    for key, file in (("tls_cert", table.tls_cert), ("tls_key", table.tls_key)):
        if file is not None and not (base_dir / file).is_file():
            problems.add(place.at(key), "a PEM file that exists")


def _host_and_port(listen: str) -> tuple[str, int | None]:
    host, colon, port = listen.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        return listen, None
    is_port = colon and port.isascii() and port.isdigit() and int(port) <= 65535
    return (host or "0.0.0.0", int(port)) if is_port and _is_host(host) else (listen, None)


def _is_host(host: str) -> bool:
    return " " not in host and "/" not in host


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a door that listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def public_url(tables: Tables, web: WebSettings, node: str, problems: Problems) -> str:
    """Where links in pages lead, without a slash at the end; by default to the web door itself."""
    written = tables.one("opswatch", schema.Opswatch).public_url
    if written is None:
        host = node if web.host in ("0.0.0.0", "::") else f"[{web.host}]" if ":" in web.host else web.host
        return f"{'https' if web.tls_cert else 'http'}://{host}:{web.port}"
    try:
        parts = urlsplit(written)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_url = False
    if not is_url:
        problems.add(tables.singles["opswatch"].place.at("public_url"), "a URL such as 'https://opswatch.example.com'")
    return written.rstrip("/")


# ---------------------------------------------------------------------------------------------------------------------
# The store, tokens, the rest


def store(tables: Tables, base_dir: Path, data_dir: Path, problems: Problems) -> Secret:
    """`sqlite:/absolute/path` or a postgresql URL; by default a file in `data_dir`."""
    written = tables.one("opswatch", schema.Opswatch).store
    if written is None:
        return Secret(f"sqlite:{data_dir / 'opswatch.db'}", "data_dir")
    url = written.reveal()
    if url.startswith(("postgresql://", "postgres://")):
        return written
    if url.startswith("sqlite:") and url != "sqlite:":
        path = url.removeprefix("sqlite:")
        return written if path == ":memory:" else Secret(f"sqlite:{base_dir / path}", written.source or url)
    problems.add(tables.singles["opswatch"].place.at("store"), "sqlite:PATH or postgresql://user@host/db")
    return written


def tokens(tables: Tables, problems: Problems) -> tuple[TokenSettings, ...]:
    found = []
    for entry in tables.all("token", schema.Token):
        table = entry.value
        if len(table.secret.reveal()) < TOKEN_LENGTH_MIN:
            words = f"at least {TOKEN_LENGTH_MIN} characters, such as `openssl rand -hex 24` prints"
            problems.add(entry.place.at("secret"), words)
        found.append(TokenSettings(table.id, table.secret, frozenset(table.may)))
    return tuple(found)


def deadman(tables: Tables, problems: Problems) -> Deadman | None:
    entry = tables.singles.get("deadman")
    if entry is None:
        return None
    table: schema.Deadman = entry.value
    if not table.url.reveal().startswith(("http://", "https://")):
        problems.add(entry.place.at("url"), "a URL that begins with https:// (or http://)")
    return Deadman(table.url, table.every)


def retention(tables: Tables) -> Retention:
    table = tables.one("retention", schema.Retention)
    return Retention(table.samples, table.rollups, table.evidence, table.timeline)


def inspections(tables: Tables, names: Names, *, timezone: str) -> tuple[Inspection, ...]:
    found = []
    for entry in tables.all("inspection", schema.Inspection):
        table, place = entry.value, entry.place
        names.check_targets(table.deliver, place.at("deliver"), allow=("channel",))
        if len(table.checklist) > CHECKLIST_MAX:
            names.problems.add(place.at("checklist"), f"at most {CHECKLIST_MAX} items", seen=str(len(table.checklist)))
        found.append(
            Inspection(
                id=table.id,
                cron=table.cron,
                timezone=table.timezone or timezone,
                checks=tuple(table.checks),
                deliver=tuple(table.deliver),
                checklist=tuple(table.checklist),
            )
        )
    return tuple(found)


def warn_of_idle_rounds(tables: Tables, checks: Iterable[str], warnings: Problems) -> None:
    """Names in an inspection that no check has: it would look at less than was meant."""
    known = list(checks)
    for entry in tables.all("inspection", schema.Inspection):
        for glob, place in each(entry.value.checks, entry.place.at("checks")):
            if not any(matches_glob((glob,), check) for check in known):
                warnings.add(place, "matches no check: this part of the round looks at nothing")


def is_for_the_daemon(path: tuple[str | int, ...]) -> bool:
    """Whether only who looks and sends needs this value: secrets other than the store's, and plug-ins' own keys."""
    if path[0] == "channel" or (path[0] == "check" and "args" in path):
        return True
    return is_secret(path) and path != ("opswatch", "store")


def reference_exempt(document: Mapping[str, Any]) -> frozenset[tuple[str | int, ...]]:
    """Where `file:` is no reference but a path to look at: the url of a target that is a log."""
    found = document.get("target", [])
    targets = found if isinstance(found, list) else []
    return frozenset(
        ("target", index, "url")
        for index, target in enumerate(targets)
        if isinstance(target, Mapping) and (target.get("kind") == "log" or "*" in str(target.get("url", "")))
    )
