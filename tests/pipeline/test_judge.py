"""The judge: which windows close, what they come to, and who is told once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from monitor.core.incidents import IncidentState, acknowledge
from monitor.core.reference import Reference
from monitor.core.results import Check, Verdict
from monitor.core.rules import AlertRules, DriftRules, DriftTest, Model, RetrainingRules, StreamKind
from monitor.doubles.log import MemoryLog
from monitor.pipeline import Judge, References, Routes, Telling
from monitor.pipeline.judge import MAX_EMPTY_WINDOWS, STALE_CLAIM
from monitor.ports import Checkpoint, Mark, Store, TopicPartition
from tests.core.judged import Data, drawn, numeric, reference_of
from tests.pipeline.world import HOUR, MINUTE, MODEL, P0, P1, P2, SECOND, START, STREAM, TOPIC, Unsteady, World, message

CARRIERS, SHARES = "ABC", (0.5, 0.3, 0.2)
ROWS = 90
"""Of each window."""


def judged(world: World) -> list[float]:
    """The hours of the windows that have results, in the order of judging."""
    return [(start - START) / HOUR for start in dict.fromkeys(result.window_start for result in world.store.results())]


def sealed(world: World) -> float | None:
    until = world.store.progress("m").sealed_until
    return None if until is None else (until - START) / HOUR


@pytest.fixture
def world() -> World:
    """One partition of three that has come to 2 h 10: two windows may close, as far as it tells."""
    made = World()
    made.put(P0, message("a", 0), message("b", 60), message("c", 130))
    return made


def p1_falls_silent(world: World, silence: timedelta = 5 * MINUTE + SECOND) -> None:
    """One message of P1 in the first hour; after so long of silence one of P0 in the third. All is read."""
    world.put(P1, message("d", 1))
    world.read_all()
    world.clock.advance(silence)
    world.put(P0, message("e", 131))
    world.read_all()


# --- when windows close --------------------------------------------------------------------------------------


def test_nothing_closes_before_the_partitions_are_known(world: World) -> None:
    world.read_all()
    world.crash()
    assert world.judge.sweep() == 0
    assert sealed(world) is None
    world.put(P1, message("d", 130))
    world.put(P2, message("e", 130))
    world.read_all()
    assert world.judge.sweep() == 2
    assert sealed(world) == 2


def test_nothing_closes_before_every_partition_has_a_mark(world: World) -> None:
    world.log.rebalance(frozenset({P0, P1}))
    world.put(P1, message("d", 130))
    world.read_all()
    assert world.judge.sweep() == 0
    world.log.rebalance(frozenset({P0, P1, P2}))
    world.steps(1)
    assert world.judge.sweep() == 0, "its mark has no time, and it is not known to be at its end"
    world.read_all()
    assert world.judge.sweep() == 0, "its first row may come any moment"
    world.clock.advance(MODEL.idle_after + SECOND)
    world.put(P0, message("c", 140))
    world.put(P1, message("e", 140))
    world.read_all()
    assert world.judge.sweep() == 2


def test_first_rows_that_come_a_little_later_in_one_partition_than_in_the_others_are_counted(world: World) -> None:
    world.put(P1, message("c", 5), message("d", 200))
    world.put(P0, message("e", 200))
    world.read_all()
    world.judge.sweep()
    world.clock.advance(3 * SECOND)
    world.put(P2, message("f", 6), message("g", 70), message("h", 200))
    world.read_all()
    assert world.judge.sweep() == 3
    assert world.account().late == 0


@pytest.mark.parametrize(("slowest", "windows"), [(69, 0), (70, 1), (129, 1), (130, 2), (500, 2)])
def test_windows_close_when_the_slowest_partition_passes_their_end_and_the_lateness(world: World, slowest: float, windows: int) -> None:
    world.put(P1, message("d", slowest))
    world.put(P2, message("e", 131))
    world.read_all()
    assert world.judge.sweep() == windows
    assert judged(world) == list(range(windows))


def test_a_partition_that_is_read_to_its_end_and_silent_holds_nobody_back(world: World) -> None:
    world.put(P1, message("d", 1))
    world.read_all()
    assert world.judge.sweep() == 0
    world.clock.advance(5 * MINUTE + SECOND)
    world.put(P0, message("e", 131))
    world.read_all()
    assert world.judge.sweep() == 2


def test_a_silent_partition_with_messages_still_to_be_read_holds_the_others_back(world: World) -> None:
    world.put(P1, message("d", 1))
    world.read_all()
    world.clock.advance(5 * MINUTE + SECOND)
    world.put(P0, message("e", 131))
    world.steps(1)
    world.put(P1, message("f", 2))
    world.reader.checkpoint()
    assert world.judge.sweep() == 0


def test_a_claim_to_be_at_the_end_counts_only_as_long_as_its_owner_renews_it(world: World) -> None:
    p1_falls_silent(world)
    world.clock.advance(STALE_CLAIM + SECOND)
    assert world.judge.sweep() == 0
    world.reader.checkpoint()
    assert world.judge.sweep() == 2


def test_silence_is_believed_up_to_the_claim_alone(world: World) -> None:
    p1_falls_silent(world, 5 * MINUTE - SECOND)
    world.clock.advance(5 * SECOND)
    assert world.judge.sweep() == 0, "its owner has not looked since it was silent for so long"
    world.reader.checkpoint()
    assert world.judge.sweep() == 2


def test_before_a_new_process_has_taken_over_nothing_closes_by_what_the_dead_one_claimed(world: World) -> None:
    p1_falls_silent(world)
    world.crash()
    world.put(P1, message("f", 2))
    write, swept = world.store.checkpoint, []

    def judged_meanwhile(checkpoint: Checkpoint) -> None:
        swept.append(world.judge.sweep())
        write(checkpoint)

    world.store.checkpoint = judged_meanwhile  # type: ignore[method-assign]  # the judge has a thread of its own
    world.reader.step()
    assert swept == [0]


def test_when_all_is_silent_time_goes_on_by_the_clock(world: World) -> None:
    world.read_all()
    world.judge.sweep()
    world.clock.advance(70 * MINUTE)
    world.reader.checkpoint()
    world.judge.sweep()
    assert sealed(world) == 3  # 130 minutes and 70 more


def test_partitions_that_are_no_more_hold_nobody_back(world: World) -> None:
    gone = [TopicPartition(TOPIC, 7), TopicPartition("renamed", 0)]
    marks = tuple(Mark(model="m", partition=p, max_time=START, seen_at=START, caught_up=False, at=START) for p in gone)
    world.store.checkpoint(Checkpoint(at=START, marks=marks))
    world.put(P1, message("d", 130))
    world.put(P2, message("e", 130))
    world.read_all()
    assert world.judge.sweep() == 2


def test_the_topic_of_another_stream_is_not_waited_for() -> None:
    labels = replace(STREAM, kind=StreamKind.LABELS, topic="labels")
    models = (replace(MODEL, streams=(STREAM, labels)), replace(MODEL, name="of labels", streams=(replace(labels, kind=STREAM.kind),)))
    world = World(log=MemoryLog({TOPIC: 1, "labels": 1}), models=models)
    world.put(P0, message("a", 0), message("b", 130))
    world.read_all()
    assert world.judge.sweep() == 2


def test_two_topics_of_one_model_are_both_waited_for() -> None:
    model = replace(MODEL, streams=(STREAM, replace(STREAM, topic="more")))
    world = World(log=MemoryLog({TOPIC: 1, "more": 1}), models=(model,))
    world.log.rebalance(frozenset({P0}))
    world.put(P0, message("a", 0), message("b", 130))
    world.read_all()
    assert world.judge.sweep() == 0
    world.log.rebalance(world.log.partitions())
    world.steps(1)
    world.read_all()
    assert world.judge.sweep() == 0
    world.put(TopicPartition("more", 0), message("c", 130))
    world.read_all()
    assert world.judge.sweep() == 2


def test_rows_of_a_closed_window_are_late(world: World) -> None:
    world.read_all()
    world.judge.finish()
    world.put(P1, message("d", 3))
    world.read_all()
    assert (world.account().counted, world.account().late) == (3, 1)
    assert world.judge.finish() == 0


def test_a_long_backlog_is_judged_in_turns_and_shows_that_it_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.pipeline.judge.AT_A_TIME", 2)
    world.models = (MODEL, replace(MODEL, name="other"))
    world.crash()
    turns: list[str] = []
    beats: list[None] = []
    judge = Judge(store=world.store, models=world.models, references=References(world.store, world.clock), clock=world.clock,
                  metrics=world.metrics, telling=Telling({m.name: world.routes for m in world.models}),
                  partitions=lambda: world.reader.partitions, alive=lambda: beats.append(None))
    record = world.store.record
    monkeypatch.setattr(world.store, "record", lambda judgement: (turns.append(judgement.model), record(judgement))[1])
    for partition in (P0, P1, P2):
        world.put(partition, *(message(f"{partition.partition}-{hour}", 60 * hour) for hour in range(6)))
    world.read_all()
    assert judge.finish() == 12
    assert turns == ["m", "m", "other", "other"] * 3
    assert len(beats) == 12


def test_at_the_end_every_window_closes(world: World) -> None:
    world.read_all()
    assert world.judge.finish() == 3
    assert judged(world) == [0, 1, 2]
    assert world.judge.finish() == 0


def test_without_a_window_there_is_nothing_to_finish(world: World) -> None:
    assert world.judge.finish() == 0
    assert sealed(world) is None


# --- silence -------------------------------------------------------------------------------------------------


def test_a_window_without_rows_between_others_is_an_alert_of_no_data(world: World) -> None:
    world.put(P0, message("d", 245))
    world.read_all()
    world.judge.finish()
    assert judged(world) == [0, 1, 2, 3, 4]
    [rows] = [r for r in world.store.results() if r.window_start == START + 3 * HOUR and r.check is Check.VOLUME]
    assert (rows.verdict, rows.value, rows.rows, rows.version) == (Verdict.ALERT, 0.0, 0, "1")
    assert rows.reason == "no data: no rows came"
    [window] = world.store.windows("m", START + 3 * HOUR)
    assert window.account.received == 0


def test_a_long_silence_is_told_so_often_and_then_passed_over(world: World) -> None:
    later = 3 + MAX_EMPTY_WINDOWS + 50
    world.put(P0, message("d", later * 60))
    world.read_all()
    assert world.judge.finish() == 3 + MAX_EMPTY_WINDOWS + 1
    assert judged(world) == [*range(3 + MAX_EMPTY_WINDOWS), later]
    assert world.store.progress("m").judged_until == START + (later + 1) * HOUR


# --- several judges ------------------------------------------------------------------------------------------


def test_longer_windows_begin_where_the_next_of_them_begins_and_invent_no_silence() -> None:
    """An hour's windows until 1 h, then windows of two hours: the half of the first that was judged already is passed over."""
    made = World()
    made.put(P0, message("a", 0), message("b", 61))
    made.read_all()
    made.judge.finish()
    made.models = (replace(MODEL, window=2 * HOUR),)
    made.crash()
    made.put(P0, message("c", 130), message("d", 250))
    made.read_all()
    made.judge.finish()
    assert judged(made) == [0, 1, 2, 4]
    assert not [result for result in made.store.results() if "no data" in result.reason]


