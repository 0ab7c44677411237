"""A real office behind a real web door: a configuration, a SQLite file, incidents that were decided, a port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests

from opswatch.assemble import Office, open_office
from opswatch.core.effects import Done, Refuse
from opswatch.core.events import Acknowledge, Command, NodeStarted, Observed, Open, Tick
from opswatch.core.model import Failure, Health, Priority, Sample, UnknownReason, Verdict
from opswatch.errors import StoreUnavailable
from opswatch.web.health import Health as DaemonHealth
from opswatch.web.server import WebServer

START = datetime(2026, 11, 21, 3, 4, tzinfo=UTC)  # Saturday 11:04 in Shanghai, 04:04 in Berlin
READ_TOKEN = "read-secret-0123456789"
ACT_TOKEN = "act-secret-0123456789"
INGEST_TOKEN = "ingest-secret-0123456789"
CONTACT = "https://hooks.example.com/secret-path-of-chen"
DB_PASSWORD = "hunter2-the-password"
SECRETS = (READ_TOKEN, ACT_TOKEN, INGEST_TOKEN, CONTACT, DB_PASSWORD)

CONFIG = """
[opswatch]
name = "acme"
node = "ops-1"
timezone = "Europe/Berlin"
language = "en"
data_dir = "var"
checks = "checks"
playbooks = "playbooks"
public_url = "http://ops.example.com:8470"

[web]
listen = "{listen}"
{web}

[[service]]
id = "orders"
name = "Order pipeline"
tier = 1
[[service]]
id = "platform"
name = "Platform"
tier = 3

[[target]]
id = "this-host"
kind = "host"
access = "local"
service = "platform"
[[target]]
id = "shop"
kind = "http"
url = "https://user:{password}@shop.example.com/health"
service = "orders"
[[target]]
id = "pay"
kind = "tcp"
url = "tcp://pay.example.com:443"
service = "orders"

[[person]]
id = "chen"
name = "Chen Wei"
login = "chenw"
timezone = "Asia/Shanghai"
language = "zh"
role = "responder"
contact = {{ webhook = "{contact}" }}
[[person]]
id = "ana"
name = "Ana Müller"
timezone = "Europe/Berlin"
role = "responder"
contact = {{ webhook = "http://127.0.0.1:9/ana" }}
[[person]]
id = "lead"
name = "Lena Lead"
timezone = "America/New_York"
role = "admin"
contact = {{ webhook = "http://127.0.0.1:9/lead" }}
[[person]]
id = "guest"
name = "Guest"
role = "viewer"

[[roster]]
id = "primary"
timezone = "UTC"
fallback = ["person:lead"]
[[roster.layer]]
id = "apac"
timezone = "Asia/Shanghai"
participants = [["chen"], ["ana"]]
turn = "1 week"
starts = 2026-11-16T09:00:00
[[roster]]
id = "weekend"
timezone = "Europe/Berlin"
fallback = ["person:ana", "person:lead"]
[[roster.layer]]
id = "office"
timezone = "Europe/Berlin"
participants = [["ana"]]
turn = "1 week"
starts = 2026-11-16T09:00:00
windows = [{{ days = "mon-fri", from = "09:00", to = "17:00" }}]
[[roster]]
id = "night"
timezone = "Europe/Berlin"
[[roster.layer]]
id = "empty"
timezone = "Europe/Berlin"
participants = [["ana"]]
turn = "1 day"
starts = 2027-11-16T09:00:00
effective = 2027-11-16T09:00:00

[[policy]]
id = "standard"
repeat = 1
ack_timeout = {{ P1 = "1h" }}
[[policy.level]]
page = ["roster:primary"]
wait = "5m"
[[policy.level]]
page = ["person:lead"]
wait = "10m"
[[route]]
policy = "standard"

[[token]]
id = "reader"
secret = "{read}"
may = ["read"]
[[token]]
id = "phone"
secret = "{act}"
may = ["read", "act"]
[[token]]
id = "prometheus"
secret = "{ingest}"
may = ["ingest"]
{more}
"""

CHECKS = """
[[check]]
id = "disk-space"
probe = "disk"
targets = ["this-host"]
every = "60s"
confirm = 1
recover = 1
playbook = "disk-full"
[[check]]
id = "memory"
probe = "memory"
targets = ["this-host"]
every = "60s"
confirm = 3
[[check]]
id = "shop-answers"
probe = "http"
targets = ["shop"]
every = "60s"
confirm = 1
recover = 1
[[check]]
id = "port-open"
probe = "tcp"
targets = ["pay"]
every = "60s"
confirm = 1
recover = 1
[[check]]
id = "load"
probe = "load"
targets = ["this-host"]
every = "60s"
"""

PLAYBOOK = """+++
title = "A filesystem is nearly full"
owner = "chen"
reviewed_at = 2026-11-01
scenario = "capacity"
+++
# A filesystem is nearly full

1. What grew? `du -xh / --max-depth=2 | sort -h | tail`
2. Old logs may go: `journalctl --vacuum-size=500M`

| sign | means |
| --- | --- |
| inodes | many small files |

<script>alert("from a playbook")</script>

