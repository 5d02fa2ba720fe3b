"""Several daemons with one configuration on PostgreSQL and Kafka: whatever becomes of any of them, together they do what one would."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import threading
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from monitor.ports import TopicPartition
from monitor.storage import open_store
from tests.faults.story import (
    MODEL,
    PARTITIONS,
    Feeder,
    People,
    Row,
    Setting,
    assert_same,
    assert_told,
    build_reference,
    closed_at,
    facts,
    let_leases_run_out,
    lines,
    oracle,
    outcome,
    people,
    psql,
    run_in,
    run_to_the_end,
    running,
    start,
    stop,
    story,
    tail,
    until,
)
from tests.flights_run import Run
from tests.kafka_broker import Broker
from tests.postgres import PostgresServer

pytestmark = [pytest.mark.kafka, pytest.mark.real_kafka, pytest.mark.postgres, pytest.mark.slow]

CHAOS_SECONDS = float(os.environ.get("DRIFTD_CHAOS_SECONDS", "310"))
HOUR_SECONDS = 0.8
"""An hour of the story takes so long in the chaos."""
LEASE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What replicas share: a group, a topic, a database, and the people they tell."""

    kafka: Broker
    folder: Path
    topic: str
    store: str
    group: str
    told: People
    feeder: Feeder
    partitions: int

    def replica(self, name: str, **given: Any) -> Run:
        """One more daemon; it has no name in the group."""
        return run_in(Setting(folder=self.folder / name, bootstrap=self.kafka.bootstrap, topic=self.topic, store=self.store,
                              group=self.group, told=self.told, **given))  # fmt: skip

    def offsets(self) -> int:
        """Messages that are written."""
        with closing(open_store(self.store)) as store:
            places = [TopicPartition(self.topic, number) for number in range(self.partitions)]
            return sum(stored.next_offset for stored in store.positions(places).values())

    def finished(self, rows: Sequence[Row]) -> bool:
        """Whether all that can be judged of these rows is judged and told."""
        with closing(open_store(self.store)) as store:
            judged = store.progress(MODEL).judged_until == closed_at(rows)
            return judged and sum(s.received for s in store.stream_counts()) == len(rows) and not store.outbox_depth()["pending"]

    def assert_as_undisturbed(self, rows: Sequence[Row], runs: Sequence[Run]) -> Counter[str]:
        """Close the rest, and compare with plain Python and with one daemon that was left alone. The messages that came twice."""
        last = self.replica("last")
        assert run_to_the_end(last) == 0, tail(last)
        with closing(open_store(self.store)) as store:
            assert facts(store) == oracle(rows)
            results = store.results()
        assert {result.revision for result in results} == {0}
        assert len({(r.window_start, r.version, r.segment, r.check, r.column, r.metric) for r in results}) == len(results)
        with people() as calmly:
            calm = run_in(Setting(folder=self.folder / "calm", bootstrap=self.kafka.bootstrap, topic=self.topic,
                                  store=f"sqlite:///{self.folder}/calm/driftd.db", group=f"{self.group}-calm", told=calmly))  # fmt: skip
            build_reference(calm)
            assert run_to_the_end(calm) == 0, tail(calm)
            expected = outcome(calm.store, self.topic, self.partitions)
            assert set(calmly.told().values()) == {1}
        assert_same(outcome(self.store, self.topic, self.partitions), expected)
        marked = Counter(line["delivery"] for run in (*runs, last) for line in lines(run, "delivery.sent"))
        twice = assert_told(self.told.told(), self.store, expected["deliveries"])
        assert all(marked[id] <= 1 for id in marked if id not in twice), marked
        return twice


@contextmanager
def fleet(kafka: Broker, postgres: PostgresServer, folder: Path, partitions: int = PARTITIONS) -> Iterator[Fleet]:
    if not kafka.real:
        pytest.skip("needs Apache Kafka itself")
    topic = kafka.create_topic(f"replicas.{uuid.uuid4().hex[:8]}", partitions)
    with people() as told:
        made = Fleet(kafka=kafka, folder=folder, topic=topic, store=postgres.create_database(), group=f"fleet-{uuid.uuid4().hex[:8]}",
                     told=told, feeder=Feeder(kafka.bootstrap, topic), partitions=partitions)  # fmt: skip
        build_reference(made.replica("reference"))
        yield made


