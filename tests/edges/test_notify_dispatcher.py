"""The dispatcher with the in-memory store: what is sent, when it is tried again, and what is marked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from monitor.core.cause import Cause
from monitor.core.incidents import Incident, IncidentState, Notify, NotifyKind, Step, TransitionReason
from monitor.core.results import Account, Verdict
from monitor.core.retraining import Retraining, RetrainingState
from monitor.core.retraining_messages import Case
from monitor.doubles.store import MemoryStore
from monitor.errors import Permanent, Retryable
from monitor.notify import Attempt, Dispatcher, Outcome, incident_messages, retraining_message
from monitor.notify.backoff import JITTER, LONGEST, SCHEDULE, wait
from monitor.ports import Delivery, DeliveryRow, Judgement, Message, Receipt

START = datetime(2026, 1, 1, tzinfo=UTC)


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class Real:
    """The real clock, for what waits."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class Scripted:
    """A receiver that does what it is told, then succeeds."""

    def __init__(self, name: str = "slack", *script: Callable[[], object]) -> None:
        self.name = name
        self.script = list(script)
        self.got: list[Delivery] = []
        self.closed = False

    def send(self, delivery: Delivery) -> Receipt:
        self.got.append(delivery)
        if self.script:
            self.script.pop(0)()
        return Receipt(thread="C1:1", detail="done")

    def close(self) -> None:
        self.closed = True


def fails(error: Exception) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


def outbox(*messages: Message) -> MemoryStore:
    store = MemoryStore()
    assert store.record(Judgement(model="m", judged_until=START, previous=None, results=(), messages=messages))
    return store


def message(n: int = 0, receiver: str = "slack", incident: str | None = None) -> Message:
    return Message(receiver=receiver, kind="firing", dedupe=f"{receiver}:{n}", incident=incident, body={"n": n})


def rows(store: MemoryStore) -> list[DeliveryRow]:
    return list(store.deliveries())


def dispatcher(store: MemoryStore, *receivers: Scripted, clock: Hands | None = None, **options: object) -> Dispatcher:
    return Dispatcher(store, receivers, clock or Hands(), "me", **options)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[structlog.typing.EventDict]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


def test_what_is_due_is_sent_once_and_marked() -> None:
    store, slack = outbox(message(1), message(2)), Scripted()
    work = dispatcher(store, slack)
    assert work.run_once() == 2
    assert work.run_once() == 0
    assert [d.body["n"] for d in slack.got] == [1, 2]
    assert [row.state for row in rows(store)] == ["sent", "sent"]


def test_what_waits_for_a_receiver_that_left_the_configuration_is_given_up_after_an_hour() -> None:
    store, slack, clock = outbox(message(1), message(2, "gone")), Scripted(), Hands()
    work = dispatcher(store, slack, clock=clock)
    clock.seconds = 3599.0
    assert work.bury_orphans() == 0, "another replica may know it still"
    clock.seconds = 3600.0
    assert work.bury_orphans() == 1
    assert {row.receiver: (row.state, row.error) for row in rows(store)} == {
        "slack": ("pending", None), "gone": ("dead", "no receiver gone is configured any more")
    }  # fmt: skip
    assert "gone" not in store.outbox_oldest()
    assert work.run_once() == 1


def test_each_receiver_gets_its_own_and_only_its_own() -> None:
    store = outbox(message(1), message(2, "retraining:m"), message(3, "nobody"))
    slack, hook = Scripted(), Scripted("retraining:m")
    work = dispatcher(store, slack, hook)
    assert work.receivers == ("slack", "retraining:m")
    assert work.dispatch("slack") == 1
    assert (len(slack.got), len(hook.got)) == (1, 0)
    assert work.dispatch("retraining:m") == 1
    assert store.outbox_depth()["pending"] == 1


def test_what_can_be_tried_again_waits_its_turn(logs: list[structlog.typing.EventDict]) -> None:
    store, clock = outbox(message()), Hands()
    slack = Scripted("slack", fails(Retryable("Slack is down")), fails(Retryable("Slack is down")))
    work = dispatcher(store, slack, clock=clock)
    work.run_once()
    (row,) = rows(store)
    assert (row.state, row.error, row.attempts) == ("pending", "Slack is down", 1)
    clock.seconds = 4.9
    assert work.run_once() == 0
    clock.seconds = 6.1
    assert work.run_once() == 1
    clock.seconds = 36
    assert work.run_once() == 0
    clock.seconds = 43
    assert work.run_once() == 1
    assert rows(store)[0].state == "sent"
    assert [line["action"] for line in logs] == ["delivery.postponed", "delivery.postponed", "delivery.sent"]
    assert len({d.id for d in slack.got}) == 1


