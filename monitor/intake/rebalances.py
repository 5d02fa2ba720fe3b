"""What the group does to our partitions, as the polling thread may know it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import kafka


class Rebalances(kafka.ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python ships no types
    """Notes that the assignment changes. It runs on the client's own thread, where nothing that waits may be done.

    ``hold`` is given what is assigned before the client asks for any of it: it would begin at the offsets that were told to Kafka, which
    are not ours, and a damaged batch there would break it again at every join.
    """

    def __init__(self, hold: Callable[[Iterable[kafka.TopicPartition]], object] = lambda _: None) -> None:
        self._hold = hold
        self._lock = threading.Lock()
        self._moving = True
        self._settled = False

    def on_partitions_revoked(self, _revoked: object) -> None:
        """From here until the new assignment is known, nothing that was read counts."""
        with self._lock:
            self._moving, self._settled = True, False

    def on_partitions_lost(self, _lost: object) -> None:
        """The group has gone on without us."""
        self.on_partitions_revoked(_lost)

    def on_partitions_assigned(self, assigned: Iterable[kafka.TopicPartition]) -> None:
        """The next poll tells the reader."""
        self._hold(assigned)
        with self._lock:
            self._moving, self._settled = True, True

    def take_settled(self) -> bool:
        """True once after each rebalance."""
        with self._lock:
            if not self._settled:
                return False
            self._moving, self._settled = False, False
            return True

    @property
    def moving(self) -> bool:
        """Whether a rebalance is under way, or its outcome not yet taken."""
        with self._lock:
            return self._moving
