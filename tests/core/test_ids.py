from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.ids import LONGEST_RUN, IdSet
from monitor.core.schema import Hashes

PLENTY = 10**9


def hashes(*values: int) -> Hashes:
    return np.array(values, dtype=np.uint64)


@given(st.lists(st.lists(st.integers(0, 60), max_size=30), max_size=20))
def test_an_id_is_new_exactly_once_however_batches_are_cut(batches: list[list[int]]):
    ids, seen = IdSet(), set[int]()
    for batch in batches:
        expected = []
        for value in batch:
            expected.append(value not in seen)
            seen.add(value)
        added = ids.add(hashes(*batch), PLENTY)
        assert added.new.tolist() == added.kept.tolist() == expected
    assert len(ids) == len(seen)


@given(st.lists(st.integers(0, 40), max_size=60), st.lists(st.integers(0, 60), max_size=6), st.integers(0, 20))
def test_with_room_for_so_many_the_first_are_kept_and_the_others_are_new_each_time(values: list[int], cuts: list[int], room: int):
    ids, seen, expected = IdSet(), set[int](), []
    for value in values:
        expected.append(value not in seen)
        if len(seen) < room:
            seen.add(value)
    found: list[bool] = []
    for begin, end in pairwise([0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]):
        found += ids.add(hashes(*values[begin:end]), room - len(ids)).new.tolist()
    assert found == expected
    assert len(ids) == len(seen) <= room


def test_a_restored_set_knows_what_was_stored_in_any_order():
    ids = IdSet(hashes(9, 2, 2, 5))
    assert len(ids) == 3
    assert ids.add(hashes(2, 3, 9), PLENTY).new.tolist() == [False, True, False]


def test_runs_stay_few_when_ids_come_one_at_a_time():
    ids = IdSet()
    for value in range(1000):
        ids.add(hashes(value), PLENTY)
    assert len(ids._runs) <= 11


def test_long_runs_are_not_merged_so_that_no_merge_needs_much_room():
    ids, step = IdSet(), LONGEST_RUN // 8
    for start in range(0, 5 * LONGEST_RUN, step):
        assert ids.add(np.arange(start, start + step, dtype=np.uint64), PLENTY).new.all()
    assert max(map(len, ids._runs)) <= LONGEST_RUN
    assert len(ids._runs) <= 10
    assert not ids.add(np.arange(0, 5 * LONGEST_RUN, 999, dtype=np.uint64), PLENTY).new.any()
