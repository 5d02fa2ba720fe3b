"""Segments: their rows add up to all rows, whatever the batches; which values have one is read off the reference; the budget is shared."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.evaluate import evaluate
from monitor.core.fold import MOST_CELLS, Folded, Folder
from monitor.core.held import MOST_VALUES, HeldRows
from monitor.core.profile import Grid, Profile
from monitor.core.profile.categorical import category_text
from monitor.core.reference import Reference, SegmentPart, difference
from monitor.core.results import ALL_ROWS, OTHER_VERSIONS, Account, Check, Verdict, WindowKey
from monitor.core.rules import Budget, Model, Stream, StreamKind, Task
from monitor.core.schema import Batch, CategoricalValues, Column, Fault, Kind, NumericValues, Reason, from_micros, to_micros
from monitor.core.segments import (
    ALL_ROWS_SHARE,
    NO_VALUE,
    OTHER_VALUES,
    budget_share,
    frequent_values,
    own_values,
    segment_parts,
    segment_text,
    slots_of,
    with_share,
)
from monitor.errors import DecodeError
from tests.core.judged import Data, drawn, feature, key_of, numeric, profile_of, reference_of, rules_with, subject_of

HOUR = timedelta(hours=1)
T0 = datetime.fromisoformat("2024-03-01T00:00:00+00:00")
PLACE = ("flights", 0)
X, ORIGIN, NIGHT = (
    Column(name="x", kind=Kind.NUMERIC), Column(name="origin", kind=Kind.CATEGORICAL), Column(name="night", kind=Kind.BOOLEAN),
)  # fmt: skip
OWN = {"origin": ("JFK", "LGA"), "night": ("false", "true")}
ORIGINS = ("JFK", "LGA", "EWR", "(other)")
WRONG, NULL = CategoricalValues.WRONG, CategoricalValues.NULL
Row = tuple[float, int, int]
"""Hours since T0, id, origin: a position in ORIGINS, ``NULL`` or ``WRONG``. It is night where the id is even."""


def model(
    *, segments: tuple[str, ...] = ("origin", "night"), lateness: timedelta = HOUR, columns: tuple[Column, ...] = (X, ORIGIN, NIGHT)
) -> Model:
    return Model(
        name="m", task=Task.BINARY, window=HOUR, allowed_lateness=lateness, min_rows=1, dedupe=True, columns=columns, segments=segments,
        streams=(Stream(kind=StreamKind.PREDICTIONS, topic="flights", columns=columns),),
    )  # fmt: skip


def batch(rows: list[Row], first: int = 0, faults: tuple[Fault, ...] = (), versions: list[str] | None = None) -> Batch:
    return Batch(
        offsets=np.arange(first, first + len(rows)),
        times=np.array([to_micros(T0 + h * HOUR) for h, _, _ in rows], dtype=np.int64),
        versions=None if versions is None else encoded(versions),
        ids=np.array([i for _, i, _ in rows], dtype=np.uint64),
        columns={
            "x": NumericValues(values=np.array([float(i) for _, i, _ in rows])),
            "origin": CategoricalValues(codes=np.array([o for *_, o in rows], dtype=np.int32), dictionary=ORIGINS),
            "night": CategoricalValues(codes=np.array([1 - i % 2 for _, i, _ in rows], dtype=np.int32), dictionary=("false", "true")),
        },
        faults=faults,
    )


def encoded(texts: list[str]) -> CategoricalValues:
    names = tuple(sorted(set(texts)))
    return CategoricalValues(codes=np.array([names.index(text) for text in texts], dtype=np.int32), dictionary=names)


def folder(of: Model, own: dict[str, tuple[str, ...]] | None = None) -> Folder:
    known = {column: (OWN if own is None else own)[column] for column in of.segments}
    made = Folder(of, lambda _: Grid.blank(of.columns), own_of=lambda _: known)
    made.assign(PLACE, seed=7, max_time=None, seen={})
    return made


def folded_in(of: Model, rows: list[Row], cuts: list[int]) -> Folded:
    fold = folder(of)
    for begin, end in pairwise([0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]):
        fold.fold(PLACE, batch(rows[begin:end], begin))
    return fold.drain()


rows_strategy = st.lists(st.tuples(st.floats(0, 6), st.integers(0, 9), st.integers(WRONG, len(ORIGINS) - 1)), max_size=60)
cuts_strategy = st.lists(st.integers(0, 60), max_size=6)


def together(folded: Folded, start: datetime, column: str) -> tuple[Account, Profile | None]:
    """The segments of a column of one window, added up."""
    deltas = [d for key, d in folded.windows.items() if key.start == start and segment_parts(key.segment)[0] == column]
    profiles = [delta.profile for delta in deltas if delta.profile is not None]
    return sum((delta.account for delta in deltas), Account()), reduce(Profile.merge, profiles) if profiles else None


@given(rows_strategy, cuts_strategy, st.sampled_from([0.0, 1.0, 3.0]))
def test_the_segments_of_each_column_add_up_to_all_rows_wherever_batches_are_cut(rows, cuts, lateness):
    folded = folded_in(model(lateness=lateness * HOUR), rows, cuts)
    whole = {key: delta for key, delta in folded.windows.items() if key.segment == ALL_ROWS}
    assert sum(delta.account.received for delta in whole.values()) == len(rows)
    for key, delta in whole.items():
        for column in ("origin", "night"):
            account, profile = together(folded, key.start, column)
            assert account == delta.account
            assert (profile and dict(profile.columns)) == (delta.profile and dict(delta.profile.columns))
            assert profile is None or profile.rows == account.counted


@given(rows_strategy, cuts_strategy)
def test_segments_are_the_same_wherever_batches_are_cut(rows, cuts):
    at_once, in_parts = folded_in(model(), rows, []), folded_in(model(), rows, cuts)
    assert {key: (d.account, d.profile) for key, d in at_once.windows.items()} == {
        key: (d.account, d.profile) for key, d in in_parts.windows.items()
    }


@given(rows_strategy)
def test_each_row_is_in_the_segment_of_its_value(rows):
    folded = folded_in(model(segments=("origin",), lateness=9 * HOUR), rows, [])
    names = {**dict(enumerate(("JFK", "LGA", OTHER_VALUES, OTHER_VALUES))), WRONG: OTHER_VALUES, NULL: NO_VALUE}
    hours = [from_micros(to_micros(T0 + h * HOUR)).replace(minute=0, second=0, microsecond=0) for h, *_ in rows]
    expected = Counter((hour, f"origin={names[o]}") for hour, (*_, o) in zip(hours, rows, strict=True))
    segments = {(key.start, key.segment): d.account.received for key, d in folded.windows.items() if key.segment != ALL_ROWS}
    assert segments == expected


def test_without_segments_there_are_no_windows_of_them() -> None:
    folded = folded_in(model(segments=()), [(0, 1, 0), (0, 2, 1)], [])
    assert {key.segment for key in folded.windows} == {ALL_ROWS}


def test_what_cannot_be_read_is_in_no_segment() -> None:
    fold = folder(model())
    fold.fold(PLACE, batch([], faults=(Fault(offset=0, reason=Reason.MISSING_ID, detail="", sample=b"", time=to_micros(T0)),)))
    assert {key.segment: d.account for key, d in fold.drain().windows.items()} == {ALL_ROWS: Account(quarantined=1)}


def test_segments_are_kept_within_each_version_but_not_of_versions_that_are_too_many() -> None:
    of = replace(model(segments=("origin",)), max_versions=2)
    fold = folder(of)
    fold.fold(PLACE, batch([(0, 1, 0), (0, 2, 0), (0, 3, 1), (0, 4, 0)], versions=["a", "b", "b", "c"]))
    found = {(key.version, key.segment): d.account.counted for key, d in fold.drain().windows.items() if key.segment != ALL_ROWS}
    assert found == {("a", "origin=JFK"): 1, ("b", "origin=JFK"): 1, ("b", "origin=LGA"): 1}
    assert OTHER_VERSIONS not in {version for version, _ in found}


def test_a_segment_keeps_neither_a_sample_nor_co_moments() -> None:
    folded = folded_in(model(), [(0, 1, 0), (0, 2, 0)], [])
    profiles = {key.segment: d.profile for key, d in folded.windows.items()}
    jfk, everything = profiles["origin=JFK"], profiles[ALL_ROWS]
    assert jfk is not None
    assert everything is not None
    assert (len(jfk.sample.rows), jfk.comoments, len(everything.sample.rows)) == (0, None, 2)


def test_thousands_of_values_make_no_more_windows_than_have_a_segment() -> None:
    names = tuple(f"v{i:05}" for i in range(5000))
    fold = folder(model(segments=("origin",)), {"origin": names[:50]})
    rows = batch([(0, i, 0) for i in range(5000)])
    codes = CategoricalValues(codes=np.arange(5000, dtype=np.int32), dictionary=names)
    fold.fold(PLACE, replace(rows, columns={**rows.columns, "origin": codes}))
    accounts = {key.segment: d.account.counted for key, d in fold.drain().windows.items()}
    assert len(accounts) == 52
    assert accounts["origin=(other)"] == 4950


def test_the_cells_of_segments_count_against_what_may_be_held() -> None:
    columns = (ORIGIN, *(Column(name=f"x{i}", kind=Kind.NUMERIC) for i in range(499)))
    fold = folder(model(segments=("origin",), columns=columns))
    hours = MOST_CELLS // len(columns) // 2
    fold.fold(PLACE, batch([(hour, hour, 0) for hour in range(hours - 1)]))
    assert not fold.full
    fold.fold(PLACE, batch([(hours - 1, 0, 0)], hours))
    assert fold.full


def test_a_column_that_the_batch_lacks_has_no_value_and_numbers_are_others() -> None:
    assert slots_of(None, 2, ("a",)).tolist() == [2, 2]
    assert slots_of(NumericValues(values=np.array([1.0, 2.0])), 2, ("a",)).tolist() == [1, 1]


def test_a_long_value_is_known_by_the_text_that_is_kept_of_it() -> None:
    long = "y" * 300
    assert slots_of(encoded([long]), 1, (category_text(long),)).tolist() == [0]


# --- the reference -----------------------------------------------------------------------------------------------

SHARES = [0.5, 0.3, 0.15, 0.05]


def day(rng: np.random.Generator, n: int = 1000) -> Data:
    return {"delay": numeric(rng.normal(10, 3, n)), "origin": drawn(rng, "JLES", SHARES, n)}


def part_of(data: Data, origin: str) -> Data:
    chosen = data["origin"]
    assert isinstance(chosen, CategoricalValues)
    return {name: values.take(chosen.codes == chosen.dictionary.index(origin)) for name, values in data.items()}


RNG = np.random.default_rng(3)
DAYS = [day(RNG) for _ in range(20)]
PLAIN = reference_of(DAYS)
PARTS = {origin: reference_of([part_of(each, origin) for each in DAYS], grid=PLAIN.grid) for origin in "JL"}
REFERENCE = replace(PLAIN, segments={"origin": {o: SegmentPart(profile=r.profile, baseline=r.baseline) for o, r in PARTS.items()}})
RULES = rules_with(columns=(feature("delay", Kind.NUMERIC), feature("origin", Kind.CATEGORICAL)))
RULES = replace(RULES, segments=("origin",))


def test_a_reference_without_segments_has_no_word_of_them_so_that_old_documents_keep_their_hash() -> None:
    assert "segments" not in PLAIN.content()
    assert Reference.from_json(PLAIN.to_json()).hash == PLAIN.hash


def test_a_reference_with_segments_is_read_as_it_was_written() -> None:
    again = Reference.from_json(REFERENCE.to_json())
    assert again.hash == REFERENCE.hash != PLAIN.hash
    assert again.segments == REFERENCE.segments


@pytest.mark.parametrize(("old", "new"), [('"J"', '"K"'), ('"segments": {', '"segments": {"night": {},')])
def test_segments_are_covered_by_the_hash(old: str, new: str) -> None:
    text = REFERENCE.to_json()
    at = text.index('"segments"')
    with pytest.raises(DecodeError, match="it was changed"):
        Reference.from_json(text[:at] + text[at:].replace(old, new, 1))


def test_a_segment_on_another_grid_is_refused() -> None:
    other = reference_of([day(np.random.default_rng(9))])
    with pytest.raises(ValueError, match="does not fit a reference"):
        replace(PLAIN, segments={"origin": {"J": SegmentPart(profile=other.profile)}})


def test_the_part_of_a_segment_is_a_reference_under_the_hash_of_the_whole() -> None:
    part = REFERENCE.of_segment("origin", "L")
    assert part is not None
    assert (part.hash, part.profile, part.baseline) == (REFERENCE.hash, PARTS["L"].profile, PARTS["L"].baseline)
    assert REFERENCE.of_segment("origin", "E") is None
    assert REFERENCE.of_segment("carrier", "L") is None


def test_the_difference_of_two_references_names_the_segments_whose_rows_changed() -> None:
    rows = PARTS["J"].profile.rows
    assert difference(PLAIN, REFERENCE)[0] == f"segment origin=J: rows 0 → {rows}"
    assert not difference(REFERENCE, REFERENCE)


def test_the_most_frequent_values_with_enough_rows_have_a_segment_and_ties_go_by_name() -> None:
    data = {"origin": encoded(["b"] * 5 + ["a"] * 5 + ["c"] * 9 + ["d"] * 4 + [OTHER_VALUES] * 9 + [NO_VALUE] * 9)}
    profile = reference_of([data]).profile
    rules = replace(RULES, min_rows=5, max_segments=2)
    assert frequent_values(profile, "origin", rules) == ("c", "a")
    assert frequent_values(profile, "origin", replace(rules, max_segments=50)) == ("c", "a", "b")
    assert frequent_values(profile, "delay", rules) == ()


def test_values_beyond_the_grid_count_too() -> None:
    profile = profile_of(PLAIN.grid, {"delay": numeric([1.0] * 3), "origin": encoded(["J", "X", "X"])})
    assert frequent_values(profile, "origin", replace(RULES, min_rows=1)) == ("X", "J")


def test_the_values_that_the_reference_keeps_apart_are_kept_apart_and_else_those_that_it_would() -> None:
    assert own_values(REFERENCE, RULES) == {"origin": ("J", "L")}
    assert own_values(PLAIN, RULES) == {"origin": ("J", "L", "E", "S")}
    assert own_values(PLAIN, replace(RULES, segments=())) == {}


# --- the verdict -------------------------------------------------------------------------------------------------


def key(segment: str) -> WindowKey:
    return replace(key_of(), segment=segment)


def judged(data: Data, segment: str, rules: Model = RULES, reference: Reference = REFERENCE) -> dict[tuple[Check, str | None], Verdict]:
    subject = replace(subject_of(reference, data), key=key(segment))
    results = evaluate(subject, rules)
    assert {result.segment for result in results} == {segment}
    assert {result.reference for result in results} == {reference.hash}
    return {(r.check, r.column): r.verdict for r in results if r.metric in ("ks", "tvd", "drift", "reference", "rows")}


def moved(data: Data, by: float) -> Data:
    delay = data["delay"]
    assert isinstance(delay, NumericValues)
    return {**data, "delay": numeric(delay.values + by)}


def test_a_segment_is_judged_by_its_own_part_of_the_reference_and_not_for_its_own_column() -> None:
    calm = part_of(day(np.random.default_rng(5)), "L")
    assert judged(calm, "origin=L") == {(Check.DRIFT, "delay"): Verdict.OK}
    assert judged(moved(calm, 3), "origin=L") == {(Check.DRIFT, "delay"): Verdict.ALERT}


def test_a_small_segment_is_insufficient_once_per_check_and_says_nothing_of_the_volume() -> None:
    few = {name: values.take(np.arange(50)) for name, values in part_of(day(np.random.default_rng(5)), "L").items()}
    assert judged(few, "origin=L") == {(Check.DRIFT, None): Verdict.INSUFFICIENT, (Check.QUALITY, None): Verdict.INSUFFICIENT}


def test_a_segment_that_the_reference_does_not_keep_apart_is_skipped_with_the_reason() -> None:
    subject = replace(subject_of(REFERENCE, part_of(day(np.random.default_rng(5)), "E")), key=key("origin=E"))
    reasons = {(result.verdict, result.reason) for result in evaluate(subject, RULES)}
    assert reasons == {
        (Verdict.SKIPPED, "the reference keeps no profile of origin=E: too few rows, or built before the segments were configured")
    }


def test_a_segment_of_which_nothing_but_late_rows_came_raises_no_alarm() -> None:
    subject = replace(subject_of(REFERENCE, {}, account=Account(duplicate=7)), key=key("origin=L"), profile=None)
    assert {result.verdict for result in evaluate(subject, RULES)} == {Verdict.INSUFFICIENT}


def test_a_segment_that_is_no_longer_configured_has_no_results() -> None:
    subject = replace(subject_of(REFERENCE, part_of(day(np.random.default_rng(5)), "L")), key=key("origin=L"))
    assert evaluate(subject, replace(RULES, segments=())) == ()


def test_all_rows_keep_half_of_the_budget_and_the_segments_share_the_rest() -> None:
    for count in (1, 2, 50):
        shares = [budget_share(ALL_ROWS, count), *(budget_share(segment_text("origin", str(i)), count) for i in range(count))]
        assert sum(shares) == pytest.approx(1.0)
        assert shares[0] == ALL_ROWS_SHARE
    assert budget_share(ALL_ROWS, 0) == 1.0


def test_only_segments_that_the_reference_can_judge_take_from_the_budget() -> None:
    rules = replace(RULES, drift=replace(RULES.drift, budget=Budget(alarms=8)))
    assert with_share(rules, ALL_ROWS, REFERENCE).drift.budget.alarms == 4
    assert with_share(rules, "origin=J", REFERENCE).drift.budget.alarms == 2
    assert with_share(rules, ALL_ROWS, PLAIN).drift.budget.alarms == 8
    assert with_share(rules, ALL_ROWS, None).drift.budget.alarms == 8
    assert with_share(replace(rules, segments=()), ALL_ROWS, REFERENCE).drift.budget.alarms == 8


# --- rows held back ----------------------------------------------------------------------------------------------


def test_a_million_values_are_held_at_most() -> None:
    held, rows = HeldRows(), batch([(0, 1, 0)] * 1000)
    own = {"origin": ("JFK",)}
    for _ in range(MOST_VALUES // 3000):
        held.add("1", T0, own, rows)
    assert not held.full
    held.add("1", T0, own, rows)
    assert held.full
    [all_of_them] = held.take()
    assert len(all_of_them.batch) == (MOST_VALUES // 3000 + 1) * 1000
    assert (held.full, list(held.take())) == (False, [])


def test_more_rows_than_are_held_are_all_folded() -> None:
    fold, rows = folder(model(segments=("origin",))), batch([(0, i % 10, i % 4) for i in range(120_000)])
    times = MOST_VALUES // (3 * 120_000) + 2
    for _ in range(times):
        fold.fold(PLACE, replace(rows, ids=None))
    windows = fold.drain().windows
    assert {key.segment: d.profile and d.profile.rows for key, d in windows.items()} == {
        ALL_ROWS: 120_000 * times, "origin=JFK": 30_000 * times, "origin=LGA": 30_000 * times, "origin=(other)": 60_000 * times,
    }  # fmt: skip


def test_rows_stay_in_the_segment_that_they_had_when_they_came() -> None:
    own = [{"origin": ("JFK",)}, {"origin": ("LGA",)}]
    of = model(segments=("origin",))
    fold = Folder(of, lambda _: Grid.blank(of.columns), own_of=lambda _: own[0])
    fold.assign(PLACE, seed=7, max_time=None, seen={})
    fold.fold(PLACE, batch([(0, 1, 0), (0, 2, 1)]))
    own.pop(0)
    fold.fold(PLACE, batch([(0, 3, 0), (0, 4, 1), (0, 5, 1)], 2))
    found = {key.segment: (d.account.counted, d.profile and d.profile.rows) for key, d in fold.drain().windows.items()}
    assert found == {ALL_ROWS: (5, 5), "origin=JFK": (1, 1), "origin=LGA": (2, 2), "origin=(other)": (2, 2)}


def test_a_restart_forgets_what_is_held() -> None:
    fold = folder(model(segments=("origin",)))
    fold.fold(PLACE, batch([(0, 1, 0)]))
    fold.restart()
    assert not fold.drain().windows
