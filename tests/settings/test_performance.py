"""What is asked of a model's performance, and what of its streams is read for it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from monitor.core.performance.metrics import METRICS, metric_names
from monitor.core.rules import PerformanceRules, StreamKind, Task
from monitor.errors import SettingsError
from monitor.settings.performance import OF_SCORES
from tests.settings.test_settings import loaded

SLACK = "slack: {webhook_url: https://hooks.example/x}\n"
PREDICTIONS = "{topic: p, id: i, time: t, prediction: y, score: s}"
LABELS = "labels: {topic: l, id: i, time: t, label: y}"
ASKED = "{metrics: accuracy, max_drop: 0.1, label_delay: 2h}"


def text(task: str = "binary", predictions: str = PREDICTIONS, labels: str = LABELS, performance: str = ASKED, more: str = "") -> str:
    return f"""{SLACK}kafka: {{bootstrap_servers: "a:1"}}
models:
  m:
    task: {task}
    window: 1h
    streams:
      predictions: {predictions}
      {labels}
    {f"performance: {performance}" if performance else ""}
{more}"""


def rules(folder: Path, written: str) -> PerformanceRules:
    (model,) = loaded(folder, written).models()
    assert model.performance is not None
    return model.performance


def test_what_is_left_out_of_performance_has_a_default(tmp_path: Path) -> None:
    assert rules(tmp_path, text()) == PerformanceRules(
        metrics=("accuracy",), max_drop=0.1, label_delay=timedelta(hours=2), min_labelled=100, label_sample=1.0, positive="", value={}
    )


def test_all_that_can_be_asked_of_performance_reaches_the_core(tmp_path: Path) -> None:
    more = "min_labelled: 7, label_sample: 0.25, positive: late, value: {tp: 10, fp: -3.5}"
    asked = f"{{metrics: [f1, value], max_drop: 0.1, label_delay: 2h, {more}}}"
    assert rules(tmp_path, text(performance=asked)) == PerformanceRules(
        metrics=("f1", "value"), max_drop=0.1, label_delay=timedelta(hours=2), min_labelled=7, label_sample=0.25, positive="late",
        value={"tp": 10.0, "fp": -3.5},
    )  # fmt: skip


def test_a_worth_is_judged_though_its_metric_is_not_named(tmp_path: Path) -> None:
    asked = ASKED.replace("2h", "2h, value: {fn: -20, tn: 0}")
    assert rules(tmp_path, text(performance=asked)).metrics == ("accuracy", "value")


@pytest.mark.parametrize(("written", "positive"), [("true", "1"), ("1", "1"), ("'1.0'", "1"), ("False", "0"), ("0", "0"), ("Late", "Late")])
def test_the_positive_class_is_spelled_as_predictions_and_labels_are(tmp_path: Path, written: str, positive: str) -> None:
    assert rules(tmp_path, text(performance=ASKED.replace("2h", f"2h, positive: {written}"))).positive == positive


@pytest.mark.parametrize(
    ("task", "predictions"),
    [
        ("binary", "{topic: p, time: t, prediction: y, score: s}"),
        ("binary", "{topic: p, time: t, score: s}"),
        ("multiclass", "{topic: p, time: t, score: s}"),
        ("regression", "{topic: p, time: t, prediction: y}"),
    ],
)
def test_without_labels_performance_is_estimated_where_it_can_be_and_a_note_says_so(tmp_path: Path, task: str, predictions: str) -> None:
    asked = ASKED.replace("accuracy", "rmse") if task == "regression" else ASKED
    settings = loaded(tmp_path, text(task, predictions, labels="", performance=asked))
    note = settings.notes()[0]
    assert note == "models.m.performance: only estimated, as no labels come; streams.labels says where they are"
    assert [stream.kind for stream in settings.models()[0].read_streams] == [StreamKind.PREDICTIONS]


def test_labels_without_performance_are_not_read_and_a_note_says_so(tmp_path: Path) -> None:
    settings = loaded(tmp_path, text(performance=""))
    assert settings.notes() == ("models.m.streams.labels: not read without performance, which says what is made of them",)
    (model,) = settings.models()
    assert (model.performance, [stream.kind for stream in model.read_streams]) == (None, [StreamKind.PREDICTIONS])


def test_labels_and_performance_together_need_no_note(tmp_path: Path) -> None:
    more = "    retraining: {webhook: {url: 'https://ci.example/x', secret: s}, when: {performance: 2 windows}}\n"
    settings = loaded(tmp_path, text(more=more))
    assert settings.notes() == ()
    assert settings.models()[0].awaits_labels


@pytest.mark.parametrize(
    ("task", "performance", "scores", "said"),
    [("multiclass", ASKED, "s", "read for performance, but not watched"), ("multiclass", "", "", "not read without performance, and not"),
     ("binary", ASKED, "", "")],
)  # fmt: skip
def test_the_probabilities_of_classes_are_read_where_performance_is_asked_for(
    tmp_path: Path, task: str, performance: str, scores: str, said: str
) -> None:
    settings = loaded(tmp_path, text(task, labels=LABELS if performance else "", performance=performance))
    (model,) = settings.models()
    assert model.streams[0].scores == scores
    assert [said in note for note in settings.notes()] == [True] * bool(said)


@pytest.mark.parametrize("name", ["f1[JFK]", "precision[a b]", "recall[[x]]"])
def test_a_metric_of_one_class_is_one_of_a_multiclass_model_alone(tmp_path: Path, name: str) -> None:
    asked = ASKED.replace("accuracy", f"['{name}']")
    assert rules(tmp_path, text("multiclass", performance=asked)).metrics == (name,)
    with pytest.raises(SettingsError, match="is not a metric of a binary model"):
        loaded(tmp_path, text(performance=asked))


@pytest.mark.parametrize("name", ["f1[]", "mcc[JFK]", "error_p90"])
def test_what_is_no_metric_of_a_multiclass_model_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="is not a metric of a multiclass model"):
        loaded(tmp_path, text("multiclass", performance=ASKED.replace("accuracy", f"['{name}']")))


@pytest.mark.parametrize(
    ("metric", "said"),
    [("error_p90", None), ("mean_error", None), ("error_p91", 'did you mean "error_p9'), ("accuracy", "known: error_p50, ")],
)
def test_a_regression_has_quantiles_of_its_error(tmp_path: Path, metric: str, said: str | None) -> None:
    written = text("regression", performance=ASKED.replace("accuracy", metric))
    if said is None:
        assert rules(tmp_path, written).metrics == (metric,)
    else:
        with pytest.raises(SettingsError, match=said):
            loaded(tmp_path, written)


def test_the_metrics_of_scores_are_metrics() -> None:
    assert set(METRICS) >= OF_SCORES


@pytest.mark.parametrize("task", Task)
def test_every_metric_that_is_computed_can_be_asked_for(tmp_path: Path, task: Task) -> None:
    names = metric_names(task)
    worth = ", value: {tp: 1}" if "value" in names else ""
    asked = f"{{metrics: [{', '.join(names)}], max_drop: 0.1, label_delay: 2h{worth}}}"
    assert rules(tmp_path, text(task, performance=asked)).metrics == names


@pytest.mark.parametrize("label", ["t", "i"])
def test_a_label_that_is_the_id_or_the_time_is_refused(tmp_path: Path, label: str) -> None:
    with pytest.raises(SettingsError, match=f'streams.labels.label: "{label}" is the (time|id) already; expected another place'):
        loaded(tmp_path, text(labels=LABELS.replace("label: y", f"label: {label}")))


def test_a_topic_may_carry_the_labels_of_one_model_and_the_predictions_of_another(tmp_path: Path) -> None:
    other = "  n:\n    task: binary\n    window: 1h\n    streams: {predictions: {topic: l, time: t}}\n"
    assert [model.name for model in loaded(tmp_path, text(more=other)).models()] == ["m", "n"]


def test_where_labels_are_can_be_part_of_an_object_as_long_as_no_path_lies_inside_another(tmp_path: Path) -> None:
    (model,) = loaded(tmp_path, text(labels="labels: {topic: l, id: row.i, time: row.t, label: row.y}")).models()
    assert model.streams[1].columns[0].path == "row.y"
    with pytest.raises(SettingsError, match=r'"row\.y" lies inside "row", which is mapped as a value'):
        loaded(tmp_path, text(labels="labels: {topic: l, id: row, time: t, label: row.y}"))
    with pytest.raises(SettingsError, match=r'"row\.\.y" is not a path'):
        loaded(tmp_path, text(labels="labels: {topic: l, id: i, time: t, label: row..y}"))
