from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import monitor.metrics
from monitor.core.gaps import GapReason
from monitor.core.incidents import IncidentState
from monitor.core.results import Result, Verdict
from monitor.core.retraining import Retraining, RetrainingState
from monitor.core.schema import Reason
from monitor.metrics import MAX_RESULT_SERIES, Metrics
from monitor.ports import Checkpoint, Judgement, LabelAccount, Quarantined, Revision, StreamCount, TopicPartition
from monitor.recent import RECENT_SECONDS, Recent
from tests.edges import performance_story
from tests.edges.web_story import FAULT_DAYS, FLIGHTS, MODELS, OPEN_ID, Day, incident, results_of

AT = datetime(2026, 1, 1, tzinfo=UTC)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_every_declared_series_begins_at_zero() -> None:
    metrics = Metrics()
    metrics.declare(MODELS, ["slack"])
    assert value(metrics, "driftd_messages_total", model="bag-loss", stream="predictions", outcome="late") == 0
    assert value(metrics, "driftd_quarantined_total", model="bag-loss", reason="not_json") == 0
    assert value(metrics, "driftd_results_total", model="bag-loss", check="drift", verdict="alert") == 0
    assert value(metrics, "driftd_deliveries_total", receiver="slack", outcome="dead") == 0
    assert value(metrics, "driftd_window_seconds", model="bag-loss") == 86400
    assert value(metrics, "driftd_window_last_judged_timestamp_seconds", model="bag-loss") is None


def test_a_written_checkpoint_counts_messages_faults_and_lag() -> None:
    metrics = Metrics()
    partition = TopicPartition("t", 3)
    broken = Quarantined(
        model="m", stream="predictions", partition=partition, offset=1, reason=Reason.NOT_JSON, detail="", sample=b"", at=AT
    )
    counts = StreamCount(
        model="m", stream="predictions", topic="t", received=10, counted=6, late=2, duplicate=1, quarantined=1, untimed=1, sampled_out=0
    )
    metrics.checkpoint_written(Checkpoint(at=AT, quarantined=(broken,), streams=(counts,)), {partition: 42, TopicPartition("t", 4): 0})
    metrics.checkpoint_written(Checkpoint(at=AT, streams=(counts,)), {partition: 7})
    got = {o: value(metrics, "driftd_messages_total", model="m", stream="predictions", outcome=o) for o in monitor.metrics.OUTCOMES}
    assert got == {"counted": 12, "late": 4, "duplicate": 2, "quarantined": 2, "sampled_out": 0}
    assert value(metrics, "driftd_quarantined_total", model="m", reason="not_json") == 1
    assert value(metrics, "driftd_consumer_lag_records", topic="t", partition="3") == 7
    assert value(metrics, "driftd_consumer_lag_records", topic="t", partition="4") is None, "a partition that is not ours any more"
    assert value(metrics, "driftd_last_message_timestamp_seconds", model="m", stream="predictions") == AT.timestamp()
    assert value(metrics, "driftd_checkpoint_last_success_timestamp_seconds") == AT.timestamp()
    assert value(metrics, "driftd_checkpoints_total", outcome="committed") == 2


def test_a_judged_window_moves_its_time_and_counts_verdicts() -> None:
    metrics, day = Metrics(), Day(model=FLIGHTS.name, number=FAULT_DAYS[0])
    firing = incident(OPEN_ID, FAULT_DAYS, IncidentState.FIRING)
    judgement = Judgement(model=day.model, judged_until=day.key.end, previous=None, results=results_of(day), incident=firing)
    metrics.window_judged(judgement)
    assert value(metrics, "driftd_window_last_judged_timestamp_seconds", model=day.model) == day.key.end.timestamp()
    assert value(metrics, "driftd_windows_judged_total", model=day.model) == 1
    assert value(metrics, "driftd_results_total", model=day.model, check="drift", verdict="alert") == 1
    labels = {"model": day.model, "check": "drift", "column": "dep_delay", "metric": "ks"}
    assert value(metrics, "driftd_result_value", **labels) == 0.874
    assert value(metrics, "driftd_result_threshold", **labels) == 0.11


def test_a_window_passed_over_without_results_counts_as_none() -> None:
    metrics = Metrics()
    metrics.window_judged(Judgement(model="m", judged_until=AT, previous=None, results=()))
    assert value(metrics, "driftd_windows_judged_total", model="m") is None
    assert value(metrics, "driftd_window_last_judged_timestamp_seconds", model="m") == AT.timestamp()


def test_a_result_without_a_value_is_not_a_number_and_a_segment_is_not_exported() -> None:
    metrics = Metrics()
    first = results_of(Day(model="m", number=0))[0]
    metrics.observe_results(
        [replace(first, value=None, threshold=None, verdict=Verdict.INSUFFICIENT), replace(first, segment="a=b", metric="psi")]
    )
    labels = {"model": "m", "check": "drift", "column": first.column or ""}
    assert math.isnan(value(metrics, "driftd_result_value", **labels, metric="ks") or 0.0)
    assert value(metrics, "driftd_result_value", **labels, metric="psi") is None


