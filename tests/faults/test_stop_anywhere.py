"""Asked to stop at any moment: exit 0 within ten seconds, and the next start makes of it what an undisturbed run does."""

from __future__ import annotations

import signal
import sqlite3
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from monitor.demo.scripted_http import hangs
from monitor.failpoints import Point
from tests.faults.story import (
    PARTITIONS,
    Feeder,
    People,
    Setting,
    assert_same,
    assert_told,
    build_reference,
    leased,
    let_leases_run_out,
    lines,
    outcome,
    people,
    run_in,
    run_to_the_end,
    running,
    story,
    tail,
    until,
    with_reference,
)
from tests.flights_run import Run
from tests.kafka_broker import Broker

pytestmark = [pytest.mark.kafka, pytest.mark.real_kafka, pytest.mark.slow, pytest.mark.fault(34)]
HELD = 4.0
"""Seconds that a failpoint holds the daemon up; it is asked to stop within them."""
LIMIT = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the runs share: a topic with the whole story, a store that holds the reference, and what it comes to undisturbed."""

    kafka: Broker
    folder: Path
    topic: str
    built: Path
    calm: Mapping[str, Any]

    def run(self, name: str, told: People) -> Run:
        return with_reference(a_run(self.kafka, self.folder / name, self.topic, told), self.built)


def a_run(kafka: Broker, folder: Path, topic: str, told: People) -> Run:
    return run_in(Setting(folder=folder, bootstrap=kafka.bootstrap, topic=topic, store=f"sqlite:///{folder}/driftd.db",
                          group=f"stop-{uuid.uuid4().hex[:8]}", told=told))  # fmt: skip


@pytest.fixture(scope="module")
def stage(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    if not kafka.real:
        pytest.skip("needs Apache Kafka itself")
    folder = tmp_path_factory.mktemp("stops")
    topic = kafka.create_topic(f"stops.{uuid.uuid4().hex[:8]}", PARTITIONS)
    feeder = Feeder(kafka.bootstrap, topic)
    feeder.put(story(range(10), faulty=(3, 4, 5)))
    feeder.put_unreadable()
    with people() as told:
        build_reference(a_run(kafka, folder / "reference", topic, told))
        half = Stage(kafka=kafka, folder=folder, topic=topic, built=folder / "reference" / "driftd.db", calm={})
        run = half.run("calm", told)
        assert run_to_the_end(run) == 0, tail(run)
        calm = outcome(run.store, topic)
        assert assert_told(told.told(), run.store, calm["deliveries"]) == Counter()
    assert len(calm["deliveries"]) >= 2
    return Stage(kafka=kafka, folder=folder, topic=topic, built=half.built, calm=calm)


Reached = Callable[[Run, People], bool]


def assigned(run: Run, told: People) -> bool:
    return bool(lines(run, "intake.assigned"))


def written(run: Run, told: People) -> bool:
    """A checkpoint is in the store. Asked of the file itself: to open the store takes a lock that the daemon may hold."""
    file = run.folder / "driftd.db"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as reading:
        return bool(reading.execute("SELECT count(*) FROM streams").fetchone()[0])


def in_transaction(run: Run, told: People) -> bool:
    """The daemon holds the write lock of its SQLite file, and not just for a moment."""
    with closing(sqlite3.connect(run.folder / "driftd.db", timeout=0.3, isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return bool(lines(run, "intake.assigned"))
        other.execute("ROLLBACK")
        return False


def judged(run: Run, told: People) -> bool:
    return bool(lines(run, "window.judged"))


def claimed(run: Run, told: People) -> bool:
    return leased(run.store) > 0


def sent(run: Run, told: People) -> bool:
    return bool(told.told())


WHERE: Mapping[tuple[Point, int], Reached] = {
    (Point.AFTER_TAKE_OVER, 1): assigned,
    (Point.MID_FOLD, 1): assigned,
    (Point.CHECKPOINT_BEFORE_COMMIT, 3): in_transaction,
    (Point.CHECKPOINT_AFTER_COMMIT, 2): written,
    (Point.SEAL_AFTER_COMMIT, 1): written,
    (Point.JUDGE_EVALUATED, 2): judged,
    (Point.JUDGE_BEFORE_COMMIT, 2): judged,
    (Point.JUDGE_AFTER_COMMIT, 2): judged,
    (Point.DELIVERY_CLAIMED, 1): claimed,
    (Point.DELIVERY_AFTER_SEND, 1): sent,
}
"""By place, what can be seen from outside once it is held up there, or is about to be."""
QUICK = {Point.CHECKPOINT_BEFORE_COMMIT, Point.JUDGE_EVALUATED, Point.DELIVERY_AFTER_SEND}
PLACES = [place if place[0] in QUICK else pytest.param(place, marks=pytest.mark.long) for place in WHERE]


@pytest.fixture
def told() -> Iterator[People]:
    with people() as made:
        yield made


def asked_to_stop(run: Run, process: Popen[bytes]) -> float:
    """Seconds until it ended, which must be with exit 0."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=2 * LIMIT) == 0, tail(run)
    return time.monotonic() - began


