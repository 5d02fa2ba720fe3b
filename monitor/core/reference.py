"""References: the profiles that windows are compared with, as immutable documents with a hash."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np

from monitor.core.performance.part import PerformancePart
from monitor.core.profile import Grid, NumericGrid, NumericProfile, Profile, RowSample, canonical
from monitor.core.profile.grid import grid_of
from monitor.core.profile.profile import profile_of
from monitor.core.schema import MICROSECOND, Floats, rfc3339
from monitor.errors import DecodeError

FORMAT = 1  # of the document; a program reads only the formats it knows
ANY_VERSION = "*"
WINDOW_START = "(window start)"
"""The column of a reference's row sample that tells the window of each row: the epoch seconds of its start, null without a time."""
SEASONS = frozenset(map(str, range(24)))  # names of seasons of any cycle


class Source(StrEnum):
    """What a reference is made of; ``kind`` in its provenance, where a file is not named."""

    FILE = "file"
    SAMPLES = "samples"  # a grid fitted to row samples: nothing is judged by it
    ROLLING = "rolling"
    SEASONAL = "seasonal"
    PREVIOUS = "previous"
    CANARY = "canary"
    BOOTSTRAPPED = "bootstrapped"  # of the first windows of a version that had none
    ACCEPTED = "accepted"  # of the windows of an incident that a person called expected


def source_of(provenance: Mapping[str, object]) -> str:
    """What a reference is made of, by its provenance."""
    return str(provenance.get("kind", Source.FILE))


Series = Mapping[str, Mapping[str, tuple[float, ...]]]


class Cycle(StrEnum):
    """What comes round: the seasons of ``hour`` are the 24 of a day, those of ``weekday`` the 7 of a week, in UTC."""

    HOUR = "hour"
    WEEKDAY = "weekday"


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """A column's counts per bin over the reference's windows of one season, shape (k,), as in ``drift.base.Side``."""

    windows: int
    counts: tuple[int, ...]

    @property
    def shares(self) -> Floats:
        """The share of each bin, shape (k,)."""
        counts = np.array(self.counts, dtype=np.float64)
        shares: Floats = counts / counts.sum()
        return shares


