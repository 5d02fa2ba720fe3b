"""Intervals cover the true value about as often as they say, in windows drawn from a known distribution."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.core.performance.intervals import LEVEL, folded, logit, mean, normal, ranks, share
from monitor.core.performance.metrics import METRICS, metric_names, metric_of
from monitor.core.performance.tally import tally_of
from monitor.core.rules import Task
from tests.core.performance_rows import RULES, binary_window, joined, regression_window, texts

WINDOWS = 200
LEAST = 0.90  # of a nominal 95 %; chance falls below with 200 windows once in 800
MOST_ROWS = 300_000  # of the sample that stands for the truth
NAMES = ("ewr", "jfk", "lga")


def several(rng, n):
    scores = rng.dirichlet([2, 1, 3], n)
    truth = (rng.random(n)[:, None] > np.cumsum(scores, axis=1)[:, :-1]).sum(axis=1)
    names = np.array(NAMES)
    return joined(texts(names[truth]), texts(names[scores.argmax(axis=1)]), scores, NAMES)


DRAWS = {Task.BINARY: binary_window, Task.MULTICLASS: several, Task.REGRESSION: regression_window}
VALUE = {"tp": 10.0, "fp": -3.0, "fn": -1.0}
IN_CLASS = ("recall[jfk]", "precision[jfk]", "f1[jfk]")


@pytest.fixture(scope="module")
def drawn():
    """By task: the tally of many rows, and those of 200 windows of 500 rows."""
    found = {}
    for task, draw in DRAWS.items():
        rng = np.random.default_rng(21)
        truth = tally_of(draw(rng, MOST_ROWS), task, RULES)
        found[task] = truth, [tally_of(draw(rng, 500), task, RULES, NAMES if task is Task.MULTICLASS else ()) for _ in range(WINDOWS)]
    return found


@pytest.mark.parametrize(("task", "name"), [(task, name) for task in Task for name in metric_names(task) if name != "calibration_error"]
                         + [(Task.MULTICLASS, name) for name in IN_CLASS])
def test_an_interval_covers_the_true_value(task, name, drawn):
    truth, windows = drawn[task]
    metric = metric_of(name, VALUE)
    value = metric.of(truth).value
    measured = [metric.of(window) for window in windows]
    covered = np.mean([one.low <= value <= one.high for one in measured])
    assert covered >= LEAST, covered
    if name not in ("error_p99", "roc_auc"):  # of 500 rows the last quantile hangs on five; several areas do not err alike
        spread, said = np.std([one.value for one in measured]), np.sqrt(np.mean([one.variance for one in measured]))
        assert 0.8 < said / spread < 1.25, (said, spread)


def test_the_interval_of_a_calibration_error_reaches_down_to_calibrated_scores(drawn):
    _, windows = drawn[Task.BINARY]
    measured = [METRICS["calibration_error"].of(window) for window in windows]
    assert np.mean([one.low for one in measured]) < 0.002  # the scores are the true probabilities
    assert np.mean([one.value for one in measured]) > 0.02
    assert np.mean([one.low <= 0.005 for one in measured]) >= LEAST


@pytest.mark.parametrize(("p", "n"), [(0.02, 200), (0.5, 40), (0.98, 100), (0.99, 100)])
def test_wilsons_interval_covers_rare_shares(p, n):
    hits = np.random.default_rng(1).binomial(n, p, 2000)
    found = [share(int(x), n) for x in hits]
    assert np.mean([one.low <= p <= one.high for one in found]) > LEAST


def test_wilsons_interval_is_the_published_one():
    found = share(81, 263)  # Newcombe, 1998, Statistics in Medicine 17, table I
    assert (found.low, found.high) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))


def test_delongs_variance_is_that_of_a_hand_calculation():
    rows = joined(texts([0, 0, 1, 1]), texts([0, 0, 1, 1]), [0.1, 0.4, 0.35, 0.8])
    found = METRICS["roc_auc"].of(tally_of(rows, Task.BINARY, RULES))
    # placements: of positives 1/2 and 1, of negatives 1 and 1/2; both have variance 1/8, halved by two rows each
    assert (found.value, found.variance) == (0.75, pytest.approx(1 / 8))


def test_an_end_of_the_scale_is_no_certainty():
    assert share(100, 100).low < 0.97
    assert share(0, 100).high > 0.03
    assert logit(1.0, 0.0, 50).low < 0.98
    assert normal(0.5, 0.04, 10, (0.4, 0.6)).low == 0.4
    single = mean(3.0, 9.0, 1)
    assert single.low < 0 < single.high


def test_folded_normals_have_the_moments_of_draws():
    drawn = np.abs(np.random.default_rng(0).normal([0.0, 1.0, -2.0], [1.0, 0.5, 3.0], (400_000, 3)))
    means, variances = folded(np.array([0.0, 1.0, -2.0]), np.array([1.0, 0.5, 3.0]))
    assert np.allclose(means, drawn.mean(axis=0), atol=0.01)
    assert np.allclose(variances, drawn.var(axis=0), rtol=0.02)
    assert folded(np.array([-2.0]), np.array([0.0]))[0].tolist() == [2.0]


def test_ranks_of_a_quantile_stay_within_the_rows():
    assert ranks(0.99, 10)[1] == 1.0
    assert ranks(0.5, 100) == (pytest.approx(0.402, abs=1e-3), pytest.approx(0.598, abs=1e-3))
    assert LEVEL == 0.95
