"""Slack by incoming webhook: the simple way in. No threads and no updates: the end of an incident is a message of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence

from monitor.core.incidents import NotifyKind
from monitor.core.messages import from_body
from monitor.core.retraining_messages import RETRAINING_STATUS, RetrainingNote
from monitor.core.verdict_message import RETRAINING_VERDICT, RetrainingVerdict
from monitor.errors import DecodeError, Permanent, Retryable
from monitor.notify.slack_forms import standing
from monitor.notify.slack_group import build_group, crowd_of
from monitor.notify.slack_message import SlackMessage, build, degraded, message_of
from monitor.notify.slack_retraining import build_retraining
from monitor.notify.slack_verdict import build_verdict
from monitor.notify.transport import Answer, Limits, demand_success, post
from monitor.ports import PICTURE, Clock, Delivery, Grouping, Receipt
from monitor.settings.receivers import why_not_safe
from monitor.settings.secret import Secret

TIMEOUT = 15.0
"""Seconds that one post may take."""
WORDS = frozenset({
    "action_prohibited", "channel_is_archived", "channel_not_found", "invalid_attachments", "invalid_blocks", "invalid_payload",
    "invalid_token", "no_active_hooks", "no_service", "no_service_id", "no_team", "no_text", "posting_to_general_channel_denied",
    "rate_limited", "rollup_error", "team_disabled", "too_many_attachments", "user_not_found",
})
"""Slack's reasons. Any other text of an answer is not repeated: it might hold the URL, which is a secret."""
FORM = frozenset({"invalid_blocks", "invalid_payload", "invalid_attachments", "too_many_attachments"})


class SlackWebhook:
    """Sends incident messages to the channel that the URL stands for. The URL is a secret, read at each use.

    ``grouping``: when many incidents are one message; None: never. ``min_interval``: seconds between two messages.
    """

    def __init__(
        self,
        *,
        url: Secret,
        clock: Clock,
        timeout: float = TIMEOUT,
        name: str = "slack",
        insecure: bool = False,
        link_local: bool = False,
        grouping: Grouping | None = None,
        min_interval: float = 0.0,
    ) -> None:
        self.name = name
        self.grouping = grouping
        self.min_interval = min_interval
        self._url = url
        self._insecure = insecure
        self._clock = clock
        self._limits = Limits(read=timeout, total=timeout, link_local=link_local)

    def send(self, delivery: Delivery) -> Receipt:
        """Post. Raises Retryable or Permanent; neither tells the URL. What was posted stays as it is: a change of state is not told."""
        if delivery.kind == PICTURE:
            raise Permanent("an incoming webhook takes no pictures")
        if delivery.kind == NotifyKind.UPDATE:
            return Receipt(detail="an incoming webhook cannot rewrite a message", posted=False)
        try:
            message = _built(delivery)
        except DecodeError as error:
            raise Permanent(str(error)) from None
        return self._told(message)

    def send_group(self, deliveries: Sequence[Delivery]) -> Receipt:
        """Post one message for all."""
        return self._told(build_group(crowd_of(deliveries)))

    def close(self) -> None:
        """Nothing is held open between messages."""

    def _told(self, message: SlackMessage) -> Receipt:
        answer = self._post(message)
        if answer.status == 400 and _word(answer) in FORM:
            answer = self._post(degraded(message))
        demand_success(answer, "Slack's webhook", self._clock.now(), _word(answer))
        if answer.body.strip() != b"ok":
            raise Retryable("Slack's webhook answered 200 but not 'ok': something stands between")
        return Receipt(detail="posted")

    def _post(self, message: SlackMessage) -> Answer:
        body = {"text": message.text, "blocks": list(message.blocks), "attachments": list(message.attachments)}
        content = json.dumps({name: value for name, value in body.items() if value}).encode()
        return post(self._safe_url(), content=content, headers={"content-type": "application/json"}, limits=self._limits)

    def _safe_url(self) -> str:
        """A URL that came from a file was not seen when the configuration was checked. Raises Permanent, without telling it."""
        url = self._url.read()
        try:
            unsafe = why_not_safe(url, self._insecure)
        except ValueError as error:
            raise Permanent(f"slack.webhook_url: {error}") from None
        if unsafe:
            raise Permanent(f"slack.webhook_url: {unsafe}")
        return url


def _built(delivery: Delivery) -> SlackMessage:
    """Raises DecodeError."""
    if delivery.kind == RETRAINING_STATUS:
        return build_retraining(from_body(delivery.body, RetrainingNote))
    if delivery.kind == RETRAINING_VERDICT:
        return build_verdict(from_body(delivery.body, RetrainingVerdict))
    return standing(delivery) or build(message_of(delivery))


def _word(answer: Answer) -> str:
    """Slack's reason, if it is one."""
    word = answer.body.strip().decode("ascii", "replace")
    return word if word in WORDS else ""
