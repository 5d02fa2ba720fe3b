"""A running server over the story, and the httpx client that asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from monitor.clock import SystemClock
from monitor.core.rules import Model
from monitor.health import Health, NotReady
from monitor.metrics import Metrics
from monitor.pipeline import Desk, Telling
from monitor.reports import Shelf
from monitor.settings.secret import Secret
from monitor.settings.service import HttpSettings
from monitor.storage import SqlStore
from monitor.web import WebServer
from tests.edges.web_story import MODELS, OPEN_ID, PAST_ID, tell

REPORT = "<!doctype html><title>a page</title><script>window.ran = true</script>"
TOKEN = "correct horse battery staple"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a test of the surface works with."""

    server: WebServer
    store: SqlStore
    health: Health
    metrics: Metrics
    client: httpx.Client

    def get(self, path: str, **parameters: str | int) -> httpx.Response:
        """Ask."""
        return self.client.get(path, params=parameters)

    def post(self, path: str, *, token: str | None = TOKEN, **options: object) -> httpx.Response:
        """Ask for a change."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.client.post(path, headers=headers, **options)  # type: ignore[arg-type]

    def delete(self, path: str, *, token: str | None = TOKEN, **parameters: str) -> httpx.Response:
        """Ask that it ends."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.client.delete(path, headers=headers, params=parameters)


@contextmanager
def site(
    folder: Path, *, token: str | None = TOKEN, host: str = "127.0.0.1", story: Callable[[Path], SqlStore] = tell,
    models: Sequence[Model] = MODELS,
) -> Iterator[Site]:  # fmt: skip
    """Serve a story on a free port."""
    store, health, metrics = story(folder), Health(), Metrics()
    metrics.declare(models, ["slack"])
    http = HttpSettings(host=host, port=0, token=None if token is None else Secret(text=token))
    server = WebServer(store=store, health=health, metrics=metrics, http=http)
    shelf = Shelf(folder / "pages", 5)
    for id in (OPEN_ID, PAST_ID):
        shelf.put(id, REPORT)
    telling = Telling({})
    server.show(models, shelf=shelf, desk=Desk(store=store, models=models, telling=telling, clock=SystemClock()))
    server.start()
    health.clear(NotReady.STARTING)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=10, trust_env=False) as client:
            yield Site(server=server, store=store, health=health, metrics=metrics, client=client)
    finally:
        server.stop()
        store.close()
