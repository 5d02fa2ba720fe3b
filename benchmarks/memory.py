"""Peak resident memory where something comes without end, beside the bound: versions, columns, categories, ids, messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.daemon import measure

MIB = 2**20
SHARE = float(os.environ.get("BENCH_SHARE", "1"))
"""Of the messages: less for a quick look."""
PARTITIONS = 4
DAYS = 4
START_MS = 1_709_251_200_000
BODIES = 500
"""So many different messages are made; only their times and versions go on changing."""
LIMIT_MIB = 1024
"""The default of ``memory.limit``."""
BATCH = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the daemon is given to read: messages with ``columns`` numbers and texts, under so many versions."""

    messages: int
    columns: int = 20
    versions: int = 1


SCENES = {
    "idle": Scene(messages=0),
    "tiny": Scene(messages=1_000_000, columns=1),
    "wide": Scene(messages=400_000, columns=300),
    "versions": Scene(messages=400_000, versions=40_000),
}
TOLD = {
    "idle": "nothing to read",
    "tiny": "1,000,000 messages of one column",
    "wide": "400,000 messages of 300 columns",
    "versions": "400,000 messages of 40,000 versions",
}


def names(scene: Scene) -> dict[str, str]:
    """Three columns of four are numbers."""
    return {f"column_{k:03}": "categorical" if k % 4 == 3 else "numeric" for k in range(scene.columns)}


def bodies(scene: Scene) -> list[str]:
    """The columns' part of messages."""
    rng = np.random.default_rng(7)
    kinds = names(scene)
    return [
        json.dumps({n: f"c{rng.integers(12)}" if kind == "categorical" else round(float(rng.normal()), 4) for n, kind in kinds.items()})
        for _ in range(BODIES)
    ]


