"""What performance costs: 100k labelled rows counted and judged, and Evidently's presets on the same rows in one run."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np
import pandas as pd

from monitor.core.labels.labels import Joined
from monitor.core.labels.predicted import Predicted
from monitor.core.performance.learn import classes_in, learn_part
from monitor.core.performance.metrics import METRICS, metric_names
from monitor.core.performance.part import PerformancePart
from monitor.core.performance.tally import Tally, tally_of
from monitor.core.performance.verdict import judge_performance, judge_tally
from monitor.core.rules import Model, PerformanceRules, Task
from monitor.core.schema import CategoricalValues, NumericValues

ROWS = 100_000
WINDOWS = 28
DAY = timedelta(days=1)
ALPHA = 1 / 150  # a day's share of 1 per 30d for this check
CLASSES = ("0", "1")


def binary(seed: int, rows: int = ROWS) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    score = rng.beta(2, 5, rows)
    return pd.DataFrame({"label": (rng.random(rows) < score).astype(int), "prediction": (score > 0.4).astype(int), "score": score})


def regression(seed: int, rows: int = ROWS) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    label = rng.gamma(4, 10, rows) + 1
    return pd.DataFrame({"label": label, "prediction": label + rng.normal(0, 5, rows)})


def joined(frame: pd.DataFrame, task: Task) -> Joined:
    if task is Task.REGRESSION:
        label, prediction = (NumericValues(values=frame[name].to_numpy()) for name in ("label", "prediction"))
        rows = Predicted(ids=np.arange(len(frame), dtype=np.uint64), prediction=prediction)
        return Joined(rows=rows, labels=label, times=np.zeros(len(frame), dtype=np.int64))
    codes = [CategoricalValues(codes=frame[name].to_numpy().astype(np.int32), dictionary=CLASSES) for name in ("label", "prediction")]
    rows = Predicted(ids=np.arange(len(frame), dtype=np.uint64), prediction=codes[1], scores=frame[["score"]].to_numpy())
    return Joined(rows=rows, labels=codes[0], times=np.zeros(len(frame), dtype=np.int64))


def model(task: Task, metrics: Sequence[str]) -> Model:
    rules = PerformanceRules(metrics=tuple(metrics), max_drop=0.03, label_delay=DAY)
    return Model(name="m", task=task, window=DAY, allowed_lateness=timedelta(0), min_rows=1, dedupe=False, streams=(), columns=(),
                 performance=rules)


def part_of(days: Sequence[Joined], rules: Model) -> PerformancePart:
    classes, positive = classes_in(rules.task, None, CLASSES)
    tallies = [tally_of(day, rules.task, rules.performance, known=classes) for day in days]
    total = Tally.empty(rules.task)
    for tally in tallies:
        total = total.merge(tally)
    return learn_part(total, tallies, CLASSES, positive)


def seconds(call: Callable[[], object], repeats: int) -> float:
    """CPU seconds of the fastest call."""
    best = float("inf")
    for _ in range(repeats):
        began = time.process_time()
        call()
        best = min(best, time.process_time() - began)
    return best


def evidently(task: Task, make: Callable[..., pd.DataFrame]) -> Callable[[], object]:
    from evidently import BinaryClassification, DataDefinition, Dataset, Regression, Report
    from evidently.presets import ClassificationPreset, RegressionPreset

    before, now = make(1), make(2)
    if task is Task.REGRESSION:
        means = DataDefinition(numerical_columns=["label", "prediction"], regression=[Regression(target="label", prediction="prediction")])
        preset = RegressionPreset
    else:
        what = BinaryClassification(target="label", prediction_labels="prediction", prediction_probas="score", pos_label=1)
        means = DataDefinition(numerical_columns=["score"], categorical_columns=["label", "prediction"], classification=[what])
        preset = ClassificationPreset
    return lambda: Report([preset()]).run(
        Dataset.from_pandas(now, data_definition=means), Dataset.from_pandas(before, data_definition=means)
    )


def scikit_learn(frame: pd.DataFrame) -> Callable[[], object]:
    from sklearn import metrics

    label, prediction, score = (frame[name].to_numpy() for name in ("label", "prediction", "score"))
    return lambda: (
        metrics.accuracy_score(label, prediction), metrics.f1_score(label, prediction), metrics.roc_auc_score(label, score),
        metrics.log_loss(label, score),
    )  # fmt: skip


def main() -> None:
    warnings.filterwarnings("ignore")  # Evidently's and its libraries' own
    for task, make in ((Task.BINARY, binary), (Task.REGRESSION, regression)):
        names = [name for name in metric_names(task) if name != "value"]
        rules = model(task, names)
        window = joined(make(2), task)
        part = part_of([joined(make(100 + day, ROWS // WINDOWS), task) for day in range(WINDOWS)], rules)
        tally = tally_of(window, task, rules.performance, CLASSES)
        counting = seconds(lambda w=window, t=task, r=rules: tally_of(w, t, r.performance, CLASSES), 5)
        counts = seconds(lambda y=tally, p=part, r=rules: judge_tally(y, p, r, ALPHA), 20)
        rows = seconds(lambda w=window, p=part, r=rules: judge_performance(w, p, r, ALPHA), 5)
        packed = len(tally.to_bytes())
        print(f"{task}, {ROWS:,} labelled rows, {len(names)} metrics with intervals and verdicts: counted in {1000 * counting:.1f} ms "
              f"({packed / 1000:.1f} kB), judged from counts in {1000 * counts:.1f} ms, from rows in {1000 * rows:.1f} ms")
        if task is Task.BINARY:
            theirs = seconds(scikit_learn(make(2)), 3)
            ours = seconds(lambda y=tally: [METRICS[name].of(y) for name in ("accuracy", "f1", "roc_auc", "log_loss")], 20)
            print(f"  accuracy, f1, roc_auc and log_loss: scikit-learn {1000 * theirs:.1f} ms, from counts {1000 * ours:.2f} ms")
        theirs = seconds(evidently(task, make), 1)
        print(f"  Evidently's preset with a reference {theirs:.2f} s: {theirs / counts:,.0f} × the verdicts from counts, "
              f"{theirs / rows:,.0f} × those from rows")


if __name__ == "__main__":
    main()
