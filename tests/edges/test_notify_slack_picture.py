"""A picture on its way into an incident's thread: three calls, none of them idempotent, none of them worth an alert."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.clock import SystemClock
from monitor.core.incidents import NotifyKind, Step
from monitor.core.picture import Bars, Picture, Tick
from monitor.demo import scripted_http as http
from monitor.demo.slack_server import SlackServer, refuses
from monitor.errors import Permanent, Retryable
from monitor.notify import Dispatcher, receivers_of
from monitor.notify.outgoing import picture_message
from monitor.notify.slack import SlackBot
from monitor.notify.slack_api import CALLS
from monitor.notify.slack_picture import ALT_TEXT, MOST_ATTEMPTS, MOST_BYTES, file_name
from monitor.notify.slack_webhook import SlackWebhook
from monitor.ports import PICTURE, Delivery, Message
from monitor.settings import load_settings
from monitor.settings.secret import Secret
from tests.faults.outbox import INCIDENT, Outbox
from tests.webhook_server import WebhookReceiver

TOKEN = "xoxb-1234-very-secret"
NOW = datetime.now(UTC)
ALL = {"chat:write", "files:write", "channels:history", "channels:read"}
PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 5000
SHOWN = Picture(
    incident="inc_0123456789ab", title="flight-delay: drift alert on dep_delay <!channel>", cause="×60", window="yesterday", since=NOW,
    columns=(Bars(column="dep_delay", sentence="mean 12.6 → 756", reference=(1.0,), now=(1.0,), ticks=(Tick(at=0.5, text="0"),)),),
)  # fmt: skip


class Easel:
    """A painter that gives what it is told to give."""

    def __init__(self, gives: bytes | Exception = PNG) -> None:
        self.gives = gives
        self.painted: list[Picture] = []

    def paint(self, picture: Picture) -> bytes:
        self.painted.append(picture)
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with closing(SlackServer(token=TOKEN, scopes=ALL)) as server:
        yield server


def bot(slack: SlackServer, painter: Easel | None = None, timeout: float = 5.0) -> SlackBot:
    return SlackBot(token=Secret(text=TOKEN), channel="#ml", api_url=slack.url, timeout=timeout, clock=SystemClock(),
                    painter=painter or Easel())


def begun(slack: SlackServer) -> str:
    """A first message's thread."""
    with slack._changing:
        post = slack._kept("#ml", {"text": "first"}, None)
    return f"{post.channel_id}:{post.ts}"


def delivery(thread: str | None, attempts: int = 0, body: Any = None) -> Delivery:
    return Delivery(
        id="msg_pic", receiver="slack", kind=PICTURE, incident="inc_0123456789ab", attempts=attempts, created_at=NOW, thread=thread,
        body=msgspec.to_builtins(SHOWN) if body is None else body,
    )  # fmt: skip


def methods(slack: SlackServer) -> list[str]:
    return [request.path.rpartition("/")[2] if "/api/" in request.path else "upload" for request in slack.requests]


def test_a_picture_is_painted_uploaded_and_put_into_the_thread(slack: SlackServer) -> None:
    easel, thread = Easel(), begun(slack)
    receipt = bot(slack, easel).send(delivery(thread))
    (file,) = slack.files.values()
    first, reply = slack.posts
    assert (file.content, file.name, file.title, file.shared) == (PNG, "driftd-msg_pic.png", "Window yesterday", True)
    assert file.alt_text == f"{SHOWN.title}; dep_delay: mean 12.6 → 756"
    assert (reply.thread_ts, reply.body["files"][0]["id"], first.edits) == (first.ts, file.id, 0)
    assert methods(slack) == ["files.getUploadURLExternal", "upload", "files.completeUploadExternal"]
    assert easel.painted == [SHOWN]
    assert (receipt.thread, receipt.detail) == (None, "a picture of 5,008 bytes in the thread")


