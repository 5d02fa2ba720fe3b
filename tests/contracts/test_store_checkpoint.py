"""The checkpoint's contract: everything or nothing, and nothing lost, whoever else writes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from monitor.core.profile import Profile
from monitor.core.results import Account, WindowKey
from monitor.errors import Fenced, UsageError
from monitor.ports import Mark, SeenIds, Store, StoredWindow, StreamCount, TopicPartition, WindowDelta
from tests.contracts.store_story import (
    GRID,
    HOUR,
    NOW,
    OTHER_GRID,
    START,
    TP0,
    TP1,
    advance,
    checkpoint,
    delta,
    key,
    profile_of,
    quarantined,
)


def only_window(store: Store, where: WindowKey) -> StoredWindow:
    [window] = [window for window in store.windows(where.model, where.start) if window.key == where]
    return window


def test_a_new_partition_is_stored_once_and_a_second_owner_is_fenced(store: Store) -> None:
    store.checkpoint(checkpoint(advances=(advance(TP0, None, 10),)))
    with pytest.raises(Fenced, match=r"flights\[0\].*10.*None"):
        store.checkpoint(checkpoint(advances=(advance(TP0, None, 5),)))
    assert store.positions([TP0, TP1]) == {TP0: advance(TP0, 10, 10)}


def test_an_offset_moves_only_from_where_it_is_expected(store: Store) -> None:
    store.checkpoint(checkpoint(advances=(advance(TP0, None, 10), advance(TP1, None, 3))))
    store.checkpoint(checkpoint(advances=(advance(TP0, 10, 20),)))
    with pytest.raises(Fenced):
        store.checkpoint(checkpoint(advances=(advance(TP0, 10, 30),)))
    with pytest.raises(Fenced, match="None"):
        store.checkpoint(checkpoint(advances=(advance(TopicPartition("other", 0), 1, 2),)))
    assert {tp: stored.next_offset for tp, stored in store.positions([TP0, TP1]).items()} == {TP0: 20, TP1: 3}


def test_a_fenced_checkpoint_leaves_nothing_of_itself(store: Store) -> None:
    store.checkpoint(checkpoint(advances=(advance(TP1, None, 10),)))
    count = StreamCount(
        model="m", stream="predictions", topic="flights", received=1, counted=1, late=0, duplicate=0, quarantined=0, untimed=0,
        sampled_out=0,
    )  # fmt: skip
    with pytest.raises(Fenced):
        store.checkpoint(
            checkpoint(
                delta(key(), 1.0),
                advances=(advance(TP0, None, 7), advance(TP1, 9, 11)),
                marks=(Mark(model="m", partition=TP0, max_time=START, seen_at=NOW, caught_up=True, at=NOW),),
                ids=(SeenIds(model="m", partition=TP0, window_start=START, hashes=np.array([1], dtype=np.uint64)),),
                quarantined=(quarantined(1),),
                streams=(count,),
            )
        )
    assert (store.window_accounts(), store.marks("m"), store.quarantine(), store.stream_counts()) == ([], [], [], [])
    assert (store.seen_ids("m", TP0), store.positions([TP0])) == ({}, {})


class BrokenProfile(Profile):
    """Fails whoever reads it, in the middle of the transaction, as a kill would."""

    @property
    def rows(self) -> int:  # type: ignore[override]
        raise RuntimeError("killed here")

    @rows.setter
    def rows(self, value: int) -> None:
        pass


def test_a_fault_in_the_middle_of_a_checkpoint_rolls_all_of_it_back(store: Store) -> None:
    store.checkpoint(checkpoint(delta(key(0), 1.0), delta(key(1), 2.0), advances=(advance(TP0, None, 1),)))
    good = profile_of(3.0)
    broken = BrokenProfile(grid=GRID, rows=1, columns=good.columns, sample=good.sample)
    second = checkpoint(delta(key(0), 5.0), advances=(advance(TP0, 1, 2),), quarantined=(quarantined(1),))
    for where in (key(1), key(9)):  # one that merges, one that is new
        worse = WindowDelta(key=where, account=Account(counted=1), profile=broken)
        with pytest.raises(RuntimeError, match="killed here"):
            store.checkpoint(replace(second, windows=(*second.windows, worse)))
    assert store.positions([TP0])[TP0].next_offset == 1
    assert [window.account.counted for window in store.window_accounts()] == [1, 1]
    assert only_window(store, key(0)).profile == profile_of(1.0)
    assert store.quarantine() == []
    store.checkpoint(second)
    assert only_window(store, key(0)).profile == profile_of(1.0).merge(profile_of(5.0))


def test_a_grid_that_was_rolled_back_is_stored_by_the_next_try(store: Store) -> None:
    twice = (delta(key(), 1.0), delta(key(), 2.0))  # the second reads the grid that the first has just written
    good = profile_of(3.0)
    broken = BrokenProfile(grid=GRID, rows=1, columns=good.columns, sample=good.sample)
    with pytest.raises(RuntimeError, match="killed here"):
        store.checkpoint(checkpoint(*twice, WindowDelta(key=key(9), account=Account(counted=1), profile=broken)))
    assert store.window_accounts() == []
    store.checkpoint(checkpoint(*twice))
    assert only_window(store, key()).profile == profile_of(1.0).merge(profile_of(2.0))


def test_profiles_and_accounts_of_many_checkpoints_add_up(store: Store) -> None:
    store.checkpoint(checkpoint(delta(key(), 1.0, 15.0, late=2)))
    store.checkpoint(checkpoint(delta(key(), duplicate=3, quarantined=1)))
    store.checkpoint(checkpoint(delta(key(), -5.0, 99.0, sampled_out=4)))
    window = only_window(store, key())
    assert window.account == Account(counted=4, late=2, duplicate=3, quarantined=1, sampled_out=4)
    expected = profile_of(1.0, 15.0).merge(profile_of(-5.0, 99.0))
    assert window.profile == expected
    assert window.profile is not None
    assert window.profile.to_bytes() == expected.to_bytes()


def test_the_giver_may_go_on_folding_into_a_profile_it_gave(store: Store) -> None:
    given = profile_of(1.0)
    store.checkpoint(checkpoint(WindowDelta(key=key(), account=Account(counted=1), profile=given)))
    given.rows += 5
    given.columns["carrier"].null += 5  # type: ignore[misc]  # as fold does
    assert only_window(store, key()).profile == profile_of(1.0)


def test_a_window_that_began_with_an_account_alone_takes_a_profile_later(store: Store) -> None:
    store.checkpoint(checkpoint(delta(key(), quarantined=1)))
    assert only_window(store, key()).profile is None
    store.checkpoint(checkpoint(delta(key(), 4.0)))
    assert only_window(store, key()).profile == profile_of(4.0)


def test_rows_on_another_grid_are_counted_and_the_stored_profile_stays(store: Store) -> None:
    store.checkpoint(checkpoint(delta(key(), 1.0, 2.0)))
    store.checkpoint(checkpoint(delta(key(), 7.0, grid=OTHER_GRID)))
    window = only_window(store, key())
    assert window.account.counted == 3
    assert window.profile == profile_of(1.0, 2.0)


def test_windows_come_in_the_order_of_their_keys(store: Store) -> None:
    wanted = [key(version=v, segment=s) for v in ("1", "10", "2", "B", "a") for s in ("*", "DE", "de")]
    store.checkpoint(checkpoint(*(delta(where, 1.0) for where in reversed(wanted)), delta(key(1), 1.0), delta(key(model="other"), 1.0)))
    assert [window.key for window in store.windows("m", START)] == wanted


def test_rows_of_a_sealed_window_become_late_and_their_profile_is_dropped(store: Store) -> None:
    store.checkpoint(checkpoint(delta(key(0), 1.0)))
    assert store.seal("m", key(0).end, None)
    store.checkpoint(checkpoint(delta(key(0), 2.0, 3.0, duplicate=1, late=1), delta(key(1), 4.0), delta(key(0, version="2"), 5.0)))
    sealed, opened = only_window(store, key(0)), only_window(store, key(1))
    assert sealed.account == Account(counted=1, late=3, duplicate=1)
    assert sealed.profile == profile_of(1.0)
    assert opened.account == Account(counted=1)
    newcomer = only_window(store, key(0, version="2"))
    assert (newcomer.account, newcomer.profile) == (Account(late=1), None)


def test_event_time_never_goes_backwards(store: Store) -> None:
    def mark(hours: int | None, *, caught_up: bool, partition: TopicPartition = TP0) -> Mark:
        at = None if hours is None else START + hours * HOUR
        seen = None if hours is None else NOW + hours * HOUR
        return Mark(model="m", partition=partition, max_time=at, seen_at=seen, caught_up=caught_up, at=NOW)

    steps = [mark(None, caught_up=False), mark(5, caught_up=False), mark(3, caught_up=True), mark(None, caught_up=True)]
    seen = []
    for step in steps:
        store.checkpoint(checkpoint(marks=(step, mark(1, caught_up=True, partition=TP1))))
        seen.append(store.marks("m")[0].max_time)
    assert seen == [None, START + 5 * HOUR, START + 5 * HOUR, START + 5 * HOUR]
    assert store.marks("m") == [
        replace(mark(5, caught_up=True), seen_at=NOW + 3 * HOUR),
        mark(1, caught_up=True, partition=TP1),
    ]
    assert store.marks("other") == []


def test_until_when_a_partition_is_read_stays_known_while_a_new_owner_does_not_know_it_yet(store: Store) -> None:
    known = Mark(model="m", partition=TP0, max_time=START, seen_at=NOW, caught_up=True, at=NOW, read_until=NOW)
    found = []
    for read_until in (None, NOW, None, NOW + HOUR):
        store.checkpoint(checkpoint(marks=(replace(known, read_until=read_until),)))
        found.append(store.marks("m")[0].read_until)
    assert found == [None, NOW, NOW, NOW + HOUR]


def test_rows_of_a_sealed_window_are_late_in_each_of_their_segments_and_once_in_their_stream(store: Store) -> None:
    assert store.seal("m", key(0).end, None)
    count = StreamCount(
        model="m", stream="predictions", topic="flights", received=2, counted=2, late=0, duplicate=0, quarantined=0, untimed=0,
        sampled_out=0,
    )  # fmt: skip
    segments = ("*", "night=true", "origin=JFK")
    store.checkpoint(checkpoint(*(delta(key(segment=segment), 1.0, 2.0) for segment in segments), streams=(count,)))
    assert {window.key.segment: window.account for window in store.windows("m", START)} == dict.fromkeys(segments, Account(late=2))
    assert store.stream_counts() == [replace(count, counted=0, late=2)]


def test_ids_are_kept_by_window_and_partition_until_the_window_is_sealed(store: Store) -> None:
    def ids(hour: int, *hashes: int, partition: TopicPartition = TP0) -> SeenIds:
        return SeenIds(model="m", partition=partition, window_start=key(hour).start, hashes=np.array(hashes, dtype=np.uint64))

    top = 2**64 - 1
    store.checkpoint(checkpoint(ids=(ids(0, 1, top), ids(1, 3), ids(0, 9, partition=TP1))))
    store.checkpoint(checkpoint(ids=(ids(0, 2), ids(1))))
    seen = store.seen_ids("m", TP0)
    assert {start: hashes.tolist() for start, hashes in seen.items()} == {key(0).start: [1, top, 2], key(1).start: [3]}
    assert all(hashes.dtype == np.uint64 for hashes in seen.values())
    assert store.seal("m", key(0).end, None)
    store.checkpoint(checkpoint(ids=(ids(0, 77), ids(1, 4))))
    assert {start: hashes.tolist() for start, hashes in store.seen_ids("m", TP0).items()} == {key(1).start: [3, 4]}
    assert store.seen_ids("m", TP1) == {}


def test_a_message_is_quarantined_once_and_comes_back_whole(store: Store) -> None:
    store.checkpoint(checkpoint(quarantined=(quarantined(2), quarantined(1), quarantined(1, model="other"))))
    store.checkpoint(checkpoint(quarantined=(quarantined(2, detail="again"), quarantined(3), quarantined(2, partition=TP1))))
    rows = store.quarantine(model="m")
    assert [row.entry for row in rows] == [quarantined(1), quarantined(2), quarantined(3), quarantined(2, partition=TP1)]
    assert [row.id for row in rows] == sorted({row.id for row in rows})
    assert [row.entry.offset for row in store.quarantine(model="m", limit=2)] == [3, 2]
    assert len(store.quarantine()) == 5
    assert store.quarantine(limit=0) == []


def test_only_the_newest_ten_thousand_quarantined_messages_of_a_model_are_kept(store: Store) -> None:
    store.checkpoint(checkpoint(quarantined=(quarantined(0, model="other"),)))
    store.checkpoint(checkpoint(quarantined=tuple(quarantined(offset) for offset in range(9_990))))
    store.checkpoint(checkpoint(quarantined=tuple(quarantined(offset) for offset in range(9_990, 10_015))))
    offsets = [row.entry.offset for row in store.quarantine(model="m")]
    assert (len(offsets), offsets[0], offsets[-1]) == (10_000, 15, 10_014)
    assert len(store.quarantine(model="other")) == 1


def test_stream_counts_add_up(store: Store) -> None:
    def count(number: int, stream: str = "predictions") -> StreamCount:
        return StreamCount(
            model="m", stream=stream, topic="flights", received=10 * number, counted=number, late=2 * number, duplicate=number,
            quarantined=3 * number, untimed=number, sampled_out=3 * number,
        )  # fmt: skip

    store.checkpoint(checkpoint(streams=(count(1), count(4, "labels"))))
    store.checkpoint(checkpoint(streams=(count(2),)))
    assert store.stream_counts() == [count(4, "labels"), count(3)]


def test_texts_and_numbers_that_databases_refuse_are_stored_all_the_same(store: Store) -> None:
    odd = "a\x00b\ud800c"
    where = key(version=odd, segment="s" * 5_000)
    store.checkpoint(checkpoint(delta(where, 1.0), quarantined=(quarantined(1, detail=odd),)))
    store.checkpoint(checkpoint(delta(where, 2.0)))
    [window] = store.windows("m", START)
    assert window.account.counted == 2
    [row] = store.quarantine()
    assert row.entry.detail.replace("\x00", "\ufffd").startswith("a\ufffdb")
    [other] = [delta(key(version=odd, segment="s" * 4_999 + "t"), 1.0)]
    store.checkpoint(checkpoint(other))
    assert len(store.windows("m", START)) == 2


def test_a_naive_time_is_a_fault_of_the_program(store: Store) -> None:
    if type(store).__name__ == "MemoryStore":
        pytest.skip("memory keeps times as they are")
    naive = replace(checkpoint(advances=(advance(TP0, None, 1),)), at=NOW.replace(tzinfo=None))
    with pytest.raises(Exception, match="naive datetime") as caught:
        store.checkpoint(naive)
    assert "only aware ones" in str(caught.value)


def test_two_threads_on_different_partitions_lose_nothing_in_a_shared_window(store: Store) -> None:
    rounds, start = 15, threading.Barrier(2)

    def owner(partition: TopicPartition) -> None:
        start.wait()
        for turn in range(rounds):
            step = advance(partition, turn or None, turn + 1)
            order = (key(0), key(1)) if partition == TP0 else (key(1), key(0))
            store.checkpoint(checkpoint(*(delta(where, float(turn)) for where in order), advances=(step,)))

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(owner, partition) for partition in (TP0, TP1)]:
            done.result()
    expected = Profile.empty(GRID)
    for turn in [*range(rounds), *range(rounds)]:
        expected = expected.merge(profile_of(float(turn)))
    for where in (key(0), key(1)):
        window = only_window(store, where)
        assert window.account == Account(counted=2 * rounds)
        assert window.profile is not None
        assert window.profile.to_json() == expected.to_json()


def test_sealing_beside_checkpoints_leaves_every_row_either_in_the_profile_or_late(store: Store) -> None:
    rounds, start = 30, threading.Barrier(2)

    def write() -> None:
        start.wait()
        for turn in range(rounds):
            store.checkpoint(checkpoint(delta(key(), float(turn)), advances=(advance(TP0, turn or None, turn + 1),)))

    def close() -> StoredWindow | None:
        start.wait()
        assert store.seal("m", key().end, None)
        windows = store.windows("m", START)
        return windows[0] if windows else None

    with ThreadPoolExecutor(2) as pool:
        writing, closing = pool.submit(write), pool.submit(close)
        writing.result()
        frozen = closing.result()
    after = only_window(store, key())
    assert after.account.counted + after.account.late == rounds
    assert (0 if after.profile is None else after.profile.rows) == after.account.counted
    if frozen is not None and frozen.profile is not None:
        assert frozen.profile == after.profile


def test_lasting_times_keep_their_microseconds(store: Store) -> None:
    at = START + timedelta(microseconds=1)
    store.checkpoint(checkpoint(marks=(Mark(model="m", partition=TP0, max_time=at, seen_at=NOW, caught_up=False, at=NOW),)))
    [mark] = store.marks("m")
    assert (mark.max_time, mark.seen_at) == (at, NOW)
    assert mark.max_time is not None
    assert mark.max_time.utcoffset() == timedelta(0)


def test_a_window_of_another_length_is_refused_and_nothing_is_written(store: Store) -> None:
    store.checkpoint(checkpoint(delta(key(0), 1.0), advances=(advance(TP0, None, 1),)))
    longer = replace(key(0), end=key(23).end)
    with pytest.raises(UsageError, match=r"m: .* ends at 2013-03-01T01:00:00Z, ours at 2013-03-02T00:00:00Z: another driftd with"):
        store.checkpoint(checkpoint(delta(key(5), 1.0), delta(longer, 2.0), advances=(advance(TP0, 1, 3),)))
    assert [(window.key, window.account.counted) for window in store.window_accounts(model="m")] == [(key(0), 1)]
    assert store.positions([TP0])[TP0].next_offset == 1
