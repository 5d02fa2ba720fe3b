"""Builds a reference from a file in two passes: the first derives the grid, the second counts every row on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from monitor import __version__
from monitor.core.profile import Grid, NumericGrid, Profile
from monitor.core.profile.sample import splitmix64
from monitor.core.reference import ANY_VERSION, Baseline, Reference
from monitor.core.rules import Model, StreamKind
from monitor.core.schema import MICROSECOND, Batch, Flags, Kind, Role, from_micros, rfc3339
from monitor.core.windows import window_starts
from monitor.errors import UsageError
from monitor.formats.times import NO_TIME
from monitor.references.files import File
from monitor.references.rows import Chunk, Wanted
from monitor.references.survey import Survey

MAX_WINDOWS = 2000  # windows of the reference that are profiled apart; of more, those with the smallest hashes of their start
CUT = 0.05  # of a window without rows at its outer end, beyond what is usual: it is not whole
USUAL_GAP = 0.9  # the quantile of the other windows' gaps that is usual
FEWEST_TO_COMPARE = 4  # windows from which a usual gap can be told
MIN_WINDOWS = 2  # leave-one-out needs a rest

Progress = Callable[[int, int | None], None]
"""How much is done, of how much where that is known; bytes or rows over both passes."""


def build_reference(
    path: Path,
    model: Model,
    *,
    version: str = ANY_VERSION,
    time_column: str | None = None,
    grid: Grid | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Reference:
    """Count a file as the reference of a model version. ``grid``: the version's first one, kept while the columns are the same.

    Without ``time_column`` the name that the predictions stream maps is used where the file has it; without any there is no
    baseline. Of a file with the mapped version column only the rows of ``version`` count, all for "*". Raises UsageError.
    """
    file = File(path)
    wanted = _wanted(file, model, version, time_column)
    derived = grid is None or not _fits(grid, wanted.columns)
    if grid is None or derived:
        survey = Survey(wanted.columns)
        for chunk in file.chunks(wanted):
            survey.add(_of_version(chunk.batch, version, wanted))
            progress(chunk.done, 2 * chunk.total)
        grid = survey.grid()
    count = Count(model, grid)
    for chunk in file.chunks(wanted):
        count.add(_of_version(chunk.batch, version, wanted))
        _tell(progress, chunk, derived)
    count.check(path, version, wanted)
    return Reference(
        model=model.name,
        version=version,
        grid=grid,
        profile=count.total,
        baseline=count.baseline(),
        provenance=_provenance(file, wanted, count),
        window=model.window,
    )


def _fits(grid: Grid, kinds: Mapping[str, Kind]) -> bool:
    """Whether a grid has these columns: numbers are binned by edges, all else by categories."""
    if set(grid.columns) != set(kinds):
        return False
    return all(isinstance(grid.columns[name], NumericGrid) == (kind is Kind.NUMERIC) for name, kind in kinds.items())


def _tell(progress: Progress, chunk: Chunk, second: bool) -> None:
    passes = 2 if second else 1
    progress((passes - 1) * chunk.total + chunk.done, passes * chunk.total)


def _wanted(file: File, model: Model, version: str, time_column: str | None) -> Wanted:
    names = file.names()
    columns = {column.name: column.kind for column in model.columns if column.name in names or column.role is not Role.LABEL}
    missing = [name for name in (*columns, *([time_column] if time_column else [])) if name not in names]
    if missing:
        lacking = ", ".join(map(repr, missing))
        raise UsageError(f"{file.path}: no column {lacking}, which model {model.name!r} needs; it has {sorted(names)}")
    if not columns:
        raise UsageError(f"{file.path}: model {model.name!r} has no column to watch in it: name them in columns:; it has {sorted(names)}")
    time, versions = _mapped(model)
    return Wanted(
        columns=columns,
        time=time_column or (time if time in names else None),
        version=versions if version != ANY_VERSION and versions in names else None,
    )


def _mapped(model: Model) -> tuple[str, str]:
    """The last segments of the paths of time and version in the predictions stream, empty where not mapped."""
    for stream in model.streams:
        if stream.kind is StreamKind.PREDICTIONS:
            return stream.time.rpartition(".")[2], stream.version.rpartition(".")[2]
    return "", ""


def _of_version(batch: Batch, version: str, wanted: Wanted) -> Batch:
    if wanted.version is None or batch.versions is None:
        return batch
    code = batch.versions.dictionary.index(version) if version in batch.versions.dictionary else None
    chosen: Flags = np.zeros(len(batch), dtype=np.bool_) if code is None else batch.versions.codes == code
    return batch.take(chosen)


class Count:
    """The second pass: every row in ``total``, and apart by window where it has a time."""

    def __init__(self, model: Model, grid: Grid) -> None:
        self._model = model
        self._windows: dict[int, Profile] = {}
        self._spans: dict[int, tuple[int, int]] = {}  # first and last row of each window, µs
        self._limit = 2**64  # hashes of window starts from here on are left out
        self.total = Profile.empty(grid)
        self.first: int | None = None
        self.last: int | None = None
        self.untimed = 0

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        self.total.fold(batch)
        timed = batch.times != NO_TIME
        self.untimed += len(batch) - int(np.count_nonzero(timed))
        if not timed.any():
            return
        part = batch if timed.all() else batch.take(timed)
        first, last = int(part.times.min()), int(part.times.max())
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)
        starts = window_starts(part.times, self._model.window)
        for start in np.unique(starts).tolist():
            self._fold_window(start, part, starts == start)

    def _fold_window(self, start: int, batch: Batch, rows: Flags) -> None:
        if _hash(start) >= self._limit:
            return
        times = batch.times[rows]
        first, last = self._spans.get(start, (int(times[0]), int(times[0])))
        self._spans[start] = min(first, int(times.min())), max(last, int(times.max()))
        profile = self._windows.setdefault(start, Profile.empty(self.total.grid))
        profile.fold(batch.take(rows))
        if len(self._windows) > MAX_WINDOWS:
            largest = max(self._windows, key=_hash)
            self._limit = _hash(largest)
            del self._windows[largest], self._spans[largest]

    def check(self, path: Path, version: str, wanted: Wanted) -> None:
        """Raises UsageError where nothing could be counted."""
        if not self.total.rows:
            rows = "rows" if wanted.version is None else f"rows with {wanted.version} = {version!r}"
            raise UsageError(f"{path}: no {rows} in the file")
        if wanted.time is not None and self.first is None:
            raise UsageError(f"{path}: no time could be read in column {wanted.time!r}: expected RFC 3339 or epoch s, ms, µs or ns")

    def baseline(self) -> Baseline | None:
        """How the windows differ from the rest; None without at least two."""
        starts = whole_windows(self._spans, self._model.window)
        if len(starts) < MIN_WINDOWS:
            return None
        from monitor.core.drift.calibration import build_baseline
        from monitor.core.drift.multivariate import learn_together

        windows = [self._windows[start] for start in starts]
        names = {column.name for column in self._model.columns if column.role is not Role.LABEL} or self.total.columns.keys()
        baseline = build_baseline(windows, self.total, [from_micros(start) for start in starts])
        return replace(baseline, together=learn_together(windows, self.total, names))


def whole_windows(spans: Mapping[int, tuple[int, int]], window: timedelta) -> list[int]:
    """The starts of the windows, ascending, without a first or last one that the data cuts.

    ``spans``: first and last row by start of the window, µs. A window is cut where its rows begin much later, or end much earlier, than
    nearly all others' do: half a day in a reference of days would be an odd day, and blind a column.
    """
    starts = sorted(spans)
    if len(starts) < FEWEST_TO_COMPARE:
        return starts
    length = window // MICROSECOND
    early = [spans[start][0] - start for start in starts]
    late = [start + length - spans[start][1] for start in starts]
    slack = CUT * length
    cut_first = early[0] > float(np.quantile(early[1:], USUAL_GAP)) + slack
    cut_last = late[-1] > float(np.quantile(late[:-1], USUAL_GAP)) + slack
    return starts[int(cut_first) : len(starts) - int(cut_last)]


def _hash(start: int) -> int:
    return int(splitmix64(0, np.array([start]))[0])


def _provenance(file: File, wanted: Wanted, count: Count) -> dict[str, object]:
    times = None if count.first is None or count.last is None else [rfc3339(from_micros(count.first)), rfc3339(from_micros(count.last))]
    return {
        "file": file.path.name,
        "sha256": file.sha256(),
        "rows": count.total.rows,
        "columns": sorted(wanted.columns),
        "time_column": wanted.time,
        "time_range": times,
        "rows_without_time": count.untimed if wanted.time is not None else None,
        "driftd": __version__,
    }
