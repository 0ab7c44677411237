"""Slack: one card per incident and place, edited as its state changes; its thread is the timeline.

[[channel]]
id        = "ops"
kind      = "slack"
token     = "env:SLACK_BOT_TOKEN"   # xoxb-…; the scopes are in docs/slack.md
app_token = "env:SLACK_APP_TOKEN"   # xapp-…: Socket Mode, for buttons and words; without it Slack is out only
to        = "#ops"                  # where `channel:ops` goes; people get a direct message by `contact.slack = "U…"`
timeout   = "10s"

Slack answers trouble with HTTP 200 and `ok: false`: its body is the truth. Nothing is repeated in here; a temporary
error says when to try again, a permanent one sends a page to the person's next contact.
"""

from __future__ import annotations

import http.client
import logging
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from opswatch.channels import Message, Receipt
from opswatch.channels._config import ChannelConfig, Seconds, SecretText
from opswatch.channels._slack_card import blocks, fallback, thread_reply
from opswatch.errors import DeliveryError

# Trouble that passes. Whatever else Slack refuses, it would refuse again: another way is tried at once.
_TEMPORARY = frozenset(
    {
        "ratelimited",
        "rate_limited",
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
        "team_added_to_org",
        "external_channel_migrating",
        "update_failed",
    }
)
# The card is gone or cannot be edited any more: a new one is posted.
_LOST_CARD = frozenset(
    {"message_not_found", "cant_update_message", "edit_window_closed", "block_mismatch", "is_inactive"}
)
_LOST_THREAD = frozenset({"thread_not_found", "message_not_found", "cannot_reply_to_message"})
# A page must not fail for its looks: it is sent once more as plain words.
_TOO_FANCY = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"})
# What an operator does about it.
_HINTS = {
    "not_in_channel": "invite the app: /invite @opswatch",
    "channel_not_found": "no such channel, or it is private and the app is not in it",
    "user_not_found": "no such member: the id begins with U or W",
    "is_archived": "the channel is archived",
    "invalid_auth": "the bot token is wrong",
    "not_authed": "there is no bot token",
    "token_revoked": "the app was removed: install it again",
    "account_inactive": "the app or its workspace was removed",
    "missing_scope": "add the scopes of docs/slack.md and install the app again",
}
_RETRY_AFTER_S = 30.0  # when Slack names no time
_RETRY_AFTER_MAX = 3_600.0
_QUIET_MAX = 1_000  # (method, address) pairs that are remembered as limited


class Config(ChannelConfig):
    token: SecretText
    app_token: SecretText | None = None
    to: str = ""
    base_url: str = "https://slack.com/api/"
    timeout: Seconds = 10.0


