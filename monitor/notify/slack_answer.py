"""Answers to who clicked or asked, by the URL that Slack gives with each of them; only that person sees them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

from monitor.errors import Permanent
from monitor.notify.slack_command import Reply
from monitor.notify.slack_message import SECTION_LIMIT, clip, escape
from monitor.notify.transport import Limits, demand_success, post


class Answers:
    """Posts to such URLs: each is a secret, and good for five posts in half an hour.

    ``api_url``: whose servers may be answered; a URL of any other host is not called.
    """

    def __init__(self, *, api_url: str, timeout: float, link_local: bool = False) -> None:
        self._api = urlsplit(api_url)
        self._limits = Limits(read=timeout, total=timeout, link_local=link_local)

    def say(self, url: str, text: str, now: datetime) -> None:
        """A line for that person alone. Raises Retryable or Permanent; neither tells the URL."""
        self._post(url, {"response_type": "ephemeral", "replace_original": False, "text": clip(escape(text), SECTION_LIMIT)}, now)

    def reply(self, url: str, reply: Reply, now: datetime) -> None:
        """The answer to a command, for that person alone. Raises as ``say``."""
        self._post(url, {"response_type": "ephemeral", "text": reply.text, "blocks": list(reply.blocks)}, now)

    def replace(self, url: str, message: Mapping[str, object], now: datetime) -> None:
        """Put another message in the place of the one that was clicked under, for everybody. Raises as ``say``."""
        self._post(url, {"replace_original": True, **message}, now)

    def _post(self, url: str, body: Mapping[str, object], now: datetime) -> None:
        if not self._may_be_called(url):
            raise Permanent("Slack's URL for answers is of another host than Slack's")
        headers = {"content-type": "application/json; charset=utf-8"}
        answer = post(url, content=json.dumps(body).encode(), headers=headers, limits=self._limits)
        demand_success(answer, "Slack's URL for answers", now)

    def _may_be_called(self, url: str) -> bool:
        """Whether it is of the API's own host or of one beneath it (hooks.slack.com), and as safe on the way."""
        try:
            parts = urlsplit(url)
            host, api = parts.hostname or "", self._api.hostname or ""
        except ValueError:
            return False
        return parts.scheme == self._api.scheme and (host == api or host.endswith(f".{api}"))
