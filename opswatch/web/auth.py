"""Who may do what: loopback looks, tokens do what they may, a browser holds a token in a signed cookie.

There are no passwords in this release. A token that may act vouches for the person it names, as a chat robot does: give
such tokens to people one each.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from itsdangerous import BadData, URLSafeSerializer

from opswatch.config import Settings, TokenSettings
from opswatch.core.model import Role, Secret
from opswatch.core.plan import Person, Plan
from opswatch.web.clients import Client, is_our_host, is_same_origin

READ, ACT, INGEST = "read", "act", "ingest"
SESSION_LASTS = timedelta(hours=12)
COOKIE = "opswatch_session"
SECRET_MAX = 512  # letters of a token that are looked at


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `person` is the id they act as, `token` the id of the token they showed.

    `by_cookie`: a browser added it by itself, so a form must prove that it is ours. `wrong_host`: they are on this
    machine, but asked by a name that is not ours.
    """

    client: Client
    may: frozenset[str] = frozenset()
    token: str | None = None
    person: str | None = None
    by_cookie: bool = False
    wrong_host: bool = False

    @property
    def may_read(self) -> bool:
        return READ in self.may

    @property
    def may_act(self) -> bool:
        return ACT in self.may

    def role(self, plan: Plan) -> Role:
        """What they may see: the person's own role; without a person what their token stands for."""
        person = plan.people.get(self.person or "")
        return person.role if person else Role.RESPONDER if self.may_act else Role.VIEWER


class Refused(Exception):
    """Not let in. `key` is why, in the catalogue; 401 asks for a token, 403 says that this one will not do."""

    def __init__(self, key: str, status: int) -> None:
        super().__init__(key)
        self.key = key
        self.status = status


class Gate:
    """Lets callers in by one configuration's rules; a reload makes a new one. `key` signs the sessions."""

    def __init__(self, settings: Settings, key: Secret) -> None:
        self._loopback = settings.web.loopback
        self._public_url = settings.public_url
        self._tokens = {token.id: token for token in settings.tokens}
        self._signer = URLSafeSerializer(key.reveal(), salt="opswatch.session")
        self._answers = URLSafeSerializer(key.reveal(), salt="opswatch.answer")

    def caller(self, client: Client, headers: Mapping[str, str], session: str | None, now: datetime) -> Caller:
        """Who asks, and all they may do. `session` is the cookie. Never refuses: strangers may nothing."""
        is_here = self._loopback and client.is_loopback and client.is_direct
        is_ours = is_here and is_our_host(headers.get("host", ""), self._public_url)
        may = frozenset({READ, INGEST}) if is_ours else frozenset[str]()
        wrong_host = is_here and not is_ours
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and (shown := self.token_of(secret.strip())) is not None:
            return Caller(client, may | shown.may, shown.id)
        if session is not None and (known := self._read(session, now)) is not None:
            token, person = known
            return Caller(client, may | token.may, token.id, person or None, by_cookie=True)
        return Caller(client, may, wrong_host=wrong_host)

    def token_of(self, secret: str) -> TokenSettings | None:
        """The token with this secret. Every one is compared, in constant time: nothing is learnt from how long."""
        given = _digest(secret[:SECRET_MAX])
        found = None
        for token in self._tokens.values():
            if hmac.compare_digest(_digest(token.secret.reveal()[:SECRET_MAX]), given):
                found = token
        return found

    def admit(self, caller: Caller, right: str, headers: Mapping[str, str]) -> None:
        """Let them in for this, or raise Refused."""
        if right not in caller.may:
            if caller.wrong_host:
                raise Refused("wrong_host", 403)
            raise Refused("no_right", 403) if caller.token else Refused("sign_in", 401)
        if right == ACT and caller.by_cookie and not is_same_origin(headers, self._public_url):
            raise Refused("cross_site", 403)

    # sessions

    def session(self, token: TokenSettings, person: str, now: datetime) -> str:
        """A cookie's value that stands for this token and person until `SESSION_LASTS` after `now`, or until the
        token leaves the configuration or gets another secret."""
        until = int((now + SESSION_LASTS).timestamp())
        return _text(self._signer.dumps([token.id, person, until, _mark(token)]))

    def _read(self, session: str, now: datetime) -> tuple[TokenSettings, str] | None:
        try:
            id, person, until, mark = self._signer.loads(session)
        except (BadData, ValueError, TypeError):
            return None
        token = self._tokens.get(id)
        if token is None or datetime.fromtimestamp(until, UTC) <= now:
            return None
        return (token, str(person)) if hmac.compare_digest(str(mark), _mark(token)) else None

    # an answer on its way to the page it is shown on

    def seal(self, answer: str, incident: int) -> str:
        """For the address of that incident's page: nobody else can make the page say something."""
        return _text(self._answers.dumps([incident, answer]))

    def unseal(self, sealed: str, incident: int) -> str | None:
        """What `seal` was given for this incident."""
        try:
            number, answer = self._answers.loads(sealed)
        except (BadData, ValueError, TypeError):
            return None
        return str(answer) if number == incident else None


def _text(signed: str | bytes) -> str:
    return signed if isinstance(signed, str) else signed.decode()


def person_called(plan: Plan, name: str) -> Person | None:
    """The person with this id, login or name."""
    wanted = name.strip().casefold()
    if not wanted:
        return None
    for person in plan.people.values():
        if wanted in (person.id.casefold(), (person.login or "").casefold(), person.name.casefold()):
            return person
    return None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _mark(token: TokenSettings) -> str:
    """Tells one secret from the next, and tells nothing of either."""
    return hashlib.sha256(b"opswatch.session" + token.secret.reveal().encode()).hexdigest()[:16]
