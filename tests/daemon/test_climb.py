"""Nobody answers: the ladder climbs at the stored instants, also across a kill and a reload in the middle of a wait."""

from __future__ import annotations

from datetime import datetime, timedelta


def page_for(person: str):
    return lambda body: body["kind"] == "page" and body["person"] == person


def due_at(box) -> datetime:
    (row,) = box.json("list")
    return datetime.fromisoformat(row["next_deadline"])


def at(body) -> datetime:
    return datetime.fromisoformat(body["at"])


def test_the_next_person_is_paged_when_nobody_answers(installed, receiver):
    box = installed(wait="2s")
    box.start()
    box.fails()
    first = receiver.wait(page_for("ana"))
    second = receiver.wait(page_for("bo"))
    assert (first["reason"], second["reason"]) == ("first", "unanswered")
    assert (second["level"], second["possible_duplicate"]) == (2, False)
    assert first["links"]["acknowledge"].startswith("http://")
    assert at(second) - at(first) >= timedelta(seconds=1), "instants are written to the second"


def test_the_stored_instant_survives_a_kill_in_the_middle_of_the_wait(installed, receiver):
    box = installed(wait="10s")
    box.start()
    box.fails()
    receiver.wait(page_for("ana"))
    due = due_at(box)
    box.kill()
    box.start()
    assert due_at(box) == due
    assert at(receiver.wait(page_for("bo"))) >= due


def test_a_deadline_that_passes_while_it_is_down_is_kept_at_the_start(installed, receiver):
    box = installed(wait="1s")
    box.start()
    box.fails()
    receiver.wait(page_for("ana"))
    box.kill()
    seen = [body["person"] for body in receiver.pages()]
    if "bo" not in seen:
        box.start()
        receiver.wait(page_for("bo"))
    to_ana = [body for body in receiver.pages() if body["person"] == "ana"]
    assert all(body["possible_duplicate"] for body in to_ana[1:]), "killed before the receipt: once more, and marked"


def test_a_reload_in_the_middle_of_the_wait_resets_no_timer(installed, receiver):
    box = installed(wait="10s")
    box.start()
    box.fails()
    receiver.wait(page_for("ana"))
    due = due_at(box)
    box.config.write_text(box.config.read_text() + "\n# a remark\n")
    box.reload()
    box.wait_for_log("configuration reloaded")
    assert due_at(box) == due
    receiver.wait(page_for("bo"))


def test_a_bad_file_is_refused_and_what_runs_stays(installed, receiver):
    import requests

    box = installed()
    box.start()
    good = box.config.read_text()
    box.config.write_text(good + "\n[[route]]\npolicy = 'standart'\n")
    box.reload()
    box.wait_for_log("configuration refused")
    assert "standart" in box.log.read_text()
    assert "opswatch_config_stale 1.0" in requests.get(f"{box.url}/metrics", timeout=5).text
    assert requests.get(f"{box.url}/healthz", timeout=5).status_code == 200
    box.fails()
    receiver.wait(page_for("ana"))
    box.config.write_text(good)
    box.reload()
    box.wait_for_log("configuration reloaded")
    assert "opswatch_config_stale 0.0" in requests.get(f"{box.url}/metrics", timeout=5).text


def test_an_acknowledgement_from_the_command_line_stops_the_ladder(installed, receiver):
    box = installed(wait="3s")
    box.start()
    box.fails()
    receiver.wait(page_for("ana"))
    assert "1" in box.says("ack", "1", "--as", "ana")
    receiver.wait(lambda body: body["kind"] == "update" and body["event"] == "acknowledged")
    (row,) = box.json("list")
    assert (row["status"], row["owner"]) == ("acknowledged", "ana")
    box.recovers()
    receiver.wait(lambda body: body["kind"] == "update" and body["event"] == "resolved")
    assert [body["person"] for body in receiver.pages()] == ["ana"]
    assert box.json("list") == []


def test_the_signed_link_of_a_page_acknowledges_by_post_and_not_by_get(installed, receiver):
    import requests

    box = installed(more="")
    box.start()
    box.config.write_text(box.config.read_text().replace('node = "here"', f'node = "here"\npublic_url = "{box.url}"'))
    box.stop()
    # The port is only known once it listens: from now on it is fixed.
    port = box.url.rpartition(":")[2]
    box.config.write_text(box.config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    box.start()
    box.fails()
    link = receiver.wait(page_for("ana"))["links"]["acknowledge"]
    assert requests.get(link, timeout=5).status_code == 200
    assert box.json("list")[0]["status"] == "triggered"
    assert requests.post(link, timeout=5).status_code == 200
    (row,) = box.json("list")
    assert (row["status"], row["owner"]) == ("acknowledged", "ana")


def test_on_postgresql_it_pages_is_killed_and_is_answered(installed, receiver, postgres_url):
    box = installed(wait="3s", store=postgres_url)
    box.start()
    box.fails()
    receiver.wait(page_for("ana"))
    box.kill()
    box.start()
    receiver.wait(page_for("bo"))
    box.says("ack", "1", "--as", "bo")
    receiver.wait(lambda body: body["kind"] == "update" and body["event"] == "acknowledged")
    box.recovers()
    receiver.wait(lambda body: body["kind"] == "update" and body["event"] == "resolved")
    assert box.json("list") == []
    assert box.stop() == 0