def test_of_two_judges_on_one_store_one_wins_each_window(world: World) -> None:
    world.read_all()
    other = world.replica()
    other.read_all()
    store = unsteady(world)
    store.before_record = other.judge.finish
    assert world.judge.finish() == 0, "the other has judged all of them in between"
    assert judged(world) == [0, 1, 2]
    keys = [(r.window_start, r.check, r.column, r.metric, r.revision) for r in store.results()]
    assert len(keys) == len(set(keys))


def test_the_end_of_time_goes_on_where_another_replica_had_one_window_first(world: World) -> None:
    world.read_all()
    other = world.replica()
    other.read_all()
    store = unsteady(world)
    store.before_record = lambda: store.record(other.judge._judge(MODEL, START, None, START + 3 * HOUR)[0])
    assert world.judge.finish() == 2, "it has judged those that were left"
    assert judged(world) == [0, 1, 2]


def told_until(world: World) -> float | None:
    """What the metrics of a replica say of how far windows are judged, in hours."""
    at = world.metrics.registry.get_sample_value("driftd_window_last_judged_timestamp_seconds", {"model": "m"})
    return None if at is None else (at - START.timestamp()) / HOUR.total_seconds()


def test_every_replica_tells_how_far_windows_are_judged_whoever_judged_them(world: World) -> None:
    world.read_all()
    other = world.replica()
    assert told_until(world) is None, "nothing is judged yet"
    assert world.judge.finish() == 3
    assert told_until(other) is None, "it has not looked yet"
    assert other.judge.sweep() == 0, "it judged none of them itself"
    assert told_until(other) == told_until(world) == 3