def test_what_painting_takes_is_no_time_of_slacks(slack: SlackServer) -> None:
    """A busy machine paints for longer than three calls may take: it would be painted again and again, and never sent."""

    class Slow(Easel):
        def paint(self, picture: Picture) -> bytes:
            time.sleep(CALLS * 1.0 + 0.2)
            return super().paint(picture)

    bot(slack, Slow(), timeout=1.0).send(delivery(begun(slack)))
    assert [file.content for file in slack.files.values()] == [PNG]


def test_the_token_is_not_sent_to_where_the_bytes_go(slack: SlackServer) -> None:
    bot(slack).send(delivery(begun(slack)))
    api, upload, _ = slack.requests
    assert api.headers["authorization"] == f"Bearer {TOKEN}"
    assert "authorization" not in upload.headers
    assert TOKEN not in str(upload)


@pytest.mark.parametrize(
    "url", ["http://192.0.2.7/upload/x", "ftp://files.slack.com/x", "https://user:word@files.slack.com/x", "/upload/x", "http://[x", ""]
)
def test_bytes_go_only_where_nobody_can_read_them_on_the_way(slack: SlackServer, url: str) -> None:
    answer = msgspec.json.encode({"ok": True, "upload_url": url, "file_id": "F1"})
    slack.script(http.answers(200, answer))
    with pytest.raises(Permanent, match="neither https nor that of its API") as refused:
        bot(slack).send(delivery(begun(slack)))
    assert not url or url not in str(refused.value)
    assert methods(slack) == ["files.getUploadURLExternal"]


def test_another_host_is_trusted_by_https_alone(slack: SlackServer) -> None:
    """Nothing listens there: the connection is tried, and fails."""
    slack.script(http.answers(200, b'{"ok": true, "upload_url": "https://127.0.0.1:1/upload", "file_id": "F1"}'))
    with pytest.raises(Retryable, match="the connection failed"):
        bot(slack).send(delivery(begun(slack)))
    slack.script(http.answers(200, b'{"ok": true, "upload_url": "https://169.254.169.254/upload", "file_id": "F1"}'))
    with pytest.raises(Permanent, match="not called"):
        bot(slack).send(delivery(begun(slack)))


def test_a_redirect_of_the_upload_is_a_failure_and_the_bytes_go_nowhere(slack: SlackServer) -> None:
    with closing(WebhookReceiver()) as target:
        slack.script(lambda exchange: exchange.answer(exchange.process()), http.redirects(target.url, 307))
        with pytest.raises(Permanent, match="307"):
            bot(slack).send(delivery(begun(slack)))
        assert target.requests == []


@pytest.mark.parametrize(
    "answer", [b'{"ok": true}', b'{"ok": true, "upload_url": 5, "file_id": "F1"}', b'{"ok": true, "upload_url": "https://x"}']
)
def test_an_answer_without_an_address_is_tried_again(slack: SlackServer, answer: bytes) -> None:
    slack.script(http.answers(200, answer))
    with pytest.raises(Retryable, match="no address for the file"):
        bot(slack).send(delivery(begun(slack)))


@pytest.mark.parametrize("calls", [0, 1, 2])
@pytest.mark.parametrize(
    ("fault", "seconds"),
    [(http.answers(429, b"{}", retry_after="9"), 9.0), (refuses("ratelimited"), None), (http.answers(503, b"no"), None),
     (http.drops, None)],
)
def test_whichever_call_fails_for_a_while_the_picture_is_tried_again(
    slack: SlackServer, calls: int, fault: http.Fault, seconds: float | None
) -> None:
    if calls == 1 and fault is not http.drops and seconds is None:
        fault = http.answers(500, b"no")  # the upload's own answer is no JSON
    thread = begun(slack)
    slack.script(*[lambda exchange: exchange.answer(exchange.process())] * calls, fault)
    with pytest.raises(Retryable) as caught:
        bot(slack).send(delivery(thread))
    assert caught.value.retry_after == seconds
    bot(slack).send(delivery(thread, attempts=1))
    assert [post.body.get("files") is not None for post in slack.posts] == [False, True]


