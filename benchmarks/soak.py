"""A day's faults in minutes: ``python -m benchmarks.soak [MINUTES]``. Not part of ``python -m benchmarks``.

A broker of its own, the daemon as a process, 2,000 messages a second whose event time runs sixty times as fast as the clock, and
every few seconds a fault. In the first half the daemon is killed, stopped and reloaded too; in the second half one process lives
on, and its memory, threads and open files are watched. At the end every message must be accounted for, to the row.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import linear_regression
from typing import Any

from confluent_kafka import Producer

from monitor.core.results import Account
from monitor.demo.scripted_http import answers, drops, drops_after_work, hangs
from monitor.demo.slack_server import SlackServer
from monitor.storage import open_store
from tests.kafka_broker import ApacheKafka, Broker
from tests.webhook_server import WebhookReceiver

RATE = 2000
"""Messages a second."""
SPEED = 60
"""Seconds of event time in a second."""
WINDOW = 600
LATENESS = 300
PARTITIONS = 3
TOPIC, MODEL = "soak.predictions", "soak"
START = 1_709_251_200
DOUBLE, BAD, LATE = 0.01, 0.002, 0.001
"""Shares of messages that come twice, cannot be read, come too late."""
DRIFTS = 6
"""Every so many windows the numbers are off."""
WARM_UP = 0.25
"""Of the second half: left out of the slope."""
PAUSE = (6.0, 14.0)
"""Seconds between two faults."""
DRAIN = 180.0
TRIES = 6
SEED = 1


# --- messages ------------------------------------------------------------------------------------------------


@dataclass
class Books:
    """What the broker was given, in windows: the account that the daemon must come to."""

    windows: dict[int, Account] = field(default_factory=dict)
    bad: int = 0
    total: int = 0

    def add(self, moment: int, account: Account) -> None:
        start = moment - moment % WINDOW
        self.windows[start] = self.windows.get(start, Account()) + account


class Stream:
    """Produces until it is told to stop. Each message is given once, whatever happens to the broker (idempotent producer)."""

    def __init__(self, bootstrap: str) -> None:
        self.books = Books()
        self._producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "message.timeout.ms": 600_000,
                                   "linger.ms": 20, "queue.buffering.max.messages": 2_000_000, "log_level": 0})  # fmt: skip
        self._chance = random.Random(SEED)
        self._ended = threading.Event()
        self._failed = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when the broker has it all."""
        self._ended.set()
        self._thread.join()
        left = self._producer.flush(120)
        if left or self._failed:
            sys.exit(f"{left + self._failed} messages did not reach the broker: the books are worth nothing")

    def _run(self) -> None:
        began = time.monotonic()
        while not self._ended.wait(0.02):
            while self.books.total < (time.monotonic() - began) * RATE:
                self._one(self.books.total)
            self._producer.poll(0)

    def _one(self, number: int) -> None:
        now = START + number * SPEED // RATE
        kind = self._chance.random()
        partition = number % PARTITIONS
        if kind < BAD:
            self._put(b'{"id": ', partition)
            self.books.bad += 1
        elif kind < BAD + LATE and now > START + 4 * WINDOW:
            moment = now - 3 * WINDOW
            self._put(message(self._chance, number, moment), partition)
            self.books.add(moment, Account(late=1))
        else:
            moment = max(now - self._chance.randrange(LATENESS), START)
            value = message(self._chance, number, moment)
            self._put(value, partition)
            self.books.add(moment, Account(counted=1))
            if kind > 1 - DOUBLE:
                self._put(value, partition)
                self.books.add(moment, Account(duplicate=1))

    def _put(self, value: bytes, partition: int) -> None:
        self._producer.produce(TOPIC, value, partition=partition, on_delivery=self._told)
        self.books.total += 1

    def _told(self, error: object, _message: object) -> None:
        self._failed += error is not None


