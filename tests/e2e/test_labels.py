"""A year of real flights and their labels: predicted at departure, labelled at arrival, some never."""

from __future__ import annotations

import json
import random
import signal
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from monitor.core.performance.tally import Tally
from monitor.demo.flights import load_flights
from monitor.storage import open_store
from tests.e2e.test_main_path import kill_within
from tests.flights_run import Run, produce

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
MODEL = "flight-delay"
FEATURES = {"dep_delay": "numeric", "distance": "numeric", "carrier": "categorical"}


@dataclass(frozen=True, slots=True)
class Topics:
    """Where a story's predictions and labels are."""

    predictions: str
    labels: str


@pytest.fixture(scope="module")
def year() -> pd.DataFrame:
    frame = load_flights().frame.copy()
    frame["late"] = (frame.dep_delay > 15).astype(int)
    frame["p_late"] = 1 / (1 + np.exp(-(frame.dep_delay - 15) / 10))
    frame["model_version"] = "1"
    return frame


def predictions(frame: pd.DataFrame) -> list[tuple[str, bytes]]:
    stamps = frame.departed_at.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    features = frame[list(FEATURES)].to_dict("records")
    rows = zip(frame.prediction_id, stamps, frame.late.tolist(), frame.p_late.tolist(), features, strict=True)
    return [(id, json.dumps({"prediction_id": id, "ts": ts, "model_version": "1", "late": late, "p_late": p, "features": found}).encode())
            for id, ts, late, p, found in rows]


def labels(frame: pd.DataFrame) -> list[tuple[str, bytes]]:
    known = frame[frame.arrived_late.notna()].sort_values("arrived_at", kind="stable")
    stamps = known.arrived_at.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return [(id, json.dumps({"prediction_id": id, "ts": ts, "arrived_late": int(late)}).encode())
            for id, ts, late in zip(known.prediction_id, stamps, known.arrived_late, strict=True)]


def topics(kafka) -> Topics:
    tag = uuid.uuid4().hex[:6]
    return Topics(kafka.create_topic(f"flight.predictions.{tag}", 4), kafka.create_topic(f"flight.labels.{tag}", 3))


def run_on(kafka, at: Topics, folder: Path, reference: pd.DataFrame, store: str | None = None) -> Run:
    folder.mkdir(exist_ok=True)
    model: dict[str, Any] = {
        "streams": {
            "predictions": {"topic": at.predictions, "id": "prediction_id", "time": "ts", "version": "model_version", "prediction": "late",
                            "score": "p_late", "features": "features"},
            "labels": {"topic": at.labels, "id": "prediction_id", "time": "ts", "label": "arrived_late"},
        },
        "columns": FEATURES,
        "performance": {"metrics": ["accuracy", "roc_auc"], "max_drop": 0.05, "label_delay": "45d", "min_labelled": 50},
    }
    run = Run(folder=folder, store=store or f"sqlite:///{folder}/driftd.db", bootstrap=kafka.bootstrap, topic=at.predictions,
              api_version=kafka.api_version, model=model)
    run.build_reference(reference.rename(columns={"departed_at": "ts"}).drop(columns=["arrived_at"]))
    return run


def final(run: Run) -> dict[tuple[str, str], dict[str, Any]]:
    """By start of the window and metric, the last revision of what labels told."""
    rows = run.rows("results", str(run.config), "--check", "performance")
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["revision"]):
        if not row["estimated"] and row["segment"] == "*":
            found[row["window_start"], row["metric"]] = row
    return found


def numbers(run: Run) -> dict[tuple[str, str], tuple[float, int, float, float, str]]:
    return {key: (row["value"], row["labelled"], row["ci_low"], row["ci_high"], row["verdict"]) for key, row in final(run).items()}


def test_every_prediction_and_label_of_a_year_is_accounted_for_and_each_month_is_as_accurate_as_scikit_learn_says(kafka, year, tmp_path):
    at = topics(kafka)
    produce(kafka.bootstrap, at.predictions, predictions(year))
    produce(kafka.bootstrap, at.labels, labels(year))
    run = run_on(kafka, at, tmp_path / "year", year[year.departed_at < "2013-03-01"])
    run.driftd("run", str(run.config), "--until-idle", timeout=600)

    windows = run.rows("windows", str(run.config))
    assert sum(window["counted"] for window in windows) == sum(window["received"] for window in windows) == len(year) == 328_521
    store = open_store(run.store)
    try:
        account, tallies = store.label_account(MODEL), store.tallies(MODEL)
        streams = {count.stream: count for count in store.stream_counts()}
    finally:
        store.close()
    assert streams["labels"].received == account.received == account.matched == int(year.arrived_late.notna().sum()) == 327_346
    whole = [(tally.key.start, Tally.from_bytes(tally.data)) for tally in tallies if tally.key.segment == "*"]
    assert sum(tally.labelled for _, tally in whole) == 327_346

    known = year[year.arrived_late.notna()]
    by_month = known.groupby(known.departed_at.dt.strftime("%Y-%m"))
    results = final(run)
    for month, rows in by_month:
        days = [row for (start, metric), row in results.items() if metric == "accuracy" and start.startswith(month)]
        assert sum(row["labelled"] for row in days) == len(rows)
        told = sum(row["value"] * row["labelled"] for row in days) / len(rows)
        assert told == pytest.approx(accuracy_score(rows.arrived_late.astype(int), rows.late), abs=1e-9)
    for day, rows in known.groupby(known.departed_at.dt.strftime("%Y-%m-%dT00:00:00Z")):
        truth = rows.arrived_late.astype(int)
        if truth.nunique() == 2 and len(rows) >= 50:
            assert results[day, "roc_auc"]["value"] == pytest.approx(roc_auc_score(truth, rows.p_late), abs=1e-9)


