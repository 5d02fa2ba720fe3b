"""The dispatcher: takes due deliveries from the outbox, sends them, and marks them only after success."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from monitor import failpoints
from monitor.errors import Gone, Permanent, Retryable
from monitor.failpoints import Point
from monitor.log import Action, logger, redact
from monitor.notify.backoff import wait
from monitor.ports import Clock, Delivery, OutboxStore, Receipt, Receiver

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
    """What became of one attempt."""

    SENT = "sent"
    POSTPONED = "postponed"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt, for the metrics. ``seconds`` is how long the receiver took."""

    receiver: str
    kind: str
    outcome: Outcome
    seconds: float


class Dispatcher:
    """Sends what the store holds for each receiver.

    ``dispatch`` of different receivers may run in different threads, so that a slow one delays no other; of the same
    receiver, one at a time: a second call returns at once. ``owner`` names this process in leases. ``seen`` is told every attempt.
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
            return self._work(worker)
        finally:
            worker.busy.release()

    def drain(self, seconds: float) -> int:
        """Deliver until nothing is left that can go out within so many seconds; how many deliveries are still waiting.

        Waits for retries that come due in time. Receivers work side by side; one that is still sending at the deadline is
        left behind: its lease runs out and it is sent again. Raises Retryable when the store is away.
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
                if self.dispatch(worker.receiver.name):
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

    def _work(self, worker: _Worker) -> int:
        self._settle(worker)
        ends = self._clock.monotonic() + ROUND
        for done in range(BATCH):
            if self._stopped.is_set() or self._clock.monotonic() > ends:
                return done
            claimed = self._store.claim(worker.receiver.name, owner=self._owner, lease=self._lease, limit=1, now=self._clock.now())
            if not claimed:
                return done
            self._attempt(worker, claimed[0])
        return BATCH

    def _attempt(self, worker: _Worker, delivery: Delivery) -> None:
        began = self._clock.monotonic()
        outcome = self._outcome(worker, delivery)
        if self._seen is not None:
            seconds = self._clock.monotonic() - began
            self._seen(Attempt(receiver=delivery.receiver, kind=delivery.kind, outcome=outcome, seconds=seconds))

    def _outcome(self, worker: _Worker, delivery: Delivery) -> Outcome:
        if worker.gone is not None:
            return self._bury(worker, delivery, worker.gone)
        try:
            failpoints.at(Point.DELIVERY_CLAIMED)
            receipt = worker.receiver.send(delivery)
        except Retryable as error:
            return self._postpone(worker, delivery, redact(str(error)), error.retry_after)
        except Gone as error:
            self._disable(worker)
            return self._bury(worker, delivery, redact(str(error)))
        except Permanent as error:
            return self._bury(worker, delivery, redact(str(error)))
        except Exception as error:  # a fault of ours must not stop the others; its text might hold a secret, so only its place is told
            place = traceback.extract_tb(error.__traceback__)[-1]
            log.error("a receiver broke", action=Action.JOB_FAILED, receiver=delivery.receiver, delivery=delivery.id,
                      error=type(error).__name__, file=place.filename.rsplit("/", 1)[-1], line=place.lineno)
            return self._postpone(worker, delivery, type(error).__name__, None)
        failpoints.at(Point.DELIVERY_AFTER_SEND)
        worker.sent.append((delivery, receipt))
        self._settle(worker)
        return Outcome.SENT

    def _settle(self, worker: _Worker) -> None:
        """Mark what was sent. When the store is away it stays noted here and is marked, not sent again, once it is back."""
        while worker.sent:
            delivery, receipt = worker.sent[0]
            self._store.delivered(delivery, receipt, self._clock.now())
            worker.sent.pop(0)
            failpoints.at(Point.DELIVERY_MARKED)
            worker.retries.pop(delivery.id, None)
            log.info("delivered", action=Action.DELIVERY_SENT, receiver=delivery.receiver, kind=delivery.kind,
                     delivery=delivery.id, incident=delivery.incident, attempts=delivery.attempts + 1, detail=receipt.detail)

    def _postpone(self, worker: _Worker, delivery: Delivery, error: str, retry_after: float | None) -> Outcome:
        pause = wait(delivery.id, delivery.attempts + 1, retry_after)
        if pause is None:
            return self._bury(worker, delivery, f"given up after {delivery.attempts + 1} attempts: {error}")
        until = self._clock.now() + pause
        self._store.postponed(delivery, error[:ERROR_LIMIT], until)
        worker.retries[delivery.id] = until
        log.warning("delivery postponed", action=Action.DELIVERY_POSTPONED, receiver=delivery.receiver, kind=delivery.kind,
                    delivery=delivery.id, incident=delivery.incident, attempts=delivery.attempts + 1, until=until.isoformat(), error=error)
        return Outcome.POSTPONED

    def _disable(self, worker: _Worker) -> None:
        at = self._clock.now().isoformat(timespec="seconds")
        worker.gone = f"{worker.receiver.name} answered 410 Gone at {at}; nothing more is sent to it until driftd is started again"
        log.error("a receiver wants nothing more", action=Action.RECEIVER_DISABLED, receiver=worker.receiver.name, detail=worker.gone)

    def _bury(self, worker: _Worker, delivery: Delivery, error: str) -> Outcome:
        self._give_up(delivery, error)
        worker.retries.pop(delivery.id, None)
        return Outcome.DEAD

    def _give_up(self, delivery: Delivery, error: str) -> None:
        self._store.dead(delivery, error[:ERROR_LIMIT], self._clock.now())
        log.error("delivery given up", action=Action.DELIVERY_DEAD, receiver=delivery.receiver, kind=delivery.kind,
                  delivery=delivery.id, incident=delivery.incident, attempts=delivery.attempts + 1, error=error)


class _Worker:
    """One receiver with what this process knows of its deliveries: sent but not marked, and the times of its retries."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.busy = threading.Lock()
        self.sent: list[tuple[Delivery, Receipt]] = []
        self.retries: dict[str, datetime] = {}
        self.error: Exception | None = None
        self.gone: str | None = None
