"""Many readers at once: they wait for one another, and hold up nothing else."""

from __future__ import annotations

import http.client
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from monitor.doubles.store import MemoryStore
from monitor.health import Health
from monitor.metrics import Metrics
from monitor.ports import StoredReference
from monitor.settings.service import HttpSettings
from monitor.web import WebServer
from monitor.web.server import AT_A_TIME

READERS = 12


class Slow(MemoryStore):
    """A store whose list of references takes until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()
        self.lock = threading.Lock()
        self.inside, self.most = 0, 0
        self.full = threading.Event()

    def references(self, model: str | None = None) -> list[StoredReference]:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            if self.inside == AT_A_TIME:
                self.full.set()
        assert self.let_go.wait(30)
        with self.lock:
            self.inside -= 1
        return []


def get(port: int, path: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


@pytest.mark.fault(36)
def test_only_a_few_requests_are_worked_on_at_once_and_the_probes_wait_for_none_of_them() -> None:
    store, health = Slow(), Health()
    server = WebServer(store=store, health=health, metrics=Metrics(), http=HttpSettings(port=0))
    server.start()
    try:
        with ThreadPoolExecutor(READERS) as pool:
            asked = [pool.submit(get, server.port, "/api/v1/references") for _ in range(READERS)]
            assert store.full.wait(20)
            assert get(server.port, "/livez") == 200
            assert get(server.port, "/readyz") == 503, "it never became ready"
            store.let_go.set()
            assert {done.result() for done in asked} == {200}
    finally:
        server.stop()
    assert store.most == AT_A_TIME
