"""A server that speaks the part of Slack that driftd uses: Web API and incoming webhooks, over HTTP, with Slack's limits.

The demo prints the messages that it gets; tests script its faults.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from monitor.demo.scripted_http import PATIENCE, Fault, Reply, Request, ScriptedServer, answers
from monitor.demo.slack_clicks import ANN, SlackUser, block_actions, slash_command
from monitor.demo.slack_files import UPLOAD_PATH, Files, SlackFile, as_told
from monitor.demo.slack_history import NEEDS, SlackPost, channels, history, replies
from monitor.demo.slack_limits import refusal
from monitor.demo.slack_rates import Rates
from monitor.demo.slack_sockets import Delivered, SlackSockets

TEAM, BOT, WEBHOOK_CHANNEL = "driftd demo", "driftd", "#incoming-webhook"
WEBHOOK_PATH = "/services/T000/B000/secret"
ACTIONS_PATH = "/actions/T000/"
MOST_ANSWERS = 5
"""Posts that a URL for answers takes."""
APP_TOKEN = "xapp-"  # noqa: S105  how each of them begins
CHAT = frozenset({"chat:write"})
"""What a bot needs to post; reading channels takes more."""

__all__ = ["CHAT", "SlackPost", "SlackServer", "refuses"]


def refuses(error: str) -> Fault:
    """Slack says no, with this word for why."""
    return answers(200, json.dumps({"ok": False, "error": error}).encode(), content_type="application/json")


class SlackServer(ScriptedServer):
    """``posts`` are the messages in the order of posting, as they stand now. ``scopes``: what the token may do.

    ``apart``: seconds between two messages to one channel, where sooner ones are to be refused (see ``Rates``).

    ``on_message`` is told every post, and every change of one (its ``edits`` are not 0), by the thread of the request.
    ``app_token`` opens Socket Mode; None: that is off. ``told`` are answers that one person alone sees, in their order.
    """

    def __init__(
        self,
        *,
        token: str | None = None,
        on_message: Callable[[SlackPost], None] | None = None,
        scopes: Collection[str] = CHAT,
        apart: float | None = None,
        app_token: str | None = None,
    ) -> None:
        self.told: list[dict[str, Any]] = []
        self.sockets = SlackSockets() if app_token is not None else None
        self._app_token = app_token
        self._answerable: dict[str, str] = {}
        self._answers: Counter[str] = Counter()
        self.posts: list[SlackPost] = []
        self.rates = Rates(apart)
        self.scopes = frozenset(scopes)
        self._files = Files()
        self._channels: dict[str, str] = {}
        self._made = 0
        self._token = token
        self._on_message = on_message
        self._changing = threading.RLock()
        self._answered = threading.Condition(self._changing)
        super().__init__()
        self.url = f"{self.root}/api/"
        self.webhook_url = self.root + WEBHOOK_PATH

    def process(self, request: Request) -> Reply:
        """One call of the Web API, or one post to the webhook."""
        if request.path.startswith("/services/"):
            return self._webhook(request)
        if request.path.startswith(ACTIONS_PATH):
            return self._answer(request)
        if request.path.startswith(UPLOAD_PATH):
            return self._upload(request)
        method = request.path.partition("?")[0].removeprefix("/api/")
        if method == "chat.postMessage" and (limited := self.rates.refusal(str(_arguments(request).get("channel", "")))) is not None:
            return limited
        answer = self._method(method, request)
        body = json.dumps({"ok": "error" not in answer, **answer}).encode()
        scopes = {"x-oauth-scopes": ",".join(sorted(self.scopes))} if method == "auth.test" else {}
        return Reply(body=body, headers={"content-type": "application/json; charset=utf-8", **scopes})

    def delete(self, post: SlackPost) -> None:
        """Somebody deletes a message."""
        with self._changing:
            self.posts = [each for each in self.posts if each.ts != post.ts]

    def click(self, post: SlackPost, action_id: str, user: SlackUser = ANN, **changes: Any) -> Delivered:
        """Somebody presses a button of a message as they see it, perhaps no longer as it is. ``changes``: of value, time or envelope."""
        envelope, at = changes.pop("envelope", None), changes.pop("at", None) or time.time()
        payload = block_actions(post, action_id, user, at=at, answer_to=self._answer_url(post.ts), **changes)
        return self._connected().send("interactive", payload, envelope=envelope)

    def command(self, text: str, user: SlackUser = ANN) -> Delivered:
        """Somebody types ``/driftd`` and a text."""
        return self._connected().send("slash_commands", slash_command(text, user, channel="C000", answer_to=self._answer_url("")))

    def wait_for_answers(self, count: int) -> None:
        """Until so many answers were told in all. Raises TimeoutError."""
        with self._changing:
            if not self._answered.wait_for(lambda: len(self.told) >= count, PATIENCE):
                raise TimeoutError(f"{len(self.told)} of {count} answers within {PATIENCE} s")

    def close(self) -> None:
        """Stop listening."""
        if self.sockets is not None:
            self.sockets.close()
        super().close()

    def _connected(self) -> SlackSockets:
        if self.sockets is None:
            raise RuntimeError("Socket Mode is off: there is no app_token")
        return self.sockets

    def _answer_url(self, ts: str) -> str:
        path = f"{ACTIONS_PATH}{len(self._answerable)}/0123456789abcdef"
        self._answerable[path] = ts
        return self.root + path

    def _answer(self, request: Request) -> Reply:
        """A post to a URL for answers: it replaces the message that was clicked under, or is seen by one person."""
        message = json.loads(request.body or b"{}")
        with self._changing:
            known = request.path in self._answerable and self._answers[request.path] < MOST_ANSWERS
            self._answers[request.path] += 1
        if not known:
            return Reply(status=404, body=b'{"ok":false,"error":"used_url"}')
        if refused := refusal(message):
            return Reply(status=400, body=json.dumps({"ok": False, "error": refused[0], "details": refused[1]}).encode())
        if message.get("replace_original"):
            ts = self._answerable[request.path]
            channel = next((post.channel_id for post in self._there() if post.ts == ts), "")
            answer = self._update({**message, "ts": ts, "channel": channel})
            return Reply(status=404 if "error" in answer else 200, body=b"ok")
        with self._changing:
            self.told.append(message)
            self._answered.notify_all()
        return Reply(body=b"ok")

    def _open_socket(self, request: Request) -> dict[str, Any]:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not given.startswith(APP_TOKEN):
            return {"error": "not_allowed_token_type"}
        if self.sockets is None or given != self._app_token:
            return {"error": "invalid_auth"}
        return {"url": self.sockets.url()}

    def _method(self, method: str, request: Request) -> dict[str, Any]:
        if method == "apps.connections.open":
            return self._open_socket(request)
        denied = self._denied(request)
        if denied is not None:
            return {"error": denied}
        needed = NEEDS.get(method)
        if needed is not None and needed not in self.scopes:
            return {"error": "missing_scope", "needed": needed, "provided": ",".join(sorted(self.scopes))}
        arguments = _arguments(request)
        match method:
            case "auth.test":
                return {"user": BOT, "team": TEAM, "url": self.root, "user_id": "U000", "team_id": "T000", "bot_id": "B000"}
            case "chat.postMessage":
                return self._post(arguments)
            case "chat.update":
                return self._update(arguments)
            case "files.getUploadURLExternal":
                with self._changing:
                    return self._files.address(self.root, arguments)
            case "files.completeUploadExternal":
                return self._share(arguments)
            case "conversations.history":
                return history(self._there(), arguments)
            case "conversations.replies":
                return replies(self._there(), arguments)
            case "users.conversations":
                return channels(self._there(), arguments)
            case _:
                return {"error": "unknown_method"}

    def _there(self) -> list[SlackPost]:
        with self._changing:
            return list(self.posts)

    def _denied(self, request: Request) -> str | None:
        given = request.headers.get("authorization", "")
        if not given.startswith("Bearer "):
            return "not_authed"
        return "invalid_auth" if self._token is not None and given != f"Bearer {self._token}" else None

    def _post(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        channel, thread = str(arguments.get("channel", "")), arguments.get("thread_ts")
        if not channel:
            return {"error": "channel_not_found"}
        if refused := refusal(arguments):
            return _refused(*refused)
        with self._changing:
            parent = next((post for post in self.posts if post.ts == thread), None)
            if thread is not None and parent is None:
                return {"error": "thread_not_found"}
            post = self._kept(channel if parent is None else parent.channel, arguments, thread)
        self._say(post)
        return {"channel": post.channel_id, "ts": post.ts, "message": _stored(arguments)}

    def _update(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if refused := refusal(arguments):
            return _refused(*refused)
        with self._changing:
            if str(arguments.get("channel", "")) not in self._channels:
                return {"error": "channel_not_found"}  # a name will not do here
            at = next((n for n, post in enumerate(self.posts) if post.ts == arguments.get("ts")), None)
            if at is None:
                return {"error": "message_not_found"}
            before = self.posts[at]
            kept = {name: before.body[name] for name in ("metadata",) if name in before.body}  # stays unless given anew
            post = replace(before, body={**kept, **_stored(arguments)}, edits=before.edits + 1)
            self.posts[at] = post
        self._say(post)
        return {"channel": post.channel_id, "ts": post.ts, "text": post.text}

    @property
    def files(self) -> Mapping[str, SlackFile]:
        """By id, with their bytes."""
        with self._changing:
            return dict(self._files.by_id)

    def _upload(self, request: Request) -> Reply:
        """The bytes of a file, at the address that it was given: no token is asked for."""
        with self._changing:
            taken = self._files.take(request.path, request.body)
        return Reply(body=f"OK - {len(request.body)}".encode()) if taken else Reply(status=404, body=b"not found")

    def _share(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        channel, thread = str(arguments.get("channel_id") or ""), arguments.get("thread_ts")
        with self._changing:
            error, files = self._files.complete(arguments)
            parent = next((post for post in self.posts if post.ts == thread), None)
            known = self._channels.get(channel)
            if error or (channel and known is None):
                return {"error": error or "channel_not_found"}
            if thread is not None and parent is None:
                return {"error": "invalid_thread_ts"}
            self._files.keep(files)
            post = None if known is None else self._kept(known, {"files": [as_told(file) for file in files]}, thread)
        if post is not None:
            self._say(post)
        return {"files": [{"id": file.id, "title": file.title} for file in files]}

    def _webhook(self, request: Request) -> Reply:
        if request.path != WEBHOOK_PATH:
            return Reply(status=404, body=b"no_service")
        if (limited := self.rates.refusal(WEBHOOK_CHANNEL)) is not None:
            return replace(limited, body=b"rate_limited")
        try:
            message = json.loads(request.body)
        except ValueError:
            return Reply(status=400, body=b"invalid_payload")
        if refused := refusal(message):
            return Reply(status=400, body=refused[0].encode())
        with self._changing:
            post = self._kept(WEBHOOK_CHANNEL, message, None)
        self._say(post)
        return Reply(body=b"ok")

    def _kept(self, channel: str, message: Mapping[str, Any], thread: str | None) -> SlackPost:
        self._made += 1
        ts = f"{time.time():.0f}.{self._made:06d}"
        post = SlackPost(channel=channel, ts=ts, body=_stored(message), thread_ts=thread)
        self.posts.append(post)
        self._channels[post.channel_id] = channel
        return post

    def _say(self, post: SlackPost) -> None:
        if self._on_message is not None:
            self._on_message(post)


def _arguments(request: Request) -> dict[str, Any]:
    if "json" in request.headers.get("content-type", ""):
        read = json.loads(request.body or b"{}")
        return read if isinstance(read, dict) else {}
    return dict(parse_qsl(request.body.decode()))


def _stored(message: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("text", "blocks", "attachments", "metadata", "reply_broadcast", "files")
    return {name: message[name] for name in kept if name in message}


def _refused(error: str, details: list[str]) -> dict[str, Any]:
    return {"error": error, "errors": details, "response_metadata": {"messages": [f"[ERROR] {detail}" for detail in details]}}
