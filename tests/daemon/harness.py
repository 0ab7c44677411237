"""An installation in a temporary folder, the real process over it, and a receiver that counts the pages.

box = Installation(tmp_path, receiver)
box.start()
box.fails()
page = receiver.wait(lambda page: page["kind"] == "page")
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0  # how long a test waits for what must happen; never asserted on

CONFIG = """
[opswatch]
name = "trial"
node = "here"
store = "{store}"

[web]
listen = "127.0.0.1:0"

[[service]]
id = "orders"
name = "Order pipeline"
tier = 2

[[target]]
id = "box"
kind = "host"
service = "orders"

[[person]]
id = "ana"
name = "Ana"
login = "{login}"
role = "admin"
contact = {{ webhook = "{url}/ana" }}
[person.notify]
P1 = ["webhook"]

[[person]]
id = "bo"
name = "Bo"
contact = {{ webhook = "{url}/bo" }}
[person.notify]
P1 = ["webhook"]

[[policy]]
id = "standard"
repeat = 0
fallback = ["person:ana"]
[[policy.level]]
page = ["person:ana"]
wait = "{wait}"
[[policy.level]]
page = ["person:bo"]
wait = "10m"

[[route]]
policy = "standard"
"""

CHECKS = """
[[check]]
id = "flag"
probe = "command"
match = {{ kind = "host" }}
every = "{every}"
timeout = "{every}"
confirm = 1
recover = 1
flapping = false
args = {{ command = ["/usr/bin/test", "!", "-e", "{flag}"] }}
priority = {{ crit = "P1", warn = "P1" }}
{more}
"""


class Receiver:
    """A webhook receiver on loopback. `pages` are the bodies in order of arrival; `delay_s` keeps senders waiting."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.delay_s = 0.0
        self.answers = 200
        self._arrived = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver._take({**body, "_path": self.path, "_key": self.headers.get("Idempotency-Key")})
                time.sleep(receiver.delay_s)
                try:
                    self.send_response(receiver.answers)
                    self.end_headers()
                except OSError:  # The sender was killed while it waited.
                    pass

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _take(self, body: dict[str, Any]) -> None:
        with self._arrived:
            self.got.append(body)
            self._arrived.notify_all()

    def wait(self, wanted: Callable[[dict[str, Any]], bool], after: int = 0) -> dict[str, Any]:
        """The first body from place `after` on that is wanted."""
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            found[:] = [body for body in self.got[after:] if wanted(body)]
            return bool(found)

        with self._arrived:
            assert self._arrived.wait_for(is_there, PATIENCE_S), f"only {summary(self.got[after:])} arrived"
        return found[0]

    def pages(self) -> list[dict[str, Any]]:
        with self._arrived:
            return [body for body in self.got if body["kind"] == "page"]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def summary(bodies: list[dict[str, Any]]) -> list[str]:
    return [f"{body['kind']} {body.get('page_id')} {body.get('event', '')}" for body in bodies]


class Installation:
    """A configuration, a flag file that makes its one check fail, and the process over it."""

    def __init__(
        self,
        folder: Path,
        receiver: Receiver,
        *,
        wait: str = "5m",
        every: str = "1s",
        store: str = "sqlite:var/opswatch.db",
        more: str = "",
        more_checks: str = "",
    ) -> None:
        self.folder, self.receiver = folder, receiver
        folder.mkdir(parents=True, exist_ok=True)
        self.flag = folder / "flag"
        self.config = folder / "config.toml"
        self.log = folder / "daemon.log"
        login = os.environ.get("USER") or "root"
        self.config.write_text(CONFIG.format(store=store, url=receiver.url, wait=wait, login=login) + more)
        (folder / "checks").mkdir(exist_ok=True)
        (folder / "checks" / "all.toml").write_text(CHECKS.format(every=every, flag=self.flag, more=more_checks))
        self.process: subprocess.Popen[str] | None = None

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "opswatch", "-c", str(self.config)]

    def start(self) -> None:
        """Start the daemon; returns once it says where its dashboard is."""
        env = {**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
        with self.log.open("a") as log:
            begin = log.tell()
            self.process = subprocess.Popen(
                [*self.command, "run"], stdout=log, stderr=subprocess.STDOUT, env=env, cwd=ROOT, text=True
            )
        self.wait_for_log(r"^dashboard\s", begin)

    def wait_for_log(self, pattern: str, begin: int = 0) -> re.Match[str]:
        """The first line of the daemon's output from byte `begin` on that matches."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            found = re.search(pattern, self.log.read_text()[begin:], re.MULTILINE)
            if found:
                return found
            assert self.process is None or self.process.poll() is None, f"the daemon ended:\n{self.log.read_text()}"
            time.sleep(0.01)
        raise AssertionError(f"{pattern} never appeared in:\n{self.log.read_text()[begin:]}")

    @property
    def url(self) -> str:
        found = re.findall(r"^dashboard\s+(\S+)", self.log.read_text(), re.MULTILINE)
        return str(found[-1]).rstrip("/")

    def fails(self) -> None:
        self.flag.touch()

    def recovers(self) -> None:
        self.flag.unlink(missing_ok=True)

    def kill(self) -> None:
        """-9: no goodbye."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE_S)
        self.process = None
        return code

    def reload(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def says(self, *words: str, code: int = 0) -> str:
        """What the command line prints; it must end with `code`."""
        done = subprocess.run(
            [*self.command, *words], capture_output=True, text=True, cwd=ROOT, env={**os.environ, "NO_COLOR": "1"}
        )
        assert done.returncode == code, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.says(*words, "--json"))
