"""A message as a Slack card (Block Kit), inside Slack's limits: what does not fit is cut, with a link to all of it."""

from __future__ import annotations

from typing import Any

from opswatch.channels import Action, Message

# https://docs.slack.dev/reference/block-kit/blocks; a message's blocks may hold about 13,000 letters in all
# (slackapi/bolt-js issue 2509), which no page of the documentation says.
HEADER_MAX = 150
SECTION_MAX = 2_900
BLOCKS_TEXT_MAX = 11_000
BUTTON_MAX = 75
SENTENCE_MAX = 1_900
FALLBACK_MAX = 3_000
THREAD_MAX = 3_000
BUTTONS_MAX = 5

_MARKS = {"P0": ":red_circle:", "P1": ":large_orange_circle:", "P2": ":large_yellow_circle:", "P3": ":white_circle:"}


def blocks(message: Message) -> list[dict[str, Any]]:
    """Header, facts, links, buttons. A message without facts shows its text."""
    facts = message.lines or (("", message.text.removeprefix(message.title).strip()),)
    sections, is_cut = _sections(facts)
    shown: list[dict[str, Any]] = [{"type": "header", "text": _plain(message.title, HEADER_MAX)}, *sections]
    if links := _links(message, is_cut):
        shown.append({"type": "context", "elements": [{"type": "mrkdwn", "text": links}]})
    if message.actions:
        shown.append(
            {"type": "actions", "elements": [_button(a, n) for n, a in enumerate(message.actions[:BUTTONS_MAX])]}
        )
    return shown


def fallback(message: Message) -> str:
    """The words of the notification on a lock screen, and of readers that know no blocks."""
    mark = ":white_check_mark:" if message.status == "resolved" else _MARKS.get(message.priority, "")
    link = next(iter(message.links.values()), "")
    text = escape(f"{mark} {message.title}".strip()[:FALLBACK_MAX])
    return f"{text}\n{link}" if link else text


def thread_reply(message: Message, *, in_person: bool) -> str:
    """The line for the card's thread; a loud one repeats the title, because it is also what rings."""
    line = escape(message.thread_line[:THREAD_MAX])
    if not message.loud:
        return line
    title = escape(message.title[:HEADER_MAX])
    return f"{title}\n{line}" if line and in_person else f"{line}: {title}" if line else title


def escape(text: str) -> str:
    """Slack's three special letters, so that evidence cannot mention everybody or hide a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _sections(facts: tuple[tuple[str, str], ...]) -> tuple[list[dict[str, Any]], bool]:
    """A section per fact, until there is no more room; whether something was cut."""
    sections: list[dict[str, Any]] = []
    room, is_cut = BLOCKS_TEXT_MAX, False
    for name, value in facts:
        text = f"*{escape(name)}:* {escape(value)}" if name else escape(value)
        limit = min(SECTION_MAX, room)
        if len(text) > limit:
            is_cut = True
            text = _cut(text, limit)
        if not text.strip():
            continue
        sections.append({"type": "section", "text": {"type": "mrkdwn", "text": text}})
        room -= len(text)
    return sections[:40], is_cut or len(sections) > 40


def _cut(text: str, limit: int) -> str:
    """At most `limit` letters, never ending inside an escape (`&am`)."""
    if limit < 20:
        return ""
    short = text[: limit - 1]
    start = short.rfind("&", len(short) - 5)
    return (short[:start] if start >= 0 and ";" not in short[start:] else short) + "…"


def _links(message: Message, is_cut: bool) -> str:
    """All links but those that a button stands for."""
    buttons = {action.label for action in message.actions}
    shown = [
        f"<{url}|{escape(label)}>" for label, url in message.links.items() if label not in buttons and _is_safe(url)
    ]
    return " · ".join(["…", *shown] if is_cut else shown)[:SECTION_MAX]


def _is_safe(url: str) -> bool:
    return url.startswith(("http://", "https://")) and not set(url) & set("<>| ")


def _button(action: Action, index: int) -> dict[str, Any]:
    button: dict[str, Any] = {
        "type": "button",
        "text": _plain(action.label, BUTTON_MAX),
        "action_id": f"say_{index}",
        "value": action.sentence[:SENTENCE_MAX],
    }
    return button | {"style": action.style} if action.style in ("primary", "danger") else button


def _plain(text: str, limit: int) -> dict[str, Any]:
    return {
        "type": "plain_text",
        "text": (text if len(text) <= limit else text[: limit - 1] + "…") or " ",
        "emoji": True,
    }
