"""The dead-man's ping: sent while every loop gets its work done, and never otherwise."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from monitor import failpoints
from monitor.clock import SystemClock
from monitor.demo.scripted_http import Reply, Request, ScriptedServer, answers, hangs, redirects
from monitor.errors import Permanent, Retryable
from monitor.failpoints import FailpointReached
from monitor.health import Health, NotReady
from monitor.heartbeat import Heartbeat, Ping, why_not
from monitor.log import configure
from monitor.metrics import Metrics
from monitor.settings.secret import Secret
from monitor.settings.service import HeartbeatSettings

pytestmark = pytest.mark.fault(42)
KEY = "0d4f6ab1-5c77-4a0e-8f6e-d1c60d3a7f11"
AGE = timedelta(seconds=60)


class Switch(ScriptedServer):
    """A dead-man's switch; ``url`` holds its key."""

    def __init__(self) -> None:
        super().__init__()
        self.url = f"{self.root}/{KEY}"

    def process(self, request: Request) -> Reply:
        return Reply(body=b"OK")


@pytest.fixture
def switch() -> Iterator[Switch]:
    server = Switch()
    yield server
    server.close()
    failpoints.arm("")


@pytest.fixture
def said() -> io.StringIO:
    stream = io.StringIO()
    configure(form="json", stream=stream)
    return stream


class World:
    """Two loops, ready, and a heartbeat; time stands still until it is moved."""

    def __init__(self, settings: HeartbeatSettings, status: Callable[[], str] = lambda: "driftd: all well") -> None:
        self.seconds = 1000.0
        self.health = Health(self.monotonic)
        self.metrics = Metrics()
        self.metrics.declare([])
        for loop in ("intake", "judge"):
            self.health.watch(loop, AGE)
        self.health.clear(NotReady.STARTING)
        self.heartbeat = Heartbeat(settings, health=self.health, clock=self, metrics=self.metrics, status=status)
        self.now = SystemClock().now

    def monotonic(self) -> float:
        return self.seconds

    def after(self, seconds: float, *progressed: str) -> Ping:
        """Let time pass, and these loops do their work; what comes of a look then."""
        self.seconds += seconds
        for loop in progressed:
            self.health.progress(loop)
        return self.heartbeat.look()

    def count(self, outcome: Ping) -> float:
        return self.metrics.registry.get_sample_value("driftd_heartbeats_total", {"outcome": outcome}) or 0.0


def settings(url: str, **given: object) -> HeartbeatSettings:
    return HeartbeatSettings.model_validate({"url": url, "every": "10s", "timeout": "1s", **given})


def lines(said: io.StringIO, action: str) -> list[dict[str, str]]:
    return [line for line in map(json.loads, said.getvalue().splitlines()) if line.get("action") == action]


def test_it_is_sent_at_its_interval_while_every_loop_makes_progress(switch, said):
    world = World(settings(switch.url))
    assert world.after(1, "intake", "judge") is Ping.SENT
    assert world.after(5, "intake", "judge") is Ping.NOT_DUE
    assert world.after(5, "intake", "judge") is Ping.SENT
    assert [(request.method, request.path, request.body) for request in switch.requests] == [("POST", f"/{KEY}", b"driftd: all well")] * 2
    assert world.count(Ping.SENT) == 2
    assert (world.metrics.registry.get_sample_value("driftd_heartbeat_last_success_timestamp_seconds") or 0.0) > 1e9


@pytest.mark.parametrize("progressed", [(), ("intake",), ("judge",)])
def test_a_loop_without_progress_since_the_last_ping_holds_it_back(progressed, switch, said):
    world = World(settings(switch.url))
    world.after(1, "intake", "judge")
    assert [world.after(10, *progressed) for _ in range(3)] == [Ping.WITHHELD] * 3
    assert world.count(Ping.WITHHELD) == 1
    [line] = lines(said, "heartbeat.withheld")
    stalled = sorted({"intake", "judge"} - set(progressed))
    assert line["detail"] == "; ".join(f"loop {name}: no progress since the last ping" for name in stalled)
    assert world.after(1, "intake", "judge") is Ping.SENT


