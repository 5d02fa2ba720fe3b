"""A message about an incident as Slack's Block Kit: pure, within Slack's limits, with nothing in it that Slack would obey.

What comes from logs and configuration stands in ``plain_text``; the one ``mrkdwn`` text is a link that we make. The text
fallback is escaped, so that no category named ``<!channel>`` wakes anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from monitor.core.incidents import NotifyKind
from monitor.core.messages import ColumnLine, IncidentMessage, moment, span
from monitor.core.results import Account, Verdict
from monitor.core.schema import rfc3339

HEADER_LIMIT = 150
SECTION_LIMIT = 3000
FIELD_LIMIT = 2000
FALLBACK_LIMIT = 3000
"""Slack takes 40,000 characters of text; a notification shows a few hundred."""

EVENT_TYPE = "driftd_incident"
"""Slack's name for what kind of metadata a message bears."""

Block = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Severity by colour, sign and word."""

    colour: str
    sign: str
    word: str


RESOLVED = Look(colour="#2eb67d", sign="🟢", word="Resolved")
LOOKS: Mapping[Verdict, Look] = {
    Verdict.ALERT: Look(colour="#e01e5a", sign="🔴", word="Alert"),
    Verdict.WARN: Look(colour="#ecb22e", sign="🟡", word="Warning"),
}
PLAIN = Look(colour="#868686", sign="⚪", word="Notice")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackMessage:
    """What chat.postMessage, chat.update and an incoming webhook take: ``blocks`` on top, ``attachments`` for the colour."""

    text: str
    blocks: tuple[Block, ...]
    attachments: tuple[Mapping[str, object], ...]


def build(message: IncidentMessage, under: Sequence[Block] = ()) -> SlackMessage:
    """The whole message: for the channel, and again for the parent when the incident resolves. ``under``: what stands at its end."""
    look = look_of(message)
    blocks = [
        section(message.sentence),
        *([section(f"Likely cause: {message.cause}")] if message.cause not in ("", message.performance) else []),
        *([context(f"Seen by: {message.evidence}")] if message.evidence else []),
        *([section(f"Performance: {message.performance}")] if message.performance else []),
        *columns([line for line in message.columns if line.sentence != message.cause], message.more_columns),
        fields(facts(message)),
        *([context(account_line(message.account))] if message.account is not None else []),
        *link(message.url),
        *under,
    ]
    return _assembled(look, f"{look.word}: {message.model}", message.sentence, blocks)


def build_note(message: IncidentMessage) -> SlackMessage:
    """The short reply in the thread of an incident that is over; the parent tells the rest."""
    look = look_of(message)
    return SlackMessage(text=fallback(look, message.sentence), blocks=(section(f"{look.sign} {message.sentence}"),), attachments=())


def degraded(message: SlackMessage) -> SlackMessage:
    """The text alone, for when Slack refuses the blocks."""
    return SlackMessage(text=message.text, blocks=(), attachments=())


def look_of(message: IncidentMessage) -> Look:
    """How bad it looks."""
    return RESOLVED if message.kind is NotifyKind.RESOLVED else LOOKS.get(message.severity, PLAIN)


def facts(message: IncidentMessage) -> list[tuple[str, str]]:
    """When, where and how much, as pairs of label and value."""
    over = message.kind is NotifyKind.RESOLVED
    windows = f"{message.bad_windows} bad {'window' if message.bad_windows == 1 else 'windows'}"
    return [
        ("Since", moment(message.since)),
        *([] if message.condition and not over else
          [("Lasted" if over else "Lasts", span(timedelta(seconds=message.lasted)) + ("" if message.condition else f", {windows}")),
           ("Until" if over else "Judged until", moment(message.until))]),
        ("Checks", ", ".join(message.checks) or "none"),
        ("Incident", message.incident),
    ]


def columns(lines: Sequence[ColumnLine], more: int) -> list[Block]:
    """One section for all columns, the largest cause first; a line that does not fit is counted, never cut in two."""
    head = "Columns, reference → now:" if any(line.sentence for line in lines) else "Columns:"
    said = [f"• {one_line(line.sentence or line.column)}" for line in lines]
    kept: list[str] = []
    room = SECTION_LIMIT - len(head) - len("\n… and 9999999 more columns")
    for line in said:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    hidden = more + len(said) - len(kept)
    tail = [f"… and {hidden} more {'column' if hidden == 1 else 'columns'}"] if hidden else []
    return [section("\n".join([head, *kept, *tail]))] if kept or tail else []


def account_line(account: Account) -> str:
    """Where the window's rows went; what is zero is left out."""
    parts = (
        (account.counted, "counted"),
        (account.late, "late"),
        (account.duplicate, "duplicate"),
        (account.quarantined, "quarantined"),
        (account.sampled_out, "sampled out"),
    )
    said = " + ".join(f"{number:,} {word}" for number, word in parts if number) or "nothing"
    return f"Rows of the window: {account.received:,} received = {said}"


def escape(text: str) -> str:
    """Slack's three control characters as entities: then nothing is a mention, a link or a date."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fallback(look: Look, sentence: str) -> str:
    """What notifications and screen readers say; Slack reads it as mrkdwn, so it is escaped."""
    return clip(escape(f"{look.sign} {look.word}: {one_line(sentence)}"), FALLBACK_LIMIT)


def section(text: str) -> Block:
    """A paragraph."""
    return {"type": "section", "text": plain(text, SECTION_LIMIT)}


def fields(pairs: Sequence[tuple[str, str]]) -> Block:
    """Up to ten short facts in two columns."""
    return {"type": "section", "fields": [plain(f"{label}: {value}", FIELD_LIMIT) for label, value in pairs]}


def context(text: str) -> Block:
    """A small line."""
    return {"type": "context", "elements": [plain(text, FIELD_LIMIT)]}


def link(url: str | None) -> list[Block]:
    """A link to driftd's page, where there is one and Slack takes its length."""
    text = f"<{escape(url or '').replace('|', '%7C')}|Open driftd>"
    if not url or len(text) > SECTION_LIMIT:
        return []
    return [{"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}]


def plain(text: str, limit: int) -> Mapping[str, object]:
    """A text that Slack shows as it is; it takes no empty one."""
    return {"type": "plain_text", "text": clip(text, limit) or "–", "emoji": False}


def clip(text: str, limit: int) -> str:
    """At most ``limit`` characters; an entity that would be cut in two goes whole."""
    if len(text) <= limit:
        return text
    kept = text[: limit - 1]
    start = kept.rfind("&")
    if start >= 0 and text[start : start + 5].startswith(("&amp;", "&lt;", "&gt;")) and ";" not in kept[start:]:
        kept = kept[:start]
    return kept + "…"


def one_line(text: str) -> str:
    """White space and control characters as single blanks."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def metadata(message: IncidentMessage, delivery: str) -> Mapping[str, object]:
    """What tells two posts of one delivery from two deliveries; people do not see it."""
    payload = {"delivery": delivery, "incident": message.incident, "model": message.model, "at": rfc3339(message.until)}
    return {"event_type": EVENT_TYPE, "event_payload": payload}


def _assembled(look: Look, title: str, sentence: str, blocks: Sequence[Block]) -> SlackMessage:
    text = fallback(look, sentence)
    header: Block = {"type": "header", "text": plain(f"{look.sign} {one_line(title)}", HEADER_LIMIT)}
    return SlackMessage(text=text, blocks=(header,), attachments=({"color": look.colour, "blocks": list(blocks), "fallback": text},))