@pytest.fixture(scope="module")
def quarter(year) -> pd.DataFrame:
    return year[(year.departed_at >= "2013-03-01") & (year.departed_at < "2013-06-01")]


@pytest.fixture(scope="module")
def reference(year) -> pd.DataFrame:
    return year[year.departed_at < "2013-03-01"]


@pytest.fixture(scope="module")
def at_once(kafka, quarter, reference, tmp_path_factory) -> Run:
    """The quarter with every label behind its prediction."""
    at = topics(kafka)
    produce(kafka.bootstrap, at.predictions, predictions(quarter))
    produce(kafka.bootstrap, at.labels, labels(quarter))
    run = run_on(kafka, at, tmp_path_factory.mktemp("at_once") / "run", reference)
    run.driftd("run", str(run.config), "--until-idle", timeout=600)
    assert len(final(run)) == 3 * 92
    return run


def test_labels_a_month_late_shuffled_and_repeated_come_to_the_same_numbers(kafka, quarter, reference, at_once, tmp_path):
    at = topics(kafka)
    run = run_on(kafka, at, tmp_path / "late", reference)
    shuffled = random.Random(5)
    months = [month for _, month in quarter.groupby(quarter.departed_at.dt.month)]
    for month, before in zip([*months, None], [None, *months], strict=True):
        if month is not None:
            produce(kafka.bootstrap, at.predictions, predictions(month))
        if before is not None:
            told = labels(before) + labels(before)[::7]
            shuffled.shuffle(told)
            produce(kafka.bootstrap, at.labels, told)
        run.driftd("run", str(run.config), "--until-idle", timeout=600)
    assert numbers(run) == numbers(at_once)


def test_labels_that_come_before_their_predictions_come_to_the_same_numbers(kafka, quarter, reference, at_once, tmp_path):
    at = topics(kafka)
    run = run_on(kafka, at, tmp_path / "early", reference)
    produce(kafka.bootstrap, at.labels, labels(quarter))
    run.driftd("run", str(run.config), "--until-idle", timeout=600)
    produce(kafka.bootstrap, at.predictions, predictions(quarter))
    run.driftd("run", str(run.config), "--until-idle", timeout=600)
    assert numbers(run) == numbers(at_once)


@pytest.mark.fault(1)
@pytest.mark.parametrize("point", ["join.before_commit", "join.after_commit", "revision.before_commit", "revision.after_commit"])
@pytest.mark.parametrize("passage", [1, pytest.param(4, marks=pytest.mark.long)])
def test_a_kill_where_labels_are_joined_and_windows_revised_changes_nothing(
    point, passage, kafka, reference, at_once, tmp_path, monkeypatch
):  # fmt: skip
    run = run_on(kafka, topics_of(at_once), tmp_path / "killed", reference)
    monkeypatch.setenv("DRIFTD_FAILPOINTS", f"{point}=kill@{passage}")
    assert run.start("--until-idle").wait(timeout=120) == -signal.SIGKILL
    monkeypatch.delenv("DRIFTD_FAILPOINTS")
    run.driftd("run", str(run.config), "--until-idle", timeout=600)
    assert numbers(run) == numbers(at_once)


def topics_of(run: Run) -> Topics:
    streams = json.loads(run.config.read_text())["models"][MODEL]["streams"]
    return Topics(streams["predictions"]["topic"], streams["labels"]["topic"])


@pytest.mark.fault(1)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_kills_in_the_middle_change_nothing_in_the_final_numbers(database, kafka, reference, at_once, tmp_path, request):
    url = request.getfixturevalue("postgres").create_database() if database == "postgres" else None
    run = run_on(kafka, topics_of(at_once), tmp_path / "killed", reference, url)
    moments = random.Random(20130331)
    for _ in range(6):
        kill_within(run, moments.uniform(0.2, 1.2))
    run.driftd("run", str(run.config), "--until-idle", timeout=600)
    assert numbers(run) == numbers(at_once)
    store = open_store(run.store)
    try:
        assert store.label_account(MODEL).matched == sum(row["labelled"] for (_, metric), row in final(run).items() if metric == "accuracy")
    finally:
        store.close()
