"""How a request to retrain goes on, in Slack: in the thread of its incident, in the channel where it has none, and by webhook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from monitor.clock import SystemClock
from monitor.core.helped import Answer
from monitor.core.incidents import Incident, IncidentState, Notify, NotifyKind, TransitionReason
from monitor.core.messages import Occasion, message_body, to_body
from monitor.core.results import Verdict
from monitor.core.retraining import Retraining, RetrainingState
from monitor.core.retraining_messages import RETRAINING_STATUS, retraining_note
from monitor.core.verdict_message import RETRAINING_VERDICT, retraining_verdict
from monitor.demo.scripted_http import Reply, Request, ScriptedServer
from monitor.demo.slack_server import SlackServer
from monitor.errors import Permanent
from monitor.notify.slack import SlackBot
from monitor.notify.slack_retraining import build_retraining
from monitor.notify.slack_webhook import SlackWebhook
from monitor.ports import Delivery
from monitor.settings.secret import Secret

START = datetime(2026, 1, 1, tzinfo=UTC)
TOKEN = "xoxb-test-token"
INCIDENT = Incident(id="inc_1", model="m", state=IncidentState.FIRING, severity=Verdict.ALERT, since=START, updated_at=START)
WARNING = "No retraining is asked for: do not retrain on a broken pipeline"
ASKED = Retraining(id="ret_1", model="<!channel> m", version="1", state=RetrainingState.PROPOSED, reason="drift alerted", incident="inc_1",
                   columns=(), requested_at=START)


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    server = SlackServer(token=TOKEN)
    yield server
    server.close()


def bot(slack: SlackServer) -> SlackBot:
    return SlackBot(token=Secret(text=TOKEN), channel="#ml-alerts", clock=SystemClock(), api_url=slack.url, timeout=5.0)


def told(retraining: Retraining, thread: str | None = None, id: str = "msg_2", attempts: int = 0) -> Delivery:
    body = to_body(retraining_note(retraining, page_url="https://d.example"))
    return Delivery(id=id, receiver="slack", kind=RETRAINING_STATUS, incident=retraining.incident, body=body, attempts=attempts,
                    created_at=datetime.now(UTC), thread=thread)


def first() -> Delivery:
    firing = Notify(kind=NotifyKind.FIRING, reason=TransitionReason.OPEN_AFTER_REACHED)
    body = message_body(Occasion(incident=INCIDENT, notify=firing, retraining=WARNING))
    return Delivery(id="msg_1", receiver="slack", kind="firing", incident="inc_1", body=body, attempts=0, created_at=datetime.now(UTC))


def test_a_note_stands_in_the_thread_of_its_incident(slack: SlackServer) -> None:
    thread = bot(slack).send(first()).thread
    done = replace(ASKED, state=RetrainingState.SUCCEEDED, new_version="8", run_url="https://ci.example/7")
    receipt = bot(slack).send(told(done, thread))
    parent, note = slack.posts
    assert (note.thread_ts, receipt.thread, receipt.detail) == (parent.ts, thread, "answered in the thread")
    assert "🟢" in note.text
    assert "retraining succeeded: version 8" in note.text
    assert "<!channel>" not in note.text, "it wakes nobody"
    assert "https://ci.example/7" in str(note.body["blocks"])
    assert not note.body["reply_broadcast"]


def test_why_none_is_asked_for_stands_in_the_incidents_message(slack: SlackServer) -> None:
    bot(slack).send(first())
    assert "do not retrain on a broken pipeline." in str(slack.posts[0].body)


def test_a_note_without_an_incident_or_whose_thread_is_gone_stands_in_the_channel(slack: SlackServer) -> None:
    assert bot(slack).send(told(replace(ASKED, incident=None))).detail == "posted"
    assert bot(slack).send(told(ASKED, "C1:123.456", id="msg_3")).detail == "posted"
    assert [post.thread_ts for post in slack.posts] == [None, None]


def test_a_note_that_comes_before_its_incident_is_no_first_message_of_it(slack: SlackServer) -> None:
    """An incident that is held back may propose retraining; told late, its end must not rewrite the proposal."""
    assert bot(slack).send(told(ASKED)).thread is None
    verdict = retraining_verdict(replace(ASKED, new_version="8"), Answer(final=True, sentence="retraining helped"), metric="roc_auc")
    beside = replace(told(ASKED, id="msg_3"), kind=RETRAINING_VERDICT, body=to_body(verdict))
    assert bot(slack).send(beside).thread is None
    assert len(slack.posts) == 2


def test_a_proposal_says_how_to_approve_it() -> None:
    built = build_retraining(retraining_note(ASKED))
    assert "driftd retrainings approve CONFIG ret_1" in str(built.blocks)
    assert build_retraining(retraining_note(replace(ASKED, state=RetrainingState.RUNNING))).text.startswith("🔁 Retraining")


def test_what_is_no_note_is_buried(slack: SlackServer) -> None:
    with pytest.raises(Permanent, match="RetrainingNote"):
        bot(slack).send(replace(told(ASKED), body={"id": 1}))


def test_an_incoming_webhook_takes_it_too() -> None:
    class Incoming(ScriptedServer):
        def process(self, request: Request) -> Reply:
            return Reply(body=b"ok")

    server = Incoming()
    try:
        sender = SlackWebhook(url=Secret(text=server.root + "/services/T/B/X"), clock=SystemClock())
        assert sender.send(told(ASKED)).detail == "posted"
        assert "retraining is proposed" in server.requests[0].body.decode()
    finally:
        server.close()
