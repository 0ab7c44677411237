"""What people type at 3 a.m. is understood; what could be meant otherwise is refused with an example."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opswatch.core import events, grammar
from opswatch.core.absences import KINDS
from opswatch.core.effects import Refuse
from opswatch.core.events import Command
from opswatch.core.model import Priority, Severity, Stage

NOW = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)  # a Monday
HOURS = timedelta(hours=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")


def parse(text, *, here=None, addressed=True, zone=UTC):
    return grammar.parse(text, by="ana", door="slack", now=NOW, default_incident=here, addressed=addressed, zone=zone)


def says(command_type, *args, **facts):
    return command_type(*args, **facts, by="ana", door="slack")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("acknowledge 142", says(events.Acknowledge, 142)),
        ("ACK #142!", says(events.Acknowledge, 142)),
        ("@opswatch ack 142, please", says(events.Acknowledge, 142)),
        ("/opswatch ack 142 thanks", says(events.Acknowledge, 142)),
        ("142 ack", says(events.Acknowledge, 142)),
        ("认领142", says(events.Acknowledge, 142)),
        ("认领　１４２", says(events.Acknowledge, 142)),
        ("请认领 142，谢谢", says(events.Acknowledge, 142)),
        ("@opswatch认领 142", says(events.Acknowledge, 142)),
        ("ack 142 - on my way", says(events.Acknowledge, 142)),
        ("swap accept 3", says(events.AcceptCover, 3)),
        ("cover 3", says(events.AcceptCover, 3)),
        ("顶班 3", says(events.AcceptCover, 3)),
        ("accept swap #3 of @bo", says(events.AcceptCover, 3, of="bo")),
        ("swap ask primary", says(events.AskSwap, "primary")),
        (
            "cover ask primary from 18:00 to 20:00 with @bo because dentist",
            says(events.AskCover, "primary", NOW + 15 * HOURS, NOW + 17 * HOURS, "bo", reason="dentist"),
        ),
        (
            "申请换班 primary 从 18:00 到 20:00 跟 bo",
            says(events.AskSwap, "primary", NOW + 15 * HOURS, NOW + 17 * HOURS, "bo"),
        ),
        ("swap withdraw 3", says(events.WithdrawCover, 3)),
        ("撤回顶班 3", says(events.WithdrawCover, 3)),
        ("swap offer 3", says(events.OfferCover, 3)),
        ("absence from 2026-01-06 to 2026-01-07", says(events.AddAbsence, NOW + 21 * HOURS, NOW + 69 * HOURS)),
        ("absence from 2026-01-06", says(events.AddAbsence, NOW + 21 * HOURS, NOW + 45 * HOURS)),
        ("请假 从 2026-01-06 到 2026-01-06 18:00", says(events.AddAbsence, NOW + 21 * HOURS, NOW + 39 * HOURS)),
        ("absence @bo sick for 3h", says(events.AddAbsence, NOW, NOW + 3 * HOURS, "bo", "sick")),
        ("销假 3", says(events.RemoveAbsence, 3)),
        ("unack 142", says(events.Unack, 142)),
        ("取消认领 142", says(events.Unack, 142)),
        ("resolve 142", says(events.Resolve, 142)),
        ("关闭 142 磁盘已清理，观察中", says(events.Resolve, 142, "磁盘已清理，观察中")),
        ("close 142: cleaned /var", says(events.Resolve, 142, "cleaned /var")),
        ("reopen incident 142", says(events.Reopen, 142)),
        ("snooze 142 2h", says(events.Snooze, 142, 2 * HOURS)),
        ("snooze 142 for 1h 30m", says(events.Snooze, 142, 1.5 * HOURS)),
        ("snooze 142 for 2 hours", says(events.Snooze, 142, 2 * HOURS)),
        ("snooze 142 until 05:00", says(events.Snooze, 142, 2 * HOURS)),
        ("暂缓 142 半小时", says(events.Snooze, 142, HOURS / 2)),
        ("暂缓142 2个小时", says(events.Snooze, 142, 2 * HOURS)),
        ("escalate 142", says(events.Escalate, 142)),
        ("升级 142", says(events.Escalate, 142)),
        ("reassign 142 @bo", says(events.Reassign, 142, "person:bo")),
        ("reassign 142 to bo", says(events.Reassign, 142, "person:bo")),
        ("转派 142 给 @bo", says(events.Reassign, 142, "person:bo")),
        ("reassign 142 team:dev --due 2026-01-07T18:00", says(events.Reassign, 142, "team:dev", NOW + 63 * HOURS)),
        ("reassign 142 team:dev due tomorrow 18:00", says(events.Reassign, 142, "team:dev", NOW + 39 * HOURS)),
        ("reassign 142 team:dev due fri 18:00", says(events.Reassign, 142, "team:dev", NOW + 111 * HOURS)),
        ("note 142 Replica rebuilt, see <http://x/y>", says(events.Note, 142, "Replica rebuilt, see <http://x/y>")),
        ("备注 142 磁盘满了", says(events.Note, 142, "磁盘满了")),
        ("merge 142 into 140", says(events.Merge, 142, 140)),
        ("合并 142 到 140", says(events.Merge, 142, 140)),
        ("merge #142 #140", says(events.Merge, 142, 140)),
        ("split 142 disk-space/db-1 web/*", says(events.Split, 142, ("disk-space/db-1", "web/*"))),
        ("拆分 142 service:orders", says(events.Split, 142, (), "orders")),
        ("update 142 back by 15:00", says(events.PostUpdate, 142, "back by 15:00")),
        ("update 142 template:investigating", says(events.PostUpdate, 142, "", "investigating")),
        ("通报 142 模板：monitoring 观察中", says(events.PostUpdate, 142, "观察中", "monitoring")),
        ("priority 142 p1", says(events.SetPriority, 142, Priority.P1)),
        ("优先级 142 P０", says(events.SetPriority, 142, Priority.P0)),
        ("open P1 service:orders checkout fails", says(events.Open, "checkout fails", "orders", Priority.P1)),
        ("open checkout fails\nsince noon", says(events.Open, "checkout fails", text="since noon")),
        ("报障 支付页面打不开", says(events.Open, "支付页面打不开")),
        (
            "silence service=orders for 2h because index rebuild",
            says(events.AddSilence, (("service", "=", "orders"),), NOW + 2 * HOURS, "index rebuild"),
        ),
        (
            'silence {check=~"disk-.*", target!=db-1} 2h “index rebuild”',
            says(
                events.AddSilence,
                (("check", "=~", "disk-.*"), ("target", "!=", "db-1")),
                NOW + 2 * HOURS,
                "index rebuild",
            ),
        ),
        (
            "静默 service＝orders 2小时 原因 重建索引",
            says(events.AddSilence, (("service", "=", "orders"),), NOW + 2 * HOURS, "重建索引"),
        ),
        ("unsilence 3", says(events.ExpireSilence, 3)),
        ("silence expire 3", says(events.ExpireSilence, 3)),
        (
            "override primary from 18:00 to 23:00 replace ana by bo",
            says(events.AddOverride, "primary", NOW + 15 * HOURS, NOW + 20 * HOURS, "ana", "bo"),
        ),
        (
            "override add --roster primary --from 2026-01-06T09:00 --to 2026-01-06T10:00 --add bo",
            says(events.AddOverride, "primary", NOW + 30 * HOURS, NOW + 31 * HOURS, None, "bo"),
        ),
        (
            "override primary for 2h remove @ana because dentist",
            says(events.AddOverride, "primary", NOW, NOW + 2 * HOURS, "ana", reason="dentist"),
        ),
        ("override remove 3", says(events.RemoveOverride, 3)),
        ("pause 1h because data centre move", says(events.Pause, NOW + HOURS, "data centre move")),
        ("暂停1小时", says(events.Pause, NOW + HOURS)),
        ("unpause", says(events.Unpause)),
        ("page-test bo", says(events.PageTest, "bo")),
        ("test page @bo via slack", says(events.PageTest, "bo", "slack")),
        ("page-test", says(events.PageTest, "ana")),
        ("duty-note batch ran late", says(events.DutyNote, "batch ran late")),
        (
            "risk high due 2026-12-01 @bo service:orders no spare disk",
            says(events.AddRisk, "no spare disk", Severity.HIGH, "bo", date(2026, 12, 1), "orders"),
        ),
        ("登记隐患 高 负责人 chen 磁盘没有备件", says(events.AddRisk, "磁盘没有备件", Severity.HIGH, "chen")),
        ("risk assign 3 @bo due fri", says(events.AssignRisk, 3, "bo", date(2026, 1, 9))),
        ("assign-risk 3 due 2 weeks", says(events.AssignRisk, 3, None, date(2026, 1, 19))),
        ("close risk 3", says(events.CloseRisk, 3)),
        ("关闭隐患 3 原因 已换盘", says(events.CloseRisk, 3, "已换盘")),
        (
            "accept risk 3 for 2h because the host goes",
            says(events.AcceptRisk, 3, NOW + 2 * HOURS, "the host goes"),
        ),
        ("postmortem new 142", says(events.StartPaper, 142)),
        ("复盘 142 负责人 bo", says(events.StartPaper, 142, "bo")),
        ("paper 142 submit", says(events.MovePaper, 142, Stage.IN_REVIEW)),
        ("复盘阶段 142 发布", says(events.MovePaper, 142, Stage.PUBLISHED)),
        ("who", grammar.Who()),
        ("who is on call?", grammar.Who()),
        ("who is on call for primary?", grammar.Who("primary")),
        ("谁在值班？", grammar.Who()),
        ("list", grammar.List()),
        ("show 142", grammar.Show(142)),
        ("?", grammar.Help()),
        ("帮助", grammar.Help()),
    ],
)
def test_what_people_type_is_understood(text, meant):
    assert parse(text) == meant


def test_in_a_cards_thread_the_number_may_be_left_out():
    assert parse("ack", here=142) == says(events.Acknowledge, 142)
    assert parse("ack, looking into it", here=142) == says(events.Acknowledge, 142)
    assert parse("snooze 2h", here=142) == says(events.Snooze, 142, 2 * HOURS)
    assert parse("note: replica rebuilt", here=142) == says(events.Note, 142, "replica rebuilt")
    assert parse("关闭", here=142) == says(events.Resolve, 142)
    assert parse("p1", here=142).key == "not_understood"
    assert parse("show", here=142) == grammar.Show(142)


def test_a_number_that_is_given_wins_over_the_thread():
    assert parse("ack 143", here=142) == says(events.Acknowledge, 143)


def test_a_note_that_begins_with_a_number_is_about_this_incident():
    assert parse("note 3 disks replaced", here=142) == says(events.Note, 142, "3 disks replaced")
    assert parse("note 142 replaced", here=142) == says(events.Note, 142, "replaced")
    assert parse("note #3 replaced", here=142) == says(events.Note, 3, "replaced")


def test_a_resolve_that_could_mean_two_incidents_is_refused():
    refused = parse("resolve 3 disks replaced", here=142)
    assert refused.key == "which_incident"
    assert (refused.facts["incident"], refused.facts["here"]) == (3, 142)


def test_an_acknowledgement_of_two_incidents_is_refused_rather_than_half_done():
    assert parse("ack 142 and 143").key == "too_much"
    assert parse("ack 142, 143").key == "too_much"


@pytest.mark.parametrize(
    "talk",
    [
        "close to fixing it now",
        "open question: who rebuilt the index",
        "help me with this disk",
        "resolved?",
        "acknowledge is what I would do",
        "恢复了",
        "升级了版本以后就这样",
        "确认一下磁盘",
        "who could look at the switch",
    ],
)
def test_people_talking_in_a_thread_order_nothing(talk):
    assert isinstance(parse(talk, here=142, addressed=False), Refuse)


def test_a_question_is_not_an_order():
    assert parse("escalate 142?").key == "only_asked"
    assert parse("resolve 142?").key == "only_asked"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", "said_nothing"),
        ("@opswatch", "said_nothing"),
        ("ack", "needs_incident"),
        ("snooze 142", "needs_span"),
        ("snooze 142 0h", "bad_span"),
        ("snooze 142 until yesterday", "bad_time"),
        ("reassign 142", "needs_person"),
        ("reassign 142 bo due whenever", "bad_time"),
        ("note 142", "needs_text"),
        ("priority 142 high", "needs_priority"),
        ("open", "needs_text"),
        ("silence orders for 2h because x", "needs_matcher"),
        ("silence service=orders because x", "needs_span"),
        ("silence service=orders for 2h", "needs_reason"),
        ("unsilence", "needs_id"),
        ("override from 18:00 to 19:00 add bo", "needs_roster"),
        ("override primary add bo", "needs_times"),
        ("override primary from 18:00 to 19:00", "needs_change"),
        ("override primary from 19:00 to 19:00 add bo", "bad_time"),
        ("risk", "needs_text"),
        ("risk due whenever no spare disk", "bad_day"),
        ("close risk", "needs_id"),
        ("accept risk 3 for 2h", "needs_reason"),
        ("assign-risk 3", "needs_person"),
        ("paper 142", "needs_stage"),
        ("pause", "needs_span"),
        ("x" * 5000, "too_long"),
        ("snooze 142 2h and 143 too", "too_much"),
    ],
)
def test_a_refused_sentence_says_what_is_missing(text, key):
    refused = parse(text)
    assert isinstance(refused, Refuse)
    assert refused.key == key


def test_a_refusal_shows_what_was_expected_with_an_example():
    facts = parse("snooze 142").facts
    assert facts["expected"] == "snooze NUMBER SPAN"
    assert facts["example"] == "snooze 142 2h"


@pytest.mark.parametrize(
    ("slip", "nearest"),
    [
        ("acknowlege 142", "acknowledge"),
        ("snoze 142 2h", "snooze"),
        ("akc 142", "acknowledge"),
        ("escelate", "escalate"),
    ],
)
def test_a_slip_names_the_nearest_verb(slip, nearest):
    refused = parse(slip)
    assert (refused.key, refused.facts["nearest"]) == ("not_understood", nearest)


def test_a_word_that_is_near_nothing_gets_no_guess():
    assert "nearest" not in parse("bananas 142").facts


def test_local_times_are_in_the_zone_of_who_says_them():
    assert parse("reassign 142 bo due 18:00", zone=SHANGHAI).due == datetime(2026, 1, 5, 10, 0, tzinfo=UTC)


def test_a_clock_time_that_is_over_today_means_tomorrow():
    assert parse("pause until 02:00").until == NOW + 23 * HOURS


def test_every_command_and_question_has_one_row():
    commands = {each for each in vars(events).values() if isinstance(each, type) and issubclass(each, Command)} - {
        Command
    }
    assert len(commands) > 15
    assert commands <= {verb.means for verb in grammar.VERBS}
    words = [word for verb in grammar.VERBS for word in verb.words]
    assert len(words) == len(set(words))


@pytest.mark.parametrize("verb", grammar.VERBS, ids=lambda verb: verb.name)
def test_every_example_is_understood(verb):
    assert type(parse(verb.example)) is verb.means


@pytest.mark.parametrize("verb", grammar.VERBS, ids=lambda verb: verb.name)
def test_every_verb_has_an_english_and_a_chinese_word(verb):
    assert any(word.isascii() for word in verb.words)
    assert any(not word.isascii() for word in verb.words)


# ---------------------------------------------------------------------------------------------------------------------
# The law: a button is a sentence somebody else typed for you.

numbers = st.integers(1, 999_999_999)
ids = st.from_regex(r"[a-z][a-z0-9_-]{0,8}[a-z0-9]", fullmatch=True) | st.sampled_from(
    ["from", "to", "by", "via", "p1", "on"]
)
texts = st.text(min_size=1, max_size=60).map(str.strip).filter(lambda text: any(c.isalnum() for c in text))
instants = st.integers(-200_000_000, 300_000_000).map(lambda s: NOW + timedelta(seconds=s, microseconds=s % 999_983))
spans = st.timedeltas(timedelta(seconds=1), timedelta(days=700))
days = st.dates(date(2000, 1, 1), date(2100, 1, 1))
priorities = st.sampled_from(Priority)
matchers = st.tuples(
    st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True),
    st.sampled_from(["=", "!=", "=~", "!~"]),
    st.text(max_size=20),
)
who = {"by": st.just("ana"), "door": st.just("slack")}


def _override(roster, start, span, form, reason):
    return events.AddOverride(roster, start, start + span, **form, reason=reason, by="ana", door="slack")


def _asks(kind, roster, start, span, name, some, reason):
    facts = {"start": start, "end": start + span, "only": name} if some else {"person": name, "reason": reason}
    if kind is events.AskSwap and some:
        facts |= {"return_start": start + span, "return_end": start + 2 * span}
    return says(kind, roster, **facts)


def _hours(kind, number, start, span, some, of):
    facts = {"start": start, "end": start + span} if some else {}
    if kind is events.AcceptCover:
        facts |= {"of": of}
    elif some:
        facts |= {"return_start": start + span, "return_end": start + 2 * span}
    return says(kind, number, **facts)


def _absence(start, span, person, kind, reason, cover):
    return says(events.AddAbsence, start, start + span, person, kind, reason, cover)


asking = st.sampled_from([events.AskCover, events.AskSwap])
shifts = st.lists(st.tuples(instants, instants, st.lists(ids, max_size=3).map(tuple)), max_size=3).map(tuple)
forms = (
    st.fixed_dictionaries({"remove": ids, "add": ids})
    | st.fixed_dictionaries({"remove": ids})
    | st.fixed_dictionaries({"add": ids})
    | st.fixed_dictionaries({"shifts": shifts})
)
sentences = st.one_of(
    *(st.builds(make, numbers, **who) for make in (events.Acknowledge, events.Unack, events.Reopen, events.Escalate)),
    st.builds(events.Resolve, numbers, st.just("") | texts, **who),
    st.builds(events.Note, numbers, texts, **who),
    st.builds(events.Snooze, numbers, spans, **who),
    st.builds(
        events.Reassign,
        numbers,
        st.builds("{}:{}".format, st.sampled_from(["person", "team"]), ids),
        st.none() | instants,
        **who,
    ),
    st.builds(events.SetPriority, numbers, priorities, **who),
    st.builds(events.Merge, numbers, numbers, **who),
    st.builds(events.Split, numbers, st.lists(ids, min_size=1, max_size=3).map(tuple), st.none() | ids, **who),
    st.builds(events.PostUpdate, numbers, texts, st.none() | st.sampled_from(["investigating", "ours"]), **who),
    st.builds(events.Open, texts, st.none() | ids, st.none() | priorities, st.just("") | texts, **who),
    st.builds(
        events.AddSilence,
        st.lists(matchers, min_size=1, max_size=3).map(tuple),
        instants,
        texts,
        st.none() | instants,
        **who,
    ),
    st.builds(events.ExpireSilence, numbers, **who),
    st.builds(_override, ids, instants, spans, forms, st.just("") | texts),
    st.builds(events.RemoveOverride, numbers, st.none() | instants, st.none() | instants, **who),
    st.builds(
        _asks, st.sampled_from([events.AskCover, events.AskSwap]), ids, instants, spans, ids, st.booleans(), texts
    ),
    st.builds(_hours, st.just(events.AcceptCover), numbers, instants, spans, st.booleans(), st.none() | ids),
    st.builds(_hours, st.just(events.OfferCover), numbers, instants, spans, st.booleans(), st.just("")),
    st.builds(events.WithdrawCover, numbers, **who),
    st.builds(_absence, instants, spans, st.none() | ids, st.sampled_from(KINDS), st.just("") | texts, st.booleans()),
    st.builds(events.RemoveAbsence, numbers, **who),
    st.builds(events.Pause, instants, st.just("") | texts, **who),
    st.builds(events.Unpause, **who),
    st.builds(events.PageTest, ids, st.none() | ids, **who),
    st.builds(events.DutyNote, texts, **who),
    st.builds(
        events.AddRisk,
        texts,
        st.sampled_from(Severity),
        st.none() | ids,
        st.none() | days,
        st.none() | ids,
        st.none() | ids,
        st.just("") | texts,
        **who,
    ),
    st.builds(events.AssignRisk, numbers, ids, st.none() | days, **who),
    st.builds(events.CloseRisk, numbers, st.just("") | texts, **who),
    st.builds(events.AcceptRisk, numbers, instants, texts, **who),
    st.builds(events.StartPaper, numbers, st.none() | ids, **who),
    st.builds(events.MovePaper, numbers, st.sampled_from(Stage), **who),
    st.builds(grammar.Who, st.none() | ids),
    st.just(grammar.List()),
    st.builds(grammar.Show, numbers),
    st.just(grammar.Help()),
)


@given(sentences, st.none() | numbers)
def test_what_is_said_is_read_back_the_same_in_any_thread(meant, here):
    text = grammar.say(meant)
    read = parse(text, here=here)
    assert read == meant, text


@given(st.text(max_size=200), st.none() | numbers, st.booleans())
def test_nothing_typed_makes_the_grammar_raise(text, here, addressed):
    assert parse(text, here=here, addressed=addressed) is not None


@given(st.sampled_from([verb.words for verb in grammar.VERBS]).flatmap(st.sampled_from), st.text(max_size=60))
def test_nothing_after_a_verb_makes_the_grammar_raise(verb, text):
    parse(f"{verb} {text}", here=142)
