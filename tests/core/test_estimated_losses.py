"""Errors of regressors without labels: from the profile alone, and as far off as they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.core.estimated.additive import Kept, fit_additive, telling
from monitor.core.estimated.groups import CUTS, MOST_CATEGORIES, codes_of, groups_of
from monitor.core.estimated.loss_fit import FEWEST_ROWS, LossFit
from monitor.core.estimated.losses import LossModel
from monitor.core.performance.estimators import estimator_of
from monitor.core.profile import CategoricalGrid, Grid, NumericProfile, Profile, canonical, fit_numeric
from monitor.core.profile.categorical import CategoricalProfile
from monitor.core.schema import CategoricalValues, Floats, NumericValues, State, Values
from monitor.errors import DecodeError
from tests.core.estimating import NOBODY, Day, draw_day, grid_of_days, profile_of_days, taught_losses

METRICS = ("mae", "mape", "mse", "rmse")
WINDOWS = 200


def reference(seed: int, *, days: int = 60, rows: int = 2000) -> tuple[list[Day], Grid, LossModel]:
    """Days whose inputs move a little and whose errors have weather."""
    rng = np.random.default_rng(seed)
    found = [draw_day(rng, rows, shift=rng.normal(0, 0.2), weather=rng.normal(0, 0.05)) for _ in range(days)]
    grid = grid_of_days(found)
    return found, grid, taught_losses(found, grid)


# --- exactness -------------------------------------------------------------------------------------------------


def by_value_day(rng: np.random.Generator, rows: int, chances: tuple[float, ...]) -> Day:
    """Errors are exactly 1 + a + 2 b for a in 0, 1, 2 and b true or false."""
    a, b = rng.choice(3, rows, p=chances), rng.integers(0, 2, rows)
    columns: dict[str, Values] = {
        "a": NumericValues(values=a.astype(np.float64)),
        "b": CategoricalValues(codes=b.astype(np.int32), dictionary=("no", "yes")),
    }
    predictions = np.full(rows, 100.0)
    return Day(columns=columns, predictions=predictions, truth=predictions + (1 + a + 2 * b) * rng.choice([-1, 1], rows))


def test_where_the_loss_is_a_sum_over_columns_the_estimate_is_the_realised_value_wherever_the_inputs_move() -> None:
    rng = np.random.default_rng(1)
    day = by_value_day(rng, 40_000, (0.5, 0.3, 0.2))
    grid = Grid({"a": fit_numeric(np.arange(3.0)), "b": CategoricalGrid(categories=("no", "yes"))})
    fit = LossFit(grid, ("a", "b"))
    fit.add(day.batch(), NumericValues(values=day.predictions), NumericValues(values=day.truth))
    model = fit.model()
    assert isinstance(model, LossModel)
    for chances in ((0.5, 0.3, 0.2), (0.0, 0.1, 0.9), (1.0, 0.0, 0.0)):
        window = by_value_day(rng, 1000, chances)
        found = model.estimate(NOBODY, profile_of_days(grid, window), ["mae"])["mae"]
        assert found.value == pytest.approx(window.realised["mae"], rel=2e-4)  # the ridge's row
        assert found.sd is not None
        assert found.sd < 1e-3


def test_the_terms_are_those_of_ridge_regression_by_scikit_learn() -> None:
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(2)
    codes = {"a": rng.integers(0, 4, 500), "b": rng.integers(0, 3, 500)}
    loss = 1 + codes["a"] * 0.5 + codes["b"] + rng.exponential(1, 500)
    found = fit_additive(Kept(codes=codes, windows=np.zeros(500, dtype=np.int64), sizes={"a": 4, "b": 3}), loss)
    assert not isinstance(found, str)
    member = np.hstack([np.eye(4)[codes["a"]], np.eye(3)[codes["b"]]])
    fits = [Ridge(alpha=alpha).fit(member, loss) for alpha in (1.0, 10.0, 100.0, 1000.0, 10_000.0)]
    ours = found.mean + np.hstack([found.terms["a"], found.terms["b"]]) @ member.T
    assert min(float(np.abs(ours - fit.predict(member)).max()) for fit in fits) < 1e-6


def test_the_same_rows_in_other_chunks_teach_the_same() -> None:
    days, grid, model = reference(3, days=12, rows=500)
    assert taught_losses(days, grid, chunk=77).document() == model.document()


def test_of_more_rows_than_are_kept_those_with_the_smallest_hashes_teach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.core.estimated.loss_fit.MOST_ROWS", 2000)
    days, grid, model = reference(3, days=12, rows=500)
    assert sum(model.rows["x"]) == 2000
    assert taught_losses(days, grid, chunk=77).document() == model.document()


# --- coverage --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shift", "rows"), [(0.0, 300), (0.0, 5000), (0.5, 1000)])
def test_the_interval_holds_the_realised_value_in_nine_of_ten_windows_while_inputs_move(shift: float, rows: int) -> None:
    _, grid, model = reference(4)
    rng = np.random.default_rng(5)
    held = dict.fromkeys(METRICS, 0)
    for _ in range(WINDOWS):
        day = draw_day(rng, rows, shift=shift + rng.normal(0, 0.2), weather=rng.normal(0, 0.05))
        found, realised = model.estimate(NOBODY, profile_of_days(grid, day), METRICS), day.realised
        for name in METRICS:
            interval = found[name].interval(0.05)
            assert interval is not None
            held[name] += interval[0] <= realised[name] <= interval[1]
    assert min(held.values()) >= 0.9 * WINDOWS, held


def test_a_shift_of_a_standard_deviation_is_estimated_within_three_per_cent_and_a_rise_of_sixty_seen() -> None:
    days, grid, model = reference(6)
    far = [draw_day(np.random.default_rng(seed), 20_000, shift=1.0) for seed in range(5)]
    estimated = np.mean([model.estimate(NOBODY, profile_of_days(grid, day), ["mae"])["mae"].value for day in far])
    realised = np.mean([day.realised["mae"] for day in far])
    usual = np.mean([day.realised["mae"] for day in days])
    assert realised > 1.55 * usual
    assert estimated == pytest.approx(realised, rel=0.03)


def test_what_days_of_the_reference_leave_open_is_learned_and_without_time_is_nothing() -> None:
    days, grid, model = reference(7)
    assert model.losses["mae"].spread == pytest.approx(0.05, abs=0.02)
    assert taught_losses(days, grid, timed=False).losses["mae"].spread == 0.0


def test_rows_in_groups_that_the_reference_never_had_make_the_estimate_less_sure() -> None:
    _, grid, model = reference(8)
    day = draw_day(np.random.default_rng(1), 5000)
    strange = replace(day, columns=day.columns | {"kind": CategoricalValues(codes=np.zeros(5000, dtype=np.int32), dictionary=("new",))})
    usual, unsure = (model.estimate(NOBODY, profile_of_days(grid, one), ["mae"])["mae"] for one in (day, strange))
    assert usual.sd is not None
    assert unsure.sd is not None
    assert usual.value is not None
    assert unsure.sd > 10 * usual.sd
    assert unsure.sd > 0.5 * usual.value


# --- groups ----------------------------------------------------------------------------------------------------


def test_a_row_and_a_profile_agree_about_every_group() -> None:
    values = np.concatenate([np.random.default_rng(1).normal(size=1000), [np.nan, np.inf]])
    numbers = NumericValues(values=values)
    grid = fit_numeric(values)
    column = NumericProfile(grid=grid)
    column.add(numbers)
    groups = groups_of(column.counts, grid)
    counts = np.bincount(groups.of_code[codes_of(numbers, grid, len(values))], minlength=groups.size)
    assert groups.counts(column).tolist() == counts.tolist()
    assert counts[-1] == 2  # what is no finite number
    assert groups.size == len(CUTS) + 1 + 2


def test_wrong_types_nulls_and_new_categories_have_groups_of_their_own() -> None:
    grid = CategoricalGrid(categories=("a", "b"))
    column = CategoricalProfile(grid=grid)
    values = CategoricalValues(codes=np.array([0, 1, 1, 2, -1, -2], dtype=np.int32), dictionary=("a", "b", "z"))
    column.add(values)
    groups = groups_of(column.counts, grid)
    assert groups.counts(column).tolist() == [2, 1, 1, 2]  # b, a, new, no value
    assert groups.of_code[codes_of(values, grid, 6)].tolist() == [1, 0, 0, 2, 3, 3]
    assert codes_of(NumericValues(values=np.zeros(6)), grid, 6).tolist() == [3] * 6
    assert codes_of(None, grid, 6).tolist() == [3] * 6
    states = NumericValues(values=np.zeros(2), states=np.array([State.VALUE, State.WRONG_TYPE], dtype=np.uint8))
    numeric = fit_numeric(np.zeros(1))
    assert codes_of(states, numeric, 2).tolist() == [1, numeric.bins + 1]


def test_rare_categories_share_a_group() -> None:
    grid = CategoricalGrid(categories=tuple(f"{i:03}" for i in range(100)))
    groups = groups_of(np.arange(100), grid)
    assert groups.size == MOST_CATEGORIES + 2
    assert (groups.of_bin[99], groups.of_bin[0]) == (0, MOST_CATEGORIES - 1)


def test_columns_that_tell_nothing_are_left_out_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.core.estimated.additive.MOST_COLUMNS", 2)
    rng = np.random.default_rng(1)
    codes = {name: rng.integers(0, 10, 2000) for name in "abcd"}
    loss = rng.exponential(1, 2000) + codes["b"] + codes["d"]
    kept = Kept(codes=codes, windows=np.zeros(2000, dtype=np.int64), sizes=dict.fromkeys("abcd", 10))
    assert telling(kept, loss) == ("b", "d")


# --- what cannot be said ---------------------------------------------------------------------------------------


def test_what_cannot_be_estimated_says_why() -> None:
    _, grid, model = reference(9, days=12, rows=500)
    day = draw_day(np.random.default_rng(1), 500)
    profile = profile_of_days(grid, day)
    reasons = {name: found.reason for name, found in model.estimate(NOBODY, profile, ["mean_error", "r2", "error_p90", "roc_auc"]).items()}
    assert "cancel out" in reasons["mean_error"]
    assert "spread of the labels" in reasons["r2"]
    assert reasons["error_p90"] == "only means of losses can be estimated, no quantiles"
    assert reasons["roc_auc"] == "there is no estimate of roc_auc from a profile"
    for window, why in (
        (None, "no rows in this window"),
        (Profile.empty(grid), "no rows in this window"),
        (Profile.empty(Grid({"x": fit_numeric(np.arange(3.0))})), "no rows in this window"),
        (profile_of_days(grid_of_days([day]), day), "the window was counted on another grid than the model of the loss"),
    ):
        assert model.estimate(NOBODY, window, ["mae"])["mae"].reason == why
    bare = Profile.empty(grid)
    bare.fold(replace(day.batch(), columns={}))
    assert "no row of this window carries 'kind'" in model.estimate(NOBODY, bare, ["mae"])["mae"].reason


def test_a_window_beyond_the_reach_of_the_terms_has_no_estimate_below_zero() -> None:
    _, grid, model = reference(9, days=12, rows=500)
    loss = model.losses["mae"]
    sunk = replace(model, losses={"mae": replace(loss, mean=-1.0)})
    found = sunk.estimate(NOBODY, profile_of_days(grid, draw_day(np.random.default_rng(1), 500, shift=-2)), ["mae"])["mae"]
    assert (found.value, found.sd) == (None, None)
    assert "below zero" in found.reason


@pytest.mark.parametrize(
    ("truth", "why"),
    [
        (np.full(FEWEST_ROWS, np.nan), "only 0 of 500 rows"),
        (np.full(FEWEST_ROWS, np.inf), "only 0 of 500 rows"),
        (np.full(FEWEST_ROWS, 1e200), "only 0 of 500 rows"),
    ],
)
def test_a_reference_without_usable_rows_teaches_nothing(truth: Floats, why: str) -> None:
    day = draw_day(np.random.default_rng(1), FEWEST_ROWS)
    fit = LossFit(grid_of_days([day]), ("x",))
    fit.add(day.batch(), NumericValues(values=day.predictions), NumericValues(values=truth))
    fit.add(day.batch().take(np.array([], dtype=np.int64)), None, None)
    assert why in str(fit.model())


def test_a_model_without_errors_or_with_huge_ones_has_losses_refused_with_a_reason() -> None:
    day = draw_day(np.random.default_rng(1), FEWEST_ROWS)
    for off, scale, name, why in ((0.0, 1.0, "rmse", "no errors to learn from"), (1e74, 1e-300, "mape", "too large to compute with")):
        fit = LossFit(grid_of_days([day]), ("x",))
        truth = NumericValues(values=day.predictions * scale)
        fit.add(day.batch(), NumericValues(values=day.predictions * scale + off), truth)
        model = fit.model()
        assert isinstance(model, LossModel)
        assert why in model.estimate(NOBODY, profile_of_days(grid_of_days([day]), day), [name])[name].reason
    assert LossFit(grid_of_days([day]), ()).model() == "the reference has no column to tell the loss by"


def test_percentages_of_labels_near_zero_are_refused() -> None:
    day = draw_day(np.random.default_rng(1), FEWEST_ROWS)
    fit = LossFit(grid_of_days([day]), ("x",))
    fit.add(day.batch(), NumericValues(values=day.predictions - 50), NumericValues(values=day.truth - 50))
    model = fit.model()
    assert isinstance(model, LossModel)
    assert "mape" not in model.losses
    assert "near zero" in model.estimate(NOBODY, profile_of_days(grid_of_days([day]), day), ["mape"])["mape"].reason


# --- writing ---------------------------------------------------------------------------------------------------


def test_what_was_written_estimates_the_same() -> None:
    _, grid, model = reference(10, days=12, rows=500)
    again = estimator_of(canonical.parse(canonical.compact(model.document()), "e"))
    assert again.document() == model.document()
    profile = profile_of_days(grid, draw_day(np.random.default_rng(1), 500))
    assert again.estimate(NOBODY, profile, METRICS) == model.estimate(NOBODY, profile, METRICS)


def test_a_broken_document_names_the_place() -> None:
    _, _, model = reference(10, days=12, rows=500)
    document = model.document()
    sound = canonical.compact(document)
    for old, new, place in (
        ('"rows":{"kind":[', '"rows":{"kind":[1,', "rows.kind"),
        ('"terms":{"kind":[', '"terms":{"kind":[1,', "terms"),
        ('"spread":', '"spread":"x', "JSON"),
    ):
        with pytest.raises(DecodeError, match=place):
            LossModel.of(canonical.parse(sound.replace(old, new, 1), "m"))
    empty = canonical.compact(document | {"rows": {name: [0] * len(rows) for name, rows in model.rows.items()}})
    with pytest.raises(DecodeError, match="at least one row"):
        LossModel.of(canonical.parse(empty, "m"))
