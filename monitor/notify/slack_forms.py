"""Messages that stand alone in Slack: of no incident, in no thread. A kind is one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from monitor.core.digest import DIGEST, Digest
from monitor.core.messages import from_body
from monitor.errors import DecodeError, Permanent
from monitor.notify.slack_digest import build_digest
from monitor.notify.slack_message import EVENT_TYPE, SlackMessage
from monitor.ports import Delivery

STANDING: Mapping[str, Callable[[Mapping[str, object]], SlackMessage]] = {
    DIGEST: lambda body: build_digest(from_body(body, Digest)),
}
"""By kind of delivery, the message that its stored body makes."""


def standing(delivery: Delivery) -> SlackMessage | None:
    """The message of a delivery that stands alone; None: it is about an incident. Raises Permanent for a body that cannot be read."""
    form = STANDING.get(delivery.kind)
    try:
        return None if form is None else form(delivery.body)
    except DecodeError as error:
        raise Permanent(str(error)) from None


def standing_metadata(delivery: Delivery) -> Mapping[str, object]:
    """What tells two posts of one delivery from two deliveries; people do not see it."""
    return {"event_type": EVENT_TYPE, "event_payload": {"delivery": delivery.id, "kind": delivery.kind}}
