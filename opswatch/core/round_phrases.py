"""How sentences about inspections are read and said: signing one item of a run's checklist."""

from __future__ import annotations

import re

from opswatch.core import events
from opswatch.core.events import Command
from opswatch.core.phrases import Speaker, needed_number
from opswatch.core.sentence import Sentence, Unclear

_RUN = re.compile(r"\d{4}-\d\d-\d\d-\w[\w.-]{0,99}")  # `2026-11-17-daily`: nobody says that in passing


def read_sign(sentence: Sentence, speaker: Speaker) -> Command:
    """`2026-11-17-daily 2 counted by hand`."""
    run = sentence.take(_RUN)
    if run is None:
        raise Unclear("needs_run")
    item = needed_number(sentence)
    note = sentence.rest().lstrip(":：,，").strip()
    return events.SignInspection(run[0].rstrip("."), item, note, by=speaker.by, door=speaker.door)


def say_sign(command: events.SignInspection) -> str:
    return f"{command.run} {command.item}" + (f": {command.text}" if command.text else "")
