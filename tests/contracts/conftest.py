"""The store in its three makes: one contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.doubles.store import MemoryStore
from monitor.ports import Store
from monitor.storage import open_store
from tests.postgres import PostgresServer

MAKES = ["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=MAKES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each make."""
    if request.param == "memory":
        yield MemoryStore()
        return
    if request.param == "sqlite":
        opened = open_store(f"sqlite:///{tmp_path}/driftd.db")
        yield opened
        opened.close()
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    opened = open_store(server.create_database())
    yield opened
    opened.close()
    server.drop_databases()
