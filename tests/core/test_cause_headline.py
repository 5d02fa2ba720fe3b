"""Which column leads, where it is said to be, and what one line says of many columns."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from monitor.core.cause import Cause, explain
from monitor.core.cause.signatures.collapse import collapse
from monitor.core.evaluate import Subject, evaluate
from monitor.core.incidents import Incident, IncidentState
from monitor.core.reference import SegmentPart
from monitor.core.results import Account, Check, Result, Verdict
from monitor.core.rules import Model
from monitor.core.schema import Kind, Role
from tests.core.judged import DAY, START, Data, feature, key_of, numeric, reference_of, rules_with, subject_of
from tests.core.scenes import REFERENCE, filled, floats, named, ordinary

N = 2_000
KINDS = {name: Kind.NUMERIC if name in ("delay", "price", "temperature", "hour", "stars", "flag") else Kind.CATEGORICAL
         for name in REFERENCE.grid.columns}  # fmt: skip
RULES = rules_with(columns=tuple(feature(name, kind) for name, kind in KINDS.items()))


def window(changes: Data, *, version: str = "1", segment: str = "*", n: int = N, seed: int = 5) -> Subject:
    subject = subject_of(REFERENCE, ordinary(np.random.default_rng(seed), n) | dict(changes))
    return replace(subject, key=replace(subject.key, version=version, segment=segment))


def with_segments(subject: Subject) -> Subject:
    """Its reference knows the segments: each of them like the whole."""
    whole = SegmentPart(profile=REFERENCE.profile, baseline=REFERENCE.baseline)
    parts = {"app_version": dict.fromkeys(("4.1", "4.2"), whole), "origin": dict.fromkeys(("JFK", "LGA"), whole)}
    return replace(subject, reference=replace(REFERENCE, segments=parts))


def cause_of(*subjects: Subject, rules: Model = RULES, opened: Incident | None = None, volume: bool = False) -> Cause:
    rules = replace(rules, segments=("app_version", "origin"))
    results = [result for subject in subjects for result in evaluate(subject, rules) if volume or result.check is not Check.VOLUME]
    return explain(results, subjects, rules, opened=opened)


def nulls(name: str, share: float) -> Data:
    return {name: numeric(filled(floats(name, N), share, np.nan))}


SECONDS: Data = {"delay": numeric(floats("delay", N) * 60)}
FIVE: Data = {
    "delay": numeric(floats("delay", N) + 60), "price": numeric(floats("price", N) ** 2),
    "temperature": numeric(floats("temperature", N) + 9), "stars": numeric(6 - floats("stars", N)), "flag": numeric(1 - floats("flag", N)),
}  # fmt: skip


# --- what leads ----------------------------------------------------------------------------------------------


def test_a_change_of_unit_leads_before_a_small_share_of_nulls_far_over_its_limit() -> None:
    cause = cause_of(window(SECONDS | nulls("price", 0.04)))
    assert [column.name for column in cause.columns] == ["delay", "price"]
    assert ", about ×60 (unit change); and 1 more" in cause.headline
    nulls_of_price = cause.columns[1]
    assert (nulls_of_price.value or 0) / (nulls_of_price.threshold or 1) > 2
    assert nulls_of_price.effect < 0.04


def test_a_change_of_unit_leads_before_an_unknown_move_of_as_many_rows() -> None:
    cause = cause_of(window(SECONDS | {"stars": numeric(np.full(N, 2.5) + np.arange(N) % 2)}))
    assert [(column.name, column.signature) for column in cause.columns] == [("delay", "unit_change"), ("stars", "")]


def test_importance_weighs_the_effect() -> None:
    both = window(SECONDS | nulls("price", 0.4))
    assert [column.name for column in cause_of(both).columns] == ["delay", "price"]
    weighed = replace(RULES, importance={"price": 3.0})
    assert [(column.name, column.importance) for column in cause_of(both, rules=weighed).columns] == [("price", 3.0), ("delay", 1.0)]
    needless = replace(RULES, importance={"delay": 0.0})
    assert [column.name for column in cause_of(both, rules=needless).columns] == ["price", "delay"]


def test_a_feature_leads_before_a_score_however_important() -> None:
    roles = tuple(feature(name, kind, Role.SCORE if name == "delay" else Role.FEATURE) for name, kind in KINDS.items())
    cause = cause_of(window(SECONDS | nulls("price", 0.1)), rules=replace(RULES, columns=roles, importance={"delay": 9.0}))
    assert [column.name for column in cause.columns] == ["price", "delay"]


def test_what_a_signature_does_not_explain_is_told_beside_it() -> None:
    seconds = np.where(np.random.default_rng(8).random(N) < 0.1, np.nan, floats("delay", N) * 60)
    (column,) = cause_of(window({"delay": numeric(seconds)})).columns
    assert column.sentence.endswith(", about ×60 (unit change); nulls 0 % → 9.35 %")


def test_two_swapped_columns_are_one_sentence() -> None:
    cause = cause_of(window({"port": named("airline", N), "airline": named("port", N)}))
    assert cause.headline == "airline: looks swapped with port"
    assert [column.sentence for column in cause.columns] == ["airline: looks swapped with port", "port: looks swapped with airline"]


def test_a_check_that_the_sentence_does_not_know_tells_its_own_reason() -> None:
    key = key_of()
    strange = Result(
        model="m", version="1", segment="*", window_start=key.start, window_end=key.end, check=Check.QUALITY, column="price",
        metric="range_share", value=0.2, threshold=0.1, p_value=None, verdict=Verdict.ALERT, reason="price: 20 % beyond 900" + "!" * 300,
        rows=N,
    )  # fmt: skip
    (column,) = explain([strange], [window({})], RULES).columns
    assert column.sentence.startswith("price: 20 % beyond 900!")
    assert column.sentence.endswith("…")
    assert len(column.sentence) < 220


# --- the volume ----------------------------------------------------------------------------------------------


def test_a_collapse_of_the_volume_leads_before_every_column() -> None:
    few = replace(window(SECONDS, n=N), account=Account(counted=300))
    assert cause_of(few, volume=True).headline == "volume collapse: 300 rows, 12 % of the usual 2,500; and 1 more"


def test_rows_that_are_only_fewer_than_usual_do_not_hide_a_change_of_unit() -> None:
    fewer = replace(window(SECONDS), account=Account(counted=900))
    headline = cause_of(fewer, volume=True).headline
    assert headline.startswith("delay: mean")
    assert headline.endswith(", about ×60 (unit change); and 1 more")


def test_a_window_short_of_rows_by_half_is_no_collapse() -> None:
    short = replace(window({}), account=Account(counted=1_200))
    result = Result(
        model="m", version="1", segment="*", window_start=START, window_end=START + DAY, check=Check.VOLUME, column=None, metric="rows",
        value=1_200.0, threshold=1_250.0, p_value=None, verdict=Verdict.ALERT, reason="too few rows", rows=1_200,
    )  # fmt: skip
    assert collapse(result, short) is None
    assert collapse(replace(result, value=200.0), short) == "volume collapse: 200 rows, 8 % of the usual 2,500"
    assert collapse(replace(result, value=200.0), None) is None
    assert collapse(replace(result, value=0.0), short) is None
    assert collapse(replace(result, value=200.0), replace(short, reference=reference_of([ordinary(np.random.default_rng(1), 300)],
                                                                                         with_windows=False))) is None  # fmt: skip


# --- many columns --------------------------------------------------------------------------------------------


def incident(columns: tuple[str, ...]) -> Incident:
    began = START - timedelta(hours=14, minutes=20)
    return Incident(id="i", model="m", state=IncidentState.FIRING, severity=Verdict.ALERT, since=began, updated_at=START, columns=columns)


def test_three_columns_and_more_are_said_to_have_moved_together() -> None:
    cause = cause_of(window(FIVE))
    names = [column.name for column in cause.columns]
    assert sorted(names) == sorted(FIVE)
    assert cause.headline == f"5 columns moved together since 00:00 UTC: {', '.join(names)}; the largest: {cause.columns[0].sentence}"


def test_they_moved_since_the_incident_about_them_began() -> None:
    names = tuple(FIVE)
    assert "since 2024-02-29 09:40 UTC" in cause_of(window(FIVE), opened=incident(names)).headline
    assert "since 00:00 UTC" in cause_of(window(FIVE), opened=incident(names[:2])).headline
    soon = replace(incident(names), since=START + timedelta(hours=9, minutes=40))
    assert "since 09:40 UTC" in cause_of(window(FIVE), opened=soon).headline


def test_two_columns_are_no_crowd() -> None:
    assert cause_of(window(SECONDS | nulls("price", 0.1))).headline.startswith("delay: ")


def test_what_else_is_bad_is_counted_after_the_crowd() -> None:
    decay = Result(
        model="m", version="1", segment="*", window_start=START, window_end=START + DAY, check=Check.PERFORMANCE, column=None, metric="f1",
        value=0.5, threshold=0.7, p_value=None, verdict=Verdict.ALERT, reason="0.5, at least 0.7", rows=10,
    )  # fmt: skip
    subject = window(FIVE)
    assert explain([*evaluate(subject, RULES), decay], [subject], RULES).headline.endswith("; and 1 more")


def test_many_names_are_cut() -> None:
    columns = [f"{i}{'x' * 60}" for i in range(9)]
    bad = [
        Result(model="m", version="1", segment="*", window_start=START, window_end=START + DAY, check=Check.DRIFT, column=name, metric="ks",
               value=0.5, threshold=0.1, p_value=None, verdict=Verdict.ALERT, reason="", rows=10)
        for name in columns
    ]  # fmt: skip
    headline = explain(bad, [], RULES).headline
    assert headline.startswith(f"9 columns moved together since 00:00 UTC: 0{'x' * 38}…, 1")
    assert ", 4" in headline
    assert ", 5" not in headline
    assert len(headline) < 450


# --- where ---------------------------------------------------------------------------------------------------


def test_one_version_among_others_is_said_to_be_the_only_one() -> None:
    cause = cause_of(window(SECONDS, version="4.2"), window({}, version="4.1", seed=6), window({}, version="4.0", seed=7))
    assert cause.only == "only version 4.2"
    assert cause.headline.endswith(", about ×60 (unit change), only version 4.2")


def test_five_columns_of_one_segment_are_one_line() -> None:
    mixed = {name: numeric(np.concatenate([values.values[: N // 2], floats(name, N)[N // 2 :]]))  # type: ignore[union-attr]
             for name, values in FIVE.items()}  # fmt: skip
    all_rows = window(mixed)
    of_segments = [
        window(FIVE, segment="app_version=4.2"), window({}, segment="app_version=4.1", seed=6),
        window(mixed, segment="origin=JFK"), window(mixed, segment="origin=LGA"),
    ]  # fmt: skip
    cause = cause_of(all_rows, *map(with_segments, of_segments))
    assert cause.only == "only app_version=4.2"
    assert cause.headline.startswith("5 columns moved together since 00:00 UTC, only app_version=4.2: ")


@pytest.mark.parametrize(
    "others",
    [
        [window(SECONDS, version="4.1", seed=6)],  # as bad
        [window({}, version="4.1", n=60, seed=6)],  # too few rows for a verdict
        [],  # nobody to compare with
    ],
)
def test_no_version_is_said_to_be_the_only_one_where_others_are_bad_or_not_judged(others: list[Subject]) -> None:
    assert cause_of(window(SECONDS, version="4.2"), *others).only == ""


def test_a_version_that_is_ok_by_a_hair_is_not_said_to_be_well() -> None:
    bad, near = window(SECONDS, version="2"), window({}, version="1", seed=6)
    results = [*evaluate(bad, RULES), *(
        replace(r, value=0.9 * (r.value or 0) + 0.5) if r.column == "delay" and r.check is Check.DRIFT else r for r in evaluate(near, RULES)
    )]  # fmt: skip
    assert explain(results, [bad, near], RULES).only == ""


def test_a_segment_that_others_come_near_is_named_all_the_same() -> None:
    near = {"delay": numeric(floats("delay", N) + 4)}
    far = {"delay": numeric(floats("delay", N) + 5)}
    of_segments = [window(far, segment="origin=JFK"), window(near, segment="origin=LGA")]
    cause = cause_of(window({}), *map(with_segments, of_segments))
    assert cause.headline.endswith(", in origin=JFK")
