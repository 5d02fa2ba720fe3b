"""What is broken stops nothing else: a window, a version, a model, a reference."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from monitor.core.finding import Finding
from monitor.core.reference import Reference
from monitor.core.results import Verdict
from monitor.errors import DecodeError
from monitor.ports import StoredWindow
from monitor.storage import open_store
from tests.pipeline.test_judge import RULES, hour_of, put_hour, telling, the_reference
from tests.pipeline.world import HOUR, MODEL, P0, START, Unsteady, World, message


class Breaking(Unsteady):
    """A store in which the windows of one model, or the references of one version, cannot be read."""

    def __init__(self) -> None:
        super().__init__()
        self.breaks_windows_of = ""
        self.broken_reference = ""

    def windows(self, model: str, start: datetime) -> Sequence[StoredWindow]:
        if model == self.breaks_windows_of:
            raise ZeroDivisionError("division by zero")
        return super().windows(model, start)

    def active_reference(self, model: str, version: str) -> Reference | None:
        if version == self.broken_reference:
            raise DecodeError("reference.hash: expected 'a', found 'b'")
        return super().active_reference(model, version)


def test_a_model_that_cannot_be_judged_is_noted_and_keeps_no_other_from_it() -> None:
    store = Breaking()
    world = World(store=store, models=(MODEL, replace(MODEL, name="other")))
    world.put(P0, message("a", 0))
    world.read_all()
    store.breaks_windows_of = "m"
    assert world.judge.finish() == 1
    assert world.judge.failing == {"m": "ZeroDivisionError: division by zero"}
    assert {result.model for result in store.results()} == {"other"}
    store.breaks_windows_of = ""
    assert world.judge.finish() == 1
    assert world.judge.failing == {}


@pytest.mark.fault(39)
def test_a_damaged_reference_is_an_error_of_its_model_and_rows_are_counted_all_the_same() -> None:
    store = Breaking()
    store.add_reference(replace(the_reference(), version="1"), activate=True, at=START)
    store.broken_reference = "1"
    world = World(store=store, models=(RULES,))
    put_hour(world, 0)
    world.read_all()
    world.judge.finish()
    [drift] = [r for r in store.results() if r.check == "drift"]
    assert drift.verdict is Verdict.ERROR
    assert drift.reason == "this window could not be judged: its reference cannot be read: reference.hash: expected 'a', found 'b'"
    assert drift.rows == len(hour_of(0)[0])


@pytest.mark.fault(39)
def test_a_version_without_a_reference_is_skipped_and_says_which_have_one() -> None:
    world = telling(Unsteady())
    world.put(P0, message("a", 0).replace(b'"v": "1"', b'"v": "9"'))
    world.read_all()
    world.judge.finish()
    reasons = {(r.check, r.verdict): r.reason for r in world.store.results() if r.version == "9"}
    assert "no reference for version '9'" in reasons["drift", Verdict.SKIPPED]


@pytest.mark.fault(39)
def test_every_result_is_pinned_to_the_hash_of_what_it_was_compared_with() -> None:
    world = telling(Unsteady())
    put_hour(world, 0)
    world.read_all()
    world.judge.finish()
    assert {result.reference for result in world.store.results()} == {the_reference().hash}


@pytest.mark.fault(11)
def test_a_damaged_window_is_an_error_of_its_own_and_takes_more_rows_without_harm(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/driftd.db")
    world = World(store=store, models=(replace(MODEL, min_rows=1),))
    world.put(P0, message("a", 0), message("b", 61))
    world.read_all()
    with sqlite3.connect(tmp_path / "driftd.db") as raw:
        raw.execute("UPDATE windows SET profile = x'00112233' WHERE start = (SELECT min(start) FROM windows)")
    world.put(P0, message("c", 5))
    world.read_all()
    assert [(w.account.counted, bool(w.damage)) for w in store.windows("m", START)] == [(2, True)]
    assert world.judge.finish() == 2
    errors = [r for r in store.results() if r.verdict is Verdict.ERROR]
    assert {r.window_start for r in errors} == {START}
    assert all("its stored profile cannot be read" in r.reason for r in errors)
    store.close()


@pytest.mark.fault(37)
def test_a_check_that_raises_is_an_error_of_its_window_and_the_next_one_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    world = telling(Unsteady())

    def breaks(*_: object) -> list[Finding]:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("monitor.core.evaluate.judge_drift", breaks)  # no fault of ours is known, so one is made
    for hour in range(2):
        put_hour(world, hour)
    world.read_all()
    assert world.judge.finish() == 2
    errors = [r for r in world.store.results() if r.verdict is Verdict.ERROR]
    assert {r.window_start for r in errors} == {START, START + HOUR}
    assert {r.reason for r in errors} == {"this window could not be judged: RuntimeError: a fault of ours"}
    assert all(r.verdict is not Verdict.ERROR for r in world.store.results() if r.check == "volume")
