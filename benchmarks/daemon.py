"""Whole-process CPU of the daemon against a bare kafka-python poll() loop over the same topic, and the daemon's memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "400000"))
ROUNDS = 3
NUMERIC, CATEGORICAL = 14, 6
DAYS = 4

BARE = """
import sys
from kafka import KafkaConsumer, TopicPartition
topics, bootstrap, total = sys.argv[1].split(","), sys.argv[2], int(sys.argv[3])
c = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, max_poll_records=5000)
c.assign([TopicPartition(topic, p) for topic in topics for p in range(4)])
c.seek_to_beginning()
seen = 0
while seen < total:
    seen += sum(map(len, c.poll(500).values()))
c.close()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a process used: CPU seconds (user + system) and peak memory in MB."""

    cpu: float
    peak_mb: float


def measure(command: list[str], folder: Path) -> Cost:
    """Run a command to its end, with the operating system's own account of it."""
    with (folder / "output.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command} failed:\n{(folder / 'output.log').read_text()[-2000:]}")
    return Cost(cpu=usage.ru_utime + usage.ru_stime, peak_mb=usage.ru_maxrss / 1024)


def made_messages(n: int) -> list[bytes]:
    """JSON messages of about 450 bytes with 20 columns, a time and a version, over four days."""
    rng = np.random.default_rng(7)
    numbers = rng.normal(0, 1, (n, NUMERIC)).round(4).tolist()
    texts = rng.choice([f"c{i}" for i in range(12)], (n, CATEGORICAL)).tolist()
    times = (1_709_251_200_000 + np.arange(n) * (DAYS * 86_400_000 // n)).tolist()
    return [
        json.dumps(
            {
                "ts": t,
                "version": "1",
                "late": i % 2,
                "p_late": 0.25,
                "features": {f"numeric_{k:02}": v for k, v in enumerate(x)} | {f"category_{k:02}": v for k, v in enumerate(s)},
            },
            separators=(",", ":"),
        ).encode()
        for i, (t, x, s) in enumerate(zip(times, numbers, texts, strict=True))
    ]


def configuration(folder: Path, bootstrap: str, topic: str) -> Path:
    """A predictions stream alone: no label join, no de-duplication."""
    columns = {f"numeric_{k:02}": "numeric" for k in range(NUMERIC)} | {f"category_{k:02}": "categorical" for k in range(CATEGORICAL)}
    path = folder / f"{topic}.yaml"
    path.write_text(
        json.dumps(
            {
                "store": f"sqlite:///{folder}/{topic}.db",
                "http": {"port": 0},
                "kafka": {"bootstrap_servers": bootstrap, "group_id": topic},
                "models": {
                    "m": {
                        "task": "binary",
                        "window": "1d",
                        "allowed_lateness": "1h",
                        "min_rows": 200,
                        "streams": {
                            "predictions": {
                                "topic": topic,
                                "format": "json",
                                "time": "ts",
                                "version": "version",
                                "prediction": "late",
                                "score": "p_late",
                                "features": "features",
                            }
                        },
                        "columns": columns,
                        "drift": {"false_alarms": "1 per 30d"},
                    }
                },
            }
        )
    )
    return path


def build_reference(folder: Path, config: Path, messages: list[bytes]) -> None:
    """A reference from the first messages, so that windows are counted on a real grid."""
    data = folder / "reference.jsonl"
    with data.open("w") as out:
        for raw in messages[:40_000]:
            row = json.loads(raw)
            out.write(
                json.dumps({"ts": row["ts"], "version": row["version"], "late": row["late"], "p_late": row["p_late"], **row["features"]})
                + "\n"
            )
    subprocess.run(
        [sys.executable, "-m", "monitor", "reference", "build", str(config), "m", "--data", str(data), "--version", "1"],
        check=True,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def produce(bootstrap: str, topic: str, messages: list[bytes]) -> None:
    """Publish round robin over the partitions, in order."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 2_000_000})
    for i, raw in enumerate(messages):
        producer.produce(topic, raw, partition=i % 4)
        if i % 10_000 == 0:
            producer.poll(0)
    producer.flush(120)


def prepare(bootstrap: str, topic: str, folder: str, n: int) -> None:
    """Publish, and build the reference: in a process of its own, since a child's peak memory counts its parent's at the fork."""
    messages = made_messages(n)
    if ".empty." not in topic:
        produce(bootstrap, topic, messages)
    build_reference(Path(folder), configuration(Path(folder), bootstrap, topic), messages)
    print(sum(map(len, messages)) / len(messages))


def cost_of(who: str, topic: str, n: int, folder: Path, bootstrap: str, round_: int) -> Cost:
    """One run of the daemon from the start of the topic, or of the bare loop."""
    if who == "poll":
        return measure([sys.executable, "-c", BARE, topic, bootstrap, str(n)], folder)
    database, fresh = folder / f"{topic}.db", folder / f"{topic}-{round_}"
    fresh.mkdir()
    for part in folder.glob(f"{database.name}*"):
        shutil.copy(part, fresh)
    config = configuration(fresh, bootstrap, topic)
    return measure([sys.executable, "-m", "monitor", "run", str(config), "--until-idle"], fresh)


def main() -> None:
    """Print the table: the median of ROUNDS, in turns."""
    from tests.kafka_broker import start_broker

    with tempfile.TemporaryDirectory(prefix="driftd-bench-") as name, start_broker() as broker:
        folder, tag = Path(name), uuid.uuid4().hex[:6]
        topics = {f"bench.full.{tag}": MESSAGES, f"bench.empty.{tag}": 0}
        for topic in topics:
            broker.create_topic(topic, 4)
            command = [sys.executable, "-m", "benchmarks.daemon", broker.bootstrap, topic, name, str(MESSAGES if topics[topic] else 50_000)]
            size = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        full, empty = topics
        each: dict[str, list[float]] = {"poll": [], "driftd": []}
        last: dict[tuple[str, str], Cost] = {}
        for round_ in range(ROUNDS):
            for who, figures in each.items():
                for topic, n in topics.items():
                    last[who, topic] = cost_of(who, topic, n, folder, broker.bootstrap, round_)
                figures.append((last[who, full].cpu - last[who, empty].cpu) / MESSAGES * 1e6)
        where = "Apache Kafka" if broker.real else "mock broker"
        print(f"{MESSAGES:,} messages of {float(size):.0f} bytes, {NUMERIC + CATEGORICAL} columns, 4 partitions, {where}, {ROUNDS} rounds")
        print(f"{'':24}{'CPU µs/message':>16}{'start, CPU s':>14}{'peak MB':>9}")
        for who, label in (("poll", "bare poll() loop"), ("driftd", "driftd run --until-idle")):
            print(f"{label:24}{median(each[who]):16.2f}{last[who, empty].cpu:14.2f}{last[who, full].peak_mb:9.0f}")
        ratios = [ours / bare for ours, bare in zip(each["driftd"], each["poll"], strict=True)]
        print(f"ratio {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}; at most 2.0), start-up left out of both")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        prepare(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