def test_a_picture_whose_last_answer_was_lost_is_found_by_its_name_and_not_put_there_twice(slack: SlackServer) -> None:
    thread, easel = begun(slack), Easel()
    slack.script(*[lambda exchange: exchange.answer(exchange.process())] * 2, http.drops_after_work)
    with pytest.raises(Retryable):
        bot(slack, easel).send(delivery(thread))
    assert bot(slack, easel).send(delivery(thread, attempts=1)).detail == "put there by an earlier attempt"
    assert len(slack.posts) == 2
    assert len(easel.painted) == 1, "what is there need not be painted"


def test_where_the_thread_may_not_be_read_a_picture_twice_is_better_than_none(slack: SlackServer) -> None:
    slack.scopes = frozenset({"chat:write", "files:write"})
    bot(slack).send(delivery(begun(slack), attempts=1))
    assert len(slack.posts) == 2


@pytest.mark.parametrize(
    ("calls", "error", "said"),
    [
        (0, "file_uploads_disabled", "the workspace allows no files"),
        (0, "invalid_auth", "the token is not valid"),
        (2, "not_in_channel", "invite the bot"),
        (2, "file_not_found", "file_not_found"),
    ],
)
def test_what_needs_a_person_is_told_and_not_tried_again(slack: SlackServer, calls: int, error: str, said: str) -> None:
    slack.script(*[lambda exchange: exchange.answer(exchange.process())] * calls, refuses(error))
    with pytest.raises(Permanent, match=said):
        bot(slack).send(delivery(begun(slack)))


def test_a_token_without_the_scope_says_which_one_it_lacks(slack: SlackServer) -> None:
    slack.scopes = frozenset({"chat:write"})
    said = r"refused files_getUploadURLExternal: missing_scope \(the token lacks the scope files:write\)"
    with pytest.raises(Permanent, match=said):
        bot(slack).send(delivery(begun(slack)))


def test_a_scope_that_is_none_is_not_repeated(slack: SlackServer) -> None:
    slack.script(http.answers(200, b'{"ok": false, "error": "missing_scope", "needed": "<script>"}'))
    with pytest.raises(Permanent, match=r"missing_scope \(the token lacks the scope chat:write\)$"):
        bot(slack).send(delivery(begun(slack)))


def test_a_picture_that_has_no_thread_no_painter_or_no_form_is_given_up(slack: SlackServer) -> None:
    with pytest.raises(Permanent, match="no message whose thread"):
        bot(slack).send(delivery(None))
    without = SlackBot(token=Secret(text=TOKEN), channel="#ml", api_url=slack.url, clock=SystemClock())
    with pytest.raises(Permanent, match="pictures are turned off"):
        without.send(delivery("C1:1.1"))
    with pytest.raises(Permanent, match="stored body is no Picture"):
        bot(slack).send(delivery("C1:1.1", body={"title": 5}))
    hook = SlackWebhook(url=Secret(text=slack.webhook_url), clock=SystemClock())
    with pytest.raises(Permanent, match="takes no pictures"):
        hook.send(delivery("C1:1.1"))
    assert slack.requests == []


