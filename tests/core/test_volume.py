"""The volume check: silence is an alert, a rhythm is not, and unreadable messages are counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from monitor.core.reference import Baseline, Reference
from monitor.core.results import Account, Result, Verdict
from monitor.core.rules import VolumeRules
from monitor.core.volume import judge_volume, time_range
from tests.core.judged import DAY, RULES, key_of, numeric, reference_of

ALPHA = 1 / 30


def reference_with(rows: tuple[int, ...], *, window: timedelta = DAY, **provenance: object) -> Reference:
    whole = reference_of([{"x": numeric(np.zeros(max(sum(rows), 1)))}], with_windows=False)
    baseline = Baseline(window_rows=rows, distances={}, shares={})
    return replace(whole, baseline=baseline, window=window, provenance=provenance)


def rows_of(count: int, reference: Reference | None, rules: VolumeRules | None = None, **account: int) -> Result:
    model = replace(RULES, volume=rules or VolumeRules())
    first, *_ = judge_volume(key_of(), Account(counted=count, **account), reference, model, ALPHA)
    return first.result(key_of(), rows=count, reference=None)


STEADY = reference_with((1000, 1020, 980, 1010, 990, 1000, 1005))


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [(1000, Verdict.OK), (600, Verdict.OK), (1900, Verdict.OK), (200, Verdict.ALERT), (6000, Verdict.ALERT)],
)
def test_rows_far_from_usual_are_an_alert(rows: int, verdict: Verdict) -> None:
    assert rows_of(rows, STEADY).verdict is verdict


def test_the_reason_says_what_was_usual() -> None:
    few, many = rows_of(100, STEADY), rows_of(9000, STEADY)
    assert few.reason.startswith("too few rows: 100 rows, usual are ")
    assert many.reason.startswith("too many rows: 9,000 rows, usual are ")
    assert few.threshold is not None
    assert many.threshold is not None
    assert few.threshold < 1000 < many.threshold
    assert (few.metric, few.value, few.column) == ("rows", 100.0, None)


def test_a_daily_rhythm_raises_nothing() -> None:
    hours = tuple(int(500 + 480 * np.sin(2 * np.pi * h / 24)) for h in range(24 * 14))
    reference = reference_with(hours)
    assert {rows_of(rows, reference).verdict for rows in hours} == {Verdict.OK}
    assert rows_of(20_000, reference).verdict is Verdict.ALERT


def test_no_rows_are_an_alert_with_and_without_a_reference() -> None:
    for reference in (STEADY, None):
        result = rows_of(0, reference)
        assert (result.verdict, result.value, result.reason) == (Verdict.ALERT, 0.0, "no data: no rows came")


def test_messages_of_which_none_could_be_counted_are_no_data() -> None:
    result = rows_of(0, STEADY, quarantined=40, late=2)
    assert (result.verdict, result.reason) == (Verdict.ALERT, "no data: none of 42 received messages could be counted")


def test_a_few_stray_messages_of_a_version_nobody_knows_are_no_alert() -> None:
    assert rows_of(0, None, quarantined=3).verdict is Verdict.INSUFFICIENT
    assert rows_of(0, None, quarantined=RULES.min_rows).verdict is Verdict.ALERT


def test_given_ratios_are_multiples_of_the_typical_window() -> None:
    rules = VolumeRules(min_ratio=0.9, max_ratio=1.1)
    assert [rows_of(n, STEADY, rules).verdict for n in (890, 910, 1090, 1110)] == [
        Verdict.ALERT, Verdict.OK, Verdict.OK, Verdict.ALERT
    ]  # fmt: skip


def test_where_the_reference_has_other_windows_its_rate_is_taken() -> None:
    reference = reference_with((50,) * 24, window=timedelta(hours=1))
    assert rows_of(1200, reference).verdict is Verdict.OK
    assert rows_of(250, reference).verdict is Verdict.ALERT


def test_where_the_reference_has_no_windows_its_time_range_tells_the_rate() -> None:
    times = ["2024-01-01T00:00:00Z", "2024-01-11T00:00:00Z"]
    reference = replace(reference_with((10_000,), time_range=times), baseline=None)
    assert rows_of(1000, reference).verdict is Verdict.OK
    assert rows_of(100, reference).verdict is Verdict.ALERT


@pytest.mark.parametrize(
    "provenance",
    [
        {},
        {"time_range": None},
        {"time_range": ["2024-01-01T00:00:00Z"]},
        {"time_range": ["soon", "later"]},
        {"time_range": ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00"]},
        {"time_range": ["2024-01-02T00:00:00Z", "2024-01-01T00:00:00Z"]},
    ],
)
def test_a_reference_that_does_not_tell_its_time_tells_no_rate(provenance: dict[str, object]) -> None:
    assert time_range(provenance) is None
    result = rows_of(1000, replace(STEADY, baseline=None, provenance=provenance))
    assert (result.verdict, result.reason) == (Verdict.SKIPPED, "no reference tells how many rows are usual")


@pytest.mark.parametrize(
    ("quarantined", "verdict", "threshold"),
    [(0, Verdict.OK, 0.01), (10, Verdict.OK, 0.01), (50, Verdict.WARN, 0.01), (101, Verdict.ALERT, 0.1)],
)
def test_unreadable_messages_warn_over_one_per_cent_and_alert_over_ten(quarantined: int, verdict: Verdict, threshold: float) -> None:
    account = Account(counted=1000 - quarantined, quarantined=quarantined)
    _, share = judge_volume(key_of(), account, STEADY, RULES, ALPHA)
    assert (share.metric, share.value, share.verdict, share.threshold) == ("quarantined_share", quarantined / 1000, verdict, threshold)


def test_a_share_of_a_handful_of_messages_is_insufficient() -> None:
    _, share = judge_volume(key_of(), Account(counted=4, quarantined=1), None, RULES, ALPHA)
    assert share.verdict is Verdict.INSUFFICIENT


def test_where_nothing_was_received_there_is_no_share() -> None:
    assert len(judge_volume(key_of(), Account(), STEADY, RULES, ALPHA)) == 1


def test_a_version_that_is_rolled_out_has_few_rows_of_its_own_and_that_is_no_fault() -> None:
    def judged(account: Account, other_rows: int) -> tuple[Verdict, str]:
        first, *_ = judge_volume(key_of(), account, STEADY, RULES, ALPHA, other_rows=other_rows)
        return first.verdict, first.reason

    assert judged(Account(counted=3), 997) == (Verdict.INSUFFICIENT, "3 of 1,000 rows; other versions have the rest")
    assert judged(Account(late=2), 998)[0] is Verdict.INSUFFICIENT
    assert judged(Account(counted=3), 5)[0] is Verdict.ALERT
