"""Who moves from Evidently keeps its thresholds: ``formula: evidently`` says from profiles what Evidently says of the rows."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from monitor.core.drift import DRIFT_TESTS
from monitor.core.rules import Formula
from tests.parity.cases import CASES, REQUIRED
from tests.parity.compare import ROOT, Answer, agreement, answers, evidently

LEAST_AGREEMENT = 0.995
NEAR = 0.15  # of the threshold: a verdict that differs further off is no tie but a fault
BOTH = 0.25  # of the cases that must alarm, and that must not, so that agreement is no idle claim


@pytest.fixture(scope="module")
def found() -> dict[str, list[Answer]]:
    by_method: dict[str, list[Answer]] = {}
    for answer in answers(CASES, Formula.EVIDENTLY, evidently(CASES)):
        by_method.setdefault(answer.method, []).append(answer)
    return by_method


def test_there_are_more_than_four_hundred_columns_for_numbers_alone() -> None:
    assert len(set(CASES)) == len(CASES)
    assert sum(case.kind == "numeric" for case in CASES) > 400
    assert sum(case.kind == "categorical" for case in CASES) > 200


@pytest.mark.parametrize("method", REQUIRED)
def test_verdicts_agree_at_the_thresholds_of_evidently(found: dict[str, list[Answer]], method: str) -> None:
    assert DRIFT_TESTS[method].default_threshold == REQUIRED[method]
    assert BOTH < np.mean([answer.they_alarm for answer in found[method]]) < 1 - BOTH / 2
    misses = [(a.case.name, a.theirs, a.ours) for a in found[method] if not a.agrees]
    assert agreement(found[method]) >= LEAST_AGREEMENT, misses


def test_where_verdicts_differ_the_number_of_evidently_itself_lies_at_its_threshold(found: dict[str, list[Answer]]) -> None:
    misses = [answer for several in found.values() for answer in several if not answer.agrees]
    limits = [DRIFT_TESTS[answer.method].default_threshold for answer in misses]
    far = [(a.method, a.case.name, a.theirs, a.ours) for a, limit in zip(misses, limits, strict=True) if abs(a.theirs / limit - 1) > NEAR]
    assert far == []


@pytest.mark.parametrize("method", ["kl_div", "t_test", "mannw", "cramer_von_mises", "anderson", "ed", "z"])
def test_the_other_tests_agree_as_well(found: dict[str, list[Answer]], method: str) -> None:
    assert agreement(found[method]) >= LEAST_AGREEMENT


@pytest.mark.parametrize("method", ["t_test", "z", "chisquare"])
def test_p_values_from_counts_and_moments_are_those_of_the_rows(found: dict[str, list[Answer]], method: str) -> None:
    assert max(abs(answer.ours - answer.theirs) for answer in found[method]) < 1e-6


def test_this_process_does_not_import_evidently() -> None:
    code = "import sys, tests.parity.compare; sys.exit('evidently' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
