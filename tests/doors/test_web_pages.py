"""What the pages and the API say: the dashboard, one incident, playbooks, both languages, and never a secret."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import pytest

from opswatch.core.events import Acknowledge, AddSilence, Open, Pause, Posted, PostedAlert, Resolve, Snooze
from opswatch.core.model import Priority
from opswatch.core.spans import parse_span
from opswatch.web.health import Health
from opswatch.web.pages import NUMBER_MAX
from tests.doors.web_office import ACT_TOKEN, SECRETS, WebOffice, bad_night, web_office

PATHS = ("/", "/incidents/1", "/incidents/2", "/incidents/3", "/playbooks/disk-full", "/sign-in", "/nowhere")
VOID = r"(?:meta|link|input|path|circle|rect|br|img|hr)"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WebOffice]:
    with web_office(tmp_path) as opened:
        yield opened


@pytest.fixture
def night(site: WebOffice) -> WebOffice:
    bad_night(site)
    return site


@pytest.fixture(scope="module")
def one_night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebOffice]:
    with web_office(tmp_path_factory.mktemp("site")) as opened:
        bad_night(opened)
        yield opened


@pytest.fixture
def seen(one_night: WebOffice) -> WebOffice:
    """A bad night that tests only look at; nobody has used up an allowance."""
    one_night.clock.monotonic += 3600
    return one_night


def words(html: str) -> str:
    """What a reader sees: without tags, one space between words."""
    body = html[html.index("<body>") :]
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


# ---------------------------------------------------------------------------------------------------------------------
# The dashboard


def test_the_first_minute_is_a_first_look(site: WebOffice):
    said = words(site.get("/").text)
    assert "Taking a first look" in said
    assert "All calm" not in said


def test_a_quiet_site_says_so_kindly(site: WebOffice):
    for check, target in (("disk-space", "this-host"), ("load", "this-host"), ("shop-answers", "shop")):
        site.is_fine(check, target)
    said = words(site.get("/").text)
    assert "All calm Nothing is open. 3 checks looked in the last minute." in said


def test_a_bad_night_names_the_worst_first(seen: WebOffice):
    said = words(seen.get("/").text)
    assert "One incident waits for an answer" in said
    order = [said.index(part) for part in ("P0 #1 Order pipeline", "P1 #3", "P3 #2 Platform")]
    assert order == sorted(order)
    assert "climbs to level 2 in 2m 9s" in said
    assert "acknowledged Ana Müller" in said
    assert "asks “still on it?” in 59m 9s" in said
    assert "told in the digest" in said


def test_the_last_rung_says_what_comes_after_it(night: WebOffice):
    night.clock.passes(minutes=3)
    night.ticks()
    assert "begins again at level 1" in words(night.get("/").text)


def test_people_on_call_stand_there_with_their_own_time(seen: WebOffice):
    said = words(seen.get("/").text)
    assert "primary layer apac Chen Wei Sat 11:06 Asia/Shanghai" in said
    assert "until Mon 23 Nov 09:00 (Asia/Shanghai), in 1d 21h Then Ana Müller" in said


def test_a_fallback_and_a_gap_are_marked(seen: WebOffice):
    html = seen.get("/").text
    assert re.search(r'class="duty warn">\s*<h3>weekend', html)
    assert "Nobody is on call: the fallback is paged in their place. Ana Müller" in words(html)
    assert re.search(r'class="duty bad">\s*<h3>night', html)
    assert "Nobody is on call, and there is no fallback." in words(html)


def test_checks_are_counted_by_state_and_trouble_comes_first(seen: WebOffice):
    said = words(seen.get("/").text)
    assert "critical 1 warning 1 unknown 1 confirming 1 ok 1" in said
    order = [said.index(f"{check} {where}") for check, where in (
        ("shop-answers", "shop"), ("disk-space", "this-host /var"), ("port-open", "pay"), ("memory", "this-host")
    )]  # fmt: skip
    assert order == sorted(order)
    assert "looks warning, being confirmed" in said
    assert said.index("As they should be") < said.index("load 1 target · seen just now")


def test_states_are_told_without_colour(seen: WebOffice):
    """A shape of its own and a word for each."""
    html = seen.get("/").text
    shapes = {state: set(re.findall(rf'<svg class="shape {state}".*?</svg>', html, re.DOTALL)) for state in (
        "crit", "warn", "unknown", "ok"
    )}  # fmt: skip
    drawn = [re.sub(r'class="[^"]*"', "", shape) for kinds in shapes.values() for shape in kinds]
    assert len(drawn) == len(set(drawn)) == 4


def test_a_pause_stands_above_everything(night: WebOffice):
    until = night.clock() + parse_span("1h")
    night.says(Pause(until, "moving house", by="lead", door="cli"))
    assert "Pages are paused until Sat 21 Nov 05:06 (Europe/Berlin), by Lena Lead." in words(night.get("/").text)


def test_trouble_with_ourselves_stands_above_everything(night: WebOffice):
    night.health = Health(True, False, ("the channel “ops” refuses our token",))
    said = words(night.get("/").text)
    assert "opswatch cannot page anybody just now the channel “ops” refuses our token" in said
    night.health = Health(True, True, ("the configuration on disk was refused; an older one is running",))
    assert "opswatch has noticed something about itself the configuration on disk" in words(night.get("/").text)


def test_a_daemon_that_fell_silent_is_not_calm(site: WebOffice):
    site.is_fine("load", "this-host")
    site.clock.passes(seconds=40)
    said = words(site.get("/").text)
    assert "opswatch itself needs a look" in said
    assert "No opswatch daemon has given a sign of life" in said


def test_a_health_that_cannot_be_asked_is_no_health(site: WebOffice):
    site.server._door._health = lambda: 1 // 0
    assert site.get("/healthz").status_code == 503
    assert "opswatch is not working" in words(site.get("/").text)


def test_observe_mode_is_told(tmp_path: Path):
    from tests.doors import web_office as harness

    config = harness.CONFIG.replace('node = "ops-1"', 'node = "ops-1"\nmode = "observe"')
    with web_office(tmp_path, config=config) as site:
        assert "Observe mode" in words(site.get("/").text)


def test_what_is_quiet_says_why_and_until_when(night: WebOffice):
    night.says(Snooze(1, parse_span("2h"), by="lead", door="cli"))
    said = words(night.get("/").text)
    assert "quiet: snoozed, until Sat 21 Nov 06:06 (Europe/Berlin), in 2h" in said
    assert "3 incidents are open; nobody is being paged" in said


def test_a_silenced_check_stays_visible(night: WebOffice):
    until = night.clock() + parse_span("2h")
    night.says(AddSilence((("check", "=", "load"),), until, "known", by="lead", door="cli"))
    night.fails("load", "this-host", "load 9.1 on 2 cores")
    for _ in range(3):
        night.fails("load", "this-host", "load 9.1 on 2 cores")
    assert "load 9.1 on 2 cores critical · for 0s · silenced" in words(night.get("/").text)


def test_a_thousand_incidents_do_not_make_a_thousand_cards(site: WebOffice):
    opened = [Open(f"report {number}", priority=Priority.P2, by="lead", door="cli") for number in range(230)]
    site.office.desk.apply_many(opened)
    html = site.get("/").text
    assert html.count('<li class="incident') == 200
    assert "and 30 more" in html
    assert len(site.get("/api/v1/incidents").json()) == 230


# ---------------------------------------------------------------------------------------------------------------------
# One incident


def test_an_incident_tells_its_story_in_words(seen: WebOffice):
    said = words(seen.get("/incidents/1").text)
    assert "P0 #1 Order pipeline triggered https://shop.example.com/health answers 503" in said
    assert "nobody has answered · paged: Chen Wei" in said
    assert "Why P0 crit, tier 1 service orders" in said
    assert "If nobody answers at Sat 21 Nov 04:09 (Europe/Berlin): Lena Lead (level 2)" in said
    assert "04:04:00 P0 opened: https://shop.example.com/health answers 503" in said
    assert "Chen Wei webhook on its way · 04:04:00" in said
    assert "/dev/sda1 100G 93G 7G 93% /" in said


def test_who_may_only_look_is_told_how_to_act(seen: WebOffice):
    html = seen.get("/incidents/1").text
    assert "You may look at this page, not act from it." in words(html)
    assert "opswatch ack 1" in words(html)
    assert "<form" not in html


def test_buttons_are_sentences(night: WebOffice):
    ours = {"Origin": night.server.url}
    session = night.post("/sign-in", data={"token": ACT_TOKEN, "person": "ana"}, headers=ours).cookies
    html = night.get("/incidents/1", cookies=session).text
    sentences = re.findall(r'name="say" value="([^"]*)"', html)
    assert sentences == ["acknowledge 1", "resolve 1", "escalate 1", "snooze 1 30m", "snooze 1 2h", "note 1"]
    for sentence in ("acknowledge 1", "snooze 1 30m", "resolve 1", "reopen 1"):
        answer = night.post("/incidents/1/say", cookies=session, headers=ours, data={"say": sentence})
        assert answer.status_code == 303, sentence
    again = night.post("/incidents/1/say", cookies=session, headers=ours, data={"say": "unsnooze 1"})
    assert again.status_code == 409
    assert "I do not understand" in words(again.text)


def test_nobody_can_make_a_page_say_something(seen: WebOffice):
    for said in ("hello", "<b>hello</b>", seen.server._door.gate.seal("hello", 2)):
        assert "hello" not in seen.get("/incidents/1", params={"said": said}).text
    assert "hello" in seen.get("/incidents/1", params={"said": seen.server._door.gate.seal("hello", 1)}).text


def test_a_note_of_several_lines_is_kept(night: WebOffice):
    ours = {"Origin": night.server.url}
    session = night.post("/sign-in", data={"token": ACT_TOKEN, "person": "ana"}, headers=ours).cookies
    text = "rebuilt the replica\nlag is 0 s, 复制正常 <b>"
    answer = night.post("/incidents/1/say", cookies=session, headers=ours, data={"say": "note 1", "text": text})
    assert answer.status_code == 303
    assert "复制正常 &lt;b&gt;" in night.get("/incidents/1").text


def test_a_resolved_incident_is_still_there(night: WebOffice):
    night.says(Resolve(1, "shop restarted", by="ana", door="cli"))
    said = words(night.get("/incidents/1").text)
    assert "resolved" in said
    assert "shop restarted" in said
    assert "#1" not in words(night.get("/").text)


@pytest.mark.parametrize("number", [0, 99, NUMBER_MAX + 1, 10**40])
def test_a_number_that_was_never_given(seen: WebOffice, number: int):
    assert seen.get(f"/incidents/{number}").status_code == 404
    assert seen.get(f"/api/v1/incidents/{number}").status_code == 404


@pytest.mark.parametrize(
    "path", ["/incidents/abc", "/incidents/-1", "/incidents/", "/ack/", "/static/../app.py", "/static/x.css"]
)
def test_odd_addresses_are_nowhere(seen: WebOffice, path: str):
    answer = seen.get(path)
    assert answer.status_code == 404
    assert "There is nothing here." in answer.text


# ---------------------------------------------------------------------------------------------------------------------
# What must not be in a page


def test_what_a_failing_machine_says_is_shown_and_never_run(site: WebOffice):
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{ 7 * 7 }}"
    site.fails("shop-answers", "shop", evil)
    site.says(Acknowledge(1, by="ana", door="cli"))
    for path in ("/", "/incidents/1", site.ack_link(1, "ana")):
        html = site.get(path).text
        assert "&lt;script&gt;alert(1)" in html
        assert "<script>alert" not in html
        assert "<img" not in html
        assert "{{ 7 * 7 }}" in html


def test_a_playbook_is_read_not_obeyed(seen: WebOffice):
    html = seen.get("/playbooks/disk-full").text
    assert "<code>journalctl --vacuum-size=500M</code>" in html
    assert "<table>" in html
    assert "&lt;script&gt;alert" in html
    assert "<script>alert" not in html
    assert 'href="javascript:' not in html
    assert "owner: Chen Wei · reviewed 2026-11-01 · scenario: capacity" in words(html)


@pytest.mark.parametrize("name", ["nope", "..%2f..%2fconfig", "%2e%2e", "disk-full.md", "disk-full%00"])
def test_only_playbooks_are_playbooks(seen: WebOffice, name: str):
    assert seen.get(f"/playbooks/{name}").status_code == 404


def test_no_page_holds_a_secret(seen: WebOffice):
    paths = [*PATHS, "/metrics", "/api/v1/status", "/api/v1/incidents/1", "/api/v1/on-call", "/api/v1/openapi.json"]
    for path in [*paths, seen.ack_link(1, "chen")]:
        html = seen.get(path, token=ACT_TOKEN).text
        assert not [secret for secret in SECRETS if secret in html], path


def test_every_answer_carries_the_headers(seen: WebOffice):
    for path in (*PATHS, "/healthz", "/api/v1/status", "/static/opswatch.css", "/ack/x"):
        headers = seen.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers
        if not path.startswith("/static/"):
            assert headers["cache-control"] == "no-store", path


def test_nothing_is_fetched_from_elsewhere(seen: WebOffice):
    for path in PATHS:
        html = seen.get(path).text
        assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', html), path
        assert " style=" not in html
        assert " on" + "click" not in html
        for name in re.findall(r'(?:src|href)="(/static/[^"]*)"', html):
            assert seen.get(name).status_code == 200


def test_pages_are_well_formed_and_say_their_language(seen: WebOffice):
    for path in PATHS:
        html = seen.get(path).text
        closed = re.sub(rf"<({VOID})\b([^>]*?)/?>", r"<\1\2/>", html)
        closed = re.sub(r"</(?:path|circle|rect)>", "", closed).replace("<!doctype html>", "")
        closed = re.sub(r"\s(defer|hidden|required)(?=[\s>/])", r' \1=""', closed)
        ElementTree.fromstring(closed)
        assert '<html lang="en">' in html
        assert html.count("<h1") == 1, path
        assert '<main id="main"' in html


# ---------------------------------------------------------------------------------------------------------------------
# Two languages


def catalogue(language: str) -> dict[str, dict[str, str]]:
    return tomllib.loads(files("opswatch").joinpath("locale", f"web.{language}.toml").read_text(encoding="utf-8"))


def test_both_catalogues_say_the_same_things():
    english, chinese = catalogue("en"), catalogue("zh")
    assert {s: set(keys) for s, keys in english.items()} == {s: set(keys) for s, keys in chinese.items()}
    for section, keys in english.items():
        for key, text in keys.items():
            facts = set(re.findall(r"\{(\w+)\}", text)) - {"count"}
            assert facts == set(re.findall(r"\{(\w+)\}", chinese[section][key])) - {"count"}, f"{section}.{key}"


def test_every_word_that_pages_use_is_in_the_catalogue():
    web, english = files("opswatch.web"), catalogue("en")
    sources = [file.read_text(encoding="utf-8") for file in web.iterdir() if file.name.endswith(".py")]
    templates = files("opswatch").joinpath("templates", "web")
    sources += [file.read_text(encoding="utf-8") for file in templates.iterdir()]
    used = {key for text in sources for key in re.findall(r'(?:say|count)\(\s*"([a-z_]+\.[a-z_0-9]+)"', text)}
    assert len(used) > 50
    for key in used:
        section, _, name = key.partition(".")
        assert {name, f"{name}_one"} & set(english[section]), key


@pytest.mark.parametrize("path", PATHS)
def test_chinese_pages_hold_no_left_over_english(seen: WebOffice, path: str):
    html = seen.get(f"{path}?lang=zh").text
    assert '<html lang="zh-CN">' in html
    for section in ("board", "incident", "sign_in"):
        for key, text in catalogue("en")[section].items():
            assert len(text) < 12 or text not in html, f"{section}.{key}"


def test_a_browser_that_prefers_chinese_gets_it(seen: WebOffice):
    assert "当前值班" in seen.get("/", headers={"Accept-Language": "zh-CN,zh;q=0.9"}).text
    assert "On call now" in seen.get("/?lang=en", headers={"Accept-Language": "zh-CN"}).text


def test_a_language_that_was_asked_for_stays(seen: WebOffice):
    html = seen.get("/?lang=zh").text
    assert 'href="/incidents/1?lang=zh"' in html
    assert 'href="/?lang=en"' in html


# ---------------------------------------------------------------------------------------------------------------------
# The API


def test_the_api_says_what_the_command_line_says(seen: WebOffice):
    listed = seen.get("/api/v1/incidents").json()
    assert [row["id"] for row in listed] == [1, 3, 2]
    assert set(listed[0]) == {
        "id", "status", "priority", "service", "title", "owner", "opened_at", "alerts", "next_deadline"
    }  # fmt: skip
    assert listed[0]["opened_at"] == "2026-11-21T03:04:00.001000Z" or listed[0]["opened_at"] == "2026-11-21T03:04:00Z"
    one = seen.get("/api/v1/incidents/1").json()
    assert [alert["check"] for alert in one["failing"]] == ["shop-answers", "port-open"]
    assert one["timeline"][0]["kind"] == "alert_fired" or one["timeline"][0]["kind"] == "triggered"
    status = seen.get("/api/v1/status").json()
    assert (status["name"], status["running"], status["incidents"]["P0"]) == ("acme", True, 1)


def test_who_is_on_call_over_the_api(seen: WebOffice):
    rows = seen.get("/api/v1/on-call").json()
    assert [(row["roster"], row["on_call"], row["fallback"]) for row in rows] == [
        ("primary", ["chen"], False),
        ("weekend", ["ana", "lead"], True),
        ("night", [], False),
    ]
    later = seen.get("/api/v1/on-call", params={"roster": "primary", "at": "2026-11-25T00:00:00Z"}).json()
    assert [row["on_call"] for row in later] == [["ana"]]
    assert set(later[0]) == {"roster", "at", "on_call", "fallback", "layer", "from", "until", "next"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/on-call?roster=nope", 404),
        ("/api/v1/on-call?at=yesterday", 422),
        ("/api/v1/on-call?at=2026-11-25T00:00:00", 422),
        ("/api/v1/incidents?limit=0", 422),
        ("/api/v1/incidents?limit=100000", 422),
        ("/api/v1/incidents/abc", 422),
        ("/api/v1/nothing", 404),
    ],
)
def test_the_api_refuses_in_json(seen: WebOffice, path: str, status: int):
    answer = seen.get(path)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"]


def test_the_api_describes_itself(seen: WebOffice):
    described = seen.get("/api/v1/openapi.json").json()
    assert set(described["paths"]) == {
        "/api/v1/status", "/api/v1/on-call", "/api/v1/coverage",
        "/api/v1/fairness",
        "/api/v1/incidents", "/api/v1/incidents/{number}"
    }  # fmt: skip
    assert described["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


def test_resolved_incidents_are_listed_when_asked_for(night: WebOffice):
    night.says(Resolve(1, by="ana", door="cli"))
    assert [row["id"] for row in night.get("/api/v1/incidents").json()] == [3, 2]
    assert 1 in [row["id"] for row in night.get("/api/v1/incidents?all=true").json()]


def test_numbers_are_for_prometheus(seen: WebOffice):
    answer = seen.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "opswatch_commits_total" in answer.text


def test_a_store_that_cannot_be_reached_is_a_503_that_says_so(night: WebOffice):
    night.office.store.close()
    path = night.office.settings.data_dir / "opswatch.db"
    for file in path.parent.glob("opswatch.db*"):
        file.unlink()
    path.mkdir()
    html, api = night.get("/"), night.get("/api/v1/incidents")
    assert (html.status_code, api.status_code) == (503, 503)
    assert "cannot be reached just now" in html.text
    assert night.get("/healthz").status_code == 200


def test_what_is_folded_into_a_storm_stands_on_its_page_and_not_beside_it(site: WebOffice):
    labels = [{"alertname": "DiskFull", "service": f"svc{number}"} for number in range(30)]
    site.office.desk.apply(Posted("prometheus", tuple(PostedAlert(one) for one in labels), site.clock()))
    text = site.get("/").text
    storm = next(one for one in site.office.views.open_incidents() if one.is_storm)
    assert f"/incidents/{storm.number}" in text
    assert "30 more are folded into a storm" in text
    assert "svc7" not in text


def test_a_promise_that_is_broken_stands_on_its_card(night: WebOffice):
    assert "no update in time" not in words(night.get("/").text)
    night.clock.passes(hours=5)
    night.ticks()
    home = night.get("/").text
    assert '<span class="late">' in home
    assert "not taken in time" in words(home) and "no update in time" in words(home)
    assert "no update in time" in words(night.get("/incidents/3").text)
    assert "未按时通报进展" in words(night.get("/?lang=zh").text)