@pytest.mark.parametrize(
    ("gives", "error", "said"),
    [(Permanent("matplotlib is not installed"), Permanent, "not installed"), (Retryable("the worker died"), Retryable, "died"),
     (b"x" * (MOST_BYTES + 1), Permanent, "bytes, more than")],
)
def test_what_cannot_be_painted_reaches_nobody(slack: SlackServer, gives: bytes | Exception, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        bot(slack, Easel(gives)).send(delivery("C1:1.1"))
    assert slack.requests == []


def test_pictures_are_given_up_sooner_than_words(slack: SlackServer) -> None:
    last = delivery("C1:1.1", attempts=MOST_ATTEMPTS - 1)
    slack.scopes = frozenset({"chat:write", "files:write"})
    with pytest.raises(Permanent, match=f"given up after {MOST_ATTEMPTS} attempts, as pictures are: the worker died"):
        bot(slack, Easel(Retryable("the worker died"))).send(last)


def test_a_long_description_is_cut_to_what_slack_takes(slack: SlackServer) -> None:
    many = replace(SHOWN, columns=SHOWN.columns * 60)
    bot(slack).send(delivery(begun(slack), body=msgspec.to_builtins(many)))
    (file,) = slack.files.values()
    assert len(file.alt_text) == ALT_TEXT


def test_no_error_of_an_upload_tells_the_token_or_the_address(slack: SlackServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for fault in (http.answers(500, TOKEN.encode()), http.answers(404, TOKEN.encode()), http.drops, http.hangs):
        slack.script(lambda exchange: exchange.answer(exchange.process()), fault)
        with pytest.raises((Permanent, Retryable)) as caught:
            bot(slack, timeout=0.5).send(delivery(begun(slack)))
        assert TOKEN not in str(caught.value)
        assert "upload/v1" not in str(caught.value)
    assert TOKEN not in caplog.text


# --- through the outbox --------------------------------------------------------------------------------------


@pytest.mark.fault(46)
def test_a_picture_that_fails_fails_alone(tmp_path: Path, slack: SlackServer) -> None:
    """The alert before it and the end after it are told, and nobody is told that Slack fails."""
    slack.scopes = frozenset({"chat:write"})
    outbox = Outbox(tmp_path)
    outbox.tell()
    outbox.put(Message(receiver="slack", kind=PICTURE, dedupe="picture", incident=INCIDENT.id, body=msgspec.to_builtins(SHOWN)))
    dispatcher = Dispatcher(outbox.store, [bot(slack)], outbox.clock, "me")
    assert dispatcher.run_once() == 2
    assert outbox.states == ["sent", "dead"]
    assert "files:write" in str(outbox.rows()[1].error)
    assert outbox.store.failing_receivers(["slack"]) == {}
    assert dispatcher.run_once() == 0, "it is tried once"
    outbox.store.close()


def test_a_picture_that_waits_holds_no_message_back(tmp_path: Path, slack: SlackServer) -> None:


    outbox, easel = Outbox(tmp_path), Easel(Retryable("the worker died"))
    outbox.tell()
    outbox.put(Message(receiver="slack", kind=PICTURE, dedupe="picture", incident=INCIDENT.id, body=msgspec.to_builtins(SHOWN)))
    dispatcher = Dispatcher(outbox.store, [bot(slack, easel)], outbox.clock, "me")
    dispatcher.run_once()
    outbox.tell(NotifyKind.RESOLVED)
    dispatcher.run_once()
    assert outbox.states == ["sent", "pending", "sent"]
    easel.gives = PNG
    outbox.clock.seconds += 60
    dispatcher.run_once()
    assert outbox.states == ["sent"] * 3
    assert [post.thread_ts is None for post in slack.posts] == [True, False, False]
    outbox.store.close()


def test_the_configured_bot_gets_the_painter(tmp_path: Path, slack: SlackServer) -> None:
    path = tmp_path / "driftd.yaml"
    path.write_text(
        f"store: sqlite:///{tmp_path}/d.db\nkafka: {{bootstrap_servers: 'localhost:9'}}\n"
        f"slack: {{token: {TOKEN}, channel: '#ml', api_url: '{slack.url}'}}\n"
        "models: {m: {task: binary, window: 1d, streams: {predictions: {topic: t, time: ts, prediction: p}}, columns: {x: numeric}}}\n"
    )
    (made,) = receivers_of(load_settings(path), SystemClock(), Easel())
    made.send(delivery(begun(slack)))
    assert slack.files


def test_there_is_no_picture_of_what_is_not_told() -> None:
    with pytest.raises(ValueError, match="nothing that is told"):
        picture_message(Step(incident=INCIDENT), SHOWN, "slack")


def test_a_file_bears_the_id_of_its_delivery() -> None:
    assert file_name(delivery(None)) == "driftd-msg_pic.png"
