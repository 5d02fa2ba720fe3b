"""Performance estimated without labels: driftd beside NannyML and beside what came true.

Classifiers: made-up scores whose truth is known, the breast cancer set that scikit-learn brings, and the demo's model on every day of the
flights from March to December 2013. Regressors: made-up errors, and the arrival delay of the same flights. NannyML runs in a virtual
environment of its own, ``NANNYML_PYTHON``; without one its columns are left out. Deterministic. ``--quick``: every tenth day.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics as theirs

from monitor.core.estimated.estimate import Estimate
from monitor.core.estimated.estimator import Estimator, taught
from monitor.core.estimated.loss_fit import LossFit
from monitor.core.estimated.score_fit import ScoreFit
from monitor.core.labels.predicted import Predicted
from monitor.core.performance.classes import Classes
from monitor.core.profile import Grid, Profile, fit_categorical, fit_numeric
from monitor.core.schema import Batch, CategoricalValues, Floats, NumericValues, Values
from monitor.demo.flights import data_folder, load_flights
from monitor.demo.scenario import CATEGORICAL_FEATURES, FEATURES, NUMERIC_FEATURES
from monitor.demo.trainer import predict, train
from tests.core.estimating import BINARY, ORACLE_SETS, SIDES, Scored, decided_by, draw_day

QUICK = "--quick" in sys.argv
NANNYML = Path(os.environ.get("NANNYML_PYTHON", ".venv-nannyml/bin/python"))
ALPHA = 0.05
MARCH, YEAR_END = datetime(2013, 3, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)
SEED = 2013
OF_TWO = ("roc_auc", "f1", "precision", "recall", "accuracy")
OF_MANY = ("roc_auc", "f1", "precision", "recall", "accuracy")
OF_NUMBERS = ("mae", "rmse")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A set as frames with ``truth``, ``decided`` and ``window``; ``scores``: by class the column; ``features`` of a regressor."""

    kind: str
    metrics: tuple[str, ...]
    reference: pd.DataFrame
    judged: pd.DataFrame
    scores: Mapping[str, str]
    features: tuple[str, ...] = ()

    @property
    def document(self) -> dict[str, Any]:
        """For NannyML's script."""
        return {"kind": self.kind, "metrics": self.metrics, "scores": self.scores, "features": self.features}


# --- the sets --------------------------------------------------------------------------------------------------


