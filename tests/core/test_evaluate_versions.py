"""Versions side by side in one window share the false alarms that a model is allowed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.core.evaluate import evaluate
from monitor.core.results import Check
from tests.core.judged import RULES, Data, numeric, reference_of, subject_of


def data(seed: int) -> Data:
    return {"x": numeric(np.random.default_rng(seed).normal(size=2_000))}


def test_with_more_versions_in_the_window_each_has_wider_limits() -> None:
    reference = reference_of([data(n) for n in range(12)])
    window = subject_of(reference, data(99))
    limits = {}
    for versions in (0, 1, 4):
        found = evaluate(replace(window, versions=versions), RULES)
        limits[versions] = {(r.check, r.metric): r.threshold for r in found if r.threshold is not None and r.check is not Check.QUALITY}
    assert limits[0] == limits[1]
    assert limits[4][Check.DRIFT, "ks"] >= limits[1][Check.DRIFT, "ks"]
    assert limits[4] != limits[1]
