"""What a new configuration is held against before the old one is given up."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from monitor.clock import SystemClock
from monitor.doubles.store import MemoryStore
from monitor.errors import StoreUnavailable
from monitor.log import configure
from monitor.metrics import Metrics
from monitor.reload import Reload
from monitor.settings import load_settings
from monitor.storage import only_daemon, open_store
from tests.contracts.store_story import checkpoint, delta, key
from tests.pipeline.test_judge import the_reference

pytestmark = pytest.mark.fault(35)


class World:
    """A configuration in force and its file, which can be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "driftd.yaml"
        self.document: dict[str, Any] = {
            "store": f"sqlite:///{folder}/driftd.db",
            "kafka": {"bootstrap_servers": "k:9092", "api_version": "2.3"},
            "models": {"m": {"task": "binary", "window": "1h", "columns": {"delay": "numeric"},
                             "streams": {"predictions": {"topic": "p", "time": "ts", "prediction": "late"}}}},
        }  # fmt: skip
        self.write()
        self.store, self.metrics = MemoryStore(), Metrics()
        self.reload = Reload(settings=load_settings(self.config), config=self.config, store=self.store, metrics=self.metrics,
                             clock=SystemClock())
        self.log = io.StringIO()
        configure(form="json", stream=self.log)
        self.reload.in_force()

    def write(self) -> None:
        self.config.write_text(json.dumps(self.document))

    def figure(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(f"driftd_config_last_reload_{name}") or 0.0

    def refused(self) -> str:
        """Reload what was changed; what is said of it."""
        self.write()
        loaded = self.figure("success_timestamp_seconds")
        assert not self.reload.accepted()
        assert (self.figure("successful"), self.figure("success_timestamp_seconds")) == (0, loaded)
        return self.said()

    def said(self) -> str:
        """The problem that was logged last."""
        return str(json.loads(self.log.getvalue().splitlines()[-1])["problem"])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield int(other.getsockname()[1])


def test_a_good_file_is_accepted_and_so_is_one_after_a_bad_one(world):
    assert world.figure("successful") == 1
    assert world.figure("success_timestamp_seconds") > 1e9
    world.document["zzz"] = 1
    assert "driftd.yaml:1:" in world.refused()
    del world.document["zzz"]
    world.write()
    assert world.reload.accepted()
    assert world.figure("successful") == 1


def test_a_file_that_is_gone_is_refused(world):
    world.config.unlink()
    assert not world.reload.accepted()
    assert "cannot read the file: No such file or directory" in world.said()


def test_reference_data_that_is_not_there_is_refused_unless_the_reference_was_built(world):
    world.document["models"]["m"]["reference"] = {"data": "r.csv", "version": "1"}
    assert "models.m.reference.data: " in world.refused()
    world.store.add_reference(the_reference(), activate=True, at=SystemClock().now())
    assert world.reload.accepted()
    world.document["models"]["m"]["reference"] = {"data": "r.csv", "version": "2"}
    assert "no reference of version 2 was built" in world.refused()
    (world.folder / "r.csv").write_text("delay\n1\n")
    assert world.reload.accepted()


def test_while_the_store_is_away_a_new_file_is_refused_and_the_daemon_goes_on(world, monkeypatch):
    def away(_model: str) -> None:
        raise StoreUnavailable("the database does not answer")

    monkeypatch.setattr(world.store, "references", away)
    del world.document["models"]["m"]["columns"]
    assert "cannot be held against what is there now: the database does not answer" in world.refused()


def test_columns_left_out_without_a_reference_to_take_them_from_are_refused(world):
    del world.document["models"]["m"]["columns"]
    assert "models.m.columns: not given" in world.refused()
    world.store.add_reference(the_reference(), activate=True, at=SystemClock().now())
    assert world.reload.accepted()


def test_another_store_has_to_be_there_and_free(world):
    world.document["store"] = f"sqlite:///{world.folder}/none/driftd.db"
    assert "store: " in world.refused()
    world.document["store"] = f"sqlite:///{world.folder}/other.db"
    give_back = only_daemon(world.document["store"])
    assert "another driftd" in world.refused()
    give_back()
    assert world.reload.accepted()


def test_another_port_has_to_be_free(world, taken):
    world.document["http"] = {"port": taken}
    assert f"cannot listen on 127.0.0.1:{taken}: Address already in use" in world.refused()
    world.document["http"] = {"port": 0}
    world.write()
    assert world.reload.accepted()


def test_a_window_of_another_length_is_refused_while_there_are_windows_of_the_old_one(world):
    world.document["models"]["m"]["window"] = "1d"
    world.write()
    assert world.reload.accepted(), "no window yet: any length will do"
    world.store.checkpoint(checkpoint(delta(key(0), 1.0)))
    said = world.refused()
    assert "models.m.window: the stored windows are 1h long, this says 1d; " in said
    for way_out in ("put the old length back", "give the model another name", "use another store"):
        assert way_out in said
    world.document["models"]["n"] = world.document["models"].pop("m")
    world.write()
    assert world.reload.accepted(), "another name begins its windows anew"


def test_another_store_may_not_hold_windows_of_another_length_either(world):
    world.document["store"] = f"sqlite:///{world.folder}/other.db"
    with closing(open_store(world.document["store"])) as other:
        other.checkpoint(checkpoint(delta(key(0), 1.0)))
    world.write()
    assert world.reload.accepted()
    world.document["models"]["m"]["window"] = "30m"
    assert "models.m.window: the stored windows are 1h long, this says 30m; " in world.refused()


def test_another_store_has_to_hold_the_reference_that_gives_the_columns(world):
    world.document["store"] = f"sqlite:///{world.folder}/other.db"
    del world.document["models"]["m"]["columns"]
    world.store.add_reference(the_reference(), activate=True, at=SystemClock().now())
    assert "models.m.columns: not given" in world.refused()
