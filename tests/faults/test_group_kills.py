"""A process that dies while it sends one message for many incidents; and any order of claims, sends, failures and deaths."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from monitor.core.incidents import NotifyKind
from monitor.demo.slack_server import CHAT, SlackServer
from monitor.doubles.store import MemoryStore
from monitor.errors import Permanent, Retryable
from monitor.failpoints import VARIABLE
from monitor.notify import Dispatcher
from monitor.notify.dispatcher import LEASE
from monitor.notify.slack import SlackBot
from monitor.notify.slack_group import KINDS
from monitor.ports import Delivery, Grouping, Judgement, Message, Receipt
from monitor.settings.secret import Secret
from tests.faults.outbox import Outbox, told

TOKEN, CHANNEL = "xoxb-1234-very-secret", "#ml-alerts"
ALL = CHAT | {"channels:history", "channels:read"}
RULE = Grouping(kinds=tuple(KINDS), wait=timedelta(seconds=10), at=5)
START = datetime(2013, 7, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


# --- a process that is killed --------------------------------------------------------------------------------

SEND = """
import sys
from pathlib import Path
from monitor import failpoints
from monitor.clock import SystemClock
from monitor.notify import Dispatcher, receivers_of
from monitor.settings import load_settings
from monitor.storage import open_store
failpoints.arm_from_environment()
settings = load_settings(Path(sys.argv[1]))
Dispatcher(open_store(settings.store), receivers_of(settings, SystemClock()), SystemClock(), "killed").run_once()
"""


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    server = SlackServer(token=TOKEN, scopes=ALL)
    yield server
    server.close()


@pytest.mark.fault(1, 13, 18)
@pytest.mark.parametrize(("point", "scopes", "before", "after"), [
    ("delivery.claimed", ALL, 0, 1), ("delivery.claimed", CHAT, 0, 1),
    ("delivery.after_send", ALL, 1, 1), ("delivery.after_send", CHAT, 1, 2),
])
def test_a_process_killed_in_a_group_loses_no_member_and_doubles_nothing_that_can_be_looked_up(
    tmp_path: Path, slack: SlackServer, point: str, scopes: frozenset[str], before: int, after: int
) -> None:
    slack.scopes, outbox, path = scopes, Outbox(tmp_path), tmp_path / "driftd.yaml"
    path.write_text(
        f"store: {outbox.url}\nkafka: {{bootstrap_servers: 'localhost:9'}}\n"
        f"slack: {{token: {TOKEN}, channel: '{CHANNEL}', api_url: '{slack.url}', group_wait: 0s}}\n"
        "models: {m: {task: binary, window: 1d, streams: {predictions: {topic: t, time: ts, prediction: p}}, columns: {x: numeric}}}\n"
    )
    outbox.put(*(firing(n) for n in range(6)))
    done = subprocess.run([sys.executable, "-c", SEND, str(path)], env={**os.environ, VARIABLE: f"{point}=kill@1"}, capture_output=True,
                          timeout=60, check=False)
    assert (done.returncode, len(slack.posts), Counter(outbox.states)) == (-9, before, {"pending": 6}), done.stderr[-2000:]
    outbox.put(*(firing(n) for n in range(6, 12)))
    outbox.clock.catch_up()
    outbox.clock.seconds += LEASE.total_seconds() + 1
    bot = SlackBot(token=Secret(text=TOKEN), channel=CHANNEL, api_url=slack.url, timeout=5.0, clock=outbox.clock, grouping=RULE)
    assert Dispatcher(outbox.store, [bot], outbox.clock, "me").run_once() == 12
    assert Counter(outbox.states) == {"sent": 12}
    payloads = [post.body["metadata"]["event_payload"] for post in slack.posts]
    assert [payload["incidents"] for payload in payloads] == [6] * (after + 1)
    assert len({payload["delivery"] for payload in payloads}) == 2, "two messages, however often the first one was posted"
    outbox.store.close()


def firing(n: int, kind: NotifyKind = NotifyKind.FIRING) -> Message:
    return Message(receiver="slack", kind=kind, dedupe=f"{kind}:{n}", incident=f"inc_{n}", body=told(kind))


# --- any order -----------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process dies: nothing of ours catches it."""


class Channel:
    """A receiver that remembers what it was sent, finds again what an earlier attempt has posted, and meets one fate a call.

    ``posts``: by the id of a message, the deliveries that it told, once for every time that it was posted.
    """

    name = "slack"
    grouping = RULE

    def __init__(self) -> None:
        self.posts: dict[str, list[tuple[str, ...]]] = {}
        self.order: list[tuple[str, str]] = []
        self.fates: list[str] = []

    def send(self, delivery: Delivery) -> Receipt:
        return self._meet(delivery.id, (delivery,), delivery.thread or f"C1:{delivery.id}")

    def send_group(self, deliveries: Sequence[Delivery]) -> Receipt:
        assert len({(each.kind, each.thread, each.together) for each in deliveries}) == 1
        together = deliveries[0].together
        assert together is not None
        return self._meet(together, deliveries, deliveries[0].thread or f"C1:{together}:shared")

    def close(self) -> None:
        pass

    def _meet(self, id: str, told: Sequence[Delivery], thread: str) -> Receipt:
        fate = self.fates.pop(0) if self.fates else "well"
        if fate == "killed before":
            raise Killed
        if fate == "refused":
            raise Retryable("503")
        if fate == "slow down":
            raise Retryable("429", retry_after=30)
        if not (id in self.posts and any(each.attempts for each in told)):  # the look-up of an attempt that is not the first
            self.posts.setdefault(id, []).append(tuple(each.id for each in told))
            self.order += [(each.incident or "", each.kind) for each in told]
        if fate == "killed after":
            raise Killed
        if fate == "answer lost":
            raise Retryable("the connection failed")
        if fate == "broken":
            raise ZeroDivisionError
        return Receipt(thread=thread)


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


