"""The drift check: every watched column of a window against the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.core.drift import DRIFT_TESTS
from monitor.core.drift.base import AlarmsWhen, ColumnProfile, Measure, Method, NotApplicable, pair_of
from monitor.core.drift.calibration import METRICS, NO_RHYTHM, Limit, column_distance, learn_limit
from monitor.core.drift.significance import Difference, difference, drifted, moved_far
from monitor.core.finding import BROKEN, Finding, number
from monitor.core.profile import NumericProfile, Profile
from monitor.core.reference import Baseline, Reference, Rhythm
from monitor.core.results import Check, Verdict
from monitor.core.rules import DriftRules, DriftTest, Formula, MinEffect
from monitor.core.schema import Column, Kind

NO_BASELINE = Baseline(window_rows=(), distances={}, shares={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one column tells by itself: findings, or a difference that is judged beside those of the other columns."""

    findings: tuple[Finding, ...] = ()
    difference: Difference | None = None


def judge_drift(
    columns: Sequence[Column], profile: Profile, reference: Reference, rules: DriftRules, alpha: float, start: datetime
) -> list[Finding]:
    """One finding per column, or per explicit test and column. The profile is on the reference's grid.

    ``alpha``: false alarms of a window, over all columns; ``start``: when it began, for the reference may have a rhythm.
    """
    share = share_of(columns, reference, alpha)
    return told_together({column.name: look_at(column, profile, reference, rules, share, start) for column in columns}, share)


def share_of(columns: Sequence[Column], reference: Reference, alpha: float) -> float:
    """The false alarms that one of the columns may raise in a window, where all of them may raise ``alpha``."""
    return alpha / max(sum(column.name in reference.profile.columns for column in columns), 1)


def look_at(
    column: Column, profile: Profile, reference: Reference, rules: DriftRules, share: float, start: datetime
) -> Look:
    """One column of a window by itself. ``share``: as in ``share_of``."""
    if column.name not in reference.profile.columns:
        return Look(findings=(_unknown(column.name),))
    if rules.tests:
        asked = [test for test in rules.tests if test.method in DRIFT_TESTS]  # others are not for profiles: ``sampled``
        return Look(findings=tuple(_explicit(column, test, profile, reference) for test in asked if _fits(column, test)))
    return _learned(column.name, profile, reference, rules.min_effect, share, start)


def told_together(looks: Mapping[str, Look], share: float) -> list[Finding]:
    """The findings of a window from what each of its columns tells by itself. ``share``: as in ``share_of``."""
    findings = [finding for look in looks.values() for finding in look.findings]
    unlearned = {name: look.difference for name, look in looks.items() if look.difference is not None}
    return findings + _by_significance(unlearned, share * len(unlearned))


def _unknown(name: str) -> Finding:
    return _finding(name, "drift", Verdict.SKIPPED, f"the reference does not know the column {name}")


def _finding(column: str, metric: str, verdict: Verdict, reason: str) -> Finding:
    return Finding(check=Check.DRIFT, column=column, metric=metric, verdict=verdict, reason=reason)


def _empty(name: str, metric: str, window: ColumnProfile, reference: ColumnProfile) -> Finding | None:
    if reference.n == 0:
        return _finding(name, metric, Verdict.SKIPPED, f"the reference has no values of {name}")
    if window.n == 0:
        return _finding(name, metric, Verdict.INSUFFICIENT, f"the window has no values of {name}")
    return None


# --- the default verdict -------------------------------------------------------------------------------------


def _learned(name: str, profile: Profile, reference: Reference, floors: MinEffect, share: float, start: datetime) -> Look:
    here, there = profile.columns[name], reference.profile.columns[name]
    metric = METRICS[type(there)]
    try:
        empty, limit = _empty(name, metric, here, there), limit_of(name, reference)
        if empty is not None:
            return Look(findings=(empty,))
        if limit is None:
            return Look(difference=difference(pair_of(there, here), floors))
        value = column_distance(there, here, rhythm_of(name, reference), start)
        learned = limit.threshold(share, here.n)
        threshold = max(learned, _floor(value, learned, here, there, floors))
        return Look(findings=(_against(name, metric, value, threshold, limit.p_value(value, share, here.n)),))
    except BROKEN as error:
        return Look(findings=(_finding(name, metric, Verdict.ERROR, f"{metric} of {name} failed: {error}"),))


def rhythm_of(name: str, reference: Reference) -> Rhythm:
    """What the reference tells of a column's hours and weekdays; empty where it is compared with all of it."""
    return (reference.baseline or NO_BASELINE).rhythm.get(name, NO_RHYTHM)


