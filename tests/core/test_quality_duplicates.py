"""Messages under an id that was counted before."""

from __future__ import annotations

import pytest

from monitor.core.evaluate import evaluate
from monitor.core.quality import judge_duplicates
from monitor.core.results import Account, Check, Verdict
from monitor.core.rules import QualityLimit, QualityRules, Switch
from tests.core.judged import only, rules_with, subject_of


@pytest.mark.parametrize(
    ("duplicate", "limit", "verdict", "threshold"),
    [
        (0, None, Verdict.OK, 0.01),
        (10, None, Verdict.OK, 0.01),
        (11, None, Verdict.WARN, 0.01),
        (100, None, Verdict.WARN, 0.01),
        (101, None, Verdict.ALERT, 0.1),
        (101, 0.2, Verdict.OK, 0.2),
        (1, 0.0, Verdict.ALERT, 0.0),
    ],
)
def test_the_share_of_doubles_has_its_own_verdict(duplicate: int, limit: QualityLimit, verdict: Verdict, threshold: float) -> None:
    account = Account(counted=900 - duplicate, duplicate=duplicate, quarantined=100)
    rules = rules_with(dedupe=True, quality=QualityRules(max_duplicate_share=limit))
    (found,) = judge_duplicates(account, rules)
    assert (found.value, found.verdict, found.threshold) == (duplicate / 1000, verdict, threshold)
    assert (found.check, found.column, found.metric) == (Check.QUALITY, None, "duplicate_share")


def test_it_says_of_how_many_messages_and_needs_no_reference() -> None:
    results = evaluate(subject_of(None, {}, account=Account(counted=300, duplicate=100)), rules_with(dedupe=True))
    found = only(results, Check.QUALITY, None, "duplicate_share")
    assert (found.verdict, found.reason) == (Verdict.ALERT, "25 % of 400 messages came before under the same id, limit 10 %")


def test_few_messages_are_no_evidence() -> None:
    (found,) = judge_duplicates(Account(counted=10, duplicate=10), rules_with(dedupe=True))
    assert found.verdict is Verdict.INSUFFICIENT


@pytest.mark.parametrize(
    ("changes", "account"),
    [
        ({"dedupe": False}, Account(counted=500)),
        ({"quality": QualityRules(max_duplicate_share=Switch.OFF)}, Account(counted=500, duplicate=500)),
        ({}, Account()),
    ],
)
def test_there_is_no_verdict_where_nothing_can_be_told(changes: dict[str, object], account: Account) -> None:
    rules = rules_with(**{"dedupe": True, **changes})
    assert judge_duplicates(account, rules) == []
