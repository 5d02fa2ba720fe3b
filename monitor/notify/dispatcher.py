"""The dispatcher: takes due deliveries from the outbox, sends them, and marks them only after success."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast

from monitor import failpoints
from monitor.errors import Gone, Permanent, Retryable
from monitor.failpoints import Point
from monitor.log import Action, logger, redact
from monitor.notify.backoff import LONGEST, wait
from monitor.ports import Clock, Delivery, Grouping, GroupingReceiver, OutboxStore, Receipt, Receiver

LEASE = timedelta(seconds=60)
"""So long a delivery is ours; longer than a ``send`` may take by default (three calls of 15 s), so that nobody sends it beside us."""

BATCH = 50
"""Deliveries of one receiver in one call of ``dispatch``; they are claimed one by one, so that no lease runs out in a queue."""
ROUND = 30.0
"""Seconds after which a call of ``dispatch`` takes no further delivery: a receiver that hangs is no job that hangs."""

ORPHANED = timedelta(hours=1)
"""A delivery whose receiver nobody has configured for so long is given up; replicas may get their configuration one after the other."""

ERROR_LIMIT = 300

log = logger(__name__)


class Outcome(StrEnum):
    """What became of one delivery in one attempt."""

    SENT = "sent"
    POSTPONED = "postponed"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One delivery's part in an attempt, for the metrics. ``seconds`` is how long the receiver took, for all that went out together."""

    receiver: str
    kind: str
    outcome: Outcome
    seconds: float


