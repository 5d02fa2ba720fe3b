"""A wall clock that jumps: no window twice, none missed, and everything goes on within seconds."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.demo.scripted_http import answers
from monitor.demo.slack_server import SlackServer
from monitor.ports import TopicPartition
from monitor.storage import open_store
from tests.daemon.running import MODEL, START, Daemon, a_run, daemon, encoded, new_topic, row
from tests.flights_run import Run, produce
from tests.pipeline.world import HOUR, MINUTE, SECOND, TOPIC, World, message

YEARS = timedelta(days=3653)
JUMPS = [HOUR, -HOUR, YEARS]
SOON = 5.0
"""Seconds after a jump within which everything goes on."""
PER_HOUR = 40
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


# --- idleness, in a world whose clock is set by hand ---------------------------------------------------------


def idle_world() -> World:
    """Three partitions that were just read to their end; a window of an hour is open in each."""
    world = World()
    for number in range(3):
        world.put(TopicPartition(TOPIC, number), message(f"{number}a", 5), message(f"{number}b", 50))
    world.read_all()
    return world


def sealed(world: World) -> Any:
    world.judge.sweep()
    return world.store.progress("m").sealed_until


@pytest.mark.fault(22)
@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_jump_makes_no_partition_idle_and_closes_no_window(jump: timedelta) -> None:
    world = idle_world()
    world.clock.wall += jump
    assert sealed(world) is None  # on what was stored before the jump
    world.clock.advance(6 * SECOND)
    world.steps(1)
    assert sealed(world) is None  # and on what was stored after it
    world.put(TopicPartition(TOPIC, 0), message("0c", 55))
    world.read_all()
    assert (world.account().counted, world.account().late) == (7, 0)


@pytest.mark.fault(22)
@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_silence_is_measured_as_if_there_had_been_no_jump(jump: timedelta) -> None:
    world = idle_world()
    world.clock.wall += jump
    for _ in range(19):
        world.clock.advance(MINUTE)
        world.steps(1)
    assert sealed(world) is None  # 50 + 19 minutes: the window ended, its lateness has not
    world.clock.advance(MINUTE)
    world.steps(1)
    assert sealed(world) == START + HOUR


@pytest.mark.fault(22)
@pytest.mark.parametrize("jump", [-HOUR, -YEARS], ids=str)
def test_a_clock_set_back_while_it_was_down_makes_silence_begin_anew_not_in_the_future(jump: timedelta) -> None:
    world = idle_world()
    world.clock.wall += jump
    world.crash()
    world.steps(2)
    assert {mark.seen_at for mark in world.marks().values()} == {world.clock.now()}
    for _ in range(22):
        world.clock.advance(MINUTE)
        world.steps(1)
    assert sealed(world) == START + HOUR


# --- event time from the future ------------------------------------------------------------------------------

EPOCH = START.timestamp()
CONFUSED = {"2099-01-01T00:00:00Z": "future_time", EPOCH * 2: "future_time", EPOCH * 1e3 * 2: "future_time", EPOCH * 1e6 * 2: "future_time",
            EPOCH * 1e9 * 2: "future_time", (EPOCH + 1e7) * 1e3: "future_time", EPOCH * 1e10: "future_time", EPOCH * 1e12: "bad_time",
            EPOCH / 1e3: "ancient_time"}  # fmt: skip
"""Times that a wrong unit, a wrong century or a wrong clock makes, and why they are put aside."""


@pytest.mark.fault(24)
@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000], ids=["s", "ms", "us", "ns"])
def test_a_time_in_any_unit_is_that_time(unit: int) -> None:
    world = World()
    world.put(TopicPartition(TOPIC, 0), at_time(0, int(EPOCH) * unit), at_time(1, float(EPOCH + 60) * unit))
    world.read_all()
    assert {mark.max_time for mark in world.marks().values()} == {START + MINUTE, None}
    assert world.account().counted == 2


@pytest.mark.fault(24)
@pytest.mark.parametrize("when", CONFUSED, ids=str)
def test_a_time_from_the_future_is_put_aside_and_moves_no_watermark(when: object) -> None:
    world = idle_world()
    before = world.marks()[0].max_time
    world.put(TopicPartition(TOPIC, 0), at_time("x", when))
    world.read_all()
    assert world.marks()[0].max_time == before
    assert [(row.entry.offset, row.entry.reason) for row in world.store.quarantine()] == [(2, CONFUSED[when])]
    assert sealed(world) is None
    world.put(TopicPartition(TOPIC, 0), message("0c", 55))
    world.read_all()
    assert (world.account().counted, world.account().late) == (7, 0)


def at_time(id: object, when: object) -> bytes:
    return json.dumps({"id": id, "ts": when, "v": "1", "delay": 5, "carrier": "AA"}).encode()


# --- a process under libfaketime -----------------------------------------------------------------------------


class WallClock:
    """What the processes of a test believe the time to be; their monotonic clock is the real one."""

    def __init__(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._file = file
        self.set(timedelta())
        environment = {"LD_PRELOAD": str(LIBRARIES[-1]), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1",
                       "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1"}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

    def set(self, ahead: timedelta) -> None:
        """Be so far ahead of the real time, all at once."""
        half = self._file.with_suffix(".new")
        half.write_text(f"{ahead.total_seconds():+.0f}\n")
        half.rename(self._file)


@pytest.fixture
def wall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WallClock:
    if not LIBRARIES:
        if os.environ.get("CI"):
            raise RuntimeError("CI runs with a clock that jumps: the package libfaketime is needed")
        pytest.skip("needs libfaketime (Debian package libfaketime) to set a process's clock")
    return WallClock(tmp_path / "clock", monkeypatch)


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    server = SlackServer()
    yield server
    server.close()


def hour(number: int, **features: Any) -> list[tuple[str, bytes]]:
    """One hour's messages."""
    rows = [row(n, START + number * HOUR + n % PER_HOUR * MINUTE) for n in range(number * PER_HOUR, (number + 1) * PER_HOUR)]
    return encoded(each | {"features": {**each["features"], **features}} for each in rows)


