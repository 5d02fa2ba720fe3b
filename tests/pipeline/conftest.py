"""What the tests of the pipeline share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.ports import Store
from monitor.storage import open_store
from tests.pipeline.world import Unsteady


@pytest.fixture(params=["memory", "sqlite"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield Unsteady()
        return
    opened = open_store(f"sqlite:///{tmp_path}/driftd.db")
    yield opened
    opened.close()
