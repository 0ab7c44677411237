"""Messages by e-mail, through the SMTP server you have. A person's `contact.email` uses the first one configured.

[[channel]]
id       = "mail"
kind     = "email"
host     = "smtp.example.com"
port     = 587
from     = "opswatch <ops@example.com>"
to       = "ops-team@example.com"        # where `channel:mail` goes; people have their own address
security = "starttls"                    # tls (port 465) | none (a relay on this host)
user     = "opswatch"
password = "env:SMTP_PASSWORD"
timeout  = "10s"                         # of each step

Mails of one incident make one thread. A mail that is sent twice has the same Message-ID.
"""

from __future__ import annotations

import contextlib
import hashlib
import smtplib
import ssl
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from typing import Literal

from pydantic import Field

from opswatch.channels import Message, Receipt
from opswatch.channels._config import ChannelConfig, Seconds, SecretText
from opswatch.errors import DeliveryError

_SUBJECT_MAX = 200
_TEXT_MAX = 100_000


class Config(ChannelConfig):
    host: str
    port: int = Field(587, ge=1, le=65535)
    sender: str = Field(alias="from", min_length=3)
    to: str = ""
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: SecretText | None = None
    timeout: Seconds = 10.0
    ca_file: str | None = None  # for a server with a certificate of your own


class Channel:
    """One connection per mail: servers close idle ones, and a page must not find that out."""

    def __init__(self, config: Config, *, to: str = "") -> None:
        self._config = config
        self._to = to or config.to
        self._domain = parseaddr(config.sender)[1].rpartition("@")[2] or "opswatch.invalid"

    def send(self, message: Message, address: str = "") -> Receipt:
        """Hands the mail to the server. Raises DeliveryError: 5xx is permanent, 4xx and no connection are not."""
        mail = self._mail(message, address or self._to)
        try:
            answer = self._deliver(mail)
        except smtplib.SMTPRecipientsRefused as refused:
            code, words = next(iter(refused.recipients.values()))
            raise _error("recipient refused", code, words) from refused
        except smtplib.SMTPResponseException as refused:  # sender, data, authentication, connect, helo
            raise _error("refused", refused.smtp_code, refused.smtp_error) from refused
        except smtplib.SMTPNotSupportedError as lacking:
            raise DeliveryError(f"the mail server cannot do that: {lacking}", permanent=True) from lacking
        except ssl.SSLCertVerificationError as untrusted:
            raise DeliveryError(
                f"the mail server's certificate: {untrusted.verify_message}", permanent=True
            ) from untrusted
        except (smtplib.SMTPException, OSError) as trouble:
            raise DeliveryError(f"{self._config.host}:{self._config.port}: {trouble}") from trouble
        return Receipt(ref=message.ref or mail["Message-ID"], detail=answer)

    def _mail(self, message: Message, address: str) -> EmailMessage:
        mail = EmailMessage(policy=SMTP_POLICY)
        name, at = parseaddr(address)
        if address.count("@") != 1 or "@" not in at or any(char in address for char in "\r\n"):
            raise DeliveryError("the e-mail address cannot be used", permanent=True)
        sender_name, sender = parseaddr(self._config.sender)
        try:
            mail["From"] = Address(sender_name, addr_spec=sender)
            mail["To"] = Address(name, addr_spec=at)
        except (ValueError, IndexError, MessageError) as wrong:
            raise DeliveryError(f"the e-mail address cannot be used: {wrong}", permanent=True) from wrong
        mail["Subject"] = " ".join(message.title.split())[:_SUBJECT_MAX]
        mail["Date"] = format_datetime(message.at)
        mail["Message-ID"] = self._name(message.id)
        if message.card:
            # Every mail of an incident names the same root, sent or not: readers thread by it.
            root = self._name(f"{message.card} {at}")
            mail["References"] = f"{root} {message.ref}" if message.ref else root
            mail["In-Reply-To"] = message.ref or root
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: holiday answers must not come back.
        if message.loud and message.priority in ("P0", "P1"):
            mail["Importance"] = "high"
        mail.set_content(message.text[:_TEXT_MAX])
        return mail

    def _name(self, what: str) -> str:
        return f"<{hashlib.sha256(what.encode()).hexdigest()[:32]}@{self._domain}>"

    def _deliver(self, mail: EmailMessage) -> str:
        config = self._config
        server = self._connected()
        try:
            if config.security == "starttls":
                server.starttls(context=self._trust())
            if config.user is not None:
                server.login(config.user, config.password.reveal() if config.password is not None else "")
            server.send_message(mail)
            # The server has it. Whatever goes wrong while parting must not send it a second time.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                server.quit()
        finally:
            server.close()
        return f"accepted by {config.host}"

    def _connected(self) -> smtplib.SMTP:
        config = self._config
        if config.security == "tls":
            return smtplib.SMTP_SSL(config.host, config.port, timeout=config.timeout, context=self._trust())
        return smtplib.SMTP(config.host, config.port, timeout=config.timeout)

    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._config.ca_file)


def _error(what: str, code: int, words: bytes | str) -> DeliveryError:
    said = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return DeliveryError(f"{what}: {code} {' '.join(said.split())[:200]}", permanent=500 <= code < 600)
