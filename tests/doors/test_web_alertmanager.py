"""Alertmanager's API: our alerts and those of others in its shape, silences by uuid, and who may."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from opswatch.core.external import fingerprint
from opswatch.loops.inbox import InboxLoop
from tests.doors import web_office as rooms
from tests.doors.web_office import ACT_TOKEN, INGEST_TOKEN, READ_TOKEN, WebOffice, bad_night, web_office

API = "/api/v2"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
MORE = """
[[maintenance]]
id = "weekly"
match = { check = "memory" }
timezone = "UTC"
from = 2026-11-21T03:00:00
to = 2026-11-21T05:00:00
reason = "more memory"
owner = "ana"
[[policy]]
id = "night"
[[policy.level]]
page = ["person:ana"]
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WebOffice]:
    with web_office(tmp_path, more=MORE) as opened:
        yield opened


def posts(site: WebOffice, *alerts: dict[str, Any]) -> None:
    """Somebody posts these, and they are decided."""
    assert site.ask("POST", f"{API}/alerts", json=[*alerts]).status_code == 200
    InboxLoop(site.office.desk, site.office.store, site.office.inbox).turn()


def disk_full(**labels: str) -> dict[str, Any]:
    return {
        "labels": {"alertname": "DiskFull", "service": "orders", "severity": "critical", **labels},
        "annotations": {"summary": "/ is full"},
        "startsAt": "2026-11-21T03:00:00.5Z",
        "generatorURL": "http://prometheus/graph?g0.expr=x",
    }


def silence(site: WebOffice, *, value: str = "DiskFull", hours: float = 2, **more: Any) -> dict[str, Any]:
    now = site.clock()
    return {
        "matchers": [{"name": "alertname", "value": value, "isRegex": False}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=hours)).isoformat(),
        "createdBy": "ana",
        "comment": "new disks",
        **more,
    }


def silenced(site: WebOffice, **more: Any) -> str:
    answer = site.post(f"{API}/silences", json=silence(site, **more))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["silenceID"])


