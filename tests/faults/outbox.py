"""An outbox on a real SQLite file, incidents to tell of, and a clock that is moved by hand but begins now."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor.core.incidents import Incident, IncidentState, Notify, NotifyKind, TransitionReason
from monitor.core.messages import ColumnLine, Occasion, message_body
from monitor.core.results import Verdict
from monitor.ports import DeliveryRow, Judgement, Message
from monitor.storage import SqlStore, open_store

START = datetime(2013, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
INCIDENT = Incident(
    id="inc_0123456789ab", model="flight-delay", state=IncidentState.FIRING, severity=Verdict.ALERT, since=START, updated_at=START + DAY,
    bad_windows=1, checks=("drift",), columns=("dep_delay",), cause="dep_delay: mean 12.6 → 756", summary="drift alert on dep_delay",
)
REASONS = {
    NotifyKind.FIRING: TransitionReason.OPEN_AFTER_REACHED,
    NotifyKind.REPEAT: TransitionReason.REPEAT_INTERVAL_ELAPSED,
    NotifyKind.RESOLVED: TransitionReason.RESOLVE_AFTER_REACHED,
    NotifyKind.UPDATE: TransitionReason.ACKNOWLEDGED_BY_PERSON,
}


class Hands:
    """A clock that begins now and is moved by hand."""

    def __init__(self) -> None:
        self._began = datetime.now(UTC)
        self.seconds = 0.0

    def now(self) -> datetime:
        return self._began + timedelta(seconds=self.seconds)

    def catch_up(self) -> None:
        """Not behind the clock on the wall."""
        self._began = max(self._began, datetime.now(UTC))

    def monotonic(self) -> float:
        return time.monotonic()


class Outbox:
    """``put`` writes what a judgement would; ``clock`` says when."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/driftd.db"
        self.store: SqlStore = open_store(self.url)
        self.clock = Hands()
        self._judged = 0

    def put(self, *messages: Message, model: str = "flight-delay") -> None:
        before = None if self._judged == 0 else START + self._judged * DAY
        self._judged += 1
        now = START + self._judged * DAY
        assert self.store.record(
            Judgement(model=model, judged_until=now, previous=before, results=(), messages=messages, at=self.clock.now())
        )

    def tell(self, kind: NotifyKind = NotifyKind.FIRING, receiver: str = "slack") -> None:
        """A message about the incident."""
        body = told(kind)
        self.put(Message(receiver=receiver, kind=kind, dedupe=f"{receiver}:{kind}", incident=INCIDENT.id, body=body))

    def ask(self, number: int = 0, receiver: str = "retraining:m") -> None:
        """A request to retrain."""
        body = {"type": "driftd.retraining.requested", "timestamp": "2013-07-04T00:00:00Z", "data": {"id": f"ret_{number}"}}
        self.put(Message(receiver=receiver, kind="retraining", dedupe=f"{receiver}:{number}", incident=None, body=body))

    def rows(self) -> list[DeliveryRow]:
        return list(self.store.deliveries())

    @property
    def states(self) -> list[str]:
        return [row.state for row in self.rows()]


def told(kind: NotifyKind) -> Mapping[str, object]:
    """The body of a message about the incident."""
    end = START + 3 * DAY
    over = replace(INCIDENT, state=IncidentState.RESOLVED, resolved_at=end, updated_at=end)
    incident = over if kind is NotifyKind.RESOLVED else INCIDENT
    lines = (ColumnLine(column="dep_delay", sentence="dep_delay: mean 12.6 → 756"),)
    return message_body(Occasion(incident=incident, notify=Notify(kind=kind, reason=REASONS[kind]), columns=lines))