class Channel:
    """Safe from several threads: the SDK's client opens a connection per call and keeps nothing between them."""

    def __init__(self, config: Config, *, to: str = "") -> None:
        self._to = to or config.to
        logger = logging.getLogger("opswatch.slack.sdk")
        logger.setLevel(logging.CRITICAL)  # Its debug lines hold bodies; its errors come to us as exceptions anyway.
        self._client = WebClient(
            token=config.token.reveal(),
            base_url=config.base_url.rstrip("/") + "/",
            timeout=max(1, round(config.timeout)),
            ssl=ssl.create_default_context(),  # Built once: it costs 20 ms.
            retry_handlers=[],  # The SDK's own repeats after a lost connection could page twice, unmarked.
            logger=logger,
        )
        self._limits = _Limits()

    def send(self, message: Message, address: str = "") -> Receipt:
        """Posts the card, or edits the one that `message.ref` names. `address` is a channel (`#ops`, `C…`) or a user
        (`U…`). The receipt's `ref` is `CHANNEL:TS`. Raises DeliveryError with Slack's own error code.
        """
        where = address or self._to
        if not where:
            raise DeliveryError("no Slack channel or user to send to", permanent=True)
        channel, _, ts = (message.ref or "").partition(":")
        if not ts:
            return self._post(message, where)
        try:
            self._call("chat.update", channel, message, ts=ts, **_words(message))
        except _Refused as refused:
            if refused.code not in _LOST_CARD:
                raise refused.delivery_error() from None
            return self._post(message, where, f"{refused.code}: posted anew")
        return self._reply(message, channel, ts)

    def _post(self, message: Message, where: str, detail: str = "") -> Receipt:
        try:
            answer = self._call(
                "chat.postMessage", where, message, unfurl_links=False, unfurl_media=False, **_words(message)
            )
        except _Refused as refused:
            raise refused.delivery_error() from None
        return Receipt(ref=f"{answer['channel']}:{answer['ts']}", detail=detail)

    def _reply(self, message: Message, channel: str, ts: str) -> Receipt:
        """The line in the card's thread. An edit wakes nobody: a loud message is also shown in the channel."""
        if not message.thread_line and not message.loud:
            return Receipt(ref=message.ref)
        try:
            text = thread_reply(message, in_person=channel.startswith("D"))
            self._call("chat.postMessage", channel, message, thread_ts=ts, reply_broadcast=message.loud, text=text)
        except _Refused as refused:
            if refused.code in _LOST_THREAD:
                return self._post(message, channel, f"{refused.code}: posted anew")
            if message.loud:  # Nobody has been woken yet.
                raise refused.delivery_error() from None
            return Receipt(ref=message.ref, detail=f"card edited, no line in its thread: {refused.code}")
        return Receipt(ref=message.ref)

    def _call(self, method: str, channel: str, message: Message, **arguments: Any) -> Any:
        """One request; a second one in plain words if Slack dislikes the first one's looks. Raises _Refused."""
        # Edits wait out a limit quietly; a page asks again, it may be let through.
        if not message.loud and (wait_s := self._limits.wait_s(method, channel)) > 0:
            raise _Refused("ratelimited", retry_after_s=wait_s)
        api: Callable[..., Any] = {
            "chat.postMessage": self._client.chat_postMessage,
            "chat.update": self._client.chat_update,
        }[method]
        try:
            return _asked(api, channel=channel, **arguments)
        except _Refused as refused:
            if refused.code in ("ratelimited", "rate_limited"):
                self._limits.remember(method, channel, refused.retry_after_s or _RETRY_AFTER_S)
            if refused.code not in _TOO_FANCY or "blocks" not in arguments:
                raise
        plain = {name: value for name, value in arguments.items() if name != "blocks"}
        return _asked(api, channel=channel, blocks=[], **(plain | {"text": fallback(message)[:1_000]}))


class _Refused(Exception):
    """Slack said no, or could not be asked."""

    def __init__(self, code: str, *, retry_after_s: float | None = None, is_temporary: bool | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after_s = retry_after_s
        self.is_temporary = code in _TEMPORARY if is_temporary is None else is_temporary

    def delivery_error(self) -> DeliveryError:
        hint = _HINTS.get(self.code)
        reason = f"{self.code} ({hint})" if hint else self.code
        return DeliveryError(reason, permanent=not self.is_temporary, retry_after_s=self.retry_after_s)


class _Limits:
    """Which method is limited in which place, and for how long: one that is edited too often delays no other."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, method: str, channel: str, wait_s: float) -> None:
        with self._lock:
            self._until[method, channel] = time.monotonic() + wait_s
            while len(self._until) > _QUIET_MAX:
                self._until.popitem(last=False)

    def wait_s(self, method: str, channel: str) -> float:
        with self._lock:
            return self._until.get((method, channel), 0.0) - time.monotonic()


def _words(message: Message) -> dict[str, Any]:
    return {"text": fallback(message), "blocks": blocks(message)}


def _asked(api: Callable[..., Any], **arguments: Any) -> Any:
    try:
        return api(**arguments)
    except SlackApiError as failed:
        raise _refusal(failed.response) from None
    except (SlackClientError, OSError, http.client.HTTPException, ValueError) as trouble:
        words = str(getattr(trouble, "reason", "") or trouble) or type(trouble).__name__
        raise _Refused(f"Slack cannot be reached: {words}", is_temporary=True) from None


def _refusal(response: Any) -> _Refused:
    """What Slack's answer means: the code in its body, else the HTTP status."""
    status = int(response.status_code)
    headers = {str(name).lower(): str(value) for name, value in dict(response.headers).items()}
    code = response.data.get("error") if isinstance(response.data, dict) else None
    if status == 429:
        return _Refused("ratelimited", retry_after_s=_seconds(headers.get("retry-after")))
    if not isinstance(code, str) or not code.replace("_", "").isalnum():  # a page of HTML, from a proxy perhaps
        return _Refused(f"HTTP {status} without an answer of Slack's", is_temporary=True)
    retry_after_s = _seconds(headers.get("retry-after")) if code in ("ratelimited", "rate_limited") else None
    return _Refused(code, retry_after_s=retry_after_s, is_temporary=True if status >= 500 else None)


def _seconds(value: str | None) -> float:
    try:
        return min(max(float(value or ""), 0.0), _RETRY_AFTER_MAX)
    except ValueError:
        return _RETRY_AFTER_S
