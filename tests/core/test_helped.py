"""Whether a new version does better: hand numbers, scikit-learn as the oracle, and how often chance is taken for help."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from monitor.core.helped import (
    LEAST_WINDOWS,
    Basis,
    Question,
    Told,
    answer,
    leading_metric,
    planned_windows,
    waits_for,
)
from monitor.core.performance.intervals import Measured
from monitor.core.performance.learn import learn_part
from monitor.core.performance.metrics import metric_of
from monitor.core.performance.tally import Tally, tally_of
from monitor.core.retraining import Helped
from monitor.core.rules import Task
from tests.core.performance_rows import RULES, joined, texts

START = datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ASKED = START - 3 * DAY
QUESTION = Question(old="1", new="2", metric=metric_of("accuracy"), asked_at=ASKED, min_labelled=50, planned=14, max_drop=0.05)
AUC = replace(QUESTION, metric=metric_of("roc_auc"))


@lru_cache
def hits(right: int, rows: int = 100) -> Tally:
    """Rows of which so many were predicted rightly; every second label is 1."""
    truth = [n % 2 for n in range(rows)]
    return tally_of(joined(texts(truth), texts([t if n < right else 1 - t for n, t in enumerate(truth)])), Task.BINARY, RULES, ("0", "1"))


def scored(truth: np.ndarray, scores: np.ndarray) -> Tally:
    known = texts(truth.astype(int).tolist())
    return tally_of(joined(known, texts((scores > 0.5).astype(int).tolist()), scores[:, None]), Task.BINARY, RULES, ("0", "1"))


def days(*tallies: Tally, first: datetime = START) -> list[Told]:
    return [Told(start=first + n * DAY, tally=tally) for n, tally in enumerate(tallies)]


def drawn(rng: np.random.Generator, separation: float, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores on a thousand steps, as the bins have them; the area is Φ(separation / √2)."""
    truth = rng.random(rows) < 0.3
    raw = stats.norm.cdf(rng.normal(separation * truth, 1.0))
    return truth, np.round(np.clip(raw, 0.0005, 0.9995), 3)


# --- numbers -------------------------------------------------------------------------------------------------


def test_two_shares_of_the_same_windows_are_compared_by_hand():
    told = answer(days(*[hits(70)] * 14), days(*[hits(80)] * 14), QUESTION)
    spread = math.sqrt(sum((k + 0.5) / 1401 * (1400.5 - k) / 1401 / 1400 for k in (980, 1120)))
    assert told.helped is Helped.HELPED
    assert told.final
    assert told.basis is Basis.SIDE_BY_SIDE
    assert told.windows == 14
    assert told.difference == pytest.approx(0.1)
    assert told.low == pytest.approx(0.1 - stats.norm.isf(0.025) * spread, rel=1e-6), "the last look's interval is that of 95 %"
    assert told.high == pytest.approx(0.1 + stats.norm.isf(0.025) * spread, rel=1e-6)
    assert told.sentence == ("retraining helped: accuracy +0.1 [0.0681, 0.132] over 14 windows, realised; version 2 instead of 1, "
                             "side by side with it")


def test_an_early_look_is_as_much_surer_as_less_is_known():
    told = answer(days(*[hits(70)] * 14), days(*[hits(80)] * 7), QUESTION)
    spread = math.sqrt(sum((k + 0.5) / 701 * (700.5 - k) / 701 / 700 for k in (490, 560)))
    assert told.low == pytest.approx(0.1 - stats.norm.isf(0.025) * math.sqrt(2) * spread, rel=1e-6)
    assert told.helped is Helped.HELPED
    assert told.windows == 7


def test_the_area_is_that_of_all_rows_together_as_scikit_learn_has_it():
    rng = np.random.default_rng(1)
    old, new = ([drawn(rng, separation, 300) for _ in range(14)] for separation in (1.0, 2.0))
    told = answer(days(*[scored(*day) for day in old]), days(*[scored(*day) for day in new]), AUC)
    areas = [roc_auc_score(np.concatenate([t for t, _ in side]), np.concatenate([s for _, s in side])) for side in (old, new)]
    assert told.difference == pytest.approx(areas[1] - areas[0], abs=1e-3)
    assert told.helped is Helped.HELPED