def test_after_a_restart_a_model_that_cannot_be_judged_still_tells_how_far_it_had_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.read_all()
    world.judge.finish()
    world.put(P0, message("d", 250))
    world.crash()
    world.read_all()
    monkeypatch.setattr(world.judge, "_judge", lambda *_: 1 / 0)
    world.judge.finish()
    assert world.judge.failing == {"m": "ZeroDivisionError: division by zero"}
    assert told_until(world) == 3


def unsteady(world: World) -> Unsteady:
    assert isinstance(world.store, Unsteady)
    return world.store


# --- from incident to retraining -----------------------------------------------------------------------------


def hour_of(seed: int, times: float = 1.0) -> tuple[np.ndarray, list[str]]:
    """Delays and carriers of one hour; ``times``: in another unit."""
    rng = np.random.default_rng(seed)
    return rng.normal(20, 5, ROWS) * times, [CARRIERS[i] for i in rng.choice(3, ROWS, p=SHARES)]


def the_reference() -> Reference:
    """Learned from thirty quiet hours."""
    rngs = [np.random.default_rng(1000 + i) for i in range(30)]
    data: list[Data] = [{"delay": numeric(rng.normal(20, 5, ROWS)), "carrier": drawn(rng, CARRIERS, SHARES, ROWS)} for rng in rngs]
    return replace(reference_of(data), window=HOUR)


