"""Late rows are counted, and no verdict hangs on whether they were read before the window was judged or after."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.core.results import Result
from tests.pipeline.world import HOUR, MODEL, P0, P1, World, message

pytestmark = pytest.mark.fault(23)
ROWS = [message(f"in time {n}", 60 + n) for n in range(30)] + [message("far ahead", 400)]
LATE = [message("late", 75), message("late in a window of its own", 130), message("later", 70).replace(b'"v": "1"', b'"v": "2"')]
BEFORE_ALL = [message("late before all others", 3)]


def judged(*, late_rows_first: bool, dedupe: bool) -> list[Result]:
    """A world's results; its late rows come before the first window is judged, or after the last."""
    world = World(models=(replace(MODEL, dedupe=dedupe, min_rows=1),))
    world.log.rebalance(frozenset({P0, P1}))
    world.put(P0, *ROWS)
    world.read_all()
    for turn in (late_rows_first, not late_rows_first):
        if turn:
            world.put(P0, *LATE, *BEFORE_ALL)
            world.read_all()
        else:
            world.judge.finish()
    assert world.account().late == 4
    return list(world.store.results())


@pytest.mark.parametrize("dedupe", [True, False])
def test_results_are_the_same_whether_late_rows_come_before_or_after_the_judging(dedupe: bool) -> None:
    early, afterwards = (judged(late_rows_first=first, dedupe=dedupe) for first in (True, False))
    assert early
    assert {result.window_end - result.window_start for result in early} == {HOUR}
    assert list(map(repr, early)) == list(map(repr, afterwards))
