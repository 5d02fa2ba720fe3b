"""Performance in words: what fell, from where to where, how sure, and what nobody knows yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.cause import explain
from monitor.core.decay import (
    beyond,
    change_sentence,
    evidence_words,
    performance_sentence,
    precise,
    sentence_within,
    share_words,
    value_with_interval,
    worst_first,
)
from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import Model, PerformanceRules, Task

START = datetime(2013, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PERFORMANCE = PerformanceRules(metrics=("accuracy", "f1"), max_drop=0.03, label_delay=timedelta(days=30))
RULES = Model(
    name="m", task=Task.BINARY, window=DAY, allowed_lateness=timedelta(0), min_rows=100, dedupe=True, streams=(), columns=(),
    performance=PERFORMANCE,
)  # fmt: skip
REALISED = Result(
    model="m", version="1", segment="*", window_start=START, window_end=START + DAY, check=Check.PERFORMANCE, column=None,
    metric="accuracy", value=0.712, threshold=0.81, p_value=None, verdict=Verdict.ALERT, reason="too low", rows=2000, revision=1,
    reference_value=0.84, ci_low=0.692, ci_high=0.731, labelled=1925, estimated=False,
)  # fmt: skip
ESTIMATED = replace(
    REALISED, value=0.8402, ci_low=None, ci_high=None, labelled=0, estimated=True, verdict=Verdict.OK, revision=0, reason="well"
)
UNKNOWN = replace(
    REALISED, value=None, threshold=None, reference_value=None, ci_low=None, ci_high=None, labelled=0, estimated=None,
    verdict=Verdict.INSUFFICIENT, reason="no labels yet", revision=0,
)  # fmt: skip
DRIFT = replace(UNKNOWN, check=Check.DRIFT, column="delay", metric="ks", value=0.4, threshold=0.1, labelled=None, verdict=Verdict.ALERT)


def test_a_drop_is_told_from_where_to_where_and_by_what() -> None:
    assert change_sentence(REALISED) == "accuracy fell from 0.84 to 0.71 [0.69, 0.73] (realised, 96 % labelled)"
    early = replace(ESTIMATED, value=0.71, verdict=Verdict.ALERT)
    assert change_sentence(early) == "accuracy fell from 0.84 to 0.71 (estimated, no labels yet)"
    few = replace(early, labelled=50)
    assert change_sentence(few) == "accuracy fell from 0.84 to 0.71 (estimated, 2.5 % labelled)"


def test_an_error_rises() -> None:
    worse = replace(REALISED, metric="mae", value=15.31, threshold=10.3, reference_value=10.0, ci_low=14.9, ci_high=15.7)
    assert change_sentence(worse) == "mae rose from 10.0 to 15.3 [14.9, 15.7] (realised, 96 % labelled)"


@pytest.mark.parametrize("changes", [{"reference_value": None}, {"value": None}])
def test_where_less_is_known_the_checks_own_words_stand(changes: dict[str, None]) -> None:
    bare = replace(REALISED, reason="accuracy 0.71, reference 0.84", **changes)  # type: ignore[arg-type]
    assert change_sentence(bare) == "accuracy: 0.71, reference 0.84"


def test_a_part_of_the_rows_is_named_and_cut() -> None:
    part = replace(REALISED, segment="origin=JFK")
    assert change_sentence(part).startswith("accuracy in origin=JFK fell from 0.84")
    assert change_sentence(part, versions=True).startswith("accuracy in origin=JFK of version 1 fell")
    assert len(change_sentence(replace(part, segment="origin=" + "x" * 10_000))) < 200


@pytest.mark.parametrize(
    ("value", "step", "said"),
    [
        (0.712, 0.0195, "0.71"), (0.712, 0.1, "0.71"), (0.712, 0.3, "0.71"), (0.71243, 0.0004, "0.7124"), (15.31, 0.4, "15.3"),
        (1234.6, 40.0, "1,235"), (0.7, None, "0.7"), (0.7, 0.0, "0.7"), (-0.0001, 0.02, "0.00"), (0.123456789, 1e-12, "0.12346"),
    ],
)  # fmt: skip
def test_a_value_has_the_digits_that_its_interval_leaves(value: float, step: float | None, said: str) -> None:
    assert precise(value, step) == said


def test_an_interval_stands_beside_its_value_and_nothing_beside_a_value_without_one() -> None:
    assert value_with_interval(REALISED) == "0.71 [0.69, 0.73]"
    assert value_with_interval(ESTIMATED) == "0.84"
    assert value_with_interval(UNKNOWN) == "none"


@pytest.mark.parametrize(("share", "said"), [(0.9996, "99.9 %"), (1.0, "100 %"), (0.636, "64 %"), (0.0251, "2.51 %")])
def test_a_share_of_labels_is_never_rounded_up_to_all(share: float, said: str) -> None:
    assert share_words(share) == said


def test_without_the_number_of_labels_only_the_kind_is_told() -> None:
    assert evidence_words(replace(REALISED, labelled=None)) == "realised"
    assert evidence_words(replace(ESTIMATED, labelled=None)) == "estimated", "where labels are not waited for"
    assert evidence_words(replace(REALISED, labelled=0, rows=0)) == "realised, no labels yet"


def test_all_rows_come_before_segments_then_alerts_and_then_the_worst() -> None:
    part, small = replace(REALISED, segment="origin=JFK", value=0.1), replace(REALISED, metric="f1", value=0.8)
    warned = replace(REALISED, metric="calibration_error", value=0.9, threshold=0.1, reference_value=0.05, verdict=Verdict.WARN)
    assert worst_first([part, warned, small, REALISED]) == [REALISED, small, warned, part]


@pytest.mark.parametrize(
    ("value", "limit", "before", "times"),
    [(0.78, 0.81, 0.84, 2.0), (0.87, 0.81, 0.84, -1.0), (15.0, 11.0, 10.0, 5.0), (0.8, 0.84, 0.84, 0.0), (None, 0.81, 0.84, 0.0)],
)
def test_how_far_beyond_is_told_in_multiples_of_what_is_allowed(value: float | None, limit: float, before: float, times: float) -> None:
    assert beyond(replace(REALISED, value=value, threshold=limit, reference_value=before)) == pytest.approx(times)


# --- the sentence beside a cause -----------------------------------------------------------------------------


def test_drift_alone_is_told_with_no_drop_seen_so_far() -> None:
    f1 = replace(ESTIMATED, metric="f1", value=0.7)
    assert performance_sentence([DRIFT, f1, ESTIMATED], RULES) == (
        "no drop of performance seen so far: accuracy 0.84, estimated; labels may say otherwise"
    )
    well = replace(REALISED, value=0.84, ci_low=0.82, ci_high=0.86, verdict=Verdict.OK)
    assert performance_sentence([well, ESTIMATED], RULES) == (
        "no drop of performance seen so far: accuracy 0.84 [0.82, 0.86], realised, 96 % labelled"
    )


def test_an_incident_of_a_drop_does_not_say_that_none_was_seen() -> None:
    said = performance_sentence([DRIFT, ESTIMATED], RULES)
    assert sentence_within(said, ["drift"]) == said
    assert sentence_within(said, ["drift", "performance"]) == (
        "dropped in an earlier window of the incident; of the last one: accuracy 0.84, estimated; labels may say otherwise"
    )
    fell = performance_sentence([REALISED], RULES)
    assert sentence_within(fell, ["performance"]) == fell


def test_a_later_revision_speaks_for_an_earlier_one() -> None:
    assert performance_sentence([ESTIMATED, REALISED], RULES).startswith("accuracy fell from 0.84 to 0.71")
    assert performance_sentence([REALISED, ESTIMATED], RULES).startswith("accuracy fell from 0.84 to 0.71")


def test_several_drops_are_one_sentence_and_a_number() -> None:
    f1, part = replace(REALISED, metric="f1", value=0.80), replace(REALISED, segment="origin=JFK")
    assert performance_sentence([f1, part, REALISED], RULES).endswith("(realised, 96 % labelled); and 2 more")


def test_of_several_versions_each_is_named() -> None:
    other = replace(REALISED, version="2", value=0.84, verdict=Verdict.OK)
    assert performance_sentence([REALISED, other], RULES).startswith("accuracy of version 1 fell")


def test_what_is_not_known_yet_is_said_and_not_judging_it_is_silence() -> None:
    assert performance_sentence([DRIFT, UNKNOWN], RULES) == "performance is not known yet: no labels yet"
    assert performance_sentence([DRIFT], RULES) == ""
    assert performance_sentence([replace(UNKNOWN, segment="origin=JFK")], RULES) == ""


def test_the_headline_of_performance_alone_is_its_sentence() -> None:
    cause = explain([ESTIMATED, REALISED], [], RULES)
    assert cause.headline == cause.performance == "accuracy fell from 0.84 to 0.71 [0.69, 0.73] (realised, 96 % labelled)"
    assert cause.columns == ()


def test_performance_comes_after_the_columns_and_is_told_beside_them() -> None:
    cause = explain([DRIFT, REALISED], [], RULES)
    assert cause.headline == "delay: ks 0.4, limit 0.1; and 1 more"
    assert cause.performance.startswith("accuracy fell from 0.84")
    seen = explain([DRIFT, ESTIMATED], [], RULES).performance
    assert seen == "no drop of performance seen so far: accuracy 0.84, estimated; labels may say otherwise"


FLOATS = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(
    FLOATS, FLOATS, FLOATS, FLOATS, st.none() | st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from(["accuracy", "mae", "brier"])
)
def test_any_numbers_can_be_told(
    value: float | None, threshold: float | None, low: float | None, high: float | None, labelled: int | None, rows: int, metric: str
) -> None:
    made = replace(REALISED, value=value, reference_value=threshold, ci_low=low, ci_high=high, labelled=labelled, rows=rows, metric=metric)
    said = performance_sentence([made], RULES)
    assert said.startswith(metric)
    assert "nan" not in said


def test_the_worst_slice_is_not_told_in_the_place_of_the_model() -> None:
    slice_ = replace(ESTIMATED, metric="worst_slice(accuracy)", estimated=False)
    assert performance_sentence([slice_], RULES) == ""
    assert performance_sentence([slice_, UNKNOWN], RULES) == "performance is not known yet: no labels yet"
