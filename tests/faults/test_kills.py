"""Killed anywhere, at a named point or at a random moment: windows, results, incidents and messages are those of an undisturbed run."""

from __future__ import annotations

import random
import subprocess
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer

from monitor.failpoints import Point
from monitor.storage import open_store
from tests.faults.story import (
    HOUR,
    MODEL,
    PARTITIONS,
    START,
    Feeder,
    People,
    Setting,
    assert_same,
    assert_told,
    build_reference,
    closed_at,
    facts,
    leased,
    let_leases_run_out,
    lines,
    marked,
    oracle,
    outcome,
    people,
    run_in,
    run_to_the_end,
    running,
    start,
    stop,
    story,
    tail,
    until,
    with_reference,
)
from tests.flights_run import Run
from tests.kafka_broker import Broker

pytestmark = [pytest.mark.kafka, pytest.mark.real_kafka, pytest.mark.slow, pytest.mark.fault(1)]

HOURS = range(18)
FAULTY = (3, 4, 5, 10, 11)
"""Two incidents, each with a request to retrain and an end: six messages."""
ROWS = story(HOURS, faulty=FAULTY)
HALF = len(ROWS) // 2
MESSAGES = 6
RECEIVERS = 2
AT_A_TIME = 2
"""Stories side by side: a daemon's start is mostly waiting."""


class Mode(StrEnum):
    """How the daemon is run: on messages that keep coming, or to the end of what is there."""

    LIVE = "live"
    UNTIL_IDLE = "until-idle"


@dataclass(frozen=True, slots=True)
class Case:
    """Killed at this passage of this point."""

    point: Point
    passage: int
    mode: Mode

    def __str__(self) -> str:
        return f"{self.mode}-{self.point}@{self.passage}"


LATER = {
    Point.AFTER_TAKE_OVER: 2, Point.AFTER_POLL: 9, Point.MID_FOLD: 7, Point.CHECKPOINT_BEFORE_COMMIT: 4, Point.CHECKPOINT_AFTER_COMMIT: 5,
    Point.SEAL_BEFORE_COMMIT: 2, Point.SEAL_AFTER_COMMIT: 2, Point.JUDGE_EVALUATED: 4, Point.JUDGE_BEFORE_COMMIT: 5,
    Point.JUDGE_AFTER_COMMIT: 12, Point.DELIVERY_CLAIMED: 3, Point.DELIVERY_AFTER_SEND: 4, Point.DELIVERY_MARKED: 3,
}  # fmt: skip
"""A later passage of every point but the heartbeat's, which writes nothing."""
OF_LABELS = {Point.JOIN_BEFORE_COMMIT, Point.JOIN_AFTER_COMMIT, Point.REVISION_BEFORE_COMMIT, Point.REVISION_AFTER_COMMIT}
"""Where a model without labels never comes."""
REBALANCED = {Point.AFTER_TAKE_OVER}
"""Passed again only when the group gives the partitions anew."""
ALL = [Case(point, 1, mode) for point in LATER for mode in Mode]
ALL += [Case(point, n, mode) for point, n in LATER.items() for mode in Mode if mode is Mode.LIVE or point not in REBALANCED]
QUICK = {Case(point, 1, Mode.LIVE) for point in list(LATER)[::2]}
QUICK |= {Case(point, n, Mode.UNTIL_IDLE) for point, n in list(LATER.items())[1::2]}
QUICK |= {Case(Point.AFTER_TAKE_OVER, 2, Mode.LIVE), Case(Point.DELIVERY_AFTER_SEND, 1, Mode.LIVE)}
"""Every point once, as far as a minute goes; the others take four, and are marked so."""
CASES = [case if case in QUICK else pytest.param(case, marks=pytest.mark.long) for case in ALL]


