"""Columns, and a batch of rows in columnar form: what decoders make and profiles fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Flags = NDArray[np.bool_]
States = NDArray[np.uint8]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """Whole microseconds since the epoch of an aware datetime."""
    return (moment - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """The aware UTC datetime of ``micros`` since the epoch."""
    return EPOCH + timedelta(microseconds=int(micros))


def rfc3339(moment: datetime) -> str:
    """A UTC datetime as people and scripts read it: ``2013-01-01T00:00:00Z``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Kind(StrEnum):
    """How the values of a column are counted."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"


class Role(StrEnum):
    """What a column means to the model."""

    FEATURE = "feature"
    PREDICTION = "prediction"
    SCORE = "score"
    LABEL = "label"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One watched column; ``path`` is the dotted place of its value in a message."""

    name: str
    kind: Kind
    role: Role = Role.FEATURE
    path: str = ""


class State:
    """Why a value is not a value (codes of ``States``)."""

    VALUE, NULL, NAN, POS_INF, NEG_INF, WRONG_TYPE = range(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericValues:
    """Values of a numeric column, shape (n,).

    ``states`` is None on the fast path: then every NaN in ``values`` is a null and all else is a finite value.
    Otherwise ``values[i]`` counts only where ``states[i] == State.VALUE``.
    """

    values: Floats
    states: States | None = None

    def take(self, where: Flags | Ints) -> NumericValues:
        """The rows chosen by a mask or by positions."""
        return NumericValues(values=self.values[where], states=None if self.states is None else self.states[where])


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoricalValues:
    """Values of a categorical or boolean column as dictionary codes, shape (n,).

    ``codes[i]`` is a position in ``dictionary``, or ``NULL`` or ``WRONG``. Booleans use the texts "false" and "true".
    """

    codes: NDArray[np.int32]
    dictionary: tuple[str, ...]

    NULL = -1
    WRONG = -2

    def take(self, where: Flags | Ints) -> CategoricalValues:
        """The rows chosen by a mask or by positions."""
        return CategoricalValues(codes=self.codes[where], dictionary=self.dictionary)


Values = NumericValues | CategoricalValues

MOST_CLASSES = 1_000
"""So many classes have probabilities; what rows say of further ones is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Probabilities, shape (n, k): ``values[i, j]`` is that of ``classes[j]`` in row i, as it was written.

    NaN where the row gives the class none that can be read. Without any, and where it names a class beyond ``MOST_CLASSES``, all of
    the row is NaN. The classes are those of these rows, in the order in which they first came.
    """

    values: Floats
    classes: tuple[str, ...]

    def take(self, where: Flags | Ints) -> Scores:
        """The rows chosen by a mask or by positions, with all classes."""
        return Scores(values=self.values[where], classes=self.classes)


class Reason(StrEnum):
    """Why a message went to quarantine."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    NOT_UTF8 = "not_utf8"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_TIME = "missing_time"
    BAD_TIME = "bad_time"
    FUTURE_TIME = "future_time"
    ANCIENT_TIME = "ancient_time"
    MISSING_ID = "missing_id"
    MISSING_LABEL = "missing_label"
    BAD_LABEL = "bad_label"  # no class, or no number where the model predicts numbers
    UNREADABLE = "unreadable"  # the decoder itself broke on it


class Record(Protocol):
    """One message of a topic; kafka-python's ConsumerRecord satisfies it. ``timestamp`` is broker epoch milliseconds."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since the epoch, as the broker or the producer stamped it."""

    @property
    def value(self) -> bytes | None:
        """The bytes; None for a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Names and values, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One message that could not be read as a row. ``time`` and ``version`` are set where they could be read."""

    offset: int
    reason: Reason
    detail: str
    sample: bytes
    time: int | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows of one stream from one partition, in the order of their offsets. All arrays have shape (n,).

    ``times`` are microseconds since the epoch, ``ids`` 64-bit hashes (None where no id is mapped).
    ``received`` counts the messages given to the decoder: ``n + len(faults)``. ``looks``: by offset, the paths that hold something
    beside the mapped columns, of the few messages that were looked at whole; of rows that were taken out of a batch it keeps all.
    ``mapping``: a digest of what is mapped. ``scores``: None where the stream maps no probabilities of classes.
    """

    offsets: Ints
    times: Ints
    versions: CategoricalValues | None
    ids: Hashes | None
    columns: Mapping[str, Values]
    faults: tuple[Fault, ...] = field(default=())
    looks: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    mapping: str = ""
    scores: Scores | None = None

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def received(self) -> int:
        """How many messages this batch accounts for."""
        return len(self.offsets) + len(self.faults)

    def take(self, where: Flags | Ints) -> Batch:
        """The rows chosen by a mask or by positions, without the faults."""
        return Batch(
            offsets=self.offsets[where],
            times=self.times[where],
            versions=None if self.versions is None else self.versions.take(where),
            ids=None if self.ids is None else self.ids[where],
            columns={name: values.take(where) for name, values in self.columns.items()},
            looks=self.looks,
            mapping=self.mapping,
            scores=None if self.scores is None else self.scores.take(where),
        )

    def own_looks(self) -> list[tuple[str, ...]]:
        """Those of ``looks`` that are of rows of this batch, which is of one partition."""
        if not self.looks or not len(self):
            return []
        looked = np.fromiter(self.looks, dtype=np.int64, count=len(self.looks))
        at = np.minimum(np.searchsorted(self.offsets, looked), len(self) - 1)
        return [paths for paths, own in zip(self.looks.values(), (self.offsets[at] == looked).tolist(), strict=True) if own]
