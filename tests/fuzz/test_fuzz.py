"""A short run over every target, the same inputs each time; ``python -m tests.fuzz`` is the long one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.fuzz.catalog import MODULES, target
from tests.fuzz.engine import Bounds, plain
from tests.fuzz.mutation import Mutator
from tests.fuzz.trial import SLOW, Trial


@pytest.mark.fault(19, 30)
@pytest.mark.parametrize("name", MODULES)
def test_nothing_that_comes_from_outside_makes_it_crash_hang_or_miscount(name: str, tmp_path: Path) -> None:
    fuzzed = target(name)
    trial = plain(fuzzed, Bounds(inputs=fuzzed.short, seconds=60, seed=2024), tmp_path)
    assert trial.inputs == fuzzed.short
    assert [f"{each.where}: {each.said} ({each.data[:300]!r})\n{each.trace}" for each in trial.findings.values()] == []


@pytest.mark.parametrize("name", MODULES)
def test_a_seed_of_a_target_is_not_refused_at_the_door(name: str) -> None:
    fuzzed = target(name)
    assert all(len(seed) <= fuzzed.longest for seed in fuzzed.seeds())


def test_the_same_seed_makes_the_same_inputs() -> None:
    fuzzed = target("decoding")
    one, same, other = (Mutator(fuzzed.seeds(), fuzzed.words, fuzzed.longest, seed) for seed in (1, 1, 2))
    made = [one.make() for _ in range(50)]
    assert made == [same.make() for _ in range(50)]
    assert made != [other.make() for _ in range(50)]


def test_a_failure_is_kept_once_for_each_place_with_its_shortest_input() -> None:
    def check(data: bytes) -> None:
        if data.startswith(b"bad"):
            raise ValueError("no such thing")
        int(data or b"0")

    trial = Trial(check)
    for data in (b"bad and long", b"7", b"bad", b"bad again", b"x"):
        trial(data)
    trial.close()
    assert trial.inputs == 5
    assert sorted(each.data for each in trial.findings.values()) == [b"bad", b"x"]


def test_an_input_that_takes_long_twice_is_a_finding_and_one_that_was_only_held_up_is_none() -> None:
    calls: list[bytes] = []

    def check(data: bytes) -> None:
        if data == b"slow" or calls.count(data) == 0:
            time.sleep(SLOW + 0.05)  # the very thing that is measured
        calls.append(data)

    trial = Trial(check)
    trial(b"once")
    trial(b"slow")
    trial.close()
    assert [each.data for each in trial.findings.values()] == [b"slow"]


def test_an_unknown_target_is_told_beside_those_that_exist() -> None:
    with pytest.raises(ValueError, match="unknown target 'x', known: answers, configurations"):
        target("x")
