"""Links in messages: to pages of ours, and signed ones that stand for one sentence of one person until they expire."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from itsdangerous import BadData, URLSafeSerializer

from opswatch.core.model import Secret

VALID_FOR = timedelta(hours=48)
KEY_FILE = "secret.key"


class BadLink(ValueError):
    """A link that was not signed here, or is over. Its text says which."""


class LinkOver(BadLink):
    """It was signed here, and its time is up: a new one comes with the next page."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a signed link says when it is used: `acknowledge 142`, as this person."""

    text: str
    person: str


class Links:
    """Makes and reads the links of one installation. `public_url` empty: no links, nothing to open."""

    def __init__(self, public_url: str, key: Secret) -> None:
        self._base = public_url.rstrip("/")
        self._signer = URLSafeSerializer(key.reveal(), salt="opswatch.link")
        self._feeds = URLSafeSerializer(key.reveal(), salt="opswatch.ical")

    def __call__(self, kind: str, *, at: datetime | None = None, **what: object) -> str | None:
        """An absolute URL: `dashboard`, `rosters`, `incident` (incident=142), `inspection` (run=…), `playbook`
        (playbook=…), `ical` (what="person:chen", number=…), `heartbeat` (what="heartbeat:sync", number=…), or one that
        says `acknowledge` or `resolve` (incident=142, person=…), valid for two days after `at`."""
        if not self._base:
            return None
        match kind:
            case "dashboard":
                return f"{self._base}/"
            case "ical":
                return f"{self._base}/ical/{self.feed(str(what['what']), int(str(what['number'])))}.ics"
            case "heartbeat":
                return f"{self._base}/heartbeat/{self.feed(str(what['what']), int(str(what['number'])))}"
            case "rosters":
                return f"{self._base}/rosters"
            case "incident":
                return f"{self._base}/incidents/{what['incident']}"
            case "inspection":
                return f"{self._base}/inspections/{quote(str(what['run']))}"
            case "playbook":
                return f"{self._base}/playbooks/{what['playbook']}" if what.get("playbook") else None
            case "acknowledge" | "resolve" if what.get("person") and at is not None:
                sentence = f"{kind} {what['incident']}"
                return f"{self._base}/ack/{self.sign(sentence, str(what['person']), at)}"
        return None

    def at(self, now: datetime) -> _LinksAt:
        """The same, for messages made at `now`."""
        return _LinksAt(self, now)

    def feed(self, what: str, number: int) -> str:
        """The key of a calendar (`person:chen`, `roster:primary`, `team:ops`): good while its number is this one."""
        token = self._feeds.dumps([what, number])
        return token if isinstance(token, str) else token.decode()

    def read_feed(self, key: str) -> tuple[str, int]:
        """What `feed` was given. Raises BadLink."""
        try:
            what, number = self._feeds.loads(key)
            return str(what), int(number)
        except (BadData, ValueError, TypeError):
            raise BadLink("this calendar was not made here, or its address was cut off") from None

    def sign(self, sentence: str, person: str, now: datetime) -> str:
        """A token that says `sentence` as `person`, until `VALID_FOR` after `now`."""
        token = self._signer.dumps([sentence, person, int((now + VALID_FOR).timestamp())])
        return token if isinstance(token, str) else token.decode()

    def read(self, token: str, now: datetime) -> Sentence:
        """What a token says. Raises BadLink; LinkOver when it was good once."""
        try:
            text, person, until = self._signer.loads(token)
        except (BadData, ValueError, TypeError):
            raise BadLink("this link was not made here, or was cut off") from None
        if datetime.fromtimestamp(until, UTC) <= now:
            raise LinkOver("this link is over: it was valid for two days")
        return Sentence(str(text), str(person))


@dataclass(frozen=True, slots=True)
class _LinksAt:
    links: Links
    now: datetime

    def __call__(self, kind: str, **what: object) -> str | None:
        return self.links(kind, at=self.now, **what)


def key_of(data_dir: Path) -> Secret:
    """The key that signs this installation's links: made once, readable by its owner and group only."""
    path = data_dir / KEY_FILE
    if not path.exists():
        made = data_dir / f".{KEY_FILE}.{os.getpid()}"
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "w") as out:
            out.write(secrets.token_urlsafe(32) + "\n")
        try:
            os.link(made, path)  # Whole or not at all, and the first one wins.
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return Secret(path.read_text().strip(), f"file:{path.name}")
