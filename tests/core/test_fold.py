"""Folding against a few lines of plain Python that do the same row by row."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.fold import MOST_CELLS, NO_VERSION, VERSIONED_WINDOWS, Folded, Folder
from monitor.core.held import HeldRows
from monitor.core.profile import Grid
from monitor.core.results import OTHER_VERSIONS, Account
from monitor.core.rules import Model, Stream, StreamKind, Task
from monitor.core.schema import Batch, CategoricalValues, Column, Fault, Kind, NumericValues, Reason, from_micros, to_micros

T0 = datetime(2024, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
X = Column(name="x", kind=Kind.NUMERIC)
PLACE = ("flights", 0)


def model(*, dedupe: bool = True, lateness: timedelta = HOUR, max_versions: int = 50, dedupe_ids: int = 5_000_000) -> Model:
    return Model(
        name="m",
        task=Task.BINARY,
        window=HOUR,
        allowed_lateness=lateness,
        min_rows=1,
        dedupe=dedupe,
        max_versions=max_versions,
        dedupe_ids=dedupe_ids,
        columns=(X,),
        streams=(Stream(kind=StreamKind.PREDICTIONS, topic="flights", columns=(X,)),),
    )


def batch(rows: list[tuple[float, int]], first_offset: int = 0, faults: tuple[Fault, ...] = (), versions: list[str] | None = None) -> Batch:
    """Rows as (hours since T0, id); x is the id."""
    codes = None
    if versions is not None:
        names = tuple(sorted(set(versions)))
        codes = CategoricalValues(codes=np.array([names.index(v) for v in versions], dtype=np.int32), dictionary=names)
    return Batch(
        offsets=np.arange(first_offset, first_offset + len(rows)),
        times=np.array([to_micros(T0 + h * HOUR) for h, _ in rows], dtype=np.int64),
        versions=codes,
        ids=np.array([i for _, i in rows], dtype=np.uint64),
        columns={"x": NumericValues(values=np.array([float(i) for _, i in rows]))},
        faults=faults,
    )


def folder(of: Model) -> Folder:
    made = Folder(of, lambda version: Grid.blank(of.columns))
    made.assign(PLACE, seed=7, max_time=None, seen={})
    return made


def by_hand(rows: list[tuple[float, int]], lateness: timedelta, dedupe: bool) -> dict[datetime, Counter[str]]:
    accounts: dict[datetime, Counter[str]] = {}
    high: datetime | None = None
    seen: set[tuple[datetime, int]] = set()
    for hours, number in rows:
        time = from_micros(to_micros(T0 + hours * HOUR))
        start = T0 + ((time - T0) // HOUR) * HOUR
        account = accounts.setdefault(start, Counter())
        if high is not None and start + HOUR + lateness <= high:
            account["late"] += 1
        elif dedupe and (start, number) in seen:
            account["duplicate"] += 1
        else:
            account["counted"] += 1
            seen.add((start, number))
        high = time if high is None else max(high, time)
    return accounts


def accounts_of(folded: Folded) -> dict[datetime, Counter[str]]:
    return {
        key.start: +Counter({name: getattr(delta.account, name) for name in ("counted", "late", "duplicate")})
        for key, delta in folded.windows.items()
    }


rows_strategy = st.lists(st.tuples(st.floats(0, 8), st.integers(0, 12)), max_size=60)


@given(rows_strategy, st.lists(st.integers(0, 60), max_size=6), st.booleans(), st.sampled_from([0.0, 1.0, 3.0]))
def test_rows_are_accounted_for_as_by_hand_wherever_batches_are_cut(rows, cuts, dedupe, lateness):
    of = model(dedupe=dedupe, lateness=lateness * HOUR)
    fold, total = folder(of), Account()
    edges = [0, *sorted(min(c, len(rows)) for c in cuts), len(rows)]
    for begin, end in pairwise(edges):
        total += fold.fold(PLACE, batch(rows[begin:end], begin))
    folded = fold.drain()
    assert accounts_of(folded) == by_hand(rows, lateness * HOUR, dedupe)
    assert total.received == len(rows)
    for key, delta in folded.windows.items():
        assert (delta.profile.rows if delta.profile else 0) == delta.account.counted, key


@given(rows_strategy, st.integers(0, 60))
def test_a_restart_between_two_batches_changes_nothing(rows, cut):
    of = model()
    whole = folder(of)
    whole.fold(PLACE, batch(rows))
    expected = whole.drain()
    first = folder(of)
    first.fold(PLACE, batch(rows[:cut]))
    before = first.drain()
    second = Folder(of, lambda version: Grid.blank(of.columns))
    second.assign(PLACE, seed=7, max_time=first.max_time(PLACE), seen={to_micros(start): h for (_, start), h in before.ids.items()})
    second.fold(PLACE, batch(rows[cut:], cut))
    after = second.drain()
    for key, delta in expected.windows.items():
        parts = [f.windows[key] for f in (before, after) if key in f.windows]
        assert sum((p.account for p in parts), Account()) == delta.account
        profiles = [p.profile for p in parts if p.profile is not None]
        assert (profiles[0] if len(profiles) == 1 else profiles[0].merge(profiles[1]) if profiles else None) == delta.profile


def test_versions_are_kept_apart_in_one_window():
    fold = folder(model(dedupe=False))
    fold.fold(PLACE, batch([(0, 1), (0.1, 2), (0.2, 3)], versions=["a", "b", "a"]))
    assert {key.version: delta.account.counted for key, delta in fold.drain().windows.items()} == {"a": 2, "b": 1}


def test_a_fault_with_a_readable_time_is_booked_in_its_window_and_one_without_is_not():
    fold = folder(model())
    timed = Fault(offset=0, reason=Reason.MISSING_ID, detail="", sample=b"", time=to_micros(T0), version="a")
    blind = Fault(offset=1, reason=Reason.NOT_JSON, detail="", sample=b"")
    assert fold.fold(PLACE, batch([], faults=(timed, blind))) == Account(quarantined=2)
    folded = fold.drain()
    assert {key.version: delta.account for key, delta in folded.windows.items()} == {"a": Account(quarantined=1)}
    assert folded.untimed == 1


def test_rows_without_a_mapped_version_have_the_version_star():
    fold = folder(model())
    fold.fold(PLACE, batch([(0, 1)]))
    assert [key.version for key in fold.drain().windows] == [NO_VERSION]


def test_ids_of_windows_that_can_take_no_more_rows_are_forgotten():
    fold = folder(model(lateness=timedelta(0)))
    fold.fold(PLACE, batch([(0.5, 1), (1.5, 2)]))
    assert list(fold._places[PLACE].seen) == [to_micros(T0 + HOUR)]


Row = tuple[float, int, str]  # hours since T0, id, version
cuts_strategy = st.lists(st.integers(0, 60), max_size=6)


def versioned_rows(hours: float) -> st.SearchStrategy[list[Row]]:
    return st.lists(st.tuples(st.floats(0, hours), st.integers(0, 12), st.sampled_from("abcdef")), max_size=60)


def folded_in(of: Model, rows: list[Row], cuts: list[int]) -> Folded:
    fold = folder(of)
    for begin, end in pairwise([0, *sorted(min(c, len(rows)) for c in cuts), len(rows)]):
        part = rows[begin:end]
        fold.fold(PLACE, batch([(h, i) for h, i, _ in part], begin, versions=[v for _, _, v in part]))
    return fold.drain()


def by_version_by_hand(rows: list[Row], cap: int, room: int) -> dict[tuple[datetime, str], Counter[str]]:
    """Row by row, without lateness: the first ``cap`` versions of a window are its own, the first ``room`` ids are remembered."""
    accounts: dict[tuple[datetime, str], Counter[str]] = {}
    own: dict[datetime, set[str]] = {}
    seen: set[tuple[datetime, int]] = set()
    for hours, number, version in rows:
        start = T0 + ((from_micros(to_micros(T0 + hours * HOUR)) - T0) // HOUR) * HOUR
        names = own.setdefault(start, set())
        if len(names) < cap:
            names.add(version)
        account = accounts.setdefault((start, version if version in names else OTHER_VERSIONS), Counter())
        account["duplicate" if (start, number) in seen else "counted"] += 1
        if len(seen) < room:
            seen.add((start, number))
    return accounts


def accounts_by_version(folded: Folded) -> dict[tuple[datetime, str], Counter[str]]:
    return {
        (key.start, key.version): +Counter({name: getattr(delta.account, name) for name in ("counted", "late", "duplicate")})
        for key, delta in folded.windows.items()
    }


@given(versioned_rows(4), cuts_strategy, st.integers(1, 7))
def test_the_versions_of_a_window_that_came_first_are_its_own_wherever_batches_are_cut(rows, cuts, cap):
    folded = folded_in(model(lateness=4 * HOUR, max_versions=cap), rows, cuts)
    expected = by_version_by_hand(rows, cap, len(rows))
    assert accounts_by_version(folded) == expected
    assert sum(folded.crowded.values()) == sum(sum(a.values()) for (_, version), a in expected.items() if version == OTHER_VERSIONS)
    assert not folded.unremembered


@given(versioned_rows(0.99), cuts_strategy, st.integers(0, 10))
def test_of_a_window_with_too_many_ids_the_first_are_remembered_wherever_batches_are_cut(rows, cuts, room):
    folded = folded_in(model(dedupe_ids=room), rows, cuts)
    expected = by_version_by_hand(rows, 50, room)
    assert accounts_by_version(folded) == expected
    remembered = sum(map(len, folded.ids.values()))
    assert remembered <= room
    assert sum(folded.unremembered.values()) == sum(a["counted"] for a in expected.values()) - remembered


def test_a_version_with_a_reference_has_a_window_of_its_own_however_many_came_before():
    of = model(dedupe=False, max_versions=1)
    fold = Folder(of, lambda version: Grid.blank(of.columns), lambda: ("7",))
    fold.assign(PLACE, seed=7, max_time=None, seen={})
    fold.fold(PLACE, batch([(0, 1), (0.1, 2), (0.2, 3), (0.3, 4)], versions=["x", "y", "7", "z"]))
    folded = fold.drain()
    assert {key.version: delta.account.counted for key, delta in folded.windows.items()} == {"x": 1, "7": 1, OTHER_VERSIONS: 2}
    assert folded.crowded == {T0: 2}


def test_a_fault_of_a_version_too_many_is_booked_under_the_others():
    fold = folder(model(max_versions=1))
    faults = [Fault(offset=i, reason=Reason.MISSING_ID, detail="", sample=b"", time=to_micros(T0), version=v) for i, v in enumerate("aab")]
    fold.fold(PLACE, batch([], faults=tuple(faults)))
    assert {key.version: d.account.quarantined for key, d in fold.drain().windows.items()} == {"a": 2, OTHER_VERSIONS: 1}


def test_after_a_restart_the_stored_versions_of_a_window_are_its_own():
    of = model(dedupe=False, max_versions=2)
    fold = folder(of)
    fold.fold(PLACE, batch([(0, 1), (0.1, 2)], versions=["a", "b"]))
    fold.restart({to_micros(T0): ("a", "b", OTHER_VERSIONS)})
    fold.assign(PLACE, seed=7, max_time=None, seen={})
    fold.fold(PLACE, batch([(0.2, 3), (0.3, 4), (1, 5)], 2, versions=["c", "a", "c"]))
    found = {(key.start, key.version): delta.account.counted for key, delta in fold.drain().windows.items()}
    assert found == {(T0, OTHER_VERSIONS): 1, (T0, "a"): 1, (T0 + HOUR, "c"): 1}


def test_a_restart_gives_the_ids_of_every_partition_back():
    fold = folder(model(dedupe_ids=2))
    fold.fold(PLACE, batch([(0, 1), (0.1, 2), (0.2, 3)]))
    fold.restart()
    fold.assign(PLACE, seed=7, max_time=None, seen={})
    fold.fold(PLACE, batch([(0, 1), (0.1, 2)]))
    assert not fold.drain().unremembered


def test_a_sealed_window_makes_room_for_the_ids_of_the_next():
    fold = folder(model(lateness=timedelta(0), dedupe_ids=2))
    fold.fold(PLACE, batch([(0, 1), (0.1, 2)]))
    fold.fold(PLACE, batch([(1, 1)], 2))
    fold.fold(PLACE, batch([(1.1, 2), (1.2, 2)], 3))
    folded = fold.drain()
    assert folded.unremembered == {T0 + HOUR: 1}, "the first row of an hour still meets the ids of the hour before"
    assert sum(delta.account.duplicate for delta in folded.windows.values()) == 1


def test_of_more_stored_ids_than_may_be_kept_those_of_the_latest_window_are():
    fold = folder(model(dedupe_ids=3))
    stored = {to_micros(T0): np.array([1, 2], dtype=np.uint64), to_micros(T0 + HOUR): np.array([1, 2], dtype=np.uint64)}
    fold.assign(PLACE, seed=7, max_time=to_micros(T0 + HOUR), seen=stored)
    fold.assign(PLACE, seed=7, max_time=to_micros(T0 + HOUR), seen=stored)
    assert fold.fold(PLACE, batch([(1, 1), (1.1, 2)])) == Account(duplicate=2)
    assert fold.fold(PLACE, batch([(0, 1), (0.1, 2)])) == Account(duplicate=1, counted=1)


def test_only_the_windows_that_had_rows_last_keep_their_versions_in_mind():
    fold = folder(model(dedupe=False, lateness=timedelta(0), max_versions=1))
    for hour in range(VERSIONED_WINDOWS + 1):
        fold.fold(PLACE, batch([(hour, hour)], hour, versions=["a"]))
    assert len(fold._versions) == VERSIONED_WINDOWS
    fold.drain()
    fold.fold(PLACE, batch([(hour, 0) for hour in (0, VERSIONED_WINDOWS)], hour + 1, versions=["b", "b"]))
    assert [key.version for key in fold.drain().windows] == ["b", OTHER_VERSIONS]


def test_a_window_for_every_row_soon_fills_what_may_be_held():
    columns = tuple(Column(name=f"x{i}", kind=Kind.NUMERIC) for i in range(500))
    of = model(dedupe=False)
    fold = Folder(of, lambda version: Grid.blank(columns))
    fold.assign(PLACE, seed=7, max_time=None, seen={})
    hours = MOST_CELLS // len(columns)
    fold.fold(PLACE, batch([(hour, hour) for hour in range(hours - 1)]))
    assert not fold.full
    fold.fold(PLACE, batch([(hours - 1, 0), (hours - 1, 1)], hours))
    assert fold.full
    fold.drain()
    assert not fold.full


def test_only_rows_that_are_counted_are_looked_at_and_each_partition_has_its_own() -> None:
    of = model(lateness=0 * HOUR)
    fold = folder(of)
    fold.assign(("flights", 1), seed=8, max_time=None, seen={})
    first = [(0.1, 1), (0.2, 1), (2.5, 3), (0.3, 4), (2.6, 5)]  # offset 1 is a double, offset 3 late
    fold.fold(PLACE, replace(batch(first), looks={1: ("double",), 2: ("a",), 3: ("late",), 4: ("a", "b"), 9: ("of another batch",)}))
    fold.fold(("flights", 1), replace(batch([(2.1, 7), (2.2, 8), (2.3, 9)]), looks={1: ("c",)}))
    found = {key.start: delta.profile.unmapped for key, delta in fold.drain().windows.items() if delta.profile is not None}
    assert found[T0].looked == 0
    assert (found[T0 + 2 * HOUR].looked, dict(found[T0 + 2 * HOUR].kept)) == (3, {"a": 2, "b": 1, "c": 1})


def test_rows_of_several_partitions_that_are_held_together_keep_no_looks() -> None:
    held = HeldRows()
    for path in ("a", "b"):
        held.add("1", T0, {}, replace(batch([(0.1, 1), (0.2, 2)]), looks={0: (path,)}))
    [together] = held.take()
    assert (len(together.batch), together.batch.looks) == (4, {})
