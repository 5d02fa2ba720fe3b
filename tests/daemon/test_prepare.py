"""References that the configuration names, and columns that it leaves out."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from structlog.testing import capture_logs

from monitor.core.schema import Column, Kind
from monitor.errors import SettingsError, UsageError
from monitor.ports import Store
from monitor.prepare import prepare
from monitor.settings import load_settings
from monitor.storage import open_store
from tests.contracts.store_story import checkpoint, delta, key
from tests.daemon.running import MODEL, a_run, daemon, encoded, new_topic, row
from tests.flights_run import Run, produce

HOURS = 24
COLUMNS = {"dep_delay": "numeric", "carrier": "categorical", "night": "boolean"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/driftd.db")
    yield opened
    opened.close()


def reference_file(folder: Path, name: str = "reference.jsonl", *, flat: bool = False) -> Path:
    path = folder / name
    rows = [{**each, **each["features"], "night": n % 2 == 0} for n, each in enumerate(row(n) for n in range(-3600 * HOURS, 0, 60))]
    frame = pd.DataFrame(rows).drop(columns=["features"] if flat else [])
    match path.suffix:
        case ".csv":
            frame.to_csv(path, index=False)
        case ".parquet":
            frame.to_parquet(path)
        case _:
            path.write_text("".join(json.dumps(each) + "\n" for each in frame.to_dict("records")))
    return path


def run_of(folder: Path, *, bootstrap: str = "127.0.0.1:1", topic: str = "t", **model: object) -> Run:
    """A model whose file names no columns unless ``model`` does."""
    run = a_run(folder, bootstrap, topic, model=dict(model))
    written = json.loads(run.config.read_text())
    if "columns" not in model:
        del written["models"][MODEL]["columns"]
    run.config.write_text(json.dumps(written))
    return run


def test_a_reference_is_built_at_the_first_start_and_not_again(store, tmp_path):
    data = reference_file(tmp_path)
    config = run_of(tmp_path, reference={"data": data.name, "version": "1"}, columns=COLUMNS).config
    prepare(load_settings(config), config, store)
    [built] = store.references(MODEL)
    assert (built.version, built.number, built.active, built.rows) == ("1", 1, True, 60 * HOURS)
    data.unlink()  # would be missed if it were read again
    prepare(load_settings(config), config, store)
    assert store.references(MODEL) == [built]


def test_columns_that_are_left_out_are_those_of_the_reference(store, tmp_path):
    first = run_of(tmp_path, reference={"data": reference_file(tmp_path).name}, columns=COLUMNS).config
    [named] = prepare(load_settings(first), first, store)
    config = run_of(tmp_path).config
    [model] = prepare(load_settings(config), config, store)
    assert {column.name: column.kind for column in model.columns} == {
        "dep_delay": Kind.NUMERIC, "carrier": Kind.CATEGORICAL, "night": Kind.BOOLEAN, "late": Kind.CATEGORICAL, "p_late": Kind.NUMERIC,
    }  # fmt: skip
    assert sorted(model.columns, key=by_name) == sorted(named.columns, key=by_name)  # paths and roles too
    assert model.streams[0].columns == model.columns


@pytest.mark.parametrize(
    ("column", "why"),
    [("dep_delay", '"dep_delay" is numeric; expected a categorical or boolean column; known: '), ("orign", '"orign" is not a column')],
)
def test_segments_must_be_columns_of_the_reference_that_are_no_numbers(column, why, store, tmp_path):
    config = run_of(tmp_path, reference={"data": reference_file(tmp_path).name}, columns=COLUMNS).config
    prepare(load_settings(config), config, store)
    bare = run_of(tmp_path, segments=[column]).config
    with pytest.raises(UsageError, match=rf"models.{MODEL}.segments\[0\]: {why}"):
        prepare(load_settings(bare), bare, store)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_columns_that_are_left_out_are_read_from_the_file_that_is_named(suffix, store, tmp_path):
    data = reference_file(tmp_path, f"reference.{suffix}", flat=True)
    config = run_of(tmp_path, reference={"data": data.name}).config
    [model] = prepare(load_settings(config), config, store)
    assert {column.name: column.kind for column in model.columns} == {
        "dep_delay": Kind.NUMERIC, "distance": Kind.NUMERIC, "hour": Kind.NUMERIC, "carrier": Kind.CATEGORICAL, "origin": Kind.CATEGORICAL,
        "dest": Kind.CATEGORICAL, "night": Kind.BOOLEAN, "late": Kind.CATEGORICAL, "p_late": Kind.NUMERIC,
    }  # fmt: skip
    assert {column.path for column in model.columns} >= {"features.dep_delay", "features.night", "late", "p_late"}
    data.unlink()  # a second start takes them from the reference
    assert prepare(load_settings(config), config, store) == (model,)


def test_what_is_left_out_of_a_reference_is_logged(store, tmp_path):
    config = run_of(tmp_path, reference={"data": reference_file(tmp_path).name}).config
    with capture_logs() as logs:
        prepare(load_settings(config), config, store)
    assert logs == [
        {"event": "column 'features' is left out: it holds lists or objects; list all columns in columns: to watch it",
         "action": "reference.added", "model": MODEL, "log_level": "info"},
        {"event": "it covers 23h: two weeks teach what hours and weekdays do",
         "action": "reference.added", "model": MODEL, "log_level": "info"},
    ]  # fmt: skip


def by_name(column: Column) -> str:
    return column.name


def test_columns_that_are_named_need_no_reference(store, tmp_path):
    config = run_of(tmp_path, columns=COLUMNS).config
    [model] = prepare(load_settings(config), config, store)
    assert set(COLUMNS) < {column.name for column in model.columns}
    assert store.references() == []


def test_without_columns_and_without_a_reference_it_says_what_to_do(store, tmp_path):
    config = run_of(tmp_path).config
    with pytest.raises(UsageError, match=rf"models.{MODEL}.columns: not given, .* `driftd reference build CONFIG {MODEL} --data FILE`"):
        prepare(load_settings(config), config, store)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{broken\n", r"reference.jsonl:.*"),
        (b"", r"reference.jsonl:.*"),
        (b'{"dep_delay": 1}\n', r"no column 'carrier', .*, which model 'flight-delay' needs; it has \['dep_delay'\]$"),
        (None, r"no such file$"),
    ],
    ids=["broken", "empty", "too few columns", "missing"],
)
def test_a_reference_that_cannot_be_built_is_one_clear_line(content, why, store, tmp_path):
    if content is not None:
        (tmp_path / "reference.jsonl").write_bytes(content)
    config = run_of(tmp_path, reference={"data": "reference.jsonl"}, columns=COLUMNS).config
    with pytest.raises(UsageError, match=rf"^the reference of {MODEL} could not be built from reference.jsonl: /[^\[]*{why}") as error:
        prepare(load_settings(config), config, store)
    assert "\n" not in str(error.value)
    assert store.references() == []


def test_a_daemon_whose_reference_cannot_be_built_ends_with_exit_1(tmp_path):
    with daemon(run_of(tmp_path, reference={"data": "reference.jsonl"}, columns=COLUMNS), ready=False) as d:
        assert d.ended() == 1
        assert d.text().splitlines()[-1].startswith(f"driftd: the reference of {MODEL} could not be built from reference.jsonl: ")
        assert "Traceback" not in d.text()


def test_a_window_of_another_length_than_those_that_are_stored_is_refused_at_its_place(store, tmp_path):
    config = run_of(tmp_path, columns=COLUMNS).config
    prepare(load_settings(config), config, store)
    store.checkpoint(checkpoint(delta(key(0, model=MODEL), 1.0)))
    prepare(load_settings(config), config, store)
    config = run_of(tmp_path, columns=COLUMNS, window="1d").config
    with pytest.raises(SettingsError) as refused:
        prepare(load_settings(config), config, store)
    [problem] = refused.value.problems
    assert problem.path == f"models.{MODEL}.window"
    assert config.read_text()[problem.column - 1:].startswith('"1d", "allowed_lateness"'), "the value, in a file of one line"
    assert (problem.file, problem.line) == (str(config), 1)
    assert problem.message.startswith("the stored windows are 1h long, this says 1d; rows of both could not be told apart: put the old")


def test_a_daemon_with_another_length_of_windows_does_not_start_and_changes_nothing(store, tmp_path):
    store.checkpoint(checkpoint(delta(key(0, model=MODEL), 1.0)))
    store.close()
    run = run_of(tmp_path, columns=COLUMNS, window="1d")
    with daemon(run, ready=False) as d:
        assert d.ended() == 2
        assert f": models.{MODEL}.window: the stored windows are 1h long, this says 1d; " in d.text().splitlines()[-1]
        assert "Traceback" not in d.text()
    [window] = run.rows("windows", str(run.config))
    assert window["window_end"] == "2013-03-01T01:00:00Z"
    checked = subprocess.run(run.command("check", str(run.config), "--connect"), capture_output=True, text=True, check=False)
    assert checked.returncode == 1
    assert f"failed  windows: models.{MODEL}.window: the stored windows are 1h long, this says 1d; " in checked.stdout


@pytest.mark.kafka
def test_the_first_start_builds_what_the_file_names_and_judges_by_it(kafka, tmp_path):
    topic = new_topic(kafka)
    produce(kafka.bootstrap, topic, encoded(row(n) for n in range(0, 3600, 60)))
    reference_file(tmp_path)
    columns = {"dep_delay": "numeric", "carrier": "categorical"}
    run = run_of(tmp_path, bootstrap=kafka.bootstrap, topic=topic, reference={"data": "reference.jsonl"}, columns=columns)
    run.driftd("run", str(run.config), "--until-idle")
    results = run.rows("results", str(run.config), "--check", "drift")
    assert {result["column"] for result in results} >= {"dep_delay", "carrier", "p_late", "late"}
    assert {result["verdict"] for result in results if result["column"] == "dep_delay"} == {"ok"}


@pytest.mark.kafka
def test_the_first_start_without_columns_watches_what_the_file_holds(kafka, tmp_path):
    topic = new_topic(kafka)
    nights = (row(n, features={**row(n)["features"], "night": n % 120 == 0}) for n in range(0, 3600, 60))
    produce(kafka.bootstrap, topic, encoded(nights))
    reference_file(tmp_path)
    run = run_of(tmp_path, bootstrap=kafka.bootstrap, topic=topic, reference={"data": "reference.jsonl"})
    said = run.errors("run", str(run.config), "--until-idle")
    assert "column 'features' is left out: it holds lists or objects" in said
    results = run.rows("results", str(run.config))
    drift = {result["column"]: result["verdict"] for result in results if result["check"] == "drift"}
    assert {name for name in drift if name} == {"dep_delay", "distance", "hour", "carrier", "origin", "dest", "night", "late", "p_late"}
    assert {drift[name] for name in ("dep_delay", "carrier", "night")} == {"ok"}
    assert {result["verdict"] for result in results if result["check"] == "quality"} == {"ok"}  # every path found its values
