"""Columns that come and go unwatched: told once, in the first window that can tell, and never for what was always so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.evaluate import evaluate
from monitor.core.finding import Finding
from monitor.core.profile import Grid, Profile
from monitor.core.profile.unmapped import MIXED, Unmapped
from monitor.core.quality import judge_columns
from monitor.core.results import OTHER_VERSIONS, Check, Verdict
from monitor.core.rules import QualityRules, Switch
from tests.core.judged import rules_with, subject_of

RULES = QualityRules()
ALWAYS = {"trace": 1.0, "meta": 1.0}


def window(looked: int, **shares: float) -> Unmapped:
    """So many messages, of which these shares hold a column each."""
    counts = {name: round(share * looked) for name, share in shares.items()}
    return Unmapped.of_messages([[name for name, count in counts.items() if i < count] for i in range(looked)])


def told(windows: Sequence[Unmapped], rules: QualityRules = RULES) -> list[tuple[int, Finding]]:
    """Window by window, as they are judged: those that warn."""
    findings = [(at, found) for at in range(len(windows)) for found in judge_columns(windows[at], windows[:at], rules)]
    return [(at, found) for at, found in findings if found.verdict is not Verdict.OK]


def test_a_new_column_warns_in_its_first_window_by_name_and_in_none_after() -> None:
    [(at, found)] = told([window(20, **ALWAYS)] * 5 + [window(20, **ALWAYS, fare_eur=1.0)] * 10)
    assert at == 5
    assert (found.check, found.column, found.metric, found.verdict, found.value, found.threshold) == (
        Check.QUALITY, None, "schema_changes", Verdict.WARN, 1.0, 0.0,
    )  # fmt: skip
    assert found.reason == "sends since this window 1 column that nothing watches: fare_eur"


def test_a_column_that_is_renamed_is_told_in_one_sentence() -> None:
    [(at, found)] = told([window(20, **ALWAYS, fare=1.0)] * 5 + [window(20, **ALWAYS, fare_eur=1.0)] * 5)
    assert (at, found.value) == (5, 2.0)
    assert found.reason == (
        "sends since this window 1 column that nothing watches: fare_eur; no longer sends 1 column that nothing watches: fare"
    )


@pytest.mark.parametrize("part", [0.05, 0.3, 0.5, 0.7, 0.95])
def test_a_change_in_the_middle_of_a_window_is_told_once_in_that_one_or_the_next(part: float) -> None:
    windows = [window(20, **ALWAYS, fare=1.0)] * 6 + [window(20, **ALWAYS, fare=1 - part, fare_eur=part)]
    found = told([*windows, *[window(20, **ALWAYS, fare_eur=1.0)] * 8])
    assert {at for at, _ in found} <= {6, 7}
    assert sum((finding.value or 0.0) for _, finding in found) == 2.0  # one came, one went, each told once


@pytest.mark.parametrize("looked", [1, 2, 3, 5, 7, 8, 9, 40, 500])
def test_windows_with_few_messages_looked_at_are_taken_together_and_tell_once_too(looked: int) -> None:
    before = 60
    found = told([window(looked, **ALWAYS)] * before + [window(looked, **ALWAYS, fare_eur=1.0)] * before)
    [(at, _)] = found
    assert before <= at < before + 8


def test_windows_without_a_message_looked_at_say_nothing_and_do_not_say_it_again() -> None:
    nothing = Unmapped()
    windows = [window(20, **ALWAYS)] * 4 + [nothing] * 3 + [window(20, fare_eur=1.0, **ALWAYS), nothing, nothing]
    assert [at for at, _ in told(windows)] == [7]
    assert judge_columns(nothing, windows, RULES) == []


def test_at_the_start_nothing_is_new_and_too_little_is_no_finding() -> None:
    assert judge_columns(window(1000, **ALWAYS), [], RULES) == []
    assert judge_columns(window(1000, **ALWAYS), [window(39), window(5)], RULES) == []  # the last one before may be partly new
    assert judge_columns(window(7, **ALWAYS), [window(40), window(0)], RULES) == []


def test_what_was_always_sent_and_never_mapped_is_well() -> None:
    [found] = judge_columns(window(9, **ALWAYS), [window(50, **ALWAYS)] * 2, RULES)
    assert (found.verdict, found.value) == (Verdict.OK, 0.0)
    assert found.reason == "beside the watched columns nothing came or went in 9 messages looked at"


def test_it_can_be_switched_off() -> None:
    windows = [window(20)] * 5 + [window(20, fare_eur=1.0)]
    assert told(windows, QualityRules(schema_changes=Switch.OFF)) == []
    assert judge_columns(windows[-1], windows[:-1], QualityRules(schema_changes=Switch.OFF)) == []


def test_a_column_that_begins_to_be_watched_is_not_gone_and_one_that_ceases_to_be_is_not_new() -> None:
    def read(mapping: str, *windows: Unmapped) -> list[Unmapped]:
        return [replace(each, mapping=mapping) for each in windows]

    more, less = window(20, **ALWAYS, fare=1.0), window(20, **ALWAYS)
    assert told([*read("a", *[more] * 6), *read("b", *[less] * 9)]) == []
    assert told([*read("a", *[less] * 6), *read("b", *[more] * 9)]) == []
    assert told([*read("a", *[less] * 6), *read(MIXED, *[more] * 3)]) == []
    assert [at for at, _ in told([*read("a", *[less] * 6), *read(MIXED, more), *read("a", *[more] * 5)])] == [7]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), max_size=30))
def test_columns_that_all_messages_hold_never_warn_however_windows_are_filled(sizes: list[tuple[int, int]]) -> None:
    assert told([window(looked, **ALWAYS) for looked, _ in sizes]) == []


@pytest.mark.parametrize(("looked", "most"), [(1, 3), (4, 3), (20, 0), (80, 0)])
def test_a_rare_column_hardly_ever_passes_for_a_new_one(looked: int, most: int) -> None:
    """Twenty columns of which each is in 1 to 10 per cent of the messages, in 400 windows: 8,000 chances to be wrong."""
    rng = np.random.default_rng(5)
    rates = np.linspace(0.01, 0.10, 20)
    windows = [
        Unmapped.of_messages([[f"c{i}" for i in np.flatnonzero(rng.random(20) < rates)] for _ in range(looked)]) for _ in range(400)
    ]
    wrong = sum(
        (found.value or 0.0) for at in range(400) for found in judge_columns(windows[at], windows[max(at - 60, 0) : at], RULES)
    )
    assert wrong <= most


@pytest.mark.parametrize(("share", "warns"), [(0.6, False), (0.85, False), (0.9, True), (1.0, True)])
def test_only_what_nearly_all_messages_held_is_missed(share: float, warns: bool) -> None:
    found = told([window(20, **ALWAYS, coupon=share)] * 5 + [window(20, **ALWAYS)])
    assert [finding.reason for _, finding in found] == ["no longer sends 1 column that nothing watches: coupon"] * warns


@pytest.mark.parametrize(("share", "warns"), [(0.05, False), (0.45, False), (0.5, True), (1.0, True)])
def test_only_what_at_least_half_of_the_messages_hold_is_new(share: float, warns: bool) -> None:
    found = told([window(20, **ALWAYS)] * 5 + [window(20, **ALWAYS, coupon=share)])
    assert len(found) == warns


def test_more_columns_than_are_kept_are_judged_as_far_as_they_are_known() -> None:
    """A feature store with 300 unwatched columns: which of them are kept hangs on their hashes alone, so none seems to come or go."""
    many = {f"c{i}": 1.0 for i in range(300)}
    assert told([window(20, **many)] * 8) == []
    fewer = dict(list(many.items())[:150])
    found = told([window(20, **many)] * 5 + [window(20, **fewer)] * 3)
    assert sum((finding.value or 0.0) for _, finding in found) < 150  # only those that were kept
    assert all("sends since" not in finding.reason for _, finding in found)


def test_names_are_told_on_one_line_five_of_them_and_not_endless() -> None:
    names = {"a\n\x1b[2J": 1.0, "b" * 150: 1.0, **{f"c{i}": 1.0 for i in range(8)}}
    [(_, found)] = told([window(20)] * 5 + [window(20, **names)])
    assert found.reason.isprintable()
    assert found.reason.startswith(r"sends since this window 10 columns that nothing watches: 'a\n\x1b[2J', " + "b" * 80 + "…, c0, c1, c2")
    assert found.reason.endswith(" and 5 more")


def test_it_is_a_result_of_all_rows_of_a_version_and_not_of_many_versions_together() -> None:
    profile = Profile.empty(Grid({}))
    profile.unmapped = window(20, fare_eur=1.0)
    subject = replace(subject_of(None, {}), profile=profile, earlier=(window(20),) * 5)
    metrics = {r.metric: r.verdict for r in evaluate(subject, rules_with())}
    assert metrics["schema_changes"] is Verdict.WARN
    others = replace(subject, key=replace(subject.key, version=OTHER_VERSIONS))
    assert "schema_changes" not in {r.metric for r in evaluate(others, rules_with())}