def message(chance: random.Random, number: int, moment: int) -> bytes:
    off = 8.0 if moment // WINDOW % DRIFTS == DRIFTS - 1 else 0.0
    numbers = {f"n{i}": round(chance.gauss(off if i == 0 else 0.0, 1.0), 4) for i in range(6)}
    texts = {f"c{i}": chance.choice("ABCDEFGH") for i in range(3)}
    return json.dumps({"id": f"r{number}", "ts": moment, "version": "1", "late": number % 2, "features": {**numbers, **texts}}).encode()


# --- the daemon ----------------------------------------------------------------------------------------------


class Daemon:
    """``driftd run``, started again where it was ended."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._log = config.with_suffix(".log")
        self.starts = 0
        self.start()

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "monitor", *args]

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self.command("run", str(self._config)), stdout=log, stderr=log)
        self.starts += 1

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self, number: int) -> int:
        """Send a signal and wait for the exit code."""
        self.send(signal.SIGCONT)
        self.send(number)
        return self._process.wait(30)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def usage(self) -> tuple[float, int, int]:
        """Resident MB, threads, open files."""
        proc = Path(f"/proc/{self._process.pid}")
        pages = int((proc / "statm").read_text().split()[1])
        threads = next(int(line.split()[1]) for line in (proc / "status").read_text().splitlines() if line.startswith("Threads"))
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, threads, len(list((proc / "fd").iterdir()))

    def run_to_the_end(self) -> None:
        subprocess.run(self.command("run", str(self._config), "--until-idle"), check=True, stderr=subprocess.DEVNULL)

    def tail(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]


def configuration(folder: Path, bootstrap: str, slack: SlackServer, trainer: WebhookReceiver) -> Path:
    columns = {f"n{i}": "numeric" for i in range(6)} | {f"c{i}": "categorical" for i in range(3)}
    streams = {"topic": TOPIC, "id": "id", "time": "ts", "version": "version", "prediction": "late", "features": "features"}
    webhook = {"url": trainer.url, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "timeout": "2s"}
    model = {
        "task": "binary", "window": f"{WINDOW}s", "allowed_lateness": f"{LATENESS}s", "min_rows": 200, "idle_after": "1d",
        "streams": {"predictions": streams}, "columns": columns, "drift": {"false_alarms": "1 per 30d"},
        "alerts": {"open_after": 1, "resolve_after": 2, "max_age": "off"},
        "retraining": {"webhook": webhook, "when": {"drift": 1}, "cooldown": "1h"},
    }  # fmt: skip
    document = {
        "store": f"sqlite:///{folder}/driftd.db", "http": {"port": 0}, "checkpoint": {"every": "1s"},
        "kafka": {"bootstrap_servers": bootstrap, "group_id": "soak", "session_timeout": "6s"},
        "slack": {"token": "xoxb-soak", "channel": "#ml", "api_url": slack.url, "timeout": "2s", "pictures": False},
        "models": {MODEL: model},
    }  # fmt: skip
    path = folder / "soak.yaml"
    path.write_text(json.dumps(document, indent=1))
    return path


def build_reference(folder: Path, config: Path) -> None:
    """From five hours before the story."""
    chance, data = random.Random(SEED + 1), folder / "reference.jsonl"
    with data.open("w") as out:
        for n in range(30_000):
            row = json.loads(message(chance, n, START - 30 * WINDOW + n * 30 * WINDOW // 30_000))
            if (row["ts"] // WINDOW) % DRIFTS != DRIFTS - 1:
                out.write(json.dumps({**row, **row["features"]}) + "\n")
    subprocess.run([sys.executable, "-m", "monitor", "reference", "build", str(config), MODEL, "--data", str(data), "--version", "1"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip


# --- faults --------------------------------------------------------------------------------------------------


@dataclass
class World:
    """What faults act on."""

    node: ApacheKafka
    daemon: Daemon
    slack: SlackServer
    trainer: WebhookReceiver
    chance: random.Random

    def killed(self) -> None:
        self.daemon.end(signal.SIGKILL)
        self.daemon.start()

    def stopped(self) -> None:
        if code := self.daemon.end(signal.SIGTERM):
            sys.exit(f"SIGTERM: exit {code}\n{self.daemon.tail()}")
        self.daemon.start()

    def reloaded(self) -> None:
        self.daemon.send(signal.SIGHUP)

    def frozen(self) -> None:
        """Sometimes for longer than the group waits for it."""
        self.daemon.send(signal.SIGSTOP)
        time.sleep(self.chance.uniform(1, 9))
        self.daemon.send(signal.SIGCONT)

    def broker_restarted(self) -> None:
        self.node.stop()
        time.sleep(self.chance.uniform(0.5, 4))
        self.node.start()

    def receivers_fail(self) -> None:
        for server in (self.slack, self.trainer):
            server.script(*self.chance.choices([answers(503), answers(429, retry_after="1"), drops, drops_after_work, hangs], k=2))


LIVES_ON: Sequence[Callable[[World], None]] = (World.frozen, World.broker_restarted, World.receivers_fail)
ENDS_IT: Sequence[Callable[[World], None]] = (World.killed, World.stopped, World.reloaded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at the process; ``at`` in seconds of its half."""

    at: float
    mb: float
    threads: int
    files: int


