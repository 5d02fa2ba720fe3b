"""Columns together: relations that break are seen, columns that move by themselves are not told twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA

from monitor.core.drift.calibration import build_baseline
from monitor.core.drift.multivariate import (
    METRIC,
    MIN_WINDOWS,
    Components,
    components,
    correlation,
    judge_multivariate,
    learn_together,
)
from monitor.core.evaluate import Subject, evaluate
from monitor.core.finding import Finding
from monitor.core.merged import learned_reference
from monitor.core.profile import Grid, Profile, fit_numeric
from monitor.core.profile.comoments import CoMoments
from monitor.core.reference import Reference
from monitor.core.results import Account, Verdict
from monitor.core.rules import DriftRules, DriftTest, Rolling
from monitor.core.schema import Floats, NumericValues
from tests.core.judged import DAY, RULES, START, key_of
from tests.core.profile_batches import batch_of

WIDTH = 8
NAMES = tuple(f"c{i}" for i in range(WIDTH))
COVARIANCE = 0.6 * np.ones((WIDTH, WIDTH)) + 0.4 * np.eye(WIDTH)
ALPHA = 1 / 300
RNG = np.random.default_rng(3)


def draw(rows: int, rng: np.random.Generator = RNG) -> Floats:
    drawn: Floats = rng.multivariate_normal(np.zeros(WIDTH), COVARIANCE, rows)
    return drawn


GRID = Grid({name: fit_numeric(values) for name, values in zip(NAMES, draw(5_000).T, strict=True)})


def profile(values: Floats, grid: Grid = GRID) -> Profile:
    made = Profile.empty(grid)
    made.fold(batch_of({name: NumericValues(values=column.copy()) for name, column in zip(NAMES, values.T, strict=True)}))
    return made


def reference(windows: list[Profile], names: tuple[str, ...] = NAMES) -> Reference:
    total = windows[0]
    for window in windows[1:]:
        total = total.merge(window)
    baseline = replace(build_baseline(windows, total), together=learn_together(windows, total, names))
    return Reference(model="m", grid=total.grid, profile=total, baseline=baseline, window=DAY)


REFERENCE = reference([profile(draw(2_000)) for _ in range(30)])


def judged(values: Floats) -> Finding:
    (found,) = judge_multivariate(profile(values), REFERENCE, ALPHA)
    assert (found.metric, found.column) == (METRIC, None)
    return found


def moments(made: Profile) -> CoMoments:
    assert made.comoments is not None
    return made.comoments


def learnt() -> Components:
    found = components(moments(REFERENCE.profile), NAMES)
    assert found is not None
    return found


def test_correlations_are_those_of_numpy() -> None:
    values = draw(4_000)
    assert correlation(moments(profile(values)), NAMES) == pytest.approx(np.corrcoef(values.T), abs=2e-3)


def test_the_error_is_that_of_scikit_learn_on_the_raw_rows() -> None:
    before, now = draw(60_000), draw(3_000)
    now[:, 0] = draw(3_000)[:, 0]
    pca = PCA(n_components=0.65, svd_solver="full").fit((before - before.mean(0)) / before.std(0))
    scaled = (now - now.mean(0)) / now.std(0)
    rebuilt = (scaled @ pca.components_.T) @ pca.components_
    expected = np.sqrt(((scaled - rebuilt) ** 2).mean())
    found = components(moments(profile(before)), NAMES)
    assert found is not None
    assert found.kept == pca.n_components_
    assert found.error(moments(profile(now))) == pytest.approx(expected, rel=2e-3)


def test_rows_of_the_same_relations_are_quiet_as_often_as_the_budget_says() -> None:
    rng = np.random.default_rng(8)
    alarms = sum(judged(draw(2_000, rng)).verdict is Verdict.ALERT for _ in range(300))
    assert alarms <= 1 + 3  # one expected, three standard errors


def test_the_p_value_is_below_alpha_where_the_error_is_above_its_limit_and_only_there() -> None:
    shuffled = draw(2_000)
    shuffled[:, 3] = np.random.default_rng(1).permutation(shuffled[:, 3])
    for values in (draw(2_000), shuffled):
        found = judged(values)
        assert found.p_value is not None
        assert (found.p_value < ALPHA) is (found.verdict is Verdict.ALERT)


def test_a_column_that_loses_its_relation_is_seen_and_named_though_its_own_values_are_as_ever() -> None:
    values = draw(2_000)
    values[:, 3] = np.random.default_rng(1).permutation(values[:, 3])
    found = judged(values)
    assert found.verdict is Verdict.ALERT
    assert found.value is not None
    assert found.threshold is not None
    assert found.value > found.threshold
    assert "most in c3" in found.reason


def test_swapped_columns_of_opposite_relations_are_seen() -> None:
    rng = np.random.default_rng(2)
    signs = np.array([1, 1, 1, 1, -1, -1, -1, -1])
    grid = Grid({name: fit_numeric(column) for name, column in zip(NAMES, (draw(5_000) * signs).T, strict=True)})
    known = reference([profile(draw(2_000) * signs, grid) for _ in range(30)])
    values = draw(2_000, rng) * signs
    values[:, [0, 7]] = values[:, [7, 0]]
    (found,) = judge_multivariate(profile(values, grid), known, ALPHA)
    assert found.verdict is Verdict.ALERT


@pytest.mark.parametrize("change", [lambda v: v * 3 + 7, lambda v: v + np.eye(WIDTH)[2]], ids=["all moved and widened", "one moved"])
def test_columns_that_move_by_themselves_are_not_told_twice(change: object) -> None:
    assert callable(change)
    narrow = draw(2_000) * 0.3  # within reach after the change
    assert judged(change(narrow)).verdict is Verdict.OK


def test_one_row_of_rubbish_in_ten_thousand_changes_no_verdict() -> None:
    values = draw(10_000)
    clean = judged(values).verdict
    values[0] = 1e9
    assert (clean, judged(values).verdict) == (Verdict.OK, Verdict.OK)


def test_few_rows_are_insufficient() -> None:
    found = judged(draw(900))
    assert (found.verdict, found.value) == (Verdict.INSUFFICIENT, None)
    assert "900 rows, fewer than half of a usual reference window's 2,000" in found.reason


def test_a_reference_of_few_windows_or_without_any_is_skipped() -> None:
    few = reference([profile(draw(2_000)) for _ in range(MIN_WINDOWS - 1)])
    for known in (few, replace(few, baseline=None)):
        (found,) = judge_multivariate(profile(draw(2_000)), known, ALPHA)
        assert found.verdict is Verdict.SKIPPED
        assert "windows of the reference" in found.reason


def test_what_was_counted_before_second_moments_were_kept_is_skipped() -> None:
    new = profile(draw(2_000))
    old = Profile(grid=GRID, rows=new.rows, columns=new.columns, sample=new.sample)
    (found,) = judge_multivariate(old, REFERENCE, ALPHA)
    assert (found.verdict, "before second moments were kept" in found.reason) == (Verdict.SKIPPED, True)
    assert learn_together([new], old, NAMES) is None


def test_columns_that_do_not_vary_are_left_out_and_one_alone_is_nothing() -> None:
    values = draw(2_000)
    values[:, 1:] = 4.0
    constant = profile(values)
    assert components(moments(constant), NAMES) is None
    assert learn_together([constant], constant.merge(constant), NAMES) is None
    lone = replace(REFERENCE, profile=constant)
    (found,) = judge_multivariate(constant, lone, ALPHA)
    assert (found.verdict, "no two numeric columns" in found.reason) == (Verdict.SKIPPED, True)


def test_a_column_stuck_at_one_value_has_lost_its_relation() -> None:
    values = draw(2_000)
    values[:, 2] = 0.5
    assert judged(values).verdict is Verdict.ALERT


def test_only_the_named_columns_are_learned() -> None:
    known = reference([profile(draw(2_000)) for _ in range(12)], names=("c0", "c1", "c2"))
    assert known.baseline is not None
    assert known.baseline.together is not None
    assert known.baseline.together.columns == ("c0", "c1", "c2")
    assert len(learnt().columns) == WIDTH


def test_moments_that_break_arithmetic_are_an_error_of_this_finding_alone() -> None:
    broken = profile(draw(2_000))
    moved = moments(broken)
    broken.comoments = CoMoments(columns=moved.columns, rows=moved.rows, sums=moved.sums, products=np.full((3, 3), 1))
    (found,) = judge_multivariate(broken, REFERENCE, ALPHA)
    assert (found.verdict, "pca_reconstruction failed" in found.reason) == (Verdict.ERROR, True)


def test_who_did_not_ask_is_not_told_that_a_reference_does_not_teach_it() -> None:
    bare = replace(REFERENCE, baseline=None)
    subject = Subject(key=key_of(1), account=Account(counted=2_000), profile=profile(draw(2_000)), reference=bare)

    def told(rules: DriftRules) -> list[Verdict]:
        return [result.verdict for result in evaluate(subject, replace(RULES, columns=(), drift=rules)) if result.metric == METRIC]

    explicit = (DriftTest(method="ks"),)
    assert (told(DriftRules()), told(DriftRules(multivariate=False))) == ([], [])
    assert told(DriftRules(multivariate=True)) == told(DriftRules(multivariate=True, tests=explicit)) == [Verdict.SKIPPED]
    known = replace(subject, reference=REFERENCE)
    assert [r.verdict for r in evaluate(known, replace(RULES, columns=())) if r.metric == METRIC] == [Verdict.OK]
    assert not [r for r in evaluate(known, replace(RULES, columns=(), drift=DriftRules(tests=explicit))) if r.metric == METRIC]


def test_a_grid_with_one_numeric_column_has_no_finding() -> None:
    grid = Grid({"c0": GRID.columns["c0"]})
    lone = Profile.empty(grid)
    assert judge_multivariate(lone, Reference(model="m", grid=grid, profile=lone, window=DAY), ALPHA) == []


def test_a_reference_document_comes_back_with_what_it_learned() -> None:
    assert Reference.from_json(REFERENCE.to_json()) == REFERENCE


def test_a_reference_merged_from_enough_windows_watches_the_columns_together_too() -> None:
    windows = [(START + n * DAY, profile(draw(500))) for n in range(MIN_WINDOWS)]
    merged = learned_reference(Rolling(reach=30 * DAY), windows, model="m", version="1", window=DAY, notes={}, names=NAMES)
    built = reference([window for _, window in windows])
    assert merged.baseline is not None
    assert built.baseline is not None
    assert merged.baseline.together == built.baseline.together
    (found,) = judge_multivariate(profile(draw(500)), merged, ALPHA)
    assert found.verdict is Verdict.OK
    few = learned_reference(Rolling(reach=30 * DAY), windows[1:], model="m", version="1", window=DAY, notes={}, names=NAMES)
    assert few.baseline is not None
    assert few.baseline.together is None