def test_every_point_but_the_heartbeats_is_among_them() -> None:
    assert set(LATER) == set(Point) - {Point.HEARTBEAT, *OF_LABELS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the stories share: a broker, a store that holds the reference, and what an undisturbed run comes to."""

    kafka: Broker
    folder: Path
    built: Path
    topic: str
    calm: Mapping[Mode, Mapping[str, Any]]


def new_topic(kafka: Broker) -> str:
    return kafka.create_topic(f"story.{uuid.uuid4().hex[:8]}", PARTITIONS)


def a_run(kafka: Broker, folder: Path, topic: str, told: People, store: str | None = None, **given: Any) -> Run:
    group = f"story-{uuid.uuid4().hex[:8]}"
    return run_in(Setting(folder=folder, bootstrap=kafka.bootstrap, topic=topic, store=store or f"sqlite:///{folder}/driftd.db",
                          group=group, member=f"{group}-a", told=told, **given))  # fmt: skip


@pytest.fixture(scope="module")
def stage(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A topic with the whole story, and two undisturbed runs."""
    if not kafka.real:
        pytest.skip("needs Apache Kafka itself")
    folder = tmp_path_factory.mktemp("kills")
    topic = new_topic(kafka)
    feeder = Feeder(kafka.bootstrap, topic)
    feeder.put(ROWS)
    feeder.put_unreadable()
    with people() as told:
        empty = a_run(kafka, folder / "reference", topic, told)
        build_reference(empty)
        half = Stage(kafka=kafka, folder=folder, built=folder / "reference" / "driftd.db", topic=topic, calm={})
    return Stage(kafka=kafka, folder=folder, built=half.built, topic=topic, calm={mode: undisturbed(half, mode) for mode in Mode})


def undisturbed(stage: Stage, mode: Mode) -> Mapping[str, Any]:
    """What the story comes to, which plain Python agrees with."""
    with people() as told:
        topic = stage.topic if mode is Mode.UNTIL_IDLE else new_topic(stage.kafka)
        run = story_run(stage, f"calm-{mode}", topic, told)
        if mode is Mode.UNTIL_IDLE:
            assert run_to_the_end(run) == 0, tail(run)
        else:
            live(run, Feeding(stage.kafka, run))
        came_to = outcome(run.store, topic)
        assert assert_told(told.told(), run.store, came_to["deliveries"]) == Counter()
    with closing(open_store(run.store)) as store:
        assert {start: f for start, f in facts(store).items() if start >= START} == oracle(ROWS)
    assert len(came_to["deliveries"]) == MESSAGES
    assert [(incident.since - START) // HOUR for incident in came_to["incidents"]] == [3, 10]
    return came_to


def story_run(stage: Stage, name: str, topic: str, told: People) -> Run:
    """On SQLite, with the reference. Samples are chosen by the topic's name too: where that differs they are left out."""
    model = {"sample_rows": 200 if topic == stage.topic else 0}
    return with_reference(a_run(stage.kafka, stage.folder / name, topic, told, model=model), stage.built)


class Feeding:
    """The second half of a live story comes when the first windows are closed."""

    def __init__(self, kafka: Broker, run: Run) -> None:
        self._kafka = kafka
        self._run = run
        self._feeder = Feeder(kafka.bootstrap, run.topic)
        self._feeder.put(ROWS[:HALF])
        self.fed = False

    def step(self) -> None:
        """Go on with the story where its time has come."""
        if self.fed or not (self._run.folder / "daemon.log").exists():
            return
        with closing(open_store(self._run.store)) as store:
            if store.progress(MODEL).sealed_until is not None:
                self._feeder.put(ROWS[HALF:])
                self._feeder.put_unreadable()
                self.fed = True

    def rebalance(self) -> None:
        """Somebody joins the group for a moment."""
        with closing(KafkaConsumer(self._run.topic, bootstrap_servers=self._kafka.bootstrap, group_id=self._run.group,
                                   session_timeout_ms=6000, heartbeat_interval_ms=1000, enable_auto_commit=False)) as other:  # fmt: skip
            other.poll(timeout_ms=3000)


def live(run: Run, feeding: Feeding) -> None:
    """A live daemon, until all that can be judged is judged and told."""

    def done() -> bool:
        feeding.step()
        assert process.poll() is None, tail(run)
        with closing(open_store(run.store)) as store:
            judged = store.progress(MODEL).judged_until
            read = sum(count.received for count in store.stream_counts())
            return feeding.fed and judged == closed_at(ROWS) and read == len(ROWS) + 1 and not store.outbox_depth()["pending"]

    with running(run) as process:
        until(done, lambda: tail(run))
        stop(run, process)


# --- at every point ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def killed(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Callable[[Case], Future[None]]]:
    """The stories of the cases that were asked for, some side by side."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and item.module is request.module]
    wanted = [item.callspec.params["case"] for item in items if hasattr(item, "callspec") and "case" in item.callspec.params]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        stories = {case: pool.submit(killed_story, stage, case) for case in wanted}
        yield stories.__getitem__


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_kill_at_any_point_changes_nothing(case: Case, killed: Callable[[Case], Future[None]]) -> None:
    killed(case).result(timeout=280)


def killed_story(stage: Stage, case: Case) -> None:
    """Killed once at that point, then run undisturbed, and compared."""
    topic = stage.topic if case.mode is Mode.UNTIL_IDLE else new_topic(stage.kafka)
    with people() as told:
        run = story_run(stage, str(case), topic, told)
        feeding = Feeding(stage.kafka, run) if case.mode is Mode.LIVE else None
        kill_at(run, case, feeding)
        noted = marked(run.store)
        let_leases_run_out(run.store)
        if feeding is not None:
            live(run, feeding)
        else:
            assert run_to_the_end(run) == 0, tail(run)
        assert_same(outcome(run.store, topic), stage.calm[case.mode])
        twice = assert_told(told.told(), run.store, stage.calm[case.mode]["deliveries"])
    assert not noted & set(twice), "what is known to have been sent is not sent again"
    assert set(twice.values()) <= {1}
    assert len(twice) <= RECEIVERS, "of each receiver one message is on its way at a time"
    assert twice or case.point is not Point.DELIVERY_AFTER_SEND, "sent and not marked: the same message comes again"


def kill_at(run: Run, case: Case, feeding: Feeding | None) -> None:
    """Run until the failpoint kills it."""
    arguments = () if case.mode is Mode.LIVE else ("--until-idle",)

    def ended() -> bool:
        if feeding is None:
            return process.poll() is not None
        feeding.step()
        if case.point in REBALANCED and case.passage > 1 and feeding.fed and process.poll() is None:
            feeding.rebalance()
        return process.poll() is not None

    with running(run, *arguments, points=f"{case.point}=kill@{case.passage}") as process:
        until(ended, lambda: tail(run))
        assert process.returncode == -9, tail(run)


# --- at random moments ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kills", [10, pytest.param(120, marks=[pytest.mark.long, pytest.mark.timeout(1200)])])
def test_kills_at_random_moments_change_nothing(kills: int, stage: Stage, postgres: Any, tmp_path: Path) -> None:
    """On SQLite and PostgreSQL side by side; each kill comes while new messages are read, judged and told."""
    stores = {"sqlite": f"sqlite:///{tmp_path}/sqlite/driftd.db", "postgres": postgres.create_database()}
    with ThreadPoolExecutor(len(stores)) as pool:
        for done in [pool.submit(randomly_killed, stage, tmp_path / name, url, kills) for name, url in stores.items()]:
            done.result()


def randomly_killed(stage: Stage, folder: Path, url: str, kills: int) -> None:
    """Feed the story piece by piece, kill a daemon after every piece, run to the end, and compare with a daemon that was left alone."""
    topic, moments = new_topic(stage.kafka), random.Random(f"{folder.name}/{kills}")
    rows = story(range(2 * kills + 8), faulty=[h for h in range(2 * kills) if h % 12 in (5, 6, 7)], per_hour=40)
    feeder, piece = Feeder(stage.kafka.bootstrap, topic), len(rows) // kills + 1
    with people() as told, people() as told_calmly:
        run = a_run(stage.kafka, folder, topic, told, url)
        build_reference(run)
        for n in range(kills):
            feeder.put(rows[n * piece : (n + 1) * piece])
            kill_at_random(run, moments)
            if kills <= 10:
                let_leases_run_out(url)  # in the long run they run out by themselves
        until(lambda: not leased(url), lambda: tail(run), seconds=70)
        assert run_to_the_end(run) == 0, tail(run)
        calm = with_reference(a_run(stage.kafka, folder / "calm", topic, told_calmly), stage.built)
        assert run_to_the_end(calm) == 0, tail(calm)
        expected = outcome(calm.store, topic)
        assert_same(outcome(url, topic), expected)
        twice = assert_told(told.told(), url, expected["deliveries"])
        assert told_calmly.told() == Counter({delivery[0]: 1 for delivery in expected["deliveries"]})
    assert sum(twice.values()) <= kills // 5, twice
    with closing(open_store(url)) as store:
        assert facts(store) == oracle(rows)
    assert len(expected["incidents"]) >= kills // 6
    assert len(lines(run, "window.judged")) > kills, "the kills fell before its work"


def kill_at_random(run: Run, moments: random.Random) -> None:
    """Now and then while it starts, mostly while it works."""
    process = start(run)
    began = len(lines(run, "daemon.started"))
    if moments.random() > 0.15:
        until(lambda: len(lines(run, "daemon.started")) > began or process.poll() is not None, lambda: tail(run))
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=moments.uniform(0.0, 2.5))
        pytest.fail(f"it ended before it was killed:\n{tail(run)}")
    run.kill(process)