class Dispatcher:
    """Sends what the store holds for each receiver.

    ``dispatch`` of different receivers may run in different threads, so that a slow one delays no other; of the same
    receiver, one at a time: a second call returns at once. ``owner`` names this process in leases. ``seen`` is told every attempt.

    A receiver that can is told many deliveries that begin at once in one message (see ``Grouping``). One that asks for it gets no two
    messages within its ``min_interval``, and one that answered with ``Retry-After`` gets none at all before then.
    """

    def __init__(
        self,
        store: OutboxStore,
        receivers: Sequence[Receiver],
        clock: Clock,
        owner: str,
        *,
        lease: timedelta = LEASE,
        seen: Callable[[Attempt], None] | None = None,
    ) -> None:
        self._store = store
        self._workers = {receiver.name: _Worker(receiver) for receiver in receivers}
        if len(self._workers) != len(receivers):
            raise ValueError(f"receivers' names are not unique: {sorted(receiver.name for receiver in receivers)}")
        self._clock = clock
        self._owner = owner
        self._lease = lease.total_seconds()
        self._seen = seen
        self._stopped = threading.Event()

    @property
    def receivers(self) -> tuple[str, ...]:
        """Their names; one job each."""
        return tuple(self._workers)

    @property
    def disabled(self) -> Mapping[str, str]:
        """The receivers that want nothing more, and why: what is due for them is buried without a call, for as long as we run."""
        return {name: worker.gone for name, worker in self._workers.items() if worker.gone is not None}

    def run_once(self) -> int:
        """One round over all receivers, one after the other; how many deliveries were attempted."""
        return sum(map(self.dispatch, self._workers))

    def dispatch(self, receiver: str) -> int:
        """Attempt what is due for one receiver; how many deliveries that were. Raises Retryable when the store is away.

        Raises KeyError for an unknown receiver.
        """
        if receiver not in self._workers:
            raise KeyError(f"unknown receiver {receiver!r}, expected one of {sorted(self._workers)}")
        worker = self._workers[receiver]
        if not worker.busy.acquire(blocking=False):
            return 0
        try:
            return self._work(worker, worker.grouping)
        finally:
            worker.busy.release()

    def drain(self, seconds: float) -> int:
        """Deliver until nothing is left that can go out within so many seconds; how many deliveries are still waiting.

        Waits for retries that come due in time; nothing waits for others any more, as what is to be told is there. Receivers work
        side by side; one that is still sending at the deadline is left behind: its lease runs out and it is sent again. Raises
        Retryable when the store is away.
        """
        deadline = self._clock.monotonic() + seconds
        threads = [threading.Thread(target=self._drain_one, args=(worker, deadline), daemon=True) for worker in self._workers.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(deadline - self._clock.monotonic(), 0.0))
        for worker in self._workers.values():
            if worker.error is not None:
                error, worker.error = worker.error, None
                raise error
        return self._store.outbox_depth().get("pending", 0)

    def bury_orphans(self) -> int:
        """Give up what waits for a receiver that is not configured any more; how many deliveries. Raises Retryable."""
        now, buried = self._clock.now(), 0
        for receiver, oldest in self._store.outbox_oldest().items():
            if receiver in self._workers or now - oldest < ORPHANED:
                continue
            for delivery in self._store.claim(receiver, owner=self._owner, lease=self._lease, limit=BATCH, now=now):
                self._give_up(delivery, f"no receiver {receiver} is configured any more")
                buried += 1
        return buried

    def stop(self) -> None:
        """Take nothing new: what is being sent now is finished, waits end. Safe from any thread."""
        self._stopped.set()

    def close(self) -> None:
        """Stop, and close the receivers."""
        self.stop()
        for worker in self._workers.values():
            worker.receiver.close()

    def _drain_one(self, worker: _Worker, deadline: float) -> None:
        try:
            while not self._stopped.is_set() and self._clock.monotonic() < deadline:
                if self._hurry(worker):
                    continue
                pause = self._pause(worker)
                if pause is None or self._clock.monotonic() + pause >= deadline:
                    return
                self._stopped.wait(pause)
        except Exception as error:  # carried to the caller of drain: a thread must not die in silence
            worker.error = error

    def _pause(self, worker: _Worker) -> float | None:
        """Seconds until the next retry that this process postponed; None: there is none. A retry is waited for once."""
        if not worker.retries:
            return None
        id, due = min(worker.retries.items(), key=lambda retry: retry[1])
        pause = (due - self._clock.now()).total_seconds()
        if pause <= 0:
            del worker.retries[id]
        return max(pause, 0.0)

    def _hurry(self, worker: _Worker) -> int:
        """As ``dispatch``, and the first of a burst waits for no others."""
        if not worker.busy.acquire(blocking=False):
            return 0
        try:
            return self._work(worker, None if worker.grouping is None else replace(worker.grouping, wait=timedelta(0)))
        finally:
            worker.busy.release()

    def _work(self, worker: _Worker, grouping: Grouping | None) -> int:
        self._settle(worker)
        ends, done = self._clock.monotonic() + ROUND, 0
        while done < BATCH and not self._stopped.is_set() and self._clock.monotonic() <= ends and not worker.held(self._clock.now()):
            claimed = self._claim(worker, grouping)
            if not claimed:
                break
            self._keep_apart(worker)
            self._attempt(worker, claimed)
            done += len(claimed)
        return done

    def _claim(self, worker: _Worker, grouping: Grouping | None) -> Sequence[Delivery]:
        """The next message's deliveries: many that go out together, or one."""
        name, now = worker.receiver.name, self._clock.now()
        if grouping is not None:
            together = self._store.claim_group(name, owner=self._owner, lease=self._lease, now=now, grouping=grouping)
            if together:
                return together
        return self._store.claim(name, owner=self._owner, lease=self._lease, limit=1, now=now, grouping=grouping)

    def _keep_apart(self, worker: _Worker) -> None:
        """Not sooner after the last message than the receiver takes one; a stop is not held up."""
        if worker.last is not None and worker.gone is None:
            pause = worker.last + worker.min_interval - self._clock.monotonic()
            if pause > 0:
                self._stopped.wait(pause)

    def _attempt(self, worker: _Worker, deliveries: Sequence[Delivery]) -> None:
        began = self._clock.monotonic()
        outcomes = self._outcomes(worker, deliveries)
        if self._seen is not None:
            seconds = self._clock.monotonic() - began
            for delivery, outcome in zip(deliveries, outcomes, strict=True):
                self._seen(Attempt(receiver=delivery.receiver, kind=delivery.kind, outcome=outcome, seconds=seconds))

    def _outcomes(self, worker: _Worker, deliveries: Sequence[Delivery]) -> list[Outcome]:
        if worker.gone is not None:
            return self._bury(worker, deliveries, worker.gone)
        try:
            failpoints.at(Point.DELIVERY_CLAIMED)
            receipt = worker.send(deliveries, self._clock)
        except Retryable as error:
            return self._postpone(worker, deliveries, redact(str(error)), error.retry_after)
        except Gone as error:
            self._disable(worker)
            return self._bury(worker, deliveries, redact(str(error)))
        except Permanent as error:
            return self._bury(worker, deliveries, redact(str(error)))
        except Exception as error:  # a fault of ours must not stop the others; its text might hold a secret, so only its place is told
            place = traceback.extract_tb(error.__traceback__)[-1]
            log.error("a receiver broke", action=Action.JOB_FAILED, receiver=worker.receiver.name, delivery=_name(deliveries),
                      error=type(error).__name__, file=place.filename.rsplit("/", 1)[-1], line=place.lineno)
            return self._postpone(worker, deliveries, type(error).__name__, None)
        failpoints.at(Point.DELIVERY_AFTER_SEND)
        worker.sent.append((deliveries, receipt))
        self._settle(worker)
        return [Outcome.SENT] * len(deliveries)

    def _settle(self, worker: _Worker) -> None:
        """Mark what was sent. When the store is away it stays noted here and is marked, not sent again, once it is back."""
        while worker.sent:
            deliveries, receipt = worker.sent[0]
            self._mark(deliveries, receipt)
            worker.sent.pop(0)
            failpoints.at(Point.DELIVERY_MARKED)
            for delivery in deliveries:
                worker.retries.pop(delivery.id, None)
                log.info("delivered", action=Action.DELIVERY_SENT, receiver=delivery.receiver, kind=delivery.kind,
                         delivery=delivery.id, incident=delivery.incident, together=delivery.together,
                         attempts=delivery.attempts + 1, detail=receipt.detail)

    def _mark(self, deliveries: Sequence[Delivery], receipt: Receipt) -> None:
        now = self._clock.now()
        if len(deliveries) == 1:
            self._store.delivered(deliveries[0], receipt, now)
        else:
            self._store.delivered_together(deliveries, receipt, now)

    def _postpone(self, worker: _Worker, deliveries: Sequence[Delivery], error: str, retry_after: float | None) -> list[Outcome]:
        """All that went out together go out together again, at one time."""
        failures, now = max(delivery.attempts for delivery in deliveries) + 1, self._clock.now()
        worker.hold(retry_after, now)
        pause = wait(_name(deliveries), failures, retry_after)
        if pause is None:
            return self._bury(worker, deliveries, f"given up after {failures} attempts: {error}")
        until = now + pause
        for delivery in deliveries:
            self._store.postponed(delivery, error[:ERROR_LIMIT], until)
            worker.retries[delivery.id] = until
            log.warning("delivery postponed", action=Action.DELIVERY_POSTPONED, receiver=delivery.receiver, kind=delivery.kind,
                        delivery=delivery.id, incident=delivery.incident, together=delivery.together, attempts=failures,
                        until=until.isoformat(), error=error)
        return [Outcome.POSTPONED] * len(deliveries)

    def _disable(self, worker: _Worker) -> None:
        at = self._clock.now().isoformat(timespec="seconds")
        worker.gone = f"{worker.receiver.name} answered 410 Gone at {at}; nothing more is sent to it until driftd is started again"
        log.error("a receiver wants nothing more", action=Action.RECEIVER_DISABLED, receiver=worker.receiver.name, detail=worker.gone)

    def _bury(self, worker: _Worker, deliveries: Sequence[Delivery], error: str) -> list[Outcome]:
        for delivery in deliveries:
            self._give_up(delivery, error)
            worker.retries.pop(delivery.id, None)
        return [Outcome.DEAD] * len(deliveries)

    def _give_up(self, delivery: Delivery, error: str) -> None:
        self._store.dead(delivery, error[:ERROR_LIMIT], self._clock.now())
        log.error("delivery given up", action=Action.DELIVERY_DEAD, receiver=delivery.receiver, kind=delivery.kind,
                  delivery=delivery.id, incident=delivery.incident, attempts=delivery.attempts + 1, error=error)