[never](javascript:alert(1))
"""


class WebOffice:
    """An office whose clock the test moves. `get("/")`, `fails("disk-space", "this-host", …)`."""

    def __init__(self, office: Office, server: WebServer, clock: Clock) -> None:
        self.office, self.server, self.clock = office, server, clock
        self.health = DaemonHealth(alive=True, ready=True)

    # what happens

    def fails(self, check: str, target: str, sentence: str, *, item: str = "", health: Health = Health.CRIT) -> None:
        """A probe saw something bad."""
        self._looked(check, target, sentence, failures=(Failure(sentence, health, item),))

    def is_fine(self, check: str, target: str, sentence: str = "as it should be") -> None:
        self._looked(check, target, sentence, samples=(Sample("used_pct", 41.0, "%"),))

    def cannot_tell(self, check: str, target: str, sentence: str) -> None:
        self._looked(check, target, sentence, unknown=UnknownReason.TIMEOUT)

    def _looked(self, check: str, target: str, sentence: str, **seen: object) -> None:
        self.clock.passes(milliseconds=1)
        verdict = Verdict(self.clock(), sentence, evidence=("/dev/sda1 100G 93G 7G 93% /",), **seen)  # type: ignore[arg-type]
        self.office.desk.apply(Observed(check, target, verdict))

    def says(self, command: Command) -> Done | Refuse:
        return self.office.desk.answer(command)

    def ticks(self) -> None:
        self.office.desk.apply(Tick())

    def beats(self) -> None:
        """The daemon gives a sign of life."""
        self.office.store.beat("ops-1", self.clock(), {})

    # what is asked

    def get(self, path: str, **more: object) -> requests.Response:
        return self.ask("GET", path, **more)

    def post(self, path: str, **more: object) -> requests.Response:
        return self.ask("POST", path, **more)

    def ask(self, method: str, path: str, *, token: str | None = None, **more: object) -> requests.Response:
        """As a browser on this machine would; with `token` as a program."""
        headers = {"Accept": "text/html"} | ({"Authorization": f"Bearer {token}"} if token else {})
        headers |= more.pop("headers", {})  # type: ignore[arg-type]
        more.setdefault("allow_redirects", False)
        return requests.request(method, self.server.url + path, headers=headers, timeout=20, **more)  # type: ignore[arg-type]

    def stranger(self, method: str, path: str, **more: object) -> requests.Response:
        """Somebody from elsewhere: a proxy says that it carries their request."""
        headers = {"X-Forwarded-For": "203.0.113.9"} | more.pop("headers", {})  # type: ignore[operator]
        return self.ask(method, path, headers=headers, **more)

    def ack_link(self, number: int, person: str, sentence: str = "acknowledge") -> str:
        """The path of a signed link, as a page carries it."""
        return "/ack/" + self.office.links.sign(f"{sentence} {number}", person, self.clock())


class Clock:
    """This instant, as the test says."""

    def __init__(self) -> None:
        self.at = START
        self.monotonic = 0.0

    def __call__(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return self.monotonic

    def passes(self, **span: float) -> None:
        self.at += timedelta(**span)
        self.monotonic += timedelta(**span).total_seconds()


@contextmanager
def web_office(
    folder: Path, *, listen: str = "127.0.0.1:0", web: str = "", more: str = "", config: str = CONFIG
) -> Iterator[WebOffice]:
    """Opened and served; closed afterwards. `web` are more keys of `[web]`, `more` more tables."""
    path = write_site(folder, listen=listen, web=web, more=more, config=config)
    clock = Clock()
    office = open_office(path, is_daemon=True, now=clock)
    health: list[WebOffice] = []
    server = WebServer(office, lambda: health[0].health, monotonic_s=clock.monotonic_s)
    opened = WebOffice(office, server, clock)
    health.append(opened)
    office.desk.apply(NodeStarted("ops-1"))
    opened.beats()
    server.start()
    try:
        yield opened
    finally:
        assert server.stop(), "the web door did not stop"
        with suppress(StoreUnavailable):  # A test may have taken it away.
            office.close()


def write_site(folder: Path, *, listen: str, web: str, more: str, config: str = CONFIG) -> Path:
    """The configuration in `folder`; its path."""
    text = config.format(
        listen=listen, web=web, more=more, read=READ_TOKEN, act=ACT_TOKEN, ingest=INGEST_TOKEN, contact=CONTACT,
        password=DB_PASSWORD,
    )  # fmt: skip
    for name, content in {
        "config.toml": text,
        "checks/all.toml": CHECKS,
        "playbooks/disk-full.md": PLAYBOOK,
    }.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    return folder / "config.toml"


def bad_night(site: WebOffice) -> None:
    """Three incidents in three states, something being confirmed, something that cannot be told."""
    site.fails("shop-answers", "shop", "https://shop.example.com/health answers 503 after 2.1 s")
    site.clock.passes(minutes=2)
    site.fails("disk-space", "this-host", "/var is 93 % full, 6.9 GB free", item="/var", health=Health.WARN)
    site.fails("shop-answers", "shop", "https://shop.example.com/health answers 503 after 1.9 s")
    site.fails("memory", "this-host", "swap is in use: 61 %", health=Health.WARN)
    site.cannot_tell("port-open", "pay", "pay.example.com:443 did not answer within 10 s")
    site.says(Open("customers cannot pay by card in Brazil", priority=Priority.P1, by="ana", door="cli"))
    site.says(Acknowledge(3, by="ana", door="cli"))
    site.clock.passes(seconds=50)
    site.is_fine("load", "this-host", "load 0.44 on 2 cores")
    site.ticks()
    site.beats()