@pytest.mark.fault(12)
def test_retry_after_is_honoured() -> None:
    store, clock = outbox(message()), Hands()
    work = dispatcher(store, Scripted("slack", fails(Retryable("busy", retry_after=300))), clock=clock)
    work.run_once()
    clock.seconds = 299
    assert work.run_once() == 0
    clock.seconds = 300 * (1 + JITTER)
    assert work.run_once() == 1


@pytest.mark.fault(14)
def test_what_cannot_be_mended_is_given_up_and_said(logs: list[structlog.typing.EventDict]) -> None:
    store = outbox(message(), message(2))
    work = dispatcher(store, Scripted("slack", fails(Permanent("Slack refused: invalid_auth"))))
    assert work.run_once() == 2
    assert [(row.state, row.error) for row in rows(store)] == [("dead", "Slack refused: invalid_auth"), ("sent", None)]
    assert logs[0]["action"] == "delivery.dead"
    assert logs[0]["log_level"] == "error"


@pytest.mark.fault(13, 16)
def test_after_three_days_of_failures_a_delivery_is_dead() -> None:
    store, clock = outbox(message()), Hands()
    slack = Scripted("slack", *[fails(Retryable("down"))] * 50)
    work = dispatcher(store, slack, clock=clock)
    while rows(store)[0].state == "pending":
        work.run_once()
        clock.seconds += 1800
    assert len(slack.got) == len(SCHEDULE) + 1
    assert timedelta(days=3) < timedelta(seconds=clock.seconds) < timedelta(days=4)
    assert rows(store)[0].error == "given up after 12 attempts: down"


def test_an_unexpected_error_is_postponed_under_its_class_name_only(logs: list[structlog.typing.EventDict]) -> None:
    store = outbox(message(), message(2))
    work = dispatcher(store, Scripted("slack", fails(ZeroDivisionError("token xoxb-secret"))))
    assert work.run_once() == 2
    assert [(row.state, row.error) for row in rows(store)] == [("pending", "ZeroDivisionError"), ("sent", None)]
    assert logs[0]["error"] == "ZeroDivisionError"
    assert logs[0]["file"] == "test_notify_dispatcher.py"
    assert "secret" not in str(logs)


def test_secrets_in_an_error_are_masked_before_they_are_stored() -> None:
    store = outbox(message())
    dispatcher(store, Scripted("slack", fails(Retryable("https://hooks.slack.com/services/T/B/X said xoxb-1-2")))).run_once()
    assert rows(store)[0].error == "https://hooks.slack.com/services/*** said xoxb-***"


def test_a_delivery_held_by_another_replica_is_left_alone_until_its_lease_ends() -> None:
    store, clock, slack = outbox(message()), Hands(), Scripted()
    assert len(store.claim("slack", owner="other", lease=60, limit=1, now=clock.now())) == 1
    work = dispatcher(store, slack, clock=clock)
    assert work.run_once() == 0
    clock.seconds = 61
    assert work.run_once() == 1


def test_the_end_of_an_incident_waits_for_its_beginning_and_knows_its_thread() -> None:
    store, clock = outbox(message(1, incident="inc"), message(2, incident="inc"), message(3, incident="other")), Hands()
    slack = Scripted("slack", fails(Retryable("down")))
    work = dispatcher(store, slack, clock=clock)
    work.run_once()
    assert [d.body["n"] for d in slack.got] == [1, 3]
    clock.seconds = 10
    work.run_once()
    assert [(d.body["n"], d.thread) for d in slack.got[2:]] == [(1, None), (2, "C1:1")]


class Forgetful(MemoryStore):
    """A store that is away when the first delivery is to be marked."""

    away = True

    def delivered(self, delivery: Delivery, receipt: Receipt, now: datetime) -> None:
        if self.away:
            raise Retryable("the database is away")
        super().delivered(delivery, receipt, now)


