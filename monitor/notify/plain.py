"""An incident's message in plain words: for mail, for lines of a file, for the summaries of other services."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.core.incidents import NotifyKind
from monitor.core.messages import IncidentMessage
from monitor.notify.slack_message import account_line, facts, look_of, message_of, one_line
from monitor.ports import Delivery

__all__ = ["cut", "is_incident", "message_of", "other_said", "outline", "paragraphs", "said"]

INCIDENT_KINDS = frozenset(map(str, NotifyKind))


def is_incident(delivery: Delivery) -> bool:
    """Whether it is about one; the outbox has other messages for people too, whose bodies are plain data."""
    return delivery.kind in INCIDENT_KINDS


def outline(data: object, indent: str = "") -> Iterator[str]:
    """Plain data in lines, what is inside of something below it; what is empty is left out."""
    pairs = data.items() if isinstance(data, Mapping) else (("-", item) for item in data) if isinstance(data, (list, tuple)) else ()
    for name, value in pairs:
        label = one_line(str(name).replace("_", " ")) + ("" if name == "-" else ":")
        if value in (None, "", [], {}, ()):
            continue
        if isinstance(value, (Mapping, list, tuple)):
            yield f"{indent}{label}"
            yield from outline(value, indent + "  ")
        else:
            yield f"{indent}{label} {one_line(str(value))}"


def other_said(delivery: Delivery, limit: int) -> str:
    """What a message that is about no incident says, on one line: its sentence, where it has one."""
    sentence = delivery.body.get("sentence")
    return cut(sentence if isinstance(sentence, str) and sentence else "; ".join(outline(delivery.body)), limit)


def said(message: IncidentMessage, limit: int) -> str:
    """How bad it is and what happened, on one line of at most so many characters: ``Alert: flight-delay: …``."""
    return cut(f"{look_of(message).word}: {message.sentence}", limit)


def cut(text: str, limit: int) -> str:
    """On one line, of at most so many characters."""
    line = one_line(text)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def paragraphs(message: IncidentMessage) -> Iterator[tuple[str, ...]]:
    """All that is known of it: paragraphs of lines, without the link."""
    yield (one_line(message.sentence),)
    if message.cause not in ("", message.performance):
        yield (f"Likely cause: {one_line(message.cause)}", *((f"Seen by: {one_line(message.evidence)}",) if message.evidence else ()))
    if message.performance:
        yield (f"Performance: {one_line(message.performance)}",)
    lines = tuple(one_line(line.sentence or line.column) for line in message.columns if line.sentence != message.cause)
    if lines or message.more_columns:
        more = (f"… and {message.more_columns} more columns",) if message.more_columns else ()
        yield ("Columns, reference → now:" if any(line.sentence for line in message.columns) else "Columns:", *lines, *more)
    yield tuple(f"{label}: {value}" for label, value in facts(message))
    if message.account is not None:
        yield (account_line(message.account),)