def test_the_interval_of_the_area_holds_the_true_difference_as_often_as_it_says():
    rng, truth = np.random.default_rng(2), stats.norm.cdf(1.4 / math.sqrt(2)) - stats.norm.cdf(1.0 / math.sqrt(2))
    held = 0
    for _ in range(200):
        old, new = (days(*[scored(*drawn(rng, s, 100)) for _ in range(14)]) for s in (1.0, 1.4))
        told = answer(old, new, AUC)
        assert told.low is not None
        assert told.high is not None
        held += told.low <= truth <= told.high
    assert held / 200 == pytest.approx(0.95, abs=0.04)


def test_an_error_that_falls_is_a_gain():
    loss = replace(QUESTION, metric=metric_of("log_loss"))
    rng = np.random.default_rng(3)
    old, new = (days(*[scored(*drawn(rng, s, 400)) for _ in range(14)]) for s in (0.5, 2.5))
    told = answer(old, new, loss)
    assert told.helped is Helped.HELPED
    assert told.difference is not None
    assert told.difference < 0
    assert "log_loss -0." in told.sentence
    assert answer(new, old, loss).helped is Helped.DID_NOT


def test_who_is_clearly_worse_is_told_before_all_windows_are_in():
    told = answer(days(*[hits(90)] * 14), days(*[hits(60)] * 5), QUESTION)
    assert told.helped is Helped.DID_NOT
    assert told.final
    assert told.sentence.startswith("retraining did not help, it is worse: accuracy -0.3 [")


def test_no_difference_is_told_after_the_planned_windows_and_not_before():
    early = answer(days(*[hits(80)] * 14), days(*[hits(81)] * 13), QUESTION)
    assert early.helped is None
    assert not early.final
    assert early.sentence.startswith("not yet to be told after 13 of 14 windows: accuracy +0.01 [")
    late = answer(days(*[hits(80)] * 14), days(*[hits(81)] * 14), QUESTION)
    assert late.helped is Helped.DID_NOT
    assert late.final
    assert late.low is not None
    assert late.high is not None
    assert late.low < 0 < late.high


# --- which windows -------------------------------------------------------------------------------------------


def test_only_windows_that_both_have_are_compared_where_they_are_enough():
    old = days(*[hits(20)] * 5, first=START - 5 * DAY) + days(*[hits(80)] * 14)
    told = answer(old, days(*[hits(80)] * 14), QUESTION)
    assert told.basis is Basis.SIDE_BY_SIDE
    assert told.difference == 0
    assert told.helped is Helped.DID_NOT


def test_who_took_the_place_of_the_old_one_is_held_against_its_windows_after_the_request():
    old = days(*[hits(10)] * 3, first=ASKED - 3 * DAY) + days(*[hits(70 + n) for n in (0, 1, 2)], first=ASKED)
    told = answer(old, days(*[hits(90 + n % 2) for n in range(14)]), QUESTION)
    assert told.basis is Basis.AFTER_THE_REQUEST
    assert told.helped is Helped.HELPED
    assert told.difference == pytest.approx(0.905 - 0.71)
    assert "which are other days" in told.sentence


def test_windows_chosen_for_being_bad_are_no_proof_without_the_reference():
    old, new = days(*[hits(70)] * 5, first=ASKED - 5 * DAY), days(*[hits(80)] * 14)
    alone = answer(old, new, QUESTION)
    assert alone.basis is Basis.OF_THE_REQUEST
    assert alone.helped is Helped.DID_NOT
    assert alone.sentence.endswith("and there is no reference to hold it against")
    usual = learn_part(hits(900, 1000), [hits(90)] * 10, ("0", "1"), "1")
    short = answer(old, new, replace(QUESTION, part=usual))
    assert short.helped is Helped.DID_NOT
    assert short.sentence.endswith("is still short of the reference's 0.9, by more than max_drop")
    assert answer(old, days(*[hits(80)] * 7), replace(QUESTION, part=usual)).helped is None
    back = answer(old, days(*[hits(87)] * 14), replace(QUESTION, part=usual))
    assert back.helped is Helped.HELPED


