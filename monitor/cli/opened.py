"""The store of a configuration, opened for one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monitor.ports import Store


@contextmanager
def opened(config: Path) -> Iterator[Store]:
    """Open the store that a configuration names, and close it after the block. Raises SettingsError, UsageError, Retryable."""
    from monitor.settings import load_settings  # here, so that `driftd --help` stays quick
    from monitor.storage import open_store

    store = open_store(load_settings(config).store)
    try:
        yield store
    finally:
        store.close()
