"""Something comes without end: categories, versions, messages. Memory stays within its bound and every row is accounted for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.memory import FOLDS
from tests.daemon.running import START, a_run, adds_up, encoded, new_topic, row
from tests.flights_run import produce

ROOT = Path(__file__).parents[2]
DAEMON_MIB = 320
"""An idle daemon takes about 130 MiB; a poll of 5,000 messages and the profiles of open windows come on top."""


MEASURE = """
import os, sys
process = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(process, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""In a small process of its own: a child's peak is at least what its parent had when it was made."""


def peak_of(*arguments: str, folder: Path) -> float:
    """Peak resident MiB of ``python ARGUMENTS``, which must end well."""
    command = [sys.executable, "-c", MEASURE, sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return int(done.stdout.splitlines()[-1]) / 1024


def peak_of_folding(what: str, count: int, folder: Path) -> float:
    """Peak resident MiB of a process that folds so many."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from benchmarks.memory import FOLDS; FOLDS[{what!r}][1]({count})"
    return peak_of("-c", code, folder=folder)


@pytest.mark.fault(32)
@pytest.mark.parametrize("distinct", [500_000, pytest.param(10_000_000, marks=pytest.mark.long)])
def test_categories_without_end_take_no_more_memory_than_a_few(distinct: int, tmp_path: Path) -> None:
    few = peak_of_folding("categories", 5_000, tmp_path)
    assert peak_of_folding("categories", distinct, tmp_path) < few + 24
    assert few < FOLDS["categories"][3]


@pytest.mark.fault(32)
@pytest.mark.long
def test_ids_without_end_take_no_more_memory_than_those_that_are_remembered(tmp_path: Path) -> None:
    assert peak_of_folding("ids", 10_000_000, tmp_path) < FOLDS["ids"][3]


@pytest.mark.kafka
@pytest.mark.fault(32)
def test_an_id_mapped_as_the_version_makes_no_more_windows_than_max_versions(kafka: Any, tmp_path: Path) -> None:
    topic = new_topic(kafka, 2)
    rows = [row(i, START, model_version=f"v{i % 4000}") for i in range(12_000)]
    produce(kafka.bootstrap, topic, encoded(rows))
    run = a_run(tmp_path, kafka.bootstrap, topic, api_version=kafka.api_version, model={"max_versions": 20})
    assert peak_of("-m", "monitor", "run", str(run.config), "--until-idle", folder=tmp_path) < DAEMON_MIB
    windows = told(run, "windows")
    assert len(windows) == 21
    assert all(map(adds_up, windows))
    assert sum(window["counted"] for window in windows) == 12_000
    other = next(window for window in windows if window["version"] == "(other)")
    assert other["counted"] == 12_000 - 20 * 3
    said = [r for r in told(run, "results") if r["version"] == "(other)" and r["check"] == "quality"]
    beside = [r for r in said if r["verdict"] != "ok"]  # doubles are counted by id, whatever the version
    assert {r["verdict"] for r in beside} == {"warn", "skipped"}
    assert all("max_versions 20" in r["reason"] for r in beside)


def told(run: Any, command: str) -> list[dict[str, Any]]:
    """What a command lists as JSON lines."""
    asked = [sys.executable, "-m", "monitor", command, str(run.config), "--format", "jsonl"]
    output = subprocess.run(asked, check=True, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"}).stdout
    return [json.loads(line) for line in output.splitlines()]
