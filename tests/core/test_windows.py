from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.schema import to_micros
from monitor.core.windows import PartitionTime, judge_lateness, next_window, sealable_until, watermark, window_of, window_starts

HOUR = timedelta(hours=1)
T0 = datetime(2024, 3, 1, tzinfo=UTC)


def at(hours: float) -> datetime:
    return T0 + hours * HOUR


def micros(*hours: float) -> np.ndarray:
    return np.array([to_micros(at(h)) for h in hours], dtype=np.int64)


def test_a_time_on_the_edge_belongs_to_the_window_that_begins_there():
    assert window_starts(micros(0, 0.999, 1), HOUR).tolist() == micros(0, 0, 1).tolist()


def test_windows_before_the_epoch_are_aligned_too():
    assert window_of(datetime(1969, 12, 31, 23, 30, tzinfo=UTC), HOUR) == (
        datetime(1969, 12, 31, 23, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
    )


def test_a_row_is_late_once_its_partition_has_passed_the_windows_end_and_the_allowed_lateness():
    times = micros(0.5, 1.4, 0.6, 1.5, 0.7)  # the window [0, 1) is open until 1.5 was seen
    judged = judge_lateness(times, size=HOUR, allowed=HOUR / 2, max_time=None)
    assert judged.late.tolist() == [False, False, False, False, True]
    assert judged.max_time == to_micros(at(1.5))


def test_the_next_window_begins_at_or_after_a_moment():
    assert [next_window(at(h), HOUR) for h in (1, 1.25, 2)] == [at(1), at(2), at(2)]


def test_an_empty_batch_leaves_the_time_where_it_was():
    judged = judge_lateness(micros(), size=HOUR, allowed=HOUR, max_time=7)
    assert judged.max_time == 7
    assert len(judged.late) == 0


@given(st.lists(st.floats(0, 20), min_size=1, max_size=40), st.integers(0, 40))
def test_lateness_does_not_depend_on_where_batches_are_cut(hours: list[float], cut: int):
    times = micros(*hours)
    whole = judge_lateness(times, size=HOUR, allowed=HOUR, max_time=None)
    first = judge_lateness(times[:cut], size=HOUR, allowed=HOUR, max_time=None)
    second = judge_lateness(times[cut:], size=HOUR, allowed=HOUR, max_time=first.max_time)
    assert np.concatenate((first.late, second.late)).tolist() == whole.late.tolist()
    assert second.max_time == whole.max_time


def part(max_hours: float | None, *, seen: float | None = 0, caught_up: bool = False) -> PartitionTime:
    return PartitionTime(
        max_time=None if max_hours is None else at(max_hours), seen_at=None if seen is None else at(seen), caught_up=caught_up
    )


@pytest.mark.parametrize(
    ("partitions", "now", "expected"),
    [
        ([], 0, None),
        ([part(5), part(3)], 0, 3),  # the slowest holds all back
        ([part(5), part(None, seen=None)], 0, None),  # one not yet read holds all back
        ([part(5), part(None, seen=None, caught_up=True)], 0, 5),  # an empty one does not
        ([part(5, seen=9), part(3, seen=0, caught_up=True)], 9, 5),  # nor does an idle one
        ([part(5, seen=9), part(3, seen=0, caught_up=False)], 9, 3),  # but one that lags does
        ([part(5, seen=0, caught_up=True), part(3, seen=0, caught_up=True)], 9, 14),  # all idle: time goes on from where it stood
        ([part(None, seen=None, caught_up=True)], 9, None),  # nothing was ever received
    ],
)
def test_the_watermark_is_what_every_live_partition_has_reached(partitions: list[PartitionTime], now: float, expected: float | None):
    mark = watermark(partitions, now=at(now), idle_after=HOUR)
    assert mark == (None if expected is None else at(expected))


def test_a_replayed_old_year_never_jumps_to_today():
    last = datetime(2013, 12, 31, 23, tzinfo=UTC)
    idle = PartitionTime(max_time=last, seen_at=T0, caught_up=True)
    assert watermark([idle], now=T0 + 2 * HOUR, idle_after=HOUR) == last + 2 * HOUR


@pytest.mark.parametrize(("mark", "until"), [(1.4, 0), (1.5, 1), (2.49, 1), (2.5, 2)])
def test_a_window_is_sealed_when_the_watermark_passes_its_end_and_the_lateness(mark: float, until: float):
    assert sealable_until(at(mark), size=HOUR, allowed=HOUR / 2) == at(until)
