"""Was it posted already? An attempt whose answer was lost is looked up by the delivery's id in the metadata of messages.

Only what the token may see can be found: reading a channel needs ``channels:history``, and ``channels:read`` where the channel is
given by name. Where Slack refuses to look, the message is posted: told twice is better than not told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from monitor.errors import Permanent, Retryable
from monitor.notify.slack_api import SlackApi
from monitor.notify.slack_message import EVENT_TYPE
from monitor.ports import Delivery

CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{2,}", re.ASCII)
"""Names have lower-case letters only."""
SKEW = timedelta(minutes=10)
"""Slack's clock and ours may differ by so much."""
MESSAGES, CHANNELS, PAGES = 50, 200, 5
"""Messages and channels of a call, and calls of a look-up. The newest come first, and what was lost was lost lately."""
PATIENT_ATTEMPTS = 3
"""After so many attempts, a look-up that gets no answer holds the message up no longer."""
KINDS = ("public_channel,private_channel", "public_channel")
"""Kinds of channels to look a name up in: all, or those that ``channels:read`` shows."""


class Search:
    """Looks for one delivery. ``now`` is our clock's; ``known`` are ids of channels by the configured name, which it adds to."""

    def __init__(self, api: SlackApi, delivery: Delivery, now: datetime, known: dict[str, str]) -> None:
        self._api = api
        self._delivery = delivery
        self._known = known
        self._span = {"oldest": _ts(delivery.created_at - SKEW), "latest": _ts(now + SKEW), "include_all_metadata": True, "limit": MESSAGES}

    def in_channel(self, channel: str, guess: str | None = None) -> tuple[str, str] | None:
        """Channel id and ts of the message that an earlier attempt posted; None: there is none, or it cannot be seen.

        ``guess``: the id of the channel where its name cannot be looked up. Raises Retryable where Slack does not answer now.
        """
        if not self._delivery.attempts:
            return None
        try:
            id = self._id(channel) or guess
            found = None if id is None else self._found("conversations_history", channel=id)
        except (Retryable, Permanent) as error:
            self._unseen(error)
            return None
        return None if id is None or found is None else (id, found)

    def in_thread(self, channel: str, ts: str) -> bool:
        """Whether an earlier attempt answered in a thread. Raises Retryable where Slack does not answer now."""
        if not self._delivery.attempts:
            return False
        try:
            return self._found("conversations_replies", channel=channel, ts=ts) is not None
        except (Retryable, Permanent) as error:
            self._unseen(error)
            return False

    def file_in_thread(self, channel: str, ts: str, name: str) -> bool:
        """Whether an earlier attempt put a file of that name into a thread. Raises Retryable where Slack does not answer now."""
        if not self._delivery.attempts:
            return False
        try:
            pages = self._pages("conversations_replies", channel=channel, ts=ts, **self._span)
            files = (file for page in pages for message in _list(page, "messages") for file in _list(message, "files"))
            return any(file.get("name") == name for file in files)
        except (Retryable, Permanent) as error:
            self._unseen(error)
            return False

    def learn(self, channel: str, id: str) -> None:
        """Slack has told the id of a channel."""
        self._known[channel] = id

    def _unseen(self, error: Retryable | Permanent) -> None:
        """Raises it where it is worth waiting for; else we post without having looked."""
        if isinstance(error, Retryable) and self._delivery.attempts <= PATIENT_ATTEMPTS:
            raise error

    def _found(self, method: str, **where: str) -> str | None:
        for page in self._pages(method, **where, **self._span):
            for message in _list(page, "messages"):
                if _delivery_of(message) == self._delivery.id:
                    return str(message.get("ts"))
        return None

    def _id(self, channel: str) -> str | None:
        if CHANNEL_ID.fullmatch(channel):
            return channel
        if channel not in self._known:
            self._known.update(self._ids(channel))
        return self._known.get(channel)

    def _ids(self, channel: str) -> dict[str, str]:
        """The channel's id, among those that the bot is in: no other could be read."""
        for kinds in KINDS:
            try:
                for page in self._pages("users_conversations", types=kinds, exclude_archived=True, limit=CHANNELS):
                    for each in _list(page, "channels"):
                        if each.get("name") == channel.removeprefix("#"):
                            return {channel: str(each.get("id"))}
            except Permanent:  # the token may see fewer kinds
                continue
        return {}

    def _pages(self, method: str, **arguments: object) -> Iterator[Mapping[str, Any]]:
        cursor = None
        for _ in range(PAGES):
            page = self._api.do(method, cursor=cursor, **arguments)
            yield page.data if isinstance(page.data, dict) else {}
            told = page.get("response_metadata")
            cursor = told.get("next_cursor") if isinstance(told, dict) else None
            if not isinstance(cursor, str) or not cursor:
                return


def _list(page: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    listed = page.get(name)
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _delivery_of(message: Mapping[str, Any]) -> object:
    """The delivery that a message of ours was posted for; None for everybody else's."""
    marks = message.get("metadata")
    if not isinstance(marks, dict) or marks.get("event_type") != EVENT_TYPE or not isinstance(marks.get("event_payload"), dict):
        return None
    return marks["event_payload"].get("delivery")


def _ts(at: datetime) -> str:
    """A time as Slack names messages: seconds since 1970 with six digits behind the point."""
    return f"{at.timestamp():.6f}"
