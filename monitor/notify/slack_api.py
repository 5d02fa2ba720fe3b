"""Slack's Web API for one delivery: slack-sdk's client over our transport, Slack's errors as ours, one deadline over all calls."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from monitor.errors import Permanent, Retryable
from monitor.log import redact
from monitor.notify.transport import Answer, Limits, demand_success, post, retry_after
from monitor.settings.durations import printable

MAX_ANSWER = 4 * 1024 * 1024
"""Bytes; Slack gives the whole message back, and a page of a channel's history is fifty of them."""
LONGEST_WORD = 100
"""Characters of a text of Slack's that are kept, made printable: half a character or NUL cannot be stored."""
POSTS_APART = 1.0
"""Seconds between two messages to one channel: Slack takes about one a second, https://docs.slack.dev/apis/web-api/rate-limits"""
CALLS = 3
"""All calls of one delivery together take as long as so many may: the lease of a delivery is longer than that."""

TRANSIENT = frozenset({"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"})
"""Errors of Slack's that pass by themselves; every other one needs a person."""

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
    "file_uploads_disabled": "the workspace allows no files; slack.pictures: false asks for none",
}
SCOPE = re.compile(r"[a-z._]+:[a-z._:]+")

T = TypeVar("T")

_quiet = logging.getLogger("driftd.slack_sdk")
_quiet.setLevel(logging.CRITICAL)  # at NOTSET slack-sdk takes itself to be debugging, and prints bodies


class SlackError(Permanent):
    """Slack said no; ``error`` is its word for why."""

    def __init__(self, method: str, error: str, needed: str = "") -> None:
        self.error = error
        advice = f" ({ADVICE[error]})" if error in ADVICE else ""
        if error == "missing_scope" and needed:
            advice = f" (the token lacks the scope {needed})"
        super().__init__(f"Slack refused {method}: {error}{advice}")


class SlackApi:
    """Calls methods of Slack's. ``timeout``: seconds of one call; ``now``: for dates in Slack's answers."""

    def __init__(self, *, token: str, api_url: str, timeout: float, now: datetime, link_local: bool = False) -> None:
        limits = Limits(read=timeout, total=timeout, body=MAX_ANSWER, link_local=link_local)
        self._client = Client(token=token, api_url=api_url, limits=limits, now=now)

    def do(self, method: str, **arguments: object) -> SlackResponse:
        """One call, by slack-sdk's name of the method. Raises SlackError where Slack says no, Retryable and Permanent for the transport."""
        try:
            said: SlackResponse = getattr(self._client, method)(**arguments)
        except SlackApiError as error:
            refused = self._told(method, error.response)
        except SlackClientError as error:
            refused = Permanent(f"slack-sdk would not send {method}: {type(error).__name__}")
        else:
            return said
        raise refused  # out here, so that slack-sdk's error with all that the server said does not hang on it

    def upload(self, url: str, content: bytes) -> None:
        """Send a file to the address that Slack gave for it, without the token. Raises Retryable and Permanent, which do not tell it."""
        self._client.upload(url, content)

    def wait_for(self, work: Callable[[], T]) -> T:
        """Do something else between two calls: what it takes is no time of Slack's."""
        began = time.monotonic()
        try:
            return work()
        finally:
            self._client.ends += time.monotonic() - began

    def _told(self, method: str, response: SlackResponse) -> Permanent | Retryable:
        word = printable(redact(str(response.get("error", "no reason given")).replace(self._client.token or "\0", "***")), LONGEST_WORD)
        if word in TRANSIENT:
            return Retryable(f"Slack put off {method}: {word}", retry_after=self._client.retry_after)
        needed = response.get("needed")
        scope = needed if isinstance(needed, str) and SCOPE.fullmatch(needed) and len(needed) <= LONGEST_WORD else ""
        return SlackError(method, word, scope)


class Client(WebClient):
    """slack-sdk's client with our transport under it: its own follows redirects with the token in hand, and waits without end."""

    def __init__(self, *, token: str, api_url: str, limits: Limits, now: datetime) -> None:
        super().__init__(token=token, base_url=api_url, logger=_quiet, retry_handlers=[])
        self.now = now
        self.limits = limits
        self.ends = time.monotonic() + CALLS * limits.total
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
        answer = post(url, content=content, headers={**sent, "content-type": kind}, limits=self._left(api_method))
        demand_success(answer, f"Slack's {api_method}", self.now)
        self.retry_after = retry_after(answer, self.now)
        said = SlackResponse(
            client=self, http_verb=http_verb, api_url=url, req_args={}, data=_parsed(answer), headers=dict(answer.headers), status_code=200
        )
        said.validate()  # type: ignore[no-untyped-call]  # slack-sdk leaves it without types
        return said

    def upload(self, url: str, content: bytes) -> None:
        """One POST of the bytes. Raises Permanent for an address that could be read on the way, and is not the API's own host."""
        if not _is_safe(url, self.base_url):
            raise Permanent("Slack gave an address for the file that is neither https nor that of its API: nothing is sent there")
        headers = {"user-agent": self.headers["User-Agent"], "content-type": "application/octet-stream"}
        answer = post(url, content=content, headers=headers, limits=self._left("upload of a file"))
        demand_success(answer, "Slack's upload of a file", self.now)

    def _left(self, api_method: str) -> Limits:
        """The limits of a call, within what is left for all of them."""
        left = min(self.limits.total, self.ends - time.monotonic())
        if left <= 0:
            raise Retryable(f"no time was left for Slack's {api_method}")
        return Limits(read=left, total=left, body=self.limits.body, link_local=self.limits.link_local)


def _is_safe(url: str, api: str) -> bool:
    """Whether the bytes of a file may go there: over https, or to the very host and port of the API that is configured."""
    try:
        there, own = urlsplit(url), urlsplit(api)
        same = (there.scheme, there.hostname, there.port) == (own.scheme, own.hostname, own.port)
        return (there.scheme == "https" or same) and bool(there.hostname) and there.username is None and there.password is None
    except ValueError:
        return False


def _parsed(answer: Answer) -> dict[str, object]:
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or not answer.complete:
        raise Retryable("Slack's answer is no JSON object: something stands between, or it broke off")
    return said


def _given(arguments: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in arguments.items() if value is not None}


def _dumped(arguments: Mapping[str, object]) -> bytes:
    return json.dumps(_given(arguments)).encode()
