"""Webhooks over HTTP: who may post, what becomes of a body, and that nothing a stranger posts is our mistake."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opswatch.core.model import Health, Priority, UnknownReason
from opswatch.core.state import Alert
from opswatch.errors import StoreUnavailable
from opswatch.loops.inbox import InboxLoop
from tests.doors.web_office import CONFIG, INGEST_TOKEN, READ_TOKEN, WebOffice, web_office

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "samples" / "hooks"
SECRET = "hook-secret-0123456789"


def mappings() -> str:
    """Every mapping of the page."""
    page = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    text = "\n".join(block for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL))
    return re.sub(r"env:\w+", SECRET, text)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WebOffice]:
    with web_office(tmp_path, more=mappings()) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebOffice]:
    with web_office(tmp_path_factory.mktemp("hooks"), more=mappings()) as opened:
        yield opened


def sample(name: str) -> dict[str, object]:
    return json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def decided(site: WebOffice) -> list[Alert]:
    """What fails now, once the inbox is empty."""
    office = site.office
    InboxLoop(office.desk, office.store, office.inbox).decide(office.inbox.next(100_000))
    office.desk.refresh()
    with office.desk.looking() as (state, _):
        others = [one for one in state.alerts.values() if one.is_external and one.check != "source"]
        return sorted(others, key=lambda one: one.sentence)


def posted(site: WebOffice, hook: str, body: object) -> list[Alert]:
    site.clock.passes(seconds=1)
    answer = site.post(f"/hooks/{hook}", json=body)
    assert answer.status_code == 200, answer.text
    return decided(site)


# ---------------------------------------------------------------------------------------------------------------------
# Formats of their own


def test_alertmanager_goes_by_the_status_of_each_alert(site):
    (alert,) = posted(site, "alertmanager", sample("alertmanager"))
    assert alert.sentence == "/var on shop is 97 % full"
    assert (alert.health, alert.seen_as, alert.service, alert.source) == (Health.CRIT, "shop", "orders", "alertmanager")
    assert alert.annotations["groupKey"] == '{}:{alertname="DiskFull"}'
    assert alert.annotations["truncatedAlerts"].startswith("3 more alerts of this group were left out")


def test_alertmanager_says_that_it_is_over(site):
    body = sample("alertmanager")
    posted(site, "alertmanager", body)
    body["alerts"][0] |= {"status": "resolved", "endsAt": "2026-11-21T03:04:30Z"}  # type: ignore[index]
    assert posted(site, "alertmanager", body) == []


def test_a_webhook_that_is_silent_for_hours_is_not_thought_dead(site):
    """It repeats every four hours; `resolve_timeout` is for who repeats every minute."""
    body = sample("grafana")
    posted(site, "grafana", body | {"alerts": body["alerts"][:1]})  # type: ignore[index]
    site.clock.passes(hours=11)
    site.ticks()
    assert [one.health for one in decided(site)] == [Health.WARN]
    site.clock.passes(minutes=61)
    site.ticks()
    assert [one.reason for one in decided(site)] == [UnknownReason.NO_DATA]


def test_of_alertmanager_the_valid_ones_are_kept_and_the_others_named(site):
    body = sample("alertmanager")
    body["alerts"] += [{"status": "firing", "labels": {"n": 5}}, {"status": "maybe", "labels": {"a": "b"}}, 7]  # type: ignore[operator]
    answer = site.post("/hooks/alertmanager", json=body)
    assert answer.status_code == 400
    assert answer.json()["accepted"] == 2
    assert answer.json()["problems"] == [
        "alert 3 of 5: label 'n' is a number: text is expected",
        "alert 4 of 5: status is 'maybe': firing or resolved is expected",
        "alert 5 of 5: it is a number: an object with labels is expected",
    ]
    assert [one.sentence for one in decided(site)] == ["/var on shop is 97 % full"]


def test_grafana_that_cannot_tell_is_unknown_and_never_crit(site):
    alerts = {one.check: one for one in posted(site, "grafana", sample("grafana"))}
    assert alerts["High CPU"].health is Health.WARN
    assert alerts["High CPU"].annotations["values"] == "B = 97.2, C = 1"
    assert alerts["High CPU"].annotations["panelURL"] == "https://grafana.example.com/d/abc?viewPanel=3"
    assert (alerts["DatasourceNoData"].health, alerts["DatasourceNoData"].reason) == (
        Health.UNKNOWN,
        UnknownReason.NO_DATA,
    )
    assert alerts["DatasourceNoData"].sentence == "Queue length: Grafana cannot tell, it has no data"
    assert alerts["DatasourceNoData"].priority is Priority.P3
    assert alerts["DatasourceError"].reason is UnknownReason.ERROR
    again = {one.check: one.health for one in posted(site, "grafana", sample("grafana"))}
    assert again["DatasourceNoData"] is Health.UNKNOWN  # Said again, it is no worse.


def test_a_series_that_went_missing_has_not_recovered(site):
    body = sample("grafana")
    posted(site, "grafana", body)
    gone = body["alerts"][0]  # type: ignore[index]
    gone |= {"status": "resolved", "endsAt": "2026-11-21T03:04:30Z"}
    gone["annotations"]["grafana_state_reason"] = "MissingSeries"
    alerts = {one.check: one for one in posted(site, "grafana", body | {"alerts": [gone]})}
    assert (alerts["High CPU"].health, alerts["High CPU"].reason) == (Health.UNKNOWN, UnknownReason.NO_DATA)
    del gone["annotations"]["grafana_state_reason"]
    assert "High CPU" not in {one.check for one in posted(site, "grafana", body | {"alerts": [gone]})}


def test_what_never_fired_here_and_went_missing_is_nothing(site):
    body = sample("grafana")
    gone = body["alerts"][0] | {"status": "resolved", "annotations": {"grafana_state_reason": "MissingSeries"}}  # type: ignore[index]
    assert posted(site, "grafana", body | {"alerts": [gone]}) == []


def test_grafana_before_9_is_read(site):
    body = sample("grafana-before-9")
    (alert,) = posted(site, "grafana", body)
    assert (alert.sentence, alert.service, alert.health) == ("[Alerting] Panel Title alert", "orders", Health.CRIT)
    (alert,) = posted(site, "grafana", body | {"state": "no_data", "title": "[No Data] Panel Title alert"})
    assert alert.health is Health.UNKNOWN
    assert posted(site, "grafana", body | {"state": "ok", "title": "[OK] Panel Title alert"}) == []
    assert site.post("/hooks/grafana", json=body | {"state": "paused"}).json()["ignored"] == 1
    assert site.post("/hooks/grafana", json=body | {"state": "odd"}).status_code == 400


# ---------------------------------------------------------------------------------------------------------------------
# Mappings: each of docs/hooks.md over a body as it is really posted


def test_billing(site):
    alerts = posted(site, "generic/billing", sample("billing"))
    assert [one.sentence for one in alerts] == ["invoices are late: 212 wait", "the bank's file is missing"]
    assert {one.service for one in alerts} == {"orders"}
    assert {one.health for one in alerts} == {Health.CRIT}
    assert len({one.starts_at for one in alerts}) == 1  # Seconds and milliseconds are told apart.


def test_uptime_kuma(site):
    body = sample("uptime-kuma")
    (alert,) = posted(site, "generic/uptime-kuma", body)
    assert alert.sentence == "shop: Request failed with status code 503"
    assert (alert.service, alert.seen_as, alert.source) == ("orders", "shop", "uptime-kuma")
    up = body | {"heartbeat": body["heartbeat"] | {"status": 1, "msg": "200 - OK"}}  # type: ignore[operator]
    assert posted(site, "generic/uptime-kuma", up) == []
    test = site.post("/hooks/generic/uptime-kuma", json={"heartbeat": None, "monitor": None, "msg": "Testing"})
    assert test.json() == {"accepted": 0, "ignored": 1}


def test_healthchecks(site):
    (alert,) = posted(site, "generic/healthchecks", sample("healthchecks"))
    assert (alert.sentence, alert.service, alert.health) == ("nightly backup is down", "platform", Health.CRIT)
    assert posted(site, "generic/healthchecks", sample("healthchecks") | {"status": "up"}) == []


def test_zabbix(site):
    (alert,) = posted(site, "generic/zabbix", sample("zabbix"))
    assert alert.labels["scope"] == "capacity"
    assert (alert.seen_as, alert.service, alert.health) == ("shop", "orders", Health.CRIT)
    assert alert.starts_at is not None and alert.starts_at.isoformat() == "2026-11-21T03:03:20+00:00"
    (milder,) = posted(site, "generic/zabbix", sample("zabbix") | {"severity": "2"})
    assert (milder.health, milder.priority) == (Health.WARN, alert.priority)  # It is the same one; priority only rises.
    (worse,) = posted(site, "generic/zabbix", sample("zabbix") | {"severity": "5"})
    assert worse.priority is Priority.P0
    assert posted(site, "generic/zabbix", sample("zabbix") | {"value": "0"}) == []


def signed(site: WebOffice, path: str, body: object, header: str, secret: str = SECRET, prefix: str = "") -> int:
    text = json.dumps(body).encode()
    mark = prefix + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    headers = {header: mark, "Content-Type": "application/json"}
    return site.stranger("POST", path, data=text, headers=headers).status_code


def test_github_signs(site):
    path, header = "/hooks/generic/github", "X-Hub-Signature-256"
    assert signed(site, path, sample("github"), header, prefix="sha256=") == 200
    (alert,) = decided(site)
    assert alert.sentence == "Deploy of acme/shop ended with failure"
    body = sample("github")
    fine = body | {"workflow_run": body["workflow_run"] | {"conclusion": "success", "id": 2}}  # type: ignore[operator]
    site.clock.passes(seconds=1)
    assert signed(site, path, fine, header, prefix="sha256=") == 200
    assert decided(site) == []
    assert signed(site, path, sample("github"), header, secret="another") == 401
    assert site.stranger("POST", path, json=sample("github"), headers={header: "é"}).status_code == 401
    assert site.stranger("POST", path, json=sample("github")).status_code == 401


def test_sentry_signs_otherwise(site):
    assert signed(site, "/hooks/generic/sentry", sample("sentry"), "Sentry-Hook-Signature") == 200
    (alert,) = decided(site)
    assert alert.sentence == "ZeroDivisionError: division by zero in shop.cart in total"
    site.clock.passes(seconds=1)
    over = sample("sentry") | {"action": "resolved"}
    assert signed(site, "/hooks/generic/sentry", over, "Sentry-Hook-Signature") == 200
    assert decided(site) == []


def test_a_hook_that_speaks_once_is_believed_until_it_says_otherwise(site):
    posted(site, "generic/healthchecks", sample("healthchecks"))
    site.clock.passes(days=40)
    site.ticks()
    assert [one.health for one in decided(site)] == [Health.CRIT]


def test_what_the_body_does_not_have_is_named_with_what_it_has(site):
    body = sample("billing")
    body["items"] = [
        {"id": 1, "mesage": "x", "state": "open"},
        {"id": 2, "message": "fine"},
        {"id": 3, "message": "y", "state": "open"},
    ]
    answer = site.post("/hooks/generic/billing", json=body)
    assert answer.status_code == 400
    assert answer.json()["problems"] == [
        "alert 1 of 3: title = 'message' gives nothing: the body has id, mesage, state; did you mean 'mesage'?",
        "alert 2 of 3: status = 'state' gives nothing: the body has id, message",
    ]
    assert [one.sentence for one in decided(site)] == ["y"]
    nowhere = site.post("/hooks/generic/billing", json={"item": []})
    assert nowhere.json()["error"] == "alerts = 'items' gives nothing: the body has item; did you mean 'item'?"


# ---------------------------------------------------------------------------------------------------------------------
# Who may, and how much


def test_a_token_may_from_anywhere_also_as_a_password(site):
    body = sample("alertmanager")
    assert site.stranger("POST", "/hooks/alertmanager", json=body, headers=bearer(INGEST_TOKEN)).status_code == 200
    assert site.stranger("POST", "/hooks/alertmanager", json=body, auth=("any", INGEST_TOKEN)).status_code == 200
    assert site.stranger("POST", "/api/v2/alerts", json=[], auth=("any", INGEST_TOKEN)).status_code == 200
    assert {one.source for one in decided(site)} == {"prometheus"}  # The id of that token.


@pytest.mark.parametrize("hook", ["alertmanager", "grafana", "generic/billing", "generic/none", "none", ""])
@pytest.mark.parametrize(("headers", "status"), [({}, 401), (bearer("wrong"), 401), (bearer(READ_TOKEN), 403)])
def test_strangers_learn_nothing(shared, hook, headers, status):
    shared.clock.passes(hours=1)
    answer = shared.stranger("POST", f"/hooks/{hook}", json={}, headers=headers)
    assert answer.status_code == status
    assert "token" in answer.json()["error"] and "billing" not in answer.text


def test_a_token_in_the_address_is_not_taken(site):
    assert site.stranger("POST", f"/hooks/grafana?token={INGEST_TOKEN}", json={}).status_code == 401


def test_a_page_in_a_browser_on_this_machine_may_not(site):
    text = json.dumps(sample("alertmanager"))
    assert site.ask("POST", "/hooks/alertmanager", data=text, headers={"Content-Type": "text/plain"}).status_code == 415


def test_an_unknown_hook_is_answered_with_the_nearest(site):
    answer = site.post("/hooks/generic/biling", json={})
    assert answer.status_code == 404
    assert answer.json()["error"] == "no hook is posted there; did you mean /hooks/generic/billing?"
    assert site.get("/hooks/alertmanager").status_code == 405


def test_a_store_that_is_away_is_503_and_never_429(site, monkeypatch):
    def unavailable(batches, *claim):
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(site.office.store, "accept", unavailable)
        answer = site.post("/hooks/alertmanager", json=sample("alertmanager"))
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1
    codes = {site.post("/hooks/alertmanager", json=sample("alertmanager")).status_code for _ in range(50)}
    assert codes == {200}


def test_a_body_that_is_too_long_is_refused_before_it_is_read(site):
    with socket.create_connection(("127.0.0.1", site.server.port), timeout=20) as wire:
        head = ("Host: 127.0.0.1", "Content-Type: application/json", "Content-Length: 1048577", "", "")
        wire.sendall("\r\n".join(("POST /hooks/grafana HTTP/1.1", *head)).encode())
        assert b" 413 " in wire.makefile("rb").readline()


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe{}", b"[" * 100_000, b'{"a":' * 50_000, b"1" * 5_000, b"null", b'"text"', b"[]", b"{}"]
)
@pytest.mark.parametrize("hook", ["alertmanager", "grafana", "generic/billing"])
def test_what_is_no_such_body_is_refused_in_words(shared, hook, body):
    answer = shared.post(f"/hooks/{hook}", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400 and len(answer.json()["error"]) < 1000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
HOOKS = ("alertmanager", "grafana", "generic/billing", "generic/uptime-kuma", "generic/healthchecks", "generic/zabbix")


@st.composite
def bent(draw: st.DrawFn) -> tuple[str, object]:
    """A body as it is really posted, with something else somewhere in it."""
    hook = draw(st.sampled_from(HOOKS))
    body = sample(hook.rpartition("/")[2])
    here: object = body
    for _ in range(draw(st.integers(0, 4))):
        keys = list(here) if isinstance(here, dict) else list(range(len(here))) if isinstance(here, list) else []
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if draw(st.booleans()):
            here[key] = draw(JSON)  # type: ignore[index]
            break
        here = here[key]  # type: ignore[index]
    return hook, body


@given(case=bent() | st.tuples(st.sampled_from(HOOKS), JSON))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_posted_it_is_never_our_mistake(shared, case):
    hook, body = case
    shared.clock.passes(seconds=1)
    headers = {"Content-Type": "application/json"}
    answer = shared.post(f"/hooks/{hook}", data=json.dumps(body), headers=headers)
    assert answer.status_code in (200, 400), answer.text
    decided(shared)


def test_any_letter_can_be_stored(tmp_path, store_url):
    """PostgreSQL takes no NUL, and half a pair of surrogates is no UTF-8."""
    odd = json.loads('"a\\u0000b\\ud83dc\\u202e"')
    config = CONFIG.replace("[web]", f'store = "{store_url}"\n[web]')
    with web_office(tmp_path, more=mappings(), config=config) as site:
        body = {"items": [{"id": odd, "message": odd, "state": "open"}], "level": odd}
        (alert,) = posted(site, "generic/billing", body)
        assert alert.labels["service"] == "orders"
        labels = {"alertname": odd, odd: odd}
        alerts = [{"status": "firing", "labels": labels, "annotations": {odd: odd}}]
        assert len(posted(site, "alertmanager", {"version": "4", "alerts": alerts})) == 2
        assert site.post("/hooks/nagios", data=b"PROCESS_HOST_CHECK_RESULT;a\0b;1;\0x").status_code == 200
        assert len(decided(site)) == 3