def scored(made: Scored) -> Asked:
    """A set of the tests."""
    names = made.classes or BINARY
    columns = {name: f"p_{name}" for name in made.classes} or {"1": "p_1"}

    def frame(scores: Floats, truth: Any, window: Any) -> pd.DataFrame:
        table = scores[:, None] if scores.ndim == 1 else scores
        of_name = np.array(names)
        decided = of_name[decided_by(scores)]
        plain = {"truth": of_name[truth], "decided": decided, "window": window}
        if not made.classes:
            plain |= {"truth": truth, "decided": decided_by(scores)}
        return pd.DataFrame({**plain, **{column: table[:, at] for at, column in enumerate(columns.values())}})

    rows = len(made.reference[1])
    return Asked(
        kind="multiclass" if made.classes else "binary", metrics=OF_MANY if made.classes else OF_TWO, scores=columns,
        reference=frame(*made.reference, np.arange(rows) * 20 // rows), judged=frame(*made.judged, made.windows),
    )  # fmt: skip


def flights() -> Asked:
    """The demo's model by day; its reference holds January and February, scored by models that did not learn from them."""
    everything = load_flights()
    before = everything.between(datetime(2013, 1, 1, tzinfo=UTC), MARCH)
    trained = train(before)
    judged = predict(trained.pipeline, everything.between(MARCH, YEAR_END))

    def frame(rows: pd.DataFrame, start: datetime) -> pd.DataFrame:
        labelled = rows[rows["arrived_late"].notna()]
        day = (labelled["departed_at"] - start).dt.days
        return pd.DataFrame({
            "truth": labelled["arrived_late"].astype(int), "decided": labelled["late"], "p_1": labelled["p_late"], "window": day
        }).reset_index(drop=True)  # fmt: skip

    first = datetime(2013, 1, 1, tzinfo=UTC)
    return Asked(kind="binary", metrics=OF_TWO, reference=frame(trained.reference, first), judged=thinned(frame(judged, MARCH)),
                 scores={"1": "p_1"})  # fmt: skip


def delays() -> Asked:
    """Minutes of delay at arrival, told at departure by trees that learned from January and February."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.model_selection import KFold
    from sklearn.preprocessing import OrdinalEncoder

    rows = pd.read_csv(data_folder() / "flights.csv.zip", usecols=[*FEATURES, "arr_delay", "month", "day"]).dropna()
    rows["window"] = (pd.to_datetime({"year": 2013, "month": rows["month"], "day": rows["day"]}) - pd.Timestamp("2013-01-01")).dt.days
    rows = rows.rename(columns={"arr_delay": "truth"}).sort_values("window", kind="stable", ignore_index=True)
    before, after = rows[rows["month"] <= 2].copy(), rows[rows["month"] > 2].copy()
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan).fit(before[list(CATEGORICAL_FEATURES)])

    def table(part: pd.DataFrame) -> Any:
        return np.column_stack([codes.transform(part[list(CATEGORICAL_FEATURES)]), part[list(NUMERIC_FEATURES)]])

    def fit(part: pd.DataFrame) -> Any:
        return HistGradientBoostingRegressor(max_iter=60, early_stopping=False, random_state=SEED).fit(table(part), part["truth"])

    decided = np.zeros(len(before))
    for learn, judge in KFold(3, shuffle=True, random_state=SEED).split(before):
        decided[judge] = fit(before.iloc[learn]).predict(table(before.iloc[judge]))
    before["decided"] = decided
    after["decided"] = fit(before).predict(table(after))
    after["window"] -= after["window"].min()
    return Asked(kind="regression", metrics=OF_NUMBERS, reference=before, judged=thinned(after), scores={}, features=FEATURES)


def errors() -> Asked:
    """Made-up errors that grow with the inputs, which move by half a standard deviation and back."""
    rng = np.random.default_rng(SEED)

    def frame(days: int, rows: int, moving: bool) -> pd.DataFrame:
        parts = []
        for number in range(days):
            day = draw_day(rng, rows, shift=(number % 5 - 2) * 0.25 if moving else rng.normal(0, 0.2), weather=rng.normal(0, 0.03))
            plain = {name: values.values if isinstance(values, NumericValues) else np.array(values.dictionary)[values.codes]
                     for name, values in day.columns.items() if name != "p"}  # fmt: skip
            parts.append(pd.DataFrame({**plain, "truth": day.truth, "decided": day.predictions, "window": number}))
        return pd.concat(parts, ignore_index=True)

    reference, judged = frame(40, 1000, moving=False), frame(10, 2000, moving=True)
    return Asked(kind="regression", metrics=OF_NUMBERS, reference=reference, judged=judged, scores={}, features=("x", "z", "kind"))


def thinned(rows: pd.DataFrame) -> pd.DataFrame:
    """Every day, or every tenth."""
    if not QUICK:
        return rows
    kept = rows[rows["window"] % 10 == 0]
    return kept.assign(window=kept["window"] // 10).reset_index(drop=True)


def all_sets() -> dict[str, Asked]:
    """By name."""
    found = {name: scored(make()) for name, make in ORACLE_SETS.items()}
    return found | {"flights by day": flights(), "made-up errors": errors(), "flights' delay by day": delays()}


# --- driftd ----------------------------------------------------------------------------------------------------


def predicted(asked: Asked, rows: pd.DataFrame) -> Predicted:
    """The rows as a stream brings them."""
    names = tuple(asked.scores)
    texts = tuple(sorted({*names, *BINARY})) if asked.kind == "binary" else names
    ids = rows.index.to_numpy().astype(np.uint64)
    if asked.kind == "regression":
        return Predicted(ids=ids)
    codes = pd.Categorical(rows["decided"].astype(str), categories=texts).codes.astype(np.int32)
    return Predicted(ids=ids, prediction=CategoricalValues(codes=codes, dictionary=texts),
                     scores=rows[list(asked.scores.values())].to_numpy(dtype=np.float64),
                     classes=() if asked.kind == "binary" else names)  # fmt: skip


def fitted(asked: Asked, grid: Grid | None) -> Estimator:
    """What the reference teaches."""
    rows = asked.reference
    starts = rows["window"].to_numpy(dtype=np.int64)
    if grid is not None:
        losses = LossFit(grid, tuple(grid.columns))
        losses.add(batch(asked, rows), numbers(rows["decided"]), numbers(rows["truth"]), starts)
        return taught(losses.model())
    texts = BINARY if asked.kind == "binary" else tuple(asked.scores)
    fit = ScoreFit(SIDES if asked.kind == "binary" else Classes(names=tuple(asked.scores)))
    codes = pd.Categorical(rows["truth"].astype(str), categories=texts).codes.astype(np.int32)
    fit.add(predicted(asked, rows), CategoricalValues(codes=codes, dictionary=texts), starts)
    return taught(fit.model())


def grid_of(asked: Asked) -> Grid | None:
    """Of a regressor's features and predictions."""
    if asked.kind != "regression":
        return None
    columns = {name: asked.reference[name] for name in (*asked.features, "decided")}
    return Grid({
        name: fit_numeric(values.to_numpy(dtype=np.float64)) if values.dtype.kind in "if" else fit_categorical(sorted(set(values)))
        for name, values in columns.items()
    })


def batch(asked: Asked, rows: pd.DataFrame) -> Batch:
    """A regressor's rows."""
    columns: dict[str, Values] = {}
    for name in (*asked.features, "decided"):
        if rows[name].dtype.kind in "if":
            columns[name] = numbers(rows[name])
        else:
            values = pd.Categorical(rows[name])
            columns[name] = CategoricalValues(codes=values.codes.astype(np.int32), dictionary=tuple(values.categories))
    return Batch(offsets=rows.index.to_numpy(), times=np.zeros(len(rows), dtype=np.int64), versions=None, ids=None, columns=columns)


def numbers(values: Any) -> NumericValues:
    """A column of numbers."""
    return NumericValues(values=values.to_numpy(dtype=np.float64))


def profile(asked: Asked, rows: pd.DataFrame, grid: Grid) -> Profile:
    """Counted on the grid."""
    counted = Profile.empty(grid)
    counted.fold(batch(asked, rows))
    return counted


def realised(asked: Asked, rows: pd.DataFrame) -> dict[str, float]:
    """By scikit-learn; NaN where it is not defined."""
    truth, decided = rows["truth"], rows["decided"]
    if asked.kind == "regression":
        return {"mae": theirs.mean_absolute_error(truth, decided), "rmse": theirs.root_mean_squared_error(truth, decided)}
    average: Any = "binary" if asked.kind == "binary" else "macro"
    scores = rows[list(asked.scores.values())].to_numpy()
    return {
        "roc_auc": theirs.roc_auc_score(truth, scores[:, 0]) if asked.kind == "binary" and truth.nunique() > 1
        else theirs.roc_auc_score(truth, scores, multi_class="ovr") if asked.kind != "binary" else float("nan"),
        "f1": theirs.f1_score(truth, decided, average=average, zero_division=np.nan),
        "precision": theirs.precision_score(truth, decided, average=average, zero_division=np.nan),
        "recall": theirs.recall_score(truth, decided, average=average, zero_division=np.nan),
        "accuracy": theirs.accuracy_score(truth, decided),
    }  # fmt: skip


# --- the table -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Said:
    """By metric the estimates of every window, what came true, and the seconds of fitting and of estimating."""

    estimates: Mapping[str, list[Estimate]]
    realised: Mapping[str, list[float]]
    seconds: tuple[float, float]


def ours(asked: Asked) -> Said:
    """Window by window."""
    grid = grid_of(asked)
    start = time.process_time()
    estimator = fitted(asked, grid)
    learned = time.process_time() - start
    windows = [rows for _, rows in asked.judged.groupby("window")]
    inputs = [(predicted(asked, rows), None if grid is None else profile(asked, rows, grid)) for rows in windows]
    start = time.process_time()
    found = [estimator.estimate(rows, counted, asked.metrics) for rows, counted in inputs]
    seconds = learned, time.process_time() - start
    truths = [realised(asked, rows) for rows in windows]
    return Said(estimates={name: [one[name] for one in found] for name in asked.metrics},
                realised={name: [one[name] for one in truths] for name in asked.metrics}, seconds=seconds)  # fmt: skip


def nannyml(sets: Mapping[str, Asked]) -> Mapping[str, Any] | None:
    """What NannyML says; None where it is not installed."""
    if not NANNYML.is_file():
        return None
    with tempfile.TemporaryDirectory(prefix="driftd-bench-") as name:
        folder = Path(name)
        for i, asked in enumerate(sets.values()):
            asked.reference.to_parquet(folder / f"{i}.reference.parquet", index=False)
            asked.judged.to_parquet(folder / f"{i}.judged.parquet", index=False)
        (folder / "sets.json").write_text(json.dumps({str(i): asked.document for i, asked in enumerate(sets.values())}))
        script = Path(__file__).with_name("nannyml_estimates.py")
        done = subprocess.run([str(NANNYML), str(script), name], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"NannyML: {done.stderr.strip().splitlines()[-1:]}")
    said: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def cells(name: str, said: Said, oracle: Mapping[str, Any] | None) -> str:
    """A row of the table: of one metric."""
    usable = [i for i, one in enumerate(said.estimates[name]) if one.value is not None and np.isfinite(said.realised[name][i])]
    level = np.array([said.estimates[name][i].value for i in usable], dtype=np.float64)
    truth = np.array([said.realised[name][i] for i in usable])
    bounds = np.array([said.estimates[name][i].interval(ALPHA) for i in usable], dtype=np.float64).reshape(-1, 2)
    held = np.mean((bounds[:, 0] <= truth) & (truth <= bounds[:, 1]))
    off, width = float(np.abs(level - truth).mean()), float(np.diff(bounds, axis=1).mean())
    row = [f"{len(usable)} of {len(said.estimates[name])}", f"{truth.mean():.4f}", f"{off:.4f}", f"{held:.0%}", f"{width:.4f}"]
    if oracle is not None:
        values, low, high = (np.array(part, dtype=np.float64)[usable] for part in oracle[name])
        apart, off = np.abs(level - values), float(np.abs(values - truth).mean())
        held = np.mean((low <= truth) & (truth <= high))
        row += [f"{off:.4f}", f"{held:.0%}", f"{(high - low).mean():.4f}", f"{apart.mean():.4f}, {apart.max():.4f}"]
    return " | ".join(row)


def main() -> None:
    """Prints the tables."""
    sets = all_sets()
    oracle = nannyml(sets)
    if oracle is None:
        print(f"no NannyML at {NANNYML}: its columns are left out")
    else:
        print(f"NannyML {oracle['version']}")
    head = ["set", "metric", "windows", "realised, mean", "driftd: off by", "95 % interval holds", "its width"]
    head += [] if oracle is None else ["NannyML: off by", "its boundaries hold", "their width", "driftd − NannyML: mean, most"]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    times = []
    for i, (name, asked) in enumerate(sets.items()):
        said = ours(asked)
        its = None if oracle is None else oracle["found"][str(i)]
        for metric in asked.metrics:
            print(f"| {name} | {metric} | {cells(metric, said, its)} |", flush=True)
        both = [*said.seconds, *([] if its is None else its["seconds"])]
        seconds = " | ".join(f"{one:.2f}" for one in both)
        times.append(f"| {name} | {len(asked.reference):,} | {len(asked.judged):,} | {seconds} |")
    head = ["set", "rows taught", "rows judged", "driftd: teach, CPU s", "estimate"]
    head += [] if oracle is None else ["NannyML: teach", "estimate"]
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}", *times, sep="\n")


if __name__ == "__main__":
    main()
