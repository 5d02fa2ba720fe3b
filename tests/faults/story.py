"""A story that daemons are disturbed in: rows with faults, late and double ones; what plain Python makes of it, and what a run came to."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
from confluent_kafka import Producer
from sqlalchemy import func, select, update

from monitor.core.profile import CategoricalProfile, NumericProfile
from monitor.core.results import Account
from monitor.demo.slack_server import SlackServer
from monitor.failpoints import VARIABLE
from monitor.ports import Store, TopicPartition
from monitor.storage import open_store
from monitor.storage.engine import Database
from monitor.storage.tables import deliveries
from monitor.storage.url import parse_url
from tests.flights_run import Run
from tests.webhook_server import WebhookReceiver

MODEL, TOKEN, SECRET = "flight-delay", "xoxb-1-a-token-of-tests", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
START = datetime(2013, 3, 1, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LATENESS = 30 * MINUTE
PARTITIONS = 3
CARRIERS = ("AA", "DL", "UA")
PATIENCE = 60.0
"""Seconds to wait for what a daemon should do soon; the machine may be busy."""


# --- what is produced ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One prediction; the delay is in eighths of a minute, so that sums are exact."""

    id: str
    at: datetime
    eighths: int
    carrier: str
    partition: int

    def bytes(self) -> bytes:
        features = {"dep_delay": self.eighths / 8, "carrier": self.carrier}
        return json.dumps({"prediction_id": self.id, "ts": self.at.isoformat(), "model_version": "1", "late": 0, "p_late": 0.5,
                           "features": features}).encode()  # fmt: skip


def story(
    hours: range, *, faulty: Iterable[int] = (), per_hour: int = 60, partitions: int = PARTITIONS, seed: int = 1, clean: bool = False
) -> list[Row]:
    """Rows of these hours in the order of production. Some come out of order and some twice, inside the lateness; a few too late.

    A row's id tells its partition, so that a double of it lands in the same one. ``clean``: in order, each once.
    """
    chance, bad = random.Random(f"{seed}/{hours.start}"), frozenset(faulty)
    rows: list[Row] = []
    for n in range(len(hours) * per_hour):
        at = START + hours.start * HOUR + n * HOUR / per_hour
        kind = 1.0 if clean else chance.random()
        if kind < 0.02:
            moved = at - 4 * HOUR  # too late in any partition
        elif kind < 0.3:
            moved = at - chance.randrange(20) * MINUTE
        else:
            moved = at
        row = _row(f"{hours.start}-{n}", max(moved, START) if hours.start >= 0 else moved, n % partitions, bad, chance)
        rows.append(row)
        if kind > 0.94 and not clean:
            rows.append(chance.choice([r for r in rows[-9:] if r.at > at - 25 * MINUTE]))
    return rows