def put_hour(world: World, hour: int, times: float = 1.0) -> None:
    delays, carriers = hour_of(hour, times)
    for i, (delay, carrier) in enumerate(zip(delays, carriers, strict=True)):
        where = TopicPartition(TOPIC, i % 3)
        world.put(where, message(f"{hour}-{i}", 60 * hour + 60 * i / ROWS, float(delay), carrier))


RULES = replace(
    MODEL,
    drift=DriftRules(tests=(DriftTest(method="psi", threshold=1.0),)),
    alerts=AlertRules(open_after=1, resolve_after=2, repeat_after=timedelta(hours=24)),
    retraining=RetrainingRules(when={"drift": 2}, cooldown=timedelta(hours=24), veto=False),
)
STORY = (1, 1, 60, 60, 60, 1, 1, 1)
"""The factor of each hour's delays: for three hours they come in seconds."""


def telling(store: Store, rules: Model = RULES) -> World:
    made = World(store=store, models=(rules,), routes=Routes(people=("slack",), retraining="retrain", page_url="https://d.example"))
    made.store.add_reference(the_reference(), activate=True, at=made.clock.now())
    made.crash()
    return made


def test_a_fault_opens_one_incident_tells_people_once_asks_for_retraining_once_and_resolves(any_store: Store) -> None:
    world = telling(any_store)
    for hour, times in enumerate(STORY):
        put_hour(world, hour, times)
        world.read_all()
        world.judge.sweep()
    world.judge.finish()
    [incident] = world.store.incidents()
    assert (incident.state, incident.columns[0], incident.bad_windows) == (IncidentState.RESOLVED, "delay", 3)
    assert (incident.since, incident.fired_at, incident.resolved_at) == (START + 2 * HOUR, START + 3 * HOUR, START + 7 * HOUR)
    assert incident.cause.startswith("delay: mean 19.9 → 1,2")
    assert incident.cause.endswith(", about ×60 (unit change)")
    [retraining] = world.store.retrainings()
    assert (retraining.requested_at, retraining.incident, retraining.columns) == (START + 4 * HOUR, incident.id, ("delay",))
    sent = [(row.receiver, row.kind, row.incident) for row in world.store.deliveries()]
    assert sent == [("slack", "firing", incident.id), ("retrain", "retraining", None), ("slack", "resolved", incident.id)]
    moves = [(event.before, event.after, event.at) for event in world.store.incident_events(incident.id)]
    assert moves == [
        (None, IncidentState.PENDING, START + 3 * HOUR),
        (IncidentState.PENDING, IncidentState.FIRING, START + 3 * HOUR),
        (IncidentState.FIRING, IncidentState.RESOLVED, START + 7 * HOUR),
    ]


