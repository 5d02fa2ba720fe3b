"""Letting go of history that is older than the configuration wants to keep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from monitor.core.rules import Model
from monitor.log import Action, logger
from monitor.ports import Clock, Store

log = logger(__name__)

AT_ONCE = 100
"""Windows, incidents or messages in one transaction."""
ROUNDS = 50
"""Transactions of one kind in one sweep; what is left is the next sweep's."""


class Retention:
    """Deletes what is older than ``keep``: windows and their incidents by the model's own time, up to what is judged; all else by the
    wall clock. What is of models that are no longer configured stays.
    """

    def __init__(self, *, store: Store, models: Sequence[Model], keep: timedelta, clock: Clock) -> None:
        self._store = store
        self._models = models
        self._keep = keep
        self._clock = clock

    def sweep(self) -> int:
        """Let go of what is too old; how many windows, incidents and messages that were. Raises Retryable when the store is away."""
        before = self._clock.now() - self._keep
        gone = {
            "windows": sum(self._of(model, self._store.prune_windows) for model in self._models),
            "incidents": sum(self._of(model, self._store.prune_incidents) for model in self._models)
            + _emptied(partial(self._store.prune_incidents, None, before, AT_ONCE)),
            "messages": _emptied(partial(self._store.prune_messages, before, AT_ONCE)),
        }
        if any(gone.values()):
            log.info("old history is deleted", action=Action.HISTORY_DELETED, **gone)
        return sum(gone.values())

    def _of(self, model: Model, prune: Callable[[str, datetime, int], int]) -> int:
        judged = self._store.progress(model.name).judged_until
        return 0 if judged is None else _emptied(partial(prune, model.name, judged - self._keep, AT_ONCE))


def _emptied(prune: Callable[[], int]) -> int:
    gone = 0
    for _ in range(ROUNDS):
        some = prune()
        gone += some
        if some < AT_ONCE:
            break
    return gone
