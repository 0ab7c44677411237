"""The connection to Slack (Socket Mode), kept: watched from outside the SDK, made anew when cut, wedged or refused.

The SDK calls a socket connected until somebody writes to it in vain: one that is wedged looks well for ever
(slackapi/python-slack-sdk issues 1110, 1701), and on one that Slack has closed it turns in circles, a whole core busy.
So we look ourselves, each second: has Slack answered a ping lately, and has the other end hung up?
"""

from __future__ import annotations

import http.client
import logging
import select
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from opswatch import logs
from opswatch.core.model import Secret

log = logs.get("chat.slack")

READ_S = 0.3
_REFUSED_FOR_GOOD = frozenset(
    {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "not_allowed_token_type"}
)


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """How to reach Slack. `token` is the bot's (xoxb-), `app_token` the app's (xapp-, scope connections:write)."""

    token: Secret
    app_token: Secret
    base_url: str = "https://slack.com/api/"
    timeout_s: float = 10.0  # of one call
    ping_s: float = 5.0
    stale_s: float = 20.0  # without an answer to a ping
    look_s: float = 1.0
    retry_s: float = 1.0  # the first pause after a failure; it doubles
    retry_max_s: float = 60.0
    refused_s: float = 300.0  # the pause after a token was refused


def web_client(settings: SlackSettings) -> WebClient:
    """A client for the Web API that repeats nothing by itself and logs nothing."""
    return WebClient(
        token=settings.token.reveal(),
        base_url=settings.base_url.rstrip("/") + "/",
        timeout=max(1, round(settings.timeout_s)),
        ssl=ssl.create_default_context(),
        retry_handlers=[],
        logger=_silent_logger(),
    )


