"""Folding against a few lines of plain Python that do the same row by row."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.fold import NO_VERSION, Folded, Folder
from monitor.core.profile import Grid
from monitor.core.results import Account
from monitor.core.rules import Model, Stream, StreamKind, Task
from monitor.core.schema import Batch, CategoricalValues, Column, Fault, Kind, NumericValues, Reason, from_micros, to_micros

T0 = datetime(2024, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
X = Column(name="x", kind=Kind.NUMERIC)
PLACE = ("flights", 0)


def model(*, dedupe: bool = True, lateness: timedelta = HOUR) -> Model:
    return Model(
        name="m",
        task=Task.BINARY,
        window=HOUR,
        allowed_lateness=lateness,
        min_rows=1,
        dedupe=dedupe,
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
