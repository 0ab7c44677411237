"""What the `Config` of every channel has in common: frozen, no unknown keys, secrets that do not print."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from opswatch.core.model import Secret
from opswatch.core.spans import parse_span


class ChannelConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def _as_secret(value: object) -> object:
    return Secret(value) if isinstance(value, str) else value


SecretText = Annotated[Secret, BeforeValidator(_as_secret)]


def _in_seconds(value: object) -> object:
    return parse_span(value).total_seconds() if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_in_seconds), Field(gt=0, le=60)]
"""A short span, `"10s"`; a bare number is seconds."""