def test_a_ping_that_failed_before_does_not_hide_that_one_is_withheld_now(switch, said):
    world = World(settings(switch.url))
    switch.script(answers(500))
    assert world.after(1, "intake", "judge") is Ping.FAILED
    world.health.not_ready(NotReady.KAFKA_UNREACHABLE, "k:9092")
    assert [world.after(15, "intake", "judge") for _ in range(3)] == [Ping.WITHHELD] * 3
    world.health.not_ready(NotReady.KAFKA_UNREACHABLE, "k:9093")
    assert world.after(10, "intake", "judge") is Ping.WITHHELD
    assert world.count(Ping.WITHHELD) == 2
    assert [line["detail"] for line in lines(said, "heartbeat.withheld")] == ["kafka_unreachable: k:9092", "kafka_unreachable: k:9093"]


def test_to_come_round_without_doing_the_work_is_not_enough(switch, said):
    world = World(settings(switch.url))
    world.after(1, "intake", "judge")
    world.health.beat("judge")
    assert world.after(10, "intake") is Ping.WITHHELD


def test_not_ready_and_not_alive_hold_it_back_and_are_named(switch, said):
    world = World(settings(switch.url))
    world.health.not_ready(NotReady.KAFKA_UNREACHABLE, "k:9092")
    assert world.after(1, "intake", "judge") is Ping.WITHHELD
    world.seconds += 70
    assert why_not(world.health, 0.0) == (
        "loop intake: no heartbeat for 70 s, at most 60 s allowed", "loop judge: no heartbeat for 70 s, at most 60 s allowed",
        "kafka_unreachable: k:9092",
    )
    assert switch.requests == []


def test_a_store_that_does_not_tell_its_depth_is_no_good_news(switch, said):
    def away() -> str:
        raise Retryable("the store is away")

    assert World(settings(switch.url), away).after(1, "intake", "judge") is Ping.FAILED
    assert switch.requests == []


@pytest.mark.parametrize("fault", [answers(500), answers(404), redirects("http://127.0.0.1:9/elsewhere"), hangs])
def test_a_ping_that_fails_is_tried_again_soon_and_the_url_is_told_to_nobody(fault, switch, said):
    world = World(settings(switch.url, every="60s"))
    switch.script(fault, fault)
    assert world.after(1, "intake", "judge") is Ping.FAILED
    assert world.after(5, "intake", "judge") is Ping.NOT_DUE
    assert world.after(5, "intake", "judge") is Ping.FAILED
    switch.release()
    assert world.after(10, "intake", "judge") is Ping.SENT
    assert world.count(Ping.FAILED) == 2
    assert len(lines(said, "heartbeat.failed")) == 1  # the same trouble is told once
    assert KEY not in said.getvalue()


def test_the_url_is_read_anew_from_its_file_and_held_against_the_rules_each_time(tmp_path: Path, switch, said):
    file = tmp_path / "url"
    world = World(HeartbeatSettings(url=Secret(file=file), every=timedelta(seconds=10)))
    assert world.after(1, "intake", "judge") is Ping.FAILED
    file.write_text(switch.url + "\n")
    assert world.after(10, "intake", "judge") is Ping.SENT
    for bad in (f"http://switch.example/{KEY}", f"http://169.254.169.254/{KEY}", f"ftp://h/{KEY}"):
        file.write_text(bad)
        with pytest.raises(Permanent, match=r"^heartbeat\.url: ") as refused:
            HeartbeatSettings(url=Secret(file=file)).usable_url()
        assert KEY not in str(refused.value)
        assert world.after(10, "intake", "judge") is Ping.FAILED
    assert KEY not in said.getvalue()
    with pytest.raises(ValueError, match="heartbeat without url"):
        HeartbeatSettings().usable_url()


def test_a_server_that_hangs_holds_up_the_thread_of_the_ping_alone(switch, said):
    health = Health()
    health.clear(NotReady.STARTING)
    switch.script(hangs)
    heartbeat = Heartbeat(settings(switch.url, timeout="30s"), health=health, clock=SystemClock(), metrics=Metrics(), status=str)
    heartbeat.start()
    switch.wait_for(1)
    began = time.monotonic()
    heartbeat.stop()
    assert time.monotonic() - began < 0.1
    assert heartbeat.failed is None


def test_a_fault_of_ours_is_kept_for_the_daemon_to_stop_on(switch, said):
    health = Health()
    health.clear(NotReady.STARTING)
    failpoints.arm("heartbeat.before_ping=raise")
    heartbeat = Heartbeat(settings(switch.url), health=health, clock=SystemClock(), metrics=Metrics(), status=str)
    heartbeat.start()
    deadline = time.monotonic() + 10
    while heartbeat.failed is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert isinstance(heartbeat.failed, FailpointReached)
    assert lines(said, "heartbeat.failed")
