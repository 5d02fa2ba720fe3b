"""A daemon that runs as a process, and what tests ask of it over its log and its port."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from tests.flights_run import Run

MODEL = "flight-delay"
PATIENCE = 30.0
"""Seconds to wait for what a daemon should do soon."""
START = datetime(2013, 3, 1, tzinfo=UTC)
T = TypeVar("T")


def until(ask: Callable[[], T], *, seconds: float = PATIENCE, why: Callable[[], str] = str) -> T:
    """The first true answer. Fails the test after ``seconds``, saying what was answered last."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {answer!r}\n{why()}"
        time.sleep(0.02)
    return answer


class Daemon:
    """``driftd run`` as a process."""

    def __init__(self, run: Run, process: subprocess.Popen[bytes], skip: int) -> None:
        self.run = run
        self.process = process
        self._path = run.folder / "daemon.log"
        self._skip = skip

    def text(self) -> str:
        """What this process wrote."""
        return self._path.read_text()[self._skip :]

    def log(self, action: str = "") -> list[dict[str, Any]]:
        """The whole lines of the log so far, those of an action alone where one is named."""
        whole = self.text().rpartition("\n")[0].splitlines()
        lines = [json.loads(line) for line in whole if line.startswith("{")]
        return [line for line in lines if action in ("", line.get("action"))]

    def said(self, action: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """The first line with this action, once there is one."""
        return self.until(lambda: self.log(action), seconds)[0]

    def until(self, ask: Callable[[], T], seconds: float = PATIENCE) -> T:
        """The first true answer, while the process lives."""

        def living() -> T:
            answer = ask()
            assert answer or self.process.poll() is None, f"the daemon ended with {self.process.returncode}:\n{self.text()[-3000:]}"
            return answer

        return until(living, seconds=seconds, why=lambda: self.text()[-3000:])

    @property
    def port(self) -> int:
        """Where its HTTP server listens, as the log tells."""
        return int(self.said("http.started")["url"].rpartition(":")[2])

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Status and body of a GET."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def ready(self) -> bool:
        """Whether /readyz says so."""
        return self.get("/readyz")[0] == 200

    def windows(self) -> list[dict[str, Any]]:
        """The windows as the API tells them; none while it does not know the model yet."""
        status, body = self.get(f"/api/v1/models/{MODEL}/windows")
        return json.loads(body)["windows"] if status == 200 else []

    def received(self) -> int:
        """Rows of all windows."""
        return sum(window["received"] for window in self.windows())

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Send a signal; the seconds until it ended, which must be with exit 0."""
        began = time.monotonic()
        self.process.send_signal(number)
        assert self.ended() == 0, self.text()[-3000:]
        return time.monotonic() - began

    def ended(self, seconds: float = 20) -> int:
        """The exit code, once it ended by itself."""
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {seconds} s:\n{self.text()[-3000:]}") from None


@contextmanager
def daemon(run: Run, *args: str, ready: bool = True) -> Iterator[Daemon]:
    """Start a daemon, by default until it is ready; killed at the end of the block if it still runs then."""
    path = run.folder / "daemon.log"
    skip = len(path.read_text()) if path.exists() else 0
    process = run.start(*args)
    started = Daemon(run, process, skip)
    try:
        if ready:
            started.until(started.ready)
        yield started
    finally:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.wait()


def a_run(folder: Path, bootstrap: str, topic: str, **given: Any) -> Run:
    """A configuration on SQLite with windows of an hour that close at once."""
    model = {"window": "1h", "allowed_lateness": "0s", "min_rows": 10, **given.pop("model", {})}
    return Run(folder=folder, store=f"sqlite:///{folder}/driftd.db", bootstrap=bootstrap, topic=topic, model=model, **given)


def new_topic(kafka: Any, partitions: int = 1, **config: str) -> str:
    return str(kafka.create_topic(f"predictions.{uuid.uuid4().hex[:8]}", partitions, **config))


def row(number: int, at: datetime | None = None, **fields: Any) -> dict[str, Any]:
    """One prediction, a second after the one before; ``fields`` replace what it holds."""
    moment = START + timedelta(seconds=number) if at is None else at
    features = {"dep_delay": number % 17, "distance": 100.5 + number % 7, "hour": number % 24}
    texts = {"carrier": ("AA", "DL", "UA")[number % 3], "origin": ("EWR", "JFK")[number % 2], "dest": "BOS"}
    whole = {"prediction_id": f"r{number}", "ts": moment.isoformat(), "model_version": "1", "late": number % 2, "p_late": number % 10 / 10}
    return {**whole, "features": {**features, **texts}, **fields}


def encoded(rows: Iterable[dict[str, Any]]) -> list[tuple[str, bytes]]:
    """As they are produced: the id is the key."""
    return [(str(each.get("prediction_id")), json.dumps(each).encode()) for each in rows]


def adds_up(account: Any) -> bool:
    """Whether an account of the API, or of a store, holds to the row."""
    get = account.get if isinstance(account, dict) else lambda name: getattr(account, name)
    return bool(get("received") == sum(map(get, ("counted", "late", "duplicate", "quarantined", "sampled_out"))))
