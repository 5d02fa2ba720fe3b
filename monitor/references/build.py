"""Builds a reference from a file in passes: the grid and the classes, then every row, then its segments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np

from monitor import __version__
from monitor.core.profile import Grid, NumericGrid, Profile
from monitor.core.profile.extent import Extent
from monitor.core.profile.sample import splitmix64
from monitor.core.reference import ANY_VERSION, Baseline, Reference, SegmentPart
from monitor.core.rules import GivenRange, Model, StreamKind
from monitor.core.schema import MICROSECOND, Batch, Flags, Kind, Role, from_micros, rfc3339
from monitor.core.segments import frequent_values, grouped, segments_of, slots_of
from monitor.core.windows import window_starts
from monitor.errors import UsageError
from monitor.formats.times import NO_TIME
from monitor.references.estimates import TaughtRows
from monitor.references.files import File
from monitor.references.kept import KeptRows
from monitor.references.labelled import LabelledRows, SeenClasses, label_column, labelled_columns
from monitor.references.rows import Wanted
from monitor.references.survey import Survey

MAX_WINDOWS = 2000  # windows of the reference that are profiled apart; of more, those with the smallest hashes of their start
CUT = 0.05  # of a window without rows at its outer end, beyond what is usual: it is not whole
USUAL_GAP = 0.9  # the quantile of the other windows' gaps that is usual
FEWEST_TO_COMPARE = 5  # windows from which a usual gap can be told
MAX_LABELLED_WINDOWS = 200  # windows whose labelled rows are counted apart; a tally is larger than a profile
MIN_SEGMENT_WINDOWS = 10  # of each segment at least; MAX_WINDOWS are shared by all of them
MIN_WINDOWS = 2  # leave-one-out needs a rest

Progress = Callable[[int, int | None], None]
"""How much is done, of how much where that is known; bytes or rows over all passes."""


def build_reference(
    path: Path,
    model: Model,
    *,
    version: str = ANY_VERSION,
    time_column: str | None = None,
    grid: Grid | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Reference:
    """Count a file as the reference of a model version. ``grid``: the version's first one, kept while columns and ranges are the same.

    Without ``time_column`` the name that the predictions stream maps is used where the file has it; without any there is no
    baseline. Of a file with the mapped version column only the rows of ``version`` count, all for "*". Raises UsageError.
    """
    file = File(path)
    wanted = _wanted(file, model, version, time_column)
    derived = grid is None or not _fits(grid, wanted.columns, model.quality.ranges)
    labelled = labelled_columns(model, wanted)
    passes = Passes(file, wanted, version, progress, 1 + (derived or labelled is not None) + bool(model.segments))
    survey = Survey(wanted.columns, ranges=model.quality.ranges)
    seen = SeenClasses(labelled)
    for batch in passes.read() if derived or labelled is not None else ():
        seen.add(batch)
        if derived:
            survey.add(batch)
    grid = survey.grid() if grid is None or derived else grid
    count = Count(model, MAX_WINDOWS, partial(Profile.empty, grid))
    performance = LabelledRows(model, labelled, seen.found, MAX_LABELLED_WINDOWS)
    estimates = TaughtRows(model, labelled, seen.found, grid)
    kept = KeptRows(grid, model)
    for batch in passes.read():
        count.add(batch)
        performance.add(batch)
        estimates.add(batch)
        kept.add(batch)
    count.check(path, version, wanted)
    return Reference(
        model=model.name,
        version=version,
        grid=grid,
        profile=count.total,
        baseline=count.baseline(),
        provenance=_provenance(file, wanted, count),
        window=model.window,
        segments=_segments(model, count.total, passes, partial(LabelledRows, model, labelled, seen.found)),
        sample=kept.sample if kept.sample.size else None,
        performance=estimates.given_to(performance.part()),
    )


class Passes:
    """Reads the rows of a version, time and again; ``passes``: how often, for the progress."""

    def __init__(self, file: File, wanted: Wanted, version: str, progress: Progress, passes: int) -> None:
        self._file = file
        self._wanted = wanted
        self._version = version
        self._progress = progress
        self._passes = passes
        self._done = 0

    def read(self) -> Iterator[Batch]:
        """All rows once."""
        for chunk in self._file.chunks(self._wanted):
            yield _of_version(chunk.batch, self._version, self._wanted)
            self._progress(self._done * chunk.total + chunk.done, self._passes * chunk.total)
        self._done += 1


def _segments(
    model: Model, total: Profile, passes: Passes, labelled: Callable[[int], LabelledRows]
) -> dict[str, dict[str, SegmentPart]]:
    """What is kept of every segment with at least ``min_rows`` rows, on the grid of all rows."""
    own = {column: frequent_values(total, column, model) for column in model.segments}
    sharing = max(sum(len(segments_of(values)) for values in own.values()), 1)
    windows, few = (max(most // sharing, MIN_SEGMENT_WINDOWS) for most in (MAX_WINDOWS, MAX_LABELLED_WINDOWS))
    lean = partial(Profile.lean, total.grid)
    counts = {column: [(Count(model, windows, lean), labelled(few)) for _ in segments_of(values)] for column, values in own.items()}
    for batch in passes.read() if own else ():
        for column, values in own.items():
            slots = slots_of(batch.columns.get(column), len(batch), values)
            for slot, rows in grouped(slots, np.arange(len(batch))).items():
                for one in counts[column][slot]:
                    one.add(batch.take(rows))
    return {
        column: {
            value: SegmentPart(profile=count.total, baseline=count.baseline(), performance=performance.part())
            for value, (count, performance) in zip(segments_of(values), counts[column], strict=True)
            if count.total.rows >= max(model.min_rows, 1)
        }
        for column, values in own.items()
    }


def _fits(grid: Grid, kinds: Mapping[str, Kind], ranges: Mapping[str, GivenRange]) -> bool:
    """Whether a grid has these columns, numbers binned by edges, all else by categories; and the ends of the ranges."""
    if set(grid.columns) != set(kinds):
        return False
    if any(isinstance(grid.columns[name], NumericGrid) != (kind is Kind.NUMERIC) for name, kind in kinds.items()):
        return False
    asked = [(column, ranges[name]) for name, column in grid.columns.items() if name in ranges]
    return all(Extent.of(column, *range_.ends).exact for column, range_ in asked if isinstance(column, NumericGrid))


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
    label = label_column(model)
    return Wanted(
        columns=columns,
        apart={label.name: label.kind} if label is not None and label.name in names and label.name not in columns else {},
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
    """The second pass: every row in ``total``, and apart by window where it has a time (``most`` windows). ``empty`` makes profiles."""

    def __init__(self, model: Model, most: int, empty: Callable[[], Profile]) -> None:
        self._model = model
        self._most = most
        self._empty = empty
        self._windows: dict[int, Profile] = {}
        self._spans: dict[int, tuple[int, int]] = {}  # first and last row of each window, µs
        self._limit = 2**64  # hashes of window starts from here on are left out
        self.total = empty()
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
        profile = self._windows.setdefault(start, self._empty())
        profile.fold(batch.take(rows))
        if len(self._windows) > self._most:
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
