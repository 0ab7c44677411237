"""Pages by e-mail, through a real SMTP server on loopback."""

from __future__ import annotations

import email
from email.policy import default

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from opswatch import clock
from opswatch.channels import email as mail
from opswatch.errors import DeliveryError
from tests.channels.messages import page, update
from tests.probes.certificates import Authority, server_context


class Mailbox:
    """Keeps what it is given; `refusals` answers RCPT, DATA or QUIT otherwise."""

    def __init__(self):
        self.mails = []
        self.refusals = {}

    async def handle_RCPT(self, server, session, envelope, address, options):
        if "RCPT" in self.refusals:
            return self.refusals["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if "DATA" in self.refusals:
            return self.refusals["DATA"]
        self.mails.append((envelope, email.message_from_bytes(envelope.content, policy=default)))
        return "250 kept"

    async def handle_QUIT(self, server, session, envelope):
        return self.refusals.get("QUIT", "221 bye")


class AnyPort(Controller):
    """aiosmtpd tries its own server out at the port it was asked for; 0 means whichever is free."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def server():
    box = Mailbox()

    def check(server, session, envelope, mechanism, auth_data):
        good = isinstance(auth_data, LoginPassword) and auth_data == LoginPassword(b"opswatch", b"hush")
        return AuthResult(success=good, handled=good)

    controller = AnyPort(box, hostname="127.0.0.1", port=0, authenticator=check, auth_require_tls=False)
    controller.start()
    box.port = controller.port
    yield box
    controller.stop()


def channel(server, **config):
    facts = {
        "host": "127.0.0.1",
        "port": server.port,
        "from": "opswatch <ops@example.com>",
        "security": "none",
    } | config
    return mail.Channel(mail.Config(**facts))


def refused(server, address="bo@example.com", **config):
    with pytest.raises(DeliveryError) as failed:
        channel(server, **config).send(page(), address)
    return failed.value


def test_a_page_arrives_with_its_words(server):
    receipt = channel(server).send(page(text="磁盘满了 / is 93 % full\n"), "Bo <bo@example.com>")
    envelope, got = server.mails[0]
    assert envelope.rcpt_tos == ["bo@example.com"]
    assert got["Subject"] == "P1 Order pipeline: / is 93 % full on db-1"
    assert got["From"] == "opswatch <ops@example.com>"
    assert got["Date"].datetime == page().at
    assert got["Auto-Submitted"] == "auto-generated"
    assert got.get_content().splitlines() == ["磁盘满了 / is 93 % full"]
    assert receipt.ref == got["Message-ID"]


def test_a_page_sent_twice_has_one_message_id(server):
    first = channel(server).send(page(), "bo@example.com")
    again = channel(server).send(page(), "bo@example.com")
    assert first.ref == again.ref


def test_mails_of_one_incident_make_one_thread(server):
    first = channel(server).send(page(), "bo@example.com")
    receipt = channel(server).send(update(ref=first.ref), "bo@example.com")
    opening, later = (got for _, got in server.mails)
    assert later["In-Reply-To"] == opening["Message-ID"] == first.ref
    assert opening["References"] in later["References"]
    assert receipt.ref == first.ref
    assert later["Importance"] is None


def test_a_password_is_used(server):
    channel(server, user="opswatch", password="hush").send(page(), "bo@example.com")
    assert len(server.mails) == 1


def test_a_wrong_password_is_permanent(server):
    assert refused(server, user="opswatch", password="guess").permanent


@pytest.mark.parametrize(
    ("when", "answer", "permanent"),
    [
        ("RCPT", "550 no such user", True),
        ("RCPT", "451 greylisted, try later", False),
        ("DATA", "554 looks like spam", True),
        ("DATA", "452 disk full", False),
    ],
)
def test_the_servers_code_says_whether_to_try_again(server, when, answer, permanent):
    server.refusals[when] = answer
    failed = refused(server)
    assert failed.permanent is permanent
    assert answer.split(" ", 1)[1] in str(failed)


def test_a_bad_parting_does_not_send_the_mail_again(server):
    server.refusals["QUIT"] = "451 go away"
    channel(server).send(page(), "bo@example.com")
    assert len(server.mails) == 1


def test_a_server_that_cannot_encrypt_is_not_given_the_mail(server):
    assert refused(server, security="starttls").permanent
    assert server.mails == []


def test_nobody_listening_is_tried_again(server):
    failed = refused(server, port=1)
    assert not failed.permanent


@pytest.mark.parametrize(
    "address", ["", "bo", "bo@example.com, eve@example.com", "bo@example.com\r\nBcc: eve@example.com"]
)
def test_an_address_that_is_none_is_permanent(server, address):
    assert refused(server, address).permanent
    assert server.mails == []


def test_a_title_with_a_line_break_cannot_add_a_header(server):
    channel(server).send(page(title="full\r\nBcc: eve@example.com"), "bo@example.com")
    assert server.mails[0][1]["Bcc"] is None


def test_the_password_is_not_shown():
    config = mail.Config(**{"host": "mx", "from": "ops@example.com", "password": "hush"})
    assert "hush" not in repr(config)


@pytest.fixture
def encrypted(tmp_path):
    """A server that takes nothing in the clear, and the authority that signed its certificate."""
    authority = Authority(tmp_path, clock.now())
    box = Mailbox()
    context = server_context(authority.certificate("localhost"))
    controller = AnyPort(box, hostname="127.0.0.1", port=0, tls_context=context, require_starttls=True)
    controller.start()
    box.port, box.ca_file = controller.port, str(authority.file)
    yield box
    controller.stop()


def test_a_page_is_encrypted_on_its_way(encrypted):
    channel(encrypted, security="starttls", ca_file=encrypted.ca_file).send(page(), "bo@example.com")
    assert len(encrypted.mails) == 1


def test_a_server_nobody_vouches_for_is_not_given_the_mail(encrypted):
    failed = refused(encrypted, security="starttls")
    assert failed.permanent
    assert "certificate" in str(failed)
    assert encrypted.mails == []
