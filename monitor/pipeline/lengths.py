"""How long the stored windows of a model are: those of another length are another account, which cannot go on in the same place."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from monitor.core.results import WindowKey
from monitor.settings.durations import duration_text


class LengthStore(Protocol):
    """A store that knows a model's latest window."""

    def latest_window(self, model: str) -> WindowKey | None:
        """The window with an account that starts last."""


def other_length(store: LengthStore, model: str, window: timedelta) -> str:
    """What to say where the stored windows of a model have another length than ``window``; empty where none have, or there are none.

    Windows are found by their starts, and sealed and judged by their ends. With two lengths in one store a judged window would take
    rows again, and others would never be judged.
    """
    last = store.latest_window(model)
    if last is None or last.end - last.start == window:
        return ""
    return f"the stored windows are {duration_text(last.end - last.start)} long, this says {duration_text(window)}"
