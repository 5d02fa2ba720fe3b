"""Slack against a server that speaks its API over HTTP and refuses what Slack refuses."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.clock import SystemClock
from monitor.core.incidents import Incident, IncidentState, Notify, NotifyKind, TransitionReason
from monitor.core.messages import ColumnLine, IncidentMessage, Occasion, incident_message, message_body
from monitor.core.results import Account, Verdict
from monitor.demo import scripted_http as http
from monitor.demo.slack_limits import refusal
from monitor.demo.slack_server import SlackPost, SlackServer, refuses
from monitor.errors import Permanent, Retryable
from monitor.notify.slack import SlackBot, auth_test
from monitor.notify.slack_api import Client
from monitor.notify.slack_message import BUDGET, SlackMessage, build, build_note, clip, escape, length_of
from monitor.notify.slack_webhook import SlackWebhook
from monitor.notify.transport import Limits
from monitor.ports import Delivery
from monitor.settings.receivers import SlackSettings
from monitor.settings.secret import Secret
from tests.webhook_server import WebhookReceiver

TOKEN = "xoxb-1234-very-secret"
START = datetime(2013, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
INCIDENT = Incident(
    id="inc_0123456789ab", model="flight-delay", state=IncidentState.FIRING, severity=Verdict.ALERT, since=START, updated_at=START + DAY,
    bad_windows=1, checks=("drift",), columns=("dep_delay",), cause="dep_delay: mean 12.6 → 756", summary="drift alert on dep_delay",
)
CLOSED = replace(INCIDENT, state=IncidentState.RESOLVED, resolved_at=START + 3 * DAY, updated_at=START + 3 * DAY)
REASONS = {
    NotifyKind.FIRING: TransitionReason.OPEN_AFTER_REACHED,
    NotifyKind.REPEAT: TransitionReason.REPEAT_INTERVAL_ELAPSED,
    NotifyKind.RESOLVED: TransitionReason.RESOLVE_AFTER_REACHED,
    NotifyKind.UPDATE: TransitionReason.ACKNOWLEDGED_BY_PERSON,
}


def occasion(kind: NotifyKind = NotifyKind.FIRING, **changes: Any) -> Occasion:
    made = Occasion(
        incident=CLOSED if kind is NotifyKind.RESOLVED else INCIDENT,
        notify=Notify(kind=kind, reason=REASONS[kind]),
        headline="" if kind is NotifyKind.RESOLVED else "dep_delay: mean 12.6 → 756, about ×60 (unit change)",
        evidence="" if kind is NotifyKind.RESOLVED else "dep_delay: D 0.63 as it is, 0.09 once that is taken back",
        columns=(ColumnLine(column="dep_delay", sentence="dep_delay: mean 12.6 → 756"),),
        account=Account(counted=980, late=12, quarantined=8),
        page_url="https://drift.example",
    )
    return replace(made, **changes)


def delivery(kind: NotifyKind = NotifyKind.FIRING, thread: str | None = None, body: Mapping[str, object] | None = None) -> Delivery:
    return Delivery(
        id=f"msg_{kind}", receiver="slack", kind=kind, incident=INCIDENT.id, body=body or message_body(occasion(kind)), attempts=0,
        created_at=START, thread=thread,
    )


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    server = SlackServer(token=TOKEN)
    yield server
    server.close()


def bot(slack: SlackServer, token: Secret | None = None, timeout: float = 5.0) -> SlackBot:
    return SlackBot(token=token or Secret(text=TOKEN), channel="#ml-alerts", api_url=slack.url, timeout=timeout, clock=SystemClock())


def hook(url: str, timeout: float = 5.0) -> SlackWebhook:
    return SlackWebhook(url=Secret(text=url), clock=SystemClock(), timeout=timeout)


def texts(post: SlackPost) -> str:
    """All that a reader sees, a line each."""
    blocks = [*post.body.get("blocks", []), *(b for a in post.body.get("attachments", []) for b in a["blocks"])]
    parts = [p for b in blocks for p in (b.get("text"), *b.get("fields", []), *b.get("elements", [])) if p]
    return "\n".join(p["text"] for p in parts)


# --- the bot -------------------------------------------------------------------------------------------------


def test_a_first_message_tells_it_all_and_gives_its_thread(slack: SlackServer) -> None:
    receipt = bot(slack).send(delivery())
    (post,) = slack.posts
    assert receipt.thread == f"{post.channel_id}:{post.ts}"
    assert post.channel == "#ml-alerts"
    said = texts(post)
    for part in (
        "🔴 Alert: flight-delay", "flight-delay: drift alert on dep_delay, since 2013-07-01 00:00 UTC", "Lasts: 1 d, 1 bad window",
        "Since: 2013-07-01 00:00 UTC", "Judged until: 2013-07-02 00:00 UTC", "Checks: drift", "Incident: inc_0123456789ab",
        "Columns, reference → now:\n• dep_delay: mean 12.6 → 756", "Likely cause: dep_delay: mean 12.6 → 756, about ×60 (unit change)",
        "Seen by: dep_delay: D 0.63 as it is, 0.09 once that is taken back",
        "Rows of the window: 1,000 received = 980 counted + 12 late + 8 quarantined",
        "<https://drift.example/models/flight-delay|Open driftd>",
    ):
        assert part in said
    assert post.body["attachments"][0]["color"] == "#e01e5a"
    assert post.text == "🔴 Alert: flight-delay: drift alert on dep_delay, since 2013-07-01 00:00 UTC"
    assert post.body["metadata"]["event_payload"]["delivery"] == "msg_firing"


def test_a_resolution_turns_the_first_message_green_and_answers_in_its_thread(slack: SlackServer) -> None:
    thread = bot(slack).send(delivery()).thread
    receipt = bot(slack).send(delivery(NotifyKind.RESOLVED, thread))
    first, note = slack.posts
    assert first.edits == 1
    assert first.body["attachments"][0]["color"] == "#2eb67d"
    assert "🟢 Resolved: flight-delay" in texts(first)
    assert "resolved after 3 d" in texts(first)
    assert note.thread_ts == first.ts
    assert texts(note) == "🟢 flight-delay: resolved after 3 d (1 bad window; resolve_after reached)"
    assert receipt.thread == thread
    assert note.body["reply_broadcast"] is False


def test_a_reminder_is_a_reply_that_the_channel_sees(slack: SlackServer) -> None:
    thread = bot(slack).send(delivery()).thread
    bot(slack).send(delivery(NotifyKind.REPEAT, thread))
    first, reminder = slack.posts
    assert (first.edits, reminder.thread_ts, reminder.body["reply_broadcast"]) == (1, first.ts, True)
    assert texts(reminder) == "🔴 flight-delay: still going on after 1 d (1 bad window): drift alert on dep_delay"
    assert "still going on after 1 d" in texts(first), "the first message shows how things stand"


@pytest.mark.parametrize("kind", [NotifyKind.REPEAT, NotifyKind.RESOLVED])
def test_without_a_first_message_a_later_one_stands_alone(slack: SlackServer, kind: NotifyKind) -> None:
    assert bot(slack).send(delivery(kind)).thread is not None
    (post,) = slack.posts
    assert post.thread_ts is None


def test_when_somebody_deleted_the_first_message_the_end_is_told_anyway(slack: SlackServer) -> None:
    thread = bot(slack).send(delivery()).thread
    slack.delete(slack.posts[0])
    bot(slack).send(delivery(NotifyKind.RESOLVED, thread))
    (post,) = slack.posts
    assert (post.thread_ts, post.edits) == (None, 0)
    assert "🟢 Resolved: flight-delay" in texts(post)


def test_when_the_first_message_cannot_be_edited_the_thread_still_tells(slack: SlackServer) -> None:
    thread = bot(slack).send(delivery()).thread
    slack.script(refuses("edit_window_closed"))
    bot(slack).send(delivery(NotifyKind.RESOLVED, thread))
    assert [post.thread_ts is None for post in slack.posts] == [True, False]


def test_a_resolution_tried_again_after_its_update_makes_one_note(slack: SlackServer) -> None:
    thread = bot(slack).send(delivery()).thread
    slack.script(lambda exchange: exchange.answer(exchange.process()), http.answers(500))
    with pytest.raises(Retryable):
        bot(slack).send(delivery(NotifyKind.RESOLVED, thread))
    bot(slack).send(delivery(NotifyKind.RESOLVED, thread))
    assert [post.edits for post in slack.posts] == [2, 0]


@pytest.mark.parametrize("error", ["message_not_found", "not_in_channel"])
def test_an_update_refused_for_another_reason_is_an_error(slack: SlackServer, error: str) -> None:
    thread = bot(slack).send(delivery()).thread
    slack.script(refuses(error), refuses("not_in_channel"))
    with pytest.raises(Permanent, match="invite the bot"):
        bot(slack).send(delivery(NotifyKind.RESOLVED, thread))


@pytest.mark.fault(14)
@pytest.mark.parametrize("error", ["invalid_auth", "channel_not_found", "not_in_channel", "is_archived", "something_new"])
def test_what_needs_a_person_is_not_tried_again(slack: SlackServer, error: str) -> None:
    slack.script(refuses(error))
    with pytest.raises(Permanent, match=f"Slack refused chat_postMessage: {error}"):
        bot(slack).send(delivery())
    assert len(slack.requests) == 1


@pytest.mark.fault(13)
@pytest.mark.parametrize("error", ["ratelimited", "internal_error", "service_unavailable"])
def test_what_passes_by_itself_is_tried_later(slack: SlackServer, error: str) -> None:
    slack.script(refuses(error))
    with pytest.raises(Retryable, match=error):
        bot(slack).send(delivery())
    assert len(slack.requests) == 1


@pytest.mark.fault(12, 13)
def test_an_ok_false_with_retry_after_says_when(slack: SlackServer) -> None:
    slack.script(http.answers(200, b'{"ok": false, "error": "ratelimited"}', retry_after="17"))
    with pytest.raises(Retryable) as caught:
        bot(slack).send(delivery())
    assert caught.value.retry_after == 17.0


@pytest.mark.fault(12)
@pytest.mark.parametrize(("header", "seconds"), [({"retry_after": "30"}, 30.0), ({}, None), ({"retry_after": "later"}, None)])
def test_too_many_requests_wait_as_long_as_slack_says(slack: SlackServer, header: dict[str, str], seconds: float | None) -> None:
    slack.script(http.answers(429, b'{"ok": false, "error": "ratelimited"}', **header))
    with pytest.raises(Retryable) as caught:
        bot(slack).send(delivery())
    assert caught.value.retry_after == seconds
    assert len(slack.requests) == 1


@pytest.mark.fault(13)
@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", b"[1, 2]", b"\xff\xfe", b"null"])
def test_an_answer_that_is_no_json_object_is_tried_again(slack: SlackServer, body: bytes) -> None:
    slack.script(http.answers(200, body))
    with pytest.raises(Retryable, match="no JSON object"):
        bot(slack).send(delivery())


@pytest.mark.fault(13)
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_slack_in_trouble_is_tried_again(slack: SlackServer, status: int) -> None:
    slack.script(http.answers(status, b"<html>oops</html>"))
    with pytest.raises(Retryable, match=str(status)):
        bot(slack).send(delivery())


@pytest.mark.fault(15)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_the_token_goes_nowhere(slack: SlackServer, status: int) -> None:
    target = WebhookReceiver()
    try:
        slack.script(http.redirects(target.url, status))
        with pytest.raises(Permanent, match=str(status)):
            bot(slack).send(delivery())
        assert target.requests == []
    finally:
        target.close()


@pytest.mark.fault(13)
@pytest.mark.parametrize("fault", [http.hangs, http.drips_headers, http.drips_body])
def test_a_slack_that_takes_for_ever_is_left_at_the_deadline(slack: SlackServer, fault: http.Fault) -> None:
    slack.script(fault)
    with pytest.raises(Retryable):
        bot(slack, timeout=0.4).send(delivery())


@pytest.mark.fault(13)
def test_a_connection_lost_after_the_post_is_one_request_and_our_outbox_decides(slack: SlackServer) -> None:
    slack.script(http.drops_after_work)
    with pytest.raises(Retryable, match="the connection failed"):
        bot(slack).send(delivery())
    assert (len(slack.requests), len(slack.posts)) == (1, 1)


@pytest.mark.fault(14)
def test_a_form_that_slack_refuses_is_sent_as_text(slack: SlackServer) -> None:
    slack.script(refuses("invalid_blocks"))
    bot(slack).send(delivery())
    (post,) = slack.posts
    assert post.text.startswith("🔴 Alert: flight-delay")
    assert not post.body["blocks"]


def test_the_token_is_read_at_each_use(slack: SlackServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("xoxb-old\n")
    sender = bot(slack, Secret(file=file))
    with pytest.raises(Permanent, match="invalid_auth"):
        sender.send(delivery())
    file.write_text(TOKEN + "\n")
    sender.send(delivery())
    assert slack.requests[-1].headers["authorization"] == f"Bearer {TOKEN}"
    file.unlink()
    with pytest.raises(Retryable, match="secret file"):
        sender.send(delivery())


def test_the_token_is_in_no_error_and_no_log(slack: SlackServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = json.dumps({"ok": False, "error": f"bad token {TOKEN}"}).encode()
    for fault in (http.answers(200, echo), http.answers(500, echo), http.answers(200, TOKEN.encode()), http.drops, refuses("invalid_auth")):
        slack.script(fault)
        with pytest.raises((Permanent, Retryable)) as caught:
            bot(slack).send(delivery())
        assert TOKEN not in str(caught.value)
        assert TOKEN not in repr(caught.value.__context__)
    assert TOKEN not in caplog.text


def test_a_body_that_is_no_message_is_given_up(slack: SlackServer) -> None:
    for receiver in (bot(slack), hook(slack.webhook_url)):
        with pytest.raises(Permanent, match="stored body is no IncidentMessage"):
            receiver.send(delivery(body={"kind": "odd"}))
    assert slack.requests == []


def test_slack_sdk_is_kept_from_sending_in_ways_that_this_client_does_not_guard() -> None:
    client = Client(token=TOKEN, api_url="http://127.0.0.1:9/", limits=Limits(), now=START)
    with pytest.raises(Exception, match="are not sent by this client"):
        client.api_call("files.upload", files={"file": b""})


# --- how things stand ----------------------------------------------------------------------------------------

ACKNOWLEDGED = replace(INCIDENT, state=IncidentState.ACKNOWLEDGED, acknowledged_by="ann <!here>")
FULL = occasion(sure="ks 0.6 is 3 times its limit", performance="f1 fell from 0.84 to 0.71 [0.69, 0.73]",
                columns=(ColumnLine(column="dep_delay", sentence="dep_delay: mean 12.6 → 756"),
                         ColumnLine(column="x", sentence="x: 1 → 2")))


def update(thread: str | None) -> Delivery:
    body = message_body(occasion(NotifyKind.UPDATE, incident=ACKNOWLEDGED, headline="", evidence="", columns=()))
    return replace(delivery(NotifyKind.UPDATE, thread, body), earlier=message_body(FULL))


def test_an_acknowledgement_is_shown_in_the_first_message_and_calls_nobody(slack: SlackServer) -> None:
    thread = bot(slack).send(delivery(body=message_body(FULL))).thread
    receipt = bot(slack).send(update(thread))
    (post,) = slack.posts
    assert (post.edits, receipt.thread) == (1, thread)
    said = texts(post)
    for part in ("🔴 Alert, acknowledged: flight-delay", "acknowledged by ann <!here>", "Acknowledged by: ann <!here>", "• x: 1 → 2",
                 "How sure: ks 0.6 is 3 times its limit", "Performance: f1 fell from 0.84 to 0.71 [0.69, 0.73]"):
        assert part in said
    assert "<!here>" not in post.text
    assert post.body["metadata"]["event_payload"]["delivery"] == "msg_firing", "it is still that message"


def test_an_acknowledgement_that_has_no_message_to_show_it_in_is_not_posted(slack: SlackServer) -> None:
    assert bot(slack).send(update(None)).detail == "there is no message to rewrite"
    assert slack.requests == []
    thread = bot(slack).send(delivery()).thread
    slack.delete(slack.posts[0])
    bot(slack).send(update(thread))
    assert slack.posts == []


def test_an_incoming_webhook_leaves_its_messages_as_they_are(slack: SlackServer) -> None:
    assert hook(slack.webhook_url).send(update(None)).detail == "an incoming webhook cannot rewrite a message"
    assert slack.requests == []


def test_the_end_is_shown_with_what_was_told_before(slack: SlackServer) -> None:
    thread = bot(slack).send(delivery(body=message_body(FULL))).thread
    end = message_body(occasion(NotifyKind.RESOLVED, columns=()))
    bot(slack).send(replace(delivery(NotifyKind.RESOLVED, thread, end), earlier=message_body(FULL)))
    said = texts(slack.posts[0])
    for part in ("🟢 Resolved: flight-delay", "resolved after 3 d", "Columns, reference → then:", "• x: 1 → 2",
                 "Performance as it was told: f1 fell"):
        assert part in said


def test_a_reminder_tells_the_thread_what_it_costs(slack: SlackServer) -> None:
    thread = bot(slack).send(delivery()).thread
    bot(slack).send(delivery(NotifyKind.REPEAT, thread, message_body(occasion(NotifyKind.REPEAT, performance="f1 fell"))))
    assert texts(slack.posts[1]).splitlines()[1] == "Performance: f1 fell"


def test_an_earlier_body_that_is_no_message_is_given_up(slack: SlackServer) -> None:
    with pytest.raises(Permanent, match="stored body is no IncidentMessage"):
        bot(slack).send(replace(update("C1:1.1"), earlier={"kind": "odd"}))


MESSAGES = st.builds(
    IncidentMessage, kind=st.sampled_from(NotifyKind), reason=st.text(max_size=50), incident=st.text(max_size=3000),
    model=st.text(max_size=3000), severity=st.sampled_from(Verdict), sentence=st.text(max_size=3000), cause=st.text(max_size=9000),
    since=st.just(START), until=st.just(START + DAY), lasted=st.just(86_400.0), bad_windows=st.integers(0, 10**9),
    checks=st.lists(st.text(max_size=900), max_size=9).map(tuple),
    columns=st.lists(st.builds(ColumnLine, column=st.text(max_size=900), sentence=st.text(max_size=900)), max_size=60).map(tuple),
    more_columns=st.integers(0, 10**6), account=st.none() | st.just(Account(counted=10**15, late=10**15, duplicate=1)),
    url=st.none() | st.text(max_size=4000), condition=st.text(max_size=9), evidence=st.text(max_size=9000),
    performance=st.text(max_size=9000), sure=st.text(max_size=9000), acknowledged_by=st.text(max_size=4000),
)  # fmt: skip
FILL = st.sampled_from(["&", "<!channel>", "é", "👩\u200d👧", " ", "x"])


def written(message: SlackMessage) -> int:
    """Characters of all texts of all blocks."""
    blocks = [*message.blocks, *(block for attachment in message.attachments for block in attachment["blocks"])]  # type: ignore[attr-defined]
    return sum(map(length_of, blocks))


@pytest.mark.fault(31)
@given(MESSAGES, st.none() | FILL)
def test_any_message_whatsoever_is_within_every_limit_and_nothing_in_it_is_obeyed(said: IncidentMessage, fill: str | None) -> None:
    if fill is not None:
        many = fill * 3000
        said = replace(said, sentence=many, cause=many, evidence=many, performance=many + ".", sure=many, incident=many,
                       checks=(many,) * 3, acknowledged_by=many, url="https://drift.example/" + "y" * 2900,
                       columns=(ColumnLine(column=many[:100], sentence=many[:900]),) * 50)
    for message in (build(said), build_note(said)):
        assert refusal(as_arguments(message)) is None
        assert written(message) <= BUDGET
        json.dumps(as_arguments(message)).encode()
        for text in mrkdwn(as_arguments(message)):
            ours = text.startswith("<") and text.endswith("|Open driftd>")
            assert text.count("<") == text.count(">") == ours


# --- who am I ------------------------------------------------------------------------------------------------



def test_auth_test_says_who_the_bot_is(slack: SlackServer) -> None:
    slack.scopes = frozenset({"chat:write", "files:write"})
    given = SlackSettings.model_construct(token=Secret(text=TOKEN), api_url=slack.url, timeout=timedelta(seconds=5))
    assert auth_test(given) == "driftd in driftd demo"


def test_auth_test_says_what_pictures_lack(slack: SlackServer) -> None:
    given = SlackSettings.model_construct(token=Secret(text=TOKEN), api_url=slack.url, timeout=timedelta(seconds=5))
    assert auth_test(given).startswith("driftd in driftd demo; without the scope files:write it gets no pictures")
    assert auth_test(given.model_copy(update={"pictures": False})) == "driftd in driftd demo"
    slack.script(http.answers(200, b'{"ok": true, "user": "u", "team": "t"}'))
    assert auth_test(given) == "u in t", "a server that does not tell scopes may have them all"


def test_auth_test_with_a_wrong_token_says_so(slack: SlackServer) -> None:
    given = SlackSettings.model_construct(token=Secret(text="xoxb-wrong"), api_url=slack.url, timeout=timedelta(seconds=5))
    with pytest.raises(Permanent, match="invalid_auth"):
        auth_test(given)


def test_auth_test_cannot_ask_a_webhook(slack: SlackServer) -> None:
    given = SlackSettings.model_construct(token=None, webhook_url=Secret(text=slack.webhook_url), timeout=timedelta(seconds=5))
    with pytest.raises(Permanent, match="cannot be tested"):
        auth_test(given)


# --- the incoming webhook ------------------------------------------------------------------------------------


def test_a_webhook_posts_the_whole_message_and_knows_no_thread(slack: SlackServer) -> None:
    receipt = hook(slack.webhook_url).send(delivery())
    (post,) = slack.posts
    assert receipt.thread is None
    assert "🔴 Alert: flight-delay" in texts(post)
    hook(slack.webhook_url).send(delivery(NotifyKind.RESOLVED))
    assert "🟢 Resolved: flight-delay" in texts(slack.posts[1])


@pytest.mark.parametrize("body", [b"", b"okay", b"<html>Log in</html>"])
def test_a_200_that_does_not_say_ok_is_tried_again(slack: SlackServer, body: bytes) -> None:
    slack.script(http.answers(200, body))
    with pytest.raises(Retryable, match="not 'ok'"):
        hook(slack.webhook_url).send(delivery())


def test_a_webhook_that_slack_took_away_is_given_up_with_slacks_word(slack: SlackServer) -> None:
    with pytest.raises(Permanent, match="404: no_service"):
        hook(slack.root + "/services/T1/B1/gone").send(delivery())


@pytest.mark.parametrize(("url", "why"), [("http://192.0.2.1/services/T/B/hush", 'http to "192.0.2.1"'), ("hush", "not a web address")])
def test_a_webhook_address_from_a_file_is_held_to_the_same_rules_and_never_told(url: str, why: str) -> None:
    with pytest.raises(Permanent, match=re.escape(why)) as refused:
        hook(url).send(delivery())
    assert "hush" not in str(refused.value)


def test_a_webhooks_form_that_slack_refuses_is_sent_as_text(slack: SlackServer) -> None:
    slack.script(http.answers(400, b"invalid_blocks"))
    hook(slack.webhook_url).send(delivery())
    assert "blocks" not in slack.posts[0].body


@pytest.mark.fault(12)
def test_a_webhooks_rate_limit_is_honoured(slack: SlackServer) -> None:
    slack.script(http.answers(429, b"rate_limited", retry_after="12"))
    with pytest.raises(Retryable, match="rate_limited") as caught:
        hook(slack.webhook_url).send(delivery())
    assert caught.value.retry_after == 12.0


@pytest.mark.fault(15)
def test_a_webhooks_redirect_is_a_failure_and_the_message_goes_nowhere(slack: SlackServer) -> None:
    target = WebhookReceiver()
    try:
        slack.script(http.redirects(target.url))
        with pytest.raises(Permanent, match="302"):
            hook(slack.webhook_url).send(delivery())
        assert target.requests == []
    finally:
        target.close()


def test_a_webhooks_url_is_in_no_error(slack: SlackServer) -> None:
    for fault in (http.answers(404, slack.webhook_url.encode()), http.answers(500, slack.webhook_url.encode()), http.drops):
        slack.script(fault)
        with pytest.raises((Permanent, Retryable)) as caught:
            hook(slack.webhook_url).send(delivery())
        assert "services" not in str(caught.value)


# --- the message itself --------------------------------------------------------------------------------------


def as_arguments(message: SlackMessage) -> dict[str, Any]:
    return {"text": message.text, "blocks": list(message.blocks), "attachments": list(message.attachments)}


def mrkdwn(node: object) -> Iterator[str]:
    """Every text that Slack would interpret: mrkdwn objects and the fallbacks."""
    if isinstance(node, Mapping):
        if node.get("type") == "mrkdwn":
            yield str(node["text"])
        for name, value in node.items():
            if name == "fallback" or (name == "text" and isinstance(value, str) and "type" not in node):
                yield str(value)
            yield from mrkdwn(value)
    elif isinstance(node, list | tuple):
        for each in node:
            yield from mrkdwn(each)


NASTY = "<!channel> <@U123> <https://evil.example|click> *bold* & @here `x`"


@pytest.mark.fault(31)
def test_names_from_logs_wake_nobody_and_link_nowhere() -> None:
    lines = (ColumnLine(column=NASTY, sentence=NASTY),)
    incident = replace(INCIDENT, model=NASTY, columns=(NASTY,), summary=NASTY, cause=NASTY)
    for kind in NotifyKind:
        said = incident_message(occasion(kind, incident=incident, headline=NASTY, columns=lines, performance=f"f1 in {NASTY}"))
        for message in (build(said), build_note(said)):
            interpreted = list(mrkdwn(as_arguments(message)))
            assert interpreted
            for text in interpreted:
                ours = text.startswith("<https://drift.example/models/") and text.endswith("|Open driftd>")
                assert text.count("<") == text.count(">") == text.count("|Open driftd>") == ours


def test_the_address_of_the_page_cannot_break_out_of_its_link() -> None:
    said = incident_message(occasion(page_url="https://drift.example/a|b>c&d"))
    link = next(text for text in mrkdwn(as_arguments(build(said))) if "Open driftd" in text)
    assert link == "<https://drift.example/a%7Cb&gt;c&amp;d/models/flight-delay|Open driftd>"


def test_a_cause_that_is_the_only_columns_sentence_is_said_once() -> None:
    line = ColumnLine(column="dep_delay", sentence="dep_delay: mean 12.6 → 756, about ×60 (unit change)")
    message = build(incident_message(occasion(headline=line.sentence, columns=(line,))))
    said = json.dumps(as_arguments(message), ensure_ascii=False)
    assert said.count(line.sentence) == 1


def test_performance_is_told_beside_a_cause_and_once_where_it_is_the_cause() -> None:
    dropped = "accuracy fell from 0.84 to 0.71 [0.69, 0.73] (realised, 96 % labelled)"
    beside = json.dumps(as_arguments(build(incident_message(occasion(performance=dropped)))), ensure_ascii=False)
    assert f"Performance: {dropped}" in beside
    alone = build(incident_message(occasion(headline=dropped, performance=dropped, evidence="", columns=())))
    said = json.dumps(as_arguments(alone), ensure_ascii=False)
    assert said.count(dropped) == 1
    assert f"Performance: {dropped}" in said, "a drop is not its own cause"


@pytest.mark.fault(31)
def test_the_largest_message_is_within_slacks_limits() -> None:
    huge = "&" * 100_000
    lines = tuple(ColumnLine(column=huge, sentence=huge) for _ in range(500))
    incident = replace(INCIDENT, model=huge, summary=huge, cause=huge, columns=(huge,) * 500, checks=("drift", "quality", "volume"))
    for kind in NotifyKind:
        said = incident_message(occasion(kind, incident=incident, headline=huge, columns=lines, performance=huge + "."))
        for message in (build(said), build_note(said)):
            assert refusal(as_arguments(message)) is None
            assert len(json.dumps(as_arguments(message), ensure_ascii=False)) < 16_000
    assert "… and 49" in json.dumps(as_arguments(build(said)), ensure_ascii=False)


@pytest.mark.fault(31)
@given(st.text(max_size=400), st.text(max_size=400), st.lists(st.text(max_size=200), max_size=15))
def test_any_text_makes_a_message_that_slack_takes(model: str, headline: str, columns: list[str]) -> None:
    lines = tuple(ColumnLine(column=column, sentence=column) for column in columns)
    said = incident_message(occasion(incident=replace(INCIDENT, model=model), headline=headline, columns=lines))
    assert refusal(as_arguments(build(said))) is None
    json.dumps(as_arguments(build(said))).encode()


@pytest.mark.fault(31)
@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("a&amp;b", 4, "a…"), ("&lt;&gt;x", 7, "&lt;…"), ("a&b;cde", 5, "a&b;…")],
)
def test_a_text_is_cut_between_entities(text: str, limit: int, cut: str) -> None:
    assert clip(text, limit) == cut


def test_escaping_is_slacks() -> None:
    assert escape("a < b & c > d") == "a &lt; b &amp; c &gt; d"


def test_severity_shows_as_colour_and_word() -> None:
    looks = []
    for severity in (Verdict.ALERT, Verdict.WARN, Verdict.OK):
        message = build(incident_message(occasion(incident=replace(INCIDENT, severity=severity))))
        looks.append((message.attachments[0]["color"], message.text.split(":")[0]))
    assert looks == [("#e01e5a", "🔴 Alert"), ("#ecb22e", "🟡 Warning"), ("#868686", "⚪ Notice")]


# --- the double is as strict as Slack ------------------------------------------------------------------------


def text_of(kind: str, length: int) -> dict[str, Any]:
    return {"type": kind, "text": "x" * length}


@pytest.mark.parametrize(
    ("blocks", "error"),
    [
        ([{"type": "header", "text": text_of("plain_text", 150)}], None),
        ([{"type": "header", "text": text_of("plain_text", 151)}], "invalid_blocks"),
        ([{"type": "header", "text": text_of("mrkdwn", 5)}], "invalid_blocks"),
        ([{"type": "section", "text": text_of("mrkdwn", 3000)}], None),
        ([{"type": "section", "text": text_of("mrkdwn", 3001)}], "invalid_blocks"),
        ([{"type": "section", "text": text_of("plain_text", 0)}], "invalid_blocks"),
        ([{"type": "section"}], "invalid_blocks"),
        ([{"type": "section", "fields": [text_of("plain_text", 5)] * 11}], "invalid_blocks"),
        ([{"type": "section", "fields": [text_of("plain_text", 2001)]}], "invalid_blocks"),
        ([{"type": "context", "elements": [text_of("mrkdwn", 5)] * 11}], "invalid_blocks"),
        ([{"type": "actions", "elements": []}], "invalid_blocks"),
        ([{"type": "fancy"}], "invalid_blocks"),
        ([{"type": "divider", "block_id": "b" * 256}], "invalid_blocks"),
        ([{"type": "divider"}] * 50, None),
        ([{"type": "divider"}] * 51, "invalid_blocks"),
        ([{"type": "section", "text": text_of("plain_text", 3000)}] * 5, "msg_blocks_too_long"),
        ([{"type": "section", "text": {"type": "plain_text", "text": "x", "verbatim": True}}], "invalid_blocks"),
    ],
)
def test_the_double_refuses_what_slack_refuses(blocks: list[dict[str, Any]], error: str | None) -> None:
    refused = refusal({"text": "x", "blocks": blocks})
    assert (refused and refused[0]) == error


def test_the_double_refuses_empty_and_overlong_messages() -> None:
    assert refusal({}) == ("no_text", ["a message needs text, blocks or attachments"])
    assert (refusal({"text": "x" * 40_001}) or [""])[0] == "msg_too_long"
    assert (refusal({"attachments": [{}] * 101}) or [""])[0] == "too_many_attachments"
    assert (refusal({"attachments": [{"blocks": [{"type": "fancy"}]}]}) or [""])[0] == "invalid_attachments"


def test_the_double_tells_of_posts_and_changes() -> None:
    told: list[SlackPost] = []
    server = SlackServer(on_message=told.append)
    try:
        thread = bot(server).send(delivery()).thread
        bot(server).send(delivery(NotifyKind.RESOLVED, thread))
        assert [(post.channel, post.edits, post.thread_ts is None) for post in told] == [
            ("#ml-alerts", 0, True), ("#ml-alerts", 1, True), ("#ml-alerts", 0, False),
        ]
    finally:
        server.close()
