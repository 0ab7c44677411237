"""Our silences as Alertmanager's API has them: named by uuid, listed for some days after their end, changed by being
posted again."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from opswatch.assemble import linear_fullmatch
from opswatch.core import matchers, silences
from opswatch.core.commands import ALERTMANAGER
from opswatch.core.effects import Done
from opswatch.core.events import AddSilence, ExpireSilence
from opswatch.core.matchers import Matcher
from opswatch.core.matching import matchers_hold
from opswatch.core.moment import TEXT_MAX
from opswatch.core.state import Silence
from opswatch.posts import instant
from opswatch.render import answers
from opswatch.web.am_alerts import said_at
from opswatch.web.auth import person_called
from opswatch.web.door import Door

KEPT = timedelta(hours=120)  # Alertmanager's `--data.retention`
SILENCES_MAX = 2_000  # that hold or will: each alert is compared with all of them
MATCHER_MAX = 4_096  # characters of a name or a value
AUTHOR_MAX = 120
ANNOTATIONS_MAX = 16
ACTIVE, PENDING, EXPIRED = "active", "pending", "expired"

Json = dict[str, Any]


class Wrong(Exception):
    """Answered with this status, and this sentence as a JSON string."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


@dataclass(frozen=True, slots=True)
class Listed:
    """A silence, and how it stands: active, pending or expired. `uuid` is its name."""

    silence: Silence
    state: str
    uuid: str
    starts_at: datetime
    ends_at: datetime

    def as_json(self) -> Json:
        one = self.silence
        found: Json = {
            "id": self.uuid,
            "status": {"state": self.state},
            "updatedAt": said_at(one.updated_at or one.starts_at),
            "comment": one.reason,
            "createdBy": one.owner,
            "endsAt": said_at(self.ends_at),
            "matchers": [
                {"isEqual": how in ("=", "=~"), "isRegex": how in ("=~", "!~"), "name": name, "value": value}
                for name, how, value in one.matchers
            ],
            "startsAt": said_at(self.starts_at),
        }
        return found | ({"annotations": dict(one.annotations)} if one.annotations else {})


def listed(door: Door, filters: Sequence[Matcher] = (), states: frozenset[str] | None = None) -> list[Listed]:
    """Those whose matchers' values match `filters`: active ones by their end, pending ones by their start, expired ones
    the last to end first. Raises StoreUnavailable."""
    now = door.now()
    kept = [_of(one, now) for one in door.office.views.silences()]
    names = {one.silence.id for one in kept}
    ended = door.office.store.ended_silences(now - KEPT, SILENCES_MAX)
    over = [shown for one, at in ended if (shown := _ended(one, at)).ends_at > now - KEPT and one.id not in names]
    found = [
        one for one in (*kept, *over) if (states is None or one.state in states) and _is_meant(one.silence, filters)
    ]
    return sorted(found, key=_order)


def find(door: Door, name: str) -> Listed:
    """The one with this uuid. Raises Wrong, 404."""
    wanted = name.lower()
    for one in listed(door):
        if one.uuid == wanted:
            return one
    raise Wrong(404, f"silence {name[:80]} not found")


def post(door: Door, body: object, by: str | None, default: str) -> str:
    """Write a silence, or change the one whose uuid the body names; the uuid of what holds then. `by` is the person who
    is known to speak; else the body's `createdBy` says who, else `default`. Raises Wrong."""
    if not isinstance(body, Mapping):
        raise Wrong(400, "an object is expected: matchers, startsAt, endsAt, createdBy, comment")
    wanted = _matchers(body.get("matchers"))
    _check(door, wanted)
    now = door.now()
    starts, ends = _instant(body, "startsAt"), _instant(body, "endsAt")
    if ends is None:
        raise Wrong(400, "endsAt is missing: an instant such as 2026-09-24T01:02:03Z is expected")
    if ends <= (starts or now) and not ends <= now:
        raise Wrong(400, "Failed to create silence: start time must be before end time")
    if ends <= now:
        raise Wrong(400, "Failed to create silence: end time can't be in the past")
    name = _text(body, "id", 80)
    before = find(door, name) if name else None
    author = _text(body, "createdBy", AUTHOR_MAX)
    person = person_called(door.plan, author)
    command = AddSilence(
        wanted,
        ends,
        _text(body, "comment", TEXT_MAX),
        starts,
        uuid=str(uuid.uuid4()),
        replaces=before.silence.id if before is not None and before.state != EXPIRED else None,
        annotations=_annotations(body.get("annotations")),
        by=by or (person.id if person is not None else author or default),
        door=ALERTMANAGER,
    )
    done = _say(door, command)
    is_changed = before is not None and done.facts.get("id") == command.replaces
    return before.uuid if before is not None and is_changed else command.uuid


