"""Whether retraining helped, as Slack shows it: one line in the thread of the incident that asked for it."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.core.retraining import Helped
from monitor.core.verdict_message import RetrainingVerdict
from monitor.notify.slack_message import EVENT_TYPE, PLAIN, RESOLVED, Look, SlackMessage, fallback, link, section

LOOKS: Mapping[Helped | None, Look] = {
    Helped.HELPED: RESOLVED,
    Helped.DID_NOT: Look(colour="#ecb22e", sign="🟡", word="No better"),
    None: PLAIN,
}


def build_verdict(verdict: RetrainingVerdict) -> SlackMessage:
    """The sentence, and where to read on."""
    look = LOOKS[verdict.helped]
    text = fallback(look, verdict.sentence)
    return SlackMessage(text=text, blocks=(section(f"{look.sign} {verdict.sentence}"), *link(verdict.url)), attachments=())


def verdict_metadata(verdict: RetrainingVerdict, delivery: str) -> Mapping[str, object]:
    """What tells two posts of one delivery from two deliveries; people do not see it."""
    payload = {"delivery": delivery, "retraining": verdict.retraining, "model": verdict.model}
    return {"event_type": EVENT_TYPE, "event_payload": payload}
