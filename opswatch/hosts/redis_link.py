"""One connection to a Redis or Valkey server through redis-py: no retries, no pool, a time limit over each answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opswatch.clock import monotonic_s
from opswatch.core.model import UnknownReason
from opswatch.hosts import CannotSee
from opswatch.hosts.sockets import place_of, resolve


class NotConnected(Exception):
    """The server was not reached, or went away."""


class Refused(Exception):
    """The server answers with an error; `word` is its first: LOADING, NOPERM, WRONGPASS, READONLY, OOM …"""

    def __init__(self, words: str, word: str) -> None:
        super().__init__(words)
        self.word = word


class TimeIsUp(Exception):
    """No answer within the time limit."""


class Link:
    """Commands, one after another."""

    def __init__(self, connection: Any, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def ask(self, *words: str | int) -> Any:
        """The answer of one command: text as str, arrays as lists. Raises Refused, NotConnected, TimeIsUp."""
        with _told():
            self._connection.send_command(*words, check_health=False)
            left_s = max(0.001, self._deadline - monotonic_s())
            return _text(self._connection.read_response(timeout=left_s))

    def info(self) -> dict[str, str]:
        """Name → value of INFO, all its sections. Raises what `ask` does."""
        lines = str(self.ask("INFO")).splitlines()
        pairs = (line.partition(":") for line in lines if line and not line.startswith("#"))
        return {name: value for name, _, value in pairs}


@contextmanager
def link(url: str, timeout_s: float) -> Iterator[Link]:
    """Connect and log in to `redis[s]://user:password@host:port/db` or `unix:///path`. Raises NotConnected, Refused,
    TimeIsUp, NoSuchName; CannotSee when redis-py is not installed, the URL is none, or our own resolver is down."""
    try:
        import redis
        from redis.maint_notifications import MaintNotificationsConfig
    except ImportError:
        words = "Redis checks need redis-py: install it with pip install 'opswatch[redis]'"
        raise CannotSee(UnknownReason.ERROR, words) from None
    deadline = monotonic_s() + timeout_s
    # By ourselves first: redis-py asks the resolver without a time limit.
    if not url.startswith("unix:///"):
        resolve(place_of(url, ("redis", "rediss"), 6379), timeout_s)
    try:
        pool = redis.ConnectionPool.from_url(url)
        limits: Mapping[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
        # RESP2 and no words about ourselves: every version understands that, and each costs a round trip less.
        plain = {"protocol": 2, "driver_info": None, "retry": None}
        news = {"maint_notifications_config": MaintNotificationsConfig(enabled=False)}  # it wants RESP3
        chosen = {**pool.connection_kwargs, **limits, **plain, **news}
        connection = pool.connection_class(**chosen)
    except (ValueError, TypeError):  # The text may repeat the URL.
        words = "the target needs a url such as 'redis://host:6379/0'; its options are those of redis-py"
        raise CannotSee(UnknownReason.ERROR, words) from None
    try:
        with _told():
            connection.connect()
        yield Link(connection, deadline)
    finally:
        connection.disconnect()


@contextmanager
def _told() -> Iterator[None]:
    """What redis-py raises, as one of ours."""
    import redis

    try:
        yield
    except redis.TimeoutError:
        raise TimeIsUp("waiting for an answer") from None
    except redis.AuthenticationError as trouble:
        raise Refused(str(trouble), "WRONGPASS") from None
    except redis.BusyLoadingError as trouble:
        raise Refused(str(trouble), "LOADING") from None
    except redis.ConnectionError as trouble:
        raise NotConnected(_words(trouble)) from None
    except redis.ResponseError as trouble:
        raise Refused(_words(trouble), _first_word(trouble)) from None
    except (redis.RedisError, OSError, ValueError) as trouble:
        raise NotConnected(_words(trouble)) from None


# redis-py cuts the first word off the errors it has a class for.
_CUT_OFF = {
    "NoPermissionError": "NOPERM",
    "ReadOnlyError": "READONLY",
    "OutOfMemoryError": "OOM",
    "NoScriptError": "NOSCRIPT",
    "MovedError": "MOVED",
    "AskError": "ASK",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "TryAgainError": "TRYAGAIN",
}


def _first_word(trouble: Exception) -> str:
    return _CUT_OFF.get(type(trouble).__name__) or str(trouble).partition(" ")[0]


def _words(trouble: Exception) -> str:
    return " ".join(str(trouble).split()) or type(trouble).__name__


def _text(answer: Any) -> Any:
    if isinstance(answer, Exception):  # an error inside an array
        return str(answer)
    if isinstance(answer, bytes):
        return answer.decode(errors="replace")
    return [_text(part) for part in answer] if isinstance(answer, list) else answer