# --- chaos ---------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Chaos:
    """Kills, stops and restarts replicas at random. ``back``: when one that is away comes back, and how."""

    runs: Sequence[Run]
    chance: random.Random
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    back: dict[int, float] = field(default_factory=dict)
    did: Counter[str] = field(default_factory=Counter)

    def rage(self, seconds: float) -> None:
        """So long, and then bring everybody back."""
        ends, next_blow = time.monotonic() + seconds, time.monotonic() + 2
        while (now := time.monotonic()) < ends:
            for number in [n for n, due in self.back.items() if due <= now]:
                self.return_(number)
            standing = [n for n in range(len(self.runs)) if n not in self.back]
            if now >= next_blow and standing:
                self.strike(self.chance.choice(standing), now)
                next_blow = now + self.chance.uniform(0.5, 4.0)
            time.sleep(0.05)
        for number in list(self.back):
            self.return_(number)

    def strike(self, number: int, now: float) -> None:
        """Away for less or more than the group waits for a member (6 s)."""
        blow = self.chance.choice(("kill", "kill and stay away", "pause", "long pause", "restart"))
        process = self.processes[number]
        assert process.poll() is None, f"replica {number} ended by itself:\n{tail(self.runs[number])}"
        self.did[blow] += 1
        if blow == "restart":
            stop(self.runs[number], process, -signal.SIGTERM)  # it may be so young that it does not listen yet
        else:
            process.send_signal(signal.SIGSTOP if "pause" in blow else signal.SIGKILL)
        if blow != "restart" and "pause" not in blow:
            process.wait()  # on a busy machine even that takes its time
        away = {"kill": 0.0, "kill and stay away": 8.0, "pause": 3.0, "long pause": 12.0, "restart": 0.0}[blow]
        self.back[number] = now + self.chance.uniform(away / 2, away)

    def return_(self, number: int) -> None:
        """Start it again, or let it go on."""
        del self.back[number]
        process = self.processes.get(number)
        if process is None or process.poll() is not None:
            self.processes[number] = start(self.runs[number])
        else:
            process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


class LiveProducer(threading.Thread):
    """Writes an hour of the story after the other; ``rows`` is what it wrote."""

    def __init__(self, feeder: Feeder) -> None:
        super().__init__(daemon=True)
        self.rows: list[Row] = []
        self._feeder = feeder
        self._ended = threading.Event()
        self._hour = 0
        self.write_hour()  # in every partition from the beginning: an empty one holds nobody back

    def write_hour(self, pause: float = 0.0) -> None:
        hour, self._hour = self._hour, self._hour + 1
        rows = story(range(hour, hour + 1), faulty=(hour,) if hour % 12 in (5, 6, 7) else (), seed=2)
        for part in (rows[:20], rows[20:40], rows[40:]):
            self._feeder.put(part)
            self.rows += part
            self._ended.wait(pause / 3)

    def run(self) -> None:
        while not self._ended.is_set():
            self.write_hour(HOUR_SECONDS)

    def stop(self) -> list[Row]:
        """End; all that it wrote."""
        self._ended.set()
        self.join()
        return self.rows


@pytest.mark.fault(5, 6)
@pytest.mark.parametrize(
    ("replicas", "seconds"),
    [(2, 18.0), *(pytest.param(n, CHAOS_SECONDS, marks=[pytest.mark.long, pytest.mark.timeout(1800)]) for n in (2, 3))],
)
def test_replicas_under_kills_stops_and_rebalances_do_what_one_daemon_does(replicas, seconds, kafka, postgres, tmp_path) -> None:
    with fleet(kafka, postgres, tmp_path) as shared:
        runs = [shared.replica(f"r{n}") for n in range(replicas)]
        producer = LiveProducer(shared.feeder)
        chaos = Chaos(runs=runs, chance=random.Random(f"{replicas}/{seconds}"), back=dict.fromkeys(range(replicas), 0.0))
        producer.start()
        try:
            chaos.rage(seconds)
            rows = producer.stop()
            until(lambda: shared.finished(rows), lambda: "\n".join(map(tail, runs)), seconds=2 * LEASE_SECONDS)
            for run, process in zip(runs, [chaos.processes[n] for n in range(replicas)], strict=True):
                stop(run, process)
        finally:
            producer.stop()
            chaos.end()
        twice = shared.assert_as_undisturbed(rows, runs)
        fenced = sum(len(lines(run, "checkpoint.fenced")) for run in runs)
        judged = [len(lines(run, "window.judged")) for run in runs]
        print(f"{len(rows)} rows, {dict(chaos.did)}, fenced {fenced}, judged by each {judged}, twice {len(twice)}")
    kills = chaos.did["kill"] + chaos.did["kill and stay away"] + chaos.did["long pause"] + chaos.did["pause"]
    assert sum(twice.values()) <= kills // 5 + 1, twice
    assert sum(judged) >= len(oracle(rows)) - 3
    assert min(judged) > 0 or seconds < CHAOS_SECONDS, "each has its share, given time"


