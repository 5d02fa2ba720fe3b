"""The daemon watching itself: the dead-man's ping, /livez and the new configuration, on a process and a broker that are real."""

from __future__ import annotations

import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from monitor.demo.scripted_http import Reply, Request, ScriptedServer, hangs
from monitor.failpoints import VARIABLE
from tests.daemon.running import MODEL, Daemon, a_run, daemon, encoded, new_topic, row
from tests.daemon.test_broker_away import node
from tests.daemon.test_probes import figure
from tests.flights_run import Run, produce
from tests.kafka_broker import ApacheKafka, Broker

__all__ = ["node"]

pytestmark = pytest.mark.kafka
KEY = "0d4f6ab1-5c77-4a0e-8f6e-d1c60d3a7f11"
HOUR = 3600
LIVE_WITHIN = 10.0
SLACK_OF_A_BUSY_MACHINE = 3.0
LIMIT = 10.0


class Switch(ScriptedServer):
    """A dead-man's switch that notes when it was called."""

    def __init__(self) -> None:
        self.times: list[float] = []
        super().__init__()

    def process(self, request: Request) -> Reply:
        self.times.append(time.monotonic())
        return Reply(body=b"OK")

    def silence(self) -> float:
        """Seconds since the last call."""
        return time.monotonic() - self.times[-1]


@pytest.fixture
def switch() -> Iterator[Switch]:
    server = Switch()
    yield server
    server.close()


def watched(folder: Path, bootstrap: str, topic: str, switch: Switch, api_version: str | None = None, **given: Any) -> Run:
    """Quick polls and checkpoints, a ping every second, and the shortest age that /livez may be told."""
    extra = {"heartbeat": {"url": f"{switch.root}/{KEY}", "every": "1s", "timeout": "2s"}, "checkpoint": {"every": "200ms"},
             "http": {"port": 0, "live_within": f"{LIVE_WITHIN:g}s"}, **given.pop("extra", {})}
    run = a_run(folder, bootstrap, topic, api_version=api_version, extra=extra, **given)
    return changed(run, lambda config: config["kafka"].update({"poll_timeout": "100ms"}))


def changed(run: Run, change: Callable[[dict[str, Any]], object]) -> Run:
    """Write the configuration anew."""
    config = json.loads(run.config.read_text())
    change(config)
    run.config.write_text(json.dumps(config, indent=1))
    return run


def pinged(d: Daemon, switch: Switch, more: int = 1, seconds: float = 30.0) -> None:
    """Wait for so many pings more."""
    wanted = len(switch.times) + more
    d.until(lambda: len(switch.times) >= wanted, seconds)


def falls_silent(d: Daemon, switch: Switch, seconds: float = 30.0) -> None:
    """Wait until none has come for three times the interval."""
    d.until(lambda: switch.silence() > 3.0, seconds)


@pytest.mark.fault(42)
def test_pings_come_while_all_is_well_and_tell_how_it_is_but_never_where_they_go(kafka, switch, tmp_path):
    topic = new_topic(kafka)
    produce(kafka.bootstrap, topic, encoded(row(n) for n in range(100)))
    run = watched(tmp_path, kafka.bootstrap, topic, switch, kafka.api_version, extra={"log": {"level": "debug"}})
    with daemon(run) as d:
        pinged(d, switch, 4)
        pauses = [after - before for before, after in zip(switch.times, switch.times[1:], strict=False)]
        assert min(pauses) >= 0.9
        assert switch.requests[-1].body.decode().endswith(f"models {MODEL}; lag 0; outbox 0 pending")
        text = d.get("/metrics")[1]
        assert figure(text, "driftd_heartbeats_total", outcome="sent") >= 4
        assert abs(figure(text, "driftd_heartbeat_last_success_timestamp_seconds") - time.time()) < 5
        assert d.stop() < LIMIT
        assert KEY not in d.text()
        told = len(switch.times)
    assert len(switch.times) == told


WEDGES = [pytest.param("intake.after_poll=sleep:600@50", "intake", marks=pytest.mark.long), ("judge.evaluated=sleep:600@1", "judge")]