def limit_of(name: str, reference: Reference) -> Limit | None:
    """The limit that the reference's windows teach for a column; None where there are too few of them."""
    baseline = reference.baseline or NO_BASELINE
    column = reference.profile.columns[name]
    distances = baseline.distances.get(name, {}).get(METRICS[type(column)], ())
    return learn_limit(distances, baseline.window_rows, column, reference.profile.rows, rhythm_of(name, reference))


def _floor(value: float, learned: float, here: ColumnProfile, there: ColumnProfile, floors: MinEffect) -> float:
    """The distance that is worth a message: any that is unusual, where few rows moved far."""
    if not isinstance(there, NumericProfile):
        return floors.tvd
    far = learned < value <= floors.ks and moved_far(pair_of(there, here)) >= floors.wasserstein
    return 0.0 if far else floors.ks


def _against(name: str, metric: str, value: float, threshold: float, p_value: float) -> Finding:
    high = value > threshold
    said = f"{metric} {number(value)}, limit {number(threshold)} learned from the reference's windows"
    return Finding(
        check=Check.DRIFT,
        column=name,
        metric=metric,
        verdict=Verdict.ALERT if high else Verdict.OK,
        reason=f"{name} {'differs more than usual' if high else 'is as usual'}: {said}",
        value=value,
        threshold=threshold,
        p_value=p_value,
    )


def _by_significance(differences: dict[str, Difference], alpha: float) -> list[Finding]:
    high = drifted(differences, alpha)
    return [
        Finding(
            check=Check.DRIFT,
            column=name,
            metric=found.metric,
            verdict=Verdict.ALERT if name in high else Verdict.OK,
            reason=f"{name} {'differs' if name in high else 'does not differ'} beyond chance and the effect floor: "
            f"{found.metric} {number(found.value)}, floor {number(found.floor)}, p {number(found.p_value)}",
            value=found.value,
            threshold=found.floor,
            p_value=found.p_value,
        )
        for name, found in differences.items()
    ]


# --- tests asked for by name ---------------------------------------------------------------------------------


def _fits(column: Column, test: DriftTest) -> bool:
    """Named columns are tested even where the test says it cannot; else those that fit."""
    return column.name in test.columns if test.columns else column.kind in DRIFT_TESTS[test.method].kinds


def _explicit(column: Column, test: DriftTest, profile: Profile, reference: Reference) -> Finding:
    method = DRIFT_TESTS[test.method]
    name, here, there = column.name, profile.columns[column.name], reference.profile.columns[column.name]
    if column.kind not in method.kinds:
        kinds = ", ".join(sorted(method.kinds))
        return _finding(name, method.name, Verdict.SKIPPED, f"{method.name} is for {kinds} columns, {name} is {column.kind}")
    try:
        empty = _empty(name, method.name, here, there) if method.needs_values else None
        return empty or _measured(name, method, test, method.by(test.formula)(method.pair(there, here)))
    except NotApplicable as error:
        return _finding(name, method.name, Verdict.SKIPPED, f"{method.name} cannot be asked of {name}: it {error}")
    except BROKEN as error:
        return _finding(name, method.name, Verdict.ERROR, f"{method.name} of {name} failed: {error}")


def _measured(name: str, method: Method, test: DriftTest, found: Measure) -> Finding:
    limit = method.default_threshold if test.threshold is None else test.threshold
    critical = found.critical(limit)
    title = f"{method.name} (Evidently's formula)" if test.formula is Formula.EVIDENTLY else method.name
    if method.alarms_when is AlarmsWhen.P_BELOW:
        high = found.p_value is not None and found.p_value <= limit
        said = f"{title} {number(found.value)}, p {number(found.p_value)}, alarms up to p {number(limit)}"
    else:
        high = found.value >= limit
        said = f"{title} {number(found.value)}, limit {number(limit)}"
    return Finding(
        check=Check.DRIFT,
        column=name,
        metric=method.name,
        verdict=Verdict.ALERT if high else Verdict.OK,
        reason=f"{name} {'drifted' if high else 'did not drift'}: {said}",
        value=found.value,
        threshold=critical if math.isfinite(critical) else None,
        p_value=found.p_value,
    )


def kind_of(column: ColumnProfile) -> Kind:
    """The kind a profile's column was counted as, where no rule says it."""
    return Kind.NUMERIC if METRICS[type(column)] == "ks" else Kind.CATEGORICAL
