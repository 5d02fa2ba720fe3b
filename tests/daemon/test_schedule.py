"""Jobs at intervals: what is tried again, what stops the daemon, and clocks that jump."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine

from monitor.clock import SystemClock
from monitor.errors import Permanent, Retryable
from monitor.health import Health
from monitor.log import configure
from monitor.metrics import Metrics
from monitor.schedule import Every, Ticks

SOON = timedelta(milliseconds=20)
AGE = timedelta(seconds=60)


@pytest.fixture
def said() -> io.StringIO:
    """The log."""
    stream = io.StringIO()
    configure(form="json", stream=stream)
    return stream


class Job:
    """Counts its runs; ``then`` is what a run does."""

    def __init__(self, then: Callable[[int], None] = lambda number: None) -> None:
        self.runs = 0
        self._then = then
        self._ran = threading.Condition()

    def __call__(self) -> None:
        with self._ran:
            self.runs += 1
            self._ran.notify_all()
        self._then(self.runs)

    def wait(self, runs: int, seconds: float = 10.0) -> None:
        with self._ran:
            assert self._ran.wait_for(lambda: self.runs >= runs, seconds), f"{self.runs} of {runs} runs"


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def ticks(said, health: Health, metrics: Metrics) -> Iterator[Ticks]:
    made = Ticks(SystemClock(), health, metrics)
    yield made
    made.stop(5.0)


def lines(said: io.StringIO, action: str) -> list[dict[str, object]]:
    return [line for line in map(json.loads, said.getvalue().splitlines()) if line.get("action") == action]


def test_a_job_that_may_be_tried_again_is(ticks, said, health):
    def away(number: int) -> None:
        if number < 3:
            raise Retryable("the store is away")

    job = Job(away)
    ticks.add("judge", job, SOON, AGE)
    ticks.start()
    job.wait(4)
    assert ticks.failed is None
    assert health.live() == (True, [])
    skipped = lines(said, "job.skipped")
    assert [(line["job"], line["detail"]) for line in skipped] == [("judge", "the store is away")] * 2


def test_a_job_whose_health_nobody_hangs_on_is_in_no_probe_and_holds_no_heartbeat_back(ticks, health):
    def stuck(number: int) -> None:
        if number > 2:
            raise Retryable("away")

    job = Job(stuck)
    ticks.add("incident pages", job, SOON, None)
    ticks.start()
    job.wait(5)
    assert (ticks.failed, health.loops(), health.stalled(0.0), health.live()) == (None, {}, [], (True, []))


def test_any_other_error_is_the_end_and_bears_the_jobs_name(ticks, said):
    def broken(number: int) -> None:
        raise Permanent("no such table")

    job, other = Job(broken), Job()
    ticks.add("deliver slack", job, SOON, AGE)
    ticks.add("judge", other, SOON, AGE)
    ticks.start()
    job.wait(1)
    other.wait(other.runs + 2)  # one tick after the other: the failure has been told by then
    assert isinstance(ticks.failed, Permanent)
    [line] = lines(said, "job.failed")[:1]
    assert line["job"] == "deliver slack"
    assert "no such table" in str(line["detail"])
    assert "in broken" in str(line["traceback"])


@pytest.mark.fault(22)
@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1), timedelta(days=3653)])
def test_a_jump_of_the_wall_clock_stops_no_job(jump, ticks, said):
    job = Job()
    ticks.add("judge", job, timedelta(milliseconds=100), AGE)
    ticks.start()
    job.wait(3)
    with time_machine.travel(SystemClock().now() + jump, tick=True):
        before = job.runs
        job.wait(before + 10, 5.0)
    [line] = lines(said, "clock.jumped")[:1]
    assert line["seconds"] == pytest.approx(jump.total_seconds(), abs=2)


@pytest.mark.fault(22)
def test_after_ten_years_of_missed_ticks_there_is_one_and_then_the_interval_again():
    second, now = timedelta(seconds=1), SystemClock().now()
    trigger = Every(second)
    assert trigger.get_next_fire_time(None, now) == now + second
    assert trigger.get_next_fire_time(now - second / 2, now) == now + second / 2
    assert trigger.get_next_fire_time(now - timedelta(days=3653), now) == now + second


@pytest.mark.fault(22)
def test_who_has_to_know_of_a_jump_is_told_until_it_is_done(said, health, metrics):
    told = Job(lambda number: away() if number < 3 else None)

    def away() -> None:
        raise Retryable("the store is away")

    heard: list[float] = []
    ticks = Ticks(SystemClock(), health, metrics, jumped=lambda seconds: (heard.append(seconds), told())[1])
    ticks.start()
    with time_machine.travel(SystemClock().now() - timedelta(hours=1), tick=True):
        told.wait(3)
        ticks.stop(5.0)
    assert heard == pytest.approx([-3600.0] * 3, abs=2)
    assert ticks.failed is None


@pytest.mark.fault(22)
def test_what_breaks_after_a_jump_ends_the_daemon(said, health, metrics):
    broken = Job(lambda number: 1 / 0)
    ticks = Ticks(SystemClock(), health, metrics, jumped=lambda seconds: broken())
    ticks.start()
    with time_machine.travel(SystemClock().now() + timedelta(hours=1), tick=True):
        broken.wait(1)
        ticks.stop(5.0)
    assert isinstance(ticks.failed, ZeroDivisionError)


@pytest.mark.fault(38)
def test_a_job_longer_than_its_interval_is_left_out_not_piled_up(ticks, metrics):
    slow = Job(lambda number: (time.sleep(0.3), None)[1])
    ticks.add("judge", slow, SOON, AGE)
    ticks.start()
    slow.wait(3)
    ticks.stop(5.0)

    def figure(name: str) -> float:
        return metrics.registry.get_sample_value(name, {"job": "judge"}) or 0.0

    assert slow.runs == figure("driftd_job_duration_seconds_count") <= 4  # 0.9 s hold 45 intervals
    assert figure("driftd_job_duration_seconds_sum") >= 0.3 * slow.runs
    assert figure("driftd_job_skipped_total") >= 10


def test_progress_is_more_than_to_come_round(ticks, health):
    def away(number: int) -> None:
        raise Retryable("the store is away")

    job, other = Job(away), Job()
    ticks.add("judge", job, SOON, AGE)
    ticks.add("watchdog", other, SOON, AGE)
    began = time.monotonic()
    ticks.start()
    job.wait(3)
    other.wait(3)
    assert health.stalled(began) == ["judge"]
    assert health.live() == (True, [])


def test_a_job_that_does_not_come_round_shows_in_the_heartbeats(ticks, health):
    hold = threading.Event()
    stuck, fine = Job(lambda number: (hold.wait(10), None)[1]), Job()
    ticks.add("stuck", stuck, SOON, timedelta(milliseconds=200))
    ticks.add("fine", fine, SOON, AGE)
    ticks.start()
    stuck.wait(1)
    deadline = time.monotonic() + 10
    while health.live()[0]:
        assert time.monotonic() < deadline
        fine.wait(fine.runs + 1)
    [line] = health.live()[1]
    assert line.startswith("loop stuck: no heartbeat for ")
    hold.set()
    stuck.wait(3)
    assert health.live() == (True, [])


def test_a_job_that_ends_while_we_stop_is_no_failure(ticks, health):
    """Its heartbeat is forgotten by then: to beat it was an error that made the exit code 1."""
    release = threading.Event()
    job = Job(lambda number: (release.wait(10), None)[1])
    ticks.add("judge", job, SOON, AGE)
    ticks.start()
    job.wait(1)
    threading.Timer(0.2, release.set).start()
    ticks.stop(10.0)
    assert release.is_set()
    assert (ticks.failed, ticks.left_behind, health.loops()) == (None, frozenset(), {})
    assert job.runs == 1


def test_a_job_that_hangs_is_left_behind(ticks):
    release = threading.Event()
    job, other = Job(lambda number: (release.wait(10), None)[1]), Job()
    ticks.add("deliver slack", job, SOON, AGE)
    ticks.add("judge", other, SOON, AGE)
    ticks.start()
    job.wait(1)
    assert ticks.left_behind == frozenset()  # nobody asked to stop
    began = time.monotonic()
    ticks.stop(0.2)
    assert time.monotonic() - began < 2
    assert ticks.left_behind == {"deliver slack"}
    runs = other.runs
    release.set()
    ticks.stop(5.0)  # again: nothing
    assert other.runs <= runs + 1


def test_ticks_that_never_started_can_be_stopped(ticks):
    ticks.add("judge", Job(), SOON, AGE)
    ticks.stop(1.0)
    assert ticks.left_behind == frozenset()
