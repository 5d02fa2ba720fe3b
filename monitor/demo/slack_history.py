"""How Slack reads its channels out: conversations.history, conversations.replies and users.conversations, over messages as data.

As its documentation gives them: a channel is named by its id alone, pages hold the newest first, bounds of time are exclusive,
and ``metadata`` comes without its payload unless ``include_all_metadata`` asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FILES = "files:write"
NEEDS: Mapping[str, str] = {
    "files.getUploadURLExternal": FILES,
    "files.completeUploadExternal": FILES,
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "conversations.history": "channels:history",
    "conversations.replies": "channels:history",
    "users.conversations": "channels:read",
}
"""The scope that each method needs of the token."""
DEFAULT_PAGE = 100
LARGEST_PAGE = 999


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackPost:
    """A message as the channel has it now. ``ts`` names it; ``thread_ts`` is set for a reply; ``edits`` counts updates."""

    channel: str
    ts: str
    body: Mapping[str, Any] = field(default_factory=dict)
    thread_ts: str | None = None
    edits: int = 0

    @property
    def text(self) -> str:
        """The fallback text."""
        return str(self.body.get("text", ""))

    @property
    def channel_id(self) -> str:
        """Slack answers with the id of a channel, whatever name it was called by."""
        return channel_id(self.channel)


def channel_id(name: str) -> str:
    """The id of a channel by its name; an id is its own."""
    return name if name.startswith("C") else "C" + "".join(c for c in name.upper() if c.isalnum())


def history(posts: Sequence[SlackPost], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The messages of a channel itself; of replies only those that the channel was told of."""
    return _read(posts, arguments, lambda post: post.thread_ts is None or bool(post.body.get("reply_broadcast")))


def replies(posts: Sequence[SlackPost], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A thread: its first message and what was answered."""
    ts = arguments.get("ts")
    if not any(post.ts == ts for post in posts):
        return {"error": "thread_not_found"}
    return _read(posts, arguments, lambda post: ts in (post.ts, post.thread_ts))


def channels(posts: Sequence[SlackPost], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The channels that the bot is in: those that it has posted to."""
    names = sorted({post.channel for post in posts})
    page, more = _page(names, arguments)
    found = [{"id": channel_id(name), "name": name.removeprefix("#")} for name in page]
    return {"channels": found, "response_metadata": {"next_cursor": more}}


def _read(posts: Sequence[SlackPost], arguments: Mapping[str, Any], told: Callable[[SlackPost], bool]) -> dict[str, Any]:
    channel = str(arguments.get("channel", ""))
    if channel not in {post.channel_id for post in posts}:
        return {"error": "channel_not_found"}
    oldest, latest = float(arguments.get("oldest") or 0), float(arguments.get("latest") or "inf")
    there = [post for post in reversed(posts) if post.channel_id == channel and told(post) and oldest < float(post.ts) < latest]
    page, more = _page(there, arguments)
    whole = str(arguments.get("include_all_metadata", "")).lower() in ("1", "true")
    return {"messages": [_message(post, whole) for post in page], "has_more": bool(more), "response_metadata": {"next_cursor": more}}


def _page(items: Sequence[Any], arguments: Mapping[str, Any]) -> tuple[Sequence[Any], str]:
    """One page, and the cursor of the next; empty where there is none."""
    at = int(arguments.get("cursor") or 0)
    end = at + min(int(arguments.get("limit") or DEFAULT_PAGE), LARGEST_PAGE)
    return items[at:end], str(end) if end < len(items) else ""


def _message(post: SlackPost, whole: bool) -> dict[str, Any]:
    marks = post.body.get("metadata")
    told = {"metadata": marks if whole else {"event_type": marks["event_type"]}} if marks else {}
    return {"type": "message", "bot_id": "B000", "ts": post.ts, **({"thread_ts": post.thread_ts} if post.thread_ts else {}),
            **{name: value for name, value in post.body.items() if name != "metadata"}, **told}