def test_series_stop_at_their_limit_and_say_so() -> None:
    metrics = Metrics()
    first = results_of(Day(model="m", number=0))[0]
    metrics.observe_results(replace(first, column=f"c{i}") for i in range(MAX_RESULT_SERIES))
    assert value(metrics, "driftd_result_series_dropped") == 0
    metrics.observe_results([replace(first, column="one too many"), replace(first, column="c0", value=9.0)])
    assert value(metrics, "driftd_result_series_dropped") == 1
    assert value(metrics, "driftd_result_value", model="m", check="drift", column="one too many", metric="ks") is None
    assert value(metrics, "driftd_result_value", model="m", check="drift", column="c0", metric="ks") == 9.0


def test_an_unknown_watermark_leaves_the_last_one_standing() -> None:
    metrics = Metrics()
    metrics.watermark("m", AT)
    metrics.watermark("m", None)
    assert value(metrics, "driftd_watermark_timestamp_seconds", model="m") == AT.timestamp()


def test_attempts_to_deliver_are_counted_with_their_time() -> None:
    metrics = Metrics()
    metrics.delivery_attempted("slack", "sent", 0.2)
    assert value(metrics, "driftd_deliveries_total", receiver="slack", outcome="sent") == 1
    assert value(metrics, "driftd_delivery_duration_seconds_sum", receiver="slack") == 0.2


def test_two_daemons_in_one_process_do_not_meet() -> None:
    one, other = Metrics(), Metrics()
    one.gap(GapReason.RETENTION, 7)
    assert value(one, "driftd_lost_messages_total", reason="retention") == 7
    assert value(other, "driftd_lost_messages_total", reason="retention") is None


def test_every_metric_has_a_sentence_above_it_and_a_name_in_base_units() -> None:
    source = Path(monitor.metrics.__file__).read_text().splitlines()
    made = [i for i, line in enumerate(source) if re.search(r"= self\._(counter|gauge|histogram)\(", line)]
    assert len(made) > 15
    for i in made:
        assert source[i - 1].lstrip().startswith("# "), source[i]
        name = re.search(r'"(driftd_[a-z_]+)"', source[i])
        assert name, source[i]
        assert not re.search(r"_(ms|millis|percent|kb|minutes|total)$", name[1])


def test_the_quarantine_share_looks_back_on_what_came_and_knows_nothing_where_nothing_did() -> None:
    metrics = Metrics()
    metrics.declare(MODELS)
    labels = {"model": "bag-loss", "stream": "predictions"}
    assert math.isnan(value(metrics, "driftd_quarantine_share", **labels) or 0.0)
    counts = StreamCount(
        model="bag-loss", stream="predictions", topic="t", received=10, counted=8, quarantined=2, late=0, duplicate=0, untimed=0,
        sampled_out=0,
    )  # fmt: skip
    for _ in range(3):
        metrics.checkpoint_written(Checkpoint(at=AT, streams=(counts, replace(counts, quarantined=0))), {})
    assert value(metrics, "driftd_quarantine_share", **labels) == 0.1


def test_what_is_older_than_five_minutes_is_no_part_of_the_share() -> None:
    now = Moved()
    recent = Recent(now)
    recent.add(10, 10)
    now.seconds += RECENT_SECONDS - 1
    recent.add(30, 0)
    assert recent.share() == 0.25
    now.seconds += 2
    assert recent.share() == 0
    now.seconds += RECENT_SECONDS
    assert math.isnan(recent.share())