def expire(door: Door, name: str, by: str) -> None:
    """End it now; one that has ended stays as it is. Raises Wrong."""
    found = find(door, name)
    if found.state != EXPIRED:
        _say(door, ExpireSilence(found.silence.id, by=by, door=ALERTMANAGER))


# ---------------------------------------------------------------------------------------------------------------------
# Reading what was posted


def _matchers(given: object) -> tuple[Matcher, ...]:
    if not isinstance(given, list) or not given:
        raise Wrong(400, "silence invalid: at least one matcher is expected")
    if len(given) > matchers.MATCHERS_MAX:
        raise Wrong(400, f"silence invalid: {len(given)} matchers, at most {matchers.MATCHERS_MAX} are taken")
    return tuple(_matcher(one, place) for place, one in enumerate(given, start=1))


def _matcher(given: object, place: int) -> Matcher:
    where = f"silence invalid: matcher {place}"
    if not isinstance(given, Mapping):
        raise Wrong(400, f"{where}: an object with name, value and isRegex is expected")
    name, value = given.get("name"), given.get("value")
    if not isinstance(name, str) or not name or not isinstance(value, str):
        raise Wrong(400, f"{where}: name and value are expected, both text")
    if len(name) > MATCHER_MAX or len(value) > MATCHER_MAX:
        raise Wrong(400, f"{where}: a name or value is longer than {MATCHER_MAX} characters")
    is_equal = given.get("isEqual")
    how = ("=~" if is_equal in (True, None) else "!~") if given.get("isRegex") else ("!=" if is_equal is False else "=")
    return name, how, value


def _check(door: Door, wanted: Sequence[Matcher]) -> None:
    regex = linear_fullmatch()
    with door.office.desk.looking() as (state, _):
        count = len(state.silences)
    if count >= SILENCES_MAX:
        raise Wrong(400, f"there are {count} silences, and at most {SILENCES_MAX} are taken: expire some")
    try:
        for one in wanted:
            matchers.check_matcher(one, regex)
        matches_everything = all(matchers.matches_nothing_at_all(one, regex) for one in wanted)
    except ValueError as problem:
        raise Wrong(400, f"silence invalid: {problem}") from None
    if matches_everything:
        raise Wrong(400, "silence invalid: at least one matcher must not match the empty string")


def _instant(body: Mapping[str, Any], name: str) -> datetime | None:
    given = body.get(name)
    if given is None or given == "":
        return None
    try:
        return instant(given)
    except (ValueError, TypeError, AttributeError, OverflowError):
        shown = str(given)[:50]
        raise Wrong(400, f"{name} = {shown!r}: an instant such as 2026-09-24T01:02:03Z is expected") from None


def _text(body: Mapping[str, Any], name: str, limit: int) -> str:
    given = body.get(name)
    if given is None:
        return ""
    if not isinstance(given, str):
        raise Wrong(400, f"{name}: text is expected")
    return given.strip()[:limit]


def _annotations(given: object) -> dict[str, str]:
    if not isinstance(given, Mapping):
        return {}
    pairs = [(name, value) for name, value in given.items() if isinstance(name, str) and isinstance(value, str)]
    return {name[:AUTHOR_MAX]: value[:TEXT_MAX] for name, value in pairs[:ANNOTATIONS_MAX]}


# ---------------------------------------------------------------------------------------------------------------------


def _say(door: Door, command: AddSilence | ExpireSilence) -> Done:
    answer = door.office.desk.answer(command)
    if isinstance(answer, Done):
        return answer
    raise Wrong(400, answers.answer("en", answer, plan=door.plan))


def _of(one: Silence, now: datetime) -> Listed:
    state = PENDING if now < one.starts_at else ACTIVE if now < one.ends_at else EXPIRED
    return Listed(one, state, silences.uuid_of(one), one.starts_at, one.ends_at)


def _ended(one: Silence, at: datetime) -> Listed:
    """One that left, at `at`: by hand before its end, or even before its start."""
    ends = min(one.ends_at, at)
    return Listed(one, EXPIRED, silences.uuid_of(one), min(one.starts_at, ends), ends)


def _order(one: Listed) -> tuple[int, float, str]:
    kinds = {ACTIVE: one.ends_at.timestamp(), PENDING: one.starts_at.timestamp(), EXPIRED: -one.ends_at.timestamp()}
    return list(kinds).index(one.state), kinds[one.state], one.uuid


def _is_meant(one: Silence, filters: Sequence[Matcher]) -> bool:
    """As Alertmanager asks: the filters hold for the values of its matchers."""
    return not filters or matchers_hold(filters, {name: value for name, _, value in one.matchers}, linear_fullmatch())
