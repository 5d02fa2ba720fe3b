"""The outbox: messages that are to be sent, and who sends them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from monitor.core.incidents import NotifyKind

GROUP_ID_DIGITS = 32
AHEAD = timedelta(minutes=1)
"""What seems to be made so far in the future was made before the wall clock was set back. Less is another replica's clock, or a claim that
waited for the one who made it to commit."""
MOST_TOGETHER = 500
"""Deliveries that one message stands for at most; further ones are the next message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An outbox row: one message to one receiver. ``thread`` is what the receiver returned for the incident's first message.

    ``earlier``: the body of the last message that told it of the incident's columns and cause (``TELLING``), and was sent.
    ``together``: the id of the one message that it goes out in with others; None: it goes out alone.
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
    together: str | None = None


TELLING = (str(NotifyKind.FIRING), str(NotifyKind.REPEAT))
"""The kinds of messages that tell what is the matter; the others are about those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """When several deliveries of one receiver are one message.

    ``kinds``: of which kinds. ``wait``: so long the first of a burst waits for others. ``at``: from so many on they are one message.
    Together go deliveries of one kind that would land in one place: the same thread, or all of them in none.
    """

    kinds: tuple[str, ...]
    wait: timedelta
    at: int
    most: int = MOST_TOGETHER

    def ripe(self, created_at: datetime, now: datetime) -> bool:
        """Whether it has waited for others. Nothing waits for a wall clock that was set back (see ``AHEAD``)."""
        return not now - self.wait < created_at <= now + AHEAD

    def fits(self, delivery: Delivery) -> bool:
        """Whether it may go out with others. What was tried alone may have arrived alone, and goes on alone."""
        return delivery.kind in self.kinds and delivery.incident is not None and delivery.attempts == 0

    def pick(self, due: Iterable[Delivery], now: datetime) -> Sequence[Delivery]:
        """Those of ``due`` (oldest first) that are the next message of many; none where there are not enough, or they may get more."""
        places: dict[tuple[str, str | None], list[Delivery]] = {}
        for delivery in filter(self.fits, due):
            places.setdefault((delivery.kind, delivery.thread), []).append(delivery)
        for members in places.values():
            if len(members) >= self.at and any(self.ripe(member.created_at, now) for member in members):
                return members[: self.most]
        return ()


def group_id(deliveries: Iterable[Delivery]) -> str:
    """The stable id of a message that stands for these, whatever their order."""
    return "grp_" + hashlib.sha256("\n".join(sorted(each.id for each in deliveries)).encode()).hexdigest()[:GROUP_ID_DIGITS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a receiver gave back; ``thread`` lets later messages of the incident refer to this one.

    ``posted``: whether a message went out at all; where it did not, the next one need not be kept apart from it.
    """

    thread: str | None = None
    detail: str = ""
    posted: bool = True


class Receiver(Protocol):
    """Sends one message. Its whole contract: return on success, raise Retryable or Permanent otherwise."""

    name: str

    def send(self, delivery: Delivery) -> Receipt: ...
    def close(self) -> None: ...


class GroupingReceiver(Receiver, Protocol):
    """A receiver that may tell many deliveries in one message, where ``grouping`` says so."""

    @property
    def grouping(self) -> Grouping | None: ...

    def send_group(self, deliveries: Sequence[Delivery]) -> Receipt:
        """One message for all of them: they are of one kind and thread, and bear the id of the message in ``together``.

        The receipt is every member's. Raises as ``send`` does, for all of them together; one whose body cannot be read takes no other
        down.
        """


class PacedReceiver(Receiver, Protocol):
    """A receiver that takes no more than one message in ``min_interval`` seconds."""

    @property
    def min_interval(self) -> float: ...


class OutboxStore(Protocol):
    """What the dispatcher needs of the store."""

    def claim(self, receiver: str, *, owner: str, lease: float, limit: int, now: datetime,
              grouping: Grouping | None = None) -> Sequence[Delivery]:
        """Take due deliveries of a receiver for ``lease`` seconds, oldest first. An incident's messages keep their order.

        A picture waits for what was told before it; nothing waits for a picture.
        ``grouping``: those that still wait for others, and those that go out together, are left. None: each goes out alone.
        """

    def claim_group(self, receiver: str, *, owner: str, lease: float, now: datetime, grouping: Grouping) -> Sequence[Delivery]:
        """Take the deliveries that are the next message of many; none where there is no such message.

        Who is in it is written down with the lease: tried again, by whomever, it has the same members and the same id.
        """

    def delivered(self, delivery: Delivery, receipt: Receipt, now: datetime) -> None: ...
    def delivered_together(self, deliveries: Sequence[Delivery], receipt: Receipt, now: datetime) -> None:
        """All of them were sent, in one message: one transaction."""

    def postponed(self, delivery: Delivery, error: str, until: datetime) -> None: ...
    def dead(self, delivery: Delivery, error: str, now: datetime) -> None: ...

    def told(self, incident: str) -> Sequence[str]:
        """The receivers that have or had a message about an incident, in the order of their first one."""

    def outbox_depth(self) -> Mapping[str, int]:
        """Deliveries by state: pending, sent, dead."""

    def outbox_oldest(self) -> Mapping[str, datetime]:
        """By receiver, when the oldest delivery that still waits was made; no entry where none waits."""

    def clock_went_back(self, now: datetime, lease: float) -> None:
        """What was to wait until a time of the clock before it was set back is due now, and leases are as long as they may be from now."""