class Moved:
    """A clock that is moved by hand."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_a_judged_window_tells_when_it_was_judged_by_the_wall_clock() -> None:
    metrics = Metrics()
    metrics.window_judged(Judgement(model="m", judged_until=AT, previous=None, results=(), at=AT + timedelta(days=3)))
    assert value(metrics, "driftd_evaluation_last_success_timestamp_seconds", model="m") == AT.timestamp() + 3 * 86400


def test_the_oldest_waiting_delivery_is_told_for_receivers_that_have_one() -> None:
    metrics = Metrics()
    metrics.set_outbox_oldest({"slack": AT, "hook": AT})
    metrics.set_outbox_oldest({"hook": AT})
    assert value(metrics, "driftd_outbox_oldest_timestamp_seconds", receiver="hook") == AT.timestamp()
    assert value(metrics, "driftd_outbox_oldest_timestamp_seconds", receiver="slack") is None


def test_the_lag_of_all_partitions_is_summed_up() -> None:
    metrics = Metrics()
    assert metrics.total_lag() == 0
    metrics.set_lag({TopicPartition("t", 0): 40, TopicPartition("t", 1): 2})
    assert metrics.total_lag() == 42


def exported(metrics: Metrics, metric: str = "accuracy", *, estimated: str = "false") -> float | None:
    return value(metrics, "driftd_performance_value", model=FLIGHTS.name, metric=metric, estimated=estimated)


def of_day(number: int) -> tuple[Result, Result]:
    """The estimate and the realised accuracy of a day."""
    first, later = performance_story.revisions(Day(model=FLIGHTS.name, number=number), "accuracy")
    return first, later


def test_performance_is_exported_by_labels_and_as_estimated_apart() -> None:
    metrics, (guess, known) = Metrics(), of_day(26)
    assert exported(metrics) is None
    metrics.observe_results([guess, known])
    assert exported(metrics) == known.value
    assert exported(metrics, estimated="true") == guess.value
    assert value(metrics, "driftd_labelled_share", model=FLIGHTS.name) == 0.63
    for estimated in ("true", "false"):
        labels = {"model": FLIGHTS.name, "estimated": estimated}
        assert value(metrics, "driftd_performance_window_end_timestamp_seconds", **labels) == known.window_end.timestamp()


def test_a_revision_of_an_old_window_changes_nothing_of_a_newer_one_and_a_segment_is_not_exported() -> None:
    metrics, (_, old), (guess, known) = Metrics(), of_day(3), of_day(26)
    metrics.observe_results([known, guess])
    metrics.window_revised(Revision(model=FLIGHTS.name, start=old.window_start, known=(), results=(old,), at=AT))
    metrics.observe_results([replace(known, segment="origin=JFK", value=0.1)])
    assert exported(metrics) == known.value
    assert value(metrics, "driftd_labelled_share", model=FLIGHTS.name) == 0.63
    labels = {"model": FLIGHTS.name, "check": "performance", "column": "", "metric": "accuracy"}
    assert value(metrics, "driftd_result_value", **labels) == guess.value
    assert value(metrics, "driftd_results_total", model=FLIGHTS.name, check="performance", verdict="ok") == 1
    assert value(metrics, "driftd_windows_judged_total", model=FLIGHTS.name) is None


def test_the_worst_slice_is_no_performance_of_the_model() -> None:
    metrics, (_, known) = Metrics(), of_day(26)
    metrics.observe_results([known, replace(known, metric="worst_slice(accuracy)", value=0.1, labelled=7)])
    assert exported(metrics) == known.value
    assert exported(metrics, metric="worst_slice(accuracy)") is None
    assert value(metrics, "driftd_labelled_share", model=FLIGHTS.name) == 0.63


def test_what_is_not_known_yet_leaves_the_last_known_performance_standing() -> None:
    metrics, (_, known) = Metrics(), of_day(26)
    silent = replace(known, window_end=known.window_end + timedelta(days=1), value=None, estimated=None, verdict=Verdict.INSUFFICIENT)
    metrics.observe_results([known, silent])
    assert exported(metrics) == known.value
    assert value(metrics, "driftd_labelled_share", model=FLIGHTS.name) == 0.63


def test_metrics_of_very_many_classes_stop_at_the_limit_too() -> None:
    metrics, (_, known) = Metrics(), of_day(26)
    metrics.observe_results(replace(known, metric=f"f1[{i}]") for i in range(MAX_RESULT_SERIES))
    assert value(metrics, "driftd_result_series_dropped") == 1
    assert sum(exported(metrics, f"f1[{i}]") is not None for i in range(MAX_RESULT_SERIES)) == MAX_RESULT_SERIES // 2


def test_a_round_of_labels_is_counted_by_what_became_of_them() -> None:
    metrics = Metrics()
    metrics.declare([performance_story.LATE, FLIGHTS])
    assert value(metrics, "driftd_labels_total", model=FLIGHTS.name, outcome="expired") == 0
    added = LabelAccount(matched=5, revised=2, repeated=1, expired=3, waiting=99, unlabelled=4)
    metrics.labels_joined(FLIGHTS.name, added)
    metrics.labels_joined(FLIGHTS.name, replace(added, matched=1))
    got = {o: value(metrics, "driftd_labels_total", model=FLIGHTS.name, outcome=o) for o in monitor.metrics.LABEL_OUTCOMES}
    assert got == {"matched": 6, "revised": 4, "repeated": 2, "expired": 6}
    assert value(metrics, "driftd_unlabelled_predictions_total", model=FLIGHTS.name) == 8
    assert value(metrics, "driftd_labels_waiting", model=FLIGHTS.name) is None
    metrics.set_labels_waiting(FLIGHTS.name, 99)
    assert value(metrics, "driftd_labels_waiting", model=FLIGHTS.name) == 99


def test_a_revision_that_asks_for_retraining_counts_it() -> None:
    metrics = Metrics()
    state = RetrainingState.REQUESTED
    asked = Retraining(id="r", model="m", version="1", state=state, reason="", incident=None, columns=(), requested_at=AT)
    metrics.window_revised(Revision(model="m", start=AT, known=(), retraining=asked, at=AT))
    assert value(metrics, "driftd_retrainings_total", model="m") == 1