def ends_as_if_undisturbed(stage: Stage, run: Run, told: People) -> Counter[str]:
    """Run to the end and compare; the messages that came twice."""
    let_leases_run_out(run.store)
    assert run_to_the_end(run) == 0, tail(run)
    assert_same(outcome(run.store, stage.topic), stage.calm)
    return assert_told(told.told(), run.store, stage.calm["deliveries"])


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place[0]}@{place[1]}")
def test_asked_to_stop_while_it_is_held_up_there_it_ends_in_time_and_nothing_differs(place, stage, told):
    point, passage = place
    run = stage.run(f"{point}", told)
    with running(run, points=f"{point}=sleep:{HELD:g}@{passage}") as process:
        until(lambda: WHERE[place](run, told), lambda: tail(run))
        time.sleep(0.5)
        assert asked_to_stop(run, process) < LIMIT
    twice = ends_as_if_undisturbed(stage, run, told)
    assert sum(twice.values()) <= (point is Point.DELIVERY_AFTER_SEND)  # sent, and left before it was marked


def test_asked_to_stop_while_a_receiver_hangs_it_ends_in_time_and_the_message_is_sent_later(stage, told):
    told.slack.script(hangs)
    run = stage.run("hangs", told)
    with running(run) as process:
        told.slack.wait_for(1)
        assert asked_to_stop(run, process) < LIMIT
    told.slack.release()
    assert not ends_as_if_undisturbed(stage, run, told)


IN_A_COMMIT = [(Point.CHECKPOINT_BEFORE_COMMIT, 3), pytest.param((Point.JUDGE_BEFORE_COMMIT, 2), marks=pytest.mark.long)]


@pytest.mark.parametrize("place", IN_A_COMMIT, ids=lambda place: str(place[0]))
def test_asked_twice_it_leaves_at_once_and_nothing_differs(place, stage, told):
    point, passage = place
    run = stage.run(f"twice-{point}", told)
    with running(run, points=f"{point}=sleep:600@{passage}") as process:
        until(lambda: WHERE[place](run, told), lambda: tail(run))
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 128 + signal.SIGTERM
        assert time.monotonic() - began < 1.0
    assert not ends_as_if_undisturbed(stage, run, told)


@pytest.mark.long
def test_wedged_for_good_it_leaves_in_time_when_asked_and_nothing_differs(stage, told):
    run = stage.run("wedged", told)
    with running(run, points=f"{Point.CHECKPOINT_BEFORE_COMMIT}=sleep:600@3") as process:
        until(lambda: in_transaction(run, told), lambda: tail(run))
        time.sleep(0.5)
        assert asked_to_stop(run, process) < LIMIT
    assert not ends_as_if_undisturbed(stage, run, told)


def test_asked_to_stop_while_libraries_load_it_ends_well(stage, told):
    run = stage.run("loading", told)
    with running(run) as process:
        until(lambda: catches(process.pid, signal.SIGTERM), lambda: tail(run))
        assert not lines(run)  # it has not come to say anything
        assert asked_to_stop(run, process) < 2.0
        assert not lines(run)


def catches(pid: int, number: int) -> bool:
    """Whether the process has a handler of its own for a signal, as the kernel tells."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = next(int(line.split()[1], 16) for line in status if line.startswith("SigCgt"))
    return bool(mask & 1 << (number - 1))
