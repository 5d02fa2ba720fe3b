"""Drift that matters: an alert where performance dropped or nobody knows, a warning where it is known to be as good as ever."""

from __future__ import annotations

from dataclasses import replace

from monitor.core.results import Check, Result, Verdict, identity, latest
from monitor.core.rules import DriftRules, Severity
from monitor.core.severity import raised, weighed
from tests.core.test_decay import DRIFT, ESTIMATED, REALISED, UNKNOWN
from tests.core.test_decay import RULES as ALWAYS

RULES = replace(ALWAYS, drift=DriftRules(severity=Severity.EVIDENCE))
JFK = "origin=JFK"
HELD = "no labels yet; only a warning: accuracy 0.84, estimated, no drop seen"


def said(*results: Result, known: tuple[Result, ...] = ()) -> list[Verdict]:
    """The verdicts of what is drift."""
    return [r.verdict for r in weighed(results, RULES, known) if r.check is Check.DRIFT]


def test_drift_alerts_by_default_whatever_performance_says():
    assert weighed([DRIFT, ESTIMATED], ALWAYS) == (DRIFT, ESTIMATED)
    assert raised([REALISED], latest([replace(DRIFT, verdict=Verdict.WARN, reason=HELD)]), ALWAYS) == ()


def test_drift_only_warns_where_an_estimate_or_labels_see_no_drop():
    assert weighed([DRIFT, ESTIMATED], RULES)[0] == replace(DRIFT, verdict=Verdict.WARN, reason=HELD)
    well = replace(REALISED, verdict=Verdict.OK, value=0.83, ci_low=0.81, ci_high=0.85)
    said = "; only a warning: accuracy 0.83 [0.81, 0.85], realised, 96 % labelled, no drop seen"
    assert weighed([DRIFT, well], RULES)[0].reason.endswith(said)


def test_drift_alerts_where_performance_dropped_or_is_not_known():
    assert said(DRIFT) == [Verdict.ALERT]
    assert said(DRIFT, UNKNOWN) == [Verdict.ALERT]
    assert said(DRIFT, REALISED) == [Verdict.ALERT]
    assert said(DRIFT, replace(ESTIMATED, metric="f1"), REALISED) == [Verdict.ALERT]
    assert said(DRIFT, ESTIMATED, replace(REALISED, metric="calibration_error", verdict=Verdict.WARN)) == [Verdict.ALERT]


def test_a_metric_that_nobody_asked_for_and_the_worst_slice_are_no_evidence_of_health():
    assert said(DRIFT, replace(ESTIMATED, metric="calibration_error")) == [Verdict.ALERT]
    assert said(DRIFT, replace(ESTIMATED, metric="worst_slice(accuracy)")) == [Verdict.ALERT]


def test_the_first_metric_that_is_known_is_the_one_that_is_named():
    found = weighed([DRIFT, replace(ESTIMATED, metric="f1", value=0.7), UNKNOWN], RULES)
    assert "only a warning: f1 0.7, estimated" in found[0].reason
    assert "only a warning: accuracy" in weighed([DRIFT, replace(ESTIMATED, metric="f1", value=0.7), ESTIMATED], RULES)[0].reason


def test_all_rows_say_nothing_of_a_segment_or_another_version_but_a_drop_in_a_segment_says_much_of_all():
    assert said(replace(DRIFT, segment=JFK), ESTIMATED) == [Verdict.ALERT]
    assert said(replace(DRIFT, segment=JFK), replace(ESTIMATED, segment=JFK)) == [Verdict.WARN]
    assert said(replace(DRIFT, version="2"), ESTIMATED) == [Verdict.ALERT]
    assert said(DRIFT, ESTIMATED, replace(REALISED, segment=JFK)) == [Verdict.ALERT]
    assert said(DRIFT, ESTIMATED, replace(REALISED, version="2")) == [Verdict.WARN]


def test_other_checks_and_other_verdicts_are_left_alone():
    others = [replace(DRIFT, check=Check.QUALITY), replace(DRIFT, check=Check.VOLUME), replace(DRIFT, verdict=Verdict.OK)]
    assert weighed([*others, ESTIMATED], RULES)[:3] == tuple(others)


def test_labels_take_the_place_of_an_estimate():
    """The label's own drift comes with them."""
    of_label = replace(DRIFT, column="came")
    assert said(of_label, REALISED, known=(ESTIMATED,)) == [Verdict.ALERT]
    assert said(of_label, replace(ESTIMATED, estimated=False), known=(replace(REALISED, revision=3),)) == [Verdict.WARN]


def test_what_alerted_once_is_not_taken_back():
    well = replace(ESTIMATED, estimated=False)
    assert said(DRIFT, well, known=(DRIFT,)) == [Verdict.ALERT]


def test_a_drop_that_labels_show_makes_an_alert_of_drift_that_only_warned():
    held = replace(DRIFT, verdict=Verdict.WARN, reason=HELD)
    own = replace(held, column="of its own", reason="a warning for another reason")
    elsewhere = replace(held, version="2")
    [found] = raised([REALISED], latest([held, own, elsewhere, ESTIMATED]), RULES)
    assert identity(found) == identity(held)
    assert found.verdict is Verdict.ALERT
    assert found.reason == "no labels yet; it matters: accuracy fell from 0.84 to 0.71 [0.69, 0.73] (realised, 96 % labelled)"
    assert found.value == held.value


def test_labels_without_a_drop_raise_nothing():
    held = replace(DRIFT, verdict=Verdict.WARN, reason=HELD)
    assert raised([replace(REALISED, verdict=Verdict.OK), UNKNOWN], latest([held]), RULES) == ()
