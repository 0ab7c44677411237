"""The whole process: a parent that is down, and a network that is gone, each told by one page."""

from __future__ import annotations

import socket

GATEWAY = """
[[target]]
id = "gateway"
kind = "tcp"
url = "tcp://127.0.0.1:{port}"
service = "net"
[[target]]
id = "app"
kind = "host"
service = "orders"
parents = ["gateway"]
[[service]]
id = "net"
"""
GATEWAY_CHECKS = """
[[check]]
id = "gateway-answers"
probe = "tcp"
targets = ["gateway"]
every = "1h"
timeout = "5s"
confirm = 1
recover = 1
priority = {{ crit = "P1" }}
"""
BLIND = """
[[target]]
id = "far-1"
kind = "tcp"
url = "tcp://192.0.2.2:9"
[[target]]
id = "far-2"
kind = "tcp"
url = "tcp://192.0.2.3:9"
[vantage]
anchors = ["tcp://192.0.2.1:9"]
failing = 2
"""
FAR_CHECKS = """
[[check]]
id = "far-answers"
probe = "tcp"
match = {{ kind = "tcp" }}
every = "2s"
timeout = "1s"
confirm = 2
recover = 1
priority = {{ crit = "P1" }}
"""


ASKED_MAX = 8


def quiets(box) -> dict[str, str | None]:
    return {f"{row['check']}/{row['target']}": row["quiet"] for row in box.json("checks", "list")}


def test_a_parent_is_looked_at_before_its_child_is_told_and_the_child_is_not(installed, receiver):
    with socket.create_server(("127.0.0.1", 0)) as gateway:
        more = GATEWAY.format(port=gateway.getsockname()[1])
        box = installed(more=more, more_checks="")
        checks = box.folder / "checks" / "all.toml"
        checks.write_text(checks.read_text() + GATEWAY_CHECKS.format())
        box.start()
        box.wait_for_log(r"^looked at  gateway-answers/gateway: ok")
    box.fails()  # box and app alike; nothing but a question of app looks at the gateway within the hour
    receiver.wait(lambda body: body["kind"] == "page" and "gateway" in body["title"])
    receiver.wait(lambda body: body["kind"] == "page" and "on box" in body["title"])
    assert quiets(box)["flag/app"] == "unreachable"
    assert len(receiver.pages()) == 2
    said = box.says("explain", "flag/app")
    assert "unreachable because of gateway" in said


def test_opswatch_says_that_it_cannot_see_and_nothing_else(installed, receiver):
    box = installed(more=BLIND)
    checks = box.folder / "checks" / "all.toml"
    checks.write_text(checks.read_text() + FAR_CHECKS.format())
    box.start()
    receiver.wait(lambda body: body["kind"] == "page" and "cannot see" in body["title"])
    for _ in range(ASKED_MAX):  # On a busy machine their second look may come after the first question.
        box.wait_for_log("anchors asked", len(box.log.read_text()))
        why = {quiets(box)[f"far-answers/far-{number}"] for number in (1, 2)}
        if why == {"vantage"}:
            break
    assert why == {"vantage"}
    assert len(receiver.pages()) == 1
