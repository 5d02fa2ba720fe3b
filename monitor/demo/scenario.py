"""What the demo tells: which months are learned from, which are produced, and the week in which a pipeline breaks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MODEL = "flight-delay"
MODEL_VERSION = "2013-03"
NEW_VERSION = "2013-05"
"""What the trainer makes when it is asked to."""

PREDICTIONS_TOPIC = "flight.predictions"
LABELS_TOPIC = "flight.labels"
LATE_AFTER_MINUTES = 15
"""A flight arrives late when it lands more than this many minutes after its schedule."""

NUMERIC_FEATURES = ("dep_delay", "distance", "hour")
CATEGORICAL_FEATURES = ("carrier", "origin", "dest")
METRICS = ("roc_auc", "log_loss")
"""What the model is judged by, once its flights have landed."""

FEATURES = NUMERIC_FEATURES + CATEGORICAL_FEATURES

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """``column`` arrives multiplied by ``factor`` from ``start`` until ``end`` (aware UTC), before the model sees it."""

    column: str
    factor: float
    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError(f"a fault ends after it starts, not from {self.start} to {self.end}")

    @property
    def words(self) -> str:
        """What the incident is to say of it."""
        return f"about ×{self.factor:g} (unit change)"


@dataclass(frozen=True, slots=True, kw_only=True)
class RealEvent:
    """Something that happened in 2013 and shows in the data; nobody injected it. ``days``: how long it lasted."""

    day: datetime
    what: str
    days: int = 1

    @property
    def last(self) -> datetime:
        """The last of its days."""
        return self.day + DAY * (self.days - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """All times are aware UTC and fall on midnight.

    ``reference_start`` to ``start`` is the training time, ``start`` to ``end`` is produced. ``overrun`` is produced beyond
    ``end`` so that the watermark passes the end of the last whole day in every partition. ``real_events`` explain alerts.
    ``go_live``: from then on a new version, if there is one, predicts every second flight; the flights' time waits for it.
    """

    reference_start: datetime
    start: datetime
    end: datetime
    fault: Fault | None
    real_events: tuple[RealEvent, ...] = ()
    go_live: datetime | None = None
    overrun: timedelta = timedelta(hours=4)

    def __post_init__(self) -> None:
        if not self.reference_start < self.start < self.end:
            raise ValueError(f"a scenario runs forward, not {self.reference_start}, {self.start}, {self.end}")

    @property
    def days(self) -> int:
        """How many whole days are produced."""
        return (self.end - self.start) // DAY

    @property
    def produce_until(self) -> datetime:
        """The end of what goes to Kafka."""
        return self.end + self.overrun

    @property
    def switch(self) -> datetime:
        """From when on a new version may predict; the end where none is planned."""
        return self.go_live or self.produce_until

    def fault_days(self) -> frozenset[datetime]:
        """The starts of the daily windows that hold faulty rows."""
        if self.fault is None:
            return frozenset()
        return frozenset(start for start in self.day_starts() if start < self.fault.end and start + DAY > self.fault.start)

    def day_starts(self) -> tuple[datetime, ...]:
        """The starts of the produced daily windows."""
        return tuple(self.start + DAY * n for n in range(self.days))


def flights_of_spring(*, fault: bool = True) -> Scenario:
    """Trained on January and February of 2013; March to mid-May are produced; dep_delay arrives in seconds for one week of April."""
    return Scenario(
        reference_start=datetime(2013, 1, 2, tzinfo=UTC),
        start=datetime(2013, 3, 1, tzinfo=UTC),
        end=datetime(2013, 5, 19, tzinfo=UTC),
        go_live=datetime(2013, 5, 1, tzinfo=UTC),
        fault=Fault(
            column="dep_delay",
            factor=60,
            start=datetime(2013, 4, 1, tzinfo=UTC),
            end=datetime(2013, 4, 8, tzinfo=UTC),
        ) if fault else None,
        real_events=(
            RealEvent(day=datetime(2013, 3, 8, tzinfo=UTC), what="snow over New York"),
            RealEvent(day=datetime(2013, 3, 10, tzinfo=UTC), what="summer time begins, hour 19 comes twice"),
            RealEvent(day=datetime(2013, 4, 21, tzinfo=UTC), days=7, what="air-traffic controllers on furlough, flights wait on the way"),
        ),
    )
