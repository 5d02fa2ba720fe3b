"""Protocols between the inside and the edges. The pipeline knows these, never an edge."""

from monitor.ports.checkpoint import Advance, Checkpoint, CheckpointStore, GapEnd, Mark, Quarantined, SeenIds, StreamCount, WindowDelta
from monitor.ports.clock import Clock
from monitor.ports.history import HistoryStore
from monitor.ports.judging import Judgement, JudgementStore, JudgingStore, Message, Progress, StoredWindow
from monitor.ports.log import Damaged, LogSource, OutOfRange, Polled, TopicPartition
from monitor.ports.outbox import Delivery, OutboxStore, Receipt, Receiver
from monitor.ports.pages import PageMaker, PageShelf
from monitor.ports.reading import DeliveryRow, QuarantineRow, ReadStore, Store, VerdictCount
from monitor.ports.references import ReferenceStore, StoredReference
from monitor.ports.sampling import SampleTester

__all__ = [
    "Advance",
    "Checkpoint",
    "CheckpointStore",
    "Clock",
    "Damaged",
    "Delivery",
    "DeliveryRow",
    "GapEnd",
    "HistoryStore",
    "Judgement",
    "JudgementStore",
    "JudgingStore",
    "LogSource",
    "Mark",
    "Message",
    "OutOfRange",
    "OutboxStore",
    "PageMaker",
    "PageShelf",
    "Polled",
    "Progress",
    "QuarantineRow",
    "Quarantined",
    "ReadStore",
    "Receipt",
    "Receiver",
    "ReferenceStore",
    "SampleTester",
    "SeenIds",
    "Store",
    "StoredReference",
    "StoredWindow",
    "StreamCount",
    "TopicPartition",
    "VerdictCount",
    "WindowDelta",
]
