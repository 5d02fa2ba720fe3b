"""The double of Socket Mode is as strict as Slack: tickets are good once, answers are counted, buttons have limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from monitor.demo.slack_history import SlackPost
from monitor.demo.slack_limits import refusal
from monitor.demo.slack_server import MOST_ANSWERS, SlackServer
from monitor.demo.slack_sockets import MOST

APP_TOKEN = "xapp-1-secret"


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    server = SlackServer(token="xoxb-1", app_token=APP_TOKEN)
    yield server
    server.close()


def opened(slack: SlackServer, token: str = APP_TOKEN) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {token}"}
    answer: dict[str, Any] = httpx.post(f"{slack.url}apps.connections.open", headers=headers).json()
    return answer


def posted(slack: SlackServer) -> SlackPost:
    button = {"type": "button", "action_id": "a", "value": "v", "text": {"type": "plain_text", "text": "A"}, "style": "primary"}
    body = {"channel": "#c", "text": "t", "blocks": [{"type": "actions", "elements": [button]}]}
    httpx.post(f"{slack.url}chat.postMessage", json=body, headers={"authorization": "Bearer xoxb-1"})
    return slack.posts[-1]


def test_a_link_says_hello_and_counts_the_others(slack: SlackServer) -> None:
    with connect(opened(slack)["url"]) as first, connect(opened(slack)["url"]) as second:
        assert [json.loads(link.recv(5))["num_connections"] for link in (first, second)] == [1, 2]


def test_a_ticket_is_good_once_and_ten_links_are_the_most(slack: SlackServer) -> None:
    with ExitStack() as links:
        urls = [opened(slack)["url"] for _ in range(MOST + 1)]
        for url in urls[:MOST]:
            links.enter_context(connect(url)).recv(5)
        for url in (urls[0], urls[MOST]):
            with pytest.raises(InvalidStatus):
                links.enter_context(connect(url))


@pytest.mark.parametrize(("token", "error"), [("xoxb-1", "not_allowed_token_type"), ("xapp-2", "invalid_auth")])
def test_another_token_opens_nothing(slack: SlackServer, token: str, error: str) -> None:
    assert opened(slack, token) == {"ok": False, "error": error}


def test_without_an_app_token_socket_mode_is_off() -> None:
    server = SlackServer(token="xoxb-1")
    try:
        assert opened(server)["error"] == "invalid_auth"
        with pytest.raises(RuntimeError, match="Socket Mode is off"):
            server.click(posted(server), "a")
    finally:
        server.close()


def test_a_click_needs_a_button_and_somebody_who_is_connected(slack: SlackServer) -> None:
    post = posted(slack)
    with pytest.raises(KeyError, match=r"no button 'b' under the message, only \['a'\]"):
        slack.click(post, "b")
    with pytest.raises(RuntimeError, match="no app is connected"):
        slack.click(post, "a")


def test_an_envelope_that_nobody_acknowledges_is_told_apart(slack: SlackServer) -> None:
    assert slack.sockets is not None
    slack.sockets.patience = 0.2
    with connect(opened(slack)["url"]) as link:
        link.recv(5)
        done = slack.click(posted(slack), "a")
        assert done.acked_after is None
        frame = json.loads(link.recv(5))
        assert (frame["envelope_id"], frame["type"], frame["accepts_response_payload"]) == (done.envelope, "interactive", False)
        assert frame["payload"]["actions"][0]["value"] == "v"


def test_an_answer_is_taken_five_times_and_only_where_one_is_due(slack: SlackServer) -> None:
    assert slack.sockets is not None
    slack.sockets.patience = 0.1
    with connect(opened(slack)["url"]) as link:
        link.recv(5)
        post = posted(slack)
        url = slack.click(post, "a").payload["response_url"]
        said = [httpx.post(url, json={"text": "done"}).status_code for _ in range(MOST_ANSWERS + 1)]
        assert said == [200] * MOST_ANSWERS + [404]
        slack.wait_for_answers(MOST_ANSWERS)
        assert httpx.post(url + "x", json={"text": "done"}).status_code == 404
        url = slack.click(post, "a").payload["response_url"]
        assert httpx.post(url, json={"replace_original": True}).json()["error"] == "no_text"
        assert httpx.post(url, json={"replace_original": True, "text": "new"}).status_code == 200
        assert (slack.posts[0].text, slack.posts[0].edits) == ("new", 1)
        slack.delete(post)
        assert httpx.post(url, json={"replace_original": True, "text": "new"}).status_code == 404


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"text": {"type": "mrkdwn", "text": "A"}}, "text: expected a text object of type plain_text"),
        ({"text": {"type": "plain_text", "text": "A" * 76}}, "text: 76 characters"),
        ({"action_id": "a" * 256}, "action_id: over 255"),
        ({"value": "v" * 2001}, "value: over 2000"),
        ({"style": "blue"}, "style: expected one of"),
        ({"confirm": {"title": {"type": "plain_text", "text": "Sure?"}}}, "confirm/text: expected a text object"),
    ],
)
def test_a_button_that_slack_would_refuse_is_refused(change: dict[str, Any], detail: str) -> None:
    button = {"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "A"}, **change}
    refused = refusal({"text": "t", "blocks": [{"type": "actions", "elements": [button]}]})
    assert refused is not None
    assert any(detail in each for each in refused[1])
