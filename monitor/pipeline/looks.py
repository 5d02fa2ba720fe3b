"""What the messages of earlier windows held beside the mapped columns: what "new" is measured by."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from monitor.core.profile.unmapped import NOTHING, Unmapped
from monitor.core.results import ALL_ROWS
from monitor.core.rules import Model, Switch
from monitor.ports import HistoryStore, StoredWindow

WINDOWS = 150
"""So many windows are looked back on: those of 200 rows come to 58 messages looked at."""
MOST_VERSIONS = 500
"""Versions of models whose windows are remembered; the others are read again."""


class Looks:
    """Read from the store once and then remembered: a closed window does not change. Nothing but its contents decides what is found."""

    def __init__(self, store: HistoryStore) -> None:
        self._store = store
        self._known: OrderedDict[tuple[str, str], dict[datetime, Unmapped]] = OrderedDict()

    def before(self, model: Model, window: StoredWindow) -> tuple[Unmapped, ...]:
        """Of the version's windows before this one, oldest first; none of segments, nor where nobody asks."""
        if window.key.segment != ALL_ROWS or model.quality.schema_changes is Switch.OFF:
            return ()
        version, start = window.key.version, window.key.start
        starts = [start - back * model.window for back in range(WINDOWS, 0, -1)]
        known = self._known.pop((model.name, version), {})
        missing = [earlier for earlier in starts if earlier not in known]
        if missing:
            known |= dict.fromkeys(missing, NOTHING)
            found = self._store.windows_at(model.name, missing, segment=ALL_ROWS, version=version)
            known |= {earlier.key.start: _of(earlier) for earlier in found}
        kept = {earlier: known[earlier] for earlier in starts}
        self._known[model.name, version] = kept | {start: _of(window)}
        if len(self._known) > MOST_VERSIONS:
            self._known.popitem(last=False)
        return tuple(kept.values())


def _of(window: StoredWindow) -> Unmapped:
    return NOTHING if window.profile is None else window.profile.unmapped
