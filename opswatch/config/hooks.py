"""`[[hook]]` → what the door for webhooks needs."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from opswatch.config.hook_tables import Hook, HookMapping
from opswatch.config.problems import Place, Problems
from opswatch.config.settings import BUILT_IN, HookSettings
from opswatch.config.tables import Entry, Tables

if TYPE_CHECKING:
    from opswatch.mapping import Mapped

SECRET_LENGTH_MIN = 16
HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
REPEAT = timedelta(hours=4)
"""Alertmanager's and Grafana's own default for saying again what still fires."""


def hooks(tables: Tables, problems: Problems) -> dict[str, HookSettings]:
    """Every hook that posts are taken at: those written, and those that speak a format of their own."""
    found = {name: HookSettings(name, REPEAT) for name in BUILT_IN}
    for entry in tables.all("hook", Hook):
        found[entry.value.id] = _hook(entry, problems)
    return found


def _hook(entry: Entry[Hook], problems: Problems) -> HookSettings:
    table, place = entry.value, entry.place
    is_built_in = table.id in BUILT_IN
    if is_built_in and table.mapping is not None:
        words = f"not here: /hooks/{table.id} reads a format of its own; another id is posted at /hooks/generic/ID"
        problems.add(place.at("mapping"), words, seen="")
    elif not is_built_in and table.mapping is None and "mapping" not in table.spoilt:
        problems.add(place.at("mapping"), 'is required, such as mapping = { title = "message" }')
    if table.others is not None and table.id != "nagios":
        problems.add(place.at("others"), "only for the hook nagios: every alert of another hook is one of others")
    if table.secret is not None and len(table.secret.reveal()) < SECRET_LENGTH_MIN:
        words = f"at least {SECRET_LENGTH_MIN} characters, such as `openssl rand -hex 24` prints"
        problems.add(place.at("secret"), words)
    if table.signature is not None and table.secret is None and "secret" not in table.spoilt:
        problems.add(place.at("secret"), "is required beside `signature`: what posts are signed with")
    if table.signature is not None and not HEADER.fullmatch(table.signature):
        problems.add(place.at("signature"), "the name of a header, such as 'X-Hub-Signature-256'")
    settings = HookSettings(table.id, REPEAT if is_built_in else None)
    return replace(
        settings,
        repeat=table.repeat or settings.repeat,
        mapping=_mapped(table.id, table.mapping, place.at("mapping"), problems) if table.mapping is not None else None,
        secret=table.secret,
        signature=table.signature or settings.signature,
        others=table.others == "alert",
    )


def _mapped(id: str, table: HookMapping, place: Place, problems: Problems) -> Mapped | None:
    from opswatch.mapping import Mapped, Severity, Status

    status, severity = table.status, table.severity
    if table.spoilt or (status is not None and status.spoilt) or (severity is not None and severity.spoilt):
        return None  # Reported where it stands.
    given: dict[str, frozenset[str]] = {}
    if status is not None:
        kinds = ("resolved", "firing", "unknown", "ignored")
        given = {kind: frozenset(getattr(status, kind)) for kind in kinds if getattr(status, kind)}
        for kind, words in given.items():
            twice = sorted({word for other, others in given.items() if other != kind for word in words & others})
            if twice and kind == next(iter(given)):
                problems.add(place.at("status"), f"each word once: {', '.join(twice)} stands in two lists")
    return Mapped(
        id=id,
        title=table.title,
        when=table.when,
        alerts=table.alerts,
        summary=table.summary,
        labels=table.labels,
        annotations=table.annotations,
        service=table.service,
        severity=Severity(severity.value, severity.words) if severity is not None else None,
        status=Status(status.value, **given) if status is not None else None,
        dedup_key=table.dedup_key,
        starts_at=table.starts_at,
        ends_at=table.ends_at,
        url=table.url,
        timezone=table.timezone,
    )
