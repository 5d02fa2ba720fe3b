"""Failpoints: what is asked for happens there and nowhere else, and without asking nothing does."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from monitor import failpoints
from monitor.errors import UsageError
from monitor.failpoints import VARIABLE, FailpointReached, Point


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


def test_nothing_happens_where_nothing_is_armed() -> None:
    failpoints.arm("intake.after_poll=raise")
    failpoints.at(Point.MID_FOLD)


def test_a_raise_happens_at_the_passage_that_was_asked_for_alone() -> None:
    failpoints.arm("intake.after_poll=raise@2")
    failpoints.at(Point.AFTER_POLL)
    with pytest.raises(FailpointReached, match=r"intake\.after_poll, passage 2"):
        failpoints.at(Point.AFTER_POLL)
    failpoints.at(Point.AFTER_POLL)


def test_without_a_number_it_happens_at_every_passage() -> None:
    failpoints.arm("intake.after_poll=raise")
    for _ in range(2):
        with pytest.raises(FailpointReached):
            failpoints.at(Point.AFTER_POLL)


def test_a_sleep_takes_as_long_as_it_was_told_to() -> None:
    failpoints.arm("judge.evaluated=sleep:0.2")
    began = time.monotonic()
    failpoints.at(Point.JUDGE_EVALUATED)
    assert time.monotonic() - began >= 0.2


def test_a_kill_ends_the_process_at_once() -> None:
    script = "from monitor import failpoints as f; f.arm_from_environment(); f.at(f.Point.AFTER_POLL); print('still here')"
    done = subprocess.run([sys.executable, "-c", script], env={VARIABLE: "intake.after_poll=kill"}, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (-9, b"")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nowhere=kill", "unknown point 'nowhere'"),
        ("intake.after_poll", "expected point=kill"),
        ("intake.after_poll=explode", "expected point=kill"),
        ("intake.after_poll=sleep", "expected point=kill"),
        ("intake.after_poll=kill:3", "expected point=kill"),
        ("intake.after_poll=kill@0", "expected point=kill"),
    ],
)
def test_what_is_not_understood_is_said(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        failpoints.arm(text)