def messages(scene: Scene, count: int) -> Iterator[bytes]:
    """Over four days, in the order of time."""
    parts = bodies(scene)
    for i in range(count):
        time = START_MS + i * (DAYS * 86_400_000 // count)
        yield f'{{"ts":{time},"id":"r{i}","version":"{i % scene.versions}","features":{parts[i % BODIES]}}}'.encode()


def configuration(folder: Path, bootstrap: str, topic: str, scene: Scene) -> Path:
    """A predictions stream alone."""
    stream = {"topic": topic, "format": "json", "time": "ts", "version": "version", "features": "features"}
    model = {"task": "binary", "window": "1d", "allowed_lateness": "1h", "streams": {"predictions": stream}, "columns": names(scene)}
    path = folder / f"{topic}.yaml"
    path.write_text(
        json.dumps(
            {
                "store": f"sqlite:///{folder}/{topic}.db",
                "http": {"port": 0},
                "kafka": {"bootstrap_servers": bootstrap, "group_id": topic},
                "models": {"m": model},
            }
        )
    )
    return path


def publish(bootstrap: str, topic: str, made: Iterator[bytes]) -> None:
    """Round robin over the partitions, as fast as the broker takes them."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "compression.type": "lz4"})
    for i, raw in enumerate(made):
        while True:
            try:
                producer.produce(topic, raw, partition=i % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.1)
    if producer.flush(300):
        sys.exit("not every message reached the broker")


def write_reference(scene: Scene, path: Path) -> None:
    """20,000 rows of the same kind, so that windows are counted on a real grid."""
    rows = (json.loads(raw) for raw in messages(scene, 20_000))
    with path.open("w") as out:
        out.writelines(json.dumps({"ts": row["ts"], **row["features"]}) + "\n" for row in rows)


def prepare(name: str, bootstrap: str, topic: str, folder: Path) -> None:
    """Publish a scene, and build the reference of its version ``*``; in a process of its own, since a child's peak counts its parent's."""
    scene = SCENES[name]
    count = int(scene.messages * SHARE)
    publish(bootstrap, topic, messages(scene, count))
    data = folder / "reference.jsonl"
    write_reference(scene, data)
    config = configuration(folder, bootstrap, topic, scene)
    command = [sys.executable, "-m", "monitor", "reference", "build", str(config), "m", "--data", str(data), "--version", "*"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# --- without a broker ----------------------------------------------------------------------------------------


def fold_categories(distinct: int) -> None:
    """One column of one window in which no category comes twice."""
    from monitor.core.profile import CategoricalGrid, Grid, Profile
    from monitor.core.schema import Batch, CategoricalValues

    profile = Profile.empty(Grid({"x": CategoricalGrid(categories=("a", "b"))}), sample_rows=200)
    codes = np.arange(BATCH, dtype=np.int32)
    for at in range(0, distinct, BATCH):
        values = CategoricalValues(codes=codes, dictionary=tuple(f"session-{i:016}" for i in range(at, at + BATCH)))
        offsets = np.arange(at, at + BATCH)
        profile.fold(Batch(offsets=offsets, times=np.zeros(BATCH, dtype=np.int64), versions=None, ids=None, columns={"x": values}), 1)
    print(f"{profile.columns['x'].total:,} rows, about {profile.columns['x'].new.distinct:,} categories, {len(profile.to_bytes()):,} bytes")  # type: ignore[union-attr]


def fold_ids(count: int) -> None:
    """One window with an id of its own for each row, beyond what a model remembers by default."""
    from datetime import timedelta

    from monitor.core.fold import Folder
    from monitor.core.profile import Grid
    from monitor.core.rules import Model, Task
    from monitor.core.schema import Batch

    model = Model(name="m", task=Task.BINARY, window=timedelta(days=1), allowed_lateness=timedelta(), min_rows=1, dedupe=True,
                  streams=(), columns=())  # fmt: skip
    folder = Folder(model, lambda _: Grid({}))
    folder.assign(("t", 0), seed=1, max_time=None, seen={})
    rng = np.random.default_rng(3)
    forgotten = 0
    for at in range(0, count, BATCH):
        ids = rng.integers(0, 2**64, BATCH, dtype=np.uint64)
        offsets, times = np.arange(at, at + BATCH), np.zeros(BATCH, dtype=np.int64)
        folder.fold(("t", 0), Batch(offsets=offsets, times=times, versions=None, ids=ids, columns={}))
        forgotten += sum(folder.drain().unremembered.values())
    print(f"{forgotten:,} ids not remembered")


FOLDS: dict[str, tuple[str, Callable[[int], None], int, int]] = {
    "categories": ("10,000,000 distinct categories in one column (folding alone)", fold_categories, 10_000_000, 128),
    "ids": ("10,000,000 distinct ids in one window (folding alone)", fold_ids, 10_000_000, 192),
}
"""What is told, what runs, with how many, and the bound in MiB."""


def main() -> None:
    """Print the table."""
    from tests.kafka_broker import start_broker

    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])  # for the children, which run elsewhere
    found: list[tuple[str, float, int]] = []
    with tempfile.TemporaryDirectory(prefix="driftd-bench-") as name, start_broker() as broker:
        folder = Path(name)
        for scene, told in TOLD.items():
            topic = f"bench.{scene}.{uuid.uuid4().hex[:6]}"
            broker.create_topic(topic, PARTITIONS)
            subprocess.run([sys.executable, "-m", "benchmarks.memory", "prepare", scene, broker.bootstrap, topic, name], check=True)
            command = [sys.executable, "-m", "monitor", "run", str(folder / f"{topic}.yaml"), "--until-idle"]
            found.append((f"daemon: {told}", measure(command, folder).peak_mb, LIMIT_MIB))
        for fold, (told, _, count, bound) in FOLDS.items():
            command = [sys.executable, "-m", "benchmarks.memory", fold, str(int(count * SHARE))]
            found.append((told, measure(command, folder).peak_mb, bound))
    part = "" if SHARE == 1 else f" (of {SHARE:.0%} of the messages)"
    print(f"{'peak resident memory, MiB' + part:64}{'found':>7}{'bound':>7}")
    for told, peak, bound in found:
        print(f"{told:64}{peak:7.0f}{bound:7}{'' if peak < bound else '  TOO MUCH'}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["prepare", scene, bootstrap, topic, place]:
            prepare(scene, bootstrap, topic, Path(place))
        case [fold, count]:
            FOLDS[fold][1](int(count))
        case _:
            main()
