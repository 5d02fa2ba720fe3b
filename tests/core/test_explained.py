"""Which segments explain that all rows alert."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.core.evaluate import Subject, evaluate
from monitor.core.explained import Explanation, How, explained_by
from monitor.core.reference import Reference, SegmentPart
from monitor.core.results import ALL_ROWS, Result, Verdict
from monitor.core.rules import DriftRules, DriftTest, Model, QualityRules, Switch
from monitor.core.schema import CategoricalValues, Kind
from monitor.core.segments import segment_text
from tests.core.judged import Data, drawn, feature, key_of, numeric, profile_of, reference_of, rules_with, subject_of

ORIGINS, SHARES = "ABC", [0.4, 0.35, 0.25]
MEANS = {"A": 0.0, "B": 10.0, "C": 20.0}
RULES = replace(rules_with(columns=(feature("delay", Kind.NUMERIC), feature("origin", Kind.CATEGORICAL))), segments=("origin",))


def day(rng: np.random.Generator, n: int = 4000, by: dict[str, float] | None = None, shares: list[float] = SHARES) -> Data:
    """Delays about a mean for each origin, ``by`` which those of some origins move."""
    origin = drawn(rng, ORIGINS, shares, n)
    mean = np.array([MEANS[o] + (by or {}).get(o, 0.0) for o in ORIGINS])
    return {"delay": numeric(rng.normal(mean[origin.codes], 3)), "origin": origin}


def of_origin(data: Data, origin: str) -> Data:
    chosen = data["origin"]
    assert isinstance(chosen, CategoricalValues)
    return {name: values.take(chosen.codes == chosen.dictionary.index(origin)) for name, values in data.items()}


def with_segments(days: list[Data]) -> Reference:
    plain = reference_of(days)
    parts = {o: reference_of([of_origin(each, o) for each in days], grid=plain.grid) for o in ORIGINS}
    return replace(plain, segments={"origin": {o: SegmentPart(profile=r.profile, baseline=r.baseline) for o, r in parts.items()}})


RNG = np.random.default_rng(11)
REFERENCE = with_segments([day(RNG) for _ in range(15)])


def subjects_of(data: Data) -> list[Subject]:
    parts = {segment_text("origin", o): subject_of(REFERENCE, of_origin(data, o)) for o in ORIGINS}
    return [subject_of(REFERENCE, data), *(replace(part, key=replace(key_of(), segment=name)) for name, part in parts.items())]


def judged(subjects: list[Subject], rules: Model = RULES) -> list[Result]:
    return [result for subject in subjects for result in evaluate(subject, rules)]


def explained(data: Data, rules: Model = RULES) -> Explanation | None:
    subjects = subjects_of(data)
    return explained_by(judged(subjects, rules), subjects, rules)


def test_one_segment_that_moved_is_named_with_its_share_of_the_rows() -> None:
    data = day(np.random.default_rng(1), by={"B": 60})
    found = explained(data)
    assert found is not None
    rows = profile_of(REFERENCE.grid, of_origin(data, "B")).rows
    assert (found.how, found.segments, found.share) == (How.ONLY, ("origin=B",), pytest.approx(rows / 4000))
    assert found.sentence == f"only origin=B ({100 * rows / 4000:.0f} % of the rows)"


def test_two_segments_that_moved_are_named_together() -> None:
    found = explained(day(np.random.default_rng(2), by={"B": 60, "C": 60}))
    assert found is not None
    assert (found.how, set(found.segments)) == (How.ONLY, {"origin=B", "origin=C"})


def test_where_all_segments_moved_they_all_are_told() -> None:
    found = explained(day(np.random.default_rng(3), by=dict.fromkeys(ORIGINS, 60)))
    assert found is not None
    assert (found.how, found.sentence) == (How.ALL, "in all segments of origin")


def test_where_only_the_mix_moved_no_segment_is_blamed() -> None:
    found = explained(day(np.random.default_rng(4), shares=[0.05, 0.05, 0.9]))
    assert found is not None
    assert (found.how, found.sentence) == (How.MIX, "in no segment of origin, whose mix is another")


def test_a_segment_without_which_most_is_gone_though_not_all_explains_it_mostly() -> None:
    found = explained(day(np.random.default_rng(5), by={"A": 60, "B": 2.2}))
    assert found is not None
    assert (found.how, found.segments) in ((How.MOSTLY, ("origin=A",)), (How.ONLY, ("origin=A", "origin=B")))


def test_the_rest_need_not_be_as_usual_for_a_segment_to_explain_most() -> None:
    """C's own rows are too few to be judged: the rest stays beyond the limit without A, but far less so."""
    data = day(np.random.default_rng(6), by={"A": 60, "C": 60}, shares=[0.7, 0.2, 0.1])
    rules = replace(RULES, min_rows=600)
    found = explained(data, rules)
    assert found is not None
    assert (found.how, found.segments) == (How.MOSTLY, ("origin=A",))
    assert found.sentence.startswith("mostly origin=A (")