def test_a_reference_without_the_metric_is_none_to_be_held_against():
    usual = learn_part(hits(900, 1000), [], ("0", "1"), "1")
    rng = np.random.default_rng(4)
    old, new = (days(*[scored(*drawn(rng, s, 400)) for _ in range(14)], first=at) for s, at in ((0.5, ASKED - 14 * DAY), (2.5, START)))
    told = answer(old, new, replace(AUC, part=usual))
    assert told.helped is Helped.DID_NOT
    assert "and the reference has none: no labelled row has a score" in told.sentence


def test_other_days_are_surer_to_differ_so_the_interval_is_wider():
    old, new = days(*[hits(n) for n in (60, 75, 68, 82)], first=ASKED), days(*[hits(n) for n in (85, 70, 95, 78) * 4])
    apart = answer([replace(told, start=told.start - 4 * DAY) for told in old], new, replace(QUESTION, asked_at=START - 40 * DAY))
    together = answer(days(*[t.tally for t in old if t.tally] * 4), new, QUESTION)
    assert apart.low is not None
    assert apart.high is not None
    assert together.low is not None
    assert together.high is not None
    assert apart.high - apart.low > 2 * (together.high - together.low)


# --- too little ----------------------------------------------------------------------------------------------


def test_it_says_how_many_labelled_rows_are_missing():
    told = answer(days(*[hits(70)] * 5), days(*[hits(8, 10)] * 4), QUESTION)
    assert told.helped is None
    assert not told.final
    assert told.missing == 10
    assert told.sentence == "not yet to be told: version 2 has 4 labelled windows to compare with 40 usable labels, 3 with 50 needed"
    nothing = answer(days(*[hits(70)] * 5), [], QUESTION)
    assert nothing.missing == 50
    assert nothing.sentence == "not yet to be told: labels of both versions are waited for"
    few = answer(days(*[hits(70)] * 5), days(*[hits(70)] * (LEAST_WINDOWS - 1)), QUESTION)
    assert few.helped is None
    assert few.missing == 0


def test_what_cannot_be_told_in_time_is_said_so():
    told = answer(days(*[hits(70)] * 5), days(hits(70)), replace(QUESTION, last=True))
    assert told.helped is None
    assert told.final
    assert told.sentence.startswith("whether retraining helped could not be told within 30d: version 2 has 1 labelled window to compare")


def test_a_metric_that_is_not_defined_yet_is_waited_for():
    told = answer(days(*[hits(70)] * 5), days(*[hits(70)] * 5), AUC)
    assert told.sentence == "not yet to be told: roc_auc is not defined yet: no labelled row has a score"


def test_labels_that_mean_nothing_are_no_evidence():
    broken = [replace(told, tally=replace(told.tally, fault="classes")) for told in days(*[hits(70)] * 5) if told.tally]
    assert answer(days(*[hits(70)] * 5), broken, QUESTION).sentence == "not yet to be told: labels of both versions are waited for"


def test_estimates_are_used_where_no_labels_come_and_called_so():
    def estimates(value: float, first: datetime = START) -> list[Told]:
        return [Told(start=first + n * DAY, estimate=Measured(value=value, variance=0.0001, low=0, high=1, n=100)) for n in range(14)]

    waiting = answer(estimates(0.7), estimates(0.8), QUESTION)
    assert waiting.helped is None
    assert waiting.sentence == "not yet to be told: labels of both versions are waited for"
    told = answer(estimates(0.7), estimates(0.8), replace(QUESTION, labels=False))
    reach = stats.norm.isf(0.025) * math.sqrt(0.0002)
    assert told.helped is Helped.HELPED
    assert told.estimated
    assert told.low == pytest.approx(0.1 - reach)
    assert "over 14 windows, estimated without labels" in told.sentence
    assert answer(estimates(0.7), estimates(0.8), replace(QUESTION, last=True)).estimated, "labels never came"
    none = answer([], [], replace(QUESTION, labels=False))
    assert none.sentence == "not yet to be told: version 2 has 0 estimated windows to compare, 3 needed"


