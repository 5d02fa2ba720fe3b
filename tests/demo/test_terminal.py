from __future__ import annotations

import io

import pytest
from rich.console import Console

from monitor.demo.slack_server import SlackPost
from monitor.demo.terminal import Terminal, webhook_text
from monitor.demo.webhook_server import WebhookCall


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def terminal(out: io.StringIO) -> Terminal:
    return Terminal(Console(file=out, width=100))


def test_a_step_is_one_line_with_its_number_and_the_elapsed_seconds(terminal: Terminal, out: io.StringIO) -> None:
    with terminal.step("Flights") as note:
        note.text = "336,776 of them"
    with terminal.step("Model"):
        pass
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].endswith(" s  1. Flights  336,776 of them")
    assert lines[1].rstrip().endswith("2. Model")


def test_a_slack_message_stands_in_a_box_with_its_channel(terminal: Terminal, out: io.StringIO) -> None:
    terminal.slack(SlackPost(channel="#ml-alerts", ts="1", body={"text": "Alert: dep_delay [red]×60[/red]"}))
    first, second, *_ = out.getvalue().splitlines()
    assert "Slack #ml-alerts" in first
    assert "Alert: dep_delay [red]×60[/red]" in second, "what stands in data is never markup"


def test_a_reply_names_the_thread_and_a_change_is_one_line(terminal: Terminal, out: io.StringIO) -> None:
    terminal.slack(SlackPost(channel="#ml-alerts", ts="2", thread_ts="1", body={"text": "Resolved"}))
    assert "in the incident's thread" in out.getvalue()
    out.truncate(0)
    terminal.slack(SlackPost(channel="#ml-alerts", ts="1", edits=1, body={"text": "Resolved: flight-delay"}))
    assert out.getvalue().strip("\0\n ").endswith("first message now says: Resolved: flight-delay")


def test_a_picture_is_one_line_with_its_title_and_size(terminal: Terminal, out: io.StringIO) -> None:
    terminal.slack(SlackPost(channel="#ml-alerts", ts="2", thread_ts="1", body={"files": [{"title": "Window of 2 April", "size": 89_000}]}))
    assert out.getvalue().strip().endswith("Slack: a picture: Window of 2 April (89 kB) in the incident's thread")


def test_a_webhook_says_whether_its_signature_is_valid(terminal: Terminal, out: io.StringIO) -> None:
    terminal.webhook(WebhookCall(id="ret_1", timestamp="1", signed=True, body='{"type": "retraining"}'))
    assert "signature valid" in out.getvalue()
    assert '"type": "retraining"' in out.getvalue()
    assert webhook_text(WebhookCall(id="1", timestamp="1", signed=True, body='{"data": {"results": [{}, {}]}}')).count("… 2 results") == 1
    terminal.webhook(WebhookCall(id="ret_2", timestamp="1", signed=False, body="not json"))
    assert "signature WRONG" in out.getvalue()
    assert "not json" in out.getvalue()
