"""Mergeable counts of labelled rows: what every metric is computed from, whatever the number of rows."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import msgspec
import numpy as np

from monitor.core.labels.labels import Joined
from monitor.core.performance.binary import BinaryCounts, BinaryRows, binary_rows
from monitor.core.performance.classes import Classes, classes_of
from monitor.core.performance.multiclass import MulticlassCounts, MulticlassRows, multiclass_rows
from monitor.core.performance.odd import LABEL_ODDS, Odd, Odds, add_odds, has_value
from monitor.core.performance.regression import RegressionCounts, RegressionRows, regression_rows
from monitor.core.profile.canonical import Fields
from monitor.core.rules import PerformanceRules, Task
from monitor.errors import DecodeError

FORMAT = 1
LEVEL = 1  # zlib: fastest
MOST_UNPACKED = 1 << 28  # bytes of one tally: far above any, so that a damaged one cannot fill the memory

Counts = BinaryCounts | MulticlassCounts | RegressionCounts
Rows = BinaryRows | MulticlassRows | RegressionRows

KINDS: Mapping[Task, type[BinaryCounts] | type[MulticlassCounts] | type[RegressionCounts]] = {
    Task.BINARY: BinaryCounts, Task.MULTICLASS: MulticlassCounts, Task.REGRESSION: RegressionCounts,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Rows of one window, segment or reference. ``labelled``: those with any label; ``odds``: what could not be used of them.

    ``fault``: why the labels mean nothing, where they do not.
    """

    task: Task
    rows: int = 0
    labelled: int = 0
    odds: Odds = field(default_factory=dict)
    fault: str = ""
    counts: Counts

    @staticmethod
    def empty(task: Task) -> Tally:
        """No rows yet."""
        return Tally(task=task, counts=KINDS[task]())

    @property
    def usable(self) -> int:
        """Rows with a label that means something."""
        return self.counts.usable

    def merge(self, other: Tally) -> Tally:
        """Both together. Raises ValueError where they are of different tasks."""
        if self.task is not other.task:
            raise ValueError(f"a tally of a {other.task} model cannot be added to one of a {self.task} model")
        return Tally(
            task=self.task,
            rows=self.rows + other.rows,
            labelled=self.labelled + other.labelled,
            odds=add_odds(self.odds, other.odds),
            fault=min(filter(None, (self.fault, other.fault)), default=""),  # any of them, whatever the order
            counts=_merged(self.counts, other.counts),
        )

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        fault = {"fault": self.fault} if self.fault else {}
        odds = {"odds": {str(odd): n for odd, n in self.odds.items()}} if self.odds else {}
        return fault | odds | {
            "format": FORMAT, "task": str(self.task), "rows": self.rows, "labelled": self.labelled, "counts": self.counts.document(),
        }

    @staticmethod
    def of(fields: Fields) -> Tally:
        """Of a document. Raises DecodeError naming what is wrong."""
        if fields.whole("format") != FORMAT:
            raise fields.fault("format", f"{FORMAT}: this tally was written by another version of driftd")
        task = fields.text("task")
        if task not in set(Task):
            raise fields.fault("task", f"one of {sorted(map(str, Task))}")
        tally = Tally(
            task=Task(task),
            rows=fields.whole("rows"),
            labelled=fields.whole("labelled"),
            odds=_odds(fields.part("odds")) if fields.has("odds") else {},
            fault=fields.text("fault") if fields.has("fault") else "",
            counts=KINDS[Task(task)].read(fields.part("counts")),
        )
        if not tally.usable <= tally.labelled <= tally.rows:
            raise fields.fault("labelled", f"from {tally.usable} to {tally.rows} rows")
        return tally

    def to_bytes(self) -> bytes:
        """For SQL: MessagePack, deflated. One content, one sequence of bytes."""
        return zlib.compress(msgspec.msgpack.encode(self.document(), order="sorted"), LEVEL)

    @staticmethod
    def from_bytes(data: bytes) -> Tally:
        """Raises DecodeError."""
        try:
            inflate = zlib.decompressobj()
            unpacked = inflate.decompress(data, MOST_UNPACKED)
            if not inflate.eof or inflate.unused_data:  # only a whole stream was checked against its sum
                raise DecodeError(f"tally of {len(data)} bytes is cut off or followed by others")
            document = msgspec.msgpack.decode(unpacked)
        except (zlib.error, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DecodeError(f"tally of {len(data)} bytes cannot be read: {error}") from error
        return Tally.of(Fields(document, "tally"))


def tally_of(joined: Joined, task: Task, rules: PerformanceRules, classes: Sequence[str] = (), known: Classes | None = None) -> Tally:
    """The counts of a window's rows. ``classes``: those of the reference; ``known``: in their place, where a part of a window or of a
    reference is counted and its classes were told from all of it."""
    return tally_and_rows(joined, task, known or classes_of(joined, task, rules, classes))[0]


def tally_and_rows(joined: Joined, task: Task, classes: Classes) -> tuple[Tally, Rows]:
    """The counts, and the usable rows that they count, from which some metrics are computed exactly."""
    labelled = int(np.count_nonzero(has_value(joined.labels)))
    counts, rows, odds = _counted(joined, task, classes)
    fault = classes.fault if labelled else ""
    if fault:
        odds = {}
    return Tally(task=task, rows=len(joined), labelled=labelled, odds=odds, fault=fault, counts=counts), rows


def unusable(odds: Odds) -> int:
    """Labels that mean nothing."""
    return sum(n for odd, n in odds.items() if odd in LABEL_ODDS)


def _counted(joined: Joined, task: Task, classes: Classes) -> tuple[Counts, Rows, Odds]:
    match task:
        case Task.BINARY:
            binary, odds = binary_rows(joined, classes)
            return BinaryCounts.of(binary), binary, odds
        case Task.MULTICLASS:
            several, odds = multiclass_rows(joined, classes)
            return MulticlassCounts.of(several), several, odds
        case Task.REGRESSION:
            numbers, odds = regression_rows(joined)
            return RegressionCounts.of(numbers), numbers, odds


def _merged(one: Counts, other: Counts) -> Counts:
    match one:
        case BinaryCounts():
            return one.merge(cast(BinaryCounts, other))  # the tasks are the same
        case MulticlassCounts():
            return one.merge(cast(MulticlassCounts, other))
        case RegressionCounts():
            return one.merge(cast(RegressionCounts, other))


def _odds(fields: Fields) -> dict[Odd, int]:
    unknown = set(fields.keys()) - set(Odd)
    if unknown:
        raise fields.fault(min(unknown), f"one of {sorted(map(str, Odd))} as its name")
    return {odd: fields.whole(odd, least=1) for odd in Odd if fields.has(odd)}
