"""A real Chromium without a window, driven through its DevTools socket: what a person would see and click."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
import requests
from websockets.sync.client import ClientConnection, connect

from tests import servers

START_S = 60
ANSWER_S = 30
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
PHONE = (390, 844)
DESKTOP = (1280, 900)


def needs_chromium() -> str:
    """The program. Where it is not installed: a loud skip; in CI an error."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    why = "Chromium is not installed: apt-get install chromium"
    if servers.is_required():
        pytest.fail(f"{why} (CI=true or OPSWATCH_REQUIRE_SERVERS=1)")
    warnings.warn(f"browser tests are skipped: {why}", stacklevel=1)
    pytest.skip(why)


class Tab:
    """One tab. `trouble` are errors that the page's console showed, exceptions and refused loads included."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.trouble: list[str] = []
        self._events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.say(f"{domain}.enable")

    def opens(self, url: str, *, size: tuple[int, int] = PHONE, dark: bool = False, scripts: bool = True) -> None:
        """Go there, as a phone or a desktop, and wait until everything has loaded."""
        width, height = size
        self.say(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.say("Emulation.setEmulatedMedia", features=[scheme])
        self.say("Emulation.setScriptExecutionDisabled", value=not scripts)
        self._events.clear()
        went = self.say("Page.navigate", url=url)
        assert "errorText" not in went, went["errorText"]
        self.waits("Page.loadEventFired")

    def clicks(self, selector: str) -> None:
        """Click the first of these, and wait for the page it leads to."""
        box = f"document.querySelector({json.dumps(selector)})"
        self._events.clear()
        self.runs(f"{box}.scrollIntoView(), {box}.click()")
        self.waits("Page.loadEventFired")

    def types(self, selector: str, text: str) -> None:
        """Put text into a field."""
        self.runs(f"document.querySelector({json.dumps(selector)}).focus()")
        self.say("Input.insertText", text=text)

    def runs(self, script: str) -> Any:
        """The value of an expression in the page; a promise is waited for."""
        done = self.say("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def text(self, selector: str = "body") -> str:
        """What a reader sees there; "" when there is no such thing."""
        return str(self.runs(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def shoots(self, file: Path) -> Path:
        """A picture of the whole page, however long."""
        shot = self.say("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))
        return file

    def say(self, method: str, **params: object) -> dict[str, Any]:
        """One DevTools command, and its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = self._next()
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                result: dict[str, Any] = message["result"]
                return result

    def waits(self, event: str) -> None:
        """Until this event came since the last navigation."""
        while not any(one["method"] == event for one in self._events):
            self._next()

    def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv(timeout=ANSWER_S))
        if "method" in message:
            self._events.append(message)
            self._notice(message["method"], message["params"])
        return message

    def _notice(self, method: str, params: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.trouble.append(str(params["exceptionDetails"].get("text")))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.trouble.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Runtime.consoleAPICalled" and params["type"] == "error":
            self.trouble.append(str(params["args"]))


class Browser:
    """The running program. `folder` is a new, empty profile."""

    def __init__(self, port: int) -> None:
        self._port = port

    @contextlib.contextmanager
    def tab(self) -> Iterator[Tab]:
        """A new tab of a browser that has no cookies of another."""
        for each in requests.get(f"http://127.0.0.1:{self._port}/json/list", timeout=ANSWER_S).json():
            if each["type"] == "page":
                requests.get(f"http://127.0.0.1:{self._port}/json/close/{each['id']}", timeout=ANSWER_S)
        made = requests.put(f"http://127.0.0.1:{self._port}/json/new?about:blank", timeout=ANSWER_S).json()
        with connect(made["webSocketDebuggerUrl"], max_size=2**26, compression=None, proxy=None) as socket:
            tab = Tab(socket)
            tab.say("Network.clearBrowserCookies")
            yield tab


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Started, and stopped with everything it started."""
    program = needs_chromium()
    folder = Path(tempfile.mkdtemp(prefix="opswatch-chromium-"))
    command = [program, *FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        yield Browser(_port_of(process, folder))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _port_of(process: subprocess.Popen[bytes], folder: Path) -> int:
    """The port it chose, once it says so."""
    said = folder / "profile" / "DevToolsActivePort"
    until = monotonic() + START_S
    while monotonic() < until and process.poll() is None:
        if said.exists() and (lines := said.read_text().splitlines()):
            return int(lines[0])
        sleep(0.05)
    raise RuntimeError(f"Chromium did not start: {(folder / 'log').read_text(errors='replace')[-2000:]}")
