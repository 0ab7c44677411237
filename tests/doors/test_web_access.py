"""Who may open which page: everybody, this machine, a token, a browser that showed one, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opswatch.core.model import Status
from opswatch.web.health import Health
from tests.doors.web_office import ACT_TOKEN, INGEST_TOKEN, READ_TOKEN, WebOffice, bad_night, web_office

PRIVATE = (
    "/",
    "/incidents/1",
    "/playbooks/disk-full",
    "/metrics",
    "/api/v1/status",
    "/api/v1/incidents",
    "/api/v1/incidents/1",
    "/api/v1/on-call",
    "/api/v1/openapi.json",
)
OPEN = ("/healthz", "/readyz", "/sign-in", "/static/opswatch.css")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebOffice]:
    with web_office(tmp_path_factory.mktemp("site")) as opened:
        bad_night(opened)
        yield opened


@pytest.fixture(autouse=True)
def a_little_later(site: WebOffice) -> None:
    """Allowances are full again before each test."""
    site.clock.monotonic += 3600


@pytest.mark.parametrize("path", OPEN)
def test_some_doors_are_open_to_everybody(site: WebOffice, path: str):
    assert site.stranger("GET", path).status_code == 200


@pytest.mark.parametrize("path", PRIVATE)
def test_the_rest_is_not(site: WebOffice, path: str):
    answer = site.stranger("GET", path)
    assert answer.status_code == 401
    assert "shop.example.com" not in answer.text
    assert "acme" not in answer.text


@pytest.mark.parametrize("path", PRIVATE)
def test_this_machine_may_look(site: WebOffice, path: str):
    assert site.get(path).status_code == 200


@pytest.mark.parametrize("path", PRIVATE)
def test_a_token_that_may_read_looks_from_anywhere(site: WebOffice, path: str):
    assert site.stranger("GET", path, token=READ_TOKEN).status_code == 200


@pytest.mark.parametrize("path", PRIVATE)
def test_a_token_for_ingest_does_not_read(site: WebOffice, path: str):
    answer = site.stranger("GET", path, token=INGEST_TOKEN)
    assert answer.status_code == 403


@pytest.mark.parametrize("secret", ["", "x", READ_TOKEN[:-1], READ_TOKEN + "x", READ_TOKEN.upper(), "ü" * 20])
def test_a_token_must_be_whole(site: WebOffice, secret: str):
    header = {"Authorization": f"Bearer {secret}".encode()}
    assert site.stranger("GET", "/api/v1/status", headers=header).status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-For",
        "Forwarded",
        "X-Real-IP",
        "Via",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "CF-Connecting-IP",
        "x-forwarded-for",
    ],
)
def test_whoever_a_proxy_brings_is_not_this_machine(site: WebOffice, header: str):
    """Not even when they say that they come from 127.0.0.1."""
    assert site.get("/api/v1/status", headers={header: "127.0.0.1"}).status_code == 401


@pytest.mark.parametrize("host", ["evil.example.net", "127.0.0.1.evil.example.net", "evil.example.net:8470", "[", ""])
def test_a_name_that_resolves_to_this_machine_does_not_open_it(site: WebOffice, host: str):
    """DNS rebinding: a stranger's page, open in a browser here, reads whatever its own name leads to."""
    answer = site.get("/", headers={"Host": host})
    assert answer.status_code == 403 or (host == "" and answer.status_code == 400)
    assert "shop" not in answer.text


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:8470", "127.9.9.9", "[::1]:8470", "ops.example.com:8470"]
)
def test_our_own_names_do(site: WebOffice, host: str):
    assert site.get("/", headers={"Host": host}).status_code == 200


def test_this_machine_may_not_act(site: WebOffice):
    answer = site.post("/incidents/1/say", data={"say": "acknowledge 1", "as": "ana"})
    assert answer.status_code == 401
    assert site.office.views.incident(1).incident.status is Status.TRIGGERED


def test_a_token_that_only_reads_may_not_act(site: WebOffice):
    answer = site.post("/incidents/1/say", token=READ_TOKEN, data={"say": "acknowledge 1", "as": "ana"})
    assert answer.status_code == 403
    assert site.office.views.incident(1).incident.status is Status.TRIGGERED