def half(world: World, faults: Sequence[Callable[[World], None]], seconds: float, done: Counter[str]) -> list[Sample]:
    """Faults at random moments, each before any comes again; what the process used meanwhile."""
    samples: list[Sample] = []
    deck: list[Callable[[World], None]] = []
    began = time.monotonic()
    due = began + world.chance.uniform(*PAUSE)
    while (now := time.monotonic()) < began + seconds:
        if not world.daemon.alive:
            sys.exit(f"the daemon ended by itself:\n{world.daemon.tail()}")
        mb, threads, files = world.daemon.usage()
        samples.append(Sample(at=now - began, mb=mb, threads=threads, files=files))
        if now >= due:
            deck = deck or world.chance.sample(faults, len(faults))
            fault = deck.pop()
            fault(world)
            done[fault.__name__] += 1
            due = time.monotonic() + world.chance.uniform(*PAUSE)
        time.sleep(1)
    return samples


# --- the end -------------------------------------------------------------------------------------------------


def caught_up(store_url: str, total: int) -> bool:
    with closing(open_store(store_url)) as store:
        return sum(count.received for count in store.stream_counts()) >= total


def differences(books: Books, store_url: str, slack: SlackServer, trainer: WebhookReceiver) -> list[str]:
    """Everything in which the store differs from the books; nothing where all is well."""
    found = []
    with closing(open_store(store_url)) as store:
        [stream] = store.stream_counts()
        accounts = {int(w.key.start.timestamp()): w.account for w in store.window_accounts(model=MODEL)}
        judged = Counter((r.window_start, r.check, r.column, r.metric, r.segment) for r in store.results(model=MODEL))
        depth = store.outbox_depth()
        sent = {delivery.id for delivery in store.deliveries(state="sent")}
    if (stream.received, stream.quarantined) != (books.total, books.bad):
        found.append(f"received {stream.received}, quarantined {stream.quarantined}; expected {books.total}, {books.bad}")
    for start in sorted(accounts.keys() | books.windows.keys()):
        if accounts.get(start) != books.windows.get(start):
            found.append(f"window {start}: {accounts.get(start)}, expected {books.windows.get(start)}")
    if (most := max(judged.values())) > 1:
        found.append(f"a window was judged {most} times")
    if depth["pending"] or depth["dead"]:
        found.append(f"deliveries: {depth}")
    told = told_ids(slack) + Counter(trainer.processed)
    if set(told) != sent:
        found.append(f"messages received and not marked: {sorted(set(told) - sent)}; marked and not received: {sorted(sent - set(told))}")
    return found