Rhythm = Mapping[Cycle, Mapping[int, Season]]
"""By cycle and number of the season; empty where a column is compared with the whole reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """How badly principal components rebuild the reference's windows, leave-one-out.

    ``errors``: in standard deviations, one per window, over these numeric ``columns``.
    """

    columns: tuple[str, ...]
    errors: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """How the reference's own windows differ from the rest of it, leave-one-out; tuples have one entry per window.

    ``distances``: by column and metric ("ks": D on the bins, numeric; "tvd": total variation, categorical).
    ``shares``: by column and kind ("null", "non_finite", "wrong_type", "unseen", "out_of_range", "same_value"); a document of an
    older driftd lacks the kinds that came later.
    ``rhythm``: by column, those that have one. ``freaks``: when windows began that were odd in several columns at once; they have no
    distances. What is empty is no part of the document.
    """

    window_rows: tuple[int, ...]
    distances: Series
    shares: Series
    together: Together | None = None
    rhythm: Mapping[str, Rhythm] = field(default_factory=dict)
    freaks: tuple[datetime, ...] = ()

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        together = None if self.together is None else {"columns": list(self.together.columns), "errors": list(self.together.errors)}
        return {
            "window_rows": list(self.window_rows),
            "distances": _lists(self.distances),
            "shares": _lists(self.shares),
            **({} if together is None else {"together": together}),
            **({"rhythm": {name: _written(rhythm) for name, rhythm in self.rhythm.items()}} if self.rhythm else {}),
            **({"freaks": [rfc3339(start) for start in self.freaks]} if self.freaks else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentPart:
    """What the reference says of one segment: its rows, on the reference's grid, how its windows differ from the rest of them, and how
    well the model did on it, where labels tell."""

    profile: Profile
    baseline: Baseline | None = None
    performance: PerformancePart | None = None

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        performance = {} if self.performance is None else {"performance": self.performance.document()}
        return performance | {
            "profile": self.profile.document(), "baseline": None if self.baseline is None else self.baseline.document(),
        }


Segments = Mapping[str, Mapping[str, SegmentPart]]
"""By segment column and value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A profile to compare with. ``number`` is given by the store and is no part of the content.

    ``window`` is the length of the windows that ``baseline`` was made from; ``provenance`` holds JSON values only.
    ``whole`` is set where this is one segment's part of a reference: the hash of all of it, which is this one's hash too. Raw rows are
    kept only where asked for: ``sample``, whose column ``WINDOW_START`` tells the window of each row. ``performance``: how well the model
    did, where the rows have labels.
    """

    model: str
    version: str = ANY_VERSION
    number: int = 0
    grid: Grid
    profile: Profile
    baseline: Baseline | None = None
    provenance: Mapping[str, object] = field(default_factory=dict)
    window: timedelta
    segments: Segments = field(default_factory=dict)
    whole: str = ""
    sample: RowSample | None = None
    performance: PerformancePart | None = None
    hash: str = field(init=False)

    def __post_init__(self) -> None:
        if any(profile.grid != self.grid for profile in (self.profile, *_profiles(self.segments))):
            raise ValueError(f"profile on grid {self.profile.grid.hash[:12]} does not fit a reference on {self.grid.hash[:12]}")
        object.__setattr__(self, "profile", self.profile.without_sample())
        object.__setattr__(self, "hash", self.whole or canonical.digest(self.content()))

    def of_segment(self, column: str, value: str) -> Reference | None:
        """The part of one segment as a reference of its own, under the hash of the whole; None where there is none."""
        part = self.segments.get(column, {}).get(value)
        if part is None:
            return None
        performance = part.performance
        if performance is not None and performance.estimator is None and self.performance is not None:
            performance = replace(performance, estimator=self.performance.estimator)  # what a score is worth is learned from all rows
        return replace(self, profile=part.profile, baseline=part.baseline, segments={}, sample=None, performance=performance,
                       whole=self.hash)

    def content(self) -> dict[str, object]:
        """What the hash covers, as plain JSON values. Without segments, a sample or labels there is no word of them: such documents keep
        their hash."""
        segments = {} if not self.segments else {"segments": _documents(self.segments)}
        sample = {} if self.sample is None else {"sample": self.sample.document()}
        performance = {} if self.performance is None else {"performance": self.performance.document()}
        return segments | sample | performance | {
            "format": FORMAT,
            "model": self.model,
            "version": self.version,
            "window_microseconds": self.window // MICROSECOND,
            "grid": self.grid.document(),
            "profile": self.profile.document(),
            "baseline": None if self.baseline is None else self.baseline.document(),
            "provenance": dict(self.provenance),
        }

    def to_json(self) -> str:
        """The document for people, diffs and stores: sorted keys, one content one text, its hash inside."""
        return canonical.readable({**self.content(), "hash": self.hash})

    @staticmethod
    def from_json(text: str) -> Reference:
        """Raises DecodeError naming what is wrong: no JSON, another format, a field, or a content that its hash does not fit."""
        fields = canonical.parse(text, "reference")
        if fields.whole("format") != FORMAT:
            raise fields.fault("format", f"{FORMAT}: this document was written by another version of driftd")
        grid = grid_of(fields.part("grid"))
        reference = Reference(
            model=fields.text("model"),
            version=fields.text("version"),
            grid=grid,
            profile=profile_of(fields.part("profile"), grid),
            baseline=_baseline(fields.part("baseline"), grid) if fields.has("baseline") else None,
            provenance=fields.part("provenance").raw(),
            window=fields.whole("window_microseconds", least=1) * MICROSECOND,
            segments=_segments(fields.part("segments"), grid) if fields.has("segments") else {},
            sample=RowSample.of(fields.part("sample")) if fields.has("sample") else None,
            performance=PerformancePart.of(fields.part("performance")) if fields.has("performance") else None,
        )
        stated = fields.text("hash")
        if stated != reference.hash:
            raise DecodeError(f"reference.hash: {stated[:12]} does not fit the content ({reference.hash[:12]}): it was changed")
        return reference


def _profiles(segments: Segments) -> Iterator[Profile]:
    return (part.profile for parts in segments.values() for part in parts.values())


def _documents(segments: Segments) -> dict[str, dict[str, object]]:
    return {column: {value: part.document() for value, part in parts.items()} for column, parts in segments.items()}


def _segments(fields: canonical.Fields, grid: Grid) -> dict[str, dict[str, SegmentPart]]:
    found: dict[str, dict[str, SegmentPart]] = {}
    for column in fields.raw():
        parts = fields.part(column)
        found[column] = {value: _part(parts.part(value), grid) for value in parts.raw()}
    return found


def _part(fields: canonical.Fields, grid: Grid) -> SegmentPart:
    baseline = _baseline(fields.part("baseline"), grid) if fields.has("baseline") else None
    performance = PerformancePart.of(fields.part("performance")) if fields.has("performance") else None
    return SegmentPart(profile=profile_of(fields.part("profile"), grid), baseline=baseline, performance=performance)


def _lists(series: Series) -> dict[str, dict[str, list[float]]]:
    return {column: {name: list(values) for name, values in named.items()} for column, named in series.items()}


def _baseline(fields: canonical.Fields, grid: Grid) -> Baseline:
    sizes = {name: column.bins if isinstance(column, NumericGrid) else len(column.categories) + 1 for name, column in grid.columns.items()}
    return Baseline(
        window_rows=tuple(fields.wholes("window_rows").tolist()),
        distances=_series(fields.part("distances")),
        shares=_series(fields.part("shares")),
        together=_together(fields.part("together")) if fields.has("together") else None,
        rhythm=_rhythm(fields.part("rhythm"), sizes) if fields.has("rhythm") else {},
        freaks=_freaks(fields) if fields.has("freaks") else (),
    )


def _written(rhythm: Rhythm) -> dict[str, dict[str, dict[str, object]]]:
    return {
        str(cycle): {str(at): {"windows": season.windows, "counts": list(season.counts)} for at, season in seasons.items()}
        for cycle, seasons in rhythm.items()
    }


def _rhythm(fields: canonical.Fields, sizes: Mapping[str, int]) -> dict[str, Rhythm]:
    found: dict[str, Rhythm] = {}
    for name in fields.keys():  # noqa: SIM118 - Fields is no mapping
        if name not in sizes:
            raise fields.fault(name, f"one of the columns {sorted(sizes)}")
        cycles = fields.part(name)
        found[name] = {_cycle(cycles, text): _seasons(cycles.part(text), sizes[name]) for text in cycles.raw()}
    return found


def _cycle(fields: canonical.Fields, text: str) -> Cycle:
    if text not in set(Cycle):
        raise fields.fault(text, f"one of {sorted(map(str, Cycle))} as its name")
    return Cycle(text)


def _seasons(fields: canonical.Fields, size: int) -> dict[int, Season]:
    found: dict[int, Season] = {}
    for text in fields.raw():
        if text not in SEASONS:
            raise fields.fault(text, "the number of a season as its name")
        season = fields.part(text)
        counts = season.wholes("counts", size)
        if not counts.any():
            raise season.fault("counts", "at least one row")
        found[int(text)] = Season(windows=season.whole("windows", least=1), counts=tuple(counts.tolist()))
    return found


def _freaks(fields: canonical.Fields) -> tuple[datetime, ...]:
    try:
        return tuple(datetime.fromisoformat(text) for text in fields.texts("freaks"))
    except ValueError as error:
        raise fields.fault("freaks", "RFC 3339 times") from error


def _together(fields: canonical.Fields) -> Together:
    return Together(columns=fields.texts("columns"), errors=tuple(fields.reals("errors").tolist()))


def _series(fields: canonical.Fields) -> dict[str, dict[str, tuple[float, ...]]]:
    found: dict[str, dict[str, tuple[float, ...]]] = {}
    for column in fields.raw():
        named = fields.part(column)
        found[column] = {name: tuple(named.reals(name).tolist()) for name in named.raw()}
    return found


def difference(old: Reference, new: Reference) -> list[str]:
    """What a person would want to know of two references, one line each; empty when their profiles are the same."""
    lines = []
    for place in ("version", "window"):
        before, after = getattr(old, place), getattr(new, place)
        if before != after:
            lines.append(f"{place}: {before} → {after}")
    if old.grid != new.grid:
        lines.append(f"grid: {old.grid.hash[:12]} → {new.grid.hash[:12]}")
    if old.profile.rows != new.profile.rows:
        lines.append(f"rows: {old.profile.rows} → {new.profile.rows}")
    before, after = (0 if reference.sample is None else len(reference.sample.rows) for reference in (old, new))
    if before != after:
        lines.append(f"rows kept as they are: {before} → {after}")
    before, after = (0 if reference.performance is None else reference.performance.tally.usable for reference in (old, new))
    if before != after:
        lines.append(f"labelled rows: {before} → {after}")
    for name in sorted({*old.profile.columns, *new.profile.columns}):
        lines += _column_difference(name, _facts(old.profile, name), _facts(new.profile, name))
    for column in sorted({*old.segments, *new.segments}):
        lines += _segment_difference(column, old.segments.get(column, {}), new.segments.get(column, {}))
    for key in sorted({*old.provenance, *new.provenance}):
        before, after = old.provenance.get(key), new.provenance.get(key)
        if before != after:
            lines.append(f"provenance.{key}: {json.dumps(before)} → {json.dumps(after)}")
    return lines


def _segment_difference(column: str, old: Mapping[str, SegmentPart], new: Mapping[str, SegmentPart]) -> list[str]:
    before, after = ({value: part.profile.rows for value, part in parts.items()} for parts in (old, new))
    changed = [value for value in sorted({*before, *after}) if before.get(value) != after.get(value)]
    return [f"segment {column}={value}: rows {before.get(value, 0)} → {after.get(value, 0)}" for value in changed]


def _column_difference(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    if not old or not new:
        return [f"{name}: {'added' if new else 'removed'}"]
    changes = [f"{fact} {old.get(fact, '–')} → {new.get(fact, '–')}" for fact in {**old, **new} if old.get(fact) != new.get(fact)]
    return [f"{name}: {', '.join(changes)}"] if changes else []


def _facts(profile: Profile, name: str) -> dict[str, str]:
    column = profile.columns.get(name)
    if column is None:
        return {}
    total = max(column.total, 1)
    facts = {"null": f"{column.null / total:.2%}"}
    if isinstance(column, NumericProfile):
        return {**facts, **{fact: _short(getattr(column, fact)) for fact in ("mean", "std", "min", "max")}}
    return {**facts, "categories": str(len(column.grid.categories) + column.new.distinct)}


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"