@pytest.mark.fault(42)
@pytest.mark.parametrize(("point", "loop"), WEDGES)
def test_a_wedged_loop_ends_the_pings_at_once_and_livez_within_its_age(point, loop, kafka, switch, tmp_path, monkeypatch, record_property):
    topic = new_topic(kafka)
    run = watched(tmp_path, kafka.bootstrap, topic, switch, kafka.api_version)
    monkeypatch.setenv(VARIABLE, point)
    with daemon(run) as d:
        pinged(d, switch, 2)
        if loop == "judge":  # a window closes, and is never done with
            produce(kafka.bootstrap, topic, encoded([row(n) for n in range(50)] + [row(2 * HOUR)]))
        lines = d.until(lambda: (answer := d.get("/livez"))[0] == 503 and answer[1].splitlines(), 40)
        silence = switch.silence()
        [line] = lines
        assert line.startswith(f"loop {loop}: no heartbeat for ")
        detected = float(line.split("for ")[1].split(" s")[0])
        assert LIVE_WITHIN <= detected <= LIVE_WITHIN + SLACK_OF_A_BUSY_MACHINE
        assert silence >= LIVE_WITHIN - 3.0  # the last one came before it was wedged, or in the second of it
        record_property("seconds_to_detect", detected)
        assert figure(d.get("/metrics")[1], "driftd_ready") == 1  # what /readyz cannot see, these do
        assert any(f"loop {loop}: no" in line["detail"] for line in d.log("heartbeat.withheld"))
        assert d.stop() < LIMIT  # and it can be stopped all the same


