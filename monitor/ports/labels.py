"""Labels: predictions that wait for them, and the rounds in which they are joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from monitor.core.incidents import Incident, IncidentEvent
from monitor.core.labels.labels import Joined, Labels, Matches
from monitor.core.labels.predicted import Predicted
from monitor.core.results import Result, WindowKey
from monitor.core.retraining import Retraining, RetrainingChange
from monitor.core.schema import Flags, Hashes, rfc3339
from monitor.ports.judging import AskedAfter, Message


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class KeptKey:
    """The predictions of one version in one window."""

    start: datetime
    end: datetime
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptWindow:
    """A settled window: its predictions are sorted by id and joined with every label since.

    ``rows``: its predictions; ``labelled``: those with a label. ``changes``: how many labels were applied, corrections too;
    ``judged_changes``: how many of them the last revision of its results knew (None: none was written).
    """

    key: KeptKey
    rows: int
    labelled: int
    changes: int
    judged_changes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLabels:
    """A stored chunk of labels. ``fresh``: not looked for in every settled window yet; else it waits for others to be settled.

    ``damage``: why its ``lost`` labels cannot be read; then ``labels`` are none.
    """

    number: int
    labels: Labels
    fresh: bool
    lost: int = 0
    damage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelAccount:
    """Where every label went: ``received = matched + revised + repeated + expired + waiting``.

    ``matched``: the first of a prediction; ``revised``: it replaced an earlier one of another value; ``repeated``: it changed nothing;
    ``expired``: its prediction never came, or was no longer waited for. ``waiting``: for a prediction.
    ``unlabelled``: predictions whose label never came within ``label_delay``.
    """

    matched: int = 0
    revised: int = 0
    repeated: int = 0
    expired: int = 0
    waiting: int = 0
    unlabelled: int = 0

    @property
    def received(self) -> int:
        """The sum of the parts that are labels, by definition."""
        return self.matched + self.revised + self.repeated + self.expired + self.waiting

    def __add__(self, other: LabelAccount) -> LabelAccount:
        return LabelAccount(
            matched=self.matched + other.matched,
            revised=self.revised + other.revised,
            repeated=self.repeated + other.repeated,
            expired=self.expired + other.expired,
            waiting=self.waiting + other.waiting,
            unlabelled=self.unlabelled + other.unlabelled,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a round adds to a settled window. ``have``: which of its rows have a label from then on, shape (n,).

    ``labelled`` and ``changes`` replace those of the stored window.
    """

    key: KeptKey
    matches: Matches
    have: Flags
    labelled: int
    changes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """How a window's labels came in over time, and its metrics on the way; ``document`` is JSON (``core/labels/maturity``)."""

    key: KeptKey
    document: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The mergeable counts of one window and segment, packed (``core/performance``)."""

    key: WindowKey
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """How many label changes of a settled window a revision takes in: ``changes`` instead of ``before``."""

    key: KeptKey
    before: int | None
    changes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What labels make of windows of one start that were judged before: written in one transaction.

    By compare-and-set on ``known`` and on the incident. ``results`` bear revisions of their own; the rest as in
    ``Judgement``. ``tallies`` replace what was stored of the same window and segment.
    """

    model: str
    start: datetime
    known: tuple[Known, ...]
    results: tuple[Result, ...] = ()
    tallies: tuple[Tally, ...] = ()
    opened: Incident | None = None
    incident: Incident | None = None
    events: tuple[IncidentEvent, ...] = ()
    retraining: Retraining | None = None
    given_up: RetrainingChange | None = None
    asked_after: AskedAfter | None = None
    messages: tuple[Message, ...] = ()
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRound:
    """What one round of joining comes to: written in one transaction, by compare-and-set on ``number``.

    ``settled``: windows that were sealed since, with all their predictions sorted by id: where there are some, every chunk that waits
    becomes fresh again. ``consumed``: chunks of labels that are done
    with; ``waiting``: what of them still waits. ``dropped``: windows that wait no longer, with all that is kept of them.
    ``account``: what is added to the model's; its ``waiting`` and that of the sums are taken from what waits, not added up.
    """

    model: str
    number: int
    settled: tuple[tuple[KeptKey, Predicted], ...] = ()
    applied: tuple[Applied, ...] = ()
    consumed: tuple[int, ...] = ()
    waiting: Labels | None = None
    dropped: tuple[KeptKey, ...] = ()
    curves: tuple[Curve, ...] = ()
    account: LabelAccount = field(default_factory=LabelAccount)

    def check_sealed(self, until: datetime | None) -> None:
        """Raises ValueError where a window is settled that may get more predictions: a fault of the program."""
        for key, _ in self.settled:
            if until is None or key.end > until:
                raise ValueError(f"{self.model}: the window that ends at {rfc3339(key.end)} is not sealed, so it cannot be settled")


class LabelStore(Protocol):
    """What joining labels needs of the store. All of it is of one model; lists are ordered by key or number.

    Raises DecodeError where stored bytes are damaged.
    """

    def join_number(self, model: str) -> int:
        """How many rounds were written."""

    def unsettled(self, model: str, until: datetime) -> Sequence[KeptKey]:
        """Windows with predictions that were written by checkpoints and not settled yet, that end at or before then."""

    def kept_chunks(self, model: str, key: KeptKey) -> Sequence[Predicted]:
        """The predictions of a window as checkpoints wrote them, in that order; of a settled one a single chunk, sorted by id."""

    def settled(self, model: str, until: datetime | None = None) -> Sequence[KeptWindow]:
        """Every settled window (that ends at or before then), without its rows."""

    def unrevised(self, model: str) -> Sequence[KeptWindow]:
        """Settled windows that have labels which no revision of their results knows."""

    def settled_ids(self, model: str, key: KeptKey) -> Hashes:
        """The ids of a settled window, ascending; nothing else of it is read. Empty where it is not there (any more)."""

    def settled_flags(self, model: str) -> Mapping[KeptKey, bytes]:
        """Which rows of each settled window have a label, packed (``core/labels/packing``): a bit a row."""

    def matches(self, model: str, key: KeptKey, ids: Hashes) -> Matches:
        """Every label that was applied to a settled window so far; ``ids``: the window's."""

    def label_chunks(self, model: str, *, fresh: bool, most: int) -> Sequence[StoredLabels]:
        """The oldest chunks that together hold at most ``most`` labels, but at least one chunk. Damage of one is told in it."""

    def fresh_numbers(self, model: str) -> tuple[int, int] | None:
        """The numbers of the oldest and of the newest fresh chunk of labels; None where there is none."""

    def joined(self, model: str, key: KeptKey) -> Joined | None:
        """A settled window's predictions with their labels as they stand; None where it is not there (any more)."""

    def record_join(self, done: JoinRound) -> bool:
        """One transaction. False: another replica wrote a round first, or a window that is settled has other predictions than these
        (they were read before it was sealed); nothing written."""

    def curves(self, model: str, newest: int) -> Sequence[Curve]:
        """How labels came in for the last windows that wait no longer, oldest first."""

    def window_results(self, model: str, start: datetime) -> Sequence[Result]:
        """The latest revision of every result of the windows that start then."""

    def record_revision(self, revision: Revision) -> bool:
        """One transaction. False: another replica was first, or a person changed the incident meanwhile; nothing written."""

    def tallies(self, model: str, since: datetime | None = None, *, segment: str | None = None) -> Sequence[Tally]:
        """The counts of windows that start at or after then, of one segment (None: of all), ordered by key."""

    def label_account(self, model: str) -> LabelAccount:
        """The sums of all rounds; ``waiting`` counts what is in the store, fresh chunks included."""
