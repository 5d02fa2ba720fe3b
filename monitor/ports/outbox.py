"""The outbox: messages that are to be sent, and who sends them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from monitor.core.incidents import NotifyKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An outbox row: one message to one receiver. ``thread`` is what the receiver returned for the incident's first message.

    ``earlier``: the body of the last message that told it of the incident's columns and cause (``TELLING``), and was sent.
    """

    id: str
    receiver: str
    kind: str
    incident: str | None
    body: Mapping[str, object]
    attempts: int
    created_at: datetime
    thread: str | None = None
    earlier: Mapping[str, object] | None = None


TELLING = (str(NotifyKind.FIRING), str(NotifyKind.REPEAT))
"""The kinds of messages that tell what is the matter; the others are about those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a receiver gave back; ``thread`` lets later messages of the incident refer to this one."""

    thread: str | None = None
    detail: str = ""


class Receiver(Protocol):
    """Sends one message. Its whole contract: return on success, raise Retryable or Permanent otherwise."""

    name: str

    def send(self, delivery: Delivery) -> Receipt: ...
    def close(self) -> None: ...


class OutboxStore(Protocol):
    """What the dispatcher needs of the store."""

    def claim(self, receiver: str, *, owner: str, lease: float, limit: int, now: datetime) -> Sequence[Delivery]:
        """Take due deliveries of a receiver for ``lease`` seconds, oldest first. An incident's messages keep their order.

        A picture waits for what was told before it; nothing waits for a picture.
        """

    def delivered(self, delivery: Delivery, receipt: Receipt, now: datetime) -> None: ...
    def postponed(self, delivery: Delivery, error: str, until: datetime) -> None: ...
    def dead(self, delivery: Delivery, error: str, now: datetime) -> None: ...

    def outbox_depth(self) -> Mapping[str, int]:
        """Deliveries by state: pending, sent, dead."""

    def outbox_oldest(self) -> Mapping[str, datetime]:
        """By receiver, when the oldest delivery that still waits was made; no entry where none waits."""

    def clock_went_back(self, now: datetime, lease: float) -> None:
        """What was to wait until a time of the clock before it was set back is due now, and leases are as long as they may be from now."""