# --- a replica that sleeps and wakes -------------------------------------------------------------------------


def metric(run: Run, name: str) -> float:
    """A value of /metrics, asked of a daemon that answers."""
    url = lines(run, "http.started")[-1]["url"]
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        found = re.search(rf"^{re.escape(name)} (\S+)$", answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def contents(fleet: Fleet) -> Mapping[str, Any]:
    """All that the store holds."""
    return outcome(fleet.store, fleet.topic, fleet.partitions)


@pytest.mark.fault(5)
def test_a_stopped_replica_that_wakes_without_its_partitions_writes_nothing(kafka, postgres, tmp_path) -> None:
    rows = story(range(6), faulty=(2, 3))
    with fleet(kafka, postgres, tmp_path) as shared, ExitStack() as stack:
        sleeper = shared.replica("sleeper", every="5m", max_rows=100)
        waker = shared.replica("waker")
        shared.feeder.put(rows[:120])
        asleep = stack.enter_context(running(sleeper))
        until(lambda: shared.offsets() >= 100, lambda: tail(sleeper))
        shared.feeder.put(rows[120:160])
        time.sleep(2)  # until these are read: nothing tells, for nothing is written; were they not, nothing would be refused below
        asleep.send_signal(signal.SIGSTOP)
        written = shared.offsets()
        assert written < 160, "it holds rows that it has not written"
        awake = stack.enter_context(running(waker))
        until(lambda: shared.finished(rows[:160]), lambda: tail(waker))
        before = contents(shared)
        asleep.send_signal(signal.SIGCONT)
        until(lambda: bool(lines(sleeper, "checkpoint.fenced")), lambda: tail(sleeper))
        assert contents(shared) == before
        until(lambda: metric(sleeper, 'driftd_checkpoints_total{outcome="fenced"}') >= 1, lambda: tail(sleeper))
        shared.feeder.put(rows[160:])
        stop(waker, awake)
        until(lambda: shared.offsets() > 160, lambda: tail(sleeper))  # it is of use again
        stop(sleeper, asleep)
        assert not shared.assert_as_undisturbed(rows, [sleeper, waker])


@pytest.mark.long
@pytest.mark.fault(5)
def test_a_replica_that_is_stopped_inside_its_transaction_holds_the_others_up_for_a_minute_at_most(kafka, postgres, tmp_path) -> None:
    rows = story(range(6), faulty=(2, 3))
    with fleet(kafka, postgres, tmp_path) as shared, ExitStack() as stack:
        sleeper, waker = shared.replica("sleeper"), shared.replica("waker")
        shared.feeder.put(rows)
        asleep = stack.enter_context(running(sleeper, points="checkpoint.before_commit=sleep:20@3"))
        name = shared.store.rpartition("/")[2]
        sleeping = f"SELECT 1 FROM pg_stat_activity WHERE datname = '{name}' AND state = 'idle in transaction' "
        until(lambda: bool(psql(shared.store, sleeping + "AND now() - state_change > interval '1 second'")), lambda: tail(sleeper))
        asleep.send_signal(signal.SIGSTOP)
        awake = stack.enter_context(running(waker))
        until(lambda: shared.finished(rows), lambda: tail(waker), seconds=120)
        asleep.send_signal(signal.SIGCONT)
        until(lambda: bool(lines(sleeper, "checkpoint.fenced")), lambda: tail(sleeper))
        stop(sleeper, asleep)
        stop(waker, awake)
        assert not shared.assert_as_undisturbed(rows, [sleeper, waker])


@pytest.mark.fault(6)
@pytest.mark.parametrize("point", ["judge.evaluated", pytest.param("judge.before_commit", marks=pytest.mark.long)])
def test_a_window_that_two_replicas_evaluate_is_recorded_once_and_told_once(point, kafka, postgres, tmp_path) -> None:
    """The second has no partition at all, and closes and judges windows all the same."""
    rows = story(range(10), faulty=(2, 3), partitions=1)
    hour = [int(row.id.partition("-")[2]) // 60 for row in rows]
    first, more, last = ([row for row, h in zip(rows, hour, strict=True) if low <= h < high] for low, high in ((0, 5), (5, 8), (8, 10)))
    with fleet(kafka, postgres, tmp_path, partitions=1) as shared, ExitStack() as stack:
        slow, other = shared.replica("a-slow"), shared.replica("b-other")  # the group gives the partition to the first by name
        shared.feeder.put(first)
        dozing = stack.enter_context(running(slow, points=f"{point}=sleep:15@1"))
        until(lambda: shared.offsets() == len(first), lambda: tail(slow))
        busy = stack.enter_context(running(other))
        until(lambda: bool(lines(other, "intake.assigned")), lambda: tail(other))
        assert lines(other, "intake.assigned")[0]["partitions"] == []
        shared.feeder.put(more)
        until(lambda: shared.finished([*first, *more]), lambda: tail(other))
        by_slow, by_other = ({line["window_end"] for line in lines(run, "window.judged")} for run in (slow, other))
        assert not by_slow & by_other
        assert len(by_slow | by_other) == 7
        if point == "judge.evaluated":
            assert not by_slow, "it slept while the other closed and judged"
        else:
            assert min(by_slow) < min(by_other, default="9"), "it slept in its transaction, and the other waited"
        stop(other, busy)
        shared.feeder.put(last)
        until(lambda: shared.finished(rows), lambda: tail(slow))  # that it was refused once does not trouble it
        stop(slow, dozing)
        assert not shared.assert_as_undisturbed(rows, [slow, other])


@pytest.mark.fault(6)
@pytest.mark.parametrize("lease", ["cut short", pytest.param("as it is", marks=pytest.mark.long)])
def test_a_replica_that_sleeps_over_its_lease_sends_one_message_twice_with_one_id(lease, kafka, postgres, tmp_path) -> None:
    rows = story(range(8), faulty=(2, 3))
    seconds = 12 if lease == "cut short" else 1.3 * LEASE_SECONDS
    with fleet(kafka, postgres, tmp_path) as shared, ExitStack() as stack:
        slow, other = shared.replica("slow"), shared.replica("other")
        shared.feeder.put(rows)
        dozing = stack.enter_context(running(slow, points=f"delivery.claimed=sleep:{seconds:g}@1"))
        until(lambda: bool(attempted(shared)), lambda: tail(slow))
        busy = stack.enter_context(running(other))
        until(lambda: bool(lines(other, "intake.assigned")) and len(attempted(shared)) == 1, lambda: tail(other))
        [held] = attempted(shared)
        assert held not in shared.told.told(), "it sleeps over the message"
        if lease == "cut short":
            let_leases_run_out(shared.store)
        until(lambda: shared.finished(rows), lambda: tail(other), seconds=2 * LEASE_SECONDS)
        until(lambda: shared.told.told()[held] == 2, lambda: tail(slow))
        stop(other, busy)
        stop(slow, dozing)
        assert shared.assert_as_undisturbed(rows, [slow, other]) == Counter({held: 1})


def attempted(fleet: Fleet) -> list[str]:
    """Deliveries that were claimed and are not marked."""
    with closing(open_store(fleet.store)) as store:
        return [delivery.id for delivery in store.deliveries(state="pending") if delivery.attempts]


# --- where there can be only one -----------------------------------------------------------------------------


@pytest.mark.fault(7)
def test_a_second_daemon_on_one_sqlite_file_refuses_to_start_and_says_why(tmp_path: Path) -> None:
    nowhere = Setting(folder=tmp_path, bootstrap="127.0.0.1:1", topic="any", store=f"sqlite:///{tmp_path}/driftd.db", group="two")
    run = run_in(nowhere)
    build_reference(run)
    with running(run) as first:
        until(lambda: bool(lines(run, "http.started")), lambda: tail(run))
        with running(run_in(replace(nowhere, folder=tmp_path / "second"))) as second:
            assert second.wait(timeout=30) == 1  # failed: the settings are as they should be
        said = (tmp_path / "second" / "daemon.log").read_text()
        assert f"another driftd (process {first.pid}) runs on {tmp_path}/driftd.db: SQLite serves one daemon" in said
        stop(run, first)
