"""References from files with labels: how well the model did on them, beside what they say of columns."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from monitor.core.performance.metrics import METRICS
from monitor.core.reference import Reference, difference
from monitor.core.rules import Model, PerformanceRules, Stream, StreamKind, Task
from monitor.core.schema import Column, Kind, Role
from monitor.errors import DecodeError
from monitor.references import build, build_reference, files

COLUMNS = (
    Column(name="delay", kind=Kind.NUMERIC),
    Column(name="carrier", kind=Kind.CATEGORICAL),
    Column(name="late", kind=Kind.CATEGORICAL, role=Role.PREDICTION),
    Column(name="p_late", kind=Kind.NUMERIC, role=Role.SCORE),
)
LABEL = Column(name="arrived_late", kind=Kind.CATEGORICAL, role=Role.LABEL)


def model(task: Task = Task.BINARY, label: Column | None = LABEL, columns: tuple[Column, ...] = COLUMNS) -> Model:
    streams = [Stream(kind=StreamKind.PREDICTIONS, topic="p", time="ts")]
    if label is not None:
        streams.append(Stream(kind=StreamKind.LABELS, topic="l", time="ts", columns=(label,)))
    return Model(
        name="flights", task=task, window=timedelta(days=1), allowed_lateness=timedelta(0), min_rows=100, dedupe=False,
        streams=tuple(streams), columns=columns, segments=("carrier",),
    )  # fmt: skip


def frame(size: int = 30_000) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    score = rng.beta(2, 5, size)
    came = rng.random(size) < score
    return pd.DataFrame({
        "ts": pd.Timestamp("2013-01-01", tz="UTC") + pd.to_timedelta(np.arange(size) * 30, unit="s"),
        "delay": rng.gamma(2.0, 20.0, size).round(3),
        "carrier": rng.choice(["AA", "DL", "UA"], size),
        "late": (score > 0.4).astype(int),
        "p_late": score,
        "arrived_late": pd.array(came, dtype="boolean"),
    })  # fmt: skip


def saved(rows: pd.DataFrame, folder: Path, name: str = "r.parquet") -> Path:
    path = folder / name
    if name.endswith("csv"):
        rows.to_csv(path, index=False)
    else:
        rows.to_parquet(path)
    return path


@pytest.mark.parametrize("name", ["r.parquet", "r.csv"])
def test_a_file_with_labels_tells_how_well_the_model_did(tmp_path, name):
    rows = frame()
    rows.loc[::7, "arrived_late"] = pd.NA
    reference = build_reference(saved(rows, tmp_path, name), model(), time_column="ts")
    part = reference.performance
    known = rows.dropna()
    truth, predicted = known.arrived_late.astype(bool), known.late.astype(bool)
    assert (part.tally.rows, part.tally.labelled, part.positive) == (30_000, len(known), "1")
    assert part.classes == ("0", "1", "false", "true")
    assert METRICS["f1"].of(part.tally).value == pytest.approx(sk.f1_score(truth, predicted), abs=1e-9)
    assert METRICS["roc_auc"].of(part.tally).value == pytest.approx(sk.roc_auc_score(truth, known.p_late), abs=1e-3)
    assert "arrived_late" not in reference.profile.columns
    assert "arrived_late" not in reference.provenance["columns"]
    assert len(part.windows.rows) == 11
    first = known[known.ts < pd.Timestamp("2013-01-02", tz="UTC")]
    assert part.windows.values["accuracy"][0] == pytest.approx((first.arrived_late.astype(int) == first.late).mean(), abs=1e-9)


def test_every_segment_has_its_own_and_they_add_up(tmp_path):
    reference = build_reference(saved(frame(), tmp_path), model(), time_column="ts")
    parts = reference.segments["carrier"]
    assert sum(part.performance.tally.labelled for part in parts.values()) == reference.performance.tally.labelled
    whole = None
    for part in parts.values():
        whole = part.performance.tally if whole is None else whole.merge(part.performance.tally)
    assert whole == reference.performance.tally
    own = replace(parts["AA"].performance, estimator=reference.performance.estimator)
    assert reference.of_segment("carrier", "AA").performance == own


def test_chunks_make_no_difference(tmp_path, monkeypatch):
    path = saved(frame(5000), tmp_path)
    whole = build_reference(path, model(), time_column="ts")
    monkeypatch.setattr(files, "CHUNK_ROWS", 333)
    assert build_reference(path, model(), time_column="ts").hash == whole.hash


def test_it_comes_back_from_its_document_under_its_hash(tmp_path):
    reference = build_reference(saved(frame(5000), tmp_path), model(), time_column="ts")
    again = Reference.from_json(reference.to_json())
    assert again == reference
    assert again.performance == reference.performance
    with pytest.raises(DecodeError, match=r"performance\.positive: expected a text"):
        Reference.from_json(reference.to_json().replace('"positive": "1"', '"positive": 1'))


def test_a_file_without_labels_makes_the_document_it_made_before(tmp_path):
    rows = frame(3000)
    path = saved(rows.drop(columns="arrived_late"), tmp_path)
    asked, unasked = (build_reference(path, model(label=label), time_column="ts") for label in (LABEL, None))
    assert asked.performance is None
    assert "performance" not in asked.content()
    assert asked.hash == unasked.hash


@pytest.mark.parametrize("without", [["late", "p_late"], []])
def test_labels_alone_or_none_that_came_tell_nothing(tmp_path, without):
    rows = frame(3000)
    rows["arrived_late"] = pd.array([pd.NA] * len(rows) if not without else rows.arrived_late, dtype="boolean")
    columns = tuple(column for column in COLUMNS if column.name not in without)
    assert build_reference(saved(rows, tmp_path), model(columns=columns), time_column="ts").performance is None


def test_scores_alone_are_enough(tmp_path):
    columns = tuple(column for column in COLUMNS if column.name != "late")
    part = build_reference(saved(frame(3000), tmp_path), model(columns=columns), time_column="ts").performance
    assert METRICS["accuracy"].of(part.tally).value > 0.6


def test_a_positive_class_by_name_and_one_that_nobody_knows(tmp_path):
    rows = frame(3000)
    for name in ("late", "arrived_late"):
        rows[name] = np.where(rows[name].astype(bool), "yes", "no")
    path = saved(rows, tmp_path)
    rules = PerformanceRules(metrics=("f1",), max_drop=0.1, label_delay=timedelta(days=1), positive="yes")
    named = build_reference(path, replace(model(), performance=rules), time_column="ts").performance
    assert named.positive == "yes"
    assert METRICS["f1"].of(named.tally).value == pytest.approx(sk.f1_score(rows.arrived_late == "yes", rows.late == "yes"), abs=1e-9)
    unknown = build_reference(path, model(), time_column="ts").performance
    assert (unknown.positive, unknown.classes) == ("", ("no", "yes"))
    assert "the classes are 'no', 'yes'" in unknown.tally.fault


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_other_tasks_are_counted_too(tmp_path, kind):
    rows, task = frame(3000), Task(kind)
    rng = np.random.default_rng(2)
    if task is Task.REGRESSION:
        rows["arrived_late"], columns = rows.delay + rng.normal(0, 3, 3000), (*COLUMNS[:2], replace(COLUMNS[0], name="p_late",
                                                                                                role=Role.PREDICTION))
        rows["p_late"], label = rows.delay, replace(LABEL, kind=Kind.NUMERIC)
    else:
        rows["arrived_late"], columns, label = rng.choice(list("abc"), 3000), COLUMNS[:3], LABEL
        rows["late"] = np.where(rng.random(3000) < 0.8, rows.arrived_late, "a")
    part = build_reference(saved(rows, tmp_path), model(task, label, columns), time_column="ts").performance
    if task is Task.REGRESSION:
        assert METRICS["mae"].of(part.tally).value == pytest.approx(sk.mean_absolute_error(rows.arrived_late, rows.p_late), rel=1e-9)
        assert part.classes == ()
    else:
        expected = sk.f1_score(rows.arrived_late, rows.late, average="macro")
        assert METRICS["f1_macro"].of(part.tally).value == pytest.approx(expected, abs=1e-9)
        assert part.classes == ("a", "b", "c")


def test_few_windows_of_many_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "MAX_LABELLED_WINDOWS", 4)
    part = build_reference(saved(frame(), tmp_path), model(), time_column="ts").performance
    assert len(part.windows.rows) == 4
    assert part.tally.rows == 30_000


def test_a_given_grid_still_learns_the_classes(tmp_path):
    path = saved(frame(3000), tmp_path)
    first = build_reference(path, model(), time_column="ts")
    assert build_reference(path, model(), time_column="ts", grid=first.grid).hash == first.hash


def test_a_difference_names_the_labelled_rows(tmp_path):
    path = saved(frame(3000), tmp_path)
    old, new = (build_reference(path, model(label=label), time_column="ts") for label in (None, LABEL))
    assert "labelled rows: 0 → 3000" in difference(old, new)
