"""Whole-process CPU of the daemon that joins labels with predictions against a bare kafka-python poll() loop over both topics.

A prediction of 20 columns and a label each, as many labels as predictions, in four partitions of either topic; labels come an hour later
than their prediction, in an order of their own. Everything the daemon does is counted: both topics are decoded, de-duplicated, folded and
written, windows are judged, labels joined, performance revised. Start-up is left out of both by a run over empty topics.
On two cores, Apache Kafka: 8.2 µs of CPU a message, 2.06 (2.01 to 2.17) times a bare poll(); at most 3 is wanted.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.daemon import BARE, CATEGORICAL, NUMERIC, ROUNDS, Cost, made_messages, measure, produce

PAIRS = int(os.environ.get("BENCH_MESSAGES", "300000"))
FOR_REFERENCE = 40_000
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """Where a run's messages are, and its database."""

    tag: str

    @property
    def predictions(self) -> str:
        """The topic of predictions."""
        return f"bench.predictions.{self.tag}"

    @property
    def labels(self) -> str:
        """The topic of labels."""
        return f"bench.labels.{self.tag}"


def with_ids(messages: list[bytes]) -> Iterator[bytes]:
    """Each with an id of 12 letters."""
    for n, raw in enumerate(messages):
        yield b'{"id":"flight-%05x",' % n + raw[1:]


def made_labels(messages: list[bytes]) -> list[bytes]:
    """A label of each prediction an hour later, in another order; eight of ten predictions come true."""
    rng = np.random.default_rng(11)
    right = rng.random(len(messages)) < 0.8
    labels = []
    for n in np.argsort(np.arange(len(messages)) + rng.normal(0, 1000, len(messages))).tolist():
        row = json.loads(messages[n])
        came = row["late"] if right[n] else 1 - row["late"]
        labels.append(b'{"id":"flight-%05x","ts":%d,"came":%d}' % (n, row["ts"] + HOUR_MS, came))
    return labels


def configuration(folder: Path, bootstrap: str, topics: Topics) -> Path:
    """Both streams with an id, and performance; all else by default."""
    columns = {f"numeric_{k:02}": "numeric" for k in range(NUMERIC)} | {f"category_{k:02}": "categorical" for k in range(CATEGORICAL)}
    predictions = {"topic": topics.predictions, "id": "id", "time": "ts", "version": "version", "prediction": "late", "score": "p_late",
                   "features": "features"}
    model = {
        "task": "binary", "window": "1d", "allowed_lateness": "1h", "min_rows": 200,
        "streams": {"predictions": predictions, "labels": {"topic": topics.labels, "id": "id", "time": "ts", "label": "came"}},
        "columns": columns,
        "drift": {"false_alarms": "1 per 30d"},
        "performance": {"metrics": ["accuracy", "roc_auc"], "max_drop": 0.05, "label_delay": "2d", "min_labelled": 100},
    }  # fmt: skip
    path = folder / f"{topics.tag}.yaml"
    path.write_text(json.dumps({
        "store": f"sqlite:///{folder}/{topics.tag}.db", "http": {"port": 0},
        "kafka": {"bootstrap_servers": bootstrap, "group_id": topics.tag}, "models": {"m": model},
    }))  # fmt: skip
    return path


def prepare(bootstrap: str, tag: str, folder: Path, pairs: int) -> None:
    """Publish, unless the tag says empty, and build the reference: in a process of its own, for the sake of peak memory."""
    topics, messages = Topics(tag=tag), made_messages(max(pairs, FOR_REFERENCE))
    labels = made_labels(messages)
    if pairs:
        produce(bootstrap, topics.predictions, list(with_ids(messages)))
        produce(bootstrap, topics.labels, labels)
    data, came = folder / "reference.jsonl", {row["id"]: row["came"] for row in map(json.loads, labels)}
    with data.open("w") as out:
        for raw in list(with_ids(messages))[:FOR_REFERENCE]:
            row = json.loads(raw)
            out.write(json.dumps({**{k: row[k] for k in ("ts", "version", "late", "p_late")}, "came": came[row["id"]], **row["features"]}))
            out.write("\n")
    config = configuration(folder, bootstrap, topics)
    subprocess.run([sys.executable, "-m", "monitor", "reference", "build", str(config), "m", "--data", str(data), "--version", "1"],
                   check=True, stdout=subprocess.DEVNULL)
    print(sum(map(len, with_ids(messages))) / len(messages), sum(map(len, labels)) / len(labels))


def cost_of(who: str, topics: Topics, pairs: int, folder: Path, bootstrap: str, round_: int) -> Cost:
    """One run of the daemon from the start of both topics, or of the bare loop."""
    if who == "poll":
        return measure([sys.executable, "-c", BARE, f"{topics.predictions},{topics.labels}", bootstrap, str(2 * pairs)], folder)
    fresh = folder / f"{topics.tag}-{round_}"
    fresh.mkdir()
    for part in folder.glob(f"{topics.tag}.db*"):
        shutil.copy(part, fresh)
    cost = measure([sys.executable, "-m", "monitor", "run", str(configuration(fresh, bootstrap, topics)), "--until-idle"], fresh)
    check(fresh / f"{topics.tag}.db", pairs)
    return cost


def check(database: Path, pairs: int) -> None:
    """Every label found its prediction, or this measures something else."""
    from monitor.storage import open_store

    store = open_store(f"sqlite:///{database}")
    account = store.label_account("m")
    store.close()
    if account.matched != pairs:
        sys.exit(f"{account} of {pairs:,} pairs")


def main() -> None:
    """Print the table: the median of ROUNDS, in turns."""
    from tests.kafka_broker import start_broker

    with tempfile.TemporaryDirectory(prefix="driftd-bench-") as name, start_broker() as broker:
        folder, tag = Path(name), uuid.uuid4().hex[:6]
        pairs = {Topics(tag=f"full{tag}"): PAIRS, Topics(tag=f"empty{tag}"): 0}
        for topics, n in pairs.items():
            broker.create_topic(topics.predictions, 4)
            broker.create_topic(topics.labels, 4)
            command = [sys.executable, "-m", "benchmarks.both_topics", broker.bootstrap, topics.tag, name, str(n)]
            sizes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        full, empty = pairs
        each: dict[str, list[float]] = {"poll": [], "driftd": []}
        last: dict[tuple[str, Topics], Cost] = {}
        for round_ in range(ROUNDS):
            for who, figures in each.items():
                for topics, n in pairs.items():
                    last[who, topics] = cost_of(who, topics, n, folder, broker.bootstrap, round_)
                figures.append((last[who, full].cpu - last[who, empty].cpu) / (2 * PAIRS) * 1e6)
        where = "Apache Kafka" if broker.real else "mock broker"
        print(f"{PAIRS:,} predictions of {float(sizes[0]):.0f} bytes and {NUMERIC + CATEGORICAL} columns, "
              f"as many labels of {float(sizes[1]):.0f} bytes, 4 partitions each, {where}, {ROUNDS} rounds")
        print(f"{'':24}{'CPU µs/message':>16}{'start, CPU s':>14}{'peak MB':>9}")
        for who, label in (("poll", "bare poll() loop"), ("driftd", "driftd run --until-idle")):
            print(f"{label:24}{median(each[who]):16.2f}{last[who, empty].cpu:14.2f}{last[who, full].peak_mb:9.0f}")
        ratios = [ours / bare for ours, bare in zip(each["driftd"], each["poll"], strict=True)]
        print(f"ratio {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}; at most 3.0), start-up left out of both")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        prepare(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
