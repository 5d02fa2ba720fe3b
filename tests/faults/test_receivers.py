"""Rows 12 to 17 of the fault table: receivers that are slow, ill, gone or lost after their work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path

import httpx
import pytest

from monitor.clock import SystemClock
from monitor.core.incidents import NotifyKind
from monitor.demo import scripted_http as http
from monitor.demo.slack_server import CHAT, SlackPost, SlackServer, refuses
from monitor.errors import Gone
from monitor.failpoints import VARIABLE
from monitor.health import Health
from monitor.metrics import Metrics
from monitor.notify import Attempt, Dispatcher, lease_of
from monitor.notify.dispatcher import LEASE, ROUND
from monitor.notify.slack import SlackBot
from monitor.notify.slack_search import MESSAGES, PAGES, PATIENT_ATTEMPTS
from monitor.notify.transport import Answer, demand_success
from monitor.notify.webhook import Webhook
from monitor.ports import PAINT_SECONDS, Message, Receiver
from monitor.schedule import Ticks
from monitor.settings import load_settings
from monitor.settings.secret import Secret
from monitor.settings.service import HttpSettings
from monitor.web import WebServer
from tests.edges.web_story import FLIGHTS
from tests.faults.outbox import INCIDENT, Outbox, told
from tests.webhook_server import WebhookReceiver

TOKEN = "xoxb-1234-very-secret"
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HISTORY = CHAT | {"channels:history"}
ALL = HISTORY | {"channels:read"}
NAME, ID = "#ml-alerts", "CMLALERTS"
LOST = [http.hangs_after_work, http.drops_after_work, http.resets_after_work]
"""The message is posted, and the answer never arrives."""


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    made = Outbox(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    server = SlackServer(token=TOKEN, scopes=ALL)
    yield server
    server.close()


@pytest.fixture
def hook() -> Iterator[WebhookReceiver]:
    server = WebhookReceiver()
    yield server
    server.close()


def bot(outbox: Outbox, slack: SlackServer, channel: str = NAME, timeout: float = 0.5) -> SlackBot:
    return SlackBot(token=Secret(text=TOKEN), channel=channel, api_url=slack.url, timeout=timeout, clock=outbox.clock)


def webhook(hook: WebhookReceiver, name: str = "retraining:m", timeout: float = 0.5) -> Webhook:
    return Webhook(name=name, url=hook.url, secret=Secret(text=KEY), clock=SystemClock(), timeout=timeout)


def work(outbox: Outbox, *receivers: Receiver, seen: Callable[[Attempt], None] | None = None) -> Dispatcher:
    return Dispatcher(outbox.store, receivers, outbox.clock, "me", seen=seen)


def until_settled(outbox: Outbox, dispatcher: Dispatcher) -> None:
    """Try, and wait for the next try, until nothing is pending. The first retries follow within minutes."""
    for _ in range(8):
        dispatcher.run_once()
        if "pending" not in outbox.states:
            return
        outbox.clock.seconds += 400
    raise AssertionError(outbox.rows())


def called(slack: SlackServer, method: str) -> int:
    return sum(request.path == f"/api/{method}" for request in slack.requests)


# --- an answer that is lost ----------------------------------------------------------------------------------


@pytest.mark.fault(13)
@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("channel", [NAME, ID])
def test_a_post_whose_answer_is_lost_is_found_and_not_posted_again(
    outbox: Outbox, slack: SlackServer, lost: http.Fault, channel: str
) -> None:
    dispatcher = work(outbox, bot(outbox, slack, channel))
    outbox.tell()
    slack.script(lost)
    until_settled(outbox, dispatcher)
    (post,) = slack.posts
    assert outbox.states == ["sent"]
    assert called(slack, "chat.postMessage") == 1
    outbox.tell(NotifyKind.RESOLVED)  # what was found is as good a first message as what was answered
    until_settled(outbox, dispatcher)
    first, note = slack.posts
    assert (first.ts, first.edits, note.thread_ts) == (post.ts, 1, post.ts)


@pytest.mark.fault(13)
@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize(("kind", "calls"), [(NotifyKind.REPEAT, 1), (NotifyKind.RESOLVED, 1)])
def test_an_answer_in_the_thread_is_found_there(outbox: Outbox, slack: SlackServer, lost: http.Fault, kind: NotifyKind, calls: int) -> None:
    dispatcher = work(outbox, bot(outbox, slack))
    outbox.tell()
    until_settled(outbox, dispatcher)
    outbox.tell(kind)
    slack.script(*[lambda exchange: exchange.answer(exchange.process())] * calls, lost)  # the end rewrites the first message before
    until_settled(outbox, dispatcher)
    assert [post.thread_ts is None for post in slack.posts] == [True, False]
    assert outbox.states == ["sent", "sent"]


@pytest.mark.fault(13)
@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize(("scopes", "channel"), [(CHAT, NAME), (CHAT, ID), (HISTORY, NAME), (CHAT | {"channels:read"}, NAME)])
def test_without_the_scopes_a_lost_answer_doubles_one_message_at_most(
    outbox: Outbox, slack: SlackServer, lost: http.Fault, scopes: frozenset[str], channel: str
) -> None:
    slack.scopes = scopes
    outbox.tell()
    slack.script(lost)
    until_settled(outbox, work(outbox, bot(outbox, slack, channel)))
    assert outbox.states == ["sent"]
    assert len(slack.posts) == 2
    assert len({post.body["metadata"]["event_payload"]["delivery"] for post in slack.posts}) == 1  # told apart by nobody, told by the id


@pytest.mark.fault(13)
def test_the_id_of_a_channel_is_known_from_an_earlier_post(outbox: Outbox, slack: SlackServer) -> None:
    slack.scopes = HISTORY  # names cannot be looked up
    dispatcher = work(outbox, bot(outbox, slack))
    outbox.put(Message(receiver="slack", kind="firing", dedupe="other", incident="inc_other", body=told(NotifyKind.FIRING)))
    until_settled(outbox, dispatcher)
    outbox.tell()
    slack.script(http.drops_after_work)
    until_settled(outbox, dispatcher)
    assert len(slack.posts) == 2


@pytest.mark.fault(13)
def test_where_the_thread_was_deleted_the_message_in_the_channel_is_found(outbox: Outbox, slack: SlackServer) -> None:
    slack.scopes = HISTORY  # the id of the channel is that of the thread
    outbox.tell()
    until_settled(outbox, work(outbox, bot(outbox, slack)))
    slack.delete(slack.posts[0])
    slack.posts.append(SlackPost(channel=NAME, ts="1.000001", body={"text": "somebody else's"}))
    outbox.tell(NotifyKind.REPEAT)
    slack.script(refuses("message_not_found"), refuses("thread_not_found"), http.drops_after_work)
    until_settled(outbox, work(outbox, bot(outbox, slack)))  # a process that knows of no earlier post
    assert [post.text[:10] for post in slack.posts] == ["somebody e", "🔴 Alert: f"]


@pytest.mark.fault(13)
def test_a_message_behind_many_others_is_found(outbox: Outbox, slack: SlackServer) -> None:
    outbox.tell()
    slack.script(http.drops_after_work)
    dispatcher = work(outbox, bot(outbox, slack))
    dispatcher.run_once()
    later = float(slack.posts[0].ts)
    noise = {"text": "x", "metadata": {"event_type": "driftd_incident", "event_payload": {"delivery": "msg_other"}}}
    for n in range(MESSAGES * (PAGES - 1)):
        slack.posts.append(SlackPost(channel=NAME, ts=f"{later + n / 1000:.6f}", body=noise if n % 2 else {"text": "chat"}))
    until_settled(outbox, dispatcher)
    assert called(slack, "conversations.history") == PAGES
    assert called(slack, "chat.postMessage") == 1


@pytest.mark.fault(13)
@pytest.mark.parametrize("error", ["missing_scope", "not_in_channel", "channel_not_found", "invalid_arguments", "unknown_method"])
def test_where_slack_refuses_to_look_the_message_is_posted(outbox: Outbox, slack: SlackServer, error: str) -> None:
    outbox.tell()
    slack.script(http.drops_after_work, refuses(error))
    until_settled(outbox, work(outbox, bot(outbox, slack, ID)))
    assert (len(slack.posts), outbox.states) == (2, ["sent"])


@pytest.mark.fault(13)
def test_where_slack_does_not_answer_a_look_the_message_waits_and_is_found_later(outbox: Outbox, slack: SlackServer) -> None:
    outbox.tell()
    slack.script(http.drops_after_work, http.answers(429, retry_after="30"), http.answers(502, b"<html>"))
    until_settled(outbox, work(outbox, bot(outbox, slack, ID)))
    assert (len(slack.posts), outbox.states) == (1, ["sent"])
    assert outbox.rows()[0].attempts == 4


@pytest.mark.fault(13)
def test_a_look_that_is_never_answered_does_not_hold_the_message_up_for_ever(outbox: Outbox, slack: SlackServer) -> None:
    outbox.tell()
    slack.script(http.answers(500), *[http.answers(503)] * (PATIENT_ATTEMPTS + 1))
    until_settled(outbox, work(outbox, bot(outbox, slack, ID)))
    assert (len(slack.posts), outbox.states) == (1, ["sent"])
    assert outbox.rows()[0].attempts == PATIENT_ATTEMPTS + 2


@pytest.mark.fault(13)
def test_the_first_attempt_looks_for_nothing(outbox: Outbox, slack: SlackServer) -> None:
    outbox.tell()
    until_settled(outbox, work(outbox, bot(outbox, slack)))
    assert [request.path for request in slack.requests] == ["/api/chat.postMessage"]


@pytest.mark.fault(13)
def test_all_calls_of_a_delivery_end_within_three_timeouts(outbox: Outbox, slack: SlackServer) -> None:
    """Each call takes nearly its whole time-out; the lease is longer than all of them together."""

    def late(exchange: http.Exchange) -> None:
        time.sleep(0.4)
        exchange.answer(exchange.process())

    outbox.tell()
    slack.script(http.drops_after_work)
    dispatcher = work(outbox, bot(outbox, slack))
    dispatcher.run_once()
    for n in range(MESSAGES * PAGES):
        slack.posts.append(SlackPost(channel=NAME, ts=f"{float(slack.posts[0].ts) + n / 1000:.6f}", body={"text": "chat"}))
    slack.script(*[late] * 10)
    outbox.clock.seconds += 60
    began = time.monotonic()
    dispatcher.run_once()
    assert time.monotonic() - began < 3 * 0.5 + 0.5
    assert outbox.rows()[0].state == "pending"


SEND = """
import sys
from pathlib import Path
from monitor import failpoints
from monitor.clock import SystemClock
from monitor.notify import Dispatcher, receivers_of
from monitor.settings import load_settings
from monitor.storage import open_store
failpoints.arm_from_environment()
settings = load_settings(Path(sys.argv[1]))
Dispatcher(open_store(settings.store), receivers_of(settings, SystemClock()), SystemClock(), "killed").run_once()
"""


def config(folder: Path, outbox: Outbox, slack: SlackServer) -> Path:
    path = folder / "driftd.yaml"
    path.write_text(
        f"store: {outbox.url}\nkafka: {{bootstrap_servers: 'localhost:9'}}\n"
        f"slack: {{token: {TOKEN}, channel: '{NAME}', api_url: '{slack.url}', group_wait: 0s}}\n"
        "models: {m: {task: binary, window: 1d, streams: {predictions: {topic: t, time: ts, prediction: p}}, columns: {x: numeric}}}\n"
    )
    return path


@pytest.mark.fault(1, 13)
@pytest.mark.parametrize(("scopes", "posts"), [(ALL, 1), (CHAT, 2)])
def test_a_process_killed_between_send_and_mark_doubles_nothing_that_can_be_looked_up(
    tmp_path: Path, outbox: Outbox, slack: SlackServer, scopes: frozenset[str], posts: int
) -> None:
    slack.scopes = scopes
    outbox.tell()
    environment = {**os.environ, VARIABLE: "delivery.after_send=kill@1"}
    done = subprocess.run([sys.executable, "-c", SEND, str(config(tmp_path, outbox, slack))], env=environment, capture_output=True,
                          timeout=60, check=False)
    assert (done.returncode, len(slack.posts), outbox.states) == (-9, 1, ["pending"])
    dispatcher = work(outbox, bot(outbox, slack))
    assert dispatcher.run_once() == 0  # the dead process still has its lease
    outbox.clock.catch_up()  # the process took its lease by the clock on the wall
    outbox.clock.seconds += LEASE.total_seconds() + 1
    assert dispatcher.run_once() == 1
    assert (len(slack.posts), outbox.states) == (posts, ["sent"])


# --- what is not a matter of time ----------------------------------------------------------------------------


@pytest.mark.fault(14)
@pytest.mark.parametrize("error", ["invalid_auth", "channel_not_found"])
def test_what_a_person_must_mend_is_tried_once_counted_and_shown(outbox: Outbox, slack: SlackServer, error: str) -> None:
    metrics = Metrics()
    metrics.declare((), ["slack"])
    server = WebServer(store=outbox.store, health=Health(), metrics=metrics, http=HttpSettings(port=0))
    server.show((FLIGHTS,))
    server.start()
    try:
        outbox.tell()
        slack.script(refuses(error))
        dispatcher = work(outbox, bot(outbox, slack), seen=lambda a: metrics.delivery_attempted(a.receiver, a.outcome, a.seconds))
        assert dispatcher.run_once() == 1
        outbox.clock.seconds += 1_000_000
        assert dispatcher.run_once() == 0
        assert len(slack.requests) == 1
        text, page = read(server, "/metrics"), read(server, "/")
    finally:
        server.stop()
    assert 'driftd_deliveries_total{outcome="dead",receiver="slack"} 1.0' in text
    assert 'driftd_outbox_deliveries{state="dead"} 1.0' in text
    assert "1 dead" in " ".join(re.sub(r"<[^>]*>", " ", page).split())
    assert error in page


def read(server: WebServer, path: str) -> str:
    return httpx.get(f"http://127.0.0.1:{server.port}{path}", trust_env=False).text


@pytest.mark.fault(14)
@pytest.mark.parametrize("error", ["msg_too_long", "msg_blocks_too_long"])
def test_what_is_too_long_for_slack_is_sent_as_its_text(outbox: Outbox, slack: SlackServer, error: str) -> None:
    outbox.tell()
    slack.script(refuses(error))
    assert work(outbox, bot(outbox, slack)).run_once() == 1
    (post,) = slack.posts
    assert post.text.startswith(f"🔴 Alert: {INCIDENT.model}")
    assert not post.body["blocks"]
    assert outbox.states == ["sent"]


@pytest.mark.fault(16)
def test_a_receiver_that_is_gone_is_called_no_more_until_a_restart_and_nothing_vanishes(outbox: Outbox, hook: WebhookReceiver) -> None:
    dispatcher = work(outbox, webhook(hook))
    for n in range(3):
        outbox.ask(n)
    hook.script(http.answers(410))
    assert dispatcher.disabled == {}
    assert dispatcher.run_once() == 3
    assert len(hook.requests) == 1
    first, *others = outbox.rows()
    assert first.error == "the webhook retraining:m answered 410, gone: it wants no more messages"
    assert [row.state for row in (first, *others)] == ["dead"] * 3
    said = dispatcher.disabled["retraining:m"]
    assert said.startswith("retraining:m answered 410 Gone at 20")
    assert said.endswith("; nothing more is sent to it until driftd is started again")
    assert {row.error for row in others} == {said}
    outbox.ask(3)
    again = work(outbox, webhook(hook))  # driftd is started again
    assert again.disabled == {}
    assert again.run_once() == 1
    assert outbox.states[3] == "sent"


def test_only_410_is_gone() -> None:
    with pytest.raises(Gone, match="answered 410, gone"):
        demand_success(Answer(status=410, headers={}, body=b"", complete=True), "it", datetime.now(UTC))


# --- one slow receiver, and the others -----------------------------------------------------------------------


def poll(dispatcher: Dispatcher, *more: Callable[[], object]) -> Ticks:
    """The daemon's own schedule over these receivers."""
    ticks = Ticks(SystemClock(), Health(), Metrics())
    for name in dispatcher.receivers:
        ticks.add(f"deliver {name}", partial(dispatcher.dispatch, name), timedelta(seconds=0.2), timedelta(seconds=60))
    for n, job in enumerate(more):
        ticks.add(f"job {n}", job, timedelta(seconds=0.2), timedelta(seconds=60))
    return ticks


