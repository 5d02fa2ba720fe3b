from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.health import Health, NotReady


class Hands:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_a_loop_is_late_only_after_its_allowed_age() -> None:
    clock = Hands()
    health = Health(clock)
    health.watch("intake", timedelta(seconds=10))
    clock.seconds += 10
    assert health.live() == (True, [])
    clock.seconds += 1
    assert health.live() == (False, ["loop intake: no heartbeat for 11 s, at most 10 s allowed"])
    health.beat("intake")
    assert health.live() == (True, [])
    assert health.loops() == {"intake": 0.0}


def test_a_loop_that_ended_as_it_should_is_not_missed() -> None:
    clock = Hands()
    health = Health(clock)
    health.watch("judge", timedelta(seconds=1))
    health.forget("judge")
    health.forget("judge")
    clock.seconds += 100
    assert health.live() == (True, [])


def test_the_beat_of_an_unwatched_loop_is_an_error_that_names_the_known() -> None:
    health = Health()
    health.watch("intake", timedelta(seconds=1))
    with pytest.raises(KeyError, match=r"no loop 'intke' is watched, only \['intake'\]"):
        health.beat("intke")


def test_it_is_born_starting_and_each_reason_stands_until_it_is_cleared() -> None:
    health = Health()
    assert health.ready() == (False, ["starting"])
    health.not_ready(NotReady.KAFKA_UNREACHABLE, "nobody at kafka:9092")
    health.clear(NotReady.STARTING)
    health.clear(NotReady.STARTING)
    assert health.ready() == (False, ["kafka_unreachable: nobody at kafka:9092"])
    health.clear(NotReady.KAFKA_UNREACHABLE)
    assert health.ready() == (True, [])


def test_progress_is_a_heartbeat_and_is_remembered_apart_from_it():
    now = [100.0]
    health = Health(lambda: now[0])
    health.watch("intake", timedelta(seconds=10))
    health.watch("judge", timedelta(seconds=10))
    assert health.stalled(0.0) == ["intake", "judge"]
    now[0] = 105.0
    health.progress("intake")
    health.beat("judge")
    assert health.loops() == {"intake": 0.0, "judge": 0.0}
    assert health.stalled(104.0) == ["judge"]
    assert health.stalled(105.0) == ["intake", "judge"]
    health.forget("judge")
    assert health.stalled(104.0) == []
    with pytest.raises(KeyError, match="no loop 'judge' is watched"):
        health.progress("judge")
