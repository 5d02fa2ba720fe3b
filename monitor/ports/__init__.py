"""Protocols between the inside and the edges. The pipeline knows these, never an edge."""

from monitor.ports.checkpoint import (
    Advance,
    Checkpoint,
    CheckpointStore,
    GapEnd,
    Mark,
    NewLabels,
    Quarantined,
    SeenIds,
    StreamCount,
    WindowDelta,
)
from monitor.ports.clock import Clock
from monitor.ports.desk import RetrainingDesk
from monitor.ports.digests import DigestStore
from monitor.ports.history import HistoryStore
from monitor.ports.judging import PICTURE, RETRAINING, AskedAfter, Judgement, JudgementStore, JudgingStore, Message, Progress, StoredWindow
from monitor.ports.labels import (
    Applied,
    Curve,
    JoinRound,
    KeptKey,
    KeptWindow,
    Known,
    LabelAccount,
    LabelStore,
    Revision,
    StoredLabels,
    Tally,
)
from monitor.ports.log import Damaged, LogSource, OutOfRange, Polled, TopicPartition
from monitor.ports.outbox import (
    AHEAD,
    TELLING,
    Delivery,
    Grouping,
    GroupingReceiver,
    OutboxStore,
    PacedReceiver,
    Receipt,
    Receiver,
    group_id,
)
from monitor.ports.pages import PageMaker, PageShelf
from monitor.ports.painting import PAINT_SECONDS, Painter
from monitor.ports.people import PeopleStore
from monitor.ports.reading import DeliveryRow, QuarantineRow, ReadStore, Store, VerdictCount
from monitor.ports.references import ReferenceStore, StoredReference
from monitor.ports.retention import RetentionStore
from monitor.ports.sampling import SampleTester

__all__ = [
    "AHEAD",
    "PAINT_SECONDS",
    "PICTURE",
    "RETRAINING",
    "TELLING",
    "Advance",
    "Applied",
    "AskedAfter",
    "Checkpoint",
    "CheckpointStore",
    "Clock",
    "Curve",
    "Damaged",
    "Delivery",
    "DeliveryRow",
    "DigestStore",
    "GapEnd",
    "Grouping",
    "GroupingReceiver",
    "HistoryStore",
    "JoinRound",
    "Judgement",
    "JudgementStore",
    "JudgingStore",
    "KeptKey",
    "KeptWindow",
    "Known",
    "LabelAccount",
    "LabelStore",
    "LogSource",
    "Mark",
    "Message",
    "NewLabels",
    "OutOfRange",
    "OutboxStore",
    "PacedReceiver",
    "PageMaker",
    "PageShelf",
    "Painter",
    "PeopleStore",
    "Polled",
    "Progress",
    "QuarantineRow",
    "Quarantined",
    "ReadStore",
    "Receipt",
    "Receiver",
    "ReferenceStore",
    "RetentionStore",
    "RetrainingDesk",
    "Revision",
    "SampleTester",
    "SeenIds",
    "Store",
    "StoredLabels",
    "StoredReference",
    "StoredWindow",
    "StreamCount",
    "Tally",
    "TopicPartition",
    "VerdictCount",
    "WindowDelta",
    "group_id",
]
