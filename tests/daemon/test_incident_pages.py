"""Evidently's page of an incident, from the daemon's parts to the browser's door; no log is read for it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from monitor.core.drift.sampled import DRAWN_ROWS
from monitor.health import Health
from monitor.parts import Parts, build, still_at_it
from monitor.reports import absent
from monitor.settings import load_settings
from tests.cli.driftd import configuration
from tests.pipeline.test_replay import judged_world


def written(folder: Path, **more: object) -> Path:
    """The configuration of a store in which an incident has fired, with nothing behind its broker's address."""
    world = judged_world(folder)
    world.store.close()
    config = configuration(folder, "m")
    document = json.loads(config.read_text())
    document["models"]["m"]["columns"] = {"delay": "numeric", "carrier": "categorical"}
    config.write_text(json.dumps(document | {"http": {"port": 0}, **more}))
    return config


def opened(config: Path, closers: ExitStack) -> Parts:
    return build(load_settings(config), config, closers)


@pytest.fixture
def closers() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def workers() -> list[int]:
    found = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread, or a process, that has ended meanwhile
            children = map(int, (task / "children").read_text().split())
            found += [pid for pid in children if b"monitor.reports.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return found


def test_an_incident_s_page_is_written_shown_and_linked_and_its_worker_ends_with_the_daemon(tmp_path: Path, closers: ExitStack) -> None:
    parts = opened(written(tmp_path, reports={"on_alert": {"folder": "pages"}, "deadline": "2m"}), closers)
    assert parts.pages is not None
    parts.pages.finish(120.0)
    with httpx.Client(base_url=f"http://127.0.0.1:{parts.web.port}", trust_env=False) as client:
        drifted, silent = client.get("/api/v1/incidents").json()["incidents"]
        answer = client.get(f"/api/v1/incidents/{drifted['id']}/report")
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts; default-src 'none'")
        assert "<title>m version 1, 2013-03-01T02:00:00Z to 2013-03-01T03:00:00Z</title>" in answer.text
        assert "Drift in column 'delay'" in answer.text
        assert f"{DRAWN_ROWS:,} values a column, drawn from the profile" in answer.text
        assert f'href="../api/v1/incidents/{drifted["id"]}/report"' in client.get("/models/m").text
        assert client.get(f"/api/v1/incidents/{silent['id']}/report").status_code == 404, "a silent window has nothing to show"
        counts = {line.rpartition(" ")[0]: line.rpartition(" ")[2] for line in client.get("/metrics").text.splitlines()}
    assert [counts[f'driftd_incident_pages_total{{outcome="{each}"}}'] for each in ("written", "failed", "empty")] == ["1.0", "0.0", "1.0"]
    assert len(workers()) == 1
    assert not parts.health.loops().keys() & {"incident pages"}, "no probe hangs on it"
    began = time.monotonic()
    parts.stop_workers()
    closers.close()
    assert time.monotonic() - began < 5
    assert workers() == []


def test_a_page_that_cannot_be_made_is_told_and_the_daemon_goes_on(tmp_path: Path, closers: ExitStack) -> None:
    parts = opened(written(tmp_path, reports={"on_alert": {"folder": "pages"}, "deadline": "1s"}), closers)
    assert parts.pages is not None
    assert parts.pages.sweep(), "its import alone takes longer"
    assert parts.failed is None
    assert parts.judge.sweep() == 0
    assert not (tmp_path / "pages").exists()


def test_nothing_is_written_where_nothing_is_asked_or_evidently_is_away(
    tmp_path: Path, closers: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = written(tmp_path)
    with ExitStack() as first:
        assert opened(config, first).pages is None
    document = json.loads(config.read_text())
    config.write_text(json.dumps(document | {"reports": {"on_alert": {"folder": "pages"}}}))
    monkeypatch.setitem(sys.modules, "evidently", None)
    assert opened(config, closers).pages is None
    assert list(absent(load_settings(config))) == [
        "reports.on_alert: evidently is not installed; pip install 'driftd[reports]' brings it; until then no page is written"]


def test_a_heartbeat_in_the_middle_of_long_work_needs_nobody_to_listen() -> None:
    now = [0.0]
    health = Health(lambda: now[0])
    still_at_it(health, "judge")
    health.watch("judge", timedelta(minutes=1))
    now[0] = 50.0
    still_at_it(health, "judge")
    now[0] = 100.0
    assert health.live()[0]
