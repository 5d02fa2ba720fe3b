"""One model's trouble keeps no other model from its work."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from monitor.errors import Retryable, UsageError
from monitor.log import Action, logger

log = logger(__name__)


class Alone:
    """Does work for one model after the other. ``said`` and ``action``: how the log tells of a model that fails."""

    def __init__(self, said: str, action: Action) -> None:
        self._said = said
        self._action = action
        self.failing: Mapping[str, str] = {}

    def attempt(self, model: str, work: Callable[[], int]) -> int:
        """What it comes to; 0 where it fails: the model is noted in ``failing``, and tried again the next time.

        Raises Retryable and UsageError: the store is away, or damaged, which is no model's own trouble.
        """
        try:
            done = work()
        except (Retryable, UsageError):
            raise
        except Exception as error:  # a fault of ours: told in the log and as an incident
            why = f"{type(error).__name__}: {error}"
            if self.failing.get(model) != why:
                log.exception(self._said, action=self._action, model=model)
            self.failing = {**self.failing, model: why}
            return 0
        self.failing = {name: why for name, why in self.failing.items() if name != model}
        return done