def test_what_was_sent_while_the_store_went_away_is_marked_later_and_not_sent_again() -> None:
    store, clock, slack = Forgetful(), Hands(), Scripted()
    assert store.record(Judgement(model="m", judged_until=START, previous=None, results=(), messages=(message(),)))
    work = dispatcher(store, slack, clock=clock)
    for _ in range(2):
        with pytest.raises(Retryable, match="the database is away"):
            work.run_once()
    store.away = False
    clock.seconds = 3600
    assert work.run_once() == 0
    assert (len(slack.got), rows(store)[0].state) == (1, "sent")


def test_every_attempt_is_told_to_the_metrics() -> None:
    seen: list[Attempt] = []
    store = outbox(message(1), message(2), message(3))
    slack = Scripted("slack", fails(Retryable("down")), fails(Permanent("no")))
    dispatcher(store, slack, seen=seen.append).run_once()
    assert [a.outcome for a in seen] == [Outcome.POSTPONED, Outcome.DEAD, Outcome.SENT]
    assert {(a.receiver, a.kind) for a in seen} == {("slack", "firing")}
    assert all(a.seconds >= 0 for a in seen)


def test_an_unknown_receiver_is_named_with_those_that_are_known() -> None:
    with pytest.raises(KeyError, match=r"unknown receiver 'x', expected one of \['slack'\]"):
        dispatcher(outbox(), Scripted()).dispatch("x")


def test_two_receivers_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="not unique"):
        dispatcher(outbox(), Scripted(), Scripted())


def test_a_stopped_dispatcher_takes_nothing_new_and_closes_its_receivers() -> None:
    store, slack = outbox(message()), Scripted()
    work = dispatcher(store, slack)
    work.close()
    assert slack.closed
    assert work.run_once() == 0
    assert work.drain(5) == 1


# --- side by side --------------------------------------------------------------------------------------------


def live(store: MemoryStore, *receivers: Scripted) -> Dispatcher:
    return Dispatcher(store, receivers, Real(), "me")


@pytest.mark.fault(12, 16)
def test_a_slow_receiver_delays_no_other() -> None:
    release, began = threading.Event(), threading.Event()

    def block() -> None:
        began.set()
        assert release.wait(10)

    store = outbox(message(1), message(2, "hook"))
    slow, quick = Scripted("slack", block), Scripted("hook")
    work = live(store, slow, quick)
    thread = threading.Thread(target=work.dispatch, args=("slack",))
    thread.start()
    assert began.wait(10)
    assert work.dispatch("hook") == 1
    assert work.dispatch("slack") == 0  # one at a time
    release.set()
    thread.join(10)
    assert store.outbox_depth() == {"pending": 0, "sent": 2, "dead": 0}


def test_draining_delivers_all_receivers_side_by_side() -> None:
    together = threading.Barrier(2, timeout=10)  # breaks unless both receivers are in it at once
    store = outbox(message(1), message(2, "hook"))
    work = live(store, Scripted("slack", together.wait), Scripted("hook", together.wait))
    assert work.drain(10) == 0


class Hurried(Real):
    """Wall time that goes on by some seconds at every look, so that a wait of five seconds is soon over."""

    def __init__(self) -> None:
        self.looks = 0

    def now(self) -> datetime:
        self.looks += 1
        return START + timedelta(seconds=2.4 * self.looks)


def test_draining_waits_for_a_retry_that_comes_due_in_time() -> None:
    store, slack = outbox(message()), Scripted("slack", fails(Retryable("down")))
    assert Dispatcher(store, [slack], Hurried(), "me").drain(10) == 0
    assert len(slack.got) == 2


def test_draining_does_not_wait_for_a_retry_that_comes_too_late() -> None:
    store = outbox(message())
    began = time.monotonic()
    assert live(store, Scripted("slack", fails(Retryable("down", retry_after=3600)))).drain(10) == 1
    assert time.monotonic() - began < 5


@pytest.mark.fault(16)
def test_draining_leaves_a_receiver_behind_that_is_still_sending_at_the_deadline() -> None:
    release, over = threading.Event(), threading.Event()
    store = outbox(message(1), message(2, "hook"))
    slow = [Scripted("slack", lambda: release.wait(10)), Scripted("hook")]
    work = Dispatcher(store, slow, Real(), "me", seen=lambda attempt: over.set() if attempt.receiver == "slack" else None)
    began = time.monotonic()
    assert work.drain(0.3) == 1
    assert time.monotonic() - began < 5
    release.set()
    assert over.wait(10)
    assert store.outbox_depth()["pending"] == 0


