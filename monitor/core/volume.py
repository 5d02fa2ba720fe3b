"""The volume check: does about as much come as usual, and can it be read?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from monitor.core.drift.calibration import MIN_WINDOWS, Prediction
from monitor.core.finding import Finding, number, percent
from monitor.core.gaps import Gap, GapReason, lost, told
from monitor.core.reference import Reference
from monitor.core.results import Account, Check, Verdict, WindowKey
from monitor.core.rules import Model, VolumeRules

BEYOND_USUAL = 2.0  # times: half the smallest and twice the largest usual window are still no alarm
BEYOND_AVERAGE = 4.0  # times: where only the average is known, a daily rhythm must fit in between
USUAL = 0.05  # share of the reference's windows at each end that are not usual (cut ones, holidays)
WARN_QUARANTINED, ALERT_QUARANTINED = 0.01, 0.10  # shares of the messages received


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Rows of a usual window: the typical number and what is still usual."""

    typical: float
    low: float
    high: float


def judge_volume(
    key: WindowKey, account: Account, reference: Reference | None, rules: Model, alpha: float, *, other_rows: int = 0,
    gaps: Sequence[Gap] = (),
) -> list[Finding]:  # fmt: skip
    """Rows against the reference's rate, and the share that could not be read. ``alpha``: false alarms of a window.

    ``other_rows``: those of the model's other versions in the window. A version that is being rolled out, or retired, has few
    rows of its own; that is no fault while together they are as many as usual. Nor is it one where the model was not configured.
    """
    if not account.counted:
        findings = [_no_rows(account, reference, rules.min_rows, other_rows)]
    else:
        findings = [_rows(key, account.counted, reference, rules.volume, alpha, other_rows)]
    if any(gap.reason is GapReason.NOT_CONFIGURED for gap in gaps):
        findings = [replace(found, verdict=Verdict.INSUFFICIENT) if _few(found) else found for found in findings]
    return [*findings, _quarantined(account, rules.min_rows)] if account.received else findings


def _few(found: Finding) -> bool:
    return found.verdict is Verdict.ALERT and found.value is not None and found.threshold is not None and found.value < found.threshold


def _no_rows(account: Account, reference: Reference | None, min_rows: int, other_rows: int) -> Finding:
    """Silence is an alert, but not of one version among others, nor for a few stray messages of a version that nobody knows."""
    said = f"none of {account.received:,} received messages could be counted" if account.received else "no rows came"
    stray = other_rows > 0 or (reference is None and 0 < account.received < min_rows)
    return _finding(Verdict.INSUFFICIENT if stray else Verdict.ALERT, f"no data: {said}", value=0.0, threshold=1.0)


def _rows(
    key: WindowKey, rows: int, reference: Reference | None, rules: VolumeRules, alpha: float, other_rows: int
) -> Finding:
    usual = None if reference is None else usual_range(reference, key.end - key.start, alpha)
    if usual is None:
        return _finding(Verdict.SKIPPED, "no reference tells how many rows are usual", value=float(rows))
    return _within(rows, other_rows, _ruled(usual, rules))


def _within(rows: int, other_rows: int, usual: Range) -> Finding:
    said = f"{rows:,} rows, usual are {number(usual.low)} to {number(usual.high)}"
    if rows < usual.low <= rows + other_rows:
        said = f"{rows:,} of {rows + other_rows:,} rows; other versions have the rest"
        return _finding(Verdict.INSUFFICIENT, said, value=rows, threshold=usual.low)
    if rows < usual.low:
        return _finding(Verdict.ALERT, f"too few rows: {said}", value=rows, threshold=usual.low)
    if rows > usual.high:
        return _finding(Verdict.ALERT, f"too many rows: {said}", value=rows, threshold=usual.high)
    return _finding(Verdict.OK, said, value=rows, threshold=usual.low if rows < usual.typical else usual.high)


def _ruled(usual: Range, rules: VolumeRules) -> Range:
    low = usual.low if rules.min_ratio is None else usual.typical * rules.min_ratio
    high = usual.high if rules.max_ratio is None else usual.typical * rules.max_ratio
    return Range(typical=usual.typical, low=low, high=high)


def usual_range(reference: Reference, window: timedelta, alpha: float) -> Range | None:
    """What the reference says of a window's rows: from its own windows, else from its time range, else nothing."""
    rows = np.array(reference.baseline.window_rows if reference.baseline else (), dtype=np.float64)
    if len(rows) >= MIN_WINDOWS and reference.window == window:
        prediction = Prediction.learn(rows.tolist(), 1.0)
        few, many = np.quantile(rows, [USUAL, 1 - USUAL])
        return Range(
            typical=float(np.median(rows)),
            low=min(prediction.lower(alpha), float(few) / BEYOND_USUAL),
            high=max(prediction.upper(alpha), float(many) * BEYOND_USUAL),
        )
    typical = float(rows.mean()) * (window / reference.window) if len(rows) else _average(reference, window)
    if not typical:
        return None
    return Range(typical=typical, low=typical / BEYOND_AVERAGE, high=typical * BEYOND_AVERAGE)


def _average(reference: Reference, window: timedelta) -> float | None:
    covered = time_range(reference.provenance)
    return None if covered is None else reference.profile.rows * (window / covered)


def time_range(provenance: Mapping[str, object]) -> timedelta | None:
    """How long the reference's data lasts, from the two RFC 3339 times of ``time_range``; None where not told."""
    match provenance.get("time_range"):
        case [str(first), str(last)]:
            pass
        case _:
            return None
    try:
        covered = datetime.fromisoformat(last) - datetime.fromisoformat(first)
    except (ValueError, TypeError):
        return None  # provenance is a note for people; volume can do without
    return covered if covered > timedelta(0) else None


def judge_gaps(gaps: Sequence[Gap]) -> list[Finding]:
    """An alert where messages of the window were lost before they could be read; a warning where nobody knows whether any were."""
    if not gaps:
        return []
    missing = lost(gaps)
    return [
        Finding(
            check=Check.VOLUME,
            column=None,
            metric="lost_messages",
            verdict=Verdict.ALERT if missing else Verdict.WARN,
            reason=f"incomplete: {told(gaps)} were lost before they could be read",
            value=None if missing is None else float(missing),
            threshold=0.0,
        )
    ]


def _quarantined(account: Account, min_rows: int) -> Finding:
    share = account.quarantined / account.received
    verdict = _quarantine_verdict(share, account.received, min_rows)
    threshold = ALERT_QUARANTINED if verdict is Verdict.ALERT else WARN_QUARANTINED
    return Finding(
        check=Check.VOLUME,
        column=None,
        metric="quarantined_share",
        verdict=verdict,
        reason=f"{percent(share)} of {account.received:,} messages could not be read, limit {percent(threshold)}",
        value=share,
        threshold=threshold,
    )


def _quarantine_verdict(share: float, received: int, min_rows: int) -> Verdict:
    if share <= WARN_QUARANTINED:
        return Verdict.OK
    if received < min_rows:
        return Verdict.INSUFFICIENT
    return Verdict.ALERT if share > ALERT_QUARANTINED else Verdict.WARN


def _finding(verdict: Verdict, reason: str, *, value: float, threshold: float | None = None) -> Finding:
    return Finding(check=Check.VOLUME, column=None, metric="rows", verdict=verdict, reason=reason, value=value, threshold=threshold)
