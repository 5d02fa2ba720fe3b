"""The end of a daemon: within ten seconds, with exit 0, and with nothing lost."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from monitor.demo.scripted_http import hangs
from monitor.demo.slack_server import SlackServer
from monitor.storage import open_store
from tests.daemon.running import MODEL, START, a_run, adds_up, daemon, encoded, new_topic, row
from tests.flights_run import Run, produce

pytestmark = pytest.mark.kafka
LIMIT = 10.0
MANY = 30_000


@pytest.fixture(scope="module")
def long_topic(kafka) -> str:
    """More than a daemon reads in a second."""
    topic = new_topic(kafka)
    produce(kafka.bootstrap, topic, encoded(row(n) for n in range(MANY)))
    return topic


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    server = SlackServer()
    yield server
    server.close()


def books(run: Run) -> tuple[int, int]:
    """Rows of all windows, and rows of the stream, once both have been found to add up."""
    store = open_store(run.store)
    try:
        accounts = [window.account for window in store.window_accounts(model=MODEL)]
        streams = store.stream_counts()
    finally:
        store.close()
    assert all(map(adds_up, [*accounts, *streams]))
    return sum(account.received for account in accounts), sum(stream.received for stream in streams)


@pytest.mark.fault(34)
def test_a_signal_while_reading_stops_it_and_the_next_start_goes_on(kafka, long_topic, tmp_path):
    run = a_run(tmp_path, kafka.bootstrap, long_topic, api_version=kafka.api_version,
                extra={"checkpoint": {"every": "100ms", "max_rows": 2000}})
    with daemon(run, ready=False) as first:
        first.until(lambda: first.log("http.started") and first.received())
        assert first.stop(signal.SIGTERM) < LIMIT
        assert len(first.log("daemon.stopping")) == len(first.log("daemon.stopped")) == 1
    before = books(run)
    assert 0 < before[0] == before[1] < MANY  # it was in the middle of its work
    with daemon(run) as second:
        second.until(lambda: second.received() >= MANY)
        assert second.stop() < LIMIT
    assert books(run) == (MANY, MANY)
    store = open_store(run.store)
    assert {s.counted for s in store.stream_counts()} == {MANY}
    store.close()


def test_an_idle_daemon_stops_and_says_goodbye_to_the_group_and_the_port(kafka, tmp_path):
    topic = new_topic(kafka)
    produce(kafka.bootstrap, topic, encoded(row(n) for n in range(100)))
    run = a_run(tmp_path, kafka.bootstrap, topic, api_version=kafka.api_version, extra={"log": {"level": "debug"}})
    with daemon(run) as d:
        d.until(lambda: d.received() == 100)
        assert d.stop(signal.SIGINT) < LIMIT
        closed = [line["resource"] for line in d.log("resource.closed")]
        assert closed == ["schedule", "pages of incidents", "reports", "kafka", "http", "store", "lock"]  # last opened, first closed


def firing(kafka, slack: SlackServer, folder) -> Run:
    """A model whose third window holds nothing but nulls, and a Slack to tell of it."""
    topic = new_topic(kafka)
    rows = [row(n) for n in range(2 * 3600)]
    rows += [row(n) | {"features": {**row(n)["features"], "dep_delay": None}} for n in range(2 * 3600, 3 * 3600)]
    produce(kafka.bootstrap, topic, encoded([*rows, row(3 * 3600), row(3 * 3600 + 1)]))
    reference = folder / "reference.jsonl"
    reference.write_text("".join(
        json.dumps({**(r := row(n)), **r["features"], "ts": r["ts"]}) + "\n" for n in range(-3600 * 24, 0, 6)))
    return a_run(folder, kafka.bootstrap, topic, api_version=kafka.api_version,
                 model={"reference": {"data": "reference.jsonl"}, "quality": {"max_null_share": 0.5}},
                 extra={"slack": {"token": "xoxb-t", "channel": "#ml", "api_url": slack.url, "pictures": False, "group_wait": "0s"}})


@pytest.mark.fault(34)
def test_a_receiver_that_hangs_does_not_hold_up_the_end_and_its_message_is_kept(kafka, slack, tmp_path):
    run = firing(kafka, slack, tmp_path)
    slack.script(hangs)
    with daemon(run) as d:
        slack.wait_for(1)
        assert d.get("/livez")[0] == 200
        assert d.stop() < LIMIT
        assert d.log("daemon.stopped")[-1]["undelivered"] == 1
    slack.release()
    store = open_store(run.store)
    [delivery] = store.deliveries()
    store.close()
    assert delivery.state == "pending"
    assert books(run) == (3 * 3600 + 2,) * 2


@pytest.mark.fault(34)
def test_a_second_signal_leaves_at_once(kafka, slack, tmp_path):
    run = firing(kafka, slack, tmp_path)
    slack.script(hangs)
    with daemon(run) as d:
        slack.wait_for(1)
        d.process.send_signal(signal.SIGTERM)
        d.said("daemon.stopping")
        began = time.monotonic()
        d.process.send_signal(signal.SIGINT)
        assert d.ended() == 128 + signal.SIGINT
        assert time.monotonic() - began < 1.0
    assert START.isoformat()[:10] in str(run.rows("windows", str(run.config))[0]["window_start"])


@pytest.mark.fault(34)
def test_a_signal_while_it_is_being_built_ends_it(kafka, tmp_path):
    """Building a reference from a large file may take minutes: a signal does not wait for it."""
    run = a_run(tmp_path, kafka.bootstrap, new_topic(kafka), api_version=kafka.api_version,
                model={"reference": {"data": "reference.jsonl"}})
    (tmp_path / "reference.jsonl").write_text("".join(json.dumps({**row(n), **row(n)["features"]}) + "\n" for n in range(3000)))
    with daemon(run, ready=False) as d:
        d.said("http.started")
        assert d.get("/readyz") == (503, "starting\n")
        assert d.stop() < LIMIT
        assert not d.log("daemon.started")



def test_a_job_that_dies_stops_the_daemon_with_exit_1_and_its_name(kafka, slack, tmp_path):
    run = a_run(tmp_path, kafka.bootstrap, new_topic(kafka), api_version=kafka.api_version,
                extra={"slack": {"token": "xoxb-t", "channel": "#ml", "api_url": slack.url, "pictures": False, "group_wait": "0s"}})
    with daemon(run) as d:
        with closing(sqlite3.connect(tmp_path / "driftd.db", timeout=10)) as sabotage:
            sabotage.execute("DROP TABLE deliveries")
        assert d.ended() == 1
        assert d.log("job.failed")[0]["job"] in ("deliver slack", "self-watch")  # whichever looks there first
        assert "no such table: deliveries" in d.log("daemon.failed")[0]["detail"]


HELD_UP = """
import os, sqlite3, sys
from monitor.stopping import Stop
stop = Stop(1)
stop.gently()
path = sys.argv[1]
first, second = (sqlite3.connect(path, timeout=60) for _ in range(2))
first.execute("CREATE TABLE t (x)")
first.execute("BEGIN IMMEDIATE")
print("held up", flush=True)
second.execute("BEGIN IMMEDIATE")
"""


@pytest.mark.fault(34)
def test_a_second_signal_ends_it_at_once_though_the_main_thread_is_inside_a_library(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HELD_UP, str(tmp_path / "a.db")], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held up\n"
        for number in (signal.SIGTERM, signal.SIGINT):  # two, so that they cannot be taken for one
            process.send_signal(number)
        assert process.wait(timeout=5) in (128 + signal.SIGTERM, 128 + signal.SIGINT)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.fault(34)
@pytest.mark.parametrize("code", [0, 1])
def test_a_signal_before_the_loop_ends_it_with_the_code_of_what_was_asked(code):
    script = f"from monitor.stopping import Stop; import os, signal; Stop({code}); os.kill(os.getpid(), signal.SIGTERM); print('went on')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (code, "")


@pytest.mark.fault(34)
@pytest.mark.parametrize(("asked", "code"), [(True, 3), (False, 1)])
def test_a_library_that_is_cut_off_by_a_signal_while_building_may_say_what_it_likes(asked, code):
    script = f"""
from monitor.stopping import Stop
import os, signal
stop = Stop(3)
with stop.building():
    try:
        {"os.kill(os.getpid(), signal.SIGTERM)" if asked else "pass"}
    finally:
        raise ValueError("can't change 'autocommit' now: connection in transaction status ACTIVE")
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=LIMIT, check=False)
    assert ended.returncode == code
    assert ("autocommit" in ended.stderr) is not asked
