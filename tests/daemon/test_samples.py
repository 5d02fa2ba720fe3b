"""Evidently and the domain classifier in a running daemon: a process of their own, which ends with it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.daemon.running import START, a_run, daemon, encoded, new_topic, row, until
from tests.flights_run import produce

pytestmark = pytest.mark.kafka
DRIFT = {"domain_classifier": True, "tests": [{"method": "evidently:wasserstein", "threshold": 0.5, "columns": ["dep_delay", "hour"]}]}
MODEL = {"reference": {"sample_rows": 2_000}, "drift": DRIFT, "sample_rows": 200}
HOUR = 3_600


def frame() -> pd.DataFrame:
    """An hour like those that follow."""
    rows = [row(number) for number in range(HOUR)]
    features = pd.DataFrame([each["features"] for each in rows])
    return features.assign(**{name: [each[name] for each in rows] for name in ("ts", "late", "p_late")})


def children(pid: int) -> list[int]:
    """Of all its threads."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def test_samples_are_judged_in_a_process_that_ends_with_the_daemon(kafka, tmp_path: Path) -> None:
    run = a_run(tmp_path, kafka.bootstrap, new_topic(kafka), model=MODEL, extra={"reports": {"deadline": "2m"}})
    run.build_reference(frame())
    late = [row(HOUR + number, features={**row(HOUR + number)["features"], "dep_delay": number % 17 + 30}) for number in range(HOUR)]
    end = row(3 * HOUR, at=START + timedelta(hours=3))
    produce(run.bootstrap, run.topic, encoded([*(row(number) for number in range(HOUR)), *late, end]))
    with daemon(run) as started:
        started.until(lambda: len(started.log("window.judged")) >= 2, seconds=120)
        workers = [pid for pid in children(started.process.pid) if b"monitor.reports.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert len(workers) == 1
        maps = Path(f"/proc/{started.process.pid}/maps").read_text()
        assert "/numpy/" in maps
        assert "/pandas/" not in maps
        assert "/sklearn/" not in maps
        assert started.stop() < 15
    until(lambda: not Path(f"/proc/{workers[0]}").exists())
    found = {(r["window_start"][11:13], r["metric"], r["column"]): r for r in run.rows("results", str(run.config))}
    for hour, verdict in (("00", "ok"), ("01", "alert")):
        assert found[hour, "evidently:wasserstein", "dep_delay"]["verdict"] == verdict
        assert found[hour, "evidently:wasserstein", "hour"]["verdict"] == "ok"
        assert found[hour, "domain_classifier", None]["verdict"] == verdict, found[hour, "domain_classifier", None]
    assert "leans on dep_delay" in found["01", "domain_classifier", None]["reason"]
    assert "against 2,000 of the reference" in found["01", "evidently:wasserstein", "dep_delay"]["reason"]
    assert np.isfinite(found["01", "domain_classifier", None]["p_value"])
    page = tmp_path / "page.html"
    run.driftd("report", str(run.config), "flight-delay", "--window", "2013-03-01T01:00:00Z", "-o", str(page))
    assert "Reference: a sample of 2,000 of its 3,600 rows." in page.read_text()


def test_a_stop_waits_for_no_answer_and_the_next_start_judges_the_window(kafka, tmp_path: Path) -> None:
    run = a_run(tmp_path, kafka.bootstrap, new_topic(kafka), model=MODEL)
    run.build_reference(frame())
    produce(run.bootstrap, run.topic, encoded([*(row(number) for number in range(HOUR)), row(2 * HOUR, at=START + timedelta(hours=2))]))
    with daemon(run) as started:
        started.until(lambda: children(started.process.pid), seconds=60)  # it imports Evidently now, which takes seconds
        assert started.stop() < 15
        assert not started.log("window.judged")
        assert not started.log("job.failed")
    assert run.rows("results", str(run.config)) == []
    with daemon(run) as started:
        started.until(lambda: started.log("window.judged"), seconds=120)
    verdicts = {r["verdict"] for r in run.rows("results", str(run.config)) if r["metric"] == "evidently:wasserstein"}
    assert verdicts == {"ok"}