class SlackLine:
    """`take` is called with each envelope after it was acknowledged, by one thread, and must not linger."""

    def __init__(self, settings: SlackSettings, client: WebClient, take: Callable[[SocketModeRequest], None]) -> None:
        self._settings = settings
        self._take = take
        self._web = client
        self._socket: _Socket | None = None
        self._stopping = False
        self._must_renew = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="slack-line", daemon=True)
        self._pong: tuple[str, object] = ("", None)
        self._pong_s = 0.0
        self.trouble = "not connected yet"  # "" while all is well

    @property
    def is_connected(self) -> bool:
        return not self.trouble

    def start(self) -> None:
        """Connect in the background, and stay connected until `stop`."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Hang up; returns after at most about `timeout_s`."""
        self._stopping = True
        self.trouble = "stopped"
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s / 2)
        if self._socket is not None:
            self._socket.closed = True
            self._socket.message_queue.put(None)  # Wakes the SDK's reader.
            # The SDK's close waits for its threads as long as they like; ours does not.
            closing = threading.Thread(target=self._socket.close, name="slack-hang-up", daemon=True)
            closing.start()
            closing.join(timeout_s / 2)

    def _renew(self) -> None:
        """Slack is about to close this connection, and says so some seconds before."""
        self._must_renew = True
        self._wake.set()

    def _keep(self) -> None:
        pause_s, failures = 0.0, 0
        while True:
            self._wake.wait(pause_s)
            self._wake.clear()
            if self._stopping:
                return
            pause_s = self._settings.look_s
            if self._socket is not None and not (wrong := self._what_is_wrong(self._socket)):
                failures = 0
                self._say("")
                continue
            if self._socket is not None and not self._must_renew:
                self._say(wrong)
            try:
                self._connect()
                self._say("")
            except SlackApiError as refused:
                pause_s = self._after_refusal(refused, failures)
                failures += 1
            except (SlackClientError, OSError, http.client.HTTPException, ValueError) as trouble:
                self._say(f"Slack cannot be reached: {getattr(trouble, 'reason', None) or trouble}")
                pause_s = self._backoff(failures)
                failures += 1
            except Exception as trouble:  # The loop's edge: whatever the SDK throws, buttons must work again one day.
                self._say(f"connecting failed: {trouble!r}")
                pause_s = self._backoff(failures)
                failures += 1

    def _connect(self) -> None:
        url = str(self._web.apps_connections_open(app_token=self._settings.app_token.reveal())["url"])
        if self._socket is None:
            self._socket = self._new_socket()
        socket = self._socket
        socket.wss_uri = url
        self._must_renew = False
        socket.connect()  # The new connection stands before the old one is closed.
        if not socket.is_connected():
            raise OSError("the websocket could not be opened")
        self._pong = (socket.session_id() or "", None)
        self._pong_s = time.monotonic()

    def _new_socket(self) -> _Socket:
        socket = _Socket(
            app_token=self._settings.app_token.reveal(),
            web_client=self._web,
            logger=_silent_logger(),
            auto_reconnect_enabled=False,  # We do it: with pauses, and with an eye on wedged sockets.
            ping_interval=self._settings.ping_s,
            concurrency=1,  # Sentences are heard in the order they were said.
        )
        socket.renew = self._renew
        socket.socket_mode_request_listeners.append(self._heard)
        return socket

    def _heard(self, socket: Any, request: SocketModeRequest) -> None:
        try:
            # At once: Slack sends an envelope again that was not acknowledged within three seconds.
            socket.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        except (SlackClientError, OSError) as trouble:
            log.warning("an envelope could not be acknowledged", error=str(trouble)[:200])
        self._take(request)

    def _what_is_wrong(self, socket: SocketModeClient) -> str:
        """Why the connection must be made anew; "" when it is well."""
        if self._must_renew:
            return "Slack asks for a new connection"
        session = socket.current_session
        if session is None or not session.is_active():
            return "the connection was closed"
        if _has_hung_up(session.sock):
            return "Slack hung up"
        pong = (session.session_id, session.last_ping_pong_time)
        if pong != self._pong:
            self._pong, self._pong_s = pong, time.monotonic()
        silent_s = time.monotonic() - self._pong_s
        return f"no answer to pings for {silent_s:.0f} s" if silent_s > self._settings.stale_s else ""

    def _after_refusal(self, refused: SlackApiError, failures: int) -> float:
        """Say it; the seconds to wait."""
        body = refused.response.data
        code = str(body.get("error", "")) if isinstance(body, dict) else ""
        self._say(f"Slack refuses the connection: {code[:80]}")
        if code in _REFUSED_FOR_GOOD:
            return self._settings.refused_s
        asked = str(dict(refused.response.headers).get("Retry-After", ""))
        return min(float(asked), self._settings.refused_s) if asked.isdigit() else self._backoff(failures)

    def _backoff(self, failures: int) -> float:
        return min(self._settings.retry_s * 2.0 ** min(failures, 10), self._settings.retry_max_s)

    def _say(self, trouble: str) -> None:
        """Log what changed, once."""
        if trouble == self.trouble or self._stopping:
            return
        self.trouble = trouble
        if trouble:
            log.warning("slack connection lost", reason=trouble[:200])
        else:
            log.info("slack connected")


class _Socket(SocketModeClient):
    """The SDK's client, with two of its habits changed: only `SlackLine` connects, and no read holds its locks long."""

    renew: Callable[[], None]

    def connect_to_new_endpoint(self, force: bool = False) -> None:
        self.renew()

    def connect(self) -> None:
        super().connect()
        # A read holds the lock that closing needs. With the SDK's 3 s nobody listens on a new connection for as long.
        sock = self.current_session.sock if self.current_session is not None else None
        if sock is not None:
            sock.settimeout(READ_S)


def _has_hung_up(sock: Any) -> bool:
    """Whether the other end has closed the connection, asked of the kernel: nothing is read."""
    try:
        watch = select.poll()
        watch.register(sock, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
        return bool(watch.poll(0))
    except (OSError, ValueError, TypeError, AttributeError):  # closed meanwhile
        return True


def _silent_logger() -> logging.Logger:
    """The SDK's debug lines hold bodies, and what it calls errors reaches us anyway."""
    logger = logging.getLogger("opswatch.slack.sdk")
    logger.setLevel(logging.CRITICAL)
    return logger
