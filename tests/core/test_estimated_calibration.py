"""Calibration on counts: the same step as scikit-learn's, used only where it helps, and how far whole windows are from it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from monitor.core.estimated.calibration import Calibration, calibrate
from monitor.core.estimated.counts import BINS, FOLDS, REACH, STEPS, ScoreCounts, score_bins
from monitor.core.estimated.estimate import with_error
from monitor.core.estimated.isotonic import MOST_BLOCKS, Blocks, isotonic
from monitor.core.profile import canonical
from monitor.errors import DecodeError
from tests.core.estimating import draw_binary, taught_binary

RNG = np.random.default_rng(5)


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=60), st.lists(st.floats(0, 1), max_size=5))
def test_the_step_is_that_of_scikit_learn_at_the_scores_between_and_beyond_them(rows: list[tuple[int, bool]], others: list[float]) -> None:
    places = np.arange(41) / 50 + 0.1
    scores, hits = np.array([places[at] for at, _ in rows]), np.array([hit for _, hit in rows])
    theirs = IsotonicRegression(out_of_bounds="clip").fit(scores, hits)
    at = np.array([place for place, _ in rows])
    ours = isotonic(places, np.bincount(at, minlength=41), np.bincount(at[hits], minlength=41))
    asked = np.array([*scores, *others])
    assert ours.at(asked) == pytest.approx(theirs.predict(asked), abs=1e-9)


def test_a_score_has_the_block_it_lies_in_or_the_nearer_of_two() -> None:
    blocks = Blocks(first=np.array([0.1, 0.5]), last=np.array([0.3, 0.6]), rows=np.array([10, 10]), hits=np.array([1, 9]))
    assert blocks.place(np.array([0.0, 0.3, 0.39, 0.41, 0.55, 1.0])).tolist() == [0, 0, 0, 1, 1, 1]


def test_a_share_of_no_hit_is_not_certain() -> None:
    """Jeffreys' prior: (0 + 1/2) / (10 + 1) is the share, and 11 rows its weight."""
    blocks = Blocks(first=np.array([0.1]), last=np.array([0.1]), rows=np.array([10]), hits=np.array([0]))
    assert blocks.shares.tolist() == [0.0]
    assert blocks.noise == pytest.approx([(0.5 / 11) * (10.5 / 11) / 11])


def test_blocks_are_bounded_and_no_row_is_lost() -> None:
    places = np.linspace(0, 1, 1001)
    rows = np.full(1001, 10**9)
    blocks = isotonic(places, rows, (rows * places**2).astype(np.int64))
    assert len(blocks.rows) == MOST_BLOCKS
    assert (int(blocks.rows.sum()), blocks.first[0], blocks.last[-1]) == (1001 * 10**9, 0.0, 1.0)
    assert blocks.at(places) == pytest.approx(places**2, abs=0.01)


def test_bins_ascend_with_the_score_and_hold_both_ends() -> None:
    scores = np.array([0.0, 1e-300, 1e-7, 0.1, 0.5, 0.5 + 1 / (2 * STEPS), 0.999999, 1.0])
    bins = score_bins(scores)
    assert bins.tolist() == sorted(bins.tolist())
    assert (bins[0], bins[4], bins[-1]) == (0, REACH * STEPS, BINS - 1)


def test_calibrated_scores_are_taken_as_they_are_and_distorted_ones_are_mended() -> None:
    told, truth = draw_binary(RNG, 50_000)
    assert not taught_binary(told, truth).calibrations[0].helps
    squared, truth = draw_binary(RNG, 50_000, power=2)
    mended = taught_binary(squared, truth).calibrations[0]
    asked = np.array([0.04, 0.16, 0.36, 0.64])
    assert mended.helps
    assert mended.chances(asked) == pytest.approx(np.sqrt(asked), abs=0.02)


def test_the_chunks_that_rows_come_in_change_nothing() -> None:
    scores, truth = draw_binary(RNG, 5000, power=2)
    starts = np.arange(5000) // 100
    assert taught_binary(scores, truth, starts, chunk=5000).document() == taught_binary(scores, truth, starts, chunk=37).document()


@pytest.mark.parametrize("weather", [0.0, 0.15, 0.4])
def test_how_far_windows_come_true_otherwise_than_their_scores_say_is_learned(weather: float) -> None:
    rng = np.random.default_rng(7)
    weathers = rng.normal(0, weather, 100)
    days = [draw_binary(rng, 3000, weather=one) for one in weathers]
    scores, truth = (np.concatenate(column) for column in zip(*days, strict=True))
    found = taught_binary(scores, truth, np.repeat(np.arange(100), 3000)).calibrations[0].spread
    assert found == pytest.approx(float(np.std(weathers)) * with_error(100), abs=0.03)


@pytest.mark.parametrize("tilt", [0.0, 0.2])
def test_how_much_more_or_less_scores_are_worth_in_some_windows_is_learned(tilt: float) -> None:
    rng = np.random.default_rng(8)
    tilts = rng.normal(0, tilt, 100)
    odds = rng.normal(0, 1.5, (100, 3000))
    scores = 1 / (1 + np.exp(-odds))
    truth = rng.random(odds.shape) < 1 / (1 + np.exp(-odds * (1 + tilts[:, None])))
    found = taught_binary(scores.ravel(), truth.ravel(), np.repeat(np.arange(100), 3000)).calibrations[0]
    assert found.slant == pytest.approx(float(np.std(tilts)) * with_error(100), abs=0.03)
    assert found.spread < 0.05


def test_of_too_few_windows_no_spread_is_learned() -> None:
    scores, truth = draw_binary(RNG, 4000)
    truth[:1000] = True
    assert taught_binary(scores, truth, np.arange(4000) // 1000).calibrations[0].spread == 0.0
    assert taught_binary(scores, truth, np.arange(4000) // 500).calibrations[0].spread > 0.5


def test_windows_beyond_those_that_are_counted_apart_are_still_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.core.estimated.counts.MOST_WINDOWS", 2)
    counts = ScoreCounts()
    counts.add(np.full(4, 0.5), np.ones(4, dtype=np.bool_), np.arange(4) % FOLDS, np.arange(4))
    assert (sorted(counts.windows), int(counts.rows.sum())) == ([0, 1], 4)


def test_rows_all_in_one_fold_are_calibrated_without_a_rest_to_judge_by() -> None:
    counts = ScoreCounts()
    counts.add(np.array([0.2, 0.8]), np.array([False, True]), np.zeros(2, dtype=np.int64), None)
    assert not calibrate(counts).helps


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"rows": [], "hits": [], "first": [], "last": []}, "hits"),
        ({"hits": [11]}, "hits"),
        ({"rows": [0], "hits": [0]}, "hits"),
        ({"first": [0.4]}, "last"),
        ({"first": [0.1, 0.2]}, "last"),
        ({"spread": -1.0}, "spread"),
        ({"slant": -1.0}, "slant"),
        ({"helps": 1}, "helps"),
    ],
)
def test_a_broken_document_names_the_place(change: dict[str, object], place: str) -> None:
    sound = {"first": [0.1], "last": [0.3], "rows": [10], "hits": [3], "helps": True, "spread": 0.1, "slant": 0.2}
    assert Calibration.of(canonical.parse(canonical.compact(sound), "c")).document() == sound
    with pytest.raises(DecodeError, match=rf"c\.{place}"):
        Calibration.of(canonical.parse(canonical.compact(sound | change), "c"))
