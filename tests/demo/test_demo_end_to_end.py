"""The whole demo as a person starts it, only faster: the text that it prints is what the README shows."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

WITHIN = 300


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def demo(port: int, folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "monitor", "demo", "--port", str(port), "--dir", str(folder), *options]


@pytest.mark.slow
@pytest.mark.timeout(WITHIN + 20)
def test_a_signal_ends_the_demo_and_its_daemon(tmp_path: Path) -> None:
    port = free_port()
    running = subprocess.Popen(demo(port, tmp_path), stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    began = next(line for line in running.stdout if line.startswith("The page: "))
    assert f"http://127.0.0.1:{port}/" in began
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass  # the daemon listens
    running.send_signal(signal.SIGTERM)
    told = running.stdout.read()
    running.stdout.close()
    assert running.wait(20) == 130
    assert "Stopped before the end." in told
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    assert "stopped" in (tmp_path / "driftd.log").read_text()


@pytest.mark.slow
@pytest.mark.timeout(WITHIN + 20)
def test_the_demo_tells_its_story_and_exits_by_itself(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "SLACK_WEBHOOK_URL"}
    command = demo(free_port(), tmp_path, "--until-done")
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, env=environment, check=False)
    told = done.stdout
    assert done.returncode == 0, told + done.stderr
    assert "72,236 flights produced, 72,236 counted in 79 daily windows" in told
    assert "7 of 7 faulty days alert, 5 of the 72 others" in told
    assert "72,026 of 72,236 predictions labelled" in told
    assert re.search(r"worst log_loss: 1\.23 \[.*\] on 6 April \(the injected fault\)", told)
    assert re.search(r"1–7 April +7 days +[\d,]+ flights   7 days alert: dep_delay", told)
    assert re.search(r"8 March: snow .*real, not injected", told)
    assert told.count("quiet") >= 6
    first = [box for box in told.split("╭─ ") if box.startswith("Slack #ml-alerts")]
    assert sum("about ×60 (unit change)" in box for box in first) == 1, "one message for the fault"
    assert sum("log_loss rose from 0.27" in box for box in first) == 1, "one for the furlough, which labels alone can tell"
    thread = [box for box in told.split("╭─ ") if box.startswith("Slack in the incident's thread")]
    assert sum("resolved after" in box for box in thread) == len(first), "and one for the end of each"
    assert sum("do not retrain on a broken pipeline" in box for box in first) == 1, "nobody is to learn from the fault"
    assert re.search(r"21–27 April: air-traffic controllers on furlough.*real, not injected", told)
    assert told.count("signature valid") == 1, "one request to retrain within the cooldown"
    assert "WRONG" not in told
    closed = [" ".join(box.replace("│", " ").split()) for box in thread]
    for step in ("retraining is accepted", "retraining is running: ", "retraining succeeded: version 2013-05"):
        assert sum(step in box for box in closed) == 1, step
    verdict = r"retraining did not help: roc_auc [+-]0\.\d+ \[-0\.\d+, 0\.\d+\] over 1[4-8] windows, realised; version 2013-05 instead of "
    assert sum(bool(re.search(verdict + "2013-03, side by side with it", box)) for box in closed) == 1
    assert re.search(r"The trainer learns from 9\d,\d+ flights up to 2[5-8] April, without 1 April to 9 April", told)
    assert "dep_delay" in told[told.index("Slack #ml-alerts"):][:400]
