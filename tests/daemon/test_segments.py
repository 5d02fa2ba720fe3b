"""Segments in a daemon that runs as a process, is killed, and meets thousands of values."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from monitor.core.results import ALL_ROWS
from tests.daemon.running import a_run, adds_up, daemon, encoded, new_topic, row
from tests.flights_run import Run, produce

ROWS, VALUES, KNOWN = 24_000, 4_000, 30
OWN = 20
COLUMNS = {"dep_delay": "numeric", "origin": "categorical"}


def prediction(number: int) -> dict[str, Any]:
    """Every other row is of one of the known origins, the others of thousands of strange ones."""
    made = row(number // 4)
    origin = f"known{number // 2 % KNOWN:02}" if number % 2 else f"strange{number % VALUES}"
    return {**made, "prediction_id": f"r{number}", "features": {**made["features"], "origin": origin}}


def reference_file(folder: Path) -> None:
    """A day of known origins, the lower numbers more often."""
    rows = []
    for number in range(-24 * 3600, 0, 10):
        origin = f"known{min(abs(number) // 10 % KNOWN, abs(number) // 370 % KNOWN):02}"
        made = row(number)
        rows.append({**made, **made["features"], "origin": origin})
    (folder / "reference.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))


def windows_of(run: Run) -> list[dict[str, Any]]:
    return run.rows("windows", str(run.config))


@pytest.mark.kafka
def test_thousands_of_values_are_bounded_and_a_killed_daemon_neither_loses_nor_doubles_a_row_of_them(kafka: Any, tmp_path: Path) -> None:
    topic = new_topic(kafka, 2)
    produce(kafka.bootstrap, topic, encoded(prediction(number) for number in range(ROWS)))
    reference_file(tmp_path)
    rules = {"segments": ["origin"], "max_segments": OWN, "columns": COLUMNS, "allowed_lateness": "30m",
             "reference": {"data": "reference.jsonl"}}  # fmt: skip
    run = a_run(tmp_path, kafka.bootstrap, topic, model=rules)
    with daemon(run) as first:
        first.until(lambda: first.received() > 0)
        first.process.send_signal(signal.SIGKILL)
    run.driftd("run", str(run.config), "--until-idle")
    windows = windows_of(run)
    whole: Counter[str] = Counter()
    apart: Counter[str] = Counter()
    for window in windows:
        assert adds_up(window)
        (whole if window["segment"] == ALL_ROWS else apart)[window["window_start"]] += window["counted"]
    assert sum(whole.values()) == ROWS
    assert apart == whole
    segments = Counter(window["window_start"] for window in windows if window["segment"] != ALL_ROWS)
    assert max(segments.values()) == OWN + 1, "the known ones, and all others together"
    only = run.rows("windows", str(run.config), "--segment", "origin=(other)")
    assert {window["segment"] for window in only} == {"origin=(other)"}
    assert sum(window["counted"] for window in only) > ROWS / 2
    judged = run.rows("results", str(run.config), "--segment", "origin=known00", "--check", "drift")
    assert {result["column"] for result in judged} >= {"dep_delay", "late", "p_late"}
    assert {result["window_start"] for result in judged} == {window["window_start"] for window in windows}