FATES = st.sampled_from(["well", "well", "refused", "slow down", "answer lost", "broken", "killed before", "killed after"])


class Crowds(RuleBasedStateMachine):
    """Incidents begin, go on and end in bursts of any size; two processes send, fail and die in any order."""

    @initialize()
    def begin(self) -> None:
        self.store, self.clock, self.channel = MemoryStore(), Hands(), Channel()
        self.processes: list[Any] = [self._process(n) for n in range(2)]
        self.open: list[int] = []
        self.made, self.reminders, self.hours = 0, 0, 0

    def _process(self, n: int) -> Dispatcher:
        return Dispatcher(self.store, [self.channel], self.clock, f"process {n}")

    def _put(self, kind: NotifyKind, numbers: Sequence[int], dedupe: str = "") -> None:
        messages = [Message(receiver="slack", kind=kind, dedupe=f"{kind}:{n}{dedupe}", incident=f"inc_{n}", body={}) for n in numbers]
        before = START + self.hours * HOUR if self.hours else None
        self.hours += 1
        assert self.store.record(Judgement(model="m", judged_until=START + self.hours * HOUR, previous=before, results=(),
                                           messages=tuple(messages), at=self.clock.now()))

    @rule(count=st.integers(1, 9))
    def fire(self, count: int) -> None:
        numbers = range(self.made, self.made + count)
        self.made += count
        self.open += numbers
        self._put(NotifyKind.FIRING, numbers)

    @rule(count=st.integers(1, 9))
    def remind(self, count: int) -> None:
        self.reminders += 1
        self._put(NotifyKind.REPEAT, self.open[:count], f":{self.reminders}")

    @rule(count=st.integers(1, 9))
    def resolve(self, count: int) -> None:
        over, self.open = self.open[:count], self.open[count:]
        self._put(NotifyKind.RESOLVED, over)

    @rule(process=st.integers(0, 1), fates=st.lists(FATES, max_size=4), seconds=st.sampled_from([1.0, 5.0, 10.0, 61.0, 400.0]))
    def dispatch(self, process: int, fates: list[str], seconds: float) -> None:
        self.clock.seconds += seconds
        self.channel.fates = list(fates)
        try:
            self.processes[process].run_once()
        except Killed:
            self.processes[process] = self._process(process)
        self.channel.fates = []

    @rule(process=st.integers(0, 1))
    def drain(self, process: int) -> None:
        self.processes[process].drain(0.5)

    @invariant()
    def nothing_is_told_twice(self) -> None:
        if not hasattr(self, "channel"):
            return
        assert all(len(times) == 1 for times in self.channel.posts.values()), "a message was posted again"
        told = Counter(id for times in self.channel.posts.values() for id in times[0])
        assert set(told.values()) <= {1}, "a delivery is in two messages"

    def teardown(self) -> None:
        """In the end everything was told once, and every incident's beginning before its end."""
        if not hasattr(self, "channel"):
            return
        for _ in range(12):
            self.clock.seconds += 86_400
            for process in self.processes:
                process.run_once()
        self.nothing_is_told_twice()
        rows = self.store.deliveries()
        assert {row.state for row in rows} <= {"sent"}
        assert {row.id for row in rows} == {id for times in self.channel.posts.values() for id in times[0]}
        for n in range(self.made):
            kinds = [kind for incident, kind in self.channel.order if incident == f"inc_{n}"]
            assert kinds[0] == "firing"
            assert "resolved" not in kinds[:-1]


Crowds.TestCase.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
test_any_order_of_claims_sends_and_deaths_tells_each_incident_once = pytest.mark.fault(1, 18)(Crowds.TestCase)


def test_the_state_machine_would_see_a_message_that_is_sent_twice() -> None:
    """A receiver that does not look up what it posted breaks the promise; the invariant says so."""

    class Forgetful(Channel):
        def _meet(self, id: str, told: Sequence[Delivery], thread: str) -> Receipt:
            self.posts.setdefault(id, []).append(tuple(each.id for each in told))
            return super()._meet(id, told, thread)

    machine = Crowds()
    machine.begin()
    machine.channel = Forgetful()
    machine.processes = [machine._process(0), machine._process(1)]
    machine.fire(6)
    machine.dispatch(0, ["killed after"], 10.0)
    machine.dispatch(1, [], 61.0)
    with pytest.raises(AssertionError, match="posted again"):
        machine.nothing_is_told_twice()


def test_what_may_have_arrived_alone_is_in_no_group_afterwards() -> None:
    machine = Crowds()
    machine.begin()
    machine.fire(2)
    machine.dispatch(0, ["answer lost", "killed after"], 10.0)
    machine.fire(4)
    machine.dispatch(0, [], 10.0)
    machine.dispatch(0, [], 61.0)
    machine.nothing_is_told_twice()
    assert sorted(len(times[0]) for times in machine.channel.posts.values()) == [1] * 6
    machine.fire(5)
    machine.teardown()


def test_what_nobody_can_mend_is_given_up_with_its_whole_group() -> None:
    machine = Crowds()
    machine.begin()
    machine.channel._meet = lambda *_: (_ for _ in ()).throw(Permanent("is_archived"))  # type: ignore[method-assign]
    machine.fire(6)
    machine.dispatch(0, [], 10.0)
    assert Counter(row.state for row in machine.store.deliveries()) == {"dead": 6}
