"""The demo's Slack reads its channels out as Slack does: what a look-up relies on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from monitor.demo.slack_server import CHAT, SlackServer

ALL = CHAT | {"channels:history", "channels:read"}
MARKS = {"event_type": "driftd_incident", "event_payload": {"delivery": "msg_1"}}


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with closing(SlackServer(scopes=ALL)) as server:
        yield server


def call(slack: SlackServer, method: str, **arguments: object) -> dict[str, Any]:
    headers = {"authorization": "Bearer t"}
    answer = httpx.post(slack.url + method, json=arguments, headers=headers, trust_env=False).json()
    assert isinstance(answer, dict)
    return answer


def say(slack: SlackServer, text: str, channel: str = "#ml", **more: object) -> str:
    return str(call(slack, "chat.postMessage", channel=channel, text=text, **more)["ts"])


def texts(answer: dict[str, Any]) -> list[str]:
    return [message["text"] for message in answer["messages"]]


def test_the_newest_message_comes_first_and_pages_follow_one_another(slack: SlackServer) -> None:
    for n in range(5):
        say(slack, str(n))
    first = call(slack, "conversations.history", channel="CML", limit=3)
    assert (texts(first), first["has_more"]) == (["4", "3", "2"], True)
    second = call(slack, "conversations.history", channel="CML", limit=3, cursor=first["response_metadata"]["next_cursor"])
    assert (texts(second), second["has_more"], second["response_metadata"]["next_cursor"]) == (["1", "0"], False, "")


def test_the_payload_of_metadata_is_told_only_when_asked_for(slack: SlackServer) -> None:
    say(slack, "x", metadata=MARKS)
    (message,) = call(slack, "conversations.history", channel="CML")["messages"]
    assert message["metadata"] == {"event_type": "driftd_incident"}
    for yes in (True, "1", "true"):
        (message,) = call(slack, "conversations.history", channel="CML", include_all_metadata=yes)["messages"]
        assert message["metadata"] == MARKS


def test_an_update_without_metadata_keeps_it(slack: SlackServer) -> None:
    ts = say(slack, "x", metadata=MARKS)
    call(slack, "chat.update", channel="CML", ts=ts, text="y")
    (message,) = call(slack, "conversations.history", channel="CML", include_all_metadata=True)["messages"]
    assert (message["text"], message["metadata"]) == ("y", MARKS)


def test_bounds_of_time_are_exclusive(slack: SlackServer) -> None:
    stamps = [say(slack, str(n)) for n in range(3)]
    assert texts(call(slack, "conversations.history", channel="CML", oldest=stamps[0], latest=stamps[2])) == ["1"]


def test_replies_stand_in_their_thread_and_in_the_channel_only_when_broadcast(slack: SlackServer) -> None:
    ts = say(slack, "first")
    say(slack, "quiet", thread_ts=ts)
    say(slack, "loud", thread_ts=ts, reply_broadcast=True)
    assert texts(call(slack, "conversations.history", channel="CML")) == ["loud", "first"]
    assert texts(call(slack, "conversations.replies", channel="CML", ts=ts)) == ["loud", "quiet", "first"]
    assert call(slack, "conversations.replies", channel="CML", ts="1.1")["error"] == "thread_not_found"


def test_a_channel_is_read_by_its_id_and_never_by_its_name(slack: SlackServer) -> None:
    say(slack, "x")
    assert call(slack, "conversations.history", channel="#ml")["error"] == "channel_not_found"
    assert call(slack, "users.conversations")["channels"] == [{"id": "CML", "name": "ml"}]


@pytest.mark.parametrize(
    ("method", "scope"),
    [("conversations.history", "channels:history"), ("conversations.replies", "channels:history"), ("users.conversations", "channels:read"),
     ("chat.postMessage", "chat:write")],
)
def test_a_method_needs_its_scope(slack: SlackServer, method: str, scope: str) -> None:
    slack.scopes = ALL - {scope}
    answer = call(slack, method, channel="CML", ts="1.1", text="x")
    assert (answer["error"], answer["needed"]) == ("missing_scope", scope)