def test_draining_with_the_store_away_says_so() -> None:
    store = Forgetful()
    assert store.record(Judgement(model="m", judged_until=START, previous=None, results=(), messages=(message(),)))
    with pytest.raises(Retryable, match="the database is away"):
        live(store, Scripted()).drain(5)


# --- back-off ------------------------------------------------------------------------------------------------


def test_waits_follow_the_schedule_with_a_little_more_and_end() -> None:
    waits = [wait("msg_1", n + 1) for n in range(len(SCHEDULE))]
    for real, planned in zip(waits, SCHEDULE, strict=True):
        assert real is not None
        assert planned <= real <= planned * (1 + JITTER)
    assert wait("msg_1", len(SCHEDULE) + 1) is None
    assert timedelta(days=3) < sum(SCHEDULE, timedelta()) < timedelta(days=3.5)


def test_a_wait_is_the_same_for_the_same_delivery_and_spread_over_others() -> None:
    assert wait("msg_1", 3) == wait("msg_1", 3)
    assert len({wait(f"msg_{n}", 3) for n in range(100)}) == 100


@pytest.mark.parametrize(("asked", "least"), [(1.0, SCHEDULE[0]), (600.0, timedelta(minutes=10)), (1e18, LONGEST), (float("inf"), LONGEST)])
def test_a_receivers_wish_is_kept_within_reason(asked: float, least: timedelta) -> None:
    real = wait("msg_1", 1, asked)
    assert real is not None
    assert least <= real <= least * (1 + JITTER)


def test_failures_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="failures is 0"):
        wait("msg_1", 0)


# --- what goes into the outbox -------------------------------------------------------------------------------

INCIDENT = Incident(id="inc_1", model="m", state=IncidentState.RESOLVED, severity=Verdict.ALERT, since=START, updated_at=START)
FIRING = Notify(kind=NotifyKind.FIRING, reason=TransitionReason.OPEN_AFTER_REACHED)
RESOLVED = Notify(kind=NotifyKind.RESOLVED, reason=TransitionReason.RESOLVED_BY_PERSON)


def test_a_step_that_tells_makes_one_message_a_receiver() -> None:
    accounts = (Account(counted=5), Account(counted=2, late=1))
    made = incident_messages(Step(incident=INCIDENT, notify=RESOLVED), None, accounts, ("slack", "other"), page_url="http://page")
    assert [(m.receiver, m.kind, m.incident) for m in made] == [("slack", "resolved", "inc_1"), ("other", "resolved", "inc_1")]
    assert len({m.dedupe for m in made}) == 2
    assert made[0].body["url"] == "http://page/models/m"
    assert made[0].body["account"] == {"counted": 7, "late": 1, "duplicate": 0, "quarantined": 0, "sampled_out": 0}


@pytest.mark.parametrize(
    ("notify", "told", "performance"), [(FIRING, "x: mean 1 → 60", "f1 fell from 0.8 to 0.6 (estimated)"), (RESOLVED, "x: what it was", "")]
)
def test_a_beginning_is_told_with_the_windows_cause_and_an_end_with_the_incidents(notify: Notify, told: str, performance: str) -> None:
    cause = Cause(headline="x: mean 1 → 60", columns=(), performance="f1 fell from 0.8 to 0.6 (estimated)")
    (made,) = incident_messages(Step(incident=replace(INCIDENT, cause="x: what it was"), notify=notify), cause, (), ("slack",))
    assert made.body["cause"] == told
    assert made.body["performance"] == performance


def test_a_step_that_tells_nobody_makes_none() -> None:
    assert incident_messages(Step(incident=INCIDENT), None, (), ("slack",)) == ()
    assert incident_messages(Step(incident=None), None, (), ("slack",)) == ()


def test_a_request_to_retrain_is_a_message_of_its_own() -> None:
    request = Retraining(id="ret_1", model="m", version="1", state=RetrainingState.REQUESTED, reason="r", incident="inc_1", columns=(),
                         requested_at=START)
    made = retraining_message(request, Case(cause="x moved", page_url="http://page"), "retraining:m")
    assert (made.receiver, made.kind, made.dedupe, made.incident) == ("retraining:m", "retraining", "retraining:m:ret_1", None)
    data = made.body["data"]
    assert isinstance(data, dict)
    assert (data["cause"], data["url"]) == ("x moved", "http://page/models/m")
