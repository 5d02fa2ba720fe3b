"""Slack by bot token: one message per incident that always shows how it stands, with reminders, pictures and the end in its thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from slack_sdk.web import SlackResponse

from monitor.core.incidents import NotifyKind
from monitor.core.messages import IncidentMessage, from_body
from monitor.core.retraining import RetrainingState
from monitor.core.retraining_messages import RETRAINING_STATUS, RetrainingNote
from monitor.core.verdict_message import RETRAINING_VERDICT, RetrainingVerdict
from monitor.errors import DecodeError, Permanent
from monitor.notify.slack_api import LONGEST_WORD, SlackApi, SlackError
from monitor.notify.slack_buttons import buttons, proposal_buttons
from monitor.notify.slack_forms import standing, standing_metadata
from monitor.notify.slack_group import build_group, build_group_note, crowd_of, group_metadata
from monitor.notify.slack_message import SlackMessage, build, build_note, degraded, message_of, metadata
from monitor.notify.slack_picture import send_picture
from monitor.notify.slack_retraining import build_retraining, retraining_metadata
from monitor.notify.slack_rights import Deed
from monitor.notify.slack_search import Search
from monitor.notify.slack_verdict import build_verdict, verdict_metadata
from monitor.ports import PICTURE, Clock, Delivery, Grouping, Painter, Receipt
from monitor.settings.durations import printable
from monitor.settings.receivers import SlackSettings
from monitor.settings.secret import Secret

API_URL = "https://slack.com/api/"
TIMEOUT = 15.0
"""Seconds that one call may take."""

FILES = "files:write"
"""The scope that pictures need."""
TOO_MUCH = frozenset({
    "invalid_blocks", "invalid_blocks_format", "invalid_attachments", "msg_blocks_too_long", "msg_too_long", "too_many_attachments",
})
"""Errors of Slack's about the form of a message: its text alone will do."""
GONE = frozenset({"message_not_found", "thread_not_found", "cannot_reply_to_message"})
"""Errors of Slack's about a first message that somebody deleted."""

SHARED = "shared"
"""The last part of the thread of a message that tells of many incidents: no single one's change may rewrite it."""

NO_PREVIEWS: Mapping[str, object] = {"unfurl_links": False, "unfurl_media": False}


