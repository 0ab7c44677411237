"""Values become words, in English and Chinese: pages, updates, answers, lines of the timeline. No decisions, no I/O."""

from opswatch.render.answers import answer, entry, help_text, priority_words, say_refusal
from opswatch.render.message import Action, Message
from opswatch.render.messages import Link, announce, page, update
from opswatch.render.notices import bundle_page, digest, test_page
from opswatch.render.paper_notices import notice
from opswatch.render.words import LANGUAGES, when, word

__all__ = [
    "LANGUAGES",
    "Action",
    "Link",
    "Message",
    "announce",
    "answer",
    "bundle_page",
    "digest",
    "entry",
    "help_text",
    "notice",
    "page",
    "priority_words",
    "say_refusal",
    "test_page",
    "update",
    "when",
    "word",
]
