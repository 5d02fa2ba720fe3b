"""How a request to retrain goes on, as a message of Slack's: one paragraph, and what people can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.core.retraining import RetrainingState
from monitor.core.retraining_messages import RetrainingNote
from monitor.core.schema import rfc3339
from monitor.notify.slack_message import EVENT_TYPE, Block, Look, SlackMessage, context, fallback, link, section

SIGNS: Mapping[RetrainingState, str] = {
    RetrainingState.PROPOSED: "🟡", RetrainingState.SUCCEEDED: "🟢", RetrainingState.FAILED: "🔴", RetrainingState.CANCELLED: "⚪",
}
"""Of the other states there is nothing to see yet."""


def build_retraining(note: RetrainingNote, under: Sequence[Block] = ()) -> SlackMessage:
    """The note for the thread of its incident, or for the channel where it has none. ``under``: what stands at its end."""
    look = Look(colour="#868686", sign=SIGNS.get(note.state, "🔁"), word="Retraining")
    blocks = (
        section(f"{look.sign} {note.sentence}"),
        *((context(note.hint),) if note.hint else ()),
        *((context(f"The run: {note.run_url}"),) if note.run_url else ()),
        *link(note.url),
        *under,
    )
    return SlackMessage(text=fallback(look, note.sentence), blocks=blocks, attachments=())


def retraining_metadata(note: RetrainingNote, delivery: str) -> Mapping[str, object]:
    """What tells two posts of one delivery from two deliveries; people do not see it."""
    payload = {"delivery": delivery, "incident": note.incident or "", "model": note.model, "at": rfc3339(note.at)}
    return {"event_type": EVENT_TYPE, "event_payload": payload}
