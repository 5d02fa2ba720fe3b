"""Joining labels: the same rows get the same labels, whatever the blocks, the order and the repetitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.labels.chunks import joined_labels
from monitor.core.labels.join import Block, revised, standing
from monitor.core.labels.keep import sampled
from monitor.core.labels.labels import Labels, Matches
from monitor.core.schema import CategoricalValues, NumericValues

Told = tuple[int, int, int, float]
"""Id, time, offset and value of a label."""


def labels(*told: Told) -> Labels:
    return Labels(
        ids=np.array([one[0] for one in told], dtype=np.uint64), values=NumericValues(values=np.array([float(one[3]) for one in told])),
        times=np.array([one[1] for one in told], dtype=np.int64), offsets=np.array([one[2] for one in told], dtype=np.int64),
        partitions=np.zeros(len(told), dtype=np.int64),
    )  # fmt: skip


@dataclass
class Window:
    """A settled window as the store keeps it."""

    start: int
    ids: np.ndarray
    have: np.ndarray
    found: list[Matches]

    @staticmethod
    def of(start: int, ids: Sequence[int]) -> Window:
        return Window(start, np.sort(np.array(ids, dtype=np.uint64)), np.zeros(len(ids), dtype=np.bool_), [])

    def look(self, block: Block) -> tuple[int, int, int]:
        """How many labels were first, changed a value, and were found at all."""
        before = block.first, block.changed
        hits = block.look(self.start, self.ids)
        found = block.give(self.start, hits, self.have) if len(hits) else None
        if found is None:
            return 0, 0, 0
        again = Matches(rows=found.matches.rows[found.again], labels=found.matches.labels.take(found.again))
        if len(found.again):
            block.change(found.places[np.isin(found.matches.rows, revised(self.all, again))])
        self.have = found.have
        self.found.append(found.matches)
        return block.first - before[0], block.changed - before[1], len(found.matches.rows)

    @property
    def all(self) -> Matches:
        return Matches(rows=np.concatenate([m.rows for m in self.found]), labels=joined_labels([m.labels for m in self.found]))

    @property
    def values(self) -> list[float | None]:
        out: list[float | None] = [None] * len(self.ids)
        if self.found:
            stands = standing(self.all)
            assert isinstance(stands.labels.values, NumericValues)
            for row, value in zip(stands.rows.tolist(), stands.labels.values.values.tolist(), strict=True):
                out[row] = value
        return out


def test_each_row_gets_the_label_of_its_id_and_others_get_none() -> None:
    window, block = Window.of(0, [5, 1, 9]), Block(labels((9, 1, 0, 1.0), (5, 1, 1, 0.0), (7, 1, 2, 1.0)))
    assert window.look(block) == (2, 0, 2)
    assert window.values == [None, 0.0, 1.0]
    assert block.matched.tolist() == [True, True, False]


def test_the_label_with_the_latest_time_stands_whichever_came_first() -> None:
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        window, told = Window.of(0, [5]), [(5, 10, 0, 0.0), (5, 30, 1, 1.0), (5, 20, 2, 2.0)]
        for at in order:
            window.look(Block(labels(told[at])))
        assert window.values == [1.0]


def test_of_equal_times_the_largest_offset_stands() -> None:
    window = Window.of(0, [5])
    window.look(Block(labels((5, 10, 7, 1.0), (5, 10, 3, 0.0))))
    assert window.values == [1.0]


def test_a_correction_counts_as_revised_and_the_same_value_again_as_repeated() -> None:
    window = Window.of(0, [5, 6])
    assert window.look(Block(labels((5, 1, 0, 0.0), (6, 1, 1, 0.0)))) == (2, 0, 2)
    assert window.look(Block(labels((5, 2, 2, 1.0), (6, 2, 3, 0.0)))) == (0, 1, 2)
    assert window.look(Block(labels((5, 1, 0, 0.0)))) == (0, 0, 1), "an older label that comes again changes nothing"


def test_an_id_belongs_to_the_earliest_window_that_has_it_and_there_to_every_row_of_it() -> None:
    early, late = Window.of(0, [5, 5, 6]), Window.of(1, [5, 8])
    block = Block(labels((5, 1, 0, 1.0)))
    assert early.look(block) == (1, 0, 2)
    assert late.look(block) == (0, 0, 0)
    assert early.values == [1.0, 1.0, None]


def test_rows_of_two_versions_of_one_window_both_get_the_label() -> None:
    first, second, block = Window.of(0, [5]), Window.of(0, [5]), Block(labels((5, 1, 0, 1.0)))
    first.look(block)
    second.look(block)
    assert (first.values, second.values) == ([1.0], [1.0])
    assert block.first == 1, "it is one label, whoever has it"


def test_a_correction_of_an_id_that_several_rows_and_versions_bear_is_one_correction() -> None:
    first, second = Window.of(0, [5, 5, 6]), Window.of(0, [5, 6])
    for told, account in [(((5, 1, 0, 1.0), (6, 1, 1, 1.0)), (2, 0)), (((5, 2, 2, 0.0), (6, 2, 3, 1.0)), (0, 1))]:
        block = Block(labels(*told))
        first.look(block)
        second.look(block)
        assert (block.first, block.changed) == account


def test_a_block_without_labels_and_a_window_without_rows_find_nothing() -> None:
    assert Window.of(0, []).look(Block(labels((5, 1, 0, 1.0)))) == (0, 0, 0)
    empty = Block(labels())
    assert Window.of(0, [5]).look(empty) == (0, 0, 0)
    assert empty.matched.tolist() == []


def test_classes_are_compared_by_their_names_when_a_value_is_revised() -> None:
    def one(text: str, others: tuple[str, ...], time: int) -> Matches:
        values = CategoricalValues(codes=np.array([others.index(text)], dtype=np.int32), dictionary=others)
        told = Labels(ids=np.array([5], dtype=np.uint64), values=values, times=np.array([time]), offsets=np.zeros(1, dtype=np.int64),
                      partitions=np.zeros(1, dtype=np.int64))
        return Matches(rows=np.array([0]), labels=told)

    assert revised(one("yes", ("no", "yes"), 1), one("yes", ("yes",), 2)).tolist() == []
    assert revised(one("yes", ("no", "yes"), 1), one("no", ("no",), 2)).tolist() == [0]


TOLD = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5), st.integers(0, 50), st.sampled_from([0.0, 1.0])), max_size=40)


@given(TOLD, st.lists(st.integers(0, 12), max_size=12), st.lists(st.integers(0, 12), max_size=12), st.randoms(use_true_random=False),
       st.integers(1, 7))
def test_any_order_and_any_blocks_give_every_row_the_label_that_one_pass_over_all_gives(told, first, second, random, size) -> None:  # type: ignore[no-untyped-def]
    unique = list({(id, time, offset): (id, time, offset, value) for id, time, offset, value in told}.values())
    latest: dict[int, Told] = {}
    for one in unique:
        latest[one[0]] = max(latest.get(one[0], one), one, key=lambda label: (label[1], label[2]))
    shuffled = random.sample(unique + unique, 2 * len(unique))
    windows = [Window.of(0, first), Window.of(1, second)]
    firsts = 0
    for at in range(0, len(shuffled), size):
        block = Block(labels(*shuffled[at : at + size]))
        firsts += sum(window.look(block)[0] for window in windows)
    expected = [[latest[id][3] if id in latest else None for id in windows[0].ids.tolist()],
                [latest[id][3] if id in latest and id not in first else None for id in windows[1].ids.tolist()]]
    assert [window.values for window in windows] == expected
    assert firsts == len(latest.keys() & {*first, *second})


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50), st.floats(0.01, 1))
def test_a_sample_of_ids_is_the_same_of_both_sides_and_grows_with_its_share(ids: list[int], share: float) -> None:
    hashes = np.array(ids, dtype=np.uint64)
    chosen = sampled(hashes, share)
    assert [bool(sampled(np.array([id], dtype=np.uint64), share)[0]) for id in ids] == chosen.tolist()
    assert not (chosen & ~sampled(hashes, min(2 * share, 1.0))).any()