@pytest.mark.fault(12, 16)
@pytest.mark.parametrize("fault", [http.hangs, http.drips_headers])
def test_receivers_that_hang_delay_no_other_and_no_job(outbox: Outbox, fault: http.Fault) -> None:
    """More of them hang than the schedule ever had workers."""
    hanging, well = WebhookReceiver(), WebhookReceiver()
    outbox.clock = SystemClock()  # type: ignore[assignment]
    names = [f"retraining:m{n}" for n in range(12)]
    slow = [webhook(hanging, name, timeout=60.0) for name in names]
    dispatcher = Dispatcher(outbox.store, [*slow, webhook(well, "retraining:well")], outbox.clock, "me")
    beats = threading.Semaphore(0)
    ticks = poll(dispatcher, beats.release)
    hanging.script(*[fault] * len(names))
    for name in names:
        outbox.ask(0, name)
    try:
        ticks.start()
        hanging.wait_for(len(names))  # all of them hang now
        waits = []
        for n in range(8):
            while beats.acquire(blocking=False):  # those of before
                pass
            assert beats.acquire(timeout=2.0), "another job waits for a receiver"
            began = time.monotonic()
            outbox.ask(n, "retraining:well")
            well.wait_for(n + 1)
            waits.append(time.monotonic() - began)
        assert max(waits) < 2.0, waits
        assert outbox.store.outbox_depth()["pending"] >= len(names)
    finally:
        dispatcher.stop()
        hanging.release()
        ticks.stop(5)
        hanging.close()
        well.close()