def get(site: WebOffice, path: str) -> Any:
    answer = site.get(API + path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


def names(alerts: list[Any]) -> list[str]:
    return sorted(one["labels"]["alertname"] for one in alerts)


# ---------------------------------------------------------------------------------------------------------------------
# Alerts


def test_nothing_is_an_empty_list(site):
    for path in ("/alerts", "/alerts/groups", "/silences"):
        assert get(site, path) == []


def test_an_alert_of_others_is_shown_as_it_was_posted(site):
    posts(site, disk_full(instance="db1"))
    (one,) = get(site, "/alerts")
    labels = disk_full(instance="db1")["labels"]
    assert one["labels"] == labels
    assert one["fingerprint"] == fingerprint(labels)
    assert one["annotations"] == {"summary": "/ is full"}
    assert one["startsAt"] == "2026-11-21T03:00:00.500Z"
    assert one["generatorURL"] == "http://prometheus/graph?g0.expr=x"
    assert one["receivers"] == [{"name": "standard"}]
    assert one["status"] == {"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []}
    assert all(INSTANT.fullmatch(one[name]) for name in ("startsAt", "endsAt", "updatedAt"))


def test_our_own_alerts_are_there_too(site):
    bad_night(site)
    found = get(site, "/alerts")
    assert names(found) == ["disk-space", "port-open", "shop-answers"]
    (shop,) = [one for one in found if one["labels"]["alertname"] == "shop-answers"]
    assert (shop["labels"]["target"], shop["labels"]["service"], shop["labels"]["tier"]) == ("shop", "orders", "1")
    assert shop["annotations"]["summary"].startswith("https://shop.example.com/health answers 503")
    assert shop["generatorURL"].startswith("http://ops.example.com:8470/incidents/")
    assert found == sorted(found, key=lambda one: one["fingerprint"])


def test_what_has_resolved_is_not_shown(site):
    posts(site, disk_full())
    site.clock.passes(minutes=1)
    posts(site, {**disk_full(), "endsAt": site.clock().isoformat()})
    assert get(site, "/alerts") == []


def test_filters_hold_for_the_labels_that_silences_see(site):
    bad_night(site)
    posts(site, disk_full(instance="db1", 地区="上海"))
    assert names(get(site, '/alerts?filter=alertname="DiskFull"')) == ["DiskFull"]
    assert names(get(site, '/alerts?filter=service="orders"&filter=alertname!~"D.*"')) == ["port-open", "shop-answers"]
    assert names(get(site, "/alerts?filter=地区=上海")) == ["DiskFull"]
    assert names(get(site, '/alerts?filter=instance=""&filter=state=warn')) == ["disk-space"]
    assert get(site, "/alerts?receiver=stand") == []
    assert len(get(site, "/alerts?receiver=stand.*")) == 4


@pytest.mark.parametrize("query", ["filter={a=b}", "filter=a", "filter=a=~(", "receiver=(", "active=perhaps",
                                   "&".join(["filter=a=b"] * 65)])  # fmt: skip
def test_a_bad_question_is_refused_with_a_json_string(site, query):
    answer = site.get(f"{API}/alerts?{query}")
    assert answer.status_code == 400
    assert isinstance(answer.json(), str) and answer.json()


def test_a_silence_suppresses_and_says_which(site):
    posts(site, disk_full())
    name = silenced(site)
    (one,) = get(site, "/alerts")
    assert one["status"] == {"state": "suppressed", "silencedBy": [name], "inhibitedBy": [], "mutedBy": []}
    assert get(site, "/alerts?silenced=false") == []
    assert len(get(site, "/alerts?active=false")) == 1


def test_maintenance_and_a_pause_mute_and_say_so(site):
    site.fails("memory", "this-host", "swap is in use: 61 %")
    for _ in range(2):
        site.clock.passes(minutes=1)
        site.fails("memory", "this-host", "swap is in use: 61 %")
    (one,) = get(site, "/alerts")
    assert one["status"]["mutedBy"] == ["maintenance weekly"]
    assert one["status"]["state"] == "suppressed"
    assert get(site, "/alerts?muted=false") == []


def test_groups_are_incidents(site):
    posts(site, disk_full(instance="db1"), disk_full(instance="db2"))
    (group,) = get(site, "/alerts/groups")
    assert group["labels"] == {"incident": "1", "service": "orders"}
    assert group["receiver"] == {"name": "standard"}
    assert group["routeLabels"] == {}
    assert [one["labels"]["instance"] for one in group["alerts"]] in (["db1", "db2"], ["db2", "db1"])


# ---------------------------------------------------------------------------------------------------------------------
# Silences


def test_a_silence_is_ours_too(site):
    name = silenced(site)
    (ours,) = site.office.views.silences()
    assert (ours.owner, ours.matchers, ours.reason) == ("ana", (("alertname", "=", "DiskFull"),), "new disks")
    one = get(site, f"/silence/{name}")
    assert one["id"] == name
    assert one["status"] == {"state": "active"}
    assert one["matchers"] == [{"name": "alertname", "value": "DiskFull", "isRegex": False, "isEqual": True}]
    assert (one["createdBy"], one["comment"]) == ("ana", "new disks")
    assert all(INSTANT.fullmatch(one[key]) for key in ("startsAt", "endsAt", "updatedAt"))


def test_a_person_is_known_by_name_or_login_and_others_keep_the_name_they_gave(site):
    silenced(site, createdBy="chenw")
    silenced(site, createdBy="Ana Müller")
    silenced(site, createdBy="jenkins")
    silenced(site, createdBy="")
    assert sorted(one.owner for one in site.office.views.silences()) == ["ana", "chen", "jenkins", "loopback"]


def test_what_a_role_may_not_is_refused_in_words(site):
    for author, hours in (("ana", 30), ("jenkins", 30), ("guest", 1)):
        answer = site.post(f"{API}/silences", json=silence(site, createdBy=author, hours=hours))
        assert answer.status_code == 400 and isinstance(answer.json(), str)
    assert site.post(f"{API}/silences", json=silence(site, createdBy="lead", hours=30)).status_code == 200


def test_it_is_changed_in_place_or_another_takes_its_place(site):
    name = silenced(site)
    begun = get(site, f"/silence/{name}")
    site.clock.passes(minutes=10)
    assert silenced(site, id=name, startsAt=begun["startsAt"], hours=5) == name
    assert get(site, f"/silence/{name}")["endsAt"] == "2026-11-21T08:14:00.000Z"
    other = silenced(site, id=name, startsAt=begun["startsAt"], value="Other")
    assert other != name
    assert {one["id"]: one["status"]["state"] for one in get(site, "/silences")} == {other: "active", name: "expired"}
    later = silenced(site, id=name)  # One that has ended makes a new one.
    assert later not in (name, other)
    assert len(site.office.views.silences()) == 2


def test_an_unknown_one_is_404(site):
    unknown = "11111111-2222-4333-8444-555555555555"
    for answer in (
        site.get(f"{API}/silence/{unknown}"),
        site.ask("DELETE", f"{API}/silence/{unknown}"),
        site.post(f"{API}/silences", json=silence(site, id=unknown)),
    ):
        assert answer.status_code == 404 and isinstance(answer.json(), str)


def test_expiring_twice_is_once(site):
    posts(site, disk_full())
    name = silenced(site)
    site.clock.passes(minutes=10)
    for _ in range(2):
        answer = site.ask("DELETE", f"{API}/silence/{name}")
        assert (answer.status_code, answer.text) == (200, "")
    one = get(site, f"/silence/{name}")
    assert (one["status"]["state"], one["endsAt"]) == ("expired", "2026-11-21T03:14:00.000Z")
    assert get(site, "/alerts")[0]["status"]["state"] == "active"


def test_one_that_never_began_ends_where_it_is_expired(site):
    start = site.clock() + timedelta(hours=1)
    name = silenced(site, startsAt=start.isoformat())
    assert get(site, f"/silence/{name}")["status"]["state"] == "pending"
    site.ask("DELETE", f"{API}/silence/{name}")
    one = get(site, f"/silence/{name}")
    assert one["startsAt"] == one["endsAt"] == "2026-11-21T03:04:00.000Z"


def test_they_are_listed_in_alertmanagers_order_for_five_days(site):
    start = (site.clock() + timedelta(hours=1)).isoformat()
    pending = silenced(site, startsAt=start)
    long, short = silenced(site, hours=5), silenced(site, hours=3)
    first, last = silenced(site), silenced(site, value="Other")
    for name in (first, last):
        site.clock.passes(minutes=1)
        site.ask("DELETE", f"{API}/silence/{name}")
    assert [one["id"] for one in get(site, "/silences")] == [short, long, pending, last, first]
    assert [one["id"] for one in get(site, "/silences?active=false&pending=false")] == [last, first]
    assert [one["id"] for one in get(site, '/silences?filter=alertname="Other"')] == [last]
    site.clock.passes(hours=119)
    site.ticks()
    site.office.store.prune(site.clock())
    assert len(get(site, "/silences")) == 5
    site.clock.passes(hours=6)
    site.office.store.prune(site.clock())
    assert get(site, "/silences") == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"matchers": []},
        {"matchers": None},
        {"matchers": [{"name": "a", "value": "", "isRegex": False}]},
        {"matchers": [{"name": "a", "value": ".*", "isRegex": True}]},
        {"matchers": [{"name": "a", "value": "(", "isRegex": True}]},
        {"matchers": [{"name": "", "value": "b", "isRegex": False}]},
        {"matchers": [{"name": "a", "value": 7, "isRegex": False}]},
        {"matchers": ["a=b"]},
        {"endsAt": "2026-11-21T02:00:00Z"},
        {"startsAt": "2026-11-21T09:00:00Z", "endsAt": "2026-11-21T08:00:00Z"},
        {"endsAt": None},
        {"endsAt": "tomorrow"},
        {"endsAt": 12},
        {"createdBy": 7},
    ],
)
def test_a_bad_silence_is_refused_with_a_json_string(site, wrong):
    answer = site.post(f"{API}/silences", json=silence(site) | wrong)
    assert answer.status_code == 400
    assert isinstance(answer.json(), str)
    assert site.office.views.silences() == []


