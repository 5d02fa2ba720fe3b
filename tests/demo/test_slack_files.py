"""The demo's Slack takes files as Slack does: an address, the bytes, then the place; and refuses what Slack refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from monitor.demo.slack_history import FILES
from monitor.demo.slack_server import CHAT, SlackPost, SlackServer

DATA = b"\x89PNG data"


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with closing(SlackServer(scopes=CHAT | {FILES})) as server:
        yield server


def call(slack: SlackServer, method: str, **arguments: object) -> dict[str, Any]:
    """As a form, in which slack-sdk sends these."""
    answer = httpx.post(slack.url + method, data=arguments, headers={"authorization": "Bearer t"}, trust_env=False).json()
    assert isinstance(answer, dict)
    return answer


def ask(slack: SlackServer, **changes: object) -> dict[str, Any]:
    return call(slack, "files.getUploadURLExternal", **{"filename": "a.png", "length": len(DATA), **changes})


def put(slack: SlackServer, id: str, **more: object) -> dict[str, Any]:
    return call(slack, "files.completeUploadExternal", files=json.dumps([{"id": id, "title": "A"}]), **more)


def test_a_file_goes_into_a_thread_and_its_bytes_are_kept(slack: SlackServer) -> None:
    ts = call(slack, "chat.postMessage", channel="#ml", text="first")["ts"]
    told: list[SlackPost] = []
    slack._on_message = told.append
    asked = ask(slack, alt_txt="what it shows")
    sent = httpx.post(asked["upload_url"], content=DATA, trust_env=False)
    assert (sent.status_code, sent.text) == (200, "OK - 9")
    done = put(slack, asked["file_id"], channel_id="CML", thread_ts=ts)
    assert done["files"] == [{"id": asked["file_id"], "title": "A"}]
    file = slack.files[asked["file_id"]]
    assert (file.content, file.title, file.name, file.alt_text, file.shared) == (DATA, "A", "a.png", "what it shows", True)
    (post,) = told
    assert (post.thread_ts, post.body["files"][0]["name"]) == (ts, "a.png")


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"filename": ""}, "missing_argument"), ({"length": 0}, "missing_argument"), ({"length": "much"}, "missing_argument"),
     ({"length": -3}, "invalid_arguments"), ({"alt_txt": "x" * 1001}, "alt_txt_too_large")],
)
def test_an_address_is_given_for_a_name_and_a_length(slack: SlackServer, changes: dict[str, object], error: str) -> None:
    assert ask(slack, **changes)["error"] == error


def test_bytes_are_taken_at_their_address_and_as_many_as_were_said(slack: SlackServer) -> None:
    asked = ask(slack)
    for url, data in ((asked["upload_url"] + "9", DATA), (asked["upload_url"], DATA[:-1])):
        assert httpx.post(url, content=data, trust_env=False).status_code == 404
    assert put(slack, asked["file_id"])["error"] == "file_not_found", "its bytes have not come"


def test_a_file_is_shared_once_and_only_where_there_is_something(slack: SlackServer) -> None:
    call(slack, "chat.postMessage", channel="#ml", text="first")
    asked = ask(slack)
    httpx.post(asked["upload_url"], content=DATA, trust_env=False)
    id = asked["file_id"]
    assert put(slack, "F999")["error"] == "file_not_found"
    assert put(slack, id, channel_id="#ml")["error"] == "channel_not_found"
    assert put(slack, id, channel_id="CML", thread_ts="1.1")["error"] == "invalid_thread_ts"
    for files in ("", "[", "{}", "[5]"):
        assert call(slack, "files.completeUploadExternal", files=files)["error"] == "invalid_arguments"
    assert "error" not in put(slack, id)
    assert len(slack.posts) == 1, "without a channel it is private"
    assert put(slack, id)["error"] == "file_not_found"


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
def test_files_need_their_scope(slack: SlackServer, method: str) -> None:
    slack.scopes = CHAT
    answer = call(slack, method, filename="a", length=1)
    assert (answer["error"], answer["needed"]) == ("missing_scope", "files:write")


def test_an_update_names_the_channel_by_its_id(slack: SlackServer) -> None:
    ts = call(slack, "chat.postMessage", channel="#ml", text="first")["ts"]
    assert call(slack, "chat.update", channel="#ml", ts=ts, text="x")["error"] == "channel_not_found"
    assert call(slack, "chat.update", channel="CML", ts="1.1", text="x")["error"] == "message_not_found"
    assert call(slack, "chat.update", channel="CML", ts=ts, text="x" * 40_001)["error"] == "msg_too_long"
    assert call(slack, "chat.update", channel="CML", ts=ts, text="x")["ok"]
