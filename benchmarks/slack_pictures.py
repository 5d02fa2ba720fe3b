"""The pictures of Slack in ``docs/pictures``: what the flights demo's months make driftd tell, by its own code, without a broker.

``python -m benchmarks slack_pictures``: flights of spring 2013 with ``dep_delay`` in seconds for a week go through reader, judge, labelling
and outbox into a server that speaks Slack's API; the painted PNGs are kept as they were uploaded, and with ``--browser`` Chromium shows the
messages' Block Kit. Also told: how long a picture takes in a cold and in a warm worker, its size, and what it leaves in this process.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from benchmarks.slack_look import page
from monitor.core.incidents import IncidentState, acknowledge
from monitor.core.messages import from_body
from monitor.core.picture import Picture
from monitor.core.schema import rfc3339
from monitor.demo.child import run_command
from monitor.demo.config import SLACK_TOKEN, Addresses, Folder, write_config, write_secrets
from monitor.demo.flights import load_flights
from monitor.demo.producer import break_upstream, events_of
from monitor.demo.scenario import LABELS_TOPIC, MODEL, MODEL_VERSION, PREDICTIONS_TOPIC, flights_of_spring
from monitor.demo.slack_server import SlackPost, SlackServer
from monitor.demo.trainer import predict, train
from monitor.doubles.log import MemoryLog
from monitor.memory import resident_bytes
from monitor.metrics import Metrics
from monitor.notify import Dispatcher, receivers_of
from monitor.pipeline import Judge, Labelling, Pace, Reader, References, Reviser, Routes, Telling
from monitor.pipeline.keptids import MOST_BYTES
from monitor.ports import PICTURE, Store, TopicPartition
from monitor.prepare import prepare
from monitor.reports import WorkerPainter
from monitor.settings import load_settings
from monitor.storage import open_store

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
PAGE_URL = "https://driftd.example.com"
SCOPES = {"chat:write", "files:write", "channels:history", "channels:read"}
LATE = timedelta(hours=5)
ACKNOWLEDGED = datetime(2013, 4, 4, 12, tzinfo=UTC)
BY = "ann"


@dataclass
class EventClock:
    """The wall clock stands where the flights are."""

    at: datetime = datetime(2013, 3, 1, tzinfo=UTC)
    ticks: float = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.ticks


@dataclass
class Seen:
    """Every state of every message, and the pictures by the thread they are in."""

    states: dict[str, list[SlackPost]] = field(default_factory=dict)

    def take(self, post: SlackPost) -> None:
        self.states.setdefault(post.ts, []).append(post)


def go(folder: Folder, slack: SlackServer, stack: ExitStack) -> Store:
    """The months, a few hours at a time."""
    scenario, flights = flights_of_spring(), load_flights()
    trained = train(flights.between(scenario.reference_start, scenario.start))
    assert scenario.fault is not None
    upstream = break_upstream(flights.between(scenario.start, scenario.produce_until), scenario.fault)
    events = events_of(predict(trained.pipeline, upstream))
    trained.reference.rename(columns={"departed_at": "ts"}).drop(columns="arrived_at").to_parquet(folder.reference, index=False)
    write_config(folder, Addresses(bootstrap_servers="127.0.0.1:9", port=8766, slack_api=slack.url, retrain_url="http://127.0.0.1:9/"))
    run_command(["reference", "build", str(folder.config), MODEL, "--data", str(folder.reference), "--version", MODEL_VERSION,
                 "--time-column", "ts"])
    settings = load_settings(folder.config)
    store = stack.enter_context(closing(open_store(settings.store)))
    models, clock, metrics = prepare(settings, folder.config, store), EventClock(), Metrics()
    references = References(store, clock)
    log = MemoryLog({PREDICTIONS_TOPIC: 1, LABELS_TOPIC: 1})
    reader = Reader(source=log, store=store, models=models, references=references, clock=clock, metrics=metrics,
                    pace=Pace(every=timedelta(seconds=1), max_rows=1_000_000, poll_timeout=0.0, out_of_range=settings.kafka.out_of_range))
    telling = Telling({MODEL: Routes(people=("slack",), page_url=PAGE_URL, pictures=frozenset({"slack"}))})
    judge = Judge(store=store, models=models, references=references, clock=clock, metrics=metrics, telling=telling,
                  partitions=lambda: reader.partitions)
    reviser = Reviser(store=store, references=references, clock=clock, metrics=metrics, telling=telling)
    labelling = Labelling(store=store, models=models, reviser=reviser, clock=clock, metrics=metrics, partitions=lambda: reader.partitions,
                          id_bytes=MOST_BYTES)
    painter = stack.enter_context(closing(WorkerPainter()))
    (bot,) = (receiver for receiver in receivers_of(settings, clock, painter) if receiver.name == "slack")
    dispatcher = Dispatcher(store=store, receivers=[bot], clock=clock, owner="pictures")
    at, acknowledged = 0, False
    while at < len(events):
        clock.at += LATE
        clock.ticks += LATE.total_seconds()
        while at < len(events) and events[at].at < clock.at:
            log.append(TopicPartition(events[at].topic, 0), events[at].value, timestamp=int(events[at].at.timestamp() * 1000))
            at += 1
        while not reader.assigned or not reader.at_end(log.ends(sorted(reader.assigned))):
            reader.step()
        reader.checkpoint()
        judge.sweep()
        labelling.sweep()
        opened = store.open_incident(MODEL)
        if not acknowledged and clock.at >= ACKNOWLEDGED and opened is not None and opened.state is IncidentState.FIRING:
            step = acknowledge(opened, by=BY, at=clock.at)
            assert step.incident is not None
            acknowledged = store.save_incident(step.incident, step.events[0], telling.person(step))
        dispatcher.run_once()
    return store


def measure(pictures: list[Picture]) -> None:
    """Cold, warm, bytes, and this process."""
    before = resident_bytes() or 0
    with closing(WorkerPainter()) as painter:
        for name in ("cold", "warm"):
            began = time.monotonic()
            png = painter.paint(pictures[0])
            print(f"{name}: {time.monotonic() - began:.2f} s, {len(png):,} bytes, data {len(msgspec.json.encode(pictures[0])):,} bytes")
        began = time.monotonic()
        for picture in pictures:
            painter.paint(picture)
        print(f"{len(pictures)} more: {(time.monotonic() - began) / len(pictures):.2f} s each")
        print("the worker:", Path(f"/proc/{painter._worker.pid}/status").read_text().partition("VmRSS:")[2].split("\n")[0].strip())
    print(f"this process: {((resident_bytes() or 0) - before) / 1e6:+.1f} MB; matplotlib imported: {'matplotlib' in sys.modules}")


NAMES = ("slack-picture", "slack-picture-decay")
"""Of the pictures, in the order in which the incidents fire: a unit change, then a decay."""
TOLD = "slack-message"


def main() -> None:
    seen = Seen()
    with ExitStack() as stack:
        folder = Folder(root=Path(stack.enter_context(tempfile.TemporaryDirectory())))
        write_secrets(folder)
        slack = stack.enter_context(closing(SlackServer(token=SLACK_TOKEN, on_message=seen.take, scopes=SCOPES)))
        store = go(folder, slack, stack)
        print(Counter((row.kind, row.state) for row in store.deliveries()))
        for incident in store.incidents(model=MODEL):
            print(rfc3339(incident.since), incident.state, incident.cause)
        first = [ts for ts, states in sorted(seen.states.items()) if states[0].thread_ts is None]
        for name, ts in zip(NAMES, first, strict=True):
            for post in thread_of(seen, ts):
                for file in post.body.get("files", ()):
                    (PICTURES / f"{name}.png").write_bytes(slack.files[file["id"]].content or b"")
        if "--browser" in sys.argv:
            states = seen.states[first[0]]
            acknowledged = next(state for state in states if state.edits)
            told = [post for post in thread_of(seen, first[0]) if post.body.get("files")]
            html = folder.root / f"{TOLD}.html"
            html.write_text(page(acknowledged, told, slack.files))
            shot(html, PICTURES / f"{TOLD}.png")
        measure([from_body(body, Picture) for body in bodies(store)])


def thread_of(seen: Seen, ts: str) -> list[SlackPost]:
    """What was answered to a message, as it stands."""
    return [states[-1] for states in seen.states.values() if states[0].thread_ts == ts]


def bodies(store: Store) -> list[dict[str, object]]:
    from sqlalchemy import select

    from monitor.storage.tables import deliveries

    with store._db.read() as connection:  # type: ignore[attr-defined]
        return [row.body for row in connection.execute(select(deliveries.c.body).where(deliveries.c.kind == PICTURE))]


def shot(html: Path, png: Path) -> None:
    """By Chromium, without the white below."""
    from PIL import Image, ImageChops

    subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1.5",
                    "--window-size=830,1600", f"--screenshot={png}", html.as_uri()], check=True, capture_output=True, timeout=300)
    whole = Image.open(png).convert("RGB")
    box = ImageChops.difference(whole, Image.new("RGB", whole.size, "white")).getbbox() or (0, 0, *whole.size)
    whole.crop((0, 0, whole.width, box[3] + 30)).save(png, optimize=True)


if __name__ == "__main__":
    main()
