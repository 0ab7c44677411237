"""One language for every door: `snooze 142 2h` ↔ `Snooze(142, 2h)`, in English and Chinese.

`VERBS` is the whole of it: each row says which words mean it, how its sentence is read and how it is said. A button is
a sentence that somebody else typed for you, so `parse(say(command))` gives the command back.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from opswatch.core import cover_phrases as _c
from opswatch.core import events
from opswatch.core import paper_phrases as _w
from opswatch.core import phrases as _p
from opswatch.core import round_phrases as _r
from opswatch.core import standing_phrases as _s
from opswatch.core.effects import Refuse
from opswatch.core.events import Command
from opswatch.core.phrases import Help, List, Question, Show, Speaker, Who
from opswatch.core.sentence import Sentence, Unclear, distance, plain

__all__ = ["TEXT_MAX", "VERBS", "Help", "List", "Question", "Show", "Verb", "Who", "parse", "say"]

TEXT_MAX = 4000  # letters of one sentence


@dataclass(frozen=True, slots=True)
class Verb:
    """One row of the grammar. `words[0]` is its name; `usage` and `example` are what a refusal shows."""

    words: tuple[str, ...]
    usage: str
    example: str
    means: type
    read: Callable[[Sentence, Speaker], Command | Question]
    say: Callable[..., str]
    takes_text: bool = False  # the rest of the sentence belongs to it, whatever it is
    asks: bool = False

    @property
    def name(self) -> str:
        return self.words[0]


VERBS: tuple[Verb, ...] = (
    Verb(
        ("acknowledge", "ack", "acked", "认领", "确认", "接手"),
        "acknowledge NUMBER",
        "acknowledge 142",
        events.Acknowledge,
        _p.read_acknowledge,
        _p.say_incident,
    ),
    Verb(
        ("unack", "unacknowledge", "取消认领", "放弃认领"),
        "unack NUMBER",
        "unack 142",
        events.Unack,
        _p.read_incident(events.Unack),
        _p.say_incident,
    ),
    Verb(
        ("accept", "join", "接受", "参加"),
        "accept NUMBER",
        "accept 142",
        events.Accept,
        _p.read_incident(events.Accept),
        _p.say_incident,
    ),
    Verb(
        ("decline", "婉拒", "拒绝", "来不了"),
        "decline NUMBER",
        "decline 142",
        events.Decline,
        _p.read_incident(events.Decline),
        _p.say_incident,
    ),
    Verb(
        ("resolve", "resolved", "close", "closed", "fixed", "关闭", "解决", "已解决"),
        "resolve NUMBER [TEXT]",
        "resolve 142 disk cleaned",
        events.Resolve,
        _p.read_resolve,
        _p.say_text,
        takes_text=True,
    ),
    Verb(
        ("reopen", "重新打开", "重开"),
        "reopen NUMBER",
        "reopen 142",
        events.Reopen,
        _p.read_incident(events.Reopen),
        _p.say_incident,
    ),
    Verb(
        ("snooze", "稍后", "暂缓", "延后"),
        "snooze NUMBER SPAN",
        "snooze 142 2h",
        events.Snooze,
        _p.read_snooze,
        _p.say_snooze,
    ),
    Verb(
        ("escalate", "升级"),
        "escalate NUMBER",
        "escalate 142",
        events.Escalate,
        _p.read_incident(events.Escalate),
        _p.say_incident,
    ),
    Verb(
        ("reassign", "assign", "转派", "转给", "转交"),
        "reassign NUMBER @PERSON | team:TEAM [due TIME]",
        "reassign 142 @bo",
        events.Reassign,
        _p.read_reassign,
        _p.say_reassign,
    ),
    Verb(
        ("note", "comment", "备注", "记录"),
        "note NUMBER TEXT",
        "note 142 replica rebuilt",
        events.Note,
        _p.read_note,
        _p.say_text,
        takes_text=True,
    ),
    Verb(
        ("priority", "prio", "优先级", "级别"),
        "priority NUMBER P0|P1|P2|P3",
        "priority 142 P1",
        events.SetPriority,
        _p.read_priority,
        _p.say_priority,
    ),
    Verb(
        ("update", "通报", "进展通报", "更新进展"),
        "update NUMBER [template:ID] TEXT",
        "update 142 template:investigating",
        events.PostUpdate,
        _p.read_update,
        _p.say_update,
        takes_text=True,
    ),
    Verb(
        ("merge", "合并"),
        "merge NUMBER into NUMBER",
        "merge 142 into 140",
        events.Merge,
        _p.read_merge,
        _p.say_merge,
    ),
    Verb(
        ("split", "拆分"),
        "split NUMBER ALERT … | service:ID",
        "split 142 service:orders",
        events.Split,
        _p.read_split,
        _p.say_split,
    ),
    Verb(
        ("open", "report", "报障", "上报", "新建"),
        "open [P0|P1|P2|P3] [service:ID] TITLE",
        "open P1 service:orders checkout shows an error",
        events.Open,
        _p.read_open,
        _p.say_open,
        takes_text=True,
    ),
    Verb(
        ("silence", "静默", "屏蔽"),
        "silence LABEL=VALUE … for SPAN because REASON",
        "silence service=orders for 2h because index rebuild",
        events.AddSilence,
        _s.read_silence,
        _s.say_silence,
        takes_text=True,
    ),
    Verb(
        ("unsilence", "silence expire", "expire silence", "取消静默", "解除静默"),
        "unsilence ID",
        "unsilence 3",
        events.ExpireSilence,
        _s.read_unsilence,
        _s.say_id,
    ),
    Verb(
        ("override", "替班", "换班", "代班"),
        "override ROSTER from TIME to TIME replace PERSON by PERSON | add PERSON | remove PERSON",
        "override primary from 18:00 to 23:00 replace ana by bo",
        events.AddOverride,
        _s.read_override,
        _s.say_override,
        takes_text=True,
    ),
    Verb(
        ("unoverride", "override remove", "remove override", "取消替班", "取消换班"),
        "unoverride ID [from TIME to TIME]",
        "unoverride 3",
        events.RemoveOverride,
        _s.read_unoverride,
        _s.say_unoverride,
    ),
    Verb(
        ("ask-swap", "swap ask", "申请换班", "换班申请"),
        "ask-swap ROSTER [from TIME to TIME] [return from TIME to TIME] [with PERSON] [because REASON]",
        "ask-swap primary from 18:00 to 23:00 with bo",
        events.AskSwap,
        _c.read_ask_swap,
        _c.say_ask,
        takes_text=True,
    ),
    Verb(
        ("ask-cover", "cover ask", "申请顶班", "求顶班"),
        "ask-cover ROSTER [from TIME to TIME] [with PERSON] [because REASON]",
        "ask-cover primary from 18:00 to 23:00 because dentist",
        events.AskCover,
        _c.read_ask_cover,
        _c.say_ask,
        takes_text=True,
    ),
    Verb(
        ("offer-swap", "swap offer", "offer-cover", "cover offer", "提议换班", "愿意顶班"),
        "offer-swap ID [from TIME to TIME] [return from TIME to TIME]",
        "offer-swap 3 from 18:00 to 20:00",
        events.OfferCover,
        _c.read_offer,
        _c.say_offer,
    ),
    Verb(
        ("accept-swap", "swap accept", "accept-cover", "cover accept", "cover", "接受换班", "接受顶班", "顶班"),
        "accept-swap ID [from TIME to TIME] [of PERSON]",
        "accept-swap 3",
        events.AcceptCover,
        _c.read_accept,
        _c.say_accept,
    ),
    Verb(
        ("withdraw-swap", "swap withdraw", "withdraw-cover", "cover withdraw", "撤回换班", "撤回顶班"),
        "withdraw-swap ID",
        "withdraw-swap 3",
        events.WithdrawCover,
        _c.read_withdraw,
        _c.say_number,
    ),
    Verb(
        ("absence", "absence add", "add absence", "请假", "休假"),
        "absence [@PERSON] [leave|sick|training|travel] from TIME|DATE [to TIME|DATE] [uncovered] [because REASON]",
        "absence sick from 2026-12-01 to 2026-12-03 because flu",
        events.AddAbsence,
        _c.read_absence,
        _c.say_absence,
        takes_text=True,
    ),
    Verb(
        ("remove-absence", "absence remove", "取消请假", "销假"),
        "remove-absence ID",
        "remove-absence 3",
        events.RemoveAbsence,
        _c.read_remove_absence,
        _c.say_number,
    ),
    Verb(
        ("pause", "暂停"),
        "pause SPAN [because REASON]",
        "pause 1h because data centre move",
        events.Pause,
        _s.read_pause,
        _s.say_pause,
        takes_text=True,
    ),
    Verb(
        ("unpause", "resume", "取消暂停", "恢复寻呼"),
        "unpause",
        "unpause",
        events.Unpause,
        _s.read_unpause,
        _p.say_nothing,
    ),
    Verb(
        ("page-test", "test page", "测试呼叫", "测试寻呼"),
        "page-test [PERSON] [via CONTACT]",
        "page-test bo via slack",
        events.PageTest,
        _p.read_page_test,
        _p.say_page_test,
    ),
    Verb(
        ("duty-note", "dutylog note", "dutynote", "值班记录", "值班备注"),
        "duty-note TEXT",
        "duty-note batch ran 20 minutes late",
        events.DutyNote,
        _p.read_duty_note,
        _p.say_duty_note,
        takes_text=True,
    ),
    Verb(
        ("risk", "risk add", "add risk", "隐患", "登记隐患"),
        "risk [high|medium|low] [@PERSON] [due DATE] [service:ID] TITLE",
        "risk high @bo due 2026-12-01 service:orders no spare disk",
        events.AddRisk,
        _w.read_add_risk,
        _w.say_add_risk,
        takes_text=True,
    ),
    Verb(
        ("assign-risk", "risk assign", "转派隐患", "隐患转派"),
        "assign-risk ID [@PERSON | team:TEAM] [due DATE]",
        "assign-risk 3 @bo due 2026-12-01",
        events.AssignRisk,
        _w.read_assign_risk,
        _w.say_assign_risk,
    ),
    Verb(
        ("close-risk", "risk close", "关闭隐患", "隐患关闭"),
        "close-risk ID [because TEXT]",
        "close-risk 3 because the spare disk is in",
        events.CloseRisk,
        _w.read_close_risk,
        _w.say_close_risk,
        takes_text=True,
    ),
    Verb(
        ("accept-risk", "risk accept", "接受隐患", "隐患接受"),
        "accept-risk ID until TIME because REASON",
        "accept-risk 3 until 2026-12-01 because the host goes in November",
        events.AcceptRisk,
        _w.read_accept_risk,
        _w.say_accept_risk,
        takes_text=True,
    ),
    Verb(
        ("post-mortem", "post-mortem new", "复盘", "写复盘"),
        "post-mortem NUMBER [owner PERSON]",
        "post-mortem 142 owner bo",
        events.StartPaper,
        _w.read_start_paper,
        _w.say_start_paper,
    ),
    Verb(
        ("paper", "复盘阶段"),
        "paper NUMBER draft|review|publish",
        "paper 142 publish",
        events.MovePaper,
        _w.read_move_paper,
        _w.say_move_paper,
    ),
    Verb(
        ("take-over", "takeover", "handoff accept", "接班", "交接确认"),
        "take-over [ROSTER]",
        "take-over primary",
        events.TakeOver,
        _w.read_take_over,
        _w.say_take_over,
    ),
    Verb(
        ("sign", "inspect sign", "签字", "签署"),
        "sign RUN ITEM [NOTE]",
        "sign 2026-11-17-daily 2 counted by hand",
        events.SignInspection,
        _r.read_sign,
        _r.say_sign,
        takes_text=True,
    ),
    Verb(
        ("who", "who's on call", "who's", "oncall", "on-call", "谁在值班", "谁值班", "值班"),
        "who [ROSTER]",
        "who primary",
        Who,
        _p.read_who,
        _p.say_who,
        asks=True,
    ),
    Verb(("list", "ls", "列表", "列出"), "list", "list", List, _p.read_list, _p.say_nothing, asks=True),
    Verb(("show", "查看", "显示", "详情"), "show NUMBER", "show 142", Show, _p.read_show, _p.say_incident, asks=True),
    Verb(("help", "帮助", "怎么用", "?"), "help", "help", Help, _p.read_help, _p.say_nothing, asks=True),
)


def parse(
    text: str,
    *,
    by: str,
    door: str,
    now: datetime,
    default_incident: int | None = None,
    zone: tzinfo = UTC,
    addressed: bool = True,
) -> Command | Question | Refuse:
    """What `text` asks for, said by the person `by` through `door`.

    `default_incident` is meant where no number is given (a card's thread). Times without an offset are in `zone`. With
    `addressed=False` (people talking in a thread) only sentences that cannot be mistaken for talk are taken. Never
    raises: a Refuse carries `said`, `expected`, `example`, the `verb` if there was one, else perhaps the `nearest`.
    """
    if len(text) > TEXT_MAX:
        return Refuse("too_long", {"limit": TEXT_MAX})
    body, number = _opening(text)
    verb, rest = _verb(body)
    if verb is None:
        return _not_understood(text, body)
    said = {"said": text.strip()[:80], "verb": verb.name, "expected": verb.usage, "example": verb.example}
    if not verb.takes_text:
        rest = _POLITE_END.sub("", rest)
        if not verb.asks and plain(rest).rstrip().endswith("?"):
            return Refuse("only_asked", said)
    sentence = Sentence(rest, now=now, zone=zone)
    speaker = Speaker(by, door, default_incident if number is None else number, addressed)
    try:
        meant = verb.read(sentence, speaker)
    except Unclear as unclear:
        return Refuse(unclear.key, {**said, **unclear.facts})
    if not sentence.at_end:
        return Refuse("too_much", {**said, "left": sentence.remaining()[:80]})
    return meant


def say(meant: Command | Question) -> str:
    """The sentence that `parse` reads back as `meant`; its instants in UTC. `by` and `door` are not part of it."""
    verb = _BY_MEANING[type(meant)]
    return f"{verb.name} {verb.say(meant)}".rstrip()


_BY_MEANING = {verb.means: verb for verb in VERBS}
_BY_WORD = {word: verb for verb in VERBS for word in verb.words}
_OPENING = re.compile(
    r"(?:\s|[@/]?opswatch(?![A-Za-z0-9_-])[:,]?|(?:please|pls|hey|hi)\b,?|请(?!假)|麻烦)+", re.IGNORECASE
)
_NUMBER_FIRST = re.compile(r"#?(\d{1,9})[\s:,]+(?=\D)")
_POLITE_END = re.compile(r"[\s,，]+(?:please|pls|thanks|thank you|thx|ty|now|谢谢|谢了)\s*[.!。！]*\s*$", re.IGNORECASE)


def _opening(text: str) -> tuple[str, int | None]:
    """`text` without "@opswatch, please", and the number it may begin with (`142 ack`)."""
    opening = _OPENING.match(plain(text))
    body = text[opening.end() :] if opening else text
    number = _NUMBER_FIRST.match(plain(body))
    return (body[number.end() :], int(number[1])) if number else (body, None)


def _pattern(word: str) -> str:
    """A verb as people write it: "page test" is `page-test`, and 备注 needs no space after it."""
    spelled = re.escape(word).replace(r"\ ", r"\s+").replace(r"\-", r"[\s-]?")
    if word.isascii():
        return spelled + (r"(?![\w-])" if word[-1].isalnum() else r"(?=\s*$)")
    return spelled if _BY_WORD[word].takes_text else spelled + r"(?![一-鿿])"


_VERB = re.compile("|".join(f"({_pattern(word)})" for word in sorted(_BY_WORD, key=len, reverse=True)), re.IGNORECASE)
_IN_ORDER = sorted(_BY_WORD, key=len, reverse=True)


def _verb(body: str) -> tuple[Verb | None, str]:
    """The verb that `body` begins with, and what follows it."""
    found = _VERB.match(plain(body))
    if found is None or found.lastindex is None:
        return None, body
    return _BY_WORD[_IN_ORDER[found.lastindex - 1]], body[found.end() :]


def _not_understood(text: str, body: str) -> Refuse:
    facts: dict[str, object] = {"said": text.strip()[:80], "expected": "help", "example": "acknowledge 142"}
    words = plain(body).lower().split()
    if not words:
        return Refuse("said_nothing", facts)
    nearest = _nearest(words[0].rstrip(".,;:!?。"))
    if nearest is not None:
        facts |= {"nearest": nearest.name, "expected": nearest.usage, "example": nearest.example}
    return Refuse("not_understood", facts)


def _nearest(word: str) -> Verb | None:
    """The verb that `word` may be a slip of."""
    if len(word) > 20:
        return None
    slips = [(distance(word, known), known) for known in _BY_WORD if abs(len(word) - len(known)) <= 2]
    slips = [(slip, known) for slip, known in slips if slip <= (2 if len(known) >= 6 else 1) and len(known) > slip + 1]
    return _BY_WORD[min(slips)[1]] if slips else None