def told_ids(slack: SlackServer) -> Counter[str]:
    marks: list[Any] = [post.body["metadata"] for post in slack.posts]
    return Counter((json.loads(m) if isinstance(m, str) else m)["event_payload"]["delivery"] for m in marks)


def report(minutes: float, samples: list[Sample], done: Counter[str], world: World, books: Books) -> None:
    settled = [s for s in samples if s.at > WARM_UP * minutes * 30]
    slopes = [linear_regression([s.at for s in part], [s.mb for s in part])[0] * 3600 for part in (settled, settled[len(settled) // 2 :])]
    told = told_ids(world.slack) + Counter(world.trainer.processed)
    print(f"{minutes:g} minutes, {books.total:,} messages in {len(books.windows)} windows, {world.daemon.starts} starts")
    print("faults: " + ", ".join(f"{name} {times}" for name, times in sorted(done.items())))
    print(f"one process, {settled[-1].at - settled[0].at:.0f} s after warm-up: RSS {settled[0].mb:.0f} → {settled[-1].mb:.0f} MB, "
          f"{min(s.mb for s in settled):.0f} to {max(s.mb for s in settled):.0f}; slope {slopes[0]:+.0f} MB/h, last half {slopes[1]:+.0f}; "
          f"threads {min(s.threads for s in settled)} to {max(s.threads for s in settled)}; "
          f"open files {min(s.files for s in settled)} to {max(s.files for s in settled)}")  # fmt: skip
    print(f"messages to people and trainer: {len(told)}, sent again {sum(told.values()) - len(told)} times")


def main(minutes: float) -> None:
    if shutil.which("java") is None:
        sys.exit("the soak needs a broker that it may kill: install java and maven")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="driftd-soak-", ignore_cleanup_errors=True)))
        slack = stack.enter_context(closing(SlackServer(token="xoxb-soak")))
        trainer = stack.enter_context(closing(WebhookReceiver()))
        (folder / "kafka").mkdir()
        node = ApacheKafka(folder / "kafka")
        node.start()
        stream, daemon = None, None
        try:
            Broker(bootstrap=node.bootstrap, real=True).create_topic(TOPIC, PARTITIONS)
            config = configuration(folder, node.bootstrap, slack, trainer)
            build_reference(folder, config)
            stream, daemon = Stream(node.bootstrap), Daemon(config)
            world = World(node=node, daemon=daemon, slack=slack, trainer=trainer, chance=random.Random(SEED + 2))
            done: Counter[str] = Counter()
            stream.start()
            half(world, (*LIVES_ON, *ENDS_IT), minutes * 30, done)
            samples = half(world, LIVES_ON, minutes * 30, done)
            stream.stop()
            finish(world, stream.books, f"sqlite:///{folder}/driftd.db")
            report(minutes, samples, done, world, stream.books)
            found = differences(stream.books, f"sqlite:///{folder}/driftd.db", slack, trainer)
        finally:
            if daemon is not None and daemon.alive:
                daemon.end(signal.SIGKILL)
            node.stop()
    print("\n".join(found) or "every message is accounted for, every window judged once, every message delivered")
    sys.exit(bool(found))


def finish(world: World, books: Books, store_url: str) -> None:
    """Let it catch up, stop it, and take the end of the topic as the end of time."""
    world.slack.release()
    world.trainer.release()
    deadline = time.monotonic() + DRAIN
    while not caught_up(store_url, books.total):
        if time.monotonic() > deadline or not world.daemon.alive:
            sys.exit(f"it does not catch up:\n{world.daemon.tail()}")
        time.sleep(1)
    world.daemon.end(signal.SIGTERM)
    for _ in range(TRIES):  # faults that were scripted and not met yet are met here
        with closing(open_store(store_url)) as store:  # what failed often waits for minutes; what was killed while it sent, for its lease
            store.clock_went_back(datetime.now(UTC), 0.0)
        world.daemon.run_to_the_end()
        with closing(open_store(store_url)) as store:
            if not store.outbox_depth()["pending"]:
                return


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 6.0)