@pytest.mark.fault(12)
@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry_after": "300"}, 300),
        ({"retry_after": "date"}, 600),
        ({}, 5),
    ],
    ids=["seconds", "date", "missing"],
)
def test_too_many_requests_wait_as_long_as_asked_and_nobody_else_waits(
    outbox: Outbox, slack: SlackServer, hook: WebhookReceiver, headers: dict[str, str], wait: int
) -> None:
    outbox.tell()
    outbox.ask()
    if headers.get("retry_after") == "date":
        headers = {"retry_after": format_datetime(datetime.now(UTC) + timedelta(seconds=wait + 1), usegmt=True)}  # whole seconds alone
    slack.script(http.answers(429, b'{"ok": false, "error": "ratelimited"}', **headers))
    dispatcher = work(outbox, bot(outbox, slack), webhook(hook))
    began = time.monotonic()
    assert dispatcher.run_once() == 2
    assert time.monotonic() - began < 2
    assert outbox.states == ["pending", "sent"]
    outbox.clock.seconds = wait - 1
    assert dispatcher.run_once() == 0
    outbox.clock.seconds = wait * 1.2 + 3
    assert dispatcher.run_once() == 1
    assert (len(slack.posts), outbox.states) == (1, ["sent", "sent"])


@pytest.mark.fault(16)
def test_a_round_over_a_receiver_that_hangs_ends_before_its_job_looks_wedged(outbox: Outbox) -> None:
    """Fifty deliveries of fifteen seconds each would be a job that does not come round for twelve minutes."""
    held = []

    class Slow:
        name = "slow"

        def send(self, _delivery: object) -> None:
            held.append(1)
            clock.seconds += 15
            raise TimeoutError

        def close(self) -> None:
            """Nothing."""

    class Fast(type(outbox.clock)):  # type: ignore[misc]
        def monotonic(self) -> float:
            return float(self.seconds)

    clock = Fast()
    for n in range(10):
        outbox.ask(n, "slow")
    assert Dispatcher(outbox.store, [Slow()], clock, "me").dispatch("slow") == len(held)  # type: ignore[list-item]
    assert 15 * len(held) <= ROUND + 15