def test_the_story_is_the_same_when_it_is_judged_all_at_once_after_the_end(any_store: Store) -> None:
    at_once, bit_by_bit = telling(any_store), telling(Unsteady())
    for hour, times in enumerate(STORY):
        put_hour(at_once, hour, times)
        put_hour(bit_by_bit, hour, times)
        bit_by_bit.crash()
        bit_by_bit.read_all()
        bit_by_bit.judge.sweep()
    at_once.read_all()
    for world in (at_once, bit_by_bit):
        world.judge.finish()
    assert list(at_once.store.results()) == list(bit_by_bit.store.results())
    assert list(at_once.store.incidents()) == list(bit_by_bit.store.incidents())
    assert list(at_once.store.retrainings()) == list(bit_by_bit.store.retrainings())
    assert [row.id for row in at_once.store.deliveries()] == [row.id for row in bit_by_bit.store.deliveries()]


def test_an_acknowledgement_between_reading_and_recording_is_not_lost() -> None:
    world = telling(Unsteady())
    store = unsteady(world)
    for hour, times in enumerate((1, 1, 60)):
        put_hour(world, hour, times)
    world.read_all()
    world.judge.finish()
    [incident] = store.incidents()
    assert incident.state is IncidentState.FIRING

    def ack() -> None:
        taken = acknowledge(incident, by="ann", at=world.clock.now())
        assert taken.incident is not None
        assert store.save_incident(taken.incident, taken.events[0])

    put_hour(world, 3, 60)
    world.read_all()
    store.before_record = ack
    assert world.judge.finish() == 1, "what was judged before the acknowledgement is not recorded: it is judged anew"
    assert judged(world) == [0, 1, 2, 3]
    [after] = store.incidents()
    assert (after.state, after.acknowledged_by, after.bad_windows) == (IncidentState.ACKNOWLEDGED, "ann", 2)
    assert [event.after for event in store.incident_events(incident.id)][-1] is IncidentState.ACKNOWLEDGED


def test_a_version_without_a_reference_is_counted_and_its_checks_are_skipped(world: World) -> None:
    world.read_all()
    world.judge.finish()
    skipped = {r.reason for r in world.store.results() if r.check in (Check.DRIFT, Check.QUALITY) and r.metric != "duplicate_share"}
    assert skipped == {"no reference for version '1' of m; versions with one: none"}
