"""The daemon's watch over its own way: what it sees, what it writes, and whom it tells."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from monitor.core.conditions import EVERY_MODEL, HOLD, Condition, Trouble, moves
from monitor.core.incidents import IncidentState
from monitor.core.messages import IncidentMessage, from_body
from monitor.doubles.store import MemoryStore
from monitor.notify.slack_message import build
from monitor.pipeline import NoEventTime, Routes, SelfWatch, Telling, judging_fails, kafka_away, receivers_fail
from monitor.ports import StreamCount
from tests.pipeline.world import ManualClock

ROUTES = Routes(people=("slack", "pager"))


class Seen:
    """Probes that see what a test tells them."""

    def __init__(self) -> None:
        self.troubles: list[Trouble] = []

    def __call__(self) -> list[Trouble]:
        return self.troubles


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def watch(store: MemoryStore, clock: ManualClock, seen: Seen) -> SelfWatch:
    return SelfWatch(store=store, clock=clock, telling=Telling({EVERY_MODEL: ROUTES, "m": ROUTES}), probes=[seen])


def test_a_condition_is_told_when_it_begins_and_when_it_is_over_and_not_in_between(clock: ManualClock) -> None:
    store, seen = MemoryStore(), Seen()
    own = watch(store, clock, seen)
    seen.troubles = [Trouble(condition=Condition.KAFKA_UNREACHABLE, said="no broker answers")]
    for _ in range(60):
        own.sweep()
        clock.advance(timedelta(seconds=5))
    seen.troubles = []
    for _ in range(60):
        own.sweep()
        clock.advance(timedelta(seconds=5))
    assert [(d.receiver, d.kind) for d in store.deliveries()] == [
        ("slack", "firing"), ("pager", "firing"), ("slack", "resolved"), ("pager", "resolved"),
    ]  # fmt: skip
    [incident] = store.incidents()
    assert incident.state is IncidentState.RESOLVED


def test_two_replicas_open_one_incident_and_the_one_that_is_well_does_not_end_it(clock: ManualClock) -> None:
    store, sick, well = MemoryStore(), Seen(), Seen()
    first, second = watch(store, clock, sick), watch(store, clock, well)
    sick.troubles = [Trouble(condition=Condition.KAFKA_UNREACHABLE, said="no broker answers")]
    for _ in range(100):
        first.sweep()
        second.sweep()
        clock.advance(timedelta(seconds=5))
    assert [(i.state, i.condition) for i in store.incidents()] == [(IncidentState.FIRING, "kafka_unreachable")]


def test_a_failing_receiver_is_told_by_the_others(clock: ManualClock) -> None:
    store, seen = MemoryStore(), Seen()
    seen.troubles = [Trouble(condition=Condition.RECEIVER_FAILING, subject="slack", said="messages to slack are given up: invalid_auth")]
    watch(store, clock, seen).sweep()
    assert [d.receiver for d in store.deliveries()] == ["pager"]


def test_a_condition_that_a_person_closed_while_it_stands_comes_again(clock: ManualClock) -> None:
    from monitor.core.incidents import resolve

    store, seen = MemoryStore(), Seen()
    own = watch(store, clock, seen)
    seen.troubles = [Trouble(condition=Condition.JUDGING_FAILED, model="m", said="m cannot be judged: ValueError: x")]
    own.sweep()
    [incident] = store.open_conditions()
    step = resolve(incident, by="ann", at=clock.now())
    assert step.incident is not None
    store.save_incident(step.incident, step.events[0])
    clock.advance(timedelta(seconds=5))
    own.sweep()
    assert [i.state for i in store.incidents()] == [IncidentState.RESOLVED, IncidentState.FIRING]


# --- the probes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("away", "troubles"), [(None, 0), (("no broker", 59.0), 0), (("no broker", 60.0), 1)])
def test_a_broker_is_missed_after_a_minute(away: tuple[str, float] | None, troubles: int) -> None:
    assert len(list(kafka_away(lambda: away)())) == troubles


def test_each_failing_model_and_receiver_is_a_trouble_of_its_own() -> None:
    [judging] = judging_fails(lambda: {"m": "ValueError: x"})()
    assert (judging.name, judging.model, judging.said) == ("judging_failed", "m", "m cannot be judged: ValueError: x")
    names = [trouble.name for trouble in receivers_fail(lambda: {"slack": "a", "retraining:m": "b"})()]
    assert names == ["receiver_failing:slack", "receiver_failing:retraining:m"]


class Streams:
    """Counts of one stream that a test moves on."""

    def __init__(self, received: int = 0, untimed: int = 0) -> None:
        self.received, self.untimed = received, untimed

    def __call__(self) -> list[StreamCount]:
        return [StreamCount(model="m", stream="predictions", topic="t", received=self.received, counted=self.received - self.untimed,
                            late=0, duplicate=0, quarantined=self.untimed, untimed=self.untimed, sampled_out=0)]  # fmt: skip


def no_event_time(streams: Streams, clock: ManualClock, min_rows: Mapping[str, int] | None = None) -> NoEventTime:
    return NoEventTime(counts=streams, clock=clock, min_rows=min_rows or {"m": 100})


@pytest.mark.parametrize(("untimed", "troubles"), [(0, 0), (10, 0), (11, 1), (100, 1)])
def test_more_than_a_tenth_of_messages_without_a_time_is_a_trouble(clock: ManualClock, untimed: int, troubles: int) -> None:
    streams = Streams()
    probe = no_event_time(streams, clock)
    streams.received, streams.untimed = 100, untimed
    found = list(probe())
    assert [trouble.name for trouble in found] == ["no_event_time:t"] * troubles


def test_what_was_counted_before_the_start_and_a_few_messages_say_nothing(clock: ManualClock) -> None:
    streams = Streams(received=1000, untimed=1000)
    probe = no_event_time(streams, clock)
    streams.received, streams.untimed = 1099, 1099
    assert list(probe()) == []


def test_the_share_is_of_the_last_minutes_and_silence_does_not_mend_it(clock: ManualClock) -> None:
    streams = Streams()
    probe = no_event_time(streams, clock)
    streams.received, streams.untimed = 200, 200
    [trouble] = probe()
    assert "200 of the last 200 messages of t have no readable time" in trouble.said
    clock.advance(HOLD * 10)
    for _ in range(3):
        assert len(list(probe())) == 1  # nothing came, good or bad
        clock.advance(HOLD * 10)
    streams.received += 5000
    assert list(probe()) == []


def test_the_message_of_a_condition_says_what_stands_in_the_way_and_names_no_window(clock: ManualClock) -> None:
    [opened] = moves([], [Trouble(condition=Condition.KAFKA_UNREACHABLE, said="Kafka cannot be reached")], clock.now()).opened
    assert opened.incident is not None
    [over] = moves([opened.incident], [], clock.now() + HOLD).passed
    tell = Telling({EVERY_MODEL: Routes(people=("slack",), page_url="https://d.example")}).condition
    first, last = (build(from_body(tell(step)[0].body, IncidentMessage)) for step in (opened, over))
    assert first.text == "🔴 Alert: driftd itself: Kafka cannot be reached, since 2026-05-04 12:00 UTC"
    assert last.text == "🟢 Resolved: driftd itself: over after 2 min: Kafka cannot be reached"
    said = str(first) + str(last)
    assert "window" not in said
    assert "<https://d.example|Open driftd>" in said
