"""Causes: sentences a person understands, the likeliest first."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from monitor.core.cause import Cause, explain
from monitor.core.evaluate import evaluate
from monitor.core.results import Account, Check, Result, Verdict
from monitor.core.rules import Model
from monitor.core.schema import CategoricalValues, Kind, Role, Values
from tests.core.judged import Data, drawn, feature, key_of, numeric, reference_of, rules_with, subject_of
from tests.core.profile_batches import categories

CARRIERS = "ABCD"
SHARES = [0.5, 0.3, 0.17, 0.03]


def day(rng: np.random.Generator, n: int = 1500) -> dict[str, Values]:
    delay = np.round(rng.gamma(0.8, 22.0, n)) - 5
    return {
        "delay": numeric(delay),
        "hour": numeric(rng.integers(5, 23, n)),
        "carrier": drawn(rng, CARRIERS, SHARES, n),
        "score": numeric(1 / (1 + np.exp(-delay / 20))),
    }


RNG = np.random.default_rng(1)
REFERENCE = reference_of([day(RNG) for _ in range(20)])
RULES = rules_with(
    columns=(
        feature("delay", Kind.NUMERIC),
        feature("hour", Kind.NUMERIC),
        feature("carrier", Kind.CATEGORICAL),
        feature("score", Kind.NUMERIC, Role.SCORE),
    )
)


def cause_of(changes: Data, rules: Model = RULES, account: Account | None = None) -> Cause:
    subject = subject_of(REFERENCE, day(np.random.default_rng(2)) | dict(changes), account=account)
    return explain(evaluate(subject, rules), [subject], rules)


def values(name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(day(np.random.default_rng(2))[name].values)  # type: ignore[union-attr]


def test_an_ordinary_day_has_no_cause() -> None:
    assert cause_of({}) == Cause(headline="")


def test_a_change_of_unit_is_named_with_its_factor() -> None:
    cause = cause_of({"delay": numeric(values("delay") * 60)})
    assert cause.headline.startswith("delay: mean 12.")
    assert cause.headline.endswith(", about ×60 (unit change)")
    assert [c.name for c in cause.columns] == ["delay"]
    assert cause.columns[0].metric == "ks"
    assert (cause.columns[0].effect, cause.columns[0].signature) == (1.0, "unit_change")
    assert re.fullmatch(r"delay: D 0.\d+ as it is, 0.0\d+ once that is taken back", cause.evidence)


def test_the_upstream_feature_leads_though_the_score_moved_further() -> None:
    cause = cause_of({"delay": numeric(values("delay") + 8), "score": numeric(np.full(1500, 0.99))})
    assert [c.name for c in cause.columns] == ["delay", "score"]
    assert cause.columns[1].effect > cause.columns[0].effect
    assert cause.headline.startswith("delay: ")
    assert ", every value about +8" in cause.headline
    assert cause.headline.endswith("; and 1 more")


def test_an_offset_downwards_is_said_with_its_sign() -> None:
    assert re.search(r", every value about −1[12](\.\d)?$", cause_of({"delay": numeric(values("delay") - 12)}).headline)


def test_a_division_is_said_as_one() -> None:
    assert cause_of({"delay": numeric(values("delay") / 60)}).headline.endswith(", about ÷60 (unit change)")


def test_a_spread_that_grew_is_told_where_the_mean_stayed() -> None:
    rng = np.random.default_rng(3)
    widened = np.where(rng.random(1500) < 0.5, 5.0, 22.0)
    sentence = cause_of({"hour": numeric(widened + 0.0)}).headline
    assert sentence.startswith("hour: standard deviation 5.21 → 8.5")


def test_another_middle_is_told_where_mean_and_spread_stayed() -> None:
    rng = np.random.default_rng(4)
    lopsided = 13.5 + (rng.gamma(1.0, 5.2, 1500) - 5.2)
    assert cause_of({"hour": numeric(np.round(lopsided))}).headline.startswith("hour: median 13")


def test_the_category_that_moved_most_is_named() -> None:
    rng = np.random.default_rng(5)
    cause = cause_of({"carrier": drawn(rng, CARRIERS, [0.2, 0.3, 0.47, 0.03], 1500)})
    assert re.fullmatch(r"carrier: (A 50 % → (19|20|21)|C 17 % → (46|47|48)) %", cause.headline)


def test_unseen_categories_are_named_once_for_quality_and_drift() -> None:
    mixed = categories(*("A" * 750), *("B" * 450), *(["QQ"] * 200), *(["R" * 100] * 100))
    sentence = cause_of({"carrier": mixed}).columns[0].sentence
    assert "20 % in unseen categories (QQ, " in sentence
    assert "R" * 39 + "…" in sentence
    assert "unseen categories (QQ, " in sentence


def test_nulls_are_told_with_their_share_before_and_after() -> None:
    hour = values("hour")
    hour[:300] = np.nan
    cause = cause_of({"hour": numeric(hour)})
    assert cause.headline == "hour: nulls 0 % → 20 %"


def test_a_column_that_is_gone_is_said_to_be() -> None:
    cause = cause_of({"hour": numeric(np.full(1500, np.nan))})
    assert cause.headline == "hour: gone, no row has a value"
    assert cause.columns[0].effect == pytest.approx(0.99)  # of all rows, at a hundred times the floor


def test_values_of_a_wrong_type_are_told() -> None:
    carrier = day(np.random.default_rng(2))["carrier"]
    assert isinstance(carrier, CategoricalValues)
    codes = carrier.codes.copy()
    codes[:150] = CategoricalValues.WRONG
    cause = cause_of({"carrier": CategoricalValues(codes=codes, dictionary=carrier.dictionary)})
    assert cause.headline == "carrier: values of a wrong type 0 % → 10 %"


def test_silence_leads_before_any_column() -> None:
    subject = replace(subject_of(REFERENCE, {}), account=Account())
    assert explain(evaluate(subject, RULES), [subject], RULES) == Cause(headline="no data: no rows came")


def test_unreadable_messages_lead_before_columns() -> None:
    cause = cause_of({"hour": numeric(np.full(1500, np.nan))}, account=Account(counted=1500, quarantined=500))
    assert cause.headline == "25 % of 2,000 messages could not be read, limit 10 %; and 1 more"


def test_performance_comes_last_with_its_reason() -> None:
    key = key_of()
    decay = Result(
        model="m", version="1", segment="*", window_start=key.start, window_end=key.end, check=Check.PERFORMANCE, column=None,
        metric="f1", value=0.5, threshold=0.7, p_value=None, verdict=Verdict.ALERT, reason="0.5, at least 0.7", rows=10,
    )  # fmt: skip
    assert explain([decay], [], RULES).headline == "f1: 0.5, at least 0.7"


def drifted(**changes: object) -> Result:
    key = key_of()
    result = Result(
        model="m", version="1", segment="*", window_start=key.start, window_end=key.end, check=Check.DRIFT, column="hour",
        metric="ks", value=0.3, threshold=0.1, p_value=None, verdict=Verdict.ALERT, reason="?", rows=10,
    )  # fmt: skip
    return replace(result, **changes)  # type: ignore[arg-type]


def test_without_profiles_the_bare_numbers_are_told() -> None:
    empty = subject_of(REFERENCE, day(np.random.default_rng(2)) | {"hour": numeric(np.full(1500, np.nan))})
    for subjects in ([], [empty]):
        (cause,) = explain([drifted()], subjects, RULES).columns
        assert cause.sentence == "hour: ks 0.3, limit 0.1"
    (unknown,) = explain([drifted(column="unheard")], [empty], RULES).columns
    assert unknown.sentence == "unheard: ks 0.3, limit 0.1"


@pytest.mark.parametrize(
    ("value", "threshold", "effect"),
    [(0.3, 0.1, 0.2), (0.1, 0.3, 0.0667), (None, 0.1, 0.25), (0.3, None, 0.15), (0.3, 0.0, 0.3), (0.0, 0.0, 0.0), (1e300, 1e-300, 1.0)],
)
def test_the_effect_is_the_share_of_rows_less_where_the_limit_is_hardly_passed(
    value: float | None, threshold: float | None, effect: float
) -> None:
    (cause,) = explain([drifted(value=value, threshold=threshold)], [], RULES).columns
    assert cause.effect == pytest.approx(effect, rel=1e-3)


def test_of_several_versions_the_worst_tells_the_sentence() -> None:
    shifted = day(np.random.default_rng(2)) | {"hour": numeric(values("hour") + 30)}
    subject = subject_of(REFERENCE, shifted)
    other = replace(subject, key=replace(subject.key, version="2"), profile=subject_of(REFERENCE, day(np.random.default_rng(3))).profile)
    results = [drifted(value=0.2, version="2"), drifted(value=0.9)]
    (cause,) = explain(results, [other, subject], RULES).columns
    assert cause.value == 0.9
    assert cause.sentence.startswith("hour: mean 13.5 → 43.5")