class _Worker:
    """One receiver with what this process knows of its deliveries: sent but not marked, and the times of its retries.

    ``last``: when it was sent to, by the monotonic clock.
    """

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.grouping: Grouping | None = getattr(receiver, "grouping", None)
        self.min_interval = float(getattr(receiver, "min_interval", 0.0))
        self.busy = threading.Lock()
        self.sent: list[tuple[Sequence[Delivery], Receipt]] = []
        self.retries: dict[str, datetime] = {}
        self.last: float | None = None
        self.error: Exception | None = None
        self.gone: str | None = None
        self._hold: tuple[datetime, timedelta] | None = None

    def send(self, deliveries: Sequence[Delivery], clock: Clock) -> Receipt:
        """In one message; the next one is kept apart from it, unless nothing was posted."""
        before, posted = self.last, True
        try:
            receipt = self._send(deliveries)
            posted = receipt.posted
            return receipt
        finally:
            self.last = clock.monotonic() if posted else before

    def _send(self, deliveries: Sequence[Delivery]) -> Receipt:
        """What was in a group of a receiver that groups no more goes out alone."""
        if self.grouping is None or deliveries[0].together is None:
            return self.receiver.send(deliveries[0])
        return cast(GroupingReceiver, self.receiver).send_group(deliveries)

    def hold(self, seconds: float | None, now: datetime) -> None:
        """The receiver asked for so much patience, of all that goes to it; None: it did not."""
        if seconds is not None:
            pause = min(timedelta(seconds=min(seconds, LONGEST.total_seconds())), LONGEST)
            self._hold = (now + pause, pause)

    def held(self, now: datetime) -> bool:
        """Whether it is still to be left alone. Where the wall clock was set back since, it is not: nobody waits for a clock."""
        return self._hold is not None and timedelta(0) < self._hold[0] - now <= self._hold[1]


def _name(deliveries: Sequence[Delivery]) -> str:
    """What a message is known by: the group's id, or the delivery's own."""
    return deliveries[0].together or deliveries[0].id
