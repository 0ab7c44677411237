"""Messages as an HTTP POST of JSON: the payload of SPEC 4. Also what a person's `contact.webhook` gets, unconfigured.

[[channel]]
id      = "bridge"
kind    = "webhook"
to      = "https://hooks.example.com/opswatch"
secret  = "env:WEBHOOK_SECRET"                 # then X-Opswatch-Signature: sha256=<HMAC of the body, hex>
headers = { Authorization = "env:BRIDGE_AUTH" }
timeout = "10s"                                # for all of it: name, connection, TLS, answer

`Idempotency-Key` is the page id: the same page sent twice has the same one. 2xx is delivered. 408, 429 and 5xx are
tried again, after Retry-After where it is given; other answers are final. Redirects are not followed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import pycurl
from pydantic import Field

from opswatch.channels import Message, Receipt
from opswatch.channels._config import ChannelConfig, Seconds, SecretText
from opswatch.core.model import Secret
from opswatch.errors import DeliveryError

_ANSWER_MAX = 4_096  # bytes of the answer that are kept
_ANSWER_REFUSED = 1_000_000  # bytes after which the other end is not listened to any longer
_RETRY_AFTER_MAX = 3_600.0
_TEMPORARY = frozenset({408, 425, 429})


class Config(ChannelConfig):
    to: str = ""
    secret: SecretText | None = None
    headers: Mapping[str, SecretText] = Field(default_factory=dict)
    timeout: Seconds = 10.0


class Channel:
    """One connection per message: pages are rare, and a connection kept open is one more thing to go stale.

    libcurl and not `requests`: only libcurl bounds the whole exchange. With `requests` an endpoint that drips a byte of
    its header every few seconds would hold a pager's thread for as long as it likes.
    """

    def __init__(self, config: Config, *, to: str = "") -> None:
        self._config = config
        self._to = to or config.to

    def send(self, message: Message, address: str = "") -> Receipt:
        """POSTs the payload to `address`, a URL. Raises DeliveryError; the URL is a secret and never in its text."""
        url = address or self._to
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise DeliveryError("the webhook's address is not an http(s) URL", permanent=True)
        body = json.dumps(dict(message.payload), ensure_ascii=False, default=str).encode()
        answer = _post(url, body, self._headers(message, body), self._config.timeout)
        if 200 <= answer.status < 300:
            return Receipt(detail=f"HTTP {answer.status}")
        said = f": {answer.text}" if answer.text else ""
        raise DeliveryError(
            f"HTTP {answer.status} from {urlsplit(url).hostname}{said}",
            permanent=answer.status < 500 and answer.status not in _TEMPORARY,
            retry_after_s=answer.retry_after_s(message.at),
        )

    def _headers(self, message: Message, body: bytes) -> list[str]:
        headers = [
            "Content-Type: application/json; charset=utf-8",
            "User-Agent: opswatch",
            f"Idempotency-Key: {_header_value(message.id)}",
            "Expect:",  # no pause for 100-continue
        ]
        headers += [f"{name}: {_header_value(value.reveal())}" for name, value in self._config.headers.items()]
        if self._config.secret is not None:
            headers.append(f"X-Opswatch-Signature: {_signature(self._config.secret, body)}")
        return headers


class _Answer:
    """What came back: the status, the first bytes of the body, Retry-After."""

    __slots__ = ("_body", "_headers", "_size", "status")

    def __init__(self) -> None:
        self.status = 0
        self._body = b""
        self._size = 0
        self._headers: dict[str, str] = {}

    @property
    def text(self) -> str:
        text = self._body.decode("utf-8", "replace")
        return " ".join(text.split())[:200]

    def take_header(self, line: bytes) -> None:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon and len(self._headers) < 100:
            self._headers[name.strip().lower()] = value.strip()

    def take_body(self, part: bytes) -> int:
        self._body += part[: _ANSWER_MAX - len(self._body)]
        self._size += len(part)
        return len(part) if self._size <= _ANSWER_REFUSED else 0  # 0 ends the transfer.

    def retry_after_s(self, now: datetime) -> float | None:
        """Seconds, from either form of the header; None when it is missing or makes no sense."""
        value = self._headers.get("retry-after", "")
        if value.isdigit():
            return min(float(value), _RETRY_AFTER_MAX)
        try:
            at = parsedate_to_datetime(value)
        except (ValueError, TypeError):
            return None
        wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
        return min(max(wait.total_seconds(), 0.0), _RETRY_AFTER_MAX)


def _post(url: str, body: bytes, headers: list[str], timeout_s: float) -> _Answer:
    answer = _Answer()
    curl = pycurl.Curl()
    try:
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.POSTFIELDSIZE_LARGE, len(body))
        curl.setopt(pycurl.COPYPOSTFIELDS, body)
        curl.setopt(pycurl.HTTPHEADER, headers)
        curl.setopt(pycurl.TIMEOUT_MS, int(timeout_s * 1000))
        curl.setopt(pycurl.NOSIGNAL, 1)  # several threads
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.WRITEFUNCTION, answer.take_body)
        curl.setopt(pycurl.HEADERFUNCTION, answer.take_header)
        if (authorities := ssl.get_default_verify_paths().cafile) is not None:
            curl.setopt(pycurl.CAINFO, authorities)  # The wheel's libcurl knows no system certificates (trap 18).
        curl.perform()
        answer.status = curl.getinfo(pycurl.RESPONSE_CODE)
    except pycurl.error as trouble:
        answer.status = curl.getinfo(pycurl.RESPONSE_CODE)
        if not (trouble.args[0] == pycurl.E_WRITE_ERROR and answer.status):
            host = urlsplit(url).hostname
            raise DeliveryError(f"{host} cannot be reached: {curl.errstr() or trouble.args[-1]}") from None
    finally:
        curl.close()
    return answer


def _signature(secret: Secret, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.reveal().encode(), body, hashlib.sha256).hexdigest()


def _header_value(text: str) -> str:
    """One line of ASCII: an id with a line break in it must not become a second header."""
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in text)
