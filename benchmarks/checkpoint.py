"""Throughput of the whole process with checkpoints every 5 s against next to none: one broker, the same messages, in turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import pytest

from benchmarks.daemon import measure
from benchmarks.memory import PARTITIONS, Scene, messages, names, publish, write_reference

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "2500000"))
ROUNDS = 3
LEAST_RATIO = 0.9
SCENE = Scene(messages=MESSAGES)
REFERENCE = "reference.jsonl"
NEVER = "at the end"
PACES = {"every 5 s": {"every": "5s", "max_rows": 10_000_000}, "default": {}, NEVER: {"every": "5m", "max_rows": 10_000_000}}
"""By default a backlog is written more often than every 5 s: after ``max_rows`` too."""


def configuration(folder: Path, bootstrap: str, topic: str, store: str, pace: str) -> Path:
    """A predictions stream with ids, so that a checkpoint holds profiles, offsets and the hashes of ids."""
    stream = {"topic": topic, "format": "json", "id": "id", "time": "ts", "version": "version", "features": "features"}
    reference = {"version": "*", "data": str(folder / REFERENCE)}
    model = {"task": "binary", "window": "1d", "allowed_lateness": "1h", "streams": {"predictions": stream}, "columns": names(SCENE),
             "reference": reference}  # fmt: skip
    group = uuid.uuid4().hex
    path = folder / f"{group}.yaml"
    path.write_text(
        json.dumps(
            {
                "store": store,
                "http": {"port": 0},
                "kafka": {"bootstrap_servers": bootstrap, "group_id": group},
                "checkpoint": PACES[pace],
                "models": {"m": model},
            }
        )
    )
    return path


def seconds(config: Path, folder: Path) -> float:
    """Wall time of one run to the end of the topic."""
    began = time.monotonic()
    measure([sys.executable, "-m", "monitor", "run", str(config), "--until-idle"], folder)
    return time.monotonic() - began


def stores(folder: Path, stack: ExitStack) -> dict[str, list[str]]:
    """For each kind of store, an empty one per run."""
    from tests import postgres

    runs = 1 + ROUNDS * len(PACES)
    found = {"SQLite": [f"sqlite:///{folder}/{uuid.uuid4().hex}.db" for _ in range(runs)]}
    try:
        server = postgres.PostgresServer(postgres._server(stack))
    except pytest.skip.Exception as reason:
        print(reason)
        return found
    stack.callback(server.drop_databases)
    return found | {"PostgreSQL": [server.create_database() for _ in range(runs)]}


def compare(folder: Path, bootstrap: str, topics: tuple[str, str], empty_stores: list[str]) -> dict[str, list[float]]:
    """Messages a second by pace, start-up left out."""
    full, empty = topics
    start = seconds(configuration(folder, bootstrap, empty, empty_stores.pop(), NEVER), folder)
    rates: dict[str, list[float]] = {pace: [] for pace in PACES}
    for _ in range(ROUNDS):
        for pace, found in rates.items():
            spent = seconds(configuration(folder, bootstrap, full, empty_stores.pop(), pace), folder)
            found.append(MESSAGES / (spent - start))
    return rates


def main() -> None:
    """Print the table."""
    from tests.kafka_broker import start_broker

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="driftd-bench-")))
        broker = stack.enter_context(start_broker())
        topics = f"bench.full.{uuid.uuid4().hex[:6]}", f"bench.empty.{uuid.uuid4().hex[:6]}"
        for topic in topics:
            broker.create_topic(topic, PARTITIONS)
        command = [sys.executable, "-m", "benchmarks.checkpoint", broker.bootstrap, topics[0], str(folder)]
        subprocess.run(command, check=True)
        print(f"{MESSAGES:,} messages of 20 columns with ids, {PARTITIONS} partitions, {ROUNDS} rounds in turns; messages a second")
        print(f"{'':12}{''.join(f'{pace:>27}' for pace in PACES)}   (ratio to the last; of the first at least {LEAST_RATIO})")
        for store, made in stores(folder, stack).items():
            rates = compare(folder, broker.bootstrap, topics, made)
            print(f"{store:12}{''.join(told(found, rates[NEVER]) for found in rates.values())}", flush=True)


def told(rates: list[float], without: list[float]) -> str:
    """The median, and the median ratio with its range over the rounds."""
    ratios = [rate / other for rate, other in zip(rates, without, strict=True)]
    return f"{median(rates):12,.0f} {median(ratios):.2f} {min(ratios):.2f}-{max(ratios):.2f}"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write_reference(SCENE, Path(sys.argv[3]) / REFERENCE)
        publish(sys.argv[1], sys.argv[2], messages(SCENE, MESSAGES))
    else:
        main()