def test_the_lease_of_a_delivery_is_longer_than_its_receiver_may_take(tmp_path: Path, outbox: Outbox, slack: SlackServer) -> None:
    path = config(tmp_path, outbox, slack)
    assert lease_of(load_settings(path)) > timedelta(seconds=3 * 15 + PAINT_SECONDS), "a picture is painted, and three calls are made"
    text = path.read_text()
    path.write_text(text.replace("{token:", "{pictures: false, token:"))
    assert lease_of(load_settings(path)) == LEASE
    path.write_text(text)
    path.write_text(path.read_text().replace("{token:", "{timeout: 2m, token:"))
    assert lease_of(load_settings(path)) > timedelta(minutes=6)


# --- work done, answer lost, at a webhook --------------------------------------------------------------------


@pytest.mark.fault(17)
@pytest.mark.parametrize("lost", LOST)
def test_a_receiver_that_dies_after_its_work_hears_the_same_id_again_and_works_once(
    outbox: Outbox, hook: WebhookReceiver, lost: http.Fault
) -> None:
    outbox.ask()
    hook.script(lost)
    until_settled(outbox, work(outbox, webhook(hook)))
    assert outbox.states == ["sent"]
    assert len(hook.processed) == 2
    assert len(set(hook.processed)) == 1
    assert hook.trainings == [hook.processed[0]]
    first, second = hook.requests
    assert first.body == second.body


@pytest.mark.fault(16)
@pytest.mark.parametrize("fault", [http.drips_headers, http.drips_body, http.never_ends, http.hangs])
def test_a_webhook_that_takes_a_minute_is_left_at_its_deadline_and_its_thread_is_free(
    outbox: Outbox, hook: WebhookReceiver, fault: http.Fault
) -> None:
    before = threading.active_count()
    outbox.ask()
    hook.script(fault)
    began = time.monotonic()
    work(outbox, webhook(hook)).run_once()
    assert time.monotonic() - began < 1.5
    hook.release()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threading.active_count() <= before
