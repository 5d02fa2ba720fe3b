"""A replica that lost its partitions and wakes: not even how far it had come may be written, for windows close by that."""

from __future__ import annotations

from contextlib import suppress

import pytest

from monitor.core.results import Account
from monitor.errors import Fenced, Retryable
from monitor.ports import Checkpoint
from tests.pipeline.world import MINUTE, P0, P1, P2, SECOND, Unsteady, World, message

pytestmark = pytest.mark.fault(5)


class Held(Unsteady):
    """Holds a checkpoint back, as a process does that is stopped before its transaction."""

    def __init__(self) -> None:
        super().__init__()
        self.holds = False
        self.held: list[Checkpoint] = []

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        if self.holds:
            self.held.append(checkpoint)
            raise Retryable("stopped here")
        super().checkpoint(checkpoint)


def test_a_claim_of_who_lost_the_partition_closes_no_window_of_its_new_owner() -> None:
    store = Held()
    sleeper = World(store=store)
    for partition in (P0, P1, P2):
        sleeper.put(partition, message(f"first of {partition.partition}", 1))
    sleeper.read_all()
    sleeper.clock.advance(5 * MINUTE + SECOND)  # all are silent for longer than idle_after, and read to their end
    store.holds = True
    with suppress(Retryable):
        sleeper.reader.checkpoint()  # nothing has moved: it would write marks alone
    store.holds = False
    waker = sleeper.replica()
    for partition, minutes in ((P0, 2), (P1, 3), (P0, 130)):
        waker.put(partition, message(f"at {minutes}", minutes))
    waker.read_all()
    assert waker.judge.sweep() == 0, "P1 has come to three minutes, and holds the first window open"
    with pytest.raises(Fenced):
        store.checkpoint(store.held[0])
    assert waker.judge.sweep() == 0
    waker.put(P1, message("at 4", 4))
    waker.read_all()
    assert waker.account() == Account(counted=7)
