"""One message for many incidents that begin, go on or end at once, as Slack's Block Kit: pure, within Slack's limits.

A line for each incident; what all of them have in common is said once. What comes from logs and configuration is escaped, as it stands
beside links of ours; ``verbatim`` keeps Slack from finding further ones in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from monitor.core.incidents import SEVERITIES, NotifyKind
from monitor.core.messages import IncidentMessage, from_body, moment, span
from monitor.core.results import Check
from monitor.errors import DecodeError
from monitor.notify.slack_message import (
    EVENT_TYPE,
    HEADER_LIMIT,
    LOOKS,
    PLAIN,
    RESOLVED,
    SECTION_LIMIT,
    Block,
    Look,
    SlackMessage,
    clip,
    context,
    escape,
    fallback,
    one_line,
    plain,
    section,
)
from monitor.ports import Delivery

KINDS = (NotifyKind.FIRING, NotifyKind.REPEAT, NotifyKind.RESOLVED)
"""Kinds of messages that may go out with others."""
MOST_LINES = 30
"""Incidents with a line of their own; people read the first ten. Of the others only names are told."""
LINE_LIMIT = 200
"""Characters of a line's cause."""
LONGEST_LINK = 300
"""Characters of an address in a line; a longer one is left out."""
ROOM = 8000
"""Characters of all lines and names: half a message more, and Slack refuses it."""
COMMON_COLUMNS = 3
"""Columns that all have in common and that are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """What goes out together. ``unread``: incidents whose stored messages cannot be read; they are named all the same."""

    kind: NotifyKind
    told: tuple[IncidentMessage, ...]
    unread: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Incidents."""
        return len(self.told) + len(self.unread)


def crowd_of(deliveries: Sequence[Delivery]) -> Crowd:
    """The incidents of deliveries that are of one kind."""
    told: list[IncidentMessage] = []
    unread: list[str] = []
    for delivery in deliveries:
        try:
            told.append(from_body(delivery.body, IncidentMessage))
        except DecodeError:
            unread.append(delivery.incident or delivery.id)
    return Crowd(kind=NotifyKind(deliveries[0].kind), told=tuple(told), unread=tuple(unread))


def build_group(crowd: Crowd) -> SlackMessage:
    """The whole message."""
    look, sentence = look_of(crowd), sentence_of(crowd)
    cause = common_cause(crowd)
    blocks = [
        section(sentence),
        *([section(cause)] if cause else []),
        *lines(crowd, with_causes=not _one_cause(crowd)),
        *([context(f"Messages that cannot be read: {', '.join(crowd.unread)}")] if crowd.unread else []),
    ]
    text = fallback(look, sentence)
    header: Block = {"type": "header", "text": plain(f"{look.sign} {look.word}: {_who(crowd)}", HEADER_LIMIT)}
    return SlackMessage(text=text, blocks=(header,), attachments=({"color": look.colour, "blocks": blocks, "fallback": text},))


def build_group_note(crowd: Crowd) -> SlackMessage:
    """The short reply in their thread when many are over."""
    look = look_of(crowd)
    said = f"{sentence_of(crowd)}: {', '.join(_names(crowd))}"
    return SlackMessage(text=fallback(look, said), blocks=(section(f"{look.sign} {one_line(said)}"),), attachments=())


def group_metadata(crowd: Crowd, id: str) -> Mapping[str, object]:
    """What tells two posts of one message from two messages; people do not see it."""
    return {"event_type": EVENT_TYPE, "event_payload": {"delivery": id, "incidents": crowd.size, "kind": str(crowd.kind)}}


def look_of(crowd: Crowd) -> Look:
    """As the worst of them looks."""
    if crowd.kind is NotifyKind.RESOLVED:
        return RESOLVED
    worst = max((m.severity for m in crowd.told if m.severity in SEVERITIES), key=SEVERITIES.index, default=None)
    return PLAIN if worst is None else LOOKS.get(worst, PLAIN)


