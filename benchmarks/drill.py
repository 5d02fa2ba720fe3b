"""What a drill costs: 60 windows of 20 columns, every fault of every size, beside judging each of them whole.

CPU seconds of one thread. ``--quick``: ten windows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace

from benchmarks.judging import DAY, START, WINDOW_ROWS, WINDOWS, frame, profile_of, reference_of
from monitor.core.drift.multivariate import learn_together
from monitor.core.drill import FAULTS, Scene, Seen
from monitor.core.drill.inject import injected
from monitor.core.evaluate import Subject, evaluate
from monitor.core.profile import Profile
from monitor.core.reference import Reference
from monitor.core.results import Account, WindowKey
from monitor.core.rules import Model, Task

COLUMNS = 20
JUDGED = 10 if "--quick" in sys.argv else 60
RULES = Model(name="m", task=Task.BINARY, window=DAY, allowed_lateness=0 * DAY, min_rows=1, dedupe=False, streams=(), columns=())
COLUMN_FAULTS = [(fault, size) for fault in FAULTS.values() if fault.inject is not None for size in fault.sizes]


def taught(reference: Reference) -> Reference:
    """With what is usual of its numeric columns together, so that every fault is judged by that, too."""
    if reference.baseline is None:
        return reference
    days = [profile_of(reference.grid, frame(COLUMNS, WINDOW_ROWS, seed)) for seed in range(WINDOWS)]
    together = learn_together(days, reference.profile, tuple(reference.profile.columns))
    return replace(reference, baseline=replace(reference.baseline, together=together))


def subjects(reference: Reference) -> list[Subject]:
    """The windows to drill, each of a day of its own."""
    found = []
    for i in range(JUDGED):
        profile = profile_of(reference.grid, frame(COLUMNS, WINDOW_ROWS, WINDOWS + i))
        key = WindowKey(model="m", version="*", start=START + i * DAY, end=START + (i + 1) * DAY)
        found.append(Subject(key=key, account=Account(counted=profile.rows), profile=profile, reference=reference))
    return found


def took(call: Callable[[], int]) -> tuple[int, float]:
    """What was counted, and CPU seconds."""
    begun = time.process_time()
    return call(), time.process_time() - begun


def drilled(scenes: list[Scene]) -> int:
    """How many faults were judged in all windows."""
    seen = [scene.with_fault(name, fault, size.value) for scene in scenes for name in scene.columns for fault, size in COLUMN_FAULTS]
    print(f"  caught {sum(one is Seen.CAUGHT for one in seen):,}, missed {sum(one is Seen.MISSED for one in seen):,}")
    return sum(one is not None for one in seen)


def injections(windows: list[Subject], reference: Reference) -> list[tuple[Subject, Profile]]:
    """Every fault in the first window."""
    first = windows[0]
    found = []
    for name in reference.profile.columns:
        for fault, size in COLUMN_FAULTS:
            profile = None if first.profile is None else injected(first.profile, reference.profile, name, fault, size.value)
            if profile is not None:
                found.append((first, profile))
    return found


def main() -> None:
    """Print seconds of both ways and of their parts."""
    for with_windows in (True, False):
        reference = taught(reference_of(COLUMNS)) if with_windows else replace(reference_of(COLUMNS), baseline=None)
        print(f"reference {'with' if with_windows else 'without'} windows of its own: {JUDGED} windows of {COLUMNS} columns")
        windows = subjects(reference)
        scenes, building = took_scenes(windows)
        count, seconds = took(lambda: drilled(scenes))  # noqa: B023  called here
        print(f"  drill: {count:,} faults in {seconds + building:.1f} s, {seconds / count * 1e6:.0f} µs each; {building:.2f} s without any")
        once, inject = took(lambda: len(injections(windows, reference)))  # noqa: B023
        print(f"  of it the injection: {inject / once * 1e6:.0f} µs each")
        faulty = injections(windows, reference)
        _, whole = took(lambda: sum(len(evaluate(replace(s, profile=p), RULES)) for s, p in faulty))  # noqa: B023
        print(f"  judging the whole window instead: {whole / once * 1e6:.0f} µs each, {whole / once * count:.1f} s in all")


def took_scenes(windows: list[Subject]) -> tuple[list[Scene], float]:
    """The scenes, and the CPU seconds of making them."""
    begun = time.process_time()
    return [Scene([subject], RULES) for subject in windows], time.process_time() - begun


if __name__ == "__main__":
    main()
