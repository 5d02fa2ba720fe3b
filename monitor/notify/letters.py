"""What people are told, as a letter: a subject and paragraphs of plain lines, for mail and for lines of text. A kind is one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from monitor.core.digest import DIGEST, Digest, headline
from monitor.core.incidents import NotifyKind
from monitor.core.messages import IncidentMessage, from_body, moment
from monitor.core.results import Verdict
from monitor.core.retraining_messages import RETRAINING_STATUS, RetrainingNote
from monitor.core.verdict_message import RETRAINING_VERDICT, RetrainingVerdict
from monitor.errors import DecodeError, Permanent
from monitor.notify.plain import is_incident, message_of, other_said, outline, paragraphs, said
from monitor.notify.slack_message import LOOKS, PLAIN, look_of, one_line
from monitor.ports import Delivery

MAX_SUBJECT = 200
"""Characters; mail programs show fewer."""
WEB = ("https://", "http://")

Paragraphs = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is said. All of it is plain text, and every line is one."""

    subject: str
    title: str
    colour: str
    paragraphs: Paragraphs
    url: str | None = None


def letter_of(delivery: Delivery) -> Letter:
    """The letter of any message for people. Raises Permanent where the stored body is not what its kind says."""
    if is_incident(delivery):
        return _incident(message_of(delivery))
    form = LETTERS.get(delivery.kind)
    try:
        return _other(delivery) if form is None else form(delivery.body)
    except DecodeError as error:
        raise Permanent(str(error)) from None


def _incident(message: IncidentMessage) -> Letter:
    look = look_of(message)
    reminder = "Still going on: " if message.kind is NotifyKind.REPEAT else ""
    return Letter(subject=f"{reminder}{said(message, MAX_SUBJECT)}", title=f"{look.sign} {look.word}: {message.model}", colour=look.colour,
                  paragraphs=tuple(paragraphs(message)), url=message.url)


def _digest(body: Mapping[str, object]) -> Letter:
    digest = from_body(body, Digest)
    parts = [(f"{one_line(part.model)}:", *map(one_line, part.lines), *_more(part.more)) for part in digest.models]
    held = ("Held back:", *map(one_line, digest.held), *_more(digest.more_held))
    rest = (_more(digest.more_models, " models"), held if len(held) > 1 else (), tuple(map(one_line, digest.dead)))
    when = f"{moment(digest.since)} to {moment(digest.until)}"
    return Letter(subject=headline(digest), title=headline(digest), colour=LOOKS[Verdict.WARN].colour,
                  paragraphs=((when,), *parts, *(lines for lines in rest if lines)),
                  url=digest.models[0].url if len(digest.models) == 1 else None)


def _more(count: int, of: str = "") -> tuple[str, ...]:
    return (f"… and {count} more{of}",) if count else ()


def _retraining(body: Mapping[str, object]) -> Letter:
    note = from_body(body, RetrainingNote)
    lines = (note.sentence, note.hint, f"The run: {note.run_url}" if note.run_url else "")
    return Letter(subject=f"Retraining: {note.sentence}", title=f"Retraining: {note.model}", colour=PLAIN.colour,
                  paragraphs=tuple((one_line(line),) for line in lines if line), url=note.url)


def _verdict(body: Mapping[str, object]) -> Letter:
    verdict = from_body(body, RetrainingVerdict)
    return Letter(subject=f"Retraining: {verdict.sentence}", title=f"Retraining: {verdict.model}", colour=PLAIN.colour,
                  paragraphs=((one_line(verdict.sentence),),), url=verdict.url)


def _other(delivery: Delivery) -> Letter:
    """Of a kind that has no letter of its own: its sentence, and all that it holds in lines."""
    url = delivery.body.get("url")
    return Letter(subject=other_said(delivery, MAX_SUBJECT), title=one_line(delivery.kind.replace("_", " ")), colour=PLAIN.colour,
                  paragraphs=(tuple(outline(delivery.body)),), url=url if isinstance(url, str) and url.startswith(WEB) else None)


LETTERS: Mapping[str, Callable[[Mapping[str, object]], Letter]] = {
    DIGEST: _digest,
    RETRAINING_STATUS: _retraining,
    RETRAINING_VERDICT: _verdict,
}
"""By kind of delivery, for what is about no incident. Each raises DecodeError."""
