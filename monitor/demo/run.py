"""MAIN PATH of the demo: set the stage, send the flights in fast motion, tell what the daemon makes of them."""

from __future__ import annotations

import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic

from monitor.demo.broker import create_topics
from monitor.demo.config import Folder
from monitor.demo.follow import Follower
from monitor.demo.prepare import TOPICS, Stage, set_stage, where_slack_goes, write_script
from monitor.demo.producer import Pace, Publisher
from monitor.demo.scenario import DAY, MODEL_VERSION, NEW_VERSION, Scenario, flights_of_spring
from monitor.demo.story import shortcomings
from monitor.demo.terminal import Terminal
from monitor.errors import Permanent, UsageError

LOOK_EVERY = 0.25
"""Seconds between two looks at the daemon."""

SETTLED_WITHIN = 60.0
"""Seconds after the last message until everything must be judged, resolved and delivered."""

TRAINED_WITHIN = 60.0
"""Seconds that the flights' time stands still at most: the request must come, and training take place, within them."""

EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person may choose. ``folder``: where the files go; None makes a temporary one."""

    port: int
    until_done: bool
    folder: Path | None
    pace: Pace


def run_demo(options: Options) -> int:
    """Everything on this machine. Returns the exit code: 0 when the story went as announced."""
    terminal, scenario = Terminal(), flights_of_spring()
    ensure_free(options.port)
    folder = new_folder(options.folder)
    with stop_on_signal() as stop, ExitStack() as closing:
        stage = set_stage(terminal, scenario, folder, options.port, stop, closing)
        follower = Follower(stage.page, terminal, scenario, stage.script.labelled)
        _announce(terminal, scenario, stage)
        with publishing(stage.bootstrap_servers, partial(_produce, stage, options.pace, stop, terminal), stop) as sent:
            _follow(follower, stage, sent, stop, options, terminal)
        if stop.is_set() and not follower.is_done:
            terminal.say("Stopped before the end.")
            return EXIT_INTERRUPTED
        return _conclude(terminal, follower, stage, folder)


def produce_only(bootstrap_servers: str, folder: Path | None, pace: Pace) -> int:
    """Send the flights to a Kafka of one's own, and leave the reference data in ``folder``."""
    terminal, scenario = Terminal(), flights_of_spring()
    reference = (folder or Path.cwd()) / Folder(root=Path()).reference
    reference.parent.mkdir(parents=True, exist_ok=True)
    with stop_on_signal() as stop:
        script = write_script(terminal, scenario, reference)
        terminal.say(f"The reference data is in {reference}.")
        create_topics(bootstrap_servers, TOPICS)
        with terminal.step("Production") as note:
            publisher = Publisher(bootstrap_servers)
            for events in (script.before(), script.after()):
                publisher.publish(events, pace, stop, lambda _: None)
            note.text = ", ".join(f"{count:,} messages to {topic}" for topic, count in publisher.delivered.items())
        return EXIT_INTERRUPTED if stop.is_set() else EXIT_DONE


@contextmanager
def publishing(bootstrap_servers: str, produce: Callable[[Publisher], None], stop: threading.Event) -> Iterator[Future[None]]:
    """Send in a thread of its own; leaving the block ends the thread."""
    with ThreadPoolExecutor(1, thread_name_prefix="producer") as pool:
        publisher = Publisher(bootstrap_servers)
        try:
            yield pool.submit(produce, publisher)
        except BaseException:
            stop.set()
            raise


def _produce(stage: Stage, pace: Pace, stop: threading.Event, terminal: Terminal, publisher: Publisher) -> None:
    """All flights; their time stands still on the day on which a new version may join in, until there is one."""
    publisher.publish(stage.script.before(), pace, stop, lambda _: None)
    until = monotonic() + TRAINED_WITHIN
    while not (stage.retrainer.done.is_set() or stop.wait(LOOK_EVERY)) and monotonic() < until:
        pass
    if stage.retrainer.pipeline is not None:
        terminal.note(f"From {stage.script.switch:%-d %B} version {NEW_VERSION} tells every second flight, beside {MODEL_VERSION}")
    publisher.publish(stage.script.after(stage.retrainer.pipeline), pace, stop, lambda _: None)


def _follow(follower: Follower, stage: Stage, sent: Future[None], stop: threading.Event, options: Options, terminal: Terminal) -> None:
    """Look until the end: of the story with --until-done, of the person's patience without."""
    told = False
    deadline = float("inf")
    while not stop.wait(LOOK_EVERY):
        stage.daemon.check()
        follower.look()
        if not sent.done():
            continue
        sent.result()
        deadline = min(deadline, monotonic() + SETTLED_WITHIN)
        if follower.is_done and options.until_done:
            return
        if follower.is_done and not told:
            told = True
            terminal.say(f"\nThat was spring. The page stays open at {stage.page.url} until you press Ctrl-C.")
        if not told and monotonic() > deadline:
            raise Permanent(f"not everything was judged and told within {SETTLED_WITHIN:.0f} s of the last flight: {follower.standing()}")


def _announce(terminal: Terminal, scenario: Scenario, stage: Stage) -> None:
    terminal.say(f"\nThe page: [bold]{stage.page.url}[/]   Slack: {where_slack_goes()}")
    if (fault := scenario.fault) is not None:
        week = f"{fault.start:%-d}–{fault.end - DAY:%-d %B}"
        terminal.say(f"March to mid-May of 2013 go by. From {week} an upstream release sends {fault.column} in seconds, not minutes.\n")


def _conclude(terminal: Terminal, follower: Follower, stage: Stage, folder: Folder) -> int:
    unsigned = sum(not call.signed for call in stage.webhooks.calls)
    outcome = follower.outcome(stage.script.within, unsigned)
    missing = shortcomings(outcome)
    terminal.summary(outcome, missing)
    terminal.say(f"   look closer: driftd incidents list {folder.config}")
    return EXIT_FAILED if missing else EXIT_DONE


def ensure_free(port: int) -> None:
    """Raises UsageError when somebody listens on that port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as taken:
            raise UsageError(f"port {port} of this machine is taken ({taken.strerror}): choose another with --port") from taken


def new_folder(chosen: Path | None) -> Folder:
    """An empty place for the demo's files. Raises UsageError where an earlier demo has left its store."""
    if chosen is None:
        return Folder(root=Path(tempfile.mkdtemp(prefix="driftd-demo-")))
    folder = Folder(root=chosen.resolve())
    if folder.store.exists():
        raise UsageError(f"{folder.root} holds the store of an earlier demo ({folder.store.name}): remove it or choose another --dir")
    folder.root.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM ask to stop within the block; a second one interrupts."""
    stop = threading.Event()

    def asked(_number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
