"""Slack as a door: buttons, words in a card's thread, mentions, direct messages and `/opswatch …` become commands.

Who is it: the Slack user whose id is somebody's `contact.slack`. What do they say: the one grammar. How is the answer
shown: to them alone, except for questions asked in a channel, which others will want to read too.
"""

from __future__ import annotations

import http.client
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.webhook import WebhookClient

from opswatch import logs, render
from opswatch.chat import Conversation
from opswatch.chat.lane import Lane
from opswatch.chat.slack_line import SlackLine, SlackSettings, web_client
from opswatch.core import grammar
from opswatch.core.effects import Refuse
from opswatch.core.events import Command
from opswatch.core.plan import Person

__all__ = ["SlackDoor", "SlackSettings"]

log = logs.get("chat.slack")

SEEN_MAX = 5_000  # sentences that are remembered, so that none is done twice
ANSWER_MAX = 3_000  # letters
TALK_WORDS_MAX = 4  # a longer sentence that nobody addressed to us and that is not understood is talk
_SPOKEN = frozenset({"", "thread_broadcast", "file_share", "me_message"})  # subtypes of messages that people write

_MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|[^>]*)?>")
_CHANNEL = re.compile(r"<#([A-Z0-9]+)(?:\|([^>]*))?>")
_LINK = re.compile(r"<((?:https?|mailto):[^|>]+)(?:\|([^>]*))?>")


@dataclass(frozen=True, slots=True)
class Heard:
    """One sentence, however it came in. `key` names it: Slack may deliver it twice."""

    key: tuple[str, ...]
    user: str
    text: str
    channel: str
    thread: str = ""  # the ts of the thread's first message
    is_addressed: bool = True
    is_direct: bool = False
    reply_to: str = ""  # response_url: valid for half an hour, needs no membership