def sentence_of(crowd: Crowd) -> str:
    """What happened, in one sentence: ``50 models drift, since 2013-07-01 09:40 UTC``."""
    who = _who(crowd)
    if not crowd.told:
        return who
    since, lasted = min(m.since for m in crowd.told), max(m.lasted for m in crowd.told)
    match crowd.kind:
        case NotifyKind.FIRING:
            return f"{who} since {moment(since)}"
        case NotifyKind.REPEAT | NotifyKind.UPDATE:
            return f"{who}: still going on after up to {span(timedelta(seconds=lasted))}, since {moment(since)}"
        case NotifyKind.RESOLVED:
            return f"{who}: resolved after up to {span(timedelta(seconds=lasted))}"


def common_cause(crowd: Crowd) -> str:
    """What all have in common, where it is worth a line: the whole cause, or the columns; empty where there is nothing."""
    if crowd.kind is NotifyKind.RESOLVED or not crowd.told:
        return ""
    if _one_cause(crowd):
        return f"Likely cause, the same for all: {crowd.told[0].cause}"
    shared = [line.column for line in crowd.told[0].columns if all(any(line.column == o.column for o in m.columns) for m in crowd.told)]
    if not shared:
        return ""
    more = len(shared) - COMMON_COLUMNS
    return f"In all of them: {', '.join(shared[:COMMON_COLUMNS])}" + (f" and {more} more columns" if more > 0 else "")


def lines(crowd: Crowd, *, with_causes: bool) -> list[Block]:
    """A line each as far as there is room, then names alone, then how many are left."""
    said = [_line(message, with_cause=with_causes) for message in crowd.told[:MOST_LINES]]
    kept: list[str] = []
    room = ROOM
    for line in said:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    rest = [escape(one_line(message.model)) for message in crowd.told[len(kept) :]]
    return [*map(_mrkdwn, _packed(kept)), *([_mrkdwn(_and_more(rest))] if rest else [])]


def _line(message: IncidentMessage, *, with_cause: bool) -> str:
    name = clip(escape(one_line(message.model)) or "–", LINE_LIMIT)
    url = escape(message.url or "").replace("|", "%7C")
    linked = f"<{url}|{name}>" if url and len(url) <= LONGEST_LINK else name
    cause = one_line(message.cause or message.sentence)
    return f"• {linked}" + (f": {clip(escape(cause), LINE_LIMIT)}" if with_cause and cause else "")


def _and_more(names: Sequence[str]) -> str:
    """``… and 20 more: a, b, c …`` within one section."""
    head = f"… and {len(names)} more"
    listed = ", ".join(names)
    return f"{head}: {listed}" if len(head) + 2 + len(listed) <= SECTION_LIMIT // 2 else clip(f"{head}: {listed}", SECTION_LIMIT // 2)


def _packed(lines: Sequence[str]) -> list[str]:
    """Lines in as few texts as may be, each within a section; none is cut in two."""
    texts: list[str] = []
    for line in lines:
        if texts and len(texts[-1]) + 1 + len(line) <= SECTION_LIMIT:
            texts[-1] += f"\n{line}"
        else:
            texts.append(line)
    return texts


def _mrkdwn(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _one_cause(crowd: Crowd) -> bool:
    causes = {message.cause for message in crowd.told}
    return len(causes) == 1 and causes != {""} and len(crowd.told) > 1


def _names(crowd: Crowd) -> list[str]:
    return [*(one_line(message.model) for message in crowd.told), *crowd.unread]


def _who(crowd: Crowd) -> str:
    """``50 models drift``; where checks other than drift are in it ``… alert``, and what is of driftd's own way counts apart."""
    own = sum(1 for message in crowd.told if message.condition)
    models = crowd.size - own
    drift = {check for message in crowd.told if not message.condition for check in message.checks} == {Check.DRIFT}
    verb = "drift" if drift else "alert"
    done = crowd.kind is NotifyKind.RESOLVED
    parts = [f"1 model {verb}ed" if done else f"1 model {verb}s"] if models == 1 else []
    parts = [f"{models} models {verb}ed" if done else f"{models} models {verb}"] if models > 1 else parts
    parts += [f"{own} {'trouble' if own == 1 else 'troubles'} of driftd's own"] if own else []
    return " and ".join(parts)

