"""The web door in a thread of its own: binds, serves, and stops in bounded time. Signals stay the daemon's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from opswatch import clock, logs
from opswatch.assemble import Office
from opswatch.errors import OpswatchError
from opswatch.web.app import make_app
from opswatch.web.door import Door
from opswatch.web.health import Health

log = logs.get("web")

CONNECTIONS_MAX = 256
BACKLOG = 128
HEADERS_MAX = 16 * 1024
HEADERS_TIMEOUT_S = 10.0
KEEP_ALIVE_S = 20
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
UNFINISHED_S = 3  # what is being answered when we stop gets this long


class WebServer:
    """HTTP for one office. `state` says how the daemon stands; it is asked from several threads, and must not wait.

    `monotonic_s` is what rate limits count by: seconds on a clock that is never set back.
    """

    def __init__(
        self, office: Office, state: Callable[[], Health], *, monotonic_s: Callable[[], float] = clock.monotonic_s
    ) -> None:
        self._door = Door(office, state)
        self._app = make_app(self._door, monotonic_s=monotonic_s)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._at: tuple[str, int] | None = None

    def start(self) -> None:
        """Bind, and serve from a thread. Raises OpswatchError when the address is taken or cannot be had, or when the
        certificate cannot be used."""
        web = self._door.office.settings.web
        config = _config(self._app, web.tls_cert, web.tls_key)
        bound = _bind(web.host, web.port)
        self._at = (web.host, bound.getsockname()[1])
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._run, args=(self._server, bound), name="web", daemon=True)
        self._thread.start()
        if not self._server.is_up.wait(START_TIMEOUT_S) or not self._server.started:
            self.stop()
            raise OpswatchError(f"the web door at {self.url} did not start; the log says why")
        log.info("web door open", url=self.url)

    @property
    def port(self) -> int:
        """The port it listens on; also when any free one was asked for. 0 before `start`."""
        return self._at[1] if self._at else 0

    @property
    def url(self) -> str:
        """Where the dashboard is for a browser on this machine, without a slash at the end."""
        web = self._door.office.settings.web
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(web.host, f"[{web.host}]" if ":" in web.host else web.host)
        return f"{'https' if web.tls_cert else 'http'}://{host}:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether its thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def use(self, office: Office) -> None:
        """Serve this office from now on: after a reload its tokens, plan and links hold, and a renewed certificate is
        read. The address stays; a new one needs a restart. Raises OpswatchError for a certificate that is no good, and
        goes on with the old one."""
        self._door.use(office)
        web = office.settings.web
        context = self._server.config.ssl if self._server is not None else None
        if context is not None and web.tls_cert is not None:
            try:
                context.load_cert_chain(web.tls_cert, web.tls_key)
            except (OSError, ssl.SSLError) as trouble:
                raise OpswatchError(f"[web] tls_cert = {web.tls_cert}: cannot be used: {trouble}") from None

    def stop(self) -> bool:
        """Stop: what is being answered may finish for a moment. Returns within about ten seconds, whether the thread is
        gone."""
        if self._server is None or self._thread is None:
            return True
        self._server.should_exit = True
        self._thread.join(STOP_TIMEOUT_S)
        if self._thread.is_alive():
            self._server.force_exit = True
            self._thread.join(STOP_TIMEOUT_S)
        return not self._thread.is_alive()

    def _run(self, server: _Server, bound: socket.socket) -> None:
        try:
            server.run(sockets=[bound])
        except Exception:
            log.exception("the web door fell shut")
        finally:
            server.is_up.set()  # Whoever waits for the start need not wait for what will not come.
            bound.close()


class _Server(uvicorn.Server):
    """uvicorn, without its hands on the process: signals belong to the daemon."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


class _Impatient(H11Protocol):
    """Closes on who connects and does not ask, or asks a letter at a time: uvicorn would wait for ever."""

    _hurry: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._calm()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Once a request has begun, its body and its answer have limits of their own."""
        if not self._is_between_requests():
            self._calm()
        elif self._hurry is None:
            self._hurry = self.loop.call_later(HEADERS_TIMEOUT_S, self._give_up)

    def _is_between_requests(self) -> bool:
        return self.conn.their_state is h11.IDLE and (self.cycle is None or self.cycle.response_complete)

    def _give_up(self) -> None:
        self._hurry = None
        if self._is_between_requests() and not self.transport.is_closing():
            self.transport.close()

    def _calm(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None


def _config(app: object, tls_cert: Path | None, tls_key: Path | None) -> uvicorn.Config:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]  # ASGI, as Starlette types it
        http=_Impatient,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",  # that it starts and stops is ours to say
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=UNFINISHED_S,
        h11_max_incomplete_event_size=HEADERS_MAX,
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as trouble:
        raise OpswatchError(
            f"[web] tls_cert = {tls_cert}: cannot be used with tls_key = {tls_key}: {trouble}"
        ) from None
    return config


def _bind(host: str, port: int) -> socket.socket:
    """A listening socket; `::` takes IPv4 too. Raises OpswatchError."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
            bound.bind(address)
            bound.listen(BACKLOG)
        except BaseException:
            bound.close()
            raise
    except OSError as trouble:
        reason = trouble.strerror or str(trouble)
        raise OpswatchError(f"[web] listen = '{where}': {reason}; is another opswatch running there?") from None
    return bound