def test_a_calm_window_needs_no_explanation() -> None:
    assert explained(day(np.random.default_rng(7))) is None


def test_the_segment_column_alone_is_not_explained_by_its_own_segments() -> None:
    rules = replace(RULES, columns=(feature("origin", Kind.CATEGORICAL),))
    assert explained(day(np.random.default_rng(8), shares=[0.05, 0.05, 0.9]), rules) is None


def test_nulls_of_one_segment_are_explained_too() -> None:
    data = day(np.random.default_rng(9))
    origin, delay = data["origin"], data["delay"]
    assert isinstance(origin, CategoricalValues)
    gone = np.where(origin.codes == 2, np.nan, delay.values)  # type: ignore[union-attr]
    found = explained({**data, "delay": numeric(gone)}, replace(RULES, drift=DriftRules(tests=(DriftTest(method="psi", threshold=9.0),))))
    assert found is not None
    assert (found.how, found.segments) == (How.ONLY, ("origin=C",))


@pytest.mark.parametrize(("method", "how"), [("psi", How.ONLY), ("wasserstein", How.ONLY), ("chisquare", None)])
def test_other_distances_are_measured_again_and_tests_of_significance_cannot_be(method: str, how: How | None) -> None:
    column = "origin" if method == "chisquare" else "delay"
    quiet = QualityRules(max_out_of_range_share=Switch.OFF, max_same_value_share=Switch.OFF)
    rules = replace(RULES, drift=DriftRules(tests=(DriftTest(method=method, columns=(column,)),)), quality=quiet)
    found = explained(day(np.random.default_rng(10), by={"B": 60}, shares=[0.35, 0.4, 0.25]), rules)
    assert (None if found is None else found.how) is how


def test_labels_that_drifted_have_no_profile_and_leave_the_others_explained() -> None:
    subjects = subjects_of(day(np.random.default_rng(1), by={"B": 15.0}))
    results = judged(subjects)
    alerts = [result for result in results if result.verdict is Verdict.ALERT and result.segment == ALL_ROWS]
    drifted = next(result for result in alerts if result.column == "delay")
    label = replace(drifted, column="arrived_late", metric="tvd")
    found = explained_by([*results, label], subjects, RULES)
    assert found == explained_by(results, subjects, RULES)
    assert found is not None
    assert explained_by([label], subjects, RULES) is None


def test_segments_on_another_grid_explain_nothing() -> None:
    subjects = subjects_of(day(np.random.default_rng(12), by={"B": 60}))
    other = reference_of([day(np.random.default_rng(13))]).grid
    broken = [
        subject if subject.key.segment == ALL_ROWS else replace(subject, profile=profile_of(other, day(np.random.default_rng(14))))
        for subject in subjects
    ]
    assert explained_by(judged(subjects), broken, RULES) is None


def test_without_a_profile_or_segments_nothing_is_explained() -> None:
    subjects = subjects_of(day(np.random.default_rng(12), by={"B": 60}))
    results = judged(subjects)
    assert explained_by(results, [replace(subject, profile=None) for subject in subjects], RULES) is None
    assert explained_by(results, subjects, replace(RULES, segments=())) is None
    assert explained_by(results, subjects[:1], RULES) is None


def test_the_order_of_subjects_and_results_changes_nothing() -> None:
    subjects = subjects_of(day(np.random.default_rng(15), by={"B": 60, "C": 60}))
    results = judged(subjects)
    assert explained_by(results[::-1], subjects[::-1], RULES) == explained_by(results, subjects, RULES)