def test_hundreds_can_be_imported_at_once(site):
    codes = {site.post(f"{API}/silences", json=silence(site, value=f"n{n}")).status_code for n in range(200)}
    assert codes == {200}


# ---------------------------------------------------------------------------------------------------------------------
# The rest, and who may


def test_status_says_what_clients_insist_on(site):
    found = get(site, "/status")
    assert found["cluster"] == {"status": "ready", "name": "ops-1", "peers": [{"name": "ops-1", "address": "ops-1"}]}
    assert INSTANT.fullmatch(found["uptime"])
    assert {*found["versionInfo"]} == {"version", "revision", "branch", "buildUser", "buildDate", "goVersion"}
    assert all(isinstance(value, str) for value in found["versionInfo"].values())
    assert "secret" not in found["config"]["original"]
    assert get(site, "/receivers") == [{"name": "standard"}, {"name": "night"}]


def test_whether_it_is_well_is_open_to_everybody(site):
    for path in ("/-/healthy", "/-/ready"):
        answer = site.stranger("GET", path)
        assert (answer.status_code, answer.text) == (200, "OK")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(("token", "looks", "silences"), [("", 401, 401), (READ_TOKEN, 200, 403),
                                                          (INGEST_TOKEN, 403, 403), (ACT_TOKEN, 200, 200)])  # fmt: skip
