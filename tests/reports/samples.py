"""Windows with row samples, and references that keep rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from monitor.core.evaluate import Subject
from monitor.core.profile import Profile, RowSample
from monitor.core.reference import WINDOW_START, Reference
from monitor.core.results import Account
from monitor.core.rules import DriftRules, DriftTest, Model
from monitor.core.schema import CategoricalValues, NumericValues, Values
from monitor.reports import Limits, Worker
from tests.core.judged import RULES, grid_for, key_of, reference_of
from tests.core.profile_batches import batch_of

Data = Mapping[str, Values]
QUICK = Limits(seconds=20.0, idle_seconds=30.0)


def data(rng: np.random.Generator, rows: int, *, shift: float = 0.0, together: bool = True) -> dict[str, Values]:
    """Two numbers that go together (or no longer do), and a category."""
    x = rng.normal(shift, 1.0, rows)
    y = x + rng.normal(0.0, 0.3, rows)
    return {
        "x": NumericValues(values=x),
        "y": NumericValues(values=y if together else rng.permutation(y)),
        "c": CategoricalValues(codes=rng.integers(0, 3, rows).astype(np.int32), dictionary=("a", "b", "c")),
    }


def kept(reference: Reference, rows: Data, *, windows: int = 1) -> Reference:
    """The reference with these rows kept, spread over so many windows."""
    size = len(batch_of(dict(rows)).offsets)
    starts = NumericValues(values=np.arange(size, dtype=np.float64) % windows)
    columns = tuple(sorted((*reference.grid.columns, WINDOW_START)))
    sample = RowSample(columns=columns, size=size).fold(batch_of({**rows, WINDOW_START: starts}), 0)
    return replace(reference, sample=sample)


def subject(reference_rows: Data, window_rows: Data, *, keep: bool = True, windows: int = 1, sample_rows: int = 200) -> Subject:
    """A window beside a reference of these rows."""
    grid = grid_for([reference_rows])
    reference = reference_of([reference_rows], with_windows=False, grid=grid)
    profile = Profile.empty(grid, sample_rows=sample_rows)
    profile.fold(batch_of(dict(window_rows)), topic_seed=1)
    return Subject(key=key_of(), account=Account(counted=profile.rows), profile=profile, known_versions=("1",),
                   reference=kept(reference, reference_rows, windows=windows) if keep else reference)


def asking(*tests: DriftTest, domain_classifier: bool = False) -> Model:
    return replace(RULES, drift=DriftRules(tests=tests, domain_classifier=domain_classifier))


@contextmanager
def a_worker(folder: Path | None = None, limits: Limits = QUICK, **variables: str) -> Iterator[Worker]:
    """A worker, ended after the block. ``folder``: first on its path."""
    more = {} if folder is None else {"PYTHONPATH": str(folder)}
    worker = Worker(limits, {**more, **variables})
    try:
        yield worker
    finally:
        worker.close()
