"""What the memory store keeps about labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from monitor.core.labels.labels import Labels, Matches
from monitor.core.labels.predicted import Predicted
from monitor.core.results import WindowKey
from monitor.core.schema import Flags
from monitor.ports import Curve, KeptKey, KeptWindow, LabelAccount, StoredLabels, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A settled window with all that is kept of it. ``have``: which of its rows have a label."""

    window: KeptWindow
    rows: Predicted
    have: Flags
    matches: tuple[Matches, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLabels:
    """All about the labels of one model. ``chunks_written``: numbers the next chunk of labels."""

    number: int = 0
    chunks: Mapping[KeptKey, tuple[Predicted, ...]] = field(default_factory=dict)
    settled: Mapping[KeptKey, Settled] = field(default_factory=dict)
    labels: tuple[StoredLabels, ...] = ()
    chunks_written: int = 0
    account: LabelAccount = field(default_factory=LabelAccount)
    curves: Mapping[KeptKey, Curve] = field(default_factory=dict)
    tallies: Mapping[WindowKey, Tally] = field(default_factory=dict)

    def with_labels(self, labels: Labels, *, fresh: bool) -> ModelLabels:
        """The same with a chunk more, unless that is empty."""
        if not len(labels):
            return self
        number = self.chunks_written + 1
        return replace(self, labels=(*self.labels, StoredLabels(number=number, labels=labels, fresh=fresh)), chunks_written=number)

    def woken(self) -> ModelLabels:
        """The same with every chunk that waits fresh again."""
        return replace(self, labels=tuple(replace(chunk, fresh=True) for chunk in self.labels))

    def without(self, dropped: Sequence[KeptKey]) -> ModelLabels:
        """The same without these windows."""
        return replace(
            self,
            chunks={key: chunks for key, chunks in self.chunks.items() if key not in dropped},
            settled={key: settled for key, settled in self.settled.items() if key not in dropped},
        )


NOTHING = ModelLabels()
