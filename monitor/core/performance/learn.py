"""How a reference's labelled rows and its windows become its part of performance."""

from __future__ import annotations

import math
from collections.abc import Sequence

from monitor.core.finding import BROKEN
from monitor.core.performance.classes import Classes, binary_classes
from monitor.core.performance.label_shift import left_out
from monitor.core.performance.metrics import METRICS, metric_names
from monitor.core.performance.metrics.value import VALUE
from monitor.core.performance.part import PartWindows, PerformancePart
from monitor.core.performance.tally import Tally
from monitor.core.rules import PerformanceRules, Task

LEAST_ROWS = 30  # usable labels of a reference window, with fewer it teaches nothing


def learn_part(total: Tally, windows: Sequence[Tally], classes: Sequence[str], positive: str) -> PerformancePart:
    """From all labelled rows and from those of each window, which are parts of them."""
    return PerformancePart(tally=total, windows=learn_windows(total, windows), classes=tuple(sorted(classes)), positive=positive)


def learn_windows(total: Tally, windows: Sequence[Tally]) -> PartWindows:
    """What the windows tell; those with few labels are left out."""
    usual = [window for window in windows if window.usable >= LEAST_ROWS]
    values: dict[str, tuple[float, ...]] = {}
    sampling: dict[str, float] = {}
    for name in metric_names(total.task):
        found = _measured(name, usual) if name != VALUE else []  # what a prediction is worth may change
        if found:
            values[name] = tuple(value for value, _ in found)
            sampling[name] = math.fsum(variance for _, variance in found) / len(found)
    return PartWindows(rows=tuple(window.usable for window in usual), values=values, sampling=sampling, labels=left_out(total, usual))


def _measured(name: str, windows: Sequence[Tally]) -> list[tuple[float, float]]:
    found = []
    for window in windows:
        try:
            measured = METRICS[name].of(window)
        except BROKEN:  # Undefined too: such a window teaches nothing of it
            continue
        found.append((measured.value, measured.variance))
    return found


def classes_in(task: Task, rules: PerformanceRules | None, seen: Sequence[str]) -> tuple[Classes, str]:
    """The classes of reference data, and the text of the positive one (empty where there is none, or more than one text stands for it)."""
    if task is Task.REGRESSION:
        return Classes(), ""
    if task is Task.MULTICLASS:
        return Classes(names=tuple(sorted(seen))), ""
    classes = binary_classes(rules.positive if rules else "", tuple(seen), (), ())
    named = sorted(classes.positive & {*seen, *([rules.positive] if rules and rules.positive else [])})
    return classes, named[0] if named else ""
