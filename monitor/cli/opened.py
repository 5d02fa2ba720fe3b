"""The store of a configuration, opened for one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monitor.errors import UsageError
from monitor.ports import Store


@contextmanager
def opened(config: Path, model: str | None = None) -> Iterator[Store]:
    """Open the store that a configuration names, and close it after the block.

    ``model``: the one that is asked for, None for all; an unknown one is an error, as an empty list would look like health.
    Raises SettingsError, UsageError, Retryable.
    """
    from monitor.settings import load_settings  # here, so that `driftd --help` stays quick
    from monitor.storage import open_store

    settings = load_settings(config)
    if model is not None and model not in settings.model_names():
        raise UsageError(f"no model {model!r} in {config}; known are {sorted(settings.model_names())}")
    store = open_store(settings.store)
    try:
        yield store
    finally:
        store.close()
