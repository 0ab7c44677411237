"""The promised messages: written with the state that made them necessary, claimed on a lease, settled by a receipt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import assert_never

from opswatch.core.effects import Announce, Effect, Notice, Page, Postpone, Settle, Update, Withdraw
from opswatch.stores import MessageRow, Promise
from opswatch.stores.codec import decode, encode, from_column, from_us, to_column, to_us
from opswatch.stores.database import Row, Session

Message = Page | Update | Notice | Announce
Parameters = dict[str, object]

RANK_TEST, RANK_UPDATE, RANK_ANNOUNCE = 10, 20, 30  # pages rank by their priority: 0 to 3
BODIES: dict[str, type[Message]] = {"page": Page, "update": Update, "announce": Announce}


def message_id(message: Message) -> str:
    """The name under which it is promised once, however often it is asked for."""
    match message:
        case Page():
            return message.id
        case Update():
            return f"update/{message.incident}/{message.person}/{message.contact}/{message.event}/{message.serial}"
        case Notice():
            about = "-" if message.incident is None else message.incident
            return f"notice/{about}/{message.person}/{message.contact}/{message.event}/{message.serial}"
        case Announce():
            incident = "-" if message.incident is None else message.incident
            return f"announce/{message.channel}/{incident}/{message.event}/{message.serial}"
        case _:
            assert_never(message)


def is_kept(effect: Effect) -> bool:
    """Whether `keep` has something to write for it."""
    return isinstance(effect, Page | Update | Notice | Announce | Withdraw | Settle | Postpone)


def keep(session: Session, effects: Sequence[Effect], now: datetime) -> None:
    """Write what `effects` say of messages, in their order: a page promised after a withdrawal stands."""
    promised: list[Parameters] = []
    for effect in effects:
        if isinstance(effect, Page | Update | Notice | Announce):
            promised.append(_row(effect, now))
        elif isinstance(effect, Withdraw | Settle | Postpone):
            session.many("message_promise", promised)
            promised = []
            _carry_out(session, effect, now)
    session.many("message_promise", promised)


def claim(session: Session, node: str, now: datetime, lease: timedelta, limit: int) -> list[Promise]:
    """Take up to `limit` of what is due, most urgent first."""
    until = now + lease
    rows = session.rows("message_claim", node=to_column(node), now=to_us(now), lease_until=to_us(until), limit=limit)
    rows.sort(key=lambda row: (row["rank"], row["due_at"], row["id"]))
    return [_promise(row, until) for row in rows]


def message_row(row: Row) -> MessageRow:
    """For people."""
    return MessageRow(
        id=from_column(row["id"]),
        kind=row["kind"],
        incident=row["incident"],
        person=None if row["person"] is None else from_column(row["person"]),
        channel=from_column(row["channel"]),
        promised_at=from_us(row["promised_at"]),
        due_at=from_us(row["due_at"]),
        attempts=row["attempts"],
        settled_at=None if row["settled_at"] is None else from_us(row["settled_at"]),
        outcome=row["outcome"],
        detail=from_column(row["detail"]),
    )


# ---------------------------------------------------------------------------------------------------------------------


def _row(message: Message, now: datetime) -> Parameters:
    row: Parameters = {
        "id": to_column(message_id(message)),
        "purpose": "real",
        "incident": message.incident,
        "person": None,
        "body": encode(message),
        "now": to_us(now),
        "due_at": to_us(now),
    }
    match message:
        case Page():
            row |= {"kind": "page", "rank": int(message.priority), "due_at": to_us(message.at or now)}
            if message.test:
                row |= {"purpose": "test", "rank": RANK_TEST}
            return row | _to_person(message)
        case Update():
            return row | {"kind": "update", "rank": RANK_UPDATE} | _to_person(message)
        case Notice():  # In no incident's row: it must not edit that incident's card.
            return row | {"kind": "update", "rank": RANK_UPDATE, "incident": None} | _to_person(message)
        case Announce():
            channel = to_column(message.channel)
            address = to_column(f"channel:{message.channel}")
            return row | {"kind": "announce", "rank": RANK_ANNOUNCE, "channel": channel, "address": address}
        case _:
            assert_never(message)


def _to_person(message: Page | Update | Notice) -> Parameters:
    return {
        "person": to_column(message.person),
        "channel": to_column(message.contact),
        "address": to_column(f"person:{message.person}/{message.contact}"),
    }


def _carry_out(session: Session, effect: Withdraw | Settle | Postpone, now: datetime) -> None:
    match effect:
        case Withdraw(incident=incident, people=people, reason=reason):
            for person in (None,) if people is None else people:
                named = None if person is None else to_column(person)
                session.run("pages_withdraw", incident=incident, person=named, detail=to_column(reason), now=to_us(now))
        case Settle():
            _settle(session, effect, now)
        case Postpone(message=message, until=until, detail=detail):
            session.run("message_postpone", id=to_column(message), due_at=to_us(until), detail=to_column(detail))
        case _:
            assert_never(effect)


def _settle(session: Session, effect: Settle, now: datetime) -> None:
    name = to_column(effect.message)
    ref = None if effect.ref is None else to_column(effect.ref)
    detail = to_column(effect.detail)
    session.run("message_settle", id=name, outcome=effect.outcome, detail=detail, ref=ref, now=to_us(now))
    if effect.outcome == "delivered" and ref is not None:
        session.run("card_keep", id=name, ref=ref, now=to_us(now))


def _type_of(row: Row) -> type[Message]:
    """An update that belongs to no incident is a notice."""
    is_notice = row["kind"] == "update" and row["incident"] is None
    return Notice if is_notice else BODIES[row["kind"]]


def _promise(row: Row, until: datetime) -> Promise:
    return Promise(
        id=from_column(row["id"]),
        body=decode(_type_of(row), row["body"]),
        promised_at=from_us(row["promised_at"]),
        attempt=row["attempts"],
        possible_duplicate=row["unreceipted"] > 0,
        lease_until=until,
        ref=None if row["card"] is None else from_column(row["card"]),
    )