def test_strangers_are_not_told_what_is_wrong(site: WebOffice):
    site.health = Health(alive=True, ready=False, problems=("chen has no working contact",))
    stranger, here = site.stranger("GET", "/readyz"), site.get("/readyz")
    site.health = Health(alive=True, ready=True)
    assert (stranger.status_code, stranger.text) == (503, "not ready\n")
    assert (here.status_code, here.text) == (503, "not ready\nchen has no working contact\n")


@pytest.mark.parametrize(
    ("health", "alive", "ready"),
    [
        (Health(True, True), 200, 200),
        (Health(True, False), 200, 503),
        (Health(False, False), 503, 503),
        (Health(False, True), 503, 503),
    ],
)
def test_alive_and_ready_are_two_questions(site: WebOffice, health: Health, alive: int, ready: int):
    site.health = health
    said = site.get("/healthz").status_code, site.get("/readyz").status_code
    site.health = Health(True, True)
    assert said == (alive, ready)


def test_a_head_request_asks_the_same(site: WebOffice):
    for path in ("/healthz", "/", "/metrics"):
        answer = site.ask("HEAD", path)
        assert (answer.status_code, answer.content) == (200, b"")


# ---------------------------------------------------------------------------------------------------------------------
# Sessions


def sign_in(site: WebOffice, secret: str, person: str = "", **headers: str) -> str | None:
    """The cookie that signing in gives."""
    ours = {"Origin": site.server.url} | headers
    answer = site.stranger("POST", "/sign-in", data={"token": secret, "person": person}, headers=ours)
    return answer.cookies.get("opswatch_session")


def test_a_browser_signs_in_with_a_token(site: WebOffice):
    session = sign_in(site, READ_TOKEN)
    assert site.stranger("GET", "/").status_code == 401
    assert site.stranger("GET", "/", cookies={"opswatch_session": session}).status_code == 200


def test_the_cookie_is_out_of_reach_of_scripts_and_strangers_forms(site: WebOffice):
    ours = {"Origin": site.server.url}
    cookie = site.post("/sign-in", data={"token": READ_TOKEN}, headers=ours).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert READ_TOKEN not in cookie


def test_a_wrong_token_signs_nobody_in(site: WebOffice):
    assert sign_in(site, "no such token at all") is None
    assert sign_in(site, INGEST_TOKEN) is None
    assert sign_in(site, ACT_TOKEN, "nobody of that name") is None


def test_a_session_ends_after_twelve_hours(site: WebOffice):
    session = {"opswatch_session": sign_in(site, READ_TOKEN)}
    began = site.clock.at
    site.clock.passes(hours=11, minutes=59)
    assert site.stranger("GET", "/api/v1/on-call", cookies=session).status_code == 200
    site.clock.passes(minutes=2)
    ended = site.stranger("GET", "/api/v1/on-call", cookies=session).status_code
    site.clock.at = began
    assert ended == 401


@pytest.mark.parametrize("forged", ["", "x", "WyJyZWFkZXIiLCIiLDk5OTk5OTk5OTksIngiXQ.AAAA"])
def test_a_forged_session_is_none(site: WebOffice, forged: str):
    assert site.stranger("GET", "/", cookies={"opswatch_session": forged}).status_code == 401


def test_a_new_secret_ends_the_sessions_of_the_old_one(tmp_path: Path):
    from tests.doors import web_office as harness

    with web_office(tmp_path / "before") as before:
        session = sign_in(before, READ_TOKEN)
    key = (tmp_path / "before/var/secret.key").read_text()
    (tmp_path / "after/var").mkdir(parents=True)
    (tmp_path / "after/var/secret.key").write_text(key)
    same, renewed = harness.CONFIG, harness.CONFIG.replace('"{read}"', '"another-secret-9876543210"')
    for config, status in ((same, 200), (renewed, 401)):
        with web_office(tmp_path / "after", config=config) as after:
            assert after.stranger("GET", "/", cookies={"opswatch_session": session}).status_code == status


def test_somebody_who_signed_in_acts_as_themselves(site: WebOffice):
    session = {"opswatch_session": sign_in(site, ACT_TOKEN, "Ana Müller")}
    ours = {"Origin": site.server.url}
    answer = site.stranger(
        "POST", "/incidents/2/say", cookies=session, headers=ours, data={"say": "ack 2", "as": "lead"}
    )
    assert answer.status_code == 303
    assert site.office.views.incident(2).incident.owner == "ana"
    shown = site.stranger("GET", answer.headers["location"], cookies=session)
    assert "You have #2 now" in shown.text