def _row(id: str, at: datetime, partition: int, bad: frozenset[int], chance: random.Random) -> Row:
    eighths = chance.randrange(-40, 240) * (60 if (at - START) // HOUR in bad else 1)
    return Row(id=id, at=at, eighths=eighths, carrier=chance.choice(CARRIERS), partition=partition)


class Feeder:
    """Produces to the partitions that the rows name."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._topic = topic
        # Without idempotence a batch that a new topic's leader refuses at first comes behind the next one: 6 of 1,000 topics, all rows late
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "enable.idempotence": True})

    def put(self, rows: Iterable[Row]) -> None:
        """Returns when the broker has them."""
        for row in rows:
            self._producer.produce(self._topic, row.bytes(), key=row.id, partition=row.partition)
        assert self._producer.flush(30) == 0

    def put_unreadable(self) -> None:
        """A message for the quarantine."""
        self._producer.produce(self._topic, b"{not json", partition=0)
        assert self._producer.flush(30) == 0


# --- what plain Python makes of it ---------------------------------------------------------------------------


@dataclass(slots=True)
class Facts:
    """One window: where its rows went, the sum of the delays that count, and rows by carrier."""

    account: Account = field(default_factory=Account)
    total: Fraction = field(default_factory=Fraction)
    carriers: Counter[str] = field(default_factory=Counter)


def oracle(rows: Iterable[Row]) -> dict[datetime, Facts]:
    """Every window, by the rules: late by the order of its partition, an id once a window and partition."""
    found: defaultdict[datetime, Facts] = defaultdict(Facts)
    reached: dict[int, datetime] = {}
    seen: set[tuple[int, datetime, str]] = set()
    for row in rows:
        start = START + (row.at - START) // HOUR * HOUR
        ahead = reached.get(row.partition)
        reached[row.partition] = row.at if ahead is None else max(ahead, row.at)
        facts = found[start]
        if ahead is not None and start + HOUR + LATENESS <= ahead:
            facts.account += Account(late=1)
        elif (row.partition, start, row.id) in seen:
            facts.account += Account(duplicate=1)
        else:
            seen.add((row.partition, start, row.id))
            facts.account += Account(counted=1)
            facts.total += Fraction(row.eighths, 8)
            facts.carriers[row.carrier] += 1
    return dict(found)


def closed_at(rows: Iterable[Row]) -> datetime:
    """The end of the last window that the slowest partition lets close."""
    reached: dict[int, datetime] = {}
    for row in rows:
        reached[row.partition] = max(row.at, reached.get(row.partition, row.at))
    return START + (min(reached.values()) - LATENESS - START) // HOUR * HOUR


def facts(store: Store) -> dict[datetime, Facts]:
    """What the store holds, in the oracle's form; a quarantined message counts nowhere there."""
    found: dict[datetime, Facts] = {}
    for start in {window.key.start for window in store.window_accounts(model=MODEL)}:
        for window in store.windows(MODEL, start):
            if window.account == Account():  # made to tell silence
                continue
            held = found.setdefault(start, Facts())
            held.account += window.account
            if window.profile is not None:
                delay, carrier = window.profile.columns["dep_delay"], window.profile.columns["carrier"]
                assert isinstance(delay, NumericProfile)
                assert isinstance(carrier, CategoricalProfile)
                assert window.profile.rows == delay.n == window.account.counted
                held.total += Fraction(delay.mean or 0.0).limit_denominator(8 * delay.n) * delay.n
                counted = dict(zip(carrier.grid.categories, carrier.counts.tolist(), strict=True)) | dict(carrier.new.kept)
                held.carriers.update({name: rows for name, rows in counted.items() if rows})
    return found


# --- who is told ---------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class People:
    """A Slack and a trainer of one run's own."""

    slack: SlackServer
    trainer: WebhookReceiver

    def told(self) -> Counter[str]:
        """How often each message came, by its id."""
        marks = [post.body["metadata"] for post in self.slack.posts]
        payloads = [(json.loads(m) if isinstance(m, str) else m)["event_payload"] for m in marks]
        return Counter([*(payload["delivery"] for payload in payloads), *self.trainer.processed])


@contextmanager
def people() -> Iterator[People]:
    with closing(SlackServer(token=TOKEN)) as slack, closing(WebhookReceiver()) as trainer:
        yield People(slack=slack, trainer=trainer)


# --- how it is run -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where a run happens. ``member``: its name in the group, None for none. ``every``, ``max_rows``: its checkpoints."""

    folder: Path
    bootstrap: str
    topic: str
    store: str
    group: str
    told: People | None = None
    member: str | None = None
    every: str = "100ms"
    max_rows: int = 100
    model: Mapping[str, Any] = field(default_factory=dict)


def run_in(setting: Setting) -> Run:
    """The configuration of the story."""
    setting.folder.mkdir(parents=True, exist_ok=True)
    kafka: dict[str, Any] = {
        "bootstrap_servers": setting.bootstrap, "group_id": setting.group, "client_id": setting.folder.name.replace("@", "-"),
        "session_timeout": "6s", "poll_timeout": "100ms", "max_poll_records": 60,
    }  # fmt: skip
    if setting.member is not None:
        kafka["group_instance_id"] = setting.member
    model: dict[str, Any] = {
        "window": "1h", "allowed_lateness": "30m", "min_rows": 20, "columns": {"dep_delay": "numeric", "carrier": "categorical"},
        # A silent partition must not let windows close: its rows would be booked late by the store (decision 3)
        "idle_after": "1d",
    }  # fmt: skip
    extra: dict[str, Any] = {"kafka": kafka, "checkpoint": {"every": setting.every, "max_rows": setting.max_rows}}
    if setting.told is not None:
        extra["slack"] = {"token": TOKEN, "channel": "#ml-alerts", "api_url": setting.told.slack.url, "pictures": False, "group_wait": "0s",
                          "group_at": "off"}  # each message is one post, whose id tells which
        webhook = {"url": setting.told.trainer.url, "secret": SECRET}
        model["retraining"] = {"webhook": webhook, "when": {"drift": "2 windows"}, "cooldown": "4h", "veto": False}
    return Run(folder=setting.folder, store=setting.store, bootstrap=setting.bootstrap, topic=setting.topic, extra=extra,
               model=model | dict(setting.model), group=setting.group)  # fmt: skip


def build_reference(run: Run) -> None:
    """From two days without a fault, before the story begins."""
    rows = story(range(-48, 0), clean=True)
    frame = pd.DataFrame({"ts": [r.at for r in rows], "model_version": "1", "late": 0, "p_late": 0.5,
                          "dep_delay": [r.eighths / 8 for r in rows], "carrier": [r.carrier for r in rows]})  # fmt: skip
    run.build_reference(frame)


def with_reference(run: Run, built: Path) -> Run:
    """On SQLite: begin with a copy of a store that holds the reference."""
    shutil.copy(built, parse_url(run.store).database or "")
    return run


def start(run: Run, *args: str, points: str = "") -> subprocess.Popen[bytes]:
    """A daemon, with failpoints armed."""
    with (run.folder / "daemon.log").open("ab") as log:
        environment = {**os.environ, VARIABLE: points, "PYTHONFAULTHANDLER": "1"}
        return subprocess.Popen(run.command("run", str(run.config), *args), stdout=log, stderr=log, cwd=run.folder, env=environment)


@contextmanager
def running(run: Run, *args: str, points: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """The same, killed at the end of the block where it still runs."""
    process = start(run, *args, points=points)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def lines(run: Run, action: str = "") -> list[dict[str, Any]]:
    """The log's whole lines, those of one action where it is named."""
    path = run.folder / "daemon.log"
    text = path.read_text(errors="replace") if path.exists() else ""
    found = [json.loads(line) for line in text.rpartition("\n")[0].splitlines() if line.startswith("{") and line.endswith("}")]
    return [line for line in found if action in ("", line.get("action"))]


def tail(run: Run, characters: int = 3000) -> str:
    return (run.folder / "daemon.log").read_text(errors="replace")[-characters:]


def until(ask: Callable[[], bool], why: Callable[[], str], seconds: float = PATIENCE) -> None:
    """Until the answer is yes. The pause is long enough that asking does not slow down what is waited for."""
    deadline = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < deadline, f"not within {seconds} s:\n{why()}"
        time.sleep(0.05)


def run_to_the_end(run: Run, points: str = "") -> int:
    """``--until-idle``; its exit code."""
    with running(run, "--until-idle", points=points) as process:
        return process.wait(timeout=2 * PATIENCE)


def stop(run: Run, process: subprocess.Popen[bytes], *well: int) -> None:
    """As a person stops it; it must end with 0, or as ``well`` says. Where it goes on, the log gets the stacks of its threads."""
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(timeout=PATIENCE / 2)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        process.wait()
        raise AssertionError(f"still runs after {PATIENCE / 2} s:\n{tail(run, 9000)}") from None
    assert code in (0, *well), f"exit {code}:\n{tail(run)}"


def let_leases_run_out(url: str) -> None:
    """A dead process holds its deliveries for a minute: let that minute pass."""
    with closing(Database(parse_url(url))) as database, database.write() as connection:
        connection.execute(update(deliveries).where(deliveries.c.state == "pending").values(leased_until=None))


def leased(url: str) -> int:
    """How many deliveries a process holds, alive or dead."""
    here = (deliveries.c.state == "pending", deliveries.c.leased_until > datetime.now(UTC))
    held = select(func.count()).select_from(deliveries).where(*here)
    with closing(Database(parse_url(url))) as database, database.read() as connection:
        return int(connection.execute(held).scalar_one())


# --- what it came to -----------------------------------------------------------------------------------------


def outcome(url: str, topic: str, partitions: int = PARTITIONS) -> dict[str, Any]:
    """All that a run leaves, but for the times by the clock on the wall and the topic's name."""
    with closing(open_store(url)) as store:
        incidents = store.incidents()
        starts = sorted({window.key.start for window in store.window_accounts()})
        places = [TopicPartition(topic, number) for number in range(partitions)]
        stored = store.positions(places)
        return {
            "windows": [(w.key, w.account, w.profile and w.profile.hash) for start in starts for w in store.windows(MODEL, start)],
            "results": [repr(result) for result in store.results()],  # a value may be NaN, which is not equal to itself
            "incidents": list(incidents),
            "history": [list(store.incident_events(incident.id)) for incident in incidents],
            "retrainings": list(store.retrainings()),
            "deliveries": [(d.id, d.receiver, d.kind, d.incident, d.state) for d in store.deliveries()],
            "streams": [(s.received, s.counted, s.late, s.duplicate, s.quarantined, s.untimed) for s in store.stream_counts()],
            "quarantine": [(q.entry.partition.partition, q.entry.offset, q.entry.reason) for q in store.quarantine()],
            "offsets": [stored[place].next_offset for place in places],
            "progress": store.progress(MODEL),
        }


def marked(url: str) -> set[str]:
    """The messages that are known to have been sent."""
    with closing(open_store(url)) as store:
        return {delivery.id for delivery in store.deliveries(state="sent")}


def attempts(url: str) -> dict[str, int]:
    """How often each delivery was claimed."""
    with closing(open_store(url)) as store:
        return {delivery.id: delivery.attempts for delivery in store.deliveries()}


def assert_same(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Name by name, so that a failure shows where."""
    for name, value in expected.items():
        if isinstance(value, list):
            assert len(found[name]) == len(value), name
            for one, other in zip(found[name], value, strict=True):
                assert one == other, f"{name}: {one} is not {other}"
        assert found[name] == value, name


def assert_told(told: Counter[str], url: str, expected: Sequence[tuple[Any, ...]]) -> Counter[str]:
    """Every expected message came, none else, none more often than it was claimed; the messages that came twice or more."""
    assert set(told) == {delivery[0] for delivery in expected}
    claimed = attempts(url)
    assert all(times <= claimed[id] for id, times in told.items()), (told, claimed)
    return Counter({id: times - 1 for id, times in told.items() if times > 1})


def psql(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Ask PostgreSQL itself."""
    with psycopg.connect(parse_url(url).set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True) as connection:
        done = connection.execute(statement)  # type: ignore[call-overload]
        return done.fetchall() if done.description else []
