"""Whether retraining helped, in Slack: in the thread of the incident that asked, or in the channel where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from monitor.clock import SystemClock
from monitor.core.helped import Answer, Basis
from monitor.core.messages import to_body
from monitor.core.retraining import Helped, Retraining, RetrainingState
from monitor.core.verdict_message import RETRAINING_VERDICT, retraining_verdict
from monitor.demo import scripted_http as http
from monitor.demo.slack_server import SlackServer
from monitor.errors import Permanent
from monitor.notify.outgoing import verdict_messages
from monitor.notify.slack_webhook import SlackWebhook
from monitor.ports import Delivery
from monitor.settings.secret import Secret
from tests.edges.test_notify_slack import TOKEN, bot, delivery, texts
from tests.webhook_server import WebhookReceiver

AT = datetime(2013, 5, 17, tzinfo=UTC)
SAID = "retraining helped: roc_auc +0.021 [0.012, 0.03] over 14 windows, realised <!channel>"
DONE = Retraining(id="ret_1", model="flight-delay", version="1", state=RetrainingState.SUCCEEDED, reason="decay",
                  incident="inc_0123456789ab", columns=(), requested_at=AT, new_version="2", helped=Helped.HELPED, verdict=SAID)
FOUND = Answer(helped=Helped.HELPED, final=True, difference=0.021, low=0.012, high=float("inf"), windows=14, basis=Basis.SIDE_BY_SIDE)


def told(retraining: Retraining = DONE, thread: str | None = None) -> Delivery:
    body = to_body(retraining_verdict(retraining, FOUND, metric="roc_auc", page_url="https://drift.example"))
    return Delivery(id="msg_verdict", receiver="slack", kind=RETRAINING_VERDICT, incident=retraining.incident, body=body, attempts=0,
                    created_at=AT, thread=thread)


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    server = SlackServer(token=TOKEN)
    yield server
    server.close()


def test_it_is_answered_in_the_thread_and_the_channel_sees_it(slack: SlackServer) -> None:
    first = bot(slack).send(delivery())
    receipt = bot(slack).send(told(thread=first.thread))
    parent, answer = slack.posts
    assert (answer.thread_ts, receipt.thread) == (parent.ts, first.thread)
    assert answer.body["reply_broadcast"] is True
    assert texts(answer).startswith("🟢 flight-delay: retraining helped: roc_auc +0.021 [0.012, 0.03]")
    assert "<https://drift.example/models/flight-delay|Open driftd>" in texts(answer)
    assert "<!channel>" not in answer.body["text"], "nothing in it wakes anybody"
    assert "&lt;!channel&gt;" in answer.body["text"]


@pytest.mark.parametrize(("helped", "sign"), [(Helped.HELPED, "🟢"), (Helped.DID_NOT, "🟡"), (None, "⚪")])
def test_without_a_thread_it_is_a_message_of_its_own(slack: SlackServer, helped: Helped | None, sign: str) -> None:
    bot(slack).send(told(replace(DONE, incident=None, helped=helped)))
    [post] = slack.posts
    assert post.thread_ts is None
    assert texts(post).startswith(sign)


def test_an_incoming_webhook_posts_it_too() -> None:
    server = WebhookReceiver()
    try:
        server.script(http.answers(200, b"ok"))
        SlackWebhook(url=Secret(text=server.url), clock=SystemClock(), timeout=5.0).send(told())
        assert b"retraining helped: roc_auc +0.021" in server.requests[0].body
    finally:
        server.close()


def test_a_body_that_is_no_verdict_is_given_up(slack: SlackServer) -> None:
    with pytest.raises(Permanent, match="no RetrainingVerdict"):
        bot(slack).send(replace(told(), body={"model": 1}))


def test_an_interval_without_an_end_is_left_out_of_json() -> None:
    [message] = verdict_messages(DONE, FOUND, "roc_auc", ["events"], page_url=None)
    assert (message.body["low"], message.body["high"]) == (0.012, None)
    assert (message.body["basis"], message.body["metric"], message.incident) == ("side by side with it", "roc_auc", DONE.incident)
    assert message.dedupe == "events:ret_1:verdict"