def test_a_session_without_a_person_does_not_act(site: WebOffice):
    session = {"opswatch_session": sign_in(site, ACT_TOKEN)}
    ours = {"Origin": site.server.url}
    answer = site.stranger(
        "POST", "/incidents/1/say", cookies=session, headers=ours, data={"say": "ack 1", "as": "ana"}
    )
    assert answer.status_code == 409
    assert site.office.views.incident(1).incident.status is Status.TRIGGERED


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example.net"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_a_strangers_form_is_not_obeyed(site: WebOffice, headers: dict[str, str]):
    session = {"opswatch_session": sign_in(site, ACT_TOKEN, "ana")}
    answer = site.stranger("POST", "/incidents/1/say", cookies=session, headers=headers, data={"say": "resolve 1"})
    assert answer.status_code == 403
    assert site.office.views.incident(1).incident.status is Status.TRIGGERED


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://ops.example.com:8470"}])
def test_our_own_form_is(site: WebOffice, headers: dict[str, str]):
    session = {"opswatch_session": sign_in(site, ACT_TOKEN, "ana")}
    answer = site.stranger(
        "POST", "/incidents/1/say", cookies=session, headers=headers, data={"say": "note 1", "text": "seen"}
    )
    assert answer.status_code == 303


def test_signing_out_forgets(site: WebOffice):
    answer = site.post("/sign-out", headers={"Origin": site.server.url})
    assert (answer.status_code, answer.cookies.get("opswatch_session")) == (303, None)
    assert site.post("/sign-out", headers={"Origin": "https://evil.example.net"}).status_code == 403


# ---------------------------------------------------------------------------------------------------------------------
# Programs


def test_a_program_acts_for_the_person_it_names(site: WebOffice):
    program = {"Accept": "application/json"}
    answer = site.stranger(
        "POST", "/incidents/3/say", token=ACT_TOKEN, headers=program, data={"say": "note 3 from a robot", "as": "lead"}
    )
    assert answer.status_code == 200
    assert answer.json() == {"done": True, "key": "noted", "answer": "Noted on #3."}
    assert site.office.views.incident(3).entries[-1].entry.by == "lead"


def test_a_program_that_names_nobody_is_told_so(site: WebOffice):
    answer = site.stranger(
        "POST", "/incidents/3/say", token=ACT_TOKEN, headers={"Accept": "*/*"}, data={"say": "ack 3"}
    )
    assert (answer.status_code, answer.json()["key"]) == (409, "no_person")


@pytest.mark.parametrize(
    ("sentence", "person", "key"),
    [
        ("acknowledge 3", "guest", "viewer_refused"),
        ("acknowledge 77", "lead", "unknown_incident"),
        ("dance 3", "lead", "not_understood"),
        ("", "lead", "said_nothing"),
        ("who", "lead", "question"),
        ("x" * 5000, "lead", "too_long"),
    ],
)
def test_what_cannot_be_done_is_a_conflict_with_words(site: WebOffice, sentence: str, person: str, key: str):
    answer = site.stranger(
        "POST", "/incidents/3/say", token=ACT_TOKEN, headers={"Accept": "*/*"}, data={"say": sentence, "as": person}
    )
    assert (answer.status_code, answer.json()["done"], answer.json()["key"]) == (409, False, key)
    assert answer.json()["answer"]


def test_without_loopback_this_machine_is_a_stranger_too(tmp_path: Path):
    with web_office(tmp_path, web="loopback = false") as site:
        assert site.get("/").status_code == 401
        assert site.get("/healthz").status_code == 200
        assert site.get("/", token=READ_TOKEN).status_code == 200


def test_a_trusted_proxy_does_not_make_strangers_local(tmp_path: Path):
    with web_office(tmp_path, web='trusted_proxies = ["127.0.0.1"]') as site:
        assert site.get("/", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 401
        secure = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "Origin": site.server.url}
        signed_in = site.post("/sign-in", data={"token": READ_TOKEN}, headers=secure)
        assert "Secure" in signed_in.headers["set-cookie"]