class SlackDoor:
    """`start` and `stop` it once. `now` gives this instant, UTC: "2h" and "18:00" count from it."""

    def __init__(self, settings: SlackSettings, conversation: Conversation, *, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._conversation = conversation
        self._now = now
        self._web = web_client(settings)
        self._line = SlackLine(settings, self._web, self._take)
        self._deeds: Lane | None = None
        self._answers: Lane | None = None
        self._seen = _Seen()
        self._bot = ""

    @property
    def is_connected(self) -> bool:
        return self._line.is_connected

    @property
    def trouble(self) -> str:
        """Why nobody can answer from Slack just now; "" when they can."""
        return self._line.trouble

    def start(self) -> None:
        """Returns at once: a Slack that cannot be reached must not delay the pager."""
        # Two lanes: an answer that Slack is slow to take must not delay the next acknowledgement.
        self._deeds, self._answers = Lane("slack-deeds"), Lane("slack-answers")
        self._line.start()

    def stop(self, timeout_s: float = 6.0) -> None:
        """Hang up, then finish what was heard; takes at most about `timeout_s`."""
        self._line.stop(timeout_s / 2)
        for lane in (self._deeds, self._answers):
            if lane is not None:
                lane.stop(timeout_s / 4)

    # -- hearing ------------------------------------------------------------------------------------------------------

    def _take(self, request: SocketModeRequest) -> None:
        payload = request.payload if isinstance(request.payload, dict) else {}
        try:
            heard = self._heard(request.type, payload)
        except (KeyError, TypeError, AttributeError, IndexError) as odd:
            log.warning("an envelope is not as documented", type=request.type, error=repr(odd)[:200])
            return
        if heard is None or self._deeds is None or not self._seen.is_new(heard.key):
            return
        if not self._deeds.put(lambda: self._act(heard)):
            self._show(heard, render.say_refusal("en", "busy"))

    def _heard(self, type: str, payload: Mapping[str, Any]) -> Heard | None:
        if type == "interactive" and payload.get("type") == "block_actions":
            return _pressed(payload)
        if type == "slash_commands":
            key = ("slash", str(payload["trigger_id"]))
            text, channel = str(payload.get("text", "")) or "help", str(payload["channel_id"])
            return Heard(key, str(payload["user_id"]), text, channel, reply_to=str(payload.get("response_url", "")))
        if type == "events_api":
            return self._written(payload["event"], payload)
        return None

    def _written(self, event: Mapping[str, Any], payload: Mapping[str, Any]) -> Heard | None:
        """What a person wrote. A mention in a channel comes twice: as `message`, and as `app_mention`, which counts."""
        kind, channel, user = event.get("type"), str(event.get("channel", "")), str(event.get("user") or "")
        if kind not in ("message", "app_mention") or event.get("bot_id") or event.get("subtype", "") not in _SPOKEN:
            return None
        bot = self._bot_of(payload)
        text, is_direct = str(event.get("text") or ""), event.get("channel_type") == "im"
        is_mention = kind == "app_mention"
        if not user or user == bot or (not is_mention and not is_direct and bot and f"<@{bot}" in text):
            return None
        thread = str(event.get("thread_ts") or "")
        if not (is_mention or is_direct or thread):
            return None  # people talking in a channel
        return Heard(
            key=("event", str(kind), channel, str(event["ts"])),
            user=user,
            text=_without_bot(text, bot) if is_mention or is_direct else text,
            channel=channel,
            thread=thread,
            is_addressed=is_mention or is_direct,
            is_direct=is_direct,
        )

    def _bot_of(self, payload: Mapping[str, Any]) -> str:
        """Our own user id: Slack says it with each event."""
        granted = payload.get("authorizations") or [{}]
        self._bot = str(granted[0].get("user_id") or self._bot)
        return self._bot

    # -- doing --------------------------------------------------------------------------------------------------------

    def _act(self, heard: Heard) -> None:
        incident = self._conversation.card(f"{heard.channel}:{heard.thread}") if heard.thread else None
        if incident is None and not heard.is_addressed:
            return  # a thread about something else
        person = self._conversation.person_by_contact("slack", heard.user)
        meant = grammar.parse(
            self._readable(heard.text),
            by=person.id if person else "",
            door="slack",
            now=self._now(),
            default_incident=incident,
            zone=_zone(person),
            addressed=heard.is_addressed,
        )
        if isinstance(meant, Refuse) and not heard.is_addressed and _is_talk(meant, heard.text):
            return
        if person is None:
            log.warning("a stranger spoke", door="slack", user=heard.user, channel=heard.channel)
            self._show(heard, render.say_refusal("en", "stranger", kind="slack", address=heard.user))
            return
        self._answer(heard, meant, person)

    def _answer(self, heard: Heard, meant: Command | grammar.Question | Refuse, person: Person) -> None:
        try:
            if isinstance(meant, Refuse):
                self._show(heard, render.answer(person.language, meant, zone=person.timezone))
            elif isinstance(meant, Command):
                is_done, words = self._conversation.apply(meant)
                log.info("command", by=person.id, door="slack", verb=type(meant).__name__.lower(), done=is_done)
                self._show(heard, words)
            elif isinstance(meant, grammar.Help):
                self._show(heard, render.help_text(person.language))
            else:
                self._show(heard, self._conversation.answer(meant, person), for_all=True)
        except (
            Exception
        ) as trouble:  # The door's edge: they must learn that it did not work, and the next one be heard.
            log.error("a sentence could not be carried out", by=person.id, door="slack", error=repr(trouble)[:300])
            self._show(heard, render.say_refusal(person.language, "failed"))

    def _readable(self, text: str) -> str:
        """Slack's markup as people read it: `<@U2>` is `@bo`, `<http://x|y>` is its address."""

        def name(found: re.Match[str]) -> str:
            person = self._conversation.person_by_contact("slack", found[1])
            return f"@{person.id}" if person else found[0]

        text = _MENTION.sub(name, text)
        text = _CHANNEL.sub(lambda found: f"#{found[2] or found[1]}", text)
        text = _LINK.sub(lambda found: found[1].removeprefix("mailto:"), text)
        return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")

    # -- showing ------------------------------------------------------------------------------------------------------

    def _show(self, heard: Heard, words: str, *, for_all: bool = False) -> None:
        if self._answers is not None:
            self._answers.put(lambda: self._send(heard, _escape(words[:ANSWER_MAX]), for_all=for_all))

    def _send(self, heard: Heard, text: str, *, for_all: bool) -> None:
        try:
            if heard.reply_to:
                hook = WebhookClient(heard.reply_to, timeout=self._web.timeout, ssl=self._web.ssl, retry_handlers=[])
                sent = hook.send(text=text, response_type="ephemeral", replace_original=False)
                if sent.status_code != 200:
                    log.warning("an answer was not shown", door="slack", status=sent.status_code)
            elif heard.is_direct or for_all:
                thread = heard.thread or (None if heard.is_direct else heard.key[-1])
                self._web.chat_postMessage(channel=heard.channel, text=text, thread_ts=thread, unfurl_links=False)
            else:
                thread = heard.thread or None
                self._web.chat_postEphemeral(channel=heard.channel, user=heard.user, text=text, thread_ts=thread)
        except SlackApiError as refused:
            body = refused.response.data
            log.warning("an answer was not shown", door="slack", error=str(body.get("error"))[:80] if body else "")
        except (SlackClientError, OSError, http.client.HTTPException, ValueError) as trouble:
            log.warning("an answer was not shown", door="slack", error=str(trouble)[:200])


class _Seen:
    """The newest sentences' names."""

    def __init__(self) -> None:
        self._keys: OrderedDict[tuple[str, ...], None] = OrderedDict()
        self._lock = threading.Lock()

    def is_new(self, key: tuple[str, ...]) -> bool:
        with self._lock:
            if key in self._keys:
                return False
            self._keys[key] = None
            if len(self._keys) > SEEN_MAX:
                self._keys.popitem(last=False)
            return True


def _pressed(payload: Mapping[str, Any]) -> Heard | None:
    """A button: the sentence it types."""
    action = payload["actions"][0]
    if action.get("type") != "button" or not action.get("value"):
        return None
    user, container = str(payload["user"]["id"]), payload.get("container") or {}
    return Heard(
        key=("action", user, str(action.get("action_id")), str(action["action_ts"])),
        user=user,
        text=str(action["value"]),
        channel=str(container.get("channel_id", "")),
        is_direct=str(container.get("channel_id", "")).startswith("D"),
        reply_to=str(payload.get("response_url", "")),
    )


def _without_bot(text: str, bot: str) -> str:
    """Our own mention is how we are addressed, not a person's name."""
    first = _MENTION.search(text) if not bot else None
    name = bot or (first[1] if first else "")
    return re.sub(rf"<@{re.escape(name)}(?:\|[^>]*)?>[:,]?", " ", text).strip() if name else text


def _is_talk(refused: Refuse, text: str) -> bool:
    if refused.key in ("only_talk", "said_nothing"):
        return True
    is_near = refused.key != "not_understood" or "nearest" in refused.facts
    return not is_near or len(text.split()) > TALK_WORDS_MAX


def _zone(person: Person | None) -> tzinfo:
    try:
        return ZoneInfo(person.timezone) if person else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
