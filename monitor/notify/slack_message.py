"""A message about an incident as Slack's Block Kit: pure, within Slack's limits, with nothing in it that Slack would obey.

What comes from logs and configuration stands in ``plain_text``; the one ``mrkdwn`` text is a link that we make. The text
fallback is escaped, so that no category named ``<!channel>`` wakes anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from monitor.core.incidents import NotifyKind
from monitor.core.messages import ColumnLine, IncidentMessage, from_body, moment, span, with_earlier
from monitor.core.results import Account, Verdict
from monitor.core.schema import rfc3339
from monitor.errors import DecodeError, Permanent
from monitor.ports import Delivery

HEADER_LIMIT = 150
SECTION_LIMIT = 3000
FIELD_LIMIT = 2000
MOST_BLOCKS = 50
BUDGET = 10_000
"""Characters of all blocks: Slack refuses some 13,200 (msg_blocks_too_long), and does not say so anywhere (slackapi/bolt-js#2509)."""
SHORTEST = 80
"""Characters that a text is not cut below."""
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


def message_of(delivery: Delivery) -> IncidentMessage:
    """What it tells, with what was told before where it says nothing of that. Raises Permanent for a body that is no message."""
    try:
        message = from_body(delivery.body, IncidentMessage)
        return message if delivery.earlier is None else with_earlier(message, from_body(delivery.earlier, IncidentMessage))
    except DecodeError as error:
        raise Permanent(str(error)) from None


def build(message: IncidentMessage, under: Sequence[Block] = ()) -> SlackMessage:
    """The whole message as things stand: for the channel, and again for the parent whenever that changes. ``under``: what is at its end."""
    look, over = look_of(message), message.kind is NotifyKind.RESOLVED
    when = " as it was told" if over else ""
    blocks = [
        section(message.sentence),
        *([section(f"Likely cause: {message.cause}")] if message.cause not in ("", message.performance) else []),
        *([context(f"Seen by: {message.evidence}")] if message.evidence else []),
        *([section(f"Performance{when}: {message.performance}")] if message.performance else []),
        *([context(f"How sure: {message.sure}")] if message.sure else []),
        *([section(f"{message.retraining}.")] if message.retraining else []),
        *columns([line for line in message.columns if line.sentence != message.cause], message.more_columns, "then" if over else "now"),
        fields(facts(message)),
        *([context(account_line(message.account))] if message.account is not None else []),
        *link(message.url),
        *under,
    ]
    acknowledged = ", acknowledged" if message.acknowledged_by and not over else ""
    return _assembled(look, f"{look.word}{acknowledged}: {message.model}", message.sentence, blocks)


def build_note(message: IncidentMessage) -> SlackMessage:
    """The short reply in the incident's thread, with what it costs while it goes on; the parent tells the rest."""
    look = look_of(message)
    going_on = message.kind is not NotifyKind.RESOLVED and message.performance
    blocks = (section(f"{look.sign} {message.sentence}"), *([section(f"Performance: {message.performance}")] if going_on else []))
    return SlackMessage(text=fallback(look, message.sentence), blocks=blocks, attachments=())


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
        *([("Acknowledged by", message.acknowledged_by)] if message.acknowledged_by else []),
    ]


def columns(lines: Sequence[ColumnLine], more: int, now: str = "now") -> list[Block]:
    """One section for all columns, the largest cause first; a line that does not fit is counted, never cut in two."""
    head = f"Columns, reference → {now}:" if any(line.sentence for line in lines) else "Columns:"
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
    kept = fitting(blocks, BUDGET - length_of(header), MOST_BLOCKS - 1)
    return SlackMessage(text=text, blocks=(header,), attachments=({"color": look.colour, "blocks": kept, "fallback": text},))


def fitting(blocks: Sequence[Block], most: int, count: int) -> list[Block]:
    """The first ``count`` blocks, with so many characters in all: the longest texts are cut, as often as it takes. One that we make of
    markup is never cut."""
    kept = list(blocks[:count])
    while (over := sum(map(length_of, kept)) - most) > 0:
        longest = max(range(len(kept)), key=lambda at: _longest_text(kept[at]))
        size = _longest_text(kept[longest])
        if size <= SHORTEST:
            return [block for block in kept if not _is_markup(block)][: most // SHORTEST]
        kept[longest] = _shortened(kept[longest], max(size - over, SHORTEST, size // 2))
    return kept


def length_of(block: Block) -> int:
    """Characters of all its texts."""
    return sum(len(str(text["text"])) for text in _texts(block))


def _texts(block: Block) -> list[Mapping[str, object]]:
    single, more = block.get("text"), (*_listed(block, "fields"), *_listed(block, "elements"))
    return [part for part in (single, *more) if isinstance(part, Mapping)]


def _listed(block: Block, name: str) -> Sequence[object]:
    found = block.get(name)
    return found if isinstance(found, list | tuple) else ()


def _longest_text(block: Block) -> int:
    """Characters of the longest text that may be cut."""
    return max((len(str(text["text"])) for text in _texts(block) if text.get("type") == "plain_text"), default=0)


def _is_markup(block: Block) -> bool:
    return any(text.get("type") != "plain_text" for text in _texts(block))


def _shortened(block: Block, limit: int) -> Block:
    """With no plain text longer than that."""
    def cut(part: object) -> object:
        if isinstance(part, Mapping) and part.get("type") == "plain_text":
            return {**part, "text": clip(str(part["text"]), limit)}
        return [cut(each) for each in part] if isinstance(part, list) else part

    return {name: cut(value) for name, value in block.items()}
