"""A window that is judged again in one column: the same as judging all of it, whoever shares the false alarms; and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, time, timedelta

import numpy as np
import pytest

from monitor.core.drill import FAULTS, Fault, FaultName, Line, Scene, Seen, Size
from monitor.core.drill.inject import also_in, injected
from monitor.core.drill.outcome import at_size, opens_in
from monitor.core.drill.scene import alerts_of
from monitor.core.drill.shadow import shadow_of
from monitor.core.drill.spots import blind_spots, limits_of
from monitor.core.evaluate import Subject, evaluate
from monitor.core.merged import canary_reference
from monitor.core.recurring import Recurring
from monitor.core.reference import Reference
from monitor.core.results import Account, Check, Result, Verdict
from monitor.core.rules import AlertRules, DriftRules, DriftTest, Formula, Model, QualityRules, Switch
from monitor.core.schema import Kind
from tests.core.judged import DAY, RULES, START, Data, drawn, feature, numeric, reference_of, rules_with, subject_of
from tests.core.performance_rows import RULES as PERFORMANCE
from tests.core.test_segments import REFERENCE as SEGMENTED
from tests.core.test_segments import RULES as SEGMENT_RULES
from tests.core.test_segments import day as segment_day
from tests.core.test_segments import key as segment_key
from tests.core.test_segments import part_of

RNG = np.random.default_rng(11)
COLUMN_FAULTS = [fault for fault in FAULTS.values() if fault.inject is not None]


def day(rng: np.random.Generator, n: int = 900) -> Data:
    x = rng.normal(0, 1, n)
    return {"x": numeric(x), "y": numeric(x + rng.normal(0, 0.3, n)), "n": numeric(rng.poisson(5, n)),
            "c": drawn(rng, "ABC", [0.5, 0.3, 0.2], n), "d": drawn(rng, "uv", [0.9, 0.1], n)}


DAYS = [day(RNG) for _ in range(20)]
LEARNED, PLAIN = reference_of(DAYS), reference_of(DAYS, with_windows=False)
PSI = DriftRules(tests=(DriftTest(method="psi"), DriftTest(method="ks", columns=("x",), formula=Formula.EVIDENTLY)))


def agrees(subject: Subject, rules: Model) -> int:
    """Whether every fault in every column is told the same by the shadow and by ``evaluate``; how many of them alert anew."""
    shadow = shadow_of(subject, rules)
    assert shadow is not None
    assert shadow.quiet == {a for a in alerts_of(evaluate(subject, rules)) if a[2] != Check.VOLUME}
    seen = 0
    for name in sorted(shadow.columns):
        for fault in COLUMN_FAULTS:
            for size in fault.sizes:
                profile = injected(shadow.profile, shadow.reference.profile, name, fault, size.value)
                if profile is None:
                    continue
                found = shadow.alerts(name, profile, shadow.reference)
                results = evaluate(replace(subject, profile=profile), rules)
                assert found == {a for a in alerts_of(results) if a[2] != Check.VOLUME}
                assert not [r.reason for r in results if r.verdict is Verdict.ERROR], "no fault makes a number that is none"
                seen += bool(found - shadow.quiet)
    return seen


@pytest.mark.parametrize(("reference", "rules"), [
    (LEARNED, RULES), (PLAIN, RULES), (LEARNED, rules_with(drift=PSI)), (PLAIN, rules_with(drift=PSI)),
    (LEARNED, rules_with(drift=DriftRules(multivariate=True))), (LEARNED, rules_with(quality=QualityRules(max_null_share=Switch.OFF))),
    (LEARNED, rules_with(columns=(feature("x", Kind.NUMERIC), feature("unknown", Kind.NUMERIC), feature("c", Kind.CATEGORICAL)))),
])
def test_the_shadow_says_what_judging_the_whole_window_says(reference: Reference, rules: Model) -> None:
    assert agrees(subject_of(reference, day(np.random.default_rng(1))), rules) > 10


def test_a_shadow_of_a_drifted_window_says_the_same_too() -> None:
    """One column drifts by itself: by Benjamini and Hochberg the others are judged less strictly then."""
    data = {**day(np.random.default_rng(2)), "n": numeric(RNG.poisson(9, 900))}
    for reference in (PLAIN, LEARNED):
        assert agrees(subject_of(reference, data), RULES) > 10


def test_the_verdicts_of_the_other_columns_change_with_the_one_that_has_the_fault() -> None:
    """Without windows in the reference the columns share their false alarms by rank: an x that is just too little to alert alone alerts
    beside another column that does."""
    rng = np.random.default_rng(3)
    data = day(rng)
    for by in np.linspace(0.1, 0.3, 41):
        subject = subject_of(PLAIN, {**data, "x": numeric(np.asarray(data["x"].values) + by)})  # type: ignore[union-attr]
        shadow = shadow_of(subject, RULES)
        assert shadow is not None
        profile = injected(shadow.profile, PLAIN.profile, "n", FAULTS[FaultName.SCALE], 60.0)
        assert profile is not None
        others = {a for a in shadow.alerts("n", profile, PLAIN) - shadow.quiet if a[3] == "x"}
        if others:
            assert others == {("1", "*", "drift", "x", "ks")}
            return
    pytest.fail("no shift of x was between both limits")


def test_segments_are_drilled_with_all_rows_but_not_in_their_own_column() -> None:
    data = segment_day(np.random.default_rng(6))
    subjects = [subject_of(SEGMENTED, data),
                *(replace(subject_of(SEGMENTED, part_of(data, o)), key=segment_key(f"origin={o}")) for o in "JL")]
    for subject in subjects:
        assert agrees(subject, SEGMENT_RULES) > 3
    shadow = shadow_of(subjects[1], SEGMENT_RULES)
    assert shadow is not None
    assert set(shadow.columns) == {"delay"}
    assert shadow_of(subjects[1], replace(SEGMENT_RULES, segments=())) is None
    assert Scene(subjects, SEGMENT_RULES).with_fault("origin", FAULTS[FaultName.RECASE], 1.0) is Seen.CAUGHT


def test_a_fault_in_all_rows_hides_from_a_comparison_with_the_stable_version() -> None:
    subject = subject_of(LEARNED, day(np.random.default_rng(8)))
    assert subject.profile is not None
    stable = canary_reference(subject.profile, model="m", version="1", start=START, window=DAY)
    canary = replace(subject, key=replace(subject.key, version="2"), reference=stable)
    shift = FAULTS[FaultName.SHIFT]
    assert also_in(LEARNED, "x", shift, 1.0) is LEARNED
    assert also_in(stable, "x", FAULTS[FaultName.RECASE], 1.0) is stable
    assert also_in(stable, "x", shift, 1.0).profile.columns["x"] != stable.profile.columns["x"]
    assert Scene([canary], RULES).with_fault("x", shift, 1.0) is Seen.MISSED
    assert Scene([canary, subject], RULES).with_fault("x", shift, 1.0) is Seen.CAUGHT, "the stable version itself is judged by its own"


# --- scenes --------------------------------------------------------------------------------------------------


def test_a_window_that_alerts_in_the_column_by_itself_is_left_out() -> None:
    data = day(np.random.default_rng(8))
    noisy = Scene([subject_of(LEARNED, {**data, "n": numeric(RNG.poisson(9, 900))})], RULES)
    nulls = FAULTS[FaultName.NULLS]
    assert noisy.with_fault("n", nulls, 0.5) is Seen.LEFT_OUT
    assert noisy.with_fault("n", nulls, 0.001) is Seen.LEFT_OUT
    assert (noisy.with_fault("x", nulls, 0.5), noisy.with_fault("x", nulls, 0.001)) == (Seen.CAUGHT, Seen.MISSED)
    assert noisy.with_fault("x", FAULTS[FaultName.RECASE], 1.0) is None, "numbers have no case"


def test_nothing_is_told_where_nothing_can_be_judged() -> None:
    scene = Scene([subject_of(None, day(np.random.default_rng(9)))], RULES)
    assert (scene.columns, scene.with_fault("x", FAULTS[FaultName.NULLS], 0.5)) == ([], Seen.UNTOLD)
    assert scene.with_rows(0.5) is Seen.UNTOLD
    few = Scene([subject_of(LEARNED, day(np.random.default_rng(9), 50))], RULES)
    assert few.with_fault("x", FAULTS[FaultName.NULLS], 0.5) is Seen.UNTOLD


def test_rows_that_stay_away_or_double_are_seen_and_half_of_them_are_not() -> None:
    scene = Scene([subject_of(LEARNED, day(np.random.default_rng(10)))], RULES)
    assert [scene.with_rows(factor) for factor in (0.0, 0.25, 0.6, 1.0, 1.7, 4.0)] == [
        Seen.CAUGHT, Seen.CAUGHT, Seen.MISSED, Seen.MISSED, Seen.MISSED, Seen.CAUGHT]
    silent = subject_of(LEARNED, {}, account=Account())
    assert Scene([silent], RULES).with_rows(2.0) is Seen.LEFT_OUT


# --- what it comes to ----------------------------------------------------------------------------------------

C, M, L, U = Seen.CAUGHT, Seen.MISSED, Seen.LEFT_OUT, Seen.UNTOLD


@pytest.mark.parametrize(("seen", "rules", "opens"), [
    ([C] * 5, AlertRules(), 1),
    ([C] * 5, AlertRules(open_after=2), 2),
    ([C, M] * 10, AlertRules(open_after=2), None),
    ([C, M] * 10, AlertRules(open_after=2, open_within=3), 3),
    ([M] * 9, AlertRules(), None),
    ([C, L, C, U, C, L, C], AlertRules(open_after=2), 3),
    ([L, U], AlertRules(), None),
    ([], AlertRules(), None),
])
def test_an_incident_opens_as_the_rules_of_alerts_say(seen: list[Seen], rules: AlertRules, opens: int | None) -> None:
    assert opens_in(seen, rules) == opens


def test_maintenance_holds_no_drill_up() -> None:
    nightly = Recurring(at=time(0), lasts=timedelta(hours=23), zone=UTC)
    assert opens_in([C] * 5, AlertRules(maintenance=(nightly,))) == 1


def test_windows_that_tell_nothing_are_no_part_of_the_share() -> None:
    found = at_size(Size(value=0.1, text="10 %"), [C, C, M, L, U, U], AlertRules())
    assert (found.windows, found.caught, found.left_out, found.share) == (3, 2, 1, pytest.approx(2 / 3))


def line(fault: Fault, *caught: int, column: str = "dest") -> Line:
    sizes = tuple(at_size(size, [C] * n + [M] * (10 - n), AlertRules()) for size, n in zip(fault.sizes, caught, strict=True))
    return Line(column=column, fault=fault, sizes=sizes)


def test_the_smallest_size_is_that_from_which_on_all_larger_ones_are_seen() -> None:
    found = line(FAULTS[FaultName.NULLS], 0, 6, 4, 9, 10)
    assert [None if at is None else at.size.text for at in (found.smallest(0.5), found.smallest(0.95))] == ["25 %", "50 %"]
    assert line(FAULTS[FaultName.NULLS], 0, 0, 0, 0, 4).smallest(0.5) is None


def result(check: Check, column: str | None, metric: str, threshold: float | None) -> Result:
    return Result(model="m", version="1", segment="*", window_start=START, window_end=START + DAY, check=check, column=column,
                  metric=metric, value=0.0, threshold=threshold, p_value=None, verdict=Verdict.OK, reason="", rows=9)


LIMITS = limits_of([
    result(Check.QUALITY, "dest", "null_share", 0.11), result(Check.QUALITY, "dest", "null_share", 0.12),
    result(Check.QUALITY, "dest", "null_share", 0.4), result(Check.DRIFT, "dest", "ks", 0.31), result(Check.DRIFT, "dest", "x", None),
    result(Check.VOLUME, None, "rows", 1900.0), result(Check.PERFORMANCE, None, "roc_auc", 0.7),
    result(Check.PERFORMANCE, None, "brier", 0.2), result(Check.DRIFT, None, "pca_reconstruction", 0.6),
])


@pytest.mark.parametrize(("found", "rules", "said"), [
    (line(FAULTS[FaultName.NULLS], 0, 1, 3, 10, 10), RULES,
     "nulls in up to 10 % of the rows of `dest` would mostly not be seen (3 of 10): its null share is allowed up to 12 % by the reference"),
    (line(FAULTS[FaultName.NULLS], 0, 1, 3, 10, 10), rules_with(quality=QualityRules(max_null_share=0.12)),
     "nulls in up to 10 % of the rows of `dest` would mostly not be seen (3 of 10): "
     "its null share is allowed up to 12 % by quality.max_null_share"),
    (line(FAULTS[FaultName.NULLS], 0, 0, 0, 0, 0), rules_with(quality=QualityRules(max_null_share=Switch.OFF)),
     "nulls in up to 50 % of the rows of `dest` would mostly not be seen (0 of 10): quality.max_null_share is off"),
    (line(FAULTS[FaultName.SHIFT], 0, 0, 0, 2, 10), RULES,
     "a shift of `dest` by up to 0.5 sd would mostly not be seen (2 of 10): its ks is allowed up to 0.31 by the reference"),
    (line(FAULTS[FaultName.SHIFT], 0, 0, 0, 2, 10), rules_with(drift=PSI),
     "a shift of `dest` by up to 0.5 sd would mostly not be seen (2 of 10): its ks is allowed up to 0.31 by drift.tests"),
    (line(FAULTS[FaultName.SHIFT], 0, 0, 0, 2, 10, column="other"), RULES,
     "a shift of `other` by up to 0.5 sd would mostly not be seen (2 of 10)"),
    (line(FAULTS[FaultName.SCALE], 0, 1, 10), RULES,
     "`dest` in another unit (/100 or ×60) would mostly not be seen (1 of 20): its ks is allowed up to 0.31 by the reference"),
    (line(FAULTS[FaultName.VOLUME], 10, 0, 10, column="(rows)"), RULES,
     "×0.5 as many rows would mostly not be seen (0 of 10): half the smallest and twice the largest usual window are no alarm"),
    (line(FAULTS[FaultName.VOLUME], 10, 0, 10, column="(rows)"), rules_with(volume=replace(RULES.volume, min_ratio=0.3)),
     "×0.5 as many rows would mostly not be seen (0 of 10): volume.min_ratio 0.3"),
    (line(FAULTS[FaultName.LABEL_FLIP], 0, 0, 4, 10, 10, column="late"), RULES,
     "up to 5 % of the labels (`late`) wrong would mostly not be seen (4 of 10): brier is allowed to come to 0.2 by performance.max_drop"),
    (line(FAULTS[FaultName.LABEL_FLIP], 0, 0, 4, 10, 10, column="late"), rules_with(performance=PERFORMANCE),
     "up to 5 % of the labels (`late`) wrong would mostly not be seen (4 of 10): "
     "roc_auc is allowed to come to 0.7 by performance.max_drop"),
])
def test_a_blind_spot_is_a_sentence_that_says_why(found: Line, rules: Model, said: str) -> None:
    assert blind_spots([found], LIMITS, rules) == [said]


def test_small_faults_and_those_that_are_seen_are_no_blind_spots() -> None:
    seen = [line(FAULTS[FaultName.NULLS], 0, 5, 10, 10, 10), line(FAULTS[FaultName.SHIFT], 0, 0, 0, 5, 10)]
    assert blind_spots(seen, LIMITS, RULES) == []
    untold = Line(column="x", fault=FAULTS[FaultName.NULLS], sizes=(at_size(FAULTS[FaultName.NULLS].sizes[-1], [U, L], AlertRules()),))
    assert blind_spots([untold], LIMITS, RULES) == []
    assert untold.smallest(0.5) is None
