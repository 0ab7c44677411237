"""What a person reads at 3 a.m.: the right words, in their language, with every time in their zone."""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opswatch import render
from opswatch.core import grammar
from opswatch.core.counts import say_count
from opswatch.core.effects import Announce, Done, Entry, Page, Refuse, Update
from opswatch.core.model import Health, PageReason, Priority, QuietReason, Role, Status, UnknownReason
from opswatch.core.plan import Check, Level, Person, Plan, Policy, Service
from opswatch.core.state import Alert, Incident
from opswatch.render.words import fill

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 5, 3, 10, tzinfo=UTC)
MINUTES = timedelta(minutes=1)
PLAN = Plan(
    services={"orders": Service("orders", "Order pipeline", 1)},
    people={
        "bo": Person("bo", "Bo", "Asia/Shanghai", "en"),
        "chen": Person("chen", "陈伟", "Asia/Shanghai", "zh"),
    },
    policies={
        "standard": Policy("standard", (Level(("roster:primary",)), Level(("roster:primary/next", "channel:ops"))), 1)
    },
    checks={"disk": Check("disk", "disk", ("db-1",), playbook="disk-full")},
)
DISK = Alert(
    "disk", "db-1", "/", 1, Health.CRIT, NOW - 6 * MINUTES, NOW, "/ is 93 % full", Priority.P1,
    "P1 because: crit, tier 1 service orders", evidence=("/dev/sda1 100G 93G 7G 93% /",),
)  # fmt: skip
INCIDENT = Incident(
    142, "/ is 93 % full on db-1", Status.TRIGGERED, Priority.P1, "P1 because: crit, tier 1 service orders",
    NOW - 6 * MINUTES, "standard", NOW, service="orders", check="disk", alerts=(DISK.key,), level=1,
    level_until=NOW + 5 * MINUTES,
)  # fmt: skip


def link(kind, **facts):
    return f"http://ops/{kind}/" + "/".join(str(fact) for fact in facts.values())


def page_to(person, incident=INCIDENT, alerts=(DISK,), *, reason=PageReason.FIRST, level=1, **given):
    rung = Page(142, 1, 1, level, person, "1", "slack", Priority.P1, reason, roster="primary")
    return render.page(PLAN, incident, rung, alerts, link=link, at=NOW, **given)


def test_a_pages_title_says_how_bad_which_service_what_and_where():
    assert page_to("bo").title == "P1 Order pipeline: / is 93 % full on db-1"


def test_a_page_says_why_what_since_when_and_what_happens_next():
    text = page_to("bo", first_step="du -xh / | sort -h | tail").text
    assert "Why P1: crit, tier 1 service orders" in text
    assert "Seen: / is 93 % full" in text
    assert "Since: Mon 5 Jan 11:04 (Asia/Shanghai), 6m ago" in text
    assert "If nobody answers: at Mon 5 Jan 11:15 (Asia/Shanghai): next in primary, channel ops (level 2)" in text
    assert "First step: du -xh / | sort -h | tail" in text
    assert "Acknowledge: http://ops/acknowledge/142/bo" in text


def test_a_person_reads_their_own_language():
    text = page_to("chen").text
    assert "因为故障刚刚发生" in text
    assert "1月5日 周一 11:04（Asia/Shanghai），6 分钟前" in text


def test_who_the_next_level_would_page_is_named_where_it_is_known():
    assert "陈伟 (level 2)" in page_to("bo", next_people=["chen"]).text


@pytest.mark.parametrize(
    ("level", "cycle", "words"),
    [
        (1, 1, "(level 2)"),
        (2, 1, "on call in primary (level 1 again, climb 2 of 2)"),
        (2, 2, "nobody (last resort)"),
        (3, 2, "you again, until somebody answers"),
    ],
)
def test_the_next_rung_of_the_ladder_is_told(level, cycle, words):
    assert words in page_to("bo", replace(INCIDENT, level=level, cycle=cycle)).text


def test_a_page_of_the_last_resort_names_no_level():
    assert "level" not in page_to("bo", reason=PageReason.UNANSWERED, level=3).thread_line


def test_a_page_that_may_be_a_repeat_says_so():
    page = page_to("bo", possible_duplicate=True, attempt=2)
    assert "You may have had this page already" in page.text
    assert (page.payload["possible_duplicate"], page.payload["attempt"]) == (True, 2)


