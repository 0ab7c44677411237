"""A Slack on loopback: the Web API over HTTP and Socket Mode over a websocket, as Slack's documentation says.

It keeps what it is sent (`messages`, `calls`, `answers`) and misbehaves on request (`fail`, `hang`, `freeze`, `drop`).
The real slack-sdk talks to it; nothing in here is imported by the product.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

BOT = "U0BOT"
TEXT_MAX = 40_000
BLOCKS_TEXT_MAX = 13_200


@dataclass
class Posted:
    """One message as Slack shows it."""

    channel: str
    ts: str
    text: str
    blocks: list = field(default_factory=list)
    thread_ts: str | None = None
    is_broadcast: bool = False
    edits: int = 0

    @property
    def words(self):
        """All that can be read on it."""
        return json.dumps(self.blocks, ensure_ascii=False) + self.text


class FakeSlack:
    """`base_url` for the clients; `token` and `app_token` are the only ones it takes."""

    token = "xoxb-good"
    app_token = "xapp-good"

    def __init__(self):
        self.channels = {"C1": "ops"}
        self.outside = {"C2": "secret-plans"}  # channels the bot is not in
        self.archived = {"C3": "old"}
        self.users = {"U1", "U2"}
        self.messages = {}
        self.calls = []
        self.ephemerals = []
        self.responses = []  # what was sent to a response_url
        self.acked = []
        self.sockets = []
        self._failures = defaultdict(deque)
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._hanging = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._http.daemon_threads = True
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._threads = [
            threading.Thread(target=lambda: self._http.serve_forever(0.02), daemon=True),
            threading.Thread(target=self._accept, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def base_url(self):
        return f"{self.url}/api/"

    def close(self):
        for release in self._hanging:
            release.set()
        self._listening.close()
        for each in list(self.sockets):
            each.drop()
        self._http.shutdown()
        self._http.server_close()

    # -- what a test makes happen -------------------------------------------------------------------------------------

    def fail(self, method, error="internal_error", *, status=200, times=1, headers=None, body=None):
        """The next `times` calls of `method` are refused; with `status=429` and a Retry-After as Slack's limits are."""
        self._failures[method].extend([(error, status, headers or {}, body)] * times)

    def hang(self, method):
        """The next call of `method` gets no answer before the event that this gives is set, or `close`."""
        release = threading.Event()
        self._hanging.append(release)
        self._failures[method].append(("hang", 0, {}, release))
        return release

    def forget(self):
        """As new, but for the connections that are open."""
        for kept in (self.messages, self.calls, self.ephemerals, self.responses, self.acked, self._failures):
            kept.clear()

    def push(self, type, payload, *, envelope_id=None, **more):
        """Sends an envelope down the newest connection; its id."""
        self.wait(lambda: self.connected)
        envelope = {
            "envelope_id": envelope_id or f"env-{next(self._numbers)}",
            "type": type,
            "payload": payload,
            "accepts_response_payload": type != "events_api",
        } | more
        self.connected[-1].send(json.dumps(envelope))
        return envelope["envelope_id"]

    def click(self, user, posted, sentence, **more):
        """Somebody presses the button of a card whose value is `sentence`."""
        ts = self._ts()
        payload = {
            "type": "block_actions",
            "user": {"id": user},
            "container": {"type": "message", "message_ts": posted.ts, "channel_id": posted.channel},
            "channel": {"id": posted.channel},
            "message": {"ts": posted.ts, "text": posted.text},
            "response_url": f"{self.url}/response/{ts}",
            "actions": [{"type": "button", "action_id": "say_0", "value": sentence, "action_ts": ts}],
        }
        return self.push("interactive", payload, **more)

    def say(self, user, channel, text, *, thread_ts=None, kind="message", ts=None, event=None, **more):
        """Somebody writes in a channel, a thread or a direct message."""
        body = {
            "type": kind,
            "user": user,
            "text": text,
            "channel": channel,
            "ts": ts or self._ts(),
            "channel_type": "im" if channel.startswith("D") else "channel",
        } | (event or {})
        if thread_ts:
            body["thread_ts"] = thread_ts
        return self.push("events_api", {"type": "event_callback", "event": body}, **more)

    def slash(self, user, text, *, channel="C1", **more):
        """Somebody types `/opswatch text`."""
        payload = {
            "command": "/opswatch",
            "text": text,
            "user_id": user,
            "channel_id": channel,
            "trigger_id": f"trigger-{next(self._numbers)}",
            "response_url": f"{self.url}/response/{self._ts()}",
        }
        return self.push("slash_commands", payload, **more)

    def refresh(self):
        """Asks the client to connect anew, as Slack does every few hours."""
        self.connected[-1].send(json.dumps({"type": "disconnect", "reason": "refresh_requested", "debug_info": {}}))

    def wait(self, claim, timeout_s=15.0):
        """Waits until `claim()` is true, and gives it back; AssertionError when it never becomes so."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not (found := claim()):
                left = deadline - time.monotonic()
                assert left > 0, f"it never happened; calls: {[method for method, _ in self.calls][-20:]}"
                self._changed.wait(min(left, 0.05))
            return found

    @property
    def connected(self):
        return [each for each in self.sockets if each.is_open]

    @property
    def answers(self):
        """Everything people were told in answer, oldest first: (to whom or where, text)."""
        return [(call.get("user"), call["text"]) for call in self.ephemerals] + [
            (None, call["text"]) for call in self.responses
        ]

    def of(self, channel):
        return [posted for posted in self.messages.values() if posted.channel == channel]

    # -- the Web API --------------------------------------------------------------------------------------------------

    def answer(self, method, given, token):
        """(status, headers, body) for one call."""
        with self._changed:
            self.calls.append((method, given))
            failure = self._failures[method].popleft() if self._failures[method] else None
            self._changed.notify_all()
        if failure is not None:
            error, status, headers, body = failure
            if error == "hang":
                body.wait(60)
                return None
            if status == 429:
                return 429, {"Retry-After": "1"} | headers, json.dumps({"ok": False, "error": "ratelimited"})
            return status, headers, body if body is not None else json.dumps({"ok": False, "error": error})
        wanted = self.app_token if method == "apps.connections.open" else self.token
        if token != wanted:
            return 200, {}, json.dumps({"ok": False, "error": "invalid_auth" if token else "not_authed"})
        with self._changed:
            body = getattr(self, "_" + method.replace(".", "_"), lambda given: {"error": "unknown_method"})(given)
            self._changed.notify_all()
        return 200, {}, json.dumps({"ok": "error" not in body, **body})

    def _auth_test(self, given):
        return {"user_id": BOT, "bot_id": "B0BOT", "team": "T1"}

    def _apps_connections_open(self, given):
        return {"url": f"ws://127.0.0.1:{self._listening.getsockname()[1]}/link?ticket={next(self._numbers)}"}

    def _chat_postMessage(self, given):
        channel = self._find(given.get("channel", ""))
        if error := self._unfit(channel, given):
            return {"error": error}
        thread = given.get("thread_ts")
        if thread and (channel, thread) not in self.messages:
            return {"error": "thread_not_found"}
        posted = Posted(channel, self._ts(), given["text"], given.get("blocks") or [], thread)
        posted.is_broadcast = bool(given.get("reply_broadcast"))
        self.messages[channel, posted.ts] = posted
        return {"channel": channel, "ts": posted.ts, "message": {"text": posted.text, "bot_id": "B0BOT"}}

    def _chat_update(self, given):
        channel = given.get("channel", "")
        if channel not in self.channels and not channel.startswith("D"):  # a user's id is not taken here
            return {"error": "channel_not_found"}
        if error := self._unfit(channel, given):
            return {"error": error}
        posted = self.messages.get((channel, given.get("ts")))
        if posted is None:
            return {"error": "message_not_found"}
        posted.text, posted.edits = given["text"], posted.edits + 1
        posted.blocks = given.get("blocks", posted.blocks) or []
        return {"channel": channel, "ts": posted.ts, "text": posted.text}

    def _chat_postEphemeral(self, given):
        if given.get("user") not in self.users:
            return {"error": "user_not_in_channel"}
        self.ephemerals.append(given)
        return {"message_ts": self._ts()}

    def _find(self, where):
        if where in self.users:
            return f"D{where[1:]}"
        everywhere = {**self.channels, **self.outside, **self.archived}
        by_name = {name: id for id, name in everywhere.items()}
        return where if where in everywhere or where.startswith("D") else by_name.get(where.lstrip("#"), "")

    def _unfit(self, channel, given):
        """The error for what Slack would not take."""
        if not channel:
            return "channel_not_found"
        if channel in self.outside:
            return "not_in_channel"
        if channel in self.archived:
            return "is_archived"
        if not given.get("text") and not given.get("blocks"):
            return "no_text"
        if len(given.get("text", "")) > TEXT_MAX:
            return "msg_too_long"
        return _bad_blocks(given.get("blocks") or [])

    def _ts(self):
        number = next(self._numbers)
        return f"{1_767_582_600 + number}.{number:06d}"

    # -- Socket Mode --------------------------------------------------------------------------------------------------

    def _accept(self):
        while True:
            try:
                peer, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=_Socket(self, peer).run, daemon=True).start()

    def changed(self):
        with self._changed:
            self._changed.notify_all()


class _Socket:
    """One websocket of Socket Mode. `freeze`: it stays open and says nothing any more, not even pong."""

    def __init__(self, slack, peer):
        self.slack, self.peer = slack, peer
        self.protocol = ServerProtocol()
        self.is_open = False
        self.is_frozen = False
        self.lock = threading.Lock()

    def run(self):
        with self.peer:
            while True:
                try:
                    data = self.peer.recv(65536)
                except OSError:
                    break
                with self.lock:
                    if data:
                        self.protocol.receive_data(data)
                    else:
                        self.protocol.receive_eof()
                    events = self.protocol.events_received()
                    for event in events:
                        if isinstance(event, Request):
                            self.protocol.send_response(self.protocol.accept(event))
                    self._flush()
                for event in events:
                    self._take(event)
                if not data:
                    break
        self.is_open = False
        self.slack.changed()

    def _take(self, event):
        if isinstance(event, Request):
            self.slack.sockets.append(self)
            self.is_open = True
            self.send(json.dumps({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A1"}}))
        elif isinstance(event, Frame) and event.opcode is Opcode.TEXT and not self.is_frozen:
            self.slack.acked.append(json.loads(event.data)["envelope_id"])
        elif isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
            self.is_open = False
        self.slack.changed()

    def send(self, text):
        with self.lock:
            self.protocol.send_text(text.encode())
            self._flush()

    def freeze(self):
        self.is_frozen = True

    def drop(self):
        """The connection is cut without a word."""
        self.is_open = False
        with contextlib.suppress(OSError):
            self.peer.shutdown(socket.SHUT_RDWR)
        self.peer.close()

    def _flush(self):
        for data in self.protocol.data_to_send():
            if not self.is_frozen and data:
                try:
                    self.peer.sendall(data)
                except OSError:
                    return


def _bad_blocks(blocks):
    """Block Kit's limits, the undocumented one on all text included."""
    texts = []
    for block in blocks:
        match block["type"]:
            case "header":
                if block["text"]["type"] != "plain_text" or not 0 < len(block["text"]["text"]) <= 150:
                    return "invalid_blocks"
            case "section":
                if not 0 < len(block["text"]["text"]) <= 3000:
                    return "invalid_blocks"
                texts.append(block["text"]["text"])
            case "context":
                texts += [element["text"] for element in block["elements"]]
            case "actions":
                ids = [element["action_id"] for element in block["elements"]]
                if len(ids) > 25 or len(set(ids)) != len(ids):
                    return "invalid_blocks"
                if any(len(e["value"]) > 2000 or len(e["text"]["text"]) > 75 for e in block["elements"]):
                    return "invalid_blocks"
            case _:
                return "invalid_blocks"
    if len(blocks) > 50:
        return "invalid_blocks"
    return "msg_blocks_too_long" if sum(map(len, texts)) > BLOCKS_TEXT_MAX else None


def _handler_of(slack):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            is_json = "json" in self.headers.get("Content-Type", "")
            given = json.loads(body) if is_json and body else dict(parse_qsl(body))
            if self.path.startswith("/response/"):
                with slack._changed:
                    slack.responses.append(given)
                    slack._changed.notify_all()
                self._write(200, {}, "ok")
                return
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            answer = slack.answer(self.path.removeprefix("/api/"), given, token)
            if answer is not None:
                self._write(*answer)

        def _write(self, status, headers, body):
            data = body.encode()
            self.send_response(status)
            for name, value in ({"Content-Type": "application/json"} | headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    return Handler