def test_the_leading_metric_is_the_first_with_a_better_side():
    assert leading_metric(("mean_error", "rmse", "mae")) is metric_of("rmse")
    assert leading_metric(("mean_error",)) is None
    assert leading_metric(("no such metric", "f1[UA]")).name == "f1[UA]"  # type: ignore[union-attr]


def test_two_weeks_are_planned_and_a_month_is_waited_for_at_least():
    assert [planned_windows(w) for w in (timedelta(hours=1), DAY, 7 * DAY)] == [336, 14, 7]
    assert [waits_for(w) for w in (timedelta(hours=1), DAY, 7 * DAY)] == [30 * DAY, 30 * DAY, 98 * DAY]


# --- how often chance is taken for help ----------------------------------------------------------------------

STORIES = 400


def told_at(old: list[Told], new: list[Told], question: Question, first: int = 1) -> Helped | None:
    """The verdict of a story that is looked at after every window of the new version, as the daemon does."""
    for seen in range(first, len(new) + 1):
        now = new[seen - 1].start
        found = answer([told for told in old if told.start <= now], new[:seen], question)
        if found.final:
            return found.helped
    return None


def normal(rng: np.random.Generator, mean: float, days_: int, between: float, rows: int = 200) -> list[Tally]:
    """Windows of an accuracy that moves from day to day by ``between``."""
    return [hits(int(rng.binomial(rows, min(max(rng.normal(mean, between), 0.0), 1.0))), rows) for _ in range(days_)]


@pytest.mark.parametrize("between", [0.0, 0.03])
def test_side_by_side_a_version_that_is_no_better_is_called_so_in_19_of_20_stories(between):
    rng, wrong = np.random.default_rng(5), 0
    for _ in range(STORIES):
        level = rng.normal(0.8, between, 14)  # the same days for both
        old, new = ([hits(int(rng.binomial(200, min(p, 1.0))), 200) for p in level] for _ in range(2))
        wrong += told_at(days(*old), days(*new), QUESTION) is Helped.HELPED
    assert wrong / STORIES <= 0.05


def test_side_by_side_a_version_that_is_better_by_two_points_in_a_hundred_is_found():
    rng, found = np.random.default_rng(6), 0
    for _ in range(100):
        level = rng.normal(0.8, 0.03, 14)
        old, new = ([hits(int(rng.binomial(1000, min(p + gain, 1.0))), 1000) for p in level] for gain in (0.0, 0.02))
        found += told_at(days(*old), days(*new), QUESTION) is Helped.HELPED
    assert found >= 90, f"{found} of 100: 4.2 standard errors at 14 windows of 1,000 rows each"


@pytest.mark.parametrize(("before", "chosen"), [(5, False), (5, True)])
def test_of_other_days_a_version_that_is_no_better_is_called_so_in_19_of_20_stories(before, chosen):
    """Nothing changed: the decay lasts. ``chosen``: the old version's windows are the worst five in a row of forty."""
    rng, wrong = np.random.default_rng(7), 0
    usual = learn_part(hits(8500, 10_000), normal(rng, 0.85, 30, 0.02), ("0", "1"), "1")
    for _ in range(STORIES):
        old = normal(rng, 0.8, 40 if chosen else before, 0.02)
        if chosen:
            worst = min(range(40 - before), key=lambda at: sum(t.counts.tp + t.counts.tn for t in old[at : at + before]))  # type: ignore[union-attr]
            old = old[worst : worst + before]
        first = ASKED - before * DAY if chosen else START - before * DAY
        asked = ASKED if chosen else START - 2 * before * DAY
        question = replace(QUESTION, part=usual, asked_at=asked, max_drop=0.03)
        wrong += told_at(days(*old, first=first), days(*normal(rng, 0.8, 14, 0.02)), question) is Helped.HELPED
    assert wrong / STORIES <= 0.05


def test_of_other_days_a_version_that_is_much_better_is_found():
    rng, found = np.random.default_rng(8), 0
    for _ in range(100):
        old, new = normal(rng, 0.78, 5, 0.02), normal(rng, 0.85, 14, 0.02)
        found += told_at(days(*old, first=START - 5 * DAY), days(*new), replace(QUESTION, asked_at=START - 9 * DAY)) is Helped.HELPED
    assert found >= 90