class SlackBot:
    """Sends incident messages to one channel as a bot. The token is read at each use, so that it can be rotated.

    ``grouping``: when many incidents are one message; None: never. ``min_interval``: seconds between two messages.
    ``offered``: what buttons stand under an incident's first message; none where nobody listens to them.
    """

    def __init__(
        self,
        *,
        token: Secret,
        channel: str,
        clock: Clock,
        api_url: str = API_URL,
        timeout: float = TIMEOUT,
        name: str = "slack",
        link_local: bool = False,
        painter: Painter | None = None,
        grouping: Grouping | None = None,
        min_interval: float = 0.0,
        offered: frozenset[Deed] = frozenset(),
    ) -> None:
        self.name = name
        self.grouping = grouping
        self.min_interval = min_interval
        self._painter = painter
        self._offered = offered
        self._token = token
        self._channel = channel
        self._clock = clock
        self._api_url = api_url
        self._timeout = timeout
        self._link_local = link_local
        self._ids: dict[str, str] = {}

    def send(self, delivery: Delivery) -> Receipt:
        """Post, or rewrite the incident's first message and answer in its thread. Raises Retryable or Permanent; neither tells the token.

        What an earlier attempt has posted already, and Slack lets us see, is not posted again.
        """
        first = _split(delivery.thread)
        if delivery.kind == PICTURE:
            if _is_shared(delivery.thread):
                return Receipt(detail="a message of many incidents takes no picture of one", posted=False)
            api, search = self._opened(delivery)
            return send_picture(api, search, delivery, first, self._painter)
        if delivery.kind in (RETRAINING_STATUS, RETRAINING_VERDICT):
            return self._retraining(delivery, first)
        if (alone := standing(delivery)) is not None:
            return self._call(delivery, standing_metadata(delivery)).post(alone, self._channel)
        message = message_of(delivery)
        call, whole = self._call(delivery, metadata(message, delivery.id)), build(message, buttons(message, self._offered))
        if first is not None and message.kind is not NotifyKind.FIRING and _is_shared(delivery.thread):
            answered = call.answer(message, first) or call.post(whole, self._channel, first[0])
            return replace(answered, thread=delivery.thread)
        match message.kind:
            case NotifyKind.UPDATE:
                return call.show(whole, first)
            case NotifyKind.REPEAT | NotifyKind.RESOLVED if first is not None:
                call.update(whole, *first)
                return call.answer(message, first) or call.post(whole, self._channel, first[0])
            case NotifyKind.FIRING | NotifyKind.REPEAT | NotifyKind.RESOLVED:
                return call.post(whole, self._channel)

    def send_group(self, deliveries: Sequence[Delivery]) -> Receipt:
        """One message for all, found again by the id of the group; its thread is theirs from now on."""
        crowd, first = crowd_of(deliveries), deliveries[0]
        id, where, over = first.together or first.id, _split(first.thread), crowd.kind is NotifyKind.RESOLVED
        whole = replace(first, id=id, attempts=max(d.attempts for d in deliveries), created_at=min(d.created_at for d in deliveries))
        call = self._call(whole, group_metadata(crowd, id))
        if where is not None and crowd.kind is not NotifyKind.FIRING:
            answered = call.reply(build_group_note(crowd) if over else build_group(crowd), where, broadcast=not over)
            if answered is not None:
                return replace(answered, thread=first.thread)
        posted = call.post(build_group(crowd), self._channel, where and where[0])
        return replace(posted, thread=posted.thread and f"{posted.thread}:{SHARED}")

    def _retraining(self, delivery: Delivery, first: tuple[str, str] | None) -> Receipt:
        try:
            if delivery.kind == RETRAINING_VERDICT:
                verdict = from_body(delivery.body, RetrainingVerdict)
                told, content = self._call(delivery, verdict_metadata(verdict, delivery.id)), build_verdict(verdict)
                return told.reply(content, first, broadcast=True) or self._beside(told, content, first)
            note = from_body(delivery.body, RetrainingNote)
        except DecodeError as error:
            raise Permanent(str(error)) from None
        call = self._call(delivery, retraining_metadata(note, delivery.id))
        asks = note.state is RetrainingState.PROPOSED
        content = build_retraining(note, proposal_buttons(note.id, self._offered) if asks else [])
        return call.reply(content, first) or self._beside(call, content, first)

    def _beside(self, call: _Call, content: SlackMessage, first: tuple[str, str] | None) -> Receipt:
        """In the channel, as no thread of the incident: its own first message may still come, and is the one that changes rewrite."""
        return replace(call.post(content, self._channel, first and first[0]), thread=None)

    def _opened(self, delivery: Delivery) -> tuple[SlackApi, Search]:
        now = self._clock.now()
        api = SlackApi(token=self._token.read(), api_url=self._api_url, timeout=self._timeout, now=now, link_local=self._link_local)
        return api, Search(api, delivery, now, self._ids)

    def _call(self, delivery: Delivery, marks: Mapping[str, object]) -> _Call:
        return _Call(*self._opened(delivery), marks)

    def close(self) -> None:
        """Nothing is held open between messages."""