def test_a_pages_payload_is_the_contracts():
    assert page_to("bo").payload == {
        "kind": "page",
        "page_id": "142/1/1/1/bo/1",
        "attempt": 1,
        "possible_duplicate": False,
        "test": False,
        "incident": 142,
        "priority": "P1",
        "reason": "first",
        "status": "triggered",
        "title": "P1 Order pipeline: / is 93 % full on db-1",
        "summary": "/ is 93 % full",
        "why": "P1 because: crit, tier 1 service orders",
        "service": "orders",
        "person": "bo",
        "level": 1,
        "cycle": 1,
        "roster": "primary",
        "links": {
            "incident": "http://ops/incident/142",
            "acknowledge": "http://ops/acknowledge/142/bo",
            "resolve": "http://ops/resolve/142/bo",
            "playbook": "http://ops/playbook/disk-full",
        },
        "at": "2026-01-05T03:10:00.000Z",
    }


def test_links_that_lead_nowhere_are_null():
    rung = Page(142, 1, 1, 1, "bo", "1", "slack", Priority.P1, PageReason.FIRST)
    page = render.page(PLAN, INCIDENT, rung, [DISK], link=lambda kind, **facts: None, at=NOW)
    assert set(page.payload["links"].values()) == {None}
    assert page.links == {}


def test_the_buttons_are_sentences_of_the_grammar():
    for status in Status:
        for action in page_to("bo", replace(INCIDENT, status=status)).actions:
            meant = grammar.parse(action.sentence, by="bo", door="slack", now=NOW)
            assert meant.incident == 142


def test_many_alerts_show_the_worst_and_count_the_rest():
    alerts = [replace(DISK, target=f"db-{n}", priority=Priority.P2) for n in range(9)]
    alerts.append(replace(DISK, target="db-x", priority=Priority.P0, sentence="gone"))
    seen = page_to("bo", alerts=alerts).payload["summary"].splitlines()
    assert seen[0] == "gone (db-x /)"
    assert seen[-1] == "and 5 more"


def test_an_update_is_quiet_and_says_who_has_it():
    taken = replace(INCIDENT, status=Status.ACKNOWLEDGED, owner="bo")
    said = render.update(PLAN, taken, Update(142, "chen", "slack", "acknowledged", "7"), id="u7", link=link, at=NOW)
    assert not said.loud
    assert said.thread_line == "Bo 已认领"
    assert said.payload["event"] == "acknowledged"
    assert "若无人应答" not in said.text


def test_an_announcement_edits_its_card_and_adds_a_line():
    over = replace(INCIDENT, status=Status.RESOLVED, resolved_at=NOW)
    said = render.announce(PLAN, over, Announce("ops", "resolved", "9", 142), id="a9", link=link, at=NOW, ref="C1:1")
    assert (said.ref, said.card, said.thread_line, said.loud) == ("C1:1", "incident/142", "resolved", False)
    assert (said.payload["kind"], said.payload["channel"], said.payload["event"]) == ("announce", "ops", "resolved")
    assert "after 6m" in said.text


def test_a_first_announcement_has_no_thread_line_yet():
    said = render.announce(PLAN, INCIDENT, Announce("ops", "triggered", "1", 142), [DISK], id="a1", link=link, at=NOW)
    assert (said.title, said.thread_line) == ("P1 Order pipeline: / is 93 % full on db-1", "")


def test_an_event_nobody_has_words_for_is_still_told():
    said = render.announce(PLAN, INCIDENT, Announce("ops", "sang", "1", 142), [DISK], id="a1", link=link, at=NOW)
    assert said.thread_line == "changed"


def test_a_digest_lists_what_is_open_worst_first():
    cert = replace(INCIDENT, number=143, priority=Priority.P3, title="certificate ends in 20 days")
    said = render.digest(PLAN, Announce("ops", "digest", "1"), [cert, INCIDENT], id="d", link=link, at=NOW)
    assert said.title == "Digest: 2 open"
    assert said.text.index("#142") < said.text.index("For your information") < said.text.index("#143")


def test_a_digest_counts_what_it_does_not_show():
    many = [replace(INCIDENT, number=number) for number in range(1, 51)]
    assert "and 10 more" in render.digest(PLAN, Announce("ops", "digest", "1"), many, id="d", link=link, at=NOW).text


def test_a_digest_of_nothing_says_so():
    said = render.digest(PLAN, Announce("ops", "digest", "1"), [], id="d", link=link, at=NOW)
    assert said.title == "Digest: nothing is open"


def test_a_test_page_cannot_be_taken_for_a_real_one():
    rung = Page(0, 1, 1, 1, "bo", "1", "email", Priority.P1, PageReason.FIRST, test=True)
    said = render.test_page(PLAN, rung, at=NOW, by="chen")
    assert said.title == "Test page: nothing is wrong"
    assert (said.payload["test"], said.payload["incident"]) == (True, None)
    assert set(said.payload) == set(page_to("bo").payload)


def test_a_title_fits_a_lock_screen_whatever_a_probe_said():
    long = replace(INCIDENT, title="line one\nline two " + "x" * 500)
    title = page_to("bo", long).title
    assert len(title) <= 150
    assert "\n" not in title


