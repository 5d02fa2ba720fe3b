"""Slack by bot token: one message per incident, reminders and the end of it in its thread, the first one turned green."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from monitor.core.incidents import NotifyKind
from monitor.core.messages import IncidentMessage, from_body
from monitor.errors import DecodeError, Permanent, Retryable
from monitor.log import redact
from monitor.notify.slack_message import SlackMessage, build, build_note, degraded, metadata
from monitor.notify.transport import Answer, Limits, demand_success, post, retry_after
from monitor.ports import Clock, Delivery, Receipt
from monitor.settings.receivers import SlackSettings
from monitor.settings.secret import Secret

API_URL = "https://slack.com/api/"
MAX_ANSWER = 1024 * 1024
"""Bytes; Slack gives the whole message back: more than a plain webhook does."""
TIMEOUT = 15.0
"""Seconds that one call may take; a delivery takes two at most, and a third where Slack refuses a form."""

TRANSIENT = frozenset({"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"})
"""Errors of Slack's that pass by themselves; every other one needs a person."""
TOO_MUCH = frozenset({
    "invalid_blocks", "invalid_blocks_format", "invalid_attachments", "msg_blocks_too_long", "msg_too_long", "too_many_attachments",
})
"""Errors of Slack's about the form of a message: its text alone will do."""
GONE = frozenset({"message_not_found", "thread_not_found", "cannot_reply_to_message"})
"""Errors of Slack's about a first message that somebody deleted."""

ADVICE: Mapping[str, str] = {
    "not_in_channel": "invite the bot to the channel",
    "channel_not_found": "no such channel, or a private one that the bot is not in",
    "is_archived": "the channel is archived",
    "invalid_auth": "the token is not valid",
    "not_authed": "the token is missing",
    "account_inactive": "the token's account is deactivated",
    "token_revoked": "the token was revoked",
    "token_expired": "the token has expired",
    "missing_scope": "the token lacks the scope chat:write",
}

NO_PREVIEWS: Mapping[str, object] = {"unfurl_links": False, "unfurl_media": False}

_quiet = logging.getLogger("driftd.slack_sdk")
_quiet.setLevel(logging.CRITICAL)  # at NOTSET slack-sdk takes itself to be debugging, and prints bodies


class SlackError(Permanent):
    """Slack said no; ``error`` is its word for why."""

    def __init__(self, method: str, error: str) -> None:
        self.error = error
        advice = f" ({ADVICE[error]})" if error in ADVICE else ""
        super().__init__(f"Slack refused {method}: {error}{advice}")


class SlackBot:
    """Sends incident messages to one channel as a bot. The token is read at each use, so that it can be rotated."""

    def __init__(
        self, *, token: Secret, channel: str, clock: Clock, api_url: str = API_URL, timeout: float = TIMEOUT, name: str = "slack"
    ) -> None:
        self.name = name
        self._token = token
        self._channel = channel
        self._clock = clock
        self._api_url = api_url
        self._timeout = timeout

    def send(self, delivery: Delivery) -> Receipt:
        """Post, or answer in the thread of the incident's first message. Raises Retryable or Permanent; neither tells the token."""
        try:
            message = from_body(delivery.body, IncidentMessage)
        except DecodeError as error:
            raise Permanent(str(error)) from None
        call = _Call(_Client(token=self._token.read(), api_url=self._api_url, timeout=self._timeout, now=self._clock.now()))
        marks = metadata(message, delivery.id)
        first = _split(delivery.thread)
        if first is None or message.kind is NotifyKind.FIRING:
            return call.post(build(message), self._channel, marks)
        if message.kind is NotifyKind.RESOLVED:
            call.update(build(message), *first)
        return call.answer(message, first, marks) or call.post(build(message), self._channel, marks)

    def close(self) -> None:
        """Nothing is held open between messages."""


def auth_test(slack: SlackSettings) -> str:
    """Ask Slack who the token is: ``bot name in team``. Raises Retryable or Permanent; for a webhook URL Permanent: it cannot be asked."""
    if slack.token is None:
        raise Permanent("slack: an incoming webhook cannot be tested without posting a message")
    timeout = slack.timeout.total_seconds()
    return _Call(_Client(token=slack.token.read(), api_url=slack.api_url, timeout=timeout, now=datetime.now(UTC))).who()