def auth_test(slack: SlackSettings) -> str:
    """Ask Slack who the token is: ``bot name in team``, and what it lacks for pictures, as far as Slack tells.

    Raises Retryable or Permanent; for a webhook URL Permanent: it cannot be asked.
    """
    if slack.token is None:
        raise Permanent("slack: an incoming webhook cannot be tested without posting a message")
    api = SlackApi(token=slack.token.read(), api_url=slack.api_url, timeout=slack.timeout.total_seconds(), now=datetime.now(UTC),
                   link_local=slack.allow_link_local)
    said = api.do("auth_test")
    who = printable(f"{said.get('user', 'unknown user')} in {said.get('team', 'unknown team')}", LONGEST_WORD)
    scopes = str(said.headers.get("x-oauth-scopes", ""))
    lacks = slack.takes_pictures and scopes and FILES not in [scope.strip() for scope in scopes.split(",")]
    return f"{who}; without the scope {FILES} it gets no pictures: add it, or set slack.pictures: false" if lacks else who


class _Call:
    """What is done in Slack for one delivery, whose ``marks`` every post of it bears."""

    def __init__(self, api: SlackApi, search: Search, marks: Mapping[str, object]) -> None:
        self._api = api
        self._search = search
        self._marks = marks

    def post(self, message: SlackMessage, channel: str, guess: str | None = None) -> Receipt:
        """A message of its own in the channel, whose id is perhaps ``guess``."""
        found = self._search.in_channel(channel, guess)
        if found is not None:
            return Receipt(thread=_thread(*found), detail="posted by an earlier attempt")
        said = self._formed("chat_postMessage", message, channel=channel, metadata=self._marks, **NO_PREVIEWS)
        id = said.get("channel")
        if isinstance(id, str):
            self._search.learn(channel, id)
        return Receipt(thread=_thread(id, said.get("ts")), detail="posted")

    def show(self, message: SlackMessage, first: tuple[str, str] | None) -> Receipt:
        """Rewrite the first message, where there is one: nobody is called for a change of state."""
        if first is None:
            return Receipt(detail="there is no message to rewrite", posted=False)
        self.update(message, *first)
        return Receipt(thread=":".join(first), detail="rewritten", posted=False)

    def answer(self, message: IncidentMessage, first: tuple[str, str]) -> Receipt | None:
        """Reply with a short note; a reminder is one that the channel sees too. None: the thread is gone."""
        return self.reply(build_note(message), first, broadcast=message.kind is NotifyKind.REPEAT)

    def reply(self, content: SlackMessage, first: tuple[str, str] | None, *, broadcast: bool = False) -> Receipt | None:
        """A message in the thread of ``first``. None: there is no thread, or it is gone."""
        if first is None:
            return None
        channel, ts = first
        if self._search.in_thread(channel, ts):
            return Receipt(thread=f"{channel}:{ts}", detail="answered by an earlier attempt")
        try:
            where = {"channel": channel, "thread_ts": ts, "reply_broadcast": broadcast}
            self._formed("chat_postMessage", content, metadata=self._marks, **where, **NO_PREVIEWS)
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
            return self._api.do(method, **_content(message), **where)
        except SlackError as error:
            if error.error not in TOO_MUCH:
                raise
        return self._api.do(method, **_content(degraded(message)), **where)


def _content(message: SlackMessage) -> dict[str, object]:
    """What both posting and updating take."""
    return {"text": message.text, "blocks": list(message.blocks), "attachments": list(message.attachments)}


def _thread(channel: object, ts: object) -> str | None:
    """``channel:ts`` of a message; None where Slack has told nothing that can be stored and asked for again."""
    told = f"{channel}:{ts}"
    known = isinstance(channel, str) and isinstance(ts, str) and told.isascii() and told.isprintable() and len(told) <= LONGEST_WORD
    return told if known else None


def _split(thread: str | None) -> tuple[str, str] | None:
    """Channel and ts of the incident's first message, from ``channel:ts`` or, where it tells of others too, ``channel:ts:shared``."""
    channel, _, ts = (thread or "").removesuffix(f":{SHARED}").partition(":")
    return (channel, ts) if channel and ts else None


def _is_shared(thread: str | None) -> bool:
    return (thread or "").endswith(f":{SHARED}")
