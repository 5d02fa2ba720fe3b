"""References from files with labels teach what estimates performance without them, chunk by chunk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from monitor.core.estimated.losses import LossModel
from monitor.core.estimated.scores import ScoreModel
from monitor.core.profile import Profile
from monitor.core.reference import Reference
from monitor.core.rules import StreamKind, Task
from monitor.core.schema import Column, Kind, Role
from monitor.references import build_reference, files
from monitor.references.estimates import TaughtRows
from tests.core.estimating import MANY, draw_many, predicted_of
from tests.edges.test_reference_performance import COLUMNS, frame, model, saved

NUMBERS = (
    Column(name="delay", kind=Kind.NUMERIC),
    Column(name="carrier", kind=Kind.CATEGORICAL),
    Column(name="late", kind=Kind.NUMERIC, role=Role.PREDICTION),
)
LABEL = Column(name="arrived_late", kind=Kind.NUMERIC, role=Role.LABEL)


def numbers(size: int = 20_000) -> pd.DataFrame:
    """Minutes: errors grow with the delay."""
    rng = np.random.default_rng(2)
    rows = frame(size)
    return rows.assign(late=rows["delay"] + 60, arrived_late=rows["delay"] + 60 + rng.normal(0, 1, size) * (1 + rows["delay"] / 20))


def test_a_classifier_is_taught_from_its_scores_and_estimates_what_the_file_says(tmp_path):
    rows = frame()
    reference = build_reference(saved(rows, tmp_path), model(), time_column="ts")
    estimator = reference.performance.estimator
    assert isinstance(estimator, ScoreModel)
    assert not estimator.calibrations[0].helps  # the scores are the chances
    window = predicted_of(rows["p_late"].to_numpy()[:5000], decided=rows["late"].to_numpy()[:5000])
    found = estimator.estimate(window, None, ["accuracy"])["accuracy"]
    came = rows["arrived_late"].astype(int).to_numpy()[:5000]
    assert abs(found.value - (came == rows["late"][:5000]).mean()) < 3 * found.sd
    assert Reference.from_json(reference.to_json()).performance.estimator == estimator
    assert reference.of_segment("carrier", "AA").performance.estimator == estimator


def test_a_regressor_is_taught_from_its_errors_and_estimates_from_the_profile_alone(tmp_path, monkeypatch):
    rules = model(Task.REGRESSION, LABEL, NUMBERS)
    path = saved(numbers(), tmp_path)
    reference = build_reference(path, rules, time_column="ts")
    estimator = reference.performance.estimator
    assert isinstance(estimator, LossModel)
    assert sorted(estimator.groups) == ["carrier", "delay", "late"]
    assert "labels" not in estimator.losses
    assert Reference.from_json(reference.to_json()).performance.estimator == estimator
    profile: Profile = reference.profile
    found = estimator.estimate(predicted_of(np.empty(0)), profile, ["mae"])["mae"]
    rows = numbers()
    assert found.value == pytest.approx(np.abs(rows["late"] - rows["arrived_late"]).mean(), rel=1e-4)
    monkeypatch.setattr(files, "CHUNK_ROWS", 777)
    assert build_reference(path, rules, time_column="ts").hash == reference.hash


def test_rows_without_time_teach_but_are_no_window(tmp_path):
    rows = frame(5000)
    rows.loc[::2, "ts"] = pd.NaT
    estimator = build_reference(saved(rows, tmp_path), model(), time_column="ts").performance.estimator
    assert estimator.calibrations[0].blocks.rows.sum() == 5000
    timeless = build_reference(saved(rows.drop(columns="ts"), tmp_path, "t.parquet"), model()).performance.estimator
    assert timeless.calibrations[0].spread == 0.0


def test_a_file_that_cannot_teach_says_why_and_one_without_labels_has_no_part(tmp_path):
    rows = frame(5000)
    one = rows.assign(arrived_late=True)
    found = build_reference(saved(one, tmp_path), model(), time_column="ts").performance.estimator
    assert found.reason == "the labels of the reference are of one class only: the positive one"
    without = replace(model(), columns=tuple(column for column in COLUMNS if column.role is not Role.SCORE))
    found = build_reference(saved(rows.drop(columns="p_late"), tmp_path), without, time_column="ts").performance.estimator
    assert "have a label and a score" in found.reason
    plain = rows.drop(columns="arrived_late")
    reference = build_reference(saved(plain, tmp_path), model(), time_column="ts")
    assert reference.performance is None
    assert TaughtRows(model(), None, frozenset(), reference.grid).given_to(None) is None


@pytest.mark.parametrize("classes", [MANY, MANY[:2]], ids=["all", "one that no row is of"])
def test_a_model_of_many_classes_is_taught_from_their_probabilities(tmp_path, classes):
    scores, truth = draw_many(np.random.default_rng(3), 5000, sure=2)
    kept = (truth < len(classes)) & (scores.argmax(axis=1) < len(classes))
    scores, truth = scores[kept], truth[kept]
    rows = pd.DataFrame({
        "carrier": np.array(MANY)[np.arange(len(truth)) % 3],
        "late": np.array(MANY)[scores.argmax(axis=1)],
        "p": [dict(zip(MANY, row, strict=True)) for row in scores.tolist()],
        "arrived_late": np.array(MANY)[truth],
    })  # fmt: skip
    columns = (COLUMNS[1], COLUMNS[2])
    rules = replace(model(Task.MULTICLASS, columns=columns), segments=())
    streams = tuple(replace(one, scores="p") if one.kind is StreamKind.PREDICTIONS else one for one in rules.streams)
    estimator = build_reference(saved(rows, tmp_path), replace(rules, streams=streams)).performance.estimator
    assert isinstance(estimator, ScoreModel)
    assert estimator.classes.names == MANY
    assert all(one.helps for one in estimator.calibrations[:2])
    found = estimator.estimate(predicted_of(scores, classes=MANY), None, ["accuracy"])["accuracy"]
    assert found.value == pytest.approx((scores.argmax(axis=1) == truth).mean(), abs=0.02)
