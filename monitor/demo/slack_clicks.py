"""What Slack's people do, as Slack sends it over Socket Mode: payloads in the shapes of its documentation.

https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
https://docs.slack.dev/interactivity/implementing-slash-commands
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.demo.slack_history import SlackPost

APP, TEAM_ID, TEAM_DOMAIN = "A000", "T000", "driftd-demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackUser:
    """Somebody in Slack; ``team`` is another one's for a guest of a shared channel."""

    id: str
    name: str
    team: str = TEAM_ID


ANN = SlackUser(id="U0ANN", name="ann")


def block_actions(
    post: SlackPost, action_id: str, user: SlackUser, *, at: float, answer_to: str, value: str | None = None
) -> dict[str, Any]:
    """A click on a button of a message. ``value``: another one than the button bears. Raises KeyError for a button that is not there."""
    block, element = _button(post, action_id)
    return {
        "type": "block_actions",
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": user.team},
        "api_app_id": APP,
        "token": "a-verification-token",
        "container": {"type": "message_attachment", "message_ts": post.ts, "attachment_id": 1, "channel_id": post.channel_id,
                      "is_ephemeral": False, "is_app_unfurl": False},
        "trigger_id": "12321423423.333649436676.d8c1bb837935619ccad0f624c448ffb3",
        "team": {"id": TEAM_ID, "domain": TEAM_DOMAIN},
        "enterprise": None,
        "is_enterprise_install": False,
        "channel": {"id": post.channel_id, "name": post.channel.removeprefix("#")},
        "message": given_back(post),
        "state": {"values": {}},
        "response_url": answer_to,
        "actions": [{"action_id": action_id, "block_id": block.get("block_id", "a1b2"), "text": element["text"],
                     "value": element["value"] if value is None else value, "type": "button", "action_ts": f"{at:.6f}",
                     **({"style": element["style"]} if "style" in element else {})}],
    }


def slash_command(text: str, user: SlackUser, *, channel: str, answer_to: str) -> dict[str, Any]:
    """``/driftd`` and a text."""
    return {
        "token": "a-verification-token", "team_id": TEAM_ID, "team_domain": TEAM_DOMAIN, "channel_id": channel, "channel_name": "ml-alerts",
        "user_id": user.id, "user_name": user.name, "command": "/driftd", "text": text, "api_app_id": APP, "is_enterprise_install": "false",
        "response_url": answer_to, "trigger_id": "13345224609.738474920.8088930838d88f008e0",
    }


def buttons_of(post: SlackPost) -> dict[str, Mapping[str, Any]]:
    """The buttons under a message, by the name that is sent back."""
    return {str(element.get("action_id")): element for _, element in _elements(post)}


def given_back(post: SlackPost) -> dict[str, Any]:
    """A message as Slack hands it back: colours without their sign, blocks with ids, pictures with what Slack knows of them."""
    attachments = [
        {"id": n, **{**each, "color": str(each.get("color", "")).lstrip("#")}, "blocks": _with_ids(each.get("blocks") or [])}
        for n, each in enumerate(post.body.get("attachments") or [], start=1)
    ]
    return {"type": "message", "subtype": "bot_message", "bot_id": "B000", "app_id": APP, "ts": post.ts, "text": post.text,
            "blocks": _with_ids(post.body.get("blocks") or []), "attachments": attachments}


def _with_ids(blocks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"block_id": f"b{n}", **block, **({"image_width": 1200, "image_height": 800} if block["type"] == "image" else {})}
            for n, block in enumerate(blocks)]


def _button(post: SlackPost, action_id: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    for block, element in _elements(post):
        if element.get("action_id") == action_id:
            return block, element
    raise KeyError(f"no button {action_id!r} under the message, only {sorted(buttons_of(post))}")


def _elements(post: SlackPost) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    lists = [post.body.get("blocks") or [], *(each.get("blocks") or [] for each in post.body.get("attachments") or [])]
    for block in (block for each in lists for block in each if block.get("type") == "actions"):
        for element in block["elements"]:
            yield block, element