# ---------------------------------------------------------------------------------------------------------------------
# Answers and the timeline


def test_an_answer_is_in_the_persons_language_with_names_and_local_times():
    done = Done("snoozed", {"incident": 142, "until": NOW})
    assert render.answer("en", done, zone="Europe/Berlin") == "#142 is quiet until Mon 5 Jan 04:10 (Europe/Berlin)."
    taken = Refuse("already_acknowledged", {"incident": 142, "by": "chen"})
    assert render.answer("zh", taken, plan=PLAN) == "陈伟 已经认领了 #142。"
    given = Done("reassigned", {"incident": 142, "to": "chen"})
    assert render.answer("zh", given, plan=PLAN) == "#142 已转派给 陈伟。"


def test_a_refusal_shows_what_was_expected():
    refused = grammar.parse("snooze 142", by="bo", door="slack", now=NOW)
    assert render.answer("en", refused) == ("For how long?\nExpected: snooze NUMBER SPAN\nFor example: snooze 142 2h")


def test_an_answer_without_words_is_still_readable():
    assert render.answer("en", Refuse("quota_used_up", {"left": 3})) == "quota used up: left 3"


def test_one_is_singular_and_brackets_without_a_fact_are_brackets():
    words = "{count} {count:page|pages}[ of {pool}] in a [[roster]]"
    assert fill(words, {"count": "1"}) == "1 page in a [[roster]]"
    assert fill(words, {"count": "2", "pool": "night"}) == "2 pages of night in a [[roster]]"
    assert [say_count(number, "policy", "policies") for number in (0, 1, 2)] == ["0 policies", "1 policy", "2 policies"]


def test_facts_that_look_like_templates_are_shown_as_they_are():
    noted = Entry(NOW, "noted", 142, "bo", {"text": "see {by} and [this]"})
    assert render.entry("en", noted, plan=PLAN) == "Bo: see {by} and [this]"


@pytest.mark.parametrize(
    ("kind", "facts", "line"),
    [
        (
            "page_delivered",
            {"person": "bo", "channel": "slack", "took_s": 1.83},
            "page delivered to Bo by slack after 1.8s",
        ),
        (
            "page_failed",
            {"person": "bo", "channel": "slack", "reason": "channel_not_found", "permanent": True, "attempt": 1},
            "page to Bo by slack failed: channel_not_found; this way is closed",
        ),
        ("level_entered", {"level": 2, "people": ["bo", "chen"], "until": None}, "level 2 paged: Bo, 陈伟"),
        ("reassigned", {"to": "team:dev"}, "given to team dev"),
        ("snoozed", {"by": "bo", "until": "2026-01-05T04:00:00+00:00"}, "snoozed by Bo until Mon 5 Jan 04:00 (UTC)"),
        ("moon_landing", {"crew": 3}, "moon landing: crew 3"),
    ],
)  # fmt: skip
def test_a_line_of_the_timeline_reads_well(kind, facts, line):
    assert render.entry("en", Entry(NOW, kind, 142, None, facts), plan=PLAN) == line


# ---------------------------------------------------------------------------------------------------------------------
# The catalogues


def catalogue(language):
    return tomllib.loads((ROOT / "opswatch" / "locale" / f"{language}.toml").read_text(encoding="utf-8"))


def test_both_languages_have_the_same_keys_and_facts():
    english, chinese = catalogue("en"), catalogue("zh")
    assert {section: list(words) for section, words in english.items()} == {
        section: list(words) for section, words in chinese.items()
    }
    for section, words in english.items():
        for key, template in words.items():
            if section != "time":
                other = re.findall(r"\{\w+\??\}", chinese[section][key])
                assert sorted(re.findall(r"\{\w+\??\}", template)) == sorted(other), f"{section}.{key}"


def calls_in_core(*names):
    """Keys given as plain text to `m.record("…")` and the like, anywhere in the core."""
    found = set()
    for path in (ROOT / "opswatch" / "core").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0]
            if name in names and isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(first.value)
    return found


def test_every_entry_of_the_core_has_words():
    assert calls_in_core("record") <= set(catalogue("en")["entry"])


def test_every_answer_of_the_core_has_words():
    answers = calls_in_core("done", "refuse", "Done", "Refuse", "Unclear") - {"too_short"}
    assert answers <= set(catalogue("en")["answer"])


def test_every_reason_state_and_role_has_words():
    words = set(catalogue("en")["word"])
    for codes in (PageReason, QuietReason, UnknownReason, Status, Health):
        assert {str(code) for code in codes} <= words
    assert {role.name.lower() for role in Role} <= words
    assert set(catalogue("en")["verb"]) == {verb.name for verb in grammar.VERBS}
    assert set(catalogue("en")["priority"]) == {str(priority) for priority in Priority}
