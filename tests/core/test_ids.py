import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.ids import IdSet


@given(st.lists(st.lists(st.integers(0, 60), max_size=30), max_size=20))
def test_an_id_is_new_exactly_once_however_batches_are_cut(batches: list[list[int]]):
    ids, seen = IdSet(), set[int]()
    for batch in batches:
        expected = []
        for value in batch:
            expected.append(value not in seen)
            seen.add(value)
        assert ids.add_new(np.array(batch, dtype=np.uint64)).tolist() == expected
    assert len(ids) == len(seen)


def test_a_restored_set_knows_what_was_stored_in_any_order():
    ids = IdSet(np.array([9, 2, 2, 5], dtype=np.uint64))
    assert ids.add_new(np.array([2, 3, 9], dtype=np.uint64)).tolist() == [False, True, False]


def test_runs_stay_few_when_ids_come_one_at_a_time():
    ids = IdSet()
    for value in range(1000):
        ids.add_new(np.array([value], dtype=np.uint64))
    assert len(ids._runs) <= 11