class _Call:
    """Slack's methods for one delivery, with Slack's errors as ours."""

    def __init__(self, client: _Client) -> None:
        self._client = client

    def who(self) -> str:
        said = self._do("auth_test")
        return f"{said.get('user', 'unknown user')} in {said.get('team', 'unknown team')}"

    def post(self, message: SlackMessage, channel: str, marks: Mapping[str, object]) -> Receipt:
        said = self._formed("chat_postMessage", message, channel=channel, metadata=marks, **NO_PREVIEWS)
        return Receipt(thread=f"{said.get('channel')}:{said.get('ts')}", detail="posted")

    def answer(self, message: IncidentMessage, first: tuple[str, str], marks: Mapping[str, object]) -> Receipt | None:
        """Reply in the thread: a short note of the end, a whole reminder that the channel sees too. None: the thread is gone."""
        channel, ts = first
        over = message.kind is NotifyKind.RESOLVED
        content = build_note(message) if over else build(message)
        try:
            where = {"channel": channel, "thread_ts": ts, "reply_broadcast": not over}
            self._formed("chat_postMessage", content, metadata=marks, **where, **NO_PREVIEWS)
        except SlackError as error:
            if error.error not in GONE:
                raise
            return None
        return Receipt(thread=f"{channel}:{ts}", detail="answered in the thread")

    def update(self, message: SlackMessage, channel: str, ts: str) -> None:
        """Rewrite the first message. Doing it twice is as doing it once; where Slack will not have it, the thread still tells."""
        try:
            self._formed("chat_update", message, channel=channel, ts=ts)
        except SlackError as error:
            if error.error not in GONE | {"cant_update_message", "edit_window_closed", "update_failed"}:
                raise

    def _formed(self, method: str, message: SlackMessage, **where: object) -> SlackResponse:
        """The message in full; its text alone when Slack does not take the form."""
        try:
            return self._do(method, **_content(message), **where)
        except SlackError as error:
            if error.error not in TOO_MUCH:
                raise
        return self._do(method, **_content(degraded(message)), **where)

    def _do(self, method: str, **arguments: object) -> SlackResponse:
        try:
            said: SlackResponse = getattr(self._client, method)(**arguments)
        except SlackApiError as error:
            refused = self._told(method, error.response)
        except SlackClientError as error:
            refused = Permanent(f"slack-sdk would not send {method}: {type(error).__name__}")
        else:
            return said
        raise refused  # out here, so that slack-sdk's error with all that the server said does not hang on it

    def _told(self, method: str, response: SlackResponse) -> Permanent | Retryable:
        word = redact(str(response.get("error", "no reason given")).replace(self._client.token or "\0", "***"))[:100]
        if word in TRANSIENT:
            return Retryable(f"Slack put off {method}: {word}", retry_after=self._client.retry_after)
        return SlackError(method, word)


class _Client(WebClient):
    """slack-sdk's client with our transport under it: its own follows redirects with the token in hand, and waits without end."""

    def __init__(self, *, token: str, api_url: str, timeout: float, now: datetime) -> None:
        super().__init__(token=token, base_url=api_url, logger=_quiet, retry_handlers=[])
        self.now = now
        self.limits = Limits(read=timeout, total=timeout, body=MAX_ANSWER)
        self.retry_after: float | None = None

    def api_call(
        self,
        api_method: str,
        *,
        http_verb: str = "POST",
        files: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        json: dict[str, Any] | None = None,  # the name is slack-sdk's
        headers: dict[str, Any] | None = None,
        auth: dict[str, Any] | None = None,
    ) -> SlackResponse:
        """One POST. Raises SlackApiError when Slack says no, Retryable and Permanent for the transport."""
        if files or auth:
            raise SlackClientError("files and client credentials are not sent by this client")
        url = self.base_url + api_method
        sent = {"user-agent": self.headers["User-Agent"], "authorization": f"Bearer {self.token}", **(headers or {})}
        if json is None:
            content, kind = urlencode(_given({**(params or {}), **(data or {})})).encode(), "application/x-www-form-urlencoded"
        else:
            content, kind = _dumped(json), "application/json; charset=utf-8"
        answer = post(url, content=content, headers={**sent, "content-type": kind}, limits=self.limits)
        demand_success(answer, f"Slack's {api_method}", self.now)
        self.retry_after = retry_after(answer, self.now)
        said = SlackResponse(
            client=self, http_verb=http_verb, api_url=url, req_args={}, data=_parsed(answer), headers=dict(answer.headers), status_code=200
        )
        said.validate()  # type: ignore[no-untyped-call]  # slack-sdk leaves it without types
        return said


def _parsed(answer: Answer) -> dict[str, object]:
    try:
        said = json.loads(answer.body)
    except ValueError:
        said = None
    if not isinstance(said, dict) or not answer.complete:
        raise Retryable("Slack's answer is no JSON object: something stands between, or it broke off")
    return said


def _given(arguments: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in arguments.items() if value is not None}


def _dumped(arguments: Mapping[str, object]) -> bytes:
    return json.dumps(_given(arguments)).encode()


def _content(message: SlackMessage) -> dict[str, object]:
    """What both posting and updating take."""
    return {"text": message.text, "blocks": list(message.blocks), "attachments": list(message.attachments)}


def _split(thread: str | None) -> tuple[str, str] | None:
    """``channel:ts`` of the incident's first message."""
    channel, _, ts = (thread or "").partition(":")
    return (channel, ts) if channel and ts else None
