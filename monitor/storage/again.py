"""Trying a transaction again at once where the database itself took it back: a deadlock, a serialization failure."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from monitor.storage.engine import Database
from monitor.storage.meaning import Undone

PAUSES = (0.05, 0.2, 0.5)
"""Seconds before the second, third and fourth try; then the caller waits longer, as for a database that is away."""
NO_LATER = 5.0
"""Seconds after which no other try begins: who waited for a lock as long as that has waited enough."""


class Verbs(Protocol):
    """Who has verbs on a database."""

    _db: Database


V = TypeVar("V", bound=Verbs)
P = ParamSpec("P")
T = TypeVar("T")


def again(verb: Callable[Concatenate[V, P], T]) -> Callable[Concatenate[V, P], T]:
    """A verb that is one transaction and leaves nothing behind where that is taken back."""

    @functools.wraps(verb)
    def tried(self: V, /, *args: P.args, **kwargs: P.kwargs) -> T:
        began = time.monotonic()
        for pause in PAUSES:
            try:
                return verb(self, *args, **kwargs)
            except Undone as error:
                if time.monotonic() - began > NO_LATER:
                    raise
                self._db.retried(error.reason)
                time.sleep(pause)
        return verb(self, *args, **kwargs)

    return tried