class Story:
    """A daemon that is fed an hour at a time; each hour closes the window before it."""

    def __init__(self, d: Daemon, bootstrap: str, topic: str) -> None:
        self._d = d
        self._bootstrap = bootstrap
        self._topic = topic
        self.fed = 0

    def feed(self, **features: Any) -> float:
        """The next hour; the seconds until the window before it was judged."""
        produce(self._bootstrap, self._topic, hour(self.fed, **features))
        self.fed += 1
        began = time.monotonic()
        self._d.until(lambda: len(self._d.log("window.judged")) >= self.fed - 1)
        return time.monotonic() - began


def ticking(kafka: Any, folder: Path, topic: str, **given: Any) -> Run:
    return a_run(folder, kafka.bootstrap, topic, api_version=kafka.api_version,
                 extra={"checkpoint": {"every": "200ms"}, **given.pop("extra", {})}, **given)


@pytest.mark.fault(22)
@pytest.mark.kafka
def test_a_wall_clock_that_jumps_under_a_running_daemon_costs_no_window_and_no_row(kafka, wall, tmp_path, record_property):
    topic = new_topic(kafka)
    run = ticking(kafka, tmp_path, topic)
    with daemon(run) as d:
        story = Story(d, kafka.bootstrap, topic)
        for _ in range(3):
            story.feed()
        resumed: list[tuple[str, float]] = []
        for ahead in (HOUR, timedelta(), -HOUR, YEARS, timedelta()):
            wall.set(ahead)
            jumps = len(d.log("clock.jumped"))
            resumed.append((str(ahead), round(story.feed(), 2)))
            story.feed()
            d.until(lambda jumps=jumps: len(d.log("clock.jumped")) > jumps)
            assert d.get("/livez") == d.get("/readyz") == (200, "ok\n")
        record_property("seconds_to_resume", resumed)
        assert max(seconds for _, seconds in resumed) < SOON, resumed
        assert d.stop() < 10
    with closing(open_store(run.store)) as store:
        accounts = store.window_accounts(model=MODEL)
        judged = sorted({result.window_start for result in store.results(model=MODEL)})
    assert [(window.key.start - START) // HOUR for window in accounts] == list(range(story.fed))  # none made up for a silence that was not
    assert [(window.account.counted, window.account.received) for window in accounts] == [(PER_HOUR, PER_HOUR)] * story.fed
    assert judged == [START + number * HOUR for number in range(story.fed - 1)]
    assert len(d.log("window.judged")) == story.fed - 1  # each once


@pytest.mark.fault(22)
@pytest.mark.kafka
def test_a_message_that_waits_for_its_next_try_is_not_held_back_by_a_clock_that_is_set_back(kafka, wall, slack, tmp_path, record_property):
    topic = new_topic(kafka)
    slack.script(answers(503))
    lines = [json.dumps({**each, **each["features"]}) for each in (row(n * 90) for n in range(-48 * PER_HOUR, 0))]
    (tmp_path / "reference.jsonl").write_text("\n".join(lines))
    run = ticking(kafka, tmp_path, topic, model={"reference": {"data": "reference.jsonl"}, "quality": {"max_null_share": 0.5}},
                  extra={"slack": {"token": "xoxb-t", "channel": "#ml", "api_url": slack.url, "group_wait": "0s", "pictures": False}})
    with daemon(run) as d:
        story = Story(d, kafka.bootstrap, topic)
        story.feed(dep_delay=None)
        story.feed()  # the window of nulls is judged, and Slack does not want to hear of it
        d.said("delivery.postponed")
        began = time.monotonic()
        wall.set(-HOUR)
        d.said("delivery.sent", 20)
        record_property("seconds_to_deliver", round(time.monotonic() - began, 2))
        assert d.stop() < 10
    with closing(open_store(run.store)) as store:
        assert [delivery.state for delivery in store.deliveries()] == ["sent"]