@pytest.mark.fault(42)
def test_a_store_that_is_away_ends_the_pings_and_its_return_brings_them_back(kafka, switch, tmp_path):
    run = watched(tmp_path, kafka.bootstrap, new_topic(kafka), switch, kafka.api_version)
    with daemon(run) as d:
        pinged(d, switch, 2)
        with closing(sqlite3.connect(tmp_path / "driftd.db", timeout=20, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            falls_silent(d, switch)
            d.until(lambda: d.get("/readyz")[1].startswith("store_unavailable"), 20)
            assert d.get("/livez")[0] == 200  # no restart mends it
            other.execute("ROLLBACK")
        pinged(d, switch, 2)


@pytest.mark.long
@pytest.mark.fault(3, 42)
@pytest.mark.real_kafka
def test_a_broker_that_is_away_ends_the_pings_and_its_return_brings_them_back(node: ApacheKafka, switch, tmp_path):
    node.start()
    Broker(bootstrap=node.bootstrap, real=True).create_topic("predictions.mine", 1)
    with daemon(watched(tmp_path, node.bootstrap, "predictions.mine", switch)) as d:
        pinged(d, switch, 2)
        node.stop()
        falls_silent(d, switch)
        assert d.get("/livez")[0] == 200
        node.start()
        pinged(d, switch, 2, 60)


@pytest.mark.fault(42)
def test_a_switch_that_hangs_holds_up_nothing(kafka, switch, tmp_path):
    topic = new_topic(kafka)
    switch.script(*[hangs] * 50)
    run = watched(tmp_path, kafka.bootstrap, topic, switch, kafka.api_version)
    with daemon(run) as d:
        switch.wait_for(1)
        produce(kafka.bootstrap, topic, encoded([row(n) for n in range(50)] + [row(2 * HOUR)]))
        d.until(lambda: d.received() == 51 and d.log("window.judged"), 10)
        d.said("heartbeat.failed")
        assert d.get("/livez") == d.get("/readyz") == (200, "ok\n")
        assert d.stop() < LIMIT
        assert KEY not in d.text()


@pytest.mark.fault(38)
def test_judging_that_takes_longer_than_its_interval_is_late_but_does_not_pile_up(kafka, tmp_path, monkeypatch):
    topic = new_topic(kafka)
    run = a_run(tmp_path, kafka.bootstrap, topic, api_version=kafka.api_version, extra={"checkpoint": {"every": "200ms"}})
    monkeypatch.setenv(VARIABLE, "judge.evaluated=sleep:3")
    with daemon(run) as d:
        produce(kafka.bootstrap, topic, encoded(row(n * 60) for n in range(4 * 60)))
        d.until(lambda: d.received() == 240, 2.5)  # reading does not wait for it
        d.until(lambda: len(d.log("window.judged")) == 3)
        assert d.get("/livez") == (200, "ok\n")
        d.until(lambda: figure(d.get("/metrics")[1], "driftd_job_duration_seconds_sum", job="judge") > 9)
        text = d.get("/metrics")[1]
        assert figure(text, "driftd_job_skipped_total", job="judge") >= 6  # the seconds, less those of a busy machine
        assert figure(text, "driftd_job_skipped_total", job="watchdog") == 0
        time.sleep(2)
        assert len(d.log("window.judged")) == figure(d.get("/metrics")[1], "driftd_windows_judged_total", model=MODEL) == 3
        assert d.stop() < LIMIT


# --- a new configuration -------------------------------------------------------------------------------------


def add_model(config: dict[str, Any]) -> None:
    config["models"]["second"] = config["models"][MODEL]


@pytest.mark.fault(35)
def test_a_good_configuration_is_taken_up_in_the_same_process_and_a_bad_one_is_not(kafka, tmp_path):
    topic = new_topic(kafka)
    produce(kafka.bootstrap, topic, encoded(row(n) for n in range(300)))
    run = a_run(tmp_path, kafka.bootstrap, topic, api_version=kafka.api_version)
    good = run.config.read_text()
    with daemon(run) as d:
        d.until(lambda: d.received() == 300)
        loaded = figure(d.get("/metrics")[1], "driftd_config_last_reload_success_timestamp_seconds")
        assert figure(d.get("/metrics")[1], "driftd_config_last_reload_successful") == 1

        run.config.write_text(good.replace('"task": "binary"', '"task": "binar"').replace('"store"', '"stoer"'))
        d.process.send_signal(signal.SIGHUP)
        d.until(lambda: len(d.log("config.refused")) == 2)
        problems = [line["problem"] for line in d.log("config.refused")]
        assert [problem.removeprefix(f"{run.config}:").split(": ")[1] for problem in problems] == ["stoer", f"models.{MODEL}.task"]
        assert all(problem.removeprefix(f"{run.config}:").split(":")[0].isdigit() for problem in problems)
        text = d.get("/metrics")[1]
        assert figure(text, "driftd_config_last_reload_successful") == 0
        assert figure(text, "driftd_config_last_reload_success_timestamp_seconds") == loaded
        produce(kafka.bootstrap, topic, encoded(row(n) for n in range(300, 400)))
        d.until(lambda: d.received() == 400)  # the old one is in force

        run.config.write_text(good)
        changed(run, add_model)
        d.process.send_signal(signal.SIGHUP)
        d.said("config.accepted")
        new = again(d)
        new.until(new.ready)
        assert new.process.pid == d.process.pid
        assert [line["models"] for line in d.log("daemon.started") if "models" in line] == [[MODEL], [MODEL, "second"]]
        assert {each["name"] for each in json.loads(new.get("/api/v1/models")[1])["models"]} == {MODEL, "second"}
        text = new.get("/metrics")[1]
        assert figure(text, "driftd_config_last_reload_successful") == 1
        assert figure(text, "driftd_config_last_reload_success_timestamp_seconds") > loaded
        produce(kafka.bootstrap, topic, encoded(row(n) for n in range(400, 500)))
        new.until(lambda: new.received() == 500)
        assert new.windows()[0]["counted"] == 500  # none twice, none missed
        assert new.stop() < LIMIT


def an_hour_is_a_day(config: dict[str, Any]) -> None:
    config["models"][MODEL]["window"] = "1d"


def another_name(config: dict[str, Any]) -> None:
    config["models"] = {"by-day": config["models"][MODEL]}


@pytest.mark.fault(35)
def test_another_length_of_windows_is_refused_and_the_old_one_goes_on_counting(kafka, tmp_path):
    topic = new_topic(kafka)
    produce(kafka.bootstrap, topic, encoded(row(n) for n in range(300)))
    run = a_run(tmp_path, kafka.bootstrap, topic, api_version=kafka.api_version)
    with daemon(run) as d:
        d.until(lambda: d.received() == 300)
        changed(run, an_hour_is_a_day)
        d.process.send_signal(signal.SIGHUP)
        assert f"models.{MODEL}.window: the stored windows are 1h long, this says 1d; " in d.said("config.refused")["problem"]
        produce(kafka.bootstrap, topic, encoded(row(n) for n in range(3000, 4000)))
        d.until(lambda: d.received() == 1300)
        assert [(w["window_start"][11:16], w["window_end"][11:16], w["counted"]) for w in d.windows()] == [
            ("00:00", "01:00", 900), ("01:00", "02:00", 400),
        ]  # fmt: skip
        changed(run, another_name)
        d.process.send_signal(signal.SIGHUP)
        new = again(d)
        new.until(new.ready)
        produce(kafka.bootstrap, topic, encoded(row(n) for n in range(4000, 4100)))
        new.until(lambda: json.loads(new.get("/api/v1/models/by-day/windows")[1])["windows"])
        [window] = json.loads(new.get("/api/v1/models/by-day/windows")[1])["windows"]
        assert (window["window_end"][:16], window["counted"]) == ("2013-03-02T00:00", 100)
        assert new.stop() < LIMIT


def answers_ready(d: Daemon) -> bool:
    """Whether what it became last says that it is ready."""
    try:
        return again(d).ready()
    except OSError:  # becoming another one at this moment
        return False


def again(d: Daemon) -> Daemon:
    """The same process after it began anew, whose log begins there."""
    d.until(lambda: len(d.log("http.started")) >= 2)
    at = d.text().rindex('"http.started"')
    return Daemon(d.run, d.process, d._skip + d.text().rindex("\n", 0, at) + 1)


@pytest.mark.fault(34, 35)
@pytest.mark.parametrize("after", [0.2, 1.2, *(pytest.param(after, marks=pytest.mark.long) for after in (0.0, 0.6, 2.5))])
def test_a_signal_to_stop_at_any_moment_of_a_reload_stops_it(after, kafka, tmp_path):
    topic = new_topic(kafka)
    produce(kafka.bootstrap, topic, encoded(row(n) for n in range(50)))
    run = a_run(tmp_path, kafka.bootstrap, topic, api_version=kafka.api_version)
    with daemon(run) as d:
        d.until(lambda: d.received() == 50)
        d.process.send_signal(signal.SIGHUP)
        time.sleep(after)
        assert d.stop() < LIMIT
    run.driftd("run", str(run.config), "--until-idle")
    assert [window["counted"] for window in run.rows("windows", str(run.config))] == [50]


@pytest.mark.fault(35)
def test_many_reloads_are_one_after_the_other_and_none_ends_it(kafka, tmp_path):
    run = a_run(tmp_path, kafka.bootstrap, new_topic(kafka), api_version=kafka.api_version)
    with daemon(run) as d:
        until_then = time.monotonic() + 6.0
        while time.monotonic() < until_then:
            d.process.send_signal(signal.SIGHUP)
            time.sleep(0.05)
            assert d.process.poll() is None, d.text()[-2000:]
        d.until(lambda: len(d.log("http.started")) >= 3 and answers_ready(d))
        assert d.stop() < LIMIT


def test_a_terminal_that_goes_away_stops_it(kafka, tmp_path):
    run = a_run(tmp_path, kafka.bootstrap, new_topic(kafka), api_version=kafka.api_version)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(2, termios.TIOCSCTTY, 0);"
               "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])", *run.command("run", str(run.config))[1:]]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path)
    try:
        os.close(theirs)
        said = b""
        while b"partitions assigned" not in said:
            said += os.read(ours, 65536)
        os.close(ours)  # SIGHUP follows
        assert process.wait(timeout=LIMIT) == 0
    finally:
        process.kill()
        process.wait()