def test_strangers_may_what_their_token_may(site, token, looks, silences):
    headers = bearer(token) if token else {}
    answer = site.stranger("GET", f"{API}/alerts", headers=headers)
    assert answer.status_code == looks
    answer = site.stranger("POST", f"{API}/silences", json=silence(site), headers=headers)
    assert answer.status_code == silences
    assert isinstance(answer.json(), str) is (silences != 200)


def test_a_page_in_a_browser_on_this_machine_may_not_silence(site):
    for headers in ({"Origin": "http://evil.example.com"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = site.post(f"{API}/silences", json=silence(site), headers=headers)
        assert answer.status_code == 403
    answer = site.post(f"{API}/silences", data="{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    assert site.get(f"{API}/alerts", headers={"Host": "evil.example.com"}).status_code == 403


def test_what_is_not_there_is_a_json_string_too(site):
    assert isinstance(site.get(f"{API}/nothing").json(), str)
    answer = site.ask("PUT", f"{API}/silences", json={})
    assert answer.status_code == 405 and isinstance(answer.json(), str)


def test_the_incident_says_who_posted_what_and_where_it_was_seen(site):
    posts(site, disk_full(instance="db1"))
    (one,) = site.get("/api/v1/incidents/1").json()["failing"]
    assert (one["source"], one["labels"]["instance"]) == ("prometheus", "db1")
    assert one["annotations"] == {"summary": "/ is full"}
    page = site.get("/incidents/1").text
    assert "posted by prometheus" in page
    assert 'href="http://prometheus/graph?g0.expr=x"' in page
    posts(site, {**disk_full(instance="db2", service="pay"), "generatorURL": "javascript:alert(1)"})
    assert 'href="javascript:' not in site.get("/incidents/2").text


PARENTS = """
[[service]]
id = "net"
name = "Network"
[[target]]
id = "router"
kind = "tcp"
url = "tcp://router.example.com:22"
service = "net"
[[target]]
id = "db"
kind = "tcp"
url = "tcp://db.example.com:5432"
service = "orders"
parents = ["router"]
"""


def test_what_a_parent_explains_is_inhibited_by_the_parents_alert(tmp_path, monkeypatch):
    monkeypatch.setattr(rooms, "CHECKS", rooms.CHECKS.replace('["pay"]', '["pay", "router", "db"]'))
    with web_office(tmp_path, more=PARENTS) as site:
        for _ in range(2):
            site.clock.passes(minutes=2)
            for target in ("router", "db"):
                site.fails("port-open", target, f"{target} refuses connections")
        found = {one["labels"]["target"]: one for one in get(site, "/alerts")}
        assert found["router"]["status"]["state"] == "active"
        assert found["db"]["status"]["inhibitedBy"] == [found["router"]["fingerprint"]]
        assert [one["labels"]["target"] for one in get(site, "/alerts?inhibited=false")] == ["router"]


def test_without_loopback_nobody_may_anything_unasked(tmp_path):
    with web_office(tmp_path, web="loopback = false") as site:
        assert site.get(f"{API}/alerts").status_code == 401
        assert site.post(f"{API}/silences", json=silence(site)).status_code == 401
        assert site.ask("GET", f"{API}/alerts", token=READ_TOKEN).status_code == 200
