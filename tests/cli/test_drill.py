"""``driftd drill`` on a small store of each make: what it says, what it writes for scripts, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.cli.drill import command
from monitor.core.drill import FAULTS
from tests.cli.driftd import Driftd, configuration
from tests.pipeline.test_replay import judged_world
from tests.postgres import PostgresServer

WINDOWS = 10


def written(folder: Path, store: str, **rules: object) -> Path:
    streams = {"predictions": {"topic": "flights", "time": "ts", "id": "id", "version": "v"}}
    model = {"task": "binary", "window": "1h", "min_rows": 10, "dedupe": False, "streams": streams,
             "columns": {"delay": "numeric", "carrier": "categorical"}}
    path = folder / "driftd.yaml"
    path.write_text(json.dumps({"store": store, "kafka": {"bootstrap_servers": "127.0.0.1:1"}, "models": {"m": model | rules}}))
    return path


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A configuration whose store holds ten judged hours: three drifted, one silent."""
    folder = tmp_path_factory.mktemp("drill")
    if request.param == "sqlite":
        judged_world(folder).store.close()
        yield written(folder, f"sqlite:///{folder}/driftd.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.create_database()
    judged_world(url).store.close()
    yield written(folder, url)


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drill")
    judged_world(folder).store.close()
    return folder


def test_the_table_says_from_which_size_on_a_fault_is_seen(driftd: Driftd, config: Path) -> None:
    done = driftd("drill", config)
    assert (done.code, done.err) == (0, "")
    first, header, *rows = done.out.splitlines()
    assert first == "m: faults in 10 windows, 2013-03-01T00:00:00Z to 2013-03-01T09:00:00Z"
    assert header.split("  ")[0] == "column"
    found = {tuple(row.split()[:2]): row.split()[2:] for row in rows if row.startswith(("carrier", "delay", "(rows)"))}
    assert found["carrier", "missing"][:4] == ["all", "rows", "all", "rows"]
    assert "without any fault: 4 of 10 windows alert, 2 incidents" in rows
    assert "left out, for the column alerts there by itself (windows): delay 3, (rows) 1" in rows
    at = rows.index("blind spots:")
    assert rows[at + 1 :]
    assert all(row.startswith("  ") for row in rows[at + 1 :])


def test_jsonl_and_csv_have_a_line_per_column_fault_and_size(driftd: Driftd, config: Path) -> None:
    found = [json.loads(line) for line in driftd("drill", config, "--format", "jsonl").out.splitlines()]
    told = list(csv.DictReader(io.StringIO(driftd("drill", config, "--format", "csv").out)))
    assert len(found) == len(told) > 20
    [nulls] = [row for row in found if (row["column"], row["fault"], row["size"]) == ("carrier", "nulls", "25 %")]
    assert nulls == {"model": "m", "column": "carrier", "fault": "nulls", "size": "25 %", "value": 0.25, "windows": 9, "caught": 9,
                     "share": 1.0, "left_out": 0, "opens_in": 1}
    assert [row["size"] for row in told if (row["column"], row["fault"]) == ("carrier", "nulls")] == ["1 %", "5 %", "10 %", "25 %", "50 %"]


def test_only_what_is_asked_for(driftd: Driftd, config: Path) -> None:
    done = driftd("drill", config, "--model", "m", "--column", "carrier", "--fault", "nulls", "--fault", "missing", "--windows", 2,
                  "--since", "2013-03-01T05:00:00Z", "--format", "jsonl")
    found = [json.loads(line) for line in done.out.splitlines()]
    assert {(row["column"], row["fault"], row["windows"]) for row in found} == {("carrier", "nulls", 1), ("carrier", "missing", 1)}


def test_what_does_not_exist_is_named_beside_what_does(driftd: Driftd, config: Path) -> None:
    assert driftd("drill", config, "--model", "n").line == f"driftd: no model 'n' in {config}; known are ['m']"
    done = driftd("drill", config, "--column", "carier")
    assert (done.code, done.line) == (1, "driftd: m has no column 'carier'; known are ['(rows)', 'carrier', 'delay']")
    unknown = driftd("drill", config, "--fault", "flood")
    assert unknown.code == 2
    assert all(f"'{name}'" in unknown.line for name in FAULTS)
    assert driftd("drill", config, "--windows", 0).code == 2
    late = driftd("drill", config, "--since", "2014-01-01")
    assert late.code == 1
    assert late.line == "driftd: m has no judged windows from 2014-01-01T00:00:00Z on: there is nothing to inject faults into"


def test_a_fault_that_does_not_fit_the_column_is_told(driftd: Driftd, sqlite: Path) -> None:
    done = driftd("drill", written(sqlite, f"sqlite:///{sqlite}/driftd.db"), "--column", "delay", "--fault", "recase", "--windows", 1)
    assert (done.code, done.line) == (0, "nothing to tell: none of these faults fits these columns, or no window could be judged")
    assert done.out.startswith("m: faults in 1 window, 2013-03-01T09:00:00Z to ")


def test_a_model_without_windows_keeps_no_other_from_being_drilled(driftd: Driftd, sqlite: Path, tmp_path: Path) -> None:
    document = json.loads(written(tmp_path, f"sqlite:///{sqlite}/driftd.db").read_text())
    document["models"]["n"] = document["models"]["m"]
    (tmp_path / "driftd.yaml").write_text(json.dumps(document))
    done = driftd("drill", tmp_path / "driftd.yaml", "--fault", "missing", "--windows", 2, "--format", "jsonl")
    assert (done.code, done.line) == (0, "driftd: n has no judged windows: there is nothing to inject faults into")
    assert {json.loads(line)["model"] for line in done.out.splitlines()} == {"m"}


def test_a_store_without_windows_is_told(driftd: Driftd, tmp_path: Path) -> None:
    done = driftd("drill", configuration(tmp_path))
    assert (done.code, done.out) == (1, "")
    assert done.line == "driftd: m has no judged windows: there is nothing to inject faults into"


EVIDENCE = {
    "drift": {"tests": {"method": "evidently:psi"}, "severity": "evidence"},
    "performance": {"metrics": "accuracy", "max_drop": 0.1, "label_delay": "1h"},
    "streams": {"predictions": {"topic": "flights", "time": "ts", "id": "id", "version": "v", "prediction": "late", "score": "p"}},
}


def test_what_is_left_out_is_said(driftd: Driftd, sqlite: Path) -> None:
    store = f"sqlite:///{sqlite}/driftd.db"
    said = driftd("drill", written(sqlite, store, **EVIDENCE), "--windows", 2)
    assert "left out: evidently's tests and the domain classifier, which ask rows in a process of their own" in said.out
    assert "drift.severity is evidence: drift that is seen only warns where performance is known and has not dropped" in said.out


def test_a_fault_that_opens_no_incident_and_one_that_nothing_tells_are_said_so(driftd: Driftd, sqlite: Path) -> None:
    store = f"sqlite:///{sqlite}/driftd.db"
    slow = written(sqlite, store, alerts={"open_after": 9})
    rows = driftd("drill", slow, "--column", "carrier", "--fault", "missing").out.splitlines()
    assert rows[2].split()[-1] == "10", "one of them is silent, and neither good nor bad"
    silent = driftd("drill", written(sqlite, store), "--since", "2013-03-01T08:00:00Z", "--windows", 2, "--column", "(rows)").out
    assert "(rows)" in silent
    drifted = driftd("drill", written(sqlite, store), "--since", "2013-03-01T02:00:00Z", "--column", "delay", "--fault", "shift").out
    assert "delay" in drifted


def test_the_help_teaches_by_an_example(driftd: Driftd) -> None:
    done = driftd("drill", "--help")
    assert done.code == 0
    assert "driftd drill config.yaml --column dest --fault nulls" in done.out
    assert command.__doc__ is not None
