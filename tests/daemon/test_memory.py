"""The bound on memory: what is allowed, what is used, and what is advised."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from monitor.memory import DEFAULT_LIMIT, MIB, Advice, MemoryGuard, advise, give_back, limit_of, resident_bytes

pytestmark = pytest.mark.fault(33)


@pytest.mark.parametrize(
    ("resident", "advice"),
    [(None, Advice.GO_ON), (0, Advice.GO_ON), (799, Advice.GO_ON), (800, Advice.FLUSH), (999, Advice.FLUSH), (1000, Advice.PAUSE)],
)
def test_from_four_fifths_on_it_is_written_and_from_the_limit_on_nothing_more_is_read(resident: int | None, advice: Advice) -> None:
    assert advise(resident, 1000) is advice


def test_a_system_without_statm_has_no_check(tmp_path: Path) -> None:
    assert resident_bytes(tmp_path / "statm") is None


def test_the_second_number_of_statm_is_the_resident_pages(tmp_path: Path) -> None:
    (tmp_path / "statm").write_text("40000 256 9000 1 0 30000 0\n")
    assert resident_bytes(tmp_path / "statm") == MIB


def test_a_configured_limit_stands_and_without_one_the_container_may_lower_the_default(tmp_path: Path) -> None:
    small, none, endless, absent = (tmp_path / name for name in ("small", "none", "endless", "absent"))
    small.write_text(f"{512 * MIB}\n")
    none.write_text("max\n")
    endless.write_text("9223372036854771712\n")
    assert limit_of(300 * MIB, [small]) == 300 * MIB
    assert limit_of(None, [small, absent]) == int(0.9 * 512 * MIB)
    assert limit_of(None, [none, absent]) == limit_of(None, [endless]) == limit_of(None, []) == DEFAULT_LIMIT


def test_the_guard_looks_once_a_second_and_answers_each_look_once() -> None:
    now, found = [0.0], iter([900, 1000, None])
    guard = MemoryGuard(1000, monotonic=lambda: now[0], resident=lambda: next(found))
    answers = []
    for now[0] in (0.0, 0.5, 0.99, 1.0, 1.9, 2.0):
        answers.append(guard.advice())
    assert answers == [Advice.FLUSH, Advice.GO_ON, Advice.GO_ON, Advice.PAUSE, Advice.GO_ON, Advice.GO_ON]
    assert next(found, "all were asked for") == "all were asked for"


def test_at_the_limit_every_answer_is_a_look_so_that_nothing_is_read_in_between() -> None:
    found = iter([1000, 1000, 1000, 500])
    guard = MemoryGuard(1000, monotonic=lambda: 0.1, resident=lambda: next(found))
    assert [guard.advice() for _ in range(5)] == [Advice.PAUSE, Advice.PAUSE, Advice.PAUSE, Advice.GO_ON, Advice.GO_ON]


def test_the_guard_says_what_it_found() -> None:
    found: Iterator[int | None] = iter([612 * MIB, None])
    guard = MemoryGuard(512 * MIB, monotonic=lambda: 0.0, resident=lambda: next(found))
    assert guard.look() is Advice.PAUSE
    assert str(guard) == "612 MiB resident, limit 512 MiB"
    assert guard.look() is Advice.GO_ON
    assert str(guard) == "unknown resident, limit 512 MiB"


@pytest.mark.skipif(resident_bytes() is None, reason="the system does not tell resident memory")
def test_memory_that_was_freed_is_given_back_and_the_advice_follows() -> None:
    give_back()
    before = resident_bytes()
    assert before is not None
    guard = MemoryGuard(before + 200 * MIB, monotonic=lambda: 0.0)
    calm = guard.look()
    held = [np.ones(2000) for _ in range(300 * MIB // 16_000)]  # many small pieces: what the C library does not give back by itself
    assert guard.look() is Advice.PAUSE
    del held
    give_back()
    assert guard.look() is calm
    after = resident_bytes()
    assert after is not None
    assert after < before + 100 * MIB
